"""Define the two parameter spaces, standard and reduced, that an optimiser can move in.

Both work on flat vectors (see `Layout`) and have the same four methods: ``contains``, ``sample``,
``gradient`` (from the Euclidean to the Riemannian one) and ``step`` (a retraction). An optimiser
is written once and runs in either. THEORY, section 4.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._validation import (
    Array, RandomLike, choice, flag, generator, instance, layer_sizes, real_array, same_inputs,
)
from ..domains import Domain
from ..networks.activations import activation_named
from ..networks.network import Network
from ..networks.parameters import Layout, Parameters
from ..numerics import sphere
from .in_place import InPlaceReducedSpace, InPlaceSpace
from .intervals import BOUNDS, LayerSpace
from .reduced_network import Feasibility, ReducedNetwork


class StandardSpace:
    """The space of standard networks: all of R^p.

    Parameters
    ----------
    sizes : (n_inputs, n_1, ..., n_outputs)
    output_bias : bool
    activation : "relu" or "binary"

    Examples
    --------
    >>> import numpy as np
    >>> space = StandardSpace((1, 2, 1))
    >>> space.step(np.zeros(6), np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(
        self, sizes: Iterable[int], *, output_bias: bool = False, activation: str = "relu"
    ) -> None:
        self.layout = Layout(layer_sizes(sizes), flag(output_bias, "output_bias"))
        self.activation = activation_named(activation).name

    def _vector(self, value: Any, name: str) -> Array:
        return real_array(value, name, (self.layout.n_parameters,))

    def network(self, theta: Any) -> Network:
        """Return the network of the flat vector theta."""
        p = Parameters(self.layout, self._vector(theta, "theta"))
        return Network(p.weights, p.thresholds, p.output_weights, p.output_bias, self.activation)

    def contains(self, theta: Any) -> Feasibility:
        """Return whether theta lies in the space and, if not, why."""
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

    def in_place(self, vector: Array) -> InPlaceSpace:
        """Return this space's operations at a vector that an optimiser changes in place."""
        return InPlaceSpace()


class ReducedSpace(StandardSpace):
    """The reduced space of a domain: spheres x intervals x R^m.

    Parameters
    ----------
    sizes : (n_inputs, n_1, ..., n_outputs)
    domain : Domain
    bound : "support" or "ball"
        With ``"support"`` the intervals of deep layers depend on the parameters of the layers
        below; `step` and `contains` compute them from the parameters they are given.
    output_bias : bool
    activation : "relu" or "binary"

    References
    ----------
    THEORY, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from reducednet.domains import Box
    >>> space = ReducedSpace((2, 3, 1), Box([0, 0], [1, 1]))
    >>> theta = space.sample(rng=0)
    >>> bool(space.contains(theta)), bool(space.contains(2 * theta))
    (True, False)
    >>> bool(space.contains(space.step(theta, np.ones(12))))
    True
    """

    def __init__(
        self, sizes: Iterable[int], domain: Domain, bound: str = "support", *,
        output_bias: bool = False, activation: str = "relu",
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
        """Return whether theta has unit rows and thresholds in their intervals and, if not, why."""
        return self.network(theta).feasibility()

    def sample(self, rng: RandomLike = None) -> Array:
        """Return a random point, the natural start; see `ReducedNetwork.random`."""
        return ReducedNetwork.random(
            self.layout.sizes, self.domain, rng, bound=self.bound,
            output_bias=self.layout.output_bias, activation=self.activation,
        ).to_vector()

    def gradient(self, theta: Any, euclidean: Any) -> Array:
        """Return the Riemannian gradient: dw <- dw - (w.dw) w for each unit row w."""
        result = self._vector(euclidean, "euclidean")
        blocks = zip(self.layout.blocks(self._vector(theta, "theta")), self.layout.blocks(result))
        for block, gradient in list(blocks)[:-1]:
            gradient[:-1] = sphere.project(block[:-1].T, gradient[:-1].T).T
        return result

    def step(self, theta: Any, direction: Any) -> Array:
        """Return the point after a step: a retraction that keeps the function's scale.

        v = w + dw, t = b + db:   w <- v / |v|,   b <- clip(t / |v|, low, high),   c <- |v| (c + dc)

        (ReLU; binary has c + dc.) Clipping aside, the function is that of the parameters v, t and
        c + dc. Where v = 0 the row stays as it was.
        """
        start = self._vector(theta, "theta")
        result = start + self._vector(direction, "direction")
        layer_space, blocks = self._first_layer(), self.layout.blocks(result)
        for block, above, start_block in zip(blocks, blocks[1:], self.layout.blocks(start)):
            # views of the result: a block is W^T over b, and the next one begins with C^T
            W, b, outgoing = block[:-1].T, block[-1], above[:block.shape[1]].T
            vanished = ~W.any(axis=1)
            W[vanished] = start_block[:-1].T[vanished]
            W[...], norms = sphere.normalise(W)
            low, high = layer_space.intervals(W).T
            with np.errstate(over="ignore"):  # inf is clipped to the end of the interval
                b[...] = np.clip(b / norms, low, high)
            if self.activation == "relu":
                outgoing *= norms
            layer_space = layer_space.next_layer(W, b)  # its intervals follow from W and b
        return result

    def _first_layer(self) -> LayerSpace:
        return LayerSpace(self.domain, activation_named(self.activation), self.bound)

    def in_place(self, vector: Array) -> InPlaceReducedSpace:
        """Return this space's operations at a vector that an optimiser changes in place."""
        return InPlaceReducedSpace(self.layout, self._first_layer(), vector)


def space_of(network: Network) -> StandardSpace | ReducedSpace:
    """Return the parameter space of the network.

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
