"""The first stage of a model: a candidate artifact, in its staging directory."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task

from model_quantization.batch.plan import Job
from model_quantization.batch.run import quantize_job
from tasks.retries import STAGE_OPTIONS


@task(name="quantize", task_run_name="quantize {job[name]}", **STAGE_OPTIONS)
def quantize(job: dict[str, Any]) -> dict[str, Any]:
    """The record that evaluation goes on from. A bad model is a record, not an exception."""
    get_run_logger().info("%s: %s", job["name"], job["why"])
    return quantize_job(Job(**job))
