"""Training by the limited-memory BFGS method with bounds, through scipy.

Reference: R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, SIAM J. Sci. Comput. 16 (1995), which scipy's
``L-BFGS-B`` follows.
"""
from __future__ import annotations

import time
from typing import Any

import numpy as np

from .._validation import Array
from ..gradients import Objective
from ..networks import Network
from .coordinates import coordinates_of
from .result import TrainingResult

MEMORY = 20


class _NotFinite(Exception):
    """The loss or its gradient left the range of float64."""


class _Run:
    """The loss in coordinates, the best point so far and the history."""

    def __init__(self, network: Network, objective: Objective) -> None:
        self.coordinates, self.objective = coordinates_of(network), objective
        self.best_value, self.best_point = np.inf, self.coordinates.start()
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self.began = time.perf_counter()

    def value_and_gradient(self, u: Array) -> tuple[float, Array]:
        value, gradient = self.objective(self.coordinates.to_vector(u))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise _NotFinite
        return value, self.coordinates.pull_back(gradient)

    def record(self, value: float, u: Array) -> None:
        self.losses.append(value)
        self.seconds.append(time.perf_counter() - self.began)
        if value < self.best_value:
            self.best_value, self.best_point = value, u.copy()

    def result(self, converged: bool, message: str) -> TrainingResult:
        history = {"loss": np.array(self.losses), "seconds": np.array(self.seconds)}
        network = self.coordinates.to_network(self.best_point)
        return TrainingResult(network, history, converged, message)


def minimise(network: Network, objective: Objective, n_steps: int, tolerance: float) -> TrainingResult:
    """Return the result of L-BFGS-B from the network, in the coordinates of its space.

    Parameters
    ----------
    network : Network or ReducedNetwork
    objective : Objective
        The loss to minimise.
    n_steps : int
        The largest number of iterations.
    tolerance : float
        On the largest entry of the projected gradient, in coordinates.
    """
    from scipy.optimize import Bounds, minimize

    run = _Run(network, objective)
    start = run.best_point.copy()
    limits = run.coordinates.bounds(start)
    try:
        run.record(run.value_and_gradient(start)[0], start)
        found: Any = minimize(
            run.value_and_gradient, start, jac=True, method="L-BFGS-B",
            bounds=None if limits is None else Bounds(*limits),
            callback=lambda intermediate_result: run.record(
                float(intermediate_result.fun), intermediate_result.x),
            options={"maxcor": MEMORY, "ftol": 0.0, "gtol": tolerance, "maxiter": n_steps,
                     "maxfun": 20 * n_steps},
        )
    except _NotFinite:
        if not run.losses:
            raise ValueError("the loss of `network` at the samples leaves the range of float64") from None
        return run.result(False, "stopped: the loss is not finite")
    except KeyboardInterrupt:
        return run.result(False, "interrupted")
    return run.result(found.status == 0, str(found.message))
