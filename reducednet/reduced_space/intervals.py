"""Compute I(w), the interval of thresholds that matter, layer by layer (THEORY, Prop. 2).

For a unit row w, let w.h take values in [-high, -low] on the layer's input set. A threshold
b <= low makes the neuron dead, and b >= high makes it always on. Only thresholds in between can
place the neuron's hyperplane inside the input set: I(w) = [low, high].

bound="ball": the paper's interval, [-X_B, X_B] in the first layer. The inputs of a deeper layer
lie in the ball about 0 of radius X^(l+1) = 2 sqrt(n_l) X^l (binary: sqrt(n_l)), whatever the
parameters are.

bound="support": in the first layer, the exact range of w.x over the domain, from its support
function. In a deeper layer, the range of w.h over a box that contains the activations below; this
box depends on the parameters of the layers below.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain
from ..networks.activations import Activation
from ..numerics.blocks import absolute_product, product_of_signs
from ..numerics.rounding import SMALLEST, gamma

BOUNDS = ("ball", "support")
SPARE = ("keep", "redraw")


class InputRange(NamedTuple):
    """What the rounding errors of a layer's intervals follow from; the intervals do not need it.

    Attributes
    ----------
    low, high : arrays (n_inputs,)
        Bounds of the layer's inputs, tighter than the domain that defines the intervals.
    error : array (n_inputs,)
        A bound on the rounding error of the inputs as computed.
    """

    low: Array
    high: Array
    error: Array


class RowBounds(NamedTuple):
    """What a layer's intervals and those above follow from, for each of its unit rows w.

    Attributes
    ----------
    low, high : arrays (n_neurons,)
        The range of w.h over the domain; not needed, and zeros, for bound="ball".
    least, greatest : arrays (n_neurons,)
        The range of w.h over the layer's input range.
    error : array (n_neurons,)
        `LayerSpace.rounding_error`.
    """

    low: Array
    high: Array
    least: Array
    greatest: Array
    error: Array


class LayerSpace(NamedTuple):
    """The reduced space of one layer: its input set, its activation and the kind of interval.

    Attributes
    ----------
    domain : Domain
        Contains the layer's inputs, and defines the intervals. It may be larger than needed.
    activation : Activation
    bound : "support" or "ball"
    input_range : InputRange
        None in the first layer, where the domain gives it and inputs have no error.
    """

    domain: Domain
    activation: Activation
    bound: str
    input_range: InputRange | None = None

    def row_bounds(self, units: Array) -> RowBounds:
        """Return the bounds of each unit row: the passes over the weights that all else needs.

        To be handed to `intervals` and `next_layer`, which compute them again otherwise.
        """
        if self.bound == "ball" and self.input_range is not None:
            low, high = np.zeros((2, len(units)))
        else:
            low, high = self.domain.ranges(units)
        if self.input_range is None:
            return RowBounds(low, high, low, high, self.rounding_error(units))
        below, n = self.input_range, units.shape[1]
        vectors = [below.low, below.high, *self._magnitude_and_error()]
        opposite = [below.high, below.low, -vectors[2], -vectors[3]]
        least, greatest, magnitude, moved = product_of_signs(
            units, np.stack(vectors, axis=1), np.stack(opposite, axis=1)
        ).T
        return RowBounds(low, high, least, greatest, self._rounding_error(n, magnitude, moved))

    def intervals(self, units: Array, bounds: RowBounds | None = None) -> Array:
        """Return the interval [low, high] of each unit row, as (n_neurons, 2).

        With h the support function of the input set, low = -h(w) and high = h(-w); with
        bound="ball" they are -X_B and X_B. For the binary activation the interval is wider by the
        margin on both sides: a neuron at the lower (upper) end then outputs 0 (1) on the whole
        input set in floating point too.
        """
        if self.bound == "ball":
            high = np.full(len(units), self.domain.norm_bound)
            low = -high
        else:
            least, greatest = self.domain.ranges(units) if bounds is None else bounds[:2]
            low, high = -greatest, -least
        if self.activation.name == "binary":
            low, high = low - self.margin, high + self.margin
        return np.stack([low, high], axis=1) + 0.0  # + 0.0 turns -0.0 into 0.0

    def next_layer(self, units: Array, b: Array, bounds: RowBounds | None = None) -> LayerSpace:
        """Return the space of the layer above these neurons."""
        bounds = self.row_bounds(units) if bounds is None else bounds
        if self.bound == "ball":
            domain: Domain = self._ball_above(len(units))
        else:
            domain = self._box_above(b, bounds)
        return self._replace(domain=domain, input_range=self._range_above(b, bounds))

    def _ball_above(self, n: int) -> Ball:
        """Return a ball that contains the activations of n neurons: |h_j| <= 2 X_B (binary: 1)."""
        largest = 1.0 if self.activation.name == "binary" else 2.0 * self.domain.norm_bound
        return Ball(np.zeros(n), float(np.sqrt(n)) * largest)

    def _box_above(self, b: Array, bounds: RowBounds) -> Box:
        """Return a box that contains the activations: s(b_j - h(-w_j)) <= h_j <= s(b_j + h(w_j)).

        Sides of the box no longer than their rounding error are set to 0. If no side is left, each
        is made 1 long, so that the layer above has intervals of positive width: an interval may be
        wider than needed, never too narrow.
        """
        binary = self.activation.name == "binary"
        margin = self.margin / 2 if binary else 0.0  # stable only if z keeps its sign by it
        low = self.activation.value(b + bounds.low - margin)
        high = self.activation.value(b + bounds.high + margin)
        high = np.where(high - low <= bounds.error, low, high)
        return Box(low, high if (low < high).any() else high + 1.0)

    # What rounding needs.

    @property
    def margin(self) -> float:
        """A bound on the rounding error of w.x + b, for a unit row w and |x|, |b| <= X_B.

        Three sources: the sum of products, n + 1 roundings of terms of total magnitude at most
        2 X_B; the interval's end, as many again; the norm and the division, n / 2 + 3 roundings.
        """
        n = self.domain.n_inputs
        return 4.0 * (gamma(n + 6) * self.domain.norm_bound + (n + 1) * SMALLEST)

    def rounding_error(self, units: Array) -> Array:
        """Return a bound on the rounding error of each neuron's interval, as (n_neurons,).

        Let A >= |h| on the input set. An end is a sum of n products: n roundings of terms of total
        magnitude |w|.A. A threshold at this end has those of its norm and its quotient too,
        n / 2 + 4. And inputs that are off by e move the end by |w|.e. Together

        gamma_n |w|.A + gamma_(n/2+4) |w|.A + |w|.e <= 2 gamma_(n+4) |w|.A + |w|.e

        (bound="ball": the end X_B has the same roundings.) An interval narrower than this
        counts as a point, and a threshold nearer than this to an end counts as lying at that end:
        float64 cannot tell the difference.
        """
        vectors = np.stack(self._magnitude_and_error(), axis=1)
        return self._rounding_error(units.shape[1], *absolute_product(units, vectors).T)

    def _magnitude_and_error(self) -> tuple[Array, Array]:
        """Return A >= |h| on the input set, and the errors e of the inputs, each (n_inputs,)."""
        if self.input_range is None:
            magnitude = np.abs(self.domain.bounding_box()).max(axis=0)
            return magnitude, np.zeros_like(magnitude)
        return self.input_range.high, self.input_range.error

    def _rounding_error(self, n: int, magnitude: Array, moved: Array) -> Array:
        """Return 2 gamma_(n+4) |w|.A + |w|.e, given these products."""
        ball = self.domain.norm_bound if self.bound == "ball" else 0.0
        return 2.0 * gamma(n + 4) * (magnitude + ball) + moved

    def _range_above(self, b: Array, bounds: RowBounds) -> InputRange:
        """Return the range of the activations of these neurons, given the errors of their z."""
        n, error = len(b), bounds.error
        if self.activation.name == "binary":
            return InputRange(np.zeros(n), np.ones(n), np.zeros(n))
        z_low, z_high = b + bounds.least, b + bounds.greatest
        h_error = np.clip(z_high + error, 0.0, error)  # 0 for a neuron that is certainly dead
        low, high = np.maximum(z_low - error, 0.0), np.maximum(z_high, 0.0) + h_error
        return InputRange(low, high, h_error)


def layer_spaces(
    first: LayerSpace, weights: Iterable[Array], thresholds: Iterable[Array]
) -> list[LayerSpace]:
    """Return the space of each hidden layer of a reduced network, given that of the first."""
    spaces = [first]
    for units, b in list(zip(weights, thresholds))[:-1]:
        spaces.append(spaces[-1].next_layer(units, b))
    return spaces
