"""The exact largest difference of two networks over a domain, in rationals: what provers are judged by.

Both networks are affine on the cells of a subdivision of the domain (ReLU; binary: constant on open
cells), so the largest difference sits at a cell's vertex. Cells are convex polygons, or intervals,
that are cut neuron by neuron. Every number is a `fractions.Fraction`; nothing is ever rounded.
"""
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import isqrt
from typing import NamedTuple

import reducednet as rn
from oracles.reference import activate, affine, as_lists


class Supremum(NamedTuple):
    """The largest difference of two networks, and a point of the domain where it is attained."""

    value: Fraction
    point: tuple


def rationals(x):
    """Return the entries of a point as a tuple of fractions; floats are taken as the numbers they are."""
    return tuple(value if isinstance(value, Fraction) else Fraction(float(value)) for value in x)


def exact_outputs(network, x):
    """Return the outputs at one point, as fractions. Unlike `reference.layers`, x need not be floats."""
    hidden, outgoing = as_lists(network, Fraction)
    h = list(rationals(x))
    for W, b in hidden:
        h = activate(affine(W, b, h), network.activation)
    return affine(*outgoing, h)


def exact_difference(f, g, x):
    """Return max over outputs of |f - g| at one point, as a fraction."""
    return max(abs(u - v) for u, v in zip(exact_outputs(f, x), exact_outputs(g, x)))


def off_hyperplanes(network, x):
    """Tell whether no neuron of the first layer, but for those with a zero row, has z = 0 at x."""
    hidden, _ = as_lists(network, Fraction)
    W, b = hidden[0]
    return all(z != 0 or not any(row) for z, row in zip(affine(W, b, rationals(x)), W))


def vertices(domain):
    """Return the corners of an interval, or of a polygon in counter-clockwise order, as tuples of fractions.

    A flat polygon has two corners.
    """
    if domain.n_inputs > 2 or isinstance(domain, rn.Ball) and domain.n_inputs > 1:
        raise ValueError(f"no polygon: {domain!r}")
    if isinstance(domain, rn.Ball):
        centre, radius = Fraction(float(domain.centre[0])), Fraction(domain.radius)
        return [(centre - radius,), (centre + radius,)]
    if isinstance(domain, rn.Box):
        points = product(*zip(rationals(domain.low), rationals(domain.high)))
    else:
        points = (rationals(point) for point in domain.points)
    points = sorted(set(points))
    return [points[0], points[-1]] if domain.n_inputs == 1 else convex_hull(points)


def turn(p, q, r):
    """Return twice the signed area of the triangle p, q, r: positive if it runs counter-clockwise."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def convex_hull(points):
    """Return the corners of the hull of sorted, different points of the plane, counter-clockwise."""
    def chain(ordered):
        kept = []
        for point in ordered:
            while len(kept) > 1 and turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return chain(points) + chain(points[::-1])


def domain_contains(domain, x):
    """Tell exactly whether the domain, a Hull only in dimension 1 or 2, contains the point x."""
    x = rationals(x)
    if len(x) != domain.n_inputs:
        raise ValueError(f"a point of dimension {len(x)} for {domain!r}")
    if isinstance(domain, rn.Box):
        return all(low <= v <= high for low, v, high in zip(rationals(domain.low), x, rationals(domain.high)))
    if isinstance(domain, rn.Ball):
        squares = sum((v - c) ** 2 for v, c in zip(x, rationals(domain.centre)))
        return squares <= Fraction(domain.radius) ** 2
    corners = vertices(domain)
    if len(corners) == 2:
        low, high = (tuple(map(pick, *corners)) for pick in (min, max))
        on_line = len(x) == 1 or turn(*corners, x) == 0
        return on_line and all(a <= v <= b for a, v, b in zip(low, x, high))
    return all(turn(p, q, x) >= 0 for p, q in zip(corners, corners[1:] + corners[:1]))


def cut(cell, i):
    """Return the cell's parts where entry i of its vertices is >= 0 and <= 0; one, if there is no cut.

    A cell is a list of vertices in cyclic order; a vertex is a tuple of values that are affine on
    the cell, a crossing point is interpolated in all of them.
    """
    if min(v[i] for v in cell) >= 0 or max(v[i] for v in cell) <= 0:
        return [cell]
    upper, lower = [], []
    for u, v in zip(cell, cell[1:] + cell[:1]):
        if u[i] >= 0:
            upper.append(u)
        if u[i] <= 0:
            lower.append(u)
        if u[i] * v[i] < 0:
            t = u[i] / (u[i] - v[i])
            crossing = tuple(p + t * (q - p) for p, q in zip(u, v))
            upper.append(crossing)
            lower.append(crossing)
    return [list(dict.fromkeys(upper)), list(dict.fromkeys(lower))]


def activated(cell, start, activation):
    """Replace the entries from `start` on, z of one sign on the cell, by the activations on the open cell."""
    if activation == "relu":
        return [v[:start] + tuple(activate(v[start:], "relu")) for v in cell]
    on = [Fraction(any(v[i] > 0 for v in cell)) for i in range(start, len(cell[0]))]
    return [v[:start] + tuple(on) for v in cell]


def subdivide(cells, network):
    """Cut the cells by all neurons and append the outputs to their vertices, which begin with the point."""
    hidden, outgoing = as_lists(network, Fraction)
    kept = len(cells[0][0])
    inputs = slice(0, network.n_inputs)
    for W, b in hidden:
        cells = [[v[:kept] + tuple(affine(W, b, v[inputs])) for v in cell] for cell in cells]
        for i in range(kept, kept + len(b)):
            cells = [part for cell in cells for part in cut(cell, i)]
        cells = [activated(cell, kept, network.activation) for cell in cells]
        inputs = slice(kept, kept + len(b))
    return [[v[:kept] + tuple(affine(*outgoing, v[inputs])) for v in cell] for cell in cells]


def middle(cell):
    """Return the mean of a cell's vertices, a point of its relative interior."""
    return tuple(sum(values) / len(cell) for values in zip(*cell))


def norm_above(w):
    """Return a rational number that is at least |w|, by a relative 2^-60 at most (and 0 only for w = 0)."""
    square = sum(value * value for value in w)
    p, q = square.numerator, square.denominator
    return Fraction(isqrt(p * q << 120) + bool(p), q << 60)  # sqrt(p / q) = sqrt(p q) / q


def away(cell, network, margin):
    """Return the cell's part at a distance of at least `margin` from the first layer's hyperplanes.

    The cell lies on one side of each; what is left may be a cell of fewer dimensions, or [].
    """
    hidden, _ = as_lists(network, Fraction)
    for w, b in zip(*hidden[0]):
        if not any(w) or not cell:
            continue
        z = [affine([w], [b], v[:len(w)])[0] for v in cell]
        sign, least = 1 if sum(z) > 0 else -1, margin * norm_above(w)
        parts = cut([v + (sign * value - least,) for v, value in zip(cell, z)], len(cell[0]))
        cell = [v[:-1] for v in parts[0]] if any(v[-1] > 0 for v in parts[0]) else []
    return cell


def cell_points(cell, f, g, margin):
    """Return the points of a cell where a difference can be largest: binary, one inside."""
    if f.activation == "relu":
        return cell
    if margin:
        cell = away(away(cell, f, margin), g, margin)
    return [middle(cell)] if cell else []


@lru_cache(maxsize=256)
def supremum(f, g, domain, margin=0.0):
    """Return the exact sup over the domain of max over outputs of |f - g|, and a point that attains it.

    Of any depth; the domain is a Box or Hull of dimension 1 or 2, or a Ball of dimension 1. The two
    networks have the same activation. Binary: the sup over open cells, off all hyperplanes of the
    first layers, attained in a cell's middle; a z that is 0 all over a cell counts as it is, s(0) = 0.

    margin : for binary networks, leave out what is nearer than this to a hyperplane of a first layer;
        Supremum(0, None) if nothing is left
    """
    if f.activation != g.activation:
        raise ValueError(f"activations {f.activation!r} and {g.activation!r}")
    d, n_outputs, best = domain.n_inputs, len(f.output_weights), Supremum(Fraction(0), None)
    for cell in subdivide(subdivide([vertices(domain)], f), g):
        for v in cell_points(cell, f, g, Fraction(margin)):
            difference = max(abs(p - q) for p, q in zip(v[d:d + n_outputs], v[d + n_outputs:]))
            if best.point is None or difference > best.value:
                best = Supremum(difference, v[:d])
    return best
