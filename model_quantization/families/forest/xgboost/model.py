"""XGBoost's model document: read into pooled trees, and written from them.

The document is that of XGBoost's `src/tree/tree_model.cc` and `src/gbm`. Rows are compared as
float32, `x < threshold` goes left: here `x <=` the float32 before it.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import UnsupportedComponent
from model_quantization.families.forest.trees.booster_trees import NodeTable, pool_nodes
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import tree_starts
from model_quantization.values import Value

MAJOR_VERSIONS = (2, 3)
# How dropped trees are weighed differs between versions in the last bit.
DART_VERSION = (3, 2)
# Later ones put the quantiles of each row in order.
UNORDERED_QUANTILES = (3, 2)
_FEW = 1 << 24  # of all sizes in a model

_FIELDS = {
    "left_children": "i",
    "right_children": "i",
    "split_indices": "i",
    "split_conditions": "f",
    "default_left": "u",
    "split_type": "u",
    "loss_changes": "f",
    "sum_hessian": "f",
}


class XGBoostModel(Value, frozen=True):
    """A model document.

    Attributes
    ----------
    trees : PooledTrees
        Tree t adds to output `t % outputs`; leaves are float32. `order` is XGBoost's numbering.
    n_features, outputs : int
    parallel : int
        Trees that an iteration grows per output.
    weights : float64, shape (n_trees,), or None
        Of trees, where some were dropped in training.
    skeleton : dict
        The document without its trees.
    names : list of str
        Of the features; empty where they have none.
    nodes : NodeTable
        As they were read.
    gains, cover : float32, shape (n_nodes,)
    """

    trees: PooledTrees
    n_features: int
    outputs: int
    parallel: int
    weights: Array | None
    skeleton: dict[str, Any]
    names: list[str]
    nodes: NodeTable
    gains: Array
    cover: Array

    @property
    def places(self) -> Array:
        """Where each tree is in the document."""
        return interleaved(len(self.trees.sizes), self.outputs, self.parallel)


def read_model(document: Any) -> XGBoostModel:
    """The model of a document, as `Booster.__getstate__` holds it.

    Raises
    ------
    UnsupportedComponent
        It says what pooled trees cannot, or is not well-formed; the message has the reason.
    """
    try:
        return _read(document)
    except UnsupportedComponent:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        _refuse(f"its document is not as expected ({type(error).__name__}: {str(error)[:80]})")


def _read(document: Any) -> XGBoostModel:
    model = document["Model"]
    learner = model["learner"]
    version = tuple(int(number) for number in model["version"])
    if version[0] not in MAJOR_VERSIONS:
        _refuse(f"it was made by XGBoost {version[0]}")
    if not document["Config"]["learner"]["generic_param"]["device"].startswith("cpu"):
        _refuse("another device than the processor answers")
    booster = learner["gradient_booster"]
    weights = None
    if booster["name"] == "dart":
        weights = np.array(booster["weight_drop"], dtype=np.float64)
        booster = booster["gbtree"]
    if booster["name"] != "gbtree":
        _refuse(f"it is a {str(booster['name'])[:20]} booster")
    model = booster["model"]
    # XGBoost 3.4 has the weights beside the trees, and calls the booster `gbtree`.
    dropped = np.asarray(model.get("weight_drop", ()) if weights is None else weights)
    if version[:2] != DART_VERSION and (dropped != 1.0).any():
        _refuse("it drops trees, and was made by another version than 3.2")
    if any("c" in str(kind) for kind in learner["feature_types"]) or len(
        model.get("cats", {}).get("enc", [])
    ):
        _refuse("a feature has categories")
    numbers = learner["learner_model_param"]
    n_features = int(numbers["num_feature"])
    outputs = max(int(numbers["num_class"]), int(numbers["num_target"]), 1)
    is_quantile = learner["objective"]["name"] == "reg:quantileerror"
    if is_quantile and outputs > 1 and version[:2] > UNORDERED_QUANTILES:
        _refuse("it has several quantiles, and was made by a newer version than 3.2")
    parallel = int(model["gbtree_model_param"]["num_parallel_tree"])
    trees = model["trees"]
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        _refuse("a leaf has several outputs")
    iteration = outputs * parallel
    if not (trees and 0 < n_features < _FEW and 0 < iteration < _FEW) or len(trees) % iteration:
        _refuse("its trees are not whole iterations")
    info, ends = np.asarray(model["tree_info"]), np.asarray(model["iteration_indptr"])
    groups = np.tile(np.repeat(np.arange(outputs), parallel), len(trees) // iteration)
    if not (
        np.array_equal(info, groups)
        and np.array_equal(ends, np.arange(0, len(trees) + 1, iteration))
        and (weights is None or len(weights) == len(trees))
    ):
        _refuse("its trees are not whole iterations")
    picked = interleaved(len(trees), outputs, parallel)
    nodes, gains, cover = _nodes([trees[at] for at in picked.tolist()])
    skeleton = _without_trees(document)
    return XGBoostModel(
        pool_nodes(nodes, n_features),
        n_features,
        outputs,
        parallel,
        weights if weights is None else weights[picked],
        skeleton,
        [str(name) for name in learner["feature_names"]],
        nodes,
        gains,
        cover,
    )


def interleaved(n_trees: int, outputs: int, parallel: int) -> Array:
    """Where each tree is in the document, so that one of each output follows another.

    The order within an output stays: so do its sums.
    """
    places = np.arange(n_trees).reshape(-1, outputs, parallel)
    return places.transpose(0, 2, 1).reshape(-1)


def _nodes(trees: list[Any]) -> tuple[NodeTable, Array, Array]:
    columns: dict[str, list[Array]] = {name: [] for name in _FIELDS}
    for tree in trees:
        if int(tree["tree_param"]["num_deleted"]):
            _refuse("nodes were pruned away")
        count = len(tree["left_children"])
        for name, kind in _FIELDS.items():
            values = np.asarray(tree[name])
            if values.shape != (count,) or values.dtype.kind != kind or not count:
                _refuse(f"{name} is not one number a node")
            columns[name].append(values)
    sizes = np.array([len(values) for values in columns["left_children"]], dtype=np.int64)
    pooled = {name: np.concatenate(values) for name, values in columns.items()}
    if pooled["split_type"].any():
        _refuse("a feature has categories")
    condition = pooled["split_conditions"].astype(np.float32)
    with np.errstate(under="ignore"):
        before = np.nextafter(condition, np.float32(-np.inf))
    split = pooled["left_children"] >= 0
    table = NodeTable(
        sizes,
        pooled["left_children"],
        pooled["right_children"],
        pooled["split_indices"],
        np.where(split, before, np.float32(0.0)),
        pooled["default_left"] != 0,
        condition,
    )
    return table, pooled["loss_changes"], pooled["sum_hessian"]


def _without_trees(document: dict[str, Any]) -> dict[str, Any]:
    """The document with empty lists in the place of its trees; the original is not changed."""
    model = document["Model"]
    learner = model["learner"]
    booster = learner["gradient_booster"]
    inner = booster["gbtree"] if booster["name"] == "dart" else booster
    no_trees = {**inner["model"], "trees": [], "tree_info": [], "iteration_indptr": []}
    bare: dict[str, Any] = {**inner, "model": no_trees}
    if booster["name"] == "dart":
        bare = {**booster, "gbtree": bare, "weight_drop": []}
    learner = {**learner, "gradient_booster": bare}
    return {**document, "Model": {**model, "learner": learner}}


def with_trees(
    skeleton: dict[str, Any],
    trees: PooledTrees,
    outputs: int,
    parallel: int,
    weights: Array | None,
    n_features: int,
) -> dict[str, Any]:
    """The document of a skeleton and its trees, without counts and gains.

    Raises
    ------
    KeyError, TypeError
        It is no skeleton.
    """
    n_trees = len(trees.sizes)
    places = np.argsort(interleaved(n_trees, outputs, parallel))
    made = _documents(trees, n_features)
    ordered = [{**made[at], "id": number} for number, at in enumerate(places.tolist())]
    info = np.tile(np.repeat(np.arange(outputs), parallel), n_trees // (outputs * parallel))
    ends = np.arange(0, n_trees + 1, outputs * parallel)
    model = skeleton["Model"]
    learner = model["learner"]
    booster = learner["gradient_booster"]
    inner = booster["gbtree"] if weights is not None else booster
    with_trees = {
        **inner["model"],
        "trees": ordered,
        "tree_info": info.tolist(),
        "iteration_indptr": ends.tolist(),
    }
    full: dict[str, Any] = {**inner, "model": with_trees}
    if weights is not None:
        full = {**booster, "gbtree": full, "weight_drop": weights[places].tolist()}
    learner = {**learner, "gradient_booster": full}
    return {**skeleton, "Model": {**model, "learner": learner}}


_ROOT_PARENT = 2147483647


def _documents(trees: PooledTrees, n_features: int) -> list[dict[str, Any]]:
    starts = tree_starts(trees.sizes)
    split = trees.split == 1
    natural = np.arange(split.size) - np.repeat(starts[:-1], trees.sizes)
    order = (natural if trees.order is None else trees.order).astype(np.int64)
    base = np.repeat(starts[:-1], trees.sizes)
    at = order + base
    inner = np.flatnonzero(split)
    right_place = base[inner] + trees.right[inner]
    left, right = np.full((2, split.size), -1, dtype=np.int32)
    parents = np.full(split.size, _ROOT_PARENT, dtype=np.int32)
    left[at[inner]] = order[inner + 1]
    right[at[inner]] = order[right_place]
    parents[at[inner + 1]] = order[inner]
    parents[at[right_place]] = order[inner]
    condition = np.zeros(split.size, dtype=np.float32)
    threshold = np.asarray(trees.threshold, dtype=np.float32)
    with np.errstate(under="ignore"):
        condition[at[inner]] = np.nextafter(threshold, np.float32(np.inf))
    condition[at[~split]] = trees.rows[trees.ids, 0].astype(np.float32)
    indices = np.zeros(split.size, dtype=np.int32)
    indices[at[inner]] = trees.feature
    default = np.zeros(split.size, dtype=np.uint8)
    default[at[inner]] = trees.missing_left()
    columns = {
        "left_children": left,
        "right_children": right,
        "parents": parents,
        "split_indices": indices,
        "split_conditions": condition,
        "default_left": default,
        "split_type": np.zeros(split.size, dtype=np.uint8),
        "loss_changes": np.zeros(split.size, dtype=np.float32),
        "sum_hessian": np.zeros(split.size, dtype=np.float32),
        "base_weights": np.zeros(split.size, dtype=np.float32),
    }
    none32, none64 = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    return [
        {
            **{name: values[start:end] for name, values in columns.items()},
            "categories": none32,
            "categories_nodes": none32,
            "categories_segments": none64,
            "categories_sizes": none64,
            "tree_param": {
                "num_deleted": "0",
                "num_feature": str(n_features),
                "num_nodes": str(end - start),
                "size_leaf_vector": "1",
            },
        }
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]


def _refuse(why: str) -> NoReturn:
    raise UnsupportedComponent(why)
