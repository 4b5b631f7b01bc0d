"""Binary neurons that provably agree: comparisons that the least change would make false."""

from fractions import Fraction as Q

import numpy as np

from reducednet.verification.difference_bounds import binary_layer
from reducednet.verification.difference_bounds.affine_forms import Forms, Region
from reducednet.verification.difference_bounds.binary_layer import (
    _BooleanRow, _always_agree, _heaviside, _signs_agree, _smallest_magnitude,
)
from oracles.worst_rounding import U

ONE_SET = Region(np.zeros((0, 1)), np.zeros((0, 1)), "box", np.empty((0, 0)))


def row(constant, *factors, unit=1):
    return _BooleanRow({c: Q(f) for c, f in enumerate(factors) if f}, Q(constant), [], Q(unit))


def test_neurons_that_are_a_unit_apart_are_not_the_same():
    """H and H - 1 differ at H = 1; so do they the other way round."""
    assert not _always_agree(row(0, 1), row(-1, 1), 1.0) and not _always_agree(
        row(-1, 1), row(0, 1), 1.0
    )
    assert _always_agree(row(Q(-1, 2), 1, unit=Q(1, 2)), row(Q(-3, 4), 1, unit=Q(1, 4)), 1.0)


def test_sums_of_float64_may_be_as_near_to_0_as_their_roundings():
    """1 + 3/5 U - (1 + 2 U) is -7/5 U, but 1 + 2 U - 3/5 U comes out as 1 + 2 U."""
    items = row(-(1.0 + 2.0 * U), 1.0, 0.6 * U)
    assert Q(_smallest_magnitude(items, False)) <= -(1 + Q(0.6 * U) + items.constant) < 2 * Q(U)


def bounds(low, high):
    return np.array([[low]]), np.array([[high]])


def test_a_neuron_that_is_0_somewhere_has_no_sure_sign():
    at, one = np.array([0]), np.array([1.0])
    assert not _signs_agree(*bounds(0.0, 1.0), *bounds(0.5, 1.0), at, one)[0, 0]
    assert _signs_agree(*bounds(0.25, 1.0), *bounds(0.5, 1.0), at, one)[0, 0]
    assert _signs_agree(*bounds(-1.0, 0.0), *bounds(-1.0, -0.5), at, one)[0, 0]
    sharp = type("Sharp", (), {"bounds": lambda _, z: bounds(0.0, 1.0)})()
    found = _heaviside(Forms(np.zeros((1, 1, 1)), np.zeros((1, 1, 1))), sharp)
    ends = [found.values[0, 0, 0] + sign * found.radii[0, 0, 0] for sign in (-1.0, 1.0)]
    assert ends == [0.0, 1.0]


def test_mismatch_is_the_larger_end_of_the_difference():
    from reducednet.verification.difference_bounds.neuron_classes import Match, NeuronRows

    one = np.ones((1, 1))
    known = Forms(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)))
    rows = [NeuronRows(np.zeros((1, 1)), known, known.radii)] * 2
    calls = [bounds(-9.0, 9.0)] * 9
    sharp = type("Sharp", (), {"bounds": lambda _, z: calls.pop(0), "n_sets": 1, "middle": one})()
    match = Match((np.zeros(1, dtype=int),) * 2, (np.ones(1),) * 2)
    # representatives; then z twice and delta, for each network, and the representatives again
    calls[3], calls[6] = bounds(-0.25, 0.75), bounds(-0.25, 0.75)
    _, _, known, _ = binary_layer.binary_layer(rows, match, known, sharp)
    assert {own.mismatch[0, 0] for own in known} == {0.75}
