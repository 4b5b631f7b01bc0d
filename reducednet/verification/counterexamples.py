"""Search for counterexamples in float64 (samples, corners, ascent); confirm them in rationals."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain
from ..networks.network import Network
from ..numerics.rationals import rationals
from ..numerics.rounding import FLOAT64, FloatFormat
from ..numerics.sphere import normalise
from .findings import Findings
from .rational import contains, corners_around, gap_at

SAMPLES, CLIMBERS, STEPS = 1000, 16, 30
"""How many points are sampled, how many of the best are improved by ascent, in how many steps."""
BUDGET = 30_000_000
"""About how many products samples may cost, and ascent too: large networks get fewer points."""
EXACT_BUDGET = 2_000_000
"""About how many exact products one call of `confirm` may cost, its first point not counted."""
PAIRS, SEGMENTS = 64, 64
"""How many pairs of nearly equal hyperplanes to search between, and with how many points each."""
SEGMENTS_FOLLOWED = 500
"""How many segments between these points are followed through all cells, at most, for each pair."""
SHARES = 2.0 ** -np.arange(0, 24, 2)
"""The step lengths that ascent tries along a segment, as shares of it."""


def differences(f: Network, g: Network, X: Array) -> Array:
    """Return max_k |f_k - g_k| at each sample, computed in float64; 0 where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            values = np.abs(f(X) - g(X)).max(axis=1)
        except ValueError:  # an output overflows: evaluate the samples one by one
            values = np.array([_difference(f, g, x) for x in X])
    return np.where(np.isfinite(values), values, 0.0)


def _difference(f: Network, g: Network, x: Array) -> float:
    try:
        return float(np.abs(f(x[np.newaxis]) - g(x[np.newaxis])).max())
    except ValueError:
        return 0.0


def promising_points(f: Network, g: Network, domain: Domain, more: Array | None = None) -> Array:
    """Return points of the domain where f and g seem to differ most, the best first.

    more : points to try besides samples and corners
    """
    rng, price = np.random.default_rng(0), f.n_parameters + g.n_parameters
    corners = domain.support_points(directions_to_corners(domain.n_inputs, rng))
    X = domain.sample(int(np.clip(BUDGET // price, 16, SAMPLES)), rng)
    X = np.concatenate([X[:0] if more is None else more, corners[:len(X)], X])
    best = X[np.argsort(-differences(f, g, X), kind="stable")[:CLIMBERS]]
    best = best[:max(1, len(best) * len(X) // SAMPLES)]
    for _ in range(min(STEPS, 1 + BUDGET // (price * len(best) * len(SHARES)))):
        better = _climb(f, g, domain, best)
        if np.array_equal(better, best):
            break
        best = better
    order = np.argsort(-differences(f, g, best), kind="stable")
    return np.concatenate([best[order], X[:4]])


def directions_to_corners(d: int, rng: np.random.Generator) -> Array:
    """Return directions whose support points are the corners of a box (all of them if d <= 8)."""
    if d <= 8:
        return np.array(np.meshgrid(*[[-1.0, 1.0]] * d)).reshape(d, -1).T
    return np.concatenate([np.eye(d), -np.eye(d), rng.choice([-1.0, 1.0], (256, d))])


def _climb(f: Network, g: Network, domain: Domain, X: Array) -> Array:
    """Take a Frank-Wolfe step from each point towards the domain's support point of the gradient."""
    furthest = domain.support_points(_gradients(f, g, X))
    tries = np.concatenate([X[np.newaxis], X + SHARES[:, np.newaxis, np.newaxis] * (furthest - X)])
    values = differences(f, g, tries.reshape(-1, X.shape[1])).reshape(tries.shape[:2])
    return np.asarray(tries[values.argmax(axis=0), np.arange(len(X))])


def _gradients(f: Network, g: Network, X: Array) -> Array:
    """Return the gradients in x of |f_k - g_k| for the output k that differs most, one per row."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            values = f(X) - g(X)
            k = np.abs(values).argmax(axis=1)
            signs = np.sign(values[np.arange(len(X)), k])[:, np.newaxis]
            gradients = signs * (gradient_of_output(f, X, k) - gradient_of_output(g, X, k))
        except ValueError:
            return np.ones_like(X)
    return np.where(np.isfinite(gradients), gradients, 0.0)


def gradient_of_output(network: Network, X: Array, k: np.ndarray) -> Array:
    """Return the gradient in x of output k of each sample, (n_samples, n_inputs)."""
    D = network.output_weights[k]
    for W, Z in zip(reversed(network.weights), reversed(network.pre_activations(X))):
        D = (D * (Z > 0.0)) @ W
    return D


def points_across_hyperplanes(domain: Domain, rows: Sequence[Array]) -> Array:
    """Return points of the domain on hyperplanes w.x + b = 0, rows (w, b), and beside them."""
    rng, points = np.random.default_rng(0), [np.empty((0, domain.n_inputs))]
    for row in rows:
        w, b = row[:-1] / np.abs(row[:-1]).max(), row[-1] / np.abs(row[:-1]).max()
        normal = w / (w @ w)
        X = domain.sample(32, rng)
        X = X - (X @ w + b)[:, np.newaxis] * normal
        X = X[domain.contains(X)][:4]
        steps = 2.0 ** -np.arange(4, 24, 4)[:, np.newaxis, np.newaxis] * domain.norm_bound * normal
        points += [(X + sign * steps).reshape(-1, len(w)) for sign in (-1.0, 0.0, 1.0)]
    X = np.concatenate(points)
    return X[domain.contains(X)] if len(X) else X


def points_between_hyperplanes(f: Network, g: Network, domain: Domain, tolerance: float) -> Array:
    """Return points between nearly equal hyperplanes of the first layers of binary networks.

    There one step is on and the other is off, and hardly any sample falls there. On the mean
    (u + v).x + b + c = 0 of two hyperplanes u.x + b = 0 and v.x + c = 0 the two z are opposite
    numbers; the first points lie where segments between points of the domain cross that mean.
    Whether the difference of the two steps is seen at all depends on the other neurons, as in the
    AND of several steps; so segments between these points, which stay on the mean, are followed
    through all cells of the first layers. Pairs closer than the tolerance, which rounding explains,
    are left to the verdict's margin.
    """
    rng, points = np.random.default_rng(0), [np.empty((0, domain.n_inputs))]
    corners = domain.support_points(directions_to_corners(domain.n_inputs, rng))
    X = np.concatenate([corners, domain.sample(SAMPLES, rng)])
    pairs = _near_pairs(f, g, domain, tolerance)
    price = (f.n_parameters + g.n_parameters) * (1 + f.sizes[1] + g.sizes[1])  # of all its cells
    n_followed = min(SEGMENTS_FOLLOWED, BUDGET // (price * max(1, len(pairs))))
    for one, other in pairs:
        w, b = np.split(one / 2.0 + other / 2.0, [domain.n_inputs])
        endpoints = np.concatenate([domain.support_points(np.stack([w, -w])), X])
        z = endpoints @ w + b
        sides = np.flatnonzero(z > 0.0), np.flatnonzero(z < 0.0)
        if len(sides[0]) and len(sides[1]):
            p, q = (np.append(side[0], rng.choice(side, SEGMENTS)) for side in sides)
            share = (z[p] / (z[p] - z[q]))[:, np.newaxis]
            crossings = endpoints[p] + share * (endpoints[q] - endpoints[p])
            points.append(crossings)
            starts, ends = crossings[rng.integers(len(crossings), size=(2, n_followed))]
            points.append(_points_in_cells(f, g, starts, ends))
    return np.concatenate(points)


def _points_in_cells(f: Network, g: Network, starts: Array, ends: Array) -> Array:
    """Return the middles of the pieces of segments, cut at both first layers' hyperplanes.

    A binary network is constant on each piece. Segments run from a row of `starts` to that of
    `ends`.
    """
    z_starts, z_ends = (
        np.hstack([X @ network.weights[0].T + network.thresholds[0] for network in (f, g)])
        for X in (starts, ends)
    )
    crosses = (z_starts > 0.0) != (z_ends > 0.0)
    distances = np.where(crosses, z_starts - z_ends, 1.0)
    cuts = np.sort(np.where(crosses, z_starts / distances, 1.0), axis=1)
    cuts = np.hstack([np.zeros((len(cuts), 1)), cuts, np.ones((len(cuts), 1))])
    lengths = np.diff(cuts, axis=1)
    segment, piece = np.nonzero(lengths > 0.0)
    shares = (cuts[segment, piece] + lengths[segment, piece] / 2.0)[:, np.newaxis]
    return np.asarray(starts[segment] + shares * (ends[segment] - starts[segment]))


def _near_pairs(
    f: Network, g: Network, domain: Domain, tolerance: float
) -> list[tuple[Array, Array]]:
    """Return pairs of unit rows (u, b) of the first layers that are nearly equal, nearest first.

    The distance is that of (u, b / X_B) from the other row or from its negative. Every row is
    paired with the nearest row of either network; where the opposite row is nearer, the second of
    the pair is negated.
    """
    W = np.concatenate([f.weights[0], g.weights[0]])
    thresholds = np.concatenate([f.thresholds[0], g.thresholds[0]])
    units, norms = normalise(W)
    nonzero = norms > 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        b = thresholds[nonzero] / norms[nonzero] / domain.norm_bound
    rows, of_g = np.column_stack([units[nonzero], b]), (np.arange(len(W)) >= f.sizes[1])[nonzero]
    meets_ball = np.abs(b) <= 1.0  # the ball around 0 that contains the domain
    rows, of_g = rows[meets_ball], of_g[meets_ball]
    if rows.size * len(rows) > BUDGET:
        return []
    pairs: dict[tuple[int, int], float] = {}
    for i, row in enumerate(rows):
        both = np.stack([np.abs(rows - row).max(axis=1), np.abs(rows + row).max(axis=1)])
        distances = both.min(axis=0)
        for own in (of_g, ~of_g):
            others = np.flatnonzero(own & (distances > tolerance))
            if len(others):
                j = int(others[distances[others].argmin()])
                pairs[min(i, j), max(i, j)] = float(distances[j])
    nearest = sorted(pairs, key=lambda pair: pairs[pair])[:PAIRS]
    scale = np.append(np.ones(domain.n_inputs), domain.norm_bound)
    signs = [1.0 if rows[i] @ rows[j] > 0.0 else -1.0 for i, j in nearest]
    return [(rows[i] * scale, sign * rows[j] * scale) for (i, j), sign in zip(nearest, signs)]


def confirm(findings: Findings, X: Array, method: str) -> None:
    """Evaluate f - g exactly at these points, in their order, and note the largest difference.

    Points that cannot be moved into the domain are skipped. Stop at the first difference above eps,
    when `EXACT_BUDGET` is spent, or when the time is over.
    """
    question = findings.question
    f, g, domain, margin = question.f, question.g, question.domain, question.evaluation_margin
    if not np.isfinite(margin):
        return
    for x in X[:max(1, EXACT_BUDGET // (f.n_parameters + g.n_parameters))]:
        inner = move_inside(domain, x, question.float_format)
        if inner is not None:
            findings.refute(gap_at(*findings.exact, rationals(inner), margin), inner, method)
        if findings.refuted:
            return
        findings.check_time()


def move_inside(
    domain: Domain, x: Array, float_format: FloatFormat = FLOAT64
) -> Array | None:
    """Return a point near x, of this format, that lies in the domain in exact arithmetic, or None.
    """
    if isinstance(domain, Box):
        low, high = float_format.inner_interval(domain.low, domain.high)
        return np.clip(float_format.rounded(x), low, high) if (low <= high).all() else None
    middle = domain.centre if isinstance(domain, Ball) else domain.points.mean(axis=0)  # type: ignore
    for share in (0.0, 2.0**-50, 2.0**-44, 2.0**-30, 2.0**-12):
        point = float_format.rounded(x + share * (middle - x))
        if np.isfinite(point).all() and contains(domain, rationals(point), corners_around(domain, point)):
            return np.asarray(point)
    return None
