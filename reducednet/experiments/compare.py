"""Compare training methods: `compare` runs each of them from the same random starts.

Each run draws all its random numbers from the seed of its start. Its result depends neither on the
other methods and starts, nor on their order, nor on the executor.
"""
from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from .._validation import (
    Array, RandomLike, choice, flag, generator, instance, integer, layer_sizes, message, responses,
    same_inputs, samples,
)
from ..domains import DOMAINS, Box, Domain
from ..networks.activations import activation_named
from ..networks.network import Network
from ..reduced_space.reduced_network import ReducedNetwork
from ..reduced_space.reduction import reduce
from ..training import starts as start_networks
from ..training.result import TrainingResult
from ..training.train import train
from . import executors
from .merging import digest, in_order
from .methods import Method, Run, method_named
from .saving import Saver, resumed
from .study import Study, completeness
from .targets import Target, target_named

COMPARED = ("standard", "ball", "redrawn")
"""The methods that `compare` compares by default."""


@dataclass(frozen=True)
class Problem:
    """The settings that all runs of a study share; it can be pickled and sent to any worker."""

    sizes: tuple[int, ...]
    output_bias: bool
    activation: str
    domain: Domain
    X: Array
    y: Array
    X_test: Array
    y_test: Array
    n_steps: int | None


@dataclass(frozen=True)
class Task:
    """One run to make."""

    method: Method
    start: int
    seed: np.random.SeedSequence


def compare(
    target: Any, sizes: Iterable[int], starts: int | range = 100,
    methods: Sequence[str | Method] = COMPARED, rng: RandomLike = 0, executor: Any = None, *,
    samples: int | None = None, test_points: int = 4000, test: tuple[Any, Any] | None = None,
    domain: Domain | None = None, output_bias: bool = False, activation: str = "relu",
    n_steps: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    save: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | Study | None = None,
) -> Study:
    """Train by several methods, each from the same random functions, and return all results.

    Parameters
    ----------
    target : Target, str or pair of arrays (X, y)
        A target, the name of a target, or samples.
    sizes : (n_inputs, n_1, ..., n_outputs)
    starts : int or range
        How many functions to draw; or which of them, for one part of a study: ``range(k, 1000, 8)``
        is the k-th of eight parts, which `Study.merge` puts together.
    methods : list of str or Method
        Names: ``"standard"``, ``"ball"`` and ``"support"`` (the same N(0, 1) function reduced),
        ``"redrawn"`` (support, spare neurons redrawn), ``"ball-redrawn"``; ``"natural"``,
        ``"placed"`` and ``"greedy"`` starts in the reduced space (support) or, as in
        ``"natural-standard"``, in the standard one; ``"natural-ball"``. An optimiser may follow, as
        in ``"ball:lbfgs"``. For anything else give a `Method`.
    rng : None, int, Generator or SeedSequence
        Start i is drawn from the i-th child of the seed, whatever `starts` and `methods` are.
    executor : None, concurrent.futures.Executor or callable
        What makes the runs: processes, threads, loky, the ``get_executor()`` of a dask client,
        ``mpi4py.futures``; or a function like `map`. Scripts that start processes need the usual
        ``if __name__ == "__main__":``. Runs that the executor loses, for instance with a killed
        worker, are repeated as long as it accepts work. A pool of processes that has lost one
        accepts no more; a `reducednet.experiments.executors.Processes` continues with new ones.
    samples : int, optional
        How many samples of a target to take: by default 200 equispaced ones for one input, else 500
        uniform ones.
    test_points : int
        How many test points of a target to take: equispaced for one input, else uniform.
    test : pair of arrays (X, y), optional
        Test data for samples; by default a fifth of the samples is held out, drawn from the seed.
    domain : Domain, optional
        The domain of the reduced networks: by default the target's box, or the smallest box around
        all inputs.
    output_bias : bool
    activation : "relu" or "binary"
    n_steps : int, optional
        For methods that do not set their own.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of runs. If it raises, a RuntimeWarning
        says so and the study continues without it.
    save : path, optional
        A .npz file for the study. It is written whole after each long run, for short runs about
        every second, and in the end. A file that is there already is only replaced if `resume` has
        all its runs.
    resume : path or Study, optional
        A study of the same problem to continue: only the runs that it lacks are made. There may be
        more starts or other methods. Given a path, `save` is this file unless it is given too; if
        both are the same file, it need not exist yet.

    Returns
    -------
    Study
        Lost runs are left out: ``message`` then says "unfinished", and ``missing`` lists them. The
        methods asked for come first, then those that only `resume` has.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or if every run failed or was lost; a single run that fails is
        recorded as failed. If the study of `resume` is of another problem (see `Study.merge`).
    OSError
        If the file of `resume` cannot be opened, or no file can be written beside `save`. Later
        errors of writing are RuntimeWarnings, and the study continues.
    KeyboardInterrupt
        If it comes before the first run is finished. After that, the study ends with the finished
        runs, and its ``message`` says so.

    Notes
    -----
    A study that was killed and resumed, however often, has the table of one that was not, bit for
    bit (except for the seconds). A run that failed is a result, and not made again.

    All executors give the same results bit for bit (except for the seconds) if all workers have the
    same libraries and processor, and as many BLAS threads as this process: set
    ``OMP_NUM_THREADS=1`` (or what your BLAS reads) before starting, which is also fastest.

    References
    ----------
    THEORY, section 8. [QZX]

    Examples
    --------
    >>> study = compare("sin4pi", (1, 8, 1), starts=3, methods=("standard", "ball"), n_steps=20)
    >>> [(row["method"], row["runs"]) for row in study.table()]
    [('standard', 3), ('ball', 3)]
    """
    chosen, root = _methods(methods), _seed(rng)
    if progress is not None and not callable(progress):
        raise TypeError(message("progress", "a function of (done, total)", type(progress).__name__))
    which = _starts(starts)
    layout = layer_sizes(sizes), flag(output_bias, "output_bias"), activation_named(activation).name
    steps = None if n_steps is None else integer(n_steps, "n_steps", 1)
    name, data = _data(target, layout[0], samples, test_points, test, np.random.default_rng(root))
    problem = Problem(*layout, _domain(target, domain, data), *data, steps)
    seeds = root.spawn(which.stop)  # start k has the same seed in every part of a study
    study = Study(
        name, layout[0], len(data[0]), len(data[2]), _seed_text(root), which.stop, chosen, (),
        problem=_settings(problem, seeds[0]))
    path, study = resumed(study, save, resume)
    if path is not None:
        choice(type(problem.domain).__name__, "domain", DOMAINS)  # what a file can hold
    made = {(run.label, run.start) for run in study.runs}
    tasks = [Task(method, start, seeds[start]) for start in which for method in chosen
             if (method.label, start) not in made]
    saver = None if path is None else Saver(path, study)
    runs, ending = _collect(problem, tasks, list(study.runs), executor, progress, saver)
    if ending == "finished":
        ending = completeness(len(runs), study.starts * len(study.methods))
    study = replace(study, runs=in_order(runs, study.methods), message=ending)
    if saver is not None:
        saver.save(study.runs, ending)
    return study


def _methods(methods: Any) -> tuple[Method, ...]:
    """Return the methods that were given by name or as a `Method`, with their labels checked."""
    if isinstance(methods, (str, Method)):
        methods = [methods]
    instance(methods, "methods", Iterable, "a list of names or Methods")
    chosen = tuple(
        method if isinstance(method, Method) else method_named(method) for method in methods)
    labels = [method.label for method in chosen]
    if not chosen or len(set(labels)) != len(labels):
        expected = "a list of at least one method, with different labels"
        raise ValueError(message("methods", expected, labels))
    return chosen


def _seed(rng: RandomLike) -> np.random.SeedSequence:
    """Return a new SeedSequence, so that spawning does not change the argument."""
    drawn = generator(rng)
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence(drawn.integers(2**32, size=4).tolist())
    seed = drawn.bit_generator.seed_seq
    assert isinstance(seed, np.random.SeedSequence)
    return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size,
                                  n_children_spawned=seed.n_children_spawned)


def _seed_text(root: np.random.SeedSequence) -> str:
    """Return a seed as a NumPy expression."""
    key = f", spawn_key={root.spawn_key}" if root.spawn_key else ""
    return f"SeedSequence({root.entropy}{key})"


def _starts(starts: Any) -> range:
    """Return the numbers of the starts to make, of which the first is at least 0."""
    if not isinstance(starts, range):
        return range(integer(starts, "starts", 1))
    if not starts or starts.start < 0 or starts.step < 0:
        expected = "a number of starts, or an increasing range that is not empty, from 0 or later"
        raise ValueError(message("starts", expected, starts))
    return starts


def _settings(problem: Problem, first: np.random.SeedSequence) -> dict[str, Any]:
    """Return what decides every run, as JSON can hold it; see `Study.problem`."""
    domain = problem.domain
    return {
        "output_bias": problem.output_bias, "activation": problem.activation,
        "n_steps": problem.n_steps,
        "domain": f"{type(domain).__name__} {digest(*domain.to_arrays().values())}",
        "samples": digest(problem.X, problem.y), "test": digest(problem.X_test, problem.y_test),
        "first_seed": digest(first.generate_state(8)),
    }


# the data


def _data(
    target: Any, sizes: tuple[int, ...], n: int | None, test_points: int, test: Any,
    rng: np.random.Generator,
) -> tuple[str, tuple[Array, Array, Array, Array]]:
    """Return the name of the target or of samples, and (X, y, X_test, y_test)."""
    if isinstance(target, str):
        target = target_named(target)
    if isinstance(target, Target):
        if test is not None:
            expected = "None for a target, which makes its own"
            raise ValueError(message("test", expected, type(test).__name__))
        return target.name, _sampled(target, sizes, n, integer(test_points, "test_points", 2), rng)
    if n is not None:
        raise ValueError(message("samples", "None where the target is a pair (X, y)", n))
    X, y = _pair(target, "target", sizes)
    if test is not None:
        return "data", (X, y, *_pair(test, "test", sizes))
    if len(X) < 2:
        expected = "at least two samples, one of them for the test"
        raise ValueError(message("target", expected, len(X)))
    order, n_test = rng.permutation(len(X)), max(len(X) // 5, 1)
    held_out, kept = order[:n_test], order[n_test:]
    return "data", (X[kept], y[kept], X[held_out], y[held_out])


def _sampled(
    target: Target, sizes: tuple[int, ...], n: int | None, test_points: int,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array, Array]:
    """Return (X, y, X_test, y_test) of a target."""
    if (sizes[0], sizes[-1]) != (target.n_inputs, 1):
        expected = f"({target.n_inputs}, ..., 1), the inputs and the output of {target.name}"
        raise ValueError(message("sizes", expected, sizes))
    if target.n_inputs == 1:
        X = target.grid(integer(200 if n is None else n, "samples", 2))
        X_test = target.grid(test_points)
    else:
        X = target.sample(integer(500 if n is None else n, "samples", 2), rng)
        X_test = target.sample(test_points, rng)
    return X, target(X)[:, np.newaxis], X_test, target(X_test)[:, np.newaxis]


def _pair(value: Any, name: str, sizes: tuple[int, ...]) -> tuple[Array, Array]:
    """Check a pair (X, y) and return it as arrays."""
    expected = "a Target, a target's name or a pair (X, y)" if name == "target" else "a pair (X, y)"
    if len(instance(value, name, (tuple, list), expected)) != 2:
        raise ValueError(message(name, expected, f"{len(value)} entries"))
    X = samples(value[0], sizes[0], f"{name}[0]")
    return X, responses(value[1], len(X), sizes[-1], f"{name}[1]")


def _domain(target: Any, domain: Domain | None, data: tuple[Array, Array, Array, Array]) -> Domain:
    """Return the domain given, which must contain all inputs, or the default one."""
    X, _, X_test, _ = data
    if domain is None:
        if isinstance(target, str):
            target = target_named(target)
        if isinstance(target, Target):
            return Box(target.low, target.high)
        both = np.vstack([X, X_test])
        return Box(both.min(axis=0), both.max(axis=0))
    instance(domain, "domain", Domain, "a Box, Ball or Hull")
    same_inputs(X.shape[1], domain.n_inputs)
    for what, inputs in ("the samples", X), ("the test samples", X_test):
        outside = int((~domain.contains(inputs)).sum())
        if outside:
            got = f"{domain!r} with {outside} of {len(inputs)} outside"
            raise ValueError(message("domain", f"one that contains {what}", got))
    return domain


# the runs


def _collect(
    problem: Problem, tasks: list[Task], runs: list[Run], executor: Any,
    progress: Callable[[int, int], object] | None, saver: Saver | None,
) -> tuple[list[Run], str]:
    """Return the known `runs` and those of the tasks, in any order, and how the study ended."""
    lost: list[executors.Lost] = []
    n_known = len(runs)
    ending, total = "finished", n_known + len(tasks)
    try:
        largest = executors.LARGEST_BATCH if saver is None else 1  # so that each run is saved soon
        results = executors.results(partial(work, problem), tasks, executor, lost, largest)
        for finished, interrupted in results:
            runs += finished
            if saver is not None:
                saver.save_if_due(runs, finished, f"unfinished: {len(runs)} of {total} runs so far")
            if interrupted:
                raise KeyboardInterrupt
            if progress is not None and finished:
                progress = executors.report_progress(progress, len(runs), total, stacklevel=4)
    except KeyboardInterrupt:
        if not runs:
            raise
        ending = f"interrupted after {len(runs)} of {total} runs"
    except executors.ExecutorFailed as failure:
        assert isinstance(failure.__cause__, Exception)
        if not runs:
            raise failure.__cause__ from None
        ending = _unfinished(total - len(runs), total, failure.__cause__)
    if ending == "finished":
        if lost:
            ending = _unfinished(len(lost), total, lost[0].error)
        _check_complete(runs[n_known:], [task for task, _ in lost], tasks)
    if not runs:
        raise ValueError(f"no run is left, {ending}")
    if all(run.failed for run in runs):
        raise ValueError(f"every run failed, the first, {runs[0].label!r}, with {runs[0].message}")
    return runs, ending


def _unfinished(n_lost: int, total: int, error: Exception) -> str:
    """Return the message of a study whose executor lost runs."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"unfinished: the executor lost {n_lost} of {total} runs with {reason}"


def _check_complete(runs: list[Run], lost: list[Task], tasks: list[Task]) -> None:
    """Raise if the executor did not return each result, or report it lost, exactly once."""
    back = [(run.start, run.label) for run in runs]
    back += [(task.start, task.method.label) for task in lost]
    if sorted(back) != sorted((task.start, task.method.label) for task in tasks):
        expected = "one that gives the result of every batch once"
        raise ValueError(message("executor", expected, f"{len(runs)} results of {len(tasks)} runs"))


def work(problem: Problem, tasks: Sequence[Task]) -> tuple[list[Run], bool]:
    """Make runs; return those that finished, and True if an interrupt ended the work."""
    runs: list[Run] = []
    try:
        for task in tasks:
            runs.append(_run(problem, task))
    except KeyboardInterrupt:
        return runs, True
    return runs, False


def _run(problem: Problem, task: Task) -> Run:
    """Make one run and return its record, also if it failed."""
    began, label = time.thread_time(), task.method.label
    try:
        result = _trained(problem, task.method, np.random.default_rng(task.seed))
        error = float(np.mean(((result.network(problem.X_test) - problem.y_test) ** 2).sum(axis=1)))
    except Exception as exception:  # of any kind: it is recorded, and the other runs continue
        return Run.failure(label, task.start, exception, time.thread_time() - began)
    history = result.history
    # the step whose network was returned: that of the least loss, of held-out samples if there are
    losses = history.get("validation_loss", history["loss"])
    best = int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))
    return Run(
        label, task.start, float(history["loss"][0]), float(history["loss"][best]), error,
        time.thread_time() - began, int(history["step"][-1]), bool(result.converged),
        result.message, int(history["dead"][best]), int(history["always_on"][best]),
        result.network,
    )


def _trained(problem: Problem, method: Method, rng: np.random.Generator) -> TrainingResult:
    """Draw the start, map it into the method's space and train, all with one generator."""
    network = start_network(problem, method.start, rng)
    if method.space == "reduced":
        network = reduce(network, problem.domain, method.bound, method.spare, rng=rng)
    n_steps = problem.n_steps if method.n_steps is None else method.n_steps
    options = {"rng": rng, "n_steps": n_steps, **method.options}
    result = train(network, problem.X, problem.y, method.optimiser, **options)
    if result.message == "interrupted":
        raise KeyboardInterrupt
    return result


def start_network(problem: Problem, start: str, rng: np.random.Generator) -> Network:
    """Draw the function of a start as a standard network."""
    sizes, domain = problem.sizes, problem.domain
    bias, kind = problem.output_bias, problem.activation
    if start == "natural":
        drawn = ReducedNetwork.random(sizes, domain, rng, output_bias=bias, activation=kind)
    elif start == "placed":
        drawn = start_networks.data_placed(
            sizes, domain, problem.X, rng, output_bias=bias, activation=kind)
    elif start == "greedy":
        drawn = start_networks.greedy(sizes, domain, problem.X, problem.y, rng, output_bias=bias)
    else:
        return Network.random(sizes, rng, scheme=start, output_bias=bias, activation=kind)
    return Network(drawn.weights, drawn.thresholds, drawn.output_weights, drawn.output_bias, kind)
