"""Bound the difference of two networks of equal depth, layer by layer, on many regions at once.

The field calls this differential verification, as in ReluDiff (Paulsen, Wang, Wang, ICSE 2020;
arXiv 2001.03662), which compares neurons of the same index; here neurons are matched first.

References
----------
PROOFS, section 12.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import GUARD, Forms, Region, matrix_product
from .binary_layer import binary_layer, keep_proved
from .neuron_classes import (
    Difference, LayerActivations, Match, NeuronBounds, NeuronRows, concatenate_rows, evaluate,
    representative_rows, rows_over_classes, subtract_multiple, summation_error,
)
from .relu_layer import relu_layer


Matcher = Callable[[int, Sequence[NeuronRows], Forms], Match]
"""Called with a hidden layer's number, from 0, each network's rows, and the H below them."""

LINEAR_PRODUCTS = 400_000_000
"""How many products affine forms may cost in deep networks; above that, use intervals alone."""


def linear_forms_are_cheap(f: Network, g: Network) -> bool:
    """Return True if affine forms of all layers are worth their cost.

    One hidden layer always needs them: intervals cannot cancel its inputs.
    """
    products = (f.n_parameters + g.n_parameters) * (f.n_inputs + 2)
    return f.depth == 1 or products <= LINEAR_PRODUCTS


def difference(
    networks: Sequence[Network], region: Region, matcher: Matcher, linear: bool = True,
    subregion: bool = False,
) -> Difference:
    """Bound f - g, or f alone, over each set of the region.

    Parameters
    ----------
    networks : (f, g) or (f,)
        Of one depth and activation.
    region : Region
    matcher : callable
        Proposes the classes of each hidden layer.
    linear : bool
        Keep affine forms through all layers; otherwise intervals from the second layer on.
    subregion : bool
        The matches come from `difference` over a larger region. Then binary neurons are known to
        agree with their representatives, and this is not proved again.
    """
    H = region.inputs()
    d = len(H.values)
    activations = [LayerActivations(np.arange(d), np.ones(d), H.zeros(d)) for _ in networks]
    maps = [affine_maps(network) for network in networks]
    matches: list[Match] = []
    layers: list[list[NeuronBounds]] = []
    influence = np.zeros((d, region.n_sets))
    binary = networks[0].activation == "binary"
    bound_layer = binary_layer if binary else relu_layer
    for number in range(networks[0].depth):
        rows = [
            rows_over_classes(own[number], below, H.magnitude)
            for own, below in zip(maps, activations)
        ]
        match, H_below = matcher(number, rows, H).with_unit_representatives(), H
        if number and binary and not subregion:
            match = keep_proved([own[number] for own in maps], activations, match)
        H, scales, bounds, layer_influence = bound_layer(rows, match, H_below, region)
        if linear:
            influence += layer_influence
        else:
            H = H.intervals()
            bounds = [own._replace(rest=own.rest.intervals()) for own in bounds]
        activations = [
            LayerActivations(*layer)
            for layer in zip(match.labels, scales, (own.rest for own in bounds))
        ]
        matches.append(match)
        layers.append(bounds)
    forms = evaluate(_output_rows(maps, activations, H.magnitude), H)
    if region.n_sets == 1 and not binary and networks[0].depth > 1:
        other = _bound_without_always_on(maps, activations, H, rows, match, layers[-1], H_below)
        forms = _tighter(forms, other, region)
    return Difference(forms, matches, layers, influence)


def _output_rows(
    maps: Sequence[Sequence[Affine]], below: Sequence[LayerActivations], magnitude: Array
) -> NeuronRows:
    """Return the rows of f - g over the last hidden layer's representatives; or of f alone."""
    rows = [rows_over_classes(own[-1], layer, magnitude) for own, layer in zip(maps, below)]
    if len(rows) == 1:
        return rows[0]
    return subtract_multiple(rows[0], np.ones(len(rows[0].F)), rows[1])


def _bound_without_always_on(
    maps: Sequence[Sequence[Affine]], activations: Sequence[LayerActivations], H: Forms,
    rows: Sequence[NeuronRows], match: Match, bounds: Sequence[NeuronBounds], H_below: Forms,
) -> Forms:
    """Return forms of f - g with the last hidden layer's always-on neurons replaced by their rows.

    Their h = z + nu with 0 <= nu <= max(-low, 0), and z is a row over the layer below. So what
    cancels among several neurons, as in the pair (u, -u) that carries a constant, cancels before it
    is bounded. `rows`, `match` and `bounds` are those of the last hidden layer.
    """
    representatives = representative_rows(rows, match)
    network, index = match.representatives()
    low = np.zeros(len(H.values))
    for number, own in enumerate(bounds):
        low[network == number] = own.low[index[network == number], 0]
    magnitude, on = H.magnitude, low >= -_always_on_tolerance(H)
    excess, alone_on = [], []
    for own, labels, layer in zip(bounds, match.labels, activations):
        alone = (labels < 0) & (own.low[:, 0] >= -_always_on_tolerance(layer.rest))
        excess.append(layer._replace(rest=_only_excess(layer.rest, alone, own.low[:, 0])))
        alone_on.append(np.flatnonzero(alone))
    left = _output_rows(maps, excess, magnitude)
    # outgoing weights of the neurons that are replaced, and their rows
    outgoing = [left.F[:, on]]
    outgoing += [sign * own[-1].W[:, j] for sign, own, j in zip((1.0, -1.0), maps, alone_on)]
    replaced = [representatives.take(np.flatnonzero(on))]
    replaced += [own.take(j) for own, j in zip(rows, alone_on)]
    always_on = _combine_rows(
        np.concatenate(outgoing, axis=1), concatenate_rows(replaced), H_below.magnitude
    )
    return _add(evaluate(left, _only_excess(H, on, low)), evaluate(always_on, H_below))


def _always_on_tolerance(forms: Forms) -> Array:
    """Return how far below 0 the lower bound on z may be for a neuron to count as always on."""
    return 2.0**-30 * forms.magnitude[:, 0, 0]


def _only_excess(forms: Forms, on: np.ndarray, low: Array) -> Forms:
    """Return the forms with nu in [0, max(-low, 0)] in place of the neurons that are always on."""
    values, radii = forms.values.copy(), forms.radii.copy()
    values[on], radii[on] = 0.0, 0.0
    half = np.maximum(-low[on], 0.0)[:, np.newaxis, np.newaxis] / 2.0
    values[on, :2] = half
    radii[on] = half * GUARD + SMALLEST * (low[on] < 0.0)[:, np.newaxis, np.newaxis]
    return Forms(values, radii)


def _combine_rows(q: Array, rows: NeuronRows, magnitude_below: Array) -> NeuronRows:
    """Return the rows of q z, over representatives of these magnitudes."""
    n = len(rows.F)
    magnitude = matrix_product(np.abs(q), rows.magnitude)
    radii = matrix_product(np.abs(q), rows.rest.radii + summation_error(n + 2, rows.magnitude))
    radii *= GUARD + gamma(n + 2)
    radii += n * SMALLEST * (rows.rest.values.shape[1] + magnitude_below.sum(axis=0))
    rest = Forms(matrix_product(q, rows.rest.values), radii)
    return NeuronRows(q @ rows.F, rest, magnitude * (GUARD + gamma(n)))


def _add(one: Forms, other: Forms) -> Forms:
    """Return forms of one + other."""
    values, radii = one.values + other.values, one.radii + other.radii
    return Forms(values, (radii + 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude) * GUARD)


def _tighter(one: Forms, other: Forms, region: Region) -> Forms:
    """Return, for each quantity, the forms with the smaller bound of its absolute value."""
    largest = [
        np.maximum(-low, high).max(axis=1)
        for low, high in (region.bounds(one), region.bounds(other))
    ]
    better = (largest[1] < largest[0])[:, np.newaxis, np.newaxis]
    values = np.where(better, other.values, one.values)
    return Forms(values, np.where(better, other.radii, one.radii))


def fixed_matches(matches: Sequence[Match]) -> Matcher:
    """Return a matcher that gives these matches, one for each hidden layer."""
    return lambda number, rows, H: matches[number]
