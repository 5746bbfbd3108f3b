"""LightGBM's scikit-learn estimators: their state to pooled trees, and back."""

from __future__ import annotations

import numpy as np

from model_quantization.errors import SemanticError, UnsupportedComponent
from model_quantization.families.family import Arrays
from model_quantization.families.forest.kinds import RESTORED_LIGHTGBM
from model_quantization.families.forest.lightgbm.text import read_text
from model_quantization.families.forest.lightgbm.writing import write_text
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
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    Node,
    ObjectNode,
    SequenceNode,
    entries,
)
from model_quantization.kernels.trees.pooled import PooledTrees

_BOOSTER = "lightgbm.basic:Booster"
_LIBRARY = "a LightGBM"
_IMPORTANCES = ("split", "gain")


def read_estimator(state: State, arrays: Arrays) -> Dump:
    """The booster of an estimator.

    Raises
    ------
    UnsupportedComponent
        Why it stays as it is.
    """
    inside = booster_fields(state, _BOOSTER)
    text, rest = inside.get("text"), inside.get("state")
    if not isinstance(text, BytesNode) or not isinstance(rest, DictNode):
        raise UnsupportedComponent(NO_BOOSTER)
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
    classes, kind = state.get("_classes"), state.get("importance_type")
    named = state.get("_fitted_with_feature_names") is True
    kept += shown_parts(
        arrays,
        classes=classes if isinstance(classes, ArrayNode) else None,
        names=[] if read.names == default_names(read.n_features) else read.names,
        names_as="feature_names_in_" if named else "booster_names",
        importances=(
            read.importances(str(kind), used * read.outputs) if kind in _IMPORTANCES else None
        ),
    )
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
    outputs, n_features = whole_parts(parts, _LIBRARY, "tree_outputs", "n_features_in_")
    if (
        not isinstance(rest, DictNode)
        or not isinstance(objective, str)
        or type(averaged) is not bool
        or len(trees.sizes) % outputs
    ):
        raise not_the_parts(_LIBRARY)
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
