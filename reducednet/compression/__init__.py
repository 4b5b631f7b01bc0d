"""Smaller networks with the same function, and the proof of that."""
from .report import CompressionReport
from .run import compress

__all__ = ["CompressionReport", "compress"]
