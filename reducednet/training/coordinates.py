"""Define coordinates of the two spaces, constrained only by bounds on single variables.

For a standard network the coordinates are the flat vector itself. For a reduced network they are a
row v, which is normalised, and the position q in [0, 1] of the threshold in its interval,
multiplied by POSITION_SCALE = 2, so that all coordinates within the bounds give a feasible network
(THEORY, section 4). With x*(w) a point of the input set where w.x is largest,

    middle = (x*(w) + x*(-w)) / 2,   half = (x*(w) - x*(-w)) / 2,
    w = v / |v|,   b = (2 q - 1) w.half - w.middle

so that b runs from -w.x*(w), where the neuron is dead, to -w.x*(-w), where it is always on. With
bound="ball", w.half is X_B and w.middle is 0. In deep layers the input set is the box [0, side],
side_j = 2 q_j w_j.half_j of the neurons below.
"""
from __future__ import annotations

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain
from ..networks.network import Network
from ..numerics import sphere
from ..reduced_space.reduced_network import ReducedNetwork

CLEARANCE = 0.025
"""The least distance of a position from 0 and 1 in a support interval, so that no neuron dies."""

POSITION_SCALE = 2.0
"""The coordinate of a position q is 2 q: it varies over a length of 2, as on [-1, 1]. Quasi-Newton
methods depend on this scale, as they do on that of a standard network's rows: on sin(4 pi x) a
larger one is better, on other problems worse. It is not tuned."""

ROUNDING = 1e-9
"""More than the rounding error of a threshold and of the ends of its interval, in units of the
largest input: that is below 4 gamma_n, n the number of inputs."""

LARGEST_NORM = 1e150
"""The square of a larger row, and of a row smaller than 1 / LARGEST_NORM, may leave float64."""


class StandardCoordinates:
    """The flat vector itself, without bounds.

    Attributes
    ----------
    vector : array (n_parameters,)
        The flat vector of the last `move_to`.
    gradient : array (n_parameters,)
        A buffer for the gradient there.
    first_weights_held : bool
        Whether the first layer's weights never change.
    """

    first_weights_held = False

    def __init__(self, network: Network) -> None:
        self.network, self.vector = network, network.to_vector()
        self.gradient = np.zeros_like(self.vector)

    def start(self) -> Array:
        """Return the coordinates of the network."""
        return self.network.to_vector()

    def bounds(self, start: Array) -> tuple[Array, Array] | None:
        """Return the lower and upper bounds on the coordinates, or None."""
        return None

    def move_to(self, u: Array) -> None:
        """Write the parameters at the coordinates to `vector`."""
        self.vector[...] = u

    def to_vector(self, u: Array) -> Array:
        """Return a new flat vector of parameters at the coordinates."""
        self.move_to(u)
        return self.vector.copy()

    def pull_back(self, gradient: Array) -> Array:
        """Return the gradient with respect to the coordinates of the last `move_to`.

        Pass the buffer `gradient` itself, which is overwritten, to avoid a copy.
        """
        return gradient.copy()

    def feasible_vector(self, u: Array) -> Array:
        """Return a new flat vector at the coordinates, feasible in floating point too."""
        return u.copy()


class ReducedCoordinates(StandardCoordinates):
    """Rows v, scaled positions q and the outgoing weights, in the layout of the flat vector.

    Parameters
    ----------
    network : ReducedNetwork
    hold_first_weights : bool
        Whether the first layer's rows stay those of the network: with one input they are 1 or -1.
    threshold_unit : float, optional
        Scale the positions so that a step of 1 in a coordinate moves the threshold by this much at
        the start (by no more than half of its interval). By default the coordinate is 2 q, which
        moves a threshold by half of its interval.
    """

    def __init__(
        self, network: ReducedNetwork, hold_first_weights: bool = False,
        threshold_unit: float | None = None,
    ) -> None:
        super().__init__(network)
        self.layout, self.bound, self.spaces = network.layout, network.bound, network.layer_spaces
        self.first_weights_held = hold_first_weights
        self._layers: list[_Layer] = []
        self.scales = [_position_scale(interval, threshold_unit) for interval in network.intervals]
        blocks, gradients = self.layout.blocks(self.vector), self.layout.blocks(self.gradient)
        for block, gradient, space, scale in zip(blocks, gradients, self.spaces, self.scales):
            below = self._layers[-1] if self._layers else None
            held = hold_first_weights and below is None
            if self.bound == "ball":
                radius = space.domain.norm_bound
                self._layers.append(_BallLayer(block, gradient, scale, radius, held))
            else:
                domain = space.domain if below is None else None
                self._layers.append(_SupportLayer(block, gradient, scale, domain, below, held))
        self._moved_to = b""

    def start(self) -> Array:
        """Return the coordinates of the network: its rows and the positions of its thresholds."""
        u = self.network.to_vector()
        assert isinstance(self.network, ReducedNetwork)
        layers = zip(self.layout.blocks(u), self.network.intervals, self.scales)
        for block, interval, scale in layers:
            low, high = interval.T
            width = np.where(high > low, high - low, 1.0)
            positions = np.where(high > low, np.clip((block[-1] - low) / width, 0.0, 1.0), 0.5)
            block[-1] = scale * positions
        return u

    def bounds(self, start: Array) -> tuple[Array, Array]:
        """Return bounds on the positions: [0, 1] for the ball, a little less for the support.

        A neuron that starts outside these bounds may stay there.
        """
        clearance = CLEARANCE if self.bound == "support" else 0.0
        low, high = np.full_like(start, -np.inf), np.full_like(start, np.inf)
        parts = zip(*(self.layout.blocks(vector)[:-1] for vector in (start, low, high)))
        for (u, lower, upper), scale in zip(parts, self.scales):
            lower[-1] = np.minimum(u[-1], scale * clearance)
            upper[-1] = np.maximum(u[-1], scale * (1.0 - clearance))
        return low, high

    def move_to(self, u: Array) -> None:
        """Write the parameters at the coordinates to `vector`."""
        self.vector[...] = u
        for layer in self._layers:
            layer.move()
        self._moved_to = u.tobytes()

    def pull_back(self, gradient: Array) -> Array:
        """Return the gradient with respect to the coordinates of the last `move_to`.

        Pass the buffer `gradient` itself, which is overwritten, to avoid a copy.
        """
        if gradient is not self.gradient:
            self.gradient[...] = gradient
        by_sides = None
        for layer in reversed(self._layers):
            by_sides = layer.pull_back(by_sides)
        return self.gradient.copy()

    def feasible_vector(self, u: Array) -> Array:
        """Return `to_vector`, with thresholds clipped that rounding took out of their interval."""
        if u.tobytes() != self._moved_to:
            self.move_to(u)
        theta = self.vector.copy()
        if all(layer.clear_of_ends() for layer in self._layers):
            return theta
        space, hidden = self.spaces[0], self.layout.blocks(theta)[:-1]
        for number, block in enumerate(hidden, start=1):
            units = block[:-1].T
            low, high = space.intervals(units).T
            block[-1] = np.clip(block[-1], low, high)
            if number < len(hidden):
                space = space.next_layer(units, block[-1])
        return theta


class _Layer:
    """One hidden layer, in blocks of a flat vector and of its gradient that change in place.

    All arrays are made once. An array over weights has the shape (n, m) of the block: n inputs, m
    neurons. Sums over inputs are products with a vector of ones, which NumPy does fastest.

    Parameters
    ----------
    block, gradient : arrays (n + 1, m)
    scale : array (m,)
        The coordinate of a position q is scale q.
    held : bool
        Whether the weights never change.

    Attributes
    ----------
    weights, b : arrays (n, m) and (m,)
        Views of the block: v and scale q before `move`, w and b after it.
    position : array (m,)
        2 q.
    half_width : array (m,)
        w.half: half the width of each interval.
    """

    def __init__(self, block: Array, gradient: Array, scale: Array, held: bool) -> None:
        (n, m), self.held = block[:-1].shape, held
        self._per_coordinate = POSITION_SCALE / scale
        self.weights, self.b = block[:-1], block[-1]
        self.by_weights, self.by_threshold = gradient[:-1], gradient[-1]
        self.position, self.centred, self.half_width = np.zeros((3, m))
        self._norms, self._inverse_norms, self._sums = np.empty((3, m))
        self._products, self._ones, self._ones_m = np.empty((n, m)), np.ones(n), np.ones(m)

    def move(self) -> None:
        """Replace rows and scaled positions by weights and thresholds."""
        np.multiply(self.b, self._per_coordinate, out=self.position)
        np.subtract(self.position, 1.0, out=self.centred)
        if not self.held:
            self._normalise()
            self._find_interval()
        np.multiply(self.centred, self.half_width, out=self.b)

    def _find_interval(self) -> None:
        """Write `half_width` for the present weights."""

    def _sum_over_inputs(self, left: Array, right: Array, out: Array) -> None:
        """Write sum_i left_ij right_ij."""
        np.multiply(left, right, out=self._products)
        self._ones.dot(self._products, out=out)

    def _normalise(self) -> None:
        """Replace v by w = v / |v|."""
        norms, inverse = self._norms, self._inverse_norms
        self._sum_over_inputs(self.weights, self.weights, norms)
        np.sqrt(norms, out=norms)
        np.divide(1.0, norms, out=inverse)
        if self._ones_m.dot(norms) < LARGEST_NORM and self._ones_m.dot(inverse) < LARGEST_NORM:
            np.divide(self.weights, norms, out=self.weights)
        else:
            units, norms[...] = sphere.normalise(self.weights.T)
            self.weights[...] = units.T
            np.divide(1.0, norms, out=inverse)

    def pull_back(self, by_sides: Array | None) -> Array | None:
        """Replace the gradient by weights and thresholds by that by rows and scaled positions.

        Parameters
        ----------
        by_sides : array (m,) or None
            The derivative of the loss with respect to the sides of the box of the layer's outputs.

        Returns
        -------
        array (n,) or None
            That with respect to the sides of the box of its inputs, if there is one.
        """
        raise NotImplementedError

    def _pull_back_norms(self) -> None:
        """Replace dw by dv = (dw - w (w.dw)) / |v|."""
        self._sum_over_inputs(self.weights, self.by_weights, self._sums)
        np.multiply(self.weights, self._sums, out=self._products)
        np.subtract(self.by_weights, self._products, out=self.by_weights)
        np.multiply(self.by_weights, self._inverse_norms, out=self.by_weights)

    def clear_of_ends(self) -> bool:
        """Return True if all thresholds are certainly within their intervals, as computed."""
        raise NotImplementedError


class _BallLayer(_Layer):
    """A layer whose intervals are all [-radius, radius]: b = (2 q - 1) radius."""

    def __init__(
        self, block: Array, gradient: Array, scale: Array, radius: float, held: bool
    ) -> None:
        super().__init__(block, gradient, scale, held)
        self.half_width[...] = radius

    def pull_back(self, by_sides: Array | None) -> Array | None:
        """Replace the gradient; d(2 q) = db radius."""
        np.multiply(self.by_threshold, self.half_width, out=self.by_threshold)
        self.by_threshold *= self._per_coordinate
        if not self.held:
            self._pull_back_norms()
        return None

    def clear_of_ends(self) -> bool:
        """Return True: |2 q - 1| <= 1, and a product with such a factor rounds to no more."""
        return True


class _SupportLayer(_Layer):
    """A layer whose intervals are the ranges of w.x over its input set.

    Parameters
    ----------
    block, gradient, scale, held
        As for `_Layer`.
    domain : Domain or None
        The input set of the first layer.
    below : _Layer or None
        Otherwise the layer whose outputs lie in the box [0, side].
    """

    def __init__(
        self, block: Array, gradient: Array, scale: Array, domain: Domain | None,
        below: _Layer | None, held: bool,
    ) -> None:
        super().__init__(block, gradient, scale, held)
        self._domain, self._below = domain, below
        self._half, self._middle = np.empty_like(self.weights), np.empty_like(self.weights)
        self._by_threshold, self._by_half = np.empty((2, len(self.b)))
        self._radius, self._half_middle = np.zeros((len(self.weights), 1)), np.empty(len(self.b))
        self._largest_input = np.inf if domain is None else domain.norm_bound
        if isinstance(domain, Box):
            self._radius[:, 0] = domain.high / 2 - domain.low / 2
            self._middle[...] = (domain.high / 2 + domain.low / 2)[:, np.newaxis]
        elif isinstance(domain, Ball):
            self._middle[...] = domain.centre[:, np.newaxis]
        if held:
            self._find_interval()

    def move(self) -> None:
        """Replace rows and scaled positions by weights and thresholds."""
        super().move()
        np.subtract(self.b, self._half_middle, out=self.b)

    def _find_interval(self) -> None:
        """Write half, `half_width` = w.half and w.middle for the present weights."""
        if self._below is not None:
            self._take_box_of(self._below)
        if self._below is not None or isinstance(self._domain, Box):
            np.copysign(self._radius, self.weights, out=self._half)
        elif isinstance(self._domain, Ball):
            np.multiply(self.weights, self._domain.radius, out=self._half)
        elif self._domain is not None:
            upper = self._domain.support_points(self.weights.T).T
            lower = self._domain.support_points(-self.weights.T).T
            self._half[...], self._middle[...] = upper / 2 - lower / 2, upper / 2 + lower / 2
        self._sum_over_inputs(self.weights, self._half, self.half_width)
        self._sum_over_inputs(self.weights, self._middle, self._half_middle)

    def _take_box_of(self, below: _Layer) -> None:
        """Write the box [0, side], side = 2 q w.half of the layer below; its middle is side / 2."""
        sides = below.position * below.half_width
        if not sides.any():
            sides[...] = 1.0  # `LayerSpace.next_layer` widens a box of one point
        self._radius[:, 0] = sides / 2
        self._middle[...] = self._radius
        self._largest_input = float(sides.sum())

    def pull_back(self, by_sides: Array | None) -> Array | None:
        """Replace the gradient, and return that by the sides of the box of the layer's inputs.

        With a = (2 q - 1) db + 2 q dside:
        d(2 q) = (db + dside) w.half,   dw += a half - db middle,   dside_i = dradius_i + dmiddle_i
        """
        db, by_half = self._by_threshold, self._by_half
        db[...] = self.by_threshold
        np.multiply(self.centred, db, out=by_half)
        if by_sides is not None:
            by_half += self.position * by_sides
            self.by_threshold += by_sides
        np.multiply(self.by_threshold, self.half_width, out=self.by_threshold)
        self.by_threshold *= self._per_coordinate
        if self.held:
            return None
        by_sides_below = None
        if self._below is not None:
            by_sides_below = (np.abs(self.weights) @ by_half - self.weights @ db) / 2.0
        np.multiply(self._half, by_half, out=self._products)
        np.add(self.by_weights, self._products, out=self.by_weights)
        np.multiply(self._middle, db, out=self._products)
        np.subtract(self.by_weights, self._products, out=self.by_weights)
        self._pull_back_norms()
        return by_sides_below

    def clear_of_ends(self) -> bool:
        """Return True if all thresholds are certainly within their intervals, as computed.

        The distance from the nearer end is min(2 q, 2 - 2 q) w.half >= 2 q (2 - 2 q) / 2 w.half.
        """
        product = self.position * (2.0 - self.position)
        product *= self.half_width
        return bool(product.min() > 2.0 * ROUNDING * self._largest_input)


def _position_scale(intervals: Array, threshold_unit: float | None) -> Array:
    """Return the scale of each neuron's position, from its interval at the start."""
    scale = np.full(len(intervals), POSITION_SCALE)
    if threshold_unit is not None:
        scale = np.maximum(scale, (intervals[:, 1] - intervals[:, 0]) / threshold_unit)
    return scale


def coordinates_of(network: Network, threshold_unit: float | None = None) -> StandardCoordinates:
    """Return the coordinates of the network's space; `ReducedCoordinates` explains the unit.

    The hidden parameters of a binary network have gradient 0, so its flat vector serves: no step
    changes them by a bit.
    """
    if isinstance(network, ReducedNetwork) and network.activation == "relu":
        return ReducedCoordinates(network, network.n_inputs == 1, threshold_unit)
    return StandardCoordinates(network)
