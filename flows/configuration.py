"""The configuration of a flow run: a file, and the parameters of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.prefect_settings import project_directory
from model_quantization.config.file import load_config
from model_quantization.config.run_config import RunConfig


def configure(config_path: str, **given: Any) -> RunConfig:
    """Return the configuration at `config_path` with the values `given`; None means not given.

    A relative path starts at the working directory. When there is no such file, it starts at the
    project's directory, so that `configs/nightly.yaml` is found from anywhere.

    Raises
    ------
    ConfigError
        No such file, or something in it or in the parameters that cannot be used.
    """
    path, project = Path(config_path), project_directory()
    found = path if path.exists() or project is None else project / path
    return load_config(found, given=given)
