"""Rebuild a symbolic network as the smallest chain of layers that computes it.

Each class of unstable neurons goes to a **level**, a hidden layer of the new network. What the
levels above still need of everything below a level is a matrix of rows; its rank is how many
always-on neurons must carry it past that level.

References
----------
THEORY, Prop. 6.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.network import Network
from ..verification.symbolic_bounds.back_substitution import SymbolicLayer, row_bounds
from ..verification.symbolic_bounds.symbolic_network import ON, Roles, SymbolicNetwork

LEAST_CARRIED = 2.0**-10
"""A carrying neuron is shifted up until this is its lower bound, if it has none above 0."""


class Rebuilt(NamedTuple):
    """A smaller network, the roles of its neurons, and for each class whether it is used."""

    network: Network
    roles: list[Roles]
    used: np.ndarray


class _FullRows(NamedTuple):
    """All rows of a symbolic network over all its columns, negligible coefficients set to 0.

    A, outputs : arrays (n_classes, n_columns), (n_outputs, n_columns)
    column_bounds : array (n_columns,)
    layers : list of SymbolicLayer
        For bounds.
    """

    A: Array
    outputs: Array
    column_bounds: Array
    n_inputs: int
    layers: list[SymbolicLayer]


def rebuild(written: SymbolicNetwork, domain: Domain, precision: float) -> Rebuilt:
    """Return the smaller of the networks that two choices of levels give."""
    rows = _full_rows(written, domain.n_inputs, precision)
    used = _used(rows)
    layer_numbers = np.repeat(
        np.arange(len(rows.layers)) + 1, [len(layer.low) for layer in rows.layers])
    choices = [_levels_of_layers(layer_numbers, used), _earliest_levels(rows, used)]
    found = [_chain(rows, used, levels, domain, precision) for levels in choices]
    return min(found, key=lambda one: (sum(one.network.sizes[1:-1]), one.network.n_parameters))


def _full_rows(written: SymbolicNetwork, n_inputs: int, precision: float) -> _FullRows:
    """Return the rows over all columns, without coefficients negligible at this precision."""
    column_bounds = written.column_bounds

    def full(A: Array, S: Array) -> Array:
        wide = np.zeros((len(A), len(column_bounds)))
        wide[:, :A.shape[1]] = np.where(np.abs(A) <= precision * S, 0.0, A)
        return wide * (column_bounds > 0.0)

    A = np.concatenate([full(layer.A, layer.S) for layer in written.layers])
    return _FullRows(A, full(written.A, written.S), column_bounds, n_inputs, written.layers)


def _used(rows: _FullRows) -> np.ndarray:
    """Return for each class whether an output depends on it."""
    first = 1 + rows.n_inputs
    used: np.ndarray = np.array(rows.outputs[:, first:].any(axis=0))
    for c in range(len(rows.A) - 1, -1, -1):
        if used[c]:
            used |= rows.A[c, first:] != 0.0
    return used


def _levels_of_layers(layer_numbers: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return levels 1, 2, ... in the order of the layers that still have a class."""
    levels = np.zeros(len(layer_numbers), dtype=int)
    levels[used] = np.unique(layer_numbers[used], return_inverse=True)[1] + 1
    return levels


def _earliest_levels(rows: _FullRows, used: np.ndarray) -> np.ndarray:
    """Return for each class one more than the highest level it depends on."""
    levels = np.zeros(len(used), dtype=int)
    for c in np.flatnonzero(used):
        below = rows.A[c, 1 + rows.n_inputs:] != 0.0
        levels[c] = 1 + levels[below & used].max(initial=0)
    return levels


def _chain(
    rows: _FullRows, used: np.ndarray, levels: np.ndarray, domain: Domain, precision: float
) -> Rebuilt:
    """Return the network that has the classes at these levels."""
    n_affine, n_columns = 1 + rows.n_inputs, len(rows.column_bounds)
    weights, thresholds, roles = [], [], []
    inputs = np.arange(1, n_affine)
    state = _State(inputs, np.empty((0, n_columns)), np.empty(0), rows.column_bounds)
    column_levels = np.concatenate([np.zeros(n_affine, dtype=int), levels])
    column_levels[n_affine:][~used] = np.iinfo(int).max
    for level in range(1, max(1, levels.max(initial=0)) + 1):
        here = np.flatnonzero(levels == level)
        carried, low = _carried(
            rows, used & (levels > level), column_levels < level, domain, precision)
        if not len(here) + len(carried):
            carried, low = np.zeros((1, n_columns)), np.zeros(1)  # a layer needs a neuron
        shift = np.where(low > 0.0, 0.0, LEAST_CARRIED - low)
        carried[:, 0] = shift
        W, b = state.express(np.concatenate([rows.A[here], carried]))
        weights.append(W)
        thresholds.append(b)
        labels = np.concatenate([here, np.full(len(carried), ON)])
        roles.append(Roles(labels, np.where(labels >= 0, 1.0, 0.0)))
        state = _State(n_affine + here, carried, shift, rows.column_bounds)
    C, a = state.express(rows.outputs)
    return Rebuilt(Network(weights, thresholds, C, a if a.any() else None), roles, used)


class _State(NamedTuple):
    """The activations of a level: columns of its own classes, then shifted carried rows."""

    columns: np.ndarray
    carried: Array
    shift: Array
    column_bounds: Array

    def express(self, rows: Array) -> tuple[Array, Array]:
        """Return (W, b) with rows = W state + b, for rows that the state determines."""
        basis = self.carried[:, 1:] * self.column_bounds[1:]  # orthonormal rows
        G = (rows[:, 1:] * self.column_bounds[1:]) @ basis.T
        return np.hstack([rows[:, self.columns], G]), rows[:, 0] - G @ self.shift


def _carried(
    rows: _FullRows, above: np.ndarray, below: np.ndarray, domain: Domain, precision: float
) -> tuple[Array, Array]:
    """Return rows that a level must carry, and their lower bounds.

    They span what the classes `above` and the outputs need of the columns `below`, and are
    orthonormal over columns divided by their largest absolute values.
    """
    needed = np.concatenate([rows.A[above], rows.outputs]) * below
    needed[:, 0] = 0.0
    scaled = needed * rows.column_bounds
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    scaled = scaled / np.where(lengths > 0.0, lengths, 1.0)
    _, s, V = np.linalg.svd(scaled, full_matrices=False)
    V = V[s > len(scaled) * precision * max(s.max(initial=0.0), 1.0)]
    carried = np.divide(V, rows.column_bounds, out=np.zeros_like(V), where=rows.column_bounds > 0.0)
    return carried, row_bounds(carried, rows.layers, domain)[0]
