"""Automations of the server: report failures, worse verdicts and missing workers; end dead runs.

    python -m flows.automations --webhook https://hooks.example.org/quantization

Run it after every deployment: existing automations are updated, and none is made twice. It uses the
server of `PREFECT_API_URL`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.final_state import FELL_SHORT, WITH_FAILURES
from tasks.events import VERDICT_WORSENED

FLOW = "quantize-models"
POOL = "quantization"
FAILURE, WORSENED, HEARTBEAT, NO_WORKER, LATE = (
    f"{FLOW}: a run failed",
    f"{FLOW}: a verdict worsened",
    f"{FLOW}: a run is dead",
    f"{FLOW}: no worker is ready",
    f"{FLOW}: a run is late",
)
# Three missed heartbeats; `flows.heartbeat_frequency` sets the seconds between two.
SILENCE_SECONDS = 90
BLOCK_PREFIX = "quantization-alerts"
_BAD_ENDS = ("Failed", "Crashed", "TimedOut", FELL_SHORT, WITH_FAILURES)
_ENDS = (*_BAD_ENDS, "Completed", "Cancelled")

# Chat services show `text`; the other keys are for programs.
_FAILURE_PAYLOAD = """{
  "text": {{ (flow.name ~ " " ~ flow_run.name ~ ": " ~ flow_run.state.name ~ ". "
              ~ (flow_run.state.message or "") ~ " " ~ (flow_run|ui_url)) | tojson }},
  "event": {{ event.event | tojson }},
  "run": {{ flow_run.name | tojson }},
  "state": {{ flow_run.state.name | tojson }},
  "url": {{ flow_run|ui_url|string|tojson }}
}"""
_WORSENED_PAYLOAD = """{
  "text": {{ (event.payload.model ~ ": " ~ event.payload.before ~ " -> " ~ event.payload.after
              ~ ". " ~ event.payload.note) | tojson }},
  "event": {{ event.event | tojson }},
  "model": {{ event.payload.model | tojson }},
  "before": {{ event.payload.before | tojson }},
  "after": {{ event.payload.after | tojson }}
}"""
_NO_WORKER_PAYLOAD = """{
  "text": {{ ("no worker of the pool " ~ work_pool.name ~ " is ready: runs wait. Start one with "
              ~ "prefect worker start --pool " ~ work_pool.name ~ ".") | tojson }},
  "event": {{ event.event | tojson }},
  "pool": {{ work_pool.name | tojson }}
}"""
_LATE_PAYLOAD = """{
  "text": {{ (flow.name ~ " " ~ flow_run.name ~ " is late: it should have started at "
              ~ flow_run.expected_start_time ~ ". Is a worker online? " ~ (flow_run|ui_url))
            | tojson }},
  "event": {{ event.event | tojson }},
  "run": {{ flow_run.name | tojson }},
  "url": {{ flow_run|ui_url|string|tojson }}
}"""


def automations(webhooks: Sequence[UUID], *, silence_seconds: int) -> list[AutomationCore]:
    """Return the automations of this project; alerts go to the webhook blocks `webhooks`."""
    of_this_flow = ResourceSpecification(
        {"prefect.resource.role": "flow", "prefect.resource.name": FLOW}
    )
    runs = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
    alert = partial(_alert, webhooks)
    return [
        alert(
            FAILURE,
            "Tells the webhooks of every run that failed, crashed, or left models out.",
            {f"prefect.flow-run.{end}" for end in _BAD_ENDS},
            _FAILURE_PAYLOAD,
            match=runs,
            match_related=of_this_flow,
        ),
        alert(
            WORSENED,
            "Tells the webhooks of every model whose verdict is worse than in the last release.",
            {VERDICT_WORSENED},
            _WORSENED_PAYLOAD,
            match=ResourceSpecification({"prefect.resource.id": "quantization.model.*"}),
        ),
        alert(
            NO_WORKER,
            "Tells the webhooks when no worker of the pool has sent a heartbeat for long.",
            {"prefect.work-pool.not-ready"},
            _NO_WORKER_PAYLOAD,
            match=ResourceSpecification(
                {"prefect.resource.id": "prefect.work-pool.*", "prefect.resource.name": POOL}
            ),
        ),
        alert(
            LATE,
            "Tells the webhooks of every run that did not start at its time.",
            {"prefect.flow-run.Late"},
            _LATE_PAYLOAD,
            match=runs,
            match_related=of_this_flow,
        ),
        AutomationCore(
            name=HEARTBEAT,
            description="Marks a run as crashed when its process sends no heartbeat any more. The "
            "next run can then start.",
            trigger=EventTrigger(
                match=runs,
                match_related=of_this_flow,
                after={"prefect.flow-run.heartbeat"},
                # Not `prefect.flow-run.*`: the event of a run that starts would count as alive.
                expect={"prefect.flow-run.heartbeat"}
                | {f"prefect.flow-run.{end}" for end in _ENDS},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=silence_seconds),
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message=f"no heartbeat for {silence_seconds} s: the process is dead. "
                    "The next run continues where this one stopped.",
                )
            ],
        ),
    ]


def _alert(
    webhooks: Sequence[UUID],
    name: str,
    description: str,
    events: set[str],
    payload: str,
    **resources: ResourceSpecification,
) -> AutomationCore:
    """An automation that sends each of these events to all webhooks at once."""
    return AutomationCore(
        name=name,
        description=description,
        enabled=bool(webhooks),
        trigger=EventTrigger(
            expect=events,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
            **resources,
        ),
        actions=[CallWebhook(block_document_id=block, payload=payload) for block in webhooks],
    )


def ensure_automations(
    client: SyncPrefectClient,
    webhooks: Mapping[str, str],
    *,
    silence_seconds: int = SILENCE_SECONDS,
) -> list[str]:
    """Create or update the automations on the server, and return their names.

    Parameters
    ----------
    webhooks : mapping of str to str
        Name (lower-case letters and dashes) -> address. Without any, the automations that
        send alerts are created but disabled.
    """
    blocks = [
        Webhook(method="POST", url=url, headers={"Content-Type": "application/json"}).save(
            f"{BLOCK_PREFIX}-{name}", overwrite=True, _sync=True
        )
        for name, url in webhooks.items()
    ]
    made = automations(blocks, silence_seconds=silence_seconds)
    for automation in made:
        known = client.read_automations_by_name(automation.name)
        if known:
            client.update_automation(known[0].id, automation)
        else:
            client.create_automation(automation)
        for extra in known[1:]:
            client.delete_automation(extra.id)
    return [automation.name for automation in made]


def main(argv: Sequence[str] | None = None) -> int:
    """Create the automations, print their names, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.automations", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--webhook",
        default=os.environ.get("QUANTIZATION_ALERT_WEBHOOK"),
        metavar="URL",
        help="where alerts go, as JSON with a `text` ($QUANTIZATION_ALERT_WEBHOOK)",
    )
    parser.add_argument("--silence-seconds", type=int, default=SILENCE_SECONDS, metavar="N")
    arguments = parser.parse_args(argv)
    webhooks = {"webhook": arguments.webhook} if arguments.webhook else {}
    with get_client(sync_client=True) as client:
        names = ensure_automations(client, webhooks, silence_seconds=arguments.silence_seconds)
    print(json.dumps(names, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
