"""The two parameter spaces: where an optimiser moves, and how.

Both work on flat vectors (see `Layout`) and have the same four methods: ``contains``, ``sample``,
``gradient`` (Euclidean to Riemannian) and ``step`` (a retraction). Optimisers are written once,
against a space.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from . import sphere
from ._validation import Array, RandomLike, choice, flag, generator, instance, layer_sizes, real_array, same_inputs
from .activations import activation_named
from .domains import Box, Domain
from .intervals import BOUNDS, LayerSpace
from .kernels import Layout
from .networks import Network
from .parameters import Parameters
from .reduced_networks import Feasibility, ReducedNetwork


class StandardSpace:
    """All parameters of standard networks: a flat space R^p.

    Parameters
    ----------
    sizes : (n_inputs, n_1, ..., n_outputs)
    output_bias : bool
    activation : "relu" or "binary"

    Examples
    --------
    >>> space = StandardSpace((1, 2, 1))
    >>> space.step(np.zeros(6), np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, sizes: Iterable[int], *, output_bias: bool = False, activation: str = "relu") -> None:
        self.layout = Layout(layer_sizes(sizes), flag(output_bias, "output_bias"))
        self.activation = activation_named(activation).name

    def _vector(self, value: Any, name: str) -> Array:
        return real_array(value, name, (self.layout.n_parameters,))

    def network(self, theta: Any) -> Network:
        """Return the network of the flat vector theta."""
        p = Parameters(self.layout, self._vector(theta, "theta"))
        return Network(p.weights, p.thresholds, p.output_weights, p.output_bias, self.activation)

    def contains(self, theta: Any) -> Feasibility:
        """Tell whether theta lies in the space, and if not, why."""
        self._vector(theta, "theta")
        return Feasibility(True, "")

    def sample(self, rng: RandomLike = None) -> Array:
        """Return a random point: all parameters N(0, 1)."""
        return generator(rng).standard_normal(self.layout.n_parameters)

    def gradient(self, theta: Any, euclidean: Any) -> Array:
        """Return the Riemannian gradient: here the Euclidean one."""
        return self._vector(euclidean, "euclidean")

    def step(self, theta: Any, direction: Any) -> Array:
        """Return theta + direction."""
        return self._vector(theta, "theta") + self._vector(direction, "direction")

    def moving_point(self, vector: Array, *, tangent: bool = False) -> MovingPoint:
        """Return the space's geometry at a vector that an optimiser moves in place."""
        return MovingPoint()


class ReducedSpace(StandardSpace):
    """The reduced space of a domain: spheres x intervals x R^m.

    Parameters
    ----------
    sizes : (n_inputs, n_1, ..., n_outputs)
    domain : Domain
    bound : "support" or "ball"
        With ``"support"`` the intervals of deep layers depend on the parameters before them; `step`
        and `contains` take them at the parameters they are given.
    output_bias : bool
    activation : "relu" or "binary"

    References
    ----------
    THEORY, section 4.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> space = ReducedSpace((2, 3, 1), Box([0, 0], [1, 1]))
    >>> theta = space.sample(rng=0)
    >>> bool(space.contains(theta)), bool(space.contains(2 * theta))
    (True, False)
    >>> bool(space.contains(space.step(theta, np.ones(12))))
    True
    """

    def __init__(
        self, sizes: Iterable[int], domain: Domain, bound: str = "support", *, output_bias: bool = False,
        activation: str = "relu",
    ) -> None:
        super().__init__(sizes, output_bias=output_bias, activation=activation)
        self.domain: Domain = instance(domain, "domain", Domain, "a Box, Ball or Hull")
        same_inputs(self.layout.sizes[0], self.domain.n_inputs)
        self.bound = choice(bound, "bound", BOUNDS)

    def network(self, theta: Any) -> ReducedNetwork:
        """Return the reduced network of the flat vector theta."""
        p = Parameters(self.layout, self._vector(theta, "theta"))
        return ReducedNetwork(
            p.weights, p.thresholds, p.output_weights, p.output_bias, self.activation,
            domain=self.domain, bound=self.bound,
        )

    def contains(self, theta: Any) -> Feasibility:
        """Tell whether theta has unit rows and thresholds in their intervals; if not, why."""
        return self.network(theta).feasibility()

    def sample(self, rng: RandomLike = None) -> Array:
        """Return the natural start: see `ReducedNetwork.random`."""
        return ReducedNetwork.random(
            self.layout.sizes, self.domain, rng, bound=self.bound, output_bias=self.layout.output_bias,
            activation=self.activation,
        ).to_vector()

    def gradient(self, theta: Any, euclidean: Any) -> Array:
        """Return the Riemannian gradient: each row's part along itself is taken away."""
        result = self._vector(euclidean, "euclidean")
        blocks = zip(self.layout.blocks(self._vector(theta, "theta")), self.layout.blocks(result))
        for block, gradient in list(blocks)[:-1]:
            gradient[:-1] = sphere.project(block[:-1].T, gradient[:-1].T).T
        return result

    def step(self, theta: Any, direction: Any) -> Array:
        """Return the retraction along the direction, which keeps the function's scale.

        v = w + dw, t = b + db:   w <- v / |v|,   b <- clip(t / |v|, low, high),   c <- |v| (c + dc)

        (ReLU; binary keeps c + dc.) Before the clipping this is the function of v and t. Where
        v = 0 the row stays as it was.
        """
        direction = self._vector(direction, "direction")
        result = self._vector(theta, "theta") + direction
        for block, moved in zip(self.layout.blocks(result)[:-1], self.layout.blocks(direction)):
            stuck = ~block[:-1].any(axis=0)
            block[:-1, stuck] = -moved[:-1, stuck]  # w + dw = 0 in floating point only where w = -dw
        self.moving_point(result).retract()
        return result

    def moving_point(self, vector: Array, *, tangent: bool = False) -> ReducedMovingPoint:
        """Return the space's geometry at a vector that an optimiser moves in place."""
        return ReducedMovingPoint(self, vector, tangent)


def space_of(network: Network) -> StandardSpace | ReducedSpace:
    """Return the space that the network lies in.

    Examples
    --------
    >>> type(space_of(Network.random((1, 2, 1), rng=0))).__name__
    'StandardSpace'
    """
    bias, activation = network.output_bias is not None, network.activation
    if isinstance(network, ReducedNetwork):
        return ReducedSpace(
            network.sizes, network.domain, network.bound, output_bias=bias, activation=activation
        )
    return StandardSpace(network.sizes, output_bias=bias, activation=activation)


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
    space : ReducedSpace
    vector : array (n_parameters,)
        What moves.
    tangent : bool
        The vector starts in the space and moves along tangent directions only. Then |w + dw| >= 1,
        so that no norm can be too small, and the signs of rows of one weight never change.
    """

    def __init__(self, space: ReducedSpace, vector: Array, tangent: bool) -> None:
        self._layout = space.layout
        blocks = space.layout.blocks(vector)
        layer_space = LayerSpace(space.domain, activation_named(space.activation), space.bound)
        self._layers: list[_MovingLayer] = []
        for block, above in zip(blocks, blocks[1:]):
            below = self._layers[-1] if self._layers else None
            layer = _MovingLayer(block, above, layer_space, below, tangent)
            if space.bound == "ball":  # the sets of the layers above do not depend on the parameters
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
