"""Following releases: noticed without a restart, taken over whole, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_quantization.errors import ConfigError
from model_quantization.serving.watch import ReleaseWatch
from tests.forking import in_a_fork


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 10 s")


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


class Taker:
    """Counts how often it is called, and says what it is told to."""

    def __init__(self, *results: bool) -> None:
        self.results = list(results)
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.results.pop(0) if self.results else True


def settle(watch: ReleaseWatch, take: Callable[[], bool]) -> None:
    """Look until no look is under way any more."""
    watch.poll(take)
    wait_until(lambda: watch._looking is None)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text("1")
    return path


def test_the_same_manifest_is_taken_once(manifest: Path) -> None:
    watch, take = ReleaseWatch(manifest, 0), Taker()
    watch.note()
    for _ in range(3):
        settle(watch, take)
    assert take.calls == 0
    replace(manifest, "2")
    settle(watch, take)
    assert take.calls == 1
    # What takes a release over notes the manifest before it reads it.
    watch.note()
    settle(watch, take)
    assert take.calls == 1


def test_a_manifest_rewritten_in_place_is_another_one(manifest: Path) -> None:
    watch, take = ReleaseWatch(manifest, 0), Taker()
    watch.note()
    manifest.write_text("22")
    settle(watch, take)
    assert take.calls == 1


def test_no_look_is_taken_before_its_time(manifest: Path) -> None:
    watch, take = ReleaseWatch(manifest, 3600), Taker()
    watch.note()
    replace(manifest, "2")
    settle(watch, take)
    assert take.calls == 0


def test_what_was_not_taken_over_is_tried_again(manifest: Path) -> None:
    watch, take = ReleaseWatch(manifest, 0), Taker(False, True)
    watch.note()
    replace(manifest, "2")
    settle(watch, take)
    wait_until(lambda: settle(watch, take) or take.calls == 2)  # type: ignore[func-returns-value]


def test_a_release_that_is_withdrawn_changes_nothing(manifest: Path) -> None:
    watch, take = ReleaseWatch(manifest, 0), Taker()
    watch.note()
    manifest.unlink()
    settle(watch, take)
    assert take.calls == 0
    replace(manifest, "2")
    settle(watch, take)
    assert take.calls == 1


def test_one_look_at_a_time_and_nobody_waits_for_it(manifest: Path) -> None:
    watch = ReleaseWatch(manifest, 0)
    watch.note()
    replace(manifest, "2")
    entered, leave = threading.Event(), threading.Event()
    calls = []

    def slow() -> bool:
        calls.append(1)
        entered.set()
        return leave.wait(10)

    watch.poll(slow)
    assert entered.wait(10)
    for _ in range(5):
        watch.poll(slow)
    assert len(calls) == 1
    leave.set()
    settle(watch, Taker())


def test_a_fork_during_a_look_looks_again(manifest: Path) -> None:
    watch = ReleaseWatch(manifest, 0)
    watch.note()
    replace(manifest, "2")
    begun, leave = threading.Event(), threading.Event()

    def slow() -> bool:
        watch.note()  # as a loader does before it reads the release
        begun.set()
        return leave.wait(10)

    def look_again() -> bool:
        take = Taker()
        settle(watch, take)
        return take.calls == 1

    watch.poll(slow)
    assert begun.wait(10)
    assert in_a_fork(look_again) == 0
    leave.set()
    wait_until(lambda: watch._looking is None)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_seconds_that_are_none(manifest: Path, seconds: float) -> None:
    with pytest.raises(ConfigError, match=r"watch: not a number of seconds; expected 0 or more"):
        ReleaseWatch.of(manifest, seconds)
    assert ReleaseWatch.of(manifest, False) is None
    assert ReleaseWatch.of(manifest, True) is not None
