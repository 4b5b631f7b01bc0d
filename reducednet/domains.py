"""Define the bounded sets of inputs Box, Ball and Hull by their support function.

h(u) = sup { u.x : x in D }, so that u.x ranges over [-h(-u), h(u)] (THEORY, section 2). Flat
domains are allowed; a domain of one point is refused, because every neuron's interval is a point.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ._validation import Array, RandomLike, generator, integer, message, number, real_array, samples
from .numerics.rationals import non_negative_fit
from .numerics.rounding import gamma

TILE_ROWS, TILE_ENTRIES = 256, 64
"""A tile of so many rows and entries fits in cache a few times."""


class Domain(ABC):
    """A bounded set of inputs, known to the library through its support function.

    Attributes
    ----------
    n_inputs : int
        The dimension d of the space that the domain lies in.
    norm_bound : float
        X_B = sup { |x| : x in D }.
    """

    n_inputs: int
    norm_bound: float

    def support(self, U: Any) -> Array:
        """Return h(u) = sup { u.x : x in D } of each row of U, shape (m, n_inputs), as (m,).

        A row's result does not depend on the other rows, bit for bit: hence no BLAS product.
        """
        U = np.ascontiguousarray(self._directions(U))
        return np.einsum("ij,ij->i", U, self._support_points(U))

    def ranges(self, U: Any) -> tuple[Array, Array]:
        """Return the ends of the range of u.x for each row of U: -h(-u) and h(u), each (m,)."""
        U = self._directions(U)
        return -self.support(-U), self.support(U)

    def support_points(self, U: Any) -> Array:
        """Return, for each row u of U, a point x* of the domain with u.x* = h(u), (m, n_inputs)."""
        return self._support_points(np.ascontiguousarray(self._directions(U)))

    def contains(self, X: Any) -> np.ndarray:
        """Return, for each row of X, shape (n_samples, n_inputs), whether it lies in the domain.

        Points of a ball or a hull may lie outside by a few rounding errors.
        """
        return self._contains(samples(X, self.n_inputs, allow_empty=True))

    def sample(self, n: int, rng: RandomLike = None) -> Array:
        """Return n random points of the domain, as (n, n_inputs)."""
        return self._sample(integer(n, "n", 0), generator(rng))

    def bounding_box(self) -> tuple[Array, Array]:
        """Return the vectors (low, high) of the smallest box that contains the domain."""
        eye = np.eye(self.n_inputs)
        return -self.support(-eye), self.support(eye)

    def _directions(self, U: Any) -> Array:
        if type(U) is np.ndarray and U.dtype == np.float64 and U.shape[1:] == (self.n_inputs,):
            if np.isfinite(U).all():
                return U
        return real_array(U, "U", ("m", self.n_inputs), allow_empty=True)

    @abstractmethod
    def _support_points(self, U: Array) -> Array: ...

    @abstractmethod
    def _contains(self, X: Array) -> np.ndarray: ...

    @abstractmethod
    def _sample(self, n: int, rng: np.random.Generator) -> Array: ...

    @abstractmethod
    def to_arrays(self) -> dict[str, Array]:
        """Return the constructor's arguments, by name."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        mine, theirs = self.to_arrays(), other.to_arrays()
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    def __hash__(self) -> int:
        return hash((type(self), *((array + 0.0).tobytes() for array in self.to_arrays().values())))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self.to_arrays().values())

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise AttributeError(f"{type(self).__name__} is frozen: `{name}` cannot be set")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` cannot be deleted")


def _sum_in_order(parts: Array) -> Array:
    """Return parts[0] + parts[1] + ..., from left to right, for each column of a C-ordered array."""
    if parts.shape[1] == 1:  # a single column NumPy would sum in pairs
        return np.asarray(np.add.accumulate(parts)[-1])
    return np.asarray(np.add.reduce(parts, axis=0))


def _length(X: Array) -> Array:
    """Return |x| of each row; with hypot no square overflows or underflows."""
    return np.hypot.reduce(X, axis=-1)


def _norm_bound(length: Any, name: str) -> float:
    """Return X_B, or refuse a domain for which it exceeds the range of float64."""
    if not np.isfinite(length):
        expected = "small enough for a finite norm bound X_B"
        raise ValueError(message(name, expected, "a domain too large"))
    return float(length)


def _frozen(array: Array) -> Array:
    array.setflags(write=False)
    return array


class Box(Domain):
    """The box { x : low <= x <= high }, entry by entry.

    h(u) = sum_i max(u_i low_i, u_i high_i) = u.(low + high)/2 + |u|.(high - low)/2

    Parameters
    ----------
    low, high : arrays (n_inputs,) or floats
        Floats give an interval. The box is flat if some low_i = high_i, and refused if all are.

    Raises
    ------
    ValueError
        If some low_i > high_i, the shapes differ, an entry is not finite or the box is one point.

    References
    ----------
    THEORY, section 2.

    Examples
    --------
    >>> box = Box([0, 0], [1, 2])
    >>> box.support([[1, -1]]), box.norm_bound ** 2
    (array([1.]), 5.000000000000001)
    """

    def __init__(self, low: Any, high: Any) -> None:
        self.low = _frozen(np.atleast_1d(real_array(low, "low")))
        if self.low.ndim != 1:
            raise ValueError(message("low", "of shape (n_inputs,)", f"shape {self.low.shape}"))
        self.high = _frozen(real_array(np.atleast_1d(high), "high", self.low.shape))
        if (self.low > self.high).any():
            i = int(np.argmax(self.low > self.high))
            expected = f"at most `high` = {self.high[i]} at index {i}"
            raise ValueError(message("low", expected, self.low[i]))
        if (self.low == self.high).all():
            raise ValueError(message("high", "larger than `low` somewhere", "a box of one point"))
        self.n_inputs = len(self.low)
        with np.errstate(over="ignore"):
            self.norm_bound = _norm_bound(_length(np.maximum(-self.low, self.high)), "high")

    def bounding_box(self) -> tuple[Array, Array]:
        """Return the vectors (low, high) of the box."""
        return self.low, self.high

    def support(self, U: Any) -> Array:
        """Return h(u) = sum_i max(u_i low_i, u_i high_i) of each row of U, (m, n_inputs), as (m,).

        The terms are added one after the other, so that a sum over the rows of the transpose gives
        the same bits.
        """
        return self.ranges(U)[1]

    def ranges(self, U: Any) -> tuple[Array, Array]:
        """Return sum_i min(u_i low_i, u_i high_i) and sum_i max(...) of each row of U, each (m,).

        One pass over U, in tiles of its transpose that stay in cache (4 times faster than whole
        matrices, for 3000 rows of 3000 entries).
        """
        U = self._directions(U)
        sums = np.zeros((2, len(U)))
        for start in range(0, len(U), TILE_ROWS):
            rows = slice(start, start + TILE_ROWS)
            for first in range(0, self.n_inputs, TILE_ENTRIES):
                entries = slice(first, first + TILE_ENTRIES)
                self._add_extremes(sums[:, rows], U[rows, entries].T, entries)
        return sums[0], sums[1]

    def _add_extremes(self, sums: Array, tile: Array, entries: slice) -> None:
        """Add the terms of these entries, (n_entries, n_rows), to both sums, (2, n_rows)."""
        at_low = np.multiply(tile, self.low[entries, np.newaxis], order="C")
        at_high = np.multiply(tile, self.high[entries, np.newaxis], order="C")
        for total, extreme in zip(sums, (np.minimum, np.maximum)):
            parts = np.empty((len(tile) + 1, len(total)))
            parts[0] = total
            extreme(at_low, at_high, out=parts[1:])
            total[...] = _sum_in_order(parts)

    def _support_points(self, U: Array) -> Array:
        return np.where(U > 0.0, self.high, self.low)

    def _contains(self, X: Array) -> np.ndarray:
        return np.asarray(np.logical_and(self.low <= X, X <= self.high).all(axis=1))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        t = rng.random((n, self.n_inputs))
        return np.clip((1.0 - t) * self.low + t * self.high, self.low, self.high)

    def to_arrays(self) -> dict[str, Array]:
        return {"low": self.low, "high": self.high}

    def __repr__(self) -> str:
        return f"Box({_short(self.low)}, {_short(self.high)})"


class Ball(Domain):
    """The ball { x : |x - centre| <= radius }; h(u) = u.centre + |u| radius.

    Parameters
    ----------
    centre : array (n_inputs,) or float
    radius : float
        Larger than 0.

    Raises
    ------
    ValueError
        If the radius is not positive (a ball of one point) or an entry is not finite.

    References
    ----------
    THEORY, section 2. For a ball about 0, h(u) = X_B for every unit u: the paper's domain.

    Examples
    --------
    >>> Ball([0, 0], 2).support([[0.6, 0.8]])
    array([2.])
    """

    def __init__(self, centre: Any, radius: float) -> None:
        self.centre = _frozen(np.atleast_1d(real_array(centre, "centre")))
        if self.centre.ndim != 1:
            raise ValueError(message("centre", "of shape (n_inputs,)", f"shape {self.centre.shape}"))
        self.radius = number(radius, "radius", above=0.0)
        self.n_inputs = len(self.centre)
        with np.errstate(over="ignore"):
            self.norm_bound = _norm_bound(_length(self.centre) + self.radius, "radius")

    def support(self, U: Any) -> Array:
        """Return h(u) = u.centre + |u| radius of each row of U, (m, n_inputs), as (m,)."""
        U = np.ascontiguousarray(self._directions(U))
        return np.einsum("ij,j->i", U, self.centre) + _length(U) * self.radius

    def _support_points(self, U: Array) -> Array:
        lengths = _length(U)[:, np.newaxis]
        units = np.divide(U, lengths, out=np.zeros_like(U), where=lengths > 0)
        return self.centre + self.radius * units

    def _contains(self, X: Array) -> np.ndarray:
        with np.errstate(over="ignore"):
            margin = gamma(self.n_inputs + 4) * (_length(X) + self.norm_bound)
            distances = _length(X - self.centre)
        return np.asarray((distances <= self.radius + margin) & np.isfinite(distances))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        directions = rng.standard_normal((n, self.n_inputs))
        directions /= np.maximum(_length(directions), np.finfo(float).tiny)[:, np.newaxis]
        lengths = self.radius * rng.random((n, 1)) ** (1.0 / self.n_inputs)
        return self.centre + lengths * directions

    def to_arrays(self) -> dict[str, Array]:
        return {"centre": self.centre, "radius": np.array(self.radius)}

    def __repr__(self) -> str:
        return f"Ball({_short(self.centre)}, {self.radius:g})"


class Hull(Domain):
    """The convex hull of points p_i, such as the samples; h(u) = max_i u.p_i.

    Parameters
    ----------
    points : array (n_points, n_inputs)
        At least two different points.

    Raises
    ------
    ValueError
        If all points are the same or an entry is not finite.

    References
    ----------
    THEORY, section 2.

    Examples
    --------
    >>> Hull([[0, 0], [1, 0], [0, 1]]).support([[1, 1], [-1, -1]])
    array([1., 0.])
    """

    def __init__(self, points: Any) -> None:
        self.points = _frozen(real_array(points, "points", ("n_points", "n_inputs")))
        if (self.points == self.points[0]).all():
            raise ValueError(message("points", "at least two different points", "a hull of one point"))
        self.n_inputs = self.points.shape[1]
        with np.errstate(over="ignore"):
            self.norm_bound = _norm_bound(_length(self.points).max(), "points")

    def _support_points(self, U: Array) -> Array:
        return self.points[np.einsum("ij,kj->ik", U, self.points).argmax(axis=1)]

    def _contains(self, X: Array) -> np.ndarray:
        """Look for convex weights of each x inside the bounding box that is not itself a point.

        To rounding error, x is in the hull iff the least |P^T t - x|^2 + |1.t - 1|^2 over t >= 0 is
        0. The points are first moved to the middle of their bounding box and scaled to its size.
        """
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        middle, size = low / 2 + high / 2, (high / 2 - low / 2).max()
        tolerance = gamma(64 * sum(self.points.shape))
        margin = tolerance * (np.abs(low) + np.abs(high))
        inside = ((low - margin <= X) & (X <= high + margin)).all(axis=1)
        known = {row.tobytes() for row in self.points + 0.0}
        system = np.vstack([(self.points - middle).T / size, np.ones(len(self.points))])
        for i in np.flatnonzero(inside):
            if (X[i] + 0.0).tobytes() not in known:
                x = np.append((X[i] - middle) / size, 1.0)
                inside[i] = np.linalg.norm(system @ non_negative_fit(system, x) - x) <= tolerance
        return inside

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw convex combinations with flat Dirichlet weights; not uniform in volume."""
        return rng.dirichlet(np.ones(len(self.points)), size=n) @ self.points

    def to_arrays(self) -> dict[str, Array]:
        return {"points": self.points}

    def __repr__(self) -> str:
        return f"Hull({len(self.points)} points in dimension {self.n_inputs})"


def _short(vector: Array) -> str:
    """Format a short vector in full, and of a long one the first and last entry."""
    if len(vector) <= 4:
        return "[" + ", ".join(f"{value:zg}" for value in vector) + "]"
    return f"[{vector[0]:zg}, ..., {vector[-1]:zg}]"


DOMAINS: dict[str, type[Domain]] = {kind.__name__: kind for kind in (Box, Ball, Hull)}


def data_box(X: Array) -> Box:
    """Return the smallest box around the samples; around a single point, a box of some width.

    Examples
    --------
    >>> data_box(np.array([[0.0, 1.0], [2.0, 1.0]])), data_box(np.array([[3.0]]))
    (Box([0, 1], [2, 1]), Box([0], [6]))
    """
    low, high = X.min(axis=0), X.max(axis=0)
    if (low == high).all():
        width = np.maximum(np.abs(low), 1.0)
        low, high = low - width, high + width
    return Box(low, high)
