"""The first stage of a model: a candidate artifact, in its staging directory."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from ml.quantization.batch import RETRY_DELAYS_SECONDS, quantize_job
from ml.quantization.jobs import Job
from tasks.retries import may_pass


@task(
    name="quantize",
    task_run_name="quantize {job[name]}",
    retries=len(RETRY_DELAYS_SECONDS),
    retry_delay_seconds=list(RETRY_DELAYS_SECONDS),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
    result_serializer="json",
)
def quantize(job: dict[str, Any]) -> dict[str, Any]:
    """The record that evaluation goes on from. A bad model is a record, not an exception."""
    get_run_logger().info("%s: %s", job["name"], job["why"])
    return quantize_job(Job(**job))
