"""Time calls as neurons, samples, inputs or depth grow; say how fast, and where a user gives up.

    OMP_NUM_THREADS=1 PYTHONPATH=. python benchmarks/growth.py [--patience 60] [--turns 3] [--only verify]

For each row one size grows by factors of two; the others stay as they are written. The slope is
that of the last doubling: time grows as size^slope there. The last column is the size at which, at
this slope, the call takes the patience of a user in seconds; a training run has 1000 steps. Figures
are medians of CPU times, on one thread.
"""
from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from large import seconds  # noqa: E402

import reducednet as rn  # noqa: E402

STEPS = 1000


class Row(NamedTuple):
    """What is timed: `make` returns the call for a size; its time counts `times` times."""

    call: str
    grows: str
    sizes: tuple[int, ...]
    make: Callable[[int], Callable[[], object]]
    times: float = 1.0


def unit_box(d: int) -> rn.Box:
    return rn.Box(np.zeros(d), np.ones(d))


def training(sizes: tuple[int, ...], n: int, method: str, steps: int) -> Callable[[], object]:
    """Return a run of a reduced network on noise."""
    rng = np.random.default_rng(0)
    X, y = rng.random((n, sizes[0])), rng.standard_normal((n, sizes[-1]))
    network = rn.ReducedNetwork.random(sizes, unit_box(sizes[0]), rng=0)
    return lambda: rn.train(network, X, y, method, n_steps=steps, tolerance=0.0, rng=0)


def adam(sizes: tuple[int, ...], n: int) -> Callable[[], object]:
    return training(sizes, n, "adam", 100)


def varpro(n_neurons: int, n: int) -> Callable[[], object]:
    return training((2, n_neurons, 1), n, "varpro", 5)


def verifying(sizes: tuple[int, ...], noise: float = 0.0) -> Callable[[], object]:
    """Return a question about a network and its reduced form, or about one with noise on weights."""
    f = rn.Network.random(sizes, rng=0, scheme="he", output_bias=True)
    box = unit_box(sizes[0])
    if not noise:
        g = rn.reduce(f, box)
        return lambda: rn.verify(f, g, box)
    vector = f.to_vector()
    g = f.with_vector(vector * (1.0 + noise * np.random.default_rng(1).standard_normal(vector.size)))
    X = box.sample(1000, np.random.default_rng(2))
    eps = 3.0 * float(np.abs(f(X) - g(X)).max())
    return lambda: rn.verify(f, g, box, eps=eps, time_limit=20.0)


def reducing(sizes: tuple[int, ...]) -> Callable[[], object]:
    network = rn.Network.random(sizes, rng=0, scheme="he", output_bias=True)
    return lambda: rn.reduce(network, unit_box(sizes[0]))


def limit(n: int) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    X, y = rng.random((n, 1)), rng.standard_normal(n)
    return lambda: rn.training_limit(X, y, 20)


ROWS = [
    Row("train, adam, 2-n-1, 1000 samples", "neurons", (100, 200, 400, 800),
        lambda n: adam((2, n, 1), 1000), STEPS / 100),
    Row("train, adam, 10-n-n-1, 1000 samples", "neurons", (50, 100, 200, 400),
        lambda n: adam((10, n, n, 1), 1000), STEPS / 100),
    Row("train, adam, 2-40-1", "samples", (1000, 4000, 16000, 64000),
        lambda n: adam((2, 40, 1), n), STEPS / 100),
    Row("train, adam, d-40-1, 1000 samples", "inputs", (16, 64, 256, 1024),
        lambda d: adam((d, 40, 1), 1000), STEPS / 100),
    Row("train, adam, 10-50-...-50-1, 1000 samples", "depth", (2, 4, 8, 16),
        lambda k: adam((10, *[50] * k, 1), 1000), STEPS / 100),
    Row("train, varpro, 2-n-1, 1000 samples", "neurons", (20, 40, 80, 160),
        lambda n: varpro(n, 1000), 20),
    Row("train, varpro, 2-40-1", "samples", (500, 1000, 2000, 4000), lambda n: varpro(40, n), 20),
    Row("training_limit, 20 neurons, noise", "samples", (250, 500, 1000, 2000), limit),
    Row("reduce, 10-n-n-1", "neurons", (400, 800, 1600, 3200), lambda n: reducing((10, n, n, 1))),
    Row("verify, 10-n-n-1 and its reduced form", "neurons", (400, 800, 1600, 3200),
        lambda n: verifying((10, n, n, 1))),
    Row("verify, d-500-500-1 and its reduced form", "inputs", (10, 40, 160, 640),
        lambda d: verifying((d, 500, 500, 1))),
    Row("verify, 10-100-...-100-1 and its reduced form", "depth", (2, 4, 8, 16),
        lambda k: verifying((10, *[100] * k, 1))),
    Row("verify, d-50-1 and noise of 1 %, 3 times the difference seen", "inputs", (2, 4, 8, 16),
        lambda d: verifying((d, 50, 1), 0.01)),
    Row("verify, 4-n-1 and noise of 1 %, 3 times the difference seen", "neurons",
        (25, 50, 100, 200), lambda n: verifying((4, n, 1), 0.01)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description="how costs grow")
    parser.add_argument("--patience", type=float, default=60.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="", help="text that a row's first column begins with")
    options = parser.parse_args()
    print(f"| call | grows | sizes | seconds | slope | {options.patience:.0f} s at about |")
    print("|---|---|---|---|---|---|")
    for row in filter(lambda row: row.call.startswith(options.only), ROWS):
        found = []
        for size in row.sizes:
            call = row.make(size)
            found.append(row.times * float(np.median([seconds(call) for _ in range(options.turns)])))
        slope = np.log(found[-1] / found[-2]) / np.log(row.sizes[-1] / row.sizes[-2])
        at = "-"
        if slope > 0.3:
            at = f"{row.sizes[-1] * (options.patience / found[-1])**(1.0 / slope):.1e}"
        cells = ", ".join(f"{value:.2g}" for value in found)
        sizes = ", ".join(map(str, row.sizes))
        print(f"| {row.call} | {row.grows} | {sizes} | {cells} | {slope:.1f} | {at} |", flush=True)


if __name__ == "__main__":
    main()
