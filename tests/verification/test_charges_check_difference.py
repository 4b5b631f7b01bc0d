"""The checker of pieces: each charge is used up by numbers that round the bad way."""

from contextlib import contextmanager
from fractions import Fraction

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_difference
from reducednet.verification.certificates import check_difference
from reducednet.verification.certificates.arithmetic import Interval, Layer
from reducednet.verification.certificates.check_difference import (
    Classes, Forms, Region, UncertainRows,
)
from oracles.worst_rounding import ODD, ODDER, U, exact, in_order, signs, staircase, unlucky

ETA = 2.0**-1074
BOX = Region("Box")


def classes(scales, compared_to):
    """Return classes with these scales, of neurons that are compared to these."""
    return Classes(None, None, np.asarray(scales), np.asarray(compared_to), None)


def remainders(G, E, scales, compared_to, V, region=BOX):
    """Return the values and radii of the checker's remainders of rows G +- E over V."""
    rows = UncertainRows(np.asarray(G), np.asarray(E))
    found, _ = check_difference.relu_remainders(
        rows, classes(scales, compared_to), Forms(*V), region
    )
    return found


def forms(A, R):
    """Return (A, R) of quantities with these numbers in the interval's and the linear form's
    place, over one set.
    """
    A, R = (np.atleast_1d(np.array(part, dtype=float)) for part in (A, R))
    return Forms(np.stack([A, A], axis=1)[:, :, None], np.stack([R, R], axis=1)[:, :, None])


def farthest(G, E, V, A):
    """Return the largest exact |z - A| of z = (G +- E) v for v within V, of each row; no slopes."""
    m, r, G, E, A = (
        exact(V[0][:, 0, 0]),
        exact(V[1][:, 0, 0]),
        exact(G),
        exact(E),
        exact(A[:, 0, 0]),
    )
    result = []
    for row, errors, a in zip(G, E, A):
        off = sum(row * m) - a
        result.append(
            max(
                s * off
                + sum(
                    max(s * g * t * v + e * abs(u + t * v) for t in (-1, 1))
                    for g, e, u, v in zip(row, errors, m, r)
                )
                for s in (-1, 1)
            )
        )
    return result


def assert_rows_hold(G, E, V):
    A, R = check_difference.combine(UncertainRows(G, E), V)
    for off, *radii in zip(farthest(G, E, V, A), R[:, 0, 0], R[:, 1, 0]):
        assert all(
            off <= Fraction(float(radius)) for radius in radii
        ), f"{float(off)} beyond {radii}"


def test_rows_hold_where_each_addition_loses_half_a_unit():
    G, V = in_order([np.append(staircase(60), 0.0)]), forms(np.ones(61), np.zeros(61))
    assert_rows_hold(G, 0.0 * G, V)


def test_rows_hold_where_a_product_and_its_bias_lose_half_a_unit_each():
    G, V = np.array([[ODD, U], [U, 1.0]]), forms([ODDER, 1.0], [0.0, 0.0])
    assert_rows_hold(G, 0.0 * G, V)
    assert_rows_hold(G, 0.0 * G, forms([1.0, 1.0], [0.0, 0.0]))


def test_rows_hold_what_their_inputs_and_factors_may_be_off_by():
    G, E = np.array([[1.0, 0.0]]), np.array([[0.5, 0.0]])
    assert_rows_hold(G, 0.0 * E, forms([1.0, 1.0], [0.25, 0.0]))
    assert_rows_hold(G, E, forms([1.0, 1.0], [0.25, 0.0]))


def test_rows_hold_where_the_sum_of_errors_is_rounded_itself():
    E = in_order([np.append(staircase(30), 0.0)])
    assert_rows_hold(0.0 * E, E, forms(np.ones(31), np.zeros(31)))


def test_rows_hold_where_products_underflow():
    tiny = 2.0**-537 * 1.2
    G = np.append(np.full(20, tiny), 0.0)[None]
    assert_rows_hold(G, 0.0 * G, forms(np.append(np.full(20, tiny), 1.0), np.zeros(21)))


def test_rows_hold_where_magnitudes_of_many_slopes_are_rounded():
    """1 + 59 U is 1 in float64, and a coefficient that is uncertain by 1 multiplies it."""
    n, ones = 60, np.ones(8)
    values = np.zeros((2, n + 2, 8))
    values[0, 2:] = staircase(n)[:, None]
    values[1, :2] = 1.0
    radii = np.zeros((2, 2, 8))
    radii[0, 0] = 9.0
    rows = UncertainRows(np.zeros((1, 2)), np.array([[1.0, 0.0]]))
    found = check_difference.combine(rows, Forms(values, radii)).radii[0, 1]
    assert (exact(found) >= sum(exact(staircase(n)))).all() and (found <= 1.0 + 2.0**-40 * ones).all()


def test_a_charge_that_underflows_is_not_lost_before_a_large_weight():
    """Weights of 2^1020 times inputs of 2^-1040 round by 2^-73: two such products cancel, and only
    their rounding errors remain, which gamma times an input is too small to hold.
    """
    x = np.array([ODDER, 1.0 + 3.0 * 2.0**-27]) * 2.0**-1040
    f = rn.Network([[[ODD * 2.0**1020, -(2.0**1020), 0.0]]], [[0.0]], [[2.0**60]])
    g = rn.Network([np.zeros((1, 3))], [[0.0]], [[0.0]])
    data = data_of([-1, -1])
    data |= {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 3))}
    truth = exact_difference(f, g, exact([*x, 0.0]))
    assert truth > Fraction(2) ** -14
    for domain in (rn.Box([*x, 0.0], [*x, 1.0]), rn.Hull([[*x, 0.0], [*x, 1.0]])):
        assert Fraction(check_difference.check(data, f, g, domain)) >= truth


def test_factors_that_underflowed_are_charged_by_what_they_multiply():
    """The product of a scale and a factor that a class's row takes off is 0: it is off by almost
    half of ETA.
    """
    tiny, far = 2.0**-538 * 1.2, 2.0**1000
    G, E, q = np.array([[0.0, 0.0], [tiny, 0.0]]), np.zeros((2, 2)), np.array([0.0, tiny])
    V = np.array([[[far], [far]], [[1.0], [1.0]]]), np.zeros((2, 2, 1))
    A, R = remainders(G[::-1], E, q, [0, 0], V)
    z = -Fraction(tiny) * Fraction(tiny) * Fraction(far)  # s(0) - q s(tiny H)
    assert abs(z - Fraction(A[1, 0, 0])) <= Fraction(R[1, 0, 0])


def test_bounds_hold_for_intervals_and_forms():
    """1 + .99 U rounds to 1; the slopes' sum loses U with each term; rounded coordinates of a
    hull's points count.
    """
    low, high = check_difference.bounds(forms([1.0, -1.0], [0.99 * U, 0.99 * U]), BOX)
    assert Fraction(high[0, 0]) >= 1 + Fraction(0.99 * U) and Fraction(low[1, 0]) <= -1 - Fraction(
        0.99 * U
    )
    n, wide = 60, np.zeros((1, 62, 8))
    wide[0, 2:] = staircase(n)[:, None]
    R = np.full((1, 2, 8), 0.0)
    R[:, 0] = 9.0
    total = sum(map(Fraction, staircase(n)))
    low, high = check_difference.bounds(Forms(wide, R), BOX)
    assert Fraction(low[0, 0]) <= -total and Fraction(high[0, 0]) >= total
    slopes = in_order(wide[0, :, :1])[None]
    hull = Region("Hull", np.ones((1, n)))
    low, high = check_difference.bounds(Forms(slopes[:, :, :1], R[:, :, :1]), hull)
    assert Fraction(float(high[0, 0])) >= total
    low, high = check_difference.bounds(Forms(-slopes[:, :, :1], R[:, :, :1]), hull)
    assert Fraction(float(low[0, 0])) <= -total


def test_bounds_over_a_ball_hold_where_squares_underflow():
    a = np.array([0.0, 0.0, 2.0**-540])[None, :, None]
    low, high = check_difference.bounds(Forms(a, np.array([[1.0], [0.0]])[None]), Region("Ball"))
    assert high[0, 0] >= 2.0**-540 and low[0, 0] <= -(2.0**-540)


def test_bounds_over_a_hull_hold_where_products_underflow():
    n = 12
    a = np.append([0.0, 0.0], np.full(n, ETA))[None, :, None]
    low, high = check_difference.bounds(
        Forms(a, np.array([[1.0], [0.0]])[None]), Region("Hull", np.full((1, n), 0.5))
    )
    assert Fraction(high[0, 0]) >= n * Fraction(ETA) / 2


@contextmanager
def replaced(**stands_in):
    """Put lists of functions in the place of the checker's, each for a call; None: the checker's
    own.
    """
    own = {name: getattr(check_difference, name) for name in stands_in}

    def calling(name):
        def call(*arguments):
            first = stands_in[name].pop(0) if stands_in[name] else None
            return (first or own[name])(*arguments)

        return call

    for name in own:
        setattr(check_difference, name, calling(name))
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(check_difference, name, function)


def kept(calls, answer=None):
    """Return a function that keeps its arguments, and answers."""

    def call(*arguments):
        calls.append(arguments)
        return answer

    return call


def always(answer):
    return lambda *_: answer


def remainders_of(d, representatives, q, opposite, sharp=False):
    """Return the checker's forms of s(z) - |q| s(z_c), z_c in `representatives` and z - q z_c in d.

    All are (middle, radius); for q < 0, z itself is in `opposite`. If sharp, the bounds of d and of
    the representatives are floats, and taken for the checker's own.
    """
    n = len(q)
    (A, R), (H, P) = forms(*d), forms(*representatives)
    limits = [check_difference.bounds(Forms(*own), BOX) for own in ((H, P), (A, R))]
    if sharp:
        limits = [(m[:, 0] - r[:, 0], m[:, 0] + r[:, 0]) for m, r in ((H, P), (A, R))]
    low, high = (np.concatenate(part) for part in zip(*limits))
    A, R = np.concatenate([H, A]), np.concatenate([P, R])
    T = q < 0.0
    answers = [always(Forms(A.copy(), R.copy())), always(forms(*opposite).take(T))]
    at = np.tile(np.arange(n), 2)
    G = np.zeros((2 * n, 1))
    with replaced(combine=answers, bounds=[always(Interval(low, high))]):
        return remainders(G, G, np.append(0.0 * q, q), at, (np.zeros((1, 2, 1)), None))


def test_differences_of_relus_hold_whatever_is_rounded():
    """Random bounds near powers of two, and subnormal ones: some rounding errors are as large as
    the margins.
    """
    rng, n = np.random.default_rng(5), 400
    for width in (1.0, 0.0, 2.0**-51, ETA):
        d, representatives, opposite = (
            (unlucky(rng, n), width * np.abs(unlucky(rng, n))) for _ in range(3)
        )
        if width == ETA:
            d, representatives, opposite = (
                (ETA * rng.integers(-20, 21, n), ETA * rng.integers(0, 21, n)) for _ in range(3)
            )
        q = np.where(rng.random(n) < 0.3, rng.choice([-1.0, 1.0], n), unlucky(rng, n, 1))
        assert_differences_hold(d, representatives, q, opposite, width == 0.0)


def assert_differences_hold(d, representatives, q, opposite, sharp):
    """Assert it for all rows at once."""
    A, R = remainders_of(d, representatives, q, opposite, sharp)
    A, R = exact(A[len(q) :, :, 0]), exact(R[len(q) :, :, 0])
    for row in zip(*map(exact, (*d, *representatives, q, *opposite)), A, R):
        assert_difference_holds(*row)


def test_bounds_of_differences_of_relus_hold_where_they_nearly_cancel():
    """q z_c is rounded up or down by U next to its opposite, or vanishes beside 1."""
    up = 1.0 + 3.0 * 2.0**-26  # ODD up rounds up by U
    rows = [
        (ODD, -ODDER, ODD * ODDER + 2.0**-30),
        (ODD, -up, ODD * up + 2.0**-30),
        (1.0, 0.6 * U, -1.0),
        (1.0, -0.4 * U, 1.0),
    ]
    q, h, d = np.array(rows).T
    assert_differences_hold((d, 0 * d), (h, 0 * h), q, (d, 0 * d), True)


def test_a_neuron_alone_holds_where_half_of_each_slope_underflows():
    """Forty slopes of ETA: half of each rounds to 0, and relu(z) is between 0 and 40 ETA."""
    n, A = 40, np.append([0.0, 0.0], np.full(40, ETA))[None, :, None]
    with replaced(
        combine=[always(Forms(A, np.zeros((1, 2, 1)))), always(Forms(A[:0], np.zeros((0, 2, 1))))],
        bounds=[always(Interval(np.full((1, 1), -n * ETA), np.full((1, 1), n * ETA)))],
    ):
        none = np.zeros((1, 1))
        A, R = remainders(none, none, np.zeros(1), [0], (np.zeros((1, 42, 1)), None))
    assert not A[0, 2:].any()
    assert A[0, 1, 0] + R[0, 1, 0] >= n * ETA and A[0, 1, 0] - R[0, 1, 0] <= 0.0


def test_a_chord_whose_slope_overflows_to_0_is_as_wide_as_relu():
    """high - low is beyond float64, the slope 0: relu(z) - 0 z is up to high."""
    ends = np.array([-1.5 * 2.0**1023]), np.array([1.5 * 2.0**1023])
    with np.errstate(over="ignore"):
        slope, middle, width = check_difference.enclosure_of_relu(Interval(*ends))
    assert slope == 0.0 and middle + width / 2.0 >= ends[1]


def test_half_of_a_difference_holds_where_its_error_is_rounded():
    """The difference may be 1 where its slope makes 3 U of it: 1 - 3/2 U from half of that, a sum
    of two halves.
    """
    A, R = (
        np.array([[0, 0, 0], [0, 0, 3 * U]])[:, :, None],
        np.array([[9, 9], [1, 1 - 3 * U]])[:, :, None],
    )
    low, high = np.array([[-9.0], [-1.0]]), np.array([[9.0], [1.0]])
    answers = [always(Forms(A, R)), always(Forms(A[:0], R[:0]))]
    with replaced(combine=answers, bounds=[always(Interval(low, high))]):
        none = np.zeros((2, 1))
        A, R = remainders(none, none, np.array([0.0, 1.0]), [0, 0], (np.zeros((1, 3, 1)), None))
    assert A[1, 1, 0] == 0.0 and A[1, 2, 0] == 1.5 * U
    assert 1 - Fraction(A[1, 2, 0]) <= Fraction(R[1, 1, 0])


def assert_difference_holds(m, r, h, p, q, b, s, A, R):
    """Assert that A +- R hold max(z, 0) - |q| max(z_c, 0) where z - q z_c and z_c are at their
    bounds, or at 0.
    """
    for z_c in [h - p, h + p] + [Fraction(0)] * (abs(h) < p):
        apart = [m - r, m + r] + [-abs(q) * z_c] * (abs(m + abs(q) * z_c) < r)
        for delta in apart:
            value = max(abs(q) * z_c + delta, Fraction(0)) - abs(q) * max(z_c, Fraction(0))
            for more in (b - s, b + s) if q < 0 else (0,):
                assert all(abs(value + more - a) <= radius for a, radius in zip(A, R))


def test_rows_round_when_that_of_their_representative_is_subtracted():
    """-U - ODD ODDER loses U twice; the rows' own errors are added up."""
    G, E = np.array([[ODDER, 0.0], [-U, 0.0]]), np.array([[1.0, 0.0], [0.25, 0.0]])
    lost = np.array([[U * 0.7, 0.0], [1.0, 0.0]])  # their sum rounds to 1
    for G, errors in ((G, 0.0 * E), (G, E), (0.0 * G, lost)):
        rows = UncertainRows(G, errors)
        D, found = check_difference.difference_rows(rows, classes([0.0, ODD], [0, 0]))
        off = abs(Fraction(G[1, 0]) - Fraction(ODD) * Fraction(G[0, 0]) - Fraction(D[1, 0]))
        assert off + Fraction(errors[1, 0]) + Fraction(ODD) * Fraction(errors[0, 0]) <= Fraction(
            found[1, 0]
        )


def factors(W, scales):
    """Return G and E of one class over a network's layer with weights W and no threshold."""
    nothing, layer = Layer(np.zeros((1, 0)), np.zeros(1)), Layer(np.array([W]), np.zeros(1))
    one_class = Classes(np.zeros(len(W), dtype=int), np.arange(1), None, None, np.array(scales))
    parts = check_difference.coefficients_over_classes(nothing, layer, one_class, range(1))
    return [part[1, 0] for part in parts]


def test_factors_of_a_class_lose_half_a_unit_in_each_product_and_sum():
    total, error = factors([ODD], [ODDER])
    assert abs(Fraction(ODD) * Fraction(ODDER) - Fraction(total)) <= Fraction(error)
    total, error = factors(staircase(7), np.ones(7))  # seven are summed one by one
    assert abs(1 + 6 * Fraction(U) - Fraction(total)) <= Fraction(error)


def output_of(answers, G, E, layers=1):
    """Call `bound_on_boxes` for rows (G, E) of the outputs, g's and f's; the calls of `combine` get these
    answers.
    """
    n, one = G[-1].shape[1] - 1, Layer(np.ones((1, 1)), np.zeros(1))
    rows = [UncertainRows(g, e) for g, e in zip(G, E)]
    data = {"linear": 1}
    wide = [2, *(g.shape[0] for g in G)]
    for layer in range(layers):
        data |= {f"labels{layer}": np.arange(wide[layer]), f"scales{layer}": np.ones(wide[layer])}
    values = [lambda *_, k=k: (forms(np.ones(k), np.ones(k)), np.zeros((k, 1))) for k in wide]
    over_classes = [always(pair) for pair in rows]
    with replaced(
        relu_remainders=values, rows_over_classes=over_classes, combine=answers
    ):
        return (
            check_difference.bound_on_boxes(
                [[(1.0, 1.0)]],
                data,
                [(one, one)] * (layers + 1),
                rn.Box([0.0], [2.0]),
                "Box",
            ),
            n,
        )


def test_rows_of_outputs_round_when_they_are_subtracted_and_their_errors_add_up():
    calls, zero = [], forms(np.zeros(1), np.zeros(1))
    G, E = np.array([[ODD, 0.0, 0.0], [-U * (1.0 - 2.0**-20), 0.0, 0.0]]), np.array(
        [[1.0, 0, 0], [0.25, 0, 0]]
    )
    lost = np.array([[1.0, 0, 0], [U, 0, 0]])  # their sum rounds to 1
    for G, errors in ((G, 0.0 * E), (G, E), (0.0 * G, lost)):
        output_of([kept(calls, zero)], [G], [errors])
        (D, found), _ = calls.pop()
        off = abs(Fraction(G[0, 0]) - Fraction(G[1, 0]) - Fraction(D[0, 0]))
        assert off + Fraction(errors[0, 0]) + Fraction(errors[1, 0]) <= Fraction(found[0, 0])


def replaced_rows(factors, rows, errors, uncertain):
    """Return what `combine` gets for always-on neurons with these factors and rows, for one output."""
    calls, n = [], len(factors)
    V = forms(np.zeros(1), np.zeros(1))
    G, E = (in_order(np.append(part, np.zeros((n, 2)), axis=1)) for part in (rows, errors))
    D, F = (in_order([np.append(part, 0.0), np.zeros(n + 1)]) for part in (factors, uncertain))
    output_of([always(V), always(V), kept(calls, V)], [G, D], [E, F], layers=2)
    (((C, S), _),) = calls
    return C[0, 0], S[0, 0]


def test_rows_of_always_on_neurons_are_combined_with_all_that_they_may_be_off_by():
    n = 60
    one, none = np.ones(n), np.zeros(n)
    for D, G, P, E in [
        (staircase(n), one, none, none),
        (one, none, staircase(n), none),
        (one, one, one, none),
        (one, one, none, one),
        (one, none, one, one),
    ]:
        C, S = replaced_rows(D, G[:, None], P[:, None], E)
        assert_products_hold(C, S, D, G, P, E)


def assert_products_hold(C, S, D, G, P, E):
    """Assert that C +- S hold the products of D +- E and G +- P, all of them positive."""
    off = sum(exact(D) * exact(G)) - Fraction(float(C))
    off += sum(d * p + e * g + e * p for d, g, p, e in zip(*map(exact, (D, G, P, E))))
    assert abs(off) <= Fraction(float(S))


def test_charges_of_rows_of_always_on_neurons_are_not_lost_before_a_large_weight():
    D, G, none = staircase(60) * 2.0**1020, np.full(60, 2.0**-1040), np.zeros(60)
    C, S = replaced_rows(D, G[:, None], none[:, None], none)
    assert_products_hold(C, S, D, G, none, none)


def test_sums_through_always_on_neurons_round():
    """1 + U rounds to 1, and so does the sum of their errors."""
    calls, n = [], 1
    for A, R, C, S in [(1.0, 0.0, U, 0.0), (0.0, 1.0, 0.0, U), (0.0, U, 0.0, 1.0)]:
        G, D = np.zeros((n, 3)), np.array([[1.0, 0.0], [0.0, 0.0]])
        answers = [
            always(forms(np.zeros(1), np.zeros(1))),
            always(forms([A], [R])),
            always(forms([C], [S])),
        ]
        bounds = [None, kept(calls, Interval(np.zeros((1, 1)), np.zeros((1, 1))))]
        with replaced(bounds=bounds):
            output_of(answers, [G, D], [0.0 * G, 0.0 * D], layers=2)
        (((total, radius), _),) = calls
        calls.clear()
        off = Fraction(A) + Fraction(C) - Fraction(total[0, 0, 0])
        assert abs(off) + Fraction(R) + Fraction(S) <= Fraction(radius[0, 0, 0])


def data_of(*labels, scales=None):
    data = {"linear": 1}
    for layer, own in enumerate(labels):
        data |= {f"labels{layer}": np.array(own), f"scales{layer}": np.ones(len(own))}
    return data | (scales or {})


def test_products_of_factors_and_scales_that_underflow_are_charged_each():
    s, w, k = 2.0**-537, 0.98 * 2.0**-538, 40
    rows = np.append(1.0, np.full(k, s))[:, None]
    f = rn.Network([rows], [np.zeros(k + 1)], [np.append(0.0, np.full(k, w))])
    g, box, X = (
        rn.Network([[[1.0]]], [[0.0]], [[0.0]]),
        rn.Box(0.0, 2.0**1000),
        [Fraction(2) ** 1000],
    )
    data = data_of([0] * (k + 2), scales={"scales0": np.append([1.0, 1.0], np.full(k, s))})
    data |= {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 1))}
    assert Fraction(float(check_difference.check(data, f, g, box))) >= exact_difference(f, g, X)


def test_always_on_neurons_may_be_above_their_rows_by_what_they_are_below_0():
    """Its row is 0 within 2^-24, which its lower bound says; H itself is hidden behind a wide
    interval.
    """
    for low in (-(2.0**-24), -ETA):
        assert_nu_holds(low)


def assert_nu_holds(low):
    """Assert that the form of nu holds 0 and -low."""
    calls, V = [], forms(np.zeros(1), np.zeros(1))
    wide = forms([100.0, 100.0], [100.0, 100.0]), np.full((2, 1), low)
    first = forms(np.ones(2), np.ones(2)), np.zeros((2, 1))
    G, D, one = (
        np.zeros((2, 3)),
        np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        Layer(np.ones((1, 1)), np.zeros(1)),
    )
    data = data_of([0, 1], [0, 1])
    with replaced(
        relu_remainders=[always(first), always(wide)],
        rows_over_classes=[always(UncertainRows(G, 0 * G)), always(UncertainRows(D, 0 * D))],
        combine=[always(V), kept(calls, V), always(V)],
    ):
        check_difference.bound_on_boxes(
            [[(1.0, 1.0)]], data, [(one, one)] * 3, rn.Box([0.0], [2.0]), "Box"
        )
    ((_, (A, R)),) = calls
    assert A[0, 0, 0] + R[0, 0, 0] >= -low and A[0, 0, 0] - R[0, 0, 0] <= 0.0


def test_products_of_rows_of_always_on_neurons_that_underflow_are_charged_each():
    k, far = 40, 2.0**990
    W = np.tile([[0.98 * 2.0**-538, 1.0]], (k, 1))
    f, g = (
        rn.Network([np.eye(2), W], [[0, 0], np.zeros(k)], [np.full(k, c)]) for c in (2.0**-537, 0.0)
    )
    data = data_of([0, 1, 0, 1], [*range(k)] * 2)
    data |= {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 1))}
    box, X = rn.Box([0, 0], [far, 2.0**-600]), [Fraction(far), Fraction(0)]
    assert Fraction(float(check_difference.check(data, f, g, box))) >= exact_difference(f, g, X)


def test_a_ball_lies_in_its_box():
    """Half of the ball is cut off, and its end is 1 + U: the box of the other half reaches to it.
    """
    ball = rn.Ball([1.0], U * 0.99)
    f, g = rn.Network([[[1.0]]], [[-1.0]], [[1.0]]), rn.Network([[[0.0]]], [[0.0]], [[1.0]])
    data = {"axis": np.array([-1]), "place": np.zeros(1), "directions": np.empty((0, 1))} | data_of(
        [-1, -1]
    )
    seen = []
    with replaced(bound_on_boxes=[lambda parts, *_: seen.append(parts) or np.float64(0.0)]):
        check_difference.check(data, f, g, ball)
    ((((low, high),),),) = seen
    assert Fraction(low) <= 1 - Fraction(U * 0.99) and Fraction(high) >= 1 + Fraction(U * 0.99)


def difference_of_relus(G, E, q, V):
    """Return exact (h - |q| H_c) of rows that are G + E or G - E, at ends of V: lists, one a
    choice.
    """
    m, r = exact(V[0][:, 0, 0]), exact(V[1][:, 0, 0])
    for s in signs(len(m)):
        v = [a + t * b for a, t, b in zip(m, s, r)]
        for e in (-1, 0, 1):
            z = [
                sum((g + e * f) * u for g, f, u in zip(row, errors, v))
                for row, errors in zip(exact(G), exact(E))
            ]
            yield [
                max(value, Fraction(0)) - abs(Fraction(w)) * max(z[0], Fraction(0))
                for value, w in zip(z, q)
            ]


def test_neurons_of_a_class_hold_what_it_makes_of_them():
    """A class's neurons are near multiples, of either sign; their errors and those of the representative are their
    own.
    """
    rng = np.random.default_rng(3)
    for trial in range(30):
        n, unlike = int(rng.integers(1, 3)), 2.0 ** rng.choice([-60, -53, -52, -26, -1])
        G = unlucky(rng, (7, n + 1))
        q = np.append(0.0, unlucky(rng, 6, 0))
        q[rng.random(7) < 0.3] = rng.choice([-1.0, 1.0])
        q[0] = 0.0
        G[1:] = q[1:, None] * G[0] * (1.0 + unlike * rng.integers(-1, 2, (6, n + 1)))
        E = np.abs(unlucky(rng, (7, n + 1))) * rng.choice([0.0, unlike], (7, 1))
        V = forms(
            np.append(unlucky(rng, n), 1.0),
            np.append(np.abs(unlucky(rng, n)) * rng.choice([0, 1], n), 0.0),
        )
        A, R = remainders(G, E, q, np.zeros(7, dtype=int), V)
        A, R = exact(A[:, :, 0]), exact(R[:, :, 0])
        for values in difference_of_relus(G, E, q, V):
            for value, a, radius in zip(values, A, R):
                assert all(abs(value - b) <= c for b, c in zip(a, radius))
