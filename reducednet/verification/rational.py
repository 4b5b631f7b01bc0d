"""Exact evaluation: float64 parameters as integers times powers of two, inputs as rationals.

Nothing here rounds. A counterexample counts when it is one here (THEORY, section 9).
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..networks.network import Network
from ..reduced_space.layer_reduction import affine_maps

Integers = npt.NDArray[np.int64]

DIGIT = 26
MASK = (1 << DIGIT) - 1
"""Integers are written in digits of 26 bits: a sum of 2^10 products of two fits into an int64."""
TERMS = 1 << 10
LARGEST = float(np.finfo(np.float64).max)


def integers(array: Array) -> tuple[Integers, Integers]:
    """Return int64 arrays (M, p) with M 2^p equal to the numbers, M odd or 0.

    Examples
    --------
    >>> [part.tolist() for part in integers(np.array([0.75, -2.0, 0.0]))]
    [[3, -1, 0], [-2, 1, 0]]
    """
    mantissas, exponents = np.frexp(array)
    M = (mantissas * 2.0**53).astype(np.int64)
    zeros = np.where(M == 0, 0, np.frexp((M & -M).astype(np.float64))[1] - 1)  # at the end of each integer
    return M >> zeros, np.where(M == 0, 0, exponents.astype(np.int64) - 53 + zeros)


class ExactRows:
    """A matrix of float64 numbers: row j is an integer row times 2^exponents_j, the integers in digits.

    digits : list of int64 arrays (m, n), the lowest first, each with the sign of its number
    """

    def __init__(self, W: Array) -> None:
        M, p = integers(W)
        used = M != 0
        self.exponents = np.where(used.any(axis=1), np.where(used, p, np.iinfo(np.int64).max).min(axis=1), 0)
        shifts = np.where(used, p - self.exponents[:, np.newaxis], 0)
        bits = int((shifts + np.frexp(np.abs(M).astype(np.float64))[1]).max(initial=1))
        size, sign = np.abs(M), np.sign(M)
        self.digits = [sign * _digit(size, DIGIT * k - shifts) for k in range(-(-bits // DIGIT))]

    def dot(self, h: Sequence[int]) -> list[int]:
        """Return the integer rows times the integers h."""
        bits = max((value.bit_length() for value in h), default=1)
        H = np.array([
            [((abs(value) >> DIGIT * k) & MASK) * (1 if value >= 0 else -1) for k in range(-(-bits // DIGIT) or 1)]
            for value in h
        ], dtype=np.int64).reshape(len(h), -1)
        total = np.zeros(len(self.exponents), dtype=object)
        for start in range(0, len(h), TERMS):
            part = slice(start, start + TERMS)
            for a, digits in enumerate(self.digits):
                for b, column in enumerate((digits[:, part] @ H[part]).T):
                    if column.any():
                        total += column.astype(object) << DIGIT * (a + b)
        return list(total)


def _digit(size: Integers, places: Integers) -> Integers:
    """Return 26 bits of each non-negative integer, from a place (below 0: with zeros appended) on."""
    down = (size >> np.clip(places, 0, 63)) & MASK
    up = ((size & MASK) << np.clip(-places, 0, DIGIT)) & MASK
    return np.asarray(np.where(places >= 0, down, np.where(places > -DIGIT, up, 0)))


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


class Scaled(NamedTuple):
    """Numbers: integers times one rational."""

    integers: list[int]
    scale: Fraction

    def values(self) -> list[Fraction]:
        """Return the numbers."""
        return [value * self.scale for value in self.integers]


def rationals(x: Any) -> list[Fraction]:
    """Return the numbers as fractions, exactly."""
    return [value if isinstance(value, Fraction) else Fraction(float(value)) for value in x]


def gap_at(f: ExactNetwork, g: ExactNetwork, x: Sequence[Fraction], margin: float = 0.0) -> Fraction:
    """Return the largest |f_k(x) - g_k(x)| over the outputs k; 0 on a first hyperplane of a binary one.

    With a margin 0 also nearer to it than that. A zero row has no hyperplane: s(b) is what it is.
    """
    layers = f.layers(x), g.layers(x)
    if f.binary and any(network.on_hyperplane(own, margin) for network, own in zip((f, g), layers)):
        return Fraction(0)
    return max(abs(one - other) for one, other in zip(*(own[-1].values() for own in layers)))


def below(value: Fraction) -> float:
    """Return the largest float64 that is at most the value, or nearly so; -inf below all of them."""
    try:
        result = float(value)
    except OverflowError:
        return LARGEST if value > 0 else -np.inf
    return result if Fraction(result) <= value else float(np.nextafter(result, -np.inf))


def above(value: Fraction) -> float:
    """Return the smallest float64 that is at least the value, or nearly so; inf above all of them."""
    return 0.0 - below(-value)  # not -0.0


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


def non_negative_fit(A: Array, y: Array) -> Array:
    """Return t >= 0 with A t near y; zeros where the solver gives up."""
    from scipy.optimize import nnls

    try:
        return np.asarray(nnls(A, y)[0])
    except RuntimeError:  # its limit of iterations
        return np.zeros(A.shape[1])


def in_simplex(corners: Sequence[Sequence[Fraction]], x: Sequence[Fraction]) -> bool:
    """Tell whether x is a mean of independent corners; dependent ones are answered with False."""
    return simplex_weights(corners, x) is not None


def simplex_weights(corners: Sequence[Sequence[Fraction]], x: Sequence[Fraction]) -> list[Fraction] | None:
    """Return t >= 0 with sum t_i p_i = x, sum t_i = 1, for independent corners p_i; None if there is none.

    Elimination in rationals.
    """
    n = len(corners)
    if not n:
        return None
    rows = [[*(p[k] for p in corners), x[k]] for k in range(len(x))] + [[Fraction(1)] * (n + 1)]
    for column in range(n):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column] != 0), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = [value / rows[column][column] for value in rows[column]]
        rows = [head if r == column else [v - row[column] * h for v, h in zip(row, head)]
                for r, row in enumerate(rows)]
    weights = [row[n] for row in rows[:n]]
    inside = n > 0 and min(weights) >= 0 and not any(row[n] for row in rows[n:])
    return weights if inside else None
