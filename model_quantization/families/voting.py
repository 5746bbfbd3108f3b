"""Voting and stacking: several models answer, and a vote or one last model decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.children import (
    THE_ROWS,
    Ask,
    Combine,
    Unanswered,
    answered,
    estimators_in,
    lower_all,
    over_children,
)
from model_quantization.families.shared.sequence import check_width
from model_quantization.schemes.scheme import Role, Slot

_VOTING = "sklearn.ensemble._voting"
_STACKING = "sklearn.ensemble._stacking"
_VOTING_CLASSIFIER = f"{_VOTING}:VotingClassifier"
_VOTING_REGRESSOR = f"{_VOTING}:VotingRegressor"
_STACKING_CLASSIFIER = f"{_STACKING}:StackingClassifier"
_STACKING_REGRESSOR = f"{_STACKING}:StackingRegressor"
_DROPPED = "drop"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor over all models, or the reason why it has none."""
    children = lower_all(component.get("estimators_"), exact)
    if isinstance(children, NotFast):
        return children
    if component.type in (_STACKING_CLASSIFIER, _STACKING_REGRESSOR):
        return _stacking(component, children, exact)
    combine = _COMBINE[component.type](component, children)
    if isinstance(combine, NotFast):
        return combine
    return over_children(
        children,
        combine,
        exact=exact,
        names=(component.path,),
        by=f"votes of {len(children)} models",
        classes=component.get("classes_"),
        decides_by="predict_proba",
    )


def sees_input(component: Component) -> list[Component]:
    """Every model looks at the rows itself."""
    return estimators_in(component, "estimators_")


def _weights(component: Component) -> Any:
    """The weight of each model that was not dropped; None: all alike."""
    weights = component.get("weights")
    if weights is None:
        return None
    pairs = zip(component["estimators"], weights, strict=True)
    return [weight for (_, model), weight in pairs if not _is_dropped(model)]


def _is_dropped(model: object) -> bool:
    return isinstance(model, str) and model == _DROPPED


def _numbers(component: Component, children: list[Lowered]) -> dict[str, Combine] | NotFast:
    if not answered(children, "predict"):
        return NotFast("a model that votes has no fast `predict`")
    weights, indices = _weights(component), range(len(children))

    # Kept as scikit-learn lays it out in memory: the order of a sum follows from that.
    def transform(ask: Ask) -> Array:
        return np.asarray([ask(i, "predict") for i in indices]).T

    return {
        "predict": lambda ask: np.average(transform(ask), axis=1, weights=weights),
        "transform": transform,
    }


def _labels(component: Component, children: list[Lowered]) -> dict[str, Combine] | NotFast:
    soft = component.get("voting") == "soft"
    asked = "predict_proba" if soft else "predict"
    if not answered(children, asked):
        return NotFast(f"a model that votes has no fast `{asked}`")
    weights, indices = _weights(component), range(len(children))
    classes, flat = component["classes_"], component.get("flatten_transform", True)

    def probabilities(ask: Ask) -> Array:
        return np.asarray([ask(i, "predict_proba") for i in indices])

    def predict_proba(ask: Ask) -> Array:
        return np.asarray(np.average(probabilities(ask), axis=0, weights=weights))

    def labels(ask: Ask) -> Array:
        return np.asarray([ask(i, "predict") for i in indices]).T

    def most_votes(ask: Ask) -> Array:
        found = labels(ask)
        votes = np.zeros((len(found), len(classes)))
        each = np.arange(len(found))
        for column, weight in zip(found.T, weights or [1] * len(children), strict=True):
            votes[each, column] += weight
        return np.asarray(classes[votes.argmax(axis=1)])

    if not soft:
        return {"predict": most_votes, "transform": labels}

    def transform(ask: Ask) -> Array:
        found = probabilities(ask)
        return np.hstack(list(found)) if flat else found

    return {
        "predict": lambda ask: classes[np.argmax(predict_proba(ask), axis=1)],
        "predict_proba": predict_proba,
        "transform": transform,
    }


_COMBINE = {_VOTING_CLASSIFIER: _labels, _VOTING_REGRESSOR: _numbers}


def _stacking(component: Component, children: list[Lowered], exact: bool) -> Lowered | NotFast:
    """The last model over the others' answers, and over plain rows with passthrough."""
    last, methods = component.get("final_estimator_"), component.get("stack_method_")
    if not isinstance(last, Component):
        return NotFast("the last model is no estimator")
    final = last.lower(exact)
    if isinstance(final, NotFast):
        return final
    if final.input != "rows":
        return NotFast("the last model takes no rows of numbers")
    sees_rows = bool(component.get("passthrough"))
    if sees_rows and any(child.input != "rows" or child.takes != "numbers" for child in children):
        return NotFast("the last model sees rows that are no plain numbers")
    if not isinstance(methods, list) or len(methods) != len(children):
        return NotFast("it does not say which method of each model it stacks")
    if any(name not in child.methods for name, child in zip(methods, children, strict=True)):
        return NotFast("a model is stacked by a method that has no fast predictor")
    encoder = component.get("_label_encoder")
    if isinstance(encoder, list):
        return NotFast("several labels at once have classes of their own")
    classes = encoder["classes_"] if isinstance(encoder, Component) else None
    binary = classes is not None and len(classes) == 2

    def transform(ask: Ask) -> Array:
        columns = []
        for index, name in enumerate(methods):
            found = ask(index, name)
            if found.ndim == 1:
                found = found.reshape(-1, 1)
            elif binary and name == "predict_proba":
                found = found[:, 1:]
            columns.append(found)
        if sees_rows:
            columns.append(ask(THE_ROWS, "rows"))
        return np.hstack(columns)

    def finally_(method: str) -> Combine:
        call = final.methods[method]

        def answer(ask: Ask) -> Any:
            given = transform(ask)
            check_width(given, final)
            found = call(given if given.dtype.kind == "f" else given.astype(np.float64))
            if found is None:
                raise Unanswered
            return found

        return answer

    combine: dict[str, Combine] = {"transform": transform}
    for name in ("predict", "predict_proba", "decision_function"):
        if name in final.methods:
            combine[name] = finally_(name)
    if classes is not None and "predict" in combine:
        combine["predict"] = _named(combine["predict"], classes)
    return over_children(
        children,
        combine,
        exact=exact,
        names=(component.path, *final.names),
        by=f"{len(children)} models stacked under {final.by}",
        classes=classes,
        decides_by=final.decides_by,
        together=not sees_rows,
    )


def _named(predict: Combine, classes: Array) -> Callable[[Ask], Array]:
    return lambda ask: np.asarray(classes[predict(ask)])


def examples() -> Iterable[Example]:
    """Votes by label, probability and number, with weights and without; stacks over trees."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        RandomForestClassifier,
        RandomForestRegressor,
        StackingClassifier,
        StackingRegressor,
        VotingClassifier,
        VotingRegressor,
    )
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    rows, labels = make_classification(
        240, 40, n_informative=12, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    names = np.array(["north", "east", "south"])[labels]
    numbers = rows[:, 0] * 2 - rows[:, 1]
    models = [
        ("forest", RandomForestClassifier(5, max_depth=5, random_state=0)),
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("boosted", HistGradientBoostingClassifier(max_iter=4, random_state=0)),
    ]
    linear = ("linear", LogisticRegression())
    for kind in ("hard", "soft"):
        yield Example(kind, VotingClassifier(models, voting=kind).fit(rows, names), rows)
        weighted = VotingClassifier([*models, linear], voting=kind, weights=[1, 0.3, 2, 0.7])
        yield Example(f"{kind} with weights", weighted.fit(rows, labels > 1), rows)
    dropped = VotingClassifier([linear, *models], voting="soft", flatten_transform=False)
    dropped.set_params(tree="drop", weights=[1, 2, 3, 4])
    yield Example("one dropped", dropped.fit(rows, names), rows)
    regressors = [
        ("forest", RandomForestRegressor(5, max_depth=5, random_state=0)),
        ("tree", DecisionTreeRegressor(max_depth=5, random_state=0)),
        ("linear", LinearRegression()),
    ]
    yield Example("numbers", VotingRegressor(regressors[:2]).fit(rows, numbers), rows)
    weighted = VotingRegressor(regressors, weights=[3, 1, 0.5])
    yield Example("numbers with weights", weighted.fit(rows, numbers), rows)
    for name, target in (("three classes", names), ("two classes", labels > 1)):
        stack = StackingClassifier(models[:2], LogisticRegression(), cv=3)
        yield Example(f"stack of {name}", stack.fit(rows, target), rows)
    by_label = StackingClassifier(models[:2], models[0][1], cv=3, stack_method="predict")
    yield Example("stack of labels", by_label.fit(rows, names), rows)
    for name, target in (("three classes", names), ("two classes", labels > 1)):
        seeing = StackingClassifier(
            models[:2], LogisticRegression(max_iter=500), cv=3, passthrough=True
        )
        yield Example(f"stack of {name} and rows", seeing.fit(rows, target), rows)
    stack = StackingRegressor(regressors, RandomForestRegressor(5, random_state=0), cv=3)
    yield Example("stack of numbers", stack.fit(rows, numbers), rows)


FAMILY = Family(
    name="voting",
    types=frozenset({*_COMBINE, _STACKING_CLASSIFIER, _STACKING_REGRESSOR}),
    slots=slots_for(("classes_",), Slot(Role.LABEL))
    | slots_for(("weights",), Slot(Role.PARAMETER, note="decides how much each model counts")),
    lower=lower,
    sees_input=sees_input,
    examples=examples,
)
