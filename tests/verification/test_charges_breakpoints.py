"""Breakpoints in floats: bounds and gaps hold where values round, and where products underflow."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_difference
from reducednet.verification.breakpoints import joint_neurons, shallow_bounds
from oracles.worst_rounding import unlucky


def supremum(f, g, low, high):
    """Return the exact supremum of |f - g| over an interval."""
    breakpoints = [
        -Q(t) / Q(s) for net in (f, g) for s, t in zip(net.weights[0][:, 0], net.thresholds[0]) if s
    ]
    return max(exact_difference(f, g, [x]) for x in [Q(low), Q(high), *breakpoints] if low <= x <= high)


def test_bounds_and_gaps_hold_what_float64_loses():
    rng = np.random.default_rng(1)
    for _ in range(60):
        w, b, v = unlucky(rng, (3, 3), 0)
        f = rn.Network([w[:, None]], [b], [v])
        g = rn.Network([f.weights[0] * (1.0 + 2.0**-52)], [b], [v])
        gap, bound, _ = shallow_bounds(joint_neurons(f, g), -1.0, 1.0)
        assert Q(gap) <= supremum(f, g, -1.0, 1.0) <= Q(bound)


def test_products_that_underflow_are_charged():
    tiny, far = 2.0**-538 * 1.2, 2.0**1000
    f, g = (rn.Network([[[tiny]]], [[0.0]], [[c]]) for c in (tiny, 0.0))
    assert supremum(f, g, 0.0, far) <= Q(shallow_bounds(joint_neurons(f, g), 0.0, far)[1])
