"""Estimate the memory and the time of a training method before it starts.

Second-order methods hold matrices of n_parameters^2 or n_samples n_parameters entries, which
outgrow any machine while the network and the samples still look small. Each factor below is the
number of such arrays that the method's code holds at once, rounded up.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork
from .methods.binary_candidates import n_directions
from .starts import N_CANDIDATES

GIB = 2**30
AUTO_BYTES = GIB
"""The most memory of a method that ``"auto"`` may choose."""

AUTO_OPERATIONS = 10**10
"""The most operations in a step of such a method: about a second, or a few."""

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def n_unknowns(optimiser: str, network: Network) -> int:
    """Return the number of variables of a second-order method."""
    if optimiser != "varpro":
        return network.n_parameters
    n_inputs, n_neurons = network.sizes[:2]  # the outgoing weights are solved for
    return n_neurons * (n_inputs if isinstance(network, ReducedNetwork) else n_inputs + 1)


def operations_needed(optimiser: str, network: Network, n_samples: int) -> int:
    """Estimate the number of operations in a step of a method that ``"auto"`` may choose.

    Least squares: where the Jacobian J has m rows and p columns, m p^2 for J^T J and p^3 for the
    linear system, or m^2 p for J J^T and m^3, if that is less. Exchange: about 40 for each pair of
    a neuron and a candidate to replace it.
    Exact: as many as a processor does while Python's integers give the cost of a run, and two for
    each of 2^18 choices of orientations and pair of neurons.
    """
    if optimiser == "exact":
        return 2400 * n_samples**2 + 2**19 * network.sizes[1]**2
    if optimiser == "exchange":
        return 40 * network.sizes[1] * n_directions(network, n_samples) * n_samples
    m, p = n_samples * network.n_outputs, n_unknowns(optimiser, network)
    return m * p * min(m, p) + min(m, p) ** 3


def bytes_needed(optimiser: str, network: Network, n_samples: int, rounds: int = 0) -> int:
    """Estimate the bytes that a method needs, beyond those linear in samples or parameters alone.

    Parameters
    ----------
    optimiser : str
    network : Network
    n_samples : int
    rounds : int
        Of ``"varpro"``, whose exchanges hold the activations of all candidates.

    Examples
    --------
    >>> bytes_needed("levenberg_marquardt", Network.random((10, 200, 200, 1), rng=0), 5000) // GIB
    5
    """
    if optimiser not in _ENTRIES:
        return 0
    n_candidates = 6 * N_CANDIDATES * n_samples if rounds else 0
    return 8 * (_ENTRIES[optimiser](network, n_samples) + n_candidates)


def _levenberg_marquardt(network: Network, n_samples: int) -> int:
    """Count the entries of J, its parts and copies, and of the matrix, scaled and factorised."""
    m, p = n_samples * network.n_outputs, network.n_parameters
    return 3 * m * p + 5 * min(m, p) ** 2


def _varpro(network: Network, n_samples: int) -> int:
    """Count the same for the hidden parameters, P G, and the activations' SVD."""
    m, p = n_samples * network.n_outputs, n_unknowns("varpro", network)
    dual = 2 * m * p if m < p else 0
    return 4 * n_samples * p + dual + 5 * min(m, p) ** 2 + 6 * n_samples * network.sizes[1]


def _slsqp(network: Network, n_samples: int) -> int:
    """Count the entries of SciPy's workspace and of the derivatives of the constraints."""
    return 12 * network.n_parameters**2


def _straight_through(network: Network, n_samples: int) -> int:
    """Count the entries of the activations and slopes of all layers, and temporary arrays."""
    return 5 * n_samples * sum(network.sizes)


def _exchange(network: Network, n_samples: int) -> int:
    """Count the entries of the arrays over candidates, of the columns and of their dual basis."""
    rows, columns = n_directions(network, n_samples), network.sizes[1] + 1
    return n_samples * ((9 + network.n_outputs) * rows + 6 * columns)


_ENTRIES: dict[str, Callable[[Network, int], int]] = {
    "levenberg_marquardt": _levenberg_marquardt, "varpro": _varpro, "slsqp": _slsqp,
    "exchange": _exchange, "surrogate": _straight_through,
}


def machine_bytes() -> float:
    """Return the memory in bytes of the machine or of its container; inf if unknown."""
    sizes = [np.inf]
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not a Unix
        pass
    try:
        sizes.append(int(CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        pass
    return min(sizes)


def affordable(optimiser: str, network: Network, n_samples: int) -> bool:
    """Return True if a step needs little enough time and memory for ``"auto"``."""
    fast = operations_needed(optimiser, network, n_samples) <= AUTO_OPERATIONS
    return fast and bytes_needed(optimiser, network, n_samples) <= AUTO_BYTES


def refusal_message(method: str, network: Network, needed: float) -> str:
    """Return the message of the error that a method needs too much memory."""
    text = f"method {method!r} needs about {needed / GIB:.3g} GiB of memory "
    text += "for this network and these samples"
    total = machine_bytes()
    if np.isfinite(total):
        text += f", and there are {total / GIB:.3g} GiB"
    relu = network.activation == "relu"
    return f"{text}: " + ("'lbfgs', 'adam' and 'sgd' need little" if relu else "take fewer samples")
