"""Settings of the whole test run: random examples, and as many processes as the machine has cores.

`python -m pytest` tries few random examples of each law, the slow run many (HYPOTHESIS_PROFILE=thorough).
Where the variable CI is set the examples are derived from the tests themselves, so that a red run can
be had again anywhere; HYPOTHESIS_PROFILE=reducednet draws new ones there too.
"""
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES, MANY_EXAMPLES = 5, 60
COMMON: dict[str, Any] = {
    "deadline": None, "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
REPEATABLE: dict[str, Any] = {**COMMON, "derandomize": True, "database": None}
settings.register_profile("reducednet", max_examples=EXAMPLES, **COMMON)
settings.register_profile("repeatable", max_examples=EXAMPLES, **REPEATABLE)
settings.register_profile("thorough", max_examples=MANY_EXAMPLES, **REPEATABLE)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "repeatable" if os.environ.get("CI") else "reducednet"))

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # one thread a process, here and in its children
    os.environ.setdefault(variable, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite in one process a core, where pytest-xdist is there and nothing else is said.

    Runs of files or tests that are named stay in one process: they are short.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    unsaid = getattr(config.option, "numprocesses", 0) is None  # 0: there is no pytest-xdist
    if unsaid and config.args_source == pytest.Config.ArgsSource.TESTPATHS:
        config.option.numprocesses = os.cpu_count()
