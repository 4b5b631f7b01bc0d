"""scikit-learn's own checks of the estimators, all of them, and their place among its tools."""
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import reducednet as rn

pytest.importorskip("sklearn", minversion="1.6")

BOTH = [rn.ReducedRegressor, rn.ReducedClassifier]
both = pytest.mark.parametrize("kind", BOTH)


@both
def test_every_check_of_scikit_learn_is_passed_and_none_is_skipped(kind):
    pytest.importorskip("pandas")
    code = (
        "import reducednet\nfrom sklearn.utils.estimator_checks import check_estimator\n"
        f"results = check_estimator(reducednet.{kind.__name__}(), on_fail='raise', on_skip=None)\n"
        "print(len(results), *(result['check_name'] for result in results if result['status'] != 'passed'))\n"
    )
    # without SCIPY_ARRAY_API, which SciPy reads once, one check would be skipped
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": str(pathlib.Path(rn.__file__).parents[1])}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert found.returncode == 0, found.stderr
    number, *others = found.stdout.split()
    assert int(number) >= 50 and not others


def test_kinds_are_told_apart():
    from sklearn.base import is_classifier, is_regressor

    assert is_regressor(rn.ReducedRegressor()) and is_classifier(rn.ReducedClassifier())


@both
def test_clone_has_the_same_parameters(kind):
    from sklearn.base import clone

    model = kind(hidden_layer_sizes=(3, 2), domain=rn.Box([0, 0], [1, 1]), n_steps=5, random_state=3)
    assert repr(clone(model)) == repr(model) and clone(model).domain == model.domain


def test_grid_search_in_a_pipeline_finds_parameters():
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), rn.ReducedRegressor(random_state=0, n_steps=20))
    grid = {"reducedregressor__hidden_layer_sizes": [2, (4, 3)], "reducedregressor__bound": ["support", "ball"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 4 and search.best_score_ > 0.3  # linear models have 0.48


def test_cross_validation_and_pickle():
    from sklearn.datasets import load_iris
    from sklearn.model_selection import cross_val_score

    X, y = load_iris(return_X_y=True)
    assert cross_val_score(rn.ReducedClassifier(random_state=0), X, y, cv=3, error_score="raise").min() > 0.9
    model = rn.ReducedClassifier(random_state=0, n_steps=5).fit(X, y)
    same = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(same.predict_proba(X), model.predict_proba(X))


@both
def test_classes_of_scikit_learn_are_raised(kind):
    from sklearn.exceptions import DataConversionWarning, NotFittedError

    with pytest.raises(NotFittedError, match=f"This {kind.__name__} instance is not fitted yet"):
        kind().predict([[0.0]])
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        kind(n_steps=1).fit([[0.0], [1.0], [2.0]], [[0], [1], [1]])
