"""The instructions of docs/operations.md for failed runs do what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model_quantization.batch.plan import plan_batch
from model_quantization.batch.run import BatchResult, run_batch
from model_quantization.commands.application import main
from model_quantization.config.file import load_config
from model_quantization.errors import FormatError, SignatureError
from model_quantization.release.manifest import read_release
from model_quantization.serving.named_loaders import ModelLoader
from tests.chaos.directory import FEATURES, ModelDirectory, name_of
from tests.chaos.survival import check_complete

ROWS = [[0.0] * FEATURES]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelDirectory:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_PUBLIC_KEYS"):
        monkeypatch.delenv(variable, raising=False)
    made = ModelDirectory(tmp_path)
    made.write((1, 2), 0)
    return made


def _run(directory: ModelDirectory, **given: object) -> BatchResult:
    return run_batch(load_config(directory.config, environ={}, given=given))


def _loader(directory: ModelDirectory, *keys: Path) -> ModelLoader:
    return ModelLoader(name_of(1), model_dir=directory.models, public_keys=keys)


def test_a_damaged_artifact_is_done_again_and_nothing_else(directory: ModelDirectory) -> None:
    artifact = _run(directory).release.artifact_path(name_of(1))
    assert artifact is not None
    for damage, code in ((lambda: artifact.write_bytes(b"damaged"), "integrity"),
                         (artifact.unlink, "missing")):  # fmt: skip
        damage()
        loader = _loader(directory)
        loader.predict(ROWS)
        assert loader.status()["reason_code"] == code
        assert main(["verify", str(directory.output)]) == 1
        jobs = plan_batch(load_config(directory.config, environ={})).jobs
        assert [(job.name, job.why) for job in jobs] == [
            (name_of(1), "its artifact is missing or damaged")
        ]
        _run(directory)
        check_complete(directory)
        assert _loader(directory).status()["active"] == "quantized"


@pytest.mark.parametrize("lost", [True, False])
def test_a_manifest_is_brought_back_from_those_that_are_kept(
    directory: ModelDirectory, lost: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(directory)
    directory.write((1,), 1)
    _run(directory)
    serving = _loader(directory)
    serving.predict(ROWS)
    manifest = directory.output / "manifest.json"
    if lost:
        manifest.unlink()
    else:
        manifest.write_bytes(b"{")
        with pytest.raises(FormatError, match="manifest"):
            _run(directory)
        capsys.readouterr()
        assert main(["verify", str(directory.output)]) == 1
        assert "manifest.json: not strict JSON" in (said := capsys.readouterr().out)
        assert "`model-quantization rollback <output directory>`" in said
        started = _loader(directory)
        started.predict(ROWS)
        assert started.status()["reason_code"] == "unreadable_release"
    serving.predict(ROWS)
    assert serving.status()["release"] == 2
    assert main(["rollback", str(directory.output)]) == 0
    assert main(["rollback", str(directory.output), "2"]) == 0
    release = read_release(directory.output)
    assert (release.number, release.rollback_of) == (3, 2)
    assert all(outcome.unchanged for outcome in _run(directory).outcomes)
    check_complete(directory)


def test_a_lost_output_directory_is_made_again(directory: ModelDirectory, tmp_path: Path) -> None:
    first = _run(directory).release
    shutil.copytree(directory.output, tmp_path / "backup")
    shutil.rmtree(directory.output)
    loader = _loader(directory)
    loader.predict(ROWS)
    assert loader.status()["reason_code"] == "not_released"
    assert _run(directory).release.models == first.models
    assert check_complete(directory).number == 1
    # From a backup: an older release, from which the next run goes on.
    directory.write((2,), 1)
    shutil.rmtree(directory.output)
    shutil.copytree(tmp_path / "backup", directory.output)
    assert [o.name for o in _run(directory).outcomes if not o.unchanged] == [name_of(2)]
    check_complete(directory)


def test_after_a_key_was_stolen(directory: ModelDirectory, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="the extra `signing` is not installed")
    for year in ("2026", "2027"):
        assert main(["keygen", str(tmp_path / f"{year}.pem")]) == 0
    stolen, fresh = tmp_path / "2026.pub.pem", tmp_path / "2027.pub.pem"
    _run(directory, signing_key=str(tmp_path / "2026.pem"))
    assert _loader(directory, stolen).status()["active"] == "quantized"
    with pytest.raises(SignatureError):
        _loader(directory, fresh).predict(ROWS)
    with pytest.raises(SignatureError):  # nothing that it signed is built on
        _run(directory, signing_key=str(tmp_path / "2027.pem"))
    directory.output.rename(tmp_path / "away")
    _run(directory, signing_key=str(tmp_path / "2027.pem"))
    check_complete(directory)
    assert _loader(directory, fresh).status()["active"] == "quantized"
