"""Run the command ``compare``: train by several methods from the same random functions."""
from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .answers import INTERRUPTED, UNFINISHED, Answer, study_lines, study_report
from .options import add_json, at_least
from .outputs import make_folder, progress, write_figure


def add_parser(commands: Any) -> None:
    """Add the command's parser to the others."""
    parser = commands.add_parser(
        "compare", help="train by several methods from the same random functions",
        epilog=f"exit code {UNFINISHED}: runs are missing, since their processes were killed",
    )
    parser.add_argument("target", metavar="TARGET", help="the function to learn, such as sin4pi or franke")
    parser.add_argument("--methods", default="standard,ball,redrawn", metavar="NAME,NAME,...",
                        help="such as standard, ball, support, redrawn, natural, natural-standard, or with "
                             "an optimiser ball:slsqp (default standard,ball,redrawn)")
    parser.add_argument("--neurons", default="20", metavar="N,N,...", help="hidden widths (default 20)")
    parser.add_argument("--starts", type=at_least(1), default=100, help="random starts (default 100)")
    parser.add_argument("--seed", type=at_least(0), default=0, help="seed of the starts (default 0)")
    parser.add_argument("--steps", type=at_least(1), help="largest number of steps (default: the optimiser's)")
    parser.add_argument("--jobs", type=at_least(1), default=1, help="processes (default 1)")
    parser.add_argument("--part", metavar="K/N",
                        help="make only the K-th of N parts of the starts; --resume puts parts together")
    parser.add_argument("--save", type=Path, metavar="FILE",
                        help="write the study to this .npz file as results come (default: in the end, as "
                             "study.npz of --out)")
    parser.add_argument("--resume", type=Path, nargs="+", metavar="FILE",
                        help="continue these studies of the same problem; one file is also what --save "
                             "writes by default, and need not exist if both name it")
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR",
                        help="folder of study.npz and study.png (default: the current one)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Answer:
    """Run the study, and write it and its figure."""
    from matplotlib.figure import Figure

    from .. import Study, compare, plotting
    from ..experiments.targets import target_named

    target, hidden = target_named(options.target), _widths(options.neurons)
    starts = _starts(options.starts, options.part)
    files = options.resume or []
    resume = _merged(files) if len(files) > 1 else files[0] if files else None
    make_folder(options.out)
    with _workers(options.jobs) as executor:
        study = compare(target, (target.n_inputs, *hidden, 1), starts, options.methods.split(","),
                        options.seed, executor, n_steps=options.steps, progress=progress("runs"),
                        save=options.save, resume=resume)
    path = options.save or (files[0] if len(files) == 1 else options.out / "study.npz")
    picture = options.out / "study.png"
    if options.save is None and len(files) != 1:
        study.save(path)
    elif study != Study.load(path):
        raise OSError(f"{path} has not all runs of the study: the warnings say why")
    figure = Figure(layout="constrained")
    widest, limit = _limit_of_test_error(target, study)
    plotting.study(study, ax=figure.subplots(), limit=limit)
    write_figure(figure, picture)
    report = study_report(study) | {"limit": limit, "study": str(path), "figure": str(picture)}
    floor = [] if limit is None else [
        f"\nNo network of up to {widest} neurons has a test error below {limit:.3g} (proved)"]
    lines = [*study_lines(study), *floor, f"\nStudy: {path}\nFigure: {picture}"]
    if study.message.startswith(("finished", "part")):
        return Answer(report, lines)
    interrupted = study.message.startswith("interrupted")
    return Answer(report, lines, INTERRUPTED if interrupted else UNFINISHED)


def _starts(starts: int, part: str | None) -> int | range:
    """Return the number of starts, or those of the K-th of N parts: every N-th, beginning at K - 1."""
    if part is None:
        return starts
    numbers = re.fullmatch(r"(\d+)/(\d+)", part)
    first, n_parts = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if not 1 <= first <= min(n_parts, starts):
        expected = "K/N, with K from 1 to N and at most the number of starts"
        raise ValueError(f"`--part` must be {expected}, got {part}")
    return range(first - 1, starts, n_parts)


def _merged(files: list[Path]) -> Any:
    """Return the study that these files have together."""
    from functools import reduce

    from .. import Study

    return reduce(Study.merge, map(Study.load, files))


def _limit_of_test_error(target: Any, study: Any) -> tuple[int, float | None]:
    """Return the most neurons of a network in the study, and a proved bound of the test errors.

    The bound is None for more inputs or hidden layers.
    """
    from ..training.global_optima.limits import limit_in_parts

    widest = max(run.network.sizes[1] for run in study.runs if run.network is not None)
    if target.n_inputs != 1 or len(study.sizes) != 3:
        return widest, None
    X = target.grid(study.n_test)
    return widest, limit_in_parts(X, target(X)[:, np.newaxis], widest)


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"`--neurons` must be whole numbers with commas between, got {text}") from None


@contextmanager
def _workers(jobs: int) -> Iterator[Any]:
    """Yield an executor of this many processes, or None for one; end them all at the end."""
    if jobs == 1:
        yield None
        return
    import multiprocessing

    from ..experiments.executors import Processes

    spawn = multiprocessing.get_context("spawn")
    executor = Processes(jobs, mp_context=spawn, initializer=_leave_interrupts_to_the_parent)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()  # without work, or after Ctrl-C with work that nobody waits for


def _leave_interrupts_to_the_parent() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
