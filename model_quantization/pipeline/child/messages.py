"""The requests to the child process, and its replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_quantization.evaluation.distortion import Distortion
from model_quantization.evaluation.latency import Latency
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.rows.division import Division
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.graph.methods import PublicMethods
from model_quantization.limits import Limits
from model_quantization.predictor.explanation import Explanation
from model_quantization.probes.compare import ProbeReport
from model_quantization.records import ErrorRecord, Record


@dataclass(frozen=True, slots=True)
class RowsRequest(Record):
    """The held-out rows for a model, and how they are read.

    Attributes
    ----------
    held_out : Path
        The file, absolute.
    target : tuple of str
        Its target columns.
    calibration_rows : int
        Number of rows at the beginning that calibrate and are not answered.
    divided : bool
        A precision is chosen from rows: they are divided by their hashes, and the gate sees no row
        of the other parts (`evaluation.rows.division`). `calibration_rows` then says nothing.
    calibration : Path or None
        A file whose rows spare the gate its own; only where they are divided.
    refit : Path or None
        A file of labelled rows that the model was trained on; only where rows are divided.
    """

    held_out: Path
    target: tuple[str, ...] = ("target",)
    calibration_rows: int = 0
    divided: bool = False
    calibration: Path | None = None
    refit: Path | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read for these rows."""
        found = (self.held_out, self.calibration, self.refit)
        return tuple(str(path) for path in found if path is not None)


@dataclass(frozen=True, slots=True)
class OriginalRequest(Record):
    """Asks for the content of one scanned model file, and for its answers.

    Attributes
    ----------
    snapshot : Path
        The private copy that was scanned.
    source : Path
        The file it is a copy of, for messages.
    format : str
        `pickle` or `joblib`, as the scan found.
    names : tuple of str
        The classes and functions that the scan saw it name; nothing else is imported.
    trusted : tuple of str
        User classes and functions that the model may hold.
    import_path : tuple of str
        Where the parent finds the modules of those.
    limits : Limits
    workspace : Path
        Where arrays and answers are written.
    rows : RowsRequest or None
        The rows that the model is asked, if any.
    saved_by : str or None
        The version of scikit-learn that the scan saw, for messages.
    """

    snapshot: Path
    source: Path
    format: str
    names: tuple[str, ...]
    trusted: tuple[str, ...]
    import_path: tuple[str, ...]
    limits: Limits
    workspace: Path
    rows: RowsRequest | None = None
    saved_by: str | None = None


@dataclass(frozen=True, slots=True)
class StoredArray(Record):
    """The place of one array in the file of arrays.

    Attributes
    ----------
    dtype : str
    shape : tuple of int
    order : str
        `C` or `F`.
    offset : int
        Bytes before it.
    """

    dtype: str
    shape: tuple[int, ...]
    order: str
    offset: int


@dataclass(frozen=True, slots=True)
class RowsReply(Record):
    """How the original answered the rows; the workspace has the answers.

    Attributes
    ----------
    answered : str
        Path of the estimator that answered.
    expected : ExpectedRows
        What that estimator says of the rows it takes.
    grams : tuple of str
        Path of each calibrated array; its second moments lie in `grams.npz`, in this order.
    division : Division or None
        How the rows were divided; None where nothing is chosen from rows.
    inputs : tuple of str
        Path of each layer of weights whose calibration rows lie in `inputs.npz`, in this order.
    labelled : tuple of str
        The same for labelled training rows, in `labelled.npz`, with the labels behind them.
    """

    answered: str
    expected: ExpectedRows
    grams: tuple[str, ...]
    division: Division | None = None
    inputs: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OriginalReply(Record):
    """The content of a model file.

    Attributes
    ----------
    graph : list
        The graph as `graph.json_form` writes it.
    arrays : tuple of StoredArray
    notes : tuple of str
    dropped : mapping of str to str
        Path of each attribute that is not kept -> what it was.
    surfaces : mapping of str to PublicMethods
        Path of each estimator that a caller can reach -> its methods and task.
    sklearn_version : str
    load_seconds : float
    rows : RowsReply or None
        None when no rows were asked, or when no single model in the file could answer them.
    error : ErrorRecord or None
        Why there are no answers although rows were asked.
    probed : tuple of str
        Path of each estimator that was asked probe rows; its rows and reactions lie in the
        workspace, in this order.
    """

    graph: Any
    arrays: tuple[StoredArray, ...]
    notes: tuple[str, ...]
    dropped: Mapping[str, str]
    surfaces: Mapping[str, PublicMethods]
    sklearn_version: str
    load_seconds: float
    rows: RowsReply | None = None
    error: ErrorRecord | None = None
    probed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateRequest(Record):
    """Asks one written artifact the held-out rows and the probe rows.

    Attributes
    ----------
    artifact : Path
    answered : str or None
        Path of the model in it that takes the held-out rows; None: they are not asked.
    methods : tuple of str
        Those that the original answered.
    rows : RowsRequest or None
        As the original was asked.
    expected : ExpectedRows or None
        What the original says of its rows.
    probed : tuple of str
        Paths of the estimators whose probe rows and reactions lie in the workspace.
    trusted : tuple of str
        User classes and functions that the artifact may name.
    import_path : tuple of str
        Where the parent finds the modules of those.
    limits : Limits
    workspace : Path
        Where the answers are written.
    """

    artifact: Path
    answered: str | None
    methods: tuple[str, ...]
    rows: RowsRequest | None
    expected: ExpectedRows | None
    trusted: tuple[str, ...]
    import_path: tuple[str, ...]
    limits: Limits
    workspace: Path
    probed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateReply(Record):
    """How an artifact answered; the workspace has the answers to held-out rows.

    Attributes
    ----------
    golden : dict or None
        A few rows and answers for the artifact's self-test.
    explanations : tuple of Explanation
        One per model in the artifact: which predictor answers each method.
    probes : mapping of str to ProbeReport
        Path of each probed estimator -> what its probe rows showed.
    unreadable : str
        Why the artifact does not open or cannot be restored; empty when it does.
    """

    golden: dict[str, Any] | None = None
    explanations: tuple[Explanation, ...] = ()
    probes: Mapping[str, ProbeReport] = field(default_factory=dict)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class MeasureRequest(Record):
    """Asks coarser artifacts of one model how far their answers lie from the original's.

    Attributes
    ----------
    reference : Path
        The artifact that rounds nothing; it answers probe rows as the original does.
    artifacts : tuple of Path
    answered : str or None
        Path of the model that takes the selection rows; None: probe rows are asked.
    methods : tuple of str
        Those that the original answered.
    rows : RowsRequest or None
    expected : ExpectedRows or None
    gate : GatePolicy or None
        Also evaluate each artifact on the selection rows under this policy, to predict the gate.
    gate_rows : int
        The number of rows that the gate will have.
    fits : bool
        Also find the factor and the shift of each output that bring the scores to the original's,
        on the calibration rows.
    probed : tuple of str
        Paths of the estimators whose probe rows lie in the workspace.
    trusted : tuple of str
    import_path : tuple of str
    limits : Limits
    workspace : Path
        Holds the original's answers to the selection rows.
    """

    reference: Path
    artifacts: tuple[Path, ...]
    answered: str | None
    methods: tuple[str, ...]
    rows: RowsRequest | None
    expected: ExpectedRows | None
    gate: GatePolicy | None
    gate_rows: int
    fits: bool
    probed: tuple[str, ...]
    trusted: tuple[str, ...]
    import_path: tuple[str, ...]
    limits: Limits
    workspace: Path


@dataclass(frozen=True, slots=True)
class Measured(Record):
    """The changes by one coarser artifact.

    Attributes
    ----------
    distortion : Distortion
    loss, loss_bound : float or None
        Of the score on the selection rows, and the bound to expect on the gate's.
    margin : float or None
        The largest bound to expect of any check, in parts of its limit: at most 1 when the gate is
        expected to publish.
    worst : str
        The check that it is of.
    corrections : tuple of (float, float)
        Factor and shift of each output; empty where none were asked for or can be had.
    fault : str
        Why the artifact cannot be used; empty when it can.
    """

    distortion: Distortion
    loss: float | None = None
    loss_bound: float | None = None
    margin: float | None = None
    worst: str = ""
    corrections: tuple[tuple[float, float], ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class MeasureReply(Record):
    """One measurement per artifact, in the order of the request.

    Attributes
    ----------
    measured : tuple of Measured
    rows : int
        The number of rows that each was asked.
    """

    measured: tuple[Measured, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class OriginalFile(Record):
    """A scanned model file that can be loaded again.

    Attributes
    ----------
    snapshot : Path
        The private copy that was scanned.
    format : str
        `pickle` or `joblib`.
    names : tuple of str
        The classes and functions that the scan saw it name; nothing else is imported.
    sha256 : str
        Of the snapshot.
    """

    snapshot: Path
    format: str
    names: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class LatencyRequest(Record):
    """Asks how long the original and an artifact of it take to answer, in one process.

    Attributes
    ----------
    original : OriginalFile
    source : Path
        The file that the original is a copy of, for messages.
    artifact : Path
    answered : str
        Path of the model that takes the rows.
    method : str
        The method that serves.
    rows : RowsRequest
    expected : ExpectedRows
        What the original says of its rows.
    budget_seconds : float
        Time for each figure of each model.
    trusted : tuple of str
        User classes and functions that both may name.
    import_path : tuple of str
        Where the parent finds the modules of those.
    limits : Limits
    """

    original: OriginalFile
    source: Path
    artifact: Path
    answered: str
    method: str
    rows: RowsRequest
    expected: ExpectedRows
    budget_seconds: float
    trusted: tuple[str, ...]
    import_path: tuple[str, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class LatencyReply(Record):
    """The times of the two models."""

    before: Latency
    after: Latency
