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


@pytest.mark.slow
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
def test_notebooks_show_scikit_learn_s_diagram(kind):
    import sklearn

    X, y = _samples(kind)
    for model in (kind(alpha=0.5), _pipeline(kind).fit(X, y)):
        html = model._repr_html_()
        assert kind.__name__ in html and html.startswith("<style>")
    with sklearn.config_context(display="text"):
        assert kind()._repr_html_() is None


@both
def test_familiar_parameters_are_searched_and_copied(kind):
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV

    X, y = _samples(kind)
    model = kind(hidden_layer_sizes=3, method="adam", max_iter=4, random_state=0)
    grid = {"alpha": [0.0, 1.0], "batch_size": [8, "auto"], "early_stopping": [True, False]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8 and np.isfinite(search.cv_results_["mean_test_score"]).all()
    partly = kind(random_state=0).partial_fit(X, y, **({} if kind is rn.ReducedRegressor else {"classes": [0, 1]}))
    assert not hasattr(clone(partly), "network_") and clone(partly).get_params() == partly.get_params()


def test_alpha_of_a_standard_network_is_that_of_an_mlp():
    """Both minimise the same function: neither ends below the other by more than their own steps gain."""
    from sklearn.neural_network import MLPRegressor

    X = np.random.default_rng(0).standard_normal((80, 3))
    y = np.sin(X[:, 0]) + X[:, 1]
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()

    def function(weights, predicted):
        return 0.5 * np.mean((predicted - y) ** 2) + 5.0 / (2 * 80) * sum((W**2).sum() for W in weights)

    found = []
    for seed in range(3):
        mlp = MLPRegressor(hidden_layer_sizes=(12,), solver="lbfgs", alpha=5.0, max_iter=3000, tol=1e-9,
                           random_state=seed).fit(X, y)
        own = rn.ReducedRegressor(12, space="standard", alpha=5.0, validation_fraction=0.0, method="lbfgs",
                                  max_iter=3000, random_state=seed).fit(X, y)
        net = own.network_
        found.append((function(mlp.coefs_, mlp.predict(X)),
                      function((*net.weights, net.output_weights), own.predict(X))))
    best_mlp, best_own = np.min(found, axis=0)
    assert abs(best_mlp - best_own) <= 0.01 * best_mlp


@both
def test_classes_of_scikit_learn_are_raised(kind):
    from sklearn.exceptions import DataConversionWarning, NotFittedError

    with pytest.raises(NotFittedError, match=f"This {kind.__name__} instance is not fitted yet"):
        kind().predict([[0.0]])
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        kind(n_steps=1).fit([[0.0], [1.0], [2.0]], [[0], [1], [1]])


@pytest.fixture
def routing():
    """Enable scikit-learn's metadata routing for one test."""
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        yield


def _pipeline(kind):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = kind(hidden_layer_sizes=3, n_steps=3, random_state=0, validation_fraction=0.0)
    return make_pipeline(StandardScaler(), model)


def _samples(kind, n=40):
    X = np.random.default_rng(0).standard_normal((n, 2))
    y = X[:, 0] + X[:, 1] ** 2
    return X, y if kind is rn.ReducedRegressor else y > 0.5


@both
def test_routing_changes_nothing_where_no_metadata_are_given(kind):
    import sklearn
    from sklearn.model_selection import GridSearchCV, cross_val_score

    X, y = _samples(kind)
    found = []
    for enabled in (False, True):
        with sklearn.config_context(enable_metadata_routing=enabled):
            pipeline = _pipeline(kind)
            grid = {f"{kind.__name__.lower()}__bound": ["support", "ball"]}
            search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
            scores = cross_val_score(pipeline, X, y, cv=2, error_score="raise")
            found.append([*scores, *search.cv_results_["mean_test_score"], pipeline.fit(X, y).score(X, y)])
    assert np.isfinite(found).all() and found[0] == found[1]


@both
def test_requested_weights_reach_fit_and_score(kind, routing):
    X, y = _samples(kind)
    weight = np.arange(len(X)) % 3.0
    pipeline = _pipeline(kind)
    pipeline[0].set_fit_request(sample_weight=False)
    pipeline[-1].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    pipeline.fit(X, y, sample_weight=weight)
    own = kind(**pipeline[-1].get_params()).fit(pipeline[0].transform(X), y, sample_weight=weight)
    assert pipeline[-1].network_ == own.network_
    Z = pipeline[0].transform(X)
    assert pipeline.score(X, y, sample_weight=weight) == own.score(Z, y, sample_weight=weight) != own.score(Z, y)


@both
def test_weights_that_are_not_requested_stay_behind_and_unsaid_ones_are_refused(kind, routing):
    from sklearn.exceptions import UnsetMetadataPassedError

    X, y = _samples(kind)
    weight = np.arange(len(X)) % 3.0
    pipeline = _pipeline(kind)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        pipeline.fit(X, y, sample_weight=weight)
    pipeline[0].set_fit_request(sample_weight=True)
    pipeline[-1].set_fit_request(sample_weight=False)
    network = pipeline.fit(X, y, sample_weight=weight)[-1].network_
    Z = pipeline[0].transform(X)  # of weighted means and deviations
    assert network == kind(**pipeline[-1].get_params()).fit(Z, y).network_


@both
def test_requests_are_copied_with_the_estimator_and_pickle(kind, routing):
    import copy

    from sklearn.base import clone

    model = kind().set_fit_request(sample_weight="importance")
    for twin in (clone(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        requests = twin.get_metadata_routing()
        assert requests.fit.requests == {"sample_weight": "importance"}
        assert requests.score.requests == {"sample_weight": None}
    requests.fit.add_request(param="sample_weight", alias=True)  # of a copy
    assert model.set_fit_request().get_metadata_routing().fit.requests == {"sample_weight": "importance"}
    assert kind().get_metadata_routing().fit.requests == {"sample_weight": None}


@both
def test_requests_without_routing_are_refused(kind):
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        kind().set_fit_request(sample_weight=True)
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        kind().set_score_request(sample_weight=True)


def test_routing_without_scikit_learn_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        rn.ReducedRegressor().get_metadata_routing()
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        rn.ReducedRegressor().set_fit_request(sample_weight=True)


@both
def test_meta_estimators_route_weights(kind, routing):
    from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor

    X, y = _samples(kind)
    model = _pipeline(kind)[-1].set_fit_request(sample_weight=True)
    regression = kind is rn.ReducedRegressor
    bagging = (BaggingRegressor if regression else BaggingClassifier)(model, 2, random_state=0)
    voting = (VotingRegressor if regression else VotingClassifier)([("one", model)])
    for ensemble in (bagging, voting):
        ensemble.fit(X, y, sample_weight=np.arange(len(X)) % 3.0 + 1.0)
        assert ensemble.predict(X).shape == y.shape
