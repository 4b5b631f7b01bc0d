"""Neurons of two networks in classes of multiples of each other: the records, and the arithmetic of their rows.

Neurons of the two networks that are nearly multiples of each other form a **class**; one of them is
its representative. With H_c the representatives' values, every neuron of a layer is written as

    h_m = s_m H_c + r_m,        c = label_m,    s_m >= 0,

and a small remainder r_m, known as a form; a neuron without a class has s_m = 0. What is multiplied
by H_c in the difference of two neurons of the next layer, sum_m W_m s_m over a class on either side,
is subtracted before it is bounded: so nothing of the size of H is left of two equal functions.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import GUARD, Forms, roundings, times, times_absolute


class Match(NamedTuple):
    """Which neurons of one layer are multiples of each other: z_m = scale_m z_c up to a remainder.

    labels : integer arrays (n_m,), one a network: the class of each neuron, or -1
    scales : arrays (n_m,), negative where the sign is turned; 1 for a class's representative, which is
        its first member in the last network that has one
    """

    labels: tuple[np.ndarray, ...]
    scales: tuple[Array, ...]

    def representatives(self) -> tuple[np.ndarray, np.ndarray]:
        """Return which network each class's representative is of, and its index there."""
        n_classes = 1 + max(int(labels.max(initial=-1)) for labels in self.labels)
        network, index = np.full(n_classes, -1), np.zeros(n_classes, dtype=int)
        for number, labels in enumerate(self.labels):
            members = np.flatnonzero(labels >= 0)[::-1]
            network[labels[members]], index[labels[members]] = number, members
        return network, index

    def normal(self) -> Match:
        """Return the match with scale 1 for the representatives, whatever was said of them."""
        network, index = self.representatives()
        scales = [own.copy() for own in self.scales]
        for number, own in enumerate(scales):
            own[index[network == number]] = 1.0
        return Match(self.labels, tuple(scales))


class Side(NamedTuple):
    """One network's values at one layer: h_m = scales_m H_(labels_m) + rest_m."""

    labels: np.ndarray
    scales: Array
    rest: Forms


class Rows(NamedTuple):
    """Pre-activations z = F H + rest of some neurons, H the representatives' values below them.

    size : array like `rest.radii`
        No less than the sum of the absolute values of all terms of z: what a rounded factor is charged by.
    """

    F: Array
    rest: Forms
    size: Array

    def take(self, index: np.ndarray) -> Rows:
        """Return the rows of these indices; themselves, and no copy, where that is all of them in order."""
        if len(index) == len(self.F) and (index == np.arange(len(index))).all():
            return self
        return Rows(self.F[index], self.rest.take(index), self.size[index])

    def intervals(self) -> Rows:
        """Return the rows with the intervals of their rests alone."""
        return Rows(self.F, self.rest.intervals(), self.size[:, :1])

    def signed(self, signs: Array) -> Rows:
        """Return the rows times 1 or -1 each."""
        s = signs[:, np.newaxis]
        return Rows(s * self.F, Forms(s[:, np.newaxis] * self.rest.values, self.rest.radii), self.size)


class Known(NamedTuple):
    """What is known of a network's neurons at one layer: h = s H_c + rest, low <= z <= high.

    mismatch : |z - scale z_c| at most; 0 for neurons without a class. Arrays (n, B).
    """

    rest: Forms
    low: Array
    high: Array
    mismatch: Array

    def put(self, index: np.ndarray, other: Known) -> None:
        """Set what is known of the neurons of these indices."""
        for mine, theirs in zip((*self.rest, *self[1:]), (*other.rest, *other[1:])):
            mine[index] = theirs


def rows_of(layer: Affine, side: Side, size: Array) -> Rows:
    """Return the pre-activations of a network's layer over the classes below, whose magnitudes are `size`.

    F_kc = sum over the class of W_km s_m; the rest is W r + b. What float64 loses in both is charged.
    """
    W, b = layer.W, (np.zeros(len(layer.W)) if layer.b is None else layer.b)[:, np.newaxis, np.newaxis]
    n, member = W.shape[1], side.labels >= 0
    largest = int(np.bincount(side.labels[member]).max(initial=0))
    in_F = largest - 1 + bool((np.abs(side.scales[member]) != 1.0).any()) if largest else 0
    shared = np.zeros((n, *size.shape[1:]))
    shared[member] = np.abs(side.scales[member])[:, np.newaxis, np.newaxis] * size[side.labels[member]]
    own = side.rest.magnitude
    error = side.rest.radii + lost(roundings(W) + 1, own) + (lost(in_F, shared) if in_F else 0.0)
    sums = times_absolute(W, np.concatenate([error, shared + own], axis=1)) * (GUARD + gamma(n + 2))
    radii, total = np.split(sums, 2, axis=1)
    some = bool(side.rest.values.any())
    values = times(W, side.rest.values) if some else np.zeros((len(W), *side.rest.values.shape[1:]))
    values[:, :2] += b
    radii += SMALLEST * (4.0 * (n + 1) * values.shape[1] + n * size.sum(axis=0))
    if some:
        radii += 2.0 * UNIT_ROUNDOFF * np.abs(b)
    return Rows(condensed(W, side, len(size)), Forms(values, radii), total + np.abs(b))


def lost(n_roundings: int, sizes: Array) -> Array:
    """Return what so many roundings can lose of these sizes; above 0 of all but 0, for weights multiply it."""
    return gamma(n_roundings) * sizes + SMALLEST * (sizes > 0.0)


def condensed(W: Array, side: Side, n_classes: int) -> Array:
    """Return sum_m W_km s_m over the members m of each class, (n_rows, n_classes)."""
    if len(side.labels) == n_classes and (side.labels == np.arange(n_classes)).all():
        return W if (side.scales == 1.0).all() else W * side.scales
    members = np.flatnonzero(side.labels >= 0)
    members = members[np.argsort(side.labels[members], kind="stable")]
    F = np.zeros((len(W), n_classes))
    if len(members):
        labels = side.labels[members]
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        F[:, labels[starts]] = np.add.reduceat(W[:, members] * side.scales[members], starts, axis=1)
    return F


def minus(one: Rows, scale: Array, other: Rows) -> Rows:
    """Return the rows of z_one - scale z_other."""
    s = scale[:, np.newaxis]
    t = np.abs(s)[:, np.newaxis]
    values = one.rest.values - s[:, np.newaxis] * other.rest.values
    radii = one.rest.radii + t * other.rest.radii + np.where(t != 1.0, UNIT_ROUNDOFF, 0.0) * t * other.size
    rounded = 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude
    rest = Forms(values, (radii + rounded) * GUARD + SMALLEST)
    F = s * other.F
    return Rows(np.subtract(one.F, F, out=F), rest, one.size + t * other.size)


def evaluate(rows: Rows, classes: Forms) -> Forms:
    """Return the forms of z = F H + rest."""
    n = rows.F.shape[1]
    values = times(rows.F, classes.values) + rows.rest.values
    error = classes.radii + lost(roundings(rows.F) + 3, classes.magnitude)
    radii = times_absolute(rows.F, error) + rows.rest.radii
    radii += 2.0 * UNIT_ROUNDOFF * rows.rest.magnitude
    return Forms(values, radii * (GUARD + gamma(n + 3)) + n * values.shape[1] * SMALLEST)


def chosen(rows: Sequence[Rows], match: Match) -> Rows:
    """Return the rows of the representatives, in the order of the classes."""
    network, index = match.representatives()
    if (network == len(rows) - 1).all():
        return rows[-1].take(index)
    place = np.argsort(np.argsort(network, kind="stable"), kind="stable")
    return stacked([own.take(index[network == number]) for number, own in enumerate(rows)]).take(place)


def stacked(parts: Sequence[Rows]) -> Rows:
    """Return all rows, one part after the other."""
    values, radii = (np.concatenate([part.rest[i] for part in parts]) for i in (0, 1))
    F, size = (np.concatenate([getattr(part, name) for part in parts]) for name in ("F", "size"))
    return Rows(F, Forms(values, radii), size)


class Difference(NamedTuple):
    """What a pass over both networks found.

    forms : the outputs of the first network minus those of the second, on each region
    matches : list of Match, one a hidden layer
    layers : list of lists of Known, for each hidden layer one a network
    influence : array (d, B)
        How much each input's slope takes part in what the linear bounds lose; 0 with intervals alone.
    """

    forms: Forms
    matches: list[Match]
    layers: list[list[Known]]
    influence: Array
