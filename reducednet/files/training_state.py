"""Store a training result in a .npz file: its history, and the state from which training continues.

The entry ``result`` of the header holds all that is not an array: whether and how the run ended,
the optimiser's counts, and the state of its random generator, with lists for arrays. Each column of
the history is a member ``history_...``, each array of the state ``state_...``. Each optimiser that
can be continued declares the entries of its state (`StateFields`).

Version 0.1.0 kept states of other kinds, in the entry ``state``. They are not read: a run of that
version continues from its best network.
"""
from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .._validation import Array, choice, flag, instance, integer, message, real_array
from ..networks.network import Network
from ..training.result import MINIMISERS, StateFields, TrainingResult, state_fields
from .archives import check_names, read_array

_COLUMNS = ("step", "loss", "validation_loss", "gradient_norm", "dead", "always_on", "seconds")
_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}


def result_parts(result: TrainingResult) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the entry ``result`` of the header, and the arrays."""
    entry: dict[str, Any] = {
        "converged": bool(result.converged), "message": result.message, "records": len(result.history["step"]),
        "columns": list(result.history), "optimiser": None,
    }
    arrays = {f"history_{name}": column for name, column in result.history.items() if len(column)}
    if result.state:
        entry["optimiser"], of_state = _state_parts(result.state)
        arrays |= of_state
    return entry, arrays


def _state_parts(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    fields = _fields(state)
    entry = {"method": state["method"], "position": None} | {name: int(state[name]) for name in fields.counts}
    arrays = {f"state_{name}": np.asarray(state[name]) for name in fields.arrays}
    if "permutation" in state:
        choice(state["rng"]["bit_generator"], "result.state['rng']['bit_generator']", _GENERATORS)
        entry |= {"position": int(state["position"]), "rng": _plain(state["rng"])}
        arrays["state_permutation"] = np.asarray(state["permutation"]).astype("<i8")  # on every machine
    return entry, arrays


def _plain(value: Any) -> Any:
    """Return the value with lists for arrays and Python's numbers for NumPy's."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def read_result(entry: Any, members: dict[str, bytes], network: Network) -> TrainingResult:
    """Return the training result from the header's entry, the members and the best network."""
    entry = instance(entry, "result", dict, "a dict in the header")
    converged = flag(entry.get("converged"), "converged")
    text = instance(entry.get("message"), "message", str, "text")
    records = integer(entry.get("records"), "records", 0)
    columns = instance(entry.get("columns"), "columns", list, "a list of names")
    if columns not in ([*_COLUMNS], [name for name in _COLUMNS if name != "validation_loss"]):
        raise ValueError(message("columns", f"those of a history, {list(_COLUMNS)}", columns))
    names = [f"history_{name}" for name in columns] if records else []
    state: dict[str, Any] = {}
    if entry.get("optimiser") is not None:
        state = instance(entry["optimiser"], "optimiser", dict, "a dict")
        names += _state_names(state)
    elif "state" in entry:  # of version 0.1.0
        members = {name: data for name, data in members.items() if not name.startswith("state_")}
    check_names(members, names)
    history = {name: _column(members, f"history_{name}", records) for name in columns}
    if records and not _are_steps(history["step"]):
        raise ValueError("member history_step must be whole numbers of at least 0 that grow")
    return TrainingResult(network, MappingProxyType(history), converged, text,
                          _read_state(state, members, network) if state else {})


def _column(members: dict[str, bytes], name: str, records: int) -> Array:
    column: Array = read_array(members[name], name) if records else np.empty(0)
    column.setflags(write=False)
    if column.shape != (records,):
        raise ValueError(message(f"member {name}", f"of shape ({records},)", f"shape {column.shape}"))
    return column


def _are_steps(steps: Array) -> bool:
    whole = (0 <= steps) & (steps < 2.0**53) & (steps == np.floor(steps))
    return bool(whole.all() and (np.diff(steps) > 0.0).all())


def _fields(state: Mapping[str, Any]) -> StateFields:
    """Return what the state's optimiser declares."""
    fields = state_fields(method := choice(state.get("method"), "method", MINIMISERS))
    if fields is None:
        raise ValueError(message("method", "one that leaves a state", repr(method)))
    return fields


def _has_batches(state: dict[str, Any]) -> bool:
    return _fields(state).batches and state.get("position") is not None


def _state_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the members that hold the state's arrays."""
    names = [f"state_{name}" for name in _fields(state).arrays]
    return names + ["state_permutation"] * _has_batches(state)


def _read_state(state: dict[str, Any], members: dict[str, bytes], network: Network) -> dict[str, Any]:
    """Return the checked state from which an optimiser continues."""
    fields, n = _fields(state), network.n_parameters
    result: dict[str, Any] = {"method": state["method"]}
    result |= {name: integer(state.get(name), name, 0) for name in fields.counts}
    for name, shape in fields.arrays.items():
        array = read_array(members[f"state_{name}"], f"state_{name}")
        result[name] = real_array(array, f"member state_{name}", (*shape, n))
    if _has_batches(state):
        permutation = read_array(members["state_permutation"], "state_permutation", "<i8")
        if permutation.ndim != 1 or (np.sort(permutation) != np.arange(len(permutation))).any():
            raise ValueError("member state_permutation must hold each of 0, 1, ... once")
        position = _below(state["position"], "position", len(permutation))
        result |= {"permutation": permutation.astype(np.intp), "position": position,
                   "rng": _generator_state(state.get("rng"))}
    return result


def _generator_state(plain: Any) -> dict[str, Any]:
    """Return the state of a bit generator as NumPy holds it: undo `_plain`, and check it."""
    name = choice(instance(plain, "rng", dict, "a dict").get("bit_generator"), "bit_generator", _GENERATORS)
    bits = getattr(np.random, name)(0)
    state: dict[str, Any] = _shaped(plain, bits.state, "rng")
    bits.state = state
    if _plain(bits.state) != plain:
        raise ValueError(f"`rng` is not a state of {name}")
    return state


def _shaped(plain: Any, like: Any, name: str) -> Any:
    """Return the plain state with the types of another state; every number must be in range."""
    if isinstance(like, str):
        return choice(plain, name, [like])
    if isinstance(like, dict):
        if instance(plain, name, dict, "a dict").keys() != like.keys():
            raise ValueError(message(name, f"a dict of {sorted(like)}", sorted(plain)))
        return {part: _shaped(plain[part], like[part], part) for part in like}
    if isinstance(like, np.ndarray):
        limit = int(np.iinfo(like.dtype).max)
        if len(instance(plain, name, list, "a list")) != like.size:
            raise ValueError(message(name, f"a list of {like.size} numbers", len(plain)))
        return np.array([_below(value, name, limit) for value in plain], dtype=like.dtype)
    return _below(plain, name, _LIMITS.get(name, 2**128 - 1))


def _below(value: Any, name: str, limit: int) -> int:
    if integer(value, name, 0) > limit:
        raise ValueError(message(name, f"at most {limit}", value))
    return int(value)
