"""What the demo found: training errors in each space, and how far the mapping was off."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import Array
from ..numerics.records import read_only, record
from ..training.result import TrainingResult
from .study import FAILURE


@dataclass(frozen=True)
class Equivalence:
    """How far the reduced networks of one space lie from the networks they were made of.

    Attributes
    ----------
    largest_difference : float
        Over all starts, on the grid.
    rounding_bound : float
        What the largest difference must respect: the largest bound over all starts.
    respected : bool
        Whether every start's difference respects its own bound.
    neurons : int
        The largest width met.
    """

    largest_difference: float
    rounding_bound: float
    respected: bool
    neurons: int


@record
@dataclass(frozen=True, eq=False)
class Comparison:
    """The outcome of the demo.

    Attributes
    ----------
    errors : dict of arrays (n_starts,)
        Test mean squared error of each start, a space a key; the first is the standard one.
    results : dict of lists of TrainingResult
    equivalence : dict of Equivalence
        One for each reduced space.
    """

    errors: Mapping[str, Array]
    results: dict[str, list[TrainingResult]]
    equivalence: dict[str, Equivalence]

    def __post_init__(self) -> None:
        object.__setattr__(self, "errors", read_only(self.errors))

    def table(self) -> list[dict[str, Any]]:
        """Return a row a space: median, quartiles, worst, failures, and the ratio of medians."""
        reference = float(np.median(next(iter(self.errors.values()))))
        rows = []
        for space, errors in self.errors.items():
            low, median, high = np.quantile(errors, [0.25, 0.5, 0.75])
            rows.append({
                "space": space, "median": float(median), "lower quartile": float(low),
                "upper quartile": float(high), "worst": float(errors.max()),
                "failures": int((errors > FAILURE).sum()), "starts": len(errors),
                "ratio": reference / float(median),
            })
        return rows

    def median_run(self, space: str) -> TrainingResult:
        """Return the run whose test error is the (lower) median of its space."""
        order = np.argsort(self.errors[space], kind="stable")
        return self.results[space][int(order[(len(order) - 1) // 2])]
