"""Bounds of floating-point rounding: the numbers that replace guessed tolerances.

References
----------
THEORY, section 7. N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3.
"""
from __future__ import annotations

import numpy as np

UNIT_ROUNDOFF = 2.0**-53
"""Largest relative error u of one rounded float64 operation."""

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
"""Smallest positive float64: the absolute error of one product that underflows."""


def gamma(n_roundings: int) -> float:
    """Return the relative error bound of n roundings in a row.

    gamma_n = n u / (1 - n u),   u = 2^-53

    A product of n factors (1 + delta), |delta| <= u, differs from 1 by at most gamma_n; so does
    every term of a sum of n terms from itself, in whichever order the sum is taken.

    Examples
    --------
    >>> gamma(3) > 3 * UNIT_ROUNDOFF
    True
    """
    return n_roundings * UNIT_ROUNDOFF / (1.0 - n_roundings * UNIT_ROUNDOFF)
