"""Record a study: look up its runs, make its table, save and load it."""
from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._validation import Array, choice, instance, integer, message, number
from ..files.archives import checked_path, naming, write_whole
from ..networks.network import Network
from ..numerics.records import record
from .merging import check_same_problem, merged_methods, merged_runs
from .methods import FAILURE, Method, Run
from .study_file import read_study, study_bytes

RESAMPLES = 2000
"""How many resamples the bootstrap draws."""


@record
@dataclass(frozen=True, eq=False)
class Study:
    """Runs of several methods from the same random starts.

    Attributes
    ----------
    target : str
        The target's name; ``"data"`` if samples were given.
    sizes : tuple of int
    n_samples, n_test : int
    seed : str
        The seed of the starts, as a NumPy expression.
    starts : int
        How many starts were asked for.
    methods : tuple of Method
    runs : tuple of Run
        By start, then in the order of the methods.
    message : str
        ``"finished"`` if no run is missing; ``"part: ..."`` if only a part of the runs was asked
        for, or merged; else that the study was interrupted or is unfinished because runs were lost.
    problem : dict
        The other settings that all runs share; data and domains by digests. Studies with the same
        settings can be merged.

    Examples
    --------
    >>> from reducednet.experiments.compare import compare
    >>> study = compare("sin4pi", (1, 4, 1), starts=2, methods=["support"], n_steps=5)
    >>> study.network("support").sizes, [run.start for run in study.runs]
    ((1, 5, 1), [0, 1])
    """

    target: str
    sizes: tuple[int, ...]
    n_samples: int
    n_test: int
    seed: str
    starts: int
    methods: tuple[Method, ...]
    runs: tuple[Run, ...] = field(repr=False)
    message: str = "finished"
    problem: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        """(label, start) of each run that is missing from an interrupted or unfinished study."""
        made = {(run.label, run.start) for run in self.runs}
        wanted = [(method.label, start) for start in range(self.starts) for method in self.methods]
        return tuple(run for run in wanted if run not in made)

    def errors(self) -> dict[str, Array]:
        """Return the test errors of each method by start: inf if it failed, nan if it is missing.

        The arrays end with the last start that has a run.
        """
        n_starts = max(run.start for run in self.runs) + 1
        errors = {method.label: np.full(n_starts, np.nan) for method in self.methods}
        for run in self.runs:
            errors[run.label][run.start] = run.test_error
        return errors

    def network(self, label: str, start: int | None = None) -> Network:
        """Return the trained network of a method, by default that with the smallest training loss.

        Raises
        ------
        TypeError, ValueError
            If there is no such run, or it failed.
        """
        choice(label, "label", [method.label for method in self.methods])
        start = None if start is None else integer(start, "start", 0)
        found = [run for run in self.runs if run.label == label and start in (None, run.start)]
        best = min(found, key=lambda run: run.train_loss, default=None)
        if best is None or best.network is None:
            reason = "no such run" if best is None else f"it failed with {best.message}"
            expected = f"of a finished run of {label!r}"
            raise ValueError(message("start", expected, f"{start}: {reason}"))
        return best.network

    def table(self, failure: float = FAILURE) -> list[dict[str, Any]]:
        """Return one row per method: the spread of its test errors, also against the first method.

        Parameters
        ----------
        failure : float
            A larger test error counts as a failure.

        Returns
        -------
        list of dict
            ``"method"``, ``"runs"``; ``"median"`` with its bootstrap 95 % interval ``"low"``,
            ``"high"``; ``"lower quartile"``, ``"upper quartile"``, ``"worst"``; ``"failures"``,
            including failed runs; ``"seconds"``, the mean; ``"ratio"``, the first method's median
            divided by this one's; ``"won"``, the share of starts with a smaller error than the
            first method's, a tie counted as half a win. An entry is nan if there is nothing to
            compute it from.

        Notes
        -----
        The error of a failed run is inf. The bootstrap draws 2000 resamples with a fixed seed.
        """
        failure, errors = number(failure, "failure", minimum=0.0), self.errors()
        first = next(iter(errors.values()))
        return [self._row(label, values, first, failure) for label, values in errors.items()]

    def _row(self, label: str, errors: Array, first: Array, failure: float) -> dict[str, Any]:
        """Return the row of one method; `first` are the first method's errors."""
        seconds = [run.seconds for run in self.runs if run.label == label]
        made, reference = errors[~np.isnan(errors)], first[~np.isnan(first)]
        if not len(made):
            names = ("median", "low", "high", "lower quartile", "upper quartile", "worst")
            nothing = dict.fromkeys(names, np.nan)
            return {
                "method": label, "runs": 0, **nothing, "failures": 0, "seconds": np.nan,
                "ratio": np.nan, "won": np.nan,
            }
        lower, median, upper, worst = quantiles(made, [0.25, 0.5, 0.75, 1.0]).tolist()
        low, high = median_interval(made)
        return {
            "method": label, "runs": len(made), "median": median, "low": low, "high": high,
            "lower quartile": lower, "upper quartile": upper, "worst": worst,
            "failures": int((made > failure).sum()), "seconds": float(np.mean(seconds)),
            "ratio": _ratio(reference, median), "won": _share_won(errors, first),
        }

    def merge(self, other: Study, name: str = "other") -> Study:
        """Return a study with the runs of both, which must be of the same problem.

        Runs are numbered by their start, so that parts of a study, made in any order and place, add
        up to the whole: the same table, bit for bit. A run that both have counts once.

        Parameters
        ----------
        other : Study
            May have other methods, which are appended, and other starts.
        name : str
            What messages call the other study.

        Raises
        ------
        TypeError
            If `other` is no Study.
        ValueError
            If it is of another problem or seed, or was saved by version 0.1, which did not record
            the problem; if a method of the same label differs; or if a run that both have is not
            the same, apart from its time.

        Examples
        --------
        >>> from reducednet.experiments.compare import compare
        >>> def part(k):
        ...     return compare("sin4pi", (1, 4, 1), range(k, 4, 2), ["ball"], n_steps=5)
        >>> parts = [part(0), part(1)]
        >>> parts[0].message, parts[0].merge(parts[1]).message
        ('part: 2 of 4 runs', 'finished')
        """
        check_same_problem(self, instance(other, name, Study, "a Study"), name)
        methods = merged_methods(self.methods, other.methods, name)
        runs = merged_runs(self.runs, other.runs, methods, name)
        starts = max(self.starts, other.starts)
        text = completeness(len(runs), starts * len(methods))
        return replace(self, starts=starts, methods=methods, runs=runs, message=text)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the study with its networks to a .npz file, whole or not at all, without pickle.

        Arrays among the options of a method are written as lists, other options that JSON cannot
        hold as their str.

        Raises
        ------
        TypeError, ValueError
            If the path does not end in .npz, or the domain is not one of the library's.
        OSError
            If the file cannot be written.
        """
        name, _ = checked_path(path, [".npz"])
        write_whole(name, study_bytes(vars(self)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Study:
        """Read a study from a file that `save` wrote, bit for bit.

        Raises
        ------
        TypeError, ValueError
            If the path does not end in .npz, or the file is damaged or of another kind.
        OSError
            If the file cannot be opened.
        """
        name, _ = checked_path(path, [".npz"])
        with naming(name):
            return cls(**read_study(name))

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        medians = ", ".join(f"{row['method']} {row['median']:.1e}" for row in self.table())
        return (f"Study({self.target}, {sizes}, {self.starts} starts, {self.message}; "
                f"medians: {medians})")

    def _repr_html_(self) -> str:
        rows = [{key: _cell(value) for key, value in row.items()} for row in self.table()]
        head = "".join(f"<th>{name}</th>" for name in rows[0])
        lines = ["".join(f"<td>{cell}</td>" for cell in row.values()) for row in rows]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        title = html.escape(repr(self))
        return f"<p>{title}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def completeness(n_runs: int, total: int) -> str:
    """Return the message of a study that has all runs that were asked for, of a total.

    Examples
    --------
    >>> completeness(3, 3), completeness(3, 6)
    ('finished', 'part: 3 of 6 runs')
    """
    return "finished" if n_runs == total else f"part: {n_runs} of {total} runs"


def quantiles(values: Array, q: Sequence[float]) -> Array:
    """Return the quantiles along the last axis, linear between order statistics.

    Values may be inf: failed runs count as the worst.

    Examples
    --------
    >>> quantiles(np.array([1.0, 3.0, np.inf]), [0.25, 0.5, 0.75]).tolist()
    [2.0, 3.0, inf]
    """
    ordered = np.sort(values, axis=-1)
    rank = np.asarray(q) * (ordered.shape[-1] - 1)
    low, high = ordered[..., np.floor(rank).astype(int)], ordered[..., np.ceil(rank).astype(int)]
    with np.errstate(invalid="ignore"):  # inf - inf, where low == high is taken
        return np.where(low == high, low, low + (rank - np.floor(rank)) * (high - low))


def median_interval(values: Array) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the median; the seed is fixed."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    medians = quantiles(values[draws], [0.5])[:, 0]
    low, high = quantiles(medians, [0.025, 0.975]).tolist()
    return low, high


def _ratio(reference: Array, median: float) -> float:
    """Return the median of the reference divided by this one, nan without a reference."""
    if not len(reference):
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(quantiles(reference, [0.5])[0] / np.float64(median))


def _share_won(errors: Array, first: Array) -> float:
    """Return the share of common starts with an error below the first method's; a tie is half."""
    pairs = ~np.isnan(errors) & ~np.isnan(first)
    if errors is first or not pairs.any():
        return float("nan")
    return float(np.mean((errors < first)[pairs] + 0.5 * (errors == first)[pairs]))


def _cell(value: Any) -> str:
    """Return a value as a cell of the HTML table; floats have three digits and no minus zero."""
    return f"{value:z.3g}" if isinstance(value, float) else html.escape(str(value))
