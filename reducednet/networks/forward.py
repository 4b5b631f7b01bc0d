"""Evaluate a network at a batch of samples: the forward pass (THEORY, section 6).

Activations are kept feature-first, (units + 1, n_samples), with a last row of ones. So for a block
of the flat vector (`parameters` explains its layout)

    Z = block^T H

is one matrix product, thresholds included. `pre_activations` says this in four lines. All that
follows it computes the same faster, for training: in preallocated buffers and, if there are many
samples, chunk by chunk. Comments say what a trick gains, as in `backward`, which also
has the forward pass as THEORY writes it.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from .activations import Activation
from .parameters import Layout

CHUNK_BYTES = 1 << 20
CHUNK_SAMPLES = 520
"""Chunks gain 20 % (10-100-100-1, 4096 samples). Their rows have 65 cache lines: rows of 64 would
all compete for the same cache sets."""


def feature_first(X: Array) -> Array:
    """Return the samples X (n_samples, n_inputs) as (n_inputs + 1, n_samples), last row ones.

    Examples
    --------
    >>> feature_first(np.array([[3.0], [4.0]]))
    array([[3., 4.],
           [1., 1.]])
    """
    H = aligned((X.shape[1] + 1, len(X)))
    H[:-1], H[-1] = X.T, 1.0
    return H


def pre_activations(layout: Layout, vector: Array, H: Array, activation: Activation) -> list[Array]:
    """Return Z^1 .. Z^L, each (n_l, n_samples), at the samples H (n_inputs + 1, n_samples)."""
    result = []
    for block in layout.blocks(vector)[:-1]:
        result.append(block.T @ H)
        H = np.vstack([activation.value(result[-1]), np.ones(H.shape[1])])
    return result


class Buffers(NamedTuple):
    """The buffers of a `Workspace` for one chunk of n samples.

    Attributes
    ----------
    activations : arrays (n_l + 1, n)
        H^1 .. H^L, each with a last row of ones. The backward pass no longer needs H^l once it has
        the derivative of the loss with respect to Z^l, and writes that in its place.
    outputs : array (n_outputs, n)
    masks : bool arrays (n_l, n)
        Where Z^l > 0, after a backward pass.
    zeros : array (largest n_l, n)
    weighted_inputs : array (n_inputs + 1, n)
        With one output: the inputs times the derivative of the loss with respect to the output. Its
        last row, for the input 1, is that derivative itself and shares the memory of `outputs`.
    """

    activations: Sequence[Array]
    outputs: Array
    masks: Sequence[Any]
    zeros: Array
    weighted_inputs: Array

    @classmethod
    def empty(cls, layout: Layout, n: int) -> Buffers:
        """Return new buffers for n samples."""
        n_inputs, *hidden, n_outputs = layout.sizes
        largest, weighted_inputs = max(hidden), aligned((n_inputs + 1, n))
        activations = [aligned((units + 1, n)) for units in hidden]
        for H in activations:
            H[-1] = 1.0
        outputs = weighted_inputs[-1:] if n_outputs == 1 else np.empty((n_outputs, n))
        masks = [np.empty((units, n), dtype=bool) for units in hidden]
        return cls(activations, outputs, masks, aligned((largest, n)), weighted_inputs)


def aligned(shape: tuple[int, ...]) -> Array:
    """Return zeros that start at a cache line: a vector instruction then loads from one line only.

    This gains 22 % (2-40-1, 1000 samples).
    """
    size = math.prod(shape)
    memory = np.zeros(size + 8)
    start = -memory.__array_interface__["data"][0] % 64 // 8
    return memory[start:start + size].reshape(shape)


class Workspace:
    """Preallocated buffers for passes over up to `n_samples` samples with networks of one layout.

    If their activations exceed 1 MB, the samples are taken in chunks of 520, so that the
    activations of a chunk stay in the processor's cache.

    Attributes
    ----------
    chunk_size : int
    chunk_gradients : list of arrays
        The gradient by each block of the flat vector over one chunk of samples.
    """

    def __init__(self, layout: Layout, n_samples: int) -> None:
        bytes_needed = 8 * n_samples * (sum(layout.sizes) + len(layout.sizes))
        small = bytes_needed <= CHUNK_BYTES
        self.chunk_size = max(n_samples, 1) if small else min(n_samples, CHUNK_SAMPLES)
        self.chunk_gradients = [np.empty(shape) for shape in layout.shapes]
        self._layout = layout
        self._buffers: dict[int, Buffers] = {}

    def slices(self, n_samples: int) -> Iterator[slice]:
        """Yield the slices of the samples, one for each chunk."""
        for start in range(0, n_samples, self.chunk_size):
            yield slice(start, min(start + self.chunk_size, n_samples))

    def buffers(self, n: int) -> Buffers:
        """Return the buffers for a chunk of n samples, the same ones at every call."""
        if n not in self._buffers:
            self._buffers[n] = Buffers.empty(self._layout, n)
        return self._buffers[n]


def times(left: Array, out: Array) -> Callable[..., Array]:
    """Return the faster of two functions of (right, out=out) that write left @ right.

    `matmul` has more overhead and does not use BLAS for an outer product: `dot` gains 15 % over it
    (2-20-10-1, 1000 samples). But `dot` first fills its result with zeros, which takes long if it
    is large: there `matmul` gains 9 % (2-40-1, 1000 samples).
    """
    return partial(np.matmul, left) if out.size > 1 << 13 and left.shape[1] > 1 else left.dot


class ForwardPass:
    """The forward pass for arrays that stay where they are: views are made once, a call makes none.

    Z^l = W^l H^(l-1) + b^l,    H^l = s(Z^l),    N = C H^L + a

    Parameters
    ----------
    blocks : list of arrays
        The blocks of the network's flat vector; see `Layout`.
    H : array (n_inputs + 1, n)
        The samples; see `feature_first`.
    """

    def __init__(
        self, blocks: Sequence[Array], H: Array, activation: Activation, buffers: Buffers
    ) -> None:
        inputs = [H, *buffers.activations]
        self._activation = activation.ufunc
        self._maps = []
        for block, H_below, H_next in zip(blocks, inputs, buffers.activations):
            Z = H_next[:-1]
            self._maps.append((times(block.T, Z), H_below, Z, buffers.zeros[:len(Z)]))
        self._outgoing = blocks[-1].T.dot, inputs[-1][:len(blocks[-1])], buffers.outputs

    def __call__(self) -> Array:
        """Return the outputs (n_outputs, n); the activations stay in the buffers."""
        for weights_times, H_below, Z, zeros in self._maps:
            weights_times(H_below, out=Z)
            self._activation(Z, zeros, out=Z)  # not the number 0: gains 6 % (2-40-1, 1000 samples)
        weights_times, H_last, outputs = self._outgoing
        return weights_times(H_last, out=outputs)


def outputs(
    layout: Layout, vector: Array, H: Array, activation: Activation,
    workspace: Workspace | None = None,
) -> Array:
    """Return the outputs (n_samples, n_outputs) at the samples H (n_inputs + 1, n_samples)."""
    n_samples = H.shape[1]
    workspace, blocks = workspace or Workspace(layout, n_samples), layout.blocks(vector)
    result = np.empty((n_samples, layout.sizes[-1]))
    for chunk in workspace.slices(n_samples):
        buffers = workspace.buffers(chunk.stop - chunk.start)
        result[chunk] = ForwardPass(blocks, H[:, chunk], activation, buffers)().T
    return result
