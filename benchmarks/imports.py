"""Time `import reducednet` relative to `import numpy`, in fresh interpreters that take turns.

Names of the package are loaded when they are first used, so the first use of `Network` is timed too.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

STATEMENTS = ("import numpy", "import reducednet", "from reducednet import Network")
PROGRAM = "from time import process_time as now; start = now(); {}; print(now() - start)"


def seconds(statement):
    """Return the CPU time that the statement takes in a fresh interpreter."""
    root = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(statement)], env=environment,
                         capture_output=True, text=True, check=True)
    return float(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="few turns: a look, not a measurement")
    options = parser.parse_args()
    turns = 5 if options.quick else 40
    times = {statement: [] for statement in STATEMENTS}
    for turn in range(turns + 1):
        for statement in STATEMENTS:
            value = seconds(statement)
            if turn:  # the first turn writes the byte code
                times[statement].append(value)
    medians = {statement: statistics.median(values) for statement, values in times.items()}
    ratios = {statement: value / medians["import numpy"] for statement, value in medians.items()}
    if options.json:
        print(json.dumps({"median": medians, "ratio": ratios}, indent=2))
        return
    for statement in STATEMENTS:
        print(f"{statement}: {1e3 * medians[statement]:.1f} ms, ratio {ratios[statement]:.3f}")


if __name__ == "__main__":
    main()
