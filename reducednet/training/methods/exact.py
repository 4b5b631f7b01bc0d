"""Construct the best network of one input instead of searching for it: see `global_optima`."""
from __future__ import annotations

import numpy as np

from ...domains import data_box
from ...networks.network import Network
from ...reduced_space.reduced_network import ReducedNetwork
from ..global_optima.fit_exact import Task, best_fit
from ..global_optima.limits import Samples, compared
from ..monitor import Monitor
from ..objective import Objective


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float
) -> tuple[bool, str]:
    """Construct a network of this size, as `fit_exact` does, and record the start and this network.

    Parameters
    ----------
    network : Network or ReducedNetwork
        One input, one hidden layer. Only its size and its domain matter, unless it is better than
        the one constructed.
    objective : Objective
        Mean squared error.
    monitor : Monitor
    n_steps : int
        The largest number of steps of each variable projection, where the runs do not meet.
    tolerance : float
        Each has converged when a step lowers the loss by less than this share of it.

    Returns
    -------
    (converged, message)
        The message names the loss and a proved lower bound of all networks' losses.
    """
    start = network.to_vector()
    monitor.record(start, objective.value(start))
    X, Y, weights = objective.H[:-1].T, np.asarray(objective.y), objective.sample_weight
    samples = Samples(X, Y, np.ones(len(X)) if weights is None else weights)
    domain = network.domain if isinstance(network, ReducedNetwork) else data_box(samples.X)
    bias = network.output_bias is not None
    task = Task(samples, network.sizes[1], network.activation, bias, domain,
                n_steps, tolerance)
    fit, limit = best_fit(task)
    vector = fit.to_vector()
    monitor.record(vector, objective.value(vector))
    if samples.loss(network) < samples.loss(fit):
        limit = compared(limit, network)
    return True, (f"constructed: the loss is {limit.error:.9g}, "
                  f"and no network of this size has one below {limit.bound:.9g}")
