"""What is needed to try plans of one model, and one plan that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from model_quantization.arrays import Array
from model_quantization.artifact.writer import StreamCache
from model_quantization.config.model_settings import ModelSettings
from model_quantization.graph.nodes import ModelGraph
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages.measuring import Measured
from model_quantization.pipeline.record import Description, HeldOutAnswers, Source
from model_quantization.planning.assigned import Assigner, Refit
from model_quantization.planning.encoding import RoundedArrays
from model_quantization.planning.labelled import LabelledRows


@dataclass(frozen=True, slots=True)
class Exploring:
    """What is needed to try plans of one model.

    Attributes
    ----------
    graph : ModelGraph
        Prepared, exact.
    assigner : Assigner
    source, description
        As the artifact names them.
    settings : ModelSettings
    answers : HeldOutAnswers or None
    methods : tuple of str
        Those that the original answered.
    probed : tuple of str
    workspace, lossless : Path
        The workspace, and the artifact in it that rounds nothing.
    inputs : mapping of str to ndarray
        Path of a layer of weights -> the calibration rows that reached it.
    labelled : LabelledRows or None
        Training rows with their labels.
    cache : StreamCache
        Of the artifacts that the gate judges.
    rounded : RoundedArrays
        Of the artifacts that are only measured.
    """

    graph: ModelGraph
    assigner: Assigner
    source: Source
    description: Description
    settings: ModelSettings
    answers: HeldOutAnswers | None
    methods: tuple[str, ...]
    probed: tuple[str, ...]
    workspace: Path
    lossless: Path
    inputs: Mapping[str, Array] = field(default_factory=dict)
    labelled: LabelledRows | None = None
    cache: StreamCache = field(default_factory=StreamCache)
    rounded: RoundedArrays = field(default_factory=RoundedArrays)

    @property
    def refits(self) -> bool:
        """Whether there are rows to solve values on, and others to measure them on."""
        division = self.answers.division if self.answers else None
        return division is not None and bool(division.calibration and division.selection)

    @property
    def limits(self) -> Limits:
        """The model's limits."""
        return self.settings.limits


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plan to try: levels, and values that were solved again for them."""

    levels: Mapping[str, str]
    refit: Refit = field(default_factory=Refit)
    solved: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """One plan with its size and what was measured."""

    candidate: Candidate
    size_bytes: int
    measured: Measured
