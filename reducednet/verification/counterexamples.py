"""The search for a counterexample: samples, corners and ascent in float64, confirmed in rationals."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validation import Array
from ..domains import Ball, Box, Domain, Hull
from ..networks.network import Network
from ..numerics.rationals import rationals
from ..numerics.sphere import normalise
from .difference_bounds.neuron_matching import TOLERANCES
from .findings import Findings
from .rational import contains, corners_around, gap_at

SAMPLES, CLIMBERS, STEPS = 1000, 16, 30
BUDGET = 30_000_000
"""About how many products the samples may cost, and the climbing as many: fewer are taken of large networks."""
EXACT_BUDGET = 2_000_000
"""About how many exact products a confirmation may cost, but for its first point."""
PAIRS, SEGMENTS = 64, 64
"""How many pairs of nearly equal hyperplanes are looked between, and at how many points of each."""
SHARES = 2.0 ** -np.arange(0, 24, 2)
"""How far a climber goes along a line, as shares of it."""


def differences(f: Network, g: Network, X: Array) -> Array:
    """Return max_k |f_k - g_k| at each sample as float64 finds it; 0 where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            values = np.abs(f(X) - g(X)).max(axis=1)
        except ValueError:  # some output left the range of float64: sample by sample
            values = np.array([_difference(f, g, x) for x in X])
    return np.where(np.isfinite(values), values, 0.0)


def _difference(f: Network, g: Network, x: Array) -> float:
    try:
        return float(np.abs(f(x[np.newaxis]) - g(x[np.newaxis])).max())
    except ValueError:
        return 0.0


def candidates(f: Network, g: Network, domain: Domain, more: Array | None = None) -> Array:
    """Return points of the domain where f and g seem to differ most, the best first."""
    rng, price = np.random.default_rng(0), f.n_parameters + g.n_parameters
    corners = domain.support_points(_directions(domain.n_inputs, rng))
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


def _directions(d: int, rng: np.random.Generator) -> Array:
    """Return directions whose support points are the corners of a box, or some of them."""
    if d <= 8:
        return np.array(np.meshgrid(*[[-1.0, 1.0]] * d)).reshape(d, -1).T
    return np.concatenate([np.eye(d), -np.eye(d), rng.choice([-1.0, 1.0], (256, d))])


def _climb(f: Network, g: Network, domain: Domain, X: Array) -> Array:
    """Return better points between X and the domain's furthest points along the gradients (Frank & Wolfe)."""
    far = domain.support_points(_gradients(f, g, X))
    tries = np.concatenate([X[np.newaxis], X + SHARES[:, np.newaxis, np.newaxis] * (far - X)])
    values = differences(f, g, tries.reshape(-1, X.shape[1])).reshape(tries.shape[:2])
    return np.asarray(tries[values.argmax(axis=0), np.arange(len(X))])


def _gradients(f: Network, g: Network, X: Array) -> Array:
    """Return the gradient by x of |f_k - g_k|, k the output that differs most, as (n_samples, n_inputs)."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            values = f(X) - g(X)
            k = np.abs(values).argmax(axis=1)
            signs = np.sign(values[np.arange(len(X)), k])[:, np.newaxis]
            gradients = signs * (_gradient(f, X, k) - _gradient(g, X, k))
        except ValueError:
            return np.ones_like(X)
    return np.where(np.isfinite(gradients), gradients, 0.0)


def _gradient(network: Network, X: Array, k: np.ndarray) -> Array:
    D = network.output_weights[k]
    for W, Z in zip(reversed(network.weights), reversed(network.pre_activations(X))):
        D = (D * (Z > 0.0)) @ W
    return D


def across_hyperplanes(domain: Domain, rows: Sequence[Array]) -> Array:
    """Return points of the domain on the hyperplanes w.x + b = 0, rows (w, b), and beside them along w."""
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


def between_hyperplanes(f: Network, g: Network, domain: Domain) -> Array:
    """Return points between hyperplanes of binary networks' first layers that are near each other.

    There one step is on and the other is not, and samples hardly come there. On the mean
    (u + v).x + b + c = 0 of two hyperplanes u.x + b = 0 and v.x + c = 0 their z are opposite numbers;
    the points are where segments between points of the domain cross it. Pairs no further apart than
    rounding brings them are left out: that is what a verdict's margin is for.
    """
    rng, points = np.random.default_rng(0), [np.empty((0, domain.n_inputs))]
    X = domain.sample(SAMPLES, rng)
    for one, other in _near_rows(f, g, domain):
        w, b = np.split(one / 2.0 + other / 2.0, [domain.n_inputs])
        ends = np.concatenate([domain.support_points(np.stack([w, -w])), X])
        z = ends @ w + b
        sides = np.flatnonzero(z > 0.0), np.flatnonzero(z < 0.0)
        if len(sides[0]) and len(sides[1]):
            p, q = (np.append(side[0], rng.choice(side, SEGMENTS)) for side in sides)
            share = (z[p] / (z[p] - z[q]))[:, np.newaxis]
            points.append(ends[p] + share * (ends[q] - ends[p]))
    return np.concatenate(points)


def _near_rows(f: Network, g: Network, domain: Domain) -> list[tuple[Array, Array]]:
    """Return pairs of first rows (u, b), |u| = 1, that are near but not the same, the nearest first.

    Distances are those of (u, b / X_B) or its negative. Every row is paired with the nearest one of
    either network; the second of a pair is turned to the side of the first.
    """
    W = np.concatenate([f.weights[0], g.weights[0]])
    thresholds = np.concatenate([f.thresholds[0], g.thresholds[0]])
    units, norms = normalise(W)
    some = norms > 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        b = thresholds[some] / norms[some] / domain.norm_bound
    rows, of_g = np.column_stack([units[some], b]), (np.arange(len(W)) >= f.sizes[1])[some]
    cuts = np.abs(b) <= 1.0
    rows, of_g = rows[cuts], of_g[cuts]
    if rows.size * len(rows) > BUDGET:
        return []
    pairs: dict[tuple[int, int], float] = {}
    for i, row in enumerate(rows):
        both = np.stack([np.abs(rows - row).max(axis=1), np.abs(rows + row).max(axis=1)])
        distances = both.min(axis=0)
        for own in (of_g, ~of_g):
            places = np.flatnonzero(own & (distances > TOLERANCES[0]))
            if len(places):
                j = int(places[distances[places].argmin()])
                pairs[min(i, j), max(i, j)] = float(distances[j])
    nearest = sorted(pairs, key=lambda pair: pairs[pair])[:PAIRS]
    scale = np.append(np.ones(domain.n_inputs), domain.norm_bound)
    signs = [1.0 if rows[i] @ rows[j] > 0.0 else -1.0 for i, j in nearest]
    return [(rows[i] * scale, sign * rows[j] * scale) for (i, j), sign in zip(nearest, signs)]


def confirm(findings: Findings, X: Array, method: str) -> None:
    """Note the largest exact difference at these points, those of the domain, which come in the order of hope.

    It ends at the first difference above eps, when the price of exact numbers is spent, or when the time is over.
    """
    question = findings.question
    f, g, domain, blur = question.f, question.g, question.domain, question.blur
    if not np.isfinite(blur):
        return
    for x in X[:max(1, EXACT_BUDGET // (f.n_parameters + g.n_parameters))]:
        inner = surely_inside(domain, x)
        if inner is not None:
            findings.refute(gap_at(*findings.exact, rationals(inner), blur), inner, method)
        if findings.refuted:
            return
        findings.check_time()


def surely_inside(domain: Domain, x: Array) -> Array | None:
    """Return a point near x that lies in the domain without any rounding, or None."""
    if isinstance(domain, Box):
        return np.clip(x, domain.low, domain.high)
    middle = domain.centre if isinstance(domain, Ball) else _mean(domain)
    for share in (0.0, 2.0**-50, 2.0**-44, 2.0**-30, 2.0**-12):
        point = x + share * (middle - x)
        if contains(domain, rationals(point), corners_around(domain, point)):
            return np.asarray(point)
    return None


def _mean(domain: Domain) -> Array:
    assert isinstance(domain, Hull)
    return np.asarray(domain.points.mean(axis=0))
