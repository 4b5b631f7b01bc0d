"""Bounds in the Euclidean norm: each charge is used up by numbers that round the bad way."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.worst_rounding import ODD, ODDER, U, exact, in_order, staircase, unlucky

from reducednet.verification.certificates import check_norms as norms
from reducednet.verification.certificates.arithmetic import Interval, Layer

ETA, N = 2.0**-1074, 60


def test_spectral_norm_holds_where_each_addition_of_a_product_loses_half_a_unit():
    v = np.append(1.0, np.full(399, 2.0**-26.5 * (1.0 - 2.0**-40)))
    found = norms.spectral_norm(in_order(v[:, None]))
    assert Q(float(found)) ** 2 >= sum(Q(x) ** 2 for x in v)


def assert_difference_holds(F, G, W, k, b=0.0, c=0.0, low=0.0, high=0.0):
    """Assert |W k + R h + b - c - q| <= t at both ends of all h, for F, G and c that may be off by
    a rounding each.
    """
    n = len(F)
    interval = Interval(in_order(np.full(n, low)), in_order(np.full(n, high)))
    rows = [in_order([np.full(n, part)]) for part in (F, G, W)]
    R = norms.row_differences(Layer(rows[0], np.array([b])), Layer(rows[1], np.array([c])))
    h = norms.Activations(interval, np.inf)
    q, t = norms.difference(rows[2], in_order(np.full(n, k)), R, h)
    F, G, W, k = (exact(np.full(n, part)) for part in (F, G, W, k))
    for end in (Q(low), Q(high)):
        value = sum(W * k) + sum(f - g for f, g in zip(F, G)) * end + Q(b) - Q(c) - Q(float(q[0]))
        off = abs(value) + Q(U) * (
            sum(abs(f) + abs(g) for f, g in zip(F, G)) * abs(end) + abs(Q(c))
        )
        assert off <= Q(float(t[0]))


def test_differences_of_rows_hold_whatever_is_rounded():
    one, none = np.ones(N), np.zeros(N)
    assert_difference_holds(none, none, staircase(N), one)
    assert_difference_holds(staircase(N), none, none, none, low=1.0, high=1.0)
    assert_difference_holds(staircase(N), none, none, none, low=-1.0, high=1.0)
    assert_difference_holds(one[:1], one[:1], none[:1], none[:1], low=1.0, high=1.0)
    assert_difference_holds(none[:1], none[:1], none[:1], none[:1], b=1.0, c=-U)
    assert_difference_holds(none[:1], none[:1], none[:1], none[:1], b=1.0, c=1.0)
    # 1 + (1 + 2 U) is rounded to 2, after the product 1 + 2 U and before the sum with nearly 2 U
    nearly = np.array([2.0 * U * (1.0 - 2.0**-20)])
    assert_difference_holds(none[:1], none[:1], nearly, one[:1], b=1.0, c=-1.0 - 2.0 * U)
    below_half = np.append(1.0, np.full(N - 1, U * (1.0 - 2.0**-20)))
    assert_difference_holds(below_half, none, none, none, low=-1.0, high=1.0)
    tiny = np.full(20, 2.0**-538 * 1.2)
    assert_difference_holds(0 * tiny, 0 * tiny, tiny, tiny)


def test_differences_of_relus_hold_at_all_bounds():
    rng = np.random.default_rng(0)
    for q, t, *ends in zip(
        unlucky(rng, 300, 0), np.abs(unlucky(rng, 300, 0)), *unlucky(rng, (4, 300), 0)
    ):
        f, g = sorted(ends[:2]), sorted(ends[2:])
        k, nu = norms.through_relu(
            *(np.array([v]) for v in (q, t)),
            0.0,
            *(Interval(np.array([a]), np.array([b])) for a, b in (f, g))
        )
        for z in map(Q, [*f, 0.0]):
            for d in (Q(q) - Q(t), Q(q) + Q(t), z):
                if f[0] <= z <= f[1] and g[0] <= z - d <= g[1] and abs(d - Q(q)) <= Q(t):
                    assert abs(max(z, Q(0)) - max(z - d, Q(0)) - Q(k[0])) <= Q(nu)


def test_rows_that_cancel_are_off_by_what_their_products_lost():
    """1 - 1, where both are rounded, is off by U twice; 2^-1070 - 2^-1070 by half of ETA twice."""
    for value, off in ((1.0, 2.0 * U), (2.0**-1070, ETA)):
        layer = Layer(np.array([[value]]), np.zeros(1))
        R = norms.row_differences(layer, layer)
        assert R.rows == 0.0 and R.errors >= off
        wide = norms.Activations(Interval(np.array([-9e9]), np.array([9e9])), 1.0)
        _, t = norms.difference(np.zeros((1, 1)), np.zeros(1), R, wide)
        assert off <= t[0] <= 9.0 * off + 2.0**-500  # by the norm, which is far smaller


def test_a_carried_vector_stays_as_long_as_it_is():
    zero, wide = np.zeros(1), Interval(np.array([-1.0]), np.array([1.0]))
    assert norms.through_relu(zero, zero, 1.0, wide, wide).norm >= 1.0


def test_bounds_of_multiples_hold_what_a_product_loses():
    z = Interval(np.array([ODDER]), np.array([ODDER]))
    pairs = norms.Pairs(np.arange(1), np.array([ODD]))
    for s in (-1.0, 1.0):
        own = Interval(s * z.low, s * z.high)
        low, high = norms.scaled_bounds(own, pairs)
        assert Q(float(low[0])) < Q(s) * Q(ODD) * Q(ODDER) < Q(float(high[0]))


def test_norms_grow_by_the_spectral_norm_and_the_threshold():
    layer = Layer(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([3.0, 4.0]))
    assert 15.0 <= norms.through_relu_norm(layer, 5.0) <= 15.0 * 2.0**0.0625 + 1e-9


def test_the_outputs_add_what_is_left_of_the_last_layer():
    """|f - g| on [0, 1] is 1 for rows of 1 and 2, or for outgoing weights of 1 and 2."""
    pairs = {"labels0": np.zeros(2, dtype=int), "scales0": np.ones(2)}
    for v, c in ((2.0, 1.0), (1.0, 2.0), (3.0, -2.0)):
        f, g = rn.Network([[[1.0]]], [[0.0]], [[1.0]]), rn.Network([[[v]]], [[0.0]], [[c]])
        assert abs(v * c - 1.0) <= norms.check(pairs, f, g, rn.Box(0.0, 1.0))
