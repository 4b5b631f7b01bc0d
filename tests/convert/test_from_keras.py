"""from_keras against Keras' own forward pass, on the backend torch; skipped where one of them is absent."""
import os

import numpy as np
import pytest
from oracles.assertions import assert_equal_bits
from oracles.converted import assert_examples_run, assert_reduces_and_is_verified

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
    """Return models with every accepted layer."""
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
    }


KERAS_CASES = ("plain", "no bias", "relu layer", "flatten", "images", "one row", "dropout", "functional", "nested",
               "nested sequential", "shared", "relu first", "relu last")


def test_all_keras_cases_are_asked_for(keras):
    assert tuple(models_of(keras)) == KERAS_CASES


@pytest.mark.parametrize("case", KERAS_CASES)
def test_keras_model_and_its_network_compute_the_same(keras, case):
    model = models_of(keras)[case]
    model.set_weights([whole_numbers(w.shape, seed) for seed, w in enumerate(model.get_weights())])
    X = whole_numbers((50, *model.input_shape[1:]))  # Keras multiplies in float32: of small integers, exactly
    outputs = keras.ops.convert_to_numpy(model(X, training=False))
    assert outputs.any()
    assert_equal_bits(rn.from_keras(model)(X.reshape(50, -1)), outputs, case)


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


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softmax", "relu6", "leaky_relu"])
def test_other_activations_of_keras_are_refused(keras, activation):
    dense = keras.layers.Dense(4, activation, name="hidden")
    assert refused(keras, dense) == f"`hidden.activation` must be relu or linear, got {activation}"
    layer = keras.layers.Activation(activation, name="act")
    assert refused(keras, layer) == f"`act.activation` must be relu or linear, got {activation}"


@pytest.mark.parametrize("name, options", [
    ("BatchNormalization", {}), ("LeakyReLU", {}), ("Softmax", {}), ("LayerNormalization", {}),
    ("ReLU", {"max_value": 6.0}), ("ReLU", {"negative_slope": 0.1}), ("ReLU", {"threshold": 1.0}),
    ("Flatten", {"data_format": "channels_first"}),
])
def test_other_layers_are_refused_by_their_names(keras, name, options):
    layer = getattr(keras.layers, name)(name="odd", **options)
    assert refused(keras, layer).endswith(f", got {name} 'odd'")


def test_layer_of_a_class_of_one_s_own_is_refused(keras):
    class Doubled(keras.layers.Dense):
        def call(self, inputs):
            return 2.0 * super().call(inputs)

    assert refused(keras, Doubled(3, "relu", name="odd")).endswith("got Doubled 'odd'")


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


def test_layers_that_are_no_chain_are_refused(keras):
    x = keras.Input((3,))
    hidden = keras.layers.Dense(3, "relu")(x)
    skip = keras.layers.Add(name="skip")([x, hidden])
    with pytest.raises(ValueError, match="must be a chain of layers of one input, got Add 'skip' of 2 inputs"):
        rn.from_keras(keras.Model(x, skip))
    with pytest.raises(ValueError, match="must be of one input and one output, got 1 and 2"):
        rn.from_keras(keras.Model(x, [hidden, skip]))


@pytest.mark.parametrize("training", [True, 1])
def test_dropout_that_always_drops_is_refused(keras, training):
    x = keras.Input((3,))
    hidden = keras.layers.Dropout(0.5, name="drop")(keras.layers.Dense(3, "relu")(x), training=training)
    with pytest.raises(ValueError, match="`drop` must be called without `training=True`"):
        rn.from_keras(keras.Model(x, keras.layers.Dense(1)(hidden)))


def test_dense_on_the_last_of_several_axes_is_refused(keras):
    for shape, got in [((2, 3), r"shape \(2, 3\)"), ((None, 3), r"shape \(None, 3\)")]:
        model = keras.Sequential([keras.Input(shape), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
        with pytest.raises(ValueError, match=f"`model` must be of 3 inputs, as its first Dense, got {got}"):
            rn.from_keras(model)


def test_model_that_is_not_built_is_refused(keras):
    for layers in ([], [keras.Input((3,))], [keras.layers.Dense(3), keras.layers.ReLU()]):
        with pytest.raises(ValueError, match="`model` must be built, got one without weights"):
            rn.from_keras(keras.Sequential(layers))


def test_model_without_dense_layer_is_refused(keras):
    x = keras.Input((3,))
    with pytest.raises(ValueError, match="`model` must be of at least one affine layer, got none"):
        rn.from_keras(keras.Model(x, keras.layers.ReLU()(x)))


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
