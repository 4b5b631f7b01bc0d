"""Each operator of ONNX against onnx's own evaluator, in the forms of old and new versions."""
import itertools

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

import reducednet as rn  # noqa: E402
from oracles.assertions import assert_close  # noqa: E402
from oracles.onnx_models import save_model  # noqa: E402
from reducednet.files.onnx_operators import AFTER_LAST, LAST, OPERATORS  # noqa: E402

SHAPE = (1, 2, 3)


def single(operator, extra=(), shape=SHAPE, opset=15, domain="", first=False, **attributes):
    """Return the model of one operator on x and constants, followed by a ReLU of both signs: s(y) - s(-y)."""
    names = [f"c{i}" if array is not None else "" for i, array in enumerate(extra)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in zip(names, extra)
               if array is not None]
    inputs = [*names, "x"] if first else ["x", *names]
    nodes = [helper.make_node(operator, inputs, ["y"], domain=domain, **attributes),
             helper.make_node("Neg", ["y"], ["-y"]), helper.make_node("Relu", ["y"], ["p"]),
             helper.make_node("Relu", ["-y"], ["n"]), helper.make_node("Sub", ["p", "n"], ["z"])]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(nodes, "one", [helper.make_tensor_value_info("x", kind, shape)],
                              [helper.make_tensor_value_info("z", kind, None)], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def draw(*shape):
    return np.random.default_rng(len(shape) + sum(shape)).standard_normal(shape).astype(np.float32)


THREE, TWO = draw(3), draw(2)
POSITIVE = np.array([0.5, 2.0], dtype=np.float32)
ZERO, SIX = np.float32(0.0), np.float32(6.0)
CASES = {
    "Gemm": lambda: single("Gemm", [draw(3, 4), draw(4)], (1, 3), alpha=0.5, beta=2.0),
    "Gemm from the left": lambda: single("Gemm", [draw(4, 3)], (3, 1), first=True),
    "MatMul": lambda: single("MatMul", [draw(3, 4)], (1, 3)),
    "Add": lambda: single("Add", [THREE]),
    "Sub": lambda: single("Sub", [THREE], first=True),
    "Sum": lambda: single("Sum", [THREE, draw(2, 3)]),
    "Mul": lambda: single("Mul", [THREE], first=True),
    "Div": lambda: single("Div", [POSITIVE.reshape(2, 1)]),
    "Neg": lambda: single("Neg"),
    "BatchNormalization": lambda: single("BatchNormalization", [TWO, TWO, TWO, POSITIVE], epsilon=0.1),
    "Scaler": lambda: single("Scaler", shape=(1, 3), domain="ai.onnx.ml", offset=[1.0, -2.0, 0.1],
                             scale=[0.5, 3.0, -1.5]),
    "Scaler of one number": lambda: single("Scaler", shape=(1, 3), domain="ai.onnx.ml", offset=[1.0], scale=[2.5]),
    "ReduceSum": lambda: single("ReduceSum", [np.array([-1])], keepdims=0),
    "ReduceSum of all": lambda: single("ReduceSum"),
    "ReduceSum of none": lambda: single("ReduceSum", noop_with_empty_axes=1),
    "ReduceMean": lambda: single("ReduceMean", axes=[1, 2]),
    "ReduceMean 18": lambda: single("ReduceMean", [np.array([2])], opset=18, keepdims=1),
    "Relu": lambda: single("Relu"),
    "LeakyRelu": lambda: single("LeakyRelu", alpha=0.3),
    "LeakyRelu by default": lambda: single("LeakyRelu"),
    "PRelu": lambda: single("PRelu", [TWO.reshape(2, 1)]),
    "Abs": lambda: single("Abs"),
    "Clip": lambda: single("Clip", [ZERO, SIX]),
    "Clip from below": lambda: single("Clip", [np.float32(-0.5)]),
    "Clip from above": lambda: single("Clip", [None, np.float32(0.5)]),
    "Clip at nothing": lambda: single("Clip"),
    "Clip at the largest": lambda: single("Clip", [ZERO, np.finfo(np.float32).max]),
    "Clip at infinity": lambda: single("Clip", [np.float32(-np.inf), np.float32(0.5)]),
    "Clip 6": lambda: single("Clip", opset=6, min=-0.5, max=0.25),
    "Max": lambda: single("Max", [THREE, np.float32(0.1)]),
    "Min": lambda: single("Min", [THREE]),
    "HardSigmoid": lambda: single("HardSigmoid", alpha=0.3, beta=0.4),
    "Identity": lambda: single("Identity"),
    "Dropout": lambda: single("Dropout"),
    "Dropout 15": lambda: single("Dropout", [np.float32(0.5), np.array(False)]),
    "Cast": lambda: single("Cast", to=onnx.TensorProto.FLOAT),
    "Flatten": lambda: single("Flatten", axis=2),
    "Reshape": lambda: single("Reshape", [np.array([3, -1])]),
    "Squeeze": lambda: single("Squeeze", [np.array([0])]),
    "Squeeze of all": lambda: single("Squeeze"),
    "Squeeze 11": lambda: single("Squeeze", opset=11, axes=[0]),
    "Unsqueeze": lambda: single("Unsqueeze", [np.array([-1, 1])]),
    "Unsqueeze 11": lambda: single("Unsqueeze", opset=11, axes=[0, 3]),
    "Transpose": lambda: single("Transpose"),
    "Transpose in an order": lambda: single("Transpose", perm=[2, 0, 1]),
    "Gather": lambda: single("Gather", [np.array([[2, 0], [-1, 1]])], axis=2),
    "Gather of one": lambda: single("Gather", [np.array(1)], axis=1),
    "Concat": lambda: single("Concat", axis=-1),
}


@pytest.mark.parametrize("name", CASES)
def test_operator_is_that_of_onnx(tmp_path, name):
    model = CASES[name]()
    network = rn.load(save_model(tmp_path / "one.onnx", model))
    evaluator = onnx.reference.ReferenceEvaluator(model)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    for seed in range(2):
        x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        got = network(x.astype(float).reshape(1, -1))[0]
        want = evaluator.run(None, {"x": x})[0].astype(float).ravel()
        # no operator here has more than 10 terms, none of them larger than 100, nor an intermediate one
        assert_close(got, want, np.full(len(want), 20.0 * 100.0 * 2.0**-24), name)


def test_every_operator_is_held_against_onnx():
    assert {name.split()[0] for name in CASES} | {"Shape"} == set(OPERATORS)
    assert set(LAST) <= set(AFTER_LAST)


def test_two_values_of_different_shapes_are_repeated_as_numpy_does(tmp_path):
    for operator, (first, second) in itertools.product(("Add", "Sub", "Max", "Min"), (("x", "m"), ("m", "x"))):
        model = single("Relu")
        del model.graph.node[:]
        model.graph.node.extend([
            helper.make_node("ReduceSum", ["x", "axes"], ["m"], keepdims=1),
            helper.make_node(operator, [first, second], ["y"]), helper.make_node("Relu", ["y"], ["z"])])
        model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axes"))
        network = rn.load(save_model(tmp_path / "one.onnx", model))
        x = np.random.default_rng(0).integers(-4, 5, SHAPE).astype(np.float32)
        want = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0].ravel()
        assert (network(x.reshape(1, -1))[0] == want).all(), operator


def test_factors_of_a_batch_normalization_are_rounded_three_times_at_most(tmp_path):
    scale, variance = np.array([0.1, 3.0]), np.array([0.3, 1e-3])
    parts = [np.asarray(one, dtype=np.float32) for one in (scale, [0, 0], [0, 0], variance)]
    network = rn.load(save_model(tmp_path / "one.onnx", single("BatchNormalization", parts, (1, 2), epsilon=0.0)))
    exact = parts[0].astype(np.longdouble) / np.sqrt(parts[3].astype(np.longdouble))
    assert (abs(np.diag(network.weights[0][:2]) - exact) <= 3 * 2.0**-53 * 1.01 * abs(exact)).all()
