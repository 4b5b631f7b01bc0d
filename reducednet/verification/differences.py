"""Bounds of the difference of two networks of one depth, layer by layer, on many regions at once.

Neurons of the two networks that are nearly multiples of each other form a **class**; one of them is
its representative. With H_c the representatives' values, every neuron of a layer is written as

    h_m = s_m H_c + r_m,        c = label_m,    s_m >= 0,

and a small remainder r_m, known as a form; a neuron without a class has s_m = 0. What is multiplied
by H_c in the difference of two neurons of the next layer, sum_m W_m s_m over a class on either side,
is subtracted before it is bounded: so nothing of the size of H is left of two equal functions.

A neuron may belong to a class with its sign turned, z_m near -s z_c: max(z_m, 0) = max(-z_m, 0) + z_m
(binary: 1 - s(-z) off the hyperplane), and z_m goes to the remainder.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..layers import Affine, affine_maps
from ..networks import Network
from ..rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .exact import dyadic
from .forms import GUARD, Forms, Region, relu, sloped, times, with_interval


class Match(NamedTuple):
    """Which neurons of one layer are multiples of each other: z_m = scale_m z_c up to a remainder.

    labels : integer arrays (n_m,), one a network: the class of each neuron, or -1
    scales : arrays (n_m,), negative where the sign is turned; 1 for a class's representative, which is
        its first member in the last network that has one
    """

    labels: tuple[np.ndarray, ...]
    scales: tuple[Array, ...]

    def representatives(self) -> tuple[np.ndarray, np.ndarray]:
        """Return which network each class's representative is of, and its index there."""
        n_classes = 1 + max(int(labels.max(initial=-1)) for labels in self.labels)
        network, index = np.full(n_classes, -1), np.zeros(n_classes, dtype=int)
        for number, labels in enumerate(self.labels):
            members = np.flatnonzero(labels >= 0)[::-1]
            network[labels[members]], index[labels[members]] = number, members
        return network, index


class Side(NamedTuple):
    """One network's values at one layer: h_m = scales_m H_(labels_m) + rest_m."""

    labels: np.ndarray
    scales: Array
    rest: Forms


class Rows(NamedTuple):
    """Pre-activations z = F H + rest of some neurons, H the representatives' values below them.

    size : array like `rest.radii`
        No less than the sum of the absolute values of all terms of z: what a rounded factor is charged by.
    """

    F: Array
    rest: Forms
    size: Array

    def take(self, index: np.ndarray) -> Rows:
        """Return the rows of these indices; themselves, and no copy, where that is all of them in order."""
        if len(index) == len(self.F) and (index == np.arange(len(index))).all():
            return self
        return Rows(self.F[index], self.rest.take(index), self.size[index])

    def signed(self, signs: Array) -> Rows:
        """Return the rows times 1 or -1 each."""
        s = signs[:, np.newaxis]
        return Rows(s * self.F, Forms(s[:, np.newaxis] * self.rest.values, self.rest.radii), self.size)


class Known(NamedTuple):
    """What is known of a network's neurons at one layer: h = s H_c + rest, low <= z <= high.

    drift : |z - scale z_c| at most; 0 for neurons without a class. Arrays (n, B).
    """

    rest: Forms
    low: Array
    high: Array
    drift: Array

    def put(self, index: np.ndarray, other: Known) -> None:
        """Set what is known of the neurons of these indices."""
        for mine, theirs in zip((*self.rest, *self[1:]), (*other.rest, *other[1:])):
            mine[index] = theirs


class Difference(NamedTuple):
    """What a pass over both networks found.

    forms : the outputs of the first network minus those of the second, on each region
    matches : list of Match, one a hidden layer
    layers : list of lists of Known, for each hidden layer one a network
    influence : array (d, B)
        How much each input's slope takes part in what the linear bounds lose; 0 with intervals alone.
    """

    forms: Forms
    matches: list[Match]
    layers: list[list[Known]]
    influence: Array


Matcher = Callable[[int, Sequence[Rows], Forms], Match]
"""Called with the hidden layer's number from 0, both networks' rows and the classes below."""


def difference(
    networks: Sequence[Network], region: Region, matcher: Matcher, linear: bool = True
) -> Difference:
    """Bound f - g over each region, for networks (f, g) of one depth and activation; or (f,) alone.

    Parameters
    ----------
    networks : (f, g) or (f,)
    region : Region
    matcher : callable
        Names the classes of each hidden layer.
    linear : bool
        Keep linear bounds in the inputs through all layers; otherwise intervals from the second layer on.
    """
    classes = region.inputs()
    d = len(classes.values)
    sides = [Side(np.arange(d), np.ones(d), classes.zeros(d)) for _ in networks]
    maps = [affine_maps(network) for network in networks]
    matches: list[Match] = []
    layers: list[list[Known]] = []
    influence = np.zeros((d, region.count))
    step = binary_layer if networks[0].activation == "binary" else relu_layer
    for number in range(networks[0].depth):
        rows = [rows_of(own[number], side, classes.magnitude) for own, side in zip(maps, sides)]
        match, below = matcher(number, rows, classes), classes
        if number and step is binary_layer:
            match = certain([own[number] for own in maps], sides, match)
        classes, scales, known, lost = step(rows, match, below, region)
        if linear:
            influence += lost
        else:
            classes = classes.intervals()
            known = [own._replace(rest=own.rest.intervals()) for own in known]
        sides = [Side(*side) for side in zip(match.labels, scales, (own.rest for own in known))]
        matches.append(match)
        layers.append(known)
    forms = evaluate(outputs(maps, sides, classes.magnitude), classes)
    if region.count == 1 and step is relu_layer and networks[0].depth > 1:
        other = through_active(maps, sides, classes, rows, match, layers[-1], below)
        forms = narrower(forms, other, region)
    return Difference(forms, matches, layers, influence)


def outputs(maps: Sequence[Sequence[Affine]], sides: Sequence[Side], size: Array) -> Rows:
    """Return the rows of f - g over the last hidden layer, or of f alone."""
    rows = [rows_of(own[-1], side, size) for own, side in zip(maps, sides)]
    return rows[0] if len(rows) == 1 else minus(rows[0], np.ones(len(rows[0].F)), rows[1])


def rows_of(layer: Affine, side: Side, size: Array) -> Rows:
    """Return the pre-activations of a network's layer over the classes below, whose magnitudes are `size`.

    F_kc = sum over the class of W_km s_m; the rest is W r + b. What float64 loses in both is charged.
    """
    W, b = layer.W, (np.zeros(len(layer.W)) if layer.b is None else layer.b)[:, np.newaxis, np.newaxis]
    n, member = W.shape[1], side.labels >= 0
    largest = int(np.bincount(side.labels[member]).max(initial=0))
    roundings = largest - 1 + bool((np.abs(side.scales[member]) != 1.0).any()) if largest else 0
    shared = np.zeros((n, *size.shape[1:]))
    shared[member] = np.abs(side.scales[member])[:, np.newaxis, np.newaxis] * size[side.labels[member]]
    own = side.rest.magnitude
    error = side.rest.radii + gamma(n + 1) * own + (gamma(roundings) * shared if roundings else 0.0)
    sums = times(np.abs(W), np.concatenate([error, shared + own], axis=1)) * (GUARD + gamma(n + 2))
    radii, total = np.split(sums, 2, axis=1)
    some = bool(side.rest.values.any())
    values = times(W, side.rest.values) if some else np.zeros((len(W), *side.rest.values.shape[1:]))
    values[:, :2] += b
    radii += SMALLEST * (4.0 * (n + 1) * values.shape[1] + n * size.sum(axis=0))
    if some:
        radii += 2.0 * UNIT_ROUNDOFF * np.abs(b)
    return Rows(condensed(W, side, len(size)), Forms(values, radii), total + np.abs(b))


def condensed(W: Array, side: Side, n_classes: int) -> Array:
    """Return sum_m W_km s_m over the members m of each class, (n_rows, n_classes)."""
    if len(side.labels) == n_classes and (side.labels == np.arange(n_classes)).all():
        return W if (side.scales == 1.0).all() else W * side.scales
    members = np.flatnonzero(side.labels >= 0)
    members = members[np.argsort(side.labels[members], kind="stable")]
    F = np.zeros((len(W), n_classes))
    if len(members):
        present, starts = np.unique(side.labels[members], return_index=True)
        F[:, present] = np.add.reduceat(W[:, members] * side.scales[members], starts, axis=1)
    return F


def minus(one: Rows, scale: Array, other: Rows) -> Rows:
    """Return the rows of z_one - scale z_other."""
    s = scale[:, np.newaxis]
    t = np.abs(s)[:, np.newaxis]
    values = one.rest.values - s[:, np.newaxis] * other.rest.values
    radii = one.rest.radii + t * other.rest.radii + np.where(t != 1.0, UNIT_ROUNDOFF, 0.0) * t * other.size
    rounded = 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude
    return Rows(one.F - s * other.F, Forms(values, (radii + rounded) * GUARD + SMALLEST), one.size + t * other.size)


def evaluate(rows: Rows, classes: Forms) -> Forms:
    """Return the forms of z = F H + rest."""
    n = rows.F.shape[1]
    values = times(rows.F, classes.values) + rows.rest.values
    radii = times(np.abs(rows.F), classes.radii + gamma(n + 3) * classes.magnitude) + rows.rest.radii
    radii += 2.0 * UNIT_ROUNDOFF * rows.rest.magnitude
    return Forms(values, radii * (GUARD + gamma(n + 3)))


def through_active(
    maps: Sequence[Sequence[Affine]], sides: Sequence[Side], classes: Forms, rows: Sequence[Rows], match: Match,
    known: Sequence[Known], below: Forms,
) -> Forms:
    """Return forms of f - g in which the last hidden layer's always-on neurons are replaced by what they are.

    h = z + nu with 0 <= nu <= max(-low, 0), and z is linear in the layer below: what cancels between several
    neurons, as in the pair (u, -u) that carries a constant, cancels before it is bounded.
    """
    heads, (network, index) = chosen(rows, match), match.representatives()
    low = np.zeros(len(classes.values))
    for number, own in enumerate(known):
        low[network == number] = own.low[index[network == number], 0]
    size, on = classes.magnitude, low >= -_thin(classes)
    rest, parts = [], []
    for own, labels, side in zip(known, match.labels, sides):
        alone = (labels < 0) & (own.low[:, 0] >= -_thin(side.rest))
        rest.append(side._replace(rest=_only_excess(side.rest, alone, own.low[:, 0])))
        parts.append(np.flatnonzero(alone))
    left = outputs(maps, rest, size)
    q = [left.F[:, on], *(sign * own[-1].W[:, part] for sign, own, part in zip((1.0, -1.0), maps, parts))]
    active = [heads.take(np.flatnonzero(on)), *(own.take(part) for own, part in zip(rows, parts))]
    replaced = _combined(np.concatenate(q, axis=1), _stacked(active))
    return plus(evaluate(left, _only_excess(classes, on, low)), evaluate(replaced, below))


def _thin(forms: Forms) -> Array:
    """Return how far below 0 a neuron's lowest value may be for it to count as always on."""
    return 2.0**-30 * forms.magnitude[:, 0, 0]


def _only_excess(forms: Forms, on: np.ndarray, low: Array) -> Forms:
    """Return the forms with nu in [0, max(-low, 0)] in the place of the neurons that are on."""
    values, radii = forms.values.copy(), forms.radii.copy()
    values[on], radii[on] = 0.0, 0.0
    half = np.maximum(-low[on], 0.0)[:, np.newaxis, np.newaxis] / 2.0
    values[on, :2] = half
    radii[on] = half * GUARD
    return Forms(values, radii)


def _combined(q: Array, rows: Rows) -> Rows:
    """Return the rows of q z."""
    n = len(rows.F)
    size = times(np.abs(q), rows.size)
    radii = times(np.abs(q), rows.rest.radii) * (GUARD + gamma(n + 2)) + gamma(n + 2) * size * GUARD
    return Rows(q @ rows.F, Forms(times(q, rows.rest.values), radii + n * SMALLEST), size * (GUARD + gamma(n)))


def plus(one: Forms, other: Forms) -> Forms:
    """Return the sum of two quantities."""
    values, radii = one.values + other.values, one.radii + other.radii
    return Forms(values, (radii + 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude) * GUARD)


def narrower(one: Forms, other: Forms, region: Region) -> Forms:
    """Return, quantity by quantity, the forms with the smaller bound of the absolute value."""
    sizes = [np.maximum(-low, high).max(axis=1) for low, high in (region.bounds(one), region.bounds(other))]
    better = (sizes[1] < sizes[0])[:, np.newaxis, np.newaxis]
    return Forms(np.where(better, other.values, one.values), np.where(better, other.radii, one.radii))


def chosen(rows: Sequence[Rows], match: Match) -> Rows:
    """Return the rows of the representatives, in the order of the classes."""
    network, index = match.representatives()
    if (network == len(rows) - 1).all():
        return rows[-1].take(index)
    place = np.argsort(np.argsort(network, kind="stable"), kind="stable")
    return _stacked([own.take(index[network == number]) for number, own in enumerate(rows)]).take(place)


def _stacked(parts: Sequence[Rows]) -> Rows:
    """Return all rows, one part after the other."""
    values, radii = (np.concatenate([part.rest[i] for part in parts]) for i in (0, 1))
    F, size = (np.concatenate([getattr(part, name) for part in parts]) for name in ("F", "size"))
    return Rows(F, Forms(values, radii), size)


def relu_layer(
    rows: Sequence[Rows], match: Match, classes: Forms, region: Region
) -> tuple[Forms, list[Array], list[Known], Array]:
    """Return the classes' values above a ReLU layer, each network's scales and `Known`, and the influence."""
    heads = chosen(rows, match)
    z = evaluate(heads, classes)
    low, high = region.bounds(z)
    lost = _influence(z, low, high)
    scales, sides = [], []
    for own, labels, own_scales in zip(rows, match.labels, match.scales):
        known = _nothing(z, len(labels))
        alone, members = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
        if len(alone):
            z_alone = evaluate(own.take(alone), classes)
            single = Known(relu(z_alone, region), *region.bounds(z_alone), np.zeros((len(alone), region.count)))
            known.put(alone, single)
            lost = lost + _influence(z_alone, single.low, single.high)
        if len(members):
            at = labels[members]
            known.put(members, _relu_members(
                own.take(members), own_scales[members], heads.take(at), (low[at], high[at]), classes, region
            ))
        sides.append(known)
        scales.append(np.where(labels >= 0, np.abs(own_scales), 0.0))
    return relu(z, region), scales, sides, lost


def _nothing(forms: Forms, n: int) -> Known:
    return Known(forms.zeros(n), *np.zeros((3, n, forms.radii.shape[2])))


def _relu_members(
    rows: Rows, scales: Array, heads: Rows, bounds: tuple[Array, Array], classes: Forms, region: Region
) -> Known:
    """Return what is known of members of classes: max(z, 0) = |s| max(z_c, 0) + rest.

    rest = max(z', 0) - max(|s| z_c, 0) with z' = z, or for a negative scale z' = -z and z on top.
    """
    size, turned = np.abs(scales), np.flatnonzero(scales < 0.0)
    if len(turned):
        rows = rows.signed(np.sign(scales))
    delta = evaluate(minus(rows, size, heads), classes)
    head = [_outward(size[:, np.newaxis] * end, step) for end, step in zip(bounds, (-1.0, 1.0))]
    d = region.bounds(delta)
    own = [_outward(h + end, step) for h, end, step in zip(head, d, (-1.0, 1.0))]
    rest = _difference_of_relus(delta, d, own, head)
    if len(turned):
        z = evaluate(rows.take(turned), classes)  # of -z
        rest.values[turned] -= z.values
        sizes = z.magnitude + rest.magnitude[turned]
        rest.radii[turned] = (rest.radii[turned] + z.radii) * GUARD + 4.0 * UNIT_ROUNDOFF * sizes
        own[0][turned], own[1][turned] = -own[1][turned], -own[0][turned]
    return Known(rest, own[0], own[1], np.maximum(np.abs(d[0]), np.abs(d[1])))


def _outward(values: Array, direction: float) -> Array:
    """Move a rounded result outwards by more than its rounding."""
    return values + direction * (4.0 * UNIT_ROUNDOFF * np.abs(values) + SMALLEST)


def _difference_of_relus(
    delta: Forms, d: Sequence[Array], a: Sequence[Array], b: Sequence[Array]
) -> Forms:
    """Return forms of max(z_a, 0) - max(z_b, 0), where z_a - z_b = delta and each lies within its bounds.

    1. delta + [-max(-b_low, 0), max(-a_low, 0)],   exact where both are active;
    2. [max(min(d_low, 0), -max(b_high, 0)), min(max(d_high, 0), max(a_high, 0))],   0 where both are dead;
    3. delta / 2 +- max|delta| / 2.

    The interval is the intersection of 1 and 2, the linear form the one of the three that adds least to the error.
    """
    below_a, below_b = np.maximum(-a[0], 0.0), np.maximum(-b[0], 0.0)
    low = np.maximum(np.minimum(d[0], 0.0), -np.maximum(b[1], 0.0))
    high = np.minimum(np.maximum(d[1], 0.0), np.maximum(a[1], 0.0))
    middles = np.stack([(below_a - below_b) / 2.0, low / 2.0 + high / 2.0, np.zeros_like(low)])
    halves = np.stack([below_a + below_b, high - low, np.maximum(np.abs(d[0]), np.abs(d[1]))]) / 2.0
    slopes = np.array([1.0, 0.0, 0.5])
    best = np.argmin(slopes[:, np.newaxis, np.newaxis] * delta.radii[:, -1] + halves, axis=0)
    pick = [np.take_along_axis(choices, best[np.newaxis], 0)[0] for choices in (middles, halves)]
    result = sloped(delta, slopes[best], *pick)
    low = np.maximum(low, _outward(d[0] - below_b, -1.0))
    high = np.minimum(high, _outward(d[1] + below_a, 1.0))
    return with_interval(*result, low, np.maximum(low, high))


def _influence(z: Forms, low: Array, high: Array) -> Array:
    """Return how much each input's slope takes part in what unstable neurons' linear bounds lose, (p, B)."""
    u, l = np.maximum(high, 0.0), np.maximum(-low, 0.0)  # noqa: E741
    slopes = np.abs(z.slopes)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(u * l > 0.0, u / (u + l) * l / slopes.sum(axis=1), 0.0)
    return np.einsum("npb,nb->pb", slopes, np.where(np.isfinite(weight), weight, 0.0))


def binary_layer(
    rows: Sequence[Rows], match: Match, classes: Forms, region: Region
) -> tuple[Forms, list[Array], list[Known], Array]:
    """Return what `relu_layer` does, for s(z) = 1 if z > 0 else 0, at points further from hyperplanes than the drift.

    A member's value is its representative's there, or 1 minus it where the sign is turned.
    """
    heads = chosen(rows, match)
    scales, sides = [], []
    for own, labels, own_scales in zip(rows, match.labels, match.scales):
        z = evaluate(own, classes)
        known = Known(_steps(z, region), *region.bounds(z), np.zeros((len(labels), region.count)))
        members = np.flatnonzero(labels >= 0)
        delta = evaluate(minus(own.take(members), own_scales[members], heads.take(labels[members])), classes)
        known.drift[members] = np.abs(region.bounds(delta)).max(axis=0)
        turned = (own_scales[members] < 0.0)[:, np.newaxis]
        known.rest.radii[members], known.rest.values[members] = 0.0, 0.0
        known.rest.values[members, 0] = known.rest.values[members, 1] = turned
        sides.append(known)
        scales.append(np.where(labels >= 0, np.sign(own_scales), 0.0))
    return _steps(evaluate(heads, classes), region), scales, sides, np.zeros_like(region.middle)


def certain(maps: Sequence[Affine], sides: Sequence[Side], match: Match) -> Match:
    """Return the match without binary neurons above the first layer that are not surely their representatives.

    There inputs are 0 or 1, so a whole cell can lie on a hyperplane, and nearness says nothing. With
    z = s z_c + delta, delta in [low, high] in rationals, and z (or z_c) a multiple of q as its numbers are:
    s(z) = s(z_c) if delta = 0; if 0 <= delta < q (z > 0 means z >= q > delta); or if -s q < delta <= 0.
    """
    network, index = match.representatives()
    labels = [own.copy() for own in match.labels]
    for number, (own, scales) in enumerate(zip(labels, match.scales)):
        for m in np.flatnonzero(own >= 0):
            at = network[own[m]], index[own[m]]
            if at != (number, m) and not _surely_same(
                _boolean_row(maps[number], sides[number], m), _boolean_row(maps[at[0]], sides[at[0]], at[1]), scales[m]
            ):
                own[m] = -1
    return Match(tuple(labels), match.scales)


class _BooleanRow(NamedTuple):
    """z = sum_c F_c H_c + constant + something in [low, high], and z is a multiple of the unit."""

    F: dict[int, Fraction]
    constant: Fraction
    low: Fraction
    high: Fraction
    unit: Fraction


def _boolean_row(layer: Affine, side: Side, m: int) -> _BooleanRow:
    assert layer.b is not None
    numbers = dyadic(np.append(layer.W[m], layer.b[m]))
    unit = Fraction(2) ** numbers.exponent
    *row, constant = [value * unit for value in numbers.integers.tolist()]
    F: dict[int, Fraction] = {}
    low = high = Fraction(0)
    for weight, label, scale, values, radii in zip(row, side.labels, side.scales, *side.rest):
        if label >= 0:
            F[label] = F.get(label, Fraction(0)) + weight * int(scale)
            constant += weight * int(values[0, 0])
        elif not radii.any() and (values[0] == values[0, 0]).all():
            constant += weight * int(values[0, 0])
        else:
            low, high = low + min(weight, 0), high + max(weight, 0)
    return _BooleanRow(F, constant, low, high, unit)


def _surely_same(one: _BooleanRow, other: _BooleanRow, scale: float) -> bool:
    if scale <= 0.0:
        return False
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
    return False


def _steps(z: Forms, region: Region) -> Forms:
    """Return forms of s(z): 1, 0, or 1/2 +- 1/2 where the sign is not known."""
    low, high = region.bounds(z)
    values, known = np.zeros_like(z.values), (low > 0.0) | (high <= 0.0)
    values[:, :2] = np.where(low > 0.0, 1.0, np.where(known, 0.0, 0.5))[:, np.newaxis]
    return Forms(values, np.where(known, 0.0, 0.5)[:, np.newaxis] * np.ones_like(z.radii))
