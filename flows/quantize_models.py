"""The nightly run: discover, quantize, evaluate, report.

Scheduled and by hand through the deployments of prefect.yaml; without a server as

    python -m flows.quantize_models --config configs/nightly.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from prefect import State, flow
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from flows.clusters import dask_workers, process_shards
from flows.conclusion import conclude
from flows.configuration import configure
from flows.form import MoreSettings, asked, given_in
from ml.quantization.config import GateConfig, RunConfig
from ml.quantization.jobs import claim
from tasks.discovery import discover
from tasks.evaluation import evaluate, outcome_of
from tasks.progress import show_progress
from tasks.quantization import quantize
from tasks.report import report

JOBS_PER_WAVE = 16


@flow(name="quantize-models")
def quantize_models(
    config_path: str = Field(
        "configs/nightly.yaml",
        description="The YAML file to start from; what is left empty below is as it says.",
        json_schema_extra={"title": "Configuration"},
    ),
    model_dir: str | None = asked("model_dir"),
    bit_depth: Literal["8", "16", "32", "exact", "auto"] | None = asked("bit_depth"),
    weight_threshold: Annotated[float, Field(ge=0)] | None = asked("weight_threshold"),
    allowed_drop: Annotated[float, Field(ge=0, le=1)] | None = asked(
        "allowed_drop", owner=GateConfig
    ),
    only: list[str] | None = asked("only", title="Name patterns"),
    force: bool | None = asked("force"),
    strict: bool | None = asked("strict"),
    output_dir: str | None = asked("output_dir"),
    holdout_dir: str | None = asked("holdout_dir"),
    n_workers: Annotated[int, Field(ge=1, le=64)] | None = asked("n_workers"),
    more: MoreSettings | None = Field(
        None,
        description="Everything else, gate and limits included; empty means as in the file.",
        json_schema_extra={"title": "More settings"},
    ),
) -> State[Any]:
    """Quantize the models of a directory, prove that nothing was lost, publish what passed.

    What is not given here is as the configuration file has it.
    """
    further = given_in(more)
    gate = further.pop("gate", {}) | {"allowed_drop": allowed_drop}
    config = configure(
        config_path,
        **further,
        model_dir=model_dir,
        output_dir=output_dir,
        holdout_dir=holdout_dir,
        bit_depth=bit_depth,
        weight_threshold=weight_threshold,
        gate=gate,
        only=only,
        force=force,
        strict=strict,
        n_workers=n_workers,
    )
    options = config.to_json()
    with claim(config), workers(config) as runner:
        plan = discover(options)
        if config.task_runner == "threads":
            done = process(plan["jobs"], runner)
        else:
            done = process_shards(plan["jobs"], runner, config)
        outcomes = list(show_progress(done, total=len(plan["jobs"])))
        summary = report(options, plan, outcomes)
    return conclude(summary, strict=config.strict)


def workers(config: RunConfig) -> TaskRunner[Any]:
    """Where the models are done: on threads, as the heavy work is in child processes, or afar."""
    if config.task_runner == "dask":
        return dask_workers(config)
    return ThreadPoolTaskRunner(max_workers=config.n_workers)


def process(jobs: list[dict[str, Any]], runner: TaskRunner[Any]) -> Iterator[dict[str, Any]]:
    """The outcome of every job, in order; one bad model never stops the rest.

    Jobs are queued in waves, so that a killed run has finished what it began long ago.
    """
    running = []
    for start in range(0, len(jobs), JOBS_PER_WAVE):
        wave = jobs[start : start + JOBS_PER_WAVE]
        quantized = runner.map(quantize, {"job": wave})
        work = [{"job": job, "record": made} for job, made in zip(wave, quantized, strict=True)]
        evaluated = runner.map(evaluate, {"work": work})
        running += zip(wave, quantized, evaluated, strict=True)
    for job, first, second in running:
        yield outcome_of(job, first, second)


if __name__ == "__main__":
    from flows.command_line import main

    sys.exit(main(quantize_models))
