"""Few neurons for an affine map: as many as its linear part has rank, to within its rounding."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..domains import Domain
from ..numerics.low_rank import row_factors
from ..numerics.rounding import gamma
from ..numerics.sphere import normalise


class AffineNeurons(NamedTuple):
    """Neurons that are on in all of the domain: C (W x + b), as W (p, d), b (p,), C (K, p)."""

    W: Array
    b: Array
    C: Array


def affine_neurons(linear: Array, noise: Array, A: Array, domain: Domain) -> AffineNeurons:
    """Return neurons (q_i, high(q_i)) with C W = linear to within the noise; the constant C b is extra.

    sum_i M_ki s(q_i.x + high(q_i)) = linear_k.x + sum_i M_ki high(q_i)   on the domain.

    References
    ----------
    THEORY, section 3, redrawing spare neurons.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> affine_neurons(np.array([[2.0]]), np.full((1, 1), 1e-15), np.ones(1), Box(-1, 1)).b.tolist()
    [1.0]
    """
    M, Q = row_factors(linear, noise, A)
    Q, lengths = normalise(finite_result(Q, "a weight of the affine part"))
    return AffineNeurons(Q, domain.support(-Q) + 0.0, M * lengths)


def positive_neurons(R: Array, noise: Array, sizes: Array, domain: Domain) -> tuple[AffineNeurons, bool]:
    """Return neurons with C [W b] = R, an affine map with its constant, and whether fewer are impossible.

    V, spanned by the rows of R = M Q of rank r, is a space of affine functions. If it has a positive
    one f, it has a basis of positive ones, q_i + lambda_i f: r neurons. Otherwise neurons
    (q_i, high(q_i)) for the linear part and a constant neuron (0, 1) do it with r + 1. The candidate f
    is the one nearest to the constant 1 over the domain's bounding box. For r = 1 it is the only one up
    to its sign, and then 2 always-on neurons are the fewest.

    Parameters
    ----------
    R, noise : arrays (K, d + 1)
        The last column is the constant.
    sizes : array (d + 1,)
        As for `row_factors`, 1 for the constant.
    domain : Domain

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> R, noise, sizes = np.array([[1.0, 0.0]]), np.full((1, 2), 1e-15), np.ones(2)
    >>> [len(positive_neurons(R, noise, sizes, Box(low, 1))[0].b) for low in (-1, 0)]
    [2, 1]
    """
    M, Q = row_factors(R, noise, sizes)
    r = len(Q)
    if r == 0:
        return AffineNeurons(Q[:, :-1], Q[:, -1], M), True
    p = _nearest_to_one(Q, domain)
    f = p @ Q
    lowest = f[-1] - domain.support(-f[np.newaxis, :-1])[0]
    highest = np.abs(f) @ sizes
    if r == 1:
        positive = lowest >= -_end_noise(M, noise @ sizes, highest, len(sizes))
    else:
        positive = lowest > 2.0**-20 * highest  # less would need huge multiples of f
    if positive:
        return _on_a_positive_basis(M, Q, p, lowest, domain), True
    linear = affine_neurons(R[:, :-1], noise[:, :-1], sizes[:-1], domain)
    W, b = np.vstack([linear.W, np.zeros(R.shape[1] - 1)]), np.append(linear.b, 1.0)
    C = np.column_stack([linear.C, R[:, -1] - linear.C @ linear.b])
    return AffineNeurons(W, b, C), r == 1


def _end_noise(M: Array, noise: Array, highest: Any, n: int) -> float:
    """Return how far below 0 the lowest value of f = +-Q can come out by rounding."""
    sizes = np.abs(M[:, 0])
    return float(4.0 * gamma(n + 4) * highest + (noise[sizes > 0.0] / sizes[sizes > 0.0]).min())


def _nearest_to_one(Q: Array, domain: Domain) -> Array:
    """Return p with f = p Q as near to the constant 1 as can be, on average over the bounding box.

    For a single row f is that one itself, with the sign that it has in the middle.
    """
    low, high = domain.bounding_box()
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    values = np.column_stack([Q[:, :-1] * half / np.sqrt(3.0), Q[:, :-1] @ middle + Q[:, -1]])
    if len(Q) == 1:
        return np.where(values[:, -1] >= 0.0, 1.0, -1.0)
    target = np.zeros(Q.shape[1])
    target[-1] = 1.0
    return np.asarray(np.linalg.lstsq(values.T, target, rcond=None)[0])


def _on_a_positive_basis(M: Array, Q: Array, p: Array, lowest: float, domain: Domain) -> AffineNeurons:
    """Return the neurons q_i + lambda_i f >= 0, and f = p Q itself in place of the q_l it has most of.

    M Q = sum over i != l of m_i (q_i + lambda_i f) + (M_l / p_l - sum of m_i lambda_i) f,

    m_i = M_i - M_l p_i / p_l
    """
    f, first = p @ Q, int(np.argmax(np.abs(p)))
    lows = Q[:, -1] - domain.support(-Q[:, :-1])
    multiples = np.zeros(len(Q)) if len(Q) == 1 else np.maximum(0.0, -2.0 * lows / lowest)
    multiples[first] = 0.0
    basis, last = Q + multiples[:, np.newaxis] * f, M[:, [first]] / p[first]
    C = M - last * p
    basis[first], C[:, first] = f, last[:, 0] - C @ multiples
    return AffineNeurons(basis[:, :-1], basis[:, -1], C)
