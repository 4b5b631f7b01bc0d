"""Re-checks bounds of |f - g| for one input and one hidden ReLU layer: no code of the provers or the kernels.

On the domain's interval, f - g is what its value at the lower end and its slope there say, and the slope rises by
c |w| at each breakpoint -b / w. In float64 all that rounds is within n u of the sum of all terms; running sums are
taken block by block, so that n is about the square root of the number of neurons. In rationals nothing rounds.
"""
from fractions import Fraction as Q
from math import isqrt
from typing import Any

import numpy as np

U, TINY = 2.0**-53, 2.0**-1073


def running(v: Any) -> Any:
    """Return the running sums of each row, each within 2 sqrt(n) + 4 roundings of sum |v|."""
    n, r = v.shape[1], isqrt(v.shape[1]) + 1
    sums = np.concatenate([v, np.repeat(0 * v[:, :1], r * r - n, axis=1)], axis=1).reshape(-1, r, r).cumsum(axis=2)
    sums[:, 1:] += sums[:, :-1, -1:].cumsum(axis=1)
    return sums.reshape(len(v), -1)[:, :n]


def rounds(n: int) -> float:
    """Return the relative error of n roundings."""
    return n * U / (1.0 - n * U)


def interval(domain: Any) -> tuple[Q, Q]:
    """Return the domain's ends, exactly."""
    if type(domain).__name__ == "Ball":
        return Q(domain.centre[0]) - Q(domain.radius), Q(domain.centre[0]) + Q(domain.radius)
    x = domain.points if type(domain).__name__ == "Hull" else np.append(domain.low, domain.high)
    return Q(x.min()), Q(x.max())


def check(data: Any, f: Any, g: Any, domain: Any) -> Any:
    """Return a bound of |f - g| on the domain; ValueError if it is not one input and one ReLU layer."""
    if [len(net.weights) for net in (f, g)] != [1, 1] or f.activation != "relu" or g.activation != "relu" or \
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
        w, b, c, a, one = *(np.vectorize(Q, otypes=[object])(part) for part in (w, b, c, a)), Q(1)
    else:
        low, high, one = np.nextafter(float(low), -np.inf), np.nextafter(float(high), np.inf), 1.0
    knots = np.clip(-b / np.where(w == 0, one, w), low, high)
    order, n, X = np.argsort(knots, kind="stable"), len(w), max(-low, high)
    steep = running(c * np.minimum(w, 0 * w))[:, -1:]
    slopes = running(np.concatenate([steep, (c * np.abs(w))[:, order]], axis=1))
    start = running(np.concatenate([a, c * np.maximum(w * low + b, 0 * w)], axis=1))[:, -1:]
    values = running(np.concatenate([start, slopes * np.diff(np.array([low, *knots[order], high]))], axis=1))
    if data["exact"]:
        return abs(values).max()
    terms = np.abs(c) * (np.abs(w) * X + np.abs(b))
    lost = rounds(20 * isqrt(n) + 90) * (1.0 + rounds(n)) * (terms.sum(axis=1) + np.abs(a).sum(axis=1))
    lost += TINY * n * (4.0 + 4.0 * X + (np.abs(c) * (1.0 + np.abs(w))).sum(axis=1))
    return ((np.abs(values).max(axis=1) + lost) * (1.0 + 4.0 * U)).max()
