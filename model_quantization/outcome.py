"""The result of one model: the one record that crosses process and task boundaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from model_quantization.errors import QuantizationError, told
from model_quantization.records import Record


class Status(StrEnum):
    """Where a model stands after a run."""

    PUBLISHED = "published"
    UNVERIFIED = "unverified"  # written, but there was nothing to evaluate it on
    NO_GAIN = "no_gain"  # the artifact is not smaller: the original stays
    FALLBACK = "fallback"  # the gate was not passed: the original stays
    REFUSED = "refused"  # the file was not opened, or its content is not trusted
    FAILED = "failed"  # something broke; the original stays


class Guarantee(StrEnum):
    """How sure the evaluation is that nothing was lost, strongest first."""

    EXACT = "exact"
    LABEL_EXACT = "label_exact"
    NON_INFERIOR = "non_inferior"
    INCONCLUSIVE = "inconclusive"
    UNVERIFIED = "unverified"
    FALLBACK = "fallback"


class Reason(StrEnum):
    """Why the gate keeps an artifact back; empty in an outcome that is published.

    Errors have codes of their own (`QuantizationError.code`).
    """

    NO_GAIN = "no_gain"  # not smaller by enough
    GATE = "gate"  # the score fell by more than is allowed
    CLASS_RECALL = "class_recall"
    RANKING = "ranking"
    PROPER_SCORE = "proper_score"
    RUINED_ROWS = "ruined_rows"
    PROBABILITY_SHIFT = "probability_shift"
    SCORE_ERROR = "score_error"
    RANK_CORRELATION = "rank_correlation"
    TIER = "tier"  # weaker than the policy requires
    INCONCLUSIVE = "inconclusive"
    UNVERIFIED = "unverified"
    NAN_ANSWERS = "nan_answers"
    ORIGINAL_NAN = "original_nan"
    FAILED_METHOD = "failed_method"
    DIFFERS = "differs"  # rounds nothing, and its answers still differ
    UNREADABLE = "unreadable"
    BUDGET = "budget"  # nothing within the budget of bytes passes the gate


@dataclass(frozen=True, slots=True)
class Outcome(Record):
    """One model's line in the table, and the evidence behind it.

    Attributes
    ----------
    name : str
        The model's file stem: the name loaders know it by.
    source, source_sha256, source_size_bytes
        The original file.
    status, guarantee, reason, note
        The decision, its tier, the reason code when the original stays, and one sentence that says
        what to do.
    family, model_type, bit_depth, weight_threshold
        The kind of model, and the requested precision.
    artifact, artifact_sha256, artifact_size_bytes
        The written file, relative to the output directory (None for a model without an artifact).
    metric, score_before, score_after, score_change
        The held-out score; `score_change` is signed, positive is better.
    latency_us_before, latency_us_after : float or None
        One row, p50, in microseconds.
    components : list of dict
        One per component: path, type, family, scheme, bytes_before, bytes_after, reason.
    evaluation : dict
        Every figure of the evaluation, and each limit that it was compared with.
    seconds : float
        Wall time of all stages.
    notes : list of str
        Changes that were made on the way (formats of other versions, dropped attributes).
    unchanged : bool
        True when this record is from an earlier run and still valid.
    """

    name: str
    source: str
    status: Status
    guarantee: Guarantee = Guarantee.UNVERIFIED
    reason: str = ""
    note: str = ""
    source_sha256: str = ""
    source_size_bytes: int = 0
    family: str = ""
    model_type: str = ""
    bit_depth: str = ""
    weight_threshold: float = 0.0
    artifact: str | None = None
    artifact_sha256: str = ""
    artifact_size_bytes: int = 0
    metric: str = ""
    score_before: float | None = None
    score_after: float | None = None
    score_change: float | None = None
    latency_us_before: float | None = None
    latency_us_after: float | None = None
    components: list[dict[str, Any]] = field(default_factory=list)
    evaluation: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    unchanged: bool = False

    @property
    def published(self) -> bool:
        """Whether a serving process may use the artifact."""
        return self.artifact is not None and self.status in (Status.PUBLISHED, Status.UNVERIFIED)

    @property
    def size_reduction_percent(self) -> float:
        """Percent saved against the original file; negative when the artifact is larger."""
        if not self.source_size_bytes or not self.artifact_size_bytes:
            return 0.0
        return 100.0 * (1.0 - self.artifact_size_bytes / self.source_size_bytes)


def failed_outcome(
    name: str,
    source: Path | str,
    error: BaseException,
    *,
    status: Status = Status.FAILED,
    **known: Any,
) -> Outcome:
    """Return the outcome of a model at which `error` was raised; the original stays.

    Parameters
    ----------
    name, source
        The model, and its file.
    error : BaseException
        Gives the reason code and the note.
    status : Status
        `FAILED`, or `REFUSED` for a file that must not be used.
    **known
        Other fields of the outcome, as far as they are known; `reason` and `note` replace those
        of the error.
    """
    if isinstance(error, QuantizationError):
        reason, note = error.code, str(error)
    elif isinstance(error, OSError):
        reason, note = "system", f"the system refused ({told(error)}); the next run tries again."
    else:
        reason = "unexpected"
        from model_quantization.version import report_it

        note = f"unexpected {type(error).__name__}: {error}; {report_it()}, and the run's log."
    fields: dict[str, Any] = {"reason": reason, "note": note, **known}
    return Outcome(
        name=name, source=str(source), status=status, guarantee=Guarantee.FALLBACK, **fields
    )


def falls_short(outcome: Outcome, *, strict: bool) -> bool:
    """Whether a model makes the run fail.

    Failed and refused models always do. With `strict`, so do models that missed the gate, and
    those that could not be evaluated and were therefore not published. `no_gain` never does.
    """
    if outcome.status in (Status.FAILED, Status.REFUSED):
        return True
    unproven = (Status.FALLBACK, Status.UNVERIFIED)
    return strict and outcome.status in unproven and not outcome.published


def verdict(outcome: Outcome) -> str:
    """The result in one word: the guarantee of a model published on evidence, else the status."""
    return str(outcome.guarantee if outcome.status is Status.PUBLISHED else outcome.status)
