"""The last task: the release is published, and the run shows what became of every model."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from ml.quantization.batch import falls_short, finish_batch
from ml.quantization.config import RunConfig
from ml.quantization.jobs import BatchPlan
from ml.quantization.outcome import Outcome
from ml.quantization.report import advice, summary_markdown, total_line
from ml.quantization.table import table_rows

ARTIFACT_KEY = "quantization-summary"


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, result_serializer="json")
def report(
    config: dict[str, Any], plan: dict[str, Any], outcomes: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the run came to: `total` (one sentence), `release`, and the names that `fell_short`."""
    settings = RunConfig.model_validate(config)
    done = (Outcome.from_json(outcome) for outcome in outcomes)
    result = finish_batch(settings, BatchPlan.from_json(plan), done)
    if result.outcomes:
        create_table_artifact(key=ARTIFACT_KEY, table=table_rows(result.outcomes))
    create_markdown_artifact(key=f"{ARTIFACT_KEY}-page", markdown=summary_markdown(result.outcomes))
    log = get_run_logger()
    for sentence in advice(result.shortfalls(strict=True)):
        log.warning("%s", sentence)
    log.info("%s Release %d.", total_line(result.outcomes), result.release.number)
    return {
        "release": result.release.number,
        "total": total_line(result.outcomes),
        "models": len(result.outcomes),
        "broken": [o.name for o in result.outcomes if falls_short(o, strict=False)],
        "fell_short": [o.name for o in result.outcomes if falls_short(o, strict=settings.strict)],
    }
