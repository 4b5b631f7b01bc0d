"""Bound |f - g| of two ReLU networks in float64, with all rounding errors included.

This checks proofs of kind "pieces" again, without any code of the provers or of the evaluation of
networks. The data of a proof only says where to look (boxes, classes of neurons, scales); every
number is computed here. PROOFS, Lemmas 6 to 10, have the mathematics: read them beside this module,
or docs/certificates.md, section 5.

Layer by layer, from the inputs to the outputs:

1. z = W h + b of both networks, as rows over what is known of the layer below (`UncertainRows`);
2. bounds of z, and of the difference of each neuron and a multiple of its class's representative
   (`relu_remainders`);
3. so each h is a multiple of the representative's h and a remainder (`Classes`), and the next rows
   are written over the representatives and the remainders (`coefficients_over_classes`): what both
   networks share is added up in the coefficients, before it meets any bounds.

The outputs' rows are subtracted, g's from f's, and bounded (`bound_on_boxes`).

Notation
--------
B is the number of boxes that are bounded at the same time, d the number of inputs; a region is
{x = middle + radius t} with |t_i| <= 1, entry by entry (see `Region`). u = 2^-53, gamma_n and the
charges for underflow are those of `arithmetic`; s(z) = max(z, 0) and x^+ = max(x, 0).
"""
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import (
    SMALLEST, UNDERFLOW, UNIT_ROUNDOFF, Interval, Layer, above, below, bounding_box, gamma, kind_of,
    layers_of, leaf_boxes, middle_and_radius, parts_of, raised, require, roundings_of_parts,
)

BATCH = 1 << 18
"""About how many numbers a layer's forms may have at a time."""

NEARLY_ON = 2.0**-30
"""Neurons that are below 0 by at most this part of their values are tried as always-on ones."""


class Region(NamedTuple):
    """Where the coordinates t lie: the box |t_i| <= 1, the ball |t|_2 <= 1, or a hull in the box.

    kind : "Box", "Ball" or "Hull"
    points : those of a hull (n_points, d), in the coordinates t, each with two roundings
    """

    kind: str
    points: Any = None


class Forms(NamedTuple):
    """What is known of n quantities v on each of B regions: an interval and a linear form.

    values : array (n, 2 + d, B), radii : array (n, 2, B), with

        |v - values[:, 0]| <= radii[:, 0],
        |v - values[:, 1] - values[:, 2:].t| <= radii[:, 1].

    They are one array because they are multiplied by the same coefficients, in one product. Without
    slopes (n, 2, B) the second is an interval too.
    """

    values: Any
    radii: Any

    def take(self, which: Any) -> "Forms":
        """Return the forms of some of the quantities."""
        return Forms(self.values[which], self.radii[which])


class UncertainRows(NamedTuple):
    """z = (coefficients +- errors) v, entry by entry; the last one of the quantities v is 1.

    Or some of the columns of such rows.
    """

    coefficients: Any
    errors: Any

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.coefficients)

    @property
    def parts(self) -> list[slice]:
        """Slices of the columns, in order; the last one is the column of the constant 1 alone."""
        n = self.coefficients.shape[1] - 1
        return [*parts_of(0, n), slice(n, n + 1)]

    def columns(self, part: slice) -> "UncertainRows":
        """Return some of the columns."""
        return UncertainRows(self.coefficients[:, part], self.errors[:, part])

    def take(self, which: Any) -> "UncertainRows":
        """Return some of the rows."""
        return UncertainRows(self.coefficients[which], self.errors[which])

    def map(self, change: Callable[["UncertainRows"], "UncertainRows"]) -> "UncertainRows":
        """Return what a function makes of the rows: one that treats each column by itself."""
        return change(self)

    def whole(self) -> "UncertainRows":
        """Return all columns."""
        return self


class RowsInParts(NamedTuple):
    """Rows as `UncertainRows`, of which only some columns are made at a time.

    Two layers of 3000 neurons have 10^7 weights in each network. All columns at once took 8 s and
    2 GB; parts that stay in cache take 1.3 s.

    parts : slices of the columns, in order; the last one is the column of the constant 1 alone
    columns : function of a part that returns its columns as `UncertainRows`
    """

    parts: list[slice]
    columns: Callable[[slice], UncertainRows]

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.columns(self.parts[-1]).n_rows

    def map(self, change: Callable[[UncertainRows], UncertainRows]) -> "RowsInParts":
        """Return what a function makes of the rows: one that treats each column by itself."""
        return RowsInParts(self.parts, lambda part: change(self.columns(part)))

    def whole(self) -> UncertainRows:
        """Return all columns."""
        made = [self.columns(part) for part in self.parts]
        return UncertainRows(*(np.concatenate(blocks, axis=1) for blocks in zip(*made)))


Rows = UncertainRows | RowsInParts


class Classes(NamedTuple):
    """The neurons of a layer of both networks, numbered through, g's before f's, and their classes.

    labels : the class of each neuron, or -1
    representatives : the first neuron of each class; its h is the class's H
    scales : q for each neuron that is to be near q times its representative, and 0 for the others,
        representatives among them
    compared_to : its representative, or itself where q = 0
    factors : h = factor H + remainder; 1 for a representative, |q| for the others
    """

    labels: Any
    representatives: Any
    scales: Any
    compared_to: Any
    factors: Any


class Enclosure(NamedTuple):
    """A quantity that is slope delta + middle, or off by at most width / 2, for a known delta."""

    slope: Any
    middle: Any
    width: Any


class AlwaysOn(NamedTuple):
    """The last hidden layer's always-on neurons: see `bounds_through_always_on`."""

    on: Any
    lows: Any
    rows: Rows
    forms_below: Forms


class LastLayer(NamedTuple):
    """What is known of the last hidden layer of both networks, on B regions.

    rows : of the outputs, g's before f's, over the quantities
    forms : of these quantities; the last one is 1
    always_on : None if there is no second bound
    """

    rows: Rows
    forms: Forms
    region: Region
    always_on: AlwaysOn | None


# forms


def magnitude(forms: Forms) -> Any:
    """Return numbers (n, 2, B) not below |v|, up to d + 1 roundings: by interval and linear form.

    |v| <= |centre| + radius, and |v| <= |constant| + sum_i |slope_i| + radius, as |t_i| <= 1.
    """
    values, radii = forms
    by_interval, by_linear_form = np.abs(values[:, 0]), np.abs(values[:, 1:]).sum(axis=1)
    return np.stack([by_interval, by_linear_form], axis=1) + radii


def combine(rows: Rows, forms: Forms) -> Forms:
    """Return forms of z = (C +- E) v. As the last v is 1, the last column of C is a constant.

    With v within its radius of its values, |v| <= magnitude, and r roundings of a term,

        |fl(C values) - C v| <= |C| (radius + gamma_r magnitude) + u |fl(C values)|,
        |E v| <= E magnitude,

    where the last u is for the addition of the constant (PROOFS, Lemma 6). This is a sum itself,
    whose terms go through at most r + d + 6 roundings: d + 1 in the magnitude, two of the product
    with gamma and the sum with the radius, r of the product with |C|, and three of sums.

    Products that underflow: gamma magnitude, which then meets |C|; the terms of each column; and
    coefficients whose own products did, which are off by less than UNDERFLOW each.
    """
    *parts, last = rows.parts
    roundings = roundings_of_parts(parts)
    magnitudes = magnitude(forms)
    each = forms.radii + (gamma(roundings) * magnitudes + SMALLEST)

    constants, errors_of_constants = rows.columns(last)
    n_rows, (n_forms, n_columns, n_boxes) = len(constants), forms.values.shape
    values, radii = np.zeros((n_rows, n_columns, n_boxes)), np.zeros((n_rows, 2, n_boxes))
    of_errors = 0.0 * radii
    for part in parts:
        coefficients, errors = rows.columns(part)
        add_product(values, coefficients, forms.values[part])
        radii += product(np.abs(coefficients), each[part])
        if errors.any():
            of_errors += product(errors, magnitudes[part])

    values[:, :2] += constants[:, :, np.newaxis]
    of_errors += errors_of_constants[:, :, np.newaxis]
    radii += UNIT_ROUNDOFF * np.abs(values[:, :2])
    underflow = UNDERFLOW * ((n_forms - 1) * n_columns + magnitudes.sum(axis=0))
    return Forms(values, raised(radii + of_errors, roundings + n_columns + 4) + underflow)


def add_product(total: Any, weights: Any, values: Any) -> None:
    """Add the product of weights (m, n) and values (n, d + 2, B) of forms to the total.

    Columns of zeros are left out: of the inputs' forms, of which each has one slope, nearly all
    (with 3000 inputs the checker takes a third of the time).
    """
    is_used = values.any(axis=(0, 2))
    if is_used.all():
        total += product(weights, values)
    else:
        total[:, is_used] += product(weights, values[:, is_used])


def product(weights: Any, forms: Any) -> Any:
    """Return the product of weights (m, n) and numbers (n, ...), in one call of a matrix product.
    """
    n = len(forms)
    return (weights @ forms.reshape(n, -1)).reshape(len(weights), *forms.shape[1:])


def bounds(forms: Forms, region: Region) -> Interval:
    """Return bounds (n, B) on v in each region: the better of interval and linear form.

    For the slopes a, |a.t| <= sum_i |a_i| on a box and |a.t| <= |a|_2 on a ball; on a hull a.t is
    smallest and largest at points. The sums with the constant and with the margin are rounded:

        |fl(bound) - bound| <= gamma_2 |constant| + gamma_(d+4) sum_i |a_i|,

    where a hull's points have two roundings of their own. The margin is a sum of d + 3 roundings
    itself, its addition counted. Squares that underflow are off by SMALLEST / 2 each.
    """
    values, radii = forms
    slopes, n_columns = values[:, 2:], values.shape[1]  # n_columns is d + 2

    spread = np.abs(slopes).sum(axis=1)
    high = spread  # the largest a.t, and low the smallest
    if region.kind == "Ball":
        norm = np.sqrt((slopes * slopes).sum(axis=1) + n_columns * UNDERFLOW)
        high = np.minimum(spread, norm)
    low = -high
    if region.kind == "Hull" and n_columns > 2:
        at_points = slopes[:, :, 0] @ region.points.T
        low, high = at_points.min(axis=1)[:, np.newaxis], at_points.max(axis=1)[:, np.newaxis]

    margin = radii + gamma(2) * np.abs(values[:, :2])
    margin[:, 1] += gamma(n_columns + 2) * spread
    margin = raised(margin, n_columns + 2) + n_columns * UNDERFLOW

    lower = np.stack([values[:, 0], values[:, 1] + low], axis=1) - margin
    upper = np.stack([values[:, 0], values[:, 1] + high], axis=1) + margin
    return Interval(lower.max(axis=1), upper.min(axis=1))


def input_forms(boxes: Any, domain: Any, kind: str) -> tuple[Forms, Region]:
    """Return the forms of the inputs and 1 on the boxes, x = middle + radius t, and the region.

    A Ball is centre + radius t with |t|_2 <= 1; a Hull's points are brought to the coordinates t.
    """
    middle, radius = middle_and_radius(Interval(*np.array(boxes).T))
    region = Region(kind)
    if kind == "Ball":
        middle, radius = domain.centre[:, np.newaxis], 0.0 * middle + domain.radius
    elif kind == "Hull":
        region = Region(kind, (domain.points - middle.T) / np.where(radius > 0.0, radius, 1.0).T)

    d, n_boxes = middle.shape
    values, radii = np.zeros((d + 1, d + 2, n_boxes)), np.zeros((d + 1, 2, n_boxes))
    values[:d, 0] = values[:d, 1] = middle
    values[range(d), range(2, d + 2)] = radii[:d, 0] = radius
    values[d, :2] = 1.0
    return Forms(values, radii), region


def with_one(forms: Forms) -> Forms:
    """Return the forms and, as the last one, that of the constant 1."""
    values, radii = (np.append(part, np.zeros((1, *part.shape[1:])), axis=0) for part in forms)
    values[-1, :2] = 1.0
    return Forms(values, radii)


# classes of neurons


def classes_of(labels: Any, scales: Any, n_neurons: int) -> Classes:
    """Return the classes that labels and scales name; ValueError if they name none.

    Labels are -1, or 0, 1, 2 ... Whether neurons are near multiples of their representatives need
    not be checked: a wrong label or scale makes the remainder large.
    """
    first_neurons = np.unique(labels, return_index=True)[1]
    representatives = first_neurons[int((labels < 0).any()):]
    fit = len(labels) == n_neurons and \
        (labels[representatives] == range(len(representatives))).all()
    require(fit, "labels that do not fit")

    neurons = np.arange(n_neurons)
    is_representative = np.isin(neurons, representatives)
    scales_of_others = np.where(is_representative | (labels < 0), 0.0, scales)
    of_class = np.append(representatives, 0)[labels]  # of no class: neuron 0, not used
    return Classes(
        labels, representatives, scales_of_others,
        compared_to=np.where(scales_of_others == 0.0, neurons, of_class),
        factors=np.where(is_representative, 1.0, np.abs(scales)),
    )


def rows_over_classes(layer_g: Layer, layer_f: Layer, classes: Classes, live: Any) -> RowsInParts:
    """Return both networks' rows over the representatives' H, the live neurons' remainders, and 1.

    For a neuron of a network with the weights W, and h_m = factor_m H_c + remainder_m, the
    coefficient of H_c is sum_m W_m factor_m over the class's neurons of that network, and that of a
    remainder is W_m (PROOFS, Lemma 8).
    """
    n_classes, n_quantities = len(classes.representatives), len(classes.representatives) + len(live)
    constants = np.append(layer_g.thresholds, layer_f.thresholds)[:, np.newaxis]

    def columns(part: slice) -> UncertainRows:
        if part.stop <= n_classes:
            which = range(part.start, part.stop)
            return coefficients_over_classes(layer_g, layer_f, classes, which)
        if part.stop <= n_quantities:
            neurons = live[part.start - n_classes:part.stop - n_classes]
            return weights_of_neurons(layer_g, layer_f, neurons)
        return UncertainRows(constants, 0.0 * constants)

    parts = [*parts_of(0, n_classes), *parts_of(n_classes, n_quantities)]
    return RowsInParts([*parts, slice(n_quantities, n_quantities + 1)], columns)


def coefficients_over_classes(
    layer_g: Layer, layer_f: Layer, classes: Classes, which: range
) -> UncertainRows:
    """Return both networks' coefficients sum_m W_m factor_m of the representatives of some classes.

    If k of a network's neurons are in a class, then a term goes through k - 1 additions, and
    through a product unless its factor is 1:

        |error| <= sum_m |W_m factor_m| gamma_(k or k-1), and UNDERFLOW for each that rounds.

    This is a sum of at most as many terms as there are neurons, and three roundings of each.
    """
    labels, (n_rows_g, n_g) = classes.labels, layer_g.weights.shape
    neurons = np.flatnonzero((labels >= which.start) & (labels < which.stop))
    neurons = neurons[np.argsort(labels[neurons], kind="stable")]

    result = no_rows(n_rows_g + len(layer_f.weights), len(which))
    for half, layer, own, first in (
        (slice(n_rows_g), layer_g, neurons[neurons < n_g], 0),
        (slice(n_rows_g, None), layer_f, neurons[neurons >= n_g], n_g),
    ):
        weights, labels_from_0 = layer.weights[:, own - first], labels[own] - which.start
        add_sums_over_labels(result.take(half), weights, classes.factors[own], labels_from_0)
    return result


def add_sums_over_labels(result: UncertainRows, weights: Any, factors: Any, labels: Any) -> None:
    """Add to the column of each label the sum of its weights times factors; labels are sorted."""
    present, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    additions = np.repeat(counts - 1, counts)
    roundings = additions + (factors != 1.0)
    sums = weights * factors
    if roundings.any():
        errors = np.abs(sums) * gamma(roundings) + UNDERFLOW * (roundings > 0)
        if additions.any():
            errors = np.add.reduceat(errors, starts, axis=1)
            sums = np.add.reduceat(sums, starts, axis=1)
        result.errors[:, present] += raised(errors, len(labels) + 3)
    result.coefficients[:, present] += sums


def weights_of_neurons(layer_g: Layer, layer_f: Layer, neurons: Any) -> UncertainRows:
    """Return both networks' coefficients of some neurons' remainders: 0 in the other network."""
    n_rows_g, n_g = layer_g.weights.shape
    is_g = neurons < n_g
    result = no_rows(n_rows_g + len(layer_f.weights), len(neurons))
    result.coefficients[:n_rows_g, is_g] = layer_g.weights[:, neurons[is_g]]
    result.coefficients[n_rows_g:, ~is_g] = layer_f.weights[:, neurons[~is_g] - n_g]
    return result


def no_rows(n_rows: int, n_columns: int) -> UncertainRows:
    """Return rows of zeros whose columns are contiguous, as those of a network's weights are."""
    shape = n_rows, n_columns
    return UncertainRows(np.zeros(shape, order="F"), np.zeros(shape, order="F"))


# ReLU


def relu_remainders(
    rows: Rows, classes: Classes, forms: Forms, region: Region
) -> tuple[Forms, Any]:
    """Return forms of h - |q| H_c for each neuron (q = 0: of h), and lower bounds on z where q = 0.

    With a = sign(q) z, b = |q| z_c and delta = a - b, the remainder is s(a) - s(b), and z more for
    q < 0, as s(z) = s(-z) + z. That sum rounds once in each number, by u |result|; its radius is a
    sum of d + 4 roundings.
    """
    delta = combine(rows.map(partial(difference_rows, classes=classes)), forms)
    delta_bounds = bounds(delta, region)
    values, radii = difference_of_relus(delta, delta_bounds, classes)

    opposite = np.flatnonzero(classes.scales < 0.0)
    if len(opposite):
        z = combine(rows.map(lambda part: part.take(opposite)), forms)
        values[opposite] += z.values
        of_sum = UNIT_ROUNDOFF * magnitude(Forms(values[opposite], 0.0 * z.radii))
        total = raised(radii[opposite] + z.radii + of_sum, values.shape[1] + 2)
        radii[opposite] = total + UNDERFLOW
    return Forms(values, radii), delta_bounds.low


def difference_rows(rows: UncertainRows, classes: Classes) -> UncertainRows:
    """Return the rows of delta = sign(q) (z - q z_c); where q = 0, of z itself.

    A subtraction is off by u |result|, and a product by u |q row_c| unless |q| = 1:

        error <= e + |q| e_c + u (|result| + |q| |row_c|),

    which is a sum of at most five roundings. Products that underflow: see `combine`.
    """
    result = UncertainRows(*(part.copy(order="K") for part in rows))
    compared = np.flatnonzero(classes.scales != 0.0)
    q = classes.scales[compared, np.newaxis]
    scale = np.abs(q)
    row, error = rows.take(compared)
    row_c, error_c = rows.take(classes.compared_to[compared])
    if not row_c.any() and not error_c.any():  # columns of the other network's remainders
        result.coefficients[compared] = np.sign(q) * row
        return result

    difference = row - q * row_c
    of_product = np.where(scale == 1.0, 0.0, scale) * np.abs(row_c)
    both_errors = error + scale * error_c
    rounding = UNIT_ROUNDOFF * (np.abs(difference) + of_product)
    result.coefficients[compared] = np.sign(q) * difference
    result.errors[compared] = raised(both_errors + rounding, 5)
    return result


def difference_of_relus(delta: Forms, delta_bounds: Interval, classes: Classes) -> Forms:
    """Return forms of s(a) - s(b), b = |q| z_c and a = b + delta; of s(delta) where q = 0.

    Where q = 0, delta is z: so the representatives' z have the bounds of their delta. With the
    enclosure slope delta + middle +- width / 2, the linear form is slope times that of delta, moved
    by middle. Each product with slope is rounded, and middle, and the constant's sum with it:

        |error| <= gamma_2 (slope magnitude + |middle|).

    The radius is a sum of at most d + 8 roundings, four of them those of the width. Products with
    the slope may underflow, and so may halves.
    """
    alone = (classes.scales == 0.0)[:, np.newaxis]
    scale = np.abs(classes.scales)[:, np.newaxis]
    b = Interval(*(
        np.where(alone, 0.0, outward(scale * bound[classes.compared_to]))
        for outward, bound in zip((below, above), delta_bounds)
    ))
    a = Interval(below(b.low + delta_bounds.low), above(b.high + delta_bounds.high))

    interval = interval_of_difference(a, b, delta_bounds)
    of_one = enclosure_of_relu(delta_bounds)
    of_two = enclosure_of_difference(a, b, delta_bounds, interval, delta.radii[:, 1])
    slope, middle, width = (np.where(alone, *parts) for parts in zip(of_one, of_two))

    values, n_columns = slope[:, np.newaxis] * delta.values, delta.values.shape[1]
    of_slope = slope * np.abs(delta.values[:, 1:]).sum(axis=1)
    rounding = gamma(2) * (of_slope + np.abs(middle))
    underflow = UNDERFLOW * n_columns * (slope + width > 0.0)
    linear_radius = slope * delta.radii[:, 1] + width / 2.0 + rounding
    linear_radius = raised(linear_radius, n_columns + 6) + underflow
    values[:, 1] += middle

    values[:, 0], radius = middle_and_radius(sharpened(interval, a, b, delta_bounds))
    return Forms(values, np.stack([radius, linear_radius], axis=1))


def enclosure_of_relu(z: Interval) -> Enclosure:
    """Return an enclosure of s(z) for low <= z <= high by the slope of the chord.

    For any slope in [0, 1] s(z) - slope z is convex, 0 at z = 0, and largest at an end:

        0 <= s(z) - slope z <= max(-slope low, (1 - slope) high).

    So a rounded slope does no harm. The bound has two roundings, and half of the width has them
    twice, as the middle stays where it is. (PROOFS, Lemma 7.)
    """
    up, down = np.maximum(z.high, 0.0), np.maximum(-z.low, 0.0)
    slope = up / np.where(up + down > 0.0, up + down, 1.0)
    width = np.maximum(slope * down, (1.0 - slope) * up)
    return Enclosure(slope, width / 2.0, width)


def interval_of_difference(a: Interval, b: Interval, delta: Interval) -> Interval:
    """Return an interval of s(a) - s(b), with no rounding (PROOFS, Lemma 9, 2).

        max(min(delta_low, 0), -b_high^+) <= s(a) - s(b) <= min(max(delta_high, 0), a_high^+)
    """
    low = np.maximum(np.minimum(delta.low, 0.0), -np.maximum(b.high, 0.0))
    high = np.minimum(np.maximum(delta.high, 0.0), np.maximum(a.high, 0.0))
    return Interval(low, high)


def enclosure_of_difference(
    a: Interval, b: Interval, delta: Interval, interval: Interval, radius: Any
) -> Enclosure:
    """Return the enclosure of s(a) - s(b) that makes the linear form's radius the smallest.

    1. s(a) - s(b) - delta      in [-(-b_low)^+, (-a_low)^+], as s(z) = z + s(-z);
    2. s(a) - s(b)              in the interval;
    3. s(a) - s(b) - delta / 2  in +- max |delta| / 2, as the difference is delta times a number in
       [0, 1].

    PROOFS, Lemma 9, proves the three. `radius` is that of delta's linear form, which a slope
    multiplies.
    """
    a_negative, b_negative = np.maximum(-a.low, 0.0), np.maximum(-b.low, 0.0)
    zero = np.zeros_like(a_negative)
    choices = [
        Enclosure(zero + 1.0, (a_negative - b_negative) / 2.0, a_negative + b_negative),
        Enclosure(zero, (interval.low + interval.high) / 2.0, interval.high - interval.low),
        Enclosure(zero + 0.5, zero, delta.largest),
    ]
    best = np.argmin([choice.slope * radius + choice.width / 2.0 for choice in choices], axis=0)
    return Enclosure(*(np.choose(best, parts) for parts in zip(*choices)))


def sharpened(interval: Interval, a: Interval, b: Interval, delta: Interval) -> Interval:
    """Return the interval of s(a) - s(b) met with that of 1. of `enclosure_of_difference`."""
    low = np.maximum(interval.low, below(delta.low - np.maximum(-b.low, 0.0)))
    high = np.minimum(interval.high, above(delta.high + np.maximum(-a.low, 0.0)))
    return Interval(low, np.maximum(low, high))


# outputs


def bounds_through_always_on(
    outputs: UncertainRows, forms: Forms, on: Any, lows: Any, rows: Rows, forms_below: Forms,
    region: Region,
) -> Interval:
    """Return bounds of the outputs' difference with the always-on neurons replaced by their rows.

    As s(z) = z + s(-z), a neuron with z >= low is h = z + nu with nu in [0, (-low)^+]. So
    D h = D nu + (D C) v for its row z = (C +- E) v over the forms v below (PROOFS, Lemma 10).
    The sum of both parts is rounded once in each number; its radius is a sum of d + 4 roundings.
    """
    with_nu = Forms(*(part.copy() for part in forms))
    with_nu.values[on], with_nu.radii[on] = 0.0, np.maximum(-lows, 0.0)[:, np.newaxis] / 2.0
    with_nu.radii[on] += SMALLEST * (lows < 0.0)[:, np.newaxis]  # half of the smallest number is 0
    with_nu.values[on, :2] = with_nu.radii[on]  # nu, in its middle
    kept = combine(outputs, with_nu)

    of_neurons = UncertainRows(outputs.coefficients[:, on], outputs.errors[:, on])
    replaced = combine(rows.map(partial(product_of_rows, of_neurons)), forms_below)

    total = kept.values + replaced.values
    of_sum = UNIT_ROUNDOFF * magnitude(Forms(total, 0.0 * kept.radii))
    radii = raised(kept.radii + replaced.radii + of_sum, total.shape[1] + 2) + UNDERFLOW
    return bounds(Forms(total, radii), region)


def product_of_rows(outputs: UncertainRows, rows: UncertainRows) -> UncertainRows:
    """Return the rows (D +- F)(C +- E) for outputs D +- F of k neurons, and the neurons' C +- E.

        |(D +- F)(C +- E) - fl(D C)| <= |D| (E + gamma_k |C|) + F (|C| + E),

    a sum of k + 5 roundings (PROOFS, Lemma 6). What gamma |C| loses by underflow meets |D|.
    """
    weights, uncertain = outputs
    magnitudes, k = np.abs(rows.coefficients), len(rows.coefficients)
    of_rows = np.abs(weights) @ (rows.errors + (gamma(k) * magnitudes + SMALLEST))
    of_outputs = uncertain @ (magnitudes + rows.errors)
    errors = raised(of_rows + of_outputs, k + 5) + UNDERFLOW * k
    return UncertainRows(weights @ rows.coefficients, errors)


def output_differences(rows: UncertainRows) -> UncertainRows:
    """Return the rows of g - f: g's rows are the first half. A subtraction is off by u |result|."""
    n_outputs = len(rows.coefficients) // 2
    of_g, of_f = rows.take(slice(n_outputs)), rows.take(slice(n_outputs, None))
    difference = of_g.coefficients - of_f.coefficients
    errors = of_g.errors + of_f.errors + UNIT_ROUNDOFF * np.abs(difference)
    return UncertainRows(difference, raised(errors, 2))


def last_hidden_layer(boxes: Any, data: Any, layers: Any, domain: Any, kind: str) -> LastLayer:
    """Return both networks' outputs over what is known of the last hidden layer.

    layers : pairs (layer of g, layer of f)
    kind : that of the region: for a Ball or Hull the domain in the only box, else "Box"
    """
    forms, region = input_forms(boxes, domain, kind)
    coefficients = np.concatenate([np.column_stack(layer) for layer in layers[0]])
    rows: Rows = UncertainRows(coefficients, 0.0 * coefficients)
    for number, (layer_g, layer_f) in enumerate(layers[1:]):
        labels, scales = data[f"labels{number}"], data[f"scales{number}"]
        classes = classes_of(labels, scales, rows.n_rows)
        remainders, lows = relu_remainders(rows, classes, forms, region)
        if not data["linear"]:  # forms with no slopes, which are the intervals again
            remainders = Forms(remainders.values[:, [0, 0]], remainders.radii[:, [0, 0]])

        is_live = remainders.values.any(axis=(1, 2)) | remainders.radii.any(axis=(1, 2))
        is_live[classes.representatives] = False  # their h is H: nothing remains
        live = np.flatnonzero(is_live)
        kept = np.append(classes.representatives, live)  # whose H or remainder each quantity is

        rows_below, forms_below = rows, forms
        forms = with_one(remainders.take(kept))
        rows = rows_over_classes(layer_g, layer_f, classes, live)

    always_on = None
    if len(boxes) == 1 and len(layers) > 2:  # with many boxes the second bound takes too long
        sizes = magnitude(forms)[:-1, 0, 0]  # by the intervals, without the constant 1
        nearly_on = lows[kept, 0] >= -NEARLY_ON * sizes
        on = np.flatnonzero((classes.scales[kept] == 0.0) & nearly_on)
        neurons = kept[on]
        rows_of_neurons = rows_below.map(lambda part: part.take(neurons))
        always_on = AlwaysOn(on, lows[neurons], rows_of_neurons, forms_below)
    return LastLayer(rows, forms, region, always_on)


def bounds_of_outputs(outputs: UncertainRows, last: LastLayer) -> list[Interval]:
    """Return bounds of these rows over the last layer's quantities, in one or two ways."""
    result = [bounds(combine(outputs, last.forms), last.region)]
    if last.always_on is not None:
        result.append(bounds_through_always_on(outputs, last.forms, *last.always_on, last.region))
    return result


def bound_on_boxes(boxes: Any, data: Any, layers: Any, domain: Any, kind: str) -> Any:
    """Return a bound on |f - g| on the boxes; the arguments are those of `last_hidden_layer`."""
    last = last_hidden_layer(boxes, data, layers, domain, kind)
    found = bounds_of_outputs(last.rows.map(output_differences).whole(), last)
    return np.minimum(found[0].largest, found[-1].largest).max()


def joint_layers(f: Any, g: Any, domain: Any) -> Any:
    """Return pairs (layer of g, layer of f), both networks with the same depth.

    ValueError if the networks and the domain do not fit, or are no ReLU networks.
    """
    relu = f.activation == g.activation == "relu"
    inputs = {f.weights[0].shape[1], g.weights[0].shape[1], domain.n_inputs}
    same_outputs = len(f.output_weights) == len(g.output_weights)
    require(relu and len(inputs) == 1 and same_outputs, "the networks and the domain do not fit")
    depth = max(len(f.weights), len(g.weights))
    return [*zip(layers_of(g, depth), layers_of(f, depth))]


def batches_of_leaves(data: Any, layers: Any, domain: Any) -> tuple[list[Any], str]:
    """Return the leaves' boxes in batches that fit into memory, and the kind of their region."""
    low, high = bounding_box(domain)
    boxes = leaf_boxes(data, domain, [*zip(low.tolist(), high.tolist())], float)
    is_whole = len(data["axis"]) == 1
    kind = kind_of(domain) if is_whole else "Box"

    widest = max(len(in_g.weights) + len(in_f.weights) for in_g, in_f in layers)
    step = 1 + BATCH // (len(low) + 2) // widest
    return [boxes[i:i + step] for i in range(0, len(boxes), step)], kind


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return the bound on |f - g| on the domain that the data proves, the largest of all leaves.

    data : `axis`, `place` and `directions`, a tree of splits (see `arithmetic.leaf_boxes`);
        `labels0`, `scales0`, ... of the hidden layers of both networks (see `classes_of`), up to
        the greater depth; `linear`, 0 if only intervals are wanted above the first layer

    ValueError if the data proves no bound.
    """
    layers = joint_layers(f, g, domain)
    parts, kind = batches_of_leaves(data, layers, domain)
    with np.errstate(all="ignore"):
        found = [bound_on_boxes(part, data, layers, domain, kind) for part in parts]
        return float(np.max(found))  # nan if a part's is: the built-in max may lose it
