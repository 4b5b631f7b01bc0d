"""Merge studies of one problem: check that they are, and put their methods and runs together.

Two studies add up if they draw the same functions (the same seed) and train and test them on the
same numbers; these settings are in `Study.problem`. A run that both have must be the same run.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .methods import Method, Run
from .study_file import plain_method

OF_STUDY = ("target", "sizes", "n_samples", "n_test", "seed")
"""Attributes of a study that belong to its problem."""


def digest(*arrays: np.ndarray) -> str:
    """Return a short text that is the same for the same arrays, and practically only for them.

    Examples
    --------
    >>> digest(np.zeros(2)) == digest(np.zeros(2)), digest(np.zeros(2)) == digest(np.zeros((2, 1)))
    (True, False)
    """
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(f"{array.dtype.str} {array.shape} ".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:16]


def check_same_problem(mine: Any, other: Any, name: str) -> None:
    """Raise ValueError if two studies are not of the same problem; `name` is the other's."""
    for part in OF_STUDY:
        _check_equal(part, getattr(mine, part), getattr(other, part), name)
    if not (mine.problem and other.problem):
        raise ValueError(
            f"`{name}` must be a study that says what its problem is; those of version 0.1 do not")
    for part in sorted({*mine.problem, *other.problem}):
        _check_equal(part, mine.problem.get(part), other.problem.get(part), name)


def _check_equal(part: str, mine: Any, other: Any, name: str) -> None:
    if mine != other:
        raise ValueError(
            f"`{name}` must be a study of the same problem, but its {part} is {other}, not {mine}")


def merged_methods(
    mine: Iterable[Method], other: Iterable[Method], name: str
) -> tuple[Method, ...]:
    """Return my methods, then those that only the other study has.

    Raises
    ------
    ValueError
        If methods with the same label differ.
    """
    methods = {method.label: method for method in mine}
    for method in other:
        same = methods.setdefault(method.label, method)
        if _as_text(same) != _as_text(method):
            raise ValueError(
                f"`{name}` must have the same method {method.label!r}, but it is "
                f"{_as_text(method)}, not {_as_text(same)}")
    return tuple(methods.values())


def _as_text(method: Method) -> str:
    """Return a method as JSON, the same before it was saved and after it was loaded."""
    return json.dumps(plain_method(method), sort_keys=True)


def merged_runs(
    mine: Sequence[Run], other: Sequence[Run], methods: Sequence[Method], name: str
) -> tuple[Run, ...]:
    """Return the runs of both studies, each once, by start and then in the order of the methods.

    Raises
    ------
    ValueError
        If a run that both have differs in more than its time.
    """
    runs = {(run.label, run.start): run for run in mine}
    for run in other:
        same = runs.setdefault((run.label, run.start), run)
        if not same_run(same, run):
            raise ValueError(
                f"`{name}` must have the same run of {run.label!r} from start {run.start}, but the "
                f"two differ (test errors {same.test_error!r} and {run.test_error!r}): were they "
                "made with other libraries, another processor or other numbers of threads?")
    return in_order(runs.values(), methods)


def same_run(one: Run, other: Run) -> bool:
    """Return True if two runs are equal bit for bit, apart from their time."""
    return one is other or replace(one, seconds=0.0) == replace(other, seconds=0.0)


def in_order(runs: Iterable[Run], methods: Sequence[Method]) -> tuple[Run, ...]:
    """Return the runs by start, then in the order of the methods."""
    order = {method.label: index for index, method in enumerate(methods)}
    return tuple(sorted(runs, key=lambda run: (run.start, order[run.label])))
