"""A ReLU network written out: every neuron as a row over the inputs and the neurons that really bend below it.

A dead neuron is 0, an always-on one is its own row, and a neuron on the hyperplane of another is a multiple of it
(and of its row, where it looks the other way). So z = A_0 + A_x x + A_U U with U the activations of the
neurons that are left, the **classes**: between them nothing is lost, and bounds are sharp.

These floats need not be rigorous: the certificate's checker bounds everything anew.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Domain
from ...networks.network import Network
from ...numerics.equal_rows import classes_of_rows
from ...numerics.sphere import normalise
from .back_substitution import Classes, ends, highest
from .linear_programs import Effort, Proof, sharpen

DEAD, ON, BENDS = -1, -2, -3
ROUNDING = 2.0**-50
"""What is below it, relative to the terms of a row, is rounding."""
MOST_NUMBERS = 1 << 26
"""The largest matrix that is written out, neurons times columns."""
MOST_CUTS = 400
"""The largest number of pairs of classes that are tried for exclusion."""


class Roles(NamedTuple):
    """What each neuron of a layer is: DEAD, ON or the number of its class, and its multiple of the class's row."""

    labels: np.ndarray
    scales: Array


class Expansion(NamedTuple):
    """A network written out.

    roles, classes : lists, one entry a hidden layer
    cuts : list of ((class, other class), multiplier)
        Pairs that are never on together, where the other may be left out of the class's row.
    proofs : list of Proof
        Of bounds that linear programmes made sharper.
    A, S : arrays (n_outputs, n_columns)
        The outputs' rows.
    sizes : array (n_columns,)
        The largest absolute value of each column: 1, the inputs, the classes.
    """

    roles: list[Roles]
    classes: list[Classes]
    cuts: list[tuple[tuple[int, int], float]]
    proofs: list[Proof]
    A: Array
    S: Array
    sizes: Array


def expand(
    network: Network, domain: Domain, precision: float, exclude: bool = True, effort: Effort | None = None,
    known: Expansion | None = None, check_time: Callable[[], None] = lambda: None,
) -> Expansion:
    """Write a network out.

    Parameters
    ----------
    network : Network
        ReLU.
    domain : Domain
    precision : float
        What is below it, relative to the terms of a row, counts as 0.
    exclude : bool
        Look for classes that are never on together.
    effort : Effort, optional
        What linear programmes may do for sharper bounds; there are none without it.
    known : Expansion, optional
        Of another network, whose classes and cuts this one goes on from: it is written over the same columns, and
        neurons on the hyperplane of a class that is known are multiples of it. `roles` are this network's.
    check_time : function
        Is called now and then, and may raise.
    """
    d = network.n_inputs
    h = np.stack(domain.bounding_box())
    sizes = np.append(1.0, np.abs(h).max(axis=0)) if known is None else known.sizes
    old = [] if known is None else known.classes
    A = S = np.eye(d, len(sizes), 1)
    roles: list[Roles] = []
    classes, cuts = list(old), [] if known is None else list(known.cuts)
    proofs: list[Proof] = []
    for W, b in zip(network.weights, network.thresholds):
        check_time()
        A, S = W @ A, np.abs(W) @ S
        A[:, 0], S[:, 0] = A[:, 0] + b, S[:, 0] + np.abs(b)
        noise = precision * (S @ sizes)
        low, high = _narrower(ends(A, classes, domain), W, b, h)
        if effort:
            (low, high), sharper = sharpen(A, (low, high), noise, classes, domain, effort)
            proofs += sharper
        h = np.maximum([low, high], 0.0)
        labels = np.where(high <= noise, DEAD, np.where(low >= -noise, ON, BENDS))
        first = len(sizes) - d - 1
        own = _known_roles(labels, A, S, sizes, precision, old)
        own, heads = _class_roles(own, A, sizes, precision, first)
        new = Classes(A[heads], S[heads], low[heads], high[heads])
        alone = np.bincount(own.labels[own.labels >= 0])[own.labels[heads]] == 1
        new, found = _without_excluded(new, alone & exclude, classes, domain, noise[heads], d + 1, check_time)
        sizes = np.append(sizes, np.maximum(new.high, 0.0))
        roles, classes, cuts = [*roles, own], [*classes, new], [*cuts, *found]
        A, S = _activations(own, A, S, classes, d + 1)
    C, a = network.output_weights, network.output_bias
    A, S = C @ A, np.abs(C) @ S
    if a is not None:
        A[:, 0], S[:, 0] = A[:, 0] + a, S[:, 0] + np.abs(a)
    return Expansion(roles, classes, cuts, proofs, A, S, sizes)


def _narrower(bounds: tuple[Array, Array], W: Array, b: Array, h: Array) -> tuple[Array, Array]:
    """Return bounds of W h + b, or the interval of all h between h[0] and h[1] where that is narrower."""
    up, down = np.maximum(W, 0.0), np.minimum(W, 0.0)
    return np.maximum(bounds[0], up @ h[0] + down @ h[1] + b), np.minimum(bounds[1], up @ h[1] + down @ h[0] + b)


def rows_of(classes: list[Classes], numbers: np.ndarray, width: int) -> tuple[Array, Array]:
    """Return the rows A and S of these classes, with zeros up to a width."""
    first = np.cumsum([0, *(len(layer.low) for layer in classes)])
    A, S = np.zeros((len(numbers), width)), np.zeros((len(numbers), width))
    for start, layer in zip(first, classes):
        here = np.flatnonzero((numbers >= start) & (numbers < start + len(layer.low)))
        for rows, own in ((A, layer.A), (S, layer.S)):
            rows[here, :own.shape[1]] = own[numbers[here] - start]
    return A, S


def _known_roles(
    labels: np.ndarray, A: Array, S: Array, sizes: Array, precision: float, known: list[Classes]
) -> Roles:
    """Return the roles of one layer: BENDS for a neuron that is on the hyperplane of no class that is known."""
    labels, scales, bending = labels.copy(), np.zeros(len(labels)), np.flatnonzero(labels == BENDS)
    n = sum(len(layer.low) for layer in known)
    if not n or not len(bending):
        return Roles(labels, scales)
    heads, terms = (rows * sizes for rows in rows_of(known, np.arange(n), len(sizes)))
    rows = A[bending] * sizes
    c = np.abs(normalise(rows)[0] @ normalise(heads)[0].T).argmax(axis=1)
    heads, terms = heads[c], terms[c].sum(axis=1)
    s = np.einsum("ij,ij->i", rows, heads) / np.einsum("ij,ij->i", heads, heads)
    away = np.abs(rows - s[:, np.newaxis] * heads).sum(axis=1)
    near = away <= 8.0 * precision * (S[bending] @ sizes + np.abs(s) * terms)
    labels[bending[near]], scales[bending[near]] = c[near], s[near]
    return Roles(labels, scales)


def _class_roles(own: Roles, A: Array, sizes: Array, precision: float, first: int) -> tuple[Roles, np.ndarray]:
    """Return the roles of one layer, whose new classes are numbered from `first`, and their heads' indices."""
    labels, scales = own.labels.copy(), own.scales.copy()
    bending = np.flatnonzero(labels == BENDS)
    rows = A[bending] * sizes
    largest = np.abs(rows).argmax(axis=1) if len(bending) else np.empty(0, dtype=int)
    units = rows / rows[np.arange(len(rows)), largest][:, np.newaxis]  # opposite rows have one, too
    groups = classes_of_rows(units, 8.0 * precision)
    _, at = np.unique(groups, return_index=True)
    leaders = rows[at[groups]]
    scales[bending] = np.einsum("ij,ij->i", rows, leaders) / np.einsum("ij,ij->i", leaders, leaders)
    scales[bending[at]] = 1.0
    labels[bending] = first + groups
    return Roles(labels, scales), bending[at]


def _activations(own: Roles, A: Array, S: Array, classes: list[Classes], first: int) -> tuple[Array, Array]:
    """Return the layer's activations as rows over all columns, the classes' from `first` on."""
    results, members, width = [], np.flatnonzero(own.labels >= 0), first + sum(len(layer.low) for layer in classes)
    c, s = own.labels[members], own.scales[members]
    turned = np.minimum(s, 0.0)
    for rows, head, factor in zip((A, S), rows_of(classes, c, width), (turned, np.abs(turned))):
        result = np.zeros((len(rows), width))
        result[:, :rows.shape[1]] = rows * (own.labels == ON)[:, np.newaxis]
        result[members] = factor[:, np.newaxis] * head
        result[members, first + c] = np.abs(s)
        results.append(result)
    return results[0], results[1]


def _without_excluded(
    new: Classes, alone: np.ndarray, classes: list[Classes], domain: Domain, noise: Array, first: int,
    check_time: Callable[[], None],
) -> tuple[Classes, list[tuple[tuple[int, int], float]]]:
    """Leave out of each row the classes that are never on where it is on.

    relu(z) = relu(z - a U_i) if z and z - a U_i are at most 0 wherever z_i > 0. That is so if
    z - a U_i + mu z_i <= 0 everywhere, for one mu >= max(a, 0). Only a neuron that stands for no other is changed.
    """
    A, S, cuts = new.A.copy(), new.S.copy(), []
    below = [(i, j) for i, layer in enumerate(classes) for j in range(len(layer.low))]
    here = first + len(below)
    pairs = [(j, c) for j in np.flatnonzero(alone) for c in range(len(below)) if A[j, first + c] != 0.0]
    for j, c in pairs if len(pairs) <= MOST_CUTS else ():
        check_time()
        i, k = below[c]
        other = np.pad(classes[i].A[k], (0, A.shape[1] - classes[i].A.shape[1]))
        mu = _multiplier(A[j], first + c, other, classes, domain, noise[j])
        if mu is not None:
            A[j, first + c] = S[j, first + c] = 0.0
            cuts.append(((here - first + int(j), c), mu))
    low = np.where((A != new.A).any(axis=1), ends(A, classes, domain)[0], new.low)
    return new._replace(A=A, S=S, low=low), cuts


def _multiplier(
    row: Array, column: int, other: Array, classes: list[Classes], domain: Domain, noise: float
) -> float | None:
    """Return a mu that proves the exclusion, if one of many does."""
    coefficient, rest = row[column], row.copy()
    rest[column] = 0.0
    least = max(coefficient * (1.0 + 2.0**-20), 0.0)
    scale = np.abs(row).max() / max(np.abs(other).max(), np.finfo(float).tiny)
    choices = least + scale * np.append(0.0, np.logspace(-3, 3, 49))
    choices = choices[np.isfinite(choices)]  # the other's row may be 0 after its own exclusions
    bounds = highest(rest + choices[:, np.newaxis] * other, classes, domain)
    best = int(np.argmin(bounds))
    return float(choices[best]) if bounds[best] <= noise else None
