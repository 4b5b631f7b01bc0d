"""Rounding errors of evaluation: sums that round in each addition, and binary neurons next to
their hyperplanes.
"""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_outputs
from reducednet.reduced_space.intervals import LayerSpace
from reducednet.numerics.rounding import FLOAT32
from reducednet.reduced_space.rounding_error import evaluation_margin, forward_error
from oracles.worst_rounding import (
    U, in_float32, overflows_in_float32, staircase, worst_in_float32,
)

ETA = 2.0**-1074


def in_order(network, x):
    """Return the outputs with sums that are taken from left to right, thresholds last."""
    h = np.array(x, dtype=float)
    for W, b in zip(network.weights, network.thresholds):
        h = np.maximum(np.add.accumulate(np.column_stack([W * h, b]), axis=1)[:, -1], 0.0)
    return np.add.accumulate(network.output_weights * h, axis=1)[:, -1]


def assert_holds(network, x, domain):
    off = abs(Q(float(in_order(network, x)[0])) - exact_outputs(network, x)[0])
    assert 0 < off <= Q(float(rn.evaluation_bound(network, domain)[0]))


def test_errors_of_outputs_and_of_layers_below_are_charged():
    n = 60
    box, one = rn.Box(np.zeros(n), np.ones(n)), np.ones(n)
    assert_holds(rn.Network([np.eye(n)], [np.zeros(n)], [staircase(n)]), one, box)
    assert_holds(rn.Network([[staircase(n)]], [[0.0]], [[1.0]]), one, box)


def test_products_that_underflow_are_charged():
    tiny = 2.0**-537 * 1.2
    net = rn.Network([np.full((1, 20), tiny)], [[0.0]], [[1.0]])
    assert_holds(net, np.full(20, tiny), rn.Box(np.zeros(20), np.full(20, tiny)))


def test_a_dead_neuron_that_rounding_switches_on_is_charged():
    """1 + 3/2 U rounds up to 1 + 2 U, and so on: the sum is 30 U above its value, which is below
    0.
    """
    row = np.append(1.0, np.full(60, 1.5 * U))
    net = rn.Network(
        [row[None, ::-1]], [[-(1.0 + 100 * U)]], [[1.0]]
    )  # from the other side nothing rounds up
    other = rn.Network([row[None]], net.thresholds, net.output_weights)
    off = Q(float(in_order(other, np.ones(61))[0]))
    assert exact_outputs(net, np.ones(61)) == [0] and off > 10 * Q(U)
    assert off <= Q(float(rn.evaluation_bound(net, rn.Box(np.zeros(61), np.ones(61)))[0]))


def test_binary_neurons_are_wrong_nowhere_beyond_the_margin():
    """1 + 59 U - 1 comes out as 0, and 2^-1075 as 0: the step is off where it should be on."""
    n, tiny = 60, 2.0**-538
    for row, b, x, z in (
        (staircase(n), -1.0, np.ones(n), 59 * Q(U)),
        (np.full(1, tiny), 0.0, np.full(1, tiny), None),
    ):
        net = rn.Network([row[None]], [[b]], [[1.0]], activation="binary")
        z = Q(tiny) ** 2 if z is None else z
        margin = Q(evaluation_margin(net, rn.Box(0 * x, x)))
        assert margin**2 * sum(Q(w) ** 2 for w in row) >= z**2


def test_sums_above_the_first_binary_layer_must_be_exact():
    net = rn.Network(
        [np.eye(3), [[2.0**53, 1.0, 1.0]]], [np.full(3, -0.5), [-1.0]], [[1.0]], activation="binary"
    )
    assert evaluation_margin(net, rn.Box(np.zeros(3), np.ones(3))) == np.inf
    net = net.with_vector(np.where(net.to_vector() == 2.0**53, 2.0**40, net.to_vector()))
    assert evaluation_margin(net, rn.Box(np.zeros(3), np.ones(3))) < np.inf


def test_points_nearer_than_three_margins_and_the_threshold_s_rounding_are_undecided():
    box = rn.Box([-1.0], [1.0])
    margin = LayerSpace(
        box, rn.Network([[[1.0]]], [[0.0]], [[1.0]], activation="binary")._activation, "ball"
    ).margin
    for b, near, far in ((0.0, 2.9, 3.1), (1.0, 3.9, 4.1)):
        net = rn.Network([[[1.0]]], [[b]], [[1.0]], activation="binary")
        X = np.array([[-b + share * margin] for share in (near, far)])
        assert rn.decided(net, box, X).tolist() == [False, True]
    tiny = rn.Network([[[ETA]]], [[0.0]], [[1.0]], activation="binary")
    assert not rn.decided(tiny, rn.Box([-1.0], [1.0]), [[1.0]])[0]


# float32


def test_errors_hold_in_float32():
    for network, x in worst_in_float32():
        off = Q(in_float32(network, x)) - exact_outputs(network, x)[0]
        error = forward_error(network, rn.Box(0.0 * x, x), 0, FLOAT32)[0]
        assert Q(float(error)) / 4 <= abs(off) <= Q(float(error))


def test_binary_neurons_are_wrong_nowhere_beyond_the_margin_in_float32():
    for network, x in worst_in_float32():
        b = [[-1.0 if x[0] == 1.0 else 0.0]]
        f = rn.Network(network.weights, b, [[1.0]], activation="binary")
        sums = rn.Network(network.weights, [[0.0]], [[1.0]])
        assert in_float32(sums, x) + b[0][0] == 0.0
        z = exact_outputs(sums, x)[0] + Q(b[0][0])
        margin = Q(evaluation_margin(f, rn.Box(0 * x, x), FLOAT32))
        assert 0 < z**2 <= margin**2 * sum(Q(float(w)) ** 2 for w in f.weights[0][0])


def test_sums_that_overflow_in_float32_have_no_bound():
    f, box = overflows_in_float32(), rn.Box(-1, 1)
    assert in_float32(f, [0.0]) == np.inf
    assert forward_error(f, box, 0, FLOAT32)[0] == np.inf
    smaller = rn.Network(f.weights, f.thresholds, 0.5 * f.output_weights)
    assert max(forward_error(smaller, box, 0, FLOAT32), forward_error(f, box)) < np.inf
    first = rn.Network([np.full((1, 9), 2.0**125)], [[0.0]], [[1.0]], activation="binary")
    assert evaluation_margin(first, rn.Box(-np.ones(9), np.ones(9)), FLOAT32) == np.inf
    assert evaluation_margin(first, rn.Box(-np.ones(9), np.ones(9))) < np.inf


def test_float32_has_fewer_digits_for_sums_above_the_first_binary_layer():
    for largest, is_exact in ((2.0**24, False), (2.0**21, True), (2.0**40, False)):
        net = rn.Network(
            [np.eye(2), [[largest, 1.0]]], [[-0.5, -0.5], [-1.0]], [[1.0]], activation="binary"
        )
        margin = evaluation_margin(net, rn.Box(np.zeros(2), np.ones(2)), FLOAT32)
        assert np.isfinite(margin) == is_exact
