"""Training by the limited-memory BFGS method with bounds, through scipy.

A run that goes on from an earlier one makes the earlier steps again, since scipy keeps the curvature to
itself: n + m steps cost what they cost in one run.

Reference: R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, SIAM J. Sci. Comput. 16 (1995), which scipy's
``L-BFGS-B`` follows.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ..coordinates import coordinates_of
from ..gradients import Objective
from ..monitor import Monitor, NotFinite
from .resume import Replay

MEMORY = 20
UNLIMITED = 10**9
"""Evaluations: only steps are limited."""


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run L-BFGS-B from the network in the coordinates of its space, under the monitor's eyes.

    Parameters
    ----------
    network : Network or ReducedNetwork
    objective : Objective
        The loss to minimise.
    monitor : Monitor
    n_steps : int
        The largest number of iterations.
    tolerance : float
        On the largest entry of the projected gradient, in coordinates.
    state : dict, optional
        What an earlier run at the same samples left in ``monitor.state``. The optimiser begins where
        that run did, makes its steps again, and goes on: bit for bit what one run gives.

    Returns
    -------
    (converged, message)
    """
    from scipy.optimize import Bounds, minimize

    replay = Replay("lbfgs", network, objective, monitor, state)
    coordinates = coordinates_of(replay.start)

    def value_and_gradient(u: Array) -> tuple[float, Array]:
        value, gradient = objective(coordinates.to_vector(u))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NotFinite
        return value, coordinates.pull_back(gradient)

    def after_step(intermediate_result: Any) -> None:
        value = float(intermediate_result.fun)
        replay.record(lambda: (coordinates.feasible_vector(intermediate_result.x), value))

    start = coordinates.start()
    limits = coordinates.bounds(start)
    value = value_and_gradient(start)[0]
    replay.record(lambda: (coordinates.feasible_vector(start), value))
    found: Any = minimize(
        value_and_gradient, start, jac=True, method="L-BFGS-B",
        bounds=None if limits is None else Bounds(*limits), callback=after_step,
        options={"maxcor": MEMORY, "ftol": 0.0, "gtol": tolerance, "maxiter": replay.done + n_steps,
                 "maxfun": UNLIMITED},
    )
    return found.status == 0, str(found.message)
