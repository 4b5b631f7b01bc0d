"""Sum floating-point numbers exactly, with one rounding at the end."""
from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from .._validation import Array, finite_result


def exact_sum(values: list[float]) -> float:
    """Return the sum, rounded once; inf or nan where it, or a term, leaves the range of float64.

    Examples
    --------
    >>> exact_sum([1.0, 1e100, -1e100])
    1.0
    >>> exact_sum([1e308, 1e308, -1e308])
    1e+308
    """
    try:
        return math.fsum(values)
    except ValueError:  # inf - inf
        return math.nan
    except OverflowError:  # a partial sum, perhaps not the sum itself
        pass
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return math.inf


def exact_sums(terms: Array) -> Array:
    """Return the sums over the first axis, each rounded once; the other axes are kept.

    Raises
    ------
    ValueError
        If a sum leaves the range of float64.

    Examples
    --------
    >>> exact_sums(np.array([[1.0], [1e100], [-1e100]]))
    array([1.])
    """
    flat = terms.reshape(len(terms), math.prod(terms.shape[1:]))
    sums = np.array([exact_sum(column) for column in flat.T.tolist()])
    return finite_result(sums.reshape(terms.shape[1:]), "a sum of the canonical form")
