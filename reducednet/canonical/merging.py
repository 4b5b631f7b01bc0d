"""Equal neurons of one hidden layer brought together: turned to one side, grouped, sorted, added up."""
from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..numerics.equal_rows import Labels, groups_of_rows
from .neurons import ShallowNeurons


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


def exact_sum(values: list[float]) -> float:
    """Return the sum, rounded once; inf or nan where it, or a term, leaves the range of float64.

    Examples
    --------
    >>> exact_sum([1.0, 1e100, -1e100])
    1.0
    >>> exact_sum([1e308, 1e308, -1e308])
    1e+308
    """
    try:
        return math.fsum(values)
    except ValueError:  # inf - inf
        return math.nan
    except OverflowError:  # of a partial sum
        pass
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return math.inf


def exact_sums(terms: Array) -> Array:
    """Return the sums over the first axis, each rounded once, as an array of the other axes.

    Raises
    ------
    ValueError
        If a sum leaves the range of float64.

    Examples
    --------
    >>> exact_sums(np.array([[1.0], [1e100], [-1e100]]))
    array([1.])
    """
    flat = terms.reshape(len(terms), math.prod(terms.shape[1:]))
    sums = np.array([exact_sum(column) for column in flat.T.tolist()])
    return finite_result(sums.reshape(terms.shape[1:]), "a sum of the canonical form")
