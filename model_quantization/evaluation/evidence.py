"""The figures of one evaluation: what the gate decides on and the report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from model_quantization.evaluation.agreement import MethodAgreement


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
        Of "its recall fell by no more than the limit", exact, and corrected for the number of
        classes (Bonferroni).
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
class Evaluation:
    """The quantized model's answers against the original's, on the same held-out rows.

    Attributes
    ----------
    rows : int
    task : str
        classification, regression, cluster, outlier, transform, or none (nothing was answered).
    metric : str
        Name of the score; `agreement` (labels against the original's) and `relative_error`
        (numbers against the original's) when there is no target.
    method : str
        How the bound was found: "exact paired binomial", "exact binomial", "paired bootstrap",
        "observed error", or "none".
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
    probability_shift : float
        Mean absolute change of the `predict_proba` column that moved most.
    rows_needed : int or None
        Rows that would prove a loss within the limit four times in five, when these did not.
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

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; every number is finite."""
        record = asdict(self)
        for name in ("agreement", "nan_methods", "original_nan", "notes"):
            record[name] = list(record[name])
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Evaluation:
        """The evaluation that `to_json` wrote; unknown keys are ignored: newer code adds some."""
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        values["agreement"] = tuple(MethodAgreement(**item) for item in values["agreement"])
        for name in ("nan_methods", "original_nan", "notes"):
            values[name] = tuple(values[name])
        if values["worst_class"] is not None:
            values["worst_class"] = ClassLoss(**values["worst_class"])
        return cls(**values)
