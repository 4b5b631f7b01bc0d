"""The checker of decisions: linear functions of outputs, quotients, evidence that is refused."""
from fractions import Fraction

import numpy as np
import pytest
from oracles.certificate_cases import proofs, with_arrays

import reducednet as rn
from reducednet.verification.certificates import check_top1
from reducednet.verification.certificates.certificate import Certificate, proved_number
from reducednet.verification.certificates.check_difference import UncertainRows
from reducednet.verification.certificates.exact import check as exact


def test_combined_rows_hold_for_sums_that_round():
    """1/3 and 1/10 are no floats: what M R loses is within the errors, in rationals."""
    rng = np.random.default_rng(0)
    R, E = rng.standard_normal((6, 5)), 1e-9 * rng.random((6, 5))
    M = rng.choice([0.0, 1.0, -1.0, 1 / 3, 0.1], (9, 6))
    way = check_top1.ByForms.__new__(check_top1.ByForms)
    rows = way.combined(M, UncertainRows(R, E))
    for i in range(9):
        for c in range(5):
            exact = sum(Fraction(M[i, m]) * Fraction(R[m, c]) for m in range(6))
            spread = sum(abs(Fraction(M[i, m])) * Fraction(E[m, c]) for m in range(6))
            off = abs(exact - Fraction(rows.coefficients[i, c])) + spread
            assert off <= Fraction(rows.errors[i, c]) <= spread + Fraction(1, 10**13)


def test_number_of_a_mixture_is_no_less_than_the_quotient():
    class Way:
        outputs = UncertainRows(np.ones((4, 1)), np.zeros((4, 1)))

        def combined(self, coefficients, rows):
            return rows

        def suprema(self, rows):
            return np.array([[bound]])

    for bound, mu in ((1.0, 3.0), (0.1, 0.3), (5e-324, 1e10), (1.0, 1e-300)):
        found = check_top1.numbers_of_mixture(np.array([0, 1]), np.array([0.0, mu]), Way())[0]
        assert Fraction(found) >= Fraction(bound) / Fraction(mu)
    for bound, expected in ((0.0, 0.0), (-1.0, 0.0), (1.0, np.inf)):
        assert check_top1.numbers_of_mixture(np.array([0, 1]), np.zeros(2), Way())[0] == expected


@pytest.mark.parametrize("name, value, words", [
    ("multipliers", -1.0, "none of their pair"), ("pairs", 9, "no output"), ("open", 9, "output"),
])
def test_evidence_about_no_pair_is_refused(name, value, words):
    certificate, *case = proofs()["top1 tree"]
    array = certificate.arrays[name].copy()
    array[:] = value
    forged = with_arrays(certificate, **{name: array})
    check = forged.check(*case)
    assert not check and words in check.reason
    assert not forged.check(*case, exact=True)


def test_false_roles_do_no_harm():
    """A bound by wrong roles is larger, never too small: forms alone prove at least as much."""
    certificate, f, g, domain = proofs()["top1"]
    for role in (-2, -1, 0):
        roles = {name: np.full_like(array, role) for name, array in certificate.arrays.items()
                 if name.startswith("roles")}
        forged = with_arrays(certificate, **roles)
        assert forged.check(f, g, domain) or "delta that is found again" in forged.check(f, g, domain).reason


def test_numbers_of_leaves_are_those_of_the_worst_leaf():
    """More leaves prove no more than the tree's own, and one leaf less is refused."""
    certificate, f, g, domain = proofs()["top1 tree"]
    axis, place = certificate.arrays["axis"], certificate.arrays["place"]
    last = np.flatnonzero(axis == -1)[-1]
    with pytest.raises(ValueError, match="`axis`"):
        with_arrays(certificate, axis=np.delete(axis, last), place=np.delete(place, last))
    whole = with_arrays(certificate, axis=np.array([-1]), place=np.zeros(1))
    assert not whole.check(f, g, domain)


def test_equal_multipliers_of_many_leaves_are_bounded_together(monkeypatch):
    """A leaf's multipliers cost nothing that grows with the other leaves: 4 s became 48 s."""
    f = rn.Network.random((1, 3, 2), rng=3)
    noise = np.random.default_rng(0).standard_normal(f.n_parameters)
    g, domain, n_leaves = f.with_vector(f.to_vector() + 0.01 * noise), rn.Box(0, 1), 16
    n_mixtures = 2 * n_leaves
    arrays = {
        "axis": np.array([0, -1] * (n_leaves - 1) + [-1]), "linear": np.array(1),
        "place": np.repeat(np.arange(1, n_leaves + 1) / n_leaves, 2)[:-1],
        "labels0": np.tile(np.arange(3), 2), "scales0": np.ones(6),
        "open": np.array([[0, 1]]), "rows": np.array(0),
        "leaf": np.random.default_rng(1).permutation(np.repeat(np.arange(n_leaves), 2)),
        "pairs": np.tile([0, 1], (n_mixtures, 1)),
        "multipliers": np.array([[0.0, 1.0], [0.0, 0.5]] * n_leaves),
    }
    certificate = Certificate("agreement", 1.0, 1.0, 0.0, 0.0, "top1", arrays, "")
    calls, original = [], check_top1.numbers_of_mixture

    def counted(pair, multipliers, way):
        calls.append(multipliers)
        return original(pair, multipliers, way)

    monkeypatch.setattr(check_top1, "numbers_of_mixture", counted)
    found = proved_number(certificate, f, g, domain)
    assert len(calls) == 2
    assert found >= exact.proved_number(certificate, f, g, domain) > 0
