"""Describes the configuration: a JSON schema for editors, and tables for the documentation.

    python -m model_quantization.config.schema docs

writes docs/configuration.schema.json, and the tables of docs/configuration.md between their marks.
An editor that knows YAML completes and checks a file that begins with
`# yaml-language-server: $schema=../docs/configuration.schema.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from model_quantization.config.run_config import GateConfig, LimitsConfig, ModelOverride, RunConfig

SCHEMA = "configuration.schema.json"
PAGE = "configuration.md"
BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->\n"
_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Keys of a run", RunConfig),
    ("Keys below `gate`", GateConfig),
    ("Keys of an item of `overrides`", ModelOverride),
    ("Keys below `limits`", LimitsConfig),
)


def schema_text() -> str:
    """The text of the schema's file."""
    schema = RunConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Configuration of a quantization run"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def tables_text() -> str:
    """Every key with its default and its meaning, as Markdown."""
    return "\n".join(line for title, owner in _SECTIONS for line in _table(title, owner))


def with_tables(page: str) -> str:
    """The page with new tables.

    Raises
    ------
    ValueError
        The page has no marks for them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}{tables_text()}{END}{after}"


def _table(title: str, owner: type[BaseModel]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for key, field in owner.model_fields.items():
        described = (field.description or "See below.").replace("|", "\\|").replace("<", "\\<")
        yield f"| `{key}` | {_default(field)} | {described} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ((), {}):
        return ""
    return f"`{json.dumps(value)}`"


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Write the schema and the tables of a directory.")
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    (directory / SCHEMA).write_text(schema_text(), encoding="utf-8")
    page = directory / PAGE
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
