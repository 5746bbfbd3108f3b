"""Reads the kernels of a C source: names, parameters, and the types it is compiled for.

A kernel is `KERNEL <result> name(<parameters>)`. A source that says `Compiled for each VALUE of
f32, f64.` is compiled once per type, and `VALUE` stands for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

LETTERS = {
    "u8": "B",
    "i8": "b",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f32": "f",
    "f64": "d",
}
NUMBERS = {"i64": "w", "f64": "x"}
RESULTS = {"none": "n", "integer": "i", "truth": "t"}
MOST_PARAMETERS = 32

_VARIANTS = re.compile(r"Compiled for each (\w+) of ([\w, ]+)\.")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_KERNEL = re.compile(r"^KERNEL\s+(\w+)\s+(\w+)\(([^)]*(?:\([^)]*\)[^)]*)*)\)\s*\{", re.MULTILINE)
_MARKED = re.compile(r"\bKERNEL\b")
_ARRAY = re.compile(
    r"(?:(IN|OUT|ROWS_IN|ROWS_OUT)\((\w+)\)|(\w+?)_((?:rows_)?(?:in|out)|steps_in))$"
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kernel.

    Attributes
    ----------
    name : str
    c_type : str
        As the source has it.
    letter : str
        numpy's type character of an array's items; `w` and `x` for whole and real numbers.
    written : bool
    dimensions : int
        2; 1 with any step; 0 for any number of them.
    """

    name: str
    c_type: str
    letter: str
    written: bool = False
    dimensions: int = 0

    @property
    def is_array(self) -> bool:
        """Whether the parameter is an array, not a number."""
        return self.letter not in NUMBERS.values()


@dataclass(frozen=True, slots=True)
class Prototype:
    """One kernel: its name, the letter of its result, its parameters."""

    name: str
    result: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A source compiled for one choice of types."""

    source: Path
    types: tuple[tuple[str, str], ...]
    kernels: tuple[Prototype, ...]

    @property
    def name(self) -> str:
        """A name of letters and digits that no other variant has."""
        return "_".join([*self.source.parts[-2:-1], self.source.stem, *(t for _, t in self.types)])


def read_source(source: Path) -> list[Variant]:
    """The variants of a source, one unless it is compiled for several types.

    Raises
    ------
    ValueError
        A kernel's prototype is malformed; the message names source and kernel.
    """
    text = source.read_text(encoding="utf-8")
    choices = [
        [(name, kind.strip()) for kind in kinds.split(",")]
        for name, kinds in _VARIANTS.findall(text)
    ]
    code = _COMMENT.sub(" ", text)
    found: list[tuple[str, str, str]] = _KERNEL.findall(code)
    if len(found) != len(_MARKED.findall(code)) or not found:
        raise ValueError(
            f"{source}: expected kernels as KERNEL <result> name(<parameters>) {{, each at the "
            f"start of a line; read {', '.join(name for _, name, _ in found) or 'none'}"
        )
    return [
        Variant(
            source,
            types,
            tuple(_prototype(source, dict(types), *kernel) for kernel in found),
        )
        for types in product(*choices)
    ]


def _prototype(
    source: Path, types: dict[str, str], result: str, name: str, parameters: str
) -> Prototype:
    where = f"{source}: {name}"
    if result not in RESULTS:
        raise ValueError(f"{where} returns {result}; expected one of {', '.join(RESULTS)}")
    given = [part for part in (part.strip() for part in parameters.split(",")) if part]
    if given == ["void"] or len(given) > MOST_PARAMETERS:
        raise ValueError(f"{where} has {len(given)} parameters; expected 1 to {MOST_PARAMETERS}")
    return Prototype(name, RESULTS[result], tuple(_parameter(where, part, types) for part in given))


def _parameter(where: str, text: str, types: dict[str, str]) -> Parameter:
    words = text.split()
    if len(words) != 2:
        raise ValueError(f"{where}: parameter `{text}` is malformed; expected a type and a name")
    c_type, name = words
    if c_type in NUMBERS:
        return Parameter(name, c_type, NUMBERS[c_type])
    array = _ARRAY.match(c_type)
    item = array and (types.get(array[2], "") if array[1] else array[3])
    if not array or item not in LETTERS:
        raise ValueError(
            f"{where}: parameter {name} has type {c_type}; expected i64, f64, or an array type "
            f"(f64_in, f64_out, f64_rows_in, IN(VALUE), ...) of {', '.join(LETTERS)}"
        )
    kind = (array[1] or array[4]).lower()
    dimensions = {"rows": 2, "steps": 1}.get(kind.split("_")[0], 0)
    return Parameter(name, c_type, LETTERS[item], kind.endswith("out"), dimensions)
