"""Sum absolute products over paths: the scale of rounding errors of outputs, losses and gradients.

A computed output is a sum over paths of products, each with at most K rounding factors (1 + delta);
so it differs from the exact one by at most gamma(K) times the sum of the absolute products, as long
as the same neurons are active. Two ways of computing it differ by at most twice that. The same holds
for the backward pass (PROOFS, section 2). All functions take every ReLU neuron as active.
"""
import numpy as np

from reducednet.numerics.rounding import gamma


def maps(network):
    """Return the absolute values of the affine maps, the outgoing one last."""
    bias = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    hidden = list(zip(network.weights, network.thresholds))
    return [(np.abs(W), np.abs(b)) for W, b in [*hidden, (network.output_weights, bias)]]


def layers(network, X):
    """Return the path sums of X, of each hidden layer and of the outputs, each (n_samples, n_l)."""
    result = [np.abs(X)]
    *hidden, _ = maps(network)
    for W, b in hidden:
        H = result[-1] @ W.T + b
        result.append(np.ones_like(H) if network.activation == "binary" else H)
    C, a = maps(network)[-1]
    return [*result, result[-1] @ C.T + a]


def roundings(network, n_samples=1):
    """Return K: product sums of every layer there and back, a loss, and a mean over the samples."""
    return 2 * sum(network.sizes) + 6 * len(network.sizes) + 2 * n_samples + 24


def outputs_tolerance(network, X, extra=0):
    """Return a bound of the difference of two computations of the outputs, of their shape."""
    return 2 * gamma(roundings(network) + extra) * layers(network, X)[-1]


def delta(network, X, y, loss):
    """Return absolute sums for the derivative of the loss with respect to the outputs.

    The derivative of the cross entropy is at most 2. Its error is a few roundings of numbers as
    large as the outputs, plus at most twice the largest error of the outputs.
    """
    out = layers(network, X)[-1]
    if loss == "mse":
        return 2.0 / len(X) * (out + np.abs(np.reshape(y, out.shape)))
    return np.broadcast_to((6.0 + 6.0 * out.max(axis=1, keepdims=True)) / len(X), out.shape)


def loss(network, X, y, loss):
    """Return the absolute sum that scales the rounding error of the loss."""
    out = layers(network, X)[-1]
    if loss == "mse":
        return float(((out + np.abs(np.reshape(y, out.shape))) ** 2).sum()) / len(X)
    return float((6.0 + 6.0 * out.max(axis=1)).sum()) / len(X)


def loss_tolerance(network, X, y, loss_name, extra=0):
    """Return a bound of the difference of two computations of the loss."""
    return 4 * gamma(roundings(network, len(X)) + extra) * loss(network, X, y, loss_name)


def gradient(network, X, y, loss):
    """Return absolute sums of the gradient, in the order of the flat vector."""
    H, D = layers(network, X), delta(network, X, y, loss)
    parts = []
    for layer in range(len(network.sizes) - 2, -1, -1):
        W, _ = maps(network)[layer]
        rows = [H[layer].T @ D]
        if layer < network.depth or network.output_bias is not None:
            rows.append(D.sum(axis=0, keepdims=True))
        parts.append(np.concatenate([row.ravel() for row in rows]))
        D = D @ W
    return np.concatenate(parts[::-1])


def gradient_tolerance(network, X, y, loss, extra=0):
    """Return a bound of the difference of two computations of the gradient, a flat vector."""
    return 4 * gamma(roundings(network, len(X)) + extra) * gradient(network, X, y, loss)
