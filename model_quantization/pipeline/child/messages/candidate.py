"""The request to judge one written artifact, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.limits import Limits
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.predictor.explanation import Explanation
from model_quantization.probes.compare import ProbeReport
from model_quantization.records import Record


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
