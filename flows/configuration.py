"""The configuration of a flow run: a file of this project, and the parameters that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.prefect_settings import PROJECT
from model_quantization.config.file import load_config
from model_quantization.config.run_config import RunConfig


def configure(config_path: str, **given: Any) -> RunConfig:
    """The configuration at `config_path` with what was `given`; None means not given.

    A relative path counts from the working directory, and where nothing is there, from the
    project's: `configs/nightly.yaml` is found from anywhere.

    Raises
    ------
    ConfigError
        No such file, or something in it or in the parameters that cannot be used.
    """
    path = Path(config_path)
    return load_config(path if path.exists() else PROJECT / path, given=given)
