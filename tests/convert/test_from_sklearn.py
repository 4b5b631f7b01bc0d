"""Pipelines of scalers and an MLP: scikit-learn's own predictions, rationals, and refusals."""
import warnings
from fractions import Fraction

import numpy as np
import pytest
from oracles.assertions import assert_close
from oracles.converted import samples_of

import reducednet as rn
from reducednet.numerics.rounding import gamma

preprocessing = pytest.importorskip("sklearn.preprocessing")
pipelines = pytest.importorskip("sklearn.pipeline")
neural_network = pytest.importorskip("sklearn.neural_network")


def scalers():
    """Return every scaler that is accepted, with its options."""
    p = preprocessing
    return [
        p.StandardScaler(), p.StandardScaler(with_mean=False), p.StandardScaler(with_std=False),
        p.MinMaxScaler((-3.0, 2.0)), p.MaxAbsScaler(), p.RobustScaler(),
        p.RobustScaler(with_centering=False), p.RobustScaler(with_scaling=False),
        "passthrough", None, p.StandardScaler(with_mean=False, with_std=False),
    ]


def fitted(*steps, y=None, last):
    """Return a pipeline of the steps and an MLP, and its samples."""
    X = 5.0 + 3.0 * samples_of((3,), 60)
    pipeline = pipelines.make_pipeline(*steps, last)
    with warnings.catch_warnings(action="ignore"):
        return pipeline.fit(X, X[:, 0] if y is None else y), X


def unfitted(kind):
    return kind(hidden_layer_sizes=(6,), max_iter=20, random_state=0)


def magnitudes(pipeline, X):
    """Return the sum of absolute values of all terms of a prediction, one for each sample."""
    mlp, factor, shift = pipeline[-1], np.ones(3), np.zeros(3)
    for step in pipeline[:-1]:
        if isinstance(step, str) or step is None:
            continue
        origin = np.abs(step.transform(np.zeros((1, 3))))[0]
        slope = np.abs(step.transform(np.ones((1, 3)))[0] - step.transform(np.zeros((1, 3)))[0])
        factor, shift = factor * slope, slope * shift + origin
    hidden = (np.abs(X) * factor + shift) @ np.abs(mlp.coefs_[0]) + np.abs(mlp.intercepts_[0])
    return hidden @ np.abs(mlp.coefs_[1]) + np.abs(mlp.intercepts_[1])


@pytest.mark.parametrize("number", range(11))
def test_pipeline_and_its_network_predict_the_same(number):
    pipeline, X = fitted(scalers()[number], last=unfitted(neural_network.MLPRegressor))
    net = rn.from_sklearn(pipeline)
    # scaler, 3 inputs, 6 neurons: below 20 roundings on each side
    allowed = gamma(64) * magnitudes(pipeline, X)[:, 0]
    assert_close(net(X)[:, 0], pipeline.predict(X), allowed, "prediction")


def test_several_scalers_and_nested_pipelines_are_applied_in_order():
    p = preprocessing
    inner = pipelines.make_pipeline(p.MinMaxScaler(), p.StandardScaler())
    mlp = unfitted(neural_network.MLPRegressor)
    pipeline, X = fitted(p.RobustScaler(), inner, p.MaxAbsScaler(), last=mlp)
    flat = pipelines.make_pipeline(pipeline[0], *inner, pipeline[2], mlp)
    allowed = gamma(128) * magnitudes(flat, X)[:, 0]
    assert_close(rn.from_sklearn(pipeline)(X)[:, 0], pipeline.predict(X), allowed, "prediction")
    assert rn.from_sklearn(flat) == rn.from_sklearn(pipeline)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier_s_scores_order_the_classes(n_classes):
    y = np.arange(60) % n_classes
    pipeline, X = fitted(preprocessing.StandardScaler(), y=y,
                         last=unfitted(neural_network.MLPClassifier))
    outputs = rn.from_sklearn(pipeline)(X)
    predicted = outputs.argmax(axis=1) if n_classes == 3 else (outputs[:, 0] > 0).astype(int)
    np.testing.assert_array_equal(predicted, pipeline.predict(X))


@pytest.mark.parametrize("kind", ["StandardScaler", "MinMaxScaler"])
def test_first_layer_is_within_the_error_that_the_docstring_says(kind):
    pipeline, _ = fitted(getattr(preprocessing, kind)(), last=unfitted(neural_network.MLPRegressor))
    scaler, mlp = pipeline[0], pipeline[-1]
    net, n = rn.from_sklearn(pipeline), 3
    scale = [Fraction(float(value)) for value in scaler.scale_]
    if kind == "StandardScaler":
        factor = [1 / value for value in scale]
        shift = [-Fraction(float(m)) / value for m, value in zip(scaler.mean_, scale)]
    else:
        factor, shift = scale, [Fraction(float(value)) for value in scaler.min_]
    for j in range(6):
        V = [Fraction(float(value)) for value in mlp.coefs_[0][:, j]]
        b = Fraction(float(mlp.intercepts_[0][j]))
        for i in range(n):
            exact = V[i] * factor[i]
            assert abs(Fraction(float(net.weights[0][j, i])) - exact) <= Fraction(gamma(2)) * abs(exact)
        exact = b + sum(v * t for v, t in zip(V, shift))
        size = abs(b) + sum(abs(v * t) for v, t in zip(V, shift))
        assert abs(Fraction(float(net.thresholds[0][j])) - exact) <= Fraction(gamma(n + 3)) * size


def test_nothing_rounds_where_the_numbers_are_short():
    X = 8.0 + 4.0 * np.array([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    mlp = neural_network.MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, random_state=0)
    pipeline = pipelines.make_pipeline(preprocessing.StandardScaler(), mlp)
    with warnings.catch_warnings(action="ignore"):
        pipeline.fit(X, X[:, 0])
    assert pipeline[0].mean_.tolist() == [8.0, 8.0] and pipeline[0].scale_.tolist() == [4.0, 4.0]
    mlp.coefs_ = [np.round(W * 64.0) / 64.0 for W in mlp.coefs_]
    mlp.intercepts_ = [np.round(b * 64.0) / 64.0 for b in mlp.intercepts_]
    np.testing.assert_array_equal(rn.from_sklearn(pipeline)(X)[:, 0], pipeline.predict(X))


def test_other_steps_are_refused_by_name():
    pipeline, _ = fitted(preprocessing.QuantileTransformer(n_quantiles=10),
                         last=unfitted(neural_network.MLPRegressor))
    with pytest.raises(TypeError, match=r"`mlp\['quantiletransformer'\]` must be one of .*StandardScaler"
                                        r".* before the MLP, got QuantileTransformer\(.*apply it"):
        rn.from_sklearn(pipeline)


def test_a_scaler_that_clips_is_refused():
    pipeline, _ = fitted(preprocessing.MinMaxScaler(clip=True),
                         last=unfitted(neural_network.MLPRegressor))
    with pytest.raises(ValueError, match="must be a scaler without clip=True"):
        rn.from_sklearn(pipeline)


def test_a_scaler_with_a_transform_of_its_own_is_refused():
    class Scaler(preprocessing.StandardScaler):
        def transform(self, X, copy=None):
            return -super().transform(X)

    pipeline, _ = fitted(Scaler(), last=unfitted(neural_network.MLPRegressor))
    with pytest.raises(TypeError, match=r"`mlp\['scaler'\]` must be one of"):
        rn.from_sklearn(pipeline)
    pipeline.steps[0] = ("scaler", preprocessing.StandardScaler().fit(np.eye(3)))
    pipeline[0].transform = lambda X: -X
    with pytest.raises(TypeError, match=r"`mlp\['scaler'\]` must be one of"):
        rn.from_sklearn(pipeline)


def test_unfitted_and_unfit_parts_are_named():
    p, mlp = preprocessing, unfitted(neural_network.MLPRegressor)
    with pytest.raises(ValueError, match=r"`mlp\['standardscaler'\]` must be fitted, got an unfitted"):
        rn.from_sklearn(pipelines.make_pipeline(p.StandardScaler(), mlp))
    pipeline, _ = fitted(p.StandardScaler(), last=mlp)
    pipeline.steps[0] = ("other", p.StandardScaler().fit(np.eye(4)))
    with pytest.raises(ValueError, match=r"`mlp.coefs_\[0\]` must be of 4 inputs, as the scaler, got 3"):
        rn.from_sklearn(pipeline)
    pipeline.steps[0] = ("scaler", p.StandardScaler().fit(np.eye(3)))
    pipeline[0].scale_ = np.zeros(3)
    with pytest.raises(ValueError, match=r"`mlp\['scaler'\]: the factors` must be finite"):
        rn.from_sklearn(pipeline)
    with pytest.raises(TypeError, match="Pipeline of scalers and one, got StandardScaler"):
        rn.from_sklearn(pipelines.make_pipeline(p.StandardScaler()))
