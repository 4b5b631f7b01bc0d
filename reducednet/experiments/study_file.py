"""Write and read studies as .npz files: zip archives of arrays, exact and without pickle.

There is an array for each number of a run, with one entry per run. ``widths`` has the hidden widths
of each run's network (0 if the run failed), ``vectors`` the networks' flat vectors one after
another, ``domain_...`` the arguments of the domain that the reduced networks share. The header has
the rest.
"""
from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from .._validation import Array, choice, flag, instance, integer, layer_sizes, message
from ..domains import DOMAINS, Domain
from ..files.archives import read_archive, read_array, zip_bytes
from ..networks.network import Network
from ..networks.parameters import Layout, Parameters
from ..reduced_space.reduced_network import ReducedNetwork
from .methods import Method, Run

FORMAT, VERSION = "reducednet study", 1
_FLOATS = ("start_loss", "train_loss", "test_error", "seconds")
_COUNTS = ("method", "start", "steps", "converged", "dead", "always_on")
"""The numbers of a run; `method` is the index of its method, `converged` 0 or 1."""
_TEXTS = ("target", "seed", "message")
_NUMBERS = ("n_samples", "n_test", "starts")
"""The attributes of a study that its header holds as they are."""


def study_bytes(study: Mapping[str, Any]) -> bytes:
    """Return the attributes of a Study as the bytes of a .npz file, always the same."""
    runs = study["runs"]
    index_of = {method.label: index for index, method in enumerate(study["methods"])}
    numbers = {name: [getattr(run, name) for run in runs] for name in (*_FLOATS, *_COUNTS[1:])}
    numbers["method"] = [index_of[run.label] for run in runs]
    no_widths = (0,) * (len(study["sizes"]) - 2)
    numbers["widths"] = [
        no_widths if run.network is None else run.network.sizes[1:-1] for run in runs
    ]
    columns = {name: np.array(values, dtype=float) for name, values in numbers.items()}
    networks = [run.network for run in runs if run.network is not None]
    columns["vectors"] = np.concatenate([network.to_vector() for network in networks])
    domains = (one.domain for one in networks if isinstance(one, ReducedNetwork))
    domain = next(domains, None)  # all have the same
    header = {name: study[name] for name in ("sizes", *_TEXTS, *_NUMBERS)} | {
        "problem": dict(study["problem"]),
        "methods": [plain_method(method) for method in study["methods"]],
        "messages": [run.message for run in runs],
        "activation": networks[0].activation, "output_bias": networks[0].output_bias is not None,
        "domain": None if domain is None else choice(type(domain).__name__, "domain", DOMAINS),
    }
    if domain is not None:
        columns |= {f"domain_{name}": array for name, array in domain.to_arrays().items()}
    return zip_bytes(FORMAT, VERSION, header, columns)


def plain_method(method: Method) -> dict[str, Any]:
    """Return a method as a dict for JSON; an option that JSON cannot hold becomes a text."""
    options: dict[str, Any] = json.loads(json.dumps(dict(method.options), default=_text))
    return asdict(method) | {"options": options}


def _text(value: Any) -> Any:
    """Return the numbers of an array as lists, anything else as its str without addresses.

    Another process, which has other addresses, gives the same text: by it a resumed study
    recognises its methods.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def read_study(path: str) -> dict[str, Any]:
    """Return the attributes of the Study in a .npz file.

    Raises
    ------
    TypeError, ValueError
        If the file is none that `study_bytes` writes. Reading allocates no more memory than the
        size of the file justifies.
    """
    header, members = read_archive(path, FORMAT, VERSION)
    study: dict[str, Any] = {
        name: instance(header.get(name), name, str, "text") for name in _TEXTS}
    study |= {name: integer(header.get(name), name, 1) for name in _NUMBERS}
    study["sizes"] = layer_sizes(header.get("sizes"))
    settings = header.get("problem", {})  # files of version 0.1 have none
    study["problem"] = instance(settings, "problem", dict, "a dict of settings")
    entries = instance(header.get("methods"), "methods", list, "a list")
    study["methods"] = tuple(
        Method(**instance(entry, "methods", dict, "a list of dicts")) for entry in entries)
    if len({method.label for method in study["methods"]}) != len(entries):
        raise ValueError("two methods have the same label")
    study["runs"] = _runs(header, members, study)
    return study


def _runs(
    header: Mapping[str, Any], members: Mapping[str, bytes], study: Mapping[str, Any]
) -> tuple[Run, ...]:
    """Return the runs from the file's arrays and the study's methods."""
    messages = instance(header.get("messages"), "messages", list, "a list of texts")
    columns: dict[str, Any] = {name: _column(members, name, len(messages)) for name in _FLOATS}
    limits = {"method": len(study["methods"]), "start": study["starts"], "converged": 2}
    for name in _COUNTS:
        values = _column(members, name, len(messages))
        columns[name] = _whole_numbers(values, name, limits.get(name, 2**53))
    methods = [study["methods"][index] for index in columns.pop("method")]
    networks = _networks(header, members, study["sizes"], methods)
    rows = [dict(zip(columns, row)) for row in zip(*(column for column in columns.values()))]
    runs = tuple(
        Run(label=method.label, message=instance(text, "messages", str, "texts"), network=network,
            **row | {"converged": bool(row["converged"])})
        for method, text, network, row in zip(methods, messages, networks, rows)
    )
    if len({(run.label, run.start) for run in runs}) != len(runs):
        raise ValueError("two runs have the same method and start")
    return runs


def _column(members: Mapping[str, bytes], name: str, *shape: int) -> list[Any]:
    """Return an array of this shape as a list."""
    array = _member(members, name)
    if array.shape != shape:
        raise ValueError(message(f"member {name}", f"of shape {shape}", f"shape {array.shape}"))
    result: list[Any] = array.tolist()
    return result


def _member(members: Mapping[str, bytes], name: str) -> Array:
    """Return an array of the file."""
    if name not in members:
        raise ValueError(f"member {name} is missing")
    return read_array(members[name], name)


def _whole_numbers(values: list[float], name: str, limit: int) -> list[int]:
    """Check that the numbers are whole, from 0 to limit - 1, and return them as ints."""
    for value in values:
        if not (0 <= value < limit and value == int(value)):
            expected = f"whole numbers from 0 to {limit - 1}"
            raise ValueError(message(f"member {name}", expected, value))
    return [int(value) for value in values]


def _networks(
    header: Mapping[str, Any], members: Mapping[str, bytes], sizes: tuple[int, ...],
    methods: list[Method],
) -> list[Network | None]:
    """Return the network of each run, None if it failed."""
    vector = _member(members, "vectors").ravel()
    output_bias = flag(header.get("output_bias"), "output_bias")
    rows = _column(members, "widths", len(methods), len(sizes) - 2)
    widths = [_whole_numbers(row, "widths", 2**53) for row in rows]
    layouts = [Layout((sizes[0], *row, sizes[-1]), output_bias) if all(row) else None
               for row in widths]  # a failed run has the widths 0
    needed = sum(layout.n_parameters for layout in layouts if layout is not None)
    if needed != len(vector):
        raise ValueError(message("member vectors", f"of {needed} numbers", len(vector)))
    is_needed = any(method.space == "reduced" for method in methods)
    domain = _domain(header, members) if is_needed else None
    networks: list[Network | None] = []
    start = 0
    for layout, method in zip(layouts, methods):
        if layout is None:
            networks.append(None)
            continue
        part = Parameters(layout, vector[start:start + layout.n_parameters])
        start += layout.n_parameters
        networks.append(_network(part, header.get("activation"), method, domain))
    return networks


def _domain(header: Mapping[str, Any], members: Mapping[str, bytes]) -> Domain | None:
    """Return the domain of the reduced networks, None if there are none."""
    if header.get("domain") is None:
        return None
    kind = DOMAINS[choice(header["domain"], "domain", DOMAINS)]
    names = inspect.signature(kind).parameters
    return kind(**{name: _member(members, f"domain_{name}")[()] for name in names})


def _network(part: Parameters, activation: Any, method: Method, domain: Any) -> Network:
    """Return the network with these parameters in the space of its method."""
    arrays = (part.weights, part.thresholds, part.output_weights, part.output_bias, activation)
    if method.space == "standard":
        return Network(*arrays)
    return ReducedNetwork(*arrays, domain=domain, bound=method.bound)
