"""Laws of the estimators without scikit-learn: conventions, scale, weights, order, and what is refused."""
import copy
import pathlib
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from oracles.assertions import assert_close, assert_feasible

import reducednet as rn
from reducednet.estimators import fitting, inputs as inputs_module
from reducednet.estimators.estimators import ReducedEstimator
from reducednet.numerics.rounding import gamma

BOTH = [rn.ReducedRegressor, rn.ReducedClassifier]
both = pytest.mark.parametrize("kind", BOTH)


def data(kind, n=60, d=2, seed=0):
    """Return samples and responses, or labels of three classes."""
    X = np.random.default_rng(seed).uniform(-1.0, 2.0, (n, d))
    values = X[:, 0] ** 2 + X[:, -1]
    return X, values if kind is rn.ReducedRegressor else np.digitize(values, [0.5, 2.0])


def quick(kind, **options):
    return kind(**{"hidden_layer_sizes": 5, "n_steps": 8, "random_state": 0, **options})


def outputs(model, X):
    return model.predict(X) if isinstance(model, rn.ReducedRegressor) else model.predict_proba(X)


# conventions


@both
def test_parameters_are_stored_unchanged(kind):
    sizes, domain = [3], rn.Box(0, 1)
    model = kind(sizes, domain=domain)
    assert model.hidden_layer_sizes is sizes and model.domain is domain
    assert kind(**model.get_params()).get_params() == model.get_params()


@both
def test_set_params_sets_and_refuses(kind):
    model = kind()
    assert model.set_params(n_starts=2, bound="ball") is model and (model.n_starts, model.bound) == (2, "ball")
    with pytest.raises(ValueError, match=r"Invalid parameter 'solver' for estimator Reduced\w+\(bound='ball'"):
        model.set_params(n_starts=3, solver=1)
    assert model.n_starts == 2


@both
def test_repr_shows_what_is_not_default(kind):
    assert repr(kind()) == f"{kind.__name__}()"
    assert repr(kind(5, space="standard")) == f"{kind.__name__}(hidden_layer_sizes=5, space='standard')"


@both
def test_fit_leaves_parameters_and_data_alone(kind):
    X, y = data(kind)
    model, before = quick(kind), (X.copy(), y.copy())
    parameters = model.get_params()
    assert model.fit(X, y) is model and model.get_params() == parameters
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert all(name.endswith("_") for name in vars(model) if name not in parameters and not name.startswith("_"))


@both
def test_pickle_and_copy_predict_the_same(kind):
    X, y = data(kind)
    model = quick(kind).fit(X, y)
    for same in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(outputs(same, X), outputs(model, X))


def test_estimators_work_where_scikit_learn_cannot_be_imported():
    code = (
        f"import sys\nsys.path.insert(0, {str(pathlib.Path(rn.__file__).parents[1])!r})\n"
        "sys.modules['sklearn'] = None\n"
        "import numpy as np, reducednet as rn\nX = np.linspace(0, 1, 20)[:, None]\n"
        "print(rn.ReducedRegressor(random_state=0).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.9)\n"
        "labels = np.where(X[:, 0] > 0.5, 'b', 'a')\n"
        "print(rn.ReducedClassifier(random_state=0).fit(X, labels).score(X, labels) > 0.9)\n"
        "try:\n    rn.ReducedRegressor().predict(X)\nexcept ValueError as error:\n"
        "    print(type(error).__module__)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split() == ["True", "True", "reducednet.estimators.inputs"]


# the network


@both
@pytest.mark.parametrize("bound", ["support", "ball"])
@pytest.mark.parametrize("sizes", [5, (5, 4)])
def test_network_is_a_feasible_reduced_network_of_the_samples_box(kind, bound, sizes):
    X, y = data(kind)
    model = quick(kind, hidden_layer_sizes=sizes, bound=bound).fit(X, y)
    assert_feasible(model.network_)
    assert model.network_.domain == model.domain_ == rn.Box(X.min(axis=0), X.max(axis=0))
    assert model.network_.bound == bound and model.network_.sizes[1:-1] == (sizes if sizes != 5 else (5,))


def test_standard_space_gives_a_standard_network():
    X, y = data(rn.ReducedRegressor)
    assert type(quick(rn.ReducedRegressor, space="standard").fit(X, y).network_) is rn.Network


@pytest.mark.parametrize("domain", [
    rn.Ball([0.5, 0.5], 3.0), rn.Box(-2, 3), rn.Hull([[-3, -3], [9, -3], [-3, 9]]),
])
def test_network_lies_in_the_given_domain(domain):
    X, y = data(rn.ReducedRegressor)
    if domain.n_inputs == 1:
        X = X[:, :1]
    model = quick(rn.ReducedRegressor, domain=domain).fit(X, y)
    assert model.network_.domain == domain
    assert_feasible(model.network_)


def test_predictions_are_the_networks_outputs():
    X, y = data(rn.ReducedRegressor)
    model = quick(rn.ReducedRegressor).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.network_(X)[:, 0])


def test_probabilities_are_the_softmax_of_the_networks_outputs():
    X, y = data(rn.ReducedClassifier)
    model = quick(rn.ReducedClassifier).fit(X, y)
    for row, z in zip(model.predict_proba(X), model.network_(X)):
        expected = np.array([1.0 / sum(np.exp(other - one) for other in z) for one in z])
        assert_close(row, expected, gamma(32) * (1.0 + np.abs(z).max()), "probabilities")
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.network_(X).argmax(axis=1)])


def test_folding_is_the_network_of_standardised_inputs():
    rng = np.random.default_rng(0)
    X, used = rng.normal(100.0, 3.0, (20, 4)), np.array([True, False, True, True])
    net = rn.Network.random((3, 6, 2), rng, output_bias=True)
    inputs = fitting.scaling_of(X[:, used], np.ones(20))
    outs = fitting.Scaling(np.array([5.0, -1.0]), np.array([2.0, 30.0]))
    found = fitting.absorb_scaling(net, inputs, outs, used)(X)
    expected = outs.mean + outs.scale * net((X[:, used] - inputs.mean) / inputs.scale)
    # |x| / scale is at most 200 here: sums of absolute terms of the first layer
    size = 200.0 * np.abs(net.weights[0]).sum(axis=1) + np.abs(net.thresholds[0])
    allowed = gamma(64) * outs.scale * (np.abs(net.output_weights) @ size + np.abs(net.output_bias) + 5.0)
    assert_close(found, expected, allowed, "network that absorbed the scaling")


def test_scaling_is_the_weighted_mean_and_deviation():
    rng = np.random.default_rng(0)
    A, counts = rng.normal(3.0, 2.0, (30, 3)), rng.integers(1, 4, 30)
    mean, scale = fitting.scaling_of(A, counts.astype(float))
    many = np.repeat(A, counts, axis=0)
    assert_close(mean, many.mean(axis=0), gamma(256) * np.abs(A).max(), "mean")
    assert_close(scale, many.std(axis=0), gamma(256) * np.abs(A).max(), "deviation")


def test_scaling_of_large_numbers_is_finite():
    assert np.isfinite(fitting.scaling_of(np.array([[1e308], [-1e308]]), np.ones(2)).scale).all()


def test_parts_share_every_group_evenly():
    groups = np.repeat([0, 1, 2], [7, 10, 3])
    part = fitting.stratified_parts(groups, 5, np.random.default_rng(0))
    counts = np.array([np.bincount(part[groups == group], minlength=5) for group in range(3)])
    assert (np.ptp(counts, axis=1) <= 1).all() and np.ptp(counts.sum(axis=0)) <= 1


# what the fit depends on


@both
def test_order_of_the_samples_and_doubles_do_not_count(kind):
    X, y = data(kind)
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, len(X))
    many = rng.permutation(np.repeat(np.arange(len(X)), counts))
    weighted = quick(kind).fit(X, y, sample_weight=counts)
    repeated = quick(kind).fit(X[many], y[many])
    assert weighted.network_ == repeated.network_


@both
@pytest.mark.parametrize("power", [-1000, 1000])
def test_scale_of_the_weights_does_not_count(kind, power):
    X, y = data(kind)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    one, other = (quick(kind).fit(X, y, sample_weight=w) for w in (weight, np.ldexp(weight, power)))
    assert one.network_ == other.network_


@both
@pytest.mark.parametrize("state", [7, np.random.default_rng, np.random.RandomState])
def test_same_random_state_gives_the_same_bytes(kind, state):
    X, y = data(kind)
    one, other = (quick(kind, random_state=state if state == 7 else state(7)).fit(X, y) for _ in range(2))
    assert one.network_ == other.network_
    assert quick(kind, random_state=8).fit(X, y).network_ != one.network_


@pytest.mark.parametrize("shift, scale", [(0.0, 2.0**40), (0.0, 2.0**-40), (1024.0, 1.0)])
def test_units_do_not_count(shift, scale):
    X, y = data(rn.ReducedRegressor)
    X, y = np.round(X * 2.0**20) / 2.0**20, np.round(y * 2.0**20) / 2.0**20  # shifts are exact
    plain = quick(rn.ReducedRegressor, hidden_layer_sizes=3, n_steps=2).fit(X, y)
    moved = quick(rn.ReducedRegressor, hidden_layer_sizes=3, n_steps=2).fit(scale * X + shift, scale * y + shift)
    difference = (moved.predict(scale * X + shift) - shift) / scale - plain.predict(X)
    assert np.abs(difference).max() <= 2.0**-20 * np.ptp(y)  # two steps amplify rounding; a unit would show


def test_constant_features_have_weight_zero_and_do_not_change_the_fit():
    X, y = data(rn.ReducedRegressor)
    more = np.column_stack([X[:, :1], np.full(len(X), 3.0), X[:, 1:]])
    plain, model = (quick(rn.ReducedRegressor, space="standard").fit(A, y) for A in (X, more))
    assert not model.network_.weights[0][:, 1].any()
    np.testing.assert_array_equal(model.network_.weights[0][:, [0, 2]], plain.network_.weights[0])


@pytest.mark.parametrize("X", [[[3.0, 1.0]], [[3.0, 1.0]] * 4], ids=["one sample", "one point"])
def test_one_point_is_met(X):
    model = quick(rn.ReducedRegressor).fit(X, [5.0] * len(X))
    assert model.domain_.contains(X).all() and abs(model.predict(X)[0] - 5.0) < 0.5


def test_multiple_outputs_are_each_of_their_own_scale():
    X, y = data(rn.ReducedRegressor)
    Y = np.column_stack([y, 1e6 * y, np.full(len(y), 4.0)])
    model = rn.ReducedRegressor(random_state=0).fit(X, Y)
    assert model.n_outputs_ == 3 and model.predict(X).shape == Y.shape
    assert (1.0 - np.var(Y - model.predict(X), axis=0)[:2] / np.var(Y, axis=0)[:2] > 0.95).all()


def test_string_labels_and_two_classes():
    X, y = data(rn.ReducedClassifier)
    labels = np.where(y > 0, "yes", "no")
    model = rn.ReducedClassifier(random_state=0).fit(X, labels)
    assert model.classes_.tolist() == ["no", "yes"] and model.network_.n_outputs == 2
    assert set(model.predict(X)) == {"no", "yes"} and model.score(X, labels) > 0.9


# one input: the best network is constructed


def test_without_held_out_samples_one_input_is_fitted_as_well_as_can_be():
    X = np.linspace(-2.0, 5.0, 60)[:, np.newaxis]
    y = 7.0 + np.sin(2.0 * X[:, 0])
    model = rn.ReducedRegressor(6, validation_fraction=0).fit(X, y)
    limit = rn.training_limit(X, y, 6)
    assert np.mean((model.predict(X) - y)**2) <= 1.01 * limit.bound
    exact = rn.ReducedRegressor(6, validation_fraction=0, method="exact").fit(X, y)
    assert model.network_ == exact.network_ and model.n_iter_ == 1


@pytest.mark.parametrize("options", [{}, {"hidden_layer_sizes": (4, 4), "validation_fraction": 0}])
def test_held_out_samples_or_deep_networks_take_the_usual_method(options):
    X = np.linspace(0.0, 1.0, 40)[:, np.newaxis]
    one, other = (rn.ReducedRegressor(**{"hidden_layer_sizes": 4} | options, n_steps=5, method=method,
                                      random_state=0).fit(X, X[:, 0]**2) for method in ("auto", "lbfgs"))
    assert one.network_ == other.network_


def test_held_out_samples_are_measured_for_a_constructed_network():
    X = np.linspace(0.0, 1.0, 40)[:, np.newaxis]
    model = rn.ReducedRegressor(4, method="exact", random_state=0).fit(X, np.exp(X[:, 0]))
    assert model.validation_curve_[1] < 0.01 * model.validation_curve_[0] and model.n_iter_ == 1


# choosing the number of steps


@both
def test_held_out_samples_choose_the_number_of_steps(kind):
    X, y = data(kind)
    model = quick(kind, n_steps=30).fit(X, y)
    assert model.n_iter_ == max(int(np.argmin(model.validation_curve_)), 1)
    assert len(model.loss_curve_) == model.n_iter_ + 1 and model.loss_ == model.loss_curve_.min()


@both
@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_without_held_out_samples_every_step_is_made(kind, method):
    model = quick(kind, validation_fraction=0, method=method).fit(*data(kind, 150))
    assert model.validation_curve_ is None and model.n_iter_ == 8


@both
def test_best_of_several_starts_is_kept(kind):
    X, y = data(kind)
    one, several = (quick(kind, n_starts=n, n_steps=5, validation_fraction=0).fit(X, y) for n in (1, 6))
    assert several.loss_ < one.loss_  # the first of the six starts is the one


def test_noise_is_not_fitted():
    rng = np.random.default_rng(0)
    X, y = rng.uniform(-1.0, 1.0, (120, 3)), rng.standard_normal(120)
    model = rn.ReducedRegressor(100, random_state=0).fit(X, y)
    assert model.score(X, y) < 0.5
    assert rn.ReducedRegressor(100, random_state=0, validation_fraction=0).fit(X, y).score(X, y) > 0.9


def test_progress_goes_to_stderr(capsys):
    X, y = data(rn.ReducedRegressor)
    quick(rn.ReducedRegressor, verbose=True).fit(X, y)
    shown = capsys.readouterr()
    assert shown.err and not shown.out
    quick(rn.ReducedRegressor).fit(X, y)
    assert capsys.readouterr() == ("", "")


# scores


def test_score_of_a_regressor_is_r_squared():
    X, y = data(rn.ReducedRegressor)
    model, weight = quick(rn.ReducedRegressor).fit(X, y), np.arange(len(y))
    many = np.repeat(np.arange(len(y)), weight)
    residual = y[many] - model.predict(X[many])
    expected = 1.0 - (residual @ residual) / ((y[many] - y[many].mean()) ** 2).sum()
    assert_close(model.score(X, y, weight), expected, gamma(8 * len(many)) * 4.0, "R^2")


def test_score_of_a_classifier_is_the_share_of_right_labels():
    X, y = data(rn.ReducedClassifier)
    model, weight = quick(rn.ReducedClassifier).fit(X, y), np.arange(len(y))
    right = sum(w for w, label, found in zip(weight, y, model.predict(X)) if label == found)
    assert_close(model.score(X, y, weight), right / weight.sum(), gamma(len(y)), "accuracy")


def test_score_of_a_constant_response():
    X, _ = data(rn.ReducedRegressor)
    model = quick(rn.ReducedRegressor).fit(X, X[:, 0])
    assert model.score(X, np.full(len(X), 1e3)) == 0.0


# refusals


class Table:
    """What the estimators see of a data frame."""

    def __init__(self, array, columns):
        self.array, self.columns = np.asarray(array), columns

    def __array__(self, dtype=None, copy=None):
        return self.array


@both
def test_column_names_are_kept_and_compared(kind):
    X, y = data(kind)
    model = quick(kind).fit(Table(X, ["a", "b"]), y)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    outputs(model, Table(X, ["a", "b"]))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(Table(X, ["b", "a"]))
    with pytest.raises(ValueError, match="unseen at fit time:\n- c\n.* seen at fit time, yet now missing:\n- a"):
        model.predict(Table(X, ["c", "b"]))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but"):
        model.predict(Table(X, ["a", "b"]))
    with pytest.raises(TypeError, match="column names are all strings"):
        model.fit(Table(X, ["a", 1]), y)


class Sparse:
    def toarray(self):
        raise AssertionError("made dense")


@both
@pytest.mark.parametrize("X, error, text", [
    (Sparse(), TypeError, r"`X` must be a dense array, got a sparse one \(Sparse\)"),
    ([[1j]], ValueError, "Complex data not supported"),
    ([1.0, 2.0], ValueError, "Expected 2D array, got 1D array instead. Reshape your data"),
    ([[{}]], TypeError, "float"),
    ([["a"]], TypeError, "`X` must be an array of real numbers"),
    (np.empty((0, 2)), ValueError, r"0 sample\(s\) \(shape=\(0, 2\)\) while a minimum of 1 is required"),
    (np.empty((2, 0)), ValueError, r"0 feature\(s\)"),
    ([[1.0], [np.nan]], ValueError, "`X` must be finite, got NaN"),
    ([[1.0], [np.inf]], ValueError, "`X` must be finite, got inf at index"),
    ([[1.0], [1.0, 2.0]], ValueError, "`X` must be a rectangular array"),
    (np.ma.masked_equal([[1.0], [2.0]], 2.0), ValueError, "`X` must be without masked entries"),
])
def test_bad_samples_are_refused(kind, X, error, text):
    with pytest.raises(error, match=text):
        quick(kind).fit(X, [0, 1])


@pytest.mark.parametrize("kind, y, error, text", [
    (rn.ReducedRegressor, None, ValueError, "requires y to be passed, but the target y is None"),
    (rn.ReducedRegressor, [0.0], ValueError, "`y` must be of 2 samples, as `X`, got 1"),
    (rn.ReducedRegressor, [0.0, np.inf], ValueError, "`y` must be finite"),
    (rn.ReducedRegressor, np.zeros((2, 1, 1)), ValueError, r"`y` must be of shape \(n_samples,\)"),
    (rn.ReducedClassifier, None, ValueError, "requires y to be passed"),
    (rn.ReducedClassifier, [0, 1, 1], ValueError, "`y` must be of 2 samples, as `X`, got 3"),
    (rn.ReducedClassifier, [0.5, 1.0], ValueError, "Unknown label type: continuous"),
    (rn.ReducedClassifier, [0.0, np.nan], ValueError, "`y` must be finite, got NaN"),
    (rn.ReducedClassifier, np.array([1, "a"], dtype=object), ValueError, "Unknown label type"),
    (rn.ReducedClassifier, [[0, 1], [1, 0]], ValueError, r"`y` must be of shape \(n_samples,\), got shape"),
    (rn.ReducedClassifier, [1, 1], ValueError, "`y` must be labels of at least 2 classes, got 1 class"),
])
def test_bad_responses_are_refused(kind, y, error, text):
    with pytest.raises(error, match=text):
        quick(kind).fit([[0.0], [1.0]], y)


@both
@pytest.mark.parametrize("options, error, text", [
    ({"hidden_layer_sizes": ()}, ValueError, "`hidden_layer_sizes` must be at least one layer"),
    ({"hidden_layer_sizes": "20"}, TypeError, "`hidden_layer_sizes` must be an integer or a tuple"),
    ({"hidden_layer_sizes": (3, 0)}, ValueError, "`hidden_layer_sizes` must be at least 1, got 0"),
    ({"hidden_layer_sizes": 2.0}, TypeError, "`hidden_layer_sizes`"),
    ({"space": "flat"}, ValueError, "`space` must be one of"),
    ({"bound": "box"}, ValueError, "`bound` must be one of"),
    ({"method": "exchange"}, ValueError, "`method` must be one of"),
    ({"n_steps": 0}, ValueError, "`n_steps` must be at least 1, got 0"),
    ({"n_starts": 1.5}, TypeError, "`n_starts` must be an integer"),
    ({"domain": "samples"}, ValueError, r"`domain` must be one of \['data'\]"),
    ({"domain": [0, 1]}, TypeError, "`domain` must be 'data', a Box, Ball or Hull, got list"),
    ({"domain": rn.Box([0, 0], [1, 1])}, ValueError, "`domain` must be of dimension 1, as `X`, got 2"),
    ({"domain": rn.Box(0, 0.5)}, ValueError, "`domain` must be a domain of all samples, got one with 1 outside"),
    ({"random_state": "x"}, TypeError, "`random_state` must be"),
    ({"validation_fraction": 0.6}, ValueError, "`validation_fraction` must be from 0 to 0.5, got 0.6"),
    ({"validation_fraction": None}, TypeError, "`validation_fraction` must be a real number"),
    ({"verbose": 1}, TypeError, "`verbose` must be True or False"),
])
def test_bad_parameters_are_refused_by_fit(kind, options, error, text):
    model = kind(**options)
    with pytest.raises(error, match=text):
        model.fit([[0.0], [1.0]], [0, 1])


@both
@pytest.mark.parametrize("weight, error, text", [
    ([1.0], ValueError, r"`sample_weight` must be of shape \(2,\)"),
    ([0, 0], ValueError, "`sample_weight` must be .* zero weights only"),
    ([1, -1], ValueError, "`sample_weight` must be at least 0, and larger somewhere, got -1"),
])
def test_bad_weights_are_refused(kind, weight, error, text):
    with pytest.raises(error, match=text):
        quick(kind).fit([[0.0], [1.0]], [0, 1], sample_weight=weight)


@both
def test_other_number_of_features_is_refused(kind):
    X, y = data(kind)
    with pytest.raises(ValueError, match=f"X has 1 features, but {kind.__name__} is expecting 2 features"):
        quick(kind).fit(X, y).predict(X[:, :1])


def test_varpro_does_not_serve_classes():
    with pytest.raises(ValueError, match="'varpro' needs a ReLU network and loss='mse'"):
        quick(rn.ReducedClassifier, method="varpro").fit(*data(rn.ReducedClassifier))


def test_own_classes_are_used_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
    with pytest.raises(inputs_module.NotFittedError):
        rn.ReducedRegressor().predict([[0.0]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick(rn.ReducedRegressor).fit([[0.0], [1.0]], [[0.0], [1.0]])
    assert [warning.category for warning in caught] == [inputs_module.DataConversionWarning]
    assert issubclass(rn.ReducedRegressor, ReducedEstimator)


# what users of scikit-learn know


@both
def test_max_iter_is_another_name_of_n_steps_and_both_are_refused(kind):
    X, y = data(kind)
    one, other = quick(kind, n_steps=None, max_iter=8).fit(X, y), quick(kind).fit(X, y)
    assert one.network_ == other.network_
    with pytest.raises(ValueError, match="`max_iter` must be left out if `n_steps` is .*got 9, and n_steps=8"):
        quick(kind, max_iter=9).fit(X, y)


@both
def test_batch_size_and_learning_rate_reach_the_optimiser(kind):
    X, y = data(kind, 150)
    fits = [quick(kind, method="adam", validation_fraction=0.0, **options).fit(X, y).network_ for options in (
        {}, {"batch_size": 64, "learning_rate_init": 0.01}, {"batch_size": 32}, {"learning_rate_init": 0.02},
        {"batch_size": 1000})]
    assert fits[0] == fits[1] and len({network.to_vector().tobytes() for network in fits}) == 4


@both
@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_tol_and_n_iter_no_change_stop_by_the_rule_of_scikit_learn(kind, fraction):
    X, y = data(kind, 300)
    options = {"method": "adam", "validation_fraction": fraction, "early_stopping": fraction > 0.0}
    long = quick(kind, n_steps=60, tol=0.0, n_iter_no_change=1000, **options).fit(X, y)
    losses = long.validation_curve_ if fraction else long.loss_curve_
    tol, patience = 0.02, 3
    best, waited, expected = np.inf, 0, None
    for step, loss in enumerate(losses):  # as `_update_no_improvement_count` of an MLP
        waited = waited + 1 if loss > best - tol else 0
        best = min(best, loss)
        if waited > patience:
            expected = step
            break
    assert expected is not None
    assert quick(kind, n_steps=60, tol=tol, n_iter_no_change=patience, **options).fit(X, y).n_iter_ == expected


@both
def test_early_stopping_keeps_the_best_network_and_leaves_the_held_out_samples_alone(kind):
    X, y = data(kind, 300)
    model = quick(kind, method="adam", n_steps=40, early_stopping=True).fit(X, y)
    assert len(model.loss_curve_) == len(model.validation_curve_) == model.n_iter_ + 1
    shorter = quick(kind, method="adam", early_stopping=True, n_steps=int(model.validation_curve_.argmin()))
    assert shorter.fit(X, y).network_ == model.network_


def standardised(X, y):
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)


@pytest.mark.parametrize("space", ["standard", "reduced"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_alpha_adds_the_penalty_of_scikit_learn_to_the_loss(space, n_outputs):
    X, y = data(rn.ReducedRegressor)
    Y = np.column_stack([y, np.sin(y)])[:, :n_outputs]
    Z, T = standardised(X, Y)
    model = quick(rn.ReducedRegressor, space=space, alpha=3.0, validation_fraction=0.0)
    net = model.fit(Z, T if n_outputs > 1 else T[:, 0]).network_
    data_term = 0.5 * ((net(Z) - T) ** 2).mean()
    if space == "standard":
        penalty = 3.0 / (2.0 * len(Z)) * sum((W**2).sum() for W in (*net.weights, net.output_weights))
    else:
        penalty = 3.0 / len(Z) * np.linalg.norm(net.output_weights, axis=0).sum()
    # our loss is the sum over outputs, not half of it; units differ by rounding from 0 and 1, and
    # `network_` by what `absorb_scaling` rounds
    loss = model.loss_ / (2.0 * n_outputs)
    assert_close(loss, data_term + penalty, gamma(2**14) * (1.0 + penalty), "loss with the penalty")


def test_alpha_adds_the_penalty_to_cross_entropy():
    X, y = data(rn.ReducedClassifier)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    options = {"space": "standard", "alpha": 2.0, "validation_fraction": 0.0, "method": "lbfgs"}
    model = quick(rn.ReducedClassifier, **options).fit(Z, y)
    net = model.network_
    entropy = -model.predict_log_proba(Z)[np.arange(len(y)), y].mean()
    penalty = sum((W**2).sum() for W in (*net.weights, net.output_weights)) / len(Z)
    assert_close(model.loss_, entropy + penalty, gamma(2**14) * (1.0 + penalty), "loss with the penalty")


@both
def test_alpha_counts_samples_by_their_weights(kind):
    X, y = data(kind)
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    many = np.repeat(np.arange(len(X)), counts)
    one = quick(kind, alpha=1.0).fit(X, y, sample_weight=counts)
    assert one.network_ == quick(kind, alpha=1.0).fit(X[many], y[many]).network_


@both
def test_much_alpha_makes_the_network_nearly_constant(kind):
    X, y = data(kind)
    model = quick(kind, alpha=1e4, n_steps=200, validation_fraction=0.0, method="lbfgs").fit(X, y)
    values = model.network_(X)
    assert np.ptp(values, axis=0).max() < 1e-2 * max(np.ptp(y.astype(float)), 1.0)


@both
def test_warm_start_goes_on_from_the_last_network(kind):
    X, y = data(kind)
    model = quick(kind, warm_start=True, validation_fraction=0.0, method="lbfgs", n_steps=20).fit(X, y)
    first, curve = outputs(model, X), model.loss_curve_
    model.set_params(n_steps=1).fit(X, y)
    # units and space are changed and changed back: rounding only
    assert abs(model.loss_curve_[0] - curve.min()) <= 1e-9 * (1.0 + curve[0])
    assert model.loss_curve_[-1] <= model.loss_curve_[0] and np.abs(outputs(model, X) - first).max() < 0.5
    cold = quick(kind, validation_fraction=0.0, method="lbfgs", n_steps=1).fit(X, y)
    assert cold.loss_ > model.loss_


def test_warm_start_with_other_units_and_a_constant_column_starts_with_the_same_function():
    X, y = data(rn.ReducedRegressor)
    model = quick(rn.ReducedRegressor, warm_start=True, validation_fraction=0.0, n_steps=20).fit(X, y)
    old = model.network_
    Z = np.column_stack([3.0 * X[:, 0], np.full(len(X), 0.25)])
    loss = np.mean((old(Z)[:, 0] - 100.0 * y) ** 2) / np.var(100.0 * y)
    model.set_params(n_steps=1).fit(Z, 100.0 * y)
    assert abs(model.loss_curve_[0] - loss) <= 1e-9 * (1.0 + loss)


@both
def test_warm_start_of_another_shape_is_refused(kind):
    X, y = data(kind)
    model = quick(kind, warm_start=True).fit(X, y).set_params(hidden_layer_sizes=6)
    with pytest.raises(ValueError, match=r"goes on from a network of sizes \(2, 5, [13]\), got .* \(2, 6, [13]\)"):
        model.fit(X, y)


def test_warm_start_with_other_classes_is_refused():
    X, y = data(rn.ReducedClassifier)
    model = quick(rn.ReducedClassifier, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"of the classes of the last fit, \[0, 1, 2\], got \[1, 2, 3\]"):
        model.fit(X, y + 1)


def batches_of(kind, n=400):
    """Return X, y and keywords of the first call, and batches of several sizes."""
    X, y = data(kind, n)
    first = {} if kind is rn.ReducedRegressor else {"classes": np.unique(y)}
    return X, y, first, np.split(np.arange(n), [30, 90, 250])


@both
@pytest.mark.parametrize("space", ["reduced", "standard"])
def test_partial_fit_learns_from_batches_of_any_size(kind, space):
    X, y, first, parts = batches_of(kind)
    model = quick(kind, space=space)
    for epoch in range(20):
        for part in parts:
            model.partial_fit(X[part], y[part], **first)
            first = {}
    assert model.score(X, y) > 0.8  # of three classes, or R^2
    assert model.n_iter_ == len(model.loss_curve_) == 80
    assert model.domain_ == rn.Box(X.min(axis=0), X.max(axis=0))
    if space == "reduced":
        assert model.network_.domain == model.domain_
        assert_feasible(model.network_)


@both
def test_partial_fit_goes_on_as_one_run_of_the_optimiser(kind):
    X, y, first, _ = batches_of(kind, 50)  # one batch: no order of samples is drawn
    twice = quick(kind).partial_fit(X, y, **first).partial_fit(X, y)
    once = quick(kind, method="adam", validation_fraction=0.0, n_steps=2, space="reduced").fit(X, y)
    assert twice.network_ == once.network_


@both
def test_partial_fit_continues_a_fit_and_survives_pickle(kind):
    X, y, first, _ = batches_of(kind)
    model = quick(kind, validation_fraction=0.0, n_steps=20).fit(X, y)
    before = model.score(X, y)
    twin = pickle.loads(pickle.dumps(model.partial_fit(X, y)))
    assert model.score(X, y) > before - 0.1
    assert twin.partial_fit(X, y).network_ == model.partial_fit(X, y).network_


@both
@pytest.mark.parametrize("changed", [{"space": "standard"}, {"bound": "ball"}, {"method": "sgd"}])
def test_partial_fit_goes_on_in_another_space_or_by_another_method(kind, changed):
    X, y, first, _ = batches_of(kind)
    model = quick(kind, method="adam")
    for _ in range(10):
        model.partial_fit(X, y, **first)
    values = model.network_(X)
    model.set_params(**changed, learning_rate_init=1e-9).partial_fit(X, y)
    assert np.abs(model.network_(X) - values).max() < 1e-5  # the same function, and a tiny step
    assert isinstance(model.network_, rn.ReducedNetwork) == (model.space == "reduced")


@both
def test_partial_fit_refuses_what_does_not_fit(kind):
    X, y, first, _ = batches_of(kind)
    with pytest.raises(ValueError, match=r"`method` must be one of \['auto', 'adam', 'sgd'\], got 'lbfgs'"):
        quick(kind, method="lbfgs").partial_fit(X, y, **first)
    with pytest.raises(ValueError, match="`early_stopping` must be False for `partial_fit`"):
        quick(kind, early_stopping=True).partial_fit(X, y, **first)
    model = quick(kind).partial_fit(X, y, **first)
    with pytest.raises(ValueError, match="X has 1 features, but"):
        model.partial_fit(X[:, :1], y)
    with pytest.raises(ValueError, match="goes on from a network of sizes"):
        model.set_params(hidden_layer_sizes=3).partial_fit(X, y)


def test_partial_fit_needs_all_classes_at_first():
    X, y = data(rn.ReducedClassifier)
    model = quick(rn.ReducedClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"`y` must be of the classes \[0, 1\], got \[2\]"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="`classes` must be at least 2 labels, got 1"):
        model.partial_fit(X, y, classes=[0])
    model.partial_fit(X[y < 2], y[y < 2], classes=[2, 1, 0])
    assert model.classes_.tolist() == [0, 1, 2] and model.predict_proba(X).shape == (len(X), 3)
    with pytest.raises(ValueError, match="`y` must be of the classes of the last fit"):
        model.partial_fit(X, y, classes=[0, 1, 2, 3])


def test_logarithms_of_probabilities_are_finite_where_probabilities_are_not():
    X, y = data(rn.ReducedClassifier)
    model = quick(rn.ReducedClassifier).fit(X, y)
    assert_close(np.exp(model.predict_log_proba(X)), model.predict_proba(X), gamma(64) * 10.0, "probabilities")
    net = model.network_
    model.network_ = rn.Network(net.weights, net.thresholds, 1e6 * net.output_weights, net.output_bias)
    found = model.predict_log_proba(X)
    assert np.isfinite(found).all() and (model.predict_proba(X) == 0.0).any() and (found <= 0.0).all()


@pytest.mark.parametrize("n, expected", [(40, "lbfgs"), (60, "adam")])
def test_many_samples_take_mini_batches(monkeypatch, n, expected):
    monkeypatch.setattr("reducednet.estimators.estimators.MANY_SAMPLES", 50)
    X, y = data(rn.ReducedRegressor, n)
    one, other = (quick(rn.ReducedRegressor, method=method).fit(X, y) for method in ("auto", expected))
    assert one.network_ == other.network_


def test_html_needs_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert rn.ReducedRegressor()._repr_html_() is None


@both
@pytest.mark.parametrize("options, error, text", [
    ({"alpha": -1.0}, ValueError, "`alpha` must be .*at least 0"),
    ({"alpha": "auto"}, TypeError, "`alpha`"),
    ({"alpha": 0.1, "method": "exact"}, ValueError, "`alpha` must be 0 with method='exact'"),
    ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
    ({"batch_size": "all"}, ValueError, r"`batch_size` must be one of \['auto'\]"),
    ({"batch_size": 2.5}, TypeError, "`batch_size`"),
    ({"learning_rate_init": 0.0}, ValueError, "`learning_rate_init` must be .*larger than 0"),
    ({"max_iter": 0}, ValueError, "`max_iter` must be at least 1"),
    ({"max_iter": 2.0}, TypeError, "`max_iter`"),
    ({"tol": -1.0}, ValueError, "`tol` must be .*at least 0"),
    ({"tol": np.nan}, ValueError, "`tol`"),
    ({"n_iter_no_change": 0}, ValueError, "`n_iter_no_change` must be at least 1"),
    ({"early_stopping": 1}, TypeError, "`early_stopping` must be True or False"),
    ({"early_stopping": True, "validation_fraction": 0.0}, ValueError,
     "`validation_fraction` must be above 0 with early_stopping=True"),
    ({"warm_start": "yes"}, TypeError, "`warm_start` must be True or False"),
])
def test_bad_values_of_familiar_parameters_are_refused(kind, options, error, text):
    with pytest.raises(error, match=text):
        kind(**options).fit([[0.0], [1.0]], [0, 1])
