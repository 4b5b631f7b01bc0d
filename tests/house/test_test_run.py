"""The command `python -m pytest`: it runs every notebook once, and breaks nowhere."""
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


def test_every_notebook_is_run_once():
    pytest.importorskip("nbmake")
    pytest.importorskip("sklearn")
    assert sorted(name for name in collected() if name.endswith(".ipynb")) == NOTEBOOKS


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
