"""Input splitting: boxes are halved until linear bounds of the difference are small enough on each.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..numerics.rationals import non_negative_fit
from ..numerics.rounding import SMALLEST, gamma
from .counterexamples import confirm, differences
from .difference_bounds.affine_forms import Region, boxes
from .difference_bounds.difference import difference, fixed_matches
from .difference_bounds.neuron_classes import Match
from .findings import Findings
from .verdict import UNKNOWN

MEMORY = 1 << 18
"""About how many numbers the forms of one layer may hold in one batch."""


class Tree:
    """The halvings of the domain's bounding box: node i is a leaf, or was cut at a place of an axis.

    axis : -1 for a leaf, -2 for one that does not meet the domain;  place : where it was cut
    child : the first of its two halves, the lower side
    directions : {node: u} of the leaves outside: u.x > h_D(u) on all of the box
    """

    def __init__(self) -> None:
        self.axis, self.place, self.child = [-1], [0.0], [-1]
        self.directions: dict[int, Array] = {}

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

    def drop(self, nodes: np.ndarray, directions: Array) -> None:
        """Note leaves that do not meet the domain, and the directions (n, d) that show it."""
        for node, direction in zip(nodes.tolist(), directions):
            self.axis[node], self.directions[node] = -2, direction


class Frontier:
    """The leaves that are not yet bounded by eps: their corners (d, n), bounds, axes to cut and nodes."""

    def __init__(self, low: Array, high: Array, bound: Array, axis: np.ndarray, node: np.ndarray) -> None:
        self.low, self.high, self.bound, self.axis, self.node = low, high, bound, axis, node

    def take(self, index: np.ndarray) -> Frontier:
        """Return the leaves of these indices."""
        return Frontier(*(values[..., index] for values in vars(self).values()))

    def join(self, other: Frontier) -> Frontier:
        """Return both together."""
        pairs = zip(vars(self).values(), vars(other).values())
        return Frontier(*(np.concatenate([one, more], axis=-1) for one, more in pairs))


def branch(findings: Findings, matches: Sequence[Match], margin: float) -> None:
    """Halve boxes, the worst first, until the question is decided or the time is over.

    Each half is bounded by `difference`; halves outside the domain are dropped. The axis to cut is the one whose
    slopes take most part in what the linear bounds lose.

    Parameters
    ----------
    findings : Findings
    matches : list of Match
        The classes of neurons, one Match a hidden layer.
    margin : float
        What the bounds hold with for binary networks, see `Verdict`.
    """
    question = findings.question
    low, high = (end[:, np.newaxis] for end in outer_box(question.domain))
    tree, done = Tree(), 0.0
    evidence = {"kind": "pieces", "matches": list(matches), "linear": True, "tree": tree}
    size = 2 * sum(question.f.sizes) * (question.f.n_inputs + 2)
    batch, largest = 4, int(np.clip(MEMORY // size, 4, 4096))
    left = bounded(findings, matches, low, high, np.zeros(1, dtype=int))
    while len(left.node) and findings.status == UNKNOWN:
        findings.check_time()
        began = findings.seconds
        worst = np.argsort(-left.bound, kind="stable")
        now, later = left.take(worst[:batch]), left.take(worst[batch:])
        corners = _halves(tree, now)
        if corners is None:
            return  # boxes as small as float64 allows
        halves = bounded(findings, matches, *corners)
        if not np.isfinite(halves.bound).all():
            return
        kept = ~(halves.bound + question.slack <= question.eps)
        done = max(done, float(halves.bound[~kept].max(initial=0.0)))
        left = later.join(_inside(tree, findings, halves.take(np.flatnonzero(kept))))
        findings.prove(max(done, float(left.bound.max(initial=0.0))), "branching", evidence, margin)
        if findings.refuted:
            return
        quick = findings.seconds - began < findings.remaining / 32.0
        batch = min(2 * batch, largest) if quick else max(4, batch // 2)


def _halves(tree: Tree, now: Frontier) -> tuple[Array, Array, np.ndarray] | None:
    """Halve leaves along their axes; return corners and nodes of the halves, None if there is no middle."""
    index = np.arange(len(now.node))
    places = (now.low / 2.0 + now.high / 2.0)[now.axis, index]
    if not ((now.low[now.axis, index] < places) & (places < now.high[now.axis, index])).all():
        return None
    lower_high, upper_low = now.high.copy(), now.low.copy()
    lower_high[now.axis, index] = upper_low[now.axis, index] = places
    low, high = np.concatenate([now.low, upper_low], axis=1), np.concatenate([lower_high, now.high], axis=1)
    return low, high, tree.cut(now.node, now.axis, places)


def bounded(
    findings: Findings, matches: Sequence[Match], low: Array, high: Array, nodes: np.ndarray
) -> Frontier:
    """Bound the difference on these boxes, and look for a counterexample in them."""
    question, region = findings.question, boxes(low, high)
    found = difference((question.f, question.g), region, fixed_matches(matches), subregion=True)
    down, up = region.bounds(found.forms)
    sizes = np.maximum(-down, up)
    _try_corners(findings, region, found.forms.slopes, sizes.argmax(axis=0))
    influence = found.influence + 1e-3 * np.abs(found.forms.slopes).max(axis=0)
    influence = np.where(high > low, np.where(np.isfinite(influence), influence, 0.0), -1.0)
    return Frontier(low, high, sizes.max(axis=0), influence.argmax(axis=0), nodes)


def _try_corners(findings: Findings, region: Region, slopes: Array, output: np.ndarray) -> None:
    """Evaluate f - g where its linear form is largest and smallest, and keep a new largest gap."""
    question, index = findings.question, np.arange(region.n_sets)
    steps = np.sign(slopes[output, :, index]).T * region.radius
    X = np.concatenate([region.middle + steps, region.middle - steps, region.middle], axis=1).T
    X = np.clip(X, *question.domain.bounding_box())
    values = differences(question.f, question.g, X)
    best = np.argsort(-values, kind="stable")[:8]
    best = best[values[best] > findings.gap * (1.0 + 1e-9)]
    if len(best):
        best = best[question.domain.contains(X[best])][:1]
        confirm(findings, X[best], "branching")


def outer_box(domain: Domain) -> tuple[Array, Array]:
    """Return the ends of a box that holds the domain, whatever the ends of a ball round to."""
    low, high = domain.bounding_box()
    return (np.nextafter(low, -np.inf), np.nextafter(high, np.inf)) if isinstance(domain, Ball) else (low, high)


def _inside(tree: Tree, findings: Findings, leaves: Frontier) -> Frontier:
    """Return the leaves that may meet the domain; the others are noted in the tree.

    A direction u separates a box from the domain if u.x > h_D(u) on the box, all roundings charged; tried is the
    one from the domain's nearest point to the box's middle.
    """
    domain = findings.question.domain
    if isinstance(domain, Box) or not len(leaves.node):
        return leaves
    middle = leaves.low / 2.0 + leaves.high / 2.0
    U = (middle - nearest_points(domain, middle, findings.check_time)).T
    nearest = np.minimum(U.T * leaves.low, U.T * leaves.high).sum(axis=0)
    size = np.abs(domain.bounding_box()).max(axis=0)[:, np.newaxis]
    corner = np.maximum(size, np.maximum(np.abs(leaves.low), np.abs(leaves.high))).T
    lost = gamma(4 * domain.n_inputs + 16) * (np.abs(U) * corner).sum(axis=1) * 4.0 + domain.n_inputs * SMALLEST
    apart = nearest > domain.support(U) + lost
    tree.drop(leaves.node[apart], U[apart])
    return leaves.take(np.flatnonzero(~apart))


def nearest_points(domain: Domain, X: Array, check_time: Callable[[], None] = lambda: None) -> Array:
    """Return about the nearest point of a Ball or a Hull to each column of X, (d, n)."""
    if isinstance(domain, Ball):
        away = X - domain.centre[:, np.newaxis]
        lengths = np.hypot.reduce(away, axis=0)
        return domain.centre[:, np.newaxis] + away * np.minimum(1.0, domain.radius / np.maximum(lengths, SMALLEST))
    assert isinstance(domain, Hull)
    middle = domain.points.mean(axis=0)
    size = max(float(np.abs(domain.points - middle).max()), SMALLEST)
    P = (domain.points - middle) / size
    nearest = []
    for x in X.T:
        check_time()
        nearest.append(P.T @ _convex_weights(P, (x - middle) / size) * size + middle)
    return np.stack(nearest, axis=1)


def _convex_weights(P: Array, x: Array) -> Array:
    weights = non_negative_fit(np.vstack([P.T, np.full(len(P), 1e3)]), np.append(x, 1e3))
    return np.asarray(weights / max(weights.sum(), SMALLEST))
