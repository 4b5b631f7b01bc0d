"""reducednet: ReLU and binary networks in a reduced parameter space.

Every neuron's weights on the unit sphere, its threshold in a bounded interval: the space of
T. Qin, L. Zhou, D. Xiu, *Reducing Parameter Space for Neural Network Training*, arXiv 1805.08340
(Theoretical & Applied Mechanics Letters 10, 2020), cited as [QZX]. In docstrings, THEORY is
this project's file THEORY.md, and PROOFS its docs/rounding-and-proofs.md.

Importing this package loads NumPy and nothing else that is slow to import: each name below is
loaded when it is first used. `README.md` in this folder says in which order to read the code.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOMES = {
    "Network": "networks.network",
    "ReducedNetwork": "reduced_space.reduced_network",
    "Feasibility": "reduced_space.reduced_network",
    "Box": "domains",
    "Ball": "domains",
    "Hull": "domains",
    "reduce": "reduced_space.reduction",
    "reduce_paper": "reduced_space.reduction",
    "reduction_report": "reduced_space.reduction",
    "expand": "networks.rescaling",
    "rescale": "networks.rescaling",
    "evaluation_bound": "reduced_space.rounding_error",
    "reduction_bound": "verification.reduction_bound",
    "decided": "reduced_space.rounding_error",
    "canonical_form": "canonical.canonical_form",
    "CanonicalForm": "canonical.canonical_form",
    "minimal_form": "canonical.minimal_form",
    "MinimalForm": "canonical.minimal_form",
    "StandardSpace": "reduced_space.spaces",
    "ReducedSpace": "reduced_space.spaces",
    "loss_and_gradient": "training.gradients",
    "jacobian": "training.gradients",
    "check_gradient": "training.gradients",
    "verify": "verification.verify",
    "Verdict": "verification.verdict",
    "Certificate": "verification.certificates.certificate",
    "stable_neurons": "verification.stable_neurons",
    "StableNeurons": "verification.stable_neurons",
    "train": "training.train",
    "TrainingResult": "training.result",
    "training_limit": "training.global_optima.training_limit",
    "TrainingLimit": "training.global_optima.limits",
    "fit_exact": "training.global_optima.fit_exact",
    "neurons_needed": "training.global_optima.neurons_needed",
    "fit_convex": "training.global_optima.fit_convex",
    "optimality_gap": "training.global_optima.fit_convex",
    "OptimalityProof": "training.global_optima.optimality",
    "compress": "compression.compress",
    "CompressionReport": "compression.report",
    "compare": "experiments.compare",
    "Method": "experiments.methods",
    "Study": "experiments.study",
    "sin4pi_demo": "experiments.demo",
    "ReducedRegressor": "estimators.estimators",
    "ReducedClassifier": "estimators.estimators",
    "save": "files.save_load",
    "load": "files.save_load",
    "load_box": "files.save_load",
    "from_sklearn": "convert.from_sklearn",
    "from_torch": "convert.from_torch",
    "to_torch": "convert.from_torch",
    "from_keras": "convert.from_keras",
}
"""The room of each public name."""
_MODULES = {
    "activations": "networks.activations",
    "losses": "networks.losses",
    "plotting": "plotting",
    "sphere": "numerics.sphere",
    "targets": "experiments.targets",
}
"""The room of each public module."""

__all__ = ["__version__", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from . import plotting as plotting
    from .canonical.canonical_form import CanonicalForm as CanonicalForm
    from .canonical.canonical_form import canonical_form as canonical_form
    from .canonical.minimal_form import MinimalForm as MinimalForm
    from .canonical.minimal_form import minimal_form as minimal_form
    from .compression.compress import compress as compress
    from .compression.report import CompressionReport as CompressionReport
    from .convert.from_keras import from_keras as from_keras
    from .convert.from_sklearn import from_sklearn as from_sklearn
    from .convert.from_torch import from_torch as from_torch
    from .convert.from_torch import to_torch as to_torch
    from .domains import Ball as Ball
    from .domains import Box as Box
    from .domains import Hull as Hull
    from .estimators.estimators import ReducedClassifier as ReducedClassifier
    from .estimators.estimators import ReducedRegressor as ReducedRegressor
    from .experiments import targets as targets
    from .experiments.compare import compare as compare
    from .experiments.demo import sin4pi_demo as sin4pi_demo
    from .experiments.methods import Method as Method
    from .experiments.study import Study as Study
    from .files.save_load import load as load
    from .files.save_load import load_box as load_box
    from .files.save_load import save as save
    from .networks import activations as activations
    from .networks import losses as losses
    from .networks.network import Network as Network
    from .networks.rescaling import expand as expand
    from .networks.rescaling import rescale as rescale
    from .numerics import sphere as sphere
    from .reduced_space.reduced_network import Feasibility as Feasibility
    from .reduced_space.reduced_network import ReducedNetwork as ReducedNetwork
    from .reduced_space.reduction import reduce as reduce
    from .reduced_space.reduction import reduce_paper as reduce_paper
    from .reduced_space.reduction import reduction_report as reduction_report
    from .reduced_space.rounding_error import decided as decided
    from .reduced_space.rounding_error import evaluation_bound as evaluation_bound
    from .reduced_space.spaces import ReducedSpace as ReducedSpace
    from .reduced_space.spaces import StandardSpace as StandardSpace
    from .training.global_optima.fit_exact import fit_exact as fit_exact
    from .training.global_optima.limits import TrainingLimit as TrainingLimit
    from .training.global_optima.neurons_needed import neurons_needed as neurons_needed
    from .training.global_optima.training_limit import training_limit as training_limit
    from .training.global_optima.fit_convex import fit_convex as fit_convex
    from .training.global_optima.fit_convex import optimality_gap as optimality_gap
    from .training.global_optima.optimality import OptimalityProof as OptimalityProof
    from .training.gradients import check_gradient as check_gradient
    from .training.gradients import jacobian as jacobian
    from .training.gradients import loss_and_gradient as loss_and_gradient
    from .training.result import TrainingResult as TrainingResult
    from .training.train import train as train
    from .verification.certificates.certificate import Certificate as Certificate
    from .verification.reduction_bound import reduction_bound as reduction_bound
    from .verification.stable_neurons import StableNeurons as StableNeurons
    from .verification.stable_neurons import stable_neurons as stable_neurons
    from .verification.verdict import Verdict as Verdict
    from .verification.verify import verify as verify


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{_MODULES[name]}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
