"""What becomes of term counts (tf, idf, norm), and what steps with term counts have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from ml.quantization.kernels import term_counts as compiled
from ml.quantization.kernels.vocabulary import Array

Documents: TypeAlias = Sequence[str]
Scorer: TypeAlias = Callable[..., Array | None]
Adder: TypeAlias = Callable[[Documents, Array], bool]

BATCH = 4096  # documents whose symbols are held at once
NO_ROWS = np.zeros(0, dtype=np.int32)
_NO_SCALE = np.zeros(0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Weighting:
    """What becomes of a count: tf, times idf, divided by the norm of its row.

    Attributes
    ----------
    binary : bool
        Every count is one.
    sublinear : bool
        tf is log(count) + 1.
    codes, idf : ndarray
        The idf of column j is `idf[codes[j]]`; both empty: there is none.
    norm : {"l1", "l2", "max", None}
    dtype : {"d", "f", "l", "i"}
        Type of the matrix.
    """

    binary: bool = False
    sublinear: bool = False
    codes: Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint16))
    idf: Array = field(default_factory=lambda: np.zeros(0, dtype=np.float64))
    norm: str | None = None
    dtype: str = "d"

    @property
    def plain(self) -> bool:
        """Whether counts stay counts (or ones)."""
        return not self.sublinear and not self.idf.size and self.norm is None

    @property
    def float_dtype(self) -> str:
        """The type in which values are multiplied: counts become float64."""
        return "f" if self.dtype == "f" else "d"

    def values(self, counts: Array, indices: Array, rows: Array) -> Array:
        """The values of a CSR matrix of counts, in scikit-learn's own order of operations."""
        values = np.ones(len(counts), self.dtype) if self.binary else counts.astype(self.dtype)
        if self.sublinear:
            values = np.log(values, out=values)
            values += 1.0
        if self.idf.size:
            values *= self.idf[self.codes[indices]]
        if self.norm is not None:
            compiled.normalize_rows(values, rows, compiled.NORMS[self.norm])
        return values

    def tf_table(self, size: int) -> Array:
        """The tf of counts below `size`; empty when tf is the count itself."""
        if not self.sublinear:
            return np.zeros(0, dtype=self.float_dtype)
        table = np.arange(size, dtype=self.float_dtype)
        with np.errstate(divide="ignore"):
            np.log(table, out=table)
        table += 1.0
        return table


class Step(Protocol):
    """What a model behind text asks of the step before it."""

    @property
    def n_columns(self) -> int:
        """Columns of the matrix."""

    def matrix(self, documents: Documents) -> Any:
        """The document-term matrix as `scipy.sparse.csr_matrix`, or None."""

    def scorer(
        self, weights: Array, scale: Array | None = None, *, threshold: float | None = None
    ) -> Scorer | None:
        """A function of documents that gives what `matrix(documents) @ weights` would.

        Parameters
        ----------
        weights : ndarray of shape (n_columns, n_channels), C order
            Floats; or signed integer codes when `scale` is given.
        scale : ndarray of shape (n_channels,), optional
            The weight is `scale * code`, in the dtype of `scale`.
        threshold : float, optional
            Values above it count as one and all others as zero.

        Returns
        -------
        callable or None
            `score(documents, threads=1)` -> ndarray of shape (n, n_channels) or None (see the
            module `text`). No callable: these types are not treated.
        """

    def adder(
        self, weights: Array, scale: Array | None, threshold: float | None
    ) -> tuple[Adder, str] | None:
        """What `scorer` is made of: add the scores to an array of the type given; False: cannot."""

    def select(self, columns: Array) -> Step | None:
        """The step with only `columns` left for what follows; the norm still counts the others."""

    def weighed(self, weighting: Weighting) -> Step | None:
        """The step with another one's weighting behind it, or None when that is not possible."""


def make_scorer(
    step: Step, weights: Array, scale: Array | None, threshold: float | None
) -> Scorer | None:
    """The scorer of a step from its adder: documents in batches, in threads when asked for."""
    made = step.adder(weights, scale, threshold)
    if made is None:
        return None
    add, dtype = made
    channels = weights.shape[1]

    def score(documents: Documents, threads: int = 1) -> Array | None:
        n = len(documents)
        if not n:
            return None
        out = np.zeros((n, channels), dtype=dtype)
        size = min(BATCH, -(-n // threads))
        if size == n:
            return out if add(documents, out) else None
        starts = range(0, n, size)

        def part(start: int) -> bool:
            return add(documents[start : start + size], out[start : start + size])

        if threads == 1:
            return out if all(map(part, starts)) else None
        with ThreadPoolExecutor(threads) as pool:
            return out if all(pool.map(part, starts)) else None

    return score


def score_type(weighting: Weighting, weights: Array, scale: Array | None) -> str | None:
    """The type that scipy's product has; None for types whose rounding is not reproduced here."""
    held = weights.dtype if scale is None else scale.dtype
    if held.char not in "df" or (scale is not None and weights.dtype.kind != "i"):
        return None
    if not weights.flags.c_contiguous or weights.ndim != 2:
        return None
    result = np.result_type(weighting.float_dtype, held)
    # float32 codes that meet float64 values would be rounded once less than the real weights.
    return None if scale is not None and held != result else result.char


def scale_or_none(scale: Array | None) -> Array:
    """The scales as float64 for the kernels; an empty array stands for none."""
    return _NO_SCALE if scale is None else scale.astype(np.float64)


def kept_rows(kept: Array, n_columns: int, columns: Array) -> Array:
    """`kept` after only `columns` (of those it keeps) are left, in their order."""
    rows = np.full(n_columns, -1, dtype=np.int32)
    rows[columns] = np.arange(len(columns))
    if not kept.size:
        return rows
    chained = np.full(len(kept), -1, dtype=np.int32)
    present = kept >= 0
    chained[present] = rows[kept[present]]
    return chained


def prune_columns(weights: Array) -> tuple[Array, Array]:
    """The rows of `weights` that are not all zero, and where they are.

    Returns
    -------
    compact : ndarray of shape (n_kept, n_channels)
    columns : int64 ndarray of shape (n_kept,)
        For `Step.select`: `step.select(columns).scorer(compact)` scores as `step.scorer(weights)`
        does, to the bit (a zero that is added changes nothing, save the sign of a zero).
    """
    columns = np.flatnonzero(weights.any(axis=1))
    return np.ascontiguousarray(weights[columns]), columns
