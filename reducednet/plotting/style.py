"""Define the colours and line styles of all plots, and check their common arguments."""
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._validation import instance, message
from ..domains import Domain
from ..networks.network import Network, check_domain, check_network
from ..reduced_space.reduced_network import ReducedNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
HATCHES = ("", "//", "..", "xx", "\\\\", "++")
MARKERS = ("o", "s", "^", "D", "v", "P")


def axes(ax: Axes | None, projection: str | None = None) -> Axes:
    """Return the axes after a check, or for None those of a new pyplot figure.

    A notebook displays such a figure. If `ax` is given, pyplot is never loaded.

    Raises
    ------
    TypeError, ValueError
        If it is not an Axes, is in no figure, or is in a figure that pyplot has closed.
    """
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained", subplot_kw={"projection": projection})[1]
    figure = getattr(ax, "figure", None)
    if figure is None or not hasattr(ax, "plot"):
        raise TypeError(message("ax", "a matplotlib Axes that is in a figure, or None", repr(ax)))
    number, loaded = getattr(figure, "number", None), sys.modules.get("matplotlib.pyplot")
    if number is not None and loaded is not None and not loaded.fignum_exists(number):
        raise ValueError(message("ax", "an Axes of an open figure", f"one of the closed figure {number}"))
    if projection is not None and getattr(ax, "name", None) != projection:
        raise ValueError(message("ax", f"an Axes with projection={projection!r}", f"{ax.name!r}"))
    return ax


def labelled(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the dict by label; raise ValueError if it is empty."""
    instance(value, name, Mapping, "a dict by label")
    if not value:
        raise ValueError(message(name, "a dict of at least one group", "an empty one"))
    return value


def network_on_domain(
    network: Any, domain: Any, most: int | None, name: str = "network"
) -> tuple[Network, Domain]:
    """Return the network and the domain to draw: the given one, or that of a reduced network.

    most : the largest number of inputs that can be drawn; None: any number

    Raises
    ------
    TypeError, ValueError
        If the network has more than `most` inputs, or there is no domain.
    """
    network = check_network(network, name)
    if most is not None and network.n_inputs > most:
        raise ValueError(message(name, f"of at most {most} inputs to be drawn", f"{network.n_inputs}"))
    if domain is None:
        if not isinstance(network, ReducedNetwork):
            raise ValueError(message("domain", "given, for a standard network has none of its own", "None"))
        domain = network.domain
    return network, check_domain(network, domain)
