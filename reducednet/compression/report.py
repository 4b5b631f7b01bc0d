"""What a compression did, and its proof."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..numerics.records import record
from ..verification.certificates.certificate import Certificate


@record
class CompressionReport(NamedTuple):
    """What went from a network, layer by layer, and the proof that nothing changed.

    Attributes
    ----------
    dead, folded, merged, unused : tuples of integer arrays, one a hidden layer of the given network
        The neurons that are 0 on the domain; that are always on, where they are affine (binary: 1) and went into
        what follows; that lie on the hyperplane of another neuron, which took their part; and that no output
        depends on. Indices; no neuron is in two of them.
    excluded : int
        How often a neuron was found to be off wherever another is on that it depended on.
    sizes_before, sizes_after : tuples of int
        (n_inputs, n_1, ..., n_outputs)
    parameters_before, parameters_after : int
    bound : float
        |network - small| <= bound on the domain, every output, as functions of real numbers:
        proved.
    certificate : Certificate
        ``certificate.check(network, small, domain)`` goes through the proof again.
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
        """The share of the neurons that went."""
        return 1.0 - self.neurons_after / self.neurons_before

    def __repr__(self) -> str:
        counts = {"dead": self.dead, "always on": self.folded, "merged": self.merged, "unused": self.unused}
        found = ", ".join(f"{sum(map(len, own))} {word}" for word, own in counts.items())
        before, after = ("-".join(map(str, sizes)) for sizes in (self.sizes_before, self.sizes_after))
        return (f"CompressionReport({before} -> {after}, {self.neurons_before} -> {self.neurons_after} neurons, "
                f"{self.parameters_before} -> {self.parameters_after} parameters: {found}; "
                f"|difference| <= {self.bound:.2g})")
