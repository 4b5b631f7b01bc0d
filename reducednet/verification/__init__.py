"""Proving that two networks are the same function, or showing where they are not (THEORY, section 9)."""
from .certificates import Certificate, Check
from .folding import folded_certificate
from .run import verify
from .stability import StableNeurons, stable_neurons
from .verdict import Verdict

__all__ = ["Certificate", "Check", "StableNeurons", "Verdict", "folded_certificate", "stable_neurons", "verify"]
