"""Animate training: the function and its neurons, step by step."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import number, samples
from ..domains import Domain
from ..files.archives import checked_path, write_whole
from ..networks.network import Network
from .functions import interval, network as draw_network
from .neurons import neurons as draw_neurons
from .orbits import networks_of_one_kind
from .regions import regions

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation


def animate(
    networks: Sequence[Network], domain: Domain | None = None, X: Any = None, y: Any = None, *,
    seconds: float = 0.1, path: str | os.PathLike[str] | None = None,
) -> FuncAnimation:
    """Return an animation of networks: the function on the left, the thresholds on the right.

    Collect the networks while you train, with the callback
    ``lambda state: networks.append(state.network)``. A function of two inputs is shown by its
    regions.

    Parameters
    ----------
    networks : sequence of Network or ReducedNetwork
        Of one or two inputs, all of the same sizes; one frame each.
    domain : Box, Ball or Hull, optional
        By default that of the first network, if it is reduced.
    X : array (n_samples, n_inputs), optional
    y : array (n_samples,), optional
        Samples to draw as well, if there is one input.
    seconds : float
        How long a frame is shown.
    path : str or os.PathLike, optional
        File to write, whole or not at all: a name that ends in .gif or .html.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Its ``to_jshtml()`` shows it in a notebook. Its figure does not belong to pyplot.

    Raises
    ------
    TypeError, ValueError
        If there is no network, their sizes differ, they have more than two inputs, or the ending is
        unknown.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from reducednet.domains import Box
    >>> from reducednet.reduced_space.reduced_network import ReducedNetwork
    >>> films = [ReducedNetwork.random((1, 5, 1), Box(0, 1), rng=seed) for seed in range(2)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     film = animate(films, path=f"{folder}/film.gif")
    ...     os.listdir(folder)
    ['film.gif']
    """
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

    networks, domain = networks_of_one_kind(networks, domain)
    first = networks[0]
    name, ending = (None, "") if path is None else checked_path(path, (".gif", ".html"))
    data = None if X is None else (samples(X, first.n_inputs, allow_empty=True)[:, 0], np.ravel(y))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    limits = _limits(networks, domain, data) if first.n_inputs == 1 else None

    def draw(frame: int) -> list[Any]:
        for panel in (left, right):
            panel.clear()
        if limits is None:
            regions(networks[frame], domain, left)
        else:
            if data is not None:
                left.plot(*data, linestyle="", marker=".", color="0.7", label="samples")
            draw_network(networks[frame], domain, left)
            left.set_ylim(*limits)
        draw_neurons(networks[frame], domain, right)
        right.legend(loc="upper right", fontsize="x-small")
        figure.suptitle(f"{frame + 1} of {len(networks)}")
        return []

    pause = max(1, round(1000.0 * number(seconds, "seconds", above=0.0)))
    film = FuncAnimation(figure, draw, frames=len(networks), interval=pause, init_func=lambda: [])
    if name is not None:
        _write(film, name, ending)
    return film


def _limits(networks: Sequence[Network], domain: Domain, data: Any) -> tuple[float, float]:
    """Return limits of the y axis that serve all frames."""
    x = np.linspace(*interval(domain), 101)[:, np.newaxis]
    values = np.concatenate([network(x).ravel() for network in networks] + ([] if data is None else [data[1]]))
    margin = 0.05 * float(np.ptp(values)) or 1.0
    return float(values.min()) - margin, float(values.max()) + margin


def _write(film: FuncAnimation, name: str, ending: str) -> None:
    if ending == ".html":
        return write_whole(name, film.to_jshtml().encode())
    with TemporaryDirectory() as folder:
        temporary = Path(folder, "film.gif")
        film.save(str(temporary), writer="pillow")
        write_whole(name, temporary.read_bytes())
