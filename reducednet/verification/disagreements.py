"""Search for points where f decides clearly and g decides otherwise; confirm them in rationals.

f decides for its largest output j, and leads by f_j - max of the others. g decides otherwise if
some g_k > g_j. Both hold where the smaller of two numbers is positive, the **score** of a point:

    score(x) = min( f_j - max_{i != j} f_i - delta,  max_{k != j} g_k - g_j ).

Such points lie along the surfaces where f's decision changes, between them and those of g.
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.network import Network
from ..numerics.rationals import rationals
from .counterexamples import (
    SHARES, directions_to_corners, gradient_of_output, move_inside,
)
from .findings import Findings
from .rational import ExactNetwork

BUDGET = 100_000_000
"""About how many products the search may cost: large networks get fewer points."""
SAMPLES, SEGMENTS, CLIMBERS, STEPS = 2000, 64, 16, 30
"""How many points are sampled, how many segments between them are searched, how many of the best
points are improved by ascent, in how many steps."""
BISECTIONS = 50
"""How often a segment is halved around the point where f's decision changes."""
EXACT_POINTS = 8
"""How many points are evaluated in rationals at most."""


class Decisions(NamedTuple):
    """The decisions of f and g at n points, and how clear they are; integers and floats (n,).

    j, k : f's largest output, and the largest of the others of g
    lead : f_j minus the largest of the others of f
    excess : g_k - g_j
    """

    j: np.ndarray
    k: np.ndarray
    lead: Array
    excess: Array

    def score(self, delta: float) -> Array:
        """Return the score of each point; -inf where an output is not finite."""
        score = np.minimum(self.lead - delta, self.excess)
        return np.where(np.isfinite(score), score, -np.inf)


def decisions_at(f: Network, g: Network, X: Array) -> Decisions:
    """Return the decisions at each sample, computed in float64."""
    one, other = _outputs(f, X), _outputs(g, X)
    index = np.arange(len(X))
    j = one.argmax(axis=1)
    largest, of_j = one[index, j], other[index, j].copy()
    one[index, j] = other[index, j] = -np.inf
    k = other.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        return Decisions(j, k, largest - one.max(axis=1), other[index, k] - of_j)


def _outputs(network: Network, X: Array) -> Array:
    """Return the outputs; nan for all samples if an output overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return np.array(network(X))
        except ValueError:
            return np.full((len(X), network.n_outputs), np.nan)


def promising_points(f: Network, g: Network, domain: Domain, delta: float) -> Array:
    """Return points of the domain where f and g seem to decide differently, the best first."""
    rng, price = np.random.default_rng(0), f.n_parameters + g.n_parameters
    corners = domain.support_points(directions_to_corners(domain.n_inputs, rng))
    X = domain.sample(int(np.clip(BUDGET // (8 * price), 16, SAMPLES)), rng)
    X = np.concatenate([corners[:len(X)], X])
    X = np.concatenate([X, points_beside_boundaries(f, g, X, delta, rng)])
    best = X[np.argsort(-decisions_at(f, g, X).score(delta), kind="stable")[:CLIMBERS]]
    steps = min(STEPS, 1 + BUDGET // (price * len(best) * len(SHARES)))
    for _ in range(steps):
        better = _climb(f, g, domain, delta, best)
        if np.array_equal(better, best):
            break
        best = better
    return np.concatenate([best, X])


def points_beside_boundaries(
    f: Network, g: Network, X: Array, delta: float, rng: np.random.Generator
) -> Array:
    """Return points on segments between samples, near where f's decision changes.

    Each segment joins two samples for which f decides differently. It is halved around a change of
    the decision; the points at distances 2^-1, 2^-2, ... of its length from the change, on both
    sides, are compared by their scores, and the best of each segment is returned.
    """
    j = decisions_at(f, g, X).j
    starts = rng.integers(len(X), size=4 * SEGMENTS)
    ends = rng.integers(len(X), size=4 * SEGMENTS)
    differ = np.flatnonzero(j[starts] != j[ends])[:SEGMENTS]
    if not len(differ):
        return X[:0]
    start, end = X[starts[differ]], X[ends[differ]]
    own = j[starts[differ]]
    before, after = np.zeros((len(differ), 1)), np.ones((len(differ), 1))
    for _ in range(BISECTIONS):
        middle = (before + after) / 2.0
        same = (decisions_at(f, g, start + middle * (end - start)).j == own)[:, np.newaxis]
        before, after = np.where(same, middle, before), np.where(same, after, middle)
    steps = 2.0 ** -np.arange(1, BISECTIONS)[:, np.newaxis]
    shares = np.clip(np.stack([before - steps.T, after + steps.T]), 0.0, 1.0)
    points = start[:, np.newaxis] + shares[..., np.newaxis] * (end - start)[:, np.newaxis]
    points = points.transpose(1, 0, 2, 3).reshape(len(start), -1, X.shape[1])
    scores = decisions_at(f, g, points.reshape(-1, X.shape[1])).score(delta)
    best = scores.reshape(points.shape[:2]).argmax(axis=1)
    return np.asarray(points[np.arange(len(points)), best])


def _climb(f: Network, g: Network, domain: Domain, delta: float, X: Array) -> Array:
    """Take a Frank-Wolfe step from each point towards the domain's support point of the gradient.

    Of both numbers of the score, and of the smaller one alone: the better step counts.
    """
    now = decisions_at(f, g, X)
    of_lead, of_excess = _gradients(f, now.j, None, X), _gradients(g, now.k, now.j, X)
    is_lead = (now.lead - delta < now.excess)[:, np.newaxis]
    tries = [X[np.newaxis]]
    for gradients in (np.where(is_lead, of_lead, of_excess), of_lead + of_excess):
        furthest = domain.support_points(np.where(np.isfinite(gradients), gradients, 0.0))
        tries.append(X + SHARES[:, np.newaxis, np.newaxis] * (furthest - X))
    points = np.concatenate(tries)
    scores = decisions_at(f, g, points.reshape(-1, X.shape[1])).score(delta)
    best = scores.reshape(points.shape[:2]).argmax(axis=0)
    return np.asarray(points[best, np.arange(len(X))])


def _gradients(network: Network, up: np.ndarray, down: np.ndarray | None, X: Array) -> Array:
    """Return the gradients of outputs `up` minus outputs `down`, or minus the second largest."""
    if down is None:
        Y = _outputs(network, X)
        Y[np.arange(len(X)), up] = -np.inf
        down = Y.argmax(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return gradient_of_output(network, X, up) - gradient_of_output(network, X, down)
        except ValueError:  # a pre-activation overflows
            return np.zeros_like(X)


# rationals


def exact_decisions(
    f: ExactNetwork, g: ExactNetwork, x: Sequence[Fraction]
) -> tuple[int, int, Fraction]:
    """Return (j, k, lead) at one point: f's and g's largest outputs, and by how much f_j leads.

    k = j if the networks agree, that is if g_j is one of g's largest outputs; the lead is then 0.
    """
    one, other = f(x), g(x)
    j, k = one.index(max(one)), other.index(max(other))
    if other[k] == other[j]:
        return j, j, Fraction(0)
    return j, k, min(one[j] - value for i, value in enumerate(one) if i != j)


def confirm_disagreement(findings: Findings, X: Array, method: str) -> None:
    """Evaluate both networks exactly at the most promising points, and note the largest lead."""
    question = findings.question
    found = decisions_at(question.f, question.g, X)
    # disagreements first, by their leads, and then the points that are nearly some
    disagree = (found.lead > 0.0) & (found.excess > 0.0)
    order = np.lexsort((-np.where(disagree, found.lead, found.score(question.eps)), ~disagree))
    for x in X[order[:EXACT_POINTS]]:
        inner = move_inside(question.domain, x)
        if inner is not None:
            lead = exact_decisions(*findings.exact, rationals(inner))[2]
            findings.refute(lead, inner, method)
        if findings.refuted:
            return
        findings.check_time()


def search(findings: Findings) -> None:
    """Look for a counterexample and confirm it."""
    question = findings.question
    X = promising_points(question.f, question.g, question.domain, question.eps)
    confirm_disagreement(findings, X, "search")
