"""Define the reduced network: unit rows, thresholds in I(w), and a domain (THEORY, section 3)."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .._validation import (
    Array, RandomLike, choice, flag, generator, instance, layer_sizes, same_inputs,
)
from ..domains import Domain
from ..networks.activations import activation_named
from ..networks.network import Network
from ..networks.parameters import Layout
from ..numerics import sphere
from .intervals import BOUNDS, LayerSpace, layer_spaces


class Feasibility(NamedTuple):
    """Whether a network lies in the reduced space and, if not, the first reason why.

    Its truth value is `ok`.
    """

    ok: bool
    reason: str

    def __bool__(self) -> bool:
        return self.ok


class ReducedNetwork(Network):
    """A network in the reduced parameter space of its domain: unit rows, thresholds in I(w).

    It is a standard network that knows its domain. Unit rows and thresholds inside their intervals
    are not enforced, but `feasibility` checks them, and what `reduce` and `random` return has them.

    Parameters
    ----------
    weights, thresholds, output_weights, output_bias, activation
        As for `Network`.
    domain : Domain
        The set of inputs, of the network's dimension.
    bound : "support" or "ball"
        Which intervals: from the range of w.x over the domain, or the paper's [-X_B, X_B].

    Attributes
    ----------
    domain : Domain
    bound : str
    intervals : tuple of arrays (n_l, 2)
        I(w) = [low, high] of each neuron.

    References
    ----------
    THEORY, section 3.

    Examples
    --------
    >>> from reducednet.domains import Box
    >>> red = ReducedNetwork([[[1.0], [-1.0]]], [[0.0, 2.0]], [[1.0, 1.0]], domain=Box(0, 1))
    >>> red.intervals[0].tolist()
    [[-1.0, 0.0], [0.0, 1.0]]
    >>> red.feasibility().reason
    'layer 1, neuron 1: threshold 2 lies outside [0, 1] by 1'
    """

    def __init__(
        self, weights: Any, thresholds: Any, output_weights: Any, output_bias: Any = None,
        activation: str = "relu", *, domain: Domain, bound: str = "support",
    ) -> None:
        super().__init__(weights, thresholds, output_weights, output_bias, activation)
        self._domain: Domain = instance(domain, "domain", Domain, "a Box, Ball or Hull")
        self._bound = choice(bound, "bound", BOUNDS)
        same_inputs(self.n_inputs, domain.n_inputs)

    @property
    def domain(self) -> Domain:
        """The set of inputs on which the network is to be used."""
        return self._domain

    @property
    def bound(self) -> str:
        """``"support"`` or ``"ball"``."""
        return self._bound

    @cached_property
    def layer_spaces(self) -> tuple[LayerSpace, ...]:
        """The reduced space of each hidden layer: its input set and its kind of interval."""
        first = LayerSpace(self._domain, self._activation, self._bound)
        return tuple(layer_spaces(first, self.weights, self.thresholds))

    @cached_property
    def intervals(self) -> tuple[Array, ...]:
        """I(w) = [low, high] of each neuron, one array (n_l, 2) for each hidden layer."""
        intervals = tuple(space.intervals(W) for space, W in zip(self.layer_spaces, self.weights))
        for interval in intervals:
            interval.setflags(write=False)
        return intervals

    @property
    def dimension(self) -> int:
        """The dimension of the reduced space: `n_parameters` minus one for each hidden neuron."""
        return self.n_parameters - sum(self.sizes[1:-1])

    def feasibility(self) -> Feasibility:
        """Check that rows are unit vectors and thresholds in their intervals, up to rounding error.

        Returns
        -------
        Feasibility(ok, reason)
            The reason names the first neuron at fault, and by how much.
        """
        layers = zip(self.weights, self.thresholds, self.intervals, self.layer_spaces)
        for number, (W, b, interval, space) in enumerate(layers, start=1):
            norms = sphere.row_norms(W)
            wrong = np.abs(norms - 1.0) > sphere.unit_tolerance(W.shape[1])
            if wrong.any():
                j = int(np.argmax(wrong))
                return Feasibility(False, f"layer {number}, neuron {j}: weights of norm {norms[j]:.17g}, not 1")
            outside = np.maximum(interval[:, 0] - b, b - interval[:, 1])
            wrong = outside > space.margin + 2.0 * space.rounding_error(W)
            if wrong.any():
                j = int(np.argmax(wrong))
                low, high = interval[j]
                return Feasibility(False, f"layer {number}, neuron {j}: threshold {b[j]:z.6g} lies outside "
                                          f"[{low:z.6g}, {high:z.6g}] by {outside[j]:.3g}")
        return Feasibility(True, "")

    @classmethod
    def random(  # type: ignore[override]
        cls, sizes: Iterable[int], domain: Domain, rng: RandomLike = None, *, bound: str = "support",
        output_bias: bool = False, activation: str = "relu",
    ) -> ReducedNetwork:
        """Return a random network, the natural start: every neuron's hyperplane meets the domain.

        First layer: w uniform on the sphere, -b uniform on the range of w.x over the domain.
        Deeper layers: w uniform on the sphere, the hyperplane through the image of a random point
        of the domain. Outgoing weights: N(0, 1 / n_L). Output bias: 0.

        Parameters
        ----------
        sizes : (n_inputs, n_1, ..., n_outputs)
        domain : Domain
        rng : None, int, Generator or SeedSequence
        bound : "support" or "ball"
        output_bias : bool
        activation : "relu" or "binary"

        Examples
        --------
        >>> from reducednet.domains import Box
        >>> ReducedNetwork.random((2, 40, 1), Box([0, 0], [1, 1]), rng=0).feasibility().ok
        True
        """
        layout = Layout(layer_sizes(sizes), flag(output_bias, "output_bias"))
        instance(domain, "domain", Domain, "a Box, Ball or Hull")
        same_inputs(layout.sizes[0], domain.n_inputs)
        kind, rng = activation_named(activation), generator(rng)
        space = LayerSpace(domain, kind, choice(bound, "bound", BOUNDS))
        layers: list[tuple[Array, Array]] = []
        for n_neurons in layout.sizes[1:-1]:
            W, b = natural_neurons(n_neurons, space, domain, layers, rng)
            layers.append((W, b))
            space = space.next_layer(W, b)
        weights, thresholds = zip(*layers)
        C = rng.standard_normal((layout.sizes[-1], layout.sizes[-2])) / np.sqrt(layout.sizes[-2])
        bias = np.zeros(len(C)) if output_bias else None
        return ReducedNetwork(weights, thresholds, C, bias, kind.name, domain=domain, bound=bound)

    def layer_table(self) -> list[dict[str, Any]]:
        """Return a table with one row for each layer, like `Network.layer_table`.

        Two more columns: the union of the intervals, and how many thresholds lie at an end.
        """
        rows = super().layer_table()
        for row, b, interval in zip(rows, self.thresholds, self.intervals):
            row["intervals"] = f"{interval[:, 0].min():z.4g} .. {interval[:, 1].max():z.4g}"
            row["at an end"] = int(((b <= interval[:, 0]) | (b >= interval[:, 1])).sum())
        rows[-1] |= {"intervals": "free", "at an end": ""}
        return rows

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "domain": self._domain, "bound": self._bound}

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self._domain, self._bound)

    def _describe(self) -> str:
        return f"{super()._describe()}, bound={self._bound!r}, {self._domain!r}"


def natural_neurons(
    n_neurons: int, space: LayerSpace, domain: Domain, layers: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return random unit rows and thresholds for a layer above the given ones.

    In the first layer -b is uniform on the range of w.x over the domain. In deeper layers only a
    loose bound of the range of w.h is known, so -b = w.h(x) for a random point x of the domain.

    Parameters
    ----------
    n_neurons : int
    space : LayerSpace
        The new layer's space; its intervals limit the thresholds.
    domain : Domain
        The network's domain.
    layers : list of (W, b)
        The layers below.

    Returns
    -------
    W : array (n_neurons, n_inputs)
    b : array (n_neurons,)
    """
    W = sphere.sample(n_neurons, space.domain.n_inputs, rng)
    if layers:
        H = domain.sample(n_neurons, rng)
        for V, c in layers:
            H = space.activation.value(H @ V.T + c)
        b = -np.einsum("ij,ij->i", W, H)
    else:
        t = rng.random(n_neurons)
        b = (1.0 - t) * -domain.support(W) + t * domain.support(-W)
    low, high = space.intervals(W).T
    return W, np.clip(b, low, high)
