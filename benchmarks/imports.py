"""Time of `import reducednet` as a ratio to `import numpy`, by fresh interpreters that take turns."""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

MODULES = ("numpy", "reducednet")
PROGRAM = "from time import process_time as now; start = now(); import {}; print(now() - start)"


def seconds(module):
    """Return the CPU time that importing the module takes in a fresh interpreter."""
    root = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(module)], env=environment,
                         capture_output=True, text=True, check=True)
    return float(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="few turns: a look, not a measurement")
    options = parser.parse_args()
    turns = 5 if options.quick else 40
    times = {module: [] for module in MODULES}
    for turn in range(turns + 1):
        for module in MODULES:
            value = seconds(module)
            if turn:  # the first turn writes the byte code
                times[module].append(value)
    medians = {module: statistics.median(values) for module, values in times.items()}
    ratio = medians["reducednet"] / medians["numpy"]
    if options.json:
        print(json.dumps({"median": medians, "ratio": ratio}, indent=2))
        return
    for module, value in medians.items():
        print(f"import {module}: {1e3 * value:.1f} ms")
    print(f"ratio: {ratio:.3f} (target at most 1.05)")


if __name__ == "__main__":
    main()
