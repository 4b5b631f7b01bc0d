"""Run the command ``demo``: show the paper's idea on sin(4 pi x)."""
from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .answers import Answer, short, table_lines
from .options import add_json, at_least
from .outputs import make_folder, progress, write_figure


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser("demo", help="the paper's idea on sin(4 pi x): map, check, train, compare")
    parser.add_argument("--starts", type=at_least(1), default=20, help="random starts (default 20)")
    parser.add_argument("--seed", type=at_least(0), default=0, help="seed of the starts (default 0)")
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR",
                        help="folder of the figure (default: the current one)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Run the demo and write its figure."""
    from .. import sin4pi_demo, targets
    from ..plotting.curves import comparison_figure

    make_folder(options.out)
    comparison = sin4pi_demo(options.starts, options.seed, progress("starts"))
    path = options.out / "reducednet-demo.png"
    figure = comparison_figure(comparison, targets.sin4pi())
    # the errors that it shows, so that a test can compare a figure with a new run
    errors = {space: sorted(values.tolist()) for space, values in comparison.errors.items()}
    write_figure(figure, path, json.dumps(errors))
    report = {"starts": options.starts, "seed": options.seed,
              "equivalence": {space: vars(e) for space, e in comparison.equivalence.items()},
              "training": comparison.table(),
              "limit": {"bound": comparison.limit.bound, "error": comparison.limit.error,
                        "test_error": comparison.limit_test_error}, "figure": str(path)}
    return Answer(report, _lines(report))


def _lines(report: Mapping[str, Any]) -> list[str]:
    from ..experiments.demo import N_STEPS, SIZES
    from ..experiments.methods import FAILURE

    mapping = [{"space": space, "neurons": f"{SIZES[1]}-{e['neurons']}",
                "largest difference": short(e["largest_difference"]),
                "rounding bound": short(e["rounding_bound"]), "respected": "yes" if e["respected"] else "NO"}
               for space, e in report["equivalence"].items()]
    training = [{"space": row["space"], "median": short(row["median"]),
                 "quartiles": f"{short(row['lower quartile'])} .. {short(row['upper quartile'])}",
                 "worst": short(row["worst"]),
                 f"failures (> {FAILURE:g})": f"{row['failures']} of {row['starts']}",
                 "standard / this": f"{row['ratio']:.1f}"} for row in report["training"]]
    best, networks = report["limit"], f"{report['starts']} standard networks {'-'.join(map(str, SIZES))}"
    return [
        f"sin(4 pi x) on [0, 1]; {networks}, ReLU, drawn from N(0, 1) with seed {report['seed']}\n",
        "The same function in the reduced space, on a grid of 20001 points:", *table_lines(mapping),
        f"\nTraining from the same functions (L-BFGS, at most {N_STEPS} steps); test error on 4000 points:",
        *table_lines(training),
        f"\nNo network of {SIZES[1]} neurons has a training error below {best['bound']:.6g} (proved); the one\n"
        f"constructed by `fit_exact` has {best['error']:.6g}, and a test error of {short(best['test_error'])}",
        f"\nFigure: {report['figure']}",
    ]
