"""The records that scikit-learn's trees are made of."""

from __future__ import annotations

import numpy as np

from model_quantization.values import Value

UNUSED = -2  # what scikit-learn writes as feature and threshold of a leaf
LEAF = -1

TREE_NAMES = (
    "left_child",
    "right_child",
    "feature",
    "threshold",
    "impurity",
    "n_node_samples",
    "weighted_n_node_samples",
    "missing_go_to_left",
)
TREE_DTYPE = np.dtype(
    [
        *((name, np.int64) for name in TREE_NAMES[:3]),
        *((name, np.float64) for name in TREE_NAMES[3:5]),
        (TREE_NAMES[5], np.int64),
        (TREE_NAMES[6], np.float64),
        (TREE_NAMES[7], np.uint8),
    ],
    align=True,
)
PREDICTOR_DTYPE = np.dtype(
    [
        ("value", np.float64),
        ("count", np.uint32),
        ("feature_idx", np.int64),
        ("num_threshold", np.float64),
        ("missing_go_to_left", np.uint8),
        ("left", np.uint32),
        ("right", np.uint32),
        ("gain", np.float64),
        ("depth", np.uint32),
        ("is_leaf", np.uint8),
        ("bin_threshold", np.uint8),
        ("is_categorical", np.uint8),
        ("bitset_idx", np.uint32),
    ]
)


class TreeMake(Value, frozen=True):
    """The arguments of `Tree.__new__`, which all trees of a forest share.

    Attributes
    ----------
    n_features, n_outputs : int
    n_classes : tuple of int
        One per output; 1 for regression.
    """

    n_features: int
    n_classes: tuple[int, ...]
    n_outputs: int

    @property
    def width(self) -> int:
        """Numbers in one leaf row."""
        return self.n_outputs * max(self.n_classes)
