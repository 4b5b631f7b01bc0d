"""Run the command ``reduce``: map a network file into the reduced space."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from .answers import Answer, network_report, short, table_lines
from .network_summary import STABLE_NOTE, summarise
from .options import add_domain, add_json, add_until, domain_of, read_network
from .outputs import check_output


COUNTED = ("dead", "always_on", "zero_rows")
"""Columns that are counted as by `info`: by all that is proved, not only by the intervals."""


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser("reduce", help="map a network file into the reduced space")
    parser.add_argument("file", type=Path, metavar="FILE", help="a .npz, .nnet or .onnx file")
    add_domain(parser)
    parser.add_argument("--bound", choices=("support", "ball"), default="support",
                        help="threshold intervals: the exact ones, or the paper's [-X_B, X_B]")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                        help="where the reduced network goes (.npz)")
    add_until(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Reduce the network, check it at random points and write it."""
    from .. import decided, reduce, reduction_bound, reduction_report, save

    check_output(options.output, [".npz"])
    network = read_network(options.file, until=options.until)
    domain = domain_of(options, (network, options.file))
    reduced = reduce(network, domain, options.bound)
    X = domain.sample(10_000, rng=0)
    X = X[decided(network, domain, X)]
    difference = float(np.abs(network(X) - reduced(X)).max()) if len(X) else 0.0
    bound = float(reduction_bound(network, reduced).max())
    counts = summarise(network, domain)["layers"]
    reports = reduction_report(network, domain, options.bound)
    layers = [layer._asdict() | {name: count[name] for name in COUNTED}
              for layer, count in zip(reports, counts)]
    save(options.output, reduced)
    report = {"network": network_report(network), "reduced": network_report(reduced), "layers": layers,
              "points": len(X), "largest_difference": difference, "rounding_bound": bound,
              "output": str(options.output)}
    return Answer(report, [
        f"{network!r}\non {domain!r}, bound={options.bound!r}\n", *_layer_lines(layers),
        f"\n{STABLE_NOTE}",
        f"\nlargest difference at {len(X)} points: {short(difference)}  (rounding bound {short(bound)})",
        f"written: {options.output}",
    ])


def _layer_lines(layers: list[dict[str, Any]]) -> list[str]:
    return table_lines(
        {"layer": number, "neurons": layer["neurons"],
         "norms before": f"{layer['norms'][0]:.4g} .. {layer['norms'][1]:.4g}",
         "X_B": f"{layer['norm_bound']:.4g}", "thresholds outside [-X_B, X_B]": layer["outside"],
         "dead": layer["dead"], "always on": layer["always_on"], "zero rows": layer["zero_rows"]}
        for number, layer in enumerate(layers, start=1))
