"""Targets in the form of the model's classes, so that they can be compared.

A class is text, a number or a boolean. A text class matches the same text, so `01` is not `1`. A
number matches by its value, a boolean by `true`, `false`, 1 or 0. A label that is no class of the
model keeps its spelling.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.answers import plain_array
from model_quantization.evaluation.rows.expected import ExpectedRows, Labels

LEAST_KNOWN = 0.9  # least share of targets that must be classes of the model
_SHOWN = 4
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
Label = str | bool | int | float


def read_targets(
    columns: Sequence[NDArray[Any]], names: Sequence[str], path: Path, expected: ExpectedRows
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The targets as the model's classes or numbers, and notes on labels that it does not know.

    Parameters
    ----------
    columns : sequence of ndarray, each of shape (n,)
        The target columns as the file has them.
    names : sequence of str
        Their names, for messages.
    path : Path
    expected : ExpectedRows

    Returns
    -------
    targets : ndarray of shape (n,) or (n, k)
        Never of object dtype.
    notes : tuple of str

    Raises
    ------
    HeldOutError
        Under 90 % of the targets are classes of the model; a regressor's target is no number.
    """
    if expected.task == "regression":
        read = [_numbers(column, name, path) for column, name in zip(columns, names, strict=True)]
        return _together(read), ()
    classes = expected.classes
    if len(classes) != len(columns):  # indicators of several labels, or unknown classes
        return _together([_plain(column) for column in columns]), ()
    made, notes = [], []
    for column, name, labels in zip(columns, names, classes, strict=True):
        values, note = _as_classes(column, name, path, labels) if labels else (_plain(column), "")
        made.append(values)
        notes += [note] if note else []
    return _together(made), tuple(notes)


def _together(columns: list[NDArray[Any]]) -> NDArray[Any]:
    return columns[0] if len(columns) == 1 else np.column_stack(columns)


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """The column without object dtype; text that consists of numbers becomes numbers."""
    array = plain_array(column)
    if array.dtype.kind in "US":
        numbers = [_number(label) for label in array.tolist()]
        if all(number is not None for number in numbers):
            return np.asarray(numbers)
    return array


def _as_classes(
    column: NDArray[Any], name: str, path: Path, classes: Labels
) -> tuple[NDArray[Any], str]:
    """The column in the form of the classes, and a note on labels that are no class."""
    spelled, inverse, counts = _distinct(column)
    forms = [_form(label, classes.kind) for label in spelled]
    known = set(classes.values)
    is_known = np.array([form is not None and form in known for form in forms], dtype=bool)
    unknown = int(counts[~is_known].sum())
    shown = _listed([spelled[i] for i in np.flatnonzero(~is_known)], counts[~is_known])
    if unknown > (1.0 - LEAST_KNOWN) * len(column) + 1e-9:
        raise HeldOutError(
            f"{unknown:,} of {len(column):,} targets are no class of the model",
            where=f"{path}, column {name}",
            expected=f"{classes.kind} such as {_listed(classes.values)}",
            got=shown,
            do=_remedy([spelled[i] for i in np.flatnonzero(~is_known)], classes),
        )
    note = ""
    if unknown:
        note = f"{unknown:,} of {len(column):,} held-out targets are no class of the model: {shown}"
    whole = all(form is not None for form in forms)
    values = (
        forms
        if whole
        else [
            _text(form if k else label)
            for form, label, k in zip(forms, spelled, is_known, strict=True)
        ]
    )
    return plain_array(np.asarray(values))[inverse], note


def as_label(value: Any, labels: Labels) -> bool:
    """Whether a value is one of the labels, after conversion to their form."""
    numbers = {_number(label) for label in labels.values} - {None}
    return _form(value, labels.kind) in labels.values or _number(value) in numbers


def _distinct(column: NDArray[Any]) -> tuple[list[Any], NDArray[np.intp], NDArray[np.intp]]:
    """(distinct values, each row's place among them, the count of each)."""
    places: dict[tuple[type, Any], int] = {}
    inverse = np.empty(len(column), dtype=np.intp)
    for row, value in enumerate(column.tolist()):
        # The type is part of the key: True and 1 are equal, but differ in spelling.
        inverse[row] = places.setdefault((type(value), value), len(places))
    return [value for _, value in places], inverse, np.bincount(inverse, minlength=len(places))


def _form(label: Any, kind: str) -> Label | None:
    """A label in the form of classes of a kind; None if it has no such form."""
    if kind == "text":
        return _text(label)
    number = _number(label)
    if kind == "number":
        return number
    if isinstance(label, str):
        return _BOOLEANS.get(label.lower())
    return bool(number) if number in (0, 1) else None


def _text(label: Any) -> str:
    """A label as it is written."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "backslashreplace")
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def _number(label: Any) -> int | float | None:
    """The number that a label is or spells; None for a label that is no number."""
    if isinstance(label, bool | int | float):
        return float(label) if isinstance(label, float) else int(label)
    if isinstance(label, Decimal):
        return int(label) if label == label.to_integral_value() else float(label)
    if not isinstance(label, str) or "_" in label:  # Python's `float` would accept 1_000
        return None
    for read in (int, float):
        try:
            return read(label)
        except ValueError:
            continue
    return None


def _numbers(column: NDArray[Any], name: str, path: Path) -> NDArray[Any]:
    """The target of a regressor as numbers."""
    if column.dtype.kind in "biuf":
        return column
    read = [_number(value) for value in column.tolist()]
    wrong = [row for row, number in enumerate(read) if number is None]
    if wrong:
        first = column[wrong[0]]
        raise HeldOutError(
            f"{len(wrong):,} of {len(column):,} targets are no numbers",
            where=f"{path}, column {name}",
            expected="numbers, as the model predicts them",
            got=f"{first!r} at row {wrong[0]}",
            do="write decimal points, not commas" if has_decimal_comma(first) else "correct them",
        )
    return np.asarray(read, dtype=np.float64)


def has_decimal_comma(cell: Any) -> bool:
    """Whether a cell is a number with a decimal comma."""
    return isinstance(cell, str) and "," in cell and _number(cell.replace(",", ".", 1)) is not None


def _remedy(labels: Sequence[Any], classes: Labels) -> str:
    """The advice on how to write the labels."""
    known = set(classes.values)

    def mended(change: Any) -> bool:
        return any(_form(change(_text(label)), classes.kind) in known for label in labels)

    if mended(str.strip):
        return "remove the blanks around the labels"
    folded = {str(value).casefold() for value in known}
    if any(_text(label).casefold() in folded for label in labels):
        return "write upper and lower case as the model has it"
    numbers = {_number(value) for value in known} - {None}
    if any(_number(label) in numbers for label in labels):
        return f"write the labels as the model spells them, such as {next(iter(known))!r}"
    return "write the labels that the model was trained on, or correct the file"


def _listed(labels: Sequence[Any], counts: NDArray[np.intp] | None = None) -> str:
    """The first few labels, the most frequent first, with how often each occurs."""
    order = list(range(len(labels)))
    if counts is not None:
        order.sort(key=lambda index: -int(counts[index]))
    shown = [
        f"{labels[i]!r}" + (f" ({int(counts[i]):,} rows)" if counts is not None else "")
        for i in order[:_SHOWN]
    ]
    return ", ".join(shown) + (f" and {len(order) - _SHOWN} more" if len(order) > _SHOWN else "")
