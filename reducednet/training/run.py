"""`train`: checks, and the choice of the optimiser."""
from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import choice, flag, integer, number, samples
from ..gradients import Objective
from ..networks import Network, check_network
from ..reduced_networks import ReducedNetwork
from . import lbfgs
from .monitor import Monitor, StopTraining
from .result import TrainingResult

METHODS = ("lbfgs",)


def train(
    network: Network, X: Any, y: Any, method: str = "lbfgs", *, loss: str = "mse", n_steps: int = 1000,
    tolerance: float = 1e-10, allow_outside: bool = False,
) -> TrainingResult:
    """Train a network in the space that it lies in, and return the best network met.

    A Network moves freely. A ReducedNetwork stays one: its rows are v / |v| and its thresholds are
    given by their place in their interval, so every step is feasible.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Where training starts; it is not changed.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output or class labels
    method : "lbfgs"
        L-BFGS with bounds, of all samples at once. Of a binary network it moves the outgoing
        weights only, for the slope of the step is 0.
    loss : "mse" or "cross_entropy"
    n_steps : int
        The largest number of iterations.
    tolerance : float
        The run has converged where no entry of the projected gradient is larger.
    allow_outside : bool
        Go on although samples lie outside a ReducedNetwork's domain.

    Returns
    -------
    TrainingResult(network, history, converged, message)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or shape, samples lie outside the domain, or a
        ReducedNetwork is not feasible.

    Notes
    -----
    An interrupted run (Ctrl-C), and one that meets a non-finite loss, returns the best network so
    far and says so in ``message``.

    References
    ----------
    THEORY, section 4. [QZX]

    Examples
    --------
    >>> X = np.linspace(0, 1, 50)[:, np.newaxis]
    >>> net = Network.random((1, 5, 1), rng=0)
    >>> result = train(net, X, X[:, 0] ** 2, n_steps=50)
    >>> bool(result.history["loss"][-1] < result.history["loss"][0])
    True
    """
    network, X = check_network(network), samples(X, network.n_inputs)
    choice(method, "method", METHODS)
    n_steps, tolerance = integer(n_steps, "n_steps", 1), number(tolerance, "tolerance", minimum=0.0)
    if isinstance(network, ReducedNetwork):
        _check_reduced(network, X, flag(allow_outside, "allow_outside"))
    objective = Objective(network, X, y, loss)
    if not np.isfinite(objective.value(network.to_vector())):
        raise ValueError("the loss of `network` at the samples leaves the range of float64")
    monitor = Monitor(network, objective)
    try:
        converged, message = lbfgs.minimise(network, objective, monitor, n_steps, tolerance)
    except StopTraining as stop:
        converged, message = False, str(stop)
    except KeyboardInterrupt:
        converged, message = False, "interrupted"
    return monitor.result(converged, message)


def _check_reduced(network: ReducedNetwork, X: np.ndarray, allow_outside: bool) -> None:
    """Refuse a network that is not in its space, and samples that are not in its domain."""
    feasible = network.feasibility()
    if not feasible:
        raise ValueError(f"`network` must be feasible, got one with {feasible.reason}")
    outside = int((~network.domain.contains(X)).sum())
    if outside and not allow_outside:
        raise ValueError(f"`X` must lie in the network's domain {network.domain!r}, got {outside} of {len(X)} "
                         "samples outside (allow_outside=True goes on all the same)")
