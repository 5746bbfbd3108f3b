"""Errors in the words of the command line: the option that was typed, and not the key behind it.

Settings are checked where they are used, and there each has the name of its key in a configuration.
A person who typed an option never saw that name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from model_quantization.commands.options import OPTION_OF_KEY
from model_quantization.errors import QuantizationError, told

_KEY = r"(?:gate/)?(?P<key>[a-z_]+)(?:/\d+)?"
_WHERE = re.compile(rf"{_KEY}(?=$|: )")
_WHAT = re.compile(rf"`{_KEY}` ")
_CANNOT = re.compile(r"^a (setting that|limit of the gate) cannot be used$")
# What messages say to those who wrote a configuration or call a function.
_WORDS = (
    (re.compile(r"^\S+, or (?=`bit_depth: auto` beside it)"), ""),
    (re.compile(r"`bit_depth: auto`|bit_depth=\"auto\""), "--bit-depth auto"),
    (re.compile(r"bit_depth '(\w+)'"), r"--bit-depth \1"),
    (re.compile(r"; ranges of other bit depths are chosen by calibration_rows"), ""),
    (re.compile(r"correct the (name in the )?configuration( or the argument)?"), "correct it"),
    (re.compile(r"pass held_out=\.\.\."), "name rows with --held-out"),
)


def in_words_of_options(error: Exception, arguments: Sequence[str]) -> str:
    """Return what an error says to a person who typed these arguments."""
    if not isinstance(error, QuantizationError):
        return told(error)
    placed, named = _WHERE.match(error.where), _WHAT.match(error.what)
    found = placed or (named if not error.where else None)
    if found is None:
        return str(error)
    option = _typed(found["key"], arguments)
    if option is None:
        return str(error)
    fields = error.fields()
    if placed:
        fields["where"] = option + error.where[placed.end() :]
        fields["what"] = _CANNOT.sub("cannot be used", error.what)
    else:
        fields["where"], fields["what"] = option, error.what[found.end() :]
    for name in ("expected", "got", "do"):
        for pattern, words in _WORDS:
            fields[name] = pattern.sub(words, fields[name])
    return str(type(error)(**fields))


def _typed(key: str, arguments: Sequence[str]) -> str | None:
    """The option of a key, as it was typed; None when it was not."""
    typed = {argument.partition("=")[0] for argument in arguments}
    return next((option for option in OPTION_OF_KEY.get(key, ()) if option in typed), None)
