"""Training of networks in both spaces: one function `train`, one module an optimiser."""
from .result import TrainingResult
from .run import train

__all__ = ["TrainingResult", "train"]
