"""Compress a network: fewer neurons, the same function on a domain, and the proof."""
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
from ..verification.symbolic_bounds.linear_programs import KINDS_OF_BOUNDS, Effort
from ..verification.symbolic_bounds.symbolic_difference import symbolic_certificate
from ..verification.symbolic_bounds.symbolic_network import (
    DEAD, FINEST_PRECISION, MOST_NUMBERS, ON, Roles, SymbolicNetwork, write_symbolically,
)
from ..verification.verdict import Verdict
from ..verification.verify import decide
from .binary import remove_neurons, representatives
from .rebuild import Rebuilt, rebuild
from .report import CompressionReport

LOSSLESS = 2.0**-38
"""A proved bound up to this share of the outputs' magnitude is rounding error."""
COARSEST_PRECISION = 2.0**-3
"""The first precision that is tried with a tolerance; each further one is a quarter of the last."""
PROOF_SECONDS = 5.0
"""Time limit of `verify` when it is asked for a proof."""


@renamed("net", "network")
def compress(
    network: Network, domain: Domain, tolerance: float = 0.0, bounds: str = "linear",
    time_limit: float = 60.0,
) -> tuple[Network, CompressionReport]:
    """Return a smaller network with the same function on the domain, and a proof.

    Dead neurons, and neurons that no output depends on, are removed. Always-on neurons are absorbed
    by the layers above. What these need is carried past a layer by as many always-on neurons as its
    rank, constants apart; where nothing is left to carry and no neuron is unstable, the layer
    vanishes. Neurons on one hyperplane are merged, opposite ones too, by s(-z) = s(z) - z. Of an
    exclusive pair, two neurons that are never on together, the upper one stops depending on the
    lower. The network has as few layers as the remaining dependencies allow.

    Signs are found by back-substitution, as in DeepPoly and CROWN, and if `bounds` says so also by
    linear programs or branch and bound, which find more signs but take longer. All steps are exact
    up to rounding and to what `tolerance` allows; the proved bound covers both.

    Parameters
    ----------
    network : Network
        ReLU or binary, of any depth and number of outputs. Neurons of a binary network are removed,
        absorbed or merged where that is exact.
    domain : Box, Ball or Hull
    tolerance : float
        The largest difference allowed, beyond rounding. Neurons that are nearly dead, nearly always
        on or nearly on one hyperplane then count as such, as far as the proof allows.
    bounds : "linear", "lp" or "milp"
        How to find the signs of ReLU neurons: by lines above and below each relu, by a linear
        program over all of them, or by linear programs with branch and bound, which settles each
        sign in the end. The solver (SciPy's HiGHS) only makes proposals, which are bounded again:
        no proof rests on it.
    time_limit : float
        Seconds after which no further linear program begins; the other bounds then serve.

    Returns
    -------
    (Network, CompressionReport)
        The given network itself if no neuron can be saved. A smaller network has an output bias if
        a constant is left.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the domain has another dimension, the tolerance is
        negative, the time limit is not positive, `bounds` is another word, or the network is too
        large to be written symbolically or has bounds beyond float64.

    References
    ----------
    THEORY, Prop. 2 and 6, section 5; PROOFS, section 19. By Prop. 6 as many always-on neurons as
    the rank are always enough with an output bias. They are the fewest if 1, the inputs and the
    unstable neurons are linearly independent on the domain: for one hidden layer if it has interior
    points. On a flat domain, for example, fewer may do.

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
    network, domain = check_network(network), check_domain(network, domain)
    tolerance = number(tolerance, "tolerance", minimum=0.0)
    choice(bounds, "bounds", KINDS_OF_BOUNDS)
    time_limit = number(time_limit, "time_limit", above=0.0)
    if network.activation == "binary":
        return _compress_binary(network, domain)
    if max(network.sizes) * sum(network.sizes[:-1]) > MOST_NUMBERS:
        expected = f"of at most {MOST_NUMBERS} numbers, neurons times columns"
        raise ValueError(message("network", expected, repr(network)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        attempts = _attempts(network, domain, _precisions(tolerance), bounds, time_limit)
        for attempt in sorted(attempts, key=lambda one: (one.n_neurons, one.precision)):
            if attempt.n_neurons >= sum(network.sizes[1:-1]):
                break
            certificate = _prove(network, domain, attempt)
            if certificate is not None and certificate.value <= max(tolerance, attempt.rounding):
                written, rebuilt, _ = attempt
                small, n_excluded = rebuilt.network, len(written.exclusive)
                report = _report(
                    network, small, certificate, written.roles, rebuilt.used, n_excluded)
                return small, report
    return _unchanged(network, domain)


class _Attempt(NamedTuple):
    """A smaller network, how it was found, and the precision that it was found with."""

    written: SymbolicNetwork
    rebuilt: Rebuilt
    precision: float

    @property
    def n_neurons(self) -> int:
        return sum(self.rebuilt.network.sizes[1:-1])

    @property
    def rounding(self) -> float:
        """The largest bound that counts as rounding error; 0 if a coarser precision was used."""
        if self.precision != FINEST_PRECISION:
            return 0.0
        magnitude = float((self.written.S @ self.written.column_bounds).max())
        return LOSSLESS * magnitude + np.finfo(float).tiny  # all outputs may be 0


def _precisions(tolerance: float) -> list[float]:
    """Return the precision of each attempt, the finest last."""
    if tolerance == 0.0:
        return [FINEST_PRECISION]
    coarse = COARSEST_PRECISION * 0.25 ** np.arange(20)
    return [*coarse[coarse > FINEST_PRECISION].tolist(), FINEST_PRECISION]


def _attempts(
    network: Network, domain: Domain, precisions: list[float], bounds: str, time_limit: float
) -> list[_Attempt]:
    """Return what each precision gives, first without linear programs.

    Those with linear programs share the time equally.
    """
    choices: list[tuple[float, Effort | None]] = [(precision, None) for precision in precisions]
    if bounds != "linear":
        shares = np.arange(1, len(precisions) + 1) / len(precisions)
        deadlines = time.monotonic() + time_limit * shares
        choices += [(precision, Effort(bounds == "milp", deadline))
                    for precision, deadline in zip(precisions, deadlines.tolist())]
    found = []
    for precision, effort in choices:
        found.append(_attempt(network, domain, precision, effort))
        if precision == FINEST_PRECISION and found[-1].written.exclusive:
            # the checker may not confirm these pairs
            found.append(_attempt(network, domain, precision, effort, exclude=False))
    return found


def _attempt(
    network: Network, domain: Domain, precision: float, effort: Effort | None = None,
    exclude: bool = True,
) -> _Attempt:
    """Write the network symbolically at this precision, and rebuild it."""
    try:
        written = write_symbolically(network, domain, precision, exclude, effort)
        finite_result(np.append(written.column_bounds, written.A), "a bound")
        return _Attempt(written, rebuild(written, domain, precision), precision)
    except ValueError as error:  # about arguments of inner steps, which the caller never gave
        expected = "one whose bounds on the domain stay in the range of float64"
        raise ValueError(message("network", expected, repr(network))) from error


def _unchanged(network: Network, domain: Domain) -> tuple[Network, CompressionReport]:
    """Return the network as it was given, with a bound of 0 up to the margin for underflow."""
    firsts = np.cumsum([0, *network.sizes[1:-1]])
    own_classes = [Roles(np.arange(first, end), np.ones(end - first))
                   for first, end in zip(firsts, firsts[1:])]
    certificate = None
    if network.activation == "relu":
        with suppress(ArithmeticError, ValueError):  # the bound leaves the range of float64
            certificate = symbolic_certificate(
                network, network, domain, [*own_classes, *own_classes])
    if certificate is None:
        certificate = _verdict(network, network, domain, 0.0).certificate
    if certificate is None:  # too large for every checker that was asked; equal terms cancel here
        whole = {"axis": np.array([-1]), "place": np.array([0.0])}
        name = fingerprint(network, network, domain)
        certificate = Certificate("bound", 0.0, 0.0, 0.0, 0.0, "exact", whole, name)
    used = np.ones(firsts[-1], dtype=bool)
    return network, _report(network, network, certificate, own_classes, used, 0)


def _compress_binary(network: Network, domain: Domain) -> tuple[Network, CompressionReport]:
    """Return the smallest network that the provers confirm: with rounded sums, or without."""
    for exactly in (False, True):
        small, roles, used = remove_neurons(network, domain, exactly)
        verdict = _verdict(network, small, domain, time_limit=PROOF_SECONDS)
        certificate = verdict.certificate
        smaller = sum(small.sizes[1:-1]) < sum(network.sizes[1:-1])
        if smaller and verdict.status == "equivalent" and certificate:
            return small, _report(network, small, certificate, roles, used, 0)
    return _unchanged(network, domain)


def _prove(network: Network, domain: Domain, attempt: _Attempt) -> Certificate | None:
    """Return the sharper of two proofs: by the roles that were found, and by `verify`."""
    written, rebuilt, _ = attempt
    roles, small = [*written.roles, *rebuilt.roles], rebuilt.network
    try:
        certificate = symbolic_certificate(
            network, small, domain, roles, written.exclusive, written.proofs)
    except (ArithmeticError, ValueError):  # the bound leaves the range of float64
        certificate = None
    if small.depth == network.depth and attempt.precision == FINEST_PRECISION:
        options: dict[str, Any] = {"method": "differences", "time_limit": PROOF_SECONDS}
        try:
            other = _verdict(network, small, domain, **options).certificate
        except ValueError:  # the evaluation errors have no finite bound
            other = None
        if other and other.claim == "bound":
            if certificate is None or other.value < certificate.value:
                return other
    return certificate


def _verdict(
    network: Network, small: Network, domain: Domain, eps: float | None = None, **options: Any
) -> Verdict:
    """Return the verdict of `decide`; raise KeyboardInterrupt again if that cut it short."""
    verdict = decide(network, small, domain, eps, **options)
    if verdict.interrupted:
        raise KeyboardInterrupt
    return verdict


def _report(
    network: Network, small: Network, certificate: Certificate | None, roles: Sequence[Roles],
    used: np.ndarray, n_excluded: int,
) -> CompressionReport:
    assert certificate is not None  # a network equals itself
    found: list[list[np.ndarray]] = [[], [], [], []]
    for own in roles:
        numbered, kept = own.labels >= 0, np.zeros(len(own.labels), dtype=bool)
        kept[representatives(own.labels)] = True
        needed = numbered & np.append(used, [False, False])[own.labels]  # DEAD, ON: the last two
        kinds = (own.labels == DEAD, own.labels == ON, needed & ~kept, numbered & ~needed)
        for kind, which in zip(found, kinds):
            kind.append(np.flatnonzero(which))
    dead, folded, merged, unused = (read_only(tuple(kind)) for kind in found)
    return CompressionReport(
        dead, folded, merged, unused, n_excluded, network.sizes, small.sizes,
        network.n_parameters, small.n_parameters, certificate.value, certificate)
