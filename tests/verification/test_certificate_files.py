"""Certificates as JSON text: nothing is lost in a file, and no file that is damaged or forged
loads as a proof.
"""
import json
import os
import pathlib
import random
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reducednet as rn
from oracles.certificate_cases import proofs
from reducednet.verification.certificates.schemas import SCHEMAS
from reducednet.verification.certificates import certificate_files
from reducednet.verification.certificates.certificate import Certificate
from reducednet.verification.certificates.certificate_files import FORMAT, json_bytes, read_json

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def same_bits(one, other):
    """Return True if two arrays have the same dtype, shape and bits."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind == "O":
        return one.tolist() == other.tolist()
    return one.tobytes() == other.tobytes()


def written(certificate, path):
    """Save a certificate, and return the object in its JSON text."""
    certificate.save(path)
    return json.loads(path.read_text(encoding="ascii"))


def with_arrays(entries, **arrays):
    """Return the JSON text with other arrays."""
    return json.dumps(entries | {"arrays": entries["arrays"] | arrays})


def point(numbers, value=0.0):
    """Return the certificate of a gap at a point."""
    return Certificate("gap", value, 0.0, 0.0, 0.0, "point", {"point": numbers}, "")


def check_refused(path, text):
    """Assert that a file with this text is refused in one line that names it."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"^.*{path.name}: ") as caught:
        Certificate.load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


# round trips


@pytest.mark.parametrize("ending", [".json", ".npz", ".JSON"])
def test_certificates_of_every_kind_come_back_bit_for_bit(ending, tmp_path):
    path, kinds = tmp_path / f"proof{ending}", set()
    for certificate, f, g, domain in proofs().values():
        certificate.save(path)
        again = Certificate.load(path)
        assert again == certificate and repr(again) == repr(certificate)
        assert again.arrays.keys() == certificate.arrays.keys()
        for name, array in certificate.arrays.items():
            assert same_bits(array, again.arrays[name])
        assert again.check(f, g, domain)
        data = path.read_bytes()
        again.save(path)
        assert path.read_bytes() == data
        kinds.add(certificate.kind)
    assert kinds == set(SCHEMAS)


@settings(max_examples=50, deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=6), FINITE.map(abs))
def test_every_float64_number_keeps_its_bits_in_json(tmp_path_factory, numbers, value):
    path = tmp_path_factory.mktemp("bits") / "proof.json"
    certificate = point(np.array(numbers), value)
    certificate.save(path)
    again = Certificate.load(path)
    assert same_bits(again.arrays["point"], np.array(numbers))
    assert again.value.hex() == certificate.value.hex()


def test_extreme_numbers_keep_their_bits_in_json(tmp_path):
    least, normal, largest = 2.0**-1074, 2.0**-1022, sys.float_info.max
    numbers = np.array([0.0, -0.0, least, -normal, normal - least, largest])
    path = tmp_path / "proof.json"
    point(numbers).save(path)
    assert same_bits(Certificate.load(path).arrays["point"], numbers)


@given(st.lists(st.tuples(st.integers(), st.integers(min_value=1)), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_every_rational_keeps_its_text_in_json(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("rationals") / "proof.json"
    texts = [str(p) if q == 1 else f"{p}/{q}" for p, q in pairs]  # not in lowest terms, perhaps
    point(texts).save(path)
    assert Certificate.load(path).arrays["point"].tolist() == texts
    assert json.loads(path.read_text())["arrays"]["point"] == [list(pair) for pair in pairs]


@pytest.mark.parametrize("text", [
    "01", "-0", "1/1", "1/02", "1/0", "1/-2", "+1", " 1", "1.0", "1e3", "١", "1/", "",
])
def test_a_rational_has_one_way_to_be_written(text):
    with pytest.raises(ValueError, match="`point` must be rationals"):
        point([text])


@pytest.mark.parametrize("text, number", [
    ("0x1p0", 1.0), ("0x1p+0", 1.0), ("-0x1.8p-3", -0.1875), ("0x0.8p1", 1.0), ("0x0p0", 0.0),
    ("0x0.0p+9999", 0.0),
    ("0x0.0000000000001p-1022", 2.0**-1074), ("0x1p-1074", 2.0**-1074),
    ("0x1.fffffffffffffp+1023", sys.float_info.max),
])
def test_hexadecimal_floats_of_other_writers_are_read(text, number, tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["point box"][0], path)
    entries["eps"] = text.removeprefix("-")
    entries["arrays"]["point"] = [text, "0x0.0p+0"]
    path.write_text(json.dumps(entries))
    content = read_json(str(path))
    assert content.arrays["point"][0] == number and content.fields["eps"] == abs(number)


# refusals


@pytest.mark.parametrize("text", [
    "1", "0.5", "inf", "nan", "Infinity", "0x1", "0x1p", "1p0", "0x2p0", "0X1P0", "0x1.p0",
    "0x1.00000000000000p0", "0x1p0 ",
    "0x1p+1024", "-0x1.0p9999", "0x1p-1075", "0x1.8p-1074", "0x1p-9999", "0x1.0000000000001p-1074",
    "٠x1p0", "0x1p١",
    0, 1.5, True, None, [], ["0x1p0"], {},
])
def test_what_is_no_exact_hexadecimal_float_is_refused(text, tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["pieces box"][0], path)
    check_refused(path, json.dumps(entries | {"eps": text}))
    scales = [text, *entries["arrays"]["scales0"][1:]]
    check_refused(path, with_arrays(entries, scales0=scales))


@pytest.mark.parametrize("value", [
    "0", 0.0, 0.5, True, None, [0], "0x1p0", 2**63, -2**63 - 1, 10**400, [], {}, [[]],
])
def test_what_is_no_integer_of_64_bits_is_refused(value, tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["pieces box"][0], path)
    for name, array in [("linear", value), ("labels0", [value, *entries["arrays"]["labels0"][1:]])]:
        check_refused(path, with_arrays(entries, **{name: array}))


@pytest.mark.parametrize("value", [
    [1, 0], [1, -2], [1], [1, 2, 3], [], ["1", "2"], [1.0, 2], [True, 1], "1/2", 1, None, {},
    [[1, 2], [1, 2]], "0x1p0",
])
def test_what_is_no_pair_of_integers_is_refused_among_rationals(value, tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["line"][0], path)
    places = entries["arrays"]["place"]
    check_refused(path, with_arrays(entries, place=[*places[:-1], value]))


@pytest.mark.parametrize("array", [
    [], [[]], 1, None, "", {}, [[1, 0], [1]], [[1, 0], 1], [1, 0], [[[1, 0]]], [[1, 0]] * 2 + [[]],
    [[1, 0, 0]],
])
def test_arrays_of_another_shape_are_refused(array, tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["folded"][0], path)
    check_refused(path, with_arrays(entries, cuts=array, mu=["0x0.0p+0"]))


def test_every_entry_is_needed_once_and_no_other_is_allowed(tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["pieces box"][0], path)
    text = json.dumps(entries)
    for name in entries:
        fewer = {key: value for key, value in entries.items() if key != name}
        check_refused(path, json.dumps(fewer))
        once_more = json.dumps({name: entries[name]})
        check_refused(path, f"{text[:-1]}, {once_more[1:]}")
        check_refused(path, json.dumps(entries | {name: None}))
        check_refused(path, json.dumps(entries | {name: [entries[name]]}))
    arrays = entries["arrays"]
    for name in arrays:
        fewer = {key: array for key, array in arrays.items() if key != name}
        check_refused(path, json.dumps(entries | {"arrays": fewer}))
    twice = json.dumps(arrays)[:-1] + ', "linear": 1}'
    check_refused(path, text.replace(json.dumps(arrays), twice))
    check_refused(path, json.dumps(entries | {"comment": ""}))
    check_refused(path, with_arrays(entries, **{"labels1١": [0]}))


@pytest.mark.parametrize("change", [
    {"claim": "gap"}, {"claim": "nothing"}, {"kind": "exact"}, {"kind": "eval"},
    {"semantics": "complex"}, {"version": 1},
    {"version": 3}, {"version": True}, {"version": 2.0}, {"version": "2"}, {"version": [[]]},
    {"format": "reducednet network"},
    {"value": "-0x1p-1"}, {"slack": "0x1p-1"}, {"margin": "0x1p-1"}, {"kind": {"a": []}},
    {"digest": 5}, {"arrays": []},
    {"arrays": {}}, {"arrays": [1] * 9},
])
def test_claims_that_a_certificate_cannot_make_are_refused(change, tmp_path):
    path = tmp_path / "proof.json"
    check_refused(path, json.dumps(written(proofs()["pieces box"][0], path) | change))


@pytest.mark.parametrize("token", [
    "NaN", "Infinity", "-Infinity", "1.5", "1e3", "1E400", "-0.0", "9" * 5000, "1" * 10**6,
])
def test_other_numbers_are_refused_wherever_they_stand(token, tmp_path):
    path = tmp_path / "proof.json"
    entries = written(proofs()["pieces box"][0], path)
    for name in ("version", "value", "digest"):
        check_refused(path, json.dumps(entries | {name: "HERE"}).replace('"HERE"', token))
    check_refused(path, with_arrays(entries, linear="HERE").replace('"HERE"', token))


@pytest.mark.parametrize("text", [
    b"", b" ", b"{", b"{}", b"[]", b"null", b"1", b'"text"', b"\x00" * 50, b"\xff\xfe",
    b"\xef\xbb\xbf{}", b"{} {}", b"PK\x03\x04",
    b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500,
    b'{"format": ' + b"[" * 900 + b"]" * 900 + b"}",
    '{"format": "reducednet certificate"}'.encode("utf-16"),
    b'{"format": "reducednet certificate", "version": \xc3\x28}',
])
def test_other_texts_are_refused_in_one_line(text, tmp_path):
    check_refused(tmp_path / "proof.json", text)


@pytest.mark.parametrize("depth", [10, 400, 900, 3000, 100_000])
@pytest.mark.parametrize("name", ["kind", "version", "value", "arrays", "digest"])
def test_deep_nesting_is_refused_in_one_line_wherever_it_stands(name, depth, tmp_path):
    path = tmp_path / "proof.json"
    text = json.dumps(written(proofs()["pieces box"][0], path) | {name: "HERE"})
    check_refused(path, text.replace('"HERE"', "[" * depth + "]" * depth))


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "proof.json"
    proofs()["line"][0].save(path)
    data = path.read_bytes().rstrip()
    for end in range(0, len(data), 31):
        check_refused(path, data[:end])


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_changed_byte_is_refused_or_found_by_the_check(step, tmp_path):
    certificate, f, g, domain = proofs()["pieces box"]
    path, rng, loaded = tmp_path / "proof.json", random.Random(0), 0
    certificate.save(path)
    data = path.read_bytes()
    for position in range(0, len(data), step):
        changed = bytearray(data)
        others = b"0123456789abcdef" if rng.random() < 0.7 else range(256)
        changed[position] = rng.choice([byte for byte in others if byte != data[position]])
        path.write_bytes(changed)
        try:
            again = Certificate.load(path)
        except ValueError as error:
            assert "proof.json: " in str(error)
            continue
        loaded += 1
        is_same = again._computed_digest() == again.digest == certificate.digest
        assert bool(again.check(f, g, domain)) == is_same
    assert loaded > len(data) / step / 8  # digits of the fingerprint, the digest and of numbers


def test_a_long_text_is_neither_read_nor_written(tmp_path, monkeypatch):
    certificate, path = proofs()["norms"][0], tmp_path / "proof.json"
    certificate.save(path)
    data = path.read_bytes()
    monkeypatch.setattr(certificate_files, "MOST_JSON_BYTES", len(data))
    certificate.save(path)
    assert Certificate.load(path) == certificate
    monkeypatch.setattr(certificate_files, "MOST_JSON_BYTES", len(data) - 1)
    with pytest.raises(ValueError, match="proof.json: `certificate` must be at most"):
        certificate.save(path)
    assert path.read_bytes() == data
    with pytest.raises(ValueError, match="proof.json: at most .* bytes are read of a JSON text"):
        Certificate.load(path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no endless file")
def test_an_endless_file_is_refused(tmp_path):
    path = tmp_path / "proof.json"
    path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="proof.json: at most .* bytes are read of a JSON text"):
        Certificate.load(path)


@pytest.mark.parametrize("row", ["[],", "[[]],", "{},", '"",', "1,", "null,", '"0x1p0",', "[1,2],"])
def test_a_hostile_file_takes_no_more_memory_than_a_hundred_times_its_size(row, tmp_path):
    path = tmp_path / "proof.json"
    text = json.dumps(written(proofs()["pieces box"][0], path))
    rows = row * (200_000 // len(row))
    path.write_text(text.replace('"linear": 1', f'"linear": [{rows[:-1]}]'))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="proof.json"):
            Certificate.load(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_long_rationals_are_refused_when_they_are_written(tmp_path):
    path = tmp_path / "proof.json"
    certificate = point(["1" * 5000])
    with pytest.raises(ValueError, match="proof.json: `integer` must be of at most 4300 digits"):
        certificate.save(path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["proof", "proof.txt", "proof.json.gz", ".json"])
def test_other_endings_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="a name that ends in .json or .npz"):
        proofs()["line"][0].save(tmp_path / name)
    with pytest.raises(ValueError, match="a name that ends in .json or .npz"):
        Certificate.load(tmp_path / name)


def test_a_file_is_replaced_whole_or_stays(tmp_path, monkeypatch):
    path = tmp_path / "proof.json"
    path.write_text("old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        proofs()["line"][0].save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["proof.json"]
    assert path.read_text() == "old"


def test_json_text_is_ascii_with_an_array_a_line(tmp_path):
    certificate = proofs()["pieces box"][0]
    fields = {name: value for name, value in vars(certificate).items() if name != "arrays"}
    lines = json_bytes(fields, certificate.arrays).decode("ascii").splitlines()
    assert len(lines) == 2 + 11 + 2 + len(certificate.arrays)
    assert lines[1] == f' "format": "{FORMAT}",'


def test_certificates_of_other_systems_are_read_alike(tmp_path):
    """A file that was written by hand, without the library."""
    path = pathlib.Path(__file__).parents[1] / "data" / "certificate_2_pieces.json"
    certificate = Certificate.load(path)
    f = rn.Network([[[2.0], [-1.0]]], [[0.25, 1.0]], [[1.0, 1.0]], [0.0])
    g = rn.Network([[[1.0], [-1.0]]], [[0.0, 1.0]], [[2.0, 1.0]], [0.125])
    assert certificate.check(f, g, rn.Box(-1, 1)) and certificate.status == "equivalent"
    assert not certificate.check(g, f, rn.Box(-1, 1))
