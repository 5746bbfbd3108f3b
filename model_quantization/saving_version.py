"""The note on a model that another version of scikit-learn saved: written, and read back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_NOTE: Final = re.compile(
    r"saved by scikit-learn (?P<versions>[^:]*): "
    r"(?:it answers as it did there|answers as loaded by scikit-learn (?P<loaded>\S+))"
)
_VERSION: Final = re.compile(r"\d[\w.]*")


def saved_note(versions: Iterable[str], *, known: bool, installed: str) -> str:
    """Return the note on a file of other versions.

    Parameters
    ----------
    versions : iterable of str
        The versions that saved parts of the file.
    known : bool
        Whether every change since those versions is known and was corrected.
    installed : str
        The version that loaded it.

    Examples
    --------
    >>> saved_note(["1.1.3"], known=True, installed="1.9.1")
    'saved by scikit-learn 1.1.3: it answers as it did there'
    """
    shown = ", ".join(versions)
    if known:
        return f"saved by scikit-learn {shown}: it answers as it did there"
    return f"saved by scikit-learn {shown}: answers as loaded by scikit-learn {installed}"


def reference_of(notes: Iterable[str]) -> str:
    """Return which answers of the original the artifact was compared with, from a model's notes.

    Examples
    --------
    >>> reference_of(["saved by scikit-learn 1.1.3: it answers as it did there"])
    'as saved by scikit-learn 1.1.3'
    >>> reference_of([])
    ''
    """
    for note in notes:
        found = _NOTE.match(note)
        if found is not None:
            loaded = found["loaded"]
            return f"as {f'loaded by scikit-learn {loaded}' if loaded else note.split(':')[0]}"
    return ""


def saving_versions(notes: Iterable[str]) -> set[str]:
    """Return the other versions that saved the model, if it answers as it did there."""
    found = (_NOTE.match(note) for note in notes)
    return {
        version
        for match in found
        if match is not None and not match["loaded"]
        for version in _VERSION.findall(match["versions"])
    }
