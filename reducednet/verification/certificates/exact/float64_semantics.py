"""What float64 evaluation may add to a difference (docs/certificates.md, section 14)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import (
    Layer, box_around, larger, layers_of, positive_part, rational, require, smaller,
    support, zeros,
)

UNIT_ROUNDOFF, SMALLEST = Fraction(1, 2**53), Fraction(1, 2**1074)
LARGEST = Fraction(float(np.finfo(np.float64).max))


def gamma(n: int) -> Fraction:
    """Return n u / (1 - n u), which bounds the relative error of n roundings."""
    return n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF)


def require_semantics(certificate: Any, f: Network, g: Network, domain: Domain) -> None:
    """Refuse a slack or a margin that is too small for what float64 may return."""
    errors = [evaluation_error(network, domain, certificate) for network in (f, g)]
    require(sum(errors) <= Fraction(certificate.slack), "the slack is too small")  # (60)
    if certificate.claim == "gap":
        point = certificate.arrays["point"]
        require(point.dtype == np.float64, "the point has no float64 coordinates")
        if f.activation == "binary":
            for network in (f, g):
                require_decided(network, rational(point))


def evaluation_error(network: Network, domain: Domain, certificate: Any) -> Fraction:
    """Return a bound of |fl(N) - N| over the domain and all outputs (61)."""
    relu = network.activation == "relu"
    low, high = box_around(domain)
    size, error = larger(abs(low), abs(high)), zeros(len(low))
    *hidden, outputs = layers_of(network)
    for number, layer in enumerate(hidden):
        W, b = layer
        if relu or number == 0 and certificate.claim == "bound":
            rounding = layer_error(layer, size, error)
        if number == 0:
            z_low = b - [support(domain, -w) for w in W]
            z_high = b + [support(domain, w) for w in W]
        else:
            on, off = larger(W, Fraction(0)), smaller(W, Fraction(0))
            z_low, z_high = on @ low + off @ high + b, on @ high + off @ low + b
        if relu:
            low, high = positive_part(z_low), positive_part(z_high)
            size, error = high, smaller(rounding, positive_part(z_high + rounding))
            continue
        if number > 0:
            require_no_rounding(layer)
        elif certificate.claim == "bound":
            require_margin(layer, rounding, z_low, z_high, Fraction(certificate.margin))
        size, error = rational(np.ones(len(b))), zeros(len(b))
        low, high = zeros(len(b)), size
    return Fraction(max(layer_error(outputs, size, error)))


def layer_error(layer: Layer, size: Any, error: Any) -> Any:
    """Return a bound of |fl(z) - z| for each neuron (61), or refuse sums that may overflow."""
    W, b = layer
    n = W.shape[1]
    magnitude = abs(W) @ (size + error) + abs(b)
    require(max(magnitude) * (1 + gamma(n + 1)) <= LARGEST, "a sum may overflow")
    return abs(W) @ error + gamma(n + 1) * magnitude + 2 * n * SMALLEST


def require_margin(layer: Layer, rounding: Any, z_low: Any, z_high: Any, margin: Fraction) -> None:
    """Refuse a margin within which float64 may find the wrong side of a hyperplane (62)."""
    for w, error, low, high in zip(layer.weights, rounding, z_low, z_high):
        decided = low > error or -high > error
        if any(w) and not decided:
            require(error**2 <= margin**2 * sum(w * w), "the margin is too small")


def require_no_rounding(layer: Layer) -> None:
    """Refuse neurons above a binary layer whose sums may round."""
    for w, b in zip(layer.weights, layer.thresholds):
        total = sum(abs(w)) + abs(b)
        if total == 0:
            continue
        exponent = total.numerator.bit_length() - total.denominator.bit_length()
        exponent += total >= Fraction(2) ** exponent
        unit = Fraction(2) ** (exponent - 52)
        whole = all((value / unit).denominator == 1 for value in [*w, b])
        require(whole, "a sum above the first layer may round")


def require_decided(network: Network, x: Any) -> None:
    """Refuse a point so near a first hyperplane that float64 may find the wrong side (63)."""
    *hidden, _ = layers_of(network)
    for layer in hidden[1:]:
        require_no_rounding(layer)
    for w, b in zip(*hidden[0]):
        total = sum(abs(w * x)) + abs(b)
        error = gamma(len(x) + 1) * total + (len(x) + 2) * SMALLEST
        if any(w):
            require(total + error <= LARGEST, "a sum may overflow")
            require(abs(w @ x + b) > error, "float64 may find the wrong side of a hyperplane")
