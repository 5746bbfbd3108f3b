"""A message names the fault and never only the wish: "a shape" says nothing, "not a shape" does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_quantization import errors

LIBRARY = Path(errors.__file__).parent
ERRORS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.QuantizationError)
}
# A clause that names a fault has one of these: a negation, a comparison, a verb, a fault by name.
FAULT = re.compile(
    r"""\b(
    not|no|none|never|neither|nor|nothing|cannot|without|lacks?|
    too|more|fewer|less|longer|larger|beyond|outside|after|crosses|twice|several|only|
    other|another|else|unknown|missing|malformed|broken|wrong|damaged|large|deep|out\ of|left\ out|
    is|are|was|were|has|have|had|does|do|did|differs?|fails?|failed|changed|died|ends?|stops?|
    begins|needs?|makes?|calls|uses|names|adds|sets|appends|nests|stores|shares|announces|
    declares|decodes|decompresses|holds?|hold|lies?|looks|points|rises?|answers|took|writes|
    tried|told|says|leads|takes|cuts|compares|packs|finds|gives|left|described|changes|means|
    stands|requires
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def messages() -> Iterator[tuple[str, str]]:
    """(file:line, message) of each error that is made with a message written there."""
    for path in sorted(LIBRARY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in ERRORS and node.args:
                text = _text(node.args[0])
                if text:
                    yield f"{path.relative_to(LIBRARY)}:{node.lineno}", text


def _name(function: ast.expr) -> str:
    return getattr(function, "id", getattr(function, "attr", ""))


def _text(argument: ast.expr) -> str:
    """The words that stand in the source; parts that are filled in count as `X`."""
    match argument:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) if isinstance(part, ast.Constant) else "X" for part in parts)
        case _:
            return ""


def test_messages_are_found() -> None:
    assert len(list(messages())) > 300


def test_every_message_names_the_fault() -> None:
    wishes = [f"{where}: {text}" for where, text in messages() if not FAULT.search(text)]
    assert not wishes, "these say what should be, and not what is wrong:\n" + "\n".join(wishes)


@pytest.mark.parametrize("text", ["a shape", "a pipeline", "one estimator a tree", "parameter X"])
def test_a_wish_is_recognized(text: str) -> None:
    assert not FAULT.search(text)
