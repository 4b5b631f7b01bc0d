"""Read and write networks and training results as .npz files: exactly, and without pickle.

The members of the zip file (see `archives`) are ``header`` (JSON as bytes), W0, b0, W1, b1, ..., C,
a (with an output bias), and ``domain_...`` for each argument of a `ReducedNetwork`'s domain.

A training result is stored as its best network, with an entry ``result`` in the header and the
members that `training_state` adds.
"""
from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .._validation import Array, choice, flag, layer_sizes, message
from ..domains import DOMAINS, Domain
from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork
from ..training.result import TrainingResult
from .archives import check_names, read_archive, read_array, zip_bytes
from .training_state import read_result, result_parts

FORMAT, VERSION = "reducednet network", 1
_KINDS = ("Network", "ReducedNetwork")


def npz_bytes(content: Network | TrainingResult) -> bytes:
    """Return a network or a training result as the bytes of a .npz file.

    The same content gives the same bytes.
    """
    if not isinstance(content, TrainingResult):
        return zip_bytes(FORMAT, VERSION, *_network_parts(content))
    header, arrays = _network_parts(content.network)
    header["result"], of_result = result_parts(content)
    return zip_bytes(FORMAT, VERSION, header, arrays | of_result)


def _network_parts(network: Network) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays that store a network."""
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
        If the file is not one that `npz_bytes` makes. No more memory is allocated than the size
        of the file warrants.
    """
    header, members = read_archive(path, FORMAT, VERSION)
    has_result = "result" in header
    of_result = {name for name in members if has_result and name.startswith(("history_", "state_"))}
    network = _read_network(header, {name: members[name] for name in members.keys() - of_result})
    if not has_result:
        return network
    return read_result(header["result"], {name: members[name] for name in of_result}, network)


def _read_network(header: dict[str, Any], members: dict[str, bytes]) -> Network:
    sizes = layer_sizes(header.get("sizes"))
    arrays = _arrays(members, _names(header, len(sizes) - 2))
    with np.errstate(over="ignore"):
        network = _network(header, arrays, len(sizes) - 2)
    if network.sizes != sizes:
        raise ValueError(f"the header claims the sizes {sizes}, the arrays have {network.sizes}")
    return network


def _names(header: dict[str, Any], depth: int) -> list[str]:
    """Return the names of the arrays that the header announces."""
    names = [f"{letter}{layer}" for layer in range(depth) for letter in "Wb"] + ["C"]
    if flag(header.get("output_bias"), "output_bias"):
        names.append("a")
    if choice(header.get("kind"), "kind", _KINDS) == "ReducedNetwork":
        domain = DOMAINS[choice(header.get("domain"), "domain", DOMAINS)]
        names += [f"domain_{name}" for name in inspect.signature(domain).parameters]
    return names


def _arrays(members: dict[str, bytes], names: list[str]) -> dict[str, Array]:
    check_names(members, names)
    return {name: read_array(members[name], name) for name in names}


def _network(header: dict[str, Any], arrays: dict[str, Array], depth: int) -> Network:
    weights, thresholds = ([arrays[f"{letter}{layer}"] for layer in range(depth)] for letter in "Wb")
    # `Network` refuses an activation or a bound that is missing or not a string
    activation: Any = header.get("activation")
    bound: Any = header.get("bound")
    parameters = (weights, thresholds, arrays["C"], arrays.get("a"), activation)
    if header["kind"] == "Network":
        return Network(*parameters)
    parts = {name.removeprefix("domain_"): array[()] for name, array in arrays.items() if "_" in name}
    return ReducedNetwork(*parameters, domain=DOMAINS[header["domain"]](**parts), bound=bound)
