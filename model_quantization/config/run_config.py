"""A run's configuration: one checked, frozen value, and each model's settings from it.

`load_config` (config_file.py) reads one from a YAML file and the environment. Every field has a
title, a description and limits, so that a form or a schema can be made from it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from model_quantization.config.model_settings import ModelSettings
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.files.object_store import is_registry, is_url, join_url, mirror_path
from model_quantization.limits import Limits
from model_quantization.names import matches
from model_quantization.release.manifest import OUTPUT
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
Targets = Annotated[tuple[str, ...], Field(strict=False, min_length=1), BeforeValidator(_as_list)]
Dotted = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
TrustedTypes = Annotated[tuple[Dotted, ...], Field(strict=False), BeforeValidator(_as_list)]
SchemeRecord = Annotated[dict[str, Any], BeforeValidator(_as_scheme)]
Threshold = Annotated[Number, Field(ge=0, allow_inf_nan=False)]

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


# In YAML these accept more than their type.
_KINDS: dict[str, Any] = {"bit_depth": BitDepth, "target": Targets, "trusted": TrustedTypes}


def _keys_of(
    owner: type, *, optional: bool = False, leave_out: Collection[str] = ()
) -> dict[str, Any]:
    """The fields of a described dataclass as those of a pydantic model: types, words and ranges.

    Fields without a description are left out: they have another form in a file. Optional keys need
    not be given, and are then None.
    """
    hints = get_type_hints(owner) | (_KINDS if owner is ModelSettings else {})
    keys: dict[str, Any] = {}
    for item in fields(owner):
        words = dict(item.metadata)
        if not words or item.name in leave_out:
            continue
        kind = hints[item.name]
        if kind is float:  # YAML 1.1 reads `1e-3` as text
            words |= {"strict": False, "allow_inf_nan": False}
        if optional:
            shown = {key: words.pop(key) for key in ("title", "description") if key in words}
            keys[item.name] = (Annotated[kind, Field(**words)] | None, Field(None, **shown))
        else:
            keys[item.name] = (kind, Field(item.default, **words))
    return keys


if TYPE_CHECKING:  # the fields are the dataclasses' own, which a type checker cannot follow

    class _ModelKeys(Checked):
        def __getattr__(self, name: str) -> Any: ...

    class _OverrideKeys(Checked): ...

    _GateKeys = Checked
    _LimitsKeys = Checked
else:
    _GateKeys = create_model("_GateKeys", __base__=Checked, **_keys_of(GatePolicy))
    _LimitsKeys = create_model("_LimitsKeys", __base__=Checked, **_keys_of(Limits))
    _ModelKeys = create_model("_ModelKeys", __base__=Checked, **_keys_of(ModelSettings))
    _OverrideKeys = create_model(
        "_OverrideKeys",
        __base__=Checked,
        **_keys_of(ModelSettings, optional=True, leave_out={"latency_seconds"}),
    )


class GateConfig(_GateKeys):
    """The limits that a model must hold before it is published."""

    @model_validator(mode="after")
    def _check(self) -> GateConfig:
        self.policy()
        return self

    def policy(self) -> GatePolicy:
        """The policy as the evaluation uses it."""
        return GatePolicy(**self.model_dump())


class LimitsConfig(_LimitsKeys):
    """How large, deep and long anything may be."""

    def limits(self) -> Limits:
        """The limits as the library uses them."""
        return Limits(**self.model_dump())


class _NamePattern(Checked):
    """The models of an override."""

    match: str = Field(min_length=1, title="Names", description="Pattern, as in `intent*`.")


class ModelOverride(_OverrideKeys, _NamePattern):
    """Settings for models whose names match; other settings are those of the run."""

    gate: GateConfig = Field(
        GateConfig(), title="Gate", description="Only the limits given here differ."
    )
    schemes: dict[str, SchemeRecord] | None = Field(None, title="Schemes", description=_SCHEMES)


class _Directories(Checked):
    """Directories of a run; the first keys of a configuration."""

    model_dir: str = Field(
        "ml/models",
        min_length=1,
        title="Model directory",
        description="Searched recursively; or `mlflow://latest` or `mlflow://<alias>`, the models "
        "of an MLflow registry.",
    )
    output_dir: str | None = Field(
        None,
        min_length=1,
        title="Output directory",
        description="Directory of releases; by default `quantized` inside the model directory.",
    )
    holdout_dir: str | None = Field(
        None,
        min_length=1,
        title="Held-out directory",
        description="Holds <model>.parquet, .csv, .csv.gz or .npz; without it nothing is verified.",
    )


# The settings of a model are fields of `ModelSettings`; add a new one only there.
class RunConfig(_ModelKeys, _Directories):
    """All settings of a run over a directory of models."""

    gate: GateConfig = Field(GateConfig(), title="Gate")
    schemes: dict[str, SchemeRecord] = Field(
        default_factory=dict, title="Schemes", description=_SCHEMES
    )
    limits: LimitsConfig = Field(LimitsConfig(), title="Limits")
    only: Names = Field(
        (), title="Only", description="Name patterns; other models stay as released."
    )
    force: bool = Field(False, title="Force", description="Quantize unchanged models again.")
    strict: bool = Field(
        False,
        title="Strict",
        description="The run also fails when a model misses the gate or cannot be evaluated.",
    )
    n_workers: int = Field(
        2, ge=1, le=64, title="Workers", description="Models quantized at the same time."
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
        description="Where the flow quantizes models: on this machine, or on Dask or Ray.",
    )
    scheduler_address: str | None = Field(
        None,
        min_length=1,
        title="Scheduler address",
        description="Address of a running cluster (for Ray host:port or ray://host:port); without "
        "it the run starts one. Its workers must see the directories under the same paths.",
    )
    shard_seconds: Number = Field(
        8.0,
        gt=0,
        le=3600,
        title="Seconds of a shard",
        description="On a cluster a task quantizes several models; it should take this time.",
    )
    shard_size: int | None = Field(
        None,
        ge=1,
        title="Models of a shard",
        description="A fixed number, instead of one by time.",
    )
    keep_releases: int = Field(
        KEEP_RELEASES, ge=1, le=10_000, title="Releases kept", description="For rolling back."
    )
    register_as: str | None = Field(
        None,
        min_length=1,
        title="Register as",
        description="Name in an MLflow registry under which each artifact becomes a new version, "
        "with `{name}` for the model's: `{name}-quantized`.",
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
        description="PEM files, or `env:NAME`: former keys whose signed results stay valid.",
    )
    overrides: Annotated[tuple[ModelOverride, ...], Field(strict=False)] = Field(
        (),
        title="Overrides",
        description="Settings by name pattern; where several match, later ones win.",
    )

    @model_validator(mode="after")
    def _check_runner(self) -> RunConfig:
        if self.scheduler_address is not None and self.task_runner == "threads":
            raise ValueError("`scheduler_address` needs a cluster; set `task_runner` as well")
        return self

    @model_validator(mode="after")
    def _check_registry(self) -> RunConfig:
        if is_registry(self.model_dir) and self.output_dir is None:
            raise ValueError("models of a registry need an `output_dir`: a directory or a URL")
        pattern = self.register_as
        if pattern is not None and ("{name}" not in pattern or pattern == "{name}"):
            raise ValueError("`register_as` is `{name}` and something else: `{name}-quantized`")
        return self

    @property
    def model_path(self) -> Path:
        """The model directory, absolute; the mirror of one in object storage."""
        return self._local(self.model_dir)

    @property
    def output_path(self) -> Path:
        """The output directory, absolute. Its last part may be a link, which publishing refuses."""
        if self.output_url is not None:
            return mirror_path(self.output_url, self.cache_dir)
        path = Path(self.output_dir or self.model_path / OUTPUT).absolute()
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
            return join_url(self.model_url, OUTPUT)
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
        """The keys that were set, as JSON values; `RunConfig.model_validate` reads them.

        Defaults are left out: an override changes only its own keys.
        """
        return self.model_dump(mode="json", exclude_unset=True)

    def settings_for(self, name: str) -> ModelSettings:
        """The settings for model `name`: the run's, then each matching override in turn."""
        values = self.model_dump(include=set(_ModelKeys.model_fields))
        gate = self.gate.model_dump()
        schemes = dict(self.schemes)
        for override in self.overrides:
            if matches(name, override.match):
                given = override.model_dump(exclude_none=True, exclude={"match", "gate", "schemes"})
                values |= given
                gate |= override.gate.model_dump(exclude_unset=True)
                # The override's own patterns come first.
                schemes = {**(override.schemes or {}), **schemes}
        return ModelSettings(
            **values,
            gate=GateConfig(**gate).policy(),
            limits=self.limits.limits(),
            overrides=tuple(schemes.items()),
        )
