"""Isolation forests: the mean path length to a leaf."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    add_leaves,
    threads,
)
from model_quantization.families.lowered import Lowered
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum
from model_quantization.locks import cached_property


class IsolationTrees:
    """Answers of `IsolationForest`."""

    def __init__(self, component: Component) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.offset = component["offset_"]
        longest = average_path_length(int(component["_max_samples"]))
        self.denominator = self.forest.n_trees * longest

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out, with a path length at each leaf."""
        return TreeSum(self._leaves, 1, self.forest.n_features, self.forest.most_leaves)

    def _leaves(self) -> Leaves:
        trees = self.forest.decode()
        depth = trees.depth[trees.split == 0] + np.int64(1)
        lengths = depth + trees.rows[trees.ids, 0] - 1.0
        ids = np.arange(len(lengths))
        return Leaves(self.forest.shape(trees), ids, lengths.reshape(-1, 1))

    def score_samples(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Minus the anomaly score."""
        depths = add_leaves(
            self.sums,
            rows,
            np.zeros((1, 1)),
            1.0,
            nan_allowed=True,
            jobs=threads(n_jobs, self.component),
        )
        if depths is None:
            return None
        total = depths.reshape(-1)
        ratio = np.divide(
            total, self.denominator, out=np.ones_like(total), where=self.denominator != 0
        )
        return np.asarray(-(2 ** (-ratio)))

    def decision_function(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Scores from the boundary on: negative for outliers."""
        scores = self.score_samples(rows, n_jobs)
        return None if scores is None else np.asarray(scores - self.offset)

    def predict(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """1 for inliers, -1 for outliers."""
        decision = self.decision_function(rows, n_jobs)
        return None if decision is None else np.where(decision < 0, -1, 1)


def average_path_length(n: int) -> float:
    """The mean path length of an unsuccessful search in a tree of n rows (Liu et al., 2008)."""
    if n <= 1:
        return 0.0
    if n == 2:
        return 1.0
    rows = np.array([n])
    length = 2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows
    return float(length[0])


def lower_isolated(component: Component) -> Lowered:
    """The fast predictor of an isolation forest."""
    trees = IsolationTrees(component)
    return Lowered(
        {
            "predict": trees.predict,
            "decision_function": trees.decision_function,
            "score_samples": trees.score_samples,
        },
        by="the mean depth in the trees",
        names=(component.path,),
        n_features=trees.forest.n_features,
    )
