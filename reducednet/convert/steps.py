"""The chain of steps that a model of another library is, and its network."""
from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from .._validation import Array, message, real_array
from ..networks.network import Network
from .chain import AffineChain


class Affine(NamedTuple):
    """The map h -> W h + b of a layer, and the layer's name; b None is no vector."""

    name: str
    W: Array
    b: Array | None


Step = Affine | None  # None is a ReLU


def affine(weight_name: str, W: Any, bias_name: str, b: Any) -> Affine:
    """Return the map of checked numbers; errors name the arrays as they are called in their library."""
    W = real_array(W, weight_name, ("n_outputs", "n_inputs"))
    return Affine(weight_name, W, None if b is None else real_array(b, bias_name, (len(W),)))


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


def _append(chain: AffineChain, step: Affine) -> None:
    if step.W.shape[1] != chain.size:
        raise ValueError(message(step.name, f"of {chain.size} inputs, the outputs before it", step.W.shape[1]))
    chain.multiply(step.W)
    if step.b is not None:
        chain.add(step.b)
