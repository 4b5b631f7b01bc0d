"""Give a command's answer: an object for machines, lines for people, an exit code."""
from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import Network, ReducedNetwork
from ..domains import Domain

DONE, REFUTED, BAD_CALL, UNDECIDED, UNFINISHED = 0, 1, 2, 3, 5
UNFORESEEN, NOT_WRITTEN, INTERRUPTED = 70, 74, 130
EXIT_CODES = (
    f"exit codes: {DONE} done, or proved by verify or check; "
    f"{REFUTED} refuted by verify or check, and nothing else; "
    f"{BAD_CALL} a bad call, or a file that cannot be read; {UNDECIDED} undecided by verify or check; "
    f"{UNFINISHED} a study with runs missing; "
    f"{UNFORESEEN} an unexpected error; {NOT_WRITTEN} an answer that cannot be printed or written; "
    f"{INTERRUPTED} interrupted"
)
"""The text of `--help`; 70 and 74 are the codes of sysexits.h, 130 is the shell's."""

CODES = {"equivalent": DONE, "not_equivalent": REFUTED, "unknown": UNDECIDED}
"""Exit codes by the status of a verdict or a certificate."""


class Answer(NamedTuple):
    """The answer of a finished command; nothing is printed before all of it is known.

    Attributes
    ----------
    report : dict
        For ``--json``.
    lines : list of str
        For people.
    code : int
        The exit code.
    """

    report: Mapping[str, Any]
    lines: Sequence[str]
    code: int = DONE

    def with_left_off(self, operators: Mapping[str, Sequence[str]]) -> Answer:
        """Return the answer with the operators after the logits that were left off, by file."""
        if not operators:
            return self
        lines = [f"left off after the logits of {name}: {', '.join(names) or 'nothing'}"
                 for name, names in operators.items()]
        return Answer({**self.report, "left_off": operators}, [*self.lines, *lines], self.code)

    def text(self, as_json: bool) -> str:
        """Return the text to print."""
        return json_text(self.report) if as_json else "\n".join(self.lines)


def json_text(report: Mapping[str, Any]) -> str:
    """Return a report as JSON; inf and nan, which JSON lacks, become null.

    Examples
    --------
    >>> json_text({"bound": float("inf"), "neurons": np.int64(3)}).split()
    ['{', '"bound":', 'null,', '"neurons":', '3', '}']
    """
    return json.dumps(_plain(report), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None  # no -0.0
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def exactly(value: Any) -> str:
    """Return a coordinate, a float or a fraction, so that it is read back as itself.

    Examples
    --------
    >>> from fractions import Fraction
    >>> exactly(0.1), exactly(Fraction(1, 3))
    ('0.1', '1/3')
    """
    return repr(float(value) + 0.0) if float(value) == value else str(value)


def point_report(point: Sequence[Any]) -> dict[str, Any]:
    """Return the coordinates of a counterexample, to nearest and exactly; null if it is empty."""
    return {"counterexample": [float(value) for value in point] or None,
            "counterexample_ratios": [value.as_integer_ratio() for value in point] or None}


def domain_report(domain: Domain) -> dict[str, Any]:
    """Return the kind of a domain and its arguments.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> domain_report(Box(0, 1))
    {'kind': 'Box', 'low': array([0.]), 'high': array([1.])}
    """
    return {"kind": type(domain).__name__, **domain.to_arrays()}


def network_report(network: Network) -> dict[str, Any]:
    """Return the description of a network, without its parameters.

    Examples
    --------
    >>> network_report(Network([[[1.0]]], [[0.0]], [[1.0]]))["sizes"]
    (1, 1, 1)
    """
    report = {"kind": type(network).__name__, "sizes": network.sizes, "activation": network.activation,
              "output_bias": network.output_bias is not None, "parameters": network.n_parameters}
    if isinstance(network, ReducedNetwork):
        report |= {"bound": network.bound, "domain": domain_report(network.domain)}
    return report


def table_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a table of rows under their keys; all columns but the first are aligned right.

    Examples
    --------
    >>> table_lines([{"layer": 1, "neurons": 50}, {"layer": 12, "neurons": 5}])
    ['layer  neurons', '1           50', '12           5']
    """
    rows = list(rows)
    columns = [[key, *(str(row[key]) for row in rows)] for key in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for line in zip(*columns):
        others = (text.rjust(width) for text, width in zip(line[1:], widths[1:]))
        lines.append("  ".join([line[0].ljust(widths[0]), *others]))
    return lines


def short(value: float) -> str:
    """Return a number as text with two significant digits.

    Examples
    --------
    >>> short(0.01234)
    '1.2e-02'
    """
    return f"{value:z.1e}"


def study_report(study: Any) -> dict[str, Any]:
    """Return the description of a study, and its table."""
    return {"target": study.target, "sizes": study.sizes, "starts": study.starts, "seed": study.seed,
            "message": study.message, "missing": study.missing, "table": study.table()}


def study_lines(study: Any) -> list[str]:
    """Return the lines of a study's report: its description and its table."""
    from ..experiments.methods import FAILURE

    rows = study.table()
    return [
        f"{study.target}, networks {'-'.join(map(str, study.sizes))}, {study.starts} starts of "
        f"{study.seed}, {study.n_samples} samples; {study.message}\n\nTest error at {study.n_test} points:",
        *table_lines(
            {"method": row["method"], "median": short(row["median"]),
             "95 %": f"{short(row['low'])} .. {short(row['high'])}",
             "quartiles": f"{short(row['lower quartile'])} .. {short(row['upper quartile'])}",
             "worst": short(row["worst"]), f"failures (> {FAILURE:g})": f"{row['failures']} of {row['runs']}",
             "first / this": f"{row['ratio']:.1f}", "won": "" if row is rows[0] else f"{row['won']:.0%}",
             "seconds": f"{row['seconds']:.2f}"} for row in rows),
    ]
