"""What equal means for computed numbers: every tolerance of the tests is derived here.

All tolerances are counts of roundings (`gamma(n)`, THEORY section 7) times sums of absolute terms,
or bounds that the library proves. A failure prints what was compared, where, and both values.
"""
import numpy as np

import reducednet as rn
from reducednet.rounding import SMALLEST, gamma


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
    assert_close(left, right, 0.0, what)


def hidden_outputs(network, X):
    """Return the computed activations of each hidden layer, (n_samples, n_l)."""
    act = rn.activations.ACTIVATIONS[network.activation].value
    return [act(Z) for Z in network.pre_activations(X)]


def assert_same_function(network, reduced, X, same_widths=True):
    """Assert that a reduction is the same function at X, points of its domain.

    ReLU: |N - R| <= rn.reduction_bound for each output. Binary: at every decided point, all hidden
    layers are equal (where the widths allow it to be asked) and the outputs within the bound.
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
    """Assert unit rows to rounding, and thresholds inside the closed intervals without any tolerance."""
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


__all__ = [
    "SMALLEST", "gamma", "assert_close", "assert_equal_bits", "assert_feasible", "assert_same_function",
    "assert_same_hidden_layers", "assert_same_network", "fail_at", "hidden_outputs",
]
