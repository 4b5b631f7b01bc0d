"""The neurons of one hidden layer on a domain: unit rows, their kinds, and how far off these are."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..domains import Domain
from ..networks.activations import ACTIVATIONS
from ..networks.network import Network
from ..numerics.equal_rows import Labels, groups_of_rows
from ..numerics.exact_sums import exact_sum
from ..numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from ..reduced_space.intervals import LayerSpace
from ..reduced_space.layer_reduction import unit_directions


class ShallowNeurons(NamedTuple):
    """One hidden layer in units of its rows' norms, z_j = scales_j (units_j.x + t_j) + error_j.

    Attributes
    ----------
    W, b, C : arrays (n, d), (n,), (K, n)
        As the network has them.
    units, norms, t : arrays (n, d), (n,), (n,)
    scales : array (n,)
        What goes to the outgoing column: the norms for ReLU, ones for binary.
    on, cut, constant : bool arrays (n,)
        Always on; through the interior; a zero row. Neurons without outgoing weights are none of
        these, and neither are dead ones.
    error : array (n,)
        max over the domain of the error of z_j.
    overlap : array (n,)
        How far the z_j of a dead or an always-on neuron can still be on the other side of 0.
    A : array (d,)
        The largest |x_i|.
    X_B : float
    """

    W: Array
    b: Array
    C: Array
    units: Array
    norms: Array
    t: Array
    scales: Array
    on: np.ndarray
    cut: np.ndarray
    constant: np.ndarray
    error: Array
    overlap: Array
    A: Array
    X_B: float


def largest_inputs(domain: Domain) -> Array:
    """Return A >= |x_i| on the domain, as (n_inputs,), rounding included."""
    largest = np.abs(domain.bounding_box()).max(axis=0)
    return np.asarray(largest * (1.0 + gamma(domain.n_inputs + 4)) + SMALLEST)


def end_slack(domain: Domain, units: Array) -> Array:
    """Return twice what `reduce` allows for the rounding of each unit row's interval ends, as (n,)."""
    return 2.0 * LayerSpace(domain, ACTIVATIONS["relu"], "support").rounding_error(units)


def shallow_neurons(network: Network, domain: Domain) -> ShallowNeurons:
    """Return the neurons of the one hidden layer, with their kinds on the domain.

    With [low, high] = I(w), a threshold t within rounding of low makes a dead neuron, one within rounding of
    high one that is always on. If it is both, the nearer end decides.

    References
    ----------
    THEORY, Prop. 2 and section 5.
    """
    (W,), (b,), C = network.weights, network.thresholds, network.output_weights
    units, norms = unit_directions(W)
    A, slack = largest_inputs(domain), end_slack(domain, units)
    zero, used = norms == 0.0, C.any(axis=0)
    t = b / np.where(zero, 1.0, norms)
    above, below = t + domain.support(units), domain.support(-units) - t
    dead, on = above <= np.minimum(slack, below), below <= slack
    ones = np.ones_like(norms) if network.activation == "binary" else norms
    error = _scaling_error(W, b, units, norms, t, A)
    overlap = np.maximum(norms * (np.where(dead, above, below) + slack) + error, 0.0)
    overlap[zero | ~np.isfinite(t) | ~(dead | on)] = 0.0
    return ShallowNeurons(
        W, b, C, units, norms, t, ones, used & on & ~dead & ~zero, used & ~dead & ~on & ~zero, used & zero,
        np.where(zero | ~np.isfinite(t), 0.0, error), np.where(used, overlap, 0.0), A, domain.norm_bound,
    )


def _scaling_error(W: Array, b: Array, units: Array, norms: Array, t: Array, A: Array) -> Array:
    """Return max over the domain of |w.x + b - norm (unit.x + t)|: the residual, and its own rounding."""
    off = np.abs(W - norms[:, np.newaxis] * units) @ A + np.abs(b - norms * t)
    rounding = 4.0 * UNIT_ROUNDOFF * (np.abs(W) @ A + np.abs(b)) + 2.0 * SMALLEST * (A.sum() + 1.0)
    return np.asarray((off + rounding) * (1.0 + gamma(len(A) + 8)))


class MergedNeurons(NamedTuple):
    """The cutting neurons after turning and merging: rows of the form, and what went into each.

    Attributes
    ----------
    members : integer array (n_cut,)
        The network's cutting neurons.
    turned : bool array (n_cut,)
    place : integer array (n_cut,)
        The row of the form that each goes into.
    W, b : arrays (n, d), (n,)
    turned_rows : bool array (n,)
    drift : array (n_cut,)
        max over the domain of the change of w.x + b.
    """

    members: Labels
    turned: np.ndarray
    place: Labels
    W: Array
    b: Array
    turned_rows: np.ndarray
    drift: Array


def merge_neurons(neurons: ShallowNeurons, tolerance: float) -> MergedNeurons:
    """Turn the cutting neurons, group equal ones and sort the groups.

    A group is written by its neuron of the largest outgoing weights.
    """
    members = np.flatnonzero(neurons.cut)
    units, gaps = neurons.units[members], np.full(neurons.units.shape[1] + 1, tolerance)
    gaps[-1] *= neurons.X_B
    first = (np.abs(units) > tolerance).argmax(axis=1)
    turned = units[np.arange(len(units)), first] < 0.0
    P = np.column_stack([units, neurons.t[members]]) * np.where(turned, -1.0, 1.0)[:, np.newaxis] + 0.0
    order = np.argsort(np.einsum("ij,j->i", P, np.random.default_rng(0).random(P.shape[1])), kind="stable")
    members, turned, P = members[order], turned[order], P[order]  # whatever order the network has them in
    labels = groups_of_rows(P, gaps)
    size = (np.abs(neurons.C) * neurons.scales).max(axis=0)[members]
    by_size = np.lexsort((-size, labels))
    largest = by_size[np.unique(labels[by_size], return_index=True)[1]]
    sorting = sorted_rows(P[largest], gaps)
    largest, place = largest[sorting], np.argsort(sorting)[labels]
    drift = np.abs(P - P[largest[place]]) @ np.append(neurons.A, 1.0)
    return MergedNeurons(members, turned, place, P[largest, :-1], P[largest, -1], turned[largest], drift)


def sorted_rows(P: Array, gaps: Array) -> Labels:
    """Return the order of the rows by their entries, first to last; entries nearer than the gap count as equal.

    Rounding then does not change the order of rows that differ by more than it somewhere.

    Examples
    --------
    >>> sorted_rows(np.array([[1.0, 3.0], [1.0 + 1e-15, 2.0], [0.0, 5.0]]), np.full(2, 1e-14)).tolist()
    [2, 1, 0]
    """
    rank, active = np.zeros(len(P), dtype=np.intp), np.arange(len(P))
    for values, gap in zip(P.T, gaps):
        active = active[np.lexsort((values[active], rank[active]))]
        places = np.arange(len(active))
        block = np.append(True, np.diff(rank[active]) > 0)[:len(active)]
        part = block | np.append(True, np.diff(values[active]) > gap)[:len(active)]
        rank[active] += np.maximum.accumulate(places * part) - np.maximum.accumulate(places * block)
        number_of_part = np.cumsum(part) - 1
        active = active[np.bincount(number_of_part, minlength=1)[number_of_part] > 1]
    return np.argsort(rank, kind="stable")


def column_sums(columns: Array, place: Labels, n: int) -> tuple[Array, Array]:
    """Return the exactly rounded sums of the columns that go into each place, and those of their sizes."""
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(n + 1))
    sums, sizes = columns[:, order[ends[:-1]]], np.zeros((len(columns), n))
    several = np.flatnonzero(np.diff(ends) > 1)
    for k, column in enumerate(columns):
        sizes[k] = np.bincount(place, np.abs(column), n)
        values, starts, stops = column[order].tolist(), ends[several].tolist(), ends[several + 1].tolist()
        sums[k, several] = [exact_sum(values[start:stop]) for start, stop in zip(starts, stops)]
    return finite_result(sums, "an outgoing weight of the canonical form"), sizes
