"""Normalise, classify and merge the neurons of one hidden layer, with bounds on the errors."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..domains import Domain
from ..networks.activations import ACTIVATIONS
from ..networks.network import Network
from ..numerics.equal_rows import Labels, classes_of_rows
from ..numerics.exact_sums import exact_sum
from ..numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from ..reduced_space.intervals import LayerSpace
from ..reduced_space.layer_reduction import unit_directions


class ShallowNeurons(NamedTuple):
    """One hidden layer with normalised rows: |z_j - norms_j (units_j.x + t_j)| <= error_j.

    Attributes
    ----------
    W, b, C : arrays (n, d), (n,), (K, n)
        The parameters of the network.
    units, norms, t : arrays (n, d), (n,), (n,)
    scales : array (n,)
        Factors of the outgoing weights: the norms for ReLU, ones for binary.
    on, unstable, constant : bool arrays (n,)
        Always on; hyperplane through the interior of the domain; zero row. Dead neurons and those
        without outgoing weights are none of these.
    error : array (n,)
        A bound on the rounding error of z_j on the domain.
    stability_error : array (n,)
        How far z_j can be above 0 for a dead neuron, or below 0 for one that is always on.
    A : array (d,)
        The largest |x_i| on the domain.
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
    unstable: np.ndarray
    constant: np.ndarray
    error: Array
    stability_error: Array
    A: Array
    X_B: float


def largest_inputs(domain: Domain) -> Array:
    """Return A with |x_i| <= A_i on the domain, (n_inputs,), whatever the rounding."""
    largest = np.abs(domain.bounding_box()).max(axis=0)
    return np.asarray(largest * (1.0 + gamma(domain.n_inputs + 4)) + SMALLEST)


def interval_error(domain: Domain, units: Array) -> Array:
    """Return twice the rounding error that `reduce` allows for each row's interval, as (n,)."""
    return 2.0 * LayerSpace(domain, ACTIVATIONS["relu"], "support").rounding_error(units)


def shallow_neurons(network: Network, domain: Domain) -> ShallowNeurons:
    """Return the neurons of the one hidden layer, classified on the domain.

    With [low, high] = I(w), a neuron is dead if its threshold t is at most low, and always on if t
    is at least high, to within the rounding error of the interval. If it is both, the nearer end
    decides.

    References
    ----------
    THEORY, Prop. 2 and section 5.
    """
    (W,), (b,), C = network.weights, network.thresholds, network.output_weights
    units, norms = unit_directions(W)
    A, margin = largest_inputs(domain), interval_error(domain, units)
    zero, used = norms == 0.0, C.any(axis=0)
    t = b / np.where(zero, 1.0, norms)
    above, below = t + domain.support(units), domain.support(-units) - t
    dead, on = above <= np.minimum(margin, below), below <= margin
    scales = np.ones_like(norms) if network.activation == "binary" else norms
    error = _scaling_error(W, b, units, norms, t, A)
    stability_error = np.maximum(norms * (np.where(dead, above, below) + margin) + error, 0.0)
    stability_error[zero | ~np.isfinite(t) | ~(dead | on)] = 0.0
    return ShallowNeurons(
        W, b, C, units, norms, t, scales,
        on=used & on & ~dead & ~zero,
        unstable=used & ~dead & ~on & ~zero,
        constant=used & zero,
        error=np.where(zero | ~np.isfinite(t), 0.0, error),
        stability_error=np.where(used, stability_error, 0.0),
        A=A,
        X_B=domain.norm_bound,
    )


def _scaling_error(W: Array, b: Array, units: Array, norms: Array, t: Array, A: Array) -> Array:
    """Return a bound on |w.x + b - norm (unit.x + t)| on the domain: residual and its rounding."""
    residual = np.abs(W - norms[:, np.newaxis] * units) @ A + np.abs(b - norms * t)
    rounding = 4.0 * UNIT_ROUNDOFF * (np.abs(W) @ A + np.abs(b)) + 2.0 * SMALLEST * (A.sum() + 1.0)
    return np.asarray((residual + rounding) * (1.0 + gamma(len(A) + 8)))


class MergedNeurons(NamedTuple):
    """The classes of unstable neurons with one hyperplane, as the n rows of the form.

    Attributes
    ----------
    indices : integer array (n_unstable,)
        The unstable neurons of the network.
    opposite : bool array (n_unstable,)
        Whether the form contains the opposite neuron.
    labels : integer array (n_unstable,)
        The class of each neuron, 0 .. n - 1.
    W, b : arrays (n, d), (n,)
        The representatives of the classes.
    opposite_representatives : bool array (n,)
        `opposite` of the representatives.
    error : array (n_unstable,)
        A bound on |z - z'| on the domain, for the unit rows of a neuron and its representative.
    """

    indices: Labels
    opposite: np.ndarray
    labels: Labels
    W: Array
    b: Array
    opposite_representatives: np.ndarray
    error: Array


def merge_neurons(neurons: ShallowNeurons, tolerance: float) -> MergedNeurons:
    """Orient the unstable neurons, merge those on one hyperplane and sort the classes.

    A neuron whose first non-zero weight is negative is replaced by its opposite. The neuron with
    the largest outgoing weights represents its class.
    """
    indices = np.flatnonzero(neurons.unstable)
    units, gaps = neurons.units[indices], np.full(neurons.units.shape[1] + 1, tolerance)
    gaps[-1] *= neurons.X_B
    first = (np.abs(units) > tolerance).argmax(axis=1)
    opposite = units[np.arange(len(units)), first] < 0.0
    signs = np.where(opposite, -1.0, 1.0)[:, np.newaxis]
    P = np.column_stack([units, neurons.t[indices]]) * signs + 0.0
    # classes depend on the order of the rows: sort, so that the network's own order does not matter
    projection = np.einsum("ij,j->i", P, np.random.default_rng(0).random(P.shape[1]))
    order = np.argsort(projection, kind="stable")
    indices, opposite, P = indices[order], opposite[order], P[order]
    labels = classes_of_rows(P, gaps)
    outgoing = (np.abs(neurons.C) * neurons.scales).max(axis=0)[indices]
    by_outgoing = np.lexsort((-outgoing, labels))
    largest = by_outgoing[np.unique(labels[by_outgoing], return_index=True)[1]]
    sorting = sorted_rows(P[largest], gaps)
    largest, labels = largest[sorting], np.argsort(sorting)[labels]
    error = np.abs(P - P[largest[labels]]) @ np.append(neurons.A, 1.0)
    W, b = P[largest, :-1], P[largest, -1]
    return MergedNeurons(indices, opposite, labels, W, b, opposite[largest], error)


def sorted_rows(P: Array, gaps: Array) -> Labels:
    """Return the lexicographic order of the rows, where entries nearer than the gap count as equal.

    Rounding then does not change the order of rows that differ by more than the gap somewhere.

    Examples
    --------
    >>> sorted_rows(np.array([[1.0, 3.0], [1.0 + 1e-15, 2.0], [0.0, 5.0]]), np.full(2, 1e-14)).tolist()
    [2, 1, 0]
    """
    rank, active = np.zeros(len(P), dtype=np.intp), np.arange(len(P))
    for values, gap in zip(P.T, gaps):
        active = active[np.lexsort((values[active], rank[active]))]
        positions = np.arange(len(active))
        block = np.append(True, np.diff(rank[active]) > 0)[:len(active)]
        part = block | np.append(True, np.diff(values[active]) > gap)[:len(active)]
        start_of_part = np.maximum.accumulate(positions * part)
        rank[active] += start_of_part - np.maximum.accumulate(positions * block)
        number_of_part = np.cumsum(part) - 1
        active = active[np.bincount(number_of_part, minlength=1)[number_of_part] > 1]
    return np.argsort(rank, kind="stable")


def column_sums(columns: Array, labels: Labels, n: int) -> tuple[Array, Array]:
    """Return the sum of the columns of each of n classes, rounded once, and its magnitude."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(n + 1))
    sums, magnitudes = columns[:, order[bounds[:-1]]], np.zeros((len(columns), n))
    several = np.flatnonzero(np.diff(bounds) > 1)
    starts, stops = bounds[several].tolist(), bounds[several + 1].tolist()
    for k, column in enumerate(columns):
        magnitudes[k] = np.bincount(labels, np.abs(column), n)
        values = column[order].tolist()
        sums[k, several] = [exact_sum(values[start:stop]) for start, stop in zip(starts, stops)]
    return finite_result(sums, "an outgoing weight of the canonical form"), magnitudes
