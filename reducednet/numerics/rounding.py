"""Bound the rounding errors of float64 arithmetic, so that no tolerance is a guess.

References
----------
PROOFS, section 1. N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3.
"""
from __future__ import annotations

import numpy as np

UNIT_ROUNDOFF = 2.0**-53
"""Largest relative error u of one float64 operation."""

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
"""Smallest positive float64: bounds the absolute error of a product that underflows."""


def gamma(n_roundings: int) -> float:
    """Return a bound on the relative error of n successive roundings.

    gamma_n = n u / (1 - n u),   u = 2^-53

    A product of n factors (1 + delta) with |delta| <= u differs from 1 by at most gamma_n. In a
    computed sum of n terms, in any order, each term carries at most such a relative error.

    Examples
    --------
    >>> gamma(3) > 3 * UNIT_ROUNDOFF
    True
    """
    return n_roundings * UNIT_ROUNDOFF / (1.0 - n_roundings * UNIT_ROUNDOFF)
