"""The columns of a table, text, categories and numbers, on the way to a model.

Straight to the scores of a linear model they have the bits of the product with the sparse matrix
that scikit-learn makes of all columns: one multiply-add for each column and channel, in the order
of the columns. Where scikit-learn makes a dense matrix of them, the same one is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.tables.array_columns import ArrayColumns
from model_quantization.kernels.tables.categories import (
    Columns,
    Encoder,
    Entries,
    Filler,
    entries_of,
)
from model_quantization.kernels.tables.pandas_columns import FrameColumns, Takes
from model_quantization.kernels.text.steps import Adder, Scorer, Step, scorer_of
from model_quantization.kernels.text.term_weights import TermWeights
from model_quantization.kernels.text.weighting import Weighting, score_type
from model_quantization.values import Value

Source: TypeAlias = Any  # FrameColumns or ArrayColumns
Transform: TypeAlias = Callable[[Array], Array | None]


class TextColumn(Value, frozen=True):
    """One column of documents, and the step that makes terms of it."""

    name: str
    step: Step

    @property
    def n_columns(self) -> int:
        """Columns of its matrix."""
        return self.step.n_columns

    def adder(self, weights: TermWeights, threshold: float | None) -> Adder | None:
        """What adds the scores of this column's terms; None for types that are not treated."""
        made = self.step.adder(weights, threshold)
        if made is None or made[1] != "d":
            return None
        add, name = made[0], self.name

        def from_frame(frame: Source, out: Array) -> bool:
            column = frame.values(name)
            documents = None if column is None else column.tolist()
            if documents is None or not all(type(text) is str for text in documents):
                return False
            return add(documents, out)

        return from_frame

    def block(self, frame: Source) -> Array | None:
        """All weights of its terms, (n, n_columns), C order."""
        column = frame.values(self.name)
        documents = None if column is None else column.tolist()
        if documents is None or not all(type(text) is str for text in documents):
            return None
        found = self.step.matrix(documents)
        return None if found is None else np.asarray(found.toarray())


class NumberColumns(Value, frozen=True):
    """Columns of numbers, transformed (filled or scaled, say) or as they are.

    Attributes
    ----------
    names : tuple of str
    transform : callable or None
        Of rows to rows; None: as they are.
    n_columns : int
        Columns that come of it.
    takes : str
        See `Takes`.
    """

    names: tuple[Any, ...]
    transform: Transform | None
    n_columns: int
    takes: Takes = "numbers"

    def adder(self, weights: TermWeights, threshold: float | None) -> Adder | None:
        """What adds value times weight; None with a threshold or weights of another type."""
        return _adder_of(self._entries, weights, threshold)

    def _entries(self, frame: Source) -> Entries | None:
        block = self.block(frame)
        return None if block is None else entries_of(block)

    def block(self, frame: Source) -> Array | None:
        """All values, (n, n_columns), in the memory order that scikit-learn's have.

        Raises
        ------
        ValueError
            The step gives another number of columns than it says.
        """
        rows = frame.numbers(self.names, self.takes)
        if rows is None:
            return None
        if rows.dtype.char not in "df":
            rows = rows.astype(np.float64)
        found = rows if self.transform is None else self.transform(rows)
        if found is not None and found.shape != (len(rows), self.n_columns):
            raise ValueError(f"{found.shape[1:]} columns of a step that gives {self.n_columns}")
        return found


class CategoryColumns(Value, frozen=True):
    """Columns of categories, filled perhaps, and what encodes them."""

    names: tuple[Any, ...]
    filler: Filler | None
    encoder: Encoder

    @property
    def n_columns(self) -> int:
        """Columns of numbers that come of it."""
        return self.encoder.n_columns

    def adder(self, weights: TermWeights, threshold: float | None) -> Adder | None:
        """What adds value times weight; None with a threshold or weights of another type."""
        return _adder_of(self._entries, weights, threshold)

    def block(self, frame: Source) -> Array | None:
        """All numbers, (n, n_columns), C order."""
        columns = self._columns(frame)
        return None if columns is None else self.encoder.block(columns)

    def _entries(self, frame: Source) -> Entries | None:
        columns = self._columns(frame)
        return None if columns is None else self.encoder.entries(columns)

    def _columns(self, frame: Source) -> Columns | None:
        columns: list[Array] = []
        for name in self.names:
            column = frame.values(name)
            if column is None:
                return None
            columns.append(column)
        return columns if self.filler is None else self.filler.fill(columns)


def _adder_of(
    entries: Callable[[FrameColumns], Entries | None], weights: TermWeights, threshold: float | None
) -> Adder | None:
    if threshold is not None or score_type(Weighting(), weights) != "d":
        return None

    def add(frame: Source, out: Array) -> bool:
        found = entries(frame)
        if found is None:
            return False
        weights.add(*found, out)
        return True

    return add


class FrameStep(Value, frozen=True):
    """Columns side by side. Implements `text.Step`; its documents are a table.

    Attributes
    ----------
    parts : tuple
    exactly : tuple of str or None
        The only columns that a table may have, in order; None: others may stand between them.
    of_array : bool
        Whether the table is an array, whose columns have numbers for names.
    """

    parts: tuple[TextColumn | NumberColumns | CategoryColumns, ...]
    exactly: tuple[str, ...] | None = None
    of_array: bool = False

    @property
    def n_columns(self) -> int:
        """Columns of all parts together."""
        return sum(part.n_columns for part in self.parts)

    def matrix(self, documents: Any) -> None:
        """None: scikit-learn makes matrices of tables."""

    def rows(self, frame: Any) -> Array | None:
        """All columns as one matrix of floats, stacked as scikit-learn stacks them."""
        blocks: list[Array] = []
        columns = self._columns(frame)
        if columns is None:
            return None
        for part in self.parts:
            block = part.block(columns)
            if block is None:
                return None
            blocks.append(block)
        return np.hstack(blocks)

    def scorer(self, weights: TermWeights, *, threshold: float | None = None) -> Scorer | None:
        """See `text.Step`."""
        return scorer_of(self.adder(weights, threshold), weights.n_channels)

    def adder(self, weights: TermWeights, threshold: float | None) -> tuple[Adder, str] | None:
        """See `text.Step`; the parts add in turn, as their columns follow each other."""
        adders: list[Adder] = []
        start = 0
        for part in self.parts:
            made = part.adder(weights.of_terms(start, start + part.n_columns), threshold)
            if made is None:
                return None
            adders.append(made)
            start += part.n_columns

        def add_all(frame: Any, out: Array) -> bool:
            columns = self._columns(frame)
            return columns is not None and all(add(columns, out) for add in adders)

        return add_all, "d"

    def _columns(self, frame: Any) -> Source | None:
        if self.of_array:
            return ArrayColumns(frame)
        columns = FrameColumns(frame)
        fits = self.exactly is None or tuple(columns.names) == self.exactly
        return columns if fits else None

    def weighed(self, weighting: Any) -> None:
        """None: the norm would be taken over the columns of all parts."""
