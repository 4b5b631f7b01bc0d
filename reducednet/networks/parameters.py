"""Define the flat vector that holds a network, and the arrays that are views of it.

Each affine map is a block of the vector, of shape (n_in + 1, n_out), whose last row holds the
thresholds: with a constant input 1 below the others, the map is one matrix product (THEORY,
section 6). The outgoing map has that row only with an output bias. `weights[l]` is the transposed
view of its block without the last row, so that a row of it is a neuron.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, array_list, message, real_array
from ..numerics.blocks import assign


class Layout(NamedTuple):
    """The positions of a network's arrays in its flat vector.

    Attributes
    ----------
    sizes : (n_inputs, n_1, ..., n_L, n_outputs)
    output_bias : bool
        Whether the outgoing map has a row for the output bias.
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


class Parameters:
    """Arrays with the shapes of a network's parameters, views of one flat read-only vector.

    They are a network's parameters, or the gradient with respect to them. A vector that is read-only
    and owns its numbers is kept; any other one is copied.

    Attributes
    ----------
    weights : tuple of arrays (n_l, n_(l-1)), one for each hidden layer
    thresholds : tuple of arrays (n_l,)
    output_weights : array (n_outputs, n_L)
    output_bias : array (n_outputs,) or None
    """

    def __init__(self, layout: Layout, vector: Array) -> None:
        if vector.flags.writeable or not vector.flags.owndata or vector.dtype != np.float64:
            vector = np.array(vector, dtype=np.float64)
            vector.setflags(write=False)
        blocks = layout.blocks(vector)
        n_last = layout.sizes[-2]
        self._layout, self._vector = layout, vector
        self.weights: tuple[Array, ...] = tuple(block[:-1].T for block in blocks[:-1])
        self.thresholds: tuple[Array, ...] = tuple(block[-1] for block in blocks[:-1])
        self.output_weights: Array = blocks[-1][:n_last].T
        self.output_bias: Array | None = blocks[-1][n_last] if layout.output_bias else None

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__ or hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} is frozen: `{name}` cannot be set")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return Parameters, (self._layout, self._vector)

    def __eq__(self, other: object) -> bool:
        """Return True if the other has the same shapes and the same entries, bit for bit."""
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._key(), other._key()
        return mine == theirs

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return (self._layout, (self._vector + 0.0).tobytes())

    def __repr__(self) -> str:
        bias = "" if self.output_bias is not None else "no "
        return f"{type(self).__name__}({'-'.join(map(str, self.sizes))}, {bias}output bias)"

    @property
    def layout(self) -> Layout:
        """The positions of the arrays in the flat vector."""
        return self._layout

    @property
    def sizes(self) -> tuple[int, ...]:
        """(n_inputs, n_1, ..., n_L, n_outputs)."""
        return self._layout.sizes

    @property
    def n_inputs(self) -> int:
        """The number of inputs."""
        return self.sizes[0]

    @property
    def n_outputs(self) -> int:
        """The number of outputs."""
        return self.sizes[-1]

    @property
    def depth(self) -> int:
        """The number L of hidden layers."""
        return len(self.sizes) - 2

    @property
    def n_parameters(self) -> int:
        """The length of the flat vector."""
        return len(self._vector)

    def to_vector(self) -> Array:
        """Return a copy of the flat vector; its order is that of `Layout.blocks`."""
        return self._vector.copy()


def pack(
    weights: Any, thresholds: Any, output_weights: Any, output_bias: Any = None
) -> tuple[Layout, Array]:
    """Check these arrays, and return their layout and their flat vector."""
    matrices, vectors = array_list(weights, "weights"), array_list(thresholds, "thresholds")
    if len(matrices) != len(vectors):
        raise ValueError(message("thresholds", f"a list of {len(matrices)} vectors, as `weights`", len(vectors)))
    maps: list[tuple[Array, Array | None]] = []
    n_inputs: int | str = "n_inputs"
    for layer, (W, b) in enumerate(zip(matrices, vectors)):
        W = real_array(W, f"weights[{layer}]", ("n_neurons", n_inputs), copy=False)
        b = real_array(b, f"thresholds[{layer}]", (len(W),), copy=False)
        maps.append((W, b))
        n_inputs = len(W)
    C = real_array(output_weights, "output_weights", ("n_outputs", n_inputs), copy=False)
    a = None
    if output_bias is not None:
        a = real_array(output_bias, "output_bias", (len(C),), copy=False)
    maps.append((C, a))
    sizes = *(W.shape[1] for W, _ in maps), len(C)
    layout = Layout(sizes, a is not None)
    return layout, _flat_vector(layout, maps)


def _flat_vector(layout: Layout, maps: list[tuple[Array, Array | None]]) -> Array:
    """Return the read-only vector that holds these matrices and vectors."""
    vector = np.empty(layout.n_parameters)
    for block, (W, b) in zip(layout.blocks(vector), maps):
        assign(block[:W.shape[1]], W.T)
        if b is not None:
            block[-1] = b
    vector.setflags(write=False)
    return vector


class Affine(NamedTuple):
    """An affine map h -> W h + b; b is None for an outgoing map without bias."""

    W: Array
    b: Array | None
