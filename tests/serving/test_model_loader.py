"""The loaders: which file answers, why, and what happens while that changes."""

from __future__ import annotations

import json
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from model_quantization.errors import (
    FallbackRefused,
    FormatError,
    IntegrityError,
    PathRefused,
    PredictionError,
    ScanRefused,
    SemanticError,
    SignatureError,
    UntrustedTypeError,
)
from model_quantization.files.atomic import hash_file
from model_quantization.predictor import opening, quantized_model
from model_quantization.serving.named_loaders import (
    EmailModelLoader,
    IntentModelLoader,
    ModelLoader,
    SentimentModelLoader,
)

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])


def classifier(shift: float = 0.0) -> LogisticRegression:
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [3.0, 3.0], [4.0, 3.0]]) + shift
    return LogisticRegression().fit(rows, ["low", "low", "high", "high"])


@dataclass(eq=False)
class Artifact(quantized_model.QuantizedModel):
    """Stands for an opened artifact, so that a test decides when it fails."""

    classes_: list[str] = field(default_factory=lambda: ["high", "low"])
    fails: Exception | None = None
    self_test_fails: Exception | None = None
    on_predict: Callable[[], None] = lambda: None

    def quick_self_test(self) -> bool:
        if self.self_test_fails is not None:
            raise self.self_test_fails
        return True

    def predict(self, rows: Any) -> list[str]:
        self.on_predict()
        if self.fails is not None:
            raise self.fails
        if np.ndim(rows) != 2:
            raise ValueError("artifact: rows must be two-dimensional")
        return ["quantized"] * len(rows)


@dataclass
class Served:
    """A model directory with a release in it, and what opening its artifact gives."""

    models: Path
    artifact: Any = field(default_factory=Artifact)
    opened: list[Path] = field(default_factory=list)
    opening_fails: Exception | None = None

    @property
    def output(self) -> Path:
        return self.models / "quantized"

    def write_original(self, name: str = "intent", model: Any = None) -> Path:
        path = self.models / f"{name}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(model if model is not None else classifier()))
        return path

    def release(self, name: str = "intent", content: bytes = b"artifact", **changes: Any) -> Path:
        original = next(self.models.glob(f"{name}.pkl"), None)
        data = original.read_bytes() if original else b""
        digest = sha256(content).hexdigest()
        path = self.output / "objects" / f"{digest}.qma"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        entry = {
            "status": "published",
            "guarantee": "label_exact",
            "reason": "",
            "note": "",
            "artifact": f"objects/{digest}.qma",
            "artifact_sha256": digest,
            "artifact_size_bytes": len(content),
            "source": f"../{name}.pkl",
            "source_sha256": sha256(data).hexdigest(),
            "source_size_bytes": len(data),
            "fingerprint": "",
            "bit_depth": "8",
            "model_type": "LogisticRegression",
        } | changes
        manifest = {
            "format": "qma-release",
            "version": 1,
            "release": 1,
            "created": "2026-11-24T02:00:03Z",
            "models": {name: entry},
        }
        (self.output / "manifest.json").write_text(json.dumps(manifest))
        return path

    def open(self, path: Path, *, sha256: str, **_: Any) -> Any:
        self.opened.append(Path(path))
        found, _size = hash_file(Path(path))
        if found != sha256:
            raise IntegrityError("the artifact is not the one that was released", got=found)
        if self.opening_fails is not None:
            raise self.opening_fails
        return self.artifact


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    directory = Served(tmp_path / "models")
    directory.write_original()
    directory.release()
    monkeypatch.setattr(opening, "load", directory.open)
    return directory


def loader_of(served: Served, **options: Any) -> ModelLoader:
    return ModelLoader("intent", served.models, **options)


# --- which file answers ---------------------------------------------------------------------


def test_the_released_artifact_answers(served: Served) -> None:
    loader = loader_of(served)
    assert loader.predict(ROWS) == ["quantized"] * 3
    status = loader.status()
    assert status["active"] == status["requested"] == "quantized"
    assert status["reason_code"] == "" and "good" in status["reason"]
    assert status["guarantee"] == "label_exact"
    assert status["sha256"] == sha256(b"artifact").hexdigest()
    assert status["artifact"].endswith(".qma")
    assert status["fallbacks"] == 0 and status["last_error"] == ""


def test_nothing_is_read_before_the_first_use_and_each_model_once(served: Served) -> None:
    loader = loader_of(served)
    assert "nothing loaded" in repr(loader) and not served.opened
    loader.predict(ROWS)
    loader.predict(ROWS)
    assert len(served.opened) == 1 and "serving the quantized" in repr(loader)


def test_the_original_answers_when_asked_for(served: Served) -> None:
    loader = loader_of(served, use_quantized=False)
    assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))
    status = loader.status()
    assert status["active"] == status["requested"] == "original"
    assert status["sha256"] == sha256((served.models / "intent.pkl").read_bytes()).hexdigest()
    assert not served.opened


def test_without_a_release_the_original_answers(served: Served) -> None:
    (served.output / "manifest.json").unlink()
    loader = loader_of(served)
    assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))
    status = loader.status()
    assert (status["active"], status["requested"]) == ("original", "quantized")
    assert status["reason_code"] == "not_released" and "run the quantization" in status["reason"]
    assert status["fallbacks"] == 0


def test_what_the_release_keeps_is_answered_by_the_original_with_its_reason(served: Served) -> None:
    served.release(
        status="no_gain", reason="no_gain", note="smaller already", artifact=None, guarantee="exact"
    )
    status = loader_of(served).status()
    assert (status["active"], status["reason_code"]) == ("original", "no_gain")
    assert status["reason"] == "smaller already" and status["fallbacks"] == 0


def test_only_the_release_deployed_still_answers(served: Served) -> None:
    (served.models / "intent.pkl").unlink()
    loader = loader_of(served)
    assert loader.predict(ROWS) == ["quantized"] * 3
    with pytest.raises(PathRefused, match=r"no such model file.*ML_MODEL_DIR"):
        loader.use_quantized_model(False)
    assert loader.status()["active"] == "quantized"


# --- directories and names ------------------------------------------------------------------


def test_directories_come_from_the_environment(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ML_MODEL_DIR", str(served.models))
    assert IntentModelLoader().status()["active"] == "quantized"
    monkeypatch.setenv("ML_QUANTIZED_DIR", str(tmp_path / "elsewhere"))
    assert IntentModelLoader().status()["reason_code"] == "not_released"
    assert IntentModelLoader(output_dir=served.output).status()["active"] == "quantized"


def test_the_named_loaders_can_be_renamed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SentimentModelLoader().files.name == "sentiment"
    assert EmailModelLoader(True).files.name == "email"
    assert IntentModelLoader(name="intent_v2").files.name == "intent_v2"
    monkeypatch.setenv("ML_INTENT_MODEL", "eu/intent")
    assert IntentModelLoader().files.name == "eu/intent"
    assert IntentModelLoader(name="intent").files.name == "intent"


@pytest.mark.parametrize("name", ["", "../intent", ".hidden", "a//b", "a\nb"])
def test_a_name_cannot_leave_its_directory(served: Served, name: str) -> None:
    with pytest.raises(PathRefused, match="cannot be a model's name"):
        ModelLoader(name, served.models)


def test_a_model_in_a_subdirectory(served: Served) -> None:
    served.write_original("eu/intent")
    loader = ModelLoader("eu/intent", served.models)
    assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))


def test_two_files_of_one_name_are_settled_by_the_release_or_refused(served: Served) -> None:
    (served.models / "intent.sav").write_bytes((served.models / "intent.pkl").read_bytes())
    assert loader_of(served, use_quantized=False).status()["active"] == "original"
    (served.output / "manifest.json").unlink()
    with pytest.raises(PathRefused, match=r"several files.*intent.pkl and intent.sav.*rename"):
        loader_of(served).predict(ROWS)


def test_a_longer_name_is_another_model(served: Served) -> None:
    served.write_original("intent_v2", Ridge().fit(ROWS, [1.0, 2.0, 3.0]))
    assert loader_of(served, use_quantized=False).status()["active"] == "original"


def test_a_missing_model_says_where_it_was_looked_for(served: Served) -> None:
    loader = ModelLoader("absent", served.models)
    with pytest.raises(
        PathRefused, match=r"absent: there is no such model file; expected one file"
    ):
        loader.predict(ROWS)
    status = loader.status()
    assert status["active"] is None and status["reason_code"] == "path_refused"
    with pytest.raises(PathRefused):
        loader.get_model_size_info()


# --- an artifact that cannot be used --------------------------------------------------------


def break_artifact(served: Served, how: str) -> None:
    path = next((served.output / "objects").iterdir())
    match how:
        case "missing":
            path.unlink()
        case "corrupt":
            path.write_bytes(b"artifacT")
        case "a link":
            path.rename(path.with_suffix(".moved"))
            path.symlink_to(path.with_suffix(".moved"))
        case "unreadable":
            served.opening_fails = FormatError("broken header", where="x.qma")
        case "self-test":
            served.artifact.self_test_fails = SemanticError("golden rows differ", where="x.qma")
        case "self-test fails":
            served.artifact.self_test_fails = PredictionError("golden rows give NaN")


BROKEN = {
    "missing": "missing",
    "corrupt": "integrity",
    "a link": "path_refused",
    "unreadable": "format",
    "self-test": "semantic",
    "self-test fails": "prediction",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_artifact_falls_back_to_the_pinned_original(
    served: Served, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    break_artifact(served, how)
    loader = loader_of(served)
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        for _ in range(3):
            assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))
        loader.reload()
    status = loader.status()
    assert (status["active"], status["requested"]) == ("original", "quantized")
    assert status["reason_code"] == BROKEN[how] and status["reason"] == status["last_error"]
    assert status["fallbacks"] == 2  # at the first use and at the reload; the log says it once
    assert [record.name for record in caplog.records] == ["model_quantization.serving"]
    assert f"the original answers ({BROKEN[how]})" in caplog.text


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.bad_input(44)
def test_a_broken_artifact_and_a_replaced_original_are_refused(served: Served, how: str) -> None:
    served.write_original(model=classifier(shift=1.0))
    break_artifact(served, how)
    loader = loader_of(served)
    with pytest.raises(FallbackRefused, match="not the one that the release pinned"):
        loader.predict(ROWS)
    assert loader.status()["reason_code"] == "fallback_refused"


def test_a_broken_artifact_without_an_original_names_both(served: Served) -> None:
    (served.models / "intent.pkl").unlink()
    break_artifact(served, "corrupt")
    with pytest.raises(PathRefused, match="no such model file") as caught:
        loader_of(served).predict(ROWS)
    assert "not the one that was released" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "error", [SignatureError("wrong key"), UntrustedTypeError("x:y is not on the allow-list")]
)
@pytest.mark.bad_input(34, 37)
def test_an_error_of_trust_is_never_answered_by_a_fallback(
    served: Served, error: Exception
) -> None:
    served.opening_fails = error
    loader = loader_of(served)
    with pytest.raises(type(error)):
        loader.predict(ROWS)
    assert loader.status()["active"] is None and loader.status()["fallbacks"] == 0


def test_a_replaced_original_makes_the_artifact_stale(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    newer = classifier(shift=-3.0)
    path = served.write_original(model=newer)
    loader = loader_of(served)
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        assert list(loader.predict(ROWS)) == list(newer.predict(ROWS))
    status = loader.status()
    assert status["reason_code"] == "stale" and "run the quantization again" in status["reason"]
    assert status["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert status["fallbacks"] == 1 and "stale" in caplog.text


def test_an_original_of_the_same_size_and_other_bytes_is_stale_too(served: Served) -> None:
    path = served.models / "intent.pkl"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"lbfgs", b"LBFGS"))
    assert len(path.read_bytes()) == len(data)
    assert loader_of(served).status()["reason_code"] == "stale"


def test_an_original_that_must_not_be_loaded_is_refused(served: Served) -> None:
    (served.models / "intent.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises((ScanRefused, UntrustedTypeError), match="system"):
        loader_of(served, use_quantized=False).predict(ROWS)


def _damage(path: Path) -> None:
    path.write_text("{")


def _of_newer_code(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 7}))


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere.json"))
    path.symlink_to(path.with_name("elsewhere.json"))


@pytest.mark.parametrize("fault", [_damage, _of_newer_code, _link])
def test_a_new_loader_under_a_broken_manifest_answers_from_the_original(
    served: Served, fault: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    manifest = served.output / "manifest.json"
    whole = manifest.read_bytes()
    fault(manifest)
    loader = loader_of(served)
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))
    status = loader.status()
    assert (status["active"], status["requested"], status["release"]) == (
        "original",
        "quantized",
        0,
    )
    assert (status["reason_code"], status["fallbacks"]) == ("unreadable_release", 1)
    for text in (status["reason"], caplog.text):
        assert str(manifest) in text and "model-quantization rollback" in text
    manifest.unlink()
    manifest.write_bytes(whole)
    loader.reload()
    assert loader.status()["active"] == "quantized"


def test_a_broken_manifest_without_an_original_is_its_own_error(served: Served) -> None:
    (served.output / "manifest.json").write_text("{")
    (served.models / "intent.pkl").unlink()
    with pytest.raises(FormatError, match=r"manifest\.json.*model-quantization rollback"):
        loader_of(served).predict(ROWS)


# --- an artifact that fails while it serves -------------------------------------------------


def test_a_failing_artifact_is_answered_by_the_original_and_given_up(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.artifact.fails = ZeroDivisionError("kernel")
    loader = loader_of(served)
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))
    status = loader.status()
    assert (status["active"], status["requested"]) == ("original", "quantized")
    assert status["reason_code"] == "failing"
    assert "predict of the artifact failed where the original answers: kernel" in status["reason"]
    assert status["fallbacks"] == 1 and len(caplog.records) == 1
    served.artifact.fails = None
    loader.use_quantized_model(True)  # an operator asks for another try
    assert loader.predict(ROWS) == ["quantized"] * 3


def test_a_wrong_question_gets_the_originals_error_and_changes_nothing(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    loader = loader_of(served)
    with pytest.raises(ValueError) as expected:
        classifier().predict(ROWS[0])
    with (
        caplog.at_level(logging.WARNING, "model_quantization.serving"),
        pytest.raises(ValueError) as caught,
    ):
        loader.predict(ROWS[0])
    assert str(caught.value) == str(expected.value)
    assert loader.status()["active"] == "quantized"
    assert loader.status()["fallbacks"] == 0 and not caplog.records


def test_without_a_pinned_original_the_artifacts_error_is_the_callers(served: Served) -> None:
    loader = loader_of(served)
    loader.predict(ROWS)
    served.write_original(model=classifier(shift=1.0))
    served.artifact.fails = ZeroDivisionError("kernel")
    with pytest.raises(ZeroDivisionError, match="kernel"):
        loader.predict(ROWS)
    status = loader.status()
    assert status["active"] == "quantized" and "no original to ask instead" in status["last_error"]


def test_memory_is_not_a_fault_of_the_artifact(served: Served) -> None:
    served.artifact.fails = MemoryError()
    loader = loader_of(served)
    with pytest.raises(MemoryError):
        loader.predict(ROWS)
    assert loader.status()["fallbacks"] == 0


def test_rows_that_can_be_read_once_reach_the_original_whole(served: Served) -> None:
    def consume(rows: Any) -> list[str]:
        list(rows)
        raise ZeroDivisionError

    loader = loader_of(served)
    served.artifact.predict = consume  # type: ignore[method-assign]
    rows: Iterator[Any] = iter(ROWS)
    assert list(loader.predict(rows)) == list(classifier().predict(ROWS))


# --- switching ------------------------------------------------------------------------------


def test_switching_at_run_time(served: Served) -> None:
    loader = loader_of(served)
    predict = loader.predict  # follows the switch
    assert predict(ROWS) == ["quantized"] * 3
    loader.use_quantized_model(False)
    assert list(predict(ROWS)) == list(classifier().predict(ROWS))
    loader.use_quantized_model(True)
    assert predict(ROWS) == ["quantized"] * 3


def test_a_call_under_way_finishes_on_the_model_it_started_with(served: Served) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        assert go_on.wait(20)

    served.artifact.on_predict = wait
    loader = loader_of(served)
    answers: list[Any] = []
    call = threading.Thread(target=lambda: answers.append(loader.predict(ROWS)))
    call.start()
    assert started.wait(20)
    loader.use_quantized_model(False)  # does not wait for the call
    assert list(loader.predict(ROWS)) == list(classifier().predict(ROWS))
    go_on.set()
    call.join(20)
    assert answers == [["quantized"] * 3]


def test_a_late_failure_does_not_undo_a_switch(served: Served) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        assert go_on.wait(20)

    failing = served.artifact
    failing.on_predict = wait
    failing.fails = ZeroDivisionError("kernel")
    loader = loader_of(served)
    call = threading.Thread(target=lambda: loader.predict(ROWS))
    call.start()
    assert started.wait(20)
    served.artifact = Artifact()
    loader.reload()
    go_on.set()
    call.join(20)
    status = loader.status()
    assert status["active"] == "quantized" and status["fallbacks"] == 1
    assert loader.predict(ROWS) == ["quantized"] * 3


def test_threads_get_whole_answers_while_the_model_is_switched(served: Served) -> None:
    loader = loader_of(served)
    original = list(classifier().predict(ROWS))
    wrong: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = list(loader.predict(ROWS))
            if answer not in (["quantized"] * 3, original):
                wrong.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        loader.use_quantized_model(turn % 2 == 0)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not wrong and len(served.opened) <= 61


def test_many_first_calls_load_once(served: Served) -> None:
    loader = loader_of(served)
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait(20)
        loader.predict(ROWS)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(served.opened) == 1


def test_reload_serves_the_new_release_and_a_bad_one_changes_nothing(served: Served) -> None:
    loader = loader_of(served)
    first = loader.status()["sha256"]
    second = served.release(content=b"a newer artifact")
    assert loader.status()["sha256"] == first
    loader.reload()
    assert loader.status()["sha256"] == second.stem
    (served.output / "manifest.json").write_text("{")
    with pytest.raises(FormatError):
        loader.reload()
    assert loader.predict(ROWS) == ["quantized"] * 3
    assert loader.status()["sha256"] == second.stem


# --- what the loader looks like -------------------------------------------------------------


def test_only_the_methods_of_the_model_exist(served: Served) -> None:
    loader = loader_of(served)
    assert hasattr(loader, "predict") and not hasattr(loader, "predict_proba")
    loader.use_quantized_model(False)
    assert hasattr(loader, "predict_proba") and hasattr(loader, "decision_function")
    assert not hasattr(loader, "transform")
    assert list(loader.classes_) == ["high", "low"]
    assert loader.n_features_in_ == 2


@pytest.mark.parametrize("name", ["fit", "partial_fit", "set_params", "_private", "__len__"])
def test_what_would_change_the_model_is_not_passed_on(served: Served, name: str) -> None:
    loader = loader_of(served, use_quantized=False)
    with pytest.raises(AttributeError, match=f"serves a fitted model and has no {name}"):
        getattr(loader, name)


def test_a_container_of_models_is_served_as_it_is(served: Served) -> None:
    served.artifact = {"first": Artifact(), "names": ["a"]}
    loader = loader_of(served)
    assert loader.model["first"].predict(ROWS) == ["quantized"] * 3
    assert loader.keys() == served.artifact.keys() and not hasattr(loader, "predict")


def test_the_active_model_itself(served: Served) -> None:
    loader = loader_of(served)
    held = loader.model
    loader.use_quantized_model(False)
    assert held is served.artifact and isinstance(loader.model, LogisticRegression)


def test_sizes(served: Served) -> None:
    before = (served.models / "intent.pkl").stat().st_size
    info = loader_of(served).get_model_size_info()
    assert info == {
        "original_size_bytes": before,
        "quantized_size_bytes": 8,
        "size_reduction_percent": pytest.approx(100 * (1 - 8 / before)),
        "active": "quantized",
    }


def test_sizes_without_an_artifact_and_without_an_original(served: Served) -> None:
    pinned = (served.models / "intent.pkl").stat().st_size
    (served.models / "intent.pkl").unlink()
    assert loader_of(served).get_model_size_info()["original_size_bytes"] == pinned
    served.write_original()
    (served.output / "manifest.json").unlink()
    info = loader_of(served).get_model_size_info()
    assert (info["quantized_size_bytes"], info["size_reduction_percent"]) == (0, 0.0)
    assert info["active"] == "original"
