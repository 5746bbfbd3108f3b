"""The first task: finds the models, and those that have to be quantized."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from model_quantization.batch.plan import plan_batch
from model_quantization.config.run_config import RunConfig


@task(name="discover", task_run_name="discover", cache_policy=NO_CACHE, result_serializer="json")
def discover(config: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of the run (`BatchPlan.to_json`): jobs, settled outcomes, present models."""
    plan = plan_batch(RunConfig.model_validate(config))
    log = get_run_logger()
    log.info("%d models to quantize, %d need nothing", len(plan.jobs), len(plan.settled))
    for job in plan.jobs:
        log.info("%s: %s", job.name, job.why)
    return plan.to_json()
