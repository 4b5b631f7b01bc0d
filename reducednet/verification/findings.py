"""The question that is put to the provers, and what they have found so far."""
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
from .certificates.schemas import largest_margin
from .difference_bounds.neuron_classes import Difference
from .rational import ExactNetwork
from .verdict import DIFFERENT, EQUIVALENT, UNKNOWN, Stage


class Question(NamedTuple):
    """Is |f - g| <= eps on the domain?

    f, g : the networks, of one depth, rows scaled by powers of two: exactly the functions that were given
    eps : float
    slack : float
        What both networks' own evaluation may add: 0 with semantics "real".
    rounding : float
        A bound of what both networks' evaluation in float64 is off by; inf where it was not asked for.
    blur : float
        Binary networks with semantics "float64": nearer than this to a first hyperplane evaluation may take the
        wrong side; inf where it may do so further off. Otherwise 0.
    given : tuple of two Networks
        As they were given; empty: f and g are.
    """

    f: Network
    g: Network
    domain: Domain
    eps: float
    slack: float
    rounding: float
    blur: float = 0.0
    given: tuple[Network, ...] = ()


class OutOfTime(Exception):
    """Raised by a prover when the time limit is reached; what it found is in the findings."""


class Findings:
    """The best bound and the best counterexample so far, with the evidence for each.

    Attributes
    ----------
    bound, gap : float
        gap <= sup |f - g| <= bound, evaluation charged where the semantics asks for it.
    exact_gap : Fraction
        The difference at the counterexample, of which `gap` is the float64 below.
    counterexample : array or None
    proofs : list of (bound, evidence)
        What certificates of the bounds need, the best last; the bounds are of the real functions.
    margin : float
        That the bound holds with, see `Verdict`.
    method : str
        What found the bound.
    difference : Difference or None
        The best that is known of the whole domain at once, for the provers that go on from it.
    solver_bound : float
        A solver's word, which is no proof.
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
        self._largest_margin = largest_margin(question.domain)
        self._start, self._limit = time.perf_counter(), time_limit

    @cached_property
    def exact(self) -> tuple[ExactNetwork, ExactNetwork]:
        """Both networks for evaluation without rounding, made once."""
        f, g = self.question.f, self.question.g
        one, other = (ExactNetwork(affine_maps(network), network.activation) for network in (f, g))
        return one, other

    @property
    def seconds(self) -> float:
        """The time since the question was put."""
        return time.perf_counter() - self._start

    def check_time(self) -> None:
        """Raise `OutOfTime` when the limit is reached."""
        if self.seconds > self._limit:
            raise OutOfTime

    @property
    def remaining(self) -> float:
        """The seconds that are left."""
        return max(0.0, self._limit - self.seconds)

    def prove(self, bound: float, method: str, evidence: dict[str, Any] | None, margin: float = 0.0) -> None:
        """Note a proved bound of sup |f - g| of the real functions; a smaller one stays.

        One below a difference that was found, nearer to a binary network's hyperplane than the margin, is left.
        Evidence None: no certificate can be had of this proof; those of larger bounds stay. A
        margin that says too little about the domain is none: see `largest_margin`.
        """
        real = float(bound)
        if self.question.slack:
            bound = np.nextafter(bound + self.question.slack, np.inf)
        bound, margin = float(bound) + 0.0, max(margin, self.question.blur)  # + 0.0: no -0.0
        known = np.isfinite(bound) and margin <= self._largest_margin and self.gap <= bound
        if not (known and (bound, margin) < (self.bound, self.margin)):
            return
        self.bound, self.method, self.margin = bound, method, margin
        if evidence is not None:
            self.proofs = [one for one in self.proofs if one[1] is not evidence] + [(real, evidence)]

    def refute(self, gap: Fraction, x: Array | None, method: str) -> None:
        """Note an exact difference of the real functions at a point."""
        slack = self.question.slack
        exact = gap - Fraction(slack) if np.isfinite(slack) else Fraction(0)
        if x is not None and exact > self.exact_gap:
            self.exact_gap, self.gap = exact, below(exact)
            self.counterexample, self.gap_method = x, method
            if self.gap > self.bound:  # nearer to a binary network's hyperplane than the bound's margin
                self.bound, self.margin, self.method = np.inf, 0.0, "none"
                self.proofs = []

    @property
    def evidence(self) -> dict[str, Any] | None:
        """What a certificate of the best bound needs."""
        return self.proofs[-1][1] if self.proofs else None

    @property
    def status(self) -> str:
        """What is decided."""
        if self.bound <= self.question.eps and (self.margin == 0.0 or self.question.eps > 0.0):
            return EQUIVALENT
        return DIFFERENT if self.refuted else UNKNOWN

    @property
    def refuted(self) -> bool:
        """Whether a difference above eps was found: in rationals, for eps may lie just below it."""
        return self.exact_gap > self.question.eps

    def close(self, name: str, began: float) -> None:
        """Note that a prover ended."""
        self.stages.append(Stage(name, self.bound, self.gap, self.seconds - began))
