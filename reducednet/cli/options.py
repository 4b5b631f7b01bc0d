"""Define options that several commands share, and turn their values into networks and domains."""
from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .. import Box
from .._validation import Array, real_array
from ..domains import Domain
from ..files.archives import naming
from ..files.nnet import ADVICE
from ..files.onnx import read_onnx
from ..files.onnx_graph import OnnxContent

TERMS = {
    "low": "LOW of `--box`", "high": "HIGH of `--box`", "f": "A", "g": "B", "eps": "`--eps`",
    "delta": "`--delta`", "semantics": "`--semantics`",
    "time_limit": "`--time-limit`", "tolerance": "`--tolerance`", "target": "TARGET", "methods": "`--methods`",
    "optimiser": "the optimiser in `--methods`", "sizes": "`--neurons`",
    "save": "`--save`", "resume": "`--resume`",
}
"""The names of the library's arguments on the command line, apart from the domain."""

SAMPLE_ENDINGS = (".npy", ".csv", ".txt")


def in_terms_of_options(text: str, options: argparse.Namespace) -> str:
    """Return an error message with the names of options in place of those of arguments.

    A message that begins with the name of a file is about the content of that file, and stays.

    Examples
    --------
    >>> in_terms_of_options("`low` must be at most `high`", argparse.Namespace())
    'LOW of `--box` must be at most HIGH of `--box`'
    >>> in_terms_of_options("net.nnet: `low` must be finite", argparse.Namespace())
    'net.nnet: `low` must be finite'
    """
    if not text.startswith("`"):
        return text
    domains = {"domain": f"`--{name}`" for name in ("box", "domain") if getattr(options, name, None) is not None}
    terms = TERMS | domains
    return re.sub(r"`(\w+)(\[\d+\])?`", lambda found: terms.get(found[1], found[0]), text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")


def add_domain(parser: argparse.ArgumentParser) -> None:
    """Add `--box LOW HIGH` and `--domain FILE`, of which at most one may be given."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--box", nargs=2, metavar=("LOW", "HIGH"),
                       help="the inputs: two numbers, or two lists with commas, a number per input")
    group.add_argument("--domain", type=Path, metavar="FILE",
                       help="a file that declares the inputs: a box (.nnet, .vnnlib), a reduced "
                       "network (.npz) with its domain, or samples, a row each (.npy, .csv, .txt), "
                       "with the box around them (default: what the network's own file declares)")
    parser._negative_number_matcher = re.compile(r"^-(\.?\d|inf|nan).*$")  # -1e3 and -1,0 are values


def add_until(parser: argparse.ArgumentParser) -> None:
    """Add `--until logits`."""
    parser.add_argument("--until", choices=("logits",),
                        help="end the network of a .onnx file before a last Softmax, Sigmoid, ArgMax or the "
                        "like, and say what was left off (default: refuse these, which are no ReLUs)")


def add_sign_bounds(parser: argparse.ArgumentParser) -> None:
    """Add `--bounds` and `--time-limit`: how signs of neurons are found, and for how long."""
    parser.add_argument("--bounds", choices=("linear", "lp", "milp"), default="linear",
                        help="how signs of neurons are found: by linear bounds (default); by "
                        "linear programs, which find more and take longer; or by branching as well")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS",
                        help="when no further linear program is started (default 60)")


def at_least(minimum: int) -> Callable[[str], int]:
    """Return the type of an option that is an integer of at least `minimum`."""
    def integer(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, got {text}")
        return int(text)

    return integer


def box_of(bounds: Sequence[str], n_inputs: int) -> Box:
    """Return the Box of the two `--box` values: numbers, or lists with commas.

    Examples
    --------
    >>> box_of(["-1", "1,2"], 2)
    Box([-1, -1], [1, 2])
    """
    try:
        low, high = ([float(part) for part in bound.split(",")] for bound in bounds)
    except ValueError:
        got = " ".join(bounds)
        raise ValueError(f"`--box` must be numbers, or lists of numbers with commas, got {got}") from None
    low, high = (bound * n_inputs if len(bound) == 1 else bound for bound in (low, high))
    return Box(low, high)


def read_file(path: Path, physical: bool = False, until: str | None = None) -> Any:
    """Return the network, training result or study of a file; `until` is for .onnx files alone."""
    from .. import Study, load

    try:
        return load(path, physical, True, until if _is_onnx(path) else None)
    except ValueError as error:
        if path.suffix.lower() == ".npz" and not physical:
            with suppress(ValueError):
                return Study.load(path)
        raise error


def _is_onnx(path: Path) -> bool:
    return path.suffix.lower() == ".onnx"


def read_network(path: Path, physical: bool = False, until: str | None = None) -> Any:
    """Return the network of a file; raise ValueError if the file holds something else."""
    from .. import Network

    content = read_file(path, physical, until)
    if not isinstance(content, Network):
        raise ValueError(f"{path} must hold a network, got a {type(content).__name__}")
    return content


def onnx_content(path: Path, until: str | None) -> OnnxContent | None:
    """Return all that a .onnx file holds besides the network; None for another file."""
    if not _is_onnx(path):
        return None
    with naming(str(path)):
        return read_onnx(str(path), until)


def left_off(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return the operators that `--until` leaves off, by file; nothing without that option."""
    if getattr(options, "until", None) is None:
        return {}
    paths = [vars(options)[name] for name in ("file", "first", "second") if name in options]
    contents = {str(path): onnx_content(path, options.until) for path in paths if path is not None}
    return {name: list(content.left_off) for name, content in contents.items() if content is not None}


def read_domain(path: Path) -> Domain:
    """Return the domain that a file declares, or the box around its samples."""
    from .. import ReducedNetwork, load_box
    from ..files.save_load import BOX_ENDINGS

    ending = path.suffix.lower()
    if ending in SAMPLE_ENDINGS:
        return box_around(path)
    if ending in BOX_ENDINGS:
        return load_box(path)
    if ending != ".npz":
        endings = " or ".join([*BOX_ENDINGS, ".npz", *SAMPLE_ENDINGS])
        raise ValueError(f"`--domain` must be a {endings} file, got {path}")
    network = read_network(path)
    if not isinstance(network, ReducedNetwork):
        raise ValueError(f"{path}: a Network declares no domain, only a ReducedNetwork does")
    return network.domain


def domain_of(options: argparse.Namespace, *files: tuple[Any, Path]) -> Domain:
    """Return the domain of `--box` or `--domain`, or else what the networks' files declare."""
    asked = asked_domain(options, files[0][0])
    if asked is not None:
        return asked
    try:
        return declared_domain(*files)
    except ValueError as error:
        raise ValueError(f"`--box` must be given, or `--domain`: {error}") from error


def asked_domain(options: argparse.Namespace, network: Any) -> Domain | None:
    """Return the domain of `--box` or `--domain`, checked for the network; None without them."""
    from ..networks.network import check_domain

    if options.box is not None:
        return check_domain(network, box_of(options.box, network.n_inputs))
    return None if options.domain is None else check_domain(network, read_domain(options.domain))


def declared_domain(*files: tuple[Any, Path]) -> Domain:
    """Return the domain of the first reduced network, or else the first box of a .nnet file."""
    from .. import ReducedNetwork, load_box

    for network, _ in files:
        if isinstance(network, ReducedNetwork):
            return network.domain
    reasons = []
    for _, path in files:
        try:
            if path.suffix.lower() == ".nnet":
                return load_box(path)
        except ValueError as error:
            reasons.append(str(error).removesuffix(ADVICE))
    names = " or ".join(dict.fromkeys(str(path) for _, path in files))
    raise ValueError("; ".join(dict.fromkeys(reasons)) or f"no domain is declared by {names}")


def box_around(path: Path) -> Box:
    """Return the smallest box around the samples of a file; see `read_samples`.

    Raises
    ------
    ValueError
        As for `read_samples`, or if all samples are equal. The message names the file.
    OSError
        If the file cannot be read.
    """
    with naming(str(path)):
        samples = _samples(path)
        return Box(samples.min(axis=0), samples.max(axis=0))


def read_samples(path: Path) -> Array:
    """Return the samples of a .npy, .csv (commas) or .txt (blanks) file, one per row.

    Each row is a sample; a first row without any number holds names. Each entry of a vector is a
    sample of one input.

    Raises
    ------
    ValueError
        If the file is not such a file. The message names the file.
    OSError
        If the file cannot be read.
    """
    with naming(str(path)):
        return _samples(path)


def _samples(path: Path) -> Array:
    if path.suffix.lower() not in SAMPLE_ENDINGS:
        raise ValueError(f"samples are read from a {' or '.join(SAMPLE_ENDINGS)} file")
    return real_array(_numbers(path), "samples", ("n_samples", "n_inputs"))


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
