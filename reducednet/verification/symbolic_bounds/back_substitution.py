"""Bounds of rows over the inputs and the neurons that bend, by lines above and below relu.

A row z = A_0 + A_x x + A_U U is bounded by putting, the last layer first, a multiple of its own row, and a
constant, in the place of each U = relu(z'). For u U with u > 0 that is the chord; for u <= 0 it is any m z' with
m in [u, 0], as U >= 0 and U >= z'. Where the sign of z' is known there is more: any m >= u for z' >= 0, where
U = z', and any m <= 0 for z' <= 0, where U = 0. What is left is a row over the inputs.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain


class Classes(NamedTuple):
    """The classes of one layer: rows A over the columns before theirs, S of absolute values; low <= z <= high."""

    A: Array
    S: Array
    low: Array
    high: Array


class Leaf(NamedTuple):
    """A part of the domain, by the signs of the classes' z on it, and multiples m that bound a row there.

    signs : int8 array (n_classes,)
        1 where z >= 0, -1 where z <= 0, 0 where neither is known.
    multiples : array (n_classes,)
    """

    signs: np.ndarray
    multiples: Array


Multiples = Callable[[Array, Array, Classes], Array]


def ends(A: Array, classes: list[Classes], domain: Domain) -> tuple[Array, Array]:
    """Return lower and upper bounds of rows over the domain."""
    return -highest(-A, classes, domain), highest(A, classes, domain)


def highest(A: Array, classes: list[Classes], domain: Domain) -> Array:
    """Return upper bounds of rows: the best of four choices of the lines below relu.

    All above 0, all above z, each above the nearer one, or the one that leaves a smaller row.
    """
    unknown = np.zeros((len(A), A.shape[1] - 1 - domain.n_inputs), dtype=np.int8)
    bounds = [_highest(A, unknown, classes, domain, lines) for lines in (_zero, _itself, _nearer, _shorter)]
    result: Array = np.min(bounds, axis=0)
    return result


def highest_at(A: Array, leaves: Sequence[Leaf], classes: list[Classes], domain: Domain) -> Array:
    """Return an upper bound of each row on the part of the domain that its leaf is, by the leaf's multiples."""
    signs, multiples = (np.stack(part)[:, :A.shape[1] - 1 - domain.n_inputs] for part in zip(*leaves))

    def proposed(A: Array, U: Array, layer: Classes) -> Array:
        return multiples[:, layer.A.shape[1] - 1 - domain.n_inputs:][:, :U.shape[1]]

    return _highest(A, signs, classes, domain, proposed)


def _highest(A: Array, signs: np.ndarray, classes: list[Classes], domain: Domain, multiples: Multiples) -> Array:
    for layer in reversed(classes):
        A, U = A[:, :layer.A.shape[1]].copy(), A[:, layer.A.shape[1]:]
        if not U.shape[1]:
            continue
        sign = signs[:, layer.A.shape[1] - 1 - domain.n_inputs:][:, :U.shape[1]]
        slope = layer.high / (layer.high - layer.low)
        up = np.where(sign == 0, np.maximum(U, 0.0), 0.0)
        A += (up * slope) @ layer.A
        A[:, 0] -= up @ (slope * layer.low)
        least = np.where(sign > 0, U, np.where(sign < 0, -np.inf, np.minimum(U, 0.0)))
        A += np.clip(multiples(A, U, layer), least, np.where(sign > 0, np.inf, 0.0)) @ layer.A
    return A[:, 0] + domain.support(A[:, 1:])


def _zero(A: Array, U: Array, layer: Classes) -> Array:
    return np.zeros_like(U)


def _itself(A: Array, U: Array, layer: Classes) -> Array:
    return np.minimum(U, 0.0)


def _nearer(A: Array, U: Array, layer: Classes) -> Array:
    return np.where(layer.high > -layer.low, np.minimum(U, 0.0), 0.0)


def _shorter(A: Array, U: Array, layer: Classes) -> Array:
    R = layer.A[:, 1:]
    down = np.minimum(U, 0.0)
    return np.where(2.0 * A[:, 1:] @ R.T > -down * (R * R).sum(axis=1), down, 0.0)
