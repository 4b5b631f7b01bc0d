"""The .npz format of networks: a zip file of arrays, exact and without pickle.

Members: ``header`` (JSON as bytes), W0, b0, W1, b1, ..., C, a (with an output bias), and
``domain_...`` for each argument of a `ReducedNetwork`'s domain. `np.load` opens it too. Members are
stored without compression, so that a file can claim no more than it holds.
"""
from __future__ import annotations

import inspect
import io
import json
import math
import re
import zipfile
from typing import Any

import numpy as np

from ._validation import Array, choice, flag, integer, layer_sizes, message
from .domains import DOMAINS, Domain
from .networks import Network
from .reduced_networks import ReducedNetwork

FORMAT, VERSION = "reducednet network", 1
_KINDS = ("Network", "ReducedNetwork")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
_DESCRIPTION = re.compile(
    rb"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n"
)


def npz_bytes(network: Network) -> bytes:
    """Return the network as the bytes of a .npz file; the same network gives the same bytes."""
    header: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "kind": "Network", "activation": network.activation,
        "sizes": network.sizes, "output_bias": network.output_bias is not None,
    }
    arrays = _parameter_arrays(network)
    if isinstance(network, ReducedNetwork):
        domain = _known(network.domain)
        header |= {"kind": "ReducedNetwork", "bound": network.bound, "domain": type(domain).__name__}
        arrays |= {f"domain_{name}": array for name, array in domain.to_arrays().items()}
    text = np.frombuffer(json.dumps(header).encode("ascii"), dtype=np.uint8)
    return _zip_bytes({"header": text, **arrays})


def _parameter_arrays(network: Network) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for layer, (W, b) in enumerate(zip(network.weights, network.thresholds)):
        arrays |= {f"W{layer}": W, f"b{layer}": b}
    arrays["C"] = network.output_weights
    if network.output_bias is not None:
        arrays["a"] = network.output_bias
    return arrays


def _known(domain: Domain) -> Domain:
    if DOMAINS.get(type(domain).__name__) is not type(domain):
        raise ValueError(message("network.domain", f"one of {list(DOMAINS)} in a file", type(domain).__name__))
    return domain


def _zip_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", _FIXED_DATE)
            # the same on every system: made on Unix, readable by all
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, _npy_bytes(array))
    return stream.getvalue()


def _npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    array = np.array(array, dtype=array.dtype.newbyteorder("<"), order="C")
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def read_npz(path: str) -> Network:
    """Read the network of a .npz file.

    Raises
    ------
    TypeError, ValueError
        If the file is not one that `npz_bytes` makes. Memory is asked for only as far as the
        file's own size can fill it.
    """
    with open(path, "rb") as stream:
        members = _members(stream.read())
    header = _header(members)
    sizes = layer_sizes(header.get("sizes"))
    arrays = _arrays(members, _names(header, len(sizes) - 2))
    with np.errstate(over="ignore"):
        network = _network(header, arrays, len(sizes) - 2)
    if network.sizes != sizes:
        raise ValueError(f"the header claims the sizes {sizes}, the arrays have {network.sizes}")
    return network


def _members(data: bytes) -> dict[str, bytes]:
    """Return the members of a zip file; none is larger than the file."""
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
    except Exception as error:  # zipfile has many names for damage, and the data is in memory
        raise ValueError(f"not a sound zip file: {error}") from error


def _header(members: dict[str, bytes]) -> dict[str, Any]:
    if "header" not in members:
        raise ValueError("member header is missing: not a file that `save` wrote")
    try:
        header = json.loads(_array(members["header"], "header", "|u1").tobytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"member header is not JSON: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"member header does not say that the format is {FORMAT!r}")
    version = integer(header.get("version"), "version", 1)
    if version != VERSION:
        raise ValueError(f"version {version} is unknown: this library reads version {VERSION}")
    return header


def _names(header: dict[str, Any], depth: int) -> list[str]:
    """Return the names of the arrays that the header promises."""
    names = [f"{letter}{layer}" for layer in range(depth) for letter in "Wb"] + ["C"]
    if flag(header.get("output_bias"), "output_bias"):
        names.append("a")
    if choice(header.get("kind"), "kind", _KINDS) == "ReducedNetwork":
        domain = DOMAINS[choice(header.get("domain"), "domain", DOMAINS)]
        names += [f"domain_{name}" for name in inspect.signature(domain).parameters]
    return names


def _arrays(members: dict[str, bytes], names: list[str]) -> dict[str, Array]:
    for name in names:
        if name not in members:
            raise ValueError(f"member {name} is missing")
    unexpected = members.keys() - names - {"header"}
    if unexpected:
        raise ValueError(f"member {min(unexpected)} is not expected")
    return {name: _array(members[name], name, "<f8") for name in names}


def _array(data: bytes, name: str, dtype: str) -> np.ndarray:
    """Return the array in the bytes of a .npy file; nothing is evaluated, no pickle is read."""
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


def _network(header: dict[str, Any], arrays: dict[str, Array], depth: int) -> Network:
    weights, thresholds = ([arrays[f"{letter}{layer}"] for layer in range(depth)] for letter in "Wb")
    # an activation or bound that is missing or no word is refused by the record
    activation: Any = header.get("activation")
    bound: Any = header.get("bound")
    parameters = (weights, thresholds, arrays["C"], arrays.get("a"), activation)
    if header["kind"] == "Network":
        return Network(*parameters)
    parts = {name.removeprefix("domain_"): array[()] for name, array in arrays.items() if "_" in name}
    return ReducedNetwork(*parameters, domain=DOMAINS[header["domain"]](**parts), bound=bound)
