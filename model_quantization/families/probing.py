"""Inputs at which a component is likely to change its answer, as its family knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array


@dataclass(frozen=True, slots=True)
class ProbeValues:
    """Inputs worth a question, by column of the component's own input.

    Attributes
    ----------
    numbers : mapping of int to 1-D float64 array
        Values of a column at and beside which an answer may change: thresholds, means, edges.
    categories : mapping of int to tuple
        Categories of a column, in their original types.
    text_columns : mapping of int to tuple of str
        Terms of the vocabulary that reads a column of documents.
    documents : tuple of str
        Terms of a vocabulary, for a component whose whole input is documents.
    mappings : tuple of (str, str or None)
        Key and text of a mapping's entry; None where the entry is a number.
    rows : tuple of 1-D float64 arrays
        Whole rows: centroids, support vectors, stored training rows.
    """

    numbers: Mapping[int, Array] = field(default_factory=dict)
    categories: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)
    text_columns: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    mappings: tuple[tuple[str, str | None], ...] = ()
    rows: tuple[Array, ...] = ()

    def moved(self, columns: Mapping[int, int]) -> ProbeValues:
        """Return the values under other column numbers; columns that are not named are left out.

        Whole rows are left out too: they belong to another input.
        """
        return ProbeValues(
            {columns[at]: values for at, values in self.numbers.items() if at in columns},
            {columns[at]: values for at, values in self.categories.items() if at in columns},
            {columns[at]: values for at, values in self.text_columns.items() if at in columns},
        )

    def unscaled(self, scale: Array, shift: Array) -> ProbeValues:
        """Return the inputs `x` for which `x * scale + shift` gives these values."""
        usable = np.isfinite(scale) & np.isfinite(shift) & (scale != 0)
        numbers = {
            at: (values - shift[at]) / scale[at]
            for at, values in self.numbers.items()
            if at < scale.size and usable[at]
        }
        rows = [
            (row - shift) / np.where(usable, scale, 1.0)
            for row in self.rows
            if row.shape == scale.shape
        ]
        return ProbeValues(numbers, rows=tuple(rows))


Collect: TypeAlias = Callable[[Any], ProbeValues]
"""The collector of a child's values, given to a family's `probe`."""


def merged(parts: Iterable[ProbeValues]) -> ProbeValues:
    """Return the values of several components that read the same input."""
    numbers: dict[int, Array] = {}
    categories: dict[int, tuple[Any, ...]] = {}
    texts: dict[int, tuple[str, ...]] = {}
    documents: list[str] = []
    mappings: list[tuple[str, str | None]] = []
    rows: list[Array] = []
    for part in parts:
        for at, values in part.numbers.items():
            numbers[at] = np.concatenate([numbers[at], values]) if at in numbers else values
        for at, found in part.categories.items():
            categories[at] = categories.get(at, ()) + found
        for at, terms in part.text_columns.items():
            texts[at] = texts.get(at, ()) + terms
        documents += part.documents
        mappings += part.mappings
        rows += part.rows
    return ProbeValues(numbers, categories, texts, tuple(documents), tuple(mappings), tuple(rows))
