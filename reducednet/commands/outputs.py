"""Where a command writes besides its answer: folders, figures, a line of progress."""
from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .._validation import Array
from ..networks import Network


def make_folder(folder: Path) -> None:
    """Make the folder, or say before the work begins that nothing can be written there."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise PermissionError(f"`--out` must be a folder to write in, got {folder}")


def check_output(path: Path, endings: Sequence[str], name: str = "--output") -> None:
    """Say before the work begins that a file of this name cannot be written."""
    if path.suffix.lower() not in endings:
        raise ValueError(f"`{name}` must be a {' or '.join(endings)} file, got {path}")
    if path.is_dir():
        raise IsADirectoryError(f"`{name}` must be a file, got the folder {path}")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"`{name}` must be in a folder that exists, got {path}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"`{name}` must be in a folder to write in, got {path}")


def check_format(path: Path, network: Network) -> None:
    """Say before the work begins that a file with this ending cannot hold a network of this kind."""
    from ..files import save

    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / path.name, network)


def save_checked(path: Path, network: Network) -> None:
    """Write a network under another name, read it back, and put it in its place if all numbers are the same.

    Raises
    ------
    ValueError
        If the file cannot hold the network, or does not give it back.
    """
    from ..files import load, save

    target = path.resolve()
    temporary = target.with_name(f".{os.urandom(8).hex()}{path.suffix}")
    try:
        save(temporary, network)
        if not _same_numbers(load(temporary), network):
            raise ValueError(f"{path}: the file does not give the same network back; nothing was written")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _same_numbers(f: Network, g: Network) -> bool:
    """Tell whether the activation and all parameters are the same; no output bias is one of zeros."""
    if (f.activation, f.sizes) != (g.activation, g.sizes):
        return False
    return all(np.array_equal(A, B) for A, B in zip(_arrays(f), _arrays(g)))


def _arrays(network: Network) -> list[Array]:
    bias = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    return [*network.weights, *network.thresholds, network.output_weights, bias]


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
