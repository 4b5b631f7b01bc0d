"""Rescale neurons without changing the function: scale a row, divide its outgoing column.

All networks that rescaling turns into one another form an orbit (THEORY, Prop. 1 and section 3).
"""
from __future__ import annotations

import numpy as np

from .._validation import Array, RandomLike, generator
from ..numerics import sphere
from .affine_maps import affine_maps
from .network import Network, check_network
from .parameters import Affine


def expand(network: Network, rng: RandomLike = None) -> Network:
    """Return a random standard network of the same orbit: the same function, other row norms.

    w_j <- alpha_j w_j,   b_j <- alpha_j b_j,   c_j <- c_j / alpha_j  (ReLU; binary keeps c_j),

    alpha_j = exp(t), t uniform on [-3, 3]. Reducing it gives the reduced network back, up to
    rounding error.

    Parameters
    ----------
    network : Network
        Reduced or standard.
    rng : None, int, Generator or SeedSequence

    References
    ----------
    THEORY, section 3: orbits.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduced_network import ReducedNetwork
    >>> red = ReducedNetwork.random((1, 3, 1), Box(0, 1), rng=0)
    >>> bool((abs(expand(red, rng=1)([[0.3]]) - red([[0.3]])) < 1e-15).all())
    True
    """
    network, rng = check_network(network), generator(rng)
    maps = affine_maps(network)
    for layer in range(network.depth):
        scales = np.exp(rng.uniform(-3.0, 3.0, len(maps[layer].W)))
        maps[layer:layer + 2] = _scaled(maps[layer], maps[layer + 1], scales, network.activation)
    return _network(maps, network.activation)


def rescale(network: Network) -> Network:
    """Return the same function with every row scaled by a power of two to a norm in [1, 2).

    Scaling by powers of two is exact: the two networks are equal as real functions, and bit for
    bit in every computed value that neither overflows nor underflows. A zero row stays as it is,
    and so does a neuron if scaling one of its entries would not be exact.

    Parameters
    ----------
    network : Network

    References
    ----------
    PROOFS, section 5.

    Examples
    --------
    >>> scaled = rescale(Network([[[24.0]]], [[8.0]], [[1.0]]))
    >>> scaled.weights[0].tolist(), scaled.thresholds[0].tolist(), scaled.output_weights.tolist()
    ([[1.5]], [0.5], [[16.0]])
    """
    network = check_network(network)
    maps = affine_maps(network)
    for layer in range(network.depth):
        exponents = unit_exponents(maps[layer].W)
        below, above = _shifted(maps[layer], maps[layer + 1], exponents, network.activation)
        back, back_above = _shifted(below, above, -exponents, network.activation)
        exact = _same(back, maps[layer], 1) & _same(back_above, maps[layer + 1], 0)
        exponents = np.where(exact, exponents, 0)
        maps[layer:layer + 2] = _shifted(maps[layer], maps[layer + 1], exponents, network.activation)
    return _network(maps, network.activation)


def unit_exponents(W: Array) -> np.ndarray:
    """Return, for each row, the integer e with 2^e <= |w_j| < 2^(e+1); 0 for a zero row.

    Examples
    --------
    >>> unit_exponents(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [2, 0]
    """
    exponents = sphere.row_exponents(W)
    with np.errstate(under="ignore"):
        scaled = np.ldexp(W, -exponents[:, np.newaxis])
    return np.where(W.any(axis=1), exponents + np.frexp(sphere.row_norms(scaled))[1] - 1, 0)


def _shifted(layer: Affine, above: Affine, exponents: np.ndarray, activation: str) -> tuple[Affine, Affine]:
    """Return the layer with rows divided by 2^e, and the map above with columns times 2^e."""
    assert layer.b is not None
    column = exponents if activation == "relu" else np.zeros_like(exponents)
    with np.errstate(over="ignore", under="ignore"):
        below = Affine(np.ldexp(layer.W, -exponents[:, np.newaxis]), np.ldexp(layer.b, -exponents))
        return below, Affine(np.ldexp(above.W, column), above.b)


def _scaled(layer: Affine, above: Affine, scales: Array, activation: str) -> list[Affine]:
    """Return the layer with rows times the scales, and the map above divided in its columns."""
    assert layer.b is not None
    with np.errstate(over="ignore", under="ignore"):
        column = scales if activation == "relu" else np.ones_like(scales)
        return [
            Affine(layer.W * scales[:, np.newaxis], layer.b * scales),
            Affine(above.W / column, above.b),
        ]


def _same(one: Affine, other: Affine, axis: int) -> np.ndarray:
    """Return where two maps agree: in row and threshold (axis 1), or in column (axis 0)."""
    same = (one.W == other.W).all(axis=axis)
    return same & (one.b == other.b) if axis == 1 else same


def _network(maps: list[Affine], activation: str) -> Network:
    *hidden, outgoing = maps
    weights, thresholds = zip(*hidden)
    return Network(weights, thresholds, outgoing.W, outgoing.b, activation)
