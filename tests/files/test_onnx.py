"""Laws of .onnx files: the function of the file, what is exact, and what is refused."""
import os
import pathlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from oracles import path_sums  # noqa: E402
import reducednet as rn  # noqa: E402
from oracles.assertions import assert_close, assert_equal_bits, assert_same_network  # noqa: E402
from oracles.onnx_models import OPERATORS, Chain, checked, evaluate, random_chain, save_model  # noqa: E402
from reducednet.files import onnx as onnx_module  # noqa: E402
from oracles.strategies import networks  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETS = pathlib.Path(os.environ.get("REDUCEDNET_NETS", ROOT / ".." / "shared" / "nets"))
REAL = {"fc1.onnx": (2, 25, 25, 25, 2), "mnist2x10.onnx": (784, 10, 10, 10)}
real_networks = pytest.mark.skipif(not NETS.is_dir(), reason="no folder of real networks (REDUCEDNET_NETS)")
PLANS = st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=9)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


# ---------------------------------------------------------------------------- what is saved comes back

@given(net=networks(activation="relu"))
def test_onnx_round_trip_is_bit_for_bit(scratch, net):
    rn.save(scratch / "net.onnx", net)
    loaded = rn.load(scratch / "net.onnx")
    assert_same_network(loaded, net, "loaded and saved")
    assert loaded.to_vector().tobytes() == net.to_vector().tobytes()


@given(net=networks(activation="relu"), seed=SEEDS)
def test_saved_model_is_sound_and_the_same_function_in_onnx(scratch, net, seed):
    rn.save(scratch / "net.onnx", net)
    model = checked(onnx.load(scratch / "net.onnx"))
    X = np.random.default_rng(seed).standard_normal((5, net.n_inputs))
    got = onnx.reference.ReferenceEvaluator(model).run(None, {"x": X})[0]
    assert_close(net(X), got, path_sums.outputs_tolerance(net, X), "reducednet and onnx")


@given(net=networks(activation="relu"))
def test_onnx_bytes_depend_on_the_network_only(scratch, net):
    rn.save(scratch / "one.onnx", net)
    rn.save(scratch / "other.onnx", rn.load(scratch / "one.onnx"))
    assert (scratch / "one.onnx").read_bytes() == (scratch / "other.onnx").read_bytes()


def test_reduced_network_comes_back_as_the_standard_network_it_is(tmp_path):
    red = rn.ReducedNetwork.random((2, 3, 1), rn.Box([0, 0], [1, 1]), rng=0)
    rn.save(tmp_path / "net.onnx", red)
    loaded = rn.load(tmp_path / "net.onnx")
    assert type(loaded) is rn.Network and loaded.output_bias is None
    assert loaded.to_vector().tobytes() == red.to_vector().tobytes()


def test_binary_network_has_no_onnx(tmp_path):
    with pytest.raises(ValueError, match="`network` must be a ReLU network for a .onnx file"):
        rn.save(tmp_path / "net.onnx", rn.Network.random((1, 2, 1), rng=0, activation="binary"))
    assert not list(tmp_path.iterdir())


def test_failed_save_leaves_no_file(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        rn.save(tmp_path / "net.onnx", rn.Network.random((1, 2, 1), rng=0))
    assert not list(tmp_path.iterdir())


def test_network_too_large_to_be_read_back_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_module, "MAX_BYTES", (1 << 20) + 100)
    with pytest.raises(ValueError, match="`network` must be of less than 1048676 bytes"):
        rn.save(tmp_path / "net.onnx", rn.Network.random((1, 9, 1), rng=0))
    assert not list(tmp_path.iterdir())


def test_missing_package_is_named_with_its_command(tmp_path, monkeypatch):
    rn.save(tmp_path / "net.onnx", rn.Network.random((1, 2, 1), rng=0))
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    for call in (rn.load, lambda path: rn.save(path, rn.Network.random((1, 2, 1), rng=0))):
        with pytest.raises(ImportError, match="pip install onnx$"):
            call(tmp_path / "net.onnx")


# --------------------------------------------------------------------- chains that others have written

@given(seed=SEEDS, plan=PLANS)
@settings(max_examples=200)
@example(seed=0, plan=["relu", "relu", "add", "relu"])
@example(seed=0, plan=["sub", "matmul", "add", "add", "relu"])
@example(seed=1, plan=["sub", "relu", "sub"])
def test_loaded_chain_of_integers_is_exactly_the_model(scratch, seed, plan):
    chain = random_chain(seed, plan)
    assert chain.paths.max() < 2.0**53, "integers up to here are exact in any order"
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    want = evaluate(chain.model(), chain.x)
    assert_equal_bits(net(chain.x.reshape(1, -1))[0] + 0.0, want + 0.0, f"{plan}")


@given(seed=SEEDS, plan=PLANS, dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=200)
def test_loaded_chain_is_the_model_to_rounding(scratch, seed, plan, dtype):
    chain = random_chain(seed, plan, "normal", dtype)
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    n_u = 2 * chain.n_roundings * {"float32": 2.0**-24, "float64": 2.0**-53}[dtype]
    tolerance = 2.0 * n_u / (1.0 - n_u) * chain.paths
    want = evaluate(chain.model(), chain.x).astype(float)
    assert_close(net(chain.x.astype(float).reshape(1, -1))[0], want, tolerance, f"{plan}")


@given(seed=SEEDS, plan=PLANS)
def test_random_chains_are_sound_models(seed, plan):
    checked(random_chain(seed, plan).model())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_matrix_and_one_vector_a_layer_are_loaded_exactly(scratch, dtype):
    rng = np.random.default_rng(0)
    W, b, C, a = (rng.standard_normal(shape).astype(dtype) for shape in ((4, 3), 4, (2, 4), 2))
    chain = Chain(("batch", 3), rng, dtype=dtype)
    chain.node("MatMul", ["", chain.constant(W.T)], (1, 4)).node("Add", ["", chain.constant(b)], (1, 4)).relu()
    chain.node("Gemm", ["", chain.constant(C), chain.constant(a)], (1, 2), transB=1)
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    assert_same_network(net, rn.Network([W], [b], C, a), "loaded")


def test_factor_of_a_float32_gemm_is_exact(scratch):
    rng, alpha = np.random.default_rng(0), float(np.float32(0.1))
    W, C = rng.standard_normal((4, 3)).astype("float32"), rng.standard_normal((2, 4)).astype("float32")
    chain = Chain(("batch", 3), rng, dtype="float32")
    chain.node("Gemm", ["", chain.constant(W)], (1, 4), transB=1, alpha=alpha).relu()
    chain.node("Gemm", ["", chain.constant(C)], (1, 2), transB=1)
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    assert_equal_bits(net.weights[0], alpha * W.astype(float), "24 and 24 bits fit into 53")
    assert net.output_bias is None


def test_last_relu_is_a_hidden_layer_with_the_identity_above(scratch):
    rng = np.random.default_rng(0)
    chain = Chain(("batch", 3), rng)
    W, b = chain.draw((4, 3)), chain.draw(4)
    chain.node("Gemm", ["", chain.constant(W), chain.constant(b)], (1, 4), transB=1).relu()
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    assert_same_network(net, rn.Network([W], [b], np.eye(4)), "loaded")


def test_relu_on_the_input_is_a_hidden_layer_of_the_identity(scratch):
    chain = Chain(("batch", 3), np.random.default_rng(0)).relu().relu()
    C = chain.draw((2, 3))
    chain.node("MatMul", ["", chain.constant(C.T)], (1, 2))
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    assert_same_network(net, rn.Network([np.eye(3)], [np.zeros(3)], C), "loaded")


def test_normalisation_before_the_first_layer_worked_by_hand(scratch):
    chain = Chain(("batch", 2), np.random.default_rng(0))
    chain.node("Sub", ["", chain.constant(np.array([1.0, 2.0]))], (1, 2))
    names = ["", chain.constant(np.array([[3.0, 4.0]])), chain.constant(np.array([20.0]))]
    chain.node("Gemm", names, (1, 1), transB=1).relu()
    # 3 (x - 1) + 4 (y - 2) + 20 = 3 x + 4 y + 9
    net = rn.load(save_model(scratch / "chain.onnx", chain.model()))
    assert_same_network(net, rn.Network([[[3.0, 4.0]]], [[9.0]], [[1.0]]), "loaded")


def test_order_of_the_operators_in_the_file_does_not_matter(scratch):
    chain = random_chain(3, ["gemm", "relu", "matmul", "add", "relu", "gemm"])
    model = chain.model()
    want = rn.load(save_model(scratch / "chain.onnx", model))
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert rn.load(save_model(scratch / "chain.onnx", model)) == want


# ------------------------------------------------------------------------------------- what is refused

def plain(storage="raw"):
    """Gemm, Relu, Gemm: a good model of float64 numbers, 3-4-2."""
    chain = Chain(("batch", 3), np.random.default_rng(0))
    chain.node("Gemm", ["", chain.constant(chain.draw((4, 3)), storage), chain.constant(chain.draw(4), storage)],
               (1, 4), transB=1).relu()
    chain.node("Gemm", ["", chain.constant(chain.draw((2, 4)), storage), chain.constant(chain.draw(2), storage)],
               (1, 2), transB=1)
    return chain


def with_operator(operator, extra=(), **attributes):
    chain = Chain(("batch", 3), np.random.default_rng(0)).relu()
    names = [chain.constant(array, "raw") for array in extra]
    return chain.node(operator, ["", *names], (1, 3), **attributes).model()


def change(edit):
    """Return the plain model after a change of its graph."""
    model = plain().model()
    edit(model)
    return model


def set_tensor(model, **fields):
    tensor = model.graph.initializer[0]
    for name, value in fields.items():
        if name == "dims":
            tensor.dims[:] = value
        else:
            setattr(tensor, name, value)


def with_two(operator):
    """Return a model in which an operator takes two values of the network."""
    return Chain(("batch", 3), np.random.default_rng(0)).relu().node(operator, ["", ""], (1, 3)).model()


def dropout_in_training():
    chain = Chain(("batch", 3), np.random.default_rng(0)).relu()
    names = [chain.constant(np.array(one), "raw") for one in (0.5, True)]
    return chain.node("Dropout", ["", *names], (1, 3)).model()


def vector_of_samples():
    """Return a model that takes four samples of one number for one vector."""
    chain = Chain((4, 1), np.random.default_rng(0))
    chain.node("MatMul", ["", chain.constant(np.ones((1, 1)), "raw")], (4, 1))
    chain.node("Squeeze", ["", chain.constant(np.array([1]), "raw")], (4,))
    return chain.node("MatMul", ["", chain.constant(np.ones((1, 2)), "raw")], (2,)).relu().model()


def batched(operator, extra=(), **attributes):
    """Return a model for 32 samples whose second layer comes after an operator."""
    chain = Chain((32, 3), np.random.default_rng(0))
    chain.node("MatMul", ["", chain.constant(chain.draw((3, 3)), "raw")], (32, 3)).relu()
    chain.node(operator, ["", *(chain.constant(array, "raw") for array in extra)], (32, 3), **attributes)
    return chain.relu().model()


def cycle():
    model = Chain(("batch", 3), np.random.default_rng(0)).relu().relu().model()
    model.graph.node[0].input[0] = "v1"
    return model


def input_given():
    model = Chain(("batch", 3), np.random.default_rng(0)).relu().relu().model()
    model.graph.node[1].output[0] = "x"
    return model


def rename_domain(model):
    model.graph.node[1].domain = "com.example"


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": "0", "length": "96"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def half_precision(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 3), "f2"), "c0"))


def other_type(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 3), "f4"), "c0"))


def not_finite(model):
    weights = np.ones((4, 3))
    weights[1, 2] = np.nan
    model.graph.initializer[0].raw_data = weights.tobytes()


def subgraph():
    branch_graph = helper.make_graph([], "g", [], [helper.make_tensor_value_info("y", 11, None)])
    return with_operator("If", then_branch=branch_graph, else_branch=branch_graph)


def input_of(shape, kind=TensorProto.DOUBLE):
    def edit(model):
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", kind, shape))
    return edit


def first_gemm(**attributes):
    def edit(model):
        del model.graph.node[0].attribute[:]
        model.graph.node[0].attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
    return edit


REFUSED = {
    "convolution": (lambda: with_operator("Conv", [np.ones((1, 1, 1))]),
                    r"operator 'Conv' \(2 of 2\) is not supported: a convolution is no dense layer"),
    "tanh": (lambda: with_operator("Tanh"),
             r"operator 'Tanh' \(2 of 2\) is not supported: it is no ReLU"),
    "quantised": (lambda: with_operator("DynamicQuantizeLinear"),
                  "not supported: the model is quantised: export"),
    "sigmoid": (lambda: with_operator("Sigmoid"),
                r"operator Sigmoid 'n1' \(2 of 2\) is no ReLU; .*`load\(\.\.\., until=\"logits\"\)` gives"),
    "dropout in training": (dropout_in_training, "drops entries at random: export in evaluation mode"),
    "statistics": (lambda: with_operator("BatchNormalization", [np.ones(3)] * 4, training_mode=1),
                   "computes statistics of its batch: export in evaluation mode"),
    "variance": (lambda: with_operator("BatchNormalization", [np.ones(3)] * 3 + [-np.ones(3)]),
                 "has a variance that is not positive"),
    "division by zero": (lambda: with_operator("Div", [np.zeros(3)]),
                         "divides by 0 or by a number too small"),
    "division by a value": (lambda: with_two("Div"),
                            "divides by a value of the network: a ReLU network"),
    "product of values": (lambda: with_two("Mul"),
                          "multiplies two values: a ReLU network multiplies values by"),
    "matrix of values": (lambda: with_two("MatMul"),
                         "must multiply a value of the network by a constant matrix"),
    "bounds": (lambda: with_operator("Clip", [np.array(1.0), np.array(0.0)]),
               "a lower bound above the upper one"),
    "integers": (lambda: with_operator("Cast", to=TensorProto.INT64), "casts a value to int64"),
    "entries": (lambda: with_operator("Gather", [np.array([0, 7])], axis=1),
                "takes entries that are not there"),
    "permutation": (lambda: with_operator("Transpose", perm=[0, 0]),
                    r"permutes the axes .* by \[0, 0\]"),
    "squeezed axis": (lambda: with_operator("Squeeze", [np.array([1])]),
                      r"removes the axes \[1\] of a value"),
    "no such axis": (lambda: with_operator("Squeeze", [np.array([5])]),
                     r"has the axes \[5\] for a value of 2 axes"),
    "joined types": (lambda: with_operator("Concat", [np.ones((1, 3))]),
                     "must take a value of the network first"),
    "condition": (subgraph, r"operator 'If' \(2 of 2\) is not supported: export in evaluation mode"),
    "expansion": (lambda: with_operator("Expand", [np.array([10**12])]),
                  "operator 'Expand' .* is not supported"),
    "another domain": (lambda: change(rename_domain),
                       r"operator 'Relu' of the domain 'com.example' \(2 of 3\) is not"),
    "functions": (lambda: change(lambda m: m.functions.add(name="Relu")), "functions in the model"),
    "no Relu": (lambda: Chain(("batch", 3), np.random.default_rng(0)).gemm().model(),
                "the network has no Relu"),
    "nothing": (lambda: change(lambda m: m.graph.Clear()), "the graph must have one input, got 0"),
    "two inputs": (lambda: change(lambda m: m.graph.input.add(name="more")),
                   "the graph must have one input, got 2"),
    "two outputs": (lambda: change(lambda m: m.graph.output.add(name="v1")),
                    "the graph must have one output, got 2"),
    "one operand": (lambda: with_operator("Add", []), "must take 2 inputs, got 1"),
    "from nowhere": (lambda: change(lambda m: m.graph.node.append(helper.make_node("Relu", ["p"], ["q"]))),
                     r"operator Relu 'q' \(4 of 4\) takes 'p', which no operator gives"),
    "cycle": (cycle, r"operator Relu 'n0' \(1 of 2\) is part of a cycle"),
    "input given": (input_given, "must have outputs with names of their own"),
    "no way": (lambda: change(lambda m: setattr(m.graph.output[0], "name", "z")),
               "output 'z' does not depend on the input"),
    "name twice": (lambda: change(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
                   "the same name"),
    "taken name": (lambda: change(lambda m: m.graph.node[0].output.__setitem__(0, m.graph.initializer[0].name)),
                   "must have outputs with names of their own"),
    "unknown value": (lambda: change(lambda m: m.graph.node[0].input.__setitem__(1, "gone")),
                      "takes 'gone'"),
    "sparse": (lambda: change(lambda m: m.graph.sparse_initializer.add()), "sparse initialisers"),
    "external": (lambda: change(outside),
                 "keeps numbers in 'weights.bin', which is not in its folder: put the model"),
    "half": (lambda: change(half_precision), "needs a matrix of type float64, got float16"),
    "mixed": (lambda: change(other_type), "needs a matrix of type float64, got float32"),
    "nan": (lambda: change(not_finite),
            r"Gemm 'n0' \(1 of 3\) .*matrix` must be finite, got nan at index \(1, 2\)"),
    "huge": (lambda: change(lambda m: set_tensor(m, dims=[10**6, 10**6])),
             r"constant 'c0' claims the shape \(1000000, 1000000\), but holds 96 bytes"),
    "negative": (lambda: change(lambda m: set_tensor(m, dims=[-4, -3])),
                 r"claims the shape \(-4, -3\)"),
    "axes": (lambda: change(lambda m: set_tensor(m, dims=[1] * 1000 + [4, 3])), "claims the shape"),
    "short": (lambda: change(lambda m: set_tensor(m, raw_data=b"1234")), "but holds 4 bytes"),
    "empty": (lambda: change(lambda m: set_tensor(m, dims=[0, 3], raw_data=b"")),
              "`a matrix` must be non-empty"),
    "text": (lambda: change(lambda m: set_tensor(m, data_type=TensorProto.STRING)),
             "of numbers .*, got ONNX type 8"),
    "whole numbers": (lambda: change(input_of(["batch", 3], TensorProto.INT64)),
                      "must be of .* numbers, got int64"),
    "half input": (lambda: change(input_of(["batch", 3], TensorProto.FLOAT16)),
                   "of type float16, got float64"),
    "no shape": (lambda: change(input_of(None)), "must have 1 to 16 axes, got 0"),
    "two unknown": (lambda: change(input_of(["batch", "n"])),
                    "must have known lengths, except for the first"),
    "mixed batch": (lambda: batched("Transpose", perm=[1, 0]),
                    "mixes the 32 samples of the batch: export for one"),
    "flat batch": (lambda: batched("Flatten", axis=0),
                   "mixes the 32 samples of the batch: export for one"),
    "summed batch": (lambda: batched("ReduceSum", [np.array([0])]),
                     "mixes the 32 samples of the batch"),
    "taller vector": (lambda: with_operator("Gemm", [np.ones((3, 3)), np.ones((1, 1, 3))]),
                      r"a value of shape \(1, 3\) by one of shape \(1, 1, 3\)"),
    "taller slope": (lambda: with_operator("PRelu", [np.ones((1, 1, 3))]), r"one of shape \(1, 1, 3\)"),
    "samples as a vector": (vector_of_samples, "mixes the 4 samples of the batch"),
    "left out": (lambda: change(lambda m: m.graph.node.append(helper.make_node("Max", ["x", ""], ["m"]))),
                 "must take 2 inputs, got 1"),
    "one row": (lambda: batched("Reshape", [np.array([1, -1])]), "mixes the 32 samples of the batch"),
    "longer batch": (lambda: batched("Reshape", [np.array([-1, 1])]),
                     r"a value of shape \(1, 3\) the shape \[-1, 1\]"),
    "other inputs": (lambda: change(input_of(["batch", 4])),
                     r"a value of shape \(1, 4\) .* of shape \(3, 4\)"),
    "three axes": (lambda: change(input_of(["batch", 1, 3])),
                   "must multiply a value of the network, of two axes"),
    "large input": (lambda: change(input_of(["batch", 10**12])),
                    "the network has more than .* too many for a model"),
    "attribute": (lambda: change(first_gemm(gamma=1.0)),
                  "has the attribute 'gamma', which is not supported"),
    "attribute's type": (lambda: change(first_gemm(transB=1.0)),
                         "has the attribute 'transB' of ONNX type 1"),
    "infinite": (lambda: change(first_gemm(transB=1, alpha=float("inf"))),
                 r"`weights\[0\]` must be finite"),
    "batched matrix": (lambda: with_operator("MatMul", [np.ones((1, 3, 2))]), "a matrix that fits"),
    "wide sum": (lambda: with_operator("Add", [np.ones((2, 3))]),
                 "the result must be one sample of 3 numbers"),
    "tall sum": (lambda: with_operator("Add", [np.ones((3, 1))]),
                 "the result must be one sample of 3 numbers"),
    "wrong sum": (lambda: with_operator("Add", [np.ones(2)]),
                  "the result must be one sample of 3 numbers"),
    "reshape": (lambda: with_operator("Reshape", [np.array([2, -1])]),
                r"gives a value of shape \(1, 3\) the shape"),
    "two rests": (lambda: with_operator("Reshape", [np.array([-1, -1])]), r"the shape \[-1, -1\]"),
    "flatten": (lambda: with_operator("Flatten", axis=3),
                r"flattens at axis 3 a value of shape \(1, 3\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_relu_network_is_refused(tmp_path, case):
    make, reason = REFUSED[case]
    path = save_model(tmp_path / "bad.onnx", make())
    with pytest.raises(ValueError, match=rf"bad\.onnx: .*{reason}"):
        rn.load(path)


def test_plain_model_is_good(tmp_path):
    assert rn.load(save_model(tmp_path / "good.onnx", checked(plain().model()))).sizes == (3, 4, 2)


def test_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_module, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"a \.onnx file of at most 100 bytes is read, this one has"):
        rn.load(save_model(tmp_path / "net.onnx", plain().model()))


@pytest.mark.parametrize("data", [b"\xff", b"not a model", b"\x0a", b"\x3a\xff\xff\xff\xff\x0f", b"\x3b"])
def test_bytes_that_are_no_model_are_refused(tmp_path, data):
    (tmp_path / "bad.onnx").write_bytes(data)
    with pytest.raises(ValueError, match=r"bad\.onnx: "):
        rn.load(tmp_path / "bad.onnx")


def part(number, data):
    """Return one length-delimited part of a protobuf message."""
    length, head = len(data), bytes([number << 3 | 2])
    while length > 127:
        head, length = head + bytes([length & 127 | 128]), length >> 7
    return head + bytes([length]) + data


@pytest.mark.parametrize("graph", [
    part(1, b"") * 200_000, part(5, b"") * 200_000, part(1, part(5, b"") * 200_000),
    part(5, part(1, b"\1" * 200_000)),
], ids=["nodes", "tensors", "attributes", "lengths"])
def test_model_of_many_small_parts_is_refused_before_it_is_parsed(tmp_path, monkeypatch, graph):
    (tmp_path / "bomb.onnx").write_bytes(part(7, graph))
    monkeypatch.setattr(onnx.ModelProto, "ParseFromString", None)
    with pytest.raises(ValueError, match="a model of at most 131072 parts is read"):
        rn.load(tmp_path / "bomb.onnx")


def test_deep_nesting_is_refused(tmp_path):
    attribute = b""
    for _ in range(2000):
        attribute = part(1, part(5, part(6, part(1, attribute))))[2:]
    (tmp_path / "deep.onnx").write_bytes(part(7, part(1, attribute)))
    with pytest.raises(ValueError, match=r"deep\.onnx: "):
        rn.load(tmp_path / "deep.onnx")


def wide_identity():
    return Chain(("batch", 3000), np.random.default_rng(0)).relu().model()


def outer_product():
    chain = Chain(("batch", 4000), np.random.default_rng(0), "normal")
    for shape in ((4000, 1), (1, 4000)):
        chain.node("MatMul", ["", chain.constant(chain.draw(shape), "raw")], (1, shape[1]))
    return chain.relu().model()


def one_matrix_for_many_layers():
    chain = Chain(("batch", 100), np.random.default_rng(0), "normal")
    name = chain.constant(chain.draw((100, 100)), "raw")
    for _ in range(1000):
        chain.node("MatMul", ["", name], (1, 100)).relu()
    return chain.model()


@pytest.mark.parametrize("make", [wide_identity, outer_product, one_matrix_for_many_layers])
def test_small_file_of_a_large_network_is_refused(tmp_path, make):
    with pytest.raises(ValueError, match="the network has more than .* numbers, too many for a model of"):
        rn.load(save_model(tmp_path / "bomb.onnx", make()))


def test_physical_units_are_not_known_to_onnx(tmp_path):
    with pytest.raises(ValueError, match="`physical` must be False for a .onnx file"):
        rn.load(save_model(tmp_path / "net.onnx", plain().model()), physical=True)


# ------------------------------------------------------------------------------------- real networks

@real_networks
def test_every_onnx_of_the_folder_is_known():
    assert {path.name for path in NETS.glob("*.onnx")} == set(REAL)


@real_networks
@pytest.mark.parametrize("name", REAL)
def test_real_network_is_that_of_onnx_to_float32_rounding(name):
    net, model = rn.load(NETS / name), onnx.load(NETS / name)
    assert net.sizes == REAL[name]
    shape = [dim.dim_value or 7 for dim in model.graph.input[0].type.tensor_type.shape.dim]
    X = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    want = onnx.reference.ReferenceEvaluator(model).run(None, {model.graph.input[0].name: X})[0]
    X = X.astype(float).reshape(len(X), -1)
    tolerance = path_sums.outputs_tolerance(net, X) * 2.0**29 * 1.01  # float32 rounds to 24 bits, float64 to 53
    assert_close(net(X), want.astype(float), tolerance, name)


@real_networks
@pytest.mark.parametrize("name", REAL)
def test_real_onnx_survives_saving(tmp_path, name):
    net = rn.load(NETS / name)
    for ending in (".onnx", ".npz", ".nnet"):
        rn.save(tmp_path / f"net{ending}", net)
        assert rn.load(tmp_path / f"net{ending}") == net
