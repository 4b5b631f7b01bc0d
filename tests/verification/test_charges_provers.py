"""The margin of binary proofs: no less than the largest mismatch over the norm of its row."""

from fractions import Fraction as Q
from types import SimpleNamespace

import numpy as np

import reducednet as rn
from reducednet.verification.provers import _margin


def margin_of(row, mismatch):
    net = rn.Network([[row]], [[0.0]], [[1.0]], activation="binary")
    known = SimpleNamespace(
        mismatch=np.array([[mismatch]]), low=np.array([[-1.0]]), high=np.array([[1.0]])
    )
    return _margin(SimpleNamespace(f=net, g=net), SimpleNamespace(layers=[[known, known]]))


def test_margin_is_no_less_than_drift_over_norm():
    rng = np.random.default_rng(0)
    for row, mismatch in zip(rng.standard_normal((100, 3)), rng.random(100)):
        assert Q(float(margin_of(row, mismatch))) ** 2 * sum(Q(v) ** 2 for v in row) >= Q(mismatch) ** 2
    assert margin_of(np.zeros(3), 0.5) == np.inf and margin_of(np.zeros(3), 0.0) == 0.0
