"""Estimators of LightGBM, XGBoost and CatBoost to their packed form, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from model_quantization.errors import UnsupportedComponent
from model_quantization.families.family import Arrays, LeftAsIs
from model_quantization.families.forest.catboost import state as catboost_state
from model_quantization.families.forest.kinds import CATBOOST, KINDS, LIGHTGBM, XGBOOST
from model_quantization.families.forest.lightgbm import state as lightgbm_state
from model_quantization.families.forest.predictors.packed_forest import PART_NAMES
from model_quantization.families.forest.stored.parts import Layout, encode_parts
from model_quantization.families.forest.trees import packing, unpacking
from model_quantization.families.forest.trees.booster_trees import Dump, State
from model_quantization.families.forest.trees.members import mapping
from model_quantization.families.forest.xgboost import state as xgboost_state
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode, SequenceNode, attributes
from model_quantization.kernels.trees.pooled import PooledTrees

Read: TypeAlias = Callable[[State, Arrays], Dump]
Write: TypeAlias = Callable[[State, PooledTrees, Arrays], Node]

BOOSTER_STATE = "booster_state"  # where the booster was, and so where it comes back
# Exact names: an estimator may have parameters of its own that start alike (`tree_method`).
OWN_PARTS = frozenset(PART_NAMES) | frozenset(
    {
        "tree_outputs",
        "tree_make", "booster_objective", "booster_averaged", "booster_iterations",
        "booster_names", "booster_base", "booster_parallel", "booster_levels", "booster_weights",
        "booster_scale", "booster_bias",
    }
)  # fmt: skip
# Worked out from the booster by their estimators: kept for answers, not state of their own.
SHOWN = frozenset({"classes_", "feature_names_in_", "n_features_in_"})

READERS: dict[str, Read] = {
    **dict.fromkeys(LIGHTGBM, lightgbm_state.read_estimator),
    **dict.fromkeys(XGBOOST, xgboost_state.read_estimator),
    **{name: partial(catboost_state.read_estimator, name.partition(":")[2]) for name in CATBOOST},
}
WRITERS: dict[str, Write] = {
    **dict.fromkeys(LIGHTGBM, lightgbm_state.write_estimator),
    **dict.fromkeys(XGBOOST, xgboost_state.write_estimator),
    **dict.fromkeys(CATBOOST, catboost_state.write_estimator),
}


def pack_booster(node: ObjectNode, arrays: Arrays) -> PackedNode | LeftAsIs | None:
    """The estimator with its booster's trees pooled, or why it stays in its own format.

    None for one that is not fitted: meta-estimators hold such beside the fitted ones.
    """
    state = attributes(node)
    attribute = KINDS[node.type].attribute
    if state.get(attribute) is None:
        return None
    try:
        read = READERS[node.type](state, arrays)
    except UnsupportedComponent as error:
        return LeftAsIs(error.what)
    # In the booster's own place, because later nodes may refer to what it holds.
    kept: list[tuple[str, Node]] = []
    for name, value in state.items():
        kept += read.state if name == attribute else [(name, value)]
    width = read.trees.rows.shape[1]
    if width > 1:
        make = (read.n_features, width, *[1] * width)
        kept.append(("tree_make", SequenceNode("tuple", make)))
    parts = encode_parts(read.trees, Layout(read.n_features, width))
    return PackedNode(
        packing.FAMILY_NAME,
        node.type,
        (*kept, ("tree_outputs", read.outputs), *packing.part_nodes(parts, arrays)),
    )


def unpack_booster(node: PackedNode, arrays: Arrays) -> ObjectNode:
    """The estimator with a booster that its library reads, made of the trees.

    Raises
    ------
    SemanticError
        Parts that do not fit each other.
    """
    _, trees = unpacking.decode_packed(node, arrays)
    parts = dict(node.parts)
    state: list[tuple[str, Node]] = []
    for name, value in parts.items():
        if name == BOOSTER_STATE:
            made = WRITERS[node.type](parts, trees, arrays)
            state.append((KINDS[node.type].attribute, made))
        elif name not in OWN_PARTS and name not in SHOWN:
            state.append((name, value))
    return ObjectNode(node.type, (), mapping(state), None, node.id)
