"""Define the provers of `verify`, the cheapest first.

Each prover notes what it finds in the `Findings`, and returns at once if it does not apply.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from fractions import Fraction
from itertools import product

import numpy as np

from .._validation import Array
from ..numerics.rationals import above, below
from ..numerics.rounding import gamma
from ..numerics.sphere import row_norms
from . import breakpoints, counterexamples, mixed_integer
from .counterexamples import (
    confirm, points_across_hyperplanes, points_between_hyperplanes, promising_points,
)
from .difference_bounds.affine_forms import region_of
from .difference_bounds.difference import Matcher, difference, linear_forms_are_cheap
from .difference_bounds.euclidean_norms import norm_bound
from .difference_bounds.neuron_classes import Difference
from .difference_bounds.neuron_matching import (
    TOLERANCES, nearest_hyperplanes, no_match, same_hyperplanes, same_indices, similar_first_layers,
)
from .difference_bounds.permutation import permutation_arrays
from .exact_basis import Combination, subtract
from .findings import Findings, Question
from .input_splitting import split_inputs, uses_zonotopes
from .rational import gap_at
from .sign_splitting import split_signs
from .symbolic_bounds.linear_programs import Effort
from .symbolic_bounds.symbolic_difference import propose_symbolic_proof, symbolic_bound, symbolic_cost
from .symbolic_bounds.symbolic_network import FINEST_PRECISION
from .verdict import UNKNOWN

EXACT_PARAMETERS = 200_000
"""The largest number of parameters that are written over a basis in rationals."""
MANY_INPUTS = 12
"""With more inputs, splitting them mostly ends with the time: it comes last for deep networks."""
REAL_DIFFERENCE = 2.0**-20
"""A gap that is a larger part of eps is no rounding error."""
FEW_INPUTS, FAVOURED_SHARE = 8, 0.9
"""With at most so many inputs splitting inputs is favoured, else splitting signs, and gets so much
of the time. (Measured with 50 neurons and 1 % noise: with up to 8 inputs boxes need a third of the
time of signs, or less; from 12 on signs decide what boxes leave undecided.)"""
ENDED = object()
"""What `take_turns` takes from a search that has ended."""
PRODUCTS_A_SECOND = 2e8
"""How many products of symbolic rows are computed in a second, at least."""


def by_permutation(findings: Findings) -> None:
    """Compare all parameters up to the order of neurons and powers of two on their rows."""
    question = findings.question
    f, g = question.given or (question.f, question.g)
    arrays = permutation_arrays(f, g, findings.check_time)
    if arrays is not None:
        findings.prove(0.0, "permutation", {"kind": "permutation", "arrays": arrays})


def by_differences(findings: Findings) -> None:
    """Bound the difference on the whole domain, with neurons matched by their indices.

    Binary neurons are matched by their hyperplanes here already: `search`, which comes before
    `matching`, would look between hyperplanes that differ by rounding.
    """
    question = findings.question
    if question.f.activation == "binary":
        by_matching(findings)
    elif similar_first_layers(question.f, question.g):
        _bound_with(findings, same_indices)


def by_matching(findings: Findings) -> None:
    """Bound the difference on the whole domain, with neurons matched by their hyperplanes.

    Equal ones are tried first, to within larger and larger tolerances, and nearest ones last.
    """
    question = findings.question
    region, binary = region_of(question.domain), question.f.activation == "binary"
    if binary and findings.difference is not None:
        return  # `by_differences` has done this
    opposite = question.f.depth == 1
    # binary: only hyperplanes equal up to rounding, or the margin would be too large
    tolerances = TOLERANCES[:1 if binary else None]
    matchers = [same_hyperplanes(region, tolerance, opposite or binary) for tolerance in tolerances]
    if not binary:
        matchers.append(nearest_hyperplanes(region, opposite))
    for matcher in [*matchers, no_match]:
        if findings.status == UNKNOWN:
            findings.check_time()
            _bound_with(findings, matcher)


def _bound_with(findings: Findings, matcher: Matcher) -> None:
    """Bound the difference on the whole domain, using the classes that this matcher proposes."""
    question = findings.question
    region = region_of(question.domain)
    linear = linear_forms_are_cheap(question.f, question.g)
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
    """Return how far from every hyperplane binary neurons agree with their representatives."""
    if question.f.activation == "relu":
        return 0.0
    largest = 0.0  # above the first layer, only neurons that agree for certain are in a class
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
    between = None
    if f.activation == "binary":
        between = points_between_hyperplanes(f, g, question.domain, TOLERANCES[0])
    X = promising_points(f, g, question.domain, between)
    largest = counterexamples.differences(f, g, X[:1]).item()
    # otherwise float64 shows well enough that this point is no counterexample
    if largest > 0.5 * question.eps or question.rounding_error > 2.0 * question.eps:
        confirm(findings, X, "search")


def by_breakpoints(findings: Findings) -> None:
    """Bound the difference for one input, where the supremum is attained at a breakpoint."""
    question = findings.question
    f, g = question.f, question.g
    if f.n_inputs > 1:
        return
    low, high = breakpoints.exact_interval(question.domain)
    shallow = f.depth == 1 and f.activation == "relu"
    n = sum(f.sizes[1:-1]) + sum(g.sizes[1:-1])
    if shallow:
        neurons = breakpoints.joint_neurons(f, g)
        gap, bound, points = breakpoints.shallow_bounds(neurons, below(low), above(high))
        findings.prove(bound, "breakpoints", {"kind": "sorted", "exact": False})
        points = points[np.isfinite(points)]
        if np.isfinite(gap) and low <= points[0] <= high:
            findings.refute(Fraction(max(gap, 0.0)), points[:1], "breakpoints")
        if findings.status == UNKNOWN:
            confirm(findings, points[:, np.newaxis], "breakpoints")
    largest = min(breakpoints.LARGEST_SHALLOW, breakpoints.SHALLOW_A_SECOND * findings.remaining)
    if findings.status == UNKNOWN and shallow and n <= largest:
        supremum, x = breakpoints.shallow_supremum(neurons, low, high)
        findings.prove(above(supremum), "breakpoints", {"kind": "sorted", "exact": True})
        _confirm_exactly(findings, x)
    elif findings.status == UNKNOWN and n * (f.n_parameters + g.n_parameters) <= breakpoints.LARGEST_DEEP:
        supremum, x, all_points = breakpoints.deep_supremum(f, g, low, high, findings.check_time)
        evidence = {"kind": "line", "breakpoints": all_points}
        findings.prove(above(supremum), "breakpoints", evidence)
        _confirm_exactly(findings, x)


def _confirm_exactly(findings: Findings, x: Fraction) -> None:
    """Note the difference at a float64 near x if that refutes, or else at x itself."""
    question, nearest = findings.question, float(x)
    X = np.array([[nearest], [np.nextafter(nearest, -np.inf)], [np.nextafter(nearest, np.inf)]])
    confirm(findings, X, "breakpoints")
    if not findings.refuted and question.evaluation_error == 0.0:  # else x has to be a float64
        findings.refute(gap_at(*findings.exact, [x]), np.array([x]), "breakpoints")


def by_structure(findings: Findings) -> None:
    """Write f - g over one exact basis and see whether it is 0.

    If not, for one hidden layer, search for a counterexample at the hyperplanes that remain.
    """
    question = findings.question
    f, g, domain = question.f, question.g, question.domain
    if findings.gap > 0.0 or f.n_parameters + g.n_parameters > EXACT_PARAMETERS:
        return
    differences, basis = subtract(f, g, domain, findings.check_time)
    if not any(differences):
        findings.prove(0.0, "structure", {"kind": "exact"})
    elif f.depth == 1:
        weights = {
            i: max(abs(row.get(i, Fraction(0))) for row in differences) for i in basis.hyperplanes
        }
        largest = [basis.hyperplanes[i] for i in sorted(weights, key=lambda i: -weights[i])[:16]]
        points = points_across_hyperplanes(domain, [_row(z, f.n_inputs) for z in largest])
        confirm(findings, promising_points(f, g, domain, points), "structure")


def _row(z: Combination, n_inputs: int) -> Array:
    """Return the row (w, b) of a hyperplane in float64, |w_i| at most 1."""
    largest = max(abs(value) for i, value in z.items() if i)
    return np.array([below(z.get(i, Fraction(0)) / largest) for i in [*range(1, n_inputs + 1), 0]])


def by_folding(findings: Findings) -> None:
    """Bound f - g with both networks as symbolic rows over the same columns, whatever their depths.

    The rows are bounded by back-substitution, as DeepPoly and CROWN do (PROOFS, Lemma 19).

    First with all columns, then without the excluded ones of exclusive pairs, if there are any.
    Where the sizes differ, try again with sharper signs, found by branching, and last by linear
    programs alone: a network that these made smaller keeps neurons whose signs they cannot decide,
    and then these neurons must count as unstable in the other network as well.
    """
    question = findings.question
    f, g = question.given or (question.f, question.g)
    choices = (None, True, False) if f.sizes != g.sizes else (None,)
    for branching, exclude in product(choices, (False, True)) if f.activation == "relu" else ():
        if findings.status != UNKNOWN or symbolic_cost(f, g) > PRODUCTS_A_SECOND * findings.remaining:
            return
        effort = None if branching is None else Effort(branching, time.monotonic() + findings.remaining / 4.0)
        with suppress(ArithmeticError, ValueError):  # what leaves the range of float64 proves nothing
            arrays = propose_symbolic_proof(
                f, g, question.domain, FINEST_PRECISION, exclude, effort, findings.check_time)
            findings.check_time()
            if arrays is None and exclude:
                return
            if arrays and (not exclude or "cuts" in arrays):
                bound = symbolic_bound(arrays, f, g, question.domain)
                findings.prove(bound, "folding", {"kind": "folded", "arrays": arrays})


def by_branching(findings: Findings) -> None:
    """Split the domain, or the signs of neurons, and bound each part (branch and bound).

    With one hidden ReLU layer both searches take turns, so that neither's proofs are lost.
    """
    question = findings.question
    found = whole_domain(findings)
    if findings.status != UNKNOWN:
        return
    searches = [split_inputs(findings, found.matches, _margin(question, found))]
    if question.f.depth == 1 and question.f.activation == "relu":
        searches.append(split_signs(findings, found.matches))
    if question.f.n_inputs > FEW_INPUTS:
        searches = searches[::-1]
    take_turns(findings, searches, (FAVOURED_SHARE, 1.0 - FAVOURED_SHARE))


def take_turns(
    findings: Findings, searches: Sequence[Generator[None, None, None]], shares: Sequence[float]
) -> None:
    """Run searches in turns, each for its share of the time, until one decides or all end."""
    spent, waiting = [0.0] * len(searches), list(range(len(searches)))
    with ExitStack() as stack:
        for search in searches:
            stack.enter_context(closing(search))  # a search that is closed notes its bound
        while waiting and findings.status == UNKNOWN:
            turn = min(waiting, key=lambda i: spent[i] / shares[i])
            began = findings.seconds
            if next(searches[turn], ENDED) is ENDED:
                waiting.remove(turn)
            spent[turn] += findings.seconds - began


def by_milp(findings: Findings) -> None:
    """Ask a mixed-integer solver for points, and for its unproved bound."""
    question = findings.question
    found = whole_domain(findings)
    if findings.status == UNKNOWN:
        # with many inputs `next_prover` asks branching last, which needs most of the time
        share = 0.8 if question.f.n_inputs <= MANY_INPUTS else 0.2
        mixed_integer.propose(findings, found, findings.seconds + share * findings.remaining)


def whole_domain(findings: Findings) -> Difference:
    """Return the best bounds over the whole domain; compute them if no prover has."""
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


def next_prover(findings: Findings, waiting: Sequence[str]) -> str:
    """Return which of the provers that are waiting, the cheapest first, is to be asked next.

    Deep networks of the same sizes that differ by more than rounding have no symbolic rows in
    common: `folding` comes after `branching`. With many inputs `branching` is the last, for it
    mostly ends with the time.
    """
    question = findings.question
    first, pair = waiting[0], question.given or (question.f, question.g)
    if not uses_zonotopes(question):
        return first
    if first == "folding" and pair[0].sizes == pair[1].sizes and "branching" in waiting:
        if findings.gap > REAL_DIFFERENCE * question.eps:
            first = "branching"
    if first == "branching" and question.f.n_inputs > MANY_INPUTS and "milp" in waiting:
        return "folding" if "folding" in waiting else "milp"
    return first
