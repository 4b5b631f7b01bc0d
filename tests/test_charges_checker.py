"""The checker of pieces: each charge is used up by numbers that round the bad way (see mutate_charges.py)."""
from contextlib import contextmanager
from fractions import Fraction

import numpy as np

import reducednet as rn
from exact_suprema import exact_difference
from reducednet.verification import checker
from worst_rounding import ODD, ODDER, U, exact, in_order, signs, staircase, unlucky

ETA = 2.0**-1074


def forms(A, R):
    """Return (A, R) of quantities with these numbers in the interval's and the linear form's place, over one set."""
    A, R = (np.atleast_1d(np.array(part, dtype=float)) for part in (A, R))
    return np.stack([A, A], axis=1)[:, :, None], np.stack([R, R], axis=1)[:, :, None]


def farthest(G, E, V, A):
    """Return the largest exact |z - A| of z = (G +- E) v for v within V, of each row; no slopes."""
    m, r, G, E, A = exact(V[0][:, 0, 0]), exact(V[1][:, 0, 0]), exact(G), exact(E), exact(A[:, 0, 0])
    result = []
    for row, errors, a in zip(G, E, A):
        off = sum(row * m) - a
        result.append(max(
            s * off + sum(max(s * g * t * v + e * abs(u + t * v) for t in (-1, 1))
                          for g, e, u, v in zip(row, errors, m, r)) for s in (-1, 1)
        ))
    return result


def assert_rows_hold(G, E, V):
    A, R = checker.at(G, E, V)
    for off, *radii in zip(farthest(G, E, V, A), R[:, 0, 0], R[:, 1, 0]):
        assert all(off <= Fraction(float(radius)) for radius in radii), f"{float(off)} beyond {radii}"


def test_rows_hold_where_each_addition_loses_half_a_unit():
    G, V = in_order([np.append(staircase(60), 0.0)]), forms(np.ones(61), np.zeros(61))
    assert_rows_hold(G, 0.0 * G, V)


def test_rows_hold_where_a_product_and_its_bias_lose_half_a_unit_each():
    G, V = np.array([[ODD, U]]), forms([ODDER, 1.0], [0.0, 0.0])
    assert_rows_hold(G, 0.0 * G, V)


def test_rows_hold_what_their_inputs_and_factors_may_be_off_by():
    G, E = np.array([[1.0, 0.0]]), np.array([[0.5, 0.0]])
    assert_rows_hold(G, 0.0 * E, forms([1.0, 1.0], [0.25, 0.0]))
    assert_rows_hold(G, E, forms([1.0, 1.0], [0.25, 0.0]))


def test_rows_hold_where_the_sum_of_errors_is_rounded_itself():
    E = in_order([np.append(staircase(60), 0.0)])
    assert_rows_hold(0.0 * E, E, forms(np.ones(61), np.zeros(61)))


def test_rows_hold_where_products_underflow():
    tiny = 2.0**-537 * 1.2
    G = np.append(np.full(20, tiny), 0.0)[None]
    assert_rows_hold(G, 0.0 * G, forms(np.append(np.full(20, tiny), 1.0), np.zeros(21)))


def test_factors_that_underflowed_are_charged_by_what_they_multiply():
    """The product of a scale and a factor that a class's row takes off is 0: it is off by almost half of ETA."""
    tiny, far = 2.0**-538 * 1.2, 2.0**1000
    G, E, q = np.array([[0.0, 0.0], [tiny, 0.0]]), np.zeros((2, 2)), np.array([0.0, tiny])
    V = np.array([[[far], [far]], [[1.0], [1.0]]]), np.zeros((2, 2, 1))
    A, R, _ = checker.relus(G[::-1], E, q, np.array([0, 0]), V, ("Box", None))
    z = -Fraction(tiny) * Fraction(tiny) * Fraction(far)  # s(0) - q s(tiny H)
    assert abs(z - Fraction(A[1, 0, 0])) <= Fraction(R[1, 0, 0])


def difference_of_relus(G, E, q, V):
    """Return exact (h - |q| H_head) of rows that are G + E or G - E, at ends of V: lists, one a choice."""
    m, r = exact(V[0][:, 0, 0]), exact(V[1][:, 0, 0])
    for s in signs(len(m)):
        v = [a + t * b for a, t, b in zip(m, s, r)]
        for e in (-1, 0, 1):
            z = [sum((g + e * f) * u for g, f, u in zip(row, errors, v)) for row, errors in zip(exact(G), exact(E))]
            yield [max(value, Fraction(0)) - abs(Fraction(w)) * max(z[0], Fraction(0)) for value, w in zip(z, q)]


def test_members_hold_what_their_class_makes_of_them():
    """Members are near multiples, of either sign; their errors and those of the head are their own."""
    rng = np.random.default_rng(3)
    for trial in range(150):
        n, unlike = int(rng.integers(1, 3)), 2.0 ** rng.choice([-60, -53, -52, -26, -1])
        G = unlucky(rng, (7, n + 1))
        q = np.append(0.0, unlucky(rng, 6, 0))
        q[rng.random(7) < 0.3] = rng.choice([-1.0, 1.0])
        q[0] = 0.0
        G[1:] = q[1:, None] * G[0] * (1.0 + unlike * rng.integers(-1, 2, (6, n + 1)))
        E = np.abs(unlucky(rng, (7, n + 1))) * rng.choice([0.0, unlike], (7, 1))
        V = forms(np.append(unlucky(rng, n), 1.0), np.append(np.abs(unlucky(rng, n)) * rng.choice([0, 1], n), 0.0))
        A, R, lows = checker.relus(G, E, q, np.zeros(7, dtype=int), V, ("Box", None))
        A, R = exact(A[:, :, 0]), exact(R[:, :, 0])
        for values in difference_of_relus(G, E, q, V):
            for value, a, radius in zip(values, A, R):
                assert all(abs(value - b) <= c for b, c in zip(a, radius))


def test_bounds_hold_the_ends_of_intervals_and_forms():
    """1 + .99 U rounds to 1; the slopes' sum loses U with each term; rounded coordinates of a hull's points count."""
    none = ("Box", None)
    low, high = checker.bounds(forms([1.0, -1.0], [0.99 * U, 0.99 * U]), none)
    assert Fraction(high[0, 0]) >= 1 + Fraction(0.99 * U) and Fraction(low[1, 0]) <= -1 - Fraction(0.99 * U)
    n, wide = 60, np.zeros((1, 62, 8))
    wide[0, 2:] = staircase(n)[:, None]
    R = np.full((1, 2, 8), 0.0)
    R[:, 0] = 9.0
    total = sum(map(Fraction, staircase(n)))
    low, high = checker.bounds((wide, R), none)
    assert Fraction(low[0, 0]) <= -total and Fraction(high[0, 0]) >= total
    slopes = in_order(wide[0, :, :1])[None]
    low, high = checker.bounds((slopes[:, :, :1], R[:, :, :1]), ("Hull", np.ones((1, n))))
    assert Fraction(float(high[0, 0])) >= total
    low, high = checker.bounds((-slopes[:, :, :1], R[:, :, :1]), ("Hull", np.ones((1, n))))
    assert Fraction(float(low[0, 0])) <= -total


def test_bounds_over_a_ball_hold_where_squares_underflow():
    a = np.array([0.0, 0.0, 2.0**-540])[None, :, None]
    low, high = checker.bounds((a, np.array([[1.0], [0.0]])[None]), ("Ball", None))
    assert high[0, 0] >= 2.0**-540 and low[0, 0] <= -2.0**-540


def test_bounds_over_a_hull_hold_where_products_underflow():
    n = 12
    a = np.append([0.0, 0.0], np.full(n, ETA))[None, :, None]
    low, high = checker.bounds((a, np.array([[1.0], [0.0]])[None]), ("Hull", np.full((1, n), 0.5)))
    assert Fraction(high[0, 0]) >= n * Fraction(ETA) / 2


def test_middle_and_reach_hold_both_ends():
    rng = np.random.default_rng(0)
    low, high = np.sort(unlucky(rng, (2, 500), 9), axis=0)
    for a, b, m, r in zip(*map(exact, (low, high, *checker.between(low, high)))):
        assert m - r <= a and b <= m + r


def test_numbers_further_off_are_so_by_more_than_three_roundings():
    x = np.array([1.0, -1.0, 1.75, 1e300, ODD, 0.0])
    for step in (-1, 1):
        for value, moved in zip(exact(x), exact(checker.beyond(x, float(step)))):
            assert step * (moved - value) > 3 * abs(value) * Fraction(U)
            assert step * (moved - value) >= Fraction(ETA)


def known(values, lows=0.0):
    """Return a stand-in of `relus` for neurons whose values are these, exactly, over one set."""
    A, R = forms(values, np.zeros(len(values)))
    return lambda *_: (A.copy(), R.copy(), np.full((len(values), 1), lows))


@contextmanager
def replaced(name, *stands_in):
    """Put functions in the place of one of the checker's, each for a call."""
    own, left = getattr(checker, name), list(stands_in)
    setattr(checker, name, lambda *arguments: left.pop(0)(*arguments))
    try:
        yield
    finally:
        setattr(checker, name, own)


def data_of(*labels, scales=None):
    data = {"linear": 1}
    for layer, own in enumerate(labels):
        data |= {f"labels{layer}": np.array(own), f"scales{layer}": np.ones(len(own))}
    return data | (scales or {})


def rows_of(W):
    """Return (W, 0)."""
    return in_order(W), np.zeros(len(W))


def bound(data, g, f):
    """Return the bound for two lists of layers (W, b), over the point 1; in each layer g's come first."""
    box = rn.Box([0.0], [2.0])
    return Fraction(float(checker.bound_on([[(1.0, 1.0)]], data, [*zip(g, f)], box, ("Box", None))))


def test_outputs_factors_round_when_they_are_subtracted():
    """The difference of factors, its product with H and the bias lose half a unit each."""
    H, c = ODDER, -U * (1.0 - 2.0**-20)
    one = rows_of([[1.0]])
    with replaced("relus", known([H, H])):
        found = bound(data_of([0, 0]), [one, (np.array([[ODD]]), np.array([U]))], [one, rows_of([[c]])])
    assert found >= (Fraction(ODD) - Fraction(c)) * Fraction(H) + Fraction(U)


def test_factors_of_a_class_are_summed_with_a_rounding_each():
    n = 60
    one, layer = rows_of([[1.0]]), rows_of(np.ones((n, 1)))
    with replaced("relus", known(np.ones(n + 1))):
        found = bound(data_of([0] * (n + 1)), [layer, rows_of([staircase(n)])], [one, rows_of([[0.0]])])
    assert found >= 1 + (n - 1) * Fraction(U)


def test_scaled_factors_round_once_more():
    """Factor times scale, that times H, and the bias lose half a unit each."""
    one, two = rows_of([[1.0]]), rows_of([[1.0], [1.0]])
    scales = {"scales0": np.array([1.0, ODD, 1.0])}
    H = 1.0 + 2.0**-25  # with ROUNDED it makes a product that rounds down by U, too
    with replaced("relus", lambda *_: (forms([H, 0.0, H], np.zeros(3)) + (np.zeros((3, 1)),))):
        found = bound(data_of([0, 0, 0], scales=scales), [two, (np.array([[0.0, ODDER]]), np.array([U]))],
                      [one, rows_of([[0.0]])])
    assert found >= Fraction(ODD) * Fraction(ODDER) * Fraction(H) + Fraction(U)


def test_products_of_factors_and_scales_that_underflow_are_charged_each():
    s, w, k = 2.0**-537, 0.98 * 2.0**-538, 40
    rows = np.append(1.0, np.full(k, s))[:, None]
    f = rn.Network([rows], [np.zeros(k + 1)], [np.append(0.0, np.full(k, w))])
    g, box, X = rn.Network([[[1.0]]], [[0.0]], [[0.0]]), rn.Box(0.0, 2.0**1000), [Fraction(2) ** 1000]
    data = data_of([0] * (k + 2), scales={"scales0": np.append([1.0, 1.0], np.full(k, s))})
    data |= {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 1))}
    assert Fraction(float(checker.check(data, f, g, box))) >= exact_difference(f, g, X)


def through(n, G, D, H=1.0):
    """Return the bound for always-on neurons of factors D over rows G, in the second of two hidden layers of g."""
    first, none = rows_of([[1.0]]), rows_of([[0.0]])
    at_first = known([H, 0.0])
    on = [known(np.full(n + 1, 1.0))]
    with replaced("relus", at_first, *on):
        data = data_of([0, 0], [*range(n), -1])
        return bound(data, [first, rows_of(G), rows_of(D)], [first, none, none])


def always_on(n, G, D, E=0.0, low=0.0, H=1.0):
    """As `through`, with neurons whose values are known within a lot, but for their rows."""
    wide = np.full(n + 1, 100.0)
    first, none = rows_of([[1.0]]), rows_of([[0.0]])

    def second(*_):
        A, R = forms(wide, wide)
        A[-1] = R[-1] = 0.0
        return A, R, np.full((n + 1, 1), low)
    with replaced("relus", known([H, H]), second):
        return bound(data_of([0, 0], [*range(n), -1]), [first, rows_of(G), rows_of(D)], [first, none, none])


def test_rows_of_always_on_neurons_are_summed_with_a_rounding_each():
    n = 60
    assert always_on(n, np.ones((n, 1)), [staircase(n)]) >= 1 + (n - 1) * Fraction(U)


def test_always_on_neurons_may_be_above_their_rows_by_what_they_are_below_0():
    assert always_on(1, [[0.0]], [[1.0]], low=-(2.0**-24)) >= Fraction(2) ** -24


def test_products_of_rows_of_always_on_neurons_that_underflow_are_charged_each():
    k, far = 40, 2.0**990
    W = np.tile([[0.98 * 2.0**-538, 1.0]], (k, 1))
    f, g = (rn.Network([np.eye(2), W], [[0, 0], np.zeros(k)], [np.full(k, c)]) for c in (2.0**-537, 0.0))
    data = data_of([0, 1, 0, 1], [*range(k)] * 2)
    data |= {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 1))}
    box, X = rn.Box([0, 0], [far, 2.0**-600]), [Fraction(far), Fraction(0)]
    assert Fraction(float(checker.check(data, f, g, box))) >= exact_difference(f, g, X)


def test_a_ball_lies_in_its_box():
    """Half of the ball is cut off, and its end is 1 + U: the box of the other half reaches to it."""
    ball = rn.Ball([1.0], U * 0.99)
    f, g = rn.Network([[[1.0]]], [[-1.0]], [[1.0]]), rn.Network([[[0.0]]], [[0.0]], [[1.0]])
    data = {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 1))} | data_of([-1, -1])
    boxes = checker.leaves(data, ball, [(1.0, 1.0)])
    assert boxes
    seen = []
    with replaced("bound_on", lambda parts, *_: seen.append(parts) or np.float64(0.0)):
        checker.check(data, f, g, ball)
    (((low, high),),), = seen
    assert Fraction(low) <= 1 - Fraction(U * 0.99) and Fraction(high) >= 1 + Fraction(U * 0.99)


def test_a_leaf_is_left_out_only_where_the_direction_parts_it_from_the_domain():
    """The ball of radius 5 touches 3 x + 4 y = 25; one that is a little smaller does not."""
    data = {"axis": np.array([-2]), "place": np.zeros(1), "directions": np.array([[3.0, 4.0]])}
    corner = [(3.0, 9.0), (4.0, 9.0)]
    assert checker.leaves(data, rn.Ball([0.0, 0.0], np.nextafter(5.0, 0.0)), corner) == []
    try:
        checker.leaves(data, rn.Ball([0.0, 0.0], 5.0), corner)
    except ValueError:
        return
    raise AssertionError("a leaf that the ball touches was left out")
