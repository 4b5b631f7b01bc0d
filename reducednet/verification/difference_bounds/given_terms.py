"""Matches of neurons in the terms of the networks as they were given, which is what certificates
speak of.

Provers work with rows that are scaled by powers of two and with networks of one depth; checkers
know nothing of that.

References
----------
THEORY, section 9.
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
    """Return each layer's labels and scales, g's neurons before f's, for rows that are not scaled
    by powers of two.

    Parameters
    ----------
    matches : sequence of Match
        Of the scaled networks' hidden layers.
    given, scaled : (f, g)
        As they were given, and as the provers have them.
    """
    arrays: dict[str, Any] = {}
    exponents = [_exponents(own, other) for own, other in zip(given, scaled)]
    for layer, match in enumerate(matches):
        labels = np.concatenate(match.labels[::-1])
        heads = np.unique(labels, return_index=True)[1][int((labels < 0).any()):]
        powers = np.concatenate([exponents[1][layer], exponents[0][layer]])
        own = powers[np.append(heads, 0)[labels]]
        with np.errstate(over="ignore"):
            scales = np.ldexp(np.concatenate(match.scales[::-1]), np.where(labels < 0, 0, powers - own))
        arrays |= {f"labels{layer}": labels, f"scales{layer}": np.where(labels < 0, 0.0, scales)}
    return arrays


def _exponents(network: Network, scaled: Network) -> list[np.ndarray]:
    """Return the e of each neuron of each layer with z = 2^e times that of the scaled network.

    A row's largest entry tells it: it was divided by 2^e, and for ReLU multiplied by 2^e of the
    neuron below.
    """
    below_it, result = np.zeros(network.n_inputs, dtype=int), []
    hidden = affine_maps(network)[:-1]
    hidden += affine_maps(scaled)[network.depth:-1]
    for (W, _), V in zip(hidden, scaled.weights):
        at = np.abs(V).argmax(axis=1)
        j = np.arange(len(V))
        powers = np.frexp(W[j, at])[1] + below_it[at] - np.frexp(V[j, at])[1]
        powers = np.where(V[j, at] == 0.0, 0, powers)
        result.append(powers)
        below_it = powers if network.activation == "relu" else 0 * powers
    return result
