"""Work spread over an executor in batches: processes, threads, clusters, any function like `map`.

An executor may lose work: a worker is killed, and a pool of processes then drops all that it has
not finished. Lost work is tried again, at last one unit after the other, so that a unit that kills
its worker takes no other with it.
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
"""So that little is lost where the work is interrupted."""
GRACE = 1.0
"""Seconds in which interrupted workers may still hand in what they have finished."""
HOPELESS = 3
"""After so many groups in a row of which nothing came back, the rest is not tried."""

Batch = Sequence[Any]
Work = Callable[[Batch], tuple[list[Any], bool]]
Result = tuple[list[Any], bool]
Results = Iterator[Result]


class Lost(NamedTuple):
    """A unit of work that an executor has lost for good, and the error that it gave last."""

    unit: Any
    error: Exception


class ExecutorFailed(Exception):
    """A function like `map` raised; its own error is the cause."""


def batches(units: Batch, executor: Any) -> list[Batch]:
    """Cut units of work, in their order, into batches: single ones for None, else about 8 a worker.

    Examples
    --------
    >>> batches([3, 1, 2], None)
    [[3], [1], [2]]
    """
    size = 1
    if executor is not None:
        share = len(units) // (BATCHES_PER_WORKER * worker_count(executor))
        size = min(max(share, 1), LARGEST_BATCH)
    return [units[i:i + size] for i in range(0, len(units), size)]


def worker_count(executor: Any) -> int:
    """Return how many workers an executor has, or else how many processors there are."""
    count = getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else os.cpu_count() or 1


def results(work: Work, units: Batch, executor: Any, lost: list[Lost]) -> Results:
    """Yield ``(results, interrupted)`` of each batch, as they come; closing it cancels what has not begun.

    Parameters
    ----------
    work : callable
        From a batch to a list of results, and whether it was interrupted; picklable where the
        executor pickles.
    units : list
    executor : None, Executor or callable
        None: here, one after the other. A callable is one like `map`; its results may come in any order.
    lost : list of Lost
        At the end it has what the executor lost, three times or with its last worker.

    Raises
    ------
    TypeError
        If the executor is none.
    ExecutorFailed
        If a function like `map` raises.
    """
    if executor is None:
        return map(work, batches(units, None))
    if isinstance(executor, Executor):
        return _submitted(work, units, executor, lost)
    if callable(executor):
        return _mapped(executor, work, batches(units, executor))
    expected = "None, a concurrent.futures.Executor (a dask client has get_executor()) or a callable like map"
    raise TypeError(message("executor", expected, type(executor).__name__))


def _mapped(like_map: Callable[..., Any], work: Work, parts: list[Batch]) -> Results:
    """Yield what a function like `map` gives, or refuse it."""
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


def _submitted(work: Work, units: Batch, executor: Executor, lost: list[Lost]) -> Results:
    """Submit all batches at once, what is lost again a unit a worker, and the rest one by one."""
    left = yield from _attempt(work, batches(units, executor), len(units), executor)
    for at_once in (worker_count(executor), 1):
        left = yield from _attempt(work, [[unit] for unit, _ in left], at_once, executor)
    lost += left


def _attempt(
    work: Work, parts: Sequence[Batch], at_once: int, executor: Executor
) -> Generator[Result, None, list[Lost]]:
    """Submit batches, so many at once, yield their results and return what was lost."""
    lost: list[Lost] = []
    barren = 0
    for first in range(0, len(parts), at_once):
        if barren == HOPELESS:
            error = lost[-1].error
            return lost + [Lost(unit, error) for part in parts[first:] for unit in part]
        before, group = len(lost), parts[first:first + at_once]
        pending: dict[Future[Result], Batch] = {}
        try:
            for part in group:
                try:
                    pending[executor.submit(work, part)] = part
                except Exception as error:  # a broken executor takes no more work
                    lost += [Lost(unit, error) for unit in part]
            for future in as_completed(list(pending)):
                yield _taken(future, pending.pop(future), lost)
        except KeyboardInterrupt:
            running = [future for future in pending if not future.cancel()]
            for future in wait(running, GRACE).done:
                yield _taken(future, pending.pop(future), lost)
            raise
        finally:
            for future in pending:
                future.cancel()
        barren = barren + 1 if len(lost) - before == sum(map(len, group)) else 0
    return lost


def _taken(future: Future[Result], part: Batch, lost: list[Lost]) -> Result:
    """Return a batch's results, none where the executor has lost it, say with a worker."""
    try:
        return future.result()
    except Exception as error:
        lost += [Lost(unit, error) for unit in part]
        return [], False
    except BaseException:  # an interrupted worker
        return [], True


class Processes(Executor):
    """A pool of processes that is made anew after one of them was killed, for the next work.

    Parameters
    ----------
    max_workers : int
    options
        Of `ProcessPoolExecutor`.
    """

    def __init__(self, max_workers: int, **options: Any) -> None:
        self._max_workers, self._options = max_workers, options
        self._pool = self._new()

    def _new(self) -> Executor:
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(self._max_workers, **self._options)

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Submit work, to new processes where the old ones are gone."""
        try:
            return self._pool.submit(work, *arguments, **options)
        except BrokenExecutor:
            self._pool.shutdown(wait=True)
            self._pool = self._new()
            return self._pool.submit(work, *arguments, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def told(
    progress: Callable[[int, int], object], done: int, total: int, stacklevel: int
) -> Callable[[int, int], object] | None:
    """Call a progress function and return it; one that raises is a warning and is called no more.

    The work that it reports on is worth more than the report.
    """
    try:
        progress(done, total)
    except Exception as error:
        text = f"`progress` raised {type(error).__name__}: {error}; the work goes on without it"
        warnings.warn(text, RuntimeWarning, stacklevel=stacklevel)
        return None
    return progress
