"""The first stage of a model: writes a candidate artifact into its staging directory."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task

from model_quantization.batch.plan import Job
from model_quantization.batch.run import quantize_job
from tasks.retries import STAGE_OPTIONS


@task(name="quantize", task_run_name="quantize {job[name]}", **STAGE_OPTIONS)
def quantize(job: dict[str, Any]) -> dict[str, Any]:
    """Return the record that `evaluate` needs; a bad model gives a record, not an exception."""
    get_run_logger().info("%s: %s", job["name"], job["why"])
    return quantize_job(Job.from_json(job)).to_json()
