"""Remove the dead, always-on, repeated and unused neurons of a binary network.

A rounded threshold may move a neuron's hyperplane. So outgoing weights of merged neurons are summed
in rationals and rounded once, and `compress` asks the provers to confirm the result. If they do
not, a layer whose sums would be rounded keeps all neurons that are not dead.

References
----------
THEORY, Prop. 2 and section 5.
"""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network
from ..networks.parameters import Affine
from ..verification.stable_neurons import stable_neurons
from ..verification.symbolic_bounds.symbolic_network import DEAD, ON, Roles


def remove_neurons(
    network: Network, domain: Domain, exactly: bool
) -> tuple[Network, list[Roles], np.ndarray]:
    """Return a smaller binary network, with the roles of the given neurons.

    An always-on neuron is the constant 1. For opposite neurons s(-z) = 1 - s(z) off the hyperplane.

    Parameters
    ----------
    exactly : bool
        Only remove the dead neurons of a layer if a sum for the next hidden layer would be rounded.

    Returns
    -------
    (network, roles, used)
        `used`: for each class whether an output depends on it.
    """
    stable, maps = stable_neurons(network, domain), affine_maps(network)
    roles: list[Roles] = []
    layers: list[Affine] = []
    for layer, (dead, on) in enumerate(zip(stable.dead, stable.always_on)):
        own, above = maps[layer], maps[layer + 1]
        labels, scales = _number_hyperplanes(own, np.where(dead, DEAD, np.where(on, ON, 0)))
        new = _merge_columns(above, labels, scales, exactly and layer < network.depth - 1)
        if new is None:
            labels = np.where(dead, DEAD, np.cumsum(~dead) - 1)
            scales = np.ones(len(labels))
            new = Affine(above.W[:, ~dead], above.b)
        kept = representatives(labels)
        layers.append(Affine(own.W[kept], _vector(own)[kept]))
        maps[layer + 1] = new
        roles.append(Roles(labels, scales))
    return _remove_unused([*layers, maps[-1]], roles)


def representatives(labels: np.ndarray) -> np.ndarray:
    """Return the index of the first neuron of each class, in the order of the classes."""
    numbered = np.flatnonzero(labels >= 0)
    return numbered[np.unique(labels[numbered], return_index=True)[1]]


def _vector(layer: Affine) -> Array:
    """Return the constants of an affine map, zeros if it has none."""
    return np.zeros(len(layer.W)) if layer.b is None else layer.b


def _number_hyperplanes(layer: Affine, labels: np.ndarray) -> tuple[np.ndarray, Array]:
    """Return labels that number the hyperplanes of unstable neurons, and scales: -1 if opposite."""
    labels, scales = labels.copy(), np.zeros(len(labels))
    numbers: dict[tuple[Fraction, ...], tuple[int, int]] = {}
    for j in np.flatnonzero(labels == 0):
        row = [Fraction(value) for value in (*layer.W[j].tolist(), float(_vector(layer)[j]))]
        if not any(row[:-1]):  # a constant: its weights cancelled when neurons below were merged
            labels[j] = ON if row[-1] > 0 else DEAD
            continue
        first = next(value for value in row if value)
        key = tuple(value / first for value in row)
        labels[j], sign = numbers.setdefault(key, (len(numbers), 1 if first > 0 else -1))
        scales[j] = 1.0 if (first > 0) == (sign > 0) else -1.0
    return labels, scales


def _merge_columns(
    above: Affine, labels: np.ndarray, scales: Array, exactly: bool
) -> Affine | None:
    """Return the next affine map with one column for each hyperplane, constants in its vector.

    Return None if a sum would be rounded and `exactly` forbids it.
    """
    n = int(labels.max(initial=-1)) + 1
    rows = []
    for C, b in zip(above.W.tolist(), _vector(above).tolist()):
        sums = [Fraction(0)] * n + [Fraction(b)]
        for label, scale, value in zip(labels.tolist(), scales.tolist(), C):
            if label >= 0:
                sums[label] += Fraction(value) * int(scale)
            if label == ON or scale < 0.0:
                sums[n] += Fraction(value)
        rows.append(sums)
    result = np.array([[float(value) for value in sums] for sums in rows])
    if exactly and any(
        Fraction(value) != exact
        for row, sums in zip(result.tolist(), rows) for value, exact in zip(row, sums)
    ):
        return None
    b = result[:, n]
    return Affine(result[:, :n], None if above.b is None and not b.any() else b)


def _remove_unused(
    maps: list[Affine], roles: list[Roles]
) -> tuple[Network, list[Roles], np.ndarray]:
    """Remove the neurons that no output depends on, from the last layer down; a layer keeps one."""
    used: list[Any] = []
    for layer in range(len(maps) - 2, -1, -1):
        W, b = maps[layer][0], _vector(maps[layer])
        above = maps[layer + 1]
        needed = above.W.any(axis=0)
        used.insert(0, needed)
        if needed.any():
            W, b = W[needed], b[needed]
            maps[layer + 1] = Affine(above.W[:, needed], above.b)
        else:
            W, b = (W[:1], b[:1]) if len(W) else (np.zeros((1, W.shape[1])), np.zeros(1))
            maps[layer + 1] = Affine(np.zeros((len(above.W), 1)), above.b)
        maps[layer] = Affine(W, b)
    firsts = np.cumsum([0, *map(len, used)])
    numbered = [Roles(np.where(own.labels >= 0, own.labels + first, own.labels), own.scales)
                for own, first in zip(roles, firsts)]
    *hidden, (C, a) = maps
    weights, thresholds = zip(*hidden)
    return Network(weights, thresholds, C, a, "binary"), numbered, np.concatenate(used)
