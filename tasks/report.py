"""The last task: publishes the release, and shows every model's result on the run's page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from model_quantization.batch.plan import BatchPlan
from model_quantization.batch.run import finish_batch
from model_quantization.config.run_config import RunConfig
from model_quantization.outcome import Outcome, falls_short
from model_quantization.report.history import latest_rows, read_history, worsened
from model_quantization.report.publication import REPORT
from model_quantization.report.summary import advice, summary_csv, summary_markdown, total_line
from tasks.events import announce

ARTIFACT_KEY = "quantization-summary"


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, result_serializer="json")
def report(
    config: dict[str, Any], plan: dict[str, Any], outcomes: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the result of the run: `total` (a sentence), `release`, and names that fell short."""
    settings = RunConfig.model_validate(config)
    before = latest_rows(read_history(settings.output_path))
    done = (Outcome.from_json(outcome) for outcome in outcomes)
    result = finish_batch(settings, BatchPlan.from_json(plan), done)
    if result.outcomes:
        create_table_artifact(key=ARTIFACT_KEY, table=csv_rows(result.outcomes))
    create_markdown_artifact(
        key=f"{ARTIFACT_KEY}-page",
        markdown=run_page(result.outcomes, settings.output_path / REPORT),
    )
    announce(worsened(before, result.outcomes))
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


def csv_rows(outcomes: Iterable[Outcome]) -> list[dict[str, str]]:
    """Return the lines of `summary.csv`, each with the same keys."""
    return list(csv.DictReader(io.StringIO(summary_csv(outcomes))))


def run_page(outcomes: Iterable[Outcome], page: Path) -> str:
    """Return the verdicts as Markdown, and the path of the report page if there is one."""
    text = summary_markdown(outcomes)
    return f"{text}\nPictures and trends: `{page}`\n" if page.is_file() else text
