"""Bounds of the difference in the Euclidean norm, where ReLU is 1-Lipschitz and spectral norms grow slower.

For networks whose neurons are matched one to one, z_f,j near s_j z_g,j, the vector e = h_f - S h_g of a layer is
k + rho with a known k and |rho|_2 <= nu, and the next layer's differences are

    d = W_f e + R h_g + beta,    R = W_f S - S' W_g,    beta = b_f - S' b_g.

Then |e'_j| <= |d_j| for every neuron; e'_j = d_j where both are active, 0 where both are dead. So
nu' = |W_f|_2 nu plus the norms of what else is not known, instead of |W_f| times a vector of radii, which
grows by about a root of the width more in each layer. Of h_g both are known: its interval, and its norm.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..layers import Affine, affine_maps
from ..networks import Network
from ..rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .classes import Match
from .differences import Difference

WIDEST = 1000
"""Spectral norms of wider layers cost too much."""


def norm_bound(f: Network, g: Network, domain: Domain, found: Difference) -> Array | None:
    """Return bounds of |f_k - g_k| over the whole domain, (n_outputs,), or None where neurons are not all matched.

    Parameters
    ----------
    f, g : Network
        ReLU, of one depth.
    domain : Domain
    found : Difference
        What `difference` found of them on the domain, for the bounds of all z.
    """
    if max(f.sizes[1:-1]) > WIDEST or not all(_one_to_one(match) for match in found.matches):
        return None
    maps_f, maps_g = affine_maps(f), affine_maps(g)
    low, high = domain.bounding_box()
    h = _Values(low, high, _norm(np.maximum(np.abs(low), np.abs(high))))
    k, nu, below = np.zeros(f.n_inputs), 0.0, (np.arange(f.n_inputs), np.ones(f.n_inputs))
    for one, other, match, known in zip(maps_f, maps_g, found.matches, found.layers):
        above = _pairing(match)
        q, t = _step(one, other, below, above, k, h)
        (a_low, a_high), (b_low, b_high) = ((own.low[:, 0], own.high[:, 0]) for own in known)
        ends = a_low, a_high, b_low[above[0]], b_high[above[0]]
        k, nu = _through_relu(q, t, nu * spectral_norm(one.W) if nu else 0.0, ends, above[1])
        assert other.b is not None
        norm = (spectral_norm(other.W) * h.norm + _norm(other.b)) * (1.0 + gamma(4))
        h = _Values(np.maximum(b_low, 0.0), np.maximum(b_high, 0.0), norm)
        below = above
    outputs = len(maps_f[-1].W)
    q, t = _step(maps_f[-1], maps_g[-1], below, (np.arange(outputs), np.ones(outputs)), k, h)
    return (np.abs(q) + t + _row_norms(maps_f[-1].W) * nu) * (1.0 + gamma(8)) + SMALLEST


class _Values(NamedTuple):
    """What is known of h_g at a layer: its interval, and its Euclidean norm at most."""

    low: Array
    high: Array
    norm: float


def _one_to_one(match: Match) -> bool:
    places = np.arange(len(match.labels[0]))
    same = all(np.array_equal(np.sort(labels), places) for labels in match.labels)
    return same and bool((match.scales[0] > 0.0).all() and (match.scales[1] == 1.0).all())


def _pairing(match: Match) -> tuple[np.ndarray, Array]:
    """Return for each neuron of f its partner in g, and the scale s with z_f near s z_g."""
    order = np.empty(len(match.labels[1]), dtype=int)
    order[match.labels[1]] = np.arange(len(order))
    order = order[match.labels[0]]
    return order, match.scales[0]


def _step(
    one: Affine, other: Affine, below: tuple[np.ndarray, Array], above: tuple[np.ndarray, Array], k: Array,
    h: _Values,
) -> tuple[Array, Array]:
    """Return q and t with |W_f k + R h_g + beta - q| <= t, roundings charged.

    R h_g is R times the middle of its interval within |R| times half of it, or 0 within the row's norm times
    that of h_g, row by row what is better.
    """
    (order, s), (rows, scales) = below, above
    n = len(k)
    F, G = one.W * s, scales[:, np.newaxis] * other.W[rows][:, order]
    b, c = (np.zeros(len(one.W)) if layer.b is None else layer.b for layer in (one, other))
    R, beta, t = F - G, b - scales * c[rows], np.abs(scales * c[rows]) + np.abs(b)
    middle, half = (h.low / 2.0 + h.high / 2.0)[order], (h.high / 2.0 - h.low / 2.0)[order]
    largest = np.maximum(np.abs(h.low), np.abs(h.high))[order]
    rounded = 2.0 * UNIT_ROUNDOFF * ((np.abs(F) + np.abs(G)) @ largest) + gamma(n + 6) * (np.abs(R) @ largest)
    by_interval = np.abs(R) @ half + rounded
    by_norm = (_row_norms(R) + 2.0 * UNIT_ROUNDOFF * (_row_norms(F) + _row_norms(G))) * h.norm
    q = one.W @ k + np.where(by_norm < by_interval, 0.0, R @ middle) + beta
    t = np.minimum(by_interval, by_norm) + gamma(n + 6) * (np.abs(one.W) @ np.abs(k)) + 2.0 * UNIT_ROUNDOFF * t
    underflow = SMALLEST * (8.0 * (n + 2) + 4.0 * largest.sum())
    return q, (t + 4.0 * UNIT_ROUNDOFF * np.abs(q)) * (1.0 + gamma(n + 8)) + underflow


def _row_norms(W: Array) -> Array:
    """Return no less than the Euclidean norm of each row."""
    n = W.shape[1]
    return np.sqrt((W * W).sum(axis=1)) * (1.0 + gamma(n + 4)) + n * 1e-150


def _through_relu(
    q: Array, t: Array, carried: float, ends: Sequence[Array], scales: Array
) -> tuple[Array, float]:
    """Return k and nu of max(z_f, 0) - s max(z_g, 0); z_f - s z_g is q within t and a vector of norm `carried`.

    `ends` are bounds (low, high) of z_f and of z_g. With n_j how far below 0 either may lie, e_j = d_j within
    n_j; with u_j how far above, |e_j| <= u_j; and |e_j| <= |d_j|. What is best is taken for each neuron.
    """
    down = np.maximum(-ends[0], 0.0) + scales * np.maximum(-ends[2], 0.0)
    up = np.maximum(ends[1], 0.0) + scales * np.maximum(ends[3], 0.0)
    size = np.abs(q) + t
    active, dead = down <= np.minimum(up, size), up < size
    k = np.where(active, q, 0.0)
    loose = np.where(active, t + down, np.where(dead, up, size)) * (1.0 + gamma(8))
    return k, (carried + _norm(loose)) * (1.0 + gamma(4))


def _norm(vector: Array) -> float:
    """Return no less than the Euclidean norm of a vector."""
    return float(np.hypot.reduce(vector)) * (1.0 + gamma(2 * len(vector) + 8))


def spectral_norm(W: Array) -> float:
    """Return no less than the spectral norm, and little more.

    |W|_2^16 = |(W^T W)^8|_2 <= |(W^T W)^8|_F, the products' rounding charged by that of |W|^T |W|.

    Examples
    --------
    >>> 2.0 <= spectral_norm(np.diag([2.0, 1.0])) < 2.001
    True
    """
    W = W if W.shape[0] >= W.shape[1] else W.T
    if not W.any():
        return 0.0
    size = 2.0 ** float(np.frexp(np.abs(W).max())[1] - 1)
    V = W / size
    n, m = V.shape[1], V.shape[0]
    G = V.T @ V
    lost = gamma(m + 4) * _frobenius(np.abs(V)) ** 2
    for _ in range(3):
        norm = _frobenius(G)
        G, lost = G @ G, 2.0 * norm * lost + lost * lost + gamma(n + 2) * norm * norm
    return float(size * ((_frobenius(G) + lost) * (1.0 + gamma(16))) ** 0.0625 * (1.0 + gamma(64)))


def _frobenius(G: Array) -> float:
    """Return no less than the Frobenius norm of a matrix with entries of moderate size."""
    return float(np.sqrt((G * G).sum())) * (1.0 + gamma(G.size + 4)) + 1e-150 * G.size
