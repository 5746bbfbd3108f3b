"""Probe rows made from the values that a model itself holds.

The rows are the same in every run: the values come from the model, the choice from a fixed seed.
Fewer rows are a prefix of more rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.probing import ProbeValues
from model_quantization.probes.rows import ProbeRows

MOST_ROWS: Final = 64
_SEED: Final = 20_260_101
_DOCUMENTS: Final = (
    "",
    " ",
    "\n\t",
    "zzqxv unseen wörter",
    "日本語 テキスト",
    "ÀÉ ß İ",
    "1 2.5 3,000",
)


def make_rows(
    values: ProbeValues, n_features: int | None, names: tuple[str, ...] | None
) -> ProbeRows | None:
    """Return probe rows for a model; None for an unknown kind of input.

    Parameters
    ----------
    values : ProbeValues
        Inputs to test, by column.
    n_features : int or None
        Columns that the model takes; None if unknown: it may take documents.
    names : tuple of str or None
        The columns' names, where the model was fitted with them.
    """
    if n_features is None and values.mappings:
        return ProbeRows("mappings", mappings=tuple(_mappings(values)))
    if n_features is None:
        # Probably documents; a model of another kind raises at every method.
        return ProbeRows("documents", documents=tuple(_documents(values)))
    if n_features < 1:
        return None
    if values.categories or values.text_columns:
        return ProbeRows("table", columns=_table(values, n_features), names=names)
    return ProbeRows("numbers", numbers=_numbers(values, n_features), names=names)


def _numbers(values: ProbeValues, width: int) -> Array:
    """Rows of numbers at and beside the values, each column drawn on its own."""
    random = np.random.default_rng(_SEED)
    rows = np.empty((MOST_ROWS, width))
    for at in range(width):
        rows[:, at] = random.choice(_around(values.numbers.get(at)), MOST_ROWS)
    whole = [row for row in values.rows if row.shape == (width,)]
    for place, row in enumerate(whole[: MOST_ROWS // 3]):
        jitter = random.normal(size=width) * 1e-3 * (1.0 + np.abs(row)) * (place % 2)
        rows[1 + 2 * place] = row + jitter
    if not whole and not values.numbers:
        rows[1::2] = random.normal(size=rows[1::2].shape)
    rows[0] = [_middle(values.numbers.get(at)) for at in range(width)]
    return rows


def _around(values: Array | None) -> Array:
    """A column's values, their neighbours in float32 and float64, and points between and beyond."""
    values = _finite(values)
    if not values.size:
        return np.array([0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 10.0])
    with np.errstate(all="ignore"):  # the next value after the largest number is infinity
        values = np.unique(values)
        if values.size > 8:
            values = values[np.linspace(0, values.size - 1, 8).round().astype(int)]
        single = values.astype(np.float32)
        spread = max(float(np.ptp(values)), float(np.abs(values).max()) * 0.5, 1e-9)
        near = [
            values,
            np.nextafter(values, np.inf),
            np.nextafter(values, -np.inf),
            np.nextafter(single, np.float32(np.inf)).astype(np.float64),
            np.nextafter(single, np.float32(-np.inf)).astype(np.float64),
            values + 0.37 * spread,
            values - 0.41 * spread,
        ]
    found: Array = np.concatenate(near)
    return found[np.isfinite(found)]


def _middle(values: Array | None) -> float:
    values = _finite(values)
    return float(np.median(values)) if values.size else 0.0


def _finite(values: Array | None) -> Array:
    return np.empty(0) if values is None else values[np.isfinite(values)]


def _table(values: ProbeValues, width: int) -> tuple[tuple[Any, ...], ...]:
    random = np.random.default_rng(_SEED)
    columns: list[tuple[Any, ...]] = []
    for at in range(width):
        if at in values.text_columns:
            pool: list[Any] = list(_documents(ProbeValues(documents=values.text_columns[at])))
        elif at in values.categories:
            pool = [item for item in values.categories[at] if _is_cell(item)]
        else:
            pool = _around(values.numbers.get(at)).tolist()
        pool = pool or [0.0]
        picks = random.integers(0, len(pool), MOST_ROWS)
        picks[: min(len(pool), MOST_ROWS)] = np.arange(min(len(pool), MOST_ROWS))
        columns.append(tuple(pool[pick] for pick in picks))
    return tuple(columns)


def _is_cell(item: Any) -> bool:
    """Whether a category can be in a table: a number, text or a boolean, and no NaN."""
    return isinstance(item, str | int) or (isinstance(item, float) and not isnan(item))


def _documents(values: ProbeValues) -> Iterator[str]:
    """Documents of known terms, of unknown ones, and unusual ones."""
    random = np.random.default_rng(_SEED)
    terms = values.documents or ("word",)
    for number in range(MOST_ROWS):
        if number % 8 == 7:
            yield _DOCUMENTS[number // 8 % len(_DOCUMENTS)]
            continue
        count = 1 + number % 12
        words = [terms[pick] for pick in random.integers(0, len(terms), count)]
        if number % 3 == 2:
            words.insert(count // 2, "zzqxv")
        if number % 5 == 4:
            words = [word.upper() for word in words]
        yield " ".join(words)


def _mappings(values: ProbeValues) -> Iterator[dict[str, Any]]:
    """Mappings of known entries, and of keys and texts that the model does not know."""
    random = np.random.default_rng(_SEED)
    numbers = (1, 0, -2.5, 1e-3, True, 7.0)
    for row in range(MOST_ROWS):
        found: dict[str, Any] = {}
        picks = random.integers(0, len(values.mappings), row % 12)
        for place, (key, text) in enumerate(values.mappings[pick] for pick in picks):
            found[key] = numbers[(row + place) % len(numbers)] if text is None else text
        if row % 3 == 2:
            found["zzqxv"] = 1.5
        if row % 5 == 4 and found:
            found[next(iter(found))] = "unseen wörter"
        yield found
