"""Answers of XGBoost's estimators: float32 throughout, as the library computes them in place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Component
from model_quantization.families.forest.predictors.booster import BoosterTrees, lowered_booster
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    add_leaves,
    leaf_numbers,
    threads,
)
from model_quantization.families.forest.stored.parts import leaf_trees
from model_quantization.families.forest.xgboost.model import interleaved
from model_quantization.families.forest.xgboost.state import LOG, LOGISTIC, OBJECTIVES, SOFTMAX
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.kernels.trees import booster_links
from model_quantization.kernels.trees.pooled import PooledTrees, level_order
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum
from model_quantization.locks import cached_property


class XGBoostTrees(BoosterTrees):
    """Answers of `XGB*`, added up tree by tree in float32 from the base score on."""

    def __init__(self, component: Component) -> None:
        super().__init__(component, int(component["booster_parallel"]))
        self.objective = str(component["booster_objective"])
        base = np.array(component["booster_base"], dtype=np.float32)
        weights = component.get("booster_weights")
        if base.shape != (self.outputs,) or (
            weights is not None and np.shape(weights) != (self.forest.n_trees,)
        ):
            raise SemanticError(
                "the bases do not fit the outputs, or the weights do not fit the trees",
                where=f"{component.path}/booster_base".lstrip("/"),
            )
        if self.objective in LOGISTIC:
            booster_links.log_odds32(base)
        elif self.objective in LOG:
            booster_links.logarithm32(base)
        self.start = base.reshape(1, self.outputs)

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out, with leaves already weighed."""
        forest = self.forest
        return TreeSum(self._leaves, self.outputs, forest.n_features, forest.most_leaves)

    def _leaves(self) -> Leaves:
        trees = self.used_trees()
        rows = trees.rows.astype(np.float32)
        ids = trees.ids
        if "booster_weights" in self.component:
            # XGBoost weighs a tree's answer with the base in it, which costs the last bits.
            tree = leaf_trees(trees.sizes)
            base = self.start[0][tree % self.outputs]
            weights = self.component["booster_weights"].astype(np.float32)
            rows = (((base + rows[ids, 0]) - base) * weights[tree]).reshape(-1, 1)
            ids = np.arange(len(rows), dtype=np.uint32)
        return Leaves(self.forest.shape(trees), ids, rows)

    def margin(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """Sums: float32, shape (n, outputs)."""
        jobs = threads(n_jobs, self.component)
        return add_leaves(
            self.sums, rows, self.start, 1.0, nan_allowed=True, jobs=jobs, infinity_allowed=True
        )

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The answers that the sums stand for: float32, (n,) or (n, outputs)."""
        sums = self.margin(rows, n_jobs)
        if sums is None:
            return None
        if self.objective in LOGISTIC:
            booster_links.logistic32(sums.reshape(-1))
        elif self.objective in LOG:
            booster_links.exponential32(sums.reshape(-1))
        elif self.objective in SOFTMAX:
            booster_links.normalized_exponentials32(sums)
        return sums if self.outputs > 1 else sums.reshape(-1)

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The number of the most probable class."""
        found = self.predict_value(rows, n_jobs)
        if found is None:
            return None
        if self.outputs > 1:
            return np.asarray(np.argmax(found, axis=1))
        labels = np.repeat(0, len(found))
        labels[found > 0.5] = 1
        return labels

    def apply(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The leaf of each row in each tree that answers: float32, (n, n_trees)."""
        found = leaf_numbers(self.numbered, rows, threads(n_jobs, self.component))
        if found is None:
            return None
        found = found[:, : self.n_used]
        places = np.argsort(interleaved(self.n_used, self.outputs, self.parallel))
        return np.ascontiguousarray(found[:, places], dtype=np.float32)

    @cached_property
    def numbered(self) -> PackedForest:
        """The trees with their nodes numbered as XGBoost does."""
        levels = self.component.get("booster_levels") is True
        return _LevelledForest(self.component) if levels else self.forest


class _LevelledForest(PackedForest):
    """Trees whose nodes are numbered level by level."""

    def decode(self) -> PooledTrees:
        trees = super().decode()
        return replace(trees, order=level_order(trees))


def lower_xgboost(component: Component) -> Lowered | NotFast:
    """The fast predictor of an estimator of XGBoost, or the reason why it has none."""
    objective, outputs = component["booster_objective"], int(component["tree_outputs"])
    if objective not in OBJECTIVES:
        return NotFast("its objective is not known")
    methods: dict[str, Method]
    trees = XGBoostTrees(component)
    if "classes_" in component:
        classes = len(component["classes_"])
        several = objective in SOFTMAX and outputs == classes > 2
        if not several and (objective not in LOGISTIC or outputs > 1 or classes != 2):
            return NotFast("its objective does not fit its classes")
        methods = {"predict": trees.predict_class, "predict_proba": trees.predict_proba}
    else:
        methods = {"predict": trees.predict_value}
    methods["apply"] = trees.apply
    return lowered_booster(component, trees.forest, methods, decides_by="predict_proba")
