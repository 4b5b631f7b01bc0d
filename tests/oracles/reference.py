"""Evaluate networks, losses and gradients one sample at a time, in plain Python loops.

The tests compare the library's forward and backward passes with these. Nothing here uses the
library's arithmetic; the `exact_...` functions compute in rationals, without any rounding.
"""
import math
from fractions import Fraction
from typing import NamedTuple


class Gradient(NamedTuple):
    """The loss's derivatives as nested lists, shaped like the network's parameters."""

    weights: list
    thresholds: list
    output_weights: list
    output_bias: list | None


def as_lists(network, number=float):
    """Return (hidden maps, outgoing map) as nested lists of numbers; a map is (W, b)."""
    hidden = [
        ([[number(float(w)) for w in row] for row in W], [number(float(t)) for t in b])
        for W, b in zip(network.weights, network.thresholds)
    ]
    C = [[number(float(c)) for c in row] for row in network.output_weights]
    bias = network.output_bias
    a = [number(0.0)] * len(C) if bias is None else [number(float(t)) for t in bias]
    return hidden, (C, a)


def affine(W, b, h):
    """Return W h + b, term after term."""
    result = []
    for row, threshold in zip(W, b):
        total = threshold * 0
        for w, value in zip(row, h):
            total += w * value
        result.append(total + threshold)
    return result


def activate(z, activation):
    """Return s(z) entry by entry."""
    if activation == "relu":
        return [value if value > 0 else value * 0 for value in z]
    return [value * 0 + 1 if value > 0 else value * 0 for value in z]


def layers(network, x, number=float):
    """Return (z of each hidden layer, h of each hidden layer, outputs) at one sample."""
    hidden, (C, a) = as_lists(network, number)
    h = [number(float(value)) for value in x]
    all_z, all_h = [], []
    for W, b in hidden:
        all_z.append(affine(W, b, h))
        h = activate(all_z[-1], network.activation)
        all_h.append(h)
    return all_z, all_h, affine(C, a, h)


def forward(network, x):
    """Return the outputs at one sample, as a list of floats."""
    return layers(network, x)[2]


def exact_forward(network, x):
    """Return the outputs at one sample as fractions, without rounding."""
    return layers(network, x, Fraction)[2]


def exact_layers(network, x):
    """Return (z, h, outputs) at one sample as fractions."""
    return layers(network, x, Fraction)


def outputs(network, X):
    """Return the outputs at each sample, as a list of lists."""
    return [forward(network, x) for x in X]


def sample_loss(output, target, loss):
    """Return one sample's loss and its derivative by the outputs; a target is a list or a label."""
    if loss == "mse":
        residual = [o - float(t) for o, t in zip(output, target)]
        return sum(r * r for r in residual), [2.0 * r for r in residual]
    largest = max(output)
    exponentials = [math.exp(o - largest) for o in output]
    total = sum(exponentials)
    label = int(target)
    value = math.log(total) - (output[label] - largest)
    return value, [e / total - (k == label) for k, e in enumerate(exponentials)]


def mean_loss(network, X, y, loss):
    """Return the mean over the samples of the loss; `y` holds a list (mse) or a label a sample."""
    return sum(sample_loss(forward(network, x), t, loss)[0] for x, t in zip(X, y)) / len(X)


def flat(gradient):
    """Return a `Gradient` as one list in the order of the network's flat vector.

    A map's block is (n_in + 1, n_out), row by row: the transposed weights, then the thresholds.
    """
    result = []
    maps = [*zip(gradient.weights, gradient.thresholds), (gradient.output_weights, gradient.output_bias)]
    for W, b in maps:
        for i in range(len(W[0])):
            result.extend(row[i] for row in W)
        result.extend(b or [])
    return result
