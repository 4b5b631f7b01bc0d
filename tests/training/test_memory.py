"""Laws of what methods ask for: "auto" stays small, what cannot be had is refused at once."""
import tracemalloc
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn
from reducednet.training import memory, train
from reducednet.training.objective import Objective

GIB = 2**30
BINARY = {"exchange": "binary", "surrogate": "binary"}


def problem(sizes, n_samples, activation="relu", reduced=False):
    X = np.random.default_rng(1).random((n_samples, sizes[0]))
    y = np.stack([np.sin(3.0 * X.sum(axis=1) + k) for k in range(sizes[-1])], axis=1)
    network = rn.Network.random(sizes, 0, scheme="uniform", activation=activation)
    if reduced:
        network = rn.reduce(network, rn.Box(np.zeros(sizes[0]), np.ones(sizes[0])))
    return network, X, y


def peak(network, X, y, method, **options):
    """Return the largest number of bytes that NumPy's arrays held while the network was trained."""
    import scipy.linalg  # noqa: F401  (imports are no part of it)
    import scipy.optimize  # noqa: F401

    tracemalloc.start()
    try:
        rn.train(network, X, y, method, tolerance=0.0, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sizes", [(10, 200, 200, 1), (64, 1000, 1)])
def test_default_training_of_a_wide_network_stays_below_a_gigabyte(sizes):
    network, X, y = problem(sizes, 500)
    assert peak(network, X, y, "auto", n_steps=2) < 2e8


@pytest.mark.parametrize("optimiser, sizes, n_samples, reduced", [
    ("levenberg_marquardt", (2, 15, 15, 1), 4000, False),
    ("levenberg_marquardt", (2, 12, 12, 3), 1500, True),
    ("levenberg_marquardt", (2, 24, 24, 1), 60, False), ("varpro", (3, 10, 1), 10000, False),
    ("varpro", (1, 10, 2), 10000, True), ("varpro", (10, 60, 1), 100, False),
    ("varpro", (10, 60, 1), 600, True),
    ("slsqp", (2, 120, 1), 20, False), ("exchange", (2, 6, 1), 5000, False),
    ("exchange", (2, 6, 3), 5000, False), ("surrogate", (2, 30, 20, 2), 5000, False),
])
def test_memory_that_a_method_is_said_to_need_it_takes(optimiser, sizes, n_samples, reduced):
    network, X, y = problem(sizes, n_samples, BINARY.get(optimiser, "relu"), reduced)
    method = "varpro" if optimiser == "levenberg_marquardt" else optimiser
    with pytest.warns(UserWarning) if optimiser == "slsqp" else nullcontext():
        taken = peak(network, X, y, method, n_steps=1)
    needed = memory.bytes_needed(optimiser, network, n_samples)
    data = 8 * n_samples * (4 * sum(sizes) + 8)  # with a layer's activations now and then
    linear = data + 8 * 50 * network.n_parameters + 10**6
    assert needed / 2 < taken < needed + linear


def test_rounds_of_exchanges_are_counted():
    network, X, y = problem((1, 8, 1), 1000)
    taken = peak(network, X, y, "varpro", n_steps=400, rounds=1)
    needed = memory.bytes_needed("varpro", network, 1000, rounds=1)
    assert needed / 2 < taken < needed


@pytest.mark.parametrize("sizes, method", [
    ((100, 3000, 1), "varpro"), ((20, 500, 500, 1), "varpro"), ((100, 3000, 1), "slsqp"),
])
def test_method_that_needs_too_much_is_refused_with_the_number(sizes, method, monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 8 * GIB)
    network, X, y = problem(sizes, 3000)
    words = rf"method '{method}' needs about .* GiB .* there are 8 GiB: 'lbfgs'"
    with pytest.raises(MemoryError, match=words):
        rn.train(network, X, y, method)


def test_absurd_method_is_refused_on_any_machine():
    network, X, y = problem((100, 20_000, 1), 3)  # (2 million)^2
    with pytest.raises(MemoryError, match=r"method 'slsqp' needs about 3\.72e\+05 GiB"):
        rn.train(network, X, y, "slsqp")


def test_method_that_fits_runs(monkeypatch):
    network, X, y = problem((2, 5, 1), 20)
    monkeypatch.setattr(memory, "machine_bytes", lambda: memory.bytes_needed("varpro", network, 20))
    assert rn.train(network, X, y, "varpro", n_steps=1).steps == 1
    with pytest.raises(MemoryError, match="method 'slsqp'"):
        rn.train(network, X, y, "slsqp")


def test_memory_that_runs_out_on_the_way_is_reported_with_the_number(monkeypatch):
    network, X, y = problem((2, 5, 1), 20)
    monkeypatch.setattr(memory, "bytes_needed", lambda *arguments: 3 * GIB)
    monkeypatch.setattr(memory, "machine_bytes", lambda: np.inf)

    def fail(*arguments, **options):
        raise MemoryError("Unable to allocate 3. GiB for an array")

    monkeypatch.setattr("reducednet.training.methods.varpro.minimise", fail)
    with pytest.raises(MemoryError, match="method 'varpro' needs about 3 GiB of memory for this"):
        rn.train(network, X, y, "varpro")


def test_memory_error_of_a_callback_is_its_own():
    def fail(state):
        raise MemoryError("mine")

    with pytest.raises(MemoryError, match="^mine$"):
        rn.train(*problem((2, 5, 1), 20), "varpro", callback=fail)


def test_memory_of_a_container_counts_where_it_is_less(tmp_path, monkeypatch):
    whole = memory.machine_bytes()
    assert whole >= 2**20
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", Path(tmp_path / "memory.max"))
    unlimited = memory.machine_bytes()
    for text, expected in (("max\n", unlimited), ("1000000\n", 1_000_000)):
        memory.CONTAINER_LIMIT.write_text(text)
        assert memory.machine_bytes() == expected


@pytest.mark.parametrize("sizes, optimiser", [
    ((2, 5, 1), "varpro"), ((2, 20, 20, 1), "levenberg_marquardt"),
    ((2, 5, 4, 3), "levenberg_marquardt"), ((2, 50, 1), "exchange"),
])
def test_auto_leaves_steps_that_need_a_gigabyte_or_ten_billion_operations(sizes, optimiser):
    network = rn.Network.random(sizes, 0, activation=BINARY.get(optimiser, "relu"))
    otherwise = "surrogate" if optimiser == "exchange" else "lbfgs"
    numbers = [10**power for power in range(1, 9)]
    chosen = [train._optimiser(network, "auto", "mse", n) for n in numbers]
    small = [memory.bytes_needed(optimiser, network, n) <= GIB
             and memory.operations_needed(optimiser, network, n) <= 10**10 for n in numbers]
    assert chosen == [optimiser if fits else otherwise for fits in small]
    assert set(small) == {True, False}


def test_stable_neurons_are_counted_block_by_block():
    network, X, y = problem((2, 50, 1), 40_000)
    objective = Objective(network, X, y)
    tracemalloc.start()
    dead, always_on = objective.count_stable(network.to_vector())
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    Z = network.pre_activations(X)[0]
    assert (dead, always_on) == ((Z <= 0.0).all(axis=0).sum(), (Z > 0.0).all(axis=0).sum())
    assert taken < Z.nbytes / 10
