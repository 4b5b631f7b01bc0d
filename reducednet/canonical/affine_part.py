"""Realise an affine map by as few always-on neurons as the rank of its linear part allows."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..domains import Domain
from ..numerics.low_rank import row_factors
from ..numerics.rounding import gamma
from ..numerics.sphere import normalise


class AffineNeurons(NamedTuple):
    """Always-on neurons, C (W x + b) on the domain, as W (p, d), b (p,), C (K, p)."""

    W: Array
    b: Array
    C: Array


def affine_neurons(linear: Array, error: Array, A: Array, domain: Domain) -> AffineNeurons:
    """Return neurons (q_i, high(q_i)) with C W = linear to within the error.

    They add a constant, C b: on the domain

    sum_i M_ki s(q_i.x + high(q_i)) = linear_k.x + sum_i M_ki high(q_i).

    Parameters
    ----------
    linear, error : arrays (K, d)
        The linear part, and a bound on the error of each entry.
    A : array (d,)
        The largest |x_i| on the domain.
    domain : Domain

    References
    ----------
    THEORY, section 3, redrawing spare neurons.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> affine_neurons(np.array([[2.0]]), np.full((1, 1), 1e-15), np.ones(1), Box(-1, 1)).b.tolist()
    [1.0]
    """
    M, Q = row_factors(linear, error, A)
    Q, lengths = normalise(finite_result(Q, "a weight of the affine part"))
    return AffineNeurons(Q, domain.support(-Q) + 0.0, M * lengths)


def positive_neurons(
    R: Array, error: Array, A: Array, domain: Domain
) -> tuple[AffineNeurons, bool]:
    """Return neurons with C [W b] = R, and True if fewer always-on neurons cannot suffice.

    R is an affine map with its constant. The rows of R = M Q of rank r span a space V of affine
    functions. If V contains a function f that is positive on the domain, it has a basis of positive
    functions q_i + lambda_i f, and r neurons are enough. Otherwise r + 1 are: neurons
    (q_i, high(q_i)) for the linear part and a constant neuron (0, 1). The f that is tried is the
    function of V nearest to the constant 1 over the domain's bounding box. For r = 1 it is the only
    one but for scale and sign, so if it is not positive, 2 always-on neurons are the fewest.

    Parameters
    ----------
    R, error : arrays (K, d + 1)
        The affine map and a bound on the error of each entry; the last column is the constant.
    A : array (d + 1,)
        The largest |x_i| on the domain, and 1 for the constant.
    domain : Domain

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> R, error, A = np.array([[1.0, 0.0]]), np.full((1, 2), 1e-15), np.ones(2)
    >>> [len(positive_neurons(R, error, A, Box(low, 1))[0].b) for low in (-1, 0)]
    [2, 1]
    """
    M, Q = row_factors(R, error, A)
    r = len(Q)
    if r == 0:
        return AffineNeurons(Q[:, :-1], Q[:, -1], M), True
    p = _nearest_to_one(Q, domain)
    f = p @ Q
    lowest = f[-1] - domain.support(-f[np.newaxis, :-1])[0]
    magnitude = np.abs(f) @ A
    if r == 1:
        positive = lowest >= -_lowest_value_error(M, error @ A, magnitude, len(A))
    else:
        positive = lowest > 2.0**-20 * magnitude  # else the basis takes huge multiples of f
    if positive:
        return _on_a_positive_basis(M, Q, p, lowest, domain), True
    linear = affine_neurons(R[:, :-1], error[:, :-1], A[:-1], domain)
    W, b = np.vstack([linear.W, np.zeros(R.shape[1] - 1)]), np.append(linear.b, 1.0)
    C = np.column_stack([linear.C, R[:, -1] - linear.C @ linear.b])
    return AffineNeurons(W, b, C), r == 1


def _lowest_value_error(M: Array, error: Array, magnitude: Any, n: int) -> float:
    """Return a bound on the error in the lowest value of f = +-Q, for R = M Q of rank 1."""
    factors = np.abs(M[:, 0])
    own = (error[factors > 0.0] / factors[factors > 0.0]).min()
    return float(4.0 * gamma(n + 4) * magnitude + own)


def _nearest_to_one(Q: Array, domain: Domain) -> Array:
    """Return p with f = p Q as near to the constant 1 as possible, averaged over the bounding box.

    For a single row, f is that row with the sign that makes it non-negative at the box's middle.
    """
    low, high = domain.bounding_box()
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    values = np.column_stack([Q[:, :-1] * half / np.sqrt(3.0), Q[:, :-1] @ middle + Q[:, -1]])
    if len(Q) == 1:
        return np.where(values[:, -1] >= 0.0, 1.0, -1.0)
    target = np.zeros(Q.shape[1])
    target[-1] = 1.0
    return np.asarray(np.linalg.lstsq(values.T, target, rcond=None)[0])


def _on_a_positive_basis(
    M: Array, Q: Array, p: Array, lowest: float, domain: Domain
) -> AffineNeurons:
    """Return the neurons q_i + lambda_i f >= 0 for i != l, and f = p Q itself in place of q_l.

    M Q = sum over i != l of m_i (q_i + lambda_i f) + (M_l / p_l - sum of m_i lambda_i) f,

    m_i = M_i - M_l p_i / p_l,   l the index of the largest |p_l|.
    """
    f, first = p @ Q, int(np.argmax(np.abs(p)))
    lows = Q[:, -1] - domain.support(-Q[:, :-1])
    multiples = np.zeros(len(Q)) if len(Q) == 1 else np.maximum(0.0, -2.0 * lows / lowest)
    multiples[first] = 0.0
    basis, last = Q + multiples[:, np.newaxis] * f, M[:, [first]] / p[first]
    C = M - last * p
    basis[first], C[:, first] = f, last[:, 0] - C @ multiples
    return AffineNeurons(basis[:, :-1], basis[:, -1], C)
