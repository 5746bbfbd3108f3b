"""Which tests are skipped on this machine, what they need, and the command that installs it.

python -m tests.missing
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Need:
    """What some tests need: a module of an extra, or a program of a Debian package."""

    name: str
    tests: str
    package: str = ""
    extra: str = ""
    requirement: str = ""


def _has_postgres() -> bool:
    from tests.operations.postgres import programs

    return programs() is not None


NEEDS: dict[Need, Callable[[], object]] = {
    Need("Chromium", "the report page and the run form in a browser", package="chromium"): (
        lambda: shutil.which("chromium")
    ),
    Need("Postgres", "the flow with a Prefect server on Postgres", package="postgresql"): (
        _has_postgres
    ),
    Need("qemu-user", "kernels of aarch64", package="qemu-user"): (
        lambda: shutil.which("qemu-aarch64")
    ),
    Need("ziglang", "kernels of aarch64", requirement="ziglang"): lambda: find_spec("ziglang"),
    Need("CatBoost", "models of CatBoost", extra="boosters"): lambda: find_spec("catboost"),
    Need("Ray", "the flow on a cluster of Ray", extra="ray"): lambda: find_spec("prefect_ray"),
    Need("Dask", "the flow on a cluster of Dask", extra="dask"): lambda: find_spec("prefect_dask"),
    Need("gunicorn", "the serving example in several processes", requirement="gunicorn"): (
        lambda: find_spec("gunicorn")
    ),
}


def missing() -> list[Need]:
    """Return what is not here."""
    return [need for need, is_here in NEEDS.items() if not is_here()]


def lines(needs: list[Need], python: str = sys.executable) -> Iterator[str]:
    """Yield what is skipped, one line each, and one command that brings all of it."""
    for need in needs:
        yield f"skipped for want of {need.name}: {need.tests}"
    commands = []
    if packages := [need.package for need in needs if need.package]:
        commands.append(f"apt-get install -y {' '.join(packages)}")
    extras = sorted({need.extra for need in needs if need.extra})
    wanted = [f"-e '.[{','.join(extras)}]'"] if extras else []
    wanted += [need.requirement for need in needs if need.requirement]
    if wanted:
        commands.append(f"{python} -m pip install -c constraints.txt {' '.join(wanted)}")
    if commands:
        yield f"to run all of them: {' && '.join(commands)}"
    else:
        yield "nothing is skipped for want of a package"


def main() -> None:
    """Print the lines."""
    here = Path(sys.executable)
    python = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    print("\n".join(lines(missing(), str(python))))


if __name__ == "__main__":
    main()
