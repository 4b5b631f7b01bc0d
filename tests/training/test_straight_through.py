"""Laws of the straight-through estimator: its gradient, its space, and the best network it keeps."""
import numpy as np
from oracles import reference
from oracles import strategies
from oracles.assertions import assert_close, assert_feasible, assert_same_network
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.reduced_space.spaces import space_of
from reducednet.training.methods import straight_through
from reducednet.training.monitor import Monitor
from reducednet.training.objective import Objective

SQUARE = rn.Box([0.0, 0.0], [1.0, 1.0])


def run(network, X, y, n_steps=30, loss="mse", callback=None, **options):
    """Return the result of a run."""
    objective = Objective(network, X, y, loss)
    monitor = Monitor(network, objective, callback=callback)
    ended = straight_through.minimise(network, objective, monitor, n_steps, 0.0, **options)
    return monitor.result(*ended)


def gradient_estimate(network, objective, theta, width=straight_through.WIDTH):
    """Return the loss at the flat vector theta and its straight-through gradient."""
    objective.estimate_by(straight_through.LossAndEstimate(network, objective, width))
    return objective(theta)


def reference_gradient(network, X, y, loss, width):
    """Return the straight-through gradient as a flat list, one sample at a time in plain loops."""
    hidden, (C, a) = reference.as_lists(network)
    passes = [reference.layers(network, x) for x in X]
    ramps = [[width * np.std([z[layer][j] for z, _, _ in passes]) for j in range(len(b))]
             for layer, (_, b) in enumerate(hidden)]
    maps = [*hidden, (C, a)]
    dW = [np.zeros(np.shape(W)) for W, _ in maps]
    db = [np.zeros(len(b)) for _, b in maps]
    for x, target, (all_z, all_h, output) in zip(X, y, passes):
        delta = [d / len(X) for d in reference.sample_loss(output, target, loss)[1]]
        for layer in reversed(range(len(maps))):
            below = all_h[layer - 1] if layer else x
            for k, d in enumerate(delta):
                db[layer][k] += d
                for i, h in enumerate(below):
                    dW[layer][k, i] += d * h
            if layer:
                passed = [sum(maps[layer][0][k][j] * d for k, d in enumerate(delta)) for j in range(len(below))]
                ramp = ramps[layer - 1]
                delta = [p / (2.0 * c) if abs(z) < c else 0.0 for p, z, c in zip(passed, all_z[layer - 1], ramp)]
    bias = None if network.output_bias is None else list(db[-1])
    return reference.flat(reference.Gradient(
        [W.tolist() for W in dW[:-1]], [list(b) for b in db[:-1]], dW[-1].tolist(), bias))


@st.composite
def problems(draw, n_samples=12):
    """Standard and reduced binary networks of any depth, with samples and responses."""
    rng = np.random.default_rng(draw(strategies.seeds()))
    loss = draw(st.sampled_from(["mse", "cross_entropy"]))
    sizes = (2, *draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)), draw(st.integers(2, 3)))
    options = {"output_bias": draw(st.booleans()), "activation": "binary"}
    if draw(st.booleans()):
        network = rn.ReducedNetwork.random(sizes, SQUARE, rng, bound=draw(st.sampled_from(["ball", "support"])),
                                           **options)
    else:
        network = rn.Network.random(sizes, rng, **options)
    X = SQUARE.sample(n_samples, rng)
    y = rng.integers(0, sizes[-1], n_samples) if loss == "cross_entropy" else \
        rng.standard_normal((n_samples, sizes[-1]))
    return network, X, y, loss


@given(problems())
def test_gradient_is_that_of_the_samples_one_by_one(case):
    network, X, y, loss = case
    objective, width = Objective(network, X, y, loss), 0.7
    theta = network.to_vector()
    value, gradient = gradient_estimate(network, objective, theta, width)
    want = np.array(reference_gradient(network, X, y, loss, width))
    sizes = np.array(network.sizes)
    paths = path_sum(network, X, y, width)
    allowed = gamma(64 * int(sizes.sum()) * len(X)) * paths
    assert_close(gradient, want, allowed, "straight-through gradient")
    assert_close(value, objective.value(network.to_vector()), gamma(64 * int(sizes.sum())) * (1.0 + paths), "loss")


def path_sum(network, X, y, width):
    """Return a bound of the sum of absolute terms of an entry of the gradient and of the loss.

    Each layer multiplies by at most (1 + sum of |weights|) / c, c the narrowest ramp, and its z, which
    the deviation c and the slope depend on, rounds relative to (1 + largest term) / c.
    """
    total = 4.0 * (1.0 + float(np.abs(y).max()) + network.n_outputs) ** 2
    total *= (1.0 + np.abs(network.output_weights).sum() + np.abs(network.to_vector()).max()) ** 2
    for Z, W in zip(network.pre_activations(X), network.weights):
        ramps = width * Z.std(axis=0)
        ramps = ramps[ramps > 1e-9]
        narrowest = min(ramps.min(initial=1.0), 1.0)
        total *= ((1.0 + np.abs(W).sum()) / narrowest) ** 2 * (1.0 + np.abs(Z).max())
    return total


def test_gradient_of_one_neuron_by_hand():
    # z = x - 1 = -1, 0, 1: deviation sqrt(2/3), width 1: only z = 0 has a slope, 1 / (2 sqrt(2/3)).
    # N = 3 s(z) = 0, 0, 3 against 0, 1, 3: delta = (2/3) (0, -1, 0), D = -2 / (2 sqrt(2/3)) at x = 1.
    network = rn.Network([[[1.0]]], [[-1.0]], [[3.0]], activation="binary")
    objective = Objective(network, [[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])
    theta = network.to_vector()
    value, gradient = gradient_estimate(network, objective, theta, 1.0)
    slope = -np.sqrt(3.0 / 2.0)
    assert_close(value, 1.0 / 3.0, gamma(8), "loss")
    assert_close(gradient, [slope, slope, 0.0], gamma(32) * 2.0, "gradient by w, b, c")


def test_gradient_by_outgoing_weights_is_exact():
    network = rn.ReducedNetwork.random((2, 5, 4, 1), SQUARE, 0, activation="binary", output_bias=True)
    X = SQUARE.sample(20, 1)
    y = X.sum(axis=1)
    _, exact = rn.loss_and_gradient(network, X, y)
    objective = Objective(network, X, y)
    _, gradient = gradient_estimate(network, objective, network.to_vector())
    n = exact.output_weights.size + 1
    error = gamma(20 * 16) * 2.0 * (np.abs(y).max() + np.abs(network.output_weights).sum())
    assert_close(gradient[-n:], np.append(exact.output_weights, exact.output_bias), error, "outgoing gradient")


@given(strategies.seeds(), st.integers(-20, 20))
def test_row_times_a_power_of_two_has_its_gradient_divided_by_it(seed, exponent):
    network = rn.Network.random((2, 3, 1), seed, activation="binary")
    X, alpha = SQUARE.sample(15, seed), 2.0**exponent
    scaled = rn.Network([alpha * network.weights[0]], [alpha * network.thresholds[0]], network.output_weights,
                        activation="binary")
    _, gradient = gradient_estimate(
        network, Objective(network, X, X[:, 0]), network.to_vector(), 1.0)
    objective = Objective(scaled, X, X[:, 0])
    _, other = gradient_estimate(scaled, objective, scaled.to_vector(), 1.0)
    assert np.array_equal(gradient[:9], alpha * other[:9])


@given(problems())
def test_every_step_is_in_the_space(case):
    network, X, y, loss = case
    seen = []
    result = run(network, X, y, 5, loss, callback=lambda state: seen.append(state.network))
    assert len(seen) == 6 or result.converged
    for step in seen:
        assert type(step) is type(network)
        if isinstance(step, rn.ReducedNetwork):
            assert_feasible(step)


@given(problems())
def test_best_network_met_is_kept(case):
    network, X, y, loss = case
    result = run(network, X, y, 10, loss)
    losses = result.history["loss"]
    objective = Objective(network, X, y, loss)
    kept = gradient_estimate(network, objective, result.network.to_vector())[0]
    assert kept == losses.min() <= losses[0]


def test_recorded_norm_is_that_of_the_riemannian_gradient():
    network = rn.ReducedNetwork.random((2, 5, 4, 1), SQUARE, 0, activation="binary")
    X = SQUARE.sample(20, 1)
    theta = network.to_vector()
    gradient = gradient_estimate(network, Objective(network, X, X[:, 0]), theta)[1]
    tangent = space_of(network).gradient(theta, gradient)
    norm = run(network, X, X[:, 0], 1).history["gradient_norm"][0]
    assert norm == np.linalg.norm(tangent) < np.linalg.norm(gradient)


def test_deep_network_learns():
    network = rn.ReducedNetwork.random((2, 12, 8, 1), SQUARE, 0, activation="binary")
    X = SQUARE.sample(80, 1)
    y = rn.targets.franke()(X)
    result = run(network, X, y, 300)
    assert result.history["loss"].min() < 0.5 * np.var(y)


def test_same_start_same_bytes():
    network = rn.ReducedNetwork.random((2, 4, 1), SQUARE, 0, activation="binary")
    X = SQUARE.sample(20, 1)
    first, second = (run(network, X, X[:, 0]) for _ in range(2))
    assert_same_network(first.network, second.network, "two runs from one start")


def test_network_that_fits_has_converged():
    network = rn.Network([[[1.0]]], [[-0.5]], [[2.0]], activation="binary")
    X = [[0.0], [1.0]]
    result = run(network, X, network(X))
    assert result.converged and len(result.history["loss"]) == 1


def test_neuron_with_constant_input_has_no_gradient():
    network = rn.Network([[[0.0]]], [[0.5]], [[2.0]], activation="binary")
    objective = Objective(network, [[0.0], [1.0]], [0.0, 1.0])
    gradient = gradient_estimate(network, objective, network.to_vector())[1]
    assert gradient.tolist() == [0.0, 0.0, 3.0]
