"""The record that the first stage of a model passes to the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model_quantization.artifact.writer import Encoder, build_artifact
from model_quantization.codecs import encode_stream
from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation.distortion import Distortion
from model_quantization.evaluation.rows.division import Division
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.graph.methods import PublicMethods
from model_quantization.graph.nodes import Node, ObjectNode, PackedNode
from model_quantization.graph.traversal import model_type, walk
from model_quantization.outcome import Outcome
from model_quantization.pipeline.child.messages.latency import OriginalFile
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.planning.allocation import Point
from model_quantization.planning.encoding import ComponentCost, component_costs, encode
from model_quantization.planning.packing import PreparedGraph
from model_quantization.planning.plan import Plan
from model_quantization.planning.roles import family_summary
from model_quantization.records import Record
from model_quantization.version import installed_version, library_version

_BOOSTERS: Final = ("catboost", "lightgbm", "xgboost")


@dataclass(frozen=True, slots=True)
class Source(Record):
    """The source of a model.

    Attributes
    ----------
    path : str
        The file; `live model` for an object of the caller.
    sha256 : str
    size_bytes : int
        As the artifact names it: 0 for a live model, whose pickle has no fixed length.
    sklearn_version : str
        The version that loaded it.
    surfaces : mapping of str to PublicMethods
        Path of each estimator that a caller can reach -> its methods and task.
    """

    path: str
    sha256: str
    size_bytes: int
    sklearn_version: str
    surfaces: Mapping[str, PublicMethods]


@dataclass(frozen=True, slots=True)
class Description(Record):
    """A short description of a model, from its prepared graph.

    Attributes
    ----------
    family : str
        The family of the most bytes.
    model_type : str
        For people: `Pipeline(TfidfVectorizer, LinearSVC)`.
    packed_bytes : mapping of str to int
        Path of each packed component -> bytes of its arrays before.
    dropped : mapping of str to str
        Path of each attribute that is not kept -> what it was.
    notes : tuple of str
    """

    family: str
    model_type: str
    packed_bytes: Mapping[str, int]
    dropped: Mapping[str, str]
    notes: tuple[str, ...]


def describe(prepared: PreparedGraph) -> Description:
    """Return the description of a prepared graph's model."""
    graph = prepared.graph
    return Description(
        family=family_summary(graph),
        model_type=model_type(graph),
        packed_bytes=prepared.packed_bytes,
        dropped=dict(graph.dropped),
        notes=graph.notes,
    )


@dataclass(frozen=True, slots=True)
class HeldOutAnswers(Record):
    """How the original answered the held-out rows; the workspace has the answers.

    Attributes
    ----------
    held_out : Path
        The file of the rows.
    answered : str
        Path of the estimator that answered.
    expected : ExpectedRows
        The task of that estimator, and what it says of its rows.
    original : OriginalFile or None
        The original, kept for measuring its times; None: not measured.
    calibration : Path or None
        The file of the rows that spare the gate its own.
    refit : Path or None
        The file of labelled training rows.
    division : Division or None
        How many rows chose a precision and how many judge it.
    """

    held_out: Path
    answered: str
    expected: ExpectedRows
    original: OriginalFile | None = None
    calibration: Path | None = None
    refit: Path | None = None
    division: Division | None = None

    def request(self, settings: ModelSettings) -> RowsRequest:
        """How the rows are read once more."""
        return rows_request(settings, self.held_out, self.calibration, self.refit)


def rows_request(
    settings: ModelSettings,
    held_out: Path,
    calibration: Path | None = None,
    refit: Path | None = None,
) -> RowsRequest:
    """Return how the rows of a model are read under its settings, the same in every process."""
    return RowsRequest(
        held_out.absolute(),
        settings.target,
        settings.calibration_rows,
        divided=settings.bit_depth == "auto",
        calibration=calibration.absolute() if calibration is not None else None,
        refit=refit.absolute() if refit is not None else None,
    )


@dataclass(frozen=True, slots=True)
class PlannedArtifact(Record):
    """One plan that `auto` considered.

    Attributes
    ----------
    file : str
        The artifact in the workspace; empty for a plan that the gate is not to judge.
    levels : mapping of str to str
        Ladder -> level; what is not named is exact.
    precision : str
        In a word.
    size_bytes : int
        Of the artifact without evaluation; estimated where it was not written.
    distortion : Distortion
        On the rows that chose.
    loss_bound, margin : float or None
        What the gate was expected to find (`messages.Measured`).
    components : tuple of ComponentCost
    notes : tuple of str
        What a user of the restored estimator should know.
    """

    file: str
    levels: Mapping[str, str]
    precision: str
    size_bytes: int
    distortion: Distortion
    loss_bound: float | None
    margin: float | None
    components: tuple[ComponentCost, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sensitivity(Record):
    """What each step of one part saves and changes.

    Attributes
    ----------
    component, part : str
    points : tuple of Point
    """

    component: str
    part: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class PrecisionReport(Record):
    """The record of how `auto` chose its plans.

    Attributes
    ----------
    division : Division or None
        How the held-out rows were divided.
    rows : int
        Rows that options were measured on.
    exact_bytes : int
        Size of the artifact that rounds nothing.
    sensitivities : tuple of Sensitivity
    curve : tuple of PlannedArtifact
        Every plan that was measured as a whole, from the safest on.
    options : int
        Steps that were measured alone.
    cut : tuple of str
        Steps that the time budget did not pay for.
    refits : tuple of str
        What was solved again, and what it gained.
    training_rows : int
        Labelled rows that weights were trained on.
    plans : tuple of PlannedArtifact
        Those that the gate judges, in this order.
    """

    division: Division | None
    rows: int
    exact_bytes: int
    sensitivities: tuple[Sensitivity, ...] = ()
    curve: tuple[PlannedArtifact, ...] = ()
    options: int = 0
    cut: tuple[str, ...] = ()
    refits: tuple[str, ...] = ()
    training_rows: int = 0
    plans: tuple[PlannedArtifact, ...] = ()


@dataclass(frozen=True, slots=True)
class StageRecord(Record):
    """The facts of a model that the second stage needs.

    Attributes
    ----------
    name : str
    source : Source
    description : Description
    settings : ModelSettings
    held_out : Path or None
        The held-out file, whether or not a model answered its rows.
    answers : HeldOutAnswers or None
        None without rows, and when the file holds no single model that could answer them.
    components : tuple of ComponentCost
        Bytes of the candidate by component.
    lossless_components : tuple of ComponentCost or None
        The same for the lossless artifact; None when none was written.
    precision : PrecisionReport or None
        How `auto` chose its plans; None for other bit depths.
    probed : tuple of str
        Paths of the estimators whose probe rows and reactions lie in the workspace.
    """

    name: str
    source: Source
    description: Description
    settings: ModelSettings
    held_out: Path | None
    answers: HeldOutAnswers | None
    components: tuple[ComponentCost, ...]
    lossless_components: tuple[ComponentCost, ...] | None = None
    precision: PrecisionReport | None = None
    probed: tuple[str, ...] = ()

    @property
    def bit_depth(self) -> str:
        """The requested bit depth."""
        return self.settings.bit_depth


@dataclass(frozen=True, slots=True)
class FirstStage(Record):
    """The result of the first stage: a record, or the outcome of a model that failed.

    Attributes
    ----------
    record : StageRecord or None
    failure : Outcome or None
    seconds : float
        Wall time of the stage.
    """

    record: StageRecord | None
    failure: Outcome | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Staged(Record):
    """A model between its stages; a small value that crosses a task.

    Attributes
    ----------
    name : str
    source : Path
    workspace : Path
        Holds the candidate, the original's answers and the `FirstStage` as JSON.
    """

    name: str
    source: Path
    workspace: Path


def artifact_header(plan: Plan, source: Source, description: Description) -> dict[str, Any]:
    """Return the manifest's fixed part: it is the same in every run on one input."""
    return {
        "producer": {"name": "model-quantization", "version": installed_version()},
        "libraries": _libraries(plan.graph.root, source),
        "source": {
            "name": Path(source.path).name,
            "sha256": source.sha256,
            "size_bytes": source.size_bytes,
        },
        "model": {
            "type": description.model_type,
            "family": description.family,
            "surfaces": {path: found.to_json() for path, found in source.surfaces.items()},
            "exact": plan.exact,
        },
        "recipe": plan.recipe.to_json(),
        "residue": dict(description.dropped),
        "notes": [
            *description.notes,
            *(note for note in plan.graph.notes if note not in description.notes),
        ],
    }


def _libraries(root: Node, source: Source) -> dict[str, str]:
    """The libraries whose versions may change an answer: of boosters, those that the model has."""
    classes = (node.type for _, node in walk(root) if isinstance(node, ObjectNode | PackedNode))
    packages = {name.partition(".")[0] for name in classes}
    boosters = {name: library_version(name) for name in _BOOSTERS if name in packages}
    found = {"scikit-learn": source.sklearn_version, "numpy": library_version("numpy")} | boosters
    return {name: version for name, version in found.items() if version or name not in boosters}


def artifact_of(
    plan: Plan, source: Source, description: Description, encoder: Encoder = encode_stream
) -> tuple[bytes, tuple[ComponentCost, ...]]:
    """Return the bytes of the plan's artifact, and their number by component."""
    header = artifact_header(plan, source, description)
    data, parts = build_artifact(encode(plan), header, encoder)
    return data, tuple(component_costs(plan, parts, description.packed_bytes))


def write_artifact(
    plan: Plan, source: Source, description: Description, path: Path
) -> tuple[ComponentCost, ...]:
    """Write the plan's artifact to `path`; return its bytes by component."""
    data, costs = artifact_of(plan, source, description)
    path.write_bytes(data)
    return costs
