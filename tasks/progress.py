"""A progress artifact on the page of a run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from prefect.artifacts import create_progress_artifact, update_progress_artifact

PROGRESS_KEY = "quantization-progress"
SECONDS_BETWEEN_UPDATES = 2.0  # each update is a call to the server
Done = TypeVar("Done")


def show_progress(outcomes: Iterable[Done], total: int) -> Iterator[Done]:
    """Yield `outcomes`, and meanwhile show on the run's page how many of `total` are done.

    A run with nothing to do gets no progress artifact.
    """
    if not total:
        yield from outcomes
        return
    artifact = create_progress_artifact(0.0, key=PROGRESS_KEY, description=_text(0, total))
    shown = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        if done == total or time.monotonic() - shown >= SECONDS_BETWEEN_UPDATES:
            update_progress_artifact(artifact, 100.0 * done / total, description=_text(done, total))
            shown = time.monotonic()
        yield outcome


def _text(done: int, total: int) -> str:
    return f"{done} of {total} models done"
