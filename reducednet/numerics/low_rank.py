"""Factor a matrix that is known up to an error into M Q of the smallest rank that it allows.

A matrix R (K, q) is applied to inputs with |x_i| <= A_i, and |E_ki| <= error_ki bounds the error of
its entries. In units of its error, row k of R is

    R_ki A_i / sum_j error_kj A_j,

and in these units the error's rows have entries whose absolute values add up to at most 1, so its
spectral norm is at most sqrt(K). A singular value decomposition in float64 finds the exact singular
values of a matrix that differs by at most p u s_1, where u is the unit roundoff, s_1 the largest
singular value and p a modest multiple of K + q (backward error). So by Weyl's inequality, no matrix
within the error of R has a smaller rank than the number of singular values above

    sqrt(K) + 8 (K + q) u s_1,

and dropping the others changes R by a few times the error.

References
----------
PROOFS, section 7.
"""
from __future__ import annotations

import numpy as np

from .._validation import Array, finite_result
from .rounding import UNIT_ROUNDOFF

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


def numerical_ranks(R: Array, error: Array, A: Array) -> np.ndarray:
    """Return the smallest rank of a matrix within the error of each R, as (...); R is (..., K, q).

    Examples
    --------
    >>> R = np.array([[1.0, 2.0], [2.0, 4.0 + 1e-10]])
    >>> [int(numerical_ranks(R, np.full((2, 2), error), np.ones(2))) for error in (1e-9, 1e-15)]
    [1, 2]
    """
    return _ranks(_in_units_of_error(R, error, A))


def row_basis(R: Array, error: Array, A: Array) -> Array:
    """Return orthonormal rows V (r, q) that span the rows of R A to within the error, r smallest.

    Examples
    --------
    >>> V = row_basis(np.array([[3.0, 4.0], [6.0, 8.0]]), np.full((2, 2), 1e-15), np.ones(2))
    >>> np.abs(V).round(12)
    array([[0.6, 0.8]])
    """
    scaled = _in_units_of_error(R, error, A)
    rank = int(_ranks(scaled))
    if rank == 0:
        return np.zeros((0, R.shape[1]))
    V = np.linalg.svd(scaled, full_matrices=False)[2][:rank]
    return V * scaled.any(axis=0)  # the decomposition leaves rounding errors in columns of zeros


def row_factors(R: Array, error: Array, A: Array) -> tuple[Array, Array]:
    """Return (M, Q) with |R - M Q| of the size of the error and the smallest rank r that it allows.

    With V of `row_basis`, M = (R A) V' and Q = V / A, both up to a power of two.

    Parameters
    ----------
    R, error : arrays (K, q)
        A matrix and a bound on the error of each entry.
    A : array (q,)
        The largest absolute value of each input that R is applied to.

    Returns
    -------
    M : array (K, r)
    Q : array (r, q)
        The rows A Q_i are orthonormal, up to a common power of two; 0 where A is 0.

    Examples
    --------
    >>> M, Q = row_factors(np.array([[3.0, 4.0]]), np.full((1, 2), 1e-15), np.ones(2))
    >>> np.abs(Q).round(12)
    array([[0.6, 0.8]])
    """
    V, (A, _) = row_basis(R, error, A), _over_power_of_two(A)
    exponents = _row_exponents(R)
    M = np.ldexp((np.ldexp(R, -exponents) * A) @ V.T, exponents)
    rank = len(V) if M.any() else 0  # every entry has underflowed
    Q = np.divide(V, A, out=np.zeros_like(V), where=A > 0.0)
    return M[:, :rank], Q[:rank]


def _in_units_of_error(R: Array, error: Array, A: Array) -> Array:
    """Return R_ki A_i / (error A)_k: R may be 0 where no entry exceeds 1 in absolute value.

    Rows and A are first multiplied by powers of two, so that products of numbers near the limits of
    float64 stay in its range.
    """
    A, power = _over_power_of_two(A)
    exponents = _row_exponents(error)
    error, R = np.ldexp(error, -exponents), np.ldexp(R, -exponents)
    underflow = np.ldexp(SMALLEST_NORMAL, -exponents - power)
    least = np.maximum(underflow, SMALLEST_NORMAL)
    scaled = R * A / np.maximum((error @ A)[:, np.newaxis], least)
    return finite_result(np.asarray(scaled), "an affine map in units of its error")


def _over_power_of_two(A: Array) -> tuple[Array, int]:
    """Return A over 2^power, which brings the largest entry into [1, 2), and the power."""
    power = int(np.frexp(A.max(initial=0.0))[1]) - 1
    return np.ldexp(A, -power), power


def _row_exponents(matrix: Array) -> np.ndarray:
    """Return the exponent of two of each row's largest entry, as a column."""
    return np.frexp(np.abs(matrix).max(axis=1, initial=0.0))[1][:, np.newaxis]


def _ranks(scaled: Array) -> np.ndarray:
    """Return the rank of each matrix in units of its error: 0 if no entry exceeds 1, else >= 1."""
    if not scaled.size:
        return np.zeros(scaled.shape[:-2], dtype=int)
    K, q = scaled.shape[-2:]
    singular = np.linalg.svd(scaled, compute_uv=False)
    threshold = np.sqrt(K) + 8.0 * (K + q) * UNIT_ROUNDOFF * singular[..., :1]
    ranks = (singular > threshold).sum(axis=-1)
    return np.where((np.abs(scaled) <= 1.0).all(axis=(-2, -1)), 0, np.maximum(ranks, 1))
