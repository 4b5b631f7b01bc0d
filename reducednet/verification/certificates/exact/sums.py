"""Kind "exact": both networks as sums over the same functions (docs/certificates.md, section 6).

A sum is {number: coefficient} over the functions phi_0 = 1, the inputs phi_1, ..., phi_d, and
phi_(d+1), ... = s(y) of earlier sums y. Coefficients that are 0 are dropped, so that sums are equal
exactly if their coefficients are.
"""
from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import gcd, lcm
from typing import Any

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import (
    BoxOrDomain, Layer, box_around, equally_deep, leaves, rational, require, support,
)

Sum = dict[int, Fraction]
ONE, ZERO = Fraction(1), Fraction(0)
MOST_TERMS = 31


def added(*terms: tuple[Fraction, Sum]) -> Sum:
    """Return the sum of factor times sum, over all terms."""
    result: Sum = {}
    for factor, entries in terms:
        for i, c in entries.items():
            result[i] = result.get(i, ZERO) + factor * c
    return {i: c for i, c in result.items() if c != 0}


def constant(value: Fraction) -> Sum:
    """Return the sum that is this number."""
    return {0: value} if value != 0 else {}


def unit(y: Sum) -> Fraction:
    """Return the largest rational that divides all coefficients; 0 if there are none."""
    if not y:
        return ZERO
    numerators = gcd(*(c.numerator for c in y.values()))
    return Fraction(numerators, lcm(*(c.denominator for c in y.values())))


def bound(arrays: Any, f: Network, g: Network, domain: Domain, margin: float) -> Fraction:
    """Return the largest bound of all leaves."""
    pair = equally_deep(f, g)
    low, high = box_around(domain)
    values = [
        Leaf(leaf, domain, arrays, f.activation, Fraction(margin)).bound(*pair)
        for leaf in leaves(arrays, low, high, domain)
    ]
    return max(values, default=ZERO)


class Leaf:
    """The functions of one leaf, with the interval of each."""

    def __init__(
        self, leaf: BoxOrDomain, domain: Domain, arrays: Any, activation: str, margin: Fraction
    ) -> None:
        self.domain, self.whole, self.arrays, self.margin = domain, leaf.whole, arrays, margin
        self.n_inputs, self.relu = len(leaf.low), activation == "relu"
        self.intervals = [(ONE, ONE), *zip(leaf.low, leaf.high)]
        self.number_of: dict[frozenset[tuple[int, Fraction]], int] = {}

    def bound(self, f: list[Layer], g: list[Layer]) -> Fraction:
        """Return the largest bound of |g_k - f_k|."""
        inputs = [
            {i: ONE} if low < high else constant(low)
            for i, (low, high) in enumerate(self.intervals[1:], start=1)
        ]
        f_values, g_values = inputs, inputs
        for number, (f_layer, g_layer) in enumerate(zip(f[:-1], g[:-1])):
            g_z, f_z = pre_activations(g_layer, g_values), pre_activations(f_layer, f_values)
            values = self.through_activation(number, g_z + f_z)
            g_values, f_values = values[:len(g_z)], values[len(g_z):]
        largest = ZERO
        for g_k, f_k in zip(pre_activations(g[-1], g_values), pre_activations(f[-1], f_values)):
            low, high = self.bounds(added((ONE, g_k), (-ONE, f_k)))
            largest = max(largest, -low, high)
        return largest

    def bounds(self, y: Sum) -> tuple[Fraction, Fraction]:
        """Return bounds of a sum: those of each term added (19), or of the domain itself."""
        if self.whole and all(i <= self.n_inputs for i in y):
            u = np.array([y.get(i, ZERO) for i in range(1, self.n_inputs + 1)], dtype=object)
            constant_term = y.get(0, ZERO)
            return constant_term - support(self.domain, -u), constant_term + support(self.domain, u)
        low = high = ZERO
        for i, c in y.items():
            ends = [c * end for end in self.intervals[i]]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def through_activation(self, number: int, pre: list[Sum]) -> list[Sum]:
        """Return s(z) of each neuron of layer `number`, those of g before those of f."""
        labels, scales = [-1] * len(pre), [ZERO] * len(pre)
        if not self.relu and f"labels{number}" in self.arrays:
            labels = self.arrays[f"labels{number}"].tolist()
            scales = list(rational(self.arrays[f"scales{number}"]))
            require(len(labels) == len(scales) == len(pre), "labels or scales of another length")
        seen: dict[int, tuple[Sum, Sum]] = {}
        values = []
        for z, label, scale in zip(pre, labels, scales):
            value = None
            low, high = self.bounds(z)
            if label >= 0 and label in seen and low <= 0 < high:
                value = self.as_class(z, scale, *seen[label], first=number == 0)
            if value is None:
                value = self.activation(z, low, high, first=number == 0)
            if label >= 0:
                seen.setdefault(label, (z, value))
            values.append(value)
        return values

    def activation(self, z: Sum, low: Fraction, high: Fraction, first: bool) -> Sum:
        """Return s(z) by rules 2 to 5."""
        if high <= 0:
            return {}
        if low > 0 or (low == 0 and (self.relu or first)):
            return z if self.relu else constant(ONE)
        functions = [i for i in z if i != 0]
        if not self.relu and not first and len(functions) == 1:
            p, c = z.get(0, ZERO), z[functions[0]]
            off, on = Fraction(p > 0), Fraction(p + c > 0)
            return added((off, {0: ONE}), (on - off, {functions[0]: ONE}))
        c = z[min(functions)]
        size = abs(c)
        if c > 0 or (not self.relu and not first):
            function = self.function(added((1 / size, z)))
            return {function: size if self.relu else ONE}
        function = self.function(added((-1 / size, z)))
        if self.relu:
            return added((size, {function: ONE}), (ONE, z))
        return {0: ONE, function: -ONE}

    def function(self, y: Sum) -> int:
        """Return the number of the function s(y): a new one if this y has not come before."""
        key = frozenset(y.items())
        if key not in self.number_of:
            self.number_of[key] = len(self.intervals)
            high = self.bounds(y)[1] if self.relu else ONE
            self.intervals.append((ZERO, high))
        return self.number_of[key]

    def as_class(self, z: Sum, scale: Fraction, y: Sum, value: Sum, first: bool) -> Sum | None:
        """Return s(z) as the representative's s(y), or 1 - s(y); None if no factor q qualifies."""
        ratio = z[next(iter(z))] / y[next(iter(z))] if z and next(iter(z)) in y else ZERO
        for q in (scale, ratio):
            if q != 0 and (self.same_in_first(z, y, q) if first else self.same_above(z, y, q)):
                return value if q > 0 else added((ONE, {0: ONE}), (-ONE, value))
        return None

    def same_in_first(self, z: Sum, y: Sum, q: Fraction) -> bool:
        """Return whether z and q y have the same sign at all points (4), by (20)."""
        low, high = self.bounds(added((ONE, z), (-q, y)))
        norm = sum((z.get(i, ZERO) ** 2 for i in range(1, self.n_inputs + 1)), ZERO)
        return max(-low, high) ** 2 <= self.margin**2 * norm

    def same_above(self, z: Sum, y: Sum, q: Fraction) -> bool:
        """Return whether s(z) = s(q y) for all values 0 and 1 of the functions, by (21) or (22)."""
        if q < 0:
            return False
        low, high = self.bounds(added((ONE, z), (-q, y)))
        if low == high == 0 or 0 <= low and high < unit(z) or -q * unit(y) < low and high <= 0:
            return True
        return len(y) <= MOST_TERMS and max(-low, high) < q * self.least_size(z, y)

    def least_size(self, z: Sum, y: Sum) -> Fraction:
        """Return the least |y| over the values of its functions, as (22) takes it."""
        names = [i for i in y if i != 0]
        same_at_zero = set(z) <= set(y) | {0} and (z.get(0, ZERO) > 0) == (y.get(0, ZERO) > 0)
        sizes = []
        for values in product((0, 1), repeat=len(names)):
            if any(values) or not same_at_zero:
                total = sum((y[i] for i, on in zip(names, values) if on), y.get(0, ZERO))
                sizes.append(abs(total))
        return min(sizes, default=ZERO)


def pre_activations(layer: Layer, values: list[Sum]) -> list[Sum]:
    """Return W h + b, a sum for each neuron."""
    return [
        added(*((w, h) for w, h in zip(row, values) if w != 0), (ONE, constant(b)))
        for row, b in zip(layer.weights, layer.thresholds)
    ]
