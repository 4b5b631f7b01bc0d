"""Compute the loss on given samples, and its gradient, as functions of the flat vector."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._validation import Array, samples, weights_of_mean_one
from ..networks import backward as backward_module, forward as forward_module
from ..networks.losses import check_responses, loss_named
from ..networks.network import Network
from .weight_decay import WeightDecay

Evaluator = Callable[..., float]
"""Returns the loss and writes its gradient, as `LossAndGradient` does when it is called."""


class Objective:
    """The loss of networks of one shape on fixed samples, as a function of the flat vector.

    Optimisers call it many times, so it keeps its buffers and a call allocates almost nothing. It
    evaluates at its array `vector` and writes to its array `gradient`; see `use_arrays`.

    Parameters
    ----------
    network : Network
        Gives the shape and the activation.
    X : array (n_samples, n_inputs)
    y : array (n_samples, n_outputs), or (n_samples,) for one output or class labels
    loss : "mse" or "cross_entropy"
    sample_weight : array (n_samples,), optional
        At least 0. The loss is the mean with these weights.
    weight_decay : WeightDecay, optional
        A penalty that is added to the loss.
    """

    def __init__(
        self, network: Network, X: Any, y: Any, loss: str = "mse", sample_weight: Any = None,
        weight_decay: WeightDecay | None = None,
    ) -> None:
        X = samples(X, network.n_inputs)
        self.loss = loss_named(loss)
        self.y = np.asfortranarray(check_responses(loss, y, len(X), network.n_outputs))
        self.H = forward_module.feature_first(X)
        self.n_samples = len(X)
        self.sample_weight = weights_of_mean_one(sample_weight, len(X))
        self.activation = network._activation
        self._layout = network.layout
        self._workspace = forward_module.Workspace(self._layout, self.n_samples)
        self._decay = weight_decay
        self._estimate: Evaluator | None = None
        self._stable = StableNeurons(self._layout.sizes[1:-1])
        self._counted_at: bytes | None = None  # the vector at which neurons were counted last
        self.use_arrays(*np.zeros((2, network.n_parameters)))

    def use_arrays(self, vector: Array, gradient: Array, hold_first_weights: bool = False) -> None:
        """Evaluate from now on at this vector, which its owner may change, and write this gradient.

        With `hold_first_weights` the gradient by the first layer's weights is 0.
        """
        self.vector, self.gradient, self.first_weights_held = vector, gradient, hold_first_weights
        exact = self._evaluator(self.H, self.y, self.sample_weight, self._workspace)
        self._evaluate = self._estimate or exact
        self._batches: dict[int, tuple[Array, Any, Array | None, Evaluator]] = {}

    def estimate_by(self, estimate: Evaluator) -> None:
        """Evaluate from now on by a function called as a `LossAndGradient`; see `Evaluator`.

        It reads `vector`, writes `gradient` and respects `first_weights_held`.
        """
        self._evaluate = self._estimate = estimate

    def _evaluator(
        self, H: Array, y: Any, sample_weight: Array | None, workspace: forward_module.Workspace
    ) -> Evaluator:
        """Return the loss and gradient at these samples as a function of the array `vector`."""
        return backward_module.LossAndGradient(
            self._layout.blocks(self.vector), H, y, self.loss, self.activation, workspace,
            self._layout.blocks(self.gradient), sample_weight, self.first_weights_held,
        )

    def __call__(self, theta: Array, count: bool = False) -> tuple[float, Array]:
        """Return the loss at theta and its Euclidean gradient; the next call overwrites that array.

        Pass the array `vector` itself as theta to avoid a copy. With `count`, dead and always-on
        neurons are counted on the way, for `count_stable`.
        """
        if theta is not self.vector:
            self.vector[...] = theta
        if not count:
            return self._penalised(self._evaluate()), self.gradient
        self._counted_at = None
        self._stable.begin()
        value = self._evaluate(self._stable.add)
        self._counted_at = theta.tobytes()
        return self._penalised(value), self.gradient

    def _penalised(self, value: float) -> float:
        """Return this loss with the penalty at `vector`, and add its gradient to `gradient`."""
        if self._decay is None:
            return value
        self._decay.add_gradient(self.vector, self.gradient)
        return value + self._decay.value(self.vector)

    def on_batch(self, theta: Array, indices: Any) -> tuple[float, Array]:
        """Return the mean loss over the samples with these indices, and its gradient.

        Sample weights keep their mean of 1 over all samples, so the mean over the batches of an
        epoch is the loss.
        """
        if len(indices) not in self._batches:
            H, y = self.H[:, :len(indices)].copy(), self.y[:len(indices)].copy(order="F")
            u = None if self.sample_weight is None else np.empty(len(indices))
            workspace = forward_module.Workspace(self._layout, len(indices))
            self._batches[len(indices)] = H, y, u, self._evaluator(H, y, u, workspace)
        H, y, u, evaluate = self._batches[len(indices)]
        np.take(self.H, indices, axis=1, out=H, mode="clip")  # "raise" would buffer `out`
        np.take(self.y.T, indices, axis=-1, out=y.T, mode="clip")
        if self.sample_weight is not None and u is not None:
            np.take(self.sample_weight, indices, out=u, mode="clip")
        if theta is not self.vector:
            self.vector[...] = theta
        return self._penalised(evaluate()), self.gradient

    def value(self, theta: Array) -> float:
        """Return the loss at theta; inf or nan if it leaves the range of float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = forward_module.outputs(self._layout, theta, self.H, self.activation, self._workspace)
            value = self.loss(outputs, self.y, sample_weight=self.sample_weight)[0]
            return value if self._decay is None else value + self._decay.value(theta)

    def count_stable(self, theta: Array) -> tuple[int, int]:
        """Return how many neurons are dead, and how many always on, at the samples.

        This costs a pass, unless the last call counted on the way and was at theta.
        """
        if self._counted_at is None or theta.tobytes() != self._counted_at:
            self(theta, count=True)
        return self._stable.counts()


class StableNeurons:
    """Counts dead and always-on neurons from the masks Z^l > 0 of each chunk of samples.

    Parameters
    ----------
    hidden : sizes of the hidden layers
    """

    def __init__(self, hidden: Sequence[int]) -> None:
        n_neurons, ends = sum(hidden), np.cumsum(hidden)[:-1]
        self._somewhere, self._everywhere, self._in_chunk = np.empty((3, n_neurons), dtype=bool)
        arrays = (self._somewhere, self._everywhere, self._in_chunk)
        self._layers = list(zip(*(np.split(array, ends) for array in arrays)))
        self._first = True

    def begin(self) -> None:
        """Begin anew, before the first chunk."""
        self._first = True

    def add(self, masks: Sequence[Any]) -> None:
        """Take account of a chunk of samples, given the mask (n_l, n) of each layer."""
        first, self._first = self._first, False
        for mask, (somewhere, everywhere, in_chunk) in zip(masks, self._layers):
            if first:
                np.logical_or.reduce(mask, axis=1, out=somewhere)
                np.logical_and.reduce(mask, axis=1, out=everywhere)
            else:
                somewhere |= np.logical_or.reduce(mask, axis=1, out=in_chunk)
                everywhere &= np.logical_and.reduce(mask, axis=1, out=in_chunk)

    def counts(self) -> tuple[int, int]:
        """Return the numbers of neurons that no sample, and that every sample, activates."""
        n_neurons, somewhere = len(self._somewhere), np.count_nonzero(self._somewhere)
        return n_neurons - int(somewhere), int(np.count_nonzero(self._everywhere))
