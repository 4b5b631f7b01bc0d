"""Mixed-integer programmes by `scipy.optimize.milp`: they propose and refute, and prove nothing.

The largest f_k - g_k and g_k - f_k, each ReLU an exact choice of its two pieces, with the proved bounds
of pre-activations as constants and the proved bounds of differences of matched neurons as cuts. A
solver works with tolerances of about 1e-6: its bound is only its word, its points are confirmed in rationals.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._validation import Array
from ..domains import Domain, Hull
from ..networks.affine_maps import affine_maps
from ..networks.network import Network
from .counterexamples import candidates, confirm
from .difference_bounds.neuron_classes import Difference
from .findings import Findings

LARGEST = 2000
"""The largest number of neurons that are tried."""


class Programme:
    """Variables with bounds, linear constraints low <= A v <= high, and which variables are integers."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.integer: list[int] = []
        self._rows: list[int] = []
        self._columns: list[int] = []
        self._entries: list[float] = []
        self._limits: list[tuple[float, float]] = []

    def variables(self, low: Array, high: Array, integer: int = 0) -> np.ndarray:
        """Add variables and return their numbers."""
        first = len(self.low)
        self.low += low.tolist()
        self.high += high.tolist()
        self.integer += [integer] * len(low)
        return np.arange(first, len(self.low))

    def constrain(self, terms: Sequence[tuple[np.ndarray, Any]], low: float, high: float) -> None:
        """Add low <= sum of coefficients times variables <= high; terms are (variables, coefficients)."""
        for columns, entries in terms:
            self._rows += [len(self._limits)] * len(columns)
            self._columns += np.asarray(columns).tolist()
            self._entries += np.asarray(entries, dtype=float).tolist()
        self._limits.append((low, high))

    def maximise(self, objective: Array, seconds: float) -> Any:
        """Return what SciPy's solver finds."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        shape = len(self._limits), len(self.low)
        places = np.array(self._rows, dtype=np.intc), np.array(self._columns, dtype=np.intc)
        A = csr_array((self._entries, places), shape=shape)  # the solver's indices are C's int
        constraints = [LinearConstraint(A, *np.array(self._limits).T)] if self._limits else []
        bounds = Bounds(np.array(self.low), np.array(self.high))
        return milp(-objective, integrality=np.array(self.integer), bounds=bounds, constraints=constraints,
                    options={"time_limit": seconds})


def programme(
    networks: Sequence[Network], domain: Domain, found: Difference
) -> tuple[Programme, np.ndarray, list[np.ndarray]]:
    """Return the programme of both networks on the domain, its inputs and the last hidden layers' values."""
    result = Programme()
    inputs = _inputs(result, domain)
    values = [inputs for _ in networks]
    binary = networks[0].activation == "binary"
    for layer, known in enumerate(found.layers):
        for side, network in enumerate(networks):
            W, b = affine_maps(network)[layer]
            low, high = known[side].low[:, 0], known[side].high[:, 0]
            values[side] = _neurons(result, W, b, values[side], low, high, binary)
        if len(networks) == 2 and not binary:
            _cuts(result, values, found, layer)
    return result, inputs, values


def _inputs(result: Programme, domain: Domain) -> np.ndarray:
    low, high = domain.bounding_box()
    inputs = result.variables(low, high)
    if isinstance(domain, Hull):
        weights = result.variables(np.zeros(len(domain.points)), np.ones(len(domain.points)))
        result.constrain([(weights, np.ones(len(weights)))], 1.0, 1.0)
        for x, column in zip(inputs, domain.points.T):
            result.constrain([(weights, column), (np.array([x]), np.array([-1.0]))], 0.0, 0.0)
    return inputs


def _neurons(
    result: Programme, W: Array, b: Array | None, below: np.ndarray, low: Array, high: Array, binary: bool
) -> np.ndarray:
    """Add a layer: h = max(z, 0) or h = 1[z > 0] with z = W h' + b in [low, high]."""
    assert b is not None
    on, off = low >= 0.0, high <= 0.0
    if binary:
        h = result.variables(np.where(low > 0.0, 1.0, 0.0), np.where(off, 0.0, 1.0), 1)
        for j in np.flatnonzero(~((low > 0.0) | off)):
            result.constrain([(below, W[j]), (h[[j]], [-high[j]])], -np.inf, -b[j])
            result.constrain([(below, W[j]), (h[[j]], [low[j]])], low[j] - b[j], np.inf)
        return h
    h = result.variables(np.maximum(low, 0.0), np.maximum(high, 0.0))
    chosen = result.variables(np.where(on, 1.0, 0.0), np.where(off, 0.0, 1.0), 1)
    for j in np.flatnonzero(~off):
        result.constrain([(below, -W[j]), (h[[j]], [1.0])], b[j], b[j] if on[j] else np.inf)
        if not on[j]:
            result.constrain([(h[[j]], [1.0]), (chosen[[j]], [-high[j]])], -np.inf, 0.0)
            result.constrain([(below, -W[j]), (h[[j]], [1.0]), (chosen[[j]], [-low[j]])], -np.inf, b[j] - low[j])
    return h


def _cuts(result: Programme, values: Sequence[np.ndarray], found: Difference, layer: int) -> None:
    """Add m - r <= h - |scale| H <= m + r for the members of each class."""
    match = found.matches[layer]
    network, index = match.representatives()
    for side, (labels, scales) in enumerate(zip(match.labels, match.scales)):
        rest = found.layers[layer][side].rest
        for m in np.flatnonzero(labels >= 0):
            head = values[network[labels[m]]][index[labels[m]]]
            if head != values[side][m]:
                middle, radius = rest.values[m, 0, 0], rest.radii[m, 0, 0]
                result.constrain([(values[side][[m]], [1.0]), (np.array([head]), [-abs(scales[m])])],
                                 middle - radius, middle + radius)


def propose(findings: Findings, found: Difference) -> None:
    """Ask the solver for each output's largest difference of either sign; confirm its points, note its bound."""
    question = findings.question
    networks = question.f, question.g
    if sum(sum(network.sizes[1:-1]) for network in networks) > LARGEST:
        return
    model, inputs, values = programme(networks, question.domain, found)
    largest = 0.0
    for k in range(question.f.n_outputs):
        objective = np.zeros(len(model.low))
        for side, sign in enumerate((1.0, -1.0)):
            np.add.at(objective, values[side], sign * networks[side].output_weights[k])
        biases = [0.0 if net.output_bias is None else net.output_bias[k] for net in networks]
        for sign in (1.0, -1.0):
            findings.check_time()
            answer = model.maximise(sign * objective, 0.8 * findings.remaining)  # its limit is a rough one
            bound = np.inf if answer.mip_dual_bound is None else -answer.mip_dual_bound
            largest = max(largest, bound + sign * (biases[0] - biases[1]))
            if answer.x is not None:
                X = candidates(*networks, question.domain, answer.x[inputs][np.newaxis])
                confirm(findings, X, "milp")
            if findings.gap > question.eps:
                return
    findings.solver_bound = largest + question.slack
