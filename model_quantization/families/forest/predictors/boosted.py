"""Gradient boosting: a start value, and the leaf of each tree times the learning rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest.predictors.losses import link_of, probabilities, raw_prior
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    add_leaves,
    leaf_numbers,
    threads,
)
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum
from model_quantization.locks import cached_property

_DUMMY = "sklearn.dummy:"


class BoostedTrees:
    """Answers of `GradientBoosting*`, added up stage by stage in float64."""

    def __init__(self, component: Component, link: str, start: Array) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.link = link
        self.start = start
        self.outputs = int(component["tree_outputs"])
        self.classes: Array = component.get("classes_")
        self.forest.check_sums(self.outputs)
        self.rate = float(component["learning_rate"])

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out, with leaves already multiplied."""
        forest = self.forest
        return TreeSum(self._leaves, self.outputs, forest.n_features, forest.most_leaves)

    def _leaves(self) -> Leaves:
        leaves = self.forest.leaves()
        return replace(leaves, rows=self.rate * leaves.rows)

    def raw(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """Raw sums: shape (n, trees of an iteration)."""
        jobs = threads(n_jobs, self.component)
        return add_leaves(self.sums, rows, self.start, 1.0, nan_allowed=False, jobs=jobs)

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The predicted value."""
        raw = self.raw(rows, n_jobs)
        return None if raw is None else raw.reshape(-1)

    def decision_function(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Raw sums: (n,) for two classes."""
        raw = self.raw(rows, n_jobs)
        return raw.reshape(-1) if raw is not None and raw.shape[1] == 1 else raw

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The class with the largest raw sum."""
        raw = self.decision_function(rows, n_jobs)
        if raw is None:
            return None
        at = (raw >= 0).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes[at])

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities."""
        raw = self.decision_function(rows, n_jobs)
        return None if raw is None else probabilities(self.link, raw)

    def predict_log_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Their logarithms."""
        found = self.predict_proba(rows, n_jobs)
        return None if found is None else np.log(found)

    def apply(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The leaf of each row: float64, (n, iterations, outputs)."""
        prepared = leaf_numbers(self.forest, rows, threads(n_jobs, self.component))
        if prepared is None or not np.isfinite(rows).all():
            return None
        return prepared.astype(np.float64).reshape(len(rows), -1, self.outputs)


def lower_boosted(component: Component) -> Lowered | NotFast:
    """The fast predictor of gradient boosting; None where it starts from a model of its own."""
    link = link_of(component.get("_loss"))
    classifies = "classes_" in component
    start = None if link is None else _start(component, link, classifies)
    if link is None or start is None or start.shape[1] != component["tree_outputs"]:
        return NotFast("its sum starts from a model of its own, or its loss is not known")
    trees = BoostedTrees(component, link, start)
    methods: dict[str, Method] = {}
    if classifies:
        # That of a regressor refuses lists, by an error of its own; and of a classifier the first
        # tree looks at the input, and has other words for named columns.
        if "feature_names_in_" not in component:
            methods["apply"] = trees.apply
        methods["decision_function"] = trees.decision_function
        methods["predict"] = trees.predict_class
        methods["predict_proba"] = trees.predict_proba
        methods["predict_log_proba"] = trees.predict_log_proba
    else:
        methods["predict"] = trees.predict_value
    return Lowered(
        methods,
        by="the sum of the trees",
        names=(component.path,),
        n_features=trees.forest.n_features,
        classes=trees.classes,
        sparse_as_dense=True,
    )


def _start(component: Component, link: str, classifies: bool) -> Array | None:
    """The start of the sum: (1, outputs); None where it depends on the row."""
    first = component.get("init_")
    if first == "zero":
        return np.zeros((1, int(component["tree_outputs"])))
    kind = getattr(first, "type", "")
    if kind == f"{_DUMMY}DummyRegressor" and not classifies and "constant_" in first:
        constant = np.asarray(first["constant_"], dtype=np.float64)
        return constant.reshape(1, -1)
    if kind == f"{_DUMMY}DummyClassifier" and classifies and first.get("strategy") == "prior":
        prior = first["class_prior_"]
        return raw_prior(link, prior) if isinstance(prior, np.ndarray) else None
    return None
