"""Time reduce, verify, save and load of networks of 10^7 parameters, as passes over their numbers.

    OMP_NUM_THREADS=1 PYTHONPATH=. python benchmarks/large.py [--turns 5] [--sizes 3000-3000-10 ...]

Each row is the median CPU time of a call, and its ratio to the least work that does the same:

reduce   one pass over the weights in blocks that stay in cache, |W| v
verify   W v, and |W| v in blocks, of both networks
save     np.savez of the same arrays
load     np.load of that file

All of them take turns, so that other work on the machine slows all alike.
"""
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np

import reducednet as rn

SIZES = ("3000-3000-10", "784-2000-2000-2000-10", "10-3150-3150-1", "64-3100-3100-10")
ROWS = 16
"""A block of so many rows of a few thousand numbers stays in cache."""


def absolute_pass(matrices: list[np.ndarray]) -> None:
    """Compute |W| v of each matrix, whose rows are contiguous, a block at a time."""
    for W in matrices:
        v = np.ones(W.shape[1])
        for start in range(0, len(W), ROWS):
            np.abs(W[start:start + ROWS]) @ v


def plain_pass(matrices: list[np.ndarray]) -> None:
    """Compute W v of each matrix."""
    for W in matrices:
        W @ np.ones(W.shape[1])


def load_all(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a .npz file."""
    with np.load(path) as file:
        return {name: file[name] for name in file}


def calls(sizes: tuple[int, ...], folder: Path) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name; each call's limit is called "<name>, limit"."""
    network = rn.Network.random(sizes, rng=0, scheme="he", output_bias=True)
    box = rn.Box(np.zeros(sizes[0]), np.ones(sizes[0]))
    reduced = rn.reduce(network, box)
    matrices = [np.ascontiguousarray(W) for W in (*network.weights, network.output_weights)]
    arrays = {str(number): array for number, array in enumerate([*matrices, *network.thresholds])}
    ours, theirs = folder / "ours.npz", folder / "theirs.npz"
    rn.save(ours, network)
    np.savez(theirs, **arrays)

    def verify() -> None:
        assert rn.verify(network, reduced, box).status == "equivalent"

    def two_passes() -> None:
        for _ in range(2):
            plain_pass(matrices)
            absolute_pass(matrices)

    return {
        "reduce": lambda: rn.reduce(network, box), "reduce, limit": lambda: absolute_pass(matrices),
        "verify": verify, "verify, limit": two_passes,
        "save": lambda: rn.save(ours, network), "save, limit": lambda: np.savez(theirs, **arrays),
        "load": lambda: rn.load(ours), "load, limit": lambda: load_all(theirs),
    }


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU time of a call."""
    began = process_time()
    call()
    return process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="passes over networks of 10^7 parameters")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    options = parser.parse_args()
    print("| network | reduce | verify | save | load |\n|---|---|---|---|---|")
    for text in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            timed = calls(tuple(map(int, text.split("-"))), Path(folder))
            turns = [{name: seconds(call) for name, call in timed.items()}
                     for _ in range(options.turns)]
        medians = {name: float(np.median([turn[name] for turn in turns])) for name in timed}
        cells = [f"{medians[name]:.3f} s ({medians[name] / medians[f'{name}, limit']:.1f})"
                 for name in ("reduce", "verify", "save", "load")]
        print(f"| {text} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
