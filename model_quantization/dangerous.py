"""Names that only a hostile file uses. A user whose file has one is told not to open it.

The list is data, `dangerous_names.txt` beside this file. It changes only the message: a name that
is on neither list is refused as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources

DO_NOT_OPEN = "do not open it"
HEADINGS = ("runs programs", "opens files", "reaches the network")


@functools.cache
def dangerous_names() -> dict[str, str]:
    """Return the names of the list, `module:qualname` or `module:*`, each with its heading.

    Raises
    ------
    ValueError
        A line is misplaced, misspelt, or there twice.
    """
    text = resources.files(__package__).joinpath("dangerous_names.txt").read_text("utf-8")
    found: dict[str, str] = {}
    heading = ""
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if name.startswith("["):
            heading = name.strip("[]")
        elif heading in HEADINGS and ":" in name and name not in found:
            found[name] = heading
        else:
            raise ValueError(f"line {number}: {name!r} is misplaced, misspelt or listed twice")
    return found


def danger_of(name: str) -> str:
    """Return the heading of the list under which a name stands; empty for a name that is not on it.

    Examples
    --------
    >>> danger_of("posix:system")
    'runs programs'
    >>> danger_of("my_package.text:Cleaner")
    ''
    """
    module, _, qualname = name.partition(":")
    known = dangerous_names()
    first = qualname.partition(".")[0]
    for exact in (f"{module}:{qualname}", f"{module}:{first}"):
        if exact in known:
            return known[exact]
    parts = module.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((known[f"{prefix}:*"] for prefix in prefixes if f"{prefix}:*" in known), "")


def warning(names: Iterable[str]) -> str:
    """Return the warning about a file that has these names; empty when none is dangerous."""
    found = {danger_of(name) for name in names} - {""}
    if not found:
        return ""
    does = [heading for heading in HEADINGS if heading in found]
    listed = does[0] if len(does) == 1 else f"{', '.join(does[:-1])} and {does[-1]}"
    return f"this file {listed} when it is opened: {DO_NOT_OPEN}"
