"""Kinds "top1" and "top1_point": the same largest output (docs/certificates.md, 12 and 13)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from . import point
from .objects import (
    BoxOrDomain, equally_deep, evaluate, leaves, rational, require, root_box,
)
from .pieces import LastLayer, bounds_of_outputs, last_hidden_layer, region_of

Pair = tuple[int, int]
WHOLE_DOMAIN = -1


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
    last = last_hidden_layer(arrays, *layers, whole)
    settled = [(j, k) for j in outputs for k in outputs if j != k and (j, k) not in opened]
    numbers = [number(pair, mixtures.get(WHOLE_DOMAIN, []), last) for pair in settled]

    parts = leaves(arrays, low, high, domain)
    for leaf, part in enumerate(parts if opened else []):
        last = last_hidden_layer(arrays, *layers, region_of(part, domain))
        numbers += [number(pair, mixtures.get(leaf, []), last) for pair in opened]
    return least_upper_bound(numbers)


def least_upper_bound(numbers: list[Fraction | None]) -> Fraction:
    """Return the largest number; refuse if one pair has none."""
    found = [value for value in numbers if value is not None]
    require(len(found) == len(numbers), "nothing is proved about a pair")
    return max(found, default=Fraction(0))


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


def number(pair: Pair, mixtures: list[tuple[Pair, Any]], last: LastLayer) -> Fraction | None:
    """Return the number of a pair on a region: the smallest of (53) to (56), if there is one."""
    j, k = pair
    if j == k:
        return Fraction(0)
    D, B = last.of_f[j] - last.of_f, last.of_g[k] - last.of_g[j]
    others = [i for i in range(len(D)) if i != j]
    if supremum(B, last) <= 0:
        return Fraction(0)
    choices = [supremum(D[i], last) for i in others] + [supremum(B + D[k], last)]
    for own, mu in mixtures:
        if own == pair:
            largest = supremum(B + mu @ D, last)
            if largest <= 0:
                choices.append(Fraction(0))
            elif sum(mu) > 0:
                choices.append(largest / Fraction(sum(mu)))
    return max(min(choices), Fraction(0))


def supremum(row: Any, last: LastLayer) -> Fraction:
    """Return the upper bound of one row over the last layer's quantities."""
    return min(high[0] for _, high in bounds_of_outputs(row[np.newaxis], last))


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
