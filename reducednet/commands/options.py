"""Options that several commands have, and their values as the library's objects."""
from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..domains import Box


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")


def add_box(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--box LOW HIGH`."""
    parser.add_argument("--box", nargs=2, metavar=("LOW", "HIGH"),
                        help=f"the inputs: numbers, or one a dimension with commas between (default: {default})")
    parser._negative_number_matcher = re.compile(r"^-\.?\d.*$")  # -1e3 and -1,0 are values


def at_least(minimum: int) -> Callable[[str], int]:
    """Return the type of an option that is an integer of at least `minimum`."""
    def integer(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, got {text}")
        return int(text)

    return integer


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


def read_network(path: Path) -> Any:
    """Return the network of a file; refuse a file that holds something else."""
    from ..files import load
    from ..networks import Network

    network = load(path)
    if not isinstance(network, Network):
        raise ValueError(f"{path} must hold a network, got a {type(network).__name__}")
    return network
