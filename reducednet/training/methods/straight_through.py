"""Train binary networks with the straight-through estimator.

The step s(z) has slope 0 wherever it has a slope, so the loss has no useful gradient. Here the
forward pass uses the step, and the backward pass the slope of a ramp of half width c_j,

    s'(z_j) := 1 / (2 c_j) if |z_j| < c_j, else 0,    c_j = width * standard deviation of z_j,

which is the slope of the mean of s(z + c u) over u uniform on (-1, 1). With the standard deviation
over the samples the slope scales as it should: for alpha w_j, alpha b_j it is divided by alpha. The
result is not a gradient of the loss. Adam in the network's space follows it, and the run returns
the best network found. The method is here for comparison: for one hidden layer, exact exchange is
better (THEORY, section 8).

References
----------
Y. Bengio, N. Leonard, A. Courville, *Estimating or propagating gradients through stochastic neurons
for conditional computation*, arXiv 1308.3432 (2013). D. P. Kingma, J. Ba, *Adam: a method for
stochastic optimization*, arXiv 1412.6980 (2014).
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._validation import Array, RandomLike
from ...networks.activations import binary
from ...networks.network import Network
from ...reduced_space.spaces import space_of
from ..monitor import Monitor, NotFinite
from ..objective import Objective

WIDTH = 0.15
"""Half width of the ramp, in standard deviations of a neuron's z."""

LEARNING_RATE = 0.02
DECAYS = 0.9, 0.999
"""beta1 and beta2 of Adam: the decay of its running means of the gradient and of its square."""

EPSILON = 1e-8
"""What Adam adds to the denominator, so that it is not 0."""


def minimise(
    network: Network, objective: Objective, monitor: Monitor, n_steps: int, tolerance: float, *,
    rng: RandomLike = None, width: float = WIDTH, learning_rate: float = LEARNING_RATE,
    state: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Run Adam with straight-through gradients from the network and record it in the monitor.

    m <- mean of g,   v <- mean of g^2,   theta <- step(theta, -rate m / sqrt(v))

    The rate is constant. A decreasing one was no better, and with it two runs of n / 2 steps would
    differ from one run of n.

    Parameters
    ----------
    network : Network or ReducedNetwork
        Binary, of any depth.
    objective : Objective
        Any loss; every step uses all samples.
    monitor : Monitor
        Also records the norm of the straight-through gradient.
    n_steps : int
    tolerance : float
        The run has converged when the norm of the straight-through gradient is at most this.
    rng : None, int, Generator or SeedSequence
        Not used: nothing here is random.
    width : float
        Half width of the ramp, in standard deviations of a neuron's z over the samples.
    learning_rate : float
    state : dict, optional
        What an earlier run left in ``monitor.state``; this run continues it bit for bit.

    Returns
    -------
    (converged, message)
    """
    space, theta, n_done = space_of(network), network.to_vector(), 0
    moments = np.zeros((2, len(theta)))
    if state is not None:
        theta, moments = np.array(state["vector"]), np.array(state["moments"])
        n_done = int(state["n_steps"])
    for step in range(n_done, n_done + n_steps + 1):
        value, gradient = gradient_estimate(network, objective, theta, width)
        if not np.isfinite(gradient).all():
            raise NotFinite
        gradient = space.gradient(theta, gradient)
        norm = float(np.linalg.norm(gradient))
        monitor.record(theta, value, norm, state={
            "method": "surrogate", "n_steps": step, "vector": theta, "moments": moments.copy(),
        })
        if norm <= tolerance:
            return True, "converged: the straight-through gradient is 0 to the tolerance"
        if step < n_done + n_steps:
            theta = space.step(theta, -learning_rate * _adam(gradient, moments[0], moments[1], step + 1))
    return False, f"the limit of {n_steps} steps is reached"


def gradient_estimate(
    network: Network, objective: Objective, theta: Array, width: float = WIDTH
) -> tuple[float, Array]:
    """Return the loss at the flat vector theta and its straight-through gradient.

    D^L = C^T delta * s'(Z^L),    D^l = W^(l+1)^T D^(l+1) * s'(Z^l),    dblock^l = H^(l-1) D^l^T

    Parameters
    ----------
    network : Network
        Gives the shape.
    objective : Objective
    theta : array (n_parameters,)
    width : float
        Half width of the ramp, in standard deviations of a neuron's z over the samples.

    Returns
    -------
    value : float
        The loss of the network itself, with the step.
    gradient : array (n_parameters,)
        Exact for the outgoing weights.
    """
    gradient = np.empty_like(theta)
    blocks, gradients = network.layout.blocks(theta), network.layout.blocks(gradient)
    layers, slopes = [objective.H], [np.ones(1)]
    for block in blocks[:-1]:
        Z = block.T @ layers[-1]
        slopes.append(_ramp_slope(Z, width))
        layers.append(np.vstack([binary(Z), np.ones(Z.shape[1])]))
    outputs = blocks[-1].T @ layers[-1][:len(blocks[-1])]
    value, delta = objective.loss(outputs.T, objective.y, sample_weight=objective.sample_weight)
    D = delta.T
    for block, part, H, slope in list(zip(blocks, gradients, layers, slopes))[::-1]:
        np.dot(H[:len(block)], D.T, out=part)
        D = (block[:len(H) - 1] @ D) * slope
    return value, gradient


def _ramp_slope(Z: Array, width: float) -> Array:
    """Return s'(Z) for Z (n_neurons, n_samples); 0 for a neuron with the same z at all samples."""
    c = width * Z.std(axis=1, keepdims=True)
    return np.divide(0.5, c, out=np.zeros_like(Z), where=np.abs(Z) < c)


def _adam(gradient: Array, mean: Array, square: Array, step: int) -> Array:
    """Return Adam's direction m / (sqrt(v) + EPSILON), with m and v corrected for their start at 0.

    The running means are updated in place; steps count from 1.
    """
    first, second = DECAYS
    mean += (1.0 - first) * (gradient - mean)
    with np.errstate(over="ignore"):
        square += (1.0 - second) * (gradient**2 - square)
    return (mean / (1.0 - first**step)) / (np.sqrt(square / (1.0 - second**step)) + EPSILON)
