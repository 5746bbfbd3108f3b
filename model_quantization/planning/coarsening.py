"""Packed components at fewer bits: what rounds the meaning of a family's parts, not one array.

A forest at 8 bits has fewer distinct thresholds, moved where they lose least: that is its family's
business (`Family.coarsen`), and comes before each array gets its scheme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_quantization.arrays import Array
from model_quantization.families import family_named
from model_quantization.graph.nodes import ModelGraph, Node, PackedNode
from model_quantization.graph.traversal import compact, components, join, with_children_at
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Exact

_BITS = {"8": 8, "16": 16}


def coarse_bits(graph: ModelGraph, recipe: Recipe) -> dict[str, int]:
    """Return the bits that a recipe asks for, by path of each component that can be coarsened.

    An override that matches a component's own path, or `<path>/*`, with `exact` keeps it exact.
    """
    bits = _BITS.get(recipe.bit_depth)
    if bits is None:
        return {}
    return {
        path: bits
        for path, node in components(graph)
        if isinstance(node, PackedNode)
        and family_named(node.family).coarsen is not None
        and recipe.override(path) != Exact()
        and recipe.override(join(path, "*")) != Exact()
    }


@dataclass(frozen=True, slots=True)
class CoarseGraph:
    """A graph with some components coarsened, and what was done to each, by path."""

    graph: ModelGraph
    reasons: Mapping[str, str] = field(default_factory=dict)


def coarsen_graph(graph: ModelGraph, bits: Mapping[str, int]) -> CoarseGraph:
    """Return the graph with the components at these paths coarsened to so many bits."""
    if not bits:
        return CoarseGraph(graph)
    work = _Work(list(graph.arrays), bits)
    root = work.visit(graph.root, "")
    return CoarseGraph(compact(graph, root, work.arrays), work.reasons)


@dataclass(slots=True)
class _Work:
    arrays: list[Array]
    bits: Mapping[str, int]
    reasons: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, index: int) -> Array:
        return self.arrays[index]

    def add(self, array: Array) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def visit(self, node: Node, path: str) -> Node:
        if isinstance(node, PackedNode) and path in self.bits:
            coarsen = family_named(node.family).coarsen
            assert coarsen is not None
            node, reason = coarsen(node, self, self.bits[path])
            if reason:
                self.reasons[path] = reason
        return with_children_at(node, path, self.visit)
