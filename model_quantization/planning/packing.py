"""Prepares a captured graph for a plan: packs components, renumbers arrays.

Nothing is rounded here: a packed component unpacks to the same one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from model_quantization.families import LeftAsIs, family_of
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import ModelGraph, Node, ObjectNode, RefNode
from model_quantization.graph.traversal import array_indices, compact, walk, with_children_at


@dataclass(frozen=True, slots=True)
class PreparedGraph:
    """A graph ready for a plan.

    Attributes
    ----------
    graph : ModelGraph
    packed_bytes : dict of str to int
        Path of each packed component -> bytes of its arrays before it was packed.
    """

    graph: ModelGraph
    packed_bytes: dict[str, int]


def prepare_graph(graph: ModelGraph) -> PreparedGraph:
    """Return the graph with each component in its family's compact form."""
    packer = _Packer(GrowingArrays(graph.arrays), _reference_counts(graph.root))
    root = packer.visit(graph.root, "")
    prepared = compact(graph, root, packer.arrays)
    noted = replace(prepared, notes=(*prepared.notes, *packer.notes))
    return PreparedGraph(noted, packer.sizes)


@dataclass(slots=True)
class _Packer:
    arrays: GrowingArrays
    references: Counter[int]
    sizes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def visit(self, node: Node, path: str) -> Node:
        if isinstance(node, ObjectNode):
            family = family_of(node.type)
            if family.pack is not None and not self._entangled(node):
                packed = family.pack(node, self.arrays)
                if isinstance(packed, LeftAsIs):
                    name = path or node.type.rpartition(":")[2]
                    self.notes.append(f"{name} is kept in its own format: {packed.reason}")
                elif packed is not None:
                    self.sizes[path] = self._bytes_below(node)
                    node = replace(packed, id=node.id)
        return with_children_at(node, path, self.visit)

    def _bytes_below(self, node: Node) -> int:
        indices = {index for _, below in walk(node) for index in array_indices(below)}
        return sum(self.arrays[index].nbytes for index in indices)

    def _entangled(self, node: Node) -> bool:
        """Whether references cross the border of this component."""
        below = _reference_counts(node)
        inside = {
            identity
            for _, other in walk(node)
            if (identity := getattr(other, "id", None)) is not None and other is not node
        }
        return any(target not in inside for target in below) or any(
            self.references[identity] != below[identity] for identity in inside
        )


def _reference_counts(node: Node) -> Counter[int]:
    return Counter(found.target for _, found in walk(node) if isinstance(found, RefNode))
