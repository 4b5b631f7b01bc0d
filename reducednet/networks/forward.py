"""Forward and backward passes on plain arrays, for both parameterizations.

One flat vector holds a network. Each affine map is a block of it, of shape (n_in + 1, n_out),
whose last row is the thresholds; the outgoing map has that row only with an output bias.
Activations are kept feature-first, (units + 1, n_samples), with a last row of ones, so that

    Z = block^T H        dblock = H D^T        (D: the loss's derivative by Z)

are one matrix product each, thresholds included (THEORY, section 6).
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from .activations import Activation
from .losses import Loss

BLOCK_BYTES = 1 << 20
BLOCK_SAMPLES = 520  # rows of 65 cache lines: those of 64 would all begin at one place of the fast caches
ZERO = np.zeros(())  # a ufunc takes a 0-d array sooner than a Python number


class Layout(NamedTuple):
    """Where the arrays of a network of these sizes lie in its flat vector.

    sizes : (n_inputs, n_1, ..., n_L, n_outputs)
    output_bias : whether the outgoing map has a row of biases
    """

    sizes: tuple[int, ...]
    output_bias: bool

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shape (n_in + 1, n_out) of each block, the outgoing one last."""
        rows = [n + 1 for n in self.sizes[:-2]] + [self.sizes[-2] + self.output_bias]
        return list(zip(rows, self.sizes[1:]))

    @property
    def n_parameters(self) -> int:
        """The length of the flat vector."""
        return sum(rows * columns for rows, columns in self.shapes)

    def blocks(self, vector: Array) -> list[Array]:
        """Return the blocks of the vector, as views."""
        blocks, start = [], 0
        for rows, columns in self.shapes:
            blocks.append(vector[start:start + rows * columns].reshape(rows, columns))
            start += rows * columns
        return blocks


class Buffers(NamedTuple):
    """The buffers of a `Workspace` for one block of n samples.

    activations : arrays (n_l + 1, n), H^1 .. H^L, each with a last row of ones; in the backward pass
        the loss's derivative by Z^l takes the place of H^l, which is used no more then
    outputs : array (n_outputs, n)
    mask : boolean array (largest n_l, n), where Z^l > 0
    digits : the mask as integers, which become floats sooner than truth values
    spare, zeros : arrays (largest n_l, n)
    weighted : array (n_inputs + 1, n), the samples times the loss's derivative by one output; this takes
        the place of the outputs, and is its own product with the row of ones
    """

    activations: Sequence[Array]
    outputs: Array
    mask: Any
    digits: Any
    spare: Array
    zeros: Array
    weighted: Array

    @classmethod
    def empty(cls, layout: Layout, n: int) -> Buffers:
        """Return new buffers for n samples."""
        n_inputs, *hidden, n_outputs = layout.sizes
        largest, weighted = max(hidden), aligned((n_inputs + 1, n))
        mask = np.empty((largest, n), dtype=bool)
        activations = [aligned((units + 1, n)) for units in hidden]
        for H in activations:
            H[-1] = 1.0
        return cls(
            activations, weighted[-1:] if n_outputs == 1 else np.empty((n_outputs, n)),
            mask, mask.view(np.int8), aligned((largest, n)), aligned((largest, n)), weighted,
        )


def aligned(shape: tuple[int, ...]) -> Array:
    """Return zeros that begin at a cache line: vector instructions then load one line at a time, not two."""
    size = math.prod(shape)
    memory = np.zeros(size + 8)
    start = -memory.__array_interface__["data"][0] % 64 // 8
    return memory[start:start + size].reshape(shape)


class Workspace:
    """Preallocated buffers for passes over up to `n_samples` samples with networks of one layout.

    Samples are worked through in blocks of 520 where their activations exceed 1 MB, so that a
    block stays in the processor's cache.

    Attributes
    ----------
    block_size : int
    products : list of arrays
        Of the shapes of the blocks: the gradients of one block of samples.
    """

    def __init__(self, layout: Layout, n_samples: int) -> None:
        bytes_needed = 8 * n_samples * (sum(layout.sizes) + len(layout.sizes))
        small = bytes_needed <= BLOCK_BYTES
        self.block_size = max(n_samples, 1) if small else min(n_samples, BLOCK_SAMPLES)
        self.products = [np.empty(shape) for shape in layout.shapes]
        self._layout = layout
        self._parts: dict[int, Buffers] = {}

    def slices(self, n_samples: int) -> Iterator[slice]:
        """Yield the blocks of samples."""
        for start in range(0, n_samples, self.block_size):
            yield slice(start, min(start + self.block_size, n_samples))

    def part(self, n: int) -> Buffers:
        """Return the buffers for a block of n samples: the same ones at every call."""
        if n not in self._parts:
            self._parts[n] = Buffers.empty(self._layout, n)
        return self._parts[n]


def feature_first(X: Array) -> Array:
    """Return samples X (n_samples, n_inputs) as (n_inputs + 1, n_samples), with a last row of ones.

    Examples
    --------
    >>> feature_first(np.array([[3.0], [4.0]]))
    array([[3., 4.],
           [1., 1.]])
    """
    H = aligned((X.shape[1] + 1, len(X)))
    H[:-1], H[-1] = X.T, 1.0
    return H


def times(left: Array, out: Array) -> Callable[..., Array]:
    """Return the function of (right, out=out) that writes left @ right.

    `dot` fills its result with zeros first, `matmul` takes longer to begin and avoids BLAS for an
    outer product.
    """
    return partial(np.matmul, left) if out.size > 1 << 13 and left.shape[1] > 1 else left.dot


class ForwardPass:
    """`forward` for arrays that stay where they are: its views are made once, a call makes none."""

    def __init__(self, blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers) -> None:
        inputs = [H, *buffers.activations]
        self._activation = activation.ufunc
        self._maps = []
        for block, A, H_next in zip(blocks, inputs, buffers.activations):
            Z = H_next[:-1]
            self._maps.append((times(block.T, Z), A, Z, buffers.zeros[:len(Z)]))
        self._outgoing = blocks[-1].T.dot, inputs[-1][:len(blocks[-1])], buffers.outputs

    def __call__(self) -> Array:
        """Return the outputs (n_outputs, n); Z^l = W^l H^(l-1) + b^l, H^l = s(Z^l), N = C H^L + a."""
        for weights_times, inputs, Z, zeros in self._maps:
            weights_times(inputs, out=Z)
            self._activation(Z, zeros, out=Z)  # twice as fast as with one 0 for all
        weights_times, inputs, outputs = self._outgoing
        return weights_times(inputs, out=outputs)


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


def forward(blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers) -> Array:
    """Return the outputs (n_outputs, n) of the network; the activations stay in the buffers.

    Z^l = W^l H^(l-1) + b^l,    H^l = s(Z^l),    N = C H^L + a

    Parameters
    ----------
    blocks : list of arrays
        The blocks of the network's vector, see `Layout`.
    H : array (n_inputs + 1, n)
        The samples, see `feature_first`.
    """
    return ForwardPass(blocks, H, activation, buffers)()


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


def outputs(
    layout: Layout, vector: Array, H: Array, activation: Activation, workspace: Workspace | None = None
) -> Array:
    """Return the outputs (n_samples, n_outputs) at the samples H (n_inputs + 1, n_samples)."""
    n_samples = H.shape[1]
    workspace, blocks = workspace or Workspace(layout, n_samples), layout.blocks(vector)
    result = np.empty((n_samples, layout.sizes[-1]))
    for block_of_samples in workspace.slices(n_samples):
        n = block_of_samples.stop - block_of_samples.start
        result[block_of_samples] = forward(blocks, H[:, block_of_samples], activation, workspace.part(n)).T
    return result


def pre_activations(layout: Layout, vector: Array, H: Array, activation: Activation) -> list[Array]:
    """Return Z^1 .. Z^L, each (n_l, n_samples), at the samples H (n_inputs + 1, n_samples)."""
    result = []
    for block in layout.blocks(vector)[:-1]:
        result.append(block.T @ H)
        H = np.vstack([activation.value(result[-1]), np.ones(H.shape[1])])
    return result


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
