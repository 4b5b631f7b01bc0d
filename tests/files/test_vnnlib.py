"""Laws of load_box for VNN-LIB files: the box that the conditions mean, and what is refused."""
import pathlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.files import vnnlib

LONG = 300_000
ENDS = st.floats(-1e300, 1e300, allow_subnormal=True)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("vnnlib")


def declarations(n_inputs, n_outputs=1):
    names = [f"X_{i}" for i in range(n_inputs)] + [f"Y_{i}" for i in range(n_outputs)]
    return "".join(f"(declare-const {name} Real)\n" for name in names)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


UNIT = declarations(2) + "(assert (>= X_0 0))\n(assert (<= X_0 1))\n(assert (>= X_1 -1))\n(assert (<= X_1 2))\n"
"""The box [0, 1] x [-1, 2]; line 8 is the first one after it."""


# ------------------------------------------------------------------------------------ what is understood

def written(draw, value):
    """Write a number in one of the ways that mean the same float64."""
    plain = repr(float(value))
    forms = [plain, plain.upper(), f"(- {repr(-float(value))})" if value < 0.0 else plain, f"{value:.17e}"]
    return draw(st.sampled_from(forms))


@st.composite
def problems(draw):
    """Texts and the ends of their boxes, written in all the ways there are."""
    n = draw(st.integers(1, 5))
    low = draw(st.lists(ENDS, min_size=n, max_size=n))
    high = [max(end, draw(ENDS)) for end in low]
    if low == high:
        high[0] = abs(high[0]) * 2.0 + 1.0
    bounds = []
    for i in range(n):
        below, above = written(draw, low[i]), written(draw, high[i])
        bounds.append(draw(st.sampled_from([f"(>= X_{i} {below})", f"(<= {below} X_{i})"])))
        bounds.append(draw(st.sampled_from([f"(<= X_{i} {above})", f"(>= {above} X_{i})"])))
    bounds = draw(st.permutations(bounds))
    cut = draw(st.integers(0, len(bounds)))
    asserts = [f"(assert {bound})" for bound in bounds[:cut]]
    if cut < len(bounds):
        gap = draw(st.sampled_from([" ", "\n", " ; note )\n"]))
        asserts.append(f"(assert (and {gap.join(bounds[cut:])}))")
    return declarations(n) + "\n".join(asserts), low, high


@given(problem=problems())
def test_box_is_that_of_the_conditions_bit_for_bit(scratch, problem):
    text, low, high = problem
    box = rn.load_box(write(scratch / "box.vnnlib", text))
    assert box.low.tolist() == low and box.high.tolist() == high


@pytest.mark.parametrize("more", [
    "; a comment (with words)", "(assert (<= Y_0 3.5))", "(assert (or (and (<= Y_0 1)) (and (>= Y_0 2))))",
    "(assert (<= X_0 5))", "(assert (>= X_1 -3.0))", "(set-logic QF_LRA)", '(set-info :source "a (b | c")',
    "(assert (>= (+ Y_0 (* 2.0 Y_0)) 1))", "(check-sat)", "(assert (and (<= X_0 1) (and (<= Y_0 2))))",
    "(declare-const Y_1 Real)", "(declare-fun Y_1 () Real)", "\r\n", "(assert\n(<=\nX_0 1.0 ; at most\n)\n)",
])
def test_what_does_not_bound_the_inputs_is_left_out(tmp_path, more):
    for text in (UNIT + more, UNIT + more + "\n(assert (<= Y_0 1))"):
        assert rn.load_box(write(tmp_path / "box.vnnlib", text)) == rn.Box([0, -1], [1, 2])


def test_bounds_that_hold_together_are_intersected(tmp_path):
    text = UNIT + "(assert (and (<= X_0 0.75) (<= X_0 0.5) (>= X_0 0.25) (>= X_0 -9)))(assert (= X_1 (- 0.5)))"
    assert rn.load_box(write(tmp_path / "box.vnnlib", text)) == rn.Box([0.25, -0.5], [0.5, -0.5])


def test_declared_functions_and_any_order_are_inputs(tmp_path):
    declared = "(declare-fun X_1 () Real)(declare-const X_0 Real)"
    text = declared + "(assert (and (<= 1 X_1 ) (<= X_1 2)(<= .5 X_0)(<= X_0 +1.)))"
    assert rn.load_box(write(tmp_path / "box.vnnlib", text)) == rn.Box([0.5, 1], [1, 2])


def test_numbers_are_rounded_to_the_nearest_float64(tmp_path):
    text = declarations(1) + "(assert (>= X_0 0.1))(assert (<= X_0 0.30000000000000001665))"
    box = rn.load_box(write(tmp_path / "box.vnnlib", text))
    assert (box.low[0], box.high[0]) == (0.1, 0.3)


def test_normalise_changes_nothing(tmp_path):
    path = write(tmp_path / "box.VNNLIB", UNIT)
    assert rn.load_box(path, normalise=False) == rn.load_box(path) == rn.Box([0, -1], [1, 2])


# ------------------------------------------------------------------------------------- what is refused

REFUSED = {
    "nothing": ("", "the file declares no input X_0"),
    "no lower bound": (declarations(1) + "(assert (<= X_0 1))", "declares no box: X_0 has no lower bound"),
    "no upper bound": (declarations(1) + "(assert (<= 1 X_0))", "declares no box: X_0 has no upper bound"),
    "gap": (UNIT + "(declare-const X_3 Real)", "3 inputs are declared, but X_2 is not"),
    "far gap": (UNIT + "(declare-const X_999999999 Real)", "3 inputs are declared, but X_2 is not"),
    "too far": (UNIT + "(declare-const X_1000000000000 Real)", "line 8: a variable must be called X_ or Y_"),
    "twice": (UNIT + "(declare-const X_0 Real)", "line 8: X_0 is declared twice"),
    "not declared": (UNIT + "(assert (<= X_2 1))", "line 8: X_2 is not declared"),
    "other variable": (UNIT + "(declare-const Z Real)", "line 8: a variable must be called X_ or Y_"),
    "whole number": (UNIT + "(declare-const X_2 Int)", "line 8: not a command .*declare-const X_2 Int"),
    "disjunction": (
        UNIT + "(assert (or (<= X_0 1) (<= X_1 1)))", "line 8: a condition on inputs must bound one"),
    "nested disjunction": (
        UNIT + "(assert (and (or (and (<= X_0 1)))))", "line 8: a condition on inputs must bound one"),
    "mixed disjunction": (
        UNIT + "(assert (or (<= Y_0 1) (<= X_1 1)))", "line 8: a condition on inputs must bound one"),
    "negation": (UNIT + "(assert (not (<= X_0 1)))", "line 8: a condition on inputs must bound one"),
    "two inputs": (UNIT + "(assert (<= X_0 X_1))", "line 8: .* got \\(<= X_0 X_1\\)"),
    "input and output": (UNIT + "(assert (<= Y_0 X_1))", "line 8: a condition on inputs must bound one"),
    "sum": (UNIT + "(assert (<= (+ X_0 X_1) 1))", "line 8: a condition on inputs must bound one"),
    "multiple": (UNIT + "(assert (<= (* 2 X_0) 1))", "line 8: a condition on inputs must bound one"),
    "strict": (UNIT + "(assert (< X_0 1))", "line 8: a condition on inputs must bound one"),
    "chain": (UNIT + "(assert (<= 0 X_0 1))", "line 8: a condition on inputs must bound one"),
    "bare and": (UNIT + "(assert (and X_0))", "line 8: a condition on inputs must bound one"),
    "let": (UNIT + "(assert (let ((z X_0)) (<= z 0)))", "line 8: a condition on inputs must bound one"),
    "quoted input": (UNIT + "(assert (<= |X_0| Y_0))", "line 8: a condition on neither inputs nor outputs"),
    "constants": (UNIT + "(assert (<= 1 0))", "line 8: a condition on neither inputs nor outputs"),
    "word": (UNIT + "(assert false)", "line 8: not a command of a VNN-LIB file"),
    "definition": (UNIT + "(define-fun f () Real X_0)", "line 8: not a command .*define-fun f Real X_0"),
    "pop": (UNIT + "(push 1)", "line 8: not a command"),
    "list for a word": (UNIT + "((assert))", "line 8: not a command"),
    "empty command": (UNIT + "()", "line 8: not a command"),
    "number": (UNIT + "(assert (<= X_0 1_0))", "line 8: a condition on inputs must bound one"),
    "hexadecimal": (UNIT + "(assert (<= X_0 0x1p3))", "line 8: a condition on inputs must bound one"),
    "nan": (UNIT + "(assert (<= X_0 nan))", "line 8: a condition on inputs must bound one"),
    "minus minus": (UNIT + "(assert (<= X_0 (- -1)))", "line 8: a condition on inputs must bound one"),
    "overflow": (UNIT + "(assert (<= X_0 1e999))", "line 8: a bound must be finite in float64, got 1e999"),
    "contradiction": (UNIT + "(assert (<= X_0 -1))", "`low` must be at most `high` = -1.0 at index 0"),
    "point": (declarations(1) + "(assert (= X_0 1))", "a box of one point"),
    "open": (UNIT + "(assert (<= X_0 1)", "line 8: the file ends within parentheses"),
    "closed": (UNIT + "(check-sat))", r"line 8: '\)' stands outside parentheses"),
    "words": ("2,1,1,2,\n", "line 1: '2,1,1,2,' stands outside parentheses"),
    "quotation": (UNIT + '(set-info "a)\n', "line 8: an unclosed quotation"),
    "nul": (UNIT + "\0", "line 8: .* stands outside parentheses"),
    "nested": (UNIT + "(" * 10**5, "line 8: a command must have at most .* 64 nested parentheses"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_box_is_refused(tmp_path, case):
    text, reason = REFUSED[case]
    with pytest.raises(ValueError, match=rf"bad\.vnnlib: .*{reason}"):
        rn.load_box(write(tmp_path / "bad.vnnlib", text))


@pytest.mark.parametrize("limit, text", [
    ("MAX_BYTES", UNIT), ("_MAX_TOKENS", "(set-info" + " 0" * 101 + ")"),
])
def test_file_or_command_that_is_too_large_is_refused(tmp_path, monkeypatch, limit, text):
    monkeypatch.setattr(vnnlib, limit, 100)
    with pytest.raises(ValueError, match=r"box\.vnnlib: .*at most 100"):
        rn.load_box(write(tmp_path / "box.vnnlib", text))


@pytest.mark.parametrize("text", ["1" * LONG + "x", "|" * LONG, '"' * (LONG + 1), "(" * LONG, ";" * LONG])
def test_long_words_take_little_memory_and_no_quadratic_time(tmp_path, text):
    path = write(tmp_path / "long.vnnlib", UNIT + f"(assert (<= X_0 {text}")
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"long\.vnnlib: line 8"):
        rn.load_box(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_large_problem_is_read_line_by_line(tmp_path):
    n = 20_000
    bounds = "".join(f"(assert (<= X_{i} {i + 1}.5))\n(assert (>= X_{i} -{i}))\n" for i in range(n))
    box = rn.load_box(write(tmp_path / "large.vnnlib", declarations(n) + bounds))
    assert np.array_equal(box.low, -np.arange(n)) and np.array_equal(box.high, np.arange(n) + 1.5)


def test_missing_file_is_file_not_found():
    with pytest.raises(FileNotFoundError):
        rn.load_box(pathlib.Path("absent.vnnlib"))


def test_vnnlib_file_holds_no_network(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a name that ends in .npz or .nnet or .onnx"):
        rn.load(write(tmp_path / "box.vnnlib", UNIT))
