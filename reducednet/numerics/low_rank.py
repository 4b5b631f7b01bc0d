"""Matrices of the smallest rank that their rounding errors allow."""
from __future__ import annotations

import numpy as np

from .._validation import Array, finite_result
from .rounding import UNIT_ROUNDOFF, gamma
from .sphere import normalise

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


def _scaled_sizes(sizes: Array) -> tuple[Array, int]:
    """Return the sizes over 2^power, which brings the largest into [1, 2), and the power."""
    power = int(np.frexp(sizes.max(initial=0.0))[1]) - 1
    return np.ldexp(sizes, -power), power


def _row_exponents(matrix: Array) -> np.ndarray:
    """Return the exponent of two of each row's largest entry, as a column."""
    return np.frexp(np.abs(matrix).max(axis=1, initial=0.0))[1][:, np.newaxis]


def in_units_of_noise(R: Array, noise: Array, sizes: Array) -> Array:
    """Return R_ki sizes_i / (noise sizes)_k: where no entry is above 1 in size, R is nothing but noise.

    R may be a stack of matrices, (..., K, q). Rows and sizes are first multiplied by powers of two,
    so that products of numbers near the ends of float64 stay inside.
    """
    sizes, power = _scaled_sizes(sizes)
    exponents = _row_exponents(noise)
    noise, R = np.ldexp(noise, -exponents), np.ldexp(R, -exponents)
    underflow = np.ldexp(SMALLEST_NORMAL, -exponents - power)
    least = np.maximum(underflow, SMALLEST_NORMAL)
    scaled = R * sizes / np.maximum((noise @ sizes)[:, np.newaxis], least)
    return finite_result(np.asarray(scaled), "the affine part of the form")


def _ranks(scaled: Array) -> np.ndarray:
    if not scaled.size:
        return np.zeros(scaled.shape[:-2], dtype=int)
    values, (K, q) = np.linalg.svd(scaled, compute_uv=False), scaled.shape[-2:]
    ranks = (values > np.sqrt(K) + 8.0 * (K + q) * UNIT_ROUNDOFF * values[..., :1]).sum(axis=-1)
    return np.where((np.abs(scaled) <= 1.0).all(axis=(-2, -1)), 0, np.maximum(ranks, 1))


def numerical_ranks(R: Array, noise: Array, sizes: Array) -> np.ndarray:
    """Return the smallest rank that each matrix can have to within the noise; R as (..., K, q).

    It counts the singular values, in units of the noise, above those that noise alone can have: by Weyl's
    inequality no matrix within the noise of R has a smaller rank.

    Examples
    --------
    >>> R = np.array([[1.0, 2.0], [2.0, 4.0 + 1e-10]])
    >>> [int(numerical_ranks(R, np.full((2, 2), noise), np.ones(2))) for noise in (1e-9, 1e-15)]
    [1, 2]
    """
    return _ranks(in_units_of_noise(R, noise, sizes))


def row_factors(R: Array, noise: Array, sizes: Array) -> tuple[Array, Array]:
    """Return (M, Q) with |R - M Q| at the size of its noise, of the smallest rank r that this allows.

    Parameters
    ----------
    R, noise : arrays (K, q)
        A matrix and how uncertain each entry is.
    sizes : array (q,)
        How large the inputs are that the columns act on; larger than 0.

    Returns
    -------
    M : array (K, r)
    Q : array (r, q)
        With rows Q_i sizes orthonormal, but for a power of two.

    Examples
    --------
    >>> M, Q = row_factors(np.array([[3.0, 4.0]]), np.full((1, 2), 1e-15), np.ones(2))
    >>> np.abs(Q).round(12)
    array([[0.6, 0.8]])
    """
    scaled = in_units_of_noise(R, noise, sizes)
    rank = int(_ranks(scaled))
    if rank == 0:
        return np.zeros((len(R), 0)), np.zeros((0, R.shape[1]))
    basis, (sizes, _) = np.linalg.svd(scaled, full_matrices=False)[2][:rank], _scaled_sizes(sizes)
    exponents = _row_exponents(R)
    M = np.ldexp((np.ldexp(R, -exponents) * sizes) @ basis.T, exponents)
    rank = rank if M.any() else 0  # all of it has underflown
    return M[:, :rank], basis[:rank] / sizes


def row_space(alpha: Array, magnitude: Array, A: Array) -> tuple[Array, Array] | None:
    """Return (M, Q) with alpha = M Q to rounding, the rows of Q unit and as few as possible.

    They come from a singular value decomposition in units of A, with the rows of alpha brought to
    one length: neither a small input nor a small output is lost beside a large one.

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
