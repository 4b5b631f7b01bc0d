"""Networks, domains and trees of boxes, all in rationals (docs/certificates.md, sections 1 and 4).

Vectors and matrices are NumPy arrays of `Fraction`, so that `W @ h + b` is the formula.
"""
from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from ....domains import Ball, Box, Domain, Hull
from ....networks.network import Network

ROOT_BITS = 200
"""Square roots are rounded up to a multiple of 2^-ROOT_BITS of their denominator."""


SLOPE_BITS = 60
"""Slopes that may be any number are rounded to a multiple of 2^-SLOPE_BITS."""


class Refused(ValueError):
    """The certificate does not prove its claim: the text says why."""


def require(condition: Any, otherwise: str) -> None:
    """Raise `Refused` with this text unless the condition holds."""
    if not condition:
        raise Refused(otherwise)


def rational(values: Any) -> Any:
    """Return the numbers as an array of fractions: floats exactly, texts such as "-1/3" too."""
    values = np.asarray(values)
    result = np.empty(values.shape, dtype=object)
    result.ravel()[...] = [Fraction(value) for value in values.ravel().tolist()]
    return result


def zeros(*shape: int) -> Any:
    """Return an array of fractions that are 0."""
    return np.full(shape, Fraction(0), dtype=object)


def identity(n: int) -> Any:
    """Return the identity matrix, in fractions."""
    return rational(np.eye(n))


def larger(values: Any, others: Any) -> Any:
    """Return the maximum, entry by entry."""
    return np.maximum(np.asarray(values, dtype=object), np.asarray(others, dtype=object))


def smaller(values: Any, others: Any) -> Any:
    """Return the minimum, entry by entry."""
    return np.minimum(np.asarray(values, dtype=object), np.asarray(others, dtype=object))


def chosen(condition: Any, values: Any, others: Any) -> Any:
    """Return the values where the condition holds and the others elsewhere, entry by entry."""
    return np.where(condition, np.asarray(values, dtype=object), np.asarray(others, dtype=object))


def positive_part(values: Any) -> Any:
    """Return max(y, 0), entry by entry."""
    return larger(values, Fraction(0))


def root_up(square: Fraction) -> Fraction:
    """Return a rational that is at least the square root, and 2^-200 of its size above it at most.

    sqrt(p / q) = sqrt(p q) / q <= ceil(sqrt(p q 4^200)) / (2^200 q)
    """
    p, q = square.numerator, square.denominator
    scaled = p * q << 2 * ROOT_BITS
    root = isqrt(scaled)
    return Fraction(root + (root * root < scaled), q << ROOT_BITS)


def rounded(slope: Fraction) -> Fraction:
    """Return the nearest multiple of 2^-60, which keeps denominators small."""
    return Fraction(round(slope * 2**SLOPE_BITS), 2**SLOPE_BITS)


class Layer(NamedTuple):
    """z = weights @ h + thresholds."""

    weights: Any
    thresholds: Any


def layers_of(network: Network) -> list[Layer]:
    """Return the hidden layers, and last the outputs; an absent output bias counts as 0."""
    bias = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    weights = [*network.weights, network.output_weights]
    thresholds = [*network.thresholds, bias]
    return [Layer(rational(W), rational(b)) for W, b in zip(weights, thresholds)]


def evaluate(network: Network, x: Any) -> Any:
    """Return N(x): z = W h + b, h = s(z), layer by layer (section 1)."""
    *hidden, (C, a) = layers_of(network)
    h = x
    for W, b in hidden:
        z = W @ h + b
        h = positive_part(z) if network.activation == "relu" else rational(z > 0)
    return C @ h + a


def deepened(layers: list[Layer], n_layers: int) -> list[Layer]:
    """Return as many layers, with W = I and b = 0 in front of the outputs: the same function."""
    *hidden, outputs = layers
    n = outputs.weights.shape[1]
    if len(layers) < n_layers:
        hidden += [Layer(identity(n), zeros(n))] * (n_layers - len(layers))
    return [*hidden, outputs]


def equally_deep(f: Network, g: Network) -> tuple[list[Layer], list[Layer]]:
    """Return the layers of both networks, the shallower one deepened."""
    first, second = layers_of(f), layers_of(g)
    n_layers = max(len(first), len(second))
    return deepened(first, n_layers), deepened(second, n_layers)


def support(domain: Domain, u: Any) -> Fraction:
    """Return h_D(u) = max of u.x over the domain; a root is rounded up (1)."""
    if isinstance(domain, Box):
        return Fraction(sum(larger(u * rational(domain.low), u * rational(domain.high))))
    if isinstance(domain, Ball):
        norm = root_up(Fraction(domain.radius) ** 2 * sum(u * u))
        return Fraction(u @ rational(domain.centre)) + norm
    assert isinstance(domain, Hull)
    return Fraction(max(rational(domain.points) @ u))


def box_around(domain: Domain) -> tuple[Any, Any]:
    """Return the ends (low, high) of the smallest box around the domain."""
    if isinstance(domain, Box):
        return rational(domain.low), rational(domain.high)
    if isinstance(domain, Ball):
        centre, radius = rational(domain.centre), Fraction(domain.radius)
        return centre - radius, centre + radius
    assert isinstance(domain, Hull)
    points = rational(domain.points)
    return points.min(axis=0), points.max(axis=0)


def root_box(domain: Domain) -> tuple[Any, Any]:
    """Return the root box of section 5: for a Ball as float64 gives it, moved outward."""
    if isinstance(domain, Ball):
        low = np.nextafter(domain.centre - domain.radius, -np.inf)
        high = np.nextafter(domain.centre + domain.radius, np.inf)
        return rational(low), rational(high)
    return box_around(domain)


def norm_bound(domain: Domain) -> Fraction:
    """Return X = max |x| over the domain, rounded up."""
    if isinstance(domain, Ball):
        centre = rational(domain.centre)
        return root_up(Fraction(sum(centre * centre))) + Fraction(domain.radius)
    if isinstance(domain, Box):
        farthest = larger(abs(rational(domain.low)), abs(rational(domain.high)))
        return root_up(Fraction(sum(farthest * farthest)))
    assert isinstance(domain, Hull)
    return root_up(Fraction(max(sum(p * p) for p in rational(domain.points))))


class BoxOrDomain(NamedTuple):
    """A leaf of a tree: a box, or (`whole`) the domain itself, inside its box."""

    low: Any
    high: Any
    whole: bool


def leaves(arrays: Any, low: Any, high: Any, domain: Domain) -> list[BoxOrDomain]:
    """Return the leaves that can meet the domain, of the tree below the root box."""
    axes, places = arrays["axis"].tolist(), rational(arrays["place"])
    if axes == [-1]:
        require("directions" not in arrays, "no leaf is outside, but there are directions")
        return [BoxOrDomain(low, high, True)]

    directions = list(rational(arrays.get("directions", np.empty((0, len(low))))))
    found, stack = [], [(low, high)]
    for axis, place in zip(axes, places, strict=True):
        require(stack, "the tree goes on after its end")
        low, high = stack.pop()
        if axis >= 0:
            require(axis < len(low), "a cut's axis is not an input")
            require(low[axis] < place < high[axis], "a cut lies outside its box")
            upper_low, lower_high = low.copy(), high.copy()
            upper_low[axis] = lower_high[axis] = place
            stack += [(upper_low, high), (low, lower_high)]  # the lower part comes next
        elif axis == -1:
            found.append(BoxOrDomain(low, high, False))
        else:
            require(axis == -2 and not isinstance(domain, Box), "no leaf of a Box is outside")
            require(directions, "a leaf outside has no direction")
            u = directions.pop(0)
            outside = sum(smaller(u * low, u * high)) > support(domain, u)  # (6)
            require(outside, "a direction does not separate its leaf from the domain")
    require(not stack, "the tree ends too early")
    require(not directions, "there are more directions than leaves outside")
    return found
