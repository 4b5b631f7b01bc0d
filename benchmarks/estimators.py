"""Compare the estimators with scikit-learn's MLPRegressor and MLPClassifier.

scikit-learn's diabetes and digits, repeated random splits (a quarter held out), inputs standardised by the same
pipeline for all. Each contestant is timed in CPU seconds of `fit` on one thread; "restarts" fits anew from other
seeds until the CPU time of the first row on the same split is over (the last fit may take longer), and keeps the
model of the best validation score of its own. Differences to the first row are paired, split by split.

    OMP_NUM_THREADS=1 python benchmarks/estimators.py --splits 20        # --data diabetes, digits
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
    parser.add_argument("--data", default="diabetes,digits")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # MLPs that end at max_iter
    if "diabetes" in options.data:
        table(DIABETES, *load_diabetes(return_X_y=True), options.splits, None, "R^2 on diabetes")
    if "digits" in options.data:
        X, y = load_digits(return_X_y=True)
        table(DIGITS, X, y, options.splits, y, "accuracy on digits")


if __name__ == "__main__":
    main()
