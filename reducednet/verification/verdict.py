"""Record the answer of `verify`, and the bounds after each prover."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..numerics.records import read_only, record

EQUIVALENT, DIFFERENT, UNKNOWN = "equivalent", "not_equivalent", "unknown"


class Stage(NamedTuple):
    """The bounds known after one prover: gap <= sup |f - g| <= bound."""

    name: str
    bound: float
    gap: float
    seconds: float


@record
class Verdict:
    """The answer of `verify`: gap <= sup over the domain of max_k |f_k - g_k| <= bound.

    With target "top1" it is about the largest lead of f's largest output over the others, of all
    points of the domain where g has another largest output: gap <= that lead <= bound, and g
    agrees with f up to the bound.

    It has no truth value, so that ``"unknown"`` is never read as "no": ask for its `status`.

    Attributes
    ----------
    status : "equivalent", "not_equivalent" or "unknown"
        "equivalent" if bound <= eps is proved, "not_equivalent" if a difference above eps is.
    eps : float
        The largest difference that was asked for; with target "top1" the delta.
    bound, gap : float
        Both proved, rounding errors included; inf and 0 where nothing is known. The gap is rounded
        down: if the difference is just above eps, the gap may be eps. If the certificate is of a
        bound, the bound is the sum of its value and slack.
    solver_bound : float
        The largest difference according to a mixed-integer solver, without proof; inf if none was
        asked.
    counterexample : array (n_inputs,) or None
        A point of the domain where the networks differ by at least `gap`, exactly, if the status is
        "not_equivalent"; with target "top1" f's largest output leads by at least `gap` and g has
        another one. If float64 is too coarse for the only input, a `fractions.Fraction`.
    method : str
        The prover that decided, or found the best bound.
    rigorous : bool
        True unless a solver states a smaller bound than the proved one. Read-only.
    semantics : "real", "float64" or "float32"
    margin : float
        Binary networks: the bound holds at the points further than this from every hyperplane of
        both first layers; 0.0: at all points off these hyperplanes. ReLU: 0.0.
    seconds : float
    stages : list of Stage
    certificate : Certificate or None
        Data from which a checker repeats the proof or the refutation; the checker has confirmed it.
        None if nothing is proved, or if the checker takes too long or finds less than the prover.
    interrupted : bool
        True if Ctrl-C ended the search: the verdict then says what was known by then.
    remark : str
        A warning in words: eps is large beside the outputs, or too small to be proved. Mostly "".
    target : "values" or "top1"
    decisions : tuple of two ints, or None
        With target "top1" and status "not_equivalent": f's and g's largest outputs at the
        counterexample.
    """

    def __init__(
        self, status: str, eps: float, bound: float, gap: float, counterexample: Array | None, method: str,
        semantics: str, margin: float, seconds: float, stages: list[Stage], certificate: Any,
        interrupted: bool = False, solver_bound: float = np.inf, remark: str = "",
        target: str = "values", decisions: tuple[int, int] | None = None,
    ) -> None:
        self.target, self.decisions = target, decisions
        self.status, self.eps, self.bound, self.gap = status, eps, bound, gap
        self.counterexample, self.method, self.solver_bound = counterexample, method, solver_bound
        self.semantics, self.margin, self.seconds = semantics, margin, seconds
        self.stages, self.certificate, self.interrupted, self.remark = stages, certificate, interrupted, remark

    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self):
            raise AttributeError(f"Verdict is frozen: `{name}` cannot be set")
        super().__setattr__(name, read_only(value) if name == "counterexample" else value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Verdict is frozen: `{name}` cannot be deleted")

    def __bool__(self) -> bool:
        raise TypeError("a Verdict has no truth value, for 'unknown' is not 'no': ask for its `status`")

    def __repr__(self) -> str:
        return f"Verdict({self.status}: {self.sentence})"

    @property
    def delta(self) -> float | None:
        """With target "top1" the lead that was asked for, `eps`; otherwise None."""
        return self.eps if self.target == "top1" else None

    @property
    def rigorous(self) -> bool:
        """True unless a solver states a smaller bound than the proved one."""
        return bool(self.solver_bound >= self.bound)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.target == "top1":
            return self._sentence_on_decisions()
        where = "" if self.margin == 0.0 else f", further than {self.margin:z.3g} from every hyperplane"
        by = f" (by {self.method}, {self.seconds:.2g} s)" + (f"; {self.remark}" if self.remark else "")
        if self.status == EQUIVALENT:
            return f"|f - g| <= {self.bound:z.3g} on the domain{where}, asked for {self.eps:z.3g}{by}"
        if self.status == DIFFERENT:
            return f"|f - g| >= {self.gap:z.3g} at the counterexample, more than {self.eps:z.3g}{by}"
        word = "" if self.rigorous else f" (a solver says {self.solver_bound:z.3g}, which is no proof)"
        return (f"sup |f - g| is at least {self.gap:z.3g} and proved to be at most {self.bound:z.3g}{word}"
                f"{where}; asked for {self.eps:z.3g}{by}")

    def _sentence_on_decisions(self) -> str:
        """Return the verdict of target "top1" in one sentence."""
        by = f"asked for {self.eps:z.3g} (by {self.method}, {self.seconds:.2g} s)"
        if self.status == EQUIVALENT:
            return ("g decides as f on the domain wherever f's largest output leads by more than "
                    f"{self.bound:z.3g}, {by}")
        if self.status == DIFFERENT:
            assert self.decisions is not None
            j, k = self.decisions
            return (f"f decides for output {j} by at least {self.gap:z.3g} at the counterexample, "
                    f"and g for output {k}, {by}")
        proved = "nowhere proved"
        if np.isfinite(self.bound):
            proved = f"proved where f's largest output leads by more than {self.bound:z.3g}"
        refuted = f" and refuted where it leads by {self.gap:z.3g}" if self.gap else ""
        return f"that g decides as f is {proved}{refuted}; {by}"
