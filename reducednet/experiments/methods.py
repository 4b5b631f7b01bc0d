"""What a study is made of: its methods, and the record of one run."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._validation import choice, instance, integer
from ..networks.network import Network
from ..numerics.records import record
from ..reduced_space.intervals import BOUNDS, SPARE
from ..training.result import METHODS

SPACES = ("standard", "reduced")
STARTS = ("normal", "he", "uniform", "natural", "placed", "greedy")


@record
@dataclass(frozen=True, eq=False)
class Method:
    """How the networks of a study are made and trained.

    Parameters
    ----------
    space : "standard" or "reduced"
    start : str
        The function that training begins at. ``"normal"``, ``"he"``, ``"uniform"``: a standard
        network, the schemes of `Network.random`. ``"natural"``: `ReducedNetwork.random`.
        ``"placed"``: hyperplanes through samples. ``"greedy"``: orthogonal matching pursuit.
    bound, spare : str
        As for `reduce`, which takes the start into the reduced space; of no use in the standard one.
    optimiser : str
        The `method` of `train`.
    n_steps : int, optional
        By default the study's, or else that of `train`.
    options : dict
        Further keyword arguments of `train`.
    label : str
        By default put together from the rest.

    Raises
    ------
    TypeError, ValueError
        If a word is unknown.

    Examples
    --------
    >>> Method("reduced", bound="support", spare="redraw").label
    'reduced, support, redrawn'
    """

    space: str = "reduced"
    start: str = "normal"
    bound: str = "support"
    spare: str = "keep"
    optimiser: str = "lbfgs"
    n_steps: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    label: str = ""

    def __post_init__(self) -> None:
        choice(self.space, "space", SPACES)
        choice(self.start, "start", STARTS)
        choice(self.bound, "bound", BOUNDS)
        choice(self.spare, "spare", SPARE)
        choice(self.optimiser, "optimiser", METHODS)
        if self.n_steps is not None:
            integer(self.n_steps, "n_steps", 1)
        instance(self.options, "options", Mapping, "a dict of keyword arguments of `train`")
        if not instance(self.label, "label", str, "a str"):
            object.__setattr__(self, "label", self._describe())

    def _describe(self) -> str:
        reduced = self.space == "reduced"
        parts = {
            self.space: True, f"{self.start} start": self.start != "normal", self.bound: reduced,
            "redrawn": reduced and self.spare == "redraw", self.optimiser: self.optimiser != "lbfgs",
        }
        return ", ".join(part for part, said in parts.items() if said)


NAMED: dict[str, dict[str, Any]] = {
    "standard": {"space": "standard"},
    "ball": {"bound": "ball"},
    "support": {},
    "redrawn": {"spare": "redraw"},
    "ball-redrawn": {"bound": "ball", "spare": "redraw"},
    "natural": {"start": "natural"},
    "natural-ball": {"start": "natural", "bound": "ball"},
    "natural-standard": {"space": "standard", "start": "natural"},
    "placed": {"start": "placed"},
    "placed-standard": {"space": "standard", "start": "placed"},
    "greedy": {"start": "greedy"},
    "greedy-standard": {"space": "standard", "start": "greedy"},
}
"""What the names of methods stand for; the rest is the default of `Method`."""


def method_named(name: str) -> Method:
    """Return the method of a name, which an optimiser may follow after a colon.

    Raises
    ------
    TypeError, ValueError
        If there is no such method, or optimiser.

    Examples
    --------
    >>> method_named("natural-standard:lbfgs").start
    'natural'
    """
    first, colon, optimiser = instance(name, "methods", str, "names or Methods").partition(":")
    words = NAMED[choice(first, "methods", NAMED)]
    return Method(**words, label=name, optimiser=optimiser if colon else "lbfgs")


@record
@dataclass(frozen=True, eq=False)
class Run:
    """One training run of a study.

    Attributes
    ----------
    label : str
        Of its method.
    start : int
        The number of its start, from 0: runs of one number began at the same function.
    start_loss, train_loss : float
        The loss before training and of the network that came back.
    test_error : float
        The mean squared error at the test points; inf where the run failed.
    seconds : float
        Processor time of the run's own thread.
    steps : int
    converged : bool
    message : str
        Why the run ended; where it failed, the error.
    dead, always_on : int
        Hidden neurons that no sample, or every sample, activates, at the end.
    network : Network or None
        None where the run failed.
    """

    label: str
    start: int
    start_loss: float
    train_loss: float
    test_error: float
    seconds: float
    steps: int
    converged: bool
    message: str
    dead: int
    always_on: int
    network: Network | None = field(repr=False)

    @property
    def failed(self) -> bool:
        """Whether the run ended in an error."""
        return self.network is None

    @classmethod
    def failure(cls, label: str, start: int, error: Exception, seconds: float = 0.0) -> Run:
        """Return the record of a run that ended in an error."""
        text = f"{type(error).__name__}: {error}"
        return cls(label, start, np.inf, np.inf, np.inf, seconds, 0, False, text, 0, 0, None)
