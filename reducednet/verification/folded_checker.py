"""Re-checks that a ReLU network g is f without what does nothing; no code of the provers or the kernels.

Every neuron has a label: -1 dead, -2 always on, or the number c of its class. Rows are over columns 1, x, U:
z = A_0 + A_x x + A_U U. U_c = relu(z_c) is what the class's head gives, its first neuron in f; others of f are
relu(z) = s U_c, or |s| (U_c - z_c) for a scale s < 0; an always-on neuron is its row: so what cancels, cancels.
g has at most one neuron a class. The data says where to look: signs and differences are bounded anew.

S is the row of the absolute values of all that is summed, of which n roundings lose at most n u S, and e an
error besides: a row is (A, S, e). A bound of a row puts lines above or below relu for U, the last class first.
A cut (class, other), mu leaves U_other out of a head's row: where z_other > 0 both are 0, as a multiple mu tells.
"""
from typing import Any

import numpy as np

U, TINY, GUARD, MOST = 2.0**-53, 2.0**-1060, 1.0 + 2.0**-30, 1 << 21


def highest(a: Any, domain: Any) -> Any:
    """Return the largest a.x of each row over the domain, but for rounding."""
    if type(domain).__name__ == "Box":
        return (np.maximum(a, 0.0) * domain.high + np.minimum(a, 0.0) * domain.low).sum(axis=1)
    if type(domain).__name__ == "Ball":
        return a @ domain.centre + domain.radius * np.hypot.reduce(a, axis=1) * GUARD
    return (a @ domain.points.T).max(axis=1)


class Heads:
    """The classes' heads, layer by layer: rows (A, S, e) over the columns before theirs, and the ends of z."""

    def __init__(self, f: Any, g: Any, domain: Any) -> None:
        self.domain, self.k = domain, 1 + f.n_inputs
        most = max(sum(f.sizes), sum(g.sizes))  # roundings of a path: up through one network, down through f
        self.n = sum(f.sizes) + most + 12 * (len(f.sizes) + len(g.sizes)) + 16
        box = np.stack([highest(sign * np.eye(f.n_inputs), domain) for sign in (-1.0, 1.0)])
        self.sizes = np.append(1.0, np.abs(box).max(axis=0) * GUARD + TINY)  # of the columns
        self.layers: list[Any] = []

    def lost(self, S: Any, e: Any) -> Any:
        """Return what rounding may lose of rows of these sizes, and their errors."""
        sizes = self.sizes[:S.shape[1]]
        return (self.n * U * (S @ sizes) + e) * GUARD + self.n * TINY * (1.0 + sizes.sum())

    def above(self, A: Any, S: Any, e: Any) -> Any:
        """Return numbers above the rows on all of the domain: by sizes, or four choices of lines below relu."""
        largest = np.abs(A) @ self.sizes[:A.shape[1]] * GUARD + self.lost(S, e)  # so that high <= S sizes, almost
        return np.min([largest, *(self._above(A, S, e, choice) for choice in range(4))], axis=0)

    def _above(self, A: Any, S: Any, e: Any, choice: int) -> Any:
        for (head, low, high) in reversed(self.layers):
            w, end = head[0].shape[1], head[0].shape[1] + len(low)
            if A.shape[1] <= w:
                continue
            (A, U_), (S, V) = ((part[:, :w].copy(), part[:, w:end]) for part in (A, S))
            with np.errstate(invalid="ignore"):
                s = np.where(high <= 0.0, 0.0, np.where(low >= 0.0, 1.0, np.minimum(high / (high - low), 1.0)))
            t = np.maximum(np.maximum(-s * low, high - s * high), 0.0) * GUARD + TINY
            A += (np.maximum(U_, 0.0) * s) @ head[0]
            nearer = 2.0 * A[:, 1:] @ head[0][:, 1:].T > -np.minimum(U_, 0.0) * (head[0][:, 1:] ** 2).sum(axis=1)
            under = (0.0 * s, 0.0 * s + 1.0, (high > -low) * 1.0, nearer * 1.0)[choice]
            A += (np.minimum(U_, 0.0) * under) @ head[0]
            size = (V + np.abs(U_)) * np.maximum(s, under)
            S, e = S + size @ head[1], e + (V + np.abs(U_)) @ head[2]
            A[:, 0], S[:, 0] = A[:, 0] + np.maximum(U_, 0.0) @ t, S[:, 0] + (V + np.abs(U_)) @ t
        return A[:, 0] + highest(A[:, 1:self.k], self.domain) + self.lost(S, e)

    def add(self, rows: Any, low: Any, high: Any) -> None:
        """Take in one layer's heads, with numbers below and above z."""
        low, high = np.maximum(low, -self.above(-rows[0], *rows[1:])), np.minimum(high, self.above(*rows))
        self.layers.append((rows, low, high))
        self.sizes = np.append(self.sizes, np.maximum(high, rows[2]))

    def of(self, c: Any, width: int) -> Any:
        """Return the rows of these classes, with zeros up to a width, or up to the widest of them."""
        ends = np.cumsum([len(low) for _, low, _ in self.layers], dtype=int)
        layer = np.searchsorted(ends, c, side="right")
        width = max([width, *(self.layers[i][0][0].shape[1] for i in np.unique(layer))])
        A, S, e = np.zeros((len(c), width)), np.zeros((len(c), width)), np.zeros(len(c))
        for i in np.unique(layer):
            here, (rows, low, _) = layer == i, self.layers[i]
            at = c[here] - (ends[i] - len(low))
            A[here, :rows[0].shape[1]], S[here, :rows[0].shape[1]], e[here] = rows[0][at], rows[1][at], rows[2][at]
        return A, S, e


def wide(part: Any, width: int) -> Any:
    """Return rows with zeros up to a width."""
    return np.pad(part, ((0, 0), (0, width - part.shape[1])))


def affine(W: Any, b: Any, H: Any, heads: Heads) -> Any:
    """Return the rows of W h + b, for h of rows and of multiples s of classes c; e has what this sum may lose.

    An entry of r products, none of which is by 1 or -1, has r roundings; of a class that is all there is, none.
    """
    (A, S, e), members, c, s = H
    width = len(heads.sizes) if len(c) else A.shape[1]
    rounded = (W != 0.0).astype(float) @ (A != 0.0) - np.isin(A, (-1.0, 0.0, 1.0)).all(axis=0)
    A, S, rounded = wide(W @ A, width), wide(np.abs(W) @ S, width), wide(np.maximum(rounded, 0.0), width)
    for part, factors in ((A, W[:, members] * s), (S, np.abs(W[:, members] * s)), (rounded, np.ones((len(W), 1)))):
        np.add.at(part.T, c + heads.k, (factors * np.ones(len(c))).T)
    rounded[:, c + heads.k] -= 1.0
    np.add.at(rounded.T, c[s != 1.0] + heads.k, 1.0)
    if b is not None:
        rounded[:, 0] += A[:, 0] != 0.0
        A[:, 0], S[:, 0] = A[:, 0] + b, S[:, 0] + np.abs(b)
    e = np.abs(W) @ e + U * (rounded * S) @ heads.sizes[:width]
    return A, S, e * GUARD + heads.n * TINY * (1.0 + heads.sizes.sum()) * (1.0 + np.abs(W).sum(axis=1))


def within(W: Any, b: Any, h: Any, low: Any, high: Any, heads: Heads) -> Any:
    """Return low and high, or where they are nearer the ends of W h + b for h between h[0] and h[1]."""
    up, down, size = np.maximum(W, 0.0), np.minimum(W, 0.0), np.abs(W) @ np.abs(h).max(axis=0) + np.abs(b)
    lost = heads.n * (U * size + TINY) * GUARD
    ends = up @ h[0] + down @ h[1] + b - lost, up @ h[1] + down @ h[0] + b + lost
    return np.maximum(low, ends[0]), np.minimum(high, ends[1])


def cut(rows: Any, cuts: Any, first: int, heads: Heads) -> Any:
    """Leave others out of rows: relu(z) = relu(z without U_i) but for e, if z_i > 0 makes both 0. Tell which."""
    changed = np.zeros(len(rows[0]), dtype=bool)
    for (number, other), mu in cuts:
        j, column = number - first, heads.k + other
        if not 0 <= j < len(rows[0]):
            continue
        changed[j], (A, S, e) = True, (part[j:j + 1] for part in rows)
        coefficient, A[0, column] = A[0, column], 0.0
        if other < 0 or not mu >= max(coefficient + heads.n * U * S[0, column] * GUARD, 0.0):
            raise ValueError("a cut of no class, or that its multiplier does not allow")
        others = heads.of(np.array([other]), A.shape[1])
        end = heads.above(*(own + mu * theirs for own, theirs in zip((A, S, e), others)))
        e += np.maximum(end, abs(coefficient) * others[2]) * GUARD
        S[0, column] = 0.0
    return changed


def walk(network: Any, labels: Any, scales: Any, cuts: Any, heads: Heads, new: bool) -> Any:
    """Return the rows of the outputs; `new`: f, which makes the heads, and not g, which is compared with them."""
    inputs, none = np.eye(network.n_inputs, heads.k, 1), np.empty(0, dtype=int)
    H: Any = ((inputs, inputs, np.zeros(network.n_inputs)), none, none, np.empty(0))
    first, h = 0, np.array([-1.0, 1.0])[:, None] * heads.sizes[1:heads.k]
    for W, b, label, scale in zip(network.weights, network.thresholds, labels, scales, strict=True):
        rows = affine(W, b, H, heads)
        low, high = within(W, b, h, -heads.above(-rows[0], *rows[1:]), heads.above(*rows), heads)
        h = np.maximum([low, high], 0.0)
        if label.shape != (len(W),) or scale.shape != (len(W),) or not np.isfinite([low, high]).all():
            raise ValueError("labels of other neurons, or numbers beyond float64")
        members, on = np.flatnonzero(label >= 0), label == -2
        A, S = (part * on[:, None] for part in rows[:2])
        e = np.where(on, rows[2] + np.maximum(-low, 0.0), np.where(label == -1, np.maximum(high, 0.0), 0.0))
        c, s = label[members], scale[members]
        numbers, at = np.unique(c, return_index=True)
        if (s[at] != 1.0).any() or not new and len(at) < len(c):
            raise ValueError("a head that is scaled, or two neurons of one class")
        if new:
            if (numbers != np.arange(first, first + len(numbers))).any():
                raise ValueError("classes out of order")
            own = tuple(part[members[at]] for part in rows)
            changed = cut(own, cuts, first, heads)
            heads.add(own, *np.where(changed, [[-np.inf], [np.inf]], [low[members[at]], high[members[at]]]))
            first += len(numbers)
        head = heads.of(c, rows[0].shape[1])
        A, S, *mine = (wide(part, head[0].shape[1]) for part in (A, S, *rows[:2]))
        size = U * np.abs(s) * (np.abs(s) != 1.0) * (head[1] @ heads.sizes[:A.shape[1]])  # s z_c rounds
        away = (np.abs(mine[0][members] - s[:, None] * head[0]) @ heads.sizes[:A.shape[1]] + size) * GUARD
        away += (rows[2][members] + np.abs(s) * head[2]) * GUARD
        away[at if new else at[:0]] = 0.0  # U is what f's head gives
        turned = np.minimum(s, 0.0)
        A[members], S[members] = turned[:, None] * head[0], np.abs(turned)[:, None] * head[1]
        e[members] = away + (np.abs(turned) * head[2] + size) * GUARD
        H = (A, S, e), members, c, np.abs(s)
    return affine(network.output_weights, network.output_bias, H, heads)


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return a bound of |f - g| over the domain.

    data : labels0, labels1, ... and scales0, ... of f's hidden layers and then of g's; cuts (n, 2) of classes,
        with their multipliers mu
    """
    m, n, heads = len(f.weights), len(f.weights) + len(g.weights), Heads(f, g, domain)
    labels, scales = ([data[f"{name}{i}"] for i in range(n)] for name in ("labels", "scales"))
    if "binary" in (f.activation, g.activation) or min(int(own.min(initial=0)) for own in labels) < -2:
        raise ValueError("not ReLU networks, or labels that mean nothing")
    if {f.n_inputs, g.n_inputs} != {domain.n_inputs} or f.n_outputs != g.n_outputs or heads.n > MOST:
        raise ValueError("networks and a domain that do not fit, or more roundings than GUARD allows for")
    cuts = list(zip(data["cuts"].reshape(-1, 2).tolist(), data["mu"].tolist(), strict=True))
    mine = walk(f, labels[:m], scales[:m], cuts, heads, True)
    theirs = walk(g, labels[m:], scales[m:], [], heads, False)
    A, S, B, T = (wide(part, len(heads.sizes)) for part in (*mine[:2], *theirs[:2]))
    A, S, e = A - B, S + T, mine[2] + theirs[2]
    sides = np.maximum(heads.above(A, S, e), heads.above(-A, S, e))
    return float(np.minimum(sides, (np.abs(A) @ heads.sizes + e) * GUARD).max())
