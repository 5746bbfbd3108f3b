"""Locations in object storage: fsspec's memory, and S3 where it can do more."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_quantization.errors import ConfigError, LimitError, StorageError
from model_quantization.files.object_store import (
    Location,
    StoredFile,
    is_url,
    join_url,
    mirror_path,
)
from tests.object_storage import s3_server

fsspec = pytest.importorskip("fsspec", reason="the extra `s3` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with s3_server(tmp_path_factory.mktemp("cache")) as filesystem:
        yield filesystem


@pytest.fixture(params=["memory", "s3"])
def location(request: pytest.FixtureRequest) -> Location:
    if request.param == "s3":
        store = request.getfixturevalue("store")
        if not store.exists("bucket"):
            store.mkdir("bucket")
        elif store.find("bucket"):
            store.rm("bucket/a", recursive=True)
        return Location("s3://bucket/a")
    fsspec.filesystem("memory").store.clear()
    return Location("memory://bucket/a")


def test_files_come_and_go(location: Location, tmp_path: Path) -> None:
    assert location.list() == {}
    assert location.find("x/one") is None
    (tmp_path / "source").write_bytes(b"hello")
    location.upload(tmp_path / "source", "x/one")
    location.copy("x/one", "two")
    assert {name: file.size_bytes for name, file in location.list().items()} == {
        "x/one": 5,
        "two": 5,
    }
    assert location.find("two") == location.list()["two"]
    assert location.read("two", 5) == b"hello"
    with pytest.raises(LimitError, match="at most 4 bytes"):
        location.read("two", 4)
    target = tmp_path / "deep" / "target"
    assert location.download("x/one", target) == hashlib.sha256(b"hello").hexdigest()
    assert target.read_bytes() == b"hello"
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    location.remove(["two", "never"])
    assert set(location.list()) == {"x/one"}
    for missing in (lambda: location.read("two", 9), lambda: location.download("two", target)):
        with pytest.raises(FileNotFoundError):
            missing()


def test_a_file_is_replaced_only_when_it_is_what_it_was(location: Location) -> None:
    assert location.replace("m", b"1", None)
    first = location.find("m")
    assert first is not None
    assert not location.replace("m", b"two", None)
    assert location.replace("m", b"two", first)
    assert not location.replace("m", b"three", first)
    assert location.read("m", 9) == b"two"
    location.remove(["m"])
    assert not location.replace("m", b"three", first)


def test_versions_follow_the_content(store: Any, tmp_path: Path) -> None:
    location = Location("s3://versions/a")
    store.mkdir("versions")
    assert location.replace("m", b"1", None)
    first = location.find("m")
    assert first is not None and first.version
    assert location.replace("m", b"2", first)
    assert location.find("m") != first
    assert location.find("m") == location.list()["m"]


def test_a_weak_etag_is_none() -> None:
    from model_quantization.files.object_store import _stored

    assert _stored({"size": 1, "ETag": 'W/"a"'}) == StoredFile(1, "")
    assert _stored({"size": 1, "generation": 7}) == StoredFile(1, "7")


def test_a_store_that_cannot_be_reached_is_named(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(store).clear_instance_cache()
    with pytest.raises(StorageError, match=r"s3://bucket/a/: object storage failed .*check the"):
        Location("s3://bucket/a").list()
    type(store).clear_instance_cache()


def test_a_missing_bucket_is_named(store: Any) -> None:
    with pytest.raises(StorageError, match="s3://nosuch/a: there is no such bucket"):
        Location("s3://nosuch/a").replace("m", b"1", None)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ConfigError, match=r"pip install 'model-quantization\[s3\]'"):
        Location("s3://bucket").list()
    with pytest.raises(ConfigError, match="install what fsspec names for it"):
        Location("gs://bucket").list()


def test_a_scheme_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a URL of object storage"):
        Location("nosuch://bucket").list()


def test_urls_and_their_mirrors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert is_url("s3://b/c") and not is_url("models") and not is_url(None)
    assert not is_url(Path("s3://b"))
    assert join_url("s3://b/c/", "d") == "s3://b/c/d"
    assert mirror_path("s3://b/c/", tmp_path) == tmp_path / "s3" / "b" / "c"
    monkeypatch.setenv("ML_CACHE_DIR", str(tmp_path / "cache"))
    assert mirror_path("s3://b") == tmp_path / "cache" / "s3" / "b"
    monkeypatch.delenv("ML_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert mirror_path("s3://b") == tmp_path / "model-quantization" / "s3" / "b"
    for url in ("s3://b/../c", "s3://b//c", "s3://"):
        with pytest.raises(ConfigError, match="cannot be mirrored"):
            mirror_path(url)
