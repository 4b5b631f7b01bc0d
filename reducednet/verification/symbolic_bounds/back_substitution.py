"""Bound symbolic rows by back-substitution, as DeepPoly and CROWN do.

A symbolic row z = A_0 + A_x x + A_U U is affine in the inputs x and in the activations U = relu(z')
of the unstable neurons below. Going down from the last layer, each term u U is replaced by a line
in z', whose own row is substituted for it, until a row over the inputs is left:

* u > 0: u times the chord of relu above its interval;
* u <= 0: m z' for any m in [u, 0], as U >= 0 and U >= z'.

Where the sign of z' is known, more lines hold: m z' for any m >= u if z' >= 0, where U = z', and
for any m <= 0 if z' <= 0, where U = 0. Such a multiple for each known sign is the idea of
beta-CROWN.

References
----------
THEORY, section 9; its references are Singh et al. (2019) for DeepPoly, Zhang et al. (2018) for
CROWN and Wang et al. (2021) for beta-CROWN.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain


class SymbolicLayer(NamedTuple):
    """Symbolic rows of the representatives of one layer's classes, with pre-activation bounds.

    A, S : arrays (n_classes, n_columns)
        Coefficients over 1, the inputs and the classes of the layers below, and their magnitudes:
        the sums of absolute values of the terms that they were summed from.
    low, high : arrays (n_classes,)
        low <= z <= high on the domain.
    """

    A: Array
    S: Array
    low: Array
    high: Array


class Leaf(NamedTuple):
    """A part of the domain, by signs of pre-activations, with multiples that bound a row there.

    signs : int8 array (n_classes,)
        1 where z >= 0, -1 where z <= 0, 0 where the sign is not known.
    multiples : array (n_classes,)
        The m of the lines m z.
    """

    signs: np.ndarray
    multiples: Array


LinesBelow = Callable[[Array, Array, SymbolicLayer], Array]
"""From rows A, their coefficients U of a layer's classes, and that layer, to the multiples m."""


def row_bounds(A: Array, layers: list[SymbolicLayer], domain: Domain) -> tuple[Array, Array]:
    """Return lower and upper bounds on rows on the domain."""
    return -upper_bounds(-A, layers, domain), upper_bounds(A, layers, domain)


def upper_bounds(A: Array, layers: list[SymbolicLayer], domain: Domain) -> Array:
    """Return upper bounds on rows on the domain: the best of four choices of lines below relu."""
    signs = np.zeros((len(A), A.shape[1] - 1 - domain.n_inputs), dtype=np.int8)
    choices = (_zero_line, _identity_line, _nearer_line, _cancelling_line)
    bounds = [_substitute_back(A, signs, layers, domain, lines) for lines in choices]
    result: Array = np.min(bounds, axis=0)
    return result


def upper_bounds_on_leaves(
    A: Array, leaves: Sequence[Leaf], layers: list[SymbolicLayer], domain: Domain
) -> Array:
    """Return an upper bound on each row on the part of the domain of its leaf."""
    n_affine = 1 + domain.n_inputs
    signs, multiples = (np.stack(part)[:, :A.shape[1] - n_affine] for part in zip(*leaves))

    def proposed(A: Array, U: Array, layer: SymbolicLayer) -> Array:
        return multiples[:, layer.A.shape[1] - n_affine:][:, :U.shape[1]]

    return _substitute_back(A, signs, layers, domain, proposed)


def _substitute_back(
    A: Array, signs: np.ndarray, layers: list[SymbolicLayer], domain: Domain, lines: LinesBelow
) -> Array:
    """Return upper bounds on rows where the classes have these signs."""
    for layer in reversed(layers):
        width = layer.A.shape[1]
        A, U = A[:, :width].copy(), A[:, width:]
        if not U.shape[1]:
            continue  # the rows are over the columns below this layer
        sign = signs[:, width - 1 - domain.n_inputs:][:, :U.shape[1]]
        slope = layer.high / (layer.high - layer.low)  # of the chord: U <= slope (z - low)
        up = np.where(sign == 0, np.maximum(U, 0.0), 0.0)
        A += (up * slope) @ layer.A
        A[:, 0] -= up @ (slope * layer.low)
        least = np.where(sign > 0, U, np.where(sign < 0, -np.inf, np.minimum(U, 0.0)))
        most = np.where(sign > 0, np.inf, 0.0)
        A += np.clip(lines(A, U, layer), least, most) @ layer.A  # any m in this range is valid
    return A[:, 0] + domain.support(A[:, 1:])


def _zero_line(A: Array, U: Array, layer: SymbolicLayer) -> Array:
    """Choose U >= 0 everywhere."""
    return np.zeros_like(U)


def _identity_line(A: Array, U: Array, layer: SymbolicLayer) -> Array:
    """Choose U >= z everywhere."""
    return np.minimum(U, 0.0)


def _nearer_line(A: Array, U: Array, layer: SymbolicLayer) -> Array:
    """Choose the line that leaves the smaller area below relu, as DeepPoly does."""
    return np.where(layer.high > -layer.low, np.minimum(U, 0.0), 0.0)


def _cancelling_line(A: Array, U: Array, layer: SymbolicLayer) -> Array:
    """Choose the line after which the row over the columns below is shorter."""
    R = layer.A[:, 1:]
    down = np.minimum(U, 0.0)
    return np.where(2.0 * A[:, 1:] @ R.T > -down * (R * R).sum(axis=1), down, 0.0)
