"""Nearest neighbors: the training rows are the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model_quantization.families.family import Arrays, Component, Example, Family, slots_for
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.lowered import Lowered, NotFast
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
    "_kde": ("KernelDensity",),
}


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Answers of the nearest known rows, where rounding cannot have chosen them."""
    from model_quantization.families.shared import neighbour_answers, radius_answers

    own = radius_answers.ANSWERS.get(component.type, neighbour_answers.lower)
    return own(component, exact)


def examples() -> Iterable[Example]:
    """Searched by brute force, by trees, in several measures, and for outliers."""
    import numpy as np
    from sklearn.neighbors import (
        KNeighborsClassifier,
        KNeighborsRegressor,
        LocalOutlierFactor,
        NearestNeighbors,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
    )

    rng = np.random.default_rng(0)
    known = rng.normal(size=(150, 6))
    rows = rng.normal(size=(90, 6))
    labels = (known[:, 0] > 0).astype(int) + (known[:, 1] > 0)
    yield Example("brute", KNeighborsClassifier(algorithm="brute").fit(known, labels), rows)
    weighed = KNeighborsClassifier(weights="distance", algorithm="ball_tree")
    names = np.array(["low", "middle", "high"])[labels]
    yield Example("weighed", weighed.fit(known, names), rows)
    angles = KNeighborsClassifier(metric="cosine", n_neighbors=4)
    yield Example("angles", angles.fit(known, labels), rows)
    yield Example("tree", KNeighborsRegressor(algorithm="kd_tree").fit(known, known[:, 0]), known)
    blocks = KNeighborsRegressor(metric="manhattan", weights="distance", algorithm="brute")
    yield Example("blocks", blocks.fit(known, known[:, :2]), rows)
    whole = rng.integers(0, 4, (200, 3)).astype(np.float64)
    ties = KNeighborsClassifier().fit(whole, whole[:, 0] > 1)
    yield Example("ties", ties, whole[:40])
    wide = RadiusNeighborsClassifier(3.0, algorithm="brute")
    yield Example("wide", wide.fit(known, labels), rows)
    near = RadiusNeighborsRegressor(3.5, weights="distance")
    yield Example("near", near.fit(known, known[:, 0]), rows)
    yield Example("alone", NearestNeighbors().fit(known), rows)
    yield Example("outliers", LocalOutlierFactor(novelty=True).fit(known), known + 0.01)


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
    lower=lower,
    examples=examples,
)
