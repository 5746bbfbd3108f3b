"""The second stage of a model: the written file against the original, and the decision."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.futures import PrefectFuture

from model_quantization.batch.plan import Job
from model_quantization.batch.run import evaluate_job, failed_outcome
from model_quantization.report.summary import describe
from tasks.retries import STAGE_OPTIONS


@task(name="evaluate", task_run_name="evaluate {work[job][name]}", **STAGE_OPTIONS)
def evaluate(work: dict[str, Any]) -> dict[str, Any]:
    """The model's outcome (`Outcome.to_json`), its artifact stored if it is to be served.

    `work` holds the `job` and the `record` that `quantize` made of it. They come in one parameter
    for a reason: for a future that is a parameter itself, Prefect asks the server for its state,
    which takes longer than all else it does for a task.
    """
    outcome = evaluate_job(Job(**work["job"]), work["record"])
    get_run_logger().info("%s", describe(outcome))
    return outcome.to_json()


def outcome_of(
    job: dict[str, Any], quantized: PrefectFuture[Any], evaluated: PrefectFuture[Any]
) -> dict[str, Any]:
    """The model's outcome when both its tasks have ended, whichever way they did."""
    evaluated.wait()  # the state is not final before
    if evaluated.state.is_completed():
        return evaluated.result()
    quantized.wait()
    broken = evaluated if quantized.state.is_completed() else quantized
    error = broken.state.result(raise_on_failure=False)
    if not isinstance(error, BaseException):
        error = RuntimeError(broken.state.message or broken.state.name)
    return failed_outcome(Job(**job), error).to_json()
