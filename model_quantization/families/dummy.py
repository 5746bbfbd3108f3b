"""Dummy estimators: the same answer for every row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.schemes.scheme import Role, Slot

_CLASSIFIER = "sklearn.dummy:DummyClassifier"
_REGRESSOR = "sklearn.dummy:DummyRegressor"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The answer, repeated."""
    if component.get("n_outputs_") != 1:
        return NotFast("it answers several targets at once")
    classes = component.get("classes_")
    is_number = component.type == _REGRESSOR
    methods = _number(component) if is_number else _label(component, classes)
    if isinstance(methods, NotFast):
        return methods
    return Lowered(
        methods,
        by="one answer for all rows",
        names=(component.path,),
        integers="kept",
        classes=classes if isinstance(classes, np.ndarray) else None,
        decides_by="predict_proba",
    )


def _number(component: Component) -> dict[str, Method] | NotFast:
    value = component.get("constant_")
    if not isinstance(value, np.ndarray) or value.size != 1:
        return NotFast("its answer is not one number")
    return {"predict": lambda rows: np.ravel(np.full((len(rows), 1), value, dtype=value.dtype))}


def _label(component: Component, classes: object) -> dict[str, Method] | NotFast:
    strategy, prior = component.get("_strategy"), component.get("class_prior_")
    if component.get("sparse_output_") or strategy not in ("prior", "most_frequent", "constant"):
        return NotFast("its answers are drawn at random, or sparse")
    if not isinstance(classes, np.ndarray) or not isinstance(prior, np.ndarray):
        return NotFast("it has not one list of classes")
    if classes.shape != prior.shape or not len(classes):
        return NotFast("its classes do not fit their shares")
    asked = component.get("constant")
    chosen = np.zeros(len(classes))
    if strategy == "constant":
        chosen[np.flatnonzero(classes == asked)] = 1.0
    else:
        chosen[prior.argmax()] = 1.0

    def predict(rows: Array) -> Array:
        if strategy == "constant":
            return np.ravel(np.tile(asked, (len(rows), 1)))
        return np.ravel(np.tile([classes[prior.argmax()]], [len(rows), 1]))

    def predict_proba(rows: Array) -> Array:
        if strategy == "prior":
            return np.asarray(np.ones((len(rows), 1)) * prior)
        found = np.zeros((len(rows), len(classes)))
        found[:] = chosen
        return found

    def predict_log_proba(rows: Array) -> Any:
        return np.log(predict_proba(rows))

    return {
        "predict": predict,
        "predict_proba": predict_proba,
        "predict_log_proba": predict_log_proba,
    }


def examples() -> Iterable[Example]:
    """Each strategy that is not drawn at random."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    rows = np.random.default_rng(0).normal(size=(50, 4))
    names = np.array(["north", "east", "south"])[np.arange(50) % 3]
    for strategy in ("prior", "most_frequent"):
        yield Example(strategy, DummyClassifier(strategy=strategy).fit(rows, names), rows)
    constant = DummyClassifier(strategy="constant", constant="south")
    yield Example("constant", constant.fit(rows, names), rows)
    yield Example("median", DummyRegressor(strategy="median").fit(rows, rows[:, 0]), rows)


FAMILY = Family(
    name="dummy",
    types=frozenset({_CLASSIFIER, _REGRESSOR}),
    slots=slots_for(("classes_", "class_prior_", "constant_"), Slot(Role.LABEL)),
    silent=frozenset({"sklearn.dummy:DummyClassifier", "sklearn.dummy:DummyRegressor"}),
    lower=lower,
    examples=examples,
)
