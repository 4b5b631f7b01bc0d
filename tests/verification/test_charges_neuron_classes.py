"""Rows over classes: each rounding charge is used up by numbers that round the worst way."""

from fractions import Fraction as Q

import numpy as np

from reducednet.networks.parameters import Affine
from reducednet.verification.difference_bounds.affine_forms import Forms
from reducednet.verification.difference_bounds.neuron_classes import (
    LayerActivations, NeuronRows, evaluate, rows_over_classes, subtract_multiple,
)
from oracles.worst_rounding import ODD, ODDER, U, exact, in_order, staircase

ETA = 2.0**-1074
N = 60


def forms(m, r):
    """Return forms without slopes, over one set."""
    return Forms(*(np.atleast_1d(np.array(part, dtype=float))[:, None, None] for part in (m, r)))


def row(F, m=0.0, r=0.0, magnitude=0.0):
    return NeuronRows(in_order(np.atleast_2d(F)), forms(m, r), forms(magnitude, 0.0).values)


def assert_evaluated(rows, classes):
    """Assert that F H + rest is within what is found, for all H and rests of the forms."""
    result = evaluate(rows, classes)
    F, m, r = exact(rows.F[0]), exact(classes.values[:, 0, 0]), exact(classes.radii[:, 0, 0])
    off = abs(sum(F * m) + Q(rows.rest.values[0, 0, 0]) - Q(float(result.values[0, 0, 0])))
    off += sum(abs(F) * r) + Q(rows.rest.radii[0, 0, 0])
    assert off <= Q(float(result.radii[0, 0, 0]))


def test_rows_are_evaluated_with_a_rounding_for_each_term():
    one, none = np.ones(N), np.zeros(N)
    assert_evaluated(row(staircase(N)), forms(one, none))
    assert_evaluated(row(one), forms(none, staircase(N)))
    assert_evaluated(row([ODD], U), forms([ODDER], [0.0]))
    assert_evaluated(row([U], 1.0), forms([1.0], [0.0]))
    assert_evaluated(row([1.0], 0.0, 0.5), forms([1.0], [0.25]))
    tiny = np.full(20, 2.0**-537 * 1.2)
    assert_evaluated(row(tiny), forms(tiny, 0 * tiny))
    assert_evaluated(row(np.full(20, 0.4)), forms(0 * tiny, np.full(20, ETA)))


def assert_taken_off(one, scale, other, H):
    """Assert that z - s z' is within the rows that are found, at values H of the classes and ends
    of the rests.
    """
    result = subtract_multiple(one, np.array([scale]), other)
    value = sum(
        (f - Q(scale) * g - Q(float(d))) * h
        for f, g, d, h in zip(exact(one.F[0]), exact(other.F[0]), result.F[0], map(Q, H))
    )
    value += Q(one.rest.values[0, 0, 0]) - Q(scale) * Q(other.rest.values[0, 0, 0])
    off = abs(value - Q(result.rest.values[0, 0, 0]))
    off += Q(one.rest.radii[0, 0, 0]) + abs(Q(scale)) * Q(other.rest.radii[0, 0, 0])
    assert off <= Q(result.rest.radii[0, 0, 0])


def test_multiples_of_rows_round_when_they_are_taken_off():
    """A factor's own rounding, when it is subtracted, is `evaluate`'s; the product's is charged
    here, by the magnitude.
    """
    assert_taken_off(row([0.0]), ODD, row([ODDER], magnitude=ODDER), [1.0])
    assert_taken_off(row([0.0], 0.0, 1.0), 2.0, row([0.0], 0.0, 0.25), [1.0])
    assert_taken_off(row([0.0], -U), ODD, row([0.0], ODDER), [1.0])
    assert_taken_off(row([0.0], 0.0, 1.0), 1.0, row([0.0], 0.0, 0.99 * U), [1.0])
    assert_taken_off(row([0.0], 0.0), 2.0**-537, row([0.0], 1.4 * 2.0**-538), [1.0])


def test_magnitudes_of_differences_are_those_of_both():
    found = subtract_multiple(row([1.0], magnitude=1.0), np.array([-2.0]), row([1.0], magnitude=3.0))
    assert found.magnitude[0, 0, 0] >= 7.0


def assert_rows_hold(W, b, labels, scales, rest, H):
    """Assert that W (s H + r) + b is within F H + rest, and no larger than the magnitudes."""
    below = LayerActivations(np.array(labels), np.array(scales), forms(*rest))
    layer = Affine(in_order([W]), np.array([b]))
    found = rows_over_classes(layer, below, forms(H, 0.0 * np.array(H)).values)
    W, scales, m, r, H = map(exact, (W, scales, *rest, H))
    value = sum(
        w * (s * H[c] if c >= 0 else 0) + w * p for w, s, c, p in zip(W, scales, labels, m)
    ) + Q(b)
    value -= sum(Q(float(f)) * h for f, h in zip(found.F[0], H)) + Q(
        float(found.rest.values[0, 0, 0])
    )
    assert abs(value) + sum(abs(W) * r) <= Q(float(found.rest.radii[0, 0, 0]))
    terms = sum(
        abs(w) * (abs(s) * H[c] if c >= 0 else 0) + abs(w) * (abs(p) + q)
        for w, s, c, p, q in zip(W, scales, labels, m, r)
    ) + abs(Q(b))
    underflow = len(W) * Q(ETA)  # a magnitude is only ever multiplied by U
    assert terms <= Q(float(found.magnitude[0, 0, 0])) + underflow


def test_rows_over_classes_hold_where_factors_and_rests_round():
    one, none, alone = np.ones(N), np.zeros(N), np.full(N, -1)
    assert_rows_hold(staircase(N), 0.0, alone, one, (one, none), [0.0])
    assert_rows_hold(one, 0.0, alone, one, (none, staircase(N)), [0.0])
    assert_rows_hold([U], 1.0, [-1], [0.0], ([1.0], [0.0]), [0.0])
    assert_rows_hold(
        staircase(7), 0.0, np.zeros(7, dtype=int), np.ones(7), (np.zeros(7), np.zeros(7)), [1.0]
    )
    assert_rows_hold([ODD, 0.0], 0.0, [0, 1], [ODDER, 1.0], ([0.0, 0.0], [0.0, 0.0]), [1.0, 0.0])
    tiny = np.full(20, 2.0**-537 * 1.2)
    assert_rows_hold(tiny, 0.0, np.full(20, -1), 0 * tiny, (tiny, 0 * tiny), [0.0])
    assert_rows_hold(
        0.8 * tiny, 0.0, np.zeros(20, dtype=int), 0.6 * tiny, (0 * tiny, 0 * tiny), [2.0**1000]
    )
