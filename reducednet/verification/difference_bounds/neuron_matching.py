"""Propose which neurons of two networks are multiples of each other.

No proof depends on a match being right: a wrong one only makes the bound large.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ...numerics.equal_rows import classes_of_rows
from ...numerics.rounding import UNIT_ROUNDOFF
from ...numerics.sphere import normalise
from .affine_forms import Forms, Region
from .difference import Matcher
from .neuron_classes import Match, NeuronRows, evaluate

TOLERANCES = (2.0**-44, 2.0**-34, 2.0**-20)
"""Hyperplanes count as equal within the first of these distances, then within the next one."""


def no_match(number: int, rows: Sequence[NeuronRows], H: Forms) -> Match:
    """Leave every neuron without a class."""
    return Match(
        tuple(np.full(len(own.F), -1) for own in rows), tuple(np.zeros(len(own.F)) for own in rows)
    )


def same_indices(number: int, rows: Sequence[NeuronRows], H: Forms) -> Match:
    """Match neuron j of f with neuron j of g where their rows point the same way.

    The scale s_j = F_j . G_j / |G_j|^2 makes |F_j - s_j G_j| smallest.
    """
    one, other = rows
    n = min(len(one.F), len(other.F))
    products = np.einsum("ij,ij->i", one.F[:n], other.F[:n])
    squares_f, squares_g = (np.einsum("ij,ij->i", own.F[:n], own.F[:n]) for own in rows)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scales = products / squares_g
        # at most 45 degrees apart
        near = (products > 0.0) & (products * products > 0.5 * squares_f * squares_g)
        near &= np.isfinite(scales)
    scales = np.where(near, scales, 0.0)
    scales[near & (np.abs(scales - 1.0) < 4.0 * len(one.F.T) * UNIT_ROUNDOFF)] = 1.0
    labels = np.where(near, np.cumsum(near) - 1, -1)
    n_f, n_g = len(one.F) - n, len(other.F) - n  # neurons without a partner
    return Match(
        (np.append(labels, np.full(n_f, -1)), np.append(labels, np.full(n_g, -1))),
        (np.append(scales, np.zeros(n_f)), np.append(np.where(near, 1.0, 0.0), np.zeros(n_g))),
    )


def similar_first_layers(f: Network, g: Network) -> bool:
    """Return True if half of up to 64 first-layer rows point the same way: try `same_indices`."""
    n = min(f.sizes[1], g.sizes[1])
    sample = np.linspace(0, n - 1, min(n, 64)).astype(int)
    one, other = (normalise(network.weights[0][sample])[0] for network in (f, g))
    return bool(2 * (np.einsum("ij,ij->i", one, other) > 0.7).sum() >= len(sample))


def same_hyperplanes(region: Region, tolerance: float, opposite: bool) -> Matcher:
    """Return a matcher of neurons that have the same hyperplane to within a tolerance.

    Neurons are compared by their unit rows and thresholds, (w, clip(b, low, high) / X): thresholds
    are clipped to the interval outside which they are dead or always on, and X bounds the norm of
    the inputs. With `opposite`, neurons (w, b) and -(w, b) are matched too.
    """
    def match(number: int, rows: Sequence[NeuronRows], H: Forms) -> Match:
        if not len(H.values):
            return no_match(number, rows, H)
        keys, norms, signs = zip(*(_keys(number, own, H, region, opposite) for own in rows))
        labels = classes_of_rows(np.concatenate(keys), tolerance)
        usable = np.concatenate(norms) > 0.0
        return _match_of_labels(
            np.where(usable, labels, -1), np.concatenate(norms), np.concatenate(signs),
            np.cumsum([len(own.F) for own in rows])[:-1],
        )

    return match


def _keys(
    number: int, rows: NeuronRows, H: Forms, region: Region, opposite: bool
) -> tuple[Array, Array, Array]:
    """Return the vectors by which neurons are compared, the norms of their rows, and their signs.

    With `opposite`, neurons that are not stable get the sign that brings their rows to one side of
    a random hyperplane. Dead neurons get the norm 0.
    """
    units, norms = normalise(rows.F)
    if region.kind == "box" and number == 0:  # there affine forms give the same bounds
        rows, H = rows.intervals(), H.intervals()
    low, high = (end[:, 0] for end in region.bounds(evaluate(rows, H)))
    X = max(float(np.hypot.reduce(H.magnitude[:, 0, 0])), np.finfo(float).tiny)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        b = np.where(norms > 0.0, rows.rest.values[:, 0, 0] / norms, 0.0)
        low, high = (np.where(norms > 0.0, end / norms, 0.0) for end in (low, high))
        b = np.clip(b, b - high, b - low) / X  # z in [low, high] means w.h in [low - b, high - b]
    signs = np.ones(len(units))
    if opposite:
        unstable = (low < 0.0) & (high > 0.0)
        direction = np.random.default_rng(0).standard_normal(units.shape[1])
        signs[unstable & (units @ direction < 0.0)] = -1.0
    keys = np.column_stack([units, b]) * signs[:, np.newaxis]
    norms = np.where(high > 0.0, norms, 0.0)  # a dead neuron's activation is 0: it needs no class
    return np.where(np.isfinite(keys), keys, 0.0), norms, signs


def _match_of_labels(
    labels: np.ndarray, norms: Array, signs: Array, split: np.ndarray
) -> Match:
    """Return the match with the classes that have at least two neurons, and their scales.

    The neurons of all networks come one after the other, and `split` is where the next one starts.
    """
    counts = np.bincount(labels[labels >= 0], minlength=1)
    kept = (labels >= 0) & (counts[labels] > 1)
    labels = np.where(kept, np.cumsum(counts > 1)[labels] - 1, -1)
    match = Match(tuple(np.split(labels, split)), tuple(np.split(signs, split)))
    network, index = match.representatives()
    representatives = np.append(0, split)[network] + index
    factors, scales = norms * signs, np.zeros(len(labels))
    with np.errstate(over="ignore"):
        scales[kept] = factors[kept] / factors[representatives[labels[kept]]]
    scales[representatives] = 1.0
    overflowed = kept & ~(np.isfinite(scales) & (scales != 0.0))
    labels, scales = np.where(overflowed, -1, labels), np.where(overflowed, 0.0, scales)
    return Match(tuple(np.split(labels, split)), tuple(np.split(scales, split)))
