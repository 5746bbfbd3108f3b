"""A loader that follows releases and checks itself, on real models."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_quantization.errors import ConfigError
from model_quantization.serving.named_loaders import IntentModelLoader, ModelLoader
from tests.forking import held_by_another_thread, in_a_fork
from tests.serving.releases import ROWS, Releases


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    releases = Releases(tmp_path_factory.mktemp("releases"))
    for number in (1, 2):
        releases.prepare(number)
    releases.prepare(3, wrong=True)
    return releases


@pytest.fixture
def releases(prepared: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL", "ML_PUBLIC_KEYS"):
        monkeypatch.delenv(variable, raising=False)
    return Releases(tmp_path / "models", prepared.answers, prepared._made)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 10 s")


def answers(loader: ModelLoader, releases: Releases, number: int) -> bool:
    return bool(np.array_equal(loader.predict(ROWS), releases.answers[number]))


def test_a_new_release_is_taken_over_without_being_asked(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, watch=0)
    assert answers(loader, releases, 1)
    assert loader.status()["release"] == 1
    releases.publish(2)
    wait_until(lambda: answers(loader, releases, 2))
    assert loader.status()["release"] == 2 and loader.status()["active"] == "quantized"


def test_without_watching_nothing_is_taken_over(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models)
    assert answers(loader, releases, 1)
    releases.publish(2)
    assert answers(loader, releases, 1) and answers(loader, releases, 1)
    loader.reload()
    assert answers(loader, releases, 2)


def test_a_release_about_other_models_loads_nothing(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, watch=0)
    held = loader.model
    releases.republish(7)
    wait_until(lambda: loader.status()["release"] == 7)
    assert loader.model is held


def test_a_broken_manifest_is_not_taken_over_and_the_next_one_is(
    releases: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, watch=0)
    assert answers(loader, releases, 1)
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        releases.manifest.write_text("{")
        wait_until(lambda: answers(loader, releases, 1) and bool(loader.status()["last_error"]))
        wait_until(lambda: "a new release is not taken over" in caplog.text)
    assert answers(loader, releases, 1)
    releases.manifest.unlink()
    assert answers(loader, releases, 1)
    releases.publish(2)
    wait_until(lambda: answers(loader, releases, 2))


def test_a_release_with_a_damaged_artifact_is_answered_by_its_original(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, watch=0)
    assert answers(loader, releases, 1)
    path = releases.publish(2)
    path.write_bytes(b"damaged")
    releases.republish(8)
    wait_until(lambda: answers(loader, releases, 2) or False)
    # Whichever moment it was read at: the artifact while it was whole, or the original.
    assert loader.status()["active"] in ("quantized", "original")


def test_switching_a_hundred_times_leaks_no_descriptors_and_no_models(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models)
    loader.predict(ROWS)

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def artifacts() -> int:
        gc.collect()
        return sum(type(each).__name__ == "Artifact" for each in gc.get_objects())

    for number in (1, 2, 1, 2):
        releases.publish(number)
        loader.reload()
    files, held = open_files(), artifacts()
    for step in range(100):
        releases.publish(1 + step % 2)
        loader.reload()
        assert answers(loader, releases, 1 + step % 2)
    assert open_files() <= files and artifacts() == held


def test_a_fork_of_a_serving_process_follows_releases(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, watch=0)
    assert answers(loader, releases, 1)

    def follow() -> bool:
        releases.publish(2)
        wait_until(lambda: answers(loader, releases, 2))
        return True

    with held_by_another_thread(loader._lock):
        assert in_a_fork(follow) == 0


def test_shadow_mode_finds_nothing_to_say_about_a_good_artifact(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, shadow=0.25, shadow_limit=0.0)
    for _ in range(40):
        assert answers(loader, releases, 1)
    figures = loader.status()["shadow"]
    assert 8 <= figures["calls"] <= 12 and figures["rows"] == 40 * figures["calls"]
    assert figures["differing"] == figures["errors"] == 0
    assert loader.status()["active"] == "quantized"


def test_shadow_mode_trips_back_to_the_original(
    releases: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    releases.publish(3)
    loader = IntentModelLoader(model_dir=releases.models, shadow=1.0, shadow_limit=0.1, watch=0)
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        wrong = [answers(loader, releases, 3) for _ in range(6)]
    assert wrong == [False, False, False, True, True, True]  # the 100th row is in the third call
    status = loader.status()
    assert status["active"] == "original" and status["reason_code"] == "shadow"
    assert "120 of 120 rows were answered differently" in status["reason"]
    assert status["fallbacks"] == 1 and caplog.text.count("in shadow") == 1
    releases.publish(1, release=4)
    wait_until(lambda: answers(loader, releases, 1))
    assert loader.status()["active"] == "quantized"
    assert loader.status()["shadow"]["differing"] == 0


def test_shadow_mode_without_an_original_serves_and_counts(releases: Releases) -> None:
    releases.publish(1)
    loader = IntentModelLoader(model_dir=releases.models, shadow=1.0)
    (releases.models / "intent.pkl").unlink()
    assert answers(loader, releases, 1)
    figures = loader.status()["shadow"]
    assert figures["errors"] == 1 and "no such model file" in figures["last_error"]
    assert loader.status()["active"] == "quantized"


def test_the_answer_is_the_artifacts_and_errors_are_the_callers(releases: Releases) -> None:
    releases.publish(3)
    loader = IntentModelLoader(model_dir=releases.models, shadow=1.0)
    assert not answers(loader, releases, 3)  # compared, yet answered by the artifact
    with pytest.raises(ValueError, match=r"expecting 8 features"):
        loader.predict(ROWS[:, :3])
    assert loader.status()["active"] == "quantized"


def test_options_that_cannot_be_meant(releases: Releases) -> None:
    for options in ({"watch": -1.0}, {"shadow": 2.0}, {"shadow": 0.5, "shadow_limit": 3.0}):
        with pytest.raises(ConfigError):
            IntentModelLoader(model_dir=releases.models, **options)
