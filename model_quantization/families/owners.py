"""Which file of this room speaks for each class, noted so that no other file need be imported.

A process that answers one model imports the families of that model: with the others, its first
answer would take longer by every family that is ever added.

    python -m model_quantization.families

writes `owners.json` anew from the families themselves (so does `make docs`). A test holds the file
to them; where it is missing or names other files than there are, every family is imported instead.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

NOTE = Path(__file__).with_name("owners.json")


class Owners(NamedTuple):
    """The content of the note.

    Attributes
    ----------
    modules : dict of str to str
        Name of a family -> its file, without ending.
    by_type : dict of str to str
        Class, `module:qualname` -> name of the family that speaks for it.
    """

    modules: dict[str, str]
    by_type: dict[str, str]


def files_here() -> list[str]:
    """Return the files and sub-packages of this room, by name."""
    return sorted(module.name for module in pkgutil.iter_modules([str(NOTE.parent)]))


@cache
def known_owners() -> Owners | None:
    """Return what the note says; None where it is not of the files that are here."""
    try:
        note: dict[str, Any] = json.loads(NOTE.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if note.get("files") != files_here():
        return None
    families: dict[str, dict[str, Any]] = note["families"]
    return Owners(
        {name: entry["module"] for name, entry in families.items()},
        {kind: name for name, entry in families.items() for kind in entry["types"]},
    )


def note_text() -> str:
    """Return the note as it should be, from the families themselves."""
    families = {}
    for name in files_here():
        family = getattr(importlib.import_module(f"{__package__}.{name}"), "FAMILY", None)
        if family is not None:
            families[family.name] = {"module": name, "types": sorted(family.types)}
    return json.dumps({"files": files_here(), "families": families}, indent=1) + "\n"
