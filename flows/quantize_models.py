"""The nightly run: discover, quantize, evaluate, report.

Scheduled and by hand through the deployments of prefect.yaml; without a server as

    python -m flows.quantize_models --config configs/nightly.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from prefect import State, flow
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import opaque, quote
from pydantic import Field

from flows.clusters.dask import dask_cluster
from flows.clusters.ray import ray_cluster
from flows.clusters.shards import process_shards
from flows.conclusion import conclude
from flows.configuration import configure
from flows.form import (
    AS_CONFIGURED,
    DROP,
    HELD_OUT,
    MODELS,
    PATTERNS,
    THRESHOLD,
    BitDepth,
    More,
    Share,
    Switch,
    Text,
    Texts,
    Threshold,
    Workers,
    asked,
    filled_in,
)
from model_quantization.batch.plan import claim
from model_quantization.config.run_config import GateConfig, RunConfig
from tasks.discovery import discover
from tasks.evaluation import evaluate, outcome_of
from tasks.progress import show_progress
from tasks.quantization import quantize
from tasks.report import report

JOBS_PER_WAVE = 16
CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster}


@flow(name="quantize-models")
def quantize_models(
    config_path: str = Field(
        "configs/nightly.yaml",
        description="The YAML file to start from; what is left empty below is as it says.",
        json_schema_extra={"title": "Configuration"},
    ),
    model_dir: Text = asked("model_dir", blank="", help=MODELS),
    bit_depth: BitDepth = asked("bit_depth", blank=AS_CONFIGURED),
    weight_threshold: Threshold = asked("weight_threshold", help=THRESHOLD),
    allowed_drop: Share = asked("allowed_drop", owner=GateConfig, help=DROP),
    only: Texts = asked("only", blank=[], title="Name patterns", help=PATTERNS),
    force: Switch = asked("force", blank=False),
    strict: Switch = asked("strict", blank=False),
    output_dir: Text = asked("output_dir", blank=""),
    holdout_dir: Text = asked("holdout_dir", blank="", help=HELD_OUT),
    n_workers: Workers = asked("n_workers"),
    more: More = Field(
        None,
        description="Gate, limits and the rest; what is left empty is as the file says.",
        json_schema_extra={"title": "All other settings", "default": {}},
    ),
) -> State[Any]:
    """Quantize the models of a directory, prove that nothing was lost, publish what passed.

    What is not given here is as the configuration file has it.
    """
    given = filled_in(
        more,
        model_dir=model_dir,
        output_dir=output_dir,
        holdout_dir=holdout_dir,
        bit_depth=bit_depth,
        weight_threshold=weight_threshold,
        allowed_drop=allowed_drop,
        only=only,
        force=force,
        strict=strict,
        n_workers=n_workers,
    )
    config = configure(config_path, **given)
    options = config.to_json()
    with claim(config):
        plan = discover(quote(options))
        done = process(plan["jobs"], config)
        outcomes = list(show_progress(done, total=len(plan["jobs"])))
        summary = report(quote(options), quote(plan), quote(outcomes))
    return conclude(summary, strict=config.strict)


def process(jobs: list[dict[str, Any]], config: RunConfig) -> Iterator[dict[str, Any]]:
    """The outcome of every job: on threads, as the heavy work is in child processes, or afar."""
    if not jobs:
        return
    if config.task_runner == "threads":
        with ThreadPoolTaskRunner(max_workers=config.n_workers) as runner:
            yield from process_on_threads(jobs, runner)
    else:
        with CLUSTERS[config.task_runner](config) as cluster:
            yield from process_shards(jobs, cluster, config)


def process_on_threads(
    jobs: list[dict[str, Any]], runner: TaskRunner[Any]
) -> Iterator[dict[str, Any]]:
    """The outcome of every job, in order; one bad model never stops the rest.

    Jobs are queued in waves, so that a killed run has finished what it began long ago. What a task
    gets is marked as data, in which Prefect need not look for futures: that search took longer
    than all else it does in this process.
    """
    running = []
    for start in range(0, len(jobs), JOBS_PER_WAVE):
        wave = jobs[start : start + JOBS_PER_WAVE]
        quantized = runner.map(quantize, {"job": quote(wave)})
        work = [
            {"job": quote(job), "record": opaque(made)}
            for job, made in zip(wave, quantized, strict=True)
        ]
        evaluated = runner.map(evaluate, {"work": work})
        running += zip(wave, quantized, evaluated, strict=True)
    for job, first, second in running:
        yield outcome_of(job, first, second)


if __name__ == "__main__":
    from flows.command_line import main

    sys.exit(main(quantize_models))
