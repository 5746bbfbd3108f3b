"""State that native code trusts blindly, checked before an object is made of it.

scikit-learn's trees, k-d trees and support vector machines, and scipy's sparse matrices, follow
the indices and sizes in their state without looking: a wrong one crashes or hangs the process. An
estimator checks rows against its own `n_features_in_` and hands them to its trees unseen, so
those are held against it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ml.quantization.errors import SemanticError
from ml.quantization.values import fitting


def check_state(type_name: str, args: list[Any], state: Any, path: str) -> None:
    """Check the state of a class that has a validator; others pass.

    Raises
    ------
    SemanticError
        An index out of range, a cycle, sizes that do not fit each other.
    """
    validator = _VALIDATORS.get(type_name)
    if validator is not None:
        with fitting(f"the state of {type_name} has another shape", path):
            validator(args, state, path)


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
    if type(count) is not int or nodes.ndim != 1 or not 0 < count <= len(nodes):
        _refuse(path, "node_count does not fit the nodes", f"{count} of {len(nodes)}")
    if n_classes.dtype.kind not in "iu" or not 0 < n_features < 1 << 31:
        _refuse(path, "n_features and n_classes are counts", f"{n_features}, {n_classes.dtype}")
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


def _check_tree_owner(args: list[Any], state: Any, path: str) -> None:
    if "tree_" in state and state["tree_"].n_features != state["n_features_in_"]:
        _refuse(path, "a tree looks at other columns than its estimator has", "")


def _check_forest(args: list[Any], state: Any, path: str) -> None:
    for tree in _flat(state.get("estimators_", ())):
        if tree.n_features_in_ != state["n_features_in_"]:
            _refuse(path, "a tree looks at other columns than its forest has", "")


def _check_boosting(args: list[Any], state: Any, path: str) -> None:
    _check_forest(args, state, path)
    stages = state.get("estimators_")
    if stages is not None and (
        stages.ndim != 2 or stages.shape[1] != state["n_trees_per_iteration_"]
    ):
        _refuse(path, "stages of another width than a prediction", str(stages.shape))


def _check_isolation(args: list[Any], state: Any, path: str) -> None:
    trees = state.get("estimators_", ())
    columns = state.get("estimators_features_", ())
    if len(trees) != len(columns):
        _refuse(path, "columns for another number of trees", f"{len(columns)}, not {len(trees)}")
    for tree, held in zip(trees, columns, strict=True):
        seen = (tree.n_features_in_, state["n_features_in_"])
        if held.ndim != 1 or len(held) != seen[0] or len(held) > seen[1]:
            _refuse(path, "a tree looks at other columns than it is given", str(seen))
        if not (held.min() >= 0 and held.max() < seen[1]):
            _refuse(path, "a column of a tree is out of range", f"{seen[1]} columns")


def _check_histogram(args: list[Any], state: Any, path: str) -> None:
    iterations = state.get("_predictors", ())
    if not iterations:
        return
    n_features = state["n_features_in_"]
    if state["_n_features"] > n_features:
        _refuse(path, "trees for more columns than the model has", str(state["_n_features"]))
    for predictors in iterations:
        if len(predictors) != state["n_trees_per_iteration_"]:
            _refuse(path, "an iteration of another width than a prediction", str(len(predictors)))
        for predictor in predictors:
            feature = predictor.nodes["feature_idx"][predictor.nodes["is_leaf"] == 0]
            if feature.size and not (feature.min() >= 0 and feature.max() < state["_n_features"]):
                _refuse(path, "a tree feature is out of range", f"{state['_n_features']} columns")


def _check_support(args: list[Any], state: Any, path: str) -> None:
    if "support_" not in state:
        return
    counts, rows = state["_n_support"], len(state["support_"])
    classes = len(counts)
    shape = (classes - 1, rows)
    if classes < 2 or state["_dual_coef_"].shape != shape:
        _refuse(path, "coefficients do not fit the support vectors", str(shape))
    if state["_intercept_"].shape != (classes * (classes - 1) // 2,):
        _refuse(path, "intercepts do not fit the classes", str(classes))
    fitted = state["shape_fit_"]
    if rows and not (state["support_"].min() >= 0 and state["support_"].max() < fitted[0]):
        _refuse(path, "a support vector is out of range", f"{fitted[0]} rows")
    if "classes_" in state and (counts.min() < 0 or counts.sum() != rows):
        _refuse(path, "support vectors of the classes do not add up", f"{rows} rows")
    vectors = state["support_vectors_"]
    if state["kernel"] != "precomputed" and vectors.shape != (rows, state["n_features_in_"]):
        _refuse(path, "support vectors of another shape", str(vectors.shape))


def _flat(trees: Any) -> Any:
    return trees.flat if isinstance(trees, np.ndarray) else trees


def _check_compressed(args: list[Any], state: Any, path: str, *, rows: bool) -> None:
    shape = state["_shape"]
    if rows and len(shape) == 1:  # what `sparsify` of a regressor makes: one row, without saying so
        shape = (1, shape[0])
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


_Validator = Callable[[list[Any], Any, str], None]
_ENSEMBLE = "sklearn.ensemble."
_HISTOGRAM = f"{_ENSEMBLE}_hist_gradient_boosting."
_RESTORED = "ml.quantization.restored_trees:"


def _named(validator: _Validator, module: str, *names: str) -> dict[str, _Validator]:
    return dict.fromkeys((f"{module}{name}" for name in names), validator)


_VALIDATORS: dict[str, _Validator] = {
    **_named(_check_tree, "sklearn.tree._tree:", "Tree"),
    **_named(_check_tree, _RESTORED, "RestoredTree", "RestoredLeaves"),
    **_named(_check_predictor, f"{_HISTOGRAM}predictor:", "TreePredictor"),
    **_named(_check_predictor, _RESTORED, "RestoredPredictor"),
    **_named(_check_csr, "scipy.sparse._csr:", "csr_matrix", "csr_array"),
    **_named(_check_csc, "scipy.sparse._csc:", "csc_matrix", "csc_array"),
    **_named(_check_binary_tree, "sklearn.neighbors._kd_tree:", "KDTree", "KDTree64", "KDTree32"),
    **_named(
        _check_binary_tree, "sklearn.neighbors._ball_tree:", "BallTree", "BallTree64", "BallTree32"
    ),
    **_named(
        _check_tree_owner,
        "sklearn.tree._classes:",
        "DecisionTreeClassifier",
        "DecisionTreeRegressor",
        "ExtraTreeClassifier",
        "ExtraTreeRegressor",
    ),
    **_named(
        _check_forest,
        f"{_ENSEMBLE}_forest:",
        "RandomForestClassifier",
        "RandomForestRegressor",
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
        "RandomTreesEmbedding",
    ),
    **_named(
        _check_boosting,
        f"{_ENSEMBLE}_gb:",
        "GradientBoostingClassifier",
        "GradientBoostingRegressor",
    ),
    **_named(_check_isolation, f"{_ENSEMBLE}_iforest:", "IsolationForest"),
    **_named(
        _check_histogram,
        f"{_HISTOGRAM}gradient_boosting:",
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
    ),
    **_named(
        _check_support, "sklearn.svm._classes:", "SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"
    ),
}
