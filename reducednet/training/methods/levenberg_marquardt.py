"""Take Levenberg-Marquardt steps on all parameters, for mean squared error and any depth.

With r the residuals and J their derivatives,

    (J^T J + damping D) step = -J^T r,

solved as a system of n_samples n_outputs unknowns where these are fewer than the parameters.

In the reduced space J is taken along tangent directions, and the retraction after the step keeps
the function's scale. D is the largest diag(J^T J) so far (More), entry by entry. With the current
one, as in Marquardt's method, a coordinate whose column has become short can run away: neurons get
opposite outgoing weights in the hundreds that cancel, and the run is stuck, in tangent coordinates
more often than in free ones (benchmarks/README.md).

References: D. W. Marquardt, J. SIAM 11 (1963). J. J. More, *The Levenberg-Marquardt algorithm:
implementation and theory*, Lecture Notes in Mathematics 630 (1978), for D.
"""
from __future__ import annotations

import numpy as np

from ..._validation import Array
from ...networks import backward, forward
from ...networks.network import Network
from ...reduced_space.reduced_network import ReducedNetwork
from ...reduced_space.spaces import space_of
from ..monitor import Monitor
from ..objective import Objective
from .linear_least_squares import (
    DAMPING_DOWN, DAMPING_UP, FIRST_DAMPING, LEAST_DAMPING, TRIES, DampedEquations, DualEquations,
)


def tangent_jacobian(network: Network, theta: Array, H: Array) -> Array:
    """Return the outputs' derivatives along the space, (n_samples n_outputs, n_parameters).

    In the reduced space the derivatives by a row w are projected on its tangent space:
    J_w <- J_w - (J_w.w) w.
    """
    J = backward.jacobian(network.layout, theta, H, network._activation)
    J = J.reshape(-1, network.n_parameters)
    if isinstance(network, ReducedNetwork):
        start = 0
        for block in network.layout.blocks(theta)[:-1]:
            part = J[:, start:start + block.size].reshape(-1, *block.shape)[:, :-1]
            part -= np.einsum("mij,ij->mj", part, block[:-1])[:, np.newaxis] * block[:-1]
            start += block.size
    return J


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float
) -> tuple[bool, str]:
    """Run Levenberg-Marquardt from the network and record each step in the monitor.

    Parameters
    ----------
    network : Network or ReducedNetwork
        ReLU, of any depth. Memory grows as n_samples n_outputs n_parameters.
    objective : Objective
        Mean squared error.
    monitor : Monitor
    n_steps : int
        The largest number of accepted steps.
    tolerance : float
        The run has converged when a step lowers the loss by less than this share of it, or when no
        damping gives a decrease.

    Returns
    -------
    (converged, message)
    """
    theta, damping, before = network.to_vector(), FIRST_DAMPING, np.inf
    largest = np.zeros(network.n_parameters)
    space, loss = space_of(network), objective.value(theta)
    for done in range(n_steps + 1):
        J, residual = linearise(network, objective, theta)
        slope = residual @ J
        largest = np.maximum(largest, np.einsum("ij,ij->j", J, J))
        monitor.record(theta, loss, gradient_norm(slope, objective))
        if before - loss <= tolerance * before < np.inf:
            return True, "converged: the loss no longer decreases"
        if done == n_steps:
            break
        before = loss
        free = ~_at_active_bounds(network.with_vector(theta), slope)
        equations = _equations(J, residual, slope, largest, free)
        del J  # before the next one is made: each may take most of the memory
        for _ in range(TRIES):
            step = np.zeros_like(theta)
            step[free] = equations.step(damping)
            trial = space.step(theta, space.gradient(theta, step))
            value = objective.value(trial)
            if value < before:
                theta, loss, damping = trial, value, max(damping / DAMPING_DOWN, LEAST_DAMPING)
                break
            damping *= DAMPING_UP
        else:
            return True, "converged: no step decreases the loss"
        del equations
    return False, f"stopped at the limit of {n_steps} steps"


def linearise(network: Network, objective: Objective, theta: Array) -> tuple[Array, Array]:
    """Return the derivatives of the residuals along the space, J (m, p), and the residuals (m,).

    m is n_samples n_outputs. With sample weights u both have their rows times sqrt(u).
    """
    J = tangent_jacobian(network, theta, objective.H)
    residual = forward.outputs(network.layout, theta, objective.H, network._activation) - objective.y
    if objective.sample_weight is not None:
        roots = np.sqrt(objective.sample_weight)[:, np.newaxis]
        residual *= roots
        J *= np.repeat(roots, network.n_outputs, axis=0)
    return J, residual.ravel()


def _equations(
    J: Array, residual: Array, slope: Array, largest: Array, free: np.ndarray
) -> DampedEquations | DualEquations:
    """Return the damped equations for the free variables, by whichever system is smaller.

    J may be overwritten.
    """
    if not free.all():
        J, slope, largest = J[:, free], slope[free], largest[free]
    if len(J) < J.shape[1]:
        return DualEquations(J, residual, largest)
    return DampedEquations(J.T @ J, slope, largest)


def gradient_norm(slope: Array, objective: Objective) -> float:
    """Return the norm of the loss's gradient, 2 / n_samples J^T r."""
    return 2.0 / objective.n_samples * float(np.linalg.norm(slope))


def _at_active_bounds(network: Network, slope: Array) -> np.ndarray:
    """Return a mask of the thresholds that descent would push out of their interval."""
    frozen = np.zeros(len(slope), dtype=bool)
    if isinstance(network, ReducedNetwork):
        blocks = zip(network.layout.blocks(frozen), network.layout.blocks(slope), network.thresholds,
                     network.intervals)
        for block, gradient, b, interval in blocks:
            low, high = interval.T
            block[-1] = ((b <= low) & (gradient[-1] > 0.0)) | ((b >= high) & (gradient[-1] < 0.0))
    return frozen
