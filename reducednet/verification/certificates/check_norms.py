"""Bound |f - g| in the Euclidean norm, for ReLU networks whose neurons are matched one to one.

This checks proofs of kind "norms" again, without any code of the provers or of the evaluation of
networks. The data names pairs of neurons, and for each a scale s > 0 with z_f near s z_g; every
number is computed here, rounding errors included.

In each layer let e = h_f - s h_g, for the pairs in f's order, be k + rho with a known k and
|rho|_2 <= nu. In the next layer, with the scales s' there,

    d = z_f - s' z_g = W_f k + W_f rho + R h_g + beta,
    R = W_f s - s' W_g,    beta = b_f - s' b_g,    |W_f rho|_2 <= |W_f|_2 nu.

With relu(z_f) - relu(s' z_g) = theta d, theta in [0, 1], `through_relu` finds the next k and nu. Of
h_g both an interval and the norm are known. Rows are first brought to numbers of about 1 by powers
of two, which is exact and leaves the functions as they are.

u is the unit roundoff 2^-53, and gamma_n = n u / (1 - n u).

References
----------
THEORY, section 9, "Euclidean norms".
"""
from typing import Any

import numpy as np

UNIT_ROUNDOFF, TINY = 2.0**-53, 2.0**-1074
WELL_SCALED = 8
"""Layers whose rows have entries of at most 2^8 and at least 2^-9 are left as they are."""


def require(fact: Any, otherwise: str) -> None:
    """Raise ValueError with this text unless the fact is true."""
    if not fact:
        raise ValueError(otherwise)


def gamma(n: int) -> float:
    """Return gamma_n = n u / (1 - n u), the largest relative error of n roundings."""
    return n * UNIT_ROUNDOFF / (1.0 - n * UNIT_ROUNDOFF)


def scaled(net: Any) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Return the layers (W, b), outputs included, with rows of about 1, and the hidden neurons' p.

    The layers' h are 2^p times those of the network: W' = 2^p W 2^-p_below and b' = 2^p b.
    ValueError if that rounds.
    """
    below, layers, exponents = np.zeros(net.weights[0].shape[1], dtype=int), [], []
    bias = np.zeros(len(net.output_weights)) if net.output_bias is None else net.output_bias
    maps = [*zip(net.weights, net.thresholds), (net.output_weights, bias)]
    for number, (W, b) in enumerate(maps):
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
        require(exact, "rows that leave the range of float64 when they are scaled")
        layers.append((V, c))
        below = p
    return layers, exponents


def norm(v: Any) -> Any:
    """Return an upper bound on the Euclidean norm along the last axis, except on overflow.

    sqrt(sum v^2) has n + 2 roundings; the squares of numbers below 2^-510 may underflow, which
    changes the norm by at most 2^-500 for each.
    """
    n = v.shape[-1]
    return np.sqrt((v * v).sum(axis=-1)) * (1.0 + gamma(n + 4)) + n * 2.0**-500


def spectral_norm(W: Any) -> float:
    """Return a tight upper bound on the spectral norm.

    |W|_2^16 = |M^8|_2 <= |M^8|_F with M = W^T W. If |G - M|_F <= error, then

        |fl(G G) - M M|_F <= 2 |G|_F error + error^2 + gamma_n |G|_F^2.
    """
    W = W if W.shape[0] >= W.shape[1] else W.T
    if not W.any():
        return 0.0
    power = 2.0 ** float(np.frexp(np.abs(W).max())[1] - 1)
    V = W / power
    m, n = V.shape
    G, error = V.T @ V, gamma(m + 4) * norm(V.ravel()) ** 2
    for _ in range(3):
        own = norm(G.ravel())
        grown = 2.0 * own * error + error * error + gamma(n + 2) * own * own
        G, error = G @ G, grown * (1.0 + gamma(8))
    root = ((norm(G.ravel()) + error) * (1.0 + gamma(16))) ** 0.0625
    return float(power * root * (1.0 + gamma(64)))


def bounding_box(domain: Any) -> tuple[Any, Any]:
    """Return a box that holds the domain; a Ball's is rounded outward."""
    if type(domain).__name__ == "Ball":
        low, high = domain.centre - domain.radius, domain.centre + domain.radius
        return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    if type(domain).__name__ == "Hull":
        return domain.points.min(axis=0), domain.points.max(axis=0)
    return domain.low, domain.high


class Values:
    """A layer's h: bounds of each neuron, low <= h <= high, and of the norm, |h|_2 <= norm."""

    def __init__(self, low: Any, high: Any, largest_norm: float) -> None:
        self.low, self.high = low, high
        self.largest = np.maximum(np.abs(low), np.abs(high))
        self.norm = min(largest_norm, float(norm(self.largest)))
        self.middle = low / 2.0 + high / 2.0
        self.half = np.maximum(high - self.middle, self.middle - low) * (1.0 + 4.0 * UNIT_ROUNDOFF)

    def take(self, order: Any) -> "Values":
        """Return the bounds of the neurons in another order."""
        return Values(self.low[order], self.high[order], self.norm)


def pre_activation_bounds(W: Any, b: Any, h: Values) -> tuple[Any, Any]:
    """Return numbers below and above W h + b, which is smallest and largest at corners of h's box.

    n products and additions are off by at most gamma_(n+6) (|W| |h| + |b|) + (n + 6) TINY, this
    margin's own addition included.
    """
    up, down = np.maximum(W, 0.0), np.minimum(W, 0.0)
    n, magnitude = W.shape[1], np.abs(W) @ h.largest + np.abs(b)
    margin = gamma(n + 6) * magnitude + TINY * (n + 6)
    return up @ h.low + down @ h.high + b - margin, up @ h.high + down @ h.low + b + margin


def difference(F: Any, G: Any, W: Any, k: Any, b: Any, c: Any, h: Values) -> tuple[Any, Any]:
    """Return q and t with |W k + R h + beta - q| <= t, where R = F - G and beta = b - c.

    F, G and c are products that are rounded once. Row by row the better of two is taken: R h is R
    middle within |R| half, by h's interval; or 0 within |R|_2 |h|_2. With F, G and R as computed,
    the computed R is within u (1 + 4 u) (|F| + |G| + |R|) of the exact one. The sums in q have at
    most n + 8 roundings.
    """
    n, R = W.shape[1], F - G
    relative = UNIT_ROUNDOFF * (1.0 + 16.0 * UNIT_ROUNDOFF)
    inexact = relative * (np.abs(F) + np.abs(G) + np.abs(R)) + 4.0 * TINY
    by_interval = (np.abs(R) @ h.half + inexact @ h.largest) * (1.0 + gamma(n + 8))
    by_norm = (norm(R) + norm(inexact)) * h.norm * (1.0 + gamma(8))
    interval = by_interval <= by_norm

    q = W @ k + np.where(interval, R @ h.middle, 0.0) + (b - c)
    terms = np.abs(W) @ np.abs(k) + np.where(interval, np.abs(R) @ np.abs(h.middle), 0.0)
    of_beta = 4.0 * UNIT_ROUNDOFF * (np.abs(b) + np.abs(c))  # c, b - c, and two sums with it
    t = np.minimum(by_interval, by_norm) + gamma(n + 8) * terms + of_beta
    return q, t * (1.0 + gamma(n + 16)) + TINY * (8.0 * n + 16.0 + h.largest.sum())


def through_relu(q: Any, t: Any, carried: float, z_f: Any, z_g: Any) -> tuple[Any, float]:
    """Return k and nu with relu(z_f) - relu(z_g) = k + rho, |rho|_2 <= nu.

    Here z_f - z_g = d is q within t, entry by entry, plus a vector of norm `carried`; z_f and z_g
    are given by their bounds (low, high). For each neuron the best of three is taken:

    * relu(z) = z + relu(-z), so that the difference is d within max(-low_f, -low_g, 0);
    * both are in [0, max(high_f, high_g, 0)], so that |difference| is no larger;
    * the difference is theta d, which is d / 2 within |d| / 2, and |d| <= |q| + t + |entry of the
      carried vector|.

    So rho is a vector within `loose`, entry by entry, plus one that is no longer than the carried
    one.
    """
    down = np.maximum(np.maximum(-z_f[0], -z_g[0]), 0.0)
    up = np.maximum(np.maximum(z_f[1], z_g[1]), 0.0)
    choices = np.array([t + down, up, np.abs(q) / 2.0 + t])
    best = choices.argmin(axis=0)
    k = np.where(best == 0, q, np.where(best == 1, 0.0, q / 2.0))
    loose = choices.min(axis=0) * (1.0 + gamma(4)) + 2.0 * TINY
    return k, (carried + float(norm(loose))) * (1.0 + gamma(4))


def pairing(labels: Any, scales: Any) -> tuple[Any, Any]:
    """Return g's neuron and the scale for each neuron of f.

    g's labels come before f's, and each label is there twice.
    """
    n = len(labels) // 2
    names = np.arange(n)
    of_g, of_f = labels[:n], labels[n:]
    whole = len(labels) == 2 * n and all((np.sort(part) == names).all() for part in (of_g, of_f))
    require(whole, "neurons that are not matched one to one")
    require(
        (scales[:n] == 1.0).all() and (scales[n:] > 0.0).all(),
        "scales that are not positive, or not 1 in g",
    )
    return np.argsort(of_g)[of_f], scales[n:]


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound on |f - g| over the domain.

    data : labels0, labels1, ... and scales0, ... of each hidden layer, g's neurons before f's
    """
    relu = f.activation == g.activation == "relu"
    alike = [W.shape for W in f.weights] == [W.shape for W in g.weights]
    same_outputs = f.output_weights.shape == g.output_weights.shape
    fit = same_outputs and f.weights[0].shape[1] == domain.n_inputs
    require(relu and alike and fit, "networks, or a domain, that do not fit")

    layers_f, exponents_f = scaled(f)
    layers_g, exponents_g = scaled(g)
    low, high = bounding_box(domain)
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

        z_f, z_g = pre_activation_bounds(W, b, h_f), pre_activation_bounds(V, c, h_g)
        bounds_g = scales * z_g[0][rows], scales * z_g[1][rows]
        scaled_g = [  # moved outward by more than the rounding of the product
            bound * (1.0 + sign * 2.0 * UNIT_ROUNDOFF * np.sign(bound)) + sign * TINY
            for sign, bound in zip((-1.0, 1.0), bounds_g)
        ]
        carried = nu * spectral_norm(W) * (1.0 + gamma(4)) if nu else 0.0
        k, nu = through_relu(q, t, carried, z_f, scaled_g)

        grown = (spectral_norm(V) * h_g.norm + float(norm(c))) * (1.0 + gamma(4))
        h_f = Values(np.maximum(z_f[0], 0.0), np.maximum(z_f[1], 0.0), np.inf)
        h_g = Values(np.maximum(z_g[0], 0.0), np.maximum(z_g[1], 0.0), grown)
        order, s = rows, scales
    return float(((np.abs(q) + t + norm(W) * nu) * (1.0 + gamma(8)) + TINY).max())
