"""From documents to matrices and scores, without a dict and without a matrix.

A `TextStep` is a fitted vectorizer as arrays. `matrix` gives what scikit-learn's `transform`
gives, bit for bit; `scorer` goes straight from documents to the scores of a linear model, bit for
bit what `transform(documents) @ weights` would be.

Every function of documents gives None for what it does not treat (tokens that hold a space): the
real vectorizer answers then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import narrowed_in_two
from model_quantization.kernels.text import term_counts, term_values
from model_quantization.kernels.text.term_weights import TermWeights
from model_quantization.kernels.text.weighting import Weighting, score_type
from model_quantization.values import Value

Documents: TypeAlias = Sequence[str]
Counts: TypeAlias = tuple[Array, Array, Array]  # indices, counts, rows (CSR)
Scorer: TypeAlias = Callable[..., Array | None]
Adder: TypeAlias = Callable[[Documents, Array], bool]

BATCH = 4096  # documents whose symbols are in memory at once
DOCUMENTS_PER_THREAD = 250


class Counter(Protocol):
    """A counter of terms: by a vocabulary, or by hashing."""

    @property
    def n_columns(self) -> int:
        """Columns of the matrix."""

    @property
    def signed(self) -> bool:
        """Whether counts can be negative."""

    def counts(self, documents: Documents) -> Counts | None:
        """Ascending int32 columns and int64 counts of every document; int64 row boundaries."""


class Step(Protocol):
    """The interface of a step for the model after it."""

    @property
    def n_columns(self) -> int:
        """Columns of the matrix."""

    def matrix(self, documents: Documents) -> Any:
        """The document-term matrix as `scipy.sparse.csr_matrix`, or None."""

    def scorer(self, weights: TermWeights, *, threshold: float | None = None) -> Scorer | None:
        """A function of documents that gives what `matrix(documents) @ weights` would.

        Parameters
        ----------
        weights : TermWeights
            Of `n_columns` terms.
        threshold : float, optional
            Values above it count as one and all others as zero.

        Returns
        -------
        callable or None
            `score(documents, n_jobs=None)` -> ndarray of shape (n, n_channels), or None. No
            callable: these types are not treated.
        """

    def adder(self, weights: TermWeights, threshold: float | None) -> tuple[Adder, str] | None:
        """What `scorer` is made of: adds the scores to an array of the type given (False: not)."""

    def weighed(self, weighting: Weighting) -> Step | None:
        """The step with another one's weighting behind it, or None when that is not possible."""


class TextStep(Value, frozen=True):
    """A vectorizer: a counter, and the weighting of the counts."""

    counter: Counter
    weighting: Weighting

    @property
    def n_columns(self) -> int:
        """Columns of the matrix."""
        return self.counter.n_columns

    def weighed(self, weighting: Weighting) -> Step | None:
        """See `Step.weighed`; a step that has a weighting of its own cannot take another."""
        mine = self.weighting
        if not mine.plain or (weighting.sublinear and self.counter.signed):
            return None
        return replace(
            self, weighting=replace(weighting, binary=mine.binary, dtype=mine.float_dtype)
        )

    def matrix(self, documents: Documents) -> Any:
        """See `Step.matrix`."""
        from scipy.sparse import csr_matrix

        found = self.counter.counts(documents) if len(documents) else None
        if found is None:
            return None
        indices, counts, rows = found
        values = self.weighting.values(counts, indices, rows)
        kind = np.int32 if len(indices) < 1 << 31 else np.int64
        shape = (len(documents), self.n_columns)
        matrix = csr_matrix((values, indices.astype(kind), rows.astype(kind)), shape=shape)
        matrix.has_sorted_indices = True
        return matrix

    def scorer(self, weights: TermWeights, *, threshold: float | None = None) -> Scorer | None:
        """See `Step.scorer`."""
        return scorer_of(self.adder(weights, threshold), weights.n_channels)

    def adder(self, weights: TermWeights, threshold: float | None) -> tuple[Adder, str] | None:
        """See `Step.adder`."""
        weighting, count = self.weighting, self.counter.counts
        kind = score_type(weighting, weights)
        if kind is None:
            return None
        tf = weighting.tf_table(256)
        codes, norm = narrowed_in_two(weighting.codes), term_values.NORMS[weighting.norm]
        behind = (codes, weighting.idf, norm)
        finite = weights if np.isfinite(weighting.idf).all() else weights.with_zeros()

        def add(documents: Documents, out: Array) -> bool:
            found = count(documents)
            if found is None:
                return False
            indices, counts, rows = found
            table = tf
            if weighting.sublinear and (most := term_counts.largest(counts)) >= len(tf):
                table = weighting.tf_table(most + 1)
            values = np.empty(len(indices), dtype=weighting.float_dtype)
            term_values.weigh(
                counts, indices, rows, weighting.binary, weighting.sublinear, table, *behind, values
            )
            if threshold is not None:
                term_values.keep_above(indices, values, rows, threshold)
            finite.add(indices, values, rows, out)
            return True

        return add, kind


class TextUnion(Value, frozen=True):
    """Several steps side by side over the same documents. Implements `Step`."""

    steps: tuple[Step, ...]

    @property
    def n_columns(self) -> int:
        """Columns of all steps together."""
        return sum(step.n_columns for step in self.steps)

    def matrix(self, documents: Documents) -> Any:
        """See `Step.matrix`."""
        from scipy.sparse import hstack

        parts: Sequence[Any] = [step.matrix(documents) for step in self.steps]
        return None if any(part is None for part in parts) else hstack(parts).tocsr()

    def scorer(self, weights: TermWeights, *, threshold: float | None = None) -> Scorer | None:
        """See `Step.scorer`."""
        return scorer_of(self.adder(weights, threshold), weights.n_channels)

    def adder(self, weights: TermWeights, threshold: float | None) -> tuple[Adder, str] | None:
        """See `Step.adder`; the steps add in turn, as their columns follow each other."""
        adders: list[Adder] = []
        kinds: set[str] = set()
        start = 0
        for step in self.steps:
            made = step.adder(weights.of_terms(start, start + step.n_columns), threshold)
            if made is None:
                return None
            adders.append(made[0])
            kinds.add(made[1])
            start += step.n_columns
        if len(kinds) != 1:
            return None
        return lambda documents, out: all(add(documents, out) for add in adders), kinds.pop()

    def weighed(self, weighting: Weighting) -> Step | None:
        """None: the norm would be taken over the columns of all steps."""
        return None


def scorer_of(made: tuple[Adder, str] | None, channels: int) -> Scorer | None:
    """The scorer of an adder: documents in batches, in threads when asked for."""
    if made is None:
        return None
    add, dtype = made

    def score(documents: Documents, n_jobs: int | None = None) -> Array | None:
        n = len(documents)
        if not n:
            return None
        out = np.zeros((n, channels), dtype=dtype)
        threads = thread_count(n_jobs, n)
        size = min(BATCH, -(-n // threads))
        if size == n:
            return out if add(documents, out) else None

        def part(start: int) -> bool:
            return add(documents[start : start + size], out[start : start + size])

        starts = range(0, n, size)
        if threads == 1:
            return out if all(map(part, starts)) else None
        with ThreadPoolExecutor(threads) as pool:
            return out if all(pool.map(part, starts)) else None

    return score


def thread_count(n_jobs: int | None, n: int) -> int:
    """How many threads `n_jobs` means, as joblib counts, for so many documents.

    Starting one costs what 100 short messages do: each gets at least `DOCUMENTS_PER_THREAD`.
    """
    if n_jobs is None or n_jobs == 0:
        return 1
    asked = n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)
    return max(1, min(asked, n // DOCUMENTS_PER_THREAD))
