"""The checker of symbolic rows: each charge is what separates a forged proof from the truth."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_difference
from reducednet.verification.certificates import check_symbolic
from reducednet.verification.certificates.arithmetic import Layer
from reducednet.verification.certificates.check_symbolic import (
    Columns, SymbolicRows, substitute, upper_bounds, upper_bounds_where,
)
from oracles.worst_rounding import ODD, ODDER, ROUNDED, U, in_order, staircase, unlucky

DEAD, ON = -1, -2


def assert_holds(f, g, domain, labels, x, scales=None, **more):
    """Assert that what the checker finds with these labels of f's layers, then g's, is not below
    the truth at x.
    """
    data = {
        "exchanged": 0,
        "cuts": np.empty((0, 2), dtype=int),
        "mu": np.empty(0),
        "multiples": np.empty((0, 0)),
        "targets": np.empty((0, 3), dtype=int),
        "signs": np.empty((0, 0), dtype=int),
    }
    for i, own in enumerate(labels):
        data |= {f"labels{i}": np.array(own), f"scales{i}": np.ones(len(own))}
    with np.errstate(all="ignore"):
        found = check_symbolic.check(data | (scales or {}) | more, f, g, domain)
    truth = exact_difference(f, g, x)
    assert truth > 0 and Q(found) >= truth, f"{found} below {float(truth)}"


def line(c, a=0.0):
    """Return c relu(x + 5) + a - 5 c, which is c x + a for x >= -5."""
    return rn.Network([[[1.0]]], [[5.0]], [[c]], [a - 5.0 * c])


def test_a_neuron_said_to_be_on_is_off_by_what_it_may_be_below_0():
    assert_holds(
        rn.Network([[[1.0]]], [[0.0]], [[1.0]]), line(1.0), rn.Box(-1, 1), [[ON], [ON]], [-1]
    )


def test_a_neuron_said_to_be_dead_is_off_by_what_it_may_be_above_0():
    assert_holds(
        rn.Network([[[1.0]]], [[0.0]], [[1.0]]), line(0.0), rn.Box(-1, 1), [[DEAD], [ON]], [1]
    )


def test_what_a_neuron_is_off_by_goes_through_neurons_that_are_on():
    f = rn.Network([[[1.0]], [[1.0]]], [[0.0], [5.0]], [[1.0]], [-5.0])
    assert_holds(f, line(0.0), rn.Box(-1, 1), [[DEAD], [ON], [ON]], [1])


def test_a_neuron_of_a_class_is_off_by_what_its_row_is_away_from_its_class():
    f, g = (rn.Network([[[1.0]]], [[b]], [[1.0]]) for b in (0.0, 0.5))
    assert_holds(f, g, rn.Box(-1, 1), [[0], [0]], [1])
    f, g = (rn.Network([[[-1.0]]], [[b]], [[1.0]]) for b in (0.0, 0.5))
    assert_holds(f, g, rn.Box(-1, 1), [[0], [0]], [-1])
    f, g = rn.Network([[[1.0]]], [[0.0]], [[1.0]]), rn.Network(
        [[[-1.0]]],
        [[0.5]],
        [
            [1.0],
        ],
    )
    assert_holds(f, g, rn.Box(-1, 1), [[0], [0]], [-1], {"scales1": np.array([-1.0])})


def test_neurons_of_classes_and_representatives_are_off_by_the_errors_of_their_rows():
    """relu(x) is taken for 0, below one of two neurons that are otherwise the same."""
    first, b = [[1.0], [1.0]], [[0.0, 0.0], [-0.5]]
    with_it = rn.Network([first, [[1.0, 1.0]]], b, [[1.0]])
    without = rn.Network([first, [[0.0, 1.0]]], b, [[1.0]])
    for f, g in ((with_it, without), (without, with_it)):
        assert_holds(f, g, rn.Box(-1, 1), [[DEAD, 0], [1], [DEAD, 0], [1]], [1])
    minus = [rn.Network([first, [[c, 1.0]]], b, [[1.0]]) for c in (1.0, 0.0)]
    for f, g in (minus, minus[::-1]):  # s z_c - z, of the other side
        g = rn.Network(
            g.weights[:1] + (-g.weights[1],),
            g.thresholds[:1] + (-g.thresholds[1],),
            [[-1.0]],
            [0.0],
        )
        h = rn.Network(f.weights, f.thresholds, f.output_weights)
        assert_holds(
            h,
            g,
            rn.Box(-1, 1),
            [[DEAD, 0], [1], [DEAD, 0], [1]],
            [1],
            {"scales3": np.array([-1.0])},
        )


def test_errors_of_a_class_count_where_lines_take_its_place():
    """A class is 0 within 1; above its chord z = U - 1/2 is at most 1/2, and not 0."""
    f = rn.Network([[[1.0]], [[1.0]], [[1.0]]], [[0.0], [0.0], [-0.5]], [[1.0]])
    assert_holds(f, line(0.0), rn.Box(-1, 1), [[DEAD], [0], [DEAD], [ON]], [1])


def test_rounding_of_rows_is_carried_where_they_cancel():
    """ODD ODDER - ROUNDED is U, and comes out as 0; what is left is 2^-40, so that later sums are
    small.
    """
    f = rn.Network(
        [[[ODDER], [1.0]], [[ODD, -ROUNDED]]], [[0.0, 0.0], [2.0**-40]], [[1.0]], [-(2.0**-40)]
    )
    g = rn.Network([[[0.0]]], [[0.0]], [[0.0]])
    assert_holds(f, g, rn.Box(1, 2), [[ON, ON], [ON], [DEAD]], [2])


def test_products_of_rows_that_underflow_are_carried():
    tiny, far = 2.0**-538 * 1.2, 2.0**1000
    f = rn.Network([[[tiny]], [[tiny]]], [[0.0], [2.0**-70]], [[2.0**100]], [-(2.0**30)])
    assert_holds(
        f, rn.Network([[[0.0]]], [[0.0]], [[0.0]]), rn.Box(0, far), [[ON], [ON], [DEAD]], [far]
    )


def test_a_class_that_is_excluded_is_paid_for_where_both_may_be_on():
    """relu(U + 1/10) is taken for 1/10, with z = x - 1/2 of U: it is 1/2 more at 1."""
    f = rn.Network([[[1.0]], [[1.0]]], [[-0.5], [0.1]], [[1.0]])
    g = rn.Network([[[1.0]], [[0.0]]], [[-0.5], [0.1]], [[1.0]])
    more = {"cuts": np.array([[1, 0]]), "mu": np.array([1.0 + 2.0**-20])}
    assert_holds(f, g, rn.Box(0, 1), [[0], [1], [0], [1]], [1], **more)


def test_an_exclusion_needs_a_multiplier_that_is_no_less_than_the_coefficient():
    f = rn.Network([[[1.0]], [[1.0]]], [[-0.5], [0.1]], [[1.0]])
    for mu, allowed in ((1.0, True), (1.0 - U, False), (0.5, False), (-1.0, False)):
        more = {"cuts": np.array([[1, 0]]), "mu": np.array([mu])}
        try:
            assert_holds(f, line(0.0), rn.Box(0, 1), [[0], [1], [ON]], [1], **more)
            assert allowed
        except ValueError:
            assert not allowed


def test_an_exclusion_needs_a_multiplier_that_is_not_negative():
    """Where U = x - 1/2 >= 1/2, 1/10 - U/2 is negative, and relu(1/10) is not relu(1/10 - U) = 0.
    """
    f, g = (rn.Network([[[1.0]], [[a]]], [[-0.5], [0.1]], [[1.0]]) for a in (-1.0, 0.0))
    for mu, allowed in ((0.0, True), (-0.5, False)):
        more = {"cuts": np.array([[1, 0]]), "mu": np.array([mu])}
        try:
            assert_holds(f, g, rn.Box(1, 2), [[0], [1], [0], [1]], [1], **more)
            assert allowed
        except ValueError:
            assert not allowed


def excluding(depth):
    """Return relu(... relu(relu(x) - 1/2)), each class being excluded from the next one's row."""
    rest = depth - 2
    f = rn.Network([[[1.0]]] * depth, [[0.0], [-0.5], *[[0.0]] * rest], [[1.0]])
    pairs = np.array([[number + 1, number] for number in range(depth - 1)])
    labels = [*([number] for number in range(depth)), [DEAD]]
    return f, labels, {"cuts": pairs, "mu": np.ones(len(pairs))}


def test_the_largest_value_of_a_class_is_no_less_than_the_error_of_its_row():
    """U = relu(x - 1/2) is 1/2 at 1, and its row is -1/2 with the error 1/2."""
    f, labels, more = excluding(2)
    assert_holds(f, line(0.0), rn.Box(-1, 1), labels, [1], **more)


def test_where_a_class_is_on_by_its_error_alone_it_is_not_excluded_for_nothing():
    f, labels, more = excluding(3)
    assert_holds(f, line(0.0), rn.Box(-1, 1), labels, [1], **more)


def columns_with(domain, *layers):
    """Return the columns with representatives given as (coefficients, errors, low, high)."""
    columns = Columns(domain)
    for coefficients, errors, low, high in layers:
        rows = SymbolicRows(np.array(coefficients), np.array(errors))
        columns.add(rows, np.array(low), np.array(high))
    return columns


def value(coefficients, columns):
    """Return the exact value of one row at the columns, as a fraction."""
    return sum((Q(float(c)) * Q(v) for c, v in zip(coefficients, columns)), Q(0))


UNIT = rn.Box([0.0], [1.0])


def test_an_exclusion_is_charged_the_error_and_the_rounding_of_the_row_that_is_left_out():
    """U is 1 within 1; and p + mu r is rounded to 0, where it is U."""
    for r, p, mu, error, truth in ((1.0, 0.0, 1.0, 1.0, 2), (ODDER, -ROUNDED, ODD, 0.0, Q(U))):
        columns = columns_with(UNIT, ([[r, 0.0]], [error], [0.0], [4.0]))
        rows = SymbolicRows(np.array([[p, 0.0, mu]]), np.zeros(1))
        check_symbolic.leave_out(rows, 0, 0, mu, columns)
        assert rows.coefficients[0].tolist() == [p, 0.0, 0.0]
        assert Q(rows.errors[0]) >= truth  # relu(p + mu (r + error)), with the error 0 of relu(p)


def test_upper_bounds_of_rows_hold_where_products_round_and_underflow():
    for a, x, b in ((ODD, ODDER, U), (2.0**-538 * 1.2, 2.0**-538 * 1.2, 0.0)):
        columns, A = Columns(rn.Box([0.0], [x])), np.array([[b, a]])
        found = upper_bounds(SymbolicRows(A, np.zeros(1)), columns)
        assert Q(found[0]) >= Q(a) * Q(x) + Q(b)
        assert upper_bounds(SymbolicRows(A, np.ones(1)), columns)[0] >= 1.0


def test_upper_bounds_of_rows_hold_whatever_the_order_of_a_long_sum():
    n = 64
    columns = Columns(rn.Box(np.zeros(n), np.ones(n)))
    A = in_order(np.append(0.0, staircase(n))[np.newaxis])
    assert Q(float(upper_bounds(SymbolicRows(A, np.zeros(1)), columns)[0])) >= 1 + (n - 1) * Q(U)


def test_sizes_of_rows_are_no_less_than_their_values():
    n = 64
    columns = Columns(rn.Box(np.zeros(n), np.ones(n)))
    A = in_order(np.append(0.0, staircase(n))[np.newaxis])
    assert Q(float(columns.sizes_of(SymbolicRows(A, np.zeros(1)))[0])) >= 1 + (n - 1) * Q(U)
    tiny = 2.0**-538 * 1.2
    columns = Columns(rn.Box([0.0], [tiny]))
    assert Q(columns.sizes_of(SymbolicRows(np.array([[0.0, tiny]]), None))[0]) >= Q(tiny)**2


def always_on(constants):
    """Return columns with classes v = c >= 0, which are their own chords, for the input 1."""
    n = len(constants)
    rows = in_order(np.stack([constants, np.zeros(n)], axis=1))
    columns = Columns(UNIT)
    columns.add(SymbolicRows(rows, np.zeros(n)), constants, constants)
    return columns


def substituted(A, columns, lines=check_symbolic.identity_lines, signs=0):
    """Return the row's constant and its error after one step of back-substitution."""
    rows = SymbolicRows(in_order(A), np.zeros(len(A)))
    layer = columns.layers[0]
    found = substitute(rows, layer, np.full((1, len(layer.low)), signs), lines, columns)
    return Q(float(found.coefficients[0, 0])), Q(float(found.errors[0]))


def test_a_step_of_back_substitution_is_charged_the_sums_over_its_classes():
    """Of chords, the sum 1 + u + u ... is rounded to 1; of multiples, -1 - 1.01 u ... beyond it."""
    n = 24
    c = staircase(n)
    constant, error = substituted([[0.0, 0.0, *np.ones(n)]], always_on(c))
    assert constant + error >= sum(map(Q, c.tolist()))
    c[1:] *= 1.01
    constant, error = substituted([[0.0, 0.0, *-np.ones(n)]], always_on(c))
    assert constant + error >= -sum(map(Q, c.tolist()))


def test_a_step_of_back_substitution_is_charged_the_sum_with_the_row():
    constant, error = substituted([[1.0, 0.0, U]], always_on(np.ones(1)))
    assert constant + error >= 1 + Q(U)


def test_a_step_of_back_substitution_is_charged_the_constants_of_chords():
    """U = v = 1 at the upper end of a chord that is almost flat; 1 + 0.9 u + 0.9 u ... is 1."""
    n = 24
    columns, a = always_on(np.ones(n)), staircase(n)
    columns.layers[0] = columns.layers[0]._replace(low=np.full(n, -(2.0**60)))
    a[1:] *= 0.9
    constant, error = substituted([[0.0, 0.0, *a]], columns)
    assert constant + error >= sum(map(Q, a.tolist()))


def test_products_of_a_step_that_underflow_are_charged():
    tiny, far = 2.0**-538 * 1.2, 2.0**1000
    columns = columns_with(rn.Box([0.0], [far]), ([[0.0, tiny]], [0.0], [0.0], [far]))
    rows = SymbolicRows(np.array([[0.0, 0.0, tiny]]), np.zeros(1))
    layer, lines = columns.layers[0], check_symbolic.zero_lines
    found = substitute(rows, layer, np.zeros((1, 1)), lines, columns)
    assert Q(float(found.coefficients[0, 1])) * Q(far) + Q(found.errors[0]) >= Q(tiny)**2 * Q(far)


def test_a_slope_that_underflows_turns_its_chord_no_further_than_what_is_charged():
    """The chord's slope 2^-40 times up = 2^-1035 is rounded to twice as much, of z = -2^1000."""
    up, far = 2.0**-1035 * (1.0 + 2.0**-10), 2.0**1000
    f = rn.Network([[[far]]], [[-far * (1.0 - 2.0**-39)]], [[up]], [2.0**-74])
    g = rn.Network([[[1.0]]], [[1.0]], [[2.0**-74]], [-(2.0**-74)])
    assert_holds(f, g, rn.Box(-1, 1), [[0], [ON]], [-1])


def test_errors_of_classes_are_charged_where_lines_take_their_place():
    """v = 0 or U = 0, each within 1: a U is at most a, or m v at most |m|."""
    columns = columns_with(UNIT, ([[0.0, 0.0]], [1.0], [0.0], [0.0]))
    given = lambda coefficients, of_classes, layer: np.array([[-2.0]])  # noqa: E731
    for a, sign, truth in ((1.0, 0, 1), (-1.0, 0, 1), (0.0, -1, 2), (1.0, 1, 1)):
        rows = SymbolicRows(np.array([[0.0, 0.0, a]]), np.zeros(1))
        found = substitute(rows, columns.layers[0], np.full((1, 1), sign), given, columns)
        assert found.errors[0] >= truth


def test_chords_are_above_relu():
    rng = np.random.default_rng(0)
    smallest = 5e-324
    tiny = [[-1.0, smallest], [-smallest, 1.0], [-smallest, smallest]]
    ends = np.sort(np.concatenate([unlucky(rng, (400, 2), 9), tiny]), axis=1)
    slopes, constants = check_symbolic.chords(*ends.T)
    for t, k, pair in zip(slopes.tolist(), constants.tolist(), ends.tolist()):
        assert all(max(Q(v), 0) <= Q(t) * Q(v) + Q(k) for v in pair)


def test_lines_are_no_multiples_beyond_what_their_signs_allow():
    """U = relu(x): the row -U is at most 0, and U - 1 at most 0 on [-1, 1]; with multiples of x it
    would be less.
    """
    columns = columns_with(rn.Box(-1, 1), ([[0.0, 1.0]], [0.0], [-1.0], [1.0]))
    for row, sign, m, truth in (
        ([0.0, 0.0, -1.0], 0, -3.0, 0),
        ([0.0, 0.0, -1.0], 0, 3.0, 0),
        ([0.0, 0.0, 1.0], 1, 0.0, 1),
        ([0.0, 0.0, 1.0], -1, 5.0, 0),
        ([0.0, 0.0, 1.0], 0, 0.0, 1),
        ([0.0, 3.0, -1.0], 0, -3.0, 2),  # at 1
        ([0.0, -0.5, -1.0], 0, 0.5, 0.5),  # at -1: with 3 x added it would be less at both ends
    ):
        given = lambda coefficients, of_classes, layer, m=m: np.array([[m]])  # noqa: E731
        rows = SymbolicRows(np.array([row]), np.zeros(1))
        assert upper_bounds_where(rows, np.array([[sign]]), given, columns)[0] >= truth


def test_rows_of_sums_are_off_by_the_roundings_of_their_products_and_additions():
    """The sum of 1 and n - 1 numbers u is rounded to 1, and so is 1 + u; ODD ODDER loses u."""
    n = 48
    columns = Columns(rn.Box(np.zeros(n), np.ones(n)))
    ones = SymbolicRows(np.tile([1.0, *np.zeros(n)], (n, 1)), np.zeros(n))
    for W, H, b, truth in (
        (staircase(n), 1.0, 0.0, 1 + (n - 1) * Q(U)),
        (np.eye(n)[0] * ODD, ODDER, 0.0, Q(ODD) * Q(ODDER)),
        (np.eye(n)[0], 1.0, U, 1 + Q(U)),
        (np.eye(n)[0] * U, 1.0, 1.0, 1 + Q(U)),
    ):
        h = SymbolicRows(ones.coefficients * H, ones.errors)
        layer = Layer(in_order(W[np.newaxis]), np.array([b]))
        row, error = check_symbolic.affine_rows(layer, h, columns)
        assert abs(Q(float(row[0, 0])) - truth) <= Q(float(error[0])) <= 3 * n * Q(U)


def test_rows_of_exact_sums_have_no_rounding_error():
    """Copies, opposites and the first of a sum are exact."""
    columns = Columns(rn.Box([0.0], [1.0]))
    h = SymbolicRows(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2))
    _, error = check_symbolic.affine_rows(Layer(np.diag([0.1, -0.3]), np.zeros(2)), h, columns)
    assert (error < 1e-300).all()


def test_a_multiple_of_a_class_is_off_by_the_rounding_of_its_product():
    """z = -ODD r, and r = ODDER: the product is rounded where it is compared and where it is used.
    """
    for s, roundings in ((-ODD, 2), (ODD, 1), (-1.0, 0)):
        columns = columns_with(UNIT, ([[ODDER, 0.0]], [0.0], [0.0], [2.0]))
        rows = SymbolicRows(np.array([[s * ODDER, 0.0]]), np.zeros(1))
        made = check_symbolic.multiples_of_classes(rows, np.array([s]), np.array([0]), columns)
        product = abs(Q(s) * Q(ODDER) - Q(s * ODDER))
        least, most = roundings * product, Q(1.0001) * roundings * Q(U) + Q(1e-300)
        assert least <= Q(float(made.errors[0])) <= most


def test_leaves_cover_the_domain_only_if_they_are_all_signs_and_apart():
    assert check_symbolic.covers(np.array([[1, 0], [-1, 1], [-1, -1]]))
    for signs in ([[1, 0], [-1, 1]], [[1, 0], [0, -1], [-1, 1], [1, 1]], [[1, 0], [1, 0]]):
        assert not check_symbolic.covers(np.array(signs))


def test_the_difference_of_rows_is_off_by_a_rounding_of_each_coefficient():
    """f = 1 and g = -u for all x: 1 + u is rounded to 1, and no other term is."""
    f, g = (rn.Network([[[1.0]]], [[0.0]], [[0.0]], [a]) for a in (1.0, -U))
    assert_holds(f, g, UNIT, [[DEAD], [DEAD]], [1])


WIDE = rn.Box([-1.0], [1.0])


def test_a_multiple_of_a_class_is_the_relu_of_it_whatever_its_sign():
    """z = q (x + 1/2), and relu(z) = |q| U, less |q| (x + 1/2) for q < 0."""
    for q in (2.0, 0.0, -2.0):
        columns = columns_with(WIDE, ([[0.5, 1.0]], [0.0], [-0.5], [1.5]))
        rows = SymbolicRows(np.array([[0.5 * q, q]]), np.zeros(1))
        made = check_symbolic.multiples_of_classes(rows, np.array([q]), np.array([0]), columns)
        for x in (-1.0, 1.0):
            found = value(made.coefficients[0], [1.0, x, max(x + 0.5, 0.0)])
            assert abs(found - Q(max(q * (x + 0.5), 0.0))) <= Q(made.errors[0])


def test_trees_of_signs_bound_either_side_of_a_neuron():
    """z = a U + b with U = relu(x), and leaves for x >= 0 and x <= 0."""
    signs = np.array([[1], [-1]])
    for a in (-1.0, 1.0):
        for b in (-1.0, 1.0):
            columns = columns_with(WIDE, ([[0.0, 1.0]], [0.0], [-1.0], [1.0]))
            rows = SymbolicRows(np.array([[b, 0.0, a]]), np.zeros(1))
            ends = sorted([b, a + b])
            for side in (-1, 1):
                multiples = np.array([[-side * a], [0.0]])
                tree = check_symbolic.Tree(1, 0, side, signs, multiples)
                unknown = check_symbolic.Interval(np.array([-9.0]), np.array([9.0]))
                low, high = check_symbolic.sharpened(unknown, rows, [tree], columns)
                assert low[0] <= ends[0] and ends[1] <= high[0]
                assert low[0] > -9.0 if side < 0 else high[0] < 9.0


def test_leaves_that_leave_a_sign_out_bound_nothing():
    """U = relu(x) and relu(-x). One column of signs is not to be taken for those of both."""
    columns = columns_with(WIDE, ([[0.0, 1.0], [0.0, -1.0]], [0.0] * 2, [-1.0] * 2, [1.0] * 2))
    rows, unknown = SymbolicRows(np.array([[0.0, 0.0, 1.0, 1.0]]), np.zeros(1)), np.array([9.0])
    for signs in ([[-1, 0]], [[1, 0], [1, 0]], [[1], [-1]]):
        tree = check_symbolic.Tree(1, 0, 1, np.array(signs), np.zeros(np.shape(signs)))
        refused = False
        try:
            check_symbolic.sharpened(
                check_symbolic.Interval(-unknown, unknown), rows, [tree], columns)
        except ValueError:
            refused = True
        assert refused


def test_a_step_of_back_substitution_is_charged_each_of_few_roundings():
    """One class and one input, where products, and the sum with the row, lose half a unit each."""
    rng, columns = np.random.default_rng(3), Columns(WIDE)
    layer_rows = SymbolicRows(np.zeros((1, 2)), np.zeros(1))
    for a, r, row, low, high in zip(*np.abs(unlucky(rng, (5, 500)))):
        layer = check_symbolic.Representatives(
            layer_rows._replace(coefficients=np.array([[0.0, r]])), np.array([-low]),
            np.array([high]), np.array([r]),
        )
        rows = SymbolicRows(np.array([[0.0, row, a]]), np.zeros(1))
        found = substitute(rows, layer, np.zeros((1, 1)), check_symbolic.zero_lines, columns)
        slope = check_symbolic.chords(layer.low, layer.high)[0][0]
        exactly = Q(row) + Q(a) * Q(slope) * Q(r)
        off = abs(Q(float(found.coefficients[0, 1])) - exactly)
        assert off <= Q(float(found.errors[0]))
