"""Every fuzz target on its seeds, on a few hundred changes of them, and on all that was found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.mutation import mutate
from fuzz.seeds import LARGEST, seeds_of
from fuzz.targets import TARGETS

REGRESSIONS = Path(__file__).parents[2] / "fuzz" / "regressions"
SLOW = {"model": 40, "manifest": 100, "configuration": 150}


def found_inputs() -> Iterator[tuple[str, Path]]:
    for directory in sorted(REGRESSIONS.iterdir()) if REGRESSIONS.is_dir() else ():
        for path in sorted(directory.iterdir()):
            yield directory.name, path


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_its_seeds_and_on_changes_of_them(name: str) -> None:
    seeds = [data for data in seeds_of(name) if len(data) <= LARGEST]
    assert seeds
    for data in seeds:
        TARGETS[name](data)
    chance = random.Random(name)
    for _ in range(SLOW.get(name, 400)):
        TARGETS[name](mutate(seeds, chance))


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_next_to_nothing(name: str) -> None:
    for data in (b"", b"\x00", b"\n", b"\xff" * 5, b"{}", b"[]", b"null\n", b"\x00" * 64):
        TARGETS[name](data)


def test_what_was_found_stays_mended() -> None:
    for name, path in found_inputs():
        TARGETS[name](path.read_bytes())


def test_the_same_chance_gives_the_same_changes() -> None:
    seeds = [b"some bytes", b"", b"other bytes"]
    first = [mutate(seeds, random.Random(number)) for number in range(50)]
    assert first == [mutate(seeds, random.Random(number)) for number in range(50)]
    assert len(set(first)) > 40
