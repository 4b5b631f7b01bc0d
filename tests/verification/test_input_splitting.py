"""Boxes tile the domain's box, dropped ones lie outside, and gap <= supremum <= bound."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from oracles.exact_suprema import supremum
from oracles.exact_truth import pairs
from reducednet.numerics.rationals import rationals
from reducednet.verification.findings import Findings, OutOfTime, Question
from reducednet.verification.input_splitting import (
    Frontier, Splits, drop_outside, nearest_points, outer_box, split_inputs, split_leaves,
)
from reducednet.verification.provers import by_branching, by_milp, take_turns
from reducednet.verification.verify import _deepen
from oracles.strategies import balls, hulls, seeds
from verification.test_difference import random_match

SQUARE = rn.Box([0.0, 0.0], [1.0, 1.0])


def branched(f, g, domain, eps, seconds=0.1, error=0.0):
    depth = max(f.depth, g.depth)
    question = Question(_deepen(f, depth), _deepen(g, depth), domain, eps, error, np.inf)
    findings = Findings(question, seconds)
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            by_branching(findings)
    except OutOfTime:
        pass
    return findings


def about(domain):
    """Return findings of a question about this domain."""
    f = rn.Network.random((domain.n_inputs, 2, 1), rng=0)
    return Findings(Question(f, f, domain, 0.0, 0.0, np.inf), 60.0)


@pytest.mark.parametrize("n_pairs", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_bound_and_gap_hold_the_exact_supremum(n_pairs):
    rng, better = np.random.default_rng(0), 0
    for f, g, domain, kind in pairs(n_pairs, 21):
        truth = supremum(f, g, domain).value
        findings = branched(f, g, domain, float(truth) * rng.choice([0.5, 0.9, 1.1, 2.0]))
        assert Fraction(findings.gap) <= truth, kind
        proved = supremum(f, g, domain, findings.margin).value if findings.margin else truth
        assert findings.bound == np.inf or proved <= Fraction(findings.bound), kind
        better += findings.evidence is not None and "splits" in findings.evidence
    assert better >= n_pairs / 10


@pytest.mark.parametrize("domain", [
    SQUARE, rn.Ball([0.5, 0.5], 0.5), rn.Hull([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    rn.Box([0.0, 0.5], [1.0, 0.5]),
], ids=repr)
def test_bound_comes_within_a_tenth_of_the_gap(domain):
    f = rn.Network.random((2, 10, 5, 1), rng=0, scheme="he")
    rng = np.random.default_rng(1)
    weights = [W + 1e-2 * rng.standard_normal(W.shape) for W in f.weights]
    g = rn.Network(weights, f.thresholds, f.output_weights)
    gap = branched(f, g, domain, 0.0).gap
    X = domain.sample(2000, 0)
    gap = max(gap, np.abs(f(X) - g(X)).max())
    assert branched(f, g, domain, 1.1 * gap, seconds=20.0).bound <= 1.1 * gap


@pytest.mark.parametrize("prover", [by_branching, by_milp])
def test_nothing_is_searched_where_the_first_step_has_proved_it(prover):
    """Euclidean norms prove it at once; forms would take hours of splitting, the solver minutes."""
    f = rn.Network.random((6, *[24] * 6, 1), rng=0, scheme="he", output_bias=True)
    box = rn.Box(-np.ones(6), np.ones(6))
    findings = Findings(Question(f, rn.reduce(f, box), box, 2e-11, 0.0, np.inf), 5.0)
    prover(findings)
    assert findings.status == "equivalent"
    assert findings.seconds < 2.5


@given(seeds(), st.integers(1, 3))
def test_parts_tile_the_box(seed, d):
    """After any splits the leaves' boxes lie in the box and have its volume, exactly."""
    rng = np.random.default_rng(seed)
    low = np.ldexp(rng.standard_normal((d, 1)), 10)
    high = low + np.abs(rng.standard_normal((d, 1)))
    splits = Splits()
    left = Frontier(low, high, np.ones(1), np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    for _ in range(4):
        left.axis = rng.integers(0, d, len(left.node))
        some = np.sort(rng.choice(len(left.node), int(rng.integers(1, len(left.node) + 1)), replace=False))
        rest = left.take(np.setdiff1d(np.arange(len(left.node)), some))
        corners = split_leaves(splits, left.take(some))
        n = corners[0].shape[1]
        left = rest.join(Frontier(*corners[:2], np.ones(n), np.zeros(n, dtype=int), corners[2]))
    assert sorted(left.node.tolist()) == [i for i, axis in enumerate(splits.axis) if axis == -1]
    assert volume(low, high) == volume(left.low, left.high)
    assert (left.low >= low).all() and (left.high <= high).all()
    for node, (one, other) in leaves(splits, low[:, 0], high[:, 0]).items():
        at = left.node.tolist().index(node)
        assert np.array_equal(left.low[:, at], one) and np.array_equal(left.high[:, at], other)


def volume(low, high):
    sides = [[q - p for p, q in zip(rationals(a), rationals(b))] for a, b in zip(low.T, high.T)]
    return sum(np.prod(box) for box in sides)


def leaves(splits, low, high, node=0):
    """Return the boxes of the leaves by their numbers."""
    axis = splits.axis[node]
    if axis < 0:
        return {node: (low, high)}
    middle_high, middle_low = high.copy(), low.copy()
    middle_high[axis] = middle_low[axis] = splits.place[node]
    first = splits.child[node]
    return leaves(splits, low, middle_high, first) | leaves(splits, middle_low, high, first + 1)


@given(st.one_of(balls(2), hulls(2)), seeds())
def test_dropped_boxes_do_not_meet_the_domain(domain, seed):
    """Their direction u has u.x > h(u) at every corner, in rationals: more than at all points of the domain."""
    rng = np.random.default_rng(seed)
    low, high = (end[:, np.newaxis] for end in outer_box(domain))
    size = high - low
    corner = low - size / 2 + 2 * size * rng.random((2, 40))
    n = corner.shape[1]
    splits = Splits()
    for _ in range(n - 1):
        splits.axis.append(-1)
    corners = corner, corner + size * rng.random((2, n)) / 4
    frontier = Frontier(*corners, np.ones(n), np.zeros(n, dtype=int), np.arange(n))
    inside = drop_outside(splits, about(domain), frontier)
    assert sorted([*inside.node.tolist(), *splits.directions]) == list(range(n))
    for node, u in splits.directions.items():
        assert splits.axis[node] == -2
        u, one, other = (rationals(values) for values in (u, corners[0][:, node], corners[1][:, node]))
        nearest = sum(min(p * a, p * b) for p, a, b in zip(u, one, other))
        if isinstance(domain, rn.Hull):
            assert all(sum(p * v for p, v in zip(u, rationals(x))) < nearest for x in domain.points)
        else:
            away = nearest - sum(p * c for p, c in zip(u, rationals(domain.centre)))
            assert away > 0 and away ** 2 > Fraction(domain.radius) ** 2 * sum(p * p for p in u)


def test_box_far_outside_is_dropped_and_one_inside_is_not():
    ball = rn.Ball([1.0, 1.0], 1.0)
    splits = Splits()
    splits.axis.append(-1)
    low = np.array([[0.0, 0.9], [0.0, 0.9]])
    frontier = Frontier(low, low + 0.1, np.ones(2), np.zeros(2, dtype=int), np.arange(2))
    left = drop_outside(splits, about(ball), frontier)
    assert left.node.tolist() == [1]


@given(st.one_of(balls(3), hulls(3)), seeds())
def test_nearest_points_are_of_the_domain_and_no_further_than_others(domain, seed):
    rng = np.random.default_rng(seed)
    X = domain.sample(6, rng) + domain.norm_bound * rng.standard_normal((6, 3))
    near = nearest_points(domain, X.T, lambda: None).T
    size = domain.norm_bound + np.abs(X).max()
    others = domain.sample(50, rng)
    for x, y in zip(X, near):  # only nearly the nearest: the direction x - y decides
        assert np.linalg.norm(x - y) <= np.linalg.norm(others - x, axis=1).min() + 2.0**-20 * size


@pytest.mark.parametrize("ball", [
    rn.Ball([1.0, 1.0], 2.0**-60), rn.Ball([0.1, 0.3], 0.7), rn.Ball([1e9], 0.1),
], ids=repr)
def test_outer_box_holds_the_ball(ball):
    for low, high, c in zip(*outer_box(ball), ball.centre):
        r = Fraction(ball.radius)
        assert Fraction(float(low)) <= Fraction(float(c)) - r < Fraction(float(c)) + r <= Fraction(float(high))


def test_boxes_as_small_as_float64_allows_end_the_search():
    """One step wide, and a difference that no bound can get below: it stops, undecided."""
    f, g = (rn.Network([[[1.0]]], [[-1.0]], [[c]]) for c in (1.0, 2.0))
    box = rn.Box(1.0, np.nextafter(1.0, 2.0))
    findings = branched(f, g, box, 2.0**-60, seconds=20.0)
    assert findings.seconds < 10.0
    assert supremum(f, g, box).value <= Fraction(findings.bound)


def test_matches_only_enlarge_the_bound():
    f, g = (rn.Network.random((2, 4, 1), rng=seed) for seed in (0, 1))
    truth = supremum(f, g, SQUARE).value
    for seed in range(5):
        findings = Findings(Question(f, g, SQUARE, float(truth) * 1.05, 0.0, np.inf), 2.0)
        try:
            match = random_match(np.random.default_rng(seed), (4, 4))
            take_turns(findings, [split_inputs(findings, [match], 0.0)], [1.0])
        except OutOfTime:
            pass
        assert truth <= Fraction(findings.bound)
