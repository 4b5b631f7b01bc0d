"""Bound |f - g| for one input and one hidden ReLU layer, by the values at all breakpoints.

This checks proofs of kind "sorted" again, without any code of the provers or of the evaluation of
networks (THEORY, section 9, "One input"). On the domain's interval [low, high] f - g is piecewise
affine: it is given by its value and its slope at low, and the slope grows by c |w| at each
breakpoint -b / w. So |f - g| is largest at a breakpoint, low or high.

In float64 all rounding errors together are within gamma_n of the sum of the terms' absolute values.
Running sums are taken block by block, so that n is about the square root of the number of neurons.
In rationals nothing is rounded.
"""
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

UNIT_ROUNDOFF, TINY = 2.0**-53, 2.0**-1073


def running_sums(v: Any) -> Any:
    """Return the running sums of each row, off by at most gamma_(2 sqrt(n) + 4) sum |v|.

    They are taken in r blocks of r terms: within each block, and then over the blocks' totals.
    """
    n, r = v.shape[1], isqrt(v.shape[1]) + 1
    zeros = np.repeat(0 * v[:, :1], r * r - n, axis=1)
    sums = np.concatenate([v, zeros], axis=1).reshape(-1, r, r).cumsum(axis=2)
    sums[:, 1:] += sums[:, :-1, -1:].cumsum(axis=1)
    return sums.reshape(len(v), -1)[:, :n]


def gamma(n: int) -> float:
    """Return gamma_n = n u / (1 - n u), the largest relative error of n roundings."""
    return n * UNIT_ROUNDOFF / (1.0 - n * UNIT_ROUNDOFF)


def interval(domain: Any) -> tuple[Fraction, Fraction]:
    """Return the interval [low, high] that the domain is, exactly."""
    if type(domain).__name__ == "Ball":
        centre, radius = Fraction(domain.centre[0]), Fraction(domain.radius)
        return centre - radius, centre + radius
    x = domain.points if type(domain).__name__ == "Hull" else np.append(domain.low, domain.high)
    return Fraction(x.min()), Fraction(x.max())


def check(data: Any, f: Any, g: Any, domain: Any) -> Any:
    """Return a bound on |f - g| on the domain; the supremum itself if `exact`.

    With the terms c (|w| X + |b|), X = max |x|, and the output biases, a term goes through at most
    4 sqrt(n) + 12 roundings in each of two places, and moving a breakpoint by its rounding costs
    no more than the rounding of its z: gamma_(20 sqrt(n) + 90) covers them. ValueError if there is
    more than one input or hidden ReLU layer.
    """
    relu = f.activation == "relu" and g.activation == "relu"
    one_layer = len(f.weights) == len(g.weights) == 1
    if not (relu and one_layer) or \
            {f.weights[0].shape[1], g.weights[0].shape[1], domain.n_inputs} != {1}:
        raise ValueError("the proof is for one input and one hidden ReLU layer")
    low: Any
    high: Any
    one: Any
    low, high = interval(domain)
    w, b = np.append(f.weights[0], g.weights[0]), np.append(f.thresholds[0], g.thresholds[0])
    c = np.concatenate([f.output_weights, -g.output_weights], axis=1)
    biases = [0 * c[:, 0] if net.output_bias is None else net.output_bias for net in (f, g)]
    a = np.stack([biases[0], -biases[1]], axis=1)
    if data["exact"]:
        exactly = np.vectorize(Fraction, otypes=[object])
        w, b, c, a, one = exactly(w), exactly(b), exactly(c), exactly(a), Fraction(1)
    else:
        low, high, one = np.nextafter(float(low), -np.inf), np.nextafter(float(high), np.inf), 1.0

    breakpoints = np.clip(-b / np.where(w == 0, one, w), low, high)
    order, n, X = np.argsort(breakpoints, kind="stable"), len(w), max(-low, high)
    first_slope = running_sums(c * np.minimum(w, 0 * w))[:, -1:]  # left of all breakpoints
    slopes = running_sums(np.concatenate([first_slope, (c * np.abs(w))[:, order]], axis=1))
    at_low = np.concatenate([a, c * np.maximum(w * low + b, 0 * w)], axis=1)
    first_value = running_sums(at_low)[:, -1:]
    steps = slopes * np.diff(np.array([low, *breakpoints[order], high]))
    values = running_sums(np.concatenate([first_value, steps], axis=1))
    if data["exact"]:
        return abs(values).max()

    terms = np.abs(c) * (np.abs(w) * X + np.abs(b))
    magnitude = terms.sum(axis=1) + np.abs(a).sum(axis=1)
    margin = gamma(20 * isqrt(n) + 90) * (1.0 + gamma(n)) * magnitude
    margin += TINY * n * (4.0 + 4.0 * X + (np.abs(c) * (1.0 + np.abs(w))).sum(axis=1))
    return ((np.abs(values).max(axis=1) + margin) * (1.0 + 4.0 * UNIT_ROUNDOFF)).max()
