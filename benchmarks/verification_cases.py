"""Make the networks of the Verification table, and sample their difference."""
from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

import reducednet as rn

ROOT = Path(__file__).resolve().parent.parent


def box(d):
    """Return [-1, 1]^d."""
    return rn.Box(-np.ones(d), np.ones(d))


def deep(sizes, rng):
    """Return a network with weights N(0, 2 / fan_in), thresholds N(0, 1) / 10 and an output bias."""
    rng = np.random.default_rng(rng)
    weights = [rng.standard_normal((n, m)) * math.sqrt(2.0 / m) for m, n in zip(sizes[:-1], sizes[1:])]
    thresholds = [rng.standard_normal(n) / 10.0 for n in sizes[1:]]
    return rn.Network(weights[:-1], thresholds[:-1], weights[-1], thresholds[-1])


def shallow(n, d, rng):
    """Return a network of n neurons that all cut [-1, 1]^d, of one output, and an output bias."""
    rng = np.random.default_rng(rng)
    W = rng.standard_normal((n, d))
    b = -(W * rng.uniform(-1.0, 1.0, (n, d))).sum(axis=1)
    return rn.Network([W], [b], rng.standard_normal((1, n)) / math.sqrt(n), [rng.standard_normal()])


def arrays(network):
    """Return (W, b, c, a) of a shallow network of one output, to change."""
    bias = network.output_bias
    return (network.weights[0].copy(), network.thresholds[0].copy(), network.output_weights[0].copy(),
            0.0 if bias is None else float(bias[0]))


def disguised(network, rng):
    """Return the same shallow function to rounding: rescaled, a third flipped, a tenth duplicated, permuted.

    s(z) = s(-z) + z: the sum of the c z is one more neuron, always on over [-1, 1]^d.
    """
    W, b, c, a = arrays(network)
    n, d = W.shape
    factors = rng.uniform(0.5, 2.0, n)
    W, b, c = W * factors[:, np.newaxis], b * factors, c / factors
    flipped = rng.random(n) < 1 / 3
    affine = np.column_stack([W, b])[flipped] * c[flipped, np.newaxis]
    *alpha, beta = (math.fsum(column) for column in affine.T)
    W[flipped], b[flipped] = -W[flipped], -b[flipped]
    twice = np.flatnonzero(rng.random(n) < 0.1)
    shares = rng.random(len(twice)) * c[twice]
    c[twice] -= shares
    shift = float(np.abs(alpha).sum() + abs(beta) + 1.0)
    W, b = np.vstack([W, W[twice], [alpha]]), np.concatenate([b, b[twice], [beta + shift]])
    c, order = np.concatenate([c, shares, [1.0]]), rng.permutation(n + len(twice) + 1)
    return rn.Network([W[order]], [b[order]], [c[order]], [a - shift])


def permuted(network, rng, changed=None):
    """Return the same shallow function exactly: rows scaled by powers of two, a tenth split in halves, permuted.

    changed : "column" or "threshold" of one neuron is changed by 1e-6 relative
    """
    W, b, c, a = arrays(network)
    j = int(np.argsort(np.abs(c))[len(c) // 2])
    if changed == "column":
        c[j] *= 1.0 + 1e-6
    if changed == "threshold":
        b[j] *= 1.0 + 1e-6
    factors = 2.0 ** rng.integers(-20, 21, len(b))
    W, b, c = W * factors[:, np.newaxis], b * factors, c / factors
    twice = np.flatnonzero(rng.random(len(b)) < 0.1)
    c[twice] /= 2.0
    W, b, c = np.vstack([W, W[twice]]), np.concatenate([b, b[twice]]), np.concatenate([c, c[twice]])
    order = rng.permutation(len(b))
    return rn.Network([W[order]], [b[order]], [c[order]], None if network.output_bias is None else [a])


def perturbed(network, relative, rng):
    """Return the network with every parameter p changed to p (1 + relative N(0, 1))."""
    theta = network.to_vector()
    return network.with_vector(theta * (1.0 + relative * rng.standard_normal(len(theta))))


def moved(network, size, rng):
    """Return a shallow network with thresholds moved by at most `size`."""
    W, b, c, a = arrays(network)
    return rn.Network([W], [b + rng.uniform(-size, size, len(b))], [c], [a])


def largest_output(network, domain):
    """Return the largest |output| at 1000 random points: what bounds are relative to."""
    return float(np.abs(network(domain.sample(1000, 0))).max())


def sampled_difference(f, g, domain, rng, samples=20000, rounds=60):
    """Return a lower bound of sup |f - g| over a Box by samples and a random local ascent."""
    def difference(X):
        return np.abs(f(X) - g(X)).max(axis=1)

    X = domain.sample(samples, rng)
    corners = np.where(rng.random((1000, domain.n_inputs)) < 0.5, domain.low, domain.high)
    X = np.vstack([X, corners])
    best = X[np.argsort(difference(X))[-50:]]
    for radius in np.geomspace(0.3, 1e-5, rounds):
        steps = radius * rng.standard_normal((40, *best.shape)) * (rng.random((40, *best.shape)) < 0.7)
        tries = np.clip(best + steps * (domain.high - domain.low) / 2.0, domain.low, domain.high)
        tries = np.concatenate([best[np.newaxis], tries])
        values = difference(tries.reshape(-1, domain.n_inputs)).reshape(tries.shape[:2])
        best = tries[values.argmax(axis=0), np.arange(len(best))]
    return float(difference(best).max())


def values_on_a_line(network, x):
    """Return a shallow network of one input and output at sorted points x, by running sums: O(N log N)."""
    W, b, c, a = arrays(network)
    w = W[:, 0]
    total = np.full(len(x), a)
    for sign in (1.0, -1.0):
        own = sign * w > 0.0
        start = sign * -b[own] / w[own]  # on where sign x > start
        order = np.argsort(start)
        count = np.searchsorted(start[order], sign * x)
        slopes, offsets = (np.concatenate([[0.0], np.cumsum((c[own] * v[own])[order])]) for v in (w, b))
        total += slopes[count] * x + offsets[count]
    return total + float(c[w == 0.0] @ np.maximum(b[w == 0.0], 0.0))


def difference_on_a_line(f, g, domain):
    """Return max |f - g| over the breakpoints and ends of an interval, as computed in float64."""
    breakpoints = np.concatenate([-net.thresholds[0] / net.weights[0][:, 0] for net in (f, g)])
    low, high = domain.low[0], domain.high[0]
    inside = breakpoints[(low <= breakpoints) & (breakpoints <= high)]
    x = np.sort(np.concatenate([[low, high], inside]))
    return float(np.abs(values_on_a_line(f, x) - values_on_a_line(g, x)).max())


def real_networks():
    """Return (name, network, box) of each .nnet file of the folder REDUCEDNET_NETS."""
    folder = Path(os.environ.get("REDUCEDNET_NETS", ROOT / ".." / "shared" / "nets"))
    found = []
    for path in sorted(folder.glob("*.nnet")):
        network = rn.load(path)
        try:
            domain = rn.load_box(path)
        except ValueError:  # the file declares no box
            domain = rn.Box(np.zeros(network.n_inputs), np.ones(network.n_inputs))
        found.append((path.stem, network, domain))
    return found


def output_bound(network, domain):
    """Return what is proved of max |output| on the domain without splitting it: the bound of N - 0."""
    zero = rn.Network([np.zeros((1, network.n_inputs))], [[0.0]], np.zeros((network.n_outputs, 1)))
    return rn.verify(network, zero, domain, eps=0.0, method="matching").bound
