"""CatBoost's scikit-learn estimators: their state to pooled trees, and back."""

from __future__ import annotations

import numpy as np

from model_quantization.errors import UnsupportedComponent
from model_quantization.families.family import Arrays
from model_quantization.families.forest.catboost.filling import with_trees, without_trees
from model_quantization.families.forest.catboost.model import CatBoostModel, parse_info, read_model
from model_quantization.families.forest.trees.booster_trees import (
    NO_BOOSTER,
    Dump,
    State,
    not_the_parts,
    shown_parts,
    whole_parts,
)
from model_quantization.graph.nodes import ArrayNode, BytesNode, Node, ObjectArrayNode, SequenceNode
from model_quantization.kernels.trees.pooled import PooledTrees

_LIBRARY = "a CatBoost"
EXPONENTIAL = frozenset({"Poisson", "Tweedie"})
BINARY = frozenset({"Logloss", "CrossEntropy"})
SEVERAL = frozenset({"MultiClass", "MultiClassOneVsAll"})
VALUES = frozenset(
    {
        "RMSE", "MAE", "Quantile", "LogLinQuantile", "Huber", "Expectile", "MAPE", "MultiRMSE",
        "MultiQuantile", "Lq", "LogCosh",
    }
)  # fmt: skip
RANKS = frozenset(
    {
        "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE",
        "QuerySoftMax", "LambdaMart",
    }
)  # fmt: skip
_LOSSES = {
    "CatBoostClassifier": BINARY | SEVERAL,
    "CatBoostRegressor": VALUES | EXPONENTIAL,
    "CatBoostRanker": RANKS,
}
_LABELS = {"Integer": "int64", "Float": "float64", "Boolean": "bool", "String": ""}


def read_estimator(kind: str, state: State, arrays: Arrays) -> Dump:
    """The booster of an estimator of this class.

    Raises
    ------
    UnsupportedComponent
        Why it stays as it is.
    """
    blob = state["__model"]
    if not isinstance(blob, BytesNode):
        raise UnsupportedComponent(NO_BOOSTER)
    data = arrays[blob.array].tobytes()
    read = read_model(data)
    loss = _loss(read, kind, state)
    if any("threshold" in key for key in read.info):
        raise UnsupportedComponent("its classes are told apart at another probability than 0.5")
    skeleton = np.frombuffer(without_trees(data), dtype=np.uint8)
    kept: list[tuple[str, Node]] = [
        ("booster_state", ArrayNode(arrays.add(skeleton))),
        ("booster_objective", loss),
        ("booster_scale", read.scale),
        ("booster_bias", ArrayNode(arrays.add(read.bias))),
        ("n_features_in_", read.n_features),
    ]
    classes = _classes(read, loss, arrays) if kind == "CatBoostClassifier" else None
    kept += shown_parts(arrays, classes=classes, names=read.names)
    return Dump(read.trees, read.n_features, 1, kept)


def _loss(read: CatBoostModel, kind: str, state: State) -> str:
    found = parse_info(read.info, "params").get("loss_function")
    loss = str(found.get("type", "")) if isinstance(found, dict) else ""
    asked = next((state[n] for n in ("loss_function", "objective", "loss") if state.get(n)), "")
    said = asked if isinstance(asked, str) else "?"
    if (
        loss not in _LOSSES[kind]
        # A regressor tells by its parameters what its sums mean.
        or (loss in EXPONENTIAL) != said.startswith(tuple(EXPONENTIAL))
        or said == "?"
    ):
        raise UnsupportedComponent(f"its loss is {loss[:40]!r}")
    return loss


def _classes(read: CatBoostModel, loss: str, arrays: Arrays) -> Node:
    """The labels, in the order of the outputs."""
    params = parse_info(read.info, "class_params")
    labels, kind = params.get("class_to_label"), params.get("class_label_type")
    names, outputs = params.get("class_names") or labels, read.bias.size
    expected = outputs if loss in SEVERAL else 2
    if (
        kind not in _LABELS
        or not isinstance(names, list)
        or len(names) != expected
        or labels != list(range(expected))
        or (loss in BINARY and outputs != 1)
    ):
        raise UnsupportedComponent("it has another number of labels than of outputs")
    if kind == "String":
        if not all(isinstance(name, str) for name in names):
            raise UnsupportedComponent("it has another number of labels than of outputs")
        return ObjectArrayNode((len(names),), SequenceNode("list", tuple(names)))
    return ArrayNode(arrays.add(np.array(names).astype(_LABELS[kind])))


def write_estimator(parts: State, trees: PooledTrees, arrays: Arrays) -> Node:
    """The bytes of the estimator's model, with its trees.

    Raises
    ------
    SemanticError
        Parts that are no booster's.
    """
    skeleton = parts.get("booster_state")
    (n_features,) = whole_parts(parts, _LIBRARY, "n_features_in_")
    if not isinstance(skeleton, ArrayNode):
        raise not_the_parts(_LIBRARY)
    data = with_trees(arrays[skeleton.array].tobytes(), trees, n_features)
    return BytesNode("bytes", arrays.add(np.frombuffer(data, dtype=np.uint8)))
