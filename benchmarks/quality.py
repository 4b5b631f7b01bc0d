"""Measure test errors of every method from the same starts, against the targets.

    python benchmarks/quality.py [--starts 100] [--jobs 2] [--rows sin,slsqp,...] [--json]

sin: sin(4 pi x) on [0, 1], 200 equispaced samples, 20 neurons; Franke: [0, 1]^2, 500 random samples,
40 neurons; no output bias; test mean squared error on 4000 points; medians over the starts. Set
OMP_NUM_THREADS=1 for one thread a process. PyTorch, scikit-learn and geoopt on the same problems: peers.py.
"""
from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

import reducednet as rn
from reducednet.training import starts

SIN, FRANKE = (1, 20, 1), (2, 40, 1)
FAILURE = 1e-2


def data(name):
    """Return (X, y, X_test, y_test, domain) of "sin" or "franke"."""
    if name == "sin":
        target = rn.targets.sin4pi()
        X, X_test = target.grid(200), target.grid(4000)
    else:
        target, rng = rn.targets.franke(), np.random.default_rng(2018)
        X, X_test = target.sample(500, rng), target.sample(4000, rng)
    return X, target(X), X_test, target(X_test), rn.Box(target.low, target.high)


def standard(network):
    """Return the same network in the standard space."""
    return rn.Network(network.weights, network.thresholds, network.output_weights, network.output_bias,
                      network.activation)


def draw(seed, name, kind):
    """Return the start network of this seed and kind."""
    X, y, _, _, domain = data(name)
    sizes = SIN if name == "sin" else FRANKE
    normal = partial(rn.Network.random, sizes, seed)
    natural = partial(rn.ReducedNetwork.random, sizes, domain, seed)
    return {
        "normal": normal,
        "ball": lambda: rn.reduce(normal(), domain, "ball"),
        "redrawn": lambda: rn.reduce(normal(), domain, "support", "redraw", rng=seed),
        "natural": natural,
        "natural, standard": lambda: standard(natural()),
        "greedy": lambda: starts.greedy(sizes, domain, X, y, seed),
        "binary": lambda: natural(activation="binary"),
    }[kind]()


RUNS = {  # label: (data, start, method, options)
    "sin standard lbfgs": ("sin", "normal", "lbfgs", {}),
    "sin ball lbfgs": ("sin", "ball", "lbfgs", {}),
    "sin redrawn lbfgs": ("sin", "redrawn", "lbfgs", {}),
    "sin standard slsqp": ("sin", "normal", "slsqp", {}),
    "sin ball slsqp": ("sin", "ball", "slsqp", {}),
    "sin natural lbfgs": ("sin", "natural", "lbfgs", {}),
    "sin natural standard lbfgs": ("sin", "natural, standard", "lbfgs", {}),
    "sin natural slsqp": ("sin", "natural", "slsqp", {}),
    "sin natural varpro": ("sin", "natural", "varpro", {}),
    "sin natural varpro, 10 rounds": ("sin", "natural", "varpro", {"rounds": 10}),
    "sin greedy varpro": ("sin", "greedy", "varpro", {}),
    "franke natural lbfgs": ("franke", "natural", "lbfgs", {"n_steps": 500}),
    "franke natural standard lbfgs": ("franke", "natural, standard", "lbfgs", {"n_steps": 500}),
    "franke natural varpro": ("franke", "natural", "varpro", {}),
    "franke natural varpro, 10 rounds": ("franke", "natural", "varpro", {"rounds": 10, "n_steps": 500}),
    "sin binary exchange": ("sin", "binary", "exchange", {}),
    "sin binary surrogate": ("sin", "binary", "surrogate", {"n_steps": 1000}),
}


def one(label, seed):
    """Return (test error, CPU seconds, neurons that no sample activates at the end) of one run."""
    name, kind, method, options = RUNS[label]
    X, y, X_test, y_test, _ = data(name)
    start = draw(seed, name, kind)
    began = time.process_time()
    result = rn.train(start, X, y, method, rng=seed, **options)
    seconds = time.process_time() - began
    inactive = (result.network.pre_activations(X)[0] <= 0.0).all(axis=0).sum()
    return float(np.mean((result.network(X_test)[:, 0] - y_test) ** 2)), seconds, int(inactive)


def gates(m, runs):
    """Return rows (what, target, reached figure, whether) from the medians m by label."""
    failures = {label: float(np.mean([run[0] > FAILURE for run in rows])) for label, rows in runs.items()}
    checks = [
        ("sin, same N(0,1) function: standard / ball, L-BFGS", ">= 5",
         lambda: m["sin standard lbfgs"] / m["sin ball lbfgs"], lambda v: v >= 5),
        ("the same, spare neurons redrawn", ">= 15",
         lambda: m["sin standard lbfgs"] / m["sin redrawn lbfgs"], lambda v: v >= 15),
        ("failures, redrawn", "<= 0.20", lambda: failures["sin redrawn lbfgs"], lambda v: v <= 0.2),
        ("failures, standard", ">= 0.55", lambda: failures["sin standard lbfgs"], lambda v: v >= 0.55),
        ("sin, same function: standard / ball, SLSQP", ">= 15",
         lambda: m["sin standard slsqp"] / m["sin ball slsqp"], lambda v: v >= 15),
        ("sin, natural start, support, L-BFGS", "<= 1.5e-3", lambda: m["sin natural lbfgs"],
         lambda v: v <= 1.5e-3),
        ("failures of that", "0", lambda: failures["sin natural lbfgs"], lambda v: v == 0),
        ("dead neurons at its end, all starts", "0",
         lambda: sum(run[2] for run in runs["sin natural lbfgs"]), lambda v: v == 0),
        ("sin, natural start, support, SLSQP", "<= 5e-4", lambda: m["sin natural slsqp"], lambda v: v <= 5e-4),
        ("sin, varpro", "<= 2.2e-4", lambda: m["sin natural varpro"], lambda v: v <= 2.2e-4),
        ("sin, greedy start and varpro", "<= 8e-5", lambda: m["sin greedy varpro"], lambda v: v <= 8e-5),
        ("Franke, natural start, support, L-BFGS", "<= 1.7e-4", lambda: m["franke natural lbfgs"],
         lambda v: v <= 1.7e-4),
        ("Franke: standard from the same start / that", ">= 1.3",
         lambda: m["franke natural standard lbfgs"] / m["franke natural lbfgs"], lambda v: v >= 1.3),
        ("Franke, varpro with redrawing (10 rounds)", "<= 8e-5",
         lambda: m["franke natural varpro, 10 rounds"], lambda v: v <= 8e-5),
        ("sin, binary, exchange", "<= 9.3e-3", lambda: m["sin binary exchange"], lambda v: v <= 9.3e-3),
    ]
    rows = []
    for what, target, figure, reached in checks:
        try:
            value = figure()
        except KeyError:
            continue
        rows.append((what, target, value, bool(reached(value))))
    return rows


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", default="", help="only runs whose label holds one of these words (commas)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    words = [word for word in options.rows.split(",") if word]
    labels = [label for label in RUNS if not words or any(word in label for word in words)]
    runs = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for label in labels:
            runs[label] = list(pool.map(partial(one, label), range(options.starts), chunksize=2))
            errors, seconds = (np.array([run[i] for run in runs[label]]) for i in (0, 1))
            low, median, high = np.quantile(errors, [0.25, 0.5, 0.75])
            print(f"{label:36s} median {median:.2e}  quartiles {low:.1e} .. {high:.1e}  worst {errors.max():.1e}  "
                  f"failures {np.mean(errors > FAILURE):4.0%}  CPU {np.median(seconds):.2f} s", flush=True)
    medians = {label: float(np.median([run[0] for run in rows])) for label, rows in runs.items()}
    print()
    table = gates(medians, runs)
    for what, target, value, reached in table:
        print(f"{what:52s} target {target:10s} measured {value:9.3g}  {'reached' if reached else 'NOT REACHED'}")
    if options.json:
        print(json.dumps({"starts": options.starts, "medians": medians, "gates": table}, indent=1))


if __name__ == "__main__":
    main()
