"""Write and read certificates as files: JSON text (.json) or a NumPy archive (.npz).

`docs/certificates.md`, section 3, defines both. Numbers are hexadecimal in JSON, so that every bit
is kept and no reader has to round; rationals are pairs of integers. All that is known of what is
read here is that it is such a file: `Certificate` checks its fields, `schemas` its arrays, and the
checkers the proof.
"""
from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..._validation import choice, instance, message
from ...files.archives import checked_path, naming, read_archive, read_array, write_whole, zip_bytes
from .schemas import INTEGERS, NUMBERS, SCHEMAS, Entry, as_texts, entry_named

FORMAT, VERSION = "reducednet certificate", 2
ENDINGS = (".json", ".npz")

TEXTS = ("claim", "kind", "semantics", "fingerprint", "digest")
NUMBERS_OF_CLAIM = ("value", "eps", "slack", "margin")

MOST_JSON_BYTES = 1 << 26
MOST_DIGITS = 4300
"""Python itself converts no longer integers, as that takes quadratic time."""

_HEXADECIMAL = re.compile(r"(-?)0x([01])(?:\.([0-9a-f]{1,13}))?p([+-]?[0-9]{1,4})")
_LEAST_NORMAL = 2.0**-1022
_INT64 = np.iinfo(np.int64)
T = TypeVar("T")


class Content(NamedTuple):
    """What a file says: the version of its format, the certificate's fields by name, its arrays."""

    version: int
    fields: dict[str, Any]
    arrays: dict[str, Any]


def write(
    path: str | os.PathLike[str], fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a certificate, whole or not at all; equal ones give equal bytes.

    Raises
    ------
    TypeError, ValueError
        If the path is of another kind, does not end in .json or .npz, or the text is too long.
    OSError
        If the file cannot be written.
    """
    name, ending = checked_path(path, ENDINGS)
    with naming(name):
        data = json_bytes(fields, arrays) if ending == ".json" else npz_bytes(fields, arrays)
    write_whole(name, data)


def read(path: str | os.PathLike[str], make: Callable[[Content], T]) -> T:
    """Return what `make` makes of the content of a file.

    Raises
    ------
    TypeError
        If the path is of another kind.
    ValueError
        If the file is not one that `write` could have written, or `make` refuses its content; the
        text names the file.
    OSError
        If the file cannot be opened.
    """
    name, ending = checked_path(path, ENDINGS)
    with naming(name):
        return make(read_json(name) if ending == ".json" else read_npz(name))


# NumPy archives


def npz_bytes(fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an archive whose header holds the fields and the rationals."""
    rationals = {name: array.tolist() for name, array in arrays.items() if array.dtype.kind == "O"}
    numeric = {name: array for name, array in arrays.items() if name not in rationals}
    names = ("claim", "kind", "fingerprint", "digest", "semantics", *NUMBERS_OF_CLAIM)
    header = {name: fields[name] for name in names} | {"rationals": rationals}
    return zip_bytes(FORMAT, VERSION, header, numeric)


def read_npz(path: str) -> Content:
    """Return the content of an archive of this version or of version 1."""
    header, members = read_archive(path, FORMAT, VERSION, (1,))
    kind = choice(header.get("kind"), "kind", SCHEMAS)

    arrays: dict[str, Any] = {}
    for name, data in members.items():
        dtype = "<i8" if entry_named(kind, name).type == INTEGERS else "<f8"
        arrays[name] = read_array(data, name, dtype)

    rationals = instance(header.get("rationals"), "rationals", dict, "a dict in the header")
    for name, texts in rationals.items():
        where = f"rationals[{name!r}]"
        instance(texts, where, list, "a list of texts")
        if name in arrays or not all(isinstance(text, str) for text in texts):
            raise ValueError(message(where, "a list of texts, given once", "another one"))
        arrays[name] = as_texts(texts)

    fields = {name: header.get(name) for name in (*TEXTS, *NUMBERS_OF_CLAIM)}
    return Content(header["version"], fields, arrays)


# JSON text


def json_bytes(fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a JSON object of ASCII text, with one entry or array a line."""
    header: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    header |= {name: fields[name] for name in TEXTS}
    header |= {name: fields[name].hex() for name in NUMBERS_OF_CLAIM}
    entries = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in header.items()]
    evidence = [f"  {json.dumps(name)}: {_array_text(array)}" for name, array in arrays.items()]

    inside = ",\n".join(evidence)
    entries.append(f' "arrays": {{\n{inside}\n }}')
    text = ",\n".join(entries)
    data = f"{{\n{text}\n}}\n".encode("ascii")
    if len(data) > MOST_JSON_BYTES:
        expected = f"at most {MOST_JSON_BYTES} bytes as JSON text (a .npz file may be longer)"
        raise ValueError(message("certificate", expected, len(data)))
    return data


def _array_text(array: np.ndarray) -> str:
    """Return an array as JSON: its one entry, a list of entries, or a list of lists."""
    if array.dtype.kind == "O":
        return json.dumps([_pair(text) for text in array.tolist()])
    return json.dumps(_hexadecimal(array.tolist()) if array.dtype.kind == "f" else array.tolist())


def _hexadecimal(value: Any) -> Any:
    """Return a number, or numbers in nested lists, as hexadecimal texts."""
    return [_hexadecimal(entry) for entry in value] if isinstance(value, list) else value.hex()


def _pair(rational: str) -> list[int]:
    """Return numerator and denominator, as they stand in the text.

    Examples
    --------
    >>> _pair("-1/3"), _pair("2")
    ([-1, 3], [2, 1])
    """
    numerator, _, denominator = rational.partition("/")
    return [_integer(numerator), _integer(denominator or "1")]


def read_json(path: str) -> Content:
    """Return the content of a JSON file.

    No length is taken from the file: it needs as much memory as its lists have entries.
    """
    entries = _parsed(_bytes_of(path))
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise ValueError(f"the JSON text does not say that the format is {FORMAT!r}")
    _check_names(entries)
    version = instance(entries["version"], "version", int, "an integer")
    if type(version) is bool or version != VERSION:
        raise ValueError(f"version {version} is unknown: this library reads version {VERSION}")

    fields = {name: instance(entries[name], name, str, "text") for name in TEXTS}
    fields |= {name: _float(entries[name], name) for name in NUMBERS_OF_CLAIM}
    kind = choice(fields["kind"], "kind", SCHEMAS)
    arrays = instance(entries["arrays"], "arrays", dict, "an object")
    return Content(version, fields, {
        name: _array(value, entry_named(kind, name), name) for name, value in arrays.items()
    })


def _bytes_of(path: str) -> bytes:
    """Return the content of a file, or of a pipe, that is not too long."""
    chunks, n_bytes = [], 0
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            n_bytes += len(chunk)
            if n_bytes > MOST_JSON_BYTES:
                expected = f"at most {MOST_JSON_BYTES} bytes are read"
                raise ValueError(f"{expected} of a JSON text, this one is longer")
            chunks.append(chunk)
    return b"".join(chunks)


def _check_names(entries: Mapping[str, Any]) -> None:
    """Raise ValueError unless these are the entries of a certificate."""
    names = {"format", "version", *TEXTS, *NUMBERS_OF_CLAIM, "arrays"}
    for name in sorted(names - entries.keys()):
        raise ValueError(f"the entry {name!r} is missing")
    for name in sorted(entries.keys() - names):
        raise ValueError(f"the entry {name!r} is not expected")


def _parsed(data: bytes) -> Any:
    """Return the value of a JSON text without anything that two readers may read differently."""
    try:
        return json.loads(
            data.decode("ascii"), object_pairs_hook=_without_duplicates, parse_int=_integer,
            parse_float=_refused, parse_constant=_refused,
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not the JSON text of a certificate: {error}") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("an entry of the JSON text comes twice")
    return entries


def _integer(text: str) -> int:
    """Return an integer; long ones would take quadratic time."""
    if len(text) > MOST_DIGITS:
        raise ValueError(message("integer", f"of at most {MOST_DIGITS} digits", len(text)))
    return int(text)


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is neither an integer nor a hexadecimal float in a text")


def _array(value: Any, entry: Entry, name: str) -> Any:
    """Return the array of one entry of the schema, of as many dimensions as that says."""
    shape: tuple[int, ...] = ()
    flat = [value]
    for _ in entry.sizes:
        flat, length = _joined(flat, name)
        shape += (length,)
    if entry.type == INTEGERS:
        return np.array([_int64(number, name) for number in flat], dtype="<i8").reshape(shape)
    if entry.type == NUMBERS or all(isinstance(number, str) for number in flat):
        return np.array([_float(number, name) for number in flat], dtype="<f8").reshape(shape)
    return as_texts([_rational(pair, name) for pair in flat])


def _joined(rows: Sequence[Any], name: str) -> tuple[list[Any], int]:
    """Return the entries of lists of the same length, and this length."""
    if not all(isinstance(row, list) and row and len(row) == len(rows[0]) for row in rows):
        raise ValueError(message(name, "lists of equal lengths, not empty", "another value"))
    return [entry for row in rows for entry in row], len(rows[0])


def _int64(value: Any, name: str) -> int:
    if type(value) is not int or not _INT64.min <= value <= _INT64.max:
        raise ValueError(message(name, "integers of 64 bits", "another entry"))
    return value


def _float(value: Any, name: str) -> float:
    """Return the float64 number that a hexadecimal text is, exactly.

    Examples
    --------
    >>> _float("0x1.8p-3", "value")
    0.1875
    """
    expected = "hexadecimal floats such as '0x1.8p-3', exact in float64"
    match = _HEXADECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(message(name, expected, "another entry"))
    try:
        number = float.fromhex(value)
    except OverflowError:
        raise ValueError(message(name, expected, repr(value))) from None
    # 53 bits are exact; only below the smallest normal number are there fewer
    if abs(number) < _LEAST_NORMAL:
        _, whole, fraction, exponent = match.groups(default="")
        scale = Fraction(2) ** (int(exponent) - 4 * len(fraction))
        if int(whole + fraction, 16) * scale != abs(Fraction(number)):
            raise ValueError(message(name, expected, repr(value)))
    return number


def _rational(pair: Any, name: str) -> str:
    """Return the text of a rational, given as [numerator, denominator]."""
    is_pair = isinstance(pair, list) and len(pair) == 2 and all(type(part) is int for part in pair)
    if not is_pair or pair[1] < 1:
        expected = "hexadecimal floats, or rationals [numerator, denominator], and not both"
        raise ValueError(message(name, expected, "another entry"))
    numerator, denominator = pair
    return str(numerator) if denominator == 1 else f"{numerator}/{denominator}"
