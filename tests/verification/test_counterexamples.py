"""Promising points lie in the domain and are no worse than samples; confirmed gaps are exact."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

import reducednet as rn
from oracles.exact_suprema import domain_contains, exact_difference, supremum
from reducednet.numerics.rationals import rationals
from reducednet.verification.counterexamples import (
    _points_in_cells, confirm, differences, move_inside, points_across_hyperplanes,
    promising_points,
)
from reducednet.verification.findings import Findings, Question
from reducednet.verification.rational import contains, corners_around
from oracles.strategies import domains, points_of, seeds

DOMAINS = [
    rn.Box([0.0, 1.0], [1.0, 1.0]), rn.Ball([3.0, -2.0], 0.7), rn.Hull([[0.0, 0.1], [1.0, 0.3], [0.4, 0.9]]),
]

CUBE = rn.Box(-np.ones(3), np.ones(3))


def findings_of(f, g, domain, eps=0.0, error=0.0):
    return Findings(Question(f, g, domain, eps, error, np.inf), 60.0)


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_promising_points_lie_in_the_domain_and_are_no_worse_than_samples(domain, activation):
    f, g = (rn.Network.random((2, 20, 1), rng=seed, activation=activation) for seed in (0, 1))
    X = promising_points(f, g, domain)
    assert domain.contains(X).all()
    assert differences(f, g, X[:1]) >= differences(f, g, domain.sample(500, 3)).max() * 0.99


def test_climbing_reaches_the_corner_of_a_cube_in_many_dimensions():
    """f - g = sum of x_i, largest at (1, .., 1) among 2^30 corners."""
    f, g = (rn.Network([np.ones((1, 30))], [[100.0]], [[c]]) for c in (2.0, 1.0))
    X = promising_points(f, g, rn.Box(-np.ones(30), np.ones(30)))
    assert differences(f, g, X[:1]) == 130.0


@given(domains(2), seeds())
def test_confirmed_points_lie_in_the_domain_and_the_gap_is_theirs(domain, seed):
    rng = np.random.default_rng(seed)
    f, g = (rn.Network.random((2, 4, 2), rng=rng) for _ in range(2))
    findings = findings_of(f, g, domain, eps=1e9)
    confirm(findings, points_of(domain, seed, 3), "search")
    if findings.counterexample is not None:
        x = findings.counterexample
        if not isinstance(domain, rn.Ball):
            assert domain_contains(domain, x)
        assert contains(domain, rationals(x), corners_around(domain, x))
        assert Fraction(findings.gap) <= exact_difference(f, g, x)
        assert findings.gap >= float(exact_difference(f, g, x)) * (1.0 - 2.0**-52)


@given(domains(3), seeds())
def test_points_moved_inside_are_inside_and_near(domain, seed):
    for x in points_of(domain, seed, 2):
        inner = move_inside(domain, x)
        if inner is not None:
            assert contains(domain, rationals(inner), corners_around(domain, inner))
            assert np.abs(inner - x).max() <= 2.0**-11 * 2.0 * domain.norm_bound


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
def test_inner_points_are_not_refused(domain):
    middle = domain.sample(50, 0).mean(axis=0)
    for x in domain.sample(20, 1):
        x = middle + 0.9 * (x - middle)
        assert move_inside(domain, x) is not None


def test_gap_of_float64_semantics_is_less_by_the_slack():
    f, g = (rn.Network([[[1.0]]], [[0.0]], [[c]]) for c in (2.0, 1.0))
    for error, gap in [(0.25, 0.75), (1.0, 0.0), (np.inf, 0.0)]:
        findings = findings_of(f, g, rn.Box(0.0, 1.0), error=error)
        confirm(findings, np.array([[1.0]]), "search")
        assert findings.gap == gap


def test_differences_that_leave_float64_count_as_0_and_spoil_no_other():
    f, g = rn.Network([[[1e300]]], [[0.0]], [[1e300]]), rn.Network([[[1.0]]], [[0.0]], [[0.0]])
    values = differences(f, g, np.array([[1.0], [1e-300], [1e-310]]))
    assert values[0] == 0.0
    assert values[1] > 0.0


def test_points_across_a_hyperplane_are_beside_it_on_both_sides():
    row = np.array([1.0, -2.0, 0.5])
    X = points_across_hyperplanes(rn.Box([-1.0, -1.0], [1.0, 1.0]), [row])
    z = X @ row[:2] + row[2]
    assert (z > 1e-9).any() and (z < -1e-9).any() and (np.abs(z) < 1e-15).any()
    far = rn.Box([5.0, 5.0], [6.0, 6.0])
    assert len(points_across_hyperplanes(far, [np.array([1.0, 1.0, 0.0])])) == 0


def test_spike_between_samples_is_seen_across_its_hyperplanes():
    """A wedge of width 2^-12 that one hidden layer leaves over is found at its hyperplanes."""
    w, t = [1.0, 1.0], 2.0**-12
    f = rn.Network([[w, w, w]], [[-0.7, -0.7 - t, -0.7 - 2 * t]], [[1.0, -2.0, 1.0]])
    g = rn.Network([[w]], [[0.0]], [[0.0]])
    box = rn.Box([0.0, 0.0], [1.0, 1.0])
    verdict = rn.verify(f, g, box, 0.0, method="structure")
    assert verdict.status == "not_equivalent"
    assert 0 < Fraction(verdict.gap) <= supremum(f, g, box).value


@pytest.mark.parametrize("height", [0.5, 1.0, 3.0])
def test_a_step_moved_by_little_is_refuted_whatever_the_heights(height):
    """Between the two hyperplanes one step is on alone, and the difference is its height."""
    rng = np.random.default_rng(0)
    W, C = rng.standard_normal((12, 3)), rng.uniform(0.5, 1.0, (1, 12))
    b = rng.uniform(-0.5, 0.5, 12)
    order, moved, heights = rng.permutation(12), b.copy(), C.copy()
    moved[5] -= 1e-7
    heights[0, 5] *= height
    f = rn.Network([W], [b], C, activation="binary")
    g = rn.Network([W[order]], [moved[order]], heights[:, order], activation="binary")
    between, beyond = C[0, 5], abs(C[0, 5] - heights[0, 5])
    eps = (between + beyond) / 2.0 if between > beyond else 0.9 * beyond
    verdict = rn.verify(f, g, CUBE, eps, method="search")
    assert verdict.status == "not_equivalent"
    assert verdict.gap >= max(between, beyond) * (1.0 - 1e-9)


@pytest.mark.parametrize("n_steps, d", [(2, 2), (4, 3), (8, 10)])
@pytest.mark.parametrize("seed", range(4))
def test_an_and_of_steps_with_one_moved_is_refuted_by_the_search(n_steps, d, seed):
    """All hyperplanes pass near 0, so that the moved one bounds the region where the AND is on."""
    rng = np.random.default_rng(seed)
    W, b = rng.standard_normal((n_steps, d)), rng.uniform(0.0, 0.2, n_steps)
    box = rn.Box(-np.ones(d), np.ones(d))
    moved, conjunction = b + np.eye(n_steps)[0] * 1e-7, np.ones((1, n_steps))
    f, g = (
        rn.Network([W, conjunction], [own, [0.5 - n_steps]], [[1.0]], activation="binary")
        for own in (b, moved)
    )
    assert rn.verify(f, g, box, 0.5, method="search").status == "not_equivalent"


def test_each_cell_that_a_segment_crosses_gets_a_point():
    rng = np.random.default_rng(2)
    f, g = (rn.Network.random((2, 7, 1), rng=rng, activation="binary") for _ in range(2))
    starts, ends = rng.uniform(-1.0, 1.0, (2, 3, 2))

    def cells(X):
        return {tuple(on) for on in np.hstack([net.pre_activations(X)[0] for net in (f, g)]) > 0.0}

    for start, end in zip(starts, ends):
        crossed = cells(start + np.linspace(0.0, 1.0, 8_001)[:, np.newaxis] * (end - start))
        found = cells(_points_in_cells(f, g, start[np.newaxis], end[np.newaxis]))
        assert crossed <= found and len(found) == len(crossed)
    together = _points_in_cells(f, g, starts, ends)
    assert len(together) == sum(
        len(_points_in_cells(f, g, start[np.newaxis], end[np.newaxis]))
        for start, end in zip(starts, ends)
    )
