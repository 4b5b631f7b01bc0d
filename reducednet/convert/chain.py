"""Networks from a chain of affine maps and ReLUs, one operation after the other.

Where two affine maps follow one another they are multiplied out in float64, which rounds; a matrix and
one vector between two ReLUs stay what they are.
"""
from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, message, real_array
from ..networks.network import Network


class AffineChain:
    """A network that is still growing: its hidden layers, and the affine map W h + b on the last of them.

    W None is the identity, so that an input of any claimed size takes no memory; b None is no vector.

    Parameters
    ----------
    n_inputs : int
    limit : int
        Largest number of entries that all steps together may make.

    Raises
    ------
    ValueError
        By each step that would make more entries than the limit, before they are made.
    """

    def __init__(self, n_inputs: int, limit: int) -> None:
        self.size, self._limit, self._made = n_inputs, limit, 0
        self._hidden: list[tuple[Array, Array]] = []
        self._W: Array | None = None
        self._b: Array | None = None
        self._charge(n_inputs)

    def _charge(self, count: int) -> None:
        self._made += count
        if self._made > self._limit:
            raise ValueError(f"the network has more than {self._limit} numbers, too many for a file of this size")

    def multiply(self, V: Array) -> None:
        """z <- V z, that is W <- V W, b <- V b."""
        self._charge(V.size)
        if self._W is not None:
            self._charge(len(V) * self._W.shape[1])
        with np.errstate(all="ignore"):
            self._W = V if self._W is None else V @ self._W
            self._b = None if self._b is None else V @ self._b
        self.size = len(V)

    def add(self, c: Array) -> None:
        """z <- z + c, for c of any shape that has as many entries as z, in their order."""
        self._charge(self.size)
        with np.errstate(all="ignore"):
            self._b = c.ravel() if self._b is None else self._b + c.ravel()

    def negate(self) -> None:
        """z <- -z."""
        self._W = -self._matrix()
        self._b = None if self._b is None else -self._b

    def relu(self) -> None:
        """z <- relu(z), a hidden layer; relu(relu(z)) = relu(z)."""
        if self._hidden and self._W is None and self._b is None:
            return
        W = self._matrix()
        self._hidden.append((W, np.zeros(len(W)) if self._b is None else self._b))
        self._W = self._b = None

    def _matrix(self) -> Array:
        if self._W is None:
            self._charge(self.size * self.size)
            return np.eye(self.size)
        return self._W

    def network(self) -> Network:
        """Return the network; after a last ReLU its outgoing weights are the identity."""
        if not self._hidden:
            raise ValueError("the network has no Relu: it is not a ReLU network but an affine map")
        weights, thresholds = zip(*self._hidden)
        return Network(weights, thresholds, self._matrix(), self._b)


class AffineStep(NamedTuple):
    """The map h -> W h + b of a layer, and the layer's name; b None is no vector."""

    name: str
    W: Array
    b: Array | None


Step = AffineStep | None  # None is a ReLU


def affine(weight_name: str, W: Any, bias_name: str, b: Any) -> AffineStep:
    """Return the map of checked numbers; errors name the arrays as they are called in their library."""
    W = real_array(W, weight_name, ("n_outputs", "n_inputs"))
    return AffineStep(weight_name, W, None if b is None else real_array(b, bias_name, (len(W),)))


def chain_network(steps: Iterable[Step], name: str) -> Network:
    """Return the network of a chain; its first affine map tells how many inputs it has."""
    steps = list(steps)
    maps = [step for step in steps if step is not None]
    if not maps:
        raise ValueError(message(name, "of at least one affine layer", "none"))
    chain = AffineChain(maps[0].W.shape[1], sys.maxsize)
    for step in steps:
        if step is None:
            chain.relu()
        else:
            _append(chain, step)
    return chain.network()


def _append(chain: AffineChain, step: AffineStep) -> None:
    if step.W.shape[1] != chain.size:
        raise ValueError(message(step.name, f"of {chain.size} inputs, the outputs before it", step.W.shape[1]))
    chain.multiply(step.W)
    if step.b is not None:
        chain.add(step.b)
