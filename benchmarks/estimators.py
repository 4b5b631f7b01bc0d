"""Compare the estimators with scikit-learn's MLPRegressor and MLPClassifier.

scikit-learn's diabetes and digits, repeated random splits (a quarter held out), inputs standardised by the same
pipeline for all. Each contestant is timed in CPU seconds of `fit` on one thread; "restarts" fits anew from other
seeds until the CPU time of the first row on the same split is over (the last fit may take longer), and keeps the
model of the best validation score of its own. Differences to the first row are paired, split by split.

"large" has 100,000 samples of 50 standard normal inputs and two smooth functions of them, 20 neurons each; the
contestants take turns, seed by seed, and R^2 is that of 10,000 other samples.

    OMP_NUM_THREADS=1 python benchmarks/estimators.py --splits 20        # --data diabetes, digits, large
"""
import argparse
import time
import warnings

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import reducednet as rn


def scaled_target(**options):
    """Return what makes MLPRegressors of standardised targets."""
    return lambda seed: TransformedTargetRegressor(
        MLPRegressor(random_state=seed, **options), transformer=StandardScaler())


def kind(estimator, **options):
    """Return what makes estimators of a seed."""
    return lambda seed: estimator(random_state=seed, **options)


DIABETES = {
    "ReducedRegressor()": kind(rn.ReducedRegressor),
    "ReducedRegressor(n_starts=3)": kind(rn.ReducedRegressor, n_starts=3),
    "ReducedRegressor(space='standard')": kind(rn.ReducedRegressor, space="standard"),
    "ReducedRegressor(100)": kind(rn.ReducedRegressor, hidden_layer_sizes=100),
    "MLPRegressor()": kind(MLPRegressor),
    "MLPRegressor(max_iter=2000)": kind(MLPRegressor, max_iter=2000),
    "MLPRegressor(max_iter=2000, early_stopping=True)": kind(MLPRegressor, max_iter=2000, early_stopping=True),
    "the same, targets standardised": scaled_target(max_iter=2000, early_stopping=True),
    "the same, 20 neurons": scaled_target(max_iter=2000, early_stopping=True, hidden_layer_sizes=20),
    "MLPRegressor(), targets standardised": scaled_target(),
    "the same, 20 neurons, L-BFGS, alpha=1":
        scaled_target(max_iter=2000, solver="lbfgs", hidden_layer_sizes=20, alpha=1.0),
    "early stopping, targets standardised, restarts": scaled_target(max_iter=2000, early_stopping=True),
    "RidgeCV(), linear": lambda seed: RidgeCV(np.logspace(-2, 3, 20)),
}
DIGITS = {
    "ReducedClassifier()": kind(rn.ReducedClassifier),
    "ReducedClassifier(space='standard')": kind(rn.ReducedClassifier, space="standard"),
    "ReducedClassifier(50)": kind(rn.ReducedClassifier, hidden_layer_sizes=50),
    "ReducedClassifier(100)": kind(rn.ReducedClassifier, hidden_layer_sizes=100),
    "ReducedClassifier(100, n_steps=40, validation_fraction=0)":
        kind(rn.ReducedClassifier, hidden_layer_sizes=100, n_steps=40, validation_fraction=0),
    "MLPClassifier()": kind(MLPClassifier),
    "MLPClassifier(max_iter=1000)": kind(MLPClassifier, max_iter=1000),
    "MLPClassifier(early_stopping=True)": kind(MLPClassifier, early_stopping=True),
    "MLPClassifier(20)": kind(MLPClassifier, hidden_layer_sizes=20),
    "MLPClassifier(20, max_iter=1000)": kind(MLPClassifier, hidden_layer_sizes=20, max_iter=1000),
    "MLPClassifier(early_stopping=True), restarts": kind(MLPClassifier, early_stopping=True),
    "LogisticRegression(), linear": lambda seed: LogisticRegression(max_iter=1000),
}


def few_steps(method, n_steps):
    """Return this library's and scikit-learn's estimators that make so many steps of a method."""
    ours = {"method": method, "max_iter": n_steps, "validation_fraction": 0.0}
    theirs = {"hidden_layer_sizes": 20, "solver": method, "max_iter": n_steps}
    return {
        f"ReducedRegressor, {method}, {n_steps} steps": kind(rn.ReducedRegressor, **ours),
        f"the same, space='standard', {method}, {n_steps}": kind(rn.ReducedRegressor, space="standard", **ours),
        f"MLPRegressor, {method}, {n_steps} steps": kind(MLPRegressor, **theirs),
    }


LARGE = {
    **few_steps("lbfgs", 20), **few_steps("adam", 5), **few_steps("adam", 20),
    "ReducedRegressor(tol=1e-4, validation_fraction=0)":
        kind(rn.ReducedRegressor, tol=1e-4, validation_fraction=0.0),
    "ReducedRegressor(early_stopping=True)": kind(rn.ReducedRegressor, early_stopping=True),
    "MLPRegressor(20)": kind(MLPRegressor, hidden_layer_sizes=20),
    "MLPRegressor(20, early_stopping=True)": kind(MLPRegressor, hidden_layer_sizes=20, early_stopping=True),
}


def smooth(X):
    """Return sin x_0 + x_1 x_2 + 0.1 (x_3 + ... + x_49)."""
    return np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * X[:, 3:].sum(axis=1)


def ridge(X):
    """Return sin(2 u.x) + max(x_0 + x_1, 0) / 2, with u of falling entries."""
    u = np.linspace(1.0, 0.0, X.shape[1])
    return np.sin(2.0 * X @ (u / np.linalg.norm(u))) + 0.5 * np.maximum(X[:, 0] + X[:, 1], 0.0)


def large_table(function, n_seeds):
    """Print a row a contestant: R^2 on other samples, and CPU time."""
    rng = np.random.default_rng(0)
    X, T = rng.standard_normal((100_000, 50)), rng.standard_normal((10_000, 50))
    found = {label: [] for label in LARGE}
    for seed in range(n_seeds):
        for label, make in LARGE.items():
            model, y = make(seed), function(X)
            began = time.process_time()
            model.fit(X, y)
            seconds = time.process_time() - began
            found[label].append((model.score(T, function(T)), seconds, model.n_iter_))
    print(f"| R^2 of `{function.__name__}`, {n_seeds} seeds | mean (least) | CPU time of fit, s | steps |")
    print("|---" * 4 + "|")
    for label, rows in found.items():
        scores, times, steps = np.transpose(rows)
        print(f"| {label} | {scores.mean():.4f} ({scores.min():.4f}) | {times.mean():.1f} | {steps.mean():.0f} |")


def validation_score(model):
    """Return the score of the samples that the MLP held out itself."""
    model = model.steps[-1][1]
    return getattr(model, "regressor_", model).best_validation_score_


def fitted(make, seed, X, y, budget):
    """Return the fitted pipeline and its CPU time; with a budget, the best of restarts."""
    began, best = time.process_time(), None
    for restart in range(1000):
        model = make_pipeline(StandardScaler(), make(seed + 1000 * restart)).fit(X, y)
        if best is None or validation_score(model) > validation_score(best):
            best = model
        if budget is None or time.process_time() - began >= budget:
            break
    return best, time.process_time() - began


def table(contestants, X, y, n_splits, stratify, score):
    """Print a row a contestant: score, its difference to the first row's, CPU time."""
    print(f"| {score}, {n_splits} splits | mean (standard deviation) | less the first (standard error) "
          "| CPU time of fit, s |")
    print("|---" * 4 + "|")
    first, budgets = None, []
    for label, make in contestants.items():
        scores, times = [], []
        for seed in range(n_splits):
            train, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed, stratify=stratify)
            budget = budgets[seed] if "restarts" in label else None
            model, seconds = fitted(make, seed, X[train], y[train], budget)
            scores.append(model.score(X[test], y[test]))
            times.append(seconds)
        scores = np.array(scores)
        if first is None:
            first, budgets = scores, times
        less = scores - first
        print(f"| {label} | {scores.mean():.4f} ({scores.std(ddof=1):.4f}) | {less.mean():+.4f} "
              f"({less.std(ddof=1) / n_splits**0.5:.4f}) | {np.mean(times):.3f} |", flush=True)


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--data", default="diabetes,digits,large")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # MLPs that end at max_iter
    if "diabetes" in options.data:
        table(DIABETES, *load_diabetes(return_X_y=True), options.splits, None, "R^2 on diabetes")
    if "digits" in options.data:
        X, y = load_digits(return_X_y=True)
        table(DIGITS, X, y, options.splits, y, "accuracy on digits")
    if "large" in options.data:
        for function in (smooth, ridge):
            large_table(function, max(options.splits // 10, 1))


if __name__ == "__main__":
    main()
