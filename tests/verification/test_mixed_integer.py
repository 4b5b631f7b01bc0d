"""Mixed-integer programmes propose and refute; they never prove."""
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import reducednet as rn
from oracles.exact_judge import complaints
from oracles.exact_suprema import exact_difference, supremum
from oracles.exact_truth import pairs
from reducednet.numerics.rounding import gamma
from reducednet.verification import mixed_integer
from reducednet.verification.difference_bounds.affine_forms import region_of
from reducednet.verification.difference_bounds.difference import difference
from reducednet.verification.difference_bounds.neuron_matching import no_match, same_indices
from reducednet.verification.verify import verify

DOMAINS = [
    rn.Box([-1.0, 0.0], [1.0, 2.0]), rn.Hull([[0.0, 0.0], [1.0, 0.5], [0.3, 1.0]]), rn.Box([0.0, 1.0], [1.0, 1.0]),
]
SOLVER = 1e-5
"""The relative error of the solver: its own tolerances are 1e-6 for rows and integers."""
ROUNDED = gamma(1000)
"""The rounding error of the few products and sums in a row of these small programs."""


def networks(seed, sizes=(2, 5, 3, 2)):
    return tuple(rn.Network.random(sizes, rng=seed + k, scheme="he", output_bias=True) for k in range(2))


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_solver_finds_the_supremum_and_does_not_say_equivalent(domain, seed):
    f, g = networks(seed)
    truth = supremum(f, g, domain).value
    verdict = verify(f, g, domain, eps=1.0001 * float(truth), method="milp")
    assert complaints(f, g, domain, verdict) == []
    assert verdict.status == "unknown"
    assert not verdict.rigorous
    assert abs(verdict.solver_bound - float(truth)) <= SOLVER * float(truth)
    assert verdict.bound >= 1.0001 * float(truth)  # nobody proved it
    assert verdict.gap >= (1.0 - SOLVER) * float(truth)
    assert "(a solver says" in repr(verdict)


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
def test_solvers_points_refute_in_rationals(domain):
    f, g = networks(10)
    eps = 0.9 * float(supremum(f, g, domain).value)
    verdict = verify(f, g, domain, eps=eps, method="milp")
    assert verdict.status == "not_equivalent"
    assert exact_difference(f, g, verdict.counterexample) >= Fraction(verdict.gap) > Fraction(eps)


def test_ball_is_searched_by_its_box_and_points_of_the_box_outside_do_not_refute():
    f, g = (rn.Network([[[1.0, 1.0]]], [[3.0]], [[c]]) for c in (1.0, 2.0))
    ball = rn.Ball([0.0, 0.0], 1.0)  # sup 3 + sqrt 2, over its box 5
    verdict = verify(f, g, ball, eps=4.9, method="milp")
    assert verdict.status != "not_equivalent"
    assert verdict.gap <= 3.0 + np.sqrt(2.0) * (1.0 + 2.0**-50)


def test_solvers_word_stands_apart_from_what_is_proved():
    for f, g, domain, kind in pairs(30, 31):
        verdict = verify(f, g, domain, 1e-9, method="milp", time_limit=0.5)
        assert complaints(f, g, domain, verdict, 1e-9) == [], kind
        assert verdict.rigorous or verdict.status == "unknown"  # it is not asked where all is decided


@pytest.mark.parametrize("matcher", [no_match, same_indices])
def test_programme_holds_the_values_of_both_networks(matcher):
    """The point x with its own activations fulfils bounds and constraints, to rounding."""
    f, g = networks(3)
    if matcher is same_indices:
        noise = np.random.default_rng(1).standard_normal(f.n_parameters)
        g = f.with_vector(f.to_vector() + 0.1 * noise)
    box = DOMAINS[0]
    found = difference((f, g), region_of(box), matcher)
    assert any((own >= 0).any() for own in found.matches[0].labels) == (matcher is same_indices)
    program, inputs, values = mixed_integer.program_of((f, g), box, found)
    rng = np.random.default_rng(0)
    for x in box.sample(20, rng):
        v = np.zeros(len(program.low))
        v[inputs] = x
        place = len(inputs)
        layers = [network.pre_activations(x[np.newaxis]) for network in (f, g)]
        for level in range(2):
            for Z in (layers[0][level][0], layers[1][level][0]):
                n = len(Z)
                v[place:place + n], v[place + n:place + 2 * n] = np.maximum(Z, 0.0), Z > 0.0
                place += 2 * n
        assert place == len(v)
        assert (v >= np.array(program.low) - ROUNDED).all() and (v <= np.array(program.high) + ROUNDED).all()
        sums, sizes = np.zeros((2, len(program._limits)))
        np.add.at(sums, program._rows, np.array(program._entries) * v[program._columns])
        np.add.at(sizes, program._rows, np.abs(np.array(program._entries) * v[program._columns]))
        low, high = np.array(program._limits).T
        off = ROUNDED * (sizes + 1.0)
        assert (sums >= low - off).all() and (sums <= high + off).all()


def test_nothing_is_printed(capfd):
    f, g = networks(0)
    verify(f, g, DOMAINS[0], eps=0.1, method="milp", time_limit=1.0)
    assert capfd.readouterr().out == ""


def test_solver_gets_indices_of_its_own_type(monkeypatch):
    """SciPy 1.13 and 1.14 hand the arrays to C as they are: 64 bits there are refused."""
    given = []
    monkeypatch.setattr("scipy.optimize.milp", lambda *args, constraints, **others: given.extend(constraints))
    program = mixed_integer.MixedIntegerProgram()
    columns = program.variables(np.zeros(3), np.ones(3))
    program.constrain([(columns, np.ones(3))], 0.0, 1.0)
    program.maximise(np.ones(3), 1.0)
    constraint, = given
    assert constraint.A.indices.dtype == constraint.A.indptr.dtype == np.intc


THREADS = """
import os, sys, threading, time
import reducednet as rn

networks = [rn.Network.random((2, 5, 3, 2), rng=seed, scheme="he", output_bias=True) for seed in (0, 1)]

def solve():
    rn.verify(*networks, rn.Box([-1, 0], [1, 2]), eps=1e-3, method="milp", time_limit=5.0)

def tell():
    line = 0
    while any(solver.is_alive() for solver in solvers):
        os.write(1, b"%d\\n" % line)
        line += 1
        time.sleep(1e-3)
    os.write(2, b"%d\\n" % line)

before = os.fstat(1)
solvers = [threading.Thread(target=solve) for _ in range(2)]
threads = [*solvers, threading.Thread(target=tell)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(0 if os.path.samestat(before, os.fstat(1)) else "standard output is another file")
"""


def test_threads_keep_standard_output_while_others_solve():
    result = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "".join(f"{line}\n" for line in range(int(result.stderr)))


def test_networks_too_large_are_not_tried(monkeypatch):
    monkeypatch.setattr(mixed_integer, "MAX_NEURONS", 3)
    f, g = networks(0)
    assert verify(f, g, DOMAINS[0], eps=1e-3, method="milp").solver_bound == np.inf
