"""Write what a command produces besides its answer: network files, figures, a line of progress."""
from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import Box, Network
from .._validation import Array
from ..files.archives import checked_path, replacing, write_whole


def make_folder(folder: Path) -> None:
    """Make the folder; raise an error before the work begins if nothing can be written there."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
    _try_to_write(folder, f"`--out` must be a folder to write in, got {folder}")


def check_output(path: Path, endings: Sequence[str], name: str = "--output") -> None:
    """Raise an error before the work begins if a file of this name cannot be written."""
    if path.suffix.lower() not in endings:
        raise ValueError(f"`{name}` must be a {' or '.join(endings)} file, got {path}")
    if path.is_dir():
        raise IsADirectoryError(f"`{name}` must be a file, got the folder {path}")
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"`{name}` must be in a folder that exists, got {path}")
    _try_to_write(folder, f"`{name}` must be in a folder to write in, got {path}")


def _try_to_write(folder: str | Path, text: str) -> None:
    """Make a file without a name: nothing less shows whether a folder can be written to."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PermissionError(f"{text}: {error.strerror}") from error


def check_format(path: Path, network: Network) -> None:
    """Raise an error before the work begins if a file with this ending cannot hold the network."""
    from ..files.save_load import WRITERS

    WRITERS[path.suffix.lower()](network)


def save_checked(path: Path, network: Network, box: Box | None = None) -> None:
    """Write a network, read it back, and keep the file only if all numbers are the same.

    A .nnet file declares the box, if one is given.

    Raises
    ------
    ValueError
        If the file cannot hold the network, or is not read back as the same network.
    """
    from ..files.save_load import ENDINGS, READERS, WRITERS

    name, ending = checked_path(path, ENDINGS)
    extra = {} if box is None or ending != ".nnet" else {"box": box}
    data = WRITERS[ending](network, **extra)
    with replacing(name) as temporary:
        Path(temporary).write_bytes(data)
        if not _same_numbers(READERS[ending](temporary), network):
            raise ValueError(f"{path}: the file does not give the same network back; nothing was written")


def _same_numbers(f: Network, g: Network) -> bool:
    """Return True if activation and parameters are equal; no output bias equals one of zeros."""
    if (f.activation, f.sizes) != (g.activation, g.sizes):
        return False
    return all(np.array_equal(A, B) for A, B in zip(_arrays(f), _arrays(g)))


def _arrays(network: Network) -> list[Array]:
    bias = np.zeros(network.n_outputs) if network.output_bias is None else network.output_bias
    return [*network.weights, *network.thresholds, network.output_weights, bias]


def write_figure(figure: Any, path: Path, description: str = "") -> None:
    """Write a PNG, whole or not at all; the description is kept in the file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Description": description})
    write_whole(str(path), picture.getvalue())


def progress(what: str) -> Callable[[int, int], None] | None:
    """Return a function that writes a line of progress, or None without a terminal."""
    return partial(_write_progress, what) if sys.stderr.isatty() else None


def _write_progress(what: str, done: int, total: int) -> None:
    print(f"\r{done} of {total} {what}", end="\n" if done == total else "", file=sys.stderr, flush=True)
