"""Find the regions of two inputs on which a network is affine, exactly, as convex polygons.

On a region the same neurons are on. A layer's pre-activations are then affine in x, and the lines
z = 0 of its neurons split the region further, layer by layer (THEORY, section 1). All numbers are
integers, since floats are integers times powers of two: nothing is rounded.

A point (X / D, Y / D) is kept as its homogeneous coordinates (X, Y, D), D > 0, and an affine map
z = a x + b y + c as (a, b, c), up to a positive factor, since only signs matter. So

    z = (a X + b Y + c D) / D,

and the point of a line from p to q at which z = 0 is  z(p) q - z(q) p  if z(p) > 0 > z(q).
"""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array, message
from ..domains import Ball, Box, Domain, Hull
from ..networks.affine_maps import affine_maps
from ..networks.network import Network

Point = tuple[int, int, int]
Pattern = tuple[tuple[bool, ...], ...]

BALL_CORNERS = 256
"""A ball is drawn as the regular polygon with this number of corners that it contains."""
MOST_REGIONS = 5000
"""More regions than this cannot be told apart in a picture."""


class LinearRegion(NamedTuple):
    """A convex polygon on which the same neurons are on.

    corners : list of homogeneous coordinates (X, Y, D) of its corners, counter-clockwise
    pattern : for each hidden layer, which neurons are on
    outputs : array (n_outputs, 3) of Fractions, the outputs a x + b y + c on the region
    """

    corners: list[Point]
    pattern: Pattern
    outputs: Any

    @property
    def polygon(self) -> Array:
        """The corners as floats, (n_corners, 2)."""
        return np.array([(float(Fraction(x, d)), float(Fraction(y, d)))
                         for x, y, d in self.corners])

    def values(self, output: int) -> Array:
        """Return the values of one output at the corners, (n_corners,)."""
        a, b, c = self.outputs[output]
        return np.array([float((a * x + b * y + c * d) / d) for x, y, d in self.corners])


class _Part(NamedTuple):
    """A convex polygon on which the same neurons of the layers below are on.

    corners, pattern : as in `LinearRegion`
    rows, scale : the activations of the last of these layers are rows (x, y, 1) / scale, integers
    """

    corners: list[Point]
    pattern: Pattern
    rows: Any
    scale: int


def linear_regions(network: Network, domain: Domain) -> list[LinearRegion]:
    """Return the regions of the domain with a common activation pattern, of two inputs.

    Parameters
    ----------
    network : Network
        Of two inputs. On a binary network's regions the outputs are constant.
    domain : Box, Ball or Hull
        Of two inputs. A ball is replaced by a polygon of `BALL_CORNERS` corners on its edge.

    Raises
    ------
    ValueError
        If the domain has no interior, or there are more than `MOST_REGIONS` regions.

    Examples
    --------
    >>> cross = Network([[[1.0, 0.0], [0.0, 1.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    >>> regions = linear_regions(cross, Box([-1, -1], [1, 1]))
    >>> [region.pattern for region in regions]
    [((True, True),), ((True, False),), ((False, True),), ((False, False),)]
    >>> regions[0].polygon.tolist()
    [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    polygon = _corners(domain)
    if len(polygon) < 3:
        raise ValueError(message("domain", "one with an interior, to draw regions", repr(domain)))
    inputs = np.array([[1, 0, 0], [0, 1, 0]], dtype=object)  # (x, y)
    parts = [_Part(polygon, (), inputs, scale=1)]
    *hidden, outputs = [_IntegerMap(W, b) for W, b in affine_maps(network)]
    for layer in hidden:
        wholes, parts = parts, []
        for whole in wholes:
            parts += _split_by_layer(whole, layer, network.activation)
            _check_count(len(parts))
    return [
        LinearRegion(part.corners, part.pattern, outputs.fractions(part.rows, part.scale))
        for part in parts
    ]


class _IntegerMap:
    """An affine map h -> W h + b as integers over a power of two: W = W_n / unit, b = b_n / unit.

    The attributes W and b are the integers W_n and b_n.
    """

    def __init__(self, W: Array, b: Array | None) -> None:
        b = np.zeros(len(W)) if b is None else b
        exact = [[Fraction(value) for value in row] for row in np.column_stack([W, b]).tolist()]
        # denominators of floats are powers of two: each divides the largest
        self.unit = max(value.denominator for row in exact for value in row)
        whole = np.array([[int(value * self.unit) for value in row] for row in exact], dtype=object)
        self.W, self.b = whole[:, :-1], whole[:, -1]

    def after(self, rows: Any, scale: int) -> tuple[Any, int]:
        """Return the map of x, times its new scale, after h = rows (x, y, 1) / scale.

        rows' = W_n rows + (0, 0, scale b_n), scale' = scale unit.
        """
        composed = self.W @ rows
        composed[:, 2] += scale * self.b
        return composed, scale * self.unit

    def fractions(self, rows: Any, scale: int) -> Any:
        """Return the map of x after h = rows (x, y, 1) / scale, as Fractions."""
        composed, scale = self.after(rows, scale)
        fractions = [[Fraction(value, scale) for value in row] for row in composed]
        return np.array(fractions, dtype=object)


def _check_count(n: int) -> None:
    """Refuse more regions than can be drawn, as soon as there are so many."""
    if n > MOST_REGIONS:
        expected = f"one with at most {MOST_REGIONS} regions to be drawn"
        raise ValueError(message("network", expected, "one with more"))


def _split_by_layer(whole: _Part, layer: _IntegerMap, activation: str) -> Iterator[_Part]:
    """Yield the parts of a polygon on which the same neurons of the next layer are on.

    The rows of Z are the lines z = 0. After them the activations are z or 0 (ReLU), or 1 or 0.
    """
    Z, z_scale = layer.after(whole.rows, whole.scale)
    sides: list[tuple[list[Point], tuple[bool, ...]]] = [(whole.corners, ())]
    for line in Z:
        sides = [
            (part, (*signs, is_on))
            for corners, signs in sides for part, is_on in _split(corners, line.tolist())
        ]
        _check_count(len(sides))
    for corners, signs in sides:
        on, pattern = np.array(signs), (*whole.pattern, signs)
        if activation == "binary":
            constants = np.zeros((len(on), 3), dtype=object)
            constants[:, 2] = on.astype(int)
            yield _Part(corners, pattern, constants, 1)
        else:
            yield _Part(corners, pattern, np.where(on[:, np.newaxis], Z, 0), z_scale)


def _split(corners: list[Point], line: list[int]) -> Iterator[tuple[list[Point], bool]]:
    """Yield the parts of a convex polygon where z > 0, with True, and where z <= 0, with False."""
    z = [line[0] * x + line[1] * y + line[2] * d for x, y, d in corners]
    if min(z) >= 0 or max(z) <= 0:
        yield corners, max(z) > 0
        return
    upper, lower = [], []
    following = zip(corners[1:] + corners[:1], z[1:] + z[:1])
    for (p, z_p), (q, z_q) in zip(zip(corners, z), following):  # each side, from p to q
        if z_p >= 0:
            upper.append(p)
        if z_p <= 0:
            lower.append(p)
        if z_p * z_q < 0:
            crossing = _combination(p, abs(z_q), q, abs(z_p))
            upper.append(crossing)
            lower.append(crossing)
    yield upper, True
    yield lower, False


def _combination(p: Point, alpha: int, q: Point, beta: int) -> Point:
    """Return the point alpha p + beta q in homogeneous coordinates, in lowest terms."""
    x, y, d = (alpha * u + beta * v for u, v in zip(p, q))
    common = gcd(x, y, d)
    return x // common, y // common, d // common


def _corners(domain: Domain) -> list[Point]:
    """Return the corners of the domain, counter-clockwise; two or one if it has no interior."""
    if isinstance(domain, Ball):
        angles = np.arange(BALL_CORNERS) * (2.0 * np.pi / BALL_CORNERS)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        points = domain.centre + domain.radius * circle
    elif isinstance(domain, Box):
        (x, y), (x_high, y_high) = domain.low, domain.high
        points = np.array([(x, y), (x_high, y), (x_high, y_high), (x, y_high)])
    else:
        assert isinstance(domain, Hull)
        points = domain.points
    exact = sorted({(Fraction(x), Fraction(y)) for x, y in points.tolist()})
    return [_homogeneous(*point) for point in _convex_hull(exact)]


def _homogeneous(x: Fraction, y: Fraction) -> Point:
    """Return the homogeneous coordinates of a point, with the least common denominator."""
    denominator = lcm(x.denominator, y.denominator)
    return int(x * denominator), int(y * denominator), denominator


def _convex_hull(points: list[Any]) -> list[Any]:
    """Return the corners of the convex hull of sorted different points, counter-clockwise.

    Andrew's monotone chain: the lower side from left to right, then the upper side back.
    """
    def chain(ordered: list[Any]) -> list[Any]:
        kept: list[Any] = []
        for point in ordered:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return chain(points) + chain(points[::-1])


def _turn(p: Any, q: Any, r: Any) -> Any:
    """Return twice the signed area of the triangle p, q, r: positive if counter-clockwise."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
