"""Translate matches of the provers' scaled networks to the networks that the user gave.

Provers scale rows by powers of two and add layers until both networks have one depth. Certificates
are about the given networks, and their checkers know nothing of the scaled ones.

References
----------
PROOFS, section 12.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from .neuron_classes import Match


def layer_arrays(
    matches: Sequence[Match], given: tuple[Network, Network], scaled: tuple[Network, Network]
) -> dict[str, Any]:
    """Return each layer's labels and scales for the given networks, g's neurons before f's.

    Parameters
    ----------
    matches : sequence of Match
        Of the scaled networks' hidden layers.
    given, scaled : (f, g)
        The networks as the user gave them, and with the rows that the provers scaled.
    """
    arrays: dict[str, Any] = {}
    exponents = [_exponents(own, other) for own, other in zip(given, scaled)]
    for layer, match in enumerate(matches):
        labels = np.concatenate(match.labels[::-1])
        representatives = np.unique(labels, return_index=True)[1][int((labels < 0).any()):]
        powers = np.concatenate([exponents[1][layer], exponents[0][layer]])
        shifts = powers - powers[np.append(representatives, 0)[labels]]
        with np.errstate(over="ignore"):
            scales = np.concatenate(match.scales[::-1])
            scales = np.ldexp(scales, np.where(labels < 0, 0, shifts))
        arrays |= {f"labels{layer}": labels, f"scales{layer}": np.where(labels < 0, 0.0, scales)}
    return arrays


def _exponents(network: Network, scaled: Network) -> list[np.ndarray]:
    """Return e for each neuron of each layer, with z = 2^e times that of the scaled network.

    It is read off the row's largest entry, which was divided by 2^e, and for ReLU multiplied by
    2^e of the neuron below.
    """
    if scaled is network:
        return [np.zeros(n, dtype=int) for n in network.sizes[1:-1]]
    below, result = np.zeros(network.n_inputs, dtype=int), []
    hidden = affine_maps(network)[:-1]
    hidden += affine_maps(scaled)[network.depth:-1]
    for (W, _), V in zip(hidden, scaled.weights):
        i = np.abs(V).argmax(axis=1)
        j = np.arange(len(V))
        powers = np.frexp(W[j, i])[1] + below[i] - np.frexp(V[j, i])[1]
        powers = np.where(V[j, i] == 0.0, 0, powers)
        result.append(powers)
        below = powers if network.activation == "relu" else 0 * powers
    return result
