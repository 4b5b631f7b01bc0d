"""Training by the limited-memory BFGS method with bounds, through scipy.

Reference: R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, SIAM J. Sci. Comput. 16 (1995), which scipy's
``L-BFGS-B`` follows.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import Array
from ..gradients import Objective
from ..networks import Network
from .coordinates import coordinates_of
from .monitor import Monitor, NotFinite

MEMORY = 20


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float
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

    Returns
    -------
    (converged, message)
    """
    from scipy.optimize import Bounds, minimize

    coordinates = coordinates_of(network)

    def value_and_gradient(u: Array) -> tuple[float, Array]:
        value, gradient = objective(coordinates.to_vector(u))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NotFinite
        return value, coordinates.pull_back(gradient)

    def after_step(intermediate_result: Any) -> None:
        u = intermediate_result.x
        monitor.record(coordinates.feasible_vector(u), float(intermediate_result.fun))

    start = coordinates.start()
    limits = coordinates.bounds(start)
    monitor.record(coordinates.feasible_vector(start), value_and_gradient(start)[0])
    found: Any = minimize(
        value_and_gradient, start, jac=True, method="L-BFGS-B",
        bounds=None if limits is None else Bounds(*limits), callback=after_step,
        options={"maxcor": MEMORY, "ftol": 0.0, "gtol": tolerance, "maxiter": n_steps, "maxfun": 20 * n_steps},
    )
    return found.status == 0, str(found.message)
