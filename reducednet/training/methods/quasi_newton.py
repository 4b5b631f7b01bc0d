"""Training by the limited-memory BFGS method with bounds, through scipy.

A run that goes on from an earlier one makes the earlier steps again, since scipy keeps the curvature to
itself: n + m steps cost what they cost in one run.

Reference: R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, SIAM J. Sci. Comput. 16 (1995), which scipy's
``L-BFGS-B`` follows.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ...reduced_space.reduced_network import ReducedNetwork
from ..coordinates import coordinates_of
from ..monitor import Monitor, NotFinite
from ..objective import Objective
from .resume import Replay

MEMORY = 20
UNLIMITED = 10**9
"""Evaluations: only steps are limited."""
MANY_PARAMETERS = 300


def minimise_lbfgs(
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


def minimise_slsqp(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run SLSQP from the network in the coordinates of its space, under the monitor's eyes.

    The method may leave a good point for a bad one: the monitor keeps the best.

    Parameters
    ----------
    network : Network or ReducedNetwork
    objective : Objective
    monitor : Monitor
    n_steps : int
        The largest number of iterations.
    tolerance : float
        The precision goal for the loss.
    state : dict, optional
        What an earlier run at the same samples left in ``monitor.state``. The optimiser begins where
        that run did, makes its steps again, and goes on: bit for bit what one run gives.

    Returns
    -------
    (converged, message)

    Warns
    -----
    UserWarning
        Above 300 parameters.
    """
    from scipy.optimize import Bounds, minimize

    if network.n_parameters > MANY_PARAMETERS:
        warnings.warn(f"slsqp with {network.n_parameters} parameters: a step costs the cube of their number",
                      stacklevel=3)
    replay = Replay("slsqp", network, objective, monitor, state)
    coordinates = coordinates_of(replay.start)
    start = coordinates.start()
    rows, free = _rows(network), np.ones(len(start), dtype=bool)
    if isinstance(network, ReducedNetwork) and network.n_inputs == 1:
        free[rows[0].ravel()] = False
        rows = rows[1:]

    def point(z: Array) -> Array:
        u = start.copy()
        u[free] = z
        return u

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        value, gradient = objective(coordinates.to_vector(point(z)))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NotFinite
        return value, coordinates.pull_back(gradient)[free]

    def recorded(z: Array) -> tuple[Array, float]:
        theta = coordinates.feasible_vector(point(z))
        return theta, objective.value(theta)

    limits = coordinates.bounds(start)
    constraints = [_unit_rows(layer, point, free) for layer in rows] if limits is not None else []
    value = value_and_gradient(start[free])[0]
    replay.record(lambda: (coordinates.feasible_vector(start), value))
    found: Any = minimize(
        value_and_gradient, start[free], jac=True, method="SLSQP",
        callback=lambda z: replay.record(lambda: recorded(z)),
        bounds=None if limits is None else Bounds(limits[0][free], limits[1][free]),
        constraints=constraints, options={"maxiter": replay.done + n_steps, "ftol": tolerance},
    )
    return found.status == 0, str(found.message)


def _rows(network: Network) -> list[Any]:
    """Return, for each hidden layer, where each neuron's weights lie in the vector, (n_l, n_(l-1))."""
    places: Any = np.arange(network.n_parameters)
    return [block[:-1].T for block in network.layout.blocks(places)[:-1]]


def _unit_rows(rows: Any, point: Callable[[Array], Array], free: Array) -> dict[str, Any]:
    """Return the constraints |v_j|^2 - 1 = 0 of one layer, with their derivatives 2 v_j."""

    def values(z: Array) -> Array:
        V = point(z)[rows]
        return np.einsum("ij,ij->i", V, V) - 1.0

    def derivatives(z: Array) -> Array:
        u = point(z)
        J = np.zeros((len(rows), len(u)))
        np.put_along_axis(J, rows, 2.0 * u[rows], axis=1)
        return J[:, free]

    return {"type": "eq", "fun": values, "jac": derivatives}
