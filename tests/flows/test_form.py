"""What the form shows, and what becomes of what was filled in."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import get_call_parameters, parameter_schema
from prefect.utilities.schema_tools.validation import is_valid, validate

from flows.form import AS_CONFIGURED, SettingsForm, form_values
from flows.quantize_models import quantize_models
from model_quantization.config.run_config import GateConfig, LimitsConfig, RunConfig

SCHEMA = parameter_schema(quantize_models).model_dump_for_openapi()
BLANK_FORM = {
    "config_path": "configs/nightly.yaml",
    "model_dir": "",
    "bit_depth": AS_CONFIGURED,
    "weight_threshold": None,
    "allowed_drop": None,
    "only": [],
    "force": False,
    "strict": False,
    "output_dir": "",
    "holdout_dir": "",
    "n_workers": None,
    "more": {},
}


def test_every_parameter_has_a_title_and_help() -> None:
    properties = SCHEMA["properties"]
    assert list(properties) == list(BLANK_FORM)
    for name, shown in properties.items():
        assert shown["title"][0].isupper(), name
        assert "_" not in shown["title"], name
        assert shown["description"].endswith("."), name
    assert properties["bit_depth"]["enum"][0] == AS_CONFIGURED
    assert properties["allowed_drop"]["description"].endswith("At least 0, at most 1.")
    for definition in SCHEMA["definitions"].values():
        for name, shown in definition["properties"].items():
            assert "default" not in shown, name
            assert "$ref" in shown or shown["title"], name


def test_everything_can_be_set_on_the_form_but_what_needs_a_file() -> None:
    nested = set(SettingsForm.model_fields)
    assert nested | set(BLANK_FORM) - {"allowed_drop", "config_path", "more"} == set(
        RunConfig.model_fields
    ) - {"schemes", "overrides"}
    definitions = SCHEMA["definitions"]
    assert set(definitions["GateForm"]["properties"]) == set(GateConfig.model_fields) - {
        "allowed_drop"
    }
    assert set(definitions["LimitsForm"]["properties"]) == set(LimitsConfig.model_fields)


def test_a_blank_form_is_valid_and_changes_nothing() -> None:
    assert {name: shown.get("default") for name, shown in SCHEMA["properties"].items()} == (
        BLANK_FORM
    )
    assert is_valid(BLANK_FORM, SCHEMA)
    flat = {name: value for name, value in BLANK_FORM.items() if name not in _BESIDES}
    given = form_values(SettingsForm(), **flat)
    assert given.pop("gate") == {"allowed_drop": None}
    assert set(given.values()) == {None}


_BESIDES = ("config_path", "more")


def test_what_was_filled_in_is_nested_as_a_configuration() -> None:
    more = SettingsForm.model_validate({"gate": {"alpha": 0.1}, "target": ["a"]})
    given = form_values(more, weight_threshold=0.0, allowed_drop=0.0, force=True, only=["a*"])
    assert given == {
        "target": ("a",),
        "weight_threshold": 0.0,
        "force": True,
        "only": ["a*"],
        "gate": {"alpha": 0.1, "allowed_drop": 0.0},
    }


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"bit_depth": "7"}, "'7' is not one of"),
        ({"allowed_drop": 1.5}, "1.5 is not valid under any of the given schemas"),
        ({"n_workers": 0}, "0 is not valid"),
        ({"more": {"gate": {"alpha": 0.7}}}, "0.7 is greater than or equal to the maximum of 0.5"),
        ({"more": {"gate": {"alhpa": 0.1}}}, "alhpa"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(values: dict[str, Any], reason: str) -> None:
    errors = validate(BLANK_FORM | values, SCHEMA)
    assert reason in " ".join(error.message for error in errors)
    parameters = get_call_parameters(quantize_models.fn, (), values)
    with pytest.raises(ParameterTypeError, match=next(iter(values))):
        quantize_models.validate_parameters(parameters)
