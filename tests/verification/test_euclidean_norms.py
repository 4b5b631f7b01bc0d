"""Bounds in the Euclidean norm hold, and are below the intervals' bounds of deep networks."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import exact_difference, supremum
from reducednet.numerics.rounding import gamma
from reducednet.verification.certificates import check_norms
from reducednet.verification.certificates.check_norms import spectral_norm
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference
from reducednet.verification.difference_bounds.euclidean_norms import norm_bound
from reducednet.verification.difference_bounds.neuron_matching import same_indices
from oracles.strategies import seeds

SQUARE = rn.Box([-1, -1], [1, 1])


def perturbed(sizes, seed, amount):
    """Return a random network and one with parameters changed by a relative amount, in other row scales."""
    rng = np.random.default_rng(seed)
    f = rn.Network.random(sizes, rng, scheme="he", output_bias=True)
    theta = f.to_vector()
    return f, rn.expand(f.with_vector(theta * (1.0 + amount * rng.standard_normal(len(theta)))), rng)


def bound_of(f, g, domain):
    """Return the bound of norms that the provers find, or None."""
    matches = difference((f, g), region_of(domain), same_indices).matches
    found = norm_bound(matches, (f, g), (f, g), domain)
    return None if found is None else found[0]


def pairs_of_indices(f, scales=1.0):
    """Return the arrays that match neuron j of f with neuron j of another network of the same
    sizes.
    """
    arrays = {}
    for layer, n in enumerate(f.sizes[1:-1]):
        arrays[f"labels{layer}"] = np.tile(np.arange(n), 2)
        arrays[f"scales{layer}"] = np.append(np.ones(n), np.full(n, scales))
    return arrays


@given(
    seeds(), st.sampled_from([(2, 5, 1), (3, 4, 6, 2), (2, 4, 4, 4, 1)]), st.sampled_from([0.0, 1e-12, 1e-3, 0.3])
)
def test_norm_bound_is_above_every_exact_difference(seed, sizes, amount):
    f, g = perturbed(sizes, seed, amount)
    box = rn.Box(-np.ones(sizes[0]), np.ones(sizes[0]))
    bound = bound_of(f, g, box)
    if bound is None:  # some rows no longer point the same way
        assert amount > 0.1
        return
    for x in box.sample(10, seed):
        assert exact_difference(f, g, x) <= Fraction(bound)


@given(seeds(), st.sampled_from([(2, 3, 1), (2, 3, 3, 2)]), st.sampled_from([1e-13, 1e-3, 1.0]))
def test_any_pairs_with_any_positive_scales_prove_a_bound_of_the_supremum(seed, sizes, amount):
    rng = np.random.default_rng(seed)
    f = rn.Network.random(sizes, rng, output_bias=True)
    g = f.with_vector(f.to_vector() + amount * rng.standard_normal(f.n_parameters))
    arrays = pairs_of_indices(f)
    assert check_norms.check(arrays, f, g, SQUARE) >= supremum(f, g, SQUARE).value
    for layer, n in enumerate(sizes[1:-1]):
        arrays[f"labels{layer}"][n:] = rng.permutation(n)
        arrays[f"scales{layer}"][n:] = np.exp(rng.standard_normal(n))
    assert check_norms.check(arrays, f, g, SQUARE) >= supremum(f, g, SQUARE).value


@pytest.mark.parametrize("power", [0, 9, 60, 400])
def test_rows_scaled_by_powers_of_two_change_no_bound(power):
    """They are brought to one size first: else the norm of all of a layer would be that of its
    largest row.
    """
    f, g = perturbed((2, 6, 5, 1), 0, 1e-6)
    plain = bound_of(f, g, SQUARE)
    factors = np.ldexp(1.0, power * np.array([1, -1, 1, -1, 1, -1]))
    W = [factors[:, np.newaxis] * f.weights[0], f.weights[1] / factors]
    b = [factors * f.thresholds[0], f.thresholds[1]]
    scaled = rn.Network(W, b, f.output_weights, f.output_bias)
    arrays = pairs_of_indices(f)
    matches = difference((f, g), region_of(SQUARE), same_indices).matches
    for layer, match in enumerate(matches):
        n = f.sizes[layer + 1]
        arrays[f"scales{layer}"][n:] = match.scales[0] * (factors if layer == 0 else 1.0)
    assert plain / 2.0 <= check_norms.check(arrays, scaled, g, SQUARE) <= 2.0 * plain


def test_rows_beyond_float64_are_refused():
    f = rn.Network([[[2.0**600, 2.0**-600], [1.0, 0.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="range of float64"):
        check_norms.check(pairs_of_indices(f), f, f, SQUARE)


def test_norm_bound_is_far_below_the_intervals_bound_in_deep_networks():
    f = rn.Network.random((10, *[64] * 8, 1), rng=0, scheme="he", output_bias=True)
    box = rn.Box(-np.ones(10), np.ones(10))
    g, region = rn.reduce(f, box), region_of(box)
    found = difference((f, g), region, same_indices)
    low, high = region.bounds(found.forms)
    bound, _ = norm_bound(found.matches, (f, g), (f, g), box)
    assert 0.0 < bound < np.maximum(-low, high).item() / 50.0


@pytest.mark.parametrize("make", [lambda: rn.Ball([0.5, 0], 1), lambda: rn.Hull([[0, 0], [1, 0], [0, 2], [2, 2]])])
def test_norm_bound_holds_on_balls_and_hulls(make):
    domain = make()
    for seed in range(5):
        f, g = perturbed((2, 5, 4, 1), seed, 1e-4)
        bound = bound_of(f, g, domain)
        assert all(exact_difference(f, g, x) <= Fraction(bound) for x in domain.sample(20, seed))


@given(seeds(), st.integers(1, 9), st.integers(1, 9), st.integers(-300, 300))
def test_spectral_norm_lies_between_the_true_one_and_little_more(seed, m, n, exponent):
    """(W^T W)^8 has at most n singular values, so the Frobenius norm is at most sqrt(n) of the largest."""
    W = np.ldexp(np.random.default_rng(seed).standard_normal((m, n)), exponent)
    scaled = np.ldexp(W, -exponent)
    true = np.linalg.svd(scaled, compute_uv=False)[0]
    found = spectral_norm(W) / 2.0**exponent
    room = gamma(64 * (m + 4) * (n + 4))  # the guard, 64, and three squarings of products of m and n terms
    assert true * (1.0 - room) <= found <= true * min(m, n) ** (1.0 / 32.0) * (1.0 + room)


def test_spectral_norm_of_zeros_is_zero():
    assert spectral_norm(np.zeros((3, 2))) == 0.0


@pytest.mark.parametrize("change", ["flip", "permute and drop"])
def test_networks_that_are_not_matched_one_to_one_have_no_norm_bound(change):
    f = rn.Network([[[1.0], [2.0]]], [[0.5, 0.25]], [[1.0, 1.0]])
    g = {"flip": rn.Network([[[-1.0], [2.0]]], [[-0.5, 0.25]], [[1.0, 1.0]]),
         "permute and drop": rn.Network([[[2.0]]], [[0.25]], [[1.0]])}[change]
    assert bound_of(f, g, rn.Box(-1, 1)) is None


@pytest.mark.parametrize("labels, scales", [
    ([0, 0, 1, 0], np.ones(4)), ([0, 1, 1, 2], np.ones(4)), ([0, 1, 1, 0], [1.0, 1.0, -1.0, 1.0]),
    ([0, 1, 1, 0], [2.0, 1.0, 1.0, 1.0]), ([-1, 0, 0, 1], np.ones(4)),
])
def test_pairs_that_are_none_are_refused(labels, scales):
    f = rn.Network([[[1.0], [2.0]]], [[0.5, 0.25]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="one to one|not positive"):
        check_norms.check({"labels0": np.array(labels), "scales0": np.array(scales)}, f, f, rn.Box(-1, 1))
