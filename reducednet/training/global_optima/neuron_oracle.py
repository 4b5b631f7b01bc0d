"""Find the neuron that a vector of multipliers values most.

Multipliers lambda, one a sample, with sum 0, value the neuron s(w.x + b), |w| = 1, at

    phi(w, b) = sum_i lambda_i s(w.x_i + b),    s(z) = max(z, 0).

For a fixed w this is piecewise linear in b, with breakpoints at b = -w.x_i. It is 0 where no sample
is on and constant where all are, so |phi(w, .)| is largest at one of the breakpoints: at the
threshold of a neuron whose hyperplane passes through a sample, the pivot. What remains is a maximum
over w for each pivot. One and two inputs have closed forms (docs/global-optima.md, section 7).
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array, message
from ...numerics import sphere
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma


MOST_POINTS = 10_000
"""Different samples of two inputs that are accepted: their pairs need 7 GB."""


class Neurons(NamedTuple):
    """Unit rows, thresholds, and the value phi of each as it was computed."""

    weights: Array
    thresholds: Array
    values: Array

    def largest(self, n: int) -> Neurons:
        """Return the n neurons of largest |value|, the largest first."""
        order = np.argsort(-np.abs(self.values), kind="stable")[:n]
        return Neurons(self.weights[order], self.thresholds[order], self.values[order])


class LineOracle:
    """Values of all neurons of one input: w is 1 or -1.

    Parameters
    ----------
    X : array (n_samples, 1)
    """

    exact = True

    def __init__(self, X: Array) -> None:
        self.X = X

    def best(self, multipliers: Array) -> Neurons:
        """Return the neurons of both directions whose breakpoint is a sample."""
        directions = np.array([[1.0], [-1.0]])
        values = values_at_samples(self.X @ directions.T, multipliers)
        weights = np.repeat(directions, len(self.X), axis=0)
        thresholds = -(self.X @ directions.T).T.ravel()
        return Neurons(weights, thresholds, values.T.ravel())


class PlaneOracle:
    """The best neuron of two inputs through each sample, in closed form.

    Let v_k = x_k - p for a pivot p. The samples that are on at w = (cos t, sin t) are those with
    w.v_k > 0. They change only at directions normal to some v_k, the events; between two events

        phi = r.w,    r = sum over samples that are on of lambda_k v_k,

    whose largest |phi| is |r|, if r or -r lies in the arc, and otherwise stands at an end.
    The order of the events does not depend on lambda: it is sorted once.

    Parameters
    ----------
    X : array (n_samples, 2)
        Needs 72 bytes for each pair of different samples: 300 MB for 2000 of them. There may be
        MOST_POINTS at most.
    """

    exact = True

    def __init__(self, X: Array) -> None:
        self.points, groups = np.unique(X, axis=0, return_inverse=True)
        self._groups = groups.ravel()
        m = len(self.points)
        if m > MOST_POINTS:
            expected = f"at most {MOST_POINTS} different samples, as memory grows with their pairs"
            raise ValueError(message("X", expected, f"{m} of them"))
        others = np.array([np.delete(np.arange(m), i) for i in range(m)]).reshape(m, m - 1)
        v = np.moveaxis(self.points[others] - self.points[:, np.newaxis], -1, 0)
        units = np.moveaxis(sphere.normalise(v.reshape(2, -1).T)[0].reshape(m, m - 1, 2), -1, 0)

        # w.v_k rises through 0 at the clockwise normal of v_k, and falls through 0 at the other.
        rises = -_left(units)
        events = np.concatenate([rises, -rises], axis=-1)
        angles = np.arctan2(events[1], events[0])
        self._others = others
        self._on_at_start = np.where(angles[:, m - 1:] < angles[:, :m - 1], v, 0.0)
        order = np.argsort(angles, axis=-1, kind="stable")
        self._sample = np.take_along_axis(np.concatenate([others, others], axis=-1), order, axis=-1)
        both = np.concatenate([v, -v], axis=-1)
        self._change = np.take_along_axis(both, order[np.newaxis], axis=-1)
        self._begin = np.take_along_axis(events, order[np.newaxis], axis=-1)
        self._end = np.roll(self._begin, -1, axis=-1)

    def best(self, multipliers: Array) -> Neurons:
        """Return the best neuron through each sample; one sample alone has none."""
        if len(self.points) == 1:
            return Neurons(np.empty((0, 2)), np.empty(0), np.empty(0))
        weight = np.bincount(self._groups, multipliers, len(self.points))
        r = np.cumsum(weight[self._sample] * self._change, axis=-1)
        r += np.einsum("ik,jik->ji", weight[self._others], self._on_at_start)[..., np.newaxis]

        at_begin = _dot(r, self._begin)
        best, pivots = np.abs(at_begin).argmax(axis=1), np.arange(len(self.points))
        values, W = at_begin[pivots, best], self._begin[:, pivots, best]

        # |r| is at least any value in its arc, so that few arcs need a closer look: 3 times faster.
        # No squares: below 1e-162 and above 1e154 they leave float64, and arcs would be missed.
        lengths = np.hypot(*r)
        pivot, arc = np.nonzero(lengths > np.abs(values)[:, np.newaxis])
        r, length = r[:, pivot, arc], lengths[pivot, arc]
        begin, end = self._begin[:, pivot, arc], self._end[:, pivot, arc]
        direction, inside = _in_arc(r / length, begin, end)
        pivot, length, direction = pivot[inside], length[inside], direction[:, inside]
        by_length = np.argsort(length, kind="stable")  # of several at one pivot, the last one stays
        pivot, direction = pivot[by_length], direction[:, by_length]
        values[pivot] = length[by_length] * np.sign(_dot(r[:, inside][:, by_length], direction))
        W[:, pivot] = direction

        W = sphere.normalise(W.T)[0]
        return Neurons(W, -np.einsum("ij,ij->i", W, self.points), values)


class SearchOracle:
    """Good neurons of three and more inputs, by ascent from random directions.

    The best threshold of a direction is exact, and the direction climbs along the gradient of phi
    on the sphere. The largest value may be missed, so it bounds nothing.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
    rng : Generator
    """

    exact = False
    N_STARTS, N_STEPS, N_KEPT = 64, 12, 32

    def __init__(self, X: Array, rng: np.random.Generator) -> None:
        self.X, self.rng = X, rng
        self._found = np.empty((0, X.shape[1]))

    def best(self, multipliers: Array) -> Neurons:
        """Return the best neuron of each direction; earlier ones start the search too."""
        W = np.vstack([sphere.sample(self.N_STARTS, self.X.shape[1], self.rng), self._found])
        step = np.full(len(W), 1.0)
        neurons = self._at_best_threshold(W, multipliers)
        for _ in range(self.N_STEPS):
            on = neurons.weights @ self.X.T + neurons.thresholds[:, np.newaxis] > 0.0
            gradient = sphere.project(neurons.weights, (on * multipliers) @ self.X)
            direction = sphere.normalise(np.sign(neurons.values)[:, np.newaxis] * gradient)[0]
            trial = self._at_best_threshold(
                sphere.retract(neurons.weights, step[:, np.newaxis] * direction), multipliers)
            better = np.abs(trial.values) > np.abs(neurons.values)
            step = np.where(better, step, step / 3.0)
            neurons = Neurons(*(
                np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
                for new, old in zip(trial, neurons)))
        self._found = neurons.largest(self.N_KEPT).weights
        return neurons

    def _at_best_threshold(self, W: Array, multipliers: Array) -> Neurons:
        """Return the neurons of these directions, each through its best sample."""
        Z = self.X @ W.T
        values = values_at_samples(Z, multipliers)
        best, columns = np.abs(values).argmax(axis=0), np.arange(len(W))
        return Neurons(W, -Z[best, columns], values[best, columns])


Oracle = LineOracle | PlaneOracle | SearchOracle


def oracle_for(X: Array, rng: np.random.Generator) -> Oracle:
    """Return the oracle for samples of this dimension."""
    return exact_oracle(X) if X.shape[1] <= 2 else SearchOracle(X, rng)


def exact_oracle(X: Array) -> LineOracle | PlaneOracle:
    """Return the oracle for samples of one or two inputs."""
    return LineOracle(X) if X.shape[1] == 1 else PlaneOracle(X)


def largest_value(oracle: LineOracle | PlaneOracle, X: Array, multipliers: Array) -> float:
    """Return an upper bound of |phi(w, b)| over all unit rows w and all thresholds b.

    The multipliers sum to 0 exactly. The oracle's arithmetic may be off by

        (4 gamma_(4m + 16) + 64 u) T + 16 m eta,    T = max_i sum_k |lambda_k| |x_k - x_i|_1 :

    each term lambda_k v_k enters a sum of at most 4m roundings up to three times; a computed event
    lies within 32 u of the true one (arctan2 to 4 units in the last place), so that terms which
    are on at the wrong side of it are below 32 u |lambda_k| |v_k|; T itself is computed. The last
    term, with the smallest number eta > 0, is for products that underflow.
    """
    spread = max(
        float(np.abs(multipliers) @ np.abs(X - x).sum(axis=1)) for x in np.unique(X, axis=0)
    )
    found = np.abs(oracle.best(multipliers).values).max(initial=0.0)
    charge = (4.0 * gamma(4 * len(X) + 16) + 64.0 * UNIT_ROUNDOFF) * spread
    return float(found + charge + 16 * len(X) * SMALLEST)


def values_at_samples(Z: Array, multipliers: Array) -> Array:
    """Return phi for each column w.x of Z and the thresholds b = -w.x_i: array (n_samples, n).

    Going down the sorted values z_1 >= z_2 >= ..., the slope is the sum of the multipliers passed:
    phi_k = phi_(k-1) + (lambda_1 + ... + lambda_(k-1)) (z_(k-1) - z_k). No large numbers cancel.
    """
    order = np.argsort(-Z, axis=0, kind="stable")
    z = np.take_along_axis(Z, order, axis=0)
    slopes = np.cumsum(multipliers[order], axis=0)
    values = np.zeros_like(Z)
    np.cumsum(slopes[:-1] * (z[:-1] - z[1:]), axis=0, out=values[1:])
    result = np.empty_like(Z)
    np.put_along_axis(result, order, values, axis=0)
    return result


def _in_arc(directions: Array, begin: Array, end: Array) -> tuple[Array, Any]:
    """Return each unit vector or its negative, and whether it lies in its arc, up to rounding.

    Arcs run counter-clockwise from begin to end and are at most half a circle; of the two vectors
    the one on the side of the arc's middle is taken. All arrays have shape (2, n).
    """
    middle = begin + end + _left(begin) - _left(end)
    directions = np.where(_dot(directions, middle) >= 0.0, directions, -directions)
    tolerance = -64.0 * UNIT_ROUNDOFF
    inside = (_cross(begin, directions) >= tolerance) & (_cross(directions, end) >= tolerance)
    return directions, inside


def _left(v: Array) -> Array:
    """Return the vectors (2, ...) turned by a right angle, counter-clockwise."""
    return np.stack([-v[1], v[0]])


def _dot(u: Array, v: Array) -> Array:
    """Return u.v of vectors (2, ...)."""
    return np.asarray(u[0] * v[0] + u[1] * v[1])


def _cross(u: Array, v: Array) -> Array:
    """Return u_1 v_2 - u_2 v_1: positive if v lies counter-clockwise of u."""
    return np.asarray(u[0] * v[1] - u[1] * v[0])
