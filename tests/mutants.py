"""Mutation tests: small faults, one at a time, each of which a test must notice (`make mutants`).

    python -m tests.mutants --rooms codecs schemes --sample 150

mutmut (the extra `mutants`) makes the faults: another operator, a number plus one, a dropped
argument, a swapped branch. It runs the tests that reach the changed function, until the first
fails. What is mutated, and by which tests it may be killed, stands in `[tool.mutmut]` of
pyproject.toml. A fault's name is stable while its function is unchanged, and the sample takes the
names whose sha256 is smallest: the same names in every run, and a larger sample holds a smaller
one. Results stay in `mutants/`; what was checked and is unchanged is not checked again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "mutants"
ROOMS = ("evaluation", "codecs", "schemes", "loading.pickles", "release")
LEAST_KILLED = 0.9
# A mutant that every test of codecs knows: mutmut makes all faults before it checks one.
KNOWN = "model_quantization.codecs.gaps.x_smallest_unsigned__mutmut_1"
# Exit codes of pytest as mutmut keeps them: tests failed, or an import did.
KILLED = frozenset({1, 3})
# Ended by a signal (a crash) or at the time limit (an endless loop): a test would not pass.
STOPPED = frozenset({24, 36, 152, 255})
SURVIVED, NO_TESTS = 0, frozenset({5, 33})


@dataclass(frozen=True)
class Room:
    """What became of the faults of one room."""

    name: str
    made: int
    codes: Mapping[str, int]

    @property
    def killed(self) -> int:
        return sum(is_killed(code) for code in self.codes.values())

    @property
    def share(self) -> float:
        return self.killed / len(self.codes) if self.codes else 0.0

    def survivors(self) -> list[str]:
        return sorted(name for name, code in self.codes.items() if not is_killed(code))


def is_killed(code: int) -> bool:
    """Whether a fault with this exit code was noticed; anything that is not known was not."""
    return code in KILLED or code in STOPPED or code < 0


def sample_of(names: Iterable[str], count: int | None) -> list[str]:
    """Return the `count` names whose hashes are smallest, sorted by hash; all when it is None."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return ordered if count is None else ordered[:count]


def made_in(room: str, results: Path = RESULTS) -> dict[str, int | None]:
    """Return the faults that were made in a room -> exit code; None: not checked yet."""
    folder = results / "model_quantization" / room.replace(".", "/")
    found: dict[str, int | None] = {}
    for path in sorted(folder.rglob("*.meta")):
        found |= json.loads(path.read_text("utf-8"))["exit_code_by_key"]
    return found


def run(names: Sequence[str], children: int) -> None:
    """Check the named faults; each gets its exit code in the results."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *names]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def difference(name: str) -> str:
    """Return a fault as a diff of its function."""
    command = [sys.executable, "-m", "mutmut", "show", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def main() -> int:
    """Check a sample of each room; 1 when a room has fewer than nine of ten killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--rooms", nargs="*", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--sample", type=int, default=None, help="of each room; default: all")
    parser.add_argument("--children", type=int, default=1, help="faults checked at a time")
    parser.add_argument("--survivors", type=Path, help="file for the diffs of what survived")
    parser.add_argument("--again", action="store_true", help="check survivors once more")
    arguments = parser.parse_args()

    run([KNOWN], arguments.children)
    rooms = []
    for name in arguments.rooms:
        chosen = sample_of(made_in(name), arguments.sample)
        known = made_in(name)
        again = [each for each in chosen if (code := known[each]) is None
                 or (arguments.again and not is_killed(code))]  # fmt: skip
        # mutmut gives no way to check some names without naming them all.
        for start in range(0, len(again), 500):
            run(again[start : start + 500], arguments.children)
        codes = made_in(name)
        rooms.append(Room(name, len(codes), {each: codes[each] or 0 for each in chosen}))
        _say(rooms[-1])
    if arguments.survivors:
        text = "\n".join(difference(each) for room in rooms for each in room.survivors())
        arguments.survivors.write_text(text, encoding="utf-8")
    return int(any(room.share < LEAST_KILLED for room in rooms))


def _say(room: Room) -> None:
    print(
        f"{room.name}: {room.killed} of {len(room.codes)} killed ({room.share:.1%}), "
        f"{room.made:,} made",
        flush=True,
    )
    for name in room.survivors():
        print(f"  survived: {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
