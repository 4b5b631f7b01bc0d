"""The command line: ``python -m reducednet demo | compare | reduce | verify``."""
from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .verify_command import add_verify

USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for a bad call, 130 for Ctrl-C.

    The command `verify` has 1 and 3 besides: refuted, undecided.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; by default those of the process.

    Examples
    --------
    >>> main(["reduce", "no-such-file.nnet", "-o", "out.npz"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("\nreducednet: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"reducednet: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reducednet", description="ReLU and binary networks in a reduced parameter space."
    )
    parser.add_argument("--version", action="version", version=f"reducednet {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="the paper's idea on sin(4 pi x): map, check, train, compare")
    demo.add_argument("--starts", type=_at_least(1), default=20, help="random starts (default 20)")
    demo.add_argument("--seed", type=_at_least(0), default=0, help="seed of the starts (default 0)")
    demo.add_argument("--out", type=Path, default=Path("."), metavar="DIR",
                      help="folder of the figure (default: the current one)")
    demo.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    demo.set_defaults(run=_demo)

    compare = commands.add_parser("compare", help="train by several methods from the same random functions")
    compare.add_argument("target", metavar="TARGET", help="the function to learn, such as sin4pi or franke")
    compare.add_argument("--methods", default="standard,ball,redrawn", metavar="NAME,NAME,...",
                         help="such as standard, ball, support, redrawn, natural, natural-standard, or with "
                              "an optimiser ball:slsqp (default standard,ball,redrawn)")
    compare.add_argument("--neurons", default="20", metavar="N,N,...", help="hidden widths (default 20)")
    compare.add_argument("--starts", type=_at_least(1), default=100, help="random starts (default 100)")
    compare.add_argument("--seed", type=_at_least(0), default=0, help="seed of the starts (default 0)")
    compare.add_argument("--steps", type=_at_least(1), help="largest number of steps (default: the optimiser's)")
    compare.add_argument("--jobs", type=_at_least(1), default=1, help="processes (default 1)")
    compare.add_argument("--out", type=Path, default=Path("."), metavar="DIR",
                         help="folder of study.npz and study.png (default: the current one)")
    compare.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    compare.set_defaults(run=_compare)

    reduce = commands.add_parser("reduce", help="map a network file into the reduced space")
    reduce.add_argument("file", type=Path, metavar="FILE", help="a .npz, .nnet or .onnx file")
    reduce.add_argument("--box", nargs=2, metavar=("LOW", "HIGH"),
                        help="the inputs: numbers, or one a dimension with commas between "
                             "(default: the box that the file declares)")
    reduce.add_argument("--bound", choices=("support", "ball"), default="support",
                        help="threshold intervals: the exact range, or the paper's [-X_B, X_B]")
    reduce.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                        help="where the reduced network goes (.npz)")
    reduce.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    reduce._negative_number_matcher = re.compile(r"^-\.?\d.*$")  # -1e3 and -1,0 are values
    reduce.set_defaults(run=_reduce)
    add_verify(commands)
    return parser


def _at_least(minimum: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, got {text}")
        return int(text)

    return integer


def _demo(options: argparse.Namespace) -> None:
    from . import targets
    from .demo import FAILURE, N_STEPS, SIZES, sin4pi_demo
    from .plotting import comparison_figure

    _make_folder(options.out)
    comparison = sin4pi_demo(options.starts, options.seed, _progress("starts"))
    path = options.out / "reducednet-demo.png"
    _write_figure(comparison_figure(comparison, targets.sin4pi()), path)
    equivalences = {space: vars(e) for space, e in comparison.equivalence.items()}
    if options.json:
        print(json.dumps({"starts": options.starts, "seed": options.seed, "equivalence": equivalences,
                          "training": comparison.table(), "figure": str(path)}, indent=1))
        return
    print(f"sin(4 pi x) on [0, 1]; {options.starts} standard networks {'-'.join(map(str, SIZES))}, "
          f"ReLU, drawn from N(0, 1) with seed {options.seed}\n")
    print("The same function in the reduced space, on a grid of 20001 points:")
    _print_table([{"space": space, "neurons": f"{SIZES[1]}-{e['neurons']}",
                   "largest difference": _short(e["largest_difference"]),
                   "rounding bound": _short(e["rounding_bound"]),
                   "respected": "yes" if e["respected"] else "NO"}
                  for space, e in equivalences.items()])
    print(f"\nTraining from the same functions (L-BFGS, at most {N_STEPS} steps); test error on 4000 points:")
    _print_table([{"space": row["space"], "median": _short(row["median"]),
                   "quartiles": f"{_short(row['lower quartile'])} .. {_short(row['upper quartile'])}",
                   "worst": _short(row["worst"]),
                   f"failures (> {FAILURE:g})": f"{row['failures']} of {row['starts']}",
                   "standard / this": f"{row['ratio']:.1f}"} for row in comparison.table()])
    print(f"\nFigure: {path}")


def _make_folder(folder: Path) -> None:
    """Make the folder, or say before the work begins that nothing can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"`--out` must be a folder to write in, got {folder}")


def _compare(options: argparse.Namespace) -> None:
    from matplotlib.figure import Figure

    from . import plotting
    from .studies import compare
    from .targets import target_named

    target, hidden = target_named(options.target), _widths(options.neurons)
    _make_folder(options.out)
    with _workers(options.jobs) as executor:
        study = compare(target, (target.n_inputs, *hidden, 1), options.starts, options.methods.split(","),
                        options.seed, executor, n_steps=options.steps, progress=_progress("runs"))
    path, picture = options.out / "study.npz", options.out / "study.png"
    study.save(path)
    figure = Figure(layout="constrained")
    plotting.study(study, ax=figure.subplots())
    _write_figure(figure, picture)
    _print_study(study, options.json, {"study": str(path), "figure": str(picture)})
    if study.message != "finished":
        raise KeyboardInterrupt


def _print_study(study: Any, as_json: bool, files: dict[str, str]) -> None:
    from .study_record import FAILURE

    rows = study.table()
    if as_json:
        table = [{key: value if np.isreal(value) and np.isfinite(value) else None for key, value in row.items()}
                 | {"method": row["method"]} for row in rows]
        print(json.dumps({"target": study.target, "sizes": study.sizes, "starts": study.starts, "seed": study.seed,
                          "message": study.message, "table": table, **files}, indent=1))
        return
    print(f"{study.target}, networks {'-'.join(map(str, study.sizes))}, {study.starts} starts of "
          f"{study.seed}, {study.n_samples} samples; {study.message}\n\nTest error at {study.n_test} points:")
    _print_table([{"method": row["method"], "median": _short(row["median"]),
                   "95 %": f"{_short(row['low'])} .. {_short(row['high'])}",
                   "quartiles": f"{_short(row['lower quartile'])} .. {_short(row['upper quartile'])}",
                   "worst": _short(row["worst"]),
                   f"failures (> {FAILURE:g})": f"{row['failures']} of {row['runs']}",
                   "first / this": f"{row['ratio']:.1f}", "won": "" if row is rows[0] else f"{row['won']:.0%}",
                   "seconds": f"{row['seconds']:.2f}"} for row in rows])
    print(f"\nStudy: {files['study']}\nFigure: {files['figure']}")


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"`--neurons` must be whole numbers with commas between, got {text}") from None


@contextmanager
def _workers(jobs: int) -> Iterator[Any]:
    """Give an executor of so many processes, or None for one; at the end none of them is left."""
    if jobs == 1:
        yield None
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_leave_interrupts_to_the_parent)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()  # idle ones, or those whose work nobody waits for after Ctrl-C


def _leave_interrupts_to_the_parent() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _reduce(options: argparse.Namespace) -> None:
    from .error_bounds import decided, reduction_bound
    from .files import load, load_box, save
    from .networks import Network
    from .options import box_of
    from .reduction import reduce, reduction_report

    if options.output.suffix != ".npz":
        raise ValueError(f"`--output` must be a .npz file, got {options.output}")
    network = load(options.file)
    if not isinstance(network, Network):
        raise ValueError(f"FILE must hold a network, got a {type(network).__name__} in {options.file}")
    domain = load_box(options.file) if options.box is None else box_of(options.box, network.n_inputs)
    reduced = reduce(network, domain, options.bound)
    X = domain.sample(10_000, rng=0)
    X = X[decided(network, domain, X)]
    difference = float(np.abs(network(X) - reduced(X)).max()) if len(X) else 0.0
    bound = float(reduction_bound(network, reduced).max())
    layers = [report._asdict() for report in reduction_report(network, domain, options.bound)]
    save(options.output, reduced)
    if options.json:
        print(json.dumps({"network": repr(network), "reduced": repr(reduced), "layers": layers,
                          "points": len(X), "largest_difference": difference, "rounding_bound": bound,
                          "output": str(options.output)}, indent=1))
        return
    print(f"{network!r}\non {domain!r}, bound={options.bound!r}\n")
    _print_table([{"layer": number, "neurons": layer["neurons"],
                   "norms before": f"{layer['norms'][0]:.4g} .. {layer['norms'][1]:.4g}",
                   "X_B": f"{layer['norm_bound']:.4g}", "thresholds outside [-X_B, X_B]": layer["outside"],
                   "dead": layer["dead"], "always on": layer["always_on"], "zero rows": layer["zero_rows"]}
                  for number, layer in enumerate(layers, start=1)])
    print(f"\nlargest difference at {len(X)} points: {_short(difference)}  (rounding bound {_short(bound)})")
    print(f"written: {options.output}")


def _progress(what: str) -> Callable[[int, int], None] | None:
    """Return what writes a progress line, where there is a terminal to read it."""
    return partial(_write_progress, what) if sys.stderr.isatty() else None


def _write_progress(what: str, done: int, total: int) -> None:
    print(f"\r{done} of {total} {what}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _short(value: float) -> str:
    return f"{value:.1e}"


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows under their keys, the first column to the left, the others to the right."""
    columns = [[key, *(str(row[key]) for row in rows)] for key in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns):
        first, *others = (text.rjust(width) for text, width in zip(line, widths))
        print("  ".join([line[0].ljust(widths[0]), *others]))


def _write_figure(figure: Any, path: Path) -> None:
    """Write a PNG beside its place and rename it: never a partial file."""
    handle, temporary = tempfile.mkstemp(suffix=".png", dir=path.parent)
    os.close(handle)
    try:
        figure.savefig(temporary, dpi=150)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
