"""Sharpen the bound of one output: the lines of neighbouring runs must meet in the gap between.

Left and right line l, r of a gap between neighbouring samples at v and w meet in [v, w] if and only
if for one of the signs s = 1, -1

    s (r - l)(v) <= 0   and   s (l - r)(w) <= 0.

With multipliers lambda, mu >= 0 for each gap and sign, the sum over the runs' squared errors plus
lambda s (r - l)(v) + mu s (l - r)(w) over the gaps between them is at most the squared error of a
network. So is its minimum over lines, signs and runs, for any multipliers: one line enters its own
terms alone, whose least value is again a quotient of sums (docs/global-optima.md, section 6).

One group of equal x is no line: without bound below, if it had multipliers. So gaps beside such a
run have none, and neither has a gap with two breakpoints, where any two lines can be joined.
"""
from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .partitions import RunCosts

PLUS, MINUS, NONE = 0, 1, 2
"""The sign of the conditions in a gap, or a gap without multipliers."""

ONE_NEXT, FREE = 2, 3
"""States of the programme behind a gap without multipliers: the next run must be one group, or may
be any, since the last run was one group or the gap has two breakpoints. Its other states are signs.
"""

BITS = 32
"""Responses, and with them multipliers, are integers in units of 2^-32 of the data's own unit."""

PATIENCE = 10
"""After this many steps without a larger bound the steps are halved."""


class Lines(NamedTuple):
    """Sums over the groups of samples, as floats or as integers, and runs to be considered.

    Attributes
    ----------
    sums : tuple of arrays (n_groups + 1,)
        Cumulative sums of u, u x, u x^2, u y, u x y, u y^2 over the groups before each.
    positions : array (n_groups,)
    allowed : bool array (n_lengths, n_groups + 1)
        Entry (k, e): whether the run of k + 1 groups that ends before group e is considered.
    """

    sums: tuple[npt.NDArray[Any], ...]
    positions: npt.NDArray[Any]
    allowed: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """The first group of each run, 0 for those that do not exist."""
        lengths, ends = np.indices(self.allowed.shape)
        return np.maximum(ends - lengths - 1, 0)


class Piece(NamedTuple):
    """A run of the groups start .. end - 1, and the signs of the gaps on both sides."""

    start: int
    end: int
    left: int
    right: int


class Multipliers(NamedTuple):
    """Half of lambda and mu: arrays (2, n_groups - 1), for the sign s = 1 and then for s = -1."""

    before: npt.NDArray[Any]
    after: npt.NDArray[Any]


def integer_lines(costs: RunCosts, most: Fraction) -> Lines:
    """Return the sums in integers, and the runs whose own cost is at most `most`, in units.

    Runs that cost more are in no network of that squared error. The sums are about the means of x
    and y, rounded, which changes neither costs nor conditions.
    """
    n, first = costs.n_groups, 0
    firsts = np.zeros(n + 1, dtype=int)
    for last in range(n):
        numerators, denominators = costs.quotients(first, last)
        first += int(np.argmax(numerators * most.denominator <= most.numerator * denominators))
        firsts[last + 1] = first
    longest = int((np.arange(n + 1) - firsts).max())
    lengths, ends = np.indices((max(longest, 2), n + 1))

    w, x, xx, y, xy, yy = costs.sums
    a, b = x[-1] // w[-1], y[-1] // w[-1]
    sums = (
        w, x - a * w, xx - 2 * a * x + a * a * w, (y - b * w) << BITS,
        (xy - a * y - b * x + a * b * w) << BITS, (yy - 2 * b * y + b * b * w) << 2 * BITS,
    )
    return Lines(sums, costs.integer_positions - a, ends - lengths - 1 >= firsts[ends])


def float_lines(lines: Lines) -> tuple[Lines, int, Fraction]:
    """Return the sums as floats, in units of the spread of x and y.

    The other results are the units of multipliers and of squared errors in these floats.
    """
    w, _, xx, _, _, yy = (int(sums[-1]) for sums in lines.sums)
    x_unit, y_unit = (isqrt(square // w) + 1 for square in (xx, yy))
    units = (w, w * x_unit, w * x_unit**2, w * y_unit, w * x_unit * y_unit, w * y_unit**2)
    sums = tuple((values / unit).astype(float) for values, unit in zip(lines.sums, units))
    floats = Lines(sums, (lines.positions / x_unit).astype(float), lines.allowed)
    return floats, w * y_unit, Fraction(w * y_unit**2, 4**BITS)


class PieceCosts(NamedTuple):
    """The least value of each piece, and what gives its line.

    Attributes
    ----------
    k, s_x, c_xx : arrays (n_lengths, n_groups + 1)
    s_y, c_xy, least : arrays (3, 3, n_lengths, n_groups + 1)
        For each sign on the left and on the right. The line is p + q x with q = c_xy / c_xx and
        p = (s_y - q s_x) / k.
    """

    k: npt.NDArray[Any]
    s_x: npt.NDArray[Any]
    c_xx: npt.NDArray[Any]
    s_y: npt.NDArray[Any]
    c_xy: npt.NDArray[Any]
    least: npt.NDArray[Any]


def piece_costs(lines: Lines, multipliers: Multipliers) -> PieceCosts:
    """Return the least values, over lines, of squared errors plus the terms of the multipliers.

    These terms are linear in the line p + q x: they change the sums s_y and s_xy, the coefficients
    of -2 p and -2 q in the squared error. Integers are rounded down.

        least = ((k s_yy - s_y^2) c_xx - c_xy^2) / (k c_xx)
    """
    starts, ends = lines.starts, np.arange(len(lines.positions) + 1)
    k, s_x, s_xx, s_y, s_xy, s_yy = (values[ends] - values[starts] for values in lines.sums)
    c_xx = k * s_xx - s_x * s_x
    c_xx[0] = 1  # one group: c_xy = 0
    # As floats, k and c_xx may cancel to 0 or less where weights or x differ by many powers of ten.
    k, c_xx = (np.where(lines.allowed & (values > 0), values, 1) for values in (k, c_xx))

    signs, v, w = np.array([[1], [-1]]), lines.positions[:-1], lines.positions[1:]
    constant, slope = np.zeros((2, 3, len(ends)), dtype=s_y.dtype)  # 0 at the ends, and for NONE
    constant[:2, 1:-1] = signs * (multipliers.before - multipliers.after)
    slope[:2, 1:-1] = signs * (multipliers.before * v - multipliers.after * w)
    s_y = s_y - constant[:, np.newaxis, starts] + constant[np.newaxis, :, np.newaxis]
    s_xy = s_xy - slope[:, np.newaxis, starts] + slope[np.newaxis, :, np.newaxis]

    c_xy = k * s_xy - s_x * s_y
    numerator, denominator = (k * s_yy - s_y * s_y) * c_xx - c_xy * c_xy, k * c_xx
    integer = numerator.dtype == object
    least = numerator // denominator if integer else numerator / denominator
    infinite = 4 * len(ends) * (np.abs(least[:, :, lines.allowed]).max() + 1)
    least[:, :, ~lines.allowed] = infinite
    least[:2, :, 0] = least[:, :2, 0] = infinite  # one group has no multipliers
    return PieceCosts(k, s_x, c_xx, s_y, c_xy, least)


def best_pieces(lines: Lines, least: npt.NDArray[Any], most: int) -> tuple[Any, list[Piece]]:
    """Return the least sum of at most `most` pieces, and these pieces.

    A second breakpoint in a gap counts as a piece.
    """
    starts, n = lines.starts, len(lines.positions)
    several, one = least[:, :, 1:], least[NONE, NONE, 0]
    infinite = least.max()
    totals = np.full((most + 1, 4, n + 1), infinite, dtype=least.dtype)
    chosen = np.zeros((most + 1, 4, n + 1), dtype=int)
    totals[0, FREE, 0] = 0 * infinite
    for number in range(1, most + 1):
        before = totals[number - 1]
        for right in (PLUS, MINUS, NONE):
            sums = before[[PLUS, MINUS, FREE]][:, starts[1:]] + several[:, right]
            sums = sums.reshape(-1, n + 1)
            chosen[number, right] = sums.argmin(axis=0)
            totals[number, right] = np.minimum(sums.min(axis=0), infinite)
        after_one = np.minimum(before[ONE_NEXT], before[FREE])[starts[0]] + one
        chosen[number, FREE] = after_one <= before[ONE_NEXT]
        totals[number, FREE] = np.minimum(np.minimum(after_one, before[ONE_NEXT]), infinite)

    ends = np.minimum(totals[:, ONE_NEXT, n], totals[:, FREE, n])
    number = int(ends.argmin())
    return ends[number], _traced(totals, chosen, starts, number)


def _traced(
    totals: npt.NDArray[Any], chosen: npt.NDArray[Any], starts: np.ndarray, number: int
) -> list[Piece]:
    """Return the pieces of the best sum of this number of them, from the last back to the first."""
    pieces: list[Piece] = []
    end = totals.shape[2] - 1

    def state_without_sign() -> int:
        return ONE_NEXT if totals[number, ONE_NEXT, end] <= totals[number, FREE, end] else FREE

    state = state_without_sign()
    while end:
        choice = int(chosen[number, state, end])
        number -= 1
        if state != FREE:
            left, length = divmod(choice, len(starts) - 1)
            pieces.append(Piece(end - length - 2, end, left, state))
            end, state = end - length - 2, (PLUS, MINUS, FREE)[left]
        elif choice:
            pieces.append(Piece(end - 1, end, NONE, NONE))
            end -= 1
            state = state_without_sign()
        else:
            state = ONE_NEXT  # two breakpoints in this gap
    return pieces[::-1]


def gradient(lines: Lines, costs: PieceCosts, pieces: list[Piece]) -> Multipliers:
    """Return the derivative of the sum of these pieces by the multipliers: twice the violations."""
    shape = (2, len(lines.positions) - 1)
    before, after = np.zeros(shape), np.zeros(shape)
    for start, end, left, right in pieces:
        place = end - start - 1, end
        q = costs.c_xy[(left, right, *place)] / costs.c_xx[place]
        p = (costs.s_y[(left, right, *place)] - q * costs.s_x[place]) / costs.k[place]
        for sign, gap, side in (left, start - 1, 2.0), (right, end - 1, -2.0):
            if sign != NONE:
                side = side if sign == PLUS else -side
                before[sign, gap] += side * (p + q * lines.positions[gap])
                after[sign, gap] -= side * (p + q * lines.positions[gap + 1])
    return Multipliers(before, after)


def ascend(
    lines: Lines, multipliers: Multipliers, n_pieces: int, target: float, n_steps: int
) -> tuple[Multipliers, list[Piece], float]:
    """Raise the bound by projected subgradient steps; return the best multipliers and pieces.

    Polyak's step, (target - bound) / |g|^2, is halved when the bound no longer grows.

    References
    ----------
    B. T. Polyak, *Minimization of unsmooth functionals*, USSR Comput. Math. Math. Phys. 9 (1969).
    """
    best, best_bound, found = multipliers, -np.inf, []
    factor, waited = 1.0, 0
    for _ in range(n_steps):
        costs = piece_costs(lines, multipliers)
        bound, pieces = best_pieces(lines, costs.least, n_pieces)
        waited += 1
        if bound > best_bound:
            best, best_bound, found, waited = multipliers, bound, pieces, 0
        slope = gradient(lines, costs, pieces)
        square = float((slope.before**2).sum() + (slope.after**2).sum())
        if square == 0.0 or bound >= target:
            break
        if waited > PATIENCE:
            factor, waited, multipliers = factor / 2.0, 0, best
            continue
        step = factor * (target - bound) / square
        multipliers = Multipliers(
            *(np.maximum(h + step * g, 0.0) for h, g in zip(multipliers, slope))
        )
    return best, found, best_bound


def no_multipliers(lines: Lines) -> Multipliers:
    """Return multipliers of 0."""
    shape = (2, len(lines.positions) - 1)
    return Multipliers(np.zeros(shape), np.zeros(shape))


def exact_bound(lines: Lines, multipliers: Multipliers, unit: int, n_pieces: int) -> Fraction:
    """Return the bound of the squared error that these multipliers prove, in the costs' units.

    They are rounded to integers, and each least value is rounded down: all else is exact.
    """
    rounded = Multipliers(*(
        np.array(
            [[round(Fraction(value) * unit) for value in row] for row in part.tolist()],
            dtype=object,
        )
        for part in multipliers
    ))
    least = piece_costs(lines, rounded).least
    return Fraction(best_pieces(lines, least, n_pieces)[0], 4**BITS)
