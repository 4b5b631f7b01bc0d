"""How much memory and time a method asks for, before it asks.

Second-order methods hold matrices of n_parameters^2 or n_samples n_parameters entries, which leave
any machine while network and samples are still small. Each factor below is the number of such
arrays that exist at once in the method's code, rounded up.
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
"""What ``"auto"`` lets a method ask for."""

AUTO_OPERATIONS = 10**10
"""Operations in one step that ``"auto"`` lets a method make: a second or a few."""

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def unknowns(optimiser: str, network: Network) -> int:
    """Return how many coordinates a second-order method searches at once."""
    if optimiser != "varpro":
        return network.n_parameters
    n_inputs, n_neurons = network.sizes[:2]  # the outgoing weights are solved for
    return n_neurons * (n_inputs if isinstance(network, ReducedNetwork) else n_inputs + 1)


def operations(optimiser: str, network: Network, n_samples: int) -> int:
    """Return about how many operations a step makes of a method that ``"auto"`` may choose.

    Least squares: n p^2 for J^T J, with n the rows of the Jacobian J and p its columns, and p^3 for
    the linear system. Exchange: some 40 for each neuron and each candidate in its place.
    """
    if optimiser == "exchange":
        return 40 * network.sizes[1] * n_directions(network, n_samples) * n_samples
    p = unknowns(optimiser, network)
    return n_samples * network.n_outputs * p**2 + p**3


def bytes_needed(optimiser: str, network: Network, n_samples: int, rounds: int = 0) -> int:
    """Return about how much memory a method needs, beside what is linear in samples and parameters.

    Parameters
    ----------
    optimiser : str
    network : Network
    n_samples : int
    rounds : int
        Of ``"varpro"``: its exchanges hold the activations of all candidates.

    Examples
    --------
    >>> bytes_needed("levenberg_marquardt", Network.random((10, 200, 200, 1), rng=0), 500) // GIB
    68
    """
    if optimiser not in _ENTRIES:
        return 0
    n_candidates = 6 * N_CANDIDATES * n_samples if rounds else 0
    return 8 * (_ENTRIES[optimiser](network, n_samples) + n_candidates)


def _levenberg_marquardt(network: Network, n_samples: int) -> int:
    """J with its parts, and J^T J, scaled, factorised."""
    p = network.n_parameters
    return 3 * n_samples * network.n_outputs * p + 5 * p**2


def _varpro(network: Network, n_samples: int) -> int:
    """The same of the hidden parameters, one Jacobian for all outputs; the activations' SVD."""
    p = unknowns("varpro", network)
    return 3 * n_samples * p + 5 * p**2 + 6 * n_samples * network.sizes[1]


def _slsqp(network: Network, n_samples: int) -> int:
    """scipy's workspace, and the derivatives of the constraints."""
    return 12 * network.n_parameters**2


def _surrogate(network: Network, n_samples: int) -> int:
    """The activations and slopes of all layers, with what makes them."""
    return 5 * n_samples * sum(network.sizes)


def _exchange(network: Network, n_samples: int) -> int:
    """Some arrays of all candidates, and the present neurons' columns with their dual basis."""
    candidates, columns = n_directions(network, n_samples), network.sizes[1] + 1
    return n_samples * ((9 + network.n_outputs) * candidates + 6 * columns)


_ENTRIES: dict[str, Callable[[Network, int], int]] = {
    "levenberg_marquardt": _levenberg_marquardt, "varpro": _varpro, "slsqp": _slsqp,
    "exchange": _exchange, "surrogate": _surrogate,
}


def machine_bytes() -> float:
    """Return the memory of the machine or of its container; inf where it is not told."""
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


def served(optimiser: str, network: Network, n_samples: int) -> bool:
    """Tell whether ``"auto"`` may choose the method: a step is not too much for memory or time."""
    affordable = operations(optimiser, network, n_samples) <= AUTO_OPERATIONS
    return affordable and bytes_needed(optimiser, network, n_samples) <= AUTO_BYTES


def refusal(method: str, network: Network, needed: float) -> str:
    """Return the sentence for a method that does not find its memory."""
    text = f"method {method!r} needs about {needed / GIB:.3g} GiB of memory "
    text += "for this network and these samples"
    total = machine_bytes()
    if np.isfinite(total):
        text += f", and there are {total / GIB:.3g} GiB"
    relu = network.activation == "relu"
    return f"{text}: " + ("'lbfgs', 'adam' and 'sgd' need little" if relu else "take fewer samples")
