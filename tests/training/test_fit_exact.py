"""Laws of the network constructed from the best runs: how near the bound, and its orientations."""
import itertools

import numpy as np
import pytest
from oracles.assertions import assert_feasible
from oracles.exact_partitions import best_binary_error, best_relu_error
from oracles import strategies
from hypothesis import given

import reducednet as rn
from reducednet.numerics.rationals import above
from reducednet.numerics.rounding import gamma
from reducednet.training.global_optima.exact_error import exact_mean_squared_error
from reducednet.training.global_optima.orientations import Constraints, best_orientations

X = np.linspace(0.0, 1.0, 200)[:, np.newaxis]
SMOOTH = {
    "sin": np.sin(4.0 * np.pi * X),
    "diagonal of Franke's function": rn.targets.franke()(np.hstack([X, X])),
    "damped": np.exp(-4.0 * X) * np.cos(16.0 * X),
}
both = pytest.mark.parametrize("activation", ["relu", "binary"])
seeds = strategies.seeds()


def noisy(seed, n_samples=9, n_outputs=1):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(n_samples))
    return x[:, np.newaxis], np.sin(6.0 * x)[:, np.newaxis] + 0.2 * rng.normal(size=(n_samples, n_outputs))


# how near the bound


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_data_are_fitted_within_a_millionth_of_the_bound(name):
    network, limit = rn.fit_exact(X, SMOOTH[name], 20)
    assert 0.0 <= limit.gap <= 1e-6 * limit.bound
    assert network.sizes == (1, 20, 1) and network.output_bias is not None


def test_without_an_output_bias_the_fit_is_within_a_thousandth_of_the_bound():
    network, limit = rn.fit_exact(X, SMOOTH["sin"], 20, output_bias=False)
    assert 0.0 <= limit.gap <= 1e-3 * limit.bound and network.output_bias is None


@pytest.mark.parametrize("name", SMOOTH)
def test_binary_networks_attain_the_bound(name):
    """Only the values' rounding errors, squared, and the rounding down of the costs are between."""
    Y = SMOOTH[name]
    _, limit = rn.fit_exact(X, Y, 20, "binary")
    values = gamma(8 * 20 * len(X)) * 20 * np.abs(Y).max()
    assert 0.0 <= limit.gap <= values**2 + 21**2 * 2.0**-59 * np.var(Y) + 2.0**-52 * limit.bound


def test_binary_networks_without_an_output_bias_nearly_attain_it():
    _, limit = rn.fit_exact(X, SMOOTH["sin"], 20, "binary", output_bias=False)
    assert 0.0 <= limit.gap <= 1e-6 * limit.bound


# against a search of all networks


@pytest.mark.parametrize("output_bias", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_no_binary_network_of_all_is_better(seed, output_bias):
    inputs, Y = noisy(seed)
    _, limit = rn.fit_exact(inputs, Y, 3, "binary", output_bias)
    best = best_binary_error(inputs[:, 0], Y[:, 0], 3, output_bias)
    assert limit.error == pytest.approx(best, rel=1e-12)
    assert limit.bound <= best * (1.0 + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("output_bias", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_all_relu_networks_lies_between_the_bound_and_the_fit(seed, output_bias):
    inputs, Y = noisy(seed)
    _, limit = rn.fit_exact(inputs, Y, 3, output_bias=output_bias)
    best = best_relu_error(inputs[:, 0], Y[:, 0], 3, output_bias)
    assert limit.bound <= best * (1.0 + 1e-9) and best <= limit.error * (1.0 + 1e-9)


def test_no_relu_network_of_all_is_better_where_the_runs_meet():
    x = np.arange(9.0)
    y = 2.0 * np.maximum(2.5 - x, 0.0) + 3.0 * np.maximum(x - 4.5, 0.0) - 4.0 * np.maximum(x - 6.5, 0.0)
    y += 0.01 * np.sin(9.0 * x)
    _, limit = rn.fit_exact(x[:, np.newaxis], y, 3)
    assert limit.error == pytest.approx(best_relu_error(x, y, 3, True), rel=1e-9)


# the network, and the record


@both
@given(seed=seeds)
def test_error_is_the_networks_own_computed_exactly(activation, seed):
    inputs, Y = noisy(seed, 12, 2)
    weights = np.random.default_rng(seed).random(12)
    network, limit = rn.fit_exact(inputs, Y, 2, activation, sample_weight=weights)
    assert_feasible(network)
    assert limit.network is network and network.sizes == (1, 2, 2)
    assert limit.error == above(exact_mean_squared_error(network, inputs, Y, weights))
    assert 0.0 <= limit.gap == pytest.approx(limit.error - limit.bound)
    assert limit.bound == rn.training_limit(inputs, Y, 2, activation, weights).bound


@both
def test_the_same_data_give_the_same_network(activation):
    inputs, Y = noisy(1, 12)
    assert rn.fit_exact(inputs, Y, 2, activation)[0] == rn.fit_exact(inputs, Y, 2, activation)[0]


@both
@pytest.mark.parametrize("output_bias", [True, False])
def test_more_neurons_than_samples_fit_them_all(activation, output_bias):
    inputs, Y = noisy(2, 5, 2)
    network, limit = rn.fit_exact(inputs, Y, 8, activation, output_bias)
    assert limit.bound == 0.0 and limit.error <= gamma(1000)**2 * np.sum(Y**2)
    assert_feasible(network)


@both
@pytest.mark.parametrize("output_bias", [True, False])
def test_samples_at_one_point_are_fitted_by_their_mean(activation, output_bias):
    inputs, y = np.full((4, 1), -3.0), [1.0, 2.0, 3.0, 6.0]
    network, limit = rn.fit_exact(inputs, y, 2, activation, output_bias)
    assert limit.error == pytest.approx(3.5) and network([[-3.0]])[0, 0] == pytest.approx(3.0)


@both
def test_ties_are_fitted_by_their_means(activation):
    inputs = np.repeat(np.arange(4.0), 3)[:, np.newaxis]
    Y = np.random.default_rng(0).normal(size=(12, 1))
    _, limit = rn.fit_exact(inputs, Y, 3, activation)
    variance = np.mean((Y.reshape(4, 3) - Y.reshape(4, 3).mean(axis=1, keepdims=True))**2)
    assert limit.error == pytest.approx(variance, rel=1e-12)


def test_samples_far_from_zero_are_fitted_as_well():
    _, limit = rn.fit_exact(X + 1e6, 1e3 + SMOOTH["sin"], 20)
    assert limit.gap <= 1e-5 * limit.bound


@both
@pytest.mark.parametrize("x_exponent, y_exponent", [(990, 0), (-1000, 5), (7, 480), (0, -500)])
def test_units_do_not_count(activation, x_exponent, y_exponent):
    inputs, Y = noisy(4)
    network, limit = rn.fit_exact(inputs, Y, 2, activation)
    moved, other = rn.fit_exact(np.ldexp(inputs, x_exponent), np.ldexp(Y, y_exponent), 2, activation)
    assert np.ldexp([other.bound, other.error], -2 * y_exponent).tolist() == [limit.bound, limit.error]
    assert np.ldexp(moved.thresholds[0], -x_exponent) == pytest.approx(network.thresholds[0], rel=1e-12)
    assert [line.high for line in other.runs] == [np.ldexp(line.high, x_exponent) for line in limit.runs]


def test_numbers_of_all_sizes_are_bounded_as_they_are():
    """Scaling would round the smallest."""
    inputs, Y = np.array([[0.0], [1e-320], [1.0], [1e300]]), [0.0, 1.0, 1e-300, 5.0]
    assert rn.fit_exact(inputs, Y, 2, "binary")[1].bound == rn.training_limit(inputs, Y, 2, "binary").bound


def test_errors_beyond_float64_are_refused():
    with pytest.raises(ValueError, match="leaves the range of float64"):
        rn.fit_exact(noisy(0)[0], 1e200 * noisy(0)[1], 2)


def test_representation_names_the_size_the_bound_and_the_gap():
    _, limit = rn.fit_exact(*noisy(3), 2)
    assert repr(limit) == (f"TrainingLimit(relu networks 1-2-1: mean squared error >= {limit.bound:.9g}, "
                           f"network given: {limit.error:.9g}, gap {limit.gap:.3g})")


# orientations


@pytest.mark.parametrize("n_constraints", [1, 2])
@given(seed=seeds)
def test_constraints_cost_what_constrained_least_squares_loses(n_constraints, seed):
    """Of all sets of neurons that face left, the best ones are found, in order."""
    rng = np.random.default_rng(seed)
    A, Y = rng.normal(size=(12, 6)), rng.normal(size=(12, 2))
    constraints = Constraints(rng.normal(size=(n_constraints, 2)), rng.normal(size=(n_constraints, 4)))
    sets = np.array(list(itertools.product([False, True], repeat=4)))
    losses = []
    for chosen in sets:
        M = np.hstack([constraints.base, constraints.left * chosen])
        null_space = np.linalg.svd(M)[2][n_constraints:].T
        losses.append(np.linalg.lstsq(A @ null_space, Y, rcond=None)[1].sum())
    found = best_orientations(A, Y, constraints, np.random.default_rng(0), 3)
    assert found.tolist() == sets[np.argsort(losses)[:3]].tolist()


@given(seed=seeds)
def test_a_network_without_bias_satisfies_the_constraints(seed):
    """S has the network's slope and value left of all breakpoints."""
    rng = np.random.default_rng(seed)
    t, c, left = rng.normal(size=5), rng.normal(size=5), rng.random(5) < 0.5
    side = np.where(left, -1.0, 1.0)
    network = rn.Network([side[:, np.newaxis]], [-side * t], [c])
    far = -10.0
    value, further = network([[far], [far - 1.0]])[:, 0]
    slope = value - further
    allowed = gamma(100) * 11.0 * np.abs(c).sum() * 6.0
    assert abs(slope + c[left].sum()) <= allowed
    assert abs(value - slope * far - (c * t)[left].sum()) <= 11.0 * allowed


def test_lines_that_meet_beyond_all_floats_get_a_breakpoint_between_them():
    X, y = np.arange(6.0)[:, np.newaxis], [1.0, 1.0, 1.0, 0.0, 0.0, 1e-320]
    network, limit = rn.fit_exact(X, y, 1)
    assert limit.bound <= limit.error <= 0.06
