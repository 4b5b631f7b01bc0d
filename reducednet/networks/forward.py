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
from .parameters import Layout

BLOCK_BYTES = 1 << 20
BLOCK_SAMPLES = 520  # rows of 65 cache lines: those of 64 would all begin at one place of the fast caches


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
