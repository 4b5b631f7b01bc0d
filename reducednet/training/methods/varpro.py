"""Train one hidden ReLU layer by variable projection with Levenberg-Marquardt steps.

For given hidden parameters (w, b) the outgoing weights solve a linear least squares problem, so
that only (w, b) are variables (Golub & Pereyra, SIAM J. Numer. Anal. 10, 1973). With J_k the
Jacobian of the projected residual R_k of output k (see `linear_least_squares`) and D the diagonal
of the matrix,

    (sum_k J_k^T J_k + damping D) step = -sum_k J_k^T R_k.
"""
from __future__ import annotations

import numpy as np

from ...networks.network import Network
from ..monitor import Monitor
from ..objective import Objective
from ..starts import N_CANDIDATES, candidate_neurons, pursue
from .linear_least_squares import (
    DAMPING_DOWN, DAMPING_UP, FIRST_DAMPING, LEAST_DAMPING, TRIES, Projection, Solved,
    growth_without,
)


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rounds: int = 0, rng: np.random.Generator,
) -> tuple[bool, str]:
    """Run variable projection from the network's hidden parameters and record it in the monitor.

    Rounds of exchange may follow. Each replaces the neurons whose removal costs least by the best
    of random candidates and descends again. A round that ends no better is undone, and the next one
    replaces half as many.

    Parameters
    ----------
    network : Network or ReducedNetwork
        A ReLU network of one hidden layer.
    objective : Objective
        Mean squared error.
    monitor : Monitor
    n_steps : int
        The largest number of accepted steps in all rounds together.
    tolerance : float
        The run has converged when a step lowers the loss by less than this share of it, or when no
        damping gives a decrease.
    rounds : int
    rng : Generator
        Draws candidates.

    Returns
    -------
    (converged, message)
    """
    X, Y = objective.H[:-1].T, np.asarray(objective.y)
    projection = Projection(network, X, Y, objective.sample_weight)
    theta = network.to_vector()
    monitor.record(theta, objective.value(theta))
    descent = Descent(projection, projection.solve_at(theta))
    best, number, count = descent.solved, 0, network.layout.sizes[1] // 4
    last_step = monitor.step + n_steps
    while True:
        converged, text = descent.run(monitor, last_step - monitor.step, tolerance)
        if not converged:
            return False, f"stopped at the limit of {n_steps} steps"
        if number and descent.solved.loss >= best.loss:
            count //= 2
        else:
            best = descent.solved
        if number >= rounds:
            return converged, text
        if monitor.step >= last_step:
            return False, f"stopped at the limit of {n_steps} steps"
        descent = Descent(projection, exchange(projection, best, max(count, 1), rng))
        number += 1


def exchange(
    projection: Projection, solved: Solved, count: int, rng: np.random.Generator
) -> Solved:
    """Replace the `count` neurons whose removal costs least by the best candidates."""
    H, _ = projection.columns(solved.W, solved.b)
    growth = growth_without(H, solved.C)[:len(solved.b)]
    kept = np.sort(np.argsort(growth, kind="stable")[count:])
    W, b = candidate_neurons(N_CANDIDATES, projection.candidate_space(), projection.X, rng)
    A_new, fixed = projection.columns(W, b)[0][:, :len(b)], H[:, len(solved.b):]
    chosen = pursue(A_new, np.column_stack([H[:, kept], fixed]), projection.Y, count)
    W, b = np.vstack([solved.W[kept], W[chosen]]), np.append(solved.b[kept], b[chosen])
    return projection.solve(W, b)


class Descent:
    """A sequence of Levenberg-Marquardt steps from given hidden parameters.

    Parameters
    ----------
    projection : Projection
    solved : Solved
        The start.

    Attributes
    ----------
    solved : Solved
        The current point.
    """

    def __init__(self, projection: Projection, solved: Solved) -> None:
        self.projection, self.solved = projection, solved
        self.damping, self.previous = FIRST_DAMPING, np.inf
        self.limits = projection.position_limits(solved.W, solved.b)
        self._linearise()

    def _linearise(self) -> None:
        """Compute the directions, the derivatives along them and the slope at the current point."""
        self.directions = self.projection.directions(self.solved.W)
        self.derivatives, self.slope = self.projection.linearise(self.solved, self.directions)

    def record(self, monitor: Monitor) -> None:
        """Record the current point."""
        norm = self.projection.gradient_norm(self.slope)
        monitor.record(self.projection.vector(self.solved), self.solved.loss, norm)

    def run(self, monitor: Monitor, n_steps: int, tolerance: float) -> tuple[bool, str]:
        """Make up to `n_steps` steps, record them, and return (converged, message)."""
        for done in range(n_steps + 1):
            if self.previous - self.solved.loss <= tolerance * self.previous < np.inf:
                return True, "converged: the loss no longer decreases"
            if done == n_steps:
                break
            if not self.step():
                if self.previous == np.inf:  # only the outgoing weights have changed
                    self.previous = self.solved.loss
                    self.record(monitor)
                return True, "converged: no step decreases the loss"
            self.record(monitor)
        return False, f"stopped at the limit of {n_steps} steps"

    def step(self) -> bool:
        """Move to a point of smaller loss by raising the damping; return False if there is none."""
        projection, slope, damping = self.projection, self.slope, self.damping
        free = ~projection.at_active_bounds(self.solved, slope, self.limits)
        equations = projection.equations(self.solved, self.derivatives, slope, free)
        for _ in range(TRIES):
            step = np.zeros_like(slope)
            step[free] = equations.step(damping)
            trial = projection.solve(*projection.move(self.solved, self.directions, step, self.limits))
            if trial.loss < self.solved.loss:
                self.previous, self.solved = self.solved.loss, trial
                self.damping = max(damping / DAMPING_DOWN, LEAST_DAMPING)
                self._linearise()
                return True
            damping *= DAMPING_UP
        return False
