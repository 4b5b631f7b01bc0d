"""Certificates: every verdict has one that its checker confirms, and one that was changed proves nothing."""
import copy
import json
import os
import pickle
import re
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from oracles.certificate_cases import (
    AT_A_POINT, FIELDS, changed, differences_at, domain_of, number_at, pairs, proofs, with_arrays,
)
from reducednet.files.archives import zip_bytes
from reducednet.numerics.rationals import above
from reducednet.verification import certify
from reducednet.verification.certificates.certificate import Certificate, fingerprint
from reducednet.verification.certificates.certificate_files import FORMAT, VERSION
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference, fixed_matches
from reducednet.verification.difference_bounds.neuron_classes import Match
from reducednet.verification.verify import verify

# every verdict has a certificate that is confirmed


@pytest.mark.parametrize("activation", ["relu", "binary"])
@pytest.mark.parametrize("sizes, kind", [
    ((1, 4, 1), "Ball"), ((2, 4, 1), "Hull"), ((2, 4, 3, 1), "Box"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in [
        ((1, 3, 3, 2), "Box"), ((2, 4, 1), "Ball"), ((2, 4, 3, 1), "Hull"), ((3, 3, 3, 2), "Ball"),
        ((3, 3, 3, 2), "Box"),
    ]),
])
def test_every_decided_question_has_a_certificate_that_is_confirmed(kind, activation, sizes, tmp_path):
    rng = np.random.default_rng([*sizes, len(kind), len(activation)])
    domain = domain_of(kind, sizes[0], rng)
    for name, f, g in pairs(sizes, activation, domain, rng):
        for options in ({}, {"eps": 0.0}, {"semantics": "float64"}):
            for method in ("differences", "matching", "folding", "breakpoints", "search", "structure"):
                verdict = verify(f, g, domain, method=method, time_limit=2.0, **options)
                certificate = verdict.certificate
                if certificate is None:
                    assert verdict.status == "unknown" and not np.isfinite(verdict.bound), (name, verdict)
                    continue
                assert certificate.status == verdict.status, (name, verdict)
                number = Fraction(certificate.value) + Fraction(certificate.slack)
                assert certificate.claim == "gap" or verdict.bound == above(number)
                check = certificate.check(f, g, domain)
                assert check, (name, verdict, check.reason)
    certificate.save(tmp_path / "proof.npz")
    again = Certificate.load(tmp_path / "proof.npz")
    assert again == certificate and again.check(f, g, domain)


def test_there_is_a_certificate_of_every_kind():
    kinds = {(name.split()[0], case[0].kind) for name, case in proofs().items()}
    assert kinds == {("pieces", "pieces"), ("tree", "zonotopes"), ("reduced", "pieces"), ("point", "point"),
                     ("binary", "exact"), ("exact", "exact"), ("line", "exact"), ("sorted", "sorted"),
                     ("folded", "folded"), ("norms", "norms"), ("signs", "signs"),
                     ("permutation", "permutation"), ("top1", "top1"), ("top1_point", "top1_point")}
    assert any("directions" in case[0].arrays for case in proofs().values())


def test_certificates_are_confirmed_after_a_file_a_copy_and_a_pickle(tmp_path):
    for certificate, f, g, domain in proofs().values():
        certificate.save(tmp_path / "proof.npz")
        data = (tmp_path / "proof.npz").read_bytes()
        certificate.save(tmp_path / "proof.npz")
        assert (tmp_path / "proof.npz").read_bytes() == data
        for again in (Certificate.load(tmp_path / "proof.npz"), copy.deepcopy(certificate),
                      pickle.loads(pickle.dumps(certificate))):
            assert again == certificate and hash(again) == hash(certificate)
            assert again.check(f, g, domain)
    assert os.listdir(tmp_path) == ["proof.npz"]


def test_a_certificate_is_frozen():
    certificate = proofs()["pieces box"][0]
    with pytest.raises(AttributeError, match="frozen"):
        certificate.value = 0.0
    with pytest.raises(AttributeError, match="frozen"):
        del certificate.value
    with pytest.raises(ValueError, match="read-only"):
        certificate.arrays["labels0"][0] = 1
    with pytest.raises(TypeError):
        certificate.arrays["labels0"] = certificate.arrays["labels0"]


def test_repr_says_what_is_proved():
    pattern = r"Certificate\(\|f - g\| <= \S+ on the domain: 'pieces', \d+ numbers; asked for 1: equivalent\)"
    assert re.fullmatch(pattern, repr(proofs()["pieces box"][0]))
    assert " at a point: 'point'" in repr(proofs()["point ball"][0])
    assert "from every first hyperplane" in repr(proofs()["binary box"][0])


# changed certificates: each mutation returns a certificate, and what it is checked for


def any_number(certificate, f, g, domain, rng):
    """Change one number or text anywhere and leave the digest as it is."""
    names = list(certificate.arrays)
    pick = int(rng.integers(len(names) + 4))
    if pick >= len(names):
        name = ("value", "eps", "slack", "margin")[pick - len(names)]
        return changed(certificate, False, **{name: getattr(certificate, name) * 1.5 + 1e-300}), f, g, domain
    array = certificate.arrays[names[pick]].copy()
    index = tuple(int(rng.integers(length)) for length in array.shape)
    if array.dtype.kind == "O":
        array[index] = str(Fraction(str(array[index])) + Fraction(1, 7))
    else:
        array[index] = array[index] + 1 if array.dtype.kind == "i" else np.nextafter(array[index], np.inf)
    return with_arrays(certificate, False, **{names[pick]: array}), f, g, domain


def tighter_claim(certificate, f, g, domain, rng):
    """Claim less than an exact difference at a point, or more than the gap; the digest is repaired."""
    if certificate.claim in AT_A_POINT:
        x = [Fraction(v) for v in certificate.arrays["point"].tolist()]
        gap = float(number_at(certificate.claim, f, g, x))
        value = float(np.nextafter(gap, np.inf)) * float(rng.choice([1.0, 1.5]))
        return changed(certificate, value=value), f, g, domain
    largest = float(max(differences_at(f, g, domain, rng, claim=certificate.claim)[1]))
    if f.activation == "binary" or not largest:
        return None
    return changed(certificate, value=float(np.nextafter(largest, 0.0)) * float(rng.random())), f, g, domain


def other_network(certificate, f, g, domain, rng):
    """Take a network that differs by more than the claim; fingerprint and digest are repaired."""
    vector = g.to_vector()
    vector[int(rng.integers(len(vector)))] += float(rng.choice([-1.0, 1.0])) * 2.0 ** rng.integers(0, 6)
    plain = rn.Network(g.weights, g.thresholds, g.output_weights, g.output_bias, g.activation)
    other = plain.with_vector(vector)
    if certificate.claim in AT_A_POINT:
        x = [Fraction(v) for v in certificate.arrays["point"].tolist()]
        wrong = number_at(certificate.claim, f, other, x) < certificate.value
    else:
        X, values = differences_at(f, other, domain, rng, claim=certificate.claim)
        if f.activation == "binary":
            norms = [np.linalg.norm(net.weights[0], axis=1) for net in (f, other)]
            far = [all((np.abs(net.pre_activations([x])[0]) > (certificate.margin + 1e-9) * norm).all()
                       for net, norm in zip((f, other), norms)) for x in X]
            values = [value for value, ok in zip(values, far) if ok] or [0]
        wrong = max(values) > certificate.value
    if not wrong:
        return None
    return changed(certificate, fingerprint=fingerprint(f, other, domain)), f, other, domain


def other_domain(certificate, f, g, domain, rng):
    """Take a larger domain with a larger difference, or for a point one without it; all is repaired."""
    d, far = domain.n_inputs, 2.0 ** rng.integers(1, 8)
    if certificate.claim in AT_A_POINT:
        other = rn.Box(np.full(d, far + 2.0), np.full(d, far + 3.0))
    else:
        other = rn.Box(np.full(d, -far), np.full(d, far)) if rng.random() < 0.5 else rn.Ball(np.zeros(d), far)
        values = differences_at(f, g, other, rng, claim=certificate.claim)[1]
        if f.activation == "binary" or max(values) <= certificate.value:
            return None
    return changed(certificate, fingerprint=fingerprint(f, g, other)), f, g, other


def other_match(certificate, f, g, domain, rng):
    """Swap labels or change scales. Left out: what the provers' own bound says is still a right proof."""
    if certificate.kind != "pieces" or "labels0" not in certificate.arrays or len(certificate.arrays["axis"]) > 1:
        return None
    layer = int(rng.integers(f.depth))
    labels, scales = (certificate.arrays[f"{name}{layer}"].copy() for name in ("labels", "scales"))
    i, j = rng.choice(len(labels), 2, replace=False)
    if rng.random() < 0.5:
        labels[[i, j]] = labels[[j, i]]
    else:
        scales[i] *= float(rng.choice([-1.0, 0.5, 1.25, 2.0]))
    result = with_arrays(certificate, **{f"labels{layer}": labels, f"scales{layer}": scales})
    if result.digest == certificate.digest:
        return None  # equal labels were swapped
    n = [net.sizes[1:-1] for net in (f, g)]
    matches = []
    for number in range(f.depth):
        both = [result.arrays[f"{name}{number}"] for name in ("labels", "scales")]
        (one, own), (two, more) = ((part[n[1][number]:], part[:n[1][number]]) for part in both)
        representatives = np.unique(both[0], return_index=True)[1]
        if (both[1][representatives[both[0][representatives] >= 0]] != 1.0).any():
            return None  # no checker looks at the scale of a representative
        matches.append(Match((one, own), (two, more)))
    region = region_of(domain)
    low, high = region.bounds(difference((f, g), region, fixed_matches(matches), True).forms)
    if np.maximum(-low, high).max() <= 1.3 * certificate.value:
        return None
    return result, f, g, domain


def other_tree(certificate, f, g, domain, rng):
    """Drop a leaf, cut outside the box, or do without the cuts that were needed."""
    if len(certificate.arrays.get("axis", [])) < 2:
        return None
    axis, place = (certificate.arrays[name].copy() for name in ("axis", "place"))
    what, leaf = rng.integers(4), int(rng.choice(np.flatnonzero(axis < 0)))
    if what == 0:
        axis, place = np.delete(axis, leaf), np.delete(place, leaf)
    elif what == 1:
        cut = int(rng.choice(np.flatnonzero(axis >= 0)))
        place[cut] = "9" if place.dtype.kind == "O" else 9.0
    elif what == 2:
        axis[leaf] = -2
        directions = certificate.arrays.get("directions", np.empty((0, domain.n_inputs)))
        zero = np.zeros((1, domain.n_inputs))
        at = int((certificate.arrays["axis"][:leaf] == -2).sum())
        if certificate.arrays["axis"][leaf] == -2:
            directions = np.delete(directions, at, axis=0)
        return with_arrays(certificate, axis=axis, place=place,
                           directions=np.insert(directions, at, zero, axis=0)), f, g, domain
    else:
        axis, place = np.array([-1]), place[-1:]
    return with_arrays(certificate, axis=axis, place=place), f, g, domain


def other_point(certificate, f, g, domain, rng):
    """Move the point to where the gap is smaller, or out of the domain."""
    if certificate.claim not in AT_A_POINT:
        return None
    x = certificate.arrays["point"].astype(float)
    x = x + (1.0 if rng.random() < 0.5 else 1e-3) * rng.standard_normal(len(x)) * 10.0 ** rng.integers(0, 3)
    number = number_at(certificate.claim, f, g, list(map(Fraction, x.tolist())))
    if domain.contains([x])[0] and number >= certificate.value:
        return None
    return with_arrays(certificate, point=x), f, g, domain


MUTATIONS = [any_number, tighter_claim, other_network, other_domain, other_match, other_tree, other_point]


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_changed_certificates_are_all_rejected(count):
    rng, done, accepted = np.random.default_rng(7), {}, []
    cases = list(proofs().items())
    while sum(done.values()) < count:
        name, case = cases[int(rng.integers(len(cases)))]
        mutate = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        try:
            mutated = mutate(*case, rng)
        except (TypeError, ValueError):
            done[mutate.__name__] = done.get(mutate.__name__, 0) + 1
            continue  # refused before it is a certificate
        if mutated is None:
            continue  # it leaves a right proof, or there is nothing of the kind in this certificate
        certificate, *arguments = mutated
        done[mutate.__name__] = done.get(mutate.__name__, 0) + 1
        if certificate.check(*arguments):
            accepted.append((name, mutate.__name__))
    assert not accepted
    assert count < 1000 or min(done.get(mutate.__name__, 0) for mutate in MUTATIONS) >= 20, done


# files


def file_of(header, arrays):
    return zip_bytes(FORMAT, VERSION, header, arrays)


def parts(certificate):
    header = {name: getattr(certificate, name) for name in (*FIELDS, "digest") if name != "arrays"}
    texts = {name: array.tolist() for name, array in certificate.arrays.items() if array.dtype.kind == "O"}
    return header | {"rationals": texts}, {n: a for n, a in certificate.arrays.items() if n not in texts}


@pytest.mark.parametrize("name", ["pieces box", "line", "point hull"])
def test_truncated_files_are_refused(name, tmp_path):
    path = tmp_path / "proof.npz"
    proofs()[name][0].save(path)
    data = path.read_bytes()
    for end in {0, 1, 50, len(data) // 2, len(data) - 1, len(data) - 30}:
        path.write_bytes(data[:end])
        with pytest.raises(ValueError, match="proof.npz"):
            Certificate.load(path)


@pytest.mark.parametrize("change", [
    {"claim": "nothing"}, {"claim": 3}, {"claim": "gap"}, {"kind": "eval"}, {"value": None}, {"value": "1"},
    {"value": -1.0}, {"eps": float("nan")}, {"slack": [0]}, {"margin": True}, {"digest": None}, {"fingerprint": 5},
    {"rationals": []},
    {"rationals": {"place": ["1e999999999"]}}, {"rationals": {"place": ["1/0"]}}, {"rationals": {"place": [1]}},
    {"rationals": {"place": "1"}}, {"rationals": {"axis": ["1"]}}, {"rationals": {"other": ["1"]}},
])
def test_hostile_headers_are_refused(change, tmp_path):
    header, arrays = parts(proofs()["line"][0])
    path = tmp_path / "proof.npz"
    path.write_bytes(file_of(json.loads(json.dumps(header)) | change, arrays))
    with pytest.raises(ValueError, match="proof.npz"):
        Certificate.load(path)


@pytest.mark.parametrize("array", [
    {"labels0": np.array([0.5])}, {"scales0": np.array([1])}, {"scales0": np.array([np.nan])},
    {"point": np.array(["a"])},
    {"surprise": np.array([1.0])}, {"scales0": np.array([1.0], dtype=object)}, {"axis": np.zeros((0,), dtype=int)},
])
def test_hostile_arrays_are_refused(array, tmp_path):
    header, arrays = parts(proofs()["pieces box"][0])
    path = tmp_path / "proof.npz"
    try:
        path.write_bytes(file_of(header, arrays | array))
    except ValueError:
        return  # an array of objects cannot even be written
    with pytest.raises(ValueError, match="proof.npz"):
        Certificate.load(path)


def test_arrays_that_do_not_fit_prove_nothing():
    certificate, f, g, domain = proofs()["pieces box"]
    for name in ("labels0", "scales1", "axis", "place", "linear"):
        arrays = {key: array for key, array in certificate.arrays.items() if key != name}
        with pytest.raises(ValueError, match="belongs to"):
            changed(certificate, arrays=arrays)
    for arrays in ({"labels0": np.array([[0]])}, {"axis": np.array([-1, -1])}, {"scales0": np.zeros(3)},
                   {"axis": np.array(-1)}, {"place": np.zeros(2)}, {"linear": np.array([1])}):
        with pytest.raises(ValueError, match="must be"):
            with_arrays(certificate, **arrays)
    for arrays in ({"labels0": np.array([5, 5]), "scales0": np.ones(2)}, {"labels0": np.full(12, 10**15)}):
        assert not with_arrays(certificate, **arrays).check(f, g, domain)
    with pytest.raises(ValueError, match="'axis'"):
        changed(certificate, kind="exact", arrays={})
    with pytest.raises(ValueError, match="'sorted'"):
        changed(certificate, kind="sorted")


def test_wrong_arguments_are_refused(tmp_path):
    certificate, f, g, domain = proofs()["pieces box"]
    with pytest.raises(TypeError, match="`g`"):
        certificate.check(f, None, domain)
    with pytest.raises(TypeError, match="`domain`"):
        certificate.check(f, g, None)
    with pytest.raises(ValueError, match=".npz"):
        certificate.save(tmp_path / "proof.txt")
    with pytest.raises(TypeError, match="`path`"):
        Certificate.load(3)
    with pytest.raises(ValueError, match="`claim`"):
        changed(certificate, kind="point")


HONEST = [
    ((10, 300, 300, 1), 0.0, 1.0, {}), ((2, 100, 100, 1), 100.0, 101.0, {}), ((20, 500, 1), 100.0, 101.0, {}),
    ((50, 300, 10), 100.0, 101.0, {}), ((4, 200, 200, 200, 1), -1.0, 1.0, {"scheme": "he"}),
]


@pytest.mark.parametrize("sizes, low, high, options", HONEST)
def test_certificates_of_wide_networks_are_confirmed_and_claim_what_the_verdict_says(sizes, low, high, options):
    """The first and the last four were handed out unchecked before, and claimed less than their
    checkers find.
    """
    f = rn.Network.random(sizes, rng=0, output_bias=True, **options)
    box = rn.Box(np.full(sizes[0], low), np.full(sizes[0], high))
    g = rn.reduce(f, box)
    verdict = rn.verify(f, g, box)
    assert verdict.status == verdict.certificate.status == "equivalent"
    assert verdict.bound == verdict.certificate.value and verdict.certificate.check(f, g, box)


@pytest.mark.parametrize("eps", [None, 1e-8])
@pytest.mark.parametrize("seed", range(3))
def test_what_euclidean_norms_prove_has_a_certificate(seed, eps):
    f = rn.Network.random((10, *[64] * 8, 1), rng=seed, scheme="he", output_bias=True)
    box = rn.Box(-np.ones(10), np.ones(10))
    g = rn.reduce(f, box)
    verdict = rn.verify(f, g, box, eps=eps)
    assert verdict.status == verdict.certificate.status == "equivalent"
    assert verdict.certificate.kind == "norms" and verdict.bound == verdict.certificate.value < 1e-8
    assert verdict.certificate.check(f, g, box)


def ordinary_pairs():
    """Yield 160 networks of many shapes and scales, a domain, and the reduced form."""
    rng = np.random.default_rng(3)
    shapes = [(1, 50, 1), (2, 100, 100, 1), (3, 30, 30, 30, 2), (5, 64, 1), (10, 300, 300, 1),
              (20, 500, 1), (50, 300, 10), (8, *[32] * 6, 3), (100, 50, 1), (2, 1000, 1)]
    for number in range(160):
        sizes, scheme = shapes[number % len(shapes)], ("normal", "he", "uniform")[number % 3]
        f = rn.Network.random(sizes, rng, output_bias=bool(number % 2), scheme=scheme)
        if number % 4 == 3:  # rows of very different sizes, undone in the next layer
            f = rn.expand(f, rng)
        low = (0.0, -1.0, 100.0, -1e-3, 1e6)[number % 5]
        box = rn.Box(np.full(sizes[0], low), np.full(sizes[0], low + (1.0, 2.0, 1.0, 2e-3, 1.0)[number % 5]))
        yield f, rn.reduce(f, box), (box if number % 7 else rn.Ball(np.full(sizes[0], low), 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("time_limit", [0.01, 2.0])
def test_certificates_of_160_ordinary_networks_are_confirmed(time_limit):
    count = 0
    for number, (f, g, domain) in enumerate(ordinary_pairs()):
        verdict = rn.verify(f, g, domain, time_limit=time_limit)
        certificate = verdict.certificate
        if certificate is None:
            continue
        count += 1
        check = certificate.check(f, g, domain)
        assert check, (number, f, domain, verdict, check.reason)
        assert verdict.status == certificate.status
    assert count >= 150


def test_a_bound_beyond_float64_in_one_of_many_parts_is_not_lost(monkeypatch):
    """The second leaf's bound is nan, and the leaves are bounded in separate parts."""
    monkeypatch.setattr("reducednet.verification.certificates.check_difference.BATCH", 0)
    f, zero = rn.Network([[[1e10], [-1e10]]], [[0, 0]], [[1, 0]]), rn.Network([[[0]]], [[0]], [[0]])
    box = rn.Box(0, 1e300)  # f is 1e310 at its end
    arrays = {"axis": [0, -1, -1], "place": [1.0, 0.0, 0.0], "linear": np.array(1),
              "labels0": [-1, -1, -1], "scales0": [0.0, 0.0, 0.0]}
    name = fingerprint(f, zero, box)
    assert not Certificate("bound", 1e305, 0, 0, 0, "pieces", arrays, name).check(f, zero, box)


@pytest.mark.parametrize("kind, arrays", [
    ("exact", {"axis": [-1], "place": [0.0]}), ("sorted", {"exact": np.array(1)}),
])
def test_a_rational_bound_beyond_float64_is_a_reason_and_no_exception(kind, arrays):
    f, zero = rn.Network([[[1e300]]], [[0]], [[1e300]]), rn.Network([[[0]]], [[0]], [[0]])
    box = rn.Box(0, 1)
    certificate = Certificate("bound", 1.0, 0, 0, 0, kind, arrays, fingerprint(f, zero, box))
    assert "found again is inf" in certificate.check(f, zero, box).reason


def test_a_line_above_relu_whose_slope_underflows_is_still_above_it():
    """f = up relu(z) + a; the chord's slope 2^-40 times up = 2^-1035 is rounded to twice as much."""
    a, up = 2.0**-74, 2.0**-1035 * (1.0 + 2.0**-10)
    f = rn.Network([[[2.0**1000]]], [[-(2.0**1000) * (1.0 - 2.0**-39)]], [[up]], [a])
    g = rn.Network([[[1.0]]], [[1.0]], [[a]], [-a])
    box = rn.Box(-1, 1)  # f - g is 2 a at -1
    arrays = {"labels0": [0], "scales0": [1.0], "labels1": [-2], "scales1": [1.0]}
    name = fingerprint(f, g, box)
    assert not Certificate("bound", 1.5 * a, 0, 0, 0, "folded", arrays, name).check(f, g, box)
    assert verify(f, g, box, eps=1.5 * a, method="folding").status == "unknown"


@pytest.mark.parametrize("exact", [False, True])
def test_a_check_that_takes_more_memory_than_there_is_proves_nothing(monkeypatch, exact):
    certificate, f, g, domain = proofs()["pieces box"]

    def too_much(*arguments):
        raise MemoryError("Unable to allocate 74.5 GiB")

    for name in ("refusal", "proved_number"):
        monkeypatch.setattr(f"{Certificate.__module__}.{name}", too_much)
    check = certificate.check(f, g, domain, exact=exact)
    assert not check and "74.5 GiB" in check.reason


def test_a_checker_of_pieces_costs_more_for_more_leaves_and_a_pass_over_all_weights():
    """Twice the leaves cost twice as much, or less; intervals cost no more than linear forms."""
    f, g = rn.Network.random((4, 30, 1), rng=0), rn.Network.random((4, 300, 300, 1), rng=0)

    def seconds(leaves, linear):
        return certify._seconds_of_pieces(leaves, linear, f, g)

    assert seconds(1, False) >= 330 * 330 / certify.WEIGHTS_A_SECOND
    for leaves in (1, 100, 10_000):
        assert seconds(leaves, True) < seconds(2 * leaves, True) <= 2.0 * seconds(leaves, True)
        assert seconds(leaves, False) <= seconds(leaves, True)
