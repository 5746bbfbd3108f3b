"""One limit of the gate, the value compared with it, and the finding."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from model_quantization.records import Record


class CheckName(StrEnum):
    """The subject of a check."""

    LOSS = "loss"  # loss of the task's score: labels or numbers against the target
    SCORE = "score"  # loss of the policy's metric, where that is another one
    AGREEMENT = "agreement"  # labels against the original's, where there is no target
    FLIPS = "flips"  # rows whose prediction changes; only `label_exact` needs it
    CLASS_RECALL = "class_recall"
    RANKING = "ranking"
    PROPER_SCORE = "proper_score"
    RUINED_ROWS = "ruined_rows"
    PROBABILITY_SHIFT = "probability_shift"
    SCORE_ERROR = "score_error"
    RANK_CORRELATION = "rank_correlation"
    TRANSFORM_ERROR = "transform_error"
    ROWS = "rows"
    SIZE_REDUCTION = "size_reduction"


AT_LEAST = frozenset({CheckName.ROWS, CheckName.SIZE_REDUCTION, CheckName.RANK_CORRELATION})


class Finding(StrEnum):
    """The result of a check."""

    HELD = "held"  # the value is within the limit; for a bound, this is proven
    TOO_FEW = "too_few"  # too few rows for a proof, and no loss was observed
    OPEN = "open"  # no loss beyond the limit was observed, but it cannot be ruled out
    LOST = "lost"  # the observed value is beyond the limit


@dataclass(frozen=True, slots=True)
class Check(Record):
    """One limit of the gate and the value compared with it.

    Attributes
    ----------
    name : CheckName
    limit, value : float
        `value` must be at most `limit` (at least, for the names in `AT_LEAST`). For a proof, it is
        the confidence bound.
    finding : Finding
    observed : float or None
        The value on the rows themselves, where `value` is a bound.
    where : str
        The method, output or class that is worst: "" where there is only one.
    rows : int or None
        Rows that the check uses, where those are not all.
    rows_needed : int or None
        Number of rows with which the check could hold.
    note : str
        One sentence of explanation, or empty.
    """

    name: CheckName
    limit: float
    value: float
    finding: Finding
    observed: float | None = None
    where: str = ""
    rows: int | None = None
    rows_needed: int | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether this check allows the model to be published."""
        return self.finding in (Finding.HELD, Finding.TOO_FEW)

    def to_json(self) -> dict[str, Any]:
        """The check as plain JSON values, `passed` included; every number is finite."""
        record = Record.to_json(self) | {"passed": self.passed}
        for key in ("limit", "value", "observed"):
            record[key] = finite(record[key])
        return record


def finite(value: float | None) -> float | None:
    """The value; infinity and NaN, which passes no limit, become the largest float."""
    if value is None or isfinite(value):
        return value
    return -sys.float_info.max if value == -float("inf") else sys.float_info.max


def held_against(
    name: CheckName,
    limit: float,
    value: float,
    *,
    observed: float | None = None,
    where: str = "",
    rows: int | None = None,
    rows_needed: int | None = None,
    note: str = "",
) -> Check:
    """The check of a value, or of a bound, against its limit.

    The observed value decides between `open` and `lost`; where the value is no bound, it is the
    observed one.
    """
    seen = value if observed is None else observed
    if within(name, value, limit):
        finding, rows_needed = Finding.HELD, None
    else:
        finding = Finding.OPEN if within(name, seen, limit) else Finding.LOST
    return Check(name, limit, value, finding, observed, where, rows, rows_needed, note)


def within(name: CheckName, value: float, limit: float) -> bool:
    """Whether the value keeps the limit; NaN keeps none."""
    return value >= limit if name in AT_LEAST else value <= limit


_ORDER = (Finding.HELD, Finding.TOO_FEW, Finding.OPEN, Finding.LOST)


def worst(checks: list[Check]) -> Check:
    """The worst of the checks of several outputs, columns or classes: all of them must hold."""

    def badness(check: Check) -> tuple[int, float]:
        sign = -1.0 if check.name in AT_LEAST else 1.0
        return _ORDER.index(check.finding), sign * (check.value - check.limit)

    return max(checks, key=badness)
