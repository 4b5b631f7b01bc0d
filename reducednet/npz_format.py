"""The .npz format of networks and training results: a zip file of arrays, exact and without pickle.

Members: ``header`` (JSON as bytes), W0, b0, W1, b1, ..., C, a (with an output bias), and
``domain_...`` for each argument of a `ReducedNetwork`'s domain. `np.load` opens it too. Members are
stored without compression, so that a file can claim no more than it holds.

A training result is its best network's file with an entry ``result`` in the header, a member
``history_...`` for each column and, where the optimiser has a state, ``state_vector``,
``state_moments`` and, with mini-batches, ``state_permutation``. The random generator's state is in
the header: integers, its arrays as lists.
"""
from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ._validation import Array, choice, flag, instance, integer, layer_sizes, message, real_array
from .archives import read_archive, read_array, zip_bytes
from .domains import DOMAINS, Domain
from .networks import Network
from .reduced_networks import ReducedNetwork
from .training import TrainingResult

FORMAT, VERSION = "reducednet network", 1
_KINDS = ("Network", "ReducedNetwork")
_COLUMNS = ("step", "loss", "validation_loss", "gradient_norm", "dead", "always_on", "seconds")
_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}
_MOMENTS = {"sgd": 1, "adam": 2}


def npz_bytes(content: Network | TrainingResult) -> bytes:
    """Return a network or a training result as the bytes of a .npz file.

    The same content gives the same bytes.
    """
    if not isinstance(content, TrainingResult):
        return zip_bytes(FORMAT, VERSION, *_network_parts(content))
    header, arrays = _network_parts(content.network)
    state = content.state
    header["result"] = {
        "converged": bool(content.converged), "message": content.message, "records": len(content.history["step"]),
        "columns": list(content.history), "state": None,
    }
    arrays |= {f"history_{name}": column for name, column in content.history.items() if len(column)}
    if state:
        choice(state["rng"]["bit_generator"], "result.state['rng']['bit_generator']", _GENERATORS)
        method = choice(state["method"], "result.state['method']", _MOMENTS)
        header["result"]["state"] = {
            "method": method, "n_steps": state["n_steps"], "position": state.get("position"),
            "rng": _plain(state["rng"]),
        }
        names = [name for name in ("vector", "moments", "permutation") if name in state]
        arrays |= {f"state_{name}": np.asarray(state[name]) for name in names}
    return zip_bytes(FORMAT, VERSION, header, arrays)


def _plain(value: Any) -> Any:
    """Return a generator's state with lists for arrays and Python's integers for NumPy's."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _network_parts(network: Network) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a network's file."""
    header: dict[str, Any] = {
        "kind": "Network", "activation": network.activation,
        "sizes": network.sizes, "output_bias": network.output_bias is not None,
    }
    arrays = _parameter_arrays(network)
    if isinstance(network, ReducedNetwork):
        domain = _known(network.domain)
        header |= {"kind": "ReducedNetwork", "bound": network.bound, "domain": type(domain).__name__}
        arrays |= {f"domain_{name}": array for name, array in domain.to_arrays().items()}
    return header, arrays


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


def read_npz(path: str) -> Network | TrainingResult:
    """Read the network or the training result of a .npz file.

    Raises
    ------
    TypeError, ValueError
        If the file is not one that `npz_bytes` makes. Memory is asked for only as far as the
        file's own size can fill it.
    """
    header, members = read_archive(path, FORMAT, VERSION)
    has_result = "result" in header
    of_result = {name for name in members if has_result and name.startswith(("history_", "state_"))}
    network = _read_network(header, {name: members[name] for name in members.keys() - of_result})
    if not has_result:
        return network
    return _read_result(header["result"], {name: members[name] for name in of_result}, network)


def _read_network(header: dict[str, Any], members: dict[str, bytes]) -> Network:
    sizes = layer_sizes(header.get("sizes"))
    arrays = _arrays(members, _names(header, len(sizes) - 2))
    with np.errstate(over="ignore"):
        network = _network(header, arrays, len(sizes) - 2)
    if network.sizes != sizes:
        raise ValueError(f"the header claims the sizes {sizes}, the arrays have {network.sizes}")
    return network


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
    _check_names(members, names)
    return {name: read_array(members[name], name) for name in names}


def _check_names(members: dict[str, bytes], names: list[str]) -> None:
    for name in names:
        if name not in members:
            raise ValueError(f"member {name} is missing")
    unexpected = members.keys() - names
    if unexpected:
        raise ValueError(f"member {min(unexpected)} is not expected")


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


def _read_result(entry: Any, members: dict[str, bytes], network: Network) -> TrainingResult:
    """Return the training result of the header's entry, its arrays' bytes and its best network."""
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
        names += ["state_vector", "state_moments"] + ["state_permutation"] * (state.get("position") is not None)
    _check_names(members, names)
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
    """Return what a further run goes on from, checked: nothing of it may surprise an optimiser."""
    method, n = choice(state.get("method"), "method", _MOMENTS), network.n_parameters
    result: dict[str, Any] = {"method": method, "n_steps": integer(state.get("n_steps"), "n_steps", 0)}
    for name, shape in ("vector", (n,)), ("moments", (_MOMENTS[method], n)):
        array = read_array(members[f"state_{name}"], f"state_{name}")
        result[name] = real_array(array, f"member state_{name}", shape)
    if state.get("position") is not None:
        permutation = read_array(members["state_permutation"], "state_permutation", "<i8")
        if permutation.ndim != 1 or (np.sort(permutation) != np.arange(len(permutation))).any():
            raise ValueError("member state_permutation must hold each of 0, 1, ... once")
        position = _below(state["position"], "position", len(permutation) - 1)
        result |= {"permutation": permutation.astype(np.int64), "position": position}
    result["rng"] = _generator_state(state.get("rng"))
    return result


def _generator_state(plain: Any) -> dict[str, Any]:
    """Return a bit generator's state as NumPy has it, from what `_plain` made of it."""
    name = choice(instance(plain, "rng", dict, "a dict").get("bit_generator"), "bit_generator", _GENERATORS)
    bits = getattr(np.random, name)(0)
    state: dict[str, Any] = _shaped(plain, bits.state, "rng")
    bits.state = state
    if _plain(bits.state) != plain:
        raise ValueError(f"`rng` is no state of {name}")
    return state


def _shaped(plain: Any, like: Any, name: str) -> Any:
    """Return the plain state in the types of another one, every number in its range."""
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
