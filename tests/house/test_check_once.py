"""Public functions check their arguments once, then call private ones that never check again."""
import sys
from collections import Counter

import pytest

import reducednet as rn

BOX = rn.Box([0, 0], [1, 1])
NETWORK = rn.Network.random((2, 6, 5, 1), rng=0, output_bias=True)
SHALLOW = rn.Network.random((2, 6, 1), rng=0, output_bias=True)
REDUCED = rn.reduce(NETWORK, BOX)
X = BOX.sample(30, 0)
CHECKS = ("check_network", "check_domain")

CALLS = {
    "reduce": lambda: rn.reduce(NETWORK, BOX),
    "reduce_paper": lambda: rn.reduce_paper(SHALLOW, BOX),
    "reduction_report": lambda: rn.reduction_report(NETWORK, BOX),
    "evaluation_bound": lambda: rn.evaluation_bound(NETWORK, BOX),
    "reduction_bound": lambda: rn.reduction_bound(NETWORK, REDUCED),
    "decided": lambda: rn.decided(NETWORK, BOX, X),
    "canonical_form": lambda: rn.canonical_form(SHALLOW, BOX),
    "minimal_form": lambda: rn.minimal_form(SHALLOW, BOX),
    "stable_neurons": lambda: rn.stable_neurons(NETWORK, BOX),
    "loss_and_gradient": lambda: rn.loss_and_gradient(REDUCED, X, X[:, 0]),
    "train": lambda: rn.train(REDUCED, X, X[:, 0], "adam", n_steps=2),
    "verify": lambda: rn.verify(NETWORK, REDUCED, BOX),
    "compress": lambda: rn.compress(NETWORK, BOX),
}


def checks_in(call):
    """Return how often each check looked at each network, for all networks that live on."""
    counts, alive = Counter(), []

    def note(frame, event, argument):
        code = frame.f_code
        if event == "call" and code.co_name in CHECKS and code.co_filename.endswith("network.py"):
            network = frame.f_locals[code.co_varnames[0]]
            alive.append(network)  # so that no other object has its id
            counts[code.co_name, id(network)] += 1

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return counts


@pytest.mark.parametrize("name", CALLS)
def test_no_argument_is_checked_twice(name):
    counts = checks_in(CALLS[name])
    assert counts and set(counts.values()) == {1}, counts


def test_a_second_check_is_seen():
    counts = checks_in(lambda: (rn.evaluation_bound(NETWORK, BOX), rn.evaluation_bound(NETWORK, BOX)))
    assert set(counts.values()) == {2}
