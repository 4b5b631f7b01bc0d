"""Build a network from a chain of affine maps and ReLUs, in real arithmetic on the given numbers.

A converter turns a model into steps, affine maps W h + b and ReLUs, for `chain_network`. A file
format with operators of its own applies them to an `AffineChain` one after the other.

* float16, bfloat16, float32 and float64 are converted exactly, and arrays are copies.
* Two affine maps without a ReLU between them, V (W h + b) + c, are multiplied out in float64. That
  rounds: with n the number of columns of V, and apart from underflow,
  |error of V W| <= gamma_n |V| |W|  and  |error of V b + c| <= gamma_(n+1) (|V| |b| + |c|).
* After a last ReLU the outgoing weights are the identity; a ReLU before the first affine map is a
  layer of its own.
* Whatever is not known to be such a step is refused by name, and so is a model without any ReLU.

References
----------
THEORY, section 1 (the network); PROOFS, section 1 (gamma).
"""
from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, message, real_array
from ..networks.network import Network


class AffineStep(NamedTuple):
    """The affine map h -> W h + b of a layer (b None: no vector), and its name for messages."""

    name: str
    W: Array
    b: Array | None


Step = AffineStep | None  # None is a ReLU


def affine(weight_name: str, W: Any, bias_name: str, b: Any) -> AffineStep:
    """Check the arrays and return their step; messages call them by the given names."""
    W = real_array(W, weight_name, ("n_outputs", "n_inputs"))
    return AffineStep(weight_name, W, None if b is None else real_array(b, bias_name, (len(W),)))


class AffineChain:
    """A network under construction: hidden layers, then the affine map W h + b of the last of them.

    W is None for the identity, so that an input takes no memory for the size that it claims; b is
    None where there is no vector.

    Parameters
    ----------
    n_inputs : int
    limit : int
        Largest number of entries that all operations together may create.

    Raises
    ------
    ValueError
        By each operation that would exceed the limit, before it allocates anything.
    """

    def __init__(self, n_inputs: int, limit: int) -> None:
        self.size, self._limit, self._created = n_inputs, limit, 0
        self._hidden: list[tuple[Array, Array]] = []
        self._W: Array | None = None
        self._b: Array | None = None
        self._count(n_inputs)

    def _count(self, n_entries: int) -> None:
        self._created += n_entries
        if self._created > self._limit:
            raise ValueError(f"the network has more than {self._limit} numbers, too many for a file of this size")

    def multiply(self, V: Array) -> None:
        """Apply z <- V z, that is W <- V W and b <- V b."""
        self._count(V.size)
        if self._W is not None:
            self._count(len(V) * self._W.shape[1])
        with np.errstate(all="ignore"):
            self._W = V if self._W is None else V @ self._W
            self._b = None if self._b is None else V @ self._b
        self.size = len(V)

    def add(self, c: Array) -> None:
        """Apply z <- z + c, with as many entries in c as in z, in the same order."""
        self._count(self.size)
        with np.errstate(all="ignore"):
            self._b = c.ravel() if self._b is None else self._b + c.ravel()

    def negate(self) -> None:
        """Apply z <- -z."""
        self._W = -self._matrix()
        self._b = None if self._b is None else -self._b

    def relu(self) -> None:
        """Apply z <- relu(z): end a hidden layer, unless it just ended: relu(relu(z)) = relu(z)."""
        if self._hidden and self._W is None and self._b is None:
            return
        W = self._matrix()
        self._hidden.append((W, np.zeros(len(W)) if self._b is None else self._b))
        self._W = self._b = None

    def _matrix(self) -> Array:
        if self._W is None:
            self._count(self.size * self.size)
            return np.eye(self.size)
        return self._W

    def network(self) -> Network:
        """Return the network; after a last ReLU, its outgoing weights are the identity."""
        if not self._hidden:
            raise ValueError("the network has no Relu: it is not a ReLU network but an affine map")
        weights, thresholds = zip(*self._hidden)
        return Network(weights, thresholds, self._matrix(), self._b)


def chain_network(steps: Iterable[Step], name: str) -> Network:
    """Return the network of the steps; the first affine map sets the number of inputs."""
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
