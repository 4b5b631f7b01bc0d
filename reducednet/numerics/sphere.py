"""Compute norms, projection, retraction and exponential map on the unit sphere, row by row.

A weight matrix of the reduced space is a product of spheres S^(n-1), one for each neuron
(THEORY, section 4). Each row of a matrix (n_rows, n) is a point or a vector.
"""
from __future__ import annotations

import numpy as np

from .._validation import Array, RandomLike, generator, integer
from .rounding import gamma


def row_exponents(W: Array) -> np.ndarray:
    """Return, for each row, the integer e with 2^e <= max_i |w_i| < 2^(e+1); 0 for a zero row.

    Examples
    --------
    >>> row_exponents(np.array([[3.0, -4.0], [0.0, 0.25], [0.0, 0.0]]))
    array([ 2, -2,  0], dtype=int32)
    """
    largest = np.abs(W).max(axis=1)
    return np.where(largest > 0.0, np.frexp(largest)[1] - 1, 0)


def row_norms(W: Array) -> Array:
    """Return the Euclidean norm of each row, whatever its scale.

    The squares of entries near 1e-160 or 1e160 leave the range of float64, so rows with a norm
    outside [1e-140, 1e140] are first multiplied by a power of two, which is exact.

    Parameters
    ----------
    W : array (n_rows, n)

    Returns
    -------
    array (n_rows,)
        Relative error at most gamma(n + 2); inf where the norm itself exceeds the range of float64.

    Examples
    --------
    >>> row_norms(np.array([[3.0, 4.0], [3e-200, 4e-200], [3e200, 4e200]]))
    array([5.e+000, 5.e-200, 5.e+200])
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", W, W))
        extreme = ~((norms > 1e-140) & (norms < 1e140))
        if extreme.any():
            exponents = row_exponents(W[extreme])
            scaled = np.ldexp(W[extreme], -exponents[:, np.newaxis])
            norms[extreme] = np.ldexp(np.sqrt(np.einsum("ij,ij->i", scaled, scaled)), exponents)
    return norms


def unit_tolerance(n: int) -> float:
    """Return a bound on |norm - 1| for the computed norm of a normalised row of n entries.

    The norm carries n/2 + 2 roundings, the division one, and the norm of the result n/2 + 2 more.

    Examples
    --------
    >>> unit_tolerance(2) < 1e-15
    True
    """
    return gamma(n + 6)


def normalise(W: Array) -> tuple[Array, Array]:
    """Return the unit rows w_j / |w_j| and the norms |w_j|.

    A row whose norm is 1 to rounding error is returned as it is, with norm 1, so that normalising
    twice changes nothing. A zero row has no direction: it stays zero, with norm 0.
    A row of subnormal numbers is still a direction.

    Parameters
    ----------
    W : array (n_rows, n)

    Returns
    -------
    units : array (n_rows, n)
    norms : array (n_rows,)

    Examples
    --------
    >>> units, norms = normalise(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> units.tolist(), norms.tolist()
    ([[0.6, 0.8], [0.0, 0.0]], [5.0, 0.0])
    """
    norms = row_norms(W)
    norms[np.abs(norms - 1.0) <= unit_tolerance(W.shape[1])] = 1.0
    extreme = ~((norms > 1e-140) & (norms < 1e140))
    units = W / np.where(extreme, 1.0, norms)[:, np.newaxis]
    if extreme.any():
        with np.errstate(under="ignore"):
            scaled = np.ldexp(W[extreme], -row_exponents(W[extreme])[:, np.newaxis])
        lengths = row_norms(scaled)
        units[extreme] = scaled / np.where(lengths > 0.0, lengths, 1.0)[:, np.newaxis]
    return units, norms


def project(W: Array, G: Array) -> Array:
    """Return the tangent part of each row of G at the unit row of W: P_w g = g - (w.g) w.

    This is the Riemannian gradient if G is the Euclidean one, and the transport to w of a vector
    tangent at another point.

    Parameters
    ----------
    W, G : arrays (n_rows, n)
        Unit rows, and any vectors.

    Examples
    --------
    >>> project(np.array([[1.0, 0.0]]), np.array([[5.0, 2.0]]))
    array([[0., 2.]])
    """
    return G - np.einsum("ij,ij->i", W, G)[:, np.newaxis] * W


def retract(W: Array, V: Array) -> Array:
    """Return the retraction R_w(v) = (w + v) / |w + v|, row by row.

    Where w + v = 0 there is no direction, and the row stays w.

    Examples
    --------
    >>> retract(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).round(4)
    array([[0.7071, 0.7071]])
    """
    units, lengths = normalise(W + V)
    return np.where((lengths > 0.0)[:, np.newaxis], units, W)


def exponential(W: Array, V: Array) -> Array:
    """Return the exponential map: follow the great circle from w with initial velocity v.

    exp_w(v) = cos(|v|) w + sin(|v|) v / |v|

    Parameters
    ----------
    W, V : arrays (n_rows, n)
        Unit rows, and tangent vectors at them.

    Examples
    --------
    >>> exponential(np.array([[1.0, 0.0]]), np.array([[0.0, np.pi / 2]])).round(12)
    array([[0., 1.]])
    """
    directions, lengths = normalise(V)
    cosines, sines = np.cos(lengths), np.sin(lengths)
    return cosines[:, np.newaxis] * W + sines[:, np.newaxis] * directions


def sample(n_rows: int, n: int, rng: RandomLike = None) -> Array:
    """Return rows drawn uniformly from the unit sphere S^(n-1); for n = 1 they are -1 or 1.

    Parameters
    ----------
    n_rows, n : int
    rng : None, int, Generator or SeedSequence

    Returns
    -------
    array (n_rows, n)

    Examples
    --------
    >>> row_norms(sample(3, 5, rng=0)).round(12)
    array([1., 1., 1.])
    """
    shape = integer(n_rows, "n_rows", 0), integer(n, "n", 1)
    units, norms = normalise(generator(rng).standard_normal(shape))
    units[norms == 0.0, 0] = 1.0
    return units
