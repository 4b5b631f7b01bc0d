"""The checkers in rational arithmetic, and the fast ones held against them."""
from fractions import Fraction

import numpy as np
import pytest
from oracles.certificate_cases import changed, differences_at, proofs, with_arrays
from oracles.exact_suprema import exact_outputs
from oracles.random_evidence import hostile_case, is_claimed, random_case, rational_points

import reducednet as rn
from reducednet.verification.certificates import certificate as fast
from reducednet.verification.certificates.certificate import Certificate, fingerprint
from reducednet.verification.certificates.exact.check import proved_number, refusal
from reducednet.verification.certificates.exact.objects import Refused, root_up
from reducednet.verification.certificates.schemas import SCHEMAS, check_fit, largest_margin

SLOW_IN_RATIONALS = ("norms", "top1", "top1 tree", "tree ball", "tree box")
HAVE_CHOICES = ("folded", "norms", "pieces", "top1")
FAST_REFUSALS = (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError)


def random_certificate(rng, draw=random_case):
    """Return a certificate with random evidence, or None if it does not fit its networks."""
    try:
        kind, arrays, margin, f, g, domain = draw(rng)
        certificate = Certificate(
            SCHEMAS[kind].claim, 1.0, 0.0, 0.0, margin, kind, arrays, fingerprint(f, g, domain))
        check_fit(kind, certificate.arrays, f, g, domain)
    except (TypeError, ValueError):
        return None
    return None if margin > largest_margin(domain) else (certificate, f, g, domain)


def hostile_certificate(rng):
    """Return a certificate about numbers near the limits of float64, or None if it does not fit."""
    with np.errstate(all="ignore"):
        return random_certificate(rng, hostile_case)


def mutated_certificate(rng):
    """Return a prover's certificate with one entry of its evidence changed."""
    names = [name for name in proofs() if name not in SLOW_IN_RATIONALS]
    certificate, f, g, domain = proofs()[names[rng.integers(len(names))]]
    name = list(certificate.arrays)[rng.integers(len(certificate.arrays))]
    array = certificate.arrays[name].copy()
    index = tuple(int(rng.integers(length)) for length in array.shape)
    if array.dtype.kind == "O":
        array[index] = str(Fraction(array[index]) + Fraction(int(rng.integers(-3, 4)), 7))
    elif array.dtype.kind == "i":
        array[index] += rng.choice([-1, 1])
    else:
        array[index] = array[index] * rng.choice([-1.0, 0.5, 1.0 + 2.0**-40]) + rng.choice([0.0, 0.1])
    try:
        return with_arrays(certificate, **{name: array}), f, g, domain
    except (TypeError, ValueError):
        return None


def number_of(checker, refusals, *arguments):
    """Return the number that a checker proves, or None if it proves nothing."""
    try:
        number = checker(*arguments)
    except refusals:
        return None
    return number if abs(number) < np.inf else None


def assert_referee_agrees(case, rng, may_choose=()):
    """Assert that the fast checker proves no more than the exact one, and neither anything false.

    Proofs of the kinds `may_choose` may be sharper than the exact one's: where two right bounds
    differ by less than is charged for rounding, the checkers may choose differently.
    """
    certificate, f, g, domain = case
    exact = number_of(proved_number, Refused, *case)
    found = number_of(fast.proved_number, FAST_REFUSALS, *case)
    if exact is None:
        assert found is None
    elif certificate.claim in ("gap", "disagreement"):
        assert found is None or Fraction(found) <= exact
    elif certificate.claim == "agreement":
        assert found is None or certificate.kind in may_choose or Fraction(found) >= exact
        largest = largest_lead(f, g, rational_points(domain, rng))
        assert largest <= exact and (found is None or largest <= Fraction(found))
    else:
        assert found is None or certificate.kind in may_choose or Fraction(found) >= exact
        points = rational_points(domain, rng)
        if f.activation == "binary":
            points = [x for x in points if is_claimed(f, g, x, certificate.margin)]
        largest = largest_difference(f, g, points)
        assert largest <= exact and (found is None or largest <= Fraction(found))


def largest_difference(f, g, points):
    """Return the largest |f_k - g_k| at the points, exactly; 0 if there are none."""
    outputs = [(exact_outputs(f, x), exact_outputs(g, x)) for x in points]
    differences = [abs(one - other) for pair in outputs for one, other in zip(*pair)]
    return max(differences, default=0)


def largest_lead(f, g, points):
    """Return the largest lead of f's largest output at points where g's is another, exactly."""
    largest = Fraction(0)
    for x in points:
        of_f, of_g = exact_outputs(f, x), exact_outputs(g, x)
        j = of_f.index(max(of_f))
        if max(of_g) > of_g[j]:
            largest = max(largest, of_f[j] - max(of_f[:j] + of_f[j + 1:]))
    return largest


@pytest.mark.parametrize("make, count", [
    (random_certificate, 40),
    (mutated_certificate, 40),
    (hostile_certificate, 40),
    pytest.param(random_certificate, 2000, marks=pytest.mark.slow),
    pytest.param(mutated_certificate, 2000, marks=pytest.mark.slow),
    pytest.param(hostile_certificate, 600, marks=pytest.mark.slow),
])
def test_fast_checkers_never_prove_more_than_rational_arithmetic(make, count):
    checked, kinds = 0, set()
    for seed in range(2 * count):
        rng = np.random.default_rng([11, seed])
        case = make(rng)
        if case is not None:
            assert_referee_agrees(case, rng, HAVE_CHOICES if make is hostile_certificate else ())
            checked, kinds = checked + 1, kinds | {case[0].kind}
        if checked == count:
            break
    assert checked == count
    assert kinds == set(SCHEMAS) or make is mutated_certificate


def test_exact_checkers_confirm_what_provers_prove():
    for name in proofs().keys() - set(SLOW_IN_RATIONALS):
        certificate, *case = proofs()[name]
        assert certificate.check(*case, exact=True), name


def test_check_in_rationals_refuses_what_check_refuses():
    certificate, f, g, domain = proofs()["pieces box"]
    assert "other networks" in certificate.check(g, f, domain, exact=True).reason
    assert "digest" in changed(certificate, False, value=9.0).check(f, g, domain, exact=True).reason
    forged = changed(certificate, value=certificate.value / 2)
    assert "only a bound" in forged.check(f, g, domain, exact=True).reason
    with pytest.raises(TypeError, match="`exact`"):
        certificate.check(f, g, domain, exact="yes")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_IN_RATIONALS)
def test_exact_checkers_confirm_long_proofs(name):
    assert refusal(*proofs()[name]) == ""


@pytest.mark.parametrize("name", ["pieces box", "sorted", "folded", "line"])
def test_exact_checkers_refuse_a_claim_below_a_true_difference(name):
    certificate, f, g, domain = proofs()[name]
    largest = float(max(differences_at(f, g, domain, np.random.default_rng(0))[1]))
    claim = changed(certificate, value=0.99 * largest)
    assert "only a bound of" in refusal(claim, f, g, domain)


def test_exact_gap_is_the_difference_at_the_point():
    f, g = rn.Network([[[2.0]]], [[0.25]], [[1.0]]), rn.Network([[[1.0]]], [[0.0]], [[2.0]])
    box = rn.Box(-1, 1)
    arrays = {"point": np.array([0.5])}
    certificate = Certificate("gap", 0.25, 0.0, 0.0, 0.0, "point", arrays, fingerprint(f, g, box))
    assert proved_number(certificate, f, g, box) == Fraction(1, 4)
    assert refusal(certificate, f, g, box) == ""
    assert "gap" in refusal(changed(certificate, value=0.26), f, g, box)
    assert "not in the domain" in refusal(with_arrays(certificate, point=np.array([1.5])), f, g, box)


def test_exact_checkers_require_the_slack_that_float64_needs():
    f = rn.Network.random((2, 4, 1), 0)
    g = f.with_vector(f.to_vector() + 1e-3)
    box = rn.Box([-1, -1], [1, 1])
    certificate = rn.verify(f, g, box, eps=1.0, semantics="float64").certificate
    assert refusal(certificate, f, g, box) == ""
    assert "slack" in refusal(changed(certificate, slack=certificate.slack / 1e3), f, g, box)


@pytest.mark.parametrize("square", [
    Fraction(0), Fraction(1, 3), Fraction(2), Fraction(49, 4), Fraction(7, 2**300),
])
def test_roots_are_rounded_up_and_near(square):
    root = root_up(square)
    assert square <= root**2 <= square * (1 + Fraction(1, 2**190))


@pytest.mark.parametrize("label", [7, 2**40, 2**63 - 1])
def test_a_label_beyond_all_neurons_is_refused_and_takes_no_memory(label):
    certificate, *case = proofs()["folded"]
    labels = certificate.arrays["labels0"].copy()
    labels[-1] = label
    forged = with_arrays(certificate, labels0=labels)
    assert not forged.check(*case) and not forged.check(*case, exact=True)
