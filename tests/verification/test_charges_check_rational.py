"""The exact checker: its margin and its strict comparisons, where a little more or less would
prove what is false.
"""

from fractions import Fraction as Q
from itertools import product

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


def of_bits(n):
    """Return n functions of 0 and 1, numbered from 1 on."""
    functions = check_rational.Functions([], None)
    for number in range(1, n + 1):
        functions.step({number: Q(1)})
    return functions


def same(z, y):
    """Ask whether two binary neurons above the first layer agree: constant, and the factor of one
    input of 0 and 1.
    """
    z, y = ({i: Q(c) for i, c in enumerate(row) if c} for row in (z, y))
    return check_rational.agree_at_bits(z, Q(1), y, of_bits(1))


def test_binary_neurons_that_are_a_unit_apart_are_not_the_same():
    """H and H - 1 differ at H = 1, where one of them is 0; so do they where the other is asked."""
    assert not same((0, 1), (-1, 1)) and not same((-1, 1), (0, 1))
    assert same((Q(-1, 2), 1), (Q(-1, 4), 1)) and same((Q(-1, 4), 1), (Q(-1, 2), 1))
    assert not same((Q(-1, 8), 1), (Q(1, 8), 1)) and not same((Q(1, 8), 1), (Q(-1, 8), 1))


def test_opposite_binary_neurons_above_the_first_layer_are_not_the_same():
    """H - 1/2 and 1/2 - H."""
    z, y = {0: Q(-1, 2), 1: Q(1)}, {0: Q(1, 2), 1: Q(-1)}
    assert not check_rational.agree_at_bits(z, Q(-1), y, of_bits(1))


def test_binary_neurons_agree_only_if_they_do_at_all_values_of_0_and_1():
    """All pairs of small integer rows, decided by each value: none is accepted that differs."""
    rng, accepted = np.random.default_rng(0), 0
    for _ in range(400):
        z = {i: Q(int(v), 4) for i, v in enumerate(rng.integers(-6, 7, 4)) if v}
        changes, s = rng.integers(-1, 2, 4) * (rng.random(4) < 0.5), Q(int(rng.integers(1, 5)), 2)
        y = {i: (c + Q(int(v), 4)) / s for (i, c), v in zip(z.items(), changes)}
        y = {i: c for i, c in y.items() if c}
        if z and y and check_rational.agree_at_bits(z, s, y, of_bits(3)):
            accepted += 1
            for bits in product((0, 1), repeat=3):
                values = [sum(c * (1, *bits)[i] for i, c in row.items()) for row in (z, y)]
                assert (values[0] > 0) == (values[1] > 0)
    assert accepted > 40


def test_a_binary_neuron_that_is_0_somewhere_is_not_always_on():
    z = {1: Q(1), 2: Q(1)}
    assert check_rational.step_of(z, False, of_bits(2)) != {0: Q(1)}
    assert check_rational.step_of(z, True, of_bits(2)) == {0: Q(1)}


def test_opposite_neurons_share_one_activation():
    """relu(-2 z) is 2 relu(z) - 2 z; a step 1 - s(z) in the first layer, and not above it."""
    z, opposite = {1: Q(1), 2: Q(-1)}, {1: Q(-2), 2: Q(2)}
    functions = check_rational.Functions([(Q(0), Q(1))] * 2, None)
    assert check_rational.relu_of(z, functions) == {3: 1}
    assert check_rational.relu_of(opposite, functions) == {1: -2, 2: 2, 3: 2}
    assert functions.intervals[3] == (0, 1)
    for is_first, expected in ((True, {0: 1, 3: -1}), (False, {4: 1})):
        functions = check_rational.Functions([(Q(0), Q(1))] * 2, None)
        assert check_rational.step_of(z, is_first, functions) == {3: 1}
        assert check_rational.step_of(opposite, is_first, functions) == expected


def test_a_new_activation_lies_between_0_and_its_largest_value():
    """A multiple with the first coefficient 1 shares it: of y/2 - x that is x - y/2."""
    for row in ([-2, 1], [2, -1], [1, -2], [-1, 2]):
        functions = check_rational.Functions([(Q(0), Q(1))] * 2, None)
        check_rational.relu_of({i: Q(c) for i, c in enumerate(row, 1)}, functions)
        assert functions.intervals[3] == (0, 1)


def test_a_class_whose_first_neuron_is_0_is_no_reason_to_refuse():
    """Above the first layer H - 1/2 is said to have the sign of a row without numbers."""
    weights, thresholds = [[[1.0]], [[0.0], [1.0]]], [[0.0], [0.0, -0.5]]
    f = rn.Network(weights, thresholds, [[1.0, 1.0]], activation="binary")
    data = WHOLE | {f"labels{layer}": np.zeros(2 * n, dtype=int) for layer, n in enumerate((1, 2))}
    data |= {f"scales{layer}": np.ones(2 * n) for layer, n in enumerate((1, 2))}
    assert BOUND(data, f, f, rn.Box(-1, 1)) == 0


def test_the_difference_may_have_either_sign():
    f, g = (rn.Network([[[0.0]]], [[0.0]], [[0.0]], [a]) for a in (0.0, 1.0))
    assert BOUND(WHOLE, f, g, rn.Box(0, 1)) == BOUND(WHOLE, g, f, rn.Box(0, 1)) == 1


def test_bounds_of_a_ball_are_no_nearer_than_its_radius():
    for c in ((1, 1), (3, 4), (1, 2)):
        row = {i: Q(v) for i, v in enumerate(c, 1)}
        low, high = check_rational.support_bounds(row, rn.Ball([0.0, 0.0], 1.0))
        assert low < 0 < high and min(low**2, high**2) >= sum(v * v for v in c)


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
    never = step([0.0], 0.0)  # has no hyperplane
    assert GAP({"margin": 0.0, "point": np.array([0.75])}, f, never, rn.Box(0, 1)) == 1
