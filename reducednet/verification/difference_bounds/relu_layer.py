"""Bound one ReLU layer of two networks: the representatives, and the rest of each neuron.

An opposite neuron, z_m near -s z_c, may belong to the class as well: its activation is
max(z_m, 0) = max(-z_m, 0) + z_m, and the z_m goes to the rest.

References
----------
PROOFS, section 12.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._validation import Array
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF
from .affine_forms import GUARD, Forms, Region, linear_relaxation, outward, relu, with_interval
from .neuron_classes import (
    Match, NeuronBounds, NeuronRows, evaluate, representative_rows, subtract_multiple,
)


def relu_layer(
    rows: Sequence[NeuronRows], match: Match, H: Forms, region: Region
) -> tuple[Forms, list[Array], list[NeuronBounds], Array]:
    """Return the representatives' activations, each network's scales and bounds, and the influence.

    `Difference` says what the influence of an input is.

    Parameters
    ----------
    rows : sequence of NeuronRows
        The layer's neurons, for each network.
    match : Match
    H : Forms
        The activations of the representatives in the layer below.
    region : Region
    """
    representatives = representative_rows(rows, match)
    z = evaluate(representatives, H)
    low, high = region.bounds(z)
    influence = _influence(z, low, high)
    scales, bounds = [], []
    network, index = match.representatives()
    for number, (own, labels, own_scales) in enumerate(zip(rows, match.labels, match.scales)):
        here = network == number
        found = _zero_bounds(z, len(labels))
        found.low[index[here]], found.high[index[here]] = low[here], high[here]
        others = labels.copy()
        others[index[here]] = -1
        alone, in_class = np.flatnonzero(labels < 0), np.flatnonzero(others >= 0)
        if len(alone):
            z_alone = evaluate(own.take(alone), H)
            low_alone, high_alone = region.bounds(z_alone)
            mismatch = np.zeros((len(alone), region.n_sets))
            found.put(alone, NeuronBounds(relu(z_alone, region), low_alone, high_alone, mismatch))
            influence = influence + _influence(z_alone, low_alone, high_alone)
        if len(in_class):
            c = labels[in_class]
            found.put(in_class, _bounds_in_class(
                own.take(in_class), own_scales[in_class], representatives.take(c),
                (low[c], high[c]), H, region,
            ))
        bounds.append(found)
        scales.append(np.where(labels >= 0, np.abs(own_scales), 0.0))
    return relu(z, region), scales, bounds, influence


def _zero_bounds(forms: Forms, n: int) -> NeuronBounds:
    return NeuronBounds(forms.zeros(n), *np.zeros((3, n, forms.radii.shape[2])))


def _bounds_in_class(
    rows: NeuronRows, scales: Array, representatives: NeuronRows, bounds: tuple[Array, Array],
    H: Forms, region: Region,
) -> NeuronBounds:
    """Return the bounds on neurons with a class, max(z, 0) = |s| max(z_c, 0) + rest.

    For s > 0, rest = max(z, 0) - max(s z_c, 0); for an opposite neuron, s < 0, it is
    max(-z, 0) - max(|s| z_c, 0) + z. `representatives` and `bounds` are those of each neuron's z_c.
    """
    factors, opposite = np.abs(scales), np.flatnonzero(scales < 0.0)
    if len(opposite):
        rows = rows.with_signs(np.where(scales < 0.0, -1.0, 1.0))
    delta = evaluate(subtract_multiple(rows, factors, representatives), H)
    z_c = [outward(factors[:, np.newaxis] * end, step) for end, step in zip(bounds, (-1.0, 1.0))]
    d = region.bounds(delta)
    z = [outward(multiple + end, step) for multiple, end, step in zip(z_c, d, (-1.0, 1.0))]
    rest = _difference_of_relus(delta, d, z, z_c)
    if len(opposite):
        minus_z = evaluate(rows.take(opposite), H)
        rest.values[opposite] -= minus_z.values
        magnitude = minus_z.magnitude + rest.magnitude[opposite]
        radii = (rest.radii[opposite] + minus_z.radii) * GUARD
        rest.radii[opposite] = radii + 4.0 * UNIT_ROUNDOFF * magnitude
        z[0][opposite], z[1][opposite] = -z[1][opposite], -z[0][opposite]
    return NeuronBounds(rest, z[0], z[1], np.maximum(np.abs(d[0]), np.abs(d[1])))


def _difference_of_relus(
    delta: Forms, d: Sequence[Array], a: Sequence[Array], b: Sequence[Array]
) -> Forms:
    """Return forms of max(z_a, 0) - max(z_b, 0), with z_a - z_b = delta and each within its bounds.

    Three enclosures hold (PROOFS, Lemma 9):

    1. delta + [-max(-b_low, 0), max(-a_low, 0)],   exact where both are always on;
    2. [max(min(d_low, 0), -max(b_high, 0)),
        min(max(d_high, 0), max(a_high, 0))],       0 where both are dead;
    3. delta / 2 +- max |delta| / 2.

    The interval is the intersection of 1 and 2, the affine form that of the three with the smallest
    error.
    """
    below_a, below_b = np.maximum(-a[0], 0.0), np.maximum(-b[0], 0.0)
    low = np.maximum(np.minimum(d[0], 0.0), -np.maximum(b[1], 0.0))
    high = np.minimum(np.maximum(d[1], 0.0), np.maximum(a[1], 0.0))
    middles = np.stack([(below_a - below_b) / 2.0, low / 2.0 + high / 2.0, np.zeros_like(low)])
    widths = np.stack([below_a + below_b, high - low, np.maximum(np.abs(d[0]), np.abs(d[1]))])
    # half of the smallest number rounds to 0
    halves = widths / 2.0 + 2.0 * SMALLEST * (widths > 0.0)
    slopes = np.array([1.0, 0.0, 0.5])
    best = np.argmin(slopes[:, np.newaxis, np.newaxis] * delta.radii[:, -1] + halves, axis=0)
    strip = [np.take_along_axis(choices, best[np.newaxis], 0)[0] for choices in (middles, halves)]
    result = linear_relaxation(delta, slopes[best], *strip)
    low = np.maximum(low, outward(d[0] - below_b, -1.0))
    high = np.minimum(high, outward(d[1] + below_a, 1.0))
    return with_interval(*result, low, np.maximum(low, high))


def _influence(z: Forms, low: Array, high: Array) -> Array:
    """Return each input's share, (p, B), in the errors of the unstable neurons' relaxations.

    That of z in [-l, u] is off by up to u l / (u + l), of which inputs have shares as their slopes.
    """
    u, l = np.maximum(high, 0.0), np.maximum(-low, 0.0)  # noqa: E741
    slopes = np.abs(z.slopes)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(u * l > 0.0, u / (u + l) * l / slopes.sum(axis=1), 0.0)
    return np.einsum("npb,nb->pb", slopes, np.where(np.isfinite(share), share, 0.0))
