"""Watch a training run: history, best network so far, callbacks, early stopping, progress bar."""
from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

import numpy as np

from .._validation import Array
from ..networks.network import Network
from .objective import Objective
from .result import TrainingResult


class StopTraining(Exception):
    """Ends a run early; its text becomes the result's message."""


class NotFinite(StopTraining):
    """The loss or its gradient left the range of float64."""

    def __init__(self) -> None:
        super().__init__("stopped: the loss is not finite")


class State:
    """The run after a step, as a callback sees it.

    Attributes
    ----------
    step : int
    loss, validation_loss, gradient_norm : float
        nan if not available.
    network : Network
        The network after this step.
    """

    def __init__(self, step: int, loss: float, validation_loss: float, gradient_norm: float,
                 make_network: Callable[[], Network]) -> None:
        self.step, self.loss = step, loss
        self.validation_loss, self.gradient_norm = validation_loss, gradient_norm
        self._make_network = make_network

    @property
    def network(self) -> Network:
        """The network after this step."""
        return self._make_network()


class Monitor:
    """Record a run and keep its best network: by validation loss if there is one, else by loss.

    Parameters
    ----------
    network : Network
        The start, which also gives the shape of the flat vectors.
    objective : Objective
    validation : Objective, optional
    callback : callable, optional
        Called with a `State` after each recorded step; the run ends if it returns a true value.
    patience : int, optional
        End the run after this many records without a smaller validation loss (or loss, if there is
        no validation).
    record_every : int
        Steps between records; the start and the last step are always recorded.
    earlier : TrainingResult, optional
        The run to continue; its history is extended.
    """

    COLUMNS = ("step", "loss", "validation_loss", "gradient_norm", "dead", "always_on", "seconds")

    def __init__(
        self, network: Network, objective: Objective, validation: Objective | None = None,
        callback: Callable[[State], Any] | None = None, patience: int | None = None,
        record_every: int = 1, earlier: TrainingResult | None = None,
    ) -> None:
        self.network, self.objective, self.validation = network, objective, validation
        self.callback, self.patience, self.record_every = callback, patience, record_every
        self.step = -1
        self.rows: list[tuple[float, ...]] = []
        self.best_value, self.best_vector, self.best_record = np.inf, network.to_vector(), 0
        self.state: dict[str, Any] = {}
        self.began = time.perf_counter()
        self.on_step: Callable[[int], Any] = lambda step: None
        # step, vector, loss, norm and whether it was skipped, of a step not yet in the history; a
        # NamedTuple here would cost 5 % of a step of Adam on 1-20-1 with 200 samples
        self._pending: tuple[int, Array, float, float, bool] | None = None
        self._earlier: list[tuple[float, ...]] = []
        if earlier is not None:
            self._continue_history(earlier)

    def _continue_history(self, earlier: TrainingResult) -> None:
        """Continue an earlier run's history; its last record is the start of this run.

        Patience counts from the earlier run's best record, unless it has run out since then.
        """
        if not len(earlier.history["step"]):
            return
        columns = [earlier.history.get(name, np.full(len(earlier.history["step"]), np.nan))
                   for name in self.COLUMNS]
        self.rows = [tuple(float(value) for value in row) for row in zip(*columns)]
        last = self.rows.pop()
        self._earlier = [last]
        self.step, self.began = int(last[0]) - 1, time.perf_counter() - last[-1]
        if self.validation is None:
            # as optimisers compute the loss that they record: `value` may differ in its last bits
            self.best_value = self.objective(self.best_vector)[0]
        else:
            self.best_value = self.validation.value(self.best_vector)
        self.best_record = len(self.rows)
        criterion = "loss" if self.validation is None else "validation_loss"
        losses = earlier.history.get(criterion, np.empty(0))
        if len(losses) and self.patience is not None and np.isfinite(losses).any():
            best = int(np.nanargmin(losses))
            if len(self.rows) - best < self.patience:
                self.best_record = best

    def record(self, vector: Array, loss: float, gradient_norm: float = np.nan) -> None:
        """Record the network with this flat vector, reached by one more step.

        The first call records the start. The vector is kept: it must not change afterwards.

        Raises
        ------
        StopTraining
            If the loss is not finite, the callback returns a true value or patience has run out.
        """
        if not math.isfinite(loss):
            raise NotFinite
        step = self.step + 1
        skipped = step % self.record_every != 0 and bool(self.rows)
        self._pending = step, vector, loss, gradient_norm, skipped
        self.step, self._earlier = step, []
        self.on_step(step)
        if not skipped:
            self._write()

    def flush(self) -> None:
        """Record the last step if it was skipped, or if an interrupt came while it was recorded.

        The loss of a skipped step may be that of a batch: the loss of all samples is recorded.
        """
        if self._pending is not None:
            step, vector, loss, gradient_norm, skipped = self._pending
            self.step, self._earlier = step, []
            if skipped:
                loss = self.objective(vector)[0]
                self._pending = step, vector, loss, gradient_norm, skipped
            if math.isfinite(loss):
                self._write(call_back=skipped)

    def _write(self, call_back: bool = True) -> None:
        """Record the pending step, but not twice if it is in the history already."""
        assert self._pending is not None
        step, vector, loss, gradient_norm, _ = self._pending
        validation_loss = np.nan if self.validation is None else self.validation.value(vector)
        if not self.rows or self.rows[-1][0] != step:
            dead, always_on = self.objective.count_stable(vector)
            seconds = time.perf_counter() - self.began
            self.rows.append((step, loss, validation_loss, gradient_norm, dead, always_on, seconds))
        criterion = loss if self.validation is None else validation_loss
        if criterion < self.best_value:
            self.best_vector, self.best_value, self.best_record = vector, criterion, len(self.rows) - 1
        self._pending = None
        if self.callback is not None and call_back:
            state = State(step, loss, validation_loss, gradient_norm,
                          lambda: self.network.with_vector(vector))
            if self.callback(state):
                raise StopTraining("stopped by the callback")
        if self.patience is not None and len(self.rows) - 1 - self.best_record >= self.patience:
            raise StopTraining(f"stopped early: no better loss in {self.patience} records")

    def _record_start(self) -> None:
        """Record the start of a run that ended before it recorded anything."""
        vector = self.network.to_vector()
        validation_loss = np.nan if self.validation is None else self.validation.value(vector)
        dead, always_on = self.objective.count_stable(vector)
        seconds = time.perf_counter() - self.began
        loss = self.objective.value(vector)
        self.rows.append((0, loss, validation_loss, np.nan, dead, always_on, seconds))

    def result(self, converged: bool, message: str) -> TrainingResult:
        """Return the finished run."""
        if not (self.rows or self._earlier):
            self._record_start()
        columns = np.array(self.rows + self._earlier, dtype=float).reshape(-1, len(self.COLUMNS)).T
        history: Any = {name: column for name, column in zip(self.COLUMNS, columns)}
        if self.validation is None:
            del history["validation_loss"]
        for column in history.values():
            column.setflags(write=False)
        best = self.network.with_vector(self.best_vector)
        return TrainingResult(best, MappingProxyType(history), converged, message, self.state)


@contextmanager
def progress_bar(total: int, show: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of steps done; it shows nothing unless `show`."""
    if not show or sys.stderr is None:
        yield lambda done: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield _plain_line(total)
        _write_to_stderr("\n")
        return
    with tqdm(total=total, unit="step") as shown:
        yield lambda done: shown.update(done - shown.n)


def _plain_line(total: int) -> Callable[[int], None]:
    """Return a function that rewrites one line on stderr, about a hundred times in all."""
    every = max(total // 100, 1)

    def update(done: int) -> None:
        if done % every == 0 or done == total:
            _write_to_stderr(f"\rstep {done} of at most {total}")

    return update


def _write_to_stderr(text: str) -> None:
    """Write to stderr; a closed terminal does not end the run."""
    with suppress(OSError, ValueError):
        print(text, end="", file=sys.stderr, flush=True)
