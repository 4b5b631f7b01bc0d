"""Bound the difference of two deep ReLU networks by differential zonotopes, on many boxes at once.

A zonotope encloses quantities by v = c + G t +- e, with symbols t in [-1, 1]: one for each input,
and one for the error of each relaxed neuron, so that these errors cancel further up as the inputs
do. The e are rounding errors. There are zonotopes of three kinds:

* the activations h of f, and those of g;
* the rests r = h_m - s h_c of the neurons m that are matched with one of g's, c.

So the difference of two neurons of the next layer is a combination of the h_c, with coefficients
that nearly cancel, of the rests, and of neurons without a class. Affine forms with one error for
each neuron (`affine_forms`) forget which errors two neurons share.

The field calls this differential verification with zonotopes (VeryDiff: Teuber, Kern, Janzen,
Beckert, AAAI 2025, arXiv 2410.20207).

References
----------
PROOFS, section 24.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import GUARD, absolute_sums, boxes, outward
from .neuron_classes import Match, sums_over_classes

MEMORY = 1 << 20
"""About how many numbers a zonotope may have at most: more boxes come in several batches."""

TINY = 2.0**-1000
"""Added to the absolute values of products that may underflow: u times this is more than they lose.
"""

ROUNDING = 2.0**-30
"""Errors that are a smaller part of the values than this get no symbols."""


class Bounds(NamedTuple):
    """Bounds low <= v <= high, arrays (n, B)."""

    low: Array
    high: Array

    def take(self, index: np.ndarray | slice) -> Bounds:
        """Return the bounds of some of the quantities."""
        return Bounds(self.low[index], self.high[index])

    def within(self, other: Bounds) -> Bounds:
        """Return the intersection with other bounds."""
        return Bounds(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    def plus(self, other: Bounds) -> Bounds:
        """Return bounds of v + w."""
        return Bounds(outward(self.low + other.low, -1.0), outward(self.high + other.high, 1.0))

    def minus(self, other: Bounds) -> Bounds:
        """Return bounds of v - w."""
        return Bounds(outward(self.low - other.high, -1.0), outward(self.high - other.low, 1.0))

    def times(self, scale: Array) -> Bounds:
        """Return bounds of s v for scales s > 0, an array (n, 1)."""
        return Bounds(outward(scale * self.low, -1.0), outward(scale * self.high, 1.0))

    def middle_and_radius(self) -> tuple[Array, Array]:
        """Return m and r with m - r <= low and high <= m + r."""
        middle = self.low / 2.0 + self.high / 2.0
        return middle, np.maximum(self.high - middle, middle - self.low) * GUARD

    @property
    def largest(self) -> Array:
        """The largest |v|."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


class Zonotope(NamedTuple):
    """Quantities v = c + G t +- e over each of B boxes.

    c, e : arrays (n, B)
    G : array (n, p, B)
    symbols : integer array (p,), the numbers of the symbols t; the inputs are 0 to d - 1
    reach : array (n, B), not below sum_j |G_j|
    bounds : Bounds of v, which may be sharper than c -+ (reach + e)
    """

    c: Array
    e: Array
    G: Array
    symbols: np.ndarray
    reach: Array
    bounds: Bounds

    @property
    def magnitude(self) -> Array:
        """Upper bounds of |c| + sum_j |G_j| + e."""
        return np.asarray((np.abs(self.c) + self.reach + self.e) * GUARD)

    def take(self, index: np.ndarray) -> Zonotope:
        """Return some of the quantities."""
        return Zonotope(
            self.c[index], self.e[index], self.G[index], self.symbols, self.reach[index],
            self.bounds.take(index),
        )


class Members(NamedTuple):
    """The neurons m that are nearly multiples of one of g's, z_m = s z_c with s > 0.

    Neurons of both networks are numbered through, f's before g's; members of f come first.

    neurons, representatives : the numbers m and c
    scale : array (n, 1), s
    n_of_f : how many of the members are f's
    """

    neurons: np.ndarray
    representatives: np.ndarray
    scale: Array
    n_of_f: int


class Rows(NamedTuple):
    """Rows z_m - s z_c, over the neurons of f and of g below, with thresholds b.

    Those that are called absolute have the absolute values of the terms of each number.
    """

    of_f: Array
    of_g: Array
    b: Array
    absolute_f: Array
    absolute_g: Array
    absolute_b: Array


class Term(NamedTuple):
    """A part C v of a sum, and `absolute`, which is at least |C| and bounds C's own terms.

    gamma times `absolute` also covers what C's products lose by underflow, see `TINY`.
    """

    C: Array
    absolute: Array
    v: Zonotope


class BoxBounds(NamedTuple):
    """Bounds of f - g over each box.

    low, high : arrays (n_outputs, B)
    slopes : array (n_outputs, d, B), of f - g along the sides of the boxes, from middle to face
    influence : array (d, B), how much each input adds to the errors of relaxed neurons
    """

    low: Array
    high: Array
    slopes: Array
    influence: Array


def difference_bounds_on_boxes(
    f: Network, g: Network, low: Array, high: Array, matches: Sequence[Match],
    check_time: Callable[[], None] = lambda: None,
) -> BoxBounds:
    """Bound f - g over each box.

    Parameters
    ----------
    f, g : Network
        ReLU networks of one depth.
    low, high : arrays (d, B)
        The corners of the boxes.
    matches : sequence of Match
        The classes of each hidden layer; wrong ones only make the bounds large.
    check_time : callable
        Called before each batch; it may raise.
    """
    step = max(1, MEMORY // numbers_of_a_zonotope(f, g))
    classes = [classes_over_g(match) for match in matches]
    maps = [*zip(affine_maps(f), affine_maps(g))]
    parts = []
    with np.errstate(all="ignore"):  # bounds that are not finite prove nothing
        for start in range(0, low.shape[1], step):
            check_time()
            batch = slice(start, start + step)
            parts.append(_bound(maps, classes, low[:, batch], high[:, batch]))
    return BoxBounds(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts)))


def numbers_of_a_zonotope(f: Network, g: Network) -> int:
    """Return about how many numbers the zonotope of one layer has on one box, at most."""
    sizes = [*f.sizes[1:-1], *g.sizes[1:-1]]
    return max(sizes) * (f.n_inputs + sum(sizes))


def _bound(
    maps: Sequence[tuple[Affine, Affine]], classes: Sequence[Match], low: Array, high: Array
) -> BoxBounds:
    """Bound f - g over each box, layer by layer: `maps` are the layers of both networks."""
    d = n_symbols = len(low)
    inputs = _inputs(low, high)
    every, ones = np.arange(d), np.ones(d)
    below = Match((every, every), (ones, ones))  # each input is a class, and nothing is left of it
    h, rests = [inputs, inputs], _zeros(d, low.shape[1])
    influence = np.zeros(low.shape)
    for layers, own in zip(maps[:-1], classes):
        z = [affine(layer, one) for layer, one in zip(layers, h)]
        members = members_of(own)
        delta = _differences(_rows(layers, members), below, h, rests, n_symbols)
        bounds, of_delta = _sharpened(z, delta, members)
        influence += _influence(z, bounds, d)

        n_f = len(z[0].c)
        h = []
        for one, part in zip(z, (bounds.take(slice(n_f)), bounds.take(slice(n_f, None)))):
            h.append(_with_symbols(*relaxed_relu(one, part), n_symbols))
            n_symbols = max(n_symbols, 1 + int(h[-1].symbols[-1]))
        rests = _with_symbols(*relaxed_rests(delta, of_delta, bounds, members), n_symbols)
        n_symbols = max(n_symbols, 1 + int(rests.symbols[-1]))
        below = own

    layers = maps[-1]
    every = np.arange(len(layers[0].W))
    outputs = Members(every, every + len(every), np.ones((len(every), 1)), len(every))
    z = [affine(layer, one) for layer, one in zip(layers, h)]
    delta = _differences(_rows(layers, outputs), below, h, rests, n_symbols)
    _, of_delta = _sharpened(z, delta, outputs)
    return BoxBounds(*of_delta, delta.G[:, :d], influence)


def _inputs(low: Array, high: Array) -> Zonotope:
    """Return the inputs x = middle + radius t themselves."""
    middle, radius = boxes(low, high)[:2]
    d, n_boxes = middle.shape
    G = np.zeros((d, d, n_boxes))
    G[np.arange(d), np.arange(d)] = radius
    return Zonotope(
        middle, np.zeros((d, n_boxes)), G, np.arange(d), radius, Bounds(low, high)
    )


def _zeros(n: int, n_boxes: int) -> Zonotope:
    """Return n quantities that are 0."""
    zeros, G = np.zeros((n, n_boxes)), np.zeros((n, 0, n_boxes))
    return Zonotope(zeros, zeros, G, np.arange(0), zeros, Bounds(zeros, zeros))


# classes


def classes_over_g(match: Match) -> Match:
    """Return the classes that have a neuron of g, without opposite neurons.

    The first neuron of g in a class is its representative; neurons in no class stand alone.
    """
    network, _ = match.representatives()
    in_g = network == 1
    numbers = np.append(np.where(in_g, np.cumsum(in_g) - 1, -1), -1)
    labels, scales = [], []
    for own, given in zip(match.labels, match.with_unit_representatives().scales):
        kept = (numbers[own] >= 0) & (given > 0.0)
        labels.append(np.where(kept, numbers[own], -1))
        scales.append(np.where(kept, given, 0.0))
    return Match(tuple(labels), tuple(scales))


def members_of(classes: Match) -> Members:
    """Return the neurons in classes but for the representatives."""
    n_f, (_, index) = len(classes.labels[0]), classes.representatives()
    labels, scales = np.concatenate(classes.labels), np.concatenate(classes.scales)
    is_member = labels >= 0
    is_member[n_f + index] = False
    m = np.flatnonzero(is_member)
    return Members(m, n_f + index[labels[m]], scales[m][:, np.newaxis], int((m < n_f).sum()))


# affine maps


def affine(layer: Affine, h: Zonotope) -> Zonotope:
    """Return W h + b over the symbols of h."""
    b = np.zeros(len(layer.W)) if layer.b is None else layer.b
    return _sum([Term(layer.W, np.abs(layer.W), h)], b, np.abs(b), h.symbols)


def _sum(terms: Sequence[Term], b: Array, absolute_b: Array, symbols: np.ndarray) -> Zonotope:
    """Return the sum of all C v and of b, over these symbols, which hold all that occur.

    Let n be the number of all v. A coefficient C is a sum of at most n products itself, each with a
    scale, one subtracted from another: n + 3 roundings. A product with v, and the sums of all terms
    and b, have n + 8 more. So each number of the zonotope and the interval has fewer than
    R = 3 n + 16 roundings a term, and with A = `absolute` and |v - m| <= r it is off by at most

        e = A (e_v + gamma_R |v|) + gamma_R |b|,    |C| r + A gamma_R |v| + gamma_R |b|.

    These are sums of fewer than R roundings themselves. Products that underflow are off by SMALLEST
    at most, each; those within C: see `TINY`.
    """
    n_boxes, n = terms[0].v.c.shape[1], sum(len(term.v.c) for term in terms)
    shape = len(terms[0].C), n_boxes
    c, e, middle, radius = np.zeros((4, *shape))
    G = np.zeros((shape[0], len(symbols), n_boxes))
    of_R = gamma(3 * n + 16)
    for C, A, v in terms:
        c += C @ v.c
        e += A @ (v.e + of_R * v.magnitude + SMALLEST)
        own_middle, own_radius = v.bounds.middle_and_radius()
        middle += C @ own_middle
        radius += np.abs(C) @ own_radius + A @ (of_R * v.bounds.largest + SMALLEST)
        _add(G, symbols, C, v)
    c += b[:, np.newaxis]
    middle += b[:, np.newaxis]
    of_b = of_R * absolute_b[:, np.newaxis]
    underflow = 4.0 * SMALLEST * (n + 1) * (len(symbols) + 4)
    e = (e + of_b) * (GUARD + of_R) + underflow
    radius = (radius + of_b) * (GUARD + of_R) + underflow

    reach = absolute_sums(G) * (GUARD + gamma(len(symbols)))
    width = (reach + e) * GUARD
    by_zonotope = Bounds(outward(c - width, -1.0), outward(c + width, 1.0))
    by_interval = Bounds(outward(middle - radius, -1.0), outward(middle + radius, 1.0))
    return Zonotope(c, e, G, symbols, reach, by_zonotope.within(by_interval))


def _add(G: Array, symbols: np.ndarray, C: Array, v: Zonotope) -> None:
    """Add C G_v to G, whose columns are these symbols."""
    n, p, n_boxes = v.G.shape
    if not n or not p:
        return
    product = (C @ v.G.reshape(n, p * n_boxes)).reshape(len(C), p, n_boxes)
    columns = np.searchsorted(symbols, v.symbols)
    if columns[-1] - columns[0] == p - 1:  # a slice is faster
        G[:, columns[0]:columns[-1] + 1] += product
    else:
        G[:, columns] += product


def _rows(layers: tuple[Affine, Affine], members: Members) -> Rows:
    """Return the rows z_m - s z_c of the members."""
    (W_f, b_f), (W_g, b_g) = ((W, np.zeros(len(W)) if b is None else b) for W, b in layers)
    n_f, n, s = len(W_f), members.n_of_f, members.scale
    m_f, m_g, c = members.neurons[:n], members.neurons[n:] - n_f, members.representatives - n_f
    of_f = np.zeros((len(c), W_f.shape[1]))
    of_f[:n] = W_f[m_f]
    of_g = -s * W_g[c]
    absolute_g = np.abs(of_g) + TINY * (s != 1.0)
    of_g[n:] += W_g[m_g]
    absolute_g[n:] += np.abs(W_g[m_g])
    one, multiple = np.append(b_f[m_f], b_g[m_g]), s[:, 0] * b_g[c]
    absolute_b = np.abs(one) + np.abs(multiple)
    return Rows(of_f, of_g, one - multiple, np.abs(of_f), absolute_g, absolute_b)


def _differences(
    rows: Rows, below: Match, h: Sequence[Zonotope], rests: Zonotope, n_symbols: int
) -> Zonotope:
    """Return the rows' values, each h_m written as s h_c + r_m where it is in a class.

    The coefficients of the h_c are sums over the class, in both networks: there they cancel.
    """
    _, representatives = below.representatives()
    m, n_f, n_classes = members_of(below).neurons, rows.of_f.shape[1], len(representatives)
    labels, scales = np.concatenate(below.labels), np.concatenate(below.scales)
    C = np.concatenate([rows.of_f, rows.of_g], axis=1)
    A = np.concatenate([rows.absolute_f, rows.absolute_g], axis=1)

    D, of_D = (sums_over_classes(part, labels, scales, n_classes) for part in (C, A))
    terms = [
        Term(D, of_D + len(labels) * TINY, h[1].take(representatives)),
        Term(C[:, m], A[:, m], rests),
    ]
    for one, start, own_labels in zip(h, (0, n_f), below.labels):
        alone = np.flatnonzero(own_labels < 0)
        of_alone = start + alone
        terms.append(Term(C[:, of_alone], A[:, of_alone], one.take(alone)))
    return _sum(terms, rows.b, rows.absolute_b, np.arange(n_symbols))


def _sharpened(z: Sequence[Zonotope], delta: Zonotope, members: Members) -> tuple[Bounds, Bounds]:
    """Return bounds of all z, and of delta = z_m - s z_c, each sharpened by the others."""
    low, high = (np.concatenate(ends) for ends in zip(*(one.bounds for one in z)))
    m, c = members.neurons, members.representatives
    of_m, multiple = Bounds(low[m], high[m]), Bounds(low[c], high[c]).times(members.scale)
    of_delta = delta.bounds.within(of_m.minus(multiple))
    low[m], high[m] = of_m.within(multiple.plus(of_delta))
    return Bounds(low, high), of_delta


# ReLU


def relaxed_relu(z: Zonotope, bounds: Bounds) -> tuple[Zonotope, Array]:
    """Return h and half with relu(z) = h +- half.

    For any slope in [0, 1], that of the chord too if it is rounded,

        0 <= relu(z) - slope z <= max(-slope low, (1 - slope) high).
    """
    up, down = np.maximum(bounds.high, 0.0), np.maximum(-bounds.low, 0.0)
    slope = up / np.where(up + down > 0.0, up + down, 1.0)
    half = np.maximum(slope * down, (1.0 - slope) * up) / 2.0
    half = half * GUARD + 2.0 * SMALLEST * ((up > 0.0) & (down > 0.0))
    return _scaled(z, slope, half, Bounds(np.maximum(bounds.low, 0.0), up)), half


def relaxed_rests(
    delta: Zonotope, of_delta: Bounds, bounds: Bounds, members: Members
) -> tuple[Zonotope, Array]:
    """Return r and half with relu(z_m) - relu(s z_c) = r +- half, delta = z_m - s z_c.

    With a = z_m and b = s z_c, three enclosures hold (PROOFS, Lemma 9), and the narrowest is taken:

    1. delta + [-(-b_low)^+, (-a_low)^+],
    2. [max(min(delta_low, 0), -b_high^+), min(delta_high^+, a_high^+)],
    3. delta / 2 +- max |delta| / 2.
    """
    a, b = bounds.take(members.neurons), bounds.take(members.representatives).times(members.scale)
    below_a, below_b = np.maximum(-a.low, 0.0), np.maximum(-b.low, 0.0)
    low = np.maximum(np.minimum(of_delta.low, 0.0), -np.maximum(b.high, 0.0))
    high = np.minimum(np.maximum(of_delta.high, 0.0), np.maximum(a.high, 0.0))

    middles = np.stack([(below_a - below_b) / 2.0, low / 2.0 + high / 2.0, np.zeros_like(low)])
    widths = np.stack([below_a + below_b, high - low, of_delta.largest])
    halves = widths / 2.0 * GUARD + 2.0 * SMALLEST * (widths > 0.0)
    best = halves.argmin(axis=0)
    slope, middle = np.choose(best, [1.0, 0.0, 0.5]), np.choose(best, middles)

    of_rest = of_delta.plus(Bounds(-below_b, below_a)).within(Bounds(low, high))
    return _scaled(delta, slope, middle, of_rest), halves.min(axis=0)


def _scaled(v: Zonotope, slope: Array, middle: Array, bounds: Bounds) -> Zonotope:
    """Return slope v + middle, for slopes in [0, 1]: at most two roundings a number."""
    rounding = 4.0 * UNIT_ROUNDOFF * (slope * v.magnitude + np.abs(middle))
    underflow = SMALLEST * (v.G.shape[1] + 4) * ((slope > 0.0) | (middle != 0.0))
    return Zonotope(
        slope * v.c + middle, (slope * v.e + rounding) * GUARD + underflow,
        slope[:, np.newaxis] * v.G, v.symbols, slope * v.reach * GUARD + underflow, bounds,
    )


def _with_symbols(v: Zonotope, half: Array, n_symbols: int) -> Zonotope:
    """Return v +- half, each half with a symbol of its own, but for those as small as roundings."""
    relaxed = np.asarray((half > ROUNDING * v.magnitude).any(axis=1))
    which, p = np.flatnonzero(relaxed), v.G.shape[1]
    G = np.zeros((len(v.c), p + len(which), v.c.shape[1]))
    G[:, :p] = v.G
    G[which, p + np.arange(len(which))] = half[which]
    relaxed = relaxed[:, np.newaxis]
    return Zonotope(
        v.c, np.where(relaxed, v.e, (v.e + half) * GUARD), G,
        np.append(v.symbols, n_symbols + np.arange(len(which))),
        np.where(relaxed, (v.reach + half) * GUARD, v.reach), v.bounds,
    )


def _influence(z: Sequence[Zonotope], bounds: Bounds, d: int) -> Array:
    """Return each input's share, (d, B), in the errors of the unstable neurons' relaxations.

    That of z in [-l, u] is off by up to u l / (u + l), of which inputs have shares as their slopes.
    """
    up, down = np.maximum(bounds.high, 0.0), np.maximum(-bounds.low, 0.0)
    slopes = np.abs(np.concatenate([one.G[:, :d] for one in z]))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(up * down > 0.0, up / (up + down) * down / slopes.sum(axis=1), 0.0)
    return np.asarray(np.einsum("npb,nb->pb", slopes, np.where(np.isfinite(share), share, 0.0)))
