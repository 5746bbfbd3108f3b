"""Ladders: steps that make a component coarser, where that takes more than a scheme.

`bit_depth: auto` looks for the precision of each part of a model. For an array that is rounded, the
steps are schemes, and follow from what the array means (`planning.ladders`). Some parts of a model
are rounded otherwise: a forest has fewer thresholds, a vocabulary fewer terms, a machine of kernels
other coefficients for rounded rows. Their family offers ladders of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_quantization.arrays import Array
from model_quantization.graph.nodes import Node
from model_quantization.schemes.scheme import Scheme


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps of one part of a component.

    Attributes
    ----------
    name : str
        The part: `thresholds`, `leaves`, `vocabulary`, `rows`.
    levels : tuple of str
        The steps in words, from the most precise to the coarsest. Exact comes before all of them
        and is not listed.
    replaces : tuple of str
        Paths below the component of arrays that are rounded by this ladder alone: they have no
        ladder of schemes.
    """

    name: str
    levels: tuple[str, ...]
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coarser:
    """A component at chosen steps.

    Attributes
    ----------
    node : Node
        The node that replaces the component.
    schemes : mapping of str to Scheme
        Path of an array below the component -> its scheme.
    ranges : mapping of str to ndarray
        Path of an array below the component -> the ranges of its codes.
    done : str
        What was done, in a clause.
    notes : tuple of str
        What a user of the restored estimator should know.
    """

    node: Node
    schemes: Mapping[str, Scheme] = field(default_factory=dict)
    ranges: Mapping[str, Array] = field(default_factory=dict)
    done: str = ""
    notes: tuple[str, ...] = ()
