"""Bound |f - g| in rationals, or evaluate it at a point: nothing is rounded.

This checks proofs of kinds "exact" and "point" again, without any code of the provers, the
reduction or the evaluation of networks. The data says where to look; every number is computed here.
`docs/certificates.md` defines the data; PROOFS is `docs/rounding-and-proofs.md`, whose sections 16
and 17 are about what is done here.

Both networks are written over the same functions, which are numbered: 1 is number 0, the inputs are
1 to d, and each hyperplane z = 0 that no other neuron had before adds one, H = s(z). A combination
{i: c_i} stands for the sum of c_i times function i, so that terms which both networks share cancel.
Each function lies in its interval, which bounds a combination. For ReLU and binary s,

    s(a z) = a s(z) for a > 0    (binary: s(z)),
    s(-z) = s(z) - z             (binary: 1 - s(z), off the hyperplane),
    s(z) = z or 0                (binary: 1 or 0) where z has one sign.

Binary networks are compared off the hyperplanes of their first layers, or further from them than a
margin. The labels and scales of the data propose classes of binary neurons: z has the sign of
s y everywhere, where y belongs to the first neuron of the class in its layer.
"""
from fractions import Fraction
from math import gcd, lcm
from typing import Any, Callable, Iterable

import numpy as np

from .arithmetic import Layer, kind_of, layers_of, leaf_boxes, require, root_above

Combination = dict[int, Fraction]
Bounds = tuple[Fraction, Fraction]

ZERO, ONE = Fraction(0), {0: Fraction(1)}
"""The number 0, and the function 1."""

MOST_TERMS = 31
"""Combinations of more terms are not tried at all values of their functions."""


# combinations and their bounds


def total(terms: Iterable[tuple[Any, Combination]]) -> Combination:
    """Return the sum of factors times combinations, without zeros."""
    result: Combination = {}
    for factor, combination in terms:
        if factor:
            for number, coefficient in combination.items():
                result[number] = result.get(number, 0) + factor * coefficient
    return {number: coefficient for number, coefficient in result.items() if coefficient}


def support_bounds(z: Combination, domain: Any) -> Bounds:
    """Return bounds on z = w.x + b over a Hull or a Ball:

        min and max of w.p + b over the points p,    or    w.centre + b -+ radius |w|_2,

    the root rounded up.
    """
    is_ball = kind_of(domain) == "Ball"
    points = domain.centre[np.newaxis] if is_ball else domain.points
    values = [
        sum((c * Fraction(point[i - 1]) for i, c in z.items() if i), z.get(0, ZERO))
        for point in points.tolist()
    ]
    distance = ZERO
    if is_ball:
        squared_norm = sum((c * c for i, c in z.items() if i), ZERO)
        distance = root_above(Fraction(domain.radius)**2 * squared_norm)
    return min(values) - distance, max(values) + distance


class Functions:
    """The functions that both networks are written over.

    Attributes
    ----------
    intervals : list of (low, high)
        Each function lies in its interval, by number.
    domain : Box, Ball or Hull, or None
        The whole domain of the inputs, or None if they may be anywhere in their intervals.
    """

    def __init__(self, box: list[Bounds], domain: Any) -> None:
        self.n_inputs, self.domain = len(box), domain
        self.intervals: list[Bounds] = [(Fraction(1), Fraction(1)), *box]
        self._numbers: dict[frozenset[tuple[int, Fraction]], int] = {}

    def inputs(self) -> list[Combination]:
        """Return the inputs; one whose interval is a point is that constant."""
        return [
            {number: Fraction(1)} if low < high else total([(low, ONE)])
            for number, (low, high) in enumerate(self.intervals[1:1 + self.n_inputs], 1)
        ]

    def bounds(self, z: Combination) -> Bounds:
        """Return bounds on a combination: sums of those of its terms, c low and c high.

        Where it is of the inputs alone, on a domain that is no box, its bounds there are sharp.
        """
        is_of_inputs = max(z, default=0) <= self.n_inputs
        if is_of_inputs and self.domain is not None and kind_of(self.domain) != "Box":
            return support_bounds(z, self.domain)
        low = high = ZERO
        for number, coefficient in z.items():
            below, above = self.intervals[number]
            low += coefficient * (below if coefficient > 0 else above)
            high += coefficient * (above if coefficient > 0 else below)
        return low, high

    def relu(self, z: Combination) -> Combination:
        """Return H = relu(z), between 0 and an upper bound on z."""
        return self._activation(z, lambda: self.bounds(z)[1])

    def step(self, z: Combination) -> Combination:
        """Return the binary H = s(z), between 0 and 1."""
        return self._activation(z, lambda: Fraction(1))

    def _activation(self, z: Combination, largest: Callable[[], Fraction]) -> Combination:
        """Return the H that belongs to z; it is added if no neuron had the same z before."""
        number = self._numbers.setdefault(frozenset(z.items()), len(self.intervals))
        if number == len(self.intervals):
            self.intervals.append((ZERO, largest()))
        return {number: Fraction(1)}


# activations


def first_coefficient(z: Combination) -> Fraction:
    """Return the coefficient of the first function that is not 1."""
    return z[min(number for number in z if number)]


def relu_of(z: Combination, functions: Functions) -> Combination:
    """Return relu(z): 0 or z where z has one sign, else with a = 1 / |first coefficient|

        relu(z) = relu(a z) / a,    or    relu(z) = relu(-a z) / a + z,

    so that the first coefficient of each hyperplane is 1, and all neurons on it share its H.
    """
    low, high = functions.bounds(z)
    if high <= 0:
        return {}
    if low >= 0:
        return z
    first = first_coefficient(z)
    activation = functions.relu(total([(1 / first, z)]))
    return total([(abs(first), activation), (int(first < 0), z)])


def step_of(z: Combination, is_first: bool, functions: Functions) -> Combination:
    """Return the binary s(z), which is 1 for z > 0 and else 0.

    In the first layer, where z is not 0 at any point that counts: 1 also where low is 0, and
    1 - s(-z) if the first coefficient is negative. Above it a whole part of the domain may lie on
    z = 0, so that opposite neurons have an H each; and all functions are 0 or 1, so that for
    z = p + q H alone

        s(z) = s(p) + (s(p + q) - s(p)) H.
    """
    low, high = functions.bounds(z)
    if high <= 0:
        return {}
    if low > 0 or low == 0 and is_first:
        return ONE
    others = [number for number in z if number]
    if len(others) == 1 and not is_first:
        p, q = z.get(0, ZERO), z[others[0]]
        at_0, at_1 = int(p > 0), int(p + q > 0)
        return total([(at_0, ONE), (at_1 - at_0, {others[0]: Fraction(1)})])
    first = first_coefficient(z)
    if first < 0 and is_first:
        return total([(1, ONE), (-1, functions.step(total([(1 / first, z)])))])
    return functions.step(total([(1 / abs(first), z)]))


# binary neurons that agree


def agree_off_margin(
    z: Combination, s: Fraction, y: Combination, margin: Fraction, functions: Functions
) -> bool:
    """Return True if z has the sign of s y at points further than the margin from z = 0.

    There |z| > margin |w|, where w are the coefficients of the inputs in z (PROOFS, Lemma 15). So
    it is enough that

        |z - s y| <= margin |w|    on the domain, which is decided by squares.
    """
    low, high = functions.bounds(total([(1, z), (-s, y)]))
    return max(-low, high)**2 <= margin**2 * sum(c * c for number, c in z.items() if number)


def agree_at_bits(z: Combination, s: Fraction, y: Combination, functions: Functions) -> bool:
    """Return True if z > 0 wherever y > 0 and nowhere else, all functions being 0 or 1; s > 0.

    Let z = s y + delta with low <= delta <= high, and let z and y be multiples of q_z and q_y at
    all values of their functions. Then it is enough that one of these holds (PROOFS, Lemma 16):

    1. low = high = 0.
    2. low >= 0 and high < q_z: where y <= 0, z is below q_z, and so at most 0.
    3. high <= 0 and low > -s q_y: where y > 0, s y is at least s q_y, and so z > 0.
    4. |delta| < s |y| at all values of the functions. Where all functions are 0, the constants of z
       and y may be compared instead, if z is of no other functions than y.
    """
    if s <= 0:
        return False
    low, high = functions.bounds(total([(1, z), (-s, y)]))
    if low == high == 0:
        return True
    if low >= 0 and high < common_divisor(z) or high <= 0 and low > -s * common_divisor(y):
        return True
    is_of_others = not z.keys() <= {*y, 0}
    are_constants_apart = (z.get(0, ZERO) > 0) != (y.get(0, ZERO) > 0)
    at_zeros = is_of_others or are_constants_apart
    return len(y) <= MOST_TERMS and max(-low, high) < s * least_magnitude(y, at_zeros)


def common_divisor(z: Combination) -> Fraction:
    """Return the largest number of which all coefficients are multiples; 0 if there are none."""
    coefficients = z.values()
    return Fraction(
        gcd(*(c.numerator for c in coefficients)), lcm(*(c.denominator for c in coefficients))
    )


def least_magnitude(y: Combination, at_zeros: bool) -> Fraction:
    """Return the smallest |y| over functions of 0 and 1; with all of them 0 only if `at_zeros`.

    All sums of one half of the terms are sorted; for each sum of the other half, which begins with
    the constant, the nearest to its opposite is looked up (meet in the middle). 0 if there are no
    sums at all.
    """
    divisor = common_divisor(y)
    terms = [int(c / divisor) for number, c in y.items() if number]
    constant = int(y.get(0, ZERO) / divisor) if y else 0
    first, second = subset_sums(terms[::2], constant), subset_sums(terms[1::2], 0)

    magnitudes = [abs(constant)] if at_zeros else []
    for own, others in ((first[1:], second), (first[:1], second[1:])):  # all but both empty
        if len(own) and len(others):
            others = np.sort(others)
            above = np.searchsorted(others, -own)
            for position in (above - 1, above):
                nearest = others[np.clip(position, 0, len(others) - 1)]
                magnitudes.append(min(abs(own + nearest)))
    return divisor * min(magnitudes) if magnitudes else ZERO


def subset_sums(terms: list[int], start: int) -> Any:
    """Return the start plus the sum of each subset of the terms, the empty one's first."""
    sums = [start]
    for term in terms:
        sums += [value + term for value in sums]
    return np.array(sums, dtype=object)


def agreeing_sign(
    z: Combination, y: Combination, scale: Any, is_first: bool, margin: Fraction,
    functions: Functions,
) -> int:
    """Return the sign of an s for which s(z) is s(s y), or 0 if none of those tried is one.

    They are the proposed scale, and the quotient of the first coefficients that both have, which
    is exact where z is a multiple of y.
    """
    number = next(iter(z))
    quotient = z[number] / y[number] if number in y else ZERO
    for s in (Fraction(scale), quotient):
        if s and is_first and agree_off_margin(z, s, y, margin, functions):
            return 1 if s > 0 else -1
        if s and not is_first and agree_at_bits(z, s, y, functions):
            return 1
    return 0


def steps_of(
    rows: list[Combination], roles: Any, is_first: bool, margin: Fraction, functions: Functions
) -> list[Combination]:
    """Return the binary s(z) of a layer's rows, by the classes that the roles (labels, scales)
    propose.

    A neuron that agrees with the first one of its class, H, is H, or 1 - H if the scale is
    negative. Where z has one sign, classes are not needed.
    """
    representatives: dict[int, int] = {}
    steps: list[Combination] = []
    for index, (z, label, scale) in enumerate(zip(rows, *roles, strict=True)):
        other = representatives.setdefault(label, index) if label >= 0 else index
        low, high = functions.bounds(z)
        sign = 0
        if other != index and low <= 0 < high:
            sign = agreeing_sign(z, rows[other], scale, is_first, margin, functions)
        if sign > 0:
            steps.append(steps[other])
        elif sign < 0:
            steps.append(total([(1, ONE), (-1, steps[other])]))
        else:
            steps.append(step_of(z, is_first, functions))
    return steps


# bounds


def affine_rows(layer: Layer, values: list[Combination]) -> list[Combination]:
    """Return the combinations W h + b."""
    return [
        total(zip(map(Fraction, [*row, threshold]), [*values, ONE]))
        for row, threshold in zip(layer.weights.tolist(), layer.thresholds.tolist())
    ]


def difference_bound(data: Any, f: Any, g: Any, functions: Functions) -> Fraction:
    """Return a bound on |f - g| where the functions are in their intervals.

    A layer's neurons are numbered through, g's before f's. A network with fewer layers than the
    other has layers h = s(h) above its last one, which change nothing.
    """
    depth, margin = max(len(f.weights), len(g.weights)), Fraction(data["margin"])
    *hidden, outputs = zip(layers_of(g, depth), layers_of(f, depth))
    of_g = of_f = functions.inputs()
    for number, (layer_g, layer_f) in enumerate(hidden):
        n = len(layer_g.thresholds)
        rows = affine_rows(layer_g, of_g) + affine_rows(layer_f, of_f)
        if f.activation == "relu":
            values = [relu_of(z, functions) for z in rows]
        else:
            roles = roles_of(data, number, len(rows))
            values = steps_of(rows, roles, number == 0, margin, functions)
        of_g, of_f = values[:n], values[n:]

    pairs = zip(affine_rows(outputs[0], of_g), affine_rows(outputs[1], of_f))
    bounds = [functions.bounds(total([(1, one), (-1, other)])) for one, other in pairs]
    return max(max(-low, high) for low, high in bounds)


def roles_of(data: Any, layer: int, n_neurons: int) -> tuple[list[int], list[float]]:
    """Return the labels and scales of a layer; without them no neuron is in a class."""
    if f"labels{layer}" in data:
        return data[f"labels{layer}"].tolist(), data[f"scales{layer}"].tolist()
    return [-1] * n_neurons, [0.0] * n_neurons


def root_box(domain: Any) -> list[Bounds]:
    """Return the intervals of the inputs, exactly."""
    if kind_of(domain) == "Box":
        return [*zip(map(Fraction, domain.low.tolist()), map(Fraction, domain.high.tolist()))]
    return [
        support_bounds({number: Fraction(1)}, domain)
        for number in range(1, 1 + domain.n_inputs)
    ]


def bound(data: Any, f: Any, g: Any, domain: Any) -> Fraction:
    """Return the bound on |f - g| on the domain that the tree, labels and scales prove: the largest
    of those on its leaves. It raises if they prove none.

    data : `axis`, `place` and `directions` of the tree, see `leaf_boxes`; `margin`; `labels0`,
        `scales0`, ... for each layer of binary networks, or none
    """
    require_fit(f, g, domain)
    is_whole = len(data["axis"]) == 1
    boxes = leaf_boxes(data, domain, root_box(domain), Fraction)
    return max(
        difference_bound(data, f, g, Functions(box, domain if is_whole else None)) for box in boxes
    )


def require_fit(f: Any, g: Any, domain: Any) -> None:
    """Refuse two networks, or a domain, whose activations or dimensions do not agree."""
    inputs = {f.weights[0].shape[1], g.weights[0].shape[1], domain.n_inputs}
    same_outputs = len(f.output_weights) == len(g.output_weights)
    require(f.activation == g.activation and len(inputs) == 1 and same_outputs,
            "the networks and the domain do not fit")


# points


def gap(data: Any, f: Any, g: Any, domain: Any) -> Fraction:
    """Return max_k |f_k(x) - g_k(x)| at the point x, which must lie in the domain.

    A binary network has no value on a hyperplane of its first layer, so that x must lie off all of
    them.

    data : see `point_of`
    """
    require_fit(f, g, domain)
    x = point_of(data, domain)
    if f.activation == "binary":
        is_on_one = any(is_on_hyperplane(network, x) for network in (f, g))
        require(not is_on_one, "the point lies on a hyperplane")
    return max(abs(one - other) for one, other in zip(outputs(f, x), outputs(g, x)))


def point_of(data: Any, domain: Any) -> list[Fraction]:
    """Return the point in rationals; ValueError if it does not lie in the domain:

        low <= x <= high in a Box,    |x - centre|^2 <= radius^2 in a Ball,
        x = sum_i t_i p_i with t_i >= 0 and sum_i t_i = 1 in a Hull.

    data : `point`; for a Hull the numbers `corners` of some points, and their `shares` t
    """
    x, kind = [Fraction(value) for value in data["point"].tolist()], kind_of(domain)
    require(len(x) == domain.n_inputs, "a point of another dimension")
    if kind == "Box":
        sides = zip(x, domain.low.tolist(), domain.high.tolist())
        is_inside = all(Fraction(low) <= v <= Fraction(high) for v, low, high in sides)
    elif kind == "Ball":
        squares = [(v - Fraction(c))**2 for v, c in zip(x, domain.centre.tolist())]
        is_inside = sum(squares) <= Fraction(domain.radius)**2
    else:
        shares = [Fraction(value) for value in data["shares"].tolist()]
        corners = domain.points[data["corners"]].tolist()
        require(len(shares) == len(corners), "shares of other corners")
        means = [
            sum(t * Fraction(v) for t, v in zip(shares, coordinates))
            for coordinates in zip(*corners)
        ]
        is_inside = min(shares) >= 0 and sum(shares) == 1 and x == means
    require(is_inside, "the point does not lie in the domain")
    return x


def affine_values(layer: Layer, h: list[Fraction]) -> list[Fraction]:
    """Return W h + b."""
    return [
        sum((Fraction(w) * v for w, v in zip(row, h) if w and v), Fraction(threshold))
        for row, threshold in zip(layer.weights.tolist(), layer.thresholds.tolist())
    ]


def is_on_hyperplane(network: Any, x: list[Fraction]) -> bool:
    """Return True if w.x + b = 0 for a neuron of the first layer; a zero row has no hyperplane."""
    first = layers_of(network)[0]
    z = affine_values(first, x)
    return any(value == 0 and any(row) for value, row in zip(z, first.weights.tolist()))


def outputs(network: Any, x: list[Fraction]) -> list[Fraction]:
    """Return the outputs at a point."""
    *hidden, last = layers_of(network)
    h = x
    for layer in hidden:
        z = affine_values(layer, h)
        if network.activation == "relu":
            h = [max(value, ZERO) for value in z]
        else:
            h = [Fraction(int(value > 0)) for value in z]
    return affine_values(last, h)
