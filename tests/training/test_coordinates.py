"""Coordinates of the reduced space: the unit of thresholds."""
import numpy as np
import pytest
from oracles.assertions import assert_close

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.training.coordinates import coordinates_of

BOX = rn.Box(-4.0 * np.ones(5), 4.0 * np.ones(5))


def pair(bound, unit):
    """Return a network, its usual coordinates and those with a unit."""
    net = rn.ReducedNetwork.random((5, 4, 3, 1), BOX, rng=1, bound=bound, output_bias=True)
    return net, coordinates_of(net), coordinates_of(net, unit)


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_a_step_of_one_moves_a_threshold_by_the_unit(bound):
    net, _, coordinates = pair(bound, 0.25)
    start = coordinates.start()
    for block in range(2):
        moved = start.copy()
        thresholds = net.layout.blocks(moved)[block][-1]
        thresholds += 0.5  # of a step of 1: half of the unit
        before = net.layout.blocks(coordinates.to_vector(start))[block][-1]
        after = net.layout.blocks(coordinates.to_vector(moved))[block][-1]
        size = np.abs(net.intervals[block]).max(axis=1)
        assert_close(after - before, np.full(len(size), 0.125), gamma(64) * size, "distance moved")


@pytest.mark.parametrize("bound", ["support", "ball"])
def test_the_unit_changes_neither_the_point_nor_the_slopes_but_their_scale(bound):
    net, usual, coordinates = pair(bound, 0.25)
    u, v = usual.start(), coordinates.start()
    assert_close(coordinates.to_vector(v), usual.to_vector(u), gamma(64) * 20.0, "parameters")
    gradient = np.random.default_rng(0).standard_normal(net.n_parameters)
    one, other = usual.pull_back(gradient.copy()), coordinates.pull_back(gradient.copy())
    for block, scale in zip(range(2), coordinates.scales):
        assert (scale > 2.0).all()
        a, b = (net.layout.blocks(slopes)[block] for slopes in (one, other))
        assert_close(b[:-1], a[:-1], gamma(256) * (1.0 + np.abs(one).sum()), "slopes by rows")
        assert_close(b[-1], a[-1] * 2.0 / scale, gamma(256) * (1.0 + np.abs(one).sum()), "by thresholds")


def test_a_unit_wider_than_the_intervals_changes_nothing():
    _, usual, coordinates = pair("support", 1e6)
    np.testing.assert_array_equal(usual.start(), coordinates.start())


@pytest.mark.parametrize("unit, error", [(0.0, ValueError), (-1.0, ValueError), ("x", TypeError)])
def test_bad_units_are_refused(unit, error):
    net = pair("support", 1.0)[0]
    with pytest.raises(error, match="`threshold_unit`"):
        rn.train(net, np.zeros((1, 5)), [0.0], "lbfgs", threshold_unit=unit)


def test_a_unit_is_refused_where_no_coordinates_are_used():
    net = pair("support", 1.0)[0]
    with pytest.raises(TypeError, match="`threshold_unit` must be"):
        rn.train(net, np.zeros((1, 5)), [0.0], "adam", threshold_unit=1.0)
