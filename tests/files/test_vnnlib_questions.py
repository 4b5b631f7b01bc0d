"""Laws of VNN-LIB 2.0 questions: what a file asks is what `verify` answers, and what is refused."""
import gzip
import os
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from oracles.command_line import call

import reducednet as rn
from reducednet.files import vnnlib, vnnlib_questions
from reducednet.files.vnnlib_questions import read_question

pytest.importorskip("vnnlib")

FOLDER = Path(os.environ.get("REDUCEDNET_NETS", Path(__file__).parents[3] / "shared" / "nets")) / "pairs"
HEAD = """; two networks
(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,{0}]))
(declare-network g (isomorphic-to f) (declare-input Z real [1,2]) (declare-output V real [1,{0}]))
(assert (and (>= X[0,0] -1.0) (<= X[0,0] 1.0)))
(assert (and (<= -1.0 Z[0,1]) (<= X[0,1] 0.5)))
(assert (== X[0,0] Z[0,0]))
(assert (== Z[0,1] X[0,1]))
"""
BOX = rn.Box([-1.0, -1.0], [1.0, 0.5])


def text(*conditions, n_outputs=2):
    return HEAD.format(n_outputs) + "".join(f"(assert {one})\n" for one in conditions)


def values(outputs, limit="0.25", over=">"):
    """Return the negation of |f_i - g_i| <= limit: one side of one output is beyond it."""
    sides = [f"({over} (- Y[0,{i}] V[0,{i}]) {limit}) ({over} V[0,{i}] (+ {limit} Y[0,{i}]))" for i in outputs]
    return f"(or {' '.join(sides)})"


def decisions(n_outputs, delta="0.5", over=">", g=">"):
    """Return the conditions of a point where f decides for j and g for another output."""
    alternatives = []
    for j in range(n_outputs):
        others = [i for i in range(n_outputs) if i != j]
        leads = " ".join(f"({over} Y[0,{j}] (+ Y[0,{i}] {delta}))" for i in others)
        beats = " ".join(f"({g} V[0,{k}] V[0,{j}])" for k in others)
        alternatives.append(f"(and {leads} (or {beats}))")
    return f"(or {' '.join(alternatives)})"


@pytest.fixture
def ask(tmp_path):
    def asked(content, required=False):
        path = tmp_path / "question.vnnlib"
        path.write_text(content)
        return read_question(str(path), required)
    return asked


def fulfilled(question, f, g, X):
    """Return True if a sample fulfils what a counterexample of this question has to."""
    F, G, limit = f(X), g(X), float(question.limit)
    if question.target == "values":
        return (np.abs(F - G)[:, list(question.outputs)] > limit).any()
    j, index = F.argmax(axis=1), np.arange(len(X))
    leads = np.sort(F, axis=1)
    return ((leads[:, -1] - leads[:, -2] > limit) & (G.max(axis=1) > G[index, j])).any()


# what is understood


def test_one_of_all_sides_asks_for_values(ask):
    question = ask(text(values([0, 1])))
    assert question == (BOX, "values", Fraction(1, 4), False, (0, 1), (2, 2))
    assert question.tolerance == 0.25
    assert question.is_refuted_by(0.25)  # the exact difference is above the tolerance, which is exact
    assert ask(text(values([1]))).outputs == (1,)


def test_what_is_required_is_negated(ask):
    near = "(and (<= V[0,0] (+ Y[0,0] 0.25)) (>= V[0,0] (- Y[0,0] 0.25)))"
    question = ask(text(near, near.replace("[0,0]", "[0,1]")), required=True)
    assert question == ask(text(values([0, 1])))
    with pytest.raises(ValueError, match="all differences are small.*--required"):
        ask(text(near))
    with pytest.raises(ValueError, match="no `or`"):
        ask(text(values([0])), required=True)


def test_limits_are_exact_decimals(ask):
    """0.05 is no float64: the tolerance is the one below, 0.05 itself being above 1/20."""
    question = ask(text(values([0], "0.05")))
    assert question.limit == Fraction(1, 20) and question.tolerance == np.nextafter(0.05, 0.0)
    assert not question.is_refuted_by(question.tolerance) and question.is_refuted_by(0.05)
    closed = ask(text(values([0], "0.25", ">=")))
    assert closed.closed and closed.tolerance == np.nextafter(0.25, 0.0)
    assert closed.is_refuted_by(0.25) and not closed.is_refuted_by(closed.tolerance)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_all_pairs_of_outputs_ask_for_decisions(ask, n_outputs):
    question = ask(text(decisions(n_outputs), n_outputs=n_outputs))
    assert question[1:] == ("top1", Fraction(1, 2), False, tuple(range(n_outputs)), (2, n_outputs))
    assert ask(text(decisions(n_outputs, over=">="), n_outputs=n_outputs)).closed


def test_alternatives_may_bound_the_inputs_alike(ask):
    sides = ["(> (- Y[0,0] V[0,0]) 0.25)", "(< (- Y[0,0] V[0,0]) -0.25)"]
    alike = " ".join(f"(and (<= X[0,0] 0.5) {side})" for side in sides)
    assert ask(text(f"(or {alike})")).box == rn.Box([-1, -1], [0.5, 0.5])
    unlike = alike.replace("0.5", "0.25", 1)
    with pytest.raises(ValueError, match="bound the inputs differently"):
        ask(text(f"(or {unlike})"))


def test_expressions_are_linear_arithmetic(ask):
    """2 (f - g) - 0.5 > 0 is f - g > 0.25; sums may be nested, and terms may cancel."""
    one = "(> (+ (* 2.0 (- Y[0,0] V[0,0])) (- 0.5)) (- X[0,0] X[0,0]))"
    other = "(< (* (- Y[0,0] V[0,0]) 4.0) (- 1.0))"
    assert ask(text(f"(or {one} {other})")).limit == Fraction(1, 4)


@pytest.mark.parametrize("conditions", [values([0, 1], "0.3"), values([1], "0.01"), decisions(2, "0.05")])
def test_verdicts_are_true_of_what_the_file_says(tmp_path, capsys, conditions):
    f = rn.Network.random((2, 5, 2), rng=0, output_bias=True)
    (tmp_path / "q.vnnlib").write_text(text(conditions))
    question = read_question(str(tmp_path / "q.vnnlib"))
    X = BOX.sample(4000, 0)
    for seed, size in enumerate((1e-3, 0.3)):
        noise = np.random.default_rng(seed).standard_normal(f.n_parameters)
        g = f.with_vector(f.to_vector() + size * noise)
        rn.save(tmp_path / "f.npz", f)
        rn.save(tmp_path / "g.npz", g)
        code, out, _ = call(capsys, "verify", "--vnnlib", tmp_path / "q.vnnlib", tmp_path / "f.npz",
                            tmp_path / "g.npz", "--time-limit", "5")
        assert code in (0, 1), out
        assert (code == 1) >= fulfilled(question, f, g, X)


def test_gzip_files_and_boxes_of_both_versions(tmp_path):
    one = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n" + "".join(
        f"(assert (>= X_{i} -1))\n(assert (<= X_{i} {high}))\n" for i, high in enumerate((1, 0.5)))
    for content in (one, text(values([0])), text()):
        (tmp_path / "a.vnnlib.gz").write_bytes(gzip.compress(content.encode()))
        assert rn.load_box(tmp_path / "a.vnnlib.gz") == BOX
    single = text().split("(declare-network g")[0] + "(assert (and (<= X[0,0] 1.0) (>= X[0,0] 0.0)))" \
        "(assert (and (<= X[0,1] 1.0) (>= X[0,1] 0.0)))"
    (tmp_path / "b.vnnlib").write_text(single)
    assert rn.load_box(tmp_path / "b.vnnlib") == rn.Box([0, 0], [1, 1])


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder of networks (REDUCEDNET_NETS)")
def test_a_real_file_says_what_it_says():
    path = FOLDER / "iso_instance_0.vnnlib"
    question = read_question(str(path), required=True)
    assert question.outputs == (0, 1, 2, 3, 4) and question.limit == Fraction(1, 20)
    low, high = [0.6, -0.5, -0.5, 0.45, -0.45], [0.679857769, 0.5, 0.5, 0.5, -0.45]
    assert question.box == rn.Box(low, high) == rn.load_box(path)


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder of networks (REDUCEDNET_NETS)")
def test_the_networks_of_a_real_file_differ(capsys):
    path = FOLDER / "iso_instance_0.vnnlib"
    files = [FOLDER / "iso_1_1.onnx", FOLDER / "iso_1_1_pruned30.onnx"]
    pytest.importorskip("onnx")
    code, out, _ = call(capsys, "verify", "--vnnlib", path, "--required", *files)
    assert code == 1 and "counterexample" in out


# what is refused


@pytest.mark.parametrize("content, words", [
    ("", "declares them"), ("(declare-const X_0 Real)", "`--domain`"), ("(vnnlib-version <2.0>)", "not a VNN-LIB"),
    (text("(> Y[0,0] 1.0"), "parentheses"), (text("(> Y[0,5] 1.0)"), "bounds"), (text("(> W[0,0] 1.0)"), "W"),
    (text("(> Y[0,0] nan)"), "nan"), (text("(> Y[0,0] 1" + "0" * 500 + ".0)"), "characters|not a VNN"),
    (text("(> Y[0,0] 0.5)"), "no difference"), (text(), "no condition on outputs"),
    (text("(> (- Y[0,0] V[0,0]) 0.5)"), "only one side"),
    (text("(or (> (- Y[0,0] V[0,0]) 0.5) (< (- Y[0,0] V[0,0]) -0.25))"), "different tolerances"),
    (text(values([0], "-0.5")), "every input"), (text(values([0], "0.0", ">=")), "every input"),
    (text(values([0]), "(!= Y[0,0] 1.0)"), "no <, <="), (text("(> (* Y[0,0] V[0,0]) 1.0)"), "not linear"),
    (text(values([0]), "(<= X[0,0] -2.0)"), "contradict"), (text(values([0]), "(< X[0,0] 0.5)"), "by < or >"),
    (text(values([0]), "(<= (+ X[0,0] X[0,1]) 0.5)"), "neither a bound"),
    (text(values([0])).replace("(assert (== X[0,0] Z[0,0]))", ""), "not tied"),
    (text(values([0])).replace("(<= X[0,1] 0.5)", "(<= X[0,1] Z[0,1])"), "no upper bound"),
    (text(decisions(3, g=">="), n_outputs=3), "ties"), (text(decisions(3, "0.0", ">="), n_outputs=3), "ties"),
    (text(decisions(2).replace("(> V[0,1] V[0,0])", "(> V[0,1] 0.5)")), "neither differences"),
    (text("(and (> Y[0,0] (+ Y[0,1] 0.5)) (> V[0,1] V[0,0]))"), "only 1 of the 2 pairs"),
    (text(*[values([0])] * 20), "alternatives"),
    (text().split("(declare-network g")[0] + "(assert (<= X[0,0] 1.0))", "1 network"),
    (text(values([0])).replace("real [1,2]", "real [1,3]", 1), "inputs|Mismatch|match"),
    ("(vnnlib-version <2.0>)\n" + "(" * 100, "nested"),
    (text().replace("real [1,2]", "real [1000000,1000000]"), "too many"),
])
def test_other_questions_are_refused_with_their_reason(ask, content, words):
    with pytest.raises(ValueError, match=words):
        ask(content)


def test_long_texts_and_bombs_take_little_memory(tmp_path, ask):
    with pytest.raises(ValueError, match="characters is read"):
        ask(text() + " " * vnnlib_questions.MOST_CHARACTERS)
    path = tmp_path / "bomb.vnnlib.gz"
    path.write_bytes(gzip.compress(b" " * (vnnlib.MAX_BYTES + 2), 6))
    tracemalloc.start()
    with pytest.raises(ValueError, match="this one has more"):
        read_question(str(path))
    assert tracemalloc.get_traced_memory()[1] < 4 * vnnlib.MAX_BYTES
    tracemalloc.stop()
    for damage in (b"no gzip", gzip.compress(text().encode())[:40]):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="not a whole gzip file"):
            read_question(str(path))


def test_options_that_the_file_decides_are_refused(tmp_path, capsys):
    f = rn.Network.random((2, 3, 2), 0)
    rn.save(tmp_path / "f.npz", f)
    rn.save(tmp_path / "wide.npz", rn.Network.random((3, 3, 2), 0))
    (tmp_path / "q.vnnlib").write_text(text(values([0])))
    files = [tmp_path / "f.npz", tmp_path / "f.npz"]
    question = ["--vnnlib", tmp_path / "q.vnnlib"]
    calls = [
        ([*question, *files, "--eps", "0.1"], "--eps"), ([*question, *files, "--delta", "0.1"], "--delta"),
        ([*question, *files, "--box", "0", "1"], "--box"),
        ([*files, "--required", "--box", "0", "1"], "--required"),
        ([*question, *files, "--certificate", "c.json"], "some outputs"),
        ([*question, files[0], tmp_path / "wide.npz"], "declares networks of 2 inputs"),
        (["--vnnlib", tmp_path / "q.txt", *files], "ends in .vnnlib"),
        ([*question, *files, files[0]], "unrecognized arguments"),
        ([*files, "--box", "0", "1", "--target", "top1", "--eps", "1"], "`--eps` must be None"),
        ([*files, "--box", "0", "1", "--delta", "1"], "`--delta` must be 0.0"),
        ([*files, "--box", "0", "1", "--target", "top1", "--delta", "-1"], "`--delta`"),
    ]
    for arguments, words in calls:
        code, _, err = call(capsys, "verify", *arguments)
        assert code == 2 and words in err, err


def test_decisions_on_the_command_line(tmp_path, capsys):
    f = rn.Network.random((2, 4, 3), 0)
    rn.save(tmp_path / "f.npz", f)
    rn.save(tmp_path / "g.npz", rn.Network(f.weights, f.thresholds, -f.output_weights))
    common = ["--box", "-1", "1", "--target", "top1"]
    code, out, _ = call(capsys, "verify", tmp_path / "f.npz", tmp_path / "f.npz", *common)
    assert code == 0 and out.startswith("equivalent: g decides as f")
    proof = tmp_path / "proof.json"
    pair = [tmp_path / "f.npz", tmp_path / "g.npz"]
    code, out, _ = call(capsys, "verify", *pair, *common, "--delta", "0.01", "--certificate", proof)
    assert code == 1 and "counterexample:" in out
    code, out, _ = call(capsys, "check", proof, *pair, "--box", "-1", "1")
    assert code == 1 and "at the counterexample, and B otherwise" in out


def test_the_package_is_loaded_by_questions_alone():
    code = "import sys, reducednet.files.vnnlib_questions; assert 'vnnlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
