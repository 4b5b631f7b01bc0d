"""Compute exactly with float64 numbers, as integers with a common exponent or as fractions."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array

Integers = npt.NDArray[np.int64]
DIGIT = 26
"""Bits of a digit: a sum of 2^10 products of two digits fits into an int64."""

MASK = (1 << DIGIT) - 1
TERMS_PER_SUM = 1 << 10
FLOAT_MAX = float(np.finfo(np.float64).max)


def integers(array: Array) -> tuple[Integers, Integers]:
    """Return int64 arrays (M, p) with M 2^p equal to the numbers, M odd or 0.

    Examples
    --------
    >>> [part.tolist() for part in integers(np.array([0.75, -2.0, 0.0]))]
    [[3, -1, 0], [-2, 1, 0]]
    """
    mantissas, exponents = np.frexp(array)
    M = (mantissas * 2.0**53).astype(np.int64)
    trailing = np.frexp((M & -M).astype(np.float64))[1] - 1  # zero bits at the end of each integer
    zeros = np.where(M == 0, 0, trailing)
    return M >> zeros, np.where(M == 0, 0, exponents.astype(np.int64) - 53 + zeros)


class ExactRows:
    """A matrix of float64 numbers, with row j stored as an integer row times 2^exponents_j.

    The integers are split into digits of `DIGIT` bits: `digits` is a list of int64 arrays (m, n),
    the lowest digit first, each with the sign of its number.
    """

    def __init__(self, W: Array) -> None:
        M, p = integers(W)
        used = M != 0
        least = np.where(used, p, np.iinfo(np.int64).max).min(axis=1)
        self.exponents = np.where(used.any(axis=1), least, 0)
        shifts = np.where(used, p - self.exponents[:, np.newaxis], 0)
        bits = int((shifts + np.frexp(np.abs(M).astype(np.float64))[1]).max(initial=1))
        absolute, sign = np.abs(M), np.sign(M)
        self.digits = [
            sign * _digit(absolute, DIGIT * k - shifts) for k in range(-(-bits // DIGIT))
        ]

    def dot(self, h: Sequence[int]) -> list[int]:
        """Return the products of the integer rows with the integers h."""
        bits = max((value.bit_length() for value in h), default=1)
        H = np.array([
            [
                ((abs(value) >> DIGIT * k) & MASK) * (1 if value >= 0 else -1)
                for k in range(-(-bits // DIGIT) or 1)
            ]
            for value in h
        ], dtype=np.int64).reshape(len(h), -1)
        total = np.zeros(len(self.exponents), dtype=object)
        for start in range(0, len(h), TERMS_PER_SUM):
            part = slice(start, start + TERMS_PER_SUM)
            for a, digits in enumerate(self.digits):
                for b, column in enumerate((digits[:, part] @ H[part]).T):
                    if column.any():
                        total += column.astype(object) << DIGIT * (a + b)
        return list(total)


def _digit(value: Integers, first_bit: Integers) -> Integers:
    """Return `DIGIT` bits of each non-negative integer from a first bit; bits below 0 are 0."""
    down = (value >> np.clip(first_bit, 0, 63)) & MASK
    up = ((value & MASK) << np.clip(-first_bit, 0, DIGIT)) & MASK
    return np.asarray(np.where(first_bit >= 0, down, np.where(first_bit > -DIGIT, up, 0)))


class Scaled(NamedTuple):
    """Rational numbers stored as integers times one scale."""

    integers: list[int]
    scale: Fraction

    def values(self) -> list[Fraction]:
        """Return the numbers as fractions."""
        return [value * self.scale for value in self.integers]


def rationals(x: Any) -> list[Fraction]:
    """Return the numbers x as fractions, exactly."""
    return [value if isinstance(value, Fraction) else Fraction(float(value)) for value in x]


def below(value: Fraction) -> float:
    """Return the largest float64 that is at most the value; -inf below all of them."""
    try:
        result = float(value)
    except OverflowError:
        return FLOAT_MAX if value > 0 else -np.inf
    return result if Fraction(result) <= value else float(np.nextafter(result, -np.inf))


def above(value: Fraction) -> float:
    """Return the smallest float64 that is at least the value; inf above all of them."""
    return 0.0 - below(-value)  # not -0.0


def non_negative_fit(A: Array, y: Array) -> Array:
    """Return the t >= 0 that minimises |A t - y|, in float64.

    SciPy's `nnls` gives up where columns are nearly dependent, in versions 1.12 to 1.14 more often;
    its other active-set method then stands in, which takes longer.
    """
    from scipy.optimize import lsq_linear, nnls

    try:
        return np.asarray(nnls(A, y)[0])
    except (RuntimeError, np.linalg.LinAlgError):
        return np.maximum(lsq_linear(A, y, (0.0, np.inf), method="bvls", tol=1e-14).x, 0.0)


def simplex_weights(
    vertices: Sequence[Sequence[Fraction]], x: Sequence[Fraction]
) -> list[Fraction] | None:
    """Return t >= 0 with sum t_i p_i = x and sum t_i = 1, or None if there is no such t.

    Gauss-Jordan elimination in rationals. Affinely dependent vertices p_i give None.
    """
    n = len(vertices)
    if not n:
        return None
    rows = [[*(p[k] for p in vertices), x[k]] for k in range(len(x))] + [[Fraction(1)] * (n + 1)]
    for column in range(n):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column] != 0), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        pivot_row = [value / rows[column][column] for value in rows[column]]
        rows = [
            pivot_row if r == column else [v - row[column] * h for v, h in zip(row, pivot_row)]
            for r, row in enumerate(rows)
        ]
    weights = [row[n] for row in rows[:n]]
    inside = min(weights) >= 0 and not any(row[n] for row in rows[n:])
    return weights if inside else None
