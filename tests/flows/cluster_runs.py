"""Runs of the flow on a cluster, and what they must come to: the release of the plain loop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows.quantize_models import quantize_models
from model_quantization.outcome import Outcome
from model_quantization.release.known import known_outcomes


def run_flow(
    root: Path, output: str, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> State[Any]:
    for name, value in settings.items():
        monkeypatch.setenv(f"MLQ_{name.upper()}", str(value))
    given = {"output_dir": str(root / output)} if output else {}
    return quantize_models(str(root / "run.yaml"), **given, return_state=True)


def manifest_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "manifest.json").read_text()) | {"created": ""}


def outcomes_of(output: Path) -> list[Outcome]:
    return [replace(outcome, seconds=0.0) for outcome in known_outcomes(output)]


def task_run_states(state: State[Any]) -> set[str]:
    run_filter = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return {str(run.state_name) for run in client.read_task_runs(flow_run_filter=run_filter)}


def check_same_release(root: Path, output: str) -> None:
    """Manifest, objects, tables and outcomes are those of the plain loop, byte for byte."""
    made, plain = root / output, root / "plain"
    assert manifest_of(made) == manifest_of(plain)
    for path in sorted((plain / "objects").iterdir()):
        assert (made / "objects" / path.name).read_bytes() == path.read_bytes()
    assert (made / "summary.md").read_bytes() == (plain / "summary.md").read_bytes()
    assert outcomes_of(made) == outcomes_of(plain)
    assert not (made / ".work" / "staging").exists()
