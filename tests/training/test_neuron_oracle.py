"""The oracle of the best neuron, against random search and the definition of phi."""
import numpy as np
import pytest

from reducednet.numerics import sphere
from reducednet.training.global_optima import neuron_oracle
from reducednet.training.global_optima.neuron_oracle import largest_value, oracle_for, values_at_samples


def grid(n):
    return np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, n)] * 2), axis=-1).reshape(-1, 2)


def clusters(rng):
    return np.repeat(rng.random((12, 2)), 3, axis=0) + 1e-9 * rng.random((36, 2))


SAMPLES = {
    "line": lambda rng: rng.random((60, 1)),
    "line with ties": lambda rng: np.round(8.0 * rng.random((60, 1))),
    "plane": lambda rng: rng.random((40, 2)),
    "grid": lambda rng: grid(7),
    "collinear": lambda rng: np.linspace(0.0, 1.0, 25)[:, np.newaxis] * [1.0, 1.0],
    "horizontal": lambda rng: np.linspace(0.0, 1.0, 25)[:, np.newaxis] * [1.0, 0.0],
    "vertical": lambda rng: np.linspace(0.0, 1.0, 25)[:, np.newaxis] * [0.0, 1.0],
    "duplicates": lambda rng: np.repeat(rng.random((15, 2)), 3, axis=0),
    "clusters": clusters,
    "far from 0": lambda rng: 1e3 + rng.random((40, 2)),
    "two points": lambda rng: np.array([[0.0, 0.0], [1.0, 0.5]]),
    "four corners": lambda rng: grid(2),
}


def centred_multipliers(m, rng):
    multipliers = rng.standard_normal(m)
    return multipliers - multipliers.mean()


def phi(W, b, X, multipliers):
    """Return sum_i lambda_i s(w.x_i + b) of each neuron, by its definition."""
    return np.array([multipliers @ np.maximum(X @ w + t, 0.0) for w, t in zip(W, b)])


@pytest.mark.parametrize("name", SAMPLES)
def test_values_are_those_of_the_neurons_returned(name):
    rng = np.random.default_rng(0)
    X = SAMPLES[name](rng)
    multipliers = centred_multipliers(len(X), rng)
    oracle = oracle_for(X, rng)
    W, b, values = oracle.best(multipliers)
    charge = largest_value(oracle, X, multipliers) - np.abs(values).max()
    direct = phi(W, b, X, multipliers)
    rounding = 1e-15 * len(X) * np.abs(multipliers).sum() * (1.0 + np.abs(X).max())
    assert np.abs(direct - values).max() <= charge + rounding
    assert np.abs(sphere.row_norms(W) - 1.0).max() <= sphere.unit_tolerance(2)


@pytest.mark.parametrize("n", [2_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SAMPLES)
def test_random_search_never_beats_the_oracle_and_comes_near(name, n):
    rng = np.random.default_rng(1)
    X = SAMPLES[name](rng)
    multipliers = centred_multipliers(len(X), rng)
    oracle = oracle_for(X, rng)
    found = np.abs(oracle.best(multipliers).values).max()
    searched = 0.0
    for _ in range(0, n, 2_000):  # each direction with its best threshold
        W = sphere.sample(2_000, X.shape[1], rng)
        searched = max(searched, np.abs(values_at_samples(X @ W.T, multipliers)).max())
    assert 0.98 * found <= searched <= largest_value(oracle, X, multipliers)


def test_values_at_samples_are_phi_at_those_thresholds():
    rng = np.random.default_rng(2)
    X, W = np.round(4.0 * rng.random((30, 3))), sphere.sample(5, 3, rng)
    multipliers, Z = centred_multipliers(30, rng), None
    Z = X @ W.T
    expected = np.array([phi(W, -z, X, multipliers) for z in Z])
    assert np.abs(values_at_samples(Z, multipliers) - expected).max() <= 1e-12


def test_no_threshold_between_samples_is_better():
    rng = np.random.default_rng(3)
    X, w = rng.random((20, 2)), sphere.sample(1, 2, rng)
    multipliers = centred_multipliers(20, rng)
    best = np.abs(values_at_samples(X @ w.T, multipliers)).max()
    thresholds = np.linspace(-3.0, 3.0, 5000)
    others = phi(np.repeat(w, 5000, axis=0), thresholds, X, multipliers)
    assert np.abs(others).max() <= best + 1e-12


def test_search_in_three_inputs_comes_near_a_planted_neuron():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((300, 3))
    w = np.array([0.6, -0.64, 0.48])
    planted = np.maximum(X @ w - 0.3, 0.0)
    multipliers = planted - planted.mean()
    oracle = oracle_for(X, rng)
    best = oracle.best(multipliers).largest(1)
    assert not oracle.exact
    assert abs(best.values[0]) >= abs(phi([w], [-0.3], X, multipliers)[0])


def test_one_point_has_no_neuron():
    for X in (np.zeros((3, 1)), np.ones((3, 2))):
        oracle = oracle_for(X, np.random.default_rng(0))
        assert largest_value(oracle, X, np.array([1.0, -2.0, 1.0])) <= 1e-300  # charged for underflow


@pytest.mark.parametrize("exponents", [(-560, 0), (-300, -300), (500, 500), (-1000, 0)])
def test_values_scale_with_samples_and_multipliers(exponents):
    # The squares of these values leave the range of float64.
    rng = np.random.default_rng(0)
    X, multipliers = rng.random((12, 2)), centred_multipliers(12, rng)
    expected = largest_value(oracle_for(X, rng), X, multipliers)
    scaled, factors = np.ldexp(X, exponents[0]), np.ldexp(multipliers, exponents[1])
    bound = largest_value(oracle_for(scaled, rng), scaled, factors)
    assert np.ldexp(bound, -sum(exponents)) == pytest.approx(expected, rel=1e-10)


def test_more_points_than_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(neuron_oracle, "MOST_POINTS", 8)
    rng = np.random.default_rng(0)
    oracle_for(np.repeat(rng.random((8, 2)), 2, axis=0), rng)
    with pytest.raises(ValueError, match="at most 8 different samples"):
        oracle_for(rng.random((9, 2)), rng)
