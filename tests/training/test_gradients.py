"""Laws of the loss and its gradient: three checks of the gradient, all away from breakpoints."""
import math

import numpy as np
from oracles import path_sums
import pytest
from oracles import strategies
from oracles.assertions import assert_close, assert_equal_bits
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.networks.backward import backward, forward
from reducednet.numerics.rounding import gamma
from reducednet.training.gradients import GradientCheck
from reducednet.training.objective import Objective

seeds = strategies.seeds()


def clear_network(rng, sizes, X, output_bias=False):
    """Return a random network none of whose pre-activations at X is near 0, and the smallest |z|.

    Each hyperplane lies in the middle of the widest gap between the values that its neuron sees.
    """
    H, weights, thresholds, clearance = X, [], [], np.inf
    for n_neurons in sizes[1:-1]:
        W = rng.standard_normal((n_neurons, H.shape[1]))
        b = np.empty(n_neurons)
        for j, values in enumerate(W @ H.T):
            ends = np.unique(np.round(values, 9))
            ends = np.append(ends, ends[-1] + 0.1)  # a neuron that sees one value only is off by 0.05
            widest = int(np.argmax(np.diff(ends)))
            b[j] = -(ends[widest] + ends[widest + 1]) / 2
            clearance = min(clearance, float(np.diff(ends)[widest]) / 2 - 1e-9)
        H = np.maximum(H @ W.T + b, 0.0)
        weights.append(W)
        thresholds.append(b)
    bias = rng.standard_normal(sizes[-1]) if output_bias else None
    C = rng.standard_normal((sizes[-1], sizes[-2]))
    return rn.Network(weights, thresholds, C, bias), clearance


@st.composite
def clear_cases(draw, max_outputs=3):
    """(network, X, y, V): away from breakpoints, with a unit direction V of the flat vector."""
    rng = np.random.default_rng(draw(seeds))
    depth = draw(st.integers(1, 4))
    sizes = (draw(st.integers(1, 3)), *rng.integers(1, 6, depth), draw(st.integers(1, max_outputs)))
    X = rng.uniform(-1.0, 1.0, (draw(st.integers(1, 6)), sizes[0]))
    network, _ = clear_network(rng, tuple(map(int, sizes)), X, draw(st.booleans()))
    V = rng.standard_normal(network.n_parameters)
    return network, X, rng.standard_normal((len(X), sizes[-1])), V / np.linalg.norm(V)


def largest_step(network, X, V):
    """Return a power of two t such that no pre-activation changes its sign between theta -+ t V."""
    theta, signs = network.to_vector(), [Z > 0.0 for Z in network.pre_activations(X)]
    t = 2.0**-10
    while not all(
        np.array_equal(Z > 0.0, sign)
        for s in (t, -t) for Z, sign in zip(network.with_vector(theta + s * V).pre_activations(X), signs)
    ):
        t /= 2.0
    return t


# the three checks


@given(clear_cases())
def test_gradient_is_the_directional_difference(case):
    network, X, y, V = case
    theta, t = network.to_vector(), largest_step(network, X, V)
    value = [rn.loss_and_gradient(network.with_vector(theta + s * V), X, y)[0] for s in (t, -t)]
    numeric = (value[0] - value[1]) / (2 * t)
    analytic = float(rn.loss_and_gradient(network, X, y)[1].to_vector() @ V)
    # between breakpoints the loss is a polynomial in t, sum a_i t^i; its path sums bound sum |a_i| by G;
    # the difference is off by a_3 t^2 + a_5 t^4 + ... <= G t^2, and by the rounding of two losses
    larger = network.with_vector(np.abs(theta) + np.abs(V))
    G = path_sums.loss(larger, X, np.abs(y), "mse")
    rounding = path_sums.loss_tolerance(larger, X, np.abs(y), "mse") / t
    rounding += gamma(8 * len(V)) * np.abs(V).sum() * G
    assert abs(numeric - analytic) <= G * t**2 + rounding


@given(clear_cases())
def test_gradient_is_that_of_the_plain_pass(case):
    network, X, y, _ = case
    value, gradient = rn.loss_and_gradient(network, X, y)
    outputs, Z, H = forward(network, X)
    expected, delta = rn.losses.mean_squared_error(outputs, np.reshape(y, outputs.shape))
    assert_close(value, expected, path_sums.loss_tolerance(network, X, y, "mse"), "loss")
    assert_close(gradient.to_vector(), backward(network, Z, H, delta).to_vector(),
                 path_sums.gradient_tolerance(network, X, y, "mse"), "gradient")


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("loss, n_outputs", [("mse", 1), ("mse", 2), ("cross_entropy", 3)])
def test_remainder_of_the_first_order_falls_with_the_square_of_the_step(depth, loss, n_outputs):
    rng = np.random.default_rng(depth)
    X = rng.uniform(-1.0, 1.0, (8, 2))
    network, _ = clear_network(rng, (2, *[6] * depth, n_outputs), X)
    y = rng.integers(0, n_outputs, 8) if loss == "cross_entropy" else rng.standard_normal((8, n_outputs))
    V = rng.standard_normal(network.n_parameters)
    V /= np.linalg.norm(V)
    theta, t = network.to_vector(), largest_step(network, X, V)
    value, gradient = rn.loss_and_gradient(network, X, y, loss)
    slope = float(gradient.to_vector() @ V)
    steps = t / 2.0 ** np.arange(4)
    remainders = [
        abs(rn.loss_and_gradient(network.with_vector(theta + s * V), X, y, loss)[0] - value - s * slope)
        for s in steps
    ]
    # each halving divides the remainder a_2 t^2 + a_3 t^3 + ... by 4, to a part in a hundred for these seeds
    assert np.allclose(np.log2(remainders[0] / remainders[-1]) / 3, 2.0, atol=0.05)


# sample weights


@given(clear_cases(), seeds)
def test_weighted_gradient_is_the_directional_difference(case, seed):
    network, X, y, V = case
    weight = np.random.default_rng(seed).uniform(0.0, 1.0, len(X))
    weight[0] = 1.0
    theta, t = network.to_vector(), largest_step(network, X, V)
    value = [rn.loss_and_gradient(network.with_vector(theta + s * V), X, y, sample_weight=weight)[0]
             for s in (t, -t)]
    analytic = float(rn.loss_and_gradient(network, X, y, sample_weight=weight)[1].to_vector() @ V)
    # as above; a weight over the mean is at most the number of samples
    larger = network.with_vector(np.abs(theta) + np.abs(V))
    G = len(X) * path_sums.loss(larger, X, np.abs(y), "mse")
    rounding = len(X) * path_sums.loss_tolerance(larger, X, np.abs(y), "mse", 16) / t
    rounding += gamma(8 * len(V) + 16) * np.abs(V).sum() * G
    assert abs((value[0] - value[1]) / (2 * t) - analytic) <= G * t**2 + rounding


@pytest.mark.parametrize("loss, n_outputs", [("mse", 1), ("mse", 2), ("cross_entropy", 3)])
@pytest.mark.parametrize("n_samples", [9, 3000], ids=["at once", "in blocks"])
def test_integer_weights_are_repeated_samples(loss, n_outputs, n_samples):
    rng = np.random.default_rng(n_outputs)
    network = rn.Network.random((2, 60, n_outputs), rng, output_bias=True)
    X, y = data(SQUARE, n_outputs, loss, 1, n_samples)
    counts = rng.integers(0, 4, n_samples)
    value, gradient = rn.loss_and_gradient(network, X, y, loss, sample_weight=counts)
    X, y = np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0)
    expected, slopes = rn.loss_and_gradient(network, X, y, loss)
    extra = 2 * n_samples + 16
    assert_close(value, expected, path_sums.loss_tolerance(network, X, y, loss, extra), "loss")
    allowed = path_sums.gradient_tolerance(network, X, y, loss, extra)
    assert_close(gradient.to_vector(), slopes.to_vector(), allowed, "gradient")


@pytest.mark.parametrize("loss, n_outputs", [("mse", 1), ("cross_entropy", 2)])
def test_mean_over_batches_of_one_size_is_the_weighted_loss(loss, n_outputs):
    network = rn.Network.random((2, 6, n_outputs), 0)
    X, y = data(SQUARE, n_outputs, loss, 1, 12)
    weight = np.random.default_rng(0).uniform(0.0, 2.0, 12)
    objective, theta = Objective(network, X, y, loss, weight), network.to_vector()
    batches = np.random.default_rng(1).permutation(12).reshape(3, 4)
    found = [(value, gradient.copy()) for value, gradient in (objective.on_batch(theta, b) for b in batches)]
    value, gradient = objective(theta)
    tolerance = 12 * path_sums.loss_tolerance(network, X, y, loss, 16)  # no weight is more than 12 times the mean
    assert_close(np.mean([part for part, _ in found]), value, tolerance, "loss")
    allowed = 12 * path_sums.gradient_tolerance(network, X, y, loss, 16)
    assert_close(np.mean([part for _, part in found], axis=0), gradient, allowed, "gradient")


def test_weights_that_are_all_the_same_change_no_bit():
    network = rn.Network.random((2, 6, 1), 0)
    X, y = data(SQUARE, 1, "mse", 1)
    weights = None, [0.3] * len(X)
    plain, weighted = (rn.loss_and_gradient(network, X, y, sample_weight=weight) for weight in weights)
    assert plain[0] == weighted[0] and plain[1].to_vector().tobytes() == weighted[1].to_vector().tobytes()


@pytest.mark.parametrize("weight, error, text", [
    ([1.0], ValueError, r"`sample_weight` must be of shape \(2,\), got shape \(1,\)"),
    ([1.0, -1.0], ValueError, "`sample_weight` must be at least 0, got -1.0 at index 1"),
    ([0, 0], ValueError, "`sample_weight` must be larger than 0 somewhere, got zeros only"),
    ([1.0, np.nan], ValueError, "`sample_weight` must be finite, got nan at index 1"),
    (["a", "b"], TypeError, "`sample_weight` must be an array of real numbers"),
])
def test_bad_sample_weights_are_refused(weight, error, text):
    with pytest.raises(error, match=text):
        rn.loss_and_gradient(ONE, [[0, 0], [1, 1]], [0, 1], sample_weight=weight)


# the record


@given(clear_cases())
def test_gradient_has_the_shapes_of_the_network(case):
    network, X, y, _ = case
    gradient = rn.loss_and_gradient(network, X, y)[1]
    assert gradient.layout == network.layout
    for dW, W, db, b in zip(gradient.weights, network.weights, gradient.thresholds, network.thresholds):
        assert dW.shape == W.shape and db.shape == b.shape
    assert gradient.output_weights.shape == network.output_weights.shape
    assert (gradient.output_bias is None) == (network.output_bias is None)


@given(clear_cases(max_outputs=1))
def test_responses_of_one_output_may_be_a_vector(case):
    network, X, y, _ = case
    (value, gradient), (same, again) = (rn.loss_and_gradient(network, X, t) for t in (y, y[:, 0]))
    assert value == same and gradient.to_vector().tobytes() == again.to_vector().tobytes()


@given(clear_cases())
def test_gradient_of_the_squared_error_is_the_jacobian_times_the_residual(case):
    network, X, y, _ = case
    gradient = rn.loss_and_gradient(network, X, y)[1].to_vector()
    expected = 2.0 / len(X) * np.einsum("ikp,ik->p", rn.jacobian(network, X), network(X) - y)
    extra = 2 * network.n_outputs
    assert_close(gradient, expected, path_sums.gradient_tolerance(network, X, y, "mse", extra), repr(network))


def test_gradient_of_a_worked_example():
    # z = 2 * 3 + 1 = 7, N = 0.5 * 7 - 1 = 2.5, residual -0.5, loss 0.25, dN = -1
    network = rn.Network([[[2.0]]], [[1.0]], [[0.5]], [-1.0])
    value, gradient = rn.loss_and_gradient(network, [[3.0]], [3.0])
    assert value == 0.25
    assert gradient.to_vector().tolist() == [-1.5, -0.5, -7.0, -1.0]


# reduced networks: the Riemannian gradient


@st.composite
def reduced_cases(draw):
    """(reduced network, X, y) of both bounds."""
    sizes = (draw(st.integers(1, 4)), *draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)), 1)
    domain = draw(strategies.domains(sizes[0]))
    red = rn.ReducedNetwork.random(
        sizes, domain, draw(seeds), bound=draw(st.sampled_from(["ball", "support"])),
        output_bias=draw(st.booleans()))
    X = domain.sample(5, draw(seeds))
    return red, X, np.random.default_rng(draw(seeds)).standard_normal((5, 1))


def euclidean(red, X, y):
    """The gradient of the same arrays as a standard network."""
    twin = rn.Network(red.weights, red.thresholds, red.output_weights, red.output_bias, red.activation)
    return rn.loss_and_gradient(twin, X, y)


@given(reduced_cases())
def test_riemannian_gradient_is_tangent(case):
    red, X, y = case
    gradient, flat = rn.loss_and_gradient(red, X, y)[1], euclidean(red, X, y)[1]
    for W, dW, G in zip(red.weights, gradient.weights, flat.weights):
        n = W.shape[1]
        terms = (np.abs(W) * np.abs(G)).sum(axis=1)
        # n + 6 roundings of |w|^2 = 1, n + 4 of (w.g) w, and n of the sum that is taken here
        assert_close((W * dW).sum(axis=1), 0.0, gamma(4 * n + 24) * terms + 1e-320, repr(red))


@given(reduced_cases())
def test_riemannian_gradient_is_the_euclidean_one_less_its_radial_part(case):
    red, X, y = case
    gradient, flat = rn.loss_and_gradient(red, X, y)[1], euclidean(red, X, y)[1]
    for W, dW, G in zip(red.weights, gradient.weights, flat.weights):
        radial = (W * G).sum(axis=1, keepdims=True) * W
        allowed = gamma(2 * W.shape[1] + 8) * (np.abs(G) + (np.abs(W) * np.abs(G)).sum(axis=1, keepdims=True))
        assert_close(dW, G - radial, allowed + 1e-320, repr(red))


@given(reduced_cases())
def test_riemannian_gradient_by_thresholds_and_outgoing_weights_is_the_euclidean_one(case):
    red, X, y = case
    (value, gradient), (same, flat) = rn.loss_and_gradient(red, X, y), euclidean(red, X, y)
    assert value == same
    for db, expected in zip(gradient.thresholds, flat.thresholds):
        assert_equal_bits(db, expected, "thresholds")
    assert_equal_bits(gradient.output_weights, flat.output_weights, "output_weights")


@given(st.integers(0, 2**32 - 1))
def test_on_the_line_no_weight_has_a_gradient(seed):
    red = rn.ReducedNetwork.random((1, 5, 1), rn.Box(-1, 2), seed)
    X = red.domain.sample(9, seed)
    assert not rn.loss_and_gradient(red, X, np.ones(9))[1].weights[0].any()


# check_gradient


def data(domain, n_outputs, loss, seed, n=25):
    rng = np.random.default_rng(seed)
    X = domain.sample(n, rng)
    return X, rng.integers(0, n_outputs, n) if loss == "cross_entropy" else rng.standard_normal((n, n_outputs))


def assert_right(check):
    """The central difference is off by t^2 times a third derivative: t is at most 2^-10 there."""
    assert isinstance(check, GradientCheck)
    assert check.difference <= 2.0**-10, check
    assert math.isnan(check.slope) or 1.9 <= check.slope <= 3.1, check


kinds = pytest.mark.parametrize("loss, n_outputs", [("mse", 1), ("mse", 2), ("cross_entropy", 2)])
SQUARE = rn.Box([-1.0, 0.0], [1.0, 1.0])


@pytest.mark.parametrize("hidden", [(6,), (6, 4), (5, 4, 3)])
@kinds
def test_check_passes_the_gradient_of_a_network(hidden, loss, n_outputs):
    X, y = data(SQUARE, n_outputs, loss, 0)
    network = rn.Network.random((2, *hidden, n_outputs), 1, output_bias=True)
    assert_right(rn.check_gradient(network, X, y, loss, rng=2))


@pytest.mark.parametrize("bound", ["ball", "support"])
@pytest.mark.parametrize("hidden", [(6,), (6, 4), (5, 4, 3)])
@kinds
def test_check_passes_the_gradient_of_a_natural_start(bound, hidden, loss, n_outputs):
    X, y = data(SQUARE, n_outputs, loss, 0)
    red = rn.ReducedNetwork.random((2, *hidden, n_outputs), SQUARE, 1, bound=bound)
    assert_right(rn.check_gradient(red, X, y, loss, rng=2))


@pytest.mark.parametrize("bound", ["ball", "support"])
@pytest.mark.parametrize("hidden", [(10,), (10, 6), (8, 6, 5)])
@pytest.mark.parametrize("seed", range(6))
def test_check_passes_the_gradient_of_a_reduction_with_neurons_at_their_interval_s_end(bound, hidden, seed):
    X, y = data(SQUARE, 1, "mse", seed)
    red = rn.reduce(rn.Network.random((2, *hidden, 1), seed, output_bias=True), SQUARE, bound)
    assert_right(rn.check_gradient(red, X, y, rng=seed))


@pytest.mark.parametrize("seed", range(12))
def test_check_passes_the_gradient_of_a_narrow_natural_start(seed):
    # a layer that is 0 at many samples, and a threshold 0 above it: pre-activations that are exactly 0
    X, y = data(SQUARE, 1, "mse", seed)
    assert_right(rn.check_gradient(rn.ReducedNetwork.random((2, 2, 2, 1), SQUARE, seed), X, y, rng=seed))


@pytest.mark.parametrize("seed", range(4))
def test_check_passes_the_gradient_of_a_network_that_fits(seed):
    # the gradient is 0: what is left of the difference is the rounding of a loss that grows as t^2
    network = rn.Network.random((2, 5, 1), seed, output_bias=True)
    X, _ = data(SQUARE, 1, "mse", seed + 100)
    check = rn.check_gradient(network, X, network(X), rng=seed)
    assert check.difference <= 2.0**-10, check


def test_check_passes_the_gradient_of_a_binary_network():
    X, y = data(SQUARE, 1, "mse", 0)
    assert_right(rn.check_gradient(rn.Network.random((2, 5, 1), 1, activation="binary"), X, y, rng=0))


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("spoil", [
    lambda blocks: blocks[0].__imul__(1.01), lambda blocks: blocks[0][:-1].fill(0.0),
    lambda blocks: blocks[-1].__imul__(-1.0), lambda blocks: blocks[1][-1].__iadd__(0.1),
], ids=["scaled", "no weights", "sign", "threshold"])
def test_check_flags_a_wrong_gradient(monkeypatch, reduced, spoil):
    X, y = data(SQUARE, 1, "mse", 0)
    network = (
        rn.ReducedNetwork.random((2, 6, 4, 1), SQUARE, 1) if reduced else rn.Network.random((2, 6, 4, 1), 1))
    right = Objective.__call__

    def wrong(self, theta):
        value, gradient = right(self, theta)
        gradient = gradient.copy()
        spoil(network.layout.blocks(gradient))
        return value, gradient

    monkeypatch.setattr(Objective, "__call__", wrong)
    check = rn.check_gradient(network, X, y, rng=2)
    assert check.difference > 2.0**-9 and check.slope < 1.5, check


def test_check_with_the_same_seed_is_the_same():
    X, y = data(SQUARE, 1, "mse", 0)
    network = rn.Network.random((2, 6, 1), 1)
    assert rn.check_gradient(network, X, y, rng=3) == rn.check_gradient(network, X, y, rng=3)


# the objective


def test_objective_does_not_keep_the_vector_it_is_given():
    X, y = data(SQUARE, 1, "mse", 0)
    network = rn.Network.random((2, 6, 1), 1)
    objective, theta = Objective(network, X, y), network.to_vector()
    value = objective(theta)[0]
    objective(0.0 * theta)
    assert objective(theta)[0] == value and theta.tobytes() == network.to_vector().tobytes()


# refusals

NET = rn.Network([[[1.0, 0.0]]], [[0.0]], [[1.0], [2.0]])
ONE = rn.Network([[[1.0, 0.0]]], [[0.0]], [[1.0]])


@pytest.mark.parametrize("function", [rn.loss_and_gradient, rn.check_gradient])
@pytest.mark.parametrize("arguments, error, text", [
    (("net", [[0, 0]], [[0, 0]]), TypeError, "`network` must be a Network or ReducedNetwork, got str"),
    ((NET, [[0]], [[0, 0]]), ValueError, r"`X` must be of shape \(n_samples, 2\), got shape \(1, 1\)"),
    ((NET, [[0, np.nan]], [[0, 0]]), ValueError, r"`X` must be finite, got nan at index \(0, 1\)"),
    ((NET, [[0, 0]], [0]), ValueError, r"`y` must be of shape \(1, 2\), got shape \(1,\)"),
    ((NET, [[0, 0]], [[0, 0]], "l1"), ValueError, r"`loss` must be one of \['mse', 'cross_entropy'\], got 'l1'"),
    ((NET, [[0, 0]], [2], "cross_entropy"), ValueError, "`y` must be class labels from 0 to 1, got 2"),
    ((ONE, [[0, 0]], [0], "cross_entropy"), ValueError, "'mse' for a network of one output"),
])
def test_bad_arguments_are_refused(function, arguments, error, text):
    with pytest.raises(error, match=text):
        function(*arguments)


@pytest.mark.parametrize("arguments, error, text", [
    (("net", [[0, 0]]), TypeError, "`network` must be a Network or ReducedNetwork, got str"),
    ((NET, [0, 0]), ValueError, r"`X` must be of shape \(n_samples, 2\), got shape \(2,\)"),
])
def test_bad_arguments_of_the_jacobian_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        rn.jacobian(*arguments)


@pytest.mark.parametrize("scale", [1e100, 1e200])
def test_loss_that_is_no_number_is_refused(scale):
    with pytest.raises(ValueError, match="range of float64"):
        rn.loss_and_gradient(rn.Network([[[scale]]], [[0.0]], [[scale]]), [[1.0]], [0.0])


def test_jacobian_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="range of float64"):
        rn.jacobian(rn.Network([[[1e200]]], [[0.0]], [[1e200]]), [[1e200]])
