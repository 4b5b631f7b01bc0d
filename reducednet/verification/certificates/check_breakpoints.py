"""Bound |f - g| for one input and one hidden ReLU layer, by the values at all breakpoints.

This checks proofs of kind "sorted" again, without any code of the provers or of the evaluation of
networks (PROOFS, Lemma 13). With the neurons of both networks numbered through, c
negative for those of g,

    f(x) - g(x) = a + sum_j c_j relu(w_j x + b_j)

is piecewise affine on the domain's interval [low, high]. Left of all breakpoints -b_j / w_j its
slope is sum_j c_j min(w_j, 0), and it grows by c_j |w_j| at each of them. So |f - g| is largest at
a breakpoint, at low or at high.

In float64 all rounding errors together are within gamma_n of the sum of the terms' absolute values
(`rounding_margin`). Running sums are taken block by block, so that n is about the square root of
the number of neurons. In rationals nothing is rounded.
"""
from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import UNDERFLOW, above, below, gamma, kind_of, raised, require


class Neurons(NamedTuple):
    """The hidden neurons c relu(w x + b) of f - g, and its output biases.

    w, b : arrays (n,); c : array (n_outputs, n); biases : array (n_outputs, 2), f's and minus g's
    """

    w: Any
    b: Any
    c: Any
    biases: Any


def neurons_of(f: Any, g: Any) -> Neurons:
    """Return the neurons of f and, with opposite outgoing weights, those of g."""
    w, b = np.append(f.weights[0], g.weights[0]), np.append(f.thresholds[0], g.thresholds[0])
    c = np.concatenate([f.output_weights, -g.output_weights], axis=1)
    bias_f, bias_g = (
        np.zeros(len(c)) if network.output_bias is None else network.output_bias
        for network in (f, g)
    )
    return Neurons(w, b, c, np.stack([bias_f, -bias_g], axis=1))


def interval(domain: Any) -> tuple[Fraction, Fraction]:
    """Return the interval [low, high] that the domain is, exactly."""
    kind = kind_of(domain)
    if kind == "Ball":
        centre, radius = Fraction(domain.centre[0]), Fraction(domain.radius)
        return centre - radius, centre + radius
    ends = domain.points if kind == "Hull" else np.append(domain.low, domain.high)
    return Fraction(ends.min()), Fraction(ends.max())


def running_sums(terms: Any) -> Any:
    """Return the running sums of each row of n terms, with at most 2 sqrt(n) roundings of a term.

    They are taken in r blocks of r > sqrt(n) terms: r - 1 additions at most in a block, r - 2 of
    blocks' totals, and one of both.
    """
    n_rows, n = terms.shape
    r = isqrt(n) + 1
    zeros = np.zeros((n_rows, r * r - n), dtype=terms.dtype)
    sums = np.concatenate([terms, zeros], axis=1).reshape(n_rows, r, r).cumsum(axis=2)
    sums[:, 1:] += sums[:, :-1, -1:].cumsum(axis=1)
    return sums.reshape(n_rows, -1)[:, :n]


def values_at_breakpoints(neurons: Neurons, low: Any, high: Any) -> Any:
    """Return f - g at low, at all breakpoints in order, and at high, one row an output.

    Breakpoints outside the interval are moved to its ends: there they change the slope of a
    segment of length 0, or of all of them. All numbers may be float64 or rationals.
    """
    w, b, c, biases = neurons
    breakpoints = np.clip(-b / np.where(w == 0, 1, w), low, high)
    order = np.argsort(breakpoints, kind="stable")

    left_slope = running_sums(c * np.minimum(w, 0))[:, -1:]
    slopes = running_sums(np.concatenate([left_slope, (c * np.abs(w))[:, order]], axis=1))
    lengths = np.diff(np.array([low, *breakpoints[order], high]))

    terms_at_low = np.concatenate([biases, c * np.maximum(w * low + b, 0)], axis=1)
    value_at_low = running_sums(terms_at_low)[:, -1:]
    return running_sums(np.concatenate([value_at_low, slopes * lengths], axis=1))


def rounding_margin(neurons: Neurons, low: float, high: float) -> Any:
    """Return how far off `values_at_breakpoints` may be in float64, for each output.

    With X = max |x|, the terms t_j = |c_j| (|w_j| X + |b_j|), and s = isqrt(n), running sums of up
    to n + 2 terms have r = 2 s + 2 roundings at most:

    * the value at low: each of its terms, and the biases, have 3 roundings and those of two running
      sums, 2 r + 3 in all, of t_j at most;
    * a growth of slope c_j |w_j|: a product, two running sums, and a length and its product, 2 r +
      3 roundings. It is multiplied by x - breakpoint, and so is at most t_j;
    * the slope left of all breakpoints: one running sum more, 3 r + 3 roundings, of |c_j w_j| times
      at most 2 X;
    * a breakpoint is rounded by u |b_j / w_j|, which moves f - g by u |c_j b_j|.

    As gamma_m + gamma_n <= gamma_(m+n), that is gamma_(10 r + 13) = gamma_(20 s + 33) of the sum of
    t_j and the biases; two more are for breakpoints in the second and the third. The sum of t_j has
    n + 5 roundings, the one with the biases among them.

    Products that underflow: w low and the breakpoint are multiplied by c and by c w after that,
    slopes by lengths of at most 2 X together.
    """
    w, b, c, biases = neurons
    n, X = len(w), max(-low, high)
    terms = (np.abs(c) * (np.abs(w) * X + np.abs(b))).sum(axis=1)
    magnitude = terms + np.abs(biases).sum(axis=1)
    of_products = n * (2.0 + 2.0 * X) + (np.abs(c) * (1.0 + np.abs(w))).sum(axis=1)
    return raised(gamma(20 * isqrt(n) + 35) * magnitude, n + 6) + UNDERFLOW * of_products


def check(data: Any, f: Any, g: Any, domain: Any) -> Any:
    """Return a bound on |f - g| on the domain; the supremum itself, a rational, if `exact`.

    data : `exact`, 1 for rationals, 0 for float64

    ValueError if there is more than one input or hidden ReLU layer.
    """
    relu = f.activation == "relu" and g.activation == "relu"
    one_layer = len(f.weights) == len(g.weights) == 1
    inputs = {f.weights[0].shape[1], g.weights[0].shape[1], domain.n_inputs}
    require(
        relu and one_layer and inputs == {1}, "the proof is for one input and one hidden ReLU layer"
    )

    neurons, (low, high) = neurons_of(f, g), interval(domain)
    if data["exact"]:
        exactly = np.vectorize(Fraction, otypes=[object])
        values = values_at_breakpoints(Neurons(*map(exactly, neurons)), low, high)
        return abs(values).max()

    outer_low, outer_high = below(float(low)), above(float(high))
    values = values_at_breakpoints(neurons, outer_low, outer_high)
    margin = rounding_margin(neurons, outer_low, outer_high)
    return raised(np.abs(values).max(axis=1) + margin, 1).max()
