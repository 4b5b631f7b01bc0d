"""Bound |f - g| in rationals, or evaluate it at a point: nothing is rounded.

This checks proofs of kinds "exact" and "point" again, without any code of the provers, the
reduction or the evaluation of networks. The data says where to look; every number is computed here
(THEORY, section 9, "Structure" and "Binary").

Pre-activations and activations are sums {i: c_i} over functions: 1 (i = 0), the inputs, and one
H = s(z) for each hyperplane, which has its own interval. So terms that both networks share cancel.
For ReLU and binary s,

    s(a z) = a s(z) for a > 0 (binary: s(z)),
    s(-z) = s(z) - z (binary: 1 - s(z), off the hyperplane),
    s(z) = z or 0 (binary: 1 or 0) where z has one sign.

A layer's neurons are numbered through, g's before f's; the first one of a class of binary neurons
is its representative.
"""
from fractions import Fraction
from math import gcd, isqrt, lcm
from typing import Any

import numpy as np

Sum = dict[int, Fraction]
ZERO, ONE = Fraction(0), {0: Fraction(1)}

MOST_TERMS = 31
"""Sums of more terms, the constant being one, are not tried at all inputs of 0 and 1."""


def layers_of(network: Any, depth: int) -> list[Any]:
    """Return [(W, b)], the outputs' last, with identities h = s(h) up to a depth."""
    (n_outputs, n), bias = network.output_weights.shape, network.output_bias
    identities = [(np.eye(n), np.zeros(n)) for _ in range(depth - len(network.weights))]
    outputs = network.output_weights, np.zeros(n_outputs) if bias is None else bias
    return [*zip(network.weights, network.thresholds), *identities, outputs]


def total(terms: Any) -> Sum:
    """Return the sum of factors times sums, without zeros."""
    z: Sum = {}
    for factor, row in terms:
        z.update([(i, z.get(i, 0) + factor * c) for i, c in row.items() if factor])
    return {i: c for i, c in z.items() if c}


def bounds(z: Sum, intervals: Any, domain: Any = None) -> tuple[Fraction, Fraction]:
    """Return bounds (low, high) on z, where each function lies in its interval.

    If a domain is given and z is a sum of inputs alone, its values at the domain's points decide:
    over a Ball, w.x + b is in w.centre + b +- radius |w|, the root rounded up.
    """
    of_inputs = domain is not None and max(z, default=0) <= domain.n_inputs
    kind = type(domain).__name__ if of_inputs else "Box"
    if kind == "Box":
        pairs = [sorted((c * intervals[i][0], c * intervals[i][1])) for i, c in z.items()]
        return sum((low for low, _ in pairs), ZERO), sum((high for _, high in pairs), ZERO)
    points, radius = (
        (domain.points, 0.0) if kind == "Hull" else (domain.centre[None], domain.radius)
    )
    values = [
        sum((c * Fraction(point[i - 1]) for i, c in z.items() if i), z.get(0, ZERO))
        for point in points.tolist()
    ]
    squared_norm = sum((c * c for i, c in z.items() if i), ZERO)
    p, q = (Fraction(radius)**2 * squared_norm).as_integer_ratio()
    # sqrt(p / q) = sqrt(p q 2^400) / (q 2^200), rounded up
    root = Fraction(isqrt((p * q << 400) - 1) + 1, q << 200) if p else ZERO
    return min(values) - root, max(values) + root


def input_intervals(domain: Any) -> list[tuple[Fraction, Fraction]]:
    """Return the intervals of 1 and of each input, exactly."""
    one = Fraction(1), Fraction(1)
    if type(domain).__name__ != "Box":
        inputs = range(1, domain.n_inputs + 1)
        return [one, *(bounds({i: Fraction(1)}, (), domain) for i in inputs)]
    return [one, *zip(map(Fraction, domain.low.tolist()), map(Fraction, domain.high.tolist()))]


def leaf_boxes(data: Any, domain: Any) -> list[Any]:
    """Return the intervals at the leaves (axis -1) of a tree of splits of the domain's box.

    A leaf with axis -2 is left out: it names a direction u with min_box u.x > max_domain u.x.
    ValueError if that is not so, or if the leaves do not cover the box.
    """
    stack, boxes, directions = [input_intervals(domain)], [], iter(data["directions"].tolist())
    splits = zip(data["axis"].tolist(), map(Fraction, data["place"].tolist()), strict=True)
    for axis, place in splits:
        box = stack.pop()
        if axis == -2:
            u = dict(enumerate(map(Fraction, next(directions)), 1))
            if bounds(u, box)[0] <= bounds(u, input_intervals(domain), domain)[1]:
                raise ValueError("a leaf that is left out may meet the domain")
        elif axis == -1:
            boxes.append(box)
        elif not (low := box[axis + 1][0]) < place < (high := box[axis + 1][1]):
            raise ValueError("a split outside its box")
        else:
            halves = (place, high), (low, place)
            stack += [[*box[:axis + 1], half, *box[axis + 2:]] for half in halves]
    if stack:
        raise ValueError("the leaves do not cover the domain")
    return boxes


def unit(z: Sum) -> Fraction:
    """Return the largest number of which all coefficients are multiples."""
    return Fraction(
        gcd(*(c.numerator for c in z.values())), lcm(*(c.denominator for c in z.values()))
    )


def least_magnitude(y: Sum, empty: bool) -> Fraction:
    """Return the smallest |y| over inputs of 0 and 1; with all of them 0 only if `empty`.

    All sums of one half of the terms are sorted; for each sum of the other half the nearest to its
    opposite is looked up.
    """
    q = unit(y)
    halves: list[Any] = []
    weights = [int(c / q) for i, c in y.items() if i]
    for part in (weights[::2], weights[1::2]):
        sums = [int(y.get(0, 0) / q)] if not halves else [0]
        for weight in part:
            sums += [value + weight for value in sums]
        halves.append(np.array(sums, dtype=object))

    first, second = halves  # the sums without any term come first
    magnitudes = [abs(first[0])] if empty else []
    for one, other in ((first[1:], second), (first[:1], second[1:])):
        if len(one) and len(other):
            other = np.sort(other)
            positions = np.searchsorted(other, -one)
            for step in (-1, 0):
                nearest = other[np.clip(positions + step, 0, len(other) - 1)]
                magnitudes.append(min(abs(one + nearest)))
    return q * min(magnitudes) if magnitudes else ZERO


def agrees(
    z: Any, s: Fraction, y: Any, first: bool, margin: Fraction, intervals: Any, domain: Any
) -> bool:
    """Return True if binary s(z) must equal s(sign(s) y): z is s y plus a difference in [a, b].

    In the first layer, further than the margin from z = 0: max(|a|, |b|) <= margin |w|. Above it,
    where inputs are 0 or 1, everywhere: if the difference is 0; or it is too small to bring z from
    one side of 0 to the other, z and y being multiples of units; or it is less than s |y| at all
    inputs at which z or y is not constant.
    """
    a, b = bounds(total([(1, z), (-s, y)]), intervals, domain)
    if first:
        return max(-a, b)**2 <= margin**2 * sum(c * c for i, c in z.items() if i)
    if s > 0 and (a == b == 0 or a >= 0 and b < unit(z) or b <= 0 and a > -s * unit(y)):
        return True
    empty = not z.keys() <= {*y, 0} or (z.get(0, 0) > 0) != (y.get(0, 0) > 0)
    return s > 0 and len(y) <= MOST_TERMS and max(-a, b) < s * least_magnitude(y, empty)


def activation(z: Any, first: bool, relu: bool, names: Any, intervals: Any, domain: Any) -> Sum:
    """Return s(z) as a sum; a new function H gets the next number and its interval.

    H belongs to z divided by its first coefficient, so that all multiples of a z share it. Above
    the first layer of binary networks a whole cell may lie on z = 0, where s(-z) is not 1 - s(z):
    there opposite z have an H each.
    """
    low, high = bounds(z, intervals, domain)
    others = [i for i in sorted(z) if i]
    if high <= 0 or low > 0 or low == 0 and (relu or first):
        return {} if high <= 0 else z if relu else ONE
    if not (relu or first) and len(others) == 1:  # z = p + q H with H in {0, 1}
        at = [int(z.get(0, 0) + h * z[others[0]] > 0) for h in (0, 1)]
        return total([(at[0], ONE), (at[1] - at[0], {others[0]: Fraction(1)})])
    scale = abs(z[others[0]])
    opposite = int(z[others[0]] < 0 and (relu or first))
    unit_z = total([((-1)**opposite / scale, z)])
    i = names.setdefault(frozenset(unit_z.items()), len(intervals))
    if i == len(intervals):
        largest = bounds(unit_z, intervals, domain)[1] if relu else Fraction(1)
        intervals.append((ZERO, largest))
    function = {i: Fraction(1)}
    if relu:
        return total([(scale, function), (opposite, z)])
    return total([(1 - 2 * opposite, function), (opposite, ONE)])


def exact_bound(data: Any, f: Any, g: Any, intervals: Any, domain: Any) -> Fraction:
    """Return a bound on |f - g| where the inputs are in these intervals, or on the domain in them.

    Both networks' layers are written as sums over the same functions. Binary networks are bounded
    off the first layer's hyperplanes, further than the margin.
    """
    relu, depth = f.activation == "relu", max(len(f.weights), len(g.weights))
    margin = Fraction(data["margin"])
    inputs = [{i: Fraction(1)} if low < high else total([(low, ONE)])
              for i, (low, high) in enumerate(intervals)]
    values = 2 * [inputs[1:]]
    names: dict[Any, int] = {}
    intervals = [*intervals]
    for layer, pair in enumerate(zip(layers_of(g, depth), layers_of(f, depth))):
        rows = [total(zip(map(Fraction, [*row, threshold]), [*h, ONE]))
                for (W, b), h in zip(pair, values)
                for row, threshold in zip(W.tolist(), b.tolist())]
        representatives: dict[int, Any] = {}
        H: list[Sum] = []
        n, first, known = len(pair[0][1]), layer == 0, f"labels{layer}" in data
        for j, z in enumerate(rows if layer < depth else ()):
            c, s = (data[f"labels{layer}"][j], data[f"scales{layer}"][j]) if known else (-1, 0.0)
            y, i = representatives.setdefault(c, (z, j)) if c >= 0 else (z, j)
            # classes are for binary neurons that are unstable, other than representatives
            low, high = (ZERO, ZERO) if relu or i == j else bounds(z, intervals, domain)
            tried = []
            if low <= 0 < high:
                tried = [Fraction(s), *(z[k] / y[k] for k in [*z][:1] if k in y)]
            s = next(
                (s for s in tried if s and agrees(z, s, y, first, margin, intervals, domain)), 0
            )
            if s:
                H.append(total([(1, H[i])] if s > 0 else [(1, ONE), (-1, H[i])]))
            else:
                H.append(activation(z, first, relu, names, intervals, domain))
        values = [H[:n], H[n:]]
    of_outputs = [
        bounds(total([(1, one), (-1, other)]), intervals, domain)
        for one, other in zip(rows[:n], rows[n:])
    ]
    return max(max(-low, high) for low, high in of_outputs)


def bound(data: Any, f: Any, g: Any, domain: Any) -> Fraction:
    """Return the bound on |f - g| on the domain that the tree, labels and scales prove.

    It raises if they prove none.
    """
    require_fit(f, g, domain)
    inside = domain if len(data["axis"]) == 1 else None
    boxes = leaf_boxes(data, domain)
    return max(exact_bound(data, f, g, intervals, inside) for intervals in boxes)


def gap(data: Any, f: Any, g: Any, domain: Any) -> Fraction:
    """Return max_k |f_k(x) - g_k(x)| at the point x, which must lie in the domain.

    A binary network has no value on a hyperplane of its first layer, so that x must lie off all of
    them.
    """
    require_fit(f, g, domain)
    x = point_of(data, domain)
    if f.activation == "binary" and any(is_on_hyperplane(network, x) for network in (f, g)):
        raise ValueError("the point lies on a hyperplane")
    return max(abs(one - other) for one, other in zip(outputs(f, x), outputs(g, x)))


def require_fit(f: Any, g: Any, domain: Any) -> None:
    """Refuse two networks, or a domain, whose activations or dimensions do not agree."""
    inputs = {f.weights[0].shape[1], g.weights[0].shape[1], domain.n_inputs}
    same_outputs = len(f.output_weights) == len(g.output_weights)
    if f.activation != g.activation or len(inputs) > 1 or not same_outputs:
        raise ValueError("the networks and the domain do not fit")


def point_of(data: Any, domain: Any) -> list[Fraction]:
    """Return the point in rationals; ValueError if it does not lie in the domain.

    A hull's point is sum_i t_i p_i with t_i >= 0 and sum_i t_i = 1; a ball's has
    |x - centre|^2 <= radius^2.
    """
    x, kind = [Fraction(value) for value in data["point"].tolist()], type(domain).__name__
    inside = len(x) == domain.n_inputs
    if kind == "Box":
        sides = zip(x, domain.low.tolist(), domain.high.tolist())
        inside = inside and all(Fraction(low) <= v <= Fraction(high) for v, low, high in sides)
    elif kind == "Ball":
        squares = ((v - Fraction(c))**2 for v, c in zip(x, domain.centre.tolist()))
        inside = inside and sum(squares, ZERO) <= Fraction(domain.radius)**2
    else:
        t = [Fraction(value) for value in data["shares"].tolist()]
        corners = domain.points[data["corners"]].tolist()
        means = [
            sum((share * Fraction(p) for share, p in zip(t, column)), ZERO)
            for column in zip(*corners)
        ]
        is_mean = len(t) == len(corners) and min(t) >= 0 and sum(t) == 1 and x == means
        inside = inside and is_mean
    if not inside:
        raise ValueError("the point does not lie in the domain")
    return x


def affine_values(W: Any, b: Any, h: Any) -> list[Fraction]:
    """Return W h + b."""
    return [sum((Fraction(w) * v for w, v in zip(row, h) if w and v), Fraction(threshold))
            for row, threshold in zip(W.tolist(), b.tolist())]


def is_on_hyperplane(network: Any, x: Any) -> bool:
    """Return True if w.x + b = 0 for a neuron of the first layer; a zero row has no hyperplane."""
    z = affine_values(network.weights[0], network.thresholds[0], x)
    return any(value == 0 and any(row) for value, row in zip(z, network.weights[0].tolist()))


def outputs(network: Any, x: Any) -> list[Fraction]:
    """Return the outputs at a point."""
    h = x
    for W, b in zip(network.weights, network.thresholds):
        z = affine_values(W, b, h)
        if network.activation == "relu":
            h = [max(v, ZERO) for v in z]
        else:
            h = [Fraction(int(v > 0)) for v in z]
    W, b = layers_of(network, 0)[-1]
    return affine_values(W, b, h)
