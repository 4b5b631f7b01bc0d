"""Read the box of inputs from a VNN-LIB 1 file, the text format of verification problems.

``(declare-const X_0 Real)`` declares an input, ``(assert (<= X_0 0.5))`` bounds it. Bounds may also
use `>=` or `=`, have the number first, or be joined by `and`. Conditions on outputs Y_0, ... alone
are ignored. ``;`` begins a comment. Files of version 2 are left to `vnnlib_questions`.
"""
from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..domains import Box

MAX_BYTES = 1 << 26
_MAX_TOKENS = 1 << 21
_MAX_DEPTH = 64
_TOKEN = re.compile(r'[()]|"[^"]*"|\|[^|]*\||[^\s();"|]+|\S', re.ASCII)
_VARIABLE = re.compile(r"([XY])_(0|[1-9][0-9]{0,8})")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model", "exit")


def read_vnnlib_box(text: str) -> Box:
    """Read the box that the conditions on the inputs describe; numbers are rounded to float64.

    Raises
    ------
    ValueError
        If the file is not VNN-LIB text, the conditions on the inputs describe no box, or an input
        lacks a bound; the message names the line.
    """
    bounds = _Bounds()
    for number, command in commands(text.split("\n")):
        try:
            bounds.take(command)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return bounds.box()


def bounded_text(path: str) -> str:
    """Return the text of a .vnnlib or .vnnlib.gz file; ValueError if it is too long or damaged."""
    if not path.lower().endswith(".gz"):
        with open(path, "rb") as stream:
            n_bytes = os.fstat(stream.fileno()).st_size
            if n_bytes > MAX_BYTES:
                raise ValueError(
                    f"a .vnnlib file of at most {MAX_BYTES} bytes is read, this one has {n_bytes}")
            return stream.read().decode("latin-1")
    try:
        with gzip.open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)  # never more, whatever it would expand to
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"not a whole gzip file: {error}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"a .vnnlib file of at most {MAX_BYTES} bytes is read, this one has more")
    return data.decode("latin-1")


def commands(lines: Iterable[str]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the line number where each command ends, and the command as nested lists of words."""
    open_lists: list[list[Any]] = []
    n_tokens = number = 0
    for number, line in enumerate(lines, start=1):
        for token in _tokens(line):
            n_tokens += 1
            if token in ('"', "|"):
                raise ValueError(f"line {number}: an unclosed quotation")
            if n_tokens > _MAX_TOKENS or len(open_lists) > _MAX_DEPTH:
                limits = f"{_MAX_TOKENS} words and {_MAX_DEPTH} nested parentheses"
                raise ValueError(f"line {number}: a command must have at most {limits}")
            if token == "(":
                open_lists.append([])
            elif not open_lists:
                raise ValueError(f"line {number}: {token[:60]!r} stands outside parentheses")
            elif token != ")":
                open_lists[-1].append(token)
            elif len(open_lists) > 1:
                closed = open_lists.pop()
                open_lists[-1].append(closed)
            else:
                yield number, open_lists.pop()
                n_tokens = 0
    if open_lists:
        raise ValueError(f"line {number}: the file ends within parentheses")


def _tokens(line: str) -> Iterator[str]:
    """Yield the words and the parentheses of a line, up to its comment."""
    for match in _TOKEN.finditer(line):
        if match[0] == ";":
            return
        yield match[0]


class _Bounds:
    """The bounds read so far, by the number of the input; those not read yet are infinite."""

    def __init__(self) -> None:
        self._low: dict[int, float] = {}
        self._high: dict[int, float] = {}

    def take(self, command: list[Any]) -> None:
        """Apply a declaration or an assertion."""
        match command:
            case ["declare-const", str(name), "Real"] | ["declare-fun", str(name), [], "Real"]:
                self._declare(name)
            case ["assert", list(condition)]:
                self._take_condition(condition)
            case [str(word), *_] if word in _IGNORED:
                pass
            case _:
                raise ValueError(f"not a command of a VNN-LIB file: {_text(command)}")

    def _declare(self, name: str) -> None:
        match = _VARIABLE.fullmatch(name)
        if match is None:
            raise ValueError(f"a variable must be called X_ or Y_ and its number, got {name[:60]!r}")
        if match[1] == "X":
            if int(match[2]) in self._low:
                raise ValueError(f"{name} is declared twice")
            self._low[int(match[2])], self._high[int(match[2])] = -np.inf, np.inf

    def _take_condition(self, condition: list[Any]) -> None:
        """Apply the bounds of a condition; all conditions hold together."""
        words = list(_words(condition))
        if not any(word.startswith("X") for word in words):
            if any(word[0] in '"|' for word in words) or not any(map(_VARIABLE.fullmatch, words)):
                raise ValueError(f"a condition on neither inputs nor outputs: {_text(condition)}")
            return
        match condition:
            case ["and", *parts] if all(isinstance(part, list) for part in parts):
                for part in parts:
                    self._take_condition(part)
            case ["<=", left, right] | [">=", right, left]:
                self._at_most(left, right, condition)
            case ["=", left, right]:
                self._at_most(left, right, condition)
                self._at_most(right, left, condition)
            case _:
                raise _no_bound(condition)

    def _at_most(self, left: Any, right: Any, condition: list[Any]) -> None:
        """Apply left <= right, where one is an input and the other a number."""
        if (value := _number(right)) is not None:
            i = self._input(left, condition)
            self._high[i] = min(self._high[i], value)
        elif (value := _number(left)) is not None:
            i = self._input(right, condition)
            self._low[i] = max(self._low[i], value)
        else:
            raise _no_bound(condition)

    def _input(self, word: Any, condition: list[Any]) -> int:
        """Return the number of a declared input."""
        match = _VARIABLE.fullmatch(word) if isinstance(word, str) else None
        if match is None or match[1] != "X":
            raise _no_bound(condition)
        if int(match[2]) not in self._low:
            raise ValueError(f"{word} is not declared")
        return int(match[2])

    def box(self) -> Box:
        """Return the box of all bounds; raise ValueError if an input lacks one."""
        if not self._low:
            raise ValueError("the file declares no input X_0")
        for i in range(len(self._low)):
            if i not in self._low:
                raise ValueError(f"{len(self._low)} inputs are declared, but X_{i} is not")
            for side, bound in (("lower", self._low[i]), ("upper", self._high[i])):
                if not np.isfinite(bound):
                    raise ValueError(f"the file declares no box: X_{i} has no {side} bound")
        order = range(len(self._low))
        return Box([self._low[i] for i in order], [self._high[i] for i in order])


def _words(expression: list[Any]) -> Iterator[str]:
    for part in expression:
        if isinstance(part, list):
            yield from _words(part)
        else:
            yield part


def _number(part: Any) -> float | None:
    """Return the number, which may be written (- 0.5), or None for anything else."""
    match part:
        case ["-", str(word)] if _NUMBER.fullmatch(word) and word[0] not in "+-":
            return -_finite(word)
        case str(word) if _NUMBER.fullmatch(word):
            return _finite(word)
    return None


def _finite(word: str) -> float:
    if not np.isfinite(float(word)):
        raise ValueError(f"a bound must be finite in float64, got {word[:60]}")
    return float(word)


def _no_bound(condition: list[Any]) -> ValueError:
    expected = "a condition on inputs must bound one of them by a number, or join such bounds by `and`"
    return ValueError(f"{expected}, got {_text(condition)}")


def _text(expression: Any) -> str:
    """Return the beginning of a command as text."""
    words: list[str] = []
    for word in _words(expression):
        words.append(word[:40])
        if len(words) > 8:
            break
    return f"({' '.join(words)})"
