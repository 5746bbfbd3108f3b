"""AdaBoost and bagging of models other than trees: scikit-learn's combination of answers."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest import kinds
from model_quantization.families.forest.predictors.losses import softmax
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.children import (
    Ask,
    Combine,
    Unanswered,
    answered,
    as_floats,
    lower_all,
    over_children,
)

_BAGGING = "sklearn.ensemble._bagging:Bagging"
_BOOSTING = "sklearn.ensemble._weight_boosting:AdaBoost"
_OLD_RULES = frozenset({kinds.BY_OLD_VOTES, kinds.BY_PROBABILITIES})


def lower_members(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor over the members, or the reason why it has none."""
    kind = component.type
    if kind in _OLD_RULES:
        return NotFast("it weighs its members by the rules of an earlier version")
    if not kind.startswith((_BAGGING, _BOOSTING)):
        return NotFast(
            "its members are not trees of one kind, or stay in the format of their library"
        )
    members = lower_all(component.get("estimators_"), exact)
    if isinstance(members, NotFast):
        return members
    if kind.startswith(_BAGGING):
        return _bagged(component, members)
    weights = component.get("estimator_weights_")
    if not isinstance(weights, np.ndarray) or len(weights) < len(members):
        return NotFast("some of its members have no weight")
    if not answered(members, "predict"):
        return NotFast("a member has no fast `predict`")
    classes = component.get("classes_")
    if kind.endswith("Regressor"):
        combine = _median(members, weights)
    elif isinstance(classes, np.ndarray) and classes.ndim == 1 and len(classes) > 1:
        combine = _votes(members, weights, classes)
    else:
        return NotFast("it has not several classes")
    return over_children(
        members,
        combine,
        exact=exact,
        names=(component.path,),
        by=f"weighted votes of {len(members)} models",
        classes=classes,
    )


def _votes(members: list[Lowered], weights: Array, classes: Array) -> dict[str, Combine]:
    """SAMME (Zhu and others, 2009): each member gives its weight to the class it predicts."""
    count, column = len(classes), classes[:, np.newaxis]

    def decision(ask: Ask) -> Array:
        total: Array | int = 0
        for index, weight in enumerate(weights[: len(members)]):
            chosen = (ask(index, "predict") == column).T
            total = total + np.where(chosen, weight, -1 / (count - 1) * weight)
        found = np.asarray(total)
        found /= weights.sum()
        if count == 2:
            found[:, 0] *= -1
            return np.asarray(found.sum(axis=1))
        return found

    def predict(ask: Ask) -> Array:
        found = decision(ask)
        chosen = found > 0 if count == 2 else np.argmax(found, axis=1)
        return np.asarray(classes.take(chosen, axis=0))

    def predict_proba(ask: Ask) -> Array:
        found = decision(ask)
        if count == 2:
            return softmax(np.vstack([-found, found]).T / 2)
        found /= count - 1
        return softmax(found)

    return {
        "decision_function": decision,
        "predict": predict,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda ask: np.log(predict_proba(ask)),
    }


def _median(members: list[Lowered], weights: Array) -> dict[str, Combine]:
    """The value up to which half of the weight lies."""

    def predict(ask: Ask) -> Array:
        values = np.array([ask(index, "predict") for index in range(len(members))]).T
        order = np.argsort(values, axis=1)
        cumulated = np.cumsum(weights[order], axis=1)
        above = cumulated >= 0.5 * cumulated[:, -1][:, np.newaxis]
        every = np.arange(len(values))
        return np.asarray(values[every, order[every, above.argmax(axis=1)]])

    return {"predict": predict}


def _bagged(component: Component, members: list[Lowered]) -> Lowered | NotFast:
    """The mean of members that each see some of the columns."""
    if component.get("n_jobs") not in (None, 1):
        return NotFast("with `n_jobs` bagging adds up partial sums, one per job")
    chosen, width = component.get("estimators_features_"), component.get("n_features_in_")
    count = component.get("n_estimators")
    if not isinstance(chosen, list) or len(chosen) != len(members) or count != len(members):
        return NotFast("it has other members than it was made for")
    if type(width) is not int or not all(_fits(each, width) for each in chosen):
        return NotFast("its members see columns beyond those it was fitted on")
    asked = [("rows", len(places)) for places in chosen]
    if [(one.input, one.n_features) for one in members] != asked:
        return NotFast("its members take something else than its columns")

    def asking(answer: Combine) -> Method:
        def call(rows: Array, n_jobs: int | None = None) -> Array | None:
            def ask(index: int, name: str) -> Array:
                member = members[index]
                found = member.methods[name](as_floats(rows[:, chosen[index]], member.integers))
                if found is None:
                    raise Unanswered
                return np.asarray(found)

            try:
                found: Array = answer(ask)
            except Unanswered:
                return None
            return found

        return call

    classes = component.get("classes_")
    if component.type.endswith("Regressor"):
        combine = {"predict": _mean(members, "predict")} if answered(members, "predict") else None
    elif isinstance(classes, np.ndarray) and classes.ndim == 1:
        combine = _probabilities(members, classes)
    else:
        combine = None
    if combine is None:
        return NotFast("a member has no fast `predict` or `predict_proba`")
    return Lowered(
        {name: asking(answer) for name, answer in combine.items()},
        by=f"the mean of {len(members)} models",
        names=(component.path, *(name for one in members for name in one.names)),
        n_features=width,
        integers="each",
        takes="plain" if any(one.takes != "numbers" for one in members) else "numbers",
        classes=classes if isinstance(classes, np.ndarray) else None,
        decides_by="decision_function",
    )


def _fits(places: object, width: int) -> bool:
    if not isinstance(places, np.ndarray) or places.ndim != 1 or places.dtype.kind not in "iu":
        return False
    return not len(places) or 0 <= int(places.min()) <= int(places.max()) < width


def _mean(members: list[Lowered], name: str) -> Combine:
    def mean(ask: Ask) -> Array:
        total: Array = sum(ask(index, name) for index in range(len(members)))  # type: ignore[assignment]
        return np.asarray((0 + total) / len(members))

    return mean


def _probabilities(members: list[Lowered], classes: Array) -> dict[str, Combine] | None:
    """Means of probabilities; every member must know every class."""
    if not answered(members, "predict_proba"):
        return None
    if any(one.classes is None or len(one.classes) != len(classes) for one in members):
        return None

    def predict_proba(ask: Ask) -> Array:
        first = ask(0, "predict_proba")
        total = np.zeros((len(first), len(classes)))
        total += first
        for index in range(1, len(members)):
            total += ask(index, "predict_proba")
        return np.asarray((0 + total) / len(members))

    def predict_log_proba(ask: Ask) -> Array:
        first = ask(0, "predict_log_proba")
        total = np.full((len(first), len(classes)), -np.inf)
        total = np.logaddexp(total, first)
        for index in range(1, len(members)):
            total = np.logaddexp(total, ask(index, "predict_log_proba"))
        total -= np.log(len(members))
        return np.asarray(total)

    found: dict[str, Combine] = {
        "predict_proba": predict_proba,
        "predict": lambda ask: classes.take(np.argmax(predict_proba(ask), axis=1), axis=0),
    }
    if answered(members, "predict_log_proba"):
        found["predict_log_proba"] = predict_log_proba
    if answered(members, "decision_function"):
        found["decision_function"] = _mean(members, "decision_function")
    return found
