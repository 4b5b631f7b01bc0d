"""The command `python -m pytest`: with the slow tests it runs every notebook once."""
import os
import pathlib
import runpy
import subprocess
import sys
from types import SimpleNamespace

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "tutorials").glob("*.ipynb"))


def collected(*options):
    """Return the names of the files with tests in tutorials and here, one a test."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    result = subprocess.run([*command, __file__, "tutorials"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    tests = [line.split("::")[0] for line in result.stdout.splitlines() if "::" in line]
    return [pathlib.PurePath(name).name for name in tests]


@pytest.mark.slow
def test_every_notebook_is_run_once():
    pytest.importorskip("nbmake")
    pytest.importorskip("sklearn")
    quick, slow = (
        sorted(name for name in collected("-m", which) if name.endswith(".ipynb"))
        for which in ("not slow", "slow"))
    assert sorted(quick + slow) == NOTEBOOKS
    assert [name[:2] for name in quick] == ["0_", "1_", "2_", "3_"]


@pytest.mark.slow
def test_without_the_plugin_the_other_tests_are_run():
    names = collected("-p", "no:nbmake")
    assert "test_test_run.py" in names and not [name for name in names if name.endswith(".ipynb")]


@pytest.mark.parametrize("arguments, seconds", [((), 60), (("--nbmake-timeout=7",), 7)])
def test_a_cell_has_a_minute_unless_the_command_line_says_otherwise(arguments, seconds):
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(hasplugin=lambda name: name == "nbmake"),
        invocation_params=SimpleNamespace(args=arguments),
        option=SimpleNamespace(nbmake=False, nbmake_timeout=7 if arguments else 300),
    )
    runpy.run_path(str(ROOT / "tutorials" / "conftest.py"))["pytest_configure"](config)
    assert config.option.nbmake and config.option.nbmake_timeout == seconds


@pytest.mark.parametrize("environment, named, asked, expected", [
    ({}, False, None, os.cpu_count()),
    ({}, True, None, None),  # files that are named are run in one process
    ({}, False, 1, 1),  # -n 1
    ({"PYTEST_XDIST_WORKER": "gw0"}, False, None, None),  # a worker starts no workers of its own
])
def test_the_whole_suite_is_run_in_one_process_a_core(monkeypatch, environment, named, asked, expected):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sources = pytest.Config.ArgsSource
    config = SimpleNamespace(
        option=SimpleNamespace(numprocesses=asked), args_source=sources.ARGS if named else sources.TESTPATHS)
    runpy.run_path(str(ROOT / "tests" / "conftest.py"))["pytest_cmdline_main"](config)
    assert config.option.numprocesses == expected


def test_without_xdist_nothing_is_asked_of_it(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    config = SimpleNamespace(option=SimpleNamespace(), args_source=pytest.Config.ArgsSource.TESTPATHS)
    runpy.run_path(str(ROOT / "tests" / "conftest.py"))["pytest_cmdline_main"](config)
    assert vars(config.option) == {}
