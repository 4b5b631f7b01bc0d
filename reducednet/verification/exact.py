"""Exact evaluation: float64 parameters as integers times powers of two, inputs as rationals.

Nothing here rounds. A counterexample counts when it is one here (THEORY, section 9).
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..layers import affine_maps
from ..networks import Network

Integers = Any
"""An array of dtype object that holds Python integers."""


class Dyadic(NamedTuple):
    """An array of numbers, integers times 2^exponent."""

    integers: Integers
    exponent: int

    def at(self, exponent: int) -> Integers:
        """Return the integers that stand for the same numbers with a smaller exponent."""
        return self.integers << (self.exponent - exponent) if exponent < self.exponent else self.integers


def dyadic(array: Array) -> Dyadic:
    """Return float64 numbers as integers times one power of two.

    Examples
    --------
    >>> dyadic(np.array([0.75, -2.0]))
    Dyadic(integers=array([3, -8], dtype=object), exponent=-2)
    """
    numbers = np.asarray(array, dtype=np.float64)
    mantissas, exponents = np.frexp(numbers)
    integers, powers = (mantissas * 2.0**53).astype(np.int64), exponents.astype(np.int64) - 53
    used = integers != 0
    trailing = np.frexp((integers & -integers).astype(np.float64))[1] - 1  # zeros at the end of each integer
    lowest = int((powers + trailing)[used].min()) if used.any() else 0
    shifts = np.where(used, powers - lowest, 0)
    result = np.empty(numbers.size, dtype=object)
    result[:] = [i << s if s >= 0 else i >> -s for i, s in zip(integers.ravel().tolist(), shifts.ravel().tolist())]
    return Dyadic(result.reshape(numbers.shape), lowest)


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
        self._maps = [
            (dyadic(layer.W), dyadic(np.zeros(len(layer.W)) if layer.b is None else layer.b))
            for layer in affine_maps(network)
        ]

    def layers(self, x: Sequence[Fraction]) -> list[list[Fraction]]:
        """Return the pre-activations of each hidden layer, and the outputs, at one point."""
        unit = lcm(*(value.denominator for value in x))
        h = Dyadic(np.array([value.numerator * (unit // value.denominator) for value in x], dtype=object), 0)
        result = []
        for layer in self._maps:
            z = _affine(layer, h, unit)
            scale = Fraction(2) ** z.exponent / unit
            result.append([int(value) * scale for value in z.integers])
            active = z.integers > 0
            h = Dyadic(np.where(active, 1, 0).astype(object), 0) if self.binary else \
                Dyadic(np.where(active, z.integers, 0), z.exponent)
            unit = 1 if self.binary else unit
        return result

    def __call__(self, x: Sequence[Fraction]) -> list[Fraction]:
        """Return the outputs at one point."""
        return self.layers(x)[-1]


def _affine(layer: tuple[Dyadic, Dyadic], h: Dyadic, unit: int) -> Dyadic:
    """Return W h + b unit: `unit` times the pre-activations, where h is so too (ReLU is homogeneous)."""
    W, b = layer
    z = Dyadic(W.integers.dot(h.integers), W.exponent + h.exponent)
    exponent = min(z.exponent, b.exponent)
    return Dyadic(z.at(exponent) + b.at(exponent) * unit, exponent)


def rationals(x: Any) -> list[Fraction]:
    """Return the numbers as fractions, exactly."""
    return [value if isinstance(value, Fraction) else Fraction(float(value)) for value in x]


def gap_at(f: ExactNetwork, g: ExactNetwork, x: Sequence[Fraction]) -> Fraction:
    """Return the largest |f_k(x) - g_k(x)| over the outputs k; 0 on a first hyperplane of a binary one."""
    layers = f.layers(x), g.layers(x)
    if f.binary and any(z == 0 for own in layers for z in own[0]):
        return Fraction(0)
    return max(abs(one - other) for one, other in zip(layers[0][-1], layers[1][-1]))


def below(value: Fraction) -> float:
    """Return the largest float64 that is at most the value, or nearly so."""
    result = float(value)
    return result if Fraction(result) <= value else float(np.nextafter(result, -np.inf))


def above(value: Fraction) -> float:
    """Return the smallest float64 that is at least the value, or nearly so."""
    return -below(-value)


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
    from scipy.optimize import nnls

    size = max(np.abs(domain.points).max(), np.finfo(float).tiny)
    system = np.vstack([domain.points.T / size, np.ones(len(domain.points))])
    weights, _ = nnls(system, np.append(x / size, 1.0))
    return [int(i) for i in np.argsort(-weights)[:domain.n_inputs + 1] if weights[i] > 0.0]


def in_simplex(corners: Sequence[Sequence[Fraction]], x: Sequence[Fraction]) -> bool:
    """Tell whether sum t_i p_i = x has a solution with t >= 0, sum t_i = 1, for independent corners p_i.

    Elimination in rationals; dependent corners are answered with False.
    """
    n = len(corners)
    rows = [[*(p[k] for p in corners), x[k]] for k in range(len(x))] + [[Fraction(1)] * (n + 1)]
    for column in range(n):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column] != 0), None)
        if pivot is None:
            return False
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = [value / rows[column][column] for value in rows[column]]
        rows = [head if r == column else [v - row[column] * h for v, h in zip(row, head)]
                for r, row in enumerate(rows)]
    return all(row[n] >= 0 for row in rows[:n]) and all(row[n] == 0 for row in rows[n:])
