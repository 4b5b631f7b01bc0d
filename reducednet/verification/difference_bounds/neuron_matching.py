"""Propose which neurons of two networks are multiples of each other.

No proof depends on a match being right: a wrong one only makes the bound large.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
LEAST_COSINE = np.sqrt(0.5)
"""Nearest neurons are matched if they are at most 45 degrees apart."""
LEAST_COSINE_TO_JOIN = 0.97
"""Others join a class only if they are nearer, 14 degrees: what cancels in a pair adds up there."""
LARGEST_ASSIGNMENT = 4_000_000
"""The most pairs of neurons to choose from: the time grows with the cube of a layer's width."""


def no_match(number: int, rows: Sequence[NeuronRows], H: Forms) -> Match:
    """Leave every neuron without a class."""
    return Match(
        tuple(np.full(len(own.F), -1) for own in rows), tuple(np.zeros(len(own.F)) for own in rows)
    )


def same_indices(number: int, rows: Sequence[NeuronRows], H: Forms) -> Match:
    """Match neuron j of f with neuron j of g where their rows point the same way.

    The scale s_j = F_j . G_j / |G_j|^2 makes |F_j - s_j G_j| smallest.
    """
    F, G = (own.F for own in rows)
    n = min(len(F), len(G))
    products = np.einsum("ij,ij->i", F[:n], G[:n])
    squares_f, squares_g = (np.einsum("ij,ij->i", own[:n], own[:n]) for own in (F, G))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scales = products / squares_g
        # at most 45 degrees apart: the squared cosine is more than 1/2
        near = (products > 0.0) & (products * products > 0.5 * squares_f * squares_g)
        near &= np.isfinite(scales)
    scales = np.where(near, scales, 0.0)
    # 1 but for rounding: with 1 itself, equal rows cancel exactly
    scales[near & (np.abs(scales - 1.0) < 4.0 * len(F.T) * UNIT_ROUNDOFF)] = 1.0
    labels = np.where(near, np.cumsum(near) - 1, -1)
    n_f, n_g = len(F) - n, len(G) - n  # neurons without a partner
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
        factors = np.concatenate(norms) * np.concatenate(signs)
        return _match_of_labels(
            np.where(usable, labels, -1), lambda m, c: factors[m] / factors[c],
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


def nearest_hyperplanes(region: Region, opposite: bool) -> Matcher:
    """Return a matcher of the neurons of two networks that are nearest to each other on a domain.

    Rows may differ, and neurons may be missing or split in one of the networks. For columns
    H_c = m_c + r_c t_c, with t_c independent and uniform in [-1, 1], a neuron is the vector of its
    slopes F_c r_c / sqrt(3) and its mean z: the products of these vectors are means of products of
    z. Pairs are those of the assignment with the largest sum of cosines between vectors, where
    pairs of less than `LEAST_COSINE` are left out. Then each other neuron that is near enough to
    one in a pair joins its class, as the parts of a split neuron have to.

    With `opposite`, unstable neurons z and -z are matched too. Layers too large for an assignment
    are matched by their indices.
    """
    def match(number: int, rows: Sequence[NeuronRows], H: Forms) -> Match:
        if not len(H.values):
            return no_match(number, rows, H)
        if len(rows[0].F) * len(rows[1].F) > LARGEST_ASSIGNMENT:
            return same_indices(number, rows, H)
        f, g = (_vectors(own, H, region) for own in rows)
        in_f, in_g = _assign(_cosines(f, g, opposite))
        labels_f, labels_g = np.full(len(rows[0].F), -1), np.full(len(rows[1].F), -1)
        labels_f[in_f] = labels_g[in_g] = np.arange(len(in_g))
        for own, labels in ((f, labels_f), (g, labels_g)):
            _join_nearest(labels, _cosines(own, g.take(in_g), opposite))
        slopes = np.concatenate([f.slopes, g.slopes])

        def scales(neurons: np.ndarray, representatives: np.ndarray) -> Array:
            """Return the s for which |slopes_m - s slopes_c| is smallest."""
            of_neurons, of_representatives = slopes[neurons], slopes[representatives]
            products = np.einsum("ij,ij->i", of_neurons, of_representatives)
            return products / np.einsum("ij,ij->i", of_representatives, of_representatives)

        return _match_of_labels(np.append(labels_f, labels_g), scales, np.array([len(labels_f)]))

    return match


class _Vectors(NamedTuple):
    """Neurons as vectors, one in each row, to compare them by the angles between these.

    slopes : how z changes with each column H_c, and with the inputs by way of the rest
    directions : the slopes, normalised; 0 for dead neurons
    units : the slopes and the mean, normalised; 0 for dead neurons
    unstable : bool array
    """

    slopes: Array
    directions: Array
    units: Array
    unstable: np.ndarray

    def take(self, index: np.ndarray) -> _Vectors:
        """Return the neurons at these indices."""
        return _Vectors(*(values[index] for values in self))


def _vectors(rows: NeuronRows, H: Forms, region: Region) -> _Vectors:
    """Return neurons as vectors on the domain, see `nearest_hyperplanes`.

    Means are clipped as thresholds are in `same_hyperplanes`: those of stable neurons do not count.
    """
    low, high = (end[:, 0] for end in region.bounds(evaluate(rows, H)))
    half_range = high / 2.0 - low / 2.0
    mean = rows.F @ H.values[:, 0, 0] + rows.rest.values[:, 0, 0]
    mean = np.clip(mean, -half_range, half_range)
    slopes = np.column_stack([rows.F * H.radii[:, 0, 0], rows.rest.slopes[:, :, 0]]) / np.sqrt(3.0)
    vectors = slopes, np.column_stack([slopes, mean])
    dead = (high <= 0.0)[:, np.newaxis]
    directions, units = (np.where(dead, 0.0, normalise(one)[0]) for one in vectors)
    return _Vectors(slopes, directions, units, (low < 0.0) & (high > 0.0))


def _cosines(one: _Vectors, other: _Vectors, opposite: bool) -> Array:
    """Return the cosines between neurons, or between their directions if these are smaller.

    The directions count, as large means alone would make all always-on neurons alike.
    """
    directions, units = one.directions @ other.directions.T, one.units @ other.units.T
    if opposite:
        both = one.unstable[:, np.newaxis] & other.unstable
        signs = np.where(both & (directions < 0.0), -1.0, 1.0)
        directions, units = signs * directions, signs * units
    return np.minimum(directions, units)


def _assign(cosines: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the pairs with the largest sum of cosines."""
    from scipy.optimize import linear_sum_assignment

    i, j = linear_sum_assignment(np.maximum(cosines, LEAST_COSINE), maximize=True)
    near = cosines[i, j] > LEAST_COSINE
    return i[near], j[near]


def _join_nearest(labels: np.ndarray, cosines: Array) -> None:
    """Give neurons without a class that of the nearest pair, in place, if it is near enough."""
    if cosines.shape[1]:
        nearest = cosines.argmax(axis=1)
        near = (labels < 0) & (cosines.max(axis=1) > LEAST_COSINE_TO_JOIN)
        labels[near] = nearest[near]


def _match_of_labels(
    labels: np.ndarray, scale: Callable[[np.ndarray, np.ndarray], Array], starts: np.ndarray
) -> Match:
    """Return the match with the classes that have at least two neurons, and their scales.

    The neurons of all networks come one after the other, and `starts` are the first ones of the
    networks after the first. `scale` is called with the indices of neurons and of their
    representatives.
    """
    counts = np.bincount(labels[labels >= 0], minlength=1)
    kept = (labels >= 0) & (counts[labels] > 1)
    labels = np.where(kept, np.cumsum(counts > 1)[labels] - 1, -1)
    scales = np.zeros(len(labels))
    network, index = Match(tuple(np.split(labels, starts)), ()).representatives()
    representatives = np.append(0, starts)[network] + index
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scales[kept] = scale(np.flatnonzero(kept), representatives[labels[kept]])
    scales[representatives] = 1.0
    unusable = kept & ~(np.isfinite(scales) & (scales != 0.0))
    labels, scales = np.where(unusable, -1, labels), np.where(unusable, 0.0, scales)
    return Match(tuple(np.split(labels, starts)), tuple(np.split(scales, starts)))
