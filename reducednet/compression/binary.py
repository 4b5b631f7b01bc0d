"""Binary networks without what does nothing.

A rounded threshold may move a jump, so what is merged is summed in rationals and rounded once, and the result is
put to the provers: where they do not confirm it, only what float64 holds exactly is done.

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


def without_useless(net: Network, domain: Domain, exactly: bool) -> tuple[Network, list[Roles], np.ndarray]:
    """Return a binary network without useless neurons, the roles of those given, and who is used.

    A neuron that is always on is the constant 1; opposite ones, s(-z) = 1 - s(z), agree off their hyperplane.

    Parameters
    ----------
    exactly : bool
        Where a sum that goes into the next hidden layer would be rounded, only dead neurons go.

    Returns
    -------
    (network, roles, used)
        `used`: for each class whether an output depends on it.
    """
    stable, maps = stable_neurons(net, domain), affine_maps(net)
    roles: list[Roles] = []
    layers: list[Affine] = []
    for layer, (dead, on) in enumerate(zip(stable.dead, stable.always_on)):
        own, above = maps[layer], maps[layer + 1]
        labels, scales = _hyperplanes(own, np.where(dead, DEAD, np.where(on, ON, 0)))
        new = _summed(above, labels, scales, exactly and layer < net.depth - 1)
        if new is None:
            labels = np.where(dead, DEAD, np.cumsum(~dead) - 1)
            scales = np.ones(len(labels))
            new = Affine(above.W[:, ~dead], above.b)
        heads = np.unique(labels[labels >= 0], return_index=True)[1]
        places = np.flatnonzero(labels >= 0)[heads]
        layers.append(Affine(own.W[places], _vector(own)[places]))
        maps[layer + 1] = new
        roles.append(Roles(labels, scales))
    return _without_unused([*layers, maps[-1]], roles)


def _vector(layer: Affine) -> Array:
    return np.zeros(len(layer.W)) if layer.b is None else layer.b


def _hyperplanes(layer: Affine, labels: np.ndarray) -> tuple[np.ndarray, Array]:
    """Return labels that number the hyperplanes of the neurons that jump, in order, and signs of their sides."""
    labels, scales = labels.copy(), np.zeros(len(labels))
    numbers: dict[tuple[Fraction, ...], tuple[int, int]] = {}
    for j in np.flatnonzero(labels == 0):
        row = [Fraction(value) for value in (*layer.W[j].tolist(), float(_vector(layer)[j]))]
        if not any(row[:-1]):  # what went into it cancels: a constant
            labels[j] = ON if row[-1] > 0 else DEAD
            continue
        first = next(value for value in row if value)
        key = tuple(value / first for value in row)
        labels[j], sign = numbers.setdefault(key, (len(numbers), 1 if first > 0 else -1))
        scales[j] = 1.0 if (first > 0) == (sign > 0) else -1.0
    return labels, scales


def _summed(above: Affine, labels: np.ndarray, scales: Array, exactly: bool) -> Affine | None:
    """Return the map above with a column a hyperplane, the constants in its vector; None if it must not round."""
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
    if exactly and any(Fraction(value) != exact for row, sums in zip(result.tolist(), rows)
                       for value, exact in zip(row, sums)):
        return None
    b = result[:, n]
    return Affine(result[:, :n], None if above.b is None and not b.any() else b)


def _without_unused(maps: list[Affine], roles: list[Roles]) -> tuple[Network, list[Roles], np.ndarray]:
    """Drop the neurons that no output depends on, from the last layer down; a layer keeps one."""
    used: list[Any] = []
    for layer in range(len(maps) - 2, -1, -1):
        W, b = maps[layer][0], _vector(maps[layer])
        some = maps[layer + 1].W.any(axis=0)
        used.insert(0, some)
        if not some.any():
            W, b = (W[:1], b[:1]) if len(W) else (np.zeros((1, W.shape[1])), np.zeros(1))
            maps[layer + 1] = Affine(np.zeros((len(maps[layer + 1].W), 1)), maps[layer + 1].b)
        else:
            W, b = W[some], b[some]
            maps[layer + 1] = Affine(maps[layer + 1].W[:, some], maps[layer + 1].b)
        maps[layer] = Affine(W, b)
    firsts = np.cumsum([0, *map(len, used)])
    numbered = [Roles(np.where(own.labels >= 0, own.labels + first, own.labels), own.scales)
                for own, first in zip(roles, firsts)]
    *hidden, (C, a) = maps
    weights, thresholds = zip(*hidden)
    return Network(weights, thresholds, C, a, "binary"), numbered, np.concatenate(used)
