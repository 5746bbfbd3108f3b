"""The common part of the predictors of LightGBM, XGBoost and CatBoost.

Each library sums its trees in its own order and precision: see its file. Here is the rest: the
trees that count, the two columns of a classifier of two classes, and the description of the
predictor.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    used_iterations,
)
from model_quantization.families.lowered import Deciding, Lowered, Method
from model_quantization.kernels.trees.pooled import PooledTrees, first_trees


class BoosterTrees:
    """The trees of a booster whose iterations each add one tree, or several, per output.

    Parameters
    ----------
    component : Component
    parallel : int
        Trees that one iteration adds per output.

    Attributes
    ----------
    outputs : int
        Sums that a row has.
    iterations : int
        Those that answer: up to the best one, where early stopping named it.
    n_used : int
        Trees of these iterations.
    """

    def __init__(self, component: Component, parallel: int = 1) -> None:
        self.component = component
        self.forest = PackedForest(component)
        self.outputs = int(component["tree_outputs"])
        self.parallel = parallel
        self.forest.check_sums(self.outputs)
        together = self.outputs * parallel
        self.iterations = used_iterations(self.forest, together)
        self.n_used = self.iterations * together
        self.classes: Array = component.get("classes_")

    def used_trees(self) -> PooledTrees:
        """The trees that answer."""
        return first_trees(self.forest.decode(), self.n_used)

    @abstractmethod
    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The answers that the sums stand for: (n,) or (n, outputs)."""

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities: shape (n, n_classes)."""
        found = self.predict_value(rows, n_jobs)
        if found is None or self.outputs > 1:
            return found
        return np.vstack((1.0 - found, found)).transpose()


def lowered_booster(
    component: Component,
    forest: PackedForest,
    methods: dict[str, Method],
    *,
    decides_by: Deciding = "decision_function",
) -> Lowered:
    """The fast predictor of an estimator that is a booster.

    Parameters
    ----------
    decides_by : {"decision_function", "predict_proba"}
        The method whose scores decide the label, where the estimator has it.
    """
    return Lowered(
        methods,
        by="the sum of the trees",
        names=(component.path,),
        n_features=forest.n_features,
        integers="float32",
        takes="plain",
        classes=component.get("classes_"),
        decides_by=decides_by,
    )
