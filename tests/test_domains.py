"""Laws of the three domains and of their support functions."""
import copy
import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from oracles import strategies
from oracles.assertions import assert_equal_bits
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

import reducednet as rn
from reducednet.numerics.rounding import SMALLEST, gamma

SIZES = st.integers(1, 5)
some_domains = SIZES.flatmap(strategies.domains)
seeds = strategies.seeds()
kinds = pytest.mark.parametrize("domain", [
    rn.Box([-1.0, 2.0], [0.5, 2.0]), rn.Ball([1.0, -2.0], 0.7), rn.Hull([[0.0, 0.0], [1.0, 0.0], [0.3, 2.0]]),
], ids=["Box", "Ball", "Hull"])


def directions(domain, seed, n=6):
    """Random directions, with axes, zeros and small integers among them."""
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((n, domain.n_inputs))
    U[0] = np.eye(domain.n_inputs)[-1]
    U[1] = rng.integers(-2, 3, domain.n_inputs)
    U[2, rng.integers(domain.n_inputs)] = 0.0
    return U


def largest_entries(domain):
    """The largest |x_i| over the domain, entry by entry, from its arguments."""
    if isinstance(domain, rn.Box):
        return np.maximum(np.abs(domain.low), np.abs(domain.high))
    if isinstance(domain, rn.Ball):
        return np.abs(domain.centre) + domain.radius
    return np.abs(domain.points).max(axis=0)


def tolerance(domain, U):
    """Roundings of h(u): a product sum of n terms |u_i| |x_i|, and a norm of n entries."""
    n = domain.n_inputs
    terms = np.abs(U) @ largest_entries(domain)
    if isinstance(domain, rn.Ball):
        terms = terms + np.abs(U).sum(axis=1) * domain.radius
    return gamma(2 * n + 8) * terms + 4 * n * SMALLEST


def exact_support(domain, u):
    """h(u) of the stored numbers: as a fraction for Box and Hull, by math.hypot for Ball."""
    u = [Fraction(float(value)) for value in u]
    if isinstance(domain, rn.Ball):
        return sum(a * Fraction(float(c)) for a, c in zip(u, domain.centre)) + Fraction(
            math.hypot(*map(float, u))) * Fraction(domain.radius)
    vertices = itertools.product(*zip(domain.low, domain.high)) if isinstance(domain, rn.Box) else domain.points
    return max(sum(a * Fraction(float(x)) for a, x in zip(u, vertex)) for vertex in vertices)


def scaled(domain, factor):
    """The domain times a power of two."""
    arrays = {name: factor * array for name, array in domain.to_arrays().items()}
    return type(domain)(*(array if array.ndim else float(array) for array in arrays.values()))


# the support function


@given(some_domains, seeds)
def test_support_is_the_largest_product_over_the_extreme_points(domain, seed):
    U = directions(domain, seed)
    for u, value, allowed in zip(U, domain.support(U), tolerance(domain, U)):
        assert abs(Fraction(float(value)) - exact_support(domain, u)) <= Fraction(float(allowed))


@given(some_domains, seeds)
def test_range_of_a_direction_is_that_of_both_supports(domain, seed):
    U = directions(domain, seed)
    for V in (U, np.asfortranarray(U)):
        low, high = domain.ranges(V)
        assert_equal_bits(high + 0.0, domain.support(U) + 0.0, "high")
        assert_equal_bits(low + 0.0, 0.0 - domain.support(-U), "low")


@pytest.mark.parametrize("n_rows", [1, 2, 3, 255, 256, 257])
def test_range_over_a_box_adds_its_terms_in_order_at_any_size(n_rows):
    rng = np.random.default_rng(n_rows)
    for n_inputs in (1, 2, 9, 63, 64, 65, 130):
        low, U = rng.standard_normal(n_inputs), rng.standard_normal((n_rows, n_inputs))
        box = rn.Box(low, low + 1.0)
        ends = [
            np.add.accumulate(extreme(U * box.low, U * box.high), axis=1)[:, -1]
            for extreme in (np.minimum, np.maximum)
        ]
        strided = np.repeat(U, 2, axis=1)[:, ::2]
        for V in (U, np.asfortranarray(U), strided):
            assert_equal_bits(np.stack(box.ranges(V)), np.stack(ends), "ranges")


@given(some_domains, seeds)
def test_no_sampled_point_lies_beyond_the_support(domain, seed):
    U = directions(domain, seed)
    products = domain.sample(20, seed) @ U.T
    assert (products <= domain.support(U) + 2 * tolerance(domain, U)).all()


@given(some_domains, seeds)
def test_support_is_attained_at_the_support_points(domain, seed):
    U = directions(domain, seed)
    products = (U * domain.support_points(U)).sum(axis=1)
    assert (np.abs(products - domain.support(U)) <= 2 * tolerance(domain, U)).all()


@given(some_domains, seeds)
def test_support_points_lie_in_the_domain(domain, seed):
    assert domain.contains(domain.support_points(directions(domain, seed))).all()


@given(some_domains, seeds)
def test_support_is_sublinear(domain, seed):
    U, V = directions(domain, seed), directions(domain, seed + 1)
    allowed = 2 * (tolerance(domain, U) + tolerance(domain, V))
    assert (domain.support(U + V) <= domain.support(U) + domain.support(V) + allowed).all()


@given(some_domains, seeds, st.integers(-40, 40))
def test_support_is_homogeneous(domain, seed, exponent):
    U, alpha = directions(domain, seed), 2.0**exponent
    assert (np.abs(domain.support(alpha * U) - alpha * domain.support(U)) <= alpha * tolerance(domain, U)).all()


@given(some_domains, seeds)
def test_width_is_not_negative(domain, seed):
    U = directions(domain, seed)
    assert (domain.support(U) + domain.support(-U) >= -2 * tolerance(domain, U)).all()


@given(some_domains)
def test_support_of_the_zero_direction_is_zero(domain):
    assert domain.support(np.zeros((1, domain.n_inputs))) == 0.0


@given(some_domains)
def test_support_of_no_direction_is_empty(domain):
    assert domain.support(np.zeros((0, domain.n_inputs))).shape == (0,)


@given(some_domains, seeds, st.integers(-900, 900))
def test_support_scales_with_the_domain(domain, seed, exponent):
    U, factor = directions(domain, seed), 2.0**exponent
    differences = np.abs(scaled(domain, factor).support(U) - factor * domain.support(U))
    assert (differences <= factor * tolerance(domain, U)).all()


def assert_rows_are_independent(domain, U):
    together = domain.support(U)
    alone = np.concatenate([domain.support(U[i:i + 1]) for i in range(len(U))])
    assert together.tobytes() == alone.tobytes()
    assert together[::-1].tobytes() == domain.support(U[::-1]).tobytes()


@given(some_domains, seeds)
def test_support_of_a_row_does_not_depend_on_the_other_rows(domain, seed):
    assert_rows_are_independent(domain, directions(domain, seed, 9))


@pytest.mark.parametrize("n", [2, 3, 17, 64])
def test_support_of_a_row_does_not_depend_on_the_other_rows_for_many_inputs(n):
    rng = np.random.default_rng(n)
    U, low = rng.standard_normal((33, n)), rng.standard_normal(n)
    for domain in (rn.Box(low, low + 1), rn.Ball(low, 1.3), rn.Hull(rng.standard_normal((50, n)))):
        assert_rows_are_independent(domain, U)


def test_support_of_a_row_does_not_depend_on_the_other_rows_where_points_tie():
    for seed in range(40):  # products that differ by rounding error alone: which point is chosen?
        rng = np.random.default_rng(seed)
        domain = rn.Hull(0.1 * rng.integers(-3, 4, (30, 4)))
        assert_rows_are_independent(domain, 0.1 * rng.integers(-3, 4, (50, 4)))


@given(some_domains)
def test_bounding_box_is_the_range_of_each_entry(domain):
    low, high = domain.bounding_box()
    if isinstance(domain, rn.Hull):
        expected = domain.points.min(axis=0), domain.points.max(axis=0)
    elif isinstance(domain, rn.Box):
        expected = domain.low, domain.high
    else:
        expected = domain.centre - domain.radius, domain.centre + domain.radius
    allowed = tolerance(domain, np.eye(domain.n_inputs))
    assert (np.abs(low - expected[0]) <= allowed).all() and (np.abs(high - expected[1]) <= allowed).all()


@given(some_domains, seeds)
def test_no_sampled_point_is_longer_than_the_norm_bound(domain, seed):
    lengths = np.linalg.norm(domain.sample(20, seed), axis=1)
    assert (lengths <= domain.norm_bound * (1 + gamma(4 * domain.n_inputs + 16))).all()


@given(some_domains)
def test_norm_bound_is_attained(domain):
    if isinstance(domain, rn.Box):
        longest = max(math.hypot(*vertex) for vertex in itertools.product(*zip(domain.low, domain.high)))
    elif isinstance(domain, rn.Ball):
        longest = math.hypot(*domain.centre) + domain.radius
    else:
        longest = max(math.hypot(*point) for point in domain.points)
    assert abs(domain.norm_bound - longest) <= gamma(domain.n_inputs + 4) * longest


# membership and sampling


@given(some_domains, seeds)
@example(rn.Hull([[0.1, 0.0], [0.1, 1.0], [0.1, 2.0]]), 0)  # a flat side whose coordinate is rounded
@example(rn.Hull([[1 / 3, 0.7, 0.0], [1 / 3, 0.7, 1.0]]), 0)
def test_domain_contains_its_samples(domain, seed):
    assert domain.contains(domain.sample(30, seed)).all()


@given(some_domains, seeds, st.integers(-900, 900))
def test_domain_of_any_scale_contains_its_samples(domain, seed, exponent):
    domain = scaled(domain, 2.0**exponent)
    assert domain.contains(domain.sample(10, seed)).all()


@given(some_domains, seeds)
def test_domain_contains_no_point_beyond_its_support(domain, seed):
    U = directions(domain, seed)
    U = U[np.abs(U).sum(axis=1) > 0]
    beyond = domain.support_points(U) + 0.01 * domain.norm_bound * U / np.linalg.norm(U, axis=1, keepdims=True)
    assert not domain.contains(beyond).any()


@kinds
def test_domain_contains_no_point_near_the_largest_number(domain):
    assert not domain.contains([[1.7e308, 1.7e308], [-1.7e308, 0.0]]).any()


@given(some_domains, seeds)
def test_membership_of_a_point_does_not_depend_on_the_others(domain, seed):
    X = np.vstack([domain.sample(4, seed), domain.sample(4, seed) * 1.01 + 0.01])
    alone = np.concatenate([domain.contains(X[i:i + 1]) for i in range(len(X))])
    np.testing.assert_array_equal(domain.contains(X), alone)


@given(some_domains, seeds)
def test_the_same_seed_samples_the_same_bytes(domain, seed):
    assert domain.sample(3, seed).tobytes() == domain.sample(3, seed).tobytes()


@given(some_domains, st.integers(1, 5), seeds)
def test_samples_come_in_rows(domain, n, seed):
    assert domain.sample(n, seed).shape == (n, domain.n_inputs)


N = 4000


def test_samples_of_a_box_are_uniform():
    t = (rn.Box([-1.0, 2.0], [3.0, 2.5]).sample(N, 0) - [-1.0, 2.0]) / [4.0, 0.5]
    assert (np.abs(t.mean(axis=0) - 0.5) <= 6.0 / math.sqrt(12 * N)).all()


@pytest.mark.parametrize("d", [1, 2, 5])
def test_samples_of_a_ball_are_uniform_in_volume(d):
    X = rn.Ball(np.full(d, 3.0), 2.0).sample(N, d) - 3.0
    shares = np.sort((np.linalg.norm(X, axis=1) / 2.0) ** d)  # the volume inside a sample's own radius
    distance = np.abs(shares - (np.arange(N) + 0.5) / N).max()
    assert distance <= math.sqrt(math.log(2e9) / (2 * N)) + 1.0 / N  # Dvoretzky-Kiefer-Wolfowitz at 1e-9
    assert (np.abs(X.mean(axis=0)) <= 6.0 * 2.0 / math.sqrt((d + 2) * N)).all()


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=6).filter(lambda p: len(set(p)) > 1),
       st.lists(st.integers(-84, 84), min_size=1, max_size=8))
def test_hull_on_the_line_is_an_interval(points, quarters):
    domain = rn.Hull(np.array(points, dtype=float)[:, np.newaxis])
    X = np.array(quarters) / 4.0
    np.testing.assert_array_equal(
        domain.contains(X[:, np.newaxis]), (min(points) <= X) & (X <= max(points)))


def barycentric_inside(triangle, x):
    """Decide by the signs of integer areas."""
    def area(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    p, q, r = triangle
    signs = [area(p, q, x), area(q, r, x), area(r, p, x)]
    return min(signs) >= 0 or max(signs) <= 0


@given(st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=3, max_size=3, unique=True).filter(
    lambda t: (t[1][0] - t[0][0]) * (t[2][1] - t[0][1]) != (t[1][1] - t[0][1]) * (t[2][0] - t[0][0])))
def test_hull_of_a_triangle_is_its_barycentric_half_planes(triangle):
    X = list(itertools.product(range(-7, 8), repeat=2))
    expected = [barycentric_inside(triangle, x) for x in X]
    np.testing.assert_array_equal(rn.Hull(np.array(triangle, float)).contains(np.array(X, float)), expected)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_hull_is_the_union_of_the_simplices_of_its_triangulation(d):
    rng = np.random.default_rng(d)
    points, X = rng.standard_normal((12, d)), 0.8 * rng.standard_normal((150, d))
    inside = Delaunay(points).find_simplex(X) >= 0
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_array_equal(rn.Hull(points).contains(X), inside)


# flat domains, one point


def test_flat_box_has_no_width_across():
    box = rn.Box([0.0, 0.1], [1.0, 0.1])
    assert box.support([[0.0, 1.0]]) == -box.support([[0.0, -1.0]]) == 0.1


@pytest.mark.parametrize("make, text", [
    (lambda: rn.Box([1.0, 2.0], [1.0, 2.0]), "`high` must be larger than `low` somewhere, got a box of one point"),
    (lambda: rn.Hull([[1.0, 2.0], [1.0, 2.0]]),
     "`points` must be at least two different points, got a hull of one point"),
    (lambda: rn.Hull([[0.0], [-0.0]]), "`points` must be at least two different points"),
    (lambda: rn.Hull([[1.0, 2.0]]), "`points` must be at least two different points"),
    (lambda: rn.Ball([1.0, 2.0], 0.0), "`radius` must be finite and larger than 0.0, got 0.0"),
])
def test_one_point_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


# the records


@given(some_domains)
def test_domain_is_rebuilt_from_its_arrays(domain):
    assert type(domain)(**domain.to_arrays()) == domain


@given(some_domains)
def test_equal_domains_have_equal_hashes(domain):
    same = scaled(domain, 1.0)
    assert same == domain and hash(same) == hash(domain)


@pytest.mark.parametrize("one, other", [
    (rn.Box(0.0, 1.0), rn.Box(-0.0, 1.0)), (rn.Ball([0.0, 1.0], 1.0), rn.Ball([-0.0, 1.0], 1.0)),
    (rn.Hull([[0.0], [1.0]]), rn.Hull([[-0.0], [1.0]])),
])
def test_hash_does_not_depend_on_the_sign_of_zero(one, other):
    assert one == other and hash(one) == hash(other)


def test_domains_of_different_kinds_differ():
    assert rn.Box(0.0, 1.0) != rn.Hull([[0.0], [1.0]]) != rn.Ball(0.5, 0.5)


@given(some_domains)
def test_domains_of_different_size_differ(domain):
    assert scaled(domain, 2.0) != domain


@kinds
def test_domain_is_not_equal_to_something_else(domain):
    assert domain != "domain"


@kinds
def test_attributes_cannot_be_set(domain):
    for name in vars(domain):
        with pytest.raises(AttributeError, match=f"{type(domain).__name__} is frozen: `{name}` cannot be set"):
            setattr(domain, name, 1.0)


@kinds
def test_attributes_cannot_be_deleted(domain):
    domain = scaled(domain, 1.0)
    for name in list(vars(domain)):
        with pytest.raises(AttributeError, match=f"{type(domain).__name__} is frozen"):
            delattr(domain, name)


def arrays_of(domain):
    return [value for value in vars(domain).values() if isinstance(value, np.ndarray)]


@kinds
def test_arrays_are_read_only(domain):
    assert arrays_of(domain) and not any(array.flags.writeable for array in arrays_of(domain))


@kinds
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))],
                         ids=["copy", "deepcopy", "pickle"])
def test_copies_are_equal_and_read_only(domain, copied):
    other = copied(domain)
    assert other == domain and hash(other) == hash(domain) and other.norm_bound == domain.norm_bound
    assert not any(array.flags.writeable for array in arrays_of(other))


def test_arguments_are_copied():
    low = np.zeros(2)
    box = rn.Box(low, [1.0, 1.0])
    low[0] = 0.5
    assert box.low[0] == 0.0


def test_a_box_of_floats_is_an_interval():
    assert rn.Box(-1, 2) == rn.Box([-1.0], [2.0])


@pytest.mark.parametrize("domain, text", [
    (rn.Box(0, 1), r"Box\(\[0\], \[1\]\)"), (rn.Ball([0, 1], 2), r"Ball\(\[0, 1\], 2\)"),
    (rn.Box(np.zeros(9), np.ones(9)), r"Box\(\[0, ..., 0\], \[1, ..., 1\]\)"),
    (rn.Hull([[0, 0], [1, 1]]), r"Hull\(2 points in dimension 2\)"),
])
def test_repr_is_short(domain, text):
    import re
    assert re.fullmatch(text, repr(domain))


@pytest.mark.parametrize("make, error, text", [
    (lambda: rn.Box([0, 2], [1, 1]), ValueError, "`low` must be at most `high` = 1.0 at index 1, got 2.0"),
    (lambda: rn.Box([0, 0], [1]), ValueError, r"`high` must be of shape \(2,\), got shape \(1,\)"),
    (lambda: rn.Box([[0]], [[1]]), ValueError, r"`low` must be of shape \(n_inputs,\), got shape \(1, 1\)"),
    (lambda: rn.Box(0, np.inf), ValueError, "`high` must be finite, got inf at index 0"),
    (lambda: rn.Box("a", "b"), TypeError, "`low` must be an array of real numbers"),
    (lambda: rn.Ball(np.nan, 1), ValueError, "`centre` must be finite, got nan"),
    (lambda: rn.Ball([[0]], 1), ValueError, r"`centre` must be of shape \(n_inputs,\)"),
    (lambda: rn.Ball(0, -1), ValueError, "`radius` must be finite and larger than 0.0, got -1.0"),
    (lambda: rn.Ball(0, np.inf), ValueError, "`radius` must be finite"),
    (lambda: rn.Ball(0, "1"), TypeError, "`radius` must be a real number, got str '1'"),
    pytest.param(lambda: rn.Ball(0, 10**400), ValueError, "`radius` must be finite", id="huge integer"),
    (lambda: rn.Hull([0, 1]), ValueError, r"`points` must be of shape \(n_points, n_inputs\), got shape \(2,\)"),
    (lambda: rn.Hull([[0, 1], [2]]), ValueError, "`points` must be a rectangular array"),
    (lambda: rn.Hull([[0, np.nan], [0, 1]]), ValueError, r"`points` must be finite, got nan at index \(0, 1\)"),
])
def test_bad_arguments_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("make", [
    lambda: rn.Box([-1.7e308, -1.7e308], [1.7e308, 1.7e308]), lambda: rn.Ball([1.7e308, 1.7e308], 1.0),
    lambda: rn.Ball(1e308, 1.7e308), lambda: rn.Hull([[1.7e308, 1.7e308], [0.0, 0.0]]),
], ids=["Box", "Ball", "radius", "Hull"])
def test_domain_whose_norm_bound_is_no_number_is_refused(make):
    with pytest.raises(ValueError, match="range of float64|finite"):
        make()


@kinds
@pytest.mark.parametrize("call, text", [
    (lambda d: d.support([[1.0]]), r"`U` must be of shape \(m, 2\), got shape \(1, 1\)"),
    (lambda d: d.support([1.0, 0.0]), r"`U` must be of shape \(m, 2\), got shape \(2,\)"),
    (lambda d: d.support([[np.nan, 0.0]]), r"`U` must be finite, got nan at index \(0, 0\)"),
    (lambda d: d.contains([[1.0, 2.0, 3.0]]), r"`X` must be of shape \(n_samples, 2\), got shape \(1, 3\)"),
    (lambda d: d.contains([[np.inf, 0.0]]), r"`X` must be finite, got inf at index \(0, 0\)"),
    (lambda d: d.sample(-1), "`n` must be at least 0, got -1"),
    (lambda d: d.sample(3, -1), "`rng` must be a seed of at least 0, got -1"),
])
def test_calls_with_bad_arguments_are_refused(domain, call, text):
    with pytest.raises(ValueError, match=text):
        call(domain)
