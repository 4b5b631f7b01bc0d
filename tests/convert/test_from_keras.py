"""from_keras against Keras' own forward pass, on the backend torch; skipped where one of them is absent."""
import json
import os

import numpy as np
import pytest
from oracles.assertions import assert_equal_bits, assert_same_network
from oracles.converted import (
    assert_computes_in_float32, assert_examples_run, assert_reduces_and_is_verified, samples_of,
)

import reducednet as rn

pytestmark = pytest.mark.filterwarnings(  # of Keras reading a tensor of PyTorch
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")


@pytest.fixture
def keras():
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    return keras


def whole_numbers(shape, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(float)


def models_of(keras):
    """Return float32 models."""
    def dense(*args, **options):
        return keras.layers.Dense(*args, bias_initializer="random_normal", **options)

    def sequential(shape, *layers):
        return keras.Sequential([keras.Input(shape), *layers])

    def functional(shape, *layers):
        x = inputs = keras.Input(shape)
        for one in layers:
            x = one(x)
        return keras.Model(inputs, x)

    relu, dropout, flatten = keras.layers.ReLU, keras.layers.Dropout, keras.layers.Flatten
    shared = dense(3, activation="relu")
    return {
        "plain": sequential((3,), dense(5, activation="relu"), dense(2)),
        "no bias": sequential((3,), dense(5, "relu", use_bias=False), dense(2, use_bias=False)),
        "relu layer": sequential((3,), dense(5, "linear"), relu(), dense(4), keras.layers.Activation("relu"),
                                 keras.layers.Activation("linear"), dense(1)),
        "flatten": sequential((2, 3), flatten(), dense(5, "relu"), dense(2)),
        "images": functional((2, 1, 3), flatten(), dense(5, "relu"), dense(2)),
        "one row": sequential((1, 3), dense(5, "relu"), flatten(), dense(2)),
        "dropout": sequential((3,), keras.layers.Identity(), dense(5, "relu"), dropout(0.9), dense(2)),
        "functional": functional((3,), dense(5, "relu"), dropout(0.5), dense(4, "relu"), dense(1)),
        "nested": functional((3,), dense(4), sequential((4,), relu(), dense(3)),
                             functional((3,), relu(), dense(2, "relu")), dense(2)),
        "nested sequential": sequential((3,), functional((3,), dense(4, "relu")), sequential((4,), dense(2))),
        "shared": functional((3,), shared, shared, dense(2)),
        "relu first": sequential((3,), relu(), dense(2)),
        "relu last": functional((3,), dense(4, "relu"), dense(2, "relu")),
        "affine": sequential((3,), dense(4), dense(2)),
        "no dense": functional((3,), relu()),
        "unknown axis": sequential((None, 3), dense(4, "relu"), dense(2)),
    }


KERAS_CASES = ("plain", "no bias", "relu layer", "flatten", "images", "one row", "dropout", "functional", "nested",
               "nested sequential", "shared", "relu first", "relu last", "affine", "no dense", "unknown axis")


def test_all_keras_cases_are_asked_for(keras):
    assert tuple(models_of(keras)) == KERAS_CASES


@pytest.mark.parametrize("case", KERAS_CASES)
def test_keras_model_and_its_network_compute_the_same(keras, case):
    model = models_of(keras)[case]
    model.set_weights([whole_numbers(w.shape, seed) for seed, w in enumerate(model.get_weights())])
    # Keras multiplies in float32: of small integers, exactly
    X = whole_numbers((50, *(length or 1 for length in model.input_shape[1:])))
    outputs = keras.ops.convert_to_numpy(model(X, training=False))
    assert outputs.any()
    assert_equal_bits(rn.from_keras(model)(X.reshape(50, -1)), outputs.reshape(50, -1), case)


def further_models_of(keras):
    """Return models with normalisations, other ReLUs and values that are used twice."""
    layers = keras.layers

    def sequential(shape, *inner):
        return keras.Sequential([keras.Input(shape), *inner])

    def normalization(shape, **options):
        layer = layers.Normalization(dtype="float64", **options)
        layer.adapt(samples_of(shape))
        return layer

    def normalised(**options):
        return layers.BatchNormalization(
            beta_initializer="random_normal", gamma_initializer="random_normal",
            moving_mean_initializer="random_normal",
            moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2.0), **options)

    def dense(n, *activation):
        return layers.Dense(n, *activation, bias_initializer="random_normal")

    def own(kind, *arguments, **options):
        return getattr(layers, kind)(*arguments, **options)

    def functional(function):
        x = keras.Input((3,))
        return keras.Model(x, function(x))

    def residual(x):
        h = own("Add")([x, dense(3)(dense(5, "relu")(x))])
        h = own("Add")([h, h, dense(3, "relu")(h)])
        return dense(2)(own("ReLU")(h))

    def heads(x):
        h = dense(4, "relu")(x)
        return own("Concatenate")([dense(2)(h), dense(1, "relu")(h), x])

    def operators(x):
        h = dense(3, "relu")(x)
        h = keras.ops.maximum(x + h, keras.ops.relu(dense(3)(h))) - x
        return keras.activations.relu(h, max_value=1.0)

    def images(x):
        rows = own("Reshape", (3, 1))(x)
        joined = own("Concatenate", axis=-1)([rows, own("ReLU")(rows)])
        return dense(2)(own("Flatten")(own("Concatenate", axis=1)([joined, normalised()(joined)])))

    return {
        "normalization": sequential((3,), normalization((3,)), dense(4, "relu"), normalised(), dense(2)),
        "of all entries": sequential((2, 3), normalization((2, 3), axis=None), own("Flatten"), dense(4, "relu")),
        "along an axis": sequential((2, 3), normalised(axis=1), normalization((2, 3), axis=2, invert=True),
                                    own("Flatten"), dense(4, "relu"), normalised(center=False, scale=False)),
        "rescaling": sequential((2, 3), own("Rescaling", 0.25, -1.0), own("Rescaling", [1.0, 2.0, -0.5], 0.5),
                                own("Flatten"), dense(4, "relu"), dense(1)),
        "slopes": sequential((3,), dense(4), own("LeakyReLU"), dense(4), own("PReLU", alpha_initializer="ones"),
                             dense(4, "leaky_relu"), own("ReLU", negative_slope=0.5), dense(2)),
        "clipped": sequential((3,), dense(4, "relu6"), dense(4), own("ReLU", max_value=0.125), dense(3),
                              own("ReLU", max_value=0.25, negative_slope=0.5)),
        "outside training": sequential((3,), own("GaussianNoise", 1.0), dense(4), own("GaussianDropout", 0.5),
                                       own("ReLU"), own("ActivityRegularization"), dense(2)),
        "layer as activation": sequential((3,), dense(4, own("LeakyReLU", 0.1)), dense(2)),
        "residual": functional(residual), "heads": functional(heads), "operators": functional(operators),
        "images": functional(images),
        "average": functional(lambda x: own("Average")([own("Subtract")([x, dense(3, "relu")(x)]), x])),
        "extremes": functional(lambda x: own("Maximum")([x, own("Minimum")([dense(3)(x), dense(3)(x)])])),
    }


FURTHER = ("normalization", "of all entries", "along an axis", "rescaling", "slopes", "clipped",
           "outside training", "layer as activation", "residual", "heads", "operators", "images", "average",
           "extremes")


def test_all_further_cases_are_asked_for(keras):
    assert tuple(further_models_of(keras)) == FURTHER


@pytest.mark.parametrize("case", FURTHER)
def test_further_keras_model_and_its_network_compute_the_same(keras, case):
    model = further_models_of(keras)[case]
    X = samples_of(model.input_shape[1:]).astype(np.float32)
    outputs = keras.ops.convert_to_numpy(model(X, training=False))
    assert outputs.any()
    assert_computes_in_float32(rn.from_keras(model), X, outputs)


@pytest.mark.parametrize("last", ["softmax", "log_softmax", "sigmoid", "Softmax"])
def test_logits_of_a_keras_model_are_the_network_before_its_last_function(keras, last):
    layers = keras.layers
    body = [keras.Input((3,)), layers.Dense(4, "relu")]
    ends = [layers.Dense(2), layers.Softmax()] if last == "Softmax" else [layers.Dense(2, last)]
    model = keras.Sequential([*body, *ends, layers.Flatten()])
    scores = keras.Sequential([*body, layers.Dense(2), layers.Flatten()])
    scores.set_weights(model.get_weights())
    assert_same_network(rn.from_keras(model, until="logits"), rn.from_keras(scores), last)
    assert_same_network(rn.from_keras(scores, until="logits"), rn.from_keras(scores), "nothing to leave off")
    with pytest.raises(ValueError, match="is no ReLU; if it is the last one, `until=\"logits\"` gives"):
        rn.from_keras(model)
    later = keras.Sequential([model, layers.Dense(1, name="later")])
    with pytest.raises(ValueError, match="`later`: Dense comes after a softmax"):
        rn.from_keras(later, until="logits")


def as_keras_2_writes(path):
    """Rewrite the configuration in a .h5 file as Keras 2 did: the first layer has the input's shape."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        start, *layers = config["config"]["layers"]
        assert start["class_name"] == "InputLayer"
        layers[0]["config"]["batch_input_shape"] = [None, 3]
        for layer in layers:
            for key in ("module", "registered_name", "build_config"):
                layer.pop(key, None)
            one = layer["config"]
            one["dtype"] = "float32"
            for name, value in one.items():
                if isinstance(value, dict) and "class_name" in value:
                    one[name] = {"class_name": value["class_name"], "config": value["config"]}
        config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.12.0"


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")
def test_file_of_keras_2_is_its_model(keras, tmp_path):
    layers = keras.layers
    model = keras.Sequential([keras.Input((3,)), layers.Dense(5, "relu"), layers.BatchNormalization(),
                              layers.Dropout(0.5), layers.Dense(2, "linear")])
    path = str(tmp_path / "model.h5")
    model.save(path)
    as_keras_2_writes(path)
    network = rn.from_keras(keras.models.load_model(path, compile=False))
    assert_same_network(network, rn.from_keras(model), "from the file")


@pytest.mark.parametrize("case", ["plain", "relu first", "relu last", "nested"])
def test_network_of_a_keras_model_reduces_and_is_verified(keras, case):
    assert_reduces_and_is_verified(rn.from_keras(models_of(keras)[case]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_floating_point_type_of_keras_is_converted_exactly(keras, dtype):
    dense = keras.layers.Dense(4, "relu", dtype=dtype)
    model = keras.Sequential([keras.Input((3,)), dense, keras.layers.Dense(1)])
    kernel = keras.ops.convert_to_numpy(keras.ops.cast(dense.kernel, "float64"))
    assert_equal_bits(rn.from_keras(model).weights[0], kernel.T, dtype)


def test_dense_layers_in_a_row_are_multiplied_out(keras):
    model = keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(n) for n in (4, 5)), keras.layers.ReLU(),
                              keras.layers.Dense(1)])
    assert rn.from_keras(model).sizes == (3, 5, 1)


def test_part_of_a_model_is_converted(keras):
    model = models_of(keras)["functional"]
    part = keras.Model(model.layers[2].output, model.output)
    assert rn.from_keras(part).sizes == (5, 4, 1)


def refused(keras, *layers, shape=(3,)):
    model = keras.Sequential([keras.Input(shape), *layers, keras.layers.Dense(1)])
    with pytest.raises(ValueError) as raised:
        rn.from_keras(model)
    return str(raised.value)


@pytest.mark.parametrize("activation, advice", [
    ("tanh", "with the activation tanh is not supported: it is no ReLU: train the model with ReLU"),
    ("gelu", "with the activation gelu is not supported: it is no ReLU"),
    ("sigmoid", 'with sigmoid is no ReLU; if it is the last one, `until="logits"`'),
    ("softmax", 'with softmax is no ReLU; if it is the last one, `until="logits"`'),
])
def test_other_activations_of_keras_are_refused_with_advice(keras, activation, advice):
    dense = keras.layers.Dense(4, activation, name="hidden")
    assert refused(keras, dense).startswith(f"`hidden`: Dense {advice}")
    layer = keras.layers.Activation(activation, name="act")
    assert refused(keras, layer).startswith(f"`act`: Activation {advice}")


@pytest.mark.parametrize("name, options, reason", [
    ("Softmax", {}, 'is no ReLU; if it is the last one, `until="logits"`'),
    ("LayerNormalization", {}, "is not supported: it divides by what it computes"),
    ("ELU", {}, "is not supported: it is no ReLU"),
    ("ReLU", {"threshold": 1.0}, "with a threshold jumps"),
    ("Flatten", {"data_format": "channels_first"}, "with channels first moves entries"),
    ("RepeatVector", {"n": 2}, "is not supported: a ReLU network is made of affine maps and ReLUs"),
])
def test_other_layers_are_refused_by_their_names(keras, name, options, reason):
    layer = getattr(keras.layers, name)(name="odd", **options)
    x = keras.Input((3,))
    with pytest.raises(ValueError, match=f"^`odd`: {name} {reason}"):
        rn.from_keras(keras.Model(x, layer(x)))


def test_layer_of_a_class_of_one_s_own_is_refused(keras):
    class Doubled(keras.layers.Dense):
        def call(self, inputs):
            return 2.0 * super().call(inputs)

    assert refused(keras, Doubled(3, "relu", name="odd")).startswith("`odd`: Doubled is not supported")


@pytest.mark.parametrize("name", ["call", "forward"])
@pytest.mark.parametrize("place", ["model", "hidden", "relu"])
def test_layers_that_were_patched_are_refused(keras, place, name):
    layers = [keras.layers.Dense(4, name="hidden"), keras.layers.ReLU(name="relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers], name="model")
    patched = model if place == "model" else model.get_layer(place)
    original = getattr(patched, name)
    setattr(patched, name, lambda x, **options: original(x, **options) - 0.2)
    with pytest.raises(ValueError, match=f"`{place}` must be a layer that .*, got .* with a `{name}` of its own"):
        rn.from_keras(model)
    setattr(patched, name, original)
    assert rn.from_keras(model).sizes == (3, 4, 1)


@pytest.mark.parametrize("place", ["model", "hidden"])
def test_hooks_of_the_backend_are_refused(keras, place):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu", name="hidden"),
                              keras.layers.Dense(1)], name="model")
    hooked = model if place == "model" else model.get_layer(place)
    handle = hooked.register_forward_hook(lambda module, inputs, output: 2.0 * output)
    with pytest.raises(ValueError, match=f"`{place}` must be without forward hooks"):
        rn.from_keras(model)
    handle.remove()
    assert rn.from_keras(model).sizes == (3, 4, 1)


def test_several_inputs_or_outputs_and_sums_that_repeat_entries_are_refused(keras):
    x, y = keras.Input((3,)), keras.Input((1,))
    hidden = keras.layers.Dense(1, "relu")(x)
    for inputs, outputs, counts in [(x, [hidden, x], "1 and 2"), ([x, y], hidden + y, "2 and 1")]:
        with pytest.raises(ValueError, match=f"must be of one input and one output, got {counts}"):
            rn.from_keras(keras.Model(inputs, outputs))
    sums = keras.layers.Add(name="sum")([x, hidden])
    with pytest.raises(ValueError, match=r"`sum`: Add must combine several values of one shape, got \[\(1,\)"):
        rn.from_keras(keras.Model(x, sums))
    with pytest.raises(ValueError, match="Add must combine several values of one shape"):
        rn.from_keras(keras.Model(x, x + 1.0))


def test_normalisation_with_a_negative_variance_is_refused(keras):
    norm = keras.layers.BatchNormalization(moving_variance_initializer=keras.initializers.Constant(-1.0))
    with pytest.raises(ValueError, match="a normalisation must have positive variances"):
        rn.from_keras(keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)]))


@pytest.mark.parametrize("shape", [(), (0,), (None,), (3, None)])
def test_model_of_an_unknown_number_of_inputs_is_refused(keras, shape):
    x = keras.Input(shape)
    with pytest.raises(ValueError, match="`model` must be of a known number of inputs, got"):
        rn.from_keras(keras.Model(x, keras.layers.ReLU()(x)))


def test_input_that_claims_too_many_numbers_is_refused_before_it_takes_memory(keras):
    x = keras.Input((10**12,))
    with pytest.raises(ValueError, match="too many for a model of this size"):
        rn.from_keras(keras.Model(x, keras.layers.ReLU()(x)))


@pytest.mark.parametrize("training", [True, 1])
def test_dropout_that_always_drops_is_refused(keras, training):
    x = keras.Input((3,))
    hidden = keras.layers.Dropout(0.5, name="drop")(keras.layers.Dense(3, "relu")(x), training=training)
    with pytest.raises(ValueError, match="`drop` must be called without `training=True`"):
        rn.from_keras(keras.Model(x, keras.layers.Dense(1)(hidden)))


def test_dense_on_the_last_of_several_axes_is_refused(keras):
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Dense(4, "relu", name="hidden")])
    with pytest.raises(ValueError, match=r"`hidden`: Dense takes the last axis of a value of shape \(2, 3\)"):
        rn.from_keras(model)


def test_model_that_is_not_built_is_refused(keras):
    for layers in ([], [keras.Input((3,))], [keras.layers.Dense(3), keras.layers.ReLU()]):
        with pytest.raises(ValueError, match="`model` must be built, got one without weights"):
            rn.from_keras(keras.Sequential(layers))


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize` method:UserWarning")
def test_quantised_layers_are_refused(keras):
    dense = keras.layers.Dense(4, "relu", name="hidden")
    model = keras.Sequential([keras.Input((3,)), dense, keras.layers.Dense(1)])
    model.quantize("int8")
    with pytest.raises(ValueError, match="`hidden` must be not quantised, got 'int8'"):
        rn.from_keras(model)


def test_from_keras_refuses_what_is_no_graph(keras):
    class Perceptron(keras.Model):
        def call(self, x):
            return x

    class Graph(keras.Model):
        def call(self, x, **options):
            return x

    class Chain(keras.Sequential):
        def call(self, x, **options):
            return x

    x = keras.Input((3,))
    graph = Graph(x, keras.layers.Dense(1)(x))
    for value in (None, "model", keras.layers.Dense(3), Perceptron(), graph, Chain([keras.Input((3,))])):
        got = type(value).__name__
        with pytest.raises(TypeError, match=f"`model` must be a keras.Sequential or a functional .*, got {got}"):
            rn.from_keras(value)


def test_keras_weights_that_are_not_finite_are_named(keras):
    dense = keras.layers.Dense(2, "relu", name="hidden")
    model = keras.Sequential([keras.Input((1,)), dense, keras.layers.Dense(1)])
    dense.set_weights([np.array([[1.0, np.nan]]), np.zeros(2)])
    with pytest.raises(ValueError, match=r"`hidden.kernel` must be finite, got nan at index \(1, 0\)"):
        rn.from_keras(model)


def test_examples_of_from_keras_run(keras):
    assert_examples_run(rn.from_keras)
