"""Re-checks bounds of ReLU networks in float64, roundings charged; no code of the provers or the kernels.

The data says only where to look; every number is found here anew (THEORY, section 9). A layer's neurons are
numbered through, g's before f's; the first one of a class is its head, its members are h = |s| H + remainder. A
quantity over B regions x = middle + radius t, |t_i| <= 1, is (A, R): |v - A[:, 0]| <= R[:, 0] and
|v - A[:, 1] - A[:, 2:].t| <= R[:, 1]. Neurons are rows z = (G +- E) V over heads, remainders and 1;
each product with G is charged its roundings, see `at`.
"""
from fractions import Fraction as Q
from math import isqrt
from typing import Any

import numpy as np

U, TINY, BATCH = 2.0**-53, 2.0**-1073, 1 << 18
LEAST, FEW, BLOCKS = 32, 32, 8
"""Sums of more than LEAST terms are taken in blocks: sqrt(n) of FEW rows, else BLOCKS."""


def leaves(data: Any, domain: Any, root: Any) -> list[Any]:
    """Return the leaves (-1) of a tree of cuts, without those (-2) that a direction u parts from the domain."""
    stack, boxes, directions = [root], [], iter(data["directions"].tolist())
    for axis, place in zip(data["axis"].tolist(), data["place"].tolist(), strict=True):
        box = stack.pop()
        if axis == -2:
            u = [Q(v) for v in next(directions)]
            least = sum((min(v * Q(low), v * Q(high)) for v, (low, high) in zip(u, box)), Q(0))
            P = domain.points if type(domain).__name__ == "Hull" else domain.centre[None]
            least -= max(sum((v * Q(x) for v, x in zip(u, p)), Q(0)) for p in P.tolist())
            if least <= 0 or least**2 <= Q(getattr(domain, "radius", 0.0))**2 * sum(v * v for v in u):
                raise ValueError("a leaf that is left out may meet the domain")
        elif axis == -1:
            boxes.append(box)
        elif not box[axis][0] < place < box[axis][1]:
            raise ValueError("a cut outside its box")
        else:
            halves = (place, box[axis][1]), (box[axis][0], place)
            stack += [[*box[:axis], half, *box[axis + 1:]] for half in halves]
    if stack:
        raise ValueError("the leaves do not cover the domain")
    return boxes


def rounds(n: Any) -> Any:
    """Return the relative error of n roundings."""
    return n * U / (1.0 - n * U)


def beyond(x: Any, step: float) -> Any:
    """Return numbers further than x, by more than its last few roundings."""
    return x + step * (8 * U * np.abs(x) + TINY)


def size(v: Any) -> Any:
    """Return numbers (n, 2, B) not below |v|, by its interval and by its linear form."""
    return np.stack([np.abs(v[0][:, 0]), np.abs(v[0][:, 1:]).sum(axis=1)], axis=1) + v[1]


def times(W: Any, X: Any) -> tuple[Any, int]:
    """Return W X for arrays (n, ...) X, and through how many roundings each of its terms goes at
    most.

    Sums are taken in blocks: of c terms, a term goes through c roundings in its block, and one for
    each block.
    """
    n, columns = W.shape[1], X.reshape(len(X), -1)
    length = max(LEAST, isqrt(n) if len(W) <= FEW else -(-n // BLOCKS))
    product = W[:, :length] @ columns[:length]
    for start in range(length, n, length):
        product += W[:, start:start + length] @ columns[start:start + length]
    return product.reshape(len(W), *X.shape[1:]), min(n, length + -(-n // length))


def at(G: Any, E: Any, V: Any) -> Any:
    """Return z = (G +- E) V.

    |fl(G V) - G V| <= gamma_r |G| |V| + n tiny, where a term goes through r roundings.
    """
    n, sizes = G.shape[1], size(V)
    A, r = times(G[:, :-1], V[0][:-1])
    A[:, :2] += G[:, -1:, None]
    R = times(np.abs(G[:, :-1]), V[1][:-1] + rounds(r + 1) * sizes[:-1])[0] + U * size((A, 0.0))
    R += times(E, sizes)[0] if E.any() else 0.0
    return A, R * (1.0 + rounds(n + 9)) + TINY * (n * A.shape[1] + sizes.sum(axis=0))


def bounds(v: Any, where: Any) -> Any:
    """Return numbers below and above v on each region."""
    (A, R), (kind, points), a, n = v, where, v[0][:, 2:], v[0].shape[1]
    high = spread = np.abs(a).sum(axis=1)
    if kind == "Ball":
        high = np.minimum(spread, np.sqrt((a * a).sum(axis=1) + n * TINY))
    low, r = -high, R + 6 * U * (np.abs(A[:, :2]) + R) + n * TINY
    if kind == "Hull" and n > 2:
        low, high = ((a[:, :, 0] @ points.T).min(axis=1)[:, None], (a[:, :, 0] @ points.T).max(axis=1)[:, None])
    r[:, 1] += rounds(n + 4) * spread
    lower, upper = (np.stack([A[:, 0], A[:, 1] + end], axis=1) for end in (low, high))
    return (lower - r).max(axis=1), (upper + r).min(axis=1)


def between(low: Any, high: Any) -> Any:
    """Return m and r with m - r <= low, high <= m + r."""
    middle = low / 2.0 + high / 2.0
    return middle, np.maximum(high - middle, middle - low) * (1 + 4 * U)


def over(pair: Any, labels: Any, factors: Any, live: Any) -> Any:
    """Return the rows of both networks' layer over the heads, the remainders (of live neurons), and 1."""
    ((V, t), (W, b)), n = pair, labels.max(initial=-1) + 1
    W = np.block([[V, np.zeros((len(V), W.shape[1]))], [np.zeros((len(W), V.shape[1])), W]])
    m = np.argsort(labels, kind="stable")[(labels < 0).sum():]
    own = labels[m] + n * (m >= V.shape[1])
    F, roundings = W[:, m] * factors[m], np.bincount(own)[own] - 1 + (factors[m] != 1.0) if n else W[:, m]
    starts = np.flatnonzero(np.diff(labels[m], prepend=-1))
    E = np.abs(F) * rounds(roundings) + TINY * (factors[m] != 1.0)  # each product may underflow
    E = np.add.reduceat(E, starts, axis=1) if n else F
    F = np.add.reduceat(F, starts, axis=1) if n else F
    G = np.column_stack([F, W[:, live], np.append(t, b)])
    return G, np.column_stack([E, np.zeros((len(G), len(live) + 1))])


def relus(G: Any, E: Any, q: Any, head: Any, V: Any, where: Any) -> Any:
    """Return h - |q| H_head for each neuron (q = 0: h), and lower bounds of z where q = 0.

    z' = sign(q) z = |q| z_head + delta: s(z') - s(|q| z_head) = slope delta + middle +- half; s(z) = s(-z) + z.
    """
    t, sign, T = np.abs(q)[:, None], np.where(q < 0.0, -1.0, 1.0)[:, None], np.flatnonzero(q < 0.0)
    D = sign * (G - q[:, None] * G[head])
    A, R = at(D, E + t * E[head] + U * ((t > 0.0) * np.abs(D) + np.where(t == 1.0, 0.0, t) * np.abs(G[head])), V)
    d, e = bounds((A, R), where)
    b, c = beyond(t * d[head], -1.0), beyond(t * e[head], 1.0)
    na, nb, u, v = (np.maximum(x, 0.0) for x in (-beyond(b + d, -1.0), -b, e, -d))
    low, high = np.maximum(-v, np.minimum(-c, 0.0)), np.minimum(u, np.maximum(beyond(c + e, 1.0), 0.0))
    s = u / np.where(u + v > 0.0, u + v, 1.0)
    alone = np.maximum(s * v, (1.0 - s) * u) / 2.0
    one, nil = 0 * u + 1.0, 0 * u
    choices = np.array([[one, (na - nb) / 2.0, (na + nb) / 2.0], [nil, (low + high) / 2.0, (high - low) / 2.0],
                        [one / 2.0, nil, np.maximum(u, v) / 2.0], [s, alone, alone]])
    barred = (np.arange(4) == 3)[:, None, None] == (t > 0.0)
    best = np.argmin(np.where(barred, np.inf, choices[:, 0] * R[:, 1] + choices[:, 2]), axis=0)
    s, middle, half = np.take_along_axis(choices, best[None, None], axis=0)[0]
    lost = 4 * U * (s * size((A, 0 * R))[:, 1] + np.abs(middle)) + TINY * A.shape[1] * (s + half > 0.0)
    A, R = A * s[:, None], np.stack([0 * s, (s * R[:, 1] + half) * (1 + 16 * U) + lost], axis=1)
    A[:, 1] += middle
    low, high = np.maximum(low, beyond(d - nb, -1.0)), np.minimum(high, beyond(e + na, 1.0))
    A[:, 0], R[:, 0] = between(low, np.maximum(low, high))
    B, P = at(G[T], E[T], V)
    A[T], R[T] = A[T] + B, (R[T] + P) * (1 + 16 * U) + 4 * U * (size((A[T], R[T])) + size((B, P)))
    return A, R, d


def bound_on(boxes: Any, data: Any, layers: Any, domain: Any, where: Any) -> Any:
    """Return a bound of |f - g| on boxes, or, if where says its kind, on the domain in the only one."""
    m, r = between(*np.array(boxes).T)
    if where[0] == "Ball":
        m, r = domain.centre[:, None], 0 * m + domain.radius
    elif where[0] == "Hull":
        where = "Hull", (domain.points - m.T) / np.where(r > 0.0, r, 1.0).T
    d, B = m.shape
    A, R = np.zeros((d + 1, d + 2, B)), np.zeros((d + 1, 2, B))
    A[:d, 0], A[:d, 1], A[range(d), range(2, d + 2)], R[:d, 0], A[d, :2] = m, m, r, r, 1.0
    G, V = np.concatenate([np.column_stack(own) for own in layers[0]]), (A, R)
    E = 0.0 * G
    for number, pair in enumerate(layers[1:]):
        labels, scales = data[f"labels{number}"], data[f"scales{number}"]
        heads = np.unique(labels, return_index=True)[1][int((labels < 0).any()):]
        if len(labels) != len(G) or (labels[heads] != range(len(heads))).any():
            raise ValueError("labels that do not fit")
        plain = np.isin(np.arange(len(G)), heads)
        q, factors = np.where(plain | (labels < 0), 0.0, scales), np.where(plain, 1.0, np.abs(scales))
        A, R, lows = relus(G, E, q, np.where(q == 0.0, range(len(G)), np.append(heads, 0)[labels]), V, where)
        if not data["linear"]:
            A, R = A[:, [0, 0]], R[:, [0, 0]]
        live = np.flatnonzero(~plain & (A.any(axis=(1, 2)) | R.any(axis=(1, 2))))
        who, one, below, rows = np.append(heads, live), 0 * A[:1], V, (G, E)
        one[:, :2] = 1.0
        V = np.append(A[who], one, axis=0), np.append(R[who], 0 * R[:1], axis=0)
        G, E = over(pair, labels, factors, live)
    K = len(G) // 2
    D, E = G[:K] - G[K:], E[:K] + E[K:] + U * np.abs(G[:K] - G[K:])
    low, high = bounds(at(D, E, V), where)
    result = np.maximum(-low, high)
    if B == 1 and len(layers) > 2:  # always-on h = z + nu, z over the layer below, nu in [0, -low]
        on = np.flatnonzero((q[who] == 0.0) & (lows[who, 0] >= -2.0**-30 * size(V)[:-1, 0, 0]))
        (A, R), (G, P), T = (part.copy() for part in V), (part[who[on]] for part in rows), np.abs(D[:, on])
        A[on], R[on] = 0.0, np.maximum(-lows[who[on]], 0.0)[:, None] / 2.0
        A[on, :2] = R[on]
        S = T @ (P + rounds(len(on) + 9) * np.abs(G)) + E[:, on] @ (np.abs(G) + P)
        (A, R), (C, S) = at(D, E, (A, R)), at(D[:, on] @ G, S * (1 + rounds(len(on) + 9)) + TINY * len(on), below)
        low, high = bounds((A + C, (R + S) * (1 + 4 * U) + 2 * U * size((A + C, R))), where)
        result = np.minimum(result, np.maximum(-low, high))
    return result.max()


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return the bound of |f - g| on the domain that the data proves; it raises if that proves none."""
    kind, depth, layers = type(domain).__name__, max(len(f.weights), len(g.weights)), []
    for net in (g, f):
        (K, n), a = net.output_weights.shape, net.output_bias
        more = [(np.eye(n), np.zeros(n)) for _ in range(depth - len(net.weights))]  # s(h) = h
        last = net.output_weights, np.zeros(K) if a is None else a
        layers.append([*zip(net.weights, net.thresholds), *more, last])
    if f.activation != "relu" or g.activation != "relu" or f.weights[0].shape[1] != domain.n_inputs:
        raise ValueError("the networks and the domain do not fit")
    low, high = (domain.centre - domain.radius, domain.centre + domain.radius) if kind == "Ball" else \
        (domain.low, domain.high) if kind == "Box" else (domain.points.min(axis=0), domain.points.max(axis=0))
    if kind == "Ball":
        low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    boxes = leaves(data, domain, list(zip(low.tolist(), high.tolist())))
    where = kind if len(data["axis"]) == 1 else "Box", None
    step = 1 + BATCH // (len(low) + 2) // max(len(W) + len(V) for (W, _), (V, _) in zip(*layers))
    with np.errstate(all="ignore"):
        parts = [boxes[i:i + step] for i in range(0, len(boxes), step)]
        return max(bound_on(part, data, [*zip(*layers)], domain, where) for part in parts)
