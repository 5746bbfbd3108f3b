"""Trees as they come back from an artifact: they answer, and name what they lack.

Imported only to restore estimators: it needs scikit-learn.
"""

from __future__ import annotations

from typing import Any

from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from model_quantization.estimators.dropped import dropped_method, dropped_property, reduced_as

_TRAINING_ROWS = "the number of training rows of each node"  # a plot weighs nodes by them


class RestoredTree(Tree):  # type: ignore[misc, unused-ignore]
    """A tree that gives the original's answers, without what only training and plots need.

    Thresholds are rounded down to float32, in which rows are compared: no row goes another way.
    `value` holds leaf rows only, so it is not readable; `predict` gives them. The ensemble keeps
    its own feature importances.
    """

    impurity = dropped_property("impurity", "tree_")
    n_node_samples = dropped_property("n_node_samples", "tree_")
    weighted_n_node_samples = dropped_property("weighted_n_node_samples", "tree_")
    value = dropped_property("value", "tree_")
    compute_feature_importances = dropped_method("the importance of features in one tree", "tree_")
    compute_partial_dependence = dropped_method(_TRAINING_ROWS, "tree_")

    def __reduce__(self) -> tuple[Any, ...]:
        # Loadable where this library is not installed: as scikit-learn's own tree, in which what
        # was dropped is zero and importances are NaN.
        _, args, state = super().__reduce__()
        return Tree, args, state


class RestoredLeaves(RestoredTree):
    """A tree that is only asked which leaf a row ends in: its values were random numbers."""

    predict = dropped_method("the value of leaves", "tree_")


class RestoredPredictor(TreePredictor):  # type: ignore[misc, unused-ignore]
    """A histogram tree that answers for rows, but not for binned rows: only fitting has those."""

    __reduce_ex__ = reduced_as(TreePredictor)

    predict_binned = dropped_method("the bin of each threshold", "TreePredictor")
    compute_partial_dependence = dropped_method(_TRAINING_ROWS, "TreePredictor")


class RestoredBinMapper(_BinMapper):  # type: ignore[misc, unused-ignore]
    """A bin mapper that knows categories, but not the bin edges of numerical features.

    Only fitting maps rows to bins.
    """

    __reduce_ex__ = reduced_as(_BinMapper)

    transform = dropped_method("the bin edges of numerical features", "_bin_mapper")
