"""A file that crashes native code costs a child, once: it is refused and not opened again."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from model_quantization.batch.plan import Job
from model_quantization.batch.run import failed_job, is_transient, run_batch
from model_quantization.config.file import load_config
from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import WorkerCrashed
from model_quantization.outcome import Status
from model_quantization.pipeline.child.original import inspect
from tests.chaos.directory import ModelDirectory


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"])
def test_what_native_code_did_will_happen_again(signal: str) -> None:
    assert WorkerCrashed("died", got=f"signal {signal}, last words: x").is_native
    assert not is_transient(WorkerCrashed("died", got=f"signal {signal}"))


@pytest.mark.parametrize("how", ["signal SIGKILL", "signal SIGTERM", "exit code 1", ""])
def test_what_was_done_from_outside_may_pass(how: str) -> None:
    assert not WorkerCrashed("died", got=how).is_native
    assert is_transient(WorkerCrashed("died", got=how))


@pytest.mark.bad_input(67)
def test_a_crashing_file_is_refused_and_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_quantization.pipeline import stages

    directory = ModelDirectory(tmp_path)
    directory.write((1,), 0)
    (directory.models / "crash.pkl").write_bytes(pickle.dumps({"a": 1}))
    real = stages.ask_original
    opened: list[str] = []

    def crash(scanned, *arguments):  # type: ignore[no-untyped-def]
        opened.append(scanned.source.name)
        if scanned.source.name == "crash.pkl":
            raise WorkerCrashed("died", where=inspect.name, got="signal SIGSEGV")
        return real(scanned, *arguments)

    monkeypatch.setattr(stages, "ask_original", crash)
    config = load_config(directory.config, environ={})
    first = run_batch(config)
    outcome = next(each for each in first.outcomes if each.name.startswith("crash"))
    assert (outcome.status, outcome.reason) == (Status.REFUSED, WorkerCrashed.code)
    entry = first.release.models[outcome.name]
    assert entry.artifact is None and not entry.source_sha256  # so that no server loads it
    assert opened.count("crash.pkl") == 1
    second = run_batch(config)
    assert opened.count("crash.pkl") == 1
    again = next(each for each in second.outcomes if each.name.startswith("crash"))
    assert again.unchanged and again.status is Status.REFUSED


def test_a_crash_of_the_artifact_is_not_the_originals() -> None:
    job = Job(
        name="m", source="m.pkl", source_sha256="a" * 64, source_size_bytes=1, held_out=None,
        settings=ModelSettings(), fingerprint="", staging="", output_dir="", why="", signing_key="",
    )  # fmt: skip
    for where, status in ((inspect.name, Status.REFUSED), ("candidate", Status.FAILED)):
        error = WorkerCrashed("died", where=where, got="signal SIGSEGV")
        assert failed_job(job, error).status is status
