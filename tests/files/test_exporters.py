"""Files that PyTorch, scikit-learn and Keras write today are the functions of their models.

Each test skips without the libraries that write its files; CI installs them.
"""
import os
import warnings

import numpy as np
import pytest

pytest.importorskip("onnx")

import reducednet as rn  # noqa: E402
from oracles.assertions import assert_close  # noqa: E402

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
RATIO = 2.0**29 * 1.01
"""Unit roundoff of float32 by that of float64, and what remains in the second order."""


def samples(n_inputs):
    return np.random.default_rng(1).uniform(-2.0, 2.0, (20, n_inputs)).astype(np.float32)


def assert_is_the_model(network, X, outputs):
    """Assert that the outputs, computed in float32, are the network's to float32 rounding.

    An exporter may fold a normalisation into a layer in float32: eight roundings more per weight.
    """
    X = np.reshape(X, (len(X), -1))
    bound = rn.evaluation_bound(network, rn.Box(X.min(axis=0), X.max(axis=0)), extra_roundings=8)
    outputs = np.asarray(outputs, dtype=float).reshape(len(X), -1)
    assert_close(network(X), outputs, np.broadcast_to(RATIO * bound, outputs.shape), f"{network!r}")


# ---------------------------------------------------------------------------------------------- PyTorch

def torch_models(nn, torch):
    """Return the models by name, each a function of its width."""
    class Residual(nn.Module):
        def __init__(self, n, last):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n))
            self.last = last

        def forward(self, x):
            return self.last(x + self.inner(x))

    class Heads(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.body, self.low, self.high = nn.Linear(n, n), nn.Linear(n, 2), nn.Linear(n, 3)

        def forward(self, x):
            h = torch.relu(self.body(x))
            return torch.cat([self.low(h), torch.relu(self.high(h))], dim=1)

    class Scaled(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.mean, self.scale = nn.Buffer(torch.linspace(-1, 1, n)), nn.Buffer(torch.linspace(1, 2, n))
            self.inner = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 1))

        def forward(self, x):
            return self.inner((x.view(x.size(0), -1) - self.mean) / self.scale).squeeze(-1) * 3.0 + 1.0

    class Maxima(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.one, self.other = nn.Linear(n, n), nn.Linear(n, n)

        def forward(self, x):
            return torch.maximum(self.one(x), self.other(x)).abs() - x.mean(dim=1, keepdim=True)

    def normalised(n):
        layers = [nn.Linear(n, n), nn.BatchNorm1d(n), nn.ReLU(), nn.Dropout(), nn.Linear(n, n),
                  nn.LeakyReLU(0.125), nn.BatchNorm1d(n), nn.Linear(n, 2)]
        for layer in (layers[1], layers[6]):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(layer.weight)
        return nn.Sequential(*layers)

    return {
        "plain": lambda n: nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 2)),
        "normalised": normalised,
        "clipped": lambda n: nn.Sequential(nn.Linear(n, n), nn.ReLU6(), nn.Linear(n, n), nn.Hardtanh(),
                                           nn.Linear(n, 2), nn.PReLU()),
        "residual": lambda n: nn.Sequential(nn.Linear(n, n), Residual(n, nn.Identity()), Residual(n, nn.ReLU()),
                                            nn.Linear(n, 2)),
        "heads": Heads, "scaled": Scaled, "maxima": Maxima,
        "classifier": lambda n: nn.Sequential(nn.Flatten(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 3),
                                              nn.Softmax(dim=1)),
    }


NAMES = ("plain", "normalised", "clipped", "residual", "heads", "scaled", "maxima", "classifier")
WIDTHS = [("plain", 16), ("plain", 64), *((name, 32) for name in NAMES)]


def export(torch, model, path, kind):
    """Write a model by PyTorch's default exporter or the legacy one, with a free or a fixed batch."""
    x = torch.zeros((4, model_inputs(model)))
    free, is_default = kind.endswith("free"), kind.startswith("default")
    options = {"dynamo": is_default}
    if is_default and free:
        options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif free:
        options |= {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    torch.onnx.export(model, (x,), str(path), verbose=False, **options)


def model_inputs(model):
    return next(parameter for parameter in model.parameters() if parameter.ndim == 2).shape[1]


@pytest.mark.parametrize("kind", ["default free", "default fixed", "legacy free", "legacy fixed"])
@pytest.mark.parametrize("name, width", WIDTHS)
def test_file_of_pytorch_is_its_model(tmp_path, name, width, kind):
    torch = pytest.importorskip("torch")
    if kind.startswith("default"):
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    models = torch_models(torch.nn, torch)
    assert set(models) == set(NAMES)
    model, path, X = models[name](width).eval(), tmp_path / "model.onnx", samples(width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(torch, model, path, kind)
    network = rn.load(path, until="logits" if name == "classifier" else None)
    scores = model[:-1] if name == "classifier" else model
    with torch.no_grad():
        assert_is_the_model(network, X, scores(torch.from_numpy(X)).numpy())


# ----------------------------------------------------------------------------------------- scikit-learn

def sklearn_models():
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

    def regressor():
        return MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=20, random_state=0)

    def classifier():
        return MLPClassifier(hidden_layer_sizes=(16, 8), max_iter=20, random_state=0)

    return {
        "regressor": regressor(), "classifier": classifier(),
        "standard, regressor": make_pipeline(StandardScaler(), regressor()),
        "standard, classifier": make_pipeline(StandardScaler(), classifier()),
        "minimum and maximum, classifier": make_pipeline(MinMaxScaler(), classifier()),
        "largest, regressor": make_pipeline(MaxAbsScaler(), regressor()),
    }


def scores_of(model, X):
    """Return what the model computes before softmax or the logistic function, in float64."""
    *steps, mlp = [model] if not hasattr(model, "steps") else [step for _, step in model.steps]
    for step in steps:
        X = step.transform(X)
    for number, (V, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_)):
        X = X @ V + b if number == 0 else np.maximum(X, 0.0) @ V + b
    return X


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["regressor", "classifier", "standard, regressor", "standard, classifier",
                                  "minimum and maximum, classifier", "largest, regressor"])
def test_file_of_skl2onnx_is_its_model(tmp_path, name, dtype, n_classes):
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    X = samples(5)
    y = X[:, 0] * X[:, 1] if name.endswith("regressor") else np.arange(len(X)) % n_classes
    model = sklearn_models()[name].fit(X.astype(dtype), y)
    path = tmp_path / "model.onnx"
    path.write_bytes(skl2onnx.to_onnx(model, X[:1].astype(dtype)).SerializeToString())
    network = rn.load(path, until="logits" if name.endswith("classifier") else None)
    assert network.n_outputs == (1 if name.endswith("regressor") or n_classes == 2 else 3)
    assert_is_the_model(network, X, scores_of(model, X.astype(dtype)))


# ------------------------------------------------------------------------------------------------ Keras

def keras_models(keras, n):
    """Return a plain model, one with all layers of inference, a residual one and a classifier."""
    layers, start = keras.layers, keras.Input((n,))
    norm = layers.Normalization()
    norm.adapt(samples(n))
    h = layers.Dense(n, activation="relu")(start)
    residual = layers.Dense(2)(layers.ReLU()(layers.Add()([start, layers.Dense(n)(h)])))
    return {
        "plain": keras.Sequential([keras.Input((n,)), layers.Dense(n, activation="relu"), layers.Dense(2)]),
        "normalised": keras.Sequential([
            keras.Input((n,)), norm, layers.Dense(n), layers.BatchNormalization(), layers.ReLU(),
            layers.Dropout(0.5), layers.Dense(n, activation="leaky_relu"), layers.Dense(2)]),
        "residual": keras.Model(start, residual),
        "classifier": keras.Sequential([
            keras.Input((n // 4, 4)), layers.Rescaling(0.5, 0.25), layers.Flatten(),
            layers.Dense(n, activation="relu6"), layers.Dense(3, activation="softmax")]),
    }


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("name", ["plain", "normalised", "residual", "classifier"])
def test_file_of_keras_is_its_model(tmp_path, name, width):
    for library in ("torch", "onnxscript"):
        pytest.importorskip(library)
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras exports by the library that it computes with: KERAS_BACKEND=torch")
    model = keras_models(keras, width)[name]
    X = samples(width).reshape(20, *model.input_shape[1:])
    model(X)  # Keras exports models that were called
    path = tmp_path / "model.onnx"
    model.export(str(path), format="onnx", verbose=False)
    network = rn.load(path, until="logits" if name == "classifier" else None)
    outputs = keras.ops.convert_to_numpy(model(X))
    if name == "classifier":
        assert_has_probabilities(network, X, outputs)
    else:
        assert_is_the_model(network, X, outputs)


def assert_has_probabilities(network, X, outputs):
    """Assert that the outputs are softmax(network(X)): softmax is 1-Lipschitz in the largest entry."""
    X = X.reshape(len(X), -1)
    bound = rn.evaluation_bound(network, rn.Box(X.min(axis=0), X.max(axis=0)), extra_roundings=8).max()
    powers = np.exp(network(X) - network(X).max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    assert np.abs(probabilities - outputs).max() <= RATIO * bound + 16 * 2.0**-24
