"""Events for automations: a model whose verdict is worse than it was in the last release."""

from __future__ import annotations

from collections.abc import Iterable

from prefect.events import emit_event

from model_quantization.report.history import Worsened

VERDICT_WORSENED = "quantization.verdict.worsened"


def announce(changes: Iterable[Worsened]) -> None:
    """Every change is an event of its model, related to the run that it was found in."""
    for change in changes:
        emit_event(
            event=VERDICT_WORSENED,
            resource={
                "prefect.resource.id": f"quantization.model.{change.name}",
                "prefect.resource.name": change.name,
            },
            payload={
                "model": change.name,
                "before": change.before,
                "after": change.after,
                "note": change.note,
            },
        )
