"""Bound many quantities over many regions at once, by intervals and by affine forms of the inputs.

A quantity v(x), x in a region, is enclosed by an interval and, if wanted, by an affine form with
one error term:

    |v - m| <= r,        |v - c - a.t| <= e,        x = middle + radius t,    t in [-1, 1]^p.

Every operation adds its own rounding error to r and e, so the bounds are theorems about the real
function (PROOFS, section 11). For sums of products, in any order of summation,

    |fl(W v) - W v| <= gamma_n |W| |v| + n eta,

with eta the smallest positive number, the most that an underflowing product can be off by. A bound
that overflows becomes inf or nan and proves nothing: callers must check that it is finite.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Ball, Box, Domain, Hull
from ...numerics import blocks
from ...numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma

GUARD = 1.0 + 64.0 * UNIT_ROUNDOFF
"""A factor that covers the few roundings made while the errors themselves are added up."""

CHUNK = 1 << 17
"""The largest number of entries of a matrix W of which |W| is formed as a whole."""

LONG_ROW, FEW_ROWS = 2048, 32
"""At most FEW_ROWS rows of at least LONG_ROW entries are summed in blocks."""


class Forms(NamedTuple):
    """Enclosures of n quantities over each of B regions.

    values : array (n, 1, B), the middles m; or (n, 2 + p, B), m, c and the slopes a
    radii : array (n, 1, B), the radii r; or (n, 2, B), r and e
    """

    values: Array
    radii: Array

    @property
    def slopes(self) -> Array:
        """The slopes a, (n, p, B); p = 0 where only intervals are kept."""
        return self.values[:, 2:]

    @property
    def magnitude(self) -> Array:
        """Upper bounds of |v|: |m| + r, and |c| + sum |a| + e where there are affine forms."""
        result = np.abs(self.values[:, :1]) + self.radii[:, :1]
        if self.radii.shape[1] > 1:
            linear = absolute_sums(self.values[:, 1:])[:, np.newaxis] + self.radii[:, 1:]
            result = np.concatenate([result, linear], axis=1)
        return result * (1.0 + gamma(self.values.shape[1] + 4))

    def take(self, index: np.ndarray) -> Forms:
        """Return the forms at these indices."""
        return Forms(self.values[index], self.radii[index])

    def intervals(self) -> Forms:
        """Return the intervals without the affine forms."""
        return Forms(self.values[:, :1], self.radii[:, :1])

    def zeros(self, n: int) -> Forms:
        """Return forms of n zeros, over the same regions and with as many slopes."""
        return Forms(np.zeros((n, *self.values.shape[1:])), np.zeros((n, *self.radii.shape[1:])))


class Region(NamedTuple):
    """B sets { middle + radius t }, with t in the cube, the unit ball, or the hull of `points`.

    middle, radius : arrays (d, B)
    kind : "box", "ball" or "hull"
    points : array (n_points, d), a hull's points in the coordinates t; otherwise empty
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
        """Return the affine forms of the inputs x themselves, with p = d."""
        d, n = self.middle.shape
        values = np.zeros((d, 2 + d, n))
        values[:, 0] = values[:, 1] = self.middle
        values[np.arange(d), np.arange(2, d + 2)] = self.radius
        return Forms(values, np.stack([self.radius, np.zeros((d, n))], axis=1))

    def linear_bounds(self, slopes: Array) -> tuple[Array, Array]:
        """Return (low, high), each (n, B), with low <= a.t <= high for slopes a of shape (n, p, B).

        For a hull these are the extremes over its points; otherwise -+ the support function at a,
        which is sum |a| for the cube and the Euclidean norm of a for the ball.
        """
        p = slopes.shape[1]
        spread = absolute_sums(slopes)
        if self.kind == "hull":
            products = np.einsum("npb,ip->nib", slopes, self.points)
            margin = gamma(p + 8) * spread + p * SMALLEST
            return products.min(axis=1) - margin, products.max(axis=1) + margin
        spread *= 1.0 + gamma(p + 2)
        if self.kind == "ball":
            largest = np.abs(slopes).max(axis=1)
            scaled = slopes / np.where(largest > 0.0, largest, 1.0)[:, np.newaxis]
            norm = largest * np.sqrt((scaled * scaled).sum(axis=1))
            norm = norm * (1.0 + gamma(p + 8)) + p * SMALLEST
            spread = np.minimum(norm, spread)
        return -spread, spread

    def bounds(self, forms: Forms) -> tuple[Array, Array]:
        """Return (low, high), each (n, B), with low <= v <= high on each region."""
        low, high = _sums_rounded_outward(forms.values[:, 0], 0.0, 0.0, forms.radii[:, 0])
        if forms.radii.shape[1] == 1:
            return low, high
        down, up = _sums_rounded_outward(
            forms.values[:, 1], *self.linear_bounds(forms.slopes), forms.radii[:, 1]
        )
        return np.maximum(low, down), np.minimum(high, up)


def _sums_rounded_outward(
    c: Array, low: Array | float, high: Array | float, e: Array
) -> tuple[Array, Array]:
    """Return a number at most c + low - e, and one at least c + high + e."""
    magnitude = np.abs(c) + np.maximum(np.abs(low), np.abs(high)) + e
    margin = 4.0 * UNIT_ROUNDOFF * magnitude + SMALLEST
    return c + low - e - margin, c + high + e + margin


def region_of(domain: Domain) -> Region:
    """Return the domain as a region of one set."""
    no_points = np.empty((0, domain.n_inputs))
    if isinstance(domain, Ball):
        radius = np.full((domain.n_inputs, 1), domain.radius)
        return Region(domain.centre[:, np.newaxis], radius, "ball", no_points)
    if isinstance(domain, Hull):
        low, high = domain.points.min(axis=0), domain.points.max(axis=0)
        box = boxes(low[:, np.newaxis], high[:, np.newaxis])
        radius = np.where(box.radius > 0.0, box.radius, 1.0)
        return box._replace(kind="hull", points=(domain.points - box.middle.T) / radius.T)
    assert isinstance(domain, Box)
    return boxes(domain.low[:, np.newaxis], domain.high[:, np.newaxis])


def boxes(low: Array, high: Array) -> Region:
    """Return a region of B sets that contain the boxes with these corners, each (d, B)."""
    middle, radius = _middle_and_radius(low, high)
    return Region(middle, radius, "box", np.empty((0, len(low))))


def _middle_and_radius(low: Array, high: Array) -> tuple[Array, Array]:
    """Return m and r with m - r <= low and high <= m + r, and r = 0 where low = high."""
    middle = low / 2.0 + high / 2.0
    radius = np.maximum(high - middle, middle - low)
    return middle, np.where(radius > 0.0, np.nextafter(radius, np.inf), 0.0)


def matrix_product(W: Array, vectors: Array) -> Array:
    """Return W v for a matrix (m, n) and an array of vectors (n, k, B), as (m, k, B).

    The caller adds the rounding error, at most gamma(n_roundings(W)) |W| |v|. A few long rows
    are summed in blocks, so that no term goes through more than about 2 sqrt(n) additions.
    """
    n, k, count = vectors.shape
    block = _block_length(W)
    columns = vectors.reshape(n, k * count)
    if block == n:
        return (W @ columns).reshape(len(W), k, count)
    whole = n - n % block
    blocks = W[:, :whole].reshape(len(W), -1, block).transpose(1, 0, 2)
    sums = blocks @ columns[:whole].reshape(-1, block, k * count)
    return np.asarray((sums.sum(axis=0) + W[:, whole:] @ columns[whole:]).reshape(len(W), k, count))


def n_roundings(W: Array) -> int:
    """Return the most roundings that a term of W v goes through in `matrix_product`."""
    n, block = W.shape[1], _block_length(W)
    return n if block == n else block + n // block + 2


def _block_length(W: Array) -> int:
    """Return how many terms of W v are summed at a time."""
    n = W.shape[1]
    return int(np.sqrt(n)) if n >= LONG_ROW and 0 < len(W) <= FEW_ROWS else n


def absolute_product(W: Array, vectors: Array) -> Array:
    """Return |W| v, with |W| formed a block at a time; at most n roundings a term."""
    if W.size <= CHUNK:
        return matrix_product(np.abs(W), vectors)
    n, k, count = vectors.shape
    return blocks.absolute_product(W, vectors.reshape(n, k * count)).reshape(len(W), k, count)


def absolute_sums(values: Array) -> Array:
    """Return the sums of |values| over the middle axis of (n, p, B), at most p roundings each.

    A product with ones is up to 15 times faster than a sum over a middle axis.
    """
    if values.size <= CHUNK or values.shape[2] > 1:
        return np.asarray(np.ones(values.shape[1]) @ np.abs(values))
    return blocks.absolute_product(values[:, :, 0], np.ones((values.shape[1], 1)))


def product_with_forms(W: Array, H: Forms) -> Array:
    """Return W v for the values of forms, as `matrix_product`.

    Forms of the inputs themselves have one slope each, and W times a diagonal matrix is a scaling:
    the same bits without n^3 products (30 times less, 3000 inputs and 3000 neurons).
    """
    n, k = H.values.shape[:2]
    if k != n + 2 or W.size <= CHUNK:
        return matrix_product(W, H.values)
    own_slopes = H.values[np.arange(n), np.arange(2, k)]
    if np.count_nonzero(H.slopes) != np.count_nonzero(own_slopes):
        return matrix_product(W, H.values)
    result = np.empty((len(W), k, H.values.shape[2]))
    result[:, :2] = matrix_product(W, H.values[:, :2])
    np.multiply(W[:, :, np.newaxis], own_slopes, out=result[:, 2:])
    return result


def with_interval(values: Array, radii: Array, low: Array, high: Array) -> Forms:
    """Return the forms of these arrays, with their intervals set to [low, high] in place."""
    values[:, 0], radii[:, 0] = _middle_and_radius(low, high)
    return Forms(values, radii)


def relu(forms: Forms, region: Region) -> Forms:
    """Return forms of max(z, 0).

    With z in [l, u] and any slope s in [0, 1], max(z, 0) - s z lies in [0, max(-s l, (1 - s) u)].
    The slope is 1 for always-on neurons (l >= 0), 0 for dead ones (u <= 0), and that of the chord,
    u / (u - l), for unstable ones. It may be rounded: the inclusion holds for any slope.
    """
    low, high = region.bounds(forms)
    u, l = np.maximum(high, 0.0), np.maximum(-low, 0.0)  # noqa: E741
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(u == 0.0, 0.0, np.where(l == 0.0, 1.0, u / (u + l)))
    half = np.maximum(slope * l, (1.0 - slope) * u) / 2.0 + 2.0 * SMALLEST * ((u > 0.0) & (l > 0.0))
    result = linear_relaxation(forms, slope, half, half)
    return with_interval(*result, np.maximum(low, 0.0), u)


def outward(values: Array, direction: float) -> Array:
    """Move rounded results in a direction, -1.0 or 1.0, by more than their rounding error."""
    return values + direction * (4.0 * UNIT_ROUNDOFF * np.abs(values) + SMALLEST)


def linear_relaxation(forms: Forms, slope: Array, middle: Array, half: Array) -> Forms:
    """Return affine forms of s v + [middle - half, middle + half], for slopes s in [0, 1].

    Their intervals are not valid yet: `with_interval` sets them.
    """
    values, radii = forms.values * slope[:, np.newaxis], forms.radii * slope[:, np.newaxis]
    if radii.shape[1] == 2:
        values[:, 1] += middle
        magnitude = slope * forms.magnitude[:, 1] + np.abs(middle)
        underflow = SMALLEST * ((slope > 0.0) | (half > 0.0))
        radii[:, 1] = (radii[:, 1] + half) * GUARD + 4.0 * UNIT_ROUNDOFF * magnitude
        radii[:, 1] += values.shape[1] * underflow
    return Forms(values, radii)
