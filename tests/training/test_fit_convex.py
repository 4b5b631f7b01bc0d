"""The best network of any width, and the proof that it is."""
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from reducednet.training.global_optima.fit_convex import best_outgoing_weights
from reducednet.training.global_optima.optimality import penalised_error, with_sum_zero


def franke(n, seed=0):
    target = rn.targets.franke()
    X = target.sample(n, seed)
    return X, target(X)


@pytest.fixture(scope="module")
def fitted():
    X, y = franke(80)
    return (X, y, *rn.fit_convex(X, y, 0.01))


def test_gap_is_proved_within_the_tolerance(fitted):
    X, y, network, proof = fitted
    assert 0.0 <= proof.gap <= 1e-3
    assert proof.check() and network.feasibility()
    assert network.n_inputs == 2 and proof.network == network
    assert "tolerance" in proof.message


def test_value_is_the_penalised_error_in_rationals(fitted):
    X, y, network, proof = fitted
    W, b, c = network.weights[0], network.thresholds[0], network.output_weights[0]
    exact = Fraction(0)
    for x, target in zip(X[:, :].tolist(), y.tolist()):
        output = Fraction(float(network.output_bias[0]))
        for w, threshold, weight in zip(W.tolist(), b.tolist(), c.tolist()):
            z = sum(map(lambda p, q: Fraction(p) * Fraction(q), w, x), Fraction(threshold))
            output += Fraction(weight) * max(z, Fraction(0))
        exact += (output - Fraction(target)) ** 2 / 2
    norms = sum(abs(Fraction(weight)) for weight in c.tolist())  # rows are unit to rounding
    assert float(exact + Fraction(0.01) * norms) == pytest.approx(proof.value, rel=1e-12)
    assert exact <= Fraction(proof.value)


def test_no_other_network_is_below_the_bound(fitted):
    X, y, network, proof = fitted
    for seed in range(20):
        start = rn.Network.random((2, 30, 1), seed, output_bias=True)
        trained = rn.train(start, X, y, method="lbfgs", n_steps=60).network
        assert penalised_error(trained, X, y, 0.01) >= proof.bound
    gap = rn.optimality_gap(trained, X, y, 0.01)
    assert gap.check() and gap.value > gap.bound > 0.0 and gap.network == trained


@pytest.mark.parametrize("change", [
    lambda v: v * 1.01, lambda v: v + 1e-6, lambda v: -v, lambda v: np.roll(v, 1), np.zeros_like,
])
def test_wrong_multipliers_are_refused(fitted, change):
    proof = fitted[3]
    assert not replace(proof, multipliers=change(proof.multipliers)).check()


def test_wrong_values_and_bounds_are_refused(fitted):
    proof = fitted[3]
    assert not replace(proof, bound=proof.bound * 1.0001).check()
    assert not replace(proof, value=proof.value * 0.9999).check()
    assert not replace(proof, multipliers=np.full_like(proof.y, np.nan)).check()


@pytest.mark.parametrize("changes", [
    dict(penalty=-1.0), dict(penalty=np.nan), dict(y=np.zeros(1)), dict(y=np.full(80, np.nan)),
    dict(y=np.zeros((80, 1))), dict(X=np.zeros((5, 2))), dict(X=np.zeros((80, 1))),
    dict(multipliers=np.zeros(3)), dict(network=rn.Network.random((2, 3, 2), 0)),
    dict(network=rn.Network.random((2, 3, 1), 0, activation="binary")),
    dict(network=rn.Network.random((2, 3, 3, 1), 0)), dict(network=rn.Network.random((1, 3, 1), 0)),
    dict(multipliers=np.array([1.7e308, 1.7e308, -1.7e308, -1.7e308] + 76 * [0.0])),
])
def test_proofs_whose_parts_do_not_fit_together_are_refused(fitted, changes):
    honest = replace(fitted[3], multipliers=np.zeros(80), bound=0.0, value=1e9)
    assert honest.check()
    with np.errstate(over="ignore", invalid="ignore"):
        assert not replace(honest, **changes).check()


def test_the_penalty_of_rows_and_weights_that_underflow_is_counted():
    X, y, row = np.zeros((2, 2)), np.zeros(2), 2.0**-1074
    network = rn.Network([[[row, row]]], [[0.0]], [[1e300]])
    assert Fraction(penalised_error(network, X, y, 1.0))**2 >= 2 * (Fraction(row) * Fraction(1e300))**2
    network = rn.Network([[[1e-200, 0.0]]], [[0.0]], [[1e-200]])
    exact = Fraction(1e-200)**2 * Fraction(1e300)
    assert Fraction(penalised_error(network, X, y, 1e300)) >= exact


def test_bounds_hold_for_tiny_samples():
    X, y = franke(20)
    small, exact = 2.0**-560, rn.fit_convex(X, y, 0.01, tolerance=1e-6)[1]
    proof = rn.fit_convex(small * X, y, small * 0.01)[1]
    assert proof.bound <= exact.value and proof.gap <= 1e-3


CASES = {
    "grid": lambda rng: np.stack(np.meshgrid(*[np.linspace(0, 1, 7)] * 2), -1).reshape(-1, 2),
    "duplicates": lambda rng: np.repeat(rng.random((15, 2)), 3, axis=0),
    "collinear": lambda rng: np.linspace(0, 1, 30)[:, np.newaxis] * [1.0, 1.0],
    "clusters": lambda rng: np.repeat(rng.random((12, 2)), 3, axis=0) + 1e-9 * rng.random((36, 2)),
    "far from 0": lambda rng: 1e3 + rng.random((40, 2)),
    "one input": lambda rng: rng.random((60, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_gap_closes_wherever_the_samples_lie(name):
    rng = np.random.default_rng(0)
    X = CASES[name](rng)
    y = np.sin(3.0 * X[:, 0]) + 0.3 * rng.standard_normal(len(X))
    network, proof = rn.fit_convex(X, y, 0.02)
    assert proof.gap <= 1e-3 and proof.check() and network.feasibility()


def test_one_sample_or_equal_outputs_need_no_neuron():
    for X, y in (([[1.0, 2.0]], [3.0]), ([[0.0], [1.0], [2.0]], [2.0, 2.0, 2.0])):
        network, proof = rn.fit_convex(X, y, 0.1)
        assert proof.bound == 0.0 and proof.value <= 1e-24
        assert network(X) == pytest.approx(np.reshape(y, (-1, 1)))


def test_a_large_penalty_leaves_the_mean():
    X, y = franke(30)
    network, proof = rn.fit_convex(X, y, 1e3)
    assert proof.gap <= 1e-12
    assert network(X)[:, 0] == pytest.approx(np.full(30, y.mean()))


def test_three_inputs_are_fitted_but_nothing_is_proved():
    rng = np.random.default_rng(0)
    X = rng.random((60, 3))
    network, proof = rn.fit_convex(X, np.sin(X.sum(axis=1)), 0.01, n_steps=20)
    assert proof.bound == 0.0 and proof.gap == 1.0 and proof.check()
    assert proof.value < 0.5 * np.sum(np.square(np.sin(X.sum(axis=1)) - np.sin(X.sum(axis=1)).mean()))


def test_the_domain_is_the_one_given():
    X, y = franke(30)
    ball = rn.Ball([0.5, 0.5], 2.0)
    network, proof = rn.fit_convex(X, y, 0.05, ball)
    assert network.domain == ball and network.feasibility() and proof.gap <= 1e-3


def test_an_interrupt_returns_the_best_network_so_far():
    X, y = franke(60)
    seen = []

    def interrupt(state):
        seen.append(state.proof)
        if state.step == 3:
            raise KeyboardInterrupt

    _, proof = rn.fit_convex(X, y, 0.001, callback=interrupt)
    assert proof.message == "interrupted" and proof.check()
    values = [proof.value for proof in seen]
    assert proof.value == values[-1] and values == sorted(values, reverse=True)
    _, proof = rn.fit_convex(X, y, 0.001, callback=lambda state: state.step == 2)
    assert proof.message == "stopped by the callback"


def test_outgoing_weights_meet_the_conditions_of_the_optimum():
    rng = np.random.default_rng(0)
    H, y, penalty = rng.random((40, 12)), rng.standard_normal(40), 0.3
    c = best_outgoing_weights(H, y, penalty)
    centred, residuals = H - H.mean(axis=0), y - y.mean() - (H - H.mean(axis=0)) @ c
    correlation = centred.T @ residuals
    assert (np.abs(correlation) <= penalty * (1 + 1e-9)).all()
    used = c != 0.0
    assert used.any() and not used.all()
    assert correlation[used] == pytest.approx(penalty * np.sign(c[used]))


def test_rounded_multipliers_sum_to_zero_exactly():
    rng = np.random.default_rng(0)
    for size in (1e-300, 1e-9, 1.0, 1e200):
        multipliers = size * rng.standard_normal(50)
        multipliers -= multipliers.mean()
        rounded = with_sum_zero(multipliers)
        assert sum(map(Fraction, rounded.tolist())) == 0
        assert np.abs(rounded - multipliers).max() <= 1e-11 * np.abs(multipliers).max()


@pytest.mark.parametrize("arguments, text", [
    (dict(X=[[np.nan]], y=[0.0], penalty=1.0), "`X`"),
    (dict(X=[0.0, 1.0], y=[0.0, 1.0], penalty=1.0), "`X`"),
    (dict(X=[[0.0], [1.0]], y=[0.0], penalty=1.0), "`y`"),
    (dict(X=[[0.0], [1.0]], y=[[0.0, 1.0], [1.0, 1.0]], penalty=1.0), "`y`"),
    (dict(X=[[0.0], [1.0]], y=[0.0, 1.0], penalty=0.0), "`penalty`"),
    (dict(X=[[0.0], [1.0]], y=[0.0, 1.0], penalty=-1.0), "`penalty`"),
    (dict(X=[[0.0], [2.0]], y=[0.0, 1.0], penalty=1.0, domain=rn.Box(0, 1)), "`X`"),
    (dict(X=[[0.0], [1.0]], y=[0.0, 1.0], penalty=1.0, domain=rn.Box([0, 0], [1, 1])), "`domain`"),
    (dict(X=[[0.0], [1.0]], y=[0.0, 1.0], penalty=1.0, tolerance=1.5), "`tolerance`"),
    (dict(X=[[0.0], [1.0]], y=[0.0, 1.0], penalty=1.0, n_steps=0), "`n_steps`"),
    (dict(X=[[1e200], [-1e200]], y=[0.0, 1.0], penalty=1.0), "float64"),
    (dict(X=[[0.0], [1e-310], [2e-310]], y=[0.0, 1.0, 0.0], penalty=1e-320), "float64"),
])
def test_bad_input_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        rn.fit_convex(**arguments)


@pytest.mark.parametrize("network", [
    rn.Network.random((1, 3, 2, 1), 0), rn.Network.random((1, 3, 2), 0),
    rn.Network.random((1, 3, 1), 0, activation="binary"), rn.Network.random((2, 3, 1), 0),
])
def test_optimality_gap_is_for_one_hidden_relu_layer_and_one_output(network):
    with pytest.raises(ValueError):
        rn.optimality_gap(network, [[0.0], [1.0]], [0.0, 1.0], 0.1)
