"""Several models in one task, one after the other, for workers of a cluster."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from model_quantization.batch.plan import Job
from model_quantization.batch.shards import run_shard
from model_quantization.report.summary import describe


# Without retries: transient failures are retried inside, model by model. The cluster sends a shard
# again when its worker died.
@task(
    name="quantize-shard",
    task_run_name="shard {shard[label]}",
    cache_policy=NO_CACHE,
    result_serializer="json",
)
def quantize_shard(shard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the outcomes (`Outcome.to_json`) of the shard's `jobs`, in their order."""
    log = get_run_logger()
    outcomes = []
    for outcome in run_shard([Job.from_json(job) for job in shard["jobs"]]):
        log.info("%s", describe(outcome))
        outcomes.append(outcome.to_json())
    return outcomes


def describe_shard(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the parameter of `quantize_shard` for these jobs."""
    more = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    return {"label": f"{jobs[0]['name']}{more}", "jobs": jobs}
