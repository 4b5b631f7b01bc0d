"""Store a training result in a .npz file: its history, and the state from which training continues.

The entry ``result`` of the header holds all that is not an array: whether and how the run ended,
the optimiser's counts and losses, and the state of its random generator, with lists for arrays.
Each column of the history is a member ``history_...``, each array of the state ``state_...``.
"""
from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .._validation import Array, choice, flag, instance, integer, message, number, real_array
from ..networks.network import Network
from ..training.result import TrainingResult
from .archives import check_names, read_array

_COLUMNS = ("step", "loss", "validation_loss", "gradient_norm", "dead", "always_on", "seconds")
_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}
_ARRAYS: dict[str, dict[str, tuple[int, ...]]] = {
    "sgd": {"vector": (), "moments": (1,)}, "adam": {"vector": (), "moments": (2,)},
    "surrogate": {"vector": (), "moments": (2,)}, "lbfgs": {"vector": ()}, "slsqp": {"vector": ()},
    "levenberg_marquardt": {"vector": (), "scales": ()}, "exchange": {"vector": (), "best": ()},
    "varpro": {"vector": (), "origin": (), "best": ()},
}
"""The arrays of each optimiser's state: their shape without the last length, n_parameters."""
_NUMBERS: dict[str, tuple[str, ...]] = {
    "sgd": ("n_steps",), "adam": ("n_steps",), "surrogate": ("n_steps",), "lbfgs": ("loss", "n_steps"),
    "slsqp": ("loss", "n_steps"), "levenberg_marquardt": ("loss", "previous", "damping"),
    "exchange": ("loss", "failures", "ended"),
    "varpro": ("loss", "previous", "damping", "round", "count"),
}
_BATCHES = ("sgd", "adam")
_RANDOM = ("sgd", "adam", "exchange", "varpro")
_REAL = ("loss", "previous", "damping")


def result_parts(result: TrainingResult) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the entry ``result`` of the header, and the arrays."""
    entry: dict[str, Any] = {
        "converged": bool(result.converged), "message": result.message, "records": len(result.history["step"]),
        "columns": list(result.history), "state": None,
    }
    arrays = {f"history_{name}": column for name, column in result.history.items() if len(column)}
    if result.state:
        entry["state"], of_state = _state_parts(result.state)
        arrays |= of_state
    return entry, arrays


def _state_parts(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    method = choice(state["method"], "result.state['method']", _ARRAYS)
    entry = {"method": method} | {name: _plain(state[name]) for name in _NUMBERS[method]}
    names = list(_ARRAYS[method])
    if method in _RANDOM:
        choice(state["rng"]["bit_generator"], "result.state['rng']['bit_generator']", _GENERATORS)
        entry["rng"] = _plain(state["rng"])
    if method in _BATCHES:
        entry["position"] = state.get("position")
        names += ["permutation"] * ("permutation" in state)
    arrays = {f"state_{name}": np.asarray(state[name]) for name in names}
    if "permutation" in names:
        arrays["state_permutation"] = arrays["state_permutation"].astype("<i8")  # on every machine
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
    state = {} if entry.get("state") is None else instance(entry["state"], "state", dict, "a dict")
    names = [f"history_{name}" for name in columns] if records else []
    if state:
        method = choice(state.get("method"), "method", _ARRAYS)
        names += [f"state_{name}" for name in _ARRAYS[method]]
        names += ["state_permutation"] * (method in _BATCHES and state.get("position") is not None)
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


def _read_state(state: dict[str, Any], members: dict[str, bytes], network: Network) -> dict[str, Any]:
    """Return the checked state from which an optimiser continues."""
    method, n = state["method"], network.n_parameters
    result: dict[str, Any] = {"method": method}
    result |= {name: _read_number(state.get(name), name) for name in _NUMBERS[method]}
    if "count" in result:
        _below(result["count"], "count", network.sizes[1])
    for name, shape in _ARRAYS[method].items():
        array = read_array(members[f"state_{name}"], f"state_{name}")
        result[name] = real_array(array, f"member state_{name}", (*shape, n))
    if method in _BATCHES and state.get("position") is not None:
        permutation = read_array(members["state_permutation"], "state_permutation", "<i8")
        if permutation.ndim != 1 or (np.sort(permutation) != np.arange(len(permutation))).any():
            raise ValueError("member state_permutation must hold each of 0, 1, ... once")
        position = _below(state["position"], "position", len(permutation) - 1)
        result |= {"permutation": permutation.astype(np.intp), "position": position}
    if method in _RANDOM:
        result["rng"] = _generator_state(state.get("rng"))
    return result


def _read_number(value: Any, name: str) -> float | int | bool:
    if name == "ended":
        return flag(value, name)
    return number(value, name, minimum=0.0) if name in _REAL else integer(value, name, 0)


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
