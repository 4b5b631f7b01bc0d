"""Rows that are equal to within a tolerance, found by sorting along one direction."""
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._validation import Array, message, real_array
from .rounding import SMALLEST, UNIT_ROUNDOFF, gamma

Labels = npt.NDArray[np.intp]

SEED = 20
"""The direction is random, but always the same: equal arguments give equal groups."""

ROUNDS = 8
"""Rounds that are taken over all chains at once before what is left goes row by row."""


def classes_of_rows(P: Any, tolerance: Any) -> Labels:
    """Return one label a row: the rows within the tolerance of a group's first row are that group.

    Row i joins the first group whose first row f has |P_i - P_f| <= tolerance in every column, and
    starts a group of its own if there is none. Rows of one group can thus be up to twice the
    tolerance apart, and rows of two groups nearer than it; the first rows of groups never are.

    Parameters
    ----------
    P : array (n, d)
        Finite; n = 0 is allowed.
    tolerance : float or array (d,)
        At least 0, for all columns or for each. 0: equal rows (and -0.0 equals 0.0).

    Returns
    -------
    integer array (n,)
        0, 1, .. in the order of the groups' first rows.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong shape, not finite, or a tolerance is negative.

    Notes
    -----
    Rows within the tolerance of each other differ by at most |r|.tolerance along r, and by the rounding
    of both products, so each row is compared only with those in that window of the sorted P r.
    The cost is that of sorting, n log n, and of one comparison for each group and row in its
    first row's window: no more than a few a row, unless more groups than one usually share a window.

    Examples
    --------
    >>> classes_of_rows([[0.0, 1.0], [5.0, 5.0], [0.0, 1.25]], 0.5).tolist()
    [0, 1, 0]
    """
    P = real_array(P, "P", ("n", "d"), allow_empty=True)
    tolerance = _tolerances(tolerance, P.shape[1])
    windows = _Windows(P, tolerance)
    leaders = np.arange(len(P))
    left = _chain_rounds(P, tolerance, windows, leaders)
    _row_by_row(P, tolerance, windows, left, leaders)
    return np.asarray(np.unique(leaders, return_inverse=True)[1].reshape(len(P)), dtype=np.intp)


def _tolerances(tolerance: Any, d: int) -> Array:
    values = real_array(tolerance, "tolerance", allow_empty=True)
    if values.shape not in ((), (d,)):
        raise ValueError(message("tolerance", f"a number or of shape ({d},)", f"shape {values.shape}"))
    if (values < 0.0).any():
        raise ValueError(message("tolerance", "at least 0", values.min()))
    return np.broadcast_to(values, (d,))


class _Windows:
    """The rows in the order of their place along the direction, and who can be near whom.

    A row's place is known to within an error: it is an interval [low, high]. `order` sorts the rows
    by low, `reach` is the largest high so far, both widened by the window, for positions in this order.
    """

    def __init__(self, P: Array, tolerance: Array) -> None:
        d = P.shape[1]
        r = np.random.default_rng(SEED).uniform(0.5, 1.0, d) / max(4 * d, 1)  # no overflow: |r|_1 <= 1/4
        r *= np.where(np.random.default_rng(SEED + 1).random(d) < 0.5, -1.0, 1.0)
        place = np.einsum("ij,j->i", P, r)
        error = 2.0 * gamma(d + 4) * np.einsum("ij,j->i", np.abs(P), np.abs(r)) + 4 * (d + 1) * SMALLEST
        width = (np.abs(r) @ tolerance) * (1.0 + gamma(d + 8)) + 4 * (d + 1) * SMALLEST
        low, high = place - error, (place + error) + width
        high += 4.0 * UNIT_ROUNDOFF * np.abs(high)
        self.order = np.argsort(low, kind="stable")
        self.low = low[self.order]
        self.reach = np.maximum.accumulate(high[self.order])
        self.high = high

    def chains(self) -> Labels:
        """Return a chain's number for each position: rows of two chains are never near."""
        starts = np.zeros(len(self.order), dtype=np.intp)
        starts[1:] = self.low[1:] > self.reach[:-1]
        return np.cumsum(starts)

    def candidates(self, rows: Labels) -> tuple[Labels, Labels]:
        """Return the ends (start, stop) of the positions of all that can be near each of the rows."""
        low = np.empty_like(self.low)
        low[self.order] = self.low
        return (np.searchsorted(self.reach, low[rows], side="left"),
                np.searchsorted(self.low, self.high[rows], side="right"))


def _near(P: Array, first: Labels | int, rows: Labels, tolerance: Array) -> np.ndarray:
    """Tell which rows are within the tolerance of their first row, in every column."""
    with np.errstate(over="ignore"):
        return np.asarray((np.abs(P[rows] - P[first]) <= tolerance).all(axis=1))


def _chain_rounds(P: Array, tolerance: Array, windows: _Windows, leaders: Labels) -> Labels:
    """Set the leaders of whole chains at once; return the rows that are left after some rounds.

    Of a chain's rows without a group, the one of the lowest index starts the next group: every
    earlier group has taken what is near it.
    """
    rows, chain = windows.order, windows.chains()
    for _ in range(ROUNDS):
        sizes = np.bincount(chain, minlength=1)
        rows, chain = rows[sizes[chain] > 1], chain[sizes[chain] > 1]
        if not len(rows):
            break
        first = np.full(len(sizes), len(P))
        np.minimum.at(first, chain, rows)
        near = _near(P, first[chain], rows, tolerance)
        leaders[rows[near]] = first[chain[near]]
        rows, chain = rows[~near], chain[~near]
    return np.sort(rows)


def _row_by_row(P: Array, tolerance: Array, windows: _Windows, left: Labels, leaders: Labels) -> None:
    """Set the leaders of the rows that are left, in the order of their indices."""
    open_ = np.zeros(len(P), dtype=bool)
    open_[left] = True
    for i, start, stop in zip(left, *windows.candidates(left)):
        if open_[i]:
            rows = windows.order[start:stop]
            rows = rows[open_[rows]]
            rows = rows[_near(P, i, rows, tolerance)]
            leaders[rows], open_[rows] = i, False
