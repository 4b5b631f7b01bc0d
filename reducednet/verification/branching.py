"""Input splitting: boxes are halved until linear bounds of the difference are small enough on each.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._validation import Array
from ..domains import Ball, Domain
from ..rounding import gamma
from .differences import Match, difference
from .findings import Findings
from .forms import Region, boxes
from .matching import given
from .search import confirm, differences

MEMORY = 1 << 18
"""About how many numbers the forms of one layer may hold in one batch."""


class Tree:
    """The halvings of the domain's bounding box: node i is a leaf, or was cut at a place of an axis.

    axis : -1 for a leaf;  place : where it was cut;  child : the first of its two halves, lower side first
    """

    def __init__(self) -> None:
        self.axis, self.place, self.child = [-1], [0.0], [-1]

    def cut(self, nodes: np.ndarray, axes: np.ndarray, places: Array) -> np.ndarray:
        """Cut leaves, and return the numbers of the new leaves, all lower halves and then all upper ones."""
        first = len(self.axis)
        for count, (node, axis, place) in enumerate(zip(nodes.tolist(), axes.tolist(), places.tolist())):
            self.axis[node], self.place[node], self.child[node] = axis, place, first + 2 * count
        self.axis += [-1] * (2 * len(nodes))
        self.place += [0.0] * (2 * len(nodes))
        self.child += [-1] * (2 * len(nodes))
        lower = first + 2 * np.arange(len(nodes))
        return np.concatenate([lower, lower + 1])

    def arrays(self) -> dict[str, Any]:
        """Return the tree for a certificate."""
        return {"axis": np.array(self.axis), "place": np.array(self.place), "child": np.array(self.child)}


class Frontier:
    """The leaves that are not yet bounded by eps: their corners (d, n), bounds, axes to cut and nodes."""

    def __init__(self, low: Array, high: Array, bound: Array, axis: np.ndarray, node: np.ndarray) -> None:
        self.low, self.high, self.bound, self.axis, self.node = low, high, bound, axis, node

    def take(self, index: np.ndarray) -> Frontier:
        """Return the leaves of these indices."""
        return Frontier(self.low[:, index], self.high[:, index], self.bound[index], self.axis[index], self.node[index])

    def join(self, other: Frontier) -> Frontier:
        """Return both together."""
        pairs = zip(vars(self).values(), vars(other).values())
        return Frontier(*(np.concatenate([one, more], axis=-1) for one, more in pairs))


def branch(findings: Findings, matches: Sequence[Match]) -> None:
    """Halve boxes, the worst first, until the question is decided or the time is over.

    Each half is bounded by `difference`; halves outside the domain are dropped. The axis to cut is the one whose
    slopes take most part in what the linear bounds lose.
    """
    question = findings.question
    domain = question.domain
    low, high = (end[:, np.newaxis] for end in domain.bounding_box())
    tree, done = Tree(), 0.0
    size = 2 * sum(question.f.sizes) * (domain.n_inputs + 2)
    batch = int(np.clip(MEMORY // size, 4, 4096))
    left = bounded(findings, matches, low, high, np.zeros(1, dtype=int))
    while len(left.node):
        findings.check_time()
        worst = np.argsort(-left.bound, kind="stable")
        now, later = left.take(worst[:batch]), left.take(worst[batch:])
        middle = now.low / 2.0 + now.high / 2.0
        index = np.arange(len(now.node))
        places = middle[now.axis, index]
        if not ((now.low[now.axis, index] < places) & (places < now.high[now.axis, index])).all():
            return  # boxes as small as float64 allows
        nodes = tree.cut(now.node, now.axis, places)
        lower_high, upper_low = now.high.copy(), now.low.copy()
        lower_high[now.axis, index] = upper_low[now.axis, index] = places
        halves = bounded(findings, matches, np.concatenate([now.low, upper_low], axis=1),
                         np.concatenate([lower_high, now.high], axis=1), nodes)
        if not np.isfinite(halves.bound).all():
            return
        kept = ~(halves.bound + question.slack <= question.eps)
        done = max(done, float(halves.bound[~kept].max(initial=0.0)))
        left = later.join(halves.take(np.flatnonzero(kept)))
        worst_bound = max(done, float(left.bound.max(initial=0.0)))
        findings.prove(worst_bound, "branching", {"kind": "pieces", "matches": list(matches), "linear": True, "tree": tree})
        if findings.gap > question.eps:
            return


def bounded(
    findings: Findings, matches: Sequence[Match], low: Array, high: Array, nodes: np.ndarray
) -> Frontier:
    """Bound the difference on these boxes, look for a counterexample in them, and return those in the domain."""
    question = findings.question
    touching = np.flatnonzero(~outside(question.domain, low, high))
    low, high, nodes = low[:, touching], high[:, touching], nodes[touching]
    region = boxes(low, high)
    found = difference((question.f, question.g), region, given(matches))
    down, up = region.bounds(found.forms)
    sizes = np.maximum(-down, up)
    _try_corners(findings, region, found.forms.slopes, sizes.argmax(axis=0))
    influence = found.influence + 1e-3 * np.abs(found.forms.slopes).max(axis=0)
    influence = np.where(high > low, np.where(np.isfinite(influence), influence, 0.0), -1.0)
    return Frontier(low, high, sizes.max(axis=0), influence.argmax(axis=0), nodes)


def _try_corners(findings: Findings, region: Region, slopes: Array, output: np.ndarray) -> None:
    """Evaluate f - g where its linear form is largest and smallest, and keep a new largest gap."""
    question, index = findings.question, np.arange(region.count)
    signs = np.sign(slopes[output, :, index]).T
    steps = signs * region.radius
    X = np.concatenate([region.middle + steps, region.middle - steps, region.middle], axis=1).T
    low, high = question.domain.bounding_box()
    X = np.clip(X, low, high)
    X = X[question.domain.contains(X)]
    if not len(X):
        return
    values = differences(question.f, question.g, X)
    best = np.argsort(-values, kind="stable")[:1]
    if values[best[0]] > findings.gap * (1.0 + 1e-9):
        findings.refute(*confirm(question.f, question.g, question.domain, X[best], question.eps), "branching")


def outside(domain: Domain, low: Array, high: Array) -> np.ndarray:
    """Tell which boxes surely do not meet the domain, (n,). Only a ball's are looked at."""
    if not isinstance(domain, Ball):
        return np.zeros(low.shape[1], dtype=bool)
    centre = domain.centre[:, np.newaxis]
    nearest = np.maximum(np.maximum(low - centre, centre - high), 0.0)
    return np.asarray(np.sqrt((nearest * nearest).sum(axis=0)) * (1.0 - gamma(len(low) + 8)) > domain.radius)
