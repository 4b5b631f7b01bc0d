"""docs/certificates.md says what `SCHEMAS` says, and its example is a certificate."""
import hashlib
import json
import pathlib
import re
import struct

import numpy as np
import pytest

import reducednet as rn
from oracles.certificate_cases import changed, proofs, with_arrays
from reducednet.verification.certificates.certificate import Certificate, fingerprint, proved_number
from reducednet.verification.certificates.certificate_files import (
    MOST_DIGITS, MOST_JSON_BYTES, VERSION,
)
from reducednet.verification.certificates.schemas import INTEGERS, NUMBERS, RATIONALS, SCHEMAS

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "certificates.md"
DTYPES = {INTEGERS: "int64", NUMBERS: "float64", RATIONALS: "float64 or rational"}
LARGEST = np.iinfo(np.int64).max
LIMITS = {LARGEST: "any", -LARGEST: "-(2^63 - 1)"}

if not DOCUMENT.exists():
    pytest.skip("this is not a checkout: docs/ is absent", allow_module_level=True)


def section(kind):
    """Return the text of the section about one kind."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.search(rf'^## \d+\. Kind "{kind}"\n(.*?)(?:^## |\Z)', text, re.MULTILINE | re.DOTALL)[1]


def documented(kind):
    """Return the rows of the kind's table: name, dtype, shape, least, most, present."""
    rows = re.findall(r"^\| `(.*?)` \|(.*)\|$", section(kind), re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


def from_schema(kind):
    """Return the same rows as the schema has them."""
    schema = SCHEMAS[kind]
    entries = dict(schema.arrays)
    for name, entry in schema.layers.items():
        sizes = tuple(f"{size}{{l}}" for size in entry.sizes)
        entries[f"{name}{{l}}"] = entry._replace(sizes=sizes)
    result = {}
    for name, entry in entries.items():
        limits = ["", ""]
        if entry.type == INTEGERS:
            limits = [LIMITS.get(limit, str(limit)) for limit in (entry.least, entry.most)]
        shape = ", ".join(map(str, entry.sizes))
        present = f"group {entry.group}" if entry.group else "always"
        result[name] = [DTYPES[entry.type], f"({shape})", *limits, present]
    return result


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_array_is_documented_with_its_dtype_shape_range_and_group(kind):
    assert documented(kind) == from_schema(kind)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_section_names_the_claim_and_the_networks(kind):
    first, schema = section(kind).split("|")[0], SCHEMAS[kind]
    networks = {("relu",): "ReLU networks", ("relu", "binary"): "ReLU or binary networks"}
    assert first.strip().startswith(networks[schema.activations])
    article = "an" if schema.claim == "agreement" else "a"
    assert f"Claims {article} {schema.claim}" in first


def test_the_kinds_with_sections_are_those_with_schemas():
    text = DOCUMENT.read_text(encoding="utf-8")
    kinds = re.findall(r'^## \d+\. Kind "(.*)"$', text, re.MULTILINE)
    assert sorted(kinds) == sorted(SCHEMAS)


def test_inequalities_are_numbered_without_a_gap():
    text = DOCUMENT.read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"\\tag\{(\d+)\}", text)]
    assert numbers == list(range(1, len(numbers) + 1))


# the files, by what the document says of them


def number_bytes(numbers):
    """Return numbers as float64, little endian, with 0 in the place of -0."""
    return b"".join(struct.pack("<d", value + 0.0) for value in np.ravel(numbers).tolist())


def documented_fingerprint(f, g, domain):
    content = b""
    for network in (f, g):
        widths = [len(W) for W in network.weights]
        sizes = [network.weights[0].shape[1], *widths, len(network.output_weights)]
        has_bias = network.output_bias is not None
        content += json.dumps([network.activation, sizes, has_bias]).encode("ascii")
        for W, b in zip(network.weights, network.thresholds):
            content += number_bytes(W.T) + number_bytes(b)
        content += number_bytes(network.output_weights.T)
        content += number_bytes(network.output_bias) if has_bias else b""
    names = {"Box": ("low", "high"), "Ball": ("centre", "radius"), "Hull": ("points",)}
    kind = type(domain).__name__
    arrays = {name: np.array(getattr(domain, name)) for name in names[kind]}
    shapes = [[name, list(array.shape)] for name, array in arrays.items()]
    content += json.dumps([kind, shapes]).encode("ascii")
    content += b"".join(map(number_bytes, arrays.values()))
    return hashlib.sha256(content).hexdigest()


def documented_digest(certificate):
    entries = [certificate.claim, certificate.kind, certificate.fingerprint, certificate.value,
               certificate.eps, certificate.slack, certificate.margin, 2, certificate.semantics]
    numbers = b""
    for name in sorted(certificate.arrays):
        array = certificate.arrays[name]
        flat = np.ravel(array).tolist()
        if isinstance(flat[0], str):
            entries += [name, flat, list(array.shape)]
            continue
        is_float = isinstance(flat[0], float)
        entries += [name, "<f8" if is_float else "<i8", list(array.shape)]
        numbers += b"".join(struct.pack("<d" if is_float else "<q", value) for value in flat)
    return hashlib.sha256(json.dumps(entries).encode("ascii") + numbers).hexdigest()


def test_fingerprint_and_digest_are_those_of_the_document():
    for certificate, f, g, domain in proofs().values():
        assert certificate.fingerprint == documented_fingerprint(f, g, domain)
        assert certificate.digest == documented_digest(certificate)


def test_constants_of_the_files_are_those_of_the_document():
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert MOST_JSON_BYTES == 2**26 and "at most $2^{26}$ bytes" in text
    assert f"at most {MOST_DIGITS} digits" in text
    assert VERSION == 2 and "the integer 2" in text


# the example


F = rn.Network([[[2.0], [-1.0]]], [[0.25, 1.0]], [[1.0, 1.0]], [0.0])
G = rn.Network([[[1.0], [-1.0]]], [[0.0, 1.0]], [[2.0, 1.0]], [0.125])
BOX = rn.Box(-1, 1)


@pytest.fixture
def example(tmp_path):
    """Return the document's JSON text as a certificate, and the text."""
    text = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[1]
    path = tmp_path / "example.json"
    path.write_text(text)
    return Certificate.load(path), text


def test_the_example_is_a_certificate_of_its_networks(example, tmp_path):
    certificate, text = example
    assert certificate.fingerprint == fingerprint(F, G, BOX)
    assert certificate.check(F, G, BOX) and certificate.status == "equivalent"
    path = tmp_path / "again.json"
    certificate.save(path)
    assert json.loads(path.read_text()) == json.loads(text)


def test_the_bound_of_the_example_is_an_eighth_and_sharp(example):
    found = float(proved_number(example[0], F, G, BOX))
    assert 0.125 <= found <= 0.125 * (1.0 + 2.0**-40)
    assert abs(F([[1.0]]) - G([[1.0]])) == 0.125


def test_the_example_without_its_class_proves_less(example):
    labels = np.array([0, 1, -1, 1])
    other = with_arrays(example[0], labels0=labels)
    assert not other.check(F, G, BOX)
    assert changed(other, value=4.0).check(F, G, BOX)
