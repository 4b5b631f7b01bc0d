"""From what provers found to a certificate: their evidence, in the terms of the networks as they were given.

Provers work with rows that are scaled by powers of two and with networks of one depth. A certificate speaks of the
given networks, g's neurons before f's in each layer, and its checkers know nothing of scalings.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .._validation import Array
from ..domains import Domain, Hull
from ..layers import affine_maps
from ..networks import Network
from .certificates import Certificate, fingerprint, proved_number
from .classes import Match
from .exact import LARGEST, below, corners_around, rationals, simplex_weights
from .findings import Findings
from .verdict import DIFFERENT, EQUIVALENT

CHECKED = {"pieces": 2_000_000, "exact": 20_000, "sorted": 20_000}
"""How much work a certificate's own checker may be at once: leaves times parameters, or so."""
CHECKED_BY_PROVER = ("folded", "permutation")
"""Kinds of proofs whose bound is the checker's own."""
SORTED_EXACTLY = 1000
"""The largest number of breakpoints that a checker sorts in rationals where the prover did not."""
WHOLE = {"axis": np.array([-1]), "place": np.array([0.0])}
"""The tree that does not cut the domain."""
ROUNDING = 2.0**-44
"""The margin that rounded rows of binary networks need, in sizes of the domain; a smaller one is tried first."""
SPARE = 1.0 / 16.0
"""What a claim is larger than a bound by: sums of floats may come out otherwise on another computer."""


def certify(findings: Findings, f: Network, g: Network) -> Certificate | None:
    """Return the certificate of what is found about the networks as they were given; None if nothing is proved.

    A claim of "equivalent" is never above eps. Where it costs little, the checker is asked at once; for large
    networks the certificate is made without: what it finds differs from the prover's bound by roundings only.
    """
    if findings.status == DIFFERENT or findings.evidence is None and findings.gap > 0.0:
        return _point(findings, f, g)
    return None if findings.evidence is None else _proof(findings, f, g)


def _point(findings: Findings, f: Network, g: Network) -> Certificate | None:
    """Return the certificate of a counterexample."""
    question, x = findings.question, rationals(findings.counterexample)
    gap = below(Fraction(findings.gap) + Fraction(question.slack))
    arrays = {"point": _as_array(x), **_shares(question.domain, x)}
    return _certificate("gap", gap, "point", arrays, findings, f, g)


def _shares(domain: Domain, x: Sequence[Fraction]) -> dict[str, Any]:
    """Return which points of a Hull a point is a mean of, and their shares; nothing for other domains."""
    if not isinstance(domain, Hull):
        return {}
    corners = corners_around(domain, np.array([float(value) for value in x]))
    if domain.n_inputs == 1:
        corners = [int(domain.points.argmin()), int(domain.points.argmax())]
    weights = simplex_weights([rationals(domain.points[i]) for i in corners], x)
    return {"corners": np.array(corners), "shares": _texts(weights if weights is not None else [])}


def _proof(findings: Findings, f: Network, g: Network) -> Certificate | None:
    """Return the certificate of a bound; where floats confirm none, rationals may.

    A binary network's margin may be less than the prover's: neurons that never change need none.
    """
    proofs = [_evidence(findings, f, g)]
    if proofs[0][0] != "exact":
        proofs.append(("exact", dict(WHOLE)))
    margins = {0.0, min(findings.margin, ROUNDING * findings.question.domain.norm_bound), findings.margin}
    for kind, arrays in proofs:
        for margin in sorted(margins):
            certificate = _confirmed(kind, arrays, margin * (1.0 + SPARE), findings, f, g)
            if certificate is not None:
                return certificate
    return None


def _confirmed(
    kind: str, arrays: Mapping[str, Any], margin: float, findings: Findings, f: Network, g: Network
) -> Certificate | None:
    """Return the certificate of this proof, if its checker confirms it or would take long; else None."""
    question = findings.question
    most = below(Fraction(question.eps) - Fraction(question.slack)) if findings.status == EQUIVALENT else LARGEST
    proved = max(0.0, float(findings.evidence_bound - question.slack))  # by this evidence, not by a better bound
    value = min(most, proved * (1.0 + SPARE))
    try:
        certificate = _certificate("bound", value, kind, arrays, findings, f, g, margin)
    except ValueError:  # a scale between the given networks' rows leaves the range of float64
        return None
    late = kind == "pieces" and findings.remaining == 0.0
    if kind in CHECKED_BY_PROVER or late or _work(kind, arrays, f, g) > CHECKED[kind]:
        return certificate if margin >= findings.margin and proved <= value else None
    try:
        found = float(proved_number(certificate, f, g, question.domain))
    except (ArithmeticError, LookupError, ValueError):
        return None
    if not found <= value:
        value = min(most, found * (1.0 + SPARE))
    if not found <= value < np.inf:
        return None
    return _certificate("bound", value, kind, arrays, findings, f, g, margin)


def _certificate(
    claim: str, value: float, kind: str, arrays: Mapping[str, Any], findings: Findings, f: Network, g: Network,
    margin: float = 0.0,
) -> Certificate:
    question = findings.question
    name = fingerprint(f, g, question.domain)
    return Certificate(claim, value, question.eps, question.slack, margin, kind, arrays, name)


def _work(kind: str, arrays: Mapping[str, Any], f: Network, g: Network) -> int:
    """Return about how many operations the checker has to do."""
    if kind == "sorted":
        return sum(f.sizes[1:-1] + g.sizes[1:-1]) * (20 if arrays["exact"] else 1)
    leaves = int((arrays["axis"] == -1).sum())
    return leaves * (f.n_parameters + g.n_parameters) * (f.n_inputs + 2 if kind == "pieces" else 1)


def _evidence(findings: Findings, f: Network, g: Network) -> tuple[str, dict[str, Any]]:
    """Return the kind of the proof, and the arrays that its checker needs."""
    evidence: Any = findings.evidence
    if evidence["kind"] in CHECKED_BY_PROVER:
        return evidence["kind"], evidence["arrays"]
    if evidence["kind"] == "sorted":
        n = f.sizes[1] + g.sizes[1]
        return "sorted", {"exact": np.array(int(evidence["exact"] or n <= SORTED_EXACTLY))}
    arrays: dict[str, Any] = dict(WHOLE)
    if evidence["kind"] == "line":
        return "exact", _chain(evidence["knots"])
    if evidence["kind"] == "exact":
        return "exact", arrays
    if "tree" in evidence:
        arrays = _in_order(evidence["tree"])
    arrays |= _matches(evidence["matches"], findings, f, g)
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


def _matches(matches: Sequence[Match], findings: Findings, f: Network, g: Network) -> dict[str, Any]:
    """Return each layer's labels and scales, for rows that are not scaled by powers of two."""
    question = findings.question
    arrays: dict[str, Any] = {}
    exponents = [_exponents(own, scaled) for own, scaled in ((f, question.f), (g, question.g))]
    for layer, match in enumerate(matches):
        labels = np.concatenate(match.labels[::-1])
        heads = np.unique(labels, return_index=True)[1][int((labels < 0).any()):]
        powers = np.concatenate([exponents[1][layer], exponents[0][layer]])
        own = powers[np.append(heads, 0)[labels]]
        with np.errstate(over="ignore"):
            scales = np.ldexp(np.concatenate(match.scales[::-1]), np.where(labels < 0, 0, powers - own))
        arrays |= {f"labels{layer}": labels, f"scales{layer}": np.where(labels < 0, 0.0, scales)}
    return arrays


def _exponents(network: Network, scaled: Network) -> list[np.ndarray]:
    """Return the e of each neuron of each layer with z = 2^e times that of the scaled network.

    A row's largest entry tells it: it was divided by 2^e, and for ReLU multiplied by 2^e of the neuron below.
    """
    below_it, result = np.zeros(network.n_inputs, dtype=int), []
    hidden = affine_maps(network)[:-1]
    hidden += affine_maps(scaled)[network.depth:-1]
    for (W, _), V in zip(hidden, scaled.weights):
        at = np.abs(V).argmax(axis=1)
        j = np.arange(len(V))
        powers = np.frexp(W[j, at])[1] + below_it[at] - np.frexp(V[j, at])[1]
        powers = np.where(V[j, at] == 0.0, 0, powers)
        result.append(powers)
        below_it = powers if network.activation == "relu" else 0 * powers
    return result


def _texts(values: Sequence[Fraction]) -> Any:
    return np.array([str(value) for value in values], dtype=np.str_)


def _as_array(x: Sequence[Fraction]) -> Array | Any:
    """Return numbers as float64, or as text where they are none."""
    floats = np.array([float(value) for value in x])
    return floats if rationals(floats) == list(x) else _texts(x)
