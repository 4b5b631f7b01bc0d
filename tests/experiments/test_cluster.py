"""Studies on every kind of executor: the scripts of docs/cluster.md run, and a killed worker loses nothing."""
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "cluster.md"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL"),
]
LIBRARY = {"processes": "concurrent.futures", "loky": "loky", "dask": "distributed", "mpi": "mpi4py"}


def environment():
    """Return variables with which processes find the library and the tests, and MPI three places."""
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]),
        "PATH": os.pathsep.join([".", os.environ["PATH"]]),
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }


def run(command, folder):
    """Run a command in a folder, with `reducednet` as a command there."""
    script = folder / "reducednet"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reducednet "$@"\n')
    script.chmod(0o755)
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)


def python_command(kind, script):
    """Return the command that runs a script on this kind of executor; skip what is not installed."""
    if kind == "mpi" and shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec")
    pytest.importorskip(LIBRARY[kind])
    if kind != "mpi":
        return [sys.executable, script]
    return ["mpiexec", "-n", "3", sys.executable, "-m", "mpi4py.futures", script]


def without_times(study):
    return [replace(run, seconds=0.0) for run in study.runs]


def table(study):
    return [{**row, "seconds": 0.0} for row in study.table()]


# -------------------------------------------------------------------------------------- a killed worker

EXECUTORS = {  # test_compare.py kills workers of the others
    "dask": "distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None).get_executor()",
    "mpi": "MPIPoolExecutor()",
}
IMPORTS = {"dask": "import distributed", "mpi": "from mpi4py.futures import MPIPoolExecutor"}
KILLED = """
import reducednet as rn
from oracles.killers import Kill
{imports}

if __name__ == "__main__":
    methods = ["standard", rn.Method("standard", label="killer", options={{
        "callback": Kill("killed", after="study.npz")}})]
    with {executor} as executor:
        study = rn.compare("sin4pi", (1, 6, 1), 6, methods, n_steps=15, test_points=50, executor=executor,
                           save="study.npz", resume="study.npz")
    print(study.message)
"""


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_study_that_loses_a_worker_has_the_serial_table_when_it_is_resumed(kind, tmp_path):
    (tmp_path / "study.py").write_text(KILLED.format(imports=IMPORTS[kind], executor=EXECUTORS[kind]))
    command = python_command(kind, "study.py")
    first = run(command, tmp_path)
    assert (tmp_path / "killed").exists(), first.stdout + first.stderr
    kept = rn.Study.load(tmp_path / "study.npz")
    assert kept.runs and all(run.network is not None for run in kept.runs)
    if kind == "dask":  # its nanny starts a new worker, and the scheduler repeats the runs
        assert "finished" in first.stdout
    else:  # mpiexec ends all processes
        assert first.returncode != 0 and kept.message.startswith("unfinished: ")
    second = run(command, tmp_path)
    assert second.returncode == 0 and "finished" in second.stdout, second.stderr

    study = rn.Study.load(tmp_path / "study.npz")
    serial = rn.compare("sin4pi", (1, 6, 1), 6, [  # the callback changes nothing: both are the same method
        "standard", rn.Method("standard", label="killer")], n_steps=15, test_points=50)
    assert study.message == "finished" and without_times(study) == without_times(serial)
    np.testing.assert_equal(table(study), table(serial))


# ------------------------------------------------------------------------------------------- the page

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code for language, code in BLOCKS if language == "bash"]


def shorter(code):
    """Return a script of the page with four starts, small networks and few steps."""
    assert "1000" in code
    code = code.replace("(1, 20, 1), 1000,", "(1, 3, 1), 4, n_steps=3,")
    return code.replace("--starts 1000", "--starts 4 --neurons 3 --steps 3")


def block(languages, words):
    found, = [code for code in languages if words in code]
    return shorter(found)


@pytest.fixture(scope="module")
def serial():
    return rn.compare("sin4pi", (1, 3, 1), 4, n_steps=3)


@pytest.mark.parametrize("kind, words", [
    ("processes", 'rn.compare("sin4pi", (1, 20, 1), 1000, save'), ("processes", "ProcessPoolExecutor"),
    ("loky", "from loky"), ("dask", "from distributed"), ("mpi", "from mpi4py"),
])
def test_a_script_of_the_page_goes_on_with_a_study(kind, words, tmp_path, serial):
    (tmp_path / "study.py").write_text(block(PYTHON, words))
    command = python_command(kind, "study.py")
    if kind == "mpi":
        assert "mpiexec -n 3 python -m mpi4py.futures study.py\n" in SHELL
    replace(serial, runs=serial.runs[:5], message="unfinished").save(tmp_path / "study.npz")
    result = run(command, tmp_path)
    assert result.returncode == 0 and "4 starts, finished" in result.stdout, result.stderr
    assert without_times(rn.Study.load(tmp_path / "study.npz")) == without_times(serial)


def test_the_command_of_the_page_makes_the_study(tmp_path, serial):
    result = run(["bash", "-c", block(SHELL, "--jobs 2")], tmp_path)
    assert result.returncode == 0, result.stderr
    assert without_times(rn.Study.load(tmp_path / "study.npz")) == without_times(serial)


def test_the_job_array_of_the_page_adds_up(tmp_path, serial):
    (tmp_path / "job.sh").write_text(block(SHELL, "#SBATCH"))
    for task in "3", "1", "4":  # the second job has not run
        command = ["env", f"SLURM_ARRAY_TASK_ID={task}", "bash", "job.sh"]
        result = run(command, tmp_path)
        assert result.returncode == 0, result.stderr
    merging, = [code for code in PYTHON if "functools" in code]
    (tmp_path / "merge.py").write_text(merging)
    result = run([sys.executable, "merge.py"], tmp_path)
    assert result.returncode == 0 and "part: 9 of 12 runs" in result.stdout and result.stdout.endswith(" 3\n")
    result = run(["bash", "-c", block(SHELL, "part-?.npz")], tmp_path)
    assert result.returncode == 0, result.stderr
    assert without_times(rn.Study.load(tmp_path / "study.npz")) == without_times(serial)


def test_all_scripts_of_the_page_are_run_here():
    assert (len(PYTHON), len(SHELL)) == (6, 5)
