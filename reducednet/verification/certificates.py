"""Certificates: what `verify` found, as data that checkers without any code of the provers go through again.

Each kind of proof has its checker, a module of at most 150 lines that needs NumPy and `fractions` alone:

=========  ==================  ==================================================================
kind       module              what it does again
=========  ==================  ==================================================================
"pieces"   `checker`           ReLU: bounds of f - g over the leaves of a tree of boxes, in float64
"exact"    `exact_checker`     the same in rationals, by what cancels; binary networks
"point"    `exact_checker`     |f - g| at a point of the domain, in rationals
"sorted"   `sorted_checker`    one input, one hidden ReLU layer: the breakpoints in their order
"folded"   `folded_checker`    ReLU: without what does nothing, by the rows of what is left of both
=========  ==================  ==================================================================

And "permutation", `permutation_checker`: all numbers are the same, in another order and times powers
of two.

References
----------
THEORY, section 9.
"""
from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from .._validation import choice, instance, message, number
from ..archives import checked_path, naming, read_archive, read_array, write_whole, zip_bytes
from ..domains import Domain
from ..networks import Network, check_network
from . import checker, exact_checker, folded_checker, permutation_checker, sorted_checker

FORMAT, VERSION = "reducednet certificate", 1
CHECKERS: dict[str, ModuleType] = {
    "pieces": checker, "exact": exact_checker, "point": exact_checker, "sorted": sorted_checker,
    "folded": folded_checker, "permutation": permutation_checker,
}
_NUMBERS, _TEXTS = ("value", "eps", "slack", "margin"), ("claim", "kind", "fingerprint", "digest")
_NAMES = re.compile(r"(labels|scales|permutation|exponents)\d{1,4}|axis|place|directions|linear|exact|point"
                    r"|corners|shares|cuts|mu|targets|signs|multiples|exchanged")
_INTEGERS = re.compile(r"(labels|permutation|exponents)\d+|axis|corners|linear|exact|cuts|targets|signs"
                       r"|exchanged")
_RATIONAL = re.compile(r"-?\d+(/\d*[1-9]\d*)?")


class Check(NamedTuple):
    """Whether a certificate proves what it claims, and if not, why; its truth value is `ok`.

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
    """A proof that |f - g| <= value on a domain (a bound), or that |f - g| >= value at a point (a gap).

    Frozen. It is about the networks and the domain whose fingerprint it has, in exact arithmetic of their
    float64 parameters; `verify` gives it, `check` goes through it again.

    Attributes
    ----------
    claim : "bound" or "gap"
    value : float
        sup over the domain of max_k |f_k - g_k| is at most, or at least, this.
    eps, slack : float
        What `verify` was asked, and what both networks' own evaluation in float64 may add to the difference.
    margin : float
        Binary networks: the bound is of points further than this from the first hyperplanes, see `Verdict`.
    kind : "pieces", "exact", "point", "sorted", "folded" or "permutation"
        What does it again, see this module.
    arrays : mapping of read-only arrays
        Where the checker has to look. Numbers, or rationals as text.
    fingerprint, digest : str
        SHA-256 of the networks and the domain; and of all that the certificate has.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> from reducednet.reduction import reduce
    >>> from reducednet.verification import verify
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
    ) -> None:
        fields = vars(self)
        fields["claim"], fields["kind"] = choice(claim, "claim", ("bound", "gap")), choice(kind, "kind", CHECKERS)
        if (claim == "gap") != (kind == "point"):
            raise ValueError(message("kind", "'point' for a gap and for nothing else", repr(kind)))
        for name, entry in zip(_NUMBERS, (value, eps, slack, margin)):
            fields[name] = number(entry, name, minimum=0.0)
        fields["arrays"] = MappingProxyType({name: _array(name, arrays[name]) for name in sorted(arrays)})
        fields["fingerprint"] = instance(fingerprint, "fingerprint", str, "text")
        fields["digest"] = self._digest() if digest is None else instance(digest, "digest", str, "text")

    claim: str
    kind: str
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
        """The status of a verdict that it proves: "equivalent", "not_equivalent" or "unknown"."""
        value, slack, eps = Fraction(self.value), Fraction(self.slack), Fraction(self.eps)
        if self.claim == "bound":
            proved = value + slack <= eps and (self.margin == 0.0 or eps > 0)
            return "equivalent" if proved else "unknown"
        return "not_equivalent" if value - slack > eps else "unknown"

    def check(self, f: Network, g: Network, domain: Domain) -> Check:
        """Go through the proof again, for these networks on this domain.

        Every number is found anew from the networks, in rationals or in float64 with all roundings charged.

        Parameters
        ----------
        f, g : Network
            As they were given to `verify`, in this order.
        domain : Box, Ball or Hull

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
        if self.digest != self._digest():
            return Check(False, "the digest is not that of its content")
        if self.fingerprint != fingerprint(f, g, domain):
            return Check(False, "the certificate is about other networks or another domain")
        try:
            found = proved_number(self, f, g, domain)
        except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
            return Check(False, f"it proves nothing: {error}")
        if self.claim == "gap":
            ok = bool(found >= self.value)
        else:
            ok = bool(found <= self.value)  # False for nan
        return Check(ok, "" if ok else f"the {self.claim} that is found again is {float(found):z.17g}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a .npz file, whole or not at all; the same certificate gives the same bytes.

        Raises
        ------
        TypeError, ValueError
            If the path is of another kind or does not end in .npz.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from reducednet.domains import Box
        >>> from reducednet.verification import verify
        >>> net, box = Network.random((1, 5, 1), rng=0), Box(0, 1)
        >>> certificate = verify(net, net, box).certificate
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "proof.npz")
        ...     certificate.save(path)
        ...     bool(Certificate.load(path).check(net, net, box))
        True
        """
        name, _ = checked_path(path, (".npz",))
        texts = {key: array.tolist() for key, array in self.arrays.items() if array.dtype.kind == "U"}
        header = {key: getattr(self, key) for key in (*_TEXTS, *_NUMBERS)} | {"rationals": texts}
        write_whole(name, zip_bytes(FORMAT, VERSION, header, {
            key: array for key, array in self.arrays.items() if key not in texts
        }))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Certificate:
        """Read the certificate of a .npz file. Nothing in the file is believed: `check` is still to be asked.

        Raises
        ------
        TypeError
            If the path is of another kind.
        ValueError
            If the file is not one that `save` wrote; the text names it.
        OSError
            If the file cannot be opened.
        """
        name, _ = checked_path(path, (".npz",))
        with naming(name):
            header, members = read_archive(name, FORMAT, VERSION)
            arrays: dict[str, Any] = {
                key: read_array(data, key, "<i8" if _INTEGERS.fullmatch(key) else "<f8")
                for key, data in members.items()
            }
            for key, texts in instance(header.get("rationals"), "rationals", dict, "a dict in the header").items():
                texts = instance(texts, f"rationals[{key!r}]", list, "a list of texts")
                if key in arrays or not all(isinstance(text, str) for text in texts):
                    raise ValueError(message(f"rationals[{key!r}]", "a list of texts, given once", "another one"))
                arrays[key] = np.array(texts, dtype=np.str_)
            fields: dict[str, Any] = {key: header.get(key) for key in (*_TEXTS, *_NUMBERS)}
            return cls(arrays=arrays, **fields | {"digest": instance(fields["digest"], "digest", str, "text")})

    def _digest(self) -> str:
        content = hashlib.sha256()
        entries = [getattr(self, key) for key in (*_TEXTS[:-1], *_NUMBERS)]
        for name, array in self.arrays.items():
            entries += [name, array.tolist() if array.dtype.kind == "U" else array.dtype.str, array.shape]
        content.update(json.dumps(entries).encode("ascii"))
        for array in self.arrays.values():
            if array.dtype.kind != "U":
                content.update(array.tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Certificate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = [getattr(self, key) for key in ("claim", *_NUMBERS, "kind")]
        return type(self), (*arguments, dict(self.arrays), self.fingerprint, self.digest)

    def __repr__(self) -> str:
        where = "on the domain" if self.claim == "bound" else "at a point"
        margin = f", further than {self.margin:z.3g} from every first hyperplane" if self.margin else ""
        sign = "<=" if self.claim == "bound" else ">="
        count = sum(array.size for array in self.arrays.values())
        return f"Certificate(|f - g| {sign} {self.value:z.3g} {where}{margin}: {self.kind!r}, {count} numbers)"


def proved_number(certificate: Certificate, f: Network, g: Network, domain: Domain) -> Any:
    """Return the bound, or the gap, that the certificate's checker finds by its data.

    Raises
    ------
    ArithmeticError, LookupError, StopIteration, TypeError, ValueError
        If the data proves nothing.
    """
    none = {"directions": np.empty((0, domain.n_inputs)), "cuts": np.empty((0, 2), dtype=int), "mu": np.empty(0),
            "targets": np.empty((0, 3), dtype=int), "signs": np.empty((0, 0), dtype=int),
            "multiples": np.empty((0, 0)), "exchanged": np.array(0)}
    data = {**none, **certificate.arrays, "margin": certificate.margin}
    with np.errstate(all="ignore"):  # inf proves little, nan nothing
        return CHECKERS[certificate.kind].check(data, f, g, domain)


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
        content.update((network.to_vector() + 0.0).tobytes())
    parts = domain.to_arrays()
    shapes = [[name, parts[name].shape] for name in parts]
    content.update(json.dumps([type(domain).__name__, shapes]).encode("ascii"))
    for array in parts.values():
        content.update((np.asarray(array, dtype="<f8") + 0.0).tobytes())
    return content.hexdigest()


def _array(name: str, value: Any) -> Any:
    """Return an array of a certificate, read-only: integers, finite numbers, or rationals as text."""
    if not _NAMES.fullmatch(name):
        raise ValueError(message("arrays", "arrays that a checker knows", repr(name)))
    array = np.array(value)
    if array.dtype.kind == "U":
        if not all(_RATIONAL.fullmatch(text) for text in array.ravel().tolist()):
            raise ValueError(message(name, "rationals such as -1/3", "other text"))
    elif array.dtype.kind not in ("iub" if _INTEGERS.fullmatch(name) else "f"):
        expected = "integers" if _INTEGERS.fullmatch(name) else "real numbers"
        raise TypeError(message(name, expected, f"dtype {array.dtype}"))
    else:
        array = array.astype("<i8" if _INTEGERS.fullmatch(name) else "<f8")
        if not np.isfinite(array).all():
            raise ValueError(message(name, "finite", "an entry that is not"))
    array.setflags(write=False)
    return array
