"""The request for the times of a model and its artifact, and the reply."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_quantization.evaluation.latency import Latency
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.records import Record


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
