"""`compress`: a smaller network with the same function on a domain, and the proof."""
from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from .._validation import choice, finite_result, message, number, renamed
from ..domains import Domain
from ..networks.network import Network, check_domain, check_network
from ..numerics.records import read_only
from ..verification.certificates.certificate import Certificate, fingerprint
from ..verification.symbolic_bounds.linear_programs import Effort
from ..verification.symbolic_bounds.symbolic_difference import folded_certificate
from ..verification.symbolic_bounds.symbolic_network import (
    DEAD, FINEST_PRECISION, MOST_NUMBERS, ON, Expansion, Roles, expand,
)
from ..verification.verdict import Verdict
from ..verification.verify import verify
from .binary import without_useless
from .rebuild import Built, build
from .report import CompressionReport

LOSSLESS = 2.0**-38
"""A proved bound below it, relative to the terms of the outputs, is rounding; a larger one needs a tolerance."""
COARSEST = 2.0**-3
"""The largest such number that a tolerance is spent by; each further one is a quarter of the last."""
BOUNDS = ("linear", "lp", "milp")
SECONDS = 5.0
"""How long a sharper proof is looked for."""


@renamed("net", "network")
def compress(
    network: Network, domain: Domain, tolerance: float = 0.0, bounds: str = "linear",
    time_limit: float = 60.0,
) -> tuple[Network, CompressionReport]:
    """Return a smaller network with the same function on the domain, and the proof that it is.

    Neurons that are dead go; those that are always on are folded into what follows: all of a level that are
    still needed above it into as many as that need has rank, and a layer without unstable neurons vanishes.
    Neurons on one hyperplane are merged, opposite ones too, s(-z) = s(z) - z; those that no output depends on
    are left out. Where two neurons are never on together, one that depends on the other need not wait for it:
    the layers are as few as the dependencies that are left.

    Signs are found by bounds that keep how a neuron depends on the inputs and on the neurons that bend below;
    asked for, by linear or mixed-integer programmes too, which find more, and take longer. All that is done is
    exact but for rounding, and for what `tolerance` allows; the bound is proved, all charged.

    Parameters
    ----------
    network : Network
        ReLU or binary, of any depth and number of outputs. A binary network's neurons are dropped, made
        constants or merged where that is exact.
    domain : Box, Ball or Hull
    tolerance : float
        The largest difference that is allowed, beyond rounding: neurons that are nearly dead, nearly always on or
        nearly on one hyperplane then count as that, as far as the proof allows.
    bounds : "linear", "lp" or "milp"
        How the signs of ReLU neurons are found: by lines above and below each neuron, by the linear programme over
        all of them, or by that and branching, which settles a sign in the end. A solver (SciPy's HiGHS) only
        proposes: what it finds is bounded again, and that is the proof.
    time_limit : float
        Seconds after which no further programme is begun; the other bounds then serve.

    Returns
    -------
    (Network, CompressionReport)
        The network itself, where nothing can be saved. It has an output bias if a constant is left.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the domain has another dimension, the tolerance is negative, the time
        is not positive, `bounds` is another word, or the network is too large to be written out or has bounds
        beyond float64.

    References
    ----------
    THEORY, Prop. 2 and 6, sections 5 and 9. Prop. 6 says when the rank is the fewest, and when fewer would do: on
    a flat domain, for example.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> twice = Network([[[1.0], [2.0], [1.0]]], [[0.5, -1.0, -3.0]], [[1.0, 2.0, 1.0]])
    >>> small, report = compress(twice, Box(0, 1))
    >>> report.dead, report.folded
    ((array([2]),), (array([0]),))
    >>> bool(report.certificate.check(twice, small, Box(0, 1)))
    True
    """
    net, domain = check_network(network), check_domain(network, domain)
    tolerance = number(tolerance, "tolerance", minimum=0.0)
    choice(bounds, "bounds", BOUNDS)
    time_limit = number(time_limit, "time_limit", above=0.0)
    if net.activation == "binary":
        return _binary(net, domain)
    if max(net.sizes) * sum(net.sizes[:-1]) > MOST_NUMBERS:
        expected = f"of at most {MOST_NUMBERS} numbers, neurons times columns"
        raise ValueError(message("network", expected, repr(net)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        candidates = _candidates(net, domain, _precisions(tolerance), bounds, time_limit)
        for candidate in sorted(candidates, key=lambda one: (one.n_neurons, one.precision)):
            if candidate.n_neurons >= sum(net.sizes[1:-1]):
                break
            certificate = _proof(net, domain, candidate)
            if certificate is not None and certificate.value <= max(tolerance, candidate.rounding):
                expansion, built, _ = candidate
                report = _report(net, built.network, certificate, expansion.roles, built.used, len(expansion.cuts))
                return built.network, report
    return _unchanged(net, domain)


class _Candidate(NamedTuple):
    """A smaller network, with what counted as 0 on the way to it."""

    expansion: Expansion
    built: Built
    precision: float

    @property
    def n_neurons(self) -> int:
        return sum(self.built.network.sizes[1:-1])

    @property
    def rounding(self) -> float:
        """The largest bound that counts as rounding: none does where more than rounding was taken for 0."""
        terms = float((self.expansion.S @ self.expansion.sizes).max())
        if self.precision != FINEST_PRECISION:
            return 0.0
        return LOSSLESS * terms + np.finfo(float).tiny  # outputs may be 0


def _precisions(tolerance: float) -> list[float]:
    """Return what counts as 0 in each attempt, the finest last."""
    coarse = COARSEST * 0.25 ** np.arange(20)
    return [float(value) for value in coarse[coarse > FINEST_PRECISION] if tolerance > 0.0] + [FINEST_PRECISION]


def _candidates(
    net: Network, domain: Domain, precisions: list[float], bounds: str, time_limit: float
) -> list[_Candidate]:
    """Return what each precision gives, without and with linear programmes, which share the time equally."""
    attempts: list[tuple[float, Effort | None]] = [(precision, None) for precision in precisions]
    if bounds != "linear":
        deadlines = time.monotonic() + time_limit * np.arange(1, len(precisions) + 1) / len(precisions)
        attempts += [(one, Effort(bounds == "milp", end)) for one, end in zip(precisions, deadlines.tolist())]
    found = []
    for precision, effort in attempts:
        found.append(_candidate(net, domain, precision, effort))
        if precision == FINEST_PRECISION and found[-1].expansion.cuts:  # which the checker may not confirm
            found.append(_candidate(net, domain, precision, effort, exclude=False))
    return found


def _candidate(
    net: Network, domain: Domain, precision: float, effort: Effort | None = None, exclude: bool = True
) -> _Candidate:
    try:
        expansion = expand(net, domain, precision, exclude, effort)
        finite_result(np.append(expansion.sizes, expansion.A), "a bound")
        return _Candidate(expansion, build(expansion, domain, precision), precision)
    except ValueError as error:  # of arguments of the steps inside, which the caller never gave
        expected = "one whose bounds on the domain stay in the range of float64"
        raise ValueError(message("network", expected, repr(net))) from error


def _unchanged(net: Network, domain: Domain) -> tuple[Network, CompressionReport]:
    """Return the network as it was given; its bound is 0, but for the smallest numbers that a checker charges."""
    ends = np.cumsum([0, *net.sizes[1:-1]])
    nothing = [Roles(np.arange(start, end), np.ones(end - start)) for start, end in zip(ends, ends[1:])]
    certificate = None
    if net.activation == "relu":
        with suppress(ArithmeticError, ValueError):  # the bound leaves the range of float64
            certificate = folded_certificate(net, net, domain, [*nothing, *nothing])
    if certificate is None:
        certificate = _verdict(net, net, domain, 0.0).certificate
    if certificate is None:  # so large that no checker was asked, but what is the same cancels
        whole = {"axis": np.array([-1]), "place": np.array([0.0])}
        certificate = Certificate("bound", 0.0, 0.0, 0.0, 0.0, "exact", whole, fingerprint(net, net, domain))
    return net, _report(net, net, certificate, nothing, np.ones(ends[-1], dtype=bool), 0)


def _binary(net: Network, domain: Domain) -> tuple[Network, CompressionReport]:
    """Return the smallest network that the provers confirm; what is rounded comes first."""
    for exactly in (False, True):
        small, roles, used = without_useless(net, domain, exactly)
        verdict = _verdict(net, small, domain, time_limit=SECONDS)
        certificate = verdict.certificate
        if sum(small.sizes[1:-1]) < sum(net.sizes[1:-1]) and verdict.status == "equivalent" and certificate:
            return small, _report(net, small, certificate, roles, used, 0)
    return _unchanged(net, domain)


def _proof(net: Network, domain: Domain, candidate: _Candidate) -> Certificate | None:
    """Return the sharper of two proofs: by the roles that were found, or by what `verify` finds by itself."""
    expansion, built, _ = candidate
    roles, small = [*expansion.roles, *built.roles], built.network
    try:
        certificate = folded_certificate(net, small, domain, roles, expansion.cuts, expansion.proofs)
    except (ArithmeticError, ValueError):  # the bound leaves the range of float64
        certificate = None
    if small.depth == net.depth and candidate.precision == FINEST_PRECISION:
        try:
            other = _verdict(net, small, domain, method="differences", time_limit=SECONDS).certificate
        except ValueError:  # the evaluation errors have no finite bound
            other = None
        if other and other.claim == "bound" and (certificate is None or other.value < certificate.value):
            return other
    return certificate


def _verdict(net: Network, small: Network, domain: Domain, eps: float | None = None, **options: Any) -> Verdict:
    """Return what `verify` answers; Ctrl-C, at which it answers with what it knows, is not over with that."""
    verdict = verify(net, small, domain, eps, **options)
    if verdict.interrupted:
        raise KeyboardInterrupt
    return verdict


def _report(
    net: Network, small: Network, certificate: Certificate | None, roles: Sequence[Roles], used: np.ndarray,
    excluded: int,
) -> CompressionReport:
    assert certificate is not None  # a network equals itself
    found: list[list[np.ndarray]] = [[], [], [], []]
    for own in roles:
        heads = np.unique(own.labels[own.labels >= 0], return_index=True)[1]
        head = np.zeros(len(own.labels), dtype=bool)
        head[np.flatnonzero(own.labels >= 0)[heads]] = True
        needed = (own.labels >= 0) & np.append(used, [False, False])[own.labels]
        kinds = (own.labels == DEAD, own.labels == ON, needed & ~head, (own.labels >= 0) & ~needed)
        for kind, which in zip(found, kinds):
            kind.append(np.flatnonzero(which))
    dead, folded, merged, unused = (read_only(tuple(kind)) for kind in found)
    return CompressionReport(dead, folded, merged, unused, excluded, net.sizes, small.sizes, net.n_parameters,
                             small.n_parameters, certificate.value, certificate)
