"""The last request to the child process: the times of the original and the artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_quantization.errors import QuantizationError, WorkerCrashed
from model_quantization.estimators.reachable import serving_method
from model_quantization.evaluation.latency import Latency, slower_by_more_than_spread
from model_quantization.pipeline.ask import ask_latency
from model_quantization.pipeline.child.messages.latency import LatencyRequest
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.pipeline.child.original import import_path
from model_quantization.pipeline.record import StageRecord


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """The times of the original and the artifact; None if they were not measured.

    Attributes
    ----------
    before, after : Latency or None
    note : str
        In what the artifact is slower by more than the spread, or why nothing was measured.
    """

    before: Latency | None = None
    after: Latency | None = None
    note: str = ""

    def figures(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        known = self.before and self.after
        return {
            "latency_before": self.before.to_json() if self.before else None,
            "latency_after": self.after.to_json() if self.after else None,
            "slower": bool(known and self.note),
        }


def measured_latency(
    record: StageRecord, artifact: Path, answered_methods: Sequence[str]
) -> MeasuredLatency:
    """Measure the times of an artifact and of its original.

    Both answer in turns in one child process, through the method that serves.

    Parameters
    ----------
    record : StageRecord
    artifact : Path
    answered_methods : sequence of str
        Methods through which the artifact answered the held-out rows; without any, nothing is
        measured.

    Raises
    ------
    WorkerCrashed
        The child was killed.
    """
    answers, settings = record.answers, record.settings
    method = serving_method(answered_methods)
    if answers is None or answers.original is None or method is None:
        return MeasuredLatency()
    request = LatencyRequest(
        original=answers.original,
        source=Path(record.source.path),
        artifact=artifact,
        answered=answers.answered,
        method=method,
        rows=RowsRequest(answers.held_out, settings.target, settings.calibration_rows),
        expected=answers.expected,
        budget_seconds=settings.latency_seconds,
        trusted=settings.trusted,
        import_path=import_path(settings.trust),
        limits=settings.limits,
    )
    try:
        found = ask_latency(request)
    except WorkerCrashed:
        raise
    except QuantizationError as error:  # no reason against the artifact
        return MeasuredLatency(note=f"latency was not measured: {error}")
    answers.original.snapshot.unlink(missing_ok=True)  # the copy of the original may be large
    slower = slower_by_more_than_spread(found.before, found.after)
    note = f"answers slower than the original: {', '.join(slower)}" if slower else ""
    return MeasuredLatency(found.before, found.after, note)
