"""Laws of the bound that uses the meeting of neighbouring lines: valid for any multipliers."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from oracles import strategies
from oracles.exact_partitions import best_relu_error

import reducednet as rn
from reducednet.training.global_optima import fit_exact, meeting_conditions
from reducednet.training.global_optima.exact_error import exact_mean_squared_error
from reducednet.training.global_optima.meeting_conditions import Multipliers
from reducednet.training.global_optima.partitions import RunCosts

seeds = strategies.seeds()
X = np.linspace(0.0, 1.0, 200)[:, np.newaxis]
KINKS = np.abs(np.sin(4.0 * np.pi * X))
NOISE = np.sin(4.0 * np.pi * X) + 0.1 * np.random.default_rng(0).normal(size=X.shape)


def noisy(seed, n_samples=9):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(n_samples))
    return x[:, np.newaxis], np.sin(6.0 * x)[:, np.newaxis] + 0.2 * rng.normal(size=(n_samples, 1))


def bound_of(X, Y, n_pieces, multipliers=None, most=None):
    """Return the exact bound of the mean squared error for these multipliers, all runs considered."""
    costs = RunCosts(X[:, 0], Y, np.ones(len(X)), True)
    most = costs.cost(0, costs.n_groups - 1) if most is None else most / costs.unit * costs.total_weight
    lines = meeting_conditions.integer_lines(costs, most)
    floats, unit, _ = meeting_conditions.float_lines(lines)
    if multipliers is None:
        multipliers = meeting_conditions.no_multipliers(floats)
    proved = meeting_conditions.exact_bound(lines, multipliers, unit, n_pieces)
    return proved * costs.unit / costs.total_weight


@given(seed=seeds)
def test_without_multipliers_it_is_the_bound_of_the_runs(seed):
    inputs, Y = noisy(seed, 20)
    runs = Fraction(rn.training_limit(inputs, Y, 3).bound)
    assert abs(bound_of(inputs, Y, 4) - runs) <= 2.0**-45 * np.var(Y)


@given(seed=seeds)
def test_whatever_the_multipliers_no_network_is_better(seed):
    rng = np.random.default_rng(seed)
    inputs, Y = noisy(seed, 15)
    scale = rng.choice([0.01, 0.1, 1.0])
    multipliers = Multipliers(*(scale * rng.exponential(size=(2, 2, 14))))
    bound = bound_of(inputs, Y, 4, multipliers)
    start = rn.ReducedNetwork.random((1, 3, 1), rn.Box(0, 1), rng, output_bias=True)
    networks = [rn.Network.random((1, 3, 1), rng), start, rn.train(start, inputs, Y, "varpro", n_steps=20).network]
    for network in networks:
        assert bound <= exact_mean_squared_error(network, inputs, Y, np.ones(15))


def test_networks_with_breakpoints_at_samples_and_two_in_a_gap_are_not_below():
    rng = np.random.default_rng(0)
    inputs = np.arange(10.0)[:, np.newaxis]
    for breakpoints in ([2.0, 5.0, 8.0], [3.0, 3.25, 3.75], [2.5, 3.5, 6.0], [4.0, 4.0, 4.5]):
        network = rn.Network([np.ones((3, 1))], [-np.array(breakpoints)], rng.normal(size=(1, 3)), [1.0])
        Y = network(inputs) + 1e-3 * rng.normal(size=(10, 1))
        for _ in range(5):
            multipliers = Multipliers(*(0.1 * rng.exponential(size=(2, 2, 9))))
            assert bound_of(inputs, Y, 4, multipliers) <= exact_mean_squared_error(network, inputs, Y, np.ones(10))


@pytest.fixture
def one_round(monkeypatch):
    """Leave the ascent after one round: the bound is valid whenever it ends."""
    monkeypatch.setattr(fit_exact, "ROUNDS", 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2, 4])
def test_the_sharper_bound_lies_between_that_of_the_runs_and_the_best_of_all_networks(seed):
    inputs, Y = noisy(seed)
    sharper = rn.training_limit(inputs, Y, 2, bound="continuous").bound
    assert rn.training_limit(inputs, Y, 2).bound < sharper
    assert sharper <= best_relu_error(inputs[:, 0], Y[:, 0], 2, True) * (1.0 + 1e-9)


def test_kinks_are_bounded_nearly_as_low_as_they_are_fitted(one_round):
    _, runs = rn.fit_exact(X[::4], KINKS[::4], 8)
    _, limit = rn.fit_exact(X[::4], KINKS[::4], 8, bound="continuous")
    assert limit.bound > runs.bound and limit.error <= runs.error
    assert 0.0 <= limit.gap < 0.5 * runs.gap


@pytest.mark.slow
@pytest.mark.parametrize("Y, n_neurons", [(KINKS, 20), (NOISE, 8)])
def test_the_gap_is_below_a_thousandth_for_kinks_and_noise(Y, n_neurons):
    _, limit = rn.fit_exact(X, Y, n_neurons, bound="continuous")
    assert 0.0 <= limit.gap < 1e-3 * limit.bound


def test_weights_count_in_the_sharper_bound(one_round):
    inputs, Y = noisy(3, 12)
    counts = np.random.default_rng(0).integers(1, 4, 12)
    weighted = rn.training_limit(inputs, Y, 2, sample_weight=counts, bound="continuous").bound
    repeated = rn.training_limit(inputs.repeat(counts, 0), Y.repeat(counts, 0), 2, bound="continuous").bound
    assert weighted == pytest.approx(repeated, rel=1e-6)


@pytest.mark.parametrize("Y", [[1.0, 2.0, 3.0, 6.0], [0.0] * 4])
def test_samples_at_one_point_and_exact_fits_keep_their_bound(Y, one_round):
    for inputs in (np.full((4, 1), 0.5), np.arange(4.0)[:, np.newaxis]):
        runs, sharper = (rn.training_limit(inputs, Y, 3, bound=bound).bound for bound in ("runs", "continuous"))
        assert sharper == pytest.approx(runs, abs=1e-20)


def test_binary_networks_keep_the_bound_that_they_attain():
    inputs, Y = noisy(0)
    sharper = rn.training_limit(inputs, Y, 2, "binary", bound="continuous")
    assert sharper.bound == rn.training_limit(inputs, Y, 2, "binary").bound


def test_several_outputs_and_unknown_bounds_are_refused():
    inputs, Y = noisy(0)
    with pytest.raises(ValueError, match="`bound` must be 'runs' for several outputs"):
        rn.training_limit(inputs, np.hstack([Y, Y]), 2, bound="continuous")
    with pytest.raises(ValueError, match="`bound` must be one of"):
        rn.training_limit(inputs, Y, 2, bound="smooth")


def test_weights_and_samples_of_very_different_size_are_bounded(one_round):
    rng = np.random.default_rng(3)
    sizes, x, y = 10.0**rng.integers(-300, 300, 20), rng.random((20, 1)), rng.random(20)
    for samples, weights in ((x, sizes), (sizes[:, np.newaxis], None)):
        limit = rn.fit_exact(samples, y, 2, sample_weight=weights, bound="continuous")[1]
        assert rn.training_limit(samples, y, 2, sample_weight=weights).bound <= limit.bound <= limit.error
