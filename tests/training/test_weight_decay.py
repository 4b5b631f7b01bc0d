"""Weight decay: its formula and gradient, and one least value in both spaces, that of `fit_convex`."""
import numpy as np
import pytest
from oracles.assertions import assert_close

import reducednet as rn
from reducednet.numerics.rounding import gamma
from reducednet.training.objective import Objective
from reducednet.training.starts import data_placed
from reducednet.training.weight_decay import WeightDecay


def network_of(space, sizes=(2, 5, 4, 2)):
    """Return a random network of the space."""
    box = rn.Box(-np.ones(sizes[0]), np.ones(sizes[0]))
    net = rn.ReducedNetwork.random(sizes, box, rng=0, output_bias=True)
    if space == "reduced":
        return net
    return rn.Network([2.0 * W for W in net.weights], net.thresholds, net.output_weights, net.output_bias)


def decay_of(net, strength):
    return WeightDecay(net.layout, strength, isinstance(net, rn.ReducedNetwork))


spaces = pytest.mark.parametrize("space", ["standard", "reduced"])


@spaces
def test_penalty_is_its_formula(space):
    net = network_of(space)
    if space == "standard":
        squares = sum(float(v) ** 2 for W in (*net.weights, net.output_weights) for v in W.ravel())
        expected = 3.0 * squares / 2.0
    else:
        expected = 3.0 * sum(sum(float(v) ** 2 for v in c) ** 0.5 for c in net.output_weights.T)
    assert_close(decay_of(net, 3.0).value(net.to_vector()), expected, gamma(64) * expected, "penalty")


@spaces
def test_gradient_is_the_slope_of_the_penalty(space):
    net, h = network_of(space), 1e-6
    decay, theta = decay_of(net, 0.7), net.to_vector()
    gradient = np.ones_like(theta)
    decay.add_gradient(theta, gradient)
    slopes = [(decay.value(theta + h * e) - decay.value(theta - h * e)) / (2.0 * h) for e in np.eye(len(theta))]
    # third derivatives of 0.7 |c| are below 3 / |c|^2, and values are below 100
    least = np.linalg.norm(net.output_weights, axis=0).min()
    allowed = h**2 / least**2 + gamma(64) * 100.0 / h
    assert_close(gradient - 1.0, slopes, allowed, "gradient")


def test_gradient_at_zero_outgoing_weights_is_zero():
    net = network_of("reduced", (2, 3, 1))
    theta = net.to_vector()
    theta[-4:] = 0.0
    gradient = np.zeros_like(theta)
    decay_of(net, 1.0).add_gradient(theta, gradient)
    assert not gradient.any()


@spaces
def test_objective_adds_it_to_every_kind_of_loss(space):
    net, rng = network_of(space), np.random.default_rng(0)
    X, Y = rng.uniform(-1.0, 1.0, (20, 2)), rng.standard_normal((20, 2))
    theta, decay = net.to_vector(), decay_of(net, 0.5)
    plain, penalised = Objective(net, X, Y), Objective(net, X, Y, weight_decay=decay)
    extra = np.zeros_like(theta)
    decay.add_gradient(theta, extra)
    for call in ("whole", "batch"):
        if call == "whole":
            (loss, slope), (other, total) = plain(theta), penalised(theta)
        else:
            (loss, slope), (other, total) = plain.on_batch(theta, [3, 5]), penalised.on_batch(theta, [3, 5])
        assert other == loss + decay.value(theta)
        np.testing.assert_array_equal(total, slope + extra)
    assert penalised.value(theta) == plain.value(theta) + decay.value(theta)


def test_penalty_of_the_reduction_is_that_of_the_best_scaling():
    rng = np.random.default_rng(0)
    W, b, C = rng.standard_normal((6, 3)), rng.standard_normal(6), rng.standard_normal((2, 6))
    lengths, outgoing = np.linalg.norm(W, axis=1), np.linalg.norm(C, axis=0)
    t = np.sqrt(outgoing / lengths)
    net = rn.Network([W], [b], C, np.zeros(2))
    balanced = rn.Network([t[:, np.newaxis] * W], [t * b], C / t, np.zeros(2))
    red = rn.reduce(net, rn.Ball(np.zeros(3), 100.0))  # no neuron is stable there
    least = decay_of(red, 1.0).value(red.to_vector())
    assert_close(decay_of(balanced, 1.0).value(balanced.to_vector()), least, gamma(256) * least, "penalty")
    assert decay_of(net, 1.0).value(net.to_vector()) > least


def test_both_spaces_come_down_to_the_least_value_of_the_convex_problem():
    rng = np.random.default_rng(0)
    X = np.sort(rng.uniform(-1.0, 1.0, 40))[:, np.newaxis]
    y, beta = np.sin(4.0 * X[:, 0]) + 0.1 * rng.standard_normal(40), 1.0
    _, proof = rn.fit_convex(X, y, beta)
    for space in ("reduced", "standard"):
        net = data_placed((1, 40, 1), rn.Box(X.min(), X.max()), X, 0, output_bias=True)
        if space == "standard":
            net = rn.Network(net.weights, net.thresholds, net.output_weights, net.output_bias)
        result = rn.train(net, X, y, "adam", n_steps=1500, weight_decay=2.0 * beta / len(y))
        value = result.history["loss"].min() * len(y) / 2.0
        # no network is below the proved bound; among many neurons the few that it needs are found
        assert proof.bound * (1.0 - gamma(1000)) <= value <= 1.01 * proof.value


@pytest.mark.parametrize("method", ["varpro", "exact"])
def test_methods_that_know_no_penalty_refuse_it(method):
    net = network_of("reduced", (1, 3, 1))
    with pytest.raises(ValueError, match=f"`weight_decay` must be 0 with method '{method}'"):
        rn.train(net, [[0.0], [1.0]], [0.0, 1.0], method, weight_decay=0.1)


@pytest.mark.parametrize("value, error", [(-1.0, ValueError), ("much", TypeError), (np.nan, ValueError)])
def test_bad_strengths_are_refused(value, error):
    with pytest.raises(error, match="`weight_decay`"):
        rn.train(network_of("reduced", (1, 3, 1)), [[0.0], [1.0]], [0.0, 1.0], "adam", weight_decay=value)
