"""Laws of the constants of ONNX models: their numbers exactly, from the model or from a plain file beside it."""
import os

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

import reducednet as rn  # noqa: E402
from oracles.assertions import assert_equal_bits, assert_same_network  # noqa: E402
from oracles.onnx_models import Chain, save_model  # noqa: E402
from reducednet.files import onnx as onnx_module  # noqa: E402
from reducednet.files.onnx_tensors import (  # noqa: E402
    BFLOAT16, FLOAT16, FLOAT32, FLOAT64, INT64, Constant, converted, stored_array,
)

ALL_HALVES = np.arange(2**16, dtype=np.uint16)


def tensor_of_halves(kind, is_raw):
    tensor = TensorProto(data_type=kind, dims=[2**16])
    if is_raw:
        tensor.raw_data = ALL_HALVES.tobytes()
    else:
        tensor.int32_data.extend(ALL_HALVES.tolist())
    return tensor


@pytest.mark.parametrize("is_raw", [True, False], ids=["raw", "list"])
@pytest.mark.parametrize("kind", [FLOAT16, BFLOAT16])
def test_every_number_of_16_bits_is_what_onnx_says(kind, is_raw):
    tensor = tensor_of_halves(kind, is_raw)
    with np.errstate(invalid="ignore"):  # signalling nans
        want = numpy_helper.to_array(tensor_of_halves(kind, True)).astype(float)
    assert_equal_bits(np.nan_to_num(stored_array(tensor, "c")), np.nan_to_num(want), "widened")


@pytest.mark.parametrize("kind", [FLOAT16, BFLOAT16, FLOAT32, FLOAT64, INT64])
def test_cast_of_a_constant_rounds_as_onnx_does(kind):
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(500), rng.integers(-8, 8, 500) + 0.5, 1.0 + np.arange(64) * 2.0**-12]
    array = np.concatenate(parts)
    array = array.astype(np.float32).astype(float)
    node = helper.make_node("Cast", ["x"], ["y"], to=kind)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", FLOAT32, [len(array)])],
                              [helper.make_tensor_value_info("y", kind, [len(array)])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    want = onnx.reference.ReferenceEvaluator(model).run(None, {"x": array.astype(np.float32)})[0]
    assert_equal_bits(converted(Constant(FLOAT32, array), kind).array.astype(float), want.astype(float), "cast")


def half_network(storage="raw"):
    rng = np.random.default_rng(0)
    W, C = (rng.standard_normal(shape).astype(np.float16) for shape in ((4, 3), (2, 4)))
    chain = Chain(("batch", 3), rng)
    chain.kind = FLOAT16
    chain.node("MatMul", ["", chain.constant(W.T, storage)], (1, 4)).relu()
    chain.node("MatMul", ["", chain.constant(C.T, storage)], (1, 2))
    return chain.model(), rn.Network([W], [np.zeros(4)], C)


def test_network_of_float16_is_widened_exactly(tmp_path):
    model, want = half_network()
    assert_same_network(rn.load(save_model(tmp_path / "half.onnx", model)), want, "loaded")


@pytest.mark.parametrize("value, array", [
    ({"value_float": 2.5}, np.array(2.5)), ({"value_floats": [1.0, -2.0, 3.0]}, np.array([1.0, -2.0, 3.0])),
])
def test_constant_may_be_given_by_plain_numbers(tmp_path, value, array):
    chain = Chain(("batch", 3), np.random.default_rng(0), dtype="float32")
    chain.nodes.append(helper.make_node("Constant", [], ["c"], **value))
    model = chain.node("Mul", ["", "c"], (1, 3)).relu().model()
    network = rn.load(save_model(tmp_path / "constant.onnx", model))
    assert_equal_bits(network.weights[0], np.diag(np.broadcast_to(array, 3)), "loaded")


# ------------------------------------------------------------------------------ numbers in another file

def model_beside(folder, **entries):
    """Save a model with a matrix in a file beside it, after 8 other bytes; return its path and the matrix."""
    W = np.random.default_rng(0).standard_normal((4, 3))
    (folder / "weights.bin").write_bytes(b"8 others" + W.tobytes() + b"more")
    chain = Chain(("batch", 3), np.random.default_rng(0))
    chain.node("Gemm", ["", chain.constant(W, "raw")], (1, 4), transB=1).relu()
    model = chain.model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in ({"location": "weights.bin", "offset": "8", "length": "96"} | entries).items():
        if value is not None:
            tensor.external_data.add(key=key, value=value)
    return save_model(folder / "model.onnx", model), W


@pytest.mark.parametrize("length", ["96", None])
def test_numbers_beside_the_model_are_read(tmp_path, monkeypatch, length):
    path, W = model_beside(tmp_path, length=length)
    assert_equal_bits(rn.load(path).weights[0], W, "loaded")
    monkeypatch.chdir(tmp_path)
    assert_equal_bits(rn.load("model.onnx").weights[0], W, "loaded from the folder itself")


@pytest.mark.parametrize("entries, reason", [
    ({"location": "../weights.bin"}, "only a file in the model's own folder is read, by its name alone"),
    ({"location": "sub/../weights.bin"}, "only a file in the model's own folder"),
    ({"location": "..\\weights.bin"}, "only a file in the model's own folder"),
    ({"location": "/etc/passwd"}, "only a file in the model's own folder"),
    ({"location": "C:weights.bin"}, "only a file in the model's own folder"),
    ({"location": ".."}, "only a file in the model's own folder"),
    ({"location": "."}, "only a file in the model's own folder"),
    ({"location": None}, "only a file in the model's own folder"),
    ({"location": "weights.bin\0"}, "only a file in the model's own folder"),
    ({"location": "w" * 10_000}, "which is not in its folder"),
    ({"location": "others.bin"}, "which is not in its folder: put the model and its file of numbers"),
    ({"location": "folder"}, "which is a link or no file: put the file itself"),
    ({"location": "link.bin"}, "which is a link or no file: put the file itself"),
    ({"location": "pipe"}, "which is a link or no file"),
    ({"offset": "13"}, "needs the bytes 13 to 109 of a file of 108: it is cut off"),
    ({"offset": "9" * 18}, "it is cut off"),
    ({"offset": "-1"}, "must have an offset and a length of digits"),
    ({"offset": "0x8"}, "must have an offset and a length of digits"),
    ({"offset": "9" * 30}, "must have an offset and a length of digits"),
    ({"offset": "\u0662"}, "must have an offset and a length of digits"),
    ({"length": "95"}, r"claims the shape \(4, 3\), but holds 95 bytes"),
    ({"length": "9" * 18}, "claims the shape"),
])
def test_numbers_elsewhere_are_refused(tmp_path, entries, reason):
    folder = tmp_path / "models"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "weights.bin").write_bytes(bytes(200))
    if entries.get("location") in ("link.bin", "pipe") and not hasattr(os, "mkfifo"):
        pytest.skip("no links or pipes")
    if hasattr(os, "mkfifo"):
        (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
        os.mkfifo(folder / "pipe")
    path, _ = model_beside(folder, **entries)
    with pytest.raises(ValueError, match=rf"model\.onnx: .*{reason}"):
        rn.load(path)


def test_claimed_shape_beside_the_model_takes_no_memory(tmp_path):
    path, _ = model_beside(tmp_path)
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].dims[:] = [10**6, 10**6]
    with pytest.raises(ValueError, match="claims the shape"):
        rn.load(save_model(path, model))


def test_files_beside_the_model_that_are_too_large_are_refused(tmp_path, monkeypatch):
    path, _ = model_beside(tmp_path)
    monkeypatch.setattr(onnx_module, "MAX_BYTES", path.stat().st_size)
    with open(tmp_path / "weights.bin", "ab") as stream:
        stream.truncate(10**6)
    with pytest.raises(ValueError, match="with 'weights.bin' they have 1000000"):
        rn.load(path)
