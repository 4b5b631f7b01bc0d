"""Save a growing study, and resume it: a killed process loses little, and saving costs little.

A file is written whole beside its place and then renamed, so that at any moment there is one
complete file. It grows with the study: one file per run would write O(n^2) bytes.
"""
from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..files.archives import checked_path
from .merging import in_order, same_run
from .methods import Run
from .study import Study

INTERVAL = 1.0
"""Short runs are written together, after this many seconds."""
SHARE = 0.03
"""The part of the time that may be spent on writing. A file may take longer than expected: a tenth of
the time is the most that saving may cost."""


def resumed(study: Study, save: Any, resume: Any) -> tuple[str | None, Study]:
    """Return the path to save to, and the study with the runs of `resume`.

    Parameters
    ----------
    study : Study
        The study that is asked for, without runs.
    save, resume
        As for `compare`.

    Raises
    ------
    TypeError, ValueError
        If they are no such arguments, if `resume` is no study of the same problem, or if the file
        `save` has anything but runs of `resume`.
    OSError
        If `resume` cannot be read, or no file can be written beside `save`.
    """
    path = None if save is None else _checked(save, "save")
    if isinstance(resume, Study) or resume is None:
        known = resume
    else:
        source = _checked(resume, "resume")
        begins = save is not None and _same_file(path, source) and not os.path.exists(source)
        known = None if begins else Study.load(source)
        path = source if path is None else path
    if known is not None:
        study = study.merge(known, "resume")
    if path is not None:
        _check_folder(path)
        _check_nothing_is_lost(path, study.runs)
    return path, study


def _checked(path: Any, argument: str) -> str:
    """Return the path as text; an error names the argument."""
    try:
        return checked_path(path, [".npz"])[0]
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("`path`", f"`{argument}`")) from None


def _same_file(one: Any, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _check_folder(path: str) -> None:
    """Raise OSError if no file can be made beside the path; only trying shows it."""
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(path))):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _check_nothing_is_lost(path: str, runs: Sequence[Run]) -> None:
    """Raise ValueError if there is a file with anything but these runs."""
    if not os.path.exists(path):
        return
    try:
        there = Study.load(path).runs
    except ValueError as error:
        raise ValueError(f"`save` must be a new file, or a study: {error}") from None
    known = {(run.label, run.start): run for run in runs}
    others = [run for run in there
              if (run.label, run.start) not in known or not same_run(known[run.label, run.start], run)]
    if others:
        raise ValueError(
            f"`save` must be a new file, or one that `resume` continues: the {len(others)} runs in "
            f"{path} would be lost")


class Saver:
    """Write a study when it is time: after its first run, after each long one, else once a second.

    Writing takes about `SHARE` of the time since the beginning at most; a file is expected to take
    ``fixed + per_run * n_runs`` seconds, estimated from the files before. What prevents it, such as
    a full disk, becomes a RuntimeWarning: the study continues, and the next file may succeed.

    Parameters
    ----------
    path : str
    study : Study
        The study that grows.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self, path: str, study: Study, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._study, self._clock = path, study, clock
        self._began = self._last = clock()
        self._spent = self._per_run = self._longest_unsaved = 0.0
        self._fixed = np.inf
        self._state_of_file = _state_of_file(path)

    def save_if_due(self, runs: Sequence[Run], new: Sequence[Run], message: str) -> None:
        """Write all runs if it is time; `new` are those that came since the last call."""
        self._longest_unsaved = max([self._longest_unsaved, *(run.seconds for run in new)])
        if self._is_worth_it() and self._is_affordable(len(runs)):
            self.save(runs, message, stacklevel=5)

    def _is_worth_it(self) -> bool:
        """Return True if the file lacks a long run or is a second old, or if there is none yet."""
        unsaved = max(self._longest_unsaved, self._clock() - self._last)
        return self._spent == 0.0 or unsaved >= INTERVAL

    def _is_affordable(self, n_runs: int) -> bool:
        """Return True if the share holds after one more file; the first is always written."""
        if self._spent == 0.0:
            return True
        elapsed, expected = self._clock() - self._began, self._fixed + self._per_run * n_runs
        return self._spent + expected <= SHARE * (elapsed + expected)

    def save(self, runs: Sequence[Run], message: str, stacklevel: int = 3) -> None:
        """Write all runs now, unless all of them failed: without a network there is no file."""
        if all(run.failed for run in runs):
            return
        began = self._clock()
        try:
            self._write(runs, message)
        except (OSError, ValueError) as error:
            text = f"the study could not be saved: {error}; it continues without"
            warnings.warn(text, RuntimeWarning, stacklevel=stacklevel)
        self._last, self._longest_unsaved = self._clock(), 0.0
        took = self._last - began
        self._spent += took
        self._fixed = min(self._fixed, took)  # the first file has few runs
        self._per_run = (took - self._fixed) / len(runs)

    def _write(self, runs: Sequence[Run], message: str) -> None:
        """Replace the file, unless another process has meanwhile written other runs there."""
        if _state_of_file(self._path) != self._state_of_file:
            _check_nothing_is_lost(self._path, runs)
        runs = in_order(runs, self._study.methods)
        replace(self._study, runs=runs, message=message).save(self._path)
        self._state_of_file = _state_of_file(self._path)


def _state_of_file(path: str) -> tuple[int, int, int] | None:
    """Return what changes when another process replaces the file; None without a file."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size
