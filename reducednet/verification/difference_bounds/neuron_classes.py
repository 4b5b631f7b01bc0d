"""Write the neurons of two networks as multiples of shared representatives.

Neurons of either network that are nearly multiples of each other form a **class**, and one of them
is its representative. With H_c the representatives' activations, every neuron of a layer is

    h_m = s_m H_c + r_m,        c = label_m,    s_m >= 0,

where the rest r_m, enclosed by a form, is small; a neuron without a class has s_m = 0. In the
difference of two neurons of the next layer, the coefficients of H_c, sum_m W_m s_m over the class
in either network, are subtracted before they are multiplied by H_c. So for two equal functions
nothing as large as H remains, only rounding errors.

References
----------
PROOFS, section 12.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import (
    GUARD, Forms, absolute_product, matrix_product, n_roundings, product_with_forms,
)


class Match(NamedTuple):
    """The classes of one hidden layer's neurons: z_m = scale_m z_c, nearly.

    labels : integer arrays (n_m,), one per network: the class of each neuron, or -1
    scales : arrays (n_m,), negative for opposite neurons, 1 for a class's representative, which is
        the first of the class's neurons in the last network that has one
    """

    labels: tuple[np.ndarray, ...]
    scales: tuple[Array, ...]

    def representatives(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the network number and the neuron's index of each class's representative."""
        n_classes = 1 + max(int(labels.max(initial=-1)) for labels in self.labels)
        network, index = np.full(n_classes, -1), np.zeros(n_classes, dtype=int)
        for number, labels in enumerate(self.labels):
            in_class = np.flatnonzero(labels >= 0)[::-1]  # backwards, so that the first one stays
            network[labels[in_class]], index[labels[in_class]] = number, in_class
        return network, index

    def with_unit_representatives(self) -> Match:
        """Return the match with every representative's scale set to 1."""
        network, index = self.representatives()
        scales = [own.copy() for own in self.scales]
        for number, own in enumerate(scales):
            own[index[network == number]] = 1.0
        return Match(self.labels, tuple(scales))


class LayerActivations(NamedTuple):
    """One network's activations in one layer: h_m = scales_m H_(labels_m) + rest_m."""

    labels: np.ndarray
    scales: Array
    rest: Forms


class NeuronRows(NamedTuple):
    """Pre-activations z = F H + rest of some neurons, over the layer below's representatives H.

    magnitude : array like `rest.radii`
        At least the sum of the absolute values of all terms of z; the rounding errors of F are
        charged as multiples of it.
    """

    F: Array
    rest: Forms
    magnitude: Array

    def take(self, index: np.ndarray) -> NeuronRows:
        """Return the rows at these indices, without a copy if these are all rows in order."""
        if len(index) == len(self.F) and (index == np.arange(len(index))).all():
            return self
        return NeuronRows(self.F[index], self.rest.take(index), self.magnitude[index])

    def intervals(self) -> NeuronRows:
        """Return the rows with only the intervals of their rests."""
        return NeuronRows(self.F, self.rest.intervals(), self.magnitude[:, :1])

    def with_signs(self, signs: Array) -> NeuronRows:
        """Return the rows multiplied by signs, 1 or -1 for each."""
        s = signs[:, np.newaxis]
        rest = Forms(s[:, np.newaxis] * self.rest.values, self.rest.radii)
        return NeuronRows(s * self.F, rest, self.magnitude)


class NeuronBounds(NamedTuple):
    """Bounds of one network's neurons in one layer: h = |scale| H_c + rest, low <= z <= high.

    mismatch : upper bound on |z - scale z_c|; 0 for neurons without a class. Arrays (n, B).
    """

    rest: Forms
    low: Array
    high: Array
    mismatch: Array

    def put(self, index: np.ndarray, other: NeuronBounds) -> None:
        """Overwrite the bounds of the neurons at these indices."""
        for mine, theirs in zip((*self.rest, *self[1:]), (*other.rest, *other[1:])):
            mine[index] = theirs


def rows_over_classes(layer: Affine, below: LayerActivations, magnitude: Array) -> NeuronRows:
    """Return the rows of a layer's pre-activations over the representatives below it.

    F_kc is the sum of W_km s_m over the class c, and the rest is W r + b. `magnitude` bounds the
    representatives' absolute values; the rounding errors of F and of the rest go to the rest.
    """
    W = layer.W
    b = (np.zeros(len(W)) if layer.b is None else layer.b)[:, np.newaxis, np.newaxis]
    n, in_class = W.shape[1], below.labels >= 0
    largest = int(np.bincount(below.labels[in_class]).max(initial=0))
    # roundings in F: the sum over the largest class, and products unless all scales are 1 or -1
    in_F = largest - 1 + bool((np.abs(below.scales[in_class]) != 1.0).any()) if largest else 0
    # magnitudes of the two parts of h, s H and r
    multiples, rests = np.zeros((n, *magnitude.shape[1:])), below.rest.magnitude
    factors = np.abs(below.scales[in_class])[:, np.newaxis, np.newaxis]
    multiples[in_class] = factors * magnitude[below.labels[in_class]]
    error = below.rest.radii + summation_error(n_roundings(W) + 1, rests)
    error = error + (summation_error(in_F, multiples) if in_F else 0.0)
    sums = absolute_product(W, np.concatenate([error, multiples + rests], axis=1))
    radii, total = np.split(sums * (GUARD + gamma(n + 2)), 2, axis=1)
    has_rest = bool(below.rest.values.any())
    if has_rest:
        values = matrix_product(W, below.rest.values)
    else:
        values = np.zeros((len(W), *below.rest.values.shape[1:]))
    values[:, :2] += b
    radii += SMALLEST * (4.0 * (n + 1) * values.shape[1] + n * magnitude.sum(axis=0))
    if has_rest:
        radii += 2.0 * UNIT_ROUNDOFF * np.abs(b)
    F = sums_over_classes(W, below.labels, below.scales, len(magnitude))
    return NeuronRows(F, Forms(values, radii), total + np.abs(b))


def summation_error(roundings: int, magnitude: Array) -> Array:
    """Return an upper bound on the error of a sum whose terms go through this many roundings.

    It is positive unless the magnitude is 0, even where gamma times it underflows: large weights
    may multiply it.
    """
    return gamma(roundings) * magnitude + SMALLEST * (magnitude > 0.0)


def sums_over_classes(W: Array, all_labels: np.ndarray, scales: Array, n_classes: int) -> Array:
    """Return F, with F_kc the sum of W_km s_m over the neurons m of class c."""
    if len(all_labels) == n_classes and (all_labels == np.arange(n_classes)).all():
        return W if (scales == 1.0).all() else W * scales
    in_class = np.flatnonzero(all_labels >= 0)
    in_class = in_class[np.argsort(all_labels[in_class], kind="stable")]
    F = np.zeros((len(W), n_classes))
    if len(in_class):
        labels = all_labels[in_class]
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        products = W[:, in_class] * scales[in_class]
        F[:, labels[starts]] = np.add.reduceat(products, starts, axis=1)
    return F


def subtract_multiple(one: NeuronRows, scale: Array, other: NeuronRows) -> NeuronRows:
    """Return the rows of z_one - scale z_other."""
    s = scale[:, np.newaxis]
    t = np.abs(s)[:, np.newaxis]
    values = one.rest.values - s[:, np.newaxis] * other.rest.values
    products = np.where(t != 1.0, UNIT_ROUNDOFF, 0.0) * t * other.magnitude
    radii = one.rest.radii + t * other.rest.radii + products
    rounded = 2.0 * UNIT_ROUNDOFF * Forms(values, radii).magnitude
    rest = Forms(values, (radii + rounded) * GUARD + SMALLEST)
    F = s * other.F
    # subtracted in place; `evaluate` adds the rounding error of this difference
    return NeuronRows(np.subtract(one.F, F, out=F), rest, one.magnitude + t * other.magnitude)


def evaluate(rows: NeuronRows, H: Forms) -> Forms:
    """Return forms of z = F H + rest."""
    n = rows.F.shape[1]
    values = product_with_forms(rows.F, H)
    values += rows.rest.values
    error = H.radii + summation_error(n_roundings(rows.F) + 3, H.magnitude)
    radii = absolute_product(rows.F, error) + rows.rest.radii
    radii += 2.0 * UNIT_ROUNDOFF * rows.rest.magnitude
    return Forms(values, radii * (GUARD + gamma(n + 3)) + n * values.shape[1] * SMALLEST)


def representative_rows(rows: Sequence[NeuronRows], match: Match) -> NeuronRows:
    """Return the rows of the representatives, in the order of the classes."""
    network, index = match.representatives()
    if (network == len(rows) - 1).all():
        return rows[-1].take(index)
    by_network = [own.take(index[network == number]) for number, own in enumerate(rows)]
    position = np.argsort(np.argsort(network, kind="stable"), kind="stable")
    return concatenate_rows(by_network).take(position)


def concatenate_rows(parts: Sequence[NeuronRows]) -> NeuronRows:
    """Return all rows, one part after the other."""
    values, radii = (np.concatenate([part.rest[i] for part in parts]) for i in (0, 1))
    F = np.concatenate([part.F for part in parts])
    return NeuronRows(F, Forms(values, radii), np.concatenate([part.magnitude for part in parts]))


class Difference(NamedTuple):
    """Bounds of f - g, and of all neurons on the way to it.

    forms : the outputs of the first network minus those of the second, on each region
    matches : list of Match, one for each hidden layer
    layers : list of lists of NeuronBounds, one per hidden layer and network
    influence : array (d, B)
        How much the slope of each input adds to the errors of the linear relaxations, summed over
        the unstable neurons; 0 with intervals alone. The larger, the more a split there may gain.
    """

    forms: Forms
    matches: list[Match]
    layers: list[list[NeuronBounds]]
    influence: Array
