"""The command line on ONNX files: what `info` tells of them, and networks that end with the logits."""
import json

import numpy as np
import pytest

pytest.importorskip("onnx")

import reducednet as rn  # noqa: E402
from oracles.command_line import call  # noqa: E402
from oracles.onnx_models import Chain, save_model  # noqa: E402


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A residual network with scores and one with a softmax after them, in a folder, and in it."""
    monkeypatch.chdir(tmp_path)
    for name, last in (("scores.onnx", False), ("softmax.onnx", True)):
        chain = Chain(("batch", 2), np.random.default_rng(0), "normal", "float32")
        chain.node("Mul", ["", chain.constant(chain.draw(2), "raw")], (1, 2))
        skip = chain.name
        for shape in ((3, 2), (2, 3)):
            names = ["", chain.constant(chain.draw(shape), "raw"), chain.constant(chain.draw(shape[0]), "raw")]
            chain.node("Gemm", names, (1, shape[0]), transB=1).relu()
        chain.node("Add", ["", skip], (1, 2))
        save_model(tmp_path / name, (chain.node("Softmax", [""], (1, 2), axis=1) if last else chain).model())


def answer(capsys, *arguments):
    code, out, err = call(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


BOX = ["--box", "-1", "1"]
COMMANDS = {
    "info": BOX, "reduce": [*BOX, "-o", "out.npz"], "verify": ["scores.onnx", *BOX],
    "compress": [*BOX, "-o", "out.onnx"], "convert": ["out.nnet"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_a_network_with_the_logits_and_says_so(files, capsys, command):
    code, out, err = call(capsys, command, "softmax.onnx", *COMMANDS[command])
    assert (code, out) == (2, "") and "(`--until logits` on the command line)" in err
    told = answer(capsys, command, "softmax.onnx", *COMMANDS[command], "--until", "logits")
    assert told["left_off"]["softmax.onnx"] == ["Softmax"]
    code, out, err = call(capsys, command, "softmax.onnx", *COMMANDS[command], "--until", "logits")
    assert code == 0 and "left off after the logits of softmax.onnx: Softmax" in out
    assert "left_off" not in answer(capsys, command, "scores.onnx", *COMMANDS[command])


def test_converted_logits_are_those_of_the_file(files, capsys):
    answer(capsys, "convert", "softmax.onnx", "out.npz", "--until", "logits")
    assert rn.load("out.npz") == rn.load("scores.onnx")


def test_file_that_is_replaced_still_says_what_was_left_off(files, capsys):
    told = answer(capsys, "convert", "softmax.onnx", "softmax.onnx", "--until", "logits")
    assert told["left_off"] == {"softmax.onnx": ["Softmax"]}


def test_info_tells_the_numbers_of_the_file_and_the_rounding_of_the_model(files, capsys):
    told = answer(capsys, "info", "scores.onnx", *BOX)
    network = rn.load("scores.onnx")
    assert told["numbers"] == "float32" and told["multiplied_out"] == 1
    assert told["model_rounding"] == 2.0**29 * rn.evaluation_bound(network, rn.Box([-1, -1], [1, 1])).max()
    assert answer(capsys, "info", "scores.onnx")["model_rounding"] is None
    text = call(capsys, "info", "scores.onnx", *BOX)[1]
    assert "numbers of the file: float32, converted exactly; affine maps multiplied out in float64 1 times" in text
    assert "computed in float32, the model itself may be off by about" in text


def test_model_differs_from_its_network_by_less_than_info_tells(files, capsys):
    import onnx

    bound = answer(capsys, "info", "scores.onnx", *BOX)["model_rounding"]
    X = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2)).astype(np.float32)
    got = onnx.reference.ReferenceEvaluator(onnx.load("scores.onnx")).run(None, {"x": X})[0]
    assert 0.0 < abs(rn.load("scores.onnx")(X) - got).max() <= bound


def test_certificate_of_logits_is_checked(files, capsys):
    both = ("softmax.onnx", "scores.onnx", *BOX, "--until", "logits")
    answer(capsys, "verify", *both, "--certificate", "proof.json")
    code, out, err = call(capsys, "check", "proof.json", *both)
    assert (code, err) == (0, "") and "left off after the logits of softmax.onnx: Softmax" in out
