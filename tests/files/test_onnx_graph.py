"""Laws of the graph of an ONNX file: values used twice, batches, shapes that are computed, and the logits."""
import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import helper  # noqa: E402

import reducednet as rn  # noqa: E402
from oracles.assertions import assert_equal_bits, assert_same_network  # noqa: E402
from oracles.onnx_models import Chain, checked, evaluate, save_model  # noqa: E402
from reducednet.files.onnx import read_onnx  # noqa: E402


def new_chain(shape=("batch", 3), **options):
    return Chain(shape, np.random.default_rng(0), **options)


def layer(chain, n, relu=True):
    """Add a Gemm of n neurons, and a ReLU."""
    names = ["", *(chain.constant(chain.draw(shape), "raw") for shape in ((n, chain.shape[-1]), n))]
    chain.node("Gemm", names, (1, n), transB=1)
    return chain.relu() if relu else chain


def assert_is_the_model(path, model, n_samples=1):
    """Assert that the network and onnx agree at small integers, where both are exact; return the network."""
    network = rn.load(save_model(path, checked(model)))
    X = np.random.default_rng(1).integers(-3, 4, (n_samples, network.n_inputs)).astype(float)
    shape = [dim.dim_value or n_samples for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert_equal_bits(network(X).ravel() + 0.0, evaluate(model, X.reshape(shape)) + 0.0, "network and model")
    return network


def test_residual_block_carries_a_relu_output_by_one_neuron_each(tmp_path):
    chain = layer(new_chain(), 4)
    name = chain.name
    layer(layer(chain, 5), 4, relu=False).node("Add", ["", name], (1, 4)).relu()
    assert assert_is_the_model(tmp_path / "net.onnx", chain.model()).sizes == (3, 4, 4 + 5, 4, 4)


def test_heads_of_different_depth_are_joined(tmp_path):
    chain = layer(new_chain(), 4)
    layer(chain, 2, relu=False)
    low = chain.name
    chain.node("Concat", [layer(layer(chain, 4), 3).name, low], (1, 5), axis=1)
    assert_is_the_model(tmp_path / "net.onnx", chain.model())


def test_value_that_nobody_takes_changes_nothing(tmp_path):
    model = layer(layer(new_chain(), 4), 2, relu=False).model()
    want = rn.load(save_model(tmp_path / "net.onnx", model))
    model.graph.node.append(helper.make_node("Abs", [model.graph.node[0].output[0]], ["nobody"]))
    assert_same_network(rn.load(save_model(tmp_path / "net.onnx", model)), want, "loaded")


@pytest.mark.parametrize("n_samples", ["batch", 5])
def test_shape_that_is_computed_is_known(tmp_path, n_samples):
    chain = new_chain((n_samples, 2, 3))
    names = [chain.constant(np.array(one), "raw") for one in (0, [0], [-1])]
    own = chain.name
    for operator, inputs, more in (("Shape", [own], {}), ("Gather", ["", names[0]], {"axis": 0}),
                                   ("Unsqueeze", ["", names[1]], {}), ("Concat", ["", names[2]], {"axis": 0})):
        chain.node(operator, inputs, (), **more)
    chain.node("Reshape", [own, chain.name], (n_samples, 6))
    W = chain.constant(chain.draw((6, 4)), "raw")
    model = chain.node("MatMul", ["", W], (n_samples, 4)).relu().model()
    assert assert_is_the_model(tmp_path / "net.onnx", model, 5).n_inputs == 6


def dense_of_samples(chain, n):
    n_samples, n_inputs = chain.shape
    chain.node("MatMul", ["", chain.constant(chain.draw((n_inputs, n)), "raw")], (n_samples, n))
    return chain.node("Add", ["", chain.constant(chain.draw(n), "raw")], (n_samples, n)).relu()


@pytest.mark.parametrize("operator, extra, attributes", [
    ("Identity", [], {}), ("Reshape", [np.array([5, -1])], {}), ("Reshape", [np.array([-1, 4])], {}),
    ("Reshape", [np.array([0, -1])], {}), ("Flatten", [], {}), ("Transpose", [], {"perm": [0, 1]}),
    ("ReduceSum", [np.array([1])], {"keepdims": 1}), ("Gather", [np.array([1, 1, 0])], {"axis": 1}),
])
def test_fixed_batch_is_the_network_of_one_sample(tmp_path, operator, extra, attributes):
    chain = dense_of_samples(new_chain((5, 3)), 4)
    n = {"ReduceSum": 1, "Gather": 3}.get(operator, 4)
    chain.node(operator, ["", *(chain.constant(array, "raw") for array in extra)], (5, n), **attributes)
    network = assert_is_the_model(tmp_path / "net.onnx", dense_of_samples(chain, 2).model(), 5)
    assert network.sizes == (3, 4, 2, 2)


def test_first_length_of_one_sample_is_no_batch(tmp_path):
    chain = new_chain((3, 1))
    chain.node("MatMul", [chain.constant(chain.draw((4, 3)), "raw"), ""], (4, 1)).relu()
    assert assert_is_the_model(tmp_path / "net.onnx", chain.model()).sizes == (3, 4, 4)


# ------------------------------------------------------------------------------------------- the logits

def classifier(*tail):
    chain = layer(layer(new_chain(), 4), 3, relu=False)
    want = chain.model()
    for operator, attributes in tail:
        chain.node(operator, [""], chain.shape, **attributes)
    return chain, want


@pytest.mark.parametrize("tail", [
    [("Softmax", {"axis": 1})], [("LogSoftmax", {"axis": 1})], [("Sigmoid", {})],
    [("Softmax", {"axis": 1}), ("Identity", {}), ("ArgMax", {"axis": 1})], [("ArgMax", {"axis": 1})],
], ids=lambda tail: tail[0][0] + str(len(tail)))
def test_network_ends_before_the_last_operator_if_asked_to(tmp_path, tail):
    chain, want = classifier(*tail)
    path = save_model(tmp_path / "net.onnx", chain.model())
    reason = rf"operator {tail[0][0]} .* is no ReLU; if it is the last one, `load\(\.\.\., until=\"logits\"\)`"
    with pytest.raises(ValueError, match=reason):
        rn.load(path)
    assert rn.load(path, until="logits") == rn.load(save_model(tmp_path / "want.onnx", want))
    assert read_onnx(str(path), "logits").left_off == tuple(operator for operator, _ in tail)


def test_label_and_probabilities_may_both_be_left_off(tmp_path):
    chain, want = classifier(("Softmax", {"axis": 1}))
    model = chain.model()
    model.graph.node.append(helper.make_node("ArgMax", [chain.name], ["label"]))
    model.graph.node.append(helper.make_node("ZipMap", [chain.name], ["map"], domain="ai.onnx.ml"))
    for name in ("label", "map"):
        model.graph.output.add(name=name)
    del model.graph.output[0]
    path = save_model(tmp_path / "net.onnx", model)
    assert rn.load(path, until="logits") == rn.load(save_model(tmp_path / "want.onnx", want))


def test_network_that_ends_with_logits_is_the_same_until_them(tmp_path):
    path = save_model(tmp_path / "net.onnx", classifier()[0].model())
    assert rn.load(path, until="logits") == rn.load(path)
    assert read_onnx(str(path), "logits").left_off == ()


def test_sigmoid_between_two_layers_is_not_the_last_operator(tmp_path):
    chain = layer(layer(new_chain(), 4), 3, relu=False).node("Sigmoid", [""], (1, 3))
    path = save_model(tmp_path / "net.onnx", layer(chain, 2, relu=False).model())
    with pytest.raises(ValueError, match="operator Gemm .* computes with what comes after Sigmoid, which is no"):
        rn.load(path, until="logits")


def test_two_candidates_for_the_logits_are_refused(tmp_path):
    chain = layer(new_chain(), 3)
    name = chain.name
    model = layer(chain, 3, relu=False).node("Softmax", [""], (1, 3)).model()
    model.graph.node.append(helper.make_node("Sigmoid", [name], ["other"]))
    model.graph.output.add(name="other")
    with pytest.raises(ValueError, match="several values that could be the logits"):
        rn.load(save_model(tmp_path / "net.onnx", model), until="logits")


def test_only_logits_of_onnx_files_are_asked_for(tmp_path):
    rn.save(tmp_path / "net.npz", rn.Network.random((1, 2, 1), rng=0))
    with pytest.raises(ValueError, match="`until` must be None for a .npz file"):
        rn.load(tmp_path / "net.npz", until="logits")
    with pytest.raises(ValueError, match=r"`until` must be one of \['logits'\], got 'softmax'"):
        rn.load(tmp_path / "net.onnx", until="softmax")


# ------------------------------------------------------------------------------------------- what is told

def test_content_tells_the_type_of_the_numbers_and_what_was_folded(tmp_path):
    chain = layer(new_chain(dtype="float32"), 4)
    content = read_onnx(str(save_model(tmp_path / "net.onnx", chain.model())))
    assert (content.numbers, content.n_folded) == ("float32", 0)
    chain = new_chain(dtype="float32")
    chain.node("Mul", ["", chain.constant(chain.draw((3,)) + np.float32(0.5), "raw")], (1, 3))
    content = read_onnx(str(save_model(tmp_path / "net.onnx", layer(chain, 4).model())))
    assert (content.numbers, content.n_folded) == ("float32", 1)


# ----------------------------------------------------------------------------------- small files, much work

def wide_residual():
    """Carry a wide input past one matrix for all layers."""
    chain = new_chain(("batch", 3000))
    name = chain.name
    chain.node("MatMul", ["", chain.constant(np.ones((3000, 1)), "raw")], (1, 1)).relu()
    return chain.node("Add", ["", name], (1, 3000)).model()


def many_carried_values():
    """Join the values of many layers, each of which is carried to the last one."""
    chain = new_chain(("batch", 1))
    names = []
    for _ in range(300):
        names.append(chain.node("Neg", [""], (1, 1)).relu().name)
    return chain.node("Concat", names, (1, 300), axis=1).model()


def doubled():
    """Join a value with itself again and again."""
    chain = new_chain(("batch", 3)).relu()
    for _ in range(40):
        chain.node("Concat", ["", chain.name], (1, 3), axis=1)
    return chain.model()


def gathered():
    chain = new_chain(("batch", 1)).relu()
    index = chain.constant(np.zeros((2000, 1), dtype=np.int64), "raw")
    for _ in range(6):
        chain.node("Gather", ["", index], (1, 1), axis=-1)
    return chain.model()


def shape_of_shapes():
    """Repeat a constant as a product of constants."""
    chain = new_chain(("batch", 3)).relu()
    row, column = (chain.constant(np.ones(shape, dtype=np.int64), "raw") for shape in ((3000, 1), (1, 3000)))
    chain.nodes.append(helper.make_node("Mul", [row, column], ["table"]))
    return chain.node("Reshape", ["", "table"], (1, 3)).model()


@pytest.mark.parametrize("make", [wide_residual, many_carried_values, doubled, gathered, shape_of_shapes])
def test_small_file_of_a_large_network_is_refused_early(tmp_path, make):
    with pytest.raises(ValueError, match="the network has more than .* numbers, too many for a model of this"):
        rn.load(save_model(tmp_path / "bomb.onnx", make()))
