"""Define weight decay in both spaces: a penalty on the weights that is added to the loss.

For a standard network it is that of most libraries, without thresholds and output bias,

    strength / 2 (|W_1|^2 + ... + |W_L|^2 + |C|^2).

ReLU neurons may be rescaled, (w, b, c) -> (t w, t b, c / t), without changing the function. With
one hidden layer the best scaling makes both norms of a neuron equal, by the inequality of the
arithmetic and the geometric mean, 1/2 (t^2 |w|^2 + |c|^2 / t^2) >= |w| |c|. In the reduced space,
where |w_j| = 1, the penalty is therefore

    strength sum_j |c_j|,   c_j the outgoing weights of neuron j:

both problems have the same least value and the same functions as solutions. In deeper networks all
hidden rows have norm 1 as well, and the same penalty is taken, but it is not what the best scaling
of weight decay would give.

References: docs/global-optima.md, section 7.
"""
from __future__ import annotations

import numpy as np

from .._validation import Array
from ..networks.parameters import Layout


class WeightDecay:
    """The penalty of networks of one shape, as a function of the flat vector.

    Parameters
    ----------
    layout : Layout
        The shape of the networks.
    strength : float
        At least 0.
    unit_rows : bool
        True if the networks lie in the reduced space.

    Examples
    --------
    >>> from reducednet.networks.network import Network
    >>> net = Network([[[3.0]]], [[0.0]], [[4.0]])
    >>> float(WeightDecay(net.layout, 1.0, unit_rows=False).value(net.to_vector()))
    12.5
    """

    def __init__(self, layout: Layout, strength: float, unit_rows: bool) -> None:
        self.strength, self._layout, self._unit_rows = strength, layout, unit_rows

    def value(self, vector: Array) -> float:
        """Return the penalty at this vector."""
        if self._unit_rows:
            total = np.linalg.norm(self._weights(vector)[-1], axis=1).sum()
        else:
            total = sum(np.vdot(W, W) for W in self._weights(vector)) / 2.0
        return self.strength * float(total)

    def add_gradient(self, vector: Array, gradient: Array) -> None:
        """Add the penalty's gradient; at c_j = 0, where |c_j| has none, the subgradient 0."""
        weights, gradients = self._weights(vector), self._weights(gradient)
        if self._unit_rows:
            norms = np.linalg.norm(weights[-1], axis=1, keepdims=True)
            gradients[-1] += self.strength * weights[-1] / np.where(norms > 0.0, norms, 1.0)
        else:
            for W, by_weights in zip(weights, gradients):
                by_weights += self.strength * W

    def _weights(self, vector: Array) -> list[Array]:
        """Return the weights of each layer, one row for each neuron below, as views.

        A block's last row has the thresholds, or the output bias, which the penalty leaves out.
        """
        sizes = self._layout.sizes
        return [block[:n] for block, n in zip(self._layout.blocks(vector), sizes)]
