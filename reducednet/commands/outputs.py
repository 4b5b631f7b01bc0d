"""Where a command writes besides its answer: folders, figures, a line of progress."""
from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any


def make_folder(folder: Path) -> None:
    """Make the folder, or say before the work begins that nothing can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"`--out` must be a folder to write in, got {folder}")


def write_figure(figure: Any, path: Path) -> None:
    """Write a PNG beside its place and rename it: never a partial file."""
    handle, temporary = tempfile.mkstemp(suffix=".png", dir=path.parent)
    os.close(handle)
    try:
        figure.savefig(temporary, dpi=150)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def progress(what: str) -> Callable[[int, int], None] | None:
    """Return what writes a progress line, where there is a terminal to read it."""
    return partial(_write_progress, what) if sys.stderr.isatty() else None


def _write_progress(what: str, done: int, total: int) -> None:
    print(f"\r{done} of {total} {what}", end="\n" if done == total else "", file=sys.stderr, flush=True)
