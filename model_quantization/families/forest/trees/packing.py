"""A forest's component to its packed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model_quantization.families.family import Arrays
from model_quantization.families.forest import kinds
from model_quantization.families.forest.kinds import KINDS, Kind
from model_quantization.families.forest.stored.parts import Parts, encode_parts
from model_quantization.families.forest.trees.attachments import (
    DEPTHS,
    MEMBER_FEATURES,
    PATH_LENGTHS,
    member_columns,
    path_rows,
    slim_mapper,
)
from model_quantization.families.forest.trees.ensembles import (
    Ensemble,
    find_trees,
    leaf_layout,
    tree_owner,
)
from model_quantization.families.forest.trees.importances import importances
from model_quantization.families.forest.trees.reading import ReadForest, read_predictors, read_trees
from model_quantization.graph.nodes import (
    ArrayNode,
    Node,
    ObjectNode,
    PackedNode,
    SequenceNode,
    attributes,
)

FAMILY_NAME = "forest"
IMPORTANCES = "feature_importances_"


def pack(node: ObjectNode, arrays: Arrays) -> PackedNode | None:
    """The component with all its trees pooled; None where its trees are of several kinds."""
    kind = KINDS.get(node.type)
    state = attributes(node)
    if kind is None or node.args or node.entries is not None or kind.attribute not in state:
        return None
    ensemble = find_trees(kind, state, arrays)
    if ensemble is None:
        return None
    read = _read(node.type, kind, ensemble, state, arrays)
    if read is None:
        return None
    gone = {kind.attribute, *(name for name in kinds.DROPPED if name in state)}
    extra: list[tuple[str, Node]] = []
    if kind.leaf == "path":
        paths = path_rows(read, state, arrays)
        if paths is None:
            return None
        read = replace(read, trees=replace(read.trees, rows=paths))
        gone |= {PATH_LENGTHS, DEPTHS}
    if MEMBER_FEATURES in state:
        columns = member_columns(state[MEMBER_FEATURES], len(ensemble.trees), arrays)
        if columns is None:
            return None
        gone.add(MEMBER_FEATURES)
        extra.append(("tree_columns", ArrayNode(arrays.add(columns)) if columns.size else None))
    if read.make is not None:
        make = read.make
        extra.append(("tree_make", _numbers((make.n_features, make.n_outputs, *make.n_classes))))
    if ensemble.members is not None:
        members = ensemble.members
        extra.append(("tree_type", members.type))
        extra.append(("tree_shared", members.shared))
        extra.append(("tree_varying", members.varying))
    if ensemble.outputs is not None:
        extra.append(("tree_outputs", ensemble.outputs))
    weights = state.get("estimator_weights_")
    found = importances(
        kind.importances,
        read.columns,
        read.make.n_features if read.make else 0,
        arrays[weights.array] if isinstance(weights, ArrayNode) else None,
    )
    if found is not None:
        extra.append((IMPORTANCES, ArrayNode(arrays.add(found))))
    kept = [
        (name, slim_mapper(value, arrays) if name == "_bin_mapper" else value)
        for name, value in state.items()
        if name not in gone
    ]
    encoded = encode_parts(
        read.trees, leaf_layout(kind, read.make, tree_owner(node.type, ensemble.members), state)
    )
    return PackedNode(FAMILY_NAME, node.type, (*kept, *extra, *part_nodes(encoded, arrays)))


def part_nodes(parts: Parts, arrays: Arrays) -> list[tuple[str, Node]]:
    """The parts as nodes."""
    return [
        (name, ArrayNode(arrays.add(value)) if isinstance(value, np.ndarray) else value)
        for name, value in parts.items()
    ]


def _read(
    type_name: str, kind: Kind, ensemble: Ensemble, state: dict[str, Node], arrays: Arrays
) -> ReadForest | None:
    if kind.container == "nested":
        n_features = state.get("_n_features")
        if not isinstance(n_features, int):
            return None
        return read_predictors(ensemble.trees, n_features, arrays)
    return read_trees(ensemble.trees, tree_owner(type_name, ensemble.members), arrays)


def _numbers(values: tuple[int, ...]) -> SequenceNode:
    return SequenceNode("tuple", tuple(int(value) for value in values))
