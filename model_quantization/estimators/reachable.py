"""The estimators inside a loaded object, and how each is asked."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from model_quantization.errors import UnfittedModel
from model_quantization.graph.methods import (
    PUBLIC_METHODS,
    PublicMethods,
    is_estimator,
    method_of,
    public_methods_of,
)
from model_quantization.graph.traversal import entry_steps, join
from model_quantization.graph.values import MISFITS

# Classes that hold nothing fitted; scikit-learn says so of each only since 1.7.
_NEVER_FITTED = ("FeatureHasher", "HashingVectorizer")


def find_surfaces(model: Any) -> dict[str, PublicMethods]:
    """Return path -> methods and task of the estimators that a caller can reach."""
    return {
        path: public_methods_of(estimator) for path, estimator in find_estimators(model).items()
    }


def find_estimators(model: Any, path: str = "") -> dict[str, Any]:
    """Return path -> estimator: the model itself, or those in the containers it is made of."""
    if is_estimator(model):
        return {path: model}
    items: Iterable[tuple[str, Any]] = ()
    if type(model) is dict:
        items = zip(entry_steps(model), model.values(), strict=True)
    elif type(model) in (list, tuple):
        items = ((str(position), value) for position, value in enumerate(model))
    found: dict[str, Any] = {}
    for step, value in items:
        found |= find_estimators(value, join(path, step))
    return found


def check_fitted(model: Any) -> None:
    """Raise `UnfittedModel` when the model is, or holds, an estimator that was never fitted."""
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    for path, estimator in find_estimators(model).items():
        if not isinstance(estimator, BaseEstimator) or not hasattr(estimator, "fit"):
            continue
        if type(estimator).__name__ in _NEVER_FITTED:
            continue
        try:
            check_is_fitted(estimator)
        except NotFittedError:
            if _answers_unfitted(estimator):
                continue
            raise UnfittedModel(
                "the estimator was never fitted",
                where=": ".join(part for part in (path, type(estimator).__name__) if part),
                expected="a fitted estimator",
                do="fit it before saving it",
            ) from None


def _answers_unfitted(estimator: Any) -> bool:
    """Whether an estimator without fitted attributes answers: tried with empty input.

    A vectorizer with a vocabulary of its own, for one, learns nothing by being fitted.
    """
    method = serving_method(
        [name for name in PUBLIC_METHODS if callable(method_of(estimator, name))]
    )
    if method is None:
        return False
    try:
        getattr(copy.deepcopy(estimator), method)([])
    except MISFITS:  # `NotFittedError` among them
        return False
    return True


def serving_method(methods: Sequence[str]) -> str | None:
    """Return the method whose latency a reader cares for."""
    for name in ("predict_proba", "predict", "decision_function", "transform", "score_samples"):
        if name in methods:
            return name
    return None


def answered_model(model: Any) -> tuple[str, Any] | None:
    """Return (path, estimator) of the one model that held-out rows are for; None if not one."""
    found = find_estimators(model)
    predicting = {path: each for path, each in found.items() if hasattr(each, "predict")}
    candidates = {id(each): (path, each) for path, each in reversed((predicting or found).items())}
    return candidates.popitem()[1] if len(candidates) == 1 else None
