"""Re-checks what evaluation in float64 may add to |f - g|: no code of the provers, of
`error_bounds` or the kernels.

A certificate of semantics "float64" is about what computers return, whatever order they sum in,
with or without fused operations. What it says of the real functions is one checker's matter; this
one bounds |fl(N) - N|.

One layer z = W h + b has n products and n additions, so that each term goes through n + 1 roundings
at most. With |h| <= A, and |fl(h) - h| <= e below it,

    |fl(z) - z| <= |W| e + gamma_(n+1) (|W| (A + e) + |b|) + underflow,    gamma_k = k u / (1 - k
    u).

Where z <= top, fl(z) <= top + error, and both max(z, 0) and max(fl(z), 0) lie between 0 and max(top
+ error, 0): so the error of a ReLU is no larger than that either. The layers above the first one of
a binary network, whose inputs are 0 and 1, must be sums without any rounding, in whatever order; in
the first, z must be larger than its error.

References
----------
THEORY, section 7.
"""
from fractions import Fraction as Q
from typing import Any

import numpy as np

U, TINY = 2.0**-53, 2.0**-1074


def rounds(n: int) -> float:
    """Return gamma_n, the relative error of n roundings."""
    return n * U / (1.0 - n * U)


def corners(domain: Any) -> tuple[Any, Any]:
    """Return a box that holds the domain."""
    if type(domain).__name__ == "Ball":
        low, high = domain.centre - domain.radius, domain.centre + domain.radius
        return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    if type(domain).__name__ == "Hull":
        return domain.points.min(axis=0), domain.points.max(axis=0)
    return domain.low, domain.high


def highest(W: Any, domain: Any) -> Any:
    """Return no less than sup w.x over the domain for each row, by roundings at most."""
    low, high = corners(domain)
    n, size = W.shape[1], np.abs(W) @ np.maximum(np.abs(low), np.abs(high))
    if type(domain).__name__ == "Ball":
        largest = np.abs(W).max(axis=1, keepdims=True)
        unit = W / np.where(largest > 0.0, largest, 1.0)
        norm = largest[:, 0] * np.sqrt((unit * unit).sum(axis=1))
        top, size = W @ domain.centre + domain.radius * norm, size + domain.radius * norm
    elif type(domain).__name__ == "Hull":
        top = (W @ domain.points.T).max(axis=1)
    else:
        top = np.maximum(W, 0.0) @ high + np.minimum(W, 0.0) @ low
    return top + rounds(2 * n + 8) * size + TINY * (n + 8)


def affine_error(W: Any, b: Any, A: Any, e: Any) -> Any:
    """Return no less than |fl(W h + b) - (W h + b)|, where |h| <= A and |fl(h) - h| <= e."""
    n = W.shape[1]
    terms, carried = np.abs(W) @ (A + e), np.abs(W) @ e
    # a product that underflows loses TINY at most, and so do those here
    underflow = TINY * (2.0 * n + 4.0 + 2.0 * (A + e).sum())
    return (carried + rounds(n + 1) * (terms + np.abs(b))) * (1.0 + rounds(n + 8)) + underflow


def error_of(net: Any, domain: Any) -> float:
    """Return no less than max_k |fl(N_k) - N_k| over the domain; binary: where all neurons are
    found right.
    """
    low, high = corners(domain)
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
        size = np.abs(W) @ A + np.abs(b) + np.abs(bottom) + np.abs(top) + error
        lost = rounds(n + 8) * size + TINY * (n + 8)  # in bottom and top, and in the sums below
        low, high = np.maximum(bottom - lost, 0.0), np.maximum(top + lost, 0.0)
        A, e = high, np.minimum(error, np.maximum(top + lost + error, 0.0))
    bias = np.zeros(len(net.output_weights)) if net.output_bias is None else net.output_bias
    return float(affine_error(net.output_weights, bias, A, e).max())


def evaluation_error(f: Any, g: Any, domain: Any) -> float:
    """Return no less than what both networks' evaluation may add to |f - g|; inf or nan where that
    has no bound.
    """
    with np.errstate(all="ignore"):
        return float((error_of(f, domain) + error_of(g, domain)) * (1.0 + 2 * U))


def sums_are_exact(net: Any) -> bool:
    """Return True if no sum above the first layer rounds: its terms are multiples of q, and at most
    2^52 q together.
    """
    for W, b in zip(net.weights[1:], net.thresholds[1:]):
        terms = np.column_stack([W, b])
        total = np.abs(terms).sum(axis=1) * (1.0 + rounds(terms.shape[1] + 1))
        if not np.isfinite(total).all():
            return False
        shift = 52 - np.frexp(total)[1][:, None]  # total < 2^52 q with q = 2^-shift
        multiples = np.ldexp(terms, shift)
        if (multiples != np.rint(multiples)).any() or (np.ldexp(multiples, -shift) != terms).any():
            return False
    return True


def margin(f: Any, g: Any, domain: Any) -> float:
    """Return how far from every hyperplane of both first layers float64 finds all binary neurons
    right.

    A neuron whose z is larger than its error on all of the domain needs no margin; inf if sums
    above may round.
    """
    if not (sums_are_exact(f) and sums_are_exact(g)):
        return float("inf")
    low, high = corners(domain)
    A, needed = np.maximum(np.abs(low), np.abs(high)), 0.0
    with np.errstate(all="ignore"):
        for net in (f, g):
            W, b = net.weights[0], net.thresholds[0]
            n = W.shape[1]
            error = affine_error(W, b, A, 0.0 * A)
            nearest = np.maximum(-b - highest(W, domain), b - highest(-W, domain))  # |z| on the domain, at least
            cuts = W.any(axis=1) & ~(nearest > error * (1.0 + 8 * U) + 4 * U * np.abs(b))
            if cuts.any():
                largest = np.abs(W[cuts]).max(axis=1)
                squares = ((W[cuts] / largest[:, None]) ** 2).sum(axis=1)
                norms = largest * np.sqrt(squares) * (1.0 - rounds(n + 8))
                needed = max(needed, float((error[cuts] / norms).max()) * (1.0 + 4 * U))
    return needed


def is_decided(f: Any, g: Any, point: Any) -> bool:
    """Return True if float64 finds all binary neurons right at a point: in rationals, |z| is larger
    than its error.
    """
    for net in (f, g):
        n = net.weights[0].shape[1]
        for row, b in zip(net.weights[0].tolist(), net.thresholds[0].tolist()):
            terms = [*(Q(w) * x for w, x in zip(row, point)), Q(b)]
            error = (n + 1) * Q(U) / (1 - (n + 1) * Q(U)) * sum(map(abs, terms)) + (n + 2) * Q(TINY)
            if any(row) and abs(sum(terms)) <= error:
                return False
    return sums_are_exact(f) and sums_are_exact(g)
