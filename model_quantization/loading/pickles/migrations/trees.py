"""Trees and forests: how a leaf holds classes, what an isolation forest looks up."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .steps import State, Step, installed, renamed, together

FRACTION_TOLERANCE: Final = 1e-6


def fractions_of(counts: Any) -> Any:
    """The values of a classifier's tree as fractions of their sums, as its `predict_proba` did.

    Parameters
    ----------
    counts : ndarray, shape (n_nodes, n_outputs, n_classes)
    """
    total = counts.sum(axis=2)[:, :, np.newaxis]
    total[total == 0.0] = 1.0
    return counts / total


def _leaves(state: State) -> None:
    tree = state.get("tree_")
    value = getattr(tree, "value", None)
    if isinstance(value, np.ndarray) and value.size:
        off = np.abs(value.sum(axis=2) - 1.0) > FRACTION_TOLERANCE
        if off.any():
            value[...] = fractions_of(value)


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


def _samples_of_isolation(state: State) -> None:
    renamed("max_samples_", "_max_samples")(state) if "_max_samples" not in state else None


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

__all__ = ["RENAMED", "STEPS", "fractions_of", "installed"]
