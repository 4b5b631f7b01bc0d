"""The rank to within an error: neither the error nor the decomposition adds to it, more does."""

import numpy as np

from reducednet.numerics.low_rank import row_factors
from reducednet.numerics.rounding import gamma


def rank(R, error):
    return len(row_factors(R, error, np.ones(R.shape[1]))[1])


def test_errors_in_the_worst_direction_add_nothing_to_the_rank():
    """Both rows are off by nearly all that their error allows, in opposite directions."""
    error = np.full((2, 2), [0.0, 2.0**-40])
    R = np.array([[1.0, 0.9 * 2.0**-40], [1.0, -0.9 * 2.0**-40]])
    assert rank(R, error) == 1


def test_a_direction_a_few_times_above_the_error_is_kept():
    error = np.full((2, 2), [0.0, 2.0**-40])
    R = np.array([[1.0, 4.0 * 2.0**-40], [1.0, -4.0 * 2.0**-40]])
    assert rank(R, error) == 2
    M, Q = row_factors(R, error, np.ones(2))
    assert np.abs(M @ Q - R).max() <= gamma(64)


def test_rounding_of_the_decomposition_adds_nothing_to_the_rank():
    """The error allowed is far below the unit roundoff, and the matrix is of rank 1 exactly."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        R = np.outer(rng.integers(1, 2**20, 5), rng.integers(1, 2**20, 8)).astype(float)
        assert rank(R, 2.0**-70 * R) == 1
