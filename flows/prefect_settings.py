"""Prefect's settings for this project, from wherever a flow is started.

Prefect reads `[tool.prefect]` of pyproject.toml only when that lies in the working directory. Here
the same table becomes environment variables, which reach the embedded server as well. A variable
that is already set stays as it is.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


def use_project_settings(project: Path = PROJECT) -> None:
    """Every setting of the project is in the environment, unless the user's own is there.

    Without a Prefect profile of the user's, runs are kept in `.prefect/` of the project instead of
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
    """The environment variable and its text for every leaf of a settings table."""
    for key, value in table.items():
        name = f"{prefix}_{key.upper()}"
        if isinstance(value, Mapping):
            yield from variables(value, name)
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
