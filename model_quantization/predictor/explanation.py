"""Which predictor answers each method of a quantized model, and why the others are not fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model_quantization.displayed import html_table
from model_quantization.predictor.asked import AskedComponent
from model_quantization.records import Record

RESTORED = "the restored estimator"


@dataclass(frozen=True, slots=True)
class MethodAnswer(Record):
    """Which predictor answers one public method of a model.

    Attributes
    ----------
    method : str
    fast : bool
        Whether a fast predictor answers. The restored estimator still answers rows that it does not
        accept (infinities, other types).
    by : str
        The predictor, in a few words.
    why : str
        Why it is not fast; empty when it is.
    """

    method: str
    fast: bool
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class ComponentAnswer(Record):
    """Whether a component inside a model has a fast predictor of its own.

    Attributes
    ----------
    path : str
        Its path in the file's model.
    type : str
        Exact class name, `module:qualname`.
    family : str
        The family that speaks for it.
    fast : bool
    by : str
        Its predictor, in a few words; the model may have fused it with others.
    methods : tuple of str
        Methods that its predictor answers; none for a step that another predictor includes.
    why : str
        Why it has no fast predictor; empty when it has one.
    where : str
        Path of the component that is the reason; empty when it has a predictor.
    """

    path: str
    type: str
    family: str
    fast: bool
    by: str
    methods: tuple[str, ...] = ()
    why: str = ""
    where: str = ""


def component_answer(path: str, asked: AskedComponent) -> ComponentAnswer:
    """Return the record of a component's reply."""
    fast = not asked.why
    by = asked.by if fast else RESTORED
    return ComponentAnswer(
        path, asked.type, asked.family, fast, by, asked.methods, asked.why, asked.where
    )


@dataclass(frozen=True, slots=True)
class Explanation(Record):
    """Which predictor answers each method of one model.

    It prints as a table; `to_json()` gives plain values.

    Attributes
    ----------
    path : str
        Path of the model in its file; empty for the file's only model.
    type : str
        Exact class name.
    exact : bool
        Whether the artifact rounds nothing, so that every answer has the original's bits.
    methods : tuple of MethodAnswer
        Every public method, in order.
    components : tuple of ComponentAnswer
        The model and every component inside it that was asked for a fast predictor.
    """

    path: str
    type: str
    exact: bool
    methods: tuple[MethodAnswer, ...]
    components: tuple[ComponentAnswer, ...]

    def __str__(self) -> str:
        name = self.type.rpartition(":")[2]
        head = f"{self.path}: {name}" if self.path else name
        tables = [head, *_aligned(self._method_rows())]
        if len(self.components) > 1:
            tables += ["", *_aligned(self._component_rows())]
        return "\n".join(tables)

    def _repr_html_(self) -> str:
        tables = [_html(self._method_rows())]
        if len(self.components) > 1:
            tables.append(_html(self._component_rows()))
        return "".join(tables)

    def _method_rows(self) -> Iterator[tuple[str, ...]]:
        yield "method", "answered", "by", "why"
        for each in self.methods:
            yield each.method, _speed(each.fast), each.by, each.why

    def _component_rows(self) -> Iterator[tuple[str, ...]]:
        yield "component", "class", "answered", "by", "why"
        for each in self.components:
            elsewhere = each.where not in ("", each.path)
            why = f"{each.where}: {each.why}" if elsewhere else each.why
            name = each.type.rpartition(":")[2]
            yield each.path or "(model)", name, _speed(each.fast), each.by, why


def _speed(fast: bool) -> str:
    return "fast" if fast else "restored"


def _aligned(rows: Iterator[tuple[str, ...]]) -> list[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _html(rows: Iterator[tuple[str, ...]]) -> str:
    head, *body = rows
    return html_table(body, head=head)
