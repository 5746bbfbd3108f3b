"""The schema and the tables in docs/ are those of the code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from model_quantization.config.run_config import RunConfig
from model_quantization.config.schema import BEGIN, END, schema_text, tables_text, with_tables

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12),
    reason="pydantic before 2.12 describes the same keys in other words",
)
def test_the_files_are_up_to_date() -> None:
    page = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    written = (PROJECT / "docs" / "configuration.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(), "run `make docs`"
    assert with_tables(page) == page, "run `make docs`"


def test_the_schema_says_what_the_model_does() -> None:
    schema = json.loads(schema_text())
    assert set(schema["properties"]) == set(RunConfig.model_fields)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["n_workers"]["maximum"] == 64
    assert schema["properties"]["bit_depth"]["description"]


def test_every_key_has_a_row() -> None:
    for key in (*RunConfig.model_fields, "allowed_drop", "match", "file_bytes"):
        assert f"| `{key}` |" in tables_text()


def test_a_page_without_the_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="no lines"):
        with_tables("# Page\n")


def test_the_command_writes_both(tmp_path: Path) -> None:
    (tmp_path / "configuration.md").write_text(f"before\n{BEGIN}old\n{END}after\n")
    subprocess.run(
        [sys.executable, "-m", "model_quantization.config.schema", str(tmp_path)], check=True
    )
    page = (tmp_path / "configuration.md").read_text()
    assert page == f"before\n{BEGIN}{tables_text()}{END}after\n"
    assert (tmp_path / "configuration.schema.json").read_text() == schema_text()
