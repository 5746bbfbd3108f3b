"""Every ladder of a graph: of the families, and of the arrays that their slots let be rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final, TypeAlias

import numpy as np

from model_quantization.families import Family, family_named, family_of
from model_quantization.families.ladders import Ladder
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import ModelGraph, ObjectNode, PackedNode
from model_quantization.graph.traversal import components, join
from model_quantization.planning.plan import SMALL
from model_quantization.planning.roles import LocatedArray, locate_arrays
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Affine, Exact, Float, Role, Scheme, Slot

Steps: TypeAlias = tuple[Scheme, ...]

MOST_ALONE: Final = 8
"""More arrays than this with one meaning share a ladder: one measurement serves them all."""
LARGE_ARRAY: Final = 200_000
"""Numbers from which on scales per channel cost nothing, so that one scale is not tried."""
_LOW_BITS: Final = (8, 7, 6, 5, 4, 3, 2)


@dataclass(frozen=True, slots=True)
class ArrayLadder:
    """The schemes that arrays of one meaning may get, from the most precise to the coarsest.

    Attributes
    ----------
    key : str
        The ladder's name in an assignment: the path of its first array.
    component : str
        Path of the component that they belong to (the first of several).
    paths : tuple of str
    schemes : tuple of Scheme
    """

    key: str
    component: str
    paths: tuple[str, ...]
    schemes: Steps

    @property
    def levels(self) -> tuple[str, ...]:
        """The steps in words."""
        return tuple(map(str, self.schemes))

    @property
    def name(self) -> str:
        """The arrays in words."""
        last = self.paths[0].rpartition("/")[2] or self.paths[0]
        return last if len(self.paths) == 1 else f"{last} and {len(self.paths) - 1} more"


@dataclass(frozen=True, slots=True)
class FamilyLadder:
    """A ladder that a component's family offers."""

    key: str
    component: str
    ladder: Ladder

    @property
    def levels(self) -> tuple[str, ...]:
        """The steps in words."""
        return self.ladder.levels

    @property
    def name(self) -> str:
        """The part of the component."""
        return self.ladder.name


AnyLadder: TypeAlias = ArrayLadder | FamilyLadder


def find_ladders(graph: ModelGraph, recipe: Recipe) -> tuple[AnyLadder, ...]:
    """Return every ladder of a prepared graph.

    Parameters
    ----------
    graph : ModelGraph
        Prepared, exact.
    recipe : Recipe
        What it overrides has no ladder.
    """
    offered = tuple(_of_families(graph, recipe))
    replaced = {
        join(each.component, path) for each in offered for path in each.ladder.replaces
    }
    return (*offered, *_of_arrays(graph, recipe, replaced))


def family_at(node: ObjectNode | PackedNode) -> Family:
    """The family that speaks for a component."""
    return family_named(node.family) if isinstance(node, PackedNode) else family_of(node.type)


def _of_families(graph: ModelGraph, recipe: Recipe) -> Iterable[FamilyLadder]:
    arrays = GrowingArrays(graph.arrays)
    for path, node in components(graph):
        options = family_at(node).options
        if options is None or node.id is not None or _is_overridden(path, recipe):
            continue
        for ladder in options(node, arrays):
            yield FamilyLadder(f"{path}:{ladder.name}", path, ladder)


def _is_overridden(path: str, recipe: Recipe) -> bool:
    return any(recipe.override(each) is not None for each in (path, join(path, "*")))


def _of_arrays(
    graph: ModelGraph, recipe: Recipe, replaced: Iterable[str]
) -> Iterable[ArrayLadder]:
    taken: set[int] = set()
    groups: dict[tuple[str, str, Steps], list[LocatedArray]] = {}
    for located in locate_arrays(graph.root):
        index = located.indices[0]
        if len(located.indices) != 1 or index in taken or located.path in replaced:
            continue
        taken.add(index)
        if recipe.override(located.path) is not None:
            continue
        array = graph.arrays[index]
        if array.dtype.kind != "f" or array.size < SMALL or not np.isfinite(array).all():
            continue
        schemes = schemes_of(located.slot, array.shape)
        if schemes:
            groups.setdefault((located.type, located.pool, schemes), []).append(located)
    for (_, _, schemes), members in groups.items():
        together = len(members) > MOST_ALONE
        for group in [members] if together else [[member] for member in members]:
            paths = tuple(member.path for member in group)
            yield ArrayLadder(paths[0], group[0].component, paths, schemes)


def schemes_of(slot: Slot, shape: tuple[int, ...]) -> Steps:
    """Return the schemes to try on an array of this meaning, from the most precise on."""
    axis = slot.channel_axis
    has_channels = axis is not None and len(shape) > 1 and shape[axis] > 1
    one_scale_too = has_channels and prod(shape) < LARGE_ARRAY and slot.role is Role.WEIGHT
    bits = _LOW_BITS
    symmetric = slot.role in (Role.WEIGHT, Role.BASIS, Role.PARAMETER)
    match slot.role:
        case Role.WEIGHT:
            pass
        case Role.SUPPORT | Role.CENTER:
            bits = (8, 7, 6, 5, 4)
        case Role.BASIS | Role.LOG_PROBABILITY | Role.LEAF:
            bits = (8, 6, 5, 4)
        case _:
            bits = (8,)
    steps: list[Scheme] = [Float(32), Affine(16, symmetric=symmetric)]
    for width in bits:
        steps.append(Affine(width, symmetric=symmetric))  # type: ignore[arg-type]
        if one_scale_too:
            steps.append(Affine(width, "array", symmetric))  # type: ignore[arg-type]
    return tuple(scheme for scheme in steps if slot.allows(scheme))


def scheme_assignments(
    ladders: Iterable[AnyLadder], levels: Mapping[str, str]
) -> dict[str, Scheme]:
    """Return the scheme of each array that these levels round: path -> scheme."""
    found: dict[str, Scheme] = {}
    for ladder in ladders:
        level = levels.get(ladder.key)
        if isinstance(ladder, ArrayLadder) and level is not None:
            scheme = ladder.schemes[ladder.levels.index(level)]
            found |= dict.fromkeys(ladder.paths, scheme)
    return {path: scheme for path, scheme in found.items() if scheme != Exact()}
