"""Run the command ``limit``: how low the training error can be, and a network that low."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..files.save_load import ENDINGS
from .answers import Answer, network_report, short
from .options import add_json, at_least, read_samples
from .outputs import check_format, check_output, save_checked, write_figure


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser(
        "limit", help="how low the training error of networks of one input can be, proved")
    parser.add_argument("file", type=Path, metavar="DATA",
                        help="samples, a row each, the input in the first column and the outputs "
                        "in the others (.npy, .csv, .txt)")
    parser.add_argument("--neurons", type=at_least(1), default=20, metavar="N", help="neurons (default 20)")
    parser.add_argument("--activation", choices=("relu", "binary"), default="relu",
                        help="of the neurons (default relu)")
    parser.add_argument("--bound", choices=("runs", "continuous"), default="runs",
                        help="of the separate runs (default), or that their lines must meet: "
                        "sharper for kinks and noise, for one output, in seconds")
    parser.add_argument("--no-bias", action="store_true", help="construct a network without output bias")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT",
                        help="where the network goes (.npz, .nnet or .onnx; default: nowhere)")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="where a figure goes (default: nowhere)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Prove the bound, construct the network, and write it and the figure if they are wanted."""
    from .. import fit_exact

    for name, path, endings in ("--output", options.output, ENDINGS), ("--figure", options.figure, [".png"]):
        if path is not None:
            check_output(path, endings, name)
    samples = read_samples(options.file)
    if samples.shape[1] < 2:
        raise ValueError(f"{options.file} must have the input in the first column and the outputs in the "
                         "others, got one column")
    network, limit = fit_exact(samples[:, :1], samples[:, 1:], options.neurons, options.activation,
                               not options.no_bias, bound=options.bound)
    if options.output is not None:
        check_format(options.output, network)
        save_checked(options.output, network)
    if options.figure is not None:
        _draw(limit, options.figure)
    report = {
        "samples": len(samples), "network": network_report(network), "bound": limit.bound,
        "error": limit.error, "gap": limit.gap, "runs": [line._asdict() for line in limit.runs],
        "output": None if options.output is None else str(options.output),
        "figure": None if options.figure is None else str(options.figure),
    }
    return Answer(report, _lines(options, report))


def _draw(limit: Any, path: Path) -> None:
    from matplotlib.figure import Figure

    from .. import plotting

    figure = Figure(layout="constrained")
    plotting.training_limit(limit, figure.subplots())
    write_figure(figure, path)


def _lines(options: argparse.Namespace, report: dict[str, Any]) -> list[str]:
    sizes = "-".join(map(str, report["network"]["sizes"]))
    gap = f"{short(report['gap'])} above"
    if report["bound"]:
        gap += f", {short(report['gap'] / report['bound'])} of the bound"
    return [
        f"{options.file}: {report['samples']} samples; networks {sizes}, {options.activation}\n",
        "mean squared error at the samples",
        f"of every such network, proved: at least {report['bound']:.9g}",
        f"of the one constructed, exactly computed: {report['error']:.9g} ({gap})",
        *(f"written: {report[name]}" for name in ("output", "figure") if report[name]),
    ]
