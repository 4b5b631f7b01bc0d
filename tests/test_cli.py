"""The command line, run as a user runs it."""
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import reducednet as rn
from reducednet import cli


def run(*arguments, **options):
    command = [sys.executable, "-m", "reducednet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new folder"
    return folder, run("demo", "--starts", 1, "--seed", 3, "--out", folder, "--json")


def test_demo_writes_one_png_and_nothing_else(demo):
    folder, result = demo
    assert result.returncode == 0
    assert [path.name for path in folder.iterdir()] == ["reducednet-demo.png"]
    assert (folder / "reducednet-demo.png").read_bytes().startswith(b"\x89PNG")


def test_demo_json_says_that_the_mapping_respects_its_rounding_bound(demo):
    report = json.loads(demo[1].stdout)
    assert len(report["equivalence"]) == 2
    for equivalence in report["equivalence"].values():
        assert equivalence["respected"] is True
        assert 0.0 < equivalence["largest_difference"] <= equivalence["rounding_bound"] < 1e-10


def test_demo_is_silent_on_stderr_in_a_pipe(demo):
    assert demo[1].stderr == ""


def test_demo_prints_the_same_bytes_for_the_same_seed(demo):
    folder, result = demo
    assert run("demo", "--starts", 1, "--seed", 3, "--out", folder, "--json").stdout == result.stdout


def test_demo_table_is_the_table_of_the_comparison(tmp_path):
    result = run("demo", "--starts", 1, "--out", tmp_path)
    row, = [row for row in rn.sin4pi_demo(starts=1).table() if row["space"] == "reduced, ball"]
    line, = [line for line in result.stdout.splitlines() if line.startswith("reduced, ball") and ".." in line]
    assert f"{row['median']:.1e}" in line and f"{row['ratio']:.1f}" in line


@pytest.mark.skipif(os.name == "nt", reason="signals are sent differently there")
def test_interrupted_demo_ends_with_one_line_and_code_130_and_no_file(tmp_path):
    command = [sys.executable, "-m", "reducednet", "demo", "--starts", "500", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(4.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "reducednet: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_reduce_command_writes_the_reduced_network_of_the_file(tmp_path):
    network = rn.Network.random((3, 8, 5, 2), rng=0, output_bias=True)
    rn.save(tmp_path / "in.npz", network)
    result = run("reduce", tmp_path / "in.npz", "--box", "-1", "1e0", "--bound", "ball",
                 "-o", tmp_path / "out.npz")
    assert result.returncode == 0, result.stderr
    assert rn.load(tmp_path / "out.npz") == rn.reduce(network, rn.Box([-1] * 3, [1] * 3), "ball")


def test_reduce_command_reports_each_hidden_layer(tmp_path):
    network = rn.Network.random((3, 8, 5, 2), rng=0, output_bias=True)
    rn.save(tmp_path / "in.npz", network)
    result = run("reduce", tmp_path / "in.npz", "--box", "-1,-2,0", "1,2,3", "-o", tmp_path / "out.npz", "--json")
    report = json.loads(result.stdout)
    domain = rn.Box([-1, -2, 0], [1, 2, 3])
    assert [layer["neurons"] for layer in report["layers"]] == [8, 5]
    assert report["layers"] == [
        json.loads(json.dumps(layer._asdict())) for layer in rn.reduction_report(network, domain)
    ]
    assert report["largest_difference"] <= report["rounding_bound"]


@pytest.mark.parametrize("arguments, words", [
    (["reduce", "missing.npz", "--box", "0", "1", "-o", "out.npz"], "missing.npz"),
    (["reduce", "in.npz", "--box", "0", "x", "-o", "out.npz"], "`--box` must be numbers"),
    (["reduce", "in.npz", "--box", "1", "0", "-o", "out.npz"], "`low` must be at most `high`"),
    (["reduce", "in.npz", "--box", "0,0", "1,1", "-o", "out.npz"], "`domain` must be of dimension 3"),
    (["reduce", "in.npz", "--box", "0", "1", "-o", "out.txt"], "`--output` must be a .npz file"),
    (["reduce", "in.txt", "--box", "0", "1", "-o", "out.npz"], "in.txt"),
])
def test_bad_calls_end_with_code_2_one_line_and_no_output(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    rn.save("in.npz", rn.Network.random((3, 2, 1), rng=0))
    (tmp_path / "in.txt").write_text("text")
    assert cli.main(arguments) == 2
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1 and "Traceback" not in errors
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("arguments", [[], ["demo", "--starts", "0"], ["demo", "--starts", "x"], ["nonsense"]])
def test_unknown_usage_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["demo"], ["compare", "sin4pi"]])
def test_folder_that_cannot_be_written_to_is_refused_before_the_work(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cli.main([*command, "--starts", "1", "--out", str(tmp_path)]) == 2
    assert "`--out` must be a folder to write in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_figure_is_not_left_half_written(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fail(self, path, **options):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    (tmp_path / "reducednet-demo.png").write_bytes(b"old")
    assert cli.main(["demo", "--starts", "1", "--out", str(tmp_path)]) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"reducednet-demo.png": b"old"}


def test_reduction_report_counts_by_hand():
    # w = 2, -1, 0, 3 on [0, 1]: intervals [-1, 0] for w > 0 and [0, 1] for w < 0; ratios b / |w| = -2, 5, -, -0.5
    network = rn.Network([[[2.0], [-1.0], [0.0], [3.0]]], [[-4.0, 5.0, 1.0, -1.5]], [[1.0] * 4], [0.0])
    report, = rn.reduction_report(network, rn.Box(0, 1))
    assert report == (4, (0.0, 3.0), 1.0, 2, 1, 1, 1)


def test_largest_difference_is_taken_at_decided_points_of_binary_networks(tmp_path):
    weights = np.array([[1.0, 1.0, 1.0, -3.0]])
    network = rn.Network([weights], [[0.0]], [[1.0]], activation="binary")
    rn.save(tmp_path / "in.npz", network)
    result = run("reduce", tmp_path / "in.npz", "--box", "0", "1", "-o", tmp_path / "out.npz", "--json")
    assert json.loads(result.stdout)["largest_difference"] == 0.0


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    """A network, its reduction and a network that differs from it, in files."""
    folder, box = tmp_path_factory.mktemp("verify"), rn.Box([0, 0], [1, 1])
    net = rn.Network.random((2, 6, 1), rng=0)
    other = rn.Network(net.weights, net.thresholds, 2.0 * net.output_weights)
    paths = [folder / name for name in ("net.npz", "reduced.npz", "other.npz")]
    for path, network in zip(paths, (net, rn.reduce(net, box), other)):
        rn.save(path, network)
    return paths


def test_verify_command_proves_a_network_equal_to_its_reduction(two_files):
    net, reduced, _ = two_files
    result = run("verify", net, reduced)  # on the reduced network's domain
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("equivalent: |f - g| <= ") and "Box([0, 0], [1, 1])" in result.stdout


def test_verify_command_prints_a_true_counterexample_and_ends_with_1(two_files):
    net, _, other = two_files
    result = run("verify", net, other, "--box", "-1", "1", "--json")
    assert result.returncode == 1
    report = json.loads(result.stdout)
    f, g, x = rn.load(net), rn.load(other), np.array([report["counterexample"]])
    difference = np.abs(f(x) - g(x)).item()
    assert report["status"] == "not_equivalent" and report["eps"] < report["gap"]
    rounding = sum(rn.evaluation_bound(network, rn.Box([-1, -1], [1, 1])).item() for network in (f, g))
    assert abs(difference - report["gap"]) <= rounding


def test_verify_command_ends_with_3_when_it_does_not_know(two_files, monkeypatch):
    net, reduced, _ = two_files
    assert cli.main(["verify", str(net), str(reduced), "--eps", "1e-18", "--time-limit", "0.001"]) == 3


@pytest.mark.parametrize("extra, words", [
    (["--eps", "-1"], "`eps` must be"), (["--time-limit", "0"], "`time_limit` must be"),
    (["--box", "0", "x"], "`--box` must be"), (["--box", "0,0,0", "1,1,1"], "dimension"),
])
def test_bad_calls_of_verify_end_with_2_and_one_line(two_files, capsys, extra, words):
    net, _, other = two_files
    box = [] if "--box" in extra else ["--box", "0", "1"]
    assert cli.main(["verify", str(net), str(other), *box, *extra]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err and printed.err.count("\n") == 1


def test_verify_without_a_domain_says_so(two_files, capsys):
    net, _, other = two_files
    assert cli.main(["verify", str(net), str(other)]) == 2
    assert "`--box` must be given" in capsys.readouterr().err
