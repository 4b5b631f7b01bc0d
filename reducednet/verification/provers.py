"""The provers of `verify`, the cheapest first; each notes what it finds, and returns if it does not serve."""
from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from itertools import product

import numpy as np

from .._validation import Array
from ..numerics.rationals import above, below
from ..numerics.rounding import gamma
from ..numerics.sphere import row_norms
from . import breakpoints, counterexamples, mixed_integer
from .counterexamples import confirm
from .difference_bounds.affine_forms import region_of
from .difference_bounds.difference import Matcher, difference
from .difference_bounds.euclidean_norms import norm_bound
from .difference_bounds.neuron_classes import Difference
from .difference_bounds.neuron_matching import (
    TOLERANCES, similar_first_layers, no_match, same_hyperplanes, same_indices,
)
from .difference_bounds.permutation import permutation_arrays
from .exact_basis import Sum, what_is_left
from .findings import Findings, Question
from .input_splitting import branch
from .rational import gap_at
from .symbolic_bounds.linear_programs import Effort
from .symbolic_bounds.symbolic_difference import folded_bound, joint_arrays, products
from .symbolic_bounds.symbolic_network import ROUNDING
from .verdict import UNKNOWN

EXACT_PARAMETERS = 200_000
"""The largest number of parameters that is counted in rationals."""
LINEAR_PRODUCTS = 200_000_000
"""How many products the slopes of a deep network may cost; above that intervals have to do."""
BRANCHING_INPUTS = 12
PRODUCTS_A_SECOND = 2e8
"""How many of the products of two networks that are written out take a second at most."""


def by_permutation(findings: Findings) -> None:
    """Compare all numbers, the neurons in another order and their rows times powers of two."""
    question = findings.question
    f, g = question.given or (question.f, question.g)
    arrays = permutation_arrays(f, g, findings.check_time)
    if arrays is not None:
        findings.prove(0.0, "permutation", {"kind": "permutation", "arrays": arrays})


def by_differences(findings: Findings) -> None:
    """Bound the difference on the whole domain, with neurons matched by their places.

    Binary neurons are matched by their hyperplanes at once, before rounding's slivers between those are looked at.
    """
    question = findings.question
    if question.f.activation == "binary":
        by_matching(findings)
    elif similar_first_layers(question.f, question.g):
        _bound_with(findings, same_indices)


def by_matching(findings: Findings) -> None:
    """Bound the difference on the whole domain, with neurons matched by their hyperplanes."""
    question = findings.question
    region, binary = region_of(question.domain), question.f.activation == "binary"
    if binary and findings.difference is not None:
        return  # `by_differences` asked for it before
    flips = question.f.depth == 1 and _linear(question)
    # binary: the same only within rounding, for what else is matched the margin would have to tell
    ladder = [same_hyperplanes(region, one, flips or binary) for one in TOLERANCES[:1 if binary else None]]
    for matcher in [*ladder, no_match]:
        if findings.status == UNKNOWN:
            findings.check_time()
            _bound_with(findings, matcher)


def _linear(question: Question) -> bool:
    """Tell whether linear bounds of all layers are worth their price; one layer's turned neurons need them."""
    price = (question.f.n_parameters + question.g.n_parameters) * (question.f.n_inputs + 2)
    return question.f.depth == 1 or price <= 2 * LINEAR_PRODUCTS


def _bound_with(findings: Findings, matcher: Matcher) -> None:
    """Bound the difference on the whole domain with this matcher's classes."""
    question = findings.question
    region, linear = region_of(question.domain), _linear(question)
    found = difference((question.f, question.g), region, matcher, linear)
    low, high = region.bounds(found.forms)
    bound, best = float(np.maximum(-low, high).max()), findings.bound
    evidence = {"kind": "pieces", "matches": found.matches, "linear": linear}
    name = "differences" if matcher is same_indices else "matching"
    findings.prove(bound, name, evidence, _margin(question, found))
    if findings.bound < best or findings.difference is None:
        findings.difference = found
    if question.f.activation == "relu":
        scaled = question.f, question.g
        given_pair = (question.given[0], question.given[1]) if question.given else scaled
        proof = norm_bound(found.matches, given_pair, scaled, question.domain)
        if proof is not None:
            findings.prove(proof[0], name, {"kind": "norms", "arrays": proof[1]})


def _margin(question: Question, found: Difference) -> float:
    """Return how far from every hyperplane a point must be for binary members to be their representatives."""
    if question.f.activation == "relu":
        return 0.0
    largest = 0.0  # above the first layer members are surely their representatives
    for known, network in zip(found.layers[0], (question.f, question.g)):
        decided = np.maximum(known.low[:, 0], -known.high[:, 0]) > known.mismatch[:, 0]  # one sign, s z_c too
        norms, mismatch = row_norms(network.weights[0]), np.where(decided, 0.0, known.mismatch[:, 0])
        none = np.where(mismatch > 0.0, np.inf, 0.0)  # a zero row has no hyperplane to be far from
        largest = max(largest, float(np.divide(mismatch, norms, out=none, where=norms > 0.0).max()))
    return largest * (1.0 + gamma(question.f.n_inputs + 8))


def by_search(findings: Findings) -> None:
    """Look for a counterexample and confirm it."""
    question = findings.question
    f, g = question.f, question.g
    slivers = None
    if f.activation == "binary":
        slivers = counterexamples.between_hyperplanes(f, g, question.domain)
    X = counterexamples.candidates(f, g, question.domain, slivers)
    seen = counterexamples.differences(f, g, X[:1]).item()
    if seen > 0.5 * question.eps or question.rounding > 2.0 * question.eps:  # else float64 sees enough
        confirm(findings, X, "search")


def by_breakpoints(findings: Findings) -> None:
    """One input: the supremum sits at a breakpoint."""
    question = findings.question
    f, g = question.f, question.g
    if f.n_inputs > 1:
        return
    low, high = breakpoints.ends(question.domain)
    shallow = f.depth == 1 and f.activation == "relu"
    n = sum(f.sizes[1:-1]) + sum(g.sizes[1:-1])
    if shallow:
        neurons = breakpoints.joint_neurons(f, g)
        gap, bound, knots = breakpoints.shallow_bounds(neurons, below(low), above(high))
        findings.prove(bound, "breakpoints", {"kind": "sorted", "exact": False})
        knots = knots[np.isfinite(knots)]
        if np.isfinite(gap) and low <= knots[0] <= high:
            findings.refute(Fraction(max(gap, 0.0)), knots[:1], "breakpoints")
        if findings.status == UNKNOWN:
            confirm(findings, knots[:, np.newaxis], "breakpoints")
    largest = min(breakpoints.LARGEST_SHALLOW, breakpoints.SHALLOW_A_SECOND * findings.remaining)
    if findings.status == UNKNOWN and shallow and n <= largest:
        supremum, x = breakpoints.shallow_supremum(neurons, low, high)
        findings.prove(above(supremum), "breakpoints", {"kind": "sorted", "exact": True})
        _confirm_exactly(findings, x)
    elif findings.status == UNKNOWN and n * (f.n_parameters + g.n_parameters) <= breakpoints.LARGEST_DEEP:
        supremum, x, all_knots = breakpoints.deep_supremum(f, g, low, high, findings.check_time)
        findings.prove(above(supremum), "breakpoints", {"kind": "line", "knots": all_knots})
        _confirm_exactly(findings, x)


def _confirm_exactly(findings: Findings, x: Fraction) -> None:
    """Note the difference at an exact point of one dimension: at a float64 beside it if that refutes too."""
    question, nearest = findings.question, float(x)
    X = np.array([[nearest], [np.nextafter(nearest, -np.inf)], [np.nextafter(nearest, np.inf)]])
    confirm(findings, X, "breakpoints")
    if not findings.refuted and question.slack == 0.0:  # else the point must be one that float64 has
        findings.refute(gap_at(*findings.exact, [x]), np.array([x]), "breakpoints")


def by_structure(findings: Findings) -> None:
    """Count in rationals whether everything cancels; for one hidden layer, look at the hyperplanes that stay."""
    question = findings.question
    f, g, domain = question.f, question.g, question.domain
    if findings.gap > 0.0 or f.n_parameters + g.n_parameters > EXACT_PARAMETERS:
        return
    left, basis = what_is_left(f, g, domain, findings.check_time)
    if not any(left):
        findings.prove(0.0, "structure", {"kind": "exact"})
    elif f.depth == 1:
        kinks = {i: max(abs(row.get(i, Fraction(0))) for row in left) for i in basis.hyperplanes}
        worst = [basis.hyperplanes[i] for i in sorted(kinks, key=lambda i: -kinks[i])[:16]]
        rows = [_direction(z, f.n_inputs) for z in worst]
        points = counterexamples.across_hyperplanes(domain, rows)
        confirm(findings, counterexamples.candidates(f, g, domain, points), "structure")


def _direction(z: Sum, n_inputs: int) -> Array:
    """Return the row (w, b) of a hyperplane in float64, |w_i| at most 1."""
    largest = max(abs(value) for i, value in z.items() if i)
    return np.array([below(z.get(i, Fraction(0)) / largest) for i in [*range(1, n_inputs + 1), 0]])


def by_folding(findings: Findings) -> None:
    """Write both networks out over the same columns: whatever their depths, what they share cancels.

    Then again without the classes that are never on where others are, if there are any; and, where the sizes
    differ, both with signs by branching, and last by linear programmes alone: a network that was made smaller
    by these keeps neurons whose signs they do not find, and then those must bend in the other as well.
    """
    question = findings.question
    f, g = question.given or (question.f, question.g)
    choices = (None, True, False) if f.sizes != g.sizes else (None,)
    for branching, exclude in product(choices, (False, True)) if f.activation == "relu" else ():
        if findings.status != UNKNOWN or products(f, g) > PRODUCTS_A_SECOND * findings.remaining:
            return
        effort = None if branching is None else Effort(branching, time.monotonic() + findings.remaining / 4.0)
        with suppress(ArithmeticError, ValueError):  # what leaves the range of float64 proves nothing
            arrays = joint_arrays(f, g, question.domain, ROUNDING, exclude, effort, findings.check_time)
            findings.check_time()
            if arrays is None and exclude:
                return
            if arrays and (not exclude or "cuts" in arrays):
                bound = folded_bound(arrays, f, g, question.domain)
                findings.prove(bound, "folding", {"kind": "folded", "arrays": arrays})


def by_branching(findings: Findings) -> None:
    """Split the inputs."""
    question = findings.question
    if question.f.n_inputs > BRANCHING_INPUTS:
        return
    found = _whole_domain(findings)
    if findings.status == UNKNOWN:
        branch(findings, found.matches, _margin(question, found))


def by_milp(findings: Findings) -> None:
    """Ask a mixed-integer solver for points, and for its word."""
    found = _whole_domain(findings)
    if findings.status == UNKNOWN:
        mixed_integer.propose(findings, found)


def _whole_domain(findings: Findings) -> Difference:
    """Return the best difference over the whole domain."""
    for prover in (by_differences, by_matching):
        if findings.difference is None:
            prover(findings)
    assert findings.difference is not None
    return findings.difference


PROVERS: dict[str, Callable[[Findings], None]] = {
    "permutation": by_permutation, "differences": by_differences, "breakpoints": by_breakpoints,
    "search": by_search, "matching": by_matching, "structure": by_structure, "folding": by_folding,
    "branching": by_branching, "milp": by_milp,
}
