"""Options that the two stages of a model share as tasks: transient failures are retried."""

from __future__ import annotations

from typing import Any, Final

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from model_quantization.batch.run import RETRY_DELAYS_SECONDS, is_transient


def is_transient_failure(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure is transient. A bad model stays bad and is not tried again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


STAGE_OPTIONS: Final[dict[str, Any]] = {
    "retries": len(RETRY_DELAYS_SECONDS),
    "retry_delay_seconds": list(RETRY_DELAYS_SECONDS),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient_failure,
    "cache_policy": NO_CACHE,
    "result_serializer": "json",
}
