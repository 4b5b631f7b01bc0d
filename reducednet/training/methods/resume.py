"""What lets a run go on where an earlier one stopped: the states that optimisers leave.

A state holds an optimiser's own numbers after its last whole step, so that n steps and m more are
n + m steps bit for bit. scipy's methods keep theirs to themselves: their state is where they began
and how many steps they made, and a run that goes on makes those steps again.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..._validation import Array, message
from ...networks.network import Network
from ..monitor import Monitor
from ..objective import Objective

SAME = 1e-9
"""Losses of the same network at the same samples agree to this share of them on any machine."""


def state_for(objective: Objective, state: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the state, or None if its loss is not that of the objective: it is of other samples."""
    if state is None:
        return None
    loss = objective.value(state["vector"])
    return state if abs(loss - state["loss"]) <= SAME * state["loss"] else None


def restored(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator in the state that an earlier one left.

    Raises
    ------
    ValueError
        If it is no bit generator of NumPy.
    """
    name = state["bit_generator"]
    kind = getattr(np.random, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, np.random.BitGenerator)):
        raise ValueError(message("state['rng']", "that of a bit generator of NumPy", repr(name)))
    bits = kind(0)
    bits.state = dict(state)
    return np.random.Generator(bits)


class Replay:
    """The steps of an earlier run, made again without being recorded.

    Parameters
    ----------
    method : str
    network : Network
        Where the optimiser begins, unless there is a state.
    objective : Objective
    monitor : Monitor
        It gets the state: where the optimiser began and how many steps are recorded.
    state : dict, optional
        What an earlier run left.

    Attributes
    ----------
    start : Network
        Where the optimiser begins.
    done : int
        How many steps are made again.
    """

    def __init__(self, method: str, network: Network, objective: Objective, monitor: Monitor,
                 state: Mapping[str, Any] | None) -> None:
        state = state_for(objective, state)
        self.monitor, self.step = monitor, -1
        self.start = network if state is None else network.with_vector(state["vector"])
        self.done = 0 if state is None else int(state["n_steps"])
        vector = self.start.to_vector()
        self._state = {"method": method, "vector": vector, "loss": objective.value(vector)}

    def record(self, point: Callable[[], tuple[Array, float]]) -> None:
        """Count a step, the start first; have the monitor record (vector, loss) of a new one."""
        self.step += 1
        if self.step >= self.done:
            self.monitor.record(*point(), state={**self._state, "n_steps": self.step})
