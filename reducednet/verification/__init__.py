"""Proving that two networks are the same function, or showing where they are not (THEORY, section 9)."""
from .verdict import Verdict
from .run import verify

__all__ = ["Verdict", "verify"]
