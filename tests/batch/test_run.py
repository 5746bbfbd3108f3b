"""Runs over a directory: which models are quantized, which are skipped, what is published."""

import errno
import hashlib
import json
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model_quantization.batch import plan as jobs
from model_quantization.batch import run as batch
from model_quantization.batch import unchanged
from model_quantization.batch.plan import BatchPlan, Job, plan_batch
from model_quantization.batch.run import BatchResult, failed_job, is_transient, run_batch
from model_quantization.config.run_config import GateConfig, RunConfig
from model_quantization.errors import (
    ConfigError,
    LimitError,
    ReleaseError,
    ReleaseLocked,
    WorkerCrashed,
)
from model_quantization.files.atomic import exclusive
from model_quantization.outcome import Guarantee, Outcome, Status, falls_short
from model_quantization.release.manifest import find_release, read_release
from model_quantization.report.summary import summarise
from tests.model_directory import NAMES, write_attack, write_models


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_models(tmp_path_factory.mktemp("real"))


def test_a_run_over_real_models_goes_on_after_a_bad_one(real: tuple[Path, Path]) -> None:
    models, held_out = real
    attack = write_attack(models)
    config = RunConfig(model_dir=str(models), holdout_dir=str(held_out), latency_seconds=0)
    seen: list[tuple[str, int, int]] = []
    result = run_batch(
        config, progress=lambda outcome, done, total: seen.append((outcome.name, done, total))
    )
    found = {outcome.name: outcome for outcome in result.outcomes}
    assert list(found) == sorted([*NAMES, "evil"])
    assert sorted(name for name, _, _ in seen) == list(found)
    assert [(done, total) for _, done, total in seen] == [(n, 5) for n in range(1, 6)]
    assert found["evil"].status is Status.REFUSED
    assert not Path("attacked").exists()
    for name in ("eu/price", "forest", "linear"):
        outcome = found[name]
        assert outcome.status is Status.PUBLISHED, outcome
        artifact = result.release.artifact_path(name)
        assert artifact is not None
        assert hashlib.sha256(artifact.read_bytes()).hexdigest() == outcome.artifact_sha256
        assert (models / "quantized" / f"{name}.qma").samefile(artifact)
    assert found["tiny"].status is Status.NO_GAIN
    assert not (models / "quantized" / ".work" / "staging").exists()

    again = run_batch(config)
    assert again.release == result.release
    assert {outcome.name for outcome in again.outcomes if outcome.unchanged} == set(found)
    assert [replace(o, unchanged=False) for o in again.outcomes] == list(result.outcomes)
    attack.unlink()
    assert "evil" not in run_batch(config).release.models


class Fake:
    """Stages that only count and copy, so that tests see what a run does around them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.models = root / "models"
        self.holdout = root / "holdout"
        self.models.mkdir()
        self.holdout.mkdir()
        self.done: list[str] = []
        self.errors: dict[str, list[BaseException]] = {}
        self.changes: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        monkeypatch.setattr(batch, "quantize_stage", self.quantize)
        monkeypatch.setattr(batch, "evaluate_stage", self.evaluate)
        monkeypatch.setattr(batch, "RETRY_DELAYS_SECONDS", (0.0, 0.0))

    def add(self, *names: str, content: str = "") -> None:
        for name in names:
            path = self.models / f"{name}.pkl"
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(f"model {name} {content}")

    def quantize(
        self,
        source: Path,
        staging: Path,
        settings: Any,
        held_out: Path | None,
        calibration: Path | None = None,
        refit_rows: Path | None = None,
    ) -> dict[str, Any]:
        with self.lock:
            self.done.append(source.stem)
        assert list(staging.iterdir()) == []
        (staging / "candidate.qma").write_text(f"artifact of {source.read_text()}")
        if self.errors.get(source.stem):
            raise self.errors[source.stem].pop(0)
        return {"source": str(source), "staging": str(staging)}

    def evaluate(self, record: dict[str, Any]) -> Outcome:
        source = Path(record["source"])
        candidate = Path(record["staging"]) / "candidate.qma"
        outcome = Outcome(
            name="to be replaced",
            source=str(source),
            status=Status.PUBLISHED,
            guarantee=Guarantee.EXACT,
            source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
            source_size_bytes=100,
            artifact=str(candidate),
            artifact_sha256=hashlib.sha256(candidate.read_bytes()).hexdigest(),
            artifact_size_bytes=candidate.stat().st_size,
        )
        return replace(outcome, **self.changes.get(source.stem, {}))

    def config(self, **changes: Any) -> RunConfig:
        values = {"model_dir": str(self.models), "holdout_dir": str(self.holdout)}
        return RunConfig.model_validate(values | changes)

    def run(self, **changes: Any) -> BatchResult:
        self.done.clear()
        return run_batch(self.config(**changes))

    @property
    def output(self) -> Path:
        return self.models / "quantized"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    yield Fake(tmp_path, monkeypatch)


def _why(fake: Fake, **changes: Any) -> dict[str, str]:
    return {job.name: job.why for job in plan_batch(fake.config(**changes)).jobs}


def test_only_what_changed_is_done_and_the_plan_says_why(fake: Fake) -> None:
    fake.add("a", "b", "c")
    assert _why(fake) == dict.fromkeys("abc", "not in the release yet")
    fake.run()
    assert sorted(fake.done) == ["a", "b", "c"]
    assert _why(fake) == {}
    fake.run()
    assert fake.done == []
    assert _why(fake, force=True) == dict.fromkeys("abc", "forced")
    settings = "its configuration, library versions or held-out data have changed"
    overrides = [{"match": "b", "bit_depth": "16"}]
    assert _why(fake, overrides=overrides) == {"b": settings}
    fake.add("a", content="retrained")
    assert _why(fake) == {"a": "the model file has changed"}
    fake.run()
    assert fake.done == ["a"]
    (fake.holdout / "c.csv").write_text("x,target\n1,1\n")
    assert _why(fake) == {"c": settings}
    fake.run()
    artifact = read_release(fake.output).artifact_path("b")
    assert artifact is not None
    artifact.write_text("damaged")
    assert _why(fake) == {"b": "its artifact is missing or damaged"}
    fake.run()
    assert fake.done == ["b"]
    assert _why(fake) == {}
    (fake.output / "stats" / "b.json").unlink()
    assert _why(fake) == {"b": "its statistics are missing"}


def test_other_library_versions_are_another_run(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add("a")
    fake.run()
    monkeypatch.setattr(unchanged, "version", lambda name: f"{name} 99")
    assert set(_why(fake)) == {"a"}


def test_a_dry_run_writes_nothing(fake: Fake) -> None:
    fake.add("a")
    plan_batch(fake.config())
    assert not fake.output.exists()


def test_a_plan_and_its_jobs_cross_as_json(fake: Fake) -> None:
    fake.add("a", "eu/b")
    (fake.models / "link.pkl").symlink_to("a.pkl")
    plan = plan_batch(fake.config())
    assert BatchPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert Job.from_json(plan.jobs[0].to_json()) == plan.jobs[0]


def test_only_the_models_asked_for_are_done_and_the_others_stay(fake: Fake) -> None:
    fake.add("intent", "intent_old", "price")
    fake.run()
    fake.add("intent", "intent_old", "price", content="new")
    result = fake.run(only=["intent*"])
    assert sorted(fake.done) == ["intent", "intent_old"]
    assert [outcome.name for outcome in result.outcomes] == ["intent", "intent_old"]
    assert set(result.release.models) == {"intent", "intent_old", "price"}
    with pytest.raises(
        ConfigError, match=r"no model matches `prise`; expected one of intent,.*mean `price`\?"
    ):
        fake.run(only=["prise"])


@pytest.mark.bad_input(57)
def test_a_killed_run_goes_on_where_it_stopped(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.add("a", "b", "c")
    fake.errors["b"] = [KeyboardInterrupt()]

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            fake.run()
    assert find_release(fake.output) is None
    result = fake.run()
    assert fake.done == ["b"]
    assert [outcome.unchanged for outcome in result.outcomes] == [False] * 3
    assert set(result.release.models) == {"a", "b", "c"}
    assert list((fake.output / ".work" / "outcomes").rglob("*.json")) == []


def test_a_finished_outcome_of_other_content_is_not_used(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add("a")
    with monkeypatch.context() as patch:
        patch.setattr(batch, "publish", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fake.run()
    fake.add("a", content="new")
    assert set(_why(fake)) == {"a"}
    assert (
        fake.run().release.models["a"].artifact_sha256
        == hashlib.sha256(b"artifact of model a new").hexdigest()
    )


def test_what_may_pass_is_tried_again(fake: Fake) -> None:
    fake.add("a", "b")
    fake.errors["a"] = [WorkerCrashed("killed"), OSError(errno.EAGAIN, "busy")]
    fake.errors["b"] = [WorkerCrashed("killed")] * 3
    result = fake.run()
    assert fake.done.count("a") == 3
    assert [outcome.status for outcome in result.outcomes] == [Status.PUBLISHED, Status.FAILED]
    assert result.outcomes[1].reason == "worker_crashed"
    fake.run()
    assert fake.done == ["b"]  # a failure is tried again in the next run


def test_a_bug_costs_one_model(fake: Fake) -> None:
    fake.add("a", "b")
    fake.errors["a"] = [ZeroDivisionError("division by zero")]
    result = fake.run()
    assert fake.done.count("a") == 1
    assert result.outcomes[0].reason == "unexpected"
    assert "unexpected ZeroDivisionError: division by zero" in result.outcomes[0].note
    assert result.outcomes[1].status is Status.PUBLISHED


def test_a_file_replaced_during_the_run_is_done_again(fake: Fake) -> None:
    fake.add("a")
    fake.changes["a"] = {"source_sha256": "0" * 64}
    assert fake.run().release.models["a"].source_sha256 == "0" * 64
    assert _why(fake) == {"a": "the model file has changed"}


def test_a_file_that_cannot_be_read_is_a_failed_model(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add("a", "b")
    real_hash = jobs.hash_file

    def hash_file(path: Path) -> tuple[str, int]:
        if path.stem == "a":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_hash(path)

    monkeypatch.setattr(jobs, "hash_file", hash_file)
    outcomes = fake.run().outcomes
    assert [(o.status, o.reason) for o in outcomes] == [
        (Status.FAILED, "unreadable"),
        (Status.PUBLISHED, ""),
    ]


def test_two_held_out_files_fail_one_model(fake: Fake) -> None:
    fake.add("a", "b")
    (fake.holdout / "a.csv").touch()
    (fake.holdout / "a.npz").touch()
    first, second = fake.run().outcomes
    assert (first.status, first.reason) == (Status.FAILED, "held_out")
    assert second.status is Status.PUBLISHED


def test_models_that_became_unusable_stay_as_they_were_released(fake: Fake) -> None:
    fake.add("a", "b", "c", "eu/d")
    fake.run()
    (fake.models / "a.joblib").write_text("which of the two?")
    (fake.models / "b.pkl").unlink()
    (fake.models / "b.pkl").symlink_to("c.pkl")
    release = fake.run().release
    assert release.models["a"].artifact is not None
    assert release.models["b"].artifact is not None
    assert release.models["b.pkl"].status is Status.REFUSED


def test_an_empty_model_directory_withdraws_nothing(fake: Fake) -> None:
    assert fake.run().outcomes == ()
    fake.add("a")
    fake.run()
    (fake.models / "a.pkl").unlink()
    with pytest.raises(ReleaseError, match=r"no models, although some are released.*mounted"):
        fake.run()
    assert set(read_release(fake.output).models) == {"a"}


def test_a_missing_directory_is_named_and_not_made(fake: Fake) -> None:
    nowhere = fake.models / "nope"
    with pytest.raises(ConfigError, match="nope: the model directory does not exist; create it"):
        fake.run(model_dir=str(nowhere))
    assert not nowhere.exists()
    with pytest.raises(ConfigError, match="the held-out directory does not exist"):
        fake.run(holdout_dir=str(fake.models / "nope"))


@pytest.mark.bad_input(56)
def test_two_runs_on_one_output_directory(fake: Fake) -> None:
    fake.add("a")
    with exclusive(fake.output), pytest.raises(ReleaseLocked):
        fake.run()


def test_which_outcomes_fall_short() -> None:
    def short(status: Status, artifact: str | None = None) -> tuple[bool, bool]:
        outcome = Outcome("a", "a", status, artifact=artifact)
        return falls_short(outcome, strict=False), falls_short(outcome, strict=True)

    assert short(Status.FAILED) == short(Status.REFUSED) == (True, True)
    assert short(Status.FALLBACK) == short(Status.UNVERIFIED) == (False, True)
    assert short(Status.UNVERIFIED, "objects/x.qma") == (False, False)
    assert short(Status.PUBLISHED, "objects/x.qma") == short(Status.NO_GAIN) == (False, False)


def test_which_errors_may_pass() -> None:
    full = OSError(errno.ENOSPC, "full")
    wrapped = ReleaseError("cannot be written")
    wrapped.__cause__ = full
    assert all(is_transient(error) for error in (WorkerCrashed("x"), full, wrapped))
    lasting = (LimitError("x"), OSError(errno.ENOENT, "gone"), ReleaseError("x"), KeyError(), None)
    assert not any(is_transient(error) for error in lasting)


def test_a_failed_outcome_says_what_failed(fake: Fake) -> None:
    fake.add("a")
    job = plan_batch(fake.config(bit_depth="16")).jobs[0]
    outcome = failed_job(job, LimitError("too deep", do="raise limits.depth"))
    assert (outcome.reason, outcome.note) == ("limit", "too deep; raise limits.depth.")
    assert (outcome.bit_depth, outcome.source_sha256) == ("16", job.source_sha256)
    assert failed_job(job, OSError(errno.EIO, "broken disk")).reason == "system"


def test_the_summary_counts_what_is_served() -> None:
    kept = Outcome(
        "b", "b.pkl", Status.NO_GAIN, source_size_bytes=100, artifact_size_bytes=150, reason="x"
    )
    published = replace(
        kept, name="a", status=Status.PUBLISHED, artifact="objects/x.qma", artifact_size_bytes=20
    )
    result = summarise([published, kept], Path("out"))
    assert result["summary"]["overall_size_reduction_percent"] == pytest.approx(40.0)
    assert result["summary"]["counts"]["no_gain"] == 1
    assert result["summary"]["published_models"] == 1
    assert result["models"]["a"]["output_path"] == "out/a.qma"
    assert result["models"]["a"]["file_size_reduction_percent"] == pytest.approx(80.0)
    assert result["models"]["b"]["output_path"] is None
    assert result["models"]["b"]["file_size_reduction_percent"] == pytest.approx(-50.0)
    json.dumps(result)


def test_an_unverified_model_is_published_only_where_asked(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 400))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(model))
    config = RunConfig(model_dir=str(tmp_path), latency_seconds=0, on_gate_failure="original")
    outcome = run_batch(config).outcomes[0]
    assert (outcome.status, outcome.artifact) == (Status.UNVERIFIED, None)
    lenient = config.model_copy(update={"gate": GateConfig(publish_unverified=True)})
    result = run_batch(lenient)
    assert result.outcomes[0].status is Status.UNVERIFIED
    assert result.release.artifact_path("a") is not None
