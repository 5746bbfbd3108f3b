"""Events for automations: a model got a worse verdict than in the last release."""

from __future__ import annotations

from collections.abc import Iterable

from prefect.events import emit_event

from model_quantization.report.history import Worsened

VERDICT_WORSENED = "quantization.verdict.worsened"


def announce(changes: Iterable[Worsened]) -> None:
    """Emit one event per change; Prefect relates it to the current run."""
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
