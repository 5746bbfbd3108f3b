"""Facts of a run for its pages: settings, versions, host and time."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

from model_quantization.records import Record
from model_quantization.version import installed_version

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas")


@dataclass(frozen=True, slots=True)
class RunFacts(Record):
    """The facts of a run on its pages.

    Attributes
    ----------
    settings : tuple of (str, str)
        Every key that was set, dotted, and its value.
    versions : tuple of (str, str)
        Versions of this package, Python and the libraries that affect answers.
    host : str
        Name, system and processors of the machine that ran it.
    seconds : float
        From the plan to the release.
    """

    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    host: str
    seconds: float

    @classmethod
    def of(cls, settings: Mapping[str, Any], seconds: float) -> Self:
        """Return the facts of a run on this machine, whose configuration set `settings`."""
        return cls(
            settings=tuple(_flat(settings)),
            versions=tuple(_versions()),
            host=f"{platform.node()}, {platform.system()} {platform.machine()}, "
            f"{os.cpu_count() or 1} processors",
            seconds=seconds,
        )

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return name and text of each fact, the settings in one."""
        settings = ", ".join(f"{key}: {value}" for key, value in self.settings)
        return (
            ("duration", duration(self.seconds)),
            ("host", self.host),
            ("versions", ", ".join(f"{name} {number}" for name, number in self.versions)),
            ("settings", settings or "all as by default"),
        )


def duration(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> duration(0.42), duration(63.0), duration(7384.0)
    ('0.4 s', '1 min 3 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _versions() -> Iterator[tuple[str, str]]:
    yield "model-quantization", installed_version()
    yield "Python", platform.python_version()
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
