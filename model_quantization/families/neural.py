"""Multi-layer perceptrons: a stack of weights; half of a trained one is the optimizer's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import Affine, Projection, Selection, text_step
from model_quantization.families.lowered import Lowered, Method, NotFast, behind_text
from model_quantization.families.shared.network import FEWEST_ROWS, Network
from model_quantization.kernels.linear.layers import ACTIVATIONS, forward, forward_from
from model_quantization.kernels.linear.linear import fold_affine
from model_quantization.locks import cached_property
from model_quantization.schemes.scheme import Role, Slot

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step

_MODULE = "sklearn.neural_network._multilayer_perceptron"
_CLASSIFIER = f"{_MODULE}:MLPClassifier"
_REGRESSOR = f"{_MODULE}:MLPRegressor"

Fold: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]

_TRAINING = "state of training; only further training reads it"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The network as one function of the rows; a scaler before it goes into the first layer."""
    output = component["out_activation_"]
    if component["activation"] not in ACTIVATIONS or output not in ACTIVATIONS:
        return NotFast("its activation is not known")
    answers = (
        _classifier_answers(component)
        if component.type == _CLASSIFIER
        else {"predict": lambda y: y.ravel() if y.shape[1] == 1 else y}
    )
    if answers is None:
        return NotFast("it answers several labels at once")
    return _Layers(component, exact, answers, (component.path,)).lowered()


class _Layers:
    """A network and what was taken into its first layer.

    Parameters
    ----------
    component : Component
    exact : bool
    answers : mapping of str to callable
        Each method's answer from the activations of the last layer.
    names : tuple of str
        Paths of the components that are answered for.
    fold : callable, optional
        What makes the first layer's weights and biases of the component's.
    network : Network, optional
        The network in short numbers, where it is not that of these layers.
    by : str
    """

    def __init__(
        self,
        component: Component,
        exact: bool,
        answers: Mapping[str, Callable[[Array], Array]],
        names: tuple[str, ...],
        *,
        fold: Fold | None = None,
        network: Network | None = None,
        by: str = "",
    ) -> None:
        self._component = component
        self._exact = exact
        self._answers = answers
        self._names = names
        self._fold = fold
        intercepts = component["intercepts_"]
        self._by = by or f"a network of {len(intercepts)} layers"
        self._network = network or Network(
            lambda: self._layers[0],
            self._layers[1] if fold else intercepts,
            [] if fold or exact else component.column_codes("coefs_"),
            component["activation"],
        )

    @cached_property
    def _layers(self) -> tuple[list[Array], list[Array]]:
        """Weights and biases; made when they are needed, which codes may never do."""
        weights, biases = list(self._component["coefs_"]), list(self._component["intercepts_"])
        if self._fold is not None:
            weights[0], biases[0] = self._fold(weights[0], biases[0])
        return weights, biases

    def lowered(self) -> Lowered:
        """Return the fast predictor."""
        methods = {name: self._method(answer) for name, answer in self._answers.items()}
        if not self._exact:
            methods = {**methods, **self._short_methods(methods["predict"])}
        return Lowered(
            methods,
            by=self._by,
            names=self._names,
            n_features=self._n_features,
            absorb=self._absorb,
            classes=self._component.get("classes_"),
            decides_by="predict_proba",
        )

    @property
    def _n_features(self) -> int:
        coded = None if self._exact else self._network.coded
        return len(self._layers[0][0]) if coded is None else int(coded.shapes[0, 0])

    def _method(self, answer: Callable[[Array], Array]) -> Method:
        hidden, output = self._component["activation"], self._component["out_activation_"]

        def call(rows: Array) -> Array | None:
            # A layer may swallow an infinity: the rows themselves are looked at.
            # Unlike other sums, this one neither raises nor warns of an infinity.
            if not isfinite(np.vdot(rows, rows)):
                return None
            return answer(forward(rows, *self._layers, hidden, output))

        return call

    def _short_methods(self, in_float64: Method) -> dict[str, Method]:
        """The methods that short numbers answer, where they are of use."""
        network = self._network
        if network.coded is None and not network.suits_floats:
            return {}
        if self._component.type != _CLASSIFIER:
            if network.coded is None or self._component["out_activation_"] != "identity":
                return {}

            def numbers(rows: Array) -> Array | None:
                found = network.numbers(rows)
                return found.ravel() if found is not None and found.shape[1] == 1 else found

            return {"predict": numbers}
        classes = self._component["classes_"]

        def predict(rows: Array) -> Array | None:
            if network.coded is None and len(rows) < FEWEST_ROWS:
                found: Array | None = in_float64(rows)
                return found
            winners = network.labels(rows)
            return None if winners is None else np.asarray(classes.take(winners))

        # Logarithms of probabilities that are nearly one are all rounding: they stay as they are.
        if network.coded is None:
            return {"predict": predict}
        return {"predict": predict, "predict_proba": network.likelihoods}

    def _behind_text(self, previous: Lowered, step: Step) -> Lowered | None:
        """The network from documents on: the first product has the sparse one's bits."""
        from model_quantization.kernels.text.term_weights import hold_weights

        component, (weights, biases) = self._component, self._layers
        score = step.scorer(hold_weights(weights[0])) if step.n_columns == len(weights[0]) else None
        if score is None:
            return None

        def of_documents(answer: Callable[[Array], Array]) -> Method:
            hidden, output = component["activation"], component["out_activation_"]

            def call(documents: Any, n_jobs: int | None = None) -> Array | None:
                sums = score(documents, n_jobs)
                if sums is None:
                    return None
                return answer(forward_from(sums, weights, biases, hidden, output))

            return call

        return behind_text(
            previous,
            {name: of_documents(answer) for name, answer in self._answers.items()},
            by=self._by,
            names=self._names,
            classes=component.get("classes_"),
            decides_by="predict_proba",
        )

    def _absorb(self, previous: Lowered) -> Lowered | None:
        form = previous.form
        if (step := text_step(form)) is not None:
            return self._behind_text(previous, step)
        if self._exact:
            return None
        if isinstance(form, Projection) and not form.exact:
            return self._with(
                previous,
                lambda first, bias: (form.weights @ first, form.bias @ first + bias),
                previous.by,
            )
        # Codes are worth more than a step saved: what would change them stays a step of its own.
        if isinstance(form, Selection) and self._network.coded is None:
            return self._with(
                previous, lambda first, bias: (form.scattered(first), bias), previous.by
            )
        if isinstance(form, Affine) and not self._network.is_scaled:
            return self._with(
                previous,
                lambda first, bias: fold_affine(first, bias, form.scale, form.shift),
                "a scaler",
                self._network.behind(form.scale, form.shift),
            )
        return None

    def _with(
        self, previous: Lowered, fold: Fold, what: str, network: Network | None = None
    ) -> Lowered:
        """The same with another first layer, which a step before it is part of."""
        own = self._fold
        return _Layers(
            self._component,
            self._exact,
            self._answers,
            previous.names + self._names,
            fold=fold if own is None else lambda *layer: fold(*own(*layer)),
            network=network,
            by=f"{self._by}, {what} folded in",
        ).lowered()


def _classifier_answers(component: Component) -> dict[str, Callable[[Array], Array]] | None:
    classes = component["classes_"]
    if component["out_activation_"] == "softmax":
        return {
            "predict": lambda y: classes.take(y.argmax(axis=1)),
            "predict_proba": lambda y: y,
            "predict_log_proba": lambda y: np.log(y, out=y),
        }
    if component["n_outputs_"] != 1 or len(classes) != 2:
        return None  # several labels at once

    def pair(y: Array) -> Array:
        flat = y.ravel()
        return np.vstack([1 - flat, flat]).T

    def log_pair(y: Array) -> Array:
        both = pair(y)
        out: Array = np.log(both, out=both)
        return out

    return {
        "predict": lambda y: classes.take((y.ravel() > 0.5).astype(np.intp)),
        "predict_proba": pair,
        "predict_log_proba": log_pair,
    }


def examples() -> Iterable[Example]:
    """A network of two hidden layers, a binary one and a regressor."""
    import warnings

    from sklearn.base import clone
    from sklearn.datasets import make_classification
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

    rows, labels = make_classification(
        200, 20, n_informative=8, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    deep = MLPClassifier((24, 12), max_iter=30, early_stopping=True, random_state=0)
    wide = MLPClassifier((16,), activation="tanh", max_iter=30, random_state=0)
    numbers = MLPRegressor(
        hidden_layer_sizes=(16,), activation="logistic", max_iter=30, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few iterations are enough for an example
        yield Example("multi-class", deep.fit(rows, labels), rows)
        yield Example("binary", wide.fit(rows, labels == 1), rows)
        # Fitting a pipeline fits its last step in place: these have networks of their own.
        sparse = make_pipeline(KBinsDiscretizer(3, strategy="uniform"), clone(wide))
        scaled = make_pipeline(StandardScaler(), clone(deep))
        yield Example("sparse", sparse.fit(rows, labels), rows)
        yield Example("scaled", scaled.fit(rows, labels), rows)
        yield Example("regressor", numbers.fit(rows, rows[:, 0] * 2), rows)


FAMILY = Family(
    name="neural",
    types=frozenset({_CLASSIFIER, _REGRESSOR}),
    slots={
        "coefs_/*": Slot(Role.WEIGHT, channel_axis=1),
        "intercepts_/*": Slot(Role.BIAS),
        "classes_": Slot(Role.LABEL),
    },
    dropped={
        "_optimizer": "moments of the optimizer; only further training reads them",
        "_best_coefs": "the best weights so far; training put them in place",
        "_best_intercepts": "the best intercepts so far; training put them in place",
        "loss_curve_": "the loss at each step of training",
        "validation_scores_": "the validation score at each step of training",
        "_random_state": _TRAINING,
        "_no_improvement_count": _TRAINING,
    },
    lower=lower,
    examples=examples,
)
