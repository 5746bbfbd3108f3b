"""Recipes: which scheme each role gets, overrides, one step wider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_quantization.errors import ConfigError
from model_quantization.schemes.recipe import BIT_DEPTHS, Recipe, recipe_for
from model_quantization.schemes.scheme import (
    EXACT_ROLES,
    Affine,
    Codebook,
    Exact,
    Float,
    Role,
    Scheme,
    Slot,
    scheme_from_json,
    scheme_to_json,
)

DEPTHS = [depth for depth in BIT_DEPTHS if depth != "auto"]
SCHEMES: list[Scheme] = [
    Exact(),
    *(Float(bits) for bits in (16, 32)),
    *(Affine(b, g, s) for b in (8, 16) for g in ("channel", "array") for s in (True, False)),
    *(Codebook(bits) for bits in (4, 6, 8)),
]  # fmt: skip


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("role", Role)
def test_every_role_has_a_scheme_that_its_slot_allows(depth: str, role: Role) -> None:
    scheme = recipe_for(depth).rule(role)
    assert Slot(role).allows(scheme)
    if role in EXACT_ROLES or depth == "exact":
        assert scheme == Exact()


@pytest.mark.parametrize(("depth", "bits"), [("8", 8), ("16", 16), ("32", 32)])
def test_weights_get_the_bits_that_were_asked_for(depth: str, bits: int) -> None:
    assert getattr(recipe_for(depth).rule(Role.WEIGHT), "bits", None) == bits


def test_a_number_is_as_good_as_its_name() -> None:
    assert recipe_for(8) == recipe_for("8")


def test_static_ranges_are_one_an_array() -> None:
    scheme = recipe_for(8, dynamic=False).rule(Role.WEIGHT)
    assert scheme == Affine(8, "array")
    assert recipe_for(32, dynamic=False).rule(Role.WEIGHT) == Float(32)


def test_the_exact_recipe_prunes_nothing() -> None:
    assert recipe_for("exact", 0.5).weight_threshold == 0.0
    assert recipe_for(8, 0.5).weight_threshold == 0.5


def test_a_recipe_is_exact_until_an_override_rounds() -> None:
    assert recipe_for("exact").exact and recipe_for("auto").exact
    assert not recipe_for(32).exact
    assert not recipe_for("exact", overrides=(("*", Float(16)),)).exact
    assert recipe_for("exact", overrides=(("*", Exact()),)).exact


def test_the_first_override_that_matches_wins() -> None:
    recipe = recipe_for(8, overrides=(("steps/clf/*", {"kind": "exact"}), ("*coef_", Float(16))))
    assert recipe.override("steps/clf/coef_") == Exact()
    assert recipe.override("steps/other/coef_") == Float(16)
    assert recipe.override("intercept_") is None
    assert recipe.override("COEF_") is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"bit_depth": 7}, r"bit_depth: unknown bit depth; expected exact, auto, 32, 16, 8, got 7"),
        ({"bit_depth": True}, "unknown bit depth"),
        ({"bit_depth": 8, "weight_threshold": -1.0}, "weight_threshold: not a threshold"),
        ({"bit_depth": 8, "weight_threshold": float("nan")}, "a finite number >= 0, got nan"),
        ({"bit_depth": 8, "weight_threshold": float("inf")}, "a finite number >= 0, got inf"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        recipe_for(**arguments)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ({"kind": "zip"}, r"overrides\['x'\]: unknown scheme kind 'zip'"),
        ({"kind": "float", "bits": 8}, "bits must be one of"),
        ({"kind": "exact", "bits": 8}, "scheme exact"),
        ({}, "unknown scheme kind None"),
    ],
)
def test_an_override_that_is_no_scheme(scheme: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        recipe_for(8, overrides=(("x", scheme),))


def test_a_recipe_as_json() -> None:
    recipe = recipe_for(16, 0.01, dynamic=False, overrides=(("a/*", Codebook(4)),))
    record = json.loads(json.dumps(recipe.to_json()))
    assert record == {
        "bit_depth": "16",
        "weight_threshold": 0.01,
        "dynamic": False,
        "overrides": [["a/*", {"kind": "codebook", "bits": 4}]],
    }
    again = recipe_for(
        record["bit_depth"],
        record["weight_threshold"],
        dynamic=record["dynamic"],
        overrides=tuple((pattern, scheme) for pattern, scheme in record["overrides"]),
    )
    assert again == recipe


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_schemes_survive_json(scheme: Scheme) -> None:
    assert scheme_from_json(json.loads(json.dumps(scheme_to_json(scheme)))) == scheme


def test_a_bare_recipe_rounds_nothing() -> None:
    assert all(Recipe().rule(role) == Exact() for role in Role)
