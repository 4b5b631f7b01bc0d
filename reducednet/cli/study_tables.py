"""A study as a command answers with it."""
from __future__ import annotations

from typing import Any

from .answers import short, table_lines


def study_report(study: Any) -> dict[str, Any]:
    """Return a study's own description and its table."""
    return {"target": study.target, "sizes": study.sizes, "starts": study.starts, "seed": study.seed,
            "message": study.message, "missing": study.missing, "table": study.table()}


def study_lines(study: Any) -> list[str]:
    """Return the same for people."""
    from ..experiments.study import FAILURE

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
