"""Time the bare calls that speed rows cannot undercut, with nothing around them.

    OMP_NUM_THREADS=1 PYTHONPATH=. python benchmarks/floors.py [--rows adam lbfgs varpro large] [--turns 9]

adam    One step by bare NumPy calls into arrays that exist: products, activations, Adam; for the
        reduced space the projections, norms and intervals too. No record, no class, no check.
lbfgs   SciPy's L-BFGS-B on the kernels of this package, alone; with a callback that does nothing;
        and with bounds on as many variables as a reduced network has thresholds, as those are what
        its coordinates need.
varpro  A step against its algebra alone: an SVD of the activations for each try, and for each step
        P G, G^T G and a Cholesky factor a try; then with activations and derivatives too.
large   What `reduce` and `load` must do to each number of 10^7 parameters: each pass alone, in
        blocks that stay in cache.

All contestants of a row take turns; figures are medians of CPU times, on one thread.
"""
from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from time import process_time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from large import ROWS, absolute_pass, seconds  # noqa: E402
from steps import Iterations, PyTorch, Reducednet, problem  # noqa: E402

import reducednet as rn  # noqa: E402
from reducednet.training.objective import Objective  # noqa: E402

ADAM_CASES = [((2, 20, 10, 1), 1000), ((10, 100, 100, 1), 256)]
LBFGS_CASES = [((2, 40, 1), 500), ((10, 100, 100, 1), 256)]
VARPRO_CASES = [((1, 20, 1), 200), ((2, 40, 1), 500)]
LARGE = (10, 3150, 3150, 1)


class BareStep:
    """An Adam step by bare NumPy calls, a sample a column; `reduced` adds the geometry."""

    def __init__(self, sizes: tuple[int, ...], n_samples: int, reduced: bool) -> None:
        rng = np.random.default_rng(0)
        shapes = [(a + 1, b) for a, b in zip(sizes[:-2], sizes[1:-1])] + [sizes[-2:]]
        ends = np.cumsum([0] + [a * b for a, b in shapes])
        self.theta, self.g, self.m, self.v, self.s = rng.standard_normal((5, ends[-1]))
        self.v *= self.v
        self.W, self.dW = (
            [flat[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], shapes)]
            for flat in (self.theta, self.g)
        )
        self.H = [rng.standard_normal((a, n_samples)) for a, _ in shapes]
        self.D = [rng.standard_normal((b, n_samples)) for b in sizes[1:]]
        self.on = [np.empty((b, n_samples), dtype=bool) for b in sizes[1:-1]]
        self.y = rng.standard_normal((sizes[-1], n_samples))
        self.reduced, self.moments = reduced, [
            flat[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], shapes[:-1])
            for flat in (self.m, self.g)
        ]
        self.half = [np.ones(a) for a in sizes[:-2]]

    def step(self) -> None:
        for layer, W in enumerate(self.W[:-1]):
            out = self.H[layer + 1][:W.shape[1]]
            np.matmul(W.T, self.H[layer], out=out)
            np.maximum(out, 0.0, out=out)
        np.matmul(self.W[-1].T, self.H[-1], out=self.D[-1])
        self.D[-1] -= self.y
        self.D[-1].ravel().dot(self.D[-1].ravel())
        for layer in range(len(self.W) - 1, -1, -1):
            np.matmul(self.H[layer], self.D[layer].T, out=self.dW[layer])
            if layer:
                W = self.W[layer][:len(self.D[layer - 1])]
                np.matmul(W, self.D[layer], out=self.D[layer - 1])
                np.greater(self.H[layer][:len(W)], 0.0, out=self.on[layer - 1])
                self.D[layer - 1] *= self.on[layer - 1]
        if self.reduced:
            self.project()
        self.adam()
        if self.reduced:
            self.retract()

    def adam(self) -> None:
        self.m *= 0.9
        np.multiply(self.g, 0.1, out=self.s)
        self.m += self.s
        self.v *= 0.999
        np.multiply(self.g, self.g, out=self.s)
        self.s *= 0.001
        self.v += self.s
        np.sqrt(self.v, out=self.s)
        self.s += 1e-8
        np.divide(self.m, self.s, out=self.s)
        self.s *= 1e-3
        self.theta -= self.s

    def project(self) -> None:
        """Take from gradients and first moments their parts along the rows."""
        for number, array in enumerate(self.moments):
            rows = self.W[number // 2][:-1]
            array[:-1] -= np.einsum("ij,ij->j", rows, array[:-1]) * rows

    def retract(self) -> None:
        """Divide rows by their norms, bound them on a box, and clip thresholds."""
        for W, half in zip(self.W[:-1], self.half):
            rows = W[:-1]
            rows /= np.sqrt(np.einsum("ij,ij->j", rows, rows))
            most = half @ np.abs(rows)
            np.minimum(np.maximum(W[-1], -most, out=W[-1]), most, out=W[-1])

    def seconds(self, k: int) -> float:
        began = process_time()
        for _ in range(k):
            self.step()
        return (process_time() - began) / k


def medians(contestants: dict[str, Callable[[], float]], turns: int) -> dict[str, float]:
    """Return the median of each contestant's seconds; all take turns."""
    found = [{name: call() for name, call in contestants.items()} for _ in range(turns + 1)][1:]
    return {name: float(np.median([turn[name] for turn in found])) for name in contestants}


def show(title: str, found: dict[str, float], limit: str, unit: float = 1e6) -> None:
    """Print a table: each contestant's time, and its ratio to that of `limit`."""
    print(f"\n| {title} | {'microseconds' if unit == 1e6 else 'milliseconds'} | ratio |")
    print("|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {unit * value:.0f} | {value / found[limit]:.3f} |", flush=True)


def adam(turns: int) -> None:
    for sizes, n_samples in ADAM_CASES:
        networks, X, y = problem(sizes, n_samples)
        k = 60
        ours = {name: Reducednet(network, X, y) for name, network in networks.items()}
        bare = {f"bare calls, {name}": BareStep(sizes, n_samples, name == "reduced")
                for name in ("standard", "reduced")}
        everybody = {**ours, **bare, "PyTorch": PyTorch(networks["standard"], X, y)}
        calls = {name: lambda one=one: one.seconds(k) for name, one in everybody.items()}
        title = f"Adam, {'-'.join(map(str, sizes))}, {n_samples}"
        show(title, medians(calls, turns), "PyTorch")


def lbfgs(turns: int) -> None:
    from scipy.optimize import Bounds, minimize

    for sizes, n_samples in LBFGS_CASES:
        networks, X, y = problem(sizes, n_samples)
        objective = Objective(networks["standard"], X, y)
        start = networks["standard"].to_vector()
        low = np.full(len(start), -np.inf)
        low[:sum(sizes[1:-1])] = -10.0

        def bare(**more):
            options = {"maxcor": 20, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**9}
            return lambda k: minimize(objective, start, jac=True, method="L-BFGS-B",
                                      options=options | {"maxiter": k}, **more).nit

        runs = {
            "SciPy alone": bare(), "SciPy with an empty callback": bare(callback=lambda x: None),
            "SciPy with bounds": bare(bounds=Bounds(low, -low)),
        }
        for name, network in networks.items():
            runs[name] = lambda k, network=network: rn.train(
                network, X, y, "lbfgs", n_steps=k, tolerance=0.0).steps
        calls = {name: lambda one=Iterations(run): one.seconds(100) for name, run in runs.items()}
        title = f"L-BFGS, {'-'.join(map(str, sizes))}, {n_samples}"
        show(title, medians(calls, turns), "SciPy alone")


def tries_of(network: rn.Network, X: np.ndarray, y: np.ndarray, steps: int) -> float:
    """Return the number of tries in a step of varpro, by its calls of the SVD."""
    count, svd = 0, np.linalg.svd

    def counting(*arguments, **options):
        nonlocal count
        count += 1
        return svd(*arguments, **options)

    np.linalg.svd = counting
    try:
        made = rn.train(network, X, y, "varpro", n_steps=steps, tolerance=0.0, rounds=0).steps
    finally:
        np.linalg.svd = svd
    return (count - 1) / made


def varpro(turns: int) -> None:
    from scipy.linalg import cho_factor, cho_solve

    steps = 30
    for sizes, n_samples in VARPRO_CASES:
        networks, X, y = problem(sizes, n_samples)
        network, (d, h, _) = networks["reduced"], sizes
        tries = tries_of(network, X, y, steps)
        rng = np.random.default_rng(0)
        W, H, XT = rng.standard_normal((h, d)), rng.standard_normal((n_samples, h)), X.T.copy()
        G = rng.standard_normal((n_samples, h * d))
        U, slope = np.linalg.qr(H)[0], rng.standard_normal(h * d)

        def algebra() -> None:
            for _ in range(round(10 * tries)):
                np.linalg.svd(H, full_matrices=False)
            for _ in range(10):
                PG = G - U @ (U.T @ G)
                A = PG.T @ PG
                A[np.diag_indices(len(A))] += 1.0
                cho_solve(cho_factor(A, check_finite=False), slope, check_finite=False)

        def with_activations() -> None:
            algebra()
            for _ in range(round(10 * tries)):
                Z = (W @ XT).T
                Z = np.maximum(Z, 0.0) / np.sqrt(np.einsum("ij,ij->j", Z, Z))
            for _ in range(10):
                (XT[:, :, np.newaxis] * (H > 0.0)).sum(axis=0)

        def run() -> None:
            rn.train(network, X, y, "varpro", n_steps=steps, tolerance=0.0, rounds=0)

        calls = {
            "algebra alone": lambda: seconds(algebra) / 10,
            "with activations and derivatives": lambda: seconds(with_activations) / 10,
            "varpro": lambda: seconds(run) / steps,
        }
        title = f"varpro, {'-'.join(map(str, sizes))}, {n_samples}, {tries:.1f} tries a step"
        show(title, medians(calls, turns), "algebra alone")


def large(turns: int) -> None:
    network = rn.Network.random(LARGE, rng=0, scheme="he", output_bias=True)
    box = rn.Box(np.zeros(LARGE[0]), np.ones(LARGE[0]))
    W = np.ascontiguousarray(network.weights[1])
    ones = np.ones(W.shape[1])

    def blocks(work: Callable[[np.ndarray], object]) -> None:
        for first in range(0, len(W), ROWS):
            work(W[first:first + ROWS])

    passes = {
        "|W| v": lambda: absolute_pass([W]),
        "support, both signs": lambda: blocks(
            lambda w: (np.maximum(w, 0.0) @ ones, np.minimum(w, 0.0) @ ones)),
        "norms": lambda: blocks(lambda w: np.einsum("ij,ij->i", w, w)),
        "unit rows, a new array": lambda: W / ones,
        "norms into the outgoing weights, a new array": lambda: W * ones,
        "copy into the new network": lambda: np.concatenate([W.ravel(), ones]),
        "a new array of zeros, touched once": lambda: np.full(W.shape, 1.0),
        "rows to columns": lambda: np.ascontiguousarray(W.T),
        "reduce": lambda: rn.reduce(network, box),
    }
    calls = {name: lambda work=work: seconds(work) for name, work in passes.items()}
    show("-".join(map(str, LARGE)), medians(calls, turns), "|W| v", 1e3)


def main() -> None:
    rows = {"adam": adam, "lbfgs": lbfgs, "varpro": varpro, "large": large}
    parser = argparse.ArgumentParser(description="the bare calls behind the speed rows")
    parser.add_argument("--rows", nargs="+", choices=rows, default=list(rows))
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    for name in options.rows:
        rows[name](options.turns)


if __name__ == "__main__":
    main()
