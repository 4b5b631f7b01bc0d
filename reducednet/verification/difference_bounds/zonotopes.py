"""Bound the difference of two deep ReLU networks by differential zonotopes, on many boxes at once.

A zonotope writes quantities as c + G t +- e, with symbols t in [-1, 1]: one for each input, and one
for the error of each relaxed neuron, so that these errors cancel further up as the inputs do; e
holds rounding errors alone. There are zonotopes of three kinds: the activations of f, those of g,
and the rests r = h_m - s h_c of the neurons that are matched with one of g's. Each sharpens the
bounds of the others.

The field calls this differential verification with differential zonotopes (VeryDiff: Teuber, Kern,
Janzen, Beckert, AAAI 2025, arXiv 2410.20207; ReluDiff: Paulsen, Wang, Wang, ICSE 2020).

References
----------
PROOFS, section 24.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...networks.affine_maps import affine_maps
from ...networks.network import Network
from ...networks.parameters import Affine
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma
from .affine_forms import GUARD, Region, absolute_sums, outward
from .neuron_classes import LayerActivations, Match, sums_over_classes


class Zonotope(NamedTuple):
    """Quantities v = c + G t +- e over each of B boxes.

    c, e : arrays (n, B)
    G : array (n, p, B)
    symbols : integer array (p,), the numbers of the symbols t; the inputs are 0 to d - 1
    reach : array (n, B), not below sum_j |G_j|
    bounds : Bounds of v, not wider than c -+ (reach + e)
    """

    c: Array
    e: Array
    G: Array
    symbols: np.ndarray
    reach: Array
    bounds: Bounds

    @property
    def magnitude(self) -> Array:
        """Upper bounds of |v|, and of |c| + sum |G| + e."""
        return np.asarray((np.abs(self.c) + self.reach + self.e) * GUARD)

    def take(self, index: np.ndarray) -> Zonotope:
        """Return some of the quantities."""
        return Zonotope(
            self.c[index], self.e[index], self.G[index], self.symbols, self.reach[index],
            self.bounds.take(index),
        )

    def within(self, bounds: Bounds) -> Zonotope:
        """Return the zonotope with these bounds, sharpened by c -+ (reach + e) rounded outward."""
        width = (self.reach + self.e) * GUARD
        own = Bounds(outward(self.c - width, -1.0), outward(self.c + width, 1.0))
        return self._replace(bounds=own.within(bounds))


class Bounds(NamedTuple):
    """Bounds low <= v <= high, arrays (n, B)."""

    low: Array
    high: Array

    def take(self, index: np.ndarray) -> Bounds:
        """Return the bounds of some of the quantities."""
        return Bounds(self.low[index], self.high[index])

    def within(self, other: Bounds) -> Bounds:
        """Return the intersection with other bounds."""
        return Bounds(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    def plus(self, other: Bounds) -> Bounds:
        """Return bounds of v + w."""
        return Bounds(outward(self.low + other.low, -1.0), outward(self.high + other.high, 1.0))

    def times(self, scale: Array) -> Bounds:
        """Return bounds of s v for scales s > 0, an array (n, 1)."""
        return Bounds(outward(scale * self.low, -1.0), outward(scale * self.high, 1.0))

    def middle_and_radius(self) -> tuple[Array, Array]:
        """Return m and r with [low, high] in [m - r, m + r]."""
        middle = self.low / 2.0 + self.high / 2.0
        return middle, np.maximum(self.high - middle, middle - self.low) * GUARD

    def negative(self) -> Bounds:
        """Return bounds of -v."""
        return Bounds(-self.high, -self.low)


class Members(NamedTuple):
    """The neurons near a multiple of another one, which is g's: z_m = s z_c, nearly, with s > 0.

    Neurons of both networks are numbered through, f's before g's. Members of f come first.

    index, index_c : the numbers m and c
    scale : array (n, 1), s
    n_of_f : how many are members of f
    """

    index: np.ndarray
    index_c: np.ndarray
    scale: Array
    n_of_f: int


class Classes(NamedTuple):
    """The classes of one layer of both networks.

    representatives : the indices of g's neurons that stand for the classes
    labels, scales : for each network; -1 and 0 for neurons alone
    members : Members
    """

    representatives: np.ndarray
    labels: list[np.ndarray]
    scales: list[Array]
    members: Members

    def alone(self, network: int) -> np.ndarray:
        """Return the indices of a network's neurons without a class."""
        return np.flatnonzero(self.labels[network] < 0)


class Term(NamedTuple):
    """A part C v of a sum: the coefficients, not less than their absolute values, and v.

    `absolute` bounds the coefficients' terms where these are sums themselves, so that gamma times
    it bounds their rounding errors.
    """

    coefficients: Array
    absolute: Array
    v: Zonotope


class ZonotopeDifference(NamedTuple):
    """Bounds of f - g over each box.

    low, high : arrays (n_outputs, B)
    slopes : array (n_outputs, d, B), of f - g along the coordinates t of the boxes
    influence : array (d, B), see `Difference`
    """

    low: Array
    high: Array
    slopes: Array
    influence: Array


def zonotope_difference(
    networks: tuple[Network, Network], region: Region, matches: Sequence[Match]
) -> ZonotopeDifference:
    """Bound f - g over each box of the region.

    Parameters
    ----------
    networks : (f, g)
        ReLU networks of one depth.
    region : Region
        Of boxes.
    matches : sequence of Match
        The classes of each hidden layer.
    """
    maps = [affine_maps(network) for network in networks]
    own = [_inputs(region)] * 2
    d = n_symbols = len(region.middle)
    terms = [_input_classes(d), own[1].take(np.arange(0))]
    below, rests = terms
    influence = np.zeros((d, region.n_sets))
    for number, match in enumerate(matches):
        layers = [network[number] for network in maps]
        z = [combine([_term(layer.W, h)], layer.b, h.symbols) for layer, h in zip(layers, own)]
        classes = classes_of(match)
        members = classes.members
        delta = _differences(_rows(layers, members), below, own, rests, n_symbols)
        delta = _closer(delta, z, members, n_symbols)
        bounds, of_delta = _sharpened([one.bounds for one in z], delta.bounds, members)

        n_f = len(z[0].c)
        influence += _influence(z, bounds, d)
        h, halves = zip(*(
            _relu(one, part) for one, part in
            zip(z, (bounds.take(np.arange(n_f)), bounds.take(np.arange(n_f, len(bounds.low)))))
        ))
        own = []
        for one, half in zip(h, halves):
            own.append(_with_symbols(one, half, n_symbols))
            n_symbols = max(n_symbols, 1 + own[-1].symbols.max())
        rests, half = _rests(delta, of_delta, bounds, members)
        rests, half = _closer_rests(rests, half, own, np.concatenate(halves), bounds, members, n_symbols)
        rests = _with_symbols(rests, half, n_symbols)
        n_symbols += len(rests.symbols) - n_symbols
        below = classes
    outputs = np.arange(len(maps[0][-1].W))
    one = np.ones((len(outputs), 1))
    members = Members(outputs, outputs + len(outputs), one, len(outputs))
    layers = [network[-1] for network in maps]
    z = [combine([_term(layer.W, h)], layer.b, h.symbols) for layer, h in zip(layers, own)]
    delta = _differences(_rows(layers, members), below, own, rests, n_symbols)
    delta = _closer(delta, z, members, n_symbols)
    _, of_delta = _sharpened([one.bounds for one in z], delta.bounds, members)
    return ZonotopeDifference(*of_delta, delta.G[:, :d], influence)


def _inputs(region: Region) -> Zonotope:
    """Return the inputs x = middle + radius t themselves."""
    d, n_sets = region.middle.shape
    G = np.zeros((d, d, n_sets))
    G[np.arange(d), np.arange(d)] = region.radius
    ends = outward(region.middle - region.radius, -1.0), outward(region.middle + region.radius, 1.0)
    zero = np.zeros((d, n_sets))
    return Zonotope(region.middle, zero, G, np.arange(d), region.radius, Bounds(*ends))


def _input_classes(d: int) -> Classes:
    """Return the classes of the inputs: each is one, of both networks."""
    every = np.arange(d)
    nobody = np.zeros(0, dtype=int)
    members = Members(nobody, nobody, np.zeros((0, 1)), 0)
    return Classes(every, [every, every], [np.ones(d), np.ones(d)], members)


def classes_of(match: Match) -> Classes:
    """Return the classes that a match proposes, with representatives of g alone.

    Classes without a neuron of g are dropped, and opposite neurons: they stand alone.
    """
    network, index = match.representatives()
    in_g = network == 1
    numbers = np.append(np.where(in_g, np.cumsum(in_g) - 1, -1), -1)
    representatives, n_f = index[in_g], len(match.labels[0])
    labels = [numbers[own] for own in match.labels]
    scales = [given.copy() for given in match.scales]
    scales[1][representatives] = 1.0
    labels = [np.where(s > 0.0, own, -1) for own, s in zip(labels, scales)]
    scales = [np.where(own >= 0, s, 0.0) for own, s in zip(labels, scales)]

    is_member = np.concatenate(labels) >= 0
    is_member[n_f + representatives] = False
    m = np.flatnonzero(is_member)
    c = n_f + representatives[np.concatenate(labels)[m]]
    s = np.concatenate(scales)[m][:, np.newaxis]
    return Classes(representatives, labels, scales, Members(m, c, s, int((m < n_f).sum())))


# affine maps


def _term(W: Array, v: Zonotope) -> Term:
    return Term(W, np.abs(W), v)


def combine(terms: Sequence[Term], b: Array | None, symbols: np.ndarray) -> Zonotope:
    """Return the sum of C v and of b over these symbols, which hold all that occur in the terms.

    With n the number of all quantities v, a term of C goes through at most n + 2 roundings where C
    is a sum over classes, one of them times a scale; its product with v through n, and n terms and
    b are added: fewer than R = 2 n + 16 together. So with A = `absolute`,

        e = A (e_v + gamma_R |v|) + 2 u |c|,

    a sum of fewer than R roundings itself.
    """
    n_sets = terms[0].v.c.shape[1]
    rows, n = len(terms[0].coefficients), sum(len(term.v.c) for term in terms)
    c, e, middle, radius = np.zeros((4, rows, n_sets))
    G, underflow = np.zeros((rows, len(symbols), n_sets)), np.zeros(n_sets)
    position = np.zeros(1 + max(symbols), dtype=int)
    position[symbols] = np.arange(len(symbols))
    of_sum = gamma(2 * n + 16)
    for C, A, v in terms:
        c += C @ v.c
        magnitude = v.magnitude
        e += A @ (v.e + of_sum * magnitude + SMALLEST * (magnitude > 0.0))
        own_middle, own_radius = v.bounds.middle_and_radius()
        middle += C @ own_middle
        radius += np.abs(C) @ own_radius + of_sum * (A @ np.maximum(np.abs(v.bounds.low), np.abs(v.bounds.high)))
        p = v.G.shape[1]
        product = (C @ v.G.reshape(len(v.c), p * n_sets)).reshape(rows, p, n_sets)
        where = position[v.symbols]
        if p == len(symbols) and len(terms) == 1:
            G = product
        elif p and where[-1] - where[0] == p - 1:
            G[:, where[0]:where[-1] + 1] += product
        else:
            G[:, where] += product
        underflow += magnitude.sum(axis=0)
    if b is not None:
        c += b[:, np.newaxis]
        middle += b[:, np.newaxis]
    e += 2.0 * UNIT_ROUNDOFF * np.abs(c)
    underflow = SMALLEST * n * (4.0 * (len(symbols) + 2) + 4.0 * underflow)
    e = e * (GUARD + of_sum) + underflow
    radius = (radius + 4.0 * UNIT_ROUNDOFF * np.abs(middle)) * (GUARD + of_sum) + underflow
    bounds = Bounds(outward(middle - radius, -1.0), outward(middle + radius, 1.0))
    return Zonotope(c, e, G, symbols, _sums(G), bounds).within(bounds)


def _sums(G: Array) -> Array:
    """Return numbers not below sum_j |G_j|."""
    return absolute_sums(G) * (GUARD + gamma(G.shape[1]))


class Rows(NamedTuple):
    """Rows of a difference, over f's neurons and over g's, their absolute terms, and thresholds."""

    of_f: Array
    of_g: Array
    absolute_f: Array
    absolute_g: Array
    b: Array


def _rows(layers: Sequence[Affine], members: Members) -> Rows:
    """Return the rows of z_m - s z_c."""
    (W_f, b_f), (W_g, b_g) = (
        (W, np.zeros(len(W)) if b is None else b) for W, b in layers
    )
    n_f, n = len(W_f), members.n_of_f
    m_f, m_g, c, s = members.index[:n], members.index[n:] - n_f, members.index_c - n_f, members.scale
    of_f = np.zeros((len(c), W_f.shape[1]))
    of_f[:n] = W_f[m_f]
    multiple = s * W_g[c]
    of_g, absolute_g = -multiple, np.abs(multiple)
    of_g[n:] += W_g[m_g]
    absolute_g[n:] += np.abs(W_g[m_g])
    b = np.append(b_f[m_f], b_g[m_g]) - s[:, 0] * b_g[c]
    # its two roundings: `combine` charges twice that of the sum
    return Rows(of_f, of_g, np.abs(of_f), absolute_g, b)


def _differences(
    rows: Rows, below: Classes, own: Sequence[Zonotope], rests: Zonotope, n_symbols: int
) -> Zonotope:
    """Return rows over the neurons below, each written as h_m = s h_c + r_m if it is in a class."""
    terms = []
    coefficients = absolute = None
    sides = (rows.of_f, rows.absolute_f), (rows.of_g, rows.absolute_g)
    n_classes = len(below.representatives)
    D = A = np.zeros((len(rows.b), n_classes))
    for k, (C, own_absolute) in enumerate(sides):
        layer = LayerActivations(below.labels[k], below.scales[k], None)
        D = D + sums_over_classes(C, layer, n_classes)
        A = A + sums_over_classes(own_absolute, layer, n_classes)
        alone = below.alone(k)
        if len(alone):
            terms.append(Term(C[:, alone], own_absolute[:, alone], own[k].take(alone)))
    terms.append(Term(D, A, own[1].take(below.representatives)))
    members = below.members
    if len(members.index):
        n, n_f = members.n_of_f, rows.of_f.shape[1]
        m_f, m_g = members.index[:n], members.index[n:] - n_f
        C = np.concatenate([rows.of_f[:, m_f], rows.of_g[:, m_g]], axis=1)
        A = np.concatenate([rows.absolute_f[:, m_f], rows.absolute_g[:, m_g]], axis=1)
        terms.append(Term(C, A, rests))
    return combine(terms, rows.b, np.arange(n_symbols))


# differences


def _over_all(v: Zonotope, n_symbols: int) -> Array:
    """Return G with a column for each of the symbols."""
    G = np.zeros((len(v.c), n_symbols, v.c.shape[1]))
    G[:, v.symbols] = v.G
    return G


def _subtract(one: Zonotope, scale: Array, other: Zonotope, n_symbols: int) -> Zonotope:
    """Return one - scale other, over all symbols: two roundings a number."""
    s = scale[:, :, np.newaxis]
    G = _over_all(one, n_symbols) - s * _over_all(other, n_symbols)
    rounding = 2.0 * UNIT_ROUNDOFF * (one.magnitude + scale * other.magnitude)
    e = (one.e + scale * other.e + rounding) * GUARD + 4.0 * (n_symbols + 2) * SMALLEST
    bounds = one.bounds.plus(other.bounds.times(scale).negative())
    c = one.c - scale * other.c
    return Zonotope(c, e, G, np.arange(n_symbols), _sums(G), bounds).within(bounds)


def _closer(
    delta: Zonotope, z: Sequence[Zonotope], members: Members, n_symbols: int
) -> Zonotope:
    """Return delta, or z_m - s z_c by the networks' own zonotopes where that is closer."""
    n, d = members.n_of_f, int(z[0].symbols[z[0].symbols == np.arange(len(z[0].symbols))].size)
    return _replaced(delta, z, members, n_symbols, None, delta.reach)


def _reach_of_difference(z: Sequence[Zonotope], members: Members) -> Array:
    """Return about how far z_m - s z_c reaches from its middle, for the members of f.

    Only the inputs' symbols are shared.
    """
    n, n_f = members.n_of_f, len(z[0].c)
    m, c, s = members.index[:n], members.index_c[:n] - n_f, members.scale[:n]
    both = np.intersect1d(z[0].symbols, z[1].symbols)
    d = len(both)
    one, other = z[0].G[m, :d], z[1].G[c, :d]
    shared = absolute_sums(one - s[:, :, np.newaxis] * other)
    return shared + z[0].reach[m] - absolute_sums(one) + s * (z[1].reach[c] - absolute_sums(other))


def _replaced(
    v: Zonotope, z: Sequence[Zonotope], members: Members, n_symbols: int, cost: Array | None,
    limit: Array,
) -> Zonotope:
    """Return v, replaced by z_m - s z_c where its cost is below a limit."""
    n, n_f = members.n_of_f, len(z[0].c)
    cost = _reach_of_difference(z, members) if cost is None else cost[:n]
    better = cost < limit[:n]
    which = np.flatnonzero(better.any(axis=1))
    if not len(which):
        return v
    other = _subtract(
        z[0].take(members.index[which]), members.scale[which],
        z[1].take(members.index_c[which] - n_f), n_symbols,
    )
    here = better[which]
    if v.G.shape[1] < n_symbols:
        v = v._replace(G=_over_all(v, n_symbols), symbols=np.arange(n_symbols))
    v = v._replace(bounds=Bounds(v.bounds.low.copy(), v.bounds.high.copy()))
    v.bounds.low[which] = np.maximum(v.bounds.low[which], other.bounds.low)
    v.bounds.high[which] = np.minimum(v.bounds.high[which], other.bounds.high)
    for mine, new in ((v.c, other.c), (v.e, other.e), (v.reach, other.reach)):
        mine[which] = np.where(here, new, mine[which])
    v.G[which] = np.where(here[:, np.newaxis], other.G, v.G[which])
    return v


def _sharpened(
    z: Sequence[Bounds], delta: Bounds, members: Members
) -> tuple[Bounds, Bounds]:
    """Return bounds of all z, and of delta = z_m - s z_c, each sharpened by the others."""
    low, high = (np.concatenate(ends) for ends in zip(*z))
    m, multiple = members.index, Bounds(low, high).take(members.index_c).times(members.scale)
    of_m = Bounds(low[m], high[m])
    delta = delta.within(of_m.plus(multiple.negative()))
    low[m], high[m] = of_m.within(multiple.plus(delta))
    return Bounds(low, high), delta


# ReLU


def _relu(z: Zonotope, bounds: Bounds) -> tuple[Zonotope, Array]:
    """Return relu(z) without the errors of its relaxation, and these errors.

    relu(z) - slope z is in [0, max(-slope low, (1 - slope) high)] for any slope in [0, 1]: that of
    the chord. So it is slope z + half +- half.
    """
    up, down = np.maximum(bounds.high, 0.0), np.maximum(-bounds.low, 0.0)
    slope = np.where(up == 0.0, 0.0, np.where(down == 0.0, 1.0, up / (up + down)))
    slope = np.where(np.isfinite(slope), slope, 0.5)
    half = np.maximum(slope * down, (1.0 - slope) * up) / 2.0
    half = half * GUARD + 2.0 * SMALLEST * ((up > 0.0) & (down > 0.0))
    activation = Bounds(np.maximum(bounds.low, 0.0), up)
    return _scaled(z, slope, half)._replace(bounds=activation), half


def _scaled(v: Zonotope, slope: Array, middle: Array) -> Zonotope:
    """Return slope v + middle, slopes in [0, 1]: at most two roundings a number."""
    rounding = 4.0 * UNIT_ROUNDOFF * (slope * v.magnitude + np.abs(middle))
    underflow = SMALLEST * (v.G.shape[1] + 4) * ((slope > 0.0) | (middle != 0.0))
    return Zonotope(
        slope * v.c + middle, (slope * v.e + rounding) * GUARD + underflow,
        slope[:, np.newaxis] * v.G, v.symbols, slope * v.reach * GUARD + underflow, v.bounds,
    )


def _with_symbols(v: Zonotope, half: Array, n_symbols: int) -> Zonotope:
    """Return v +- half, each half that is not 0 on all boxes with a symbol of its own."""
    which = np.flatnonzero(half.any(axis=1))
    p = v.G.shape[1]
    G = np.zeros((len(v.c), p + len(which), v.c.shape[1]))
    G[:, :p] = v.G
    G[which, p + np.arange(len(which))] = half[which]
    symbols = np.append(v.symbols, n_symbols + np.arange(len(which)))
    return Zonotope(v.c, v.e, G, symbols, (v.reach + half) * GUARD, v.bounds)


def _rests(
    delta: Zonotope, of_delta: Bounds, bounds: Bounds, members: Members
) -> tuple[Zonotope, Array]:
    """Return relu(z_m) - relu(s z_c) without the errors of its relaxation, and these errors.

    With a = z_m, b = s z_c and delta = a - b, three enclosures hold (PROOFS, Lemma 9):

    1. delta + [-(-b_low)^+, (-a_low)^+],
    2. [max(min(delta_low, 0), -b_high^+), min(delta_high^+, a_high^+)],
    3. delta / 2 +- max |delta| / 2.
    """
    a, b = bounds.take(members.index), bounds.take(members.index_c).times(members.scale)
    below_a, below_b = np.maximum(-a.low, 0.0), np.maximum(-b.low, 0.0)
    low = np.maximum(np.minimum(of_delta.low, 0.0), -np.maximum(b.high, 0.0))
    high = np.minimum(np.maximum(of_delta.high, 0.0), np.maximum(a.high, 0.0))
    high = np.maximum(low, high)
    largest = np.maximum(np.abs(of_delta.low), np.abs(of_delta.high))
    middles = np.stack([(below_a - below_b) / 2.0, low / 2.0 + high / 2.0, np.zeros_like(low)])
    widths = np.stack([below_a + below_b, high - low, largest])
    halves = widths / 2.0 * GUARD + 2.0 * SMALLEST * (widths > 0.0)
    best = halves.argmin(axis=0)
    slope = np.choose(best, [1.0, 0.0, 0.5])
    half = np.choose(best, halves)
    by_strip = of_delta.plus(Bounds(-below_b, below_a))
    bounds_ = Bounds(low, high).within(by_strip)
    bounds_ = Bounds(bounds_.low, np.maximum(bounds_.low, bounds_.high))
    return _scaled(delta, slope, np.choose(best, middles))._replace(bounds=bounds_), half


def _closer_rests(
    rests: Zonotope, half: Array, own: Sequence[Zonotope], halves: Array, bounds: Bounds,
    members: Members, n_symbols: int,
) -> tuple[Zonotope, Array]:
    """Return the rests, or h_m - s h_c by the networks' own zonotopes where that adds less error.

    Its error is that of both relaxations, which have symbols already. Where one of the two is dead
    the difference is the other, and nothing is lost.
    """
    m, c, s = members.index, members.index_c, members.scale
    cost = halves[m] + s * halves[c]
    cost = np.where((bounds.high[m] <= 0.0) | (bounds.high[c] <= 0.0), 0.0, cost)
    rests = _replaced(rests, own, members, n_symbols, cost, half)
    n = members.n_of_f
    if n:
        half[:n][cost[:n] < half[:n]] = 0.0
    if rests.G.shape[1] < n_symbols:
        rests = rests._replace(G=_over_all(rests, n_symbols), symbols=np.arange(n_symbols))
    return rests, half


def _influence(z: Sequence[Zonotope], bounds: Bounds, d: int) -> Array:
    """Return each input's share, (d, B), in the errors of the unstable neurons' relaxations."""
    up, down = np.maximum(bounds.high, 0.0), np.maximum(-bounds.low, 0.0)
    slopes = np.abs(np.concatenate([one.G[:, :d] for one in z]))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(up * down > 0.0, up / (up + down) * down / slopes.sum(axis=1), 0.0)
    return np.einsum("npb,nb->pb", slopes, np.where(np.isfinite(share), share, 0.0))
