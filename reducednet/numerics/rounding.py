"""Bound the rounding errors of floating-point arithmetic, so that no tolerance is a guess.

References
----------
PROOFS, section 1. N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array

UNIT_ROUNDOFF = 2.0**-53
"""Largest relative error u of one float64 operation."""

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
"""Smallest positive float64: bounds the absolute error of a product that underflows."""


class FloatFormat(NamedTuple):
    """A format of floating-point numbers, rounded to nearest, with gradual underflow.

    dtype : NumPy's type of these numbers
    digits : p, the binary digits of a number, so that the unit roundoff u is 2^-p
    smallest : the smallest positive number
    largest : the largest finite number
    """

    dtype: Any
    digits: int
    smallest: float
    largest: float

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error u of one operation."""
        return 2.0**-self.digits

    def rounded(self, values: Array) -> Array:
        """Return the nearest numbers of this format, as float64; inf beyond the largest."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(values, dtype=float).astype(self.dtype).astype(float)

    def inner_interval(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Return this format's least number >= low and largest <= high, as float64."""
        least, most = self.rounded(low), self.rounded(high)
        with np.errstate(over="ignore"):  # the number after the largest one is inf
            after, before = (
                np.nextafter(values.astype(self.dtype), self.dtype(end)).astype(float)
                for values, end in ((least, np.inf), (most, -np.inf))
            )
        return np.where(least < low, after, least), np.where(most > high, before, most)


FLOAT64 = FloatFormat(np.float64, 53, SMALLEST, float(np.finfo(np.float64).max))
FLOAT32 = FloatFormat(np.float32, 24, 2.0**-149, float(np.finfo(np.float32).max))
FORMATS = {"float64": FLOAT64, "float32": FLOAT32}
"""The formats in which networks may be evaluated."""


def gamma(n_roundings: int, unit_roundoff: float = UNIT_ROUNDOFF) -> float:
    """Return a bound on the relative error of n successive roundings.

    gamma_n = n u / (1 - n u), with u = 2^-53 unless another is given; inf for n u >= 1

    A product of n factors (1 + delta) with |delta| <= u differs from 1 by at most gamma_n. In a
    computed sum of n terms, in any order, each term carries at most such a relative error.

    Examples
    --------
    >>> gamma(3) > 3 * UNIT_ROUNDOFF
    True
    """
    total = n_roundings * unit_roundoff
    return total / (1.0 - total) if total < 1.0 else np.inf
