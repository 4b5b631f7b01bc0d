"""Integers that index have NumPy's own type for it, also where that has 32 bits; files have 64."""
import numpy as np
import pytest

import reducednet as rn
from reducednet.files.archives import read_archive, read_array
from reducednet.verification.certificates import certificate as certificate_module
from reducednet.verification.verify import verify

BOX = rn.Box([-1, -1], [1, 1])


def network(seed, sizes=(2, 6, 5, 1)):
    return rn.rescale(rn.Network.random(sizes, seed, output_bias=True))


def moved(f):
    return f.with_vector(f.to_vector() + 1e-3 * np.random.default_rng(1).standard_normal(f.n_parameters))


def question(name):
    """Return a certificate of this kind, and what it is of."""
    f = network(0)
    g, domain, options = moved(f), BOX, {"eps": 1.0, "method": "differences"}
    if name == "tree":
        gap = verify(f, g, BOX, eps=0.0, method="search").gap
        options = {"eps": 1.25 * gap, "method": "branching"}
    if name == "exact":
        f = network(0, (2, 5, 3, 1)).with_vector(np.round(4.0 * network(0, (2, 5, 3, 1)).to_vector()) / 4.0)
        g, options = f, {"eps": 0.0, "method": "structure"}
    return verify(f, g, domain, **options).certificate, f, g, domain


@pytest.mark.parametrize("name", ["pieces", "tree", "exact"])
def test_certificates_are_checked_with_indices_of_32_bits(monkeypatch, name):
    certificate, f, g, domain = question(name)
    given = []
    for_indices = certificate_module._for_indices

    def noted(array):
        given.append(for_indices(array))
        return given[-1]

    monkeypatch.setattr(certificate_module, "INDEX", np.int32)
    monkeypatch.setattr(certificate_module, "_for_indices", noted)
    assert certificate.check(f, g, domain)
    types = {array.dtype for array in given if array.dtype.kind == "i"}
    assert types == {np.dtype(np.int32)} and len(given) == len(certificate.arrays)


def test_an_integer_too_large_for_an_index_proves_nothing(monkeypatch):
    """2^32 + 1 is not taken for 1."""
    monkeypatch.setattr(certificate_module, "INDEX", np.int32)
    with pytest.raises(ValueError, match="too large for an index"):
        certificate_module._for_indices(np.array([0, 2**32 + 1]))


@pytest.mark.parametrize("bits", [np.int32, np.int64])
def test_files_hold_integers_of_64_bits_whatever_the_machine_has(tmp_path, bits):
    f = network(0)
    X = BOX.sample(20, rng=0)
    result = rn.train(f, X, f(X), "sgd", n_steps=3, batch_size=7, rng=0)
    result.state["permutation"] = result.state["permutation"].astype(bits)
    rn.save(tmp_path / "result.npz", result)
    _, members = read_archive(str(tmp_path / "result.npz"), "reducednet network", 1)
    stored = read_array(members["state_permutation"], "state_permutation", "<i8")
    assert stored.tolist() == result.state["permutation"].tolist()
    assert rn.load(tmp_path / "result.npz").state["permutation"].dtype == np.intp
