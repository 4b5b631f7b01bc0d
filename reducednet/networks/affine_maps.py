"""List the affine maps of a network, layer by layer."""
from __future__ import annotations

from .network import Network
from .parameters import Affine


def affine_maps(network: Network) -> list[Affine]:
    """Return the affine maps of the hidden layers, then the outgoing one."""
    hidden = [Affine(W, b) for W, b in zip(network.weights, network.thresholds)]
    return [*hidden, Affine(network.output_weights, network.output_bias)]
