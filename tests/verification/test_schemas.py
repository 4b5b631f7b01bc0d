"""The schemas of evidence: whoever exchanges arrays, kinds or claims between certificates proves
nothing false.
"""
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import reducednet as rn
from oracles.certificate_cases import changed, differences_at, proofs
from reducednet.files.archives import zip_bytes
from reducednet.verification.certificates.certificate import CHECKERS, Certificate, fingerprint
from reducednet.verification.certificates.certificate_files import FORMAT, VERSION
from reducednet.verification.certificates.schemas import SCHEMAS, checked_arrays

BOX = rn.Box(-1, 1)
F = rn.Network([[[1.0]]], [[0.0]], [[1.0]])
G = rn.Network([[[1.0]]], [[0.0]], [[5.0]])  # 5 s(x): the supremum of |f - g| on the box is 4
WHOLE = {"axis": np.array([-1]), "place": np.array([0.0])}


def certificate_of(claim, value, kind, arrays, f=F, g=G, domain=BOX, **fields):
    own = {"eps": value, "slack": 0.0, "margin": 0.0, "fingerprint": fingerprint(f, g, domain)} | fields
    return Certificate(claim, value, kind=kind, arrays=arrays, **own)


def test_every_kind_has_one_schema_and_one_checker():
    assert SCHEMAS.keys() == CHECKERS.keys()
    assert len(set(CHECKERS.values())) == len(CHECKERS)


@pytest.mark.parametrize("claim, value, kind, arrays", [
    ("bound", 0.0, "exact", {"point": np.array([0.0])}),
    ("bound", 0.0, "exact", WHOLE | {"point": np.array([0.0])}),
    ("gap", 5.0, "point", WHOLE),
    ("gap", 5.0, "point", WHOLE | {"point": np.array([1.0])}),
    ("gap", 5.0, "exact", WHOLE),
    ("bound", 0.0, "point", {"point": np.array([0.0])}),
])
def test_evidence_of_another_kind_is_refused(claim, value, kind, arrays):
    with pytest.raises(ValueError, match="`(arrays|claim)`"):
        certificate_of(claim, value, kind, arrays)


def write(path, claim, value, kind, arrays):
    """Write a file as `save` would, without asking whether the content is one that a certificate
    can have.
    """
    fields = {"claim": claim, "kind": kind, "fingerprint": fingerprint(F, G, BOX), "digest": "0" * 64,
              "semantics": "real", "value": value, "eps": value, "slack": 0.0, "margin": 0.0, "rationals": {}}
    path.write_bytes(zip_bytes(FORMAT, VERSION, fields, arrays))


def test_evidence_of_another_kind_is_refused_in_a_file(tmp_path):
    path = tmp_path / "proof.npz"
    for claim, kind, arrays in [("bound", "exact", {"point": np.array([0.0])}), ("gap", "point", WHOLE)]:
        write(path, claim, 0.0, kind, arrays)
        with pytest.raises(ValueError, match="proof.npz: `arrays`"):
            Certificate.load(path)


def forged(f, g, domain, rng):
    """Return claims that are false: a bound below a difference at a point, and a gap above every
    difference.
    """
    if f.activation == "binary":
        return {"gap": 1e6}
    largest = max(differences_at(f, g, domain, rng, 3)[1])
    below = {"bound": float(np.nextafter(float(largest), 0.0))} if largest > 0 else {}  # 0 is true of equal ones
    return below | {"gap": 1e6}


def exchanged_arrays(own, others, rng):
    """Return arrays with some taken from others, added or removed; names may change their layer."""
    arrays, names = dict(own), list(own)
    for _ in range(int(rng.integers(1, 4))):
        what = rng.integers(4)
        if what == 0 and names:
            arrays.pop(names[rng.integers(len(names))], None)
        elif what == 1:
            arrays |= dict(others)
        else:
            theirs = list(others)
            name = theirs[rng.integers(len(theirs))]
            arrays[name if what == 2 or not names else names[rng.integers(len(names))]] = others[name]
    return arrays


@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_exchanged_evidence_proves_no_false_claim(count, tmp_path):
    rng, cases, seen = np.random.default_rng(11), list(proofs().values()), set()
    claims = [forged(*case[1:], rng) for case in cases]
    path, made = tmp_path / "proof.npz", 0
    for _ in range(count):
        i, j = rng.integers(len(cases), size=2)
        (certificate, f, g, domain), other = cases[i], cases[j][0]
        kind = (certificate.kind, other.kind, list(CHECKERS)[rng.integers(len(CHECKERS))])[rng.integers(3)]
        for claim, value in claims[i].items():
            arrays = exchanged_arrays(certificate.arrays, other.arrays, rng)
            if rng.random() < 0.2:  # only what this kind may have
                arrays = {name: array for name, array in arrays.items() if name.rstrip("0123456789") in
                          {*SCHEMAS[kind].arrays, *SCHEMAS[kind].layers}}
            try:
                mutated = changed(certificate, claim=claim, kind=kind, arrays=arrays, value=value,
                                  margin=0.0)
                mutated.save(path)
                again = Certificate.load(path)
            except (TypeError, ValueError):
                continue
            made += 1
            seen.add((claim, kind))
            for one in (mutated, again):
                assert not one.check(f, g, domain), (claim, value, kind, sorted(arrays))
    assert made >= count / 20 and len(seen) >= 4  # some get past the schema, so that `check` is asked


@pytest.mark.parametrize("kind", CHECKERS)
def test_each_schema_refuses_every_array_less_and_every_array_more(kind):
    good, f, g, domain = next(case for case in proofs().values() if case[0].kind == kind)
    for name in good.arrays:
        fewer = {key: array for key, array in good.arrays.items() if key != name}
        alone = {entry.group for key, entry in SCHEMAS[kind].arrays.items() if key == name} == {name}
        if not alone and name != "directions":
            with pytest.raises(ValueError, match="`arrays`"):
                checked_arrays(kind, fewer)
    for more in ("surprise", "labels", "labels00", "labels9", "scales7", "margin", "value"):
        with pytest.raises(ValueError, match="`arrays`"):
            checked_arrays(kind, {**good.arrays, more: np.array([1])})
    for name, array in good.arrays.items():
        for wrong in (array[np.newaxis], array.astype(str), np.append(array, array.ravel()[:1])):
            try:
                other = changed(good, arrays={**good.arrays, name: wrong})
            except (TypeError, ValueError) as error:
                assert "must be" in str(error)
            else:  # a length that only the networks or the domain tell
                assert "must be an array of shape" in other.check(f, g, domain).reason, name


def test_layers_are_those_of_both_networks():
    certificate, f, g, domain = proofs()["pieces box"]
    fewer = {name: array for name, array in certificate.arrays.items() if not name.endswith("1")}
    above = {f"{name}2": certificate.arrays[f"{name}1"] for name in ("labels", "scales")}
    more = {**certificate.arrays, **above}
    for arrays, count in ((fewer, 1), (more, 3)):
        assert f"has {count} layers" in changed(certificate, arrays=arrays).check(f, g, domain).reason


def test_a_point_of_a_hull_and_no_other_comes_with_corners():
    hull, f, g, domain = proofs()["point hull"]
    without = {"point": hull.arrays["point"]}
    assert "of a Hull" in changed(hull, arrays=without).check(f, g, domain).reason
    box, f, g, domain = proofs()["point box"]
    more = {**box.arrays, "corners": np.array([0]), "shares": ["1"]}
    assert "of a Hull" in changed(box, arrays=more).check(f, g, domain).reason


# semantics, margin and eps


STEP, MOVED = (rn.Network([[[1.0]]], [[-place]], [[1.0]], activation="binary") for place in (0.25, 0.75))
MATCHED = WHOLE | {"labels0": np.array([0, 0]), "scales0": np.array([1.0, 1.0])}


def test_a_large_margin_proves_nothing():
    """H(x - 1/4) and H(x - 3/4) agree further than 1/2 from both; so do any two steps further than
    a large margin.
    """
    for margin in (1e6, 1.0, 0.5, 1e-3, 1e-9):
        certificate = certificate_of("bound", 0.0, "exact", MATCHED, STEP, MOVED, eps=0.1, margin=margin)
        assert "margin" in certificate.check(STEP, MOVED, BOX).reason


def test_a_margin_is_of_binary_networks_alone():
    certificate = certificate_of("bound", 0.0, "exact", WHOLE, F, F, margin=1e-15)
    assert "margin" in certificate.check(F, F, BOX).reason
    others = [("gap", "point", {"point": np.array([1.0])}), ("bound", "sorted", {"exact": np.array(1)})]
    for claim, kind, arrays in others:
        with pytest.raises(ValueError, match="`margin`"):
            certificate_of(claim, 0.0, kind, arrays, margin=1e-15)


def near_pair():
    f = rn.Network.random((2, 6, 1), rng=0, output_bias=True)
    return f, f.with_vector(f.to_vector() * (1.0 + 2.0**-50)), rn.Box([-1, -1], [1, 1])


def test_slack_of_float64_is_found_again():
    f, g, box = near_pair()
    eps = rn.verify(f, g, box).bound * 4.0
    certificate = rn.verify(f, g, box, eps=eps, semantics="float64").certificate
    assert certificate.semantics == "float64" and certificate.slack > 0.0 and certificate.check(f, g, box)
    for slack in (0.0, certificate.slack / 2.0):
        lower = changed(certificate, slack=slack, eps=2.0 * (certificate.value + slack))
        assert lower.status == "equivalent" and "float64" in lower.check(f, g, box).reason
    real = changed(certificate, slack=0.0, semantics="real", eps=certificate.value)
    assert real.check(f, g, box) and "float64" not in repr(real)  # of the real functions it is proved
    with pytest.raises(ValueError, match="`slack`"):
        changed(certificate, semantics="real")


def test_margin_of_float64_is_found_again():
    f = rn.Network([[[3.0, 1.0]]], [[0.1]], [[1.0]], activation="binary")
    box = rn.Box([-1, -1], [1, 1])
    certificate = rn.verify(f, f, box, semantics="float64").certificate
    assert certificate.margin > 0.0 and certificate.check(f, f, box)
    smaller = changed(certificate, margin=certificate.margin / 4.0)
    assert "wrong side" in smaller.check(f, f, box).reason


def test_gap_of_float64_is_at_a_point_that_float64_has():
    f, g, box = F, G, BOX
    certificate = rn.verify(f, g, box, semantics="float64").certificate
    assert certificate.claim == "gap" and certificate.check(f, g, box)
    third = changed(certificate, arrays={"point": ["1/3"]}, value=1.0)
    assert "the point" in third.check(f, g, box).reason
    assert changed(third, semantics="real", slack=0.0).check(f, g, box)


def test_eps_is_the_question_and_is_shown():
    f, g, box = near_pair()
    certificate = rn.verify(f, g, box).certificate
    other = changed(certificate, eps=0.0)
    assert other.check(f, g, box) and other.status == "unknown"
    assert "asked for 0: unknown" in repr(other) and "equivalent" in repr(certificate)


# files of version 1, written before semantics were named


DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
OLD_F = rn.Network([[[1.0, 1.0], [1.0, -2.0], [-1.0, 0.5]]], [[0.5, 0.25, 0.125]], [[1.0, -1.0, 2.0]])
OLD_G = rn.Network([[[2.0, -4.0], [1.0, 1.0], [-1.0, 0.5]]], [[0.5, 0.5, 0.125]], [[-0.5, 1.0, 2.25]])
DEEP = [rn.Network([[[1.0], [1.0]], [[1.0, -3.0], [-1.0, 1.0]]], [[0.0, -0.375], [0.125, 0.25]], [[1.0, last]])
        for last in (1.0, 0.5)]
STEPS = [rn.Network([[row, [1.0, -2.0]]], [[b, 0.2]], [[1.0, 1.0]], activation="binary")
         for row, b in (([3.0, 1.0], 0.1), ([0.3, 0.1], 0.01))]
LESS = [rn.Network([[[1.0], [2.0], [1.0]]], [[0.5, -1.0, -3.0]], [[1.0, 2.0, 1.0]]),
        rn.Network([[[1.0], [2.0]]], [[0.5, -1.0]], [[1.0, 2.0]])]
OLD = {
    "pieces": (OLD_F, OLD_G, rn.Box([-1, -1], [1, 1]), "real"), "line": (*DEEP, BOX, "real"),
    "point": (OLD_F, OLD_G, rn.Hull([[0, 0], [1, 0], [0, 2], [2, 2]]), "float64"),
    "binary": (*STEPS, rn.Ball([0, 0], 1), "real"), "folded": (*LESS, rn.Box(0, 1), "real"),
}


@pytest.mark.parametrize("name", OLD)
def test_files_of_version_1_are_read_and_their_proofs_hold(name):
    f, g, domain, semantics = OLD[name]
    certificate = Certificate.load(DATA / f"certificate_1_{name}.npz")
    assert certificate.semantics == semantics and certificate.status != "unknown"
    assert certificate.check(f, g, domain)


def test_a_file_of_version_1_that_was_changed_is_found_out(tmp_path):
    f, g, domain, _ = OLD["pieces"]
    data = (DATA / "certificate_1_pieces.npz").read_bytes()
    assert b'"eps": 100.0' in data
    with pytest.raises(ValueError, match="valid zip file"):
        (tmp_path / "proof.npz").write_bytes(data.replace(b'"eps": 100.0', b'"eps": 200.0'))
        Certificate.load(tmp_path / "proof.npz")


# memory


LOADING = """
import resource, sys, tracemalloc
from reducednet import Certificate
tracemalloc.start()
try:
    Certificate.load(sys.argv[1])
except ValueError as error:
    print(error, file=sys.stderr)
print(tracemalloc.get_traced_memory()[1])
"""


def peak(path):
    """Return how many bytes at most are held at once to load a file, in a process of its own."""
    root = str(pathlib.Path(rn.__file__).parent.parent)
    command = [sys.executable, "-c", LOADING, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return int(run.stdout)


def test_one_long_text_among_short_ones_takes_no_more_memory_than_the_file(tmp_path):
    path, n = tmp_path / "proof.npz", 20_001
    texts = ["1" * 20_000, *["1"] * (n - 1)]
    header = {"claim": "bound", "kind": "exact", "fingerprint": "", "digest": "", "semantics": "real",
              "value": 0.0,
              "eps": 0.0, "slack": 0.0, "margin": 0.0, "rationals": {"place": texts}}
    axis = np.array([0, -1] * (n // 2) + [-1])
    path.write_bytes(zip_bytes(FORMAT, VERSION, header, {"axis": axis}))
    assert peak(path) < 100 * path.stat().st_size  # a list's entry of one byte in the file takes 58 in memory
