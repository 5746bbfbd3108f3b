"""Releases: whole, atomic, reversible."""

import errno
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from model_quantization.errors import (
    FormatError,
    IntegrityError,
    PathRefused,
    ReleaseError,
    SignatureError,
    VersionError,
)
from model_quantization.files.signing import generate_key_pair
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.release.known import known_outcomes, read_outcome, read_stats
from model_quantization.release.manifest import (
    Release,
    find_release,
    read_manifest,
    read_release,
)
from model_quantization.release.objects import kept_releases, object_is_whole, store_artifact
from model_quantization.release.publish import publish, rollback
from model_quantization.release.signer import Signer, last_release, read_signer
from model_quantization.report.publication import write_reports


class Shop:
    """A model directory and its releases, with outcomes made by hand."""

    def __init__(self, root: Path) -> None:
        self.models = root / "models"
        self.output = self.models / "quantized"
        self.models.mkdir()

    def outcome(self, name: str, content: str = "artifact", **changes: Any) -> Outcome:
        data = f"{name} {content}".encode()
        sha256 = hashlib.sha256(data).hexdigest()
        staged = self.output / ".work" / "staging" / name / "candidate.qma"
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(data)
        outcome = Outcome(
            name=name,
            source=str(self.models / f"{name}.pkl"),
            status=Status.PUBLISHED,
            guarantee=Guarantee.EXACT,
            source_sha256=hashlib.sha256(name.encode()).hexdigest(),
            source_size_bytes=1000,
            bit_depth="8",
            model_type="Fake",
            artifact=store_artifact(self.output, staged, sha256),
            artifact_sha256=sha256,
            artifact_size_bytes=len(data),
        )
        return replace(outcome, **changes)

    def publish(
        self,
        *outcomes: Outcome,
        also: tuple[str, ...] = (),
        keep: int = 10,
        signer: Signer | None = None,
    ) -> Release:
        release = publish(
            self.output,
            outcomes,
            fingerprints={o.name: f"mark {o.artifact_sha256}" for o in outcomes},
            present=[*(o.name for o in outcomes), *also],
            keep=keep,
            signer=signer,
        )
        write_reports(self.output, release, outcomes)
        return release

    def objects(self) -> set[str]:
        return {path.name for path in (self.output / "objects").iterdir()}

    def served(self, name: str) -> str:
        path = read_release(self.output).artifact_path(name)
        assert path is not None
        return path.read_text()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_release_says_what_is_served_and_from_which_original(shop: Shop) -> None:
    kept = {"artifact": None, "status": Status.NO_GAIN, "reason": "no_gain", "note": "kept"}
    release = shop.publish(shop.outcome("a"), shop.outcome("eu/b"), shop.outcome("c", **kept))
    assert release == read_release(shop.output)
    assert release.number == 1
    manifest = json.loads((shop.output / "manifest.json").read_text())
    assert manifest["format"] == "qma-release"
    assert manifest["version"] == 1
    sha256 = hashlib.sha256(b"a artifact").hexdigest()
    assert manifest["models"]["a"] == {
        "status": "published",
        "guarantee": "exact",
        "reason": "",
        "note": "",
        "artifact": f"objects/{sha256}.qma",
        "artifact_sha256": sha256,
        "artifact_size_bytes": 10,
        "source": "../a.pkl",
        "source_sha256": hashlib.sha256(b"a").hexdigest(),
        "source_size_bytes": 1000,
        "fingerprint": f"mark {sha256}",
        "bit_depth": "8",
        "model_type": "Fake",
    }
    assert release.models["c"].artifact is None
    assert release.artifact_path("c") is None
    assert release.source_path("eu/b") == shop.models / "eu/b.pkl"
    assert (shop.output / "a.qma").samefile(release.artifact_path("a") or "")
    assert (shop.output / "eu" / "b.qma").read_text() == "eu/b artifact"
    assert not (shop.output / "c.qma").exists()
    assert "| eu/b" in (shop.output / "summary.md").read_text()
    assert (shop.output / "summary.csv").read_text().count("\n") == 4
    assert read_stats(shop.output, "a") == (known_outcomes_by_name(shop)["a"], f"mark {sha256}")
    assert (shop.output / "releases" / "1.json").read_text() == (
        shop.output / "manifest.json"
    ).read_text()


def known_outcomes_by_name(shop: Shop) -> dict[str, Outcome]:
    return {o.name: replace(o, unchanged=False) for o in known_outcomes(shop.output)}


def test_nothing_changed_is_no_new_release(shop: Shop) -> None:
    first = shop.publish(shop.outcome("a"))
    assert shop.publish(shop.outcome("a")) == first
    assert shop.publish(shop.outcome("a", "better")).number == 2
    assert shop.served("a") == "a better"
    assert (shop.output / "a.qma").read_text() == "a better"


def test_a_model_that_was_not_asked_for_stays_and_a_removed_one_leaves(shop: Shop) -> None:
    shop.publish(shop.outcome("a"), shop.outcome("b"), shop.outcome("c"))
    release = shop.publish(shop.outcome("a", "new"), also=("b",))
    assert set(release.models) == {"a", "b"}
    assert shop.served("b") == "b artifact"
    assert not (shop.output / "c.qma").exists()
    assert read_stats(shop.output, "c") is None
    assert "| b " in (shop.output / "summary.md").read_text()


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED])
def test_after_a_failure_the_last_good_entry_is_served(shop: Shop, status: Status) -> None:
    good = shop.publish(shop.outcome("a"))
    broken = shop.outcome("a", "other", artifact=None, status=status, note="broke")
    assert shop.publish(broken) == good
    assert shop.served("a") == "a artifact"
    recorded = read_stats(shop.output, "a")
    assert recorded is not None
    assert recorded[0].status is status
    assert str(status) in (shop.output / "summary.csv").read_text()


def test_a_refused_original_is_never_pinned(shop: Shop) -> None:
    refused = shop.outcome("a", artifact=None, status=Status.REFUSED)
    failed = shop.outcome("b", artifact=None, status=Status.FAILED)
    models = shop.publish(refused, failed).models
    assert models["a"].source_sha256 == ""
    assert models["b"].source_sha256 != ""


def test_a_file_refused_for_its_name_is_listed_without_statistics(shop: Shop) -> None:
    refused = Outcome("new\\nline.pkl", "x", Status.REFUSED, note="rename")
    release = publish(shop.output, [refused], fingerprints={}, present=[refused.name])
    assert release.models["new\\nline.pkl"].status is Status.REFUSED
    assert not (shop.output / "stats").exists()
    assert [o.name for o in known_outcomes(shop.output)] == ["new\\nline.pkl"]


def test_an_artifact_that_changed_after_evaluation_is_not_stored(shop: Shop) -> None:
    staged = shop.output / "x.qma"
    staged.parent.mkdir()
    staged.write_bytes(b"x")
    with pytest.raises(IntegrityError, match="changed after it was evaluated"):
        store_artifact(shop.output, staged, "0" * 64)


def test_rollback_brings_any_kept_release_back(shop: Shop) -> None:
    shop.publish(shop.outcome("a"), shop.outcome("b"))
    shop.publish(shop.outcome("a", "second"))
    release = rollback(shop.output, 1)
    assert (release.number, release.rollback_of) == (3, 1)
    assert read_release(shop.output) == release
    assert shop.served("a") == (shop.output / "a.qma").read_text() == "a artifact"
    assert shop.served("b") == "b artifact"
    assert [o.name for o in known_outcomes(shop.output)] == ["a", "b"]
    assert known_outcomes(shop.output)[0].artifact_sha256 == release.models["a"].artifact_sha256
    with pytest.raises(ReleaseError, match=r"no release 9; expected one of 1, 2, 3"):
        rollback(shop.output, 9)


def test_after_a_rollback_an_outcome_is_what_the_manifest_says(shop: Shop) -> None:
    said = {"note": "of one", "guarantee": Guarantee.NON_INFERIOR, "bit_depth": "4"}
    shop.publish(shop.outcome("a", **said))
    shop.publish(shop.outcome("a", "second", source_sha256="0" * 64, source_size_bytes=7))
    entry = asdict(rollback(shop.output, 1).models["a"])
    (found,) = known_outcomes(shop.output)
    assert found.unchanged
    assert Path(found.source).resolve() == shop.models / "a.pkl"
    del entry["fingerprint"], entry["source"]
    assert {key: getattr(found, key) for key in entry} == entry
    assert found.note == "of one" and found.source_size_bytes == 1000


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"name": "a"}'])
def test_statistics_that_cannot_be_read_are_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    assert read_outcome(path) is None
    path.write_text(json.dumps(Outcome("a", "a.pkl", Status.FAILED).to_json()))
    assert read_outcome(path) == (Outcome("a", "a.pkl", Status.FAILED), "")


def test_what_is_kept_is_each_release_as_it_was_published(shop: Shop) -> None:
    first = shop.publish(shop.outcome("a"))
    second = shop.publish(shop.outcome("a", "second"))
    assert kept_releases(shop.output) == {1: first, 2: second}


def test_a_damaged_kept_manifest_is_named_and_stops_nothing(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for content in ("1", "2"):
        shop.publish(shop.outcome("a", content), shop.outcome("gone"))
    damaged = shop.output / "releases" / "1.json"
    damaged.write_text("{")
    with caplog.at_level(logging.WARNING):
        release = shop.publish(shop.outcome("a", "3"))
    assert str(damaged) in caplog.text and "cannot be rolled back to" in caplog.text
    assert kept_releases(shop.output) == {
        1: None, 2: kept_releases(shop.output)[2], 3: release
    }  # fmt: skip
    assert not (shop.output / "gone.qma").exists()
    assert len(shop.objects()) == 4  # it may refer to any of them
    shop.publish(shop.outcome("a", "4"), keep=1)
    assert {(shop.output / "objects" / name).read_text() for name in shop.objects()} == {"a 4"}


def test_a_release_that_was_never_published_takes_no_number(shop: Shop) -> None:
    shop.publish(shop.outcome("a"))
    left = shop.output / "releases" / "7.json"
    left.write_text((shop.output / "manifest.json").read_text())
    assert shop.publish(shop.outcome("a", "second")).number == 2
    assert rollback(shop.output, 1).number == 3
    (shop.output / "manifest.json").write_text("{")
    assert rollback(shop.output, 1).number == 8  # nobody knows how far it had come


def test_releases_are_dated_in_utc_wherever_they_are_made(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EAST-14")
        time.tzset()
        releases = [shop.publish(shop.outcome("a")), rollback(shop.output, 1)]
    time.tzset()
    for release in releases:
        assert before <= datetime.fromisoformat(release.created) <= datetime.now(UTC)
        assert release.created.endswith("Z") and len(release.created) == 20


def test_an_object_is_whole_with_its_size_and_hash_only(shop: Shop) -> None:
    model = shop.publish(shop.outcome("a")).models["a"]
    assert object_is_whole(shop.output, model)
    assert object_is_whole(shop.output, replace(model, artifact=None))
    assert not object_is_whole(shop.output, replace(model, artifact_size_bytes=9))
    assert not object_is_whole(shop.output, replace(model, artifact_sha256="0" * 64))
    assert not object_is_whole(shop.models, model)


def make_signer(directory: Path, name: str, *former: str) -> Signer:
    private, public, _ = generate_key_pair()
    (directory / f"{name}.pem").write_bytes(private)
    (directory / f"{name}.pub.pem").write_bytes(public)
    signer = read_signer(
        str(directory / f"{name}.pem"), tuple(str(directory / f"{key}.pub.pem") for key in former)
    )
    assert signer is not None
    return signer


def test_who_signs_carries_over_what_is_signed_and_nothing_else(shop: Shop, tmp_path: Path) -> None:
    ours, theirs = make_signer(tmp_path, "ours"), make_signer(tmp_path, "theirs")
    successor = make_signer(tmp_path, "successor", "ours")
    assert read_signer(None) is read_signer("") is None
    assert last_release(shop.output, ours) is None
    unsigned = shop.publish(shop.outcome("a"), shop.outcome("b"))
    assert last_release(shop.output, None) == unsigned
    assert last_release(shop.output, ours) == replace(unsigned, models={})

    def run(signer: Signer) -> Release:
        shop.publish(shop.outcome("a"), also=("b",), signer=signer)
        return read_release(shop.output, signer.known)

    signed = run(ours)
    assert (signed.number, signed.key_id, set(signed.models)) == (2, ours.key.key_id, {"a"})
    assert run(ours) == signed == last_release(shop.output, ours)
    with pytest.raises(SignatureError, match="not known here"):
        run(theirs)
    taken_over = run(successor)
    assert (taken_over.number, taken_over.key_id) == (3, successor.key.key_id)
    assert run(successor) == taken_over
    assert taken_over.models == signed.models


def test_who_signs_rolls_back_to_what_is_signed_only(shop: Shop, tmp_path: Path) -> None:
    ours, theirs = make_signer(tmp_path, "ours"), make_signer(tmp_path, "theirs")
    shop.publish(shop.outcome("a"))
    shop.publish(shop.outcome("a"), signer=ours)
    with pytest.raises(SignatureError, match="not signed"):
        rollback(shop.output, 1, ours)
    with pytest.raises(SignatureError, match="no signing key"):
        rollback(shop.output, 2)
    with pytest.raises(SignatureError, match="not known here"):
        rollback(shop.output, 2, theirs)
    assert read_release(shop.output).number == 2
    assert rollback(shop.output, 2, ours).number == 3
    assert read_release(shop.output, ours.known).rollback_of == 2


def test_rollback_refuses_a_damaged_release_and_mends_a_broken_manifest(shop: Shop) -> None:
    first = shop.publish(shop.outcome("a"))
    shop.publish(shop.outcome("a", "second"))
    (shop.output / "manifest.json").write_text("{")
    with pytest.raises(FormatError):
        read_release(shop.output)
    assert rollback(shop.output, 2).number == 3
    artifact = first.artifact_path("a")
    assert artifact is not None
    artifact.write_text("a ARTIFACT")
    with pytest.raises(IntegrityError, match="the artifact of a is missing or damaged"):
        rollback(shop.output, 1)


def test_retention_removes_objects_that_no_kept_release_names(shop: Shop) -> None:
    for content in ("1", "2", "3", "4"):
        shop.publish(shop.outcome("a", content), keep=2)
    assert sorted(path.name for path in (shop.output / "releases").iterdir()) == [
        "3.json",
        "4.json",
    ]
    assert {(shop.output / "objects" / name).read_text() for name in shop.objects()} == {
        "a 3",
        "a 4",
    }
    rollback(shop.output, 3)
    shop.outcome("waiting")  # stored, and named by nothing but its finished record
    record = shop.output / ".work" / "outcomes" / "waiting.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps(shop.outcome("waiting").to_json()))
    shop.publish(shop.outcome("a", "5"), keep=1)
    texts = {(shop.output / "objects" / name).read_text() for name in shop.objects()}
    assert texts == {"a 5", "waiting artifact"}


def test_objects_that_are_not_ours_are_left_alone(shop: Shop) -> None:
    shop.publish(shop.outcome("a"))
    (shop.output / "objects" / "mine.qma").touch()
    (shop.output / "other.qma").touch()
    shop.publish(shop.outcome("a", "new"), keep=1)
    assert (shop.output / "objects" / "mine.qma").exists()
    assert (shop.output / "other.qma").exists()


class _Killed(BaseException):
    pass


@contextmanager
def _killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Ends the process, as far as it can tell, before the file operation number `step`."""
    count = [0]

    def wrap(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **options: Any) -> Any:
            count[0] += 1
            if count[0] >= step:
                raise _Killed
            return real(*args, **options)

        monkeypatch.setattr(owner, name, call)

    with monkeypatch.context() as patch:
        monkeypatch = patch
        for owner, name in (
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "hardlink_to"),
            (Path, "mkdir"),
            (os, "fsync"),
        ):
            wrap(owner, name)
        yield count


@pytest.mark.bad_input(57)
def test_killed_at_any_moment_the_release_is_old_or_new_and_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = shop.publish(shop.outcome("a"), shop.outcome("b"), shop.outcome("gone"))

    def run() -> Release:
        return shop.publish(shop.outcome("a", "new"), shop.outcome("b", "new"), keep=1)

    seen = set()
    for step in range(1, 200):
        finished = False
        with _killed_at(step, monkeypatch):
            try:
                run()
                finished = True
            except _Killed:
                pass
        release = read_release(shop.output)
        served = {name: shop.served(name) for name in release.models}
        if release.number == old.number:
            assert served == {n: f"{n} artifact" for n in ("a", "b", "gone")}
        else:
            assert served == {"a": "a new", "b": "b new"}
        seen.add(release.number)
        if finished:
            break
    else:
        pytest.fail("never finished")
    assert seen == {1, 2}
    assert (shop.output / "a.qma").read_text() == "a new"
    assert not (shop.output / "gone.qma").exists()
    assert len(shop.objects()) == 2
    assert not list(shop.output.rglob("*.tmp"))


@pytest.mark.bad_input(55)
def test_a_full_disk_at_any_moment_is_named_and_the_next_run_makes_it_good(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.publish(shop.outcome("a"))
    outcome = shop.outcome("a", "new")
    real = os.fsync
    for step in range(1, 50):
        count = 0

        def full(descriptor: int, step: int = step) -> None:
            nonlocal count
            count += 1
            if count == step:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            try:
                shop.publish(outcome)
            except ReleaseError as error:
                assert "free some space and run again" in str(error)
            else:
                # What cannot be flushed in a directory is let pass; nothing else is.
                if count < step:
                    break
    assert shop.publish(outcome).number == 2
    assert shop.served("a") == "a new"


def test_no_release_yet(tmp_path: Path) -> None:
    assert find_release(tmp_path / "nowhere") is None
    with pytest.raises(ReleaseError, match="nothing was published here; run the quantization"):
        read_release(tmp_path)


def test_a_manifest_that_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").symlink_to("/etc/hostname")
    with pytest.raises(PathRefused, match=r"rollback <output directory>.*remove the file"):
        read_release(tmp_path)


Edit = Callable[[dict[str, Any]], object]


def _set(*keys: str, to: object) -> Edit:
    def edit(manifest: dict[str, Any]) -> None:
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = to

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_set("format", to="zip"), "`format` is not usable; expected `qma-release`, got 'zip'"),
        (_set("release", to=True), "`release` is not usable; expected a whole number, got True"),
        (_set("release", to=0), "expected 1 or more"),
        (_set("created", to=None), "`created` is not usable; expected text"),
        (_set("models", to=[]), "`models` is not usable; expected an object"),
        (_set("models", "a", to=3), "`models/a` is not usable; expected an object, got 3"),
        (_set("models", "a", "status", to="fine"), "expected one of published"),
        (_set("models", "a", "guarantee", to="sure"), "expected one of exact"),
        (_set("models", "a", "note", to=5), "`models/a/note` is not usable; expected text"),
        (_set("models", "a", "source_sha256", to="xyz"), "expected 64 hexadecimal digits"),
        (_set("models", "a", "artifact_size_bytes", to=-1), "expected 0 or more"),
        (_set("models", "a", "artifact", to="../../etc/passwd"), "expected `objects/<its sha256>"),
        (_set("models", "a", "artifact", to=f"objects/{'0' * 64}.qma"), "`objects/<its sha256>"),
        (_set("models", "../a", to={}), "`models/../a/"),
        (_set("rollback_of", to="3"), "`rollback_of` is not usable"),
        (lambda manifest: manifest["models"]["a"].pop("fingerprint"), "`models/a/fingerprint`"),
    ],
)
def test_a_broken_manifest_is_named(shop: Shop, edit: Edit, message: str) -> None:
    shop.publish(shop.outcome("a"))
    path = shop.output / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(FormatError) as caught:
        read_release(shop.output)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "`model-quantization rollback <output directory>`" in caught.value.do


def test_a_manifest_in_memory_is_read_as_the_file_that_it_is_of(shop: Shop) -> None:
    release = shop.publish(shop.outcome("a"))
    path = shop.output / "manifest.json"
    data = path.read_bytes()
    path.unlink()
    assert read_manifest(path, shop.output, data=data) == release
    for broken in (b"{", b"[]", b'{"format": "zip"}'):
        with pytest.raises(FormatError) as caught:
            read_manifest(path, shop.output, data=broken)
        assert str(path) in str(caught.value)


def test_an_unsafe_name_never_has_an_artifact(shop: Shop) -> None:
    shop.publish(shop.outcome("a"))
    path = shop.output / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["models"]["../a"] = manifest["models"]["a"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(FormatError, match="expected a safe name"):
        read_release(shop.output)


@pytest.mark.parametrize("version", [2, "1", True, None])
def test_another_version_is_named(shop: Shop, version: object) -> None:
    shop.publish(shop.outcome("a"))
    path = shop.output / "manifest.json"
    manifest = json.loads(path.read_text()) | {"version": version}
    path.write_text(json.dumps(manifest))
    with pytest.raises(VersionError, match="expected version 1, got version"):
        read_release(shop.output)


def test_keys_of_newer_code_are_ignored(shop: Shop) -> None:
    release = shop.publish(shop.outcome("a"))
    path = shop.output / "manifest.json"
    manifest = json.loads(path.read_text()) | {"extra": 1}
    manifest["models"]["a"]["extra"] = [1]
    path.write_text(json.dumps(manifest))
    assert read_release(shop.output) == release
