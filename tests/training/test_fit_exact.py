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
    """The error exceeds it by the mean square of the values' rounding error, and what rounding costs down takes."""
    Y = SMOOTH[name]
    _, limit = rn.fit_exact(X, Y, 20, "binary")
    values = gamma(8 * 20 * len(X)) * 20 * np.abs(Y).max()
    assert 0.0 <= limit.gap <= values**2 + 21**2 * 2.0**-59 * np.var(Y) + 2.0**-52 * limit.bound


def test_binary_networks_without_an_output_bias_nearly_attain_it():
    _, limit = rn.fit_exact(X, SMOOTH["sin"], 20, "binary", output_bias=False)
    assert 0.0 <= limit.gap <= 1e-6 * limit.bound


# against a search of all networks


@pytest.mark.parametrize("seed", range(3))
def test_no_binary_network_of_all_is_better(seed):
    inputs, Y = noisy(seed, 7)
    _, limit = rn.fit_exact(inputs, Y, 2, "binary")
    assert best_binary_error(inputs[:, 0], Y[:, 0], 2, True) == pytest.approx(limit.error, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_binary_network_of_all_with_three_neurons_is_better(seed):
    inputs, Y = noisy(seed)
    _, limit = rn.fit_exact(inputs, Y, 3, "binary")
    assert best_binary_error(inputs[:, 0], Y[:, 0], 3, True) == pytest.approx(limit.error, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("output_bias", [True, False])
def test_the_best_of_all_relu_networks_lies_between_the_bound_and_the_fit(output_bias):
    inputs, Y = noisy(0)
    _, limit = rn.fit_exact(inputs, Y, 3, output_bias=output_bias)
    best = best_relu_error(inputs[:, 0], Y[:, 0], 3, output_bias)
    assert limit.bound <= best * (1.0 + 1e-9) and best <= limit.error * (1.0 + 1e-9)
