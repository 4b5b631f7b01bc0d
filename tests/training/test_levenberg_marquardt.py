"""Laws of Levenberg-Marquardt on all parameters: the Jacobian along the space, a step, and what a run keeps."""
import numpy as np
from oracles import path_sums
import pytest
from oracles import strategies
from oracles.assertions import assert_close, assert_feasible
from hypothesis import given

import reducednet as rn
from reducednet.networks import forward
from reducednet.numerics.rounding import gamma
from reducednet.training.methods import levenberg_marquardt as lm
from reducednet.training.monitor import Monitor
from reducednet.training.objective import Objective

SQUARE = rn.Box([-1.0, 0.0], [1.0, 1.0])
all_kinds = pytest.mark.parametrize("kind", ["standard", "support", "ball"])
deep = pytest.mark.parametrize("sizes", [(2, 5, 4, 1), (2, 4, 3, 3, 2)], ids=str)
"""With the 40 samples of `problem`: fewer residuals than parameters, and more."""


def start(kind, sizes, seed=0, output_bias=True):
    if kind == "standard":
        return rn.Network.random(sizes, seed, output_bias=output_bias)
    return rn.ReducedNetwork.random(sizes, SQUARE, seed, bound=kind, output_bias=output_bias)


def problem(n_outputs=1, n_samples=40):
    X = SQUARE.sample(n_samples, 7)
    return X, np.sin(3.0 * X.sum(axis=1, keepdims=True) + np.arange(n_outputs))


def tangent_jacobian(network, X):
    return lm.tangent_jacobian(network, network.to_vector(), forward.feature_first(X))


def weight_rows(network):
    """Return the indices of each hidden neuron's weights in the flat vector."""
    blocks = network.layout.blocks(np.arange(network.n_parameters))[:-1]
    return [block[:-1, j] for block in blocks for j in range(block.shape[1])]


def projected(network, vector):
    """Return a copy with each weight row's part along its unit row taken away, neuron by neuron."""
    result, theta = vector.copy(), network.to_vector()
    if isinstance(network, rn.ReducedNetwork):
        for row in weight_rows(network):
            result[row] -= sum(theta[row] * vector[row]) * theta[row]
    return result


# the Jacobian


@all_kinds
@deep
def test_each_row_of_the_tangent_jacobian_is_a_projected_row_of_the_jacobian(kind, sizes):
    network = start(kind, sizes)
    X, y = problem(sizes[-1])
    rows = rn.jacobian(network, X).reshape(-1, network.n_parameters)
    expected = np.array([projected(network, row) for row in rows])
    allowed = gamma(64) * np.abs(rows).max(axis=1, keepdims=True)
    assert_close(tangent_jacobian(network, X), expected, allowed, "tangent Jacobian")


@all_kinds
@deep
def test_tangent_jacobian_is_that_of_differences_along_the_space(kind, sizes):
    network = start(kind, sizes, 1)
    X, y = problem(sizes[-1], 80)
    theta, rng, t = network.to_vector(), np.random.default_rng(0), 2.0**-12
    direction = projected(network, rng.standard_normal(len(theta)))
    layers = [[Z > 0.0 for Z in network.with_vector(theta + s * direction).pre_activations(X)] for s in (-t, t)]
    clear = np.logical_and.reduce([(one == other).all(axis=1) for one, other in zip(*layers)])
    assert clear.sum() > 40
    X, y = X[clear], y[clear]

    def central(t):
        outputs = [network.with_vector(theta + s * direction)(X) for s in (t, -t)]
        return (outputs[0] - outputs[1]) / (2.0 * t)

    one, two = central(t), central(t / 2.0)
    better = (4.0 * two - one) / 3.0
    analytic = (tangent_jacobian(network, X) @ direction).reshape(better.shape)
    rounding = path_sums.outputs_tolerance(network, X, 64) / t
    allowed = np.abs(better - two) + 4.0 * rounding
    assert_close(better, analytic, allowed, "derivative along the space")
    assert np.abs(better - two).max() <= 0.01 * np.abs(analytic).max()  # the check could fail


@deep
@pytest.mark.parametrize("bound", ["support", "ball"])
def test_tangent_jacobian_is_orthogonal_to_the_rows(bound, sizes):
    network = start(bound, sizes)
    J, theta = tangent_jacobian(network, problem()[0]), network.to_vector()
    full = rn.jacobian(network, problem()[0]).reshape(J.shape)
    for row in weight_rows(network):
        allowed = gamma(64) * np.abs(full[:, row]).sum(axis=1)
        assert_close(J[:, row] @ theta[row], 0.0, allowed, "products with a row")


def test_tangent_jacobian_of_one_input_does_not_move_signs():
    network = rn.ReducedNetwork.random((1, 5, 1), rn.Box(0.0, 1.0), 0)
    J = tangent_jacobian(network, np.linspace(0.0, 1.0, 9)[:, np.newaxis])
    np.testing.assert_array_equal(J[:, [row[0] for row in weight_rows(network)]], 0.0)


@all_kinds
@deep
def test_integer_weights_are_repeated_samples(kind, sizes):
    network = start(kind, sizes)
    X, y = problem(sizes[-1])
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    many = np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0)
    J, residual = lm.linearise(network, Objective(network, X, y, "mse", counts), network.to_vector())
    matrix, slope = J.T @ J, J.T @ residual
    J, residual = lm.linearise(network, Objective(network, *many), network.to_vector())
    expected = J.T @ J, J.T @ residual
    share = len(X) / counts.sum()
    rows = np.abs(tangent_jacobian(network, many[0]))
    sizes_of_rows = path_sums.layers(network, many[0])[-1] + np.abs(many[1])
    # sums over the samples of products, whose factors err by path sums: of J they are at most its network's
    growth = 1.0 + path_sums.layers(network, many[0])[-1].max()
    allowed = gamma(8 * path_sums.roundings(network, len(many[0])))
    assert_close(matrix, expected[0] * share, allowed * growth**2 * (rows.T @ rows + len(rows)), "matrix")
    bound = rows.T @ sizes_of_rows.ravel() + sizes_of_rows.sum()
    assert_close(slope, expected[1] * share, allowed * growth * bound, "slope")


# one step


class Recorder(Monitor):
    """A monitor that keeps every vector and loss it is told."""

    def __init__(self, network, objective):
        super().__init__(network, objective)
        self.vectors, self.losses = [], []

    def record(self, vector, loss, gradient_norm=np.nan):
        self.vectors.append(vector.copy())
        self.losses.append(loss)
        super().record(vector, loss, gradient_norm)


def run(network, n_steps, tolerance=0.0):
    X, y = problem(network.n_outputs)
    objective = Objective(network, X, y)
    monitor = Recorder(network, objective)
    monitor.answer = lm.minimise(network, objective, monitor, n_steps, tolerance)
    return monitor


def retracted(network, v):
    """Return the vector with unit rows, norms given to the layer above, thresholds clipped, one by one."""
    v = v.copy()
    if isinstance(network, rn.ReducedNetwork):
        blocks = network.layout.blocks(v)
        for layer, (block, above) in enumerate(zip(blocks, blocks[1:])):
            for j in range(block.shape[1]):
                norm = np.sqrt(sum(block[:-1, j] ** 2))
                block[:, j] /= norm
                above[j] *= norm
            low, high = network.with_vector(v).intervals[layer].T
            block[-1] = np.clip(block[-1], low, high)
    return v


def dense_step(network, largest, damping):
    """Return the vector after a step, its allowed error, whether that is small, the next columns, damping."""
    X, y = problem(network.n_outputs)
    rows = rn.jacobian(network, X).reshape(-1, network.n_parameters)
    J = np.array([projected(network, row) for row in rows])
    residual = (network(X) - y).ravel()
    largest = np.maximum(largest, (J**2).sum(axis=0))
    lifted = np.maximum(largest, 1e-12 * largest.max())
    scale = np.sqrt(lifted)
    start_loss = float((residual**2).sum()) / len(X)
    free = ~lm._at_active_bounds(network, J.T @ residual)
    while True:
        matrix = (J.T @ J / np.outer(scale, scale))[np.ix_(free, free)]
        full = np.where(largest < lifted, 1.0, (J**2).sum(axis=0) / lifted)
        np.fill_diagonal(matrix, full[free] + damping)
        step = np.zeros(network.n_parameters)
        step[free] = -np.linalg.solve(matrix, (J.T @ residual / scale)[free]) / scale[free]
        expected = retracted(network, network.to_vector() + projected(network, step))
        if float(((network.with_vector(expected)(X) - y) ** 2).sum()) / len(X) < start_loss:
            break
        damping *= lm.DAMPING_UP
    # the lengths of the step's coordinates, in units of 1 / scale, carry the condition of the matrix
    error = gamma(256 * len(residual)) * np.linalg.cond(matrix) * np.linalg.norm(step * scale)
    allowed = error * np.linalg.norm(1.0 / scale)
    rounding = gamma(256) * (1.0 + np.abs(expected)) * (1.0 + np.abs(step).max())
    sharp = allowed < 0.01 * np.linalg.norm(step)
    return expected, allowed + rounding, sharp, largest, damping / lm.DAMPING_DOWN


@all_kinds
@deep
@pytest.mark.parametrize("seed", [0, 1])
def test_steps_are_those_of_the_dense_formula_with_the_largest_columns_met(kind, sizes, seed):
    network = start(kind, sizes, seed)
    largest, damping, shrunk = np.zeros(network.n_parameters), lm.FIRST_DAMPING, 0
    n_sharp, vectors = 0, run(network, 4).vectors
    for before, after in zip(vectors, vectors[1:]):
        at = network.with_vector(before)
        expected, allowed, sharp, largest, damping = dense_step(at, largest, damping)
        assert_close(after, expected, allowed, "step")
        n_sharp += sharp
        shrunk += (np.square(rn.jacobian(at, problem()[0])).sum(axis=(0, 1)) < 0.5 * largest).sum()
    assert shrunk > 0 and n_sharp >= 2  # D is not the present diagonal, and the check could fail


# runs


@deep
@pytest.mark.parametrize("bound", ["support", "ball"])
def test_every_step_is_feasible(bound, sizes):
    network = start(bound, sizes)
    for vector in run(network, 20).vectors:
        assert_feasible(network.with_vector(vector))


@given(strategies.seeds())
@all_kinds
@deep
def test_every_step_lowers_the_loss(kind, sizes, seed):
    assert (np.diff(run(start(kind, sizes, seed), 8).losses) < 0.0).all()


@all_kinds
@deep
def test_recorded_losses_and_norms_are_those_of_the_networks(kind, sizes):
    network = start(kind, sizes)
    X, y = problem(sizes[-1])
    monitor = run(network, 6)
    for vector, row in zip(monitor.vectors, monitor.rows):
        at = network.with_vector(vector)
        value, gradient = rn.loss_and_gradient(at, X, y)
        assert_close(row[1], value, path_sums.loss_tolerance(at, X, y, "mse"), "loss")
        allowed = np.linalg.norm(path_sums.gradient_tolerance(at, X, y, "mse", 64))
        assert_close(row[3], np.linalg.norm(gradient.to_vector()), 2.0 * allowed, "gradient norm")


@all_kinds
def test_depth_two_learns_far_below_the_start(kind):
    X, y = problem()
    losses = rn.train(start(kind, (2, 6, 6, 1), 2), X, y, "varpro", n_steps=100).history["loss"]
    assert losses.min() < 0.05 * min(losses[0], float(np.var(y)))


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_thresholds_that_descent_would_push_out_are_frozen(bound):
    network = start(bound, (2, 4, 3, 1))
    thresholds = [np.where(np.arange(len(i)) % 2, i[:, 1], i[:, 0]) for i in network.intervals]
    first = rn.ReducedNetwork(network.weights, thresholds, network.output_weights, network.output_bias,
                              domain=SQUARE, bound=bound)
    second = [thresholds[0], np.where(np.arange(3) % 2, first.intervals[1][:, 1], first.intervals[1][:, 0])]
    network = rn.ReducedNetwork(network.weights, second, network.output_weights, network.output_bias,
                                domain=SQUARE, bound=bound)
    for sign in (1.0, -1.0):
        slope = np.full(network.n_parameters, sign)
        frozen = network.layout.blocks(lm._at_active_bounds(network, slope))
        for block in frozen[:-1]:
            at_high = np.arange(block.shape[1]) % 2 == 1
            np.testing.assert_array_equal(block[-1], at_high if sign < 0.0 else ~at_high)
            assert not block[:-1].any()
        assert not frozen[-1].any()


def test_parameters_of_a_standard_network_are_never_frozen():
    network = start("standard", (2, 4, 3, 1))
    assert not lm._at_active_bounds(network, np.ones(network.n_parameters)).any()


@all_kinds
def test_run_from_a_minimum_has_converged(kind):
    network = start(kind, (2, 3, 2, 1))
    X = problem()[0]
    result = rn.train(network, X, network(X), "varpro")
    assert result.converged and result.network == network and "no step decreases" in result.message


@all_kinds
def test_run_says_that_it_ended_at_its_limit(kind):
    X, y = problem()
    result = rn.train(start(kind, (2, 4, 3, 1)), X, y, "varpro", n_steps=3, tolerance=0.0)
    assert result.steps == 3 and not result.converged and "limit of 3 steps" in result.message


@all_kinds
def test_same_call_gives_the_same_bytes(kind):
    one, two = (run(start(kind, (2, 5, 4, 1)), 10).vectors[-1] for _ in range(2))
    assert one.tobytes() == two.tobytes()
