"""Neurons that are multiples of each other are matched; bounds hold for wrong matches too."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.numerics.rationals import rationals
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference, fixed_matches
from reducednet.verification.difference_bounds.neuron_matching import (
    TOLERANCES, similar_first_layers, no_match, same_hyperplanes, same_indices,
)
from reducednet.verification.rational import contains, corners_around
from oracles.exact_forms import exact_network
from oracles.strategies import networks_with_domains, seeds

CUBE = rn.Box(-np.ones(3), np.ones(3))
F = rn.Network.random((3, 30, 1), rng=0)


def changed(rng, signs=(1.0,)):
    """Return F with its neurons in another order, rows times random factors, and the order."""
    order = rng.permutation(30)
    factors = np.exp(rng.uniform(-3.0, 3.0, 30)) * rng.choice(signs, 30)
    W, b = F.weights[0][order] * factors[:, np.newaxis], F.thresholds[0][order] * factors
    return rn.Network([W], [b], F.output_weights[:, order]), order, factors


def match_of(f, g, matcher):
    return difference((f, g), region_of(CUBE), matcher).matches[0]


def is_unstable(f):
    return np.abs(f.thresholds[0]) < CUBE.support(f.weights[0])


@pytest.mark.parametrize("tolerance", TOLERANCES)
@pytest.mark.parametrize("signs", [(1.0,), (1.0, -1.0)])
def test_same_hyperplanes_are_matched_wherever_they_are(tolerance, signs):
    g, order, factors = changed(np.random.default_rng(1), signs)
    match = match_of(F, g, same_hyperplanes(region_of(CUBE), tolerance, len(signs) > 1))
    for j, i in enumerate(order):
        if is_unstable(F)[i]:
            assert match.labels[0][i] == match.labels[1][j] >= 0
            ratio = match.scales[1][j] / match.scales[0][i]
            assert np.isclose(ratio, factors[j], rtol=64 * np.finfo(float).eps, atol=0.0)


def test_opposite_hyperplanes_are_one_only_where_that_is_asked_for():
    f, g = (rn.Network([[[sign, 0.0, 0.0]]], [[0.25 * sign]], [[1.0]]) for sign in (1.0, -1.0))
    region = region_of(CUBE)
    assert match_of(f, g, same_hyperplanes(region, TOLERANCES[0], False)).labels[0].tolist() == [-1]
    opposite = match_of(f, g, same_hyperplanes(region, TOLERANCES[0], True))
    assert opposite.labels[0].tolist() == opposite.labels[1].tolist() == [0]
    assert opposite.scales[0].tolist() == [-1.0]


def test_thresholds_beyond_the_domain_are_one():
    """Two always-on neurons of one direction differ by a constant, which is no matter of the hyperplane."""
    f, g = (rn.Network([[[1.0, 0.0, 0.0]]], [[b]], [[1.0]]) for b in (2.0, 3.0))
    assert match_of(f, g, same_hyperplanes(region_of(CUBE), TOLERANCES[0], True)).labels[0].tolist() == [0]


def test_same_indices_take_the_best_scale_and_no_opposite_rows():
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], 30)
    W = F.weights[0] * 3.0 * signs[:, np.newaxis]
    match = match_of(F, rn.Network([W], [F.thresholds[0]], F.output_weights), same_indices)
    assert ((match.labels[0] >= 0) == (signs > 0)).all()
    same = match.labels[0] >= 0
    assert np.abs(match.scales[0][same] * 3.0 - 1.0).max() <= 16 * np.finfo(float).eps
    exact = match_of(F, F, same_indices)
    assert (exact.scales[0] == 1.0).all()


def test_networks_of_different_widths_are_matched_as_far_as_both_go():
    g = rn.Network([F.weights[0][:20]], [F.thresholds[0][:20]], F.output_weights[:, :20])
    assert similar_first_layers(F, g)
    match = match_of(F, g, same_indices)
    assert (match.labels[0][:20] == np.arange(20)).all()
    assert (match.labels[0][20:] == -1).all()
    assert not similar_first_layers(F, rn.Network([-F.weights[0]], [F.thresholds[0]], F.output_weights))


def test_no_match_and_given_matches():
    nothing = match_of(F, F, no_match)
    assert all((labels == -1).all() for labels in nothing.labels)
    assert match_of(F, F, fixed_matches([nothing])).labels[0].tolist() == nothing.labels[0].tolist()


@given(networks_with_domains(activation="relu", max_depth=2), seeds(), st.sampled_from(TOLERANCES))
def test_bounds_by_matches_hold_and_permuted_networks_are_matched_to_rounding(case, seed, tolerance):
    """The bound of f - g, where g is f with its last layer permuted and scaled by powers of two."""
    f, domain = case
    rng = np.random.default_rng(seed)
    order = rng.permutation(f.sizes[-2])
    factors = 2.0 ** rng.integers(-3, 4, len(order))
    W, b = f.weights[-1][order] * factors[:, np.newaxis], f.thresholds[-1][order] * factors
    C = f.output_weights[:, order] / factors
    g = rn.Network([*f.weights[:-1], W], [*f.thresholds[:-1], b], C, f.output_bias)
    region = region_of(domain)
    low, high = region.bounds(difference((f, g), region, same_hyperplanes(region, tolerance, f.depth == 1)).forms)
    x = rationals(domain.support_points(np.ones((1, domain.n_inputs)))[0])
    if contains(domain, x, corners_around(domain, np.array(x, dtype=float))):
        for k, (p, q) in enumerate(zip(exact_network(f)(x), exact_network(g)(x))):
            assert low[k, 0] <= p - q <= high[k, 0]
