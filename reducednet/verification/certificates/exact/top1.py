"""Kind "top1": the same largest output (docs/certificates.md, section 14).

Linear functions of the outputs are bounded by `pieces.OutputForms` and `folded.OutputRows`.
"""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ....domains import Domain
from ....networks.network import Network
from .objects import BoxOrDomain, leaves, rational, require, root_box

Pair = tuple[int, int]
Way = Callable[[Any, Network, Network, Domain, BoxOrDomain], Any]
"""Returns an object with `of_f` and `of_g`, the outputs, and `supremum`, which bounds a row."""

WHOLE_DOMAIN = -1


def bound(
    arrays: Any, f: Network, g: Network, domain: Domain, by_forms: Way, by_rows: Way
) -> Fraction:
    """Return the least delta up to which g is proved to agree with f: the largest number."""
    require(f.activation == "relu", "for ReLU networks")
    low, high = root_box(domain)
    open_pairs = [(int(j), int(k)) for j, k in arrays.get("open", [])]
    outputs = range(f.n_outputs)
    require(all(j in outputs and k in outputs for j, k in open_pairs), "no such output")
    mixtures = mixtures_by_leaf(arrays)

    whole = BoxOrDomain(low, high, True)
    ways = [by_forms, by_rows] if "roles0" in arrays else [by_forms]
    settled = [(j, k) for j in outputs for k in outputs if j != k and (j, k) not in open_pairs]
    of_domain = mixtures.get(WHOLE_DOMAIN, [])
    found = [way(arrays, f, g, domain, whole) for way in ways]
    numbers = [min(number(pair, of_domain, way) for way in found) for pair in settled]

    parts = leaves(arrays, low, high, domain)
    for leaf, part in enumerate(parts if open_pairs else []):
        ways = [by_forms, by_rows] if arrays["rows"] == 1 else [by_forms]
        found = [way(arrays, f, g, domain, part) for way in ways]
        of_leaf = mixtures.get(leaf, [])
        numbers += [min(number(pair, of_leaf, way) for way in found) for pair in open_pairs]
    return max(numbers, default=Fraction(0))


def mixtures_by_leaf(arrays: Any) -> dict[int, list[tuple[Pair, Any]]]:
    """Return the pairs and multipliers of each leaf, and of the whole domain."""
    found: dict[int, list[tuple[Pair, Any]]] = {}
    names = ("leaf", "pairs", "multipliers")
    rows = zip(*(arrays[name] for name in names)) if "leaf" in arrays else []
    for leaf, (j, k), multipliers in rows:
        mu = rational(multipliers)
        is_pair = j != k and j < len(mu) and k < len(mu)
        require(is_pair and mu[j] == 0 and (mu >= 0).all(), "multipliers of no pair")
        found.setdefault(int(leaf), []).append(((int(j), int(k)), mu))
    return found


def number(pair: Pair, mixtures: list[tuple[Pair, Any]], way: Any) -> Fraction:
    """Return the number of a pair on a region: the smallest of (64) to (67)."""
    j, k = pair
    if j == k:
        return Fraction(0)
    D, B = way.of_f[j] - way.of_f, way.of_g[k] - way.of_g[j]
    others = [i for i in range(len(D)) if i != j]
    if way.supremum(B) <= 0:
        return Fraction(0)
    choices = [way.supremum(D[i]) for i in others] + [way.supremum(B + D[k])]
    for pair_of_mu, mu in mixtures:
        if pair_of_mu == pair:
            supremum = way.supremum(B + mu @ D)
            if supremum <= 0:
                choices.append(Fraction(0))
            elif sum(mu) > 0:
                choices.append(supremum / Fraction(sum(mu)))
    return max(min(choices), Fraction(0))
