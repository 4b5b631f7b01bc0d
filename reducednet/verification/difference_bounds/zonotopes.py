"""Bound the difference of two deep ReLU networks by differential zonotopes, on many boxes at once.

An affine form c + a.t +- e of a relaxed neuron forgets where its error e came from. Here each error
is a symbol of its own, e t_new with t_new in [-1, 1], so that errors cancel further up, as those of
the inputs do. Three zonotopes are kept: the activations of f, those of g, and the rests
r = h_m - |s| H_c of neurons that are matched with a representative; each sharpens the others'
bounds. The field calls this differential verification (NeurDiff: Paulsen, Wang, Wang, Wang, ASE
2020, arXiv 2009.09943; VeryDiff: Teuber, Kern, Janzen, Beckert, AAAI 2025).

References
----------
PROOFS, section 24.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import (
    GUARD, Forms, Region, absolute_product, absolute_sums, n_roundings, outward, product_with_forms,
    relu_between,
)
from .neuron_classes import (
    LayerActivations, Match, NeuronRows, evaluate, rows_over_classes, subtract_multiple,
    summation_error,
)
from .relu_layer import difference_of_relus, influence_of_inputs

ROUNDING = 2.0**-30
"""Errors that are a smaller part of the values than this are rounding errors: they stay errors."""


class Zonotope(NamedTuple):
    """Affine forms over some of the symbols.

    forms : Forms
    symbols : integer array (p,), the numbers of the symbols; the inputs are 0 to d - 1
    """

    forms: Forms
    symbols: np.ndarray

    def over_all(self, index: np.ndarray, n_symbols: int) -> Forms:
        """Return the forms at these indices with a slope for each of the symbols."""
        values = self.forms.values[index]
        result = np.zeros((len(index), 2 + n_symbols, values.shape[2]))
        result[:, :2] = values[:, :2]
        result[:, 2 + self.symbols] = values[:, 2:]
        return Forms(result, self.forms.radii[index])


class Bounds(NamedTuple):
    """Bounds low <= v <= high, arrays (n, B)."""

    low: Array
    high: Array

    def take(self, index: np.ndarray) -> Bounds:
        """Return the bounds at these indices."""
        return Bounds(self.low[index], self.high[index])

    def within(self, other: Bounds) -> Bounds:
        """Return the intersection with other bounds."""
        return Bounds(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    def plus(self, scale: Array, other: Bounds) -> Bounds:
        """Return bounds of v + scale w, scale > 0."""
        low, high = outward(scale * other.low, -1.0), outward(scale * other.high, 1.0)
        return Bounds(outward(self.low + low, -1.0), outward(self.high + high, 1.0))

    def negative(self) -> Bounds:
        """Return bounds of -v."""
        return Bounds(-self.high, -self.low)


class Members(NamedTuple):
    """The neurons of one network that are near a multiple of their representative, one of g's.

    Arrays (n,): the neuron's index, its class, its scale s > 0, and the index of g's neuron.
    """

    index: np.ndarray
    label: np.ndarray
    scale: Array
    index_c: np.ndarray


class ZonotopeDifference(NamedTuple):
    """Bounds of f - g over each box.

    low, high : arrays (n_outputs, B)
    slopes : array (n_outputs, d, B), of f - g along the coordinates t of the boxes
    influence : array (d, B), see `Difference`
    """

    low: Array
    high: Array
    slopes: Array
    influence: Array


def zonotope_difference(
    networks: tuple[Network, Network], region: Region, matches: Sequence[Match]
) -> ZonotopeDifference:
    """Bound f - g over each box of the region.

    Parameters
    ----------
    networks : (f, g)
        ReLU networks of one depth.
    region : Region
        Of boxes.
    matches : sequence of Match
        The classes of each hidden layer.
    """
    maps = [affine_maps(network) for network in networks]
    H = region.inputs()
    d = n_symbols = len(H.values)
    own = [Zonotope(H, np.arange(d)) for _ in networks]
    below = [LayerActivations(np.arange(d), np.ones(d), H.zeros(d)) for _ in networks]
    influence = np.zeros((d, region.n_sets))
    for number, match in enumerate(matches):
        z = [affine(layers[number], h) for layers, h in zip(maps, own)]
        rows = [rows_over_classes(layers[number], h, H.magnitude) for layers, h in zip(maps, below)]
        match, representatives, members = with_representatives_in_g(match)
        bounds = [Bounds(*region.bounds(one.forms)) for one in z]
        delta = [
            _delta(rows[k], rows[1], H, z[k], z[1], own_members, region, n_symbols)
            for k, own_members in enumerate(members)
        ]
        of_delta = [
            _bounds_of_delta(forms, bounds[k], bounds[1], own_members, region)
            for k, (forms, own_members) in enumerate(zip(delta, members))
        ]
        bounds = [
            _sharpened(own_bounds, bounds[1], change, own_members)
            for own_bounds, change, own_members in zip(bounds, of_delta, members)
        ]
        h = [relu_between(one.forms, *own_bounds) for one, own_bounds in zip(z, bounds)]
        errors = [one.radii[:, 1] for one in h]
        own = []
        for forms, one in zip(h, z):
            own.append(_with_symbols(forms, one.symbols, n_symbols))
            n_symbols += own[-1].forms.values.shape[1] - forms.values.shape[1]
        rests = [
            _rest(delta[k], of_delta[k], bounds[k], bounds[1], own_members)
            for k, own_members in enumerate(members)
        ]
        rests = [
            _better_rest(rests[k], bounds[k], bounds[1], own[k], own[1], errors[k], errors[1], members[k], n_symbols, d)
            for k in (0, 1)
        ]
        rests, n_symbols = _symbols_of_rests(rests, n_symbols)
        below = [
            _activations(match.labels[k], match.scales[k], members[k], rests[k], own[k], n_symbols)
            for k in (0, 1)
        ]
        H = own[1].over_all(representatives, n_symbols)
        for one, own_bounds in zip(z, bounds):
            influence += influence_of_inputs(one.forms, *own_bounds, d)
    return _outputs(maps, own, below, H, region, influence)


def affine(layer: Affine, h: Zonotope) -> Zonotope:
    """Return W h + b.

    Each term of W v has at most n roundings, and the sum with b one more, of the result.
    """
    W, forms = layer.W, h.forms
    n = W.shape[1]
    values = product_with_forms(W, forms)
    if layer.b is not None:
        values[:, :2] += layer.b[:, np.newaxis, np.newaxis]
    error = forms.radii + summation_error(n_roundings(W) + 1, forms.magnitude)
    radii = absolute_product(W, error) + 2.0 * UNIT_ROUNDOFF * np.abs(values[:, :2])
    radii = radii * (GUARD + gamma(n + 3)) + n * values.shape[1] * SMALLEST
    return Zonotope(Forms(values, radii), h.symbols)


def with_representatives_in_g(match: Match) -> tuple[Match, np.ndarray, list[Members]]:
    """Return the match with representatives in g alone, their indices, and each network's members.

    Classes without a neuron of g and opposite neurons are dropped: these neurons stand alone.
    """
    network, index = match.representatives()
    in_g = network == 1
    numbers = np.append(np.where(in_g, np.cumsum(in_g) - 1, -1), -1)
    representatives = index[in_g]
    labels, scales, members = [], [], []
    for k, (own, given) in enumerate(zip(match.labels, match.scales)):
        label, alone = numbers[own], np.zeros(len(own), dtype=bool)
        is_representative = np.zeros(len(own), dtype=bool)
        if k == 1:
            is_representative[representatives] = True
        alone = (label < 0) | (given <= 0.0) & ~is_representative
        label = np.where(alone, -1, label)
        scale = np.where(alone, 0.0, np.where(is_representative, 1.0, given))
        m = np.flatnonzero(~alone & ~is_representative)
        labels.append(label)
        scales.append(scale)
        members.append(Members(m, label[m], scale[m], representatives[label[m]]))
    return Match((labels[0], labels[1]), (scales[0], scales[1])), representatives, members


def _delta(
    rows: NeuronRows, rows_g: NeuronRows, H: Forms, z: Zonotope, z_g: Zonotope, members: Members,
    region: Region, n_symbols: int,
) -> Forms:
    """Return forms of delta = z_m - s z_c: by the rows' difference, or by the zonotopes'."""
    m, c, s = members.index, members.index_c, members.scale
    delta = evaluate(subtract_multiple(rows.take(m), s, rows_g.take(c)), H)
    return _replaced_where_narrower(delta, _spread(delta), z, z_g, members, n_symbols, len(region.middle))


def _spread(forms: Forms) -> Array:
    """Return how far the forms reach to each side of their middles c."""
    return absolute_sums(forms.slopes) + forms.radii[:, 1]


def _replaced_where_narrower(
    forms: Forms, spread: Array, one: Zonotope, other: Zonotope, members: Members, n_symbols: int, d: int,
    least: Array | None = None,
) -> Forms:
    """Return the forms, but one_m - s other_c where that spreads less than `spread`."""
    m, c, s = members.index, members.index_c, members.scale[:, np.newaxis]
    if least is None:
        a = one.forms.slopes[:, :d][m] - s[:, np.newaxis] * other.forms.slopes[:, :d][c]
        own, own_c = (
            absolute_sums(part.forms.slopes[:, d:]) + part.forms.radii[:, 1] for part in (one, other)
        )
        least = absolute_sums(a) + own[m] + s * own_c[c]
    narrower = least < spread
    which = np.flatnonzero(narrower.any(axis=1))
    if not len(which):
        return forms
    difference = _subtract(
        one.over_all(m[which], n_symbols), s[which], other.over_all(c[which], n_symbols)
    )
    values, radii = np.zeros((len(s), 2 + n_symbols, forms.values.shape[2])), forms.radii.copy()
    values[:, :forms.values.shape[1]] = forms.values
    here = narrower[which][:, np.newaxis]
    values[which, 1:] = np.where(here, difference.values[:, 1:], values[which, 1:])
    radii[which, 1:] = np.where(here, difference.radii[:, 1:], radii[which, 1:])
    return Forms(values, radii)


def _subtract(one: Forms, scale: Array, other: Forms) -> Forms:
    """Return forms of one - scale other."""
    s = scale[:, np.newaxis]
    result = Forms(one.values - s * other.values, one.radii + s * other.radii)
    error = 2.0 * UNIT_ROUNDOFF * (result.magnitude + s * other.magnitude)
    radii = (result.radii + error) * GUARD + 4.0 * result.values.shape[1] * SMALLEST
    return Forms(result.values, radii)


def _bounds_of_delta(
    delta: Forms, bounds: Bounds, bounds_g: Bounds, members: Members, region: Region
) -> Bounds:
    """Return bounds of delta by its forms and by the bounds of both neurons."""
    scale = members.scale[:, np.newaxis]
    by_ends = bounds.take(members.index).plus(scale, bounds_g.take(members.index_c).negative())
    return Bounds(*region.bounds(delta)).within(by_ends)


def _sharpened(bounds: Bounds, bounds_g: Bounds, of_delta: Bounds, members: Members) -> Bounds:
    """Return the bounds within those of s z_c + delta."""
    scale, m = members.scale[:, np.newaxis], members.index
    low, high = bounds.low.copy(), bounds.high.copy()
    through = of_delta.plus(scale, bounds_g.take(members.index_c))
    low[m], high[m] = bounds.take(m).within(through)
    return Bounds(low, high)


def _rest(
    delta: Forms, of_delta: Bounds, bounds: Bounds, bounds_g: Bounds, members: Members
) -> Forms:
    """Return forms of relu(z_m) - relu(s z_c)."""
    own, scale = bounds.take(members.index), members.scale[:, np.newaxis]
    of_g = bounds_g.take(members.index_c)
    multiple = outward(scale * of_g.low, -1.0), outward(scale * of_g.high, 1.0)
    return difference_of_relus(delta, of_delta, own, multiple)


def _better_rest(
    rest: Forms, bounds: Bounds, bounds_g: Bounds, own: Zonotope, own_g: Zonotope, errors: Array, errors_g: Array,
    members: Members, n_symbols: int, d: int,
) -> Forms:
    m, c, s = members.index, members.index_c, members.scale[:, np.newaxis]
    least = errors[m] + s * errors_g[c]
    off = (bounds.high[m] <= 0.0) | (bounds_g.high[c] <= 0.0)
    least = np.where(off, 0.0, least)
    return _replaced_where_narrower(rest, rest.radii[:, 1], own, own_g, members, n_symbols, d, least)


def _with_symbols(forms: Forms, symbols: np.ndarray, n_symbols: int) -> Zonotope:
    """Return the forms with each error e that matters as the slope of a new symbol.

    v = c + a.t +- e is c + a.t + e t_new for some t_new in [-1, 1], in each point of the box.
    """
    index = _relaxed(forms)
    n, p, n_sets = forms.values.shape
    values, radii = np.zeros((n, p + len(index), n_sets)), forms.radii.copy()
    values[:, :p] = forms.values
    values[index, p + np.arange(len(index))] = radii[index, 1]
    radii[index, 1] = 0.0
    return Zonotope(
        Forms(values, radii), np.append(symbols, n_symbols + np.arange(len(index)))
    )


def _symbols_of_rests(rests: Sequence[Forms], n_symbols: int) -> tuple[list[Forms], int]:
    """Return the rests of both networks with symbols for their errors, over all symbols."""
    relaxed = [_relaxed(rest) for rest in rests]
    total = n_symbols + sum(map(len, relaxed))
    result = []
    for rest, index in zip(rests, relaxed):
        n, p, n_sets = rest.values.shape
        values, radii = np.zeros((n, 2 + total, n_sets)), rest.radii.copy()
        values[:, :p] = rest.values
        values[index, 2 + n_symbols + np.arange(len(index))] = radii[index, 1]
        radii[index, 1] = 0.0
        result.append(Forms(values, radii))
        n_symbols += len(index)
    return result, total


def _relaxed(forms: Forms) -> np.ndarray:
    """Return the numbers of the quantities whose forms have more than rounding errors."""
    largest = np.abs(forms.values[:, 0]) + forms.radii[:, 0]
    return np.flatnonzero((forms.radii[:, 1] > ROUNDING * largest).any(axis=1))


def _activations(
    labels: np.ndarray, scales: Array, members: Members, rests: Forms, own: Zonotope, n_symbols: int
) -> LayerActivations:
    """Return h_m = s H_c + rest, the rest of a neuron alone being its h."""
    n, n_sets = len(labels), rests.values.shape[2]
    values, radii = np.zeros((n, 2 + n_symbols, n_sets)), np.zeros((n, 2, n_sets))
    values[members.index], radii[members.index] = rests
    alone = np.flatnonzero(labels < 0)
    if len(alone):
        values[alone], radii[alone] = own.over_all(alone, n_symbols)
    return LayerActivations(labels, scales, Forms(values, radii))


def _outputs(
    maps: Sequence[Sequence[Affine]], own: Sequence[Zonotope], below: Sequence[LayerActivations],
    H: Forms, region: Region, influence: Array,
) -> ZonotopeDifference:
    """Return bounds of f - g: by the rows' difference and by that of the zonotopes."""
    y, y_g = (affine(layers[-1], h) for layers, h in zip(maps, own))
    rows = [rows_over_classes(layers[-1], h, H.magnitude) for layers, h in zip(maps, below)]
    everything, n_symbols = np.arange(len(y.forms.values)), H.values.shape[1] - 2
    outputs = Members(everything, everything, np.ones(len(everything)), everything)
    delta = _delta(rows[0], rows[1], H, y, y_g, outputs, region, n_symbols)
    bounds = [Bounds(*region.bounds(one.forms)) for one in (y, y_g)]
    low, high = _bounds_of_delta(delta, bounds[0], bounds[1], outputs, region)
    return ZonotopeDifference(low, high, delta.slopes[:, :len(region.middle)], influence)
