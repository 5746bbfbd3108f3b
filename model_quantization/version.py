"""Versions of the installed package and of libraries, without importing them; where to report."""

from __future__ import annotations

import functools
import os
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

NOT_INSTALLED = "0+unknown"
# A library that comes in several distributions.
_DISTRIBUTIONS: Final = {"xgboost": ("xgboost", "xgboost-cpu")}
# Labels of `[project.urls]`, the most fitting first.
_TRACKERS: Final = (
    *("issues", "issue tracker", "bug tracker", "bug reports", "tracker"),
    *("repository", "source", "source code", "homepage"),
)


@functools.cache
def library_version(name: str) -> str:
    """Return the installed version of the library `name`; empty where it is not installed."""
    found = (_version_of(distribution) for distribution in _DISTRIBUTIONS.get(name, (name,)))
    return next(filter(None, found), "")


def installed_version() -> str:
    """Return the package's version, or `NOT_INSTALLED` for a checkout that was never installed."""
    return library_version("model-quantization") or NOT_INSTALLED


def report_it() -> str:
    """Return what a person does about a fault of this package: `report it ...`, and where.

    The place is the issue tracker that the installed package names. A copy that names none was
    handed on by somebody, who knows.
    """
    tracker = _tracker()
    where = f"at {tracker}" if tracker else "to the maintainers of your copy of this package"
    return f"report it {where}, with the model's file or a script that makes it"


def _tracker() -> str:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("model-quantization").get_all("Project-URL") or ()
    except PackageNotFoundError:
        return ""
    named = {
        label.strip().lower(): url.strip() for label, _, url in (u.partition(",") for u in urls)
    }
    return next((named[label] for label in _TRACKERS if label in named), "")


def _version_of(distribution: str) -> str:
    noted = _noted_version(distribution)
    if noted is not None:
        return noted
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except (PackageNotFoundError, KeyError):  # KeyError: its metadata says no version
        return ""


def _noted_version(name: str) -> str | None:
    """What `importlib.metadata` would say; None where that has to be asked.

    It imports readers of mail and of archives, which take a tenth of a first answer. What pip
    installs has a directory whose file says the version in one of its first lines.
    """
    if any(hasattr(each, "find_distributions") for each in sys.meta_path if each is not PathFinder):
        return None
    wanted = _normalized(name)
    for place in sys.path:
        try:
            with os.scandir(place or ".") as listed:
                entries = [each.name for each in listed]
        except NotADirectoryError:
            return None  # an archive
        except OSError:
            continue
        if place.endswith(".egg"):
            return None
        for entry in entries:
            stem, _, kind = entry.lower().rpartition(".")
            if kind in ("dist-info", "egg-info") and _normalized(stem.partition("-")[0]) == wanted:
                return _version_in(Path(place, entry, "METADATA"))
    return ""


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _version_in(metadata: Path) -> str | None:
    try:
        head = metadata.read_text("utf-8").partition("\n\n")[0]
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r"^Version:[ \t]*(\S+)[ \t]*$", head, re.MULTILINE)
    return None if found is None else found[1]
