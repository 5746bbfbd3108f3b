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
from model_quantization.batch.run import BatchResult, finish_batch
from model_quantization.config.run_config import RunConfig
from model_quantization.numerals import plural
from model_quantization.outcome import Outcome, falls_short, verdict
from model_quantization.report.history import latest_rows, read_history, worsened
from model_quantization.report.page.next_step import next_step
from model_quantization.report.publication import REPORT
from model_quantization.report.summary import (
    advice,
    escape_markdown,
    summary_csv,
    summary_markdown,
    total_line,
)
from model_quantization.report.table import one_line, order_outcomes
from tasks.events import announce

ARTIFACT_KEY = "quantization-summary"
MODELS_WITH_EVIDENCE = 20


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
    # The last one is the first on the run's page.
    create_markdown_artifact(
        key=f"{ARTIFACT_KEY}-page",
        markdown=run_page(result, settings.output_path),
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
        "verdicts": {o.name: verdict(o) for o in result.outcomes if falls_short(o, strict=True)},
    }


def csv_rows(outcomes: Iterable[Outcome]) -> list[dict[str, str]]:
    """Return the lines of `summary.csv`, each with the same keys."""
    return list(csv.DictReader(io.StringIO(summary_csv(outcomes))))


def run_page(result: BatchResult, output_dir: Path) -> str:
    """Return the run as Markdown: the verdicts, the evidence, and the facts of the run.

    The pages of the server show no files of this machine, so that the evidence of the models that
    need somebody is repeated here, with the path of the rest.
    """
    lines = [summary_markdown(result.outcomes)]
    needy = [item for item in order_outcomes(result.outcomes) if falls_short(item, strict=True)]
    if needy:
        lines += ["## Evidence", ""]
    for item in needy[:MODELS_WITH_EVIDENCE]:
        step = next_step(item)
        stats = output_dir / "stats" / f"{item.name}.json"
        lines += [f"### {escape_markdown(item.name)}: {verdict(item)}", "", "| | |", "|---|---|"]
        cells = (
            ("why", one_line(item.note)),
            ("reason code", item.reason),
            ("what to do", step.text),
            ("rows", str(item.evaluation.get("rows", ""))),
            ("file", item.source),
            ("all figures", f"`{stats}`" if stats.is_file() else ""),
        )
        lines += [f"| {name} | {escape_markdown(text)} |" for name, text in cells if text]
        if step.configuration:
            lines += ["", "```yaml", step.configuration.rstrip(), "```"]
        lines.append("")
    if len(needy) > MODELS_WITH_EVIDENCE:
        more = plural(len(needy) - MODELS_WITH_EVIDENCE, "more model")
        lines += [f"{more} in `{output_dir / 'summary.md'}`.", ""]
    lines += ["## This run", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {escape_markdown(text)} |" for name, text in result.facts.lines()]
    page = output_dir / REPORT
    if page.is_file():
        lines += ["", f"Pictures and trends: `{page}`"]
    return "\n".join(lines) + "\n"
