"""One input: between breakpoints both networks are affine, so the supremum sits at one of them.

Two ways. One hidden layer of any width: breakpoints t_j = -b_j / w_j are sorted, and slope and
constant of f - g between them are running sums; in float64 with a bound, or in rationals. Any depth, small
networks: every neuron's zeros are found layer by layer, in rationals.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network
from ..numerics.rationals import rationals
from ..numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .rational import ExactNetwork, gap_at

LARGEST_SHALLOW, SHALLOW_A_SECOND = 20_000, 10_000
"""The largest number of neurons whose breakpoints are sorted in rationals, and how many a second can be."""
LARGEST_DEEP = 200_000
"""The largest number of neurons times parameters for which all zeros are found in rationals."""

NORMAL = float(np.finfo(np.float64).smallest_normal)


class Neurons(NamedTuple):
    """f - g = sum_j c_j s(w_j x + b_j) + a: the neurons of both networks of one hidden layer and one input.

    w, b : arrays (n,);  c : array (n_outputs, n);  a : array (n_outputs, 2), both biases, g's negated
    """

    w: Any
    b: Any
    c: Any
    a: Any


def joint_neurons(f: Network, g: Network) -> Neurons:
    """Return the neurons of f - g."""
    zero = np.zeros(f.n_outputs)
    biases = [zero if network.output_bias is None else network.output_bias for network in (f, g)]
    return Neurons(
        np.concatenate([f.weights[0][:, 0], g.weights[0][:, 0]]),
        np.concatenate([f.thresholds[0], g.thresholds[0]]),
        np.concatenate([f.output_weights, -g.output_weights], axis=1),
        np.stack([biases[0], -biases[1]], axis=1),
    )


def ends(domain: Domain) -> tuple[Fraction, Fraction]:
    """Return the ends of a domain of one dimension, exactly."""
    if isinstance(domain, Ball):
        centre, radius = Fraction(float(domain.centre[0])), Fraction(domain.radius)
        return centre - radius, centre + radius
    points = [domain.low[0], domain.high[0]] if isinstance(domain, Box) else domain.points[:, 0]  # type: ignore
    numbers = rationals(points)
    return min(numbers), max(numbers)


def knots_and_values(neurons: Neurons, low: Any, high: Any) -> tuple[Any, Any]:
    """Return the breakpoints inside [low, high] with its ends, and f - g at them, (n_outputs, n_knots).

    At a knot x the active neurons are those with w > 0 whose breakpoint is at most x, and those with
    w < 0 whose breakpoint is beyond it: running sums of c w and c b over the sorted breakpoints. The
    arithmetic is that of the arguments: with entries that are `Fraction` nothing rounds.
    """
    w, b, c, a = neurons
    moving = w != 0
    flat = total(c[:, ~moving] * np.maximum(b[~moving], 0 * b[~moving]))
    w, b, c = w[moving], b[moving], c[:, moving]
    knots = -b / w
    order = np.argsort(knots, kind="stable")
    w, b, c, knots = w[order], b[order], c[:, order], knots[order]
    down = w < 0
    steps = np.where(down, -1, 1)
    constant = a.sum(axis=1) + flat + total((c * b)[:, down])
    slope = total((c * w)[:, down])
    slopes = slope[:, np.newaxis] + running_sums(c * (w * steps))
    constants = constant[:, np.newaxis] + running_sums(c * (b * steps))
    slopes = np.concatenate([slope[:, np.newaxis], slopes], axis=1)
    constants = np.concatenate([constant[:, np.newaxis], constants], axis=1)
    first, last = (np.searchsorted(knots, end) for end in (low, high))
    inside = np.concatenate([[low], knots[first:last], [high]])
    piece = np.concatenate([[first], np.arange(first, last), [last]])
    return inside, slopes[:, piece] * inside + constants[:, piece]


def running_sums(values: Any) -> Any:
    """Return the running sums of each row, in blocks: no term goes through more than 2 sqrt(n) + 2 additions."""
    rows, n = values.shape
    block = max(1, int(np.sqrt(n)))
    padded = np.concatenate([values, np.zeros((rows, -n % block), dtype=values.dtype)], axis=1)
    within = np.cumsum(padded.reshape(rows, -1, block), axis=2)
    before = np.cumsum(within[:, :, -1], axis=1)[:, :-1, np.newaxis]
    within[:, 1:] += before
    return within.reshape(rows, -1)[:, :n]


def total(values: Any) -> Any:
    """Return the sum of each row, with as few roundings of a term."""
    return running_sums(values)[:, -1] if values.shape[1] else values.sum(axis=1)


def shallow_bounds(neurons: Neurons, low: float, high: float) -> tuple[float, float, Array]:
    """Return bounds (gap, bound) of sup |f - g| over [low, high] for ReLU, and where it is largest.

    All that float64 does, the place of a knot and the order of two that are as near as that included, is
    within gamma(8 sqrt(n) + 32) of sum_j |c_j| (|w_j| X + |b_j|) + |a|, X the larger of |low| and |high|: a term
    goes through 4 sqrt(n) additions, and that of a neuron that goes out as x grows is added and subtracted once.
    """
    w, b, c, a = neurons
    X, n = max(abs(low), abs(high), NORMAL), len(w)
    terms = np.abs(c) @ (np.abs(w) * X + np.abs(b)) + np.abs(a).sum(axis=1)
    underflow = 8.0 * n * SMALLEST * (1.0 + X + np.abs(c).sum())
    lost = gamma(8 * (isqrt(n) + 1) + 32) * terms * (1.0 + gamma(2 * n)) + underflow
    knots, values = knots_and_values(neurons, low, high)
    sizes = np.abs(values)
    gaps = (sizes - lost[:, np.newaxis]).max(axis=0) * (1.0 - 4.0 * UNIT_ROUNDOFF)
    best = np.argpartition(-gaps, min(16, len(gaps) - 1))[:16]
    best = best[np.argsort(-gaps[best], kind="stable")]
    return float(gaps[best[0]]), float((sizes.max(axis=1) + lost).max()), np.asarray(knots[best])


def shallow_supremum(neurons: Neurons, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Return sup |f - g| over [low, high] for ReLU, exactly, and where it is attained."""
    exact = Neurons(*(as_fractions(array) for array in neurons))
    knots, values = knots_and_values(exact, low, high)
    sizes = abs(values).max(axis=0)
    best = int(np.argmax(sizes))
    return Fraction(sizes[best]), Fraction(knots[best])


def as_fractions(array: Array) -> Any:
    """Return the numbers as an array of fractions, exactly."""
    result = np.empty(array.size, dtype=object)
    result[:] = [Fraction(value) for value in array.ravel().tolist()]
    return result.reshape(array.shape)


def deep_supremum(
    f: Network, g: Network, low: Fraction, high: Fraction, check_time: Callable[[], None] = lambda: None
) -> tuple[Fraction, Fraction, list[Fraction]]:
    """Return sup |f - g| over [low, high] exactly, where it is, and knots between which no neuron changes sign.

    Binary networks: over the open intervals between knots, that is off the hyperplanes.
    """
    one, other = (ExactNetwork(affine_maps(network), network.activation) for network in (f, g))
    exact = one, other
    knots = [low, high]
    for layer in range(f.depth):
        if f.activation == "binary" and layer:
            break  # deeper neurons are constant between the zeros of the first layer's
        knots = _with_zeros(knots, [_pre_activations(exact, x, layer, check_time) for x in knots])
    points = knots
    if f.activation == "binary":
        points = [(one + other) / 2 for one, other in zip(knots, knots[1:])]
    gaps = []
    for x in points:
        check_time()
        gaps.append(gap_at(*exact, [x]))
    best = max(range(len(gaps)), key=gaps.__getitem__)
    return gaps[best], points[best], knots


def _pre_activations(
    networks: Sequence[ExactNetwork], x: Fraction, layer: int, check_time: Callable[[], None]
) -> list[Fraction]:
    """Return z of one hidden layer of all networks at x."""
    check_time()
    return [z for network in networks for z in network.layers([x])[layer].values()]


def _with_zeros(knots: Sequence[Fraction], Z: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """Return the knots and the zeros between them of neurons that are affine there and have values Z at them."""
    result = set(knots)
    for (x, z), (x_next, z_next) in zip(zip(knots, Z), zip(knots[1:], Z[1:])):
        for one, other in zip(z, z_next):
            if one * other < 0:
                result.add(x + (x_next - x) * one / (one - other))
    return sorted(result)
