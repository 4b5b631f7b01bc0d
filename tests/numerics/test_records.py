"""Every public record can be pickled, copied and compared by its entries."""
import concurrent.futures
import copy
import inspect
import multiprocessing
import pickle
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from reducednet.experiments.comparison import Comparison
from reducednet.numerics.records import entries

BOX = rn.Box([0, 0], [1, 1])


def _trained(seed, **options):
    X = np.random.default_rng(0).random((12, 2))
    return rn.train(rn.Network.random((2, 3, 1), rng=seed), X, X[:, 0] ** 2, n_steps=3, **options)


def _fitted(kind, seed):
    X = np.random.default_rng(seed).random((20, 2))
    return kind(3, n_steps=2, random_state=0, validation_fraction=0.0).fit(X, X[:, 0] > 0.5)


def _samples_of(f):
    X = np.random.default_rng(0).random((8, 2))
    return f, X, f(X)[:, 0] + 1.0


def records_of(seed):
    """Return one of each public record; those of another seed differ."""
    net = rn.Network.random((2, 6, 1), rng=seed)
    deep = rn.Network.random((2, 4, 3, 1), rng=seed, output_bias=True)
    steps = rn.Network.random((2, 4, 1), rng=seed, activation="binary")
    reduced = rn.reduce(deep, BOX)
    shifted = rn.Network(net.weights, net.thresholds, 2.0 * net.output_weights)
    small, report = rn.compress(net, BOX)
    verdict = rn.verify(deep, reduced, BOX)
    study = rn.compare("sin4pi", (1, 3, 1), starts=1, methods=["standard", "support"], n_steps=2, rng=seed)
    line = np.arange(5.0)[:, np.newaxis], np.array([seed, 1.0, 0.0, 5.0, 2.0])
    limit = rn.fit_exact(*line, 2)[1]
    return {
        "Network": net, "Network, deep": deep, "Network, binary": steps, "ReducedNetwork": reduced,
        "Feasibility": rn.ReducedNetwork(
            [[[1.0]]], [[9.0 + seed]], [[1.0]], domain=rn.Box(0, 1)).feasibility(),
        "Box": rn.Box([0, -seed - 1], [1, 2]), "Ball": rn.Ball([0, seed], 2),
        "Hull": rn.Hull([[0, 0], [1, seed], [2, 5]]),
        "gradient": rn.loss_and_gradient(*_samples_of(net))[1],
        "gradient, reduced": rn.loss_and_gradient(*_samples_of(reduced))[1],
        "GradientCheck": rn.check_gradient(*_samples_of(net), rng=seed),
        "GradientCheck without a slope": rn.check_gradient(*_samples_of(net), rng=seed)._replace(slope=np.nan),
        "LayerReport": rn.reduction_report(deep, BOX)[0],
        "CanonicalForm": rn.canonical_form(net, BOX), "CanonicalForm, binary": rn.canonical_form(steps, BOX),
        "Terms": rn.canonical_form(net, BOX).terms,
        "MinimalForm": rn.minimal_form(net, BOX),
        "Verdict": verdict, "Verdict, refuted": rn.verify(net, shifted, BOX),
        "Verdict, between floats": rn.Verdict(
            **{**entries(verdict), "counterexample": np.array([Fraction(1, 3)])}),
        "Certificate": verdict.certificate, "Certificate of a point": rn.verify(net, shifted, BOX).certificate,
        "Check": verdict.certificate.check(deep, reduced, rn.Box([0, 0], [1, 1 + seed])),
        "StableNeurons": rn.stable_neurons(deep, BOX),
        "CompressionReport": report, "network": small,
        "TrainingResult": _trained(seed), "TrainingResult, adam": _trained(seed, method="adam"),
        "Study": study, "Method": rn.Method(options={"tolerance": 1e-3 * (seed + 1)}), "Run": study.runs[0],
        "Comparison": Comparison({"standard": np.ones(1)}, {"standard": [_trained(seed)]}, {}, limit, 1.0),
        "TrainingLimit": limit, "Line": limit.runs[0], "OptimalityProof": rn.fit_convex(*line, 0.1)[1],
        "TrainingLimit without a network": rn.training_limit(*line, 2),
        **{f"Target, {name}": make(seed + 1) if inspect.signature(make).parameters else make()
           for name, make in rn.targets.TARGETS.items()},
    }


@pytest.fixture(scope="module")
def records():
    return records_of(0)


WAYS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def arrays_in(value, path=""):
    """Yield every array that a record holds, with where it is."""
    if isinstance(value, np.ndarray):
        yield path, value
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from arrays_in(entry, f"{path}[{name!r}]")
    elif hasattr(value, "_fields") or hasattr(value, "__dict__"):
        for name, entry in entries(value).items():
            yield from arrays_in(entry, f"{path}.{name}")
    elif isinstance(value, (tuple, list)):
        for number, entry in enumerate(value):
            yield from arrays_in(entry, f"{path}[{number}]")


@pytest.mark.parametrize("way", WAYS)
def test_every_record_is_equal_to_its_copy_and_as_frozen(records, way):
    for name, value in records.items():
        twin = WAYS[way](value)
        assert type(twin) is type(value) and (twin == value) is True and (twin != value) is False, name
        assert hash(twin) == hash(value) and repr(twin) == repr(value), name
        before, after = dict(arrays_in(value)), dict(arrays_in(twin))
        assert before.keys() == after.keys(), name
        for place, array in before.items():
            assert not array.flags.writeable, f"{name}{place}"
            assert not after[place].flags.writeable, f"{name}{place} of the {way}"
            assert array.dtype == after[place].dtype, f"{name}{place}"
            np.testing.assert_array_equal(array, after[place], f"{name}{place}")


def test_records_that_hold_something_else_are_different(records):
    same = {"Feasibility", "Target, sin4pi", "Target, abs_sin4pi", "Target, step", "Target, franke"}
    for name, other in records_of(1).items():
        if name not in same:
            assert (records[name] == other) is False and (records[name] != other) is True, name
        assert (records[name] == "text") is False and (records[name] != None) is True, name  # noqa: E711


def test_one_entry_makes_records_different(records):
    for name, value in records.items():
        if hasattr(value, "_replace") and name != "GradientCheck without a slope":
            fields = value._fields
            for field in fields:
                assert value._replace(**{field: "another"}) != value, f"{name}.{field}"


def test_every_public_class_of_records_is_tested(records):
    asked = {type(value).__name__ for value in records.values()}
    others = {"StandardSpace", "ReducedSpace", "ReducedRegressor", "ReducedClassifier"}  # no records
    public = {name for name in rn.__all__ if inspect.isclass(getattr(rn, name))}
    assert public - asked == others


def test_spaces_and_fitted_estimators_are_copied():
    for space in (rn.StandardSpace((2, 3, 1)), rn.ReducedSpace((2, 3, 1), BOX)):
        theta = space.sample(rng=0)
        for copied in WAYS.values():
            assert copied(space).network(theta) == space.network(theta)
    X = np.random.default_rng(1).random((5, 2))
    for kind in (rn.ReducedRegressor, rn.ReducedClassifier):
        model = _fitted(kind, 0)
        for copied in WAYS.values():
            np.testing.assert_array_equal(copied(model).predict(X), model.predict(X))


def test_records_cannot_be_changed(records):
    for name, value in records.items():
        for field in entries(value):
            with pytest.raises(AttributeError):
                setattr(value, field, None)


def test_arguments_of_records_are_left_alone():
    state, loss = np.zeros(2), np.ones(2)
    net = rn.Network.random((1, 2, 1), rng=0)
    result = rn.TrainingResult(net, {"loss": loss, "step": loss}, True, "", {"vector": state})
    low, tolerance = np.zeros(1), np.ones(1)
    rn.targets.Target("mine", np.sin, low, np.ones(1))
    method = rn.Method(options={"tolerance": tolerance})
    copy.copy(method), copy.deepcopy(method), copy.copy(result)
    assert all(array.flags.writeable for array in (state, loss, low, tolerance))


def test_a_copied_gradient_is_one_vector_again():
    gradient = rn.loss_and_gradient(*_samples_of(rn.Network.random((2, 3, 1), rng=0)))[1]
    twin = pickle.loads(pickle.dumps(gradient))
    assert np.shares_memory(twin.weights[0], twin.thresholds[0].base)


def test_training_continues_from_a_pickled_result():
    X = np.random.default_rng(0).random((12, 2))
    y = X[:, 0] ** 2
    for method in ("adam", "sgd"):
        net = rn.Network.random((2, 3, 1), rng=0)
        whole = rn.train(net, X, y, method, n_steps=6)
        half = pickle.loads(pickle.dumps(rn.train(net, X, y, method, n_steps=3)))
        assert rn.train(half, X, y, method, n_steps=3).network == whole.network, method


def test_other_processes_train():
    X = np.random.default_rng(0).random((12, 2))
    net, y = rn.Network.random((2, 3, 1), rng=0), X[:, 0] ** 2
    spawn = multiprocessing.get_context("spawn")  # a process with threads is not safely forked
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as executor:
        found = executor.submit(rn.train, net, X, y, n_steps=3).result(timeout=60)
        values = executor.submit(rn.targets.gaussian_bump(2, 0.5), X).result(timeout=60)
    assert found.network == rn.train(net, X, y, n_steps=3).network
    np.testing.assert_array_equal(values, rn.targets.gaussian_bump(2, 0.5)(X))
