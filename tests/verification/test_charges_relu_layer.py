"""Differences of ReLUs: each rounding charge is used up by numbers that round the worst way."""

from fractions import Fraction as Q

import numpy as np

from reducednet.verification.difference_bounds import relu_layer
from reducednet.verification.difference_bounds.affine_forms import Forms
from oracles.worst_rounding import ODD, ODDER, U, exact, unlucky

ETA = 2.0**-1074


def forms(m, r):
    """Return forms with one slope 0, over one set."""
    m, r = (np.atleast_1d(np.array(part, dtype=float)) for part in (m, r))
    return Forms(np.stack([m, m, 0 * m], axis=1)[:, :, None], np.stack([r, r], axis=1)[:, :, None])


def columns(*parts):
    return [np.atleast_1d(np.array(part, dtype=float))[:, None] for part in parts]


def test_numbers_are_moved_by_more_than_two_roundings():
    x = np.array([1.0, -1.0, 1.75, 1e300, 0.0, ODD])
    for step in (-1.0, 1.0):
        for value, moved in zip(exact(x), exact(relu_layer.outward(x, step))):
            assert int(step) * (moved - value) >= max(2 * abs(value) * Q(U), Q(ETA))


def assert_differences_hold(d, q, z_c_bounds):
    """Assert it of max(z, 0) - q max(z_c, 0), with (middles, radii) of z - q z_c and of z_c."""
    rows, representatives = (np.zeros((len(q), 1)),) * 2
    middles, radii = (part[:, None] for part in z_c_bounds)
    bounds = middles - radii, middles + radii
    delta = forms(*d)
    own = relu_layer.evaluate, relu_layer.subtract_multiple
    relu_layer.evaluate, relu_layer.subtract_multiple = lambda *_: delta, lambda *_: None
    sharp = type("Sharp", (), {"bounds": lambda _, f: columns(d[0] - d[1], d[0] + d[1])})()
    try:
        known = relu_layer._bounds_in_class(
            rows, np.array(q), representatives, bounds, None, sharp
        )
    finally:
        relu_layer.evaluate, relu_layer.subtract_multiple = own
    for m, r, s, h, p, (a, *slopes), e, bottom, top, mismatch in zip(
        *map(exact, (*d, q, *z_c_bounds)),
        exact(known.rest.values[:, :2, 0]),
        exact(known.rest.radii[:, :, 0]),
        exact(known.low[:, 0]),
        exact(known.high[:, 0]),
        exact(known.mismatch[:, 0]),
    ):
        assert mismatch >= max(abs(m - r), abs(m + r))
        for z_c in [h - p, h + p] + [Q(0)] * (abs(h) < p):
            for off in [m - r, m + r] + [-s * z_c] * (abs(m + s * z_c) < r):
                value = max(s * z_c + off, Q(0)) - s * max(z_c, Q(0))
                assert bottom <= s * z_c + off <= top
                assert abs(value - a) <= e[0] and abs(value - slopes[0]) <= e[1]


def test_differences_of_relus_hold_whatever_is_rounded():
    rng, n = np.random.default_rng(5), 300
    d, z_c_bounds = ((unlucky(rng, n), 0.0 * np.abs(unlucky(rng, n))) for _ in range(2))
    assert_differences_hold(d, np.abs(unlucky(rng, n, 1)), z_c_bounds)
    d, z_c_bounds = (
        (np.round(9 * unlucky(rng, n)), np.round(np.abs(9 * unlucky(rng, n)))) for _ in range(2)
    )
    assert_differences_hold(d, np.ones(n), z_c_bounds)  # integers are exact
    d, z_c_bounds = (
        (ETA * rng.integers(-9, 10, n), ETA * rng.integers(0, 10, n)) for _ in range(2)
    )
    assert_differences_hold(d, np.ones(n), z_c_bounds)


def test_ends_of_differences_of_relus_hold_where_they_nearly_cancel():
    up = 1.0 + 3.0 * 2.0**-26  # ODD up rounds up by U
    rows = [
        (ODD, -ODDER, ODD * ODDER + 2.0**-30),
        (ODD, -up, ODD * up + 2.0**-30),
        (1.0, 0.6 * U, -1.0),
        (1.0, -0.4 * U, 1.0),
    ]
    q, h, d = np.array(rows).T
    assert_differences_hold((d, 0 * d), q, (h, 0 * h))


def test_opposite_neurons_add_their_own_row_with_its_error():
    """-z + remainder: 1 and U, and errors 1 and .99 U, are added up."""
    for (c, e), (b, s) in (
        ((1.0, 0.0), (U, 0.0)),
        ((0.0, 1.0), (0.0, 0.99 * U)),
        ((0.0, 0.0), (0.0, 1.0)),
    ):
        answers = [forms(c, e), forms(-b, s)]
        own = relu_layer.evaluate, relu_layer.subtract_multiple, relu_layer._difference_of_relus
        relu_layer.evaluate = lambda *_: answers.pop(0)
        relu_layer.subtract_multiple = lambda *_: None
        relu_layer._difference_of_relus = lambda *_: forms(c, e)
        same = {name: lambda self, _: self for name in ("with_signs", "take")}
        rows = type("Some", (), same)()
        sharp = type("Sharp", (), {"bounds": lambda _, f: columns(0.0, 0.0)})()
        try:
            known = relu_layer._bounds_in_class(
                rows, np.array([-1.0]), None, columns(0.0, 0.0), None, sharp
            )
        finally:
            relu_layer.evaluate, relu_layer.subtract_multiple, relu_layer._difference_of_relus = own
        off = abs(Q(c) + Q(b) - Q(known.rest.values[0, 1, 0])) + Q(e) + Q(s)
        assert off <= Q(known.rest.radii[0, 1, 0])
