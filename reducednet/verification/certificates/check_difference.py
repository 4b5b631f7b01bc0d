"""Bound |f - g| of two ReLU networks in float64, with all rounding errors included.

This checks proofs of kind "pieces" again, without any code of the provers or of the evaluation of
networks. The data of a proof only says where to look (boxes, classes of neurons, scales); every
number is computed here. THEORY, section 9, has the mathematics: read it beside this module from
"Arithmetic" on.

Notation
--------
regions
    B boxes {middle + radius t: |t_i| <= 1}, or one Ball or Hull in the same coordinates t.
    `region` is (kind, points); the points are those of a Hull, in the coordinates t.
form
    A pair of arrays, `values` (n, 2 + d, B) and `radii` (n, 2, B), for n quantities v. On each
    region v has an interval and a linear form:

        |v - values[:, 0]| <= radii[:, 0],    |v - values[:, 1] - values[:, 2:].t| <= radii[:, 1].
class
    The neurons of a layer of both networks are numbered through, g's before f's. The first one of
    a class is its representative c. The others have z near q z_c, and h = |q| H_c + remainder.
rows
    z = (coefficients +- errors) forms: pre-activations, or outputs, over the representatives'
    activations H, the remainders, and 1.

u is the unit roundoff 2^-53, gamma_n = n u / (1 - n u) and s(z) = max(z, 0).
"""
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

UNIT_ROUNDOFF, TINY = 2.0**-53, 2.0**-1073
"""TINY is twice the smallest positive float64: more than an operation that underflows is off by."""

BATCH = 1 << 18
"""About how many numbers a layer's forms may have at a time."""

SHORTEST_BLOCK, FEW_ROWS, BLOCKS = 32, 32, 8
"""Sums of n > SHORTEST_BLOCK terms are taken in blocks: sqrt(n) of at most FEW_ROWS rows, else
BLOCKS."""


def leaf_boxes(data: Any, domain: Any, root: Any) -> list[Any]:
    """Return the boxes at the leaves (axis -1) of a tree of splits of the root.

    A leaf with axis -2 is left out: it names a direction u that separates its box from the domain,

        min_box u.x > max_domain u.x = max over points p of u.p, plus radius |u|_2 for a Ball,

    which is decided in rationals, the square root by squares. ValueError if that is not so, or if
    the leaves do not cover the root.
    """
    stack, boxes, directions = [root], [], iter(data["directions"].tolist())
    for axis, place in zip(data["axis"].tolist(), data["place"].tolist(), strict=True):
        box = stack.pop()
        if axis == -2:
            u = [Fraction(v) for v in next(directions)]
            least = sum(
                (min(v * Fraction(low), v * Fraction(high)) for v, (low, high) in zip(u, box)),
                Fraction(0),
            )
            points = domain.points if type(domain).__name__ == "Hull" else domain.centre[None]
            distance = least - max(
                sum((v * Fraction(x) for v, x in zip(u, point)), Fraction(0))
                for point in points.tolist()
            )
            radius = Fraction(getattr(domain, "radius", 0.0))
            if distance <= 0 or distance**2 <= radius**2 * sum(v * v for v in u):
                raise ValueError("a leaf that is left out may meet the domain")
        elif axis == -1:
            boxes.append(box)
        elif not box[axis][0] < place < box[axis][1]:
            raise ValueError("a split outside its box")
        else:
            halves = (place, box[axis][1]), (box[axis][0], place)
            stack += [[*box[:axis], half, *box[axis + 1:]] for half in halves]
    if stack:
        raise ValueError("the leaves do not cover the domain")
    return boxes


def gamma(n: Any) -> Any:
    """Return gamma_n = n u / (1 - n u), the largest relative error of n roundings."""
    return n * UNIT_ROUNDOFF / (1.0 - n * UNIT_ROUNDOFF)


def beyond(x: Any, step: float) -> Any:
    """Return numbers above x (step 1) or below (step -1), by more than the last few roundings.

    A sum or a product that was rounded to x is within u |x| + TINY of it; 8 u |x| leaves room for
    the roundings of this function.
    """
    return x + step * (8 * UNIT_ROUNDOFF * np.abs(x) + TINY)


def magnitude(form: Any) -> Any:
    """Return numbers (n, 2, B) not below |v|: by its interval, and by its linear form.

    |v| <= |centre| + radius, and |v| <= |constant| + sum_i |slope_i| + radius, as |t_i| <= 1.
    """
    values, radii = form
    by_interval, by_linear_form = np.abs(values[:, 0]), np.abs(values[:, 1:]).sum(axis=1)
    return np.stack([by_interval, by_linear_form], axis=1) + radii


def block_product(weights: Any, columns: Any) -> tuple[Any, int]:
    """Return the product of weights and columns (n, ...), and its number of roundings r.

        |fl(sum_i w_i x_i) - sum_i w_i x_i| <= gamma_r sum_i |w_i| |x_i| + n TINY.

    A term goes through at most r roundings. Sums are taken in blocks: in a block of c terms a term
    goes through c roundings, and through one more for each block.
    """
    n, flat = weights.shape[1], columns.reshape(len(columns), -1)
    length = max(SHORTEST_BLOCK, isqrt(n) if len(weights) <= FEW_ROWS else -(-n // BLOCKS))
    product = weights[:, :length] @ flat[:length]
    for start in range(length, n, length):
        product += weights[:, start:start + length] @ flat[start:start + length]
    return product.reshape(len(weights), *columns.shape[1:]), min(n, length + -(-n // length))


def combine(coefficients: Any, errors: Any, forms: Any) -> Any:
    """Return forms of z = (C +- E) v, the last column of C being a constant: v = 1 there.

    With v within its radius of its values, |v| <= magnitude, and r roundings of a term,

        |fl(C values) - C v| <= |C| (radius + gamma_(r+1) magnitude) + u |z| + n TINY,
        |E v| <= E magnitude,

    where u |z| is for the addition of the constant. The radius is a sum itself, of n + 9 roundings.
    Coefficients that underflowed are off by TINY each, which adds TINY magnitude.
    """
    n, sizes = coefficients.shape[1], magnitude(forms)
    form_values, form_radii = forms

    values, roundings = block_product(coefficients[:, :-1], form_values[:-1])
    values[:, :2] += coefficients[:, -1:, None]

    each = form_radii[:-1] + gamma(roundings + 1) * sizes[:-1]
    of_constant = UNIT_ROUNDOFF * magnitude((values, 0.0))
    radii = block_product(np.abs(coefficients[:, :-1]), each)[0] + of_constant
    radii += block_product(errors, sizes)[0] if errors.any() else 0.0

    underflow = TINY * (n * values.shape[1] + sizes.sum(axis=0))
    return values, radii * (1.0 + gamma(n + 9)) + underflow


def bounds(form: Any, region: Any) -> Any:
    """Return numbers below and above v on each region: the better of interval and linear form.

    For the slopes a, |a.t| <= sum_i |a_i| on a box and |a.t| <= |a|_2 on a ball, where squares that
    underflow are made up for by n TINY; on a hull a.t is smallest and largest at points. Each of
    these is off by at most gamma_(n+4) sum_i |a_i|, a point's own two roundings included; the sums
    with the values and the radii are off by less than 6 u (|value| + radius).
    """
    (values, radii), (kind, points) = form, region
    slopes, n = values[:, 2:], values.shape[1]

    high = spread = np.abs(slopes).sum(axis=1)
    if kind == "Ball":
        high = np.minimum(spread, np.sqrt((slopes * slopes).sum(axis=1) + n * TINY))
    low = -high
    if kind == "Hull" and n > 2:
        at_points = slopes[:, :, 0] @ points.T
        low, high = at_points.min(axis=1)[:, None], at_points.max(axis=1)[:, None]

    margin = radii + 6 * UNIT_ROUNDOFF * (np.abs(values[:, :2]) + radii) + n * TINY
    margin[:, 1] += gamma(n + 4) * spread
    lower = np.stack([values[:, 0], values[:, 1] + low], axis=1)
    upper = np.stack([values[:, 0], values[:, 1] + high], axis=1)
    return (lower - margin).max(axis=1), (upper + margin).min(axis=1)


def centre_and_radius(low: Any, high: Any) -> Any:
    """Return m and r with m - r <= low and high <= m + r, whatever rounding makes of m."""
    middle = low / 2.0 + high / 2.0
    return middle, np.maximum(high - middle, middle - low) * (1 + 4 * UNIT_ROUNDOFF)


def coefficients_over_classes(pair: Any, labels: Any, factors: Any, live: Any) -> Any:
    """Return both networks' rows over the representatives, the live neurons' remainders, and 1.

    With h_m = factor_m H_c + remainder_m the coefficient of H_c is sum_m W_m factor_m over the
    class's neurons of that network. A product has one rounding, unless the factor is 1, and then
    one for each addition: |error| <= sum_m |W_m factor_m| gamma + TINY for each that may underflow.
    """
    (W_g, b_g), (W_f, b_f) = pair
    n_classes = labels.max(initial=-1) + 1
    beside_g, beside_f = np.zeros((len(W_g), W_f.shape[1])), np.zeros((len(W_f), W_g.shape[1]))
    weights = np.block([[W_g, beside_g], [beside_f, W_f]])

    in_classes = np.argsort(labels, kind="stable")[(labels < 0).sum():]  # class by class
    products = weights[:, in_classes] * factors[in_classes]
    errors = products
    if n_classes:
        of_one_network = labels[in_classes] + n_classes * (in_classes >= W_g.shape[1])
        additions = np.bincount(of_one_network)[of_one_network] - 1
        roundings = additions + (factors[in_classes] != 1.0)
        underflow = TINY * (factors[in_classes] != 1.0)
        errors = np.abs(products) * gamma(roundings) + underflow
        starts = np.flatnonzero(np.diff(labels[in_classes], prepend=-1))
        errors = np.add.reduceat(errors, starts, axis=1)
        products = np.add.reduceat(products, starts, axis=1)

    coefficients = np.column_stack([products, weights[:, live], np.append(b_g, b_f)])
    exact = np.zeros((len(coefficients), len(live) + 1))
    return coefficients, np.column_stack([errors, exact])


def relu_remainders(
    coefficients: Any, errors: Any, scales: Any, representatives: Any, forms: Any, region: Any
) -> Any:
    """Return forms of h - |q| H_c for each neuron (q = 0: of h), and lower bounds on z where q = 0.

    With a = sign(q) z, b = |q| z_c and delta = a - b, the remainder is s(a) - s(b), and z more for
    q < 0, as s(z) = s(-z) + z. The rows of delta are sign(q) (row - q row_c): beside the errors of
    both rows, a subtraction is off by u |result|, and a product by u |q row_c| unless |q| = 1.
    """
    scale, opposite = np.abs(scales)[:, None], np.flatnonzero(scales < 0.0)
    sign = np.where(scales < 0.0, -1.0, 1.0)[:, None]

    row_c, error_c = coefficients[representatives], errors[representatives]
    delta_rows = sign * (coefficients - scales[:, None] * row_c)
    subtraction = (scale > 0.0) * np.abs(delta_rows)
    product = np.where(scale == 1.0, 0.0, scale) * np.abs(row_c)
    delta_errors = errors + scale * error_c + UNIT_ROUNDOFF * (subtraction + product)
    delta = combine(delta_rows, delta_errors, forms)

    delta_bounds = bounds(delta, region)
    values, radii = difference_of_relus(delta, delta_bounds, scale, representatives)

    z_values, z_radii = combine(coefficients[opposite], errors[opposite], forms)
    own_values, own_radii = values[opposite], radii[opposite]
    of_sum = magnitude((own_values, own_radii)) + magnitude((z_values, z_radii))
    values[opposite] = own_values + z_values
    radii[opposite] = (
        (own_radii + z_radii) * (1 + 16 * UNIT_ROUNDOFF) + 4 * UNIT_ROUNDOFF * of_sum
    )
    return values, radii, delta_bounds[0]


def difference_of_relus(delta: Any, delta_bounds: Any, scale: Any, representatives: Any) -> Any:
    """Return forms of s(a) - s(b), b = |q| z_c and a = b + delta; of s(delta) where q = 0.

    Where q = 0, delta is z, so that the representatives' z have the bounds of their delta. The
    linear form is slope delta + middle +- half, by the best of (with x^+ = max(x, 0))

    1. s(a) - s(b) - delta       in [-(-b_low)^+, (-a_low)^+];
    2. s(a) - s(b)               in [max(min(delta_low, 0), -b_high^+),
                                     min(max(delta_high, 0), a_high^+)];
    3. s(a) - s(b) - delta / 2   in +- max |delta| / 2;
    4. s(z) - slope z            in [0, max(-slope low, (1 - slope) high)], for q = 0 alone and any
       slope in [0, 1]: the one of the chord is the sharpest.

    The interval is the one of 2, met with that of 1. THEORY, section 9, proves the four.
    """
    values, radii = delta
    delta_low, delta_high = delta_bounds
    b_low = beyond(scale * delta_low[representatives], -1.0)
    b_high = beyond(scale * delta_high[representatives], 1.0)
    a_low, a_high = beyond(b_low + delta_low, -1.0), beyond(b_high + delta_high, 1.0)
    a_negative, b_negative = np.maximum(-a_low, 0.0), np.maximum(-b_low, 0.0)
    up, down = np.maximum(delta_high, 0.0), np.maximum(-delta_low, 0.0)

    low = np.maximum(-down, np.minimum(-b_high, 0.0))
    high = np.minimum(up, np.maximum(a_high, 0.0))
    chord = up / np.where(up + down > 0.0, up + down, 1.0)
    of_chord = np.maximum(chord * down, (1.0 - chord) * up) / 2.0

    one, zero = 0 * up + 1.0, 0 * up
    choices = np.array([  # slope, middle, half
        [one, (a_negative - b_negative) / 2.0, (a_negative + b_negative) / 2.0],
        [zero, (low + high) / 2.0, (high - low) / 2.0],
        [one / 2.0, zero, np.maximum(up, down) / 2.0],
        [chord, of_chord, of_chord],
    ])
    is_chord = (np.arange(4) == 3)[:, None, None]
    barred = is_chord == (scale > 0.0)
    looseness = choices[:, 0] * radii[:, 1] + choices[:, 2]
    best = np.argmin(np.where(barred, np.inf, looseness), axis=0)
    slope, middle, half = np.take_along_axis(choices, best[None, None], axis=0)[0]

    # slope delta + middle is rounded, and each product with a slope may underflow
    of_values = slope * magnitude((values, 0 * radii))[:, 1] + np.abs(middle)
    underflow = TINY * values.shape[1] * (slope + half > 0.0)
    rounding = 4 * UNIT_ROUNDOFF * of_values + underflow
    linear_radius = (slope * radii[:, 1] + half) * (1 + 16 * UNIT_ROUNDOFF) + rounding

    values, radii = values * slope[:, None], np.stack([0 * slope, linear_radius], axis=1)
    values[:, 1] += middle
    low = np.maximum(low, beyond(delta_low - b_negative, -1.0))
    high = np.minimum(high, beyond(delta_high + a_negative, 1.0))
    values[:, 0], radii[:, 0] = centre_and_radius(low, np.maximum(low, high))
    return values, radii


def input_forms(boxes: Any, domain: Any, region: Any) -> Any:
    """Return the forms of the inputs and 1 on the boxes, x = middle + radius t, and the region.

    A Ball is centre + radius t with |t|_2 <= 1; a Hull's points are brought to the coordinates t.
    """
    middle, radius = centre_and_radius(*np.array(boxes).T)
    if region[0] == "Ball":
        middle, radius = domain.centre[:, None], 0 * middle + domain.radius
    elif region[0] == "Hull":
        region = "Hull", (domain.points - middle.T) / np.where(radius > 0.0, radius, 1.0).T

    d, n_boxes = middle.shape
    values, radii = np.zeros((d + 1, d + 2, n_boxes)), np.zeros((d + 1, 2, n_boxes))
    values[:d, 0] = values[:d, 1] = middle
    values[range(d), range(2, d + 2)] = radii[:d, 0] = radius
    values[d, :2] = 1.0
    return (values, radii), region


def bound_on_boxes(boxes: Any, data: Any, layers: Any, domain: Any, region: Any) -> Any:
    """Return a bound on |f - g| on the boxes; for a Ball or Hull, on the domain in the only box.

    Layer by layer: the activations of both networks as |q| H_c + remainder, then both networks'
    rows of the next layer over the H and the remainders. The outputs' rows are subtracted, and
    what both networks share cancels before it meets the bounds of H.
    """
    forms, region = input_forms(boxes, domain, region)
    coefficients = np.concatenate([np.column_stack(own) for own in layers[0]])
    errors = 0.0 * coefficients
    for number, pair in enumerate(layers[1:]):
        labels, scales = data[f"labels{number}"], data[f"scales{number}"]
        firsts = np.unique(labels, return_index=True)[1]
        representatives = firsts[int((labels < 0).any()):]
        if len(labels) != len(coefficients) or \
                (labels[representatives] != range(len(representatives))).any():
            raise ValueError("labels that do not fit")

        plain = np.isin(np.arange(len(coefficients)), representatives)
        scales_to = np.where(plain | (labels < 0), 0.0, scales)  # of the remainders: 0 for h itself
        factors = np.where(plain, 1.0, np.abs(scales))
        of_class = np.append(representatives, 0)[labels]
        compared_to = np.where(scales_to == 0.0, range(len(coefficients)), of_class)
        values, radii, lows = relu_remainders(
            coefficients, errors, scales_to, compared_to, forms, region
        )
        if not data["linear"]:  # a form with no slopes, which is the interval again
            values, radii = values[:, [0, 0]], radii[:, [0, 0]]

        live = np.flatnonzero(~plain & (values.any(axis=(1, 2)) | radii.any(axis=(1, 2))))
        who = np.append(representatives, live)
        one = 0 * values[:1]
        one[:, :2] = 1.0
        forms_below, rows_below = forms, (coefficients, errors)
        forms = np.append(values[who], one, axis=0), np.append(radii[who], 0 * radii[:1], axis=0)
        coefficients, errors = coefficients_over_classes(pair, labels, factors, live)

    n_outputs = len(coefficients) // 2  # g's rows, then f's
    difference = coefficients[:n_outputs] - coefficients[n_outputs:]
    subtraction = UNIT_ROUNDOFF * np.abs(difference)
    errors = errors[:n_outputs] + errors[n_outputs:] + subtraction
    low, high = bounds(combine(difference, errors, forms), region)
    result = np.maximum(-low, high)
    if len(boxes) == 1 and len(layers) > 2:
        nearly_on = lows[who, 0] >= -2.0**-30 * magnitude(forms)[:-1, 0, 0]
        on = np.flatnonzero((scales_to[who] == 0.0) & nearly_on)
        rows = [part[who[on]] for part in rows_below]
        low, high = bounds_through_always_on(
            (difference, errors), forms, on, lows[who[on]], rows, forms_below, region
        )
        result = np.minimum(result, np.maximum(-low, high))
    return result.max()


def bounds_through_always_on(
    output_rows: Any, forms: Any, on: Any, lows: Any, rows: Any, forms_below: Any, region: Any
) -> Any:
    """Return bounds of the outputs' difference with the always-on neurons replaced by their rows.

    A neuron with z >= low is h = z + nu with nu in [0, (-low)^+]. So D h = D nu + (D C) v for its
    row z = (C +- E) v over the forms v below. With D +- F the coefficients of k such neurons,

        |(D +- F)(C +- E) - fl(D C)| <= |D| (E + gamma_(k+9) |C|) + F (|C| + E),

    a sum that is computed itself, k TINY for what underflows.
    """
    (difference, errors), (coefficients, row_errors) = output_rows, rows
    values, radii = (part.copy() for part in forms)
    values[on], radii[on] = 0.0, np.maximum(-lows, 0.0)[:, None] / 2.0
    values[on, :2] = radii[on]  # nu, in its middle

    relative, magnitudes = gamma(len(on) + 9), np.abs(coefficients)
    of_product = np.abs(difference[:, on]) @ (row_errors + relative * magnitudes)
    of_difference = errors[:, on] @ (magnitudes + row_errors)
    product_errors = (of_product + of_difference) * (1 + relative) + TINY * len(on)

    kept, kept_radii = combine(difference, errors, (values, radii))
    replaced, replaced_radii = combine(
        difference[:, on] @ coefficients, product_errors, forms_below
    )
    total = kept + replaced
    of_sum = 2 * UNIT_ROUNDOFF * magnitude((total, kept_radii))
    total_radii = (kept_radii + replaced_radii) * (1 + 4 * UNIT_ROUNDOFF) + of_sum
    return bounds((total, total_radii), region)


def bounding_box(domain: Any) -> tuple[Any, Any]:
    """Return a box that holds the domain; a Ball's is rounded outward."""
    kind = type(domain).__name__
    if kind == "Box":
        return domain.low, domain.high
    if kind == "Hull":
        return domain.points.min(axis=0), domain.points.max(axis=0)
    low, high = domain.centre - domain.radius, domain.centre + domain.radius
    low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    return low, high


def layers_of(network: Any, depth: int) -> list[Any]:
    """Return [(W, b)], the outputs' last, with identities up to a depth: h = s(h) where h >= 0."""
    (n_outputs, n), bias = network.output_weights.shape, network.output_bias
    identities = [(np.eye(n), np.zeros(n)) for _ in range(depth - len(network.weights))]
    outputs = network.output_weights, np.zeros(n_outputs) if bias is None else bias
    return [*zip(network.weights, network.thresholds), *identities, outputs]


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return the bound on |f - g| on the domain that the data proves, the largest of all leaves.

    It raises if the data proves none.
    """
    if f.activation != "relu" or g.activation != "relu" or \
            f.weights[0].shape[1] != domain.n_inputs:
        raise ValueError("the networks and the domain do not fit")
    depth = max(len(f.weights), len(g.weights))
    layers = [*zip(layers_of(g, depth), layers_of(f, depth))]

    low, high = bounding_box(domain)
    boxes = leaf_boxes(data, domain, list(zip(low.tolist(), high.tolist())))
    is_whole = len(data["axis"]) == 1
    region = type(domain).__name__ if is_whole else "Box", None

    widest = max(len(W_g) + len(W_f) for (W_g, _), (W_f, _) in layers)
    step = 1 + BATCH // (len(low) + 2) // widest
    with np.errstate(all="ignore"):
        parts = [boxes[i:i + step] for i in range(0, len(boxes), step)]
        found = [bound_on_boxes(part, data, layers, domain, region) for part in parts]
        return float(np.max(found))  # nan if a part's is: the built-in max may lose it
