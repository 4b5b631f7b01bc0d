"""Settings of the whole test run: no time limit for one example, and random examples anew each time.

Where the variable CI is set the examples are derived from the tests themselves, so that a red run can
be had again anywhere; set HYPOTHESIS_PROFILE=reducednet there to search on.
"""
import os

from hypothesis import HealthCheck, settings

COMMON = {
    "max_examples": 20, "deadline": None, "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("reducednet", derandomize=False, **COMMON)
settings.register_profile("repeatable", derandomize=True, database=None, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable" if os.environ.get("CI") else "reducednet"))
