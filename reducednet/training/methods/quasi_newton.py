"""Train with SciPy's two quasi-Newton methods, L-BFGS-B and SLSQP, in the coordinates of the space.

L-BFGS-B approximates the Hessian from the last few steps and respects bounds on the coordinates.
SLSQP is the constrained form of THEORY, section 4: minimise the loss subject to |v_j|^2 = 1 for
every row v_j and to the same bounds. Its matrices are dense, so a step costs the cube of the number
of parameters. With one input, the rows of the first layer are 1 or -1: they are held fixed instead.

References
----------
L-BFGS-B: R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, SIAM J. Sci. Comput. 16 (1995).
SLSQP: D. Kraft, *A software package for sequential quadratic programming*, DFVLR-FB 88-28 (1988).
"""
from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._validation import Array
from ...networks.network import Network
from ...reduced_space.reduced_network import ReducedNetwork
from ..coordinates import StandardCoordinates, coordinates_of
from ..monitor import Monitor, NotFinite
from ..objective import Objective

N_CORRECTIONS = 20
"""How many of the last steps L-BFGS-B keeps."""

UNLIMITED = 10**9
"""The limit of L-BFGS-B's evaluations: only its steps are limited."""

MANY_PARAMETERS = 300
"""Above this number of parameters SLSQP is so slow that it warns."""


def minimise_lbfgs(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    threshold_unit: float | None = None,
) -> tuple[bool, str]:
    """Run L-BFGS-B in the coordinates of the network's space and record each step in the monitor.

    Parameters
    ----------
    network : Network or ReducedNetwork
    objective : Objective
        The loss to minimise.
    monitor : Monitor
    n_steps : int
        The largest number of iterations.
    tolerance : float
        The run has converged when no entry of the projected gradient by the coordinates is larger.
    threshold_unit : float, optional
        Of a ReducedNetwork: how far a step of 1 in its coordinate moves a threshold, at least if
        its interval is wide. With standardised samples, 1 serves: rows and thresholds then act on
        a neuron alike. By default half of its interval, which for many inputs is far wider than
        the samples' values of w.x.

    Returns
    -------
    (converged, message)
    """
    from scipy.optimize import Bounds, minimize

    coordinates = coordinates_of(network, threshold_unit)
    objective.use_arrays(coordinates.vector, coordinates.gradient, coordinates.first_weights_held)

    def value_and_gradient(u: Array) -> tuple[float, Array]:
        return _value_and_gradient(objective, coordinates, u)

    def after_step(intermediate_result: Any) -> None:
        vector = coordinates.feasible_vector(intermediate_result.x)
        monitor.record(vector, float(intermediate_result.fun))

    start = coordinates.start()
    limits = coordinates.bounds(start)
    value = value_and_gradient(start)[0]
    monitor.record(coordinates.feasible_vector(start), value)
    found: Any = minimize(
        value_and_gradient, start, jac=True, method="L-BFGS-B",
        bounds=None if limits is None else Bounds(*limits), callback=after_step,
        options={"maxcor": N_CORRECTIONS, "ftol": 0.0, "gtol": tolerance,
                 "maxiter": n_steps, "maxfun": UNLIMITED},
    )
    return found.status == 0, str(found.message)


def minimise_slsqp(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float
) -> tuple[bool, str]:
    """Run SLSQP in the coordinates of the network's space and record each step in the monitor.

    SLSQP may move from a good point to a bad one: the monitor keeps the best.

    Parameters
    ----------
    network : Network or ReducedNetwork
    objective : Objective
    monitor : Monitor
    n_steps : int
        The largest number of iterations.
    tolerance : float
        The absolute precision of the loss at which the run has converged.

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
        warnings.warn(
            f"slsqp with {network.n_parameters} parameters: a step costs the cube of their number",
            stacklevel=3)
    coordinates = coordinates_of(network)
    objective.use_arrays(coordinates.vector, coordinates.gradient, coordinates.first_weights_held)
    start = coordinates.start()
    rows, free = _row_indices(network), np.ones(len(start), dtype=bool)
    if isinstance(network, ReducedNetwork) and network.n_inputs == 1:
        free[rows[0].ravel()] = False  # rows 1 and -1 cannot move
        rows = rows[1:]

    def point(z: Array) -> Array:
        """Return the coordinates whose free entries are z."""
        u = start.copy()
        u[free] = z
        return u

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        value, gradient = _value_and_gradient(objective, coordinates, point(z))
        return value, gradient[free]

    def after_step(z: Array) -> None:
        theta = coordinates.feasible_vector(point(z))
        monitor.record(theta, objective.value(theta))

    limits = coordinates.bounds(start)
    constraints = [_unit_rows(layer, point, free) for layer in rows] if limits is not None else []
    value = value_and_gradient(start[free])[0]
    monitor.record(coordinates.feasible_vector(start), value)
    found: Any = minimize(
        value_and_gradient, start[free], jac=True, method="SLSQP",
        callback=after_step,
        bounds=None if limits is None else Bounds(limits[0][free], limits[1][free]),
        constraints=constraints, options={"maxiter": n_steps, "ftol": tolerance},
    )
    return found.status == 0, str(found.message)


def _value_and_gradient(
    objective: Objective, coordinates: StandardCoordinates, u: Array
) -> tuple[float, Array]:
    """Return the loss at the coordinates u and its gradient; raise NotFinite if not finite."""
    coordinates.move_to(u)
    value, gradient = objective(coordinates.vector, count=True)
    if not (math.isfinite(value) and math.isfinite(np.add.reduce(gradient))):
        raise NotFinite
    return value, coordinates.pull_back(gradient)


def _row_indices(network: Network) -> list[Any]:
    """Return for each hidden layer the indices of its weights in the flat vector."""
    indices: Any = np.arange(network.n_parameters)
    return [block[:-1].T for block in network.layout.blocks(indices)[:-1]]


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
