"""The geometry at a flat vector that an optimiser moves in place: projection and retraction.

It is what `ReducedSpace.gradient` and `ReducedSpace.step` say, without a new array at each step.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import sphere
from ._validation import Array
from .domains import Box
from .intervals import LayerSpace
from .kernels import Layout


class Rows(NamedTuple):
    """The parts of k flat vectors that belong to the weight rows of one layer, with buffers for them."""

    parts: Array
    """(k, n_in, n_out), a view: columns are rows of the weight matrix."""
    ones: Array
    """(n_in,)"""
    products: Array
    """(k, 1, n_out)"""
    along: Array
    """(k, n_in, n_out)"""


class MovingPoint:
    """The geometry at a flat vector that moves in place; in the standard space there is none.

    An optimiser adds a direction to the vector and calls `retract`; then it calls `project` with
    what it keeps of tangent vectors: that makes gradients Riemannian and transports momentum.
    """

    def rows(self, vectors: Array) -> list[Rows]:
        """Return the parts of the flat vectors (k, n_parameters) that belong to points of spheres."""
        return []

    def project(self, rows: list[Rows]) -> None:
        """Take the part along the sphere's point away: g <- g - (w.g) w."""

    def pool(self, rows: list[Rows]) -> None:
        """Replace each entry by the sum over its point of a sphere."""

    def retract(self) -> None:
        """Bring the vector back to the space, see `ReducedSpace.step`."""


class ReducedMovingPoint(MovingPoint):
    """The geometry of a reduced space at a flat vector that moves in place: views are made once.

    Parameters
    ----------
    layout : Layout
    first : LayerSpace
        The space of the first hidden layer.
    vector : array (n_parameters,)
        What moves.
    tangent : bool
        The vector starts in the space and moves along tangent directions only. Then |w + dw| >= 1,
        so that no norm can be too small, and the signs of rows of one weight never change.
    """

    def __init__(self, layout: Layout, first: LayerSpace, vector: Array, tangent: bool) -> None:
        self._layout = layout
        blocks, layer_space = layout.blocks(vector), first
        self._layers: list[_MovingLayer] = []
        for block, above in zip(blocks, blocks[1:]):
            below = self._layers[-1] if self._layers else None
            layer = _MovingLayer(block, above, layer_space, below, tangent)
            if first.bound == "ball":  # the sets of the layers above do not depend on the parameters
                layer_space = layer_space.next_layer(block[:-1].T, block[-1])
            self._layers.append(layer)

    def rows(self, vectors: Array) -> list[Rows]:
        """Return the parts of the flat vectors (k, n_parameters) that belong to points of spheres."""
        result, start, k = [], 0, len(vectors)
        for rows, columns in self._layout.shapes[:-1]:
            parts = vectors[:, start:start + (rows - 1) * columns].reshape(k, rows - 1, columns)
            result.append(Rows(
                parts, np.ones(rows - 1), np.empty((k, 1, columns)), np.empty(parts.shape)
            ))
            start += rows * columns
        return result

    def project(self, rows: list[Rows]) -> None:
        """Take the part along the sphere's point away: g <- g - (w.g) w; nothing is left for w = +-1."""
        for layer, (parts, _, products, along) in zip(self._layers, rows):
            if layer.fixed:
                parts.fill(0.0)
                continue
            np.einsum("kij,ij->kj", parts, layer.weights, out=products[:, 0])
            np.multiply(products, layer.weights, out=along)
            np.subtract(parts, along, out=parts)

    def pool(self, rows: list[Rows]) -> None:
        """Replace each entry by the sum over its point of a sphere."""
        for layer, (parts, ones, products, _) in zip(self._layers, rows):
            if not layer.fixed:
                np.matmul(ones, parts, out=products[:, 0])
                np.copyto(parts, products)

    def retract(self) -> None:
        """Bring the vector back to the space, see `ReducedSpace.step`."""
        for layer in self._layers:
            layer.retract()


class _MovingLayer:
    """One hidden layer of a `ReducedMovingPoint`.

    With ReLU and the support interval the set of a layer is a box, fixed or that of the
    activations below, and its ends are found here without a new array; they are those of
    `LayerSpace.intervals` to the last bit, for the operations are the same in the same order.
    """

    def __init__(
        self, block: Array, above: Array, space: LayerSpace, below: _MovingLayer | None, tangent: bool
    ) -> None:
        n, m = len(block) - 1, block.shape[1]
        self.block, self.weights, self.units, self.b = block, block[:-1], block[:-1].T, block[-1]
        self.space, self.below, self.tangent = space, below, tangent
        self.fixed = tangent and n == 1 and below is None
        relu = space.activation.name == "relu"
        self.scaled = above[:m] if relu else None
        self.norms = np.empty(m)
        self.norms_column = self.norms[:, np.newaxis]
        self.ends = np.empty((2, m))
        self.low, self.high = self.ends
        self.constant = space.bound == "ball" or self.fixed
        self.has_box = relu and not self.constant and (below is not None or isinstance(space.domain, Box))
        if self.constant:
            self.ends[...] = space.intervals(self.units).T
        elif self.has_box:
            self.box, self.terms, self.extremes = np.empty((2, n, 1)), _summands(n, m), _summands(n, m)
            if isinstance(space.domain, Box) and below is None:
                self.box[..., 0] = -space.domain.low, -space.domain.high

    def retract(self) -> None:
        """Normalise the rows, give their norms to thresholds and outgoing weights, clip the thresholds."""
        if not self.fixed:
            self._normalise()
        if not self.constant:
            self._find_ends()
        np.maximum(self.b, self.low, out=self.b)
        np.minimum(self.b, self.high, out=self.b)

    def _normalise(self) -> None:
        if self.tangent:
            np.einsum("ij,ij->j", self.weights, self.weights, out=self.norms)
            np.sqrt(self.norms, out=self.norms)
            np.divide(self.block, self.norms, out=self.block)
        else:
            units, self.norms[...] = sphere.normalise(self.units)
            self.weights[...] = units.T
            with np.errstate(over="ignore"):  # inf is clipped to the interval's end
                np.divide(self.b, self.norms, out=self.b)
        if self.scaled is not None:
            np.multiply(self.scaled, self.norms_column, out=self.scaled)

    def _find_ends(self) -> None:
        """Write low = sum_i min(-w_i low_i, -w_i high_i) and high, the sum of the maxima."""
        if not self.has_box:
            if self.below is not None:
                self.space = self.below.space.next_layer(self.below.units, self.below.b)
            self.ends[...] = self.space.intervals(self.units).T
            return
        if self.below is not None:
            self._box_of(self.below)
        np.multiply(self.weights, self.box, out=self.terms)
        np.minimum(self.terms[0], self.terms[1], out=self.extremes[0])
        np.maximum(self.terms[0], self.terms[1], out=self.extremes[1])
        np.add.reduce(self.extremes, axis=1, out=self.ends)

    def _box_of(self, below: _MovingLayer) -> None:
        """Write minus the ends of the box of activations below: max(b - high, 0), max(b - low, 0)."""
        box = self.box[..., 0]
        np.subtract(below.ends[::-1], below.b, out=box)
        np.minimum(box, 0.0, out=box)
        if not np.count_nonzero(box[0] > box[1]):
            box[1] -= 1.0  # as `LayerSpace.next_layer` widens a box of one point


def _summands(n: int, m: int) -> Array:
    """Return a buffer (2, n, m) in that order of memory in which NumPy adds n terms as `Box.support` does.

    Eight and more are added in pairs along contiguous memory, fewer one after the other in any order.
    """
    return np.empty((2, n, m)) if n < 8 else np.empty((2, m, n)).transpose(0, 2, 1)
