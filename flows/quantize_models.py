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

from flows.conclusion import conclude
from flows.configuration import configure
from ml.quantization.config import RunConfig
from ml.quantization.jobs import claim
from tasks.discovery import discover
from tasks.evaluation import evaluate, outcome_of
from tasks.quantization import quantize
from tasks.report import report

JOBS_PER_WAVE = 16


@flow(name="quantize-models")
def quantize_models(
    config_path: str = "configs/nightly.yaml",
    model_dir: str | None = None,
    output_dir: str | None = None,
    holdout_dir: str | None = None,
    bit_depth: Literal["8", "16", "32", "exact", "auto"] | None = None,
    weight_threshold: Annotated[float, Field(ge=0)] | None = None,
    allowed_drop: Annotated[float, Field(ge=0, le=1)] | None = None,
    only: list[str] | None = None,
    force: bool | None = None,
    strict: bool | None = None,
    n_workers: Annotated[int, Field(ge=1, le=64)] | None = None,
) -> State[Any]:
    """Quantize the models of a directory, prove that nothing was lost, publish what passed.

    What is not given here is as the configuration file has it.

    Args:
        config_path: The YAML configuration to start from.
        model_dir: Directory of trained models, searched recursively.
        output_dir: Where releases go; `quantized` inside the model directory when not given.
        holdout_dir: Held-out data, one file a model; without it nothing is verified.
        bit_depth: 8, 16 or 32 bits; exact rounds nothing; auto takes the smallest that passes.
        weight_threshold: Weights of smaller magnitude become zero.
        allowed_drop: Largest loss of the held-out score, absolute.
        only: Name patterns, such as intent*; other models stay as they are released.
        force: Do unchanged models again.
        strict: Fail the run also when a model misses the gate or cannot be evaluated.
        n_workers: Models done at the same time.
    """
    config = configure(
        config_path,
        model_dir=model_dir,
        output_dir=output_dir,
        holdout_dir=holdout_dir,
        bit_depth=bit_depth,
        weight_threshold=weight_threshold,
        gate={"allowed_drop": allowed_drop},
        only=only,
        force=force,
        strict=strict,
        n_workers=n_workers,
    )
    options = config.to_json()
    with claim(config), workers(config) as runner:
        plan = discover(options)
        outcomes = list(process(plan["jobs"], runner))
        summary = report(options, plan, outcomes)
    return conclude(summary, strict=config.strict)


def workers(config: RunConfig) -> TaskRunner[Any]:
    """Where the models are done: on threads, as the heavy work is in child processes."""
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
