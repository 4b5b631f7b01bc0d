"""Bounds of the difference of two networks of one depth, layer by layer, on many regions at once.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import GUARD, Forms, Region, times
from .binary_layer import binary_layer, certain
from .neuron_classes import (
    Difference, Known, Match, Rows, Side, chosen, evaluate, lost, minus, rows_of, stacked,
)
from .relu_layer import relu_layer


Matcher = Callable[[int, Sequence[Rows], Forms], Match]
"""Called with the hidden layer's number from 0, both networks' rows and the classes below."""


def difference(
    networks: Sequence[Network], region: Region, matcher: Matcher, linear: bool = True, subregion: bool = False
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
    subregion : bool
        The matches are those of a difference over a region that contains this one: what makes binary
        neurons members is known.
    """
    classes = region.inputs()
    d = len(classes.values)
    sides = [Side(np.arange(d), np.ones(d), classes.zeros(d)) for _ in networks]
    maps = [affine_maps(network) for network in networks]
    matches: list[Match] = []
    layers: list[list[Known]] = []
    influence = np.zeros((d, region.n_sets))
    step = binary_layer if networks[0].activation == "binary" else relu_layer
    for number in range(networks[0].depth):
        rows = [rows_of(own[number], side, classes.magnitude) for own, side in zip(maps, sides)]
        match, below = matcher(number, rows, classes).normal(), classes
        if number and step is binary_layer and not subregion:
            match = certain([own[number] for own in maps], sides, match)
        classes, scales, known, loss = step(rows, match, below, region)
        if linear:
            influence += loss
        else:
            classes = classes.intervals()
            known = [own._replace(rest=own.rest.intervals()) for own in known]
        sides = [Side(*side) for side in zip(match.labels, scales, (own.rest for own in known))]
        matches.append(match)
        layers.append(known)
    forms = evaluate(outputs(maps, sides, classes.magnitude), classes)
    if region.n_sets == 1 and step is relu_layer and networks[0].depth > 1:
        other = through_active(maps, sides, classes, rows, match, layers[-1], below)
        forms = narrower(forms, other, region)
    return Difference(forms, matches, layers, influence)


def outputs(maps: Sequence[Sequence[Affine]], sides: Sequence[Side], size: Array) -> Rows:
    """Return the rows of f - g over the last hidden layer, or of f alone."""
    rows = [rows_of(own[-1], side, size) for own, side in zip(maps, sides)]
    return rows[0] if len(rows) == 1 else minus(rows[0], np.ones(len(rows[0].F)), rows[1])


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
    replaced = _combined(np.concatenate(q, axis=1), stacked(active), below.magnitude)
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
    radii[on] = half * GUARD + SMALLEST * (low[on] < 0.0)[:, np.newaxis, np.newaxis]
    return Forms(values, radii)


def _combined(q: Array, rows: Rows, below: Array) -> Rows:
    """Return the rows of q z, over classes of the magnitudes `below`."""
    n = len(rows.F)
    size = times(np.abs(q), rows.size)
    radii = times(np.abs(q), rows.rest.radii + lost(n + 2, rows.size)) * (GUARD + gamma(n + 2))
    radii += n * SMALLEST * (rows.rest.values.shape[1] + below.sum(axis=0))
    return Rows(q @ rows.F, Forms(times(q, rows.rest.values), radii), size * (GUARD + gamma(n)))


def plus(one: Forms, other: Forms) -> Forms:
    """Return the sum of two quantities."""
    values, radii = one.values + other.values, one.radii + other.radii
    return Forms(values, (radii + 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude) * GUARD)


def narrower(one: Forms, other: Forms, region: Region) -> Forms:
    """Return, quantity by quantity, the forms with the smaller bound of the absolute value."""
    sizes = [np.maximum(-low, high).max(axis=1) for low, high in (region.bounds(one), region.bounds(other))]
    better = (sizes[1] < sizes[0])[:, np.newaxis, np.newaxis]
    return Forms(np.where(better, other.values, one.values), np.where(better, other.radii, one.radii))


def fixed_matches(matches: Sequence[Match]) -> Matcher:
    """Return the matcher that says again what was said before."""
    return lambda number, rows, classes: matches[number]
