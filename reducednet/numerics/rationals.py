"""Exact arithmetic on float64 numbers: integers with a common exponent, and fractions."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array

Integers = npt.NDArray[np.int64]
DIGIT = 26
MASK = (1 << DIGIT) - 1
"""Integers are written in digits of 26 bits: a sum of 2^10 products of two fits into an int64."""
TERMS = 1 << 10
LARGEST_FLOAT = float(np.finfo(np.float64).max)


def integers(array: Array) -> tuple[Integers, Integers]:
    """Return int64 arrays (M, p) with M 2^p equal to the numbers, M odd or 0.

    Examples
    --------
    >>> [part.tolist() for part in integers(np.array([0.75, -2.0, 0.0]))]
    [[3, -1, 0], [-2, 1, 0]]
    """
    mantissas, exponents = np.frexp(array)
    M = (mantissas * 2.0**53).astype(np.int64)
    zeros = np.where(M == 0, 0, np.frexp((M & -M).astype(np.float64))[1] - 1)  # at the end of each integer
    return M >> zeros, np.where(M == 0, 0, exponents.astype(np.int64) - 53 + zeros)


class ExactRows:
    """A matrix of float64 numbers: row j is an integer row times 2^exponents_j, the integers in digits.

    digits : list of int64 arrays (m, n), the lowest first, each with the sign of its number
    """

    def __init__(self, W: Array) -> None:
        M, p = integers(W)
        used = M != 0
        self.exponents = np.where(used.any(axis=1), np.where(used, p, np.iinfo(np.int64).max).min(axis=1), 0)
        shifts = np.where(used, p - self.exponents[:, np.newaxis], 0)
        bits = int((shifts + np.frexp(np.abs(M).astype(np.float64))[1]).max(initial=1))
        size, sign = np.abs(M), np.sign(M)
        self.digits = [sign * _digit(size, DIGIT * k - shifts) for k in range(-(-bits // DIGIT))]

    def dot(self, h: Sequence[int]) -> list[int]:
        """Return the integer rows times the integers h."""
        bits = max((value.bit_length() for value in h), default=1)
        H = np.array([
            [((abs(value) >> DIGIT * k) & MASK) * (1 if value >= 0 else -1) for k in range(-(-bits // DIGIT) or 1)]
            for value in h
        ], dtype=np.int64).reshape(len(h), -1)
        total = np.zeros(len(self.exponents), dtype=object)
        for start in range(0, len(h), TERMS):
            part = slice(start, start + TERMS)
            for a, digits in enumerate(self.digits):
                for b, column in enumerate((digits[:, part] @ H[part]).T):
                    if column.any():
                        total += column.astype(object) << DIGIT * (a + b)
        return list(total)


def _digit(size: Integers, places: Integers) -> Integers:
    """Return 26 bits of each non-negative integer, from a place (below 0: with zeros appended) on."""
    down = (size >> np.clip(places, 0, 63)) & MASK
    up = ((size & MASK) << np.clip(-places, 0, DIGIT)) & MASK
    return np.asarray(np.where(places >= 0, down, np.where(places > -DIGIT, up, 0)))


class Scaled(NamedTuple):
    """Numbers: integers times one rational."""

    integers: list[int]
    scale: Fraction

    def values(self) -> list[Fraction]:
        """Return the numbers."""
        return [value * self.scale for value in self.integers]


def rationals(x: Any) -> list[Fraction]:
    """Return the numbers as fractions, exactly."""
    return [value if isinstance(value, Fraction) else Fraction(float(value)) for value in x]


def below(value: Fraction) -> float:
    """Return the largest float64 that is at most the value, or nearly so; -inf below all of them."""
    try:
        result = float(value)
    except OverflowError:
        return LARGEST_FLOAT if value > 0 else -np.inf
    return result if Fraction(result) <= value else float(np.nextafter(result, -np.inf))


def above(value: Fraction) -> float:
    """Return the smallest float64 that is at least the value, or nearly so; inf above all of them."""
    return 0.0 - below(-value)  # not -0.0


def non_negative_fit(A: Array, y: Array) -> Array:
    """Return t >= 0 with A t near y; zeros where the solver gives up."""
    from scipy.optimize import nnls

    try:
        return np.asarray(nnls(A, y)[0])
    except RuntimeError:  # its limit of iterations
        return np.zeros(A.shape[1])


def in_simplex(corners: Sequence[Sequence[Fraction]], x: Sequence[Fraction]) -> bool:
    """Tell whether x is a mean of independent corners; dependent ones are answered with False."""
    return simplex_weights(corners, x) is not None


def simplex_weights(corners: Sequence[Sequence[Fraction]], x: Sequence[Fraction]) -> list[Fraction] | None:
    """Return t >= 0 with sum t_i p_i = x, sum t_i = 1, for independent corners p_i; None if there is none.

    Elimination in rationals.
    """
    n = len(corners)
    if not n:
        return None
    rows = [[*(p[k] for p in corners), x[k]] for k in range(len(x))] + [[Fraction(1)] * (n + 1)]
    for column in range(n):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column] != 0), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = [value / rows[column][column] for value in rows[column]]
        rows = [head if r == column else [v - row[column] * h for v, h in zip(row, head)]
                for r, row in enumerate(rows)]
    weights = [row[n] for row in rows[:n]]
    inside = n > 0 and min(weights) >= 0 and not any(row[n] for row in rows[n:])
    return weights if inside else None
