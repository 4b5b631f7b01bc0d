"""The notebooks are run by the plugin nbmake, if it is installed, with the reducednet of this checkout.

Those whose extra is not installed are left out.
"""
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # small matrices: threads would wait for one another
    os.environ.setdefault(variable, "1")

collect_ignore = ["student_copies"]
if find_spec("sklearn") is None:
    collect_ignore.append("11_from_elsewhere.ipynb")


SECONDS_A_CELL = 60
SHORT = ("0_hello.ipynb", "1_one_neuron.ipynb", "2_the_mapping.ipynb", "4_kernels.ipynb")
"""Notebooks that every test run executes; the others are slow tests. (Each starts a kernel.)"""


def pytest_configure(config: Any) -> None:
    """Give the options --nbmake and --nbmake-timeout here: on the command line they need the plugin."""
    if config.pluginmanager.hasplugin("nbmake"):
        config.option.nbmake = True
        if not any(argument.startswith("--nbmake-timeout") for argument in config.invocation_params.args):
            config.option.nbmake_timeout = SECONDS_A_CELL


def pytest_collection_modifyitems(items: Any) -> None:
    """Mark the longer notebooks as slow, before the option -m chooses."""
    for item in items:
        if item.path.suffix == ".ipynb" and item.path.name not in SHORT:
            item.add_marker(pytest.mark.slow)
