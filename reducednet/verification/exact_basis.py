"""Write f - g over one basis of functions, in rationals: if it is 0 there, f and g are equal.

The basis is 1, the inputs x_i, and a function H = s(z) for each different hyperplane; every neuron
is a linear combination of these. Neurons whose z are positive multiples of each other share an H;
for opposite ones s(-z) = s(z) - z (binary, first layer: 1 - s(z), off the hyperplane). A dead
neuron is 0, an always-on one is z itself (binary: 1). If all coefficients of f - g are 0, the
networks are equal, exactly.

For one hidden layer on a domain with interior this form is unique (THEORY, Prop. 5): a coefficient
that is not 0 then proves a difference, and says at which hyperplane to look for it.
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

Combination = dict[int, Fraction]
"""A linear combination: coefficients by the number of the basis function.

0 is the constant 1, 1 .. d are the inputs.
"""


class Basis:
    """The basis functions found so far, each with exact bounds on the domain."""

    def __init__(self, domain: Domain, binary: bool) -> None:
        self.domain, self.binary = domain, binary
        one = (Fraction(1), Fraction(1))
        self._intervals: list[tuple[Fraction, Fraction]] = [one, *_box(domain)]
        self._numbers: dict[tuple[tuple[int, int], ...], int] = {}
        self.hyperplanes: dict[int, Combination] = {}

    def neuron(self, z: Combination) -> Combination:
        """Return s(z) over the basis, which gains a function if the hyperplane is new."""
        low, high = self.signed_bounds(z)
        if high <= 0:
            return {}
        if low > 0 or (low == 0 and not self.binary):
            return {0: Fraction(1)} if self.binary else z
        if self.binary and len(z) <= 2 and max(z) > self.domain.n_inputs and sorted(z)[:-1] in ([], [0]):
            return _step_of_step(max(z), z)
        key, scale = primitive(z)
        first = next(value for number, value in key if number or len(key) == 1)
        opposite = first < 0 and (not self.binary or max(z) <= self.domain.n_inputs)
        if opposite:
            key = tuple((number, -value) for number, value in key)
        number = self._number(key)
        if not self.binary:
            return add({number: scale}, z if opposite else {})
        return {0: Fraction(1), number: Fraction(-1)} if opposite else {number: Fraction(1)}

    def _number(self, key: tuple[tuple[int, int], ...]) -> int:
        if key not in self._numbers:
            z = {number: Fraction(value) for number, value in key}
            self._numbers[key] = len(self._intervals)
            self.hyperplanes[len(self._intervals)] = z
            high = Fraction(1) if self.binary else max(self._interval(z)[1], Fraction(0))
            self._intervals.append((Fraction(0), high))
        return self._numbers[key]

    def _interval(self, z: Combination) -> tuple[Fraction, Fraction]:
        """Return bounds of z by interval arithmetic over the basis functions."""
        terms = [sorted(c * bound for bound in self._intervals[i]) for i, c in z.items()]
        low, high = (sum((term[side] for term in terms), Fraction(0)) for side in (0, 1))
        return low, high

    def signed_bounds(self, z: Combination) -> tuple[Fraction, Fraction]:
        """Return bounds of z, of which only the signs count: on a ball they are squared."""
        if not z or max(z) > self.domain.n_inputs or isinstance(self.domain, Box):
            return self._interval(z)
        w, b = [z.get(i, Fraction(0)) for i in range(1, self.domain.n_inputs + 1)], z.get(0, Fraction(0))
        if isinstance(self.domain, Ball):
            middle = b + _dot(w, rationals(self.domain.centre))
            radius = Fraction(self.domain.radius) ** 2 * _dot(w, w)
            square = middle * abs(middle)  # m |m| +- (r |w|)^2 has the sign of m +- r |w|
            return square - radius, square + radius
        values = [b + _dot(w, rationals(point)) for point in self.domain.points]  # type: ignore[attr-defined]
        return min(values), max(values)


def _step_of_step(number: int, z: Combination) -> Combination:
    """Return s(z) for z = b + c H with H in {0, 1}: it is s(b) + (s(b + c) - s(b)) H."""
    b, c = z.get(0, Fraction(0)), z[number]
    at_0, at_1 = int(b > 0), int(b + c > 0)
    return {i: Fraction(value) for i, value in ((0, at_0), (number, at_1 - at_0)) if value}


def _box(domain: Domain) -> list[tuple[Fraction, Fraction]]:
    """Return the exact bounds on each input."""
    if isinstance(domain, Ball):
        return [(c - Fraction(domain.radius), c + Fraction(domain.radius)) for c in rationals(domain.centre)]
    low, high = domain.bounding_box()
    return list(zip(rationals(low), rationals(high)))


def _dot(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(one, other)), Fraction(0))


def add(one: Combination, other: Combination, factor: Fraction = Fraction(1)) -> Combination:
    """Return one + factor * other, without zero coefficients."""
    result = dict(one)
    for number, value in other.items():
        total = result.pop(number, Fraction(0)) + factor * value
        if total:
            result[number] = total
    return result


def primitive(z: Combination) -> tuple[tuple[tuple[int, int], ...], Fraction]:
    """Return z as integers without a common factor, and the scale > 0 they are multiplied by.

    Examples
    --------
    >>> primitive({0: Fraction(-3), 1: Fraction(3, 2)})
    (((0, -2), (1, 1)), Fraction(3, 2))
    """
    unit = lcm(*(value.denominator for value in z.values()))
    integers = [
        (number, value.numerator * (unit // value.denominator))
        for number, value in sorted(z.items())
    ]
    common = gcd(*(value for _, value in integers))
    return tuple((number, value // common) for number, value in integers), Fraction(common, unit)


def write_over_basis(
    network: Network, basis: Basis, check_time: Callable[[], None]
) -> list[Combination]:
    """Return the outputs of a network over the basis, exactly; `check_time` runs for each neuron."""
    values: list[Combination] = [{i: Fraction(1)} for i in range(1, network.n_inputs + 1)]
    *hidden, outgoing = affine_maps(network)
    for W, b in hidden:
        values = [basis.neuron(z) for z in _affine(W, b, values, check_time)]
    return _affine(*outgoing, values, check_time)


def _affine(
    W: Any, b: Any, values: list[Combination], check_time: Callable[[], None]
) -> list[Combination]:
    result = []
    for row, threshold in zip(W, rationals(np.zeros(len(W)) if b is None else b)):
        check_time()
        sums: Combination = {0: threshold}
        for weight, value in zip(rationals(row), values):
            if weight:
                for number, coefficient in value.items():
                    sums[number] = sums.get(number, Fraction(0)) + weight * coefficient
        result.append({number: value for number, value in sums.items() if value})
    return result


def subtract(
    f: Network, g: Network, domain: Domain, check_time: Callable[[], None] = lambda: None
) -> tuple[list[Combination], Basis]:
    """Return f_k - g_k over one basis, for each output k, and the basis.

    If all of them are empty, the networks are equal on the domain.
    """
    basis = Basis(domain, f.activation == "binary")
    one, other = (write_over_basis(network, basis, check_time) for network in (f, g))
    return [add(a, b, Fraction(-1)) for a, b in zip(one, other)], basis
