"""Exact equality by structure: both networks written over one basis of functions, in rationals.

The basis is 1, the inputs x_i, and a function H = s(z) for each different hyperplane; a neuron is a sum
over it. Neurons whose z are positive multiples of each other share an H; for opposite ones
s(-z) = s(z) - z (binary, first layer: 1 - s(z), off the hyperplane). A neuron that is never active is 0,
one that is always active is z itself (binary: 1). If nothing is left of f - g, they are equal, exactly.

For one hidden layer on a domain with interior this form is unique (THEORY, Prop. 5): what is left over then
proves a difference, and says at which hyperplane to look for it.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from ..domains import Ball, Box, Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network
from ..numerics.rationals import rationals

Sum = dict[int, Fraction]
"""A function: coefficients by the number of the basis function. 0 is the constant 1, 1 .. d are the inputs."""


class Basis:
    """The basis functions met so far, with exact bounds of each on the domain."""

    def __init__(self, domain: Domain, binary: bool) -> None:
        self.domain, self.binary = domain, binary
        self._bounds: list[tuple[Fraction, Fraction]] = [(Fraction(1), Fraction(1)), *_box(domain)]
        self._numbers: dict[tuple[tuple[int, int], ...], int] = {}
        self.hyperplanes: dict[int, Sum] = {}

    def neuron(self, z: Sum) -> Sum:
        """Return s(z) over the basis, which grows if its hyperplane is new."""
        low, high = self.extremes(z)
        if high <= 0:
            return {}
        if low > 0 or (low == 0 and not self.binary):
            return {0: Fraction(1)} if self.binary else z
        if self.binary and len(z) <= 2 and max(z) > self.domain.n_inputs and sorted(z)[:-1] in ([], [0]):
            return _of_one(max(z), z)
        key, scale = primitive(z)
        first = next(value for number, value in key if number or len(key) == 1)
        turned = first < 0 and (not self.binary or max(z) <= self.domain.n_inputs)
        if turned:
            key = tuple((number, -value) for number, value in key)
        number = self._number(key)
        if not self.binary:
            return added({number: scale}, z if turned else {})
        return {0: Fraction(1), number: Fraction(-1)} if turned else {number: Fraction(1)}

    def _number(self, key: tuple[tuple[int, int], ...]) -> int:
        if key not in self._numbers:
            z = {number: Fraction(value) for number, value in key}
            self._numbers[key] = len(self._bounds)
            self.hyperplanes[len(self._bounds)] = z
            high = self._reach(z)[1]
            self._bounds.append((Fraction(0), Fraction(1) if self.binary else max(high, Fraction(0))))
        return self._numbers[key]

    def _reach(self, z: Sum) -> tuple[Fraction, Fraction]:
        """Return bounds of z, each basis function between its own."""
        terms = [sorted((c * self._bounds[i][0], c * self._bounds[i][1])) for i, c in z.items()]
        return sum((low for low, _ in terms), Fraction(0)), sum((high for _, high in terms), Fraction(0))

    def extremes(self, z: Sum) -> tuple[Fraction, Fraction]:
        """Return two numbers with z in between, or for a ball two with the signs of such numbers."""
        if not z or max(z) > self.domain.n_inputs or isinstance(self.domain, Box):
            return self._reach(z)
        w, b = [z.get(i, Fraction(0)) for i in range(1, self.domain.n_inputs + 1)], z.get(0, Fraction(0))
        if isinstance(self.domain, Ball):
            middle = b + _dot(w, rationals(self.domain.centre))
            reach = Fraction(self.domain.radius) ** 2 * _dot(w, w)
            square = middle * abs(middle)
            return square - reach, square + reach
        values = [b + _dot(w, rationals(point)) for point in self.domain.points]  # type: ignore[attr-defined]
        return min(values), max(values)


def _of_one(number: int, z: Sum) -> Sum:
    """Return s(z) of z = b + c H, H in {0, 1}: it is s(b) + (s(b + c) - s(b)) H."""
    b, c = z.get(0, Fraction(0)), z[number]
    at_0, at_1 = int(b > 0), int(b + c > 0)
    return {i: Fraction(value) for i, value in ((0, at_0), (number, at_1 - at_0)) if value}


def _box(domain: Domain) -> list[tuple[Fraction, Fraction]]:
    """Return the exact bounds of each input."""
    if isinstance(domain, Ball):
        return [(c - Fraction(domain.radius), c + Fraction(domain.radius)) for c in rationals(domain.centre)]
    low, high = domain.bounding_box()
    return list(zip(rationals(low), rationals(high)))


def _dot(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(one, other)), Fraction(0))


def added(one: Sum, other: Sum, factor: Fraction = Fraction(1)) -> Sum:
    """Return one + factor * other, without zeros."""
    result = dict(one)
    for number, value in other.items():
        total = result.pop(number, Fraction(0)) + factor * value
        if total:
            result[number] = total
    return result


def primitive(z: Sum) -> tuple[tuple[tuple[int, int], ...], Fraction]:
    """Return z as scale times integers without a common factor, scale > 0.

    Examples
    --------
    >>> primitive({0: Fraction(-3), 1: Fraction(3, 2)})
    (((0, -2), (1, 1)), Fraction(3, 2))
    """
    below = lcm(*(value.denominator for value in z.values()))
    integers = [(number, value.numerator * (below // value.denominator)) for number, value in sorted(z.items())]
    common = gcd(*(value for _, value in integers))
    return tuple((number, value // common) for number, value in integers), Fraction(common, below)


def over_basis(network: Network, basis: Basis, check_time: Callable[[], None]) -> list[Sum]:
    """Return the outputs of a network over the basis, exactly; `check_time` is called now and then."""
    values: list[Sum] = [{i: Fraction(1)} for i in range(1, network.n_inputs + 1)]
    *hidden, outgoing = affine_maps(network)
    for W, b in hidden:
        values = [basis.neuron(z) for z in _affine(W, b, values, check_time)]
    return _affine(*outgoing, values, check_time)


def _affine(W: Any, b: Any, values: list[Sum], check_time: Callable[[], None]) -> list[Sum]:
    result = []
    for row, threshold in zip(W, rationals(np.zeros(len(W)) if b is None else b)):
        check_time()
        sums: Sum = {0: threshold}
        for weight, value in zip(rationals(row), values):
            if weight:
                for number, coefficient in value.items():
                    sums[number] = sums.get(number, Fraction(0)) + weight * coefficient
        result.append({number: value for number, value in sums.items() if value})
    return result


def what_is_left(
    f: Network, g: Network, domain: Domain, check_time: Callable[[], None] = lambda: None
) -> tuple[list[Sum], Basis]:
    """Return f_k - g_k over the basis, one sum an output; all empty if the networks are equal on the domain."""
    basis = Basis(domain, f.activation == "binary")
    one, other = (over_basis(network, basis, check_time) for network in (f, g))
    return [added(a, b, Fraction(-1)) for a, b in zip(one, other)], basis
