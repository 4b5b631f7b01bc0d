"""Spread tasks over an executor in batches: processes, threads, clusters, any function like `map`.

An executor may lose tasks: if a worker is killed, a pool of processes drops everything unfinished.
Lost tasks are tried again, in the end one at a time, so that a task that kills its worker takes no
others with it.
"""
from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed, wait
from typing import Any, NamedTuple

from .._validation import instance, message

BATCHES_PER_WORKER = 8
LARGEST_BATCH = 4
"""Small, so that an interrupt loses little."""
GRACE = 1.0
"""For how many seconds interrupted workers may still return what they have finished."""
FRUITLESS_GROUPS = 3
"""After this many groups in a row that returned nothing, the rest is not tried."""

Batch = Sequence[Any]
Work = Callable[[Batch], tuple[list[Any], bool]]
Result = tuple[list[Any], bool]
Results = Iterator[Result]


class Lost(NamedTuple):
    """A task that an executor has lost for good, and its last error."""

    task: Any
    error: Exception


class ExecutorFailed(Exception):
    """A function like `map` raised an error, which is the cause of this one."""


def batches(tasks: Batch, executor: Any, largest: int = LARGEST_BATCH) -> list[Batch]:
    """Divide tasks, in their order, into batches: of one task for None, else about 8 per worker.

    No batch has more than `largest` tasks.

    Examples
    --------
    >>> batches([3, 1, 2], None)
    [[3], [1], [2]]
    """
    size = 1
    if executor is not None:
        share = len(tasks) // (BATCHES_PER_WORKER * worker_count(executor))
        size = min(max(share, 1), largest)
    return [tasks[i:i + size] for i in range(0, len(tasks), size)]


def worker_count(executor: Any) -> int:
    """Return the number of workers of an executor, or of processors if it is unknown."""
    count = getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else os.cpu_count() or 1


def results(
    work: Work, tasks: Batch, executor: Any, lost: list[Lost], largest: int = LARGEST_BATCH
) -> Results:
    """Yield ``(results, interrupted)`` for each batch as it finishes; closing cancels the rest.

    Parameters
    ----------
    work : callable
        Maps a batch to a list of results and whether it was interrupted; must be picklable if the
        executor pickles.
    tasks : list
    executor : None, Executor or callable
        None runs the tasks here, one after the other. A callable must be like `map`, but may return
        its results in any order.
    lost : list of Lost
        Receives the tasks that the executor lost, three times or with its last worker.
    largest : int
        The most tasks in a batch.

    Raises
    ------
    TypeError
        If `executor` is none of these.
    ExecutorFailed
        If a function like `map` raises.
    """
    if executor is None:
        return map(work, batches(tasks, None))
    if isinstance(executor, Executor):
        return _submitted(work, batches(tasks, executor, largest), executor, lost)
    if callable(executor):
        return _mapped(executor, work, batches(tasks, executor, largest))
    expected = "None, a concurrent.futures.Executor (a dask client has get_executor()) or a callable like map"
    raise TypeError(message("executor", expected, type(executor).__name__))


def _mapped(like_map: Callable[..., Any], work: Work, parts: list[Batch]) -> Results:
    """Yield the results of a function like `map`, after a check that they are results."""
    expected = "a callable like map, which gives results"
    found = iter(instance(like_map(work, parts), "executor", Iterable, expected))
    while True:
        try:
            result = next(found)
        except StopIteration:
            return
        except Exception as error:
            raise ExecutorFailed from error
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], list)):
            raise TypeError(message("executor", "a callable like map, which gives the work's results",
                                    type(result).__name__))
        yield result


def _submitted(
    work: Work, parts: list[Batch], executor: Executor, lost: list[Lost]
) -> Results:
    """Submit all batches at once, then lost tasks one per worker, then the rest one by one."""
    left = yield from _attempt(work, parts, max(len(parts), 1), executor)
    for at_once in (worker_count(executor), 1):
        left = yield from _attempt(work, [[task] for task, _ in left], at_once, executor)
    lost += left


def _attempt(
    work: Work, parts: Sequence[Batch], at_once: int, executor: Executor
) -> Generator[Result, None, list[Lost]]:
    """Submit batches in groups of `at_once`, yield their results and return the lost tasks."""
    lost: list[Lost] = []
    fruitless = 0
    for first in range(0, len(parts), at_once):
        if fruitless == FRUITLESS_GROUPS:
            error = lost[-1].error
            return lost + [Lost(task, error) for part in parts[first:] for task in part]
        before, group = len(lost), parts[first:first + at_once]
        pending: dict[Future[Result], Batch] = {}
        try:
            for part in group:
                try:
                    pending[executor.submit(work, part)] = part
                except Exception as error:  # a broken executor accepts no more work
                    lost += [Lost(task, error) for task in part]
            for future in as_completed(list(pending)):
                yield _result_of(future, pending.pop(future), lost)
        except KeyboardInterrupt:
            running = [future for future in pending if not future.cancel()]
            for future in wait(running, GRACE).done:
                yield _result_of(future, pending.pop(future), lost)
            raise
        finally:
            for future in pending:
                future.cancel()
        fruitless = fruitless + 1 if len(lost) - before == sum(map(len, group)) else 0
    return lost


def _result_of(future: Future[Result], part: Batch, lost: list[Lost]) -> Result:
    """Return a batch's results, or none if the executor has lost it."""
    try:
        return future.result()
    except Exception as error:
        lost += [Lost(task, error) for task in part]
        return [], False
    except BaseException:  # an interrupted worker
        return [], True


class Processes(Executor):
    """A pool of processes that is replaced by a new one after a process was killed.

    Parameters
    ----------
    max_workers : int
    options
        Keyword arguments of `ProcessPoolExecutor`.
    """

    def __init__(self, max_workers: int, **options: Any) -> None:
        self._max_workers, self._options = max_workers, options
        self._pool = self._new()

    def _new(self) -> Executor:
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(self._max_workers, **self._options)

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Submit work, to new processes if the old ones are broken."""
        try:
            return self._pool.submit(work, *arguments, **options)
        except BrokenExecutor:
            self._pool.shutdown(wait=True)
            self._pool = self._new()
            return self._pool.submit(work, *arguments, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def report_progress(
    progress: Callable[[int, int], object], done: int, total: int, stacklevel: int
) -> Callable[[int, int], object] | None:
    """Call a progress function and return it, or warn and return None if it raises.

    An error in the report must not end the work that it reports on.
    """
    try:
        progress(done, total)
    except Exception as error:
        text = f"`progress` raised {type(error).__name__}: {error}; the work continues without it"
        warnings.warn(text, RuntimeWarning, stacklevel=stacklevel)
        return None
    return progress
