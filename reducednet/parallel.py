"""Work spread over an executor in batches: processes, threads, clusters, or any function like `map`."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed, wait
from typing import Any

from ._validation import instance, message

BATCHES_PER_WORKER = 8
LARGEST_BATCH = 4
"""So that little is lost where the work is interrupted."""
GRACE = 1.0
"""Seconds in which interrupted workers may still hand in what they have finished."""

Batch = Sequence[Any]
Work = Callable[[Batch], tuple[list[Any], bool]]
Results = Iterator[tuple[list[Any], bool]]


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


def results(
    work: Work, units: Batch, executor: Any, failed: Callable[[Any, Exception], Any]
) -> Results:
    """Yield ``(results, interrupted)`` of each batch, as they come; closing it cancels what has not begun.

    Parameters
    ----------
    work : callable
        From a batch to a list of results, and whether it was interrupted; picklable where the
        executor pickles.
    units : list
    executor : None, Executor or callable
        None: here, one after the other. A callable is one like `map`; its results may come in any order.
    failed : callable
        From a unit and an exception to its result, where an executor loses a batch.

    Raises
    ------
    TypeError
        If the executor is none.
    """
    if executor is None:
        return map(work, batches(units, None))
    if isinstance(executor, Executor):
        return _submitted(work, batches(units, executor), executor, failed)
    if callable(executor):
        return _mapped(executor(work, batches(units, executor)))
    expected = "None, a concurrent.futures.Executor (a dask client has get_executor()) or a callable like map"
    raise TypeError(message("executor", expected, type(executor).__name__))


def _mapped(found: Any) -> Results:
    """Yield what a function like `map` gave, or refuse it."""
    instance(found, "executor", Iterable, "a callable like map, which gives results")
    for result in found:
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], list)):
            raise TypeError(message("executor", "a callable like map, which gives the work's results",
                                    type(result).__name__))
        yield result


def _submitted(
    work: Work, parts: list[Batch], executor: Executor, failed: Callable[[Any, Exception], Any]
) -> Results:
    pending: dict[Future[tuple[list[Any], bool]], Batch] = {executor.submit(work, part): part for part in parts}
    try:
        for future in as_completed(list(pending)):
            yield _taken(future, pending.pop(future), failed)
    except KeyboardInterrupt:
        running = [future for future in pending if not future.cancel()]
        for future in wait(running, GRACE).done:
            yield _taken(future, pending.pop(future), failed)
        raise
    finally:
        for future in pending:
            future.cancel()


def _taken(
    future: Future[tuple[list[Any], bool]], part: Batch, failed: Callable[[Any, Exception], Any]
) -> tuple[list[Any], bool]:
    """Return a batch's results; one that the executor lost, say with a worker, is failed results."""
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, Exception):
        return [], True
    return [failed(unit, error) for unit in part], False
