"""Define coordinates of the two spaces, constrained only by bounds on single variables.

For a standard network the coordinates are the flat vector itself. For a reduced network they are a
row v, which is normalised, and the position q in [0, 1] of the threshold in its interval,
multiplied by POSITION_SCALE:

    w = v / |v|,   b = (1 - q) low + q high,

so that all coordinates within the bounds give a feasible network (THEORY, section 4). The support
interval changes with w: b = -w.x_q, where x_q = (1 - q) x*(w) + q x*(-w) is a point on the neuron's
hyperplane and x*(w) maximises w.x over the domain. In deep layers the input set is the box
[0, side], side_j = q_j width_j.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..networks.network import Network
from ..numerics import sphere
from ..reduced_space.reduced_network import ReducedNetwork

CLEARANCE = 0.025
"""The least distance of a position from 0 and 1 in a support interval, so that no neuron dies."""

POSITION_SCALE = 2.0
"""The coordinate of a position q is 2 q: it varies over a length of 2, as on [-1, 1]. Quasi-Newton
methods depend on this scale, as they do on that of a standard network's rows: on sin(4 pi x) a
larger one is better, on other problems worse. It is not tuned."""


class StandardCoordinates:
    """The flat vector itself, without bounds."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def start(self) -> Array:
        """Return the coordinates of the network."""
        return self.network.to_vector()

    def bounds(self, start: Array) -> tuple[Array, Array] | None:
        """Return the lower and upper bounds on the coordinates, or None."""
        return None

    def to_vector(self, u: Array) -> Array:
        """Return the flat vector of parameters at the coordinates."""
        return u

    def pull_back(self, gradient: Array) -> Array:
        """Return the gradient with respect to the coordinates of the last `to_vector`."""
        return gradient

    def feasible_vector(self, u: Array) -> Array:
        """Return a new flat vector at the coordinates, feasible in floating point too."""
        return u.copy()


class _Layer(NamedTuple):
    """One layer at the last point, as `pull_back` needs it."""

    units: Array
    norms: Array
    q: Array
    upper: Array
    """x*(w), a point where w.x is largest."""
    lower: Array
    """x*(-w), a point where w.x is smallest."""
    widths: Array
    from_below: bool
    """Whether the input set depends on the layer below."""


class ReducedCoordinates(StandardCoordinates):
    """Rows v, scaled positions q and the outgoing weights, in the layout of the flat vector."""

    def __init__(self, network: ReducedNetwork) -> None:
        super().__init__(network)
        self.layout, self.domain, self.bound = network.layout, network.domain, network.bound
        self.spaces = network.layer_spaces
        self.layers: list[_Layer] = []

    def start(self) -> Array:
        """Return the coordinates of the network: its rows and the positions of its thresholds."""
        u = self.network.to_vector()
        assert isinstance(self.network, ReducedNetwork)
        for block, interval in zip(self.layout.blocks(u), self.network.intervals):
            low, high = interval.T
            width = np.where(high > low, high - low, 1.0)
            positions = np.where(high > low, np.clip((block[-1] - low) / width, 0.0, 1.0), 0.5)
            block[-1] = POSITION_SCALE * positions
        return u

    def bounds(self, start: Array) -> tuple[Array, Array]:
        """Return bounds on the positions: [0, 1] for the ball, a little less for the support.

        A neuron that starts outside these bounds may stay there.
        """
        clearance = CLEARANCE if self.bound == "support" else 0.0
        low, high = np.full_like(start, -np.inf), np.full_like(start, np.inf)
        parts = zip(*(self.layout.blocks(vector)[:-1] for vector in (start, low, high)))
        for u, lower, upper in parts:
            lower[-1] = np.minimum(u[-1], POSITION_SCALE * clearance)
            upper[-1] = np.maximum(u[-1], POSITION_SCALE * (1.0 - clearance))
        return low, high

    def to_vector(self, u: Array) -> Array:
        """Return the flat vector of parameters at the coordinates."""
        theta, self.layers, side = u.copy(), [], None
        for index, block in enumerate(self.layout.blocks(theta)[:-1]):
            units, norms = sphere.normalise(block[:-1].T)
            q = block[-1] / POSITION_SCALE
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
        """Return the layer's normalised rows and positions, and extreme points of its inputs."""
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
        """Return the gradient with respect to the coordinates of the last `to_vector`.

        With db, dside the derivatives of the loss with respect to the thresholds and to the sides
        of the box that holds the layer's outputs, and D = x*(w) - x*(-w):

        dw += -db x_q + dside q D,   dv = (I - w w^T) dw / |v|,
        d(scaled q) = (db + dside) width / POSITION_SCALE
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
                block[-1] = (db + dside) * layer.widths / POSITION_SCALE
                dside = self._through_side(layer, db, dside)
            else:
                block[-1] = db * layer.widths / POSITION_SCALE
            block[:-1] = (sphere.project(units, dW) / layer.norms[:, np.newaxis]).T
        return result

    @staticmethod
    def _through_side(layer: _Layer, db: Array, dside: Array) -> Array:
        """Return the derivative with respect to the sides of the layer's input box.

        b = -sum_i ((1 - q) max(w_i, 0) + q min(w_i, 0)) side_i,   width = sum_i |w_i| side_i
        """
        positive, negative = np.maximum(layer.units, 0.0), np.minimum(layer.units, 0.0)
        by_threshold = -((1.0 - layer.q) * db) @ positive - (layer.q * db) @ negative
        return by_threshold + (dside * layer.q) @ np.abs(layer.units)

    def feasible_vector(self, u: Array) -> Array:
        """Return `to_vector`, with thresholds clipped that rounding took out of their interval."""
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
    """Return x_q = (1 - q) x*(w) + q x*(-w), a point on each neuron's hyperplane."""
    q = layer.q[:, np.newaxis]
    return (1.0 - q) * layer.upper + q * layer.lower


def coordinates_of(network: Network) -> StandardCoordinates:
    """Return the coordinates of the network's space.

    The hidden parameters of a binary network have gradient 0, so its flat vector serves: no step
    changes them by a bit.
    """
    if isinstance(network, ReducedNetwork) and network.activation == "relu":
        return ReducedCoordinates(network)
    return StandardCoordinates(network)
