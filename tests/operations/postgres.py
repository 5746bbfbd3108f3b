"""A Postgres server of Debian's package, on loopback, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.serve import free_port

SECONDS = 120


def programs() -> Path | None:
    """The directory of `initdb` and `pg_ctl`; None where Postgres is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database, for asyncpg; its server ends with the block."""
    bin_dir = programs()
    if bin_dir is None:
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    # Postgres refuses to run as root, and its user cannot reach a private directory of root's.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    port, data, log = free_port(), folder / "data", folder / "server.log"
    if user is not None:
        shutil.chown(folder, user)

    def run(*command: str | Path) -> None:
        done = subprocess.run(
            [*map(str, command)], user=user, cwd=folder, check=False, timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run(bin_dir / "initdb", "-D", data, "-U", "prefect", "--auth=trust", "-E", "UTF8")
        run(bin_dir / "pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", options)
        try:
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        finally:
            run(bin_dir / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
