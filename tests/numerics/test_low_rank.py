"""The rank to within an error is the smallest that the error allows, and the factors give R back."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.assertions import assert_close, gamma
from oracles.strategies import seeds
from reducednet.numerics.low_rank import numerical_ranks, row_basis, row_factors


@given(seeds(), st.integers(1, 4), st.integers(1, 4), st.integers(0, 4))
def test_rank_to_within_the_error_is_the_rank(seed, K, q, rank):
    rng = np.random.default_rng(seed)
    rank = min(K, q, rank)
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0][:, :rank] for n in (K, q))
    scales = 2.0 ** rng.integers(-40, 41, K)[:, np.newaxis]
    A = 2.0 ** rng.integers(-20, 21, q)
    R = scales * (left @ right.T) / A
    error = 2.0**-40 * scales / A * np.ones((K, q))
    perturbed = R + error * rng.uniform(-1, 1, (K, q)) / (2 * q * K)
    assert numerical_ranks(perturbed, error, A) == rank
    V = row_basis(perturbed, error, A)
    assert V.shape == (rank, q)
    assert_close(V @ V.T, np.eye(rank), gamma(64), "orthonormal rows")
    M, Q = row_factors(perturbed, error, A)
    assert_close(Q * np.ldexp(A, 1 - np.frexp(A.max())[1]), V, gamma(1) * np.abs(V), "Q")
    assert (np.abs(perturbed - M @ Q) @ A <= np.sqrt(K) * (error @ A) * 2.0).all()


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), seeds(), st.booleans())
def test_factors_of_a_product_give_it_back(n_outputs, n, rank, seed, scaled):
    rng = np.random.default_rng(seed)
    left, right = rng.integers(-3, 4, (n_outputs, rank)), rng.integers(-3, 4, (rank, n))
    alpha, magnitude = (left @ right).astype(float), (np.abs(left) @ np.abs(right)).astype(float)
    sizes, outputs = 2.0 ** rng.integers(-30, 31, n), 2.0 ** rng.integers(-30, 31, (n_outputs, 1))
    if scaled:  # inputs of sizes A, outputs of any size: powers of two, so the rank is the same
        alpha, magnitude = outputs * alpha / sizes, outputs * magnitude / sizes
    A = sizes if scaled else np.ones(n)
    M, Q = row_factors(alpha, gamma(rank) * magnitude, A)
    assert len(Q) == np.linalg.matrix_rank(left @ right)
    # a singular value decomposition of rows in units of their error is right to a modest multiple
    # of the dimensions
    allowed = gamma(32 * (n_outputs + n)) * (magnitude @ A)[:, np.newaxis] / A
    assert_close(M @ Q, alpha, allowed, "M Q")


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_rounding_of_products_adds_nothing_to_the_rank(rank, seed):
    rng = np.random.default_rng(seed)
    one, other = rng.standard_normal((5, rank)), rng.standard_normal((rank, 8))
    error = gamma(rank) * (np.abs(one) @ np.abs(other))
    assert len(row_basis(one @ other, error, np.ones(8))) == rank


@pytest.mark.parametrize("times, rank", [(0.5, 1), (8.0, 2)])
def test_a_direction_above_the_error_is_kept_and_one_below_it_is_not(times, rank):
    error = gamma(32)
    R = np.array([[1.0, 0.0], [1.0, times * error]])
    M, Q = row_factors(R, error * np.array([[1.0, 0.0], [1.0, 0.0]]), np.ones(2))
    assert len(Q) == rank
    assert np.abs(M @ Q - R).max() <= error


@given(seeds(), st.integers(1, 3), st.integers(2, 5))
def test_inputs_that_are_0_take_no_part(seed, K, q):
    rng = np.random.default_rng(seed)
    R, A = rng.standard_normal((K, q)), rng.integers(0, 2, q).astype(float)
    M, Q = row_factors(R, gamma(4) * np.abs(R), A)
    assert np.isfinite(Q).all() and not Q[:, A == 0.0].any()
    assert_close(M @ Q, R * A, gamma(32 * (K + q)) * np.abs(R).sum(), "on the other inputs")


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_factors_do_not_depend_on_the_scale(size):
    R, error = np.array([[3.0, 4.0], [6.0, 8.0]]), np.full((2, 2), 1e-15)
    M, Q = row_factors(R * size, error * size, np.ones(2))
    assert Q.shape == (1, 2)
    assert_close(M @ Q, R * size, gamma(64) * R * size, "R")
    assert_close(rn.sphere.row_norms(Q), 1.0, gamma(8), "unit rows")


def test_columns_of_zeros_stay_zeros():
    # singular values far apart: the decomposition alone leaves 1e-10 here
    rng = np.random.default_rng(0)
    R = np.zeros((4, 11))
    R[:, 1:5] = rng.standard_normal((4, 4)) * [1.0, 1.0, 1.0, 1e-6]
    V = row_basis(R, gamma(4) * np.abs(R), np.ones(11))
    assert len(V) == 4 and not V[:, ~R.any(axis=0)].any()
