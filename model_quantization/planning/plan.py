"""Chooses a scheme for every array of a graph, and records why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SchemeError
from model_quantization.graph.nodes import ModelGraph
from model_quantization.planning.coarsening import CoarseForms, coarse_bits
from model_quantization.planning.roles import LocatedArray, locate_arrays
from model_quantization.schemes.pruning import Spread
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Affine, Codebook, Exact, Role, Scheme, Slot

SMALL = 32  # an array of fewer numbers gains nothing from codes and a scale
_LEVEL = re.compile(r"(?:u?int|float)(?P<of>\d+)|(?P<whole>[\d.]+) (?:bits|(?P<per>per))")


@dataclass(frozen=True, slots=True)
class Choice:
    """The scheme chosen for one array, and the reason.

    Attributes
    ----------
    path : str
        The array.
    component : str
        Path of the component whose family decided.
    type : str
        Class of that component.
    family : str
    slot : Slot
        The meaning of the array.
    scheme : Scheme
    threshold : float
        Weights of smaller magnitude become zero, where that does not move the scores; 0: none.
    ranges : ndarray or None
        Ranges per channel that calibration found.
    spread : Spread or None
        How far the inputs and scores of weights vary, as rows showed it.
    reason : str
        One clause.
    pool : str
        Arrays with one pool and one stored dtype share a stream.
    """

    path: str
    component: str
    type: str
    family: str
    slot: Slot
    scheme: Scheme
    reason: str
    pool: str
    threshold: float = 0.0
    ranges: Array | None = None
    spread: Spread | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A choice for every array of a graph, by array index.

    Attributes
    ----------
    origin : ModelGraph
        The prepared graph, exact.
    graph : ModelGraph
        The graph that is written: `origin` with some components coarsened.
    recipe : Recipe
    choices : tuple of Choice
        One for each array of `graph`.
    forms : CoarseForms
        Of `origin`; shared by every plan that is derived from this one.
    bits : mapping of str to int
        Path of each coarsened component -> its bits.
    reasons : mapping of str to str
        Path of each coarsened component that changed -> what was done.
    levels : mapping of str to str
        Ladder -> level, where each ladder was given its own (`planning.assigned`).
    """

    origin: ModelGraph
    graph: ModelGraph
    recipe: Recipe
    choices: tuple[Choice, ...]
    forms: CoarseForms = field(repr=False, compare=False)
    bits: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether nothing is rounded or pruned."""
        return (
            not self.bits
            and not (self.levels and self.reasons)
            and all(choice.scheme == Exact() for choice in self.choices)
        )

    @property
    def precision(self) -> str:
        """The widths of the rounded parts in a word: `8`, `3-7`, `exact`, or `shortened`.

        `shortened`: every number that is kept is exact, but terms or nodes are left out.
        """
        if self.levels:
            bits = {*map(_bits_of_level, self.levels.values())} - {0}
        else:
            bits = {getattr(c.scheme, "bits", 0) for c in self.choices if c.scheme != Exact()}
            bits |= set(self.bits.values())
        if not bits:
            return "exact" if self.exact else "shortened"
        low, high = min(bits), max(bits)
        return str(low) if low == high else f"{low}-{high}"

    def with_bits(self, bits: Mapping[str, int]) -> Plan:
        """The plan with just these components coarsened, and its own choices everywhere else."""
        plan = _plan(self.forms, self.origin, self.recipe, bits, {}, {})
        chosen = {choice.path: choice for choice in self.choices}
        return replace(plan, choices=tuple(chosen.get(c.path, c) for c in plan.choices))


def _bits_of_level(level: str) -> int:
    """The bits that a level of a family's ladder stands for; 0 where it rounds nothing.

    `63 per feature` takes 6 bits: a value then has 64 possible codes.
    """
    found = _LEVEL.match(level)
    if found is None:
        return 0
    count = ceil(float(found["whole"] or found["of"]))
    return count.bit_length() if found["per"] else count


def make_plan(
    graph: ModelGraph,
    recipe: Recipe,
    ranges: Mapping[str, Array] | None = None,
    spreads: Mapping[str, Spread] | None = None,
) -> Plan:
    """Return a plan that is total: every array of the graph gets exactly one choice.

    Parameters
    ----------
    graph : ModelGraph
        Prepared: without dropped attributes, components packed (`packing.prepare_graph`).
    recipe : Recipe
    ranges : mapping of path to ndarray, optional
        Ranges per channel from calibration.
    spreads : mapping of path to Spread, optional
        How far the inputs and scores of each array of weights vary, as rows showed it.

    Raises
    ------
    SchemeError
        An override asks for a scheme that the array does not tolerate.
    """
    return _plan(
        CoarseForms(graph), graph, recipe, coarse_bits(graph, recipe), ranges or {}, spreads or {}
    )


def _plan(
    forms: CoarseForms,
    graph: ModelGraph,
    recipe: Recipe,
    bits: Mapping[str, int],
    ranges: Mapping[str, Array],
    spreads: Mapping[str, Spread],
) -> Plan:
    coarse = forms.at(bits)
    arrays = coarse.graph.arrays
    choices: dict[int, Choice] = {}
    for located in locate_arrays(coarse.graph.root):
        for index in located.indices:
            if index not in choices:
                choices[index] = _choose(located, arrays[index], recipe, ranges, spreads)
    missing = set(range(len(arrays))) - set(choices)
    if missing:
        raise AssertionError(f"arrays that no node names: {sorted(missing)[:5]}")
    return Plan(
        origin=graph,
        graph=coarse.graph,
        recipe=recipe,
        choices=tuple(choices[index] for index in range(len(arrays))),
        bits={path: width for path, width in bits.items() if path in coarse.reasons},
        reasons=coarse.reasons,
        forms=forms,
    )


def _choose(
    located: LocatedArray,
    array: Array,
    recipe: Recipe,
    ranges: Mapping[str, Array],
    spreads: Mapping[str, Spread],
) -> Choice:
    located = replace(located, slot=fitted_slot(located.slot, array))
    scheme, reason = _scheme(located, array, recipe)
    prunes = located.slot.role is Role.WEIGHT and array.dtype.kind == "f" and scheme != Exact()
    return Choice(
        path=located.path,
        component=located.component,
        type=located.type,
        family=located.family.name,
        slot=located.slot,
        scheme=scheme,
        reason=reason,
        pool=located.pool,
        threshold=recipe.weight_threshold if prunes else 0.0,
        ranges=ranges.get(located.path) if isinstance(scheme, Affine) else None,
        spread=spreads.get(located.path) if prunes else None,
    )


def fitted_slot(slot: Slot, array: Array) -> Slot:
    """The slot with its channel axis counted from the front; without it if the array has none."""
    axis = slot.channel_axis
    if axis is None:
        return slot
    if axis < 0:
        axis += array.ndim
    return replace(slot, channel_axis=axis if array.ndim >= 2 and 0 <= axis < array.ndim else None)


def _scheme(located: LocatedArray, array: Array, recipe: Recipe) -> tuple[Scheme, str]:
    slot = located.slot
    asked = recipe.override(located.path)
    if asked is not None:
        if not slot.allows(asked) or array.dtype.kind != "f":
            raise SchemeError(
                f"{asked} is not tolerated here",
                where=located.path,
                expected="exact"
                + (f" or {', '.join(sorted(slot.tolerates))}" if slot.allows(asked) else ""),
                got=f"a {slot.role} of {array.dtype}",
                do="change the override of this path in the recipe",
            )
        chosen = recipe.bit_depth == "auto"
        return asked, f"{slot.role}: {asked}" if chosen else "asked for by an override"
    if array.dtype.kind != "f":
        return Exact(), f"{slot.role}: never rounded"
    scheme = recipe.rule(slot.role)
    if scheme == Exact():
        return scheme, slot.note or f"{slot.role}: exact in recipe {recipe.bit_depth}"
    if not slot.allows(scheme):
        return Exact(), slot.note or f"{slot.role} does not tolerate {scheme}"
    if array.size < SMALL:
        return Exact(), f"{slot.role} of {array.size} numbers: too small to gain"
    if isinstance(scheme, Affine | Codebook) and not np.isfinite(array).all():
        return Exact(), f"{slot.role} holds NaN or infinity: {scheme} needs finite values"
    if isinstance(scheme, Affine) and scheme.bits < slot.fewest_bits:
        return replace(scheme, bits=slot.fewest_bits), slot.note
    return scheme, f"{slot.role}: {scheme} in recipe {recipe.bit_depth}"
