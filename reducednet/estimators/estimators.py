"""Define a regressor and a classifier for scikit-learn, which need not be installed.

scikit-learn requires conventions of an estimator, not a base class: ``__init__`` stores parameters
unchanged, ``fit`` checks them, and the names of learnt attributes end in ``_``.
"""
from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

from .._validation import (
    Array, choice, flag, generator, instance, integer, library, message, number,
)
from ..domains import Domain, data_box
from ..networks.network import Network
from ..reduced_space.intervals import BOUNDS
from .fitting import (
    BATCH_SIZE, MANY_SAMPLES, Fit, Stream, Task, begin_stream, continue_stream, fit,
    kind_of,
)
from .inputs import (
    NotFittedError, check_feature_names, check_labels, check_responses, check_sample_weight,
    check_samples, encode, feature_names, sklearn_class,
)

FIT_METHODS = ("auto", "sgd", "adam", "lbfgs", "slsqp", "varpro", "exact")
SPACES = ("reduced", "standard")
ROUTED = ("fit", "partial_fit", "score")
"""The methods that take `sample_weight`."""
UNCHANGED = "$UNCHANGED$"
"""scikit-learn's value for a metadata request that stays as it is."""
FIT_STEPS = {"lbfgs": 300, "adam": 300, "sgd": 300, "varpro": 100, "slsqp": 100, "exact": 100}
STOCHASTIC = ("adam", "sgd")
WITH_ALPHA = ("lbfgs", "adam", "sgd", "slsqp")
TOL, N_ITER_NO_CHANGE = 1e-4, 10
"""scikit-learn's values: those of `tol` and `n_iter_no_change` where only the other one is given."""
MOST_EXACT = 2000
"""The most samples for which ``"auto"`` may be ``"exact"``, whose time grows as their square."""


class ReducedEstimator:
    """The common base of both estimators: parameters, the fit, and the network's outputs."""

    _estimator_type: str
    _loss: str
    _auto: str
    n_features_in_: int
    network_: Network

    def __init__(
        self, hidden_layer_sizes: Any = (20,), *, space: str = "reduced", bound: str = "support",
        method: str = "auto", n_steps: int | None = None, n_starts: int = 1, domain: Any = "data",
        random_state: Any = None, validation_fraction: float = 0.2, verbose: bool = False,
        alpha: float = 0.0, batch_size: Any = "auto", learning_rate_init: float = 0.01,
        max_iter: int | None = None, tol: float | None = None, n_iter_no_change: int | None = None,
        early_stopping: bool = False, warm_start: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.space = space
        self.bound = bound
        self.method = method
        self.n_steps = n_steps
        self.n_starts = n_starts
        self.domain = domain
        self.random_state = random_state
        self.validation_fraction = validation_fraction
        self.verbose = verbose
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.warm_start = warm_start

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` changes nothing, since none is an estimator."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in sorted(names)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name and return the estimator.

        Raises
        ------
        ValueError
            If there is no parameter of that name.
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}. "
                                 f"Valid parameters are: {list(known)!r}.")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {name: value for name, value in self.get_params().items()
                   if repr(value) != repr(defaults[name].default)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def _repr_html_(self) -> str | None:
        """Return scikit-learn's diagram for notebooks; None, that is the plain text, without it."""
        try:
            from sklearn import get_config
            from sklearn.utils import estimator_html_repr
        except ImportError:
            return None
        return str(estimator_html_repr(self)) if get_config()["display"] == "diagram" else None

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags; only scikit-learn calls this."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        regressor = self._estimator_type == "regressor"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True, multi_output=regressor),
            regressor_tags=RegressorTags() if regressor else None,
            classifier_tags=None if regressor else ClassifierTags(),
        )

    def get_metadata_routing(self) -> Any:
        """Return which metadata `fit` and `score` request, for scikit-learn's metadata routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
            A copy. `sample_weight` is None, neither requested nor refused, until `set_fit_request`,
            `set_partial_fit_request` or `set_score_request` has been called.
        """
        library("sklearn", "`get_metadata_routing`")
        from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

        # under this name, scikit-learn's `clone` copies it
        given = getattr(self, "_metadata_request", None)
        if given is not None:
            return get_routing_for_object(given)
        requests = MetadataRequest(owner=type(self).__name__)
        for method in ROUTED:
            getattr(requests, method).add_request(param="sample_weight", alias=None)
        if self._estimator_type == "classifier":
            requests.partial_fit.add_request(param="classes", alias=None)
        return requests

    def set_fit_request(self, *, sample_weight: bool | str | None = UNCHANGED) -> Self:
        """Set whether meta-estimators pass `sample_weight` to `fit`, and return the estimator.

        Parameters
        ----------
        sample_weight : bool, str or None
            True passes it on, False does not, None raises an error if it is given, and a str is the
            name under which the meta-estimator takes it. By default the request stays as it is.

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        return self._set_request("fit", sample_weight=sample_weight)

    def set_score_request(self, *, sample_weight: bool | str | None = UNCHANGED) -> Self:
        """Set whether meta-estimators pass `sample_weight` to `score`, like `set_fit_request`."""
        return self._set_request("score", sample_weight=sample_weight)

    def _set_request(self, method: str, **given: bool | str | None) -> Self:
        sklearn = library("sklearn", f"`set_{method}_request`")
        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(f"`set_{method}_request` works only with metadata routing: "
                               "sklearn.set_config(enable_metadata_routing=True) enables it")
        requests = self.get_metadata_routing()
        for name, alias in given.items():
            if alias != UNCHANGED:
                getattr(requests, method).add_request(param=name, alias=alias)
        self._metadata_request = requests
        return self

    def _checked_samples(self, X: Any, fitting: bool = False) -> Array:
        """Return X as an array; when fitting, record its features, otherwise check them."""
        name = type(self).__name__
        if not fitting and not hasattr(self, "network_"):
            raise sklearn_class(NotFittedError)(f"This {name} instance is not fitted yet: call `fit` first")
        names = feature_names(X)
        if not fitting:
            check_feature_names(names, getattr(self, "feature_names_in_", None), name)
            return check_samples(X, name, self.n_features_in_)
        array = check_samples(X, name)
        self.n_features_in_ = array.shape[1]
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return array

    def _fit(self, X: Array, Y: Array, n_outputs: int, weight: Array) -> None:
        """Train on checked samples and set the learnt attributes."""
        warm = flag(self.warm_start, "warm_start") and hasattr(self, "network_")
        start = self._network_to_continue(X, n_outputs) if warm else None
        task = self._task(X, Y, n_outputs, weight, self._domain(X), start)
        found = fit(task, _generator(self.random_state))
        self._stream: Stream | None = None
        self.loss_curve_, self.n_iter_ = found.loss_curve, found.n_steps
        self._set_fitted(found, task)

    def _partial_fit(self, X: Array, Y: Array, n_outputs: int, weight: Array) -> None:
        """Pass once over checked samples, in the units of the first ones, and set the attributes."""
        choice(self.method, "method", ("auto", *STOCHASTIC))
        if self.early_stopping:
            raise ValueError(message("early_stopping", "False for `partial_fit`, which makes one pass", True))
        fitted = hasattr(self, "network_")
        start = self._network_to_continue(X, n_outputs) if fitted else None
        domain = self._domain(X)
        if fitted and isinstance(self.domain, str):  # the box of all samples so far
            domain = data_box(np.vstack([X, *self.domain_.bounding_box()]))
        task = self._task(X, Y, n_outputs, weight, domain, start, one_pass=True)
        stream = getattr(self, "_stream", None)
        if stream is None or stream.kind != kind_of(task):
            stream = begin_stream(task, _generator(self.random_state))
        self._stream, found = continue_stream(stream, task)
        self.loss_curve_ = np.append(getattr(self, "loss_curve_", []), found.loss_curve)
        self.n_iter_ = getattr(self, "n_iter_", 0) + 1
        self._set_fitted(found, task)

    def _set_fitted(self, found: Fit, task: Task) -> None:
        """Set the learnt attributes that every kind of fit has."""
        self.network_, self.validation_curve_ = found.network, found.validation_curve
        self.loss_ = float(self.loss_curve_.min())
        self.domain_, self.n_outputs_ = task.domain, task.n_outputs

    def _network_to_continue(self, X: Array, n_outputs: int) -> Network:
        """Return the network of the last fit, which must have the same sizes."""
        sizes = (X.shape[1], *_layers(self.hidden_layer_sizes), n_outputs)
        if self.network_.sizes != sizes:
            raise ValueError(f"this {type(self).__name__} goes on from a network of sizes {self.network_.sizes}, "
                             f"got parameters and samples for {sizes}: fit a new estimator")
        return self.network_

    def _task(
        self, X: Array, Y: Array, n_outputs: int, weight: Array, domain: Domain,
        start: Network | None, one_pass: bool = False,
    ) -> Task:
        """Check the parameters and return them with the samples."""
        fraction = number(self.validation_fraction, "validation_fraction", minimum=0.0)
        if fraction > 0.5:
            raise ValueError(message("validation_fraction", "from 0 to 0.5", fraction))
        early_stopping = flag(self.early_stopping, "early_stopping")
        if early_stopping and not fraction:
            raise ValueError(message("validation_fraction", "above 0 with early_stopping=True", 0))
        layers, alpha = _layers(self.hidden_layer_sizes), number(self.alpha, "alpha", minimum=0.0)
        method = choice(self.method, "method", FIT_METHODS)
        if method == "auto":
            exact = self._loss == "mse" and X.shape[1] == len(layers) == 1 and not fraction
            small = len(X) <= MANY_SAMPLES and not one_pass
            method = self._auto if small else "adam"
            if exact and small and len(X) <= MOST_EXACT and not alpha:
                method = "exact"
        if alpha and method not in WITH_ALPHA:
            raise ValueError(message("alpha", f"0 with method={method!r}, which knows no penalty", alpha))
        return Task(
            X, Y, weight, self._loss, n_outputs, layers,
            domain, choice(self.bound, "bound", BOUNDS), choice(self.space, "space", SPACES),
            method, self._n_steps(method), integer(self.n_starts, "n_starts", 1),
            round(1.0 / fraction) if fraction else 0, flag(self.verbose, "verbose"), alpha,
            self._batch_size(), number(self.learning_rate_init, "learning_rate_init", above=0.0),
            self._stopping(early_stopping), early_stopping, start,
        )

    def _n_steps(self, method: str) -> int:
        """Return the limit of steps, which has two names."""
        if self.max_iter is None:
            return FIT_STEPS[method] if self.n_steps is None else integer(self.n_steps, "n_steps", 1)
        if self.n_steps is not None:
            raise ValueError(message("max_iter", "left out if `n_steps` is given: both are the limit of steps",
                                     f"{self.max_iter!r}, and n_steps={self.n_steps!r}"))
        return integer(self.max_iter, "max_iter", 1)

    def _batch_size(self) -> int:
        """Return the number of samples in a mini-batch."""
        if isinstance(self.batch_size, str):
            choice(self.batch_size, "batch_size", ("auto",))
            return BATCH_SIZE
        return integer(self.batch_size, "batch_size", 1)

    def _stopping(self, early_stopping: bool) -> tuple[float, int] | None:
        """Return (tol, n_iter_no_change) if scikit-learn's rule is asked for."""
        if self.tol is None and self.n_iter_no_change is None and not early_stopping:
            return None
        tol = TOL if self.tol is None else number(self.tol, "tol", minimum=0.0)
        if self.n_iter_no_change is None:
            return tol, N_ITER_NO_CHANGE
        return tol, integer(self.n_iter_no_change, "n_iter_no_change", 1)

    def _domain(self, X: Array) -> Domain:
        """Return the box of the samples, or the given domain, in which they must lie."""
        if isinstance(self.domain, str):
            choice(self.domain, "domain", ("data",))
            return data_box(X)
        domain: Domain = instance(self.domain, "domain", Domain, "'data', a Box, Ball or Hull")
        if domain.n_inputs != X.shape[1]:
            raise ValueError(message("domain", f"of dimension {X.shape[1]}, as `X`", domain.n_inputs))
        outside = int((~domain.contains(X)).sum())
        if outside:
            raise ValueError(message("domain", "a domain of all samples", f"one with {outside} outside"))
        return domain

    def _outputs(self, X: Any) -> Array:
        """Return the network's outputs at X, (n_samples, n_outputs)."""
        array = self._checked_samples(X)
        return self.network_(array)


class ReducedRegressor(ReducedEstimator):
    """Fit a network in the reduced space to real responses, with or without scikit-learn.

    The mean squared error of standardised responses is minimised; hyperplanes start among the
    samples.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of ints
        The width of each hidden layer.
    space : "reduced" or "standard"
        The parameter space in which the network is trained.
    bound : "support" or "ball"
        The intervals of thresholds, see `ReducedNetwork`.
    method : str
        As for `train`: ``"lbfgs"``, ``"varpro"`` (for data without noise), ``"adam"``, ``"sgd"``,
        ``"slsqp"``; ``"exact"`` for one input and one hidden layer. ``"auto"`` is
        ``"lbfgs"`` here up to 10,000 samples and ``"adam"`` for more, but ``"exact"`` for one
        input, one hidden layer, at most 2000 samples, ``validation_fraction=0`` and ``alpha=0``: it
        follows noise as far as any network can.
    n_steps : int, optional
        The largest number of steps: by default 300, but 100 for ``"varpro"``, ``"slsqp"`` and
        ``"exact"``. A step of ``"adam"`` and ``"sgd"`` is a pass over the samples in mini-batches.
    n_starts : int
        How many starts are tried (one with `warm_start` after the first fit). The best one on the
        held-out samples is kept, or without them the one of least training loss.
    domain : "data" or Domain
        The inputs that the network is made for: the box of the samples, or a domain around them, in
        their units.
    random_state : None, int, Generator or RandomState
    validation_fraction : float
        From 0 to 0.5. With 1/5, a fifth of the samples is held out, and of fewer than 1000 samples
        one fifth after the other until 200 have been. The number of steps at which their mean loss
        is least is chosen, and the network is trained on all samples for that many steps. This
        takes two to six runs. With 0 there is one run, to its end.
    verbose : bool
        Show the progress of every run on stderr.
    alpha : float
        The strength of weight decay, see the table; not for ``"varpro"`` and ``"exact"``.
    batch_size : int or "auto"
        Of a mini-batch of ``"adam"`` and ``"sgd"``; "auto" is 64.
    learning_rate_init : float
        The learning rate of ``"adam"`` and ``"sgd"``.
    max_iter : int, optional
        Another name of `n_steps`; give one of them.
    tol : float, optional
    n_iter_no_change : int, optional
        If one of them is given, or with `early_stopping`, a run ends after more than
        `n_iter_no_change` steps in a row that do not lower the loss by `tol` (1e-4 and 10 where
        they are not given). The loss is that of the samples held out, or without them that of
        training. Otherwise a run with samples held out ends when 20 steps have not lowered their
        loss by 1 %, and a run without them at `n_steps`.
    early_stopping : bool
        Keep the network of least loss on the samples held out (the first part of them), which it
        has not seen: one run, and none on all samples after it.
    warm_start : bool
        Let `fit` start from the network of the last fit.

    Attributes
    ----------
    network_ : ReducedNetwork, or Network for ``space="standard"``
        The function that `predict` evaluates, in the samples' own units.
    domain_ : Domain
    loss_curve_ : array
        The loss before and after each step, in units of the variance of each response, summed over
        the responses.
    validation_curve_ : array or None
        The mean loss of the held-out samples, step by step.
    loss_ : float
        The least of `loss_curve_`.
    n_iter_, n_outputs_, n_features_in_ : int
    feature_names_in_ : array of str
        If the samples came with names.

    Notes
    -----
    Compared with scikit-learn's MLPRegressor and MLPClassifier:

    ========================  =====================================================================
    there                     here
    ========================  =====================================================================
    hidden_layer_sizes        the same; the default is (20,), there (100,)
    activation                always "relu"
    solver                    `method`; "adam" and "sgd" (here without Nesterov's form) know the rows
                              of the reduced space
    alpha                     the same sum alpha / (2 n) |W|^2 is added, of standardised inputs and
                              responses, in ``space="standard"``. In the reduced space, where rows
                              have norm 1, alpha / n times the sum of |c_j|, the norms of the outgoing
                              weights: with one hidden layer its least value is the same, since
                              scaling a neuron leaves |w_j| |c_j| <= (|w_j|^2 + |c_j|^2) / 2. With
                              more layers only the outgoing weights are penalised: not the same. Two
                              classes have two outputs here, one there: v / 2 and -v / 2 for v. The
                              default is 0, there 1e-4
    batch_size                the same; "auto" is 64, there min(200, n)
    learning_rate_init        the same; the default is 0.01, there 0.001
    learning_rate, power_t,   not there: the rate is constant, momentum is 0.9, samples are shuffled,
    momentum, shuffle, ...    Adam has its usual constants
    max_iter                  the same, or `n_steps`: passes of "adam" and "sgd", else iterations;
                              no warning at the limit
    tol, n_iter_no_change     the same rule if given, for every method, L-BFGS too; the training loss
                              is that of all samples after the step, there a mean over the pass
    early_stopping            the same, by the loss of the held-out samples, there by their score.
                              False there holds nothing out: here that is ``validation_fraction=0``
    validation_fraction       without early stopping it chooses the number of steps; 0.2, there 0.1
    warm_start, partial_fit   the same; units are those of the first samples of `partial_fit`
    sample_weight             the same
    random_state              the same seed gives other random numbers
    `coefs_`, `intercepts_`   ``network_.weights``, ``network_.thresholds``, ``.output_weights`` (their
                              transposes there), ``.output_bias``: for samples in their own units
    `loss_`, `loss_curve_`    squared errors in units of the variance, summed over outputs, with the
                              penalty; there half of the squared errors, averaged
    ========================  =====================================================================

    Outside the domain the network extrapolates. The order of the samples does not matter, and a
    sample of weight 2 is the same as one given twice, bit for bit, as long as sums of weights are
    exact.

    References
    ----------
    THEORY, sections 3 and 8.

    Examples
    --------
    >>> X = np.linspace(0, 1, 50)[:, np.newaxis]
    >>> model = ReducedRegressor(random_state=0).fit(X, np.sin(6 * X[:, 0]))
    >>> model.score(X, np.sin(6 * X[:, 0])) > 0.99, model.network_.feasibility().ok
    (True, True)
    """

    _estimator_type = "regressor"
    _loss, _auto = "mse", "lbfgs"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the network to the samples and return the estimator.

        Parameters
        ----------
        X : array (n_samples, n_features)
        y : array (n_samples,) or (n_samples, n_outputs)
        sample_weight : array (n_samples,), optional
            At least 0: an integer counts a sample that many times, 0 leaves it out.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter is refused.
        """
        X = self._checked_samples(X, fitting=True)
        Y, self._single = check_responses(y, len(X))
        weight = check_sample_weight(sample_weight, len(X))
        counts = weight > 0.0
        self._fit(X[counts], Y[counts], Y.shape[1], weight[counts])
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Pass once over these samples by mini-batches and return the estimator.

        The first call sets the units: means and deviations of its samples standardise all later
        ones. ``domain="data"`` is the box of all samples so far. After `fit` it continues from the
        fitted network. The optimiser's moments are kept from call to call.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; weights count within the call.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter is refused, the method is neither ``"auto"`` (here
            ``"adam"``), ``"adam"`` nor ``"sgd"``, or the sizes are not those of the last call.
        """
        X = self._checked_samples(X, fitting=not hasattr(self, "network_"))
        Y, self._single = check_responses(y, len(X))
        weight = check_sample_weight(sample_weight, len(X))
        counts = weight > 0.0
        self._partial_fit(X[counts], Y[counts], Y.shape[1], weight[counts])
        return self

    def set_partial_fit_request(self, *, sample_weight: bool | str | None = UNCHANGED) -> Self:
        """Set whether meta-estimators pass `sample_weight` to `partial_fit`, like `set_fit_request`."""
        return self._set_request("partial_fit", sample_weight=sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the responses at X, (n_samples,) or (n_samples, n_outputs) as in `fit`."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._single else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2 = 1 - sum (y - prediction)^2 / sum (y - mean)^2, the mean over the outputs.

        A constant response scores 1 if it is predicted exactly, else 0.
        """
        outputs = self._outputs(X)
        Y, _ = check_responses(y, len(outputs))
        weight = check_sample_weight(sample_weight, len(outputs))
        mean = np.average(Y, axis=0, weights=weight)
        residual, spread = weight @ (Y - outputs) ** 2, weight @ (Y - mean) ** 2
        flat = spread == 0.0
        scores = np.where(flat, residual == 0.0, 1.0 - residual / np.where(flat, 1.0, spread))
        return float(scores.mean())


class ReducedClassifier(ReducedEstimator):
    """Fit a network in the reduced space to class labels, with or without scikit-learn.

    The network has one output per class; their softmax is the probabilities of the classes, whose
    cross entropy is minimised.

    Parameters
    ----------
    hidden_layer_sizes, space, bound, method, n_steps, n_starts, domain, random_state, \
    validation_fraction, verbose, alpha, batch_size, learning_rate_init, max_iter, tol, \
    n_iter_no_change, early_stopping, warm_start
        As for `ReducedRegressor`, whose table compares them with scikit-learn's, but
        ``method="auto"`` is ``"adam"``, and ``"varpro"`` is for squared errors only. The parts that
        are held out are stratified by class.

    Attributes
    ----------
    classes_ : array (n_classes,)
        The sorted labels.
    network_ : ReducedNetwork, or Network for ``space="standard"``
        Maps samples in their own units to the logarithms of the probabilities, up to a constant.
    loss_curve_, validation_curve_, loss_
        Mean cross entropy.
    domain_, n_iter_, n_outputs_, n_features_in_, feature_names_in_
        As for `ReducedRegressor`.

    Examples
    --------
    >>> X = np.linspace(0, 1, 40)[:, np.newaxis]
    >>> labels = np.where(np.abs(X[:, 0] - 0.5) < 0.25, "in", "out")
    >>> model = ReducedClassifier(random_state=0).fit(X, labels)
    >>> model.predict([[0.5], [0.9]]).tolist(), model.score(X, labels)
    (['in', 'out'], 1.0)
    """

    _estimator_type = "classifier"
    _loss, _auto = "cross_entropy", "adam"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the network to the samples and return the estimator.

        Parameters
        ----------
        X : array (n_samples, n_features)
        y : array (n_samples,)
            Class labels: numbers or strings.
        sample_weight : array (n_samples,), optional
            At least 0: an integer counts a sample that many times, 0 leaves it out.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter is refused, or there is only one class.
        """
        X = self._checked_samples(X, fitting=True)
        labels = check_labels(y, len(X))
        weight = check_sample_weight(sample_weight, len(X))
        counts = weight > 0.0
        classes, numbers = encode(labels[counts])
        if len(classes) < 2:
            raise ValueError(message("y", "labels of at least 2 classes", "1 class"))
        if flag(self.warm_start, "warm_start") and hasattr(self, "network_"):
            self._check_same_classes(classes)
        self.classes_ = classes
        Y = numbers[:, np.newaxis].astype(np.float64)
        self._fit(X[counts], Y, len(self.classes_), weight[counts])
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once over these samples by mini-batches and return the estimator.

        As for `ReducedRegressor`.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; weights count within the call.
        classes : array (n_classes,)
            All labels there will be: needed in the first call.

        Raises
        ------
        TypeError, ValueError
            As for `ReducedRegressor`; if a label is not among the classes, or the classes are not
            those of the last call.
        """
        first = not hasattr(self, "network_")
        X = self._checked_samples(X, fitting=first)
        labels = check_labels(y, len(X))
        weight = check_sample_weight(sample_weight, len(X))
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit: `classes`, all "
                             "labels there will be")
        if classes is not None:
            known, _ = encode(check_labels(classes, len(np.atleast_1d(classes))))
            if len(known) < 2:
                raise ValueError(message("classes", "at least 2 labels", len(known)))
            if not first:
                self._check_same_classes(known)
            self.classes_ = known
        unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()), key=str)
        if unknown:
            raise ValueError(message("y", f"of the classes {self.classes_.tolist()}", unknown))
        counts = weight > 0.0
        Y = np.searchsorted(self.classes_, labels[counts])[:, np.newaxis].astype(np.float64)
        self._partial_fit(X[counts], Y, len(self.classes_), weight[counts])
        return self

    def _check_same_classes(self, classes: Any) -> None:
        if not np.array_equal(classes, self.classes_):
            raise ValueError(message("y", f"of the classes of the last fit, {self.classes_.tolist()}",
                                     classes.tolist()))

    def set_partial_fit_request(
        self, *, classes: bool | str | None = UNCHANGED, sample_weight: bool | str | None = UNCHANGED,
    ) -> Self:
        """Set what meta-estimators pass to `partial_fit`, like `set_fit_request`."""
        return self._set_request("partial_fit", classes=classes, sample_weight=sample_weight)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probability of each class at X, (n_samples, n_classes).

        It is computed from the outputs, so that it stays finite where a probability is 0 in floating
        point.
        """
        outputs = self._outputs(X)
        differences = outputs - outputs.max(axis=1, keepdims=True)
        return np.asarray(differences - np.log(np.exp(differences).sum(axis=1, keepdims=True)))

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class at X, (n_samples, n_classes): the softmax of the outputs."""
        outputs = self._outputs(X)
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:
        """Return the label of largest probability at X, (n_samples,)."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: the share of samples, by weight, whose label is predicted."""
        predicted = self.predict(X)
        labels = check_labels(y, len(predicted))
        return float(np.average(labels == predicted, weights=check_sample_weight(sample_weight, len(predicted))))


def _layers(sizes: Any) -> tuple[int, ...]:
    """Return the widths of the hidden layers."""
    if isinstance(sizes, (int, np.integer)):
        sizes = (sizes,)
    if isinstance(sizes, (str, bytes)) or not np.iterable(sizes):
        raise TypeError(message("hidden_layer_sizes", "an integer or a tuple of integers", repr(sizes)))
    layers = tuple(integer(size, "hidden_layer_sizes", 1) for size in sizes)
    if not layers:
        raise ValueError(message("hidden_layer_sizes", "at least one layer", "none"))
    return layers


def _generator(random_state: Any) -> np.random.Generator:
    """Return a generator; numbers that a RandomState draws seed a new one."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    return generator(random_state, "random_state")
