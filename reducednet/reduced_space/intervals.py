"""The interval of thresholds that matter, layer by layer (THEORY, Prop. 2 and section 3).

A unit row w has pre-activations w.h + b with w.h in [-high, -low] on its layer's input set. So a
threshold b <= low makes a dead neuron, b >= high one that is always on, and only
I(w) = [low, high] is needed.

bound="ball": the paper's number. [-X_B, X_B] in the first layer; in deeper layers a ball about 0
of radius X^(l+1) = 2 sqrt(n_l) X^l (binary: sqrt(n_l)), whatever the parameters are.
bound="support": the exact range of w.x in the first layer; in deeper layers that over the box of
the layer's activations, which depends on the parameters before it.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain
from ..networks.activations import Activation
from ..numerics.rounding import SMALLEST, gamma

BOUNDS = ("ball", "support")
SPARE = ("keep", "redraw")


class LayerSpace(NamedTuple):
    """The reduced space of one layer: its input set, its activation and the kind of interval.

    `domain` bounds the inputs for the intervals and may be larger than needed. What rounding can do is
    measured with `least` and `size`, between which the values h_i lie that the layers below really give, and
    `blur`, how far they may be off as computed: arrays (n_inputs,), or None in the first layer.
    """

    domain: Domain
    activation: Activation
    bound: str
    least: Array | None = None
    size: Array | None = None
    blur: Array | None = None

    @property
    def margin(self) -> float:
        """More than the rounding of w.x + b for a unit row w and |x|, |b| <= X_B.

        The product sum carries n + 1 roundings of terms that add up to at most 2 X_B, the
        interval's end as many, a norm and a division n / 2 + 3.
        """
        n = self.domain.n_inputs
        return 4.0 * (gamma(n + 6) * self.domain.norm_bound + (n + 1) * SMALLEST)

    def rounding_error(self, units: Array) -> Array:
        """Return more than the rounding of each neuron's interval ends, as (n_neurons,).

        A width below it is zero, and a threshold as near to an end is at it, as far as float64 can tell.
        """
        n, size, blur = units.shape[1], self.size, self.blur
        if size is None or blur is None:
            size, blur = np.abs(self.domain.bounding_box()).max(axis=0), np.zeros(n)
        ball = self.domain.norm_bound if self.bound == "ball" else 0.0
        return 2.0 * gamma(n + 4) * (np.abs(units) @ size + ball) + np.abs(units) @ blur

    def intervals(self, units: Array) -> Array:
        """Return the interval [low, high] of each unit row, as (n_neurons, 2).

        low = -h(w), high = h(-w); with bound="ball" -X_B and X_B. For the binary activation the
        ends lie further out by the margin, so that a neuron at an end is 0, or 1, on all of the
        input set in floating point too.
        """
        if self.bound == "ball":
            high = np.full(len(units), self.domain.norm_bound)
            low = -high
        else:
            low, high = -self.domain.support(units), self.domain.support(-units)
        if self.activation.name == "binary":
            low, high = low - self.margin, high + self.margin
        return np.stack([low, high], axis=1) + 0.0  # + 0.0 turns -0.0 into 0.0

    def next_layer(self, units: Array, b: Array) -> LayerSpace:
        """Return the space of the layer above these neurons.

        Sides that are zero to rounding are zero, and a box of one point gets one unit added to its
        upper ends, so that the layer above has directions of positive width: an interval may be
        larger than needed.
        """
        n, binary = len(units), self.activation.name == "binary"
        rounding, image = self.rounding_error(units), self.domain
        if self.bound == "ball":
            image = Ball(np.zeros(n), float(np.sqrt(n)) * (1.0 if binary else 2.0 * self.domain.norm_bound))
        else:
            slack = self.margin / 2 if binary else 0.0  # constant only where z keeps its sign by the slack
            low, high = activation_range(self.domain, units, b, self.activation, slack)
            high = np.where(high - low <= rounding, low, high)
            image = Box(low, high if (low < high).any() else high + 1.0)
        if binary:
            return self._replace(domain=image, least=np.zeros(n), size=np.ones(n), blur=np.zeros(n))
        z_low, z_high = b + self._least(units), b - self._least(-units)
        blur = np.clip(z_high + rounding, 0.0, rounding)
        least = np.maximum(z_low - rounding, 0.0)
        return self._replace(domain=image, least=least, size=np.maximum(z_high, 0.0) + blur, blur=blur)

    def _least(self, units: Array) -> Array:
        """Return the least w.h that the layers below really give, or a bound of it."""
        if self.size is None or self.least is None:
            return -self.domain.support(-units)
        return np.asarray(np.maximum(units, 0.0) @ self.least + np.minimum(units, 0.0) @ self.size)


def activation_range(
    domain: Domain, W: Array, b: Array, activation: Activation, slack: Array | float = 0.0
) -> tuple[Array, Array]:
    """Return the ends of the box of activations s(W h + b), for h in the domain.

    z_j ranges over [b_j - h(-w_j), b_j + h(w_j)], here widened by `slack` (a number, or one a
    neuron); rows need not be unit.

    Returns
    -------
    low, high : arrays (n_neurons,)
    """
    low, high = b - domain.support(-W), b + domain.support(W)
    return activation.value(low - slack), activation.value(high + slack)


def layer_spaces(
    first: LayerSpace, weights: Iterable[Array], thresholds: Iterable[Array]
) -> list[LayerSpace]:
    """Return the space of each hidden layer of a reduced network, given that of the first."""
    spaces = [first]
    for units, b in list(zip(weights, thresholds))[:-1]:
        spaces.append(spaces[-1].next_layer(units, b))
    return spaces
