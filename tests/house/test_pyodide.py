"""The library in a browser: under Pyodide, in Node, where `REDUCEDNET_PYODIDE` names a distribution.

Pyodide is Python compiled to WebAssembly, a platform of 32 bits without threads and processes.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = HERE / "in_the_browser.py"
NOTEBOOKS = sorted(path.name for path in (ROOT / "tutorials").glob("[0-9]_*.ipynb"))


@pytest.fixture(scope="module")
def in_pyodide():
    """Return the command that runs a Python program of the checkout under Pyodide."""
    distribution, node = os.environ.get("REDUCEDNET_PYODIDE"), shutil.which("node")
    if distribution is None or node is None:
        pytest.skip("no Node, or REDUCEDNET_PYODIDE names no Pyodide distribution")
    command = [node, str(HERE / "run_in_pyodide.mjs"), distribution, str(ROOT)]

    def run(program, *arguments):
        return finish([*command, program.relative_to(ROOT).as_posix(), *arguments])

    return run


def finish(command):
    """Run a command to its end, and return what it wrote."""
    environment = os.environ | {"MPLBACKEND": "agg"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_program_for_the_browser_runs_in_this_python():
    assert finish([sys.executable, str(PROGRAM)]) == "done\n"


def test_library_reduces_verifies_and_plots_in_pyodide(in_pyodide):
    assert in_pyodide(PROGRAM).endswith("done\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_in_pyodide(in_pyodide, name):
    assert in_pyodide(PROGRAM, f"tutorials/{name}").endswith("done\n")


def test_there_are_ten_notebooks_for_the_browser():
    assert len(NOTEBOOKS) == 10
