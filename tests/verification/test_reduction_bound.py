"""The bound of |N - R| holds in rationals, for reductions and for networks that are none."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import fail_at, gamma, path_sums
from reducednet.reduced_space.intervals import LayerSpace
from reducednet.verification.reduction_bound import real_difference
from oracles.reference import exact_forward
from oracles.strategies import (
    cases, hyperplane_points, ill_conditioned, ill_conditioned_of, networks_with_domains, points_of, seeds,
)

"""Rational arithmetic is slow."""

SNAPPED = rn.Network(  # `reduce` dropped the constant 0.22 here, and the bound was 1.7e-15
    [[[2.341907864313448e-10]], [[-4711797635472.981]], [[-96720634330.6842], [0.0]],
     [[-2.2444336311142904e+16, -1.3191355943112174e+16]], [[273288.6247191813]]],
    [[-2.3240588218326783e-09], [-14116.373379636998], [359746119467.7123, -6.306240359413656e+16],
     [-2.0712759054643816e+16], [164766.59068280092]], [[1.3409045032234944e-06]],
), rn.Box(2, 3)

WAYS = {
    "support": lambda net, domain: rn.reduce(net, domain),
    "ball": lambda net, domain: rn.reduce(net, domain, "ball"),
    "support, redrawn": lambda net, domain: rn.reduce(net, domain, spare="redraw", rng=0),
    "ball, redrawn": lambda net, domain: rn.reduce(net, domain, "ball", "redraw", rng=0),
    "paper": rn.reduce_paper,
}
ways = pytest.mark.parametrize("way", WAYS)


def points(network, domain):
    """Return the hardest points of the domain, few of them."""
    return np.vstack([points_of(domain, 0, 2)[:6], hyperplane_points(network, domain)[:6]])


def assert_within(network, reduced, X, bound):
    """Assert |N - R| <= bound at X, all in rationals."""
    for x in X:
        pairs = zip(exact_forward(network, x), exact_forward(reduced, x), bound)
        for k, (left, right, allowed) in enumerate(pairs):
            if abs(left - right) > Fraction(float(allowed)):
                fail_at(f"{network!r} at {x}", (k,), float(left), float(right), float(allowed))


def assert_bounds_hold(network, reduced, X):
    """Assert both bounds: of the real functions, and of the computed ones."""
    assert_within(network, reduced, X, real_difference(network, reduced))
    bound = rn.reduction_bound(network, reduced)
    for left, right in zip(network(X), reduced(X)):
        for k, (p, q, allowed) in enumerate(zip(left, right, bound)):
            if abs(Fraction(float(p)) - Fraction(float(q))) > Fraction(float(allowed)):
                fail_at(repr(network), (k,), float(p), float(q), float(allowed))


@ways
@example(SNAPPED)
@example(ill_conditioned_of(92))  # differed by 6e-4 where the bound was 4e-15
@example(ill_conditioned_of(12664))  # loses 9.0e21, where the bound was 3.3e20 and is 9.5e21
@given(ill_conditioned())
def test_bounds_hold_for_ill_conditioned_deep_networks(way, pair):
    network, domain = pair
    assert_bounds_hold(network, WAYS[way](network, domain), points(network, domain))


@ways
@given(cases(activation="relu", max_depth=4, max_width=4))
def test_bounds_hold_for_planted_neurons(way, case):
    network, domain, X = case
    assert_bounds_hold(network, WAYS[way](network, domain), X[::3])


def changed(reduced, rng):
    """Return a network of the same sizes with some of the parameters moved."""
    theta = reduced.to_vector()
    size = 10.0 ** rng.uniform(-14, 0, len(theta)) * (rng.random(len(theta)) < 0.2)
    moved = reduced.with_vector(theta + size * rng.standard_normal(len(theta)))
    return rn.ReducedNetwork(moved.weights, moved.thresholds, moved.output_weights, moved.output_bias,
                             domain=reduced.domain, bound=reduced.bound)


@ways
@given(networks_with_domains(activation="relu", max_depth=3, max_width=4), seeds())
def test_real_difference_bounds_networks_that_are_no_reduction(way, pair, seed):
    # the difference is far above rounding here, so a bound that forgot a term would fail
    network, domain = pair
    other = changed(WAYS[way](network, domain), np.random.default_rng(seed))
    assert_within(network, other, points(network, domain), real_difference(network, other))


@pytest.mark.parametrize("distance", [1e-15, 1e-9, 1e-3, 1.0])
@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_moved_threshold_is_charged_once_with_what_magnifies_it(distance, scale):
    # N(x) = scale s(s(x + 3)) on [0, 1] against the threshold 3 + distance
    net, box = rn.Network([[[1.0]], [[1.0]]], [[3.0], [0.0]], [[scale]]), rn.Box(0, 1)
    moved = rn.ReducedNetwork([[[1.0]], [[1.0]]], [[3.0 + distance], [0.0]], [[scale]], domain=box)
    difference = scale * (moved.thresholds[0][0] - 3.0)
    bound = real_difference(net, moved)[0]
    # three layers with at most gamma(64) of their terms, those of N twice and those of R once
    assert difference <= bound <= difference + 3 * 3 * gamma(64) * (4.0 + distance) * scale


def pair_of(layers, reduced, C, C_reduced, bias=None):
    """Return (N, R) on [-1, 1] with the layers [(W, b), ...]."""
    def parts(maps):
        return [W for W, _ in maps], [b for _, b in maps]

    a = None if bias is None else [0.0]
    return rn.Network(*parts(layers), C, a), rn.ReducedNetwork(
        *parts(reduced), C_reduced, bias, domain=rn.Box(-1, 1), bound="ball")


@pytest.mark.parametrize("network, reduced, difference", [
    # taken as always on with the constant 3, but s(x + 3/4) is 0 from -1 to -3/4
    (*pair_of([([[1.0]], [3.75])], [([[1.0]], [0.75])], [[1.0]], [[1.0]], [3.0]), 0.25),
    # s(x + 3/4) + s(3/4 - x) is 3/2 where both are on, and 7/4 at both ends
    (*pair_of([([[1.0], [-1.0]], [0.75, 0.75])], [([[1.0], [-1.0]], [0.75, 0.75])],
              [[0.0, 0.0]], [[1.0, 1.0]]), 1.75),
    # Prop. 3: x + 3 = 2 s(x + 1) + s(-x + 1), in a hidden layer, with both thresholds lowered
    (*pair_of([([[1.0]], [3.0]), ([[1.0]], [0.0])],
              [([[1.0], [-1.0]], [0.75, 0.75]), ([[0.8, 0.6]], [0.0])], [[1.0]], [[2.5]]), 0.75),
    # the same for the constant 3, nearly, and one threshold raised: 3 - 3/2 (s(x + 1) + s(-x + 5)) = -6
    (*pair_of([([[2.0**-40]], [3.0]), ([[1.0]], [0.0])],
              [([[1.0], [-1.0]], [1.0, 5.0]), ([[1.0, 1.0]], [0.0])], [[1.0]], [[1.5]]), 6.0),
])
def test_bound_includes_the_error_of_nearly_always_on_neurons(network, reduced, difference):
    X = np.linspace(-1, 1, 17)[:, np.newaxis]
    assert_within(network, reduced, X, real_difference(network, reduced))
    assert real_difference(network, reduced)[0] >= difference - 2.0**-30
    assert np.abs(network(X) - reduced(X)).max() >= difference - 2.0**-30


def test_snapped_network_is_kept():
    network, domain = SNAPPED
    red = rn.reduce(network, domain)
    bound = real_difference(network, red)[0]
    (value,) = exact_forward(network, [2.5])
    # a pair of neurons carries it: a constant and two terms of its size, met over two layers
    assert float(value) > 0.22 and bound <= 6.0 * gamma(64) * float(value)


def test_reduction_that_drops_the_constant_of_the_snapped_network_is_charged_with_it():
    network, domain = SNAPPED
    red = rn.reduce(network, domain)
    dropped = rn.ReducedNetwork(
        red.weights, red.thresholds, 0.0 * red.output_weights, red.output_bias, domain=domain)
    (value,) = exact_forward(network, [2.5])
    assert_within(network, dropped, [[2.5]], real_difference(network, dropped))
    assert rn.reduction_bound(network, dropped)[0] >= float(value) > 0.22


@pytest.mark.parametrize("seed", [189, 145, 35, 284])
def test_redrawn_neurons_that_no_output_depends_on_cost_nothing(seed):
    # all neurons of these networks are dead or always on, and the redrawn ones are unstable
    network, domain = ill_conditioned_of(seed)
    red = rn.reduce(network, domain, spare="redraw", rng=0)
    total = path_sums(network, domain)[-1] + path_sums(red, domain)[-1]
    assert (real_difference(network, red) <= gamma(64) * total).all()


@ways
@given(cases(activation="relu", max_depth=3, max_width=4), st.floats(0.0, 1.0))
def test_provers_are_asked_until_the_bound_is_small_enough(way, case, enough):
    network, domain, _ = case
    reduced = WAYS[way](network, domain)
    best, found = real_difference(network, reduced), real_difference(network, reduced, enough)
    assert (found >= best).all()
    assert (found == best).all() or (found <= enough).all()


def test_thresholds_of_the_ill_conditioned_networks_are_put_at_ends(monkeypatch):
    # without the margin a threshold is set to an end only if it lies at or beyond it
    pairs = [ill_conditioned_of(seed) for seed in range(100)]
    put = [rn.reduce(*pair).thresholds for pair in pairs]
    monkeypatch.setattr(LayerSpace, "rounding_error", lambda space, units: np.zeros(len(units)))
    left = [rn.reduce(*pair).thresholds for pair in pairs]
    differ = [any(len(b) != len(c) or (b != c).any() for b, c in zip(*two)) for two in zip(put, left)]
    assert np.mean(differ) >= 0.25


def test_bounds_beyond_float64_are_infinite():
    net = rn.Network([[[1e200]], [[1e150]]], [[0.0], [0.0]], [[1.0]])
    red = rn.ReducedNetwork([[[1.0]], [[1.0]]], [[0.0], [0.0]], [[1.0]], domain=rn.Box(0, 1))
    assert real_difference(net, red).tolist() == [np.inf]


def test_reduced_network_beyond_float64_has_an_infinite_bound():
    net = rn.Network([[[1.0]], [[1.0]]], [[0.0], [0.0]], [[1.0]])
    red = rn.ReducedNetwork([[[1.0]], [[1.0]]], [[1.7e308], [0.0]], [[1.0]], domain=rn.Box(0, 1e308))
    assert real_difference(net, red).tolist() == [np.inf]  # and no refusal of a box that it does not have


def test_coefficients_of_many_products_that_underflow_are_charged():
    # R - N = sum_j 0.4 V_j0 h_0 with V_j0 = 2^-1074 and h_0 = 1e300: each of the 64 products is 0 in float64
    V, c = np.tile([[2.0**-1074, 1.0]], (64, 1)), np.full(64, 1e-22)
    W, b, C = [[[1.0], [-1.0]], V], [[0.0, -1e300], c], np.full((1, 64), 0.4)
    net, domain = rn.Network(W, b, 0.0 * C), rn.Box(0, 1e300)
    red = rn.ReducedNetwork(W, b, C, -C @ c, domain=domain)
    assert_within(net, red, np.array([[0.0], [1e300]]), real_difference(net, red))


RELU, BINARY = (
    rn.Network([[[1.0]], [[1.0]]], [[0.5], [-0.5]], [[1.0]], activation=activation)
    for activation in ("relu", "binary"))


@pytest.mark.parametrize("net", [RELU, BINARY], ids=lambda net: net.activation)
@pytest.mark.parametrize("weights, outgoing, got", [
    ([[[1.0]]], [[1.0]], r"of sizes \(1, 1, 1, 1\), .*, got \(1, 1, 1\)"),
    ([[[1.0]], [[1.0]]], [[1.0], [2.0]], r"of sizes \(1, 1, 1, 1\), .*, got \(1, 1, 1, 2\)"),
])
def test_reductions_of_other_networks_are_refused(net, weights, outgoing, got):
    other = rn.Network(weights, [[-0.5], [-0.25]][:len(weights)], outgoing, activation=net.activation)
    red = rn.reduce(other, rn.Box(0, 1))
    with pytest.raises(ValueError, match="`reduced` must be " + got):
        rn.reduction_bound(net, red)


@pytest.mark.parametrize("net, other", [(RELU, BINARY), (BINARY, RELU)])
def test_reductions_with_another_activation_are_refused(net, other):
    expected = f"`reduced` must be a {net.activation} network, as `network`, got {other.activation}"
    with pytest.raises(ValueError, match=expected):
        rn.reduction_bound(net, rn.reduce(other, rn.Box(0, 1)))


def test_reductions_with_other_inputs_are_refused():
    wider = rn.Network([[[1.0, 1.0]], [[1.0]]], [[0.5], [-0.5]], [[1.0]])
    with pytest.raises(ValueError, match="must be of dimension 1, .*, got dimension 2"):
        rn.reduction_bound(RELU, rn.reduce(wider, rn.Box([0, 0], [1, 1])))
