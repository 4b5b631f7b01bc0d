"""One ReLU layer of two networks: the classes' values, and what each neuron differs from its class by.

A neuron may belong to a class with its sign turned, z_m near -s z_c: max(z_m, 0) = max(-z_m, 0) + z_m, and
z_m goes to the remainder.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._validation import Array
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF
from .affine_forms import GUARD, Forms, Region, relu, sloped, with_interval
from .neuron_classes import Known, Match, Rows, chosen, evaluate, minus


def relu_layer(
    rows: Sequence[Rows], match: Match, classes: Forms, region: Region
) -> tuple[Forms, list[Array], list[Known], Array]:
    """Return the classes' values above a ReLU layer, each network's scales and `Known`, and the influence."""
    heads = chosen(rows, match)
    z = evaluate(heads, classes)
    low, high = region.bounds(z)
    lost = _influence(z, low, high)
    scales, sides = [], []
    network, index = match.representatives()
    for number, (own, labels, own_scales) in enumerate(zip(rows, match.labels, match.scales)):
        known, here = _nothing(z, len(labels)), network == number
        known.low[index[here]], known.high[index[here]] = low[here], high[here]
        others = labels.copy()
        others[index[here]] = -1
        alone, members = np.flatnonzero(labels < 0), np.flatnonzero(others >= 0)
        if len(alone):
            z_alone = evaluate(own.take(alone), classes)
            single = Known(relu(z_alone, region), *region.bounds(z_alone), np.zeros((len(alone), region.n_sets)))
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
        rows = rows.signed(np.where(scales < 0.0, -1.0, 1.0))
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
    widths = np.stack([below_a + below_b, high - low, np.maximum(np.abs(d[0]), np.abs(d[1]))])
    halves = widths / 2.0 + 2.0 * SMALLEST * (widths > 0.0)  # halves of the smallest number round to 0
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
