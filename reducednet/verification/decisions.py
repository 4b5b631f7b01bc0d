"""Prove that g decides as f wherever f decides clearly: pairs of outputs, and splits of the domain.

For each ordered pair of outputs (j, k) and each part of the domain, exclude the points with
f_j - f_i > delta for all i and g_k > g_j, by one of the bounds that `certificates.check_top1`
lists. Most pairs are settled on the whole domain by the bounds of f_j - f_i alone: j never leads.
For the others try multipliers, and split.

On the whole domain the checker's own bounds are used. On parts of it bounds are proposals, those of
`difference` for two networks whose outputs are linear functions of the given ones, where the sums
of output weights are rounded. What is proposed is proved by the checker, whose number is the bound
of the verdict.

References
----------
PROOFS, section 25.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Box
from ..networks.network import Network
from .certificates.certificate import NOTHING_PROVED, Certificate, proved_number
from .certificates.check_top1 import WHOLE_DOMAIN, BySymbolicRows, ways_on_domain
from .certify import NOT_SPLIT, tree_arrays
from .difference_bounds.affine_forms import Region, boxes
from .difference_bounds.difference import difference, fixed_matches
from .difference_bounds.given_terms import layer_arrays
from .difference_bounds.neuron_classes import Match
from .disagreements import confirm_disagreement, decisions_at
from .findings import Findings, Question
from .input_splitting import Frontier, Splits, drop_outside, outer_box, split_leaves
from .symbolic_bounds.symbolic_difference import symbolic_cost
from .symbolic_bounds.symbolic_network import FINEST_PRECISION, ON, write_symbolically

MULTIPLIERS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The multipliers mu_i that are tried, one output i at a time."""
CLOSEST_RIVALS = 3
"""How many outputs i besides k are tried: those with the smallest bounds of f_j - f_i."""
MEMORY = 1 << 22
"""About how many numbers the linear bounds of the functions of outputs may hold at a time."""
FORM_PRODUCTS = 4e9
"""How many products affine forms may cost in deep networks; above that, use intervals alone."""
SYMBOLIC_PRODUCTS = 2e8
"""How many products symbolic rows may cost on the whole domain for each second that is left."""
SHARE_OF_TIME = 0.5
"""Which part of the time left may be spent on splits: the checker repeats the leaves' bounds."""


class Functions(NamedTuple):
    """Linear functions (of_f) f + (of_g) g of the outputs, a row each: arrays (n, K)."""

    of_f: Array
    of_g: Array

    def take(self, index: Any) -> Functions:
        """Return some of the functions."""
        return Functions(self.of_f[index], self.of_g[index])


class Suprema(NamedTuple):
    """Upper bounds of functions over B sets.

    high : array (n, B)
    slopes : array (n, d, B), of the affine forms behind the bounds
    influence : array (d, B), see `Difference`
    """

    high: Array
    slopes: Array
    influence: Array


Bounder = Callable[[Functions], Suprema]
"""Bounds linear functions of the outputs over some sets. Any bounds will do: `suprema_on_domain`
and `suprema_on_boxes` are two choices."""


def suprema_on_domain(ways: Sequence[Any]) -> Bounder:
    """Return the function that bounds functions of the outputs as the checker does."""
    def bound(functions: Functions) -> Suprema:
        coefficients = np.concatenate([functions.of_g, functions.of_f], axis=1)
        found = [way.suprema(way.combined(coefficients, way.outputs)) for way in ways]
        no_slopes = np.zeros((len(coefficients), 0, 1))
        return Suprema(np.min(found, axis=0), no_slopes, np.zeros((0, 1)))

    return bound


def suprema_on_boxes(question: Question, matches: Sequence[Match], region: Region) -> Bounder:
    """Return the function that bounds functions of the outputs with these classes of neurons.

    (of_f) f + (of_g) g is the difference of two networks: f with output weights (of_f) C_f, and g
    with -(of_g) C_g.
    """
    f, g = question.f, question.g
    linear = _forms_are_cheap(f, g)

    def bound(functions: Functions) -> Suprema:
        step = max(1, MEMORY // ((f.n_inputs + 2) * region.n_sets))
        parts = []
        for start in range(0, len(functions.of_f), step):
            part = functions.take(slice(start, start + step))
            networks = _with_outputs(f, part.of_f), _with_outputs(g, -part.of_g)
            found = difference(networks, region, fixed_matches(matches), linear, subregion=True)
            high = region.bounds(found.forms)[1]
            parts.append(Suprema(high, found.forms.slopes, found.influence))
        high, slopes = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        return Suprema(high, slopes, parts[0].influence)

    return bound


def _forms_are_cheap(f: Network, g: Network) -> bool:
    """Return True if affine forms of all layers are worth their cost: decisions hang on them."""
    return f.depth == 1 or (f.n_parameters + g.n_parameters) * (f.n_inputs + 2) <= FORM_PRODUCTS


def _with_outputs(network: Network, M: Array) -> Network:
    """Return the network whose outputs are M times the network's."""
    bias = None if network.output_bias is None else M @ network.output_bias
    weights = M @ network.output_weights
    return Network(network.weights, network.thresholds, weights, bias, network.activation)


# numbers of pairs


class Pairs(NamedTuple):
    """What is proposed for pairs of outputs on B sets.

    numbers : array (n, B), the least delta that is proposed for each pair
    multipliers : array (n, B, K), those behind the number; 0 where none are needed
    slopes : array (n, d, B), of g_k - g_j + f_j - f_k
    influence : array (d, B)
    """

    numbers: Array
    multipliers: Array
    slopes: Array
    influence: Array


def bound_pairs(bound: Bounder, pairs: np.ndarray, n_outputs: int, delta: float) -> Pairs:
    """Return the numbers of pairs (j, k), (n, 2), on each set.

    Where no simple bound reaches delta, try multipliers.
    """
    leaders = np.unique(pairs[:, 0])
    rivals = [(j, i) for j in leaders for i in range(n_outputs) if i != j]
    of_f = _leads(np.array(rivals), n_outputs)
    leads = bound(Functions(of_f, 0.0 * of_f))
    n_sets = leads.high.shape[1]
    of_f_by_pair = np.full((n_outputs, n_outputs, n_sets), np.inf)
    of_f_by_pair[tuple(np.transpose(rivals))] = leads.high
    never_leads = of_f_by_pair.min(axis=1)[pairs[:, 0]]

    # the others' functions are only needed where j may lead
    open_pairs = np.flatnonzero((never_leads > delta).any(axis=1))
    numbers = np.maximum(never_leads, 0.0)
    multipliers = np.zeros((len(pairs), n_sets, n_outputs))
    slopes = np.zeros((len(pairs), *leads.slopes.shape[1:]))
    if len(open_pairs):
        D = _leads(pairs[open_pairs], n_outputs)
        both = Functions(np.concatenate([0.0 * D, D]), np.concatenate([-D, -D]))
        found = bound(both)
        beaten, together = np.split(found.high, 2)
        slopes[open_pairs] = np.split(found.slopes, 2)[1]
        better = np.where(beaten <= 0.0, 0.0, np.maximum(together, 0.0))
        numbers[open_pairs] = np.fmin(numbers[open_pairs], better)
    result = Pairs(numbers, multipliers, slopes, leads.influence)
    _try_multipliers(bound, pairs, of_f_by_pair, delta, result)
    return result


def _leads(pairs: np.ndarray, n_outputs: int) -> Array:
    """Return the coefficients of v_j - v_k, a row for each pair (j, k)."""
    identity = np.eye(n_outputs)
    return identity[pairs[:, 0]] - identity[pairs[:, 1]]


def _try_multipliers(
    bound: Bounder, pairs: np.ndarray, leads: Array, delta: float, result: Pairs
) -> None:
    """Improve numbers above delta by multipliers: g_k - g_j + mu (f_j - f_i), for several i and mu.

    leads : array (K, K, B), the bounds of f_j - f_i
    """
    n_outputs = len(leads)
    open_pairs = np.flatnonzero((result.numbers > delta).any(axis=1))
    if not len(open_pairs):
        return
    mu = [_candidates(pairs[index], leads) for index in open_pairs]
    starts = np.cumsum([0, *map(len, mu)])
    of_f = -np.concatenate(mu)
    owners = np.repeat(open_pairs, np.diff(starts))  # the pair of each row
    of_f[np.arange(len(of_f)), pairs[owners, 0]] = -of_f.sum(axis=1)
    high = bound(Functions(of_f, -_leads(pairs[owners], n_outputs))).high

    for index, own, start in zip(open_pairs, mu, starts):
        numbers = np.maximum(high[start:start + len(own)], 0.0) / own.sum(axis=1)[:, np.newaxis]
        best, sets = numbers.argmin(axis=0), np.arange(numbers.shape[1])
        better = np.flatnonzero(numbers[best, sets] < result.numbers[index])
        result.numbers[index, better] = numbers[best, sets][better]
        result.multipliers[index, better] = own[best[better]]


def _candidates(pair: np.ndarray, leads: Array) -> Array:
    """Return the multipliers that are tried for a pair, (n, K): for k and for the closest rivals."""
    j, k = pair
    closest = np.argsort(leads[j].min(axis=1), kind="stable")[:CLOSEST_RIVALS]
    outputs = np.unique([k, *closest[closest != j]])
    mu = np.zeros((len(outputs) * len(MULTIPLIERS), len(leads)))
    mu[np.arange(len(mu)), np.repeat(outputs, len(MULTIPLIERS))] = np.tile(MULTIPLIERS, len(outputs))
    return mu


# provers


class Mixture(NamedTuple):
    """The multipliers that settle a pair on a node of the tree, or on the whole domain."""

    node: int
    pair: tuple[int, ...]
    multipliers: Array


class Open(NamedTuple):
    """The pairs of outputs that the whole domain leaves open, and the multipliers of the others.

    pairs : integer array (n, 2)
    mixtures : list of Mixture
    by_rows : True if symbolic rows bound one of them better than forms do
    layers : the arrays of the evidence about layers
    """

    pairs: np.ndarray
    mixtures: list[Mixture]
    by_rows: bool
    layers: dict[str, Any]


def on_whole_domain(findings: Findings, matches: Sequence[Match]) -> Open:
    """Bound all pairs on the whole domain; return those that remain open."""
    question = findings.question
    f, g = _given(question)
    n_outputs = f.n_outputs
    pairs = np.argwhere(~np.eye(n_outputs, dtype=bool))
    arrays = _layers(findings, matches)
    try:
        ways = ways_on_domain(arrays, f, g, question.domain)
        found = bound_pairs(suprema_on_domain(ways), pairs, n_outputs, question.eps)
        left = pairs[~(found.numbers[:, 0] <= question.eps)]
        by_rows = len(left) > 0 and _rows_are_better(ways, left, question)
    except NOTHING_PROVED:
        return Open(pairs, [], False, arrays)
    mixtures = [
        Mixture(WHOLE_DOMAIN, tuple(pair), mu)
        for pair, mu in zip(pairs.tolist(), found.multipliers[:, 0]) if mu.any()
    ]
    findings.check_time()
    _prove(findings, arrays | NOT_SPLIT, "decisions", mixtures)
    return Open(left, mixtures, by_rows, arrays)


def _rows_are_better(ways: Sequence[Any], pairs: np.ndarray, question: Question) -> bool:
    """Return True if symbolic rows, the second way, have a smaller largest number than forms."""
    largest = [
        bound_pairs(suprema_on_domain([way]), pairs, question.f.n_outputs, question.eps).numbers.max()
        for way in ways
    ]
    return bool(largest[-1] < largest[0])


def _given(question: Question) -> tuple[Network, ...]:
    return question.given or (question.f, question.g)


def _layers(findings: Findings, matches: Sequence[Match]) -> dict[str, Any]:
    """Return the arrays of the evidence about layers: classes, and roles for symbolic rows."""
    question = findings.question
    f, g = _given(question)
    arrays = layer_arrays(matches, (f, g), (question.f, question.g))
    arrays["linear"] = np.array(int(_forms_are_cheap(question.f, question.g)))
    if symbolic_cost(f, g) > SYMBOLIC_PRODUCTS * findings.remaining:
        return arrays
    roles = []
    for network in (g, f):
        written = write_symbolically(network, question.domain, FINEST_PRECISION, exclude=False)
        own = [np.minimum(role.labels, 0) for role in written.roles]
        # layers that only repeat the last one hold no negative numbers: always on
        missing = max(f.depth, g.depth) - network.depth
        roles.append(own + [np.full(network.sizes[-2], ON)] * missing)
    for layer, both in enumerate(zip(*roles)):
        arrays[f"roles{layer}"] = np.concatenate(both)
    return arrays


def branch_decisions(findings: Findings, matches: Sequence[Match], left: Open) -> None:
    """Split boxes, those with the largest numbers first, until the open pairs are settled on all.

    Stop when `SHARE_OF_TIME` is spent, and prove what the leaves prove by then if that takes the
    checker no longer than there is time.
    """
    question, pairs = findings.question, left.pairs
    deadline = findings.seconds + SHARE_OF_TIME * findings.remaining
    layers, by_rows = left.layers, left.by_rows
    splits = Splits()
    mixtures: dict[int, list[Mixture]] = {}
    low, high = (corner[:, np.newaxis] for corner in outer_box(question.domain))
    size = (2 * sum(question.f.sizes) + 3 * len(pairs)) * (question.f.n_inputs + 2)
    largest = int(np.clip(MEMORY // 4 // size, 2, 256))

    def examine(low: Array, high: Array, nodes: np.ndarray) -> Frontier:
        region = boxes(low, high)
        bound = suprema_on_boxes(question, matches, region)
        found = bound_pairs(bound, pairs, question.f.n_outputs, question.eps)
        if by_rows:
            _sharpen(findings, found, layers, low, high, pairs)
        worst = found.numbers.argmax(axis=0)
        for number, box in np.argwhere(found.multipliers.any(axis=2)):
            node, mu = int(nodes[box]), found.multipliers[number, box]
            mixtures.setdefault(node, []).append(Mixture(node, tuple(pairs[number]), mu))
        slopes = found.slopes[worst, :, np.arange(len(nodes))].T
        if not len(slopes):  # intervals alone
            slopes = np.zeros_like(low)
        _try_corners(findings, region, slopes)
        influence = found.influence + 1e-3 * np.abs(slopes)
        influence = np.where(high > low, np.where(np.isfinite(influence), influence, 0.0), -1.0)
        return Frontier(low, high, found.numbers.max(axis=0), influence.argmax(axis=0), nodes)

    batch, began, examined = 2, findings.seconds, 1
    frontier = examine(low, high, np.zeros(1, dtype=int))
    while len(frontier.node) and not findings.refuted and findings.seconds < deadline:
        started = findings.seconds
        worst = np.argsort(-frontier.bound, kind="stable")
        now, later = frontier.take(worst[:batch]), frontier.take(worst[batch:])
        corners = split_leaves(splits, now)
        if corners is None:
            break  # a box is as small as float64 allows
        for node in now.node.tolist():
            mixtures.pop(node, None)
        parts = examine(*corners)
        kept = np.flatnonzero(~(parts.bound <= question.eps))
        frontier = later.join(drop_outside(splits, findings, parts.take(kept)))
        examined += len(parts.node)
        quick = findings.seconds - started < (deadline - findings.seconds) / 8.0
        batch = min(2 * batch, largest) if quick else max(1, batch // 2)

    leaves = [node for node in splits.preorder() if splits.axis[node] == -1]
    seconds = (findings.seconds - began) / examined * len(leaves)
    in_time = not len(frontier.node) or seconds < findings.remaining
    if not findings.refuted and in_time:
        kept_mixtures = [
            one._replace(node=leaf)
            for leaf, node in enumerate(leaves) for one in mixtures.get(node, [])
        ]
        arrays = layers | tree_arrays(splits) | {"open": pairs, "rows": np.array(int(by_rows))}
        _prove(findings, arrays, "branching", [*left.mixtures, *kept_mixtures])


def _sharpen(
    findings: Findings, found: Pairs, layers: dict[str, Any], low: Array, high: Array,
    pairs: np.ndarray,
) -> None:
    """Improve numbers above delta by symbolic rows, box by box, in place."""
    question = findings.question
    f, g = _given(question)
    for box in np.flatnonzero((found.numbers > question.eps).any(axis=0)):
        findings.check_time()
        way = BySymbolicRows(layers, f, g, Box(low[:, box], high[:, box]))
        open_here = np.flatnonzero(found.numbers[:, box] > question.eps)
        bound = suprema_on_domain([way])
        own = bound_pairs(bound, pairs[open_here], question.f.n_outputs, question.eps)
        better = own.numbers[:, 0] < found.numbers[open_here, box]
        found.numbers[open_here[better], box] = own.numbers[better, 0]
        found.multipliers[open_here[better], box] = own.multipliers[better, 0]


def _try_corners(findings: Findings, region: Region, slopes: Array) -> None:
    """Look for a counterexample at the corners where g_k - g_j + f_j - f_k is large."""
    question = findings.question
    X = np.concatenate([region.middle + np.sign(slopes) * region.radius, region.middle], axis=1).T
    X = np.clip(X, *question.domain.bounding_box())
    promising = decisions_at(question.f, question.g, X).score(question.eps) > 0.0
    X = X[promising]
    if len(X):
        X = X[question.domain.contains(X)]
    if len(X):
        confirm_disagreement(findings, X, "branching")


def _prove(
    findings: Findings, arrays: dict[str, Any], method: str, mixtures: Sequence[Mixture]
) -> None:
    """Let the checker prove what is proposed, and note its number."""
    f, g = _given(findings.question)
    if mixtures:
        arrays["leaf"] = np.array([one.node for one in mixtures])
        arrays["pairs"] = np.array([one.pair for one in mixtures])
        arrays["multipliers"] = np.array([one.multipliers for one in mixtures])
    try:
        evidence = Certificate("agreement", 0.0, 0.0, 0.0, 0.0, "top1", arrays, "")
        found = float(proved_number(evidence, f, g, findings.question.domain))
    except NOTHING_PROVED:
        return
    findings.prove(found, method, {"kind": "top1", "arrays": arrays})
