"""A progress bar: tqdm where it is installed, else a plain line on stderr."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def bar(total: int, show: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that is called with the number of steps done; show nothing unless asked."""
    if not show or sys.stderr is None:
        yield lambda done: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield _plain_line(total)
        _write("\n")
        return
    with tqdm(total=total, unit="step") as shown:
        yield lambda done: shown.update(done - shown.n)


def _plain_line(total: int) -> Callable[[int], None]:
    every = max(total // 100, 1)

    def update(done: int) -> None:
        if done % every == 0 or done == total:
            _write(f"\rstep {done} of at most {total}")

    return update


def _write(text: str) -> None:
    """Write to stderr; a terminal that is gone does not end the run."""
    with suppress(OSError, ValueError):
        print(text, end="", file=sys.stderr, flush=True)
