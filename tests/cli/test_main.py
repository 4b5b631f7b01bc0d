"""The command line, run as a user runs it."""
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn
from oracles.command_line import call
from reducednet.cli import answers, main
from reducednet.cli.network_summary import summarise
from reducednet.cli.options import box_around
from reducednet.files import save_load
from reducednet.verification import provers


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


def errors_in(picture):
    """Return the errors that a figure of the demo shows, by space."""
    from PIL import Image

    with Image.open(picture) as image:
        return json.loads(image.text["Description"])


def test_figure_of_the_demo_holds_the_errors_that_it_shows(demo):
    comparison = rn.sin4pi_demo(starts=1, seed=3)
    held = errors_in(demo[0] / "reducednet-demo.png")
    assert held == {space: sorted(values.tolist()) for space, values in comparison.errors.items()}


@pytest.mark.slow
def test_figure_of_the_readme_is_what_the_command_draws(tmp_path):
    """Single runs end elsewhere on another processor: new medians lie within the old quartiles."""
    run("demo", "--out", tmp_path)
    old = errors_in(Path(__file__).parents[2] / "tutorials" / "demo.png")
    new = errors_in(tmp_path / "reducednet-demo.png")
    assert list(old) == list(new)
    for space, errors in old.items():
        low, high = np.quantile(errors, [0.25, 0.75])
        assert low <= np.median(new[space]) <= high


def test_demo_json_says_that_the_mapping_respects_its_rounding_bound(demo):
    report = json.loads(demo[1].stdout)
    assert len(report["equivalence"]) == 2
    for equivalence in report["equivalence"].values():
        assert equivalence["respected"] is True
        assert 0.0 < equivalence["largest_difference"] <= equivalence["rounding_bound"] < 1e-10


def test_demo_is_silent_on_stderr_in_a_pipe(demo):
    assert demo[1].stderr == ""


@pytest.mark.slow
def test_demo_prints_the_same_bytes_for_the_same_seed(demo):
    folder, result = demo
    assert run("demo", "--starts", 1, "--seed", 3, "--out", folder, "--json").stdout == result.stdout


@pytest.mark.slow
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


def test_demo_gives_the_bound_and_the_network_constructed(demo):
    limit = json.loads(demo[1].stdout)["limit"]
    assert 0.0 < limit["bound"] <= limit["error"] <= 1.001 * limit["bound"]
    assert limit["error"] < limit["test_error"] < 2.0 * limit["error"]


@pytest.fixture
def samples_file(tmp_path):
    X = np.linspace(-1.0, 1.0, 50)[:, np.newaxis]
    samples = np.hstack([X, np.sin(5.0 * X), X**2])
    np.savetxt(tmp_path / "data.csv", samples, delimiter=",", header="x,y,z", comments="", fmt="%.17g")
    return tmp_path / "data.csv", samples


@pytest.mark.parametrize("activation, bias", [("relu", True), ("binary", False)])
def test_limit_command_gives_what_fit_exact_gives_and_writes_it(tmp_path, capsys, samples_file, activation, bias):
    path, samples = samples_file
    options = ["limit", path, "--neurons", 4, "--activation", activation, "-o", tmp_path / "out.npz",
               "--figure", tmp_path / "figure.png"] + ["--no-bias"] * (not bias)
    report = json.loads(answer_of(capsys, *options, "--json"))
    network, limit = rn.fit_exact(samples[:, :1], samples[:, 1:], 4, activation, bias)
    assert (report["bound"], report["error"], report["gap"]) == (limit.bound, limit.error, limit.gap)
    assert [run["low"] for run in report["runs"]] == [line.low for line in limit.runs]
    assert rn.load(tmp_path / "out.npz") == network
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    text = answer_of(capsys, *options)
    assert f"at least {limit.bound:.9g}\n" in text and f": {limit.error:.9g} (" in text


def test_limit_command_refuses_bad_files_and_options(tmp_path, capsys, samples_file):
    np.savetxt(tmp_path / "one.csv", np.arange(5.0))
    (tmp_path / "data.json").write_text("[]")
    calls = [
        ([tmp_path / "one.csv"], "one column"), ([tmp_path / "data.json"], ".npy or .csv or .txt"),
        ([tmp_path / "none.csv"], "No such file"), ([samples_file[0], "-o", "net.txt"], "`--output` must be"),
        ([samples_file[0], "--figure", "a.jpg"], "`--figure` must be a .png file"),
    ]
    for arguments, words in calls:
        assert main.main(["limit", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err


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
    for layer, met in zip(report["layers"], rn.reduction_report(network, domain)):
        assert (layer["norms"], layer["norm_bound"]) == (list(met.norms), met.norm_bound)
        assert layer["outside"] == met.outside and layer.keys() == met._asdict().keys()
    assert report["largest_difference"] <= report["rounding_bound"]


def answer_of(capsys, *arguments):
    """Return what the command prints."""
    assert main.main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def columns(text, *names):
    """Return columns of a printed table, by the ends of their headings."""
    lines = text.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("layer"))
    rows = lines[head + 1:lines.index("", head)]
    ends = [lines[head].index(name) + len(name) for name in names]
    return [[row[:end].split()[-1] for end in ends] for row in rows]


@pytest.mark.parametrize("bound", ["support", pytest.param("ball", marks=pytest.mark.slow)])
@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_reduce_and_info_count_the_same_in_columns_of_one_name(tmp_path, capsys, bound, activation):
    rng, path, out = np.random.default_rng(5), tmp_path / "in.npz", tmp_path / "out.npz"
    differing = 0
    for seed in range(13):
        sizes = (int(rng.integers(1, 4)), *rng.integers(1, 21, size=rng.integers(1, 4)).tolist(), 1)
        network = rn.Network.random(sizes, seed, output_bias=bool(seed % 2), activation=activation)
        if seed % 3 == 0:  # a neuron without a direction below others
            weights = [W.copy() for W in network.weights]
            weights[0][0] = 0.0
            rest = network.thresholds, network.output_weights
            network = rn.Network(weights, *rest, activation=activation)
        rn.save(path, network)
        calls = [("reduce", path, "--box", "0", "1", "--bound", bound, "-o", out),
                 ("info", path, "--box", "0", "1")]
        if seed < 2:
            names = ("neurons", "dead", "always on", "zero rows")
            one, two = (columns(answer_of(capsys, *call), *names) for call in calls)
            assert one == two
        keys = ("neurons", "dead", "always_on", "zero_rows")
        reports = [json.loads(answer_of(capsys, *call, "--json")) for call in calls]
        one, counts = ([[layer[key] for key in keys] for layer in report["layers"]]
                       for report in reports)
        assert one == counts
        domain = rn.Box([0.0] * sizes[0], [1.0] * sizes[0])
        stable = rn.stable_neurons(network, domain)
        proved = [[dead.sum(), on.sum()] for dead, on in zip(*stable)]
        assert all((np.array(count[1:3]) >= least).all() for count, least in zip(counts, proved))
        met = rn.reduction_report(network, domain, bound)
        by_intervals = [[layer.dead, layer.always_on] for layer in met]
        differing += by_intervals != [count[1:3] for count in counts]
    assert differing  # the reduction's own intervals alone would not do


@pytest.mark.parametrize("arguments, words", [
    (["reduce", "missing.npz", "--box", "0", "1", "-o", "out.npz"], "missing.npz"),
    (["reduce", "in.npz", "--box", "0", "x", "-o", "out.npz"], "`--box` must be numbers"),
    (["reduce", "in.npz", "--box", "1", "0", "-o", "out.npz"], "LOW of `--box` must be at most HIGH of `--box`"),
    (["reduce", "in.npz", "--box", "0,0", "1,1", "-o", "out.npz"], "`--box` must be of dimension 3"),
    (["reduce", "in.npz", "--box", "0", "1", "-o", "out.txt"], "`--output` must be a .npz file"),
    (["reduce", "in.txt", "--box", "0", "1", "-o", "out.npz"], "in.txt"),
])
def test_bad_calls_end_with_code_2_one_line_and_no_output(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    rn.save("in.npz", rn.Network.random((3, 2, 1), rng=0))
    (tmp_path / "in.txt").write_text("text")
    assert main.main(arguments) == 2
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1 and "Traceback" not in errors
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("arguments", [[], ["demo", "--starts", "0"], ["demo", "--starts", "x"], ["nonsense"]])
def test_unknown_usage_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


def full(**options):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("command", [["demo"], ["compare", "sin4pi"]])
def test_folder_that_cannot_be_written_to_is_refused_before_the_work(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert main.main([*command, "--starts", "1", "--out", str(tmp_path)]) == 2
    assert "`--out` must be a folder to write in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_file_in_the_place_of_the_folder_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main.main(["demo", "--starts", "1", "--out", str(tmp_path / "file")]) == 2
    assert "`--out` must be a folder to write in" in capsys.readouterr().err


def test_figure_is_not_left_half_written(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fail(self, file, **options):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    (tmp_path / "reducednet-demo.png").write_bytes(b"old")
    assert main.main(["demo", "--starts", "1", "--out", str(tmp_path)]) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"reducednet-demo.png": b"old"}


def test_reduction_report_counts_by_hand():
    # w = 2, -1, 0, 3 on [0, 1]: intervals [-1, 0] for w > 0 and [0, 1] for w < 0; ratios b / |w| = -2, 5, -, -0.5
    network = rn.Network([[[2.0], [-1.0], [0.0], [3.0]]], [[-4.0, 5.0, 1.0, -1.5]], [[1.0] * 4], [0.0])
    report, = rn.reduction_report(network, rn.Box(0, 1))
    assert report == (4, (0.0, 3.0), 1.0, 2, 1, 1, 1)


def test_a_neuron_at_both_ends_of_an_interval_without_width_counts_as_dead():
    network = rn.Network([[[1.0], [1.0]], [[0.0, 1.0]]], [[0.0, -5.0], [0.0]], [[1.0]])
    report = rn.reduction_report(network, rn.Box(0, 1))[1]
    assert (report.dead, report.always_on) == (1, 0)


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


def test_counterexample_between_two_floats_is_told_as_the_point_it_is(tmp_path, capsys):
    # a hat of height 1 on three breakpoints b / 3 that are neighbours: no float near its top
    b, scale = 4.0 - 2.0**-51 + 2.0**-51 * np.arange(-1.0, 2.0), 2.0**51
    hat = rn.Network([[[3.0], [3.0], [3.0]]], [-b], [scale * np.array([1.0, -2.0, 1.0])], [0.0])
    rn.save(tmp_path / "hat.npz", hat)
    rn.save(tmp_path / "zero.npz", rn.Network([[[1.0]]], [[0.0]], [[0.0]], [0.0]))
    call = ["verify", str(tmp_path / "hat.npz"), str(tmp_path / "zero.npz"), "--box", "0", "3", "--eps", "0.99"]
    top = Fraction(b[1]) / 3
    assert main.main(call) == 1
    assert capsys.readouterr().out.endswith(f"counterexample: {top}\n")
    assert main.main([*call, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["counterexample"] == [float(top)]
    assert report["counterexample_ratios"] == [[top.numerator, top.denominator]]


def test_verify_command_ends_with_3_when_it_does_not_know(two_files, monkeypatch):
    net, reduced, _ = two_files
    assert main.main(["verify", str(net), str(reduced), "--eps", "1e-18", "--time-limit", "0.001"]) == 3


@pytest.mark.parametrize("extra, words", [
    (["--eps", "-1"], "`--eps` must be"), (["--time-limit", "0"], "`--time-limit` must be"),
    (["--box", "0", "x"], "`--box` must be"), (["--box", "0,0,0", "1,1,1"], "dimension"),
])
def test_bad_calls_of_verify_end_with_2_and_one_line(two_files, capsys, extra, words):
    net, _, other = two_files
    box = [] if "--box" in extra else ["--box", "0", "1"]
    assert main.main(["verify", str(net), str(other), *box, *extra]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err and printed.err.count("\n") == 1


def test_verify_without_a_domain_says_so(two_files, capsys):
    net, _, other = two_files
    assert main.main(["verify", str(net), str(other)]) == 2
    assert "`--box` must be given" in capsys.readouterr().err


# what the commands share


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def answer(capsys, *arguments):
    """Return the JSON object of a call that must succeed."""
    code, out, err = call(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out, parse_constant=refuse)


def as_json(domain):
    """Return a domain as JSON tells it."""
    return {"kind": type(domain).__name__, **{name: array.tolist() for name, array in domain.to_arrays().items()}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file of each kind, and in it."""
    monkeypatch.chdir(tmp_path)
    net, box = rn.Network.random((2, 6, 4, 1), rng=0, output_bias=True), rn.Box([-1, 0], [1, 1])
    rn.save("net.npz", net)
    rn.save("net.nnet", net)
    rn.save("box.npz", rn.reduce(net, box))
    rn.save("box.nnet", rn.reduce(net, box))
    rn.save("ball.npz", rn.reduce(net, rn.Ball([1, 2], 3)))
    rn.save("binary.npz", rn.Network.random((2, 3, 1), rng=0, activation="binary"))
    rn.save("result.npz", rn.train(rn.reduce(net, box), [[0, 0], [1, 1]], [0, 1], n_steps=2, rng=0))
    rn.compare("sin4pi", (1, 4, 1), starts=1, methods=["support"], n_steps=2).save("study.npz")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "noise.nnet").write_bytes(bytes(range(256)))
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "box.vnnlib").write_text(
        "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(assert (>= X_0 -1))"
        "(assert (<= X_0 1))(assert (>= X_1 0))(assert (<= X_1 1))")
    return tmp_path


NETWORK_COMMANDS = {
    "reduce": ["-o", "out.npz"], "verify": ["net.npz"], "info": [], "convert": ["out.npz"],
    "compress": ["-o", "out.npz"],
}
COMMAND_NAMES = ["demo", "compare", "check", *NETWORK_COMMANDS]
UNREADABLE = ["missing.npz", "empty.npz", "noise.nnet", "folder.npz", ".", "box.vnnlib", "net.txt", ""]


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("command", NETWORK_COMMANDS)
def test_unreadable_files_end_with_code_2_one_line_and_no_output(folder, capsys, command, name):
    before = sorted(folder.iterdir())
    code, out, err = call(capsys, command, name, *NETWORK_COMMANDS[command])
    assert (code, out, err.count("\n")) == (2, "", 1) and err.startswith("reducednet: ")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name, kind", [("result.npz", "TrainingResult"), ("study.npz", "Study")])
@pytest.mark.parametrize("command", ["reduce", "verify", "convert", "compress"])
def test_files_of_something_else_than_a_network_are_named(folder, capsys, command, name, kind):
    code, out, err = call(capsys, command, name, *NETWORK_COMMANDS[command])
    assert (code, out) == (2, "") and f"{name} must hold a network, got a {kind}" in err


@pytest.mark.parametrize("name", UNREADABLE[:5] + ["net.npz", "net.nnet", "study.npz", "net.onnx"])
@pytest.mark.parametrize("command", ["reduce", "verify", "info", "compress"])
def test_domain_files_that_declare_none_are_refused_in_one_line(folder, capsys, command, name):
    code, out, err = call(capsys, command, "net.npz", *NETWORK_COMMANDS[command], "--domain", name)
    assert (code, out, err.count("\n")) == (2, "", 1) and name in err


@pytest.mark.parametrize("name, domain", [
    ("box.vnnlib", rn.Box([-1, 0], [1, 1])), ("box.nnet", rn.Box([-1, 0], [1, 1])),
    ("box.npz", rn.Box([-1, 0], [1, 1])), ("ball.npz", rn.Ball([1, 2], 3)),
])
def test_domain_is_that_of_the_file(folder, capsys, name, domain):
    assert call(capsys, "reduce", "net.npz", "--domain", name, "-o", "out.npz")[0] == 0
    assert rn.load("out.npz").domain == domain


@pytest.mark.parametrize("name, text", [
    ("x.csv", "0,1\n2,-3\n"), ("x.csv", "first,second\n0,1\n\n2,-3\n"), ("x.csv", "\ufeff0,1\n2,-3\n"),
    ("x.txt", "0 1\n2 -3\n"), ("x.TXT", "# two samples\n  0  1\n2 -3\n"),
])
def test_domain_of_samples_is_the_box_around_them(folder, capsys, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    assert answer(capsys, "info", "net.npz", "--domain", name)["domain"] == as_json(rn.Box([0, -3], [2, 1]))


def test_domain_of_an_array_is_the_box_around_its_rows_and_of_a_vector_an_interval(folder):
    np.save("x.npy", np.array([[0, 1], [2, -3]]))
    np.save("vector.npy", np.array([3.0, -1.0, 2.0]))
    assert box_around(folder / "x.npy") == rn.Box([0, -3], [2, 1])
    assert box_around(folder / "vector.npy") == rn.Box(-1, 3)


@pytest.mark.parametrize("name, content, words", [
    ("x.csv", b"", "no samples"), ("x.csv", b"a,b\n", "no samples"), ("x.csv", b"0,1\n2,x\n", "'x'"),
    ("x.csv", b"0,x\n2,3\n", "'x'"), ("x.csv", b"0,1\n2\n", "columns"), ("x.csv", b"0,1\n2,nan\n", "finite"),
    ("x.csv", b"1,1\n1,1\n", "one point"), ("x.csv", b"\xff\xfe\x00", "decode"), ("x.csv", b"1\n2\n", "dimension"),
    ("x.npy", b"", "x.npy"), ("x.npy", b"PK\x03\x04", "x.npy"), ("x.md", b"0 1", "`--domain` must be a .nnet or"),
])
def test_samples_that_are_none_are_refused_in_one_line(folder, capsys, name, content, words):
    (folder / name).write_bytes(content)
    code, out, err = call(capsys, "info", "net.npz", "--domain", name)
    assert (code, out, err.count("\n")) == (2, "", 1) and words in err


def test_objects_in_an_array_are_not_unpickled(folder, capsys):
    np.save("x.npy", np.array([[1, None]], dtype=object), allow_pickle=True)
    code, out, err = call(capsys, "info", "net.npz", "--domain", "x.npy")
    assert (code, out) == (2, "") and "allow_pickle=False" in err


@pytest.mark.parametrize("command", ["reduce", "verify", "info", "compress"])
def test_box_and_domain_exclude_each_other(folder, capsys, command):
    arguments = ["--box", "0", "1", "--domain", "box.npz"]
    code, out, err = call(capsys, command, "net.npz", *NETWORK_COMMANDS[command], *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1) and "not allowed with" in err


@pytest.mark.parametrize("command", ["reduce", "verify", "compress"])
@pytest.mark.parametrize("name", ["net.npz", "net.nnet"])
def test_a_missing_domain_is_asked_for_by_the_names_of_the_options(folder, capsys, command, name):
    code, out, err = call(capsys, command, name, *NETWORK_COMMANDS[command])
    assert (code, out) == (2, "") and "`--box` must be given, or `--domain`" in err and name in err
    assert "normalise=False" not in err


@pytest.mark.parametrize("box, words", [
    (["1", "0"], "LOW of `--box` must be at most HIGH of `--box`"),
    (["nan", "1"], "finite"), (["0", "inf"], "finite"),
    (["-inf", "1"], "finite"), (["0", "0"], "one point"), (["0,", "1"], "`--box` must be numbers"),
    (["0,0,0", "1,1,1"], "dimension"),
])
def test_boxes_that_are_none_are_refused(folder, capsys, box, words):
    code, out, err = call(capsys, "info", "net.npz", "--box", *box)
    assert (code, out) == (2, "") and words in err


@pytest.mark.parametrize("arguments, words", [
    (["info", "net.npz", "--box", "1", "-1"], "LOW of `--box` must be at most HIGH of `--box` = -1.0"),
    (["info", "net.npz", "--box", "-1e308", "1e308"], "HIGH of `--box` must be small enough"),
    (["info", "net.npz", "--box", "0,0,0", "1"], "HIGH of `--box` must be of shape (3,), got shape (2,)"),
    (["info", "net.npz", "--box", "0", "0"], "HIGH of `--box` must be larger than LOW of `--box` somewhere"),
    (["verify", "net.npz", "binary.npz", "--box", "0", "1"], "B must be a relu network, as A, got binary"),
    (["verify", "net.npz", "wide.npz", "--box", "0", "1"], "B must be a network of 2 inputs and 1 outputs, as A"),
    (["verify", "net.npz", "net.npz", "--box", "0", "1", "--eps", "nan"], "`--eps` must be finite"),
    (["compress", "net.npz", "--box", "0", "1", "--time-limit", "0", "-o", "o.npz"], "`--time-limit` must be"),
    (["compare", "sinus"], "TARGET must be one of ['sin4pi',"),
    (["compare", "sin4pi", "--methods", "best"], "`--methods` must be one of ['standard',"),
    (["compare", "sin4pi", "--methods", "ball:best"], "the optimiser in `--methods` must be one of ['auto',"),
    (["compare", "sin4pi", "--neurons", "0"], "`--neurons` must be at least 1, got 0"),
])
def test_refusals_are_in_the_terms_of_the_command_line(folder, capsys, arguments, words):
    rn.save("wide.npz", rn.Network.random((2, 3, 2), rng=0))
    code, out, err = call(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1) and err.startswith(f"reducednet: {words}")


def test_domain_of_another_dimension_is_refused(folder, capsys):
    rn.save("other.npz", rn.ReducedNetwork.random((3, 2, 1), rn.Box([0] * 3, [1] * 3), rng=0))
    code, out, err = call(capsys, "info", "net.npz", "--domain", "other.npz")
    assert (code, out) == (2, "") and "`--domain` must be of dimension 2" in err


def test_a_reduced_network_is_reduced_on_its_own_domain(folder, capsys):
    assert call(capsys, "reduce", "ball.npz", "-o", "out.npz")[0] == 0
    assert rn.load("out.npz") == rn.load("ball.npz")


def test_verify_prefers_the_domain_of_a_reduced_network(folder, capsys):
    rn.save("far.nnet", rn.ReducedNetwork.random((2, 3, 1), rn.Box([5, 5], [6, 6]), rng=0))
    for other, domain in (("box.npz", rn.Box([-1, 0], [1, 1])), ("net.npz", rn.Box([5, 5], [6, 6]))):
        printed = call(capsys, "verify", "far.nnet", other, "--json")[1]
        assert json.loads(printed)["domain"] == as_json(domain)


@pytest.mark.parametrize("output, words", [
    ("folder.npz", "got the folder"), ("nowhere/out.npz", "folder that exists"), ("out.txt", "must be a .npz"),
    ("", "must be a .npz"),
])
@pytest.mark.parametrize("command", ["reduce", "convert", "compress"])
def test_output_that_cannot_be_written_is_refused_before_the_work(
        folder, capsys, monkeypatch, command, output, words):
    monkeypatch.setattr("reducednet.load", lambda *arguments: pytest.fail("read"))
    to = [output] if command == "convert" else ["-o", output]
    code, out, err = call(capsys, command, "box.npz", *to)
    assert (code, out, err.count("\n")) == (2, "", 1) and words in err


def test_output_folder_without_leave_to_write_is_refused_before_the_work(folder, capsys, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr("reducednet.load", lambda *arguments: pytest.fail("read"))
    code, out, err = call(capsys, "reduce", "box.npz", "-o", "out.npz")
    assert (code, out) == (2, "") and "folder to write in" in err


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no folder that leave is given for, but no room")
def test_output_folder_that_takes_no_files_is_refused_before_the_work(folder, capsys, monkeypatch):
    monkeypatch.setattr("reducednet.load", lambda *arguments: pytest.fail("read"))
    code, out, err = call(capsys, "reduce", "box.npz", "-o", "/proc/out.npz")
    assert (code, out, err.count("\n")) == (2, "", 1) and "got /proc/out.npz" in err


@pytest.mark.skipif(os.name == "nt", reason="links need leave there")
@pytest.mark.parametrize("command", [["convert"], ["reduce", "-o"], ["compress", "-o"]])
def test_output_may_be_a_circle_of_links(folder, capsys, command):
    (folder / "out.npz").symlink_to("out.npz")
    name, *option = command
    assert call(capsys, name, "box.npz", *option, "out.npz")[0] == 0
    assert rn.load("out.npz").sizes[0] == 2


def test_input_may_be_the_output(folder, capsys):
    net = rn.load("net.npz")
    assert call(capsys, "reduce", "net.npz", "--domain", "ball.npz", "-o", "net.npz")[0] == 0
    assert rn.load("net.npz") == rn.reduce(net, rn.Ball([1, 2], 3))
    before = (folder / "net.nnet").read_bytes()
    assert call(capsys, "convert", "net.nnet", "net.nnet")[0] == 0
    assert (folder / "net.nnet").read_bytes() == before


def test_conversion_onto_its_input_is_refused_where_it_loses_something(folder, capsys):
    scaled_nnet(folder / "scaled.nnet")
    before = (folder / "scaled.nnet").read_bytes()
    code, out, err = call(capsys, "convert", "scaled.nnet", "./scaled.nnet")
    assert (code, out) == (2, "") and "would not keep means and ranges" in err
    assert (folder / "scaled.nnet").read_bytes() == before


def test_conversion_onto_its_input_keeps_its_box(folder, capsys):
    network, box = rn.load("box.nnet"), rn.load_box("box.nnet")
    assert answer(capsys, "convert", "box.nnet", "./box.nnet")["not_carried_over"] == []
    assert rn.load("box.nnet") == network and rn.load_box("box.nnet") == box


def test_json_has_null_in_the_place_of_infinity(folder, capsys):
    code, out, err = call(capsys, "verify", "net.npz", "ball.npz", "--eps", "0", "--time-limit", "1e-3", "--json")
    assert code in (1, 3) and None in json.loads(out, parse_constant=refuse).values()


def test_interrupted_command_ends_with_130(folder, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("reducednet.load", interrupt)
    assert call(capsys, "info", "net.npz") == (130, "", "\nreducednet: interrupted\n")


@pytest.fixture
def no_prover(monkeypatch):
    """Ctrl-C comes as soon as a prover begins."""
    def interrupt(findings):
        raise KeyboardInterrupt

    for name in provers.PROVERS:
        monkeypatch.setitem(provers.PROVERS, name, interrupt)


def test_interrupted_verify_tells_what_it_knows_and_ends_with_130(folder, capsys, no_prover):
    arguments = ["verify", "net.npz", "box.npz"]
    code, out, err = call(capsys, *arguments)
    assert (code, err) == (130, "\nreducednet: interrupted\n") and out.startswith("unknown: ")
    assert json.loads(call(capsys, *arguments, "--json")[1])["interrupted"] is True


@pytest.mark.parametrize("activation", ["relu", "binary"])
def test_interrupted_compress_writes_nothing(folder, capsys, no_prover, activation):
    rn.save("small.npz", rn.Network([[[1.0], [1.0]]], [[-0.5, -9.0]], [[1.0, 1.0]], activation=activation))
    before = sorted(folder.iterdir())
    arguments = ["compress", "small.npz", "--box", "0", "1", "-o", "out.npz"]
    assert call(capsys, *arguments) == (130, "", "\nreducednet: interrupted\n")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", NETWORK_COMMANDS)
def test_domains_at_the_end_of_float64_give_no_warnings(folder, capsys, command):
    net = rn.Network([[[1.0, 0.0], [1.0, 1.0]]], [[0.0, 1.5e308]], [[1e-308, 1.0]])
    for name, network in (("huge.npz", net), ("big.npz", net.with_vector(net.to_vector() * 0.5))):
        rn.save(name, network)
        box = [] if command == "convert" else ["--box", "-1e308,-1", "1e308,1"]
        code, out, err = call(capsys, command, name, *NETWORK_COMMANDS[command], *box)
        assert (code, out, err.count("\n")) == (2, "", 1) if code == 2 else (code in (0, 1, 3) and err == "")


def test_names_that_a_terminal_cannot_show_are_escaped(folder):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = run("convert", "net.npz", "n\u00e9t.npz", env=environment)
    assert (result.returncode, result.stderr) == (0, "") and "n\\xe9t.npz" in result.stdout


@pytest.mark.parametrize("arguments", [
    ["convert", "bad.nnet", "out.npz", "--physical"], ["info", "thin.npz", "--domain", "bad.nnet"],
])
def test_errors_give_no_advice_for_python(folder, capsys, arguments):
    scaled_nnet(folder / "bad.nnet", scale=-2.0)
    rn.save("thin.npz", rn.Network.random((1, 3, 1), rng=0))
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "") and "line 8: the ranges must be" in err and "normalise" not in err


@pytest.mark.parametrize("error, line", [
    (MemoryError(), "MemoryError"), (MemoryError("Unable to allocate\n75 GiB"), "Unable to allocate 75 GiB"),
])
def test_too_little_memory_is_one_line(folder, capsys, monkeypatch, error, line):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("reducednet.load", fail)
    assert call(capsys, "info", "net.npz") == (2, "", f"reducednet: {line}\n")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_names_of_files_that_are_no_text_are_escaped(folder, capsys):
    code, out, _ = call(capsys, "convert", "net.npz", os.fsdecode(b"\xff.npz"))
    assert code == 0 and "written: \\udcff.npz" in out


@pytest.mark.skipif(os.name == "nt", reason="pipes are different there")
@pytest.mark.parametrize("arguments, code", [
    (["info", "net.npz"], 0), (["verify", "net.npz", "other.npz", "--box", "0", "1"], 1),
])
def test_a_reader_who_goes_away_changes_no_exit_code(folder, arguments, code):
    rn.save("other.npz", rn.Network.random((2, 3, 1), rng=1))
    command = [sys.executable, "-m", "reducednet", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == ("", code)
    process.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_answer_that_cannot_be_printed_is_an_error_in_one_line(folder):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "reducednet", "info", "net.npz"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 74
    assert result.stderr.startswith("reducednet: ") and result.stderr.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
@pytest.mark.parametrize("arguments", [
    ["reduce", "box.npz", "-o", "out.npz"], ["convert", "net.npz", "out.npz"], ["convert", "net.npz", "out.nnet"],
    ["compress", "box.npz", "-o", "out.npz"],
])
def test_full_disk_ends_with_74_and_the_name_of_the_file(folder, capsys, arguments):
    (folder / arguments[-1]).symlink_to("/dev/full")
    code, out, err = call(capsys, *arguments)
    assert (code, out, err) == (74, "", f"reducednet: {arguments[-1]}: {os.strerror(errno.ENOSPC)}\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
@pytest.mark.parametrize("arguments, name", [
    (["demo"], "reducednet-demo.png"),
    (["compare", "sin4pi", "--methods", "support", "--steps", "1"], "study.npz"),
    (["compare", "sin4pi", "--methods", "support", "--steps", "1"], "study.png"),
])
def test_full_disk_is_told_with_the_name_of_the_study_or_figure(tmp_path, capsys, monkeypatch, arguments, name):
    monkeypatch.setattr("reducednet.experiments.demo.N_STEPS", 1)
    (tmp_path / name).symlink_to("/dev/full")
    code, out, err = call(capsys, *arguments, "--starts", "1", "--out", tmp_path)
    assert (code, out, err) == (74, "", f"reducednet: {tmp_path / name}: {os.strerror(errno.ENOSPC)}\n")


# exit codes


@pytest.mark.parametrize("command", NETWORK_COMMANDS)
def test_an_answer_without_standard_output_ends_with_74(folder, capsys, monkeypatch, command):
    monkeypatch.setattr(sys, "stdout", None)
    code, _, err = call(capsys, command, "box.npz", *NETWORK_COMMANDS[command])
    assert (code, err.count("\n")) == (74, 1) and "standard output is closed" in err


@pytest.mark.skipif(os.name == "nt", reason="descriptors are inherited differently there")
@pytest.mark.parametrize("closed, code", [([1], 74), ([1, 2], 74), ([0, 2], 0)])
def test_closed_descriptors_do_not_refute(folder, closed, code):
    result = run("verify", "net.npz", "net.npz", "--box", "0", "1", preexec_fn=lambda: list(map(os.close, closed)))
    assert result.returncode == code
    assert result.stderr.count("\n") == (2 not in closed and code != 0)
    assert result.stdout.startswith("equivalent") is (1 not in closed)


PROGRAM = """
import runpy, sys
{before}
sys.argv = ["reducednet", "verify", "net.npz", "other.npz", "--box", "0", "1", "--json"]
runpy.run_module("reducednet", run_name="__main__")
"""


def program(before):
    """Run `python -m reducednet verify` after some other code in its process."""
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


BROKEN_NUMPY = """
import signal
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "numpy":
            {fail}
sys.meta_path.insert(0, Finder)
"""


SWALLOWED = """try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("as libraries in C do") from None"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent differently there")
@pytest.mark.parametrize("fail", ["raise KeyboardInterrupt", "signal.raise_signal(signal.SIGINT)", SWALLOWED])
def test_interrupt_while_modules_are_imported_ends_with_one_line_and_130(folder, fail):
    result = program(BROKEN_NUMPY.format(fail=fail))
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "\nreducednet: interrupted\n")


def test_broken_installation_ends_with_70(folder):
    result = program(BROKEN_NUMPY.format(fail="raise ImportError('no such library')"))
    assert (result.returncode, result.stdout) == (70, "") and "ImportError: no such library\n" in result.stderr


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, IndexError, ZeroDivisionError])
def test_an_error_that_nobody_foresaw_ends_with_70_and_its_traceback(capsys, monkeypatch, error):
    def fail():
        raise error("never to happen")

    monkeypatch.setattr(main, "program", fail)
    assert import_module("reducednet.__main__").main() == answers.UNFORESEEN == 70
    *traceback, last = capsys.readouterr().err.splitlines()
    assert traceback[-1] == f"{error.__name__}: never to happen" and "report" in last


def test_lines_of_a_solver_go_to_standard_error(folder):
    rn.save("other.npz", rn.Network.random((2, 6, 4, 1), rng=1))
    result = program("import os\nimport reducednet as rn\nverify = rn.verify\n"
                     "rn.verify = lambda *rest, **options: os.write(1, b'solved') and verify(*rest, **options)")
    assert (result.returncode, result.stderr) == (1, "solved")
    assert json.loads(result.stdout)["status"] == "not_equivalent"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMAND_NAMES)])
def test_help_says_all_exit_codes(capsys, command):
    code, out, _ = call(capsys, *command, "--help")
    words = " ".join(out.split())
    assert code == 0 and words.endswith(" ".join(answers.EXIT_CODES.split()))
    assert all(f" {code} " in answers.EXIT_CODES for code in (0, 1, 2, 3, 70, 74, 130))


# info


@pytest.mark.parametrize("name", ["net.npz", "box.npz", "ball.npz", "box.nnet", "binary.npz"])
def test_info_counts_what_the_summary_counts(folder, capsys, name):
    report, network = answer(capsys, "info", name), rn.load(name)
    domain = network.domain if name in ("box.npz", "ball.npz") else None
    domain = rn.Box([-1, 0], [1, 1]) if name == "box.nnet" else domain
    found = json.loads(json.dumps(summarise(network, domain)))
    assert {key: report[key] for key in found} == found
    assert report["domain"] == (None if domain is None else as_json(domain))
    assert (report["kind"], tuple(report["sizes"])) == (type(network).__name__, network.sizes)


def test_reports_have_the_numbers_of_domains_and_sizes(folder, capsys):
    hull = rn.Hull([[0, 0], [1 / 3, 0], [0, 1e-9]])
    rn.save("hull.npz", rn.reduce(rn.load("net.npz"), hull))
    net = {"kind": "Network", "sizes": [2, 6, 4, 1], "activation": "relu", "output_bias": True, "parameters": 51}
    report = answer(capsys, "reduce", "net.npz", "--domain", "hull.npz", "-o", "out.npz")
    assert report["network"] == net
    assert report["reduced"] == {**net, "kind": "ReducedNetwork", "bound": "support", "domain": as_json(hull)}
    assert answer(capsys, "verify", "net.npz", "hull.npz")["domain"] == as_json(hull)
    assert answer(capsys, "convert", "net.npz", "out.npz")["network"] == net


@pytest.mark.parametrize("name", ["box.npz", "ball.npz", "twice.npz", "steps.npz"])
def test_info_says_what_compress_saves(folder, capsys, name):
    box = rn.Box([0, 0], [1, 1])
    twice = rn.Network([[[1, 1], [2, 2], [1, 0]]], [[-0.5, -1, 3]], [[1, 1, 1]])  # merged, always on
    rn.save("twice.npz", rn.reduce(twice, box))
    rn.save("steps.npz", rn.reduce(rn.Network.random((2, 9, 1), rng=0, activation="binary"), box))
    told = answer(capsys, "info", name)["parameters"]
    assert [told["now"], told["compressed"]] == answer(capsys, "compress", name, "-o", "out.npz")["parameters"]
    saved = told["now"] - told["compressed"]
    assert f"as `compress` writes it: {told['compressed']} ({saved} saved)" in call(capsys, "info", name)[1]
    assert saved > 0 or name != "twice.npz"


def test_info_prints_a_row_a_hidden_layer_under_its_heads(folder, capsys):
    lines = call(capsys, "info", "ball.npz")[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("layer"))
    table = lines[start:lines.index("", start)][:3]
    assert [line.split()[:2] for line in table] == [["layer", "neurons"], ["1", "6"], ["2", "4"]]
    assert len({len(line) for line in table}) == 1


def test_info_without_a_domain_says_why_and_how_to_give_one(folder, capsys):
    code, out, err = call(capsys, "info", "net.nnet")
    assert (code, err) == (0, "") and "the file declares no box" in out and "--box or --domain" in out


def test_info_tells_of_a_training_result_and_its_network(folder, capsys):
    report, result = answer(capsys, "info", "result.npz"), rn.load("result.npz")
    assert report["kind"] == "TrainingResult" and report["training"]["steps"] == result.steps
    assert report["training"]["best_loss"] == result.history["loss"].min()
    assert report["domain"] == as_json(rn.Box([-1, 0], [1, 1])) and len(report["layers"]) == 2
    assert call(capsys, "info", "result.npz")[1].startswith("TrainingResult: loss ")


def test_info_tells_of_a_study(folder, capsys):
    report, study = answer(capsys, "info", "study.npz"), rn.Study.load("study.npz")
    assert report["kind"] == "Study" and report["table"][0]["median"] == study.table()[0]["median"]
    assert "support" in call(capsys, "info", "study.npz")[1]


@pytest.mark.parametrize("option", [["--box", "0", "1"], ["--domain", "box.npz"]])
def test_info_of_a_study_takes_no_domain(folder, capsys, option):
    code, out, err = call(capsys, "info", "study.npz", *option)
    assert (code, out) == (2, "") and "are for networks, got the Study study.npz" in err


# convert


@pytest.mark.parametrize("into", ["out.npz", "out.nnet", "out.onnx"])
@pytest.mark.parametrize("name", ["net.npz", "ball.npz", "box.nnet"])
def test_converted_network_has_the_same_numbers(folder, capsys, name, into):
    if into.endswith("onnx"):
        pytest.importorskip("onnx")
    assert answer(capsys, "convert", name, into)["same_numbers_read_back"] is True
    before, after = rn.load(name), rn.load(into)
    assert before.sizes == after.sizes and np.array_equal(before.to_vector(), after.to_vector())
    if name.endswith("npz") and into.endswith("npz"):
        assert before == after


def scaled_nnet(path, scale=2.0):
    """Write a .nnet file with means and ranges: (x - 1) / scale, outputs times 4 plus 3."""
    header = f"//\n2,1,1,1,\n1,1,1,\n0,\n-1.0,\n5.0,\n1.0,3.0,\n{scale},4.0,\n"
    path.write_text(f"{header}1.0,\n0.5,\n2.0,\n0.25,\n")


def test_physical_conversion_is_the_network_in_physical_units(folder, capsys):
    scaled_nnet(folder / "scaled.nnet")
    report = answer(capsys, "convert", "scaled.nnet", "out.npz", "--physical")
    assert rn.load("out.npz") == rn.load("scaled.nnet", physical=True) != rn.load("scaled.nnet")
    assert report["not_carried_over"] == ["the box of inputs, Box([-1], [5]), and the clipping to it"]


def test_conversion_says_that_units_are_normalised(folder, capsys):
    scaled_nnet(folder / "scaled.nnet")
    units, box = answer(capsys, "convert", "scaled.nnet", "out.npz")["not_carried_over"]
    assert "normalised units" in units and "Box([-1], [2])" in box


@pytest.mark.parametrize("options, box", [([], rn.Box(-1, 2)), (["--physical"], rn.Box(-1, 5))])
def test_conversion_to_the_same_format_keeps_the_declared_box(folder, capsys, options, box):
    scaled_nnet(folder / "scaled.nnet")
    said = answer(capsys, "convert", "scaled.nnet", "out.nnet", *options)["not_carried_over"]
    assert rn.load_box("out.nnet") == box
    assert not [text for text in said if "box" in text]


@pytest.mark.parametrize("name, into, dropped", [
    ("net.npz", "out.npz", []), ("ball.npz", "out.npz", []), ("net.nnet", "out.npz", []),
    ("ball.npz", "out.nnet", ["the domain", "reduced"]), ("box.npz", "out.nnet", ["reduced"]),
    ("paper.npz", "out.nnet", ["no output bias"]),
])
def test_conversion_says_what_is_not_carried_over(folder, capsys, name, into, dropped):
    rn.save("paper.npz", rn.Network.random((2, 3, 1), rng=0))
    said = answer(capsys, "convert", name, into)["not_carried_over"]
    assert len(said) == len(dropped) and all(word in text for word, text in zip(dropped, said))
    printed = call(capsys, "convert", name, into)[1]
    assert printed.count("not carried over: ") == len(dropped)


def test_conversion_that_the_format_cannot_hold_leaves_the_old_file(folder, capsys):
    before = (folder / "net.nnet").read_bytes(), sorted(folder.iterdir())
    code, out, err = call(capsys, "convert", "binary.npz", "net.nnet")
    assert (code, out) == (2, "") and "ReLU network" in err
    assert ((folder / "net.nnet").read_bytes(), sorted(folder.iterdir())) == before


@pytest.mark.parametrize("sizes", [(2, 6, 4, 1), (2, 3, 1)])
def test_file_that_does_not_give_the_network_back_is_not_kept(folder, capsys, monkeypatch, sizes):
    before = sorted(folder.iterdir())
    wrong = rn.Network.random(sizes, rng=1, output_bias=True)
    monkeypatch.setitem(save_load.READERS, ".nnet", lambda name: wrong)
    code, out, err = call(capsys, "convert", "net.npz", "out.nnet")
    assert (code, out) == (2, "") and "nothing was written" in err
    assert sorted(folder.iterdir()) == before


def test_physical_is_for_nnet_files(folder, capsys):
    code, out, err = call(capsys, "convert", "net.npz", "out.onnx", "--physical")
    assert (code, out) == (2, "") and "no normalisation" in err


# compress


def test_compress_writes_what_the_library_makes_of_the_network(folder, capsys):
    report = answer(capsys, "compress", "box.npz", "-o", "out.npz")
    net = rn.load("box.npz")
    small, found = rn.compress(net, net.domain)
    assert rn.load("out.npz") == small and report["bound"] == found.bound
    assert report["parameters"] == [net.n_parameters, small.n_parameters]
    assert [row["dead"] for row in report["layers"]] == [len(dead) for dead in found.dead]


@pytest.mark.parametrize("options", [[], ["--box", "-1,0", "0,1"], ["--domain", "box.vnnlib"]])
@pytest.mark.parametrize("name", ["box.nnet", "box.npz"])
def test_compressed_nnet_file_declares_the_box_of_its_proof(folder, capsys, name, options):
    report = answer(capsys, "compress", name, *options, "-o", "out.nnet")
    assert as_json(rn.load_box("out.nnet")) == report["domain"]
    assert report["not_carried_over"] == []


@pytest.mark.parametrize(
    "name, into", [("ball.npz", "out.nnet"), ("box.nnet", "out.npz"), ("box.nnet", "out.onnx")])
def test_compress_says_that_the_file_does_not_declare_the_domain(folder, capsys, name, into):
    if into.endswith("onnx"):
        pytest.importorskip("onnx")
    dropped, = answer(capsys, "compress", name, "-o", into)["not_carried_over"]
    assert dropped.startswith("the domain of the proof")
    if into == "out.nnet":
        with pytest.raises(ValueError, match="declares no box"):
            rn.load_box(into)


def test_compressed_network_respects_its_bound(folder, capsys):
    options = ["--box", "0", "1", "--tolerance", "0.1", "-o", "out.nnet"]
    bound = answer(capsys, "compress", "net.npz", *options)["bound"]
    net, small, box = rn.load("net.npz"), rn.load("out.nnet"), rn.Box([0, 0], [1, 1])
    X = box.sample(1000, rng=0)
    rounding = rn.evaluation_bound(net, box) + rn.evaluation_bound(small, box)
    assert (np.abs(net(X) - small(X)) <= bound + rounding).all()


def test_compress_prints_a_row_a_layer_and_the_bound(folder, capsys):
    out = call(capsys, "compress", "ball.npz", "-o", "out.npz")[1]
    assert "\n1            6 " in out and "\n2            4 " in out and "largest difference <= " in out


@pytest.mark.parametrize("tolerance", ["nan", "-1", "inf"])
def test_compress_refuses_a_tolerance_that_is_none(folder, capsys, tolerance):
    code, out, err = call(capsys, "compress", "box.npz", "-o", "out.npz", f"--tolerance={tolerance}")
    assert (code, out) == (2, "") and "`--tolerance` must be" in err and not os.path.exists("out.npz")


@pytest.mark.parametrize("bounds, neurons", [("linear", 4), ("lp", 4), ("milp", 3)])
def test_compress_branches_where_it_is_asked_to(folder, capsys, bounds, neurons):
    """relu(x + y) + relu(x - y) <= 2 on the square, and 3 where the relaxation is."""
    rows = [[1.0, 1.0], [1.0, -1.0]]
    rn.save("ridge.npz", rn.Network([rows, rows], [[0.0, 0.0], [-2.5, 0.0]], [[1.0, 1.0]]))
    options = ("--box", "-1", "1", "-o", "out.npz", "--bounds", bounds, "--time-limit", "20")
    assert answer(capsys, "compress", "ridge.npz", *options)["neurons"] == [4, neurons]


def test_compress_refuses_other_bounds(folder, capsys):
    code, out, err = call(capsys, "compress", "box.npz", "-o", "out.npz", "--bounds", "exact")
    assert code == 2 and "'exact'" in err and not (folder / "out.npz").exists()


def test_compress_writes_nothing_where_the_proof_does_not_hold(folder, capsys, monkeypatch):
    net = rn.load("box.npz")
    small, found = rn.compress(net, net.domain)
    other = rn.Network(small.weights, small.thresholds, 2.0 * small.output_weights, small.output_bias)
    monkeypatch.setattr("reducednet.compress", lambda *arguments: (other, found))
    code, out, err = call(capsys, "compress", "box.npz", "-o", "out.npz")
    assert (code, out) == (2, "") and "the proof does not hold" in err and not os.path.exists("out.npz")


def test_format_that_cannot_hold_the_network_is_refused_before_the_work(folder, capsys, monkeypatch):
    monkeypatch.setattr("reducednet.cli.compress._proved", lambda *arguments: pytest.fail("compressed"))
    code, out, err = call(capsys, "compress", "binary.npz", "--box", "0", "1", "-o", "out.nnet")
    assert (code, out) == (2, "") and "ReLU network" in err and not os.path.exists("out.nnet")
