"""Where a project's files lie: its root, and the directory of its models."""

from __future__ import annotations

import os
from pathlib import Path

# A directory with both is a project; `model-quantization init` writes them.
MARKS = ("prefect.yaml", "configs/nightly.yaml")
DOCUMENTED_MODEL_DIR, PROJECT_MODEL_DIR = "ml/models", "models"


def find_project(start: Path | None = None) -> Path | None:
    """Return the project of a directory: itself or the nearest one above; None without any.

    Parameters
    ----------
    start : Path, optional
        Default: the working directory.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if all((folder / mark).is_file() for mark in MARKS):
            return folder
    return None


def configuration_path(path: str) -> Path:
    """Return the path of a configuration file: as it was given, else below the project's root.

    So `configs/nightly.yaml` is found from every directory of a project.
    """
    project = find_project()
    named = Path(path)
    return named if named.exists() or project is None else project / named


def default_model_dir() -> str:
    """Return the default directory of models.

    ``ML_MODEL_DIR``, else ``ml/models``; where the working directory has none, the ``models`` of a
    project that `model-quantization init` started.
    """
    named = os.environ.get("ML_MODEL_DIR")
    if named:
        return named
    if Path(PROJECT_MODEL_DIR).is_dir() and not Path(DOCUMENTED_MODEL_DIR).is_dir():
        return PROJECT_MODEL_DIR
    return DOCUMENTED_MODEL_DIR
