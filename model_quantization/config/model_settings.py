"""All settings of one model, as one value that crosses processes as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from model_quantization.described import described, unusable_fields
from model_quantization.errors import ConfigError
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.limits import Limits
from model_quantization.records import Record
from model_quantization.schemes.recipe import BIT_DEPTHS, Recipe, recipe_for
from model_quantization.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class ModelSettings(Record):
    """Settings for quantizing and judging one model; each field describes itself.

    A field with a description is a key of the run's configuration and of its `overrides`: the key,
    its check, the form, the schema and the table of the documentation are made from it.

    Attributes
    ----------
    overrides : tuple of (str, dict)
        Path pattern -> scheme as JSON; the first match wins.
    gate : GatePolicy
    limits : Limits
    """

    bit_depth: str = described(
        "8",
        "8, 16 or 32 bits; `exact` rounds nothing; `auto` gives each part of the model its own "
        "precision and takes the smallest artifact that is proven.",
        title="Bit depth",
    )
    weight_threshold: float = described(
        0.001,
        "Weights of smaller magnitude become zero, where that moves no score by more than 1 % of "
        "its spread. Never intercepts, thresholds or leaves.",
        title="Weight threshold",
        ge=0,
    )
    dynamic: bool = described(
        True,
        "One range per channel, from the weights themselves; off: one range per array.",
        title="Dynamic ranges",
    )
    overrides: tuple[tuple[str, dict[str, Any]], ...] = ()
    on_gate_failure: Literal["original", "exact"] = described(
        "exact",
        "Published if the rounded model is not proven: the artifact that rounds nothing, or the "
        "original.",
        title="On gate failure",
    )
    gate: GatePolicy = field(default_factory=GatePolicy)
    trusted: tuple[str, ...] = described(
        (),
        "Types of your own that model files may hold, as `module:qualname`.",
        title="Trusted types",
    )
    limits: Limits = field(default_factory=Limits)
    target: tuple[str, ...] = described(
        ("target",),
        "Target columns of the held-out data; several for multi-output models.",
        title="Target columns",
    )
    calibration_rows: int = described(
        0,
        "Held-out rows set aside to choose ranges on; the gate never sees them.",
        title="Calibration rows",
        ge=0,
    )
    refit_rows: str = described(
        "",
        "Labelled rows that a model was trained on, with which `auto` trains weights for their "
        "grid: a file, or a directory with `<model>.refit.parquet` (.csv, .csv.gz, .npz). "
        "Empty: such files in the held-out directory.",
        title="Training rows",
    )
    max_bytes: int = described(
        0,
        "Most bytes of the artifact: with `auto`, the plan that changes the answers least within "
        "it is judged, and no other. 0: no limit.",
        title="Most bytes",
        ge=0,
    )
    target_ratio: float = described(
        0.0,
        "How many times smaller than the original the artifact must be: as `max_bytes`, with "
        "`auto`. 0: no limit.",
        title="Target ratio",
        ge=0,
    )
    time_budget_seconds: float = described(
        0.0,
        "About how long `auto` may measure precisions. Work is counted, not time, so that "
        "results repeat. 0: every precision is measured.",
        title="Time budget (s)",
        ge=0,
    )
    latency_seconds: float = described(
        0.2,
        "Time for each latency figure; 0: latency is not measured.",
        title="Latency budget (s)",
        ge=0,
        le=60,
    )

    def __post_init__(self) -> None:
        if self.bit_depth not in BIT_DEPTHS:
            raise _unusable("bit_depth", ", ".join(BIT_DEPTHS), self.bit_depth)
        for name, expected, got in unusable_fields(self):
            raise _unusable(name, expected, got)
        if self.bit_depth != "auto":
            for name in ("refit_rows", "max_bytes", "target_ratio", "time_budget_seconds"):
                if getattr(self, name):
                    without = repr(type(getattr(self, name))())
                    expected = f"{without}, or `bit_depth: auto` beside it"
                    raise _unusable(name, expected, getattr(self, name))
        self.recipe()  # its own checks

    @property
    def trust(self) -> TrustPolicy:
        """The allow-list, with the names that this run trusts."""
        return TrustPolicy(frozenset(self.trusted))

    def budget_bytes(self, original_bytes: int) -> int | None:
        """The most bytes that the artifact may have; None without a budget."""
        budgets = [self.max_bytes] if self.max_bytes else []
        if self.target_ratio:
            budgets.append(int(original_bytes / self.target_ratio))
        return min(budgets, default=None)

    def recipe(self, bit_depth: str | None = None) -> Recipe:
        """The recipe of a bit depth under these settings."""
        depth = bit_depth or self.bit_depth
        return recipe_for(
            depth,
            self.weight_threshold,
            dynamic=self.dynamic,
            overrides=() if depth == "exact" else self.overrides,
        )

    def digest(self) -> str:
        """sha256 of the settings: runs with equal digests have equal settings."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _unusable(key: str, expected: str, got: object) -> ConfigError:
    return ConfigError(
        "a setting that cannot be used",
        where=key,
        expected=expected,
        got=repr(got),
        do="correct the configuration or the argument",
    )
