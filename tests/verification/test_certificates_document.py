"""docs/certificates.md says what `SCHEMAS` says, and its example is a certificate."""
import pathlib
import re

import numpy as np
import pytest

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
    return re.search(rf'^## \d+\. Kind "{kind}"\n(.*?)^## ', text, re.MULTILINE | re.DOTALL)[1]


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
    assert f"Claims a {schema.claim}" in first


def test_the_kinds_with_sections_are_those_with_schemas():
    text = DOCUMENT.read_text(encoding="utf-8")
    kinds = re.findall(r'^## \d+\. Kind "(.*)"$', text, re.MULTILINE)
    assert sorted(kinds) == sorted(SCHEMAS)


def test_inequalities_are_numbered_without_a_gap():
    text = DOCUMENT.read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"\\tag\{(\d+)\}", text)]
    assert numbers == list(range(1, len(numbers) + 1))
