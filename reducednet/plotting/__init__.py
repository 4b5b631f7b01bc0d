"""Draw networks, neurons, training runs and studies into `ax` (new if None), which is returned.

Nothing is shown or saved. Without an `ax`, pyplot makes a figure, which a notebook displays; with
an `ax`, pyplot is not loaded. The colours are Okabe and Ito's, which colour-blind readers can tell
apart, and each series has a line style, a marker or a hatch of its own, so that a print in grey is
readable.

May import `experiments`, `compression` and the rooms below them.
"""
from .animation import animate
from .curves import comparison_figure, error_dots, error_histogram, fits, history, loss_curves
from .diagram import diagram
from .functions import difference, network, ramps
from .limits import training_limit
from .loss_slices import loss_slice
from .neurons import layers, neurons, sphere
from .orbits import orbit, tracks
from .regions import regions, surface
from .studies import study

__all__ = [
    "animate", "comparison_figure", "diagram", "difference", "error_dots", "error_histogram", "fits", "history",
    "layers", "loss_curves", "loss_slice", "network", "neurons", "orbit", "ramps", "regions", "sphere", "study",
    "surface", "tracks", "training_limit",
]
