"""Keeps a worker's child from harm, by every means that this machine has.

Three defences, each there or not, and each without the others' help: another user (as root), a
filter of system calls (seccomp), and directories to write in (Landlock). They are the second line:
the first is that a file which passed the scan cannot ask for anything at all.
"""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model_quantization.errors import ConfigError
from model_quantization.loading.sandbox.landlock import confine_writes, open_places
from model_quantization.loading.sandbox.seccomp import deny_system_calls
from model_quantization.loading.sandbox.user import (
    READ_ANYTHING,
    become,
    hand_over,
    is_open_to_others,
)
from model_quantization.records import Record

_NOBODY: Final = 65534
_NULL: Final = "/dev/null"


@dataclass(frozen=True, slots=True)
class Confinement(Record):
    """The actions that are denied to the children of one worker.

    Attributes
    ----------
    filters : bool
        seccomp and Landlock, where the kernel has them.
    uid, gid : int
        The user and group of the children when the parent is root; -1: no change.
    """

    filters: bool = True
    uid: int = _NOBODY
    gid: int = _NOBODY

    @classmethod
    def from_environment(cls) -> Confinement:
        """The confinement that ``ML_WORKER_FILTERS`` and ``ML_WORKER_USER`` ask for.

        Raises
        ------
        ConfigError
            Something else than on or off; a user that does not exist.
        """
        filters = os.environ.get("ML_WORKER_FILTERS", "on")
        if filters not in ("on", "off"):
            raise ConfigError(
                "cannot be used", where="ML_WORKER_FILTERS", expected="on or off", got=filters
            )
        return cls(filters == "on", *_user(os.environ.get("ML_WORKER_USER", "nobody")))


UNCONFINED: Final = Confinement(filters=False, uid=-1, gid=-1)


@dataclass(frozen=True, slots=True)
class Access(Record):
    """The rights that one call needs, beside reading files that everybody can read.

    Attributes
    ----------
    workspace : str
        The directory that it writes in; empty: none.
    reads : tuple of str
        Files it has to read.
    """

    workspace: str = ""
    reads: tuple[str, ...] = ()


def confine(access: Access, how: Confinement) -> None:
    """Keep this process, from now on, from what one call does not need."""
    writable = [access.workspace] if access.workspace else []
    if access.workspace:
        tempfile.tempdir = os.environ["TMPDIR"] = access.workspace
    _use_no_processes()
    places = open_places([*writable, _NULL]) if how.filters else []
    if sys.platform == "linux" and os.geteuid() == 0 and how.uid >= 0:
        _give_up_root(access, how)
    if how.filters:
        confine_writes(places)
        deny_system_calls()


def _give_up_root(access: Access, how: Confinement) -> None:
    known: dict[str, bool] = {}
    above = str(Path(access.workspace).parent) if access.workspace else ""
    needed = [*sys.path, *access.reads, above]
    closed = not all(is_open_to_others(path, known) for path in needed if path)
    if access.workspace:
        hand_over(access.workspace, how.uid, how.gid)
    become(how.uid, how.gid, (READ_ANYTHING,) if closed else ())


def _use_no_processes() -> None:
    # An estimator with `n_jobs` would start some, which fails here; one thread was all it had.
    joblib: Any = sys.modules.get("joblib")
    if joblib is not None:
        joblib.parallel_config(backend="sequential")


def _user(name: str) -> tuple[int, int]:
    if name == "keep":
        return -1, -1
    if name.isdecimal():
        return int(name), int(name)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        if name == "nobody":  # a container without a list of users
            return _NOBODY, _NOBODY
        raise ConfigError(
            "no such user",
            where="ML_WORKER_USER",
            expected="a name, a number, or `keep`",
            got=name,
        ) from None
    return entry.pw_uid, entry.pw_gid
