"""The command `check`: what `verify` wrote is confirmed, and nothing else."""
import json
import shutil
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from oracles.certificate_cases import changed
from oracles.command_line import call
from oracles.exact_suprema import exact_outputs
from reducednet.cli import main
from reducednet.verification import provers
from reducednet.verification.certificates.certificate import Certificate

BOX = ["--box", "0", "1"]
SPLIT_OUTSIDE = {"axis": np.array([0, -1, -1]), "place": np.array([2.0, 0.0, 0.0])}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder of networks, with the certificates that `verify` wrote of them."""
    folder = tmp_path_factory.mktemp("check")
    net, box = rn.Network.random((2, 6, 1), rng=0), rn.Box([0, 0], [1, 1])
    other = rn.Network(net.weights, net.thresholds, 2.0 * net.output_weights)
    binary = rn.Network.random((2, 6, 1), rng=0, activation="binary")
    networks = {"net": net, "reduced": rn.reduce(net, box), "other": other, "binary": binary,
                "reduced_binary": rn.reduce(binary, box)}
    for name, network in networks.items():
        rn.save(folder / f"{name}.npz", network)
    for ending in ("json", "npz"):
        for name, first, second, more in [
            ("proof", "net", "reduced", []), ("gap", "net", "other", BOX),
            ("binary_proof", "binary", "reduced_binary", ["--semantics", "float64"]),
        ]:
            files = [str(folder / f"{part}.npz") for part in (first, second)]
            path = folder / f"{name}.{ending}"
            assert main.main(["verify", *files, *more, "--certificate", str(path)]) in (0, 1)
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """Return a copy of these files, and go there."""
    target = tmp_path / "files"
    shutil.copytree(made, target)
    monkeypatch.chdir(target)
    return target


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_a_proof_is_confirmed_with_code_0(folder, capsys, ending):
    code, out, err = call(capsys, "check", f"proof.{ending}", "net.npz", "reduced.npz")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("equivalent: |f - g| <= ") and second == "on Box([0, 0], [1, 1])"


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_a_refutation_is_confirmed_with_code_1_and_its_witness(folder, capsys, ending):
    arguments = ["check", f"gap.{ending}", "net.npz", "other.npz", *BOX]
    code, out, err = call(capsys, *arguments)
    assert (code, err) == (1, "") and out.startswith("not_equivalent: |f - g| >= ")
    point = [Fraction(float(text)) for text in out.splitlines()[2].split(": ")[1].split(", ")]
    code, out, _ = call(capsys, *arguments, "--json")
    report = json.loads(out)
    assert code == 1 and report["counterexample"] == list(map(float, point))
    assert report["counterexample_ratios"] == [list(value.as_integer_ratio()) for value in point]
    f, g = (rn.load(folder / f"{name}.npz") for name in ("net", "other"))
    gap = abs(exact_outputs(f, point)[0] - exact_outputs(g, point)[0])
    assert gap >= Fraction(report["value"]) > report["eps"]


def test_both_endings_hold_the_same_certificate(folder):
    for name in ("proof", "gap", "binary_proof"):
        one, other = (Certificate.load(folder / f"{name}.{ending}") for ending in ("json", "npz"))
        assert one == other


def test_exact_checks_in_rational_arithmetic(folder, capsys):
    arguments = ["check", "proof.json", "net.npz", "reduced.npz"]
    code, out, _ = call(capsys, *arguments, "--exact")
    assert code == 0 and "in rational arithmetic" in out
    certificate = Certificate.load(folder / "proof.json")
    changed(certificate, value=certificate.value / 1e6).save("forged.json")
    code, out, _ = call(capsys, "check", "forged.json", *arguments[2:], "--exact")
    assert code == 3 and "only a bound of" in out


def test_the_report_says_what_is_proved(folder, capsys):
    arguments = ["check", "binary_proof.json", "binary.npz", "reduced_binary.npz"]
    code, out, _ = call(capsys, *arguments, "--json")
    report, certificate = json.loads(out), Certificate.load(folder / "binary_proof.json")
    assert code == 0 and report["ok"] is True and report["reason"] == ""
    for name in ("status", "claim", "kind", "semantics", "value", "slack", "margin", "eps"):
        assert report[name] == getattr(certificate, name)
    assert report["slack"] > 0.0 and report["margin"] > 0.0 and report["counterexample"] is None
    out = call(capsys, *arguments)[1]
    total = certificate.value + certificate.slack
    assert f"|f - g| <= {total:.3g} on the domain, further than {certificate.margin:.3g}" in out
    assert "as float64 computes it" in out


@pytest.mark.parametrize("name, eps, code", [
    ("proof", "1", 0), ("proof", "0", 3), ("proof", "1e-300", 3), ("gap", "1e9", 3),
    ("gap", "0", 1),
])
def test_another_eps_is_another_question(folder, capsys, name, eps, code):
    second = {"proof": "reduced.npz", "gap": "other.npz"}[name]
    arguments = ["check", f"{name}.json", "net.npz", second, *BOX, "--eps", eps]
    answered, out, err = call(capsys, *arguments)
    assert (answered, err) == (code, "")
    if code == 3:
        assert out.startswith("unknown: |f - g| ") and "counterexample: " not in out


@pytest.mark.parametrize("networks, more, reason", [
    (["reduced.npz", "net.npz"], [], "about B and A, in this order"),
    (["net.npz", "other.npz"], BOX, "about other networks or another domain"),
    (["net.npz", "reduced.npz"], ["--box", "0", "0.5"], "about other networks or another domain"),
    (["binary.npz", "reduced_binary.npz"], [], "about other networks or another domain"),
])
def test_a_certificate_of_something_else_proves_nothing(folder, capsys, networks, more, reason):
    code, out, err = call(capsys, "check", "proof.json", *networks, *more)
    assert (code, err) == (3, "") and out.startswith("unknown: not confirmed: ") and reason in out
    code, out, _ = call(capsys, "check", "proof.json", *networks, *more, "--json")
    report = json.loads(out)
    assert code == 3 and report["status"] == "unknown" and report["ok"] is False
    assert reason in report["reason"]


@pytest.mark.parametrize("fields, reason", [
    ({"value": 0.0}, "the bound that is found again is "),
    ({"value": 0.0, "slack": 1.0, "semantics": "float64"}, "the bound that is found again is "),
    ({"semantics": "float64"}, "evaluation in float64 may add "),
    ({"arrays": SPLIT_OUTSIDE}, "it proves nothing: a split outside its box"),
    ({"fingerprint": "0" * 64}, "about other networks"),
])
def test_a_forged_certificate_ends_with_3_and_the_reason(folder, capsys, fields, reason):
    certificate = Certificate.load("proof.json")
    arrays = {**certificate.arrays, **fields.pop("arrays", {})}
    changed(certificate, arrays=arrays, **fields).save("forged.json")
    code, out, err = call(capsys, "check", "forged.json", "net.npz", "reduced.npz")
    assert (code, err) == (3, "") and out.startswith("unknown: not confirmed: ") and reason in out


def test_a_changed_number_is_found_by_the_digest(folder, capsys):
    text = (folder / "proof.json").read_text()
    value = json.loads(text)["value"]
    (folder / "proof.json").write_text(text.replace(value, "0x1p-60"))
    code, out, _ = call(capsys, "check", "proof.json", "net.npz", "reduced.npz")
    assert code == 3 and "the digest is not that of its content" in out


@pytest.mark.parametrize("arguments, words", [
    (["missing.json", "net.npz", "reduced.npz"], "missing.json: No such file"),
    (["net.npz", "net.npz", "reduced.npz"], "net.npz: member header does not say"),
    (["proof.txt", "net.npz", "reduced.npz"], "a name that ends in .json or .npz"),
    (["empty.json", "net.npz", "reduced.npz"], "empty.json: not the JSON text of a certificate"),
    ([".", "net.npz", "reduced.npz"], "a name that ends in .json or .npz"),
    (["folder.json", "net.npz", "reduced.npz"], "folder.json: Is a directory"),
    (["proof.json", "proof.npz", "reduced.npz"], "proof.npz"),
    (["proof.json", "net.npz", "missing.npz"], "missing.npz: No such file"),
    (["proof.json", "net.npz", "other.npz"], "`--box` must be given"),
    (["proof.json", "net.npz", "reduced.npz", "--eps", "-1"], "`--eps` must be finite and at"),
    (["proof.json", "net.npz", "reduced.npz", "--eps", "nan"], "`--eps` must be finite"),
    (["proof.json", "net.npz", "reduced.npz", "--box", "0,0,0", "1,1,1"], "dimension"),
    (["proof.json", "net.npz", "reduced.npz", "--box", "1", "0"], "LOW of `--box`"),
    (["proof.json", "net.npz"], "the following arguments are required: B"),
])
def test_bad_calls_end_with_2_and_one_line(folder, capsys, arguments, words):
    (folder / "empty.json").touch()
    (folder / "folder.json").mkdir()
    code, out, err = call(capsys, "check", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1) and words in err


@pytest.mark.parametrize("path, words", [
    ("proof.txt", "`--certificate` must be a .json or .npz file"),
    ("missing/proof.json", "`--certificate` must be in a folder that exists"),
])
def test_a_certificate_that_cannot_be_written_is_refused_before_the_work(
    folder, capsys, monkeypatch, path, words
):
    monkeypatch.setattr(rn, "verify", None)
    code, out, err = call(capsys, "verify", "net.npz", "reduced.npz", "--certificate", path)
    assert (code, out, err.count("\n")) == (2, "", 1) and words in err


def test_verify_says_that_there_is_no_certificate(folder, capsys, monkeypatch):
    for name in provers.PROVERS:
        monkeypatch.setitem(provers.PROVERS, name, lambda findings: None)
    arguments = ["verify", "net.npz", "reduced.npz", "--certificate", "none.json"]
    code, out, err = call(capsys, *arguments)
    assert (code, err) == (3, "") and "no certificate is written to none.json" in out
    assert json.loads(call(capsys, *arguments, "--json")[1])["certificate"] is None
    assert not (folder / "none.json").exists()


def test_verify_reports_the_file_of_its_certificate(folder, capsys):
    arguments = ["verify", "net.npz", "reduced.npz", "--certificate", "again.json"]
    code, out, _ = call(capsys, *arguments, "--json")
    assert code == 0 and json.loads(out)["certificate"] == "again.json"
    assert call(capsys, *arguments)[1].endswith("certificate: again.json\n")
    assert "certificate" not in json.loads(call(capsys, *arguments[:3], "--json")[1])
