"""The request to measure coarser artifacts, and the reply."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_quantization.evaluation.distortion import Distortion
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.records import Record


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
