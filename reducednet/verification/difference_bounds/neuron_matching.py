"""Which neurons of two networks belong together: proposals, which the bounds are then found with.

Nothing here has to be right for a proof to be right: a wrong match only makes a bound large.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ...numerics.equal_rows import groups_of_rows
from ...numerics.rounding import UNIT_ROUNDOFF
from ...numerics.sphere import normalise
from .affine_forms import Forms, Region
from .difference import Matcher
from .neuron_classes import Match, Rows, evaluate

TOLERANCES = (2.0**-44, 2.0**-34, 2.0**-20)
"""The ladder of distances within which hyperplanes are tried as the same one."""


def no_match(number: int, rows: Sequence[Rows], classes: Forms) -> Match:
    """Match nothing: every neuron on its own."""
    return Match(
        tuple(np.full(len(own.F), -1) for own in rows), tuple(np.zeros(len(own.F)) for own in rows)
    )


def same_indices(number: int, rows: Sequence[Rows], classes: Forms) -> Match:
    """Match neuron j with neuron j where their rows point the same way, with the best scale.

    s_j = F_j . G_j / |G_j|^2, the scale that makes |F_j - s_j G_j| smallest.
    """
    one, other = rows
    n = min(len(one.F), len(other.F))
    both = np.einsum("ij,ij->i", one.F[:n], other.F[:n])
    mine, theirs = (np.einsum("ij,ij->i", own.F[:n], own.F[:n]) for own in rows)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        near = (both > 0.0) & (both * both > 0.5 * mine * theirs) & np.isfinite(both / theirs)
        scales = np.where(near, both / theirs, 0.0)
    exact = near & (np.abs(scales - 1.0) < 4.0 * len(one.F.T) * UNIT_ROUNDOFF)
    scales[exact] = 1.0
    return _as_match(near, scales, len(one.F), len(other.F))


def _as_match(near: np.ndarray, scales: Array, n_one: int, n_other: int) -> Match:
    n = len(near)
    names = np.where(near, np.cumsum(near) - 1, -1)
    labels = [np.append(names, np.full(count - n, -1)) for count in (n_one, n_other)]
    first = np.append(np.where(near, scales, 0.0), np.zeros(n_one - n))
    second = np.append(np.where(near, 1.0, 0.0), np.zeros(n_other - n))
    return Match(tuple(labels), (first, second))


def similar_first_layers(f: Network, g: Network) -> bool:
    """Tell whether matching by places is worth a try: most of some first rows of either point the same way."""
    n = min(f.sizes[1], g.sizes[1])
    some = np.linspace(0, n - 1, min(n, 64)).astype(int)
    one, other = (normalise(network.weights[0][some])[0] for network in (f, g))
    return bool(2 * (np.einsum("ij,ij->i", one, other) > 0.7).sum() >= len(some))


def same_hyperplanes(region: Region, tolerance: float, flips: bool) -> Matcher:
    """Return the matcher of neurons with the same hyperplane to within a tolerance, whatever their places.

    Neurons are compared by (w, clip(b, low, high) / X): unit rows, thresholds clipped to the interval that
    matters, X the size of their inputs. With `flips`, (w, b) and -(w, b) are one hyperplane too.
    """
    def match(number: int, rows: Sequence[Rows], classes: Forms) -> Match:
        if not len(classes.values):
            return no_match(number, rows, classes)
        keys, norms, signs = zip(*(_keys(number, own, classes, region, flips) for own in rows))
        labels = groups_of_rows(np.concatenate(keys), tolerance)
        usable = np.concatenate(norms) > 0.0
        return _classes(np.where(usable, labels, -1), np.concatenate(norms), np.concatenate(signs),
                        np.cumsum([len(own.F) for own in rows])[:-1])

    return match


def _keys(
    number: int, rows: Rows, classes: Forms, region: Region, flips: bool
) -> tuple[Array, Array, Array]:
    """Return what neurons are compared by, the norms of their rows and the signs they are turned by."""
    units, norms = normalise(rows.F)
    if region.kind == "box" and number == 0:  # there intervals are as good as slopes
        rows, classes = rows.intervals(), classes.intervals()
    low, high = (end[:, 0] for end in region.bounds(evaluate(rows, classes)))
    size = max(float(np.hypot.reduce(classes.magnitude[:, 0, 0])), np.finfo(float).tiny)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        b = np.where(norms > 0.0, rows.rest.values[:, 0, 0] / norms, 0.0)
        low, high = (np.where(norms > 0.0, end / norms, 0.0) for end in (low, high))
        b = np.clip(b, b - high, b - low) / size  # z in [low, high] means w.h in [low - b, high - b]
    signs = np.ones(len(units))
    if flips:
        cuts = (low < 0.0) & (high > 0.0)
        direction = np.random.default_rng(0).standard_normal(units.shape[1])
        signs[cuts & (units @ direction < 0.0)] = -1.0
    keys = np.column_stack([units, b]) * signs[:, np.newaxis]
    norms = np.where(high > 0.0, norms, 0.0)  # never active: 0, and needs no class
    return np.where(np.isfinite(keys), keys, 0.0), norms, signs


def _classes(labels: np.ndarray, norms: Array, signs: Array, split: np.ndarray) -> Match:
    """Return the match of groups with at least two members; the representative's scale is 1."""
    counts = np.bincount(labels[labels >= 0], minlength=1)
    kept = (labels >= 0) & (counts[labels] > 1)
    labels = np.where(kept, np.cumsum(counts > 1)[labels] - 1, -1)
    match = Match(tuple(np.split(labels, split)), tuple(np.split(signs, split)))
    network, index = match.representatives()
    starts = np.append(0, split)
    heads = starts[network] + index
    scales = np.zeros(len(labels))
    with np.errstate(over="ignore"):
        scales[kept] = (norms * signs)[kept] / (norms * signs)[heads[labels[kept]]]
    scales[heads] = 1.0
    wrong = kept & ~(np.isfinite(scales) & (scales != 0.0))
    labels, scales = np.where(wrong, -1, labels), np.where(wrong, 0.0, scales)
    return Match(tuple(np.split(labels, split)), tuple(np.split(scales, split)))
