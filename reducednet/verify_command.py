"""The command ``verify``: prove two network files equal on a box, or show where they differ."""
from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

EXIT_CODES = {"equivalent": 0, "not_equivalent": 1, "unknown": 3}
"""Exit codes by the verdict's status; 2 is a bad call."""


def add_verify(commands: Any) -> None:
    """Add the command's parser to the others."""
    verify = commands.add_parser(
        "verify", help="prove two network files equal on a box, or show where they differ",
        epilog="exit codes: 0 proved, 1 refuted, 2 bad call, 3 undecided",
    )
    verify.add_argument("first", type=Path, metavar="A", help="a .npz, .nnet or .onnx file")
    verify.add_argument("second", type=Path, metavar="B", help="another")
    verify.add_argument("--box", nargs=2, metavar=("LOW", "HIGH"),
                        help="the inputs: numbers, or one a dimension with commas between (default: the box that "
                             "A or B declares, or the domain of a reduced network)")
    verify.add_argument("--eps", type=float, help="largest difference (default: rounding of both; 0: exactly)")
    verify.add_argument("--semantics", choices=("real", "float64"), default="real",
                        help="the stored numbers as exact ones, or what computers return")
    verify.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="(default 60)")
    verify.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    verify._negative_number_matcher = re.compile(r"^-\.?\d.*$")  # -1e3 and -1,0 are values
    verify.set_defaults(run=run_verify)


def run_verify(options: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from .verification import verify

    f, g = (_network(path) for path in (options.first, options.second))
    domain = _domain(options, f, g)
    verdict = verify(f, g, domain, options.eps, options.semantics, options.time_limit)
    _print(verdict, domain, options.json)
    return EXIT_CODES[verdict.status]


def _network(path: Path) -> Any:
    from .files import load
    from .networks import Network

    network = load(path)
    if not isinstance(network, Network):
        raise ValueError(f"{path} must hold a network, got a {type(network).__name__}")
    return network


def _domain(options: argparse.Namespace, f: Any, g: Any) -> Any:
    """Return the box that was asked for, else the domain of a reduced network, else what a file declares."""
    from .files import load_box
    from .options import box_of
    from .reduced_networks import ReducedNetwork

    if options.box is not None:
        return box_of(options.box, f.n_inputs)
    for network in (f, g):
        if isinstance(network, ReducedNetwork):
            return network.domain
    paths = [path for path in (options.first, options.second) if path.suffix == ".nnet"]
    if not paths:
        raise ValueError("`--box` must be given, for neither file declares a domain")
    return load_box(paths[0])


def _print(verdict: Any, domain: Any, as_json: bool) -> None:
    point = None if verdict.counterexample is None else [float(value) for value in verdict.counterexample]
    if as_json:
        numbers = {name: getattr(verdict, name) for name in ("eps", "bound", "gap", "margin", "seconds")}
        words = {name: getattr(verdict, name) for name in ("status", "method", "rigorous", "semantics")}
        finite = {name: value if abs(value) < float("inf") else None for name, value in numbers.items()}
        print(json.dumps({**words, **finite, "counterexample": point, "domain": repr(domain),
                          "stages": [stage.name for stage in verdict.stages]}, indent=1))
        return
    print(f"{verdict.status}: {verdict.sentence}\non {domain!r}")
    if point is not None:
        print(f"counterexample: {', '.join(f'{value!r}' for value in point)}")
