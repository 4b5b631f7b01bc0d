"""Laws of the objective: dead and always-on neurons are counted by the pass that is made anyway."""
import numpy as np
import pytest

import reducednet as rn
from reducednet.networks import forward
from reducednet.networks.backward import LossAndGradient
from reducednet.training.methods.straight_through import LossAndEstimate
from reducednet.training.objective import Objective

SQUARE = rn.Box([0.0, 0.0], [1.0, 1.0])


def problem(activation="relu", sizes=(2, 9, 7, 2), n_samples=50):
    """Return a network with dead, always-on and unstable neurons in each layer, and samples."""
    rng = np.random.default_rng(0)
    network = rn.Network.random(sizes, 3, activation=activation)
    hidden = [b + np.resize([0.0, 9.0, -9.0], len(b)) for b in network.thresholds]
    network = rn.Network(network.weights, hidden, network.output_weights, activation=activation)
    return network, SQUARE.sample(n_samples, rng), rng.standard_normal((n_samples, sizes[-1]))


def counts_by_hand(network, X):
    active = [Z > 0.0 for Z in network.pre_activations(X)]
    return sum((~A.any(axis=0)).sum() for A in active), sum(A.all(axis=0).sum() for A in active)


@pytest.mark.parametrize("chunk", [None, 7, 1])
@pytest.mark.parametrize("sizes", [(2, 9, 7, 2), (2, 9, 1), (2, 3, 1), (2, 9, 7, 1)], ids=str)
@pytest.mark.parametrize("activation, estimated", [("relu", False), ("binary", False), ("binary", True)])
def test_counts_are_those_of_the_pre_activations(chunk, sizes, activation, estimated, monkeypatch):
    if chunk is not None:
        monkeypatch.setattr(forward, "CHUNK_BYTES", 0)
        monkeypatch.setattr(forward, "CHUNK_SAMPLES", chunk)
    network, X, y = problem(activation, sizes)
    objective, theta = Objective(network, X, y), network.to_vector()
    if estimated:
        objective.estimate_by(LossAndEstimate(network, objective))
    expected = counts_by_hand(network, X)
    assert min(expected) > 0
    assert objective.count_stable(theta) == expected
    objective(theta, count=True)
    assert objective.count_stable(theta) == expected


def test_counts_are_of_the_vector_that_is_asked_for():
    network, X, y = problem()
    objective, theta = Objective(network, X, y), network.to_vector()
    objective(theta, count=True)
    other = network.with_vector(-theta)
    assert objective.count_stable(-theta) == counts_by_hand(other, X) != counts_by_hand(network, X)
    objective(theta)  # not counted
    assert objective.count_stable(theta) == counts_by_hand(network, X)


@pytest.mark.parametrize("method", ["sgd", "adam", "surrogate"])
@pytest.mark.parametrize("reduced", [False, True], ids=["standard", "reduced"])
def test_records_make_no_pass_of_their_own(method, reduced, monkeypatch):
    network, X, y = problem("binary" if method == "surrogate" else "relu")
    network = rn.reduce(network, SQUARE) if reduced else network
    kind, calls = (LossAndEstimate if method == "surrogate" else LossAndGradient), []
    original = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, *rest: calls.append(1) or original(self, *rest))
    states = []
    result = rn.train(network, X, y, method, n_steps=10, tolerance=0.0, learning_rate=1e-4,
                      callback=states.append)
    assert len(calls) == len(result.history["step"]) == 11
    for index, state in enumerate(states):
        found = result.history["dead"][index], result.history["always_on"][index]
        assert found == counts_by_hand(state.network, X)


@pytest.mark.parametrize("method", ["sgd", "adam"])
def test_recorded_counts_with_mini_batches_are_of_all_samples(method):
    network, X, y = problem()
    states = []
    result = rn.train(network, X, y, method, n_steps=9, batch_size=8, record_every=2, learning_rate=1e-4,
                      callback=states.append)
    found = zip(result.history["dead"], result.history["always_on"])
    assert [counts_by_hand(state.network, X) for state in states] == list(found)
