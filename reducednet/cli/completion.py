"""Print a script with which a shell completes commands, options and file names (with shtab)."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .._validation import library

SHELLS = ("bash", "zsh", "tcsh")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--print-completion SHELL`, which prints the script and ends the program."""
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, choices=SHELLS, metavar="SHELL",
        help=f"print a completion script for {', '.join(SHELLS)} (needs shtab), and exit")


class _PrintCompletion(argparse.Action):
    """Print the completion script of the parser."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, shell: Any, option: Any = None
    ) -> None:
        try:
            shtab = library("shtab", "`--print-completion`")
        except ImportError as error:
            parser.error(str(error))
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    _complete_paths(command, shtab)
        print(shtab.complete(parser, shell), file=sys.stdout)
        parser.exit()


def _complete_paths(parser: argparse.ArgumentParser, shtab: Any) -> None:
    """Let arguments that are paths be completed to names of files, or of folders for DIR."""
    for action in parser._actions:
        if action.type is Path:
            is_folder = action.metavar == "DIR"
            action.complete = shtab.DIRECTORY if is_folder else shtab.FILE  # type: ignore[attr-defined]
