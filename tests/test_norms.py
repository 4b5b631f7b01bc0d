"""Bounds in the Euclidean norm: above every exact difference, and below what intervals say of deep networks."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from exact_suprema import exact_difference, exact_outputs
from reducednet.rounding import gamma
from reducednet.verification.differences import difference
from reducednet.verification.forms import region_of
from reducednet.verification.matching import same_places
from reducednet.verification.norms import norm_bound, spectral_norm
from strategies import seeds


def perturbed(sizes, seed, amount):
    """Return a random network and one with parameters changed by a relative amount, in other row scales."""
    rng = np.random.default_rng(seed)
    f = rn.Network.random(sizes, rng, scheme="he", output_bias=True)
    theta = f.to_vector()
    return f, rn.expand(f.with_vector(theta * (1.0 + amount * rng.standard_normal(len(theta)))), rng)


@given(
    seeds(), st.sampled_from([(2, 5, 1), (3, 4, 6, 2), (2, 4, 4, 4, 1)]), st.sampled_from([0.0, 1e-12, 1e-3, 0.3])
)
def test_norm_bound_is_above_every_exact_difference(seed, sizes, amount):
    f, g = perturbed(sizes, seed, amount)
    box = rn.Box(-np.ones(sizes[0]), np.ones(sizes[0]))
    bounds = norm_bound(f, g, box, difference((f, g), region_of(box), same_places))
    if bounds is None:  # some rows no longer point the same way
        assert amount > 0.1
        return
    for x in box.sample(10, seed):
        outputs = [exact_outputs(net, x) for net in (f, g)]
        for bound, one, other in zip(bounds, *outputs):
            assert abs(one - other) <= Fraction(float(bound))
        assert exact_difference(f, g, x) <= Fraction(float(bounds.max()))


def test_norm_bound_is_far_below_the_intervals_bound_in_deep_networks():
    f = rn.Network.random((10, *[64] * 8, 1), rng=0, scheme="he", output_bias=True)
    box = rn.Box(-np.ones(10), np.ones(10))
    g, region = rn.reduce(f, box), region_of(box)
    found = difference((f, g), region, same_places)
    low, high = region.bounds(found.forms)
    assert 0.0 < norm_bound(f, g, box, found)[0] < np.maximum(-low, high).item() / 50.0


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
    box = rn.Box(-1, 1)
    assert norm_bound(f, g, box, difference((f, g), region_of(box), same_places)) is None
