"""Continue a run where an earlier one stopped, from the state that its optimiser left.

A state holds an optimiser's internal numbers after its last complete step, so that n steps followed
by m more give the same bits as n + m steps. SciPy's methods do not give away theirs: their state is
the start and the number of steps, and a run that continues repeats those steps.
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
"""On any machine the losses of one network on the same samples agree to this relative precision."""


def matching_state(
    objective: Objective, state: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return the state, or None if it comes from other samples: its loss is not the objective's."""
    if state is None:
        return None
    loss = objective.value(state["vector"])
    return state if abs(loss - state["loss"]) <= SAME * state["loss"] else None


def restore_generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator in the state that an earlier one was left in.

    Raises
    ------
    ValueError
        If the state does not name a bit generator of NumPy.
    """
    name = state["bit_generator"]
    kind = getattr(np.random, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, np.random.BitGenerator)):
        raise ValueError(message("state['rng']", "that of a bit generator of NumPy", repr(name)))
    bits = kind(0)
    bits.state = dict(state)
    return np.random.Generator(bits)


class Replay:
    """Repeat the steps of an earlier run without recording them, and record those that follow.

    Parameters
    ----------
    method : str
    network : Network
        Where the optimiser starts if there is no state.
    objective : Objective
    monitor : Monitor
        Its state becomes the optimiser's start and the number of steps recorded.
    state : dict, optional
        What an earlier run left.

    Attributes
    ----------
    start : Network
        Where the optimiser starts.
    done : int
        How many steps are repeated.
    """

    def __init__(self, method: str, network: Network, objective: Objective, monitor: Monitor,
                 state: Mapping[str, Any] | None) -> None:
        state = matching_state(objective, state)
        self.monitor, self.step = monitor, -1
        self.start = network if state is None else network.with_vector(state["vector"])
        self.done = 0 if state is None else int(state["n_steps"])
        vector = self.start.to_vector()
        self._state = {"method": method, "vector": vector, "loss": objective.value(vector)}

    def record(self, point: Callable[[], tuple[Array, float]]) -> None:
        """Count a step, beginning with the start; record the (vector, loss) of a new one."""
        self.step += 1
        if self.step >= self.done:
            self.monitor.record(*point(), state={**self._state, "n_steps": self.step})
