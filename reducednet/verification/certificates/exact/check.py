"""Check a certificate in rationals: the referee of the fast checkers."""
from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from ....domains import Domain
from ....networks.network import Network
from . import (
    folded, norms, permutation, pieces, point, signs, sorted_breakpoints, sums, top1, zonotopes,
)
from .float_semantics import ARITHMETICS, require_semantics
from .objects import Refused, box_around, norm_bound, require

BOUNDS: dict[str, Any] = {
    "pieces": pieces.bound, "sorted": sorted_breakpoints.bound, "folded": folded.bound,
    "norms": norms.bound, "signs": signs.bound, "permutation": permutation.bound,
    "zonotopes": zonotopes.bound,
    "top1": partial(top1.bound, by_forms=pieces.OutputForms, by_rows=folded.OutputRows),
}
"""The kinds without a margin that prove a bound."""


def proved_number(certificate: Any, f: Network, g: Network, domain: Domain) -> Fraction:
    """Return what the evidence proves: an upper bound, of |f - g| or of the lead, or the gap.

    Parameters
    ----------
    certificate : Certificate
        Its arrays are those of its kind's schema; its fingerprint is not checked here.
    f, g : Network
    domain : Domain

    Raises
    ------
    Refused
        If the evidence proves nothing.
    """
    arrays = certificate.arrays
    fit = f.activation == g.activation and f.n_outputs == g.n_outputs
    require(fit and f.n_inputs == g.n_inputs == domain.n_inputs, "the networks do not fit")
    require_margin_allowed(certificate, f, domain)
    try:
        if certificate.kind == "point":
            number = point.gap(arrays, f, g, domain)
        elif certificate.kind == "top1_point":
            number = point.lead(arrays, f, g, domain)
        elif certificate.kind == "exact":
            number = sums.bound(arrays, f, g, domain, certificate.margin)
        else:
            number = BOUNDS[certificate.kind](arrays, f, g, domain)
    except KeyError as missing:
        raise Refused(f"the array {missing} is missing") from missing
    if certificate.semantics != "real":
        require_semantics(certificate, f, g, domain)
    return number


def refusal(certificate: Any, f: Network, g: Network, domain: Domain) -> str:
    """Return why the certificate does not prove its claim in rational arithmetic; "" if it does."""
    try:
        number, value = proved_number(certificate, f, g, domain), Fraction(certificate.value)
    except Refused as error:
        return str(error)
    if certificate.claim in ("bound", "agreement"):
        return "" if number <= value else f"only a bound of {float(number):.17g} is proved"
    return "" if number >= value else f"the gap is only {float(number):.17g}"


def require_margin_allowed(certificate: Any, f: Network, domain: Domain) -> None:
    """Refuse a margin that is too large to say anything (5)."""
    margin = Fraction(certificate.margin)
    if margin == 0:
        return
    require(f.activation == "binary", "a margin is for binary networks")
    low, high = box_around(domain)
    sides = [b - a for a, b in zip(low, high) if b > a]
    computed = "float64" if certificate.semantics == "real" else certificate.semantics
    gamma = ARITHMETICS[computed].gamma(f.n_inputs + 64)
    share = 2**12 if computed == "float32" else 2**20
    largest = min(16 * gamma * norm_bound(domain), min(sides) / share)
    require(margin <= largest, "the margin is too large")
