"""Values of command-line options, as the library's objects."""
from __future__ import annotations

from collections.abc import Sequence

from .domains import Box


def box_of(ends: Sequence[str], n_inputs: int) -> Box:
    """Return the Box of the two `--box` values: numbers, or lists with commas.

    Examples
    --------
    >>> box_of(["-1", "1,2"], 2)
    Box([-1, -1], [1, 2])
    """
    try:
        low, high = ([float(part) for part in end.split(",")] for end in ends)
    except ValueError:
        got = " ".join(ends)
        raise ValueError(f"`--box` must be numbers, or lists of numbers with commas, got {got}") from None
    spread = [end * n_inputs if len(end) == 1 else end for end in (low, high)]
    return Box(*spread)
