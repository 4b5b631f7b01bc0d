"""Intervals of reduced layers: their margins cover every rounding error that can occur."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from reducednet.networks.activations import ACTIVATIONS
from reducednet.reduced_space.intervals import LayerSpace
from oracles.worst_rounding import U, staircase

ETA = 2.0**-1074


def space(domain, activation="relu", bound="support", **more):
    return LayerSpace(domain, ACTIVATIONS[activation], bound, **more)


def test_binary_margin_covers_all_roundings_of_a_pre_activation_and_an_interval():
    """Terms of 2 X_B meet n + 1, an end of X_B as many, a norm and a division n / 2 + 3; products
    underflow twice.
    """
    for n in (1, 2, 50):
        for size in (1.0, 3.0, ETA):
            domain = rn.Box(np.full(n, -size), np.full(n, size))
            count, X = 3 * (n + 1) + Q(n, 2) + 3, Q(domain.norm_bound)
            assert Q(space(domain).margin) > count * Q(U) * X + (n + 1) * Q(ETA)


def test_rounding_error_covers_an_interval_and_a_threshold_near_its_end():
    """The end's sum meets n, the threshold's norm and division n / 2 + 4, all of |u| . A."""
    for n in (1, 2, 50):
        for bound in ("support", "ball"):
            own = space(rn.Box(np.zeros(n), np.ones(n)), bound=bound)
            for u in (np.full((1, n), n**-0.5), np.eye(n)[:1]):
                size = own.domain.norm_bound if bound == "ball" else u.sum()
                assert Q(own.rounding_error(u)[0]) >= (Q(3 * n, 2) + 4) * Q(U) * Q(size)


def test_intervals_above_neurons_that_changed_by_rounding_change_by_rounding():
    """A neuron that is at most 2^-30 has a threshold that may be off by a rounding of 1: far more
    than of 2^-30.
    """
    first = space(rn.Box([-1.0], [1.0]))
    units, u = np.array([[1.0], [-1.0]]), np.array([[1.0, 0.0], [0.6, -0.8]])
    b = np.full(2, -1.0 + 2.0**-30)
    above, moved = (first.next_layer(units, t) for t in (b, b + first.rounding_error(units)))
    off = np.abs(above.intervals(u) - moved.intervals(u)).max(axis=1)
    assert (off > 100 * U * 2.0**-30).all() and (off <= above.rounding_error(u)).all()


def test_inputs_of_a_layer_lie_within_its_tighter_bounds():
    """The sum of 1 and 59 U comes out as 1; so does its opposite beside 2."""
    n = 60
    first = space(rn.Box(np.zeros(n), np.ones(n)))
    high, low = first.next_layer(staircase(n)[None], np.zeros(1)), first.next_layer(
        -staircase(n)[None], np.full(1, 2.0)
    )
    total = sum(map(Q, staircase(n)))
    assert Q(high.input_range.high[0]) >= total and Q(low.input_range.low[0]) <= 2 - total
    dead = first.next_layer(staircase(n)[None], np.full(1, -1.0))  # 59 U, as computed 0
    assert Q(dead.input_range.high[0]) >= total - 1


def test_sides_no_longer_than_their_rounding_error_are_0():
    """The first neuron's sum moves by one unit in its last place."""
    first = space(rn.Box([0.1, 0.2, 0.0], [0.1, np.nextafter(0.2, 1.0), 1.0]))
    row = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    above = first.next_layer(row, np.zeros(2))
    box = above.domain
    assert box.low[0] == box.high[0] and box.high[1] == 1.0 and above.input_range.error[0] > 0.0


def test_a_binary_neuron_is_stable_only_by_more_than_half_the_margin():
    first = space(rn.Box([0.0], [1.0]), "binary")
    for share, high in ((0.25, 1.0), (0.75, 0.0)):
        b = np.array([-1.0 - share * first.margin, -0.5])
        assert first.next_layer(np.ones((2, 1)), b).domain.high.tolist() == [high, 1.0]
        on = first.next_layer(np.ones((2, 1)), np.array([share * first.margin, -0.5]))
        assert on.domain.low.tolist() == [1.0 - high, 0.0]
    interval = first.intervals(np.ones((1, 1)))[0]
    assert interval.tolist() == [-1.0 - first.margin, first.margin]
