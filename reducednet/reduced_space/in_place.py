"""Project and retract at a flat vector that an optimiser changes in place, without new arrays.

Read `ReducedSpace.gradient` and `ReducedSpace.step` first: they state the formulas. Here is the
same mathematics arranged for speed; `ReducedSpace.step` itself ends with `retract` of this module.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Box, Domain
from ..networks.parameters import Layout
from ..numerics import sphere
from .intervals import LayerSpace


class WeightViews(NamedTuple):
    """A flat vector, and views of those of its parts that belong to unit rows.

    A part has shape (n_in, n_out): each of its columns belongs to one neuron.
    """

    vector: Array
    parts: Sequence[tuple[Callable[..., Array], Array, Array]]
    """For each part: a function that sums its columns, the part, a buffer for the sums."""


class InPlaceSpace:
    """A space at a flat vector that changes in place; in the standard space there is nothing to do.

    An optimiser adds a direction to the vector and calls `retract`. Then it calls `project` on the
    tangent vectors that it keeps: gradients become Riemannian, momentum moves to the new tangent
    space.
    """

    first_weights_fixed = False
    """Whether the first layer's weights never change: with one input they are 1 or -1, and a
    tangent direction there is 0.

    An optimiser must then hold 0 there in its vectors; see `Objective.use_arrays`.
    """

    def weight_views(self, vectors: Iterable[Array]) -> list[WeightViews]:
        """Return views of the flat vectors, the rows of an array (k, n_parameters)."""
        return []

    def project(self, views: list[WeightViews]) -> None:
        """Make the vectors tangent: g <- g - (w.g) w for each unit row w."""

    def sum_over_rows(self, views: list[WeightViews]) -> None:
        """Replace each entry of a weight row by the sum over its row."""

    def retract(self) -> None:
        """Bring the vector back to the space; see `ReducedSpace.step`."""


class InPlaceReducedSpace(InPlaceSpace):
    """A reduced space at a flat vector that changes in place; all views are made once.

    NumPy is two to three times as fast on contiguous arrays of equal shape as on small ones that it
    must broadcast. So products run over whole flat vectors, sums over rows are products with a
    vector of ones, and a number that belongs to a row is copied to each of its entries. For small
    arrays the method `dot`, an assignment to ``[...]`` and ``*=`` have less overhead than `np.dot`,
    `np.copyto` and `np.multiply`.

    Parameters
    ----------
    layout : Layout
    first : LayerSpace
        The space of the first hidden layer.
    vector : array (n_parameters,)
        The vector that changes.
    tangent : bool
        Whether the vector starts in the space and moves along tangent directions only. Then
        |w + dw| >= 1, so no norm is too small, and with one input no sign changes.
    """

    def __init__(self, layout: Layout, first: LayerSpace, vector: Array, tangent: bool) -> None:
        self._layout, self._vector = layout, vector
        blocks, layer_space = layout.blocks(vector), first
        self._layers: list[_InPlaceLayer] = []
        for block, above in zip(blocks, blocks[1:]):
            below = self._layers[-1] if self._layers else None
            layer = _InPlaceLayer(block, above, layer_space, below, tangent)
            if first.bound == "ball":  # the layers above have intervals that depend on no parameter
                layer_space = layer_space.next_layer(block[:-1].T, block[-1])
            self._layers.append(layer)
        self.first_weights_fixed = self._layers[0].fixed
        self._products = self._views(np.empty(len(vector)))
        self._components = self._views(np.zeros(len(vector)))
        self._sums = [
            (*product, component)
            for product, (_, component, _) in zip(self._products.parts, self._components.parts)
        ]

    def _views(self, vector: Array) -> WeightViews:
        pairs = zip(self._layers, self._layout.blocks(vector))
        parts = [(layer, block[:-1]) for layer, block in pairs if not layer.fixed]
        return WeightViews(vector, [(layer.ones.dot, part, layer.sums) for layer, part in parts])

    def weight_views(self, vectors: Iterable[Array]) -> list[WeightViews]:
        """Return views of the flat vectors, the rows of an array (k, n_parameters)."""
        return [self._views(vector) for vector in vectors] if self._sums else []

    def project(self, views: list[WeightViews]) -> None:
        """Make the vectors tangent: g <- g - (w.g) w for each unit row w."""
        for vector, _ in views:
            self._subtract_component(vector)

    def _subtract_component(self, vector: Array) -> None:
        """Project one vector. `component` is 0, and stays 0, outside the weights that move."""
        point, component = self._vector, self._components.vector
        np.multiply(vector, point, out=self._products.vector)
        for sum_columns, product, sums, part_of_component in self._sums:
            sum_columns(product, out=sums)
            part_of_component[...] = sums
        component *= point
        vector -= component

    def sum_over_rows(self, views: list[WeightViews]) -> None:
        """Replace each entry of a weight row by the sum over its row."""
        for _, parts in views:
            for sum_columns, part, sums in parts:
                sum_columns(part, out=sums)
                part[...] = sums

    def retract(self) -> None:
        """Bring the vector back to the space; see `ReducedSpace.step`."""
        for layer in self._layers:
            layer.retract()


class _InPlaceLayer:
    """One hidden layer of an `InPlaceReducedSpace`.

    With ReLU and bound="support", the input set of a deeper layer is a box, and so is that of the
    first layer if the domain is a `Box`. Over a box the intervals are computed here without new
    arrays, by the operations of `LayerSpace.intervals` in the same order: equal to the last bit.
    """

    def __init__(
        self, block: Array, above: Array, space: LayerSpace, below: _InPlaceLayer | None,
        tangent: bool,
    ) -> None:
        n, m = len(block) - 1, block.shape[1]
        self.block, self.weights, self.units, self.b = block, block[:-1], block[:-1].T, block[-1]
        self.space, self.below, self.tangent = space, below, tangent
        self.fixed = tangent and n == 1 and below is None
        relu = space.activation.name == "relu"
        self.outgoing = above[:m] if relu else None
        self.ones, self.sums, self.norms = np.ones(n), np.empty(m), np.empty(m)
        self.divisors = np.empty((n + 1, m))
        self.squares = self.divisors[:-1]  # used up when the divisors are written
        self.norms_column = self.norms[:, np.newaxis]
        self.interval = np.empty((2, m))
        self.low, self.high = self.interval
        self.constant_interval = space.bound == "ball" or self.fixed
        has_box = below is not None or isinstance(space.domain, Box)
        self.over_box = relu and has_box and not self.constant_interval
        if self.constant_interval:
            self.interval[...] = space.intervals(self.units).T
        elif self.over_box:
            self._make_box_buffers(space.domain)

    def _make_box_buffers(self, domain: Domain) -> None:
        """Make the buffers for intervals over a box with sides [low_i, high_i].

        Each is copied to every weight w_i, with a minus sign. The first layer's box is the domain.
        Those of deeper layers have low_i = 0, so that `minus_w_low` stays 0.
        """
        shape = self.weights.shape
        self.minus_w_low, self.minus_low, self.minus_high = np.zeros((3, *shape))
        self.terms, self.minus_side = np.empty((2, *shape)), np.empty(len(self.weights))
        self.low_terms, self.high_terms = self.terms
        self.minus_side_column = self.minus_side[:, np.newaxis]
        if isinstance(domain, Box) and self.below is None:
            self.minus_low[...] = -domain.low[:, np.newaxis]
            self.minus_high[...] = -domain.high[:, np.newaxis]

    def retract(self) -> None:
        """Normalise the rows, rescale thresholds and outgoing weights, clip the thresholds."""
        if not self.fixed:
            self._normalise()
        if not self.constant_interval:
            self._find_interval()
        np.maximum(self.b, self.low, out=self.b)
        np.minimum(self.b, self.high, out=self.b)

    def _normalise(self) -> None:
        """Divide rows and thresholds by |v|; multiply outgoing weights by it (ReLU)."""
        if self.tangent:
            np.multiply(self.weights, self.weights, out=self.squares)
            self.ones.dot(self.squares, out=self.norms)
            np.sqrt(self.norms, out=self.norms)
            self.divisors[...] = self.norms
            self.block /= self.divisors
        else:
            units, self.norms[...] = sphere.normalise(self.units)
            self.weights[...] = units.T
            with np.errstate(over="ignore"):  # inf will be clipped to the end of the interval
                np.divide(self.b, self.norms, out=self.b)
        if self.outgoing is not None:
            self.outgoing *= self.norms_column

    def _find_interval(self) -> None:
        """Write low = sum_i min(-w_i low_i, -w_i high_i), and high with max in place of min."""
        if not self.over_box:
            if self.below is not None:
                self.space = self.below.space.next_layer(self.below.units, self.below.b)
            self.interval[...] = self.space.intervals(self.units).T
            return
        if self.below is None:
            np.multiply(self.weights, self.minus_low, out=self.minus_w_low)
        else:
            self._take_box_of(self.below)
        minus_w_low, minus_w_high = self.minus_w_low, self.high_terms
        np.multiply(self.weights, self.minus_high, out=minus_w_high)
        np.minimum(minus_w_low, minus_w_high, out=self.low_terms)
        np.maximum(minus_w_low, minus_w_high, out=self.high_terms)
        if len(self.b) > 1:
            np.add.reduce(self.terms, axis=1, out=self.interval)
        else:  # here `reduce` would sum pairwise, not in order, which changes the last bits
            self.interval[...] = np.add.accumulate(self.terms, axis=1)[:, -1]

    def _take_box_of(self, below: _InPlaceLayer) -> None:
        """Write `minus_high` for the box of the activations below, a product of [0, b - low]."""
        np.subtract(below.low, below.b, out=self.minus_side)
        if not np.count_nonzero(self.minus_side):
            self.minus_side -= 1.0  # `LayerSpace.next_layer` widens a box of one point
        self.minus_high[...] = self.minus_side_column
