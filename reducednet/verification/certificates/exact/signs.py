"""Kind "signs": trees of signs, one hidden ReLU layer (docs/certificates.md, section 12)."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import layers_of, rational, require, support

ZERO, ONE = Fraction(0), Fraction(1)
END = -2
"""What comes after the last node; nodes are -1 or neurons."""


class Neuron(NamedTuple):
    """z = w.x + b; its partner's number or -1; |q|; and True if w, b are negatives of its row."""

    w: Any
    b: Fraction
    partner: int
    scale: float
    is_opposite: bool


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the largest bound of f_k - g_k and g_k - f_k at any leaf."""
    one_layer = f.depth == g.depth == 1
    require(one_layer and f.activation == "relu", "for ReLU networks of one hidden layer")
    neurons = neurons_of(arrays["labels0"].tolist(), arrays["scales0"].tolist(), f, g)
    nodes, multiples = iter(arrays["splits0"].tolist()), iter(rational(arrays["multiples0"]))
    (C_f, bias_f), (C_g, bias_g) = layers_of(f)[-1], layers_of(g)[-1]
    largest = ZERO
    for k, side in product(range(f.n_outputs), (1, -1)):
        a = [*(-side * C_g[k]), *(side * C_f[k])]                                 # (51)
        constant = side * (bias_f[k] - bias_g[k])
        for signs in leaves(nodes, {}, len(neurons)):
            m = next(multiples, None)
            require(m is not None, "there are fewer multiples than leaves")
            largest = max(largest, leaf_bound(signs, m, a, neurons, domain) + constant)
    require(next(nodes, END) == END, "the trees go on after their end")
    require(next(multiples, None) is None, "there are more multiples than leaves")
    return largest


def neurons_of(labels: Any, scales: Any, f: Network, g: Network) -> list[Neuron]:
    """Return the neurons of g and then of f, with opposite rows and partners."""
    n_g = g.sizes[1]
    (W_g, b_g), (W_f, b_f) = layers_of(g)[0], layers_of(f)[0]
    neurons = []
    for j, (w, b) in enumerate(zip([*W_g, *W_f], [*b_g, *b_f])):
        label, of_g = labels[j], j < n_g
        same = [i for i, other in enumerate(labels) if label >= 0 and other == label and i != j]
        partners = [i for i in same if (i < n_g) != of_g]
        require(len(partners) == len(same), "two neurons of one network have the same label")
        require(label < 0 or scales[j] != 0.0, "a scale is 0")
        is_opposite = label >= 0 and scales[j] < 0.0
        sign = -1 if is_opposite else 1
        partner = partners[0] if partners else -1
        neurons.append(Neuron(sign * w, sign * b, partner, abs(scales[j]), is_opposite))
    return neurons


def leaves(nodes: Iterator[int], signs: dict[int, int], n: int) -> Iterator[dict[int, int]]:
    """Yield the known signs {neuron: 1 or -1} of the leaves of the next tree."""
    waiting = [signs]
    while waiting:
        known, neuron = waiting.pop(), next(nodes, END)
        require(neuron != END, "a tree ends too early")
        if neuron == -1:
            yield known
            continue
        require(neuron < n and neuron not in known, "a split is of no neuron, or a second one")
        waiting += [{**known, neuron: -1}, {**known, neuron: 1}]  # z >= 0 comes next


def pair_part(a: Any, i: int, j: int, neurons: list[Neuron]) -> Fraction:
    """Return c_i, with float64's quotient and product (52)."""
    with np.errstate(all="ignore"):
        ratio = np.float64(neurons[j].scale) / np.float64(neurons[i].scale)
        near = np.float64(a[j]) * ratio
    return a[i] if near >= float(-a[i]) else -Fraction(float(near))


def leaf_bound(
    signs: dict[int, int], m: Any, a: Any, neurons: list[Neuron], domain: Domain
) -> Fraction:
    """Return a bound on the sum of a_j s(z_j) where these signs are known (54).

    m : the leaf's multiples, one for each neuron
    """
    slopes, total = 0 * neurons[0].w, ZERO

    def add(multiple: Fraction, neuron: Neuron) -> None:
        nonlocal slopes, total
        slopes, total = slopes + multiple * neuron.w, total + multiple * neuron.b

    # opposite neurons (51), and pairs (53), which leave a'_i of their partners' coefficients
    rest = list(a)
    for j, neuron in enumerate(neurons):
        if neuron.is_opposite:
            add(-a[j], neuron)
        if j in signs or a[j] <= 0:
            continue
        share = min(max(m[j], ZERO), ONE)
        w, b, i = a[j] * neuron.w, a[j] * neuron.b, neuron.partner
        if i >= 0 and a[i] < 0:
            c = pair_part(a, i, j, neurons)
            w, b, rest[i] = w + c * neurons[i].w, b + c * neurons[i].b, a[i] - c
        low, high = b - support(domain, -w), b + support(domain, w)               # (53)
        slopes, total = slopes + share * w, total + share * b
        total += max(-share * low, (1 - share) * high, ZERO)

    # all that is in no pair: t z_j, where t is m_j, moved into its range
    for j, neuron in enumerate(neurons):
        if signs.get(j) == 1:
            add(max(m[j], rest[j]), neuron)
        elif signs.get(j) == -1:
            add(min(m[j], ZERO), neuron)
        elif a[j] <= 0:
            add(min(max(m[j], rest[j]), ZERO), neuron)
    return total + support(domain, slopes)
