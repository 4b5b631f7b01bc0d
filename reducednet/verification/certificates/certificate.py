"""Keep what `verify` proved as data, and check it again without any code of the provers.

Each kind of proof has its evidence, whose arrays are listed in `schemas`, and its checker, a
function of a module that needs NumPy and `fractions` alone:

=============  =========================  =======================================================
kind           checker                    what it computes
=============  =========================  =======================================================
"pieces"       `check_difference.check`   ReLU: bounds of f - g over the leaves of a tree of
                                          boxes, in float64
"exact"        `check_rational.bound`     such bounds in rationals, where terms of both networks
                                          cancel; binary networks too
"point"        `check_rational.gap`       |f - g| at a point of the domain, in rationals
"sorted"       `check_breakpoints.check`  one input, one hidden ReLU layer: f - g at the sorted
                                          breakpoints
"folded"       `check_symbolic.check`     ReLU: both networks' symbolic rows over the inputs and
                                          the unstable neurons
"zonotopes"    `check_zonotopes.check`    ReLU: bounds of f - g over such leaves by zonotopes of
                                          both networks and of their difference, in float64
"norms"        `check_norms.check`        ReLU, neurons matched one to one: bounds of Euclidean
                                          norms
"signs"        `check_signs.check`        ReLU, one hidden layer: affine bounds at the leaves of
                                          trees of signs
"permutation"  `check_permutation.check`  all numbers are the same, permuted and times powers of
                                          two
"top1"         `check_top1.check`         ReLU: bounds of linear functions of both networks' outputs
"top1_point"   `check_top1.lead_at`       the outputs at a point of the domain, in rationals
=============  =========================  =======================================================

`check_evaluation` bounds what evaluation in floating point adds to that, and `certificate_files` writes
and reads certificates.

References
----------
docs/certificates.md defines each kind and the inequalities that prove it; PROOFS, part II,
has the proofs.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..._validation import choice, flag, instance, message, number
from ...domains import Domain
from ...networks.network import Network, check_network
from . import (
    certificate_files, check_breakpoints, check_difference, check_evaluation, check_norms,
    check_permutation, check_rational, check_signs, check_symbolic, check_top1, check_zonotopes,
)
from .certificate_files import VERSION, Content
from .exact.check import refusal
from .schemas import SCHEMAS, check_fit, checked_arrays, largest_margin

CHECKERS: dict[str, Callable[..., Any]] = {
    "pieces": check_difference.check,
    "exact": check_rational.bound,
    "point": check_rational.gap,
    "sorted": check_breakpoints.check,
    "folded": check_symbolic.check,
    "norms": check_norms.check,
    "signs": check_signs.check,
    "permutation": check_permutation.check,
    "zonotopes": check_zonotopes.check,
    "top1": check_top1.check,
    "top1_point": check_top1.lead_at,
}
CLAIMS, SEMANTICS = ("bound", "gap", "agreement", "disagreement"), ("real", "float64", "float32")
AT_A_POINT, OF_DECISIONS = ("gap", "disagreement"), ("agreement", "disagreement")
"""The claims that a point proves, and those about the largest outputs."""
INDEX = np.intp

NOTHING_PROVED = (
    ArithmeticError, AttributeError, LookupError, MemoryError, StopIteration, TypeError, ValueError,
)
"""What checkers raise on evidence that does not fit together, or that takes more memory than there
is: a network is deepened by identities of n^2 numbers."""


class Check(NamedTuple):
    """`ok` says whether a certificate proves its claim, `reason` why not; its truth value is `ok`.

    Examples
    --------
    >>> bool(Check(False, "another network"))
    False
    """

    ok: bool
    reason: str

    def __bool__(self) -> bool:
        return self.ok


class Certificate:
    """A proof that |f - g| <= value on a domain (a bound), or >= value at a point (a gap).

    Or a proof that g decides as f on the domain wherever f's largest output leads the others by
    more than the value (an agreement), or otherwise at a point where it leads by at least the value
    (a disagreement).

    Frozen. It is about the networks and the domain whose fingerprint it has; `verify` returns it,
    and `check` checks it. Do not trust what it says before `check` has returned True for these
    networks and this domain.

    Attributes
    ----------
    claim : "bound", "gap", "agreement" or "disagreement"
    value : float
        "agreement": no point of the domain has f_j - f_i > value for all i != j and g_k > g_j.
        "disagreement": the point has f_j - f_i >= value and > 0 for all i != j, and g_k > g_j. Else
        sup over the domain of max_k |f_k - g_k| is at most, or at least, this: of the real
        functions, in exact arithmetic of the float64 parameters.
    semantics : "real", "float64" or "float32"
        Whether `status` is about those functions, or about what computers return in float64 or
        float32 at inputs of that type, in whatever order they sum.
    slack : float
        The rounding error that both networks' own evaluation may add to the difference, which
        `check` computes anew; 0 with semantics "real".
    eps : float
        The question, not a part of the proof: `status` compares with it. A certificate with another
        eps answers another question, and correctly; so read `status` only if the eps is yours.
    margin : float
        Binary networks: the bound is of points further than this from the first hyperplanes, see
        `Verdict`. A proof with a margin above `largest_margin` of the domain is refused by `check`.
    kind : "pieces", "exact", "point", "sorted", "folded", "norms", "signs", "permutation", \
            "zonotopes", "top1" or "top1_point"
        Which checker it is for: see this module's first lines.
    arrays : mapping of read-only arrays
        Where the checker has to look: those of the kind's schema, and no others. Integers, numbers,
        or rationals as text.
    fingerprint, digest : str
        SHA-256 of the networks and the domain; and of the whole certificate. They find damage, not
        forgery: whoever changes a certificate can compute them too.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduction import reduce
    >>> from reducednet.verification.verify import verify
    >>> net, box = Network.random((2, 10, 10, 1), rng=0), Box([0, 0], [1, 1])
    >>> red = reduce(net, box)
    >>> certificate = verify(net, red, box).certificate
    >>> certificate.status, bool(certificate.check(net, red, box))
    ('equivalent', True)
    >>> certificate.check(net, red, Box([0, 0], [1, 2])).reason
    'the certificate is about other networks or another domain'
    """

    def __init__(
        self, claim: str, value: float, eps: float, slack: float, margin: float, kind: str,
        arrays: Mapping[str, Any], fingerprint: str, digest: str | None = None,
        semantics: str = "real",
    ) -> None:
        fields = vars(self)  # this class refuses `self.kind = ...`
        fields["kind"] = choice(kind, "kind", CHECKERS)
        fields["claim"] = choice(claim, "claim", CLAIMS)
        fields["semantics"] = choice(semantics, "semantics", SEMANTICS)
        numbers = {"value": value, "eps": eps, "slack": slack, "margin": margin}
        for name, entry in numbers.items():
            fields[name] = number(entry, name, minimum=0.0)

        schema = SCHEMAS[kind]
        if claim != schema.claim:
            expected = f"{schema.claim!r}, for that is what {kind!r} can prove"
            raise ValueError(message("claim", expected, repr(claim)))
        if claim in OF_DECISIONS and semantics != "real":
            raise ValueError(message("semantics", f"'real' with claim {claim!r}", semantics))
        if self.slack and semantics == "real":
            raise ValueError(message("slack", "0.0 with semantics 'real'", self.slack))
        if self.margin and not schema.margin:
            raise ValueError(message("margin", f"0.0 with kind {kind!r}", self.margin))

        fields["arrays"] = MappingProxyType(checked_arrays(kind, arrays))
        fields["fingerprint"] = instance(fingerprint, "fingerprint", str, "text")
        if digest is None:
            fields["digest"] = self._computed_digest()
        else:
            fields["digest"] = instance(digest, "digest", str, "text")

    claim: str
    kind: str
    semantics: str
    value: float
    eps: float
    slack: float
    margin: float
    arrays: Mapping[str, Any]
    fingerprint: str
    digest: str

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Certificate is frozen: `{name}` cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Certificate is frozen: `{name}` cannot be deleted")

    @property
    def status(self) -> str:
        """What the claim implies of |f - g| <= eps: "equivalent", "not_equivalent" or "unknown".

        It is about the functions that `semantics` names, and for this eps alone; it is proved once
        `check` has confirmed the claim.
        """
        return status_for(self, self.eps)

    def check(self, f: Network, g: Network, domain: Domain, exact: bool = False) -> Check:
        """Check the proof again, for these networks on this domain.

        Every number is computed anew from the networks, in rationals, or in float64 with every
        rounding error in the bound.

        Parameters
        ----------
        f, g : Network
            As they were given to `verify`, in this order.
        domain : Box, Ball or Hull
        exact : bool
            Check in rational arithmetic, by the code of the room `exact`: a second opinion that has
            no rounding to account for. It takes minutes beyond a few thousand parameters.

        Returns
        -------
        Check
            (ok, reason); its truth value is ok.

        Raises
        ------
        TypeError
            If an argument is of another kind.
        """
        f, g = check_network(f, "f"), check_network(g, "g")
        instance(domain, "domain", Domain, "a Box, Ball or Hull")
        exact = flag(exact, "exact")
        if self.digest != self._computed_digest():
            return Check(False, "the digest is not that of its content")
        if self.fingerprint != fingerprint(f, g, domain):
            return Check(False, "the certificate is about other networks or another domain")
        try:
            check_fit(self.kind, self.arrays, f, g, domain)
            if exact:
                reason = refusal(self, f, g, domain)
                return Check(not reason, reason)
            reason = self.unproved_semantics(f, g, domain)
            if reason:
                return Check(False, reason)
            found = proved_number(self, f, g, domain)
        except NOTHING_PROVED as error:
            return Check(False, f"it proves nothing: {error}")

        at_a_point = self.claim in AT_A_POINT
        is_proved = found >= self.value if at_a_point else found <= self.value
        if is_proved:  # False for nan
            return Check(True, "")
        try:
            number_found = float(found)
        except OverflowError:  # a rational beyond float64
            number_found = np.inf
        number_of = {"agreement": "delta", "disagreement": "lead"}.get(self.claim, self.claim)
        return Check(False, f"the {number_of} that is found again is {number_found:z.17g}")

    def unproved_semantics(self, f: Network, g: Network, domain: Domain) -> str:
        """Return why margin and slack do not prove the claim for these semantics, or "" if they do.
        """
        is_binary = f.activation == "binary"
        largest = largest_margin(domain, self.semantics)
        if self.margin and not (is_binary and self.margin <= largest):
            return f"a margin of {self.margin:.3g} says too little about this domain"
        if self.semantics == "real":
            return ""

        name, arithmetic = self.semantics, check_evaluation.ARITHMETICS[self.semantics]
        if not all(check_evaluation.has_parameters_of(arithmetic, network) for network in (f, g)):
            return f"a parameter is no {name} number"
        error = check_evaluation.evaluation_error(f, g, domain, arithmetic)
        if not error <= self.slack:  # nan is no bound
            return f"evaluation in {name} may add {error:.17g}"
        if self.claim == "bound":
            if is_binary and not check_evaluation.margin(f, g, domain, arithmetic) <= self.margin:
                return f"evaluation in {name} may take the wrong side further off than the margin"
            return ""

        point = self.arrays["point"]
        is_sure = point.dtype.kind == "f" and check_evaluation.are_numbers_of(arithmetic, point)
        if is_sure and is_binary:
            is_sure = check_evaluation.is_decided(f, g, point.tolist(), arithmetic)
        if not is_sure:
            return f"the point is none where {name} gives both networks' values within the slack"
        return ""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the certificate to a .npz or .json file, whole or not at all.

        Equal certificates give equal bytes. JSON is text that every language reads; large
        certificates are shorter as .npz (docs/certificates.md, section 3).

        Raises
        ------
        TypeError, ValueError
            If the path is of another kind, does not end in .npz or .json, or JSON text of the
            certificate would be too long.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from reducednet.domains import Box
        >>> from reducednet.verification.verify import verify
        >>> net, box = Network.random((1, 5, 1), rng=0), Box(0, 1)
        >>> certificate = verify(net, net, box).certificate
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "proof.json")
        ...     certificate.save(path)
        ...     bool(Certificate.load(path).check(net, net, box))
        True
        """
        fields = {name: value for name, value in vars(self).items() if name != "arrays"}
        certificate_files.write(path, fields, self.arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Certificate:
        """Read a certificate from a .npz or .json file. Call its `check` before you trust it.

        Raises
        ------
        TypeError
            If the path is of another kind.
        ValueError
            If the file is not one that `save` could have written; the text names it.
        OSError
            If the file cannot be opened.
        """
        return certificate_files.read(path, cls._of_content)

    @classmethod
    def _of_content(cls, content: Content) -> Certificate:
        """Return the certificate of a file, with the digest that the file says.

        Version 1 did not name the semantics: those with a slack are "float64". There a correct
        digest becomes one of today's version.
        """
        fields = content.fields | {"arrays": content.arrays}
        digest = instance(fields["digest"], "digest", str, "text")
        if content.version == 1:
            is_real = number(fields["slack"], "slack", minimum=0.0) == 0.0
            fields["semantics"] = "real" if is_real else "float64"
            certificate = cls(**fields | {"digest": None})
            if certificate._computed_digest(version=1) == digest:
                return certificate
        return cls(**fields)

    def _computed_digest(self, version: int = VERSION) -> str:
        """Return a SHA-256 of all fields and arrays, as that version of the format defines it."""
        entries: list[Any] = [self.claim, self.kind, self.fingerprint]
        entries += [self.value, self.eps, self.slack, self.margin]
        if version > 1:
            entries += [version, self.semantics]
        for name, array in self.arrays.items():
            is_text = array.dtype.kind == "O"
            entries += [name, array.tolist() if is_text else array.dtype.str, array.shape]

        content = hashlib.sha256(json.dumps(entries).encode("ascii"))
        for array in self.arrays.values():
            if array.dtype.kind != "O":
                content.update(array.tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Certificate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that rebuilds the certificate, for `copy` and `pickle`."""
        return partial(type(self), **vars(self) | {"arrays": dict(self.arrays)}), ()

    def __repr__(self) -> str:
        claim = {
            "bound": f"|f - g| <= {self.value:z.3g} on the domain",
            "gap": f"|f - g| >= {self.value:z.3g} at a point",
            "agreement": f"g decides as f where f leads by more than {self.value:z.3g}",
            "disagreement": f"g decides otherwise where f leads by {self.value:z.3g}",
        }[self.claim]
        if self.margin:
            claim += f", further than {self.margin:z.3g} from every first hyperplane"
        if self.semantics != "real":
            claim += f", in {self.semantics} but for {self.slack:z.3g}"
        count = sum(array.size for array in self.arrays.values())
        answer = f"asked for {self.eps:z.3g}: {self.status}"
        return f"Certificate({claim}: {self.kind!r}, {count} numbers; {answer})"


def status_for(certificate: Certificate, eps: float) -> str:
    """Return what the claim implies for an eps that may be another question's.

    The question is |f - g| <= eps, or whether g decides as f where f leads by more than eps.

    Examples
    --------
    >>> arrays = {"point": np.array([0.5])}
    >>> certificate = Certificate("gap", 0.25, 0.0, 0.0, 0.0, "point", arrays, "")
    >>> status_for(certificate, 0.125), status_for(certificate, 0.25)
    ('not_equivalent', 'unknown')
    """
    value, slack = Fraction(certificate.value), Fraction(certificate.slack)
    if certificate.claim in AT_A_POINT:
        return "not_equivalent" if value - slack > Fraction(eps) else "unknown"
    # two different steps agree at all points off their hyperplanes, so that eps = 0 is not answered
    says_enough = certificate.margin == 0.0 or eps > 0.0
    return "equivalent" if says_enough and value + slack <= Fraction(eps) else "unknown"


def proved_number(certificate: Certificate, f: Network, g: Network, domain: Domain) -> Any:
    """Return the bound, or the gap, that the certificate's checker computes from its data.

    Raises
    ------
    ArithmeticError, LookupError, StopIteration, TypeError, ValueError
        If the data proves nothing.
    """
    data = {**complete(certificate.arrays, domain), "margin": certificate.margin}
    with np.errstate(all="ignore"):  # inf proves little, nan nothing
        return CHECKERS[certificate.kind](data, f, g, domain)


def complete(arrays: Mapping[str, Any], domain: Domain) -> dict[str, Any]:
    """Return the arrays as checkers read them, with those that may be absent."""
    absent = {
        "directions": np.empty((0, domain.n_inputs)),
        "cuts": np.empty((0, 2), dtype=int),
        "mu": np.empty(0),
        "targets": np.empty((0, 3), dtype=int),
        "signs": np.empty((0, 0), dtype=int),
        "multiples": np.empty((0, 0)),
        "exchanged": np.array(0),
        "open": np.empty((0, 2), dtype=int),
        "rows": np.array(0),
        "leaf": np.empty(0, dtype=int),
        "pairs": np.empty((0, 2), dtype=int),
        "multipliers": np.empty((0, 0)),
    }
    return absent | {name: _for_indices(array) for name, array in arrays.items()}


def _for_indices(array: np.ndarray) -> np.ndarray:
    """Return stored integers as NumPy's index type, which has 32 bits on some machines."""
    if array.dtype.kind != "i":
        return array
    indices = array.astype(INDEX)
    if (indices != array).any():
        raise ValueError("an integer is too large for an index")
    return indices


def fingerprint(f: Network, g: Network, domain: Domain) -> str:
    """Return a SHA-256 of both networks, in this order, and the domain.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> net = Network.random((1, 5, 1), rng=0)
    >>> fingerprint(net, net, Box(0, 1)) == fingerprint(net, net, Box(0, 2))
    False
    """
    content = hashlib.sha256()
    for network in (f, g):
        text = [network.activation, network.sizes, network.output_bias is not None]
        content.update(json.dumps(text).encode("ascii"))
        _update(content, network._vector)
    parts = domain.to_arrays()
    shapes = [[name, parts[name].shape] for name in parts]
    content.update(json.dumps([type(domain).__name__, shapes]).encode("ascii"))
    for array in parts.values():
        _update(content, array)
    return content.hexdigest()


def _update(content: Any, array: np.ndarray) -> None:
    """Hash the numbers of an array in order, as little-endian float64 without -0.0.

    Blocks of 2^15 numbers stay in cache (2.5 times faster for 10^7 numbers).
    """
    flat = np.ravel(array)
    for start in range(0, flat.size, 1 << 15):
        content.update((flat[start:start + (1 << 15)] + 0.0).astype("<f8", copy=False))
