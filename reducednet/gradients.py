"""Loss and gradient of networks in both spaces, the Jacobian, and a check of gradients."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import kernels
from ._validation import Array, RandomLike, generator, samples
from .losses import check_responses, loss_named
from .networks import Network, check_network
from .parameters import Parameters
from .reduced_networks import ReducedNetwork
from .spaces import space_of


class Objective:
    """The loss of networks of one shape at fixed samples, as a function of the flat vector.

    It owns the buffers, so that a call allocates next to nothing: what optimisers call.

    Parameters
    ----------
    network : Network
        Gives the shape and the activation.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output or class labels
    loss : "mse" or "cross_entropy"
    """

    def __init__(self, network: Network, X: Any, y: Any, loss: str = "mse") -> None:
        X = samples(X, network.n_inputs)
        self.loss = loss_named(loss)
        self.y = np.asfortranarray(check_responses(loss, y, len(X), network.n_outputs))
        self.H = kernels.feature_first(X)
        self.n_samples = len(X)
        self.activation = network._activation
        self.vector, self.gradient = np.empty(network.n_parameters), np.empty(network.n_parameters)
        self._layout = network.layout
        self._evaluate = self._evaluation(self.H, self.y)
        self._batches: dict[int, tuple[Array, Any, kernels.LossAndGradient]] = {}

    def _evaluation(self, H: Array, y: Any) -> kernels.LossAndGradient:
        """Return the loss and gradient at these samples as a function of the buffer `vector`."""
        return kernels.LossAndGradient(
            self._layout.blocks(self.vector), H, y, self.loss, self.activation,
            kernels.Workspace(self._layout, H.shape[1]), self._layout.blocks(self.gradient),
        )

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the loss at theta and its Euclidean gradient, in a buffer that the next call overwrites.

        An optimiser that keeps its point in the buffer `vector` itself saves a copy.
        """
        if theta is not self.vector:
            self.vector[...] = theta
        return self._evaluate(), self.gradient

    def on_batch(self, theta: Array, indices: Any) -> tuple[float, Array]:
        """Return the mean loss over the samples of these indices, and its gradient, as a call does."""
        if len(indices) not in self._batches:
            H, y = self.H[:, :len(indices)].copy(), self.y[:len(indices)].copy(order="F")
            self._batches[len(indices)] = H, y, self._evaluation(H, y)
        H, y, evaluate = self._batches[len(indices)]
        np.take(self.H, indices, axis=1, out=H, mode="clip")  # "clip" writes to `out` without a copy
        np.take(self.y.T, indices, axis=-1, out=y.T, mode="clip")
        if theta is not self.vector:
            self.vector[...] = theta
        return evaluate(), self.gradient

    def value(self, theta: Array) -> float:
        """Return the loss at theta."""
        outputs = kernels.outputs(self._layout, theta, self.H, self.activation)
        return self.loss(outputs, self.y)[0]

    def count_constant(self, theta: Array) -> tuple[int, int]:
        """Return how many neurons are inactive, and how many active, at every sample."""
        active = [Z > 0.0 for Z in kernels.pre_activations(self._layout, theta, self.H, self.activation)]
        dead = sum(int((~A.any(axis=1)).sum()) for A in active)
        return dead, sum(int(A.all(axis=1).sum()) for A in active)


def loss_and_gradient(network: Network, X: Any, y: Any, loss: str = "mse") -> tuple[float, Parameters]:
    """Return the loss at the samples and its gradient by the network's parameters.

    Parameters
    ----------
    network : Network
        For a ReducedNetwork the gradient is Riemannian: tangent to the spheres.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output
        With ``loss="cross_entropy"`` class labels 0 .. n_outputs - 1, (n_samples,).
    loss : "mse" or "cross_entropy"
        The mean over the samples of the squared error (no 1/2), or of the softmax cross entropy.

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
    objective = Objective(network, X, y, loss)
    theta = network.to_vector()
    value, euclidean = objective(theta)
    return value, Parameters(network.layout, space_of(network).gradient(theta, euclidean))


def jacobian(network: Network, X: Any) -> Array:
    """Return the derivatives of each output at each sample by the flat vector of parameters.

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
    H = kernels.feature_first(samples(X, network.n_inputs))
    return kernels.jacobian(network.layout, network.to_vector(), H, network._activation)


class GradientCheck(NamedTuple):
    """What `check_gradient` found.

    Attributes
    ----------
    analytic, numeric : float
        The directional derivative by the backward pass and by differences.
    difference : float
        |analytic - numeric| over the larger of the two.
    slope : float
        Of log|f(t) - f(0) - t analytic| over log t: 2 for a right gradient, 1 for a wrong one; nan
        where the remainder is lost in rounding.
    """

    analytic: float
    numeric: float
    difference: float
    slope: float


def check_gradient(
    network: Network, X: Any, y: Any, loss: str = "mse", *, rng: RandomLike = None
) -> GradientCheck:
    """Compare the gradient with differences of the loss along a random curve.

    f(t) = loss(step(theta, t v)), a straight line for a Network and a retraction for a
    ReducedNetwork; v is tangent and leaves thresholds at an end of their interval alone. The steps t
    are small enough that no sample crosses a neuron's hyperplane, for at a kink a difference means
    nothing.

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
    >>> check.difference < 1e-6, round(check.slope, 3)
    (True, 2.0)
    """
    network = check_network(network)
    space, theta = space_of(network), network.to_vector()
    objective = Objective(network, X, y, loss)
    value, euclidean = objective(theta)
    gradient = space.gradient(theta, euclidean)
    direction = space.gradient(theta, generator(rng).standard_normal(len(theta)))
    if isinstance(network, ReducedNetwork):
        direction = _stay_inside(network, direction)
    analytic = float(gradient @ direction)
    t: Array = np.ldexp(_step_without_kink(network, space, direction, X), -np.arange(8))
    forward = np.array([objective(space.step(theta, s * direction))[0] for s in t])
    backward = objective(space.step(theta, -t[3] * direction))[0]
    numeric = float(forward[3] - backward) / (2.0 * float(t[3]))
    scale = max(abs(analytic), abs(numeric))
    remainder = np.abs(forward - value - t * analytic)
    return GradientCheck(analytic, numeric, abs(analytic - numeric) / scale if scale else 0.0,
                         _log_slope(t, remainder, 1e3 * np.finfo(float).eps * abs(value)))


def _stay_inside(network: ReducedNetwork, direction: Array) -> Array:
    """Return the direction without its part for thresholds at an end of their interval."""
    for block, b, interval in zip(network.layout.blocks(direction), network.thresholds, network.intervals):
        block[-1, (b <= interval[:, 0]) | (b >= interval[:, 1])] = 0.0
    return direction


def _step_without_kink(network: Network, space: Any, direction: Array, X: Any) -> float:
    """Return the largest power of two up to 1e-2 for which no pre-activation changes its sign."""
    theta = network.to_vector()
    signs = [Z > 0.0 for Z in network.pre_activations(X)]
    t = 2.0**-7
    while t > 2.0**-40:
        moved = [space.network(space.step(theta, s * direction)).pre_activations(X) for s in (t, -t)]
        if all(np.array_equal(Z > 0.0, before) for zs in moved for Z, before in zip(zs, signs)):
            break
        t /= 2.0
    return t


def _log_slope(t: Array, remainder: Array, noise: float) -> float:
    """Return the slope of log(remainder) over log(t), from the values above the noise."""
    clear = remainder > noise
    if clear.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(t[clear]), np.log(remainder[clear]), 1)[0])
