"""Check that one network decides as another one wherever that one decides clearly, in float64.

This checks proofs of kind "top1" again, and "top1_point", their counterexamples in rationals, with
no code of the provers. docs/certificates.md, sections 14 and 15, define both, and PROOFS, section
25, has the mathematics.

g agrees with f up to delta if no point x of the domain and outputs j, k have

    f_j(x) - f_i(x) > delta for all i != j    and    g_k(x) > g_j(x).

For an ordered pair (j, k), any of these excludes that on a region, with D_i = f_j - f_i and
B = g_k - g_j:

1. sup D_i <= delta for some i: j never leads f by more than delta;
2. sup B <= 0: k never beats j in g;
3. sup (B + D_k) <= delta, as B + D_k is above delta otherwise;
4. sup (B + sum_i mu_i D_i) <= delta sum_i mu_i for some mu >= 0, for the same reason.

So each gives the least delta that it proves, and the smallest of them is the pair's number. Most
pairs have small numbers on the whole domain; the others, which are `open`, are split.

These linear functions of both networks' outputs are bounded by the forms of `check_difference`
(`ByForms`), where what both networks share cancels, and on the whole domain also by the symbolic
rows of `check_symbolic` with a class for each unstable neuron (`BySymbolicRows`), whose lines fit
each function; on the leaves too if the evidence says so. The smaller number counts.
"""
from fractions import Fraction
from math import fsum
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import SMALLEST, UNDERFLOW, above, below, gamma, raised, require
from .check_difference import (
    LastLayer, UncertainRows, batches_of_leaves, bounds_of_outputs, joint_layers,
    last_hidden_layer,
)
from .check_rational import outputs, point_of, require_fit
from .check_symbolic import ALWAYS_ON, Columns, SymbolicRows, output_rows, padded, upper_bounds

WHOLE_DOMAIN = -1
"""The number of the leaf, in the evidence, that stands for the whole domain."""

ONE_LEAF = {"axis": np.array([-1]), "place": np.zeros(1)}
"""The tree of a domain that is not split."""


class Mixtures(NamedTuple):
    """Multipliers of 4., each row for one region and one pair.

    leaf : array (n,), the number of the leaf, or WHOLE_DOMAIN
    pairs : array (n, 2), the outputs (j, k)
    multipliers : array (n, K), mu >= 0 with mu_j = 0
    """

    leaf: Any
    pairs: Any
    multipliers: Any

    def take(self, which: Any) -> "Mixtures":
        """Return some of the mixtures."""
        return Mixtures(*(part[which] for part in self))


class Box(NamedTuple):
    """A leaf, as `check_symbolic` wants a domain: arrays (d,)."""

    low: Any
    high: Any

    @property
    def n_inputs(self) -> int:
        """The number of inputs."""
        return len(self.low)


# linear functions of the outputs


class ByForms:
    """Bounds by the quantities of the last hidden layer, on B regions.

    outputs : rows of the outputs, g's before f's
    """

    def __init__(self, last: LastLayer) -> None:
        self._last, self.outputs = last, last.rows.whole()
        self.n_sets = last.forms.values.shape[2]

    def combined(self, coefficients: Any, rows: UncertainRows) -> UncertainRows:
        """Return the rows of M v for rows of the quantities v and a matrix M of coefficients.

        A term goes through at most as many roundings as a row of M has entries other than 0, k of
        them, for zeros are added exactly. With the errors E of the rows R,

            |fl(M R) - M (R +- E)| <= |M| (E + gamma_k |R|),

        which is a sum of at most k + 5 roundings; products that underflow are charged one by one.
        """
        k = most_terms(coefficients)
        each = rows.errors + (gamma(k) * np.abs(rows.coefficients) + SMALLEST)
        errors = raised(np.abs(coefficients) @ each, k + 5) + UNDERFLOW * k
        return UncertainRows(coefficients @ rows.coefficients, errors)

    def suprema(self, rows: UncertainRows) -> Any:
        """Return upper bounds (n, B) over each region, the better of both ways."""
        ways = bounds_of_outputs(rows, self._last)
        return np.minimum(ways[0].high, ways[-1].high)


class BySymbolicRows:
    """Bounds by back-substitution over a domain; the methods are those of `ByForms`."""

    n_sets = 1

    def __init__(self, data: Any, f: Any, g: Any, domain: Any) -> None:
        self._columns = Columns(domain)
        roles_f, roles_g = roles_of(data, f, g)
        of_f, _ = output_rows(f, roles_f, {}, [], self._columns)
        of_g, _ = output_rows(g, roles_g, {}, [], self._columns)
        coefficients = padded(of_f.coefficients, len(self._columns.bounds))
        self.outputs = SymbolicRows(
            np.concatenate([of_g.coefficients, coefficients]),
            np.concatenate([of_g.errors, of_f.errors]),
        )

    def combined(self, coefficients: Any, rows: SymbolicRows) -> SymbolicRows:
        """Return the rows of M v, as `ByForms.combined`, with |R| . B for the magnitude of a row:

            |M v - fl(M R) . columns| <= |M| (e + gamma_k |R| . B).
        """
        k, columns = most_terms(coefficients), self._columns
        each = rows.errors + gamma(k) * columns.sizes_of(rows)
        errors = raised(np.abs(coefficients) @ each + columns.underflow * (k + 1), k + 5)
        return SymbolicRows(coefficients @ rows.coefficients, errors)

    def suprema(self, rows: SymbolicRows) -> Any:
        """Return upper bounds (n, 1) over the domain."""
        return upper_bounds(rows, self._columns)[:, np.newaxis]


def roles_of(data: Any, f: Any, g: Any) -> tuple[Any, Any]:
    """Return the labels and scales of f's hidden layers, and of g's, as `check_symbolic` has them.

    Each unstable neuron is in a class of its own. The classes are numbered through f's layers and
    then g's.

    data : `roles0`, ... of both networks' neurons, g's first: -1 dead, -2 always on, 0 unstable
    """
    n_classes, result = 0, []
    for network, is_f in ((f, True), (g, False)):
        roles = []
        for number, W in enumerate(network.weights):  # layers above only repeat the last one
            both, n = data[f"roles{number}"], len(W)
            meaningful = len(both) > n and ((both >= ALWAYS_ON) & (both <= 0)).all()
            require(meaningful, "roles that mean nothing")
            labels = (both[len(both) - n:] if is_f else both[:n]).copy()
            unstable = labels == 0
            labels[unstable] = n_classes + np.arange(unstable.sum())
            n_classes += int(unstable.sum())
            roles.append((labels, np.ones(len(labels))))
        result.append(roles)
    return result[0], result[1]


def most_terms(coefficients: Any) -> int:
    """Return the largest number of entries of a row that are not 0."""
    return int(np.count_nonzero(coefficients, axis=1).max(initial=0))


def leads(j: int, others: Any, n_outputs: int) -> Any:
    """Return the coefficients of v_j - v_i, a row for each i of the others."""
    coefficients = -np.eye(n_outputs)[others]
    coefficients[:, j] += 1.0
    return coefficients


def suprema(of_g: Any, of_f: Any, way: Any) -> Any:
    """Return upper bounds (n, B) on (of_g) g + (of_f) f."""
    coefficients = np.concatenate([of_g, of_f], axis=1)  # g's outputs come first
    return way.suprema(way.combined(coefficients, way.outputs))


# numbers of pairs


def numbers_of_pairs(j: int, others: Any, way: Any) -> Any:
    """Return the least delta that 1., 2. or 3. prove for (j, k), a row for each k: (n, B).

    The number of 2. is 0, or inf where the bound is above 0.
    """
    n_outputs = len(way.outputs.coefficients) // 2
    rivals = leads(j, np.delete(np.arange(n_outputs), j), n_outputs)
    never_leads = suprema(0.0 * rivals, rivals, way).min(axis=0)
    if (never_leads <= 0.0).all():  # no number is smaller
        return np.zeros((len(others), len(never_leads)))

    D = leads(j, others, n_outputs)
    beaten = suprema(-D, 0.0 * D, way)
    together = suprema(-D, D, way)
    numbers = np.maximum(np.minimum(never_leads, together), 0.0)
    return np.where(beaten <= 0.0, 0.0, numbers)


def require_mixtures(mixtures: Mixtures, n_outputs: int) -> None:
    """Refuse multipliers that are none of their pair."""
    require(mixtures.pairs.max(initial=0) < n_outputs, "multipliers of no output")
    j, k = mixtures.pairs.T
    mu_j = mixtures.multipliers[np.arange(len(mixtures.leaf)), j]
    fit = (j != k).all() and (mu_j == 0.0).all() and (mixtures.multipliers >= 0.0).all()
    require(fit, "multipliers that are none of their pair")


def numbers_of_mixture(pair: Any, multipliers: Any, way: Any) -> Any:
    """Return the least delta that 4. proves for a pair, (B,).

    The sum of multipliers is rounded once, and replaced by the float64 below; the quotient by the
    one above.
    """
    (j, k), n = pair.tolist(), len(multipliers)
    D, B = leads(j, np.arange(n), n), -leads(j, [k], n)  # D_j = 0
    coefficients = np.block([[B, 0.0 * B], [0.0 * D, D]])  # g's outputs come first
    rows = way.combined(coefficients, way.outputs)
    bound = way.suprema(way.combined(np.append(1.0, multipliers)[np.newaxis], rows))[0]
    total = below(fsum(multipliers.tolist()))
    quotient = above(bound / total) if total > 0.0 else np.full_like(bound, np.inf)
    return np.where(bound <= 0.0, 0.0, quotient)


def best_numbers(pairs: Any, first_leaf: int, mixtures: Mixtures, way: Any) -> Any:
    """Return the least delta that the evidence proves for each pair on each region, (n, B).

    first_leaf : the number of the first of the regions
    """
    numbers = np.zeros((len(pairs), way.n_sets))
    for j in np.unique(pairs[:, 0]).tolist():
        own = pairs[:, 0] == j
        numbers[own] = numbers_of_pairs(j, pairs[own, 1], way)

    here = (mixtures.leaf >= first_leaf) & (mixtures.leaf < first_leaf + way.n_sets)
    for regions, pair, multipliers in alike(mixtures.take(here)):
        own = np.ix_((pairs == pair).all(axis=1), regions - first_leaf)
        found = numbers_of_mixture(pair, multipliers, way)[regions - first_leaf]
        numbers[own] = np.fmin(numbers[own], found)
    return numbers


def alike(mixtures: Mixtures) -> list[Mixtures]:
    """Return mixtures of one pair with equal multipliers together: all their leaves, and these.

    Bounds are computed for all regions at a time, so that each leaf by itself would make the time
    grow with the square of their number.
    """
    rows = np.column_stack([mixtures.pairs, mixtures.multipliers])
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    in_order = np.argsort(group.ravel(), kind="stable")
    leaves = np.split(mixtures.leaf[in_order], np.cumsum(np.bincount(group.ravel()))[:-1])
    return [
        Mixtures(own, mixtures.pairs[i], mixtures.multipliers[i]) for own, i in zip(leaves, first)
    ]


def ways_on_domain(data: Any, f: Any, g: Any, domain: Any) -> list[Any]:
    """Return the ways to bound functions of the outputs on the whole domain: two, with roles."""
    layers = joint_layers(f, g, domain)
    one_leaf = {**ONE_LEAF, "directions": np.empty((0, domain.n_inputs))}
    parts, kind = batches_of_leaves(one_leaf, layers, domain)
    ways: list[Any] = [ByForms(last_hidden_layer(parts[0], data, layers, domain, kind))]
    if "roles0" in data:
        ways.append(BySymbolicRows(data, f, g, domain))
    return ways


def way_on_leaf(data: Any, f: Any, g: Any, domain: Any, box: Any) -> BySymbolicRows:
    """Return the symbolic rows on a leaf; a domain that is not split is its own leaf."""
    is_whole = len(data["axis"]) == 1
    return BySymbolicRows(data, f, g, domain if is_whole else Box(*np.array(box).T))


def check(data: Any, f: Any, g: Any, domain: Any) -> float:
    """Return the least delta up to which g agrees with f on the domain, as far as the data proves.

    data : `axis`, `place`, `directions`, `labels0`, `scales0`, ..., `linear`, see
        `check_difference.check`; `open`, the pairs that the leaves are for; `leaf`, `pairs`,
        `multipliers`, see `Mixtures`; `roles0`, ..., see `roles_of`, which may be absent; `rows`, 1
        if leaves are bounded by symbolic rows too

    ValueError if the data proves nothing.
    """
    layers = joint_layers(f, g, domain)
    n_outputs = len(f.output_weights)
    is_open = np.eye(n_outputs, dtype=bool)  # no pairs (j, j)
    require(data["open"].max(initial=0) < n_outputs, "an output that the networks do not have")
    is_open[data["open"][:, 0], data["open"][:, 1]] = True
    mixtures = Mixtures(data["leaf"], data["pairs"], data["multipliers"])
    require_mixtures(mixtures, n_outputs)

    with np.errstate(all="ignore"):
        ways = ways_on_domain(data, f, g, domain)
        settled = np.argwhere(~is_open)
        of_domain = [best_numbers(settled, WHOLE_DOMAIN, mixtures, way) for way in ways]
        found = [np.fmin(of_domain[0], of_domain[-1]).max(initial=0.0)]

        parts, kind = batches_of_leaves(data, layers, domain)
        first_leaf = 0
        for part in parts if len(data["open"]) else []:
            by_forms = ByForms(last_hidden_layer(part, data, layers, domain, kind))
            numbers = best_numbers(data["open"], first_leaf, mixtures, by_forms)
            for leaf, box in enumerate(part) if data["rows"] else []:
                # symbolic rows are slow, and change nothing where the largest number is larger
                if not (numbers[:, leaf] <= max(found)).all():
                    by_rows = way_on_leaf(data, f, g, domain, box)
                    own = best_numbers(data["open"], first_leaf + leaf, mixtures, by_rows)
                    numbers[:, leaf] = np.fmin(numbers[:, leaf], own[:, 0])
                found.append(numbers[:, leaf].max())
            found.append(numbers.max())
            first_leaf += len(part)
    return float(np.max(found))  # nan if one is: the built-in max may lose it


def lead_at(data: Any, f: Any, g: Any, domain: Any) -> Fraction:
    """Return by how much the largest output of f leads the others at a point where g disagrees.

    ValueError if the point does not lie in the domain, if f has no single largest output there, or
    if that is a largest output of g too.

    data : see `check_rational.point_of`
    """
    require_fit(f, g, domain)
    x = point_of(data, domain)
    of_f, of_g = outputs(f, x), outputs(g, x)
    j = of_f.index(max(of_f))
    lead = min((of_f[j] - value for i, value in enumerate(of_f) if i != j), default=Fraction(0))
    require(lead > 0, "no output of f leads all others at the point")
    require(max(of_g) > of_g[j], "the networks agree at the point")
    return lead
