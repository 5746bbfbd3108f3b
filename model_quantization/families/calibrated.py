"""Calibrated classifiers: scores to probabilities by a curve, averaged over the folds.

Calibrators are a few numbers that decide probabilities, and are never rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.children import (
    Ask,
    Unanswered,
    estimators_in,
    lower_all,
    over_children,
)
from model_quantization.families.shared.steps import all_finite
from model_quantization.kernels.linear.calibrators import (
    SLIGHTLY_ABOVE,
    logits_of,
    platt,
    scaled,
    stairs,
)
from model_quantization.schemes.scheme import Role, Slot

_MODULE = "sklearn.calibration"
_CLASSIFIER = f"{_MODULE}:CalibratedClassifierCV"
_FOLD = f"{_MODULE}:_CalibratedClassifier"
_SIGMOID = f"{_MODULE}:_SigmoidCalibration"
_TEMPERATURE = f"{_MODULE}:_TemperatureScaling"
_ISOTONIC = "sklearn.isotonic:IsotonicRegression"

Calibrate = Callable[[Array], Array]


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The mean of the folds' calibrated probabilities; a calibrator alone has no fast predictor."""
    if component.type == _ISOTONIC:
        return _isotonic(component)
    folds = component.get("calibrated_classifiers_")
    if component.type != _CLASSIFIER or not isinstance(folds, list):
        return NotFast("a calibrator alone has no fast predictor")
    children = lower_all([fold.get("estimator") for fold in folds], exact)
    if isinstance(children, NotFast):
        return children
    parts: list[Callable[[Ask], Array]] = []
    for index, (fold, lowered) in enumerate(zip(folds, children, strict=True)):
        part = _fold(fold, lowered, index)
        if isinstance(part, NotFast):
            return part
        parts.append(part)
    classes = component["classes_"]
    if any(len(fold["classes"]) != len(classes) for fold in folds):
        return NotFast("its calibrated classifiers have other classes than it has")

    def predict_proba(ask: Ask) -> Array:
        probability: Array = 0.0 + parts[0](ask)
        for part in parts[1:]:
            probability += part(ask)
        probability /= len(parts)
        return probability

    combine = {
        "predict_proba": predict_proba,
        "predict": lambda ask: classes[predict_proba(ask).argmax(axis=1)],
    }
    return over_children(
        children,
        combine,
        exact=exact,
        names=(component.path,),
        by=f"the mean of {len(parts)} calibrated classifiers",
        classes=classes,
        decides_by="predict_proba",
    )


def _isotonic(component: Component) -> Lowered | NotFast:
    """The line of an isotonic regression, for rows of one column."""
    names = ("X_thresholds_", "y_thresholds_", "X_min_", "X_max_")
    at, heights, lowest, highest = (component.get(name) for name in names)
    beyond, curve = component.get("out_of_bounds"), stairs(at, heights, lowest, highest)
    if curve is None or (beyond != "clip" and (lowest, highest) != (at[0], at[-1])):
        return NotFast("its numbers are no float64, or do not fit each other")

    def predict(rows: Array) -> Array | None:
        if rows.dtype.char != "d" or not all_finite(rows):
            return None
        values = rows.reshape(-1)
        found = curve(values)
        outside = (values < lowest) | (values > highest)
        if beyond == "clip" or len(at) == 1 or not outside.any():
            return found
        if beyond != "nan":
            return None
        found[outside] = np.nan
        return found

    return Lowered(
        {"predict": predict, "transform": predict},
        by="a line through points",
        names=(component.path,),
        n_features=1,
    )


def sees_input(component: Component) -> list[Component]:
    """Every calibrated classifier looks at the rows itself."""
    folds = estimators_in(component, "calibrated_classifiers_")
    inside = [fold.get("estimator") for fold in folds]
    return [one for one in inside if isinstance(one, Component)] or [component]


def _fold(fold: Component, lowered: Lowered, index: int) -> Callable[[Ask], Array] | NotFast:
    """One classifier and its calibrators: a function of `ask` to (n, n_classes) probabilities."""
    method = lowered.deciding_method
    own, classes, kind = lowered.classes, fold["classes"], fold["method"]
    curves = [_curve(one) for one in fold["calibrators"]]
    if method is None or own is None:
        return NotFast("the scores of the calibrated classifier have no fast predictor")
    if None in curves:
        return NotFast("a calibrator is of a kind that is not known")
    calibrators = [curve for curve in curves if curve is not None]
    binary = len(own) == 2

    def scores(ask: Ask) -> Array:
        found = ask(index, method)
        if binary and method == "predict_proba":
            found = found[:, 1]
        if not np.isfinite(found).all():
            raise Unanswered
        return found.reshape(-1, 1) if found.ndim == 1 else found

    if kind == "temperature":
        if len(own) != len(classes):
            return NotFast("a calibrated classifier has classes of its own")
        from_proba = len(classes) == 2 and method == "predict_proba"

        def by_temperature(ask: Ask) -> Array:
            found = scores(ask)
            both = np.concatenate([1 - found, found], axis=1) if from_proba else found
            return _at_most_one(calibrators[0](logits_of(both)))

        return by_temperature
    if not np.isin(own, classes).all():
        return NotFast("a calibrated classifier has classes of its own")
    places = np.searchsorted(classes, own).tolist()
    return lambda ask: _each(scores(ask), calibrators, places, len(classes))


def _each(scores: Array, calibrators: list[Calibrate], places: list[int], n_classes: int) -> Array:
    """The calibrated probability of each class against the rest, normalised per row."""
    probability = np.zeros((len(scores), n_classes))
    for place, column, calibrate in zip(places, scores.T, calibrators, strict=False):
        probability[:, place + (n_classes == 2)] = calibrate(column)
    if n_classes == 2:
        probability[:, 0] = 1.0 - probability[:, 1]
    else:
        total = np.sum(probability, axis=1)[:, np.newaxis]
        even = np.full_like(probability, 1 / n_classes)
        probability = np.divide(probability, total, out=even, where=total != 0)
    return _at_most_one(probability)


def _at_most_one(probability: Array) -> Array:
    probability[(probability > 1.0) & (probability <= SLIGHTLY_ABOVE)] = 1.0
    return probability


def _curve(calibrator: object) -> Calibrate | None:
    """The calibrator as a function of scores; None for an unknown kind."""
    if not isinstance(calibrator, Component):
        return None
    get = calibrator.get
    if calibrator.type == _SIGMOID:
        return platt(get("a_"), get("b_"))
    if calibrator.type == _TEMPERATURE:
        return scaled(get("beta_"))
    if calibrator.type == _ISOTONIC and get("out_of_bounds") == "clip":
        return stairs(get("X_thresholds_"), get("y_thresholds_"), get("X_min_"), get("X_max_"))
    return None


def examples() -> Iterable[Example]:
    """Each way of calibrating, several folds and one, over scores and over probabilities."""
    from sklearn import calibration
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.datasets import make_classification
    from sklearn.frozen import FrozenEstimator
    from sklearn.isotonic import IsotonicRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import LinearSVC

    rows, labels = make_classification(
        240, 40, n_informative=12, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    names = np.array(["north", "east", "south"])[labels]
    # Scikit-learn has the third since 1.8.
    scaling = ("temperature",) if hasattr(calibration, "_TemperatureScaling") else ()
    for method in ("sigmoid", "isotonic", *scaling):
        for kind, target in (("of three", names), ("of two", labels > 1)):
            model = CalibratedClassifierCV(LinearSVC(), method=method, cv=3)
            yield Example(f"{method} {kind}", model.fit(rows, target), rows)
    for method in ("isotonic", *scaling):
        model = CalibratedClassifierCV(GaussianNB(), method=method, ensemble=False, cv=3)
        yield Example(f"{method} of probabilities", model.fit(rows, labels > 1), rows)
    line = IsotonicRegression(out_of_bounds="clip")
    ending = IsotonicRegression()
    yield Example("ending line", ending.fit(rows[:200, :1], rows[:200, 0]), rows[:, :1])
    yield Example("line", line.fit(rows[:, :1], rows[:, 0] ** 3), rows[:, :1])
    frozen = FrozenEstimator(LinearSVC().fit(rows, names))
    yield Example("frozen", CalibratedClassifierCV(frozen).fit(rows, names), rows)


_CURVE = Slot(Role.CALIBRATION)

FAMILY = Family(
    name="calibrated",
    types=frozenset({_CLASSIFIER, _FOLD, _SIGMOID, _TEMPERATURE, _ISOTONIC}),
    slots=slots_for(("classes_", "classes"), Slot(Role.LABEL))
    | slots_for(("X_thresholds_", "y_thresholds_", "a_", "b_", "beta_"), _CURVE),
    lower=lower,
    sees_input=sees_input,
    examples=examples,
)
