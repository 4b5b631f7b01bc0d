"""The smallest chain of layers that computes what an expansion says.

Classes go to levels. What the levels above one still need of all that lies below it is a matrix of rows; its
rank is how many always-on neurons must carry it past that level.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.network import Network
from ..verification.symbolic_bounds.back_substitution import Classes, ends
from ..verification.symbolic_bounds.symbolic_network import ON, Expansion, Roles

MARGIN = 2.0**-10
"""How far above 0 the lowest value of a carrying neuron is, where the columns' sizes are 1."""


class Built(NamedTuple):
    """A smaller network, the roles of its neurons, and the classes that it has."""

    network: Network
    roles: list[Roles]
    used: np.ndarray


class _Rows(NamedTuple):
    """All rows of an expansion over all columns, what is noise set to 0; `classes` for bounds."""

    A: Array
    outputs: Array
    sizes: Array
    n_inputs: int
    classes: list[Classes]


def build(expansion: Expansion, domain: Domain, precision: float) -> Built:
    """Return the smallest of the networks that two ways of choosing levels give."""
    rows = _all_rows(expansion, domain.n_inputs, precision)
    used = _used(rows)
    own = np.repeat(np.arange(len(expansion.classes)) + 1, [len(layer.low) for layer in expansion.classes])
    choices = [_dense_levels(own, used), _earliest_levels(rows, used)]
    built = [_chain(rows, used, levels, domain, precision) for levels in choices]
    return min(built, key=lambda one: (sum(one.network.sizes[1:-1]), one.network.n_parameters))


def _all_rows(expansion: Expansion, n_inputs: int, precision: float) -> _Rows:
    width, sizes = len(expansion.sizes), expansion.sizes

    def cleaned(A: Array, S: Array) -> Array:
        wide = np.zeros((len(A), width))
        wide[:, :A.shape[1]] = np.where(np.abs(A) <= precision * S, 0.0, A)
        return wide * (sizes > 0.0)

    A = [cleaned(layer.A, layer.S) for layer in expansion.classes]
    return _Rows(np.concatenate(A), cleaned(expansion.A, expansion.S), sizes, n_inputs, expansion.classes)


def _used(rows: _Rows) -> np.ndarray:
    """Tell which classes the outputs depend on."""
    first = 1 + rows.n_inputs
    used: np.ndarray = np.array(rows.outputs[:, first:].any(axis=0))
    for c in range(len(rows.A) - 1, -1, -1):
        if used[c]:
            used |= rows.A[c, first:] != 0.0
    return used


def _dense_levels(own: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return levels 1, 2, .. in the order of the layers that still have a class."""
    levels = np.zeros(len(own), dtype=int)
    levels[used] = np.unique(own[used], return_inverse=True)[1] + 1
    return levels


def _earliest_levels(rows: _Rows, used: np.ndarray) -> np.ndarray:
    """Return for each class one more than the highest level it depends on."""
    levels = np.zeros(len(used), dtype=int)
    for c in np.flatnonzero(used):
        below = rows.A[c, 1 + rows.n_inputs:] != 0.0
        levels[c] = 1 + levels[below & used].max(initial=0)
    return levels


def _chain(rows: _Rows, used: np.ndarray, levels: np.ndarray, domain: Domain, precision: float) -> Built:
    """Return the network that has the classes at these levels."""
    first, weights, thresholds, roles = 1 + rows.n_inputs, [], [], []
    state = _State(np.arange(1, first), np.empty((0, len(rows.sizes))), np.empty(0), rows.sizes)
    column_level = np.concatenate([np.zeros(first, dtype=int), levels])
    column_level[first:][~used] = np.iinfo(int).max
    for level in range(1, max(1, levels.max(initial=0)) + 1):
        here = np.flatnonzero(levels == level)
        carried, low = _carried(rows, used & (levels > level), column_level < level, domain, precision)
        if not len(here) + len(carried):
            carried, low = np.zeros((1, len(rows.sizes))), np.zeros(1)  # a network has a neuron
        shift = np.where(low > 0.0, 0.0, MARGIN - low)
        carried[:, 0] = shift
        W, b = state.express(np.concatenate([rows.A[here], carried]))
        weights.append(W)
        thresholds.append(b)
        labels = np.concatenate([here, np.full(len(carried), ON)])
        roles.append(Roles(labels, np.where(labels >= 0, 1.0, 0.0)))
        state = _State(first + here, carried, shift, rows.sizes)
    C, a = state.express(rows.outputs)
    return Built(Network(weights, thresholds, C, a if a.any() else None), roles, used)


class _State(NamedTuple):
    """What a level gives: columns themselves, and carried combinations of columns below, with their shifts."""

    columns: np.ndarray
    carried: Array
    shift: Array
    sizes: Array

    def express(self, rows: Array) -> tuple[Array, Array]:
        """Return (W, b) with rows = W state + b, for rows that the state determines."""
        basis = self.carried[:, 1:] * self.sizes[1:]  # orthonormal rows
        G = (rows[:, 1:] * self.sizes[1:]) @ basis.T
        return np.hstack([rows[:, self.columns], G]), rows[:, 0] - G @ self.shift


def _carried(
    rows: _Rows, above: np.ndarray, below: np.ndarray, domain: Domain, precision: float
) -> tuple[Array, Array]:
    """Return rows that span what the classes above and the outputs need of the columns below, and lower bounds.

    Orthonormal in columns that are divided by their sizes.
    """
    needed = np.concatenate([rows.A[above], rows.outputs]) * below
    needed[:, 0] = 0.0
    scaled = needed * rows.sizes
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    scaled = scaled / np.where(lengths > 0.0, lengths, 1.0)
    _, s, V = np.linalg.svd(scaled, full_matrices=False)
    V = V[s > len(scaled) * precision * max(s.max(initial=0.0), 1.0)]
    carried = np.divide(V, rows.sizes, out=np.zeros_like(V), where=rows.sizes > 0.0)
    return carried, ends(carried, rows.classes, domain)[0]
