"""Evaluate networks exactly: parameters as integers times powers of two, inputs as rationals.

Nothing here rounds. A counterexample counts only if it is confirmed here (PROOFS, section 20).
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..networks.parameters import Affine
from ..numerics.rationals import (
    ExactRows, Scaled, integers, non_negative_fit, rationals, simplex_weights,
)


class ExactNetwork:
    """A network for evaluation without rounding.

    Parameters
    ----------
    maps : list of Affine
        The affine maps of its hidden layers and the outgoing one, see `affine_maps`.
    activation : "relu" or "binary"

    Examples
    --------
    >>> W, b = np.array([[1.0]]), np.array([1e16])
    >>> exact = ExactNetwork([Affine(W, b), Affine(W, -b)], "relu")
    >>> exact([Fraction(1, 4)]), (0.25 + 1e16) - 1e16
    ([Fraction(1, 4)], 0.0)
    """

    def __init__(self, maps: Sequence[Affine], activation: str) -> None:
        self.binary = activation == "binary"
        self._first = maps[0].W
        self._has_hyperplane = [bool(row.any()) for row in maps[0].W]
        self._maps = [(ExactRows(W), *integers(np.zeros(len(W)) if b is None else b)) for W, b in maps]

    def layers(self, x: Sequence[Fraction]) -> list[Scaled]:
        """Return the pre-activations of each hidden layer, and the outputs, at one point."""
        unit = lcm(*(value.denominator for value in x))
        h, power, result = [value.numerator * (unit // value.denominator) for value in x], 0, []
        for W, M, p in self._maps:  # its inputs are h 2^power / unit, its thresholds M 2^p
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
        """Return True if a point with these pre-activations is within the margin of a hyperplane.

        Only the first layer's hyperplanes count.
        """
        if margin == 0.0:
            return any(has and z == 0 for has, z in zip(self._has_hyperplane, layers[0].integers))
        squares = [
            sum(value * value for value in rationals(row)) * Fraction(margin) ** 2
            for row in self._first
        ]
        return any(square and z * z <= square for square, z in zip(squares, layers[0].values()))

    def __call__(self, x: Sequence[Fraction]) -> list[Fraction]:
        """Return the outputs at one point."""
        return self.layers(x)[-1].values()


def gap_at(f: ExactNetwork, g: ExactNetwork, x: Sequence[Fraction], margin: float = 0.0) -> Fraction:
    """Return the largest |f_k(x) - g_k(x)| over the outputs k.

    For binary networks return 0 within the margin of a hyperplane of either first layer. A zero row
    has no hyperplane: its neuron is the constant s(b).
    """
    layers = f.layers(x), g.layers(x)
    if f.binary and any(network.on_hyperplane(own, margin) for network, own in zip((f, g), layers)):
        return Fraction(0)
    return max(abs(one - other) for one, other in zip(*(own[-1].values() for own in layers)))


def contains(domain: Domain, x: Sequence[Fraction], corners: Sequence[int] = ()) -> bool:
    """Return True if a point lies in the domain, computed without rounding.

    corners : indices of points of a Hull; x has to lie in the simplex that they span.
    """
    if isinstance(domain, Box):
        low, high = rationals(domain.low), rationals(domain.high)
        return all(one <= value <= other for one, value, other in zip(low, x, high))
    if isinstance(domain, Ball):
        distance = sum((value - centre) ** 2 for value, centre in zip(x, rationals(domain.centre)))
        return bool(distance <= Fraction(domain.radius) ** 2)
    assert isinstance(domain, Hull)
    return simplex_weights([rationals(domain.points[i]) for i in corners], x) is not None


def corners_around(domain: Domain, x: Array) -> list[int]:
    """Return points of a Hull whose simplex should contain x: those with a positive fitted weight."""
    if not isinstance(domain, Hull):
        return []
    scale = max(np.abs(domain.points).max(), np.finfo(float).tiny)
    system = np.vstack([domain.points.T / scale, np.ones(len(domain.points))])
    weights = non_negative_fit(system, np.append(x / scale, 1.0))
    return [int(i) for i in np.argsort(-weights)[:domain.n_inputs + 1] if weights[i] > 0.0]
