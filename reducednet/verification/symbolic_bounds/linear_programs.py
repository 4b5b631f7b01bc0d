"""Linear programmes that propose sharper bounds of rows, and trees of signs where one of them is not enough.

Of the activations of the neurons that bend is known z <= U, 0 <= U and U <= chord(z). The largest value of a row
under these is a linear programme; its multipliers are the multiples of `row_bounds`, which then bound the row in
plain arithmetic: nothing rests on the solver. A row that is at most 0 at each leaf of a tree of signs is so
everywhere: that is its mixed-integer programme, in a form that leaves a proof. A point where the row is above 0
ends the search.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain, Hull
from .back_substitution import Classes, Leaf, highest_at

PENALTY = 1e4
"""What a wrong sign costs, in units of a row's terms: so a leaf without points has a bound, too."""
MOST_PROGRAMMES = 512
"""How many are solved at most for the sign of one neuron."""


class Effort(NamedTuple):
    """Whether linear programmes may branch, and when (`time.monotonic`) no further one is begun."""

    branching: bool
    deadline: float


class Proof(NamedTuple):
    """A bound of side * z of a neuron of a hidden layer, by a tree's leaves."""

    layer: int
    neuron: int
    side: int
    leaves: list[Leaf]


def sharpen(
    A: Array, ends: tuple[Array, Array], noise: Array, classes: list[Classes], domain: Domain, effort: Effort
) -> tuple[tuple[Array, Array], list[Proof]]:
    """Return better ends of the rows of a layer whose signs are not known, and what proves them.

    Parameters
    ----------
    A : array (n, n_columns)
    ends : two arrays (n,)
    noise : array (n,)
        What counts as 0.
    classes : list of Classes
        Of the layers below.
    domain : Domain
    effort : Effort

    Returns
    -------
    (low, high), list of Proof
    """
    low, high = (end.copy() for end in ends)
    proofs: list[Proof] = []
    unknown = np.flatnonzero((low < -noise) & (high > noise))
    if not sum(len(layer.low) for layer in classes):
        return (low, high), proofs
    model = _Relaxation(classes, domain)
    for neuron in unknown.tolist():
        for side, end in ((1, high), (-1, low)):
            row = side * A[neuron]
            leaves = _leaves(model, row, float(noise[neuron]), effort)
            bound = max((model.bound(row, leaf) for leaf in leaves), default=np.inf)
            if bound < side * end[neuron]:
                end[neuron] = side * bound
                proofs.append(Proof(len(classes), neuron, side, leaves))
    return (low, high), proofs


class _Point(NamedTuple):
    """Where a linear programme is largest: the columns 1, x, U, and what each U gains by not being relu."""

    columns: Array
    gains: Array


class _Relaxation:
    """All (x, U) that the lines of the classes allow, on the hull's points or the domain's bounding box.

    The programme's variables are v with x = inputs v, then U / high, then by how much signs are violated; a row is
    divided by the size of its terms.
    """

    def __init__(self, classes: list[Classes], domain: Domain) -> None:
        self.classes, self.domain = classes, domain
        self.low, self.high = (np.concatenate([getattr(one, end) for one in classes]) for end in ("low", "high"))
        box = np.stack(domain.bounding_box(), axis=1)
        size = np.abs(box).max(axis=1)
        size[size == 0.0] = 1.0
        hull = isinstance(domain, Hull)
        self.inputs = domain.points.T if isinstance(domain, Hull) else np.diag(size)
        self.limits = np.tile([0.0, 1.0], (self.inputs.shape[1], 1)) if hull else box / size[:, np.newaxis]
        width = 1 + len(size) + len(self.low)
        rows = np.concatenate([np.pad(one.A, ((0, 0), (0, width - one.A.shape[1]))) for one in classes])
        self.constants, self.Z = rows[:, 0], self._terms(rows)
        self.scale = np.abs(self.Z).sum(axis=1) + np.abs(self.constants)
        self.scale[self.scale == 0.0] = 1.0  # a row may be 0 after its exclusions

    def _terms(self, rows: Array) -> Array:
        """Return rows over the variables, without the constants."""
        n_inputs = self.domain.n_inputs
        return np.hstack([rows[:, 1:1 + n_inputs] @ self.inputs, rows[:, 1 + n_inputs:] * self.high])

    def bound(self, row: Array, leaf: Leaf) -> float:
        """Return what a leaf proves of a row."""
        return float(highest_at(row[np.newaxis], [leaf], self.classes, self.domain)[0])

    def solve(self, row: Array, signs: np.ndarray, seconds: float) -> tuple[Leaf, _Point] | None:
        """Return the multiples that bound a row best where these signs are, and the programme's point."""
        from scipy.optimize import linprog

        terms = self._terms(row[np.newaxis])[0]
        size = float(np.abs(terms).sum()) or 1.0
        answer = linprog(np.append(-terms / size, np.full(len(signs), PENALTY)), **self._constraints(signs),
                         method="highs", options={"time_limit": seconds})
        if answer.status != 0:
            return None
        below, above = np.split(answer.ineqlin.marginals * size / np.tile(self.scale, 2), 2)
        inputs, U, _ = np.split(answer.x, np.cumsum([self.inputs.shape[1], len(signs)]))
        columns = self._columns(self.inputs @ inputs)
        away = np.abs(U * self.high - columns[1 + self.domain.n_inputs:])
        gains = away * np.maximum(-below, -above) * (signs == 0)
        return Leaf(signs, below - np.where(signs > 0, above, 0.0)), _Point(columns, gains)

    def _constraints(self, signs: np.ndarray) -> dict[str, Any]:
        """Return what `linprog` is to keep where these signs are: z <= U <= chord(z), U = z or U = 0."""
        n, n_inputs, on = len(signs), self.inputs.shape[1], signs > 0
        slope = np.where(on, 1.0, self.high / (self.high - self.low))
        offset = np.where(on, 0.0, -slope * self.low)
        U = np.hstack([np.zeros((n, n_inputs)), np.diag(self.high)])
        lines = np.vstack([self.Z - U, U - slope[:, np.newaxis] * self.Z])
        ends = np.append(-self.constants, offset + slope * self.constants)
        scale = np.tile(self.scale, 2)
        zero, one = np.zeros(n), np.where(signs < 0, 0.0, 1.0)
        limits = np.vstack([self.limits, np.stack([zero, one], axis=1),
                            np.stack([zero, np.where(signs == 0, 0.0, np.inf)], axis=1)])
        whole = np.append(np.ones(n_inputs), np.zeros(2 * n))[np.newaxis]
        equal = {"A_eq": whole, "b_eq": [1.0]} if isinstance(self.domain, Hull) else {}
        return {"A_ub": np.hstack([lines / scale[:, np.newaxis], -np.tile(np.eye(n), (2, 1))]),
                "b_ub": ends / scale, "bounds": limits, **equal}

    def _columns(self, x: Array) -> Array:
        """Return the columns 1, x, U at an input."""
        columns = np.append(1.0, x)
        for layer in self.classes:
            columns = np.append(columns, np.maximum(layer.A @ columns, 0.0))
        return columns


def _leaves(model: _Relaxation, row: Array, noise: float, effort: Effort) -> list[Leaf]:
    """Return the leaves of a tree that shows the row to be at most noise, else what the first programme gives."""
    left = [np.zeros(len(model.high), dtype=np.int8)]
    leaves: list[Leaf] = []
    first: list[Leaf] = []
    for _ in range(MOST_PROGRAMMES if effort.branching else 1):
        signs, seconds = left.pop(), effort.deadline - time.monotonic()
        found = model.solve(row, signs, seconds) if seconds > 0.0 else None
        if found is None:
            break
        leaf, point = found
        first = first or [leaf]
        if model.bound(row, leaf) <= noise:
            leaves.append(leaf)
            if not left:
                return leaves
        elif row @ point.columns > noise or not point.gains.any():
            break  # it is above 0 there, or only the solver's rounding is
        else:
            left += _both(signs, int(point.gains.argmax()))
    return first


def _both(signs: np.ndarray, column: int) -> list[np.ndarray]:
    """Return the two halves of a leaf: where a class's z is at most 0, and where it is at least 0."""
    halves = np.stack([signs, signs])
    halves[:, column] = -1, 1
    return list(halves)
