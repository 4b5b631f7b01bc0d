"""Propose counterexamples by mixed-integer programs (`scipy.optimize.milp`), which prove nothing.

Maximise f_k - g_k and g_k - f_k, with each ReLU as a choice between its two pieces (big-M
constraints) whose constants are the proved pre-activation bounds, and with the proved bounds on the
differences of matched neurons as further constraints. A solver works with tolerances of about 1e-6:
its points are confirmed in rationals, and its bound is no proof.

References
----------
PROOFS, section 10.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain, Hull
from ..networks.network import Network
from .counterexamples import confirm, promising_points
from .difference_bounds.neuron_classes import Difference
from .findings import Findings

MAX_NEURONS = 2000
"""The largest number of hidden neurons of both networks that the solver is asked about."""


class MixedIntegerProgram:
    """Bounded variables, some of them integers, and linear constraints low <= A v <= high."""

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
        """Add low <= sum of coefficients times variables <= high.

        terms : pairs (variables, coefficients)
        """
        for columns, entries in terms:
            self._rows += [len(self._limits)] * len(columns)
            self._columns += np.asarray(columns).tolist()
            self._entries += np.asarray(entries, dtype=float).tolist()
        self._limits.append((low, high))

    def maximise(self, objective: Array, seconds: float) -> Any:
        """Return the result of SciPy's solver."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        shape = len(self._limits), len(self.low)
        # the solver's indices are C's int
        indices = np.array(self._rows, dtype=np.intc), np.array(self._columns, dtype=np.intc)
        A = csr_array((self._entries, indices), shape=shape)
        A.sum_duplicates()  # a variable may stand twice in a row, and older SciPy leaves it so
        constraints = [LinearConstraint(A, *np.array(self._limits).T)] if self._limits else []
        bounds = Bounds(np.array(self.low), np.array(self.high))
        return milp(
            -objective, integrality=np.array(self.integer), bounds=bounds, constraints=constraints,
            options={"time_limit": seconds},
        )


class _Neurons(NamedTuple):
    """A layer h = relu(W below + b): its rows, and the variables of `below`, h and the pieces."""

    W: Array
    b: Array
    below: np.ndarray
    h: np.ndarray
    chosen: np.ndarray


def program_of(
    networks: Sequence[Network], domain: Domain, found: Difference
) -> tuple[MixedIntegerProgram, np.ndarray, list[np.ndarray]]:
    """Return the program of these networks on the domain, without an objective.

    Also return the variables of the inputs, and for each network those of its last hidden layer.
    """
    program = MixedIntegerProgram()
    inputs = _add_inputs(program, domain)
    values = [inputs for _ in networks]
    binary = networks[0].activation == "binary"
    for layer, known in enumerate(found.layers):
        neurons = []
        for side, network in enumerate(networks):
            W, b = network.weights[layer], network.thresholds[layer]
            low, high = known[side].low[:, 0], known[side].high[:, 0]
            h, chosen = _add_layer(program, W, b, values[side], low, high, binary)
            neurons.append(_Neurons(W, b, values[side], h, chosen))
        values = [own.h for own in neurons]
        if len(networks) == 2 and not binary:
            _add_matched_differences(program, neurons, found, layer)
    return program, inputs, values


def _add_inputs(program: MixedIntegerProgram, domain: Domain) -> np.ndarray:
    low, high = domain.bounding_box()
    inputs = program.variables(low, high)
    if isinstance(domain, Hull):
        weights = program.variables(np.zeros(len(domain.points)), np.ones(len(domain.points)))
        program.constrain([(weights, np.ones(len(weights)))], 1.0, 1.0)
        for x, column in zip(inputs, domain.points.T):
            program.constrain([(weights, column), (np.array([x]), np.array([-1.0]))], 0.0, 0.0)
    return inputs


def _add_layer(
    program: MixedIntegerProgram, W: Array, b: Array, below: np.ndarray, low: Array,
    high: Array, binary: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Add a layer h = max(z, 0) or h = 1[z > 0] with z = W h' + b in [low, high].

    Return the variables h, and those that choose the piece: an integer variable in {0, 1} for each
    unstable neuron. low and high are the constants M of the big-M constraints.
    """
    on, off = low >= 0.0, high <= 0.0
    if binary:
        h = program.variables(np.where(low > 0.0, 1.0, 0.0), np.where(off, 0.0, 1.0), 1)
        for j in np.flatnonzero(~((low > 0.0) | off)):
            program.constrain([(below, W[j]), (h[[j]], [-high[j]])], -np.inf, -b[j])
            program.constrain([(below, W[j]), (h[[j]], [low[j]])], low[j] - b[j], np.inf)
        return h, h
    h = program.variables(np.maximum(low, 0.0), np.maximum(high, 0.0))
    chosen = program.variables(np.where(on, 1.0, 0.0), np.where(off, 0.0, 1.0), 1)
    for j in np.flatnonzero(~off):
        program.constrain([(below, -W[j]), (h[[j]], [1.0])], b[j], b[j] if on[j] else np.inf)
        if not on[j]:
            program.constrain([(h[[j]], [1.0]), (chosen[[j]], [-high[j]])], -np.inf, 0.0)
            terms = [(below, -W[j]), (h[[j]], [1.0]), (chosen[[j]], [-low[j]])]
            program.constrain(terms, -np.inf, b[j] - low[j])
    return h, chosen


def _add_matched_differences(
    program: MixedIntegerProgram, neurons: Sequence[_Neurons], found: Difference, layer: int
) -> None:
    """Add constraints on r = h - |scale| H for each neuron h with a representative H.

    First m - radius <= r <= m + radius by the proved bounds. For a positive scale besides, with
    z - scale Z = delta in [-M, M], and p, P the variables that are 1 where z and Z are positive,

        -M P <= r <= M p,    -M (1 - P) <= r - delta <= M (1 - p):

    big-M constraints whose M bounds the difference of two neurons, not each of them.
    """
    match = found.matches[layer]
    network, index = match.representatives()
    for side, (own, labels, scales) in enumerate(zip(neurons, match.labels, match.scales)):
        rest, mismatch = found.layers[layer][side].rest, found.layers[layer][side].mismatch
        for m in np.flatnonzero(labels >= 0):
            other, c = neurons[network[labels[m]]], index[labels[m]]
            if other.h[c] == own.h[m]:
                continue
            middle, radius = rest.values[m, 0, 0], rest.radii[m, 0, 0]
            scale, M = scales[m], mismatch[m, 0]
            r = [(own.h[[m]], [1.0]), (other.h[[c]], [-abs(scale)])]
            program.constrain(r, middle - radius, middle + radius)
            if scale <= 0.0:
                continue
            p, P = own.chosen[[m]], other.chosen[[c]]
            delta_b = own.b[m] - scale * other.b[c]
            r_minus_delta = [*r, (own.below, -own.W[m]), (other.below, scale * other.W[c])]
            program.constrain([*r, (p, [-M])], -np.inf, 0.0)
            program.constrain([*r, (P, [M])], 0.0, np.inf)
            program.constrain([*r_minus_delta, (p, [M])], -np.inf, M + delta_b)
            program.constrain([*r_minus_delta, (P, [-M])], delta_b - M, np.inf)


def propose(findings: Findings, found: Difference, until: float) -> None:
    """Ask a solver for the largest f_k - g_k and g_k - f_k; confirm its points, note its bound.

    It has the time until findings.seconds is `until`.
    """
    question = findings.question
    networks = question.f, question.g
    if sum(sum(network.sizes[1:-1]) for network in networks) > MAX_NEURONS:
        return
    program, inputs, values = program_of(networks, question.domain, found)
    largest = 0.0
    for k in range(question.f.n_outputs):
        objective = np.zeros(len(program.low))
        for side, sign in enumerate((1.0, -1.0)):
            np.add.at(objective, values[side], sign * networks[side].output_weights[k])
        biases = [
            0.0 if network.output_bias is None else network.output_bias[k] for network in networks
        ]
        for sign in (1.0, -1.0):
            findings.check_time()
            left = 2 * (question.f.n_outputs - k) - (sign < 0.0)
            seconds = (until - findings.seconds) / left
            if seconds <= 0.0:
                return
            answer = program.maximise(sign * objective, seconds)
            bound = np.inf if answer.mip_dual_bound is None else -answer.mip_dual_bound
            largest = max(largest, bound + sign * (biases[0] - biases[1]))
            if answer.x is not None:
                X = promising_points(*networks, question.domain, answer.x[inputs][np.newaxis])
                confirm(findings, X, "milp")
            if findings.gap > question.eps:
                return
    findings.solver_bound = largest + question.evaluation_error
