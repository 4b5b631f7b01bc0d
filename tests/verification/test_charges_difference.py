"""Always-on neurons replaced by their rows: the excess, and the rounding of sums of rows."""

from fractions import Fraction as Q

import numpy as np

from reducednet.verification.difference_bounds.affine_forms import Forms
from reducednet.verification.difference_bounds.difference import _add, _combine_rows, _only_excess
from reducednet.verification.difference_bounds.neuron_classes import NeuronRows
from oracles.worst_rounding import U, exact, in_order, staircase

ETA = 2.0**-1074
N = 60


def forms(m, r):
    """Return forms without slopes, over one set."""
    return Forms(*(np.atleast_1d(np.array(part, dtype=float))[:, None, None] for part in (m, r)))


def test_an_always_on_neuron_is_above_its_row_by_what_its_lowest_value_is_below_0():
    for low in (-0.25, -ETA, -(1.0 + 2.0**-52)):
        found = _only_excess(forms(9.0, 9.0), np.array([True]), np.array([low]))
        assert Q(found.values[0, 0, 0]) - Q(found.radii[0, 0, 0]) <= 0
        assert Q(found.values[0, 0, 0]) + Q(found.radii[0, 0, 0]) >= -Q(low)


def assert_combined(q, F, m, r, H, size):
    """Assert that q (F H + rest) is within the rows that are found."""
    n = len(q)
    rows = NeuronRows(
        in_order(F)[:, None],
        Forms(*(in_order(np.array(part))[:, None, None] for part in (m, r))),
        np.reshape(size, (n, 1, 1)),
    )
    found = _combine_rows(in_order([q]), rows, np.full((1, 1, 1), H))
    q, F, m, r = map(exact, (q, F, m, r))
    off = abs(
        (sum(q * F) - Q(float(found.F[0, 0]))) * Q(H)
        + sum(q * m)
        - Q(float(found.rest.values[0, 0, 0]))
    )
    assert off + sum(abs(q) * r) <= Q(float(found.rest.radii[0, 0, 0]))


def test_rows_of_always_on_neurons_are_combined_with_a_rounding_each():
    one, none, tiny = np.ones(N), np.zeros(N), np.full(N, 2.0**-538 * 1.2)
    assert_combined(staircase(N), one, none, none, 1.0, one)
    assert_combined(staircase(N), none, one, none, 1.0, one)
    assert_combined(one, none, none, staircase(N), 1.0, none)
    assert_combined(tiny, tiny, none, none, 2.0**1000, tiny)


def test_sums_of_two_forms_round():
    for (c, e), (b, s) in (
        ((1.0, 0.0), (U, 0.0)),
        ((0.0, 1.0), (0.0, 0.99 * U)),
        ((0.0, 0.0), (0.0, 1.0)),
    ):
        found = _add(forms(c, e), forms(b, s))
        assert abs(Q(c) + Q(b) - Q(found.values[0, 0, 0])) + Q(e) + Q(s) <= Q(found.radii[0, 0, 0])
