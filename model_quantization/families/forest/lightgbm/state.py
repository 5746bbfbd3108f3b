"""LightGBM's scikit-learn estimators: their state to pooled trees, and back."""

from __future__ import annotations

import numpy as np

from model_quantization.errors import SemanticError, UnsupportedComponent
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import RESTORED_LIGHTGBM
from model_quantization.families.forest.lightgbm.text import read_text
from model_quantization.families.forest.lightgbm.writing import write_text
from model_quantization.families.forest.trees.booster_trees import Dump, State
from model_quantization.families.forest.trees.members import mapping
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    Node,
    ObjectNode,
    SequenceNode,
    attributes,
    entries,
)
from model_quantization.kernels.trees.pooled import PooledTrees

_BOOSTER = "lightgbm.basic:Booster"
_IMPORTANCES = ("split", "gain")


def read_estimator(state: State, arrays: Arrays) -> Dump:
    """The booster of an estimator.

    Raises
    ------
    UnsupportedComponent
        Why it stays as it is.
    """
    booster = state["_Booster"]
    inside = attributes(booster) if isinstance(booster, ObjectNode) else {}
    text, rest = inside.get("text"), inside.get("state")
    if (
        not isinstance(booster, ObjectNode)
        or booster.type != _BOOSTER
        or not isinstance(text, BytesNode)
        or not isinstance(rest, DictNode)
    ):
        raise UnsupportedComponent("it holds no booster that is known here")
    own = dict(entries(rest))
    if own.get("pandas_categorical") not in (None, SequenceNode("list", ())):
        raise UnsupportedComponent("it makes the codes of pandas categories itself")
    other = state.get("_other_params")
    options = [key for key, _ in entries(other)] if isinstance(other, DictNode) else [""]
    if any(str(name).startswith("pred") for name in options) or (
        isinstance(other, DictNode) and not isinstance(other.keys, SequenceNode)
    ):
        raise UnsupportedComponent("it changes how rows are answered (pred_early_stop)")
    read = read_text(arrays[text.array].tobytes())
    if state.get("_n_features") != read.n_features:
        raise UnsupportedComponent("its booster has other features than it says")
    best = own.get("best_iteration")
    iterations = len(read.trees.sizes) // read.outputs
    used = min(best, iterations) if isinstance(best, int) and best > 0 else iterations
    kept: list[tuple[str, Node]] = [
        ("booster_state", rest),
        ("booster_objective", read.objective),
        ("booster_averaged", read.averaged),
        ("booster_iterations", used),
        ("n_features_in_", read.n_features),
    ]
    if isinstance(state.get("_classes"), ArrayNode):
        kept.append(("classes_", state["_classes"]))
    if read.names != default_names(read.n_features):
        names = ArrayNode(arrays.add(np.array(read.names)))
        named = state.get("_fitted_with_feature_names") is True
        kept.append(("feature_names_in_" if named else "booster_names", names))
    kind = state.get("importance_type")
    if kind in _IMPORTANCES:
        found = read.importances(str(kind), used * read.outputs)
        kept.append(("feature_importances_", ArrayNode(arrays.add(found))))
    return Dump(read.trees, read.n_features, read.outputs, kept)


def default_names(n_features: int) -> list[str]:
    """The names that LightGBM gives the columns of an array."""
    return [f"Column_{column}" for column in range(n_features)]


def write_estimator(parts: State, trees: PooledTrees, arrays: Arrays) -> Node:
    """The estimator's booster, with the text of its trees.

    Raises
    ------
    SemanticError
        Parts that are no booster's.
    """
    rest, objective, averaged = (
        parts.get(f"booster_{name}") for name in ("state", "objective", "averaged")
    )
    outputs, n_features = parts.get("tree_outputs"), parts.get("n_features_in_")
    if (
        not isinstance(rest, DictNode)
        or not isinstance(objective, str)
        or type(averaged) is not bool
        or type(outputs) is not int
        or type(n_features) is not int
        or outputs < 1
        or len(trees.sizes) % outputs
    ):
        raise SemanticError("not the parts of a LightGBM booster", where="booster_state")
    names = default_names(n_features)
    named = parts.get("feature_names_in_", parts.get("booster_names"))
    if isinstance(named, ArrayNode):
        names = [str(name) for name in arrays[named.array].ravel()]
    if len(names) != n_features:
        raise SemanticError("another number of names than of features", where="booster_names")
    text = write_text(trees, outputs, objective, averaged, names)
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    state: list[tuple[str, Node]] = [
        ("text", BytesNode("bytes", arrays.add(data))),
        ("state", rest),
    ]
    return ObjectNode(RESTORED_LIGHTGBM, (), mapping(state))
