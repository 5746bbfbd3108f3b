"""The second stage of a model: compares the written file with the original, and decides."""

from __future__ import annotations

from typing import Any

from prefect import State, get_run_logger, task
from prefect.futures import PrefectFuture
from prefect.states import Failed

from model_quantization.batch.plan import Job
from model_quantization.batch.run import evaluate_job, failed_job
from model_quantization.outcome import falls_short, verdict
from model_quantization.pipeline.record import Staged
from model_quantization.report.summary import describe
from model_quantization.report.table import one_line
from tasks.retries import STAGE_OPTIONS


@task(name="evaluate", task_run_name="evaluate {work[job][name]}", **STAGE_OPTIONS)
def evaluate(work: dict[str, Any]) -> dict[str, Any] | State[dict[str, Any]]:
    """Return the model's outcome (`Outcome.to_json`); an artifact that passed is stored.

    A model that was refused, or failed, is a failed task on the run's page, with the reason as its
    message and the outcome as its data.

    `work` holds the `job`, and the `record` that `quantize` returned. Both are in one parameter
    because Prefect asks the server for the state of every future that is a parameter itself. That
    takes longer than everything else that Prefect does for a task.
    """
    outcome = evaluate_job(Job.from_json(work["job"]), Staged.from_json(work["record"]))
    get_run_logger().info("%s", describe(outcome))
    if falls_short(outcome, strict=False):
        name, message = verdict(outcome).capitalize(), one_line(outcome.note)
        return Failed(name=name, message=message, data=outcome.to_json())
    return outcome.to_json()


def outcome_of(
    job: dict[str, Any], quantized: PrefectFuture[Any], evaluated: PrefectFuture[Any]
) -> dict[str, Any]:
    """Return the model's outcome after both of its tasks have ended, well or badly."""
    evaluated.wait()  # before that the state is not final
    state = evaluated.state
    ended = state.result(raise_on_failure=False) if state.is_final() else None
    # the outcome of a task that completed, or failed because of the model
    if isinstance(ended, dict):
        return ended
    quantized.wait()
    broken = evaluated if quantized.state.is_completed() else quantized
    error = broken.state.result(raise_on_failure=False)
    if not isinstance(error, BaseException):
        error = RuntimeError(broken.state.message or broken.state.name)
    return failed_job(Job.from_json(job), error).to_json()
