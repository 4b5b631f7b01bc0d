"""Write and read zip files of plain arrays (.npz): whole or not at all, and without pickle.

The member ``header`` is JSON as bytes and names the kind of file; the others are float64 arrays.
Members are stored without compression, so that a file cannot claim more than it holds. `np.load`
opens such files too.
"""
from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from .._validation import integer, message
from ..numerics.blocks import assign

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_BYTES = 1 << 32
MAX_PIPE_BYTES = 1 << 28
"""The most that is read from a pipe or a device, which does not say how long it is."""
_MAX_ENTRIES = 1 << 21
_MAX_TEXT = 350
_TEMPORARY = ".reducednet-"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
_DESCRIPTION = re.compile(
    rb"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n"
)


def zip_bytes(
    kind: str, version: int, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> bytes:
    """Return the bytes of an archive; the same content gives the same bytes."""
    text = json.dumps({"format": kind, "version": version, **header}).encode("ascii")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in {"header": np.frombuffer(text, dtype=np.uint8), **arrays}.items():
            member = zipfile.ZipInfo(f"{name}.npy", _FIXED_DATE)
            # the same bytes on every system: made on Unix, readable by all
            member.create_system, member.external_attr = 3, 0o644 << 16
            start, numbers = _npy_parts(array)
            member.file_size = len(start) + numbers.nbytes
            with archive.open(member, "w") as file:
                file.write(start)
                file.write(numbers)
    return stream.getvalue()


def _npy_parts(array: np.ndarray) -> tuple[bytes, memoryview]:
    """Return the two parts of a .npy file: the description of the array, and its numbers."""
    if array.dtype.hasobject:
        raise ValueError("an array of objects is no member of an archive")
    stream, numbers = io.BytesIO(), np.empty(array.shape, array.dtype.newbyteorder("<"))
    assign(numbers, array)
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(numbers))
    return stream.getvalue(), numbers.reshape(-1).view(np.uint8).data


def checked_path(path: Any, endings: Sequence[str]) -> tuple[str, str]:
    """Return the path as text and its ending in lower case."""
    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        raise TypeError(message("path", "a str or os.PathLike", f"{type(path).__name__} {path!r}"))
    ending = os.path.splitext(name)[1].lower()
    if ending not in endings:
        raise ValueError(message("path", f"a name that ends in {' or '.join(endings)}", repr(name)))
    return name, ending


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the file's name before the message of a TypeError or ValueError, and shorten it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        cut = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."
        raise ValueError(f"{path}: {cut}") from error


def write_whole(path: str, data: bytes) -> None:
    """Write a temporary file beside the path, then rename it to the path."""
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        stream.write(data)


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Yield the name of a temporary file beside the path; without an error, rename it to the path.

    Errors of the operating system name the path. Temporary files that killed processes left in the
    folder are removed. A device or a pipe is written to directly.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            yield target
            return
        _remove_abandoned(folder)
        with _temporary_file(folder) as temporary:
            yield temporary
            os.replace(temporary, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


@contextmanager
def _temporary_file(folder: str) -> Iterator[str]:
    """Make a file that lasts as long as this context, locked against `_remove_abandoned`."""
    while True:
        name = os.path.join(folder, f"{_TEMPORARY}{os.urandom(8).hex()}.tmp")
        stream = open(name, "xb")
        if fcntl is None:
            stream.close()  # Windows cannot rename an open file
            break
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        if os.path.exists(name):
            break
        stream.close()  # another process removed it before it was locked
    try:
        yield name
    finally:
        with suppress(FileNotFoundError):  # it has been renamed
            os.unlink(name)
        stream.close()


def _remove_abandoned(folder: str) -> None:
    """Remove temporary files that can be locked: the processes that made them have ended."""
    if fcntl is None:
        return
    with suppress(OSError):
        left = [entry for entry in os.scandir(folder) if entry.name.startswith(_TEMPORARY)]
        for entry in left:
            with suppress(OSError), open(entry.path, "r+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)


def read_bytes(path: str, most: int, kind: str) -> bytes:
    """Return the content of a file, or of a pipe or device, which may be endless.

    Raises
    ------
    ValueError
        If it has more than `most` bytes, or a pipe more than `MAX_PIPE_BYTES`.
    """
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        n_bytes = status.st_size
        if not stat.S_ISREG(status.st_mode):
            most, n_bytes = min(most, MAX_PIPE_BYTES), 0
        if n_bytes > most:
            expected = f"{kind} of at most {most} bytes is read"
            raise ValueError(f"{expected}, this one has {n_bytes}")
        chunks = [stream.read(n_bytes)]
        while chunk := stream.read(1 << 20):
            n_bytes += len(chunk)
            if n_bytes > most:
                raise ValueError(f"{kind} of at most {most} bytes is read, this one is longer")
            chunks.append(chunk)
    return b"".join(chunks)


def read_archive(
    path: str, kind: str, version: int, older: Sequence[int] = ()
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the header of an archive of a known version, and the bytes of its other members.

    Raises
    ------
    TypeError, ValueError
        If the file is not an archive of this kind and version. No more memory is allocated than
        the size of the file warrants.
    """
    members = _members(read_bytes(path, MAX_BYTES, "a zip file"))
    if "header" not in members:
        raise ValueError("member header is missing: not a file that `save` wrote")
    return _header(members.pop("header"), kind, (version, *older)), members


def _members(data: bytes) -> dict[str, bytes]:
    """Return the members of a zip file; together they are no larger than the file.

    They are read from bytes in memory, which yield what they have; from a file, zipfile would first
    allocate whatever length a member claims.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise ValueError("its members are compressed, which `save` never does")
            if sum(info.file_size for info in infos) > len(data):
                raise ValueError("its members claim more bytes than the file has")
            if len(set(archive.namelist())) != len(infos):
                raise ValueError("two of its members have the same name")
            return {info.filename.removesuffix(".npy"): archive.read(info) for info in infos}
    except Exception as error:  # zipfile raises many kinds for damage; none is of the disk
        raise ValueError(f"not a valid zip file: {error}") from error


def _header(data: bytes, kind: str, known: Sequence[int]) -> dict[str, Any]:
    n_entries = sum(map(data.count, b"[{,"))  # each takes up to 100 bytes of memory
    if n_entries > _MAX_ENTRIES:
        raise ValueError(f"member header must have at most {_MAX_ENTRIES} lists and entries, got {n_entries}")
    try:
        header = json.loads(read_array(data, "header", "|u1").tobytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"member header is not JSON: {error}") from error
    if not isinstance(header, dict) or header.get("format") != kind:
        raise ValueError(f"member header does not say that the format is {kind!r}")
    version = integer(header.get("version"), "version", 1)
    if version not in known:
        raise ValueError(f"version {version} is unknown: this library reads version {known[0]}")
    return header


def read_array(data: bytes, name: str, dtype: str = "<f8") -> np.ndarray:
    """Return the array in the bytes of a .npy file, without evaluating text or reading pickles."""
    start = 10 + int.from_bytes(data[8:10], "little")
    match = _DESCRIPTION.fullmatch(data[10:start])
    if data[:8] != b"\x93NUMPY\x01\x00" or match is None:
        raise ValueError(f"member {name} is not a plain .npy array of version 1.0")
    if match[1] != dtype.encode():
        raise ValueError(f"member {name} must have dtype {dtype}, got {match[1].decode('latin-1')}")
    if match[2] == b"True":
        raise ValueError(f"member {name} must be in C order, got Fortran order")
    shape = tuple(int(length) for length in re.findall(rb"\d+", match[3]))
    if len(data) - start != math.prod(shape) * np.dtype(dtype).itemsize or 0 in shape:
        raise ValueError(f"member {name} claims the shape {shape}, but holds {len(data) - start} bytes")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def check_names(members: Mapping[str, bytes], names: Sequence[str]) -> None:
    """Raise ValueError unless these are the names of the members."""
    for name in names:
        if name not in members:
            raise ValueError(f"member {name} is missing")
    unexpected = members.keys() - names
    if unexpected:
        raise ValueError(f"member {min(unexpected)} is not expected")
