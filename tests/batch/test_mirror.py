"""Runs from object storage to object storage, on an S3 server on loopback."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model_quantization.batch.mirror import index, mirrored, push
from model_quantization.batch.plan import plan_batch
from model_quantization.batch.run import run_batch
from model_quantization.commands.demo import main
from model_quantization.config.file import load_config
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import (
    ConfigError,
    FallbackRefused,
    ReleaseError,
    ReleaseLocked,
    StorageError,
)
from model_quantization.files import lease
from model_quantization.files.lease import leased
from model_quantization.files.object_store import Location, mirror_path
from model_quantization.release.publish import rollback
from model_quantization.serving.named_loaders import ModelLoader
from tests.batch.test_run import Fake
from tests.object_storage import s3_server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with s3_server(tmp_path_factory.mktemp("cache")) as filesystem:
        yield filesystem


class Bucket:
    """A bucket of its own with models that `Fake` stages are run over."""

    def __init__(self, store: Any, name: str, fake: Fake, cache: Path) -> None:
        store.mkdir(name)
        self.store, self.name, self.fake, self.cache = store, name, fake, cache

    @property
    def url(self) -> str:
        return f"s3://{self.name}/models"

    def put(self, relative: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.store.pipe_file(f"{self.name}/models/{relative}", data)

    def get(self, relative: str) -> bytes:
        return bytes(self.store.cat_file(f"{self.name}/models/{relative}"))

    def manifest(self) -> dict[str, Any]:
        return dict(json.loads(self.get("quantized/manifest.json")))

    def files(self) -> set[str]:
        found = self.store.find(f"{self.name}/models/quantized")
        return {path.removeprefix(f"{self.name}/models/quantized/") for path in found}

    def config(self, **changes: Any) -> RunConfig:
        values = {"model_dir": self.url, "cache_dir": str(self.cache)} | changes
        return RunConfig.model_validate(values)

    def run(self, **changes: Any) -> list[str]:
        """The models that had to be done."""
        self.fake.done.clear()
        run_batch(self.config(**changes))
        return sorted(self.fake.done)

    def is_whole(self) -> bool:
        """Whether every artifact that the manifest names lies there with the right content."""
        entries = self.manifest()["models"].values()
        return all(
            hashlib.sha256(self.get(f"quantized/{entry['artifact']}")).hexdigest()
            == entry["artifact_sha256"]
            for entry in entries
        )


@pytest.fixture
def bucket(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Bucket:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    bucket = Bucket(store, name, Fake(tmp_path, monkeypatch), tmp_path / "cache")
    for model in ("a", "b", "eu/c"):
        bucket.put(f"{model}.pkl", f"model {model}")
    return bucket


def test_a_run_publishes_there_and_does_nothing_twice(bucket: Bucket) -> None:
    assert bucket.run() == ["a", "b", "c"]
    assert bucket.is_whole()
    manifest = bucket.manifest()
    assert manifest["release"] == 1
    assert manifest["models"]["eu/c"]["source"] == "../eu/c.pkl"
    for name, entry in manifest["models"].items():
        assert bucket.get(f"quantized/{name}.qma") == bucket.get(f"quantized/{entry['artifact']}")
    assert {"summary.csv", "summary.md", "stats/eu/c.json", "releases/1.json"} <= bucket.files()
    assert not any(name.startswith(".") for name in bucket.files())

    assert bucket.run() == []
    assert bucket.manifest() == manifest
    bucket.put("b.pkl", "another model b")
    assert bucket.run() == ["b"]
    assert bucket.is_whole() and bucket.manifest()["release"] == 2
    entry = bucket.manifest()["models"]["b"]
    assert bucket.get("quantized/b.qma") == bucket.get(f"quantized/{entry['artifact']}")

    bucket.store.rm_file(f"{bucket.name}/models/a.pkl")
    assert bucket.run(keep_releases=1) == []
    assert set(bucket.manifest()["models"]) == {"b", "eu/c"}
    assert not {"a.qma", "stats/a.json", "releases/1.json"} & bucket.files()
    assert len([name for name in bucket.files() if name.startswith("objects/")]) == 2


def test_another_machine_goes_on_from_the_release(bucket: Bucket, tmp_path: Path) -> None:
    bucket.run()
    bucket.cache = tmp_path / "another"
    assert bucket.run() == []
    bucket.put("b.pkl", "another model b")
    assert bucket.run() == ["b"]
    bucket.cache = tmp_path / "cache"
    assert bucket.run() == []
    assert bucket.manifest()["release"] == 2


def test_what_did_not_change_is_not_fetched(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    real = Location.download
    monkeypatch.setattr(
        Location, "download", lambda self, name, to: fetched.append(name) or real(self, name, to)
    )
    bucket.run()
    assert sorted(fetched) == ["a.pkl", "b.pkl", "eu/c.pkl"]
    fetched.clear()
    bucket.put("a.pkl", "model A")  # of the same size
    assert bucket.run() == ["a"]
    assert fetched == ["a.pkl"]


@pytest.mark.parametrize("before", ["_switch", "_name"])
def test_a_run_killed_while_it_pushes_leaves_a_whole_release(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    bucket.run()
    bucket.put("b.pkl", "another model b")
    with monkeypatch.context() as patched:

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr(push, before, killed)
        with pytest.raises(KeyboardInterrupt):
            bucket.run()
    assert bucket.is_whole()
    assert bucket.manifest()["release"] == (1 if before == "_switch" else 2)
    assert bucket.run() == []  # what was done is kept
    assert bucket.is_whole() and bucket.manifest()["release"] == 2
    entry = bucket.manifest()["models"]["b"]
    assert bucket.get("quantized/b.qma") == bucket.get(f"quantized/{entry['artifact']}")
    assert hashlib.sha256(b"artifact of another model b").hexdigest() == entry["artifact_sha256"]


def test_two_runs_at_once_one_refuses_by_name(bucket: Bucket) -> None:
    here = f"process {os.getpid()} on {socket.gethostname()}"
    with (
        leased(Location(f"{bucket.url}/quantized")),
        pytest.raises(ReleaseLocked, match=rf"another run is writing here \({here}\); wait"),
    ):
        bucket.run()
    assert bucket.run() == ["a", "b", "c"]


def _lock(bucket: Bucket, **changes: Any) -> None:
    record = {"host": "elsewhere", "pid": 1, "token": "x", "expires": time.time() + 100}
    bucket.put("quantized/.lock", json.dumps(record | changes))


def test_a_lock_that_was_left_behind_ends(bucket: Bucket) -> None:
    _lock(bucket)
    with pytest.raises(ReleaseLocked, match=r"process 1 on elsewhere.*expires in \d+ s"):
        bucket.run()
    _lock(bucket, expires=time.time() - 1)
    assert len(bucket.run()) == 3
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _lock(bucket, host=socket.gethostname(), pid=ended.pid)
    assert bucket.run() == []
    bucket.put("quantized/.lock", "not a lock")
    assert bucket.run() == []


def test_a_lock_is_renewed_and_a_lost_one_is_left_alone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    location = Location(f"{bucket.url}/quantized")
    with leased(location):
        first = location.find(".lock")
        for _ in range(500):
            if location.find(".lock") != first:
                break
            time.sleep(0.01)
        assert location.find(".lock") != first
        _lock(bucket)
    assert location.find(".lock") is not None


def test_a_run_that_was_overtaken_changes_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.run()
    bucket.put("b.pkl", "another model b")
    other = bucket.get("quantized/manifest.json") + b" "
    real = bucket.fake.evaluate

    def evaluate(record: dict[str, Any]) -> Any:
        bucket.put("quantized/manifest.json", other)
        return real(record)

    monkeypatch.setattr("model_quantization.batch.run.evaluate_stage", evaluate)
    with pytest.raises(ReleaseError, match="another run has published since this one began"):
        bucket.run()
    assert bucket.get("quantized/manifest.json") == other
    monkeypatch.setattr("model_quantization.batch.run.evaluate_stage", real)
    assert bucket.run() == ["b"]
    assert bucket.manifest()["release"] == 2 and bucket.is_whole()


def test_a_damaged_object_is_mended(bucket: Bucket, tmp_path: Path) -> None:
    bucket.run()
    artifact = bucket.manifest()["models"]["a"]["artifact"]
    bucket.put(f"quantized/{artifact}", "garbage")
    assert bucket.run() == []  # it is whole here
    assert bucket.is_whole()
    bucket.put(f"quantized/{artifact}", "garbage")
    bucket.cache = tmp_path / "another"
    assert bucket.run() == ["a"]
    assert bucket.is_whole()


def test_a_release_is_brought_back(bucket: Bucket, tmp_path: Path) -> None:
    bucket.run()
    first = bucket.get("quantized/a.qma")
    bucket.put("a.pkl", "another model a")
    bucket.run()
    bucket.cache = tmp_path / "another"
    config = bucket.config()
    with mirrored(config, all_objects=True):
        rollback(config.output_path, 1)
    assert bucket.manifest()["rollback_of"] == 1
    assert bucket.get("quantized/a.qma") == first and bucket.is_whole()


def test_a_release_is_brought_back_by_a_command(
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from model_quantization.commands.application import main as command

    bucket.run()
    first = bucket.get("quantized/a.qma")
    bucket.put("a.pkl", "another model a")
    bucket.run()
    monkeypatch.setenv("ML_CACHE_DIR", str(tmp_path / "another"))
    before = bucket.files()
    assert command(["rollback", f"{bucket.url}/quantized"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("3 artifacts  current")
    assert bucket.files() == before
    assert command(["rollback", f"{bucket.url}/quantized", "1"]) == 0
    assert capsys.readouterr().out == "release 3 is served now; it has the content of release 1\n"
    assert bucket.manifest()["rollback_of"] == 1
    assert bucket.get("quantized/a.qma") == first and bucket.is_whole()
    assert command(["rollback", f"{bucket.url}/quantized", "9"]) == 1
    assert "there is no release 9" in capsys.readouterr().err


def test_who_only_looks_pushes_nothing(bucket: Bucket) -> None:
    bucket.run()
    bucket.put("b.pkl", "another model b")
    config = bucket.config()
    before = bucket.files()
    with mirrored(config, push=False):
        assert [job.name for job in plan_batch(config).jobs] == ["b"]
        (config.output_path / "summary.md").write_text("changed")
    assert bucket.files() == before
    assert bucket.get("quantized/summary.md") != b"changed"


def test_the_command_line_takes_urls(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model-dir", bucket.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["published_models"] == 3
    assert bucket.is_whole()
    assert main(["--model-dir", f"{bucket.url}/nothing"]) == 2


def test_names_that_no_file_can_have_are_passed_over(
    bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("../up.pkl", "x//y.pkl", "a.pkl/below.pkl", f"{'n' * 300}.pkl"):
        bucket.store.call_s3("put_object", Bucket=bucket.name, Key=f"models/{name}", Body=b"x")
    with caplog.at_level(logging.WARNING):
        assert bucket.run() == ["a", "b", "c"]
    assert sum("no local file can have this name" in message for message in caplog.messages) == 4


def test_nothing_at_a_url_is_an_error(bucket: Bucket) -> None:
    for model_dir in (f"s3://{bucket.name}/nothing", "s3://no-such-bucket/models"):
        with pytest.raises(
            (ConfigError, StorageError), match=r"nothing at this URL|no such bucket"
        ):
            bucket.run(model_dir=model_dir)
    with pytest.raises(ConfigError, match="there is nothing at this URL"):
        bucket.run(holdout_dir=f"s3://{bucket.name}/held")


def test_from_storage_to_a_local_directory(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.run(output_dir=str(tmp_path / "out")) == ["a", "b", "c"]
    assert (tmp_path / "out" / "eu" / "c.qma").read_text() == "artifact of model eu/c"
    assert bucket.files() == set()


def test_directories_of_a_configuration_may_be_urls(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model_dir: s3://b/models\nholdout_dir: held\ncache_dir: kept\n")
    config = load_config(path, environ={})
    assert (config.model_url, config.output_url) == ("s3://b/models", "s3://b/models/quantized")
    assert config.model_path == tmp_path / "kept" / "s3" / "b" / "models"
    assert config.output_path == config.model_path / "quantized"
    assert config.holdout_url is None and config.holdout_path == tmp_path / "held"


FEATURES = 120


@pytest.fixture(scope="module")
def served(store: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a model directory with a real release of one linear model."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, FEATURES))
    labels = (rows @ rng.normal(size=(FEATURES, 4))).argmax(axis=1)
    model = LogisticRegression(max_iter=300).fit(rows[:400], labels[:400])
    root = tmp_path_factory.mktemp("made")
    np.savez(root / "intent.npz", X=rows[400:], target=labels[400:])
    store.mkdir("served")
    store.pipe_file("served/models/eu/intent.pkl", pickle.dumps(model))
    store.put_file(str(root / "intent.npz"), "served/held/eu/intent.npz")
    config = RunConfig(
        model_dir="s3://served/models",
        holdout_dir="s3://served/held",
        cache_dir=str(root / "cache"),
        latency_seconds=0,
    )
    (outcome,) = run_batch(config).outcomes
    assert outcome.published, outcome.note
    return "s3://served/models"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ML_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_a_loader_serves_from_storage_and_keeps_what_it_fetched(
    served: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(1).normal(size=(50, FEATURES))
    loader = ModelLoader("eu/intent", served)
    labels = loader.predict(rows)
    assert loader.status()["active"] == "quantized"
    assert loader.get_model_size_info()["size_reduction_percent"] > 50
    kept = {path.name for path in (cache / "served").rglob("*") if path.is_file()}
    assert kept == {"manifest.json", f"{loader.status()['sha256']}.qma"}  # and no original

    with monkeypatch.context() as patched:
        patched.setattr(Location, "download", None)
        assert list(ModelLoader("eu/intent", served).predict(rows)) == list(labels)
    loader.use_quantized_model(False)
    assert np.mean(loader.predict(rows) == labels) > 0.9
    monkeypatch.setattr(Location, "_path", _out_of_reach)
    assert list(ModelLoader("eu/intent", served).predict(rows)) == list(labels)


def _out_of_reach(self: Location, relative: str) -> str:
    raise StorageError("object storage failed", where=f"{self.url}/{relative}")


def test_a_damaged_object_is_answered_by_the_original(
    served: str, store: Any, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = np.random.default_rng(1).normal(size=(50, FEATURES))
    manifest = json.loads(store.cat_file("served/models/quantized/manifest.json"))
    path = f"served/models/quantized/{manifest['models']['eu/intent']['artifact']}"
    good = store.cat_file(path)
    store.pipe_file(path, good[:-1] + b"x")
    loader = ModelLoader("eu/intent", served)
    loader.predict(rows)
    assert (loader.status()["active"], loader.status()["reason_code"]) == ("original", "integrity")
    store.rm_file(path)
    shutil.rmtree(cache / "served")
    missing = ModelLoader("eu/intent", served)
    missing.predict(rows)
    assert (missing.status()["active"], missing.status()["reason_code"]) == ("original", "missing")

    original = store.cat_file("served/models/eu/intent.pkl")
    store.pipe_file("served/models/eu/intent.pkl", pickle.dumps([1, 2]))
    with pytest.raises(FallbackRefused):
        ModelLoader("eu/intent", served).predict(rows)
    store.pipe_file(path, good)
    replaced = ModelLoader("eu/intent", served)
    assert replaced.status()["reason_code"] == "stale"
    store.pipe_file("served/models/eu/intent.pkl", original)
    loader.reload()
    assert loader.status()["active"] == "quantized"


def test_a_release_in_storage_is_not_watched(served: str) -> None:
    with pytest.raises(ConfigError, match="cannot be watched; leave it out, and call `reload`"):
        ModelLoader("eu/intent", served, watch=True)


def test_mirrors_keep_the_way_between_urls(cache: Path) -> None:
    outputs = os.path.relpath(mirror_path("s3://b/models/quantized"), mirror_path("s3://b/models"))
    assert outputs == "quantized"


# --- copies that are damaged, unreadable or cannot be written -------------------------------


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zero(path: Path) -> None:
    """Of the right size, as a power cut leaves files."""
    path.write_bytes(bytes(path.stat().st_size))


def _not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 20)


def _directory(path: Path) -> None:
    path.unlink()
    (path / "in the way").mkdir(parents=True)


def _remove(path: Path) -> None:
    path.unlink()


DAMAGES = [_truncate, _zero, _not_text, _directory, _remove]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_is_made_anew(bucket: Bucket, damage: Callable[[Path], None]) -> None:
    assert bucket.run() == ["a", "b", "c"]
    files = [path for path in (bucket.cache / "s3").rglob("*") if path.is_file()]
    assert {"a.pkl", "manifest.json", ".mirror.json"} <= {path.name for path in files}
    contents = {path: path.read_bytes() for path in files if path.name.endswith(".pkl")}
    for path in files:
        if path.name != ".lock":
            damage(path)
    assert bucket.run() == [], "the release says that nothing has changed"
    assert {path: path.read_bytes() for path in contents} == contents
    assert bucket.is_whole()


def test_a_mirror_whose_index_cannot_be_written_is_fetched_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, value: Any, *, flush: bool = True) -> None:
        raise ReleaseError("cannot be written (No space left on device)", where=str(path))

    monkeypatch.setattr(index, "write_json", full)
    assert bucket.run() == ["a", "b", "c"]
    assert "No space left on device" in caplog.text
    assert bucket.run() == []


def _serves(served: str, used: bool) -> str:
    loader = ModelLoader("eu/intent", served, use_quantized=used)
    loader.predict(np.zeros((1, FEATURES)))
    status = loader.status()
    assert status["fallbacks"] == 0, status
    return str(status["active"])


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_copies_of_a_loader_are_made_anew(
    served: str, cache: Path, damage: Callable[[Path], None]
) -> None:
    def kept() -> dict[str, bytes]:
        found = sorted(path for path in (cache / "served").rglob("*") if path.is_file())
        return {path.relative_to(cache).as_posix(): path.read_bytes() for path in found}

    assert (_serves(served, True), _serves(served, False)) == ("quantized", "original")
    before = kept()
    assert {Path(name).suffix for name in before} == {".json", ".qma", ".pkl", ".version"}
    for name in before:
        damage(cache / name)
    assert (_serves(served, True), _serves(served, False)) == ("quantized", "original")
    assert kept() == before


def _no_space(*arguments: Any, **options: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _read_only(*arguments: Any, **options: Any) -> Any:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("refuse", [_no_space, _read_only])
@pytest.mark.parametrize("copies", ["none yet", "damaged"])
def test_without_a_cache_a_loader_answers_all_the_same(
    served: str,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    refuse: Callable[..., Any],
    copies: str,
) -> None:
    if copies == "damaged":
        _serves(served, True), _serves(served, False)
        for path in (cache / "served").rglob("*"):
            if path.is_file():
                _truncate(path)
    real = {name: getattr(Path, name) for name in ("open", "mkdir", "replace", "unlink")}

    def refusing(name: str) -> Callable[..., Any]:
        def call(self: Path, *arguments: Any, **options: Any) -> Any:
            writes = name != "open" or (arguments and set(arguments[0]) & set("wax+"))
            if writes and self.is_relative_to(cache):
                refuse()
            return real[name](self, *arguments, **options)

        return call

    for name in real:
        monkeypatch.setattr(Path, name, refusing(name))
    assert (_serves(served, True), _serves(served, False)) == ("quantized", "original")
    assert "no copy" in caplog.text


def test_a_damaged_manifest_and_no_store_is_the_stores_error(
    served: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serves(served, True)
    _truncate(next((cache / "served").rglob("manifest.json")))
    monkeypatch.setattr(Location, "_path", _out_of_reach)
    with pytest.raises(StorageError):
        ModelLoader("eu/intent", served).predict(np.zeros((1, FEATURES)))
    assert ModelLoader("eu/intent", served).status()["reason_code"] == "storage"
