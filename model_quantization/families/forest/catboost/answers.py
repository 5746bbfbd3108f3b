"""Answers of CatBoost's estimators: rows as float32, sums as float64, its own exponential."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Component
from model_quantization.families.forest.catboost.state import BINARY, EXPONENTIAL
from model_quantization.families.forest.predictors.booster import lowered_booster
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    add_leaves,
    threads,
)
from model_quantization.families.lowered import Lowered, Method
from model_quantization.kernels.trees import booster_links, table_exp
from model_quantization.kernels.trees.symmetric import (
    LANES,
    Levels,
    levels_of,
    missing_sides,
    sum_levels,
)
from model_quantization.kernels.trees.tree_sum import TreeSum, over_rows
from model_quantization.locks import cached_property

FEWEST_ROWS = 16  # fewer are walked down nodes


class CatBoostTrees:
    """Answers of `CatBoost*`, added up tree by tree in float64."""

    def __init__(self, component: Component) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.loss = str(component["booster_objective"])
        self.scale = float(component["booster_scale"])
        self.bias: Array = component["booster_bias"]
        self.classes: Array = component.get("classes_")
        if self.bias.shape != (self.forest.width,):
            raise SemanticError(
                "another number of biases than of outputs",
                where=f"{component.path}/booster_bias".lstrip("/"),
                expected=str(self.forest.width),
            )
        self.start = np.zeros((1, self.forest.width))

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out."""
        forest = self.forest
        return TreeSum(forest.leaves, 1, forest.n_features, forest.most_leaves)

    @cached_property
    def levels(self) -> tuple[Levels, Array, Array] | None:
        """The trees level by level, what stands for NaN, and the values of leaves, flat."""
        trees = self.forest.decode()
        levels = levels_of(trees)
        missing = missing_sides(trees, self.forest.n_features)
        if levels is None or missing is None:
            return None
        return levels, missing, trees.rows[trees.ids].reshape(-1)

    def raw(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """The sums, RawFormulaVal to CatBoost: shape (n, outputs)."""
        jobs = threads(n_jobs, self.component)
        if len(rows) >= FEWEST_ROWS and self.levels is not None:
            sums: Array | None = self._by_level(self.levels, rows, jobs)
        else:
            sums = add_leaves(
                self.sums, rows, self.start, 1.0, nan_allowed=True, jobs=jobs, infinity_allowed=True
            )
        if sums is None:
            return None
        if self.scale != 1.0 or self.bias.any():
            sums = self.scale * sums + self.bias
        return sums

    def _by_level(self, laid_out: tuple[Levels, Array, Array], rows: Array, jobs: int) -> Array:
        levels, missing, values = laid_out
        out = np.zeros((len(rows), len(self.bias)))
        kind = rows.dtype if rows.dtype == np.float32 else np.float64
        rows = np.ascontiguousarray(rows, dtype=kind)

        def work(first: int, last: int) -> None:
            sum_levels(
                rows,
                missing,
                levels.depths,
                levels.features,
                levels.thresholds,
                values,
                out.shape[1],
                first,
                last,
                np.empty((rows.shape[1], LANES), dtype=np.float32),
                np.empty((out.shape[1], LANES)),
                out,
            )

        over_rows(work, len(rows), jobs)
        return out

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The predicted value: (n,) or (n, outputs)."""
        raw = self.raw(rows, n_jobs)
        if raw is None:
            return None
        if self.loss in EXPONENTIAL:
            table_exp.table_exponential(raw.reshape(-1), table_exp.TABLE)
        return raw.reshape(-1) if raw.shape[1] == 1 else np.asfortranarray(raw)

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities."""
        raw = self.raw(rows, n_jobs)
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
        raw = self.raw(rows, n_jobs)
        if raw is None:
            return None
        if self.loss in BINARY:
            return np.asarray(self.classes[(raw[:, 0] > 0).astype(int)])
        return np.asarray(self.classes[raw.argmax(axis=1)]).reshape(-1, 1)


def lower_catboost(component: Component) -> Lowered:
    """The fast predictor of an estimator of CatBoost."""
    trees = CatBoostTrees(component)
    methods: dict[str, Method] = {"predict": trees.predict_value}
    if "classes_" in component:
        methods = {"predict": trees.predict_class, "predict_proba": trees.predict_proba}
    return lowered_booster(component, trees.forest, methods, decides_by="predict_proba")
