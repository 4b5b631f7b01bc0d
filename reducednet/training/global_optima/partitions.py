"""Find the best partition of samples on a line into runs, in exact integers.

A network of one input and one hidden layer of n ReLU neurons is affine, and one of binary neurons
constant, on each of at most n + 1 runs of neighbouring samples. With cost(i, j) the least squared
error of one affine (constant) function at the samples i .. j, the dynamic programme

    E_0(0) = 0,    E_p(j) = min over i <= j of E_(p-1)(i - 1) + cost(i, j)

finds the best partition into p runs (docs/global-optima.md, section 1). Samples of equal x belong
to one run: i and j count groups of them.
"""
from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..._validation import Array, message
from ...numerics.rationals import integers

Integers = npt.NDArray[Any]
"""An array of Python integers, which never overflow."""

INFEASIBLE = 2**62
"""The cost of a partition that does not exist. All others cost less, and two fit into an int64."""

MOST_RUNS = 4 * 10**8
"""The most runs whose costs are computed: five to ten minutes, all runs of 28,000 samples."""

WELL_RESOLVED = Fraction(1, 2**20)
"""A partition found is final if it costs at least this share of the one known before."""


def common_integers(values: Array) -> tuple[Integers, int]:
    """Return Python integers M and one exponent p such that the values are M 2^p, exactly.

    Examples
    --------
    >>> common_integers(np.array([0.75, -2.0]))
    (array([3, -8], dtype=object), -2)
    """
    odd, exponents = integers(values)
    nonzero = odd != 0
    least = int(exponents[nonzero].min()) if nonzero.any() else 0
    shifts = np.where(nonzero, exponents - least, 0)
    return odd.astype(object) << shifts.astype(object), least


def power_of_two(exponent: int) -> Fraction:
    """Return 2^exponent."""
    return Fraction(2)**exponent


class Run(NamedTuple):
    """The groups `first` .. `last` of a run, and the best affine (constant) function on it.

    The function is mean + slope (x - centre), with one mean and one slope for each output.
    """

    first: int
    last: int
    centre: Fraction
    means: list[Fraction]
    slopes: list[Fraction]


class RunCosts:
    """The least squared error of one affine or constant function on each run of groups.

    With the sums over a run k = sum w, s_x = sum w x, ... and c_xy = k s_xy - s_x s_y,

        cost = (c_yy c_xx - c_xy^2) / (k c_xx),    for constants c_yy / k,

    with c_yy and c_xy^2 summed over the outputs. All of these are integers, in units of powers of
    two, and differences of cumulative sums.

    Parameters
    ----------
    x : array (n_samples,)
    Y : array (n_samples, n_outputs)
    weights : array (n_samples,)
        Samples of weight 0 are left out.
    affine : bool
        Affine functions, or else constants.

    Attributes
    ----------
    positions : array (n_groups,)
        The different x, in ascending order.
    integer_positions : array (n_groups,)
        The same in integers, times some power of two.
    unit : Fraction
        Costs are quotients of integers times this.
    total_weight : Fraction
    """

    def __init__(self, x: Array, Y: Array, weights: Array, affine: bool) -> None:
        order = np.argsort(x, kind="stable")
        order = order[weights[order] > 0.0]
        x, self.affine = x[order], affine
        ends = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)
        self.positions, self.n_groups = x[ends], len(ends)

        def cumulative(terms: Integers) -> Integers:
            """Return the sum over all groups before each group, and over all of them."""
            return np.concatenate([np.zeros(1, dtype=object), np.cumsum(terms)[ends]])

        w, w_exponent = common_integers(weights[order])
        x, self._x_exponent = common_integers(x)
        self.integer_positions = x[ends]
        y, self._y_exponent = common_integers(Y[order])
        self._w, self._wx, self._wxx = cumulative(w), cumulative(w * x), cumulative(w * x * x)
        self._wy = [cumulative(w * values) for values in y.T]
        self._wxy = [cumulative(w * x * values) for values in y.T]
        self._wyy = cumulative(w * (y * y).sum(axis=1))
        self.unit = power_of_two(w_exponent + 2 * self._y_exponent)
        self.total_weight = self._w[-1] * power_of_two(w_exponent)

    @property
    def sums(self) -> tuple[Integers, ...]:
        """The cumulative sums of w, w x, w x^2, w y, w x y and w y^2, y the first output."""
        return self._w, self._wx, self._wxx, self._wy[0], self._wxy[0], self._wyy

    def quotients(
        self, first: int, last: int, stop: int | None = None
    ) -> tuple[Integers, Integers]:
        """Return numerators and denominators of the costs of i .. last, first <= i < stop.

        The last i is `last` without a stop.
        """
        stop = last + 1 if stop is None else stop

        def sums(cumulative: Integers) -> Integers:
            return cumulative[last + 1] - cumulative[first:stop]

        k, s_y = sums(self._w), [sums(values) for values in self._wy]
        c_yy = k * sums(self._wyy) - sum(values * values for values in s_y)
        if not self.affine:
            return c_yy, k
        s_x = sums(self._wx)
        c_xx = k * sums(self._wxx) - s_x * s_x
        if stop == last + 1:
            c_xx[-1] = 1  # one group has no slope: c_xy = 0, and the cost is c_yy / k
        c_xy = [k * sums(s_xy) - s_x * values for s_xy, values in zip(self._wxy, s_y)]
        return c_yy * c_xx - sum(values * values for values in c_xy), k * c_xx

    def cost(self, first: int, last: int) -> Fraction:
        """Return the cost of one run, in units."""
        numerators, denominators = self.quotients(first, last, first + 1)
        return Fraction(numerators[0], denominators[0])

    def run(self, first: int, last: int) -> Run:
        """Return a run with its best function."""

        def sum_over_run(cumulative: Integers) -> int:
            return int(cumulative[last + 1] - cumulative[first])

        k, s_x = sum_over_run(self._w), sum_over_run(self._wx)
        s_y = [sum_over_run(values) for values in self._wy]
        c_xx = k * sum_over_run(self._wxx) - s_x * s_x
        x_unit, y_unit = power_of_two(self._x_exponent), power_of_two(self._y_exponent)
        slopes = [Fraction(0)] * len(s_y)
        if self.affine and first < last:
            c_xy = [k * sum_over_run(s_xy) - s_x * values for s_xy, values in zip(self._wxy, s_y)]
            slopes = [Fraction(value, c_xx) * y_unit / x_unit for value in c_xy]
        means = [Fraction(value, k) * y_unit for value in s_y]
        return Run(first, last, Fraction(s_x, k) * x_unit, means, slopes)


class Partition(NamedTuple):
    """The best partition into runs: a lower bound of its squared error, and its runs."""

    bound: Fraction
    runs: list[Run]


def best_partitions(costs: RunCosts, n_runs: int) -> dict[int, Partition]:
    """Return the best partition into n_runs runs, and good ones into fewer, by number of runs.

    The costs are rounded down to integers, multiples of 2^-s, and the programme in int64 is exact:
    its optimum is at most that of the true costs. Some partition costs `enough`. A run that costs
    more is in no best partition, and neither are the longer runs with the same end, which cost more
    still: they are never looked at. s is chosen such that n_runs times `enough` fits. If `enough`
    is 0, only runs that cost 0 exactly are looked at.

    Partitions into fewer than n_runs runs may miss a better one that has such a run.

    Runs of equal length may cost far more than the best ones, for an outlier say, and 2^-s is then
    coarse: the cost of what was found serves as `enough` once more.

    Raises
    ------
    ValueError
        If the costs of more than MOST_RUNS runs are to be computed.
    """
    n_runs = min(n_runs, costs.n_groups)
    enough = _cost_of_equal_runs(costs, n_runs)
    expected = _expected_runs(costs, enough)
    if expected > MOST_RUNS:
        most = f"fewer samples: at most {MOST_RUNS:.0e} runs of neighbours can be compared"
        came = f"{costs.n_groups} different samples with about {expected:.0e} such runs"
        raise ValueError(message("X", most, came))
    found: dict[int, Partition] = {}
    while True:
        found |= _partitions(costs, n_runs, enough)
        cost = sum((costs.cost(run.first, run.last) for run in found[n_runs].runs), Fraction(0))
        if cost >= enough * WELL_RESOLVED:
            return found
        enough = cost


def _expected_runs(costs: RunCosts, enough: Fraction) -> float:
    """Estimate how many runs cost at most `enough`, by those that end at one of 50 groups.

    Longer runs with the same end cost more, so that bisection finds the longest. If all runs are
    few enough, return their number.
    """
    n = costs.n_groups
    if n * (n + 1) // 2 <= MOST_RUNS:
        return n * (n + 1) // 2
    ends = [n * number // 50 - 1 for number in range(1, 51)]
    firsts = [
        bisect_left(range(end), True, key=lambda first: costs.cost(first, end) <= enough)
        for end in ends
    ]
    return n * sum(end - first + 1 for first, end in zip(firsts, ends)) / len(ends)


def _partitions(costs: RunCosts, n_runs: int, enough: Fraction) -> dict[int, Partition]:
    """Return the partitions of `best_partitions`, for this cost of a partition into n_runs runs."""
    n_groups = costs.n_groups
    shift = 61 - _bits(n_runs * enough) if enough else 0
    limit = int(enough * power_of_two(shift))

    totals = np.full((n_runs + 1, n_groups + 1), INFEASIBLE)
    starts = np.zeros((n_runs + 1, n_groups + 1), dtype=np.int32)
    totals[0, 0] = first = 0
    for last in range(n_groups):
        numerators, denominators = costs.quotients(first, last)
        in_units = numerators  # 0 or not is all that counts
        if enough:
            in_units = _shifted(numerators, shift) // _shifted(denominators, -shift)
        allowed = in_units <= limit  # the costs decrease: False first, then True
        first += int(np.argmax(allowed))
        candidates = totals[:-1, first:last + 1] + in_units[allowed].astype(np.int64)
        best = candidates.argmin(axis=1)
        totals[1:, last + 1] = candidates.min(axis=1).clip(max=INFEASIBLE)
        starts[1:, last + 1] = first + best

    scale = costs.unit * power_of_two(-shift) / costs.total_weight
    return {
        number: Partition(int(totals[number, -1]) * scale, _runs(costs, starts, number))
        for number in range(1, n_runs + 1) if totals[number, -1] < INFEASIBLE
    }


def _cost_of_equal_runs(costs: RunCosts, n_runs: int) -> Fraction:
    """Return the cost of the partition into runs of as equal a number of groups as can be."""
    ends = [costs.n_groups * number // n_runs for number in range(n_runs + 1)]
    return sum((costs.cost(i, j - 1) for i, j in zip(ends, ends[1:])), Fraction(0))


def _bits(value: Fraction) -> int:
    """Return an integer b with value < 2^b."""
    return value.numerator.bit_length() - value.denominator.bit_length() + 1


def _shifted(values: Integers, shift: int) -> Integers:
    """Return the integers times 2^shift if that is positive, else unchanged."""
    return values << max(shift, 0)


def _runs(costs: RunCosts, starts: npt.NDArray[np.int32], n_runs: int) -> list[Run]:
    """Return the runs of a partition, from the last one's start back to the first."""
    runs, end = [], costs.n_groups
    for number in range(n_runs, 0, -1):
        start = int(starts[number, end])
        runs.append(costs.run(start, end - 1))
        end = start
    return runs[::-1]
