"""State that native code trusts blindly, checked before an object is made of it.

scikit-learn's trees and k-d trees, and scipy's sparse matrices, follow the indices in their
state without looking: a wrong one crashes or hangs the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ml.quantization.errors import SemanticError


def check_state(type_name: str, args: list[Any], state: Any, path: str) -> None:
    """Check the state of a class that has a validator; others pass.

    Raises
    ------
    SemanticError
        An index out of range, a cycle, sizes that do not fit each other.
    """
    validator = _VALIDATORS.get(type_name)
    if validator is not None:
        try:
            validator(args, state, path)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            if isinstance(error, SemanticError):
                raise
            _refuse(path, f"the state of {type_name} has another shape", str(error))


def check_links(left: Any, right: Any, n_nodes: int, path: str) -> None:
    """Check that child links make trees: in range, pointing forward, each node one parent.

    Leaves have both children -1. Links that only point forward cannot make a cycle.
    """
    position = np.arange(n_nodes)
    inner = left >= 0
    if np.any((right >= 0) != inner):
        _refuse(path, "a tree node with one child", "")
    bad = inner & ((left <= position) | (right <= position) | (left >= n_nodes))
    bad |= inner & (right >= n_nodes)
    if bad.any():
        _refuse(path, "a tree child is out of range or points back", f"node {int(bad.argmax())}")
    linked = np.concatenate([left[inner], right[inner]])
    if len(np.unique(linked)) != len(linked):
        _refuse(path, "a tree node has two parents", "")


def _check_tree(args: list[Any], state: Any, path: str) -> None:
    n_features, n_classes, n_outputs = int(args[0]), np.asarray(args[1]), int(args[2])
    nodes, values, count = state["nodes"], state["values"], state["node_count"]
    if nodes.ndim != 1 or not 0 < count <= len(nodes):
        _refuse(path, "node_count does not fit the nodes", f"{count} of {len(nodes)}")
    if n_classes.shape != (n_outputs,) or n_outputs < 1 or n_classes.min() < 1:
        _refuse(path, "n_classes does not fit n_outputs", str(n_classes))
    if values.shape != (len(nodes), n_outputs, int(n_classes.max())):
        _refuse(path, "values do not fit the nodes", str(values.shape))
    nodes = nodes[:count]
    left, right = nodes["left_child"], nodes["right_child"]
    check_links(left, right, count, path)
    feature = nodes["feature"][left >= 0]
    if feature.size and not (feature.min() >= 0 and feature.max() < n_features):
        _refuse(path, "a tree feature is out of range", f"n_features {n_features}")


def _check_predictor(args: list[Any], state: Any, path: str) -> None:
    nodes = state["nodes"]
    count = len(nodes)
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(leaf, -1, nodes["right"].astype(np.int64))
    check_links(left, right, count, path)
    categorical = ~leaf & nodes["is_categorical"].astype(bool)
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        sets = state[name]
        if sets.ndim != 2 or (len(sets) and sets.shape[1] != 8):
            _refuse(path, f"{name} has another shape", str(sets.shape))
        if categorical.any() and int(nodes["bitset_idx"][categorical].max()) >= len(sets):
            _refuse(path, "a histogram bitset is out of range", name)


def _check_compressed(args: list[Any], state: Any, path: str, *, rows: bool) -> None:
    shape = state["_shape"]
    major, minor = (shape[0], shape[1]) if rows else (shape[1], shape[0])
    pointers, indices, data = state["indptr"], state["indices"], state["data"]
    if len(pointers) != major + 1 or pointers[0] != 0 or np.any(np.diff(pointers) < 0):
        _refuse(path, "row pointers do not rise from 0", str(shape))
    if int(pointers[-1]) > len(indices) or len(indices) != len(data):
        _refuse(path, "row pointers do not fit the indices", f"{pointers[-1]}, {len(indices)}")
    if len(indices) and not (indices.min() >= 0 and indices.max() < minor):
        _refuse(path, "a sparse index is out of range", f"[{indices.min()}, {indices.max()}]")


def _check_csr(args: list[Any], state: Any, path: str) -> None:
    _check_compressed(args, state, path, rows=True)


def _check_csc(args: list[Any], state: Any, path: str) -> None:
    _check_compressed(args, state, path, rows=False)


def _check_binary_tree(args: list[Any], state: Any, path: str) -> None:
    data, indices, nodes, bounds = state[0], state[1], state[2], state[3]
    count = len(data)
    if len(indices) != count or np.any(np.sort(indices) != np.arange(count)):
        _refuse(path, "the indices of a search tree are not a permutation of its rows", "")
    starts, ends = nodes["idx_start"], nodes["idx_end"]
    if np.any(starts < 0) or np.any(ends > count) or np.any(starts > ends):
        _refuse(path, "a search tree node is out of range", f"{count} rows")
    if (
        bounds.ndim != 3
        or bounds.shape[1] != len(nodes)
        or bounds.shape[2]
        not in (
            1,
            data.shape[1],
        )
    ):
        _refuse(path, "the bounds of a search tree do not fit its nodes", str(bounds.shape))
    leaf_size, n_levels, n_nodes = int(state[4]), int(state[5]), int(state[6])
    if leaf_size < 1 or n_nodes != len(nodes) or n_nodes != (1 << n_levels) - 1:
        _refuse(path, "the size of a search tree does not fit its levels", str(n_nodes))
    # Inner nodes are visited as 2i + 1 and 2i + 2: only the last level may be leaves.
    inner = ~nodes["is_leaf"].astype(bool)
    if inner[n_nodes // 2 :].any():
        _refuse(path, "a search tree node points outside the tree", "")


def _refuse(path: str, what: str, got: str) -> NoReturn:
    raise SemanticError(what, where=path or "model", got=got)


_VALIDATORS: dict[str, Callable[[list[Any], Any, str], None]] = {
    "sklearn.tree._tree:Tree": _check_tree,
    "ml.quantization.restored_trees:RestoredTree": _check_tree,
    "ml.quantization.restored_trees:RestoredLeaves": _check_tree,
    "ml.quantization.restored_trees:RestoredPredictor": _check_predictor,
    "sklearn.ensemble._hist_gradient_boosting.predictor:TreePredictor": _check_predictor,
    "scipy.sparse._csr:csr_matrix": _check_csr,
    "scipy.sparse._csr:csr_array": _check_csr,
    "scipy.sparse._csc:csc_matrix": _check_csc,
    "scipy.sparse._csc:csc_array": _check_csc,
    "sklearn.neighbors._kd_tree:KDTree": _check_binary_tree,
    "sklearn.neighbors._kd_tree:KDTree64": _check_binary_tree,
    "sklearn.neighbors._kd_tree:KDTree32": _check_binary_tree,
    "sklearn.neighbors._ball_tree:BallTree": _check_binary_tree,
    "sklearn.neighbors._ball_tree:BallTree64": _check_binary_tree,
    "sklearn.neighbors._ball_tree:BallTree32": _check_binary_tree,
}
