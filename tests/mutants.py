"""Mutation tests: small faults, one at a time, each of which a test must notice (`make mutants`).

    python -m tests.mutants --rooms codecs schemes --sample 150 --seconds 3600

mutmut (the extra `mutants`) makes the faults: another operator, a number plus one, a dropped
argument, a swapped branch. It runs the tests once to learn which of them reach each function. What
is mutated stands in `[tool.mutmut]` of pyproject.toml, by which tests a fault may be killed in
`ROOMS`. Faults are made in the rooms that are asked for, and only their tests are run.

The faults are checked here: a process that has collected all tests forks for each fault and runs
those that reach the changed function, the quickest first, until one fails. The order is that of the
sha256 of the faults' names, so a sample is the same in every run, a larger one holds a smaller one,
and what is left out when the time is over hangs on nothing but the names. What was checked is kept
in `mutants/checked.json` for as long as the function and its tests are the same.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "mutants"
CHECKED = RESULTS / "checked.json"
# The tests of each room, without the slow ones.
ROOMS = {
    "evaluation": ("tests/evaluation",),
    "codecs": ("tests/codecs",),
    "schemes": ("tests/schemes",),
    "loading.pickles": (
        "tests/loading",
        "tests/versions/test_corpus.py",
        "tests/versions/test_migrations.py",
    ),
    "release": ("tests/release", "tests/files/test_signing.py"),
}
# A fault that the tests of each room know: mutmut makes all of them before it checks one.
KNOWN = {
    "evaluation": "evaluation.bounds.x_flip_bound__mutmut_1",
    "codecs": "codecs.gaps.x_smallest_unsigned__mutmut_1",
    "schemes": "schemes.codebook.x_nearest_codes__mutmut_1",
    "loading.pickles": "loading.pickles.migrations.steps.x_parse_release__mutmut_1",
    "release": "release.objects.x_remove_unreferenced__mutmut_1",
}
MADE_IN = RESULTS / "rooms.json"
# Runs mutmut with some of its settings changed.
MUTMUT = """
import json, sys
from mutmut.__main__ import cli
from mutmut.configuration import config
vars(config()).update(json.loads(sys.argv.pop(1)))
cli()
"""
LEAST_KILLED = 0.9
# How a fault's process ends when a test failed.
FAILED = 1
SURVIVED, NO_TESTS, STOPPED = "survived", "no test reaches it", "stopped"
KILLED = "killed"


@dataclass(frozen=True)
class Room:
    """What became of the faults of one room: those that were made, and the fate of each checked."""

    name: str
    made: int
    fates: Mapping[str, str]

    @property
    def killed(self) -> int:
        return sum(fate in (KILLED, STOPPED) for fate in self.fates.values())

    @property
    def share(self) -> float:
        return self.killed / len(self.fates) if self.fates else 0.0

    def survivors(self) -> list[str]:
        return sorted(name for name, fate in self.fates.items() if fate not in (KILLED, STOPPED))


def sample_of(names: Iterable[str], count: int | None) -> list[str]:
    """Return the `count` names whose hashes are smallest, sorted by hash; all when it is None."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return ordered if count is None else ordered[:count]


def fate_of(status: int) -> str:
    """Return what became of a fault whose process ended so: `os.waitpid`'s status."""
    if os.WIFSIGNALED(status):  # crashed, or an endless loop at the limit of time
        return STOPPED
    code = os.waitstatus_to_exitcode(status)
    return KILLED if code == FAILED else SURVIVED


def made_in(room: str, results: Path = RESULTS) -> dict[str, str]:
    """Return the faults that were made in a room -> hash of the function that each is in."""
    folder = results / "model_quantization" / room.replace(".", "/")
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.meta")):
        record = json.loads(path.read_text("utf-8"))
        hashes = record.get("hash_by_function_name", {})
        for name in record["exit_code_by_key"]:
            found[name] = hashes.get(function_of(name).rpartition(".")[2], "")
    return found


def function_of(name: str) -> str:
    """Return the changed function, as mutmut names it."""
    return name.partition("__mutmut_")[0]


def settings_for(rooms: Sequence[str]) -> dict[str, Any]:
    """Return what mutmut is told for these rooms: which files to change, and which tests to run."""
    return {
        "only_mutate": [f"model_quantization/{room.replace('.', '/')}/*" for room in rooms],
        "track_dependencies": False,  # between results that mutmut would keep
        "pytest_add_cli_args_test_selection": [
            *(folder for room in rooms for folder in ROOMS[room]), "-m", "not slow"
        ],
    }  # fmt: skip


def make_faults(rooms: Sequence[str], children: int) -> None:
    """Let mutmut make every fault of the rooms, and learn which tests reach each function."""
    if MADE_IN.exists() and json.loads(MADE_IN.read_text("utf-8")) != sorted(rooms):
        # mutmut takes each file that is there already as one with all of its faults.
        shutil.rmtree(RESULTS / "model_quantization", ignore_errors=True)
    RESULTS.mkdir(exist_ok=True)
    MADE_IN.write_text(json.dumps(sorted(rooms)), "utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", MUTMUT, json.dumps(settings_for(rooms))]
    command += ["run", "--max-children", str(children), f"model_quantization.{KNOWN[rooms[0]]}"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


class Loop:
    """A plugin of pytest that does something else with the collected tests than to run them."""

    def __init__(self, use: Callable[[list[Any]], None]) -> None:
        self.use = use

    def pytest_runtestloop(self, session: Any) -> bool:
        """Give the tests away, unless some could not be collected."""
        if not session.testsfailed:
            self.use(session.items)
        return True


def fails(tests: Sequence[Any]) -> bool:
    """Whether one of these collected tests fails; those after it are not run."""
    for test, following in zip(tests, [*tests[1:], None], strict=True):
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        if test.session.testsfailed:
            return True
    return False


class Checks:
    """Checks faults in forks of this process, which has the mutated library and all its tests."""

    def __init__(self, rooms: Sequence[str], children: int) -> None:
        from mutmut.configuration import config

        vars(config()).update(settings_for(rooms))
        stats = json.loads((RESULTS / "mutmut-stats.json").read_text("utf-8"))
        self.tests: dict[str, list[str]] = stats["tests_by_mangled_function_name"]
        self.seconds: dict[str, float] = stats["duration_by_test"]
        self.children = children
        self.said = os.dup(2)  # pytest keeps what is written to the other
        self.options = [
            "--rootdir=.", "-q", *config().pytest_add_cli_args,
            *config().pytest_add_cli_args_test_selection,
        ]  # fmt: skip
        self.kept: dict[str, list[str]] = (
            json.loads(CHECKED.read_text("utf-8")) if CHECKED.exists() else {}
        )
        os.environ["MUTANT_UNDER_TEST"] = ""
        for library in ("OMP", "OPENBLAS"):  # threads do not survive a fork
            os.environ[f"{library}_NUM_THREADS"] = "1"
        os.environ["PYTHONPATH"] = str(RESULTS)
        os.chdir(RESULTS)
        sys.path[:] = [str(RESULTS), *(each for each in sys.path if Path(each or ".") != ROOT)]
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            if name != __name__:
                del sys.modules[name]

    def run(self, names: Mapping[str, str], until: float) -> dict[str, str]:
        """Return the fate of each fault (name -> hash of its function), as far as time allows."""
        import pytest

        fates: dict[str, str] = {}
        loop = Loop(
            lambda tests: fates.update(self._run({t.nodeid: t for t in tests}, names, until))
        )
        with _silent():
            pytest.main(self.options, plugins=[loop])
        return fates

    def _run(
        self, tests: Mapping[str, Any], names: Mapping[str, str], until: float
    ) -> dict[str, str]:
        running: dict[int, str] = {}
        fates: dict[str, str] = {}
        for name, digest in names.items():
            reached = sorted(self.tests.get(function_of(name), ()))
            key = hashlib.sha256("\n".join([digest, *reached]).encode()).hexdigest()[:16]
            known = self.kept.get(name)
            if known is not None and known[0] == key and known[1] == KILLED:
                fates[name] = known[1]
                continue
            if time.monotonic() > until:
                break
            if not reached:
                fates[name] = NO_TESTS
                continue
            while len(running) >= self.children:
                self._reap(running, fates)
            self.kept[name] = [key, ""]
            held = sorted((tests[each] for each in reached if each in tests), key=self._cost)
            running[self._fork(name, held)] = name
        while running:
            self._reap(running, fates)
        return fates

    def _cost(self, test: Any) -> tuple[bool, float]:
        """What to sort by: what a module makes once is not in the seconds of its tests."""
        fixtures = test._fixtureinfo.name2fixturedefs.values()
        shared = any(each.scope == "module" for found in fixtures for each in found)
        return shared, self.seconds.get(test.nodeid, 1.0)

    def _fork(self, name: str, tests: Sequence[Any]) -> int:
        child = os.fork()
        if child:
            return child
        code = 4
        try:
            seconds = int(20 + 10 * sum(self.seconds.get(test.nodeid, 1.0) for test in tests))
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            signal.alarm(10 * seconds)  # of a machine that is busy
            os.environ["MUTANT_UNDER_TEST"] = name
            code = int(fails(tests))
        finally:
            os._exit(code)

    def _reap(self, running: dict[int, str], fates: dict[str, str]) -> None:
        child, status = os.wait()
        name = running.pop(child, None)
        if name is None:
            return
        fates[name] = self.kept[name][1] = fate_of(status)
        CHECKED.write_text(json.dumps(self.kept, indent=0), "utf-8")
        os.write(self.said, f"{fates[name]:>9} {name}\n".encode())


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere:
        before = os.dup(1), os.dup(2)
        try:
            for descriptor in (1, 2):
                os.dup2(nowhere.fileno(), descriptor)
            yield
        finally:
            for kept, descriptor in zip(before, (1, 2), strict=True):
                os.dup2(kept, descriptor)
                os.close(kept)


def difference(name: str) -> str:
    """Return a fault as a diff of its function."""
    command = [sys.executable, "-m", "mutmut", "show", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout or f"# {name}: {done.stderr[-200:]}\n"


def main() -> int:
    """Check a sample of each room; 1 when a room has fewer than nine of ten killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--rooms", nargs="*", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--sample", type=int, default=None, help="of each room; default: all")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for all rooms")
    parser.add_argument("--children", type=int, default=1, help="faults checked at a time")
    parser.add_argument("--survivors", type=Path, help="file for the diffs of what survived")
    parser.add_argument("--as-made", action="store_true", help="take the faults as they lie there")
    options: Any = parser.parse_args()
    survivors = options.survivors and options.survivors.absolute()

    if not options.as_made:
        make_faults(options.rooms, options.children)
    made = {name: made_in(name) for name in options.rooms}
    chosen = {name: sample_of(made[name], options.sample) for name in options.rooms}
    # One of each room in turn: where the time is over, it is over for all of them alike.
    turns = sorted(
        (place, room, name) for room, names in chosen.items() for place, name in enumerate(names)
    )
    checks = Checks(options.rooms, options.children)
    order = {name: made[room][name] for _, room, name in turns}
    fates = checks.run(order, time.monotonic() + options.seconds)
    rooms = [
        Room(name, len(made[name]), {each: fates[each] for each in chosen[name] if each in fates})
        for name in options.rooms
    ]
    for room in rooms:
        _say(room)
    if survivors:
        text = "\n".join(difference(each) for room in rooms for each in room.survivors())
        survivors.write_text(text, encoding="utf-8")
    return int(any(room.share < LEAST_KILLED for room in rooms))


def _say(room: Room) -> None:
    print(
        f"{room.name}: {room.killed} of {len(room.fates)} killed ({room.share:.1%}), "
        f"{room.made:,} made",
        flush=True,
    )
    for name in room.survivors():
        print(f"  {room.fates[name]}: {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
