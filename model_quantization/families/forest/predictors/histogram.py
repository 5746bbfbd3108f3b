"""Histogram gradient boosting: float64 thresholds, missing values, categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest.predictors.coded import CodedTrees
from model_quantization.families.forest.predictors.losses import (
    inverse_link,
    link_of,
    probabilities,
)
from model_quantization.families.forest.predictors.packed_forest import Jobs, PackedForest, threads
from model_quantization.families.forest.predictors.row_codes import (
    is_undecided,
    known_categories,
    read_encoder,
)
from model_quantization.families.lowered import Lowered, Method, NotFast


class HistogramTrees:
    """Answers of `HistGradientBoosting*`."""

    def __init__(self, component: Component, link: str) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.link = link
        self.outputs = int(component["tree_outputs"])
        self.forest.check_sums(self.outputs)
        self.classes: Array = component.get("classes_")
        baseline = np.asarray(component["_baseline_prediction"], dtype=np.float64)
        self.start = np.zeros((1, self.outputs)) + baseline.reshape(1, -1)
        self.encoder = read_encoder(component)
        forest = self.forest
        self.trees = CodedTrees(
            forest.decode, known_categories(component), self.outputs, forest.most_leaves
        )

    def raw(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """Raw sums: shape (n, trees of an iteration), in Fortran order as scikit-learn has them."""
        if self.encoder is not None:
            rows = self.encoder.encode(rows)
        out = np.empty((len(rows), self.outputs))
        out[...] = self.start
        if not self.trees.add(rows, out, threads(n_jobs, _NO_JOBS)):
            return None
        return np.asfortranarray(out)

    def decision_function(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Raw sums: (n,) for two classes."""
        raw = self.raw(rows, n_jobs)
        return raw.reshape(-1) if raw is not None and raw.shape[1] == 1 else raw

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The predicted value."""
        raw = self.raw(rows, n_jobs)
        return None if raw is None else inverse_link(self.link)(raw.reshape(-1))

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The class with the largest raw sum."""
        raw = self.raw(rows, n_jobs)
        if raw is None:
            return None
        at = (raw.reshape(-1) > 0).astype(int) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes[at])

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities."""
        raw = self.raw(rows, n_jobs)
        return None if raw is None else probabilities(self.link, raw)


_NO_JOBS: Any = {}


def lower_histogram(component: Component) -> Lowered | NotFast:
    """The fast predictor of histogram boosting; None for categories that are not numbers."""
    link = link_of(component.get("_loss"))
    if link is None or is_undecided(component):
        return NotFast("its loss is not known, or its categories are no numbers")
    trees = HistogramTrees(component, link)
    methods: dict[str, Method]
    if "classes_" in component:
        methods = {
            "decision_function": trees.decision_function,
            "predict": trees.predict_class,
            "predict_proba": trees.predict_proba,
        }
    else:
        methods = {"predict": trees.predict_value}
    return Lowered(
        methods,
        by="the sum of the trees",
        names=(component.path,),
        n_features=trees.forest.n_features,
        classes=trees.classes,
    )
