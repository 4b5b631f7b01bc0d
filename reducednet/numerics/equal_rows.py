"""Find classes of equal rows, to within a tolerance, by sorting along one direction."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._validation import Array, finite_result
from .rounding import SMALLEST, UNIT_ROUNDOFF, gamma

Labels = npt.NDArray[np.intp]

SEED = 20
"""The direction is random, but always the same: equal arguments give equal classes."""

ROUNDS = 8
"""Number of rounds that treat all chains at once; the remaining rows are taken one by one."""


def classes_of_rows(P: Array, tolerance: Array | float) -> Labels:
    """Return a class label for each row; a class is the rows near its representative.

    Row i joins the first class whose representative f has |P_i - P_f| <= tolerance in every column,
    and becomes the representative of a new class if there is none. Two rows of one class can thus
    be up to twice the tolerance apart, and rows of two classes can be nearer than it; two
    representatives never are.

    Parameters
    ----------
    P : array (n, d)
    tolerance : float or array (d,)
        At least 0, for all columns or for each. 0: equal rows (and -0.0 equals 0.0).

    Returns
    -------
    integer array (n,)
        0, 1, .. in the order of the representatives.

    Raises
    ------
    ValueError
        If a row is not finite.

    Notes
    -----
    The projections P r of two rows within the tolerance of each other differ by at most
    |r|.tolerance and the rounding error of both, so each row is compared only with those in that
    window of the sorted projections. The cost is that of sorting, n log n, and of one comparison
    for each class and row in its representative's window: no more than a few for each row, unless
    windows usually contain several classes.

    Examples
    --------
    >>> classes_of_rows(np.array([[0.0, 1.0], [5.0, 5.0], [0.0, 1.25]]), 0.5).tolist()
    [0, 1, 0]
    """
    P, tolerance = finite_result(P, "a row to be compared"), np.broadcast_to(tolerance, P.shape[1])
    windows = _Windows(P, tolerance)
    representatives = np.arange(len(P))
    remaining = _chain_rounds(P, tolerance, windows, representatives)
    _row_by_row(P, tolerance, windows, remaining, representatives)
    labels = np.unique(representatives, return_inverse=True)[1]
    return np.asarray(labels.reshape(len(P)), dtype=np.intp)


class _Windows:
    """The rows sorted by their projection P r, and for each the rows that may be near it.

    A projection is known up to its rounding error, as an interval. `low` is its lower end and
    `high` its upper end, to which the width of the window is added. `order` sorts the rows by
    `low`; `highest_so_far` is the largest `high` up to each position of this order.
    """

    def __init__(self, P: Array, tolerance: Array) -> None:
        d = P.shape[1]
        r = np.random.default_rng(SEED).uniform(0.5, 1.0, d)
        r /= max(4 * d, 1)  # |r|_1 <= 1/4: projections do not overflow
        r *= np.where(np.random.default_rng(SEED + 1).random(d) < 0.5, -1.0, 1.0)
        projection = np.einsum("ij,j->i", P, r)
        magnitude = np.einsum("ij,j->i", np.abs(P), np.abs(r))
        error = 2.0 * gamma(d + 4) * magnitude + 4 * (d + 1) * SMALLEST
        width = (np.abs(r) @ tolerance) * (1.0 + gamma(d + 8)) + 4 * (d + 1) * SMALLEST
        low, high = projection - error, (projection + error) + width
        high += 4.0 * UNIT_ROUNDOFF * np.abs(high)
        self.order = np.argsort(low, kind="stable")
        self.low = low[self.order]
        self.high = high
        self.highest_so_far = np.maximum.accumulate(high[self.order])

    def chains(self) -> Labels:
        """Return the number of each position's chain: rows of two chains are never near."""
        starts = np.zeros(len(self.order), dtype=np.intp)
        starts[1:] = self.low[1:] > self.highest_so_far[:-1]
        return np.cumsum(starts)

    def windows_of(self, rows: Labels) -> tuple[Labels, Labels]:
        """Return (start, stop) for each row: all rows near it have positions start .. stop - 1."""
        low = np.empty_like(self.low)
        low[self.order] = self.low
        return (np.searchsorted(self.highest_so_far, low[rows], side="left"),
                np.searchsorted(self.low, self.high[rows], side="right"))


def _near(P: Array, first: Labels | int, rows: Labels, tolerance: Array) -> np.ndarray:
    """Return, for each row, whether it is near its `first` row in every column."""
    with np.errstate(over="ignore"):
        return np.asarray((np.abs(P[rows] - P[first]) <= tolerance).all(axis=1))


def _chain_rounds(
    P: Array, tolerance: Array, windows: _Windows, representatives: Labels
) -> Labels:
    """Set the representatives in all chains at once; return the rows left after `ROUNDS` rounds.

    The row of the lowest index among a chain's rows without a class starts the next class: every
    earlier class has taken the rows near it.
    """
    rows, chain = windows.order, windows.chains()
    for _ in range(ROUNDS):
        counts = np.bincount(chain, minlength=1)
        rows, chain = rows[counts[chain] > 1], chain[counts[chain] > 1]
        if not len(rows):
            break
        first = np.full(len(counts), len(P))
        np.minimum.at(first, chain, rows)
        near = _near(P, first[chain], rows, tolerance)
        representatives[rows[near]] = first[chain[near]]
        rows, chain = rows[~near], chain[~near]
    return np.sort(rows)


def _row_by_row(
    P: Array, tolerance: Array, windows: _Windows, remaining: Labels, representatives: Labels
) -> None:
    """Set the representatives of the remaining rows, in the order of their indices."""
    unassigned = np.zeros(len(P), dtype=bool)
    unassigned[remaining] = True
    for i, start, stop in zip(remaining, *windows.windows_of(remaining)):
        if unassigned[i]:
            rows = windows.order[start:stop]
            rows = rows[unassigned[rows]]
            rows = rows[_near(P, i, rows, tolerance)]
            representatives[rows], unassigned[rows] = i, False
