"""Laws of the proved lower bound of the training error of networks of one input."""
import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from oracles import strategies
from oracles.exact_partitions import least_partition_error

import reducednet as rn
from reducednet.training.global_optima import partitions
from reducednet.training.global_optima.exact_error import exact_mean_squared_error
from reducednet.training.global_optima.limits import limit_in_parts

ACTIVATIONS = ("relu", "binary")
both = pytest.mark.parametrize("activation", ACTIVATIONS)
seeds = strategies.seeds()
GRID = np.linspace(0.0, 1.0, 200)[:, np.newaxis]


def samples_of(seed, n_samples=30, n_outputs=1, ties=False):
    """Return unsorted samples and noisy responses; with ties, few different x."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 8, (n_samples, 1)) / 8.0 if ties else rng.normal(size=(n_samples, 1))
    return X, np.sin(3.0 * X + np.arange(n_outputs)) + 0.3 * rng.normal(size=(n_samples, n_outputs))


def rounding_of(X, Y, n_neurons, weights=None):
    """Return a bound of what rounding the costs down takes off the limit.

    The n + 1 costs of the best partition lose less than one unit each. The unit is at most 2^-59
    (n + 1) times the error of some partition, which is at most that of one constant. The result is
    rounded once.
    """
    one_constant = float(least_partition_error(X[:, 0], Y, 1, False, weights))
    return (n_neurons + 1)**2 * 2.0**-59 * one_constant + 2.0**-52 * one_constant


# against an exact dynamic programme of fractions


@both
@pytest.mark.parametrize("n_samples, n_outputs, ties", [(16, 1, False), (10, 2, False), (40, 1, True)])
def test_limit_is_that_of_an_exact_dynamic_programme(activation, n_samples, n_outputs, ties):
    X, Y = samples_of(n_samples, n_samples, n_outputs, ties)
    for n_neurons in (1, 3, 6):
        exact = least_partition_error(X[:, 0], Y, n_neurons + 1, activation == "relu")
        bound = Fraction(rn.training_limit(X, Y, n_neurons, activation).bound)
        assert 0 <= exact - bound <= rounding_of(X, Y, n_neurons)


@pytest.mark.slow
@both
def test_limit_of_forty_samples_is_that_of_an_exact_dynamic_programme(activation):
    X, Y = samples_of(0, 40)
    exact = least_partition_error(X[:, 0], Y, 8, activation == "relu")
    assert 0 <= exact - Fraction(rn.training_limit(X, Y, 7, activation).bound) <= rounding_of(X, Y, 7)


@both
def test_limit_of_weighted_samples_is_that_of_an_exact_dynamic_programme(activation):
    X, Y = samples_of(3, 16)
    weights = np.random.default_rng(3).random(16) * (np.arange(16) % 5 != 0)
    exact = least_partition_error(X[:, 0], Y, 4, activation == "relu", weights)
    bound = Fraction(rn.training_limit(X, Y, 3, activation, weights).bound)
    assert 0 <= exact - bound <= rounding_of(X, Y, 3, weights)


@both
@given(seed=seeds)
def test_lines_of_the_runs_have_the_error_of_the_limit(activation, seed):
    X, Y = samples_of(seed)
    limit = rn.training_limit(X, Y, 4, activation)
    errors = np.zeros_like(Y)
    for line in limit.runs:
        inside = (X[:, 0] >= line.low) & (X[:, 0] <= line.high)
        share = (X[inside] - line.low) / ((line.high - line.low) or 1.0)
        errors[inside] = Y[inside] - (line.left + share * (line.right - line.left))
    assert np.mean(errors**2) == pytest.approx(limit.bound, rel=1e-12, abs=1e-28)
    assert [line.low for line in limit.runs[1:]] > [line.high for line in limit.runs[:-1]]


# no network is better


def random_network(rng, activation, n_neurons, n_outputs=1):
    kind = rng.integers(3)
    sizes, bias = (1, n_neurons, n_outputs), bool(rng.integers(2))
    if kind == 0:
        return rn.Network.random(sizes, rng, activation=activation, output_bias=bias)
    if kind == 1:
        return rn.ReducedNetwork.random(sizes, rn.Box(0, 1), rng, activation=activation, output_bias=bias)
    network = rn.Network.random(sizes, rng, scheme="uniform", activation=activation, output_bias=bias)
    return rn.train(network, GRID, np.sin(9.0 * GRID) * np.ones(n_outputs),
                    "lbfgs" if activation == "relu" else "surrogate", n_steps=10).network


def check_that_no_network_is_better(n_networks, seed):
    """Compare each network with the limit of one of three problems: others' values, and its own."""
    rng = np.random.default_rng(seed)
    for _ in range(n_networks):
        activation, n_neurons = str(rng.choice(ACTIVATIONS)), int(rng.integers(1, 8))
        network = random_network(rng, activation, n_neurons)
        X = np.sort(rng.random((40, 1)), axis=0)
        y = (np.sin(9.0 * X), network(X), network(X) + 1e-6 * rng.normal(size=X.shape))[rng.integers(3)]
        limit = rn.training_limit(X, y, n_neurons, activation)
        assert limit.bound <= exact_mean_squared_error(network, X, y, np.ones(len(X)))


def test_no_network_has_an_error_below_the_limit():
    check_that_no_network_is_better(48, 0)


@pytest.mark.slow
def test_none_of_2000_networks_has_an_error_below_the_limit():
    check_that_no_network_is_better(2000, 1)


@both
@given(seed=seeds)
def test_limit_of_a_networks_own_values_is_below_rounding(activation, seed):
    network = rn.Network.random((1, 5, 2), seed, activation=activation)
    X = np.random.default_rng(seed).random((60, 1))
    rounding = np.sum(rn.evaluation_bound(network, rn.Box(0, 1))**2)
    assert rn.training_limit(X, network(X), 5, activation).bound <= rounding


# symmetries


@both
@given(seed=seeds)
def test_limit_does_not_depend_on_the_order_of_samples(activation, seed):
    X, Y = samples_of(seed, ties=True)
    order = np.random.default_rng(seed).permutation(len(X))
    assert rn.training_limit(X[order], Y[order], 3, activation).bound == \
        rn.training_limit(X, Y, 3, activation).bound


@both
@given(seed=seeds)
def test_limit_scales_with_the_responses_and_not_with_the_samples(activation, seed):
    X, Y = samples_of(seed)
    assert rn.training_limit(-4.0 * X, -2.0 * Y, 3, activation).bound == pytest.approx(
        4.0 * rn.training_limit(X, Y, 3, activation).bound, rel=0, abs=8 * rounding_of(X, Y, 3))


@both
@given(seed=seeds)
def test_integer_weights_count_samples_several_times(activation, seed):
    X, Y = samples_of(seed)
    counts = np.random.default_rng(seed).integers(0, 4, len(X))
    weighted = rn.training_limit(X, Y, 3, activation, counts).bound
    repeated = rn.training_limit(X.repeat(counts, axis=0), Y.repeat(counts, axis=0), 3, activation).bound
    assert weighted == pytest.approx(repeated, rel=0, abs=2 * rounding_of(X, Y, 3, counts))


@both
def test_limit_of_an_output_repeated_is_twice_as_large(activation):
    X, Y = samples_of(5)
    once, twice = (rn.training_limit(X, y, 3, activation).bound for y in (Y, np.hstack([Y, Y])))
    assert twice == pytest.approx(2.0 * once, rel=0, abs=3 * rounding_of(X, Y, 3))


@both
def test_limit_decreases_with_the_number_of_neurons(activation):
    X, Y = samples_of(6)
    bounds = [rn.training_limit(X, Y, n, activation).bound for n in range(1, 12)]
    assert (np.diff(bounds) <= 0.0).all() and bounds[0] > 0.0


@both
@pytest.mark.parametrize("n_parts", [1, 3, 100])
def test_the_mean_of_the_limits_of_parts_is_a_limit(activation, n_parts):
    X, Y = samples_of(11, 31)
    whole = rn.training_limit(X, Y, 3, activation).bound
    in_parts = limit_in_parts(X, Y, 3, activation, n_parts)
    assert in_parts <= whole and (n_parts > 1 or in_parts == whole)


# samples that coincide


@both
def test_samples_of_equal_x_leave_their_variance_however_many_neurons(activation):
    X, Y = samples_of(7, ties=True)
    variance = sum(np.sum((Y[X == x] - Y[X == x].mean())**2) for x in np.unique(X)) / len(X)
    assert rn.training_limit(X, Y, 100, activation).bound == pytest.approx(variance, rel=1e-14)


@both
def test_limit_of_samples_at_one_point_is_their_variance(activation):
    limit = rn.training_limit(np.full((4, 1), 0.1), [1.0, 2.0, 3.0, 6.0], 2, activation)
    assert limit.bound == 3.5 and [(line.low, line.high) for line in limit.runs] == [(0.1, 0.1)]


@both
def test_more_neurons_than_samples_leave_no_error(activation):
    X, Y = samples_of(8, 9)
    assert rn.training_limit(X, Y, 9, activation).bound == 0.0
    assert rn.training_limit(X[:1], Y[:1], 1, activation).bound == 0.0


@both
def test_exact_integers_bear_offsets_and_tiny_numbers(activation):
    X, Y = np.arange(12.0)[:, np.newaxis], np.array([0., 1, 0, 2, 5, 3, 3, 9, 1, 0, 2, 1])
    expected = rn.training_limit(X, Y, 3, activation).bound
    assert rn.training_limit(X + 2.0**50, Y + 2.0**40, 3, activation).bound == expected
    tiny = rn.training_limit(2.0**-900 * X, 2.0**-400 * Y, 3, activation).bound
    assert 2.0**800 * tiny == pytest.approx(expected, rel=1e-14)


# the record, and the exact error


@both
def test_result_of_training_gives_its_limit(activation):
    X, Y = samples_of(10)
    start = rn.Network.random((1, 4, 1), 0, activation=activation)
    result = rn.train(start, X, Y, "lbfgs" if activation == "relu" else "surrogate", n_steps=20)
    limit = result.limit(X, Y)
    assert limit.network is result.network and limit.bound == rn.training_limit(X, Y, 4, activation).bound
    assert limit.error == pytest.approx(result.history["loss"].min(), rel=1e-12)


@pytest.mark.parametrize("sizes", [(2, 3, 1), (1, 3, 3, 1)])
def test_results_of_other_networks_have_no_limit(sizes):
    network, X = rn.Network.random(sizes, 0), np.zeros((3, sizes[0]))
    result = rn.train(network, X, np.zeros(3), "lbfgs", n_steps=1)
    with pytest.raises(ValueError, match="`network` must be one of one input and one hidden layer"):
        result.limit(X, np.zeros(3))


def test_exact_error_is_that_of_fractions():
    network = rn.Network.random((2, 4, 3, 2), 0, output_bias=True)
    rng = np.random.default_rng(0)
    X, Y, weights = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.random(5)
    total = Fraction(0)
    for x, y, weight in zip(X, Y, weights):
        h = [Fraction(v) for v in x]
        maps = [*zip(network.weights, network.thresholds), (network.output_weights, network.output_bias)]
        for layer, (W, b) in enumerate(maps):
            h = [sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(t)) for row, t in zip(W, b)]
            h = [max(v, Fraction(0)) for v in h] if layer < 2 else h
        total += Fraction(weight) * sum((v - Fraction(t))**2 for v, t in zip(h, y))
    assert exact_mean_squared_error(network, X, Y, weights) == total / sum(map(Fraction, weights))


def test_limit_is_a_frozen_record():
    limit = rn.training_limit(*samples_of(9), 3)
    assert limit == copy.deepcopy(limit) == pickle.loads(pickle.dumps(limit))
    assert limit.gap is None and limit.error is None
    with pytest.raises(AttributeError):
        limit.bound = 0.0
    with pytest.raises(ValueError, match="read-only"):
        limit.runs[0].left[0] = 0.0
    assert repr(limit) == f"TrainingLimit(relu networks 1-3-1: mean squared error >= {limit.bound:.9g})"


@pytest.mark.parametrize("change, error, match", [
    ({"X": np.zeros((3, 2))}, ValueError, r"`X` must be of shape \(n_samples, 1\)"),
    ({"X": [[0.0], [np.nan], [1.0]]}, ValueError, "`X` must be finite"),
    ({"y": [0.0, 1.0]}, ValueError, "`y` must be of shape"),
    ({"y": [0.0, np.inf, 1.0]}, ValueError, "`y` must be finite"),
    ({"n_neurons": 0}, ValueError, "`n_neurons` must be at least 1"),
    ({"n_neurons": 2.0}, TypeError, "`n_neurons` must be an integer"),
    ({"activation": "tanh"}, ValueError, "`activation` must be one of"),
    ({"sample_weight": [1.0, -1.0, 1.0]}, ValueError, "`sample_weight` must be at least 0"),
])
@pytest.mark.parametrize("function", [rn.training_limit, rn.fit_exact])
def test_bad_arguments_are_refused(function, change, error, match):
    arguments = {"X": [[0.0], [1.0], [2.0]], "y": [0.0, 1.0, 0.0], "n_neurons": 2} | change
    with pytest.raises(error, match=match):
        function(**arguments)


def test_runs_that_fit_exactly_are_found_where_equal_runs_do_too():
    # Runs of 3 and 3 cost 0, and so does their bound; others cost less than one unit of the integers.
    limit = rn.training_limit(np.arange(6.0)[:, np.newaxis], [0, 1, 2, 2, 1, 0], 1)
    assert limit.bound == 0.0
    assert [(line.low, line.high) for line in limit.runs] == [(0.0, 2.0), (3.0, 5.0)]


def test_a_response_without_samples_is_refused():
    with pytest.raises(ValueError, match="`y`"):
        rn.training_limit([[1.0]], 3.0, 1)


@both
def test_an_outlier_does_not_coarsen_the_limit(activation):
    X, Y = samples_of(0, 12)
    Y[5] = 1e12  # equal runs cost about 1e24
    exact = least_partition_error(X[:, 0], Y, 6, activation == "relu")
    assert Fraction(rn.training_limit(X, Y, 5, activation).bound) == pytest.approx(exact, rel=1e-9)


def test_too_many_runs_are_refused_before_they_are_compared(monkeypatch):
    """The estimate is near the number of runs that cost at most the limit, found by a loop."""
    x = np.linspace(0.0, 1.0, 200)
    for y in (np.sin(12.0 * x), np.random.default_rng(0).standard_normal(200)):
        costs = partitions.RunCosts(x, y[:, np.newaxis], np.ones(200), True)
        enough = partitions._cost_of_equal_runs(costs, 6)
        looked_at = sum(
            costs.cost(first, last) <= enough for last in range(200) for first in range(last + 1)
        )
        monkeypatch.setattr(partitions, "MOST_RUNS", looked_at // 2)
        assert 0.8 < partitions._expected_runs(costs, enough) / looked_at < 1.25
        with pytest.raises(ValueError, match="`X` must be fewer samples: .* got 200 different"):
            rn.training_limit(x[:, np.newaxis], y, 5)
        monkeypatch.setattr(partitions, "MOST_RUNS", 2 * looked_at)
        assert rn.training_limit(x[:, np.newaxis], y, 5).bound > 0.0


@pytest.mark.parametrize("affine", [True, False])
def test_costs_of_one_run_are_those_of_all_runs_with_its_end(affine):
    rng = np.random.default_rng(1)
    costs = partitions.RunCosts(rng.random(9), rng.random((9, 2)), np.ones(9), affine)
    for last in range(9):
        numerators, denominators = costs.quotients(0, last)
        for first in range(last + 1):
            expected = Fraction(numerators[first], denominators[first])
            assert costs.cost(first, last) == expected
