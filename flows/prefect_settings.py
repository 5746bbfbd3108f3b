"""Prefect's settings for this project, for flows that are started anywhere.

Prefect reads `[tool.prefect]` of a pyproject.toml in the working directory only. This module sets
the same values as environment variables, which the embedded server reads too. A variable that is
already set keeps its value.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


def use_project_settings(project: Path = PROJECT) -> None:
    """Set the project's settings in the environment, except those that the user has set.

    Without a Prefect profile of the user, runs are stored in `.prefect/` of the project instead of
    the home directory.
    """
    defaults = {"DO_NOT_TRACK": "1"}
    pyproject = project / "pyproject.toml"
    if pyproject.is_file():
        tools = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {})
        defaults |= dict(variables(tools.get("prefect", {})))
        if not (Path.home() / ".prefect" / "profiles.toml").exists():
            defaults["PREFECT_HOME"] = str(project / ".prefect")
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def variables(table: Mapping[str, Any], prefix: str = "PREFECT") -> Iterator[tuple[str, str]]:
    """Yield name and text of the environment variable for every leaf of a settings table."""
    for key, value in table.items():
        name = f"{prefix}_{key.upper()}"
        if isinstance(value, Mapping):
            yield from variables(value, name)
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
