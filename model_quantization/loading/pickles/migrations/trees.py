"""Trees and forests: how a leaf holds classes, what an isolation forest looks up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from model_quantization.kernels.trees.tree_pack import divide_counts
from model_quantization.loading.pickles.migrations.deferred import objects_in
from model_quantization.loading.pickles.migrations.steps import State, Step, renamed, together

FRACTION_TOLERANCE: Final = 1e-6
_COUNTED: Final = (
    "leaves of {} trees had class counts, as scikit-learn before 1.4 saved them: made fractions"
)


def counted_trees_note(model: Any) -> tuple[str, ...]:
    """A note on trees of a live model that hold class counts; they are packed as fractions."""
    counted = sum(map(_holds_counts, _tree_owners(model)))
    return (_COUNTED.format(f"{counted:,}"),) if counted else ()


def make_fractions(model: Any) -> None:
    """Change the leaves of a live model that hold class counts into fractions, in place."""
    for owner in _tree_owners(model):
        if _holds_counts(owner):
            value = owner.tree_.value
            value[...] = divide_counts(value)


def _holds_counts(owner: Any) -> bool:
    from sklearn.base import is_classifier

    return is_classifier(owner) and _are_counts(getattr(owner.tree_, "value", None))


def _are_counts(value: Any) -> bool:
    """Whether some node's classes do not add up to one.

    The first and the last node tell: they hold all weight and a part of it, or both 1.
    """
    if not isinstance(value, np.ndarray) or not value.size:
        return False
    ends = value[[0, -1]]
    return bool((np.abs(ends.sum(axis=2) - 1.0) > FRACTION_TOLERANCE).any())


def _tree_owners(model: Any) -> Iterator[Any]:
    """Each estimator in the model that owns a fitted tree."""
    from sklearn.tree import BaseDecisionTree

    for value in objects_in(model):
        if isinstance(value, BaseDecisionTree) and "tree_" in vars(value):
            yield value


def _leaves(state: State) -> None:
    value: Any = getattr(state.get("tree_"), "value", None)
    if _are_counts(value):
        value[...] = divide_counts(value)


def _features(state: State) -> None:
    if "n_features_" in state:
        state.setdefault("n_features_in_", state.pop("n_features_"))


def _path_lengths(state: State) -> None:
    if "_decision_path_lengths" in state or "estimators_" not in state:
        return
    from sklearn.ensemble._iforest import _average_path_length

    trees = [estimator.tree_ for estimator in state["estimators_"]]
    state["_average_path_length_per_tree"] = tuple(
        _average_path_length(tree.n_node_samples) for tree in trees
    )
    state["_decision_path_lengths"] = tuple(tree.compute_node_depths() for tree in trees)


RENAMED: Final = together(
    renamed("base_estimator", "estimator"), renamed("base_estimator_", "estimator_")
)

STEPS: Final = (
    Step(
        ("sklearn.tree._classes:BaseDecisionTree", "sklearn.ensemble._forest:BaseForest"),
        "1.2",
        "1.2: n_features_ is removed for n_features_in_, which came with 0.24",
        _features,
    ),
    Step(
        ("sklearn.ensemble._base:BaseEnsemble",),
        "1.2",
        "1.2: base_estimator is renamed estimator",
        RENAMED,
    ),
    Step(
        ("sklearn.tree._classes:DecisionTreeClassifier",),
        "1.4",
        "1.4: the values of classifiers' trees are fractions, no longer weighted counts",
        _leaves,
    ),
    Step(
        ("sklearn.ensemble._iforest:IsolationForest",),
        "1.3",
        "1.3: path lengths of isolation forests are computed once, by fit",
        _path_lengths,
    ),
)
