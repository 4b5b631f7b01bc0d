"""Kind "folded": symbolic rows and back-substitution (docs/certificates.md, section 9).

The columns are 1, the inputs, and one function U_c for each class. A row (A, e) stands for a
quantity v with |v - A.columns| <= e on the domain (25).
"""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ....domains import Box, Domain
from ....networks.network import Network
from .objects import (
    BoxOrDomain, Layer, larger, layers_of, positive_part, rational, require, smaller, support, zeros,
)

ONE, ZERO = Fraction(1), Fraction(0)
DEAD, ALWAYS_ON = -1, -2
SLOPE_BITS = 60
MOST_LEAVES = 4096


class Row(NamedTuple):
    """|v - coefficients.columns| <= error."""

    coefficients: Any
    error: Fraction

    def __neg__(self) -> Row:
        return Row(-self.coefficients, self.error)


class Class(NamedTuple):
    """What is kept of a class: its row, bounds of z_c (or p_c), and its layer, counted through."""

    row: Row
    low: Fraction
    high: Fraction
    layer: int


Line = Callable[[int, Fraction, Any], Fraction]
"""The multiplier mu for (class, its coefficient alpha, the coefficients at that moment)."""


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the largest bound of |f_k - g_k|."""
    require(f.activation == "relu", "for ReLU networks")
    pair = (g, f) if int(arrays.get("exchanged", 0)) else (f, g)
    proof = SymbolicPair(arrays, domain, f.depth + g.depth)
    first = proof.outputs(layers_of(pair[0]), 0, with_trees=True)
    second = proof.outputs(layers_of(pair[1]), pair[0].depth, with_trees=False)
    largest = ZERO
    for one, other in zip(first, second):
        row = Row(one.coefficients - other.coefficients, one.error + other.error)
        both = max(proof.upper(row), proof.upper(-row))
        largest = max(largest, min(both, proof.by_magnitude(row)))             # (37)
    return largest


class SymbolicPair:
    """The classes of both networks, as far as their layers have been read."""

    def __init__(self, arrays: Any, domain: Domain, n_layers: int) -> None:
        self.arrays, self.domain = arrays, domain
        labels = [arrays[f"labels{number}"] for number in range(n_layers)]
        n_classes = 1 + max(-1, *(int(label.max()) for label in labels))
        # each class has a representative; a larger number would only take memory
        require(n_classes <= sum(map(len, labels)), "new classes are not the next numbers")
        inputs = rational(np.eye(domain.n_inputs))
        sizes = [max(support(domain, u), support(domain, -u)) for u in inputs]
        self.n_inputs, self.n_columns = len(inputs), 1 + len(inputs) + n_classes
        self.sizes = np.array([ONE, *sizes, *[ZERO] * n_classes], dtype=object)
        self.classes: list[Class] = []

    def column(self, c: int) -> int:
        """Return the column of class c."""
        return 1 + self.n_inputs + c

    def outputs(self, layers: list[Layer], first_number: int, with_trees: bool) -> list[Row]:
        """Return the rows of a network's outputs, after its layers and classes were read."""
        units = rational(np.eye(self.n_inputs, self.n_columns, 1))
        h = [Row(unit, ZERO) for unit in units]
        sizes = self.sizes[1:1 + self.n_inputs]
        low_below, high_below = -sizes, sizes
        *hidden, last = layers
        for number, layer in enumerate(hidden, start=first_number):
            rows = affine(layer, h)
            lows, highs = self.bounds(layer, rows, low_below, high_below, number, with_trees)
            h = self.through_relu(number, rows, lows, highs)
            low_below, high_below = positive_part(lows), positive_part(highs)
        return affine(last, h)

    def bounds(
        self, layer: Layer, rows: list[Row], low_below: Any, high_below: Any, number: int,
        trees: bool,
    ) -> tuple[Any, Any]:
        """Return the bounds of z of each neuron (32), sharpened by intervals (33) and trees."""
        W, b = layer
        on, off = larger(W, ZERO), smaller(W, ZERO)
        lows = larger(on @ low_below + off @ high_below + b, [-self.upper(-row) for row in rows])
        highs = smaller(on @ high_below + off @ low_below + b, [self.upper(row) for row in rows])
        if trees and "targets" in self.arrays:
            self.sharpen_by_trees(number, rows, lows, highs)
        return lows, highs

    def through_relu(self, number: int, rows: list[Row], lows: Any, highs: Any) -> list[Row]:
        """Return the rows of h = s(z), by the neurons' labels."""
        labels, scales = self.arrays[f"labels{number}"], self.arrays[f"scales{number}"]
        require(len(labels) == len(scales) == len(rows), "labels or scales of another length")
        labels, scales = labels.tolist(), rational(scales)
        representatives = self.read_new_classes(number, labels, scales, rows, lows, highs)
        values = []
        for j, (row, label, q) in enumerate(zip(rows, labels, scales)):
            if label == DEAD:
                values.append(Row(zeros(self.n_columns), max(highs[j], ZERO)))
            elif label == ALWAYS_ON:
                values.append(Row(row.coefficients, row.error + max(-lows[j], ZERO)))
            else:
                values.append(self.in_class(row, label, q, j in representatives))
        return values

    def read_new_classes(
        self, number: int, labels: list[int], scales: Any, rows: list[Row], lows: Any, highs: Any
    ) -> set[int]:
        """Add the classes that begin in this layer; return the numbers of their representatives."""
        known = len(self.classes)
        new = sorted({label for label in labels if label >= known})
        require(new == list(range(known, known + len(new))), "new classes are not the next numbers")
        representatives = [labels.index(label) for label in new]
        added = []
        for c, j in zip(new, representatives):
            require(scales[j] == 1, "a representative's scale is not 1")
            added.append(self.with_exclusions(c, rows[j], lows[j], highs[j], number))
        for c, new_class in zip(new, added):
            self.classes.append(new_class)
            self.sizes[self.column(c)] = max(new_class.high, new_class.row.error)
        return set(representatives)

    def in_class(self, row: Row, c: int, q: Fraction, representative: bool) -> Row:
        """Return the row of s(z) for a neuron of class c with scale q (27)."""
        value = zeros(self.n_columns)
        if representative:
            value[self.column(c)] = ONE
            return Row(value, ZERO)
        own = self.classes[c].row
        value[self.column(c)] = abs(q)
        if q < 0:
            value = value + q * own.coefficients
        apart = abs(row.coefficients - q * own.coefficients) @ self.sizes
        return Row(value, apart + row.error + abs(q) * own.error)

    def with_exclusions(
        self, c: int, row: Row, low: Fraction, high: Fraction, number: int
    ) -> Class:
        """Return the class of a representative after the exclusions that are listed for it."""
        excluded = False
        for (target, other), mu in zip(
            self.arrays.get("cuts", np.empty((0, 2), int)).tolist(),
            rational(self.arrays.get("mu", np.empty(0))), strict=True,
        ):
            if target != c:
                continue
            earlier = other < len(self.classes) and self.classes[other].layer < number
            require(earlier, "an excluded class is not one of an earlier layer")
            row = self.without(row, other, mu)
            excluded = True
        if excluded:                                                          # (36)
            high = min(max(high, ZERO) + row.error, self.upper(row))
            low = -self.upper(-row)
        return Class(row, low, high, number)

    def without(self, row: Row, other: int, mu: Fraction) -> Row:
        """Return the row of a representative with U_other left out (35)."""
        column, theirs = self.column(other), self.classes[other].row
        alpha = row.coefficients[column]
        require(mu >= max(alpha, ZERO), "an exclusion's multiplier is too small")
        rest = row.coefficients.copy()
        rest[column] = ZERO
        changed = Row(rest + mu * theirs.coefficients, row.error + mu * theirs.error)
        return Row(rest, row.error + max(self.upper(changed), abs(alpha) * theirs.error, ZERO))

    def by_magnitude(self, row: Row) -> Fraction:
        """Return sum |A_i| X_i + e (28)."""
        return Fraction(abs(row.coefficients) @ self.sizes + row.error)

    def upper(self, row: Row) -> Fraction:
        """Return B(A, e), an upper bound of every quantity with this row."""
        substitutions: list[Line] = [
            lambda c, alpha, A: ZERO,
            lambda c, alpha, A: alpha,
            lambda c, alpha, A: alpha if self.classes[c].high > -self.classes[c].low else ZERO,
            self.line_of_smaller_squares,
        ]
        results = [self.substituted(row, choice) for choice in substitutions]
        return min(self.by_magnitude(row), *results)

    def line_of_smaller_squares(self, c: int, alpha: Fraction, A: Any) -> Fraction:
        """Return alpha if adding alpha A_c makes the sum of squares smaller, else 0."""
        own = self.classes[c].row.coefficients[1:]
        return alpha if 2 * (A[1:] @ own) > -alpha * (own @ own) else ZERO

    def substituted(self, row: Row, line: Line, signs: Any = None) -> Fraction:
        """Return the bound by one substitution of all U, the last layers first (30), (31).

        Where `signs` is given, a class of sign 1 or -1 is replaced by the multiple `line` of p_c
        in the range that the sign allows.
        """
        A, e = row.coefficients.copy(), row.error
        for number in sorted({known.layer for known in self.classes}, reverse=True):
            own = [c for c, known in enumerate(self.classes) if known.layer == number]
            own = [c for c in own if A[self.column(c)] != 0 or signs is not None and signs[c] != 0]
            alphas = {c: A[self.column(c)] for c in own}
            for c in own:
                A[self.column(c)] = ZERO
            by_sign = {c for c in own if signs is not None and signs[c] != 0}
            for c in own:
                if alphas[c] > 0 and c not in by_sign:
                    slope, constant = self.line_above(c)
                    A = A + alphas[c] * slope * self.classes[c].row.coefficients
                    A[0] += alphas[c] * constant
                    e += alphas[c] * self.classes[c].row.error
            now = A
            for c in own:
                alpha = alphas[c]
                if alpha > 0 and c not in by_sign:
                    continue
                mu = line(c, alpha, now)
                if c not in by_sign:
                    mu = min(max(mu, alpha), ZERO)
                elif signs[c] > 0:
                    mu = max(mu, alpha)
                else:
                    mu = min(mu, ZERO)
                A = A + mu * self.classes[c].row.coefficients
                e += max(abs(alpha), abs(mu)) * self.classes[c].row.error
        return Fraction(A[0] + support(self.domain, A[1:1 + self.n_inputs]) + e)

    def line_above(self, c: int) -> tuple[Fraction, Fraction]:
        """Return slope and constant of a line above s on [l_c, u_c] (29).

        The chord's slope is rounded to 2^-60, which keeps the denominators small.
        """
        low, high = self.classes[c].low, self.classes[c].high
        if high <= 0:
            slope = ZERO
        elif low >= 0:
            slope = ONE
        else:
            slope = Fraction(round(high / (high - low) * 2**SLOPE_BITS), 2**SLOPE_BITS)
        return slope, max(-slope * low, (1 - slope) * high, ZERO)

    def of_leaf(self, row: Row, signs: Any, multiples: Any) -> Fraction:
        """Return the bound of a row on the leaf of a sign tree."""
        def line(c: int, alpha: Fraction, A: Any) -> Fraction:
            return Fraction(multiples[c])

        return self.substituted(row, line, signs)

    def sharpen_by_trees(self, number: int, rows: list[Row], lows: Any, highs: Any) -> None:
        """Sharpen the bounds of this layer's neurons by the sign trees that have one as target."""
        targets = self.arrays["targets"].tolist()
        for layer, j, side in sorted(set(map(tuple, targets))):
            if layer != number:
                continue
            require(0 <= j < len(rows) and side in (1, -1), "a tree's target is no neuron's side")
            numbers = [i for i, target in enumerate(targets) if target == [layer, j, side]]
            signs = self.arrays["signs"][numbers]
            multiples = rational(self.arrays["multiples"][numbers])
            require(signs.shape[1] >= len(self.classes), "a tree lacks classes")
            require_cover(signs)
            row = rows[j] if side > 0 else -rows[j]
            values = [self.of_leaf(row, sign, own) for sign, own in zip(signs, multiples)]
            if side > 0:
                highs[j] = min(highs[j], max(values))
            else:
                lows[j] = max(lows[j], -max(values))


def require_cover(signs: Any) -> None:
    """Refuse leaves that do not cover every choice of signs exactly once (34)."""
    require(len(signs) <= MOST_LEAVES, "too many leaves of one target")
    for i, one in enumerate(signs):
        for other in signs[:i]:
            require((one * other < 0).any(), "two leaves overlap")
    shares = [Fraction(1, 2 ** int(np.count_nonzero(one))) for one in signs]
    require(sum(shares) == 1, "the leaves do not cover the domain")


def affine(layer: Layer, h: list[Row]) -> list[Row]:
    """Return the rows of z = W h + b (26)."""
    matrix = np.stack([row.coefficients for row in h])
    errors = np.array([row.error for row in h], dtype=object)
    A = layer.weights @ matrix
    A[:, 0] += layer.thresholds
    return [Row(*entries) for entries in zip(A, abs(layer.weights) @ errors)]


class OutputRows:
    """The symbolic rows of both networks' outputs.

    A row is here a vector of coefficients of the outputs, f's before g's.
    """

    def __init__(
        self, arrays: Any, f: Network, g: Network, domain: Domain, leaf: BoxOrDomain
    ) -> None:
        if not leaf.whole:
            domain = Box(leaf.low.astype(float), leaf.high.astype(float))
        self.proof = SymbolicPair(labels_of(arrays, f, g), domain, f.depth + g.depth)
        of_f = self.proof.outputs(layers_of(f), 0, with_trees=False)
        of_g = self.proof.outputs(layers_of(g), f.depth, with_trees=False)
        self.rows = [*of_f, *of_g]
        units = rational(np.eye(2 * f.n_outputs))
        self.of_f, self.of_g = units[:f.n_outputs], units[f.n_outputs:]

    def supremum(self, row: Any) -> Fraction:
        """Return the upper bound of one combination of the outputs."""
        coefficients = sum(w * own.coefficients for w, own in zip(row, self.rows) if w)
        error = sum((abs(w) * own.error for w, own in zip(row, self.rows)), Fraction(0))
        return self.proof.upper(Row(coefficients, error))


def labels_of(arrays: Any, f: Network, g: Network) -> dict[str, Any]:
    """Return labels and scales as kind "folded" has them: a class for each unstable neuron."""
    found: dict[str, Any] = {}
    n_classes = 0
    for network, first in ((f, 0), (g, f.depth)):
        for layer, width in enumerate(network.sizes[1:-1]):
            both = arrays[f"roles{layer}"]
            require(((both >= -2) & (both <= 0)).all(), "roles that mean nothing")
            labels = both[len(both) - width:].copy() if first == 0 else both[:width].copy()
            for j in np.flatnonzero(labels == 0):
                labels[j] = n_classes
                n_classes += 1
            found[f"labels{first + layer}"] = labels
            found[f"scales{first + layer}"] = np.ones(width)
    return found
