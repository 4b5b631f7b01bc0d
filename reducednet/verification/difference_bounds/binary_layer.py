"""Bound one binary layer of two networks: neurons are their representative, or 1 minus it.

In the first layer this holds at points further from the hyperplanes than the neurons' mismatch. In
the layers above, inputs are 0 or 1 and a whole cell can lie on a hyperplane, so only neurons that
provably agree with their representative stay in its class.

References
----------
PROOFS, sections 4 and 17.
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.parameters import Affine
from ...numerics.rationals import integers, rationals
from ...numerics.rounding import gamma
from .affine_forms import Forms, Region
from .neuron_classes import (
    LayerActivations, Match, NeuronBounds, NeuronRows, evaluate, representative_rows,
    subtract_multiple,
)

MOST_INPUTS = 30
"""Largest number of inputs of 0 and 1 that are looked at: each half has 2^15 sums."""


def binary_layer(
    rows: Sequence[NeuronRows], match: Match, H: Forms, region: Region
) -> tuple[Forms, list[Array], list[NeuronBounds], Array]:
    """Return what `relu_layer` returns, for the step s, valid outside the mismatch of hyperplanes.

    There a neuron's activation is its representative's, or 1 minus that of an opposite one.
    """
    representatives = representative_rows(rows, match)
    z_c = evaluate(representatives, H)
    bounds_c = region.bounds(z_c)
    scales, bounds = [], []
    for own, labels, own_scales in zip(rows, match.labels, match.scales):
        z = evaluate(own, H)
        low, high = region.bounds(z)
        found = NeuronBounds(_heaviside(z, region), low, high, np.zeros_like(low))
        in_class = np.flatnonzero(labels >= 0)
        c, s = labels[in_class], own_scales[in_class]
        delta = evaluate(subtract_multiple(own.take(in_class), s, representatives.take(c)), H)
        largest = np.abs(region.bounds(delta)).max(axis=0)
        agree = _signs_agree(low[in_class], high[in_class], *bounds_c, c, s)
        found.mismatch[in_class] = np.where(agree, 0.0, largest)
        # the rest of s(z) = s(z_c) is 0, that of s(z) = 1 - s(z_c) is 1
        found.rest.values[in_class], found.rest.radii[in_class] = 0.0, 0.0
        opposite = np.where(s < 0.0, 1.0, 0.0)
        _set_constants(found.rest.values, in_class, opposite[:, np.newaxis])
        bounds.append(found)
        scales.append(np.where(labels >= 0, np.sign(own_scales), 0.0))
    no_influence = np.zeros_like(region.middle)
    return _heaviside(z_c, region), scales, bounds, no_influence


def _set_constants(values: Array, index: np.ndarray, constants: Array) -> None:
    """Set the middles m of these quantities' intervals, and the c of their affine forms."""
    values[index, :2] = constants[:, np.newaxis]


def _signs_agree(
    low: Array, high: Array, low_c: Array, high_c: Array, c: np.ndarray, scales: Array
) -> np.ndarray:
    """Return True where a neuron and its representative have known signs, and these agree."""
    on, off = low > 0.0, high <= 0.0
    on_c, off_c = (low_c > 0.0)[c], (high_c <= 0.0)[c]
    opposite = (scales < 0.0)[:, np.newaxis]
    return np.where(opposite, (on & off_c) | (off & on_c), (on & on_c) | (off & off_c))


def _heaviside(z: Forms, region: Region) -> Forms:
    """Return forms of s(z): 1, 0, or 1/2 +- 1/2 where the sign is unknown."""
    low, high = region.bounds(z)
    on, off = low > 0.0, high <= 0.0
    values, radii = np.zeros_like(z.values), np.zeros_like(z.radii)
    _set_constants(values, np.arange(len(values)), np.where(on, 1.0, np.where(off, 0.0, 0.5)))
    radii[:] = np.where(on | off, 0.0, 0.5)[:, np.newaxis]
    return Forms(values, radii)


def keep_proved(
    layers: Sequence[Affine], below: Sequence[LayerActivations], match: Match
) -> Match:
    """Return the match without the neurons that may differ from their representative.

    For binary layers above the first. Inputs are 0 or 1 there, so a whole cell can lie on a
    hyperplane, and being near it proves nothing. `_always_agree` says what does.
    """
    network, index = match.representatives()
    labels = [own.copy() for own in match.labels]
    for number, (own, scales) in enumerate(zip(labels, match.scales)):
        for m in np.flatnonzero(own >= 0):
            other, j = network[own[m]], index[own[m]]
            if (other, j) == (number, m):
                continue
            row = _boolean_row(layers[number], below[number], int(m))
            representative = _boolean_row(layers[other], below[other], int(j))
            if not _always_agree(row, representative, scales[m]):
                own[m] = -1
    return Match(tuple(labels), match.scales)


class _BooleanRow(NamedTuple):
    """A neuron's z = sum_c F_c H_c + constant + sum of any of `free`, a multiple of `unit`.

    Numbers are exact. The H_c are the activations of the classes below; `free` are the weights of
    inputs without a class, which may be 0 or 1 whatever the others are.
    """

    F: dict[int, Fraction]
    constant: Fraction
    free: list[Fraction]
    unit: Fraction


def _boolean_row(layer: Affine, below: LayerActivations, m: int) -> _BooleanRow:
    """Return the row of neuron m in rationals, over h = H_c, or 1 - H_c where the scale is -1."""
    assert layer.b is not None
    numbers = np.append(layer.W[m], layer.b[m])
    *row, constant = rationals(numbers)
    F: dict[int, Fraction] = {}
    free: list[Fraction] = []
    for weight, label, scale, values, radii in zip(row, below.labels, below.scales, *below.rest):
        first = int(values[0, 0])
        known = not radii.any() and (values[0] == first).all()  # 0 or 1 on the whole domain
        if label >= 0:
            F[label] = F.get(label, Fraction(0)) + weight * int(scale)
            constant += weight * first
        elif known:
            constant += weight * first
        else:
            free.append(weight)
    powers = integers(numbers)[1][numbers != 0.0]
    unit = Fraction(2) ** int(powers.min()) if len(powers) else Fraction(1)
    return _BooleanRow(F, constant, free, unit)


def _always_agree(one: _BooleanRow, other: _BooleanRow, scale: float) -> bool:
    """Return True if s(z_one) = s(z_other) is proved for all inputs of 0 and 1.

    For any t > 0, let z_one = t z_other + delta with delta in [low, high], and let z_one be a
    multiple of q and z_other one of q', as their parameters are. They agree in each of these cases:

    * delta = 0;
    * 0 <= delta < q, for z_one > 0 means z_one >= q > delta;
    * -t q' < delta <= 0, for z_other > 0 means t z_other >= t q' > -delta;
    * |delta| < t |z_other| for all inputs of 0 and 1, or all but the zeros, where both signs are
      known.

    Tried are the exact ratio of their first coefficients, and the scale of the match.
    """
    if scale <= 0.0:
        return False
    for t in (_ratio(one, other), Fraction(float(scale))):
        if t <= 0:
            continue
        low, high = _range_of_difference(one, other, t)
        if low == high == 0 or 0 <= low and high < one.unit or -t * other.unit < low and high <= 0:
            return True
        least = _smallest_magnitude(other, _agree_at_zero(one, other))
        if least == np.inf or max(-low, high) < t * Fraction(least):
            return True
    return False


def _ratio(one: _BooleanRow, other: _BooleanRow) -> Fraction:
    """Return the ratio of the coefficients of the first class in the other row; 0 without one."""
    for c, value in other.F.items():
        if value:
            return one.F.get(c, Fraction(0)) / value
    return Fraction(0)


def _range_of_difference(
    one: _BooleanRow, other: _BooleanRow, t: Fraction
) -> tuple[Fraction, Fraction]:
    """Return the smallest and the largest z_one - t z_other, each free input counted twice."""
    terms = [
        one.F.get(c, Fraction(0)) - t * other.F.get(c, Fraction(0)) for c in {*one.F, *other.F}
    ]
    terms += one.free + [-t * value for value in other.free]
    constant = one.constant - t * other.constant
    low = constant + sum(term for term in terms if term < 0)
    high = constant + sum(term for term in terms if term > 0)
    return low, high


def _agree_at_zero(one: _BooleanRow, other: _BooleanRow) -> bool:
    """Return True if both are on, or both off, where all inputs of the other row are 0."""
    depends_on = {c for c, value in one.F.items() if value}
    no_more_inputs = not one.free and depends_on <= set(other.F)
    return no_more_inputs and (one.constant > 0) == (other.constant > 0)


def _smallest_magnitude(row: _BooleanRow, skip_zero: bool) -> float:
    """Return a lower bound on |z| over all inputs of 0 and 1; 0 if it is too costly to find.

    Each sum over one half of the inputs is compared with the nearest of the other half (meet in the
    middle). `skip_zero` leaves out the input of zeros.
    """
    try:
        constant, *values = (float(value) for value in (row.constant, *row.F.values(), *row.free))
    except OverflowError:
        return 0.0
    if len(values) > MOST_INPUTS:
        return 0.0
    half = len(values) // 2
    left, right = _subset_sums(values[:half]), _subset_sums(values[half:])
    least = min(
        _smallest_distance(left[1:], -constant - right),
        _smallest_distance(left[:1], -constant - right[int(skip_zero):]),
    )
    margin = 2.0 * gamma(len(values) + 4) * (np.abs(values).sum() + abs(constant))
    return max(0.0, least - margin)


def _subset_sums(values: Sequence[float]) -> Array:
    """Return the sums of all subsets, that of the empty one first."""
    sums = np.zeros(1)
    for value in values:
        sums = np.append(sums, sums + value)
    return sums


def _smallest_distance(one: Array, other: Array) -> float:
    """Return the smallest distance between two sets of numbers; inf if one is empty."""
    if not len(one) or not len(other):
        return np.inf
    one = np.sort(one)
    above = np.searchsorted(one, other)
    before, after = one[np.maximum(above - 1, 0)], one[np.minimum(above, len(one) - 1)]
    return float(np.minimum(np.abs(before - other), np.abs(after - other)).min())
