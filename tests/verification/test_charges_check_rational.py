"""The exact checker: its margin and its strict comparisons, where a little more or less would
prove what is false.
"""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn
from reducednet.verification.certificates import check_rational

ETA = 2.0**-1074
WHOLE = {
    "axis": np.array([-1]),
    "place": np.zeros(1),
    "directions": np.empty((0, 1)),
    "margin": 0.0,
}


BOUND, GAP = check_rational.bound, check_rational.gap


def assert_refused(call, *arguments):
    try:
        call(*arguments)
    except ValueError:
        return
    raise AssertionError("what proves nothing was accepted")


def step(row, b, **more):
    """Return the network H(row x + b)."""
    return rn.Network([[row]], [[b]], [[1.0]], activation="binary", **more)


def test_margin_is_the_distance_of_the_hyperplanes_and_no_less():
    """H(5 x - 5/4) and H(x - 3/4) differ between 1/4 and 3/4, up to 1/2 from either hyperplane; so
    do 3 x + 4 y.
    """
    pairs = [
        (step([5.0], -1.25), step([1.0], -0.75), rn.Box(0, 1)),
        (step([6.0, 8.0], 0.0), step([3.0, 4.0], 2.5), rn.Box([-1, -1], [1, 1])),
    ]
    for f, g, box in pairs:
        data = WHOLE | {"labels0": np.array([0, 0])}
        for scale, own, other in (
            (f.weights[0][0, 0] / g.weights[0][0, 0], f, g),
            (g.weights[0][0, 0] / f.weights[0][0, 0], g, f),
        ):
            data = data | {
                "scales0": np.array([1.0, scale]),
                "directions": np.empty((0, box.n_inputs)),
            }
            for share, bound in ((1.0, 0), (1.0 - 2.0**-40, 1), (0.6, 1)):
                assert BOUND(data | {"margin": 0.5 * share}, own, other, box) == bound


def same(z, y):
    """Ask whether two binary neurons above the first layer agree: constant, and the factor of one
    input of 0 and 1.
    """
    z, y = ({i: Q(c) for i, c in enumerate(row) if c} for row in (z, y))
    return check_rational.agrees(z, Q(1), y, False, Q(0), [(Q(1), Q(1)), (Q(0), Q(1))], None)


def test_binary_neurons_that_are_a_unit_apart_are_not_the_same():
    """H and H - 1 differ at H = 1, where one of them is 0; so do they where the other is asked."""
    assert not same((0, 1), (-1, 1)) and not same((-1, 1), (0, 1))
    assert same((Q(-1, 2), 1), (Q(-1, 4), 1)) and same((Q(-1, 4), 1), (Q(-1, 2), 1))


def test_a_binary_neuron_that_is_0_somewhere_is_not_always_on():
    intervals = [(Q(1), Q(1)), (Q(0), Q(1)), (Q(0), Q(1))]
    z = {1: Q(1), 2: Q(1)}
    assert check_rational.activation(z, False, False, {}, intervals, None) != {0: Q(1)}
    assert check_rational.activation(z, True, False, {}, intervals, None) == {0: Q(1)}


def test_a_ball_reaches_no_less_far_than_its_radius():
    for c in ((1, 1), (3, 4), (1, 2)):
        row = {i: Q(v) for i, v in enumerate(c, 1)}
        low, high = check_rational.bounds(row, (), rn.Ball([0.0, 0.0], 1.0))
        assert low < 0 < high and min(low**2, high**2) >= sum(v * v for v in c)


def test_a_leaf_that_touches_the_domain_may_not_be_left_out():
    """The box touches x + y = 2, the ball of radius 5 3 x + 4 y = 25."""
    for domain, u, corner in (
        (rn.Box([0, 0], [1, 1]), [1.0, 1.0], (1.0, 1.0)),
        (rn.Ball([0, 0], 5.0), [3.0, 4.0], (3.0, 4.0)),
    ):
        intervals = [(Q(1), Q(1)), *((Q(low), Q(9)) for low in corner)]
        data = WHOLE | {"axis": np.array([-2]), "directions": np.array([u])}
        own = check_rational.input_intervals
        check_rational.input_intervals = lambda asked, first=[intervals]: (
            first.pop() if first else own(asked)
        )
        try:
            assert_refused(check_rational.leaf_boxes, data, domain)
        finally:
            check_rational.input_intervals = own


def test_a_point_outside_of_the_domain_shows_no_gap():
    f, g = rn.Network([[[1.0, 0.0]]], [[0.0]], [[1.0]]), rn.Network(
        [[[1.0, 0.0]]], [[0.0]], [[2.0]]
    )
    box, ball = rn.Box([0, 0], [1, 1]), rn.Ball([0.0, 0.0], 1.0)
    hull = rn.Hull([[0, 0], [1, 0], [0, 1]])
    beyond = 1.0 + 2.0**-52
    corners = {"margin": 0.0, "corners": np.arange(3)}
    assert GAP({"margin": 0.0, "point": np.array([1.0, 1.0])}, f, g, box) == 1
    assert GAP({"margin": 0.0, "point": np.array([0.6, 0.79])}, f, g, ball) == Q(0.6)
    for x in ([beyond, 1.0], [-ETA, 0.0], [0.5, beyond]):
        assert_refused(GAP, {"margin": 0.0, "point": np.array(x)}, f, g, box)
    for x in ([0.6, 0.8], [1.0, 2.0**-30]):  # the floats .6 and .8 are beyond the circle by 2^-54
        assert_refused(GAP, {"margin": 0.0, "point": np.array(x)}, f, g, ball)
    for x, t in [([0.5, 0.5], [0, 0.5, 0.5]), ([0.25, 0.25], [0.5, 0.25, 0.25])]:
        data = corners | {"point": np.array(x), "shares": np.array(t, dtype=float)}
        assert GAP(data, f, g, hull) == Q(x[0])
    for x, t in [
        ([1.0, 1.0], [-1, 1, 1]),
        ([0.75, 0.75], [0, 0.75, 0.75]),
        ([0.5, 0.5], [0.5, 0.25, 0.25]),
    ]:
        data = corners | {"point": np.array(x), "shares": np.array(t, dtype=float)}
        assert_refused(GAP, data, f, g, hull)


def test_a_point_on_a_hyperplane_shows_no_gap_of_binary_networks():
    f, g = step([1.0], -0.5), step([-1.0], 0.5)
    assert GAP({"margin": 0.0, "point": np.array([0.75])}, f, g, rn.Box(0, 1)) == 1
    assert_refused(GAP, {"margin": 0.0, "point": np.array([0.5])}, f, g, rn.Box(0, 1))
