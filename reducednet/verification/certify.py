"""From what provers found to a certificate: their evidence, in the terms of the networks as they were given.

A certificate is handed out only if its checker confirms it: the checker is asked, and what it finds
is what is claimed, if that is not beyond its time. Where a proof is a theorem of rational numbers,
or its bound came from the checker in the first place, it is not asked again.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .._validation import Array
from ..domains import Ball, Domain, Hull
from ..networks.network import Network
from ..numerics.rationals import LARGEST, above, below, rationals, simplex_weights
from .certificates.certificate import Certificate, fingerprint, proved_number
from .certificates.check_evaluation import evaluation_error
from .certificates.check_rational import point_of
from .certificates.schemas import as_texts
from .difference_bounds.given_terms import layer_arrays
from .findings import Findings
from .rational import corners_around
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN

SECONDS = 1.0
"""How long a checker may take at least, however little time is left; it may take half of what is
left as well.
"""
FLOATS_A_SECOND, RATIONALS_A_SECOND = 2e8, 4e3
"""How many products in float64, or parameters in rationals, a checker does a second at least:
measured.
"""
BY_CHECKER = ("folded", "norms", "permutation")
"""Kinds of proofs whose bound is what the checker found in the first place."""
WHOLE = {"axis": np.array([-1]), "place": np.array([0.0])}
"""The tree that does not cut the domain."""
ROUNDING = 2.0**-44
"""The margin that rounded rows of binary networks need, in sizes of the domain; a smaller one is tried first."""
SPARE = 1.0 / 16.0
"""What a claim may be larger than a bound in float64 by: sums may come out otherwise on another
computer.
"""


def certify(findings: Findings, f: Network, g: Network) -> Certificate | None:
    """Return the certificate of what is found about the networks as they were given, or None.

    Its `check` answers True, and its status is that of the findings; or "equivalent" where they are
    undecided, for a checker may find more than the prover. None: nothing is proved, or its checker
    finds less, or takes too long.
    """
    certificates: Iterator[Certificate | None]
    if findings.status == DIFFERENT or not findings.proofs and findings.gap > 0.0:
        certificates = iter([_point(findings, f, g)])
    else:
        certificates = _bounds(findings, f, g)
    domain, status = findings.question.domain, findings.status
    for one in certificates:
        fits = one is not None and (one.status == status or status == UNKNOWN)
        if one is not None and fits and not one.unproved_semantics(f, g, domain):
            return one
    return None


def _point(findings: Findings, f: Network, g: Network) -> Certificate | None:
    """Return the certificate of a counterexample, whose difference is known exactly."""
    question, x = findings.question, rationals(findings.counterexample)
    gap = below(Fraction(findings.gap) + Fraction(question.slack))
    try:
        arrays = {"point": _as_array(x), **_shares(question.domain, x)}
        point_of(arrays, question.domain)
        return _certificate("gap", gap, "point", arrays, findings, f, g)
    except ValueError:  # it is on the domain's border, or has too many digits
        return None


def _shares(domain: Domain, x: Sequence[Fraction]) -> dict[str, Any]:
    """Return which points of a Hull a point is a mean of, and their shares; nothing for other domains."""
    if not isinstance(domain, Hull):
        return {}
    corners = corners_around(domain, np.array([float(value) for value in x]))
    if domain.n_inputs == 1:
        corners = [int(domain.points.argmin()), int(domain.points.argmax())]
    weights = simplex_weights([rationals(domain.points[i]) for i in corners], x)
    if weights is None:
        raise ValueError("the point is no mean of these corners")
    return {"corners": np.array(corners), "shares": _texts(weights)}


def _bounds(findings: Findings, f: Network, g: Network) -> Iterator[Certificate | None]:
    """Yield certificates of the bounds that were proved, the best first; at last one by rationals,
    where that is quick.

    A binary network's margin may be less than the prover's: neurons that never change need none.
    """
    margins = {0.0, min(findings.margin, ROUNDING * findings.question.domain.norm_bound), findings.margin}
    proofs = findings.proofs[::-1]
    if proofs and _seconds("exact", WHOLE, f, g) <= SECONDS:
        proofs.append((np.inf, {"kind": "exact"}))
    for proved, evidence in proofs:
        try:
            kind, arrays = _evidence(evidence, findings, f, g)
        except ValueError:  # a number of too many digits, or a scale that leaves the range of float64
            continue
        for margin in sorted(margins):
            widened = min(margin * (1.0 + SPARE), max(margin, findings.margin))
            certain = _is_certain(evidence, proved, findings)
            yield _confirmed(kind, arrays, proved, widened, findings, f, g, certain)


def _confirmed(
    kind: str, arrays: Mapping[str, Any], proved: float, margin: float, findings: Findings,
    f: Network, g: Network, certain: bool,
) -> Certificate | None:
    """Return the certificate of this proof with the bound that its checker finds; None if that is
    beyond its time.

    A certain bound is what the checker would find, and it is asked only where that is quick.
    """
    question = findings.question
    most = below(Fraction(question.eps) - Fraction(question.slack)) if findings.status == EQUIVALENT else LARGEST
    found: Any = proved
    try:
        longest = SECONDS if certain else max(SECONDS, findings.remaining / 2.0)
        if kind not in ("folded", "norms") and _seconds(kind, arrays, f, g) <= longest:
            certificate = _certificate("bound", 0.0, kind, arrays, findings, f, g, margin)
            found = proved_number(certificate, f, g, question.domain)
        elif not certain:
            return None
        if not found <= most:
            return None
        value = above(found) if isinstance(found, Fraction) else float(found)
        if not (kind == "exact" or kind == "sorted" and arrays["exact"]):  # those are rationals
            room = 4.0 * evaluation_error(f, g, question.domain)
            value += min(SPARE * value, room) if np.isfinite(room) else SPARE * value
        value = min(most, max(value, findings.gap))
        return _certificate("bound", value, kind, arrays, findings, f, g, margin)
    except (ArithmeticError, LookupError, ValueError):  # what leaves the range of float64 proves nothing
        return None


def _is_certain(evidence: Mapping[str, Any], proved: float, findings: Findings) -> bool:
    """Return True if the checker surely finds the bound that was proved.

    "folded" and "norms": the bound is what the checker found. "line" and "sorted" in rationals:
    between neighbouring breakpoints all signs are known, and both find the supremum. "exact": both
    write the networks over one basis by the same rules, in rationals; but for balls, where a root
    is rounded and a tangent may count as a cut.
    """
    if not np.isfinite(proved):
        return False
    kind, on_ball = evidence["kind"], isinstance(findings.question.domain, Ball)
    if kind == "exact":
        return not on_ball
    return kind in (*BY_CHECKER, "line") or evidence.get("exact") is True


def _certificate(
    claim: str, value: float, kind: str, arrays: Mapping[str, Any], findings: Findings, f: Network, g: Network,
    margin: float = 0.0,
) -> Certificate:
    question = findings.question
    name, semantics = fingerprint(f, g, question.domain), "float64" if question.slack else "real"
    return Certificate(
        claim, value, question.eps, question.slack, margin, kind, arrays, name, semantics=semantics,
    )


def _seconds(kind: str, arrays: Mapping[str, Any], f: Network, g: Network) -> float:
    """Return about how long the checker takes at most."""
    n_parameters, n_outputs = f.n_parameters + g.n_parameters, f.n_outputs
    if kind == "sorted":
        n = sum(f.sizes[1:-1] + g.sizes[1:-1])
        return n * (1.0 + n / 1000.0) * n_outputs / RATIONALS_A_SECOND if arrays["exact"] else 0.0
    if "axis" not in arrays:
        return 0.0
    leaves = int((arrays["axis"] == -1).sum())
    if kind == "exact":
        return leaves * n_parameters / RATIONALS_A_SECOND
    columns = f.n_inputs + 2
    first = (f.sizes[1] + g.sizes[1]) * f.n_inputs
    products = n_parameters * columns if arrays["linear"] else first * columns + n_parameters
    return leaves * 4.0 * products / FLOATS_A_SECOND


def _evidence(
    evidence: Mapping[str, Any], findings: Findings, f: Network, g: Network
) -> tuple[str, dict[str, Any]]:
    """Return the kind of the proof, and the arrays that its checker needs."""
    question = findings.question
    if "arrays" in evidence:  # they are about the networks as they were given
        return evidence["kind"], evidence["arrays"]
    if evidence["kind"] == "sorted":
        exactly = {"exact": np.array(1)}
        quick = _seconds("sorted", exactly, f, g) <= SECONDS
        return "sorted", exactly if evidence["exact"] or quick else {"exact": np.array(0)}
    arrays: dict[str, Any] = dict(WHOLE)
    if evidence["kind"] == "line":
        return "exact", _chain(evidence["knots"])
    if evidence["kind"] == "exact":
        return "exact", arrays
    if "tree" in evidence:
        arrays = _in_order(evidence["tree"])
    arrays |= layer_arrays(evidence["matches"], (f, g), (question.f, question.g))
    if f.activation == "binary":
        return "exact", arrays
    return "pieces", arrays | {"linear": np.array(int(evidence["linear"]))}


def _chain(knots: Sequence[Fraction]) -> dict[str, Any]:
    """Return the tree that cuts an interval at its inner knots, one after the other."""
    inner = knots[1:-1]
    axis = np.array([0, -1] * len(inner) + [-1])
    places = [value for knot in inner for value in (knot, Fraction(0))] + [Fraction(0)]
    return {"axis": axis, "place": _texts(places)}


def _in_order(tree: Any) -> dict[str, Any]:
    """Return a tree as its nodes in the order in which they are met, the lower half of a cut first."""
    order, stack = [], [0]
    while stack:
        node = stack.pop()
        order.append(node)
        if tree.axis[node] >= 0:
            stack += [tree.child[node] + 1, tree.child[node]]
    arrays = {name: np.array([getattr(tree, name)[node] for node in order]) for name in ("axis", "place")}
    outside = [tree.directions[node] for node in order if tree.axis[node] == -2]
    return arrays | ({"directions": np.array(outside)} if outside else {})


def _texts(values: Sequence[Fraction]) -> Any:
    return as_texts([str(value) for value in values])


def _as_array(x: Sequence[Fraction]) -> Array | Any:
    """Return numbers as float64, or as text where they are none."""
    floats = np.array([float(value) for value in x])
    return floats if rationals(floats) == list(x) else _texts(x)
