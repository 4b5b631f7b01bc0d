"""Kind "norms": paired neurons, and norms of what differs (docs/certificates.md, section 10)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ....domains import Domain
from ....networks.network import Network
from .objects import (
    Layer, chosen, larger, layers_of, positive_part, rational, require, root_box, root_up,
    smaller, zeros,
)

ZERO = Fraction(0)


class Interval(NamedTuple):
    """low <= v <= high, entry by entry."""

    low: Any
    high: Any

    @property
    def size(self) -> Any:
        """The largest |v| of each entry."""
        return larger(abs(self.low), abs(self.high))


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the largest bound of |f_k - g_k|."""
    require(f.activation == "relu" and f.sizes == g.sizes, "for ReLU networks of the same sizes")
    f_layers, f_exponents = balanced(layers_of(f))
    g_layers, g_exponents = balanced(layers_of(g))

    box = Interval(*root_box(domain))
    f_below = g_below = box
    k, nu, norm_g = zeros(f.n_inputs), ZERO, norm(box.size)                        # (40)
    order, q_below = np.arange(f.n_inputs), rational(np.ones(f.n_inputs))
    for number in range(f.depth):
        (W, b), (V, c) = f_layers[number], g_layers[number]
        partner, q = pairs(arrays[f"labels{number}"], arrays[f"scales{number}"], len(b))
        q = q * powers(f_exponents[number] - g_exponents[number][partner])        # (39)
        V, c = V[np.ix_(partner, order)], c[partner]
        d, t, f_z, g_z = differences(
            W, b, V, c, q, q_below, k, f_below, g_below, norm_g)
        k, tau = through_relu(d, t, f_z, Interval(q * g_z.low, q * g_z.high))
        nu = spectral_norm_up(W) * nu + norm(tau)                                 # (45)
        f_below = Interval(positive_part(f_z.low), positive_part(f_z.high))
        g_below = Interval(positive_part(g_z.low), positive_part(g_z.high))
        norm_g = min(norm(g_below.size), spectral_norm_up(V) * norm_g + norm(c))  # (46)
        order, q_below = partner, q
    (W, b), (V, c) = f_layers[-1], g_layers[-1]
    one = rational(np.ones(len(b)))
    d, t, _, _ = differences(W, b, V[:, order], c, one, q_below, k, f_below, g_below, norm_g)
    rows = np.array([norm(row) for row in W], dtype=object)
    return Fraction(max(abs(d) + t + rows * nu))                                  # (48)


def norm(values: Any) -> Fraction:
    """Return the Euclidean norm, rounded up."""
    return root_up(Fraction(sum(values * values)))


def powers(exponents: Any) -> Any:
    """Return 2^e of each exponent."""
    return np.array([Fraction(2) ** int(e) for e in exponents], dtype=object)


def exponent(w: Fraction) -> int:
    """Return the integer E with 2^(E-1) <= |w| < 2^E."""
    e = abs(w.numerator).bit_length() - w.denominator.bit_length()
    return e + 1 if abs(w) >= Fraction(2) ** e else e


def balanced(layers: list[Layer]) -> tuple[list[Layer], list[Any]]:
    """Return the network with rows scaled by powers of two, and their exponents (38)."""
    below = np.zeros(layers[0].weights.shape[1], dtype=int)
    rewritten, all_exponents = [], []
    for number, (W, b) in enumerate(layers):
        own = np.zeros(len(b), dtype=int)
        if number < len(layers) - 1:
            for j, row in enumerate(W):
                entries = [exponent(w) - p for w, p in zip(row, below) if w != 0]
                own[j] = -max(entries, default=0)
            if (abs(own) <= 8).all():
                own[:] = 0
        scaled = powers(own)[:, np.newaxis] * W * powers(-below)
        rewritten.append(Layer(scaled, powers(own) * b))
        all_exponents.append(own)
        below = own
    return rewritten, all_exponents


def pairs(labels: Any, scales: Any, n: int) -> tuple[Any, Any]:
    """Return the partner in g of each neuron of f, and its scale q."""
    require(len(labels) == len(scales) == 2 * n, "labels or scales of another length")
    labels, scales = labels.tolist(), rational(scales)
    for part in (labels[:n], labels[n:]):
        require(sorted(part) == list(range(n)), "each label must come once in each network")
    require((scales[:n] == 1).all() and (scales[n:] > 0).all(), "a scale is not allowed")
    return np.array([labels[:n].index(label) for label in labels[n:]]), scales[n:]


def differences(
    W: Any, b: Any, V: Any, c: Any, q: Any, q_below: Any, k: Any, f_below: Interval,
    g_below: Interval, norm_g: Fraction,
) -> tuple[Any, Any, Interval, Interval]:
    """Return d and t with |z_f - q z_g - W rho - d| <= t (41)-(43), and the intervals of both z."""
    ordered = g_below  # of the neurons of g, in the order of their partners
    R = W * q_below - q[:, np.newaxis] * V
    middle, half = (ordered.low + ordered.high) / 2, (ordered.high - ordered.low) / 2
    by_interval = abs(R) @ half
    by_norm = np.array([norm(row) * norm_g for row in R], dtype=object)
    first = by_interval <= by_norm                                                # (42)
    d = W @ k + b - q * c + chosen(first, R @ middle, ZERO)
    t = chosen(first, by_interval, by_norm)
    return d, t, affine(W, b, f_below), affine(V, c, ordered)


def affine(W: Any, b: Any, h: Interval) -> Interval:
    """Return the interval of W h + b (33)."""
    on, off = larger(W, ZERO), smaller(W, ZERO)
    return Interval(on @ h.low + off @ h.high + b, on @ h.high + off @ h.low + b)


def through_relu(d: Any, t: Any, f_z: Interval, g_z: Interval) -> tuple[Any, Any]:
    """Return k' and tau with |s(z_f) - s(q z_g) - k'| <= tau + |W rho|: the best of three (44)."""
    below = larger(larger(-f_z.low, -g_z.low), ZERO)
    above = larger(larger(f_z.high, g_z.high), ZERO)
    choices = [(d, t + below), (d * 0, above), (d / 2, abs(d) / 2 + t)]
    best = [min(range(3), key=lambda i: choices[i][1][j]) for j in range(len(d))]
    k = np.array([choices[i][0][j] for j, i in enumerate(best)], dtype=object)
    tau = np.array([choices[i][1][j] for j, i in enumerate(best)], dtype=object)
    return k, tau


def spectral_norm_up(W: Any) -> Fraction:
    """Return an upper bound of the spectral norm: |(W'W)^8|_F^(1/16) (47)."""
    power = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    for _ in range(3):
        power = power @ power
    root = Fraction(sum((power * power).ravel()))
    for _ in range(5):
        root = root_up(root)
    return root
