"""Laws of the two parameter spaces: what lies in them, and the steps that stay there."""
import numpy as np
from oracles import path_sums
import pytest
from oracles import strategies
from oracles.assertions import assert_close
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.reduced_space.spaces import space_of
from reducednet.training.objective import Objective

seeds = strategies.seeds()
bounds = st.sampled_from(["ball", "support"])
several = settings(max_examples=max(25, settings().max_examples))


@st.composite
def reduced_spaces(draw, min_depth=1, domain=strategies.domains, activation=None, bound=None):
    """Reduced spaces of both bounds and activations, on domains of all kinds."""
    sizes = (draw(st.integers(1, 4)), *draw(st.lists(st.integers(1, 5), min_size=min_depth, max_size=3)),
             draw(st.integers(1, 2)))
    return rn.ReducedSpace(
        sizes, draw(domain(sizes[0])), bound or draw(bounds), output_bias=draw(st.booleans()),
        activation=activation or draw(st.sampled_from(["relu", "binary"])))


def direction(space, seed, length=1.0):
    return length * np.random.default_rng(seed).standard_normal(space.layout.n_parameters)


def hidden_blocks(space, *vectors):
    """Zip the blocks of the hidden layers of vectors."""
    return list(zip(*(space.layout.blocks(vector)[:-1] for vector in vectors)))


def interior_point(space, rng):
    """Return a sample with thresholds drawn anew from the middle 80 % of their intervals.

    A sample may have b = 0 over a layer that is 0 at some x: a small step does not leave that hyperplane.
    """
    theta = space.sample(rng)
    for layer, (block,) in enumerate(hidden_blocks(space, theta)):
        low, high = space.network(theta).intervals[layer].T
        block[-1] = low + rng.uniform(0.1, 0.9, len(low)) * (high - low)
    return theta


# feasibility


@given(reduced_spaces(), seeds)
def test_samples_lie_in_the_space(space, seed):
    verdict = space.contains(space.sample(seed))
    assert verdict, verdict.reason


@given(reduced_spaces(), seeds, st.integers(-60, 30))
def test_step_stays_in_the_space(space, seed, exponent):
    theta = space.step(space.sample(seed), direction(space, seed, 2.0**exponent))
    verdict = space.contains(theta)
    assert verdict, verdict.reason


@given(reduced_spaces(), seeds)
def test_many_steps_stay_in_the_space(space, seed):
    theta = space.sample(seed)
    for k in range(5):
        theta = space.step(theta, direction(space, seed + k, 0.5))
    assert space.contains(theta)


@given(reduced_spaces(), seeds)
def test_thresholds_after_a_step_lie_inside_without_any_tolerance(space, seed):
    assert_inside(space.network(space.step(space.sample(seed), direction(space, seed))))


def assert_inside(network):
    """Assert thresholds in their closed intervals, without any tolerance."""
    for b, interval in zip(network.thresholds, network.intervals):
        assert ((interval[:, 0] <= b) & (b <= interval[:, 1])).all()


@pytest.mark.parametrize("activation", ["relu", "binary"])
@pytest.mark.parametrize("hidden", [(1,), (7,), (8,), (9, 1, 4), (9, 7, 8), (129, 3), (17, 130, 2)])
@pytest.mark.parametrize("d", [1, 3, 9, 200])
def test_thresholds_of_wide_layers_lie_inside_without_any_tolerance(activation, hidden, d):
    # NumPy may take sums of 8 and more terms, and of more than 128, in other orders than shorter ones
    rng = np.random.default_rng(d)
    low = rng.uniform(-2.0, 1.0, d)
    space = rn.ReducedSpace((d, *hidden, 1), rn.Box(low, low + rng.random(d)), activation=activation)
    theta = space.sample(rng)
    for k in range(3):
        theta = space.step(theta, direction(space, k, 3.0))
        assert_inside(space.network(theta))
        assert_twin_has_the_intervals_of_the_layer_space(space, theta, tangent_step(space, theta, k))


@given(reduced_spaces(), seeds)
def test_step_of_zero_returns_the_point_itself(space, seed):
    theta = space.sample(seed)
    assert (space.step(theta, 0.0 * theta) + 0.0).tobytes() == (theta + 0.0).tobytes()


@given(reduced_spaces(), seeds)
def test_point_with_longer_rows_is_outside(space, seed):
    theta = space.sample(seed)
    for block, in hidden_blocks(space, theta):
        block[:-1] *= 1.0 + 2.0**-20
    verdict = space.contains(theta)
    assert not verdict and "layer 1, neuron 0: weights of norm" in verdict.reason


@given(reduced_spaces(), seeds)
def test_point_with_a_threshold_beyond_its_interval_is_outside(space, seed):
    theta = space.sample(seed)
    interval = space.network(theta).intervals[0][0]
    space.layout.blocks(theta)[0][-1, 0] = interval[1] + 0.01 * space.domain.norm_bound
    verdict = space.contains(theta)
    assert not verdict and "layer 1, neuron 0: threshold" in verdict.reason


@given(reduced_spaces())
def test_arrays_of_a_step_are_not_its_arguments(space):
    theta = space.sample(0)
    before, step = theta.copy(), direction(space, 1)
    kept = step.copy()
    space.step(theta, step)
    space.gradient(theta, step)
    assert theta.tobytes() == before.tobytes() and step.tobytes() == kept.tobytes()


# the function's scale


@given(reduced_spaces(bound="ball", activation="relu"), seeds)
def test_step_keeps_the_function_s_scale(space, seed):
    theta, step = space.sample(seed), direction(space, seed)
    X_B = [layer.domain.norm_bound for layer in space.network(theta).layer_spaces]
    step = space.gradient(theta, step)  # tangent, so that rows get longer and thresholds shorter
    for size, (block, change) in zip(X_B, hidden_blocks(space, theta, step)):
        block[-1] *= 0.5
        change[-1] = 0.4 * size * np.tanh(change[-1])  # away from the ends: nothing is clipped
    moved = theta + step
    long = rn.Network(**arrays(space, moved), activation="relu")
    X = space.domain.sample(5, seed)
    extra = 2 * sum(space.layout.sizes) + 8 * len(space.layout.sizes)  # norms, quotients, products with norms
    assert_close(space.network(space.step(theta, step))(X), long(X),
                 path_sums.outputs_tolerance(long, X, extra), repr(long))


def arrays(space, vector):
    network = rn.StandardSpace(space.layout.sizes, output_bias=space.layout.output_bias).network(vector)
    return {name: getattr(network, name) for name in ("weights", "thresholds", "output_weights", "output_bias")}


@given(reduced_spaces(activation="relu"), seeds)
def test_step_gives_the_row_norm_to_the_outgoing_weights(space, seed):
    theta, step = space.sample(seed), direction(space, seed)
    moved = rn.Network(**arrays(space, theta + step))
    lengths = [np.linalg.norm(moved.weights[0], axis=1)]
    for above, column in zip(moved.weights[1:], moved.weights):
        lengths.append(np.linalg.norm(above * lengths[-1], axis=1))
    expected = moved.output_weights * lengths[-1]
    network = space.network(space.step(theta, step))
    allowed = gamma(8 * sum(space.layout.sizes)) * np.abs(expected)
    assert_close(network.output_weights, expected, allowed, repr(network))


@given(reduced_spaces(activation="binary"), seeds)
def test_step_of_a_binary_network_adds_to_the_outgoing_weights(space, seed):
    theta, step = space.sample(seed), direction(space, seed)
    outgoing = space.layout.blocks(space.step(theta, step))[-1]
    np.testing.assert_array_equal(outgoing, space.layout.blocks(theta + step)[-1])


@given(reduced_spaces(), seeds)
def test_row_that_a_step_takes_to_zero_stays(space, seed):
    theta, step = space.sample(seed), direction(space, seed)
    for block, change in hidden_blocks(space, theta, step):
        change[:-1, 0] = -block[:-1, 0]
    for block, moved in hidden_blocks(space, theta, space.step(theta, step)):
        np.testing.assert_array_equal(moved[:-1, 0], block[:-1, 0])


def test_row_that_a_step_takes_next_to_zero_is_still_a_direction():
    space = rn.ReducedSpace((2, 1, 1), rn.Box([0.0, 0.0], [1.0, 1.0]))
    theta = space.step([1.0, 1e-310, -0.5, 1.0], [-1.0, 0.0, 0.0, 0.0])
    assert theta[:3].tolist() == [0.0, 1.0, -1.0] and space.contains(theta)


def test_layer_above_one_that_dies_keeps_its_thresholds():
    # its input set is one point, which is widened to [0, 1]: an interval may be larger than needed
    space = rn.ReducedSpace((1, 1, 1, 1), rn.Box(0.0, 1.0))
    theta = space.step([1.0, -0.5, 1.0, -0.25, 1.0], [0.0, -3.0, 0.0, 0.0, 0.0])
    assert theta.tolist() == [1.0, -1.0, 1.0, -0.25, 1.0]
    assert space.network(theta).intervals[1].tolist() == [[-1.0, 0.0]]


# the gradient


@given(reduced_spaces(), seeds)
def test_gradient_is_tangent(space, seed):
    theta, G = space.sample(seed), direction(space, seed)
    for block, g, tangent in hidden_blocks(space, theta, G, space.gradient(theta, G)):
        W, g, tangent = block[:-1].T, g[:-1].T, tangent[:-1].T
        allowed = gamma(4 * W.shape[1] + 24) * (np.abs(W) * np.abs(g)).sum(axis=1) + 1e-320
        assert_close((W * tangent).sum(axis=1), 0.0, allowed, "w . gradient")


@given(reduced_spaces(), seeds)
def test_gradient_of_thresholds_and_outgoing_weights_is_the_euclidean_one(space, seed):
    theta, G = space.sample(seed), direction(space, seed)
    tangent = space.gradient(theta, G)
    for g, result in hidden_blocks(space, G, tangent):
        np.testing.assert_array_equal(result[-1], g[-1])
    np.testing.assert_array_equal(space.layout.blocks(tangent)[-1], space.layout.blocks(G)[-1])


@pytest.mark.parametrize("bound", ["ball", "support"])
@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_loss_changes_along_a_step_as_the_gradient_says(bound, hidden, seed):
    rng = np.random.default_rng(seed)
    space = rn.ReducedSpace((3, *hidden, 1), rn.Ball([0.1, 0.2, 0.0], 1.5), bound, output_bias=True)
    theta, X, y = interior_point(space, rng), space.domain.sample(20, rng), rng.standard_normal(20)
    objective = Objective(space.network(theta), X, y)
    value, euclidean = objective(theta)
    V = space.gradient(theta, rng.standard_normal(len(theta)))
    V /= np.linalg.norm(V)
    slope = float(space.gradient(theta, euclidean) @ V)
    t, network = 2.0**-8, space.network(theta)
    signs = [Z > 0 for Z in network.pre_activations(X)]
    while not all(np.array_equal(Z > 0, sign) for s in (t, -t) for Z, sign in zip(
            space.network(space.step(theta, s * V)).pre_activations(X), signs)):
        t /= 2.0  # no sample crosses a hyperplane
    errors = [
        abs((objective(space.step(theta, s * V))[0] - objective(space.step(theta, -s * V))[0]) / (2 * s) - slope)
        for s in (t, t / 4)
    ]
    rounding = path_sums.loss_tolerance(network, X, y, "mse") / t * 4
    assert errors[1] <= errors[0] / 8 + rounding and errors[0] <= t * path_sums.loss(network, X, y, "mse")


@given(seeds)
def test_on_the_line_a_tangent_step_does_not_move_the_signs(seed):
    space = rn.ReducedSpace((1, 5, 1), rn.Box(-1.0, 2.0))
    theta = space.sample(seed)
    moved = space.step(theta, space.gradient(theta, direction(space, seed, 10.0)))
    np.testing.assert_array_equal(space.layout.blocks(moved)[0][0], space.layout.blocks(theta)[0][0])


# the fast twin: a point that changes in place


def tangent_step(space, theta, seed, length=1.0):
    return space.gradient(theta, direction(space, seed, length))


def moved_in_place(space, theta, step):
    """Return the vector after one step of the fast twin."""
    vector = theta.copy()
    point = space.in_place(vector)
    vector += step
    point.retract()
    return vector


@several
@given(reduced_spaces(), seeds, st.integers(1, 3))
def test_projection_in_place_is_the_gradient(space, seed, k):
    theta, vectors = space.sample(seed), np.array([direction(space, seed + i) for i in range(k)])
    given_vectors = vectors.copy()
    point = space.in_place(theta)
    point.project(point.weight_views(vectors))
    for G, computed in zip(given_vectors, vectors):
        if point.first_weights_fixed:
            space.layout.blocks(computed)[0][:-1] = 0.0  # the optimiser's duty
        expected = space.gradient(theta, G)
        *hidden, outgoing = space.layout.blocks(computed)
        np.testing.assert_array_equal(outgoing, space.layout.blocks(expected)[-1])
        for w, g, tangent, twin in zip(*(space.layout.blocks(v) for v in (theta, G, expected)), hidden):
            w, g, n = np.abs(w[:-1]), np.abs(g[:-1]), len(w)
            allowed = 2 * gamma(n + 2) * (g + w * (w * g).sum(axis=0))  # n products, a product, a sum
            assert_close(twin[:-1], tangent[:-1], allowed, "projection")
            np.testing.assert_array_equal(twin[-1], tangent[-1])


@given(reduced_spaces(), seeds)
def test_sums_over_rows_are_copied_to_each_entry_of_a_row(space, seed):
    G = direction(space, seed)[np.newaxis]
    expected = G[0].copy()
    point = space.in_place(space.sample(seed))
    point.sum_over_rows(point.weight_views(G))
    computed = list(zip(space.layout.blocks(G[0]), space.layout.blocks(expected)))
    for twin, block in computed[int(point.first_weights_fixed):-1]:
        allowed = 2 * gamma(len(block)) * np.abs(block[:-1]).sum(axis=0) + 0.0 * block[:-1]
        assert_close(twin[:-1], block[:-1].sum(axis=0) + 0.0 * block[:-1], allowed, "sums over rows")
        np.testing.assert_array_equal(twin[-1], block[-1])
    np.testing.assert_array_equal(*computed[-1])


@given(reduced_spaces(), seeds)
def test_point_that_moves_in_place_stays_in_the_space(space, seed):
    vector = space.sample(seed)
    point, steps = space.in_place(vector), np.empty((1, len(vector)))
    rows = point.weight_views(steps)
    for k in range(4):
        steps[0] = direction(space, seed + k)
        if point.first_weights_fixed:
            space.layout.blocks(steps[0])[0][:-1] = 0.0
        point.project(rows)
        vector += steps[0]
        point.retract()
        verdict = space.contains(vector)
        assert verdict, verdict.reason
        assert_inside(space.network(vector))


@several
@given(reduced_spaces(), seeds, st.integers(-20, 3))
def test_point_that_moves_in_place_goes_where_the_step_goes(space, seed, exponent):
    theta = space.sample(seed)
    step = tangent_step(space, theta, seed, 2.0**exponent)
    twin, expected = moved_in_place(space, theta, step), space.step(theta, step)
    network = space.network(expected)
    assume(not any(tiny_sides(space.network(v)) for v in (twin, expected)))
    raw, entries, inputs_off = theta + step, 0.0, None  # relative differences before this layer
    blocks = zip(hidden_blocks(space, twin, expected, raw), network.layer_spaces)
    for (one, other, moved), layer in blocks:
        n, W = len(one) - 1, np.abs(other[:-1].T)
        # one norm has n / 2 + 2 roundings, the other n + 2, or is 1 within gamma(n + 6)
        norms = entries + gamma(3 * n + 10)
        rows = entries + norms + gamma(2)
        assert_close(one[:-1], other[:-1], rows * np.abs(other[:-1]), "rows")
        size = np.abs(layer.domain.bounding_box()).max(axis=0)
        off = np.zeros(n) if inputs_off is None else inputs_off
        ends = W @ (off + (rows + 2 * gamma(n + 4)) * size)
        thresholds = (norms + gamma(2)) * np.abs(moved[-1]) + ends
        assert_close(one[-1], other[-1], thresholds, "thresholds")
        sides = np.abs(other[-1]) + W @ size
        inputs_off = thresholds + ends + gamma(2) * sides
        entries = norms + gamma(2) if space.activation == "relu" else 0.0
    outgoing = [space.layout.blocks(v)[-1] for v in (twin, expected)]
    assert_close(*outgoing, entries * np.abs(outgoing[1]), "outgoing weights")


def tiny_sides(network):
    """Return True if some neuron's box has a side within its rounding error that is not 0."""
    for W, b, interval, space in zip(
            network.weights, network.thresholds, network.intervals, network.layer_spaces):
        side, error = b - interval[:, 0], space.rounding_error(W)
        if ((0.0 < side) & (side <= 2.0 * error)).any():
            return True
    return False


@several
@given(reduced_spaces(), seeds)
def test_intervals_in_place_are_those_of_the_layer_space_to_the_last_bit(space, seed):
    theta = space.sample(seed)
    assert_twin_has_the_intervals_of_the_layer_space(space, theta, tangent_step(space, theta, seed))


def assert_twin_has_the_intervals_of_the_layer_space(space, theta, step):
    """Assert that thresholds that a step takes far out of their intervals come to lie at the ends."""
    rng = np.random.default_rng(0)
    for side in (-1.0, 1.0, None):
        for change, in hidden_blocks(space, step):
            signs = side or rng.choice([-1.0, 1.0], len(change[-1]))
            change[-1] = 2.0**30 * signs * (1.0 + 2.0**30 * space.domain.norm_bound)
        network = space.network(moved_in_place(space, theta, step))
        for b, interval in zip(network.thresholds, network.intervals):
            assert tiny_sides(network) or ((b == interval[:, 0]) | (b == interval[:, 1])).all()


def test_sides_within_their_rounding_error_are_all_that_the_twins_see_differently():
    # w.x lies in [-1/2, 1/2] in the first layer, its threshold is -1/2 + 2^-54: a side of 2^-54
    space = rn.ReducedSpace((2, 1, 1, 1), rn.Box([-0.5, -0.5], [0.5, 0.5]))
    theta = space.step(np.array([1.0, 0.0, -0.5, 1.0, 0.0, 1.0]), np.zeros(6))
    step = np.array([0.0, 0.0, 2.0**-54, 0.0, -1.0, 0.0])
    twin, expected = moved_in_place(space, theta, step), space.step(theta, step)
    assert twin[4] == -(2.0**-54) and expected[4] == -1.0  # its interval [-2^-54, 0], widened to [-1, 0]
    assert space.contains(twin) and space.contains(expected)


# both spaces


@given(strategies.networks())
def test_standard_space_is_flat(network):
    space, theta = space_of(network), network.to_vector()
    V = direction(space, 0)
    np.testing.assert_array_equal(space.step(theta, V), theta + V)
    np.testing.assert_array_equal(space.gradient(theta, V), V)
    assert space.contains(theta)


@given(strategies.networks_with_domains(), bounds)
def test_reduction_lies_in_its_space(pair, bound):
    red = rn.reduce(*pair, bound=bound)
    verdict = space_of(red).contains(red.to_vector())
    assert verdict, verdict.reason


@given(strategies.networks_with_domains(), bounds)
def test_network_of_its_vector_is_the_network(pair, bound):
    for network in (pair[0], rn.reduce(*pair, bound=bound)):
        assert space_of(network).network(network.to_vector()) == network


@pytest.mark.parametrize("space", [
    rn.StandardSpace((2, 3, 1)), rn.ReducedSpace((2, 3, 1), rn.Box([0, 0], [1, 1])),
], ids=["standard", "reduced"])
def test_the_same_seed_samples_the_same_bytes(space):
    assert space.sample(3).tobytes() == space.sample(3).tobytes()


# refusals


@pytest.mark.parametrize("make, error, text", [
    (lambda: rn.StandardSpace((1, 1)), ValueError, "`sizes` must be .* with a hidden layer"),
    (lambda: rn.StandardSpace((1, 2, 1), output_bias=1), TypeError, "`output_bias` must be True or False"),
    (lambda: rn.StandardSpace((1, 2, 1), activation="tanh"), ValueError, "`activation` must be one of"),
    (lambda: rn.ReducedSpace((1, 2, 1), [0, 1]), TypeError, "`domain` must be a Box, Ball or Hull, got list"),
    (lambda: rn.ReducedSpace((2, 2, 1), rn.Box(0, 1)), ValueError, "`domain` must be of dimension 2"),
    (lambda: rn.ReducedSpace((1, 2, 1), rn.Box(0, 1), "exact"), ValueError, "`bound` must be one of"),
])
def test_bad_spaces_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("space", [rn.StandardSpace((1, 1, 1)), rn.ReducedSpace((1, 1, 1), rn.Box(0, 1))],
                         ids=["standard", "reduced"])
@pytest.mark.parametrize("call, text", [
    (lambda s: s.contains([1.0]), r"`theta` must be of shape \(3,\), got shape \(1,\)"),
    (lambda s: s.network([1.0, 0.0, np.nan]), "`theta` must be finite, got nan at index 2"),
    (lambda s: s.step([1.0, 0.0, 1.0], [0.0]), r"`direction` must be of shape \(3,\), got shape \(1,\)"),
    (lambda s: s.gradient([1.0, 0.0, 1.0], [[0.0] * 3]), r"`euclidean` must be of shape \(3,\)"),
    (lambda s: s.sample(-1), "`rng` must be a seed of at least 0"),
])
def test_calls_with_bad_arguments_are_refused(space, call, text):
    with pytest.raises(ValueError, match=text):
        call(space)
