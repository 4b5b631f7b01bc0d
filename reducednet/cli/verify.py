"""Run the command ``verify``: prove two networks equal on a domain, or show where they differ.

With ``--target top1`` it asks whether they decide alike.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import Network
from ..domains import Domain
from ..files.archives import checked_path, naming
from ..files.vnnlib_questions import Question, read_question
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
    parser.add_argument("--vnnlib", type=Path, metavar="FILE",
                        help="a VNN-LIB 2.0 file (.vnnlib, .vnnlib.gz) that asks about A and B, in "
                        "place of --box, --eps, --target and --delta; code 1: its conditions can be "
                        "fulfilled")
    parser.add_argument("--required", action="store_true",
                        help="with --vnnlib: its conditions on outputs say what has to hold, not "
                        "what a counterexample fulfils")
    parser.add_argument("--eps", type=float, help="largest difference (default: rounding of both; 0: exactly)")
    parser.add_argument("--target", choices=("values", "top1"), default="values",
                        help="compare the outputs' values, or which output is the largest")
    parser.add_argument("--delta", type=float, default=0.0,
                        help="with --target top1: decide alike where A's largest output leads by more "
                        "(default 0)")
    parser.add_argument("--semantics", choices=("real", "float64", "float32"), default="real",
                        help="the stored numbers as exact ones, or what computers return")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="(default 60)")
    parser.add_argument("--certificate", type=Path, metavar="FILE",
                        help="where to write the proof (.json or .npz), for `check`")
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


class Asked(NamedTuple):
    """What `verify` is asked: its arguments, and the question of a file, if it is one."""

    f: Network
    g: Network
    domain: Domain
    options: dict[str, Any]
    question: Question | None = None


def run(options: argparse.Namespace) -> Answer:
    """Ask for a verdict."""
    from .. import verify

    if options.certificate is not None:
        check_output(options.certificate, ENDINGS, "--certificate")
    f, g = (read_network(path, until=options.until) for path in (options.first, options.second))
    asked = _of_options(options, f, g) if options.vnnlib is None else _of_file(options, f, g)
    domain = asked.domain
    verdict = verify(asked.f, asked.g, domain, time_limit=options.time_limit, **asked.options)
    status = verdict.status
    if status == "not_equivalent" and asked.question and not asked.question.is_refuted_by(verdict.gap):
        status = "unknown"  # above the float64 tolerance, but not known to be above the file's number
    point = [] if verdict.counterexample is None else list(verdict.counterexample)
    numbers = {name: getattr(verdict, name)
               for name in ("eps", "bound", "solver_bound", "gap", "margin", "seconds")}
    words = {name: getattr(verdict, name)
             for name in ("method", "rigorous", "semantics", "interrupted", "remark")}
    words |= {"status": status, "target": verdict.target}
    if verdict.target == "top1":
        numbers["delta"] = verdict.delta
        words["decisions"] = verdict.decisions
    report = {**words, **numbers, **point_report(point), "domain": domain_report(domain),
              "stages": [stage.name for stage in verdict.stages]}
    lines = [f"{status}: {verdict.sentence}", f"on {domain!r}"]
    if point:
        lines.append(f"counterexample: {', '.join(map(exactly, point))}")
    if options.certificate is not None:
        report["certificate"] = None if verdict.certificate is None else str(options.certificate)
        lines.append(_save(verdict.certificate, options.certificate))
    unfinished = verdict.interrupted and status == "unknown"
    return Answer(report, lines, INTERRUPTED if unfinished else CODES[status])


def _of_options(options: argparse.Namespace, f: Network, g: Network) -> Asked:
    """Return what the options ask."""
    if options.required:
        raise ValueError("`--required` says how to read the file of `--vnnlib`, which is not given")
    names = ("eps", "semantics", "target", "delta")
    domain = domain_of(options, (f, options.first), (g, options.second))
    return Asked(f, g, domain, {name: getattr(options, name) for name in names})


def _of_file(options: argparse.Namespace, f: Network, g: Network) -> Asked:
    """Return what a VNN-LIB file asks about these networks."""
    given = {"box": None, "domain": None, "eps": None, "target": "values", "delta": 0.0}
    for name, default in given.items():
        if getattr(options, name) != default:
            raise ValueError(f"`--{name}` is what the file of `--vnnlib` says")
    path = options.vnnlib
    name, _ = checked_path(path, (".vnnlib", ".gz"))
    with naming(name):
        question = read_question(name, options.required)
        for network, file in ((f, options.first), (g, options.second)):
            sizes = network.n_inputs, network.n_outputs
            if sizes != question.sizes:
                raise ValueError(f"declares networks of {question.sizes[0]} inputs and "
                                 f"{question.sizes[1]} outputs, {file} has {sizes[0]} and {sizes[1]}")
    asked: dict[str, Any] = {"semantics": options.semantics, "target": question.target}
    asked["delta" if question.target == "top1" else "eps"] = question.tolerance
    if len(question.outputs) < f.n_outputs:
        if options.certificate is not None:
            raise ValueError("`--certificate` would be about some outputs only, not about the files")
        f, g = (_with_outputs(network, question.outputs) for network in (f, g))
    return Asked(f, g, question.box, asked, question)


def _with_outputs(network: Network, outputs: Sequence[int]) -> Network:
    """Return the network with some of its outputs."""
    index = list(outputs)
    bias = None if network.output_bias is None else network.output_bias[index]
    arrays = network.weights, network.thresholds, network.output_weights[index]
    return Network(*arrays, bias, network.activation)


def _save(certificate: Any, path: Path) -> str:
    """Write the certificate, if there is one, and return the line that says so."""
    if certificate is None:
        return f"no certificate is written to {path}: no checker confirmed a bound or a gap"
    certificate.save(path)
    return f"certificate: {path}"
