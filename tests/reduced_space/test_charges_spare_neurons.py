"""The rank of the sum of always-on neurons: rounding errors do not add to it, more does."""

import numpy as np

from reducednet.numerics.low_rank import row_space
from reducednet.numerics.rounding import gamma


def test_rounding_of_products_adds_nothing_to_the_rank():
    rng = np.random.default_rng(0)
    for rank in (1, 2):
        for _ in range(20):
            one, other = rng.standard_normal((5, rank)), rng.standard_normal((rank, 8))
            found = row_space(one @ other, np.abs(one) @ np.abs(other), np.ones(8))
            assert found is not None and len(found[1]) == rank


def test_a_direction_a_few_times_above_rounding_is_kept():
    allowed = gamma(4 * 4 + 16)
    alpha = np.array([[1.0, 0.0], [1.0, 8.0 * allowed]])
    found = row_space(alpha, np.abs(alpha), np.ones(2))
    assert found is not None and len(found[1]) == 2
    assert np.abs(found[0] @ found[1] - alpha).max() <= allowed


def test_rows_that_do_not_give_the_matrix_back_are_no_answer():
    """The rows differ by one unit in the last place, and the magnitudes allow no error that large."""
    alpha = np.array([[1.0, 1.0 + 2.0**-52], [1.0, 1.0]])
    found = row_space(alpha, 2.0**-20 * np.abs(alpha), np.ones(2))
    assert found is None or np.abs(found[0] @ found[1] - alpha).sum() <= gamma(32) * 2.0**-19
