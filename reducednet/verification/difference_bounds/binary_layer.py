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
from ...numerics.subset_sum import MAX_ITEMS, all_subsets
from .affine_forms import Forms, Region
from .neuron_classes import (
    LayerActivations, Match, NeuronBounds, NeuronRows, evaluate, representative_rows,
    subtract_multiple,
)


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
        no_mismatch = np.zeros((len(labels), region.n_sets))
        found = NeuronBounds(_heaviside(z, region), *region.bounds(z), no_mismatch)
        in_class = np.flatnonzero(labels >= 0)
        c, s = labels[in_class], own_scales[in_class]
        delta = evaluate(subtract_multiple(own.take(in_class), s, representatives.take(c)), H)
        agree = _signs_agree(found.low[in_class], found.high[in_class], *bounds_c, c, s)
        largest = np.abs(region.bounds(delta)).max(axis=0)
        found.mismatch[in_class] = np.where(agree, 0.0, largest)
        found.rest.radii[in_class], found.rest.values[in_class] = 0.0, 0.0
        found.rest.values[in_class, :2] = (s < 0.0)[:, np.newaxis, np.newaxis]  # m, and c if there
        bounds.append(found)
        scales.append(np.where(labels >= 0, np.sign(own_scales), 0.0))
    return _heaviside(z_c, region), scales, bounds, np.zeros_like(region.middle)


def _signs_agree(
    low: Array, high: Array, low_c: Array, high_c: Array, c: np.ndarray, scales: Array
) -> np.ndarray:
    """Return True where a neuron and its representative have known signs, and these agree."""
    opposite = (scales < 0.0)[:, np.newaxis]
    on, off = (low_c > 0.0)[c], (high_c <= 0.0)[c]
    same_sign = ((low > 0.0) & on) | ((high <= 0.0) & off)
    return np.where(opposite, ((low > 0.0) & off) | ((high <= 0.0) & on), same_sign)


def _heaviside(z: Forms, region: Region) -> Forms:
    """Return forms of s(z): 1, 0, or 1/2 +- 1/2 where the sign is unknown."""
    low, high = region.bounds(z)
    values, stable = np.zeros_like(z.values), (low > 0.0) | (high <= 0.0)
    values[:, :2] = np.where(low > 0.0, 1.0, np.where(stable, 0.0, 0.5))[:, np.newaxis]
    return Forms(values, np.where(stable, 0.0, 0.5)[:, np.newaxis] * np.ones_like(z.radii))


def keep_proved(
    layers: Sequence[Affine], below: Sequence[LayerActivations], match: Match
) -> Match:
    """Return the match without the neurons that may differ from their representative.

    For binary layers above the first. Inputs are 0 or 1 there, so a whole cell can lie on a
    hyperplane, and being near it proves nothing. Let z = s z_c + delta with delta in [low, high] in
    rationals, and let z be a multiple of q and z_c one of q_c, as their parameters are. Then
    s(z) = s(z_c) in each of these cases:

    * delta = 0;
    * 0 <= delta < q, for z > 0 means z >= q > delta;
    * -s q_c < delta <= 0;
    * s |z_c| > |delta| for all inputs of 0 and 1, of which there may be up to 30. The input of
      zeros may be left out if it makes all inputs of z zero too, for its two signs are known.
    """
    network, index = match.representatives()
    labels = [own.copy() for own in match.labels]
    for number, (own, scales) in enumerate(zip(labels, match.scales)):
        for m in np.flatnonzero(own >= 0):
            representative = network[own[m]], index[own[m]]
            if representative == (number, m):
                continue
            one, other = (
                _boolean_row(layers[k], below[k], int(j)) for k, j in ((number, m), representative)
            )
            if not _always_agree(one, other, scales[m]):
                own[m] = -1
    return Match(tuple(labels), match.scales)


class _BooleanRow(NamedTuple):
    """A neuron's z = sum_c F_c H_c + constant + sum of any of `free`, a multiple of `unit`."""

    F: dict[int, Fraction]
    constant: Fraction
    free: list[Fraction]
    unit: Fraction

    @property
    def low(self) -> Fraction:
        """The smallest sum of any of `free`."""
        return sum((min(value, Fraction(0)) for value in self.free), Fraction(0))

    @property
    def high(self) -> Fraction:
        """The largest sum of any of `free`."""
        return sum((max(value, Fraction(0)) for value in self.free), Fraction(0))


def _boolean_row(layer: Affine, below: LayerActivations, m: int) -> _BooleanRow:
    """Return the row of neuron m in rationals, over h = H_c, or 1 - H_c where the scale is -1."""
    assert layer.b is not None
    numbers = np.append(layer.W[m], layer.b[m])
    *row, constant = rationals(numbers)
    powers = integers(numbers)[1][numbers != 0.0]
    unit = Fraction(2) ** int(powers.min()) if len(powers) else Fraction(1)
    F: dict[int, Fraction] = {}
    free: list[Fraction] = []
    for weight, label, scale, values, radii in zip(row, below.labels, below.scales, *below.rest):
        if label >= 0:
            F[label] = F.get(label, Fraction(0)) + weight * int(scale)
            constant += weight * int(values[0, 0])
        elif not radii.any() and (values[0] == values[0, 0]).all():  # 0 or 1 on the whole domain
            constant += weight * int(values[0, 0])
        else:
            free.append(weight)
    return _BooleanRow(F, constant, free, unit)


def _always_agree(one: _BooleanRow, other: _BooleanRow, scale: float) -> bool:
    """Return True if s(z_one) = s(z_other) is proved for all inputs of 0 and 1."""
    if scale <= 0.0:
        return False
    same_at_zero = not one.free and {c for c, value in one.F.items() if value} <= set(other.F)
    same_at_zero = same_at_zero and (one.constant > 0) == (other.constant > 0)
    first = next((c for c, value in other.F.items() if value), None)
    ratio = one.F.get(first, Fraction(0)) / other.F[first] if first is not None else Fraction(0)
    for s in (ratio, Fraction(float(scale))):  # the exact ratio, and the scale of the match
        if s <= 0:
            continue
        classes = {*one.F, *other.F}
        parts = [one.F.get(c, Fraction(0)) - s * other.F.get(c, Fraction(0)) for c in classes]
        middle = one.constant - s * other.constant
        low = middle + sum(min(part, Fraction(0)) for part in parts) + one.low - s * other.high
        high = middle + sum(max(part, Fraction(0)) for part in parts) + one.high - s * other.low
        if low == high == 0 or 0 <= low and high < one.unit or -s * other.unit < low and high <= 0:
            return True
        least = _smallest_magnitude(other, same_at_zero)
        if max(-low, high) < (s * Fraction(least) if least < np.inf else np.inf):
            return True
    return False


def _smallest_magnitude(row: _BooleanRow, skip_zero: bool) -> float:
    """Return a lower bound on |z| over all inputs of 0 and 1; 0 if it is too costly to find.

    Each sum over one half of the inputs is compared with the nearest of the other half (meet in the
    middle). `skip_zero` leaves out the input of zeros.
    """
    try:
        constant, *values = (float(value) for value in (row.constant, *row.F.values(), *row.free))
    except OverflowError:
        return 0.0
    items = np.array(values)
    if len(items) > MAX_ITEMS:
        return 0.0
    half = len(items) // 2
    # the empty subset comes first
    left, right = (all_subsets(len(part)) @ part for part in (items[:half], items[half:]))
    least = min(
        _smallest_distance(left[1:], -constant - right),
        _smallest_distance(left[:1], -constant - right[int(skip_zero):]),
    )
    margin = 2.0 * gamma(len(items) + 4) * (np.abs(items).sum() + abs(constant))
    return max(0.0, least - margin)


def _smallest_distance(one: Array, other: Array) -> float:
    """Return the smallest distance between two sets of numbers; inf if one is empty."""
    if not len(one) or not len(other):
        return np.inf
    one = np.sort(one)
    above = np.searchsorted(one, other)
    nearest = (one[np.clip(above + shift, 0, len(one) - 1)] for shift in (-1, 0))
    return float(min(np.abs(neighbour - other).min() for neighbour in nearest))
