"""The limits that a quantized model must hold before it is published, each defined once.

The configuration model, its JSON schema, the run form and the table in docs/configuration.md are
all made from the fields below: default, title, description and range stand nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model_quantization.described import described, unusable_fields
from model_quantization.errors import ConfigError
from model_quantization.evaluation.metrics import METRICS
from model_quantization.records import Record

RELATIVE_ERROR = "relative_error"


@dataclass(frozen=True, slots=True)
class GatePolicy(Record):
    """The limits of the gate. Losses are signed; scores grow when they get better.

    The metadata of each field describes it. Each bound is one-sided at level 1 - `alpha`,
    and all of them must hold: an intersection-union test (Berger, Technometrics 24, 1982, 295-300)
    whose error stays at `alpha` without correction.

    Examples
    --------
    >>> GatePolicy(allowed_drop=0.01).allowed_drop
    0.01
    """

    allowed_drop: float = described(
        0.005,
        "Largest loss of the score, and largest share of rows that may be ruined: absolute;"
        " for errors in the target's unit, as a share of its standard deviation.",
        title="Allowed drop",
        ge=0,
        le=1,
    )
    alpha: float = described(
        0.05,
        "One-sided error probability of each proof.",
        title="Alpha",
        gt=0,
        lt=0.5,
    )
    min_size_reduction: float = described(
        0.02,
        "Share by which the artifact must be smaller than the original.",
        title="Least size reduction",
        ge=-1000,
        lt=1,
    )
    metric: str = described(
        "auto",
        "`auto`: accuracy for classes, R2 for numbers.",
        title="Metric",
    )
    publish_unverified: bool = described(
        False,
        "Publish rounded models without held-out data.",
        title="Publish unverified models",
    )
    publish_inconclusive: bool = described(
        False,
        "Publish if no loss was observed, but the rows are too few to prove it.",
        title="Publish inconclusive models",
    )
    require: Literal["non_inferior", "label_exact", "exact"] = described(
        "non_inferior",
        "The weakest guarantee that is published.",
        title="Require",
    )
    bootstrap_repeats: int = described(
        2000,
        "Resamples of the paired bootstrap, which bounds metrics other than the task's own.",
        title="Repeats",
        ge=100,
        le=1_000_000,
    )
    seed: int = described(
        0,
        "The same seed gives the same verdict.",
        title="Seed",
        ge=0,
    )
    min_rows: int = described(
        30,
        "With fewer held-out rows, only `exact` is conclusive.",
        title="Least rows",
        ge=0,
    )
    allowed_class_drop: float = described(
        0.05,
        "Largest loss of recall of any class.",
        title="Allowed drop of a class",
        ge=0,
        le=1,
    )
    allowed_ranking_drop: float = described(
        0.02,
        "Largest loss of AUC (two classes) or of the mean reciprocal rank of the true class"
        " (more classes), of each method that gives scores.",
        title="Allowed drop of the ranking",
        ge=0,
        le=1,
    )
    allowed_score_loss: float = described(
        0.05,
        "Largest rise of the Brier score of `predict_proba`, as a share of the original's.",
        title="Allowed loss of the Brier score",
        ge=0,
    )
    allowed_probability_shift: float = described(
        0.05,
        "Largest mean absolute change of a column of `predict_proba`.",
        title="Allowed shift of probabilities",
        ge=0,
        le=1,
    )
    moved_part: float = described(
        0.1,
        "A row counts as ruined when its answer moves by more than this part of the spread "
        "of the original's answers (of the target, for regression).",
        title="Part of the spread",
        gt=0,
    )
    allowed_score_error: float = described(
        0.2,
        "Largest relative error of a column of `decision_function` or `score_samples`.",
        title="Allowed error of scores",
        ge=0,
    )
    min_rank_correlation: float = described(
        0.99,
        "Least rank correlation of each column of `decision_function` and `score_samples` with "
        "the original's.",
        title="Least rank correlation",
        ge=-1,
        le=1,
    )
    allowed_transform_error: float = described(
        0.01,
        "Largest relative error of an output column of a transformer, or of a model that "
        "predicts numbers when there is no target.",
        title="Allowed transform error",
        ge=0,
    )

    def __post_init__(self) -> None:
        for name, expected, got in unusable_fields(self):
            raise _unusable(name, expected, got)
        if self.metric != "auto" and self.metric not in METRICS:
            raise _unusable("metric", f"auto or one of {', '.join(METRICS)}", self.metric)

    def allowed(self, metric: str, unit: float) -> float:
        """The largest loss of `metric`, in its own unit, when `allowed_drop` counts in `unit`."""
        if metric == RELATIVE_ERROR:
            return self.allowed_transform_error
        return self.allowed_drop * unit


def _unusable(name: str, expected: str, got: object) -> ConfigError:
    return ConfigError(
        "a limit of the gate cannot be used",
        where=f"gate/{name}",
        expected=expected,
        got=repr(got),
        do="correct the configuration",
    )
