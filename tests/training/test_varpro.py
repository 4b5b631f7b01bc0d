"""Laws of variable projection: the projected problem, its Jacobian, its steps, and where it ends."""
import numpy as np
from oracles import path_sums
import pytest
from oracles import strategies
from oracles.assertions import assert_close, assert_feasible, assert_same_network
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.training.coordinates import CLEARANCE
from reducednet.training.methods import linear_least_squares as projected, varpro
from reducednet.training.monitor import NotFinite

SQUARE = rn.Box([-1.0, 0.0], [1.0, 1.0])
seeds = strategies.seeds()
all_kinds = pytest.mark.parametrize("kind", ["standard", "support", "ball"])
kinds = st.sampled_from(["standard", "support", "ball"])


def start(kind, n_neurons=5, n_outputs=1, seed=0, output_bias=False, domain=SQUARE):
    """Return a network with hyperplanes through the inner half of the domain; rows of any norm if standard."""
    red = rn.ReducedNetwork.random((domain.n_inputs, n_neurons, n_outputs), domain, seed,
                                   bound="support" if kind == "standard" else kind, output_bias=output_bias)
    rng = np.random.default_rng(seed)
    centre = domain.sample(500, 0).mean(axis=0)
    inner = centre + 0.5 * (domain.sample(n_neurons, rng) - centre)
    W, b = red.weights[0], -np.einsum("ij,ij->i", red.weights[0], inner)
    if kind == "standard":
        norms = rng.uniform(0.5, 2.0, n_neurons)
        return rn.Network([W * norms[:, np.newaxis]], [b * norms], red.output_weights, red.output_bias)
    return rn.ReducedNetwork([W], [b], red.output_weights, red.output_bias, domain=domain, bound=kind)


def problem(n_samples=40, n_outputs=1, domain=SQUARE):
    """Return samples and responses of which the last outputs are not like the first."""
    X = domain.sample(n_samples, 7)
    phases = np.arange(n_outputs)
    return X, np.sin(3.0 * X.sum(axis=1, keepdims=True) + phases) + 0.1 * phases


def clear_problem(network, margin=0.05):
    """Return samples that lie clear of every hyperplane: a small move crosses none."""
    X, Y = problem(120, network.n_outputs, getattr(network, "domain", SQUARE))
    clear = (np.abs(network.pre_activations(X)[0]) > margin).all(axis=1)
    return X[clear], Y[clear]


def matrix_of(projection, solved):
    """Return the columns that outgoing weights multiply, neuron by neuron."""
    columns = [[max(float(w @ x + t), 0.0) for x in projection.X] for w, t in zip(solved.W, solved.b)]
    if projection.bias:
        columns.append([1.0] * len(projection.X))
    return np.array(columns).T


def normal_equations(projection, solved):
    """Return sum_k J_k^T J_k and the slope, from what the projection computes."""
    PG, slope = projection.linearise(solved, projection.directions(solved.W))
    by_variable = np.repeat(solved.C[:len(solved.b)], PG.shape[1] // len(solved.b), axis=0)
    J = np.concatenate([-PG * c for c in by_variable.T])
    return J.T @ J, slope


def solution(kind="standard", n_neurons=4, n_outputs=1, seed=0, output_bias=False):
    network = start(kind, n_neurons, n_outputs, seed, output_bias)
    projection = projected.Projection(network, *clear_problem(network))
    return projection, projection.solve(network.weights[0], network.thresholds[0])


def rounding_of(projection, solved, roundings):
    """Roundings of a least squares solution: its backward error times the condition of the scaled columns."""
    H = matrix_of(projection, solved)
    H = H / np.linalg.norm(H, axis=0)
    return gamma(roundings * sum(H.shape)) * np.linalg.cond(H)


# the least squares problem


@all_kinds
@pytest.mark.parametrize("n_outputs, output_bias", [(1, False), (3, True)])
def test_outgoing_weights_are_the_least_squares_solution(kind, n_outputs, output_bias):
    projection, solved = solution(kind, 4, n_outputs, 1, output_bias)
    H = matrix_of(projection, solved)
    expected = np.linalg.lstsq(H, projection.Y, rcond=None)[0]
    error = rounding_of(projection, solved, 8)
    # of the solution: condition times the backward error, twice where the residual is not small
    size = np.linalg.norm(projection.Y) / np.linalg.norm(H, axis=0)[:, np.newaxis]
    condition = np.linalg.cond(H / np.linalg.norm(H, axis=0))
    assert_close(solved.C, expected, error * condition * size, "outgoing weights")
    assert_close(solved.residual, projection.Y - H @ expected, error * np.linalg.norm(projection.Y), "residual")
    assert_close(solved.loss, ((projection.Y - H @ expected) ** 2).sum() / len(H),
                 error * (projection.Y**2).sum() / len(H), "loss")


@pytest.mark.parametrize("output_bias", [False, True])
def test_integer_weights_are_repeated_samples(output_bias):
    network = start("support", 4, 2, 1, output_bias)
    X, Y = clear_problem(network)
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    weighted = projected.Projection(network, X, Y, counts / counts.mean())
    repeated = projected.Projection(network, np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0))
    theta = network.to_vector()
    one, other = weighted.solve_at(theta), repeated.solve_at(theta)
    error = rounding_of(repeated, other, 16)
    mean_square = (repeated.Y**2).sum() / len(repeated.Y)
    assert_close(one.loss, other.loss, error * mean_square, "loss")
    share = len(X) / counts.sum()  # sums over samples of mean weight 1, against sums of the counts
    for name, left, right in zip(("matrix", "slope"), normal_equations(weighted, one),
                                 normal_equations(repeated, other)):
        size = np.abs(right).max() + np.abs(other.C).max() * (repeated.Y**2).sum()
        condition = np.linalg.cond(matrix_of(repeated, other))
        assert_close(left, right * share, error * condition * size, name)


def test_exchange_of_neurons_looks_at_samples_of_positive_weight_only():
    network = start("support", 8)
    X, Y = clear_problem(network)
    counts = np.arange(len(X)) % 2
    wild = np.where(counts[:, np.newaxis] > 0, Y, 1e6)
    projections = [projected.Projection(network, X, responses, 2.0 * counts) for responses in (Y, wild)]
    chosen = [varpro.exchange(projection, projection.solve_at(network.to_vector()), 2, np.random.default_rng(0))
              for projection in projections]
    np.testing.assert_array_equal(chosen[0].W, chosen[1].W)
    assert chosen[0].loss == chosen[1].loss


@given(st.lists(st.sampled_from(["cut", "dead", "duplicate", "on", "touch"]), min_size=1, max_size=6), seeds,
       st.booleans(), st.integers(1, 3))
def test_residual_is_orthogonal_to_every_activation_even_of_degenerate_neurons(planted, seed, bias, n_outputs):
    rng = np.random.default_rng(seed)
    W, b = strategies.plant_layer(rng, planted, "normal", strategies.Support(SQUARE))
    network = rn.Network([W], [b], np.ones((n_outputs, len(b))), np.ones(n_outputs) if bias else None)
    X, Y = problem(30, n_outputs)
    projection = projected.Projection(network, X, Y)
    solved = projection.solve(W, b)
    H = matrix_of(projection, solved)
    # a singular direction below RCOND is left out and with it that share of a column
    allowed = (projected.RCOND * len(b) + gamma(64 * sum(H.shape))) * np.linalg.norm(H, axis=0)[:, np.newaxis]
    assert_close(H.T @ solved.residual, 0.0, allowed * np.linalg.norm(Y, axis=0), "products with the residual")
    assert np.isfinite(solved.C).all()


@pytest.mark.parametrize("twist", ["dead", "duplicate"])
def test_neurons_that_add_nothing_leave_the_loss_as_it_is(twist):
    projection, solved = solution()
    extra = solved.W[:1], (np.array([-50.0]) if twist == "dead" else solved.b[:1])
    more = projection.solve(np.vstack([solved.W, extra[0]]), np.append(solved.b, extra[1]))
    mean_square = (projection.Y**2).sum() / len(projection.Y)
    assert_close(more.loss, solved.loss, rounding_of(projection, solved, 16) * mean_square, "loss")


def test_vector_is_that_of_the_network_with_the_solution():
    projection, solved = solution("support", 4, 2, 0, True)
    network = projection.network.with_vector(projection.vector(solved))
    np.testing.assert_array_equal(network.weights[0], solved.W)
    np.testing.assert_array_equal(network.thresholds[0], solved.b)
    np.testing.assert_array_equal(network.output_weights, solved.C[:-1].T)
    np.testing.assert_array_equal(network.output_bias, solved.C[-1])
    value = rn.loss_and_gradient(network, projection.X, projection.Y)[0]
    tolerance = path_sums.loss_tolerance(network, projection.X, projection.Y, "mse", 64)
    assert_close(value, solved.loss, tolerance, "loss")


# tangent bases


@pytest.mark.parametrize("n", [1, 2, 3, 10])
@given(seeds, st.sampled_from(["random", "axis", "minus axis"]))
def test_tangent_basis_is_orthonormal_and_tangent(n, seed, place):
    rows = rn.sphere.sample(4, n, np.random.default_rng(seed))
    if place != "random":
        rows = (1.0 if place == "axis" else -1.0) * np.eye(n)[np.resize(np.arange(n), 4)]
    bases = projected.tangent_basis(rows)
    assert bases.shape == (4, n - 1, n)
    allowed = gamma(8 * n + 16)
    for w, basis in zip(rows, bases):
        assert_close(basis @ w, 0.0, allowed, "products with the row")
        assert_close(basis @ basis.T, np.eye(n - 1), allowed, "Gram matrix")


def test_tangent_basis_of_minus_zero_is_finite():
    assert np.isfinite(projected.tangent_basis(np.array([[-0.0, 1.0], [0.0, -1.0]]))).all()


# the Jacobian


def jacobian_columns(projection, solved):
    """Return J_k of each output, a column a coordinate: Kaufman's form, made sample by sample."""
    H = matrix_of(projection, solved)
    directions = projection.directions(solved.W)
    columns = []
    for j, (w, t) in enumerate(zip(solved.W, solved.b)):
        for direction in [*directions[j], None]:
            slopes = [1.0 if direction is None else float(direction @ x) for x in projection.X]
            g = np.array([slope if w @ x + t > 0.0 else 0.0 for slope, x in zip(slopes, projection.X)])
            Pg = g - H @ np.linalg.lstsq(H, g, rcond=None)[0]
            columns.append([-Pg * c for c in solved.C[j]])
    return [np.array([column[k] for column in columns]).T for k in range(projection.Y.shape[1])]


@all_kinds
@pytest.mark.parametrize("n_outputs, output_bias", [(1, False), (1, True), (3, True)])
def test_normal_equations_are_those_of_the_jacobian_made_sample_by_sample(kind, n_outputs, output_bias):
    projection, solved = solution(kind, 3, n_outputs, 2, output_bias)
    derivatives = projection.derivatives(solved, projection.directions(solved.W))
    matrix, slope = normal_equations(projection, solved)
    columns = jacobian_columns(projection, solved)
    expected = sum(J.T @ J for J in columns)
    by_slope = sum(J.T @ r for J, r in zip(columns, solved.residual.T))
    error = rounding_of(projection, solved, 64)
    k = derivatives.shape[2]
    lengths = np.linalg.norm(derivatives.reshape(len(projection.X), -1), axis=0)
    sizes = lengths * np.repeat(np.linalg.norm(solved.C[:3], axis=1), k)
    condition = np.linalg.cond(matrix_of(projection, solved))
    assert_close(matrix, expected, error * np.outer(sizes, sizes), "matrix")
    assert_close(slope, by_slope, error * condition * sizes * np.linalg.norm(projection.Y), "slope")


def moved_residual(projection, solved, directions, step):
    W, b = projection.move(solved, directions, step, None)
    return projection.solve(W, b)


@all_kinds
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_jacobian_is_the_part_off_the_span_of_differences_of_the_residual(kind, n_outputs):
    # the part of the full derivative that Kaufman's form leaves out lies in the span of the activations
    projection, solved = solution(kind, 3, n_outputs, 2, True)
    directions = projection.directions(solved.W)
    columns, t = jacobian_columns(projection, solved), 2.0**-9
    rounding = rounding_of(projection, solved, 64) * np.linalg.norm(projection.Y) / t
    for index in range(columns[0].shape[1]):
        step = np.eye(columns[0].shape[1])[index]

        def central(t):
            up, down = (moved_residual(projection, solved, directions, sign * t * step) for sign in (1.0, -1.0))
            difference = (up.residual - down.residual) / (2.0 * t)
            return difference - solved.basis @ (solved.basis.T @ difference)

        one, two = central(t), central(t / 2.0)
        better = (4.0 * two - one) / 3.0
        analytic = np.array([J[:, index] for J in columns]).T
        allowed = np.linalg.norm(better - two) + rounding
        assert np.linalg.norm(better - analytic) <= allowed, f"coordinate {index}"
        assert allowed <= 0.01 * np.linalg.norm(analytic)  # the check could fail


@all_kinds
def test_slope_is_the_derivative_of_the_projected_loss(kind):
    projection, solved = solution(kind, 4, 2, 5, True)
    directions = projection.directions(solved.W)
    _, slope = projection.linearise(solved, directions)
    step, t = np.random.default_rng(0).standard_normal(len(slope)), 2.0**-9

    def central(t):
        up, down = (moved_residual(projection, solved, directions, sign * t * step) for sign in (1.0, -1.0))
        return (up.loss - down.loss) / (2.0 * t)

    one, two = central(t), central(t / 2.0)
    better = (4.0 * two - one) / 3.0
    analytic = 2.0 / len(projection.Y) * float(slope @ step)
    mean_square = (projection.Y**2).sum() / len(projection.Y)
    allowed = abs(better - two) + rounding_of(projection, solved, 64) * mean_square / t
    assert abs(better - analytic) <= allowed
    assert allowed <= 0.01 * abs(analytic)  # the check could fail


@all_kinds
def test_recorded_gradient_norm_is_that_of_the_network(kind):
    X, y = problem(n_outputs=2)
    states = []
    result = rn.train(start(kind, 5, 2, 1, True), X, y, "varpro", n_steps=6, callback=states.append)
    for state in states[1:]:
        gradient = rn.loss_and_gradient(state.network, X, y)[1].to_vector()
        # that of the outgoing weights is 0 to the rounding of a solution, which cancels in the other sums
        condition = np.linalg.cond(np.maximum(state.network.pre_activations(X)[0], 0.0))
        allowed = condition * np.linalg.norm(path_sums.gradient_tolerance(state.network, X, y, "mse", 64))
        assert_close(state.gradient_norm, np.linalg.norm(gradient), allowed, f"step {state.step}")
    assert result.steps == 6


# a step


@given(seeds, st.integers(1, 8), st.sampled_from([1e-9, 1e-2, 1.0, 100.0]))
def test_damped_step_solves_the_damped_equations(seed, n, damping):
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((n + 5, n)) * 2.0 ** rng.integers(-8, 8, n)
    A, slope = J.T @ J, J.T @ rng.standard_normal(n + 5)
    step = projected.DampedEquations(A, slope).step(damping)
    scale = np.sqrt(np.diag(A))
    scaled = A / np.outer(scale, scale)
    expected = -np.linalg.solve(scaled + damping * np.eye(n), slope / scale) / scale
    condition = np.linalg.cond(scaled + damping * np.eye(n))
    allowed = gamma(64 * n) * condition * np.linalg.norm(expected * scale) / scale
    assert_close(step, expected, allowed, "step")


@given(seeds, st.integers(1, 6), st.sampled_from([1e-9, 1e-2, 1.0, 100.0]), st.booleans())
def test_dual_step_is_that_of_the_normal_equations(seed, m, damping, larger):
    rng = np.random.default_rng(seed)
    J, residual = rng.standard_normal((m, m + 5)) * 2.0 ** rng.integers(-8, 8, m + 5), rng.standard_normal(m)
    diagonal = (J**2).sum(axis=0) * (2.0 ** rng.integers(0, 8, m + 5) if larger else 1.0)
    step = projected.DualEquations(J.copy(), residual, diagonal if larger else None).step(damping)
    # in exact arithmetic both are -D^-1/2 B^T (B B^T + damping I)^-1 r
    B = J / np.sqrt(diagonal)
    expected = -(B.T @ np.linalg.solve(B @ B.T + damping * np.eye(m), residual)) / np.sqrt(diagonal)
    length = np.linalg.norm(expected * np.sqrt(diagonal))
    condition = np.linalg.cond(B @ B.T + damping * np.eye(m))
    assert_close(step, expected, gamma(64 * m) * condition * length / np.sqrt(diagonal), "step")
    primal = projected.DampedEquations(J.T @ J, J.T @ residual, diagonal).step(damping)
    condition = np.linalg.cond(B.T @ B + damping * np.eye(m + 5))
    allowed = gamma(64 * (m + 5)) * condition * length / np.sqrt(diagonal)
    assert_close(primal, step, allowed, "step of the normal equations")


def test_dead_neurons_do_not_move_in_the_dual():
    J = np.array([[1.0, 0.0, 2.0], [0.5, 0.0, -1.0]])
    step = projected.DualEquations(J, np.array([1.0, -3.0])).step(1e-2)
    assert step[1] == 0.0 and step[[0, 2]].all()


@all_kinds
def test_few_samples_take_the_dual_step_and_it_is_that_of_the_jacobian(kind):
    network = start(kind, 12, 1, 1, True)
    X, Y = problem(n_samples=20)
    projection = projected.Projection(network, X, Y)
    solved = projection.solve_at(network.to_vector())
    PG, slope = projection.linearise(solved, projection.directions(solved.W))
    free = np.arange(len(slope)) != 3
    equations = projection.equations(solved, PG, slope, free)
    assert isinstance(equations, projected.DualEquations)
    J = -PG * np.repeat(solved.C[:12, 0], len(slope) // 12)
    assert np.linalg.norm(J) > 0.01 * np.linalg.norm(Y) and np.linalg.norm(solved.residual) > 0.0
    expected = projected.DualEquations(J[:, free], solved.residual[:, 0]).step(1e-2)
    assert_close(equations.step(1e-2), expected, gamma(256) * 100 * np.abs(expected).max(), "step")
    few = projection.equations(solved, PG, slope, np.arange(len(slope)) < 5)
    assert isinstance(few, projected.DampedEquations)


@pytest.mark.parametrize("A", [np.zeros((2, 2)), np.diag([1.0, 0.0]), np.ones((2, 2))])
@pytest.mark.parametrize("damping", [1e-9, 1.0])
def test_damped_step_of_a_degenerate_matrix_is_finite_and_descends(A, damping):
    slope = A @ np.array([1.0, 2.0])
    step = projected.DampedEquations(A, slope).step(damping)
    assert np.isfinite(step).all() and (slope @ step < 0.0 or not slope.any())


# descent


@pytest.mark.parametrize("bound", ["support", "ball"])
@pytest.mark.parametrize("domain", [SQUARE, rn.Box(0.0, 1.0), rn.Ball([5.0, 0.0, 1.0], 2.0)], ids=repr)
def test_every_step_is_feasible(bound, domain):
    X, y = problem(domain=domain)
    states = []
    rn.train(start(bound, 6, 1, 3, True, domain), X, y, "varpro", n_steps=25, rounds=2, callback=states.append)
    assert len(states) > 5
    for state in states:
        assert_feasible(state.network)


@given(kinds, seeds, st.booleans(), st.integers(1, 3))
def test_loss_never_grows_within_a_descent(kind, seed, output_bias, n_outputs):
    X, y = problem(n_outputs=n_outputs)
    network = start(kind, 5, n_outputs, seed, output_bias)
    losses = rn.train(network, X, y, "varpro", n_steps=15).history["loss"]
    assert (np.diff(losses[1:]) < 0.0).all()
    assert losses[1] <= losses[0] + path_sums.loss_tolerance(network, X, y, "mse")


@all_kinds
def test_last_step_before_the_limit_is_kept(kind):
    X, y = problem()
    result = rn.train(start(kind), X, y, "varpro", n_steps=4)
    assert result.steps == 4 and not result.converged and "limit of 4 steps" in result.message
    value = rn.loss_and_gradient(result.network, X, y)[0]
    allowed = path_sums.loss_tolerance(result.network, X, y, "mse", 64)
    assert_close(value, result.history["loss"][-1], allowed, "loss")


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_thresholds_that_descent_would_push_out_are_frozen(bound):
    network = start(bound, 6, 1, 4)
    projection = projected.Projection(network, *problem())
    limits = projection.position_limits(network.weights[0], network.thresholds[0])
    low, high = network.intervals[0].T
    ends = low + limits[0] * (high - low), low + limits[1] * (high - low)
    for end, outward in zip(ends, (1.0, -1.0)):
        solved = projection.solve(network.weights[0], end)
        slope = np.zeros((6, 2))
        slope[:3, -1], slope[3:, -1] = outward, -outward  # -slope leads out, and in
        frozen = projection.at_active_bounds(solved, slope.ravel(), limits).reshape(6, 2)
        np.testing.assert_array_equal(frozen[:, -1], [True] * 3 + [False] * 3)
        assert not frozen[:, 0].any()


@pytest.mark.parametrize("bound, edge", [("support", CLEARANCE), ("ball", 0.0)])
def test_limits_keep_thresholds_inside_unless_they_start_at_an_end(bound, edge):
    network = start(bound, 3)
    low, high = network.intervals[0].T
    b = np.array([low[0], high[1], (low[2] + high[2]) / 2.0])
    limits = projected.Projection(network, *problem()).position_limits(network.weights[0], b)
    assert_close(limits[0], [0.0, edge, edge], gamma(8), "least positions")
    assert_close(limits[1], [1.0 - edge, 1.0, 1.0 - edge], gamma(8), "largest positions")


def test_neuron_that_starts_inside_does_not_die():
    X, y = problem()
    states = []
    network = start("support", 6, 1, 2)
    rn.train(network, X, y, "varpro", n_steps=40, callback=states.append)
    low, high = network.intervals[0].T
    inside = (network.thresholds[0] - low) / (high - low)
    least, largest = np.minimum(inside, CLEARANCE), np.maximum(inside, 1.0 - CLEARANCE)
    for state in states:
        low, high = state.network.intervals[0].T
        positions = (state.network.thresholds[0] - low) / (high - low)
        margin = gamma(64) * (1.0 + np.abs(low) / (high - low))
        assert (positions >= least - margin).all() and (positions <= largest + margin).all()


# optima


def joint_problem(network, X, Y):
    """Return theta -> residuals of all outputs and samples, and their Jacobian, apart from the library."""
    m, k = network.sizes[1], network.n_outputs
    x = X[:, 0]

    def parts(theta):
        w, b, C = theta[:m], theta[m:2 * m], theta[2 * m:].reshape(-1, k)
        Z = np.outer(x, w) + b
        return (Z > 0.0) * 1.0, np.column_stack([np.maximum(Z, 0.0), np.ones(len(x))])[:, :len(C)], C

    def residual(theta):
        _, H, C = parts(theta)
        return (H @ C - Y).T.ravel()

    def jacobian(theta):
        active, H, C = parts(theta)
        rows = []
        for output in range(k):
            by_b = active * C[:m, output]
            by_C = np.zeros((len(x), *C.shape))
            by_C[:, :, output] = H
            rows.append(np.column_stack([by_b * x[:, np.newaxis], by_b, by_C.reshape(len(x), -1)]))
        return np.vstack(rows)

    return residual, jacobian


def smooth_problem(n_outputs=1):
    """Samples around gaps, so that a breakpoint of the fit can move without meeting a sample."""
    X = np.concatenate([np.linspace(*ends, 9) for ends in [(0.0, 0.25), (0.4, 0.6), (0.75, 1.0)]])[:, np.newaxis]
    noise = np.cos(40.0 * X) * (1.0 + 0.1 * np.arange(n_outputs))
    Y = np.abs(X - 0.33) - 1.5 * np.maximum(X - 0.68, 0.0) + 0.02 * noise
    return X, Y


@pytest.mark.parametrize("kind", ["standard", "support"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_optimum_is_one_of_all_parameters_together(kind, n_outputs):
    from scipy.optimize import least_squares
    X, Y = smooth_problem(n_outputs)
    W, b = [[1.0], [-1.0], [1.0]], [-0.35, 0.36, -0.7]
    network = rn.Network([W], [b], np.ones((n_outputs, 3)), np.zeros(n_outputs))
    if kind == "support":
        network = rn.reduce(network, rn.Box(0.0, 1.0))
    result = rn.train(network, X, Y, "varpro", n_steps=500, tolerance=0.0)
    assert result.converged
    residual, jacobian = joint_problem(network, X, Y)
    theta, best = result.network.to_vector(), result.history["loss"].min()
    allowed = path_sums.loss_tolerance(result.network, X, Y, "mse", 64)
    exactly = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 5000, "method": "lm"}
    joint = least_squares(residual, theta, jacobian, **exactly)
    assert_close(2.0 * joint.cost / len(X), best, allowed, "loss of all parameters, from the optimum")
    if n_outputs > 1:
        return  # this optimum has a breakpoint at a sample, where the joint method creeps
    rng = np.random.default_rng(3)
    near = theta + 1e-3 * rng.standard_normal(len(theta))
    joint = least_squares(residual, near, jacobian, **exactly)
    # what is left to gain there, by the linearised residual: its part in the span of the Jacobian
    J, r = jacobian(joint.x), residual(joint.x)
    left = np.sum((J @ np.linalg.lstsq(J, r, rcond=1e-8)[0]) ** 2) / len(X)
    assert_close(2.0 * joint.cost / len(X), best, allowed + 4.0 * left, "loss of all parameters, from nearby")
    assert left < 1e-6 * best  # the check could fail
    back = result.network.with_vector(near)
    if kind == "support":
        back = rn.reduce(rn.Network(back.weights, back.thresholds, back.output_weights, back.output_bias),
                         rn.Box(0.0, 1.0))
    again = rn.train(back, X, Y, "varpro", n_steps=500, tolerance=0.0)
    assert_close(again.history["loss"].min(), best, allowed, "loss of the projected problem, from nearby")


def test_optimal_hidden_parameters_get_their_outgoing_weights():
    X, Y = smooth_problem()
    network = rn.Network([[[1.0], [-1.0]]], [[-0.3, 0.3]], [[1.0, 1.0]])
    best = rn.train(network, X, Y, "varpro", n_steps=500, tolerance=0.0)
    spoilt = rn.Network(best.network.weights, best.network.thresholds, [[5.0, -5.0]])
    again = rn.train(spoilt, X, Y, "varpro", tolerance=0.0)
    allowed = path_sums.loss_tolerance(best.network, X, Y, "mse", 64)
    assert_close(again.history["loss"].min(), best.history["loss"].min(), allowed, "loss")
    assert_close(rn.loss_and_gradient(again.network, X, Y)[0], best.history["loss"].min(), allowed, "loss")


def test_function_of_the_network_itself_is_learnt_exactly():
    X, _ = problem(60)
    target = start("standard", 3, 1, 8, True)
    near = target.with_vector(target.to_vector() * (1.0 + 0.01 * np.cos(np.arange(target.n_parameters))))
    result = rn.train(near, X, target(X), "varpro", n_steps=200, tolerance=0.0)
    condition = np.linalg.cond(np.maximum(result.network.pre_activations(X)[0], 0.0))
    outputs = condition * path_sums.outputs_tolerance(result.network, X, 64)
    assert result.history["loss"].min() <= (outputs**2).sum() / len(X)


# rounds


@all_kinds
def test_rounds_never_worsen_the_best(kind):
    X, y = problem()
    without = rn.train(start(kind), X, y, "varpro", n_steps=300)
    for rounds in (1, 4):
        result = rn.train(start(kind), X, y, "varpro", n_steps=300, rounds=rounds)
        assert result.history["loss"].min() <= without.history["loss"].min()
        value = rn.loss_and_gradient(result.network, X, y)[0]
        tolerance = path_sums.loss_tolerance(result.network, X, y, "mse", 64)
        assert_close(value, result.history["loss"].min(), tolerance, "loss of the best network")
        if kind != "standard":
            assert_feasible(result.network)


def test_rounds_stay_within_the_limit_of_steps():
    X, y = problem()
    result = rn.train(start("support"), X, y, "varpro", n_steps=20, rounds=100)
    assert result.steps <= 20 and not result.converged and "limit of 20 steps" in result.message


@all_kinds
def test_same_seed_gives_the_same_bytes(kind):
    X, y = problem()
    one, two = (rn.train(start(kind), X, y, "varpro", n_steps=60, rounds=3, rng=5) for _ in range(2))
    assert one.network.to_vector().tobytes() == two.network.to_vector().tobytes()
    assert one.history["loss"].tobytes() == two.history["loss"].tobytes()


def refitted_without(projection, solved, j):
    others = np.arange(len(solved.b)) != j
    return projection.solve(solved.W[others], solved.b[others]).loss


@all_kinds
@pytest.mark.parametrize("n_outputs, output_bias", [(1, False), (2, True)])
def test_growth_without_a_neuron_is_that_of_a_fit_without_it(kind, n_outputs, output_bias):
    projection, solved = solution(kind, 6, n_outputs, 3, output_bias)
    growth = projected.growth_without(matrix_of(projection, solved), solved.C)
    costs = [len(projection.X) * (refitted_without(projection, solved, j) - solved.loss) for j in range(6)]
    condition = np.linalg.cond(matrix_of(projection, solved))
    allowed = rounding_of(projection, solved, 64) * condition * (projection.Y**2).sum()
    assert allowed < 0.1 * min(costs)  # the check could fail
    assert_close(growth[:6], costs, allowed, "growth")


@pytest.mark.parametrize("twist", ["dead", "duplicate", "sum"])
def test_neuron_in_the_span_of_the_others_costs_nothing(twist):
    projection, solved = solution("standard", 4, output_bias=True)
    H = matrix_of(projection, solved)
    extra = {"dead": 0.0 * H[:, 0], "duplicate": H[:, 0], "sum": H[:, 0] + 2.0 * H[:, 1]}[twist]
    H = np.column_stack([H, extra])
    C = np.linalg.pinv(H, rcond=projected.RCOND) @ projection.Y
    C[-1] += 1e-15  # as rounding leaves it
    growth = projected.growth_without(H, C)
    involved = {"dead": [], "duplicate": [0], "sum": [0, 1]}[twist]
    np.testing.assert_array_equal(growth == 0.0, np.isin(np.arange(6), [*involved, 5]))


@all_kinds
@pytest.mark.parametrize("n_outputs, output_bias", [(1, False), (2, True)])
def test_neurons_that_exchange_drops_are_those_whose_loss_costs_least(kind, n_outputs, output_bias):
    projection, solved = solution(kind, 6, n_outputs, 3, output_bias)
    costs = [refitted_without(projection, solved, j) for j in range(6)]
    for count in (1, 2):
        exchanged = varpro.exchange(projection, solved, count, np.random.default_rng(0))
        dropped = np.argsort(costs)[:count]
        kept = [j for j in range(6) if j not in dropped]
        np.testing.assert_array_equal(exchanged.W[:6 - count], solved.W[kept])
        np.testing.assert_array_equal(exchanged.b[:6 - count], solved.b[kept])


def test_exchange_drops_a_dead_neuron_first():
    projection, solved = solution("standard", 4)
    W, b = np.vstack([[[1.0, 0.0]], solved.W]), np.append(-50.0, solved.b)
    exchanged = varpro.exchange(projection, projection.solve(W, b), 1, np.random.default_rng(0))
    np.testing.assert_array_equal(exchanged.W[:4], solved.W)
    assert exchanged.loss < solved.loss


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_exchanged_neurons_are_feasible(bound):
    projection, solved = solution(bound, 6)
    exchanged = varpro.exchange(projection, solved, 3, np.random.default_rng(1))
    assert_feasible(projection.network.with_vector(projection.vector(exchanged)))


def test_candidates_of_a_standard_network_cut_the_samples():
    projection, _ = solution("standard")
    space, rng = projection.candidate_space(), np.random.default_rng(0)
    W, b = varpro.candidate_neurons(200, space, projection.X, rng)
    Z = projection.X @ W.T + b
    allowed = gamma(32) * (np.abs(projection.X).sum(axis=1).max() + np.abs(b))
    assert (Z.max(axis=0) >= -allowed).all() and (Z.min(axis=0) <= allowed).all()


# hard cases


@all_kinds
def test_samples_at_one_point_are_learnt(kind):
    X, y = np.zeros((5, 2)), np.full(5, 3.0)
    network = start(kind, 3, output_bias=True)
    result = rn.train(network, X, y, "varpro", rounds=1)
    assert result.history["loss"].min() <= gamma(64) ** 2 * 9.0


@all_kinds
def test_dead_and_duplicate_neurons_do_not_break_a_run(kind):
    X, y = problem()
    W = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    b = np.array([-0.5, -0.5, 0.0, -1.4])
    network = rn.Network([W], [b], [[1.0, 1.0, 1.0, 1.0]])
    if kind != "standard":
        network = rn.ReducedNetwork([W], [b], [[1.0, 1.0, 1.0, 1.0]], domain=SQUARE, bound=kind)
    result = rn.train(network, X, y, "varpro", n_steps=40)
    assert result.history["loss"].min() < result.history["loss"][0]
    assert np.isfinite(result.network.to_vector()).all()


def test_loss_out_of_range_ends_the_descent():
    network = start("standard")
    projection = projected.Projection(network, *problem())
    solved = projection.solve(network.weights[0], network.thresholds[0])._replace(loss=np.nan)
    with pytest.raises(NotFinite, match="not finite"):
        varpro.Descent(projection, solved)


def test_start_is_not_changed():
    X, y = problem()
    network = start("support")
    before = network.with_vector(network.to_vector())
    rn.train(network, X, y, "varpro", n_steps=5, rounds=1)
    assert_same_network(network, before, "the start")
