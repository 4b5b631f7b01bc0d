"""The records of networks: what they hold, refuse, compare and show; random starts."""
import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import (
    assert_close, assert_equal_bits, assert_feasible, assert_same_network, path_sums, roundings,
)
from reducednet.networks.forward import CHUNK_BYTES
from reducednet.numerics.rounding import gamma
from oracles.reference import as_lists, layers, outputs
from oracles.strategies import BOUNDS, cases, domains, networks, networks_with_domains, points_of, seeds

BOX = rn.Box([0.0, -1.0], [1.0, 2.0])


def standard():
    return rn.Network([[[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]]], [[0.5, -1.0, 2.0]], [[1.0, 2.0, 3.0]], [4.0])


def reduced(**options):
    return rn.ReducedNetwork.random((2, 3, 4, 2), BOX, 0, **options)


# What a network computes

@given(cases())
def test_network_equals_the_loop_over_samples(case):
    network, domain, X = case
    expected = np.array(outputs(network, X))
    if network.activation == "binary":
        decided = rn.decided(network, domain, X)
        X, expected = X[decided], expected[decided]
        if not len(X):
            return
    bound = 2.0 * rn.evaluation_bound(network, domain)
    assert_close(network(X), expected, bound, f"{network!r}")


@given(cases(max_depth=3, scaled=False))
def test_pre_activations_equal_the_loop_over_samples(case):
    network, domain, X = case
    scale = np.maximum(path_sums(network, domain)[0], 2.0**-900)
    Z = network.pre_activations(X)
    assert [z.shape for z in Z] == [(len(X), n) for n in network.sizes[1:-1]]
    expected = [layers(network, x)[0][0] for x in X]
    assert_close(Z[0], expected, 2.0 * gamma(network.n_inputs + 2) * scale, "z of layer 1")


@given(networks_with_domains(scaled=False, activation="relu"), seeds())
def test_a_batch_is_its_samples_one_by_one(pair, seed):
    network, domain = pair
    X = points_of(domain, seed)
    one_by_one = np.vstack([network(x[np.newaxis]) for x in X])
    assert_close(network(X), one_by_one, 2.0 * rn.evaluation_bound(network, domain), f"{network!r}")


def test_a_batch_larger_than_a_chunk_is_its_parts():
    net = rn.Network.random((3, 40, 40, 2), rng=0, output_bias=True)
    n = CHUNK_BYTES // 8 // 60
    X = np.random.default_rng(0).random((n, 3))
    halves = np.vstack([net(X[:7]), net(X[7:])])
    box = rn.Box([0] * 3, [1] * 3)
    assert_close(net(X), halves, 2.0 * rn.evaluation_bound(net, box), "in two parts")


def test_both_activations_are_zero_at_zero():
    for activation in ("relu", "binary"):
        net = rn.Network([[[1.0]]], [[0.0]], [[1.0]], activation=activation)
        assert net([[0.0], [-0.0], [5e-324]]).ravel().tolist()[:2] == [0.0, 0.0]
        assert net([[5e-324]])[0, 0] > 0.0


def test_by_hand():
    # z = (1*1 - 2*2 + 0.5, 0.5*1 - 1, 3*1 + 2 + 2) = (-2.5, -0.5, 7), N = 3*7 + 4 = 25
    assert standard().pre_activations([[1.0, 2.0]])[0].tolist() == [[-2.5, -0.5, 7.0]]
    assert standard()([[1.0, 2.0]]).tolist() == [[25.0]]


# What it holds

@given(networks())
def test_parameters_are_what_was_given(network):
    hidden, (C, a) = as_lists(network)
    weights, thresholds = zip(*hidden)
    bias = None if network.output_bias is None else a
    again = rn.Network(weights, thresholds, C, bias, network.activation)
    assert_same_network(again, network, "from lists")
    assert hash(again) == hash(network)


def test_attributes_describe_the_network():
    net = rn.Network.random((2, 5, 4, 3), rng=0, output_bias=True)
    assert net.sizes == (2, 5, 4, 3) and net.n_inputs == 2 and net.n_outputs == 3 and net.depth == 2
    assert net.n_parameters == 2 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3 == len(net.to_vector())
    assert [W.shape for W in net.weights] == [(5, 2), (4, 5)] and net.output_weights.shape == (3, 4)


def test_reduced_dimension_is_one_less_for_each_neuron():
    red = reduced()
    assert red.dimension == red.n_parameters - 7


@pytest.mark.parametrize("make", [standard, reduced])
def test_arrays_are_read_only(make):
    net = make()
    arrays = [*net.weights, *net.thresholds, net.output_weights]
    arrays += [] if net.output_bias is None else [net.output_bias]
    arrays += list(getattr(net, "intervals", ()))
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


@pytest.mark.parametrize("make", [standard, reduced])
def test_networks_are_frozen(make):
    net = make()
    names = ["weights", "thresholds", "output_weights", "output_bias", "activation", "sizes", "_vector"]
    names += ["domain", "bound", "intervals", "layer_spaces"] if make is reduced else []
    for name in names:
        with pytest.raises(AttributeError):
            setattr(net, name, None)
    with pytest.raises(AttributeError, match="frozen: `weights` cannot be set"):
        net.weights = ()
    with pytest.raises(AttributeError, match="frozen: `weights` cannot be deleted"):
        del net.weights


def test_given_arrays_are_copied():
    W, b, C, a = np.ones((2, 1)), np.zeros(2), np.ones((1, 2)), np.zeros(1)
    net = rn.Network([W], [b], C, a)
    vector = net.to_vector()
    for array in (W, b, C, a):
        array += 1.0
    assert_equal_bits(net.to_vector(), vector, "parameters")
    vector[:] = 9.0
    assert (net.to_vector() != 9.0).all()


@given(networks(), seeds())
def test_flat_vector_round_trip(network, seed):
    assert_same_network(network.with_vector(network.to_vector()), network, "round trip")
    theta = np.random.default_rng(seed).standard_normal(network.n_parameters)
    assert_equal_bits(network.with_vector(theta).to_vector(), theta, "vector")


def test_flat_vector_has_the_documented_order():
    net = standard()
    first = [*net.weights[0].T.ravel(), *net.thresholds[0]]
    assert net.to_vector().tolist() == [*first, *net.output_weights.T.ravel(), *net.output_bias]
    assert [block.shape for block in net.layout.blocks(net.to_vector())] == [(3, 3), (4, 1)]


def test_with_vector_keeps_the_domain_and_the_bound():
    red = reduced(bound="ball", activation="binary", output_bias=True)
    other = red.with_vector(np.zeros(red.n_parameters))
    assert type(other) is rn.ReducedNetwork and other.domain == BOX and other.bound == "ball"
    assert other.activation == "binary" and other.sizes == red.sizes


# Copies, equality, text

@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@given(pair=networks_with_domains(max_depth=2), bound=BOUNDS)
def test_copies_are_equal_and_as_frozen(duplicate, pair, bound):
    network, domain = pair
    for net in (network, rn.reduce(network, domain, bound)):
        again = duplicate(net)
        assert_same_network(again, net, "copy")
        assert type(again) is type(net) and hash(again) == hash(net)
        assert not any(W.flags.writeable for W in (*again.weights, *again.thresholds, again.output_weights))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("domain", [BOX, rn.Ball([1.0, 2.0], 3.0), rn.Hull([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])])
def test_copied_reduced_networks_have_a_frozen_domain(duplicate, domain):
    again = duplicate(rn.ReducedNetwork.random((2, 3, 1), domain, 0))
    assert again.domain == domain and hash(again.domain) == hash(domain)
    arrays = [value for value in vars(again.domain).values() if isinstance(value, np.ndarray)]
    assert arrays and not any(array.flags.writeable for array in arrays)


@given(networks(), seeds())
def test_a_changed_parameter_makes_another_network(network, seed):
    theta = network.to_vector()
    i = np.random.default_rng(seed).integers(len(theta))
    theta[i] = np.nextafter(theta[i], np.inf)
    other = network.with_vector(theta)
    assert other != network and not other == network


def test_equality_looks_at_kind_activation_bias_domain_and_bound():
    arrays = ([[[1.0]]], [[0.0]], [[1.0]])
    net, box = rn.Network(*arrays), rn.Box(0, 1)
    red = rn.ReducedNetwork(*arrays, domain=box)
    others = [
        net, red, rn.Network(*arrays, activation="binary"), rn.Network(*arrays, [0.0]),
        rn.ReducedNetwork(*arrays, domain=rn.Box(0, 2)), rn.ReducedNetwork(*arrays, domain=box, bound="ball"),
        rn.ReducedNetwork(*arrays, domain=rn.Ball(0.5, 0.5)), "net", None,
    ]
    for i, one in enumerate(others):
        assert [one == other for other in others] == [i == j for j in range(len(others))]


def test_signed_zeros_are_equal_and_hash_alike():
    one, other = (rn.Network([[[z]]], [[z]], [[1.0]]) for z in (0.0, -0.0))
    assert one == other and hash(one) == hash(other)
    arrays = ([[[1.0]]], [[0.0]], [[1.0]])
    one, other = (rn.ReducedNetwork(*arrays, domain=rn.Box(z, 1.0)) for z in (0.0, -0.0))
    assert one == other and hash(one) == hash(other)


def test_repr_is_one_line_with_sizes():
    assert repr(standard()) == "Network(2-3-1, relu, output bias, 13 parameters)"
    assert repr(reduced(activation="binary")) == (
        "ReducedNetwork(2-3-4-2, binary, no output bias, 33 parameters, bound='support', Box([0, -1], [1, 2]))"
    )
    wide = rn.Network.random((784, 10, 10), rng=0)
    assert repr(wide) == "Network(784-10-10, relu, no output bias, 7950 parameters)"


def test_html_is_a_table_with_a_row_a_layer():
    for net in (standard(), reduced()):
        html = net._repr_html_()
        assert html.count("<tr>") == html.count("</tr>") == 1 + net.depth + 1
        assert html.count("<td>") == (net.depth + 1) * html.count("<th>")
        assert html.startswith(f"<p>{net!r}</p>")
        assert not re.search(r"nan|inf\b", html)


def test_layer_table_gives_norms_and_thresholds():
    first, outgoing = standard().layer_table()
    assert first == {
        "layer": "1", "neurons": 3, "inputs": 2, "row norms": "0.5 .. 3.162", "thresholds": "-1 .. 2"
    }
    assert outgoing["layer"] == "outgoing" and outgoing["thresholds"] == "4 .. 4"
    red = rn.ReducedNetwork([[[1.0], [-1.0]]], [[0.0, 0.5]], [[1.0, 1.0]], domain=rn.Box(0, 1))
    first, outgoing = red.layer_table()
    assert first["intervals"] == "-1 .. 1" and first["at an end"] == 1
    assert outgoing["thresholds"] == "none" and outgoing["intervals"] == "free"


# Feasibility

@pytest.mark.parametrize("row, threshold, reason", [
    ([0.6, 0.8], 0.0, ""),
    ([3.0, 4.0], 0.0, "layer 1, neuron 1: weights of norm 5, not 1"),
    ([0.0, 0.0], 0.0, "layer 1, neuron 1: weights of norm 0, not 1"),
    ([0.6, 0.8], 1.0, r"layer 1, neuron 1: threshold 1 lies outside \[-2.2, 0.8\] by 0.2"),
    ([0.6, 0.8], -3.0, r"layer 1, neuron 1: threshold -3 lies outside \[-2.2, 0.8\] by 0.8"),
])
def test_feasibility_names_the_first_neuron_that_is_wrong(row, threshold, reason):
    rows, b = [[1.0, 0.0], row, row], [0.0, threshold, threshold]
    red = rn.ReducedNetwork([rows], [b], [[1.0, 1.0, 1.0]], domain=BOX)
    verdict = red.feasibility()
    assert verdict.ok is (reason == "") and bool(verdict) is verdict.ok
    assert re.fullmatch(reason, verdict.reason)


def test_feasibility_looks_at_deep_layers():
    # layer 1 sends x - 0.25 in [0, 0.75]: I(1) = [-0.75, 0] in layer 2
    red = rn.ReducedNetwork([[[1.0]], [[1.0]]], [[-0.25], [0.5]], [[1.0]], domain=rn.Box(0, 1))
    assert red.intervals[1].tolist() == [[-0.75, 0.0]]
    assert red.feasibility().reason == "layer 2, neuron 0: threshold 0.5 lies outside [-0.75, 0] by 0.5"
    # with the norm bound 2 sqrt(1) 1 = 2 it is inside
    ball = rn.ReducedNetwork([[[1.0]], [[1.0]]], [[-0.25], [0.5]], [[1.0]], domain=rn.Box(0, 1), bound="ball")
    assert ball.intervals[1].tolist() == [[-2.0, 2.0]] and ball.feasibility().ok


def test_intervals_of_binary_layers_are_wider_by_the_margin():
    arrays = ([[[1.0]]], [[0.0]], [[1.0]])
    relu = rn.ReducedNetwork(*arrays, domain=rn.Box(0, 1)).intervals[0]
    binary = rn.ReducedNetwork(*arrays, activation="binary", domain=rn.Box(0, 1))
    margin = binary.layer_spaces[0].margin
    assert relu.tolist() == [[-1.0, 0.0]] and binary.intervals[0].tolist() == [[-1.0 - margin, margin]]


# Random networks: fixed seeds, bounds of six standard deviations

@pytest.mark.parametrize("output_bias", [False, True])
@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_random_networks_have_the_asked_sizes(output_bias, activation):
    for scheme in ("normal", "he", "uniform"):
        net = rn.Network.random((3, 7, 5, 2), 0, scheme=scheme, output_bias=output_bias, activation=activation)
        assert net.sizes == (3, 7, 5, 2) and net.activation == activation
        assert (net.output_bias is not None) == output_bias
        assert (net.to_vector() == 0.0).sum() == (12 + 2 * output_bias if scheme == "he" else 0)


def assert_moments(sample, variance, fourth_moment, what):
    """Assert mean 0 and the given variance within six standard deviations of their estimates."""
    n = sample.size
    assert abs(sample.mean()) <= 6.0 * np.sqrt(variance / n), what
    assert abs((sample**2).mean() - variance) <= 6.0 * np.sqrt((fourth_moment - variance**2) / n), what


def test_normal_scheme_is_standard_normal_everywhere():
    net = rn.Network.random((50, 40, 30, 10), 0, output_bias=True)
    assert_moments(net.to_vector(), 1.0, 3.0, "all")
    assert_moments(net.thresholds[0], 1.0, 3.0, "thresholds")


def test_he_scheme_has_variance_two_over_fan_in_and_zero_thresholds():
    net = rn.Network.random((50, 40, 30, 10), 0, scheme="he", output_bias=True)
    for W, n in zip([*net.weights, net.output_weights], (50, 40, 30)):
        assert_moments(W, 2.0 / n, 3.0 * (2.0 / n) ** 2, n)
    assert not any(b.any() for b in [*net.thresholds, net.output_bias])


def test_uniform_scheme_is_uniform_within_one_over_root_fan_in():
    net = rn.Network.random((50, 40, 30, 10), 0, scheme="uniform", output_bias=True)
    maps = [*zip(net.weights, net.thresholds), (net.output_weights, net.output_bias)]
    for (W, b), n in zip(maps, (50, 40, 30)):
        side = 1.0 / np.sqrt(n)
        sample = np.append(W.ravel(), b)
        assert np.abs(sample).max() <= side
        assert np.abs(sample).max() >= side * (1.0 - 25.0 / sample.size)  # missed with probability e^-25
        assert_moments(sample, side**2 / 3.0, side**4 / 5.0, n)


def test_a_seed_decides_a_random_network():
    one, same, other = (rn.Network.random((2, 3, 1), seed) for seed in (1, np.random.default_rng(1), 2))
    assert one == same and one != other
    assert rn.Network.random((2, 3, 1)) != rn.Network.random((2, 3, 1))


# The natural start

def fat(domain):
    """Tell whether the domain is wide in all directions, compared with its distance from 0."""
    low, high = domain.bounding_box()
    return isinstance(domain, rn.Ball | rn.Box) and ((high - low) > 1e-3 * domain.norm_bound).all()


@given(st.integers(1, 4).flatmap(domains), st.lists(st.integers(1, 9), min_size=1, max_size=3), BOUNDS,
       st.sampled_from(["relu", "binary"]), st.booleans(), seeds())
def test_natural_start_is_feasible(domain, widths, bound, activation, output_bias, seed):
    red = rn.ReducedNetwork.random(
        (domain.n_inputs, *widths, 2), domain, seed, bound=bound, activation=activation, output_bias=output_bias
    )
    assert_feasible(red)
    assert red.sizes == (domain.n_inputs, *widths, 2) and red.bound == bound and red.activation == activation
    assert (red.output_bias is not None) == output_bias and (not output_bias or not red.output_bias.any())


@given(st.integers(1, 4).flatmap(domains), seeds(), BOUNDS)
def test_natural_start_has_no_dead_or_always_on_neuron_in_the_first_layer(domain, seed, bound):
    red = rn.ReducedNetwork.random((domain.n_inputs, 20, 1), domain, seed, bound=bound)
    W, b = red.weights[0], red.thresholds[0]
    top = np.einsum("ij,ij->i", domain.support_points(W), W) + b
    bottom = np.einsum("ij,ij->i", domain.support_points(-W), W) + b
    allowed = gamma(4 * domain.n_inputs + 16) * domain.norm_bound
    assert (top >= -allowed).all() and (bottom <= allowed).all()
    if fat(domain):
        assert (top > 0.0).all() and (bottom < 0.0).all()


def uniform_distance(q):
    """Return the Kolmogorov distance of a sample from the uniform distribution on [0, 1]."""
    q, n = np.sort(q), len(q)
    return max((np.arange(1, n + 1) / n - q).max(), (q - np.arange(n) / n).max())


@pytest.mark.parametrize("bound", ["support", "ball"])
@pytest.mark.parametrize("domain", [BOX, rn.Ball([3.0, 4.0], 2.0), rn.Hull([[0.0, 0.0], [5.0, 1.0], [1.0, 7.0]])])
def test_natural_start_is_uniform_on_the_support_interval(domain, bound):
    # Dvoretzky-Kiefer-Wolfowitz: the distance exceeds e with probability at most 2 exp(-2 n e^2) = 2e-9
    red = rn.ReducedNetwork.random((2, 4000, 1), domain, 0, bound=bound)
    W, b = red.weights[0], red.thresholds[0]
    low, high = -domain.support(W), domain.support(-W)
    assert uniform_distance((b - low) / (high - low)) <= np.sqrt(10.0 / 4000)
    angles = np.arctan2(W[:, 1], W[:, 0]) / (2.0 * np.pi) + 0.5
    assert uniform_distance(angles) <= np.sqrt(10.0 / 4000)


def test_natural_start_has_outgoing_variance_one_over_width():
    red = rn.ReducedNetwork.random((2, 900, 9), BOX, 0)
    assert_moments(red.output_weights, 1 / 900, 3 / 900**2, "outgoing weights")


@pytest.mark.parametrize("seed", range(5))
def test_deep_hyperplanes_of_the_natural_start_meet_the_image_of_the_domain(seed):
    # in one dimension the image is a curve: on a fine grid of it z changes its sign, or comes as near to
    # 0 as a step of the grid can (each layer's norm is at most that of its unit rows: root of the width)
    red = rn.ReducedNetwork.random((1, 8, 8, 8, 1), rn.Box(0, 1), seed)
    X = np.linspace(0, 1, 4001)[:, np.newaxis]
    for number, Z in enumerate(red.pre_activations(X)):
        step = np.sqrt(8.0) ** number / 4000
        assert (Z.min(axis=0) <= step).all() and (Z.max(axis=0) >= -step).all()


def test_natural_start_in_one_dimension_has_both_signs():
    red = rn.ReducedNetwork.random((1, 60, 1), rn.Box(0, 1), 0)  # one sign: probability 2^-59
    assert set(red.weights[0].ravel().tolist()) == {-1.0, 1.0}


# Refusals

SHAPE = r"must be of shape \(n_neurons, n_inputs\), got shape"
W, B, C = [[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0], [[1.0, 1.0]]
NAN = [[1.0, 2.0], [np.nan, 4.0]]


@pytest.mark.parametrize("arguments, error, match", [
    (([[1.0, 2.0]], [B], C), ValueError, rf"`weights\[0\]` {SHAPE} \(2,\)"),
    (([[[[1.0]]]], [[0.0]], [[1.0]]), ValueError, rf"`weights\[0\]` {SHAPE} \(1, 1, 1\)"),
    (([W, [[1.0]]], [B, [0.0]], [[1.0]]), ValueError,
     r"`weights\[1\]` must be of shape \(n_neurons, 2\), got shape \(1, 1\)"),
    (([W], [[0.0]], C), ValueError, r"`thresholds\[0\]` must be of shape \(2,\), got shape \(1,\)"),
    (([W], [[B]], C), ValueError, r"`thresholds\[0\]` must be of shape \(2,\), got shape \(1, 2\)"),
    (([W], [B, B], C), ValueError, r"`thresholds` must be a list of 1 vectors, as `weights`, got 2"),
    (([W], [B], [[1.0]]), ValueError, r"`output_weights` must be of shape \(n_outputs, 2\), got shape \(1, 1\)"),
    (([W], [B], [1.0, 1.0]), ValueError, r"`output_weights` must be of shape \(n_outputs, 2\), got shape \(2,\)"),
    (([W], [B], C, [1.0, 2.0]), ValueError, r"`output_bias` must be of shape \(1,\), got shape \(2,\)"),
    (([W], [B], C, 1.0), ValueError, r"`output_bias` must be of shape \(1,\), got shape \(\)"),
    (([NAN], [B], C), ValueError, r"`weights\[0\]` must be finite, got nan at index \(1, 0\)"),
    (([W], [[0.0, np.inf]], C), ValueError, r"`thresholds\[0\]` must be finite, got inf at index 1"),
    (([W], [B], [[1.0, -np.inf]]), ValueError, r"`output_weights` must be finite, got -inf at index \(0, 1\)"),
    (([W], [B], C, [np.nan]), ValueError, r"`output_bias` must be finite, got nan at index 0"),
    (([], [], C), ValueError, r"`weights` must be a list of at least one array, got an empty list"),
    (([np.empty((0, 2))], [[]], np.empty((1, 0))), ValueError, r"`weights\[0\]` must be non-empty"),
    (([np.empty((2, 0))], [B], C), ValueError, r"`weights\[0\]` must be non-empty"),
    (([W], [B], np.empty((0, 2))), ValueError, r"`output_weights` must be non-empty"),
    ((3.0, [B], C), TypeError, r"`weights` must be a list of arrays, one for each hidden layer, got float"),
    (("W", [B], C), TypeError, r"`weights` must be a list of arrays, one for each hidden layer, got str"),
    (({"W": W}, [B], C), TypeError, r"`weights` must be a list of arrays, one for each hidden layer, got dict"),
    (([W], None, C), TypeError, r"`thresholds` must be a list of arrays, one for each hidden layer, got NoneType"),
    (([[[1.0, 2.0], [3.0]]], [B], C), ValueError, r"`weights\[0\]` must be a rectangular array"),
    (([[[1.0, None], [3.0, 4.0]]], [B], C), TypeError, r"`weights\[0\]` must be .*, got dtype object"),
    (([W], [B], [[1.0, 1j]]), TypeError, r"`output_weights` must be .*real numbers, got dtype complex128"),
    (([W], [["a", "b"]], C), TypeError, r"`thresholds\[0\]` must be an array of real numbers, got dtype <U1"),
    (([W], [B], C, None, "tanh"), ValueError, r"`activation` must be one of \['relu', 'binary'\], got 'tanh'"),
    (([W], [B], C, None, np.tanh), TypeError, r"`activation` must be one of .*, got ufunc"),
])
def test_bad_parameters_are_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        rn.Network(*arguments)
    with pytest.raises(error, match=match):
        rn.ReducedNetwork(*arguments, domain=BOX)


@pytest.mark.parametrize("options, error, match", [
    ({"domain": rn.Box(0, 1)}, ValueError, "`domain` must be of dimension 2, the network's number of inputs, got"),
    ({"domain": (0, 1)}, TypeError, "`domain` must be a Box, Ball or Hull, got tuple"),
    ({"domain": BOX, "bound": "box"}, ValueError, r"`bound` must be one of \['ball', 'support'\], got 'box'"),
    ({"domain": BOX, "bound": None}, TypeError, r"`bound` must be one of .* got NoneType None"),
    ({}, TypeError, "domain"),
])
def test_bad_domains_and_bounds_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        rn.ReducedNetwork([W], [B], C, **options)


@pytest.mark.parametrize("X, error, match", [
    ([1.0, 2.0], ValueError, r"`X` must be of shape \(n_samples, 2\), got shape \(2,\)"),
    ([[1.0]], ValueError, r"`X` must be of shape \(n_samples, 2\), got shape \(1, 1\)"),
    (np.empty((0, 3)), ValueError, r"`X` must be of shape \(n_samples, 2\), got shape \(0, 3\)"),
    ([[np.nan, 0.0]], ValueError, r"`X` must be finite, got nan at index \(0, 0\)"),
    ([[0.0, 0.0], [0.0, np.inf]], ValueError, r"`X` must be finite, got inf at index \(1, 1\)"),
    ([[1j, 0.0]], TypeError, "`X` must be an array of real numbers, got dtype complex128"),
    (np.array([[object(), 0.0]]), TypeError, "`X` must be an array of real numbers, got dtype object"),
    ([["0", "1"]], TypeError, "`X` must be an array of real numbers, got dtype <U1"),
    (None, TypeError, "`X` must be an array of real numbers, got dtype object"),
    ([[1.0, 2.0], [3.0]], ValueError, "`X` must be a rectangular array"),
])
def test_bad_samples_are_refused(X, error, match):
    for call in (standard(), standard().pre_activations):
        with pytest.raises(error, match=match):
            call(X)


@pytest.mark.parametrize("theta, error, match", [
    (np.zeros(12), ValueError, r"`theta` must be of shape \(13,\), got shape \(12,\)"),
    (np.zeros((13, 1)), ValueError, r"`theta` must be of shape \(13,\), got shape \(13, 1\)"),
    (np.full(13, np.nan), ValueError, "`theta` must be finite, got nan at index 0"),
    (np.zeros(13, dtype=complex), TypeError, "`theta` must be an array of real numbers"),
])
def test_bad_vectors_are_refused(theta, error, match):
    with pytest.raises(error, match=match):
        standard().with_vector(theta)


@pytest.mark.parametrize("call, error, match", [
    (lambda: rn.Network.random((1, 2)), ValueError, r"`sizes` must be .* with a hidden layer, got \(1, 2\)"),
    (lambda: rn.Network.random(3), TypeError, r"`sizes` must be \(n_inputs, n_1, ..., n_outputs\), got 3"),
    (lambda: rn.Network.random((1, 0, 1)), ValueError, r"`sizes\[1\]` must be at least 1, got 0"),
    (lambda: rn.Network.random((1, 2.0, 1)), TypeError, r"`sizes\[1\]` must be an integer, got float 2.0"),
    (lambda: rn.Network.random((1, 2, 1), "seed"), TypeError, "`rng` must be None, an int"),
    (lambda: rn.Network.random((1, 2, 1), True), TypeError, "`rng` must be None, an int"),
    (lambda: rn.Network.random((1, 2, 1), -3), ValueError, "`rng` must be a seed of at least 0, got -3"),
    (lambda: rn.Network.random((1, 2, 1), scheme="xavier"), ValueError, "`scheme` must be one of .* got 'xavier'"),
    (lambda: rn.Network.random((1, 2, 1), output_bias=1), TypeError, "`output_bias` must be True or False"),
    (lambda: rn.Network.random((1, 2, 1), activation="elu"), ValueError, "`activation` must be one of"),
    (lambda: rn.ReducedNetwork.random((1, 2, 1), BOX), ValueError, "`domain` must be of dimension 1"),
    (lambda: rn.ReducedNetwork.random((2, 2, 1), None), TypeError, "`domain` must be a Box, Ball or Hull"),
    (lambda: rn.ReducedNetwork.random((2, 2, 1), BOX, bound="norm"), ValueError, "`bound` must be one of"),
    (lambda: rn.ReducedNetwork.random((2, 1), BOX), ValueError, "`sizes` must be .* with a hidden layer"),
    (lambda: rn.ReducedNetwork.random((2, 2, 1), BOX, activation=1), TypeError, "`activation` must be one of"),
])
def test_bad_arguments_of_random_networks_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_overflow_is_refused_without_a_warning():
    net = rn.Network([[[1e200]], [[1e200]]], [[0.0], [0.0]], [[1.0]])
    with pytest.raises(ValueError, match="the network's output leaves the range of float64"):
        net([[1.0]])
    with pytest.raises(ValueError, match="leaves the range of float64"):
        net.pre_activations([[1.0]])


def test_integers_booleans_and_single_precision_are_real_numbers():
    net = rn.Network([np.array([[1]], dtype=np.int8)], [np.array([0.5], dtype=np.float32)], [[True]])
    assert net([[2]]).tolist() == [[2.5]] and net.to_vector().dtype == np.float64


def test_roundings_of_a_network_are_counted_layer_by_layer():
    assert roundings(standard()).tolist() == [48, 104]
