"""Compare test errors at equal CPU time with PyTorch, scikit-learn, geoopt and the best splines.

    OMP_NUM_THREADS=1 python benchmarks/peers.py [--starts 20] [--jobs 1] [--budgets 0.2,1,3]

The problems are those of quality.py. Every contestant trains a network of the same hidden width from its own
customary random start, once a start and budget of CPU seconds; the budget holds loading no library and no
evaluation of test errors. All of it is arranged in the peers' favour: they have an output bias more, and of all
points that PyTorch and geoopt pass at every 50th step the best *test* error counts. reducednet's error is that of
the network of least training loss.
"""
from __future__ import annotations

import argparse
import importlib.util
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count
from time import process_time

import numpy as np
from quality import FRANKE, SIN, data, draw

import reducednet as rn

RATE = 1e-2
CHECK = 50


class Clock:
    """CPU seconds of training."""

    def __init__(self, budget):
        self.budget, self.spent, self._began = budget, 0.0, process_time()

    def stop(self):
        """Leave out what comes until `start`."""
        self.spent += process_time() - self._began

    def start(self):
        """Count again."""
        self._began = process_time()

    @property
    def share(self):
        """Return the share of the budget that is spent."""
        return (self.spent + process_time() - self._began) / self.budget


def varpro(kind, name, seed, budget):
    """Return the test error of variable projection, with rounds until the budget is spent."""
    X, y, X_test, y_test, _ = data(name)
    clock = Clock(budget)
    start = draw(seed, name, kind)
    result = rn.train(start, X, y, "varpro", n_steps=10**6, rounds=10**4, rng=seed,
                      callback=lambda state: clock.share >= 1.0)
    return float(np.mean((result.network(X_test)[:, 0] - y_test) ** 2))


def lbfgs(name, seed, budget):
    """Return the test error of reduced L-BFGS from a natural start, stopped with the budget."""
    X, y, X_test, y_test, _ = data(name)
    clock = Clock(budget)
    result = rn.train(draw(seed, name, "natural"), X, y, "lbfgs", n_steps=10**6,
                      callback=lambda state: clock.share >= 1.0)
    return float(np.mean((result.network(X_test)[:, 0] - y_test) ** 2))


def scikit_learn(name, seed, budget):
    """Return the best test error of scikit-learn's L-BFGS, begun again until the budget is spent."""
    from sklearn.neural_network import MLPRegressor

    X, y, X_test, y_test, _ = data(name)
    width, best, rate, clock = (SIN if name == "sin" else FRANKE)[1], np.inf, 0.0, Clock(budget)
    for begun in count():
        left = (1.0 - clock.share) * budget
        n_steps = int(left / rate) if rate else 20
        if begun and n_steps < 20:
            return best
        began = process_time()
        model = MLPRegressor(hidden_layer_sizes=(width,), solver="lbfgs", max_iter=n_steps, max_fun=10**9,
                             alpha=0.0, tol=1e-12, random_state=1000 * seed + begun).fit(X, y)
        rate = (process_time() - began) / max(model.n_iter_, 1)
        clock.stop()
        best = min(best, float(np.mean((model.predict(X_test) - y_test) ** 2)))
        clock.start()


def torch_model(name, seed, spheres=False):
    """Return PyTorch's network with its own start, and (inputs, target, test inputs) as tensors."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    X, y, X_test, _, _ = data(name)
    width = (SIN if name == "sin" else FRANKE)[1]
    hidden = torch.nn.Linear(X.shape[1], width)
    if spheres:
        import geoopt

        rows = torch.nn.functional.normalize(hidden.weight.data, dim=1)
        hidden.weight = geoopt.ManifoldParameter(rows, manifold=geoopt.Sphere())
    model = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(width, 1))
    return model, torch.tensor(X), torch.tensor(y[:, np.newaxis]), torch.tensor(X_test)


def adam(library, name, seed, budget):
    """Return the best test error on the way of Adam, the rate falling to 0 as a cosine over the budget."""
    import torch

    model, X, y, X_test = torch_model(name, seed, library == "geoopt")
    if library == "geoopt":
        import geoopt

        optimiser = geoopt.optim.RiemannianAdam(model.parameters(), lr=RATE)
    else:
        optimiser = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    y_test, best, clock = data(name)[3], np.inf, Clock(budget)
    for step in count():
        done = clock.share >= 1.0
        if done or step % CHECK == 0:
            clock.stop()
            best = min(best, torch_error(model, X_test, y_test))
            for group in optimiser.param_groups:
                group["lr"] = RATE * 0.5 * (1.0 + np.cos(np.pi * min(clock.spent / budget, 1.0)))
            clock.start()
        if done:
            return best
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(X), y).backward()
        optimiser.step()


def torch_lbfgs(name, seed, budget):
    """Return the best test error on the way of PyTorch's L-BFGS, begun again where it stands still."""
    import torch

    y_test, best, clock = data(name)[3], np.inf, Clock(budget)
    for begun in count():
        model, X, y, X_test = torch_model(name, 1000 * seed + begun)
        optimiser = torch.optim.LBFGS(model.parameters(), max_iter=CHECK, history_size=20, tolerance_change=0.0,
                                      tolerance_grad=1e-10, line_search_fn="strong_wolfe")

        def closure():
            optimiser.zero_grad()
            loss = torch.nn.functional.mse_loss(model(X), y)
            loss.backward()
            return loss

        before = np.inf
        while True:
            loss = float(optimiser.step(closure))
            clock.stop()
            best = min(best, torch_error(model, X_test, y_test))
            clock.start()
            if clock.share >= 1.0:
                return best
            if not loss < before * (1.0 - 1e-6):
                break
            before = loss


def torch_error(model, X_test, y_test):
    """Return the test error of a PyTorch network; inf where it is no number."""
    import torch

    with torch.no_grad():
        error = float(np.mean((model(X_test).numpy()[:, 0] - y_test) ** 2))
    return error if np.isfinite(error) else np.inf


CONTESTANTS = {  # label: (module, function)
    "reducednet, varpro in rounds, natural start": ("reducednet", partial(varpro, "natural")),
    "reducednet, varpro in rounds, greedy start": ("reducednet", partial(varpro, "greedy")),
    "reducednet, reduced L-BFGS, natural start": ("reducednet", lbfgs),
    "scikit-learn, L-BFGS, the best of restarts": ("sklearn", scikit_learn),
    "PyTorch, L-BFGS (strong Wolfe), the best of restarts": ("torch", torch_lbfgs),
    "PyTorch, Adam, cosine": ("torch", partial(adam, "torch")),
    "geoopt, Riemannian Adam, cosine": ("geoopt", partial(adam, "geoopt")),
}


def one(label, name, budget, seed):
    """Return the test error of a contestant; nan where its library does not serve the problem."""
    module, run = CONTESTANTS[label]
    if importlib.util.find_spec(module) is None or (module == "geoopt" and name == "sin"):
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(name, seed, budget)


def spline_limit(n_breakpoints, tries=20):
    """Return the test error of the best continuous piecewise linear fit of sin found."""
    from scipy.optimize import least_squares

    X, y, X_test, y_test, _ = data("sin")

    def columns(x, points):
        return np.column_stack([np.ones(len(x)), x, np.maximum(x - points, 0.0)])

    def residual(points):
        A = columns(X, points)
        return A @ np.linalg.lstsq(A, y, rcond=None)[0] - y

    # breakpoints of the best asymptotic density |f''|^(2/5), moved a little at random
    grid = np.linspace(0.0, 1.0, 2001)
    density = np.cumsum(np.abs(np.sin(4.0 * np.pi * grid)) ** 0.4 + 1e-3)
    even = np.interp(np.arange(1, n_breakpoints + 1) / (n_breakpoints + 1), density / density[-1], grid)
    rng, best = np.random.default_rng(0), (np.inf, even)
    for scale in np.linspace(0.0, 0.03, tries):
        start = np.clip(even + scale * rng.standard_normal(n_breakpoints), 1e-3, 1.0 - 1e-3)
        found = least_squares(residual, start, bounds=(0.0, 1.0), xtol=1e-12, ftol=1e-12)
        best = min(best, (found.cost, tuple(found.x)))
    A = columns(X, np.array(best[1]))
    coefficients = np.linalg.lstsq(A, y, rcond=None)[0]
    return float(np.mean((columns(X_test, np.array(best[1])) @ coefficients - y_test) ** 2))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--budgets", default="0.2,1,3", help="CPU seconds, with commas between")
    options = parser.parse_args()
    budgets = [float(text) for text in options.budgets.split(",")]
    cells = [(name, budget) for name in ("sin", "franke") for budget in budgets]
    headings = [f"{name}, {budget:g} s" for name, budget in cells]
    print(f"| test error, median of {options.starts} (quartiles) | {' | '.join(headings)} |")
    print("|---" * (len(cells) + 1) + "|", flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        for label in CONTESTANTS:
            list(pool.map(partial(one, label, "franke", 0.01), range(2 * options.jobs)))  # libraries are loaded
            row = []
            for name, budget in cells:
                errors = list(pool.map(partial(one, label, name, budget), range(options.starts)))
                low, median, high = np.quantile(errors, [0.25, 0.5, 0.75])
                row.append(f"{median:.1e} ({low:.1e}..{high:.1e})" if np.isfinite(median) else "-")
            print(f"| {label} | {' | '.join(row)} |", flush=True)
    for n_breakpoints in (18, 19, 20):
        error = spline_limit(n_breakpoints)
        print(f"best linear spline found with {n_breakpoints} free breakpoints, sin: {error:.2e}",
              flush=True)


if __name__ == "__main__":
    main()
