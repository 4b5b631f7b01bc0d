"""What evaluation on computers may add to a difference (docs/certificates.md, section 16)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import (
    Layer, box_around, larger, layers_of, positive_part, rational, require, smaller,
    support, zeros,
)


class Arithmetic(NamedTuple):
    """Numbers of p binary digits; the smallest positive one, and the largest."""

    dtype: Any
    digits: int
    smallest: Fraction
    largest: Fraction

    def gamma(self, n: int) -> Fraction:
        """Return n u / (1 - n u), which bounds the relative error of n roundings."""
        u = Fraction(1, 2**self.digits)
        require(n * u < 1, "a row is too long for a bound")
        return n * u / (1 - n * u)


ARITHMETICS = {
    "float64": Arithmetic(
        np.float64, 53, Fraction(1, 2**1074), (2 - Fraction(1, 2**52)) * 2**1023),
    "float32": Arithmetic(np.float32, 24, Fraction(1, 2**149), (2 - Fraction(1, 2**23)) * 2**127),
}


def require_semantics(certificate: Any, f: Network, g: Network, domain: Domain) -> None:
    """Refuse a slack or a margin that is too small for what computers may return."""
    arithmetic = ARITHMETICS[certificate.semantics]
    for network in (f, g):
        for layer in layers_of(network):
            for parameters in layer:
                require_numbers(parameters.astype(float), arithmetic, "a parameter")
    errors = [evaluation_error(network, domain, certificate) for network in (f, g)]
    require(sum(errors) <= Fraction(certificate.slack), "the slack is too small")  # (71)
    if certificate.claim == "gap":
        point = certificate.arrays["point"]
        require(point.dtype == np.float64, "the point has no float64 coordinates")
        require_numbers(point, arithmetic, "a coordinate of the point")
        if f.activation == "binary":
            for network in (f, g):
                require_decided(network, rational(point), arithmetic)


def require_numbers(values: Any, arithmetic: Arithmetic, name: str) -> None:
    """Refuse values that are no numbers of the arithmetic."""
    with np.errstate(over="ignore"):
        rounded = values.astype(arithmetic.dtype).astype(float)
    require((rounded == values).all(), f"{name} is no number of the arithmetic")


def evaluation_error(network: Network, domain: Domain, certificate: Any) -> Fraction:
    """Return a bound of |fl(N) - N| over the domain and all outputs (72)."""
    arithmetic = ARITHMETICS[certificate.semantics]
    *hidden, outputs = layers_of(network)
    if network.activation == "relu":
        size, error = relu_activations(hidden, domain, arithmetic)
    else:
        if certificate.claim == "bound":
            require_margin(hidden[0], domain, Fraction(certificate.margin), arithmetic)
        for layer in hidden[1:]:
            require_no_rounding(layer, arithmetic)
        n = len(hidden[-1].thresholds)
        size, error = rational(np.ones(n)), zeros(n)
    return Fraction(max(layer_error(outputs, size, error, arithmetic)))


def relu_activations(
    hidden: list[Layer], domain: Domain, arithmetic: Arithmetic
) -> tuple[Any, Any]:
    """Return bounds of h and of |fl(h) - h| for the last hidden layer of a ReLU network."""
    low, high = box_around(domain)
    size, error = larger(abs(low), abs(high)), zeros(len(low))
    for number, layer in enumerate(hidden):
        W, b = layer
        rounding = layer_error(layer, size, error, arithmetic)
        if number == 0:
            z_low, z_high = first_pre_activations(layer, domain)
        else:
            on, off = larger(W, Fraction(0)), smaller(W, Fraction(0))  # W^+ and -W^-
            z_low, z_high = on @ low + off @ high + b, on @ high + off @ low + b
        low, high = positive_part(z_low), positive_part(z_high)
        # s(z) and s(fl(z)) are at most |fl(z) - z| apart, and both in [0, (z_high + rounding)^+]
        size, error = high, smaller(rounding, positive_part(z_high + rounding))
    return size, error


def first_pre_activations(layer: Layer, domain: Domain) -> tuple[Any, Any]:
    """Return the ends of the range of each z of the first layer on the domain."""
    W, b = layer
    return b - [support(domain, -w) for w in W], b + [support(domain, w) for w in W]


def layer_error(layer: Layer, size: Any, error: Any, arithmetic: Arithmetic) -> Any:
    """Return a bound of |fl(z) - z| for each neuron (72), or refuse sums that may overflow."""
    W, b = layer
    n = W.shape[1]
    magnitude = abs(W) @ (size + error) + abs(b)
    gamma = arithmetic.gamma(n + 1)
    require(max(magnitude) * (1 + gamma) <= arithmetic.largest, "a sum may overflow")
    return abs(W) @ error + gamma * magnitude + n * arithmetic.smallest


def require_margin(layer: Layer, domain: Domain, margin: Fraction, arithmetic: Arithmetic) -> None:
    """Refuse a margin within which computers may find the wrong side of a hyperplane (73)."""
    low, high = box_around(domain)
    size = larger(abs(low), abs(high))
    rounding = layer_error(layer, size, zeros(len(size)), arithmetic)
    z_low, z_high = first_pre_activations(layer, domain)
    for w, error, least, most in zip(layer.weights, rounding, z_low, z_high):
        is_stable = least > error or -most > error  # computers find its sign everywhere
        if any(w) and not is_stable:
            require(error**2 <= margin**2 * sum(w * w), "the margin is too small")


def require_no_rounding(layer: Layer, arithmetic: Arithmetic) -> None:
    """Refuse neurons above a binary layer whose sums may round.

    Their terms are 0, weights and thresholds. No sum of these rounds if all are multiples of one
    unit, the last digit of the largest sum.
    """
    for w, b in zip(layer.weights, layer.thresholds):
        total = sum(abs(w)) + abs(b)
        if total == 0:
            continue
        require(total <= arithmetic.largest, "a sum may overflow")
        exponent = total.numerator.bit_length() - total.denominator.bit_length()
        exponent += total >= Fraction(2) ** exponent  # 2^(exponent - 1) <= total < 2^exponent
        unit = Fraction(2) ** (exponent - arithmetic.digits + 1)
        whole = all((value / unit).denominator == 1 for value in [*w, b])
        require(whole, "a sum above the first layer may round")


def require_decided(network: Network, x: Any, arithmetic: Arithmetic) -> None:
    """Refuse a point so near a first hyperplane that computers may find the wrong side (74)."""
    *hidden, _ = layers_of(network)
    for layer in hidden[1:]:
        require_no_rounding(layer, arithmetic)
    for w, b in zip(*hidden[0]):
        total = sum(abs(w * x)) + abs(b)
        gamma, smallest = arithmetic.gamma(len(x) + 1), arithmetic.smallest
        error = gamma * total + (len(x) + 2) * smallest
        if any(w):
            require(total + error <= arithmetic.largest, "a sum may overflow")
            require(abs(w @ x + b) > error, "computers may find the wrong side of a hyperplane")
