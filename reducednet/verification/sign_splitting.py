"""Branch and bound on the signs of neurons: one hidden ReLU layer, any number of inputs.

One output and one side of f - g is a sum of terms a_j s(z_j) over the neurons of both networks. A
node of a tree knows some of the signs, and bounds the sum by one affine function of x. The
multiples of z_j in it are free within limits; they are Lagrange multipliers, which a few dozen
steps of subgradient descent improve for many nodes at once. This is the idea of beta-CROWN (Wang et
al., NeurIPS 2021; arXiv 2103.06624), applied to a difference whose neurons are matched.

Rounding is not accounted for here: `certificates.check_signs`, which explains the affine bounds,
computes the bound that is proved from the tree and the multiples that are found here.

References
----------
PROOFS, section 23.
"""
from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.network import Network
from .certificates import check_signs
from .certificates.arithmetic import gamma
from .counterexamples import confirm, differences
from .difference_bounds.given_terms import layer_arrays
from .difference_bounds.neuron_classes import Match
from .findings import Findings
from .verdict import UNKNOWN

STEPS, RELAXATION, DEFLECTION, AIM = 24, 1.5, 1.5, 0.95
"""How many subgradient steps a node gets, and the parameters of `_bounded`, which say how long the
steps are, how far they avoid zigzags, and which share of the goal they aim at."""
ROUNDS = 20
"""How often nodes of which all signs are known get more steps before the search gives up."""
MEMORY = 1 << 19
"""About how many multiples one batch of nodes may have."""
LARGEST_TREES = 1 << 25
"""How many multiples the leaves of all trees may have together."""
PRODUCTS_A_SECOND, SECONDS_A_LEAF = 2e8, 1e-5
"""How many products the checker computes in a second at least, and how long it replays a leaf."""
TINY = np.finfo(float).tiny


class Functionals(NamedTuple):
    """The functionals side (f_k - g_k) = sum_j a_j s(z_j) + constant, a row each, on the domain.

    weights, thresholds : the n neurons' rows, g's before f's; see `check_signs.Neurons`
    extents : array (n,), the largest |z_j| on the domain
    rounding : array (n,), what the checker may charge for rounding, for a multiple of 1 of z_j
    a, lead, pair_part : arrays (functionals, n), see `check_signs.Functional`
    share, height : arrays (functionals, n): where a_j > 0, max(0, D_j) <= share D_j + height, the
        line through the ends of the range of D_j
    slopes, constants : arrays (functionals, d) and (functionals,), what opposite neurons and output
        biases add, with all that is charged for rounding but for multiples
    """

    domain: Domain
    weights: Array
    thresholds: Array
    extents: Array
    rounding: Array
    a: Array
    lead: np.ndarray
    pair_part: Array
    share: Array
    height: Array
    slopes: Array
    constants: Array


class Nodes(NamedTuple):
    """Nodes of the trees, a row each.

    number : the nodes' numbers in their trees
    functional : which functional they bound
    signs : array (nodes, n) of 1, -1, and 0 for unknown
    multiples : array (nodes, n), of z_j
    bound : array (nodes,)
    split : the neuron to split next, or -1 if no sign is unknown
    x : array (nodes, d), a point of the domain where the affine bound is largest
    """

    number: np.ndarray
    functional: np.ndarray
    signs: np.ndarray
    multiples: Array
    bound: Array
    split: np.ndarray
    x: Array

    def take(self, index: np.ndarray) -> Nodes:
        """Return the nodes with these indices."""
        return Nodes(*(values[index] for values in self))

    def join(self, other: Nodes) -> Nodes:
        """Return the nodes of both."""
        return Nodes(*(np.concatenate(pair) for pair in zip(self, other)))


class Trees:
    """The trees of all functionals: node i is a leaf, or its neuron was split.

    neuron : the neuron that was split, or -1 for a leaf
    child : the number of the part z >= 0; that of the part z <= 0 is the next
    multiples : {leaf: its multiples}; new leaves have those of the node that was split
    """

    def __init__(self, n_functionals: int) -> None:
        self.roots = n_functionals
        self.neuron, self.child = [-1] * n_functionals, [-1] * n_functionals
        self.multiples: dict[int, Array] = {}

    def split(self, nodes: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Split leaves; return the numbers of the parts, all those with z >= 0 first."""
        first = len(self.neuron)
        for count, (node, neuron) in enumerate(zip(nodes.tolist(), neurons.tolist())):
            self.neuron[node], self.child[node] = neuron, first + 2 * count
            multiples = self.multiples.pop(node)
            self.multiples |= {first + 2 * count: multiples, first + 2 * count + 1: multiples}
        self.neuron += [-1] * (2 * len(nodes))
        self.child += [-1] * (2 * len(nodes))
        positive = first + 2 * np.arange(len(nodes))
        return np.concatenate([positive, positive + 1])

    def keep(self, nodes: Nodes) -> None:
        """Keep the multiples of these leaves."""
        self.multiples.update(zip(nodes.number.tolist(), nodes.multiples))

    def arrays(self) -> dict[str, Any]:
        """Return the trees one after the other: a node, its part z >= 0, its part z <= 0."""
        splits, multiples = [], []
        waiting = list(range(self.roots))[::-1]
        while waiting:
            node = waiting.pop()
            splits.append(self.neuron[node])
            if self.neuron[node] < 0:
                multiples.append(self.multiples[node])
            else:
                waiting += [self.child[node] + 1, self.child[node]]
        return {"splits0": np.array(splits), "multiples0": np.array(multiples)}


def split_signs(findings: Findings, matches: Sequence[Match]) -> Generator[None, None, None]:
    """Split signs, the largest bound first, until the question is decided; yield after each batch.

    The bound is noted when the question is decided or the search is closed.

    Parameters
    ----------
    findings : Findings
    matches : list of one Match
    """
    question = findings.question
    f, g = question.given or (question.f, question.g)
    with suppress(ArithmeticError, ValueError):  # what leaves the range of float64 proves nothing
        labels, scales = pair_arrays(matches, (f, g), (question.f, question.g), question.domain)
        problem = functionals_of(labels, scales, f, g, question.domain)
        goal = (question.eps - question.evaluation_error) * (1.0 - 2.0**-50)
        if not (np.abs(problem.a) @ problem.rounding <= goal).all():
            return  # no bound is that small
        trees = Trees(len(problem.a))
        nodes = _bounded(problem, _roots(problem), goal)
        try:
            trees.keep(nodes)
            nodes = _open(nodes, goal)
            batch, rounds = len(nodes.number), 0
            while len(nodes.number) and findings.status == UNKNOWN:
                yield
                findings.check_time()
                began = findings.seconds
                worst = np.argsort(-nodes.bound, kind="stable")
                now, later = nodes.take(worst[:batch]), nodes.take(worst[batch:])
                _try_points(findings, now)
                rounds += int((now.split < 0).all())
                if rounds > ROUNDS or checker_seconds(problem, trees) > findings.remaining:
                    return
                parts = _improved(problem, now, trees, goal)
                nodes = later.join(_open(parts, goal))
                quick = findings.seconds - began < findings.remaining / 32.0
                batch = min(2 * batch, MEMORY // problem.a.shape[1]) if quick else batch // 2
                batch = max(batch, 4)
        finally:
            bound = nodes.bound.max(initial=goal)
            if findings.status == UNKNOWN and bound < findings.bound:
                arrays = {"labels0": labels, "scales0": scales} | trees.arrays()
                bound = check_signs.check(arrays, f, g, question.domain)
                findings.prove(bound, "branching", {"kind": "signs", "arrays": arrays})


def _improved(problem: Functionals, nodes: Nodes, trees: Trees, goal: float) -> Nodes:
    """Split nodes and return their parts, bounded.

    Nodes without a neuron to split get more steps. The trees change only when all is computed, so
    that they are whole whenever the search is interrupted.
    """
    can_be_split = nodes.split >= 0
    whole, now = (nodes.take(np.flatnonzero(index)) for index in (~can_be_split, can_be_split))
    found = _bounded(problem, whole.join(_parts(problem, now)), goal)
    found = found._replace(number=np.append(whole.number, trees.split(now.number, now.split)))
    trees.keep(found)
    return found


def _open(nodes: Nodes, goal: float) -> Nodes:
    """Return the nodes whose bounds are above the goal."""
    return nodes.take(np.flatnonzero(~(nodes.bound <= goal)))


def checker_seconds(problem: Functionals, trees: Trees) -> float:
    """Return about how many seconds the checker takes; inf if the trees are too large to keep."""
    n, d = problem.weights.shape
    leaves = len(trees.multiples)
    if leaves * n > LARGEST_TREES:
        return np.inf
    return leaves * (n * (d + 16) / PRODUCTS_A_SECOND + SECONDS_A_LEAF)


def pair_arrays(
    matches: Sequence[Match], given: tuple[Network, Network], scaled: tuple[Network, Network],
    domain: Domain,
) -> tuple[np.ndarray, Array]:
    """Return labels and scales of pairs, g's neurons before f's.

    The first neurons of a class in either network are a pair, unless one of them is dead or always
    on: alone, such a neuron is bounded exactly.
    """
    arrays = layer_arrays(matches, given, scaled)
    labels, scales = arrays["labels0"].copy(), arrays["scales0"]
    low, high = domain.ranges(np.concatenate([given[1].weights[0], given[0].weights[0]]))
    thresholds = np.concatenate([given[1].thresholds[0], given[0].thresholds[0]])
    is_stable = (low + thresholds >= 0.0) | (high + thresholds <= 0.0)
    labels[is_stable | (scales == 0.0)] = -1

    n_g = len(given[1].thresholds[0])
    for part in (labels[:n_g], labels[n_g:]):
        again = np.ones(len(part), dtype=bool)
        again[np.unique(part, return_index=True)[1]] = False
        part[again] = -1
    alone = ~np.isin(labels, np.intersect1d(labels[:n_g], labels[n_g:]))
    return np.where(alone, -1, labels), np.where(alone | (labels < 0), 0.0, scales)


def functionals_of(
    labels: np.ndarray, scales: Array, f: Network, g: Network, domain: Domain
) -> Functionals:
    """Return the functionals of all outputs and both sides, in the order of the certificate."""
    neurons = check_signs.neurons_of(labels, scales, f, g, domain)
    low, high = domain.ranges(neurons.weights)
    low, high = low + neurons.thresholds, high + neurons.thresholds
    extents = np.maximum(np.maximum(np.abs(low), np.abs(high)), TINY)
    charge = 2.0 * gamma(sum(neurons.weights.shape) + 16)
    rounding = charge * neurons.magnitude
    rows = []
    for output, side in product(range(f.n_outputs), check_signs.SIDES):
        of = check_signs.functional(f, g, output, side, neurons)
        D = check_signs.ranges_of_pairs(of, neurons, domain)
        up, down = np.maximum(D.high, 0.0), np.maximum(-D.low, 0.0)
        share = np.where(of.a > 0.0, up / np.maximum(up + down, TINY), 0.0)
        height = np.where(of.a > 0.0, np.maximum(share * down, (1.0 - share) * up), 0.0)
        added = np.where(neurons.is_opposite, -of.a, 0.0)
        slopes = added @ neurons.weights
        constant = added @ neurons.thresholds + of.constants.sum() + np.abs(added) @ rounding
        constant += charge * (height.sum() + np.abs(of.constants).sum())
        rows.append((of.a, of.lead, of.pair_part, share, height, slopes, constant))
    arrays = (np.array(values) for values in zip(*rows))
    return Functionals(domain, neurons.weights, neurons.thresholds, extents, rounding, *arrays)


def _roots(problem: Functionals) -> Nodes:
    """Return the nodes that know no sign, not bounded yet."""
    n_functionals, n = problem.a.shape
    numbers = np.arange(n_functionals)
    signs = np.zeros((n_functionals, n), dtype=np.int8)
    x = np.zeros((n_functionals, problem.weights.shape[1]))
    middle = np.minimum(problem.a, 0.0) / 2.0
    bound = np.full(n_functionals, np.inf)
    return Nodes(numbers, numbers, signs, middle, bound, np.zeros_like(numbers), x)


def _parts(problem: Functionals, nodes: Nodes) -> Nodes:
    """Return both parts of each node, z >= 0 first, with the node's multiples to begin with.

    Where z_j >= 0, these are a_j of z_j, and c_i more of the z_i that it leads; where z_j <= 0,
    nothing. On the range of D, both D and 0 are at most share D + height: so the parts' bounds
    begin at most at the node's.
    """
    index = np.arange(len(nodes.number))
    a, lead, pair_part = (
        values[nodes.functional] for values in (problem.a, problem.lead, problem.pair_part)
    )
    is_split = np.arange(a.shape[1]) == nodes.split[:, np.newaxis]
    is_led = lead == nodes.split[:, np.newaxis]
    parts = []
    for sign in (1, -1):
        signs = nodes.signs.copy()
        signs[index, nodes.split] = sign
        multiples = np.where(is_split, a if sign > 0 else 0.0, nodes.multiples)
        if sign > 0:
            multiples = np.where(is_led, multiples + pair_part, multiples)
        parts.append(nodes._replace(signs=signs, multiples=multiples))
    return parts[0].join(parts[1])


class Terms(NamedTuple):
    """What takes the place of each a_j s(z_j) at some nodes: (t + of_pair) z_j + height.

    a : the coefficients
    lead : the neuron that leads z_j in a pair of unknown sign, or -1
    is_joint : where the sign is unknown and a_j > 0
    least, most : the range of the multiple t
    share, of_pair, height : the share of D and what it adds to the multiple of z_j; its height
    slopes, constants : the affine function without t
    """

    a: Array
    lead: np.ndarray
    is_joint: np.ndarray
    least: Array
    most: Array
    share: Array
    of_pair: Array
    height: Array
    slopes: Array
    constants: Array


def _terms(problem: Functionals, nodes: Nodes) -> Terms:
    """Return the terms at these nodes; rounding is charged for all but t."""
    functional = nodes.functional
    a, part = problem.a[functional], problem.pair_part[functional]
    is_joint = (nodes.signs == 0) & (a > 0.0)
    lead = problem.lead[functional]
    is_led = (lead >= 0) & np.take_along_axis(is_joint, lead, axis=1)
    share = np.where(is_joint, problem.share[functional], 0.0)
    height = np.where(is_joint, problem.height[functional], 0.0)
    of_pair = np.where(is_led, np.take_along_axis(share, lead, axis=1) * part, share * a)

    rest = np.where(is_led, a - part, a)
    least = np.where(nodes.signs < 0, -np.inf, np.where(is_joint, 0.0, rest))
    most = np.where(nodes.signs > 0, np.inf, 0.0)
    slopes = problem.slopes[functional] + of_pair @ problem.weights
    constants = problem.constants[functional] + of_pair @ problem.thresholds
    constants += height.sum(axis=1) + np.abs(of_pair) @ problem.rounding
    lead = np.where(is_led, lead, -1)
    return Terms(a, lead, is_joint, least, most, share, of_pair, height, slopes, constants)


def _bounded(problem: Functionals, nodes: Nodes, goal: float) -> Nodes:
    """Return the nodes with the best bound, multiples and point of all subgradient steps.

    With t the multiple of z_j, the bound is convex in t, and z_j(x) is a subgradient at the point x
    where the affine function is largest. Multiples are measured in units of 1 / extent, so that the
    steps do not depend on the scales of rows. They are Polyak's, towards the goal, and deflected
    (Camerini, Fratta, Maffioli 1975) where they would go back and forth:

        e <- z + DEFLECTION max(0, -z.e) / |e|^2 e,
        t <- clip(t - RELAXATION (bound - AIM goal) / |e|^2 e).
    """
    terms = _terms(problem, nodes)
    t = np.clip(nodes.multiples, terms.least, terms.most)
    bound, best, x_at_best = np.full(len(t), np.inf), t.copy(), nodes.x.copy()
    mean, e, square = np.zeros_like(t), np.zeros_like(t), np.full(len(t), np.inf)
    for step in range(STEPS):
        rows = t @ problem.weights + terms.slopes
        x = problem.domain.support_points(rows)
        value = np.einsum("ij,ij->i", rows, x) + t @ problem.thresholds + terms.constants
        value += np.abs(t) @ problem.rounding
        z = x @ problem.weights.T + problem.thresholds
        mean += (step + 1.0) * z

        better = value < bound
        bound = np.where(better, value, bound)
        best[better], x_at_best[better] = t[better], x[better]
        if (bound <= goal).all():
            break

        is_held = ((t <= terms.least) & (z > 0.0)) | ((t >= terms.most) & (z < 0.0))
        direction = np.where(is_held, 0.0, z / problem.extents)
        back = np.maximum(-np.einsum("ij,ij->i", direction, e), 0.0)
        e = direction + (DEFLECTION * back / square)[:, np.newaxis] * e
        square = np.einsum("ij,ij->i", e, e)
        square[square == 0.0] = np.inf
        length = RELAXATION * np.maximum(value - AIM * goal, 0.0) / square
        t = np.clip(t - length[:, np.newaxis] * e / problem.extents, terms.least, terms.most)

    split = _neurons_to_split(terms, nodes.signs, best, mean / (STEPS * (STEPS + 1.0) / 2.0))
    multiples = np.where(terms.is_joint, terms.share, best)
    return nodes._replace(multiples=multiples, bound=bound, split=split, x=x_at_best)


def _neurons_to_split(terms: Terms, signs: np.ndarray, t: Array, z: Array) -> np.ndarray:
    """Return the neurons whose affine bounds lose most at z; -1 where no sign is unknown.

    z : the mean over the steps, which comes near a solution of the linear program whose dual the
        multiples solve; later steps count more

    What is lost at a pair is lost by its lead.
    """
    loss = terms.height + (t + terms.of_pair) * z - terms.a * np.maximum(z, 0.0)
    nodes, led = np.nonzero(terms.lead >= 0)
    np.add.at(loss, (nodes, terms.lead[nodes, led]), loss[nodes, led])
    may_be_split = (signs == 0) & (terms.lead < 0)
    loss = np.where(may_be_split, loss, -np.inf)
    return np.where(may_be_split.any(axis=1), loss.argmax(axis=1), -1)


def _try_points(findings: Findings, nodes: Nodes) -> None:
    """Evaluate f - g where the affine bounds are largest, and confirm a larger gap."""
    question = findings.question
    values = differences(question.f, question.g, nodes.x)
    best = np.argsort(-values, kind="stable")[:1]
    if values[best] > findings.gap * (1.0 + 1e-9):
        confirm(findings, nodes.x[best], "branching")
