"""Records cross a process as JSON and come back equal; anything else is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_quantization.errors import FormatError, HeldOutError, QuantizationError
from model_quantization.records import ErrorRecord, Record, parse


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner(Record):
    weight: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outer(Record):
    inner: Inner
    colour: Colour
    path: Path | None
    pairs: tuple[tuple[str, dict[str, Any]], ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


TEXT = st.text("aé/ \U0001f600\ud800", max_size=4)
INNER = st.builds(Inner, st.floats(allow_nan=False, allow_infinity=False), st.tuples(TEXT, TEXT))
OUTER = st.builds(
    Outer,
    INNER,
    st.sampled_from(Colour),
    st.none() | st.builds(Path, st.sampled_from(["/a/b", "c", "."])),
    st.lists(st.tuples(TEXT, st.dictionaries(TEXT, st.integers(-9, 9) | TEXT))).map(tuple),
    st.dictionaries(TEXT, TEXT),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)
GOOD = Outer(Inner(1.5), Colour.RED, Path("/a"))


@given(OUTER)
def test_a_record_comes_back_equal(record: Outer) -> None:
    written = json.loads(json.dumps(record.to_json()))
    assert written == record.to_json() == json.loads(json.dumps(record.to_wire()))
    assert Outer.from_json(written) == record


@given(JSON)
def test_any_other_json_is_a_format_error(value: Any) -> None:
    with pytest.raises(FormatError, match="not a record of the type Outer"):
        Outer.from_json(value)


@given(st.sampled_from(["inner", "colour", "path", "pairs", "notes"]), JSON)
def test_any_value_of_a_field_is_read_or_refused(name: str, value: Any) -> None:
    try:
        read = Outer.from_json(GOOD.to_json() | {name: value})
    except FormatError as error:
        assert error.got
    else:
        again = Outer.from_json(read.to_json())
        assert json.dumps(again.to_json()) == json.dumps(read.to_json())
        assert type(getattr(read, name)) in (
            Inner,
            Colour,
            type(Path("a")),
            type(None),
            tuple,
            dict,
        )


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"colour": "green"}, r"Invalid enum value 'green' - at `\$\.colour`"),
        ({"inner": {"weight": "1"}}, r"Expected `float`, got `str` - at `\$\.inner\.weight`"),
        ({"inner": {"weight": True}}, r"Expected `float`, got `bool`"),
        ({"inner": {"weight": 10**400}}, "Number out of range"),
        ({"inner": {}}, "missing required field `weight`"),
        ({"path": 3}, r"Expected.*got.*int.*\$\.path"),
        ({"pairs": [["a"]]}, "Expected `array` of length 2, got 1"),
    ],
)
def test_the_message_names_the_place(change: dict[str, Any], got: str) -> None:
    with pytest.raises(FormatError, match=got):
        Outer.from_json(GOOD.to_json() | change)


def test_newer_keys_are_ignored_and_older_records_get_the_defaults() -> None:
    record = GOOD.to_json()
    assert Outer.from_json(record | {"added_later": 1}) == GOOD
    assert Outer.from_json({key: record[key] for key in ("inner", "colour", "path")}) == GOOD


def test_keys_stand_in_the_order_of_the_fields_and_numbers_are_plain() -> None:
    record = Outer(Inner(np.float64(0.5)), Colour.BLUE, None).to_json()
    assert list(record) == ["inner", "colour", "path", "pairs", "notes"]
    assert json.dumps(record["inner"]) == '{"weight": 0.5, "names": []}'
    with pytest.raises(TypeError, match="a object has no JSON form"):
        Outer(Inner(1.0), Colour.RED, None, (("a", {"b": object()}),)).to_json()


def test_types_made_of_records() -> None:
    assert parse([{"weight": 1}], tuple[Inner, ...]) == (Inner(1.0),)
    with pytest.raises(FormatError, match=r"\$\[0\]"):
        parse([{"weight": None}], tuple[Inner, ...])


def test_errors_cross_as_records() -> None:
    error = HeldOutError("no rows", where="a.csv", expected="1 row", got="none", do="add rows")
    again = ErrorRecord.from_json(ErrorRecord.of(error).to_json()).error()
    assert type(again) is HeldOutError and again.fields() == error.fields()
    unknown = ErrorRecord("os.system", ErrorRecord.of(error).fields).error()
    assert type(unknown) is QuantizationError
