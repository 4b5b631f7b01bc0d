"""Decode the constants of an ONNX model: numbers in the model itself or in a file beside it.

Floating-point numbers of 16, 32 and 64 bits become float64, exactly.
"""
from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

FLOAT32, INT32, INT64, BOOL, FLOAT16, FLOAT64, BFLOAT16 = 1, 6, 7, 9, 10, 11, 16
MAX_AXES = 16
FLOATS = {FLOAT16: "float16", BFLOAT16: "bfloat16", FLOAT32: "float32", FLOAT64: "float64"}
"""The numbers that a network may have, by the ONNX type."""
_INTEGERS = {INT32: "int32", INT64: "int64", BOOL: "bool"}
_EXTERNAL = 1  # where a tensor's numbers are
_WAY_OUT = "put the model and its file of numbers into one folder, under the names they were given"


class _Stored(NamedTuple):
    """How the numbers of a type are stored: as raw bytes, and in the list of a field."""

    raw: str
    field: str


_STORED = {
    FLOAT32: _Stored("<f4", "float_data"), FLOAT64: _Stored("<f8", "double_data"),
    FLOAT16: _Stored("<u2", "int32_data"), BFLOAT16: _Stored("<u2", "int32_data"),
    INT32: _Stored("<i4", "int32_data"), INT64: _Stored("<i8", "int64_data"),
    BOOL: _Stored("<u1", "int32_data"),
}


def short(name: str) -> str:
    """Return a name in quotes, cut if it is long."""
    return repr(name if len(name) <= 60 else f"{name[:60]}...")


def type_name(kind: int) -> str:
    """Return the name of an ONNX element type."""
    return (FLOATS | _INTEGERS).get(kind, f"ONNX type {kind}")


class Constant(NamedTuple):
    """An array of a known ONNX type; floating-point numbers as float64, integers as int64."""

    kind: int
    array: np.ndarray


def converted(constant: Constant, kind: int) -> Constant:
    """Return the constant in another type: rounded to nearest, or to an integer towards zero."""
    with np.errstate(all="ignore"):
        if kind in (INT32, INT64):
            return Constant(kind, constant.array.astype(type_name(kind)).astype(np.int64))
        if kind == BFLOAT16:
            return Constant(kind, _rounded_to_bfloat16(constant.array))
        return Constant(kind, constant.array.astype(type_name(kind)).astype(np.float64))


def _rounded_to_bfloat16(array: np.ndarray) -> np.ndarray:
    """Round to 8 significant bits, to even, by way of float32 as ONNX does."""
    bits = np.asarray(array, dtype=np.float32).view(np.uint32).astype(np.uint64)
    bits += 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))
    return _widened((bits >> np.uint64(16)).astype(np.uint16), BFLOAT16)


def _widened(numbers: np.ndarray, kind: int) -> np.ndarray:
    """Return stored numbers as float64 or int64, exactly."""
    if kind == FLOAT16:
        numbers = numbers.view(np.float16)
    elif kind == BFLOAT16:
        numbers = (numbers.astype(np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(invalid="ignore"):  # converting a signalling nan is "invalid"
        return numbers.astype(np.float64 if kind in FLOATS else np.int64)


class Constants(Mapping[str, Constant]):
    """The constants of a graph by name, decoded when they are asked for.

    Parameters
    ----------
    tensors : dict of onnx.TensorProto
    folder : str
        Where the model lies, and with it the files that hold numbers of it.
    most_bytes : int
        How many bytes these files may have together.
    """

    def __init__(self, tensors: dict[str, Any], folder: str, most_bytes: int) -> None:
        self._tensors, self._folder = tensors, folder
        self.n_bytes_beside = 0
        names = {_entries(tensor).get("location", "") for tensor in tensors.values()
                 if tensor.data_location == _EXTERNAL}
        for name in sorted(names):
            path = _path_beside(folder, name)
            self.n_bytes_beside += os.stat(path).st_size
            if self.n_bytes_beside > most_bytes:
                raise ValueError(f"files of at most {most_bytes} bytes are read beside the model: "
                                 f"with {short(name)} they have {self.n_bytes_beside}")

    def __getitem__(self, name: str) -> Constant:
        tensor = self._tensors[name]
        return Constant(tensor.data_type, stored_array(tensor, name, self._folder))

    def __contains__(self, name: object) -> bool:
        return name in self._tensors  # without decoding it

    def __iter__(self) -> Any:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def stored_array(tensor: Any, name: str, folder: str | None = None) -> np.ndarray:
    """Return the numbers of a TensorProto; nothing is allocated for a shape that it only claims.

    Raises
    ------
    ValueError
        If their type is not one of numbers, if their count does not fit the shape, or if they are
        in another file that is not a plain one in the given folder.
    """
    kind, shape = tensor.data_type, tuple(tensor.dims)
    if kind not in _STORED or tensor.HasField("segment"):
        types = ", ".join((FLOATS | _INTEGERS).values())
        raise ValueError(f"constant {short(name)} must be a whole tensor of numbers ({types}), "
                         f"got {type_name(kind)}")
    raw, field = _STORED[kind]
    width = np.dtype(raw).itemsize
    data: bytes | None = None
    if tensor.data_location == _EXTERNAL:
        data = _bytes_beside(tensor, name, folder, math.prod(shape) * width)
    elif tensor.HasField("raw_data"):
        data = tensor.raw_data
    numbers = getattr(tensor, field)
    n_bytes = width * len(numbers) if data is None else len(data)
    if len(shape) > MAX_AXES or min(shape, default=1) < 0 or math.prod(shape) * width != n_bytes:
        raise ValueError(
            f"constant {short(name)} claims the shape {str(shape)[:60]}, but holds {n_bytes} bytes")
    if data is not None:
        array = np.frombuffer(data, raw)
    elif raw == "<u2":
        array = np.fromiter((number & 0xFFFF for number in numbers), raw, len(numbers))
    else:
        array = np.fromiter(numbers, raw, len(numbers))
    return _widened(array, kind).reshape(shape)


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _path_beside(folder: str | None, location: str) -> str:
    """Return the path of a plain file in the folder of the model; refuse any other place."""
    where = f"the model keeps numbers in {short(location)}"
    is_plain = location not in ("", ".", "..") and not set(location) & set("/\\:\0")
    if folder is None or not is_plain:
        raise ValueError(
            f"{where}: only a file in the model's own folder is read, by its name alone; "
            f"{_WAY_OUT}, or export with all numbers in one file (external_data=False)")
    path = os.path.join(folder, location)
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        raise ValueError(f"{where}, which is not in its folder: {_WAY_OUT}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(
            f"{where}, which is a link or no file: put the file itself into the model's folder")
    return path


def _bytes_beside(tensor: Any, name: str, folder: str | None, n_bytes: int) -> bytes:
    """Return the bytes of a tensor from the file beside the model, which must be n_bytes."""
    entries = _entries(tensor)
    path = _path_beside(folder, entries.get("location", ""))
    start, length = entries.get("offset", "0"), entries.get("length", str(n_bytes))
    if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in (start, length)):
        raise ValueError(f"constant {short(name)} must have an offset and a length of digits, "
                         f"got {short(start)} and {short(length)}")
    if int(length) != n_bytes:
        shape = str(tuple(tensor.dims))[:60]
        raise ValueError(
            f"constant {short(name)} claims the shape {shape}, but holds {int(length)} bytes")
    end = int(start) + n_bytes
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if end > size:
            raise ValueError(
                f"constant {short(name)} needs the bytes {int(start)} to {end} of a file of {size}"
                ": it is cut off, or belongs to another model")
        stream.seek(int(start))
        return stream.read(n_bytes)
