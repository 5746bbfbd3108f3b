"""Text beside numbers: the columns of a table, straight to the scores of a linear model.

Scores have the bits of the product with the sparse matrix that scikit-learn makes of all columns:
one multiply-add for each column and channel, in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.quantization.kernels.arrays import Array
from ml.quantization.kernels.term_weights import TermWeights
from ml.quantization.kernels.text import Adder, Scorer, Step, scorer_of
from ml.quantization.kernels.weighting import Weighting, score_type

Transform = Callable[[Array], Array | None]


@dataclass(frozen=True, slots=True)
class TextColumn:
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


@dataclass(frozen=True, slots=True)
class NumberColumns:
    """Columns of numbers, transformed (scaled, say) or as they are."""

    names: tuple[str, ...]
    transform: Transform | None

    @property
    def n_columns(self) -> int:
        """As many as there are names."""
        return len(self.names)

    def adder(self, weights: TermWeights, threshold: float | None) -> Adder | None:
        """What adds value times weight; None with a threshold or weights of another type."""
        if threshold is not None or score_type(Weighting(), weights) != "d":
            return None

        def from_frame(frame: Any, out: Array) -> bool:
            values = self._values(frame)
            if values is None or not np.isfinite(values).all():
                return False
            n, width = values.shape
            indices = np.tile(np.arange(width, dtype=np.int32), n)
            rows = np.arange(n + 1, dtype=np.int64) * width
            flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
            weights.add(indices, flat, rows, out)
            return True

        return from_frame

    def _values(self, frame: Any) -> Array | None:
        if not all(name in frame.columns for name in self.names):
            return None
        columns = [frame[name].to_numpy() for name in self.names]
        if any(c.ndim != 1 or c.dtype.kind not in "iuf" for c in columns):
            return None
        values = np.stack(columns, axis=1)
        if values.dtype.char not in "df":
            values = values.astype(np.float64)
        return values if self.transform is None else self.transform(values)


@dataclass(frozen=True, slots=True)
class FrameStep:
    """Columns side by side. Implements `text.Step`; its documents are a table."""

    parts: tuple[TextColumn | NumberColumns, ...]

    @property
    def n_columns(self) -> int:
        """Columns of all parts together."""
        return sum(part.n_columns for part in self.parts)

    def matrix(self, documents: Any) -> None:
        """Nothing: tables become matrices in scikit-learn."""

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
        return lambda frame, out: all(add(frame, out) for add in adders), "d"

    def weighed(self, weighting: Any) -> None:
        """None: the norm would go over the rows of all columns."""
