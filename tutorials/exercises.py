"""Let the checks of the notebooks answer in one line, whatever the answer is.

    @check
    def check_factor(factor):
        assert factor is not ..., "Write a number in place of the dots."
        assert factor != 4, "The factor has to undo the 4."
        return "Right: a quarter."

A check asserts what holds of a right answer; the message of the first assertion that fails is the
hint. It returns a sentence for a right answer.
"""
from __future__ import annotations

import reprlib
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


class Hint(AssertionError):
    """The answer to a wrong answer: Jupyter shows it as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows in place of a traceback."""
        return [f"Not yet. {self}"]


def check(function: Callable[..., str]) -> Callable[..., str]:
    """Return a check that raises only hints: for a wrong answer, and for one of another kind.

    A number of NumPy's is as good an answer as one of Python's.

    Examples
    --------
    >>> @check
    ... def check_sum(total):
    ...     assert total is not ..., "Write a number."
    ...     assert total > 3, "There are four terms."
    ...     return "Right."
    >>> check_sum(4)
    'Right.'
    >>> check_sum(np.int64(4))
    'Right.'
    >>> for answer in (..., 2, "four", None):
    ...     try:
    ...         check_sum(answer)
    ...     except Hint as hint:
    ...         print(hint)
    Write a number.
    There are four terms.
    'four' does not fit (TypeError: '>' not supported between instances of 'str' and 'int').
    None does not fit (TypeError: '>' not supported between instances of 'NoneType' and 'int').
    """
    @wraps(function)
    def checked(*answers: Any) -> str:
        answers = tuple(a.item() if isinstance(a, np.generic) else a for a in answers)
        try:
            return function(*answers)
        except AssertionError as error:
            hint = str(error)
        except Exception as error:  # an answer of another kind, or a function that fails
            shown = " and ".join(reprlib.repr(answer) for answer in answers)
            problem = str(error).split("\n")[0]
            hint = f"{shown} does not fit ({type(error).__name__}: {problem})."
        raise Hint(hint)

    return checked
