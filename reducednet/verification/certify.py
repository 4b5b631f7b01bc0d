"""Turn the evidence of provers into a certificate about the networks as they were given.

A certificate is returned only if its checker confirms it: ask the checker, if it is quick enough,
and claim the bound that it finds. Do not ask again where a proof is a theorem in rational numbers,
or where the bound came from the checker in the first place.

References
----------
PROOFS, section 22.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Ball, Domain, Hull
from ..networks.network import Network
from ..numerics.rationals import FLOAT_MAX, above, below, rationals, simplex_weights
from .certificates.certificate import Certificate, fingerprint, proved_number
from .certificates.check_difference import BATCH
from .certificates.check_evaluation import evaluation_error
from .certificates.check_rational import point_of
from .certificates.schemas import SCHEMAS, as_texts
from .difference_bounds.given_terms import layer_arrays
from .findings import Findings
from .rational import corners_around
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN

CHECKER_SECONDS = 1.0
"""The time a checker may take however little is left; it may also take half of the time left."""
OVERTIME = 0.05
"""The part of the time that a checker of an undecided question may take after its end."""
RATIONALS_A_SECOND = 4e3
"""How many parameters in rationals a checker handles a second, at least. It is measured."""
WEIGHTS_A_SECOND, FORMS_A_SECOND, PRODUCTS_A_SECOND = 2e7, 6e6, 3e9
"""The same of the checker of pieces: coefficients of rows, numbers in forms, and their products.

Measured: with these, what it is said to take is 1 to 4 times what it takes, from 2-20-10-1 on 300
leaves to 10-3150-3150-1 on one, on a busy machine.
"""
SYMBOLS_A_SECOND, SECONDS_A_LAYER = 2e8, 1e-4
"""Products of `check_zonotopes` with all symbols, at least, and what a layer of a leaf takes besides.
"""
BY_CHECKER = ("folded", "norms", "signs", "permutation", "top1")
"""Kinds of proofs whose bound came from the checker in the first place."""
NOT_SPLIT = {"axis": np.array([-1]), "place": np.array([0.0])}
"""The tree of a domain that is not split."""
MARGIN_OF_ROUNDED_ROWS = 2.0**-44
"""The margin that binary networks with rounded rows need, relative to the domain's norm bound."""
CLAIM_TOLERANCE = 1.0 / 16.0
"""How much a claim may exceed a bound, relatively: other computers add floats in other orders."""


def certify(findings: Findings, f: Network, g: Network) -> Certificate | None:
    """Return a certificate of the findings, about the networks as they were given, or None.

    Its `check` returns True, and its status is that of the findings, or "equivalent" where they are
    undecided and the checker finds a smaller bound than the prover. Return None if nothing is
    proved, or if the checker finds less or takes too long.
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
    gap = below(Fraction(findings.gap) + Fraction(question.evaluation_error))
    try:
        arrays = {"point": _as_array(x), **_shares(question.domain, x)}
        point_of(arrays, question.domain)
        kind = "point" if question.target == "values" else "top1_point"
        name = fingerprint(f, g, question.domain)
        return _certificate(gap, kind, arrays, findings, name)
    except ValueError:  # the point is on the domain's boundary, or has too many digits
        return None


def _shares(domain: Domain, x: Sequence[Fraction]) -> dict[str, Any]:
    """Return corners of a Hull whose mean a point is, and their shares; {} for other domains."""
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
    """Yield certificates of the proved bounds, the best first, and last one in rationals if quick.

    A binary network's margin may be less than the prover's, as stable neurons need none: try
    smaller ones first.
    """
    rounded = MARGIN_OF_ROUNDED_ROWS * findings.question.domain.norm_bound
    margins = {0.0, min(findings.margin, rounded), findings.margin}
    proofs = findings.proofs[::-1]
    of_values = findings.question.target == "values"
    if of_values and proofs and _seconds("exact", NOT_SPLIT, f, g) <= CHECKER_SECONDS:
        proofs.append((np.inf, {"kind": "exact"}))
    for proved, evidence in proofs:
        try:
            kind, arrays = _evidence(evidence, findings, f, g)
        except ValueError:  # a number has too many digits, or a scale overflows
            continue
        for margin in sorted(margins):
            widened = min(margin * (1.0 + CLAIM_TOLERANCE), max(margin, findings.margin))
            certain = _is_certain(evidence, proved, findings)
            price = _price(kind, arrays, evidence, f, g)
            yield _confirmed(kind, arrays, proved, widened, findings, f, g, certain, price)


def _confirmed(
    kind: str, arrays: Mapping[str, Any], proved: float, margin: float, findings: Findings,
    f: Network, g: Network, certain: bool, price: Price,
) -> Certificate | None:
    """Return the certificate of this proof with the bound that its checker finds, or None.

    None: the checker finds too large a bound, or takes too long. A certain bound is what the
    checker would find: ask it only where it is quick.
    """
    question = findings.question
    most = FLOAT_MAX
    if findings.status == EQUIVALENT:
        most = below(Fraction(question.eps) - Fraction(question.evaluation_error))
    found: Any = proved
    name = fingerprint(f, g, question.domain)  # of both certificates below
    try:
        least = CHECKER_SECONDS
        if findings.status == UNKNOWN:  # mostly the time is over, and little is to be gained
            least = min(least, OVERTIME * findings.seconds)
        longest = CHECKER_SECONDS if certain else max(least, price.share * findings.remaining)
        if kind not in ("folded", "norms", "signs", "top1") and price.seconds <= longest:
            certificate = _certificate(0.0, kind, arrays, findings, name, margin)
            found = proved_number(certificate, f, g, question.domain)
        elif not certain:
            return None
        if not found <= most:
            return None
        value = above(found) if isinstance(found, Fraction) else float(found)
        if not (kind == "exact" or kind == "sorted" and arrays["exact"]):  # those are rationals
            error = 4.0 * evaluation_error(f, g, question.domain)
            tolerance = CLAIM_TOLERANCE * value
            value += min(tolerance, error) if np.isfinite(error) else tolerance
        value = min(most, max(value, findings.gap))
        return _certificate(value, kind, arrays, findings, name, margin)
    except (ArithmeticError, LookupError, ValueError):  # an overflow proves nothing
        return None


def _is_certain(evidence: Mapping[str, Any], proved: float, findings: Findings) -> bool:
    """Return True if the checker is certain to find the bound that was proved.

    "folded", "norms", "signs", "permutation" and "top1": the bound is what the checker found. "line"
    and "sorted" in rationals: between neighbouring breakpoints all signs are known, and both find
    the supremum.
    "exact": both write the networks over one basis by the same rules, in rationals; balls are an
    exception, as a root is rounded and a tangent hyperplane may count as meeting the ball.
    """
    if not np.isfinite(proved):
        return False
    kind, on_ball = evidence["kind"], isinstance(findings.question.domain, Ball)
    if kind == "exact":
        return not on_ball
    return kind in (*BY_CHECKER, "line") or evidence.get("exact") is True


def _certificate(
    value: float, kind: str, arrays: Mapping[str, Any], findings: Findings, name: str,
    margin: float = 0.0,
) -> Certificate:
    """Return the certificate of a claim about the networks with this fingerprint."""
    question = findings.question
    return Certificate(
        SCHEMAS[kind].claim, value, question.eps, question.evaluation_error, margin, kind, arrays, name,
        semantics=question.semantics,
    )


class Price(NamedTuple):
    """About how many seconds a checker takes, and the share of the time left that it may take."""

    seconds: float
    share: float


def _price(
    kind: str, arrays: Mapping[str, Any], evidence: Mapping[str, Any], f: Network, g: Network
) -> Price:
    """Return the price of checking this evidence.

    A search of boxes has measured it, and ended so early that the time is left: see
    `split_inputs`. Otherwise a checker may take half of what is left.
    """
    if kind in ("pieces", "zonotopes") and "seconds" in evidence:
        return Price(evidence["seconds"], 1.0)
    return Price(_seconds(kind, arrays, f, g), 0.5)


def _seconds(kind: str, arrays: Mapping[str, Any], f: Network, g: Network) -> float:
    """Return about how many seconds the checker takes at most."""
    n_parameters, n_outputs = f.n_parameters + g.n_parameters, f.n_outputs
    if kind == "sorted":
        n = sum(f.sizes[1:-1] + g.sizes[1:-1])
        return n * (1.0 + n / 1000.0) * n_outputs / RATIONALS_A_SECOND if arrays["exact"] else 0.0
    if "axis" not in arrays:
        return 0.0
    leaves = int((arrays["axis"] == -1).sum())
    if kind == "exact":
        return leaves * n_parameters / RATIONALS_A_SECOND
    if kind == "zonotopes":
        symbols = f.n_inputs + sum(f.sizes[1:-1]) + sum(g.sizes[1:-1])
        products = n_parameters * symbols / 8.0  # most neurons are stable, and have no symbol
        return leaves * (products / SYMBOLS_A_SECOND + max(f.depth, g.depth) * SECONDS_A_LAYER)
    return _seconds_of_pieces(leaves, bool(arrays["linear"]), f, g)


def _seconds_of_pieces(leaves: int, linear: bool, f: Network, g: Network) -> float:
    """Return about how many seconds the checker of pieces takes for this number of leaves.

    A layer has the neurons of both networks, and a row of each has a coefficient for each neuron of
    the layer below. Rows are made once for as many leaves as are bounded at the same time; forms
    have d + 2 numbers a leaf, above the first layer 2 if only intervals are used.
    """
    depth, d = max(f.depth, g.depth), f.n_inputs
    both = [
        one + other for one, other in zip(_hidden_widths(f, depth), _hidden_widths(g, depth))
    ]
    widths = [d, *both, 2 * f.n_outputs]
    numbers = [d + 2] + [d + 2 if linear else 2] * depth  # in each form of the layer below
    coefficients = [above * below for below, above in zip(widths, widths[1:])]

    at_once = 1 + BATCH // (d + 2) // max(both)
    seconds = -(-leaves // at_once) * sum(coefficients) / WEIGHTS_A_SECOND
    forms = sum(width * columns for width, columns in zip(widths[1:], numbers))
    products = sum(count * columns for count, columns in zip(coefficients, numbers))
    return seconds + leaves * (forms / FORMS_A_SECOND + products / PRODUCTS_A_SECOND)


def _hidden_widths(network: Network, depth: int) -> list[int]:
    """Return the numbers of neurons of a network that is deepened by copies of its last layer."""
    hidden = network.sizes[1:-1]
    return [*hidden, *hidden[-1:] * (depth - len(hidden))]


def _evidence(
    evidence: Mapping[str, Any], findings: Findings, f: Network, g: Network
) -> tuple[str, dict[str, Any]]:
    """Return the kind of the proof, and the arrays that its checker reads."""
    question = findings.question
    if "arrays" in evidence:  # these are about the networks as they were given
        return evidence["kind"], evidence["arrays"]
    if evidence["kind"] == "sorted":
        exactly = {"exact": np.array(1)}
        quick = _seconds("sorted", exactly, f, g) <= CHECKER_SECONDS
        return "sorted", exactly if evidence["exact"] or quick else {"exact": np.array(0)}
    arrays: dict[str, Any] = dict(NOT_SPLIT)
    if evidence["kind"] == "line":
        return "exact", _split_at(evidence["breakpoints"])
    if evidence["kind"] == "exact":
        return "exact", arrays
    if "splits" in evidence:
        arrays = tree_arrays(evidence["splits"])
    arrays |= layer_arrays(evidence["matches"], (f, g), (question.f, question.g))
    if f.activation == "binary":
        return "exact", arrays
    if evidence["kind"] == "zonotopes":
        return "zonotopes", arrays
    return "pieces", arrays | {"linear": np.array(int(evidence["linear"]))}


def _split_at(breakpoints: Sequence[Fraction]) -> dict[str, Any]:
    """Return the tree that splits an interval at its inner breakpoints, one after the other."""
    inner = breakpoints[1:-1]
    axis = np.array([0, -1] * len(inner) + [-1])
    place = [value for x in inner for value in (x, Fraction(0))] + [Fraction(0)]
    return {"axis": axis, "place": _texts(place)}


def tree_arrays(splits: Any) -> dict[str, Any]:
    """Return the arrays of the tree, its nodes in preorder."""
    order = splits.preorder()
    arrays = {
        "axis": np.array([splits.axis[node] for node in order]),
        "place": np.array([splits.place[node] for node in order]),
    }
    outside = [splits.directions[node] for node in order if splits.axis[node] == -2]
    return arrays | ({"directions": np.array(outside)} if outside else {})


def _texts(values: Sequence[Fraction]) -> Any:
    return as_texts([str(value) for value in values])


def _as_array(x: Sequence[Fraction]) -> Array | Any:
    """Return numbers as float64, or as text if float64 cannot hold one of them."""
    floats = np.array([float(value) for value in x])
    return floats if rationals(floats) == list(x) else _texts(x)
