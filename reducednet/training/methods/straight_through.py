"""Train binary networks with the straight-through estimator.

The step s(z) has slope 0 wherever it has a slope, so the loss has no useful gradient. Here the
forward pass uses the step, and the backward pass (`networks.backward`) the slope of a ramp of half
width c_j,

    s'(z_j) := 1 / (2 c_j) if |z_j| < c_j, else 0,    c_j = width * standard deviation of z_j,

which is the slope of the mean of s(z + c u) over u uniform on (-1, 1). With the standard deviation
over the samples the slope scales as it should: for alpha w_j, alpha b_j it is divided by alpha. The
result is not a gradient of the loss. Adam in the network's space follows it, and the run returns
the best network found. The method is here for comparison: for one hidden layer, exact exchange is
better (THEORY, section 8).

References
----------
Y. Bengio, N. Leonard, A. Courville, *Estimating or propagating gradients through stochastic neurons
for conditional computation*, arXiv 1308.3432 (2013).
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..._validation import Array
from ...networks.activations import Activation
from ...networks.backward import backward, forward
from ...networks.network import Network
from ...networks.parameters import Layout, Parameters
from ..monitor import Monitor
from ..objective import Objective
from .gradient_descent import Adam, descend, state_fields

WIDTH = 0.15
"""Half width of the ramp, in standard deviations of a neuron's z."""

LEARNING_RATE = 0.02
STATES = {"surrogate": state_fields(Adam, batches=False)}


class _SurrogateAdam(Adam):
    """Adam, under this method's name in states."""

    name = "surrogate"


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    width: float = WIDTH, learning_rate: float = LEARNING_RATE, state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run Adam with straight-through gradients from the network and record it in the monitor.

    The rate is constant. A decreasing one was no better, and with it two runs of n / 2 steps would
    differ from one run of n.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Binary, of any depth.
    objective : Objective
        Any loss; every step uses all samples. From now on its gradient is the straight-through one.
    monitor : Monitor
        Also records the norm of the straight-through gradient.
    n_steps : int
    tolerance : float
        The run has converged when the norm of the straight-through gradient is at most this.
    width : float
        Half width of the ramp, in standard deviations of a neuron's z over the samples.
    learning_rate : float
    state : dict, optional
        What an earlier run left in ``monitor.state``; this run continues it bit for bit.

    Returns
    -------
    (converged, message)
    """
    objective.estimate_by(LossAndEstimate(network, objective, width))
    rule = _SurrogateAdam(learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8)
    return descend(network, objective, monitor, n_steps, tolerance, rule, state=state)


class LossAndEstimate:
    """The mean loss, with the step, and its straight-through gradient, with the slope of the ramp.

    The slope depends on all samples, so they are not taken in chunks.

    Parameters
    ----------
    network : Network
        Gives the shape.
    objective : Objective
        Has the samples, and the arrays `vector` and `gradient`; see `Objective.estimate_by`.
    width : float
        Half width of the ramp, in standard deviations of a neuron's z over the samples.
    """

    def __init__(self, network: Network, objective: Objective, width: float = WIDTH) -> None:
        self._objective, self._layout = objective, network.layout
        self._X = objective.H[:-1].T
        slope = partial(_ramp_slope, width=width)
        self._activation = network._activation._replace(slope=slope)

    def __call__(self, take_masks: Callable[[Sequence[Any]], None] | None = None) -> float:
        """Return the loss and write the estimate of its gradient; see `LossAndGradient`."""
        objective = self._objective
        network: Any = _Ramps(self._layout, objective.vector, self._activation)
        outputs, Z, H = forward(network, self._X)
        value, delta = objective.loss(outputs, objective.y, sample_weight=objective.sample_weight)
        objective.gradient[...] = backward(network, Z, H, delta).to_vector()
        if objective.first_weights_held:
            self._layout.blocks(objective.gradient)[0][:-1] = 0.0
        if take_masks is not None:
            take_masks([z.T > 0.0 for z in Z])
        return value


class _Ramps(Parameters):
    """The parameters of a binary network with another activation: its slope is that of the ramp."""

    def __init__(self, layout: Layout, vector: Array, activation: Activation) -> None:
        super().__init__(layout, vector)
        self._activation = activation


def _ramp_slope(Z: Array, width: float) -> Array:
    """Return s'(Z) for Z (n_samples, n_neurons); 0 for a neuron with the same z at all samples."""
    c = width * Z.std(axis=0)
    return np.divide(0.5, c, out=np.zeros_like(Z), where=np.abs(Z) < c)
