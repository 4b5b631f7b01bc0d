"""A verdict cannot be read as a truth value, and says what it is in one sentence."""
import re

import numpy as np
import pytest

import reducednet as rn
from reducednet.cli.answers import exactly, json_text, short
from reducednet.cli.compress import _sums
from reducednet.cli.info import _range
from reducednet.verification.findings import Findings, Question
from reducednet.verification.verdict import Verdict

SQUARE = rn.Box([0.0, 0.0], [1.0, 1.0])
F = rn.Network.random((2, 5, 1), rng=0)


def verdict(**claims):
    known = dict(status="unknown", eps=0.25, bound=1.0, gap=0.125, counterexample=None, method="branching",
                 semantics="real", margin=0.0, seconds=1.5, stages=[], certificate=None)
    return Verdict(**{**known, **claims})


@pytest.mark.parametrize("status", ["equivalent", "not_equivalent", "unknown"])
def test_truth_value_is_refused(status):
    with pytest.raises(TypeError, match="ask for its `status`"):
        bool(verdict(status=status))
    with pytest.raises(TypeError, match="truth value"):
        assert not verdict(status=status)


@pytest.mark.parametrize("claims, sentence", [
    (dict(status="equivalent", bound=0.125),
     "Verdict(equivalent: |f - g| <= 0.125 on the domain, asked for 0.25 (by branching, 1.5 s))"),
    (dict(status="equivalent", bound=0.125, margin=1e-9),
     "Verdict(equivalent: |f - g| <= 0.125 on the domain, further than 1e-09 from every hyperplane, "
     "asked for 0.25 (by branching, 1.5 s))"),
    (dict(status="not_equivalent", gap=0.5),
     "Verdict(not_equivalent: |f - g| >= 0.5 at the counterexample, more than 0.25 (by branching, 1.5 s))"),
    (dict(), "Verdict(unknown: sup |f - g| is at least 0.125 and proved to be at most 1; asked for 0.25 "
             "(by branching, 1.5 s))"),
    (dict(solver_bound=0.5),
     "Verdict(unknown: sup |f - g| is at least 0.125 and proved to be at most 1 (a solver says 0.5, which is no "
     "proof); asked for 0.25 (by branching, 1.5 s))"),
    (dict(status="equivalent", bound=-0.0, eps=-0.0),
     "Verdict(equivalent: |f - g| <= 0 on the domain, asked for 0 (by branching, 1.5 s))"),
])
def test_one_sentence_says_it(claims, sentence):
    assert repr(verdict(**claims)) == sentence


@pytest.mark.parametrize("word, rigorous", [(np.inf, True), (1.0, True), (0.5, False)])
def test_verdict_is_rigorous_unless_a_solver_says_less_than_is_proved(word, rigorous):
    found = verdict(bound=1.0, solver_bound=word)
    assert (found.bound, found.rigorous) == (1.0, rigorous)


def test_bound_of_minus_zero_is_noted_as_zero():
    found = findings()
    found.prove(-0.0, "structure", {"kind": "exact"})
    assert not np.signbit(found.bound)
    assert not np.signbit(rn.verify(F, F, SQUARE, -0.0).eps)


def test_verdict_has_all_that_was_promised():
    found = rn.verify(F, F, SQUARE)
    names = ("status eps bound gap counterexample method semantics margin seconds stages certificate solver_bound")
    assert set(names.split()) <= set(vars(found))
    assert found.seconds >= sum(stage.seconds for stage in found.stages) * 0.5
    assert [stage.name for stage in found.stages][-1] == found.method


def findings(eps=0.0, evaluation_error=0.0, evaluation_margin=0.0):
    return Findings(Question(F, F, SQUARE, eps, evaluation_error, np.inf, evaluation_margin), 60.0)


def test_only_finite_and_smaller_bounds_are_noted():
    found = findings()
    for bound, left in [(np.nan, np.inf), (np.inf, np.inf), (3.0, 3.0), (4.0, 3.0), (np.nan, 3.0), (2.0, 2.0)]:
        found.prove(bound, "search", {})
        assert found.bound == left


def test_exactness_of_a_bound_with_a_margin_is_not_claimed():
    found = findings(eps=0.0)
    found.prove(0.0, "matching", {}, 1e-16)
    assert found.status == "unknown"
    found.prove(0.0, "structure", {}, 0.0)
    assert (found.status, found.margin) == ("equivalent", 0.0)


def test_bound_below_a_known_gap_is_left_and_a_gap_above_a_bound_takes_it_away():
    found = findings(eps=0.5)
    found.prove(0.25, "matching", {}, 1e-16)
    found.refute(1, np.zeros(2), "search")
    assert (found.gap, found.bound, found.margin, found.evidence) == (1.0, np.inf, 0.0, None)
    found.prove(0.25, "matching", {}, 1e-16)
    assert found.bound == np.inf
    assert found.status == "not_equivalent"


ROUNDED_UP = np.nextafter(1.0, 2.0)  # of 3/4 + 1/4, for the sum is moved outwards


@pytest.mark.parametrize(
    "evaluation_margin, bound",
    [(0.0, ROUNDED_UP), (1e-15, ROUNDED_UP), (1e-9, np.inf), (np.inf, np.inf)],
)
def test_bounds_of_float64_have_its_margin(evaluation_margin, bound):
    found = findings(eps=2.0, evaluation_error=0.25, evaluation_margin=evaluation_margin)
    found.prove(0.75, "structure", {})
    assert bound <= found.bound <= np.nextafter(bound, np.inf)
    assert found.margin == (evaluation_margin if np.isfinite(bound) else 0.0)


NOTHING = -np.zeros((2, 2))
NEGATIVE = rn.Network([NOTHING], [-np.zeros(2)], -np.zeros((1, 2)), -np.zeros(1))
ZEROS = [rn.Box([-0.0, -0.0], [-0.0, 1.0]), rn.Box(-np.zeros(5), np.ones(5)), rn.Ball([-0.0, -0.0], 1.0)]


@pytest.mark.parametrize("shown", [
    *ZEROS, NEGATIVE, rn.reduce(NEGATIVE, SQUARE),
    rn.verify(NEGATIVE, NEGATIVE, ZEROS[0], 0.0), rn.verify(NEGATIVE, NEGATIVE, ZEROS[0], 0.0).certificate,
], ids=lambda shown: type(shown).__name__)
def test_no_number_is_shown_as_minus_zero(shown):
    assert re.search(r"-0(\.0*)?(?![.\d])", f"{shown!r} {getattr(shown, 'layer_table', str)()}") is None


def test_no_number_of_a_commands_answer_is_minus_zero():
    texts = [json_text({"low": np.array([-0.0, 1.0]), "bound": -0.0}), short(-0.0), _range((-0.0, 1.0)),
             _range((-1e-9, 1.0), "z.0%"), exactly(-0.0), *_sums({"neurons": (3, 3), "parameters": (999, 1000)})]
    assert [text for text in texts if re.search(r"-0(\.0*)?(e\+00)?(?![.\d])", text)] == []
