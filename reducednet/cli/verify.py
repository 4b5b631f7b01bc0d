"""Run the command ``verify``: prove two networks equal on a domain, or show where they differ."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..verification.certificates.certificate_files import ENDINGS
from .answers import CODES, INTERRUPTED, Answer, domain_report, exactly, point_report
from .options import add_domain, add_json, add_until, domain_of, read_network
from .outputs import check_output


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
    parser.add_argument("--certificate", type=Path, metavar="FILE",
                        help="where to write the proof (.json or .npz), for `check`")
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Ask for a verdict."""
    from .. import verify

    if options.certificate is not None:
        check_output(options.certificate, ENDINGS, "--certificate")
    f, g = (read_network(path, until=options.until) for path in (options.first, options.second))
    domain = domain_of(options, (f, options.first), (g, options.second))
    verdict = verify(f, g, domain, options.eps, options.semantics, options.time_limit)
    point = [] if verdict.counterexample is None else list(verdict.counterexample)
    numbers = {name: getattr(verdict, name)
               for name in ("eps", "bound", "solver_bound", "gap", "margin", "seconds")}
    words = {name: getattr(verdict, name)
             for name in ("status", "method", "rigorous", "semantics", "interrupted", "remark")}
    report = {**words, **numbers, **point_report(point), "domain": domain_report(domain),
              "stages": [stage.name for stage in verdict.stages]}
    lines = [f"{verdict.status}: {verdict.sentence}", f"on {domain!r}"]
    if point:
        lines.append(f"counterexample: {', '.join(map(exactly, point))}")
    if options.certificate is not None:
        report["certificate"] = None if verdict.certificate is None else str(options.certificate)
        lines.append(_save(verdict.certificate, options.certificate))
    unfinished = verdict.interrupted and verdict.status == "unknown"
    return Answer(report, lines, INTERRUPTED if unfinished else CODES[verdict.status])


def _save(certificate: Any, path: Path) -> str:
    """Write the certificate, if there is one, and return the line that says so."""
    if certificate is None:
        return f"no certificate is written to {path}: no checker confirmed a bound or a gap"
    certificate.save(path)
    return f"certificate: {path}"
