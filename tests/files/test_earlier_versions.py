"""Files that version 0.1 wrote load as they are: what was saved is never lost by a new version."""
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn
from reducednet.experiments.study import Study

DATA = Path(__file__).resolve().parents[1] / "data"


def arrays_of(name):
    """Return the arrays of a .npz file as NumPy reads them, without the library."""
    with np.load(DATA / name) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.mark.parametrize("name", ["network-0.1.npz", "reduced-0.1.npz", "binary-0.1.npz"])
def test_networks_of_version_0_1_have_the_parameters_in_the_file(name):
    network, stored = rn.load(DATA / name), arrays_of(name)
    for layer, (W, b) in enumerate(zip(network.weights, network.thresholds)):
        np.testing.assert_array_equal(W, stored[f"W{layer}"])
        np.testing.assert_array_equal(b, stored[f"b{layer}"])
    np.testing.assert_array_equal(network.output_weights, stored["C"])
    assert (network.output_bias is not None) == ("a" in stored)


def test_a_text_file_of_version_0_1_holds_the_same_network_as_the_binary_one():
    assert rn.load(DATA / "network-0.1.nnet") == rn.load(DATA / "network-0.1.npz")


def test_a_reduced_network_of_version_0_1_is_feasible_and_the_same_function():
    network, reduced = rn.load(DATA / "network-0.1.npz"), rn.load(DATA / "reduced-0.1.npz")
    assert reduced.feasibility().ok
    assert rn.verify(network, reduced, reduced.domain).status == "equivalent"


@pytest.mark.parametrize("method, n_steps", [("adam", 5), ("lbfgs", 3), ("varpro", 2)])
def test_training_goes_on_from_a_result_of_version_0_1(method, n_steps):
    result = rn.load(DATA / f"result-{method}-0.1.npz")
    assert result.state == {}  # from the best network: states of that version are not read
    assert result.history["step"][-1] <= n_steps
    X = np.linspace(0, 1, 12)[:, np.newaxis]
    longer = rn.train(result, X, np.sin(4 * X), method, n_steps=2)
    assert longer.history["loss"].min() <= result.history["loss"].min()


def test_a_study_of_version_0_1_has_its_runs():
    study = Study.load(DATA / "study-0.1.npz")
    assert [row["runs"] for row in study.table()] == [2, 2]
