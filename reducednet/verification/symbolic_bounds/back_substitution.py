"""Bound symbolic rows by back-substitution, as DeepPoly and CROWN do.

A symbolic row is affine in the inputs x and in the activations U = relu(z) of the unstable neurons
of the layers below it, one U for each class:

    A_0 + A_x . x + A_U . U.

`upper_bounds` goes down from the last layer to the first. In each layer every term a U is replaced
by a line in z that is nowhere below it, and then z by its own row, which is over the columns below:

* a > 0: a U <= a t (z - l), the chord of relu over [l, h], of slope t = h / (h - l);
* a <= 0: a U <= m z for any m in [a, 0], as U >= 0 and U >= z.

What is left is a row over the inputs, whose largest value is A_0 + h_D(A_x), by the support
function h_D of the domain. DeepPoly takes m = 0 or a by the smaller area between line and relu;
CROWN lets m be chosen. Where the sign of z is known, more lines hold: m z for any m >= a if z >= 0,
where U = z, and for any m <= 0 if z <= 0, where U = 0. Such a multiplier for each known sign is the
idea of beta-CROWN.

References
----------
PROOFS, Lemma 19. The references of THEORY: Singh et al. (2019) for DeepPoly, Zhang et al. (2018)
for CROWN and Wang et al. (2021) for beta-CROWN.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain


class SymbolicLayer(NamedTuple):
    """Symbolic rows z = A . columns of the representatives of one layer's classes.

    A, S : arrays (n_classes, n_columns)
        Coefficients of 1, of the inputs and of the classes of the layers below, and their
        magnitudes: the sums of absolute values of the terms that they were summed from.
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


Lines = Callable[[Array, Array, SymbolicLayer], Array]
"""From rows A over the columns below a layer, their coefficients a of the U of its classes, and
that layer, to the multiples m (n_rows, n_classes) of the lines m z."""


def row_bounds(A: Array, layers: list[SymbolicLayer], domain: Domain) -> tuple[Array, Array]:
    """Return bounds on the rows A (n_rows, n_columns) over the domain:

        -upper(-A) <= A . columns <= upper(A).
    """
    return -upper_bounds(-A, layers, domain), upper_bounds(A, layers, domain)


def upper_bounds(A: Array, layers: list[SymbolicLayer], domain: Domain) -> Array:
    """Return upper bounds on rows over the domain: the best of four choices of lines."""
    signs = np.zeros((len(A), A.shape[1] - 1 - domain.n_inputs), dtype=np.int8)
    choices = (_zero_lines, _identity_lines, _nearer_lines, _cancelling_lines)
    bounds = [_upper_bounds(A, signs, layers, domain, lines) for lines in choices]
    result: Array = np.min(bounds, axis=0)
    return result


def upper_bounds_on_leaves(
    A: Array, leaves: Sequence[Leaf], layers: list[SymbolicLayer], domain: Domain
) -> Array:
    """Return an upper bound on each row on the part of the domain of its leaf."""
    n_affine = 1 + domain.n_inputs
    signs, multiples = (np.stack(part)[:, :A.shape[1] - n_affine] for part in zip(*leaves))

    def given_lines(A: Array, a: Array, layer: SymbolicLayer) -> Array:
        return multiples[:, layer.A.shape[1] - n_affine:][:, :a.shape[1]]

    return _upper_bounds(A, signs, layers, domain, given_lines)


def _upper_bounds(
    A: Array, signs: np.ndarray, layers: list[SymbolicLayer], domain: Domain, lines: Lines
) -> Array:
    """Return A_0 + h_D(A_x) of the rows that back-substitution leaves."""
    for layer in reversed(layers):
        below = layer.A.shape[1]
        a = A[:, below:]
        if a.shape[1]:  # else the rows are over the columns below this layer already
            sign = signs[:, below - 1 - domain.n_inputs:][:, :a.shape[1]]
            A = _substitute(A[:, :below], a, sign, layer, lines)
    return A[:, 0] + domain.support(A[:, 1:])


def _substitute(
    A: Array, a: Array, signs: np.ndarray, layer: SymbolicLayer, lines: Lines
) -> Array:
    """Return rows over the columns below a layer, nowhere below A . columns + a . U:

        A + (up t) R - (up t l) e_0 + m R,

    where up = max(a, 0) has the chords, of slope t = h / (h - l), where the sign of z is not known;
    R (n_classes, n_columns) are the rows of z, l and h its bounds, and e_0 is the column 1. The
    multiples m are moved to where they are valid.
    """
    t = layer.high / (layer.high - layer.low)
    up = np.where(signs == 0, np.maximum(a, 0.0), 0.0)
    A = A + (up * t) @ layer.A
    A[:, 0] -= up @ (t * layer.low)

    least = np.where(signs > 0, a, np.where(signs < 0, -np.inf, np.minimum(a, 0.0)))
    most = np.where(signs > 0, np.inf, 0.0)
    m = np.clip(lines(A, a, layer), least, most)
    return A + m @ layer.A


def _zero_lines(A: Array, a: Array, layer: SymbolicLayer) -> Array:
    """Choose U >= 0 everywhere: m = 0."""
    return np.zeros_like(a)


def _identity_lines(A: Array, a: Array, layer: SymbolicLayer) -> Array:
    """Choose U >= z everywhere: m = a."""
    return np.minimum(a, 0.0)


def _nearer_lines(A: Array, a: Array, layer: SymbolicLayer) -> Array:
    """Choose the line that leaves the smaller area below relu, as DeepPoly does: m = a if h > -l.
    """
    return np.where(layer.high > -layer.low, np.minimum(a, 0.0), 0.0)


def _cancelling_lines(A: Array, a: Array, layer: SymbolicLayer) -> Array:
    """Choose the line after which the row over the columns below is shorter: for the row R of z,

        |A + a R| < |A|    if and only if    2 A . R > -a |R|^2    (a < 0; without constants).
    """
    R, down = layer.A[:, 1:], np.minimum(a, 0.0)
    return np.where(2.0 * A[:, 1:] @ R.T > -down * (R * R).sum(axis=1), down, 0.0)
