"""Measure what `rn.compress` saves on real networks, and on networks with planted stable neurons.

    OMP_NUM_THREADS=1 python benchmarks/compression.py        # --planted 1000, --bounds linear milp, --nets FOLDER

Planted: in every layer of 1 to 3, two dead neurons, two always-on ones, two multiples and two opposite multiples
of others (`tests/compression/test_compress.py`). Bounds are relative to the largest sum of absolute values of all
terms.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import process_time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

import reducednet as rn  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def real(folder, choices):
    """Print a row a network: what it has before and after, the bound, and what was seen at 10000 points."""
    print("| network | layers | bounds | compressed | neurons left | parameters left | proved bound | seen "
          "| CPU time |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob("*.nnet")):
        net = rn.load(path)
        try:
            domain = rn.load_box(path)
        except ValueError:  # the file declares no box
            domain = rn.Box(np.zeros(net.n_inputs), np.ones(net.n_inputs))
        for bounds in choices:
            one_row(path.stem, net, domain, bounds)


def one_row(name, net, domain, bounds):
    """Compress, check the proof and print."""
    started = process_time()
    small, report = rn.compress(net, domain, bounds=bounds)
    seconds = process_time() - started
    assert report.certificate.check(net, small, domain)
    X = domain.sample(10_000, rng=0)
    seen = np.abs(net(X) - small(X)).max()
    sizes = ["-".join(map(str, network.sizes)) for network in (net, small)]
    print(f"| {name} | {sizes[0]} | {bounds} | {sizes[1]} | {report.neurons_after} of {report.neurons_before} "
          f"({1 - report.saved:.1%}) | {report.parameters_after} of {report.parameters_before} "
          f"| {report.bound:.1e} | {seen:.1e} | {seconds:.2f} s |", flush=True)


def planted_networks(count):
    """Print how many planted neurons were not found, and the relative bounds."""
    from compression.test_compress import path_sum, planted

    missed, ratios = 0, []
    for seed in range(count):
        net, domain, counts = planted(seed)
        small, report = rn.compress(net, domain)
        groups = (report.dead, report.folded, report.merged, report.unused)
        missed += max(0, sum(counts.values()) - sum(len(found) for group in groups for found in group))
        ratios.append(report.bound / path_sum(net, domain))
    print(f"\n{count} networks with planted neurons: {missed} not found; "
          f"relative bound median {np.median(ratios):.1e}, largest {max(ratios):.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planted", type=int, default=1000, help="networks with planted neurons (default 1000)")
    parser.add_argument("--nets", type=Path, default=os.environ.get("REDUCEDNET_NETS", ROOT / "../shared/nets"),
                        help="folder of .nnet files (default: REDUCEDNET_NETS)")
    parser.add_argument("--bounds", nargs="+", choices=("linear", "lp", "milp"), default=("linear", "milp"))
    options = parser.parse_args()
    real(Path(options.nets), options.bounds)
    planted_networks(options.planted)


if __name__ == "__main__":
    main()
