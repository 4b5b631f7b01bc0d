"""Compute the loss, its gradient in both spaces and the Jacobian, and check gradients."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, RandomLike, finite_result, generator, samples
from ..networks import backward as backward_module, forward as forward_module
from ..networks.losses import check_responses
from ..networks.network import Network, check_network
from ..networks.parameters import Parameters
from ..numerics.records import record
from ..reduced_space.spaces import space_of
from .objective import Objective


def loss_and_gradient(
    network: Network, X: Any, y: Any, loss: str = "mse", *, sample_weight: Any = None
) -> tuple[float, Parameters]:
    """Return the loss on the samples and its gradient with respect to the network's parameters.

    Parameters
    ----------
    network : Network
        For a ReducedNetwork the gradient is Riemannian: tangent to the spheres.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output
        With ``loss="cross_entropy"`` class labels 0 .. n_outputs - 1, (n_samples,).
    loss : "mse" or "cross_entropy"
        The mean over the samples of the squared error (no 1/2), or of the softmax cross entropy.
    sample_weight : array (n_samples,), optional
        At least 0. The mean is weighted: an integer k counts a sample k times, 0 leaves it out.

    Returns
    -------
    value : float
    gradient : Parameters
        Arrays of the network's shapes: ``weights``, ``thresholds``, ``output_weights``,
        ``output_bias``. A binary network's hidden parameters have gradient 0.

    Raises
    ------
    TypeError, ValueError
        If X or y has a wrong shape or is not finite, or the loss is unknown.

    References
    ----------
    THEORY, sections 4 and 6.

    Examples
    --------
    >>> net = Network([[[1.0]]], [[0.0]], [[2.0]])
    >>> value, gradient = loss_and_gradient(net, [[3.0]], [5.0])
    >>> value, gradient.weights[0].tolist(), gradient.thresholds[0].tolist()
    (1.0, [[12.0]], [4.0])
    """
    network = check_network(network)
    objective = Objective(network, X, y, loss, sample_weight)
    theta = network.to_vector()
    with np.errstate(over="ignore", invalid="ignore"):
        value, euclidean = objective(theta)
    finite_result(np.append(euclidean, value), "the loss or its gradient")
    return value, Parameters(network.layout, space_of(network).gradient(theta, euclidean))


def jacobian(network: Network, X: Any) -> Array:
    """Return the derivatives of each output at each sample with respect to the flat vector.

    Parameters
    ----------
    network : Network
    X : array (n_samples, n_inputs)

    Returns
    -------
    array (n_samples, n_outputs, n_parameters)
        Euclidean, in the order of ``network.to_vector()``.

    Examples
    --------
    >>> jacobian(Network([[[1.0]]], [[0.0]], [[2.0]]), [[3.0]]).tolist()
    [[[6.0, 2.0, 3.0]]]
    """
    network = check_network(network)
    H = forward_module.feature_first(samples(X, network.n_inputs, allow_empty=True))
    with np.errstate(over="ignore", invalid="ignore"):
        result = backward_module.jacobian(network.layout, network.to_vector(), H, network._activation)
    return finite_result(result, "a derivative")


@record
class GradientCheck(NamedTuple):
    """The result of `check_gradient`.

    Attributes
    ----------
    analytic, numeric : float
        The directional derivative by the backward pass and by central differences.
    difference : float
        |analytic - numeric| relative to the largest of |analytic|, |numeric| and the loss's rate of
        change along the line.
    slope : float
        Slope of log|f(t) - f(0) - t analytic| against log t: 2 for a correct gradient, 1 for a
        wrong one; nan if rounding errors hide the remainder.
    """

    analytic: float
    numeric: float
    difference: float
    slope: float


def check_gradient(
    network: Network, X: Any, y: Any, loss: str = "mse", *, rng: RandomLike = None
) -> GradientCheck:
    """Compare the gradient with differences of the loss along a random line.

    f(t) = loss(theta + t v), with v tangent to the spheres for a ReducedNetwork. The retraction of
    its space keeps the function's scale, so that f is the loss along the retraction too. Samples
    that cross a neuron's hyperplane on the way are left out: the loss has no derivative there.

    Parameters
    ----------
    network, X, y, loss
        As for `loss_and_gradient`.
    rng : None, int, Generator or SeedSequence

    Returns
    -------
    GradientCheck(analytic, numeric, difference, slope)

    References
    ----------
    THEORY, section 6.

    Examples
    --------
    >>> net = Network.random((2, 5, 1), rng=0)
    >>> X = np.random.default_rng(1).random((20, 2))
    >>> check = check_gradient(net, X, X[:, 0], rng=2)
    >>> check.difference < 1e-4, round(check.slope, 1)
    (True, 2.0)
    """
    network = check_network(network)
    X, theta = samples(X, network.n_inputs), network.to_vector()
    y = check_responses(loss, y, len(X), network.n_outputs)
    space = space_of(network)
    direction = space.gradient(theta, generator(rng).standard_normal(len(theta)))
    smooth, largest = _away_from_hyperplanes(network, direction, X)
    objective = Objective(network, X[smooth], y[smooth], loss)
    value, euclidean = objective(theta)
    analytic = float(space.gradient(theta, euclidean) @ direction)
    t = np.ldexp(largest, -np.arange(8))
    forward = np.array([objective(theta + s * direction)[0] for s in t])
    backward = objective(theta - t[3] * direction)[0]
    numeric = float((forward[3] - backward) / (2.0 * t[3]))
    scale = max(abs(analytic), abs(numeric), float(np.abs(forward - value).max()) / largest)
    remainder = np.abs(forward - value - t * analytic)
    return GradientCheck(analytic, numeric, abs(analytic - numeric) / scale if scale else 0.0,
                         _log_slope(t, remainder, 1e3 * np.finfo(float).eps * abs(value)))


def _away_from_hyperplanes(
    network: Network, direction: Array, X: Array
) -> tuple[np.ndarray, float]:
    """Return a mask of the samples that cross no hyperplane in a step along the line, and the step.

    The step is the largest power of two up to 2^-7 at which at least half of the samples are left.
    """
    theta, step = network.to_vector(), 2.0**-7
    signs = [Z > 0.0 for Z in network.pre_activations(X)]
    while True:
        smooth = np.ones(len(X), dtype=bool)
        for s in (step, step / 2, -step / 2, -step):
            moved = network.with_vector(theta + s * direction).pre_activations(X)
            for Z, before in zip(moved, signs):
                smooth &= ((Z > 0.0) == before).all(axis=1)
        if 2 * smooth.sum() >= len(X) or step < 2.0**-30:
            return (smooth if smooth.any() else ~smooth), step
        step /= 2.0


def _log_slope(t: Array, remainder: Array, rounding_error: float) -> float:
    """Return the slope of log(remainder) against log(t), from values above the rounding error."""
    clear = remainder > rounding_error
    if clear.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(t[clear]), np.log(remainder[clear]), 1)[0])
