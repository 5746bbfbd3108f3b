"""What a person is asked on the run form: the words and limits of the configuration, once.

Prefect shows a flat parameter's title, help and limits only when they come with its default value
(`x: float | None = asked("x")`); those in an `Annotated` type are checked and not shown.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from ml.quantization.config import GateConfig, LimitsConfig, RunConfig


def asked(name: str, *, owner: type[BaseModel] = RunConfig, title: str = "", help: str = "") -> Any:
    """The default of a flat parameter: not given, with the title, help and limits of the form."""
    field = owner.model_fields[name]
    return Field(
        default=None,
        description=_help(help or field.description or "", field),
        json_schema_extra={"title": title or field.title or name},
    )


def optional(
    owner: type[BaseModel], name: str, *, title: str, leave_out: Collection[str] = (), **nested: Any
) -> type[BaseModel]:
    """A model with the fields of `owner`, none of which has to be given.

    Parameters
    ----------
    leave_out : collection of str
        Fields that are asked for elsewhere, or cannot be asked for on a form.
    **nested : type
        Optional models for the fields that are models themselves.
    """
    fields: dict[str, Any] = {}
    for key, field in owner.model_fields.items():
        if key in leave_out:
            continue
        kind = nested.get(key, field.annotation)
        if key not in nested and field.metadata:
            kind = Annotated[(kind, *field.metadata)]
        fields[key] = (
            kind | None,
            Field(
                default=None,
                title=field.title or key.replace("_", " ").capitalize(),
                description=_help(field.description or "", field),
            ),
        )
    return create_model(name, __config__=ConfigDict(extra="forbid", title=title), **fields)


def _help(text: str, field: FieldInfo) -> str:
    """`text`, then the limits in words: a form shows them no other way."""
    limits = []
    for limit in sorted(field.metadata, key=lambda item: type(item).__name__):  # lower ones first
        match limit:
            case annotated_types.Ge(ge=least):
                limits.append(f"at least {least:,}")
            case annotated_types.Gt(gt=bound):
                limits.append(f"more than {bound:,}")
            case annotated_types.Le(le=most):
                limits.append(f"at most {most:,}")
            case annotated_types.Lt(lt=bound):
                limits.append(f"less than {bound:,}")
    if not limits:
        return text
    words = ", ".join(limits)
    return f"{text} {words[0].upper()}{words[1:]}.".strip()


GateForm = optional(GateConfig, "GateForm", title="Gate", leave_out={"allowed_drop"})
LimitsForm = optional(LimitsConfig, "LimitsForm", title="Limits")
_FLAT = {
    "model_dir",
    "output_dir",
    "holdout_dir",
    "bit_depth",
    "weight_threshold",
    "only",
    "force",
    "strict",
    "n_workers",
}
# Both hold schemes of any shape by pattern: a YAML file is the place for them.
_WRITTEN = {"schemes", "overrides"}
MoreSettings = optional(
    RunConfig,
    "MoreSettings",
    title="More settings",
    leave_out=_FLAT | _WRITTEN,
    gate=GateForm,
    limits=LimitsForm,
)


def given_in(more: BaseModel | None) -> dict[str, Any]:
    """What was filled in, nested as a configuration is; what was left empty is not there."""
    return {} if more is None else more.model_dump(exclude_none=True)
