"""`feature_importances_`, worked out before the impurities that it needs are dropped.

The same operations in the same order as scikit-learn, so that the value keeps every bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.forest.kinds import Importances

Columns = list[dict[str, Array]]


def importances(
    how: Importances, columns: Columns, n_features: int, weights: Array | None
) -> Array | None:
    """The importances of an ensemble: shape (n_features,); None where it has none.

    Parameters
    ----------
    how : str
        `Kind.importances`.
    columns : list of dict
        The columns of each tree, in its own numbering.
    weights : ndarray or None
        Of the trees of AdaBoost.
    """
    if how == "none":
        return None
    if how == "tree":
        return _of_tree(columns[0], n_features, normalize=True)
    grown = [table for table in columns if len(table["left_child"]) > 1]
    if how == "forest":
        return _mean([_of_tree(table, n_features, normalize=True) for table in grown], n_features)
    if how == "boosting":
        return _mean([_of_tree(table, n_features, normalize=False) for table in grown], n_features)
    if how == "weighted" and weights is not None:
        each = [_of_tree(table, n_features, normalize=True) for table in columns]
        total: Any = sum(weight * one for weight, one in zip(weights, each, strict=False))
        return np.asarray(total / weights.sum())
    return None


def _of_tree(table: dict[str, Array], n_features: int, *, normalize: bool) -> Array:
    left, right = table["left_child"], table["right_child"]
    inner = np.flatnonzero(left >= 0)
    weighted = table["weighted_n_node_samples"] * table["impurity"]
    gain = weighted[inner] - weighted[left[inner]] - weighted[right[inner]]
    found = np.bincount(table["feature"][inner], weights=gain, minlength=n_features)
    found = found.astype(np.float64) / table["weighted_n_node_samples"][0]
    if normalize:
        total = np.sum(found)
        if total > 0.0:
            found = found / total
    return np.asarray(found)


def _mean(each: list[Array], n_features: int) -> Array:
    if not each:
        return np.zeros(n_features)
    mean = np.mean(each, axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(mean / np.sum(mean))
