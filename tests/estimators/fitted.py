"""Every estimator of scikit-learn that can be fitted on simple data, fitted once per process."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.decomposition import SparseCoder
from sklearn.frozen import FrozenEstimator
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances
from sklearn.utils.estimator_checks import (
    _enforce_estimator_tags_X,
    _enforce_estimator_tags_y,
)

# The only estimators that are not proven, each with the reason.
CANNOT: dict[str, str] = {}

_DOCUMENTS = ["the cat sat", "a dog sat on the mat", "cats and dogs and mats"] * 5


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted estimator with rows it answers, and what it was fitted to."""

    name: str
    model: Any
    rows: Any
    target: Any


def _pairs(X: Any, y: Any) -> tuple[Any, Any]:
    return X, y


def _target_alone(X: Any, y: Any) -> tuple[Any, Any]:
    return y, None


_DATA: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "CountVectorizer": lambda X, y: (_DOCUMENTS, None),
    "TfidfVectorizer": lambda X, y: (_DOCUMENTS, None),
    "HashingVectorizer": lambda X, y: (_DOCUMENTS, None),
    "DictVectorizer": lambda X, y: ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], None),
    "FeatureHasher": lambda X, y: ([{"a": 1, "b": 2.5}, {"a": 2, "c": -1}], None),
    "PatchExtractor": lambda X, y: (np.resize(X, (3, 20, 20)), None),
    "MultiLabelBinarizer": lambda X, y: ([(1, 2), (3,), (1, 3)], None),
    "LabelBinarizer": _target_alone,
    "LabelEncoder": _target_alone,
}


# Those that nobody can make without knowing what to put in.
_MADE: dict[str, Callable[[], Any]] = {
    "FrozenEstimator": lambda: FrozenEstimator(fitted("Ridge").model),
    "SparseCoder": lambda: SparseCoder(np.eye(4, 5)[:, ::-1] + 0.5),
}


@cache
def estimator_names() -> tuple[str, ...]:
    """Every estimator that `sklearn.utils.all_estimators` yields and that is not in `CANNOT`."""
    return tuple(name for name, _ in all_estimators() if name not in CANNOT)


@cache
def _classes() -> dict[str, type]:
    return dict(all_estimators())


@cache
def fitted(name: str) -> Fitted:
    """The estimator of this name, fitted as scikit-learn's own checks do it."""
    X, y = make_blobs(n_samples=80, centers=3, n_features=5, random_state=0)
    np.random.seed(0)  # a few draw from the global state whatever their random_state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = _MADE.get(name)
        estimator = made() if made else next(iter(_construct_instances(_classes()[name])))
        rows = _enforce_estimator_tags_X(estimator, X)
        target = _enforce_estimator_tags_y(estimator, y)
        rows, target = _DATA.get(name, _pairs)(rows, target)
        model = estimator.fit(rows) if target is None else estimator.fit(rows, target)
    return Fitted(name, model, rows, target)
