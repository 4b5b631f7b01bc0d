"""Kind "permutation": g is f with neurons permuted and scaled by powers of two (section 11)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import layers_of, require


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return 0 if every parameter of g is that of f, permuted and scaled; otherwise refuse."""
    require(f.sizes == g.sizes, "the networks have other sizes")
    layers, others = layers_of(f), layers_of(g)
    below, exponents_below = np.arange(f.n_inputs), [0] * f.n_inputs
    for number, (layer, other) in enumerate(zip(layers, others)):
        n = len(layer.weights)
        order, exponents = np.arange(n), [0] * n
        if number < f.depth:
            order = arrays[f"permutation{number}"]
            exponents = arrays[f"exponents{number}"].tolist()
            require(sorted(order.tolist()) == list(range(n)), "not a permutation of the neurons")
            require(max(map(abs, exponents)) <= 5000, "an exponent is too large")
        powers = np.array([Fraction(2) ** e for e in exponents], dtype=object)
        inverse = np.array([Fraction(2) ** -e for e in exponents_below], dtype=object)
        weights = other.weights[np.ix_(order, below)]
        expected = powers[:, np.newaxis] * layer.weights * inverse
        require((weights == expected).all(), "a weight is not the other's, scaled")  # (49), (50)
        thresholds = powers * layer.thresholds
        require((other.thresholds[order] == thresholds).all(), "a threshold is not the other's")
        below, exponents_below = order, exponents if f.activation == "relu" else [0] * n
    return Fraction(0)
