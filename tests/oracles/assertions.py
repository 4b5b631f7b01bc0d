"""Assert that computed numbers are equal up to tolerances that are derived, not chosen.

A tolerance is a count of roundings (`gamma(n)`, PROOFS, section 1) times a sum of absolute values
of terms, or a bound that the library proves. A failure names the comparison, the index and both
values.
"""
import numpy as np

import reducednet as rn
from reducednet.numerics.rounding import SMALLEST, gamma


def fail_at(what, index, left, right, allowed, extra=""):
    """Raise an AssertionError that names the comparison, the index and both values."""
    raise AssertionError(
        f"{what}, index {tuple(int(i) for i in index)}: {left!r} against {right!r}, "
        f"difference {abs(left - right)!r}, allowed {allowed!r}{extra}"
    )


def assert_close(left, right, tolerance, what):
    """Assert |left - right| <= tolerance, entry by entry; all broadcast."""
    left, right, tolerance = np.broadcast_arrays(left, right, tolerance)
    wrong = ~(np.abs(left - right) <= tolerance)
    if wrong.any():
        index = tuple(np.argwhere(wrong)[0])
        fail_at(what, index, float(left[index]), float(right[index]), float(tolerance[index]))


def assert_equal_bits(left, right, what):
    """Assert that two arrays have the same shape and the same entries; -0.0 and 0.0 are the same."""
    assert np.shape(left) == np.shape(right), f"{what}: shapes {np.shape(left)} and {np.shape(right)}"
    assert_close(np.asarray(left, dtype=float), np.asarray(right, dtype=float), 0.0, what)


def hidden_outputs(network, X):
    """Return the computed activations of each hidden layer, (n_samples, n_l)."""
    act = rn.activations.ACTIVATIONS[network.activation].value
    return [act(Z) for Z in network.pre_activations(X)]


def assert_same_function(network, reduced, X, same_widths=True):
    """Assert that a reduction is the same function at X, points of its domain.

    ReLU: |N - R| <= rn.reduction_bound for each output. Binary: at every decided point, all hidden
    layers are equal (if the widths are the same) and the outputs agree within the bound.
    """
    bound = rn.reduction_bound(network, reduced)
    assert np.isfinite(bound).all(), f"the bound {bound} says nothing"
    if network.activation == "binary":
        X = X[rn.decided(network, reduced.domain, X)]
        if not len(X):
            return
        if same_widths:
            assert_same_hidden_layers(network, reduced, X)
    assert_close(network(X), reduced(X), bound, f"{network!r} and {reduced!r}")


def assert_same_hidden_layers(network, reduced, X):
    """Assert that the hidden activations of two networks of one shape are equal at X."""
    pairs = zip(hidden_outputs(network, X), hidden_outputs(reduced, X))
    for layer, (left, right) in enumerate(pairs, start=1):
        assert_equal_bits(left, right, f"hidden layer {layer} of {network!r}")


def assert_feasible(reduced):
    """Assert unit rows up to rounding, and thresholds in the closed intervals with no tolerance."""
    verdict = reduced.feasibility()
    assert verdict.ok, verdict.reason
    for layer, (b, interval) in enumerate(zip(reduced.thresholds, reduced.intervals), start=1):
        outside = (b < interval[:, 0]) | (b > interval[:, 1])
        if outside.any():
            j = int(np.argmax(outside))
            raise AssertionError(f"layer {layer}, neuron {j}: {b[j]!r} outside {interval[j].tolist()}")


def assert_same_network(left, right, what):
    """Assert equal networks bit for bit, and name the array that differs if they are not."""
    assert left.sizes == right.sizes, f"{what}: sizes {left.sizes} and {right.sizes}"
    for layer, pair in enumerate(zip(left.weights, right.weights)):
        assert_equal_bits(*pair, f"{what}: weights[{layer}]")
    for layer, pair in enumerate(zip(left.thresholds, right.thresholds)):
        assert_equal_bits(*pair, f"{what}: thresholds[{layer}]")
    assert_equal_bits(left.output_weights, right.output_weights, f"{what}: output_weights")
    assert (left.output_bias is None) == (right.output_bias is None), f"{what}: output bias"
    if left.output_bias is not None:
        assert_equal_bits(left.output_bias, right.output_bias, f"{what}: output_bias")
    assert left == right, what


def path_sums(network, domain):
    """Return the sums of absolute terms that each entry of each layer, and the output, is made of.

    S^0 = sup |x|,   S^l = |W^l| S^(l-1) + |b^l|: the scale of the errors of single terms.
    """
    low, high = domain.bounding_box()
    S, sums = np.maximum(np.abs(low), np.abs(high)), []
    for W, b in zip(network.weights, network.thresholds):
        S = np.abs(W) @ S + np.abs(b)
        sums.append(S)
    bias = 0.0 if network.output_bias is None else np.abs(network.output_bias)
    return [*sums, np.abs(network.output_weights) @ S + bias]


def roundings(network):
    """Return, a layer, how many roundings an entry can carry after one scaling and one reduction.

    With n inputs: a scaling 1, a product with the column below 2, a norm n/2 + 3 in relative error
    (and as much again where the row was taken as unit), a division 1, an interval's end 2 n + 4, a
    sum of constants n + 2. Less than 8 (n + 4), and the errors of the layers below add up.
    """
    return np.cumsum([8 * (n + 4) for n in network.sizes[:-1]])


def assert_same_up_to_rounding(left, right, what):
    """Assert that two reduced networks of one orbit have the same parameters to rounding.

    Weights: relative to each entry. Thresholds: relative to the sum of absolute terms of their
    neuron (`path_sums`); for binary plus twice the margin by which `reduce` lowers a threshold.
    """
    assert left.sizes == right.sizes, f"{what}: sizes {left.sizes} and {right.sizes}"
    counts, sums = roundings(right), path_sums(right, right.domain)
    layers = zip(left.weights, right.weights, left.thresholds, right.thresholds, right.layer_spaces)
    for layer, (V, W, c, b, space) in enumerate(layers):
        relative = gamma(int(counts[layer]))
        margin = 2.0 * space.margin if right.activation == "binary" else 0.0
        assert_close(V, W, relative * np.abs(W) + SMALLEST, f"{what}: weights[{layer}]")
        assert_close(c, b, relative * sums[layer] + margin, f"{what}: thresholds[{layer}]")
    relative = gamma(int(counts[-1]))
    C = np.abs(right.output_weights)
    assert_close(left.output_weights, right.output_weights, relative * C, f"{what}: output_weights")
    if right.output_bias is not None:
        assert_close(left.output_bias, right.output_bias, relative * sums[-1], f"{what}: output_bias")
    assert (left.output_bias is None) == (right.output_bias is None), f"{what}: output bias"


def pair_tolerance(network, reduced, ratio):
    """Return the tolerance for a network without output bias, with a constant as a pair of neurons.

    The pair's outgoing weights are constant / width, so its roundings, of the size of the layer's
    inputs, are multiplied by ratio = (size of the inputs) / (width along the pair).
    """
    total = path_sums(network, reduced.domain)[-1]
    return gamma(int(2 * roundings(reduced)[-1])) * total * (1.0 + ratio)
