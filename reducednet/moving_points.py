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
    """A flat vector, and the parts of it that belong to the weight rows of each layer."""

    vector: Array
    """(n_parameters,)"""
    parts: list[Array]
    """Views (n_in, n_out): columns are rows of the weight matrix."""


class MovingPoint:
    """The geometry at a flat vector that moves in place; in the standard space there is none.

    An optimiser adds a direction to the vector and calls `retract`; then it calls `project` with
    what it keeps of tangent vectors: that makes gradients Riemannian and transports momentum.
    """

    def rows(self, vectors: Array) -> list[Rows]:
        """Return the flat vectors (k, n_parameters) with their parts that belong to points of spheres."""
        return []

    def project(self, rows: list[Rows]) -> None:
        """Take the part along the sphere's point away: g <- g - (w.g) w."""

    def pool(self, rows: list[Rows]) -> None:
        """Replace each entry by the sum over its point of a sphere."""

    def retract(self) -> None:
        """Bring the vector back to the space, see `ReducedSpace.step`."""


class ReducedMovingPoint(MovingPoint):
    """The geometry of a reduced space at a flat vector that moves in place: views are made once.

    NumPy works through arrays of one shape, without gaps, two to three times as fast as through small
    arrays that it has to broadcast. So products are taken over whole flat vectors, sums over rows are
    products with a vector of ones, and what is the same for a row is written out for its entries.

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
        self._layout, self._vector = layout, vector
        self._products, self._along = np.empty(len(vector)), np.zeros(len(vector))
        blocks, layer_space = layout.blocks(vector), first
        self._layers: list[_MovingLayer] = []
        for block, above in zip(blocks, blocks[1:]):
            below = self._layers[-1] if self._layers else None
            layer = _MovingLayer(block, above, layer_space, below, tangent)
            if first.bound == "ball":  # the sets of the layers above do not depend on the parameters
                layer_space = layer_space.next_layer(block[:-1].T, block[-1])
            self._layers.append(layer)
        self._moves = not all(layer.fixed for layer in self._layers)
        self._sums = list(zip(self._layers, self._parts(self._products), self._parts(self._along)))

    def _parts(self, vector: Array) -> list[Array]:
        return [block[:-1] for block in self._layout.blocks(vector)[:-1]]

    def rows(self, vectors: Array) -> list[Rows]:
        """Return the flat vectors (k, n_parameters) with their parts that belong to points of spheres."""
        return [Rows(vector, self._parts(vector)) for vector in vectors]

    def project(self, rows: list[Rows]) -> None:
        """Take the part along the sphere's point away: g <- g - (w.g) w; nothing is left for w = +-1."""
        for vector, parts in rows:
            if self._layers[0].fixed:
                parts[0].fill(0.0)
            if self._moves:
                self._project(vector)

    def _project(self, vector: Array) -> None:
        """Do one vector; beside the weights of the layers that move `along` is and stays 0."""
        np.multiply(vector, self._vector, out=self._products)
        for layer, products, along in self._sums:
            if not layer.fixed:
                np.dot(layer.ones, products, out=layer.sums)
                np.copyto(along, layer.sums)
        np.multiply(self._along, self._vector, out=self._along)
        np.subtract(vector, self._along, out=vector)

    def pool(self, rows: list[Rows]) -> None:
        """Replace each entry by the sum over its point of a sphere."""
        for _, parts in rows:
            for layer, part in zip(self._layers, parts):
                if not layer.fixed:
                    np.dot(layer.ones, part, out=layer.sums)
                    np.copyto(part, layer.sums)

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
        self.ones, self.sums, self.norms = np.ones(n), np.empty(m), np.empty(m)
        self.norms_column, self.divisors, self.squares = self.norms[:, np.newaxis], np.empty((n + 1, m)), np.empty((n, m))
        self.ends = np.empty((2, m))
        self.low, self.high = self.ends
        self.constant = space.bound == "ball" or self.fixed
        self.has_box = relu and not self.constant and (below is not None or isinstance(space.domain, Box))
        if self.constant:
            self.ends[...] = space.intervals(self.units).T
        elif self.has_box:
            self._make_box()

    def _make_box(self) -> None:
        """Make buffers for the ends over a box: `faces` has -low_i and -high_i for each weight w_i.

        The first layer's box stays; those of deeper layers have low_i = 0.
        """
        shape = (2, *self.weights.shape)
        self.faces, self.terms, self.extremes = np.zeros(shape), np.zeros(shape), np.empty(shape)
        self.least, self.largest = self.extremes
        self.depth = np.zeros(len(self.weights))
        if isinstance(self.space.domain, Box) and self.below is None:
            self.faces[...] = -np.stack([self.space.domain.low, self.space.domain.high])[..., np.newaxis]

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
            np.multiply(self.weights, self.weights, out=self.squares)
            np.dot(self.ones, self.squares, out=self.norms)
            np.sqrt(self.norms, out=self.norms)
            np.copyto(self.divisors, self.norms)
            np.divide(self.block, self.divisors, out=self.block)
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
        if self.below is None:
            np.multiply(self.weights, self.faces[0], out=self.terms[0])
        else:
            self._take_box_of(self.below)
        np.multiply(self.weights, self.faces[1], out=self.terms[1])
        np.minimum(self.terms[0], self.terms[1], out=self.least)
        np.maximum(self.terms[0], self.terms[1], out=self.largest)
        if self.extremes.shape[2] > 1:
            np.add.reduce(self.extremes, axis=1, out=self.ends)
        else:  # here `reduce` would not add the terms one after the other
            self.ends[...] = np.add.accumulate(self.extremes, axis=1)[:, -1]

    def _take_box_of(self, below: _MovingLayer) -> None:
        """Write minus the upper ends of the box of activations below, which is [0, b - low]."""
        np.subtract(below.low, below.b, out=self.depth)
        if not np.count_nonzero(self.depth):
            self.depth -= 1.0  # as `LayerSpace.next_layer` widens a box of one point
        np.copyto(self.faces[1], self.depth[:, np.newaxis])
