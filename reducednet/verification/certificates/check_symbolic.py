"""Re-checks how near two ReLU networks are, by what does nothing; no code of the provers or the kernels.

Every neuron has a label: -1 dead, -2 always on, or the number c of its class. Rows are over columns 1, x, U:
z = A_0 + A_x x + A_U U. U_c = relu(z_c) is what the class's head gives, its first neuron in f or else in g; others
are relu(z) = s U_c, or |s| (U_c - z_c) for a scale s < 0, but for |z - s z_c|, which each is charged; an always-on
neuron is its row: so what cancels, cancels. The data says where to look: signs and differences are bounded anew.

A row is (A, S, e): S has the absolute values of what was summed last, of which n roundings lose at most n u S, and
e is an error besides, with all that was lost before. A bound of a row puts lines above or below relu for U, the
last class first; a tree's leaves, where signs of z are known, bound it sharper: see `sharper`. A cut (class,
other), mu leaves U_other out of a head's row: where z_other > 0 both are 0, as a multiple mu tells.
"""
from typing import Any

import numpy as np

U, TINY, GUARD, MOST = 2.0**-53, 2.0**-1060, 1.0 + 2.0**-30, 1 << 21


def require(fact: Any, otherwise: str) -> None:
    """Refuse data, or networks, of which something else than this is a fact."""
    if not fact:
        raise ValueError(otherwise)


def highest(a: Any, domain: Any) -> Any:
    """Return the largest a.x of each row over the domain, but for rounding."""
    if type(domain).__name__ == "Box":
        return (np.maximum(a, 0.0) * domain.high + np.minimum(a, 0.0) * domain.low).sum(axis=1)
    if type(domain).__name__ == "Ball":
        return a @ domain.centre + domain.radius * np.hypot.reduce(a, axis=1) * (1.0 + 4 * (len(a.T) + 2) * U)
    return (a @ domain.points.T).max(axis=1)


class Representatives:
    """The classes' heads, layer by layer: rows (A, S, e) over the columns before theirs, and the ends of z."""

    def __init__(self, f: Any, g: Any, domain: Any) -> None:
        self.domain, self.n_affine = domain, 1 + f.n_inputs
        self.n = sum(f.sizes) + sum(g.sizes) + 12 * (len(f.sizes) + len(g.sizes)) + 16  # roundings of any path
        box = np.stack([highest(sign * np.eye(f.n_inputs), domain) for sign in (-1.0, 1.0)])
        self.column_bounds = np.append(1.0, np.abs(box).max(axis=0) * GUARD + TINY)  # of the columns
        self.layers: list[Any] = []

    def lost(self, S: Any, e: Any) -> Any:
        """Return what rounding may lose of rows of these sizes on the way through the heads, and their errors."""
        sizes, n = self.column_bounds[:S.shape[1]], len(self.column_bounds) + 6 * len(self.layers) + 8
        return (n * U * (S @ sizes) + e) * GUARD + n * TINY * (1.0 + sizes.sum())

    def upper_bounds(self, A: Any, S: Any, e: Any) -> Any:
        """Return numbers above the rows on all of the domain: by sizes, or four choices of lines below relu."""
        largest = np.abs(A) @ self.column_bounds[:A.shape[1]] * GUARD + self.lost(S, e)  # so that high <= S sizes, almost
        none = np.zeros((len(A), A.shape[1] - self.n_affine))
        return np.min([largest, *(self.upper_bounds_where(A, S, e, none, none, choice) for choice in range(1, 5))], axis=0)

    def upper_bounds_where(self, A: Any, S: Any, e: Any, signs: Any, multiples: Any, choice: int = 0) -> Any:
        """Return numbers above the rows where the classes' z have these signs, by multiples of z, or by a choice.

        u U <= m z for U = relu(z), if m is in [u, 0]; where z >= 0, if m >= u; where z <= 0, if m <= 0.
        """
        for head, low, high in [one for one in self.layers if one[0][0].shape[1] < A.shape[1]][::-1]:
            w, end = head[0].shape[1], head[0].shape[1] + len(low)
            (A, U_), (S, V) = ((part[:, :w].copy(), part[:, w:end]) for part in (A, S))
            sign, m = (part[:, w - self.n_affine:end - self.n_affine] for part in (signs, multiples))
            s = np.where(high <= 0.0, 0.0, np.where(low >= 0.0, 1.0, np.minimum(high / (high - low), 1.0)))
            t = np.maximum(np.maximum(-s * low, high - s * high), 0.0) * GUARD + TINY
            up, down = np.maximum(U_, 0.0) * (sign == 0.0), np.minimum(U_, 0.0)
            A += (up * s) @ head[0]
            nearer = 2.0 * A[:, 1:] @ head[0][:, 1:].T > -down * (head[0][:, 1:] ** 2).sum(axis=1)
            m = (m, 0.0 * down, down, down * (high > -low), down * nearer)[choice]
            least = np.where(sign > 0.0, U_, np.where(sign < 0.0, -np.inf, down))
            m = np.clip(m, least, np.where(sign > 0.0, np.inf, 0.0))
            A += m @ head[0]
            size = (V + np.abs(U_)) * s + np.abs(m)
            S, e = S + size @ head[1], e + (V + np.abs(U_) + np.abs(m)) @ head[2]
            A[:, 0], S[:, 0] = A[:, 0] + up @ t, S[:, 0] + (V + np.abs(U_)) @ t
        return A[:, 0] + highest(A[:, 1:self.n_affine], self.domain) + self.lost(S, e)

    def add(self, rows: Any, low: Any, high: Any) -> None:
        """Take in one layer's heads, with numbers below and above z."""
        low, high = np.maximum(low, -self.upper_bounds(-rows[0], *rows[1:])), np.minimum(high, self.upper_bounds(*rows))
        self.layers.append((rows, low, high))
        self.column_bounds = np.append(self.column_bounds, np.maximum(high, rows[2]))

    def of(self, c: Any, width: int) -> Any:
        """Return the rows of these classes, with zeros up to a width."""
        parts = zip(*((wide(A, width), wide(S, width), e) for (A, S, e), _, _ in self.layers))
        return tuple(np.concatenate(part)[c] for part in parts)


def wide(part: Any, width: int) -> Any:
    """Return rows with zeros up to a width."""
    return np.pad(part, ((0, 0), (0, width - part.shape[1])))


def affine(W: Any, b: Any, H: Any, heads: Representatives) -> Any:
    """Return the rows of W h + b, for h of rows and of multiples s of classes c; e has what this sum may lose.

    An entry of r products, none of which is by 1 or -1, has r roundings; of a class that is all there is, none.
    """
    (A, e), members, c, s = H
    width = len(heads.column_bounds)
    terms = (W != 0.0).astype(float) @ (A != 0.0)
    rounded = wide(np.maximum(terms - np.isin(A, (-1.0, 0.0, 1.0)).all(axis=0), 0.0), width)
    A, S, alone = wide(W @ A, width), wide(np.abs(W) @ np.abs(A), width), wide(terms, width)[:, c + heads.n_affine] == 0.0
    for part, factors in ((A, W[:, members] * s), (S, np.abs(W[:, members] * s)), (rounded, np.ones((len(W), 1)))):
        np.add.at(part.T, c + heads.n_affine, (factors * np.ones(len(c))).T)
    rounded[:, c + heads.n_affine] -= alone
    np.add.at(rounded.T, c[s != 1.0] + heads.n_affine, 1.0)
    if b is not None:
        rounded[:, 0] += A[:, 0] != 0.0
        A[:, 0], S[:, 0] = A[:, 0] + b, S[:, 0] + np.abs(b)
    e = np.abs(W) @ e + U * (rounded * S) @ heads.column_bounds[:width]
    return A, S, e * GUARD + heads.n * TINY * (1.0 + heads.column_bounds.sum()) * (1.0 + np.abs(W).sum(axis=1))


def within(W: Any, b: Any, h: Any, low: Any, high: Any, heads: Representatives) -> Any:
    """Return low and high, or where they are nearer the ends of W h + b for h between h[0] and h[1]."""
    up, down, size = np.maximum(W, 0.0), np.minimum(W, 0.0), np.abs(W) @ np.abs(h).max(axis=0) + np.abs(b)
    lost = (W.shape[1] + 4) * (U * size + TINY) * GUARD
    ends = up @ h[0] + down @ h[1] + b - lost, up @ h[1] + down @ h[0] + b + lost
    return np.maximum(low, ends[0]), np.minimum(high, ends[1])


def covers(signs: Any) -> bool:
    """Tell whether leaves are all of the domain: no two have a common point, and together all signs there are."""
    on, off, n = (signs == 1.0) * 1.0, (signs == -1.0) * 1.0, signs.shape[1]
    apart = len(signs) <= 1 << 12 and (on @ off.T + off @ on.T + np.eye(len(signs)) > 0.0).all()
    return apart and sum(1 << n - k for k in (signs != 0.0).sum(axis=1).tolist()) == 1 << n


def sharper(rows: Any, ends: Any, trees: Any, layer: int, heads: Representatives) -> Any:
    """Return low and high of a layer's rows, sharper where a tree's leaves bound the row or its opposite."""
    targets, signs, multiples = trees
    for j, side in {(j, side) for i, j, side in targets.tolist() if i == layer}:
        own = (targets == [layer, j, side]).all(axis=1)
        allowed = side in (-1, 1) and signs.shape[1] >= len(heads.column_bounds) - heads.n_affine and covers(signs[own])
        require(allowed, "leaves that are not all of the domain")
        A, S, e = (np.repeat(part[j:j + 1], own.sum(), axis=0) for part in rows)
        top = heads.upper_bounds_where(side * A, S, e, signs[own], multiples[own]).max()
        ends[(side + 1) // 2][j] = side * np.minimum(top, side * ends[(side + 1) // 2][j])
    return ends


def cut(rows: Any, cuts: Any, first: int, heads: Representatives) -> Any:
    """Leave others out of rows: relu(z) = relu(z without U_i) but for e, if z_i > 0 makes both 0. Tell which.

    Where z_i > 0 both are at most what is added to e.
    """
    changed = np.zeros(len(rows[0]), dtype=bool)
    here = [(number - first, other, mu) for (number, other), mu in cuts if 0 <= number - first < len(rows[0])]
    for j, other, mu in here:
        changed[j], column, (A, S, e) = True, heads.n_affine + other, (part[j:j + 1] for part in rows)
        coefficient, A[0, column] = A[0, column], 0.0
        allowed = other >= 0 and mu >= max(coefficient + heads.n * U * S[0, column] * GUARD, 0.0)
        require(allowed, "a cut of no class, or that its multiplier does not allow")
        others = heads.of(np.array([other]), A.shape[1])
        end = heads.upper_bounds(*(own + mu * theirs for own, theirs in zip((A, S, e), others)))
        e += np.maximum(end, abs(coefficient) * others[2]) * GUARD
        S[0, column] = 0.0
    return changed


def symbolic_outputs(network: Any, labels: Any, scales: Any, cuts: Any, trees: Any, heads: Representatives) -> Any:
    """Return the rows of the outputs; the first neurons of classes that are new become their heads."""
    inputs, none = np.eye(network.n_inputs, heads.n_affine, 1), np.empty(0, dtype=int)
    H: Any = ((inputs, np.zeros(network.n_inputs)), none, none, np.empty(0))
    h = np.array([-1.0, 1.0])[:, None] * heads.column_bounds[1:heads.n_affine]
    for layer, (W, b, label, scale) in enumerate(zip(network.weights, network.thresholds, labels, scales)):
        rows, first = affine(W, b, H, heads), len(heads.column_bounds) - heads.n_affine
        ends = within(W, b, h, -heads.upper_bounds(-rows[0], *rows[1:]), heads.upper_bounds(*rows), heads)
        low, high = sharper(rows, ends, trees, layer, heads)
        h = np.maximum([low, high], 0.0)
        usable = label.shape == scale.shape == (len(W),) and np.isfinite([low, high]).all()
        require(usable, "labels of other neurons, or numbers beyond float64")
        members, on = np.flatnonzero(label >= 0), label == -2
        A = rows[0] * on[:, None]
        e = np.where(on, rows[2] + np.maximum(-low, 0.0), np.where(label == -1, np.maximum(high, 0.0), 0.0))
        c, s = label[members], scale[members]
        numbers, at = np.unique(c, return_index=True)
        at = at[numbers >= first]
        ordered = (c[at] == np.arange(first, first + len(at))).all()
        require(ordered and (s[at] == 1.0).all(), "classes out of order, or a head that is scaled")
        own = tuple(part[members[at]] for part in rows)
        changed = cut(own, cuts, first, heads)
        top = np.where(changed, np.maximum(high[members[at]], 0.0) + own[2], high[members[at]])
        heads.add(own, np.where(changed, -np.inf, low[members[at]]), top)
        head = heads.of(c, rows[0].shape[1])
        size = U * np.abs(s) * (np.abs(s) != 1.0) * (head[1] @ heads.column_bounds[:A.shape[1]])  # s z_c rounds
        away = (np.abs(rows[0][members] - s[:, None] * head[0]) @ heads.column_bounds[:A.shape[1]] + size) * GUARD
        away += (rows[2][members] + np.abs(s) * head[2]) * GUARD
        away[at] = 0.0  # U is what the head gives
        turned = np.minimum(s, 0.0)
        A[members] = turned[:, None] * head[0]
        e[members] = away + (np.abs(turned) * head[2] + size) * GUARD
        H = (A, e), members, c, np.abs(s)
    return affine(network.output_weights, network.output_bias, H, heads)


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound of |f - g| over the domain.

    data : labels0, labels1, ... and scales0, ... of f's hidden layers and then of g's; cuts (n, 2) of classes,
        with their multipliers mu; targets (n, 3): layer, neuron of f and side of a bound, with a leaf's signs
        and multiples (n, n_classes); exchanged: 1 if f is the second network
    """
    f, g = (g, f) if data["exchanged"] else (f, g)
    m, n, heads = len(f.weights), len(f.weights) + len(g.weights), Representatives(f, g, domain)
    labels, scales = ([data[f"{name}{i}"] for i in range(n)] for name in ("labels", "scales"))
    relu = f.activation == g.activation == "relu"
    require(relu and all((own >= -2).all() for own in labels), "not ReLU networks, or labels that mean nothing")
    fit = {f.n_inputs, g.n_inputs} == {domain.n_inputs} and f.n_outputs == g.n_outputs
    require(fit and heads.n <= MOST, "networks that do not fit, or more roundings than GUARD allows")
    cuts = list(zip(data["cuts"].reshape(-1, 2).tolist(), data["mu"].tolist(), strict=True))
    trees = data["targets"], data["signs"], data["multiples"]
    mine = symbolic_outputs(f, labels[:m], scales[:m], cuts, trees, heads)
    theirs = symbolic_outputs(g, labels[m:], scales[m:], cuts, tuple(part[:0] for part in trees), heads)
    A, S, B, T = (wide(part, len(heads.column_bounds)) for part in (*mine[:2], *theirs[:2]))
    A, S, e = A - B, S + T, mine[2] + theirs[2]
    sides = np.maximum(heads.upper_bounds(A, S, e), heads.upper_bounds(-A, S, e))
    return float(np.minimum(sides, (np.abs(A) @ heads.column_bounds + e) * GUARD).max())
