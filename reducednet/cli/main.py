"""Run the command line: ``python -m reducednet COMMAND``, one module per command."""
from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import numpy as np

from .. import __version__
from ..files.nnet import ADVICE
from . import completion
from .answers import BAD_CALL, EXIT_CODES, INTERRUPTED, NOT_WRITTEN, Answer
from .options import in_terms_of_options, left_off

NO_ROOM = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO")}
"""Errors of a disk that is full or broken."""

COMMANDS = (
    "demo", "compare", "reduce", "verify", "check", "info", "convert", "compress", "limit",
)
"""Modules with one command each: `add_parser` declares its options, `run` answers it."""


def program() -> int:
    """Run the command line on the process's arguments, with standard output for the answer alone.

    The library of a solver may print lines of its own: they go to standard error. Closed standard
    descriptors are opened on the null device, or else the next file to be opened would get their
    number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system takes the lowest free number
    if sys.stdout is not None:
        old = sys.stdout
        sys.stdout = open(os.dup(1), "w", encoding=old.encoding, errors=old.errors)
        os.dup2(2, 1)
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; unexpected errors are raised.

    0 is done or proved, 1 refuted (only by `verify` and `check`), 2 a bad call, 3 undecided, 5 a study with
    runs missing, 74 an answer that cannot be written, 130 Ctrl-C.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; by default those of the process.

    Examples
    --------
    >>> main(["reduce", "no-such-file.nnet", "-o", "out.npz"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        with np.errstate(all="ignore"):  # overflow is refused or answered, not warned of
            unread = left_off(options)
            answer = options.run(options).with_left_off(unread)
    except KeyboardInterrupt:
        return _interrupted()
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        _complain(f"reducednet: {in_terms_of_options(_sentence(error), options)}")
        return NOT_WRITTEN if isinstance(error, OSError) and error.errno in NO_ROOM else BAD_CALL
    try:
        _print(answer, options.json)
    except OSError as error:
        _complain(f"reducednet: the answer cannot be printed: {_sentence(error)}")
        return NOT_WRITTEN
    return _interrupted() if answer.code == INTERRUPTED else answer.code


def _print(answer: Answer, as_json: bool) -> None:
    """Print the answer, escaping what the terminal cannot show; a closed pipe is not an error."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    encoding = sys.stdout.encoding or "utf-8"
    text = answer.text(as_json).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, flush=True)
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # Python flushes once more when it exits
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise


def _complain(line: str) -> None:
    """Print a line on standard error, if that is possible."""
    with suppress(OSError):
        if sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


def _sentence(error: Exception) -> str:
    """Return the message of an error in one line, without advice that only serves in Python."""
    text = str(error).removesuffix(ADVICE) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return " ".join(text.split())


def _interrupted() -> int:
    _complain("\nreducednet: interrupted")
    return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_CALL, f"{self.prog}: {message} (usage: {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="reducednet", description="ReLU and binary networks in a reduced parameter space.",
                     epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"reducednet {__version__}")
    completion.add_option(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        import_module(f".{command}", __package__).add_parser(commands)
    for command_parser in commands.choices.values():
        command_parser.epilog = EXIT_CODES
    return parser
