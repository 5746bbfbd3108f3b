"""Finds the ladders of a component: of its family, of another one, or of this room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from model_quantization.families import Family, family_named, family_of
from model_quantization.families.family import Arrays
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode
from model_quantization.planning import shorter_vocabulary


class Offer(NamedTuple):
    """The ways to make a component coarser, as in `Family.options` and `Family.coarser`."""

    options: Callable[[Node, Arrays], tuple[Ladder, ...]]
    coarser: Callable[[Node, Arrays, Mapping[str, str]], Coarser]


# A vocabulary and the model behind it are of two families: only both together can lose terms.
_OWN: Final = {
    "sklearn.pipeline:Pipeline": Offer(shorter_vocabulary.options, shorter_vocabulary.coarser)
}
# Fixed bit depths treat these as `generic`, and must keep their bytes.
_OTHER_FAMILY: Final = {
    "sklearn.gaussian_process._gpr:GaussianProcessRegressor": "gaussian_process"
}


def offer_for(node: ObjectNode | PackedNode) -> Offer | None:
    """Return the ladders of a component; None if it has only schemes of its arrays."""
    if node.type in _OWN:
        return _OWN[node.type]
    family = _family(node)
    if family.options is None or family.coarser is None:
        return None
    return Offer(family.options, family.coarser)


def _family(node: ObjectNode | PackedNode) -> Family:
    if isinstance(node, PackedNode):
        return family_named(node.family)
    name = _OTHER_FAMILY.get(node.type)
    return family_of(node.type) if name is None else family_named(name)
