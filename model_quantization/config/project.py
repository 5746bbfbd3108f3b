"""The held-out rows of a project, for a command that is given none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_quantization.config.file import load_config
from model_quantization.files.object_store import is_url
from model_quantization.places import MARKS, find_project

NIGHTLY = MARKS[1]


def project_rows(models: str | Path) -> dict[str, Any]:
    """Return the keys `holdout_dir` and `target` of the project that models belong to.

    A release that `run` has proven must not be replaced by one without proof, only because
    another command was used: so the project's nightly configuration says where the rows are.

    Parameters
    ----------
    models : path
        A directory of models, or a model's file.

    Returns
    -------
    dict
        Empty outside a project, for models that its configuration does not name, and where that
        names no held-out directory.

    Raises
    ------
    ConfigError
        The project's configuration cannot be used.
    """
    if is_url(str(models)):
        return {}
    project = find_project(Path(models))
    if project is None:
        return {}
    nightly = load_config(project / NIGHTLY)
    if nightly.holdout_dir is None or is_url(nightly.model_dir):
        return {}
    here, theirs = Path(models).resolve(), nightly.model_path.resolve()
    if theirs != here and not (here.is_file() and theirs in here.parents):
        return {}
    return {"holdout_dir": nightly.holdout_dir, "target": list(nightly.target)}
