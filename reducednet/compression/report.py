"""Report which neurons a compression removed, with the proof that the function stayed."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..numerics.records import record
from ..verification.certificates.certificate import Certificate


@record
class CompressionReport(NamedTuple):
    """The neurons that a compression removed, by layer, and the proof that the function stayed.

    Attributes
    ----------
    dead, folded, merged, unused : tuples of integer arrays, one for each hidden layer
        Indices of neurons of the given network; no neuron is in two of them. Dead neurons are 0 on
        the domain. Folded ones are always on, thus affine (binary: 1), and absorbed by the next
        layer. Merged ones lie on the hyperplane of another neuron, which took over their outgoing
        weights. No output depends on unused ones.
    excluded : int
        The number of exclusive pairs: of two neurons, one above the other, that are never on
        together, so that the upper one need not depend on the lower.
    sizes_before, sizes_after : tuples of int
        (n_inputs, n_1, ..., n_outputs)
    parameters_before, parameters_after : int
    bound : float
        Proved: |network - small| <= bound for each output on the domain, in real arithmetic.
    certificate : Certificate
        ``certificate.check(network, small, domain)`` checks the proof again.
    """

    dead: tuple[np.ndarray, ...]
    folded: tuple[np.ndarray, ...]
    merged: tuple[np.ndarray, ...]
    unused: tuple[np.ndarray, ...]
    excluded: int
    sizes_before: tuple[int, ...]
    sizes_after: tuple[int, ...]
    parameters_before: int
    parameters_after: int
    bound: float
    certificate: Certificate

    @property
    def neurons_before(self) -> int:
        """The number of hidden neurons of the given network."""
        return sum(self.sizes_before[1:-1])

    @property
    def neurons_after(self) -> int:
        """The number of hidden neurons of the smaller network."""
        return sum(self.sizes_after[1:-1])

    @property
    def saved(self) -> float:
        """The share of the neurons that were removed."""
        return 1.0 - self.neurons_after / self.neurons_before

    def __repr__(self) -> str:
        counts = {
            "dead": self.dead, "always on": self.folded,
            "merged": self.merged, "unused": self.unused,
        }
        found = ", ".join(f"{sum(map(len, own))} {word}" for word, own in counts.items())
        before = "-".join(map(str, self.sizes_before))
        after = "-".join(map(str, self.sizes_after))
        return (f"CompressionReport({before} -> {after}, "
                f"{self.neurons_before} -> {self.neurons_after} neurons, "
                f"{self.parameters_before} -> {self.parameters_after} parameters: {found}; "
                f"|difference| <= {self.bound:.2g})")
