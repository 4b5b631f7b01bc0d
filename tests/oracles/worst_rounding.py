"""Numbers whose sums and products round the bad way, and an exact referee of what was computed
with them.
"""

from fractions import Fraction
from itertools import product

import numpy as np

U = 2.0**-53
ODD, ODDER = 1.0 + 2.0**-27, 1.0 + 2.0**-26
"""Their product lies halfway between two floats and rounds down, by U."""
ROUNDED = 1.0 + 3.0 * 2.0**-27
"""What it rounds to."""


class InOrder(np.ndarray):
    """An array whose products of matrices are summed from left to right, without fused operations.
    """

    __array_priority__ = 10.0

    def __matmul__(self, other):
        if np.ndim(other) == 1:
            return (self @ np.asarray(other)[:, np.newaxis])[..., 0]
        terms = np.asarray(self)[..., np.newaxis] * np.asarray(other)[..., np.newaxis, :, :]
        sums = np.add.accumulate(terms, axis=-2)
        return (sums[..., -1, :] if sums.shape[-2] else sums.sum(axis=-2)).view(InOrder)

    def __rmatmul__(self, other):
        return np.asarray(other).view(InOrder) @ self


def in_order(values):
    """Return an array whose products are summed from left to right."""
    return np.array(values, dtype=float).view(InOrder)


def staircase(n):
    """Return 1, U, U, ...: from left to right each addition loses U, halfway to the next float."""
    return np.append(1.0, np.full(n - 1, U))


def unlucky(rng, shape, spread=2):
    """Return numbers near powers of two, some far smaller: products and sums that lose half a unit
    are common.
    """
    near = 1.0 + rng.choice(
        [0.0, 2.0**-52, 2.0**-27, 2.0**-26, 3 * 2.0**-27, 2.0**-40, rng.random()], shape
    )
    powers = rng.choice([0, 0, 0, -1, -52, -53, -54], shape) + rng.integers(
        -spread, spread + 1, shape
    )
    return rng.choice([-1.0, 1.0], shape) * np.ldexp(near, powers)


def exact(values):
    """Return an array's entries as fractions, as nested lists."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, dtype=float))


def signs(n):
    """Return all vectors of n signs."""
    return product((-1, 1), repeat=n)
