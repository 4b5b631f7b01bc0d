"""Kind "pieces": classes of neurons, intervals and linear forms (docs/certificates.md, section 5).

Neurons of both networks whose pre-activations are nearly multiples of one another form a class;
what they share cancels in g - f before it is bounded.
"""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ....domains import Ball, Domain, Hull
from ....networks.network import Network
from .objects import (
    BoxOrDomain, Layer, chosen, equally_deep, larger, leaves, positive_part, rational,
    require, root_box, root_up, rounded, smaller, zeros,
)

HALF = Fraction(1, 2)
NEARLY_POSITIVE = Fraction(1, 2**30)


class Quantities(NamedTuple):
    """|v - middle| <= radius and |v - form_middle - slopes.t| <= form_radius (7).

    One entry, and one row of slopes, for each quantity v.
    """

    middle: Any
    radius: Any
    form_middle: Any
    slopes: Any
    form_radius: Any

    def __getitem__(self, rows: Any) -> Quantities:
        return Quantities(*(array[rows] for array in tuple(self)))

    def __add__(self, other: Quantities) -> Quantities:  # type: ignore[override]
        return Quantities(*(mine + theirs for mine, theirs in zip(tuple(self), tuple(other))))


def combination(weights: Any, quantities: Quantities) -> Quantities:
    """Return z = sum_i w_i v_i for each row of weights (8)."""
    middle, radius, form_middle, slopes, form_radius = tuple(quantities)
    size = abs(weights)
    return Quantities(
        weights @ middle, size @ radius,
        weights @ form_middle, weights @ slopes, size @ form_radius,
    )


class Region(NamedTuple):
    """A leaf {middle + half t}: its inputs, and the support function h_T of the set of all t."""

    inputs: Quantities
    support: Callable[[Any], Fraction]
    whole: bool

    def bounds(self, v: Quantities) -> tuple[Any, Any]:
        """Return the bounds l <= v <= u of each quantity (9)."""
        up = np.array([self.support(a) for a in v.slopes], dtype=object)
        down = np.array([self.support(-a) for a in v.slopes], dtype=object)
        low = larger(v.middle - v.radius, v.form_middle - v.form_radius - down)
        high = smaller(v.middle + v.radius, v.form_middle + v.form_radius + up)
        return low, high


def bound(arrays: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return the largest bound of all leaves."""
    require(f.activation == "relu", "for ReLU networks")
    pair = equally_deep(f, g)
    low, high = root_box(domain)
    regions = [region_of(leaf, domain) for leaf in leaves(arrays, low, high, domain)]
    return max((leaf_bound(arrays, *pair, region) for region in regions), default=Fraction(0))


def region_of(leaf: BoxOrDomain, domain: Domain) -> Region:
    """Return the region of a leaf: x = middle + half t."""
    middle, half = (leaf.low + leaf.high) / 2, (leaf.high - leaf.low) / 2
    support = box_support
    if leaf.whole and isinstance(domain, Ball):
        middle = rational(domain.centre)
        half = np.full(len(middle), Fraction(domain.radius), dtype=object)
        support = ball_support
    elif leaf.whole and isinstance(domain, Hull):
        points = rational(domain.points) - middle
        points = chosen(half == 0, Fraction(0), points / chosen(half == 0, Fraction(1), half))

        def support(a: Any) -> Fraction:
            return Fraction(max(points @ a))

    slopes = np.diag(half) + zeros(len(half), len(half))
    inputs = Quantities(middle, half, middle, slopes, zeros(len(half)))
    return Region(inputs, support, leaf.whole)


def box_support(a: Any) -> Fraction:
    """Return the largest a.t over |t_i| <= 1."""
    return Fraction(sum(abs(a)))


def ball_support(a: Any) -> Fraction:
    """Return the largest a.t over |t|_2 <= 1, rounded up."""
    return root_up(Fraction(sum(a * a)))


def with_one(quantities: Quantities) -> Quantities:
    """Return the quantities with the constant 1 behind them."""
    one, n_inputs = rational([1]), quantities.slopes.shape[1]
    constant = Quantities(one, one * 0, one, zeros(1, n_inputs), one * 0)
    return stacked([quantities, constant])


def stacked(parts: list[Quantities]) -> Quantities:
    """Return the quantities of all parts, one after the other."""
    return Quantities(*(np.concatenate(arrays) for arrays in zip(*map(tuple, parts))))


class LastLayer(NamedTuple):
    """The outputs' rows of both networks over the last hidden layer's quantities, on one region.

    always_on : the layer below, its rows and who is always on; None with one hidden layer
    """

    of_g: Any
    of_f: Any
    quantities: Quantities
    region: Region
    always_on: tuple[Any, Any, Any] | None


def leaf_bound(arrays: Any, f: list[Layer], g: list[Layer], region: Region) -> Fraction:
    """Return the bound of max_k |g_k - f_k| on one region."""
    last = last_hidden_layer(arrays, f, g, region)
    ways = bounds_of_outputs(last.of_g - last.of_f, last)
    values = [larger(-low, high) for low, high in ways]
    return Fraction(max(smaller(values[0], values[-1])))


def last_hidden_layer(arrays: Any, f: list[Layer], g: list[Layer], region: Region) -> LastLayer:
    """Go through the hidden layers of both networks."""
    quantities = with_one(region.inputs)
    rows = [np.column_stack([*layer]) for layer in (g[0], f[0])]  # over the inputs and 1
    last: tuple[Any, Any, Any] | None = None
    for number in range(len(f) - 1):
        n_g, stack = len(rows[0]), np.concatenate(rows)
        classes = classes_of(arrays[f"labels{number}"], arrays[f"scales{number}"], len(stack))
        z = combination(stack, quantities)
        below, quantities, always_on = through_relu(
            stack, z, quantities, classes, region, bool(arrays["linear"]))
        mixing = classes.rows_of_values()
        next_rows = []
        for layer, part in ((g[number + 1], slice(0, n_g)), (f[number + 1], slice(n_g, None))):
            next_rows.append(np.column_stack([layer.weights @ mixing[part], layer.thresholds]))
        rows = next_rows
        last = below, stack, always_on
    return LastLayer(rows[0], rows[1], quantities, region, last if len(f) > 2 else None)


def bounds_of_outputs(rows: Any, last: LastLayer) -> list[tuple[Any, Any]]:
    """Return bounds (low, high) of rows over the last layer's quantities, in one or two ways."""
    region, quantities = last.region, last.quantities
    ways = [region.bounds(combination(rows, quantities))]
    if last.always_on is not None:
        ways.append(bounds_through_always_on(rows, quantities, *last.always_on, region))
    return ways


class Classes(NamedTuple):
    """For each neuron its representative, the factor q (0: compared to nothing), its column."""

    representative: Any
    factor: Any
    column: Any
    value_scale: Any

    @property
    def order(self) -> Any:
        """The neurons in the order of the next layer's quantities: representatives first."""
        return np.argsort(self.column, kind="stable")

    def rows_of_values(self) -> Any:
        """Return the rows of h over the next layer's quantities without 1: h = |q| H_c + R (16)."""
        n = len(self.column)
        rows = zeros(n, n)
        for j, (c, scale) in enumerate(zip(self.representative, self.value_scale)):
            if c != j:
                rows[j, self.column[c]] += scale
            rows[j, self.column[j]] += Fraction(1)
        return rows


def classes_of(labels: Any, scales: Any, n_neurons: int) -> Classes:
    """Read the classes of a layer."""
    require(len(labels) == len(scales) == n_neurons, "labels or scales of another length")
    labels, scales = labels.tolist(), rational(scales)
    present = {label for label in labels if label >= 0}
    require(present == set(range(len(present))), "a class has no neuron")
    representative = [labels.index(k) if k >= 0 else j for j, k in enumerate(labels)]
    own = np.array(representative) == np.arange(n_neurons)
    factor = chosen(own, Fraction(0), scales)
    first = [labels.index(k) for k in range(len(present))]
    rest = [j for j in range(n_neurons) if j not in set(first)]
    column = np.empty(n_neurons, dtype=int)
    column[first + rest] = np.arange(n_neurons)
    return Classes(np.array(representative), factor, column, abs(factor))


def through_relu(
    rows: Any, z: Quantities, below: Quantities, classes: Classes, region: Region, linear: bool
) -> tuple[Quantities, Quantities, Any]:
    """Return the quantities below, those of the next layer, and how far always-on neurons go down.

    The last is (-z_l)^+ for each neuron with q = 0 that is always on or nearly, and None otherwise.
    """
    q, c = classes.factor, classes.representative
    compared = q != 0
    sign = chosen(q < 0, Fraction(-1), Fraction(1))
    delta_rows = chosen(
        compared[:, np.newaxis], sign[:, np.newaxis] * (rows - q[:, np.newaxis] * rows[c]), rows)
    delta = combination(delta_rows, below)
    low, high = region.bounds(delta)                                             # (10)
    own_low, own_high = low[c], high[c]
    beta_low = chosen(compared, abs(q) * own_low, Fraction(0))                 # (11)
    beta_high = chosen(compared, abs(q) * own_high, Fraction(0))
    alpha_low, alpha_high = beta_low + low, beta_high + high

    remainders = []
    for j in range(len(rows)):
        if compared[j]:
            part = remainder_of_pair(
                delta[[j]], low[j], high[j], alpha_low[j], alpha_high[j], beta_low[j], beta_high[j])
        else:
            part = remainder_alone(delta[[j]], low[j], high[j])
        if q[j] < 0:
            part = part + z[[j]]  # s(z) = s(-z) + z
        remainders.append(part)
    R = stacked(remainders)
    if not linear:
        R = Quantities(R.middle, R.radius, R.middle, R.slopes * 0, R.radius)

    nearly = low >= -NEARLY_POSITIVE * (abs(R.middle) + R.radius)
    always_on = [positive_part(-low[j]) if nearly[j] and not compared[j] else None
                 for j in range(len(rows))]
    order = classes.order
    return below, with_one(R[order]), (always_on, order)


def remainder_of_pair(
    delta: Quantities, low: Fraction, high: Fraction, alpha_low: Fraction, alpha_high: Fraction,
    beta_low: Fraction, beta_high: Fraction,
) -> Quantities:
    """Return Delta = s(alpha) - s(beta) for alpha = beta + delta, by (12), (13), (14)."""
    zero = Fraction(0)
    alpha_off, beta_off = max(-alpha_low, zero), max(-beta_low, zero)
    least = max(min(low, zero), -max(beta_high, zero))
    most = min(max(high, zero), max(alpha_high, zero))
    interval_low, interval_high = max(low - beta_off, least), min(high + alpha_off, most)

    half_width = max(max(high, zero), max(-low, zero)) / 2
    choices = [
        (Fraction(1), (alpha_off - beta_off) / 2, (alpha_off + beta_off) / 2),
        (zero, (least + most) / 2, (most - least) / 2),
        (HALF, zero, half_width),
    ]
    radii = [slope * delta.form_radius[0] + width for slope, _, width in choices]
    slope, middle, width = choices[radii.index(min(radii))]
    return with_form(delta, slope, middle, width, interval_low, interval_high)


def remainder_alone(delta: Quantities, low: Fraction, high: Fraction) -> Quantities:
    """Return s(z) by the chord of slope u / (u - l), rounded to 2^-60: any slope will do (15)."""
    zero = Fraction(0)
    on, off = max(high, zero), max(-low, zero)
    slope = zero if on + off == 0 else rounded(on / (on + off))
    width = max(-slope * low, (1 - slope) * high, zero) / 2
    least, most = max(low, zero), on  # (12) and (13) with beta = 0
    return with_form(delta, slope, width, width, least, most)


def with_form(
    delta: Quantities, slope: Fraction, middle: Fraction, width: Fraction,
    low: Fraction, high: Fraction,
) -> Quantities:
    """Return a quantity in [low, high] that is slope * delta + middle within the width."""
    return Quantities(
        rational([(low + high) / 2]), rational([(high - low) / 2]),
        slope * delta.form_middle + middle, slope * delta.slopes, slope * delta.form_radius + width)


def bounds_through_always_on(
    difference: Any, quantities: Quantities, below: Quantities, rows: Any, always_on: Any,
    region: Region,
) -> tuple[Any, Any]:
    """Return bounds of g - f in which always-on neurons' rows cancel first (17), (18)."""
    how_far, order = always_on
    columns = np.argsort(order)  # of each neuron
    rest, direct = difference.copy(), zeros(len(difference), rows.shape[1])
    spare, n_inputs = [], quantities.slopes.shape[1]
    weights = []
    for j, down in enumerate(how_far):
        if down is None:
            continue
        coefficient = difference[:, columns[j]]
        rest[:, columns[j]] = Fraction(0)
        direct = direct + coefficient[:, np.newaxis] * rows[j]
        half = rational([down / 2])
        spare.append(Quantities(half, half, half, zeros(1, n_inputs), half))
        weights.append(coefficient)
    total = combination(rest, quantities) + combination(direct, below)
    if spare:
        total = total + combination(np.stack(weights, axis=1), stacked(spare))
    return region.bounds(total)


class OutputForms:
    """The rows of both networks' outputs over the last hidden layer's quantities, on a region."""

    def __init__(
        self, arrays: Any, f: Network, g: Network, domain: Domain, leaf: BoxOrDomain
    ) -> None:
        region = region_of(leaf, domain)
        self.last = last_hidden_layer(arrays, *equally_deep(f, g), region)
        self.of_f, self.of_g = self.last.of_f, self.last.of_g

    def supremum(self, row: Any) -> Fraction:
        """Return the upper bound of a row."""
        ways = bounds_of_outputs(row[np.newaxis], self.last)
        return Fraction(min(high[0] for _, high in ways))
