"""Add equality, a hash, copies and pickles to records that hold arrays.

Python's own ``==`` of two records compares their arrays, which have no truth value, and its copies
of read-only arrays can be written to.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

Kind = TypeVar("Kind", bound=type)


def record(kind: Kind) -> Kind:
    """Add equality of all entries, a hash, copies and pickles to a class of records.

    The class is a NamedTuple, a dataclass, or has an `__init__` whose parameters bear the names of
    its attributes. If it defines `__eq__`, that stays. Numbers are equal if `==` says so, nan
    equals nan, and arrays are equal if their dtype, shape and all entries are. The constructor
    makes the copies; the arrays of a copied NamedTuple are made read-only.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> @record
    ... class Pair(NamedTuple):
    ...     first: np.ndarray
    ...     second: float
    >>> Pair(np.zeros(2), np.nan) == Pair(np.zeros(2), np.nan)
    True
    >>> Pair(np.zeros(2), 1.0) == Pair(np.ones(2), 1.0)
    False
    """
    own_equality = "__eq__" in vars(kind)
    for method in (__reduce__,) if own_equality else (__eq__, __ne__, __hash__, __reduce__):
        setattr(kind, method.__name__, method)
    return kind


def __eq__(self: Any, other: object) -> Any:
    """Return True if all entries are equal."""
    if isinstance(self, tuple):
        return isinstance(other, tuple) and key(tuple(self)) == key(tuple(other))
    if type(other) is not type(self):
        return NotImplemented
    return key(entries(self)) == key(entries(other))


def __ne__(self: Any, other: object) -> Any:
    """Return True if some entry differs."""
    equal = __eq__(self, other)
    return equal if equal is NotImplemented else not equal


def __hash__(self: Any) -> int:
    """Return a hash of all entries except mappings, whose values may not be hashable."""
    return hash(key([value for value in entries(self).values() if not isinstance(value, Mapping)]))


def __reduce__(self: Any) -> tuple[Any, ...]:
    """Return the call that rebuilds the record, for `copy` and `pickle`."""
    return _rebuild, (type(self), {name: _plain(value) for name, value in entries(self).items()})


def entries(value: Any) -> dict[str, Any]:
    """Return the entries of a record by name."""
    if isinstance(value, tuple):
        return dict(zip(type(value)._fields, value))  # type: ignore[attr-defined]
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(vars(value))


def key(value: Any) -> Any:
    """Return a key that is equal for equal values, and hashable unless it holds a mapping.

    Examples
    --------
    >>> key([np.array([0.0]), {"a": np.nan}]) == key((np.array([-0.0]), {"a": np.nan}))
    True
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return value.shape, key(value.ravel().tolist())
        value = value + 0.0 if value.dtype.kind == "f" else value  # -0.0 is 0.0
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return {name: key(entry) for name, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(map(key, value))
    if isinstance(value, partial):
        return value.func, key(value.args), key(value.keywords)
    return "nan" if isinstance(value, (float, np.floating)) and value != value else value


def read_only(value: Any) -> Any:
    """Return the value with read-only views of its arrays, also of those in tuples and mappings.

    Examples
    --------
    >>> array = np.zeros(2)
    >>> read_only((array,))[0].flags.writeable, array.flags.writeable
    (False, True)
    """
    if isinstance(value, np.ndarray):
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, Mapping):
        return MappingProxyType({name: read_only(entry) for name, entry in value.items()})
    return tuple(map(read_only, value)) if type(value) is tuple else value


def _plain(value: Any) -> Any:
    """Return a dict in place of a read-only mapping, which cannot be pickled."""
    if isinstance(value, MappingProxyType):
        return {name: _plain(entry) for name, entry in value.items()}
    return value


def _rebuild(kind: type, values: dict[str, Any]) -> Any:
    if issubclass(kind, tuple):
        values = {name: read_only(value) for name, value in values.items()}
    return kind(**values)
