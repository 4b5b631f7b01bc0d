"""Zonotopes of the difference: what they enclose, and how sharp they are."""
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from oracles.certificate_cases import permuted
from oracles.exact_suprema import exact_outputs, supremum
from reducednet.verification.difference_bounds.affine_forms import boxes, region_of
from reducednet.verification.difference_bounds.difference import difference, fixed_matches
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


@pytest.mark.parametrize("count", [60, pytest.param(1500, marks=pytest.mark.slow)])
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


@pytest.mark.parametrize("count", [15, pytest.param(300, marks=pytest.mark.slow)])
def test_bound_is_not_below_the_exact_supremum(count):
    rng = np.random.default_rng(6)
    for _ in range(count):
        f, g, box, matches = random_case(rng)
        found = difference_bounds_on_boxes(f, g, box.low[:, np.newaxis], box.high[:, np.newaxis], matches)
        bound = np.maximum(-found.low, found.high).max()
        assert supremum(f, g, box).value <= Fraction(float(bound))
