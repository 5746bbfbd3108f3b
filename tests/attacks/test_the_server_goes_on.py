"""A serving process is given every bad artifact: named, and answered by the pinned original."""

from __future__ import annotations

import json
import logging
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import model_quantization as mq
from model_quantization.errors import FallbackRefused, QuantizationError, UntrustedTypeError
from model_quantization.predictor.opening import iter_models
from model_quantization.serving.named_loaders import IntentModelLoader
from tests.attacks.artifacts import CASES
from tests.attacks.case import Case, parameters
from tests.serving.releases import ROWS, Releases, model_of


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL", "ML_PUBLIC_KEYS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    made = Releases(tmp_path_factory.mktemp("prepared"))
    made.prepare(1)
    return made


@pytest.fixture
def releases(prepared: Releases, tmp_path: Path) -> Releases:
    made = replace(prepared, models=tmp_path)
    made.publish(1)
    return made


def _vouch_for(releases: Releases, data: bytes) -> None:
    """Release this artifact instead, as whoever may write to the directory can."""
    record = json.loads(releases.manifest.read_text())
    digest = sha256(data).hexdigest()
    (releases.output / "objects" / f"{digest}.qma").write_bytes(data)
    record["models"]["intent"] |= {
        "artifact": f"objects/{digest}.qma",
        "artifact_sha256": digest,
        "artifact_size_bytes": len(data),
    }
    releases.manifest.write_text(json.dumps(record))


def _served(releases: Releases) -> bytes:
    (path,) = (releases.output / "objects").iterdir()
    return path.read_bytes()


def _use(data: bytes) -> None:
    """All that a serving process may ever do with an artifact."""
    for model in iter_models(mq.load(data)):
        model.restore()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", parameters(CASES))
def test_the_original_answers(
    releases: Releases, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = case.make(_served(releases))
    with pytest.raises(QuantizationError) as caught:
        _use(hostile)
    assert type(caught.value) is case.error
    _vouch_for(releases, hostile)
    loader = IntentModelLoader(model_dir=releases.models)
    if case.error is UntrustedTypeError:  # never answered by falling back
        for _ in range(2):
            with pytest.raises(UntrustedTypeError):
                loader.predict(ROWS)
        assert loader.status()["last_error"] == str(caught.value)
        assert loader.status()["fallbacks"] == 0
        return
    with caplog.at_level(logging.WARNING, "model_quantization.serving"):
        for _ in range(2):
            assert list(loader.predict(ROWS)) == list(releases.answers[1])
    status = loader.status()
    assert (status["active"], status["fallbacks"]) == ("original", 1)
    # What only restoring finds is found by the first question, and named in the reason.
    assert status["reason_code"] in (case.error.code, "failing")
    assert caught.value.what in status["reason"]
    assert f"the original answers ({status['reason_code']})" in caplog.text


@pytest.mark.bad_input(44)
@pytest.mark.parametrize("case", [case for case in CASES if case.number in (29, 33, 47)][::4])
def test_a_bad_artifact_and_a_replaced_original_are_served_by_neither(
    releases: Releases, case: Case
) -> None:
    _vouch_for(releases, case.make(_served(releases)))
    (releases.models / "intent.pkl").write_bytes(pickle.dumps(model_of(1, flipped=True)))
    loader = IntentModelLoader(model_dir=releases.models)
    for _ in range(2):
        with pytest.raises(FallbackRefused):
            loader.predict(ROWS)
    assert loader.status()["reason_code"] == FallbackRefused.code


def test_the_good_artifact_is_served(releases: Releases) -> None:
    loader = IntentModelLoader(model_dir=releases.models)
    assert np.array_equal(loader.predict(ROWS), releases.answers[1])
    assert loader.status()["active"] == "quantized"
