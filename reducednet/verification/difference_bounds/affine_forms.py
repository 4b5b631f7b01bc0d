"""Bounds of many quantities over many regions at once: intervals, and linear bounds in the inputs.

A quantity v(x), x in a region, is known by an interval and, if wanted, by an affine form:

    |v - m| <= r,        |v - c - a.t| <= e,        x = middle + radius t,    t in [-1, 1]^p.

Every operation enlarges r and e by what float64 can lose in it, so that these are theorems about the
real function (THEORY, section 9):

    |fl(W v) - W v| <= gamma_n |W| |v| + n eta

in any order of summation; eta is the smallest positive number, what a product that underflows loses. A
bound that overflowed is inf or nan and proves nothing: whoever decides by it asks for a finite one.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Ball, Box, Domain, Hull
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma

GUARD = 1.0 + 64.0 * UNIT_ROUNDOFF
"""Makes up for the few roundings with which sums of errors are found themselves."""

CACHE = 1 << 17
"""How many numbers of a matrix are worked on at a time, where a new array of its size would be needed."""
LONG, FEW = 2048, 32
"""Rows of at least so many entries, if they are no more than so many, are summed in blocks."""


class Forms(NamedTuple):
    """n quantities over each of B regions.

    values : array (n, 1, B), the middles m; or (n, 2 + p, B), behind them c and the slopes a
    radii : array (n, 1, B), r; or (n, 2, B), r and e
    """

    values: Array
    radii: Array

    @property
    def slopes(self) -> Array:
        """The slopes a, (n, p, B); none where only intervals are kept."""
        return self.values[:, 2:]

    @property
    def magnitude(self) -> Array:
        """Return |m| + r, and |c| + |a|.1 + e: no less than |v|, however many slopes are added up."""
        result = np.abs(self.values[:, :1]) + self.radii[:, :1]
        if self.radii.shape[1] > 1:
            linear = np.abs(self.values[:, 1:]).sum(axis=1, keepdims=True) + self.radii[:, 1:]
            result = np.concatenate([result, linear], axis=1)
        return result * (1.0 + gamma(self.values.shape[1] + 4))

    @property
    def is_zero(self) -> bool:
        """Whether all of them are exactly 0."""
        return not (self.values.any() or self.radii.any())

    def take(self, index: np.ndarray) -> Forms:
        """Return the forms of these indices."""
        return Forms(self.values[index], self.radii[index])

    def intervals(self) -> Forms:
        """Return the intervals alone."""
        return Forms(self.values[:, :1], self.radii[:, :1])

    def zeros(self, n: int) -> Forms:
        """Return n forms of the same kind that are 0."""
        return Forms(np.zeros((n, *self.values.shape[1:])), np.zeros((n, *self.radii.shape[1:])))


class Region(NamedTuple):
    """B sets { middle + radius t }: t in the cube, for a ball in the unit ball, for a hull in that of `points`.

    middle, radius : arrays (d, B)
    kind : "box", "ball" or "hull"
    points : array (n_points, d), the hull's points in the coordinates t; else empty
    """

    middle: Array
    radius: Array
    kind: str
    points: Array

    @property
    def n_sets(self) -> int:
        """The number B of sets."""
        return self.middle.shape[1]

    def inputs(self) -> Forms:
        """Return x itself, with p = d."""
        d, n = self.middle.shape
        values = np.zeros((d, 2 + d, n))
        values[:, 0] = values[:, 1] = self.middle
        values[np.arange(d), np.arange(2, d + 2)] = self.radius
        return Forms(values, np.stack([self.radius, np.zeros((d, n))], axis=1))

    def extremes(self, slopes: Array) -> tuple[Array, Array]:
        """Return bounds (low, high) of a.t for slopes (n, p, B), each (n, B), from outside."""
        p = slopes.shape[1]
        spread = np.abs(slopes).sum(axis=1)
        if self.kind == "hull":
            products = np.einsum("npb,ip->nib", slopes, self.points)
            margin = gamma(p + 8) * spread + p * SMALLEST
            return products.min(axis=1) - margin, products.max(axis=1) + margin
        spread *= 1.0 + gamma(p + 2)
        if self.kind == "ball":
            largest = np.abs(slopes).max(axis=1)
            scaled = slopes / np.where(largest > 0.0, largest, 1.0)[:, np.newaxis]
            norm = largest * np.sqrt((scaled * scaled).sum(axis=1)) * (1.0 + gamma(p + 8)) + p * SMALLEST
            spread = np.minimum(norm, spread)
        return -spread, spread

    def bounds(self, forms: Forms) -> tuple[Array, Array]:
        """Return numbers (low, high) with low <= v <= high on each region, each (n, B)."""
        low, high = _ends(forms.values[:, 0], 0.0, 0.0, forms.radii[:, 0])
        if forms.radii.shape[1] == 1:
            return low, high
        down, up = _ends(forms.values[:, 1], *self.extremes(forms.slopes), forms.radii[:, 1])
        return np.maximum(low, down), np.minimum(high, up)


def _ends(c: Array, low: Array | float, high: Array | float, e: Array) -> tuple[Array, Array]:
    """Return numbers below c + low - e and above c + high + e."""
    margin = 4.0 * UNIT_ROUNDOFF * (np.abs(c) + np.maximum(np.abs(low), np.abs(high)) + e) + SMALLEST
    return c + low - e - margin, c + high + e + margin


def region_of(domain: Domain) -> Region:
    """Return the domain as one region."""
    none = np.empty((0, domain.n_inputs))
    if isinstance(domain, Ball):
        radius = np.full((domain.n_inputs, 1), domain.radius)
        return Region(domain.centre[:, np.newaxis], radius, "ball", none)
    if isinstance(domain, Hull):
        box = boxes(domain.points.min(axis=0)[:, np.newaxis], domain.points.max(axis=0)[:, np.newaxis])
        radius = np.where(box.radius > 0.0, box.radius, 1.0)
        return box._replace(kind="hull", points=(domain.points - box.middle.T) / radius.T)
    assert isinstance(domain, Box)
    return boxes(domain.low[:, np.newaxis], domain.high[:, np.newaxis])


def boxes(low: Array, high: Array) -> Region:
    """Return the boxes of these corners, each (d, B), as regions that contain them."""
    middle, radius = _middle_and_reach(low, high)
    return Region(middle, radius, "box", np.empty((0, len(low))))


def _middle_and_reach(low: Array, high: Array) -> tuple[Array, Array]:
    """Return m and r with m - r <= low and high <= m + r, and r = 0 where low = high."""
    middle = low / 2.0 + high / 2.0
    reach = np.maximum(high - middle, middle - low)
    return middle, np.where(reach > 0.0, np.nextafter(reach, np.inf), 0.0)


def times(W: Array, stack: Array) -> Array:
    """Return W v for a matrix (m, n) and an array (n, k, B), as (m, k, B).

    What float64 loses is at most gamma(roundings(W)) |W| |v|, and is for the caller to charge. A few long rows are
    summed in blocks, so that no term goes through more than about 2 sqrt(n) additions.
    """
    n, k, count = stack.shape
    block = _block(W)
    columns = stack.reshape(n, k * count)
    if block == n:
        return (W @ columns).reshape(len(W), k, count)
    whole = n - n % block
    pieces = W[:, :whole].reshape(len(W), -1, block).transpose(1, 0, 2)
    sums = pieces @ columns[:whole].reshape(-1, block, k * count)
    return np.asarray((sums.sum(axis=0) + W[:, whole:] @ columns[whole:]).reshape(len(W), k, count))


def roundings(W: Array) -> int:
    """Return through how many roundings a term of W v goes in `times`."""
    n, block = W.shape[1], _block(W)
    return n if block == n else block + n // block + 2


def _block(W: Array) -> int:
    """Return the length of the blocks that the sums of W v are taken in."""
    n = W.shape[1]
    return n if n < LONG or len(W) > FEW else int(np.sqrt(n))


def times_absolute(W: Array, stack: Array) -> Array:
    """Return |W| v, without an array of the size of W in between."""
    rows = max(1, CACHE // max(1, W.shape[1]))
    if len(W) <= rows:
        return times(np.abs(W), stack)
    return np.concatenate([times(np.abs(W[start:start + rows]), stack) for start in range(0, len(W), rows)])


def with_interval(values: Array, radii: Array, low: Array, high: Array) -> Forms:
    """Return the forms with the interval [low, high] in the place of their own."""
    values[:, 0], radii[:, 0] = _middle_and_reach(low, high)
    return Forms(values, radii)


def relu(forms: Forms, region: Region) -> Forms:
    """Return forms of max(z, 0).

    With z in [l, u] and any slope s in [0, 1], max(z, 0) - s z lies in [0, max(-s l, (1 - s) u)]:
    s = 1 where l >= 0, 0 where u <= 0, else u / (u - l).
    """
    low, high = region.bounds(forms)
    u, l = np.maximum(high, 0.0), np.maximum(-low, 0.0)  # noqa: E741
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(u == 0.0, 0.0, np.where(l == 0.0, 1.0, u / (u + l)))
    half = np.maximum(slope * l, (1.0 - slope) * u) / 2.0 + 2.0 * SMALLEST * ((u > 0.0) & (l > 0.0))
    result = sloped(forms, slope, half, half)
    return with_interval(*result, np.maximum(low, 0.0), u)


def sloped(forms: Forms, slope: Array, middle: Array, half: Array) -> Forms:
    """Return forms of s v + m +- half, for slopes s in [0, 1]; their intervals are still to be set."""
    values, radii = forms.values * slope[:, np.newaxis], forms.radii * slope[:, np.newaxis]
    if radii.shape[1] == 2:
        values[:, 1] += middle
        sizes = slope * forms.magnitude[:, 1] + np.abs(middle)
        some = SMALLEST * ((slope > 0.0) | (half > 0.0))
        radii[:, 1] = (radii[:, 1] + half) * GUARD + 4.0 * UNIT_ROUNDOFF * sizes + values.shape[1] * some
    return Forms(values, radii)
