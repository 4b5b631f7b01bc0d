"""Realise an affine map by as few always-on neurons as the rank of its linear part allows."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array, finite_result
from ..domains import Domain
from ..numerics.low_rank import row_factors
from ..numerics.rounding import gamma
from ..numerics.sphere import normalise

LEAST_POSITIVE = 2.0**-20
"""A positive function's lowest value, over its magnitude: a basis takes multiples of its inverse."""


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

    R is an affine map with its constant, for a network without output bias. Its rows span a space V
    of affine functions, of dimension r. If V contains a function f that is positive on the domain,
    V has a basis of positive functions q_i + lambda_i f, and r neurons are enough. Otherwise r + 1
    are: neurons (q_i, high(q_i)) for the linear part and a constant neuron (0, 1).

    The f that is tried is the function of V nearest to the constant 1 over the domain's bounding
    box. For r = 1 it is the only one but for scale and sign: if it is not positive, then 2
    always-on neurons are the fewest.

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
    if not len(Q):
        return AffineNeurons(Q[:, :-1], Q[:, -1], M), True
    p = _nearest_to_one(Q, domain)
    f = p @ Q
    lowest = float(_lowest_values(f[np.newaxis], domain)[0])
    magnitude = float(np.abs(f) @ A)
    if len(Q) == 1:
        positive = lowest >= -_lowest_value_error(M[:, 0], error @ A, magnitude, len(A))
    else:
        positive = lowest > LEAST_POSITIVE * magnitude
    if positive:
        return _on_a_positive_basis(M, Q, p, lowest, domain), True
    return _with_a_constant_neuron(R, error, A, domain), len(Q) == 1


def _lowest_values(functions: Array, domain: Domain) -> Array:
    """Return the minimum over the domain of each row's affine function (w, b)."""
    return functions[:, -1] - domain.support(-functions[:, :-1])


def _nearest_to_one(Q: Array, domain: Domain) -> Array:
    """Return p with f = p Q as near to the constant 1 as possible, averaged over the bounding box.

    With x = middle + half t, the mean of (f - 1)^2 over t in [-1, 1]^d is the sum of the squares of
    f's slopes in t over 3, plus (f(middle) - 1)^2. For a single row, f is that row with the sign
    that makes it non-negative at the middle.
    """
    low, high = domain.bounding_box()
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    slopes, at_middle = Q[:, :-1] * half / np.sqrt(3.0), Q[:, :-1] @ middle + Q[:, -1]
    if len(Q) == 1:
        return np.where(at_middle >= 0.0, 1.0, -1.0)
    target = np.zeros(Q.shape[1])
    target[-1] = 1.0
    return np.asarray(np.linalg.lstsq(np.column_stack([slopes, at_middle]).T, target, rcond=None)[0])


def _lowest_value_error(M: Array, error: Array, magnitude: float, n: int) -> float:
    """Return a bound on the error in the lowest value of f = +-Q, for R = M Q of rank 1.

    An output k shows f to within error_k / |M_k|; the best of them counts. To this comes the
    rounding error of f's lowest value itself.
    """
    used = M != 0.0
    own = float((error[used] / np.abs(M[used])).min())
    return 4.0 * gamma(n + 4) * magnitude + own


def _on_a_positive_basis(
    M: Array, Q: Array, p: Array, lowest: float, domain: Domain
) -> AffineNeurons:
    """Return the neurons q_i + lambda_i f >= 0 for i != l, and f = p Q itself in place of q_l.

    With l the index of the largest |p_l|, q_l = (f - sum over i != l of p_i q_i) / p_l, and so

    M Q = sum over i != l of m_i (q_i + lambda_i f) + (M_l / p_l - sum of m_i lambda_i) f,

    m_i = M_i - M_l p_i / p_l.
    """
    f, replaced = p @ Q, int(np.argmax(np.abs(p)))
    multiples = np.zeros(len(Q))
    if len(Q) > 1:  # f may be 0 somewhere for r = 1, where there is no other q_i
        # twice what is needed leaves room for rounding
        multiples = np.maximum(0.0, -2.0 * _lowest_values(Q, domain) / lowest)
        multiples[replaced] = 0.0
    functions = Q + multiples[:, np.newaxis] * f
    functions[replaced] = f
    of_f = M[:, replaced] / p[replaced]
    C = M - np.outer(of_f, p)
    C[:, replaced] = of_f - C @ multiples
    return AffineNeurons(functions[:, :-1], functions[:, -1], C)


def _with_a_constant_neuron(
    R: Array, error: Array, A: Array, domain: Domain
) -> AffineNeurons:
    """Return neurons for the linear part of R, and a constant neuron for the rest of its constant."""
    linear = affine_neurons(R[:, :-1], error[:, :-1], A[:-1], domain)
    W, b = np.vstack([linear.W, np.zeros(R.shape[1] - 1)]), np.append(linear.b, 1.0)
    return AffineNeurons(W, b, np.column_stack([linear.C, R[:, -1] - linear.C @ linear.b]))
