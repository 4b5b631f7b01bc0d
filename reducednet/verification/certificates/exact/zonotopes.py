"""Kind "zonotopes": zonotopes of f, of g and of remainders (docs/certificates.md, section 13)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import (
    BoxOrDomain, Layer, chosen, equally_deep, identity, larger, leaves, positive_part, rational,
    require, root_box, rounded, smaller, zeros,
)

ZERO, HALF = Fraction(0), Fraction(1, 2)


class Quantities(NamedTuple):
    """v = centre + slopes.t and low <= v <= high: one entry, and one row of slopes, for each."""

    centre: Any
    slopes: Any
    low: Any
    high: Any

    def __getitem__(self, rows: Any) -> Quantities:
        return Quantities(*(array[rows] for array in tuple(self)))


class Classes(NamedTuple):
    """The representative of each neuron (itself, if alone), its s, and who is a member."""

    representative: Any
    scale: Any
    is_member: Any


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the largest bound of all leaves."""
    require(f.activation == "relu", "for ReLU networks")
    of_f, of_g = equally_deep(f, g)
    layers = [joint(*pair) for pair in zip(of_g, of_f)]
    classes = [
        classes_of(arrays[f"labels{i}"], arrays[f"scales{i}"], len(own.weights), len(both.weights))
        for i, (own, both) in enumerate(zip(of_g[:-1], layers[:-1]))
    ]
    return max(
        (leaf_bound(layers, classes, leaf) for leaf in leaves(arrays, *root_box(domain), domain)),
        default=ZERO,
    )


def joint(of_g: Layer, of_f: Layer) -> Layer:
    """Return the layer of both networks side by side, g's first."""
    (V, c), (W, b) = of_g, of_f
    above = np.concatenate([V, zeros(len(V), W.shape[1])], axis=1)
    beneath = np.concatenate([zeros(len(W), V.shape[1]), W], axis=1)
    return Layer(np.concatenate([above, beneath]), np.concatenate([c, b]))


def classes_of(labels: Any, scales: Any, n_g: int, n_neurons: int) -> Classes:
    """Read the classes of a layer."""
    require(len(labels) == len(scales) == n_neurons, "labels or scales of another length")
    labels, scales = labels.tolist(), rational(scales)
    present = {label for label in labels if label >= 0}
    require(present == set(range(len(present))), "a class has no neuron")
    first = [labels.index(label) for label in range(len(present))]
    require(all(c < n_g for c in first), "a class has no neuron of g")
    representative = np.array([first[k] if k >= 0 else j for j, k in enumerate(labels)])
    is_member = representative != np.arange(n_neurons)
    require((scales[is_member] > 0).all(), "a scale is not positive")
    return Classes(representative, chosen(is_member, scales, Fraction(1)), is_member)


def leaf_bound(layers: list[Layer], classes: list[Classes], leaf: BoxOrDomain) -> Fraction:
    """Return the bound of max_k |f_k - g_k| on one leaf."""
    middle, half = (leaf.low + leaf.high) / 2, (leaf.high - leaf.low) / 2
    d = len(middle)
    every = np.arange(2 * d) % d  # the inputs of g, and those of f
    inputs = Quantities(middle, np.diag(half) + zeros(d, d), leaf.low, leaf.high)
    h, rest = inputs[every], Quantities(*(array[every] * 0 for array in inputs))
    below = Classes(every, rational(np.ones(2 * d)), every != np.arange(2 * d))
    for (W, b), own in zip(layers[:-1], classes):
        z, m = combination(W, b, h), own.is_member
        c, s = own.representative[m], own.scale[m]
        delta = differences(W[m], b[m], W[c], b[c], s, below, h, rest)
        delta, z = sharpened(delta, z, m, c, s)
        h, rest_of_members = activations(z), remainders(delta, z[m], z[c], s)
        h, rest = with_symbols(h, rest_of_members, m)
        below = own
    W, b = layers[-1]
    n = len(b) // 2
    of_g, of_f = np.arange(n), np.arange(n, 2 * n)
    z, one = combination(W, b, h), rational(np.ones(n))
    delta = differences(W[of_f], b[of_f], W[of_g], b[of_g], one, below, h, rest)
    delta, _ = sharpened(delta, z, of_f, of_g, one)
    return Fraction(max(larger(-delta.low, delta.high)))


def combination(W: Any, b: Any, v: Quantities) -> Quantities:
    """Return W v + b (56)."""
    centre, slopes = W @ v.centre + b, W @ v.slopes
    reach = abs(slopes).sum(axis=1)
    up, down = positive_part(W), positive_part(-W)
    low = larger(centre - reach, up @ v.low - down @ v.high + b)
    high = smaller(centre + reach, up @ v.high - down @ v.low + b)
    return Quantities(centre, slopes, low, high)


def differences(
    W: Any, b: Any, V: Any, c: Any, s: Any, below: Classes, h: Quantities, rest: Quantities
) -> Quantities:
    """Return W h + b - s (V h + c), with h_i = s_i h_c + r_i for the members below (57)."""
    D = W - s[:, np.newaxis] * V
    n = len(below.scale)
    over_representatives = zeros(n, n)  # h = over_representatives h + r
    over_representatives[np.arange(n), below.representative] = below.scale
    both = Quantities(*(np.concatenate(parts) for parts in zip(tuple(h), tuple(rest))))
    of_rest = identity(n) * below.is_member
    C = np.concatenate([D @ over_representatives, D @ of_rest], axis=1)
    return combination(C, b - s * c, both)


def sharpened(
    delta: Quantities, z: Quantities, m: Any, c: Any, s: Any
) -> tuple[Quantities, Quantities]:
    """Return delta and z with the ends (58) and (59)."""
    low = larger(delta.low, z.low[m] - s * z.high[c])
    high = smaller(delta.high, z.high[m] - s * z.low[c])
    z_low, z_high = z.low.copy(), z.high.copy()
    z_low[m] = larger(z.low[m], s * z.low[c] + low)
    z_high[m] = smaller(z.high[m], s * z.high[c] + high)
    return delta._replace(low=low, high=high), z._replace(low=z_low, high=z_high)


def scaled(v: Quantities, slope: Any, middle: Any, half: Any, low: Any, high: Any) -> Quantities:
    """Return slope v + middle + half t, with a symbol t of its own for each, behind the others."""
    n, old = len(half), slope[:, np.newaxis] * v.slopes
    slopes = np.concatenate([old, np.diag(half) + zeros(n, n)], axis=1)
    return Quantities(slope * v.centre + middle, slopes, low, high)


def activations(z: Quantities) -> Quantities:
    """Return s(z) (60), the chord's slope rounded to 2^-60: any slope will do."""
    up, down = positive_part(z.high), positive_part(-z.low)
    slopes = [rounded(u / (u + l)) if u + l else ZERO for u, l in zip(up, down)]
    slope = np.array(slopes, dtype=object)
    half = larger(larger(-slope * z.low, (1 - slope) * z.high), ZERO) / 2
    return scaled(z, slope, half, half, positive_part(z.low), up)


def remainders(delta: Quantities, z: Quantities, z_c: Quantities, s: Any) -> Quantities:
    """Return s(z_m) - s(s z_c) by the narrowest of (12), (13) and (14), see (61)."""
    alpha_off, beta_off = positive_part(-z.low), positive_part(-s * z_c.low)
    least = larger(smaller(delta.low, ZERO), -positive_part(s * z_c.high))
    most = smaller(positive_part(delta.high), positive_part(z.high))
    choices = [
        (delta.centre * 0 + 1, (alpha_off - beta_off) / 2, (alpha_off + beta_off) / 2),
        (delta.centre * 0, (least + most) / 2, (most - least) / 2),
        (delta.centre * 0 + HALF, delta.centre * 0,
         larger(positive_part(delta.high), positive_part(-delta.low)) / 2),
    ]
    best = [min(range(3), key=lambda i: choices[i][2][j]) for j in range(len(s))]
    slope, middle, half = (
        np.array([choices[i][part][j] for j, i in enumerate(best)], dtype=object)
        for part in range(3)
    )
    low, high = larger(delta.low - beta_off, least), smaller(delta.high + alpha_off, most)
    return scaled(delta, slope, middle, half, low, high)


def with_symbols(
    h: Quantities, of_members: Quantities, is_member: Any
) -> tuple[Quantities, Quantities]:
    """Return h and a remainder for each neuron, 0 for others, over the symbols of both."""
    n, n_members = len(h.centre), len(of_members.centre)
    n_old = h.slopes.shape[1] - n
    h_slopes = np.concatenate([h.slopes, zeros(n, n_members)], axis=1)
    old, new = of_members.slopes[:, :n_old], of_members.slopes[:, n_old:]
    of_members = of_members._replace(slopes=np.concatenate([old, zeros(n_members, n), new], axis=1))
    rest = Quantities(zeros(n), h_slopes * 0, zeros(n), zeros(n))
    for mine, given in zip(tuple(rest), tuple(of_members)):
        mine[is_member] = given
    return h._replace(slopes=h_slopes), rest
