"""Go through large matrices a block at a time, so that each number comes from memory once.

|W| v as a NumPy expression writes |W|, as large as W, to memory and reads it again. With blocks of W
that stay in cache it takes one pass over W.
"""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BLOCK = 1 << 15
"""How many entries of a matrix are held at a time: a quarter of a megabyte."""
TILE = 128
"""The side of the squares in which a matrix is transposed."""


def blocks(W: Array) -> Iterator[tuple[slice, slice]]:
    """Yield the slices (rows, columns) of blocks of W that are contiguous in memory."""
    whole = slice(None)
    by_columns = W.flags.f_contiguous and not W.flags.c_contiguous
    n, length = W.shape[::-1] if by_columns else W.shape
    step = max(1, BLOCK // max(1, length))
    for start in range(0, n, step):
        part = slice(start, start + step)
        yield (whole, part) if by_columns else (part, whole)


def absolute_product(W: Array, V: Array) -> Array:
    """Return |W| V, of a matrix (m, n) and vectors (n, k); each term has at most n roundings.

    Examples
    --------
    >>> absolute_product(np.array([[1.0, -2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    if W.size <= BLOCK:
        return np.asarray(np.abs(W) @ V)
    result = np.zeros((len(W), V.shape[1]))
    for rows, columns in blocks(W):
        result[rows] += np.abs(W[rows, columns]) @ V[columns]
    return result


def product_of_signs(W: Array, of_positive: Array, of_negative: Array) -> Array:
    """Return max(W, 0) P + min(W, 0) N for vectors P and N (n, k): at most n roundings a term.

    Examples
    --------
    >>> P, N = np.array([[3.0], [4.0]]), np.array([[5.0], [6.0]])
    >>> product_of_signs(np.array([[1.0, -2.0]]), P, N)
    array([[-9.]])
    """
    result = np.zeros((len(W), of_positive.shape[1]))
    for rows, columns in blocks(W):
        block = W[rows, columns]
        result[rows] += np.maximum(block, 0.0) @ of_positive[columns]
        result[rows] += np.minimum(block, 0.0) @ of_negative[columns]
    return result


def assign(out: Array, W: Array) -> None:
    """Set out[...] = W, in squares if one matrix is in row order and the other in column order.

    A transposition row by row needs a new line of the cache for each number (3 times slower for
    3000 rows of 3000 entries).
    """
    if W.ndim != 2 or W.size <= BLOCK or out.flags.c_contiguous == W.flags.c_contiguous:
        out[...] = W
        return
    for row in range(0, len(W), TILE):
        for column in range(0, W.shape[1], TILE):
            square = slice(row, row + TILE), slice(column, column + TILE)
            out[square] = W[square]
