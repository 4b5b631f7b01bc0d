"""List the arrays of each kind of evidence, with their types and sizes, and the claim it may prove.

The table is `SCHEMAS`. Certificates that lack an array, have an extra one, or have one that does
not fit are refused: `checked_arrays` checks what can be seen from the arrays alone, when a
certificate is made or loaded; `check_fit` checks the rest, when the networks and the domain are
known. No checker begins before both have agreed.

References
----------
docs/certificates.md says what each array means, and what it proves.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..._validation import message
from ...domains import Domain, Hull
from ...networks.network import Network

INTEGERS, NUMBERS, RATIONALS = "integers", "numbers", "numbers or rationals"
_RATIONAL = re.compile(r"(0|-?[1-9][0-9]*)(/([2-9]|[1-9][0-9]+))?")
_NAME_OF_LAYER = re.compile(r"([a-z]+)(0|[1-9][0-9]{0,5})")
_LARGEST = np.iinfo(np.int64).max


class Entry(NamedTuple):
    """One array of the evidence.

    type : INTEGERS, NUMBERS (float64) or RATIONALS (float64, or texts such as -1/3)
    sizes : names of its lengths, () for a single number; equal names mean equal lengths
    group : "" if it is always there; the arrays of one group are all there or none is
    least, most : the range of integers
    """

    type: str
    sizes: tuple[str | int, ...] = ()
    group: str = ""
    least: int = 0
    most: int = _LARGEST


class Schema(NamedTuple):
    """The evidence of one kind.

    claim : "bound", "gap", "agreement" or "disagreement"
    activations : of the networks that it can be about
    arrays : the entries by name, except those of hidden layers
    layers : the entries ``name{layer}``, one for each hidden layer
    joint : if True, a layer is that of both networks together, up to the greater depth, g's neurons
        before f's; else the layers of f are followed by those of g, or those of g by those of f if
        `exchanged` is 1
    margin : if True, a margin may be claimed, for binary networks
    of_one : if True, a layer is that of one network; the other has as many neurons
    """

    claim: str
    activations: tuple[str, ...]
    arrays: Mapping[str, Entry]
    layers: Mapping[str, Entry] = MappingProxyType({})
    joint: bool = True
    margin: bool = False
    of_one: bool = False


_TREE = {
    # the axis of a split; -1 for a leaf, -2 for a leaf outside the domain
    "axis": Entry(INTEGERS, ("nodes",), least=-2),
    "place": Entry(RATIONALS, ("nodes",)),
    # one for each leaf outside
    "directions": Entry(NUMBERS, ("outside", "inputs"), group="directions"),
}
_MATCHES = {
    "labels": Entry(INTEGERS, ("neurons",), least=-1),
    "scales": Entry(NUMBERS, ("neurons",)),
}
_FLAG = Entry(INTEGERS, most=1)
_POINT = {
    "point": Entry(RATIONALS, ("inputs",)),
    # the point is sum_i shares_i points[corners_i]
    "corners": Entry(INTEGERS, ("corners",), group="hull"),
    "shares": Entry(RATIONALS, ("corners",), group="hull"),
}

SCHEMAS: dict[str, Schema] = {
    "pieces": Schema("bound", ("relu",), _TREE | {"linear": _FLAG}, _MATCHES),
    "exact": Schema(
        "bound", ("relu", "binary"), _TREE,
        {name: entry._replace(group="matches") for name, entry in _MATCHES.items()}, margin=True,
    ),
    "point": Schema("gap", ("relu", "binary"), _POINT),
    "sorted": Schema("bound", ("relu",), {"exact": _FLAG}),
    "zonotopes": Schema("bound", ("relu",), _TREE, _MATCHES),
    "norms": Schema("bound", ("relu",), {}, _MATCHES),
    "signs": Schema("bound", ("relu",), {}, _MATCHES | {
        "splits": Entry(INTEGERS, ("nodes",), least=-1),  # a neuron; -1 for a leaf
        "multiples": Entry(NUMBERS, ("leaves", "neurons")),
    }),
    "permutation": Schema("bound", ("relu", "binary"), {}, {
        "permutation": Entry(INTEGERS, ("neurons",)),  # g's neuron for each of f's
        "exponents": Entry(INTEGERS, ("neurons",), least=-_LARGEST),
    }, of_one=True, margin=True),
    "top1": Schema("agreement", ("relu",), _TREE | {
        "linear": _FLAG,
        # the pairs of outputs that the leaves are for
        "open": Entry(INTEGERS, ("open", 2), group="open"),
        # 1 if leaves are bounded by symbolic rows too
        "rows": Entry(INTEGERS, group="open", most=1),
        # multipliers for a pair on a leaf; leaf -1 is the whole domain
        "leaf": Entry(INTEGERS, ("mixtures",), group="mixtures", least=-1),
        "pairs": Entry(INTEGERS, ("mixtures", 2), group="mixtures"),
        "multipliers": Entry(NUMBERS, ("mixtures", "outputs"), group="mixtures"),
    }, _MATCHES | {
        # -1 dead, -2 always on, 0 unstable
        "roles": Entry(INTEGERS, ("neurons",), group="roles", least=-2, most=0),
    }),
    "top1_point": Schema("disagreement", ("relu",), _POINT),
    "folded": Schema("bound", ("relu",), {
        "cuts": Entry(INTEGERS, ("cuts", 2), group="cuts"),
        "mu": Entry(NUMBERS, ("cuts",), group="cuts"),
        "targets": Entry(INTEGERS, ("leaves", 3), group="leaves", least=-1),  # layer, neuron, side
        "signs": Entry(INTEGERS, ("leaves", "classes"), group="leaves", least=-1, most=1),
        "multiples": Entry(NUMBERS, ("leaves", "classes"), group="leaves"),
        "exchanged": Entry(INTEGERS, group="exchanged", most=1),
    }, _MATCHES | {"labels": Entry(INTEGERS, ("neurons",), least=-2)}, joint=False),
}


def checked_arrays(kind: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays in the order of their names, read-only, or refuse them.

    Rationals become an array of Python strings, which takes no more memory than they do: in NumPy's
    own string arrays each is as long as the longest.

    Raises
    ------
    TypeError, ValueError
        If a name, a type, a rank or a size is not that of the schema, an array is empty, or a
        number is not finite.
    """
    schema = SCHEMAS[kind]
    entries = _entries(schema, _number_of_layers(schema, arrays))
    for name in arrays:
        if name not in entries:
            raise ValueError(message("arrays", f"those of {kind!r} alone", repr(name)))

    present = {entry.group for name, entry in entries.items() if name in arrays}
    for name, entry in entries.items():
        if name not in arrays and (not entry.group or entry.group in present):
            expected = f"{name!r}, for that belongs to {kind!r}"
            raise ValueError(message("arrays", expected, sorted(arrays)))

    result = {name: _checked(name, entries[name], arrays[name]) for name in sorted(arrays)}
    sizes: dict[str, int] = {}
    for name, array in result.items():
        _bind(name, entries[name].sizes, array.shape, sizes)
    if "axis" in result:
        _check_tree(result["axis"], sizes.get("outside", 0))
    return result


def check_fit(kind: str, arrays: Mapping[str, Any], f: Network, g: Network, domain: Domain) -> None:
    """Refuse arrays that do not fit these networks and this domain.

    Raises
    ------
    ValueError
        If activations, numbers of inputs, outputs, layers or neurons, or arrays about the domain do
        not fit.
    """
    schema = SCHEMAS[kind]
    if f.activation != g.activation or f.activation not in schema.activations:
        networks = " or two ".join(schema.activations)
        raise ValueError(f"a proof of kind {kind!r} is about two {networks} networks")
    if (f.n_inputs, f.n_outputs) != (g.n_inputs, g.n_outputs) or f.n_inputs != domain.n_inputs:
        raise ValueError("the networks and the domain do not fit")

    counts, n_layers = _neurons(schema, arrays, f, g), _number_of_layers(schema, arrays)
    may_be_absent = all(entry.group for entry in schema.layers.values())
    if schema.layers and n_layers != len(counts) and not (may_be_absent and n_layers == 0):
        raise ValueError(f"the proof has {n_layers} layers, the networks have {len(counts)}")

    entries, sizes = _entries(schema, n_layers), {"inputs": domain.n_inputs, "outputs": f.n_outputs}
    sizes |= {f"neurons{layer}": count for layer, count in enumerate(counts)}
    for name, array in arrays.items():
        _bind(name, entries[name].sizes, array.shape, sizes)

    if "splits0" in arrays:
        _check_signs(arrays["splits0"], len(arrays["multiples0"]), 2 * f.n_outputs)
    if "axis" in arrays and arrays["axis"].max() >= domain.n_inputs:
        raise ValueError("a split along an axis that the domain does not have")
    if "point" in entries and ("corners" in arrays) != isinstance(domain, Hull):
        raise ValueError("a point of a Hull, and no other, is a mean of some of its points")
    if isinstance(domain, Hull) and "corners" in arrays:
        if arrays["corners"].max() >= len(domain.points):
            raise ValueError("a corner that the Hull does not have")


def entry_named(kind: str, name: str) -> Entry:
    """Return the entry of one array; ValueError if none has that name."""
    schema, of_layer = SCHEMAS[kind], _NAME_OF_LAYER.fullmatch(name)
    entry = schema.arrays.get(name)
    if entry is None and of_layer:
        entry = schema.layers.get(of_layer[1])
    if entry is None:
        raise ValueError(message("arrays", f"those of {kind!r} alone", repr(name)))
    return entry


def _number_of_layers(schema: Schema, arrays: Mapping[str, Any]) -> int:
    """Return how many layers the arrays name, counted from 0 up to the first gap."""
    number = 0
    while any(f"{name}{number}" in arrays for name in schema.layers):
        number += 1
    return number


def _entries(schema: Schema, n_layers: int) -> dict[str, Entry]:
    """Return the entries by name, those of n_layers hidden layers among them."""
    entries = dict(schema.arrays)
    for layer in range(n_layers):
        for name, entry in schema.layers.items():
            sizes = tuple(f"{size}{layer}" for size in entry.sizes)
            entries[f"{name}{layer}"] = entry._replace(sizes=sizes)
    return entries


def _neurons(schema: Schema, arrays: Mapping[str, Any], f: Network, g: Network) -> list[int]:
    """Return how many neurons each layer of the evidence is about.

    A network with fewer layers than the other has its last one again: layers s(h) = h above it
    change nothing.
    """
    if schema.of_one:
        return list(f.sizes[1:-1])
    if schema.joint:
        depth = max(f.depth, g.depth)
        return [
            sum(network.sizes[1 + min(layer, network.depth - 1)] for network in (f, g))
            for layer in range(depth)
        ]
    first, second = (g, f) if arrays.get("exchanged", 0) else (f, g)
    return [*first.sizes[1:-1], *second.sizes[1:-1]]


def _bind(
    name: str, expected: tuple[str | int, ...], shape: tuple[int, ...], sizes: dict[str, int]
) -> None:
    """Refuse a shape that contradicts the known sizes; add the others to them."""
    fits = len(shape) == len(expected)
    for size, length in zip(expected, shape):
        known = size if isinstance(size, int) else sizes.setdefault(size, length)
        fits = fits and length == known
    if not fits:
        names = ", ".join(map(str, expected))
        raise ValueError(message(name, f"an array of shape ({names})", f"shape {shape}"))


def _check_tree(axis: Any, n_outside: int) -> None:
    """Refuse a tree unless it has one leaf more than splits, and a direction for each outside."""
    n_leaves = (axis < 0).sum()
    if 2 * n_leaves != len(axis) + 1:
        got = f"{n_leaves} of {len(axis)} nodes"
        raise ValueError(message("axis", "one leaf more than splits", got))
    if (axis == -2).sum() != n_outside:
        expected = "one for each leaf outside of the domain"
        raise ValueError(message("directions", expected, str(n_outside)))


def _check_signs(splits: Any, n_leaves: int, n_trees: int) -> None:
    """Refuse trees of signs unless they have as many leaves as multiples, and splits to fit."""
    expected_nodes = 2 * n_leaves - n_trees
    if len(splits) != expected_nodes or (splits == -1).sum() != n_leaves:
        expected = f"an array of shape ({expected_nodes},) with {n_leaves} leaves"
        raise ValueError(message("splits0", expected, f"shape {splits.shape}"))


def _checked(name: str, entry: Entry, value: Any) -> Any:
    """Return one array, read-only, of int64, of finite float64, or of texts that are rationals."""
    has_texts = isinstance(value, (list, tuple)) and str in map(type, value)
    array = as_texts(value) if has_texts else np.asarray(value)
    if entry.type == RATIONALS and array.dtype.kind in "UO":
        array = _texts(name, array)
    elif entry.type == INTEGERS:
        array = _integers(name, entry, array)
    else:
        array = _numbers(name, entry, array)
    if not array.size:
        raise ValueError(message(name, "an array that is not empty", f"shape {array.shape}"))
    array.setflags(write=False)
    return array


def _integers(name: str, entry: Entry, array: Any) -> Any:
    """Return an array of int64; ValueError if one is out of its range."""
    if array.dtype.kind not in "iub":
        raise TypeError(message(name, entry.type, f"dtype {array.dtype}"))
    integers = np.array(array, dtype="<i8", order="C")
    if integers.size and not entry.least <= integers.min() <= integers.max() <= entry.most:
        expected = f"integers from {entry.least} on, of this kind"
        raise ValueError(message(name, expected, "another one"))
    return integers


def _numbers(name: str, entry: Entry, array: Any) -> Any:
    """Return an array of float64; ValueError if one is not finite."""
    if array.dtype.kind != "f":
        raise TypeError(message(name, entry.type, f"dtype {array.dtype}"))
    numbers = np.array(array, dtype="<f8", order="C")
    if not np.isfinite(numbers).all():
        raise ValueError(message(name, "finite", "an entry that is not"))
    return numbers


def _texts(name: str, array: Any) -> Any:
    """Return an array of texts; ValueError unless each is a rational."""
    texts = np.array(array, dtype=object)
    entries = texts.ravel().tolist()
    if not all(isinstance(text, str) and _RATIONAL.fullmatch(text) for text in entries):
        raise ValueError(message(name, "rationals such as -1/3", "other entries"))
    return texts


def as_texts(values: Any) -> Any:
    """Return an array of Python strings."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def largest_margin(domain: Domain, semantics: str = "real") -> float:
    """Return the largest margin at which a bound for binary networks still says something.

    A hyperplane that meets the domain has |b| <= |w| X with X = max |x| there, so that n roundings
    of w, b and of w.x + b move it by at most 2 gamma_n X. Eight such moves of d + 64 roundings each
    are allowed: as much as reductions and evaluation may move a hyperplane. The margin is also at
    most 2^-20 of the domain's smallest side that is not 0, so that it never covers all of a small
    domain far from 0; for semantics "float32", whose roundings are larger, 2^-12.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> 0.0 < largest_margin(Box([-1, -1], [1, 1])) < 1e-12
    True
    """
    unit_roundoff, share = (2.0**-24, 2.0**-12) if semantics == "float32" else (2.0**-53, 2.0**-20)
    roundings = (domain.n_inputs + 64) * unit_roundoff
    if roundings >= 1.0:
        return 0.0
    gamma = roundings / (1.0 - roundings)

    low, high = domain.bounding_box()
    half_sides = high / 2.0 - low / 2.0
    least_half = float(half_sides[half_sides > 0.0].min(initial=np.inf))
    return min(16.0 * gamma * domain.norm_bound, 2.0 * share * least_half)
