"""Exact equality by structure: neurons that are positive multiples of each other, counted in rationals.

Two ways to see that f - g is exactly 0. Any depth: layer by layer, neurons of both networks with the same
primitive integer row (w, b) are one class, and every class's outgoing weights cancel. One hidden layer:
the same with opposite rows as one hyperplane and always-on neurons as an affine part, on a domain; that form
is unique (THEORY, Prop. 5), so what is left over also proves that f and g differ.
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

import numpy as np

from ..domains import Ball, Box, Domain
from ..layers import affine_maps
from ..networks import Network
from .exact import dyadic, rationals

Key = tuple[int, ...]


def primitive(row: Sequence[Any]) -> tuple[Key, Fraction]:
    """Return the row as scale times integers without a common factor, scale > 0.

    Examples
    --------
    >>> primitive([Fraction(3, 2), Fraction(-3)])
    ((1, -2), Fraction(3, 2))
    """
    below = lcm(*(value.denominator for value in row))
    integers = [value.numerator * (below // value.denominator) for value in row]
    common = gcd(*integers)
    if common == 0:
        return tuple(integers), Fraction(1)
    return tuple(value // common for value in integers), Fraction(common, below)


def exact_rows(W: Any, b: Any) -> list[list[Fraction]]:
    """Return (w_j, b_j) of each neuron in rationals."""
    together = dyadic(np.column_stack([W, b]))
    unit = Fraction(2) ** together.exponent
    return [[value * unit for value in row] for row in together.integers.tolist()]


def same_structure(f: Network, g: Network, domain: Domain) -> bool:
    """Tell whether f = g is seen exactly: positive multiples of one row are one class, layer by layer.

    Neurons of the first layer that are never active on the domain are left out. False means "not seen".
    """
    maps = [affine_maps(network) for network in (f, g)]
    values: list[list[dict[int, Fraction]]] = []  # h_m = sum over classes of coefficient times H
    for number in range(f.depth):
        classes: dict[Key, int] = {}
        layers = []
        for own, (W, b) in enumerate(layers_of[number] for layers_of in maps):
            rows = exact_rows(W, b) if number == 0 else _condensed(W, b, values[own], n_classes)
            layers.append([_member(row, classes, f.activation, domain if number == 0 else None) for row in rows])
        values, n_classes = layers, len(classes)
    outputs = []
    for own, layers_of in enumerate(maps):
        C, a = layers_of[-1]
        outputs.append(_condensed(C, np.zeros(len(C)) if a is None else a, values[own], n_classes))
    return outputs[0] == outputs[1]


def _member(row: list[Fraction], classes: dict[Key, int], activation: str, domain: Domain | None) -> dict[int, Fraction]:
    """Return a neuron's value over the classes: {class: scale}, or {} where it is never active."""
    key, scale = primitive(row)
    if not any(key[:-1]) and key[-1] <= 0:
        return {}
    if domain is not None and extremes(domain, key)[1] <= 0:
        return {}
    return {classes.setdefault(key, len(classes)): scale if activation == "relu" else Fraction(1)}


def _condensed(W: Any, b: Any, values: list[dict[int, Fraction]], n_classes: int) -> list[list[Fraction]]:
    """Return each row's weights over the classes below, and its threshold, in rationals."""
    result = []
    for row in exact_rows(W, b):
        sums = [Fraction(0)] * n_classes
        for weight, value in zip(row, values):
            for name, scale in value.items():
                sums[name] += weight * scale
        result.append([*sums, row[-1]])
    return result


class ShallowForm(NamedTuple):
    """f - g = alpha.x + beta + sum over hyperplanes of coefficient s(key.(x, 1)) on the domain, nothing left out.

    affine : list of rows (alpha_k, beta_k) of rationals, one an output
    kinks : {key: list of the outputs' coefficients}, not all 0, hyperplanes that cut the domain
    """

    affine: list[list[Fraction]]
    kinks: dict[Key, list[Fraction]]

    @property
    def is_zero(self) -> bool:
        """Whether f = g on the domain (binary: off the hyperplanes)."""
        return not self.kinks and not any(value for row in self.affine for value in row)


def shallow_form(f: Network, g: Network, domain: Domain) -> ShallowForm:
    """Return the canonical form of f - g, exactly, for networks of one hidden layer.

    s(-z) = s(z) - z for ReLU, 1 - s(z) for binary (off the hyperplane).
    """
    binary, d = f.activation == "binary", f.n_inputs
    affine = [[Fraction(0)] * (d + 1) for _ in range(f.n_outputs)]
    kinks: dict[Key, list[Fraction]] = {}
    for sign, network in ((1, f), (-1, g)):
        if network.output_bias is not None:
            for row, value in zip(affine, rationals(network.output_bias)):
                row[-1] += sign * value
        columns = exact_rows(network.output_weights.T, np.zeros(len(network.output_weights.T)))
        for row, column in zip(exact_rows(network.weights[0], network.thresholds[0]), columns):
            key, scale = primitive(row)
            _add(key, [sign * value * (1 if binary else scale) for value in column[:-1]], binary, affine, kinks)
    for key in list(kinks):
        low, high = extremes(domain, key)
        if low >= 0 or high <= 0 or not any(kinks[key]):
            coefficients = kinks.pop(key)
            if low >= 0:
                _add_affine(affine, coefficients, [0] * d + [1] if binary else key)
    return ShallowForm(affine, kinks)


def _add(key: Key, coefficients: list[Fraction], binary: bool, affine: Any, kinks: dict[Key, list[Fraction]]) -> None:
    """Add coefficients times s(key.(x, 1)), with the key turned so that its first non-zero weight is positive."""
    first = next((value for value in key[:-1] if value), 0)
    if first == 0:
        constant = (1 if key[-1] > 0 else 0) if binary else max(key[-1], 0)
        _add_affine(affine, coefficients, [0] * (len(key) - 1) + [constant])
        return
    if first < 0:
        _add_affine(affine, coefficients, [0] * (len(key) - 1) + [1] if binary else key)
        key = tuple(-value for value in key)
        coefficients = [-value for value in coefficients] if binary else coefficients
    sums = kinks.setdefault(key, [Fraction(0)] * len(coefficients))
    for k, value in enumerate(coefficients):
        sums[k] += value


def _add_affine(affine: Any, coefficients: Sequence[Fraction], row: Sequence[int]) -> None:
    for own, value in zip(affine, coefficients):
        for i, entry in enumerate(row):
            own[i] += value * entry


def extremes(domain: Domain, key: Key) -> tuple[Any, Any]:
    """Return numbers with the signs that the smallest and the largest w.x + b over the domain have, key = (w, b).

    For a box and a hull they are those values; for a ball both are replaced by sign(v) v^2 - r^2 |w|^2 and the like.
    """
    *w, b = key
    if isinstance(domain, Box):
        low, high = rationals(domain.low), rationals(domain.high)
        pairs = [(value * one, value * other) for value, one, other in zip(w, low, high)]
        return b + sum(min(pair) for pair in pairs), b + sum(max(pair) for pair in pairs)
    if isinstance(domain, Ball):
        middle = b + sum(value * centre for value, centre in zip(w, rationals(domain.centre)))
        reach = Fraction(domain.radius) ** 2 * sum(value * value for value in w)
        square = middle * middle * (1 if middle > 0 else -1)
        return square - reach, square + reach
    values = [b + sum(value * x for value, x in zip(w, rationals(point))) for point in domain.points]  # type: ignore
    return min(values), max(values)
