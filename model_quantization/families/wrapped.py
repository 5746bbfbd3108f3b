"""Models around one fitted model: searches, thresholds, transformed targets, frozen estimators.

Their methods are those of the model inside, or what they make of its answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.lowered import Deciding, Lowered, NotFast
from model_quantization.families.shared.children import Ask, Combine, Unanswered, over_children
from model_quantization.families.shared.wrapping import renamed

_SEARCH = "sklearn.model_selection._search"
_HALVING = "sklearn.model_selection._search_successive_halving"
_THRESHOLD = "sklearn.model_selection._classification_threshold"
_FROZEN = "sklearn.frozen._frozen:FrozenEstimator"
_SELF_TRAINING = "sklearn.semi_supervised._self_training:SelfTrainingClassifier"
_RANSAC = "sklearn.linear_model._ransac:RANSACRegressor"
_TARGET = "sklearn.compose._target:TransformedTargetRegressor"
_FIXED = f"{_THRESHOLD}:FixedThresholdClassifier"
_TUNED = f"{_THRESHOLD}:TunedThresholdClassifierCV"
# Where the fitted estimator inside is.
_INSIDE = {
    f"{_SEARCH}:GridSearchCV": "best_estimator_",
    f"{_SEARCH}:RandomizedSearchCV": "best_estimator_",
    f"{_HALVING}:HalvingGridSearchCV": "best_estimator_",
    f"{_HALVING}:HalvingRandomSearchCV": "best_estimator_",
    _FROZEN: "estimator",
    _SELF_TRAINING: "estimator_",
    _RANSAC: "estimator_",
    _TARGET: "regressor_",
    _FIXED: "estimator_",
    _TUNED: "estimator_",
}
# They check the input, columns included, and give an array to the model inside.
_CHECK_THEMSELVES = frozenset({_SELF_TRAINING, _RANSAC})
_PIPELINE = "sklearn.pipeline:Pipeline"
_WITHOUT_PROBABILITIES = frozenset(
    {"LinearSVC", "PassiveAggressiveClassifier", "Perceptron", "RidgeClassifier"}
)
# Metrics whose label of interest is 1 by default; those of the second line have none.
_OF_ONE = frozenset({"f1_score", "fbeta_score", "precision_score", "recall_score", "jaccard_score"})
_OF_NONE = frozenset({"balanced_accuracy_score", "accuracy_score", "matthews_corrcoef"})


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The model inside under the outer name, or what the outer one makes of its answers."""
    inside = _inside(component)
    if component.type not in _AROUND:
        return renamed(component, inside, exact)
    if not isinstance(inside, Component):
        return NotFast("there is no fitted estimator inside")
    lowered = inside.lower(exact)
    if isinstance(lowered, NotFast):
        return lowered
    combine = _AROUND[component.type](component, lowered, exact)
    if isinstance(combine, NotFast):
        return combine
    return over_children(
        [lowered],
        combine,
        exact=exact,
        names=(component.path,),
        by=_BY[component.type],
        classes=lowered.classes,
        decides_by=lowered.decides_by,
    )


def _inside(component: Component) -> Any:
    found = component.get(_INSIDE[component.type])
    if found is None and component.type == _FIXED:
        found = component.get("estimator")  # fitted before it was given
    return found


def _target(component: Component, inside: Lowered, exact: bool) -> dict[str, Combine] | NotFast:
    """Predictions, transformed back to what the target was."""
    transformer = component.get("transformer_")
    back = transformer.lower(exact) if isinstance(transformer, Component) else None
    if not isinstance(back, Lowered) or back.inverse is None:
        return NotFast("the transformer of its target has no fast way back")
    if "predict" not in inside.methods:
        return NotFast("its regressor has no fast `predict`")
    inverse, is_flat = back.inverse, component.get("_training_dim") == 1

    def predict(ask: Ask) -> Array:
        found = ask(0, "predict")
        if found.dtype.kind != "f":
            raise Unanswered
        undone: Array | None = inverse(found.reshape(-1, 1) if found.ndim == 1 else found)
        if undone is None:
            raise Unanswered
        if is_flat and undone.ndim == 2 and undone.shape[1] == 1:
            return undone.squeeze(axis=1)
        return undone

    return {"predict": predict}


def _fixed(component: Component, inside: Lowered, exact: bool) -> dict[str, Combine] | NotFast:
    method = _asked_method(component, inside)
    if method is None:
        return _NO_SCORES
    threshold = component.get("threshold")
    if threshold == "auto":
        threshold = 0.5 if method == "predict_proba" else 0.0
    return _thresholded(inside, method, threshold, component.get("pos_label"))


def _tuned(component: Component, inside: Lowered, exact: bool) -> dict[str, Combine] | NotFast:
    method = _asked_method(component, inside)
    if method is None:
        return _NO_SCORES
    label = _label_of_interest(component.get("_curve_scorer"))
    if isinstance(label, NotFast):
        return label
    return _thresholded(inside, method, component.get("best_threshold_"), label)


_NO_SCORES = NotFast("the scores that it compares have no fast predictor")


def _asked_method(component: Component, inside: Lowered) -> Deciding | None:
    """The method whose scores are compared with the threshold."""
    asked = component.get("response_method", "auto")
    if asked == "auto":
        # `predict_proba` comes first; only a model that never had it is asked for the other.
        has_none = _has_no_probabilities(_inside(component))
        asked = "decision_function" if has_none else "predict_proba"
    return asked if asked in inside.methods else None


def _has_no_probabilities(model: object) -> bool:
    """Whether a classifier is known to have no `predict_proba`: of a pipeline, its last step."""
    while isinstance(model, Component) and model.type == _PIPELINE:
        model = model["steps"][-1][1]
    if not isinstance(model, Component):
        return False
    of_loss = model.type.endswith(":SGDClassifier")
    if of_loss:
        return model.get("loss") not in ("log_loss", "modified_huber")
    return model.type.rpartition(":")[2] in _WITHOUT_PROBABILITIES


def _label_of_interest(scorer: object) -> Any:
    """The label that the metric measures; None for metrics of all labels."""
    if not isinstance(scorer, Component):
        return NotFast("it does not say which metric it was tuned to")
    options = scorer.get("_kwargs")
    if isinstance(options, dict) and "pos_label" in options:
        return options["pos_label"]
    name = str(scorer.get("_score_func")).rpartition(":")[2]
    if name in _OF_ONE:
        return 1
    return None if name in _OF_NONE else NotFast("the label its metric is about is not known")


def _thresholded(
    inside: Lowered, method: Deciding, threshold: object, label: Any
) -> dict[str, Combine] | NotFast:
    """The label of the rows whose score reaches the threshold, and the model's own answers."""
    classes = inside.classes
    if classes is None or len(classes) != 2 or not isinstance(threshold, int | float | np.number):
        return NotFast("it has not two classes and a threshold")
    place = 1 if label is None else _place(classes, label)
    if place is None:
        return NotFast("it is about a label that its model does not know")
    labels = np.array([0, 1]) if label is None else np.array([1 - place, place])
    level: Any = threshold

    def predict(ask: Ask) -> Array:
        scores = ask(0, method)
        if method == "predict_proba":
            scores = scores[:, place]
        elif label is not None and place == 0:
            scores = -1 * scores
        return np.asarray(classes[labels[(scores >= level).astype(int)]])

    def asked(name: str) -> Combine:
        return lambda ask: ask(0, name)

    names = ("predict_proba", "predict_log_proba", "decision_function")
    own = {name: asked(name) for name in names if name in inside.methods}
    return {"predict": predict, **own}


def _place(classes: Array, label: Any) -> int | None:
    found = np.flatnonzero(classes == label)
    return int(found[0]) if len(found) == 1 else None


_Around = Callable[[Component, Lowered, bool], dict[str, Combine] | NotFast]
_AROUND: dict[str, _Around] = {_TARGET: _target, _FIXED: _fixed, _TUNED: _tuned}
_BY = {
    _TARGET: "predictions transformed back",
    _FIXED: "scores against a threshold",
    _TUNED: "scores against a threshold",
}


def sees_input(component: Component) -> tuple[Component, ...]:
    """The estimator inside, but for those that check the input themselves."""
    inside = _inside(component)
    if component.type in _CHECK_THEMSELVES or not isinstance(inside, Component):
        return (component,)
    return (inside,)


def examples() -> Iterable[Example]:
    """A search, a target transformed by functions and by a scaler, thresholds, and the rest."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.datasets import make_classification
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression, RANSACRegressor, Ridge
    from sklearn.model_selection import (
        FixedThresholdClassifier,
        GridSearchCV,
        TunedThresholdClassifierCV,
    )
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.semi_supervised import SelfTrainingClassifier
    from sklearn.svm import LinearSVC

    rows, labels = make_classification(160, 24, n_informative=8, random_state=0)
    numbers = np.exp(rows[:, 0] / 3 + 1)
    names = np.array(["no", "yes"])[labels]
    logistic = LogisticRegression(max_iter=300)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), logistic), {"logisticregression__C": [0.1, 1]}, cv=2
    )
    yield Example("search", search.fit(rows, names), rows)
    yield Example("frozen", FrozenEstimator(Ridge().fit(rows, numbers)), rows)
    in_logs = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)
    yield Example("target in logarithms", in_logs.fit(rows, numbers), rows)
    scaled = TransformedTargetRegressor(PLSRegression(3), transformer=StandardScaler())
    yield Example("scaled target", scaled.fit(rows, numbers), rows)
    several = TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    yield Example("scaled targets", several.fit(rows, rows[:, :2] * 3), rows)
    yield Example("plain target", TransformedTargetRegressor(Ridge()).fit(rows, numbers), rows)
    ransac = RANSACRegressor(random_state=0, residual_threshold=5.0)
    yield Example("inliers", ransac.fit(rows, numbers), rows)
    some = np.where(np.arange(160) % 3 == 0, labels, -1)
    yield Example("self-training", SelfTrainingClassifier(logistic).fit(rows, some), rows)
    fixed = FixedThresholdClassifier(logistic, threshold=0.3, pos_label="no")
    yield Example("threshold", fixed.fit(rows, names), rows)
    scores = FixedThresholdClassifier(LinearSVC(), pos_label="no")
    yield Example("threshold of scores", scores.fit(rows, names), rows)
    tuned = TunedThresholdClassifierCV(logistic, scoring="f1", cv=2, thresholds=20)
    yield Example("tuned threshold", tuned.fit(rows, labels), rows)


FAMILY = Family(
    name="wrapped",
    types=frozenset(_INSIDE),
    lower=lower,
    parts={_FROZEN: Parts("estimator", "name")},
    sees_input=sees_input,
    examples=examples,
)
