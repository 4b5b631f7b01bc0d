"""Neurons called dead or always on are so at every point, in rationals."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.reference import layers
from oracles.strategies import boxes, cases, seeds


@given(cases(domain=boxes))
def test_dead_and_always_on_neurons_are_so_at_every_point(case):
    network, domain, X = case
    found = rn.stable_neurons(network, domain)
    for x in np.clip(X, domain.low, domain.high):
        for z, dead, on in zip(layers(network, x, Fraction)[0], found.dead, found.always_on):
            assert all(value <= 0 for value, is_dead in zip(z, dead) if is_dead)
            assert all(value >= 0 for value, is_on in zip(z, on) if is_on)


@given(st.integers(1, 4).flatmap(boxes), seeds())
def test_first_layer_on_a_box_is_decided_exactly(box, seed):
    """On a box the smallest and largest w.x + b are attained at corners: exact in rationals."""
    rng = np.random.default_rng(seed)
    W, low, high = rng.integers(-3, 4, (8, box.n_inputs)).astype(float), box.low, box.high
    ends = [
        [sum((pick(Fraction(w) * Fraction(lo), Fraction(w) * Fraction(hi)) for w, lo, hi in zip(row, low, high)),
             Fraction(0)) for pick in (min, max)] for row in W
    ]
    b = np.array([-float(end[rng.integers(2)]) for end in ends])  # hyperplanes at the boundary, about
    found = rn.stable_neurons(rn.Network([W], [b], np.ones((1, 8))), box)
    for j, ((smallest, largest), threshold) in enumerate(zip(ends, b)):
        assert found.dead[0][j] == (largest + Fraction(threshold) <= 0)
        assert found.always_on[0][j] == (smallest + Fraction(threshold) >= 0 and not found.dead[0][j])


def test_counts_by_hand():
    """On [0, 1]: x - 2 dead, x - 1/2 neither, x + 1 always on; above, 5 - 4 h_2 >= 5 - 4/2 = 3."""
    net = rn.Network([[[1.0], [1.0], [1.0]], [[0.0, -4.0, 0.0]]], [[-2.0, -0.5, 1.0], [5.0]], [[1.0]])
    found = rn.stable_neurons(net, rn.Box(0, 1))
    assert [layer.tolist() for layer in found.dead] == [[True, False, False], [False]]
    assert [layer.tolist() for layer in found.always_on] == [[False, False, True], [True]]
    assert [layer.tolist() for layer in found.unstable] == [[False, True, False], [False]]
    assert repr(found) == "StableNeurons(1 dead, 1 always on, 1 unstable; 0 dead, 1 always on, 0 unstable)"


def test_linear_bounds_see_what_intervals_do_not():
    """h_1 - h_2 with h_1 = x + 1, h_2 = x + 1: 0, where intervals give [-1, 1]."""
    net = rn.Network([[[1.0], [1.0]], [[1.0, -1.0]]], [[1.0, 1.0], [0.5]], [[1.0]])
    assert rn.stable_neurons(net, rn.Box(0, 1)).always_on[1].tolist() == [True]


def test_a_binary_tie_is_not_always_on():
    """z = x on [0, 1] is 0 at x = 0, where s(z) = 0."""
    net = rn.Network([[[1.0]]], [[0.0]], [[1.0]], activation="binary")
    assert rn.stable_neurons(net, rn.Box(0, 1)).unstable[0].tolist() == [True]
    assert rn.stable_neurons(net, rn.Box(1, 2)).always_on[0].tolist() == [True]


@pytest.mark.parametrize("domain, words", [(rn.Box([0, 0], [1, 1]), "dimension"), ("box", "domain")])
def test_bad_domains_are_refused(domain, words):
    with pytest.raises((TypeError, ValueError), match=words):
        rn.stable_neurons(rn.Network.random((1, 3, 1), rng=0), domain)
