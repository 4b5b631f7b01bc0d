"""10,000 damaged files: each is a clear error or a sound record, and none asks for much memory."""
import contextlib
import io
import math
import os
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

import reducednet as rn
from oracles.assertions import assert_equal_bits
from oracles.mutations import mutated
from reducednet.files import archives

N_FILES = {".npz": 2000, ".nnet": 2000, ".vnnlib": 2500, ".onnx": 2000}
N_MODELS = 1500
VNNLIB = """; a box
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(assert (and (<= X_0 0.5) (>= X_0 -1e-1)))
(assert (<= -1 X_1))
(assert (>= 2.25 X_1))
(assert (or (and (<= Y_0 1)) (and (>= Y_0 (- 2)))))
"""


@contextlib.contextmanager
def little_memory(n_bytes=2**25):
    """Refuse a block that asks for more memory than small files can be worth."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_bytes, f"{peak} bytes were asked for"


def good_files(folder, ending):
    """Return the bytes of good files of this ending."""
    path = folder / f"good{ending}"
    if ending == ".vnnlib":
        return [VNNLIB.encode()]
    red = rn.ReducedNetwork.random((2, 3, 1), rn.Box([-1, 0], [1, 2]), rng=0, output_bias=True)
    contents = [red, rn.Network.random((3, 4, 2, 2), rng=0)]
    if ending == ".npz":
        contents += [rn.ReducedNetwork.random((2, 3, 1), domain, rng=0)
                     for domain in (rn.Ball([0.5, 0], 1.5), rn.Hull([[0, 0], [1, 0], [0, 2]]))]
        X = np.linspace(0.0, 1.0, 8)[:, np.newaxis]
        contents.append(rn.train(rn.Network.random((1, 3, 1), rng=0), X, X, method="adam", n_steps=3, rng=0))
    files = []
    for content in contents:
        rn.save(path, content)
        files.append(path.read_bytes())
    path.unlink()
    return files + (real_models() if ending == ".onnx" else [])


def real_models():
    """Return models in the ways of other writers."""
    from oracles.onnx_models import random_chain

    plans = [["sub", "gemm", "relu", "matmul", "add", "flatten", "reshape", "relu", "gemm"],
             ["gemm", "relu", "mul", "residual", "clip", "concat", "batch_normalization", "transpose"],
             ["div", "absolute", "gather", "max_pair", "squeeze", "gemm", "leaky_relu", "cast", "dropout"]]
    return [random_chain(seed, plan, "normal", dtype).model().SerializeToString()
            for seed, (plan, dtype) in enumerate(zip(plans, ["float32", "float64", "float32"]))]


def resealed(data, rng, other):
    """Damage one member of a .npz file and seal the file again, so that its sum is right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice(list(members)))
    members[name] = mutated(members[name], rng, other)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def assert_clear(call, path):
    """Assert that a call gives a record, or an error that names the file; return whether it gave a record."""
    try:
        result = call(path)
    except ValueError as error:
        text = str(error)
        assert text.startswith(f"{path}: ") and len(text) < len(str(path)) + 400, text
        return False
    assert isinstance(result, (rn.Network, rn.TrainingResult, rn.Box))
    if isinstance(result, rn.Network):
        assert np.isfinite(result.to_vector()).all()
    return True


def load_physical(path):
    return rn.load(path, physical=True)


READERS = {".npz": [rn.load], ".nnet": [rn.load, load_physical, rn.load_box], ".vnnlib": [rn.load_box],
           ".onnx": [rn.load]}


@pytest.mark.parametrize("share", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", N_FILES)
def test_damaged_files_are_clear_errors_or_sound_records(tmp_path, ending, share):
    if ending == ".onnx":
        pytest.importorskip("onnx")
    rng, files, n_good = np.random.default_rng(0), good_files(tmp_path, ending), 0
    strangers = [*files, VNNLIB.encode(), rng.bytes(300)]
    path, n_files = tmp_path / f"fuzz{ending}", int(share * N_FILES[ending])
    with little_memory():
        for i in range(n_files):
            damage = resealed if ending == ".npz" and i % 2 else mutated
            path.write_bytes(damage(files[i % len(files)], rng, strangers[rng.integers(len(strangers))]))
            for call in READERS[ending]:
                n_good += assert_clear(call, path)
    assert 0 < n_good < len(READERS[ending]) * n_files, "some damage is harmless, most is not"


@pytest.mark.parametrize("ending", N_FILES)
def test_files_under_another_ending_are_clear_errors(tmp_path, ending):
    if ending == ".onnx":
        pytest.importorskip("onnx")
    for other in (".npz", ".nnet", ".vnnlib"):
        for i, data in enumerate(good_files(tmp_path, other) if other != ending else []):
            path = tmp_path / f"renamed{i}{ending}"
            path.write_bytes(data)
            for call in READERS[ending]:
                assert not assert_clear(call, path)


@pytest.mark.parametrize("n_models", [N_MODELS // 10, pytest.param(N_MODELS, marks=pytest.mark.slow)])
def test_edited_models_are_clear_errors_or_the_function_of_onnx_itself(tmp_path, n_models):
    pytest.importorskip("onnx")
    from oracles.onnx_models import EXACT, edited, evaluate, random_chain, save_model

    rng, path, n_equal = np.random.default_rng(0), tmp_path / "edited.onnx", 0
    for seed in range(n_models):
        plan = rng.choice(EXACT, rng.integers(1, 8)).tolist()
        model = edited(random_chain(seed, plan).model(), rng)
        if assert_clear(rn.load, save_model(path, model)):
            net = rn.load(path)
            shape = [max(dim.dim_value, 1) for dim in model.graph.input[0].type.tensor_type.shape.dim]
            n_samples = math.prod(shape) // net.n_inputs
            if n_samples > 10:
                continue  # a batch of 10^12 samples
            X = rng.integers(-3, 4, (n_samples, net.n_inputs)).astype(float)
            with contextlib.suppress(RuntimeError):  # onnx wants its operators in order
                # small integers are exact in any order
                assert_equal_bits(net(X).ravel() + 0.0, evaluate(model, X.reshape(shape)) + 0.0, f"{plan}")
                n_equal += 1
    assert n_equal > n_models // 10, "some changes are harmless"


def test_there_are_ten_thousand_damaged_files():
    assert sum(N_FILES.values()) + N_MODELS == 10_000


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no endless device")
@pytest.mark.parametrize("ending", [".npz", ".onnx"])
def test_an_endless_file_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(archives, "MAX_PIPE_BYTES", 1 << 22)
    path = tmp_path / f"endless{ending}"
    path.symlink_to("/dev/zero")
    with little_memory(), pytest.raises(ValueError, match="of at most 4194304 bytes is read"):
        rn.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_network_is_read_from_a_pipe(tmp_path):
    network = rn.Network.random((2, 3, 1), rng=0)
    rn.save(tmp_path / "net.npz", network)
    os.mkfifo(tmp_path / "pipe.npz")
    content = (tmp_path / "net.npz").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe.npz").write_bytes, args=(content,))
    writer.start()
    assert rn.load(tmp_path / "pipe.npz") == network
    writer.join()
