"""The request for the content of a model file, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_quantization.graph.methods import PublicMethods
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages.rows import RowsReply, RowsRequest
from model_quantization.records import ErrorRecord, Record


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
