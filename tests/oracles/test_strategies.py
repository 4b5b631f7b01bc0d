"""The strategies construct what they promise, and all of it is reached."""
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import assert_close, gamma
from oracles.strategies import KINDS, boxes, cases, domains, hulls, networks, networks_with_domains, points

QUICK = settings(max_examples=2000, database=None, deadline=None, phases=[Phase.generate])


def first_layer(network, X):
    """Return the pre-activations of the first layer."""
    return X @ network.weights[0].T + network.thresholds[0]


@given(st.integers(1, 4).flatmap(domains), st.data())
def test_points_lie_in_their_domain(domain, data):
    X = data.draw(points(domain))
    low, high = domain.bounding_box()
    slack = gamma(domain.n_inputs + 8) * np.maximum(np.abs(low), np.abs(high))
    assert ((low - slack <= X) & (X <= high + slack)).all()
    if not isinstance(domain, rn.Hull):
        assert domain.contains(X).all()


@given(cases())
def test_cases_have_points_of_the_domain_only(case):
    _, domain, X = case
    low, high = domain.bounding_box()
    slack = gamma(domain.n_inputs + 12) * np.maximum(np.abs(low), np.abs(high))
    assert ((low - slack <= X) & (X <= high + slack)).all()


@given(cases(kinds=("dead",)))
def test_planted_dead_neurons_are_negative(case):
    network, _, X = case
    assert (first_layer(network, X) < 0.0).all()


@given(cases(kinds=("on",)))
def test_planted_always_on_neurons_are_positive(case):
    network, _, X = case
    assert (first_layer(network, X) > 0.0).all()


@given(cases(kinds=("cut", "axis")))
def test_hyperplanes_of_cutting_neurons_meet_the_domain(case):
    network, domain, _ = case
    W, b = network.weights[0], network.thresholds[0]
    assert W.any(axis=1).all()
    slack = gamma(20) * (np.abs(W).sum(axis=1) * domain.norm_bound + np.abs(b))
    assert (b + domain.support(W) >= -slack).all()
    assert (b - domain.support(-W) <= slack).all()


@given(cases(kinds=("touch",)))
def test_touching_neurons_have_a_threshold_at_an_end(case):
    network, domain, _ = case
    W, b = network.weights[0], network.thresholds[0]
    slack = gamma(20) * (np.abs(W).sum(axis=1) * domain.norm_bound + np.abs(b))
    ends = np.minimum(np.abs(b + domain.support(W)), np.abs(b - domain.support(-W)))
    assert (ends <= slack).all()


@given(networks(kinds=("zero",)))
def test_planted_zero_rows_are_zero(network):
    assert not any(W.any() for W in network.weights)


@given(networks(kinds=("duplicate",), scaled=False))
def test_planted_duplicates_are_equal(network):
    for W, b in zip(network.weights, network.thresholds):
        assert (W == W[0]).all() and (b == b[0]).all()


@given(networks(kinds=("opposite",), scaled=False))
def test_planted_opposites_are_opposite(network):
    for W, b in zip(network.weights, network.thresholds):
        signs = (-1.0) ** np.arange(len(b))
        assert (W == signs[:, np.newaxis] * W[0]).all() and (b == signs * b[0]).all()


@given(networks(min_depth=2, max_depth=3, max_width=4, n_inputs=3, n_outputs=2, output_bias=True,
                activation="binary"))
def test_options_fix_what_they_name(network):
    assert network.activation == "binary" and network.depth in (2, 3)
    assert network.n_inputs == 3 and network.n_outputs == 2 and network.output_bias is not None
    assert max(network.sizes[1:-1]) <= 4


@given(networks_with_domains(domain=rn.Box([0, 0], [1, 2])))
def test_a_given_domain_is_kept(pair):
    network, domain = pair
    assert domain == rn.Box([0, 0], [1, 2]) and network.n_inputs == 2


@given(st.integers(1, 4).flatmap(lambda n: boxes(n, flat=True)))
def test_flat_boxes_still_have_more_than_one_point(box):
    assert (box.low < box.high).any()


@given(st.integers(2, 4).flatmap(lambda n: hulls(n, flat=True)))
def test_flat_hulls_lie_on_a_line(hull):
    steps = hull.points - hull.points[0]
    scale = np.abs(hull.points).max()
    assert_close(steps, np.arange(len(steps))[:, np.newaxis] * steps[1], gamma(4) * len(steps) * scale, "steps")


def row_exponent_range(network):
    norms = np.concatenate([rn.sphere.row_norms(W) for W in network.weights])
    norms = np.log2(norms[norms > 0.0]) if norms.any() else np.zeros(1)
    return norms.min(), norms.max()


@pytest.mark.parametrize("what", [
    lambda net: net.activation == "relu",
    lambda net: net.activation == "binary",
    lambda net: net.output_bias is None,
    lambda net: net.output_bias is not None,
    lambda net: net.n_inputs == 1,
    lambda net: net.n_inputs == 4,
    lambda net: net.n_outputs == 3,
    lambda net: net.depth == 4,
    lambda net: net.depth == 1 and net.sizes[1] == 1,
    lambda net: net.depth >= 3 and 1 in net.sizes[2:-2],
    lambda net: row_exponent_range(net)[0] < -50,
    lambda net: row_exponent_range(net)[1] > 50,
    lambda net: all((W == np.round(W)).all() for W in net.weights),
    lambda net: any((W != np.round(16 * W) / 16).any() for W in net.weights),
    lambda net: not net.weights[-1].any(),
    lambda net: net.depth > 1 and not net.weights[0].all(axis=1).any() and net.weights[0].any(),
])
def test_every_feature_of_networks_is_reached(what):
    find(networks(), what, settings=QUICK)


@pytest.mark.parametrize("what", [
    lambda domain: isinstance(domain, rn.Box) and (domain.low == domain.high).any(),
    lambda domain: isinstance(domain, rn.Box) and np.abs(domain.low).max() > 1e9,
    lambda domain: isinstance(domain, rn.Ball) and not domain.centre.any(),
    lambda domain: isinstance(domain, rn.Ball) and np.abs(domain.centre).max() > 1e9,
    lambda domain: isinstance(domain, rn.Hull) and len(domain.points) == 2,
    lambda domain: isinstance(domain, rn.Hull) and len(domain.points) == 6,
])
def test_every_kind_of_domain_is_reached(what):
    find(domains(3), what, settings=QUICK)


def test_kinds_are_the_documented_ones():
    assert KINDS == ("cut", "zero", "duplicate", "opposite", "dead", "on", "touch", "axis")
