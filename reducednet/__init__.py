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

if TYPE_CHECKING:  # `Name as Name` says to type checkers that the name is public
    from . import (
        activations as activations, losses as losses, plotting as plotting, sphere as sphere,
        targets as targets,
    )
    from .canonical import CanonicalForm as CanonicalForm, canonical_form as canonical_form
    from .compression import CompressionReport as CompressionReport, compress as compress
    from .convert import (
        from_keras as from_keras, from_sklearn as from_sklearn, from_torch as from_torch,
        to_torch as to_torch,
    )
    from .demo import sin4pi_demo as sin4pi_demo
    from .domains import Ball as Ball, Box as Box, Hull as Hull
    from .error_bounds import (
        decided as decided, evaluation_bound as evaluation_bound,
        reduction_bound as reduction_bound,
    )
    from .estimators import (
        ReducedClassifier as ReducedClassifier, ReducedRegressor as ReducedRegressor,
    )
    from .files import load as load, load_box as load_box, save as save
    from .gradients import (
        check_gradient as check_gradient, jacobian as jacobian,
        loss_and_gradient as loss_and_gradient,
    )
    from .minimal import MinimalForm as MinimalForm, minimal_form as minimal_form
    from .networks import Network as Network
    from .orbit import expand as expand, rescale as rescale
    from .reduced_networks import Feasibility as Feasibility, ReducedNetwork as ReducedNetwork
    from .reduction import (
        reduce as reduce, reduce_paper as reduce_paper, reduction_report as reduction_report,
    )
    from .spaces import ReducedSpace as ReducedSpace, StandardSpace as StandardSpace
    from .studies import compare as compare
    from .study_record import Study as Study
    from .study_runs import Method as Method
    from .training import TrainingResult as TrainingResult, train as train
    from .verification import (
        Certificate as Certificate, StableNeurons as StableNeurons, Verdict as Verdict,
        stable_neurons as stable_neurons, verify as verify,
    )


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
