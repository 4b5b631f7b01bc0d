"""Laws of the forward and backward passes: against loops, in exact numbers, in chunks.

The plain `forward` and `backward` are held against exact numbers; the fast passes against them.
"""
from fractions import Fraction

import numpy as np
from oracles import path_sums
import pytest
from oracles import reference
from oracles import strategies
from oracles.assertions import assert_close, assert_equal_bits
from hypothesis import given
from hypothesis import strategies as st

from reducednet.networks import backward, forward
from reducednet.networks.activations import activation_named
from reducednet.networks.losses import check_responses, loss_named
from reducednet.networks.network import Network
from reducednet.networks.parameters import Layout
from reducednet.training.objective import Objective

seeds = strategies.seeds()


def responses(rng, n_samples, n_outputs):
    """Return (loss, y): classes where there are several outputs, half of the time."""
    if n_outputs > 1 and rng.random() < 0.5:
        return "cross_entropy", rng.integers(0, n_outputs, n_samples)
    return "mse", rng.integers(-8, 9, (n_samples, n_outputs)) / 4.0


def clear_boxes(n_inputs):
    """Boxes about the origin with interior."""
    return strategies.boxes(n_inputs, flat=False, far=False)


@st.composite
def exact_cases(draw, **options):
    """(network, X, loss, y) of small integers or sixteenths: the forward pass makes no rounding.

    So pre-activations of 0, which are planted, are 0 in every way of computing them.
    """
    network = draw(strategies.networks_with_domains(
        numbers=("integer", "dyadic"), scaled=False, domain=clear_boxes, max_depth=3, **options))[0]
    network = quarters(network)
    rng = np.random.default_rng(draw(seeds))
    X = rng.integers(-12, 13, (draw(st.integers(1, 7)), network.n_inputs)) / 4.0
    return network, X, *responses(rng, len(X), network.n_outputs)


def quarters(network):
    """Return the network with parameters rounded to quarters of at most 2^10: products stay exact."""
    return network.with_vector(np.clip(np.round(4.0 * network.to_vector()) / 4.0, -1024.0, 1024.0))


@st.composite
def smooth_cases(draw, **options):
    """(network, X, loss, y) of real numbers; hyperplanes meet the domain, no sample is near one."""
    network, domain = draw(strategies.networks_with_domains(
        numbers=("normal",), kinds=("cut", "duplicate", "opposite"), domain=clear_boxes, **options))
    rng = np.random.default_rng(draw(seeds))
    X = domain.sample(draw(st.integers(1, 7)), rng)
    return network, X, *responses(rng, len(X), network.n_outputs)


cases = st.one_of(exact_cases(), smooth_cases())


def evaluate(network, X, loss, y):
    """Return (value, flat gradient) by the fast passes."""
    value, gradient = Objective(network, X, y, loss)(network.to_vector())
    return value, gradient.copy()


def plain_gradient(network, X, y, loss):
    """Return the flat gradient by the plain passes."""
    outputs, Z, H = backward.forward(network, X)
    _, delta = loss_named(loss)(outputs, check_responses(loss, y, len(X), network.n_outputs))
    return backward.backward(network, Z, H, delta).to_vector()


def outputs(network, X):
    H = forward.feature_first(X)
    return forward.outputs(network.layout, network.to_vector(), H, activation_named(network.activation))


def forced_chunks(monkeypatch, n_samples):
    monkeypatch.setattr(forward, "CHUNK_BYTES", 0)
    monkeypatch.setattr(forward, "CHUNK_SAMPLES", n_samples)


# the plain passes against exact numbers


@given(exact_cases())
def test_plain_forward_pass_of_small_fractions_is_exact(case):
    network, X, _, _ = case
    result, Z, H = backward.forward(network, X)
    assert H[0] is X and len(Z) == len(H) - 1 == network.depth
    for i, x in enumerate(X):
        all_z, all_h, exact = reference.exact_layers(network, x)
        for computed, expected in [*zip(Z, all_z), *zip(H[1:], all_h), (result, exact)]:
            assert_equal_bits(computed[i], [float(value) for value in expected], repr(network))


def exact_loss(network, theta, X, y):
    """Return the exact mean squared error at a flat vector of fractions, and the signs of all z."""
    maps, start = [], 0
    for rows, columns in network.layout.shapes:
        block = theta[start:start + rows * columns].reshape(rows, columns)
        start += rows * columns
        maps.append(block)
    total, signs = Fraction(0), []
    for x, target in zip(X, y):
        h = np.array([Fraction(value) for value in x] + [Fraction(1)])
        for block in maps[:-1]:
            z = h @ block
            signs.append(z > 0)
            h = np.append(np.where(z > 0, z, z * 0), Fraction(1))
        residual = h[:len(maps[-1])] @ maps[-1] - np.array([Fraction(value) for value in target])
        total += sum(residual**2)
    return total / len(X), np.concatenate(signs)


@pytest.mark.parametrize("sizes", [(2, 3, 1), (1, 3, 2), (2, 3, 2, 1), (1, 2, 2, 2, 2)])
@pytest.mark.parametrize("output_bias", [False, True])
def test_plain_gradient_is_the_exact_derivative(sizes, output_bias):
    # by one parameter the loss is a parabola between breakpoints: its central difference is exact
    rng = np.random.default_rng(len(sizes))
    network = Network.random(sizes, rng, output_bias=output_bias)
    X, y = rng.standard_normal((3, sizes[0])), rng.standard_normal((3, sizes[-1]))
    theta, h, expected = np.array([Fraction(t) for t in network.to_vector()]), Fraction(1, 2**20), []
    signs = exact_loss(network, theta, X, y)[1]
    for k in range(len(theta)):
        moved = [theta + sign * h * (np.arange(len(theta)) == k) for sign in (1, -1)]
        (plus, plus_signs), (minus, minus_signs) = (exact_loss(network, t, X, y) for t in moved)
        assert (signs == plus_signs).all() and (signs == minus_signs).all()
        expected.append(float((plus - minus) / (2 * h)))
    assert_close(plain_gradient(network, X, y, "mse"), expected,
                 path_sums.gradient_tolerance(network, X, y, "mse"), repr(network))


# the fast passes against the plain ones and the loops


@given(cases)
def test_outputs_are_those_of_the_loop(case):
    network, X, _, _ = case
    expected = reference.outputs(network, X)
    assert_close(outputs(network, X), expected, path_sums.outputs_tolerance(network, X), repr(network))


@given(exact_cases())
def test_outputs_of_small_fractions_are_exact(case):
    network, X, _, _ = case
    expected = [[float(value) for value in reference.exact_forward(network, x)] for x in X]
    assert_equal_bits(outputs(network, X), expected, repr(network))


@given(cases)
def test_loss_is_that_of_the_loop(case):
    network, X, loss, y = case
    expected = reference.mean_loss(network, X, y, loss)
    assert_close(evaluate(network, X, loss, y)[0], expected,
                 path_sums.loss_tolerance(network, X, y, loss), f"{loss} of {network!r}")


@given(cases)
def test_gradient_is_that_of_the_plain_pass(case):
    network, X, loss, y = case
    assert_close(evaluate(network, X, loss, y)[1], plain_gradient(network, X, y, loss),
                 path_sums.gradient_tolerance(network, X, y, loss), f"gradient of {loss} of {network!r}")


@given(cases)
def test_pre_activations_are_those_of_the_loop(case):
    network, X, _, _ = case
    sums = path_sums.layers(network, X)
    computed = forward.pre_activations(
        network.layout, network.to_vector(), forward.feature_first(X), activation_named(network.activation))
    expected = zip(*(reference.layers(network, x)[0] for x in X))
    for layer, (Z, rows) in enumerate(zip(computed, expected)):
        W, b = path_sums.maps(network)[layer]
        allowed = 2 * path_sums.gamma(path_sums.roundings(network)) * (sums[layer] @ W.T + b)
        assert_close(Z.T, np.array(rows), allowed, f"Z^{layer + 1} of {network!r}")


@given(cases)
def test_jacobian_is_the_plain_gradient_of_each_output(case):
    network, X, _, _ = case
    J = backward.jacobian(
        network.layout, network.to_vector(), forward.feature_first(X), activation_named(network.activation))
    assert J.shape == (len(X), network.n_outputs, network.n_parameters)
    for i, x in enumerate(X):
        for k in range(network.n_outputs):
            delta = np.eye(network.n_outputs)[[k]]
            output, Z, H = backward.forward(network, x[np.newaxis])
            expected = backward.backward(network, Z, H, delta).to_vector()
            target = np.abs(output) + 0.5 * delta  # |2 (output - target)| is at least delta: its path sums
            allowed = path_sums.gradient_tolerance(network, X[i:i + 1], target, "mse")
            assert_close(J[i, k], expected, allowed, f"output {k} of {network!r}")


@given(smooth_cases(activation="binary"))
def test_gradient_by_binary_hidden_parameters_is_zero(case):
    network, X, loss, y = case
    for block in network.layout.blocks(evaluate(network, X, loss, y)[1])[:-1]:
        assert not block.any()


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_neuron_whose_pre_activation_is_zero_has_no_gradient(n_outputs):
    network = Network([[[1.0]], [[3.0]]], [[-1.0], [0.0]], np.ones((n_outputs, 1)), np.ones(n_outputs))
    gradient = evaluate(network, np.ones((1, 1)), "mse", np.zeros((1, n_outputs)))[1]
    *hidden, outgoing = network.layout.blocks(gradient)
    assert not any(block.any() for block in hidden) and outgoing[-1].tolist() == [2.0] * n_outputs


@given(st.one_of(exact_cases(n_outputs=1), smooth_cases(n_outputs=1)))
def test_gradient_of_one_output_is_that_of_two_with_one_of_no_weight(case):
    network, X, _, y = case
    bias = network.output_bias
    wide = Network(
        network.weights, network.thresholds, np.vstack([network.output_weights, 0 * network.output_weights]),
        None if bias is None else np.append(bias, 0.0), network.activation)
    one, two = evaluate(network, X, "mse", y)[1], evaluate(wide, X, "mse", np.c_[y, 0 * y])[1]
    allowed = path_sums.gradient_tolerance(network, X, y, "mse")
    blocks = network.layout.blocks(allowed)
    *left, left_out = network.layout.blocks(one)
    *right, right_out = wide.layout.blocks(two)
    for pair, tolerance in zip([*zip(left, right), (left_out, right_out[:, :1])], blocks):
        assert_close(*pair, tolerance, repr(network))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("d, units", [(1, 3), (2, 7), (3, 5)])
def test_gradient_of_a_shallow_network_of_one_output_is_that_of_the_plain_pass(d, units, chunk, bias):
    network, rng = Network.random((d, units, 1), d, output_bias=bias), np.random.default_rng(units)
    X, y = rng.standard_normal((10, d)), rng.standard_normal((10, 1))
    blocks, delta = network.layout.blocks(network.to_vector()), np.empty((1, 10))
    assert backward.OuterBackwardPass.applies(blocks, delta)
    with pytest.MonkeyPatch.context() as patch:
        if chunk:
            forced_chunks(patch, chunk)
        computed = evaluate(network, X, "mse", y)[1]
    expected = plain_gradient(network, X, y, "mse")
    assert_close(computed, expected, path_sums.gradient_tolerance(network, X, y, "mse"), repr(network))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_aligned_arrays_begin_at_a_cache_line_and_are_zero(shape):
    array = forward.aligned(tuple(shape))
    assert array.shape == tuple(shape) and array.flags.c_contiguous and not array.any()
    assert array.__array_interface__["data"][0] % 64 == 0


@given(smooth_cases(), st.integers(2, 3))
def test_loss_and_gradient_of_repeated_samples_are_the_same(case, times):
    network, X, loss, y = case
    (value, gradient), (again, twice) = evaluate(network, X, loss, y), evaluate(
        network, np.concatenate([X] * times), loss, np.concatenate([y] * times))
    extra = 2 * times * len(X)
    assert_close(value, again, path_sums.loss_tolerance(network, X, y, loss, extra), repr(network))
    assert_close(gradient, twice, path_sums.gradient_tolerance(network, X, y, loss, extra), repr(network))


# chunks of samples


@pytest.mark.parametrize("chunk", [1, 2, 5])
@given(case=smooth_cases())
def test_chunks_of_samples_change_nothing(chunk, case):
    network, X, loss, y = case
    value, gradient = evaluate(network, X, loss, y)
    with pytest.MonkeyPatch.context() as patch:
        forced_chunks(patch, chunk)
        assert forward.Workspace(network.layout, len(X)).chunk_size == min(chunk, len(X))
        chunk_value, chunk_gradient = evaluate(network, X, loss, y)
        assert_close(outputs(network, X), reference.outputs(network, X),
                     path_sums.outputs_tolerance(network, X), repr(network))
    assert_close(chunk_value, value, path_sums.loss_tolerance(network, X, y, loss), repr(network))
    assert_close(chunk_gradient, gradient, path_sums.gradient_tolerance(network, X, y, loss), repr(network))


@given(cases, st.integers(1, 3))
def test_gradient_with_the_first_weights_fixed_is_that_of_all_others(case, chunk):
    network, X, loss, y = case
    with pytest.MonkeyPatch.context() as patch:
        forced_chunks(patch, chunk)
        objective = Objective(network, X, y, loss)
        value, gradient = objective(network.to_vector())
        expected = gradient.copy()
        network.layout.blocks(expected)[0][:-1] = 0.0
        objective.use_arrays(objective.vector, objective.gradient, hold_first_weights=True)
        held_value, held = objective(network.to_vector())
    assert held_value == value
    assert_close(held, expected, path_sums.gradient_tolerance(network, X, y, loss), repr(network))


def large_case(n_samples=1300, sizes=(3, 60, 40, 2)):
    rng = np.random.default_rng(0)
    network = Network.random(sizes, 1, output_bias=True)
    return network, rng.random((n_samples, 3)), rng.random((n_samples, sizes[-1]))


def test_many_samples_are_taken_in_chunks_of_520():
    network, X, _ = large_case()
    workspace = forward.Workspace(network.layout, len(X))
    assert [s.stop - s.start for s in workspace.slices(len(X))] == [520, 520, 260]


def test_few_samples_are_one_chunk():
    network, X, _ = large_case(300)
    assert list(forward.Workspace(network.layout, 300).slices(300)) == [slice(0, 300)]


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_chunks_of_520_give_the_same_as_one_chunk(n_outputs):
    network, X, y = large_case(sizes=(3, 60, 40, n_outputs))
    value, gradient = evaluate(network, X, "mse", y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward, "CHUNK_BYTES", 1 << 40)
        one_value, one_gradient = evaluate(network, X, "mse", y)
    assert_close(value, one_value, path_sums.loss_tolerance(network, X, y, "mse"), "loss")
    assert_close(gradient, one_gradient, path_sums.gradient_tolerance(network, X, y, "mse"), "gradient")


@pytest.mark.parametrize("chunk", [None, 3])
@given(case=cases, seed=seeds)
def test_workspace_used_again_gives_the_same_bytes(chunk, case, seed):
    network, X, loss, y = case
    with pytest.MonkeyPatch.context() as patch:
        if chunk:
            forced_chunks(patch, chunk)
        objective, theta = Objective(network, X, y, loss), network.to_vector()
        value, gradient = objective(theta)
        gradient = gradient.copy()
        objective(np.random.default_rng(seed).standard_normal(len(theta)))
        again, gradient_again = objective(theta)
    assert value == again and gradient.tobytes() == gradient_again.tobytes()


@given(cases)
def test_passes_do_not_change_their_arguments(case):
    network, X, loss, y = case
    theta, before = network.to_vector(), (X.copy(), y.copy())
    Objective(network, X, y, loss)(theta)
    assert theta.tobytes() == network.to_vector().tobytes()
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_gradients_buffer_of_the_first_chunk_is_overwritten():
    network, X, y = large_case()
    objective = Objective(network, X, y, "mse")
    first = objective(network.to_vector())[1].copy()
    objective.gradient.fill(np.nan)
    assert objective(network.to_vector())[1].tobytes() == first.tobytes()


# the layout

layouts = st.builds(
    lambda sizes, bias: Layout(tuple(sizes), bias), st.lists(st.integers(1, 5), min_size=3, max_size=6),
    st.booleans())


@given(layouts)
def test_blocks_are_views_of_the_vector(layout):
    vector = np.zeros(layout.n_parameters)
    for number, block in enumerate(layout.blocks(vector), start=1):
        block[...] = number
    assert (vector > 0).all()


@given(layouts)
def test_blocks_cover_the_vector_in_order(layout):
    vector = np.arange(layout.n_parameters, dtype=float)
    joined = np.concatenate([block.ravel() for block in layout.blocks(vector)])
    np.testing.assert_array_equal(joined, vector)


@given(layouts)
def test_blocks_have_a_row_of_thresholds_but_the_outgoing_one_only_with_a_bias(layout):
    sizes = layout.sizes
    expected = [(n + 1, m) for n, m in zip(sizes, sizes[1:])]
    expected[-1] = (sizes[-2] + layout.output_bias, sizes[-1])
    assert layout.shapes == [block.shape for block in layout.blocks(np.zeros(layout.n_parameters))] == expected


@given(st.integers(1, 4), st.integers(1, 4))
def test_samples_become_columns_over_a_row_of_ones(n, d):
    X = np.arange(n * d, dtype=float).reshape(n, d)
    np.testing.assert_array_equal(forward.feature_first(X), np.vstack([X.T, np.ones(n)]))
