"""Classes of equal rows found by sorting are those of the quadratic loop."""
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracles.assertions import assert_equal_bits
from reducednet.numerics import equal_rows
from reducednet.numerics.equal_rows import classes_of_rows
from oracles.strategies import entries, seeds


def by_loop(P, tolerance):
    """Return the labels by comparing each row with the representative of every earlier class."""
    representatives, labels = [], []
    for row in P:
        near = [k for k, f in enumerate(representatives) if (np.abs(row - f) <= tolerance).all()]
        labels.append(near[0] if near else len(representatives))
        if not near:
            representatives.append(row)
    return np.array(labels, dtype=int)


@st.composite
def rows(draw):
    """Pairs (P, tolerance) with rows near, at and just beyond the tolerance of each other, of all scales."""
    rng = np.random.default_rng(draw(seeds()))
    n, d = draw(st.integers(0, 60)), draw(st.integers(1, 5))
    tolerance = draw(st.sampled_from([0.0, 2.0**-40, 0.25, 1.0]))
    centres = entries(rng, (draw(st.integers(1, 12)), d), draw(st.sampled_from(["integer", "dyadic", "normal"])))
    P = centres[rng.integers(len(centres), size=n)]
    steps = np.array([0.0, 0.5, 1.0, 1.0 + 2.0**-50, 2.0, -1.0]) * tolerance
    P = P + rng.choice(steps, (n, d)) * (rng.random((n, d)) < draw(st.sampled_from([0.1, 0.5])))
    scale = draw(st.sampled_from([2.0**-1030, 2.0**-60, 1.0, 2.0**60, 2.0**1020]))
    if draw(st.booleans()):
        P = P * 2.0 ** rng.integers(-30, 31, (n, 1))
    return P * min(scale, 2.0**990), tolerance * scale


@example((np.zeros((0, 3)), 0.5))
@example((np.array([[3.0]]), 0.0))
@example((np.array([[0.0], [-0.0]]), 0.0))
@example((np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]]), 0.0))
@example((np.array([[1e308], [-1e308], [1e308]]), 1e307))
@example((np.array([[2.0**-1074], [0.0], [2.0**-1073]]), 2.0**-1074))
@given(rows())
def test_classes_are_those_of_the_loop(case):
    P, tolerance = case
    with np.errstate(over="ignore"):
        assert_equal_bits(classes_of_rows(P, tolerance), by_loop(P, tolerance), "labels")


@given(rows())
def test_classes_are_those_of_the_loop_when_no_round_is_taken(case):
    P, tolerance = case
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        patch.setattr(equal_rows, "ROUNDS", 0)
        assert_equal_bits(classes_of_rows(P, tolerance), by_loop(P, tolerance), "labels")


@given(rows(), seeds())
def test_each_column_can_have_its_own_tolerance(case, seed):
    P, tolerance = case
    each = tolerance * np.random.default_rng(seed).choice([0.0, 0.5, 1.0], P.shape[1])
    with np.errstate(over="ignore"):
        assert_equal_bits(classes_of_rows(P, each), by_loop(P, each), "labels")


def test_different_rows_of_one_projection_are_kept_apart():
    """Rows with equal projections, so that one window holds them all."""
    d = 4
    windows = equal_rows._Windows(np.eye(d), np.zeros(d))
    r = np.empty(d)
    r[windows.order] = (windows.low + windows.highest_so_far) / 2  # the direction itself, to rounding error
    rng = np.random.default_rng(0)
    P = rng.standard_normal((500, d))
    P -= np.outer(P @ r, r) / (r @ r)
    P = P[rng.integers(len(P), size=1000)]
    spread = equal_rows._Windows(P, np.full(d, 2.0**-40))
    assert spread.chains().max() == 0  # the case is what it is meant to be
    assert_equal_bits(classes_of_rows(P, 2.0**-40), by_loop(P, 2.0**-40), "labels")


def test_dense_rows_of_one_chain_are_those_of_the_loop():
    P = np.random.default_rng(1).random((2000, 1))
    assert_equal_bits(classes_of_rows(P, 0.01), by_loop(P, 0.01), "labels")
    P = np.random.default_rng(1).random((1000, 3))
    assert_equal_bits(classes_of_rows(P, 0.1), by_loop(P, 0.1), "labels")


def test_rows_without_columns_are_one_class():
    assert classes_of_rows(np.zeros((3, 0)), 1.0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(entry):
    with pytest.raises(ValueError, match="a row to be compared leaves the range of float64"):
        classes_of_rows(np.array([[entry], [1.0]]), 0.0)
