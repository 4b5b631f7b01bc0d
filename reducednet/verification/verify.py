"""`verify`: are two networks the same function on a domain? The provers in turn, the cheapest first."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._validation import Array, choice, message, number
from ..domains import Domain
from ..error_bounds import evaluation_bound
from ..networks import Network, check_network
from ..orbit import rescale
from ..reduced_networks import check_domain
from . import branching, breakpoints, search
from .differences import Match, Matcher, difference
from .exact import ExactNetwork, above, gap_at
from .findings import Findings, OutOfTime, Question
from .forms import region_of
from .matching import TOLERANCES, no_match, same_hyperplanes, same_places
from .verdict import UNKNOWN, Verdict

SEMANTICS = ("real", "float64")
