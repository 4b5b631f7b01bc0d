"""Re-checks exact proofs of `verify` in rationals: no code of the provers, the reduction or the kernels.

The data says only where to look; every number is found here anew (THEORY, section 9). Functions are sums {i: c} of
1 (i = 0), the inputs, and one H = s(z) for each hyperplane. s(a z) = a s(z) for a > 0 (binary: s(z)),
s(-z) = s(z) - z (binary: 1 - s(z), off the hyperplane), s(z) = z or 0 (1 or 0) where z has one sign. A layer's
neurons are numbered through, g's before f's; the first one of a class of binary neurons is its head.
"""
from fractions import Fraction as Q
from math import gcd, isqrt, lcm
from typing import Any

import numpy as np

Sum = dict[int, Q]
ONE = {0: Q(1)}


def maps(net: Any, depth: int) -> list[Any]:
    """Return [(W, b)], with identity layers above the last hidden one up to the depth: s(h) = h there."""
    (K, n), a = net.output_weights.shape, net.output_bias
    more = [(np.eye(n), np.zeros(n)) for _ in range(depth - len(net.weights))]
    return [*zip(net.weights, net.thresholds), *more, (net.output_weights, np.zeros(K) if a is None else a)]


def total(terms: Any) -> Sum:
    """Return the sum of factors times sums."""
    z: Sum = {}
    for w, row in terms:
        z.update([(i, z.get(i, 0) + w * c) for i, c in row.items() if w])
    return {i: c for i, c in z.items() if c}


def ends(z: Sum, reach: Any, domain: Any = None) -> tuple[Q, Q]:
    """Return numbers with z in between, each function in its reach; of a sum of inputs, on the domain given."""
    kind = type(domain).__name__ if domain is not None and max(z, default=0) <= domain.n_inputs else "Box"
    if kind == "Box":
        pairs = [sorted((c * reach[i][0], c * reach[i][1])) for i, c in z.items()]
        return sum((low for low, _ in pairs), Q(0)), sum((high for _, high in pairs), Q(0))
    P, r = (domain.points, 0.0) if kind == "Hull" else (domain.centre[None], domain.radius)
    values = [sum((c * Q(p[i - 1]) for i, c in z.items() if i), z.get(0, Q(0))) for p in P.tolist()]
    p, q = (Q(r)**2 * sum((c * c for i, c in z.items() if i), Q(0))).as_integer_ratio()
    root = Q(isqrt((p * q << 400) - 1) + 1, q << 200) if p else Q(0)
    return min(values) - root, max(values) + root


def box(domain: Any) -> list[tuple[Q, Q]]:
    """Return the reach of 1 and of each input, exactly."""
    if type(domain).__name__ != "Box":
        return [(Q(1), Q(1)), *(ends({i: Q(1)}, (), domain) for i in range(1, domain.n_inputs + 1))]
    return [(Q(1), Q(1)), *zip(map(Q, domain.low.tolist()), map(Q, domain.high.tolist()))]


def leaves(data: Any, domain: Any) -> list[Any]:
    """Return the leaves (-1) of a tree of cuts, without those (-2) that a direction u parts from the domain."""
    stack, result, directions = [box(domain)], [], iter(data["directions"].tolist())
    for axis, place in zip(data["axis"].tolist(), map(Q, data["place"].tolist()), strict=True):
        own = stack.pop()
        if axis == -2:
            u = dict(enumerate(map(Q, next(directions)), 1))
            if ends(u, own)[0] <= ends(u, box(domain), domain)[1]:
                raise ValueError("a leaf that is left out may meet the domain")
        elif axis == -1:
            result.append(own)
        elif not (low := own[axis + 1][0]) < place < (high := own[axis + 1][1]):
            raise ValueError("a cut outside its box")
        else:
            stack += [[*own[:axis + 1], part, *own[axis + 2:]] for part in ((place, high), (low, place))]
    if stack:
        raise ValueError("the leaves do not cover the domain")
    return result


def unit(z: Sum) -> Q:
    """Return the largest number that all coefficients are multiples of."""
    return Q(gcd(*(c.numerator for c in z.values())), lcm(*(c.denominator for c in z.values())))


def least(y: Sum, empty: bool) -> Q:
    """Return the smallest |y| over inputs of 0 and 1, half against half; with all of them 0 only if `empty`."""
    q = unit(y)
    halves: list[Any] = []
    weights = [int(c / q) for i, c in y.items() if i]
    for part in (weights[::2], weights[1::2]):
        sums = [int(y.get(0, 0) / q)] if not halves else [0]
        for weight in part:
            sums += [value + weight for value in sums]
        halves.append(np.array(sums, dtype=object))
    sizes = [abs(halves[0][0])] if empty else []
    for one, other in ((halves[0][1:], halves[1]), (halves[0][:1], halves[1][1:])):
        if len(one) and len(other):
            other = np.sort(other)
            places = np.searchsorted(other, -one)
            sizes += [min(abs(one + other[np.clip(places + step, 0, len(other) - 1)])) for step in (-1, 0)]
    return q * min(sizes) if sizes else Q(0)


def same(z: Any, s: Q, y: Any, first: bool, margin: Q, reach: Any, domain: Any) -> bool:
    """Tell whether binary s(z) = s(sign(s) y), margin away from z = 0; above the first layer, everywhere."""
    a, b = ends(total([(1, z), (-s, y)]), reach, domain)
    if first:
        return max(-a, b)**2 <= margin**2 * sum(c * c for i, c in z.items() if i)
    if s > 0 and (a == b == 0 or a >= 0 and b < unit(z) or b <= 0 and a > -s * unit(y)):
        return True
    empty = not z.keys() <= {*y, 0} or (z.get(0, 0) > 0) != (y.get(0, 0) > 0)
    return s > 0 and len(y) <= 31 and max(-a, b) < s * least(y, empty)


def neuron(z: Any, first: bool, relu: bool, names: Any, reach: Any, domain: Any) -> Sum:
    """Return s(z) as a sum; a new function H gets the next number and its reach."""
    (a, b), others = ends(z, reach, domain), [i for i in sorted(z) if i]
    if b <= 0 or a > 0 or a == 0 and (relu or first):
        return {} if b <= 0 else z if relu else ONE
    if not (relu or first) and len(others) == 1:  # z = p + q H with H in {0, 1}
        at = [int(z.get(0, 0) + h * z[others[0]] > 0) for h in (0, 1)]
        return total([(at[0], ONE), (at[1] - at[0], {others[0]: Q(1)})])
    scale, turned = abs(z[others[0]]), int(z[others[0]] < 0 and (relu or first))
    unit_z = total([((-1)**turned / scale, z)])
    i = names.setdefault(frozenset(unit_z.items()), len(reach))
    if i == len(reach):
        reach.append((Q(0), ends(unit_z, reach, domain)[1] if relu else Q(1)))
    return total([(scale, {i: Q(1)}), (turned, z)] if relu else [(1 - 2 * turned, {i: Q(1)}), (turned, ONE)])


def exact_bound(data: Any, f: Any, g: Any, reach: Any, domain: Any) -> Q:
    """Return a bound of |f - g| on a box, or the domain in it; if binary, off the first layer's hyperplanes."""
    relu, depth, margin = f.activation == "relu", max(len(f.weights), len(g.weights)), Q(data["margin"])
    values = 2 * [[{i: Q(1)} if a < b else total([(a, ONE)]) for i, (a, b) in enumerate(reach)][1:]]
    names: dict[Any, int] = {}
    reach = [*reach]
    for layer, pair in enumerate(zip(maps(g, depth), maps(f, depth))):
        Z = [total(zip(map(Q, [*row, t]), [*h, ONE]))
             for (W, b), h in zip(pair, values) for row, t in zip(W.tolist(), b.tolist())]
        heads: dict[int, Any] = {}
        H: list[Sum] = []
        n, first, known = len(pair[0][1]), layer == 0, f"labels{layer}" in data
        for j, z in enumerate(Z if layer < depth else ()):
            c, s = (data[f"labels{layer}"][j], data[f"scales{layer}"][j]) if known else (-1, 0.0)
            y, i = heads.setdefault(c, (z, j)) if c >= 0 else (z, j)
            a, b = (Q(0), Q(0)) if relu or i == j else ends(z, reach, domain)  # of one sign: no need of a head
            ratios = [Q(s), *(z[k] / y[k] for k in [*z][:1] if k in y)] if a <= 0 < b else []
            s = next((s for s in ratios if s and same(z, s, y, first, margin, reach, domain)), 0)
            H.append(total([(1, H[i])] if s > 0 else [(1, ONE), (-1, H[i])]) if s else
                     neuron(z, first, relu, names, reach, domain))
        values = [H[:n], H[n:]]
    sizes = [ends(total([(1, one), (-1, other)]), reach, domain) for one, other in zip(Z[:n], Z[n:])]
    return max(max(-a, b) for a, b in sizes)


def bound(data: Any, f: Any, g: Any, domain: Any) -> Q:
    """Return the bound of |f - g| on the domain that the tree, and labels and scales, prove; it
    raises if none is.
    """
    require_fit(f, g, domain)
    inside = domain if len(data["axis"]) == 1 else None
    return max(exact_bound(data, f, g, reach, inside) for reach in leaves(data, domain))


def gap(data: Any, f: Any, g: Any, domain: Any) -> Q:
    """Return max_k |f_k(x) - g_k(x)| at the point x, which must lie in the domain.

    A binary network has no value on a hyperplane of its first layer, so that x must lie off all of
    them.
    """
    require_fit(f, g, domain)
    x = point_of(data, domain)
    if f.activation == "binary" and any(is_on_hyperplane(net, x) for net in (f, g)):
        raise ValueError("the point lies on a hyperplane")
    return max(abs(one - other) for one, other in zip(outputs(f, x), outputs(g, x)))


def require_fit(f: Any, g: Any, domain: Any) -> None:
    """Refuse networks of different activations, inputs or outputs, or a domain of another
    dimension.
    """
    inputs = {f.weights[0].shape[1], g.weights[0].shape[1], domain.n_inputs}
    if f.activation != g.activation or len(inputs) > 1 or len(f.output_weights) != len(g.output_weights):
        raise ValueError("the networks and the domain do not fit")


def point_of(data: Any, domain: Any) -> list[Q]:
    """Return the point in rationals; ValueError if it does not lie in the domain.

    A hull's point is sum_i t_i p_i with t_i >= 0 and sum_i t_i = 1; a ball's has |x - centre|^2 <=
    radius^2.
    """
    x, kind = [Q(value) for value in data["point"].tolist()], type(domain).__name__
    inside = len(x) == domain.n_inputs
    if kind == "Box":
        inside = inside and all(Q(a) <= v <= Q(b) for v, a, b in zip(x, domain.low.tolist(), domain.high.tolist()))
    elif kind == "Ball":
        away = sum(((v - Q(c))**2 for v, c in zip(x, domain.centre.tolist())), Q(0))
        inside = inside and away <= Q(domain.radius)**2
    else:
        t, corners = [Q(value) for value in data["shares"].tolist()], domain.points[data["corners"]].tolist()
        means = [sum((s * Q(p) for s, p in zip(t, column)), Q(0)) for column in zip(*corners)]
        inside = inside and len(t) == len(corners) and min(t) >= 0 and sum(t) == 1 and x == means
    if not inside:
        raise ValueError("the point does not lie in the domain")
    return x


def rows_at(W: Any, b: Any, h: Any) -> list[Q]:
    """Return W h + b."""
    return [sum((Q(w) * v for w, v in zip(row, h) if w and v), Q(t)) for row, t in zip(W.tolist(), b.tolist())]


def is_on_hyperplane(net: Any, x: Any) -> bool:
    """Return True if w.x + b = 0 for a neuron of the first layer; a zero row has no hyperplane."""
    z = rows_at(net.weights[0], net.thresholds[0], x)
    return any(value == 0 and any(row) for value, row in zip(z, net.weights[0].tolist()))


def outputs(net: Any, x: Any) -> list[Q]:
    """Return the outputs at a point."""
    h = x
    for W, b in zip(net.weights, net.thresholds):
        z = rows_at(W, b, h)
        h = [max(v, Q(0)) for v in z] if net.activation == "relu" else [Q(int(v > 0)) for v in z]
    W, b = maps(net, 0)[-1]
    return rows_at(W, b, h)
