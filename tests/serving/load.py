"""Threads that are served while files are changed, damaged and removed."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model_quantization.errors import QuantizationError
from model_quantization.serving.named_loaders import IntentModelLoader
from tests.serving.releases import ROWS, Releases

RELEASES = (1, 2, 4)


@dataclass
class Figures:
    """What became of the calls.

    Attributes
    ----------
    calls, wrong : int
        An answer is right when all its rows are those of one release.
    errors : list of str
        What callers saw raised.
    switches : int
        Changes of what lies there, or of what is asked for.
    seen : set of int
        Releases that answered.
    rss_growth_bytes, descriptor_growth : int
        From the end of the first tenth to the end.
    """

    seconds: float = 0.0
    calls: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    switches: int = 0
    seen: set[int] = field(default_factory=set)
    rss_growth_bytes: int = 0
    descriptor_growth: int = 0


class _Changer:
    """A user who may write, and who makes mistakes."""

    def __init__(self, releases: Releases, loader: IntentModelLoader, seed: int) -> None:
        self.releases = releases
        self.loader = loader
        self.random = random.Random(seed)
        self.number = 100
        self.path = releases.publish(RELEASES[0], release=self.number)
        self.whole = self.path.read_bytes()

    def change(self) -> None:
        action = self.random.choice(
            (self.publish, self.publish, self.publish, self.damage, self.remove, self.tear,
             self.withdraw, self.reload, self.toggle)
        )  # fmt: skip
        action()

    def publish(self) -> None:
        self.number += 1
        release = self.random.choice(RELEASES)
        self.path = self.releases.publish(release, release=self.number)
        self.whole = self.path.read_bytes()

    def damage(self) -> None:
        data = bytearray(self.whole)
        for _ in range(20):
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        self.path.write_bytes(data)
        self._again()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._again()

    def tear(self) -> None:
        with suppress(OSError):
            self.releases.manifest.write_bytes(self.releases.manifest.read_bytes()[:-40])

    def withdraw(self) -> None:
        self.releases.manifest.unlink(missing_ok=True)

    def reload(self) -> None:
        with suppress(QuantizationError, OSError):  # the operator is told; callers are not
            self.loader.reload()

    def toggle(self) -> None:
        with suppress(QuantizationError, OSError):
            self.loader.use_quantized_model(self.random.random() < 0.7)

    def _again(self) -> None:
        self.number += 1
        with suppress(OSError, ValueError):
            self.releases.republish(self.number)


def serve_under_load(
    directory: Path, *, switches: int, switches_a_minute: float, threads: int = 8, seed: int = 0
) -> Figures:
    """What became of the calls of `threads` threads during so many changes."""
    releases = Releases(directory)
    for number in RELEASES:
        releases.prepare(number)
    right = {releases.answers[number].tobytes(): number for number in RELEASES}
    releases.publish(RELEASES[0])
    loader = IntentModelLoader(model_dir=releases.models, watch=0.05)
    changer = _Changer(releases, loader, seed)
    figures, stop, lock = Figures(), threading.Event(), threading.Lock()
    template = releases.answers[RELEASES[0]]

    def serve() -> None:
        calls = wrong = 0
        errors: list[str] = []
        seen: set[int] = set()
        while not stop.is_set():
            calls += 1
            try:
                answer = np.asarray(loader.predict(ROWS), dtype=template.dtype)
            except Exception as error:  # noqa: BLE001  whatever a caller sees is a figure
                errors.append(f"{type(error).__name__}: {error}")
                continue
            number = right.get(answer.tobytes())
            if number is None:
                wrong += 1
            else:
                seen.add(number)
        with lock:
            figures.calls += calls
            figures.wrong += wrong
            figures.errors += errors
            figures.seen |= seen

    workers = [threading.Thread(target=serve) for _ in range(threads)]
    started = time.monotonic()
    for worker in workers:
        worker.start()
    pause = 60.0 / switches_a_minute
    before: tuple[int, int] | None = None
    while figures.switches < switches:
        if before is None and figures.switches > switches / 10:
            before = _usage()
        changer.change()
        figures.switches += 1
        time.sleep(max(0.0, started + figures.switches * pause - time.monotonic()))
    stop.set()
    for worker in workers:
        worker.join()
    figures.seconds = time.monotonic() - started
    after = _usage()
    if before is not None:
        figures.rss_growth_bytes = after[0] - before[0]
        figures.descriptor_growth = after[1] - before[1]
    return figures


def _usage() -> tuple[int, int]:
    """(resident bytes, open descriptors) of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path("/proc/self/fd").iterdir()))
