"""Models, and a Prefect server, for the tests of the flow on clusters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_RESULTS_LOCAL_STORAGE_PATH,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from model_quantization.batch.run import run_batch
from model_quantization.config.file import load_config
from tests.model_directory import write_models


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    results = tmp_path_factory.mktemp("results")
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings(
            {
                PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
                PREFECT_RESULTS_LOCAL_STORAGE_PATH: results,
            }
        ),
    ):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, and what the plain loop makes of them, in `plain`."""
    root = tmp_path_factory.mktemp("cluster")
    models, held_out = write_models(root)
    values = {"model_dir": str(models), "holdout_dir": str(held_out), "latency_seconds": 0}
    (root / "run.yaml").write_text(yaml.safe_dump(values))
    run_batch(load_config(root / "run.yaml", given={"output_dir": str(root / "plain")}))
    return root
