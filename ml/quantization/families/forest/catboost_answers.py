"""Answers of CatBoost's estimators: rows as float32, sums as float64, its own exponential."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ml.quantization.families.family import Component, Lowered, Method
from ml.quantization.families.forest.answering import Jobs, PackedForest, add_leaves
from ml.quantization.families.forest.catboost_state import BINARY, EXPONENTIAL
from ml.quantization.graph import Array
from ml.quantization.kernels import booster_links, table_exp
from ml.quantization.kernels.tree_sum import TreeSum


class CatBoostTrees:
    """Answers of `CatBoost*`, added up tree by tree in float64."""

    def __init__(self, component: Component) -> None:
        self.forest = PackedForest(component)
        self.loss = str(component["booster_objective"])
        self.scale = float(component["booster_scale"])
        self.bias: Array = component["booster_bias"]
        self.classes: Array = component.get("classes_")
        self.start = np.zeros((1, len(self.bias)))

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out."""
        forest = self.forest
        return TreeSum(forest.leaves, 1, forest.n_features, forest.most_leaves)

    def raw(self, rows: Array) -> Array | None:
        """What CatBoost calls RawFormulaVal: shape (n, outputs)."""
        sums = add_leaves(
            self.sums, rows, self.start, 1.0, nan_allowed=True, jobs=1, infinity_allowed=True
        )
        if sums is None:
            return None
        if self.scale != 1.0 or self.bias.any():
            sums = self.scale * sums + self.bias
        return sums

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The predicted value: (n,) or (n, outputs)."""
        raw = self.raw(rows)
        if raw is None:
            return None
        if self.loss in EXPONENTIAL:
            table_exp.table_exponential(raw.reshape(-1), table_exp.TABLE)
        return raw.reshape(-1) if raw.shape[1] == 1 else np.asfortranarray(raw)

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities."""
        raw = self.raw(rows)
        if raw is None:
            return None
        if self.loss == "MultiClass":
            table_exp.table_shares(raw, table_exp.TABLE)
            return np.asfortranarray(raw)
        booster_links.logistic(raw.reshape(-1), 1.0)
        if self.loss in BINARY:
            raw = np.column_stack([1.0 - raw, raw])
        return np.asfortranarray(raw)

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The label with the largest sum: (n,) for two classes, else (n, 1)."""
        raw = self.raw(rows)
        if raw is None:
            return None
        if self.loss in BINARY:
            return np.asarray(self.classes[(raw[:, 0] > 0).astype(int)])
        return np.asarray(self.classes[raw.argmax(axis=1)]).reshape(-1, 1)


def lower_catboost(component: Component) -> Lowered | None:
    """The fast predictor of an estimator of CatBoost."""
    trees = CatBoostTrees(component)
    methods: dict[str, Method] = {"predict": trees.predict_value}
    if "classes_" in component:
        methods = {"predict": trees.predict_class, "predict_proba": trees.predict_proba}
    return Lowered(
        methods, n_features=trees.forest.n_features, names=(component.path,), integers="float32"
    )
