"""The checker of sorted breakpoints: what rounds, and what underflows, is charged."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_difference
from reducednet.verification.certificates import check_breakpoints
from oracles.worst_rounding import unlucky


def assert_holds(f, g, domain, points):
    found = check_breakpoints.check({"exact": np.array(0)}, f, g, domain)
    truth = max(exact_difference(f, g, [x]) for x in points)
    assert Q(float(found)) >= truth, f"{found} below {float(truth)}"
    if f.sizes[1] < 9:
        assert check_breakpoints.check({"exact": np.array(1)}, f, g, domain) >= truth


def test_values_at_breakpoints_hold_what_float64_loses():
    rng = np.random.default_rng(1)
    for _ in range(30):
        w, b, v, c = unlucky(rng, (4, 2))
        f = rn.Network([w[:, None]], [b], [v])
        g = rn.Network([f.weights[0] * (1.0 + 2.0**-52)], [b], [v])
        breakpoints = [-Q(t) / Q(s) for s, t in zip(w, b)]
        assert_holds(f, g, rn.Box(-1.0, 1.0), [x for x in (Q(-1), Q(1), *breakpoints) if -1 <= x <= 1])


def test_a_product_that_underflows_is_charged():
    """c |w| x is nearly half of the smallest number times 2^1000."""
    tiny, far = 2.0**-538 * 1.2, 2.0**1000
    f, g = (rn.Network([[[tiny]]], [[0.0]], [[c]]) for c in (tiny, 0.0))
    assert_holds(f, g, rn.Box(0.0, far), [Q(far)])


def test_a_ball_is_no_smaller_than_its_ends():
    """The ball about 0 of radius 1 + 2^-52 is cut by none of its neurons; its values are largest
    at its ends.
    """
    ball = rn.Ball([1.0], 0.99 * 2.0**-53)
    f, g = rn.Network([[[1.0], [-1.0]]], [[-1.0, 1.0]], [[1.0, 1.0]]), rn.Network(
        [[[0.0]]], [[0.0]], [[0.0]]
    )
    assert_holds(f, g, ball, [1 + Q(0.99 * 2.0**-53), 1 - Q(0.99 * 2.0**-53)])
