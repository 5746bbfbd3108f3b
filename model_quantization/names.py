"""Names of models and of their files: which are valid, and which may be published.

One name can be spelled in several ways: "é" is one character (NFC, as keyboards write it) or two
(NFD, as macOS names files). Every model's name is in NFC, whatever its file or its caller says.
"""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from itertools import product

from model_quantization.errors import (
    PathRefused,
)

RESERVED = frozenset({"objects", "stats", "releases"})


NAME_BYTES = 200  # of the usual 255: the rest is for suffixes and temporary names


def normalized(name: str) -> str:
    """The one spelling (NFC) of all names that read the same."""
    return unicodedata.normalize("NFC", name)


def spellings(path: str) -> tuple[str, ...]:
    """The ways in which file systems may spell `path`, each part in NFC or NFD; NFC first."""
    forms = [
        dict.fromkeys(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))
        for part in path.split("/")
    ]
    return tuple("/".join(parts) for parts in product(*forms))


def matches(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern with `*`, `?` and `[...]`, in any Unicode spelling."""
    return fnmatchcase(normalized(name), normalized(pattern))


def check_name(name: str) -> str:
    """`name` in its one spelling, when it can safely name files of the output directory.

    Raises
    ------
    PathRefused
        Empty, `..`, hidden, a control character, a backslash, bytes that are not UTF-8, too long,
        or inside one of the release's own directories.
    """
    name = normalized(name)
    parts = name.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") for part in parts):
        raise _bad_name(name, "a part that is empty, `..` or hidden")
    if not name.isprintable() or "\\" in name:
        raise _bad_name(name, "a control character, a backslash or bytes that are not UTF-8")
    if any(len(part.encode()) > NAME_BYTES for part in parts):
        raise _bad_name(name, f"a part longer than {NAME_BYTES} bytes")
    for part in parts[:-1]:  # `objects/x`, or `x.json/y` beside the statistics of a model `x`
        if part.casefold() in RESERVED or part.casefold().endswith((".qma", ".json")):
            raise _bad_name(name, f"the directory name `{part}`, which releases use themselves")
    return name


def _bad_name(name: str, got: str) -> PathRefused:
    return PathRefused(
        "this cannot be a model's name", where=printable(name), got=got, do="rename the file"
    )


def printable(name: str) -> str:
    """`name` on one line; characters that cannot be printed become escapes."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in name
    )


SUFFIXES = (".pkl", ".pickle", ".joblib", ".sav", ".skops")
ENDINGS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"  # in messages


COMPRESSIONS = ("", ".gz", ".z", ".bz2", ".xz", ".lzma")


_ENDINGS = tuple(suffix + packed for suffix in SUFFIXES for packed in COMPRESSIONS)


def model_name(relative: str) -> str:
    """`relative` without its model ending: `eu/intent.pkl.gz` gives `eu/intent`."""
    relative = normalized(relative)
    lowered = relative.lower()
    ending = max((e for e in _ENDINGS if lowered.endswith(e)), key=len, default="")
    return relative[: len(relative) - len(ending)]


def looks_like_model(file_name: str) -> bool:
    """Whether a file of this name counts as a model."""
    return file_name.lower().endswith(_ENDINGS)
