"""Record the question that the provers are asked, and the bounds they have found so far."""
from __future__ import annotations

import time
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..domains import Domain
from ..networks.affine_maps import affine_maps
from ..networks.network import Network
from ..numerics.rationals import below
from ..numerics.rounding import FLOAT64, FORMATS, FloatFormat
from .certificates.schemas import largest_margin
from .difference_bounds.neuron_classes import Difference
from .rational import ExactNetwork
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN, Stage


class Question(NamedTuple):
    """Ask whether |f - g| <= eps on the domain, or whether g decides as f there.

    f, g : Network
        Of one depth, rows scaled by powers of two: exactly the functions given to `verify`.
    eps : float
    evaluation_error : float
        The error that both networks' own evaluation may add: 0 with semantics "real".
    rounding_error : float
        A bound on the error of both networks' evaluation in the semantics' arithmetic, in float64
        with "real"; inf where it was not computed.
    evaluation_margin : float
        Binary networks, semantics other than "real": evaluation may take the wrong side at points
        nearer than this to a hyperplane of the first layer; inf if none is safe. Otherwise 0.
    target : "values" or "top1"
        With "top1" eps is delta: does g decide as f wherever f's largest output leads by more?
    given : tuple of two Networks
        The networks as given to `verify`; empty if they are f and g.
    semantics : "real", "float64" or "float32"
    """

    f: Network
    g: Network
    domain: Domain
    eps: float
    evaluation_error: float
    rounding_error: float
    evaluation_margin: float = 0.0
    given: tuple[Network, ...] = ()
    semantics: str = "real"
    target: str = "values"

    @property
    def float_format(self) -> FloatFormat:
        """The numbers that counterexamples are made of, if not of exact rationals."""
        return FORMATS.get(self.semantics, FLOAT64)


class OutOfTime(Exception):
    """Raised when a prover reaches the time limit; the findings keep what it found."""


class Findings:
    """The best bound and the best counterexample so far, with the evidence for each.

    With target "top1" the bound is the least delta proved, and the gap the largest lead of f's
    largest output at a point where g's is another one.

    Attributes
    ----------
    bound, gap : float
        gap <= sup |f - g| <= bound, evaluation errors included where the semantics asks for it.
    exact_gap : Fraction
        The difference at the counterexample; `gap` is this, rounded down to a float64.
    counterexample : array or None
    proofs : list of (bound, evidence)
        The bounds for the real functions, the best last, each with evidence for its certificate.
    margin : float
        The bound holds at points further than this from every hyperplane, see `Verdict`.
    method, gap_method : str
        The provers that found the bound and the gap.
    difference : Difference or None
        The best bounds over the whole domain at once, for the provers that start from them.
    solver_bound : float
        The bound that a solver states without proof.
    """

    def __init__(self, question: Question, time_limit: float) -> None:
        self.question = question
        self.bound, self.gap, self.margin = np.inf, 0.0, 0.0
        self.exact_gap = Fraction(0)
        self.counterexample: Array | None = None
        self.proofs: list[tuple[float, dict[str, Any]]] = []
        self.method, self.gap_method = "none", "none"
        self.solver_bound = np.inf
        self.difference: Difference | None = None
        self.stages: list[Stage] = []
        self._largest_margin = largest_margin(question.domain, question.semantics)
        self._start, self._limit = time.perf_counter(), time_limit

    @cached_property
    def exact(self) -> tuple[ExactNetwork, ExactNetwork]:
        """Both networks for exact evaluation, made once."""
        f, g = self.question.f, self.question.g
        one, other = (ExactNetwork(affine_maps(network), network.activation) for network in (f, g))
        return one, other

    @property
    def seconds(self) -> float:
        """The time since the search began."""
        return time.perf_counter() - self._start

    def check_time(self, reserved: float = 0.0) -> None:
        """Raise `OutOfTime` if no more than the reserved seconds are left before the time limit."""
        if self.seconds + reserved > self._limit:
            raise OutOfTime

    @property
    def remaining(self) -> float:
        """The seconds until the limit."""
        return max(0.0, self._limit - self.seconds)

    def prove(self, bound: float, method: str, evidence: dict[str, Any] | None, margin: float = 0.0) -> None:
        """Note a proved bound on sup |f - g| of the real functions, unless a smaller one is known.

        Ignore a bound below the gap: that point lies nearer to a binary network's hyperplane than
        the margin. Ignore a margin so large that the bound says too little about the domain, see
        `largest_margin`. Without evidence this proof has no certificate; those of larger bounds
        stay.
        """
        real = float(bound)
        if self.question.evaluation_error:
            bound = np.nextafter(bound + self.question.evaluation_error, np.inf)
        bound = float(bound) + 0.0  # no -0.0
        margin = max(margin, self.question.evaluation_margin)
        counts = np.isfinite(bound) and margin <= self._largest_margin and self.gap <= bound
        if not (counts and (bound, margin) < (self.bound, self.margin)):
            return
        self.bound, self.method, self.margin = bound, method, margin
        if evidence is not None:
            self.proofs = [one for one in self.proofs if one[1] is not evidence] + [(real, evidence)]

    def refute(self, gap: Fraction, x: Array | None, method: str) -> None:
        """Note the exact difference of the real functions at a point.

        Ignore points that the semantics says nothing about.
        """
        if self.question.semantics == "float32" and x is not None:
            if (self.question.float_format.rounded(x) != x).any():
                return
        error = self.question.evaluation_error
        exact = gap - Fraction(error) if np.isfinite(error) else Fraction(0)
        if x is not None and exact > self.exact_gap:
            self.exact_gap, self.gap = exact, below(exact)
            self.counterexample, self.gap_method = x, method
            if self.gap > self.bound:  # x is nearer to a binary hyperplane than the margin
                self.bound, self.margin, self.method = np.inf, 0.0, "none"
                self.proofs = []

    @property
    def evidence(self) -> dict[str, Any] | None:
        """The evidence for the best bound."""
        return self.proofs[-1][1] if self.proofs else None

    @property
    def equal(self) -> bool:
        """True if the real functions are proved equal: no prover can find more."""
        return bool(self.proofs) and self.proofs[-1][0] == 0.0 == self.margin

    @property
    def status(self) -> str:
        """The status of a verdict at this moment."""
        if self.bound <= self.question.eps and (self.margin == 0.0 or self.question.eps > 0.0):
            return EQUIVALENT
        return DIFFERENT if self.refuted else UNKNOWN

    @property
    def refuted(self) -> bool:
        """True if a difference above eps was found, even if their float64 numbers are equal."""
        return self.exact_gap > self.question.eps

    def close(self, name: str, began: float) -> None:
        """Note that a prover has ended, and the bounds at that time."""
        self.stages.append(Stage(name, self.bound, self.gap, self.seconds - began))
