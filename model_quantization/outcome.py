"""What became of one model: the one record that crosses process and task boundaries."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Where a model stands after a run."""

    PUBLISHED = "published"
    UNVERIFIED = "unverified"  # written, but there was nothing to evaluate it on
    NO_GAIN = "no_gain"  # the artifact is not smaller: the original stays
    FALLBACK = "fallback"  # the gate was not passed: the original stays
    REFUSED = "refused"  # the file was not opened, or what it holds is not trusted
    FAILED = "failed"  # something broke; the original stays


class Guarantee(StrEnum):
    """How sure the evaluation is that nothing was lost, strongest first."""

    EXACT = "exact"
    LABEL_EXACT = "label_exact"
    NON_INFERIOR = "non_inferior"
    INCONCLUSIVE = "inconclusive"
    UNVERIFIED = "unverified"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model's line in the table, and the evidence behind it.

    Attributes
    ----------
    name : str
        The model's file stem: the name loaders know it by.
    source, source_sha256, source_size_bytes
        The original file.
    status, guarantee, reason, note
        The decision, its tier, the reason code when the original stays, and one sentence for a
        person that says what to do.
    family, model_type, bit_depth, weight_threshold
        What the model is and what was asked for.
    artifact, artifact_sha256, artifact_size_bytes
        The written file, relative to the output directory (None when there is none).
    metric, score_before, score_after, score_change
        The held-out score; `score_change` is signed, positive is better.
    latency_us_before, latency_us_after : float or None
        One row, p50, in microseconds.
    components : list of dict
        One per component: path, type, family, scheme, bytes_before, bytes_after, reason.
    evaluation : dict
        Every figure of the evaluation, and each limit it was held against.
    seconds : float
        Wall time of all stages.
    notes : list of str
        What was changed on the way (rescued formats, dropped residue).
    unchanged : bool
        True when this record is an earlier run's, still valid.
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

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Outcome:
        """The outcome that `to_json` wrote; unknown keys are ignored: newer code adds some."""
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        values["status"] = Status(values["status"])
        values["guarantee"] = Guarantee(values.get("guarantee", Guarantee.UNVERIFIED))
        return cls(**values)


def falls_short(outcome: Outcome, *, strict: bool) -> bool:
    """Whether a model makes the run a bad one.

    Failed and refused models always do. With `strict`, so do models that missed the gate, and
    those that could not be evaluated and were therefore not published. `no_gain` never does.
    """
    if outcome.status in (Status.FAILED, Status.REFUSED):
        return True
    unproven = (Status.FALLBACK, Status.UNVERIFIED)
    return strict and outcome.status in unproven and not outcome.published


def verdict(outcome: Outcome) -> str:
    """The one word for what became of the model: its guarantee when published on evidence."""
    return str(outcome.guarantee if outcome.status is Status.PUBLISHED else outcome.status)
