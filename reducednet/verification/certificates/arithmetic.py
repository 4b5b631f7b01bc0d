"""Bound what float64 arithmetic may be off by: the ground that all checkers stand on.

Each function is small, and its docstring says which inequality it relies on; they hold for
rounding to nearest, in whatever order sums are taken, with or without fused operations. Numbers
that overflow become inf or nan, and prove nothing.

Notation
--------
u = 2^-53 is the unit roundoff, the largest relative error of one operation. A term that goes
through n roundings comes out with a factor 1 + theta, where

    |theta| <= gamma_n = n u / (1 - n u),    gamma_n + u + u gamma_n <= gamma_(n+1),

and so does a term divided by such a factor (Higham, lemma 3.1). In a sum of n products a term goes
through at most n roundings: its product's, and n - 1 of additions. A product that underflows is off
by half of the smallest positive number, whatever its size; additions are exact there.

References
----------
PROOFS (docs/rounding-and-proofs.md), Lemma 1. N. J. Higham, *Accuracy and Stability of Numerical
Algorithms*, chapters 2 and 3.
"""
from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

UNIT_ROUNDOFF = 2.0**-53
"""u, the largest relative error of one operation."""

SMALLEST = 2.0**-1074
"""The smallest positive float64: twice what a product that underflows may be off by."""

UNDERFLOW = 2.0 * SMALLEST
"""Charged once for each term of a sum: its product, the product in its magnitude, that in its error
and the charge itself may underflow, each of them off by SMALLEST / 2."""

SHORTEST_PART = 32
"""Sums of products of n > SHORTEST_PART terms are taken in about sqrt(n) parts."""


class Interval(NamedTuple):
    """Numbers that are known to lie between `low` and `high`, array entry by entry."""

    low: Any
    high: Any

    @property
    def largest(self) -> Any:
        """The largest absolute value in each interval."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


class Layer(NamedTuple):
    """An affine map z = weights h + thresholds."""

    weights: Any
    thresholds: Any


def require(fact: Any, otherwise: str) -> None:
    """Raise ValueError with this text unless the fact is true."""
    if not fact:
        raise ValueError(otherwise)


# roundings


def gamma(n_roundings: Any, u: float = UNIT_ROUNDOFF) -> Any:
    """Return a number not below gamma_n = n u / (1 - n u), also after its own rounding.

    n u and 1 - (n + 2) u are float64 numbers, so that only the division rounds, by 2^-53 <= u. For
    that there is (n + 2) u in place of n u: it makes the quotient larger by more than a factor
    1 + 2 u, and (1 + 2 u) (1 - u) >= 1.
    """
    return n_roundings * u / (1.0 - (n_roundings + 2) * u)


def raised(total: Any, n_roundings: Any) -> Any:
    """Return numbers not below the exact value of sums whose terms are none of them negative.

    If each term goes through at most n roundings, then exact <= computed (1 + gamma_n). The
    addition and the product here round twice, and

        (1 + gamma_(n+3)) (1 - u)^2 >= (1 + gamma_n + 3 u) (1 - 2 u) >= 1 + gamma_n

    for gamma_n < 1/3. Products that underflow are charged by the caller.
    """
    return total * (1.0 + gamma(n_roundings + 3))


def below(x: Any) -> Any:
    """Return numbers below each number that is rounded to x: the float64 before x."""
    return np.nextafter(x, -np.inf)


def above(x: Any) -> Any:
    """Return numbers above each number that is rounded to x: the float64 after x."""
    return np.nextafter(x, np.inf)


def middle_and_radius(interval: Interval) -> tuple[Any, Any]:
    """Return m and r with m - r <= low and high <= m + r, whatever rounding makes of m.

    A difference has one rounding, which is relative: differences do not underflow.
    """
    low, high = interval
    middle = low / 2.0 + high / 2.0
    return middle, raised(np.maximum(high - middle, middle - low), 1)


def norm_above(rows: Any) -> Any:
    """Return upper bounds on the Euclidean norms along the last axis.

    A square has one rounding and n - 1 of additions; the root halves them, and has one itself: less
    than n + 1. The squares of n numbers below 2^-511 underflow, which changes the norm by less than
    sqrt(n SMALLEST / 2) < n 2^-537.
    """
    n = rows.shape[-1]
    return raised(np.sqrt((rows * rows).sum(axis=-1)), n + 1) + n * 2.0**-537


def row_norms(rows: Any) -> Any:
    """Return the norms of the rows, n + 1 roundings each, of any magnitude.

    Rows are divided by a power of two, which leaves their largest entry between 1 and 2. Squares
    that underflow do not count beside it. A norm below 2^-1021 may be off by SMALLEST / 2 besides.
    """
    power = np.ldexp(1.0, np.frexp(np.abs(rows).max(axis=1))[1] - 1)
    scaled = rows / power[:, np.newaxis]
    return power * np.sqrt((scaled * scaled).sum(axis=1))


def parts_of(start: int, stop: int) -> list[slice]:
    """Return the parts of a sum whose terms are numbered from start to stop."""
    length = max(SHORTEST_PART, isqrt(stop - start))
    return [slice(first, min(first + length, stop)) for first in range(start, stop, length)]


def roundings_of_parts(parts: list[slice]) -> int:
    """Return the number of roundings r of sums of products whose parts are added up.

        |fl(sum_i w_i x_i) - sum_i w_i x_i| <= gamma_r sum_i |w_i| |x_i| + n SMALLEST / 2.

    In a part of c terms a term goes through c roundings, and then through one for each further part
    that is added. As no part is empty, r is at most n.
    """
    longest = max((part.stop - part.start for part in parts), default=0)
    return longest + max(len(parts) - 1, 0)


def absolute_product(weights: Any, columns: Any) -> Any:
    """Return |W| times columns (n, ...), where a term goes through at most n roundings.

    It is taken in parts, so that |W| stays in cache: for 3000 rows of 3000 weights that is three
    times as fast.
    """
    total = np.zeros((len(weights), *columns.shape[1:]))
    for part in parts_of(0, len(columns)):
        total += np.abs(weights[:, part]) @ columns[part]
    return total


def affine_bounds(layer: Layer, h: Interval) -> Interval:
    """Return bounds on W h + b, which is smallest and largest at corners of h's box.

    With |h| <= A, a term goes through at most n + 3 roundings, those of the sum of products with
    positive and negative weights, of the threshold's and of the margin's included:

        |fl(bound) - bound| <= gamma_(n+3) (|W| A + |b|) + n SMALLEST / 2.

    The margin is a sum itself: n + 3 roundings to where it is subtracted, and u of it more there.
    """
    W, b = layer
    n = W.shape[1]
    magnitude = absolute_product(W, h.largest) + np.abs(b)
    margin = raised(gamma(n + 3) * magnitude, n + 4) + UNDERFLOW * (n + 1)
    low, high = np.zeros(magnitude.shape), np.zeros(magnitude.shape)
    for part in parts_of(0, n):
        up, down = np.maximum(W[:, part], 0.0), np.minimum(W[:, part], 0.0)
        low += up @ h.low[part] + down @ h.high[part]
        high += up @ h.high[part] + down @ h.low[part]
    return Interval(low + b - margin, high + b + margin)


# inputs


def kind_of(domain: Any) -> str:
    """Return "Box", "Ball" or "Hull"; ValueError for what is none of them."""
    kind = type(domain).__name__
    require(kind in ("Box", "Ball", "Hull"), "a domain that is no Box, Ball or Hull")
    return kind


def bounding_box(domain: Any) -> Interval:
    """Return a box that holds the domain; a Ball's is rounded outward."""
    kind = kind_of(domain)
    if kind == "Box":
        return Interval(domain.low, domain.high)
    if kind == "Hull":
        return Interval(domain.points.min(axis=0), domain.points.max(axis=0))
    return Interval(below(domain.centre - domain.radius), above(domain.centre + domain.radius))


def support(rows: Any, domain: Any) -> Any:
    """Return the largest w.x of each row w over the domain, its n + 3 roundings not yet charged.

    w.x <= sum_i max(w_i low_i, w_i high_i) on a Box, w.centre + radius |w|_2 on a Ball, and the
    largest w.p over the points p of a Hull. On a Ball the norm has n + 1 roundings, its product
    with the radius and the sum one each.
    """
    kind = kind_of(domain)
    if kind == "Box":
        return np.maximum(rows, 0.0) @ domain.high + np.minimum(rows, 0.0) @ domain.low
    if kind == "Hull":
        return (rows @ domain.points.T).max(axis=1)
    return rows @ domain.centre + domain.radius * row_norms(rows)


def highest(rows: Any, domain: Any) -> Any:
    """Return upper bounds on w.x over the domain for each row w.

    The n + 3 roundings of `support` and that of the sum with the margin are charged; the margin is
    a sum of n terms with n + 5 roundings itself.
    """
    n = rows.shape[1]
    if kind_of(domain) == "Ball":
        magnitude = np.abs(rows) @ np.abs(domain.centre) + domain.radius * row_norms(rows)
        underflow = UNDERFLOW * (n + 2 + domain.radius)
    else:
        magnitude, underflow = np.abs(rows) @ bounding_box(domain).largest, UNDERFLOW * (n + 1)
    margin = raised(gamma(n + 4) * magnitude, n + 6) + underflow
    return support(rows, domain) + margin


# networks


def layers_of(network: Any, depth: int = 0) -> list[Layer]:
    """Return all layers, the outputs' last.

    If a depth is given, layers h = relu(h) follow the hidden ones up to it: they change nothing, as
    no h of a hidden layer is negative.
    """
    (n_outputs, n), bias = network.output_weights.shape, network.output_bias
    hidden = [Layer(*layer) for layer in zip(network.weights, network.thresholds)]
    outputs = Layer(network.output_weights, np.zeros(n_outputs) if bias is None else bias)
    if len(hidden) < depth:  # n^2 numbers, which a wide layer of full depth must not need
        hidden += [Layer(np.eye(n), np.zeros(n))] * (depth - len(hidden))
    return [*hidden, outputs]


# rationals


def root_above(square: Fraction) -> Fraction:
    """Return a rational not below the square root, and above it by at most 2^-200 / denominator.

    sqrt(p / q) = sqrt(p q 2^400) / (q 2^200), and isqrt(m - 1) + 1 is the root of m, rounded up.
    """
    p, q = square.as_integer_ratio()
    return Fraction(isqrt((p * q << 400) - 1) + 1, q << 200) if p else Fraction(0)


def is_separated(direction: Any, box: Any, domain: Any) -> bool:
    """Return True if the direction u separates the box from the domain, a Ball or a Hull:

        min_box u.x > max_domain u.x = max over points p of u.p, plus radius |u|_2 for a Ball.

    It is decided in rationals, the root by squares. (PROOFS, Lemma 17.)
    """
    if kind_of(domain) == "Box":
        return False
    u = [Fraction(value) for value in direction]
    least = sum(
        (min(v * Fraction(low), v * Fraction(high)) for v, (low, high) in zip(u, box)),
        Fraction(0),
    )
    is_ball = kind_of(domain) == "Ball"
    points = domain.centre[np.newaxis] if is_ball else domain.points
    radius = Fraction(domain.radius if is_ball else 0.0)
    distance = least - max(
        sum((v * Fraction(x) for v, x in zip(u, point)), Fraction(0)) for point in points.tolist()
    )
    return distance > 0 and distance**2 > radius**2 * sum(v * v for v in u)


def leaf_boxes(data: Any, domain: Any, root: Any, number: Any) -> list[Any]:
    """Return the boxes [(low, high), ...] at the leaves of a tree of splits of the root.

    The tree is given by its nodes, one after the other: a node's two halves follow it, the lower
    one with all of its own nodes before the upper one.

    data : `axis`, the input that a node splits, or -1 for a leaf, or -2 for a leaf outside the
        domain; `place`, where it splits; `directions`, one for each leaf outside: see
        `is_separated`
    number : float or Fraction, of which the boxes are

    ValueError if a leaf outside may meet the domain, or if the leaves do not cover the root:

        they cover it if each split does, low < place < high, and no half is missing.
    """
    waiting, boxes, directions = [list(root)], [], iter(data["directions"].tolist())
    places = map(number, data["place"].tolist())
    for axis, place in zip(data["axis"].tolist(), places, strict=True):
        require(waiting, "a node that no split makes")
        box = waiting.pop()
        if axis == -1:
            boxes.append(box)
        elif axis == -2:
            separated = is_separated(next(directions), box, domain)
            require(separated, "a leaf that is left out may meet the domain")
        else:
            low, high = box[axis]
            require(axis >= 0 and low < place < high, "a split outside its box")
            lower, upper = (low, place), (place, high)
            # the last one that waits comes next: so the upper half goes on first
            waiting += [[*box[:axis], half, *box[axis + 1:]] for half in (upper, lower)]
    require(not waiting, "the leaves do not cover the domain")
    return boxes
