"""The command line: ``python -m reducednet COMMAND``, with one module a command in `commands`."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .commands import COMMANDS
from .commands.answers import INTERRUPTED, Answer

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for a bad call, 130 for Ctrl-C.

    The command `verify` has 1 and 3 besides: refuted, undecided.

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
        answer = options.run(options)
        _print(answer, options.json)
    except KeyboardInterrupt:
        return _interrupted()
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"reducednet: {_sentence(error)}", file=sys.stderr)
        return USAGE_ERROR
    return _interrupted() if answer.code == INTERRUPTED else answer.code


def _print(answer: Answer, as_json: bool) -> None:
    """Print the answer; a reader who has gone away is no error."""
    try:
        print(answer.text(as_json), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again at its end
        if not isinstance(error, BrokenPipeError):
            raise


def _sentence(error: Exception) -> str:
    """Return an error in one line."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return " ".join(text.split())


def _interrupted() -> int:
    print("\nreducednet: interrupted", file=sys.stderr)
    return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """A parser whose refusals are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (usage: {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="reducednet", description="ReLU and binary networks in a reduced parameter space.")
    parser.add_argument("--version", action="version", version=f"reducednet {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser
