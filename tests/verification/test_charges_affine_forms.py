"""Affine forms: each rounding charge is used up by numbers that round the worst way."""

from fractions import Fraction as Q

import numpy as np

from reducednet.verification.difference_bounds import affine_forms
from reducednet.verification.difference_bounds.affine_forms import Forms, Region
from oracles.worst_rounding import ODD, ODDER, U, exact, in_order, staircase, unlucky

ETA = 2.0**-1074
N = 60
TOTAL = sum(map(Q, staircase(N)))


def form(c, e, *slopes):
    """Return one quantity in a form, over one set; its interval says next to nothing."""
    return Forms(np.array([[0.0, c, *slopes]])[:, :, None], np.array([[99.0, e]])[:, :, None])


def region(p, kind="box", points=None, count=1):
    return Region(
        np.zeros((p, count)),
        np.ones((p, count)),
        kind,
        np.empty((0, p)) if points is None else points,
    )


def test_magnitudes_are_no_less_than_sums_from_left_to_right():
    wide = Forms(np.zeros((1, 2 + N, 8)), np.zeros((1, 2, 8)))
    wide.values[0, 2:] = staircase(N)[:, None]
    assert Q(wide.magnitude[0, 1, 0]) >= TOTAL
    assert Q(form(1.0, 0.99 * U).magnitude[0, 1, 0]) >= 1 + Q(0.99 * U)


def test_ends_of_linear_forms_hold_over_boxes_balls_and_hulls():
    slopes = np.repeat(staircase(N)[None, :, None], 8, axis=2)
    assert Q(region(N, count=8).linear_bounds(slopes)[1][0, 0]) >= TOTAL
    hull = region(N, "hull", in_order(np.ones((1, N))))
    own, affine_forms.np.einsum = (
        affine_forms.np.einsum,
        lambda _, a, p: np.add.accumulate(a * p[0][None, :, None], axis=1)[:, -1:],
    )
    try:
        for sign in (-1.0, 1.0):
            low, high = hull.linear_bounds(sign * slopes[:, :, :1])
            assert Q(low[0, 0]) <= sign * TOTAL <= Q(high[0, 0])
        hull = region(20, "hull", np.full((1, 20), 0.5))
        low, high = hull.linear_bounds(np.full((1, 20, 1), ETA))
        assert Q(high[0, 0]) >= 10 * Q(ETA)
    finally:
        affine_forms.np.einsum = own
    ball = region(2, "ball")
    for a in np.abs(unlucky(np.random.default_rng(0), (200, 2, 1))):
        low, high = ball.linear_bounds(a[None])
        assert Q(high[0, 0]) ** 2 >= sum(Q(v) ** 2 for v in a[:, 0]) and low[0, 0] == -high[0, 0]
        low, high = ball.linear_bounds(a[None] * 2.0**-1070)
        assert Q(high[0, 0]) ** 2 >= sum(Q(v) ** 2 for v in (a * 2.0**-1070)[:, 0])


def test_bounds_hold_the_ends_of_intervals_and_forms():
    for c, e in ((1.0, 0.99 * U), (-1.0, 0.99 * U)):
        for own in (form(c, e), Forms(np.array([[[c]]]), np.array([[[e]]]))):
            low, high = region(0).bounds(own)
            assert Q(low[0, 0]) <= Q(c) - Q(e) and Q(high[0, 0]) >= Q(c) + Q(e)
    low, high = region(1).bounds(form(1.0, 0.99 * U, 0.99 * U))
    assert Q(high[0, 0]) >= 1 + 2 * Q(0.99 * U)


def test_boxes_hold_their_corners():
    rng = np.random.default_rng(0)
    low, high = np.sort(unlucky(rng, (2, 1, 300), 9), axis=0)
    low[0, :9], high[0, :9] = 1.0 + np.arange(9) * 2.0**-52, 1.0 + np.arange(1, 10) * 2.0**-52
    box = affine_forms.boxes(low, high)
    for a, b, m, r in zip(*(exact(part[0]) for part in (low, high, box.middle, box.radius))):
        assert m - r <= a and b <= m + r


def test_terms_go_through_no_more_roundings_than_are_counted():
    for n in (N, affine_forms.LONG_ROW + 5):
        W = in_order(staircase(n)[None])
        got = affine_forms.matrix_product(W, np.ones((n, 1, 1)))[0, 0, 0]
        off = sum(map(Q, staircase(n))) - Q(float(got))
        assert 0 <= off <= affine_forms.n_roundings(W) * Q(U) * (1 + n * Q(U))


def strip(own, slope, middle, half):
    """Return the exact ends of c + a.t +- e, times the slope, with middle +- half, less the form's
    own number.
    """
    numbers = (np.array([[v]]) for v in (slope, middle, half))
    values, radii = affine_forms.linear_relaxation(own, *numbers)
    c, e = (Q(part[0, 1, 0]) for part in own)
    off = [abs(Q(slope) * Q(a) - Q(b)) for a, b in zip(own.values[0, 2:, 0], values[0, 2:, 0])]
    off = sum(off) + abs(Q(slope) * c + Q(middle) - Q(values[0, 1, 0]))
    return off + Q(slope) * e + Q(half), Q(radii[0, 1, 0])


def test_linear_relaxations_hold_where_everything_rounds():
    cases = [
        (form(ODDER, 0.0), ODD / 2, 0.0, 0.0),
        (form(U, 0.0), 1.0, 1.0, 0.0),
        (form(0.0, 1.0), 1.0, 0.0, 0.99 * U),
        (form(0.0, 0.0, *np.full(20, ETA)), 0.5, 0.0, 0.0),
        (form(0.0, 0.0, ODDER), ODD / 2, 0.0, 0.0),
        (form(0.0, 1.0), 0.5, 0.0, 0.25),
        (form(0.0, 0.99 * U), 1.0, 0.0, 1.0),
    ]
    for case in cases:
        needed, found = strip(*case)
        assert needed <= found


def test_relu_of_a_form_of_the_smallest_numbers_holds():
    """z in [-1, 1] ETA: the half of the triangle's height rounds to 0."""
    own = Forms(np.array([[0.0, 0.0, ETA]])[:, :, None], np.array([[ETA, 0.0]])[:, :, None])
    exactly = region(1)
    result = affine_forms.relu(
        own,
        type("Sharp", (), {"bounds": lambda _, f: (np.full((1, 1), -ETA), np.full((1, 1), ETA))})(),
    )
    assert exactly.n_sets == 1
    a, e = Q(result.values[0, 2, 0]), Q(result.radii[0, 1, 0])
    for t, value in ((-1, 0), (0, 0), (1, Q(ETA))):
        assert abs(value - Q(result.values[0, 1, 0]) - a * t) <= e


def test_relu_loses_all_of_the_triangle():
    """z in [-1, 3]: 3/4 z + 3/8 is off by 3/8 at 0 and at both ends."""
    z = Forms(np.array([[1.0, 1.0, 2.0]])[:, :, None], np.array([[2.0, 0.0]])[:, :, None])
    result = affine_forms.relu(z, region(1))
    c, a, e = (
        Q(v) for v in (result.values[0, 1, 0], result.values[0, 2, 0], result.radii[0, 1, 0])
    )
    for t, value in ((Q(-1), 0), (Q(-1, 2), 0), (Q(1), 3)):
        assert abs(value - c - a * t) <= e
