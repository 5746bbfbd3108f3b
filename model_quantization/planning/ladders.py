"""Every ladder of a graph: of families, and of arrays that may be rounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Final, TypeAlias

import numpy as np

from model_quantization.families.ladders import Ladder
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import components, join
from model_quantization.planning.offers import offer_for
from model_quantization.planning.plan import SMALL
from model_quantization.planning.roles import LocatedArray, locate_arrays
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Float, Role, Scheme, Slot, affine_of


@dataclass(frozen=True, slots=True)
class ArrayStep:
    """A scheme, and the factor by which its steps are wider than its bits need.

    Codes are stored with as many bits as they have values, and so need not have a whole number of
    bits: 5 bits on a range that is twice as wide are 4 bits, on one 1.41 times as wide 4.5.

    Attributes
    ----------
    scheme : Scheme
    widening : float
        The range of the codes over that of the values; 1: the same.
    """

    scheme: Scheme
    widening: float = 1.0

    def __str__(self) -> str:
        if self.widening == 1.0:
            return str(self.scheme)
        bits = getattr(self.scheme, "bits", 0) - log2(self.widening)
        per = str(self.scheme).partition("/")[2]
        return f"{bits:g} bits/{per}"


Steps: TypeAlias = tuple[ArrayStep, ...]

MOST_ALONE: Final = 8
"""More arrays than this with one meaning share a ladder: one measurement serves them all."""
LARGE_ARRAY: Final = 200_000
"""Numbers from which on scales per channel cost nothing, so that one scale is not tried."""
_SMALL_ARRAY: Final = 4096
_ONE_SCALE_BITS: Final = 5.5  # from where on one scale is tried for larger arrays: it saves little
_FEW_BITS: Final = (16, 12, 10, 8)
_BITS: Final[Mapping[Role, tuple[float, ...]]] = {
    Role.WEIGHT: (16, 8, 7, 6, 5.5, 5, 4.5, 4, 3.5, 3, 2),
    Role.SUPPORT: (16, 8, 7, 6, 5, 4),
    Role.CENTER: (16, 8, 7, 6, 5, 4),
    Role.BASIS: (16, 12, 10, 8, 7, 6, 5, 4),
    Role.LOG_PROBABILITY: (16, 12, 10, 8, 7, 6, 5, 4),
    Role.LEAF: (16, 8, 6, 5, 4),
}


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
    steps : tuple of ArrayStep
    """

    key: str
    component: str
    paths: tuple[str, ...]
    steps: Steps

    @property
    def levels(self) -> tuple[str, ...]:
        """The steps in words."""
        return tuple(map(str, self.steps))

    @property
    def name(self) -> str:
        """The arrays in words."""
        first = self.paths[0].removeprefix(f"{self.component}/")
        return first if len(self.paths) == 1 else f"{first} and {len(self.paths) - 1} more"


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
        Overridden arrays have no ladder.
    """
    offered = tuple(_of_families(graph, recipe))
    replaced = {join(each.component, path) for each in offered for path in each.ladder.replaces}
    return (*offered, *_of_arrays(graph, recipe, replaced))


def _of_families(graph: ModelGraph, recipe: Recipe) -> Iterable[FamilyLadder]:
    arrays = GrowingArrays(graph.arrays)
    for path, node in components(graph):
        offer = offer_for(node)
        if offer is None or node.id is not None or _is_overridden(path, recipe):
            continue
        for ladder in offer.options(node, arrays):
            yield FamilyLadder(f"{path}:{ladder.name}", path, ladder)


def _is_overridden(path: str, recipe: Recipe) -> bool:
    return any(recipe.override(each) is not None for each in (path, join(path, "*")))


def _of_arrays(graph: ModelGraph, recipe: Recipe, replaced: Iterable[str]) -> Iterable[ArrayLadder]:
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
        steps = steps_of(located.slot, array.shape)
        if steps:
            groups.setdefault((located.type, located.pool, steps), []).append(located)
    for (_, _, steps), members in groups.items():
        together = len(members) > MOST_ALONE
        for group in [members] if together else [[member] for member in members]:
            paths = tuple(member.path for member in group)
            yield ArrayLadder(paths[0], group[0].component, paths, steps)


def steps_of(slot: Slot, shape: tuple[int, ...]) -> Steps:
    """Return the steps to try on an array of this meaning, from the most precise on."""
    axis = slot.channel_axis
    has_channels = axis is not None and len(shape) > 1 and shape[axis] > 1
    one_scale_too = has_channels and prod(shape) < LARGE_ARRAY and slot.role is Role.WEIGHT
    symmetric = slot.role in (Role.WEIGHT, Role.BASIS, Role.PARAMETER)
    steps = [ArrayStep(Float(32))]
    for bits in _BITS.get(slot.role, _FEW_BITS):
        width = 16 if bits > 8 else ceil(bits)
        one_scale = one_scale_too and bits <= (8 if prod(shape) < _SMALL_ARRAY else _ONE_SCALE_BITS)
        for granularity in ("channel", "array") if one_scale else ("channel",):
            scheme = affine_of(width, granularity, symmetric=symmetric)
            steps.append(ArrayStep(scheme, 2.0 ** (width - bits)))
    return tuple(step for step in steps if slot.allows(step.scheme))


def array_steps(ladders: Iterable[AnyLadder], levels: Mapping[str, str]) -> dict[str, ArrayStep]:
    """Return the step of each array that these levels round: path -> step."""
    found: dict[str, ArrayStep] = {}
    for ladder in ladders:
        level = levels.get(ladder.key)
        if isinstance(ladder, ArrayLadder) and level is not None:
            found |= dict.fromkeys(ladder.paths, ladder.steps[ladder.levels.index(level)])
    return found


EXACT_LEVEL: Final = "exact"
_BASE = re.compile(r"u?int16\b|16 bits|float32|32 bits")


def base_levels(ladders: Iterable[AnyLadder]) -> dict[str, str]:
    """Return the assignment that every other one starts from: 16 bits, 32 where there are no 16.

    A ladder without such a level (a vocabulary, small trees) is exact.
    """
    found = {}
    for ladder in ladders:
        safe = [level for level in ladder.levels if _BASE.match(level)]
        if safe:
            found[ladder.key] = safe[-1]
    return found


def coarser_options(ladders: Iterable[AnyLadder]) -> list[tuple[AnyLadder, str]]:
    """Return the levels that are coarser than the base, and exact where the base rounds."""
    found: list[tuple[AnyLadder, str]] = []
    base = base_levels(ladders := tuple(ladders))
    for ladder in ladders:
        start = base.get(ladder.key)
        if start is not None:
            found.append((ladder, EXACT_LEVEL))
        after = 0 if start is None else ladder.levels.index(start) + 1
        found += [(ladder, level) for level in ladder.levels[after:]]
    return found


def with_level(levels: Mapping[str, str], ladder: str, level: str) -> dict[str, str]:
    """Return the assignment with one ladder at a level; an exact ladder is not named."""
    changed = {key: value for key, value in levels.items() if key != ladder}
    return changed if level == EXACT_LEVEL else {**changed, ladder: level}
