"""Rebuild a symbolic network as the smallest chain of layers that computes it.

Each class of unstable neurons that an output depends on goes to a **level**, a hidden layer of the
new network, above all classes that its row depends on. Let Q_l be the rows of the outputs and of
the classes above level l, over the inputs and the classes below level l, constants apart. Level l
must pass the rows of Q_l on, and rank(Q_l) always-on neurons carry them.

References
----------
THEORY, Prop. 6. So many always-on neurons are enough with an output bias, which the result has if
it needs one; they are the fewest if the columns are linearly independent functions on the domain.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.network import Network
from ..numerics.low_rank import row_basis
from ..verification.symbolic_bounds.back_substitution import SymbolicLayer, row_bounds
from ..verification.symbolic_bounds.symbolic_network import ON, Roles, SymbolicNetwork

LEAST_CARRIED = 2.0**-10
"""A carrying neuron is shifted up until this is its lower bound, if it has none above 0."""


class Rebuilt(NamedTuple):
    """A smaller network, the roles of its neurons, and for each class whether it is used."""

    network: Network
    roles: list[Roles]
    used: np.ndarray


class _Rows(NamedTuple):
    """The symbolic rows of a network, over its columns 1, x and the classes.

    classes, outputs : arrays (n_classes, n_columns), (n_outputs, n_columns)
        Coefficients below the precision's share of their magnitude are 0.
    column_bounds : array (n_columns,)
        The largest absolute value of each column.
    n_affine : int
        The number of the columns 1 and x.
    layers : list of SymbolicLayer
        The rows of the classes by layer, for bounds.
    precision : float
        The relative error of the coefficients.
    """

    classes: Array
    outputs: Array
    column_bounds: Array
    n_affine: int
    layers: list[SymbolicLayer]
    precision: float


def rebuild(written: SymbolicNetwork, domain: Domain, precision: float) -> Rebuilt:
    """Return the smaller of the networks that two choices of levels give."""
    rows = _rows(written, 1 + domain.n_inputs, precision)
    used = _used(rows)
    choices = _levels_of_layers(rows, used), _earliest_levels(rows, used)
    found = [_chain(rows, used, levels, domain) for levels in choices]
    return min(found, key=lambda one: (sum(one.network.sizes[1:-1]), one.network.n_parameters))


def _rows(written: SymbolicNetwork, n_affine: int, precision: float) -> _Rows:
    """Return all rows over all columns, without coefficients negligible at this precision."""
    column_bounds = written.column_bounds

    def over_all_columns(A: Array, S: Array) -> Array:
        rows = np.zeros((len(A), len(column_bounds)))
        rows[:, :A.shape[1]] = np.where(np.abs(A) <= precision * S, 0.0, A)
        return rows * (column_bounds > 0.0)

    classes = np.concatenate([over_all_columns(layer.A, layer.S) for layer in written.layers])
    outputs = over_all_columns(written.A, written.S)
    return _Rows(classes, outputs, column_bounds, n_affine, written.layers, precision)


def _used(rows: _Rows) -> np.ndarray:
    """Return for each class whether an output depends on it."""
    used: np.ndarray = np.array(rows.outputs[:, rows.n_affine:].any(axis=0))
    for c in range(len(used) - 1, -1, -1):
        if used[c]:
            used |= rows.classes[c, rows.n_affine:] != 0.0
    return used


def _levels_of_layers(rows: _Rows, used: np.ndarray) -> np.ndarray:
    """Return levels 1, 2, ... in the order of the layers that still have a class."""
    layer_numbers = np.repeat(
        np.arange(len(rows.layers)), [len(layer.low) for layer in rows.layers])
    levels = np.zeros(len(used), dtype=int)
    levels[used] = np.unique(layer_numbers[used], return_inverse=True)[1] + 1
    return levels


def _earliest_levels(rows: _Rows, used: np.ndarray) -> np.ndarray:
    """Return for each class one more than the highest level it depends on."""
    levels = np.zeros(len(used), dtype=int)
    for c in np.flatnonzero(used):
        below = rows.classes[c, rows.n_affine:] != 0.0
        levels[c] = 1 + levels[below & used].max(initial=0)
    return levels


class _Level(NamedTuple):
    """The activations of a level: columns of its own, and rows that it carries.

    columns : integer array
        Those of its classes; of the inputs in level 0.
    carried : array (n_carried, n_columns)
        Rows v of always-on neurons, with their constants in the first column.
    basis : array (n_carried, n_columns)
        The same rows, without constants, times the column bounds: they are orthonormal.
    """

    columns: np.ndarray
    carried: Array
    basis: Array

    def express(self, rows: Array, column_bounds: Array) -> tuple[Array, Array]:
        """Return (W, b) with rows = W activations + b, for rows that the activations determine."""
        multiples = (rows * column_bounds) @ self.basis.T
        constants = rows[:, 0] - multiples @ self.carried[:, 0]
        return np.hstack([rows[:, self.columns], multiples]), constants


def _chain(rows: _Rows, used: np.ndarray, levels: np.ndarray, domain: Domain) -> Rebuilt:
    """Return the network that has the classes at these levels."""
    none = np.empty((0, len(rows.column_bounds)))
    below = _Level(np.arange(1, rows.n_affine), none, none)
    weights, thresholds, roles = [], [], []
    for number in range(1, max(1, levels.max(initial=0)) + 1):
        here = np.flatnonzero(levels == number)
        level = _level(rows, used, levels, number, domain)
        own_rows = np.concatenate([rows.classes[here], level.carried])
        W, b = below.express(own_rows, rows.column_bounds)
        labels = np.append(here, np.full(len(level.carried), ON))
        weights.append(W)
        thresholds.append(b)
        roles.append(Roles(labels, np.where(labels >= 0, 1.0, 0.0)))
        below = level
    C, a = below.express(rows.outputs, rows.column_bounds)
    network = Network(weights, thresholds, C, a if a.any() else None)
    return Rebuilt(network, roles, used)


def _level(
    rows: _Rows, used: np.ndarray, levels: np.ndarray, number: int, domain: Domain
) -> _Level:
    """Return a level with its classes, and a basis of what it must pass on.

    Where it has neither, it gets one constant neuron: a layer cannot be empty.
    """
    column_bounds = rows.column_bounds
    above = used & (levels > number)
    is_below = np.append(np.ones(rows.n_affine, dtype=bool), used & (levels < number))
    is_below[0] = False  # constants take no neuron
    Q = np.concatenate([rows.classes[above], rows.outputs]) * is_below
    basis = row_basis(Q, rows.precision * np.abs(Q), column_bounds)
    columns = rows.n_affine + np.flatnonzero(levels == number)
    if not len(columns) + len(basis):
        basis = np.zeros((1, len(column_bounds)))
    carried = np.divide(basis, column_bounds, out=np.zeros_like(basis), where=column_bounds > 0.0)
    low = row_bounds(carried, rows.layers, domain)[0]
    carried[:, 0] = np.where(low > 0.0, 0.0, LEAST_CARRIED - low)
    return _Level(columns, carried, basis)
