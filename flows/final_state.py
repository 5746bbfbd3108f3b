"""The final state of a flow run."""

from __future__ import annotations

from typing import Any

from prefect import State
from prefect.states import Completed, Failed

from model_quantization.numerals import plural

WITH_FAILURES = "CompletedWithFailures"
FELL_SHORT = "FellShort"
NAMES_SHOWN = 10
EXPLANATION = (
    "With `strict`, a run fails for every model that failed, was refused, missed the gate or could "
    "not be evaluated; all the others were published. The artifact `quantization-summary-page` "
    "says what to do."
)


def final_state(summary: dict[str, Any], *, strict: bool) -> State[Any]:
    """Return the final state: models that fell short fail a strict run, or are named in it."""
    if strict and summary["fell_short"]:
        short = summary["fell_short"]
        verdicts = summary.get("verdicts", {})
        named = _named(
            [f"{name} ({verdicts[name]})" if name in verdicts else name for name in short]
        )
        return Failed(
            name=FELL_SHORT,
            message=f"{len(short)} of {plural(summary['models'], 'model')} fell short: {named}. "
            f"{EXPLANATION} {summary['total']}",
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
