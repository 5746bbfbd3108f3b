"""XGBoost's scikit-learn estimators: their state to pooled trees, and back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError, UnsupportedComponent
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import RESTORED_XGBOOST
from model_quantization.families.forest.trees.booster_trees import (
    NO_BOOSTER,
    Dump,
    State,
    booster_fields,
    not_the_parts,
    shown_parts,
    whole_parts,
)
from model_quantization.families.forest.trees.members import mapping
from model_quantization.families.forest.xgboost.model import XGBoostModel, read_model, with_trees
from model_quantization.families.forest.xgboost.ubjson import read_ubjson, write_ubjson
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    Node,
    ObjectNode,
    SequenceNode,
    entries,
)
from model_quantization.kernels.trees.pooled import PooledTrees, level_order
from model_quantization.kernels.trees.topology import tree_starts

_BOOSTER = "xgboost.core:Booster"
_LIBRARY = "an XGBoost"
IDENTITY = frozenset(
    {
        "reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror",
        "reg:quantileerror", "rank:ndcg", "rank:map", "rank:pairwise", "binary:logitraw",
    }
)  # fmt: skip
LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
LOG = frozenset({"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"})
SOFTMAX = frozenset({"multi:softprob"})
OBJECTIVES = IDENTITY | LOGISTIC | LOG | SOFTMAX
_SINCE_3 = frozenset({"binary:logitraw"})  # before, its base was a probability


def read_estimator(state: State, arrays: Arrays) -> Dump:
    """The booster of an estimator.

    Raises
    ------
    UnsupportedComponent
        Why it stays as it is.
    """
    inside = booster_fields(state, _BOOSTER)
    handle = inside.get("handle")
    if set(inside) != {"handle"} or not isinstance(handle, BytesNode):
        raise UnsupportedComponent(NO_BOOSTER)
    missing = state.get("missing")
    if not isinstance(missing, float) or not math.isnan(missing):
        raise UnsupportedComponent("another value than NaN means that one is missing")
    read = read_model(read_ubjson(arrays[handle.array].tobytes()))
    model = read.skeleton["Model"]
    learner = model["learner"]
    objective = str(learner["objective"]["name"])
    if objective not in OBJECTIVES or (objective in _SINCE_3 and model["version"][0] < 3):
        raise UnsupportedComponent(f"its objective is {objective[:40]!r}")
    iterations = len(read.trees.sizes) // (read.outputs * read.parallel)
    used = _used(learner["attributes"], iterations)
    order = read.trees.order
    levels = np.array_equal(level_order(read.trees), natural_order(read.trees))
    trees = replace(read.trees, order=None) if levels else read.trees
    kept: list[tuple[str, Node]] = [
        ("booster_state", to_node(read.skeleton, arrays)),
        ("booster_objective", objective),
        ("booster_base", ArrayNode(arrays.add(base_scores(learner, read.outputs)))),
        ("booster_parallel", read.parallel),
        ("booster_iterations", used),
        ("booster_levels", levels and order is not None),
        ("n_features_in_", read.n_features),
    ]
    if read.weights is not None:
        kept.append(("booster_weights", ArrayNode(arrays.add(_narrow(read.weights)))))
    n_classes = state.get("n_classes_")
    labels = np.arange(n_classes) if isinstance(n_classes, int) else None
    kept += shown_parts(
        arrays,
        classes=None if labels is None else ArrayNode(arrays.add(labels)),
        names=read.names,
        importances=importances(read, state.get("importance_type")),
    )
    return Dump(trees, read.n_features, read.outputs, kept)


def _used(attributes_: dict[str, Any], iterations: int) -> int:
    """The iterations that answer by default."""
    best = str(attributes_.get("best_iteration", ""))
    if not best:
        return iterations
    if not best.isdigit() or int(best) >= iterations:
        raise UnsupportedComponent("its best iteration is not one of its own")
    return int(best) + 1


def base_scores(learner: dict[str, Any], outputs: int) -> Array:
    """The start of the sums, before its link: float32, shape (outputs,).

    Raises
    ------
    UnsupportedComponent
        The base score is no number, or not one per output.
    """
    text = str(learner["learner_model_param"]["base_score"]).strip("[]")
    try:
        found = np.array([float(word) for word in text.split(",")], dtype=np.float32)
    except ValueError:
        raise UnsupportedComponent("its base score is no number") from None
    if found.size not in (1, outputs):
        raise UnsupportedComponent("it has another number of base scores than of outputs")
    return np.array(np.broadcast_to(found, outputs))


def _narrow(values: Array) -> Array:
    single = values.astype(np.float32)
    return single if np.array_equal(single, values) else values


def natural_order(trees: PooledTrees) -> Array:
    """The number of each node in its tree, as XGBoost counts."""
    if trees.order is not None:
        return trees.order
    starts = tree_starts(trees.sizes)
    return np.asarray(np.arange(trees.split.size) - np.repeat(starts[:-1], trees.sizes))


def importances(read: XGBoostModel, kind: Node) -> Array | None:
    """The value of `feature_importances_`; None for an unknown kind.

    The library adds float32 up, tree by tree from the root, and left subtrees last.
    """
    kind = kind or "gain"
    total = str(kind).removeprefix("total_")
    if total not in ("weight", "gain", "cover"):
        return None
    feature, amount = _walked(read, read.cover if total == "cover" else read.gains)
    counts = np.bincount(feature, minlength=read.n_features).astype(np.float32)
    found: Array = counts
    if total != "weight":
        found = np.zeros(read.n_features, dtype=np.float32)
        np.add.at(found, feature, amount)
        if kind == total:
            found = found / np.maximum(counts, np.float32(1.0))
    whole = found.sum()
    return found if whole == 0 else np.asarray(found / whole)


def _walked(read: XGBoostModel, amounts: Array) -> tuple[Array, Array]:
    """Feature and amount of each split in the order in which the library adds them up."""
    nodes, features, values = read.nodes, [], []
    starts = tree_starts(nodes.sizes)
    places = np.argsort(read.places)
    for tree in places.tolist():
        left = nodes.left[starts[tree] : starts[tree + 1]].tolist()
        right = nodes.right[starts[tree] : starts[tree + 1]].tolist()
        stack, order = [0], []
        while stack:
            node = stack.pop()
            if left[node] >= 0:
                order.append(node)
                stack += [left[node], right[node]]
        at = np.array(order, dtype=np.int64) + starts[tree]
        features.append(nodes.feature[at])
        values.append(amounts[at])
    return np.concatenate(features).astype(np.int64), np.concatenate(values)


def write_estimator(parts: State, trees: PooledTrees, arrays: Arrays) -> Node:
    """The estimator's booster, with the document of its trees.

    Raises
    ------
    SemanticError
        Parts that are no booster's.
    """
    outputs, parallel, n_features = whole_parts(
        parts, _LIBRARY, "tree_outputs", "booster_parallel", "n_features_in_"
    )
    skeleton, weights = parts.get("booster_state"), parts.get("booster_weights")
    if (
        not isinstance(skeleton, DictNode)
        or len(trees.sizes) % (outputs * parallel)
        or not isinstance(weights, ArrayNode | None)
    ):
        raise not_the_parts(_LIBRARY)
    weighed = arrays[weights.array].astype(np.float64) if weights is not None else None
    if weighed is not None and weighed.shape != trees.sizes.shape:
        raise SemanticError("another number of weights than of trees", where="booster_weights")
    if parts.get("booster_levels") is True:
        trees = replace(trees, order=level_order(trees))
    try:
        document = with_trees(
            from_node(skeleton, arrays), trees, outputs, parallel, weighed, n_features
        )
        data = write_ubjson(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise SemanticError(
            "not the document of an XGBoost booster", where="booster_state", got=str(error)[:80]
        ) from None
    handle = BytesNode("bytearray", arrays.add(np.frombuffer(data, dtype=np.uint8)))
    return ObjectNode(RESTORED_XGBOOST, (), mapping([("handle", handle)]))


def to_node(value: Any, arrays: Arrays) -> Node:
    """A value of a document as a node."""
    if isinstance(value, dict):
        return mapping([(key, to_node(item, arrays)) for key, item in value.items()])
    if isinstance(value, list):
        return SequenceNode("list", tuple(to_node(item, arrays) for item in value))
    if isinstance(value, np.ndarray):
        return ArrayNode(arrays.add(value))
    plain: Node = value
    return plain


def from_node(node: Node, arrays: Arrays) -> Any:
    """The value that `to_node` made a node of."""
    if isinstance(node, DictNode):
        return {key: from_node(item, arrays) for key, item in entries(node)}
    if isinstance(node, SequenceNode):
        return [from_node(item, arrays) for item in node.items]
    if isinstance(node, ArrayNode):
        return arrays[node.array]
    return node
