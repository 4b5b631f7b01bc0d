"""Define the parts of a study: its methods and the record of a run."""
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

FAILURE = 1e-2
"""A larger test error counts as a failure: such a fit of sin(4 pi x) misses the top of a wave."""


@record
@dataclass(frozen=True, eq=False)
class Method:
    """How to draw and train the networks of a study.

    Parameters
    ----------
    space : "standard" or "reduced"
    start : str
        The function that training starts from. ``"normal"``, ``"he"``, ``"uniform"``: a standard
        network by that scheme of `Network.random`. ``"natural"``: `ReducedNetwork.random`.
        ``"placed"``: hyperplanes through samples. ``"greedy"``: orthogonal matching pursuit.
    bound, spare : str
        As for `reduce`, which maps the start into the reduced space; ignored in the standard one.
    optimiser : str
        The `method` of `train`.
    n_steps : int, optional
        By default that of the study, or else of `train`.
    options : dict
        Other keyword arguments of `train`.
    label : str
        By default composed of the other arguments.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of its choices or has the wrong type.

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
        """Return the default label."""
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
"""The arguments of `Method` that each name stands for; the others have their defaults."""


def method_named(name: str) -> Method:
    """Return the method with this name; an optimiser may follow the name after a colon.

    Raises
    ------
    TypeError, ValueError
        If there is no such method or optimiser.

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
        The label of its method.
    start : int
        The number of its start, from 0: runs with the same number start from the same function.
    start_loss, train_loss : float
        The loss before training and that of the trained network.
    test_error : float
        The mean squared error at the test points; inf if the run failed.
    seconds : float
        CPU time of the run's own thread.
    steps : int
    converged : bool
    message : str
        Why the run ended; the error if it failed.
    dead, always_on : int
        How many hidden neurons no sample, or every sample, activates at the end.
    network : Network or None
        None if the run failed.
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
        """True if the run ended with an error."""
        return self.network is None

    @classmethod
    def failure(cls, label: str, start: int, error: Exception, seconds: float = 0.0) -> Run:
        """Return the record of a run that ended with an error."""
        text = f"{type(error).__name__}: {error}"
        return cls(label, start, np.inf, np.inf, np.inf, seconds, 0, False, text, 0, 0, None)
