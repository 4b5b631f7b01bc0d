"""One binary layer of two networks: members of a class have its value, or 1 minus it.

In the first layer this holds at points further from the hyperplanes than the members' mismatch. Above it, where
inputs are 0 or 1 and whole cells can lie on a hyperplane, only members that surely agree are kept.

References
----------
THEORY, sections 7 and 9.
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
from ...numerics.subset_sum import MOST, all_subsets
from .affine_forms import Forms, Region
from .neuron_classes import Known, Match, Rows, Side, chosen, evaluate, minus


def binary_layer(
    rows: Sequence[Rows], match: Match, classes: Forms, region: Region
) -> tuple[Forms, list[Array], list[Known], Array]:
    """Return what `relu_layer` does, for s(z) = 1 if z > 0 else 0, further from hyperplanes than the mismatch.

    A member's value is its representative's there, or 1 minus it where the sign is turned.
    """
    heads = chosen(rows, match)
    z_heads = evaluate(heads, classes)
    bounds = region.bounds(z_heads)
    scales, sides = [], []
    for own, labels, own_scales in zip(rows, match.labels, match.scales):
        z = evaluate(own, classes)
        known = Known(_steps(z, region), *region.bounds(z), np.zeros((len(labels), region.n_sets)))
        members = np.flatnonzero(labels >= 0)
        delta = evaluate(minus(own.take(members), own_scales[members], heads.take(labels[members])), classes)
        at = labels[members]
        sure = _same_sure_sign(known.low[members], known.high[members], *bounds, at, own_scales[members])
        known.mismatch[members] = np.where(sure, 0.0, np.abs(region.bounds(delta)).max(axis=0))
        turned = (own_scales[members] < 0.0)[:, np.newaxis]
        known.rest.radii[members], known.rest.values[members] = 0.0, 0.0
        known.rest.values[members, 0] = known.rest.values[members, 1] = turned
        sides.append(known)
        scales.append(np.where(labels >= 0, np.sign(own_scales), 0.0))
    return _steps(z_heads, region), scales, sides, np.zeros_like(region.middle)


def _same_sure_sign(
    low: Array, high: Array, heads_low: Array, heads_high: Array, at: np.ndarray, scales: Array
) -> np.ndarray:
    """Tell which members' and representatives' signs are both known, and agree: no point is too near to them."""
    turned = (scales < 0.0)[:, np.newaxis]
    on, off = (heads_low > 0.0)[at], (heads_high <= 0.0)[at]
    return np.where(turned, ((low > 0.0) & off) | ((high <= 0.0) & on), ((low > 0.0) & on) | ((high <= 0.0) & off))


def _steps(z: Forms, region: Region) -> Forms:
    """Return forms of s(z): 1, 0, or 1/2 +- 1/2 where the sign is not known."""
    low, high = region.bounds(z)
    values, known = np.zeros_like(z.values), (low > 0.0) | (high <= 0.0)
    values[:, :2] = np.where(low > 0.0, 1.0, np.where(known, 0.0, 0.5))[:, np.newaxis]
    return Forms(values, np.where(known, 0.0, 0.5)[:, np.newaxis] * np.ones_like(z.radii))


def certain(maps: Sequence[Affine], sides: Sequence[Side], match: Match) -> Match:
    """Return the match without binary neurons above the first layer that are not surely their representatives.

    There inputs are 0 or 1, so a whole cell can lie on a hyperplane, and nearness says nothing. With
    z = s z_c + delta, delta in [low, high] in rationals, and z (or z_c) a multiple of q as its numbers are:
    s(z) = s(z_c) if delta = 0; if 0 <= delta < q (z > 0 means z >= q > delta); or if -s q < delta <= 0. And if
    s |z_c| > |delta| for all inputs of 0 and 1, of which there may be 30. That all inputs of z_c are 0 may be
    left out if those of z are then 0 too, for there both signs are seen.
    """
    network, index = match.representatives()
    labels = [own.copy() for own in match.labels]
    for number, (own, scales) in enumerate(zip(labels, match.scales)):
        for m in np.flatnonzero(own >= 0):
            at = network[own[m]], index[own[m]]
            if at == (number, m):
                continue
            one, other = (_boolean_row(maps[side], sides[side], int(j)) for side, j in ((number, m), at))
            if not _surely_same(one, other, scales[m]):
                own[m] = -1
    return Match(tuple(labels), match.scales)


class _BooleanRow(NamedTuple):
    """z = sum_c F_c H_c + constant + sum of some of `free`, and z is a multiple of the unit."""

    F: dict[int, Fraction]
    constant: Fraction
    free: list[Fraction]
    unit: Fraction

    @property
    def low(self) -> Fraction:
        """The least that `free` can add."""
        return sum((min(value, Fraction(0)) for value in self.free), Fraction(0))

    @property
    def high(self) -> Fraction:
        """The most that `free` can add."""
        return sum((max(value, Fraction(0)) for value in self.free), Fraction(0))


def _boolean_row(layer: Affine, side: Side, m: int) -> _BooleanRow:
    assert layer.b is not None
    numbers = np.append(layer.W[m], layer.b[m])
    *row, constant = rationals(numbers)
    powers = integers(numbers)[1][numbers != 0.0]
    unit = Fraction(2) ** int(powers.min()) if len(powers) else Fraction(1)
    F: dict[int, Fraction] = {}
    free: list[Fraction] = []
    for weight, label, scale, values, radii in zip(row, side.labels, side.scales, *side.rest):
        if label >= 0:
            F[label] = F.get(label, Fraction(0)) + weight * int(scale)
            constant += weight * int(values[0, 0])
        elif not radii.any() and (values[0] == values[0, 0]).all():
            constant += weight * int(values[0, 0])
        else:
            free.append(weight)
    return _BooleanRow(F, constant, free, unit)


def _surely_same(one: _BooleanRow, other: _BooleanRow, scale: float) -> bool:
    if scale <= 0.0:
        return False
    both_zero = not one.free and {c for c, value in one.F.items() if value} <= set(other.F)
    both_zero = both_zero and (one.constant > 0) == (other.constant > 0)
    first = next((c for c, value in other.F.items() if value), None)
    ratio = one.F.get(first, Fraction(0)) / other.F[first] if first is not None else Fraction(0)
    for s in (ratio, Fraction(float(scale))):
        if s <= 0:
            continue
        parts = [one.F.get(c, Fraction(0)) - s * other.F.get(c, Fraction(0)) for c in {*one.F, *other.F}]
        middle = one.constant - s * other.constant
        low = middle + sum(min(part, Fraction(0)) for part in parts) + one.low - s * other.high
        high = middle + sum(max(part, Fraction(0)) for part in parts) + one.high - s * other.low
        if low == high == 0 or 0 <= low and high < one.unit or -s * other.unit < low and high <= 0:
            return True
        least = _least_size(other, both_zero)
        if max(-low, high) < (s * Fraction(least) if least < np.inf else np.inf):
            return True
    return False


def _least_size(row: _BooleanRow, but_zero: bool) -> float:
    """Return a number above 0 that |z| is nowhere below, or 0; half of the inputs is tried against half.

    but_zero : leave out that all inputs are 0
    """
    try:
        constant, *values = (float(value) for value in (row.constant, *row.F.values(), *row.free))
    except OverflowError:
        return 0.0
    items = np.array(values)
    if len(items) > MOST:
        return 0.0
    half = len(items) // 2
    left, right = (all_subsets(len(part)) @ part for part in (items[:half], items[half:]))  # the empty ones first
    least = min(_nearest(left[1:], -constant - right), _nearest(left[:1], -constant - right[int(but_zero):]))
    lost = gamma(len(items) + 4) * (np.abs(items).sum() + abs(constant))
    return max(0.0, least - 2.0 * lost)


def _nearest(one: Array, other: Array) -> float:
    """Return the smallest distance of two sets of numbers; inf if one is empty."""
    if not len(one) or not len(other):
        return np.inf
    one = np.sort(one)
    places = np.searchsorted(one, other)
    return float(min(np.abs(one[np.clip(places + shift, 0, len(one) - 1)] - other).min() for shift in (-1, 0)))
