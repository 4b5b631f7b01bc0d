"""Laws of save, load and load_box: what comes back, and what is refused."""
from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reducednet as rn
from reducednet.files import archives, nnet
from reducednet.numerics.rounding import gamma

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETS = pathlib.Path(os.environ.get("REDUCEDNET_NETS", ROOT / ".." / "shared" / "nets"))
REAL = {
    "acasxu_1_1.nnet": (5, 50, 50, 50, 50, 50, 50, 5),
    "acasxu_3_3.nnet": (5, 50, 50, 50, 50, 50, 50, 5),
    "coav_a.nnet": (6, 40, 40, 38, 19, 1),
    "coav_b.nnet": (6, 40, 40, 38, 19, 1),
    "coav_sat.nnet": (6, 40, 40, 38, 19, 1),
    "twin_10_2_5_1.nnet": (10, 10, 1),
    "twin_10_2_25_1e-2.nnet": (10, 50, 1),
    "mnist10x10.nnet": (784, *10 * [10], 10),
    "cartpole.nnet": (4, 16, 16, 16, 2),
    "spiky.nnet": (1, 6, 4, 3, 1),
}
real_networks = pytest.mark.skipif(not NETS.is_dir(), reason="no folder of real networks (REDUCEDNET_NETS)")

EXTREME = [0.0, -0.0, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 0.1, -1 / 3, 1e22, 1e23]
FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EXTREME)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


# ---------------------------------------------------------------------------- networks to be saved

def make_domain(kind, n_inputs, seed):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n_inputs + 2, n_inputs))
    if kind == "Box":
        return rn.Box(points.min(axis=0), points.max(axis=0))
    return rn.Ball(points[0], 1.0 + rng.random()) if kind == "Ball" else rn.Hull(points)


@st.composite
def networks(draw, activations=("relu", "binary"), kinds=(None, "Box", "Ball", "Hull")):
    """Standard (kind None) and reduced networks; some with every parameter an arbitrary float."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=3, max_size=5))
    seed, kind = draw(st.integers(0, 2**32)), draw(st.sampled_from(kinds))
    options = {"output_bias": draw(st.booleans()), "activation": draw(st.sampled_from(activations))}
    if kind is None:
        net = rn.Network.random(sizes, seed, **options)
    else:
        domain, bound = make_domain(kind, sizes[0], seed), draw(st.sampled_from(["support", "ball"]))
        net = rn.ReducedNetwork.random(sizes, domain, seed, bound=bound, **options)
    if draw(st.booleans()):
        values = draw(st.lists(FINITE, min_size=1, max_size=12))
        net = net.with_vector(np.resize(values, net.n_parameters))
    return net


def bits(net):
    """Everything a network is made of; -0.0 is not 0.0 here."""
    key = [type(net), net.sizes, net.activation, net.output_bias is None, net.to_vector().tobytes()]
    if isinstance(net, rn.ReducedNetwork):
        arrays = {name: array.tobytes() for name, array in net.domain.to_arrays().items()}
        key += [net.bound, type(net.domain), arrays]
    return key


def small_reduced():
    return rn.ReducedNetwork.random((2, 3, 1), rn.Box([-1, 0], [1, 2]), rng=0, output_bias=True)


def npz_copy(path, net):
    """Save the network and return its members."""
    rn.save(path, net)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), **options)
    return stream.getvalue()


def npy_claiming(shape, payload=b"\0" * 48, descr="<f8"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + payload


def header_of(members):
    return json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())


def header_npy(header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return npy(np.frombuffer(text, dtype=np.uint8))


# ------------------------------------------------------------------------------- .npz: round trips

@given(net=networks())
@example(net=rn.Network([[[-0.0]]], [[5e-324]], [[1.7976931348623157e308]]))
@example(net=rn.ReducedNetwork([[[1.0]]], [[0.0]], [[1.0]], domain=rn.Box(-0.0, 5e-324)))
def test_npz_round_trip_is_bit_for_bit(scratch, net):
    rn.save(scratch / "net.npz", net)
    loaded = rn.load(scratch / "net.npz")
    assert loaded == net
    assert bits(loaded) == bits(net)


@given(net=networks())
def test_npz_bytes_depend_on_the_network_only(scratch, net):
    rn.save(scratch / "one.npz", net)
    rn.save(scratch / "other.npz", rn.load(scratch / "one.npz"))
    assert (scratch / "one.npz").read_bytes() == (scratch / "other.npz").read_bytes()


def test_npz_members_carry_no_date(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    with zipfile.ZipFile(tmp_path / "net.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_npz_opens_in_numpy_without_pickle(tmp_path):
    net = small_reduced()
    rn.save(tmp_path / "net.npz", net)
    with np.load(tmp_path / "net.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"header", "W0", "b0", "C", "a", "domain_low", "domain_high"}
        assert np.array_equal(arrays["W0"], net.weights[0])


def test_npz_resaved_by_numpy_loads(tmp_path):
    net = small_reduced()
    rn.save(tmp_path / "net.npz", net)
    with np.load(tmp_path / "net.npz") as arrays:
        np.savez(tmp_path / "again.npz", **arrays)
    assert rn.load(tmp_path / "again.npz") == net


# --------------------------------------------------------------------------- paths and atomic writing

@pytest.mark.parametrize("path", [3, None, b"net.npz", ["net.npz"]])
def test_path_of_another_type_is_a_type_error(path):
    for call in (lambda: rn.save(path, small_reduced()), lambda: rn.load(path), lambda: rn.load_box(path)):
        with pytest.raises(TypeError, match="`path` must be a str or os.PathLike"):
            call()


@pytest.mark.parametrize("name", ["net.onxx", "net", "net.npz.bak", "npz", "net.pkl"])
def test_other_endings_are_refused_with_the_known_ones(tmp_path, name):
    for call in (lambda path: rn.save(path, small_reduced()), rn.load):
        with pytest.raises(ValueError, match=r"`path` must be a name that ends in \.npz or \.nnet or \.onnx, got"):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_load_box_of_another_ending_is_refused():
    words = r"`path` must be a name that ends in \.nnet or \.vnnlib or \.gz, got 'net.npz'"
    with pytest.raises(ValueError, match=words):
        rn.load_box("net.npz")


@pytest.mark.parametrize("name", ["NET.NPZ", "Net.Nnet"])
def test_endings_may_be_in_capitals(tmp_path, name):
    rn.save(str(tmp_path / name), small_reduced())
    assert rn.load(str(tmp_path / name)).sizes == (2, 3, 1)


@pytest.mark.parametrize("ending", [".npz", ".nnet", ".onnx"])
def test_missing_file_is_file_not_found(tmp_path, ending):
    with pytest.raises(FileNotFoundError, match="absent"):
        rn.load(tmp_path / f"absent{ending}")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent'$"):
        rn.save(tmp_path / "absent" / "net.npz", small_reduced())


def test_saving_something_else_is_a_type_error(tmp_path):
    with pytest.raises(TypeError, match="`network` must be a Network or ReducedNetwork, got int"):
        rn.save(tmp_path / "net.npz", 3)


def test_saving_an_unknown_domain_is_refused(tmp_path):
    class Square(rn.Box):
        pass

    net = rn.ReducedNetwork([[[1.0]]], [[0.0]], [[1.0]], domain=Square(0, 1))
    with pytest.raises(ValueError, match=r"`network.domain` must be one of \['Box', 'Ball', 'Hull'\] in a file"):
        rn.save(tmp_path / "net.npz", net)
    assert not list(tmp_path.iterdir())


class FullDisk(io.FileIO):
    """A file that takes half of what is written and then fails."""

    def write(self, data):
        super().write(data[:len(data) // 2])
        raise OSError("disk full")


def fail_in_writing(monkeypatch):
    monkeypatch.setattr(archives, "open", lambda path, mode: FullDisk(path, mode.replace("b", "")), raising=False)


def fail_in_replacing(monkeypatch):
    def replace(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("name", ["net.npz", "net.nnet"])
@pytest.mark.parametrize("fail", [fail_in_writing, fail_in_replacing])
def test_failed_save_leaves_the_folder_as_it_was(tmp_path, monkeypatch, name, fail):
    rn.save(tmp_path / name, small_reduced())
    before = (tmp_path / name).read_bytes()
    fail(monkeypatch)
    with pytest.raises(OSError, match="disk full"):
        rn.save(tmp_path / name, rn.Network.random((2, 9, 1), rng=1))
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("fail", [fail_in_writing, fail_in_replacing])
def test_failed_first_save_leaves_no_file(tmp_path, monkeypatch, fail):
    fail(monkeypatch)
    with pytest.raises(OSError, match="disk full"):
        rn.save(tmp_path / "net.npz", small_reduced())
    assert not list(tmp_path.iterdir())


def test_save_replaces_an_existing_file(tmp_path):
    other = rn.Network.random((1, 2, 1), rng=1)
    rn.save(tmp_path / "net.npz", small_reduced())
    rn.save(tmp_path / "net.npz", other)
    assert rn.load(tmp_path / "net.npz") == other
    assert len(list(tmp_path.iterdir())) == 1


def test_save_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rn.save("net.npz", small_reduced())
    assert rn.load("net.npz") == small_reduced()


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_saved_file_has_the_mode_of_any_new_file(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_save_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "net.npz").symlink_to(tmp_path / "store" / "real.npz")
    rn.save(tmp_path / "net.npz", small_reduced())
    assert (tmp_path / "net.npz").is_symlink()
    assert rn.load(tmp_path / "store" / "real.npz") == small_reduced()


# ------------------------------------------------------------------------------ .npz: hostile files

def test_header_of_too_many_entries_is_refused_before_it_is_parsed(tmp_path):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    text = b"[" + b"[]," * (1 << 20) + b"[]]"
    write_zip(tmp_path / "net.npz", {**members, "header.npy": header_npy(text)})
    with little_memory(2**25), pytest.raises(ValueError, match=r"net\.npz: member header must have at most"):
        rn.load(tmp_path / "net.npz")


def test_npz_that_is_too_large_is_refused(tmp_path):
    with open(tmp_path / "net.npz", "wb") as stream:
        stream.truncate(10**13)
    with pytest.raises(ValueError, match=r"net\.npz: a zip file of at most 4294967296 bytes is read, this"):
        rn.load(tmp_path / "net.npz")


def test_texts_that_quote_a_file_are_cut(tmp_path):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    write_zip(tmp_path / "net.npz", {**members, "x" * 10_000: b""})
    with pytest.raises(ValueError, match=r"net\.npz: member x{100,350}\.\.\.$"):
        rn.load(tmp_path / "net.npz")


def test_truncated_npz_is_refused(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    data = (tmp_path / "net.npz").read_bytes()
    for length in range(0, len(data), 50):
        (tmp_path / "cut.npz").write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"cut\.npz: not a valid zip file"):
            rn.load(tmp_path / "cut.npz")


def test_text_renamed_to_npz_is_refused(tmp_path):
    rn.save(tmp_path / "net.nnet", small_reduced())
    os.rename(tmp_path / "net.nnet", tmp_path / "net.npz")
    with pytest.raises(ValueError, match=r"net\.npz: not a valid zip file: File is not a zip file"):
        rn.load(tmp_path / "net.npz")


def test_damaged_member_is_refused(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    data = bytearray((tmp_path / "net.npz").read_bytes())
    place = data.index(small_reduced().weights[0].tobytes())
    data[place] ^= 1
    (tmp_path / "net.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"net\.npz: not a valid zip file: Bad CRC-32"):
        rn.load(tmp_path / "net.npz")


def test_compressed_npz_is_refused(tmp_path):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    write_zip(tmp_path / "net.npz", members, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"net\.npz: .*members are compressed"):
        rn.load(tmp_path / "net.npz")


def test_members_that_share_their_bytes_are_refused(tmp_path):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("W0.npy", members["W0.npy"])
        archive.filelist += 100 * [archive.getinfo("W0.npy")]
    with pytest.raises(ValueError, match=r"net\.npz: .*members claim more bytes than the file has"):
        rn.load(tmp_path / "net.npz")


def test_members_of_one_name_are_refused(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    with zipfile.ZipFile(tmp_path / "net.npz", "a") as archive:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("W0.npy", npy(np.zeros((3, 2))))
    with pytest.raises(ValueError, match=r"net\.npz: .*two of its members have the same name"):
        rn.load(tmp_path / "net.npz")


@pytest.mark.parametrize("name", ["header", "W0", "b0", "C", "a", "domain_low", "domain_high"])
def test_missing_member_is_named(tmp_path, name):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    del members[f"{name}.npy"]
    write_zip(tmp_path / "net.npz", members)
    with pytest.raises(ValueError, match=rf"net\.npz: member {name} is missing"):
        rn.load(tmp_path / "net.npz")


def test_unexpected_member_is_named(tmp_path):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    write_zip(tmp_path / "net.npz", {**members, "W1.npy": members["W0.npy"]})
    with pytest.raises(ValueError, match=r"net\.npz: member W1 is not expected"):
        rn.load(tmp_path / "net.npz")


BROKEN_ARRAYS = {
    "object": (npy(np.array([[None]]), allow_pickle=True), r"member W0 must have dtype <f8, got \|O"),
    "float32": (npy(np.ones((3, 2), dtype="<f4")), "member W0 must have dtype <f8, got <f4"),
    "big endian": (npy(np.ones((3, 2), dtype=">f8")), "member W0 must have dtype <f8, got >f8"),
    "fields": (npy(np.ones(3, dtype=[("x", "<f8")])), "member W0 is not a plain .npy array"),
    "Fortran": (npy(np.asfortranarray(np.ones((3, 2)))), "member W0 must be in C order, got Fortran order"),
    "version 2": (npy(np.ones((3, 2)), version=(2, 0)), "member W0 is not a plain .npy array of version 1.0"),
    "code": (npy_claiming("__import__('os')"), "member W0 is not a plain .npy array"),
    "empty": (b"", "member W0 is not a plain .npy array"),
    "huge": (npy_claiming((10**6, 10**6)), r"member W0 claims the shape \(1000000, 1000000\), but holds 48"),
    "overflow": (npy_claiming((2**62, 4)), "member W0 claims the shape"),
    "huge and empty": (npy_claiming((10**30, 0), b""), "member W0 claims the shape"),
    "long": (npy_claiming((3, 2), b"\0" * 56), r"member W0 claims the shape \(3, 2\), but holds 56 bytes"),
    "64 axes": (npy_claiming((*64 * [1], 6)), "maximum supported dimension"),
    "vector": (npy(np.ones(6)), r"`weights\[0\]` must be of shape"),
    "too wide": (npy(np.ones((3, 4))), "`domain` must be of dimension 4"),
    "too high": (npy(np.ones((4, 2))), r"`thresholds\[0\]` must be of shape \(4,\), got shape \(3,\)"),
    "nan": (npy(np.full((3, 2), np.nan)), r"`weights\[0\]` must be finite, got nan at index \(0, 0\)"),
    "inf": (npy(np.full((3, 2), -np.inf)), r"`weights\[0\]` must be finite, got -inf"),
}


@contextlib.contextmanager
def little_memory(n_bytes=2**22):
    """Refuse a block that asks for more memory than a small file can be worth."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_bytes, f"{peak} bytes were asked for"


@pytest.mark.parametrize("case", BROKEN_ARRAYS)
def test_broken_array_is_refused_without_allocating(tmp_path, case):
    data, reason = BROKEN_ARRAYS[case]
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    write_zip(tmp_path / "net.npz", {**members, "W0.npy": data})
    with little_memory(), pytest.raises(ValueError, match=rf"net\.npz: {reason}"):
        rn.load(tmp_path / "net.npz")


HEADER_FAULTS = {
    "not JSON": (lambda header: b"{sizes", "member header is not JSON"),
    "not text": (lambda header: b"\xff\xfe\xff", "member header is not JSON"),
    "nested": (lambda header: b"[" * 200_000, "member header is not JSON"),
    "a list": (lambda header: [header], "member header does not say that the format is"),
    "other format": (lambda header: {**header, "format": "else"}, "member header does not say"),
    "version 99": (lambda header: {**header, "version": 99}, "version 99 is unknown: .* reads version 1"),
    "version text": (lambda header: {**header, "version": "1"}, "`version` must be an integer"),
    "no sizes": (lambda header: {**header, "sizes": None}, "`sizes` must be"),
    "half sizes": (lambda header: {**header, "sizes": [2, 1.5, 1]}, r"`sizes\[1\]` must be an integer"),
    "sizes too short": (lambda header: {**header, "sizes": [2, 1]}, "with a hidden layer"),
    "sizes too long": (lambda header: {**header, "sizes": [2, 3, 3, 1]}, "member W1 is missing"),
    "other sizes": (lambda header: {**header, "sizes": [2, 10**12, 1]}, r"the arrays have \(2, 3, 1\)"),
    "kind": (lambda header: {**header, "kind": "Tree"}, "`kind` must be one of"),
    "activation": (lambda header: {**header, "activation": "tanh"}, "`activation` must be one of"),
    "no activation": (lambda header: {**header, "activation": None}, "`activation` must be one of"),
    "bound": (lambda header: {**header, "bound": ["support"]}, "`bound` must be one of"),
    "domain": (lambda header: {**header, "domain": "Domain"}, "`domain` must be one of"),
    "other domain": (lambda header: {**header, "domain": "Hull"}, "member domain_points is missing"),
    "output bias": (lambda header: {**header, "output_bias": 1}, "`output_bias` must be True or False"),
    "no output bias": (lambda header: {**header, "output_bias": False}, "member a is not expected"),
}


@pytest.mark.parametrize("case", HEADER_FAULTS)
def test_faulty_header_is_refused(tmp_path, case):
    change, reason = HEADER_FAULTS[case]
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    members["header.npy"] = header_npy(change(header_of(members)))
    write_zip(tmp_path / "net.npz", members)
    with pytest.raises(ValueError, match=rf"net\.npz: .*{reason}"):
        rn.load(tmp_path / "net.npz")


@pytest.mark.parametrize("member, array, reason", [
    ("domain_low", [5.0, 0.0], "`low` must be at most `high`"),
    ("domain_low", [np.nan, 0.0], "`low` must be finite"),
    ("domain_high", [[1.0, 2.0]], "`high` must be of shape"),
])
def test_faulty_domain_is_refused(tmp_path, member, array, reason):
    members = npz_copy(tmp_path / "net.npz", small_reduced())
    write_zip(tmp_path / "net.npz", {**members, f"{member}.npy": npy(np.array(array))})
    with pytest.raises(ValueError, match=rf"net\.npz: {reason}"):
        rn.load(tmp_path / "net.npz")


def test_ball_of_many_radii_is_refused(tmp_path):
    ball = rn.Ball([0.0, 0.0], 1.0)
    members = npz_copy(tmp_path / "net.npz", rn.ReducedNetwork.random((2, 3, 1), ball, rng=0))
    write_zip(tmp_path / "net.npz", {**members, "domain_radius.npy": npy(np.ones(2))})
    with pytest.raises(ValueError, match=r"net\.npz: `radius` must be a real number"):
        rn.load(tmp_path / "net.npz")


def test_physical_npz_is_refused(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    with pytest.raises(ValueError, match="`physical` must be False for a .npz file"):
        rn.load(tmp_path / "net.npz", physical=True)


@pytest.mark.parametrize("option", ["physical", "normalise"])
def test_options_must_be_flags(option):
    with pytest.raises(TypeError, match=f"`{option}` must be True or False"):
        rn.load("net.nnet", **{option: "yes"})


# ------------------------------------------- .nnet: an independent reader and a loop over one sample

def naive_nnet(text):
    """Read all numbers of the lines after the flag line into one list, then take what is needed."""
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    numbers = [[float(part) for part in line.split(",") if part.strip()]
               for i, line in enumerate(lines) if i != 2]
    sizes = [int(size) for size in numbers[1]]
    body = iter(sum(numbers[6:], []))
    layers = []
    for n_inputs, n_neurons in zip(sizes, sizes[1:]):
        W = [[next(body) for _ in range(n_inputs)] for _ in range(n_neurons)]
        layers.append((W, [next(body) for _ in range(n_neurons)]))
    assert next(body, None) is None
    return sizes, numbers[2:6], layers


def loop_forward(layers, x, absolute=False):
    """Return N(x) for one sample, entry by entry; or the sum of all paths' absolute values."""
    h = [abs(value) for value in x] if absolute else list(x)
    for number, (W, b) in enumerate(layers, start=1):
        z = []
        for row, threshold in zip(W, b):
            total = abs(threshold) if absolute else threshold
            for weight, value in zip(row, h):
                total += abs(weight) * value if absolute else weight * value
            z.append(total)
        h = z if number == len(layers) else [max(value, 0.0) for value in z]
    return h


def assert_near(got, want, path_sums, n_roundings, what):
    """Hold two computed values against each other: each is off by gamma(n_roundings) of its paths."""
    for i, (g, w, p) in enumerate(zip(got, want, path_sums, strict=True)):
        slack = 2.0 * gamma(n_roundings) * p
        assert abs(g - w) <= slack, f"{what}, output {i}: {g!r} and {w!r} differ by more than {slack:.3g}"


def n_roundings(sizes):
    return sum(size + 2 for size in sizes)


def make_text(sizes, seed, minimums=None, maximums=None, means=None, ranges=None):
    """Write a .nnet text by hand, with a comment and header lines of one's own."""
    rng, n = np.random.default_rng(seed), sizes[0]
    header = [minimums or n * [-1.0], maximums or n * [1.0], means or (n + 1) * [0.0]]
    header.append(ranges or (n + 1) * [1.0])
    lines = ["// by hand", f"{len(sizes) - 1},{sizes[0]},{sizes[-1]},{max(sizes)},", join(sizes), "0,"]
    lines += [join(values) for values in header]
    for n_inputs, n_neurons in zip(sizes, sizes[1:]):
        lines += [join(row) for row in rng.standard_normal((n_neurons, n_inputs)).tolist()]
        lines += [join([value]) for value in rng.standard_normal(n_neurons).tolist()]
    return "\n".join(lines) + "\n"


def join(values):
    return ",".join(repr(value) for value in values) + ","


def write_text(path, text):
    path.write_text(text, encoding="ascii")
    return path


SIZES = st.lists(st.integers(1, 5), min_size=3, max_size=5)
SEEDS = st.integers(0, 2**32)


def same_layers(net, layers):
    maps = [*zip(net.weights, net.thresholds), (net.output_weights, net.output_bias)]
    return [(W.tolist(), b.tolist()) for W, b in maps] == layers


@given(sizes=SIZES, seed=SEEDS)
def test_nnet_parameters_equal_those_of_a_naive_parser(scratch, sizes, seed):
    path = write_text(scratch / "hand.nnet", make_text(sizes, seed))
    assert same_layers(rn.load(path), naive_nnet(path.read_text())[2])


@given(sizes=SIZES, seed=SEEDS)
def test_nnet_network_equals_a_loop_over_one_sample(scratch, sizes, seed):
    path = write_text(scratch / "hand.nnet", make_text(sizes, seed))
    layers = naive_nnet(path.read_text())[2]
    x = np.random.default_rng(seed).standard_normal(sizes[0]).tolist()
    paths = loop_forward(layers, x, absolute=True)
    assert_near(rn.load(path)([x])[0], loop_forward(layers, x), paths, n_roundings(sizes), path.name)


def physical_loop(layers, means, ranges, x):
    """Return the physical outputs at the physical x, and the sum of all paths' absolute values."""
    normal = [(value - mean) / width for value, mean, width in zip(x, means, ranges)]
    spread = [(abs(value) + abs(mean)) / width for value, mean, width in zip(x, means, ranges)]
    outputs = [out * ranges[-1] + means[-1] for out in loop_forward(layers, normal)]
    paths = [out * ranges[-1] + abs(means[-1]) for out in loop_forward(layers, spread, absolute=True)]
    return outputs, paths


@given(sizes=SIZES, seed=SEEDS, exponent=st.integers(-20, 20))
def test_physical_network_equals_a_loop_with_the_normalisation(scratch, sizes, seed, exponent):
    rng, n = np.random.default_rng(seed), sizes[0]
    means = (2.0**exponent * rng.standard_normal(n + 1)).tolist()
    ranges = (2.0**exponent * (0.1 + rng.random(n + 1))).tolist()
    path = write_text(scratch / "hand.nnet", make_text(sizes, seed, means=means, ranges=ranges))
    x = (2.0**exponent * rng.standard_normal(n)).tolist()
    outputs, paths = physical_loop(naive_nnet(path.read_text())[2], means, ranges, x)
    got = rn.load(path, physical=True)([x])[0]
    assert_near(got, outputs, paths, n_roundings(sizes) + sizes[0] + 8, path.name)


def test_physical_network_worked_by_hand(tmp_path):
    lines = ["2,1,1,1", "1,1,1", "0", "4.0", "8.0", "2.0,10.0", "4.0,100.0", "3.0", "0.5", "2.0", "1.0"]
    path = write_text(tmp_path / "hand.nnet", "\n".join(lines))
    # x = 6: (6 - 2) / 4 = 1,  relu(3 * 1 + 0.5) = 3.5,  2 * 3.5 + 1 = 8,  8 * 100 + 10 = 810
    assert rn.load(path, physical=True)([[6.0]]).tolist() == [[810.0]]
    assert rn.load(path)([[1.0]]).tolist() == [[8.0]]


def test_physical_without_normalisation_is_the_stored_network(tmp_path):
    path = write_text(tmp_path / "hand.nnet", make_text((2, 3, 1), 0, means=[1.0] * 3, ranges=[2.0] * 3))
    assert rn.load(path, physical=True, normalise=False) == rn.load(path)


# -------------------------------------------------------------------------------------- .nnet: boxes

@given(seed=SEEDS, n=st.integers(1, 5))
def test_box_is_the_normalised_minimums_and_maximums(scratch, seed, n):
    rng = np.random.default_rng(seed)
    low, means = rng.standard_normal(n).tolist(), rng.standard_normal(n + 1).tolist()
    high, ranges = [value + 1.0 for value in low], (0.1 + rng.random(n + 1)).tolist()
    path = write_text(scratch / "hand.nnet", make_text((n, 2, 1), seed, low, high, means, ranges))
    box = rn.load_box(path)
    assert box.low.tolist() == [(low[i] - means[i]) / ranges[i] for i in range(n)]
    assert box.high.tolist() == [(high[i] - means[i]) / ranges[i] for i in range(n)]


def test_box_without_normalisation_is_the_minimums_and_maximums(tmp_path):
    text = make_text((2, 3, 1), 0, [-5.0, 1.0], [7.0, 2.0], [1.0] * 3, [-1.0, 0.0, math.nan])
    assert rn.load_box(write_text(tmp_path / "hand.nnet", text), normalise=False) == rn.Box([-5, 1], [7, 2])


@pytest.mark.parametrize("means, ranges, reason", [
    (None, [1.0, 0.0, 1.0], "line 8: the ranges must be finite and larger than 0, got 0.0"),
    (None, [-1.0, 1.0, 1.0], "line 8: the ranges must be finite and larger than 0, got -1.0"),
    (None, [1.0, math.nan, 1.0], "line 8: the ranges must be finite and larger than 0, got nan"),
    (None, [1.0, math.inf, 1.0], "line 8: the ranges must be finite and larger than 0, got inf"),
    (None, [1.0], "line 8: 3 ranges expected, one per input and one for all outputs, got 1"),
    ([math.inf, 0.0, 0.0], None, "line 7: the means must be finite, got inf"),
    ([0.0] * 4, None, "line 7: 3 means expected, one per input and one for all outputs, got 4"),
])
def test_incredible_normalisation_is_refused_unless_told_to_ignore_it(tmp_path, means, ranges, reason):
    path = write_text(tmp_path / "bad.nnet", make_text((2, 3, 1), 0, means=means, ranges=ranges))
    for call in (rn.load_box, lambda path: rn.load(path, physical=True)):
        with pytest.raises(ValueError, match=rf"bad\.nnet: {reason}; `normalise=False` ignores means and ranges"):
            call(path)
    assert rn.load_box(path, normalise=False) == rn.Box([-1, -1], [1, 1])
    assert rn.load(path).sizes == (2, 3, 1)


def test_box_needs_no_mean_or_range_of_the_outputs(tmp_path):
    path = write_text(tmp_path / "hand.nnet", make_text((2, 3, 1), 0, means=[1.0, 1.0], ranges=[2.0, 2.0]))
    assert rn.load_box(path) == rn.Box([-1, -1], [0, 0])
    with pytest.raises(ValueError, match=r"hand\.nnet: line 7: 3 means expected"):
        rn.load(path, physical=True)


def test_range_of_the_outputs_does_not_matter_for_the_box(tmp_path):
    path = write_text(tmp_path / "hand.nnet", make_text((2, 3, 1), 0, ranges=[1.0, 1.0, -1.0]))
    assert rn.load_box(path) == rn.Box([-1, -1], [1, 1])


@pytest.mark.parametrize("minimums, maximums, reason", [
    ([0.0], None, "line 5: the file declares no box: 2 numbers, one per input, expected, got 1"),
    (None, [0.0], "line 6: the file declares no box: 2 numbers, one per input, expected, got 1"),
    ([0.0] * 4, None, r"line 5: .* got 4, as in an older layout: give the box .* \(`--box LOW HIGH` on the"),
    ([2.0, 2.0], None, "line 5: no box .* `low` must be at most `high`"),
    ([1.0, 1.0], None, "line 5: no box .* a box of one point"),
    ([math.nan, 0.0], None, "line 5: no box .* `low` must be finite, got nan"),
    (None, [math.inf, 0.0], "line 5: no box .* `high` must be finite, got inf"),
])
def test_file_without_a_box_is_told(tmp_path, minimums, maximums, reason):
    path = write_text(tmp_path / "bad.nnet", make_text((2, 3, 1), 0, minimums, maximums))
    for normalise in (True, False):
        with pytest.raises(ValueError, match=rf"bad\.nnet: {reason}"):
            rn.load_box(path, normalise)
    assert rn.load(path).sizes == (2, 3, 1)


def test_box_that_overflows_is_refused(tmp_path):
    path = write_text(tmp_path / "bad.nnet", make_text((1, 3, 1), 0, [-1e308], [1e308], ranges=[1e-9, 1.0]))
    with pytest.raises(ValueError, match=r"bad\.nnet: line 5: no box .* `low` must be finite"):
        rn.load_box(path)


def test_physical_network_that_overflows_is_refused(tmp_path):
    path = write_text(tmp_path / "bad.nnet", make_text((1, 3, 1), 0, ranges=[5e-324, 1.0]))
    with pytest.raises(ValueError, match=r"bad\.nnet: `weights\[0\]` must be finite"):
        rn.load(path, physical=True)


# -------------------------------------------------------------------------------- .nnet: round trips

def with_zero_bias(net):
    bias = np.zeros(net.n_outputs) if net.output_bias is None else net.output_bias
    return rn.Network(net.weights, net.thresholds, net.output_weights, bias)


@given(net=networks(activations=("relu",)))
@example(net=rn.Network([[[-0.0]]], [[5e-324]], [[1.7976931348623157e308]]))
def test_nnet_round_trip_is_bit_for_bit_up_to_a_missing_bias(scratch, net):
    rn.save(scratch / "net.nnet", net)
    assert bits(rn.load(scratch / "net.nnet")) == bits(with_zero_bias(net))


@given(net=networks(activations=("relu",)))
def test_saved_nnet_is_the_same_in_physical_units(scratch, net):
    rn.save(scratch / "net.nnet", net)
    assert rn.load(scratch / "net.nnet", physical=True) == rn.load(scratch / "net.nnet")


@given(net=networks(activations=("relu",)))
def test_saved_nnet_reads_in_the_naive_parser(scratch, net):
    rn.save(scratch / "net.nnet", net)
    sizes, header, layers = naive_nnet((scratch / "net.nnet").read_text())
    assert sizes == list(net.sizes)
    assert [len(values) for values in header] == [net.n_inputs] * 2 + [net.n_inputs + 1] * 2
    assert same_layers(with_zero_bias(net), layers)


@given(net=networks(activations=("relu",), kinds=("Box",)))
def test_nnet_of_a_reduced_network_declares_its_box(scratch, net):
    rn.save(scratch / "net.nnet", net)
    assert rn.load_box(scratch / "net.nnet") == net.domain
    assert rn.load_box(scratch / "net.nnet", normalise=False) == net.domain


@given(net=networks(activations=("relu",), kinds=(None, "Ball", "Hull")))
def test_nnet_of_a_network_without_a_box_declares_none(scratch, net):
    rn.save(scratch / "net.nnet", net)
    for normalise in (True, False):
        with pytest.raises(ValueError, match=r"net\.nnet: line 5: the file declares no box"):
            rn.load_box(scratch / "net.nnet", normalise)


@given(net=networks(activations=("relu",)))
def test_nnet_bytes_depend_on_the_network_only(scratch, net):
    rn.save(scratch / "one.nnet", net)
    rn.save(scratch / "other.nnet", net.with_vector(net.to_vector()))
    assert (scratch / "one.nnet").read_bytes() == (scratch / "other.nnet").read_bytes()


def test_binary_network_has_no_nnet(tmp_path):
    net = rn.Network.random((1, 2, 1), rng=0, activation="binary")
    with pytest.raises(ValueError, match="`network` must be a ReLU network .* got activation 'binary'"):
        rn.save(tmp_path / "net.nnet", net)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------ .nnet: text variants

def spaced(text):
    return text.replace(",", " , ")


def without_last_commas(text):
    return text.replace(",\n", "\n")


VARIANTS = {
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "spaces": spaced,
    "no trailing commas": without_last_commas,
    "no last newline": lambda text: text.rstrip("\n"),
    "no last comma": lambda text: text.rstrip(",\n"),
    "blank lines at the ends": lambda text: "\n" + text + "\n\n",
    "comments between rows": lambda text: text.replace("\n", "\n// comment\n"),
    "another flag": lambda text: text.replace("\n0,\n", "\nThis line extraneous\n"),
    "only the number of layers": lambda text: text.replace("2,2,1,3,\n", "2\n", 1),
    "another widest layer": lambda text: text.replace("2,2,1,3,\n", "2,2,1,99,\n", 1),
    "empty header": lambda text: empty_header(text, ""),
    "header of zeros": lambda text: empty_header(text, "0"),
}


def empty_header(text, line):
    lines = text.split("\n")
    return "\n".join(lines[:3] + 5 * [line] + lines[8:])


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_the_text_are_the_same_network(tmp_path, variant):
    text = make_text((2, 3, 1), 0)
    plain, other = tmp_path / "plain.nnet", tmp_path / "other.nnet"
    plain.write_bytes(text.encode())
    other.write_bytes(VARIANTS[variant](text).encode())
    assert plain.read_bytes() != other.read_bytes()
    assert rn.load(other) == rn.load(plain)


def test_shortest_text_of_a_network_loads(tmp_path):
    body = "\n".join(["1"] * 9 + ["2"] * 9 + [",".join("345678901"), "0"])
    path = write_text(tmp_path / "short.nnet", "2\n1,9,1\n\n\n\n\n\n" + body)
    # x = 1: each neuron is relu(1 + 2) = 3, their outgoing weights sum to 43
    assert rn.load(path)([[1.0]]).tolist() == [[129.0]]


# ----------------------------------------------------------------------------- .nnet: hostile files

def edit(number, line):
    """Return a change that puts another line (None: none at all) in the place of line `number`."""
    def change(text):
        lines = text.split("\n")
        lines[number - 1:number] = [] if line is None else [line]
        return "\n".join(lines)

    return change


# lines: 1 comment, 2 counts, 3 sizes, 4 flag, 5-8 header, 9-11 W (3 x 2), 12-14 b, 15 C (1 x 3), 16 a
FAULTS = {
    "empty": (lambda text: "", "line 1: the file ends where the numbers of layers, inputs and outputs"),
    "comments only": (lambda text: "// a\n// b\n", "line 3: the file ends"),
    "layers": (edit(2, "3,2,1,3,"), "line 3: .* have 2 weight layers, but the line before claims 3"),
    "inputs": (edit(2, "2,9,1,3,"), "line 3: the layer sizes have 2 inputs, but the line before claims 9"),
    "outputs": (edit(2, "2,2,9,3,"), "line 3: the layer sizes have 1 outputs, but the line before claims 9"),
    "text for layers": (edit(2, "two,2,1,3,"), "line 2: the numbers of layers, .* must be integers"),
    "half a layer": (edit(2, "2.5,2,1,3,"), "line 2: the numbers of layers, .* must be integers"),
    "negative size": (edit(3, "2,-3,1,"), "line 3: the layer sizes must be integers"),
    "no size": (edit(3, "2,,1,"), "line 3: the layer sizes must be integers"),
    "zero size": (edit(3, "2,0,1,"), r"line 3: .*must be at least 1, got 0"),
    "no hidden layer": (lambda text: edit(3, "2,1,")(edit(2, "1,2,1,2,")(text)), "line 3: .*with a hidden layer"),
    "huge": (edit(3, f"2,{10**12},1,"), "line 3: the layer sizes claim 4000000000001 numbers, too many"),
    "huger": (edit(3, f"2,{'9' * 5000},1,"), "line 3: the layer sizes must be integers of at most 18 digits"),
    "missing weights": (edit(9, None), "line 11: layer 1, neuron 2: the weights must be 2 numbers, got 1"),
    "missing threshold": (edit(12, None), "line 14: layer 1, neuron 2: the threshold must be 1 numbers, got 3"),
    "missing last line": (edit(16, None), "line 16: the file ends where layer 2, neuron 0: the threshold"),
    "missing header line": (edit(6, None), "line 11: layer 1, neuron 2: the weights must be 2 numbers, got 1"),
    "extra line": (lambda text: text + "\n0.5,\n", "line 18: the layers are complete, but the file goes on"),
    "short row": (edit(10, "1.0,"), "line 10: layer 1, neuron 1: the weights must be 2 numbers, got 1"),
    "long row": (edit(10, "1.0,2.0,3.0,"), "line 10: layer 1, neuron 1: the weights must be 2 numbers, got 3"),
    "text": (edit(10, "1.0,abc,"), "line 10: could not convert string to float: b'abc'"),
    "gap": (edit(10, "1.0,,2.0"), "line 10: could not convert string to float: b''"),
    "underscore": (edit(10, "1.0,1_0,"), "line 10: not a list of numbers: 1.0,1_0"),
    "nul": (edit(10, "1.0,\0,"), "line 10: could not convert"),
    "nan": (edit(10, "1.0,nan,"), "line 10: layer 1, neuron 1: the weights must be finite, got 1.0,nan"),
    "inf": (edit(13, "-inf"), "line 13: layer 1, neuron 1: the threshold must be finite, got -inf"),
    "overflow": (edit(15, "1.0,1e999,2.0"), "line 15: layer 2, neuron 0: the weights must be finite"),
    "header text": (edit(5, "a,b,"), "line 5: could not convert string to float: b'a'"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faulty_nnet_is_refused_with_its_line(tmp_path, case):
    change, reason = FAULTS[case]
    path = write_text(tmp_path / "net.nnet", change(make_text((2, 3, 1), 0)))
    with little_memory(), pytest.raises(ValueError, match=rf"net\.nnet: {reason}"):
        rn.load(path)


def test_nnet_truncated_at_a_line_is_refused(tmp_path):
    lines = make_text((2, 3, 1), 0).splitlines(keepends=True)
    for number in range(len(lines)):
        path = write_text(tmp_path / "cut.nnet", "".join(lines[:number]))
        with pytest.raises(ValueError, match=rf"cut\.nnet: line ({number + 1}: the file ends|3: .*too many)"):
            rn.load(path)


def test_nnet_truncated_within_the_last_line_only_may_pass(tmp_path):
    text = make_text((2, 3, 1), 0)
    last = text.rstrip("\n").rindex("\n") + 1
    for length in range(0, last, 50):
        path = write_text(tmp_path / "cut.nnet", text[:length])
        with pytest.raises(ValueError, match=r"cut\.nnet: line \d+: "):
            rn.load(path)


def test_nnet_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(nnet, "MAX_BYTES", 100)
    path = write_text(tmp_path / "net.nnet", make_text((2, 3, 1), 0))
    with pytest.raises(ValueError, match=r"net\.nnet: a \.nnet file of at most 100 bytes is read, this one has"):
        rn.load(path)


@pytest.mark.parametrize("number, what", [(3, "layer sizes"), (5, "minimums"), (10, "weights")])
def test_line_of_too_many_numbers_is_refused_before_it_is_split(tmp_path, number, what):
    text = edit(number, "1," * 10**6)(make_text((2, 3, 1), 0))
    with little_memory(2**23), pytest.raises(ValueError, match=rf"net\.nnet: line {number}: at most 65536"):
        rn.load(write_text(tmp_path / "net.nnet", text))


def test_bytes_renamed_to_nnet_are_refused(tmp_path):
    rn.save(tmp_path / "net.npz", small_reduced())
    os.rename(tmp_path / "net.npz", tmp_path / "net.nnet")
    with pytest.raises(ValueError, match=r"net\.nnet: line 1: the numbers of layers, .* must be integers"):
        rn.load(tmp_path / "net.nnet")


# ------------------------------------------------------------------------------------- real networks

@real_networks
@pytest.mark.parametrize("name", REAL)
def test_real_network_has_the_sizes_of_its_readme(name):
    assert rn.load(NETS / name).sizes == REAL[name]


@real_networks
def test_every_nnet_of_the_folder_is_known():
    assert {path.name for path in NETS.glob("*.nnet")} == set(REAL)


@real_networks
@pytest.mark.parametrize("name", REAL)
def test_real_network_equals_the_naive_parser_and_loop(name):
    sizes, _, layers = naive_nnet((NETS / name).read_text())
    net = rn.load(NETS / name)
    assert same_layers(net, layers)
    for x in np.random.default_rng(0).standard_normal((3, sizes[0])).tolist():
        paths = loop_forward(layers, x, absolute=True)
        assert_near(net([x])[0], loop_forward(layers, x), paths, n_roundings(sizes), name)


@real_networks
@pytest.mark.parametrize("name", [name for name in REAL if name != "cartpole.nnet"])
def test_real_network_is_the_same_in_physical_units(name):
    sizes, (low, high, means, ranges), layers = naive_nnet((NETS / name).read_text())
    net = rn.load(NETS / name, physical=True)
    for x in rn.load_box(NETS / name, normalise=False).sample(3, rng=0).tolist():
        outputs, paths = physical_loop(layers, means, ranges, x)
        assert_near(net([x])[0], outputs, paths, n_roundings(sizes) + sizes[0] + 8, name)


@real_networks
@pytest.mark.parametrize("name", [name for name in REAL if name != "cartpole.nnet"])
def test_real_box_is_normalised(name):
    _, (low, high, means, ranges), _ = naive_nnet((NETS / name).read_text())
    box = rn.load_box(NETS / name)
    assert box.low.tolist() == [(value - m) / r for value, m, r in zip(low, means, ranges)]
    assert box.high.tolist() == [(value - m) / r for value, m, r in zip(high, means, ranges)]


@real_networks
def test_cartpole_declares_no_box():
    with pytest.raises(ValueError, match=r"cartpole\.nnet: line 4: the file declares no box"):
        rn.load_box(NETS / "cartpole.nnet")


@real_networks
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("ending", [".npz", ".nnet"])
def test_real_network_survives_saving(tmp_path, name, ending):
    net = rn.load(NETS / name)
    rn.save(tmp_path / f"net{ending}", net)
    assert bits(rn.load(tmp_path / f"net{ending}")) == bits(net)


@real_networks
def test_acasxu_loads_in_a_blink():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        rn.load(NETS / "acasxu_1_1.nnet")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3


# ---------------------------------------------------------------------------- temporary files

KILLED = """
import os, signal, sys
import reducednet as rn

def kill(*names):
    os.kill(os.getpid(), signal.SIGKILL)

os.replace = kill
rn.save(sys.argv[1], rn.Network.random((2, 3, 1), rng=0))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal, and renames no open file")
def test_next_save_removes_what_a_killed_one_left(tmp_path):
    path, net = tmp_path / "net.npz", rn.Network.random((2, 3, 1), rng=1)
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == -signal.SIGKILL
    left, = tmp_path.iterdir()
    assert left.name.startswith(".reducednet-")
    rn.save(path, net)
    assert list(tmp_path.iterdir()) == [path] and rn.load(path) == net


def test_save_leaves_the_temporary_file_of_another_save_alone(tmp_path, monkeypatch):
    """The second save of the same file begins and ends just before the first one is put in its place."""
    path, replace = tmp_path / "net.npz", os.replace
    first, second = (rn.Network.random((2, 3, 1), rng=seed) for seed in range(2))

    def interfere(*names):
        monkeypatch.setattr(os, "replace", replace)
        rn.save(path, second)
        assert rn.load(path) == second
        replace(*names)

    monkeypatch.setattr(os, "replace", interfere)
    rn.save(path, first)
    assert rn.load(path) == first and list(tmp_path.iterdir()) == [path]


def test_saves_of_many_threads_leave_one_of_their_files_and_nothing_else(tmp_path):
    networks = [rn.Network.random((2, 3, 1), rng=seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda network: rn.save(tmp_path / "net.npz", network), networks))
    assert list(tmp_path.iterdir()) == [tmp_path / "net.npz"] and rn.load(tmp_path / "net.npz") in networks


def test_files_of_others_with_a_hidden_name_stay(tmp_path):
    others = [tmp_path / name for name in (".reducednet", ".other.tmp", "x.reducednet-0.tmp")]
    for other in others:
        other.touch()
    (tmp_path / ".reducednet-folder").mkdir()
    rn.save(tmp_path / "net.npz", rn.Network.random((2, 3, 1), rng=0))
    assert len(list(tmp_path.iterdir())) == len(others) + 2


@pytest.mark.parametrize("name", ["net.npz", "net.nnet", 251 * "n" + ".npz"])
def test_errors_of_the_system_name_the_file_and_leave_nothing(tmp_path, monkeypatch, name):
    def full(*names):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *names)

    monkeypatch.setattr(os, "replace", full)
    path = str(tmp_path / name)
    with pytest.raises(OSError) as caught:
        rn.save(path, rn.Network.random((2, 3, 1), rng=0))
    assert caught.value.filename == path and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_a_device_is_written_to_and_not_replaced(tmp_path):
    (tmp_path / "net.npz").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        rn.save(tmp_path / "net.npz", rn.Network.random((2, 3, 1), rng=0))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "net.npz"))
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
