"""AdaBoost over trees: weighted votes, and the weighted median."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest import kinds
from model_quantization.families.forest.predictors.losses import softmax
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    add_leaves,
    float_rows,
    threads,
)
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.kernels.trees import tree_sum
from model_quantization.kernels.trees.tree_layout import Nodes, lay_out
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum
from model_quantization.locks import cached_property


class VotingTrees:
    """Answers of `AdaBoostClassifier`: each tree gives its weight to the class it predicts."""

    def __init__(self, component: Component) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.classes: Array = component["classes_"]
        self.weights: Array = component["estimator_weights_"]

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out, with the votes of each at its leaves."""
        return TreeSum(self._leaves, 1, self.forest.n_features, self.forest.most_leaves)

    def _leaves(self) -> Leaves:
        trees, count = self.forest.decode(), len(self.classes)
        per_tree = (trees.sizes + 1) // 2
        weight = np.repeat(self.weights[: len(per_tree)], per_tree)
        chosen = trees.rows.argmax(axis=1)[trees.ids]
        others = self._other_votes(weight, count)
        votes = np.repeat(others[:, np.newaxis], count, axis=1)
        votes[np.arange(len(chosen)), chosen] = weight
        return Leaves(self.forest.shape(trees), np.arange(len(chosen)), votes)

    @staticmethod
    def _other_votes(weight: Array, count: int) -> Array:
        """The votes of each leaf for the classes that it does not predict."""
        return np.asarray(-1 / (count - 1) * weight)

    def decision_function(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Weighted votes: (n,) for two classes."""
        votes = add_leaves(
            self.sums,
            rows,
            np.zeros((1, len(self.classes))),
            float(self.weights.sum()),
            nan_allowed=False,
            jobs=threads(n_jobs, self.component),
        )
        if votes is None or len(self.classes) > 2:
            return votes
        votes[:, 0] *= -1
        return np.asarray(votes.sum(axis=1))

    def predict(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The class with most votes."""
        votes = self.decision_function(rows, n_jobs)
        if votes is None:
            return None
        at = votes > 0 if votes.ndim == 1 else votes.argmax(axis=1)
        return np.asarray(self.classes.take(at, axis=0))

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities."""
        votes = self.decision_function(rows, n_jobs)
        if votes is None:
            return None
        if votes.ndim == 1:
            return softmax(np.vstack([-votes, votes]).T / 2)
        votes /= len(self.classes) - 1
        return softmax(votes)

    def predict_log_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Their logarithms."""
        found = self.predict_proba(rows, n_jobs)
        return None if found is None else np.log(found)


class OldVotingTrees(VotingTrees):
    """As scikit-learn before 1.3: a tree does not vote against classes that it does not predict."""

    @staticmethod
    def _other_votes(weight: Array, count: int) -> Array:
        return np.zeros_like(weight)


class ProbabilityTrees(VotingTrees):
    """SAMME.R: each tree gives the centred logarithms of its class fractions."""

    def _leaves(self) -> Leaves:
        trees, count = self.forest.decode(), len(self.classes)
        fractions = np.clip(trees.rows, np.finfo(trees.rows.dtype).eps, None)
        logarithms = np.log(fractions)
        mean = (1.0 / count) * logarithms.sum(axis=1)[:, np.newaxis]
        return Leaves(self.forest.shape(trees), trees.ids, (count - 1) * (logarithms - mean))


_VOTES = {kinds.BY_OLD_VOTES: OldVotingTrees, kinds.BY_PROBABILITIES: ProbabilityTrees}


class MedianTrees:
    """Answers of `AdaBoostRegressor`: the weighted median of the trees' values."""

    def __init__(self, component: Component) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.weights: Array = component["estimator_weights_"]

    @cached_property
    def made(self) -> tuple[Nodes | None, Array]:
        """The trees, laid out, and the values that their leaves name."""
        leaves = self.forest.leaves()
        nodes = lay_out(leaves.shape, leaves.payload, self.forest.n_features, doubled=False)
        return nodes, leaves.rows[:, 0]

    def predict(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The value up to which half of the weight lies."""
        prepared = float_rows(rows, nan_allowed=False)
        nodes, leaf_values = self.made
        if prepared is None or nodes is None:
            return None
        jobs = threads(n_jobs, self.component)
        reached = tree_sum.payloads(nodes, prepared[0], len(rows), jobs)
        values = leaf_values[reached]
        order = np.argsort(values, axis=1)
        cumulated = np.cumsum(self.weights[order], axis=1)
        above = cumulated >= 0.5 * cumulated[:, -1][:, np.newaxis]
        every = np.arange(len(values))
        return np.asarray(values[every, order[every, above.argmax(axis=1)]])


def lower_weighted(component: Component) -> Lowered | NotFast:
    """The fast predictor of AdaBoost over trees of one output."""
    forest = PackedForest(component)
    weights = component["estimator_weights_"]
    if forest.n_outputs != 1 or len(weights) < forest.n_trees:
        return NotFast("its trees answer several outputs, or some have no weight")
    if forest.owner in kinds.REGRESSOR_TREES:
        median = MedianTrees(component)
        return Lowered(
            {"predict": median.predict},
            by="the weighted median of the trees",
            names=(component.path,),
            n_features=forest.n_features,
        )
    classes, own = component["classes_"], forest.setting("classes_")
    if len(classes) < 2 or not isinstance(own, np.ndarray) or not np.array_equal(classes, own):
        return NotFast("its trees have other classes than it has")
    votes = _VOTES.get(component.type, VotingTrees)(component)
    return Lowered(
        {
            "decision_function": votes.decision_function,
            "predict": votes.predict,
            "predict_proba": votes.predict_proba,
            "predict_log_proba": votes.predict_log_proba,
        },
        by="weighted votes of the trees",
        names=(component.path,),
        n_features=forest.n_features,
        classes=classes,
    )
