"""A graph at chosen levels of its ladders, as a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.ladders import Coarser
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import ModelGraph, Node, ObjectNode, PackedNode
from model_quantization.graph.traversal import array_paths, compact, join, with_children_at
from model_quantization.planning.ladders import (
    AnyLadder,
    ArrayStep,
    FamilyLadder,
    array_steps,
)
from model_quantization.planning.offers import offer_for
from model_quantization.planning.plan import Plan, fitted_slot, make_plan
from model_quantization.planning.roles import locate_arrays
from model_quantization.schemes.affine import channel_ranges
from model_quantization.schemes.pruning import Spread
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Affine, Scheme

Levels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refit:
    """Arrays that were solved again for the schemes that a plan gives them.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Path of an array -> its new values.
    ranges : mapping of str to ndarray
        Path of an array -> the ranges on which its codes were chosen.
    """

    arrays: Mapping[str, Array] = field(default_factory=dict)
    ranges: Mapping[str, Array] = field(default_factory=dict)


class Assigner:
    """Makes the plans of one graph; keeps components that were made coarser."""

    def __init__(
        self,
        graph: ModelGraph,
        ladders: Sequence[AnyLadder],
        recipe: Recipe,
        spreads: Mapping[str, Spread] | None = None,
    ) -> None:
        self._graph = graph
        self._ladders = tuple(ladders)
        self._recipe = recipe
        self._spreads = dict(spreads or {})
        self._arrays = GrowingArrays(graph.arrays)
        self._made: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Node, Coarser]] = {}

    def plan(self, levels: Levels, refit: Refit | None = None) -> Plan:
        """Return the plan at these levels; a ladder that is not named stays exact.

        Parameters
        ----------
        levels : mapping of str to str
            Key of a ladder -> level.
        refit : Refit, optional
            Values that replace the arrays' own.

        Raises
        ------
        SchemeError
            An override of the recipe asks for a scheme that an array does not tolerate.
        """
        refit = refit or Refit()
        chosen = self._family_levels(levels)
        steps = array_steps(self._ladders, levels)
        schemes: dict[str, Scheme] = {path: step.scheme for path, step in steps.items()}
        ranges: dict[str, Array] = dict(refit.ranges)
        done: dict[str, str] = {}
        notes: list[str] = []

        def visit(node: Node, path: str) -> Node:
            if isinstance(node, ObjectNode | PackedNode) and path in chosen:
                made = self._coarser(node, path, chosen[path])
                node = made.node
                schemes.update({join(path, below): s for below, s in made.schemes.items()})
                ranges.update({join(path, below): r for below, r in made.ranges.items()})
                done[path] = made.done
                notes.extend(made.notes)
            return with_children_at(node, path, visit)

        root = visit(self._graph.root, "")
        graph = compact(self._graph, root, self._arrays)
        graph = replace(graph, notes=(*graph.notes, *dict.fromkeys(notes)))
        graph = _with_arrays(graph, refit.arrays)
        ranges = {**_widened(graph, steps), **ranges}
        overrides = (*self._recipe.overrides, *_literal(schemes))
        recipe = replace(self._recipe, overrides=overrides)
        made = make_plan(graph, recipe, ranges, self._spreads)
        # Each array has its scheme; the recipe of the file is the requested one.
        reasons = {**made.reasons, **done}
        return replace(made, recipe=self._recipe, reasons=reasons, levels=dict(levels))

    def _family_levels(self, levels: Levels) -> dict[str, dict[str, str]]:
        """Path of each component that its family makes coarser -> its ladders' levels."""
        found: dict[str, dict[str, str]] = {}
        for ladder in self._ladders:
            if isinstance(ladder, FamilyLadder) and ladder.key in levels:
                found.setdefault(ladder.component, {})[ladder.name] = levels[ladder.key]
        return found

    def _coarser(self, node: ObjectNode | PackedNode, path: str, levels: dict[str, str]) -> Coarser:
        key = (path, tuple(sorted(levels.items())))
        before = self._made.get(key)
        if before is not None and before[0] is node:  # a parent may have changed the node
            return before[1]
        offer = offer_for(node)
        assert offer is not None, "ladders are found by what is offered"
        made = offer.coarser(node, self._arrays, levels)
        self._made[key] = (node, made)
        return made


def _widened(graph: ModelGraph, steps: Mapping[str, ArrayStep]) -> dict[str, Array]:
    """The ranges of arrays whose codes go further than their values."""
    wide = {path: step for path, step in steps.items() if step.widening != 1.0}
    found: dict[str, Array] = {}
    if not wide:
        return found
    for located in locate_arrays(graph.root):
        step = wide.get(located.path)
        if step is None or not isinstance(step.scheme, Affine):
            continue
        array = graph.arrays[located.indices[0]]
        axis = fitted_slot(located.slot, array).channel_axis
        held = channel_ranges(array, axis if step.scheme.granularity == "channel" else None)
        if step.scheme.symmetric:
            found[located.path] = np.abs(held).max(axis=1) * step.widening
        else:
            low, high = held[:, 0], held[:, 1]
            found[located.path] = np.stack([low, low + (high - low) * step.widening], axis=1)
    return found


def _literal(schemes: Mapping[str, Scheme]) -> tuple[tuple[str, Scheme], ...]:
    """Paths as patterns that match nothing else."""
    escape = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})
    return tuple((path.translate(escape), scheme) for path, scheme in sorted(schemes.items()))


def _with_arrays(graph: ModelGraph, arrays: Mapping[str, Array]) -> ModelGraph:
    if not arrays:
        return graph
    held = list(graph.arrays)
    for index, path in array_paths(graph).items():
        if path in arrays:
            held[index] = arrays[path]
    return replace(graph, arrays=tuple(held))
