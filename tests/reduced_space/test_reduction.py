"""The mapping into the reduced parameter space: what it keeps, where it lands, and its hard cases."""
import warnings
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import (
    assert_close, assert_equal_bits, assert_feasible, assert_same_function, assert_same_network,
    assert_same_up_to_rounding, hidden_outputs, pair_tolerance,
)
from reducednet.networks.parameters import Affine
from reducednet.numerics.rounding import gamma
from reducednet.reduced_space.intervals import LayerSpace
from reducednet.reduced_space.layer_reduction import (
    ReducedLayer, absorb, clip_thresholds, represent_constants,
)
from reducednet.reduced_space.reduction import replace_always_on
from oracles.reference import exact_forward, exact_layers
from oracles.strategies import BOUNDS, cases, hyperplane_points, networks_with_domains, points_of, seeds

TENTHS = np.array([
    [3, 1, 2], [-3, -3, -1], [-3, -3, 1], [0, 0, 1], [2, -3, 2], [-2, 1, 2], [3, 2, 1], [-1, -1, 2], [-2, -2, -2],
    [1, 3, 0], [3, 0, 3], [1, 2, -3], [3, -2, -1], [-1, 2, 1], [-2, 1, -2], [1, 0, 2], [3, -3, 1], [-3, 3, 2],
    [3, -1, 1],
]) / 10


def hard(network, domain):
    """Return (network, domain, X) for an `example`."""
    return network, domain, np.vstack([points_of(domain, 0), hyperplane_points(network, domain)])


def one_neuron(w, b, c=1.0, a=None, activation="relu"):
    """Return the network c s(w.x + b) + a."""
    return rn.Network([[np.atleast_1d(w)]], [[b]], [[c]], None if a is None else [a], activation)


INTEGER_HULL = hard(
    rn.Network([[[-3, 0, 0], [1, -2, -3], [-3, 2, 1], [-3, 3, 1]]], [[-2, 0, 5, 1]], [[1, -2, 3, 1]]),
    rn.Hull(TENTHS),
)
"""Support values tie to rounding; a second reduction must not see other ones."""

HARD_CASES = [
    hard(one_neuron(1.0, 1e16, 1.0, -1e16), rn.Box(0, 1)),  # sampling says 0 at 0.3, the truth is 0.3
    hard(one_neuron(1e-310, 1.0), rn.Box(0, 1)),  # b / |w| overflows
    hard(one_neuron(1e-310, -1.0), rn.Box(0, 1)),
    hard(one_neuron(1e-200, 1e200), rn.Box(0, 1)),
    hard(one_neuron(-1e-200, -1e200, 2.0, 1.0), rn.Box(-1, 1)),
    hard(one_neuron([5e-324, -5e-324], 5e-324), rn.Box([0, 0], [1, 1])),  # subnormal rows
    hard(one_neuron([3e-310, 4e-310], -1e-310, 1e300), rn.Box([0, 0], [1, 2])),
    hard(one_neuron([1e200, -1e200], 3e199), rn.Box([0, 0], [1, 1])),
    hard(one_neuron([1e200, 1e-200], 3e200, 1e-200), rn.Ball([1, 1], 1)),
    hard(one_neuron([0.0, 0.0], 2.0, 3.0), rn.Box([0, 0], [1, 1])),  # a zero row, no output bias
    hard(one_neuron(1.0, 2.0), rn.Box(-1, 1)),  # has no zero: one more neuron is needed
    hard(rn.Network([[[1.0]], [[0.0]]], [[-5.0], [2.0]], [[1.0]]), rn.Box(0, 1)),  # one point enters layer 2
    hard(rn.Network([[[1.0]], [[1.0]], [[-1.0]]], [[-5.0], [2.0], [7.0]], [[1.0]]), rn.Box(0, 1)),
    hard(rn.Network([[[1.0, 0.0]]], [[3.0]], [[1.0]]), rn.Box([1, 0], [1, 1])),  # always on, of width 0
    hard(rn.Network([[[1.0, 1.0], [2.0, -1.0]]], [[9.0, 9.0]], [[1.0, 2.0]]), rn.Hull([[0, 0], [1, 1]])),
    # one point, 0, enters layer 3: what is near an end of the intervals of its neighbourhood is not at it
    hard(rn.Network([[[1.0]], [[-1.0]], [[-2.0**60]]], [[0.0], [-1.0], [1.0]], [[1.0]]), rn.Box(0, 1)),
    hard(rn.Network([[[1.0]], [[-1.0]], [[2.0**60]]], [[0.0], [-1.0], [1.0]], [[1.0]], [0.0]), rn.Box(0, 1)),
    hard(rn.Network([[[1.0]], [[-1.0]], [[2.0**30]], [[-2.0**44]]], [[0.0], [-1.0], [-2.0**22], [1.0]], [[1.0]]),
         rn.Box(0, 1)),
    # row (2^60, 1) of layer 3 on a dead and a live neuron: relu(x - 1/2), though the row is (1, 2^-60)
    hard(rn.Network([[[1.0]], [[-1.0], [1.0]], [[2.0**60, 1.0]]], [[0.0], [-1.0, 0.0], [-0.5]], [[1.0]]),
         rn.Box(0, 1)),
    # a far box whose sides are as small as the rounding of its ends
    hard(rn.Network([[[1.0, 1.0]], [[1.0]]], [[-2.0**51], [-1.0]], [[1.0]]),
         rn.Box([-2.0**40, 2.0**51], [-2.0**40, 2.0**51 + 1.0])),
    hard(one_neuron(1.0, -2.0**51 - 1.0), rn.Box(2.0**51, 2.0**51 + 2.0)),
    INTEGER_HULL,
]

BINARY_HARD_CASES = [
    hard(one_neuron([1, 1, 1], -3, activation="binary"), rn.Box([0, 0, 0], [1, 1, 1])),
    hard(one_neuron([1, 1, 1, -3], 0, activation="binary"), rn.Box([0] * 4, [1] * 4)),
    # z is one margin at most, and was found dead only when the lowered threshold was reduced again
    hard(one_neuron([2], -2 + 8 * gamma(7), activation="binary"), rn.Box(0, 1)),
    hard(one_neuron([1, 1, -2], 0, activation="binary"), rn.Box([0] * 3, [1] * 3)),
    hard(one_neuron(1e-310, 1.0, activation="binary"), rn.Box(0, 1)),
    hard(one_neuron(1e-200, -1e200, activation="binary"), rn.Box(0, 1)),
    hard(one_neuron([1e200, -1e200], 3e199, activation="binary"), rn.Box([0, 0], [1, 1])),
    hard(one_neuron([5e-324, 5e-324], -1e-323, activation="binary"), rn.Box([0, 0], [3, 3])),
    hard(rn.Network([[[1.0]], [[0.0]]], [[-5.0], [2.0]], [[1.0]], activation="binary"), rn.Box(0, 1)),
]


def examples(hard_cases, **more):
    """Return a decorator that adds each hard case with both bounds as an `example`."""
    def decorate(test):
        for case in hard_cases:
            for bound in ("support", "ball"):
                test = example(case, bound, **more)(test)
        return test
    return decorate


# The function

@examples(HARD_CASES + BINARY_HARD_CASES)
@given(cases(), BOUNDS)
def test_reduced_network_equals_standard_network_on_the_domain(case, bound):
    network, domain, X = case
    assert_same_function(network, rn.reduce(network, domain, bound), X)


@given(cases(max_depth=2, max_width=40, numbers=("normal",), scaled=False), BOUNDS)
def test_wide_networks_keep_their_function(case, bound):
    network, domain, X = case
    assert_same_function(network, rn.reduce(network, domain, bound), X)


@given(cases(kinds=("on", "zero"), output_bias=False, activation="relu", max_depth=2), BOUNDS)
def test_constants_without_an_output_bias_are_kept(case, bound):
    network, domain, X = case
    assert_same_function(network, rn.reduce(network, domain, bound), X)


@given(cases(kinds=("dead", "on", "touch", "zero", "cut"), min_depth=3, max_depth=5, max_width=3), BOUNDS)
def test_deep_networks_with_flat_layers_keep_their_function(case, bound):
    network, domain, X = case
    assert_same_function(network, rn.reduce(network, domain, bound), X)


def test_small_difference_of_large_terms_survives():
    red = rn.reduce(one_neuron(1.0, 1e16, 1.0, -1e16), rn.Box(0, 1))
    assert red.thresholds[0].tolist() == [0.0] and red.output_bias.tolist() == [0.0]
    assert red([[0.3]]).tolist() == [[0.3]]  # the given network computes 0 there


def test_two_neurons_by_hand():
    # N(x) = 3 s(2 x + 5) - s(-4 x + 1) on [0, 1]
    # neuron 0: norm 2, unit 1, b/norm = 2.5, I(1) = [-1, 0]: always on, t = 0, kappa 5 - 2*0 = 5, column 3*2 = 6,
    #           constant 3*5 = 15
    # neuron 1: norm 4, unit -1, b/norm = 0.25 in I(-1) = [0, 1]: column -1*4 = -4
    net = rn.Network([[[2.0], [-4.0]]], [[5.0, 1.0]], [[3.0, -1.0]], [0.5])
    red = rn.reduce(net, rn.Box(0, 1))
    assert red.weights[0].tolist() == [[1.0], [-1.0]] and red.thresholds[0].tolist() == [0.0, 0.25]
    assert red.output_weights.tolist() == [[6.0, -4.0]] and red.output_bias.tolist() == [15.5]
    # N(1/2) = 3*6 - 0 + 0.5 = 18.5 and R(1/2) = 6*0.5 - 0 + 15.5 = 18.5
    assert net([[0.5]]).tolist() == red([[0.5]]).tolist() == [[18.5]]
    # N(1/8) = 3*5.25 - 0.5 + 0.5 = 15.75 and R(1/8) = 6/8 - 4/8 + 15.5 = 15.75
    assert net([[0.125]]).tolist() == red([[0.125]]).tolist() == [[15.75]]


def test_two_neurons_without_output_bias_by_hand():
    # As above, but the constant 15 has no bias to go to: (1, 0) and (-1, 1) have s(x) + s(1 - x) = 1 on
    # [0, 1], so both take 15: columns 6 + 15 = 21 and 15.
    net = rn.Network([[[2.0], [-4.0]]], [[5.0, 1.0]], [[3.0, -1.0]])
    red = rn.reduce(net, rn.Box(0, 1))
    assert red.weights[0].tolist() == [[1.0], [-1.0], [-1.0]] and red.thresholds[0].tolist() == [0.0, 0.25, 1.0]
    assert red.output_weights.tolist() == [[21.0, -4.0, 15.0]] and red.output_bias is None
    # N(0) = 15 - 1 = 14 and R(0) = 0 - 1 + 15 = 14; N(1) = 21 - 0 and R(1) = 21 - 0 + 0
    assert net([[0.0], [1.0]]).tolist() == red([[0.0], [1.0]]).tolist() == [[14.0], [21.0]]


def test_binary_neurons_by_hand():
    # row (3, 4): norm 5, threshold -2/5 less the margin; columns and bias stay
    net = rn.Network([[[3.0, 4.0]]], [[-2.0]], [[7.0]], [0.5], "binary")
    red = rn.reduce(net, rn.Box([0, 0], [1, 1]))
    margin = red.layer_spaces[0].margin
    assert red.weights[0].tolist() == [[0.6, 0.8]] and red.thresholds[0].tolist() == [-0.4 - margin]
    assert 0.0 < margin < 64 * gamma(1) and red.output_weights.tolist() == [[7.0]]
    assert red.output_bias.tolist() == [0.5]


# Where the result lies

@examples(HARD_CASES + BINARY_HARD_CASES)
@given(cases(), BOUNDS)
def test_result_is_feasible(case, bound):
    network, domain, _ = case
    red = rn.reduce(network, domain, bound)
    assert_feasible(red)
    assert red.domain == domain and red.bound == bound and red.activation == network.activation


@examples(HARD_CASES + BINARY_HARD_CASES)
@given(cases(), BOUNDS)
def test_reducing_twice_changes_nothing(case, bound):
    network, domain, _ = case
    red = rn.reduce(network, domain, bound)
    assert_same_network(rn.reduce(red, domain, bound), red, "reduced twice and once")


@given(st.integers(2, 5), st.integers(2, 40), st.integers(1, 8), seeds(), st.booleans())
def test_reducing_twice_on_the_hull_of_many_points_changes_nothing(d, n_points, width, seed, output_bias):
    rng = np.random.default_rng(seed)
    hull = rn.Hull(np.vstack([rng.integers(-3, 4, (n_points, d)) / 10.0, np.full(d, 0.4)]))
    W, b = rng.integers(-3, 4, (width, d)), rng.integers(-3, 6, width)
    net = rn.Network([W], [b], rng.standard_normal((1, width)), [0.0] if output_bias else None)
    red = rn.reduce(net, hull)
    assert_feasible(red)
    assert_same_network(rn.reduce(red, hull), red, "reduced twice and once")


@example((one_neuron([3.0, 4.0], 1.0), rn.Box([0, 0], [1, 1])), "support", 0)
@example((rn.Network([[[1, 1, 1]]], [[3.0]], [[1.0]]), rn.Box([-1] * 3, [1] * 3)), "support", 0)
@example((  # a binary neuron that touches the domain and is dead, in a unit row and in any other
    rn.Network([[[1.0], [1.0]], [[0.0, 17.0]]], [[-2.0, -3.0], [-61.0]], [[2.0]], activation="binary"),
    rn.Box(2, 3)
), "support", 0)
@given(networks_with_domains(max_depth=3), BOUNDS, seeds())
def test_reducing_any_network_of_the_orbit_gives_the_reduced_network_back(pair, bound, seed):
    network, domain = pair
    red = rn.reduce(network, domain, bound)
    back = rn.reduce(rn.expand(red, seed), domain, bound)
    assert_same_up_to_rounding(back, red, "reduced after expand")


@given(networks_with_domains(), BOUNDS)
def test_widths_stay_with_an_output_bias_and_for_binary(pair, bound):
    network, domain = pair
    red = rn.reduce(network, domain, bound)
    if network.activation == "binary" or network.output_bias is not None:
        assert red.sizes == network.sizes
    else:
        assert red.sizes[:-2] == network.sizes[:-2] and red.sizes[-1] == network.sizes[-1]
        assert red.sizes[-2] - network.sizes[-2] in (0, 1)


@given(networks_with_domains(kinds=("cut", "dead", "axis"), max_depth=1, activation="relu",
                             domain=lambda n: st.just(rn.Box([-1.0] * n, [1.0] * n))))
def test_width_stays_where_no_constant_is_left(pair):
    network, domain = pair
    assert rn.reduce(network, domain).sizes == network.sizes


@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), seeds())
def test_a_zero_row_gives_its_place_to_the_pair(n_others, d, n_outputs, seed):
    rng = np.random.default_rng(seed)
    W = np.vstack([rng.standard_normal((n_others, d)), np.zeros(d)])
    b = np.append(10.0 * np.abs(W[:-1]).sum(axis=1), 1.0)  # all always on but the last
    net = rn.Network([W], [b], rng.standard_normal((n_outputs, n_others + 1)))
    red = rn.reduce(net, rn.Box([-1] * d, [1] * d))
    assert red.sizes == net.sizes
    assert_same_function(net, red, points_of(red.domain, seed))


def test_one_neuron_more_is_added_where_it_is_needed():
    red = rn.reduce(one_neuron(1.0, 2.0), rn.Box(-1, 1))
    assert red.weights[0].tolist() == [[1.0], [-1.0]] and red.thresholds[0].tolist() == [1.0, 1.0]
    # s(x + 1) + s(-x + 1) = 2, and 1 is left: (1 + 1/2) s(x + 1) + 1/2 s(-x + 1) = x + 2
    assert red.output_weights.tolist() == [[1.5, 0.5]]


@given(cases(activation="binary"), BOUNDS)
def test_binary_outgoing_maps_stay_bit_for_bit(case, bound):
    network, domain, _ = case
    red = rn.reduce(network, domain, bound)
    assert_equal_bits(red.output_weights, network.output_weights, "output_weights")
    if network.output_bias is not None:
        assert_equal_bits(red.output_bias, network.output_bias, "output_bias")


@given(cases(), BOUNDS)
def test_rows_keep_their_direction(case, bound):
    network, domain, _ = case
    red, W = rn.reduce(network, domain, bound), network.weights[0]
    kept, norms = red.weights[0][:len(W)], rn.sphere.row_norms(W)
    live = (norms > 0.0) & (np.arange(len(W)) < network.sizes[1])
    if network.depth == 1:  # a place without width may be given to the pair
        live &= (red.thresholds[0][:len(W)] < red.intervals[0][:len(W), 1])
    allowed = gamma(W.shape[1] + 6) * np.abs(W)
    difference = np.abs(kept * norms[:, np.newaxis] - W)
    assert (difference <= allowed)[live].all()


# Flat sets: a direction of no width must not carry a constant

@pytest.mark.parametrize("points", [[[0, 0], [0.1, 0.3]], [[1, 2], [1.1, 2.3]], [[7, 0], [7.3, 0.9]]])
@pytest.mark.parametrize("b", [5.0, 30.0])
def test_constant_is_not_carried_by_a_direction_whose_width_is_rounding(points, b):
    # w = (3, -1) is perpendicular to the segment: its width is 0, but computed as 1e-17 or so
    net, hull = rn.Network([[[3.0, -1.0]]], [[b]], [[1.0]]), rn.Hull(points)
    red, X = rn.reduce(net, hull), np.vstack([hull.points, hull.sample(20, 0)])
    widest = (hull.points.max(axis=0) - hull.points.min(axis=0)).max()
    assert_close(red(X), net(X), pair_tolerance(net, red, hull.norm_bound / widest), "with a pair")


def test_constant_is_not_carried_by_a_deep_direction_whose_width_is_rounding():
    # layer 1 is constant on the segment up to rounding, so layer 2 receives one point
    hull = rn.Hull([[1, 2], [1.1, 2.3]])
    net = rn.Network([[[3.0, -1.0]], [[1.0]]], [[5.0], [4.0]], [[1.0]])
    red, X = rn.reduce(net, hull), np.vstack([hull.points, hull.sample(20, 0)])
    assert_close(red(X), net(X), pair_tolerance(net, red, 4.0), "with a pair in layer 2")


@pytest.mark.parametrize("first", [
    rn.Network([[[1.0]], [[1.0]]], [[-5.0], [2.0]], [[1.0]]),  # dead
    rn.Network([[[0.0]], [[-1.0]]], [[3.0], [2.0]], [[1.0]]),  # constant
])
def test_a_layer_that_receives_one_point_has_intervals_of_length_one(first):
    red = rn.reduce(first, rn.Box(0, 1))
    for w, interval in zip(red.weights[1], red.intervals[1]):
        assert interval.tolist() == ([-1.0, 0.0] if w[0] > 0.0 else [0.0, 1.0])


# Two neurons for each always-on one

@examples(HARD_CASES + BINARY_HARD_CASES)
@given(cases(), BOUNDS)
def test_reduce_paper_keeps_the_function(case, bound):
    network, domain, X = case
    assert_same_function(network, rn.reduce_paper(network, domain), X)


@given(networks_with_domains())
def test_reduce_paper_is_feasible_with_at_most_twice_the_neurons(pair):
    network, domain = pair
    red = rn.reduce_paper(network, domain)
    assert_feasible(red)
    assert red.bound == "ball" and (red.output_bias is None) == (network.output_bias is None)
    for n, n_given in zip(red.sizes[1:-1], network.sizes[1:-1]):
        assert n_given <= n <= 2 * n_given


@example((rn.Network([[[3.0, 4.0]]], [[np.nextafter(8.5, 0.0)]], [[1.0]]), rn.Ball([0, 0], 1.7)))
@example((one_neuron([1.0, 0.0], np.nextafter(1.7, 0.0)), rn.Ball([0, 0], 1.7)))  # one unit from the end
@given(networks_with_domains(max_depth=3))
def test_reducing_what_reduce_paper_gives_changes_nothing(pair):
    network, domain = pair
    red = rn.reduce_paper(network, domain)
    assert_same_network(rn.reduce(red, domain, "ball"), red, "reduce_paper, and reduced again")
    assert_same_network(rn.reduce_paper(red, domain), red, "reduce_paper twice")


@given(networks_with_domains(activation="binary"))
def test_reduce_paper_of_a_binary_network_is_the_reduction(pair):
    network, domain = pair
    assert_same_network(rn.reduce_paper(network, domain), rn.reduce(network, domain, "ball"), "binary")


@given(st.integers(-3, 3), st.integers(1, 64), st.integers(-3, 3), st.sampled_from([-1.0, 1.0]), seeds())
def test_two_neurons_for_one_is_an_exact_identity(k, n_sixteenths, k_X, sign, seed):
    # w.x + b = A s(w.x + X) + B s(-w.x + X); with powers of two the library's A and B are exact
    norm, X = 2.0**k, 2.0**k_X
    b = norm * X * (1.0 + n_sixteenths / 16.0)
    W, t, C = replace_always_on(Affine(np.array([[sign * norm]]), np.array([b])), np.array([[3.0], [-0.5]]), X)
    assert len(W) == 2 and (np.abs(t) <= X).all()
    red = rn.Network([W], [t], C)
    for x in np.random.default_rng(seed).integers(-256, 257, 20) * (X / 256.0):
        value = Fraction(sign * norm) * Fraction(x) + Fraction(b)
        assert exact_forward(red, [x]) == [3 * value, -value / 2]


def test_papers_zero_row_is_an_exact_constant():
    red = rn.reduce_paper(rn.Network([[[0.0, 0.0]]], [[3.0]], [[1.0]]), rn.Ball([0, 0], 2))
    assert red.sizes == (2, 2, 1)
    for x in ([0.0, 0.0], [1.0, 0.5], [-2.0, 0.0]):
        assert exact_forward(red, x) == [3]


# The mapping in rational numbers: no rounding, so no tolerance

def fraction(rng, largest=9):
    return Fraction(int(rng.integers(-largest, largest + 1)), int(rng.integers(1, 8)))


def fractions(rng, *shape):
    values = [fraction(rng) for _ in range(int(np.prod(shape)))]
    return np.array(values, dtype=object).reshape(shape)


def rational_unit(rng, nonzero, n):
    """Return a random rational unit vector, 0 outside `nonzero` (stereographic projection)."""
    t = [fraction(rng) for _ in nonzero[1:]]
    square = sum((value * value for value in t), Fraction(0))
    unit = np.array([Fraction(0)] * n, dtype=object)
    unit[nonzero[0]] = (square - 1) / (square + 1)
    for place, value in zip(nonzero[1:], t):
        unit[place] = 2 * value / (square + 1)
    return unit


def rational_maps(rng, d, widths, n_outputs, output_bias):
    """Return affine maps of fractions whose rows have rational norms once the norms below are pushed up."""
    maps, below = [], np.array([Fraction(1)] * d, dtype=object)
    for n in widths:
        W, norms = fractions(rng, n, len(below)), []
        nonzero = np.flatnonzero(below != 0)
        for j in range(n):
            norms.append(abs(fraction(rng)) if len(nonzero) and rng.random() < 0.8 else Fraction(0))
            unit = rational_unit(rng, nonzero, len(below)) if len(nonzero) else below
            for i in nonzero:  # where the neuron below has norm 0 the entry is free
                W[j, i] = norms[j] * unit[i] / below[i]
        maps.append(Affine(W, fractions(rng, n)))
        below = np.array(norms, dtype=object)
    bias = fractions(rng, n_outputs) if output_bias else None
    return [*maps, Affine(fractions(rng, n_outputs, widths[-1]), bias)]


def rational_norms(W):
    """Return the norms of rows whose norms are rational."""
    norms = []
    for square in (W * W).sum(axis=1):
        norm = Fraction(isqrt(square.numerator), isqrt(square.denominator))
        assert norm * norm == square
        norms.append(norm)
    return np.array(norms, dtype=object)


def rational_range(W, low, high):
    """Return the least and the largest value of W h over the box, row by row."""
    products = np.stack([W * low, W * high])
    return products.min(axis=0).sum(axis=1), products.max(axis=0).sum(axis=1)


def reduce_rationally(maps, low, high):
    """Return reduced maps and the left-over constants: the library's steps, with exact norms and ends."""
    layer, *rest = maps
    result = []
    for above in rest:
        norms = rational_norms(layer.W)
        units = layer.W / np.where(norms == 0, 1, norms)[:, np.newaxis]
        units[norms == 0, 0] = Fraction(1)
        least, largest = rational_range(units, low, high)
        t, constants = clip_thresholds(layer.b, norms, -largest, -least)
        assert (-largest <= t).all() and (t <= -least).all()
        above, leftover = absorb(above, norms, constants)
        result.append(Affine(units, t))
        low, high = np.maximum(least + t, 0), np.maximum(largest + t, 0)
        layer = above
    return [*result, layer], leftover


def rational_forward(maps, x):
    *hidden, (C, a) = maps
    for W, b in hidden:
        x = np.maximum(W @ x + b, 0)
    return C @ x + (0 if a is None else a)


@given(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 2),
       st.booleans(), seeds())
def test_mapping_is_an_exact_identity_in_rationals(d, widths, n_outputs, output_bias, seed):
    rng = np.random.default_rng(seed)
    maps = rational_maps(rng, d, widths, n_outputs, output_bias)
    low, sides = fractions(rng, d), np.abs(fractions(rng, d))
    reduced, leftover = reduce_rationally(maps, low, low + sides)
    for k in range(12):
        t = np.array([Fraction(int(v), 7) for v in rng.integers(0, 8, d)], dtype=object)
        x = low + (rng.integers(0, 2, d) if k < 4 else t) * sides
        assert (rational_forward(maps, x) == rational_forward(reduced, x) + leftover).all()
        assert output_bias <= (leftover == 0).all()


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2), seeds())
def test_pair_adds_exactly_the_left_over_constants(d, n_on, n_spare, n_outputs, seed):
    # sides are powers of two and all numbers sixteenths, so that the computed pair is exact
    rng = np.random.default_rng(seed)
    low = rng.integers(-32, 33, d) / 16.0
    box = rn.Box(low, low + 2.0 ** rng.integers(-2, 3, d))
    space = LayerSpace(box, rn.activations.ACTIVATIONS["relu"], "support")
    W = np.zeros((n_on + n_spare, d))
    W[np.arange(len(W)), rng.integers(0, d, len(W))] = rng.choice([-1.0, 1.0], len(W))
    spare = np.arange(len(W)) >= n_on
    b = np.where(spare, *space.intervals(W).T)
    C = np.where(spare, 0.0, rng.integers(-32, 33, (n_outputs, len(W))) / 16.0)
    constants = rng.integers(1, 64, n_outputs) / 16.0
    layer = ReducedLayer(W, b, Affine(C, None), constants, spare)
    result = represent_constants(layer, space)
    assert not result.constants.any() and len(result.W) == len(W) + (n_spare == 0)
    before, after = rn.Network([W], [b], C), rn.Network([result.W], [result.b], result.above.W)
    for x in box.low + rng.integers(0, 17, (10, d)) / 16.0 * (box.high - box.low):
        left, right = exact_forward(before, x), exact_forward(after, x)
        assert [value + Fraction(c) for value, c in zip(left, constants)] == right


# Binary networks: ties

def cube(n):
    """Return the vertices of the unit cube, (2^n, n)."""
    return np.array(list(np.ndindex(*[2] * n)), dtype=float)


@given(st.integers(1, 5), st.lists(st.integers(1, 5), min_size=1, max_size=3), seeds(), BOUNDS)
def test_integer_binary_networks_are_equal_at_every_vertex_ties_included(n, widths, seed, bound):
    rng = np.random.default_rng(seed)
    sizes = [n, *widths, 2]
    weights = [rng.integers(-4, 5, (m, k)) for k, m in zip(sizes, sizes[1:])]
    thresholds = [rng.integers(-4, 5, m) for m in widths]
    net = rn.Network(weights[:-1], thresholds, weights[-1], activation="binary")
    red, X = rn.reduce(net, rn.Box([0] * n, [1] * n), bound), cube(n)
    for left, right in zip(hidden_outputs(net, X), hidden_outputs(red, X)):
        assert_equal_bits(right, left, "hidden layer")
    assert_equal_bits(red(X), net(X), "outputs")


@pytest.mark.parametrize("row", [(1, 1, 1, -3), (1, 1, -2), (1, 2, -3), (2, 3, -5), (1, 1, 1, 1, 1, 1, -6)])
@pytest.mark.parametrize("bound", ["support", "ball"])
def test_known_ties_stay_zero(row, bound):
    net = one_neuron(row, 0.0, activation="binary")
    red = rn.reduce(net, rn.Box([0] * len(row), [1] * len(row)), bound)
    assert_equal_bits(red(cube(len(row))), net(cube(len(row))), "outputs")


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_no_point_on_a_hyperplane_flips_to_one(bound):
    # 50 networks of 25 neurons, each neuron with a point where z = 0 exactly: 1250 ties
    rng, plain = np.random.default_rng(0), 0
    for _ in range(50):
        W, X = rng.integers(-99, 100, (25, 3)), rng.integers(0, 65, (25, 3)) / 64.0
        W[~W.any(axis=1), 0] = 1
        b = -(W * X).sum(axis=1)
        net = rn.Network([W], [b], np.ones((1, 25)), activation="binary")
        assert (np.diag(net.pre_activations(X)[0]) == 0.0).all()
        red = rn.reduce(net, rn.Box([0] * 3, [1] * 3), bound)
        assert (np.diag(red.pre_activations(X)[0]) <= 0.0).all()
        norms = rn.sphere.row_norms(W.astype(float))
        plain += (((W / norms[:, np.newaxis]) * X).sum(axis=1) + b / norms > 0.0).sum()
    assert plain > 0  # without the margin some of them would


@given(cases(activation="binary", max_depth=1, numbers=("integer", "dyadic"), scaled=False), BOUNDS)
def test_binary_neurons_never_turn_from_zero_to_one(case, bound):
    network, domain, X = case
    X = X[np.abs(X).max(axis=1) < 2.0**20]
    if not len(X):
        return
    red = rn.reduce(network, domain, bound)
    for x, on in zip(X, hidden_outputs(red, X)[0]):
        (z,), _, _ = exact_layers(network, x)
        assert all(value > 0 for value, one in zip(z, on) if one)


@given(networks_with_domains(activation="binary", kinds=("dead", "on"), max_depth=1), BOUNDS)
def test_constant_binary_neurons_sit_at_the_ends(pair, bound):
    network, domain = pair
    red = rn.reduce(network, domain, bound)
    at_end = (red.thresholds[0][:, np.newaxis] == red.intervals[0]).any(axis=1)
    on = rn.reduce(network, domain, "support").thresholds[0] > 0.0
    assert at_end.all() or (bound == "ball" and len(on))


# Refusals

BOX = rn.Box([0, 0], [1, 1])
NET = rn.Network([np.eye(2)], [np.zeros(2)], np.ones((1, 2)))


@pytest.mark.parametrize("call, error, match", [
    (lambda: rn.reduce("net", BOX), TypeError, r"`network` must be a Network or ReducedNetwork, got str"),
    (lambda: rn.reduce(NET, [0, 1]), TypeError, r"`domain` must be a Box, Ball or Hull, got list"),
    (lambda: rn.reduce(NET, rn.Box(0, 1)), ValueError, r"`domain` must be of dimension 2, .* got dimension 1"),
    (lambda: rn.reduce(NET, BOX, "norm"), ValueError, r"`bound` must be one of .*'ball', 'support'.*got 'norm'"),
    (lambda: rn.reduce(NET, BOX, 3), TypeError, r"`bound` must be one of .* got int 3"),
    (lambda: rn.reduce(NET, BOX, spare="drop"), ValueError, r"`spare` must be one of .* got 'drop'"),
    (lambda: rn.reduce(NET, BOX, rng=1.5), TypeError, r"`rng` must be None, an int, .* got float 1.5"),
    (lambda: rn.reduce(NET, BOX, rng=-1), ValueError, r"`rng` must be a seed of at least 0, got -1"),
    (lambda: rn.reduce_paper(NET, rn.Box(0, 1)), ValueError, r"`domain` must be of dimension 2"),
    (lambda: rn.reduce_paper(None, BOX), TypeError, r"`network` must be a Network .*, got NoneType"),
    (lambda: rn.reduce(one_neuron([1.7e308, 1.7e308], 0.0), BOX), ValueError,
     r"a row norm of `weights` leaves the range of float64"),
    (lambda: rn.reduce(one_neuron([1e200, 0.0], 0.0, 1e200), BOX), ValueError,
     r"layer 1: an outgoing weight times the norm of its neuron leaves the range of float64"),
    (lambda: rn.reduce_paper(one_neuron([1e200, 0.0], 0.0, 1e200), BOX), ValueError,
     r"layer 1: an outgoing weight of the pair that replaces an always-on neuron leaves the range of float64"),
    (lambda: rn.reduce(one_neuron(1.0, 1.0), rn.Box(0, 5e-324)), ValueError,
     r"the outgoing weight of the pair of neurons that carries a constant leaves the range of float64"),
])
def test_bad_arguments_are_refused(call, error, match):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=match):
            call()


@pytest.mark.parametrize("arguments", [(), ("support",), ("ball",), ("support", "redraw")])
def test_arguments_are_left_as_they_are(arguments):
    net = rn.Network.random((2, 6, 5, 2), rng=0)
    before = net.to_vector()
    rn.reduce(net, BOX, *arguments)
    assert_equal_bits(net.to_vector(), before, "parameters")


@pytest.mark.parametrize("activation", ["relu", "binary"])
@pytest.mark.parametrize("bound", ["ball", "support"])
def test_bounds_that_are_handed_on_give_the_same_space(activation, bound):
    red = rn.ReducedNetwork.random(
        (3, 5, 4, 1), rn.Box([0, 0, -1], [1, 2, 1]), rng=0, bound=bound, activation=activation)
    for space, W, b in zip(red.layer_spaces, red.weights, red.thresholds):
        bounds = space.row_bounds(W)
        assert_equal_bits(space.intervals(W, bounds), space.intervals(W), "intervals")
        one, other = space.next_layer(W, b, bounds), space.next_layer(W, b)
        assert one.domain == other.domain
        assert_equal_bits(np.stack(one.input_range), np.stack(other.input_range), "ranges")
