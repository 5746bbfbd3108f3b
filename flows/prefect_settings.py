"""Prefect's settings for this project, for flows that are started anywhere, installed or not.

They stand in `prefect.toml` beside this file. Prefect itself reads such a file in the working
directory only. This module sets the same values as environment variables, which the embedded server
reads too. A variable that is already set keeps its value. For a server of your own:

    eval "$(python -m flows.prefect_settings)" && prefect server start
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from model_quantization.places import find_project

# The directory that holds the packages `flows` and `tasks`: a checkout, or installed packages.
CODE = Path(__file__).resolve().parent.parent
IN_CHECKOUT = (CODE / "pyproject.toml").is_file()


def project_directory() -> Path | None:
    """Return the project of the working directory, else the checkout of this code; None without."""
    return find_project() or (find_project(CODE) if IN_CHECKOUT else None)


def settings() -> dict[str, str]:
    """Return the settings as environment variables."""
    text = (files("flows") / "prefect.toml").read_text(encoding="utf-8")
    return {"DO_NOT_TRACK": "1"} | dict(variables(tomllib.loads(text)))


def use_project_settings() -> None:
    """Set the settings in the environment, except those that the user has set.

    Without a Prefect profile of the user, runs are stored in `.prefect/` of the project instead of
    the home directory.
    """
    values = settings()
    project = project_directory()
    if project is not None and not (Path.home() / ".prefect" / "profiles.toml").exists():
        values["PREFECT_HOME"] = str(project / ".prefect")
    for name, value in values.items():
        os.environ.setdefault(name, value)


def variables(table: Mapping[str, Any], prefix: str = "PREFECT") -> Iterator[tuple[str, str]]:
    """Yield name and text of the environment variable for every leaf of a settings table."""
    for key, value in table.items():
        name = f"{prefix}_{key.upper()}"
        if isinstance(value, Mapping):
            yield from variables(value, name)
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings().items()))
