"""The figures of one evaluation: the gate decides on them, and the report shows them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite, isnan
from typing import Any

from model_quantization.evaluation.agreement import MethodAgreement
from model_quantization.evaluation.checks import Check
from model_quantization.records import Record


@dataclass(frozen=True, slots=True)
class ClassLoss:
    """The class whose recall is most surely lost.

    Attributes
    ----------
    label : str
    rows : int
        Held-out rows of this class.
    recall_before, recall_after : float
    p_value : float
        Of "its recall fell by no more than the limit", exact. It is not corrected for the number
        of classes, and decides nothing: an observed loss already blocks.
    """

    label: str
    rows: int
    recall_before: float
    recall_after: float
    p_value: float

    @property
    def loss(self) -> float:
        """How much recall fell on the held-out rows."""
        return self.recall_before - self.recall_after


@dataclass(frozen=True, slots=True)
class Evaluation(Record):
    """The quantized model's answers against the original's, on the same held-out rows.

    Attributes
    ----------
    rows : int
        Distinct rows: equal ones count once.
    task : str
        classification, regression, cluster, outlier, transform, or none (nothing was answered).
    metric : str
        Name of the score; `agreement` (labels against the original's) and `relative_error`
        (numbers against the original's) when there is no target.
    method : str
        How the bound was found: "exact paired binomial", "exact binomial", "exact bound on the
        mean", "paired bootstrap", "observed error", or "none".
    score_before, score_after, change : float or None
        Greater is better, errors are negated; `change` is after - before.
    loss, loss_bound : float or None
        -change, and its one-sided upper confidence bound at level 1 - `alpha`.
    unit : float
        What a loss of 1 of the policy's `allowed_drop` is in the score's unit: the target's
        standard deviation for errors, else 1.
    b, c : int or None
        Rows that only the original, and only the quantized model, gets right.
    labels_changed : int
        Rows whose prediction changed: any label, or any number by more than a millionth of the
        spread (of the target; of the original's answers without one).
    flip_bound : float
        Upper bound on the share of rows that change (Clopper-Pearson).
    bit_identical : bool
        Every array of every method equal in every bit.
    agreement : tuple of MethodAgreement
    failed : mapping
        Method -> why the quantized model gave no comparable answer.
    nan_methods, original_nan : tuple of str
        Methods with NaN where the original has none; methods in which the original itself has
        NaN for an answer.
    worst_class : ClassLoss or None
        None when no class lost more recall than allowed.
    checks : tuple of Check
        Every limit that applies to these answers; the gate decides on them.
    repeated_rows : int
        Held-out rows that equal an earlier one and were not counted.
    probability_shift : float
        Mean absolute change of the `predict_proba` column that moved most.
    rows_needed : int or None
        Rows in all that every open check would need; None where none is open, or none would do.
    notes : tuple of str
        What was unusual about the data.
    """

    rows: int
    task: str
    alpha: float
    metric: str = ""
    method: str = "none"
    score_before: float | None = None
    score_after: float | None = None
    change: float | None = None
    loss: float | None = None
    loss_bound: float | None = None
    unit: float = 1.0
    b: int | None = None
    c: int | None = None
    labels_changed: int = 0
    flip_bound: float = 1.0
    bit_identical: bool = False
    agreement: tuple[MethodAgreement, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    nan_methods: tuple[str, ...] = ()
    original_nan: tuple[str, ...] = ()
    worst_class: ClassLoss | None = None
    probability_shift: float = 0.0
    rows_needed: int | None = None
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    repeated_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; every number is finite."""
        record = Record.to_json(self)
        record["checks"] = [check.to_json() for check in self.checks]
        finite: dict[str, Any] = _finite(record)
        return finite

    def without_overflow(self) -> Evaluation:
        """The same, with scores that are no numbers as unknown: targets near 1e200 overflow."""
        names = ("score_before", "score_after", "change", "loss", "loss_bound")
        values = {name: getattr(self, name) for name in names}
        unknown: dict[str, Any] = {
            name: None for name, value in values.items() if not isfinite(value or 0.0)
        }
        return replace(self, **unknown) if "score_before" in unknown else self

    def figures(self) -> dict[str, Any]:
        """The same without the checks, which the verdict has; for the artifact and the report."""
        record = self.to_json()
        del record["checks"]
        return record


def _finite(value: Any) -> Any:
    """The value with numbers that JSON can hold."""
    match value:
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float() if isnan(value):
            return None
        case float():
            return max(-sys.float_info.max, min(sys.float_info.max, value))
    return value
