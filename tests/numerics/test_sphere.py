"""Laws of the geometry of the unit sphere, row by row."""
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reducednet.numerics import sphere
from reducednet.numerics.rounding import SMALLEST, UNIT_ROUNDOFF, gamma

MAX = float(np.finfo(np.float64).max)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 9))


@st.composite
def rows(draw, shape=None):
    """Rows of every scale from the subnormal numbers to 1e300, some with entries of very different size."""
    shape = draw(shapes) if shape is None else shape
    W = draw(arrays.arrays(np.float64, shape, elements=st.floats(-1.0, 1.0)))
    exponents = draw(arrays.arrays(np.int64, (shape[0], 1), elements=st.integers(-1074, 996)))
    return np.ldexp(W, exponents)


@st.composite
def unit_rows(draw, shape=None):
    """Unit rows, some of them axes."""
    shape = draw(shapes) if shape is None else shape
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    W = rng.standard_normal(shape)
    if draw(st.booleans()):
        W[0] = np.eye(shape[1])[-1] * rng.choice([-1.0, 1.0])
    return sphere.normalise(W)[0]


@st.composite
def points_and_vectors(draw, largest=1e3):
    """Unit rows W and any vectors G of the same shape."""
    W = draw(unit_rows())
    return W, draw(arrays.arrays(np.float64, W.shape, elements=st.floats(-largest, largest)))


@st.composite
def points_and_tangents(draw, length=st.floats(2.0**-20, 3.0)):
    """Unit rows of 2-9 entries and tangent vectors of a length drawn for all rows."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(2, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    W = sphere.normalise(rng.standard_normal(shape))[0]
    V = sphere.project(W, rng.standard_normal(shape))
    V = sphere.project(W, V / np.linalg.norm(V, axis=1, keepdims=True))
    return W, draw(length) * V / np.linalg.norm(V, axis=1, keepdims=True)


def exact_square(row):
    return sum((Fraction(float(value)) ** 2 for value in row), Fraction(0))


def angles(A, B):
    """Angles between unit rows, accurate for small and for large ones."""
    return 2.0 * np.arctan2(np.linalg.norm(A - B, axis=1), np.linalg.norm(A + B, axis=1))


# norms


@given(rows())
@example(np.array([[5e-324, 5e-324, 5e-324]]))
@example(np.array([[3e-310, 4e-310]]))
@example(np.array([[3e-140, 4e-160], [3e140, 4e140], [1e-155, 1e-162]]))
def test_norm_is_the_root_of_the_exact_sum_of_squares(W):
    relative = Fraction(gamma(W.shape[1] + 2))
    for row, norm in zip(W, sphere.row_norms(W)):
        square, norm = exact_square(row), Fraction(float(norm))
        upper = (1 + relative) * norm + Fraction(SMALLEST)
        lower = max((1 - relative) * norm - Fraction(SMALLEST), Fraction(0))
        assert lower**2 <= square <= upper**2


@given(rows())
def test_norm_is_that_of_math_hypot(W):
    for row, norm in zip(W, sphere.row_norms(W)):
        assert abs(norm - math.hypot(*row)) <= gamma(W.shape[1] + 4) * norm + SMALLEST


@given(rows())
def test_norm_is_the_distance_from_zero(W):
    for row, norm in zip(W, sphere.row_norms(W)):
        assert abs(norm - math.dist(row, np.zeros(len(row)))) <= gamma(W.shape[1] + 4) * norm + SMALLEST


def test_norm_beyond_the_largest_number_is_infinite():
    assert sphere.row_norms(np.array([[MAX, MAX], [3e300, 4e300]]))[0] == np.inf


def test_norm_at_the_largest_number_is_finite():
    assert sphere.row_norms(np.array([[MAX, 0.0]])) == MAX


@given(rows())
def test_norm_of_a_row_does_not_depend_on_the_others(W):
    alone = np.concatenate([sphere.row_norms(W[i:i + 1]) for i in range(len(W))])
    np.testing.assert_array_equal(sphere.row_norms(W), alone)


@given(rows())
def test_exponent_brackets_the_largest_entry(W):
    for row, exponent in zip(W, sphere.row_exponents(W)):
        largest = max(abs(Fraction(float(value))) for value in row)
        power = Fraction(2) ** int(exponent)
        assert power <= largest < 2 * power if largest else exponent == 0


# normalise


@given(rows())
@example(np.array([[5e-324, 5e-324, 0.0]]))
@example(np.array([[MAX, MAX]]))
def test_normalised_row_has_norm_one(W):
    units, _ = sphere.normalise(W)
    tolerance = Fraction(sphere.unit_tolerance(W.shape[1]))
    for row, unit in zip(W, units):
        if row.any():
            assert (1 - tolerance) ** 2 <= exact_square(unit) <= (1 + tolerance) ** 2


@given(rows())
@example(np.array([[1.0, 1e-9], [0.6, 0.8]]))
def test_normalising_twice_changes_nothing(W):
    units, _ = sphere.normalise(W)
    again, _ = sphere.normalise(units)
    assert again.tobytes() == units.tobytes()


@given(rows())
def test_norm_of_a_normalised_row_is_exactly_one(W):
    _, norms = sphere.normalise(sphere.normalise(W)[0])
    assert set(norms.tolist()) <= {0.0, 1.0}


@given(rows())
def test_unit_row_times_norm_is_the_row(W):
    with np.errstate(under="ignore"):
        units, norms = sphere.normalise(W)
        back = units * norms[:, np.newaxis]
    # a norm is rounded, a small one to SMALLEST, and set to 1 near 1; a small unit entry carries SMALLEST
    absolute = (norms[:, np.newaxis] + W.shape[1] + 1.0) * SMALLEST
    assert (np.abs(back - W) <= 2 * gamma(W.shape[1] + 8) * np.abs(W) + absolute).all()


@given(rows(), st.integers(-200, 200))
def test_direction_does_not_depend_on_a_power_of_two(W, exponent):
    W = np.where(np.abs(W).max(axis=1, keepdims=True) < 1e-150, 0.0, np.clip(W, -1e150, 1e150))
    small = np.abs(W) < np.abs(W).max(axis=1, keepdims=True) * 2.0**-60
    W = np.where(small, 0.0, W)
    units, scaled = sphere.normalise(W)[0], sphere.normalise(np.ldexp(W, exponent))[0]
    # a row that is unit to rounding is left as it is, its multiples are divided by their norm
    assert (np.abs(units - scaled) <= 2 * gamma(W.shape[1] + 8) * np.abs(units)).all()


@given(shapes)
def test_zero_row_stays_zero_with_norm_zero(shape):
    units, norms = sphere.normalise(np.zeros(shape))
    assert not units.any() and not norms.any()


def test_row_of_subnormal_numbers_is_a_direction():
    units, _ = sphere.normalise(np.array([[5e-324, 0.0], [0.0, -1e-310]]))
    assert units.tolist() == [[1.0, 0.0], [0.0, -1.0]]


@given(rows())
def test_normalise_does_not_change_its_argument(W):
    before = W.copy()
    sphere.normalise(W)
    np.testing.assert_array_equal(W, before)


# projection


def projection_bound(W, G):
    """Bound of |w.(P g)| and of each entry's error: n + 6 roundings of the unit row's square, n + 4 of s w."""
    terms = (np.abs(W) * np.abs(G)).sum(axis=1)
    return gamma(2 * W.shape[1] + 16) * (terms + np.abs(G).max(axis=1)) + 8 * W.shape[1] * SMALLEST


@given(points_and_vectors())
def test_projection_is_tangent(pair):
    W, G = pair
    P = sphere.project(W, G)
    for w, p, bound in zip(W, P, projection_bound(W, G)):
        product = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(w, p))
        assert abs(product) <= Fraction(float(bound))


@given(points_and_vectors())
def test_projecting_twice_is_projecting_once(pair):
    W, G = pair
    P = sphere.project(W, G)
    assert (np.abs(sphere.project(W, P) - P) <= 2 * projection_bound(W, G)[:, np.newaxis]).all()


@given(points_and_vectors(), st.integers(0, 2**32 - 1))
def test_projection_is_symmetric(pair, seed):
    W, G = pair
    H = np.random.default_rng(seed).standard_normal(G.shape)
    left, right = (H * sphere.project(W, G)).sum(axis=1), (sphere.project(W, H) * G).sum(axis=1)
    sizes = np.abs(G).sum(axis=1) * np.abs(H).sum(axis=1)
    assert (np.abs(left - right) <= 2 * gamma(3 * W.shape[1] + 12) * sizes + 64 * SMALLEST).all()


@given(points_and_vectors())
def test_projection_does_not_lengthen(pair):
    W, G = pair
    longer = sphere.row_norms(sphere.project(W, G)) - sphere.row_norms(G)
    assert (longer <= projection_bound(W, G) + gamma(W.shape[1] + 8) * sphere.row_norms(G)).all()


@given(unit_rows())
def test_projection_of_the_point_itself_is_zero(W):
    assert (np.abs(sphere.project(W, W)) <= projection_bound(W, W)[:, np.newaxis]).all()


@given(arrays.arrays(np.float64, (4, 1), elements=st.floats(-1e300, 1e300)))
def test_in_one_dimension_every_tangent_vector_is_zero(G):
    W = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    assert not sphere.project(W, G).any()


# retraction and exponential map


@given(points_and_vectors(largest=1e200))
def test_retraction_lies_on_the_sphere(pair):
    W, V = pair
    norms = sphere.row_norms(sphere.retract(W, V))
    assert (np.abs(norms - 1.0) <= sphere.unit_tolerance(W.shape[1])).all()


@given(unit_rows())
def test_retraction_of_no_step_is_the_point_itself(W):
    assert sphere.retract(W, np.zeros_like(W)).tobytes() == (W + 0.0).tobytes()


@given(unit_rows())
def test_retraction_to_the_origin_stays(W):
    assert sphere.retract(W, -W).tobytes() == W.tobytes()


@given(points_and_tangents())
def test_retraction_turns_by_the_arc_tangent_of_the_step(pair):
    W, V = pair
    expected = np.arctan(np.linalg.norm(V, axis=1))
    assert (np.abs(angles(W, sphere.retract(W, V)) - expected) <= 4 * gamma(W.shape[1] + 8)).all()


@given(points_and_tangents(st.just(1.0)))
def test_retraction_differs_from_the_exponential_map_in_third_order(pair):
    W, V = pair
    t = 2.0 ** -np.arange(3.0, 8.0)
    differences = np.array([
        np.linalg.norm(sphere.retract(W, s * V) - sphere.exponential(W, s * V), axis=1) for s in t
    ])
    # t - arctan t = t^3/3 - t^5/5 + ..., so the slope over a factor 16 is 3 less about t^2
    slopes = np.log2(differences[0] / differences[-1]) / 4.0
    assert (np.abs(slopes - 3.0) <= t[0] ** 2).all()


@given(points_and_tangents())
def test_exponential_map_goes_as_far_as_its_vector_is_long(pair):
    W, V = pair
    lengths = np.linalg.norm(V, axis=1)
    errors = np.abs(angles(W, sphere.exponential(W, V)) - lengths)
    # near the antipode the angle's error is that of W + exp over its own length
    assert (errors <= 4 * gamma(W.shape[1] + 8) * (1.0 + lengths)).all()


@given(points_and_tangents())
def test_exponential_map_ends_on_the_sphere(pair):
    W, V = pair
    norms = np.linalg.norm(sphere.exponential(W, V), axis=1)
    assert (np.abs(norms - 1.0) <= 4 * gamma(W.shape[1] + 8)).all()


@given(unit_rows())
def test_exponential_map_of_no_step_is_the_point_itself(W):
    np.testing.assert_array_equal(sphere.exponential(W, np.zeros_like(W)), W)


@given(points_and_tangents(st.just(math.pi)))
def test_exponential_map_of_a_half_turn_is_the_opposite_point(pair):
    W, V = pair
    assert (np.abs(sphere.exponential(W, V) + W) <= 8 * gamma(W.shape[1] + 8)).all()


# sampling; the bounds are six standard deviations, the seeds are fixed

N = 4000


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_sampled_rows_are_unit(n):
    W = sphere.sample(N, n, rng=n)
    assert W.shape == (N, n)
    assert (np.abs(sphere.row_norms(W) - 1.0) <= sphere.unit_tolerance(n)).all()


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_mean_of_sampled_rows_is_zero(n):
    assert (np.abs(sphere.sample(N, n, rng=n).mean(axis=0)) <= 6.0 / math.sqrt(n * N)).all()


@pytest.mark.parametrize("n", [2, 3, 7])
def test_second_moment_of_sampled_rows_is_that_of_the_uniform_law(n):
    W = sphere.sample(N, n, rng=n)
    moments = W.T @ W / N - np.eye(n) / n
    variance = np.full((n, n), 1.0 / (n * (n + 2)))  # of w_i w_j
    np.fill_diagonal(variance, 2.0 * (n - 1) / (n**2 * (n + 2)))  # of w_i^2
    assert (np.abs(moments) <= 6.0 * np.sqrt(variance / N)).all()


@pytest.mark.parametrize("n", [2, 3, 7])
def test_fourth_moment_of_sampled_rows_is_the_same_along_axes_and_diagonals(n):
    W = sphere.sample(10 * N, n, rng=n)
    expected = 3.0 / (n * (n + 2))
    variance = 105.0 / (n * (n + 2) * (n + 4) * (n + 6)) - expected**2
    for u in (np.eye(n)[0], np.ones(n) / math.sqrt(n)):
        assert abs(((W @ u) ** 4).mean() - expected) <= 6.0 * math.sqrt(variance / (10 * N))


def test_angles_of_sampled_rows_in_the_plane_are_uniform():
    W = sphere.sample(N, 2, rng=0)
    turns = np.sort((np.arctan2(W[:, 1], W[:, 0]) + math.pi) / (2 * math.pi))
    distance = np.abs(turns - (np.arange(N) + 0.5) / N).max()
    assert distance <= math.sqrt(math.log(2e9) / (2 * N)) + 1.0 / N  # Dvoretzky-Kiefer-Wolfowitz at 1e-9


def test_on_the_line_the_samples_are_the_two_signs():
    assert set(sphere.sample(100, 1, rng=0).ravel().tolist()) == {-1.0, 1.0}


def test_the_same_seed_samples_the_same_bytes():
    assert sphere.sample(5, 3, rng=4).tobytes() == sphere.sample(5, 3, rng=4).tobytes()


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_unit_tolerance_is_a_few_roundings_an_entry(n):
    assert n * UNIT_ROUNDOFF < sphere.unit_tolerance(n) <= (n + 6) * UNIT_ROUNDOFF * (1 + gamma(n + 8))


@pytest.mark.parametrize("shape, words", [
    ((-1, 2), "`n_rows` must be at least 0, got -1"), ((2, 0), "`n` must be at least 1, got 0"),
])
def test_sampling_fewer_than_no_rows_or_no_entry_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        sphere.sample(*shape)
