"""Studies: the same starts for every method, whatever runs them; their table, file, picture and command."""
import io
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from oracles import killers
import numpy as np
import pytest
from oracles.assertions import assert_close, gamma
from matplotlib.figure import Figure

import reducednet as rn
from reducednet import plotting
from reducednet.cli import main
from reducednet.experiments import compare as compare_module, demo, executors
from reducednet.experiments.methods import NAMED, Run, method_named
from reducednet.experiments.study import median_interval, quantiles

METHODS = ("standard", "ball", "redrawn")
SETTINGS = {"sizes": (1, 6, 1), "starts": 3, "methods": METHODS, "n_steps": 15, "test_points": 50}
FAILING = rn.Method("standard", options={"tolerance": -1.0}, label="failing")


def compare(**changes):
    return rn.compare("sin4pi", **{**SETTINGS, **changes})


def timeless(study):
    """Return the runs without their times, which no two studies share."""
    return [replace(run, seconds=0.0) for run in study.runs]


def made(errors, **changes):
    """Return a study with these test errors by label; nan: no such run, inf: a failed one."""
    networks = {True: rn.Network.random((1, 2, 1), rng=0), False: None}
    methods = tuple(rn.Method(label=label) for label in errors)
    runs = [
        Run(label, start, 1.0, error, error, 0.5 + start, 3, True, "", 0, 0, networks[bool(np.isfinite(error))])
        for label, values in errors.items() for start, error in enumerate(values) if not np.isnan(error)
    ]
    runs.sort(key=lambda run: run.start)
    starts = max(map(len, errors.values()))
    return rn.Study("data", (1, 2, 1), 5, 5, "SeedSequence(0)", starts, methods, tuple(runs), **changes)


@pytest.fixture(scope="module")
def serial():
    return compare()


# ------------------------------------------------------------------------------------- the same starts

def test_every_method_begins_at_the_same_function(serial):
    # both losses are means of 200 terms (f - y)^2; the outputs differ by the bound of the reduction
    for start in range(3):
        runs = [run for run in serial.runs if run.start == start]
        network = rn.Network.random((1, 6, 1), np.random.default_rng(np.random.SeedSequence(0).spawn(3)[start]))
        bound = max(float(rn.reduction_bound(network, rn.reduce(network, rn.Box(0, 1), *how, rng=0)).max())
                    for how in [("ball", "keep"), ("support", "redraw")])
        assert len(runs) == 3
        for run in runs[1:]:
            loss = runs[0].start_loss
            assert_close(run.start_loss, loss, 2 * bound * np.sqrt(loss) + bound**2 + gamma(210) * loss, run.label)


@pytest.mark.parametrize("start", ["natural", "placed", "greedy"])
def test_standard_and_reduced_training_begin_at_the_same_natural_function(start):
    study = compare(methods=(f"{start}-standard", start), starts=1)
    standard, reduced = (run.start_loss for run in study.runs)
    assert_close(standard, reduced, gamma(1000) * (1.0 + standard), start)


def test_a_start_is_the_same_function_in_a_longer_study(serial):
    assert timeless(compare(starts=2)) == timeless(serial)[:6]


def test_a_method_gives_the_same_runs_whatever_the_other_methods_are(serial):
    alone = compare(methods=["redrawn"])
    assert timeless(alone) == [run for run in timeless(serial) if run.label == "redrawn"]


def test_a_study_gives_the_errors_of_the_demo(monkeypatch):
    monkeypatch.setattr(demo, "N_STEPS", 20)
    study = rn.compare("sin4pi", (1, 20, 1), starts=1, methods=METHODS, n_steps=20)
    for ours, theirs in zip(study.errors().values(), rn.sin4pi_demo(starts=1).errors.values()):
        assert_close(ours, theirs, gamma(4010) * theirs, "test error")


@pytest.mark.parametrize("same", [
    np.int64(0), np.random.SeedSequence(0),
], ids=["numpy integer", "SeedSequence"])
def test_seeds_that_mean_the_same_give_the_same_study(serial, same):
    assert timeless(compare(rng=same)) == timeless(serial)


def test_a_seed_sequence_is_not_changed():
    seed = np.random.SeedSequence(5)
    compare(rng=seed, starts=1)
    assert seed.n_children_spawned == 0


def test_other_seeds_give_other_starts(serial):
    others = [compare(rng=rng, starts=1) for rng in (1, None, np.random.default_rng(0))]
    assert len({study.runs[0].start_loss for study in [serial, *others]}) == 4


def test_random_samples_are_common_to_all_starts_and_methods():
    seen = []
    original = compare_module.train
    try:
        compare_module.train = lambda network, X, y, method, **options: seen.append(X) or original(
            network, X, y, method, **options)
        rn.compare("franke", (2, 4, 1), starts=2, methods=("standard", "natural"), n_steps=2, samples=30)
    finally:
        compare_module.train = original
    assert len(seen) == 4 and all(X is seen[0] for X in seen) and seen[0].shape == (30, 2)


# -------------------------------------------------------------------------------------------- executors

@pytest.fixture(scope="module")
def spawned():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_spawned_processes_give_the_bits_of_the_serial_study(serial, spawned):
    assert timeless(compare(executor=spawned)) == timeless(serial)


def test_threads_give_the_bits_of_the_serial_study(serial):
    with ThreadPoolExecutor(3) as executor:
        assert timeless(compare(executor=executor)) == timeless(serial)


@pytest.mark.parametrize("like_map", [
    map, lambda work, parts: [work(part) for part in parts],
    lambda work, parts: (work(part) for part in reversed(list(parts))),
], ids=["map", "list", "reversed"])
def test_a_function_like_map_gives_the_bits_of_the_serial_study_in_any_order(serial, like_map):
    assert timeless(compare(executor=like_map)) == timeless(serial)


def test_loky_gives_the_bits_of_the_serial_study(serial):
    loky = pytest.importorskip("loky")
    executor = loky.get_reusable_executor(max_workers=2)
    try:
        assert timeless(compare(executor=executor)) == timeless(serial)
    finally:
        executor.shutdown(wait=True, kill_workers=True)


@pytest.mark.filterwarnings("ignore")  # dask's own, of its server and its sockets
def test_dask_gives_the_bits_of_the_serial_study(serial):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        assert timeless(compare(executor=client.get_executor())) == timeless(serial)


@pytest.mark.parametrize("workers, n, size", [(1, 16, 2), (2, 16, 1), (4, 1000, 4), (1, 3, 1)])
def test_batches_are_at_least_eight_a_worker_and_small(workers, n, size):
    with ThreadPoolExecutor(workers) as executor:
        parts = executors.batches(list(range(n)), executor)
    assert [unit for part in parts for unit in part] == list(range(n))
    assert max(map(len, parts)) == size


@pytest.mark.parametrize("count", [None, 0, "many"])
def test_an_executor_that_hides_its_workers_counts_as_the_processors(count):
    class Hidden:
        _max_workers = count

    assert executors.worker_count(Hidden()) == os.cpu_count()


class Losing(Executor):
    """Runs here, but loses so many batches, as a cluster does whose worker dies."""

    _max_workers = 1

    def __init__(self, n_lost):
        self.n_lost = n_lost

    def submit(self, work, *arguments):
        future = Future()
        if self.n_lost > 0:
            future.set_exception(RuntimeError("a worker died"))
        else:
            future.set_result(work(*arguments))
        self.n_lost -= 1
        return future


@pytest.mark.parametrize("n_lost", [1, 4, 9])
def test_batches_that_an_executor_loses_are_made_again(serial, n_lost):
    study = compare(executor=Losing(n_lost))
    assert (study.message, study.missing) == ("finished", ())
    assert timeless(study) == timeless(serial)


def test_a_broken_executor_is_given_up(serial):
    class Broken(Losing):
        def submit(self, work, *arguments):
            if self.n_lost == 0:
                raise RuntimeError("no work is taken any more")
            self.n_lost -= 1
            future = Future()
            future.set_result(work(*arguments))
            return future

    study = compare(executor=Broken(4))
    assert study.message == ("unfinished: the executor lost 5 of 9 runs with RuntimeError: "
                             "no work is taken any more")
    assert timeless(study) == timeless(serial)[:4]
    assert study.missing == (("ball", 1), ("redrawn", 1), *((label, 2) for label in METHODS))
    assert [row["failures"] for row in study.table(failure=1e9)] == [0, 0, 0]
    assert np.isnan(study.errors()["ball"][1])
    assert [row["runs"] for row in study.table()] == [2, 1, 1]
    plotting.study(study)


def test_a_study_of_which_every_run_is_lost_is_an_error_that_says_why():
    words = "no run is left, unfinished: the executor lost 9 of 9 runs with RuntimeError: a worker"
    with pytest.raises(ValueError, match=words):
        compare(executor=Losing(10**6))


def test_work_that_is_lost_one_group_after_the_other_is_given_up_soon():
    executor = Losing(10**6)
    lost = []
    results = executors.results(lambda part: (part, False), range(50), executor, lost)
    assert not any(found for found, _ in results)
    assert sorted(unit for unit, _ in lost) == list(range(50))
    assert 10**6 - executor.n_lost <= 50 + 2 * executors.FRUITLESS_GROUPS


def test_cancelled_work_is_made_again(serial):
    class Cancelling(Losing):
        def submit(self, work, *arguments):
            if self.n_lost > 0:
                self.n_lost -= 1
                future = Future()
                future.cancel()
                future.set_running_or_notify_cancel()
                return future
            return super().submit(work, *arguments)

    assert timeless(compare(executor=Cancelling(2))) == timeless(serial)


def test_runs_before_the_error_of_a_function_like_map_are_kept(serial):
    def like_map(work, parts):
        for number, part in enumerate(parts):
            if number == 4:
                raise BrokenProcessPool("a worker died")
            yield work(part)

    study = compare(executor=like_map)
    runs = len(study.runs)
    assert runs >= 4 and timeless(study) == timeless(serial)[:runs]
    reason = "BrokenProcessPool: a worker died"
    assert study.message == f"unfinished: the executor lost {9 - runs} of 9 runs with {reason}"
    assert len(study.missing) == 9 - runs


def test_error_of_a_function_like_map_before_any_run_is_raised_as_it_is():
    def like_map(work, parts):
        raise ZeroDivisionError("mine")
        yield

    with pytest.raises(ZeroDivisionError, match="^mine$"):
        compare(executor=like_map)


def with_killer(path=None, starts=2):
    return {"starts": starts, "methods": ["standard", rn.Method(
        "standard", label="killer", options={"callback": killers.Kill(path)})]}


def checked_runs(study, serial):
    """Return how many runs there are, checked to be those of the serial study, none a failure."""
    expected = {(run.start, run.test_error) for run in serial.runs if run.label == "standard"}
    assert {(run.start, run.test_error) for run in study.runs} <= expected
    return len(study.runs)


kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
SPAWN = multiprocessing.get_context("spawn")


@kills
def test_work_of_a_killed_process_is_made_again_by_processes(serial, tmp_path):
    with executors.Processes(1, mp_context=SPAWN) as executor:
        study = compare(executor=executor, **with_killer(str(tmp_path / "killed")))
    assert (study.message, study.missing) == ("finished", ())
    assert checked_runs(study, serial) == 4


@kills
@pytest.mark.slow
def test_runs_that_always_kill_their_process_are_left_out_alone(serial):
    with executors.Processes(1, mp_context=SPAWN) as executor:
        study = compare(executor=executor, **with_killer())
    assert study.message.startswith("unfinished: the executor lost 2 of 4 runs with Broken")
    assert study.missing == (("killer", 0), ("killer", 1))
    assert checked_runs(study, serial) == 2


@kills
@pytest.mark.parametrize("kind", ["processes", "loky"])
def test_lost_work_is_no_failure_where_the_pool_is_the_callers(serial, kind, tmp_path):
    if kind == "loky":
        executor = pytest.importorskip("loky").ProcessPoolExecutor(1)
    else:
        executor = ProcessPoolExecutor(1, mp_context=SPAWN)
    arguments = with_killer(str(tmp_path / "killed"))
    with executor:
        study = compare(executor=executor, **arguments)
    made = checked_runs(study, serial)
    assert 1 <= made < 4 and len(study.missing) == 4 - made
    assert not any(run.failed for run in study.runs)
    assert study.message.startswith(f"unfinished: the executor lost {4 - made} of 4 runs with ")
    study.save(tmp_path / "study.npz")
    again = rn.Study.load(tmp_path / "study.npz")
    assert (again.message, again.missing) == (study.message, study.missing)
    resumed = compare(resume=again, **arguments)
    assert resumed.message == "finished" and checked_runs(resumed, serial) == 4


def test_progress_counts_up_to_all_runs(spawned):
    calls = []
    compare(executor=spawned, progress=lambda *numbers: calls.append(numbers))
    assert calls[-1] == (9, 9) and [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_what_is_sent_to_workers_can_be_pickled_though_a_target_cannot():
    target = rn.targets.Target("own", lambda X: X[:, 0] ** 2, np.zeros(1), np.ones(1))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(target)
    study = rn.compare(target, **{**SETTINGS, "starts": 1}, executor=lambda work, parts: [
        pickle.loads(pickle.dumps(work))(pickle.loads(pickle.dumps(part))) for part in parts])
    assert pickle.loads(pickle.dumps(study)) == study


# ---------------------------------------------------------------------------- interruptions and failures

def interrupt_after(n):
    def progress(done, total):
        if done >= n:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_study_keeps_what_is_finished_and_says_so(serial):
    study = compare(progress=interrupt_after(4))
    assert timeless(study) == timeless(serial)[:4]
    assert study.message == "interrupted after 4 of 9 runs"


def test_an_interrupted_study_on_an_executor_keeps_what_is_finished(serial):
    with ThreadPoolExecutor(1) as executor:
        study = compare(executor=executor, progress=interrupt_after(2))
    assert len(study.runs) == 2 and set(timeless(study)) <= set(timeless(serial))


def test_a_run_that_ends_interrupted_is_not_a_finished_run(monkeypatch, serial):
    original, calls = compare_module.train, []

    def train(*arguments, **options):
        calls.append(1)
        result = original(*arguments, **options)
        return replace(result, message="interrupted") if len(calls) == 3 else result

    monkeypatch.setattr(compare_module, "train", train)
    assert timeless(compare()) == timeless(serial)[:2]


def test_an_interrupted_worker_hands_in_the_finished_runs_of_its_batch(monkeypatch):
    monkeypatch.setattr(
        compare_module, "_run", lambda problem, unit: unit if unit < 3 else os.kill(os.getpid(), 2))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert compare_module.work(None, [1, 2, 3, 4]) == ([1, 2], True)
    finally:
        signal.signal(signal.SIGINT, before)


def test_running_batches_are_waited_for_a_moment_when_the_main_process_is_interrupted():
    entered, release = threading.Event(), threading.Event()

    def work(part):
        if part[0]:
            entered.set()
            release.wait(30.0)
        return list(part), False

    with ThreadPoolExecutor(2) as executor:
        results = executors.results(work, [0, 1], executor, None)
        found = [next(results)]
        entered.wait(30.0)
        release.set()
        with pytest.raises(KeyboardInterrupt):
            found.append(results.throw(KeyboardInterrupt))
            next(results)
    assert found == [([0], False), ([1], False)]


def test_an_interrupt_before_the_first_finished_run_is_raised(monkeypatch):
    def train(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_module, "train", train)
    with pytest.raises(KeyboardInterrupt):
        compare()


def test_a_failing_run_is_recorded_and_the_others_go_on(serial):
    study = compare(methods=("standard", FAILING))
    failed = [run for run in study.runs if run.label == "failing"]
    assert all(run.failed and run.message.startswith("ValueError: `tolerance`") for run in failed)
    assert [run.test_error for run in failed] == [np.inf] * 3
    assert [run for run in timeless(study) if not run.failed] == [
        run for run in timeless(serial) if run.label == "standard"]


def test_a_study_of_which_every_run_fails_is_an_error_that_says_why():
    with pytest.raises(ValueError, match="every run failed, the first, 'failing', with ValueError: `tolerance`"):
        compare(methods=[FAILING])


@pytest.mark.parametrize("like_map, error, words", [
    (lambda work, parts: [], ValueError, "`executor` must be one that gives .* once, got 0 results of 9 runs"),
    (lambda work, parts: [work(part) for part in parts[1:]], ValueError, "got 8 results of 9 runs"),
    (lambda work, parts: [work(part) for part in [*parts[1:], parts[1]]], ValueError, "got 9 results of 9 runs"),
    (lambda work, parts: None, TypeError, "`executor` must be a callable like map, .* got NoneType"),
    (lambda work, parts: parts, TypeError, "`executor` must be a callable like map, .* got list"),
], ids=["nothing", "one too few", "one twice", "None", "no work done"])
def test_a_function_that_is_not_like_map_is_refused(like_map, error, words):
    with pytest.raises(error, match=words):
        compare(executor=like_map, n_steps=2)


def test_test_samples_outside_the_domain_are_refused():
    X = np.linspace(0.0, 1.0, 9)[:, np.newaxis]
    words = "`domain` must be one that contains the test samples, got .* 4 of 9 outside"
    with pytest.raises(ValueError, match=words):
        rn.compare((X, X[:, 0]), (1, 3, 1), 1, test=(2.0 * X, X[:, 0]), domain=rn.Box(0.0, 1.0))


def test_progress_that_is_no_function_is_refused_before_any_run(monkeypatch):
    monkeypatch.setattr(compare_module, "train", None)
    with pytest.raises(TypeError, match=r"`progress` must be a function of \(done, total\), got bool"):
        compare(progress=True)


def failing_progress(calls):
    def progress(done, total):
        calls.append(done)
        if done == 2:
            raise ZeroDivisionError("no bar")

    return progress


WARNED = "`progress` raised ZeroDivisionError: no bar; the work continues without it"


@pytest.mark.parametrize("executor", [None, map])
def test_an_error_of_the_progress_function_is_a_warning_and_loses_nothing(serial, executor):
    calls = []
    with pytest.warns(RuntimeWarning, match=WARNED) as warned:
        study = compare(executor=executor, progress=failing_progress(calls))
    assert len(warned) == 1 and warned[0].filename == __file__
    assert calls == [1, 2] and study.message == "finished" and timeless(study) == timeless(serial)


def test_an_error_of_the_progress_function_loses_nothing_of_the_demo(monkeypatch):
    monkeypatch.setattr(demo, "N_STEPS", 5)
    calls = []
    with pytest.warns(RuntimeWarning, match=WARNED):
        comparison = rn.sin4pi_demo(starts=3, progress=failing_progress(calls))
    assert calls == [1, 2] and all(len(errors) == 3 for errors in comparison.errors.values())


# --------------------------------------------------------------------------------- samples and the domain

def sine(n=40):
    X = np.linspace(-1.0, 2.0, n)[:, np.newaxis]
    return X, np.sin(X[:, 0])


def test_a_fifth_of_given_samples_is_held_out():
    study = rn.compare(sine(), (1, 4, 1), starts=1, methods=["ball"], n_steps=5)
    assert (study.target, study.n_samples, study.n_test) == ("data", 32, 8)


def test_given_test_data_is_what_the_test_error_is_of():
    X, y = sine(11)
    study = rn.compare(sine(), (1, 4, 1), starts=1, methods=["ball"], n_steps=5, test=(X, y))
    expected = float(np.mean((study.network("ball", 0)(X)[:, 0] - y) ** 2))
    assert_close(study.runs[0].test_error, expected, gamma(20) * expected, "test error")
    assert study.n_samples == 40


def test_the_domain_is_by_default_the_box_of_all_inputs():
    study = rn.compare(sine(), (1, 4, 1), starts=1, methods=["ball"], n_steps=5)
    assert study.network("ball").domain == rn.Box(-1.0, 2.0)


def test_a_given_domain_is_that_of_the_reduced_networks():
    study = compare(starts=1, methods=["ball"], domain=rn.Ball([0.5], 3.0))
    assert study.network("ball").domain == rn.Ball([0.5], 3.0)


def test_several_outputs_are_served():
    X, y = sine()
    study = rn.compare((X, np.column_stack([y, y**2])), (1, 4, 2), starts=1, methods=["support"], n_steps=5)
    assert study.network("support").n_outputs == 2


def test_output_bias_and_activation_are_those_asked_for():
    study = compare(starts=1, methods=("standard", "support"), output_bias=True, activation="binary")
    assert {(run.network.activation, run.network.output_bias is None) for run in study.runs} == {("binary", False)}


# ------------------------------------------------------------------------------------------- bad arguments

@pytest.mark.parametrize("changes, words", [
    ({"methods": ["nonsense"]}, "`methods` must be one of"),
    ({"methods": ["ball:nonsense"]}, "`optimiser` must be one of"),
    ({"methods": []}, "`methods` must be a list of at least one method"),
    ({"methods": ["ball", "ball"]}, "with different labels"),
    ({"starts": 0}, "`starts` must be at least 1"),
    ({"sizes": (2, 6, 1)}, r"`sizes` must be \(1, ..., 1\)"),
    ({"sizes": (1, 6, 2)}, r"`sizes` must be \(1, ..., 1\)"),
    ({"n_steps": 0}, "`n_steps` must be at least 1"),
    ({"samples": 1}, "`samples` must be at least 2"),
    ({"test_points": 1}, "`test_points` must be at least 2"),
    ({"activation": "tanh"}, "tanh"),
    ({"test": sine()}, "`test` must be None for a target"),
    ({"domain": rn.Box(0.0, 0.5)}, r"`domain` must be one that contains the samples, got .* with 100 of 200"),
    ({"domain": rn.Box([0, 0], [1, 1])}, "`domain` must be of dimension 1"),
    ({"target": "cosine"}, "`target` must be one of"),
    ({"target": sine(), "samples": 5}, "`samples` must be None where the target is a pair"),
    ({"target": (*sine(), 1)}, r"`target` must be a Target, a target's name or a pair \(X, y\), got 3 entries"),
    ({"target": (sine()[0], [1.0])}, r"`target\[1\]` must be of shape"),
    ({"target": ([[np.nan]], [1.0])}, r"`target\[0\]` must be finite"),
    ({"target": ([[1.0]], [1.0])}, "`target` must be at least two samples"),
    ({"target": sine(), "test": (sine()[0], [1.0])}, r"`test\[1\]` must be of shape"),
])
def test_bad_values_are_refused_with_the_name_of_the_argument(changes, words):
    with pytest.raises(ValueError, match=words):
        rn.compare(**{"target": "sin4pi", **SETTINGS, **changes})


@pytest.mark.parametrize("changes, words", [
    ({"executor": 2}, "`executor` must be None, a concurrent.futures.Executor"),
    ({"methods": 3}, "`methods` must be a list of names or Methods"),
    ({"methods": [3]}, "`methods` must be names or Methods"),
    ({"starts": 2.0}, "`starts` must be an integer"),
    ({"target": 3}, "`target` must be a Target"),
    ({"target": sine(), "test": 3}, r"`test` must be a pair \(X, y\)"),
    ({"domain": 3}, "`domain` must be a Box, Ball or Hull"),
    ({"rng": "seed"}, "`rng` must be"),
])
def test_arguments_of_another_kind_are_refused(changes, words):
    with pytest.raises(TypeError, match=words):
        rn.compare(**{"target": "sin4pi", **SETTINGS, **changes})


@pytest.mark.parametrize("words", [
    {"space": "flat"}, {"start": "cold"}, {"bound": "cube"}, {"spare": "drop"}, {"optimiser": "magic"},
    {"n_steps": 0},
])
def test_a_method_refuses_unknown_words(words):
    name, = words
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        rn.Method(**words)


@pytest.mark.parametrize("name", NAMED)
def test_every_named_method_has_its_name_as_label_and_takes_an_optimiser(name):
    assert method_named(name).label == name
    assert method_named(f"{name}:lbfgs") == replace(method_named(name), label=f"{name}:lbfgs")


def test_a_label_says_what_differs_from_the_plain_method():
    assert rn.Method("standard", "natural", optimiser="slsqp").label == "standard, natural start, slsqp"


# ------------------------------------------------------------------------------------------------ the table

ERRORS = {
    "a": [4.0, 1.0, 2.0, 8.0, 16.0],
    "b": [1.0, 1.0, 4.0, np.inf, 2.0],
    "c": [3.0, np.nan, 1.0, np.nan, np.nan],
}


def test_table_has_median_quartiles_and_worst():
    rows = [[row[key] for key in ("lower quartile", "median", "upper quartile", "worst")]
            for row in made(ERRORS).table()]
    assert rows == [[2.0, 4.0, 8.0, 16.0], [1.0, 2.0, 4.0, np.inf], [1.5, 2.0, 2.5, 3.0]]


def test_table_counts_errors_above_the_threshold_and_failed_runs():
    assert [(row["failures"], row["runs"]) for row in made(ERRORS).table(failure=3.0)] == [(3, 5), (2, 5), (0, 2)]


def test_table_has_the_ratio_of_medians_to_the_first_method():
    assert [row["ratio"] for row in made(ERRORS).table()] == [1.0, 2.0, 2.0]


def test_table_has_the_share_of_pairs_won_with_ties_as_halves():
    first, *shares = [row["won"] for row in made(ERRORS).table()]
    assert np.isnan(first) and shares == [(1 + 0.5 + 0 + 0 + 1) / 5, (1 + 1) / 2]


def test_table_has_the_mean_time():
    assert [row["seconds"] for row in made(ERRORS).table()] == [2.5, 2.5, 1.5]


def test_table_has_a_percentile_bootstrap_of_the_median():
    values = np.random.default_rng(1).lognormal(size=21)
    rng, medians = np.random.default_rng(0), []
    draws = rng.integers(21, size=(2000, 21))
    for draw in draws:
        medians.append(sorted(values[draw])[10])
    row, = made({"a": values}).table()
    expected = np.percentile(medians, [2.5, 97.5])
    assert_close([row["low"], row["high"]], expected, gamma(4) * values.max(), "interval")
    assert (row["low"], row["high"]) == median_interval(values)


def test_quantiles_are_those_of_numpy_for_finite_values():
    values, q = np.random.default_rng(0).random((3, 17)), [0.0, 0.1, 0.5, 0.77, 1.0]
    assert_close(quantiles(values, q), np.quantile(values, q, axis=1).T, gamma(4), "quantiles")


def test_table_of_an_interrupted_study_has_nan_where_a_method_has_no_run():
    study = compare(starts=1, progress=interrupt_after(1))
    row = study.table()[-1]
    assert row["runs"] == row["failures"] == 0 and np.isnan(row["median"]) and np.isnan(row["won"])


def test_repr_has_the_medians():
    assert repr(made({"a": [4.0], "b": [0.5]})) == (
        "Study(data, 1-2-1, 1 starts, finished; medians: a 4.0e+00, b 5.0e-01)")


def test_html_is_the_table_with_labels_escaped():
    text = made({"<b>": [4.0]})._repr_html_()
    assert "<td>&lt;b&gt;</td>" in text and "<b>" not in text and text.count("<td>") == 12


def test_network_is_by_default_that_of_the_smallest_training_loss(serial):
    runs = [run for run in serial.runs if run.label == "ball"]
    assert serial.network("ball") == min(runs, key=lambda run: run.train_loss).network


@pytest.mark.parametrize("label, start, words", [
    ("z", None, "`label` must be one of"),
    ("a", 7, "`start` must be of a finished run of 'a', got 7: no such run"),
    ("b", 3, "it failed with"), ("a", -1, "`start` must be at least 0"),
])
def test_network_of_no_finished_run_is_refused(label, start, words):
    with pytest.raises(ValueError, match=words):
        made(ERRORS).network(label, start)


def test_a_run_counts_dead_and_always_on_neurons_of_its_network(serial):
    X = rn.targets.sin4pi().grid(200)
    for run in serial.runs:
        active = run.network.pre_activations(X)[0] > 0.0
        assert (run.dead, run.always_on) == ((~active.any(axis=0)).sum(), active.all(axis=0).sum())


def test_the_training_loss_of_a_run_is_that_of_its_network(serial):
    X = rn.targets.sin4pi().grid(200)
    for run in serial.runs:
        value, _ = rn.loss_and_gradient(run.network, X, np.sin(4 * np.pi * X[:, 0]))
        assert_close(run.train_loss, value, gamma(300) * value, run.label)


# ------------------------------------------------------------------------------------------------ the file

@pytest.fixture(scope="module")
def rich():
    """A study of all kinds of networks, with a failed run."""
    slow = rn.Method("reduced", "natural", "ball", n_steps=3, options={"tolerance": 1e-3}, label="slow \u00fc")
    return compare(methods=("standard", "redrawn", slow, FAILING), starts=2, output_bias=True)


@pytest.fixture(scope="module")
def rich_bytes(rich, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.npz"
    rich.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("domain", [rn.Box(0, 2), rn.Ball([0.5], 1.0), rn.Hull([[0.0], [1.0]])], ids=repr)
def test_save_and_load_give_the_same_study_bit_for_bit(tmp_path, domain):
    study = compare(starts=1, methods=("standard", "ball"), domain=domain)
    study.save(tmp_path / "study.npz")
    assert rn.Study.load(tmp_path / "study.npz") == study


def test_a_loaded_study_saves_to_the_same_bytes(tmp_path, rich, rich_bytes):
    (tmp_path / "one.npz").write_bytes(rich_bytes)
    loaded = rn.Study.load(tmp_path / "one.npz")
    loaded.save(str(tmp_path / "other.npz"))
    assert loaded == rich
    assert (tmp_path / "other.npz").read_bytes() == rich_bytes


def test_a_study_file_opens_in_numpy_without_pickle(tmp_path, rich, rich_bytes):
    with np.load(io.BytesIO(rich_bytes), allow_pickle=False) as arrays:
        assert arrays["test_error"].tolist() == [run.test_error for run in rich.runs]


def test_options_that_json_does_not_know_are_written_as_text(tmp_path):
    study = compare(starts=1, methods=[rn.Method(options={"callback": print})])
    study.save(tmp_path / "study.npz")
    assert rn.Study.load(tmp_path / "study.npz").methods[0].options == {"callback": str(print)}


def test_a_network_file_is_not_a_study(tmp_path):
    rn.save(tmp_path / "net.npz", rn.Network.random((1, 2, 1), rng=0))
    with pytest.raises(ValueError, match=r"net\.npz: .*format is 'reducednet study'"):
        rn.Study.load(tmp_path / "net.npz")


def test_other_endings_are_refused(tmp_path, serial):
    for call in (serial.save, rn.Study.load):
        with pytest.raises(ValueError, match=r"`path` must be a name that ends in \.npz"):
            call(tmp_path / "study.csv")


def test_a_failed_save_leaves_no_file(tmp_path, monkeypatch, serial):
    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        serial.save(tmp_path / "study.npz")
    assert not list(tmp_path.iterdir())


def test_every_truncated_file_is_a_value_error(tmp_path, rich_bytes):
    path = tmp_path / "study.npz"
    for length in range(0, len(rich_bytes), len(rich_bytes) // 60):
        path.write_bytes(rich_bytes[:length])
        with pytest.raises(ValueError, match="study.npz: "):
            rn.Study.load(path)


def repacked(data, change_header=None, **members):
    """Return the archive with a changed header, and members replaced; None takes one away."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    if change_header:
        header = json.loads(np.load(io.BytesIO(old["header.npy"])).tobytes())
        change_header(header)
        members["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in old.items():
            new = members.get(name.removesuffix(".npy"), content)
            if isinstance(new, np.ndarray):
                inner = io.BytesIO()
                np.save(inner, new, allow_pickle=False)
                new = inner.getvalue()
            if new is not None:
                archive.writestr(name, new)
    return stream.getvalue()


@pytest.mark.parametrize("members, words", [
    ({"vectors": None}, "member vectors is missing"),
    ({"seconds": None}, "member seconds is missing"),
    ({"domain_low": None}, "member domain_low is missing"),
    ({"vectors": np.ones(3)}, "`member vectors` must be of"),
    ({"vectors": np.full(150, np.nan)}, "`member vectors` must be of|must be finite"),
    ({"start": np.ones(3)}, "`member start` must be of shape"),
    ({"start": np.zeros(8)}, "two runs have the same method and start"),
    ({"start": np.full(8, 1e300)}, "`member start` must be whole numbers from 0 to 1"),
    ({"start": np.full(8, np.nan)}, "`member start` must be whole numbers"),
    ({"steps": np.full(8, np.inf)}, "`member steps` must be whole numbers"),
    ({"method": np.full(8, 4.0)}, "`member method` must be whole numbers from 0 to 3"),
    ({"converged": np.full(8, 0.5)}, "`member converged` must be whole numbers from 0 to 1"),
    ({"widths": np.full((8, 1), 1e15)}, "`member vectors` must be of"),
    ({"widths": np.full((8, 2), 1.0)}, "`member widths` must be of shape"),
])
def test_hostile_members_are_value_errors(tmp_path, rich_bytes, members, words):
    (tmp_path / "study.npz").write_bytes(repacked(rich_bytes, **members))
    with pytest.raises(ValueError, match=f"study.npz: .*({words})"):
        rn.Study.load(tmp_path / "study.npz")


@pytest.mark.parametrize("changes, words", [
    ({"version": 2}, "version 2 is unknown"), ({"sizes": [1]}, "`sizes`"), ({"sizes": [10**30, 6, 1]}, "vectors"),
    ({"methods": 3}, "`methods` must be a list"), ({"methods": [3]}, "`methods`"),
    ({"methods": []}, "whole numbers"),
    ({"methods": [{"space": "flat"}]}, "`space`"), ({"methods": [{"unknown": 1}]}, "unknown"),
    ({"methods": [{}] * 4}, "same label"), ({"messages": ["x"]}, "of shape"),
    ({"messages": [1] * 8}, "`messages`"),
    ({"activation": "tanh"}, "tanh"), ({"output_bias": 1}, "`output_bias`"), ({"domain": "Moon"}, "`domain`"),
    ({"domain": None}, "`domain`"), ({"starts": 1.5}, "`starts`"), ({"target": 3}, "`target` must be text"),
    ({"problem": 3}, "`problem` must be a dict"), ({"seed": None}, "`seed` must be text"),
    ({"output_bias": False}, "vectors"),
])
def test_hostile_headers_are_value_errors(tmp_path, rich_bytes, changes, words):
    (tmp_path / "study.npz").write_bytes(repacked(rich_bytes, lambda header: header.update(changes)))
    with pytest.raises(ValueError, match=f"study.npz: .*{words}"):
        rn.Study.load(tmp_path / "study.npz")


def test_a_flipped_byte_is_a_value_error_or_a_study(tmp_path, rich_bytes):
    rng, path = np.random.default_rng(), tmp_path / "study.npz"
    for _ in range(100):
        data = bytearray(rich_bytes)
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        try:
            assert isinstance(rn.Study.load(path), rn.Study)
        except ValueError as error:
            assert "study.npz: " in str(error)


# --------------------------------------------------------------------------------------------- the pictures

@pytest.fixture
def ax():
    return Figure().subplots()


def test_boxes_have_their_medians_and_count_what_is_left_out(ax):
    plotting.study(made(ERRORS), ax=ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b (1 left out)", "c"]
    flat = [line.get_ydata() for line in ax.lines if line.get_linewidth() == 2]
    assert [float(y[0]) for y in flat] == [4.0, 1.5, 2.0]
    assert ax.get_yscale() == "log" and ax.get_xlabel() and ax.get_ylabel()


def test_histogram_counts_every_run_that_can_be_drawn(ax):
    plotting.study(made(ERRORS), "histogram", ax)
    assert [sum(bar.get_height() for bar in group) for group in ax.containers] == [5, 4, 2]


def test_pairs_are_points_of_the_first_error_and_the_others(ax):
    plotting.study(made(ERRORS), "pairs", ax)
    points = [collection.get_offsets().tolist() for collection in ax.collections]
    assert points == [[[4.0, 1.0], [1.0, 1.0], [2.0, 4.0], [16.0, 2.0]], [[4.0, 3.0], [2.0, 1.0]]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b (1 left out)", "c", "equal"]


def test_a_method_has_one_colour_in_all_pictures(ax):
    pairs = Figure().subplots()
    plotting.study(made(ERRORS), "box", ax)
    plotting.study(made(ERRORS), "pairs", pairs)
    boxes = [patch.get_facecolor()[:3] for patch in ax.patches]
    points = [tuple(collection.get_facecolor()[0][:3]) for collection in pairs.collections]
    assert boxes[1:] == points and len(set(boxes)) == 3


@pytest.mark.parametrize("errors, kind", [
    ({"a": [0.0], "b": [0.0]}, "box"), ({"a": [0.0], "b": [1.0]}, "pairs"), ({"a": [1.0]}, "pairs"),
    ({"a": [0.0]}, "histogram"),
])
def test_a_study_with_nothing_to_draw_is_refused(ax, errors, kind):
    with pytest.raises(ValueError, match="`(study|errors)` must be"):
        plotting.study(made(errors), kind, ax)


def test_other_kinds_of_picture_and_other_things_are_refused(ax):
    with pytest.raises(ValueError, match="`kind` must be one of"):
        plotting.study(made(ERRORS), "pie", ax)
    with pytest.raises(TypeError, match="`study` must be a Study"):
        plotting.study(ERRORS, "box", ax)


# ---------------------------------------------------------------------------------------- the command line

COMMAND = [sys.executable, "-m", "reducednet", "compare", "sin4pi"]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "new"
    options = ["--methods", ",".join(METHODS), "--starts", "3", "--jobs", "2", "--neurons", "6", "--steps", "15"]
    return folder, subprocess.run([*COMMAND, *options, "--out", folder, "--json"], capture_output=True, text=True,
                                  timeout=300)


def test_compare_command_saves_the_study_of_the_library(command, serial):
    folder, result = command
    assert result.returncode == 0, result.stderr
    study = rn.Study.load(folder / "study.npz")
    assert [run.train_loss for run in study.runs] == [run.train_loss for run in serial.runs]


def test_compare_command_writes_a_picture_and_nothing_else(command):
    assert sorted(path.name for path in command[0].iterdir()) == ["study.npz", "study.png"]
    assert (command[0] / "study.png").read_bytes().startswith(b"\x89PNG")


def test_compare_command_prints_json_that_any_machine_reads(command):
    report = json.loads(command[1].stdout, parse_constant=pytest.fail)
    assert [row["method"] for row in report["table"]] == list(METHODS)
    assert report["table"][0]["won"] is None
    assert report["table"][1]["median"] == rn.Study.load(report["study"]).table()[1]["median"]


def test_compare_command_is_silent_on_stderr_in_a_pipe(command):
    assert command[1].stderr == ""


def test_compare_command_prints_the_table(tmp_path, capsys):
    options = ["--methods", "natural", "--starts", "1", "--neurons", "4,3", "--steps", "2", "--out", str(tmp_path)]
    assert main.main(["compare", "franke", *options]) == 0
    study = rn.Study.load(tmp_path / "study.npz")
    lines = capsys.readouterr().out.splitlines()
    assert "franke, networks 2-4-3-1, 1 starts of SeedSequence(0), 500 samples; finished" in lines
    assert any(line.startswith("natural") and f"{study.table()[0]['median']:.1e}" in line for line in lines)


def test_unfinished_study_of_the_command_has_a_code_of_its_own(tmp_path, capsys, monkeypatch):
    message = "unfinished: the executor lost 1 of 2 runs"
    left_out = made({"standard": [1e-3, np.nan]}, message=message)
    monkeypatch.setattr("reducednet.compare", lambda *arguments, **options: left_out)
    assert main.main(["compare", "sin4pi", "--out", str(tmp_path), "--json"]) == 5
    report = json.loads(capsys.readouterr().out)
    assert report["message"] == left_out.message and report["missing"] == [["standard", 1]]


@pytest.mark.parametrize("arguments, words", [
    (["cosine"], "TARGET must be one of"), (["sin4pi", "--methods", "best"], "`--methods` must be one of"),
    (["sin4pi", "--neurons", "x"], "`--neurons` must be whole numbers"),
    (["sin4pi", "--neurons", "0"], "must be at least 1"),
])
def test_bad_calls_of_the_command_end_with_code_2_and_one_line(tmp_path, capsys, arguments, words):
    assert main.main(["compare", *arguments, "--out", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="terminals and signals are different there")
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_interrupted_command_keeps_what_is_finished_and_ends_with_code_130(tmp_path, jobs):
    terminal, its_end = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--starts", "2000", "--neurons", "3", "--steps", "5", "--jobs", jobs, "--out", tmp_path],
        stdout=subprocess.PIPE, stderr=its_end, text=True, start_new_session=True)
    os.close(its_end)
    shown = b""
    while b"of 6000 runs" not in shown:  # the progress line, for a terminal only
        shown += os.read(terminal, 1000)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert os.read(terminal, 100_000).decode().split("runs")[-1].strip() == "reducednet: interrupted"
    study = rn.Study.load(tmp_path / "study.npz")
    assert study.message.startswith("interrupted after") and study.message in output
    os.close(terminal)
