"""Compute the loss and its gradient by the flat vector: the backward pass (THEORY, section 6).

Layer by layer from the last one, with D^l the derivative of the loss with respect to Z^l, delta
that with respect to the outputs, and dblock^l the gradient by the block of layer l:

    D^L = C^T delta * s'(Z^L),    D^l = W^(l+1)^T D^(l+1) * s'(Z^l),    dblock^l = H^(l-1) D^l^T

`BackwardPass` computes this for any network; the other two classes are shortcuts for one output
over one hidden layer. `jacobian` computes the same derivatives for each sample, in plain NumPy.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._validation import Array
from .activations import Activation
from .forward import Buffers, ForwardPass, Workspace, pre_activations, times
from .losses import Loss
from .parameters import Layout

ZERO = np.zeros(())  # a 0-d array: less overhead in a ufunc than a Python number


class BackwardPass:
    """The backward pass, to be called after `ForwardPass` on the same chunk of samples.

    It overwrites the activations in the buffers. Views are made once, a call makes none.

    Parameters
    ----------
    delta : array (n_outputs, n)
        The derivative of the loss with respect to the outputs.
    gradients : list of arrays
        Where the gradients are written, with the shapes of the blocks. A binary layer has slope 0
        everywhere, so only the outgoing gradient is not 0.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, activation: Activation, buffers: Buffers,
        gradients: Sequence[Array],
    ) -> None:
        inputs = [H, *buffers.activations]
        self._outgoing = inputs[-1][:len(blocks[-1])].dot, delta.T, gradients[-1]
        self._zero_gradients = gradients[:-1] if activation.name == "binary" else ()
        self._hidden = list(zip(buffers.activations, buffers.masks)) if self._zero_gradients else []
        self._layers: list[tuple[Any, ...]] = []
        D_above = delta
        for layer in () if self._zero_gradients else range(len(blocks) - 2, -1, -1):
            D = buffers.activations[layer][:-1]  # H^l, until its derivative takes its place
            scratch = buffers.scratch[:len(D)]
            self._layers.append((
                times(blocks[layer + 1][:len(D)], scratch), D_above, D, buffers.masks[layer],
                buffers.masks[layer].view(np.int8), scratch, inputs[layer].dot, D.T,
                gradients[layer],
            ))
            D_above = D

    def __call__(self) -> None:
        """Write the gradients, layer by layer from the last one."""
        H_times, delta_transposed, gradient = self._outgoing
        H_times(delta_transposed, out=gradient)
        for gradient in self._zero_gradients:
            gradient.fill(0.0)
        for H, mask in self._hidden:
            np.greater(H[:-1], ZERO, out=mask)
        for layer in self._layers:
            weights_times, D_above, D, mask, integers, scratch, H_times, D_transposed, gradient = layer
            np.greater(D, ZERO, out=mask)  # D is still H^l
            D[...] = integers
            weights_times(D_above, out=scratch)
            D *= scratch
            H_times(D_transposed, out=gradient)


class OuterBackwardPass:
    """The backward pass for one output over one hidden layer with fewer inputs than neurons.

    Here D = c * (mask * delta) is an outer product, which need not be formed: with

        S = (H^0 * delta) mask^T,    dblock = c * S,    dC = the column sums of block * S,

    the last since the derivative by c_j is sum_i delta_i H_ji, and H_ji = mask_ji (w_j.x_i + b_j).
    """

    @staticmethod
    def applies(blocks: Sequence[Array], delta: Array, activation: Activation) -> bool:
        """Return True for a network of this kind."""
        rows, units = blocks[0].shape
        return len(blocks) == 2 and len(delta) == 1 and activation.name == "relu" and rows < units

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, buffers: Buffers, gradients: Sequence[Array]
    ) -> None:
        block, self._D = blocks[0], buffers.activations[0][:-1]
        m = len(self._D)
        self._delta, self._mask = delta, buffers.masks[0]
        self._integers = self._mask.view(np.int8)  # converts to floats faster than booleans
        self._inputs, self._weighted = H[:-1], buffers.weighted_inputs[:-1]
        self._sums = buffers.weighted_inputs.dot, self._D.T, gradients[0]
        self._block, self._terms, self._ones = block, np.empty(block.shape), np.ones(len(block))
        self._c, self._dC, self._bias = blocks[1][:m, 0], gradients[1][:m, 0], gradients[1][m:, 0]

    def __call__(self) -> None:
        """Write the gradients; D is the mask alone, delta the last row of the weighted inputs."""
        np.greater(self._D, ZERO, out=self._mask)  # D is still H^1
        self._D[...] = self._integers
        np.multiply(self._inputs, self._delta, out=self._weighted)
        weighted_times, mask_transposed, S = self._sums
        weighted_times(mask_transposed, out=S)
        np.multiply(self._block, S, out=self._terms)
        self._ones.dot(self._terms, out=self._dC)
        self._terms[...] = self._c
        S *= self._terms
        if len(self._bias):
            np.add.reduce(self._delta, axis=1, out=self._bias)


class ThresholdBackwardPass:
    """The backward pass for one output over one hidden layer whose weights are fixed.

    dC_j = sum_i delta_i H_ji        db_j = c_j sum_i delta_i mask_ji
    """

    def __init__(
        self, blocks: Sequence[Array], delta: Array, buffers: Buffers, gradients: Sequence[Array]
    ) -> None:
        H, m = buffers.activations[0], len(buffers.activations[0]) - 1
        self._D, self._mask = H[:-1], buffers.masks[0]
        self._integers = self._mask.view(np.int8)
        self._outgoing = H[:len(blocks[1])].dot, delta[0], gradients[1][:, 0]
        self._c, self._db = blocks[1][:m, 0], gradients[0][-1]

    def __call__(self) -> None:
        """Write the gradients. D is the mask alone."""
        H_times, delta, dC = self._outgoing
        H_times(delta, out=dC)
        np.greater(self._D, ZERO, out=self._mask)  # D is still H^1
        self._D[...] = self._integers
        self._D.dot(delta, out=self._db)
        db = self._db
        db *= self._c


def backward_pass(
    blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers, gradients: Sequence[Array],
    first_weights_fixed: bool = False,
) -> Callable[[], None]:
    """Return the fastest backward pass for these arrays; it reads delta from the outputs' buffer.

    With `first_weights_fixed`, the gradient by the first layer's weights is not written.
    """
    delta = buffers.outputs
    if OuterBackwardPass.applies(blocks, delta, activation):
        if first_weights_fixed:
            return ThresholdBackwardPass(blocks, delta, buffers, gradients)
        return OuterBackwardPass(blocks, H, delta, buffers, gradients)
    if first_weights_fixed:  # the input 1 and the gradient by the thresholds alone
        H, gradients = H[-1:], [gradients[0][-1:], *gradients[1:]]
    return BackwardPass(blocks, H, delta, activation, buffers, gradients)


class LossAndGradient:
    """The mean loss and its gradient by each block, for arrays that stay where they are.

    It is made once and called at every step. Blocks, samples and responses may change between
    calls: each call reads what they hold then.

    Parameters
    ----------
    blocks, gradients : lists of arrays
        Views of the flat vector and of the flat gradient; see `Layout.blocks`.
    H : array (n_inputs + 1, n_samples)
        The samples; see `feature_first`.
    y : array (n_samples, ...)
        The responses as the loss expects them, one row for each sample.
    first_weights_fixed : bool
        Whether the gradient by the first layer's weights is to be 0.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, y: Any, loss: Loss, activation: Activation,
        workspace: Workspace, gradients: Sequence[Array], sample_weight: Array | None = None,
        first_weights_fixed: bool = False,
    ) -> None:
        self._loss, self._gradients = loss, gradients
        self._chunk_gradients = workspace.chunk_gradients
        n_samples = H.shape[1]
        if first_weights_fixed:
            gradients[0][:-1] = workspace.chunk_gradients[0][:-1] = 0.0
        self._chunks: list[tuple[Any, ...]] = []
        for chunk in workspace.slices(n_samples):
            n = chunk.stop - chunk.start
            buffers, inputs = workspace.buffers(n), H[:, chunk]
            weights = None if sample_weight is None else sample_weight[chunk]
            into = workspace.chunk_gradients if self._chunks else gradients
            self._chunks.append((
                ForwardPass(blocks, inputs, activation, buffers),
                backward_pass(blocks, inputs, activation, buffers, into, first_weights_fixed),
                buffers.outputs.T, y[chunk], weights, n / n_samples, buffers.masks,
            ))

    def __call__(self, take_masks: Callable[[Sequence[Any]], None] | None = None) -> float:
        """Return the mean loss over all samples and write its gradient by each block.

        After each chunk of samples, `take_masks` gets the masks Z^l > 0 of its layers.
        """
        total = 0.0
        for index, chunk in enumerate(self._chunks):
            run_forward, run_backward, outputs, y, sample_weight, share, masks = chunk
            run_forward()
            value, _ = self._loss(outputs, y, out=outputs, sample_weight=sample_weight)
            if share < 1.0:
                outputs *= share
            total += value * share
            run_backward()
            if take_masks is not None:
                take_masks(masks)
            if index:  # the first chunk wrote its gradients where they belong
                for gradient, chunk_gradient in zip(self._gradients, self._chunk_gradients):
                    gradient += chunk_gradient
        return total


def jacobian(layout: Layout, vector: Array, H: Array, activation: Activation) -> Array:
    """Return the derivatives of each output, at each sample, by the flat vector.

    For output k at sample i, the block of layer l is the outer product of the activations H^(l-1)
    at sample i and the derivative of output k by Z^l.

    Returns
    -------
    array (n_samples, n_outputs, n_parameters)
    """
    n_samples, n_outputs = H.shape[1], layout.sizes[-1]
    blocks = layout.blocks(vector)
    layers = [H]
    for Z in pre_activations(layout, vector, H, activation):
        layers.append(np.vstack([activation.value(Z), np.ones(n_samples)]))
    result = np.zeros((n_samples, n_outputs, layout.n_parameters))
    for k in range(n_outputs):
        D, end = np.zeros((n_outputs, n_samples)), layout.n_parameters
        D[k] = 1.0
        for block, A in zip(reversed(blocks), reversed(layers)):
            rows, columns = block.shape
            products = np.einsum("in,jn->nij", A[:rows], D)
            result[:, k, end - rows * columns:end] = products.reshape(n_samples, rows * columns)
            end -= rows * columns
            if A is not H:
                D = (block[:len(A) - 1] @ D) * activation.slope(A[:-1])
    return result
