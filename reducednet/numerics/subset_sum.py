"""Find a subset of vectors with a given sum, by meeting in the middle."""
from __future__ import annotations

import numpy as np

from .._validation import Array

MAX_ITEMS = 30
"""Largest number of items: each half then has 2^15 sums."""

CHUNK = 2**16
"""Number of sums compared at once, which bounds the memory."""


def all_subsets(n: int) -> np.ndarray:
    """Return all subsets of n items, as the rows of a bool array (2^n, n); the empty one first.

    Examples
    --------
    >>> all_subsets(2).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return np.asarray((np.arange(2**n)[:, np.newaxis] >> np.arange(n)) & 1, dtype=bool)


def subset_with_sum(items: Array, target: Array, tolerance: float) -> np.ndarray | None:
    """Return a subset whose sum is within the tolerance of the target in every entry.

    The sums of the first half of the items are sorted by their projections on a random direction r.
    For each sum of the second half, those that complete it to the target lie in a window of that
    order, as wide as the tolerance and the rounding error of the projections allow.

    Parameters
    ----------
    items : array (n, q)
        n is at most `MAX_ITEMS`.
    target : array (q,)
    tolerance : float

    Returns
    -------
    bool array (n,), or None if there is no such subset

    Examples
    --------
    >>> subset_with_sum(np.array([[1.0], [5.0], [7.0]]), np.array([8.0]), 0.0).tolist()
    [True, False, True]
    """
    n, q = items.shape
    masks = all_subsets(n // 2), all_subsets(n - n // 2)
    left, right = masks[0] @ items[:n // 2], target - masks[1] @ items[n // 2:]
    r: Array = np.asarray(np.random.default_rng(0).uniform(0.5, 1.0, q))
    magnitude = (np.abs(items).sum(axis=0) + np.abs(target)) @ r
    relative_error = 2.0**-48 * max(q + n, 1)
    width = float(r.sum()) * tolerance + 2.0 * relative_error * magnitude
    projections = left @ r
    order = np.argsort(projections)
    starts = np.searchsorted(projections[order], right @ r - width, side="left")
    stops = np.searchsorted(projections[order], right @ r + width, side="right")
    for i in np.flatnonzero(stops > starts):
        for start in range(starts[i], stops[i], CHUNK):
            rows = order[start:min(start + CHUNK, stops[i])]
            fits = (np.abs(left[rows] - right[i]) <= tolerance).all(axis=1)
            if fits.any():
                return np.concatenate([masks[0][rows[np.argmax(fits)]], masks[1][i]])
    return None
