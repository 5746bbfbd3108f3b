"""Files that are whole or not there."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from model_quantization.errors import FormatError, PathRefused, ReleaseError, ReleaseLocked
from model_quantization.files.atomic import (
    exclusive,
    hash_file,
    link_atomically,
    move_durably,
    read_json_object,
    write_atomically,
    write_json,
)


def test_write_atomically_replaces_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomically(target, b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


class Disk:
    """What a power cut would leave: synced files and the names of synced directories, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, str]] = []
        sync, replace = os.fsync, Path.replace

        def noted_sync(descriptor: int) -> None:
            status = os.fstat(descriptor)
            kind = "directory" if stat.S_ISDIR(status.st_mode) else "file"
            self.events.append((f"{kind} synced", str(status.st_ino)))
            sync(descriptor)

        def noted_replace(self_: Path, target: Path) -> Path:
            self.events.append(("named", str(self_.stat().st_ino)))
            return replace(self_, target)

        monkeypatch.setattr(os, "fsync", noted_sync)
        monkeypatch.setattr(Path, "replace", noted_replace)


@pytest.mark.parametrize("how", ["written", "moved"])
def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_end(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "staged").write_bytes(b"new")
    target = tmp_path / "objects" / "file"
    target.parent.mkdir()
    disk = Disk(monkeypatch)
    if how == "written":
        write_atomically(target, b"new")
    else:
        move_durably(tmp_path / "staged", target)
    file, directory = str(target.stat().st_ino), str(target.parent.stat().st_ino)
    assert disk.events == [
        ("file synced", file), ("named", file), ("directory synced", directory),
    ]  # fmt: skip


def test_what_may_be_lost_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    write_atomically(tmp_path / "file", b"new", flush=False)
    assert [what for what, _ in disk.events] == ["named"]


def test_a_full_disk_is_a_named_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReleaseError, match=r"file: cannot be written \(No space left.*free some"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unwritable_directory_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        ReleaseError, match=r"Permission denied.*make the output directory writable"
    ):
        write_atomically(tmp_path / "file", b"")
    with pytest.raises(ReleaseError, match="Permission denied"), exclusive(tmp_path / "new"):
        pass


def test_move_durably_moves(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    move_durably(source, tmp_path / "deep" / "target")
    assert not source.exists()
    assert (tmp_path / "deep" / "target").read_bytes() == b"x"


def test_link_atomically_links_relinks_and_replaces_links(tmp_path: Path) -> None:
    one, two, name = tmp_path / "one", tmp_path / "two", tmp_path / "sub" / "name"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    for target in (one, one, two):
        link_atomically(target, name)
        assert name.samefile(target)
    name.unlink()
    name.symlink_to(two)
    link_atomically(two, name)
    assert not name.is_symlink()
    assert two.read_bytes() == b"2"
    assert [path.name for path in name.parent.iterdir()] == ["name"]


def test_link_atomically_copies_where_links_do_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, _: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (tmp_path / "one").write_bytes(b"1")
    link_atomically(tmp_path / "one", tmp_path / "name")
    assert (tmp_path / "name").read_bytes() == b"1"


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"abc")
    assert hash_file(plain) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        3,
    )
    (tmp_path / "link").symlink_to(plain)
    os.mkfifo(tmp_path / "pipe")
    for name, got in (("link", "a link"), ("pipe", "a pipe or a device"), (".", "a directory")):
        with pytest.raises(PathRefused, match=f"expected a plain file, got {got}"):
            hash_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        hash_file(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "a key appears twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[1]", "not a JSON object; got list"),
        ("", "not strict JSON"),
        ("[" * 100_000, "not strict JSON"),
        ('{"a": ' + "9" * 10_000 + "}", "not strict JSON"),
        ('{"a": "' + "x" * 20_000 + '"}', "too large; expected at most 15,000 bytes"),
        ("\xff", "not strict JSON"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=message):
        read_json_object(path, 15_000 if len(text) < 90_000 else 1_000_000)


def test_json_round_trips_with_any_name(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "\udcff é", "a": 1})
    assert read_json_object(tmp_path / "x.json", 1000) == {"a": 1, "b": "\udcff é"}


def test_a_second_run_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with exclusive(output):
        with pytest.raises(ReleaseLocked, match=rf"\(process {os.getpid()}\); wait for it"):
            exclusive(output).__enter__()
        code = (
            "import sys; from pathlib import Path\n"
            "from model_quantization.files.atomic import exclusive\n"
            "exclusive(Path(sys.argv[1])).__enter__()"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(output)], capture_output=True, text=True, check=False
        )
        assert f"ReleaseLocked: {output}: another run is writing here" in other.stderr
    with exclusive(output):
        pass


@pytest.mark.bad_input(25)
def test_the_output_directory_is_a_directory_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for name, got in (("link", "a link"), ("file", "another kind of file")):
        with pytest.raises(PathRefused, match=got), exclusive(tmp_path / name):
            pass
