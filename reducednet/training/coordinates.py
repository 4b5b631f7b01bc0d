"""Coordinates of the two spaces in which an optimiser with simple bounds moves freely.

Standard networks: the flat vector itself. Reduced networks: a row v that is normalised, and a
place q in [0, 1] in the threshold's interval, counted in units of 1 / PLACE_SCALE,

    w = v / |v|,   b = (1 - q) low + q high,

so that every point of coordinates is a feasible network (THEORY, section 4). The support interval
moves with w: b = -w.x_q with x_q = (1 - q) x*(w) + q x*(-w), a point that the neuron's hyperplane
goes through. In deep layers the input set is the box [0, side], side_j = q_j width_j.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..networks.network import Network
from ..numerics import sphere
from ..reduced_space.reduced_network import ReducedNetwork

EDGE = 0.025
"""How near to an end of the support interval a place may come: no neuron dies in training."""


PLACE_SCALE = 2.0
"""A place q is the coordinate 2 q, so that the interval has length 2, as [-1, 1] has. A quasi-Newton
method feels this choice, as it feels the scale of a standard network's rows: on sin(4 pi x) a larger
one is better, on other problems it is worse. It is not tuned."""


class StandardCoordinates:
    """The flat vector, free of bounds."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def start(self) -> Array:
        """Return the coordinates of the network."""
        return self.network.to_vector()

    def bounds(self, start: Array) -> tuple[Array, Array] | None:
        """Return the bounds of each coordinate, or None."""
        return None

    def to_vector(self, u: Array) -> Array:
        """Return the flat vector of parameters at the coordinates."""
        return u

    def pull_back(self, gradient: Array) -> Array:
        """Return the gradient by the coordinates of the last `to_vector`."""
        return gradient

    def feasible_vector(self, u: Array) -> Array:
        """Return the flat vector at the coordinates, in its space to the last bit."""
        return u


class _Layer(NamedTuple):
    """What `pull_back` needs of one layer at the last point."""

    units: Array
    norms: Array
    q: Array
    upper: Array
    """x*(w), where w.x is largest."""
    lower: Array
    """x*(-w)."""
    widths: Array
    from_below: bool
    """Whether the input set depends on the layer below."""


class ReducedCoordinates(StandardCoordinates):
    """Rows v and scaled places q, in the layout of the flat vector; outgoing weights as they are."""

    def __init__(self, network: ReducedNetwork) -> None:
        super().__init__(network)
        self.layout, self.domain, self.bound = network.layout, network.domain, network.bound
        self.spaces = network.layer_spaces
        self.layers: list[_Layer] = []

    def start(self) -> Array:
        """Return the coordinates of the network: its rows, and each threshold's place."""
        u = self.network.to_vector()
        assert isinstance(self.network, ReducedNetwork)
        for block, interval in zip(self.layout.blocks(u), self.network.intervals):
            low, high = interval.T
            width = np.where(high > low, high - low, 1.0)
            places = np.where(high > low, np.clip((block[-1] - low) / width, 0.0, 1.0), 0.5)
            block[-1] = PLACE_SCALE * places
        return u

    def bounds(self, start: Array) -> tuple[Array, Array]:
        """Return bounds on the places: [0, 1] for the ball, else away from the ends.

        A neuron that starts nearer to an end may stay there.
        """
        edge = EDGE if self.bound == "support" else 0.0
        low, high = np.full_like(start, -np.inf), np.full_like(start, np.inf)
        parts = zip(*(self.layout.blocks(vector)[:-1] for vector in (start, low, high)))
        for u, lower, upper in parts:
            lower[-1] = np.minimum(u[-1], PLACE_SCALE * edge)
            upper[-1] = np.maximum(u[-1], PLACE_SCALE * (1.0 - edge))
        return low, high

    def to_vector(self, u: Array) -> Array:
        """Return the flat vector of parameters at the coordinates."""
        theta, self.layers, side = u.copy(), [], None
        for index, block in enumerate(self.layout.blocks(theta)[:-1]):
            units, norms = sphere.normalise(block[:-1].T)
            q = block[-1] / PLACE_SCALE
            layer = self._layer(index, units, norms, q, side)
            block[:-1] = units.T
            if self.bound == "ball":
                block[-1] = (q - 0.5) * layer.widths
            else:
                block[-1] = -np.einsum("ij,ij->i", units, _between(layer))
            self.layers.append(layer)
            side = q * layer.widths
        return theta

    def _layer(self, index: int, units: Array, norms: Array, q: Array, side: Array | None) -> _Layer:
        """Return the layer's input set as far as its neurons see it."""
        if self.bound == "ball":
            width = np.full(len(q), 2.0 * self.spaces[index].domain.norm_bound)
            return _Layer(units, norms, q, units, units, width, False)
        if side is None:
            upper, lower = self.domain.support_points(units), self.domain.support_points(-units)
        else:
            side = side if side.any() else np.ones_like(side)  # as `LayerSpace.next_layer` widens one point
            upper, lower = np.where(units > 0.0, side, 0.0), np.where(units < 0.0, side, 0.0)
        widths = np.einsum("ij,ij->i", units, upper - lower)
        return _Layer(units, norms, q, upper, lower, widths, side is not None)

    def pull_back(self, gradient: Array) -> Array:
        """Return the gradient by the coordinates of the last `to_vector`.

        With db, dside the derivatives of the loss by thresholds and by the sides of the layer's
        image, D = x*(w) - x*(-w):

        dq = (db + dside) width / PLACE_SCALE,   dw += -db x_q + dside q D,   dv = (I - w w^T) dw / |v|
        """
        result = gradient.copy()
        blocks, dside = self.layout.blocks(result), np.zeros(0)
        for block, layer in zip(reversed(blocks[:-1]), reversed(self.layers)):
            units, q, db = layer.units, layer.q, block[-1].copy()
            dW = block[:-1].T.copy()
            if self.bound == "support":
                dside = dside if len(dside) else np.zeros(len(q))
                dW -= db[:, np.newaxis] * _between(layer)
                dW += (dside * q)[:, np.newaxis] * (layer.upper - layer.lower)
                block[-1] = (db + dside) * layer.widths / PLACE_SCALE
                dside = self._through_side(layer, db, dside)
            else:
                block[-1] = db * layer.widths / PLACE_SCALE
            block[:-1] = (sphere.project(units, dW) / layer.norms[:, np.newaxis]).T
        return result

    @staticmethod
    def _through_side(layer: _Layer, db: Array, dside: Array) -> Array:
        """Return the derivative by the sides of the layer's own input box.

        b = -sum_i ((1 - q) max(w_i, 0) + q min(w_i, 0)) side_i,   width = sum_i |w_i| side_i
        """
        positive, negative = np.maximum(layer.units, 0.0), np.minimum(layer.units, 0.0)
        by_threshold = -((1.0 - layer.q) * db) @ positive - (layer.q * db) @ negative
        return by_threshold + (dside * layer.q) @ np.abs(layer.units)

    def feasible_vector(self, u: Array) -> Array:
        """Return `to_vector`, with thresholds that rounding took out of their interval clipped to it."""
        theta, space = self.to_vector(u), self.spaces[0]
        hidden = self.layout.blocks(theta)[:-1]
        for number, block in enumerate(hidden, start=1):
            units = block[:-1].T
            low, high = space.intervals(units).T
            block[-1] = np.clip(block[-1], low, high)
            if number < len(hidden):
                space = space.next_layer(units, block[-1])
        return theta


def _between(layer: _Layer) -> Array:
    """Return x_q = (1 - q) x*(w) + q x*(-w), the point of each neuron's hyperplane."""
    q = layer.q[:, np.newaxis]
    return (1.0 - q) * layer.upper + q * layer.lower


def coordinates_of(network: Network) -> StandardCoordinates:
    """Return the coordinates of the network's space.

    A binary network's hidden parameters have gradient 0 and stay where they are, bit for bit.
    """
    if isinstance(network, ReducedNetwork) and network.activation == "relu":
        return ReducedCoordinates(network)
    return StandardCoordinates(network)
