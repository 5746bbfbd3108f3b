"""The columns of a table, text, categories and numbers, on the way to a model.

Straight to the scores of a linear model they have the bits of the product with the sparse matrix
that scikit-learn makes of all columns: one multiply-add for each column and channel, in the order
of the columns. Where scikit-learn makes a dense matrix of them, the same one is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.tables.categories import (
    Columns,
    Encoder,
    Entries,
    Filler,
    entries_of,
)
from model_quantization.kernels.text.steps import Adder, Scorer, Step, scorer_of
from model_quantization.kernels.text.term_weights import TermWeights
from model_quantization.kernels.text.weighting import Weighting, score_type
from model_quantization.values import Value

Transform = Callable[[Array], Array | None]
_NUMBERS = "dfbBhHiIlLqQ"


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

        def from_frame(frame: Any, out: Array) -> bool:
            if name not in frame.columns:
                return False
            documents = frame[name].tolist()
            return all(type(text) is str for text in documents) and add(documents, out)

        return from_frame


class NumberColumns(Value, frozen=True):
    """Columns of numbers, transformed (filled or scaled, say) or as they are."""

    names: tuple[str, ...]
    transform: Transform | None

    @property
    def n_columns(self) -> int:
        """As many as there are names."""
        return len(self.names)

    def adder(self, weights: TermWeights, threshold: float | None) -> Adder | None:
        """What adds value times weight; None with a threshold or weights of another type."""
        return _adder_of(self._entries, weights, threshold)

    def _entries(self, frame: Any) -> Entries | None:
        block = self._stacked(frame)
        return None if block is None else entries_of(block)

    def _stacked(self, frame: Any) -> Array | None:
        if not all(name in frame.columns for name in self.names):
            return None
        columns = [frame[name].to_numpy() for name in self.names]
        if any(column.ndim != 1 for column in columns):
            return None
        return self._transformed([c.dtype for c in columns], lambda: np.stack(columns, axis=1))

    def block(self, frame: Any) -> Array | None:
        """All values, (n, n_columns), in the memory order that scikit-learn's have."""
        if len(frame) == 1:  # has both orders, and is the case that must be quick
            return self._stacked(frame)
        if not all(name in frame.columns for name in self.names):
            return None
        asked = frame.loc[:, list(self.names)]
        return self._transformed(list(asked.dtypes), asked.to_numpy)

    def _transformed(self, dtypes: list[Any], values: Callable[[], Array]) -> Array | None:
        if not all(isinstance(each, np.dtype) and each.char in _NUMBERS for each in dtypes):
            return None
        block = values()
        if block.dtype.char not in "df":
            block = block.astype(np.float64)
        return block if self.transform is None else self.transform(block)


class CategoryColumns(Value, frozen=True):
    """Columns of categories, filled perhaps, and what encodes them."""

    names: tuple[str, ...]
    filler: Filler | None
    encoder: Encoder

    @property
    def n_columns(self) -> int:
        """Columns of numbers that come of it."""
        return self.encoder.n_columns

    def adder(self, weights: TermWeights, threshold: float | None) -> Adder | None:
        """What adds value times weight; None with a threshold or weights of another type."""
        return _adder_of(self._entries, weights, threshold)

    def block(self, frame: Any) -> Array | None:
        """All numbers, (n, n_columns), C order."""
        columns = self._columns(frame)
        return None if columns is None else self.encoder.block(columns)

    def _entries(self, frame: Any) -> Entries | None:
        columns = self._columns(frame)
        return None if columns is None else self.encoder.entries(columns)

    def _columns(self, frame: Any) -> Columns | None:
        columns: list[Array] = []
        for name in self.names:
            column = _values(frame[name]) if name in frame.columns else None
            if column is None:
                return None
            columns.append(column)
        return columns if self.filler is None else self.filler.fill(columns)


def _values(column: Any) -> Array | None:
    """A column of a table as scikit-learn sees it; None for types that it converts."""
    plain = isinstance(column.dtype, np.dtype)
    if column.ndim != 1 or not (plain or column.dtype.name in ("str", "category")):
        return None
    values: Array = column.to_numpy()
    return values if plain or values.dtype == object else None


def _adder_of(
    entries: Callable[[Any], Entries | None], weights: TermWeights, threshold: float | None
) -> Adder | None:
    if threshold is not None or score_type(Weighting(), weights) != "d":
        return None

    def add(frame: Any, out: Array) -> bool:
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
    """

    parts: tuple[TextColumn | NumberColumns | CategoryColumns, ...]
    exactly: tuple[str, ...] | None = None

    @property
    def n_columns(self) -> int:
        """Columns of all parts together."""
        return sum(part.n_columns for part in self.parts)

    def matrix(self, documents: Any) -> None:
        """Nothing: tables become matrices in scikit-learn."""

    def rows(self, frame: Any) -> Array | None:
        """All columns as one matrix of floats, stacked as scikit-learn stacks them."""
        blocks: list[Array] = []
        if not self._fits(frame):
            return None
        for part in self.parts:
            block = None if isinstance(part, TextColumn) else part.block(frame)
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
        return lambda frame, out: self._fits(frame) and all(add(frame, out) for add in adders), "d"

    def _fits(self, frame: Any) -> bool:
        return self.exactly is None or tuple(frame.columns) == self.exactly

    def weighed(self, weighting: Any) -> None:
        """None: the norm would go over the rows of all columns."""
