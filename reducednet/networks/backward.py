"""The backward pass: the loss and its gradient by the flat vector of parameters (THEORY, section 6)."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._validation import Array
from .activations import Activation
from .forward import Buffers, ForwardPass, Workspace, pre_activations, times
from .losses import Loss
from .parameters import Layout

ZERO = np.zeros(())  # a ufunc takes a 0-d array sooner than a Python number


class BackwardPass:
    """Writes the loss's gradient by each block, after `forward` on the same block of samples.

    The activations in the buffers are used up. Views are made once, a call makes none.

    D^L = C^T delta * s'(Z^L),    D^l = W^(l+1)^T D^(l+1) * s'(Z^l),    dblock^l = H^(l-1) D^l^T

    Parameters
    ----------
    delta : array (n_outputs, n)
        The loss's derivative by the outputs.
    gradients : list of arrays
        Where the gradients go, of the shapes of the blocks. A binary layer's slope is 0
        everywhere, so all but the outgoing gradient is 0.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, activation: Activation, buffers: Buffers,
        gradients: Sequence[Array],
    ) -> None:
        inputs = [H, *buffers.activations]
        self._outgoing = inputs[-1][:len(blocks[-1])].dot, delta.T, gradients[-1]
        self._flat = gradients[:-1] if activation.name == "binary" else ()
        self._layers: list[tuple[Any, ...]] = []
        above = delta
        for layer in () if self._flat else range(len(blocks) - 2, -1, -1):
            D = buffers.activations[layer][:-1]
            spare = buffers.spare[:len(D)]
            self._layers.append((
                times(blocks[layer + 1][:len(D)], spare), above, D, buffers.mask[:len(D)],
                buffers.digits[:len(D)], spare, inputs[layer].dot, D.T, gradients[layer],
            ))
            above = D

    def __call__(self) -> None:
        """Write the gradients, layer by layer from the last one."""
        inputs_times, delta, gradient = self._outgoing
        inputs_times(delta, out=gradient)
        for gradient in self._flat:
            gradient.fill(0.0)
        for weights_times, above, D, mask, digits, spare, inputs_times, D_transposed, gradient in self._layers:
            np.greater(D, ZERO, out=mask)  # D is still H^l
            D[...] = digits
            weights_times(above, out=spare)
            D *= spare
            inputs_times(D_transposed, out=gradient)


class OuterBackwardPass:
    """The backward pass of one output over one hidden layer with fewer inputs than neurons.

    There D = c * (mask * delta) is an outer product, which is not formed: with
    S = (H^0 * delta) mask^T, of the block's shape,

        dblock = c * S        dC = the sums over the columns of block * S,

    for the derivative by c_j is sum_i delta_i H_ji, and H_ji = mask_ji (w_j.x_i + b_j).
    """

    @staticmethod
    def serves(blocks: Sequence[Array], delta: Array, activation: Activation) -> bool:
        """Tell whether a network of these blocks is of this kind."""
        rows, units = blocks[0].shape
        return len(blocks) == 2 and len(delta) == 1 and activation.name == "relu" and rows < units

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, buffers: Buffers, gradients: Sequence[Array]
    ) -> None:
        block, self._D = blocks[0], buffers.activations[0][:-1]
        m = len(self._D)
        self._delta, self._mask, self._digits = delta, buffers.mask[:m], buffers.digits[:m]
        self._samples, self._weighted = H[:-1], buffers.weighted[:-1]
        self._sums = buffers.weighted.dot, self._D.T, gradients[0]
        self._block, self._terms, self._ones = block, np.empty(block.shape), np.ones(len(block))
        self._column, self._outgoing, self._bias = blocks[1][:m, 0], gradients[1][:m, 0], gradients[1][m:, 0]

    def __call__(self) -> None:
        """Write the gradients; D is the mask alone, and delta the last row of the weighted samples."""
        np.greater(self._D, ZERO, out=self._mask)  # D is still H^1
        self._D[...] = self._digits
        np.multiply(self._samples, self._delta, out=self._weighted)
        weighted_times, mask_transposed, S = self._sums
        weighted_times(mask_transposed, out=S)
        np.multiply(self._block, S, out=self._terms)
        self._ones.dot(self._terms, out=self._outgoing)
        self._terms[...] = self._column
        S *= self._terms
        if len(self._bias):
            np.add.reduce(self._delta, axis=1, out=self._bias)


class ThresholdBackwardPass:
    """The backward pass of one output over one hidden layer whose weights stay as they are.

    dC_j = sum_i delta_i H_ji        db_j = c_j sum_i delta_i mask_ji
    """

    def __init__(
        self, blocks: Sequence[Array], delta: Array, buffers: Buffers, gradients: Sequence[Array]
    ) -> None:
        H, m = buffers.activations[0], len(buffers.activations[0]) - 1
        self._D, self._mask, self._digits = H[:-1], buffers.mask[:m], buffers.digits[:m]
        self._outgoing = H[:len(blocks[1])].dot, delta[0], gradients[1][:, 0]
        self._column, self._thresholds = blocks[1][:m, 0], gradients[0][-1]

    def __call__(self) -> None:
        """Write the gradients; D is the mask alone."""
        activations_times, delta, outgoing = self._outgoing
        activations_times(delta, out=outgoing)
        np.greater(self._D, ZERO, out=self._mask)  # D is still H^1
        self._D[...] = self._digits
        self._D.dot(delta, out=self._thresholds)
        thresholds = self._thresholds
        thresholds *= self._column


def backward_pass(
    blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers, gradients: Sequence[Array],
    still: bool = False,
) -> Callable[[], None]:
    """Return the backward pass for these arrays; the loss's derivative takes the place of the outputs.

    Where the first layer's weights stay `still`, their gradient is not written.
    """
    delta = buffers.outputs
    if OuterBackwardPass.serves(blocks, delta, activation):
        if still:
            return ThresholdBackwardPass(blocks, delta, buffers, gradients)
        return OuterBackwardPass(blocks, H, delta, buffers, gradients)
    if still:
        H, gradients = H[-1:], [gradients[0][-1:], *gradients[1:]]  # that of the thresholds alone
    return BackwardPass(blocks, H, delta, activation, buffers, gradients)


class LossAndGradient:
    """`loss_and_gradient` for arrays that stay where they are, made once and called at every step.

    A call reads what the arrays hold then: blocks, samples and responses may change in between. Where the
    first layer's weights stay `still`, their gradient is 0.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, y: Any, loss: Loss, activation: Activation,
        workspace: Workspace, gradients: Sequence[Array], sample_weight: Array | None = None, still: bool = False,
    ) -> None:
        self._loss, self._gradients, self._products = loss, gradients, workspace.products
        n_samples = H.shape[1]
        if still:
            gradients[0][:-1] = workspace.products[0][:-1] = 0.0
        self._parts: list[tuple[ForwardPass, Callable[[], None], Array, Any, Array | None, float]] = []
        for part in workspace.slices(n_samples):
            n = part.stop - part.start
            buffers, inputs = workspace.part(n), H[:, part]
            into = workspace.products if self._parts else gradients
            self._parts.append((
                ForwardPass(blocks, inputs, activation, buffers),
                backward_pass(blocks, inputs, activation, buffers, into, still),
                buffers.outputs.T, y[part], None if sample_weight is None else sample_weight[part], n / n_samples,
            ))

    def __call__(self) -> float:
        """Return the mean loss over all samples and write its gradient by each block."""
        total = 0.0
        for index, (forward_pass, backward_pass, outputs, y, sample_weight, share) in enumerate(self._parts):
            forward_pass()
            value, _ = self._loss(outputs, y, out=outputs, sample_weight=sample_weight)
            if share < 1.0:
                outputs *= share
            total += value * share
            backward_pass()
            if index:
                for gradient, product in zip(self._gradients, self._products):
                    gradient += product
        return total


def loss_and_gradient(
    blocks: Sequence[Array], H: Array, y: Array, loss: Loss, activation: Activation,
    workspace: Workspace, gradients: Sequence[Array],
) -> float:
    """Return the mean loss over all samples and write its gradient by each block.

    Parameters
    ----------
    blocks, gradients : lists of arrays
        Views of the flat vector and of the flat gradient, see `Layout.blocks`.
    H : array (n_inputs + 1, n_samples)
        The samples, see `feature_first`.
    y : array (n_samples, ...)
        What the loss takes, a sample a row.
    """
    return LossAndGradient(blocks, H, y, loss, activation, workspace, gradients)()


def jacobian(layout: Layout, vector: Array, H: Array, activation: Activation) -> Array:
    """Return the derivatives of each output of each sample by the flat vector.

    The block of layer l in row (i, k) is the outer product of sample i's activations H^(l-1) and
    of the derivative of output k by Z^l.

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
