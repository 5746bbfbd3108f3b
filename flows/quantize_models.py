"""The flow: discovers, quantizes, evaluates and reports.

The deployments of prefect.yaml run it on a schedule, by hand and from CI. Without a server:

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
from flows.configuration import configure
from flows.final_state import final_state
from flows.form import (
    AS_CONFIGURED,
    DROP,
    HELD_OUT,
    MODELS,
    PATTERNS,
    THRESHOLD,
    BitDepth,
    MoreSettings,
    Share,
    Switch,
    Text,
    Texts,
    Threshold,
    Workers,
    form_field,
    form_values,
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
        description="The YAML file; it gives the values of empty fields.",
        json_schema_extra={"title": "Configuration"},
    ),
    model_dir: Text = form_field("model_dir", blank="", help=MODELS),
    bit_depth: BitDepth = form_field("bit_depth", blank=AS_CONFIGURED),
    weight_threshold: Threshold = form_field("weight_threshold", help=THRESHOLD),
    allowed_drop: Share = form_field("allowed_drop", owner=GateConfig, help=DROP),
    only: Texts = form_field("only", blank=[], title="Name patterns", help=PATTERNS),
    force: Switch = form_field("force", blank=False),
    strict: Switch = form_field("strict", blank=False),
    output_dir: Text = form_field("output_dir", blank=""),
    holdout_dir: Text = form_field("holdout_dir", blank="", help=HELD_OUT),
    n_workers: Workers = form_field("n_workers"),
    more: MoreSettings = Field(
        None,
        description="Gate, limits and other settings; the file gives the values of empty fields.",
        json_schema_extra={"title": "All other settings", "default": {}},
    ),
) -> State[Any]:
    """Quantize the models of a directory, prove that nothing was lost, publish what passed.

    The configuration file gives the value of every parameter that is not set.
    """
    given = form_values(
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
    return final_state(summary, strict=config.strict)


def process(jobs: list[dict[str, Any]], config: RunConfig) -> Iterator[dict[str, Any]]:
    """Yield the outcome of every job, on threads or on a cluster.

    Threads are enough on one machine: the heavy work is in child processes.
    """
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
    """Yield the outcome of every job, in order; one bad model never stops the rest.

    Jobs are queued in waves, so that a killed run has finished the models that it began long ago.
    Parameters of tasks are marked as data, in which Prefect does not search for futures: the search
    took longer than everything else that Prefect does in this process.
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
