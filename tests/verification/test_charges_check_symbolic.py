"""The checker of symbolic rows: each charge is what separates a forged proof from the truth."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from oracles.exact_suprema import exact_difference
from reducednet.verification.certificates import check_symbolic
from reducednet.verification.certificates.check_symbolic import Representatives
from oracles.worst_rounding import ODD, ODDER, ROUNDED, U, exact, unlucky

ETA = 2.0**-1074
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


def test_an_exclusion_needs_a_multiplier_that_is_surely_no_less_than_the_coefficient():
    f = rn.Network([[[1.0]], [[1.0]]], [[-0.5], [0.1]], [[1.0]])
    for mu in (1.0, 0.5):
        try:
            more = {"cuts": np.array([[1, 0]]), "mu": np.array([mu])}
            assert_holds(f, line(0.0), rn.Box(0, 1), [[0], [1], [ON]], [1], **more)
        except ValueError:
            continue
        raise AssertionError(f"a multiplier {mu} for a coefficient 1 that may be rounded")


def representatives_over(domain):
    """Return what is known before the first layer."""
    net = rn.Network([np.zeros((1, domain.n_inputs))], [[0.0]], [[0.0]])
    return Representatives(net, net, domain)


def test_bounds_of_rows_hold_where_products_round_and_underflow():
    for a, x, b in ((ODD, ODDER, U), (2.0**-538 * 1.2, 2.0**-538 * 1.2, 0.0)):
        representatives = representatives_over(rn.Box([0.0], [x]))
        A = np.array([[b, a]])
        found = representatives.upper_bounds(A, np.abs(A), np.zeros(1))
        assert Q(found[0]) >= Q(a) * Q(x) + Q(b)
        assert representatives.upper_bounds(A, np.abs(A), np.ones(1))[0] >= 1.0


def test_bounds_of_inputs_hold_for_a_ball():
    assert Q(representatives_over(rn.Ball([1.0], 0.99 * U)).column_bounds[1]) >= 1 + Q(0.99 * U)


def test_bounds_of_sums_over_intervals_hold():
    rng = np.random.default_rng(0)
    W, b = unlucky(rng, (300, 2)), unlucky(rng, 300)
    h = np.sort(np.abs(unlucky(rng, (2, 2))), axis=0)
    W[0], b[0], h[:, 0] = (ODD, 0.0), U, ODDER
    for scale in (1.0, 2.0**-540):
        low, high = check_symbolic.sharpen_by_intervals(W * scale, b * scale**2, h * scale, -np.inf, np.inf)
        W_, b_, h_ = exact(W * scale), exact(b * scale**2), exact(h * scale)
        for row, t, below, above in zip(W_, b_, exact(low), exact(high)):
            ends = [sorted((w * x, w * y)) for w, x, y in zip(row, *h_)]
            assert below <= t + sum(end[0] for end in ends) and above >= t + sum(
                end[1] for end in ends
            )


def test_a_line_below_relu_is_no_multiple_beyond_0_and_its_factor():
    """U = relu(x): the row -U is at most 0, and U - 1 at most 0 on [-1, 1]; with multiples of x it
    would be less.
    """
    representatives = representatives_over(rn.Box(-1, 1))
    row = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]), np.zeros(1)
    representatives.add(row, np.full(1, -np.inf), np.full(1, np.inf))
    for u, sign, m, truth in (
        (-1.0, 0, -3.0, 0),
        (-1.0, 0, 3.0, 0),
        (1.0, 1, 0.0, 1),
        (1.0, -1, 5.0, 0),
    ):
        A = np.array([[0.0, 0.0, u]])
        top = representatives.upper_bounds_where(
            A, np.abs(A), np.zeros(1), np.array([[float(sign)]]), np.array([[m]])
        )
        assert top[0] >= truth
    A = np.array([[0.0, 0.0, 1.0], [0.0, 3.0, -1.0]])  # U is 1 at 1, 3 x - U is 2
    top = representatives.upper_bounds_where(
        A, np.abs(A), np.zeros(2), np.zeros((2, 1)), np.array([[0.0], [-3.0]])
    )
    assert top[0] >= 1.0 and top[1] >= 2.0
    A = np.array(
        [[0.0, -0.5, -1.0]]
    )  # -x/2 - relu(x) is 1/2 at -1: with 3 x added it would be less at both ends
    top = representatives.upper_bounds_where(
        A, np.abs(A), np.zeros(1), np.zeros((1, 1)), np.array([[0.5]])
    )
    assert top[0] >= 0.5


def test_leaves_cover_the_domain_only_if_they_are_all_signs_and_apart():
    assert check_symbolic.covers(np.array([[1, 0], [-1, 1], [-1, -1]]))
    for signs in ([[1, 0], [-1, 1]], [[1, 0], [0, -1], [-1, 1], [1, 1]], [[1, 0], [1, 0]]):
        assert not check_symbolic.covers(np.array(signs))
