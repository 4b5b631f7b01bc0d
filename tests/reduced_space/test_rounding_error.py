"""The bounds of rounding hold against exact arithmetic, and say something."""
from fractions import Fraction
from functools import reduce
from itertools import permutations
from operator import add

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import assert_equal_bits, fail_at, gamma, hidden_outputs, path_sums
from reducednet.numerics.rounding import UNIT_ROUNDOFF
from oracles.reference import exact_forward, exact_layers, outputs
from oracles.strategies import BOUNDS, cases, hyperplane_points, networks_with_domains, points_of, seeds


"""Rational arithmetic is slow."""


def assert_within_exactly(left, right, bound, what):
    """Assert |left - right| <= bound with the left floats and bounds taken as exact rationals."""
    for k, (value, exact, allowed) in enumerate(zip(left, right, bound)):
        if abs(Fraction(float(value)) - exact) > Fraction(float(allowed)):
            fail_at(what, (k,), float(value), float(exact), float(allowed))


def exact_errors(network, X):
    """Return the largest error over X of each output, rounded, of the library's evaluation."""
    errors = np.zeros(network.n_outputs)
    for x, row in zip(X, network(X)):
        exact = exact_forward(network, x)
        errors = np.maximum(errors, [float(abs(Fraction(float(v)) - e)) for v, e in zip(row, exact)])
    return errors


def hard(network, domain):
    return network, domain, np.vstack([points_of(domain, 0), hyperplane_points(network, domain)])


HARD = [
    hard(rn.Network([[[1.0]]], [[1e16]], [[1.0]], [-1e16]), rn.Box(0, 1)),
    hard(rn.Network([[[5e-324, 1e-310]]], [[5e-324]], [[1e300]]), rn.Box([0, 0], [1, 3])),
    hard(rn.Network([[[1e-200]], [[1e-200]]], [[0.0], [0.0]], [[1e300]]), rn.Box(0, 1)),
    hard(rn.Network([[[1e200, 1e184]]], [[-1e200]], [[1e-190]]), rn.Box([0, 0], [1, 1])),
    hard(rn.Network([[[1.0, -1.0], [1.0, 1.0]]], [[-2.0, 0.0]], [[1e9, 1e-9]]), rn.Box([0, 0], [1, 1])),
]


@example(HARD[0])
@example(HARD[1])
@example(HARD[2])
@example(HARD[3])
@example(HARD[4])
@given(cases(activation="relu", max_depth=3, max_width=5))
def test_evaluation_bound_holds_against_exact_arithmetic(case):
    network, domain, X = case
    bound = rn.evaluation_bound(network, domain)
    for x, row in zip(X, network(X)):
        assert_within_exactly(row, exact_forward(network, x), bound, f"{network!r} at {x}")


@given(cases(activation="binary", max_depth=3, max_width=5))
def test_evaluation_bound_holds_for_binary_networks_at_decided_points(case):
    network, domain, X = case
    bound, X = rn.evaluation_bound(network, domain), X[rn.decided(network, domain, X)]
    for x in X:
        assert_within_exactly(network([x])[0], exact_forward(network, x), bound, f"{network!r} at {x}")


@given(cases(activation="relu", max_depth=3, max_width=5))
def test_evaluation_bound_holds_for_another_order_of_summation(case):
    network, domain, X = case
    bound = rn.evaluation_bound(network, domain)
    for x, row in zip(X, outputs(network, X)):
        assert_within_exactly(row, exact_forward(network, x), bound, f"{network!r} at {x}")


@given(cases(activation="relu", max_depth=3, max_width=4, scaled=False), seeds())
def test_extra_roundings_pay_for_perturbed_parameters(case, seed):
    # each parameter is multiplied by 1 + 2 k u, |k| <= 3, and rounded once: 7 roundings
    network, domain, X = case
    theta = network.to_vector()
    steps = np.random.default_rng(seed).integers(-3, 4, len(theta))
    perturbed = network.with_vector(theta * (1.0 + 2.0 * UNIT_ROUNDOFF * steps))
    bound = rn.evaluation_bound(network, domain, 7)
    for x, row in zip(X, perturbed(X)):
        assert_within_exactly(row, exact_forward(network, x), bound, f"{network!r} at {x}")


@given(networks_with_domains(), st.integers(0, 50), st.integers(1, 50))
def test_evaluation_bound_grows_with_extra_roundings(pair, extra, more):
    network, domain = pair
    small, large = (rn.evaluation_bound(network, domain, n) for n in (extra, extra + more))
    assert (small <= large).all() and (small > 0.0).all()
    if network.output_weights.any(axis=1).all() and network.activation == "binary":
        assert (small < large).all()


def growth(network, domain):
    """Return the largest bound that the recursion allows: all its roundings times the path sums.

    One layer's error is e <- |W| e + gamma_(n+2) (|W| (A + e) + |b|), up to second order, with A at
    most the path sums plus the errors: so at most gamma of all n + 2 together, and one in sixteen
    for the second order, times the path sums.
    """
    total = sum(n + 2 for n in network.sizes[:-1])
    return 17 / 16 * gamma(total) * path_sums(network, domain)[-1]


@given(networks_with_domains(activation="relu", scaled=False))
def test_evaluation_bound_is_at_most_all_roundings_times_the_path_sums(pair):
    network, domain = pair
    underflow = 2.0**-900  # of no weight at these scales
    assert (rn.evaluation_bound(network, domain) <= growth(network, domain) + underflow).all()


def test_evaluation_bound_is_within_a_small_factor_of_the_worst_error_seen():
    # one neuron, one input: fl(c fl(fl(w x) + b)) has 3 roundings of relative size u where w x ~ b, the
    # bound charges gamma_3 in each of two layers: 6 u. Some of 400 points lose more than u.
    rng, ratios = np.random.default_rng(0), []
    for _ in range(20):
        w, b, c = 1.0 + rng.random(3)
        net, box = rn.Network([[[w]]], [[b]], [[c]]), rn.Box(0, 1)
        ratios.append(rn.evaluation_bound(net, box)[0] / exact_errors(net, box.sample(400, rng))[0])
    assert 1.0 <= min(ratios) and max(ratios) <= 8.0


def test_evaluation_bound_is_near_the_error_of_cancelling_terms():
    # x + 1e16 is rounded to a multiple of 2: an error of 1 is reached, the bound may charge 6 of them
    net, box = rn.Network([[[1.0]]], [[1e16]], [[1.0]], [-1e16]), rn.Box(0, 2)
    seen = exact_errors(net, np.array([[0.999], [1.0], [1.001]]))[0]
    assert 0.99 <= seen <= rn.evaluation_bound(net, box)[0] <= 16.0


@pytest.mark.parametrize("n", [2, 10, 100])
@pytest.mark.parametrize("deep", [False, True])
def test_evaluation_bound_holds_where_every_addition_loses_half_a_unit(n, deep):
    # 1 + u + u + ... from the left: each u is a tie and is rounded away: the error is n - 1 units in all
    row = [[1.0] + [UNIT_ROUNDOFF] * (n - 1)]
    if deep:  # the sum's terms are n copies of x
        net, d = rn.Network([[[1.0]] * n, row], [[0.0] * n, [0.0]], [[1.0]]), 1
    else:
        net, d = rn.Network([row], [[0.0]], [[1.0]]), n
    (computed,), (exact,) = outputs(net, [[1.0] * d])[0], exact_forward(net, [1.0] * d)
    error = exact - Fraction(computed)
    assert error == (n - 1) * Fraction(UNIT_ROUNDOFF)
    bound = Fraction(float(rn.evaluation_bound(net, rn.Box([0.5] * d, [1.0] * d))[0]))
    assert error <= bound <= (error if n > 2 else 2 * error) * 8


def test_evaluation_bound_holds_for_a_dead_neuron_that_some_order_of_summation_switches_on():
    # 3 + 3 + 2^53 - (2^53 + 6) = 0 exactly, but (2^53 + 3) + 3 is rounded up twice, to 2^53 + 8
    row, b = [3.0, 3.0, 2.0**53], -(2.0**53 + 6.0)
    worst = max(reduce(add, order) + b for order in permutations(row))  # `sum` makes up for rounding
    net = rn.Network([[row]], [[b]], [[1.0]])
    assert worst == 2.0 and exact_forward(net, [1.0] * 3) == [0]
    assert rn.evaluation_bound(net, rn.Box([0.0] * 3, [1.0] * 3))[0] >= worst


@given(cases(activation="relu", kinds=("dead",), max_depth=1))
def test_dead_neurons_cost_nothing(case):
    network, domain, X = case
    total = np.zeros(network.n_outputs) if network.output_bias is None else np.abs(network.output_bias)
    allowed = 2.0 * gamma(network.sizes[1] + 2) * total + 2.0**-900
    assert (rn.evaluation_bound(network, domain) <= allowed).all()


KEPT = rn.Network(  # the dead neuron of layer 2 was taken for one whose place was given away: the bound was 9
    [[[1.0, 0.0], [2.0, 3.0]], [[-2.0, -1.0], [1.0, 0.0]], [[-3.0, -1.0], [-3.0, 0.0]]],
    [[-3.0, -10.0], [1.0, -3.5], [2.0, 2.0]], [[-3.0, -2.0]], [0.0],
), rn.Box([2, 1], [3, 3])


@example(KEPT, "support")
@given(networks_with_domains(activation="relu", output_bias=True, scaled=False), BOUNDS)
def test_reduction_bound_says_something_where_no_pair_is_needed(pair, bound):
    # A reduced entry nu (|u| S + |t|) + kappa is at most 3 (|w| S + |b|): |t| is at most |b| / nu or
    # |u| S, and kappa at most b + nu |u| S. So its path sums are at most 3^depth those of the network;
    # both are charged n + 2 in their evaluation. That the reduction is off by less than this is proved with
    # neurons of one index: each layer's terms, of both networks, are charged less than 12 m + 16 roundings, m the
    # largest width, for rows over the classes, their difference and its evaluation; the layers below once more.
    network, domain = pair
    red = rn.reduce(network, domain, bound)
    extra = 12 * max(red.sizes) + 16
    total = sum(n + 2 + extra for n in red.sizes[:-1])
    times = 3.0 * (network.depth + 1.0) * (1.0 + 3.0**network.depth)
    allowed = 17 / 16 * gamma(total) * times * path_sums(network, domain)[-1]
    assert (rn.reduction_bound(network, red) <= allowed + 2.0**-900).all()


def test_bounds_beyond_float64_are_infinite():
    largest = np.finfo(float).max
    for W, b in ([[1e308, 1e308]], [0.0]), ([[1e308, 0.0]], [largest - 1e308]):
        net = rn.Network([W], [b], [[1.0]])
        assert rn.evaluation_bound(net, rn.Box([0, 0], [1, 1])).tolist() == [np.inf]
    deep = rn.Network([[[1e200]], [[1e200]]], [[0.0], [0.0]], [[1.0], [0.0]])
    assert rn.evaluation_bound(deep, rn.Box(0, 1)).tolist() == [np.inf, np.inf]


# decided

@given(cases(activation="relu"))
def test_all_points_are_decided_for_relu(case):
    network, domain, X = case
    assert rn.decided(network, domain, X).all()


@given(cases(activation="binary", max_depth=3, max_width=5))
def test_decided_points_have_the_exact_hidden_values(case):
    network, domain, X = case
    X = X[rn.decided(network, domain, X)]
    computed = hidden_outputs(network, X) if len(X) else []
    for i, x in enumerate(X):
        _, exact, _ = exact_layers(network, x)
        for H, h in zip(computed, exact):
            assert H[i].tolist() == [float(v) for v in h]


@given(cases(activation="binary", kinds=("cut", "axis", "duplicate", "opposite"), max_depth=1))
def test_exact_ties_are_undecided(case):
    network, domain, X = case
    verdict = rn.decided(network, domain, X)
    for x, decided in zip(X, verdict):
        (z,), _, _ = exact_layers(network, x)
        assert not (decided and 0 in z)


@given(cases(activation="binary", scaled=False))
def test_decided_does_not_depend_on_the_scale_of_rows(case):
    network, domain, X = case
    assert_equal_bits(rn.decided(rn.rescale(network), domain, X), rn.decided(network, domain, X), "decided")


@given(cases(activation="binary", kinds=("zero",)))
def test_zero_rows_decide_nothing(case):
    network, domain, X = case
    assert rn.decided(network, domain, X).all()


@pytest.mark.parametrize("activation_of_sizes", [(3, 10, 1), (2, 20, 2), (5, 8, 8, 1)])
def test_nearly_all_random_points_are_decided(activation_of_sizes):
    # |z| / nu of each of at most 20 neurons has a density of at most 1 at 0, and the margin is under
    # 1e4 u: a point in 1e10 is undecided
    rng = np.random.default_rng(1)
    n = activation_of_sizes[0]
    net = rn.Network.random(activation_of_sizes, rng, activation="binary")
    assert rn.decided(net, rn.Box([0] * n, [1] * n), rng.random((2000, n))).all()


@pytest.mark.parametrize("distance, verdict", [(0.0, False), (1.0, False), (3.9, False), (100.0, True)])
def test_the_margin_of_decision_is_a_few_roundings_wide(distance, verdict):
    # z = 3 x - 1 at x = 1/3 + distance * 4 u; in units of the row that is distance * 4 u
    net = rn.Network([[[3.0]]], [[-1.0]], [[1.0]], activation="binary")
    x = 1 / 3 + distance * 4 * UNIT_ROUNDOFF
    assert rn.decided(net, rn.Box(0, 1), [[x]]).tolist() == [verdict]


def binary_row(row, b):
    return rn.Network([[row]], [[b]], [[1.0]], activation="binary")


@pytest.mark.parametrize("row, b, x", [
    ([5e-324, 5e-324, 5e-324], -1e-323, [0.51, 0.51, 0.51]),  # the products round up to z = 1 unit; exactly z < 0
    ([5e-324, 5e-324], -1e-323, [1.6, 1.0]),  # |w| itself rounds to one unit, and b / |w| is off by 41 %
    ([5e-324, 1e-323, 5e-324], -1.5e-323, [0.9, 0.7, 0.8]),
])
def test_subnormal_binary_rows_are_undecided_where_the_reduction_differs(row, b, x):
    net, box = binary_row(row, b), rn.Box([0] * len(row), [3] * len(row))
    red = rn.reduce(net, box)
    (z,), _, _ = exact_layers(net, x)
    exact = 1.0 if z[0] > 0 else 0.0
    equal = float(net([x])[0, 0]) == float(red([x])[0, 0]) == exact
    assert equal or not rn.decided(net, box, [x])[0]


def test_subnormal_binary_rows_are_equal_at_decided_points():
    rng, box = np.random.default_rng(1), rn.Box([0, 0], [1, 1])
    for _ in range(100):
        w, X = rng.standard_normal(2) * 10.0 ** rng.uniform(-322, -305), rng.random((100, 2))
        net = binary_row(w, -float(X[0] @ w))
        X = np.vstack([X, X[0] + 1e-13 * rng.standard_normal((100, 2))]).clip(0.0, 1.0)
        X = X[rn.decided(net, box, X)]
        if len(X):
            assert_equal_bits(rn.reduce(net, box)(X), net(X), f"w = {w}, b = {net.thresholds[0]}")


# Refusals

NET = rn.Network([[[1.0]]], [[0.0]], [[1.0]])
RED = rn.reduce(NET, rn.Box(0, 1))


@pytest.mark.parametrize("call, error, match", [
    (lambda: rn.evaluation_bound(3, rn.Box(0, 1)), TypeError, "`network` must be a Network or ReducedNetwork"),
    (lambda: rn.evaluation_bound(NET, 1.0), TypeError, "`domain` must be a Box, Ball or Hull, got float"),
    (lambda: rn.evaluation_bound(NET, rn.Box([0, 0], [1, 1])), ValueError, "`domain` must be of dimension 1"),
    (lambda: rn.evaluation_bound(NET, rn.Box(0, 1), -1), ValueError, "`extra_roundings` must be at least 0"),
    (lambda: rn.evaluation_bound(NET, rn.Box(0, 1), 1.5), TypeError, "`extra_roundings` must be an integer"),
    (lambda: rn.reduction_bound("net", RED), TypeError, "`network` must be a Network or ReducedNetwork"),
    (lambda: rn.reduction_bound(NET, NET), TypeError, "`reduced` must be a ReducedNetwork, got Network"),
    (lambda: rn.reduction_bound(rn.Network([[[1.0, 1.0]]], [[0.0]], [[1.0]]), RED), ValueError, "dimension 2"),
    (lambda: rn.decided(None, rn.Box(0, 1), [[0.0]]), TypeError, "`network` must be a Network"),
    (lambda: rn.decided(NET, rn.Box(0, 1), [0.0]), ValueError, r"`X` must be of shape \(n_samples, 1\)"),
    (lambda: rn.decided(NET, rn.Box(0, 1), [[np.nan]]), ValueError, r"`X` must be finite, got nan at index"),
    (lambda: rn.decided(NET, rn.Box([0, 0], [1, 1]), [[0.0]]), ValueError, "`domain` must be of dimension 1"),
])
def test_bad_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
