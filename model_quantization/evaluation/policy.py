"""What a run demands of a quantized model before it is published: each limit, defined once.

The configuration model, its JSON schema, the run form and the table in docs/configuration.md are
all made from the fields below: default, title, description and range stand nowhere else.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import isfinite
from typing import Any, Literal

from model_quantization.errors import ConfigError
from model_quantization.evaluation.metrics import METRICS

RELATIVE_ERROR = "relative_error"
Tier = Literal["non_inferior", "label_exact", "exact"]


def _limit(default: Any, title: str, description: str, **bounds: float) -> Any:
    """A field with its words and its range (`ge`, `gt`, `le`, `lt`), as pydantic names them."""
    return field(default=default, metadata={"title": title, "description": description, **bounds})


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The limits of the gate. Losses are signed; scores grow when they get better.

    The metadata of each field says what it limits. Each bound is one-sided at level 1 - `alpha`,
    and all of them must hold: an intersection-union test (Berger, Technometrics 24, 1982, 295-300)
    whose error stays at `alpha` without correction.

    Examples
    --------
    >>> GatePolicy(allowed_drop=0.01).allowed_drop
    0.01
    """

    allowed_drop: float = _limit(
        0.005,
        "Allowed drop",
        "Largest loss of the score, and largest share of rows that may be ruined: absolute; for "
        "errors in the target's unit, as a share of its standard deviation.",
        ge=0,
        le=1,
    )
    alpha: float = _limit(
        0.05, "Alpha", "One-sided error probability of each proof.", gt=0, lt=0.5
    )
    min_size_reduction: float = _limit(
        0.02,
        "Least size reduction",
        "Share by which the artifact must be smaller than the original.",
        ge=-1000,
        lt=1,
    )
    metric: str = _limit("auto", "Metric", "`auto`: accuracy for classes, R2 for numbers.")
    publish_unverified: bool = _limit(
        False,
        "Publish unverified models",
        "Publish models that have no held-out data to be evaluated on.",
    )
    publish_inconclusive: bool = _limit(
        False,
        "Publish inconclusive models",
        "Publish when no loss was seen but too few rows were there to prove it.",
    )
    require: Tier = _limit("non_inferior", "Require", "The weakest guarantee that is published.")
    bootstrap_repeats: int = _limit(
        2000,
        "Repeats",
        "Of the paired bootstrap, which bounds metrics other than the task's own.",
        ge=100,
        le=1_000_000,
    )
    seed: int = _limit(0, "Seed", "The same seed gives the same verdict.", ge=0)
    min_rows: int = _limit(
        30, "Least rows", "With fewer held-out rows nothing but `exact` is conclusive.", ge=0
    )
    allowed_class_drop: float = _limit(
        0.05,
        "Allowed drop of a class",
        "Loss of recall that no single class may exceed.",
        ge=0,
        le=1,
    )
    allowed_ranking_drop: float = _limit(
        0.01,
        "Allowed drop of the ranking",
        "Largest loss of AUC (two classes) or of the mean reciprocal rank of the true class (more "
        "classes), of each method that gives scores.",
        ge=0,
        le=1,
    )
    allowed_score_loss: float = _limit(
        0.05,
        "Allowed loss of the Brier score",
        "Largest rise of the Brier score of `predict_proba`, as a share of the original's.",
        ge=0,
    )
    allowed_probability_shift: float = _limit(
        0.05,
        "Allowed shift of probabilities",
        "Largest mean absolute change of a column of `predict_proba`.",
        ge=0,
        le=1,
    )
    moved_part: float = _limit(
        0.1,
        "Part of the spread",
        "A row counts as ruined when its answer moves by more than this part of the spread of the "
        "original's answers (of the target, for regression).",
        gt=0,
    )
    allowed_score_error: float = _limit(
        0.2,
        "Allowed error of scores",
        "Largest relative error of a column of `decision_function` or `score_samples`.",
        ge=0,
    )
    min_rank_correlation: float = _limit(
        0.99,
        "Least rank correlation",
        "Of each column of `decision_function` and `score_samples` with the original's.",
        ge=-1,
        le=1,
    )
    allowed_transform_error: float = _limit(
        0.01,
        "Allowed transform error",
        "Largest relative error of an output column of a transformer, or of a model that predicts "
        "numbers when there is no target.",
        ge=0,
    )

    def __post_init__(self) -> None:
        kinds = typing.get_type_hints(type(self))
        for item in fields(self):
            _check(item.name, kinds[item.name], item.metadata, getattr(self, item.name))
        if self.metric != "auto" and self.metric not in METRICS:
            raise _unusable("metric", f"auto or one of {', '.join(METRICS)}", self.metric)

    def allowed(self, metric: str, unit: float) -> float:
        """The largest loss of `metric`, in its own unit, when `allowed_drop` counts in `unit`."""
        if metric == RELATIVE_ERROR:
            return self.allowed_transform_error
        return self.allowed_drop * unit

    def for_attempts(self, count: int) -> GatePolicy:
        """The policy for each of `count` artifacts, of which the first that passes is published.

        Each is judged at alpha / count (Bonferroni): one of many artifacts passes by luck more
        easily than a single one.
        """
        return replace(self, alpha=self.alpha / max(count, 1))

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values."""
        return asdict(self)


_RANGES = {
    "ge": ("at least", lambda value, limit: value >= limit),
    "gt": ("above", lambda value, limit: value > limit),
    "le": ("at most", lambda value, limit: value <= limit),
    "lt": ("below", lambda value, limit: value < limit),
}


def _check(name: str, kind: Any, metadata: Mapping[str, Any], value: object) -> None:
    choices = typing.get_args(kind)
    if choices:
        if value not in choices:
            raise _unusable(name, " or ".join(choices), value)
        return
    ranges = {key: metadata[key] for key in _RANGES if key in metadata}
    if not ranges:
        return
    words = " and ".join(f"{_RANGES[key][0]} {limit:g}" for key, limit in ranges.items())
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number or not all(_RANGES[key][1](value, limit) for key, limit in ranges.items()):
        raise _unusable(name, f"a number, {words}", value)


def _unusable(name: str, expected: str, got: object) -> ConfigError:
    return ConfigError(
        "a limit of the gate cannot be used",
        where=f"gate/{name}",
        expected=expected,
        got=repr(got),
        do="correct the configuration",
    )
