"""What a run demands of a quantized model before it is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from model_quantization.errors import ConfigError
from model_quantization.evaluation.metrics import METRICS

RELATIVE_ERROR = "relative_error"
TIERS = ("exact", "label_exact", "non_inferior")


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The limits of the gate. Losses are signed and absolute; scores grow when better.

    Attributes
    ----------
    allowed_drop : float
        Largest loss of the score: in the score's own unit (accuracy, AUC, R2, nats of log loss),
        for `neg_mae`, `neg_rmse` and other errors in the target's unit as a share of the target's
        standard deviation.
    alpha : float
        One-sided error probability of each proof.
    min_size_reduction : float
        Least share by which the artifact must be smaller than the original.
    metric : str
        `auto` (accuracy, R2) or a name of `METRICS`. One that does not apply to a model's task
        gives way to `auto` for it, and the evaluation notes so.
    publish_unverified : bool
        Publish what could not be evaluated for want of held-out data.
    publish_inconclusive : bool
        Publish when no loss beyond the limit was seen but too few rows were there to prove it.
        False by default: a gate that lets through what it could not measure decides on noise,
        and the original is always there to serve meanwhile.
    require : {"non_inferior", "label_exact", "exact"}
        The weakest tier that is published.
    bootstrap_repeats, seed : int
        Of the paired bootstrap; the same seed gives the same verdict.
    min_rows : int
        With fewer held-out rows nothing but `exact` is conclusive: no flip in five rows shows
        nothing.
    allowed_class_drop : float
        Loss of recall that no single class may be proven to exceed: a rare class can be lost
        entirely within a small drop of accuracy.
    allowed_probability_shift : float
        Largest mean absolute change of a column of `predict_proba`: labels can all stay while
        the probabilities behind them become useless.
    allowed_transform_error : float
        Largest relative error of an output column, for transformers and for models without
        targets that answer numbers.
    """

    allowed_drop: float = 0.005
    alpha: float = 0.05
    min_size_reduction: float = 0.02
    metric: str = "auto"
    publish_unverified: bool = False
    publish_inconclusive: bool = False
    require: str = "non_inferior"
    bootstrap_repeats: int = 2000
    seed: int = 0
    min_rows: int = 30
    allowed_class_drop: float = 0.05
    allowed_probability_shift: float = 0.05
    allowed_transform_error: float = 0.01

    def __post_init__(self) -> None:
        for name in (
            "allowed_drop",
            "allowed_class_drop",
            "allowed_probability_shift",
            "allowed_transform_error",
        ):
            _check(getattr(self, name) >= 0, name, "a number of at least 0", getattr(self, name))
        _check(0 < self.alpha < 0.5, "alpha", "between 0 and 0.5", self.alpha)
        _check(
            self.min_size_reduction < 1, "min_size_reduction", "below 1", self.min_size_reduction
        )
        _check(
            self.bootstrap_repeats >= 100,
            "bootstrap_repeats",
            "100 or more",
            self.bootstrap_repeats,
        )
        _check(self.min_rows >= 0, "min_rows", "0 or more", self.min_rows)
        _check(self.require in TIERS, "require", " or ".join(TIERS), self.require)
        _check(
            self.metric == "auto" or self.metric in METRICS,
            "metric",
            f"auto or one of {', '.join(METRICS)}",
            self.metric,
        )

    def allowed(self, metric: str, unit: float) -> float:
        """The largest loss of `metric`, in its own unit, when `allowed_drop` counts in `unit`."""
        if metric == RELATIVE_ERROR:
            return self.allowed_transform_error
        return self.allowed_drop * unit

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values."""
        return asdict(self)


def _check(holds: bool, name: str, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(
            "a limit of the gate cannot be used",
            where=f"gate/{name}",
            expected=expected,
            got=repr(got),
            do="correct the configuration",
        )
