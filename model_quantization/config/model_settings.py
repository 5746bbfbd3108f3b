"""Everything that decides what one model becomes, as one value that crosses processes as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from model_quantization.errors import ConfigError
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.limits import Limits
from model_quantization.schemes.recipe import BIT_DEPTHS, Recipe, recipe_for
from model_quantization.trust import TrustPolicy

ON_GATE_FAILURE = ("original", "exact")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How one model is quantized, evaluated and judged.

    Attributes
    ----------
    bit_depth : str
        `8`, `16`, `32`, `exact`, or `auto`: the smallest that passes the gate.
    weight_threshold : float
        Weights of smaller magnitude become zero.
    dynamic : bool
        Ranges per channel, taken from the weights; False: one range an array.
    overrides : tuple of (str, dict)
        Path pattern -> scheme as JSON; the first match wins.
    on_gate_failure : {"original", "exact"}
        What is served when the rounded model fails the gate: the original, or the lossless
        artifact where that is smaller.
    gate : GatePolicy
    trusted : tuple of str
        User classes and functions, `module:qualname`.
    limits : Limits
    target : tuple of str
        Target columns of the held-out file.
    calibration_rows : int
        Held-out rows set aside for calibration; they are never gate rows.
    latency_seconds : float
        Time budget of each latency figure; 0: not measured.
    """

    bit_depth: str = "8"
    weight_threshold: float = 0.001
    dynamic: bool = True
    overrides: tuple[tuple[str, dict[str, Any]], ...] = ()
    on_gate_failure: str = "original"
    gate: GatePolicy = field(default_factory=GatePolicy)
    trusted: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    target: tuple[str, ...] = ("target",)
    calibration_rows: int = 0
    latency_seconds: float = 0.2

    def __post_init__(self) -> None:
        _check(self.bit_depth in BIT_DEPTHS, "bit_depth", ", ".join(BIT_DEPTHS), self.bit_depth)
        _check(
            self.on_gate_failure in ON_GATE_FAILURE,
            "on_gate_failure",
            " or ".join(ON_GATE_FAILURE),
            self.on_gate_failure,
        )
        _check(self.calibration_rows >= 0, "calibration_rows", ">= 0", self.calibration_rows)
        _check(self.latency_seconds >= 0, "latency_seconds", ">= 0", self.latency_seconds)
        self.recipe()  # its own checks

    @property
    def trust(self) -> TrustPolicy:
        """The allow-list, with what this run trusts beside it."""
        return TrustPolicy(frozenset(self.trusted))

    def recipe(self, bit_depth: str | None = None) -> Recipe:
        """The recipe of a bit depth under these settings; `auto` starts at 8."""
        depth = bit_depth or self.bit_depth
        return recipe_for(
            "8" if depth == "auto" else depth,
            self.weight_threshold,
            dynamic=self.dynamic,
            overrides=() if depth == "exact" else self.overrides,
        )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {
            **asdict(self),
            "overrides": [[pattern, dict(scheme)] for pattern, scheme in self.overrides],
            "trusted": list(self.trusted),
            "target": list(self.target),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ModelSettings:
        """The settings that `to_json` wrote."""
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        values["overrides"] = tuple((pattern, scheme) for pattern, scheme in values["overrides"])
        values["trusted"] = tuple(values["trusted"])
        values["target"] = tuple(values["target"])
        values["gate"] = GatePolicy(**values["gate"])
        values["limits"] = Limits(**values["limits"])
        return cls(**values)

    def digest(self) -> str:
        """sha256 of the settings: two runs with equal digests ask for the same thing."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _check(holds: bool, key: str, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(
            "a setting that cannot be used",
            where=key,
            expected=expected,
            got=repr(got),
            do="correct the configuration or the argument",
        )
