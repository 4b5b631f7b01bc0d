"""Numbers whose sums and products round the bad way, and an exact referee of what was computed
with them.
"""

from fractions import Fraction
from itertools import product

import numpy as np

import reducednet as rn

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


def worst_in_float32(n=60):
    """Yield (network, x) of one input vector x, whose sums in float32, from left to right, are off
    by almost what their bounds charge: n additions that each lose half a unit, and n products that
    vanish.
    """
    half = 2.0**-24
    yield rn.Network([np.ones((1, n + 1))], [[0.0]], [[1.0]]), np.append(1.0, np.full(n, half))
    tiny = np.full((1, n), 2.0**-75)
    yield rn.Network([tiny], [[0.0]], [[1.0]]), np.full(n, 0.875 * 2.0**-75)


def overflows_in_float32(n=100):
    """Return a network whose output, a sum that is well below the largest float32 number, overflows
    there if it is taken from left to right: each term is just above half of a unit.
    """
    unit, largest = 2.0**104, float(np.finfo(np.float32).max)
    terms = np.append(largest - 97 * unit, np.full(n, float(np.float32(0.505 * unit))))
    return rn.Network([np.zeros((n + 1, 1))], [np.ones(n + 1)], [terms])


def in_float32(network, x):
    """Return the one output of a network with one hidden layer in float32, sums from left to right,
    the thresholds last.
    """
    single = np.float32
    with np.errstate(over="ignore", under="ignore"):
        rows = zip(network.weights[0].astype(single), network.thresholds[0].astype(single))
        x = np.asarray(x, dtype=single)
        h = np.maximum([np.add.accumulate([*(row * x), t], dtype=single)[-1] for row, t in rows], 0)
        terms = network.output_weights[0].astype(single) * h.astype(single)
        return float(np.add.accumulate(terms, dtype=single)[-1])
