"""Zonotopes of the difference: what they enclose, and how sharp they are."""
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from oracles.certificate_cases import permuted
from oracles.exact_suprema import exact_outputs, supremum
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference
from reducednet.verification.difference_bounds.neuron_classes import Match
from reducednet.verification.difference_bounds.neuron_matching import same_indices
from reducednet.verification.difference_bounds.zonotopes import (
    Bounds, Members, Zonotope, classes_over_g, difference_bounds_on_boxes, relaxed_relu,
    relaxed_rests,
)
from reducednet.verification.verify import _deepen
from verification.test_difference import random_match


def random_case(rng, d=2):
    """Return two networks of one depth, classes at random or by indices, and a box."""
    depth = int(rng.integers(1, 4))
    f = rn.Network.random((d, *rng.integers(1, 5, depth), int(rng.integers(1, 3))), rng)
    g = f.with_vector(f.to_vector() + 10.0 ** -rng.integers(0, 9) * rng.standard_normal(f.n_parameters))
    what = rng.integers(5)
    if what == 0:
        g = rn.Network.random((d, *rng.integers(1, 5, rng.integers(1, 4)), f.n_outputs), rng)
    elif what == 1:
        g = permuted(g, rng)
    elif what == 2:
        f = with_dead_and_zero_rows(f, rng)
    elif what == 3:
        f, g = (scaled_rows(network, rng) for network in (f, g))
    depth = max(f.depth, g.depth)
    f, g = _deepen(f, depth), _deepen(g, depth)
    low = rng.standard_normal(d)
    box = rn.Box(low, low + 2.0 ** rng.integers(-3, 3, d))
    return f, g, box, matches_for(f, g, box, rng)


def matches_for(f, g, box, rng):
    if rng.random() < 0.5:
        return difference((f, g), region_of(box), same_indices).matches
    return [random_match(rng, [f.sizes[1 + i], g.sizes[1 + i]]) for i in range(f.depth)]


def with_dead_and_zero_rows(network, rng):
    """Return the network with rows of zeros, and thresholds that leave neurons dead or always on."""
    weights = [W * (rng.random((len(W), 1)) < 0.7) for W in network.weights]
    thresholds = [b + rng.choice([0.0, 100.0, -100.0], len(b)) for b in network.thresholds]
    return rn.Network(weights, thresholds, network.output_weights, network.output_bias)


def scaled_rows(network, rng):
    """Return nearly the same function, its rows multiplied by powers of two up to 2^60."""
    weights, thresholds, below = [], [], np.zeros(network.n_inputs, dtype=int)
    for W, b in zip(network.weights, network.thresholds):
        p = rng.integers(-60, 61, len(b))
        weights.append(np.ldexp(W, p[:, np.newaxis] - below))
        thresholds.append(np.ldexp(b, p))
        below = p
    C = np.ldexp(network.output_weights, -below)
    return rn.Network(weights, thresholds, C, network.output_bias)


def outputs_at(f, g, x):
    """Return f - g at a point, exactly."""
    return [one - other for one, other in zip(exact_outputs(f, x), exact_outputs(g, x))]


@pytest.mark.parametrize("count", [15, pytest.param(400, marks=pytest.mark.slow)])
def test_bounds_hold_the_exact_difference_in_each_box(count):
    rng = np.random.default_rng(5)
    for _ in range(count):
        f, g, box, matches = random_case(rng, int(rng.integers(1, 4)))
        shares = rng.random((2, f.n_inputs, 3))
        shares[:, :, 2] = rng.choice([0.0, 1.0], (2, f.n_inputs))  # corners, and flat boxes
        corners = box.low[:, np.newaxis] + (box.high - box.low)[:, np.newaxis] * shares
        low, high = corners.min(axis=0), corners.max(axis=0)
        found = difference_bounds_on_boxes(f, g, low, high, matches)
        assert (found.low <= found.high).all()
        for box_number in range(3):
            for t in (np.zeros(f.n_inputs), np.ones(f.n_inputs), rng.random(f.n_inputs)):
                x = np.clip(low.T[box_number] * (1 - t) + high.T[box_number] * t,
                            low.T[box_number], high.T[box_number])
                for k, value in enumerate(outputs_at(f, g, x)):
                    ends = found.low[k, box_number], found.high[k, box_number]
                    assert Fraction(ends[0]) <= value <= Fraction(ends[1])


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_bound_is_not_below_the_exact_supremum(count):
    rng = np.random.default_rng(6)
    for _ in range(count):
        f, g, box, matches = random_case(rng)
        found = difference_bounds_on_boxes(f, g, box.low[:, np.newaxis], box.high[:, np.newaxis], matches)
        bound = np.maximum(-found.low, found.high).max()
        assert supremum(f, g, box).value <= Fraction(float(bound))


def unknown(c, low, high):
    """Return quantities v with the centres c and one symbol for all that reaches to both ends."""
    reach = np.maximum(high - c, c - low)
    return Zonotope(c, np.zeros_like(c), reach[:, np.newaxis], np.arange(1), reach, Bounds(low, high))


def holds(zonotope, half, t, value):
    """Return True where the zonotope at t, with its errors, holds the values; no rounding matters."""
    found = zonotope.c + np.einsum("npb,p->nb", zonotope.G, t)
    return (np.abs(found - value) <= half + zonotope.e + 1e-12).all()


@pytest.mark.parametrize("low, high", [(1.0, 3.0), (-3.0, -1.0), (-1.0, 3.0), (-3.0, 1.0), (0.0, 0.0)])
def test_a_relaxed_relu_holds_the_relu(low, high):
    ends = np.array([[low]]), np.array([[high]])
    middle = (ends[0] + ends[1]) / 2
    h, half = relaxed_relu(unknown(middle, *ends), Bounds(*ends))
    assert (half == 0.0).all() == (low >= 0.0 or high <= 0.0)
    for t in np.linspace(-1.0, 1.0, 11):
        z = middle + t * (ends[1] - middle)
        assert holds(h, half, np.array([t]), np.maximum(z, 0.0))
        assert (h.bounds.low <= np.maximum(z, 0.0)).all() and (np.maximum(z, 0.0) <= h.bounds.high).all()


# each makes another one of the three rules the narrowest: 1, 1, 2, 2, 3
RULES = [
    ((1.0, 2.0), (0.5, 1.5), (-0.5, 1.0), 1.0), ((-0.1, 2.0), (-0.1, 2.0), (-1.0, 1.0), 1.0),
    ((-2.0, -1.0), (-2.0, -1.0), (-1.0, 1.0), 0.0), ((-2.0, 0.25), (-3.0, -1.0), (0.5, 2.0), 0.0),
    ((-2.0, 2.0), (-2.0, 2.0), (-0.5, 0.5), 0.5),
]


@pytest.mark.parametrize("a, b, delta, slope", RULES)
@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0**60, 2.0**-60])
def test_each_rule_holds_the_difference_of_two_relus(a, b, delta, slope, scale):
    a, b, delta = (np.array(ends) * scale for ends in (a, b, delta))
    bounds = Bounds(np.array([[a[0]], [b[0]]]), np.array([[a[1]], [b[1]]]))
    ends = np.full((1, 1), delta[0]), np.full((1, 1), delta[1])
    middle = (ends[0] + ends[1]) / 2
    members = Members(np.array([0]), np.array([1]), np.ones((1, 1)), 1)
    r, half = relaxed_rests(unknown(middle, *ends), Bounds(*ends), bounds, members)
    assert r.G[0, 0, 0] == slope * (ends[1] - middle).item()
    for t in np.linspace(-1.0, 1.0, 21):
        d = (middle + t * (ends[1] - middle)).item()
        for y in np.linspace(b[0], b[1], 21):
            if a[0] <= y + d <= a[1]:
                value = max(y + d, 0.0) - max(y, 0.0)
                found = r.c.item() + t * r.G.item()
                assert abs(found - value) <= half.item() * (1.0 + 1e-12) + 1e-12 * scale
                assert r.bounds.low.item() - 1e-12 * scale <= value <= r.bounds.high.item() + 1e-12 * scale


def test_classes_have_their_representatives_in_g_and_positive_scales():
    labels = np.array([0, 1, 2, 2, -1, 1]), np.array([2, 2, 1, 3, -1])
    scales = np.array([1.0, 2.0, -1.0, 0.5, 0.0, 0.0]), np.array([7.0, 3.0, 1.0, 4.0, 0.0])
    found = classes_over_g(Match(labels, scales))
    assert [own.tolist() for own in found.labels] == [[-1, 0, -1, 1, -1, -1], [1, 1, 0, 2, -1]]
    assert [own.tolist() for own in found.scales] == [[0, 2, 0, 0.5, 0, 0], [1, 3, 1, 1, 0]]


def deep_pair(sizes=(2, 8, 8, 8, 2), size=1e-2):
    f = rn.Network.random(sizes, np.random.default_rng(3))
    return f, f.with_vector(f.to_vector() + size * np.random.default_rng(4).standard_normal(f.n_parameters))


def test_zonotopes_are_sharper_than_forms_for_deep_networks():
    f, g = deep_pair((2, *[10] * 6, 2))
    low, high = np.full((2, 1), 0.0), np.full((2, 1), 0.25)
    region = region_of(rn.Box(low[:, 0], high[:, 0]))
    forms = difference((f, g), region, same_indices)
    found = difference_bounds_on_boxes(f, g, low, high, forms.matches)
    by_forms = np.abs(region.bounds(forms.forms)).max()
    assert np.maximum(-found.low, found.high).max() < 0.5 * by_forms


def test_batches_have_the_bounds_of_their_boxes():
    f, g = deep_pair()
    rng = np.random.default_rng(0)
    low = rng.uniform(-1, 0, (2, 7))
    high = low + rng.uniform(0, 1, (2, 7))
    matches = difference((f, g), region_of(rn.Box([-1, -1], [1, 1])), same_indices).matches
    together = difference_bounds_on_boxes(f, g, low, high, matches)
    for i in range(7):
        alone = difference_bounds_on_boxes(f, g, low[:, [i]], high[:, [i]], matches)
        for one, all_of_them in zip(alone, together):
            np.testing.assert_allclose(one[..., 0], all_of_them[..., i], rtol=1e-6, atol=1e-12)


def test_equal_networks_differ_by_rounding_alone():
    f, _ = deep_pair()
    low, high = -np.ones((2, 1)), np.ones((2, 1))
    matches = difference((f, f), region_of(rn.Box([-1, -1], [1, 1])), same_indices).matches
    found = difference_bounds_on_boxes(f, f, low, high, matches)
    assert np.abs([found.low, found.high]).max() < 1e-10


@pytest.mark.parametrize("seed", range(3))
def test_forced_branching_of_deep_pairs_holds_the_truth_and_is_certified(seed):
    rng = np.random.default_rng(seed)
    f = rn.Network.random((2, 4, 4, 1), rng)
    g = f.with_vector(f.to_vector() + 1e-2 * rng.standard_normal(f.n_parameters))
    if seed == 2:
        g = rn.Network.random((2, 3, 1), rng)
    for domain in (rn.Box([-1, -1], [1, 1]), rn.Hull([[0, 0], [1, 0], [0, 1]])):
        truth = float(supremum(f, g, domain).value)
        verdict = rn.verify(f, g, domain, 1.1 * truth, method="branching", time_limit=20.0)
        assert verdict.status == "equivalent" and truth <= verdict.bound
        assert verdict.certificate.kind == "zonotopes"
        assert verdict.certificate.check(f, g, domain)
