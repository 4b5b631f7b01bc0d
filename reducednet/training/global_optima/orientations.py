"""Choose the side to which each neuron of one input faces, for all choices at once.

With given breakpoints t_k, a network of one input is a function

    S(x) = sum_i alpha_i x^i + sum_k d_k s(x - t_k),

with i = 0, 1 for ReLU and i = 0 for binary neurons. A neuron that faces left, s(t_k - x), has the
same change of slope (jump) d_k at t_k as one that faces right, but it differs from it by an affine
function (a constant). So if L is the set of those that face left, the network is one of the
functions S that satisfy, say, alpha_1 + sum over L of d_k = 0 (docs/global-optima.md, section 3).
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..._validation import Array

CHUNK = 2**12
"""Choices evaluated at once."""

MOST_CHUNKS = 2**6
"""All 2^18 choices are evaluated for up to 18 neurons, as many random ones for more."""

NEGLIGIBLE = 1e-9
"""The search ends when the constraints cost no more than this share of the squared error."""

LEAST_SINGULAR_VALUE = 1e-10
"""Smaller ones, relative to the largest, are raised to this: such directions cost nothing."""


class Constraints(NamedTuple):
    """Linear constraints on the coefficients of S, one row each, that depend on the set L.

    sum_i base_i alpha_i + sum over k in L of left_k d_k = 0

    Attributes
    ----------
    base : array (n_constraints, n_base)
    left : array (n_constraints, n_neurons)
    """

    base: Array
    left: Array


def best_orientations(
    A: Array, Y: Array, constraints: Constraints, rng: np.random.Generator, n_best: int
) -> np.ndarray:
    """Return the sets L of neurons that face left whose constraints cost least, best first.

    Let theta be the least squares solution of A theta = Y, and N = A^T A. Imposing M theta = 0
    raises the squared error by

        v^T (M N^-1 M^T)^-1 v,   v = M theta,

    summed over the outputs. With A = U S V^T, M N^-1 M^T = G G^T for G = M V S^-1. Both v and G are
    sums over the members of L, so that a matrix product gives those of all L.

    Parameters
    ----------
    A : array (n_samples, n_base + n_neurons)
        The terms of S at the samples, multiplied by the square roots of their weights.
    Y : array (n_samples, n_outputs)
    constraints : Constraints
        One or two of them, or none.
    rng : Generator
        Draws the sets if there are too many.
    n_best : int

    Returns
    -------
    bool array (n_best or fewer, n_neurons)
    """
    base, left = constraints
    n_base, n_neurons = base.shape[1], left.shape[1]
    if not len(base):
        return np.zeros((1, n_neurons), dtype=bool)
    U, s, V = np.linalg.svd(A, full_matrices=False)
    s = np.maximum(s, LEAST_SINGULAR_VALUE * s.max())[:, np.newaxis]
    theta, inverse_root = V.T @ (U.T @ Y / s), V.T / s.T
    values = np.hstack([theta, inverse_root])  # v and G are M times this
    enough = NEGLIGIBLE * float(((Y - A @ theta)**2).sum())

    best, least_costs = np.zeros((0, n_neurons), dtype=bool), np.zeros(0)
    for chosen in _sets(n_neurons, rng):
        rows = [
            row @ values[:n_base] + chosen @ (factors[:, np.newaxis] * values[n_base:])
            for row, factors in zip(base, left)
        ]
        parts = [(row[:, :Y.shape[1]], row[:, Y.shape[1]:]) for row in rows]
        costs = np.append(least_costs, _cost(parts))
        order = np.argsort(costs, kind="stable")[:n_best]
        best, least_costs = np.vstack([best, chosen])[order], costs[order]
        if least_costs[0] <= enough:
            break
    return best


def _cost(rows: list[tuple[Array, Array]]) -> Array:
    """Return v^T (G G^T)^-1 v, summed over outputs, from v and G of each of one or two rows."""
    if len(rows) == 1:
        (v, G), = rows
        return _quotient((v**2).sum(axis=1), (G**2).sum(axis=1))
    (v, G), (w, F) = rows
    GG, FF, GF = (np.einsum("ij,ij->i", *pair) for pair in ((G, G), (F, F), (G, F)))
    vv, vw, ww = ((one * other).sum(axis=1) for one, other in ((v, v), (v, w), (w, w)))
    quadratic_form = FF * vv - 2.0 * GF * vw + GG * ww
    determinant = np.maximum(GG * FF - GF**2, LEAST_SINGULAR_VALUE**2 * GG * FF)
    return _quotient(np.maximum(quadratic_form, 0.0), determinant)


def _quotient(numerator: Array, denominator: Array) -> Array:
    """Return the quotient; 0 where the constraint is no constraint, and v and G are 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0.0)


def _sets(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield sets of neurons as rows of bool arrays: all, if they are few, else random ones."""
    if 2**min(n, 64) > CHUNK * MOST_CHUNKS:
        for _ in range(MOST_CHUNKS):
            yield rng.random((CHUNK, n)) < 0.5
        return
    for start in range(0, 2**n, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, 2**n))
        yield (numbers[:, np.newaxis] >> np.arange(n)) & 1 == 1
