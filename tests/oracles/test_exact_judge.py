"""The judge of verdicts finds every wrong claim, and none in a right verdict."""
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

import reducednet as rn
from oracles.exact_judge import complaints, thresholds_to_ask
from oracles.exact_truth import KINDS, pairs, supremum

F = rn.Network([[[1.0]]], [[0.0]], [[1.0]])
G = rn.Network([[[1.0]]], [[-0.5]], [[2.0]])  # F - G = x - 2 s(x - 1/2): at most 1/2, at 1/2
BOX = rn.Box(0.0, 1.0)
BINARY = [rn.Network([[[1.0]]], [[b]], [[1.0]], activation="binary") for b in (-0.5, -0.5 - 2.0**-30)]
RIGHT = {"status": "unknown", "eps": 0.25, "bound": 1.0, "gap": 0.0, "counterexample": None}


def verdict(**claims):
    """Return a verdict that is right about F and G, but for these claims."""
    return SimpleNamespace(**{**RIGHT, **claims})


def refuted(**claims):
    return verdict(**{"status": "not_equivalent", "gap": 0.5, "counterexample": np.array([0.5]), **claims})


@pytest.mark.parametrize("right", [
    verdict(), verdict(gap=0.5, bound=0.5), verdict(bound=np.inf),
    verdict(status="equivalent", eps=0.5, bound=0.5), refuted(), refuted(counterexample=None),
    refuted(counterexample=[Fraction(1, 3)]), refuted(eps=0.5 - 2.0**-54),
])
def test_right_verdicts_pass(right):
    assert complaints(F, G, BOX, right) == []
    assert complaints(F, G, BOX, right, asked=right.eps) == []


@pytest.mark.parametrize("wrong, words", [
    (verdict(status="equivalent"), "equivalent, where"),
    (verdict(status="equivalent", eps=0.5 - 2.0**-54), "equivalent, where"),
    (verdict(status="not_equivalent", eps=0.5), "not equivalent, where"),
    (verdict(gap=0.5 + 2.0**-53), "gap"), (verdict(bound=0.5 - 2.0**-54), "bound"),
    (verdict(gap=np.nan), "gap"), (verdict(bound=np.nan), "bound"), (verdict(gap=-1.0), "gap"),
    (verdict(eps=-1.0), "eps"), (verdict(eps=np.nan), "eps"), (verdict(status="maybe"), "status"),
    (refuted(counterexample=np.array([1.5])), "outside"), (refuted(counterexample=np.array([0.25])), "<= eps"),
    (refuted(counterexample=np.array([np.nan])), "not finite"), (refuted(counterexample=np.zeros(2)), "2 inputs"),
    (verdict(counterexample=np.array([0.0])), "<= eps"),
])
def test_each_wrong_claim_is_found(wrong, words):
    found = complaints(F, G, BOX, wrong)
    assert len(found) == 1
    assert words in found[0]


def test_eps_that_was_not_asked_for_is_found():
    assert "eps" in complaints(F, G, BOX, verdict(), asked=0.0)[0]


def test_truth_of_a_pair_too_large_to_cut_is_given():
    zero, one = (rn.Network([[[1.0] * 3]], [[0.0]], [[0.0]], [a]) for a in (0.0, 1.0))
    cube = rn.Box([0] * 3, [1] * 3)
    assert complaints(zero, one, cube, verdict(gap=1.0), truth=Fraction(1)) == []
    assert complaints(zero, one, cube, verdict(gap=1.1), truth=Fraction(1))


def test_binary_verdict_is_judged_off_its_margin_and_its_hyperplanes():
    """The two differ by 1 in a sliver of width 2^-30, whose middle is 2^-31 away from both thresholds."""
    equal = verdict(status="equivalent", eps=0.0, bound=0.0, margin=2.0**-30)
    assert complaints(*BINARY, BOX, equal) == []
    equal.margin = 2.0**-32
    assert len(complaints(*BINARY, BOX, equal)) == 2  # status and bound
    assert complaints(*BINARY, BOX, refuted(gap=1.0, counterexample=np.array([0.5 + 2.0**-31]))) == []
    assert "hyperplane" in complaints(*BINARY, BOX, refuted(counterexample=np.array([0.5 + 2.0**-30])))[0]


def test_perfect_verdicts_pass_and_opposite_ones_do_not():
    rng = np.random.default_rng(0)
    for f, g, domain, kind in pairs(2 * len(KINDS), 1):
        truth = supremum(f, g, domain).value
        below, above = float(truth), float(truth)
        below = below if Fraction(below) <= truth else float(np.nextafter(below, 0.0))
        above = above if Fraction(above) >= truth else float(np.nextafter(above, np.inf))
        choices = thresholds_to_ask(truth)
        eps = choices[rng.integers(1, len(choices))]
        status = ("equivalent", "not_equivalent")[truth > Fraction(eps)]
        claims = {"eps": eps, "gap": below, "bound": above}
        assert complaints(f, g, domain, verdict(status=status, **claims), eps) == [], kind
        other = "equivalent" if status == "not_equivalent" else "not_equivalent"
        assert complaints(f, g, domain, verdict(status=other, **claims), eps), kind


def test_thresholds_to_ask_are_on_both_sides_of_the_truth():
    truth = Fraction(1, 3)
    none, *values = thresholds_to_ask(truth)
    assert none is None
    assert {Fraction(value) < truth for value in values} == {True, False}
    assert set(thresholds_to_ask(Fraction(0))) == {None, 0.0, 1e-9, 5e-324}
