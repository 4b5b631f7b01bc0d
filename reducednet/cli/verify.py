"""Run the command ``verify``: prove two networks equal on a domain, or show where they differ."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .answers import DONE, INTERRUPTED, REFUTED, UNDECIDED, Answer, domain_report
from .options import add_domain, add_json, domain_of, read_network

CODES = {"equivalent": DONE, "not_equivalent": REFUTED, "unknown": UNDECIDED}
"""Exit codes by the verdict's status."""


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser(
        "verify", help="prove two network files equal on a domain, or show where they differ")
    parser.add_argument("first", type=Path, metavar="A", help="a .npz, .nnet or .onnx file")
    parser.add_argument("second", type=Path, metavar="B", help="another")
    add_domain(parser)
    parser.add_argument("--eps", type=float, help="largest difference (default: rounding of both; 0: exactly)")
    parser.add_argument("--semantics", choices=("real", "float64"), default="real",
                        help="the stored numbers as exact ones, or what computers return")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="(default 60)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Ask for a verdict."""
    from .. import verify

    f, g = (read_network(path) for path in (options.first, options.second))
    domain = domain_of(options, (f, options.first), (g, options.second))
    verdict = verify(f, g, domain, options.eps, options.semantics, options.time_limit)
    point = [] if verdict.counterexample is None else list(verdict.counterexample)
    numbers = {name: getattr(verdict, name)
               for name in ("eps", "bound", "solver_bound", "gap", "margin", "seconds")}
    words = {name: getattr(verdict, name)
             for name in ("status", "method", "rigorous", "semantics", "interrupted", "remark")}
    report = {**words, **numbers, "counterexample": [float(value) for value in point] or None,
              "counterexample_ratios": [value.as_integer_ratio() for value in point] or None,
              "domain": domain_report(domain), "stages": [stage.name for stage in verdict.stages]}
    lines = [f"{verdict.status}: {verdict.sentence}", f"on {domain!r}"]
    if point:
        lines.append(f"counterexample: {', '.join(map(_exactly, point))}")
    unfinished = verdict.interrupted and verdict.status == "unknown"
    return Answer(report, lines, INTERRUPTED if unfinished else CODES[verdict.status])


def _exactly(value: Any) -> str:
    """Write a coordinate, a float or a fraction, so that it is read back as itself."""
    return repr(float(value) + 0.0) if float(value) == value else str(value)
