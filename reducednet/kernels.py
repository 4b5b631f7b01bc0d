"""Forward and backward passes on plain arrays, for both parameterizations.

One flat vector holds a network. Each affine map is a block of it, of shape (n_in + 1, n_out),
whose last row is the thresholds; the outgoing map has that row only with an output bias.
Activations are kept feature-first, (units + 1, n_samples), with a last row of ones, so that

    Z = block^T H        dblock = H D^T        (D: the loss's derivative by Z)

are one matrix product each, thresholds included (THEORY, section 6).
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._validation import Array
from .activations import Activation
from .losses import Loss

BLOCK_BYTES = 1 << 20
BLOCK_SAMPLES = 512


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


class Workspace:
    """Preallocated buffers for passes over up to `n_samples` samples with networks of one layout.

    Samples are worked through in blocks of 512 where their activations exceed 1 MB, so that a
    block stays in the processor's cache.

    Attributes
    ----------
    activations : list of arrays (n_l + 1, block_size)
        H^1 .. H^L, each with a last row of ones.
    deltas : list of arrays (n_l, block_size)
        The loss's derivative by Z^1 .. Z^L.
    outputs : array (n_outputs, block_size)
    """

    def __init__(self, layout: Layout, n_samples: int) -> None:
        hidden = layout.sizes[1:-1]
        bytes_needed = 8 * n_samples * (sum(layout.sizes) + len(layout.sizes))
        self.block_size = n_samples if bytes_needed <= BLOCK_BYTES else min(n_samples, BLOCK_SAMPLES)
        self.activations = [np.ones((n + 1, self.block_size)) for n in hidden]
        self.deltas = [np.empty((n, self.block_size)) for n in hidden]
        self.masks = [np.empty((n, self.block_size), dtype=bool) for n in hidden]
        self.outputs = np.empty((layout.sizes[-1], self.block_size))
        self.products = [np.empty(shape) for shape in layout.shapes]

    def slices(self, n_samples: int) -> Iterator[slice]:
        """Yield the blocks of samples."""
        for start in range(0, n_samples, self.block_size):
            yield slice(start, min(start + self.block_size, n_samples))

    def part(self, n: int) -> Buffers:
        """Return the buffers for a block of n samples; the last block may need shorter ones."""
        if n == self.block_size:
            return Buffers(self.activations, self.deltas, self.masks, self.outputs)
        return Buffers(
            [A[:, :n].copy() for A in self.activations],
            [D[:, :n].copy() for D in self.deltas],
            [mask[:, :n].copy() for mask in self.masks],
            self.outputs[:, :n].copy(),
        )


class Buffers(NamedTuple):
    """The buffers of a `Workspace` for one block of samples."""

    activations: Sequence[Array]
    deltas: Sequence[Array]
    masks: Sequence[Any]
    outputs: Array


def feature_first(X: Array) -> Array:
    """Return samples X (n_samples, n_inputs) as (n_inputs + 1, n_samples), with a last row of ones.

    Examples
    --------
    >>> feature_first(np.array([[3.0], [4.0]]))
    array([[3., 4.],
           [1., 1.]])
    """
    return np.vstack([X.T, np.ones(len(X))])


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
    for block, A in zip(blocks, buffers.activations):
        Z = A[:-1]
        np.dot(block.T, H, out=Z)
        activation.value(Z, out=Z)
        H = A
    np.dot(blocks[-1].T, H[:len(blocks[-1])], out=buffers.outputs)
    return buffers.outputs


def backward(
    blocks: Sequence[Array], H: Array, delta: Array, activation: Activation, buffers: Buffers,
    gradients: Sequence[Array],
) -> None:
    """Write the loss's gradient by each block, after `forward` on the same block of samples.

    D^L = C^T delta * s'(Z^L),    D^l = W^(l+1)^T D^(l+1) * s'(Z^l),    dblock^l = H^(l-1) D^l^T

    Parameters
    ----------
    delta : array (n_outputs, n)
        The loss's derivative by the outputs.
    gradients : list of arrays
        Where the gradients go, of the shapes of the blocks. A binary layer's slope is 0
        everywhere, so all but the outgoing gradient is 0.
    """
    A = buffers.activations[-1]
    np.dot(A[:len(blocks[-1])], delta.T, out=gradients[-1])
    if activation.name == "binary":
        for gradient in gradients[:-1]:
            gradient.fill(0.0)
        return
    for layer in range(len(blocks) - 2, -1, -1):
        A, D, mask = buffers.activations[layer], buffers.deltas[layer], buffers.masks[layer]
        inputs = buffers.activations[layer - 1] if layer else H
        weights = blocks[layer + 1][:len(D)]
        np.greater(A[:-1], 0.0, out=mask)
        if len(delta) == 1:  # D = c * (mask * delta): the column c is multiplied in after the sum over samples
            np.multiply(mask, delta, out=D)
            np.dot(inputs, D.T, out=gradients[layer])
            gradients[layer] *= weights[:, 0]
            if layer:
                D *= weights
        else:
            np.dot(weights, delta, out=D)
            np.multiply(D, mask, out=D)
            np.dot(inputs, D.T, out=gradients[layer])
        delta = D


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
    n_samples, value = H.shape[1], 0.0
    for block_of_samples in workspace.slices(n_samples):
        first = block_of_samples.start == 0
        n = block_of_samples.stop - block_of_samples.start
        buffers, inputs = workspace.part(n), H[:, block_of_samples]
        outputs = forward(blocks, inputs, activation, buffers)
        part, _ = loss(outputs.T, y[block_of_samples], out=outputs.T)
        if n < n_samples:
            outputs *= n / n_samples
        value += part * n / n_samples
        backward(blocks, inputs, outputs, activation, buffers, gradients if first else workspace.products)
        if not first:
            for total, product in zip(gradients, workspace.products):
                total += product
    return value


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
