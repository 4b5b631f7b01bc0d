"""Forward and backward passes on plain arrays, for both parameterizations.

One flat vector holds a network. Each affine map is a block of it, of shape (n_in + 1, n_out),
whose last row is the thresholds; the outgoing map has that row only with an output bias.
Activations are kept feature-first, (units + 1, n_samples), with a last row of ones, so that

    Z = block^T H        dblock = H D^T        (D: the loss's derivative by Z)

are one matrix product each, thresholds included (THEORY, section 6).
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._validation import Array
from .activations import Activation
from .losses import Loss

BLOCK_BYTES = 1 << 20
BLOCK_SAMPLES = 512
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
    spare, zeros : arrays (largest n_l, n)
    weighted : array (n_inputs + 1, n), the samples times the loss's derivative by one output
    terms : array (n_inputs + 1, n_1)
    """

    activations: Sequence[Array]
    outputs: Array
    mask: Any
    spare: Array
    zeros: Array
    weighted: Array
    terms: Array

    @classmethod
    def empty(cls, layout: Layout, n: int) -> Buffers:
        """Return new buffers for n samples."""
        n_inputs, *hidden, n_outputs = layout.sizes
        largest, zeros = max(hidden), aligned((max(hidden), n))
        zeros.fill(0.0)
        activations = [aligned((units + 1, n)) for units in hidden]
        for H in activations:
            H[-1] = 1.0
        return cls(
            activations, np.empty((n_outputs, n)), np.empty((largest, n), dtype=bool), aligned((largest, n)),
            zeros, aligned((n_inputs + 1, n)), np.empty((n_inputs + 1, hidden[0])),
        )


def aligned(shape: tuple[int, ...]) -> Array:
    """Return an empty array that begins at a cache line: vector instructions then load one line, not two."""
    size = math.prod(shape)
    memory = np.empty(size + 8)
    start = -memory.ctypes.data % 64 // 8
    return memory[start:start + size].reshape(shape)


class Workspace:
    """Preallocated buffers for passes over up to `n_samples` samples with networks of one layout.

    Samples are worked through in blocks of 512 where their activations exceed 1 MB, so that a
    block stays in the processor's cache.

    Attributes
    ----------
    block_size : int
    products : list of arrays
        Of the shapes of the blocks: the gradients of one block of samples.
    """

    def __init__(self, layout: Layout, n_samples: int) -> None:
        bytes_needed = 8 * n_samples * (sum(layout.sizes) + len(layout.sizes))
        self.block_size = n_samples if bytes_needed <= BLOCK_BYTES else min(n_samples, BLOCK_SAMPLES)
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


class ForwardPass:
    """`forward` for arrays that stay where they are: its views are made once, a call makes none."""

    def __init__(self, blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers) -> None:
        inputs = [H, *buffers.activations]
        self._activation = activation.ufunc
        self._maps = []
        for block, A, H_next in zip(blocks, inputs, buffers.activations):
            self._maps.append((block.T, A, H_next[:-1], buffers.zeros[:len(H_next) - 1]))
        self._outgoing = blocks[-1].T, inputs[-1][:len(blocks[-1])], buffers.outputs

    def __call__(self) -> Array:
        """Return the outputs (n_outputs, n); Z^l = W^l H^(l-1) + b^l, H^l = s(Z^l), N = C H^L + a."""
        for weights, inputs, Z, zeros in self._maps:
            np.dot(weights, inputs, out=Z)
            self._activation(Z, zeros, out=Z)  # twice as fast as with one 0 for all
        weights, inputs, outputs = self._outgoing
        return np.dot(weights, inputs, out=outputs)


class BackwardPass:
    """`backward` for arrays that stay where they are: its views are made once, a call makes none.

    With one output and one hidden layer D = c * (mask * delta) is an outer product. Where the inputs
    have fewer rows it is not formed: with S = (H^0 * delta) mask^T, of the block's shape,

        dblock = c * S        dC = the sums over the columns of block * S,

    for C's derivative sum_i delta_i H_ji has H_ji = mask_ji (w_j.x_i + b_j).
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, delta: Array, activation: Activation, buffers: Buffers,
        gradients: Sequence[Array],
    ) -> None:
        inputs, n_layers = [H, *buffers.activations], len(blocks) - 1
        self._outgoing = inputs[-1][:len(blocks[-1])], delta.T, gradients[-1]
        self._flat = gradients[:-1] if activation.name == "binary" else ()
        self._layers, above = [], delta
        for layer in () if self._flat else range(n_layers - 1, -1, -1):
            D = buffers.activations[layer][:-1]
            self._layers.append((
                blocks[layer + 1][:len(D)], above, D, buffers.mask[:len(D)], buffers.spare[:len(D)],
                inputs[layer], D.T, gradients[layer],
            ))
            above = D
        self._outer = None
        if n_layers == len(delta) == 1 and not self._flat and len(H) < len(above):
            m = len(above)
            self._outer = (
                H, delta, above, above.T, buffers.mask[:m], buffers.weighted, blocks[0], gradients[0],
                buffers.terms, np.ones(len(H)), blocks[1][:m, 0], gradients[1][:m, 0], gradients[1][m:, 0],
            )

    def __call__(self) -> None:
        """Write the gradients: D^l = W^(l+1)^T D^(l+1) * s'(Z^l), dblock^l = H^(l-1) D^l^T."""
        if self._outer is not None:
            return self._outer_product(*self._outer)
        inputs, delta, gradient = self._outgoing
        np.dot(inputs, delta, out=gradient)
        for gradient in self._flat:
            gradient.fill(0.0)
        for weights, above, D, mask, spare, inputs, D_transposed, gradient in self._layers:
            np.greater(D, ZERO, out=mask)  # D is still H^l
            np.copyto(D, mask)
            np.dot(weights, above, out=spare)
            np.multiply(D, spare, out=D)
            np.dot(inputs, D_transposed, out=gradient)

    @staticmethod
    def _outer_product(
        H: Array, delta: Array, D: Array, D_transposed: Array, mask: Any, weighted: Array, block: Array,
        gradient: Array, terms: Array, ones: Array, column: Array, outgoing: Array, bias: Array,
    ) -> None:
        """Do a network of one output and one hidden layer; D is the mask alone."""
        np.greater(D, ZERO, out=mask)  # D is still H^1
        np.copyto(D, mask)
        np.multiply(H, delta, out=weighted)
        np.dot(weighted, D_transposed, out=gradient)
        np.multiply(block, gradient, out=terms)
        np.dot(ones, terms, out=outgoing)
        np.multiply(gradient, column, out=gradient)
        if len(bias):
            np.add.reduce(delta, axis=1, out=bias)


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


def backward(
    blocks: Sequence[Array], H: Array, delta: Array, activation: Activation, buffers: Buffers,
    gradients: Sequence[Array],
) -> None:
    """Write the loss's gradient by each block, after `forward` on the same block of samples.

    The activations in the buffers are used up.

    D^L = C^T delta * s'(Z^L),    D^l = W^(l+1)^T D^(l+1) * s'(Z^l),    dblock^l = H^(l-1) D^l^T

    Parameters
    ----------
    delta : array (n_outputs, n)
        The loss's derivative by the outputs.
    gradients : list of arrays
        Where the gradients go, of the shapes of the blocks. A binary layer's slope is 0
        everywhere, so all but the outgoing gradient is 0.
    """
    BackwardPass(blocks, H, delta, activation, buffers, gradients)()


class LossAndGradient:
    """`loss_and_gradient` for arrays that stay where they are, made once and called at every step.

    A call reads what the arrays hold then: blocks, samples and responses may change in between.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, y: Any, loss: Loss, activation: Activation,
        workspace: Workspace, gradients: Sequence[Array],
    ) -> None:
        self._loss, self._gradients, self._products = loss, gradients, workspace.products
        n_samples = H.shape[1]
        self._parts: list[tuple[ForwardPass, BackwardPass, Array, Any, float]] = []
        for part in workspace.slices(n_samples):
            n = part.stop - part.start
            buffers, inputs = workspace.part(n), H[:, part]
            into = workspace.products if self._parts else gradients
            self._parts.append((
                ForwardPass(blocks, inputs, activation, buffers),
                BackwardPass(blocks, inputs, buffers.outputs, activation, buffers, into),
                buffers.outputs.T, y[part], n / n_samples,
            ))

    def __call__(self) -> float:
        """Return the mean loss over all samples and write its gradient by each block."""
        total = 0.0
        for index, (forward_pass, backward_pass, outputs, y, share) in enumerate(self._parts):
            forward_pass()
            value, _ = self._loss(outputs, y, out=outputs)
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


def outputs(layout: Layout, vector: Array, H: Array, activation: Activation) -> Array:
    """Return the outputs (n_samples, n_outputs) at the samples H (n_inputs + 1, n_samples)."""
    n_samples = H.shape[1]
    workspace, blocks = Workspace(layout, n_samples), layout.blocks(vector)
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
            result[:, k, end - rows * columns:end] = products.reshape(n_samples, -1)
            end -= rows * columns
            if A is not H:
                D = (block[:len(A) - 1] @ D) * activation.slope(A[:-1])
    return result
