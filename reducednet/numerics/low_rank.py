"""Factor a matrix that is known up to rounding error into M Q of the smallest rank.

`row_factors` and `numerical_ranks` are given an error bound for each entry, and count as zero
whatever it allows. `row_space` finds what is linearly dependent to working precision, and then
checks the residual.
"""
from __future__ import annotations

import numpy as np

from .._validation import Array, finite_result
from .rounding import UNIT_ROUNDOFF, gamma
from .sphere import normalise

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


def _scaled_bounds(A: Array) -> tuple[Array, int]:
    """Return A over 2^power, which brings the largest entry into [1, 2), and the power."""
    power = int(np.frexp(A.max(initial=0.0))[1]) - 1
    return np.ldexp(A, -power), power


def _row_exponents(matrix: Array) -> np.ndarray:
    """Return the exponent of two of each row's largest entry, as a column."""
    return np.frexp(np.abs(matrix).max(axis=1, initial=0.0))[1][:, np.newaxis]


def in_units_of_error(R: Array, error: Array, A: Array) -> Array:
    """Return R_ki A_i / (error A)_k: R may be 0 where no entry exceeds 1 in absolute value.

    R may be a stack of matrices, (..., K, q). Rows and A are first multiplied by powers of two, so
    that products of numbers near the limits of float64 stay in its range.
    """
    A, power = _scaled_bounds(A)
    exponents = _row_exponents(error)
    error, R = np.ldexp(error, -exponents), np.ldexp(R, -exponents)
    underflow = np.ldexp(SMALLEST_NORMAL, -exponents - power)
    least = np.maximum(underflow, SMALLEST_NORMAL)
    scaled = R * A / np.maximum((error @ A)[:, np.newaxis], least)
    return finite_result(np.asarray(scaled), "the affine part of the form")


def _ranks(scaled: Array) -> np.ndarray:
    if not scaled.size:
        return np.zeros(scaled.shape[:-2], dtype=int)
    values, (K, q) = np.linalg.svd(scaled, compute_uv=False), scaled.shape[-2:]
    ranks = (values > np.sqrt(K) + 8.0 * (K + q) * UNIT_ROUNDOFF * values[..., :1]).sum(axis=-1)
    return np.where((np.abs(scaled) <= 1.0).all(axis=(-2, -1)), 0, np.maximum(ranks, 1))


def numerical_ranks(R: Array, error: Array, A: Array) -> np.ndarray:
    """Return the smallest rank of a matrix within the error of each R, as (...); R is (..., K, q).

    Count the singular values, in units of the error, above those that the error alone can have: by
    Weyl's inequality no matrix within the error of R has a smaller rank.

    Examples
    --------
    >>> R = np.array([[1.0, 2.0], [2.0, 4.0 + 1e-10]])
    >>> [int(numerical_ranks(R, np.full((2, 2), error), np.ones(2))) for error in (1e-9, 1e-15)]
    [1, 2]
    """
    return _ranks(in_units_of_error(R, error, A))


def row_factors(R: Array, error: Array, A: Array) -> tuple[Array, Array]:
    """Return (M, Q) with |R - M Q| of the size of the error and the smallest rank r that it allows.

    Parameters
    ----------
    R, error : arrays (K, q)
        A matrix and a bound on the error of each entry.
    A : array (q,)
        The largest absolute value of each input that R is applied to; larger than 0.

    Returns
    -------
    M : array (K, r)
    Q : array (r, q)
        The rows A Q_i are orthonormal, up to a common power of two.

    Examples
    --------
    >>> M, Q = row_factors(np.array([[3.0, 4.0]]), np.full((1, 2), 1e-15), np.ones(2))
    >>> np.abs(Q).round(12)
    array([[0.6, 0.8]])
    """
    scaled = in_units_of_error(R, error, A)
    rank = int(_ranks(scaled))
    if rank == 0:
        return np.zeros((len(R), 0)), np.zeros((0, R.shape[1]))
    basis, (A, _) = np.linalg.svd(scaled, full_matrices=False)[2][:rank], _scaled_bounds(A)
    exponents = _row_exponents(R)
    M = np.ldexp((np.ldexp(R, -exponents) * A) @ basis.T, exponents)
    rank = rank if M.any() else 0  # every entry has underflowed
    return M[:, :rank], basis[:rank] / A


def row_space(alpha: Array, magnitude: Array, A: Array) -> tuple[Array, Array] | None:
    """Return (M, Q) with alpha = M Q to rounding error, the rows of Q unit and as few as possible.

    They come from a singular value decomposition of alpha in units of A with its rows normalised,
    so that neither a small input nor a small output disappears beside a large one.

    Parameters
    ----------
    alpha : array (n_outputs, n)
    magnitude : array (n_outputs, n)
        The sum of absolute values of the terms that alpha is a sum of.
    A : array (n,)
        The largest |h_i| of each input.

    Returns
    -------
    (M, Q) : arrays (n_outputs, r), (r, n), or None
        None where the residual |alpha - M Q| A is more than a few roundings of magnitude A.
    """
    allowed = gamma(4 * sum(alpha.shape) + 16)
    scaled = alpha * A
    rows, lengths = normalise(scaled)
    _, singular, basis = np.linalg.svd(rows, full_matrices=False)
    basis = basis[singular > allowed * singular[0]] if lengths.any() else basis[:0]
    Q, norms = normalise(np.divide(basis, A, out=np.zeros_like(basis), where=A > 0.0))
    M = (scaled @ basis.T) * norms
    residual = np.abs(alpha - M @ Q) @ A
    return (M, Q) if (residual <= allowed * (magnitude @ A)).all() else None
