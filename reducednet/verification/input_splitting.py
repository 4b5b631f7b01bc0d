"""Branch and bound on the inputs: split boxes until linear bounds on f - g are small on each.

References
----------
PROOFS, section 18.
"""
from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..numerics.rationals import non_negative_fit
from ..numerics.rounding import SMALLEST, gamma
from .counterexamples import confirm, differences
from .difference_bounds.affine_forms import Region, boxes
from .difference_bounds.difference import difference, fixed_matches
from .difference_bounds.neuron_classes import Match
from .difference_bounds.zonotopes import (
    BoxBounds, classes_over_g, difference_bounds_on_boxes, numbers_of_a_zonotope,
)
from .findings import Findings, Question
from .verdict import UNKNOWN

MEMORY = 1 << 18
"""About how many numbers the linear bounds on one layer may hold in one batch."""
MOST_NUMBERS = 1 << 24
"""How many numbers a zonotope of one layer may have, on one box."""
CHECK_OF_A_LEAF = 1.1
"""How long a checker bounds a leaf, at most, in units of the time that the search takes for a box.

Measured: .6 to 1.1 for zonotopes of ACAS pairs and of small networks, .4 for forms of one layer.
"""


class Splits:
    """The splits of the domain's bounding box: node i is a leaf, or was split at a place of an axis.

    axis : -1 for a leaf, -2 for one that does not meet the domain
    place : the coordinate of the split
    child : the number of the lower part; that of the upper part is the next
    directions : {node: u} of the leaves outside: u.x > h_D(u) on the whole box
    """

    def __init__(self) -> None:
        self.axis, self.place, self.child = [-1], [0.0], [-1]
        self.directions: dict[int, Array] = {}

    def split(self, nodes: np.ndarray, axes: np.ndarray, positions: Array) -> np.ndarray:
        """Split leaves; return the new leaves' numbers, all the lower ones before the upper ones."""
        first = len(self.axis)
        cuts = zip(nodes.tolist(), axes.tolist(), positions.tolist())
        for count, (node, axis, position) in enumerate(cuts):
            self.axis[node], self.place[node], self.child[node] = axis, position, first + 2 * count
        self.axis += [-1] * (2 * len(nodes))
        self.place += [0.0] * (2 * len(nodes))
        self.child += [-1] * (2 * len(nodes))
        lower = first + 2 * np.arange(len(nodes))
        return np.concatenate([lower, lower + 1])

    def preorder(self) -> list[int]:
        """Return the nodes in order: a node, then its lower part, then its upper part."""
        order, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            order.append(node)
            if self.axis[node] >= 0:
                waiting += [self.child[node] + 1, self.child[node]]
        return order

    def drop(self, nodes: np.ndarray, directions: Array) -> None:
        """Mark leaves as outside the domain, with the directions (n, d) that prove it."""
        for node, direction in zip(nodes.tolist(), directions):
            self.axis[node], self.directions[node] = -2, direction


class Frontier:
    """The leaves not yet bounded by eps.

    low, high : arrays (d, n), the corners of their boxes
    bound, axis, node : arrays (n,), the bounds, the axes to split next and the numbers of the nodes
    """

    def __init__(self, low: Array, high: Array, bound: Array, axis: np.ndarray, node: np.ndarray) -> None:
        self.low, self.high, self.bound, self.axis, self.node = low, high, bound, axis, node

    def take(self, index: np.ndarray) -> Frontier:
        """Return the leaves with these indices."""
        return Frontier(*(values[..., index] for values in vars(self).values()))

    def join(self, other: Frontier) -> Frontier:
        """Return the leaves of both."""
        pairs = zip(vars(self).values(), vars(other).values())
        return Frontier(*(np.concatenate([one, more], axis=-1) for one, more in pairs))


def seconds_to_check(splits: Splits, seconds_a_box: float) -> float:
    """Return about how long the checker of this tree takes: it bounds every leaf once more."""
    n_leaves = (len(splits.axis) + 1) // 2
    return CHECK_OF_A_LEAF * n_leaves * seconds_a_box


def split_inputs(
    findings: Findings, matches: Sequence[Match], margin: float
) -> Generator[None, None, None]:
    """Split boxes, the largest bound first, until the question is decided; yield after each batch.

    Bound f - g on each part by `difference`, and drop parts outside the domain. Split the axis
    along which the linear bounds lose most to relaxation.

    Parameters
    ----------
    findings : Findings
    matches : list of Match
        The classes of neurons, one Match for each hidden layer.
    margin : float
        The margin of the bounds for binary networks, see `Verdict`.
    """
    question = findings.question
    low, high = (corner[:, np.newaxis] for corner in outer_box(question.domain))
    splits, done = Splits(), 0.0
    evidence = {"kind": "pieces", "matches": list(matches), "linear": True, "splits": splits}
    if uses_zonotopes(question):
        classes = [classes_over_g(match) for match in matches]
        evidence = {"kind": "zonotopes", "matches": classes, "splits": splits}
    began, n_boxes = findings.seconds, 1
    size = 2 * sum(question.f.sizes) * (question.f.n_inputs + 2)
    batch, largest = 4, int(np.clip(MEMORY // size, 4, 4096))
    frontier = bound_boxes(findings, matches, low, high, np.zeros(1, dtype=int))
    spent = findings.seconds - began
    while len(frontier.node) and findings.status == UNKNOWN:
        yield
        # a quarter more than the checker needs now: the next batch takes time and adds leaves
        findings.check_time(reserved=1.25 * seconds_to_check(splits, spent / n_boxes))
        began = findings.seconds
        worst = np.argsort(-frontier.bound, kind="stable")
        now, later = frontier.take(worst[:batch]), frontier.take(worst[batch:])
        corners = split_leaves(splits, now)
        if corners is None:
            return  # a box is as small as float64 allows
        parts = bound_boxes(findings, matches, *corners)
        spent, n_boxes = spent + findings.seconds - began, n_boxes + len(parts.node)
        evidence["seconds"] = seconds_to_check(splits, spent / n_boxes)
        if not np.isfinite(parts.bound).all():
            return
        kept = ~(parts.bound + question.evaluation_error <= question.eps)
        done = max(done, float(parts.bound[~kept].max(initial=0.0)))
        frontier = later.join(drop_outside(splits, findings, parts.take(np.flatnonzero(kept))))
        bound = max(done, float(frontier.bound.max(initial=0.0)))
        findings.prove(bound, "branching", evidence, margin)
        if findings.refuted:
            return
        quick = findings.seconds - began < findings.remaining / 32.0
        batch = min(2 * batch, largest) if quick else max(4, batch // 2)


def split_leaves(splits: Splits, now: Frontier) -> tuple[Array, Array, np.ndarray] | None:
    """Split leaves in the middle of their axes and return the corners and nodes of the parts.

    Return None if there is no float64 between the ends of a side.
    """
    index = np.arange(len(now.node))
    positions = (now.low / 2.0 + now.high / 2.0)[now.axis, index]
    if not ((now.low[now.axis, index] < positions) & (positions < now.high[now.axis, index])).all():
        return None
    lower_high, upper_low = now.high.copy(), now.low.copy()
    lower_high[now.axis, index] = upper_low[now.axis, index] = positions
    low = np.concatenate([now.low, upper_low], axis=1)
    high = np.concatenate([lower_high, now.high], axis=1)
    return low, high, splits.split(now.node, now.axis, positions)


def bound_boxes(
    findings: Findings, matches: Sequence[Match], low: Array, high: Array, nodes: np.ndarray
) -> Frontier:
    """Bound the difference on these boxes, and look for a counterexample in them."""
    found = _bound_difference(findings, matches, low, high)
    bounds = np.maximum(-found.low, found.high)
    _try_corners(findings, boxes(low, high), found.slopes, bounds.argmax(axis=0))
    influence = found.influence + 1e-3 * np.abs(found.slopes).max(axis=0)
    influence = np.where(high > low, np.where(np.isfinite(influence), influence, 0.0), -1.0)
    return Frontier(low, high, bounds.max(axis=0), influence.argmax(axis=0), nodes)


def uses_zonotopes(question: Question) -> bool:
    """Return True if boxes are bounded by zonotopes: several ReLU layers, and not too wide ones.

    With one layer the forms of `difference` are as sharp, and faster.
    """
    f, g = question.f, question.g
    return f.activation == "relu" and f.depth > 1 and numbers_of_a_zonotope(f, g) <= MOST_NUMBERS


def _bound_difference(
    findings: Findings, matches: Sequence[Match], low: Array, high: Array
) -> BoxBounds:
    """Bound f - g on each box."""
    question = findings.question
    if uses_zonotopes(question):
        pair = question.f, question.g
        return difference_bounds_on_boxes(*pair, low, high, matches, findings.check_time)
    region = boxes(low, high)
    found = difference((question.f, question.g), region, fixed_matches(matches), subregion=True)
    return BoxBounds(*region.bounds(found.forms), found.forms.slopes, found.influence)


def _try_corners(findings: Findings, region: Region, slopes: Array, output: np.ndarray) -> None:
    """Evaluate f - g where its linear form is largest and smallest, and confirm a larger gap."""
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
    """Return the corners of a box that contains the domain, even if they are rounded."""
    low, high = domain.bounding_box()
    if isinstance(domain, Ball):
        return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    return low, high


def drop_outside(splits: Splits, findings: Findings, leaves: Frontier) -> Frontier:
    """Return the leaves that may meet the domain, and mark the others as outside.

    A direction u separates a box from the domain if u.x > h_D(u) on the whole box, rounding errors
    included; try the direction from the domain's nearest point to the middle of the box.
    """
    domain = findings.question.domain
    if isinstance(domain, Box) or not len(leaves.node):
        return leaves
    middle = leaves.low / 2.0 + leaves.high / 2.0
    U = (middle - nearest_points(domain, middle, findings.check_time)).T
    nearest = np.minimum(U.T * leaves.low, U.T * leaves.high).sum(axis=0)
    largest = np.abs(domain.bounding_box()).max(axis=0)[:, np.newaxis]
    largest = np.maximum(largest, np.maximum(np.abs(leaves.low), np.abs(leaves.high)))
    magnitude = (np.abs(U) * largest.T).sum(axis=1)
    error = gamma(4 * domain.n_inputs + 16) * magnitude * 4.0 + domain.n_inputs * SMALLEST
    apart = nearest > domain.support(U) + error
    splits.drop(leaves.node[apart], U[apart])
    return leaves.take(np.flatnonzero(~apart))


def nearest_points(domain: Domain, X: Array, check_time: Callable[[], None] = lambda: None) -> Array:
    """Return approximately the nearest point of a Ball or a Hull to each column of X, (d, n)."""
    if isinstance(domain, Ball):
        away = X - domain.centre[:, np.newaxis]
        lengths = np.hypot.reduce(away, axis=0)
        shares = np.minimum(1.0, domain.radius / np.maximum(lengths, SMALLEST))
        return domain.centre[:, np.newaxis] + away * shares
    assert isinstance(domain, Hull)
    middle = domain.points.mean(axis=0)
    scale = max(float(np.abs(domain.points - middle).max()), SMALLEST)
    P = (domain.points - middle) / scale
    nearest = []
    for x in X.T:
        check_time()
        nearest.append(P.T @ _convex_weights(P, (x - middle) / scale) * scale + middle)
    return np.stack(nearest, axis=1)


def _convex_weights(P: Array, x: Array) -> Array:
    weights = non_negative_fit(np.vstack([P.T, np.full(len(P), 1e3)]), np.append(x, 1e3))
    return np.asarray(weights / max(weights.sum(), SMALLEST))
