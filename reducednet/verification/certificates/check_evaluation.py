"""Bound what evaluation in float64 or float32 may add to |f - g|.

A certificate of semantics "float64" or "float32" is about what computers return in this arithmetic,
whatever order they sum in, with or without fused operations. The other checkers bound the
difference of the real functions; this one bounds |fl(N) - N| for a network N, without any code of
the provers, of `rounding_error` or of the evaluation of networks.

One layer z = W h + b has n products and n additions, so that each term goes through n + 1 roundings
at most. With |h| <= A, and |fl(h) - h| <= e below it,

    |fl(z) - z| <= |W| e + gamma_(n+1) (|W| (A + e) + |b|) + n smallest / 2.

Where z <= top, fl(z) <= top + error, and both max(z, 0) and max(fl(z), 0) lie between 0 and
max(top + error, 0): so the error of a ReLU is no larger than that either (PROOFS, Lemma 2, which
has one rounding in reserve; docs/certificates.md, section 16).

The layers above the first one of a binary network, whose inputs are 0 and 1, must be sums without
any rounding, in whatever order; in the first, |z| must be larger than its error.

The bounds themselves are computed in float64, and their own rounding is charged as in `arithmetic`:
with u = 2^-53, whichever arithmetic they are about.
"""
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import (
    SMALLEST, UNDERFLOW, Interval, Layer, above, absolute_product, affine_bounds, below,
    bounding_box, gamma, highest, kind_of, layers_of, raised, row_norms,
)


class Arithmetic(NamedTuple):
    """Floating-point numbers of one type, rounded to nearest, with gradual underflow."""

    dtype: Any
    digits: int
    smallest: float
    largest: float

    @property
    def unit_roundoff(self) -> float:
        """The largest relative error of one operation."""
        return 2.0**-self.digits


FLOAT64 = Arithmetic(np.float64, 53, SMALLEST, float(np.finfo(np.float64).max))
FLOAT32 = Arithmetic(np.float32, 24, 2.0**-149, float(np.finfo(np.float32).max))
ARITHMETICS = {"float64": FLOAT64, "float32": FLOAT32}
"""By the name of the semantics."""


class Evaluated(NamedTuple):
    """A layer's h, with low <= h <= high, and |fl(h) - h| <= error for its computed value."""

    interval: Interval
    error: Any


def are_numbers_of(arithmetic: Arithmetic, *arrays: Any) -> bool:
    """Return True if all entries of the arrays are numbers of this type."""
    with np.errstate(over="ignore"):
        return all((array.astype(arithmetic.dtype, copy=False) == array).all() for array in arrays)


def has_parameters_of(arithmetic: Arithmetic, network: Any) -> bool:
    """Return True if all of a network's parameters are numbers of this type."""
    layers = layers_of(network)
    return all(are_numbers_of(arithmetic, *layer) for layer in layers)


def affine_error(layer: Layer, h: Evaluated, arithmetic: Arithmetic) -> Any:
    """Return an upper bound on |fl(W h + b) - (W h + b)|, that of this module's first lines.

    Partial sums of the evaluation are at most the terms' sum times 1 + gamma_(n+1): unless that is
    at most the largest number, the bound is inf. The terms have n + 2 roundings here. The error has
    n + 4 with what the n products of the evaluation may underflow by; in float64, n products in
    |W| e and n in the terms may underflow besides.
    """
    W, b = layer
    n = W.shape[1]
    has_bound = (n + 3) * arithmetic.unit_roundoff < 1.0
    local = gamma(n + 1, arithmetic.unit_roundoff) if has_bound else np.inf
    products = absolute_product(W, np.stack([h.interval.largest + h.error, h.error], axis=1))
    terms = raised(products[:, 0] + np.abs(b), n + 2)
    error = products[:, 1] + local * terms + n * arithmetic.smallest
    error = raised(error, n + 4) + UNDERFLOW * (2 * n + 2)
    fits = raised(terms * (1.0 + local), 2) <= arithmetic.largest
    return np.where(fits, error, np.inf)


def evaluated_relu(
    layer: Layer, z: Interval, h: Evaluated, arithmetic: Arithmetic
) -> Evaluated:
    """Return the layer above h, for low <= z <= high: its error is at most max(high + error, 0)."""
    error = affine_error(layer, h, arithmetic)
    of_dead = raised(np.maximum(z.high + error, 0.0), 1)
    interval = Interval(np.maximum(z.low, 0.0), np.maximum(z.high, 0.0))
    return Evaluated(interval, np.minimum(error, of_dead))


def inputs_of(domain: Any) -> Evaluated:
    """Return the inputs, which are numbers of the arithmetic: their error is 0."""
    box = bounding_box(domain)
    return Evaluated(box, 0.0 * box.low)


def first_bounds(layer: Layer, domain: Any) -> Interval:
    """Return bounds on z = w.x + b over the domain, by the largest w.x and -w.x on it."""
    W, b = layer
    if kind_of(domain) == "Box":
        return affine_bounds(layer, bounding_box(domain))
    return Interval(below(b - highest(-W, domain)), above(b + highest(W, domain)))


def error_of(network: Any, domain: Any, arithmetic: Arithmetic = FLOAT64) -> float:
    """Return an upper bound on max_k |fl(N_k) - N_k| over the domain.

    For a binary network: where the evaluation gets every neuron right.
    """
    *hidden, outputs = layers_of(network)
    h = inputs_of(domain)
    for number, layer in enumerate(hidden):
        if network.activation == "binary":
            zero = 0.0 * layer.thresholds
            h = Evaluated(Interval(zero, zero + 1.0), zero)
        else:
            z = affine_bounds(layer, h.interval) if number else first_bounds(layer, domain)
            h = evaluated_relu(layer, z, h, arithmetic)
    return float(affine_error(outputs, h, arithmetic).max())


def evaluation_error(f: Any, g: Any, domain: Any, arithmetic: Arithmetic = FLOAT64) -> float:
    """Return an upper bound on what evaluating both networks may add to |f - g|.

    |fl(f) - fl(g)| <= |f - g| + |fl(f) - f| + |fl(g) - g|. Inf or nan where that has no bound.
    """
    with np.errstate(all="ignore"):
        errors = [error_of(network, domain, arithmetic) for network in (f, g)]
        return float(raised(sum(errors), 1))


# binary networks


def sums_are_exact(network: Any, arithmetic: Arithmetic = FLOAT64) -> bool:
    """Return True if no sum above the first layer rounds, in whatever order.

    That is so if its terms are multiples of some q, and their absolute values at most 2^(p - 1) q
    together, with p the digits of a number: then so are all partial sums, which are numbers of the
    arithmetic. (If q is below its smallest number, they are multiples of that number.)
    """
    for W, b in zip(network.weights[1:], network.thresholds[1:]):
        terms = np.column_stack([W, b])
        total = raised(np.abs(terms).sum(axis=1), terms.shape[1])
        if not (total <= arithmetic.largest).all():
            return False
        # total < 2^(p - 1) q with q = 2^-shift
        shift = arithmetic.digits - 1 - np.frexp(total)[1][:, np.newaxis]
        multiples = np.ldexp(terms, shift)
        if (multiples != np.rint(multiples)).any() or (np.ldexp(multiples, -shift) != terms).any():
            return False
    return True


def margin(f: Any, g: Any, domain: Any, arithmetic: Arithmetic = FLOAT64) -> float:
    """Return how far from all first-layer hyperplanes each point is put on the right side.

    At that distance |z| = |w| distance is larger than the error of z, for all neurons of both first
    layers. Inf if sums above the first layer may round.
    """
    if not (sums_are_exact(f, arithmetic) and sums_are_exact(g, arithmetic)):
        return float("inf")
    with np.errstate(all="ignore"):
        distances = [first_layer_distance(network, domain, arithmetic) for network in (f, g)]
        return float("inf") if np.isnan(distances).any() else max(distances)


def first_layer_distance(network: Any, domain: Any, arithmetic: Arithmetic) -> float:
    """Return the largest error / |w| in the first layer, nan where it has no bound.

    A neuron with |z| above its error on the whole domain needs no distance, nor does a zero row,
    which has no hyperplane. The norm has n + 1 roundings, and the quotient one; those of tiny
    numbers may be off by SMALLEST / 2 besides.
    """
    layer = Layer(network.weights[0], network.thresholds[0])
    error = affine_error(layer, inputs_of(domain), arithmetic)
    z = first_bounds(layer, domain)
    is_sure = np.maximum(z.low, -z.high) > error
    near = layer.weights.any(axis=1) & ~is_sure
    if not near.any():
        return 0.0
    distances = error[near] / below(row_norms(layer.weights[near]))
    return float(raised(distances, layer.weights.shape[1] + 2).max() + SMALLEST)


def is_decided(f: Any, g: Any, point: Any, arithmetic: Arithmetic = FLOAT64) -> bool:
    """Return True if the evaluation gets every binary neuron right at a point.

    In rationals, |z| > gamma_(n+1) (sum_i |w_i| |x_i| + |b|) + (n + 2) smallest in the first layer,
    and that sum is so small that no partial sum overflows, in whatever order.
    """
    x = [Fraction(value) for value in point]
    for network in (f, g):
        n = network.weights[0].shape[1]
        roundings = (n + 1) * Fraction(arithmetic.unit_roundoff)
        underflow = (n + 2) * Fraction(arithmetic.smallest)
        for row, b in zip(network.weights[0].tolist(), network.thresholds[0].tolist()):
            terms = [*(Fraction(w) * x for w, x in zip(row, x)), Fraction(b)]
            magnitude = sum(map(abs, terms))
            error = roundings / (1 - roundings) * magnitude + underflow
            if not any(row):
                continue
            if abs(sum(terms)) <= error or magnitude + error > Fraction(arithmetic.largest):
                return False
    return sums_are_exact(f, arithmetic) and sums_are_exact(g, arithmetic)
