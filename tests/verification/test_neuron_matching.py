"""Neurons that are multiples of each other are matched; bounds hold for wrong matches too."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.numerics.rationals import rationals
from reducednet.verification.difference_bounds import neuron_matching
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference, fixed_matches
from reducednet.verification.difference_bounds.neuron_matching import (
    TOLERANCES, nearest_hyperplanes, no_match, same_hyperplanes, same_indices,
    similar_first_layers,
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


# noise, missing and split neurons


def noisy(f, rng, noise):
    """Return the network with normal noise in each parameter, relative to it."""
    def changed(parameters):
        return parameters * (1.0 + noise * rng.standard_normal(parameters.shape))

    weights, thresholds = [changed(W) for W in f.weights], [changed(b) for b in f.thresholds]
    return rn.Network(weights, thresholds, changed(f.output_weights))


def rearranged(f, neurons, shares, rng):
    """Return f with these neurons of each layer, and their indices in f.

    They come in a random order, their rows times powers of two. A neuron may be missing, or come
    several times; `shares` are the factors of the outgoing weights.
    """
    below, unscale, weights, thresholds, origins = np.arange(f.n_inputs), 1.0, [], [], []
    for W, b, kept, share in zip(f.weights, f.thresholds, neurons, shares):
        order = rng.permutation(len(kept))
        kept, factors = kept[order], 2.0 ** rng.integers(-3, 4, len(kept))
        weights.append(factors[:, np.newaxis] * W[np.ix_(kept, below)] * unscale)
        thresholds.append(factors * b[kept])
        below, unscale = kept, share[order] / factors
        origins.append(kept)
    return rn.Network(weights, thresholds, f.output_weights[:, below] * unscale), origins


def bound_and_matches(f, g, region, matcher):
    found = difference((f, g), region, matcher)
    low, high = region.bounds(found.forms)
    return np.maximum(-low, high).max(), found


def planted(found, origins):
    """Return, for each layer, whether each neuron of g is in the class of its origin in f.

    Neurons that are dead in either network need no class.
    """
    result = []
    for match, (f, g), origin in zip(found.matches, found.layers, origins):
        alive = (g.high[:, 0] > 0.0) & (f.high[origin, 0] > 0.0)
        labels_f, labels_g = match.labels[0][origin], match.labels[1]
        result.append(((labels_f == labels_g) & (labels_f >= 0))[alive])
    return result


@pytest.mark.parametrize("noise", [0.01, 0.03])
@pytest.mark.parametrize("sizes", [(5, 30, 1), (5, 30, 30, 1), (5, 30, 30, 30, 2)])
@pytest.mark.parametrize("radius", [1.0, 0.1])
def test_permuted_neurons_with_noise_are_matched(noise, sizes, radius):
    """The bound is that of the same pair in order; in order, it is about that of `same_indices`."""
    rng = np.random.default_rng(0)
    f = rn.Network.random(sizes, rng=1)
    middle = rng.uniform(-0.5, 0.5, sizes[0])
    region = region_of(rn.Box(middle - radius, middle + radius))
    in_order = noisy(f, rng, noise)
    neurons = [np.arange(n) for n in sizes[1:-1]]
    g, origins = rearranged(in_order, neurons, [np.ones(n) for n in sizes[1:-1]], rng)
    matcher = nearest_hyperplanes(region, opposite=False)
    bound, found = bound_and_matches(f, g, region, matcher)
    assert all(same.all() for same in planted(found, origins))
    assert np.isclose(bound, bound_and_matches(f, in_order, region, matcher)[0], rtol=1e-9)
    assert bound <= 1.05 * bound_and_matches(f, in_order, region, same_indices)[0]
    assert bound <= 0.6 * bound_and_matches(f, g, region, no_match)[0]


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("sizes", [(5, 30, 1), (5, 30, 30, 1)])
def test_neurons_that_are_left_are_matched_where_others_are_missing(share, sizes):
    """A layer above missing neurons changes more than by noise: there most matches are found."""
    rng = np.random.default_rng(3)
    f, region = rn.Network.random(sizes, rng=4), region_of(rn.Box(-np.ones(5), np.ones(5)))
    in_order = noisy(f, rng, 0.01)
    kept = [np.sort(rng.permutation(n)[round(share * n):]) for n in sizes[1:-1]]
    ones = [np.ones(len(own)) for own in kept]
    g, origins = rearranged(in_order, kept, ones, rng)
    matcher = nearest_hyperplanes(region, opposite=False)
    bound, found = bound_and_matches(f, g, region, matcher)
    first, *above = planted(found, origins)
    assert first.all() and all(same.mean() >= 0.75 for same in above)
    pruned = rearranged(in_order, kept, ones, np.random.default_rng(5))[0]
    assert np.isclose(bound, bound_and_matches(f, pruned, region, matcher)[0], rtol=1e-9)
    assert bound < bound_and_matches(f, g, region, no_match)[0]


@pytest.mark.parametrize("sizes", [(5, 30, 1), (5, 30, 30, 1)])
def test_all_parts_of_split_neurons_are_in_the_class_of_the_whole(sizes):
    rng = np.random.default_rng(6)
    f, region = rn.Network.random(sizes, rng=7), region_of(rn.Box(-np.ones(5), np.ones(5)))
    neurons = [np.append(np.arange(n), np.arange(n // 3)) for n in sizes[1:-1]]
    shares = [np.where(own < n // 3, 0.5, 1.0) for own, n in zip(neurons, sizes[1:-1])]
    g, origins = rearranged(f, neurons, shares, rng)
    matcher = nearest_hyperplanes(region, opposite=False)
    for other in (g, noisy(g, rng, 0.03)):
        bound, found = bound_and_matches(f, other, region, matcher)
        assert all(same.all() for same in planted(found, origins))
    split_first, _ = bound_and_matches(g, f, region, matcher)
    assert max(bound_and_matches(f, g, region, matcher)[0], split_first) < 1e-10


def test_opposite_neurons_with_noise_are_matched_where_that_is_asked_for():
    g, order, factors = changed(np.random.default_rng(8), (1.0, -1.0))
    f, g = (  # with hyperplanes near the middle of the domain: all neurons are unstable
        rn.Network(net.weights, [net.thresholds[0] / 8.0], net.output_weights) for net in (F, g)
    )
    g = noisy(g, np.random.default_rng(9), 0.01)
    region = region_of(CUBE)
    match = match_of(f, g, nearest_hyperplanes(region, opposite=True))
    assert is_unstable(f).all() and is_unstable(g).all()
    assert (match.labels[1] == match.labels[0][order]).all() and (match.labels[1] >= 0).all()
    assert (np.sign(match.scales[1] / match.scales[0][order]) == np.sign(factors)).all()
    match = match_of(f, g, nearest_hyperplanes(region, opposite=False))
    assert all((scales >= 0.0).all() for scales in match.scales)


def test_layers_too_large_for_an_assignment_are_matched_by_their_indices(monkeypatch):
    monkeypatch.setattr(neuron_matching, "LARGEST_ASSIGNMENT", 899)
    g = noisy(F, np.random.default_rng(10), 0.01)
    nearest = match_of(F, g, nearest_hyperplanes(region_of(CUBE), opposite=True))
    for one, other in zip(nearest, match_of(F, g, same_indices)):
        assert all(np.array_equal(*pair) for pair in zip(one, other))


@pytest.mark.parametrize("W, b, box", [
    (np.zeros((2, 1)), [1.0, -1.0], rn.Box(0.0, 1.0)),
    ([[1.0], [2.0]], [-5.0, -9.0], rn.Box(0.0, 1.0)),
    ([[1.0, 0.0], [2.0, 0.0]], [0.5, 0.25], rn.Box([3.0, 0.0], [3.0, 1.0])),
    ([[1e300], [1e-300]], [1e300, 0.0], rn.Box(-1.0, 1.0)),
], ids=["constants", "dead", "one input fixed", "huge and tiny"])
def test_nearest_neurons_of_odd_layers_give_valid_scales(W, b, box):
    f, g = (rn.Network([W], [b], C) for C in ([[1.0, 2.0]], [[3.0, 1.0]]))
    region = region_of(box)
    for opposite in (True, False):
        with np.errstate(all="ignore"):  # as in `verify`
            bound, found = bound_and_matches(f, g, region, nearest_hyperplanes(region, opposite))
        assert all(np.isfinite(scales).all() for scales in found.matches[0].scales)
        gap = np.abs(f([box.high]) - g([box.high])).max()
        assert not bound < gap * (1.0 - 1e-12)


def matchers_of(region, opposite):
    """Return all matchers by hyperplanes."""
    by_tolerance = [same_hyperplanes(region, tolerance, opposite) for tolerance in TOLERANCES]
    return [*by_tolerance, nearest_hyperplanes(region, opposite)]


@given(networks_with_domains(activation="relu", max_depth=2), seeds(), st.integers(0, len(TOLERANCES)))
def test_bounds_by_matches_hold_and_permuted_networks_are_matched_to_rounding(case, seed, number):
    """The bound of f - g, where g is f with its last layer permuted and scaled by powers of two."""
    f, domain = case
    rng = np.random.default_rng(seed)
    order = rng.permutation(f.sizes[-2])
    factors = 2.0 ** rng.integers(-3, 4, len(order))
    W, b = f.weights[-1][order] * factors[:, np.newaxis], f.thresholds[-1][order] * factors
    C = f.output_weights[:, order] / factors
    g = rn.Network([*f.weights[:-1], W], [*f.thresholds[:-1], b], C, f.output_bias)
    region = region_of(domain)
    matcher = matchers_of(region, f.depth == 1)[number]
    low, high = region.bounds(difference((f, g), region, matcher).forms)
    x = rationals(domain.support_points(np.ones((1, domain.n_inputs)))[0])
    if contains(domain, x, corners_around(domain, np.array(x, dtype=float))):
        for k, (p, q) in enumerate(zip(exact_network(f)(x), exact_network(g)(x))):
            assert low[k, 0] <= p - q <= high[k, 0]


@pytest.mark.parametrize("noise", [1e-5, 1e-3, 1e-2])
def test_permuted_networks_with_noise_are_proved_as_those_in_order(noise):
    rng = np.random.default_rng(11)
    in_order, box = noisy(F, rng, noise), CUBE
    g, _ = rearranged(in_order, [np.arange(30)], [np.ones(30)], rng)
    one = rn.verify(F, in_order, box, 1e9, method="differences")
    other = rn.verify(F, g, box, one.bound * 1.01)
    assert (other.status, other.method) == ("equivalent", "matching")
    assert other.certificate is not None
