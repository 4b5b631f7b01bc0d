"""Define a standard network, and the symbols used in the whole library.

=======  ====================  ==========================  =====================================
paper    code                  shape                       meaning
=======  ====================  ==========================  =====================================
x        ``X``                 (n_samples, n_inputs)       inputs
w_j      ``weights[l][j]``     (n_neurons, n_inputs)       a row of ``weights[l]`` is a neuron
b_j      ``thresholds[l][j]``  (n_neurons,)                threshold
c        ``output_weights``    (n_outputs, n_neurons)      outgoing weights, unrestricted
-        ``output_bias``       (n_outputs,) or None        None in the paper's networks
X_B      ``norm_bound``        float                       sup of |x| over the domain
I(w)     ``intervals[l]``      (n_neurons, 2)              allowed thresholds
=======  ====================  ==========================  =====================================

Inside functions: Z = pre-activations, H = activations, dW = gradients; l counts layers, j neurons.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from .._validation import (
    Array, RandomLike, choice, finite_result, flag, generator, instance, layer_sizes, real_array,
    same_inputs, samples,
)
from ..domains import Domain
from ..numerics import sphere
from . import forward
from .activations import activation_named
from .parameters import Layout, Parameters, pack


class Network(Parameters):
    """A feed-forward network with ReLU or binary activation.

    h^0 = x,   z^l = W^l h^(l-1) + b^l,   h^l = s(z^l),   N(x) = C h^L + a

    Parameters
    ----------
    weights : list of arrays (n_l, n_(l-1))
        One matrix for each hidden layer; a row is a neuron.
    thresholds : list of arrays (n_l,)
    output_weights : array (n_outputs, n_L)
    output_bias : array (n_outputs,), optional
        None for a network without output bias, as in the paper.
    activation : "relu" or "binary"

    Raises
    ------
    TypeError, ValueError
        If shapes do not match, an entry is not a finite real number or the activation is unknown.

    References
    ----------
    THEORY, section 1.

    Examples
    --------
    >>> net = Network([[[1.0], [-1.0]]], [[0.0, 0.0]], [[1.0, 1.0]])
    >>> net([[-3.0], [2.0]])
    array([[3.],
           [2.]])
    >>> net
    Network(1-2-1, relu, no output bias, 6 parameters)
    """

    def __init__(
        self, weights: Any, thresholds: Any, output_weights: Any, output_bias: Any = None,
        activation: str = "relu",
    ) -> None:
        kind = activation_named(activation)
        super().__init__(*pack(weights, thresholds, output_weights, output_bias))
        self._activation = kind

    @property
    def activation(self) -> str:
        """``"relu"`` or ``"binary"``."""
        return self._activation.name

    def __call__(self, X: Any) -> Array:
        """Return the outputs (n_samples, n_outputs) at the samples X (n_samples, n_inputs).

        Raises
        ------
        TypeError, ValueError
            If X has the wrong shape or is not finite, or an output leaves the range of float64.
        """
        H = forward.feature_first(samples(X, self.n_inputs, allow_empty=True))
        with np.errstate(over="ignore", invalid="ignore"):
            result = forward.outputs(self._layout, self._vector, H, self._activation)
        return finite_result(result, "the network's output")

    def pre_activations(self, X: Any) -> list[Array]:
        """Return Z^1 .. Z^L, each (n_samples, n_l), at the samples X (n_samples, n_inputs)."""
        H = forward.feature_first(samples(X, self.n_inputs, allow_empty=True))
        with np.errstate(over="ignore", invalid="ignore"):
            layers = forward.pre_activations(self._layout, self._vector, H, self._activation)
        return [finite_result(Z.T, "a pre-activation") for Z in layers]

    def with_vector(self, theta: Any) -> Self:
        """Return a copy of this network with its parameters taken from the flat vector theta."""
        theta = real_array(theta, "theta", (self.n_parameters,))
        return self._rebuild(Parameters(self._layout, theta))

    def _rebuild(self, parameters: Parameters) -> Self:
        return type(self)(**{**self._arguments(), **_arrays(parameters)})

    def _arguments(self) -> dict[str, Any]:
        return {**_arrays(self), "activation": self.activation}

    def __reduce__(self) -> tuple[Any, ...]:
        return _construct, (type(self), self._arguments())

    def __eq__(self, other: object) -> bool:
        """Return True if the other has the same type and the same parameters, bit for bit."""
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._key(), other._key()
        return mine == theirs

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return (self._layout, self.activation, (self._vector + 0.0).tobytes())

    @classmethod
    def random(
        cls, sizes: Iterable[int], rng: RandomLike = None, *, scheme: str = "normal",
        output_bias: bool = False, activation: str = "relu",
    ) -> Network:
        """Return a network with random parameters.

        Parameters
        ----------
        sizes : (n_inputs, n_1, ..., n_outputs)
        rng : None, int, Generator or SeedSequence
        scheme : str
            ``"normal"``: all parameters N(0, 1). ``"he"``: weights N(0, 2 / fan_in), thresholds and
            bias 0. ``"uniform"``: all parameters of a layer U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
        output_bias : bool
        activation : "relu" or "binary"

        Examples
        --------
        >>> Network.random((1, 20, 1), rng=0).n_parameters
        60
        """
        layout = Layout(layer_sizes(sizes), flag(output_bias, "output_bias"))
        draw = _SCHEMES[choice(scheme, "scheme", _SCHEMES)]
        kind, rng = activation_named(activation), generator(rng)
        vector = np.empty(layout.n_parameters)
        for block, n_inputs in zip(layout.blocks(vector), layout.sizes):
            block[...] = draw(rng, block.shape, n_inputs)
        return Network(**_arrays(Parameters(layout, vector)), activation=kind.name)

    def layer_table(self) -> list[dict[str, Any]]:
        """Return a table with one row for each layer: its sizes, row norms and thresholds."""
        rows = []
        maps = [*zip(self.weights, self.thresholds), (self.output_weights, self.output_bias)]
        for number, (W, b) in enumerate(maps, start=1):
            norms = sphere.row_norms(W)
            rows.append({
                "layer": str(number) if number < len(maps) else "outgoing",
                "neurons": len(W), "inputs": W.shape[1],
                "row norms": f"{norms.min():.4g} .. {norms.max():.4g}",
                "thresholds": "none" if b is None else f"{b.min():z.4g} .. {b.max():z.4g}",
            })
        return rows

    def _repr_html_(self) -> str:
        rows = self.layer_table()
        head = "".join(f"<th>{name}</th>" for name in rows[0])
        body = "".join(f"<tr>{''.join(f'<td>{value}</td>' for value in row.values())}</tr>" for row in rows)
        return f"<p>{self!r}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _describe(self) -> str:
        bias = "no output bias" if self.output_bias is None else "output bias"
        sizes = "-".join(map(str, self.sizes))
        return f"{sizes}, {self.activation}, {bias}, {self.n_parameters} parameters"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._describe()})"


def _draw_normal(rng: np.random.Generator, shape: tuple[int, int], n_inputs: int) -> Array:
    return rng.standard_normal(shape)


def _draw_he(rng: np.random.Generator, shape: tuple[int, int], n_inputs: int) -> Array:
    block = np.sqrt(2.0 / n_inputs) * rng.standard_normal(shape)
    block[n_inputs:] = 0.0
    return block


def _draw_uniform(rng: np.random.Generator, shape: tuple[int, int], n_inputs: int) -> Array:
    return rng.uniform(-1.0, 1.0, shape) / np.sqrt(n_inputs)


_SCHEMES = {"normal": _draw_normal, "he": _draw_he, "uniform": _draw_uniform}


def _arrays(parameters: Parameters) -> dict[str, Any]:
    return {
        "weights": parameters.weights, "thresholds": parameters.thresholds,
        "output_weights": parameters.output_weights, "output_bias": parameters.output_bias,
    }


def _construct(kind: type[Network], arguments: dict[str, Any]) -> Network:
    return kind(**arguments)


def check_network(value: Any, name: str = "network") -> Network:
    """Return the value if it is a Network; a ReducedNetwork is one."""
    network: Network = instance(value, name, Network, "a Network or ReducedNetwork")
    return network


def check_domain(network: Network, domain: Any) -> Domain:
    """Return the domain if it has the network's dimension."""
    checked: Domain = instance(domain, "domain", Domain, "a Box, Ball or Hull")
    same_inputs(network.n_inputs, checked.n_inputs)
    return checked
