"""Run the command ``info``: describe a file, and count its network's dead and unused neurons."""
from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files.onnx_graph import OnnxContent
from .answers import Answer, domain_report, short, study_lines, study_report, table_lines
from .network_summary import STABLE_NOTE, summarise
from .options import (
    add_domain, add_json, add_sign_bounds, add_until, asked_domain, declared_domain, onnx_content,
    read_file,
)


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser(
        "info", help="describe a file, and count the dead and unused neurons of its network")
    parser.add_argument("file", type=Path, metavar="FILE",
                        help="a network (.npz, .nnet, .onnx), a training result or a study (.npz)")
    add_domain(parser)
    add_sign_bounds(parser)
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Read the file and describe it."""
    from .. import Study, TrainingResult

    content = read_file(options.file, until=options.until)
    if isinstance(content, Study):
        if options.box is not None or options.domain is not None:
            raise ValueError(f"`--box` and `--domain` are for networks, got the Study {options.file}")
        return Answer({"file": str(options.file), "kind": "Study"} | study_report(content), study_lines(content))
    if not isinstance(content, TrainingResult):
        return _describe_network(content, options)
    report, lines, _ = _describe_network(content.network, options)
    course = _course(content)
    words = f"loss {_number(course['first_loss'])} -> {_number(course['best_loss'])} in {course['steps']} steps"
    return Answer({**report, "kind": "TrainingResult", "training": course},
                  [f"TrainingResult: {words}; {content.message}", *lines])


def _course(result: Any) -> dict[str, Any]:
    losses = result.history["loss"]
    first, best = (float(losses[0]), float(losses.min())) if len(losses) else (None, None)
    return {"steps": result.steps, "first_loss": first, "best_loss": best, "converged": result.converged,
            "message": result.message}


def _number(value: float | None) -> str:
    return "none" if value is None else short(value)


def _describe_network(network: Any, options: argparse.Namespace) -> Answer:
    domain, reason = _domain(network, options)
    found = summarise(network, domain, options.bounds, options.time_limit)
    report = {
        "file": str(options.file), "kind": type(network).__name__, "sizes": network.sizes,
        "activation": network.activation, "output_bias": network.output_bias is not None,
        "domain": None if domain is None else domain_report(domain), **found,
    }
    content = onnx_content(options.file, options.until)
    stored = {} if content is None else _stored(content, domain)
    report |= stored
    where = f"on {domain!r}"
    if domain is None:
        where = f"{reason}\n(--box or --domain give one: more can be said)"
    lines = [repr(network), *_stored_lines(stored), f"{where}\n", *_layer_lines(found["layers"]), ""]
    return Answer(report, lines + _sums(report))


_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""The number of significant bits of each type."""


def _stored(content: OnnxContent, domain: Any) -> dict[str, Any]:
    """Return the type of a model's numbers, and how far the model's own evaluation may be off.

    The bound of float64, `evaluation_bound`, grows as the unit roundoff does, in the first order.
    """
    from .. import evaluation_bound

    error = None
    if domain is not None:
        bound = float(evaluation_bound(content.network, domain).max())
        error = math.ldexp(bound, 53 - _PRECISION[content.numbers])
    return {"numbers": content.numbers, "multiplied_out": content.n_folded, "model_rounding": error}


def _stored_lines(stored: Mapping[str, Any]) -> list[str]:
    if not stored:
        return []
    kind = stored["numbers"]
    lines = [f"numbers of the file: {kind}, converted exactly"]
    if stored["multiplied_out"]:
        lines[0] += f"; affine maps multiplied out in float64 {stored['multiplied_out']} times, up to rounding"
    if stored["model_rounding"] is not None:
        lines.append(f"computed in {kind}, the model itself may be off by about {stored['model_rounding']:.2g}")
    return lines


def _domain(network: Any, options: argparse.Namespace) -> tuple[Any, str]:
    """Return the domain, or None and the reason why there is none."""
    domain = asked_domain(options, network)
    if domain is not None:
        return domain, ""
    try:
        return declared_domain((network, options.file)), ""
    except ValueError as error:
        return None, str(error)


def _layer_lines(layers: list[dict[str, Any]]) -> list[str]:
    rows = []
    for number, layer in enumerate(layers, start=1):
        row = {"layer": number, "neurons": layer["neurons"], "row norms": _range(layer["norms"]),
               "threshold / norm": _range(layer["thresholds"]), "zero rows": layer["zero_rows"],
               "duplicate": layer["duplicate"]}
        if "dead" in layer:
            row |= {"inside": layer["inside"], "used": _range(layer["used"], "z.0%"),
                    "dead": layer["dead"], "always on": layer["always_on"]}
        rows.append(row)
    return table_lines(rows)


def _range(limits: tuple[float, float] | None, form: str = "z.4g") -> str:
    if limits is None:
        return "none"
    low, high = (f"{limit:{form}}" for limit in limits)
    return low if low == high else f"{low} .. {high}"


def _sums(report: Mapping[str, Any]) -> list[str]:
    """Return the meaning of the columns, and the numbers of parameters."""
    now, left, saved = (report["parameters"][name] for name in ("now", "without_idle", "saved"))
    lines = ["duplicate: on the hyperplane of an earlier neuron, on either side"]
    sums = [f"\nparameters: {now}"]
    if "reduced" in report["parameters"]:
        lines += [
            "inside: the threshold lies inside its interval; used: the part in which these lie",
            STABLE_NOTE,
        ]
        sums.append(f"in the reduced space: {report['parameters']['reduced']}")
    sums.append(f"without dead and unused neurons: {left} ({saved} saved)")
    compressed = report["parameters"].get("compressed")
    if compressed is not None:
        sums.append(f"as `compress` writes it: {compressed} ({now - compressed} saved)")
    return lines + sums
