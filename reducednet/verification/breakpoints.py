"""Find sup |f - g| for one input, where f - g is affine between breakpoints and largest at one.

One hidden layer of any width: sort the breakpoints t_j = -b_j / w_j; slope and constant of f - g
between them are running sums, in float64 with a bound on the rounding error, or in rationals. Small
networks of any depth: find the breakpoints of all neurons layer by layer, in rationals.

References
----------
PROOFS, section 15.
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
"""The most neurons whose breakpoints are sorted in rationals, and how many can be in a second."""
LARGEST_DEEP = 200_000
"""The most neurons times parameters for which all breakpoints are found in rationals."""

NORMAL = float(np.finfo(np.float64).smallest_normal)


class Neurons(NamedTuple):
    """The neurons of f - g = sum_j c_j s(w_j x + b_j) + a, for one hidden layer and one input.

    w, b : arrays (n,), the neurons of f and then those of g
    c : array (n_outputs, n), those of g negated
    a : array (n_outputs, 2), the output biases of f and of g, the latter negated
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


def exact_interval(domain: Domain) -> tuple[Fraction, Fraction]:
    """Return the interval (low, high) that a domain of one dimension is, exactly."""
    if isinstance(domain, Ball):
        centre, radius = Fraction(float(domain.centre[0])), Fraction(domain.radius)
        return centre - radius, centre + radius
    points = [domain.low[0], domain.high[0]] if isinstance(domain, Box) else domain.points[:, 0]  # type: ignore
    numbers = rationals(points)
    return min(numbers), max(numbers)


def breakpoints_and_values(neurons: Neurons, low: Any, high: Any) -> tuple[Any, Any]:
    """Return low, the breakpoints inside and high, (n,), and f - g at them, (n_outputs, n).

    At a breakpoint x the active neurons are those with w > 0 and a breakpoint of at most x, and
    those with w < 0 and a breakpoint beyond x: so slope and constant are running sums of c w and
    c b over the sorted breakpoints. Arrays of `Fraction` work too: then nothing is rounded.
    """
    w, b, c, a = neurons
    varies = w != 0
    constant_part = total(c[:, ~varies] * np.maximum(b[~varies], 0 * b[~varies]))
    w, b, c = w[varies], b[varies], c[:, varies]
    breakpoints = -b / w
    order = np.argsort(breakpoints, kind="stable")
    w, b, c, breakpoints = w[order], b[order], c[:, order], breakpoints[order]
    down = w < 0  # active to the left of their breakpoint: they leave the sums there
    steps = np.where(down, -1, 1)
    constant = a.sum(axis=1) + constant_part + total((c * b)[:, down])
    slope = total((c * w)[:, down])
    slopes = slope[:, np.newaxis] + running_sums(c * (w * steps))
    constants = constant[:, np.newaxis] + running_sums(c * (b * steps))
    slopes = np.concatenate([slope[:, np.newaxis], slopes], axis=1)
    constants = np.concatenate([constant[:, np.newaxis], constants], axis=1)
    first, last = np.searchsorted(breakpoints, low), np.searchsorted(breakpoints, high)
    points = np.concatenate([[low], breakpoints[first:last], [high]])
    piece = np.concatenate([[first], np.arange(first, last), [last]])
    return points, slopes[:, piece] * points + constants[:, piece]


def running_sums(values: Any) -> Any:
    """Return the running sums of each row, where no term meets more than 2 sqrt(n) + 2 additions.

    Sum within blocks of sqrt(n), and over the blocks: plain running sums would round n times.
    """
    rows, n = values.shape
    block = max(1, int(np.sqrt(n)))
    padded = np.concatenate([values, np.zeros((rows, -n % block), dtype=values.dtype)], axis=1)
    within = np.cumsum(padded.reshape(rows, -1, block), axis=2)
    before = np.cumsum(within[:, :, -1], axis=1)[:, :-1, np.newaxis]
    within[:, 1:] += before
    return within.reshape(rows, -1)[:, :n]


def total(values: Any) -> Any:
    """Return the sum of each row, with as few roundings as `running_sums`."""
    return running_sums(values)[:, -1] if values.shape[1] else values.sum(axis=1)


def shallow_bounds(neurons: Neurons, low: float, high: float) -> tuple[float, float, Array]:
    """Return (gap, bound, points) with gap <= sup |f - g| <= bound over [low, high], for ReLU.

    points : the breakpoints where |f - g| is largest, the best first

    The rounding error of the values, with those of the breakpoints and of the order of breakpoints
    as near as that, is at most gamma(8 sqrt(n) + 32) times

        sum_j |c_j| (|w_j| X + |b_j|) + |a|,   X = max(|low|, |high|):

    a term meets 4 sqrt(n) additions, and the term of a neuron with w < 0 is added at first and
    subtracted at its breakpoint.
    """
    w, b, c, a = neurons
    X, n = max(abs(low), abs(high), NORMAL), len(w)
    magnitude = np.abs(c) @ (np.abs(w) * X + np.abs(b)) + np.abs(a).sum(axis=1)
    underflow = 8.0 * n * SMALLEST * (1.0 + X + np.abs(c).sum())
    error = gamma(8 * (isqrt(n) + 1) + 32) * magnitude * (1.0 + gamma(2 * n)) + underflow
    points, values = breakpoints_and_values(neurons, low, high)
    distances = np.abs(values)
    gaps = (distances - error[:, np.newaxis]).max(axis=0) * (1.0 - 4.0 * UNIT_ROUNDOFF)
    best = np.argpartition(-gaps, min(16, len(gaps) - 1))[:16]
    best = best[np.argsort(-gaps[best], kind="stable")]
    bound = float((distances.max(axis=1) + error).max())
    return float(gaps[best[0]]), bound, np.asarray(points[best])


def shallow_supremum(neurons: Neurons, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Return sup |f - g| over [low, high] for ReLU, exactly, and a point where it is attained."""
    exact = Neurons(*(as_fractions(array) for array in neurons))
    points, values = breakpoints_and_values(exact, low, high)
    gaps = abs(values).max(axis=0)
    best = int(np.argmax(gaps))
    return Fraction(gaps[best]), Fraction(points[best])


def as_fractions(array: Array) -> Any:
    """Return the numbers as an array of fractions, exactly."""
    result = np.empty(array.size, dtype=object)
    result[:] = [Fraction(value) for value in array.ravel().tolist()]
    return result.reshape(array.shape)


def deep_supremum(
    f: Network, g: Network, low: Fraction, high: Fraction, check_time: Callable[[], None] = lambda: None
) -> tuple[Fraction, Fraction, list[Fraction]]:
    """Return sup |f - g| over [low, high] exactly, where it is attained, and all breakpoints.

    Between these breakpoints no neuron of either network changes sign. For binary networks the
    supremum is over the open intervals between them, that is off the hyperplanes.
    """
    exact = [ExactNetwork(affine_maps(network), network.activation) for network in (f, g)]
    breakpoints = [low, high]
    for layer in range(f.depth):
        if f.activation == "binary" and layer:
            break  # deeper neurons are constant between the breakpoints of the first layer
        Z = [_pre_activations(exact, x, layer, check_time) for x in breakpoints]
        breakpoints = _with_zeros(breakpoints, Z)
    points = breakpoints
    if f.activation == "binary":
        points = [(one + other) / 2 for one, other in zip(breakpoints, breakpoints[1:])]
    gaps = []
    for x in points:
        check_time()
        gaps.append(gap_at(exact[0], exact[1], [x]))
    best = max(range(len(gaps)), key=gaps.__getitem__)
    return gaps[best], points[best], breakpoints


def _pre_activations(
    networks: Sequence[ExactNetwork], x: Fraction, layer: int, check_time: Callable[[], None]
) -> list[Fraction]:
    """Return the pre-activations of one hidden layer of all networks at x."""
    check_time()
    return [z for network in networks for z in network.layers([x])[layer].values()]


def _with_zeros(points: Sequence[Fraction], Z: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """Return the points and the zeros between them of neurons that are affine there.

    Z : the neurons' values at the points, one sequence for each point
    """
    result = set(points)
    for (x, z), (x_next, z_next) in zip(zip(points, Z), zip(points[1:], Z[1:])):
        for one, other in zip(z, z_next):
            if one * other < 0:
                result.add(x + (x_next - x) * one / (one - other))
    return sorted(result)
