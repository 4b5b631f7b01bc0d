"""Errors of evaluation: each charge is used up by numbers that round the bad way."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_outputs
from oracles.worst_rounding import (
    ODD, ODDER, U, in_float32, overflows_in_float32, staircase, worst_in_float32,
)
from reducednet.verification.certificates import check_evaluation

ETA, N = 2.0**-1074, 60


def left_to_right(network, x):
    """Return the one output in float64, each sum taken from left to right, the threshold last."""
    h = np.asarray(x, dtype=float)
    for W, b in zip(network.weights, network.thresholds):
        h = np.maximum([np.add.accumulate([*(row * h), t])[-1] for row, t in zip(W, b)], 0.0)
    a = 0.0 if network.output_bias is None else network.output_bias[0]
    return np.add.accumulate([*(network.output_weights[0] * h), a])[-1]


def assert_error_holds(network, x, domain=None):
    """Assert that the bound holds at a point, for the domain of that point but for an input of 1.
    """
    if domain is None:
        domain = rn.Box([*x, 0.0], [*x, 1.0])
        W = [np.column_stack([network.weights[0], np.zeros(len(network.weights[0]))])]
        network = rn.Network([*W, *network.weights[1:]], network.thresholds,
                             network.output_weights, network.output_bias)
        x = [*x, 0.0]
    with np.errstate(all="ignore"):
        off = Q(float(left_to_right(network, x))) - exact_outputs(network, [Q(v) for v in x])[0]
        assert abs(off) <= Q(check_evaluation.error_of(network, domain))


def test_errors_hold_where_each_addition_loses_half_a_unit():
    ones, one = np.ones((1, N)), np.array([[1.0]])
    assert_error_holds(rn.Network([ones], [[0.0]], one), staircase(N))
    assert_error_holds(rn.Network([ones[:, :1]], [[1.0]], one), [U])
    assert_error_holds(rn.Network([np.full((1, 1), ODD)], [[U]], one), [ODDER])
    assert_error_holds(rn.Network([one], [[0.0]], one, [1.0]), [U])
    assert_error_holds(rn.Network([np.zeros((N, 1))], [np.ones(N)], [staircase(N)]), [0.0])


def test_errors_hold_where_those_of_the_layer_below_are_carried_on():
    rows = [np.ones((1, N)), [[2.0**20]]]
    assert_error_holds(rn.Network(rows, [[0.0], [0.0]], [[1.0]]), staircase(N))


def test_errors_of_neurons_that_are_dead_but_for_rounding_hold():
    """z = -29 U is 30 U in float64, as the layer below lost 59 U: h is 0, and not what comes out.
    """
    rows = [np.ones((1, N)), [[-1.0]]]
    f = rn.Network(rows, [[0.0], [1.0 + 30 * U]], [[1.0]])
    assert left_to_right(f, staircase(N)) == 30 * U
    assert exact_outputs(f, [Q(v) for v in staircase(N)])[0] == 0
    assert_error_holds(f, staircase(N))


def test_errors_hold_where_products_underflow():
    tiny = np.full((1, 20), 2.0**-538 * 1.2)
    assert_error_holds(rn.Network([tiny], [[0.0]], [[1.0]]), tiny[0])


def test_both_networks_errors_count():
    one = rn.Network([np.ones((1, N))], [[0.0]], [[1.0]])
    none = rn.Network([np.zeros((1, N))], [[0.0]], [[0.0]])
    box = rn.Box(np.zeros(N), np.ones(N))
    error = check_evaluation.error_of(one, box)
    assert error > N * N * U
    for pair in ((one, none), (none, one)):
        assert check_evaluation.evaluation_error(*pair, box) >= error


def test_sums_that_overflow_in_some_order_have_no_bound():
    """Each of 100 terms is just above half of a unit of the largest: one after the other they round
    up, and the sum of 51 units would be finite.
    """
    unit, largest = 2.0**971, np.finfo(float).max
    terms = np.append(largest - 97 * unit, np.full(100, 0.505 * unit))
    f = rn.Network([np.zeros((101, 1))], [np.ones(101)], [terms])
    assert exact_outputs(f, [Q(0)])[0] < Q(largest) - 40 * Q(unit)
    with np.errstate(over="ignore"):
        assert np.add.accumulate(terms)[-1] == np.inf
        assert not np.isfinite(check_evaluation.error_of(f, rn.Box(-1, 1)))


# binary networks


def binary(rows, thresholds, above=(1.0,), threshold=0.0):
    """Return a binary network with a second layer of one neuron."""
    return rn.Network([rows, [above]], [thresholds, [threshold]], [[1.0]], activation="binary")


def test_sums_above_the_first_layer_are_exact_only_if_none_can_round():
    two = [[1.0], [2.0]]
    for above, exact in (
        ([2.0**52, 1.0], False), ([2.0**50, 1.0], True), ([1.0, 0.1], False),
        ([1e300, 1e-300], False), ([0.75, 0.25], True), ([2.0**53, 1.0], False),
    ):
        f = binary(two, [0.5, 0.5], above)
        assert check_evaluation.sums_are_exact(f) == exact, above


def test_margin_is_no_less_than_the_distance_at_which_float64_errs():
    """z = sum of N inputs near 1 / N, where rounding shifts z by almost N U."""
    row, x = np.ones((1, N)), staircase(N)
    total = sum(map(Q, x))
    f = rn.Network([row], [[-1.0]], [[1.0]], activation="binary")
    assert np.add.accumulate([*x, -1.0])[-1] == 0.0 and total > 1
    for domain in (rn.Box(0 * x, x), rn.Hull([x, 0 * x]), rn.Ball(x, 2.0**-40)):
        margin = Q(check_evaluation.margin(f, f, domain))
        assert (total - 1) ** 2 <= margin**2 * N


def test_a_point_is_decided_by_exact_sums_and_not_by_rounded_ones():
    """Points at which |z| is about as large as its error: rounding z would decide some of them."""
    rng, n = np.random.default_rng(0), 30
    gamma = (n + 1) * Q(U) / (1 - (n + 1) * Q(U))
    decided = []
    for _ in range(300):
        w, x = rng.standard_normal((2, n))
        products = [Q(a) * Q(b) for a, b in zip(w, x)]
        aim = gamma * 2 * sum(map(abs, products)) * Q(rng.uniform(0.4, 0.9))
        b = float(aim - sum(products))
        error = gamma * (sum(map(abs, products)) + abs(Q(b)))
        f = rn.Network([w[None]], [[b]], [[1.0]], activation="binary")
        decided.append(sum(products) + Q(b) > error)
        assert check_evaluation.is_decided(f, f, x.tolist()) == decided[-1]
    assert 20 < sum(decided) < 280


def test_a_first_layer_that_may_overflow_at_a_point_is_not_decided_there():
    a = 1.5e308
    f = rn.Network([[[-a, a]]], [[0.0]], [[1.0]], activation="binary")
    assert not check_evaluation.is_decided(f, f, [10.0, 11.0])
    assert check_evaluation.is_decided(f, f, [0.25, 0.5])


# float32


FLOAT32 = check_evaluation.FLOAT32


def test_errors_hold_in_float32():
    for network, x in worst_in_float32():
        off = Q(in_float32(network, x)) - exact_outputs(network, [Q(v) for v in x])[0]
        error = check_evaluation.error_of(network, rn.Box(0.0 * x, x), FLOAT32)
        assert Q(error) / 4 <= abs(off) <= Q(error)


def test_sums_that_overflow_in_float32_have_no_bound():
    f, box = overflows_in_float32(), rn.Box(-1, 1)
    assert in_float32(f, [0.0]) == np.inf
    assert not np.isfinite(check_evaluation.error_of(f, box, FLOAT32))
    smaller = rn.Network(f.weights, f.thresholds, 0.5 * f.output_weights)
    assert np.isfinite(check_evaluation.error_of(smaller, box, FLOAT32))
    assert np.isfinite(check_evaluation.error_of(f, box))


def test_float32_has_fewer_digits_for_sums_above_the_first_layer():
    for above, exact in (([2.0**24, 1.0], False), ([2.0**21, 1.0], True), ([2.0**125, 1.0], False)):
        f = binary([[1.0], [2.0]], [0.5, 0.5], above)
        assert check_evaluation.sums_are_exact(f, FLOAT32) == exact
