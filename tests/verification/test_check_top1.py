"""The checker of decisions: linear functions of outputs, quotients, evidence that is refused."""
from fractions import Fraction

import numpy as np
import pytest
from oracles.certificate_cases import proofs, with_arrays

from reducednet.verification.certificates import check_top1
from reducednet.verification.certificates.check_difference import UncertainRows


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
