"""The geometry at a flat vector that an optimiser moves in place: projection and retraction.

It is what `ReducedSpace.gradient` and `ReducedSpace.step` say, without a new array at each step.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Box, Domain
from ..networks.parameters import Layout
from ..numerics import sphere
from .intervals import LayerSpace


class WeightViews(NamedTuple):
    """A flat vector, and the parts (n_in, n_out) of it whose columns belong to points of spheres."""

    vector: Array
    moving: Sequence[tuple[Callable[..., Array], Array, Array]]
    """(product with ones, part, buffer for its sums over columns)"""


class InPlaceSpace:
    """The geometry at a flat vector that moves in place; in the standard space there is none.

    An optimiser adds a direction to the vector and calls `retract`; then it calls `project` with
    what it keeps of tangent vectors: that makes gradients Riemannian and transports momentum.
    """

    first_weights_fixed = False
    """Whether the first layer's rows, of one weight 1 or -1, move along tangent directions only: not at all.

    An optimiser's vectors are to hold 0 there; see `Objective.hold_first_weights`.
    """

    def weight_views(self, vectors: Array) -> list[WeightViews]:
        """Return the flat vectors (k, n_parameters) with their parts that belong to points of spheres."""
        return []

    def project(self, rows: list[WeightViews]) -> None:
        """Take the part along the sphere's point away: g <- g - (w.g) w."""

    def sum_over_rows(self, rows: list[WeightViews]) -> None:
        """Replace each entry by the sum over its point of a sphere."""

    def retract(self) -> None:
        """Bring the vector back to the space, see `ReducedSpace.step`."""


class InPlaceReducedSpace(InPlaceSpace):
    """The geometry of a reduced space at a flat vector that moves in place: views are made once.

    NumPy works through arrays of one shape, without gaps, two to three times as fast as through small
    arrays that it has to broadcast. So products are taken over whole flat vectors, sums over rows are
    products with a vector of ones, and what is the same for a row is written out for its entries. The
    method `dot`, an assignment to ``[...]`` and ``*=`` begin sooner than `np.dot`, `np.copyto` and
    `np.multiply`.

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
        blocks, layer_space = layout.blocks(vector), first
        self._layers: list[_InPlaceLayer] = []
        for block, above in zip(blocks, blocks[1:]):
            below = self._layers[-1] if self._layers else None
            layer = _InPlaceLayer(block, above, layer_space, below, tangent)
            if first.bound == "ball":  # the sets of the layers above do not depend on the parameters
                layer_space = layer_space.next_layer(block[:-1].T, block[-1])
            self._layers.append(layer)
        self.first_weights_fixed = self._layers[0].fixed
        self._products, self._along = self._weight_views(np.empty(len(vector))), self._weight_views(np.zeros(len(vector)))
        self._sums = [
            (*product, along) for product, (_, along, _) in zip(self._products.moving, self._along.moving)
        ]

    def _weight_views(self, vector: Array) -> WeightViews:
        moving = [(layer, block[:-1]) for layer, block in zip(self._layers, self._layout.blocks(vector))
                  if not layer.fixed]
        return WeightViews(vector, [(layer.ones.dot, weights, layer.sums) for layer, weights in moving])

    def weight_views(self, vectors: Array) -> list[WeightViews]:
        """Return the flat vectors (k, n_parameters) with their parts that belong to points of spheres."""
        return [self._weight_views(vector) for vector in vectors] if self._sums else []

    def project(self, rows: list[WeightViews]) -> None:
        """Take the part along the sphere's point away: g <- g - (w.g) w."""
        for vector, _ in rows:
            self._take_away(vector)

    def _take_away(self, vector: Array) -> None:
        """Do one vector; beside the weights that move `along` is and stays 0."""
        point, along = self._vector, self._along.vector
        np.multiply(vector, point, out=self._products.vector)
        for ones_times, part, sums, spread in self._sums:
            ones_times(part, out=sums)
            spread[...] = sums
        along *= point
        vector -= along

    def sum_over_rows(self, rows: list[WeightViews]) -> None:
        """Replace each entry by the sum over its point of a sphere."""
        for _, moving in rows:
            for ones_times, part, sums in moving:
                ones_times(part, out=sums)
                part[...] = sums

    def retract(self) -> None:
        """Bring the vector back to the space, see `ReducedSpace.step`."""
        for layer in self._layers:
            layer.retract()


class _InPlaceLayer:
    """One hidden layer of a `InPlaceReducedSpace`.

    With ReLU and the support interval the set of a layer is a box, fixed or that of the
    activations below, and its ends are found here without a new array; they are those of
    `LayerSpace.intervals` to the last bit, for the operations are the same in the same order.
    """

    def __init__(
        self, block: Array, above: Array, space: LayerSpace, below: _InPlaceLayer | None, tangent: bool
    ) -> None:
        n, m = len(block) - 1, block.shape[1]
        self.block, self.weights, self.units, self.b = block, block[:-1], block[:-1].T, block[-1]
        self.space, self.below, self.tangent = space, below, tangent
        self.fixed = tangent and n == 1 and below is None
        relu = space.activation.name == "relu"
        self.scaled = above[:m] if relu else None
        self.ones, self.sums, self.norms = np.ones(n), np.empty(m), np.empty(m)
        self.divisors = np.empty((n + 1, m))
        self.squares = self.divisors[:-1]  # used up when the divisors are written
        self.norms_column = self.norms[:, np.newaxis]
        self.ends = np.empty((2, m))
        self.low, self.high = self.ends
        self.constant = space.bound == "ball" or self.fixed
        self.has_box = relu and not self.constant and (below is not None or isinstance(space.domain, Box))
        if self.constant:
            self.ends[...] = space.intervals(self.units).T
        elif self.has_box:
            self._make_box(space.domain)

    def _make_box(self, domain: Domain) -> None:
        """Make buffers for the ends over a box, with -low_i and -high_i written out for each weight w_i.

        The first layer's box stays; those of deeper layers have low_i = 0, so that `at_low` stays 0.
        """
        shape = self.weights.shape
        self.at_low, self.minus_low, self.minus_high = np.zeros((3, *shape))
        self.extremes, self.depth = np.empty((2, *shape)), np.empty(len(self.weights))
        self.least, self.largest = self.extremes
        self.depth_column = self.depth[:, np.newaxis]
        if isinstance(domain, Box) and self.below is None:
            self.minus_low[...] = -domain.low[:, np.newaxis]
            self.minus_high[...] = -domain.high[:, np.newaxis]

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
            self.ones.dot(self.squares, out=self.norms)
            np.sqrt(self.norms, out=self.norms)
            self.divisors[...] = self.norms
            self.block /= self.divisors
        else:
            units, self.norms[...] = sphere.normalise(self.units)
            self.weights[...] = units.T
            with np.errstate(over="ignore"):  # inf is clipped to the interval's end
                np.divide(self.b, self.norms, out=self.b)
        if self.scaled is not None:
            self.scaled *= self.norms_column

    def _find_ends(self) -> None:
        """Write low = sum_i min(-w_i low_i, -w_i high_i) and high, the sum of the maxima."""
        if not self.has_box:
            if self.below is not None:
                self.space = self.below.space.next_layer(self.below.units, self.below.b)
            self.ends[...] = self.space.intervals(self.units).T
            return
        if self.below is None:
            np.multiply(self.weights, self.minus_low, out=self.at_low)
        else:
            self._take_box_of(self.below)
        at_low, at_high = self.at_low, self.largest
        np.multiply(self.weights, self.minus_high, out=at_high)
        np.minimum(at_low, at_high, out=self.least)
        np.maximum(at_low, at_high, out=self.largest)
        if len(self.b) > 1:
            np.add.reduce(self.extremes, axis=1, out=self.ends)
        else:  # here `reduce` would add in pairs, not one after the other
            self.ends[...] = np.add.accumulate(self.extremes, axis=1)[:, -1]

    def _take_box_of(self, below: _InPlaceLayer) -> None:
        """Write minus the upper ends of the box of activations below, which is [0, b - low]."""
        np.subtract(below.low, below.b, out=self.depth)
        if not np.count_nonzero(self.depth):
            self.depth -= 1.0  # as `LayerSpace.next_layer` widens a box of one point
        self.minus_high[...] = self.depth_column
