"""The bounds of each layer, and of the outputs, hold at exact points, for any match."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_forms import assert_bounds, assert_holds, exact_network, points_of_region
from reducednet.verification.difference_bounds.affine_forms import boxes, region_of
from reducednet.verification.difference_bounds.difference import difference
from reducednet.verification.difference_bounds.neuron_classes import Match
from reducednet.verification.difference_bounds.neuron_matching import (
    nearest_hyperplanes, no_match, same_hyperplanes, same_indices,
)
from oracles.strategies import KINDS, domains, networks, seeds


def random_match(rng, counts, opposite=True):
    """Return a match without any reason: random classes and scales, with 0 and negative ones."""
    labels = [rng.integers(-1, 4, n) for n in counts]
    names, ranks = np.unique(np.concatenate(labels), return_inverse=True)
    ranks = ranks - int(names[0] == -1)
    sign = -1.0 if opposite else 1.0
    scales = rng.choice([1.0, 0.0, 2.0**-70, 0.3, 3.0, sign, 0.5 * sign], len(ranks))
    split = np.cumsum(counts)[:-1]
    return Match(tuple(np.split(ranks, split)), tuple(np.split(scales, split)))


def random_matcher(seed, opposite=True):
    rng = np.random.default_rng(seed)
    return lambda number, rows, classes: random_match(rng, [len(own.F) for own in rows], opposite)


def assert_difference(networks, region, matcher, linear, rng):
    """Assert every claim of `difference` about ReLU networks at exact points of the region."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = difference(networks, region, matcher, linear)
        low, high = region.bounds(found.forms)
    exact = [exact_network(network) for network in networks]
    for number, points in enumerate(points_of_region(region, rng, 2)):
        for x in points:
            layers = [network.layers(x) for network in exact]
            for level, (match, known) in enumerate(zip(found.matches, found.layers)):
                Z = [own[level].values() for own in layers]
                assert_layer(region, number, x, match, known, Z)
            outputs = [own[-1].values() for own in layers]
            values = outputs[0] if len(outputs) == 1 else [p - q for p, q in zip(*outputs)]
            assert_holds(found.forms, region, number, x, values, "f - g")
            assert_bounds(low[:, number], high[:, number], values, "the bound of f - g")
    return low, high


def assert_layer(region, number, x, match, known, Z):
    """Assert h = |s| H + rest, low <= z <= high and |z - s z_c| <= mismatch."""
    network, index = match.representatives()
    for own, z, labels, scales in zip(known, Z, match.labels, match.scales):
        assert_bounds(own.low[:, number], own.high[:, number], z, "z")
        z_c = [Z[network[c]][index[c]] if c >= 0 else Fraction(0) for c in labels]
        s = [Fraction(float(value)) for value in scales]
        h = [max(value, Fraction(0)) for value in z]
        rest = [value - abs(t) * max(p, Fraction(0)) for value, t, p in zip(h, s, z_c)]
        assert_holds(own.rest, region, number, x, rest, "h - |s| H")
        mismatch = [abs(v - t * p) if c >= 0 else Fraction(0) for v, t, p, c in zip(z, s, z_c, labels)]
        is_z_c = [bool(c >= 0 and z is Z[network[c]] and j == index[c]) for j, c in enumerate(labels)]
        for value, bound, same in zip(mismatch, own.mismatch[:, number].tolist(), is_z_c):
            assert same or not np.isfinite(bound) or value <= Fraction(bound), f"mismatch {float(value)}, {bound}"


def second(f, seed, kind):
    """Return a network of f's depth: f itself, f a little changed, or widths and numbers of its own."""
    rng = np.random.default_rng(seed)
    if kind == "same":
        return f
    weights, thresholds, C = list(f.weights), list(f.thresholds), f.output_weights
    if kind == "changed":
        weights = [W * (1.0 + 1e-6 * rng.standard_normal(W.shape)) for W in weights]
        return rn.Network(weights, [b + 1e-9 for b in thresholds], C)
    order = rng.permutation(f.sizes[-2])
    weights[-1], thresholds[-1], C = weights[-1][order], thresholds[-1][order], C[:, order]
    factors = 2.0 ** rng.integers(-20, 21, len(order))
    weights[-1], thresholds[-1] = weights[-1] * factors[:, np.newaxis], thresholds[-1] * factors
    return rn.Network(weights, thresholds, C / factors, f.output_bias)


@st.composite
def relu_pairs(draw):
    domain = draw(domains(draw(st.integers(1, 3))))
    f = draw(networks("relu", max_depth=3, max_width=4, domain=domain, kinds=KINDS))
    if draw(st.booleans()):
        return f, second(f, draw(seeds()), draw(st.sampled_from(["same", "changed", "permuted"]))), domain
    g = draw(networks("relu", f.depth, f.depth, 5, n_outputs=f.n_outputs, domain=domain))
    return f, g, domain


MATCHERS = ["none", "indices", "hyperplanes", "nearest", "random"]


@given(relu_pairs(), seeds(), st.booleans(), st.sampled_from(MATCHERS))
def test_every_claim_holds_at_exact_points(pair, seed, linear, kind):
    f, g, domain = pair
    region = region_of(domain)
    matcher = {
        "none": no_match, "indices": same_indices, "random": random_matcher(seed),
        "hyperplanes": same_hyperplanes(region, 2.0**-34, f.depth == 1),
        "nearest": nearest_hyperplanes(region, f.depth == 1),
    }[kind]
    assert_difference((f, g), region, matcher, linear, np.random.default_rng(seed))


@given(relu_pairs(), seeds())
def test_every_claim_holds_on_many_boxes(pair, seed):
    f, g, domain = pair
    rng = np.random.default_rng(seed)
    low, high = domain.bounding_box()
    ends = np.sort(low + (high - low) * rng.random((2, 3, len(low))), axis=0)
    region = boxes(ends[0].T, ends[1].T)
    matches = [random_match(rng, sizes) for sizes in zip(f.sizes[1:-1], g.sizes[1:-1])]
    assert_difference((f, g), region, lambda number, rows, classes: matches[number], True, rng)


@given(relu_pairs(), seeds(), st.booleans())
def test_bounds_of_one_network_hold(pair, seed, linear):
    f, _, domain = pair
    assert_difference((f,), region_of(domain), no_match, linear, np.random.default_rng(seed))


@given(seeds(), st.sampled_from([-1000, -500, -60, 60, 300]), st.sampled_from([-60, 0, 60]))
@example(0, -1000, 0)
@example(94228, -1000, -60)
def test_every_claim_holds_at_extreme_scales(seed, rows, columns):
    """Rows of 2^-1000 to 2^300, subnormal numbers among them, with columns that undo them, or not."""
    rng = np.random.default_rng(seed)

    def drawn(n, m, exponent):
        values = np.ldexp(rng.standard_normal((n, m)), rng.integers(exponent - 3, exponent + 4, (n, 1)))
        values[rng.random((n, m)) < 0.1] = 5e-324
        return values

    pair = []
    for _ in range(2):
        W, b = drawn(3, 2, rows), drawn(1, 3, rows)[0]
        C = drawn(2, 4, columns)
        pair.append(rn.Network([W, drawn(4, 3, -rows if abs(rows) < 600 else 500)], [b, drawn(1, 4, 0)[0]], C))
    low = np.ldexp(rng.standard_normal((2, 2)), rng.integers(-60, 20, (2, 2)))
    region = boxes(low, low + np.where(rng.random((2, 2)) < 0.3, 0.0, 2.0**-20))
    for matcher in (no_match, random_matcher(seed)):
        assert_difference(pair, region, matcher, True, rng)


def test_equal_networks_differ_by_rounding_only_however_large_their_values():
    f = rn.Network.random((3, 20, 20, 2), rng=0)
    region = region_of(rn.Box(2.0**20 * np.ones(3), 2.0**20 * np.ones(3) + 1.0))
    found = difference((f, f), region, same_indices)
    size = np.abs(f(2.0**20 * np.ones((1, 3)))).max()
    assert max(-found.forms.values.min(), region.bounds(found.forms)[1].max()) <= 1e-12 * size


@pytest.mark.parametrize("linear", [True, False])
def test_pair_of_opposite_always_on_neurons_cancels(linear):
    """s(u.h + t) + s(-u.h + t) = 2 t carries a constant: what is subtracted is not bounded neuron by neuron."""
    f = rn.Network([[[1.0], [2.0]], [[1.0, 0.5], [-1.0, -0.5]]], [[0.0, 1.0], [0.0, 2.0**20]], [[1.0, 1.0]])
    g = rn.Network(f.weights, [f.thresholds[0], np.array([2.0, 2.0**20 - 2.0])], f.output_weights)
    region = region_of(rn.Box(0.0, 1.0))
    low, high = region.bounds(difference((f, g), region, same_indices, linear).forms)
    assert max(-low.max(), high.max()) <= 1e-8


def test_representative_keeps_scale_1_whatever_the_match_says():
    f = rn.Network([[[1.0], [-1.0]]], [[0.0, 0.5]], [[1.0, 1.0]])
    wrong = Match((np.array([0, 1]), np.array([0, 1])), (np.array([2.0, 0.0]), np.array([3.0, -1.0])))
    region = region_of(rn.Box(0.0, 1.0))
    rng = np.random.default_rng(0)
    assert_difference((f, f), region, lambda number, rows, classes: wrong, True, rng)
    assert_difference((f, rn.Network(f.weights, f.thresholds, 5.0 * f.output_weights)), region,
                      lambda number, rows, classes: wrong, True, rng)
