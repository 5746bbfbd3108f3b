"""A run's configuration: one checked, frozen value, and the settings it gives each model.

`load_config` (config_file.py) reads one from a YAML file and the environment. Every field has a
title, a description and limits, so that a form or a schema can be made from it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.files.object_store import is_url, join_url, mirror_path
from model_quantization.limits import Limits
from model_quantization.release.objects import KEEP_RELEASES
from model_quantization.schemes.scheme import scheme_from_json


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _as_scheme(value: object) -> object:
    record = {"kind": value} if isinstance(value, str) else value
    if isinstance(record, dict):
        scheme_from_json(record)
    return record


Number = Annotated[float, Field(strict=False)]  # YAML 1.1 reads `1e-3` as text
BitDepth = Annotated[Literal["8", "16", "32", "exact", "auto"], BeforeValidator(_as_text)]
Names = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_as_list)]
Dotted = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
TrustedTypes = Annotated[tuple[Dotted, ...], Field(strict=False), BeforeValidator(_as_list)]
SchemeRecord = Annotated[dict[str, Any], BeforeValidator(_as_scheme)]
WholeNumber = Annotated[int, Field(ge=1)]
Threshold = Annotated[Number, Field(ge=0, allow_inf_nan=False)]

# One wording for a run and for the exceptions to it.
_BIT_DEPTH = "8, 16 or 32 bits; `exact` rounds nothing; `auto` takes the smallest that passes."
_THRESHOLD = "Weights of smaller magnitude become zero. Never intercepts, thresholds or leaves."
_DYNAMIC = "One range per channel, from the weights themselves; off: one range per array."
_ON_FAILURE = "What to publish when the rounded model misses the gate."
_TARGET = "Target columns of the held-out data; several for multi-output models."
_CALIBRATION = "Held-out rows set aside to choose ranges on; the gate never sees them."
_TRUSTED = "Types of your own that model files may hold, as `module:qualname`."
_SCHEMES = "Scheme by path pattern inside a model, first match wins: {'*/coef_': exact}."


class Checked(BaseModel):
    """Frozen, without unknown keys, and without silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and annotation in (float, float | None):
            raise ValueError("a number is needed")
        return value


class GateConfig(Checked):
    """What is demanded of a model before it is published."""

    allowed_drop: Threshold = Field(
        0.005,
        le=1,
        title="Allowed drop",
        description="Largest loss of the score: absolute; for errors in the target's unit, as a "
        "share of its standard deviation.",
    )
    alpha: Number = Field(
        0.05, gt=0, lt=0.5, title="Alpha", description="One-sided error probability of each proof."
    )
    min_size_reduction: Number = Field(
        0.02,
        ge=-10,
        lt=1,
        title="Least size reduction",
        description="Share by which the artifact must be smaller than the original.",
    )
    metric: str = Field(
        "auto", title="Metric", description="`auto`: accuracy for classes, R2 for numbers."
    )
    publish_unverified: bool = Field(
        False,
        title="Publish unverified models",
        description="Publish models that have no held-out data to be evaluated on.",
    )
    publish_inconclusive: bool = Field(
        False,
        title="Publish inconclusive models",
        description="Publish when no loss was seen but too few rows were there to prove it.",
    )
    require: Literal["non_inferior", "label_exact", "exact"] = Field(
        "non_inferior", title="Require", description="The weakest guarantee that is published."
    )
    bootstrap_repeats: int = Field(
        2000, ge=100, le=1_000_000, title="Repeats", description="Of the paired bootstrap."
    )
    seed: int = Field(0, ge=0, title="Seed", description="The same seed gives the same verdict.")
    min_rows: int = Field(
        30,
        ge=0,
        title="Least rows",
        description="With fewer held-out rows nothing but `exact` is conclusive.",
    )
    allowed_class_drop: Threshold = Field(
        0.05,
        le=1,
        title="Allowed drop of a class",
        description="Loss of recall that no single class may exceed.",
    )
    allowed_probability_shift: Threshold = Field(
        0.05,
        le=1,
        title="Allowed shift of probabilities",
        description="Largest mean absolute change of a column of predict_proba.",
    )
    allowed_transform_error: Threshold = Field(
        0.01,
        title="Allowed transform error",
        description="Largest relative error of an output column of a transformer.",
    )

    @model_validator(mode="after")
    def _check(self) -> GateConfig:
        self.policy()
        return self

    def policy(self) -> GatePolicy:
        """The value that the evaluation uses."""
        return GatePolicy(**self.model_dump())


class LimitsConfig(Checked):
    """How large, deep and long anything may be."""

    file_bytes: WholeNumber = Field(Limits().file_bytes, description="Largest file opened.")
    decompressed_bytes: WholeNumber = Field(
        Limits().decompressed_bytes, description="Largest pickle after decompression."
    )
    pickle_opcodes: WholeNumber = Field(
        Limits().pickle_opcodes, description="Opcodes of one pickle."
    )
    pickle_depth: WholeNumber = Field(Limits().pickle_depth, description="Nesting of one pickle.")
    pickle_memo: WholeNumber = Field(
        Limits().pickle_memo, description="Memo entries of one pickle."
    )
    worker_memory_bytes: WholeNumber = Field(
        Limits().worker_memory_bytes, description="Memory that loading one model may take."
    )
    worker_cpu_seconds: Number = Field(
        Limits().worker_cpu_seconds, gt=0, description="CPU time of one model's child process."
    )
    worker_wall_seconds: Number = Field(
        Limits().worker_wall_seconds, gt=0, description="Wall time of one model's child process."
    )
    manifest_bytes: WholeNumber = Field(
        Limits().manifest_bytes, description="Largest manifest of an artifact."
    )
    nodes: WholeNumber = Field(Limits().nodes, description="Nodes of one model.")
    depth: WholeNumber = Field(Limits().depth, description="Nesting of one model.")
    arrays: WholeNumber = Field(Limits().arrays, description="Arrays of one model.")
    decoded_bytes: WholeNumber = Field(
        Limits().decoded_bytes, description="All arrays of an artifact after decoding."
    )

    def limits(self) -> Limits:
        """The value that readers and workers use."""
        return Limits(**self.model_dump())


class ModelOverride(Checked):
    """Settings for the models whose names match; what is not given stays as the run has it."""

    match: str = Field(min_length=1, title="Names", description="Pattern, as in `intent*`.")
    bit_depth: BitDepth | None = Field(None, title="Bit depth", description=_BIT_DEPTH)
    weight_threshold: Threshold | None = Field(
        None, title="Weight threshold", description=_THRESHOLD
    )
    dynamic: bool | None = Field(None, title="Dynamic ranges", description=_DYNAMIC)
    on_gate_failure: Literal["original", "exact"] | None = Field(
        None, title="On gate failure", description=_ON_FAILURE
    )
    gate: GateConfig = Field(
        GateConfig(), title="Gate", description="Only the limits given here differ."
    )
    schemes: dict[str, SchemeRecord] | None = Field(None, title="Schemes", description=_SCHEMES)
    target: Names | None = Field(None, title="Target columns", description=_TARGET)
    calibration_rows: int | None = Field(
        None, ge=0, title="Calibration rows", description=_CALIBRATION
    )
    trusted: TrustedTypes | None = Field(None, title="Trusted types", description=_TRUSTED)


class RunConfig(Checked):
    """Everything that a run over a directory of models can be told."""

    model_dir: str = Field(
        "ml/models", min_length=1, title="Model directory", description="Searched recursively."
    )
    output_dir: str | None = Field(
        None,
        min_length=1,
        title="Output directory",
        description="Where releases go; `quantized` inside the model directory when not given.",
    )
    holdout_dir: str | None = Field(
        None,
        min_length=1,
        title="Held-out directory",
        description="Holds <model>.parquet, .csv, .csv.gz or .npz; without it nothing is verified.",
    )
    bit_depth: BitDepth = Field("8", title="Bit depth", description=_BIT_DEPTH)
    weight_threshold: Threshold = Field(0.001, title="Weight threshold", description=_THRESHOLD)
    dynamic: bool = Field(True, title="Dynamic ranges", description=_DYNAMIC)
    on_gate_failure: Literal["original", "exact"] = Field(
        "original", title="On gate failure", description=_ON_FAILURE
    )
    gate: GateConfig = Field(GateConfig(), title="Gate")
    target: Names = Field(("target",), min_length=1, title="Target columns", description=_TARGET)
    calibration_rows: int = Field(0, ge=0, title="Calibration rows", description=_CALIBRATION)
    latency_seconds: Number = Field(
        0.2,
        ge=0,
        le=60,
        title="Latency budget (s)",
        description="Time for each latency figure; 0: latency is not measured.",
    )
    schemes: dict[str, SchemeRecord] = Field(
        default_factory=dict, title="Schemes", description=_SCHEMES
    )
    trusted: TrustedTypes = Field((), title="Trusted types", description=_TRUSTED)
    limits: LimitsConfig = Field(LimitsConfig(), title="Limits")
    only: Names = Field(
        (), title="Only", description="Name patterns; other models stay as they are released."
    )
    force: bool = Field(False, title="Force", description="Do unchanged models again.")
    strict: bool = Field(
        False,
        title="Strict",
        description="The run also fails when a model misses the gate or cannot be evaluated.",
    )
    n_workers: int = Field(
        2, ge=1, le=64, title="Workers", description="Models done at the same time."
    )
    cache_dir: str | None = Field(
        None,
        min_length=1,
        title="Cache directory",
        description="Where directories in object storage (s3://bucket/prefix) are mirrored; the "
        "user's cache when not given. The workers of a cluster must share it.",
    )
    task_runner: Literal["threads", "dask", "ray"] = Field(
        "threads",
        title="Task runner",
        description="Where the flow does its models: here, or on a cluster of Dask or Ray.",
    )
    scheduler_address: str | None = Field(
        None,
        min_length=1,
        title="Scheduler address",
        description="Of a cluster that runs already (for Ray host:port or ray://host:port); "
        "without it one is made for the run. Its workers must see the directories under the same "
        "paths.",
    )
    shard_seconds: Number = Field(
        8.0,
        gt=0,
        le=3600,
        title="Seconds of a shard",
        description="On a cluster a task does several models; this is how long it should take.",
    )
    shard_size: int | None = Field(
        None,
        ge=1,
        title="Models of a shard",
        description="Instead of choosing their number by the time they should take.",
    )
    keep_releases: int = Field(
        KEEP_RELEASES, ge=1, le=10_000, title="Releases kept", description="For rolling back."
    )
    signing_key: str | None = Field(
        None,
        min_length=1,
        title="Signing key",
        description="Ed25519 private key: a PEM file, or `env:NAME`; artifacts and releases are "
        "signed with it.",
    )
    public_keys: Names = Field(
        (),
        title="Public keys",
        description="PEM files, or `env:NAME`: former keys whose signed work is taken over.",
    )
    overrides: Annotated[tuple[ModelOverride, ...], Field(strict=False)] = Field(
        (),
        title="Overrides",
        description="Settings by name pattern; where several match, later ones win.",
    )

    @model_validator(mode="after")
    def _check_runner(self) -> RunConfig:
        if self.scheduler_address is not None and self.task_runner == "threads":
            raise ValueError("`scheduler_address` is for a cluster; set `task_runner` as well")
        return self

    @property
    def model_path(self) -> Path:
        """The model directory, absolute; the mirror of one in object storage."""
        return self._local(self.model_dir)

    @property
    def output_path(self) -> Path:
        """The output directory, absolute; the last part may be a link, which publishing refuses."""
        if self.output_url is not None:
            return mirror_path(self.output_url, self.cache_dir)
        path = Path(self.output_dir or self.model_path / "quantized").absolute()
        return path.parent.resolve() / path.name

    @property
    def holdout_path(self) -> Path | None:
        """The held-out directory, absolute, if there is one."""
        return self._local(self.holdout_dir) if self.holdout_dir else None

    @property
    def model_url(self) -> str | None:
        """The URL of a model directory in object storage."""
        return self.model_dir if is_url(self.model_dir) else None

    @property
    def output_url(self) -> str | None:
        """The URL of an output directory in object storage."""
        if self.output_dir is None and self.model_url is not None:
            return join_url(self.model_url, "quantized")
        return self.output_dir if is_url(self.output_dir) else None

    @property
    def holdout_url(self) -> str | None:
        """The URL of a held-out directory in object storage."""
        return self.holdout_dir if is_url(self.holdout_dir) else None

    def _local(self, directory: str) -> Path:
        if is_url(directory):
            return mirror_path(directory, self.cache_dir)
        return Path(directory).absolute()

    def to_json(self) -> dict[str, Any]:
        """What was set, as JSON values; `RunConfig.model_validate` reads it back.

        Defaults are left out: an override means only what is written in it.
        """
        return self.model_dump(mode="json", exclude_unset=True)

    def settings_for(self, name: str) -> ModelSettings:
        """The settings for model `name`: the run's, then each matching override in turn."""
        values = self.model_dump(
            include={
                "bit_depth",
                "weight_threshold",
                "dynamic",
                "on_gate_failure",
                "target",
                "calibration_rows",
                "trusted",
                "latency_seconds",
            }
        )
        gate = self.gate.model_dump()
        schemes = dict(self.schemes)
        for override in self.overrides:
            if fnmatchcase(name, override.match):
                given = override.model_dump(exclude_none=True, exclude={"match", "gate", "schemes"})
                values |= given
                gate |= override.gate.model_dump(exclude_unset=True)
                # The override's own patterns are looked at first.
                schemes = {**(override.schemes or {}), **schemes}
        return ModelSettings(
            **values,
            gate=GateConfig(**gate).policy(),
            limits=self.limits.limits(),
            overrides=tuple(schemes.items()),
        )
