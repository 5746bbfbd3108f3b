"""Answers of LightGBM's estimators: its sums in its order, by its formulas."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Component
from model_quantization.families.forest.lightgbm.text import CATEGORIES, Objective, parse_objective
from model_quantization.families.forest.predictors.booster import BoosterTrees, lowered_booster
from model_quantization.families.forest.predictors.coded import CodedTrees
from model_quantization.families.forest.predictors.packed_forest import Jobs, threads
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.kernels.trees import booster_links
from model_quantization.locks import cached_property

_LOGISTIC = frozenset({"binary", "multiclassova", "cross_entropy"})
_EXPONENTIAL = frozenset({"poisson", "gamma", "tweedie"})


class LightGBMTrees(BoosterTrees):
    """Answers of `LGBM*`, added up tree by tree in float64."""

    def __init__(self, component: Component, objective: Objective) -> None:
        super().__init__(component)
        self.objective = objective
        if objective.name == "multiclass" and self.outputs < 2:
            raise SemanticError(
                "one output for several classes", where=f"{component.path}/tree_outputs".lstrip("/")
            )
        self.averaged = bool(component["booster_averaged"])
        every: defaultdict[int, Array] = defaultdict(lambda: np.arange(CATEGORIES))
        self.trees = CodedTrees(self.used_trees, every, self.outputs, self.forest.most_leaves)

    @cached_property
    def categories(self) -> Array:
        """Columns that splits look up."""
        return np.unique(self.trees.coding.category_columns)

    def raw(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """Sums: shape (n, trees of an iteration)."""
        if self.categories.size:
            rows = whole_categories(rows, self.categories)
        out = np.zeros((len(rows), self.outputs))
        return out if self.trees.add(rows, out, threads(n_jobs, self.component)) else None

    def decision_function(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Sums: (n,) where an iteration is one tree."""
        raw = self.raw(rows, n_jobs)
        return raw if raw is None or self.outputs > 1 else raw.reshape(-1)

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The answers that the sums stand for: (n,) or (n, outputs)."""
        sums = self.decision_function(rows, n_jobs)
        if sums is None:
            return None
        if self.averaged:
            sums /= self.iterations
        return _meaning(self.objective, sums)

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The class with the largest probability."""
        found = self.predict_proba(rows, n_jobs)
        if found is None:
            return None
        at = np.argmax(found, axis=1)
        # A model of one class still has two columns: LightGBM raises its own error then.
        return np.asarray(self.classes[at]) if int(at.max()) < len(self.classes) else None


def _meaning(objective: Objective, sums: Array) -> Array:
    """The answers that LightGBM's `ConvertOutput` makes of sums, in place where possible."""
    flat = sums.reshape(-1)
    if objective.name == "multiclass":
        booster_links.normalized_exponentials(sums)
    elif objective.name in _LOGISTIC:
        booster_links.logistic(flat, objective.sigmoid)
    elif objective.name in _EXPONENTIAL:
        booster_links.exponential(flat)
    elif objective.name == "cross_entropy_lambda":
        booster_links.log_one_plus_exp(flat)
    elif objective.sqrt:
        return np.sign(sums) * sums * sums
    return sums


def whole_categories(rows: Array, columns: Array) -> Array:
    """Rows with categories as whole numbers, truncated towards zero; -1 for other values."""
    rows = rows.astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole = np.trunc(rows[:, columns])
        whole[~((whole >= 0.0) & (whole < CATEGORIES))] = -1.0
    rows[:, columns] = whole
    return rows


def lower_lightgbm(component: Component) -> Lowered | NotFast:
    """The fast predictor of an estimator of LightGBM."""
    objective = parse_objective(component["booster_objective"])
    if objective is None:
        return NotFast("its objective is not known")
    trees = LightGBMTrees(component, objective)
    methods: dict[str, Method] = {"predict": trees.predict_value}
    if "classes_" in component:
        methods = {
            "decision_function": trees.decision_function,
            "predict": trees.predict_class,
            "predict_proba": trees.predict_proba,
        }
    return lowered_booster(component, trees.forest, methods)
