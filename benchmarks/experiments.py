"""Run experiments after the paper's: where does a reduced network train better, and why?

    OMP_NUM_THREADS=1 python benchmarks/experiments.py [--starts 20] [--jobs 2] [--only sin4pi,franke] [--out FILE]

Every table takes one function to learn and trains by several methods from the same random functions, with
`rn.compare`. The methods are grouped by start; each is held against the standard run of its own start, so that
the gain of a start is not taken for that of a constraint. All figures but the seconds are determined by `--seed`.
`--out` writes Markdown after every problem; the short table at its end, medians only, is that of README.md.
"""
from __future__ import annotations

import argparse
import os
import platform
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import __version__ as scipy_version

import reducednet as rn
from reducednet.experiments.methods import Method
from reducednet.training.starts import data_placed

FAILURE = 0.02
"""A failure leaves more than this share of the variance of the test values; for sin(4 pi x) it is 1e-2."""
TEST_POINTS = 4000
CONTROLS = {
    "standard, redrawn": ("normal", 1.0), "standard, redrawn, rows x 8": ("normal", 8.0),
    "standard, rows x 2.8": ("natural", 8.0**0.5), "standard, rows x 8": ("natural", 8.0),
    "standard, placed, rows x 8": ("placed", 8.0),
}
"""Standard networks that begin at a reduced one's parameters, rows scaled: (start, scale) by label. They tell what
the scale of the coordinates does from what the constraint does."""
STANDARD = Method("standard", label="standard")
ADAM_STEPS = 3000


def lbfgs(bound, spare="keep"):
    """Return the reduced methods' common form."""
    label = f"reduced, {bound}" + (", redrawn" if spare == "redraw" else "")
    return Method("reduced", bound=bound, spare=spare, label=label)


def other(optimiser, space="reduced", n_steps=None, name="", **options):
    """Return a method of another optimiser than L-BFGS."""
    space_said = "reduced, support" if space == "reduced" else "standard"
    return Method(space, optimiser=optimiser, n_steps=n_steps, options=options,
                  label=f"{space_said}: {name or optimiser}")


NORMAL = (STANDARD, lbfgs("ball"), lbfgs("support"), lbfgs("ball", "redraw"), lbfgs("support", "redraw"))
BOUNDS = (STANDARD, lbfgs("ball"), lbfgs("support"))
THRICE = "standard, three times the steps"
ADAM = (other("adam", "standard", ADAM_STEPS), other("adam", n_steps=ADAM_STEPS))
VARPRO = (other("varpro", "standard", 300), other("varpro", n_steps=300),
          other("varpro", n_steps=500, name="varpro, 10 rounds", rounds=10))
GREEDY = (STANDARD, lbfgs("support"), other("varpro", n_steps=300))
DAMPED = (other("varpro", "standard", 100, "Levenberg-Marquardt"), other("varpro", n_steps=100,
                                                                         name="Levenberg-Marquardt"))
BINARY = (other("surrogate", "standard", 2000), other("surrogate", n_steps=2000), other("exchange"))
STARTS = {"normal": "N(0, 1)", "natural": "natural", "placed": "data-placed", "greedy": "greedy",
          "binary": "natural, binary"}


def groups(n_steps, more_normal=(), more_natural=(), **further):
    """Return the methods by start that all problems have, and more."""
    longer = Method("standard", n_steps=3 * n_steps, label=THRICE)
    natural = (*BOUNDS, longer, *more_natural)
    return {"normal": NORMAL + more_normal, "natural": natural, "placed": BOUNDS} | further


@dataclass(frozen=True)
class Problem:
    """A function to learn, the networks that learn it, and the methods by start."""

    title: str
    target: rn.targets.Target
    sizes: tuple[int, ...]
    samples: int
    n_steps: int
    groups: dict[str, tuple[Method, ...]]

    def data(self, seed):
        """Return (X, y), (X_test, y_test): equispaced for one input, else uniform from the seed."""
        rng = np.random.default_rng(seed)
        draw = self.target.grid if self.target.n_inputs == 1 else partial(self.target.sample, rng=rng)
        X, X_test = draw(self.samples), draw(TEST_POINTS)
        return (X, self.target(X)[:, np.newaxis]), (X_test, self.target(X_test)[:, np.newaxis])

    def starts(self, wanted):
        """Return how many starts are run: two fifths of those wanted from four inputs on, which cost most."""
        return wanted if self.target.n_inputs < 4 else max(2 * wanted // 5, 1)

    @property
    def domain(self):
        """The target's box."""
        return rn.Box(self.target.low, self.target.high)


def problems():
    """Return the problems by name."""
    targets, found = rn.targets, {}

    def add(name, title, target, hidden, samples, n_steps, *more, **further):
        sizes = (target.n_inputs, *hidden, 1)
        found[name] = Problem(title, target, sizes, samples, n_steps, groups(n_steps, *more, **further))

    add("sin4pi", "sin(4 pi x)", targets.sin4pi(), (20,), 200, 1000, ADAM, ADAM + VARPRO, greedy=GREEDY,
        binary=BINARY)
    add("franke", "Franke", targets.franke(), (40,), 500, 500, (), ADAM + VARPRO, greedy=GREEDY)
    add("franke-deep", "Franke, two hidden layers", targets.franke(), (20, 10), 500, 500, (), ADAM + DAMPED)
    add("step", "step", targets.step(), (20,), 200, 1000, (), VARPRO[:2], binary=BINARY)
    for kind, d in (("product", 4), ("oscillatory", 10), ("product", 10), ("oscillatory", 4)):
        target = targets.genz_product(d) if kind == "product" else targets.genz_oscillatory(d)
        more = other("varpro", "standard", 100), other("varpro", n_steps=100)
        title = f"Genz, {kind}{' peak' * (kind == 'product')}, {d} inputs"
        add(f"genz-{kind}-{d}", title, target, (40,), 1000, 500, (), more)
    add("abs-sin4pi", "|sin(4 pi x)|", targets.abs_sin4pi(), (20,), 200, 1000, (), VARPRO[:2])
    return found


# ------------------------------------------------------------------------------------------ the runs

def study(problem, group, starts, seed, pool):
    """Return the study of one start: all its methods from the same functions."""
    train, test = problem.data(seed)
    start, kind = ("natural", "binary") if group == "binary" else (group, "relu")
    methods = [replace(method, start=start) for method in problem.groups[group]]
    found = rn.compare(train, problem.sizes, starts, methods, np.random.SeedSequence(seed), pool, test=test,
                       domain=problem.domain, n_steps=problem.n_steps, activation=kind)
    children, template = np.random.SeedSequence(seed).spawn(starts), [found.runs[0]] * starts
    for label, (home, _) in CONTROLS.items():
        if group == home:
            task = partial(control, problem.sizes, problem.domain, problem.n_steps, train, test, label)
            runs = pool.map(task, children, template)
            numbered = [replace(run, start=number) for number, run in enumerate(runs)]
            found = replace(found, methods=(*found.methods, replace(STANDARD, label=label)),
                            runs=(*found.runs, *numbered))
    return found


def control(sizes, domain, n_steps, train, test, label, child, template):
    """Return the run of a standard network that begins where a reduced one does, its rows scaled.

    Layer l has its outputs scaled by scale**l, so that the function stays. It tells what the redrawing and
    the scale of coordinates do, which any space may have, from what the constraint does.
    """
    (start, scale), rng, began = CONTROLS[label], np.random.default_rng(child), time.thread_time()
    if start == "normal":
        drawn = rn.reduce(rn.Network.random(sizes, rng, output_bias=False), domain, "support", "redraw", rng=rng)
    elif start == "natural":
        drawn = rn.ReducedNetwork.random(sizes, domain, rng, output_bias=False)
    else:
        drawn = data_placed(sizes, domain, train[0], rng, output_bias=False)
    free = rn.Network([scale * W for W in drawn.weights],
                      [scale**layer * b for layer, b in enumerate(drawn.thresholds, start=1)],
                      drawn.output_weights / scale**drawn.depth, drawn.output_bias)
    result = rn.train(free, *train, "lbfgs", n_steps=n_steps)
    error = float(np.mean((result.network(test[0]) - test[1]) ** 2))
    losses = result.history["loss"]
    return replace(template, label=label, start_loss=float(losses[0]), train_loss=float(losses.min()),
                   test_error=error, seconds=time.thread_time() - began, network=result.network,
                   steps=int(result.history["step"][-1]), converged=result.converged, message=result.message)


def start_gap(found):
    """Return the largest relative difference of the start losses within a start: 0 but for rounding."""
    gaps = []
    for start in range(found.starts):
        losses = [run.start_loss for run in found.runs if run.start == start and not run.failed]
        gaps.append((max(losses) - min(losses)) / max(losses) if losses else 0.0)
    return max(gaps)


# ---------------------------------------------------------------------------------------- the tables

HEAD = ("start", "method", "hidden", "median [95 % interval]", "quartiles", "worst", "failures", "CPU s",
        "standard / this", "pairs won")


def rows(found, group, failure):
    """Return the rows of a study's table as text."""
    for row in found.table(failure):
        trained = [run.network for run in found.runs if run.label == row["method"] and run.network is not None]
        hidden = Counter("-".join(map(str, network.sizes[1:-1])) for network in trained).most_common(1)
        won = row["won"]
        yield (
            STARTS[group], row["method"], hidden[0][0] if hidden else "-",
            f"{row['median']:.1e} [{row['low']:.1e}, {row['high']:.1e}]",
            f"{row['lower quartile']:.1e} .. {row['upper quartile']:.1e}", f"{row['worst']:.1e}",
            f"{row['failures']} of {row['runs']}", f"{row['seconds']:.2f}", f"{row['ratio']:.2g}",
            "-" if np.isnan(won) else f"{won:.0%}",
        )


SUMMARY = (
    ("normal", "standard", "N(0, 1), standard"), ("normal", "reduced, ball", "N(0, 1), ball"),
    ("normal", "reduced, support, redrawn", "N(0, 1), support, redrawn"),
    ("normal", "standard, redrawn", "standard from the redrawn"), ("natural", "standard", "natural, standard"),
    ("natural", "reduced, support", "natural, support"),
)
"""The columns of the short table: L-BFGS, (start, method, heading); the best of all methods follows."""


def summary_row(problem, starts, medians):
    """Return a problem's row of the short table, from (median, seconds) by start and method."""
    cells = [f"{medians[group, label][0]:.1e}" for group, label, _ in SUMMARY]
    (group, label), (median, seconds) = min(medians.items(), key=lambda item: item[1])
    best = f"{median:.1e}: {STARTS[group]}, {label.replace('reduced, support: ', '')}, {seconds:.2f} s"
    sizes = "-".join(map(str, problem.sizes))
    return f"| {problem.title}, {sizes} | {starts} | {' | '.join(cells)} | {best} |"


def summary(lines):
    """Return the Markdown of the short table."""
    head = ("problem", "starts", *(heading for _, _, heading in SUMMARY), "best of all methods, CPU time")
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]) + "\n"


def section(name, problem, starts, seed, pool):
    """Return the Markdown of one problem, and its row of the short table."""
    level = FAILURE * (variance := float(np.var(problem.data(seed)[1][1])))
    lines, medians, gap, began = [], {}, 0.0, time.perf_counter()
    for group in problem.groups:
        found = study(problem, group, starts, seed, pool)
        gap = max(gap, start_gap(found))
        lines += [f"| {' | '.join(row)} |" for row in rows(found, group, level)]
        medians |= {(group, row["method"]): (row["median"], row["seconds"]) for row in found.table(level)}
    sizes = "-".join(map(str, problem.sizes))
    text = (
        f"### {problem.title} (`{name}`)\n{sizes}, {problem.samples} samples, {starts} starts, L-BFGS of at most "
        f"{problem.n_steps} steps. Variance of the test values {variance:.2e}: a failure is an error above "
        f"{level:.1e}. Start losses of one start differ by at most {gap:.0e} (relative).\n"
    )
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    table = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", *lines]
    return text + "\n" + "\n".join(table) + "\n", summary_row(problem, starts, medians)


def settings(options):
    """Return the Markdown of what all tables share."""
    return (
        f"`python benchmarks/experiments.py --starts {options.starts} --seed {options.seed}`, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy_version}.\n"
    )


def main():
    """Run the experiments, print the tables, and write them."""
    found = problems()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20,
                        help="of a problem (default 20); from four inputs on, two fifths of them")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument("--only", default="", help=f"problems, with commas between: {', '.join(found)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or list(found)
    unknown = [name for name in chosen if name not in found]
    if unknown:
        parser.error(f"--only: no problem {', '.join(unknown)}; there are {', '.join(found)}")
    if options.starts < 1 or options.jobs < 1 or options.seed < 0:
        parser.error("--starts and --jobs must be at least 1, --seed at least 0")
    parts, lines = [settings(options)], []
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in chosen:
            starts = found[name].starts(options.starts)
            text, line = section(name, found[name], starts, options.seed, pool)
            parts, lines = [*parts, text], [*lines, line]
            print(text, flush=True)
            if options.out is not None:
                short = f"### Short: medians of the test errors\n{summary(lines)}"
                options.out.write_text("\n".join([*parts, short]), encoding="utf-8")
    print(summary(lines))


if __name__ == "__main__":
    main()
