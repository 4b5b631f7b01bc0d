"""Re-checks bounds of |f - g| in the Euclidean norm, for ReLU networks whose neurons are matched
one to one.

No code of the provers or the kernels. The data names pairs of neurons, and for each a scale s > 0
with z_f near s z_g; every number is found here anew, all roundings charged. In each layer the
vector e = h_f - s h_g, of the pairs in f's order, is k + rho with a known k and |rho|_2 <= nu. In
the next layer

    d = z_f - s' z_g = W_f k + W_f rho + R h_g + beta,     R = W_f s - s' W_g,     beta = b_f - s'
    b_g,

and |W_f rho|_2 <= |W_f|_2 nu. With relu(z_f) - relu(s' z_g) = theta d, theta in [0, 1],
`through_relu` finds the next k and nu. Of h_g both an interval and the norm are known. Rows are
brought to sizes of about 1 by powers of two first, which is exact and leaves the functions as they
are.

References
----------
THEORY, section 9, "Euclidean norms".
"""
from typing import Any

import numpy as np

U, TINY = 2.0**-53, 2.0**-1074
WELL_SCALED = 8
"""Layers whose rows have entries of at most 2^8 and at least 2^-9 are left as they are."""


def require(fact: Any, otherwise: str) -> None:
    """Refuse data, or networks, of which something else than this is a fact."""
    if not fact:
        raise ValueError(otherwise)


def rounds(n: int) -> float:
    """Return gamma_n = n u / (1 - n u), the relative error of n roundings."""
    return n * U / (1.0 - n * U)


def scaled(net: Any) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Return the layers (W, b), outputs included, with rows of about 1, and each hidden neuron's
    exponent p.

    h = 2^p times that of the given network: W' = 2^p W 2^-p_below, b' = 2^p b. It is refused if
    that rounds.
    """
    below, layers, exponents = np.zeros(net.weights[0].shape[1], dtype=int), [], []
    bias = np.zeros(len(net.output_weights)) if net.output_bias is None else net.output_bias
    for number, (W, b) in enumerate([*zip(net.weights, net.thresholds), (net.output_weights, bias)]):
        p = np.zeros(len(W), dtype=int)
        if number < len(net.weights):
            largest = np.frexp(W)[1] - below
            p = -np.where(W != 0.0, largest, np.iinfo(np.int32).min).max(axis=1)
            p = np.where(W.any(axis=1), p, 0)
            p = np.where((np.abs(p) <= WELL_SCALED).all(), 0, p)
            exponents.append(p)
        shift = p[:, None] - below
        V, c = np.ldexp(W, shift), np.ldexp(b, p)
        exact = (np.ldexp(V, -shift) == W).all() and (np.ldexp(c, -p) == b).all()
        require(exact, "rows that leave the range of float64 when they are brought to one size")
        layers.append((V, c))
        below = p
    return layers, exponents


def norm(v: Any) -> Any:
    """Return no less than the Euclidean norm along the last axis, but for overflow.

    sqrt(sum v^2) with n + 2 roundings; squares of numbers below 2^-510 may underflow, and lose
    2^-500 each at most.
    """
    n = v.shape[-1]
    return np.sqrt((v * v).sum(axis=-1)) * (1.0 + rounds(n + 4)) + n * 2.0**-500


def spectral_norm(W: Any) -> float:
    """Return no less than the spectral norm, and little more: |W|_2^16 = |M^8|_2 <= |M^8|_F with M
    = W^T W.

    With |G - M|_F <= lost, |fl(G G) - M M|_F <= 2 |G|_F lost + lost^2 + gamma_n |G|_F^2.
    """
    W = W if W.shape[0] >= W.shape[1] else W.T
    if not W.any():
        return 0.0
    size = 2.0 ** float(np.frexp(np.abs(W).max())[1] - 1)
    V = W / size
    m, n = V.shape
    G, lost = V.T @ V, rounds(m + 4) * norm(V.ravel()) ** 2
    for _ in range(3):
        own = norm(G.ravel())
        G, lost = G @ G, (2.0 * own * lost + lost * lost + rounds(n + 2) * own * own) * (1.0 + rounds(8))
    return float(size * ((norm(G.ravel()) + lost) * (1.0 + rounds(16))) ** 0.0625 * (1.0 + rounds(64)))


def box_of(domain: Any) -> tuple[Any, Any]:
    """Return a box that holds the domain."""
    if type(domain).__name__ == "Ball":
        ends = domain.centre - domain.radius, domain.centre + domain.radius
        return np.nextafter(ends[0], -np.inf), np.nextafter(ends[1], np.inf)
    if type(domain).__name__ == "Hull":
        return domain.points.min(axis=0), domain.points.max(axis=0)
    return domain.low, domain.high


class Values:
    """What is known of a layer's h: the ends of an interval, and its Euclidean norm at most."""

    def __init__(self, low: Any, high: Any, largest_norm: float) -> None:
        self.low, self.high = low, high
        self.largest = np.maximum(np.abs(low), np.abs(high))
        self.norm = min(largest_norm, float(norm(self.largest)))
        self.middle = low / 2.0 + high / 2.0
        self.half = np.maximum(high - self.middle, self.middle - low) * (1.0 + 4.0 * U)

    def take(self, order: Any) -> "Values":
        """Return the same of neurons in another order."""
        return Values(self.low[order], self.high[order], self.norm)


def ends(W: Any, b: Any, h: Values) -> tuple[Any, Any]:
    """Return numbers below and above W h + b: n products and additions, at corners of h's interval.
    """
    up, down = np.maximum(W, 0.0), np.minimum(W, 0.0)
    n, size = W.shape[1], np.abs(W) @ h.largest + np.abs(b)
    lost = rounds(n + 6) * size + TINY * (n + 6)
    return up @ h.low + down @ h.high + b - lost, up @ h.high + down @ h.low + b + lost


def difference(F: Any, G: Any, W: Any, k: Any, b: Any, c: Any, h: Values) -> tuple[Any, Any]:
    """Return q and t with |W k + R h + beta - q| <= t, for R = F - G and beta = b - c of products
    F, G and c, each rounded.

    R h is R times the middle of h's interval within |R| times its half, or 0 within |R|_2 |h|_2:
    the better of the two, row by row. R as computed is within u (1 + 4 u) (|F| + |G| + |R|) of R,
    all three as computed.
    """
    n, R = W.shape[1], F - G
    inexact = U * (1.0 + 16.0 * U) * (np.abs(F) + np.abs(G) + np.abs(R)) + 4.0 * TINY
    by_interval = (np.abs(R) @ h.half + inexact @ h.largest) * (1.0 + rounds(n + 8))
    by_norm = (norm(R) + norm(inexact)) * h.norm * (1.0 + rounds(8))
    interval = by_interval <= by_norm
    q = W @ k + np.where(interval, R @ h.middle, 0.0) + (b - c)
    terms = np.abs(W) @ np.abs(k) + np.where(interval, np.abs(R) @ np.abs(h.middle), 0.0)
    of_beta = 4.0 * U * (np.abs(b) + np.abs(c))  # c, b - c, and two sums with it
    t = np.minimum(by_interval, by_norm) + rounds(n + 8) * terms + of_beta
    return q, t * (1.0 + rounds(n + 16)) + TINY * (8.0 * n + 16.0 + h.largest.sum())


def through_relu(q: Any, t: Any, carried: float, z_f: Any, z_g: Any) -> tuple[Any, float]:
    """Return k and nu of relu(z_f) - relu(z_g), where z_f - z_g = d is q within t and a vector of
    norm `carried`.

    For each neuron the best of three, with (low, high) = z_f, z_g:

    * relu(z) = z + relu(-z), so that the difference is d within max(-low_f, -low_g, 0);
    * both are in [0, max(high_f, high_g, 0)], and so is their difference in size;
    * it is theta d, which is d / 2 within |d| / 2, and |d| <= |q| + t + that vector's entry.

    What is left beside k is a vector within `loose`, entry by entry, and one that is no longer than
    the carried one.
    """
    down = np.maximum(np.maximum(-z_f[0], -z_g[0]), 0.0)
    up = np.maximum(np.maximum(z_f[1], z_g[1]), 0.0)
    choices = np.array([t + down, up, np.abs(q) / 2.0 + t])
    best = choices.argmin(axis=0)
    k = np.where(best == 0, q, np.where(best == 1, 0.0, q / 2.0))
    loose = choices.min(axis=0) * (1.0 + rounds(4)) + 2.0 * TINY
    return k, (carried + float(norm(loose))) * (1.0 + rounds(4))


def pairing(labels: Any, scales: Any) -> tuple[Any, Any]:
    """Return g's neuron and the scale for each neuron of f; g's labels come first, each label
    twice.
    """
    n = len(labels) // 2
    names = np.arange(n)
    whole = len(labels) == 2 * n and all((np.sort(part) == names).all() for part in (labels[:n], labels[n:]))
    require(whole, "neurons that are not matched one to one")
    require((scales[:n] == 1.0).all() and (scales[n:] > 0.0).all(), "scales that are not positive, or not 1 in g")
    return np.argsort(labels[:n])[labels[n:]], scales[n:]


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound of |f - g| over the domain.

    data : labels0, labels1, ... and scales0, ... of each hidden layer, g's neurons before f's
    """
    relu = f.activation == g.activation == "relu"
    alike = [W.shape for W in f.weights] == [W.shape for W in g.weights]
    fit = f.output_weights.shape == g.output_weights.shape and f.weights[0].shape[1] == domain.n_inputs
    require(relu and alike and fit, "networks, or a domain, that do not fit")
    layers_f, exponents_f = scaled(f)
    layers_g, exponents_g = scaled(g)
    low, high = box_of(domain)
    h_f = h_g = Values(low, high, np.inf)
    d = len(low)
    order, s, k, nu = np.arange(d), np.ones(d), np.zeros(d), 0.0
    for layer, ((W, b), (V, c)) in enumerate(zip(layers_f, layers_g)):
        hidden = layer < len(layers_f) - 1
        if hidden:
            rows, scales = pairing(data[f"labels{layer}"], data[f"scales{layer}"])
            scales = np.ldexp(scales, exponents_f[layer] - exponents_g[layer][rows])
            require((scales > 0.0).all() and np.isfinite(scales).all(), "scales beyond float64")
        else:
            rows, scales = np.arange(len(W)), np.ones(len(W))
        F, G = W * s, scales[:, None] * V[rows][:, order]
        q, t = difference(F, G, W, k, b, scales * c[rows], h_g.take(order))
        if not hidden:
            break
        z_f, z_g = ends(W, b, h_f), ends(V, c, h_g)
        near = [beyond * (1.0 + sign * 2.0 * U * np.sign(beyond)) + sign * TINY
                for sign, beyond in zip((-1.0, 1.0), (scales * z_g[0][rows], scales * z_g[1][rows]))]
        carried = nu * spectral_norm(W) * (1.0 + rounds(4)) if nu else 0.0
        k, nu = through_relu(q, t, carried, z_f, near)
        grown = (spectral_norm(V) * h_g.norm + float(norm(c))) * (1.0 + rounds(4))
        h_f = Values(np.maximum(z_f[0], 0.0), np.maximum(z_f[1], 0.0), np.inf)
        h_g = Values(np.maximum(z_g[0], 0.0), np.maximum(z_g[1], 0.0), grown)
        order, s = rows, scales
    return float(((np.abs(q) + t + norm(W) * nu) * (1.0 + rounds(8)) + TINY).max())
