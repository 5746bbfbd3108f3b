"""Trees, and the estimators that hand rows to them unseen."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.estimators.checks.errors import refuse

_NO_COLUMNS = np.iinfo(np.int64).max


def check_links(left: Any, right: Any, feature: Any, n_features: int, path: str) -> None:
    """Check that child links make trees: in range, pointing forward, each node one parent.

    Leaves have both children -1, splits look at one of `n_features` columns.
    """
    # A kernel, as a forest has millions of nodes; imported at the first forest.
    from model_quantization.kernels.trees import tree_links

    columns = (_integers(left), _integers(right), _integers(feature))
    fault, node = tree_links.first_fault(*columns, n_features)
    if fault != tree_links.SOUND:
        what = {
            tree_links.ONE_CHILD: "a tree node with one child",
            tree_links.OUT_OF_RANGE: "a tree child is out of range or points back",
            tree_links.TWO_PARENTS: "a tree node has two parents",
            tree_links.BAD_FEATURE: "a tree feature is out of range",
        }
        refuse(path, what[fault], f"node {node}")


def _integers(column: Any) -> Any:
    return column if column.dtype == np.int64 else column.astype(np.int64)


def check_tree(args: list[Any], state: Any, path: str) -> None:
    """Refuse a tree whose nodes are no tree, or look at columns that it does not have."""
    n_features, n_classes, n_outputs = int(args[0]), np.asarray(args[1]), int(args[2])
    nodes, values, count = state["nodes"], state["values"], state["node_count"]
    if type(count) is not int or nodes.ndim != 1 or not 0 < count <= len(nodes):
        refuse(path, "node_count does not fit the nodes", f"{count} of {len(nodes)}")
    if n_classes.dtype.kind not in "iu" or not 0 < n_features < 1 << 31:
        refuse(path, "n_features or n_classes is not a count", f"{n_features}, {n_classes.dtype}")
    if n_classes.shape != (n_outputs,) or n_outputs < 1 or n_classes.min() < 1:
        refuse(path, "n_classes does not fit n_outputs", str(n_classes))
    if values.shape != (len(nodes), n_outputs, int(n_classes.max())):
        refuse(path, "values do not fit the nodes", str(values.shape))
    nodes = nodes[:count]
    links = (nodes["left_child"], nodes["right_child"], nodes["feature"])
    check_links(*links, n_features, path)


def check_predictor(args: list[Any], state: Any, path: str) -> None:
    """Refuse a histogram tree whose nodes are no tree, or look up sets that are not there."""
    nodes = state["nodes"]
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(leaf, -1, nodes["right"].astype(np.int64))
    # Which columns there are is known to the model alone: `check_histogram`.
    check_links(left, right, nodes["feature_idx"], _NO_COLUMNS, path)
    categorical = ~leaf & nodes["is_categorical"].astype(bool)
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        sets = state[name]
        if sets.ndim != 2 or (len(sets) and sets.shape[1] != 8):
            refuse(path, f"{name} has another shape", str(sets.shape))
        if categorical.any() and int(nodes["bitset_idx"][categorical].max()) >= len(sets):
            refuse(path, "a histogram bitset is out of range", name)


def check_tree_owner(args: list[Any], state: Any, path: str) -> None:
    """Refuse an estimator whose tree looks at other columns than it checks."""
    if "tree_" in state and state["tree_"].n_features != state["n_features_in_"]:
        refuse(path, "a tree looks at other columns than its estimator has", "")


def check_forest(args: list[Any], state: Any, path: str) -> None:
    """Refuse a forest whose trees look at other columns than it checks."""
    for tree in _flat(state.get("estimators_", ())):
        if tree.n_features_in_ != state["n_features_in_"]:
            refuse(path, "a tree looks at other columns than its forest has", "")


def check_boosting(args: list[Any], state: Any, path: str) -> None:
    """Refuse stages that are wider than the predictions they are added to."""
    check_forest(args, state, path)
    stages = state.get("estimators_")
    if stages is not None and (
        stages.ndim != 2 or stages.shape[1] != state["n_trees_per_iteration_"]
    ):
        refuse(path, "stages of another width than a prediction", str(stages.shape))
    start = state.get("init_")
    if stages is not None and start is not None and not isinstance(start, str):
        width = _start_width(start, state)
        if width != stages.shape[1]:
            refuse(path, "stages of another width than what they start from", str(width))


def _start_width(start: Any, state: Any) -> int:
    """Columns of what the estimator that boosting starts from gives; the stages write into them.

    It is asked one row, because it may be any estimator.
    """
    row = np.zeros((1, state["n_features_in_"]), dtype=np.float32)
    if "classes_" not in state:
        answer = np.asarray(start.predict(row))
    elif not state["_loss"].is_multiclass:
        return 1  # the second column alone is taken
    else:
        answer = np.asarray(start.predict_proba(row))
    return 1 if answer.ndim == 1 else int(answer.shape[1])


def check_isolation(args: list[Any], state: Any, path: str) -> None:
    """Refuse trees that look at other columns than the forest gives them."""
    trees = state.get("estimators_", ())
    columns = state.get("estimators_features_", ())
    if len(trees) != len(columns):
        refuse(path, "columns for another number of trees", f"{len(columns)}, not {len(trees)}")
    for tree, chosen in zip(trees, columns, strict=True):
        seen = (tree.n_features_in_, state["n_features_in_"])
        if chosen.ndim != 1 or len(chosen) != seen[0] or len(chosen) > seen[1]:
            refuse(path, "a tree looks at other columns than it is given", str(seen))
        if not (chosen.min() >= 0 and chosen.max() < seen[1]):
            refuse(path, "a column of a tree is out of range", f"{seen[1]} columns")


def check_histogram(args: list[Any], state: Any, path: str) -> None:
    """Refuse histogram trees that look at columns the model does not check."""
    iterations = state.get("_predictors", ())
    if not iterations:
        return
    n_features = state["n_features_in_"]
    if state["_n_features"] > n_features:
        refuse(path, "trees for more columns than the model has", str(state["_n_features"]))
    mapper = state.get("_bin_mapper")
    if mapper is not None and len(mapper.is_categorical_) != state["_n_features"]:
        refuse(path, "bins for another number of columns", str(len(mapper.is_categorical_)))
    for predictors in iterations:
        if len(predictors) != state["n_trees_per_iteration_"]:
            refuse(path, "an iteration of another width than a prediction", str(len(predictors)))
        for predictor in predictors:
            feature = predictor.nodes["feature_idx"][predictor.nodes["is_leaf"] == 0]
            if feature.size and not (feature.min() >= 0 and feature.max() < state["_n_features"]):
                refuse(path, "a tree feature is out of range", f"{state['_n_features']} columns")


def _flat(trees: Any) -> Any:
    return trees.flat if isinstance(trees, np.ndarray) else trees
