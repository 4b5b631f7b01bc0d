"""Bound what evaluation in float64 may add to |f - g|.

A certificate of semantics "float64" is about what computers return, whatever order they sum in,
with or without fused operations. The other checkers bound the difference of the real functions;
this one bounds |fl(N) - N| for a network N, without any code of the provers, of `rounding_error` or
of the evaluation of networks.

One layer z = W h + b has n products and n additions, so that each term goes through n + 1 roundings
at most. With |h| <= A, and |fl(h) - h| <= e below it,

    |fl(z) - z| <= |W| e + gamma_(n+1) (|W| (A + e) + |b|) + underflow,
    gamma_k = k u / (1 - k u).

Where z <= top, fl(z) <= top + error, and both max(z, 0) and max(fl(z), 0) lie between 0 and
max(top + error, 0): so the error of a ReLU is no larger than that either. The layers above the
first one of a binary network, whose inputs are 0 and 1, must be sums without any rounding, in
whatever order; in the first, |z| must be larger than its error.

References
----------
THEORY, section 7.
"""
from fractions import Fraction
from typing import Any

import numpy as np

UNIT_ROUNDOFF, TINY = 2.0**-53, 2.0**-1074


def gamma(n: int) -> float:
    """Return gamma_n = n u / (1 - n u), the largest relative error of n roundings."""
    return n * UNIT_ROUNDOFF / (1.0 - n * UNIT_ROUNDOFF)


def bounding_box(domain: Any) -> tuple[Any, Any]:
    """Return a box that holds the domain; a Ball's is rounded outward."""
    if type(domain).__name__ == "Ball":
        low, high = domain.centre - domain.radius, domain.centre + domain.radius
        return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    if type(domain).__name__ == "Hull":
        return domain.points.min(axis=0), domain.points.max(axis=0)
    return domain.low, domain.high


def highest(W: Any, domain: Any) -> Any:
    """Return a tight upper bound on sup w.x over the domain for each row.

    The sums over a box, a hull's points, or with a norm, of a row divided by its largest entry, are
    off by at most gamma_(2n+8) sum_i |w_i| |x_i|, and by TINY for each of the n + 8 operations.
    """
    low, high = bounding_box(domain)
    n, magnitude = W.shape[1], np.abs(W) @ np.maximum(np.abs(low), np.abs(high))
    if type(domain).__name__ == "Ball":
        largest = np.abs(W).max(axis=1, keepdims=True)
        unit = W / np.where(largest > 0.0, largest, 1.0)
        norm = largest[:, 0] * np.sqrt((unit * unit).sum(axis=1))
        top = W @ domain.centre + domain.radius * norm
        magnitude = magnitude + domain.radius * norm
    elif type(domain).__name__ == "Hull":
        top = (W @ domain.points.T).max(axis=1)
    else:
        top = np.maximum(W, 0.0) @ high + np.minimum(W, 0.0) @ low
    return top + gamma(2 * n + 8) * magnitude + TINY * (n + 8)


def affine_error(W: Any, b: Any, A: Any, e: Any) -> Any:
    """Return an upper bound on |fl(W h + b) - (W h + b)|, where |h| <= A and |fl(h) - h| <= e.

    The bound is that of this module's first lines; as it is a sum of n terms itself, it is raised
    by gamma_(n+8).
    """
    n = W.shape[1]
    terms, carried = np.abs(W) @ (A + e), np.abs(W) @ e
    # a product that underflows is off by TINY at most, and so are those here
    underflow = TINY * (2.0 * n + 4.0 + 2.0 * (A + e).sum())
    return (carried + gamma(n + 1) * (terms + np.abs(b))) * (1.0 + gamma(n + 8)) + underflow


def error_of(net: Any, domain: Any) -> float:
    """Return an upper bound on max_k |fl(N_k) - N_k| over the domain.

    For a binary network: where float64 gets every neuron right.
    """
    low, high = bounding_box(domain)
    A, e = np.maximum(np.abs(low), np.abs(high)), np.zeros(len(low))
    for number, (W, b) in enumerate(zip(net.weights, net.thresholds)):
        n = W.shape[1]
        if net.activation == "binary":
            A, e = np.ones(len(W)), np.zeros(len(W))
            continue
        error = affine_error(W, b, A, e)
        if number == 0:
            bottom, top = b - highest(-W, domain), b + highest(W, domain)
        else:  # h lies in [low, high], and W h is smallest and largest at corners of it
            up, down = np.maximum(W, 0.0), np.minimum(W, 0.0)
            bottom, top = b + up @ low + down @ high, b + up @ high + down @ low
        magnitude = np.abs(W) @ A + np.abs(b) + np.abs(bottom) + np.abs(top) + error
        # for the rounding errors of bottom and top, and of the sums below
        margin_of_sums = gamma(n + 8) * magnitude + TINY * (n + 8)
        low, high = np.maximum(bottom - margin_of_sums, 0.0), np.maximum(top + margin_of_sums, 0.0)
        A, e = high, np.minimum(error, np.maximum(top + margin_of_sums + error, 0.0))
    bias = np.zeros(len(net.output_weights)) if net.output_bias is None else net.output_bias
    return float(affine_error(net.output_weights, bias, A, e).max())


def evaluation_error(f: Any, g: Any, domain: Any) -> float:
    """Return an upper bound on what evaluating both networks may add to |f - g|.

    |fl(f) - fl(g)| <= |f - g| + |fl(f) - f| + |fl(g) - g|. Inf or nan where that has no bound.
    """
    with np.errstate(all="ignore"):
        return float((error_of(f, domain) + error_of(g, domain)) * (1.0 + 2 * UNIT_ROUNDOFF))


def sums_are_exact(net: Any) -> bool:
    """Return True if no sum above the first layer rounds, in whatever order.

    That is so if its terms are multiples of some q, and their absolute values at most 2^52 q
    together: then so are all partial sums, which are float64 numbers.
    """
    for W, b in zip(net.weights[1:], net.thresholds[1:]):
        terms = np.column_stack([W, b])
        total = np.abs(terms).sum(axis=1) * (1.0 + gamma(terms.shape[1] + 1))
        if not np.isfinite(total).all():
            return False
        shift = 52 - np.frexp(total)[1][:, None]  # total < 2^52 q with q = 2^-shift
        multiples = np.ldexp(terms, shift)
        if (multiples != np.rint(multiples)).any() or (np.ldexp(multiples, -shift) != terms).any():
            return False
    return True


def margin(f: Any, g: Any, domain: Any) -> float:
    """Return how far from all first-layer hyperplanes float64 puts every point on the right side.

    At that distance |z| = |w| distance is larger than the error of z, for all neurons of both first
    layers. A neuron with |z| above its error on the whole domain needs no margin. Inf if sums above
    the first layer may round.
    """
    if not (sums_are_exact(f) and sums_are_exact(g)):
        return float("inf")
    low, high = bounding_box(domain)
    A, needed = np.maximum(np.abs(low), np.abs(high)), 0.0
    with np.errstate(all="ignore"):
        for net in (f, g):
            W, b = net.weights[0], net.thresholds[0]
            n = W.shape[1]
            error = affine_error(W, b, A, 0.0 * A)
            # |z| on the domain is at least this, up to the rounding of these sums
            smallest = np.maximum(-b - highest(W, domain), b - highest(-W, domain))
            of_sum = 4 * UNIT_ROUNDOFF * np.abs(b)
            is_sure = smallest > error * (1.0 + 8 * UNIT_ROUNDOFF) + of_sum
            near = W.any(axis=1) & ~is_sure
            if near.any():
                largest = np.abs(W[near]).max(axis=1)
                squares = ((W[near] / largest[:, None]) ** 2).sum(axis=1)
                norms = largest * np.sqrt(squares) * (1.0 - gamma(n + 8))
                distance = float((error[near] / norms).max()) * (1.0 + 4 * UNIT_ROUNDOFF)
                needed = max(needed, float("inf") if np.isnan(distance) else distance)
    return needed


def is_decided(f: Any, g: Any, point: Any) -> bool:
    """Return True if float64 gets every binary neuron right at a point.

    In rationals, |z| > gamma_(n+1) (sum_i |w_i| |x_i| + |b|) + (n + 2) TINY in the first layer, and
    that sum is so small that no partial sum overflows, in whatever order.
    """
    largest = Fraction(float(np.finfo(float).max))
    for net in (f, g):
        n = net.weights[0].shape[1]
        for row, b in zip(net.weights[0].tolist(), net.thresholds[0].tolist()):
            terms = [*(Fraction(w) * x for w, x in zip(row, point)), Fraction(b)]
            roundings = (n + 1) * Fraction(UNIT_ROUNDOFF)
            magnitude = sum(map(abs, terms))
            error = roundings / (1 - roundings) * magnitude + (n + 2) * Fraction(TINY)
            if any(row) and (abs(sum(terms)) <= error or magnitude + error > largest):
                return False
    return sums_are_exact(f) and sums_are_exact(g)
