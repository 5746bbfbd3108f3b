"""Components at fewer bits as a whole: rounding by a family instead of by array.

A forest at 8 bits has fewer distinct thresholds, moved where they lose least (`Family.coarsen`); a
linear machine has its vectors added up to weights (`Family.fold`). The family does that,
before each array gets its scheme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_quantization.families import family_named, family_of
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import ModelGraph, Node, ObjectNode, PackedNode
from model_quantization.graph.traversal import compact, components, join, with_children_at
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Exact

_BITS = {"8": 8, "16": 16, "32": 32}
_MOST_CODED = 16


def coarse_bits(graph: ModelGraph, recipe: Recipe) -> dict[str, int]:
    """Return the bits by the recipe, by path of each component that can be coarsened.

    An override that matches a component's own path, or `<path>/*`, with `exact` keeps it exact.
    """
    bits = _BITS.get(recipe.bit_depth)
    if bits is None:
        return {}
    return {
        path: bits
        for path, node in components(graph)
        if _takes(node, bits)
        and recipe.override(path) != Exact()
        and recipe.override(join(path, "*")) != Exact()
    }


def _takes(node: ObjectNode | PackedNode, bits: int) -> bool:
    if isinstance(node, PackedNode):
        return bits <= _MOST_CODED and family_named(node.family).coarsen is not None
    return family_of(node.type).fold is not None


@dataclass(frozen=True, slots=True)
class CoarseGraph:
    """A graph with some components coarsened, and a description of each change, by path."""

    graph: ModelGraph
    reasons: Mapping[str, str] = field(default_factory=dict)


class CoarseForms:
    """The coarse forms of one graph's components; each is made on its first use.

    Plans of one model differ in which components are coarsened, to how many bits. They share the
    forms, so that no component is coarsened twice to the same bits.
    """

    def __init__(self, graph: ModelGraph) -> None:
        self._graph = graph
        self._arrays = GrowingArrays(graph.arrays)
        self._forms: dict[tuple[str, int], tuple[Node, str] | None] = {}

    def at(self, bits: Mapping[str, int]) -> CoarseGraph:
        """Return the graph with the components at these paths coarsened to the given bits."""
        if not bits:
            return CoarseGraph(self._graph)
        reasons: dict[str, str] = {}

        def visit(node: Node, path: str) -> Node:
            if isinstance(node, ObjectNode | PackedNode) and path in bits:
                form = self._form(node, path, bits[path])
                if form is not None:
                    node, reasons[path] = form
            return with_children_at(node, path, visit)

        root = visit(self._graph.root, "")
        return CoarseGraph(compact(self._graph, root, self._arrays), reasons)

    def _form(self, node: ObjectNode | PackedNode, path: str, bits: int) -> tuple[Node, str] | None:
        if (path, bits) not in self._forms:
            self._forms[path, bits] = self._made(node, bits)
        return self._forms[path, bits]

    def _made(self, node: ObjectNode | PackedNode, bits: int) -> tuple[Node, str] | None:
        if isinstance(node, PackedNode):
            coarsen = family_named(node.family).coarsen
            assert coarsen is not None, "`coarse_bits` names components that can be coarsened"
            return coarsen(node, self._arrays, bits)
        fold = family_of(node.type).fold
        assert fold is not None, "`coarse_bits` names components that can be folded"
        return fold(node, self._arrays)
