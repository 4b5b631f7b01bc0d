"""A study that is saved on the way and resumed is the one that was never interrupted; files lose nothing."""
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles import killers

import reducednet as rn
from reducednet.cli import main
from reducednet.experiments import compare as compare_module, saving

TESTS = Path(__file__).resolve().parents[1]
SETTINGS = {"sizes": (1, 3, 1), "starts": 4, "methods": ("standard", "ball"), "n_steps": 3, "test_points": 20}


def compare(**changes):
    return rn.compare(**{"target": "sin4pi", **SETTINGS, **changes})


def without_times(study):
    """Return the study with all times 0, which no two studies share."""
    return replace(study, runs=tuple(replace(run, seconds=0.0) for run in study.runs))


def same(study, other):
    return without_times(study) == without_times(other)


@pytest.fixture(scope="module")
def serial():
    return compare()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.npz"


@pytest.fixture
def always_due(monkeypatch):
    """Write a file after each run."""
    monkeypatch.setattr(saving, "INTERVAL", 0.0)
    monkeypatch.setattr(saving, "SHARE", 1.0)


def count_runs(monkeypatch):
    """Return a list that gets an entry for each run that is made."""
    made, original = [], compare_module._run
    monkeypatch.setattr(compare_module, "_run", lambda problem, task: (
        made.append((task.method.label, task.start)) or original(problem, task)))
    return made


# --------------------------------------------------------------------------------------- when it is saved

def test_a_finished_study_is_in_its_file(path, serial):
    study = compare(save=path)
    assert same(study, serial) and rn.Study.load(path) == study


def test_at_each_run_the_file_is_a_complete_study_of_all_runs_before(path, serial, always_due):
    found = []
    compare(save=path, progress=lambda done, total: found.append(rn.Study.load(path)))
    assert [len(study.runs) for study in found] == list(range(1, 9))
    assert [study.message for study in found][4] == "unfinished: 5 of 8 runs so far"
    assert all(without_times(study).runs == without_times(serial).runs[:done]
               for done, study in enumerate(found, start=1))
    assert not [entry for entry in path.parent.iterdir() if entry != path]


def test_a_study_that_is_saved_gives_out_one_run_at_a_time(path, serial):
    lengths = []
    study = compare(save=path, starts=40, executor=lambda work, parts: (
        lengths.append(len(part)) or work(part) for part in parts))
    assert lengths == [1] * 80 and len(study.runs) == 80


class Clock:
    """Time that passes only when something is said to take it."""

    now = 0.0

    def __call__(self):
        return self.now


def saver_with_clock(path, study, monkeypatch, seconds_per_run):
    """Return a Saver whose files take 1 ms and so long per run, its clock, a list of (time, runs)."""
    clock, files = Clock(), []

    def write(saver, runs, message):
        files.append((clock.now, len(runs)))
        clock.now += 2.0**-10 + seconds_per_run * len(runs)

    monkeypatch.setattr(saving.Saver, "_write", write)
    return saving.Saver(str(path), study, clock), clock, files


def test_short_runs_are_saved_together_about_every_second(path, serial, monkeypatch):
    saver, clock, files = saver_with_clock(path, serial, monkeypatch, 0.0)
    run, runs = replace(serial.runs[0], seconds=0.125), []
    for number in range(1, 81):  # ten seconds
        clock.now = number / 8
        runs.append(run)
        saver.save_if_due(runs, [run], "")
    assert [time for time, _ in files] == [0.125, *(1.25 + 1.125 * np.arange(8))]


def test_a_long_run_is_saved_when_it_comes(path, serial, monkeypatch):
    saver, clock, files = saver_with_clock(path, serial, monkeypatch, 0.0)
    for number in range(1, 9):  # from eight workers, an hour each, nearly at once
        clock.now = 3600.0 + number / 8
        run = replace(serial.runs[0], seconds=3600.0)
        saver.save_if_due([run] * number, [run], "")
    assert [n_runs for _, n_runs in files] == list(range(1, 9))


@pytest.mark.parametrize("seconds_per_run, fewest, longest", [
    (0.0, 70, 2.0), (1e-5, 40, 8.0), (1e-4, 4, 60.0),
    (1e-3, 2, 1.1),  # one more file would take more than the share at any time
])
def test_saving_takes_at_most_a_tenth_of_the_time_however_slow_the_disk(
        path, serial, monkeypatch, seconds_per_run, fewest, longest):
    saver, clock, files = saver_with_clock(path, serial, monkeypatch, seconds_per_run)
    run, runs, spent = replace(serial.runs[0], seconds=0.01), [], 0.0
    for _ in range(10_000):
        clock.now += 0.01
        runs.append(run)
        before = clock.now
        saver.save_if_due(runs, [run], "")
        spent += clock.now - before
        assert len(files) < 2 or spent <= 0.1 * clock.now  # the first file is written at once
    assert len(files) >= fewest and np.diff([time for time, _ in files]).max() <= longest


# --------------------------------------------------------------------------------------------- resuming

def test_only_missing_runs_are_made(path, serial, monkeypatch):
    serial_runs = [(run.label, run.start) for run in serial.runs]
    replace(serial, runs=serial.runs[:5], message="unfinished").save(path)
    made = count_runs(monkeypatch)
    study = compare(resume=path)
    assert made == serial_runs[5:] and same(study, serial) and study.message == "finished"
    assert rn.Study.load(path) == study  # the file continues


def test_a_study_in_memory_is_continued_without_a_file(serial, tmp_path, monkeypatch):
    made = count_runs(monkeypatch)
    assert same(compare(resume=replace(serial, runs=serial.runs[::2])), serial)
    assert len(made) == 4 and not list(tmp_path.iterdir())


def test_more_starts_and_more_methods_give_the_study_made_at_once(path, monkeypatch):
    compare(starts=2, methods=["ball"], save=path)
    made = count_runs(monkeypatch)
    study = compare(starts=3, methods=("standard", "ball", "redrawn"), resume=path)
    assert len(made) == 7 and study.message == "finished"
    assert same(study, compare(starts=3, methods=("standard", "ball", "redrawn")))


def test_fewer_starts_and_other_methods_lose_nothing(path, serial):
    compare(save=path)
    study = compare(starts=1, methods=["redrawn"], resume=path)
    assert [method.label for method in study.methods] == ["redrawn", "standard", "ball"]
    assert (len(study.runs), study.starts, study.message) == (9, 4, "part: 9 of 12 runs")
    assert rn.Study.load(path) == study


@pytest.mark.parametrize("executor", [None, map, ThreadPoolExecutor(1)], ids=["serial", "map", "threads"])
def test_a_finished_study_is_returned_without_any_work(path, serial, executor, monkeypatch):
    compare(save=path)
    before, made = path.read_bytes(), count_runs(monkeypatch)
    assert same(compare(resume=path, executor=executor), serial)
    assert path.read_bytes() == before and not made


def test_parts_are_resumed_as_parts(path, serial, monkeypatch):
    compare(starts=range(1, 4, 2), save=path)
    made = count_runs(monkeypatch)
    assert same(compare(resume=path), serial)
    assert {start for _, start in made} == {0, 2}


def test_one_file_for_both_begins_the_study_or_continues_it(path, serial, monkeypatch):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    assert len(compare(save=path, resume=path, progress=stop).runs) == 3
    made = count_runs(monkeypatch)
    assert same(compare(save=path, resume=str(path)), serial) and len(made) == 5


def test_another_file_gets_all_runs_and_the_first_stays(path, serial, tmp_path):
    compare(starts=2, save=path)
    before = path.read_bytes()
    study = compare(resume=path, save=tmp_path / "other.npz")
    assert path.read_bytes() == before
    assert rn.Study.load(tmp_path / "other.npz") == study and same(study, serial)


def test_progress_counts_resumed_runs(path):
    compare(starts=2, save=path)
    calls = []
    compare(resume=path, progress=lambda *numbers: calls.append(numbers))
    assert calls == [(5, 8), (6, 8), (7, 8), (8, 8)]


def test_an_interrupt_before_the_first_new_run_keeps_the_resumed_ones(path, serial, monkeypatch):
    compare(starts=2, save=path)

    def train(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_module, "train", train)
    assert compare(resume=path).message == "interrupted after 4 of 8 runs"
    assert len(rn.Study.load(path).runs) == 4


def test_failed_runs_are_saved_and_not_made_again(path, monkeypatch):
    methods = ["standard", rn.Method("standard", options={"tolerance": -1.0}, label="failing")]
    study = compare(methods=methods, save=path)
    made = count_runs(monkeypatch)
    assert compare(methods=methods, resume=path) == study and not made


def test_nothing_is_saved_while_every_run_has_failed(path, always_due):
    with pytest.raises(ValueError, match="every run failed"):
        compare(methods=[rn.Method("standard", options={"tolerance": -1.0})], save=path)
    assert not list(path.parent.iterdir())


# --------------------------------------------------------------------------------------- killed processes

kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
KILLED = """
from oracles.killers import KillAtCall
import reducednet as rn
from reducednet.experiments import saving
saving.INTERVAL, saving.SHARE = 0.0, 1.0
methods = ["standard", rn.Method("standard", label="killer", options={{"callback": KillAtCall({n})}})]
rn.compare("sin4pi", (1, 3, 1), 4, methods, n_steps=3, test_points=20, save={path!r}, resume={path!r})
"""


def run_killed(path, n_calls):
    """Run a study in a process that is killed at so many calls of its callback."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    code = KILLED.format(n=n_calls, path=str(path))
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@kills
@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_study_that_is_killed_and_resumed_has_the_table_of_one_that_is_not(path, times):
    # the callback does nothing else, so "killer" makes the same runs as "standard"
    found = []
    for _ in range(times):
        result = run_killed(path, 6)  # in the second run of the method, at most four calls each
        assert result.returncode == -signal.SIGKILL, result.stderr
        found.append(len(rn.Study.load(path).runs))
    assert found == sorted(found) and found[0] == 3
    methods = ["standard", rn.Method("standard", label="killer", options={"callback": killers.KillAtCall(10**9)})]
    resumed = compare(methods=methods, resume=path)
    expected = compare(methods=methods)
    assert same(resumed, expected)
    times_aside = [{**row, "seconds": 0.0} for row in resumed.table()]
    np.testing.assert_equal(times_aside, [{**row, "seconds": 0.0} for row in expected.table()])


# --------------------------------------------------------------------------------------- nothing is lost

@pytest.mark.parametrize("changes", [
    {}, {"resume": "part"}, {"rng": 1}, {"resume": "part", "starts": 10},
], ids=["alone", "resuming a part", "another seed", "more starts"])
def test_a_file_with_other_runs_is_not_replaced(path, serial, changes):
    compare(save=path)
    before = path.read_bytes()
    if "resume" in changes:
        changes = changes | {"resume": replace(serial, runs=serial.runs[:3])}
    words = "`save` must be a new file, or one that `resume` continues: .* would be lost"
    with pytest.raises(ValueError, match=words):
        compare(save=path, **changes)
    assert path.read_bytes() == before


def test_a_file_whose_runs_are_all_resumed_may_be_replaced(path, serial):
    replace(serial, runs=serial.runs[:3]).save(path)
    study = compare(save=path, resume=serial)
    assert rn.Study.load(path) == study == serial


@pytest.mark.parametrize("data", [b"", b"not a study", None], ids=["empty", "text", "network"])
@pytest.mark.parametrize("role", ["save", "resume"])
def test_a_file_that_is_no_study_is_refused_and_stays(path, data, role, monkeypatch):
    if data is None:
        rn.save(path, rn.Network.random((1, 2, 1), rng=0))
    else:
        path.write_bytes(data)
    before, made = path.read_bytes(), count_runs(monkeypatch)
    with pytest.raises(ValueError, match=r"study\.npz: "):
        compare(**{role: path})
    assert path.read_bytes() == before and not made


@pytest.mark.parametrize("role", ["save", "resume"])
def test_a_truncated_study_is_refused_and_stays(path, role):
    compare(save=path)
    path.write_bytes(path.read_bytes()[:-7])
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"study\.npz: not a valid zip file"):
        compare(**{role: path})
    assert path.read_bytes() == before


def test_a_study_of_a_newer_version_is_refused_and_stays(path, monkeypatch):
    from reducednet.experiments import study_file

    with monkeypatch.context() as newer:
        newer.setattr(study_file, "VERSION", 2)
        compare(save=path)
    before = path.read_bytes()
    for changes in {"resume": path}, {"save": path}, {"resume": path, "save": path}:
        with pytest.raises(ValueError, match=r"study\.npz: version 2 is unknown: this library reads version 1"):
            compare(**changes)
    assert path.read_bytes() == before


@pytest.mark.parametrize("changes, words", [
    ({"rng": 1}, r"but its seed is SeedSequence\(0\), not SeedSequence\(1\)"),
    ({"n_steps": 9}, "but its n_steps is 3, not 9"), ({"sizes": (1, 5, 1)}, "but its sizes is"),
])
def test_a_study_of_another_problem_is_refused_and_stays(path, changes, words, monkeypatch):
    compare(save=path)
    before, made = path.read_bytes(), count_runs(monkeypatch)
    with pytest.raises(ValueError, match=f"`resume` must be a study of the same problem, {words}"):
        compare(resume=path, **changes)
    assert path.read_bytes() == before and not made


@pytest.mark.parametrize("changes, error, words", [
    ({"save": "study.csv"}, ValueError, "`save` must be a name that ends in .npz"),
    ({"resume": "study.csv"}, ValueError, "`resume` must be a name that ends in .npz"),
    ({"save": 3}, TypeError, "`save` must be a str or os.PathLike"),
    ({"resume": 3}, TypeError, "`resume` must be a str or os.PathLike"),
    ({"resume": "none.npz"}, FileNotFoundError, "none.npz"),
    ({"resume": "none.npz", "save": "new.npz"}, FileNotFoundError, "none.npz"),
    ({"save": "no-folder/study.npz"}, FileNotFoundError, "no-folder"),
])
def test_bad_paths_are_refused_before_any_run(tmp_path, monkeypatch, changes, error, words):
    monkeypatch.chdir(tmp_path)
    made = count_runs(monkeypatch)
    with pytest.raises(error, match=words):
        compare(**changes)
    assert not made and not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="root may write in any other folder")
def test_a_folder_that_cannot_be_written_to_is_refused_before_any_run(monkeypatch):
    made = count_runs(monkeypatch)
    with pytest.raises(OSError, match="/proc/self/study.npz"):
        compare(save="/proc/self/study.npz")
    assert not made


def test_a_folder_in_place_of_the_file_is_refused(path, monkeypatch):
    path.mkdir()
    made = count_runs(monkeypatch)
    for role in "save", "resume":
        with pytest.raises(OSError, match="study.npz"):
            compare(**{role: path})
    assert not made


def test_a_full_disk_on_the_way_is_a_warning_and_the_study_continues(path, serial, monkeypatch, always_due):
    real, calls = os.replace, []

    def full_once(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "replace", full_once)
    with pytest.warns(RuntimeWarning, match="the study could not be saved: .*No space left") as warned:
        study = compare(save=path)
    assert len(warned) == 1 and warned[0].filename == __file__
    assert same(study, serial) and rn.Study.load(path) == study


def test_a_full_disk_at_the_end_is_a_warning_and_the_study_is_returned(path, serial, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left") as warned:
        assert same(compare(save=path), serial)
    assert [warning.filename for warning in warned] == [__file__] * 2  # of the first and the last file


def test_runs_that_another_process_has_written_to_the_file_are_not_replaced(path, serial, always_due):
    def intrude(done, total):
        if done == 2:
            compare(rng=7).save(path)

    with pytest.warns(RuntimeWarning, match="the 8 runs in .* would be lost"):
        study = compare(save=path, progress=intrude)
    assert same(study, serial)
    assert rn.Study.load(path).seed == "SeedSequence(7)"


def test_a_domain_that_a_file_cannot_hold_is_refused_before_any_run(path, monkeypatch):
    class Interval(rn.Box):
        pass

    made = count_runs(monkeypatch)
    with pytest.raises(ValueError, match="`domain` must be one of"):
        compare(domain=Interval(0, 1), save=path)
    assert not made


# ---------------------------------------------------------------------------------------- the command line

OF_COMMAND = {"target": "franke", "sizes": (2, 3, 1), "test_points": 4000}
COMMAND = ["compare", "franke", "--methods", "standard,ball", "--neurons", "3", "--steps", "3"]


def command(folder, *options):
    return main.main([*COMMAND, "--out", str(folder), *map(str, options)])


@pytest.mark.slow
def test_parts_made_by_commands_are_put_together_by_resume(tmp_path, capsys):
    for part in "1/2", "2/2":
        name = tmp_path / f"{part[0]}.npz"
        assert command(tmp_path, "--starts", "3", "--part", part, "--save", name, "--resume", name) == 0
    assert "part: 2 of 6 runs" in capsys.readouterr().out
    assert command(tmp_path, "--starts", "4", "--resume", tmp_path / "1.npz", tmp_path / "2.npz") == 0
    study = rn.Study.load(tmp_path / "study.npz")
    assert same(study, compare(**OF_COMMAND))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npz", "2.npz", "study.npz", "study.png"]


def test_command_continues_its_file(path, serial):
    assert command(path.parent, "--starts", "2", "--save", path) == 0
    assert command(path.parent, "--starts", "4", "--resume", path) == 0
    assert same(rn.Study.load(path), compare(**OF_COMMAND))


@pytest.mark.parametrize("options, words", [
    (["--save", "there.npz"], "`--save` must be a new file, or one that `--resume` continues"),
    (["--save", "new.csv"], "`--save` must be a name that ends in .npz"),
    (["--resume", "none.npz"], "none.npz: No such file"),
    (["--resume", "there.npz", "--seed", "3"], "`--resume` must be a study of the same problem, but its seed is"),
    (["--part", "0/2"], "`--part` must be K/N"), (["--part", "3/2"], "`--part` must be K/N"),
    (["--part", "half"], "`--part` must be K/N"),
])
def test_bad_calls_are_refused_in_one_line_and_the_file_stays(tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    compare(**OF_COMMAND).save("there.npz")
    before = (tmp_path / "there.npz").read_bytes()
    assert command(tmp_path, *options) == 2
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1
    assert (tmp_path / "there.npz").read_bytes() == before
