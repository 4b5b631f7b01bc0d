"""Laws of the exchange of hyperplanes, against brute force and an exact dynamic program.

N binary neurons on the line jump at N points at most. With an output bias they are all piecewise
constant functions of N + 1 pieces. Without one, the level left of all jumps must be the sum of
-jump over the neurons that look left: so their best fit lies between those of N + 1 and, with the
constant neuron and N - 1 jumps, N pieces.
"""
import itertools

import numpy as np
import pytest
from oracles.assertions import assert_close, assert_feasible, assert_same_network
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles import strategies
from reducednet.numerics.rounding import gamma
from reducednet.training.methods import binary_exchange
from reducednet.training.monitor import Monitor
from reducednet.training.objective import Objective

INTERVAL, SQUARE = rn.Box(0.0, 1.0), rn.Box([0.0, 0.0], [1.0, 1.0])
both_biases = pytest.mark.parametrize("output_bias", [False, True])
both_kinds = pytest.mark.parametrize("reduced", [False, True])


def start(n_inputs, n_neurons, seed, *, n_outputs=1, output_bias=False, reduced=True):
    """Return a binary network to start from: the natural start, or a standard one of normal numbers."""
    sizes = n_inputs, n_neurons, n_outputs
    if reduced:
        domain = rn.Box(np.zeros(n_inputs), np.ones(n_inputs))
        return rn.ReducedNetwork.random(sizes, domain, seed, output_bias=output_bias, activation="binary")
    return rn.Network.random(sizes, seed, output_bias=output_bias, activation="binary")


def run(network, X, y, n_steps=100, seed=0, tolerance=1e-9, callback=None):
    """Return the result of a run."""
    objective = Objective(network, X, y)
    monitor = Monitor(network, objective, callback=callback)
    ended = binary_exchange.minimise(network, objective, monitor, n_steps, tolerance, rng=seed)
    return monitor.result(*ended)


def best_pieces(y, n_pieces):
    """Return the least mean squared errors of 0 .. n_pieces constants on consecutive samples, exact.

    best[j] <- min over i < j of best[i] + the squared deviations of y[i:j] from their mean, once a piece.
    """
    n = len(y)
    cost = np.full((n + 1, n + 1), np.inf)
    for i in range(n):
        for j in range(i + 1, n + 1):
            cost[i, j] = np.sum((y[i:j] - y[i:j].sum() / (j - i)) ** 2)
    best = [np.append(0.0, np.full(n, np.inf))]
    for _ in range(n_pieces):
        best.append(np.min(best[-1][:, np.newaxis] + cost, axis=0))
    return [row[n] / n for row in best]


def least_squares(columns, y):
    """Return the least |y - columns c|^2."""
    return float(np.sum((y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]) ** 2))


def activations(network, X):
    """Return the columns of zeros and ones at the samples, and ones for an output bias."""
    columns = np.heaviside(network.pre_activations(X)[0], 0.0)
    return columns if network.output_bias is None else np.column_stack([columns, np.ones(len(X))])


def rounding(y, columns):
    """Return a bound on the error of a computed squared residual of the columns: (n, k) of ones and zeros.

    Householder least squares solve a problem that is gamma(c n k) off in norm; the residual is no
    longer than y.
    """
    n, k = columns.shape
    return gamma(16 * n * k) * float(np.sum(y**2)) * np.linalg.cond(columns)


def line(n, seed, n_outputs=1):
    """Return n sorted samples of [0, 1], and noise to fit."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.random(n))[:, np.newaxis], rng.standard_normal((n, n_outputs))


# what one exchange does


@st.composite
def exchanges(draw):
    """An Exchange of a few random neurons and candidates, the columns that it began with and y."""
    rng = np.random.default_rng(draw(strategies.seeds()))
    n, d, n_neurons = draw(st.integers(4, 9)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    X, y = rng.integers(0, 5, (n, d)) / 4.0, rng.standard_normal((n, draw(st.integers(1, 2))))
    network = start(d, n_neurons, rng, output_bias=draw(st.booleans()), n_outputs=y.shape[1])
    units = np.array([[1.0], [-1.0]]) if d == 1 else rn.sphere.sample(4, d, rng)
    pool = binary_exchange.make_pool(network, X, units)
    columns = activations(network, X)
    return binary_exchange.Exchange(pool, y, columns), columns, y


def brute_gain(others, g, y):
    """Return the decrease of the squared residual by g, and a bound of its rounding; 0 in the others' span."""
    columns = np.column_stack([others, g])
    if np.linalg.matrix_rank(columns) == np.linalg.matrix_rank(others):
        return 0.0, np.inf
    used = columns[:, columns.any(axis=0)]
    singular = np.linalg.svd(used, compute_uv=False)
    condition = singular[0] / singular[singular > 1e-9 * singular[0]][-1]
    error = gamma(64 * used.size) * condition**2 * float(np.sum(y**2))
    return least_squares(others, y) - least_squares(columns, y), error


@given(exchanges())
def test_gains_of_all_candidates_are_those_of_least_squares(case):
    state, columns, y = case
    independent = np.flatnonzero(state.span.dual.any(axis=0))
    for j in independent:
        others = state.span.columns[:, independent[independent != j]]
        gains = state.gains(j).copy()
        for i, s in np.argwhere(state.pool.allowed):
            want, error = brute_gain(others, state.pool.column(i, s), y)
            if np.isinf(error):
                assert gains[i, s] == 0.0
            else:
                assert_close(gains[i, s], want, error, f"gain of candidate {i, s} for neuron {j}")


@given(exchanges())
def test_accepted_exchange_is_the_best_of_all_candidates(case):
    state, columns, y = case
    independent = np.flatnonzero(state.span.dual.any(axis=0))
    for j in independent:
        others = state.span.columns[:, independent[independent != j]].copy()
        before = state.span.columns[:, j].copy()
        found = state.improve(j)
        after = before if found is None else state.pool.column(*found)
        got, error = brute_gain(others, after, y)
        assert np.isfinite(error), "the exchange put a column into the span of the others"
        total = least_squares(others, y)
        for i, s in np.argwhere(state.pool.allowed):
            gain, more = brute_gain(others, state.pool.column(i, s), y)
            if np.isfinite(more):
                assert gain <= got + error + more + binary_exchange.BETTER * total


@given(exchanges())
def test_span_after_exchanges_is_that_of_its_columns(case):
    state, columns, y = case
    for j in range(columns.shape[1]):
        state.improve(j)
    used = state.span.columns[:, state.span.dual.any(axis=0)]
    dual = state.span.dual[:, state.span.dual.any(axis=0)]
    n, k = columns.shape
    condition = np.linalg.cond(used) if used.size else 1.0
    error = gamma(256 * n * k) * condition**2
    assert_close(dual.T @ used, np.eye(used.shape[1]), error, "products of the dual basis and the columns")
    assert_close(used.T @ state.span.residual, 0.0, n * error * np.linalg.norm(y), "columns and residual")


@given(exchanges())
def test_candidate_is_the_neuron_that_activates_its_samples(case):
    state, columns, y = case
    pool = state.pool
    assert np.array_equal(np.sort(pool.order, axis=1), np.tile(np.arange(len(y)), (len(pool.units), 1)))
    v = np.arange(1.0, len(y) + 1.0)  # small integers: all sums are exact
    products = pool.products(v)
    for i, s in np.argwhere(pool.allowed):
        assert products[i, s] == pool.column(i, s) @ v and pool.counts[s] == pool.column(i, s).sum()


@pytest.mark.parametrize("n_inputs", [1, 2, 3])
@both_kinds
def test_candidate_neuron_computes_its_column(n_inputs, reduced):
    X = np.random.default_rng(3).integers(0, 4, (12, n_inputs)) / 3.0
    network = start(n_inputs, 2, 0, reduced=reduced)
    units = binary_exchange.directions(network, X, network.weights[0], np.random.default_rng(1))
    pool = binary_exchange.make_pool(network, X, units)
    candidates = np.argwhere(pool.allowed)
    neurons = np.array([pool.neuron(i, s) for i, s in candidates])
    columns = np.column_stack([pool.column(i, s) for i, s in candidates])
    wide = rn.Network([neurons[:, :-1]], [neurons[:, -1]], [np.ones(len(neurons))], activation="binary")
    assert np.array_equal(activations(wide, X), columns)


def test_on_the_line_all_splits_are_candidates():
    X = np.array([[0.75], [0.25], [0.25], [0.5]])
    network = start(1, 1, 0)
    units = binary_exchange.directions(network, X, network.weights[0], np.random.default_rng(0))
    pool = binary_exchange.make_pool(network, X, units)
    got = {tuple(pool.column(i, s)) for i, s in np.argwhere(pool.allowed)}
    assert got == {(1, 0, 0, 0), (1, 0, 0, 1), (1, 1, 1, 1), (0, 1, 1, 0), (0, 1, 1, 1)}


def test_neighbouring_floats_are_separated_on_the_line():
    X = np.array([[0.5], [np.nextafter(0.5, 1.0)]])
    result = run(start(1, 1, 0, output_bias=True), X, [1.0, 2.0])
    assert_close(result.network(X)[:, 0], [1.0, 2.0], gamma(64), "fit of two neighbouring floats")


# how good the fit is


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_neurons", [1, 3, 5])
def test_with_output_bias_the_fit_on_the_line_is_the_dynamic_programme(n_neurons, seed):
    X, y = line(30, seed)
    result = run(start(1, n_neurons, seed, output_bias=True), X, y)
    best = best_pieces(y[:, 0], n_neurons + 1)[-1]
    error = rounding(y, activations(result.network, X)) / len(y)
    assert_close(result.history["loss"][-1], best, error, "loss against the best pieces")


@given(strategies.seeds(), st.integers(1, 5), st.booleans(), st.booleans())
def test_no_fit_beats_the_dynamic_programme(seed, n_neurons, output_bias, reduced):
    X, y = line(15, seed)
    result = run(start(1, n_neurons, seed, output_bias=output_bias, reduced=reduced), X, y, n_steps=8)
    error = rounding(y, np.eye(15)) / len(y)
    assert result.history["loss"][-1] >= best_pieces(y[:, 0], n_neurons + 1)[-1] - error


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_neurons", [2, 3])
def test_without_output_bias_the_fit_on_the_line_is_the_best_of_all_networks(n_neurons, seed):
    X, y = line(7, seed)
    steps = np.tri(7)
    candidates = np.vstack([steps, 1.0 - steps[:-1]])  # both orientations, the constant once
    best = min(least_squares(np.column_stack(c), y) for c in itertools.combinations(candidates, n_neurons))
    result = run(start(1, n_neurons, seed), X, y)
    error = rounding(y, activations(result.network, X)) / len(y)
    assert_close(result.history["loss"][-1], best / len(y), error, "loss against the best of all networks")


def test_sine_is_fitted_between_20_and_21_pieces():
    X = np.linspace(0.0, 1.0, 200)[:, np.newaxis]
    test = np.linspace(0.0, 1.0, 4000)[:, np.newaxis]
    target = rn.targets.sin4pi()
    best = best_pieces(target(X), 21)
    for seed in range(3):
        network = run(start(1, 20, seed), X, target(X), n_steps=25).network
        assert np.mean((network(test)[:, 0] - target(test)) ** 2) <= 9.3e-3
        assert best[21] <= np.mean((network(X)[:, 0] - target(X)) ** 2) <= best[20]


def test_planted_network_on_the_line_is_found():
    X = np.linspace(0.0, 1.0, 50)[:, np.newaxis]
    planted = rn.Network([[[1.0], [-1.0], [1.0]]], [[-0.305, 0.505, -0.805]], [[2.0, -3.0, 5.0]],
                         activation="binary")
    result = run(start(1, 3, 0), X, planted(X))
    assert result.converged
    assert_close(result.network(X), planted(X), gamma(50 * 50) * 10.0, "fit of a planted network")


@both_biases
def test_two_inputs_improve_on_least_squares_at_the_start(output_bias):
    X = SQUARE.sample(60, 2)
    y = rn.targets.franke()(X)[:, np.newaxis]
    network = start(2, 6, 0, output_bias=output_bias)
    result = run(network, X, y, n_steps=3)
    fitted = least_squares(activations(network, X), y) / len(y)
    assert result.history["loss"][-1] < 0.5 * fitted


# what holds in every run


@st.composite
def runs(draw):
    """Short runs of all kinds of networks and samples: (network, X, y, result, networks after each step)."""
    rng = np.random.default_rng(draw(strategies.seeds()))
    n, d, n_outputs = draw(st.sampled_from([1, 2, 12, 30])), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    X = rng.integers(0, 5, (n, d)) / 4.0 if draw(st.booleans()) else rng.random((n, d))
    y = rng.standard_normal((n, n_outputs)) if draw(st.booleans()) else np.full((n, n_outputs), 3.0)
    network = start(d, draw(st.integers(1, 6)), rng, n_outputs=n_outputs, output_bias=draw(st.booleans()),
                    reduced=draw(st.booleans()))
    seen = []
    result = run(network, X, y, draw(st.integers(1, 4)), callback=lambda state: seen.append(state.network))
    return network, X, y, result, seen


@given(runs())
def test_history_begins_with_the_network_and_never_rises(case):
    network, X, y, result, _ = case
    losses = result.history["loss"]
    assert losses[0] == Objective(network, X, y).value(network.to_vector())
    assert (np.diff(losses) <= 0.0).all()


@given(runs())
def test_every_step_is_feasible(case):
    network, _, _, _, seen = case
    for step in seen:
        assert type(step) is type(network)
        if isinstance(step, rn.ReducedNetwork):
            assert_feasible(step)


@given(runs())
def test_outgoing_weights_are_least_squares(case):
    _, X, y, result, _ = case
    columns = activations(result.network, X)
    singular = np.linalg.svd(columns, compute_uv=False)
    smallest = min(singular[singular > 1e-9 * max(singular[0], 1.0)], default=1.0)
    error = gamma(64 * columns.size) * max(singular[0] / smallest, 1.0) * float(np.sum(y**2))
    loss = result.history["loss"][-1] * len(y)
    assert loss <= least_squares(columns, y) + error


@pytest.mark.parametrize("n_inputs", [1, 2])
@both_kinds
def test_same_seed_same_bytes(n_inputs, reduced):
    X = np.random.default_rng(0).random((20, n_inputs))
    network = start(n_inputs, 4, 0, reduced=reduced)
    first, second = (run(network, X, np.cos(5.0 * X[:, 0]), 5, seed=7) for _ in range(2))
    assert_same_network(first.network, second.network, "two runs of one seed")
    assert np.array_equal(first.history["loss"], second.history["loss"])


@both_biases
@both_kinds
def test_one_sample_is_fitted(output_bias, reduced):
    result = run(start(1, 3, 0, output_bias=output_bias, reduced=reduced), [[0.5]], [[2.0]])
    assert result.converged
    assert_close(result.network([[0.5]]), 2.0, gamma(16) * 2.0, "fit of one sample")


@both_kinds
def test_constant_responses_are_fitted_without_an_output_bias(reduced):
    X = np.linspace(0.0, 1.0, 9)[:, np.newaxis]
    result = run(start(1, 2, 0, reduced=reduced), X, np.full(9, 3.0))
    assert result.converged
    assert_close(result.network(X), 3.0, gamma(9 * 16) * 3.0, "fit of a constant")


def test_dead_network_comes_to_life():
    X, y = line(20, 0)
    dead = rn.Network([np.zeros((4, 1))], [np.full(4, -1.0)], [np.zeros(4)], activation="binary")
    assert run(dead, X, y, n_steps=20).history["loss"][-1] <= best_pieces(y[:, 0], 4)[-1]


def test_samples_outside_the_domain_leave_the_network_feasible():
    X = np.linspace(-1.0, 2.0, 30)[:, np.newaxis]
    result = run(start(1, 4, 0), X, np.sin(3.0 * X), n_steps=10)
    assert_feasible(result.network)
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_run_that_reaches_its_limit_has_not_converged():
    X, y = line(30, 0)
    result = run(start(1, 4, 0), X, y, n_steps=1)
    assert not result.converged and "limit of 1 steps" in result.message
