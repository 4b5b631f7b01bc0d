"""Draw candidate neurons for the exchange: hyperplanes between samples along many directions."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ...numerics import sphere
from ...numerics.rounding import SMALLEST, gamma
from ...reduced_space.reduced_network import ReducedNetwork

SWEEP_CANDIDATES = 1 << 17
"""About how many candidates a sweep draws for two or more inputs, opposite ones not counted."""

MAX_DIRECTIONS = 256


class Pool(NamedTuple):
    """Candidate neurons: all splits of the samples, sorted along each of m directions.

    Candidate (i, s) activates the samples ``order[i, :s + 1]``, those with the largest w.x. The
    last one along each direction, s = n_samples - 1, is the constant neuron.

    Attributes
    ----------
    units : array (m, n_inputs)
    order : integer array (m, n_samples)
    thresholds : array (m, n_samples)
    allowed : bool array (m, n_samples)
        Whether a threshold separates the samples in spite of rounding and lies in its interval.
    """

    units: Array
    order: np.ndarray
    thresholds: Array
    allowed: np.ndarray

    @property
    def counts(self) -> Array:
        """|g|^2 of the candidates along one direction, (n_samples,)."""
        return np.arange(1.0, self.order.shape[1] + 1.0)

    def products(self, v: Array, out: Array | None = None) -> Array:
        """Return g.v of every candidate column g, (m, n_samples), for v (n_samples,)."""
        out = np.take(v, self.order, out=out, mode="clip")  # "raise" would make a copy
        return np.cumsum(out, axis=1, out=out)

    def column(self, i: int, s: int) -> Array:
        """Return the activations (n_samples,) of candidate (i, s)."""
        g = np.zeros(self.order.shape[1])
        g[self.order[i, :s + 1]] = 1.0
        return g

    def neuron(self, i: int, s: int) -> Array:
        """Return the weights and the threshold (n_inputs + 1,) of candidate (i, s)."""
        return np.append(self.units[i], self.thresholds[i, s])


def make_pool(network: Network, X: Array, units: Array) -> Pool:
    """Return the candidates along the directions, with thresholds midway between the samples.

    Parameters
    ----------
    network : Network
        A ReducedNetwork gives the intervals.
    X : array (n_samples, n_inputs)
    units : array (m, n_inputs)
        Unit rows.

    Returns
    -------
    Pool
    """
    P = units @ X.T
    order = np.argsort(-P, axis=1, kind="stable")
    P = np.take_along_axis(P, order, axis=1)
    high, low, last = P[:, :-1], P[:, 1:], P[:, -1:]
    middle = low / 2.0 + high / 2.0
    middle = np.where((low <= middle) & (middle < high), middle, low)
    thresholds = np.hstack([-middle, np.maximum(1.0, np.abs(last)) - last]) + 0.0
    margin = _margin(X)
    if isinstance(network, ReducedNetwork):
        intervals = network.layer_spaces[0].intervals(units)
        thresholds[:, -1:] = intervals[:, 1:]
        inside = (intervals[:, :1] <= thresholds) & (thresholds <= intervals[:, 1:])
    else:
        inside = np.ones(thresholds.shape, dtype=bool)
    separates = np.hstack([high - low > margin, last + thresholds[:, -1:] > margin / 4.0])
    return Pool(units, order, thresholds, inside & separates)


def _margin(X: Array) -> float:
    """Return the gap in w.x above which a threshold midway separates two samples in floating point.

    z = w.x + b, w.x and the midpoint have 3 n_inputs + 3 rounding errors of terms up to |x|. None
    of them changes the sign of z for one input, where w = 1 or -1.
    """
    d = X.shape[1]
    return 0.0 if d == 1 else 8.0 * (gamma(d + 6) * float(sphere.row_norms(X).max()) + (d + 1) * SMALLEST)


def directions(network: Network, X: Array, W: Array, rng: np.random.Generator) -> Array:
    """Draw the unit rows whose hyperplanes a sweep tries.

    For one input, 1 and -1. For more, a third each: random rows; rows near those of W; and rows
    from the data, half of them differences of two samples and half normals of the plane through up
    to d samples. The rows of W themselves are added. With an output bias the opposite rows are not
    needed.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
    W : array (n_neurons, n_inputs)
        The present neurons.
    """
    n, d = X.shape
    if d == 1:
        units = np.ones((1, 1))
    else:
        m = _share(n)
        W = W[rng.permutation(len(W))[:6 * m]]
        near = W[rng.integers(len(W), size=2 * m)]
        near = near + 10.0 ** rng.uniform(-3.0, 0.0, (len(near), 1)) * rng.standard_normal(near.shape)
        pairs = X[rng.integers(n, size=m)] - X[rng.integers(n, size=m)]
        rows = np.vstack([W, near, sphere.sample(2 * m, d, rng), pairs, _normals(X, m, rng)])
        units, norms = sphere.normalise(rows)
        units = units[norms > 0.0]
    return units if network.output_bias is not None else np.vstack([units, -units])


def n_directions(network: Network, n_samples: int) -> int:
    """Return the largest number of rows that `directions` may return."""
    m = _share(n_samples)
    rows = 1 if network.n_inputs == 1 else min(network.sizes[1], 6 * m) + 6 * m
    return rows if network.output_bias is not None else 2 * rows


def _share(n_samples: int) -> int:
    """Return a sixth of the number of directions, those of the present neurons not counted."""
    return int(np.clip(SWEEP_CANDIDATES // n_samples, 24, MAX_DIRECTIONS)) // 6


def _normals(X: Array, m: int, rng: np.random.Generator) -> Array:
    """Return m rows, each normal to the plane through min(d, 8) random samples."""
    n, d = X.shape
    points = X[rng.integers(n, size=(m, min(d, 8)))]
    Q = np.linalg.qr(np.swapaxes(points[:, 1:] - points[:, :1], 1, 2)).Q
    z = rng.standard_normal((m, d, 1))
    return (z - Q @ (np.swapaxes(Q, 1, 2) @ z))[:, :, 0]
