"""The difference of two ReLUs lies within its bounds, for any scales and signs."""
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oracles.exact_forms import (
    allowed_values, assert_bounds, assert_holds, points_of_region, random_forms, some_boxes,
)
from reducednet.numerics.rounding import gamma
from reducednet.verification.difference_bounds.affine_forms import Forms, boxes
from reducednet.verification.difference_bounds.neuron_classes import Match, NeuronRows
from reducednet.verification.difference_bounds.relu_layer import _difference_of_relus, relu_layer
from oracles.strategies import seeds

SPREADS = st.sampled_from([0, 20, 300])


def relu(value):
    return max(value, Fraction(0))


@given(seeds(), SPREADS, st.booleans())
def test_difference_of_relus_holds_the_exact_one(seed, spread, linear):
    """z_b and delta are what two forms allow; z_a = z_b + delta."""
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    delta, below = random_forms(rng, 4, region, spread, linear), random_forms(rng, 4, region, spread, linear)
    d, b = region.bounds(delta), region.bounds(below)
    a = [np.nextafter(end + own, sign * np.inf) for end, own, sign in zip(b, d, (-1, 1))]
    result = _difference_of_relus(delta, d, a, b)
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            z_b, d_b = (allowed_values(own, region, number, x, rng) for own in (below, delta))
            values = [relu(z + more) - relu(z) for z, more in zip(z_b, d_b)]
            assert_holds(result, region, number, x, values, "max(z + delta, 0) - max(z, 0)")
            assert_bounds(*(end[:, number] for end in region.bounds(result)), values, "its bounds")


def one(value):
    return np.array([[float(value)]])


def difference_of(d, a, b):
    """Return the bounds of max(z_a, 0) - max(z_b, 0) where z_a - z_b is known by an interval."""
    region = boxes(one(0), one(1))
    values = np.full((1, 3, 1), (d[0] + d[1]) / 2.0)
    values[:, 2] = 0.0
    delta = Forms(values, np.full((1, 2, 1), (d[1] - d[0]) / 2.0))
    result = _difference_of_relus(delta, *([one(end) for end in ends] for ends in (d, a, b)))
    return [end.item() for end in region.bounds(result)]


def assert_near(found, expected):
    for got, value in zip(found, expected):
        assert abs(got - value) <= gamma(64) * 8.0


def test_difference_of_active_relus_is_that_of_their_arguments():
    assert_near(difference_of((1.0, 2.0), (3.0, 8.0), (2.0, 6.0)), (1.0, 2.0))


def test_difference_of_dead_relus_is_0():
    assert_near(difference_of((1.0, 2.0), (-5.0, -1.0), (-6.0, -3.0)), (0.0, 0.0))


def test_difference_of_unstable_relus_is_between_0_and_that_of_their_arguments():
    assert_near(difference_of((1.0, 2.0), (-4.0, 4.0), (-5.0, 3.0)), (0.0, 2.0))
    assert_near(difference_of((-1.0, 2.0), (-4.0, 4.0), (-5.0, 3.0)), (-1.0, 2.0))


def test_one_of_them_bounds_the_difference():
    """z_a <= 0.5 and z_b <= 0.25: the difference is in [-0.25, 0.5]."""
    assert_near(difference_of((-9.0, 9.0), (-9.0, 0.5), (-9.0, 0.25)), (-0.25, 0.5))


@given(seeds(), SPREADS, st.booleans())
def test_layer_holds_neurons_of_any_scale_and_sign(seed, spread, linear):
    """h_m = |s| max(z_c, 0) + rest, for right and wrong scales, negative ones and 0 among them."""
    rng = np.random.default_rng(seed)
    region = some_boxes(rng, 2)
    classes = random_forms(rng, 3, region, spread, linear)
    F = np.ldexp(rng.standard_normal((6, 3)), rng.integers(-3, 4, (6, 1)))
    rest = random_forms(rng, 6, region, spread // 2, linear)
    match = Match((np.zeros(6, dtype=int),), (rng.choice([1.0, -1.0, 0.0, 0.5, -4.0], 6),))
    match = match.with_unit_representatives()
    if rng.random() < 0.5:  # right ones
        F, s = F[:1] * match.scales[0][:, np.newaxis], match.scales[0][:, np.newaxis, np.newaxis]
        rest = Forms(rest.values[:1] * s, rest.radii[:1] * np.abs(s))
    sums = np.abs(F).sum(axis=1)[:, np.newaxis, np.newaxis]
    rows = NeuronRows(F, rest, sums * classes.magnitude.max(axis=0) + rest.magnitude)
    forms, (scales,), (known,), _ = relu_layer([rows], match, classes, region)
    for number, points in enumerate(points_of_region(region, rng)):
        for x in points:
            H = allowed_values(classes, region, number, x, rng)
            z = [sum(Fraction(float(f)) * h for f, h in zip(row, H)) + r
                 for row, r in zip(F, allowed_values(rest, region, number, x, rng))]
            assert_holds(forms, region, number, x, [relu(z[0])], "the representative")
            assert_bounds(known.low[:, number], known.high[:, number], z, "z")
            values = [relu(own) - Fraction(float(s)) * relu(z[0]) for own, s in zip(z, scales)]
            assert_holds(known.rest, region, number, x, values, "h - |s| H")
