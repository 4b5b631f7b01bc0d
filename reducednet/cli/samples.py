"""The box around the samples of a file."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .._validation import real_array
from ..domains import Box
from ..files.archives import naming

SAMPLE_ENDINGS = (".npy", ".csv", ".txt")


def box_around(path: Path) -> Box:
    """Return the smallest box around the samples of a .npy, .csv (commas) or .txt (blanks) file.

    A sample a row; a first row without any number holds names. A plain vector is a sample a number.

    Raises
    ------
    ValueError
        If the file is not that, or all samples are one point. The text names the file.
    OSError
        If it cannot be read.
    """
    with naming(str(path)):
        samples = real_array(_numbers(path), "samples", ("n_samples", "n_inputs"))
        return Box(samples.min(axis=0), samples.max(axis=0))


def _numbers(path: Path) -> Any:
    ending = path.suffix.lower()
    if ending == ".npy":
        with open(path, "rb") as binary:
            array = np.lib.format.read_array(binary, allow_pickle=False)
        return array[:, np.newaxis] if array.ndim == 1 else array
    comma = "," if ending == ".csv" else None
    with open(path, encoding="utf-8-sig") as text:
        lines = [line for line in text if line.strip()]
    if lines and not any(map(_is_number, lines[0].split(comma))):
        del lines[0]
    if not lines:
        raise ValueError("there are no samples in the file")
    return np.loadtxt(lines, delimiter=comma, ndmin=2)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
