"""Nearest neighbors: the training rows are the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model_quantization.families.family import Arrays, Example, Family, slots_for
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode
from model_quantization.schemes.scheme import Role, Slot

_TREE = (
    "A search tree's bounds hold for its own rows: rounding either would lose neighbors; "
    "fit with algorithm='brute' to let the rows be rounded"
)
_MODULES = {
    "_classification": ("KNeighborsClassifier", "RadiusNeighborsClassifier"),
    "_regression": ("KNeighborsRegressor", "RadiusNeighborsRegressor"),
    "_unsupervised": ("NearestNeighbors",),
    "_graph": ("KNeighborsTransformer", "RadiusNeighborsTransformer"),
    "_lof": ("LocalOutlierFactor",),
    "_nearest_centroid": ("NearestCentroid",),
    "_kde": ("KernelDensity",),
}


def examples() -> Iterable[Example]:
    """Searched by brute force, by a tree, and for outliers."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor

    rows = np.random.default_rng(0).normal(size=(150, 6))
    labels = (rows[:, 0] > 0).astype(int) + (rows[:, 1] > 0)
    yield Example("brute", KNeighborsClassifier(algorithm="brute").fit(rows, labels), rows)
    yield Example("tree", KNeighborsRegressor(algorithm="kd_tree").fit(rows, rows[:, 0]), rows)
    yield Example("outliers", LocalOutlierFactor(novelty=True).fit(rows), rows + 0.01)


def options(node: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """The ladder of the training rows, where they are searched one by one for the nearest."""
    from model_quantization.families.shared import rotated_rows

    return rotated_rows.options(node, arrays)


def coarser(node: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """The model with coarser training rows."""
    from model_quantization.families.shared import rotated_rows

    return rotated_rows.coarser(node, arrays, levels)


def unpack(packed: PackedNode, arrays: Arrays) -> ObjectNode:
    """The model with its training rows turned back; `SemanticError` for parts that do not fit."""
    from model_quantization.families.shared import rotated_rows

    return rotated_rows.unpack(packed, arrays)


FAMILY = Family(
    name="neighbors",
    types=frozenset(
        f"sklearn.neighbors.{module}:{name}" for module, names in _MODULES.items() for name in names
    ),
    slots={
        "_fit_X": Slot(Role.SUPPORT, channel_axis=1),
        "_fit_X/data": Slot(Role.SUPPORT),
        "centroids_": Slot(Role.CENTER, channel_axis=1),
        "_tree/*": Slot(Role.STATE, note=_TREE),
        "tree_/*": Slot(Role.STATE, note=_TREE),
    }
    | slots_for(("_y", "classes_"), Slot(Role.LABEL))
    | {
        "rotated.basis": Slot(Role.BASIS, channel_axis=0),
        "rotated.mean": Slot(Role.STATISTIC),
    },
    unpack=unpack,
    options=options,
    coarser=coarser,
    examples=examples,
)
