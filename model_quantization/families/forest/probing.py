"""Thresholds of boosters, read from their library's own format, for probe rows.

A booster is asked before it is packed, and some never are: those with categories, linear leaves or
trees that are not symmetric. So the formats are read for their thresholds alone, whatever else they
hold. A format that cannot be read gives no values; generic ones are used then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import UnsupportedComponent
from model_quantization.families.family import Component
from model_quantization.families.probing import Collect, ProbeValues

_MOST: Final = 64  # thresholds of a column
_SPLITS: Final = re.compile(rb"^(split_feature|threshold)=([^\n]*)$", re.M)
Splits = Iterator[tuple[Array, Array]]


def probe(component: Component, collect: Collect) -> ProbeValues | None:
    """Return the thresholds of a booster by column; None for trees of scikit-learn."""
    for name, key, read in _FORMATS:
        holder = component if name is None else component.get(name)
        if not isinstance(holder, Component):
            continue
        data = holder.get(key)
        if isinstance(data, bytes):
            return ProbeValues(_by_column(read(data)))
    return None


def _by_column(splits: Splits) -> dict[int, Array]:
    pieces: dict[int, list[Array]] = {}
    try:
        for features, thresholds in splits:
            for feature in np.unique(features):
                pieces.setdefault(int(feature), []).append(thresholds[features == feature])
    except (UnsupportedComponent, KeyError, TypeError, ValueError, IndexError):
        return {}  # no format that is known here
    found = {}
    for feature, each in pieces.items():
        values = np.unique(np.concatenate(each))
        values = values[np.isfinite(values)]
        if feature >= 0 and values.size:
            picks = np.unique(np.linspace(0, values.size - 1, _MOST).round().astype(int))
            found[feature] = values[picks]
    return found


def _lightgbm(text: bytes) -> Splits:
    features: Array | None = None
    for key, numbers in _SPLITS.findall(text):
        values = np.array(numbers.split(), dtype=np.float64)
        if key == b"split_feature":
            features = values.astype(np.int64)
        elif features is not None and features.size == values.size:
            yield features, values


def _xgboost(data: bytes) -> Splits:
    from model_quantization.families.forest.xgboost.ubjson import read_ubjson

    document: Any = read_ubjson(data)
    booster = document.get("Model", document)["learner"]["gradient_booster"]
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        inner = np.asarray(tree["left_children"]) >= 0
        conditions = np.asarray(tree["split_conditions"], dtype=np.float64)
        yield np.asarray(tree["split_indices"])[inner].astype(np.int64), conditions[inner]


def _catboost(data: bytes) -> Splits:
    from model_quantization.families.forest.catboost.model import borders_by_column

    for column, borders in borders_by_column(data):
        yield np.full(borders.size, column), borders.astype(np.float64)


# (attribute that holds the booster, or the estimator itself; field of its bytes; their reader)
_FORMATS: Final = (
    ("_Booster", "text", _lightgbm),
    ("_Booster", "handle", _xgboost),
    (None, "__model", _catboost),
)
