"""What has to hold after a run, however it ended; and a run that somebody may end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model_quantization.batch.unchanged import finished_path
from model_quantization.maintenance.release_check import BROKEN, Finding, verify_release
from model_quantization.release.known import read_outcome
from model_quantization.release.manifest import Release, find_release, release_files
from tests.chaos.directory import ModelDirectory

PROJECT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 300.0


class Night:
    """A run in a session of its own, from outside.

    Parameters
    ----------
    directory : ModelDirectory
    kind : {"loop", "flow"}
    step : tuple of str
        Where it kills itself: the step, before or after, and which call.
    """

    def __init__(self, directory: ModelDirectory, kind: str = "loop", *step: str) -> None:
        root = directory.config.parent
        self.log = root / "begun.log"
        self.temporary = root / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.errors = (root / "stderr.log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.chaos.night", kind, str(directory.config),
                str(self.log), *step,
            ],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=PROJECT,
            env=_environment(root, self.temporary),
            start_new_session=True,
        )  # fmt: skip
        self._said = b""

    def wait_for(self, line: str, meanwhile: Callable[[], object] = lambda: None) -> bool:
        """Whether the run has said this line; False when it ended without."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while f"{line}\n".encode() not in self._said:
                assert time.monotonic() < deadline, f"no `{line}`: {self._said!r}"
                meanwhile()
                if selector.select(0.05):
                    data = os.read(self.process.stdout.fileno(), 1 << 16)
                    if not data:
                        return False
                    self._said += data
        return True

    def is_over_after(self, seconds: float, meanwhile: Callable[[], object]) -> bool:
        """Whether the run ended by itself within so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return True
            meanwhile()
            time.sleep(min(0.02, max(0.0, deadline - time.monotonic())))
        return self.process.poll() is not None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The run stands still in the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """The exit code of the run, which ends by itself."""
        code = self.process.wait(PATIENCE_SECONDS)
        self.close()
        return code

    def kill(self) -> int:
        """Kill the whole group; the exit code, when nothing of the run is left.

        What left the group (the server that forks workers) has to end by itself.
        """
        everything = descendants(self.process.pid)
        os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.close()
        deadline = time.monotonic() + 20.0
        while left := [pid for pid in everything if _is_running(pid)]:
            assert time.monotonic() < deadline, f"still there: {[_command(pid) for pid in left]}"
            time.sleep(0.02)
        return code

    def close(self) -> None:
        """Close what the run writes to. It may be closed already."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.errors.close()


@contextmanager
def night(directory: ModelDirectory, kind: str = "loop", *step: str) -> Iterator[Night]:
    """A run that is killed at the end of the block if it still goes on."""
    run = Night(directory, kind, *step)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.kill()
        run.close()


def run_night(directory: ModelDirectory, kind: str = "loop", *step: str) -> int:
    """The exit code of a run that nobody ends."""
    with night(directory, kind, *step) as run:
        while run.wait_for("never"):
            pass
        return run.end()


class Published:
    """Holds what an output directory publishes against what it may.

    It may publish what it did, or the models as they are now; either whole.
    """

    def __init__(self, directory: ModelDirectory) -> None:
        self.directory = directory
        self.before = find_release(directory.output)

    def glance(self) -> None:
        """At any moment: one release, all of its artifacts there in their sizes."""
        release = find_release(self.directory.output)
        if release is not None:
            for model in release.models.values():
                assert model.artifact is not None
                path = release.directory / model.artifact
                try:
                    size = path.stat().st_size
                except FileNotFoundError:  # swept, when a newer release is there already
                    assert find_release(self.directory.output) != release, model
                else:
                    assert size == model.artifact_size_bytes

    def check(self, *, some_failed: bool = False) -> Release | None:
        """After a kill: the old release or the new one, every byte of it.

        With `some_failed`, a new release may keep what was released before of models that failed.
        """
        release = find_release(self.directory.output)
        if release is None:
            assert self.before is None
            return None
        hashes = self.directory.hashes()
        released = {name: model.source_sha256 for name, model in release.models.items()}
        if release != self.before:
            assert release.number == (self.before.number if self.before else 0) + 1
            old = (
                {name: model.source_sha256 for name, model in self.before.models.items()}
                if self.before and some_failed
                else {}
            )
            assert released.keys() == hashes.keys()
            assert all(sha in (hashes[name], old.get(name)) for name, sha in released.items())
        replaced = {name for name, sha256 in released.items() if hashes.get(name) != sha256}
        broken = [finding for finding in verify(self.directory) if finding.level == BROKEN]
        assert {finding.where for finding in broken} <= replaced, broken
        assert all("original was replaced" in finding.what for finding in broken), broken
        return release


def check_complete(directory: ModelDirectory) -> Release:
    """After a run that went through: every model as it is, and no file that does not belong."""
    release = find_release(directory.output)
    assert release is not None
    released = {name: model.source_sha256 for name, model in release.models.items()}
    assert released == directory.hashes()
    assert all(model.artifact is not None for model in release.models.values())
    assert list(verify(directory)) == []
    output = directory.output
    found = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    kept = release_files(output)
    assert len(kept) <= 3 and max(kept) == release.number
    expected = {".lock", "manifest.json", "summary.csv", "summary.md", "report.html"}
    expected |= {"history.parquet"} | {f"releases/{number}.json" for number in kept}
    for name in released:
        expected |= {f"{name}.qma", f"stats/{name}.json"}
    assert {name for name in found if not name.startswith("objects/")} == expected
    return release


def verify(directory: ModelDirectory) -> list[Finding]:
    """What `model-quantization verify` finds."""
    return list(verify_release(directory.output))


def finished(directory: ModelDirectory) -> set[tuple[str, str]]:
    """(name, sha256 of the file) of every model that need not be done again."""
    release = find_release(directory.output)
    held = {(name, m.source_sha256) for name, m in (release.models if release else {}).items()}
    for path in (directory.output / ".work" / "outcomes").rglob("*.json"):
        record = read_outcome(path)
        assert record is not None, path
        assert path == finished_path(directory.output, record[0].name)
        held.add((record[0].name, record[0].source_sha256))
    return held


def begun(log: Path) -> list[tuple[str, ...]]:
    """(name, sha256 of the file) of every model that was begun, in that order."""
    if not log.exists():
        return []
    # A kill may cut the last line off.
    return [tuple(line.split()) for line in log.read_text().splitlines() if len(line.split()) == 2]


def descendants(pid: int) -> list[int]:
    """The process and all that it started, as far as their parents live."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = [pid]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:120]
    except OSError:
        return str(pid)


def _environment(root: Path, temporary: Path) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT", "MLQ_", "ML_"))
    }
    return kept | {
        "TMPDIR": str(temporary),
        "PREFECT_HOME": str(root / "prefect"),
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
    }
