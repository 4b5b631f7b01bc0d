"""Measure proofs about pruned, quantised, retrained and permuted copies of trained networks.

    python benchmarks/frontier.py [--groups trained,reludiff,...] [--time-limit 60] [--solvers] [--json]
    python benchmarks/frontier.py --instances instances.csv [--time-limit 100]

Groups: "trained", networks of one and two hidden layers that scikit-learn trains here on its own data,
with a fixed seed, against changed copies of themselves; "top1", a digits classifier against its float16
and int8 copies; and, from the folder REDUCEDNET_NETS, "reludiff", "nnequiv", "isomorphic" and "mnist".
`--solvers` also asks scipy.optimize.milp, and Marabou where maraboupy is installed.
`--instances` asks every line of a category: one or two network files, a VNN-LIB file, a time limit.

"bound / gap" is the proved bound over the largest difference found: 1 is the truth. Seconds are CPU time
of one call after one small call. Set OMP_NUM_THREADS=1 for one thread.
"""
from __future__ import annotations

import argparse
import csv
import json
import os
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

import reducednet as rn
import verification_cases as cases
from verification_solvers import solvers

NETS = Path(os.environ.get("REDUCEDNET_NETS", cases.ROOT / ".." / "shared" / "nets"))


class Question(NamedTuple):
    """Ask whether |f - g| <= eps on the domain, or (eps None) whether both have the same largest output."""

    name: str
    f: rn.Network
    g: rn.Network
    domain: rn.Box
    eps: float | None


# trained networks


def samples(n_inputs):
    """Return (X, y) of scikit-learn's data with this number of inputs, all scaled to [0, 1]."""
    from sklearn import datasets

    if n_inputs == 64:
        X, y = datasets.load_digits(return_X_y=True)
    elif n_inputs == 16:  # digits of 4 x 4 pixels: means of four
        X, y = datasets.load_digits(return_X_y=True)
        X = X.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    elif n_inputs > 10:
        X, y = datasets.load_breast_cancer(return_X_y=True)
    else:
        X, y = datasets.load_diabetes(return_X_y=True)
    X = X[:, :n_inputs]
    low, width = X.min(axis=0), np.ptp(X, axis=0)
    width[width == 0.0] = 1.0  # a pixel of the margin
    return (X - low) / width, (y - y.min()) / np.ptp(y)


def trained(sizes, steps=200):
    """Return scikit-learn's network of these sizes after some passes, and that after ten more."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    X, y = samples(sizes[0])
    mlp = MLPRegressor(hidden_layer_sizes=sizes[1:-1], max_iter=steps, random_state=0, learning_rate_init=0.003)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, y)
    network = rn.from_sklearn(mlp)
    for _ in range(10):
        mlp.partial_fit(X, y)
    return network, rn.from_sklearn(mlp)


def rebuilt(network, change):
    """Return the network with every array of parameters changed by a function."""
    bias = network.output_bias
    return rn.Network(
        [change(W) for W in network.weights], [change(b) for b in network.thresholds],
        change(network.output_weights), None if bias is None else change(bias),
    )


def float16(network):
    """Return the network with parameters rounded to 16 bits."""
    return rebuilt(network, lambda values: values.astype(np.float16).astype(float))


def int8(network):
    """Return the network with each array rounded to 255 steps of its largest absolute value."""
    def rounded(values):
        step = np.abs(values).max() / 127.0 or 1.0
        return np.round(values / step) * step

    return rebuilt(network, rounded)


def noisy(network, relative=0.01, seed=0):
    """Return the network with each parameter changed by a hundredth, normally distributed."""
    return cases.perturbed(network, relative, np.random.default_rng(seed))


def pruned(network, share):
    """Return the network without the neurons of each layer that matter least.

    A neuron counts by its largest activation at 1000 points times its outgoing weights' norm.
    """
    X = np.random.default_rng(0).random((1000, network.n_inputs))
    weights, thresholds = list(network.weights), list(network.thresholds)
    outgoing = [*weights[1:], network.output_weights]
    kept_below = np.arange(network.n_inputs)
    kept_layers = []
    for Z, W_next in zip(network.pre_activations(X), outgoing):
        scores = np.maximum(Z, 0.0).max(axis=0) * np.linalg.norm(W_next, axis=0)
        kept_layers.append(np.sort(np.argsort(scores)[int(share * len(scores)):]))
    for layer, kept in enumerate(kept_layers):
        weights[layer] = weights[layer][kept][:, kept_below]
        thresholds[layer] = thresholds[layer][kept]
        kept_below = kept
    return rn.Network(weights, thresholds, network.output_weights[:, kept_below], network.output_bias)


def shuffled(network, seed=0):
    """Return the same function with the neurons of each layer in another order."""
    rng = np.random.default_rng(seed)
    weights, thresholds, below = [], [], np.arange(network.n_inputs)
    for W, b in zip(network.weights, network.thresholds):
        order = rng.permutation(len(b))
        weights.append(W[order][:, below])
        thresholds.append(b[order])
        below = order
    return rn.Network(weights, thresholds, network.output_weights[:, below], network.output_bias)


SIZES = {
    (5, 30, 1): (1.1, 1.5), (6, 50, 1): (1.1,), (8, 50, 1): (1.1,), (10, 50, 1): (1.5, 2.0),
    (16, 50, 1): (1.5, 2.0, 3.0), (30, 50, 1): (3.0,), (64, 50, 1): (3.0,),
    (5, 32, 32, 1): (1.2,), (8, 32, 32, 1): (2.0, 3.0), (16, 32, 32, 1): (5.0,), (10, 50, 50, 1): (1.5, 5.0),
}
"""Layer sizes, and the multiples of the largest difference found that are asked for."""


def trained_questions():
    """Yield each trained network against its changed copies, in order and permuted."""
    for sizes, multiples in SIZES.items():
        network, tuned = trained(sizes)
        domain = rn.Box(np.zeros(sizes[0]), np.ones(sizes[0]))
        copies = {
            "float16": float16(network), "int8": int8(network), "1 % noise": noisy(network),
            "fine-tuned": tuned, "pruned 10 %": pruned(network, 0.1), "pruned 30 %": pruned(network, 0.3),
        }
        for change, changed in copies.items():
            gap = cases.sampled_difference(network, changed, domain, np.random.default_rng(0))
            for multiple in multiples:
                name = f"{'-'.join(map(str, sizes))}, {change}, {multiple:g} x"
                yield Question(name, network, changed, domain, multiple * gap)
                yield Question(name + ", permuted", network, shuffled(changed), domain, multiple * gap)


def top1_questions():
    """Yield a digits classifier against its copies, near ten images."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp = MLPClassifier(hidden_layer_sizes=(32,), max_iter=200, random_state=0)
        network = rn.from_sklearn(mlp.fit(X[:1200], y[:1200]))
    for number in range(1200, 1210):
        domain = rn.Box(np.maximum(X[number] - 1 / 16, 0.0), np.minimum(X[number] + 1 / 16, 1.0))
        small, _ = rn.compress(network, domain)
        for name, changed in {"float16": float16(network), "int8": int8(network), "compressed": small}.items():
            yield Question(f"digits 64-32-10, image {number}, {name}", network, changed, domain, None)


# pairs of others


def pair_file(name):
    return rn.load(NETS / "pairs" / f"{name}.onnx")


REDUCED_BOX = rn.Box([0.6, -0.5, -0.5, 0.45, -0.5], [0.679858, 0.5, 0.5, 0.5, -0.45])
"""Property 1 of ACAS Xu in the networks' own units."""
PROPERTIES = {
    "p1": ([55947.691, -3.141592, -3.141592, 1145, 0], [60760, 3.141592, 3.141592, 1200, 60]),
    "p3": ([1500, -0.06, 3.10, 980, 960], [1800, 0.06, 3.141592, 1200, 1200]),
    "p4": ([1500, -0.06, 0, 1000, 700], [1800, 0.06, 0, 1200, 800]),
    "p5": ([250, 0.2, -3.1415926, 100, 0], [400, 0.4, -3.1365926, 400, 400]),
}
"""Of ReluDiff's questions, in physical units."""
MEANS = np.array([19791.091, 0.0, 0.0, 650.0, 600.0])
RANGES = np.array([60261.0, 6.28318530718, 6.28318530718, 1100.0, 1200.0])
"""Of the inputs of the ACAS Xu networks, as their files state."""


def reludiff_questions():
    """Yield the two ACAS Xu networks that are at hand against their 16-bit copies, eps .05."""
    for name, asked in (("1_1", ("p1", "p3", "p4", "p5")), ("3_3", ("p1", "p3", "p4", "p5"))):
        network = rn.load(NETS / f"acasxu_{name}.nnet")
        for key in asked:
            low, high = ((np.array(end) - MEANS) / RANGES for end in PROPERTIES[key])
            yield Question(f"ACAS {name} {key}, 16 bits", network, float16(network), rn.Box(low, high), 0.05)


def nnequiv_questions():
    """Yield NNEquiv's pairs of ACAS Xu networks, eps .05 and .005."""
    for name in ("nnequiv_1_1-retrain", "nnequiv_1_1-student"):
        f, g = pair_file(name), pair_file(f"{name}-mirror")
        for eps in (0.05, 0.005):
            yield Question(f"{name}, eps {eps}", f, g, REDUCED_BOX, eps)


def isomorphic_questions():
    """Yield pruned pairs of the category isomorphic_acasxu, eps .05."""
    domain = rn.Box([0.6, -0.5, -0.5, 0.45, -0.45], [0.679857769, 0.5, 0.5, 0.5, -0.45])
    for name, changed in (("iso_1_1", "pruned30"), ("iso_1_1", "pruned5"), ("iso_3_1", "pruned5")):
        yield Question(f"{name} / {changed}", pair_file(name), pair_file(f"{name}_{changed}"), domain, 0.05)


def mnist_questions():
    """Yield NNEquiv's pairs of classifiers near an image: the same largest output?"""
    centre = np.loadtxt(NETS / "pairs" / "mnist8x8_centres.csv", delimiter=",")[0]
    domain = rn.Box(np.maximum(centre - 0.7, 0.0), np.minimum(centre + 0.7, 16.0))
    for name in ("nnequiv_mnist8x8_student_36_10", "nnequiv_mnist8x8_student_12_12_12_10"):
        yield Question(name, pair_file(name), pair_file(f"{name}-mirror"), domain, None)


GROUPS = {
    "trained": trained_questions, "top1": top1_questions, "reludiff": reludiff_questions,
    "nnequiv": nnequiv_questions, "isomorphic": isomorphic_questions, "mnist": mnist_questions,
}


# asking


def ask(question, time_limit):
    """Return one line of the table."""
    target = {"target": "top1"} if question.eps is None else {"eps": question.eps}
    began = time.process_time()
    verdict = rn.verify(question.f, question.g, question.domain, time_limit=time_limit, **target)
    seconds = time.process_time() - began
    ratio = verdict.bound / verdict.gap if question.eps is not None and verdict.gap else None
    stages = {stage.name: round(stage.seconds, 2) for stage in verdict.stages if stage.seconds >= 0.01}
    return {"question": question.name, "status": verdict.status, "bound / gap": ratio,
            "seconds": seconds, "by": verdict.method, "stages": stages,
            "certificate": verdict.certificate is not None}


def ask_solvers(question, time_limit):
    """Return what other solvers say of |f - g| <= eps, with their seconds."""
    found = {}
    for name, solver in solvers().items():
        if name != "reducednet":
            answer = solver(question.f, question.g, question.domain, question.eps, time_limit=time_limit)
            found[name] = f"{answer.status} ({answer.seconds:.1f} s)"
    return found


def show(line):
    """Print a line of the table."""
    ratio = "" if line["bound / gap"] is None else f"{line['bound / gap']:.3g}"
    stages = ", ".join(f"{name} {seconds}" for name, seconds in line["stages"].items())
    others = "".join(f" | {name}: {answer}" for name, answer in line.get("solvers", {}).items())
    print(f"{line['question']:48s} | {line['status']:14s} | {ratio:6s} | {line['seconds']:7.2f} s | "
          f"{line['by']} | {stages}{others}", flush=True)


def instances(path, time_limit):
    """Ask every line of an instances.csv by the command line, as a category's runner would."""
    from reducednet.cli.main import main

    with open(path, newline="", encoding="utf-8") as file:
        for *networks, property_file, seconds in csv.reader(file):
            limit = min(time_limit, float(seconds))
            files = [str(Path(path).parent / name.strip()) for name in (property_file, *networks)]
            print(" ".join(name.strip() for name in networks), property_file, flush=True)
            main(["verify", "--vnnlib", *files, "--time-limit", str(limit)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--groups", default=",".join(GROUPS), help="some of " + ", ".join(GROUPS))
    parser.add_argument("--only", default="", help="only questions whose name contains this")
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--solvers", action="store_true")
    parser.add_argument("--instances", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.instances:
        return instances(options.instances, options.time_limit)
    small = rn.Network.random((2, 3, 1), rng=0)
    rn.verify(small, small, cases.box(2))
    lines = []
    for group in options.groups.split(","):
        for question in GROUPS[group]():
            if options.only not in question.name:
                continue
            line = ask(question, options.time_limit)
            if options.solvers and question.eps is not None:
                line["solvers"] = ask_solvers(question, options.time_limit)
            lines.append(line)
            if not options.json:
                show(line)
    if options.json:
        print(json.dumps(lines, indent=1))
    return None


if __name__ == "__main__":
    main()
