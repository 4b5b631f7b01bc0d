"""Bound |f - g| in the Euclidean norm, for ReLU networks whose neurons are matched one to one.

This checks proofs of kind "norms" again, without any code of the provers or of the evaluation of
networks. The data names pairs of neurons, and for each a scale s > 0 with z_f near s z_g; every
number is computed here, rounding errors included.

In each layer let e = h_f - s h_g, for the pairs in f's order, be known up to a vector rho with
|rho|_2 <= nu. In the next layer, with the scales s' there,

    d = z_f - s' z_g = W_f e + R h_g + beta,
    R = W_f s - s' W_g,    beta = b_f - s' b_g,    |W_f rho|_2 <= |W_f|_2 nu.

Then relu(z_f) - relu(s' z_g) = theta d with theta in [0, 1] is the next e, see `through_relu`. Of
h_g both an interval and the norm are known. Rows are first brought to numbers of about 1 by powers
of two, which is exact and leaves the functions as they are.

u = 2^-53, gamma_n and the charges for underflow are those of `arithmetic`.

References
----------
PROOFS, Lemma 11; docs/certificates.md, section 10.
"""
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import (
    SMALLEST, UNDERFLOW, UNIT_ROUNDOFF, Interval, Layer, above, affine_bounds, below, bounding_box,
    gamma, layers_of, middle_and_radius, norm_above, raised, require,
)

WELL_SCALED = 8
"""Layers whose rows have entries of at most 2^8 and at least 2^-9 are left as they are."""


class Activations(NamedTuple):
    """A layer's h: an interval for each neuron, and a bound on the norm, |h|_2 <= norm."""

    interval: Interval
    norm: float

    def take(self, order: Any) -> "Activations":
        """Return the bounds of the neurons in another order."""
        return Activations(Interval(*(bound[order] for bound in self.interval)), self.norm)


class Pairs(NamedTuple):
    """The pairs of a layer: for each neuron of f, in order, that of g, and the scale."""

    of_g: Any
    scales: Any


class RowDifferences(NamedTuple):
    """R = rows and beta, each within its errors, entry by entry."""

    rows: Any
    errors: Any
    beta: Any
    beta_errors: Any


class Difference(NamedTuple):
    """A vector e = known + rho with |rho|_2 <= norm."""

    known: Any
    norm: float


# both networks


def scaled_layers(network: Any) -> tuple[list[Layer], list[Any]]:
    """Return the layers, outputs included, with rows of about 1, and the hidden neurons' exponents.

    With exponents p the layers' h are 2^p times those of the network, as relu(2^p z) = 2^p relu(z):

        W' = 2^p W 2^-p_below,    b' = 2^p b.

    ValueError if that rounds, which is seen by going back.
    """
    below_this = np.zeros(network.weights[0].shape[1], dtype=int)
    layers, exponents = [], []
    for number, (W, b) in enumerate(layers_of(network)):
        is_hidden = number < len(network.weights)
        p = row_exponents(W, below_this) if is_hidden else np.zeros(len(W), dtype=int)
        shift = p[:, np.newaxis] - below_this
        scaled = Layer(np.ldexp(W, shift), np.ldexp(b, p))

        back = np.ldexp(scaled.weights, -shift), np.ldexp(scaled.thresholds, -p)
        is_exact = (back[0] == W).all() and (back[1] == b).all()
        require(is_exact, "rows that leave the range of float64 when they are scaled")
        layers.append(scaled)
        exponents.append(p)
        below_this = p
    return layers, exponents[:-1]


def row_exponents(W: Any, below_this: Any) -> Any:
    """Return p with the largest entry of each row 2^p W 2^-p_below between 1/2 and 1; 0 for a zero
    row, and for all rows if none needs more than 2^WELL_SCALED.
    """
    exponents = np.frexp(W)[1] - below_this
    p = -np.where(W != 0.0, exponents, np.iinfo(np.int32).min).max(axis=1)
    p = np.where(W.any(axis=1), p, 0)
    return np.where((np.abs(p) <= WELL_SCALED).all(), 0, p)


def pairs_of(labels: Any, scales: Any) -> Pairs:
    """Return the pairs that labels and scales name; ValueError if they name none.

    g's labels come before f's, and each label is there twice; scales are positive, and 1 in g.
    """
    n = len(labels) // 2
    labels_g, labels_f = labels[:n], labels[n:]
    is_matched = len(labels) == 2 * n and \
        all((np.sort(part) == np.arange(n)).all() for part in (labels_g, labels_f))
    require(is_matched, "neurons that are not matched one to one")
    is_positive = (scales[:n] == 1.0).all() and (scales[n:] > 0.0).all()
    require(is_positive, "scales that are not positive, or not 1 in g")
    return Pairs(np.argsort(labels_g)[labels_f], scales[n:])


def pairs_in_layer(data: Any, layer: int, exponents_f: Any, exponents_g: Any) -> Pairs:
    """Return the pairs of a hidden layer, for rows that are multiplied by powers of two."""
    of_g, scales = pairs_of(data[f"labels{layer}"], data[f"scales{layer}"])
    scales = np.ldexp(scales, exponents_f - exponents_g[of_g])
    require((scales > 0.0).all() and np.isfinite(scales).all(), "scales beyond float64")
    return Pairs(of_g, scales)


# norms and layers


def spectral_norm(W: Any) -> float:
    """Return a tight upper bound on the spectral norm.

    With V = W / 2^p, the largest entry between 1 and 2, and M = V^T V,

        |V|_2^16 = |M^8|_2 <= |M^8|_F.

    A computed G of M is off by at most gamma_m |V|_F^2 in the Frobenius norm, and if |G - M|_F is
    at most error, then

        |fl(G G) - M M|_F <= 2 |G|_F error + error^2 + gamma_n |G|_F^2.

    One rounding more is charged for each sum: far more than products that underflow, beside an
    entry of 1. The four square roots of the 16th root have less than two roundings together.
    """
    W = W if W.shape[0] >= W.shape[1] else W.T
    if not W.any():
        return 0.0
    power = 2.0 ** float(np.frexp(np.abs(W).max())[1] - 1)
    V = W / power
    m, n = V.shape

    G, error = V.T @ V, raised(gamma(m + 1) * norm_above(V.ravel()) ** 2, 2)
    for _ in range(3):
        own = norm_above(G.ravel())
        error = raised(2.0 * own * error + error * error + gamma(n + 1) * own * own, 4)
        G = G @ G
    root = sqrt(sqrt(sqrt(sqrt(norm_above(G.ravel()) + error))))
    return float(power * raised(root, 3) + SMALLEST)


def through_relu_norm(layer: Layer, norm: float) -> float:
    """Return a bound on |relu(W h + b)|_2 where |h|_2 <= norm: |W|_2 norm + |b|_2."""
    grown = spectral_norm(layer.weights) * norm + norm_above(layer.thresholds)
    return float(raised(grown, 2) + UNDERFLOW)


def scaled_bounds(z: Interval, pairs: Pairs) -> Interval:
    """Return bounds on s z_g for f's neurons, in order; each product is rounded once."""
    return Interval(
        below(pairs.scales * z.low[pairs.of_g]), above(pairs.scales * z.high[pairs.of_g])
    )


def activations(z: Interval, norm: float) -> Activations:
    """Return what is known of h = relu(z): its interval, and the smaller one of two norms."""
    interval = Interval(np.maximum(z.low, 0.0), np.maximum(z.high, 0.0))
    return Activations(interval, min(norm, float(norm_above(interval.largest))))


def row_differences(of_f: Layer, of_g: Layer) -> RowDifferences:
    """Return R = W_f s - s' W_g and beta = b_f - s' b_g, with their errors.

    of_f, of_g : the two parts, whose products with s and s' have been rounded once

    A rounding is at most u times its result. b_f and s' b_g go through three at most, gamma_3: the
    product with s', their difference here, and the sum with the other terms in `difference`.
    """
    (F, b), (G, c) = of_f, of_g
    R = F - G
    errors = raised(UNIT_ROUNDOFF * (np.abs(F) + np.abs(G) + np.abs(R)), 2) + UNDERFLOW
    return RowDifferences(R, errors, b - c, gamma(3) * (np.abs(b) + np.abs(c)))


def difference(W: Any, k: Any, R: RowDifferences, h: Activations) -> tuple[Any, Any]:
    """Return q and t with |W k + R h + beta - q| <= t, entry by entry: d but for W rho.

    k : what is known of e below; h : g's activations there, in f's order

    Row by row the better of two bounds on R h is taken:

        |R h - R middle| <= |R| radius, by the intervals of h,    |R h| <= |R|_2 |h|_2.

    Terms of q go through at most n + 2 roundings; t itself is a sum of n + 5 roundings. Six
    products of each term may underflow.
    """
    n, rows = W.shape[1], R.rows
    middle, radius = middle_and_radius(h.interval)
    by_interval = np.abs(rows) @ radius + R.errors @ h.interval.largest
    by_norm = (norm_above(rows) + norm_above(R.errors)) * h.norm
    use_interval = by_interval <= by_norm

    q = W @ k + np.where(use_interval, rows @ middle, 0.0) + R.beta
    terms = np.abs(W) @ np.abs(k) + np.where(use_interval, np.abs(rows) @ np.abs(middle), 0.0)
    t = np.minimum(by_interval, by_norm) + gamma(n + 2) * terms + R.beta_errors
    return q, raised(t, n + 5) + UNDERFLOW * (2 * n + 4)


def difference_in_layer(
    layer_f: Layer, pairs: Pairs, layer_g: Layer, below_pairs: Pairs, k: Any, h: Activations
) -> tuple[Any, Any]:
    """Return q and t of `difference` for the pairs of this layer and those below it."""
    rows_g, columns_g = pairs.of_g, below_pairs.of_g
    of_f = Layer(layer_f.weights * below_pairs.scales, layer_f.thresholds)
    of_g = Layer(
        pairs.scales[:, np.newaxis] * layer_g.weights[rows_g][:, columns_g],
        pairs.scales * layer_g.thresholds[rows_g],
    )
    return difference(layer_f.weights, k, row_differences(of_f, of_g), h.take(columns_g))


def through_relu(q: Any, t: Any, carried: float, z_f: Interval, z_g: Interval) -> Difference:
    """Return relu(z_f) - relu(z_g), where z_f - z_g = d is q within t, entry by entry, plus a
    vector of norm `carried`.

    For each neuron the best of three is taken:

    * relu(z) = z + relu(-z), so that the difference is d within max(-low_f, -low_g, 0);
    * both are in [0, max(high_f, high_g, 0)], so that |difference| is no larger;
    * the difference is theta d, which is d / 2 within |d| / 2, and |d| <= |q| + t + |entry of the
      carried vector|.

    So rho is a vector within `loose`, entry by entry, plus one that is no longer than the carried
    one, whose norm is added once. What halves lose by underflow is less than what `norm_above`
    adds.
    """
    down = np.maximum(np.maximum(-z_f.low, -z_g.low), 0.0)
    up = np.maximum(np.maximum(z_f.high, z_g.high), 0.0)
    looseness = np.array([t + down, up, np.abs(q) / 2.0 + t])
    best = looseness.argmin(axis=0)
    known = np.where(best == 0, q, np.where(best == 1, 0.0, q / 2.0))
    loose = raised(looseness.min(axis=0), 1)
    return Difference(known, float(raised(carried + norm_above(loose), 1)))


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound on |f - g| over the domain.

    data : labels0, labels1, ... and scales0, ... of each hidden layer, g's neurons before f's

    ValueError if the data proves none.
    """
    relu = f.activation == g.activation == "relu"
    alike = [W.shape for W in f.weights] == [W.shape for W in g.weights]
    same_outputs = f.output_weights.shape == g.output_weights.shape
    fit = same_outputs and f.weights[0].shape[1] == domain.n_inputs
    require(relu and alike and fit, "networks, or a domain, that do not fit")

    layers_f, exponents_f = scaled_layers(f)
    layers_g, exponents_g = scaled_layers(g)
    inputs = bounding_box(domain)
    h_f = h_g = Activations(inputs, float(norm_above(inputs.largest)))
    d = domain.n_inputs
    pairs, e = Pairs(np.arange(d), np.ones(d)), Difference(np.zeros(d), 0.0)
    for number, (layer_f, layer_g) in enumerate(zip(layers_f[:-1], layers_g[:-1])):
        below_pairs = pairs
        pairs = pairs_in_layer(data, number, exponents_f[number], exponents_g[number])
        q, t = difference_in_layer(layer_f, pairs, layer_g, below_pairs, e.known, h_g)

        z_f, z_g = affine_bounds(layer_f, h_f.interval), affine_bounds(layer_g, h_g.interval)
        carried = float(raised(spectral_norm(layer_f.weights) * e.norm, 1)) if e.norm else 0.0
        e = through_relu(q, t, carried, z_f, scaled_bounds(z_g, pairs))

        h_f, h_g = activations(z_f, np.inf), activations(z_g, through_relu_norm(layer_g, h_g.norm))

    outputs = Pairs(np.arange(len(f.output_weights)), np.ones(len(f.output_weights)))
    q, t = difference_in_layer(layers_f[-1], outputs, layers_g[-1], pairs, e.known, h_g)
    bound = np.abs(q) + t + norm_above(layers_f[-1].weights) * e.norm
    return float((raised(bound, 3) + UNDERFLOW).max())
