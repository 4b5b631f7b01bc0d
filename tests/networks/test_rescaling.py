"""Other standard networks of the same function: `rescale`, exactly, and `expand`, to rounding."""
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import (
    assert_close, assert_equal_bits, assert_same_hidden_layers, assert_same_network, gamma,
)
from oracles.reference import exact_forward
from oracles.strategies import cases, hyperplane_points, networks, points_of, seeds


def hard(network, domain):
    return network, domain, np.vstack([points_of(domain, 0), hyperplane_points(network, domain)])


def one_neuron(w, b, c=1.0, activation="relu"):
    return rn.Network([[np.atleast_1d(w)]], [[b]], [[c]], activation=activation)


HARD = hard(one_neuron(1.0, 1e16), rn.Box(0, 1))


@example(HARD)
@given(cases())
def test_rescaled_network_computes_the_same_bit_for_bit(case):
    network, _, X = case
    assert np.array_equal(rn.rescale(network)(X), network(X))


@given(cases(max_depth=2, max_width=4))
def test_rescaled_network_is_the_same_function_in_rationals(case):
    network, _, X = case
    scaled = rn.rescale(network)
    for x in X[::5]:
        assert exact_forward(scaled, x) == exact_forward(network, x)


@given(networks())
def test_rescaled_rows_have_norms_from_one_to_two(network):
    for W in rn.rescale(network).weights:
        norms = rn.sphere.row_norms(W)
        allowed = gamma(W.shape[1] + 4)  # of the measured norm
        assert ((norms == 0.0) | ((norms >= 1.0 - allowed) & (norms < 2.0 * (1.0 + allowed)))).all()


@given(networks())
def test_rescaling_twice_changes_nothing(network):
    once = rn.rescale(network)
    assert_same_network(rn.rescale(once), once, "rescaled twice")


@given(networks(activation="binary"))
def test_rescaling_keeps_the_outgoing_map_of_a_binary_network(network):
    scaled = rn.rescale(network)
    assert_equal_bits(scaled.output_weights, network.output_weights, "output_weights")


@given(networks())
def test_rescaling_multiplies_by_powers_of_two_only(network):
    scaled = rn.rescale(network)
    for W, V in zip(network.weights, scaled.weights):
        assert_equal_bits(np.frexp(W)[0], np.frexp(V)[0], "mantissas of weights")
    for b, c in zip(network.thresholds, scaled.thresholds):
        assert_equal_bits(np.frexp(b)[0], np.frexp(c)[0], "mantissas of thresholds")


def test_rescaling_by_hand():
    # norm 5 = 1.25 * 4: the row and its threshold by 1/4, the column by 4; norm 1/2: by 2 and 1/2
    net = rn.Network([[[3.0, 4.0], [0.0, 0.5]]], [[8.0, 1.0]], [[1.0, 1.0]], [7.0])
    scaled = rn.rescale(net)
    assert scaled.weights[0].tolist() == [[0.75, 1.0], [0.0, 1.0]] and scaled.thresholds[0].tolist() == [2.0, 2.0]
    assert scaled.output_weights.tolist() == [[4.0, 0.5]] and scaled.output_bias.tolist() == [7.0]
    assert type(scaled) is rn.Network


@pytest.mark.parametrize("w, b, c", [
    ([2.0**600], 1.0, 2.0**500),  # the column would overflow
    ([2.0**-600], 2.0**600, 1.0),  # the threshold would overflow
    ([2.0**300, 2.0**-1000], 0.0, 1.0),  # an entry of the row would lose bits
    ([2.0**40], 2.0**-1074, 1.0),  # the threshold would underflow
    ([2.0**-40], 0.0, 3.0 * 2.0**-1074),  # the column would underflow
    ([0.0, 0.0], 5.0, 1.0),  # a zero row has no scale
])
def test_rescaling_leaves_a_neuron_that_would_leave_float64(w, b, c):
    net = one_neuron(w, b, c)
    assert_same_network(rn.rescale(net), net, "rescaled")


def test_rescaling_leaves_only_the_neuron_that_would_overflow():
    net = rn.Network([[[2.0**600], [4.0]]], [[1.0, 8.0]], [[2.0**500, 3.0]])
    scaled = rn.rescale(net)
    assert scaled.weights[0].tolist() == [[2.0**600], [1.0]] and scaled.thresholds[0].tolist() == [1.0, 2.0]
    assert scaled.output_weights.tolist() == [[2.0**500, 12.0]]


@pytest.mark.parametrize("w, c", [
    ([2.0**-1050], 2.0**60), ([5e-324], 2.0**60), ([1e-310, 2e-310], 2.0**60), ([1.7e308, 1.7e308], 2.0**-60),
])
@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_rescaled_extreme_rows_have_norms_from_one_to_two(w, c, activation):
    scaled = rn.rescale(one_neuron(w, 0.0, c, activation))
    assert 1.0 <= rn.sphere.row_norms(scaled.weights[0])[0] < 2.0


# expand

@given(cases(activation="relu"), seeds())
def test_expanded_network_is_the_same_function(case, seed):
    # a row, its threshold and its column are each rounded once or twice: 4 roundings an entry
    network, domain, X = case
    expanded = rn.expand(network, seed)
    bound = rn.evaluation_bound(network, domain, 4) + rn.evaluation_bound(expanded, domain, 4)
    assert_close(expanded(X), network(X), bound, f"expanded {network!r}")


@given(cases(activation="binary"), seeds())
def test_expanded_binary_network_is_the_same_at_decided_points(case, seed):
    network, domain, X = case
    expanded, X = rn.expand(network, seed), X[rn.decided(network, domain, X)]
    if len(X):
        assert_same_hidden_layers(network, expanded, X)
        assert_equal_bits(expanded(X), network(X), "outputs")


@given(networks(scaled=False), seeds())
def test_expanding_keeps_sizes_and_scales_each_row_by_at_most_e_cubed(network, seed):
    expanded = rn.expand(network, seed)
    assert expanded.sizes == network.sizes and expanded.activation == network.activation
    before, after = rn.sphere.row_norms(network.weights[0]), rn.sphere.row_norms(expanded.weights[0])
    live, allowed = before > 0.0, 1.0 + gamma(32)
    ratios = after[live] / before[live]
    assert ((ratios >= np.exp(-3) / allowed) & (ratios <= np.exp(3) * allowed)).all()
    assert not after[~live].any()


def test_expanding_moves_every_row():
    net = rn.Network.random((2, 30, 20, 1), rng=0)
    expanded = rn.expand(net, 1)
    for W, V in zip(net.weights, expanded.weights):
        assert (W != V).all()
    assert (net.output_weights != expanded.output_weights).all()


@given(networks(), seeds())
def test_the_same_seed_expands_to_the_same_network(network, seed):
    again = rn.expand(network, np.random.default_rng(seed))
    assert_same_network(rn.expand(network, seed), again, "expanded twice")


@given(st.sampled_from(["relu", "binary"]), st.booleans(), seeds())
def test_expanding_a_reduced_network_gives_a_standard_one(activation, output_bias, seed):
    red = rn.ReducedNetwork.random(
        (2, 4, 1), rn.Box([0, 0], [1, 1]), seed, activation=activation, output_bias=output_bias
    )
    assert type(rn.expand(red, seed)) is rn.Network and type(rn.rescale(red)) is rn.Network


@pytest.mark.parametrize("call, error, match", [
    (lambda: rn.expand("net"), TypeError, "`network` must be a Network or ReducedNetwork, got str"),
    (lambda: rn.rescale(3), TypeError, "`network` must be a Network or ReducedNetwork, got int"),
    (lambda: rn.expand(one_neuron(1.0, 0.0), rng="seed"), TypeError, "`rng` must be None, an int"),
    (lambda: rn.expand(one_neuron([1.7e308] * 3, 0.0), rng=1), ValueError,
     r"`weights\[0\]` must be finite, got inf at index \(0, 0\)"),
])
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
