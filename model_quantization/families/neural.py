"""Multi-layer perceptrons: a stack of weights; half of a trained one is the optimizer's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import Affine, Projection, Selection, text_step
from model_quantization.families.lowered import Lowered, Method, NotFast, behind_text
from model_quantization.kernels.linear.layers import ACTIVATIONS, forward, forward_from
from model_quantization.kernels.linear.linear import fold_affine
from model_quantization.schemes.scheme import Role, Slot

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step

_MODULE = "sklearn.neural_network._multilayer_perceptron"
_CLASSIFIER = f"{_MODULE}:MLPClassifier"
_REGRESSOR = f"{_MODULE}:MLPRegressor"

_TRAINING = "state of training; only further training reads it"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The network as one function of the rows; a scaler before it goes into the first layer."""
    weights, biases = list(component["coefs_"]), list(component["intercepts_"])
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

    def lowered(first: Array, bias: Array, names: tuple[str, ...], by: str) -> Lowered:
        layers, shifts = [first, *weights[1:]], [bias, *biases[1:]]

        def method(answer: Callable[[Array], Array]) -> Method:
            def call(rows: Array) -> Array | None:
                # A layer may swallow an infinity: the rows themselves are looked at.
                # Unlike other sums, this one neither raises nor warns of an infinity.
                if not isfinite(np.vdot(rows, rows)):
                    return None
                return answer(forward(rows, layers, shifts, component["activation"], output))

            return call

        def from_documents(previous: Lowered, step: Step) -> Lowered | None:
            """The network from documents on: the first product has the sparse one's bits."""
            from model_quantization.kernels.text.term_weights import hold_weights

            score = step.scorer(hold_weights(first)) if step.n_columns == len(first) else None
            if score is None:
                return None

            def of_documents(answer: Callable[[Array], Array]) -> Method:
                def call(documents: Any, n_jobs: int | None = None) -> Array | None:
                    sums = score(documents, n_jobs)
                    if sums is None:
                        return None
                    return answer(
                        forward_from(sums, layers, shifts, component["activation"], output)
                    )

                return call

            return behind_text(
                previous,
                {name: of_documents(answer) for name, answer in answers.items()},
                by=by,
                names=names,
                classes=component.get("classes_"),
                decides_by="predict_proba",
            )

        def absorb(previous: Lowered) -> Lowered | None:
            if (step := text_step(previous.form)) is not None:
                return from_documents(previous, step)
            if not exact and isinstance(previous.form, Projection) and not previous.form.exact:
                weights = previous.form.weights @ first
                shift = previous.form.bias @ first + bias
                paths = previous.names + names
                return lowered(weights, shift, paths, f"{by}, {previous.by} folded in")
            if not exact and isinstance(previous.form, Selection):
                weights = previous.form.scattered(first)
                paths = previous.names + names
                return lowered(weights, bias, paths, f"{by}, {previous.by} folded in")
            if exact or not isinstance(previous.form, Affine):
                return None
            folded = fold_affine(first, bias, previous.form.scale, previous.form.shift)
            return lowered(*folded, previous.names + names, f"{by}, a scaler folded in")

        methods = {name: method(answer) for name, answer in answers.items()}
        return Lowered(
            methods,
            by=by,
            names=names,
            n_features=len(first),
            absorb=absorb,
            classes=component.get("classes_"),
            decides_by="predict_proba",
        )

    return lowered(weights[0], biases[0], (component.path,), f"a network of {len(weights)} layers")


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
