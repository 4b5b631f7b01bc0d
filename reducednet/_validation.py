"""Check arguments; a message names the argument, what was expected and what was given.

Public functions call these checks once. Private ones trust what they are given.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])
RandomLike = None | int | np.random.Generator | np.random.SeedSequence


def message(name: str, expected: str, got: object) -> str:
    """Return the message for an argument that is refused."""
    return f"`{name}` must be {expected}, got {got}"


def describe_shape(shape: Sequence[int | None | str]) -> str:
    """Return a shape as text; None stands for any length, a string for a named one."""
    parts = ["any" if length is None else str(length) for length in shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def real_array(
    value: Any, name: str, shape: Sequence[int | None | str] | None = None, allow_empty: bool = False,
    copy: bool = True,
) -> Array:
    """Return the value as a new float64 array of the given shape, with finite entries.

    Without `copy` it may be the value itself, in any memory order: for callers that copy it.

    In `shape` an integer is the length required; None or a word stands for any length, at least 1
    unless `allow_empty`.

    Raises
    ------
    TypeError
        If the entries are not real numbers (object, complex, text).
    ValueError
        If the shape differs, the array is empty or an entry is not finite.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(message(name, "a rectangular array", "rows of different lengths")) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(message(name, "an array of real numbers", f"dtype {array.dtype}"))
    if np.ma.is_masked(value):
        raise ValueError(message(name, "without masked entries", f"{np.ma.count_masked(value)} of them"))
    if shape is not None and not _matches(array.shape, shape):
        raise ValueError(message(name, f"of shape {describe_shape(shape)}", f"shape {array.shape}"))
    if array.size == 0 and not allow_empty:
        raise ValueError(message(name, "non-empty", f"shape {array.shape}"))
    with np.errstate(over="ignore", invalid="ignore"):  # converting a signalling nan is "invalid"
        if copy:
            array = np.array(array, dtype=np.float64, order="C")
        else:
            array = np.asarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        place = f"{array[index]} at index {index if len(index) != 1 else index[0]}"
        raise ValueError(message(name, "finite", place))
    return array


def _matches(shape: tuple[int, ...], expected: Sequence[int | None | str]) -> bool:
    return len(shape) == len(expected) and all(
        not isinstance(want, int) or have == want for have, want in zip(shape, expected)
    )


def samples(X: Any, n_inputs: int, name: str = "X", allow_empty: bool = False) -> Array:
    """Return X as an (n_samples, n_inputs) array, with at least one sample unless `allow_empty`."""
    return real_array(X, name, ("n_samples", n_inputs), allow_empty)


def responses(y: Any, n_samples: int, n_outputs: int, name: str = "y") -> Array:
    """Return real responses as an (n_samples, n_outputs) array; y may be a vector for one output."""
    array = real_array(y, name)
    if n_outputs == 1 and array.ndim == 1:
        array = array[:, np.newaxis]
    if array.shape != (n_samples, n_outputs):
        vector = f" or ({n_samples},)" if n_outputs == 1 else ""
        expected = f"of shape ({n_samples}, {n_outputs}){vector}"
        raise ValueError(message(name, expected, f"shape {np.shape(y)}"))
    return array


def class_labels(y: Any, n_samples: int, n_classes: int, name: str = "y") -> npt.NDArray[np.intp]:
    """Return class labels 0 .. n_classes - 1 as an (n_samples,) array of indices."""
    if n_classes < 2:
        raise ValueError(message("loss", "'mse' for a network of one output", "'cross_entropy'"))
    labels = real_array(y, name, (n_samples,))
    bad = (labels != np.floor(labels)) | (labels < 0) | (labels >= n_classes)
    if bad.any():
        raise ValueError(message(name, f"class labels from 0 to {n_classes - 1}", labels[bad][0]))
    return labels.astype(np.intp)


def weights_of_mean_one(value: Any, n_samples: int, name: str = "sample_weight") -> Array | None:
    """Return the sample weights divided by their mean, as an (n_samples,) array; None stays None.

    Equal weights also give None: they change nothing.
    """
    if value is None:
        return None
    array = real_array(value, name, (n_samples,))
    if (array < 0.0).any():
        raise ValueError(message(name, "at least 0", f"{array.min()} at index {int(array.argmin())}"))
    if not array.any():
        raise ValueError(message(name, "larger than 0 somewhere", "zeros only"))
    if (array == array[0]).all():
        return None
    array /= array.max()  # so that their sum is finite
    return array / array.mean()


def choice(value: Any, name: str, allowed: Iterable[str]) -> str:
    """Return the value if it is one of the allowed strings."""
    options = list(allowed)
    if not isinstance(value, str):
        raise TypeError(message(name, f"one of {options}", f"{type(value).__name__} {value!r}"))
    if value not in options:
        raise ValueError(message(name, f"one of {options}", repr(value)))
    return value


def integer(value: Any, name: str, minimum: int) -> int:
    """Return the value as an int that is at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(message(name, "an integer", f"{type(value).__name__} {value!r}"))
    if value < minimum:
        raise ValueError(message(name, f"at least {minimum}", int(value)))
    return int(value)


def number(value: Any, name: str, minimum: float = -np.inf, above: float = -np.inf) -> float:
    """Return the value as a finite float that is at least `minimum` and larger than `above`."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, complex, np.complexfloating)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(message(name, "a real number", f"{type(value).__name__} {value!r}"))
    try:
        result = float(value)
    except OverflowError:
        result = np.inf if value > 0 else -np.inf
    if not np.isfinite(result) or result < minimum or result <= above:
        limits = [f"at least {minimum}"] * (minimum > -np.inf) + [f"larger than {above}"] * (above > -np.inf)
        raise ValueError(message(name, " and ".join(["finite", *limits]), result))
    return result


def fraction(value: Any, name: str) -> float:
    """Return the value as a float that is at least 0 and below 1."""
    result = number(value, name, minimum=0.0)
    if result >= 1.0:
        raise ValueError(message(name, "below 1", result))
    return result


def flag(value: Any, name: str) -> bool:
    """Return the value if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(message(name, "True or False", f"{type(value).__name__} {value!r}"))
    return bool(value)


def layer_sizes(sizes: Any, name: str = "sizes") -> tuple[int, ...]:
    """Return (n_inputs, n_1, ..., n_outputs) with at least one hidden layer."""
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Iterable):
        raise TypeError(message(name, "(n_inputs, n_1, ..., n_outputs)", repr(sizes)))
    result = tuple(integer(size, f"{name}[{i}]", 1) for i, size in enumerate(sizes))
    if len(result) < 3:
        raise ValueError(message(name, "(n_inputs, n_1, ..., n_outputs) with a hidden layer", result))
    return result


def array_list(value: Any, name: str) -> list[Any]:
    """Return a non-empty list of arrays, one for each hidden layer."""
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise TypeError(message(name, "a list of arrays, one for each hidden layer", type(value).__name__))
    arrays = list(value)
    if not arrays:
        raise ValueError(message(name, "a list of at least one array", "an empty list"))
    return arrays


def instance(value: Any, name: str, kind: type | tuple[type, ...], expected: str) -> Any:
    """Return the value if it is an instance of the given kind."""
    if not isinstance(value, kind):
        raise TypeError(message(name, expected, f"{type(value).__name__}"))
    return value


def generator(rng: RandomLike, name: str = "rng") -> np.random.Generator:
    """Return a random generator: a new one from None, an int or a SeedSequence, or `rng` itself."""
    if isinstance(rng, np.random.Generator):
        return rng
    kinds = (int, np.integer, np.random.SeedSequence, type(None))
    if isinstance(rng, bool) or not isinstance(rng, kinds):
        expected = "None, an int, a numpy Generator or a SeedSequence"
        raise TypeError(message(name, expected, f"{type(rng).__name__} {rng!r}"))
    if isinstance(rng, (int, np.integer)) and rng < 0:
        raise ValueError(message(name, "a seed of at least 0", int(rng)))
    return np.random.default_rng(rng)


def same_inputs(n_inputs: int, domain_inputs: int) -> None:
    """Refuse a domain whose dimension is not the network's number of inputs."""
    if n_inputs != domain_inputs:
        expected = f"of dimension {n_inputs}, the network's number of inputs"
        raise ValueError(message("domain", expected, f"dimension {domain_inputs}"))


def finite_result(array: Array, what: str) -> Array:
    """Return the array; refuse one that left the range of float64."""
    if not np.isfinite(array).all():
        raise ValueError(f"{what} leaves the range of float64: the arguments are too large")
    return array


PROJECTS = {"sklearn": "scikit-learn"}
"""Libraries that pip installs under another name than Python imports."""


def library(name: str, purpose: str) -> Any:
    """Import an optional library and return it; the purpose is the subject of the error message."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # the library is installed, but something that it needs is not
        project = PROJECTS.get(name, name)
        raise ImportError(f"{purpose} needs {project}: pip install {project}") from error


def renamed(old: str, new: str) -> Callable[[Function], Function]:
    """Let a function accept an argument by its old name too, for one version, with a warning.

    Examples
    --------
    >>> @renamed("net", "network")
    ... def width(network):
    ...     return network.sizes[1]
    >>> import inspect
    >>> inspect.signature(width)
    <Signature (network)>
    """
    def decorate(function: Function) -> Function:
        name = function.__name__

        @wraps(function)
        def by_either_name(*args: Any, **options: Any) -> Any:
            if old in options:
                if new in options:
                    raise TypeError(message(old, f"left out, for it is `{new}`", "both"))
                warnings.warn(
                    f"`{old}` of `{name}` is now called `{new}`; the next version knows that name only",
                    DeprecationWarning, stacklevel=2)
                options[new] = options.pop(old)
            return function(*args, **options)

        return by_either_name  # type: ignore[return-value]

    return decorate
