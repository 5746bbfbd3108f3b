"""The run form: titles, help and limits come from the configuration.

Prefect shows a flat parameter's title, help and limits only when they come with its default value
(`x: float | None = form_field("x")`); those in an `Annotated` type are checked and not shown.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from model_quantization.config.run_config import GateConfig, LimitsConfig, RunConfig

AS_CONFIGURED = "as configured"


class OptionalField:
    """Annotates `X | None`, so that the form shows a field of type `X`.

    Prefect would show a choice between `X` and `None` as two tabs, with "None" in front.
    """

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of `X`."""
        described = handler(schema)
        kinds = [kind for kind in described.get("anyOf", ()) if kind != {"type": "null"}]
        return kinds[0] if len(kinds) == 1 else described


def form_field(
    name: str,
    *,
    owner: type[BaseModel] = RunConfig,
    blank: object = None,
    title: str = "",
    help: str = "",
) -> Any:
    """Return the default of a flat parameter: None, with the title, help and limits of the form.

    Parameters
    ----------
    blank : object
        The empty value of its type, which the form sends for a blank field.
    """
    field = owner.model_fields[name]
    shown = {"title": title or field.title or name}
    return Field(
        default=None,
        description=_help(help or field.description or "", field),
        json_schema_extra=shown if blank is None else shown | {"default": blank},
    )


def optional(
    owner: type[BaseModel], name: str, *, title: str, leave_out: Collection[str] = (), **nested: Any
) -> type[BaseModel]:
    """Return a model with the fields of `owner`, all of them optional.

    Parameters
    ----------
    leave_out : collection of str
        Fields that are in other places of the form, or cannot be on a form.
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
            Annotated[kind | None, OptionalField()],
            Field(
                default=None,
                json_schema_extra=_no_default,
                title=field.title or key.replace("_", " ").capitalize(),
                description=_help(field.description or "", field),
            ),
        )
    return create_model(name, __config__=ConfigDict(extra="forbid", title=title), **fields)


def _no_default(schema: JsonSchemaValue) -> None:
    """Remove the default: the form would send null for a blank field."""
    schema.pop("default", None)


def _help(text: str, field: FieldInfo) -> str:
    """Return `text` without markup, then the limits in words: forms do not show them otherwise."""
    text = text.replace("`", "")
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
# Both map patterns to nested values, for which Prefect's form has no field.
_WRITTEN = {"schemes", "overrides"}
SettingsForm = optional(
    RunConfig,
    "SettingsForm",
    title="More settings",
    leave_out=_FLAT | _WRITTEN,
    gate=GateForm,
    limits=LimitsForm,
)

# The flat parameters. The configuration checks them again, together with the file.
Text = Annotated[str | None, OptionalField()]
Texts = Annotated[list[str] | None, OptionalField()]
Switch = Annotated[bool | None, OptionalField()]
BitDepth = Annotated[
    Literal["as configured", "8", "16", "32", "exact", "auto"] | None,
    OptionalField(),
]
Threshold = Annotated[float, Field(ge=0)] | None
Share = Annotated[float, Field(ge=0, le=1)] | None
Workers = Annotated[int, Field(ge=1, le=64)] | None
MoreSettings = Annotated[SettingsForm | None, OptionalField()]
HELD_OUT = (
    "One file per model, with its name: .parquet, .csv, .csv.gz or .npz; without it nothing is "
    "verified."
)
MODELS = (
    "Searched recursively for .pkl, .pickle, .joblib, .sav and .skops files; or mlflow://latest or "
    "mlflow://<alias>."
)
THRESHOLD = (
    "Weights of smaller magnitude become zero; never intercepts, thresholds or leaves. "
    "None: as configured."
)
DROP = (
    "Largest loss of the held-out score; for errors, as a share of the target's standard "
    "deviation. None: as configured."
)
PATTERNS = "Such as intent*; other models stay as they are released. None: all models."


def form_values(more: BaseModel | None, **flat: Any) -> dict[str, Any]:
    """Return the values of the form, nested like a configuration; blank fields are None or absent.

    `allowed_drop` belongs to the gate, although the form shows it with the flat parameters.
    """
    nested = {} if more is None else more.model_dump(exclude_none=True)
    given = {name: None if _is_blank(value) else value for name, value in flat.items()}
    gate = nested.get("gate", {}) | {"allowed_drop": given.pop("allowed_drop", None)}
    return nested | given | {"gate": gate}


def as_parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Return values that are nested like a configuration as parameters of the flow.

    Values without a flat parameter go to `more`, which does not allow None.
    """
    nested = {name: value for name, value in given.items() if name not in _FLAT}
    allowed_drop = nested.pop("gate").get("allowed_drop")
    more = {name: value for name, value in nested.items() if value is not None}
    flat = {name: given[name] for name in given if name in _FLAT}
    return {**flat, "allowed_drop": allowed_drop, "more": more or None}


def _is_blank(value: object) -> bool:
    return value is False or value in ("", AS_CONFIGURED, [])  # False == 0.0, which is a value
