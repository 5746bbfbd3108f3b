"""Trees as they come back from an artifact: they answer, and they say what they no longer know.

Imported only to restore estimators: it needs scikit-learn.
"""

from __future__ import annotations

from typing import Any, NoReturn

from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from model_quantization.estimators.dropped import reduced_as, refuse


def _dropped(name: str) -> property:
    def read(self: Any) -> NoReturn:
        refuse(name, "tree_")

    return property(read, doc=f"Raises `DroppedAttribute`: {name} is not stored.")


class RestoredTree(Tree):  # type: ignore[misc, unused-ignore]
    """A tree that gives the original's answers, without what only training and plots need.

    Thresholds are rounded down to float32, in which rows are compared: no row goes another way.
    `value` holds leaf rows only, so it is not readable; `predict` gives them.
    """

    impurity = _dropped("impurity")
    n_node_samples = _dropped("n_node_samples")
    weighted_n_node_samples = _dropped("weighted_n_node_samples")
    value = _dropped("value")

    def compute_feature_importances(self, normalize: bool = True) -> NoReturn:
        """Raise `DroppedAttribute`: the ensemble keeps its own importances."""
        refuse("the importance of features in one tree", "tree_")

    def compute_partial_dependence(self, *args: Any) -> NoReturn:
        """Raise `DroppedAttribute`: it weighs nodes by their training rows."""
        refuse("the number of training rows of each node", "tree_")

    def __reduce__(self) -> tuple[Any, ...]:
        # Loadable where this library is not installed: as scikit-learn's own tree, in which what
        # was dropped is zero and importances are NaN.
        _, args, state = super().__reduce__()
        return Tree, args, state


class RestoredLeaves(RestoredTree):
    """A tree that is only asked which leaf a row ends in: its values meant nothing."""

    def predict(self, X: Any) -> NoReturn:
        """Raise `DroppedAttribute`: the values were random numbers."""
        refuse("the value of leaves", "tree_")


class RestoredPredictor(TreePredictor):  # type: ignore[misc, unused-ignore]
    """A histogram tree that answers for rows, but not for binned rows."""

    __reduce_ex__ = reduced_as(TreePredictor)

    def predict_binned(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`: only fitting compares bins."""
        refuse("the bin of each threshold", "TreePredictor")

    def compute_partial_dependence(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`: it weighs nodes by their training rows."""
        refuse("the number of training rows of each node", "TreePredictor")


class RestoredBinMapper(_BinMapper):  # type: ignore[misc, unused-ignore]
    """A bin mapper that knows categories, but not the bin edges of numerical features."""

    __reduce_ex__ = reduced_as(_BinMapper)

    def transform(self, X: Any) -> NoReturn:
        """Raise `DroppedAttribute`: only fitting maps rows to bins."""
        refuse("the bin edges of numerical features", "_bin_mapper")
