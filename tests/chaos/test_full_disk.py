"""A full or read-only disk: a named error, nothing lost, and the next run completes."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_quantization.batch import run as batch
from model_quantization.batch.run import run_batch
from model_quantization.config.file import load_config
from model_quantization.errors import ReleaseError
from tests.chaos.directory import ModelDirectory
from tests.chaos.survival import Published, check_complete

SIZE_KIB = 2048


class Disk:
    """A small file system of its own.

    Parameters
    ----------
    place : Path
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / "filler"

    def leave(self, free_bytes: int) -> None:
        """Fill the disk up to so many bytes."""
        self._filler.unlink(missing_ok=True)
        page = os.sysconf("SC_PAGE_SIZE")
        with self._filler.open("wb", buffering=0) as stream:
            while self._free_bytes() > free_bytes:
                stream.write(bytes(page))

    def clear(self) -> None:
        """Room again."""
        self._filler.unlink()

    def _free_bytes(self) -> int:
        status = os.statvfs(self.place)
        return status.f_bavail * status.f_frsize

    def remount(self, option: str) -> None:
        """`ro` or `rw`."""
        gc.collect()  # a removed file that is still mapped keeps a disk from becoming read-only
        subprocess.run(["mount", "-o", f"remount,{option}", self.place], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "chaos", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a small disk is made with the program `mount`, which is not here")
    if done.returncode:
        pytest.skip(f"a small disk is made as root, or below `unshare -rm`: {done.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _said(directory: ModelDirectory) -> str:
    """What a run says of all that went wrong; empty when nothing did."""
    try:
        result = run_batch(load_config(directory.config, environ={}))
    except ReleaseError as error:
        return str(error)
    return "\n".join(outcome.note for outcome in result.shortfalls(strict=False))


def _runs_full(disk: Disk, root: Path, free_bytes: int) -> str:
    """What a run over changed models says with so much room; it is mended afterwards."""
    directory = ModelDirectory(root, disk.place / "quantized")
    directory.write(range(4), 0)
    assert _said(directory) == ""
    directory.write((0, 1, 3), 1)
    directory.remove(2)
    published = Published(directory)
    disk.leave(free_bytes)
    said = _said(directory)
    release = published.check(some_failed=bool(said))
    if said:
        assert "No space left on device" in said
        assert release == published.before or "No space left" in said
    disk.clear()
    assert _said(directory) == ""
    check_complete(directory)
    return said


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "RETRY_DELAYS_SECONDS", (0.0, 0.0))


@pytest.mark.parametrize("free_bytes", [0, 30_000])
@pytest.mark.bad_input(55)
def test_a_full_disk(disk: Disk, tmp_path: Path, free_bytes: int) -> None:
    assert "No space left on device" in _runs_full(disk, tmp_path / "run", free_bytes)


@pytest.mark.slow
@pytest.mark.parametrize("free_kib", range(4, 480, 12))
@pytest.mark.bad_input(55)
def test_a_disk_that_runs_full_anywhere(disk: Disk, tmp_path: Path, free_kib: int) -> None:
    _runs_full(disk, tmp_path / "run", free_kib << 10)


@pytest.mark.bad_input(55)
def test_a_disk_that_is_read_only(disk: Disk, tmp_path: Path) -> None:
    directory = ModelDirectory(tmp_path / "run", disk.place / "quantized")
    directory.write((1, 2), 0)
    assert _said(directory) == ""
    published = Published(directory)
    directory.write((1, 2), 1)
    disk.remount("ro")
    said = _said(directory)
    assert "Read-only file system" in said
    assert "make the output directory writable and run again" in said
    assert published.check() == published.before
    disk.remount("rw")
    assert _said(directory) == ""
    check_complete(directory)
