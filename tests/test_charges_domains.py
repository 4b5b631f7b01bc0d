"""Balls and hulls contain points that are inside to within rounding error, and no others."""

from fractions import Fraction as Q

import numpy as np

import reducednet as rn


def test_a_ball_contains_points_whose_computed_distance_is_rounded_up():
    rng, seen = np.random.default_rng(0), 0
    for x in rng.standard_normal((100, 50)):
        exact = sum(Q(v) ** 2 for v in x)
        distance = np.hypot.reduce(x)
        radius = np.nextafter(distance, 0.0)
        if Q(radius) ** 2 >= exact:
            seen += 1
            assert rn.Ball(np.zeros(50), float(radius)).contains(x[None])[0]
    assert seen > 5


def test_a_ball_contains_no_point_beyond_a_few_roundings():
    ball = rn.Ball([0.0, 0.0], 1.0)
    assert not ball.contains([[1.0 + 2.0**-46, 0.0]])[0]


def test_a_hull_contains_computed_means_of_its_points_and_no_others():
    """Means of points with one first coordinate may come out below all of them."""
    rng, beyond = np.random.default_rng(0), 0
    points = np.append(np.column_stack([np.full(6, 0.1), rng.random(6)]), [[1.1, 0.3]], axis=0)
    hull = rn.Hull(points)
    for t in rng.dirichlet(np.ones(6), 100):
        x = (t / t.sum()) @ points[:6]
        beyond += x[0] < 0.1
        assert hull.contains(x[None])[0]
    assert beyond > 5
    assert not hull.contains([[0.1 - 2.0**-30, 0.5]])[0]
    t = rng.dirichlet(np.ones(7), 50)
    assert hull.contains(t @ points).all()
    triangle = rn.Hull([[0, 0], [1, 0], [0, 1]])  # beyond its long side, inside of its box
    assert triangle.contains([[0.5, 0.5]])[0] and not triangle.contains([[0.5, 0.5 + 2.0**-30]])[0]
