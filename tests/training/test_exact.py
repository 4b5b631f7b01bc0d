"""Laws of training by construction: what `train` records and says, and when `"auto"` takes it."""
import re

import numpy as np
import pytest
from oracles.assertions import assert_feasible

import reducednet as rn
from reducednet.training import train as train_module

X = np.linspace(0.0, 1.0, 40)[:, np.newaxis]
Y = np.exp(-4.0 * X) * np.cos(16.0 * X)
STARTS = {
    "standard": lambda **kind: rn.Network.random((1, 6, 1), 0, **kind),
    "support": lambda **kind: rn.ReducedNetwork.random((1, 6, 1), rn.Box(0, 1), 0, **kind),
    "ball": lambda **kind: rn.ReducedNetwork.random((1, 6, 1), rn.Ball([0.5], 2.0), 0, bound="ball", **kind),
}
every_kind = pytest.mark.parametrize("kind", [
    {"activation": activation, "output_bias": bias} for activation in ("relu", "binary") for bias in (True, False)
])


@every_kind
@pytest.mark.parametrize("space", STARTS)
def test_the_fit_stays_in_the_space_of_the_start_and_the_message_gives_the_bound(space, kind):
    start = STARTS[space](**kind)
    result = rn.train(start, X, Y, "exact")
    network, limit = result.network, result.limit(X, Y)
    assert type(network) is type(start) and network.sizes == start.sizes and result.converged
    assert (network.output_bias is None) == (not kind["output_bias"])
    if space != "standard":
        assert_feasible(network)
        assert network.domain == start.domain and network.bound == start.bound
    loss, bound = map(float, re.findall(r"[0-9.]+(?:e-?\d+)?(?=,|$)", result.message))
    assert loss == pytest.approx(limit.error, rel=1e-8) and bound == pytest.approx(limit.bound, rel=1e-8)
    assert result.history["step"].tolist() == [0, 1] and result.history["loss"][1] == pytest.approx(loss)


def test_the_fit_on_the_samples_interval_is_that_of_fit_exact():
    result = rn.train(STARTS["standard"](output_bias=True), X, Y, "exact")
    network, _ = rn.fit_exact(X, Y, 6)
    assert (result.network.to_vector() == network.to_vector()).all()


def test_a_better_start_is_kept():
    best, _ = rn.fit_exact(X, Y, 6, output_bias=False)
    result = rn.train(best, X, Y, "exact", n_steps=1)
    assert result.history["loss"].min() == pytest.approx(result.limit(X, Y).error)
    assert result.limit(X, Y).error <= rn.fit_exact(X, Y, 6, output_bias=False)[1].error


def test_weights_count():
    weights = np.random.default_rng(0).random(40)
    result = rn.train(STARTS["support"](), X, Y, "exact", sample_weight=weights)
    assert result.limit(X, Y, weights).error == pytest.approx(result.history["loss"][1], rel=1e-12)


@pytest.mark.parametrize("n_samples, n_neurons, expected", [
    (2000, 20, "exact"), (2100, 20, "varpro"), (200, 130, "exact"), (200, 200, "varpro"),
])
def test_auto_constructs_for_one_input_where_it_is_fast(n_samples, n_neurons, expected):
    network = rn.Network.random((1, n_neurons, 1), 0)
    assert train_module._optimiser(network, "auto", "mse", n_samples) == expected


def test_auto_does_not_construct_with_validation_or_for_other_losses_and_depths():
    network = rn.Network.random((1, 6, 2), 0)
    assert train_module._optimiser(network, "auto", "mse", 40, validated=True) == "varpro"
    assert train_module._optimiser(network, "auto", "cross_entropy", 40) == "lbfgs"
    assert train_module._optimiser(rn.Network.random((1, 3, 3, 1), 0), "auto", "mse", 40) == "levenberg_marquardt"


@pytest.mark.parametrize("sizes", [(2, 4, 1), (1, 4, 4, 1)])
def test_other_networks_are_refused(sizes):
    with pytest.raises(ValueError, match="'exact' needs one input, one hidden layer and loss='mse'"):
        rn.train(rn.Network.random(sizes, 0), np.zeros((3, sizes[0])), np.zeros(3), "exact")
