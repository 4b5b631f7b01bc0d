"""Pictures. Each function draws into `ax` (a new one if None) and returns it; none shows or saves.

Where no `ax` is given, a figure of pyplot's is made, which a notebook shows by itself; with an `ax` pyplot is
not loaded. Colours are Okabe and Ito's, told apart by the colour-blind, and each series has a line style, a
marker or a hatch of its own, so that a print in grey can be read too.
"""
from .animation import animate
from .curves import comparison_figure, error_histogram, fits, history, loss_curves
from .functions import difference, network, regions
from .neurons import layers, neurons, sphere
from .studies import study

__all__ = [
    "animate", "comparison_figure", "difference", "error_histogram", "fits", "history", "layers", "loss_curves",
    "network", "neurons", "regions", "sphere", "study",
]
