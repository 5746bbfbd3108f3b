"""How a flow run ends."""

from __future__ import annotations

from typing import Any

from prefect import State
from prefect.states import Completed, Failed

WITH_FAILURES = "CompletedWithFailures"


def conclude(summary: dict[str, Any], *, strict: bool) -> State[Any]:
    """How the run ends: what fell short fails a strict run, and is named in any other."""
    if strict and summary["fell_short"]:
        return Failed(message=f"{summary['total']} Short: {', '.join(summary['fell_short'])}.")
    if summary["broken"]:
        return Completed(
            name=WITH_FAILURES,
            message=f"{len(summary['broken'])} of {summary['models']} failed. {summary['total']}",
        )
    return Completed(message=summary["total"])
