"""Laws of the loop around the methods: history, callbacks, early stopping, broken and continued runs, files."""
import builtins
import contextlib
import importlib
import inspect
import io
import json
import sys
import zipfile

import numpy as np
from oracles import path_sums
import pytest
from oracles.assertions import assert_close, assert_equal_bits, assert_feasible, assert_same_network
from matplotlib import pyplot

import reducednet as rn
from reducednet.files import archives, npz
from reducednet.training import train as train_module
from reducednet.training.monitor import Monitor, NotFinite
from reducednet.training.objective import Objective

SQUARE = rn.Box([-1.0, 0.0], [1.0, 1.0])
RELU = ("sgd", "adam", "lbfgs", "slsqp", "varpro")
BINARY = ("exchange", "surrogate")
COLUMNS = ["step", "loss", "gradient_norm", "dead", "always_on", "seconds"]
every_method = pytest.mark.parametrize("method", [*RELU, *BINARY])
descents = pytest.mark.parametrize("method", ["sgd", "adam"])
both = pytest.mark.parametrize("reduced", [False, True], ids=["standard", "reduced"])


def start(method="adam", reduced=True, sizes=(2, 5, 1), seed=1):
    activation = "binary" if method in BINARY else "relu"
    if reduced:
        return rn.ReducedNetwork.random(sizes, SQUARE, seed, output_bias=True, activation=activation)
    return rn.Network.random(sizes, seed, output_bias=True, activation=activation)


def problem(n_samples=40, seed=7):
    X = SQUARE.sample(n_samples, seed)
    return X, np.sin(3.0 * X.sum(axis=1))


def train(method="adam", network=None, n_steps=12, **options):
    network = start(method) if network is None else network
    return rn.train(network, *problem(), method, n_steps=n_steps, **options)


def loss_of(network, data=None):
    return rn.loss_and_gradient(network, *(data or problem()))[0]


def tolerance(network, data=None):
    return path_sums.loss_tolerance(network, *(data or problem()), "mse", 64)


def columns_without_time(result):
    return {name: column for name, column in result.history.items() if name != "seconds"}


def assert_same_history(one, other):
    assert list(one.history) == list(other.history)
    for name, column in columns_without_time(one).items():
        np.testing.assert_array_equal(column, other.history[name], err_msg=name)


# the history


@every_method
@both
def test_history_has_its_columns_for_every_method(method, reduced):
    result = train(method, start(method, reduced))
    assert list(result.history) == COLUMNS
    lengths = {len(column) for column in result.history.values()}
    assert len(lengths) == 1 and result.steps <= 12
    np.testing.assert_array_equal(result.history["step"], np.arange(lengths.pop()))


@every_method
def test_history_has_the_losses_and_stable_neurons_of_its_networks(method):
    states = []
    result = train(method, callback=states.append)
    X, _ = problem()
    assert len(states) == len(result.history["step"])
    for index, state in enumerate(states):
        active = [Z > 0.0 for Z in state.network.pre_activations(X)]
        assert result.history["dead"][index] == sum((~A.any(axis=0)).sum() for A in active)
        assert result.history["always_on"][index] == sum(A.all(axis=0).sum() for A in active)
        assert state.step == result.history["step"][index] and state.loss == result.history["loss"][index]
        assert_close(state.loss, loss_of(state.network), tolerance(state.network), "loss")


@every_method
def test_validation_loss_is_that_of_the_validation_samples(method):
    data, states = problem(15, 99), []
    result = train(method, validation=data, callback=states.append)
    assert list(result.history) == COLUMNS[:2] + ["validation_loss"] + COLUMNS[2:]
    for state, value in zip(states, result.history["validation_loss"]):
        assert_close(value, loss_of(state.network, data), tolerance(state.network, data), "validation loss")
        assert state.validation_loss == value


@pytest.mark.parametrize("method", RELU)
def test_every_kth_step_and_the_last_are_recorded(method):
    each = train(method, n_steps=11, tolerance=0.0)
    some = train(method, n_steps=11, tolerance=0.0, record_every=4)
    steps = sorted({*range(0, each.steps + 1, 4), each.steps})
    np.testing.assert_array_equal(some.history["step"], steps)
    assert_close(some.history["loss"], each.history["loss"][steps], tolerance(each.network), "loss")


@every_method
def test_best_network_is_the_best_of_the_records(method):
    result = train(method)
    assert_close(loss_of(result.network), result.history["loss"].min(), tolerance(result.network), "loss")
    if isinstance(result.network, rn.ReducedNetwork):
        assert_feasible(result.network)


# callbacks


@every_method
def test_true_answer_of_the_callback_stops_the_run(method):
    seen = []
    result = train(method, callback=lambda state: seen.append(state.step) or state.step == 1)
    assert seen == [0, 1] and result.message == "stopped by the callback" and not result.converged


def test_state_keeps_the_network_of_its_step():
    networks, states = [], []
    train("sgd", callback=lambda state: states.append(state) or networks.append(state.network.to_vector()))
    for state, vector in zip(states, networks):
        assert_equal_bits(state.network.to_vector(), vector, f"step {state.step}")


def test_error_of_the_callback_comes_through():
    with pytest.raises(ZeroDivisionError):
        train(callback=lambda state: 1 / 0)


# early stopping


class Scripted:
    """An objective that answers with a script: what early stopping makes of it is all that is asked."""

    def __init__(self, values):
        self.values = iter(values)

    def value(self, vector):
        return next(self.values)


def scripted_monitor(values, patience):
    network = start()
    return Monitor(network, Objective(network, *problem()), Scripted(values), patience=patience)


def test_patience_counts_records_without_a_better_validation_loss():
    monitor = scripted_monitor([5.0, 3.0, 4.0, 2.0, 2.0, 2.5, 9.0], 3)
    vector = monitor.network.to_vector()
    for step in range(6):
        monitor.record(vector + step, 1.0 / (step + 1))
    with pytest.raises(Exception, match="stopped early: no better loss in 3 records"):
        monitor.record(vector + 6, 0.0)
    assert_equal_bits(monitor.result(False, "").network.to_vector(), vector + 3, "the best vector")


@descents
def test_early_stopping_keeps_the_network_of_least_validation_loss(method):
    X, y = problem(12)
    rng = np.random.default_rng(0)
    data = problem(60, 99)
    result = rn.train(start(sizes=(2, 12, 1)), X, y + 0.5 * rng.standard_normal(12), method, n_steps=3000,
                      validation=data, patience=20, learning_rate=0.05)
    values = result.history["validation_loss"]
    assert "stopped early" in result.message and not result.converged
    assert len(values) - 1 - values.argmin() == 20
    assert_close(loss_of(result.network, data), values.min(), tolerance(result.network, data), "validation loss")
    assert result.history["loss"].argmin() != values.argmin()  # the best is not that of the training loss


def test_patience_without_validation_counts_the_loss():
    result = train("sgd", n_steps=2000, learning_rate=3.0, patience=5)
    assert "no better loss in 5 records" in result.message
    assert len(result.history["loss"]) - 1 - result.history["loss"].argmin() == 5


# progress


@pytest.fixture
def without_tqdm(monkeypatch):
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.split(".")[0] == "tqdm":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)


@every_method
def test_nothing_is_printed_unless_asked(method, capfd):
    train(method)
    assert capfd.readouterr() == ("", "")


def test_progress_is_a_plain_line_on_stderr_where_there_is_no_bar(without_tqdm, capsys):
    train("sgd", n_steps=12, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("\rstep 0 of at most 12")
    assert err.endswith("\rstep 12 of at most 12\n") and err.count("\n") == 1


def test_plain_line_has_at_most_about_a_hundred_updates(without_tqdm, capsys):
    train("sgd", n_steps=1000, progress=True, record_every=1000)
    assert 100 <= capsys.readouterr().err.count("\r") <= 102


class Gone(io.StringIO):
    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("stream", [None, Gone(), "closed"], ids=["none", "gone", "closed"])
def test_a_terminal_that_is_gone_does_not_end_a_run(without_tqdm, monkeypatch, capfd, stream):
    if stream == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert train("sgd", n_steps=12, progress=True).steps == 12
    assert capfd.readouterr() == ("", "")


def test_progress_of_a_continued_run_counts_all_steps(without_tqdm, capsys):
    train("sgd", train("sgd", n_steps=4), n_steps=6, progress=True)
    assert capsys.readouterr().err.endswith("\rstep 10 of at most 10\n")


def test_progress_is_a_bar_where_tqdm_is_installed(capsys):
    pytest.importorskip("tqdm")
    train("sgd", train("sgd", n_steps=4), n_steps=6, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "10/10" in err and "step" in err


def test_bar_is_closed_where_a_run_stops_early(capsys):
    pytest.importorskip("tqdm")
    train("sgd", n_steps=50, progress=True, callback=lambda state: state.step == 3)
    err = capsys.readouterr().err
    assert "3/50" in err and err.endswith("\n")


# runs that break


@pytest.mark.parametrize("method", RELU)
@both
def test_loss_that_is_not_finite_ends_a_run_with_its_best_network(method, reduced, monkeypatch):
    original, calls = Monitor.record, [0]

    def record(self, vector, loss, gradient_norm=np.nan):
        calls[0] += 1
        original(self, vector, np.nan if calls[0] == 5 else loss, gradient_norm)

    monkeypatch.setattr(Monitor, "record", record)
    result = train(method, start(method, reduced), tolerance=0.0)
    assert result.message == "stopped: the loss is not finite" and not result.converged
    assert len(result.history["loss"]) == 4 and np.isfinite(result.history["loss"]).all()
    assert_close(loss_of(result.network), result.history["loss"].min(), tolerance(result.network), "loss")


@descents
def test_steps_that_are_too_long_end_a_run_with_its_best_network(method):
    result = rn.train(start(method, False), *problem(), method, n_steps=5000, learning_rate=1e100)
    assert result.message == "stopped: the loss is not finite"
    assert np.isfinite(result.network.to_vector()).all()
    assert_close(loss_of(result.network), result.history["loss"].min(), tolerance(result.network), "loss")


@pytest.mark.parametrize("method", RELU)
def test_interrupted_run_keeps_steps_that_were_passed_over(method):
    # an interrupt comes at any place: here as the sixth step is made
    def interrupted(record_every):
        calls = [0]
        original = Monitor.record

        def record(self, *arguments, **state):
            calls[0] += 1
            if calls[0] == 7:
                raise KeyboardInterrupt
            original(self, *arguments, **state)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Monitor, "record", record)
            return train(method, record_every=record_every, tolerance=0.0)

    each, some = interrupted(1), interrupted(4)
    assert each.message == some.message == "interrupted"
    np.testing.assert_array_equal(some.history["step"], [0, 4, 5])
    assert_close(some.history["loss"], each.history["loss"][[0, 4, 5]], tolerance(each.network), "loss")


@every_method
@both
@pytest.mark.parametrize("error, words", [
    (KeyboardInterrupt, "interrupted"), (NotFinite, "stopped: the loss is not finite"),
])
def test_run_that_ends_before_its_first_record_has_the_start(
    method, reduced, error, words, tmp_path, monkeypatch
):
    def end(*arguments, **options):
        raise error

    network, data = start(method, reduced), problem(9, 5)
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "record", end)
        result = train(method, network, validation=data)
    assert (result.message, result.converged, result.steps) == (words, False, 0)
    assert_same_network(result.network, network, "the best network")
    assert_close(result.history["loss"], [loss_of(network)], tolerance(network), "loss")
    allowed = tolerance(network, data)
    assert_close(result.history["validation_loss"], [loss_of(network, data)], allowed, "loss")
    assert {len(column) for column in result.history.values()} == {1}
    assert result.history["step"][0] == 0
    assert "in 0 steps" in repr(result)
    rn.save(tmp_path / "run.npz", result)
    for again in (result, rn.load(tmp_path / "run.npz")):
        further = train(method, again, validation=data)
        assert further.history["step"][0] == 0 and further.steps > 0
    ax = rn.plotting.loss_curves({"none": [result]})
    assert list(ax.lines[0].get_xdata()) == [0]
    pyplot.close("all")


def test_start_that_was_interrupted_while_it_was_recorded_is_there_once(monkeypatch):
    def interrupt(step):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        train_module, "progress_bar", lambda *arguments: contextlib.nullcontext(interrupt))
    result = train("adam")
    assert result.message == "interrupted" and result.history["step"].tolist() == [0]


# continued runs


@descents
@both
@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("record_every", [1, 3])
@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "from a file"])
def test_two_runs_are_one_uninterrupted_run(method, reduced, batch_size, record_every, saved, tmp_path):
    options = {"batch_size": batch_size, "record_every": record_every, "validation": problem(9, 5)}
    whole = train(method, start(method, reduced), n_steps=37, rng=5, **options)
    half = train(method, start(method, reduced), n_steps=20, rng=5, **options)
    if saved:
        rn.save(tmp_path / "half.npz", half)
        half = rn.load(tmp_path / "half.npz")
    continued = train(method, half, n_steps=17, rng=99, **options)
    assert_same_network(continued.network, whole.network, "the best network")
    assert_equal_bits(continued.state["vector"], whole.state["vector"], "the last vector")
    assert_same_history(continued, whole)


CONTINUED = ["sgd", "adam", "surrogate"]
FRESH = [("varpro", {"rounds": 3}), *((method, {}) for method in ("lbfgs", "slsqp", "varpro", "exchange"))]
"""Methods that begin anew at the best network, with options."""


def assert_same_run(one, other):
    """Check that two runs are the same but for their times: also where a further run would go on from."""
    assert_same_network(one.network, other.network, "the best network")
    assert_same_history(one, other)
    assert one.converged == other.converged
    assert one.state.keys() == other.state.keys()
    for name, value in one.state.items():
        np.testing.assert_equal(value, other.state[name], err_msg=name)


@pytest.mark.parametrize("method", CONTINUED)
@pytest.mark.parametrize("sizes", [(2, 8, 1), (2, 5, 4, 1)], ids=str)
@both
@pytest.mark.parametrize("saved, first, record_every", [(False, 1, 1), (True, 9, 3), (True, 26, 1)])
def test_a_run_in_parts_is_one_uninterrupted_run(method, sizes, reduced, saved, first, record_every, tmp_path):
    # the last step of a part is recorded: where record_every passes it over it may be the best network
    network = start(method, reduced, sizes)
    options = {"tolerance": 0.0, "record_every": record_every, "validation": problem(9, 5)}
    whole = train(method, network, n_steps=40, rng=5, **options)
    found = network
    for index, n_steps in enumerate((first, 6, 34 - first)):
        found = train(method, found, n_steps=n_steps, rng=5 + index, **options)
        if saved:
            rn.save(tmp_path / "run.npz", found)
            found = rn.load(tmp_path / "run.npz")
    assert whole.steps > first + 6
    assert_same_run(found, whole)


@pytest.mark.parametrize("method, options", FRESH, ids=str)
@pytest.mark.parametrize("samples", [40, 30], ids=["the same samples", "others"])
def test_other_methods_start_anew_at_the_best_network(method, options, samples):
    first, data = train(method, n_steps=8, rng=5, **options), problem(samples, 11 if samples == 30 else 7)
    assert first.state == {}
    found = rn.train(first, *data, method, n_steps=6, rng=9, **options)
    anew = rn.train(first.network, *data, method, n_steps=6, rng=9, **options)
    assert_same_network(found.network, anew.network, "the best network")
    assert_equal_bits(found.history["loss"][first.steps:], anew.history["loss"], "the new losses")


@pytest.mark.parametrize("method", CONTINUED)
def test_a_converged_run_stays_where_it_is(method):
    network, options = start(method, True, (2, 3, 1)), {"tolerance": 0.9 if method == "surrogate" else 1e-2}
    whole = train(method, network, n_steps=5000, rng=5, **options)
    assert whole.converged
    again = train(method, whole, n_steps=5000, **options)
    assert again.converged and again.steps == whole.steps
    assert_same_network(again.network, whole.network, "the best network")
    assert_same_history(again, whole)


@pytest.mark.parametrize("method", CONTINUED)
def test_interrupted_run_goes_on_as_if_it_had_not_been(method, monkeypatch):
    network, original, calls = start(method, True, (2, 8, 1)), Monitor.record, [0]
    options = {"tolerance": 0.0}
    whole = train(method, network, n_steps=20, rng=5, **options)

    def record(self, *arguments):
        original(self, *arguments)
        calls[0] += 1
        if calls[0] in (8, 9):  # the second one as the first step of the further run is recorded
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "record", record)
    first = train(method, network, n_steps=20, rng=5, **options)
    second = train(method, first, n_steps=13, **options)
    assert first.message == second.message == "interrupted" and first.steps == second.steps == 7
    third = train(method, second, n_steps=13, **options)
    assert_same_network(third.network, whole.network, "the best network")
    assert_same_history(third, whole)


@every_method
@pytest.mark.parametrize("at", ["count_stable", "value"])
def test_interrupt_while_a_step_is_recorded_keeps_it_and_its_state(method, at, monkeypatch):
    network, options = start(method, True, (2, 8, 1)), {"tolerance": 0.0, "validation": problem(9, 5)}
    whole = train(method, network, n_steps=20, rng=5, **options)
    original, calls = getattr(Objective, at), [0]

    def interrupted(self, theta):
        calls[0] += self.n_samples == (9 if at == "value" else 40)
        if calls[0] == 8:
            calls[0] += 1
            raise KeyboardInterrupt
        return original(self, theta)

    with monkeypatch.context() as patch:
        patch.setattr(Objective, at, interrupted)
        first = train(method, network, n_steps=20, rng=5, **options)
    assert first.message == "interrupted" and first.steps == 7
    for name, column in columns_without_time(first).items():
        np.testing.assert_array_equal(column, whole.history[name][:8], err_msg=name)
    if method in CONTINUED:
        found = train(method, first, n_steps=13, **options)
        assert_same_network(found.network, whole.network, "the best network")
        assert_same_history(found, whole)


@pytest.mark.parametrize("method", CONTINUED)
def test_a_state_outside_the_space_is_refused(method):
    first = train(method)
    state = first.state | {"vector": 2.0 * first.state["vector"]}
    broken = rn.TrainingResult(first.network, first.history, False, "", state)
    with pytest.raises(ValueError, match=r"`network.state\['vector'\]` must be of a feasible network"):
        train(method, broken)


@every_method
@both
def test_continued_run_goes_on_from_the_best_network_and_is_never_worse(method, reduced):
    first = train(method, start(method, reduced), n_steps=5)
    second = train(method, first, n_steps=5)
    assert type(second.network) is type(first.network)
    assert loss_of(second.network) <= loss_of(first.network) + tolerance(first.network)
    assert second.steps >= first.steps
    np.testing.assert_array_equal(second.history["step"], np.arange(second.steps + 1))
    assert_equal_bits(second.history["loss"][:first.steps], first.history["loss"][:-1], "the earlier history")
    assert (np.diff(second.history["seconds"]) >= 0.0).all()


def test_best_network_of_the_earlier_run_is_kept():
    first = train("sgd", learning_rate=3.0)
    assert first.history["loss"][-1] > 2.0 * first.history["loss"].min()
    second = train("sgd", first, n_steps=1, learning_rate=1e-12)
    assert_same_network(second.network, first.network, "the best network")


@descents
def test_patience_goes_on_in_a_continued_run(method):
    options = {"validation": problem(9, 5), "patience": 8, "learning_rate": 0.3, "rng": 3}
    whole = train(method, n_steps=400, **options)
    assert "stopped early" in whole.message and whole.steps > 9
    half = train(method, n_steps=whole.steps - 4, **options)
    continued = train(method, half, n_steps=300, **options)
    assert_same_network(continued.network, whole.network, "the best network")
    assert continued.message == whole.message
    assert_same_history(continued, whole)


def test_patience_that_has_run_out_begins_anew():
    options = {"learning_rate": 3.0, "patience": 5}
    stopped = train("sgd", n_steps=2000, **options)
    assert "stopped early" in stopped.message
    assert train("sgd", stopped, n_steps=2000, **options).steps > stopped.steps


def test_run_may_go_on_with_another_method():
    first = train("adam")
    second = train("varpro", first)
    assert loss_of(second.network) < loss_of(first.network) and second.steps > first.steps


def test_result_without_any_step_can_be_continued():
    empty = rn.TrainingResult(start(), {name: np.empty(0) for name in COLUMNS}, False, "interrupted")
    assert_same_network(train("adam", empty).network, train("adam").network, "the best network")


# files of results


@pytest.mark.parametrize("method", [*RELU, *BINARY])
@both
def test_saved_result_comes_back_bit_for_bit(method, reduced, tmp_path):
    options = {"batch_size": 7} if method in ("sgd", "adam") else {}
    result = train(method, start(method, reduced), validation=problem(9, 5), **options)
    rn.save(tmp_path / "run.npz", result)
    loaded = rn.load(tmp_path / "run.npz")
    assert_same_network(loaded.network, result.network, "network")
    assert type(loaded.network) is type(result.network)
    assert (loaded.converged, loaded.message) == (result.converged, result.message)
    assert_same_history(loaded, result)
    assert_equal_bits(loaded.history["seconds"], result.history["seconds"], "seconds")
    assert not any(column.flags.writeable for column in loaded.history.values())
    assert loaded.state.keys() == result.state.keys()
    for name, value in result.state.items():
        np.testing.assert_equal(loaded.state[name], value)
    rn.save(tmp_path / "again.npz", loaded)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "run.npz").read_bytes()


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_state_of_every_generator_of_numpy_is_kept(kind, tmp_path):
    def rng(seed):
        return np.random.Generator(getattr(np.random, kind)(seed))

    whole = train("adam", n_steps=20, batch_size=7, rng=rng(3))
    rn.save(tmp_path / "half.npz", train("adam", n_steps=11, batch_size=7, rng=rng(3)))
    continued = train("adam", rn.load(tmp_path / "half.npz"), n_steps=9, batch_size=7, rng=rng(8))
    assert_equal_bits(continued.state["vector"], whole.state["vector"], "the last vector")


def test_result_of_no_step_comes_back(tmp_path):
    rn.save(tmp_path / "run.npz", rn.TrainingResult(start(), {name: np.empty(0) for name in COLUMNS}, False, "x"))
    assert rn.load(tmp_path / "run.npz").steps == 0


def test_result_goes_to_npz_files_only(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a name that ends in .npz for a TrainingResult"):
        rn.save(tmp_path / "run.nnet", train())
    assert not list(tmp_path.iterdir())


def parts_of(path):
    """Return the header and the arrays of a file."""
    with np.load(path) as arrays:
        parts = dict(arrays)
    return json.loads(parts.pop("header").tobytes()), parts


def changed(path, change):
    """Write the file anew after a change of its header and arrays."""
    header, arrays = parts_of(path)
    change(header, arrays)
    header = {name: value for name, value in header.items() if name not in ("format", "version")}
    path.write_bytes(archives.zip_bytes(npz.FORMAT, npz.VERSION, header, arrays))


def in_result(**entries):
    return lambda header, arrays: header["result"].update(entries)


def in_state(**entries):
    return lambda header, arrays: header["result"]["optimiser"].update(entries)


def in_rng(**entries):
    return lambda header, arrays: header["result"]["optimiser"]["rng"].update(entries)


def array(name, value):
    return lambda header, arrays: arrays.update({name: np.asarray(value)})


def without(name):
    return lambda header, arrays: arrays.pop(name)


@pytest.mark.parametrize("change, match", [
    (lambda header, arrays: header.update(result=3), "`result` must be a dict in the header, got int"),
    (in_result(converged="yes"), "`converged` must be True or False"),
    (in_result(message=7), "`message` must be text"),
    (in_result(records=10**12), "`member history_step` must be of shape"),
    (in_result(records=-1), "`records` must be at least 0"),
    (in_result(records=0), "member history_.* is not expected"),
    (in_result(columns=["step"]), "`columns` must be those of a history"),
    (in_result(columns="loss"), "`columns` must be a list of names"),
    (in_result(optimiser=[]), "`optimiser` must be a dict, got list"),
    (in_result(optimiser=None), "member state_.* is not expected"),
    (without("history_loss"), "member history_loss is missing"),
    (array("history_more", [1.0]), "member history_more is not expected"),
    (array("history_loss", [1.0]), "`member history_loss` must be of shape"),
    (array("history_step", -np.arange(13.0)), "member history_step must be whole numbers"),
    (array("history_step", np.arange(13.0) + 0.5), "member history_step must be whole numbers"),
    (array("history_step", np.full(13, np.nan)), "member history_step must be whole numbers"),
    (array("history_loss", np.arange(13)), "member history_loss must have dtype <f8"),
    (in_state(method="newton"), "`method` must be one of"),
    (in_state(method="lbfgs"), "`method` must be one that leaves a state, got 'lbfgs'"),
    (in_state(method="sgd"), r"`member state_moments` must be of shape \(1, "),
    (in_state(n_steps=-3), "`n_steps` must be at least 0"),
    (in_state(n_steps=1.5), "`n_steps` must be an integer"),
    (in_state(position=41), "`position` must be at most 40"),
    (in_state(position=-1), "`position` must be at least 0"),
    (in_state(position=None), "member state_permutation is not expected"),
    (in_state(rng=None), "`rng` must be a dict"),
    (without("state_vector"), "member state_vector is missing"),
    (array("state_vector", [1.0]), "`member state_vector` must be of shape"),
    (array("state_moments", np.full((2, 21), np.nan)), "`member state_moments` must be finite"),
    (array("state_permutation", np.zeros(40, dtype=np.int64)), "must hold each of 0, 1, ... once"),
    (array("state_permutation", np.arange(1, 41)), "must hold each of 0, 1, ... once"),
    (array("state_permutation", np.arange(40.0)), "member state_permutation must have dtype <i8"),
    (in_rng(bit_generator="Generator"), "`bit_generator` must be one of"),
    (in_rng(bit_generator="MT19937"), "`rng` must be a dict of"),
    (in_rng(state={"state": 2**128, "inc": 1}), "`state` must be at most"),
    (in_rng(state={"state": 5, "inc": -1}), "`inc` must be at least 0"),
    (in_rng(state={"state": 5}), r"`state` must be a dict of \['inc', 'state'\]"),
    (in_rng(state=5), "`state` must be a dict, got int"),
    (in_rng(has_uint32=2), "`has_uint32` must be at most 1"),
    (in_rng(uinteger=2**32), "`uinteger` must be at most 4294967295"),
    (in_rng(uinteger="0"), "`uinteger` must be an integer"),
    (in_rng(more=1), "`rng` must be a dict of"),
])
def test_file_that_save_never_wrote_is_refused_in_one_sentence(change, match, tmp_path):
    path = tmp_path / "run.npz"
    rn.save(path, train("adam", batch_size=7))
    changed(path, change)
    with pytest.raises(ValueError, match=match) as caught:
        rn.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change, match", [
    (in_state(n_steps=True), "`n_steps` must be an integer"),
    (array("state_moments", np.zeros((1, 21))), "`member state_moments` must be of shape"),
    (array("state_permutation", np.arange(40)), "member state_permutation is not expected"),
    (in_state(position=3, rng={}), None),
])
def test_state_of_a_method_without_batches_has_no_order_of_samples(change, match, tmp_path):
    path = tmp_path / "run.npz"
    rn.save(path, train("surrogate"))
    changed(path, change)
    if match is None:  # what no method asks for is not read
        return np.testing.assert_equal(rn.load(path).state, train("surrogate").state)
    with pytest.raises(ValueError, match=match):
        rn.load(path)


@pytest.mark.parametrize("change, match", [
    (in_rng(state={"key": [0] * 624, "pos": 625}), "`pos` must be at most 624"),
    (in_rng(state={"key": [0] * 623, "pos": 3}), "`key` must be a list of 624 numbers"),
    (in_rng(state={"key": [2**32] * 624, "pos": 3}), "`key` must be at most 4294967295"),
    (in_rng(state={"key": "0" * 624, "pos": 3}), "`key` must be a list"),
])
def test_state_of_a_generator_of_many_words_is_checked_word_by_word(change, match, tmp_path):
    path = tmp_path / "run.npz"
    rn.save(path, train("adam", batch_size=7, rng=np.random.Generator(np.random.MT19937(0))))
    changed(path, change)
    with pytest.raises(ValueError, match=match):
        rn.load(path)


def test_damaged_file_of_a_result_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    rn.save(path, train("adam"))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(whole), 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="run.npz"):
            rn.load(path)


def test_no_member_of_a_result_is_pickled(tmp_path):
    rn.save(tmp_path / "run.npz", train("adam", batch_size=7))
    with zipfile.ZipFile(tmp_path / "run.npz") as archive:
        descriptions = [archive.read(name)[:64] for name in archive.namelist()]
    assert all(b"'<f8'" in text or b"'<i8'" in text or b"'|u1'" in text for text in descriptions)


# choices and refusals


@pytest.mark.parametrize("activation, sizes, loss, expected", [
    ("relu", (2, 5, 2), "mse", "varpro"), ("relu", (2, 5, 4, 2), "mse", "levenberg_marquardt"),
    ("relu", (2, 5, 2), "cross_entropy", "lbfgs"), ("relu", (2, 5, 4, 2), "cross_entropy", "lbfgs"),
    ("binary", (2, 5, 2), "mse", "exchange"), ("binary", (2, 5, 4, 2), "mse", "surrogate"),
    ("binary", (2, 5, 2), "cross_entropy", "surrogate"),
])
@both
def test_auto_picks_what_is_documented(activation, sizes, loss, expected, reduced):
    kind = {"activation": activation}
    network = rn.Network.random(sizes, 0, **kind)
    if reduced:
        network = rn.reduce(network, SQUARE)
    assert train_module._optimiser(network, "auto", loss, 100) == expected


@pytest.mark.parametrize("method", ["adam", "exchange"])
def test_auto_is_the_method_that_it_picks(method):
    network, expected = start(method), {"adam": "varpro"}.get(method, method)
    one, two = train("auto", network), train(expected, network)
    assert_same_network(one.network, two.network, "the network")


@pytest.mark.parametrize("optimiser", train_module.DEFAULT_STEPS)
def test_train_takes_and_documents_every_option_of_the_optimiser(optimiser):
    home, function = train_module.MINIMISERS[optimiser]
    minimise = getattr(importlib.import_module(f"reducednet.training.methods.{home}"), function)
    own = [name for name, parameter in inspect.signature(minimise).parameters.items()
           if parameter.kind is parameter.KEYWORD_ONLY and name not in ("rng", "state")]
    assert sorted(train_module.OPTIONS.get(optimiser, ())) == sorted(own)
    table = inspect.getdoc(rn.train).split("\n=====")[2]
    row = table.split(f'\n``"{optimiser}"``')[1].split('\n``"')[0] if own else ""
    assert all(name in row for name in own)


@pytest.mark.parametrize("method, options", [
    ("adam", {"beta1": 0.5}), ("adam", {"beta2": 0.9}), ("adam", {"epsilon": 0.1}),
    ("sgd", {"momentum": 0.0}), ("surrogate", {"width": 0.5}),
])
def test_options_of_an_optimiser_reach_it(method, options):
    assert train(method, **options).history["loss"][-1] != train(method).history["loss"][-1]


def test_default_options_given_by_name_change_nothing():
    defaults = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "learning_rate": 1e-2}
    assert_same_history(train("adam"), train("adam", **defaults))


X, Y = problem(6)
RELU_NET, BINARY_NET = rn.Network.random((2, 3, 1), 0), rn.Network.random((2, 3, 1), 0, activation="binary")
DEEP_BINARY = rn.Network.random((2, 3, 3, 1), 0, activation="binary")
CLASSES = rn.Network.random((2, 3, 2), 0)
BINARY_CLASSES = rn.Network.random((2, 3, 2), 0, activation="binary")


@pytest.mark.parametrize("network, options, error, match", [
    (BINARY_NET, {"method": "varpro"}, ValueError, "'varpro' needs a ReLU network and loss='mse'"),
    (CLASSES, {"method": "varpro", "loss": "cross_entropy", "y": [0, 1] * 3}, ValueError, "loss='cross_entropy'"),
    (RELU_NET, {"method": "exchange"}, ValueError, "'exchange' needs a binary network of one hidden layer"),
    (DEEP_BINARY, {"method": "exchange"}, ValueError, "got a binary network of depth 2"),
    (BINARY_CLASSES, {"method": "exchange", "loss": "cross_entropy", "y": [0, 1] * 3}, ValueError,
     "'exchange' needs a binary network of one hidden layer and loss='mse'"),
    (RELU_NET, {"method": "surrogate"}, ValueError, "'surrogate' needs a binary network, got a relu network"),
    (RELU_NET, {"method": "newton"}, ValueError, "`method` must be one of"),
    (RELU_NET, {"loss": "hinge"}, ValueError, "`loss` must be one of"),
    (RELU_NET, {"method": "slsqp", "learning_rate": 0.1}, TypeError, "`learning_rate` must be left out"),
    (RELU_NET, {"method": "adam", "momentum": 0.1}, TypeError, "`momentum` must be one of"),
    (RELU_NET, {"method": "sgd", "rounds": 2}, TypeError, "`rounds` must be one of"),
    (RELU_NET, {"method": "adam", "batch_size": 0}, ValueError, "`batch_size` must be at least 1, got 0"),
    (RELU_NET, {"method": "sgd", "batch_size": 2.5}, TypeError, "`batch_size` must be an integer"),
    (RELU_NET, {"method": "adam", "learning_rate": 0.0}, ValueError, "finite and larger than 0"),
    (RELU_NET, {"method": "sgd", "momentum": 1.0}, ValueError, "`momentum` must be below 1"),
    (RELU_NET, {"method": "adam", "beta1": 1.0}, ValueError, "`beta1` must be below 1, got 1.0"),
    (RELU_NET, {"method": "adam", "beta2": -0.5}, ValueError, "`beta2` must be finite and at"),
    (RELU_NET, {"method": "adam", "epsilon": 0.0}, ValueError, "`epsilon` must be finite and"),
    (RELU_NET, {"method": "sgd", "beta1": 0.5}, TypeError, "`beta1` must be one of"),
    (BINARY_NET, {"method": "surrogate", "width": 0.0}, ValueError, "`width` must be finite and"),
    (RELU_NET, {"method": "varpro", "rounds": -1}, ValueError, "`rounds` must be at least 0"),
    (RELU_NET, {"y": Y[:-1]}, ValueError, r"`y` must be of shape \(6, 1\) or \(6,\), got shape \(5,\)"),
    (RELU_NET, {"y": np.stack([Y, Y], axis=1)}, ValueError, r"got shape \(6, 2\)"),
    (RELU_NET, {"y": Y * np.nan}, ValueError, "`y` must be finite, got nan at index 0"),
    (RELU_NET, {"X": X * np.nan}, ValueError, r"`X` must be finite, got nan at index \(0, 0\)"),
    (RELU_NET, {"validation": [X, Y]}, TypeError, r"must be a pair \(X, y\), or .*, got list"),
    (RELU_NET, {"validation": (X, Y, Y, Y)}, ValueError, r"must be a pair \(X, y\), or .*, got 4 entries"),
    (RELU_NET, {"validation": (X, Y[1:])}, ValueError, r"`validation\[1\]` must be of shape"),
    (RELU_NET, {"validation": (X[:, :1], Y)}, ValueError, r"`validation\[0\]` must be of shape"),
    (RELU_NET, {"validation": (X * np.nan, Y)}, ValueError, r"`validation\[0\]` must be finite"),
    (RELU_NET, {"validation": (X[:0], Y[:0])}, ValueError, r"`validation\[0\]` must be non-empty"),
    (CLASSES, {"validation": (X, [0, 1, 2] * 2), "loss": "cross_entropy", "y": [0, 1] * 3}, ValueError,
     r"`validation\[1\]` must be class labels from 0 to 1, got 2"),
    (RELU_NET, {"y": np.ma.masked_array(Y, [0, 1, 0, 1, 0, 0])}, ValueError, "without masked entries, got 2"),
    (RELU_NET, {"patience": 0}, ValueError, "`patience` must be at least 1"),
    (RELU_NET, {"record_every": 0}, ValueError, "`record_every` must be at least 1"),
    (RELU_NET, {"n_steps": 0}, ValueError, "`n_steps` must be at least 1"),
    (RELU_NET, {"tolerance": -1.0}, ValueError, "`tolerance` must be finite and at least 0"),
    (RELU_NET, {"progress": "bar"}, TypeError, "`progress` must be True or False"),
    (RELU_NET, {"rng": "seed", "method": "sgd"}, TypeError, "`rng` must be None, an int"),
    (RELU_NET, {"callback": 3}, TypeError, "`callback` must be a function of a State, got int"),
    ("net", {}, TypeError, "`network` must be a Network or ReducedNetwork, got str"),
])
def test_bad_arguments_are_refused(network, options, error, match):
    arguments = {"X": X, "y": Y, "n_steps": 2} | options
    with pytest.raises(error, match=match):
        rn.train(network, **arguments)


@pytest.mark.parametrize("method", RELU)
def test_samples_outside_the_domain_are_refused_by_every_method(method):
    with pytest.raises(ValueError, match="got 6 of 6 samples outside"):
        rn.train(start(), X + 9.0, Y, method)
    assert_feasible(rn.train(start(), X + 9.0, Y, method, n_steps=2, allow_outside=True).network)


def test_validation_samples_outside_the_domain_are_refused():
    with pytest.raises(ValueError, match=r"`validation\[0\]` must lie in the network's domain .* got 6 of 6"):
        train(validation=(X + 9.0, Y))
    assert "validation_loss" in train(validation=(X + 9.0, Y), allow_outside=True).history


@descents
def test_state_of_other_samples_is_refused(method):
    half = train(method, batch_size=7)
    with pytest.raises(ValueError, match="`state` must be one of the same samples and kind of batches"):
        rn.train(half, X, Y, method, batch_size=3)
