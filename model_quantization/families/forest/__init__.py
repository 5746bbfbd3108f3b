"""Forests and boosted trees: all trees of a model pooled into a handful of small arrays.

The kernels behind `lower` are imported at the first forest, not with the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from model_quantization.families.family import Arrays, Component, Family, LeftAsIs, Parts
from model_quantization.families.forest.examples import examples
from model_quantization.families.forest.kinds import CATBOOST, DROPPED, KINDS, XGBOOST
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode

if TYPE_CHECKING:
    from model_quantization.families.probing import Collect, ProbeValues

__all__ = ["FAMILY"]


def pack(node: ObjectNode, arrays: Arrays) -> PackedNode | LeftAsIs | None:
    """The component with all its trees pooled; None where its trees are of several kinds."""
    if KINDS[node.type].container == "booster":
        from model_quantization.families.forest import boosters

        return boosters.pack_booster(node, arrays)
    from model_quantization.families.forest.trees import packing

    return packing.pack(node, arrays)


def unpack(node: PackedNode, arrays: Arrays) -> ObjectNode:
    """The component as scikit-learn holds it; `SemanticError` for parts that do not fit."""
    if node.type in KINDS and KINDS[node.type].container == "booster":
        from model_quantization.families.forest import boosters

        return boosters.unpack_booster(node, arrays)
    from model_quantization.families.forest.trees import unpacking

    return unpacking.unpack(node, arrays)


def coarsen(packed: PackedNode, arrays: Arrays, bits: int) -> tuple[PackedNode, str]:
    """The packed forest at 8 or 16 bits, and a clause that says what was done."""
    from model_quantization.families.forest import coarsening

    return coarsening.coarsen(packed, arrays, bits)


def options(packed: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """The ladders of a packed forest; () for a forest that was left as it is."""
    if not isinstance(packed, PackedNode):
        return ()
    from model_quantization.families.forest import ladders

    return ladders.options(packed, arrays)


def coarser(packed: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """The packed forest at these levels of its ladders."""
    from model_quantization.families.forest import ladders

    assert isinstance(packed, PackedNode), "`options` offers nothing for another node"
    return ladders.coarser(packed, arrays, levels)


def probe(component: Component, collect: Collect) -> ProbeValues | None:
    """Return the thresholds of a booster; None for trees that the generic rule reads."""
    if KINDS[component.type].container != "booster":
        return None
    from model_quantization.families.forest import probing

    return probing.probe(component, collect)


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor: of trees bit for bit the restored estimator's answers, `exact` or not."""
    from model_quantization.families.forest import lowering

    return lowering.lower_forest(component, exact)


FAMILY = Family(
    name="forest",
    types=frozenset(KINDS),
    dropped=DROPPED,
    pack=pack,
    unpack=unpack,
    coarsen=coarsen,
    options=options,
    coarser=coarser,
    lower=lower,
    probe=probe,
    parts={
        name: Parts("estimators_", "number")
        for name, kind in KINDS.items()
        if kind.container in ("list", "grid")
    },
    silent=XGBOOST | CATBOOST,
    argument=dict.fromkeys(CATBOOST, "data"),
    examples=examples,
)
