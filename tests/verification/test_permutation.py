"""Networks that are permuted and scaled by powers of two are proved equal at any size."""
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import supremum
from oracles.exact_truth import pairs
from reducednet.verification.certificates import check_permutation
from reducednet.verification.difference_bounds.permutation import permutation_arrays
from oracles.strategies import seeds


def disguised(f, rng, largest=20):
    """Return f with its neurons permuted and scaled by powers of two, all in exact arithmetic."""
    maps = [(W, b) for W, b in zip(f.weights, f.thresholds)] + [(f.output_weights, f.output_bias)]
    for layer in range(f.depth):
        (W, b), (V, c) = maps[layer:layer + 2]
        order, e = rng.permutation(len(W)), rng.integers(-largest, largest + 1, len(W))
        maps[layer] = np.ldexp(W[order], e[:, np.newaxis]), np.ldexp(b[order], e)
        maps[layer + 1] = np.ldexp(V[:, order], -e if f.activation == "relu" else 0 * e), c
    return rn.Network([W for W, _ in maps[:-1]], [b for _, b in maps[:-1]], *maps[-1], f.activation)


def cube(d):
    return rn.Box(-np.ones(d), np.ones(d))


@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_large_networks_are_proved_equal_within_a_second(activation):
    f = rn.Network.random((784, 256, 256, 10), rng=0, activation=activation)
    for g in (f, disguised(f, np.random.default_rng(1))):
        verdict = rn.verify(f, g, cube(784), 0.0)
        assert (verdict.status, verdict.bound, verdict.margin) == ("equivalent", 0.0, 0.0)
        assert verdict.method == verdict.certificate.kind == "permutation"
        assert verdict.seconds < 1.0
        began = time.perf_counter()
        assert verdict.certificate.check(f, g, cube(784))
        assert time.perf_counter() - began < 1.0


@given(seeds(), st.sampled_from(["relu", "binary"]), st.integers(0, 5))
def test_permuted_and_scaled_networks_are_found_whatever_rows_are_equal(seed, activation, n_copies):
    """Rows that are equal, or zero, are told apart by the weights above them."""
    rng = np.random.default_rng(seed)
    f = rn.Network.random((2, 6, 5, 2), rng=rng, activation=activation)
    W, b = f.weights[0].copy(), f.thresholds[0].copy()
    rows = rng.integers(0, 6, n_copies)
    W[rows], b[rows] = W[0], b[0]
    W[rng.integers(0, 6)] = -0.0
    f = rn.Network([W, f.weights[1]], [b, f.thresholds[1]], f.output_weights, None, activation)
    g = disguised(f, rng)
    assert permutation_arrays(f, g) is not None
    zeros = rn.Network(g.weights, g.thresholds, g.output_weights, [0.0, -0.0], activation)
    assert permutation_arrays(zeros, f) is not None


def test_no_pair_that_differs_is_proved_and_permuted_ones_are():
    proved = set()
    for f, g, domain, kind in pairs(400, 12):
        if permutation_arrays(f, g) is not None:
            assert supremum(f, g, domain).value == 0, kind
            proved.add(kind)
    assert "permuted" in proved or any("permut" in kind for kind in proved), proved


F = rn.Network([[[1.0, 2.0], [3.0, -1.0]]], [[0.5, -0.25]], [[1.0, -3.0]], [1.0])


def arrays(**changes):
    return {"permutation0": np.array([1, 0]), "exponents0": np.array([1, -2]), **changes}


G = rn.Network([[[0.75, -0.25], [2.0, 4.0]]], [[-0.0625, 1.0]], [[-12.0, 0.5]], [1.0])


def changed(network, **fields):
    own = {name: getattr(network, name) for name in
           ("weights", "thresholds", "output_weights", "output_bias", "activation")}
    return rn.Network(**own | fields)


def test_checker_agrees_with_a_pair_made_by_hand():
    assert check_permutation.check(arrays(), F, G, cube(2)) == 0


@pytest.mark.parametrize("data, g", [
    (arrays(permutation0=np.array([0, 1])), G), (arrays(permutation0=np.array([1, 1])), G),
    (arrays(permutation0=np.array([1, 0, 2])), G), (arrays(permutation0=np.array([-1, 0])), G),
    (arrays(exponents0=np.array([1, -1])), G), (arrays(exponents0=np.array([1, -2 + 2**32])), G),
    (arrays(exponents0=np.array([1])), G), (arrays(exponents0=np.array([2**62, -2])), G),
    (arrays(), changed(G, output_bias=[1.0 + 2.0**-52])), (arrays(), changed(G, output_bias=None)),
    (arrays(), changed(G, output_weights=[[-12.0, 1.0]])), (arrays(), changed(G, thresholds=[[-0.0625, -1.0]])),
    (arrays(), changed(G, weights=[[[0.75, -0.25], [2.0, np.nextafter(4.0, 5.0)]]])),
    (arrays(), changed(G, activation="binary")), (arrays(), rn.Network.random((2, 2, 2, 1), rng=0)),
    (arrays(), rn.Network.random((2, 3, 1), rng=0)), (arrays(), rn.Network.random((2, 2, 3), rng=0)),
    (arrays(), rn.Network.random((3, 2, 1), rng=0)),
])
def test_checker_refuses_what_is_not_the_same(data, g):
    with pytest.raises(ValueError):
        check_permutation.check(data, F, g, cube(2))


@pytest.mark.parametrize("w, e", [(3.0 * 2.0**-1074, -1), (1.5 * 2.0**1023, 1), (3.0 * 2.0**-1073, -2)])
def test_scaling_that_leaves_the_range_of_float64_proves_nothing(w, e):
    """What it rounds to is a number of g: the networks look alike, and differ."""
    rounded = float(np.ldexp(w, e)) if e < 0 else 1.7e308
    f, g = (rn.Network([[[value]]], [[0.0]], [[c]]) for value, c in ((w, 1.0), (rounded, 2.0**-e)))
    data = {"permutation0": np.array([0]), "exponents0": np.array([e])}
    with pytest.raises(ValueError, match="range of float64"):
        check_permutation.check(data, f, g, cube(1))
    assert permutation_arrays(f, g) is None


def test_binary_neurons_that_are_opposite_are_not_the_same():
    f = changed(F, activation="binary")
    g = changed(G, activation="binary", output_weights=[[-3.0, 1.0]])
    assert permutation_arrays(f, g) is not None
    assert permutation_arrays(f, changed(g, weights=[-g.weights[0]], thresholds=[-g.thresholds[0]])) is None


def test_outgoing_weights_of_binary_neurons_are_not_scaled():
    """s(2^e z) = s(z), where a ReLU would take the factor."""
    f, scaled = changed(F, activation="binary"), changed(G, activation="binary")
    unscaled = changed(scaled, output_weights=[[-3.0, 1.0]])
    assert check_permutation.check(arrays(), f, unscaled, cube(2)) == 0
    with pytest.raises(ValueError, match="not the same"):
        check_permutation.check(arrays(), f, scaled, cube(2))
