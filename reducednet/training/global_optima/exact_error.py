"""Compute the training error of a network exactly, in integers."""
from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from .partitions import Integers, common_integers, power_of_two


def exact_mean_squared_error(network: Network, X: Array, Y: Array, weights: Array) -> Fraction:
    """Return sum_i w_i |N(x_i) - y_i|^2 / sum_i w_i, with N in real arithmetic.

    All numbers are integers times a power of two, one for each array: no step rounds.

    Examples
    --------
    >>> net = Network([[[1.0]]], [[0.0]], [[1.0]])
    >>> exact_mean_squared_error(net, np.array([[0.5]]), np.array([[0.0]]), np.ones(1))
    Fraction(1, 4)
    """
    H, exponent = common_integers(X)
    *hidden, outgoing = affine_maps(network)
    for W, b in hidden:
        Z, exponent = _affine_map(W, b, H, exponent)
        if network.activation == "relu":
            H = np.maximum(Z, 0)
        else:
            H, exponent = (Z > 0).astype(object) * 1, 0
    outputs, exponent = _affine_map(*outgoing, H, exponent)
    y, y_exponent = common_integers(Y)
    residuals, exponent = _sum(outputs, exponent, -y, y_exponent)
    w, w_exponent = common_integers(weights)  # its power of two cancels
    return Fraction((residuals**2).sum(axis=1) @ w, w.sum()) * power_of_two(2 * exponent)


def _affine_map(
    W: Array, b: Array | None, H: Integers, exponent: int
) -> tuple[Integers, int]:
    """Return the integers and the exponent of H W^T + b, for H given in this way."""
    weights, weight_exponent = common_integers(W)
    products, exponent = H @ weights.T, exponent + weight_exponent
    return (products, exponent) if b is None else _sum(products, exponent, *common_integers(b))


def _sum(a: Integers, a_exponent: int, b: Integers, b_exponent: int) -> tuple[Integers, int]:
    """Return the integers and the exponent of a 2^p + b 2^q."""
    exponent = min(a_exponent, b_exponent)
    return (a << (a_exponent - exponent)) + (b << (b_exponent - exponent)), exponent
