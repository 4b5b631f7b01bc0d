"""The checkers' arithmetic against exact rationals, on numbers that cancel, underflow or are huge.

Each charge is used up by some of these numbers: `oracles/mutate_charges.py` takes one away at a
time, and a test here fails.
"""
import tracemalloc
from fractions import Fraction as Q

import numpy as np
import pytest

import reducednet as rn
from oracles.worst_rounding import ODD, ODDER, U, exact, in_order, staircase, unlucky
from reducednet.verification.certificates import arithmetic
from reducednet.verification.certificates.arithmetic import Interval, Layer

ETA = Q(2) ** -1074
EXPONENTS = [0, 0, 0, -52, -300, 300, -536, -537, -538]


def hostile(rng, shape):
    """Return numbers near powers of two, of all magnitudes, and zeros."""
    numbers = unlucky(rng, shape) * 2.0 ** rng.choice(EXPONENTS, shape)
    return np.where(rng.random(shape) < 0.1, 0.0, numbers)


def root_is_below(square, bound):
    """Return True if sqrt(square) <= bound."""
    return bound >= 0 and square <= bound**2


# roundings


def test_gamma_is_not_below_the_exact_one_and_hardly_above():
    numbers = [*range(400), *(2**k + j for k in range(9, 40) for j in (-1, 0, 1))]
    for n in numbers:
        least = n * Q(U) / (1 - n * Q(U))
        assert least <= Q(float(arithmetic.gamma(n))) <= least * (1 + 4 * Q(U)) ** 2
    n = np.array([0, 3, 500])
    assert (arithmetic.gamma(n) == [arithmetic.gamma(k) for k in n.tolist()]).all()


def test_sums_of_which_each_term_lost_all_that_it_may_are_raised_above_the_exact_ones():
    """The exact sum is computed / (1 - u)^n where each rounding is the worst."""
    rng = np.random.default_rng(0)
    totals = np.abs(unlucky(rng, 200))
    for n in (0, 1, 2, 3, 5, 8, 60, 1000, 10**6, *rng.integers(2**40, 2**51, 20).tolist()):
        for total, bound in zip(exact(totals), exact(arithmetic.raised(totals, n))):
            if n <= 60:
                assert total <= bound * (1 - Q(U)) ** n
            gamma = n * Q(U) / (1 - n * Q(U))
            assert total * (1 + gamma) <= bound <= total * (1 + gamma) * (1 + 6 * Q(U))


def test_numbers_below_and_above_hold_each_sum_and_product_that_is_rounded():
    rng = np.random.default_rng(1)
    a, b = hostile(rng, (2, 2000))
    a[:3], b[:3] = [ODD, 2.0**-538, -(2.0**-538)], [ODDER, 2.0**-538 * 0.9, 2.0**-538 * 0.9]
    for computed, truth in ((a + b, exact(a) + exact(b)), (a * b, exact(a) * exact(b))):
        low, high = exact(arithmetic.below(computed)), exact(arithmetic.above(computed))
        assert (low < truth).all() and (truth < high).all()


def test_middle_and_radius_hold_both_bounds_of_any_interval():
    rng = np.random.default_rng(2)
    low, high = np.sort(hostile(rng, (2, 1000)), axis=0)
    low[:9], high[:9] = 1.0 + np.arange(9) * 2.0**-52, 1.0 + np.arange(1, 10) * 2.0**-52
    middle, radius = arithmetic.middle_and_radius(Interval(low, high))
    for a, b, m, r in zip(*map(exact, (low, high, middle, radius))):
        assert m - r <= a and b <= m + r
    assert arithmetic.middle_and_radius(Interval(np.array([3.0]), np.array([3.0])))[1] == 0.0


def test_norms_hold_squares_that_round_or_underflow_and_numbers_of_any_magnitude():
    rng = np.random.default_rng(3)
    rounded = np.append(1.0, np.full(6, 2.0**-26.5 * (1.0 - 2.0**-40)))
    rows = [rounded, np.full(7, 1e-200), np.full(7, 1e300), np.full(7, 2.0**-1074), np.zeros(7)]
    rows.append(np.append(np.full(2, 2.0**-1074), np.zeros(5)))
    rows.append(np.full(7, 2.0**-538))  # each square underflows to 0
    rows = np.array([*rows, *hostile(rng, (300, 7)), *unlucky(rng, (100, 7))])
    norms = arithmetic.row_norms(rows)
    with np.errstate(over="ignore"):
        bounds = arithmetic.norm_above(rows)
    room = 8 * Q(U) / (1 - 8 * Q(U))
    for row, norm, bound in zip(exact(rows), exact(norms), bounds):
        square = sum(row * row)
        assert root_is_below(square, (norm + ETA / 2) / (1 - room))
        assert max(norm - ETA / 2, 0) ** 2 <= square * (1 + room) ** 2
        if np.isfinite(bound):
            assert root_is_below(square, Q(bound))
            assert Q(bound) <= norm * (1 + 25 * Q(U)) + 8 * Q(2) ** -537
        else:
            assert norm > Q(2) ** 500


def test_a_norm_is_raised_by_what_its_additions_lose():
    """Pairs of squares below half a unit are lost beside 1 wherever NumPy's sum meets them."""
    row = np.append(1.0, np.full(6, 2.0**-26.5 * (1.0 - 2.0**-40)))
    assert np.add.reduce(row * row) == 1.0
    assert root_is_below(sum(exact(row) ** 2), Q(float(arithmetic.norm_above(row))))


def product_in_parts(weights, columns):
    """Return the product of weights and columns, a part after the other, and its roundings."""
    parts = arithmetic.parts_of(0, len(columns))
    flat = columns.reshape(len(columns), -1)
    return sum(weights[:, part] @ flat[part] for part in parts), arithmetic.roundings_of_parts(parts)


def test_parts_have_each_term_once_and_in_order():
    for start in (0, 5):
        for n in (0, 1, 32, 33, 300, 2000):
            parts = arithmetic.parts_of(start, start + n)
            assert [i for part in parts for i in range(start + n)[part]] == [*range(start, start + n)]
            assert all(part.start < part.stop for part in parts)


def test_products_in_parts_hold_where_sums_are_taken_from_left_to_right():
    for n in (1, 2, 31, 33, 70, 300):
        for n_rows in (1, 33):
            assert_products_in_parts_hold(n_rows, n, np.random.default_rng(n))


def assert_products_in_parts_hold(n_rows, n, rng):
    for weights, columns in (
        (np.tile(staircase(n), (n_rows, 1)), np.ones((n, 1))),
        (unlucky(rng, (n_rows, n)), unlucky(rng, (n, 2, 2))),
        (hostile(rng, (n_rows, n)), hostile(rng, (n, 2))),
        (np.full((n_rows, n), 1.2 * 2.0**-538), np.full((n, 1), 1.2 * 2.0**-537)),
    ):
        product, roundings = product_in_parts(in_order(weights), columns)
        assert roundings <= n
        product = np.asarray(product).reshape(n_rows, -1)[:2]
        terms = exact(weights[:2])[:, :, None] * exact(columns.reshape(n, -1))
        gamma = roundings * Q(U) / (1 - roundings * Q(U))
        allowed = gamma * np.abs(terms).sum(axis=1) + n * ETA / 2
        assert (np.abs(terms.sum(axis=1) - exact(product)) <= allowed).all()


def test_a_product_in_parts_goes_through_as_few_roundings_as_it_says():
    """Sums of 300 terms in a row lose 299 half units; in parts far fewer, and no more than said.
    """
    weights = in_order([np.append(1.0, np.full(299, U))])
    product, roundings = product_in_parts(weights, np.ones((300, 1)))
    assert roundings < 50 and 1 + 299 * Q(U) - Q(float(product[0, 0])) <= roundings * Q(U)
    weights[:, 32:] = 0.0
    weights[:, 32::32] = U  # the sum of each part is lost too
    product, roundings = product_in_parts(weights, np.ones((300, 1)))
    assert 1 + (31 + 9) * Q(U) - Q(float(product[0, 0])) <= roundings * Q(U)


def assert_affine_bounds_hold(W, b, low, high):
    found = arithmetic.affine_bounds(Layer(in_order(W), b), Interval(in_order(low), in_order(high)))
    W, b, low, high = map(exact, (W, b, low, high))
    least = np.minimum(W * low, W * high).sum(axis=1) + b
    most = np.maximum(W * low, W * high).sum(axis=1) + b
    assert (exact(found.low) <= least).all() and (most <= exact(found.high)).all()


def test_affine_bounds_hold_at_all_corners():
    rng = np.random.default_rng(4)
    for n in (1, 3, 12, 60):
        for numbers in (unlucky, hostile):
            low, high = np.sort(numbers(rng, (2, n)), axis=0)
            assert_affine_bounds_hold(numbers(rng, (5, n)), numbers(rng, 5), low, high)
        ones, tiny = np.ones(n), np.full(n, 1.2 * 2.0**-538)
        for sign in (-1.0, 1.0):
            assert_affine_bounds_hold(sign * staircase(n)[None], np.zeros(1), ones, ones)
            assert_affine_bounds_hold(sign * tiny[None], np.zeros(1), tiny, tiny)
    for sign in (-1.0, 1.0):
        odd = np.array([ODDER])
        assert_affine_bounds_hold(sign * np.array([[ODD]]), np.array([sign * U]), odd, odd)


def test_affine_bounds_are_no_wider_than_their_charges_twice():
    W, b = np.array([[1.0, -2.0]]), np.array([0.5])
    h = Interval(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    found = arithmetic.affine_bounds(Layer(W, b), h)
    margin = 2 * arithmetic.gamma(5) * 5.5
    assert -3.5 - margin <= found.low[0] < -3.5 and -0.5 < found.high[0] <= -0.5 + margin


# inputs


DOMAINS = [
    rn.Box([-1.0, 2.0**-300], [2.0, 5.0]),
    rn.Ball([1.0, -3.0], 0.99 * U),
    rn.Ball([0.1, 1e200], 3.0),
    rn.Ball([0.1, -0.7], 2.0**-1074),
    rn.Hull([[0.0, 0.1], [1e-3, -7.0], [5.0, 2.0**-537]]),
]


def exact_highest_is_below(row, domain, bound):
    """Return True if w.x <= bound for all x of the domain, in rationals."""
    row, bound = exact(row), Q(float(bound))
    if isinstance(domain, rn.Box):
        return sum(np.maximum(row * exact(domain.low), row * exact(domain.high))) <= bound
    if isinstance(domain, rn.Hull):
        return max(exact(domain.points) @ row) <= bound
    rest = bound - sum(row * exact(domain.centre))
    return root_is_below(Q(domain.radius) ** 2 * sum(row * row), rest)


def test_highest_values_over_a_domain_are_not_below_the_exact_ones():
    rng = np.random.default_rng(5)
    rows = np.concatenate([unlucky(rng, (200, 2)), hostile(rng, (200, 2)), np.zeros((1, 2))])
    for domain in DOMAINS:
        for row, bound in zip(rows, arithmetic.highest(rows, domain)):
            assert exact_highest_is_below(row, domain, bound)


def test_highest_values_are_no_higher_than_twice_their_charges():
    rows, box = np.array([[1.0, -2.0], [0.0, 3.0]]), rn.Box([-1, 2], [3, 4])
    for domain, exactly in ((box, [-1.0, 12.0]), (rn.Hull([[3, 2], [-1, 4]]), [-1.0, 12.0])):
        above = arithmetic.highest(rows, domain) - exactly
        assert (0.0 < above).all() and (above <= 2.0 * arithmetic.gamma(6) * 12.0).all()


def test_highest_values_hold_where_each_operation_rounds_the_bad_way():
    n = 60
    ones = np.ones(n)
    domains = [
        rn.Box(ones, ones + 2.0**-52), rn.Ball(ones, 2.0**-60), rn.Hull([ones, 0 * ones]),
    ]
    for domain in domains:
        for row in (staircase(n), -staircase(n)):
            bound = arithmetic.highest(in_order([row]), domain)[0]
            assert exact_highest_is_below(row, domain, bound)
    tiny, far = np.full((1, n), 1.2 * 2.0**-538), np.full(n, 1.2 * 2.0**-538)
    for domain in (rn.Box(far, 2 * far), rn.Ball(far, 2.0**-1074), rn.Hull([far, 0 * far])):
        assert exact_highest_is_below(tiny[0], domain, arithmetic.highest(tiny, domain)[0])


def test_highest_values_on_a_ball_hold_a_norm_that_underflows():
    """The norm of two smallest numbers, 1.4 of them, rounds to one; the radius is large."""
    row, ball = np.full((1, 2), 2.0**-1074), rn.Ball([0.0, 0.0], 2.0**600)
    assert exact_highest_is_below(row[0], ball, arithmetic.highest(row, ball)[0])


def test_bounding_box_holds_the_domain():
    for domain in DOMAINS:
        low, high = (exact(side) for side in arithmetic.bounding_box(domain))
        if isinstance(domain, rn.Ball):
            centre, radius = exact(domain.centre), Q(domain.radius)
            points = np.array([centre - radius, centre + radius])
        elif isinstance(domain, rn.Hull):
            points = exact(domain.points)
        else:
            points = exact([domain.low, domain.high])
        assert (low <= points).all() and (points <= high).all()


def test_what_is_no_domain_is_refused():
    with pytest.raises(ValueError, match="no Box, Ball or Hull"):
        arithmetic.bounding_box(None)


# rationals


def test_rational_roots_are_not_below_the_exact_ones_and_hardly_above():
    squares = [Q(0), Q(1), Q(2), Q(4, 9), Q(2) ** -900, Q(3, 7) ** 81, Q(10) ** 400 + 1]
    for square in squares:
        root = arithmetic.root_above(square)
        slack = Q(1, square.denominator * 2**200)
        assert root**2 >= square and (root <= slack or (root - slack) ** 2 <= square)


def tree(axis, place, directions=()):
    return {
        "axis": np.array(axis), "place": np.array(place, dtype=float),
        "directions": np.array(directions).reshape(-1, 2),
    }


UNIT_SQUARE = [(0.0, 1.0), (0.0, 1.0)]


def test_leaves_of_random_trees_cover_the_root_without_overlap():
    """Nodes come depth first, lower halves first: each point lies in the leaf that splits lead to.
    """
    rng = np.random.default_rng(6)

    def grow(box, depth):
        if depth == 0 or rng.random() < 0.2:
            return [-1], [0.0], [box]
        axis = int(rng.integers(2))
        low, high = box[axis]
        place = low + (high - low) * rng.choice([0.25, 0.5])
        parts = [
            grow([*box[:axis], half, *box[axis + 1:]], depth - 1)
            for half in ((low, place), (place, high))
        ]
        return (
            [axis, *parts[0][0], *parts[1][0]], [place, *parts[0][1], *parts[1][1]],
            parts[0][2] + parts[1][2],
        )

    for _ in range(20):
        axis, place, boxes = grow(UNIT_SQUARE, 5)
        box = rn.Box([0, 0], [1, 1])
        for number in (float, Q):
            root = [(number(low), number(high)) for low, high in UNIT_SQUARE]
            assert arithmetic.leaf_boxes(tree(axis, place), box, root, number) == boxes


def is_refused(*arguments):
    try:
        arithmetic.leaf_boxes(*arguments)
    except (ValueError, IndexError):
        return True
    return False


def test_leaves_that_do_not_cover_the_root_are_refused():
    for axis, place in [
        ([0, -1], [0.5, 0.0]), ([-1, -1], [0.0, 0.0]), ([0, -1, -1], [1.5, 0.0, 0.0]),
        ([0, -1, -1], [1.0, 0.0, 0.0]), ([0, -1, -1], [0.0, 0.0, 0.0]),
        ([2, -1, -1], [0.5, 0.0, 0.0]), ([-3], [0.0]), ([-3, -1, -1], [0.5, 0.0, 0.0]),
        ([0, -1, -1], [np.nan, 0.0, 0.0]), ([0, -1, -1], [0.5, 0.0]), ([], []),
        ([0, -1, -1, -1], [0.5, 0.0, 0.0, 0.0]),
    ]:
        for number in (float, Q):
            assert is_refused(tree(axis, place), rn.Box([0, 0], [1, 1]), UNIT_SQUARE, number)


def test_a_leaf_is_left_out_only_where_its_direction_separates_it_from_the_domain():
    """The ball of radius 5 touches 3 x + 4 y = 25; the hull's corner lies on x + y = 2."""
    corner, beyond = [(3.0, 9.0), (4.0, 9.0)], [(1.0, 2.0), (1.0 + 2.0**-50, 2.0)]
    for domain, box, direction, separated in (
        (rn.Ball([0.0, 0.0], np.nextafter(5.0, 0.0)), corner, [3.0, 4.0], True),
        (rn.Ball([0.0, 0.0], 5.0), corner, [3.0, 4.0], False),
        (rn.Ball([0.0, 0.0], 5.0), corner, [-3.0, -4.0], False),
        (rn.Hull([[0, 0], [2, 0], [0, 2]]), beyond, [1.0, 1.0], True),
        (rn.Hull([[0, 0], [2, 0], [0, 2]]), [(1.0, 2.0), (1.0, 2.0)], [1.0, 1.0], False),
        (rn.Hull([[0, 0], [2, 0], [0, 2]]), beyond, [0.0, 0.0], False),
        (rn.Box([0, 0], [1, 1]), beyond, [1.0, 1.0], False),
    ):
        data = tree([-2], [0.0], [direction])
        if separated:
            assert arithmetic.leaf_boxes(data, domain, box, float) == []
        else:
            assert is_refused(data, domain, box, float)


# networks


def test_layers_up_to_a_depth_are_the_same_function():
    for depth, output_bias in ((0, False), (2, True), (5, False), (5, True)):
        network = rn.Network.random((2, 3, 4, 2), 0, output_bias=output_bias)
        *hidden, outputs = arithmetic.layers_of(network, depth)
        assert len(hidden) == max(depth, 2)
        x = np.array([0.3, -0.6])
        for W, b in hidden:
            x = np.maximum(W @ x + b, 0.0)
        found = outputs.weights @ x + outputs.thresholds
        assert np.allclose(found, network([[0.3, -0.6]])[0], rtol=1e-14)


def test_layers_that_need_no_deepening_take_no_more_memory_than_they_have():
    """An identity of a last layer of 100,000 neurons would take 80 GB."""
    n = 2000
    network = rn.Network([np.ones((n, 1))], [np.zeros(n)], np.ones((1, n)))
    for layers in (lambda: arithmetic.layers_of(network), lambda: arithmetic.layers_of(network, 1)):
        tracemalloc.start()
        assert len(layers()) == 2
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100 * n
