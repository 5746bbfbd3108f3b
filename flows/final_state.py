"""The final state of a flow run."""

from __future__ import annotations

from typing import Any

from prefect import State
from prefect.states import Completed, Failed

WITH_FAILURES = "CompletedWithFailures"
FELL_SHORT = "FellShort"
NAMES_SHOWN = 10


def final_state(summary: dict[str, Any], *, strict: bool) -> State[Any]:
    """Return the final state: models that fell short fail a strict run, or are named in it."""
    if strict and summary["fell_short"]:
        return Failed(
            name=FELL_SHORT, message=f"{summary['total']} Short: {_named(summary['fell_short'])}."
        )
    if summary["broken"]:
        return Completed(
            name=WITH_FAILURES,
            message=f"{len(summary['broken'])} of {summary['models']} failed "
            f"({_named(summary['broken'])}). {summary['total']}",
        )
    return Completed(message=summary["total"])


def _named(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
