"""Project and retract at a flat vector that an optimiser changes in place, without new arrays.

This is the fast twin of `spaces`. Read `ReducedSpace.gradient` and `ReducedSpace.step` there: they
state the same mathematics as formulas, and a test holds the two together. The twin expects tangent
steps, as an optimiser makes them: then |w + dw| >= 1, so no norm is too small or too large, and
with one input no sign changes.

Comments say what a trick gains, as in `networks/backward.py`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Box, Domain
from ..networks.parameters import Layout
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

    Parameters
    ----------
    layout : Layout
    first : LayerSpace
        The space of the first hidden layer.
    vector : array (n_parameters,)
        The vector that changes. It starts in the space and moves along tangent directions.
    """

    def __init__(self, layout: Layout, first: LayerSpace, vector: Array) -> None:
        self._layout, self._vector = layout, vector
        blocks, layer_space = layout.blocks(vector), first
        self._layers: list[_InPlaceLayer] = []
        for block, above in zip(blocks, blocks[1:]):
            below = self._layers[-1] if self._layers else None
            layer = _InPlaceLayer(block, above, layer_space, below)
            if first.bound == "ball":  # the layers above have intervals that depend on no parameter
                layer_space = layer_space.next_layer(block[:-1].T, block[-1])
            self._layers.append(layer)
        self.first_weights_fixed = self._layers[0].fixed  # gains 58 % (1-20-1, 200 samples)
        self._products = self._views(np.empty(len(vector)))
        self._components = self._views(np.zeros(len(vector)))
        self._sums = [
            (*product, component)
            for product, (_, component, _) in zip(self._products.parts, self._components.parts)
        ]

    def _views(self, vector: Array) -> WeightViews:
        # a product with ones sums the columns: gains 8 % (2-20-10-1, 1000 samples)
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
        # products over whole vectors, w.g copied to each entry of w: gains 16 % (2-20-10-1, 1000)
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

    Its intervals are constant with bound="ball", and with one input. With ReLU and bound="support"
    they are over a box in a deeper layer, and in the first one if the domain is a `Box`:
    `_BoxInterval` computes these.
    """

    def __init__(
        self, block: Array, above: Array, space: LayerSpace, below: _InPlaceLayer | None
    ) -> None:
        n, m = len(block) - 1, block.shape[1]
        self.block, self.weights, self.units, self.b = block, block[:-1], block[:-1].T, block[-1]
        self.space, self.below = space, below
        self.fixed = n == 1 and below is None
        relu = space.activation.name == "relu"
        self.outgoing = above[:m] if relu else None
        self.ones, self.sums, self.norms = np.ones(n), np.empty(m), np.empty(m)
        self.squares, self.norms_column = np.empty((n, m)), self.norms[:, np.newaxis]
        self.interval = np.empty((2, m))
        self.low, self.high = self.interval
        self.write_interval: Callable[[], None] | None = self._write_interval
        if space.bound == "ball" or self.fixed:
            self._write_interval()
            self.write_interval = None
        elif relu and (below is not None or isinstance(space.domain, Box)):
            self.write_interval = _BoxInterval(self, space.domain).write

    def retract(self) -> None:
        """Normalise the rows, rescale thresholds and outgoing weights, clip the thresholds."""
        if not self.fixed:
            self._normalise()
        if self.write_interval is not None:
            self.write_interval()
        np.maximum(self.b, self.low, out=self.b)
        np.minimum(self.b, self.high, out=self.b)

    def _normalise(self) -> None:
        """Divide rows and thresholds by |v|; multiply outgoing weights by it (ReLU)."""
        np.multiply(self.weights, self.weights, out=self.squares)
        self.ones.dot(self.squares, out=self.norms)
        np.sqrt(self.norms, out=self.norms)
        self.block /= self.norms
        if self.outgoing is not None:
            self.outgoing *= self.norms_column

    def _write_interval(self) -> None:
        """Write the interval at the rows as they are now."""
        if self.space.bound == "support" and self.below is not None:
            self.space = self.below.space.next_layer(self.below.units, self.below.b)
        self.interval[...] = self.space.intervals(self.units).T


class _BoxInterval:
    """The intervals of a layer over a box with sides [p_i, q_i], without new arrays.

    low = sum_i min(-w_i p_i, -w_i q_i),    high = sum_i max(-w_i p_i, -w_i q_i)

    The operations are those of `LayerSpace.intervals` in the same order: equal to the last bit, but
    for sides within their rounding error, which `LayerSpace.next_layer` sets to 0. The box of the
    first layer is the domain. Those above have p = 0 and q = b - low of the layer below.
    """

    # gains 140 % (2-20-10-1, 1000 samples)

    def __init__(self, layer: _InPlaceLayer, domain: Domain) -> None:
        self._layer, self._weights, self._interval = layer, layer.weights, layer.interval
        n, m = layer.weights.shape
        self._minus_wp, self._terms = np.zeros((n, m)), np.empty((2, n, m))
        self._low_terms, self._high_terms = self._terms
        # copied to each weight, as arrays of equal shape are multiplied faster: gains 5 % (10-40-1)
        self._minus_p, self._minus_q = np.zeros((2, n, m))
        self._minus_side = np.empty(n)
        if layer.below is None and isinstance(domain, Box):
            self._minus_p[...] = -domain.low[:, np.newaxis]
            self._minus_q[...] = -domain.high[:, np.newaxis]

    def write(self) -> None:
        """Write low and high to the layer's interval."""
        minus_wp, minus_wq = self._minus_wp, self._high_terms
        if self._layer.below is None:
            np.multiply(self._weights, self._minus_p, out=minus_wp)
        else:
            self._take_box_of(self._layer.below)
        np.multiply(self._weights, self._minus_q, out=minus_wq)
        np.minimum(minus_wp, minus_wq, out=self._low_terms)
        np.maximum(minus_wp, minus_wq, out=self._high_terms)  # takes the place of minus_wq
        if self._weights.shape[1] > 1:
            np.add.reduce(self._terms, axis=1, out=self._interval)
        else:  # here `reduce` would sum pairwise, not in order, which changes the last bits
            self._interval[...] = np.add.accumulate(self._terms, axis=1)[:, -1]

    def _take_box_of(self, below: _InPlaceLayer) -> None:
        """Write -q for the box of the activations below, the product of [0, b - low]."""
        np.subtract(below.low, below.b, out=self._minus_side)
        if not np.count_nonzero(self._minus_side):
            self._minus_side -= 1.0  # `LayerSpace.next_layer` widens a box of one point
        self._minus_q[...] = self._minus_side[:, np.newaxis]
