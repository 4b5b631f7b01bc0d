"""Converters from scikit-learn, from and to PyTorch, against the libraries' own forward passes."""
import builtins
import copy
import importlib
import warnings
from fractions import Fraction

import numpy as np
import pytest
from oracles.assertions import assert_equal_bits, assert_same_network
from oracles.converted import (
    assert_computes, assert_examples_run, assert_reduces_and_is_verified, evaluation_error, samples_of,
)
from hypothesis import given
from oracles.strategies import networks

import reducednet as rn
from reducednet import _validation
from reducednet.numerics.rounding import gamma


@pytest.fixture
def neural_network():
    return pytest.importorskip("sklearn.neural_network")


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch


# scikit-learn


def regressor(neural_network, hidden=(6,), **options):
    return neural_network.MLPRegressor(hidden_layer_sizes=hidden, **{"max_iter": 20, "random_state": 0, **options})


def fitted(model, y, n_inputs=3):
    """Return the model after a few steps, which need not converge, and its samples."""
    X = samples_of((n_inputs,), len(y))
    with warnings.catch_warnings(action="ignore"):
        return model.fit(X, y), X


def scores(mlp, X):
    """Return scikit-learn's own outputs before its last function."""
    mlp = copy.copy(mlp)
    mlp.out_activation_ = "identity"
    return mlp._forward_pass_fast(X, check_input=False)


@pytest.mark.parametrize("hidden", [(5,), (6, 4), (4, 1, 3)])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressor_and_its_network_predict_the_same(neural_network, hidden, n_outputs):
    y = np.squeeze(np.random.default_rng(0).standard_normal((60, n_outputs)))
    mlp, X = fitted(regressor(neural_network, hidden), y)
    net = rn.from_sklearn(mlp)
    assert net.sizes == (3, *hidden, n_outputs)
    assert_computes(net, X, mlp.predict(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier_s_network_gives_its_scores(neural_network, n_classes):
    y = np.array(list("abc"))[np.arange(60) % n_classes]
    mlp, X = fitted(neural_network.MLPClassifier((7, 5), max_iter=20, random_state=0), y)
    net = rn.from_sklearn(mlp)
    assert net.n_outputs == (1 if n_classes == 2 else 3)
    assert_computes(net, X, scores(mlp, X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_largest_score_is_the_predicted_class(neural_network, n_classes):
    y = np.array(list("abc"))[np.arange(60) % n_classes]
    mlp, X = fitted(neural_network.MLPClassifier((7,), max_iter=20, random_state=0), y)
    outputs = rn.from_sklearn(mlp)(X)
    outputs = np.hstack([np.zeros((len(X), 1)), outputs]) if n_classes == 2 else outputs
    ordered = np.sort(outputs, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2.0 * evaluation_error(rn.from_sklearn(mlp), X).max()
    assert clear.sum() > 50
    assert (mlp.classes_[outputs.argmax(axis=1)] == mlp.predict(X))[clear].all()


def test_multilabel_classifier_has_a_score_a_label(neural_network):
    Y = (samples_of((2,), 60) > 0.0).astype(int)
    mlp, X = fitted(neural_network.MLPClassifier((5,), max_iter=20, random_state=0), Y)
    assert_computes(rn.from_sklearn(mlp), X, scores(mlp, X))


def test_float32_fit_is_converted_exactly(neural_network):
    X = samples_of((2,)).astype(np.float32)
    mlp = regressor(neural_network, max_iter=2000).fit(X, X[:, 0])
    assert mlp.coefs_[0].dtype == np.float32
    net = rn.from_sklearn(mlp)
    assert_equal_bits(net.weights[0], mlp.coefs_[0].T, "weights")
    assert_equal_bits(net.output_bias, mlp.intercepts_[1], "output_bias")


def test_network_of_a_regressor_reduces_and_is_verified(neural_network):
    mlp, _ = fitted(regressor(neural_network), samples_of((), 60))
    assert_reduces_and_is_verified(rn.from_sklearn(mlp))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
def test_other_activations_of_scikit_learn_are_refused(neural_network, activation):
    mlp, _ = fitted(regressor(neural_network, activation=activation), samples_of((), 30))
    with pytest.raises(ValueError, match=f"`mlp.activation` must be 'relu', got '{activation}'"):
        rn.from_sklearn(mlp)


def test_predictions_that_are_exponentials_are_refused(neural_network):
    mlp, _ = fitted(regressor(neural_network), samples_of((), 30))
    mlp.out_activation_ = "exp"  # what `loss="poisson"` sets, which older versions do not have
    with pytest.raises(ValueError, match="`mlp.out_activation_` must be one of .*, got 'exp'"):
        rn.from_sklearn(mlp)


def test_unfitted_model_is_refused(neural_network):
    with pytest.raises(ValueError, match="`mlp` must be fitted, got an unfitted MLPClassifier: call its `fit`"):
        rn.from_sklearn(neural_network.MLPClassifier())


def test_model_without_hidden_layer_is_refused(neural_network):
    mlp, _ = fitted(regressor(neural_network, ()), samples_of((), 30))
    with pytest.raises(ValueError, match="not a ReLU network but an affine map"):
        rn.from_sklearn(mlp)


def test_parameters_that_are_not_finite_are_named(neural_network):
    mlp, _ = fitted(regressor(neural_network), samples_of((), 30))
    mlp.intercepts_[1][0] = np.nan
    with pytest.raises(ValueError, match=r"`mlp.intercepts_\[1\]` must be finite, got nan at index 0"):
        rn.from_sklearn(mlp)


@pytest.mark.parametrize("value", [None, "mlp", 3, [[1.0]], rn.Network.random((1, 2, 1), rng=0)])
def test_from_sklearn_refuses_what_is_no_mlp(value):
    with pytest.raises(TypeError, match=f"`mlp` must be an MLPRegressor or .*, got {type(value).__name__}$"):
        rn.from_sklearn(value)


def test_class_that_only_looks_like_an_mlp_is_refused(neural_network):
    class Perceptron:
        hidden_layer_sizes, activation, out_activation_ = (1,), "relu", "identity"
        coefs_, intercepts_ = [np.ones((1, 1)), np.ones((1, 1))], [np.zeros(1), np.zeros(1)]

        def predict(self, X):
            return -X

    with pytest.raises(TypeError, match="`mlp` must be an MLPRegressor or MLPClassifier, got Perceptron$"):
        rn.from_sklearn(Perceptron())


@pytest.mark.parametrize("name", ["predict", "_predict", "_forward_pass", "_forward_pass_fast"])
def test_mlp_that_predicts_in_its_own_way_is_refused(neural_network, name):
    class Clipped(neural_network.MLPRegressor):
        pass

    setattr(Clipped, name, lambda self, X, **options: np.zeros(len(X)))
    by_class, _ = fitted(regressor(neural_network), samples_of((), 30))
    on_itself = copy.copy(by_class)
    by_class.__class__ = Clipped
    setattr(on_itself, name, lambda X, **options: np.zeros(len(X)))
    for mlp, kind in [(by_class, "Clipped"), (on_itself, "MLPRegressor")]:
        with pytest.raises(ValueError, match=f"`mlp` must be .*, got {kind} with a `{name}` of its own"):
            rn.from_sklearn(mlp)


def test_subclass_of_an_mlp_that_predicts_the_same_is_accepted(neural_network):
    class Patient(neural_network.MLPRegressor):
        def fit(self, X, y):
            return super().fit(np.vstack([X, X]), np.append(y, y))

    mlp, X = fitted(Patient(hidden_layer_sizes=(3,), max_iter=2), samples_of((), 30))
    assert_computes(rn.from_sklearn(mlp), X, mlp.predict(X))


# PyTorch


def modules_of(torch):
    """Return Sequentials with every accepted module, and the shape of their samples."""
    nn = torch.nn
    inner = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    return {
        "plain": (nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), (3,)),
        "no bias": (nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 2, bias=False)), (3,)),
        "inplace": (nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)), (3,)),
        "flatten": (nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1)), (2, 3)),
        "images": (nn.Sequential(nn.Flatten(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 1)), (1, 4, 2)),
        "identity": (nn.Sequential(nn.Identity(), nn.Linear(3, 5), nn.Identity(), nn.ReLU(), nn.Flatten(),
                                   nn.Linear(5, 2)), (3,)),
        "dropout": (nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.9), nn.Linear(5, 2)).eval(), (3,)),
        "nested": (nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), inner, nn.Sequential(nn.Linear(3, 2))),
                   (3,)),
        "twice": (nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 4), nn.ReLU(), inner), (3,)),
        "relu first": (nn.Sequential(nn.ReLU(), nn.Linear(3, 2)), (3,)),
        "relu first and twice": (nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.ReLU(),
                                               nn.Linear(2, 2)), (3,)),
        "relu last": (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU()), (3,)),
    }


CASES = ("plain", "no bias", "inplace", "flatten", "images", "identity", "dropout", "nested", "twice",
         "relu first", "relu first and twice", "relu last")


@pytest.mark.parametrize("case", CASES)
def test_sequential_and_its_network_compute_the_same(torch, case):
    module, shape = modules_of(torch)[case]
    net, X = rn.from_torch(module), samples_of(shape)
    with torch.no_grad():
        assert_computes(net, X, module.double()(torch.tensor(X)).numpy())


@pytest.mark.parametrize("case", CASES)
def test_network_of_a_sequential_reduces_and_is_verified(torch, case):
    assert_reduces_and_is_verified(rn.from_torch(modules_of(torch)[case][0]))


def test_all_cases_are_asked_for(torch):
    assert tuple(modules_of(torch)) == CASES


def test_last_relu_has_the_identity_as_outgoing_weights(torch):
    net = rn.from_torch(modules_of(torch)["relu last"][0])
    assert net.sizes == (3, 4, 2, 2)
    assert_equal_bits(net.output_weights, np.eye(2), "output_weights")
    assert net.output_bias is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_floating_point_type_is_converted_exactly(torch, dtype):
    module = modules_of(torch)["plain"][0].to(getattr(torch, dtype))
    net = rn.from_torch(module)
    assert_equal_bits(net.weights[0], np.array(module[0].weight.tolist()), dtype)
    assert_equal_bits(net.output_bias, np.array(module[2].bias.tolist()), dtype)


def test_parameters_are_copied_and_the_sequential_is_left_alone(torch):
    module = modules_of(torch)["plain"][0].double()
    before = copy.deepcopy(module.state_dict())
    net = rn.from_torch(module)
    kept = net.to_vector()
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7.0)
    assert_equal_bits(net.to_vector(), kept, "the network's parameters")


def test_linear_layers_in_a_row_are_multiplied_out(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5, bias=False), nn.Linear(5, 2), nn.ReLU(),
                           nn.Linear(2, 3, bias=False), nn.Linear(3, 1)).double()
    with torch.no_grad():
        for parameter in module.parameters():  # whole numbers, so that nothing is rounded
            parameter.copy_(torch.randint(-9, 10, parameter.shape))
    net, X = rn.from_torch(module), np.random.default_rng(0).integers(-9, 10, (50, 3)).astype(float)
    assert net.sizes == (3, 2, 1)
    with torch.no_grad():
        assert_equal_bits(net(X), module(torch.tensor(X)).numpy(), "outputs")


def exact(array):
    return np.vectorize(Fraction, otypes=[object])(array)


def test_rounding_of_linear_layers_in_a_row_is_as_stated(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(6, 30), nn.Linear(30, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    (W, b), (V, c) = [(exact(m.weight.detach().numpy()), exact(m.bias.detach().numpy())) for m in module[:2]]
    net = rn.from_torch(module)
    error = np.abs(exact(net.weights[0]) - V.dot(W)) / np.abs(V).dot(np.abs(W))
    assert error.max() <= Fraction(gamma(30))
    error = np.abs(exact(net.thresholds[0]) - V.dot(b) - c) / (np.abs(V).dot(np.abs(b)) + np.abs(c))
    assert error.max() <= Fraction(gamma(31))


def test_products_beyond_float64_are_refused(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    with torch.no_grad():
        module[0].weight.fill_(1e200)
        module[1].weight.fill_(1e200)
    with pytest.raises(ValueError, match=r"`weights\[0\]` must be finite, got inf"):
        rn.from_torch(module)


def test_computed_weight_is_the_present_one(torch):
    nn = torch.nn
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    module = nn.Sequential(linear, nn.ReLU(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        linear.parametrizations.weight.original0.fill_(3.0)
    X = samples_of((3,))
    module.eval()
    with torch.no_grad():
        assert_computes(rn.from_torch(module), X, module(torch.tensor(X)).numpy())


def test_computed_weight_that_changes_at_each_reading_is_refused_and_left_alone(torch):
    nn = torch.nn
    linear = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4))
    module, before = nn.Sequential(linear, nn.ReLU(), nn.Linear(4, 1)), copy.deepcopy(linear.state_dict())
    with pytest.raises(ValueError, match=r"`sequential\[0\]` must be in evaluation mode .*, got Parametrized"):
        rn.from_torch(module)
    assert all(torch.equal(before[name], value) for name, value in linear.state_dict().items())
    module.eval().double()
    X = samples_of((3,))
    with torch.no_grad():
        assert_computes(rn.from_torch(module), X, module(torch.tensor(X)).numpy())


def test_subclass_that_computes_the_same_is_accepted(torch):
    class Perceptron(torch.nn.Sequential):
        def __init__(self):
            super().__init__(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))

    assert rn.from_torch(Perceptron()).sizes == (2, 3, 1)


def test_subclass_that_computes_something_else_is_refused(torch):
    class Doubled(torch.nn.Linear):
        def forward(self, x):
            return 2.0 * super().forward(x)

    with pytest.raises(ValueError, match=r"`sequential\[0\]` must be .*, got Doubled\("):
        rn.from_torch(torch.nn.Sequential(Doubled(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)))


@pytest.mark.parametrize("name", ["__call__", "_call_impl", "_wrapped_call_impl"])
def test_subclass_that_is_called_in_its_own_way_is_refused(torch, name):
    class Doubled(torch.nn.ReLU):
        pass

    setattr(Doubled, name, lambda self, x: 2.0 * x)
    with pytest.raises(ValueError, match=r"`sequential\[1\]` must be .*, got Doubled\("):
        rn.from_torch(torch.nn.Sequential(torch.nn.Linear(2, 3), Doubled(), torch.nn.Linear(3, 1)))


@pytest.mark.parametrize("place", ["Sequential", "0", "1", "2", "3", "4", "5"])
@pytest.mark.parametrize("name", ["forward", "_call_impl", "_wrapped_call_impl"])
def test_modules_that_were_patched_are_refused(torch, place, name):
    nn = torch.nn
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.Identity(), nn.ReLU(), nn.Dropout(0.5),
                           nn.Sequential(nn.Linear(3, 1))).eval()
    patched = module if place == "Sequential" else module[int(place)]
    original = getattr(patched, name)
    setattr(patched, name, lambda x: original(x) - 0.2)
    called = "sequential" if place == "Sequential" else rf"sequential\[{place}\]"
    expected = f"`{called}` must be a module that computes what its class does, got .* with a `{name}` of its own"
    with pytest.raises(ValueError, match=expected):
        rn.from_torch(module)
    setattr(patched, name, original)  # as a wrapper that is taken off again leaves it
    assert rn.from_torch(module).sizes == (2, 3, 1)


@pytest.mark.parametrize("register", ["register_module_forward_hook", "register_module_forward_pre_hook"])
def test_hooks_of_all_modules_are_refused(torch, register):
    handle = getattr(torch.nn.modules.module, register)(lambda module, inputs, *output: None)
    try:
        with pytest.raises(ValueError, match="must be without forward hooks, got some of all modules"):
            rn.from_torch(modules_of(torch)["plain"][0])
    finally:
        handle.remove()


def test_hooks_that_see_gradients_alone_are_no_hindrance(torch):
    module = modules_of(torch)["plain"][0]
    module[0].register_full_backward_hook(lambda module, ingoing, outgoing: None)
    assert rn.from_torch(module).sizes == (3, 5, 2)


def test_tensors_of_other_classes_and_layouts_are_refused(torch):
    class Halved(torch.nn.Parameter):
        pass

    for weight, got in [(Halved(torch.ones(3, 3)), "Halved"), (torch.eye(3).to_sparse(), "torch.sparse_coo")]:
        linear = torch.nn.Linear(3, 3)
        del linear.weight
        linear.weight = weight
        with pytest.raises(TypeError, match=rf"`sequential\[0\].weight` must be a .*, got {got}"):
            rn.from_torch(torch.nn.Sequential(linear, torch.nn.ReLU(), torch.nn.Linear(3, 1)))


@pytest.mark.parametrize("value", [None, "net", 3, rn.Network.random((1, 2, 1), rng=0)])
def test_from_torch_refuses_what_is_no_module(torch, value):
    with pytest.raises(TypeError, match=f"`sequential` must be a torch.nn.Sequential, got {type(value).__name__}"):
        rn.from_torch(value)


def test_module_of_another_class_is_refused_by_its_name(torch):
    class Perceptron(torch.nn.Module):
        pass

    for module, name in [(Perceptron(), "Perceptron"), (torch.nn.Linear(1, 1), "Linear")]:
        with pytest.raises(TypeError, match=f"`sequential` must be a torch.nn.Sequential, got {name}"):
            rn.from_torch(module)


@pytest.mark.parametrize("make, got", [
    (lambda nn: nn.Tanh(), "Tanh"), (lambda nn: nn.ReLU6(), "ReLU6"), (lambda nn: nn.LeakyReLU(), "LeakyReLU"),
    (lambda nn: nn.Softmax(dim=1), "Softmax"), (lambda nn: nn.BatchNorm1d(3), "BatchNorm1d"),
    (lambda nn: nn.Conv2d(1, 1, 3), "Conv2d"), (lambda nn: nn.Flatten(0), r"Flatten\(start_dim=0"),
    (lambda nn: nn.Flatten(1, 2), "Flatten.*end_dim=2"), (lambda nn: nn.Dropout(0.1), r"Dropout\(p=0.1"),
])
def test_other_modules_are_refused_by_their_names(torch, make, got):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU(), make(nn)), nn.Linear(3, 1))
    with pytest.raises(ValueError, match=rf"`sequential\[1\]\[1\]` must be Linear, ReLU, .*, got {got}"):
        rn.from_torch(module)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_hooks_are_refused(torch):
    nn = torch.nn
    hooked, pruned = nn.Linear(3, 3), nn.Linear(3, 3)
    hooked.register_forward_hook(lambda module, inputs, output: 2.0 * output)
    pruned.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1.0,))
    for linear in (hooked, pruned, nn.utils.weight_norm(nn.Linear(3, 3))):
        with pytest.raises(ValueError, match=r"`sequential\[0\]` must be without forward hooks, got Linear with"):
            rn.from_torch(nn.Sequential(linear, nn.ReLU(), nn.Linear(3, 1)))


def test_parameters_without_numbers_are_refused(torch):
    nn = torch.nn
    for linear in (nn.LazyLinear(3), nn.Linear(3, 3, device="meta")):
        with pytest.raises(ValueError, match=r"`sequential\[0\].weight` must be initialised"):
            rn.from_torch(nn.Sequential(linear, nn.ReLU(), nn.Linear(3, 1)))


def test_complex_parameters_are_refused(torch):
    nn = torch.nn
    with pytest.raises(TypeError, match=r"`sequential\[0\].weight` must be a tensor of real .* torch.complex64"):
        rn.from_torch(nn.Sequential(nn.Linear(3, 3, dtype=torch.complex64), nn.ReLU(), nn.Linear(3, 1)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(torch, value):
    module = modules_of(torch)["plain"][0]
    with torch.no_grad():
        module[2].weight[1, 3] = value
    with pytest.raises(ValueError, match=rf"`sequential\[2\].weight` must be finite, got {value} at .*\(1, 3\)"):
        rn.from_torch(module)


def test_sizes_that_do_not_fit_are_named(torch):
    nn = torch.nn
    with pytest.raises(ValueError, match=r"`sequential\[2\].weight` must be of 5 inputs, .* before it, got 4"):
        rn.from_torch(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(4, 1)))


def test_sequential_without_linear_or_relu_is_refused(torch):
    nn = torch.nn
    for module in (nn.Sequential(), nn.Sequential(nn.ReLU())):
        with pytest.raises(ValueError, match="`sequential` must be of at least one affine layer, got none"):
            rn.from_torch(module)
    with pytest.raises(ValueError, match="not a ReLU network but an affine map"):
        rn.from_torch(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1)))


# to PyTorch


def test_network_to_torch_and_back_is_the_same_bit_for_bit(torch):
    @given(networks("relu"))
    def check(net):
        assert_same_network(rn.from_torch(rn.to_torch(net)), net, "to torch and back")

    check()


@pytest.mark.parametrize("output_bias", [True, False])
def test_network_and_its_sequential_compute_the_same(torch, output_bias):
    net = rn.Network.random((3, 8, 5, 2), rng=0, output_bias=output_bias)
    module, X = rn.to_torch(net), samples_of((3,))
    assert [type(layer).__name__ for layer in module] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert (module[4].bias is not None) == output_bias
    assert_computes(net, X, module(torch.tensor(X)).detach().numpy())


def test_sequential_of_a_network_can_be_trained_and_shares_nothing_with_it(torch):
    net = rn.Network.random((2, 3, 1), rng=0)
    module, before = rn.to_torch(net), net.to_vector()
    module(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
    torch.optim.SGD(module.parameters(), lr=1.0).step()
    assert not torch.equal(module[2].weight, torch.tensor(net.output_weights))
    assert_equal_bits(net.to_vector(), before, "the network's parameters")


def test_to_torch_draws_no_random_numbers(torch):
    before = torch.get_rng_state()
    rn.to_torch(rn.Network.random((2, 3, 1), rng=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_sequential_is_on_the_cpu_whatever_the_default_device_is(torch):
    with torch.device("meta"):
        module = rn.to_torch(rn.Network.random((2, 3, 1), rng=0))
    assert {parameter.device.type for parameter in module.parameters()} == {"cpu"}


def test_reduced_network_becomes_a_sequential(torch):
    red = rn.ReducedNetwork.random((2, 6, 1), rn.Box([-1, -1], [1, 1]), rng=0)
    back = rn.from_torch(rn.to_torch(red))
    assert type(back) is rn.Network
    assert_equal_bits(back.to_vector(), red.to_vector(), "parameters")


def test_to_torch_refuses_binary_networks_and_others(torch):
    with pytest.raises(ValueError, match="`network` must be a ReLU network for PyTorch, got activation 'binary'"):
        rn.to_torch(rn.Network.random((2, 3, 1), rng=0, activation="binary"))
    with pytest.raises(TypeError, match="`network` must be a Network or ReducedNetwork, got Sequential"):
        rn.to_torch(torch.nn.Sequential())


# libraries that are absent


def without(monkeypatch, missing):
    """Let imports of a library fail as if it were not installed."""
    def import_module(name):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return importlib.import_module(name)

    monkeypatch.setattr(_validation, "import_module", import_module)


@pytest.mark.parametrize("function, library", [
    ("from_torch", "torch"), ("to_torch", "torch"), ("from_keras", "keras"),
])
def test_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, function, library):
    without(monkeypatch, library)
    with pytest.raises(ImportError, match=rf'`{function}` needs {library}: pip install {library}$'):
        getattr(rn, function)(rn.Network.random((1, 2, 1), rng=0))


def test_missing_part_of_a_library_is_not_called_a_missing_library(monkeypatch):
    def import_module(name):
        raise ModuleNotFoundError("No module named 'backend'", name="backend")

    monkeypatch.setattr(_validation, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="No module named 'backend'"):
        rn.from_keras(None)


def test_from_sklearn_imports_no_library(monkeypatch):
    class MLPRegressor:
        __module__ = "sklearn.neural_network"
        hidden_layer_sizes, activation, out_activation_ = (2,), "relu", "identity"
        coefs_, intercepts_ = [np.array([[1.0, -2.0]]), np.ones((2, 1))], [np.array([0.5, 0.0]), np.zeros(1)]

    real = builtins.__import__

    def refuse(name, *args, **options):
        assert name.split(".")[0] != "sklearn"
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    net = rn.from_sklearn(MLPRegressor())
    assert_equal_bits(net([[1.0], [-1.0]]), [[1.5], [2.0]], "by hand: relu(x + 0.5) + relu(-2 x)")


def test_examples_of_from_sklearn_run(neural_network):
    assert_examples_run(rn.from_sklearn)


@pytest.mark.parametrize("function", [rn.from_torch, rn.to_torch])
def test_examples_of_the_converters_of_pytorch_run(torch, function):
    assert_examples_run(function)
