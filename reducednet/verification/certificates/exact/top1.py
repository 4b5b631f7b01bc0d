"""Kinds "top1" and "top1_point": the same largest output (docs/certificates.md, 12 and 13)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ....domains import Box, Domain
from ....networks.network import Network
from . import point
from .folded import Row, SymbolicPair
from .objects import (
    BoxOrDomain, equally_deep, evaluate, layers_of, leaves, rational, require, root_box,
)
from .pieces import LastLayer, bounds_of_outputs, last_hidden_layer, region_of

Pair = tuple[int, int]
WHOLE_DOMAIN = -1


class ByForms:
    """The rows of both networks' outputs over the last hidden layer's quantities, on a region."""

    def __init__(self, last: LastLayer) -> None:
        self.last, self.of_f, self.of_g = last, last.of_f, last.of_g

    def supremum(self, row: Any) -> Fraction:
        """Return the upper bound of one row."""
        return min(high[0] for _, high in bounds_of_outputs(row[np.newaxis], self.last))


class BySymbolicRows:
    """The symbolic rows of both networks' outputs.

    A row is here a vector of coefficients of the outputs, f's before g's.
    """

    def __init__(self, arrays: Any, f: Network, g: Network, domain: Domain) -> None:
        self.proof = SymbolicPair(labels_of(arrays, f, g), domain, f.depth + g.depth)
        of_f = self.proof.outputs(layers_of(f), 0, with_trees=False)
        of_g = self.proof.outputs(layers_of(g), f.depth, with_trees=False)
        self.rows = [*of_f, *of_g]
        units = rational(np.eye(2 * f.n_outputs))
        self.of_f, self.of_g = units[:f.n_outputs], units[f.n_outputs:]

    def supremum(self, row: Any) -> Fraction:
        """Return the upper bound of one combination of the outputs."""
        coefficients = sum(w * own.coefficients for w, own in zip(row, self.rows))
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


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the least delta up to which g is proved to agree with f: the largest number."""
    require(f.activation == "relu", "for ReLU networks")
    layers = equally_deep(f, g)
    low, high = root_box(domain)
    opened = [(int(j), int(k)) for j, k in arrays.get("open", [])]
    outputs = range(f.n_outputs)
    require(all(j in outputs and k in outputs for j, k in opened), "no such output")
    mixtures = mixtures_by_leaf(arrays)

    whole = region_of(BoxOrDomain(low, high, True), domain)
    ways: list[Any] = [ByForms(last_hidden_layer(arrays, *layers, whole))]
    if "roles0" in arrays:
        ways.append(BySymbolicRows(arrays, f, g, domain))
    settled = [(j, k) for j in outputs for k in outputs if j != k and (j, k) not in opened]
    of_domain = mixtures.get(WHOLE_DOMAIN, [])
    numbers = [min(number(pair, of_domain, way) for way in ways) for pair in settled]

    parts = leaves(arrays, low, high, domain)
    for leaf, part in enumerate(parts if opened else []):
        ways = [ByForms(last_hidden_layer(arrays, *layers, region_of(part, domain)))]
        if arrays["rows"] == 1:
            own = domain if part.whole else Box(part.low.astype(float), part.high.astype(float))
            ways.append(BySymbolicRows(arrays, f, g, own))
        of_leaf = mixtures.get(leaf, [])
        numbers += [min(number(pair, of_leaf, way) for way in ways) for pair in opened]
    return max(numbers, default=Fraction(0))


def mixtures_by_leaf(arrays: Any) -> dict[int, list[tuple[Pair, Any]]]:
    """Return the pairs and multipliers of each leaf, and of the whole domain."""
    found: dict[int, list[tuple[Pair, Any]]] = {}
    names = ("leaf", "pairs", "multipliers")
    rows = zip(*(arrays[name] for name in names)) if "leaf" in arrays else []
    for leaf, (j, k), multipliers in rows:
        mu = rational(multipliers)
        is_one = j != k and j < len(mu) and k < len(mu)
        require(is_one and mu[j] == 0 and (mu >= 0).all(), "multipliers of no pair")
        found.setdefault(int(leaf), []).append(((int(j), int(k)), mu))
    return found


def number(pair: Pair, mixtures: list[tuple[Pair, Any]], way: Any) -> Fraction:
    """Return the number of a pair on a region: the smallest of (53) to (56)."""
    j, k = pair
    if j == k:
        return Fraction(0)
    D, B = way.of_f[j] - way.of_f, way.of_g[k] - way.of_g[j]
    others = [i for i in range(len(D)) if i != j]
    if way.supremum(B) <= 0:
        return Fraction(0)
    choices = [way.supremum(D[i]) for i in others] + [way.supremum(B + D[k])]
    for own, mu in mixtures:
        if own == pair:
            largest = way.supremum(B + mu @ D)
            if largest <= 0:
                choices.append(Fraction(0))
            elif sum(mu) > 0:
                choices.append(largest / Fraction(sum(mu)))
    return max(min(choices), Fraction(0))


def lead(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return by how much f's largest output leads the others at the point, where g disagrees."""
    x = rational(arrays["point"])
    point.require_inside(x, arrays, domain)
    of_f, of_g = evaluate(f, x).tolist(), evaluate(g, x).tolist()
    j = max(range(len(of_f)), key=lambda i: of_f[i])
    found = min((of_f[j] - value for i, value in enumerate(of_f) if i != j), default=Fraction(0))
    require(found > 0, "f has no single largest output")
    require(any(value > of_g[j] for value in of_g), "the output is a largest one of g too")
    return Fraction(found)
