"""Draw the figures of THEORY.md: `python docs/figures.py` writes them to docs/figures/.

Each function draws one figure and is named as its file. The same versions of Matplotlib and NumPy
write the same files, so that a changed file means a changed picture.
"""
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import reducednet as rn

relu = rn.activations.relu
DRAWING = {
    "svg.hashsalt": "reducednet",  # names within the file do not depend on the clock
    "svg.fonttype": "none",        # text stays text: small files, which can be searched
    "font.size": 9,
    "lines.linewidth": 1.8,
}


def one_neuron() -> Figure:
    """Section 1: one neuron s(x + b) on [0, 1], dead, unstable and always on."""
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.3), sharey=True, layout="constrained")
    beyond, domain = np.linspace(-1, 2, 4), np.array([0.0, 1.0])
    for ax, b, name in zip(axes, (-1.5, -0.5, 0.5), ("dead", "unstable", "always on")):
        ax.axvspan(0, 1, color="C2", alpha=0.12)
        everywhere = np.sort(np.append(beyond, -b))  # the breakpoint is at -b
        ax.plot(everywhere, relu(everywhere + b), "--", color="0.65", linewidth=1)
        inside = np.sort(np.append(domain, np.clip(-b, 0, 1)))
        ax.plot(inside, relu(inside + b), linewidth=3)
        ax.set(title=f"b = {b}: {name}", xlabel="x", ylim=(-0.1, 1.6))
    axes[0].set_ylabel("s(x + b)")
    return figure


def thresholds() -> Figure:
    """Section 2: the thresholds that matter on the unit square, by the direction of the weights."""
    square = rn.Box([0, 0], [1, 1])
    angle = np.linspace(-np.pi, np.pi, 181)
    directions = np.column_stack([np.cos(angle), np.sin(angle)])
    low, high = -square.support(directions), square.support(-directions)

    figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    ax.fill_between(angle, low, high, alpha=0.4, label="unstable: low(w) < b < high(w)")
    ax.fill_between(angle, -2.2, low, color="0.85", label="dead")
    ax.fill_between(angle, high, 2.2, color="0.95", label="always on")
    radius = square.norm_bound
    ax.hlines([-radius, radius], -np.pi, np.pi, "C1", "--", label="$\\pm X_B$")
    example = np.arctan2(0.8, 0.6)
    ax.plot([example, example], [-1.4, 0], "k", linewidth=2, label="I(w) for w = (0.6, 0.8)")
    ax.set(xlabel="angle of w", ylabel="threshold b", xlim=(-np.pi, np.pi), ylim=(-2.2, 3.4))
    ax.set_xticks([-np.pi, -np.pi / 2, 0, np.pi / 2, np.pi],
                  ["$-\\pi$", "$-\\pi/2$", "0", "$\\pi/2$", "$\\pi$"])
    ax.legend(loc="upper left", ncols=2, fontsize="small")
    return figure


def two_for_one() -> Figure:
    """Section 3: a pair of neurons that are always on adds up to a constant, or to x + 2."""
    x = np.array([-1.0, 1.0])
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    parts = (1, 1, "the constant 2"), (1.5, 0.5, "x + 2")
    for ax, (A, B, name) in zip(axes, parts):
        up, down = A * relu(x + 1), B * relu(1 - x)
        ax.plot(x, up, label=f"{A:g} s(x + 1)")
        ax.plot(x, down, "--", label=f"{B:g} s(-x + 1)")
        ax.plot(x, up + down, "k", linewidth=3, label=f"their sum: {name}")
        ax.set(xlabel="x", ylim=(0, 4.2))
        ax.legend(fontsize="small")
    return figure


def mapping() -> Figure:
    """Section 3: the neurons of a 1-20-1 network before and after `reduce`."""
    network, box = rn.Network.random((1, 20, 1), rng=2), rn.Box(0, 1)
    reduced = rn.reduce(network, box)
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
    shown = zip(axes, (network, reduced), ("before reduce", "after reduce"))
    for ax, one, name in shown:
        for w, low, high in ((1, -1, 0), (-1, 0, 1)):
            label = "the reduced space" if w == 1 else None
            ax.plot([w, w], [low, high], color="C2", linewidth=9, alpha=0.35, label=label)
        ax.plot(one.weights[0][:, 0], one.thresholds[0], "o", markersize=4, label="neurons")
        ax.set(title=f"{name}: {one.sizes[1]} neurons", xlabel="w", xlim=(-4, 4))
    axes[0].set_ylabel("b")
    axes[0].legend(loc="upper right", fontsize="small")
    return figure


def deep_intervals() -> Figure:
    """Section 3: mean lengths of the intervals of deep layers, by norms and by boxes."""
    square = rn.Box([0, 0], [1, 1])
    deep = rn.Network.random((2, 10, 10, 10, 10, 1), rng=0, output_bias=True)
    layers = np.arange(1, 5)
    figure, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
    for bound, style in (("ball", "o-"), ("support", "s--")):
        intervals = rn.reduce(deep, square, bound).intervals
        lengths = [np.mean(ends[:, 1] - ends[:, 0]) for ends in intervals]
        ax.semilogy(layers, lengths, style, label=f'bound="{bound}"')
    ax.set(xlabel="hidden layer", ylabel="mean length of I(w)", xticks=layers)
    ax.legend()
    return figure


def sphere_step() -> Figure:
    """Section 4: a gradient and its tangent part; a tangent step, retracted in two ways."""
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 121))
    w, gradient = np.array([[0.6, 0.8]]), np.array([[1.0, 0.5]])
    tangent = rn.sphere.project(w, gradient)
    step = 1.2 * np.array([[0.8, -0.6]])
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 4.3), layout="constrained")
    for ax in axes:
        ax.plot(circle.real, circle.imag, color="0.7", linewidth=1)
        ax.plot(*w[0], "ko", label="w")
        ax.set(aspect="equal", xlim=(-1.15, 1.8), ylim=(-1.15, 1.5))
        ax.set(xlabel="$w_1$", ylabel="$w_2$")
    for v, style, name in ((gradient, "-", "gradient G"), (tangent, "--", "tangent part PG")):
        axes[0].plot(*np.concatenate([w, w + v]).T, style, marker=".", label=name)
    axes[1].plot(*np.concatenate([w, w + step, [[0, 0]]]).T, "k:", linewidth=1)
    points = (w + step, "v", "the plain step"), (rn.sphere.retract(w, step), "s", "retraction"), \
        (rn.sphere.exponential(w, step), "^", "exponential map")
    for point, marker, name in points:
        axes[1].plot(*point[0], marker, markersize=7, label=name)
    for ax in axes:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, fontsize="small")
    return figure


def one_function() -> Figure:
    """Section 5: two networks of different neurons that are one function on [0, 1]."""
    box = rn.Box(0, 1)
    f = rn.Network([[[1.0]]], [[-0.5]], [[1.0]], [0.0])
    g = rn.Network([[[-2.0], [3.0]]], [[1.0, 0.0]], [[1 / 2, 1 / 3]], [-0.5])
    x = np.array([0.0, 0.5, 1.0])
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
    for ax, network in zip(axes, (f, g)):
        rn.plotting.network(network, box, ax)
        ax.set(xlabel="x", ylim=(-0.6, 1.1))
    axes[0].set(title="f(x) = s(x - 1/2)", ylabel="")
    axes[1].set(title="g(x) = s(-2x + 1) / 2 + s(3x) / 3 - 1/2", ylabel="")
    terms = relu(1 - 2 * x) / 2, relu(3 * x) / 3, np.full(3, -0.5)
    for term, style, name in zip(terms, ("--", "-.", ":"), ("s(-2x + 1) / 2", "s(3x) / 3", "-1/2")):
        axes[1].plot(x, term, style, linewidth=1.2, label=name)
    for ax in axes:
        ax.legend(loc="upper left", fontsize="small")
    return figure


def stairs() -> Figure:
    """Section 1: a binary network of three neurons."""
    network = rn.Network([[[1.0], [1.0], [-1.0]]], [[-0.2, -0.5, 0.8]], [[1.0, 2.0, 1.0]],
                         activation="binary")
    figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
    rn.plotting.network(network, rn.Box(0, 1), ax)
    return figure


FIGURES = (one_neuron, stairs, thresholds, two_for_one, mapping, deep_intervals, sphere_step,
           one_function)


def draw(folder: Path) -> list[Path]:
    """Write all figures to the folder, and return the files' paths."""
    written = []
    for figure in FIGURES:
        with plt.rc_context(DRAWING):
            path = folder / f"{figure.__name__}.svg"
            drawn = figure()
            drawn.savefig(path, metadata={"Date": None})
            plt.close(drawn)
        # Matplotlib ends some lines of a path with a space
        lines = [line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    plt.switch_backend("svg")
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "figures")
