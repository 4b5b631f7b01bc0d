"""Compute the gradient of the loss by the flat vector: backpropagation (THEORY, section 6).

`forward` and `backward` are the formulas, layer by layer, and all that there is to understand. What
follows them computes the same for training, three to thirteen times as fast: in preallocated
buffers, feature-first (see the module `forward`). `BackwardPass` does so for any ReLU network, the
classes after it for special ones. `jacobian` is for derivatives sample by sample.

Comments say what a trick gains: how much longer a step of Adam takes without it, at that size of
`benchmarks/steps.py` where it gains most. Tricks that gained less than 5 % were taken out.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._validation import Array
from .activations import Activation
from .forward import Buffers, ForwardPass, Workspace, pre_activations, times
from .losses import Loss
from .network import Network
from .parameters import Layout, Parameters, pack


def forward(network: Network, X: Array) -> tuple[Array, list[Array], list[Array]]:
    """Return the outputs, [Z^1, ..., Z^L] and [H^0, ..., H^L] at the samples X; a row is a sample.

    H^0 = X,    Z^l = H^(l-1) W^l^T + b^l,    H^l = s(Z^l),    outputs = H^L C^T + a
    """
    Z, H = [], [X]
    for W, b in zip(network.weights, network.thresholds):
        Z.append(H[-1] @ W.T + b)
        H.append(network._activation.value(Z[-1]))
    outputs = H[-1] @ network.output_weights.T
    if network.output_bias is not None:
        outputs = outputs + network.output_bias
    return outputs, Z, H


def backward(network: Network, Z: list[Array], H: list[Array], delta: Array) -> Parameters:
    """Return the gradient of the loss, given its derivative delta with respect to the outputs.

    D^l is the derivative with respect to Z^l. A row of delta, D, Z and H is a sample.

    D^L = (delta C) * s'(Z^L),    D^l = (D^(l+1) W^(l+1)) * s'(Z^l),
    dC = delta^T H^L,    da = delta^T 1,    dW^l = D^l^T H^(l-1),    db^l = D^l^T 1

    Examples
    --------
    >>> from reducednet.networks.losses import mean_squared_error
    >>> network = Network([[[1.0]]], [[0.0]], [[2.0]])
    >>> outputs, Z, H = forward(network, np.array([[3.0]]))
    >>> loss, delta = mean_squared_error(outputs, np.array([[5.0]]))
    >>> gradient = backward(network, Z, H, delta)
    >>> loss, gradient.weights[0].tolist(), gradient.thresholds[0].tolist()
    (1.0, [[12.0]], [4.0])
    """
    W = [*network.weights, network.output_weights]
    dC = delta.T @ H[-1]
    da = None if network.output_bias is None else delta.sum(axis=0)
    dW: list[Array] = []
    db: list[Array] = []
    D = delta
    for layer in reversed(range(network.depth)):  # from 0: H[layer] is the input of W[layer]
        D = (D @ W[layer + 1]) * network._activation.slope(Z[layer])
        dW.insert(0, D.T @ H[layer])
        db.insert(0, D.sum(axis=0))
    return Parameters(*pack(dW, db, dC, da))


class BackwardPass:
    """`backward` with buffers, to be called after `ForwardPass` on the same chunk of samples.

    Feature-first the formulas are D^l = W^(l+1)^T D^(l+1) * s'(Z^l) and dblock^l = H^(l-1) D^l^T.
    Views are made once, a call makes none. D^l takes the place of H^l.

    Parameters
    ----------
    delta : array (n_outputs, n)
        The derivative of the loss with respect to the outputs.
    gradients : list of arrays
        Where the gradients are written, with the shapes of the blocks.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, buffers: Buffers,
        gradients: Sequence[Array],
    ) -> None:
        inputs = [H, *buffers.activations]
        self._outgoing = inputs[-1][:len(blocks[-1])].dot, delta.T, gradients[-1]
        self._layers: list[tuple[Any, ...]] = []
        D_above = delta
        for layer in reversed(range(len(blocks) - 1)):
            D = buffers.activations[layer][:-1]
            weights_times = times(blocks[layer + 1][:len(D)], D)
            self._layers.append((
                D, buffers.masks[layer], weights_times, D_above, inputs[layer].dot, D.T,
                gradients[layer],
            ))
            D_above = D

    def __call__(self) -> None:
        """Write the gradients, layer by layer from the last one."""
        H_times, delta_transposed, gradient = self._outgoing
        H_times(delta_transposed, out=gradient)
        for D, mask, weights_times, D_above, H_times, D_transposed, gradient in self._layers:
            np.greater(D, 0.0, out=mask)  # D is still H^l, which is positive where Z^l is
            weights_times(D_above, out=D)
            D *= mask
            H_times(D_transposed, out=gradient)


class BinaryBackwardPass:
    """The backward pass of a binary network: slopes are 0, so all gradients are 0 but dC and da."""

    def __init__(
        self, blocks: Sequence[Array], delta: Array, buffers: Buffers, gradients: Sequence[Array]
    ) -> None:
        *self._hidden_gradients, outgoing = gradients
        self._outgoing = buffers.activations[-1][:len(blocks[-1])].dot, delta.T, outgoing
        self._hidden = [(H[:-1], mask) for H, mask in zip(buffers.activations, buffers.masks)]

    def __call__(self) -> None:
        """Write the gradients, and the masks for whoever counts stable neurons."""
        H_times, delta_transposed, gradient = self._outgoing
        H_times(delta_transposed, out=gradient)
        for gradient in self._hidden_gradients:
            gradient.fill(0.0)
        for H, mask in self._hidden:
            np.greater(H, 0.0, out=mask)


class OuterBackwardPass:
    """The backward pass for one output over one hidden layer with fewer inputs than neurons.

    Here D = c * (mask * delta) is an outer product, which need not be formed: with

        S = (H^0 * delta) mask^T,    dblock = c * S,    dC = the column sums of block * S,

    the last since the derivative by c_j is sum_i delta_i H_ji, and H_ji = mask_ji (w_j.x_i + b_j).
    """

    # gains 40 % (2-40-1, 1000 samples): D and its product with the inputs' rows are not formed

    @staticmethod
    def applies(blocks: Sequence[Array], delta: Array) -> bool:
        """Return True for a ReLU network of this kind."""
        rows, units = blocks[0].shape
        return len(blocks) == 2 and len(delta) == 1 and rows < units

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, buffers: Buffers,
        gradients: Sequence[Array],
    ) -> None:
        self._H = buffers.activations[0][:-1]
        m = len(self._H)
        self._mask, self._mask_transposed = buffers.masks[0], self._H.T
        self._delta, self._inputs = delta, H[:-1]
        self._weighted_inputs = buffers.weighted_inputs[:-1]
        self._weighted_times = buffers.weighted_inputs.dot
        self._block, self._dblock, self._c = blocks[0], gradients[0], blocks[1][:m, 0]
        self._dC, self._dbias = gradients[1][:m, 0], gradients[1][m:, 0]
        self._products, self._ones = np.empty(blocks[0].shape), np.ones(len(blocks[0]))

    def __call__(self) -> None:
        """Write the gradients."""
        np.greater(self._H, 0.0, out=self._mask)
        self._H[...] = self._mask  # the mask as numbers
        # H^0 * delta; its last row, 1 * delta, is delta itself and there already
        np.multiply(self._inputs, self._delta, out=self._weighted_inputs)
        S = self._dblock
        self._weighted_times(self._mask_transposed, out=S)
        np.multiply(self._block, S, out=self._products)
        self._ones.dot(self._products, out=self._dC)
        S *= self._c
        if len(self._dbias):
            np.add.reduce(self._delta, axis=1, out=self._dbias)


class ThresholdBackwardPass:
    """The backward pass for one output over one hidden layer whose weights are fixed.

    dC_j = sum_i delta_i H_ji        db_j = c_j sum_i delta_i mask_ji
    """

    # gains 16 % (1-20-1, 200 samples, reduced space)

    def __init__(
        self, blocks: Sequence[Array], delta: Array, buffers: Buffers, gradients: Sequence[Array]
    ) -> None:
        H, m = buffers.activations[0], len(buffers.activations[0]) - 1
        self._H, self._mask, self._delta = H[:-1], buffers.masks[0], delta[0]
        self._H_times, self._mask_times = H[:len(blocks[1])].dot, H[:-1].dot
        self._c, self._dC, self._db = blocks[1][:m, 0], gradients[1][:, 0], gradients[0][-1]

    def __call__(self) -> None:
        """Write the gradients."""
        self._H_times(self._delta, out=self._dC)
        np.greater(self._H, 0.0, out=self._mask)
        self._H[...] = self._mask  # the mask as numbers
        self._mask_times(self._delta, out=self._db)
        np.multiply(self._db, self._c, out=self._db)


def backward_pass(
    blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers,
    gradients: Sequence[Array], first_weights_fixed: bool = False,
) -> Callable[[], None]:
    """Return the fastest backward pass for these arrays; it reads delta from the outputs' buffer.

    With `first_weights_fixed`, the gradient by the first layer's weights is not written.
    """
    delta = buffers.outputs
    if activation.name == "binary":
        return BinaryBackwardPass(blocks, delta, buffers, gradients)
    if OuterBackwardPass.applies(blocks, delta):
        if first_weights_fixed:
            return ThresholdBackwardPass(blocks, delta, buffers, gradients)
        return OuterBackwardPass(blocks, H, delta, buffers, gradients)
    if first_weights_fixed:  # the input 1 and the gradient by the thresholds alone
        H, gradients = H[-1:], [gradients[0][-1:], *gradients[1:]]
    return BackwardPass(blocks, H, delta, buffers, gradients)


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
