"""Laws of SLSQP: the constraints it is given, what it keeps, and plain scipy on the same problem."""
import numpy as np
from oracles import path_sums
import pytest
import scipy.optimize
from oracles.assertions import assert_close, assert_feasible

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.training.coordinates import CLEARANCE, POSITION_SCALE
from reducednet.training.methods import quasi_newton
from reducednet.training.monitor import Monitor
from reducednet.training.objective import Objective

SQUARE, UNIT = rn.Box([-1.0, 0.0], [1.0, 1.0]), rn.Box(0.0, 1.0)
both_bounds = pytest.mark.parametrize("bound", ["support", "ball"])
some_sizes = pytest.mark.parametrize("sizes", [(2, 5, 1), (2, 4, 3, 2)], ids=str)


def problem(domain=SQUARE, n_outputs=1):
    X = domain.sample(30, 7)
    return X, np.sin(3.0 * X.sum(axis=1, keepdims=True) + np.arange(n_outputs))


def reduced(sizes=(2, 5, 1), bound="support", seed=0):
    domain = SQUARE if sizes[0] == 2 else UNIT
    return rn.ReducedNetwork.random(sizes, domain, seed, bound=bound, output_bias=True)


def train(network, n_steps=15, **options):
    domain = getattr(network, "domain", SQUARE if network.n_inputs == 2 else UNIT)
    return rn.train(network, *problem(domain, network.n_outputs), "slsqp", n_steps=n_steps, **options)


def call_of_scipy(monkeypatch, network):
    """Return what a run hands to scipy's `minimize`, and what came of it."""
    seen, original = {}, scipy.optimize.minimize

    def minimize(fun, x0, **options):
        seen.update(options, x0=x0, fun=fun, found=original(fun, x0, **options))
        return seen["found"]

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    seen["result"] = train(network)
    return seen


# constraints


@both_bounds
@some_sizes
def test_rows_are_constrained_to_be_unit_one_equation_a_neuron(monkeypatch, bound, sizes):
    network = reduced(sizes, bound)
    call = call_of_scipy(monkeypatch, network)
    assert len(call["constraints"]) == network.depth
    z = call["x0"] + 0.3 * np.cos(np.arange(len(call["x0"])))
    blocks = network.layout.blocks(z)
    for constraint, block in zip(call["constraints"], blocks):
        assert constraint["type"] == "eq"
        expected = [sum(float(v) ** 2 for v in block[:-1, j]) - 1.0 for j in range(block.shape[1])]
        assert_close(constraint["fun"](z), expected, gamma(32) * (block[:-1] ** 2).sum(), "|v|^2 - 1")


@both_bounds
@some_sizes
def test_derivatives_of_the_constraints_are_their_differences(monkeypatch, bound, sizes):
    call = call_of_scipy(monkeypatch, reduced(sizes, bound))
    z, t = call["x0"] + 0.3 * np.cos(np.arange(len(call["x0"]))), 0.125
    for constraint in call["constraints"]:
        moved = np.eye(len(z)) * t
        columns = [(constraint["fun"](z + m) - constraint["fun"](z - m)) / (2.0 * t) for m in moved]
        # a quadratic's central difference is its derivative
        allowed = gamma(64) * (1.0 + (np.abs(z) + t).max() ** 2 * len(z)) / t
        assert_close(constraint["jac"](z), np.array(columns).T, allowed, "derivatives")


@both_bounds
@some_sizes
def test_positions_are_bounded(monkeypatch, bound, sizes):
    network = reduced(sizes, bound)
    limits = call_of_scipy(monkeypatch, network)["bounds"]
    edge = CLEARANCE if bound == "support" else 0.0
    low, high = network.layout.blocks(limits.lb), network.layout.blocks(limits.ub)
    for layer, (lower, upper) in enumerate(zip(low, high)):
        assert np.isneginf(lower[:-1]).all() and np.isposinf(upper[:-1]).all()
        if layer < network.depth:
            assert (lower[-1] >= 0.0).all() and (lower[-1] <= POSITION_SCALE * edge).all()
            assert (upper[-1] <= POSITION_SCALE).all()
            assert (upper[-1] >= POSITION_SCALE * (1.0 - edge)).all()


@both_bounds
@some_sizes
def test_constraints_hold_at_the_end_to_the_precision_of_the_method(monkeypatch, bound, sizes):
    call = call_of_scipy(monkeypatch, reduced(sizes, bound))
    z = call["found"].x
    assert (call["bounds"].lb <= z).all() and (z <= call["bounds"].ub).all()
    for constraint in call["constraints"]:
        # a quadratic constraint's linearisation is off by the square of the step, which is not yet small
        assert np.abs(constraint["fun"](z)).max() < 0.1


@both_bounds
@some_sizes
def test_every_recorded_network_is_feasible(bound, sizes):
    states = []
    train(reduced(sizes, bound), callback=states.append)
    assert len(states) > 5
    for state in states:
        assert_feasible(state.network)


@both_bounds
@pytest.mark.parametrize("sizes", [(1, 6, 1), (1, 4, 3, 1)], ids=str)
def test_signs_of_one_input_are_pinned(monkeypatch, bound, sizes):
    network = reduced(sizes, bound)
    call = call_of_scipy(monkeypatch, network)
    assert len(call["constraints"]) == network.depth - 1
    assert len(call["x0"]) == network.n_parameters - network.sizes[1]
    np.testing.assert_array_equal(call["result"].network.weights[0], network.weights[0])


def test_standard_network_is_not_constrained(monkeypatch):
    call = call_of_scipy(monkeypatch, rn.Network.random((1, 4, 1), 0))
    assert call["bounds"] is None and not len(call["constraints"])


# results


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_best_network_is_kept_though_the_method_may_leave_it(seed):
    result = train(reduced((2, 6, 1), seed=seed), 40)
    losses = result.history["loss"]
    value = rn.loss_and_gradient(result.network, *problem())[0]
    assert_close(value, losses.min(), path_sums.loss_tolerance(result.network, *problem(), "mse", 64), "loss")


def test_bad_last_point_is_not_what_comes_back(monkeypatch):
    def minimize(fun, x0, callback, **options):
        first, _ = fun(x0)
        better = x0 - 1e-3 * fun(x0)[1]
        callback(better)
        callback(x0 + 100.0 * np.cos(np.arange(len(x0))))
        return scipy.optimize.OptimizeResult(status=9, message="at its limit")

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    losses = (result := train(reduced())).history["loss"]
    assert losses[1] < losses[0] < losses[2] and not result.converged and result.message == "at its limit"
    value = rn.loss_and_gradient(result.network, *problem())[0]
    assert_close(value, losses[1], path_sums.loss_tolerance(result.network, *problem(), "mse", 64), "loss")


@both_bounds
@some_sizes
def test_training_lowers_the_loss(bound, sizes):
    losses = train(reduced(sizes, bound), 20).history["loss"]
    assert losses.min() < 0.5 * losses[0]


def test_same_call_gives_the_same_bytes():
    one, two = (train(reduced()).network.to_vector().tobytes() for _ in range(2))
    assert one == two


def test_many_parameters_are_warned_of():
    network = rn.Network.random((1, 101, 1), 0)
    assert network.n_parameters > quasi_newton.MANY_PARAMETERS
    with pytest.warns(UserWarning, match=f"slsqp with {network.n_parameters} parameters: a step costs the cube"):
        train(network, 1)


def test_few_parameters_are_not_warned_of(recwarn):
    train(rn.Network.random((1, 99, 1), 0, output_bias=False), 1)
    assert not recwarn.list


def independent_loss(X, y, n_neurons):
    """Return theta -> (loss, gradient) of a 1-n-1 network, written apart from the library."""
    def evaluate(theta):
        w, b, c = theta.reshape(3, n_neurons)
        Z = np.outer(X[:, 0], w) + b
        residual = np.maximum(Z, 0.0) @ c - y
        D = 2.0 / len(y) * np.outer(residual, c) * (Z > 0.0)
        dc = 2.0 / len(y) * np.maximum(Z, 0.0).T @ residual
        return np.mean(residual**2), np.concatenate([X[:, 0] @ D, D.sum(axis=0), dc])

    return evaluate


@pytest.mark.parametrize("seed", [0, 2])
def test_standard_run_ends_where_plain_scipy_ends(seed):
    rng = np.random.default_rng(seed)
    X = rng.random((30, 1))
    y = np.abs(X[:, 0] - 0.4) + 0.05 * rng.standard_normal(30)
    network = rn.Network.random((1, 3, 1), seed, output_bias=False)
    result = rn.train(network, X, y, "slsqp", n_steps=500)
    plain = scipy.optimize.minimize(independent_loss(X, y, 3), network.to_vector(), jac=True, method="SLSQP",
                                    options={"maxiter": 500, "ftol": 1e-12})
    # both end where a step gains less than the tolerance; their rounding differs along the way
    allowed = 10 * 1e-12 + path_sums.loss_tolerance(result.network, X, y, "mse")
    assert_close(result.history["loss"].min(), plain.fun, allowed, "loss")
    assert result.converged == (plain.status == 0)


def test_first_steps_are_those_of_plain_scipy():
    X, y = problem(UNIT)
    network = rn.Network.random((1, 3, 1), 1, output_bias=False)
    objective = Objective(network, X, y)
    for n_steps in (1, 3):
        monitor = Monitor(network, objective)
        quasi_newton.minimise_slsqp(network, objective, monitor, n_steps, 1e-12)
        points = []
        scipy.optimize.minimize(independent_loss(X, y[:, 0], 3), network.to_vector(), jac=True, method="SLSQP",
                                callback=lambda z: points.append(z.copy()), options={"maxiter": n_steps})
        losses = [independent_loss(X, y[:, 0], 3)(point)[0] for point in points]
        allowed = 1e3 * path_sums.loss_tolerance(network, X, y, "mse")  # of three line searches
        assert_close([row[1] for row in monitor.rows[1:]], losses, allowed, "losses")


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_loss_that_is_not_finite_ends_the_run_with_the_best_network(monkeypatch, bad):
    original, calls = Objective.__call__, [0]

    def call(self, theta, count=False):
        calls[0] += 1
        value, gradient = original(self, theta, count)
        if calls[0] > 12:
            return (np.nan, gradient) if bad == "loss" else (value, np.full_like(gradient, np.inf))
        return value, gradient

    with monkeypatch.context() as patch:
        patch.setattr(Objective, "__call__", call)
        result = train(reduced(), 100)
    assert result.message == "stopped: the loss is not finite" and not result.converged
    assert_feasible(result.network)
    assert result.history["loss"].min() < result.history["loss"][0]
