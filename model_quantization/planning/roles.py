"""The purpose of each array of a graph: its slot, as the families say it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from model_quantization.families import Family, all_families, family_named, family_of
from model_quantization.graph.nodes import (
    ArrayNode,
    ModelGraph,
    Node,
    ObjectNode,
    PackedNode,
)
from model_quantization.graph.traversal import array_indices, children, join
from model_quantization.schemes.scheme import Role, Slot

_STATE = Slot(Role.STATE)


@dataclass(frozen=True, slots=True)
class LocatedArray:
    """Arrays named by one node: where they are and what they mean."""

    path: str
    indices: tuple[int, ...]
    component: str
    type: str
    family: Family
    slot: Slot
    pool: str


def locate_arrays(root: Node) -> list[LocatedArray]:
    """Every node that names arrays, with the family and slot that speak for it."""
    found: list[LocatedArray] = []
    stack: list[tuple[str, Node, tuple[tuple[str, str, Family], ...]]] = [("", root, ())]
    while stack:
        path, node, owners = stack.pop()
        if isinstance(node, ObjectNode):
            owners = (*owners, (path, node.type, family_of(node.type)))
        elif isinstance(node, PackedNode):
            owners = (*owners, (path, node.type, family_named(node.family)))
        indices = array_indices(node)
        if indices:
            found.append(_locate(path, node, indices, owners))
        below = [(join(path, step), child, owners) for step, child in children(node)]
        stack.extend(reversed(below))
    return found


def _locate(
    path: str, node: Node, indices: tuple[int, ...], owners: tuple[tuple[str, str, Family], ...]
) -> LocatedArray:
    """The slot of an array: the innermost family that knows its name decides.

    A component that no family knows is generic; its floats follow the recipe. One that a family
    knows keeps exact whatever the family does not name.
    """
    if not owners:
        return LocatedArray(path, indices, "", "", family_named("generic"), _STATE, "state")
    for where, type_name, family in reversed(owners):
        if family.name != "generic":
            relative = path[len(where) :].lstrip("/")
            for pattern, slot in family.slots.items():
                if fnmatchcase(relative, pattern):
                    pool = f"{family.name}.{pattern}"
                    return LocatedArray(path, indices, where, type_name, family, slot, pool)
    where, type_name, family = owners[-1]
    slot = family.slots["*"] if family.name == "generic" and isinstance(node, ArrayNode) else _STATE
    steps = path[len(where) :].split("/")
    pool = "/".join(step for step in steps if not step.isdigit())
    return LocatedArray(path, indices, where, type_name, family, slot, f"{family.name}.{pool}")


def family_summary(graph: ModelGraph) -> str:
    """The family in a word, for the table: the one that speaks for the most bytes."""
    sizes = {family.name: 0 for family in all_families()}
    for located in locate_arrays(graph.root):
        sizes[located.family.name] += sum(graph.arrays[index].nbytes for index in located.indices)
    best = max(sizes, key=lambda name: (sizes[name], name))
    return best if sizes[best] else "generic"
