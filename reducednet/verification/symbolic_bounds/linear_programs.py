"""Sharpen bounds on symbolic rows by linear programs, and by branch and bound on signs.

The largest value of a row r . columns, with each relu relaxed to the triangle between its lines, is
a linear program (the triangle relaxation of Ehlers, 2017):

    maximise   r . columns    over x in D's box or hull and all U
    where      z_c <= U_c,    0 <= U_c,    U_c <= t_c (z_c - l_c)    for each class c,

with z_c = A_c . columns in [l_c, h_c] and the chord's slope t_c = h_c / (h_c - l_c). The multiplier
of z_c <= U_c is the m of the line m z_c that `back_substitution` puts in place of a U_c; it then
bounds the row in plain arithmetic, so that no proof rests on the solver.

Where that is not enough the search splits on the sign of a z_c (branch and bound): U_c = z_c where
it is 1, U_c = 0 where it is -1. A row that is at most 0 at each leaf of the tree is at most 0 on
the domain. A point where the row is above 0 ends the search.

References
----------
PROOFS, section 19, Lemmas 19 and 20. R. Ehlers, *Formal Verification
of Piece-Wise Linear Feed-Forward Neural Networks*, ATVA 2017, for the relaxation.
"""
from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain, Hull
from .back_substitution import Leaf, SymbolicLayer, upper_bounds_on_leaves

KINDS_OF_BOUNDS = ("linear", "lp", "milp")
"""How signs of neurons may be found: by lines alone, by linear programs, or with branching too."""
PENALTY = 1e4
"""Cost of violating a sign, in magnitudes of the row: even a leaf without points has a bound."""
MOST_LINEAR_PROGRAMS = 512
"""The largest number of linear programs that are solved for the sign of one neuron."""


class Effort(NamedTuple):
    """Whether to branch on signs, and the `time.monotonic` after which no linear program begins."""

    branching: bool
    deadline: float


class Proof(NamedTuple):
    """An upper bound on side * z for a neuron of a hidden layer, by the leaves of a tree."""

    layer: int
    neuron: int
    side: int
    leaves: list[Leaf]


def sharpen(
    A: Array, bounds: tuple[Array, Array], margin: Array, layers: list[SymbolicLayer],
    domain: Domain, effort: Effort,
) -> tuple[tuple[Array, Array], list[Proof]]:
    """Return sharper bounds on the rows of a layer whose signs are not known, and their proofs:

        low = -max over the leaves of upper(-A),    high = max over the leaves of upper(A).

    Parameters
    ----------
    A : array (n, n_columns)
    bounds : two arrays (n,)
        Lower and upper bounds.
    margin : array (n,)
        Values up to it count as 0.
    layers : list of SymbolicLayer
        The layers below.
    domain : Domain
    effort : Effort

    Returns
    -------
    (low, high), list of Proof
    """
    low, high = (bound.copy() for bound in bounds)
    proofs: list[Proof] = []
    unknown = np.flatnonzero((low < -margin) & (high > margin))
    if not sum(len(layer.low) for layer in layers):
        return (low, high), proofs
    model = _Relaxation(layers, domain)
    for neuron in unknown.tolist():
        for side, best in ((1, high), (-1, low)):
            row = side * A[neuron]
            leaves = _leaves(model, row, float(margin[neuron]), effort)
            bound = max((model.bound(row, leaf) for leaf in leaves), default=np.inf)
            if bound < side * best[neuron]:
                best[neuron] = side * bound
                proofs.append(Proof(len(layers), neuron, side, leaves))
    return (low, high), proofs


class _Point(NamedTuple):
    """A maximiser of a linear program: its columns 1, x, U, and how far each U is from relu.

    `gaps` are weighted by the multipliers: splitting on the largest one promises most.
    """

    columns: Array
    gaps: Array


class _Relaxation:
    """The linear program of all (x, U) with U between the lines above and below relu.

    Its variables are v with x = X v (the weights of a hull's points, or inputs in units of their
    largest absolute value), the U in units of h, and a violation y >= 0 of each sign, so that even
    a leaf without points has a solution:

        maximise   r . columns / magnitude - PENALTY sum y
        where      (z - U) / scale <= y,    (U - t z - o) / scale <= y,
                   0 <= U <= h, or U = 0 at a sign -1,    y = 0 where no sign is known,

    with t = h / (h - l) and o = -t l, or t = 1 and o = 0 at a sign 1. The magnitude of r and the
    scale of each row z are the sums of the largest absolute values of their terms.
    """

    def __init__(self, layers: list[SymbolicLayer], domain: Domain) -> None:
        self.layers, self.domain = layers, domain
        self.low = np.concatenate([layer.low for layer in layers])
        self.high = np.concatenate([layer.high for layer in layers])
        box = np.stack(domain.bounding_box(), axis=1)
        if isinstance(domain, Hull):
            self.inputs = domain.points.T
            self.limits = np.tile([0.0, 1.0], (len(domain.points), 1))
        else:
            largest = np.abs(box).max(axis=1)
            largest[largest == 0.0] = 1.0
            self.inputs = np.diag(largest)
            self.limits = box / largest[:, np.newaxis]

        width = 1 + len(box) + len(self.low)
        rows = np.concatenate([
            np.pad(layer.A, ((0, 0), (0, width - layer.A.shape[1]))) for layer in layers])
        self.constants, self.Z = rows[:, 0], self._terms(rows)
        self.scale = np.abs(self.Z).sum(axis=1) + np.abs(self.constants)
        self.scale[self.scale == 0.0] = 1.0  # all of a row may have been left out

    def _terms(self, rows: Array) -> Array:
        """Return [A_x X, A_U h]: rows over the variables v and U / h, without the constants."""
        n_inputs = self.domain.n_inputs
        inputs, U = rows[:, 1:1 + n_inputs], rows[:, 1 + n_inputs:]
        return np.hstack([inputs @ self.inputs, U * self.high])

    def bound(self, row: Array, leaf: Leaf) -> float:
        """Return the upper bound on a row that a leaf proves."""
        return float(upper_bounds_on_leaves(row[np.newaxis], [leaf], self.layers, self.domain)[0])

    def solve(self, row: Array, signs: np.ndarray, seconds: float) -> tuple[Leaf, _Point] | None:
        """Maximise a row where the signs hold; return its leaf and the maximiser, or None.

        With the multipliers p, q <= 0 of the lines below and above, the leaf has m = p, and
        m = p - q at a sign 1, where both lines are z.
        """
        from scipy.optimize import linprog

        terms = self._terms(row[np.newaxis])[0]
        magnitude = float(np.abs(terms).sum()) or 1.0
        objective = np.append(-terms / magnitude, np.full(len(signs), PENALTY))
        answer = linprog(objective, **self._constraints(signs), method="highs",
                         options={"time_limit": seconds})
        if answer.status != 0:
            return None

        multipliers = answer.ineqlin.marginals * magnitude / np.tile(self.scale, 2)
        below, above = np.split(multipliers, 2)
        leaf = Leaf(signs, below - np.where(signs > 0, above, 0.0))

        v, U, _ = np.split(answer.x, np.cumsum([self.inputs.shape[1], len(signs)]))
        columns = self._columns(self.inputs @ v)
        gaps = np.abs(U * self.high - columns[1 + self.domain.n_inputs:])
        return leaf, _Point(columns, gaps * np.maximum(-below, -above) * (signs == 0))

    def _constraints(self, signs: np.ndarray) -> dict[str, Any]:
        """Return the constraints for `linprog`, whose variables are v, U / h and y."""
        n, n_inputs, on = len(signs), self.inputs.shape[1], signs > 0
        slope = np.where(on, 1.0, self.high / (self.high - self.low))
        offset = np.where(on, 0.0, -slope * self.low)

        U = np.hstack([np.zeros((n, n_inputs)), np.diag(self.high)])
        lines = np.vstack([self.Z - U, U - slope[:, np.newaxis] * self.Z])
        right = np.append(-self.constants, offset + slope * self.constants)
        scale = np.tile(self.scale, 2)

        zero = np.zeros(n)
        largest_U = np.where(signs < 0, 0.0, 1.0)
        largest_y = np.where(signs == 0, 0.0, np.inf)
        limits = [np.stack([zero, largest], axis=1) for largest in (largest_U, largest_y)]
        constraints: dict[str, Any] = {
            "A_ub": np.hstack([lines / scale[:, np.newaxis], -np.tile(np.eye(n), (2, 1))]),
            "b_ub": right / scale, "bounds": np.vstack([self.limits, *limits]),
        }
        if isinstance(self.domain, Hull):  # the weights of its points sum to 1
            weights = np.append(np.ones(n_inputs), np.zeros(2 * n))[np.newaxis]
            constraints |= {"A_eq": weights, "b_eq": [1.0]}
        return constraints

    def _columns(self, x: Array) -> Array:
        """Return the columns 1, x, U = relu(A_c . columns) at an input, layer by layer."""
        columns = np.append(1.0, x)
        for layer in self.layers:
            columns = np.append(columns, np.maximum(layer.A @ columns, 0.0))
        return columns


def _leaves(model: _Relaxation, row: Array, margin: float, effort: Effort) -> list[Leaf]:
    """Return leaves that prove row <= margin, else the one leaf of the first linear program.

    That leaf may still sharpen the bound. The list is empty if no linear program was solved.
    """
    open_signs = [np.zeros(len(model.high), dtype=np.int8)]
    leaves: list[Leaf] = []
    first: list[Leaf] = []
    for _ in range(MOST_LINEAR_PROGRAMS if effort.branching else 1):
        signs, seconds = open_signs.pop(), effort.deadline - time.monotonic()
        found = model.solve(row, signs, seconds) if seconds > 0.0 else None
        if found is None:
            break
        leaf, point = found
        first = first or [leaf]
        if model.bound(row, leaf) <= margin:
            leaves.append(leaf)
            if not open_signs:
                return leaves
        elif row @ point.columns > margin or not point.gaps.any():
            break  # the row is above 0 there, or only by the solver's rounding error
        else:
            open_signs += _split(signs, int(point.gaps.argmax()))
    return first


def _split(signs: np.ndarray, column: int) -> list[np.ndarray]:
    """Return the two branches: a class's z at most 0, and at least 0."""
    branches = np.stack([signs, signs])
    branches[:, column] = -1, 1
    return list(branches)
