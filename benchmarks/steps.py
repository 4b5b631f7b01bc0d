"""Time one full-batch step in float64: reducednet, naive NumPy, scikit-learn, PyTorch, geoopt.

Adam by default, first as `train` runs it, with a row of its history after every step, then the bare step. With
``--lbfgs`` an iteration of L-BFGS, as `train` runs it, against SciPy's alone on the same loss and gradient.

All contestants take turns in one process, on one thread; figures are the median and the fastest of the turns.
Run it with ``OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/steps.py``; see README.md here.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import warnings
from time import process_time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

import reducednet as rn  # noqa: E402
from reducednet.networks.forward import Workspace, aligned, times  # noqa: E402
from reducednet.training.methods.gradient_descent import minimise_adam  # noqa: E402
from reducednet.training.monitor import Monitor  # noqa: E402
from reducednet.training.objective import Objective  # noqa: E402

CASES = [
    ((1, 20, 1), 200), ((2, 40, 1), 1000), ((10, 40, 1), 1000), ((2, 20, 10, 1), 1000),
    ((10, 100, 100, 1), 256), ((10, 100, 100, 1), 4096), ((64, 256, 256, 10), 4096),
]
LBFGS_CASES = [
    ((1, 20, 1), 200), ((2, 40, 1), 500), ((2, 20, 10, 1), 1000),
    ((10, 100, 100, 1), 256), ((10, 100, 100, 1), 4096),
]
RATE = 1e-3


class Clock(Monitor):
    """A monitor that notes the CPU time at the start's record and at that of the last step."""

    def __init__(self, network, objective, last, record_every):
        super().__init__(network, objective, record_every=record_every)
        self.last, self.times = last, []

    def record(self, vector, loss, gradient_norm=np.nan):
        super().record(vector, loss, gradient_norm)
        if self.step in (0, self.last):
            self.times.append(process_time())


class Reducednet:
    """The loop of `train` with method "adam" and its defaults: a row of the history after every step.

    With ``record_every=10**9`` the bare step: the monitor's call, the gradient's norm and the saved state are
    included, a row is not.
    """

    def __init__(self, network, X, y, record_every=1):
        self.network, self.objective, self.record_every = network, Objective(network, X, y), record_every

    def seconds(self, k):
        clock = Clock(self.network, self.objective, k, self.record_every)
        minimise_adam(self.network, self.objective, clock, k, 0.0, rng=0, learning_rate=RATE)
        started, ended = clock.times
        return (ended - started) / k


class Iterations:
    """An iteration of L-BFGS: what k of them take beyond a few, divided by their number.

    run : function of a number of iterations that returns how many were made
    """

    def __init__(self, run):
        self.run = run
        run(1)  # imports

    def timed(self, k):
        start = process_time()
        made = self.run(k)
        return process_time() - start, made

    def seconds(self, k):
        (few_seconds, few), (seconds, made) = self.timed(3), self.timed(3 + max(k, 30))
        return max(seconds - few_seconds, 1e-7) / max(made - few, 1)


def lbfgs_contestants(sizes, n_samples):
    """Return name -> contestant for L-BFGS, and notes on those that are not here."""
    from scipy.optimize import minimize

    networks, X, y = problem(sizes, n_samples)
    objective = Objective(networks["standard"], X, y)

    def bare(k):
        options = {"maxcor": 20, "ftol": 0.0, "gtol": 0.0, "maxiter": k, "maxfun": 10**9}
        start = networks["standard"].to_vector()
        return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).nit

    def training(network):
        return lambda k: rn.train(network, X, y, "lbfgs", n_steps=k, tolerance=0.0).steps

    found = {name: Iterations(training(network)) for name, network in networks.items()}
    found["SciPy alone"] = Iterations(bare)
    if importlib.util.find_spec("sklearn") is None:
        return found, ["scikit-learn is not installed: left out"]
    from sklearn.neural_network import MLPRegressor

    def scikit_learn(k):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MLPRegressor(
                hidden_layer_sizes=sizes[1:-1], solver="lbfgs", alpha=0.0, max_iter=k, tol=0.0, random_state=0)
            return model.fit(X, y[:, 0]).n_iter_

    found["scikit-learn"] = Iterations(scikit_learn)
    return found, []


class Stepper:
    """A contestant with a method `step`."""

    def seconds(self, k):
        self.step()  # the caches are another contestant's
        start = process_time()
        for _ in range(k):
            self.step()
        return (process_time() - start) / k


class NaiveNumPy(Stepper):
    """The textbook: a sample a row, a new array for every result, Adam array by array."""

    def __init__(self, network, X, y):
        self.X, self.y = X, y
        self.W = [W.T.copy() for W in network.weights] + [network.output_weights.T.copy()]
        self.b = [b.copy() for b in network.thresholds]
        self.parameters = self.W + self.b
        self.m = [np.zeros_like(p) for p in self.parameters]
        self.v = [np.zeros_like(p) for p in self.parameters]
        self.t = 0

    def step(self):
        layers, H = [self.X], self.X
        for W, b in zip(self.W, self.b):
            H = np.maximum(H @ W + b, 0.0)
            layers.append(H)
        residual = H @ self.W[-1] - self.y
        self.loss = np.mean(np.sum(residual**2, axis=1))
        delta = 2.0 * residual / len(self.X)
        dW, db = [layers[-1].T @ delta], []
        for layer in range(len(self.b) - 1, -1, -1):
            delta = (delta @ self.W[layer + 1].T) * (layers[layer + 1] > 0.0)
            dW.insert(0, layers[layer].T @ delta)
            db.insert(0, delta.sum(axis=0))
        self.t += 1
        for i, g in enumerate(dW + db):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g**2
            mhat, vhat = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            self.parameters[i] -= RATE * mhat / (np.sqrt(vhat) + 1e-8)


class Products(Stepper):
    """The matrix products of a step alone, in blocks of the same size: what no implementation can undercut."""

    def __init__(self, network, X, y):
        blocks = [block.stop - block.start for block in Workspace(network.layout, len(X)).slices(len(X))]
        calls = {size: self.products(network.sizes, size) for size in set(blocks)}
        self.calls = [call for size in blocks for call in calls[size]]

    def products(self, sizes, size):
        """Return (left_times, right, out) of each product for a block of `size` samples."""
        rng = np.random.default_rng(0)
        shapes = [(a + 1, b) for a, b in zip(sizes[:-2], sizes[1:-1])] + [sizes[-2:]]
        maps = [rng.standard_normal(shape) for shape in shapes]
        inputs = [aligned((rows, size)) for rows, _ in shapes]
        deltas = [aligned((b, size)) for b in sizes[1:]]
        for array in inputs + deltas:
            array[...] = rng.standard_normal(array.shape)
        products = [(W.T, H, aligned((len(W.T), size))) for W, H in zip(maps, inputs)]
        products += [(H, D.T, np.empty_like(W)) for W, H, D in zip(maps, inputs, deltas)]
        for layer in range(1, len(maps)):
            if sizes[-1] > 1 or layer < len(maps) - 1:  # one output: an outer product
                W = maps[layer][:sizes[layer]]
                products.append((W, deltas[layer], aligned((len(W), size))))
        return [(times(left, out), right, out) for left, right, out in products]

    def step(self):
        for left_times, right, out in self.calls:
            left_times(right, out=out)


class ScikitLearn:
    """An iteration of `MLPRegressor.fit`; it adds output biases and an L2 term of weight 0."""

    def __init__(self, network, X, y):
        from sklearn.neural_network import MLPRegressor

        self.make = lambda k: MLPRegressor(
            hidden_layer_sizes=network.sizes[1:-1], alpha=0.0, batch_size=len(X), learning_rate_init=RATE,
            max_iter=k, shuffle=False, tol=0.0, n_iter_no_change=10**9, random_state=0)
        self.X, self.y = X, y[:, 0] if y.shape[1] == 1 else y

    def seconds(self, k):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = process_time()
            self.make(k).fit(self.X, self.y)
            return (process_time() - start) / k


class PyTorch(Stepper):
    """Eager mode with ``Adam(fused=True)``, the same network without output bias."""

    def __init__(self, network, X, y):
        import torch

        torch.set_num_threads(1)
        self.model = self.make_model(torch, network)
        self.optimiser = self.make_optimiser(torch)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.loss = torch.nn.MSELoss()

    def make_model(self, torch, network):
        sizes, layers = network.sizes, []
        for n_in, n_out in zip(sizes[:-2], sizes[1:-1]):
            layers += [torch.nn.Linear(n_in, n_out, dtype=torch.float64), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers, torch.nn.Linear(*sizes[-2:], bias=False, dtype=torch.float64))

    def make_optimiser(self, torch):
        return torch.optim.Adam(self.model.parameters(), lr=RATE, fused=True)

    def step(self):
        self.optimiser.zero_grad()
        self.loss(self.model(self.X), self.y).backward()
        self.optimiser.step()


class Geoopt(PyTorch):
    """PyTorch with hidden rows on geoopt's spheres and its RiemannianAdam; thresholds are not bounded."""

    def make_model(self, torch, network):
        import geoopt

        model = super().make_model(torch, network)
        sphere = geoopt.Sphere()
        for layer in list(model)[:-1:2]:
            rows = torch.nn.functional.normalize(layer.weight.data, dim=1)
            layer.weight = geoopt.ManifoldParameter(rows, manifold=sphere)
        return model

    def make_optimiser(self, torch):
        import geoopt

        return geoopt.optim.RiemannianAdam(self.model.parameters(), lr=RATE)


def problem(sizes, n_samples):
    """Return the networks to train by name, and samples."""
    rng = np.random.default_rng(0)
    X, y = rng.random((n_samples, sizes[0])), rng.standard_normal((n_samples, sizes[-1]))
    box = rn.Box(np.zeros(sizes[0]), np.ones(sizes[0]))
    return {
        "standard": rn.Network.random(sizes, rng=0, scheme="he"),
        "reduced": rn.ReducedNetwork.random(sizes, box, rng=0),
        "reduced, ball": rn.ReducedNetwork.random(sizes, box, rng=0, bound="ball"),
    }, X, y


def contestants(sizes, n_samples):
    """Return name -> contestant, and notes on those that are not here."""
    networks, X, y = problem(sizes, n_samples)
    standard = networks["standard"]
    found = {name: Reducednet(network, X, y) for name, network in networks.items()}
    found |= {f"{name}, bare step": Reducednet(network, X, y, record_every=10**9)
              for name, network in networks.items()}
    found["products alone"] = Products(standard, X, y)
    found["naive NumPy"] = NaiveNumPy(standard, X, y)
    missing = []
    for name, module, kind in (("scikit-learn", "sklearn", ScikitLearn), ("PyTorch", "torch", PyTorch),
                               ("geoopt", "geoopt", Geoopt)):
        if importlib.util.find_spec(module) is None:
            missing.append(f"{name} is not installed: left out")
        elif name == "geoopt" and sizes[0] == 1:
            missing.append("geoopt has no spheres in dimension 1: left out there")
        else:
            found[name] = kind(standard, X, y)
    return found, missing


def measure(sizes, n_samples, turns, budget, contestants):
    """Return the CPU seconds of a step by name, the median of the turns and the fastest one.

    Every turn of a contestant takes about `budget` seconds.
    """
    found, missing = contestants(sizes, n_samples)
    steps = {name: max(2, min(2000, int(budget / contestant.seconds(3)))) for name, contestant in found.items()}
    times = {name: [] for name in found}
    for _ in range(turns):
        for name, contestant in found.items():
            times[name].append(contestant.seconds(steps[name]))
    medians = {name: float(np.median(values)) for name, values in times.items()}
    return medians, {name: float(min(values)) for name, values in times.items()}, missing


def versions():
    """Return the machine and the libraries that were measured."""
    result = {"python": platform.python_version(), "cores": os.cpu_count(), "machine": platform.machine()}
    for module in ("numpy", "sklearn", "torch", "geoopt"):
        if importlib.util.find_spec(module) is not None:
            result[module] = str(importlib.import_module(module).__version__)
    return result


def table(results, which):
    """Return the figures as Markdown: microseconds of a step, and ratios to PyTorch if it is there.

    which : "median", or "fastest" for the turns that other processes disturbed least
    """
    names = list(dict.fromkeys(name for r in results for name in r[which]))
    headings = ["-".join(map(str, r["sizes"])) + f", {r['n_samples']}" for r in results]
    unit = next((name for name in ("PyTorch", "SciPy alone") if name in names), "naive NumPy")
    ratios = [(f"{name} / {unit}", name, unit) for name in names if name != unit]
    ratios.append(("reduced / standard", "reduced", "standard"))
    if "products alone" in names:
        ratios.append(("products alone / bare step", "products alone", "standard, bare step"))
    lines = [f"| {which} turn, microseconds | " + " | ".join(headings) + " |",
             "|---" * (len(headings) + 1) + "|"]
    for name in names:
        cells = [f"{1e6 * r[which][name]:.0f}" if name in r[which] else "-" for r in results]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for label, over, under in ratios:
        cells = [f"{r[which][over] / r[which][under]:.3f}" if over in r[which] else "-" for r in results]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--lbfgs", action="store_true", help="an iteration of L-BFGS, not a step of Adam")
    parser.add_argument("--quick", action="store_true", help="few turns: a look, not a measurement")
    parser.add_argument("--cases", type=int, nargs="*", help="only these cases, counted from 0")
    options = parser.parse_args()
    turns, budget = (3, 0.02) if options.quick else (31, 0.05)
    cases, found = (LBFGS_CASES, lbfgs_contestants) if options.lbfgs else (CASES, contestants)
    cases = cases if options.cases is None else [cases[i] for i in options.cases]
    results, notes = [], set()
    for sizes, n_samples in cases:
        medians, fastest, missing = measure(sizes, n_samples, turns, budget, found)
        results.append({"sizes": sizes, "n_samples": n_samples, "median": medians, "fastest": fastest})
        notes.update(missing)
    if options.json:
        print(json.dumps({"versions": versions(), "results": results, "notes": sorted(notes)}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in versions().items()))
    print("\n".join(["", table(results, "median"), "", table(results, "fastest"), "", *sorted(notes)]))


if __name__ == "__main__":
    main()
