"""Loss and gradient of networks in both spaces, the Jacobian, and a check of gradients."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, RandomLike, finite_result, generator, samples, weights_of_mean_one
from ..networks import forward as forward_module
from ..networks.losses import check_responses, loss_named
from ..networks.network import Network, check_network
from ..networks.parameters import Parameters
from ..numerics.records import record
from ..reduced_space.spaces import space_of


class Objective:
    """The loss of networks of one shape at fixed samples, as a function of the flat vector.

    It owns the buffers, so that a call allocates next to nothing: what optimisers call. Its `gradient`
    and `vector` are the first and the last row of `rows` (5, n_parameters); the rows between are the
    optimiser's.

    Parameters
    ----------
    network : Network
        Gives the shape and the activation.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output or class labels
    loss : "mse" or "cross_entropy"
    sample_weight : array (n_samples,), optional
        At least 0. The loss is the mean with these weights.
    """

    def __init__(self, network: Network, X: Any, y: Any, loss: str = "mse", sample_weight: Any = None) -> None:
        X = samples(X, network.n_inputs)
        self.loss = loss_named(loss)
        self.y = np.asfortranarray(check_responses(loss, y, len(X), network.n_outputs))
        self.H = forward_module.feature_first(X)
        self.n_samples = len(X)
        self.sample_weight = weights_of_mean_one(sample_weight, len(X))
        self.activation = network._activation
        self.rows = np.zeros((5, network.n_parameters))
        self.gradient, self.vector = self.rows[0], self.rows[4]
        self._layout = network.layout
        self._workspace = forward_module.Workspace(self._layout, self.n_samples)
        self._still = False
        self._evaluate = self._evaluation(self.H, self.y, self.sample_weight, self._workspace)
        self._batches: dict[int, tuple[Array, Any, Array | None, forward_module.LossAndGradient]] = {}

    def hold_first_weights(self) -> None:
        """Let the gradient by the first layer's weights be 0 from now on: they do not move."""
        self._still = True
        self._evaluate = self._evaluation(self.H, self.y, self.sample_weight, self._workspace)
        self._batches.clear()

    def _evaluation(
        self, H: Array, y: Any, sample_weight: Array | None, workspace: forward_module.Workspace
    ) -> forward_module.LossAndGradient:
        """Return the loss and gradient at these samples as a function of the buffer `vector`."""
        return forward_module.LossAndGradient(
            self._layout.blocks(self.vector), H, y, self.loss, self.activation, workspace,
            self._layout.blocks(self.gradient), sample_weight, self._still,
        )

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the loss at theta and its Euclidean gradient, in a buffer that the next call overwrites.

        An optimiser that keeps its point in the buffer `vector` itself saves a copy.
        """
        if theta is not self.vector:
            self.vector[...] = theta
        return self._evaluate(), self.gradient

    def on_batch(self, theta: Array, indices: Any) -> tuple[float, Array]:
        """Return the mean loss over the samples of these indices, and its gradient, as a call does.

        Sample weights are those of all samples, of mean 1 over these: the mean over batches is the loss.
        """
        if len(indices) not in self._batches:
            H, y = self.H[:, :len(indices)].copy(), self.y[:len(indices)].copy(order="F")
            u = None if self.sample_weight is None else np.empty(len(indices))
            workspace = forward_module.Workspace(self._layout, len(indices))
            self._batches[len(indices)] = H, y, u, self._evaluation(H, y, u, workspace)
        H, y, u, evaluate = self._batches[len(indices)]
        np.take(self.H, indices, axis=1, out=H, mode="clip")  # "clip" writes to `out` without a copy
        np.take(self.y.T, indices, axis=-1, out=y.T, mode="clip")
        if self.sample_weight is not None and u is not None:
            np.take(self.sample_weight, indices, out=u, mode="clip")
        if theta is not self.vector:
            self.vector[...] = theta
        return evaluate(), self.gradient

    def value(self, theta: Array) -> float:
        """Return the loss at theta: inf or nan where it leaves the range of float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = forward_module.outputs(self._layout, theta, self.H, self.activation, self._workspace)
            return self.loss(outputs, self.y, sample_weight=self.sample_weight)[0]

    def count_constant(self, theta: Array) -> tuple[int, int]:
        """Return how many neurons are inactive, and how many active, at every sample."""
        hidden = self._layout.sizes[1:-1]
        somewhere = [np.zeros(n, dtype=bool) for n in hidden]
        everywhere = [np.ones(n, dtype=bool) for n in hidden]
        for part in self._workspace.slices(self.n_samples):
            layers = forward_module.pre_activations(self._layout, theta, self.H[:, part], self.activation)
            for Z, some, every in zip(layers, somewhere, everywhere):
                some |= (Z > 0.0).any(axis=1)
                every &= (Z > 0.0).all(axis=1)
        dead = sum(int((~some).sum()) for some in somewhere)
        return dead, sum(int(every.sum()) for every in everywhere)


def loss_and_gradient(
    network: Network, X: Any, y: Any, loss: str = "mse", *, sample_weight: Any = None
) -> tuple[float, Parameters]:
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
    sample_weight : array (n_samples,), optional
        At least 0. The mean is weighted: integers count a sample so many times, 0 leaves it out.

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
    H = forward_module.feature_first(samples(X, network.n_inputs, allow_empty=True))
    with np.errstate(over="ignore", invalid="ignore"):
        result = forward_module.jacobian(network.layout, network.to_vector(), H, network._activation)
    return finite_result(result, "a derivative")


@record
class GradientCheck(NamedTuple):
    """What `check_gradient` found.

    Attributes
    ----------
    analytic, numeric : float
        The directional derivative by the backward pass and by differences.
    difference : float
        |analytic - numeric| over the largest of the two and of the loss's change over the longest step.
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
    """Compare the gradient with differences of the loss along a random line.

    f(t) = loss(theta + t v), with v tangent to the spheres for a ReducedNetwork: the retraction of
    its space keeps the function's scale, so this is f along the retraction too. Samples that cross a
    neuron's hyperplane on the way are left out, for at a kink a difference means nothing.

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
    far, largest = _away_from_kinks(network, direction, X)
    objective = Objective(network, X[far], y[far], loss)
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


def _away_from_kinks(network: Network, direction: Array, X: Array) -> tuple[np.ndarray, float]:
    """Return which samples cross no hyperplane within a step of the line, and that step.

    The step is the largest power of two up to 2^-7 that keeps at least half of the samples.
    """
    theta, step = network.to_vector(), 2.0**-7
    signs = [Z > 0.0 for Z in network.pre_activations(X)]
    while True:
        far = np.ones(len(X), dtype=bool)
        for s in (step, step / 2, -step / 2, -step):
            moved = network.with_vector(theta + s * direction).pre_activations(X)
            for Z, before in zip(moved, signs):
                far &= ((Z > 0.0) == before).all(axis=1)
        if 2 * far.sum() >= len(X) or step < 2.0**-30:
            return (far if far.any() else ~far), step
        step /= 2.0


def _log_slope(t: Array, remainder: Array, noise: float) -> float:
    """Return the slope of log(remainder) over log(t), from the values above the noise."""
    clear = remainder > noise
    if clear.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(t[clear]), np.log(remainder[clear]), 1)[0])
