"""Compute the loss on given samples, and its gradient, as functions of the flat vector."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._validation import Array, samples, weights_of_mean_one
from ..networks import backward as backward_module, forward as forward_module
from ..networks.losses import check_responses, loss_named
from ..networks.network import Network

Evaluator = Callable[..., float]
"""Returns the loss and writes its gradient, as `LossAndGradient` does when it is called."""

Evaluation = Callable[..., Evaluator]
"""Makes an `Evaluator` for fixed arrays, as the class `LossAndGradient` does."""


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
    """

    def __init__(
        self, network: Network, X: Any, y: Any, loss: str = "mse", sample_weight: Any = None
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
        self._evaluation: Evaluation = backward_module.LossAndGradient
        self.use_arrays(*np.zeros((2, network.n_parameters)))

    def use_arrays(self, vector: Array, gradient: Array, hold_first_weights: bool = False) -> None:
        """Evaluate from now on at this vector, which its owner may change, and write this gradient.

        With `hold_first_weights` the gradient by the first layer's weights is 0.
        """
        self.vector, self.gradient, self._first_weights_held = vector, gradient, hold_first_weights
        self._evaluate = self._evaluator(self.H, self.y, self.sample_weight, self._workspace)
        self._batches: dict[int, tuple[Array, Any, Array | None, Evaluator]] = {}

    def differentiate_by(self, evaluation: Evaluation) -> None:
        """Compute loss and gradient by another class than `LossAndGradient`, called as that is."""
        self._evaluation = evaluation
        self.use_arrays(self.vector, self.gradient, self._first_weights_held)

    def _evaluator(
        self, H: Array, y: Any, sample_weight: Array | None, workspace: forward_module.Workspace
    ) -> Evaluator:
        """Return the loss and gradient at these samples as a function of the array `vector`."""
        return self._evaluation(
            self._layout.blocks(self.vector), H, y, self.loss, self.activation, workspace,
            self._layout.blocks(self.gradient), sample_weight, self._first_weights_held,
        )

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the loss at theta and its Euclidean gradient; the next call overwrites that array.

        Pass the array `vector` itself as theta to avoid a copy.
        """
        if theta is not self.vector:
            self.vector[...] = theta
        return self._evaluate(), self.gradient

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
        return evaluate(), self.gradient

    def value(self, theta: Array) -> float:
        """Return the loss at theta; inf or nan if it leaves the range of float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = forward_module.outputs(self._layout, theta, self.H, self.activation, self._workspace)
            return self.loss(outputs, self.y, sample_weight=self.sample_weight)[0]

    def count_stable(self, theta: Array) -> tuple[int, int]:
        """Return how many neurons are dead, and how many always on, at the samples."""
        hidden = self._layout.sizes[1:-1]
        on_somewhere = [np.zeros(n, dtype=bool) for n in hidden]
        on_everywhere = [np.ones(n, dtype=bool) for n in hidden]
        for part in self._workspace.slices(self.n_samples):
            layers = forward_module.pre_activations(self._layout, theta, self.H[:, part], self.activation)
            for Z, somewhere, everywhere in zip(layers, on_somewhere, on_everywhere):
                somewhere |= (Z > 0.0).any(axis=1)
                everywhere &= (Z > 0.0).all(axis=1)
        dead = sum(int((~somewhere).sum()) for somewhere in on_somewhere)
        return dead, sum(int(everywhere.sum()) for everywhere in on_everywhere)
