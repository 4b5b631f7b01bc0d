"""Record what the demo finds: test errors in each space, and a check of the mapping."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import Array
from ..numerics.records import read_only, record
from ..training.global_optima.limits import TrainingLimit
from ..training.result import TrainingResult
from .methods import FAILURE


@dataclass(frozen=True)
class Equivalence:
    """How much the reduced networks of one space differ from the networks they were made from.

    Attributes
    ----------
    largest_difference : float
        The largest difference over all starts and the grid.
    rounding_bound : float
        The largest rounding error bound over all starts.
    respected : bool
        Whether each start's difference is within its own bound.
    neurons : int
        The largest width of a reduced network.
    """

    largest_difference: float
    rounding_bound: float
    respected: bool
    neurons: int


@record
@dataclass(frozen=True, eq=False)
class Comparison:
    """The results of the demo, in dicts by space.

    Attributes
    ----------
    errors : dict of arrays (n_starts,)
        The test mean squared error of each start; the first space is the standard one.
    results : dict of lists of TrainingResult
    equivalence : dict of Equivalence
        For the reduced spaces only.
    limit : TrainingLimit
        A bound of the training error of all networks of this size, with the network that
        `fit_exact` constructs.
    limit_test_error : float
        The test mean squared error of that network.
    """

    errors: Mapping[str, Array]
    results: dict[str, list[TrainingResult]]
    equivalence: dict[str, Equivalence]
    limit: TrainingLimit
    limit_test_error: float

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        object.__setattr__(self, "errors", read_only(self.errors))

    def table(self) -> list[dict[str, Any]]:
        """Return one row per space: median, quartiles, worst, failures, ratio of medians."""
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
