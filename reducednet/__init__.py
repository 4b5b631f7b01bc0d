"""reducednet: ReLU and binary networks in a reduced parameter space.

Every neuron's weights on the unit sphere, its threshold in a bounded interval: the space of
T. Qin, L. Zhou, D. Xiu, *Reducing Parameter Space for Neural Network Training*, arXiv 1805.08340
(Theoretical & Applied Mechanics Letters 10, 2020), cited as [QZX]. THEORY in docstrings is the
file THEORY.md of this project.

Importing this package loads NumPy and nothing else of weight; every name below is loaded when it
is first used.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Network": "networks",
    "ReducedNetwork": "reduced_networks",
    "Feasibility": "reduced_networks",
    "Box": "domains",
    "Ball": "domains",
    "Hull": "domains",
    "reduce": "reduction",
    "reduce_paper": "reduction",
    "reduction_report": "reduction",
    "expand": "orbit",
    "rescale": "orbit",
    "evaluation_bound": "error_bounds",
    "reduction_bound": "error_bounds",
    "decided": "error_bounds",
    "canonical_form": "canonical",
    "CanonicalForm": "canonical",
    "minimal_form": "minimal",
    "MinimalForm": "minimal",
    "StandardSpace": "spaces",
    "ReducedSpace": "spaces",
    "loss_and_gradient": "gradients",
    "jacobian": "gradients",
    "check_gradient": "gradients",
    "verify": "verification",
    "Verdict": "verification",
    "Certificate": "verification",
    "stable_neurons": "verification",
    "StableNeurons": "verification",
    "train": "training",
    "TrainingResult": "training",
    "compress": "compression",
    "CompressionReport": "compression",
    "compare": "studies",
    "Method": "study_runs",
    "Study": "study_record",
    "sin4pi_demo": "demo",
    "ReducedRegressor": "estimators",
    "ReducedClassifier": "estimators",
    "save": "files",
    "load": "files",
    "load_box": "files",
    "from_sklearn": "convert",
    "from_torch": "convert",
    "to_torch": "convert",
    "from_keras": "convert",
}
_MODULES = ("activations", "losses", "plotting", "sphere", "targets")

__all__ = ["__version__", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from . import activations, losses, plotting, sphere, targets
    from .canonical import CanonicalForm, canonical_form
    from .compression import CompressionReport, compress
    from .convert import from_keras, from_sklearn, from_torch, to_torch
    from .demo import sin4pi_demo
    from .domains import Ball, Box, Hull
    from .error_bounds import decided, evaluation_bound, reduction_bound
    from .estimators import ReducedClassifier, ReducedRegressor
    from .files import load, load_box, save
    from .gradients import check_gradient, jacobian, loss_and_gradient
    from .minimal import MinimalForm, minimal_form
    from .networks import Network
    from .orbit import expand, rescale
    from .reduced_networks import Feasibility, ReducedNetwork
    from .reduction import reduce, reduce_paper, reduction_report
    from .spaces import ReducedSpace, StandardSpace
    from .studies import compare
    from .study_record import Study
    from .study_runs import Method
    from .training import TrainingResult, train
    from .verification import Certificate, StableNeurons, Verdict, stable_neurons, verify


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
