"""Settings of the whole test run: random examples anew each time, and no time limit for one example."""
from hypothesis import HealthCheck, settings

settings.register_profile(
    "reducednet", max_examples=40, deadline=None, derandomize=False, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("reducednet")
