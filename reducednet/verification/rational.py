"""Exact evaluation: float64 parameters as integers times powers of two, inputs as rationals.

Nothing here rounds. A counterexample counts when it is one here (THEORY, section 9).
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..networks.affine_maps import affine_maps
from ..networks.network import Network
from ..numerics.rationals import (
    ExactRows, Scaled, in_simplex, integers, non_negative_fit, rationals,
)


class ExactNetwork:
    """A network that is evaluated without rounding.

    Examples
    --------
    >>> net = Network([[[1.0]]], [[1e16]], [[1.0]], [-1e16])
    >>> net([[0.25]]).item(), ExactNetwork(net)([Fraction(1, 4)])
    (0.0, [Fraction(1, 4)])
    """

    def __init__(self, network: Network) -> None:
        self.binary = network.activation == "binary"
        self._first = network.weights[0]
        self._hyperplanes = [bool(row.any()) for row in network.weights[0]]
        self._maps = [
            (ExactRows(layer.W), *integers(np.zeros(len(layer.W)) if layer.b is None else layer.b))
            for layer in affine_maps(network)
        ]

    def layers(self, x: Sequence[Fraction]) -> list[Scaled]:
        """Return the pre-activations of each hidden layer, and the outputs, at one point."""
        unit = lcm(*(value.denominator for value in x))
        h, power, result = [value.numerator * (unit // value.denominator) for value in x], 0, []
        for W, M, p in self._maps:  # the numbers are h 2^power / unit
            own = W.exponents + power
            lowest = int(min(own.min(), p.min()))
            sums = zip(W.dot(h), (own - lowest).tolist(), M.tolist(), (p - lowest).tolist())
            z = [(total << up) + (threshold * unit << more) for total, up, threshold, more in sums]
            result.append(Scaled(z, Fraction(2) ** lowest / unit))
            if self.binary:
                h, power, unit = [int(value > 0) for value in z], 0, 1
            else:
                h, power = [max(value, 0) for value in z], lowest
        return result

    def on_hyperplane(self, layers: Sequence[Scaled], margin: float = 0.0) -> bool:
        """Tell whether the point with these pre-activations lies within the margin of a first hyperplane."""
        if margin == 0.0:
            return any(cuts and z == 0 for cuts, z in zip(self._hyperplanes, layers[0].integers))
        squares = [sum(value * value for value in rationals(row)) * Fraction(margin) ** 2 for row in self._first]
        return any(square and z * z <= square for square, z in zip(squares, layers[0].values()))

    def __call__(self, x: Sequence[Fraction]) -> list[Fraction]:
        """Return the outputs at one point."""
        return self.layers(x)[-1].values()


def gap_at(f: ExactNetwork, g: ExactNetwork, x: Sequence[Fraction], margin: float = 0.0) -> Fraction:
    """Return the largest |f_k(x) - g_k(x)| over the outputs k; 0 on a first hyperplane of a binary one.

    With a margin 0 also nearer to it than that. A zero row has no hyperplane: s(b) is what it is.
    """
    layers = f.layers(x), g.layers(x)
    if f.binary and any(network.on_hyperplane(own, margin) for network, own in zip((f, g), layers)):
        return Fraction(0)
    return max(abs(one - other) for one, other in zip(*(own[-1].values() for own in layers)))


def contains(domain: Domain, x: Sequence[Fraction], corners: Sequence[int] = ()) -> bool:
    """Tell whether a point lies in the domain, without rounding.

    corners : indices of points of a Hull; asked is whether x lies in the simplex that they span.
    """
    if isinstance(domain, Box):
        low, high = rationals(domain.low), rationals(domain.high)
        return all(one <= value <= other for one, value, other in zip(low, x, high))
    if isinstance(domain, Ball):
        distance = sum((value - centre) ** 2 for value, centre in zip(x, rationals(domain.centre)))
        return bool(distance <= Fraction(domain.radius) ** 2)
    assert isinstance(domain, Hull)
    return in_simplex([rationals(domain.points[i]) for i in corners], x)


def corners_around(domain: Domain, x: Array) -> list[int]:
    """Return the points of a Hull whose simplex should hold x: those that a non-negative fit uses."""
    if not isinstance(domain, Hull):
        return []
    size = max(np.abs(domain.points).max(), np.finfo(float).tiny)
    system = np.vstack([domain.points.T / size, np.ones(len(domain.points))])
    weights = non_negative_fit(system, np.append(x / size, 1.0))
    return [int(i) for i in np.argsort(-weights)[:domain.n_inputs + 1] if weights[i] > 0.0]
